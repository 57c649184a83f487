#include "os/identity.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/pki.h"

#include <string.h>

struct os_identity {
    struct identity_port port;
    char *certificate;
    char *key;
    struct pki_key *signs, *verifies; /* read when first needed */
    unsigned days;
};

static bool identity_sign(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err);
static bool identity_verify(void *self, const void *data, size_t size, const char *signature,
                            struct error *err);
static bool identity_certify(void *self, const char *request_pem, const char *name,
                             const char *const *addresses, size_t addresses_length, struct buf *ret_pem,
                             struct error *err);
static const char *identity_authority(void *self);
static void identity_digest(void *self, const void *data, size_t size, char ret_hex[65]);

struct os_identity *os_identity_new(const char *authority_certificate, const char *authority_key,
                                    unsigned days)
{
    struct os_identity *identity = mem_alloc(sizeof(*identity));
    identity->certificate = mem_strdup(authority_certificate);
    identity->key = mem_strdup(authority_key);
    identity->days = days;
    identity->port = (struct identity_port){.self = identity,
                                            .sign = identity_sign,
                                            .verify = identity_verify,
                                            .certify = identity_certify,
                                            .authority = identity_authority,
                                            .digest = identity_digest};
    return identity;
}

void os_identity_free(struct os_identity *identity)
{
    if (identity == NULL) return;
    if (identity->key != NULL) explicit_bzero(identity->key, strlen(identity->key));
    mem_free(identity->key);
    pki_key_free(identity->signs);
    pki_key_free(identity->verifies);
    mem_free(identity->certificate);
    mem_free(identity);
}

const struct identity_port *os_identity_port(const struct os_identity *identity)
{
    return &identity->port;
}

static bool identity_sign(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err)
{
    struct os_identity *identity = self;
    if (identity->key == NULL) return error_set(err, ERROR_DENIED, "cannot sign: not the authority");
    CLEANUP_BUF struct buf signature = {0};
    if (identity->signs == NULL && !pki_key_private(identity->key, &identity->signs, err)) return false;
    if (!pki_sign(identity->signs, data, size, &signature, err)) return false;
    for (size_t i = 0; i < signature.size; i++)
        buf_printf(ret_text, "%02x", (unsigned char)signature.data[i]);
    return true;
}

static bool identity_verify(void *self, const void *data, size_t size, const char *signature,
                            struct error *err)
{
    struct os_identity *identity = self;
    CLEANUP_BUF struct buf bytes = {0};
    size_t length = strlen(signature);
    bool good = length % 2 == 0;
    for (size_t i = 0; good && i < length; i += 2) {
        int high = text_hex_digit(signature[i]);
        int low = text_hex_digit(signature[i + 1]);
        good = high >= 0 && low >= 0;
        if (good) buf_add_char(&bytes, (char)(high * 16 + low));
    }
    if (!good) return error_set(err, ERROR_DENIED, "the signature is not one: it is not hexadecimal");
    if (identity->verifies == NULL && !pki_key_public(identity->certificate, &identity->verifies, err))
        return false;
    return pki_verify(identity->verifies, data, size, buf_text(&bytes), bytes.size, err);
}

static bool identity_certify(void *self, const char *request_pem, const char *name,
                             const char *const *addresses, size_t addresses_length, struct buf *ret_pem,
                             struct error *err)
{
    struct os_identity *identity = self;
    if (identity->key == NULL) return error_set(err, ERROR_DENIED, "cannot certify: not the authority");
    CLEANUP_MEM char *host = mem_printf("host/%s", name);
    return pki_sign_request(identity->key, identity->certificate, request_pem, host, addresses,
                            addresses_length, identity->days, ret_pem, err);
}

static const char *identity_authority(void *self)
{
    struct os_identity *identity = self;
    return identity->certificate;
}

static void identity_digest(void *self, const void *data, size_t size, char ret_hex[65])
{
    pki_digest(ret_hex, data, size);
}
