/* Keys, signatures of bytes, digests. */
#include "base/mem.h"
#include "base/text.h"
#include "os/pki_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

static void free_digest(EVP_MD_CTX **context);
static bool read_public(const char *pem, EVP_PKEY **ret_key, struct error *err);
static const EVP_MD *digest_for(const EVP_PKEY *key);

bool pki_make_signing_key(struct buf *ret_private_key, struct buf *ret_public_key, struct error *err)
{
    CLEANUP(pki_free_key) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    CLEANUP(pki_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    CLEANUP_BUF struct buf private_key = {0};
    if (key == NULL || bio == NULL || PEM_write_bio_PUBKEY(bio, key) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot make a signing key");
    if (!pki_write_key(key, &private_key, err)) return false;
    buf_add(ret_private_key, private_key.data, private_key.size);
    pki_take(bio, ret_public_key);
    return true;
}

bool pki_key_private(const char *private_key, struct pki_key **ret_key, struct error *err)
{
    EVP_PKEY *key = NULL;
    if (!pki_read_key(private_key, &key, err)) return false;
    *ret_key = (struct pki_key *)key;
    return true;
}

bool pki_key_public(const char *public_key, struct pki_key **ret_key, struct error *err)
{
    EVP_PKEY *key = NULL;
    if (!read_public(public_key, &key, err)) return false;
    *ret_key = (struct pki_key *)key;
    return true;
}

void pki_key_free(struct pki_key *key)
{
    EVP_PKEY_free((EVP_PKEY *)key);
}

bool pki_sign(struct pki_key *private_key, const void *data, size_t size, struct buf *ret_signature,
              struct error *err)
{
    EVP_PKEY *key = (EVP_PKEY *)private_key;
    CLEANUP(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[1024];
    size_t signature_size = sizeof(signature);
    if (context == NULL || EVP_DigestSignInit(context, NULL, digest_for(key), NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &signature_size, data, size) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot sign");
    buf_add(ret_signature, signature, signature_size);
    return true;
}

bool pki_verify(struct pki_key *public_key, const void *data, size_t size, const void *signature,
                size_t signature_size, struct error *err)
{
    EVP_PKEY *key = (EVP_PKEY *)public_key;
    CLEANUP(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestVerifyInit(context, NULL, digest_for(key), NULL, key) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot verify a signature");
    if (EVP_DigestVerify(context, signature, signature_size, data, size) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_DENIED,
                         "the signature is wrong: the content was changed, or another key signed");
    }
    return true;
}

char *pki_digest(char *ret_text, const void *data, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    int result = EVP_Digest(data != NULL ? data : "", size, digest, &digest_size, EVP_sha256(), NULL);
    ASSERT(result == 1 && digest_size == 32);
    for (unsigned i = 0; i < digest_size; i++) {
        ret_text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret_text[PKI_DIGEST_TEXT_SIZE - 1] = '\0';
    return ret_text;
}

void pki_free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

void pki_free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

void pki_free_bio(BIO **bio)
{
    BIO_free(*bio);
}

bool pki_failure(struct error *err, enum error_code code, const char *what)
{
    unsigned long failure = ERR_get_error();
    const char *why = failure != 0 ? ERR_reason_error_string(failure) : NULL;
    ERR_clear_error();
    return why != NULL ? error_set(err, code, "%s: %s", what, why) : error_set(err, code, "%s", what);
}

BIO *pki_read(const char *pem)
{
    size_t size = strlen(pem);
    BIO *bio = BIO_new_mem_buf(pem, size < 1024U * 1024U ? (int)size : 0);
    ASSERT(bio != NULL);
    return bio;
}

void pki_take(BIO *bio, struct buf *ret_text)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    ASSERT(size >= 0);
    buf_add(ret_text, data, (size_t)size);
}

bool pki_read_key(const char *pem, EVP_PKEY **ret_key, struct error *err)
{
    CLEANUP(pki_free_bio) BIO *bio = pki_read(pem);
    /* An empty password, or OpenSSL would ask for one on the terminal. */
    char password[] = "";
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, password);
    if (key == NULL) return pki_failure(err, ERROR_INVALID, "not a private key in PEM");
    *ret_key = key;
    return true;
}

bool pki_read_certificate(const char *pem, X509 **ret_certificate, struct error *err)
{
    CLEANUP(pki_free_bio) BIO *bio = pki_read(pem);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (certificate == NULL) return pki_failure(err, ERROR_INVALID, "not a certificate in PEM");
    *ret_certificate = certificate;
    return true;
}

bool pki_write_key(EVP_PKEY *key, struct buf *ret_text, struct error *err)
{
    CLEANUP(pki_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot write the key");
    pki_take(bio, ret_text);
    return true;
}

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static bool read_public(const char *pem, EVP_PKEY **ret_key, struct error *err)
{
    EVP_PKEY *key = NULL;
    if (strstr(pem, "BEGIN CERTIFICATE") != NULL) {
        CLEANUP(pki_free_certificate) X509 *certificate = NULL;
        if (!pki_read_certificate(pem, &certificate, err)) return false;
        key = X509_get_pubkey(certificate);
    } else {
        CLEANUP(pki_free_bio) BIO *bio = pki_read(pem);
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    if (key == NULL) return pki_failure(err, ERROR_INVALID, "not a public key in PEM");
    *ret_key = key;
    return true;
}

/* Ed25519 hashes by itself and takes none. */
static const EVP_MD *digest_for(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}
