/* The private authority: keys, certificates, signatures. Texts are PEM, in memory; where they are kept, and
 * with which permissions, is the caller's. Certificates' keys are ECDSA P-256; keys that sign bytes are
 * Ed25519, and both kinds sign and verify. All ret_… texts are added behind what is there. */
#ifndef CROFT_OS_PKI_H
#define CROFT_OS_PKI_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

#define PKI_DIGEST_TEXT_SIZE ((size_t)65) /* SHA-256 in hex, with its end */

MUST_CHECK bool pki_make_authority(const char *common_name, unsigned days, struct buf *ret_key,
                                   struct buf *ret_certificate, struct error *err);
/* A key and a request to sign for it (PKCS #10). */
MUST_CHECK bool pki_make_request(const char *common_name, struct buf *ret_key, struct buf *ret_request,
                                 struct error *err);
/* Signs the request's key. What the owner is, "controller" or "host/NAME", is the word given here, whatever
 * the request says: it stands in the certificate as the URI croft://WORD. addresses (IP) become subject
 * alternative names, too. ERROR_INVALID: not a request, its own signature is wrong, or no such word. */
MUST_CHECK bool pki_sign_request(const char *authority_key, const char *authority_certificate,
                                 const char *request, const char *identity, const char *const *addresses,
                                 size_t addresses_length, unsigned days, struct buf *ret_certificate,
                                 struct error *err);
/* What the owner is, added to ret_identity: "controller" or "host/NAME". ERROR_INVALID: it does not say. */
MUST_CHECK bool pki_certificate_identity(const char *certificate, struct buf *ret_identity,
                                         struct error *err);
/* When the certificate ends, in milliseconds since 1970. */
MUST_CHECK bool pki_certificate_end(const char *certificate, int64_t *ret_end_ms, struct error *err);
/* SHA-256 of the DER form, as `openssl x509 -fingerprint -sha256` has it, but in small letters without
 * colons. */
MUST_CHECK bool pki_certificate_digest(const char *certificate, char *ret_text, struct error *err);

MUST_CHECK bool pki_make_signing_key(struct buf *ret_private_key, struct buf *ret_public_key,
                                     struct error *err);

/* A key that was read: reading costs ten times as much as signing or verifying with it. */
struct pki_key;
/* private_key, or public_key: a public key or a certificate. The caller's, freed by pki_key_free(). */
MUST_CHECK bool pki_key_private(const char *private_key, struct pki_key **ret_key, struct error *err);
MUST_CHECK bool pki_key_public(const char *public_key, struct pki_key **ret_key, struct error *err);
void pki_key_free(struct pki_key *key);
/* The signature is bytes, not text. */
MUST_CHECK bool pki_sign(struct pki_key *private_key, const void *data, size_t size,
                         struct buf *ret_signature, struct error *err);
/* ERROR_DENIED: the signature is not of this key and these bytes. */
MUST_CHECK bool pki_verify(struct pki_key *public_key, const void *data, size_t size, const void *signature,
                           size_t signature_size, struct error *err);

/* Into ret_text, which holds PKI_DIGEST_TEXT_SIZE. Returns it. */
char *pki_digest(char *ret_text, const void *data, size_t size);

#endif
