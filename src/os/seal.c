#include "os/seal.h"

#include "base/mem.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

_Static_assert(VAULT_KEY_SIZE == crypto_box_PUBLICKEYBYTES && VAULT_KEY_SIZE == crypto_box_SECRETKEYBYTES,
               "");
_Static_assert(VAULT_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "");
_Static_assert((int)SEAL_SIGN_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "");
_Static_assert(VAULT_SIGNATURE_SIZE == crypto_sign_BYTES && VAULT_DIGEST_SIZE == crypto_generichash_BYTES,
               "");

_Static_assert((int)SEAL_WRAP_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES &&
                   (int)SEAL_WRAP_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
                                              crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "");

bool seal_init(struct error *err)
{
    return sodium_init() >= 0 || error_set(err, ERROR_FAILED, "libsodium does not start on this machine");
}

/* libsodium locks and hides from dumps, but does not say when it could not; and a process that forks would
 * copy. All pages are the secret's own: the guard pages stand outside. */
bool seal_secret_new(size_t size, void **ret_memory, struct error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *memory = sodium_malloc(size);

    if (!memory) return error_errno(err, errno, "memory for secrets");
    uintptr_t first = (uintptr_t)memory / page * page;
    size_t length = ((uintptr_t)memory + size + page - 1) / page * page - first;
    void *pages = memory - ((uintptr_t)memory - first);
    if (mlock(pages, length) != 0 || madvise(pages, length, MADV_DONTDUMP) != 0 ||
        /* EINVAL: a kernel before 4.14; children of ours copy nothing anyway (clone with shared memory) */
        (madvise(pages, length, MADV_WIPEONFORK) != 0 && errno != EINVAL)) {
        error_errno(err, errno, "locking the memory of secrets (ulimit -l says how much may be)");
        sodium_free(memory);
        return false;
    }
    memset(memory, 0, size);
    *ret_memory = memory;
    return true;
}

void seal_secret_free(void *memory)
{
    sodium_free(memory);
}

/* The soft limit only: it is handed down, and what runs here may have dumps of its own. */
bool seal_harden(struct error *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) != 0) return error_errno(err, errno, "limits of core dumps");
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &limit) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return error_errno(err, errno, "forbidding core dumps");
    return true;
}

void seal_make(struct seal_secrets *ret_secrets, struct vault_pair *ret_pair)
{
    crypto_box_keypair(ret_pair->seal, ret_secrets->seal);
    crypto_sign_keypair(ret_pair->sign, ret_secrets->sign);
    seal_fingerprint(ret_pair);
}

void seal_make_seed(unsigned char ret_seed[VAULT_KEY_SIZE])
{
    randombytes_buf(ret_seed, VAULT_KEY_SIZE);
}

/* Different ones: what one of them is used for says nothing of the other. */
void seal_from_seed(const unsigned char seed[VAULT_KEY_SIZE], struct seal_secrets *ret_secrets)
{
    static const char context[crypto_kdf_CONTEXTBYTES] = {'c', 'o', 'n', 's', 'o', 'l', 'e', '1'};
    unsigned char ignored[VAULT_KEY_SIZE], derived[VAULT_KEY_SIZE];

    crypto_kdf_derive_from_key(derived, sizeof(derived), 1, context, seed);
    crypto_box_seed_keypair(ignored, ret_secrets->seal, derived);
    crypto_kdf_derive_from_key(derived, sizeof(derived), 2, context, seed);
    crypto_sign_seed_keypair(ignored, ret_secrets->sign, derived);
    sodium_memzero(derived, sizeof(derived));
}

void seal_public(const struct seal_secrets *secrets, struct vault_pair *ret_pair)
{
    crypto_scalarmult_base(ret_pair->seal, secrets->seal);
    crypto_sign_ed25519_sk_to_pk(ret_pair->sign, secrets->sign);
    seal_fingerprint(ret_pair);
}

void seal_fingerprint(struct vault_pair *pair)
{
    static const char domain[] = "croft pair v1";
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, VAULT_DIGEST_SIZE);
    crypto_generichash_update(&state, (const unsigned char *)domain, sizeof(domain));
    crypto_generichash_update(&state, pair->seal, sizeof(pair->seal));
    crypto_generichash_update(&state, pair->sign, sizeof(pair->sign));
    crypto_generichash_final(&state, pair->fingerprint, VAULT_DIGEST_SIZE);
}

