/* Sealing and signing over libsodium, for those who hold a secret: the vault of an agent, and a person's
 * console. Boxes are crypto_box_seal (X25519, XSalsa20-Poly1305, an ephemeral key each), signatures Ed25519,
 * digests BLAKE2b-256. */
#ifndef CROFT_OS_SEAL_H
#define CROFT_OS_SEAL_H

#include "port/vault.h"

enum { SEAL_SIGN_SECRET_SIZE = 64 };

/* Both private halves; lives only in memory of seal_secret_new(). */
struct seal_secrets {
    unsigned char seal[VAULT_KEY_SIZE];
    unsigned char sign[SEAL_SIGN_SECRET_SIZE];
};

/* Memory between guard pages that is locked, not in core dumps, empty in children that copy it, and wiped
 * when freed. ERROR_FAILED when the kernel does not lock it (ulimit -l). Zeroed. */
MUST_CHECK bool seal_secret_new(size_t size, void **ret_memory, struct error *err);
void seal_secret_free(void *memory); /* NULL is fine */
/* No core dump of this process, and nobody but root looks into it. */
MUST_CHECK bool seal_harden(struct error *err);

MUST_CHECK bool seal_init(struct error *err); /* before anything else here; can be repeated */
void seal_make(struct seal_secrets *ret_secrets, struct vault_pair *ret_pair);
/* The same two from a seed each time: what a person's console keeps. */
void seal_make_seed(unsigned char ret_seed[VAULT_KEY_SIZE]);
void seal_from_seed(const unsigned char seed[VAULT_KEY_SIZE], struct seal_secrets *ret_secrets);
/* The public halves that belong to them. */
void seal_public(const struct seal_secrets *secrets, struct vault_pair *ret_pair);
void seal_fingerprint(struct vault_pair *pair); /* of its halves, into it */
/* pair: the public halves of secrets. */
MUST_CHECK bool seal_open(const struct seal_secrets *secrets, const struct vault_pair *pair, const void *box,
                          size_t size, struct buf *ret_data, struct error *err);
void seal_sign(const struct seal_secrets *secrets, const void *data, size_t size,
               unsigned char ret_signature[VAULT_SIGNATURE_SIZE]);
bool seal_verify(const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                 const unsigned char signature[VAULT_SIGNATURE_SIZE]);
MUST_CHECK bool seal_box(const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                         struct buf *ret_box, struct error *err);
void seal_digest(const void *data, size_t size, unsigned char ret_digest[VAULT_DIGEST_SIZE]);
void seal_wipe(void *memory, size_t size);
/* HKDF-SHA-256 (RFC 5869), at most 255 * 32 bytes. No salt: size 0. */
void seal_hkdf(const void *salt, size_t salt_size, const void *secret, size_t secret_size,
               const void *purpose, size_t purpose_size, unsigned char *ret_key, size_t size);
/* XChaCha20-Poly1305 with a nonce of chance before it. `about` is authenticated, and not in the box. */
enum { SEAL_WRAP_KEY_SIZE = 32, SEAL_WRAP_SIZE = 24 + 16 }; /* what a box is longer than its data */
void seal_wrap(const unsigned char key[SEAL_WRAP_KEY_SIZE], const void *about, size_t about_size,
               const void *data, size_t size, struct buf *ret_box);
/* size bytes into ret_data, zeros on failure. ERROR_DENIED. */
MUST_CHECK bool seal_unwrap(const unsigned char key[SEAL_WRAP_KEY_SIZE], const void *about, size_t about_size,
                            const void *box, size_t box_size, void *ret_data, size_t size, struct error *err);

#endif
