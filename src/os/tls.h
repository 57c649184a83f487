/* TLS 1.3: mutual with a private authority, between croft's own; and for people, who show a token and no
 * certificate. No older version is spoken. */
#ifndef CROFT_OS_TLS_H
#define CROFT_OS_TLS_H

#include "base/error.h"

struct ssl_st;
struct tls;

/* PEM texts. authority NULL: those that this machine trusts. certificate and key (both or neither) are this
 * side's own; without them it can only call, and be anonymous. Connections that were made hold what they
 * need: tls may be freed before they end. */
MUST_CHECK bool tls_new(const char *authority, const char *certificate, const char *key, struct tls **ret_tls,
                        struct error *err);
/* Serves whoever comes, asks nobody for a certificate, and calls nobody. PEM files: the certificate with
 * those that link it to its authority behind it, and its key. ERROR_INVALID. */
MUST_CHECK bool tls_new_public(const char *certificate_file, const char *key_file, struct tls **ret_tls,
                               struct error *err);
/* Whom it calls has to have a certificate for this host: a name, or an address without brackets. Without that
 * every certificate of the authority will do, and whoever calls looks at the identity. */
MUST_CHECK bool tls_expect_host(struct tls *tls, const char *host, struct error *err);
void tls_free(struct tls *tls); /* NULL is fine */
bool tls_can_serve(const struct tls *tls);

/* For http*.c: one connection's state, NULL when there is no memory for it. */
struct ssl_st *tls_accept(const struct tls *tls, bool allow_anonymous);
struct ssl_st *tls_connect(const struct tls *tls);
/* What the verified certificate of the other side says it is, "controller" or "host/NAME" (mem_free() it);
 * NULL: there is none, or it does not say. */
char *tls_peer_identity(const struct ssl_st *ssl);
/* Why a handshake or a connection failed, into out; unchanged when OpenSSL has nothing to say. code: its
 * error code. */
void tls_failure(const struct ssl_st *ssl, unsigned long code, char *out, size_t size);

#endif