bool seal_open(const struct seal_secrets *secrets, const struct vault_pair *pair, const void *box,
               size_t size, struct buf *ret_data, struct error *err)
{
    unsigned char *plain = NULL;
    bool good = false;

    if (size >= crypto_box_SEALBYTES) {
        plain = mem_alloc(size);
        good = crypto_box_seal_open(plain, box, size, pair->seal, secrets->seal) == 0;
        if (good) buf_add(ret_data, plain, size - crypto_box_SEALBYTES);
        sodium_memzero(plain, size);
        mem_free(plain);
    }
    return good || error_set(err, ERROR_DENIED, "the box is torn, or sealed to another key");
}

void seal_sign(const struct seal_secrets *secrets, const void *data, size_t size,
               unsigned char ret_signature[VAULT_SIGNATURE_SIZE])
{
    crypto_sign_detached(ret_signature, NULL, data, size, secrets->sign);
}

bool seal_verify(const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                 const unsigned char signature[VAULT_SIGNATURE_SIZE])
{
    return crypto_sign_verify_detached(signature, data, size, key) == 0;
}

bool seal_box(const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size, struct buf *ret_box,
              struct error *err)
{
    unsigned char *box = mem_alloc(size + crypto_box_SEALBYTES);
    bool good = crypto_box_seal(box, data, size, key) == 0;

    if (good) buf_add(ret_box, box, size + crypto_box_SEALBYTES);
    mem_free(box);
    return good || error_set(err, ERROR_INVALID, "nothing can be sealed to such a key");
}

void seal_digest(const void *data, size_t size, unsigned char ret_digest[VAULT_DIGEST_SIZE])
{
    crypto_generichash(ret_digest, VAULT_DIGEST_SIZE, data, size, NULL, 0);
}

void seal_wipe(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}

/* RFC 5869: extract (2.2), a key of all zeros where there is no salt; expand (2.3). libsodium has it only
 * from 1.0.19. */
void seal_hkdf(const void *salt, size_t salt_size, const void *secret, size_t secret_size,
               const void *purpose, size_t purpose_size, unsigned char *ret_key, size_t size)
{
    struct {
        crypto_auth_hmacsha256_state state;
        unsigned char key[crypto_auth_hmacsha256_BYTES], block[crypto_auth_hmacsha256_BYTES];
    } s = {0};
    size_t block_size = 0;

    ASSERT(size <= 255 * sizeof(s.block));
    crypto_auth_hmacsha256_init(&s.state, salt, salt_size);
    crypto_auth_hmacsha256_update(&s.state, secret, secret_size);
    crypto_auth_hmacsha256_final(&s.state, s.key);
    for (unsigned char count = 1; size > 0; count++) {
        crypto_auth_hmacsha256_init(&s.state, s.key, sizeof(s.key));
        crypto_auth_hmacsha256_update(&s.state, s.block, block_size);
        crypto_auth_hmacsha256_update(&s.state, purpose, purpose_size);
        crypto_auth_hmacsha256_update(&s.state, &count, 1);
        crypto_auth_hmacsha256_final(&s.state, s.block);
        block_size = sizeof(s.block);
        size_t piece = size < block_size ? size : block_size;
        memcpy(ret_key, s.block, piece);
        ret_key += piece;
        size -= piece;
    }
    sodium_memzero(&s, sizeof(s));
}

void seal_wrap(const unsigned char key[SEAL_WRAP_KEY_SIZE], const void *about, size_t about_size,
               const void *data, size_t size, struct buf *ret_box)
{
    enum { NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };
    CLEANUP_MEM unsigned char *box = mem_alloc(size + SEAL_WRAP_SIZE);

    randombytes_buf(box, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_SIZE, NULL, data, size, about, about_size, NULL,
                                               box, key);
    buf_add(ret_box, box, size + SEAL_WRAP_SIZE);
}

bool seal_unwrap(const unsigned char key[SEAL_WRAP_KEY_SIZE], const void *about, size_t about_size,
                 const void *box, size_t box_size, void *ret_data, size_t size, struct error *err)
{
    enum { NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };
    const unsigned char *bytes = box;

    memset(ret_data, 0, size);
    return (box_size == size + SEAL_WRAP_SIZE &&
            crypto_aead_xchacha20poly1305_ietf_decrypt(ret_data, NULL, NULL, bytes + NONCE_SIZE,
                                                       box_size - NONCE_SIZE, about, about_size, bytes,
                                                       key) == 0) ||
           error_set(err, ERROR_DENIED, "the box is torn, or wrapped with another key");
}
