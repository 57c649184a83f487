/* For pki.c and pki_sign.c only. */
#ifndef CROFT_OS_PKI_INSIDE_H
#define CROFT_OS_PKI_INSIDE_H

#include "os/pki.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

void pki_free_key(EVP_PKEY **key);
void pki_free_certificate(X509 **certificate);
void pki_free_bio(BIO **bio);
/* Fills *err from OpenSSL's queue, which is empty after; returns false. */
bool pki_failure(struct error *err, enum error_code code, const char *what);
BIO *pki_read(const char *pem);
void pki_take(BIO *bio, struct buf *ret_text);
MUST_CHECK bool pki_read_key(const char *pem, EVP_PKEY **ret_key, struct error *err);
MUST_CHECK bool pki_read_certificate(const char *pem, X509 **ret_certificate, struct error *err);
/* As pki_certificate_identity(), without checking who signed. mem_free() it; NULL: it does not say. */
char *pki_identity_of(const X509 *certificate);
MUST_CHECK bool pki_write_key(EVP_PKEY *key, struct buf *ret_text, struct error *err);

#endif
