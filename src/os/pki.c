/* Certificates. */
#include "base/mem.h"
#include "base/text.h"
#include "os/pki_inside.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define URI_SCHEME "croft://"
#define CLOCK_SKEW_S 300 /* hosts' clocks differ: a certificate holds a little before it was made */

static void free_request(X509_REQ **request);
static bool begin_certificate(X509 *certificate, EVP_PKEY *key, const char *common_name, unsigned days);
static bool set_name(X509_NAME *name, const char *common_name);
static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value);
static bool is_identity(const char *text);
static bool add_names(X509 *certificate, const char *identity, const char *const *addresses, size_t length);
static bool write_certificate(X509 *certificate, struct buf *ret_text, struct error *err);

bool pki_make_authority(const char *common_name, unsigned days, struct buf *ret_key,
                        struct buf *ret_certificate, struct error *err)
{
    CLEANUP(pki_free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    CLEANUP(pki_free_certificate) X509 *certificate = X509_new();
    CLEANUP_BUF struct buf key_text = {0};
    if (key == NULL || certificate == NULL || !begin_certificate(certificate, key, common_name, days) ||
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) != 1 ||
        !add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
        X509_sign(certificate, key, EVP_sha256()) == 0)
        return pki_failure(err, ERROR_FAILED, "cannot make an authority");
    if (!pki_write_key(key, &key_text, err) || !write_certificate(certificate, ret_certificate, err))
        return false;
    buf_add(ret_key, key_text.data, key_text.size);
    return true;
}

