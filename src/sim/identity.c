#include "sim/identity.h"

#include "base/mem.h"
#include "base/text.h"
#include "sim/digest.h"

struct sim_identity {
    struct identity_port port;
    char *authority;
};

static bool sign(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err);
static bool verify(void *self, const void *data, size_t size, const char *signature, struct error *err);
static bool certify(void *self, const char *request_pem, const char *name, const char *const *addresses,
                    size_t addresses_length, struct buf *ret_pem, struct error *err);
static const char *authority_of(void *self);
static void digest(void *self, const void *data, size_t size, char ret_hex[65]);

struct sim_identity *sim_identity_new(const char *authority)
{
    struct sim_identity *identity = mem_alloc(sizeof(*identity));
    identity->port = (struct identity_port){identity, sign, verify, certify, authority_of, digest};
    identity->authority = mem_strdup(authority);
    return identity;
}

void sim_identity_free(struct sim_identity *identity)
{
    if (!identity) return;
    mem_free(identity->authority);
    mem_free(identity);
}

const struct identity_port *sim_identity_port(struct sim_identity *identity)
{
    return &identity->port;
}

static bool sign(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err)
{
    const struct sim_identity *identity = self;
    CLEANUP_BUF struct buf whole = {0};
    char hex[65];

    buf_printf(&whole, "%s signs ", identity->authority);
    buf_add(&whole, data, size);
    sim_digest(whole.data, whole.size, hex);
    buf_add_text(ret_text, hex);
    return true;
}

static bool verify(void *self, const void *data, size_t size, const char *signature, struct error *err)
{
    const struct sim_identity *identity = self;
    CLEANUP_BUF struct buf right = {0};

    if (!sign(self, data, size, &right, err)) return false;
    if (text_equal(buf_text(&right), signature)) return true;
    return error_set(err, ERROR_DENIED, "the signature is not %s's", identity->authority);
}

static bool certify(void *self, const char *request_pem, const char *name, const char *const *addresses,
                    size_t addresses_length, struct buf *ret_pem, struct error *err)
{
    const struct sim_identity *identity = self;
    if (!text_starts(request_pem, "request of "))
        return error_set(err, ERROR_INVALID, "this is no signing request");
    buf_printf(ret_pem, "certificate of %s by %s\n", name, identity->authority);
    return true;
}

static const char *authority_of(void *self)
{
    return ((const struct sim_identity *)self)->authority;
}

static void digest(void *self, const void *data, size_t size, char ret_hex[65])
{
    sim_digest(data, size, ret_hex);
}
