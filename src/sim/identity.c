#include "sim/identity.h"

#include "base/mem.h"
#include "base/text.h"
#include "sim/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
static uint64_t hash_words(uint64_t hash, const void *data, size_t size);

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

/* As long as the real ones are in text, and nobody else's for these bytes. */
static bool sign(void *self, const void *data, size_t size, struct buf *ret_text, struct error *err)
{
    const struct sim_identity *identity = self;
    uint64_t hash = text_hash(TEXT_HASH_SEED, identity->authority, strlen(identity->authority));
    char hex[65];

    hash = hash_words(hash, data, size);
    for (size_t i = 0; i < 4; i++)
        snprintf(hex + 16 * i, 17, "%016" PRIx64, text_hash(hash, &"abcd"[i], 1));
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

/* Each step is one to one in the hash and in the word: two texts that differ in one word never have one hash.
 */
static uint64_t hash_words(uint64_t hash, const void *data, size_t size)
{
    const char *bytes = data;

    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, size - at < sizeof(word) ? size - at : sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL; /* odd: 2^64 divided by the golden ratio */
        hash ^= hash >> 32;
    }
    return text_hash(hash, &size, sizeof(size));
}

static const char *authority_of(void *self)
{
    return ((const struct sim_identity *)self)->authority;
}

static void digest(void *self, const void *data, size_t size, char ret_hex[65])
{
    sim_digest(data, size, ret_hex);
}
