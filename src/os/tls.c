#include "os/tls.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/pki_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

struct tls {
    SSL_CTX *server; /* NULL without a certificate */
    SSL_CTX *client; /* NULL: it calls nobody */
    bool is_public;  /* no certificate is asked for */
};

static SSL_CTX *context_new(const SSL_METHOD *method);
static SSL_CTX *mutual_new(const SSL_METHOD *method, const char *authority, const char *certificate,
                           const char *key);
static bool use_authority(SSL_CTX *context, const char *pem);
static bool use_own(SSL_CTX *context, const char *certificate, const char *key);
static BIO *bio_of(const char *pem);
static void failure(char *out, size_t size);
static int no_password(char *out, int size, int writing, void *ctx);

bool tls_new(const char *authority, const char *certificate, const char *key, struct tls **ret_tls,
             struct error *err)
{
    ASSERT((certificate == NULL) == (key == NULL));
    struct tls *tls = mem_alloc(sizeof(*tls));
    ERR_clear_error();
    tls->client = mutual_new(TLS_client_method(), authority, certificate, key);
    if (certificate != NULL) tls->server = mutual_new(TLS_server_method(), authority, certificate, key);
    if (tls->client == NULL || (certificate != NULL && tls->server == NULL)) {
        char why[200];
        failure(why, sizeof(why));
        tls_free(tls);
        return error_set(err, ERROR_INVALID, "cannot use the certificates for TLS: %s", why);
    }
    *ret_tls = tls;
    return true;
}

bool tls_new_public(const char *certificate_file, const char *key_file, struct tls **ret_tls,
                    struct error *err)
{
    struct tls *tls = mem_alloc(sizeof(*tls));

    ERR_clear_error();
    tls->is_public = true;
    tls->server = context_new(TLS_server_method());
    if (tls->server != NULL) SSL_CTX_set_default_passwd_cb(tls->server, no_password);
    if (tls->server == NULL || SSL_CTX_use_certificate_chain_file(tls->server, certificate_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls->server, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls->server) != 1) {
        char why[200];
        failure(why, sizeof(why));
        tls_free(tls);
        return error_set(
            err, ERROR_INVALID,
            "cannot use the certificate %s with the key %s (PEM, without a password, and one the "
            "other's): %s",
            certificate_file, key_file, why);
    }
    *ret_tls = tls;
    return true;
}

bool tls_expect_host(struct tls *tls, const char *host, struct error *err)
{
    X509_VERIFY_PARAM *wanted = SSL_CTX_get0_param(tls->client);

    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1) return true;
    ERR_clear_error();
    if (X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1) return true;
    return error_set(err, ERROR_INVALID, "\"%s\" is no name that a certificate can have", host);
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) return;
    SSL_CTX_free(tls->server);
    SSL_CTX_free(tls->client);
    mem_free(tls);
}

bool tls_can_serve(const struct tls *tls)
{
    return tls->server != NULL;
}

SSL *tls_accept(const struct tls *tls, bool allow_anonymous)
{
    SSL *ssl = SSL_new(tls->server);
    if (ssl == NULL) return NULL;
    SSL_set_verify(ssl,
                   tls->is_public    ? SSL_VERIFY_NONE
                   : allow_anonymous ? SSL_VERIFY_PEER
                                     : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                   NULL);
    return ssl;
}

SSL *tls_connect(const struct tls *tls)
{
    return SSL_new(tls->client);
}

char *tls_peer_identity(const SSL *ssl)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK) return NULL;
    return pki_identity_of(certificate);
}

void tls_failure(const SSL *ssl, unsigned long code, char *out, size_t size)
{
    long verified = SSL_get_verify_result(ssl);
    const char *why = NULL;
    if (verified != X509_V_OK) {
        why = X509_verify_cert_error_string(verified);
    } else if (code != 0 && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        why = ERR_reason_error_string(code);
    }
    if (why != NULL) snprintf(out, size, "%s", why);
}

static SSL_CTX *mutual_new(const SSL_METHOD *method, const char *authority, const char *certificate,
                           const char *key)
{
    SSL_CTX *context = context_new(method);
    if (context == NULL) return NULL;
    if (authority == NULL ? SSL_CTX_set_default_verify_paths(context) == 1
                          : use_authority(context, authority))
        if (certificate == NULL || use_own(context, certificate, key)) return context;
    SSL_CTX_free(context);
    return NULL;
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL) return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    /* Resumption would save little here, and tickets are bytes that arrive unasked on an idle connection. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* 34 KiB a connection that waits, given back. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static void failure(char *out, size_t size)
{
    ERR_error_string_n(ERR_get_error(), out, size);
    ERR_clear_error();
}

/* Or OpenSSL would ask for one on the terminal. */
static int no_password(char *out, int size, int writing, void *ctx)
{
    return 0;
}

/* One or more certificates: an old and a new authority live side by side while one replaces the other. */
static bool use_authority(SSL_CTX *context, const char *pem)
{
    BIO *bio = bio_of(pem);
    size_t added = 0;
    bool good = bio != NULL;
    X509 *certificate;
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1;
        X509_free(certificate);
        added++;
    }
    BIO_free(bio);
    if (added > 0 && good) ERR_clear_error(); /* the end of the text is told as one */
    return good && added > 0;
}

static bool use_own(SSL_CTX *context, const char *certificate_pem, const char *key_pem)
{
    BIO *certificate_bio = bio_of(certificate_pem);
    BIO *key_bio = bio_of(key_pem);
    X509 *certificate = certificate_bio != NULL ? PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_bio != NULL ? PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL) : NULL;
    bool good = certificate != NULL && key != NULL && SSL_CTX_use_certificate(context, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return good;
}

static BIO *bio_of(const char *pem)
{
    size_t size = strlen(pem);
    return size <= 1024U * 1024U ? BIO_new_mem_buf(pem, (int)size) : NULL;
}
