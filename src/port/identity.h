/* Keys and certificates of the control plane: who signs what may be obeyed. Twins: os/pki over OpenSSL, later
 * a cheap one in the simulation. */
#ifndef CROFT_PORT_IDENTITY_H
#define CROFT_PORT_IDENTITY_H

#include "base/buf.h"
#include "base/error.h"

struct identity_port {
    void *self;
    /* Signature of the bytes by this process's authority, as text without spaces, added to *ret_text. */
    bool (*sign)(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err);
    /* ERROR_DENIED when the signature is not the authority's over these bytes. */
    bool (*verify)(void *self, const void *data, size_t size, const char *signature, struct error *err);
    /* A certificate (PEM, added to *ret_pem) for a host's signing request: of role host, for this name and
     * these IP addresses only, whatever the request says. */
    bool (*certify)(void *self, const char *request_pem, const char *name, const char *const *addresses,
                    size_t addresses_length, struct buf *ret_pem, struct error *err);
    /* The authority's own certificate, PEM. */
    const char *(*authority)(void *self);
    /* SHA-256 as 64 lower-case hexadecimal digits and a zero byte. */
    void (*digest)(void *self, const void *data, size_t size, char ret_hex[65]);
};

#endif