bool pki_make_request(const char *common_name, struct buf *ret_key, struct buf *ret_request,
                      struct error *err)
{
    CLEANUP(pki_free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    CLEANUP(free_request) X509_REQ *request = X509_REQ_new();
    CLEANUP(pki_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    CLEANUP_BUF struct buf key_text = {0};
    if (key == NULL || request == NULL || bio == NULL || X509_REQ_set_version(request, 0) != 1 ||
        !set_name(X509_REQ_get_subject_name(request), common_name) ||
        X509_REQ_set_pubkey(request, key) != 1 || X509_REQ_sign(request, key, EVP_sha256()) == 0 ||
        PEM_write_bio_X509_REQ(bio, request) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot make a certificate request");
    if (!pki_write_key(key, &key_text, err)) return false;
    buf_add(ret_key, key_text.data, key_text.size);
    pki_take(bio, ret_request);
    return true;
}

bool pki_sign_request(const char *authority_key, const char *authority_certificate, const char *request_text,
                      const char *identity, const char *const *addresses, size_t addresses_length,
                      unsigned days, struct buf *ret_certificate, struct error *err)
{
    CLEANUP(pki_free_key) EVP_PKEY *key = NULL;
    CLEANUP(pki_free_certificate) X509 *authority = NULL;
    if (!pki_read_key(authority_key, &key, err) ||
        !pki_read_certificate(authority_certificate, &authority, err))
        return error_wrap(err, "cannot sign as the authority");
    CLEANUP(pki_free_bio) BIO *bio = pki_read(request_text);
    CLEANUP(free_request) X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    EVP_PKEY *requested = request != NULL ? X509_REQ_get0_pubkey(request) : NULL;
    /* The signature shows that the asker has the key. */
    if (requested == NULL || X509_REQ_verify(request, requested) != 1)
        return pki_failure(err, ERROR_INVALID, "not a sound certificate request");
    CLEANUP(pki_free_certificate) X509 *certificate = X509_new();
    const char *slash = strchr(identity, '/');
    /* The common name is for people, and may have 64 characters at most. */
    if (certificate == NULL ||
        !begin_certificate(certificate, requested, slash != NULL ? slash + 1 : identity, days) ||
        X509_set_issuer_name(certificate, X509_get_subject_name(authority)) != 1 ||
        !add_extension(certificate, authority, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, authority, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(certificate, authority, NID_ext_key_usage, "serverAuth,clientAuth") ||
        !add_extension(certificate, authority, NID_authority_key_identifier, "keyid") ||
        !add_names(certificate, identity, addresses, addresses_length) ||
        X509_sign(certificate, key, EVP_sha256()) == 0)
        return pki_failure(err, ERROR_INVALID, "cannot sign the certificate request");
    return write_certificate(certificate, ret_certificate, err);
}

bool pki_certificate_identity(const char *text, struct buf *ret_identity, struct error *err)
{
    CLEANUP(pki_free_certificate) X509 *certificate = NULL;
    if (!pki_read_certificate(text, &certificate, err)) return false;
    CLEANUP_MEM char *identity = pki_identity_of(certificate);
    if (identity == NULL)
        return error_set(err, ERROR_INVALID, "the certificate does not say what its owner is");
    buf_add_text(ret_identity, identity);
    return true;
}

char *pki_identity_of(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *identity = NULL;
    size_t found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        CLEANUP_MEM char *text =
            mem_strndup((const char *)ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        /* One with a zero byte in it is cut here, and so not as long as it says. */
        bool whole = strlen(text) == (size_t)ASN1_STRING_length(uri);
        found++;
        if (!whole || !text_starts(text, URI_SCHEME) || !is_identity(text + strlen(URI_SCHEME))) continue;
        mem_free(identity);
        identity = mem_strdup(text + strlen(URI_SCHEME));
    }
    GENERAL_NAMES_free(names);
    if (found == 1) return identity;
    mem_free(identity); /* two: which one would be meant? */
    return NULL;
}

bool pki_certificate_end(const char *text, int64_t *ret_end_ms, struct error *err)
{
    CLEANUP(pki_free_certificate) X509 *certificate = NULL;
    if (!pki_read_certificate(text, &certificate, err)) return false;
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return pki_failure(err, ERROR_INVALID, "cannot read when the certificate ends");
    *ret_end_ms = (int64_t)timegm(&end) * 1000;
    return true;
}

bool pki_certificate_digest(const char *text, char *ret_text, struct error *err)
{
    CLEANUP(pki_free_certificate) X509 *certificate = NULL;
    if (!pki_read_certificate(text, &certificate, err)) return false;
    unsigned char *der = NULL;
    int size = i2d_X509(certificate, &der);
    if (size <= 0) return pki_failure(err, ERROR_FAILED, "cannot encode the certificate");
    pki_digest(ret_text, der, (size_t)size);
    OPENSSL_free(der);
    return true;
}

static void free_request(X509_REQ **request)
{
    X509_REQ_free(*request);
}

/* Version, serial number, time, name and key. */
static bool begin_certificate(X509 *certificate, EVP_PKEY *key, const char *common_name, unsigned days)
{
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof(serial)) != 1) return false;
    serial[0] &= 0x7f; /* positive, RFC 5280 section 4.1.2.2 */
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    bool good = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good && X509_set_version(certificate, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -CLOCK_SKEW_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), (int)days, 0, NULL) != NULL &&
           set_name(X509_get_subject_name(certificate), common_name) &&
           X509_set_pubkey(certificate, key) == 1;
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool is_identity(const char *text)
{
    return text_equal(text, "controller") ||
           (text_starts(text, "host/") && text_is_name(text + strlen("host/")));
}

static bool add_names(X509 *certificate, const char *identity, const char *const *addresses, size_t length)
{
    CLEANUP_BUF struct buf text = {0};
    if (!is_identity(identity)) return false;
    buf_printf(&text, "URI:" URI_SCHEME "%s", identity);
    for (size_t i = 0; i < length; i++) {
        unsigned char bytes[16];
        /* Checked here: in the text below a comma would begin another name. */
        if (inet_pton(AF_INET, addresses[i], bytes) != 1 && inet_pton(AF_INET6, addresses[i], bytes) != 1)
            return false;
        buf_printf(&text, ",IP:%s", addresses[i]);
    }
    return add_extension(certificate, certificate, NID_subject_alt_name, buf_text(&text));
}

static bool write_certificate(X509 *certificate, struct buf *ret_text, struct error *err)
{
    CLEANUP(pki_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1)
        return pki_failure(err, ERROR_FAILED, "cannot write the certificate");
    pki_take(bio, ret_text);
    return true;
}
