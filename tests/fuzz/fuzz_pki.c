/* Any bytes at all as certificates, keys and requests that are handed to us, and as signatures. The first
 * byte says whether they are text as it came, or what would stand in such a text: so that what is behind the
 * armour is reached, too. */
#include "os/pki.h"

#include "base/attr.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const kinds[] = {"CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY", "PRIVATE KEY"};

struct own {
    struct buf key, certificate;
};

static char *armour(const char *kind, const uint8_t *data, size_t size)
{
    CLEANUP_MEM unsigned char *code = mem_alloc(size / 3 * 4 + 8);
    EVP_EncodeBlock(code, data, (int)size);
    return mem_printf("-----BEGIN %s-----\n%s\n-----END %s-----\n", kind, (const char *)code, kind);
}

static void read_all(const struct own *own, const char *text, bool request, const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct buf identity = {0};
    CLEANUP_BUF struct buf certificate = {0};
    struct pki_key *key = NULL;
    char digest[PKI_DIGEST_TEXT_SIZE];
    struct error err;
    int64_t end_ms;

    if (pki_certificate_identity(text, &identity, &err))
        ASSERT(strcmp(buf_text(&identity), "controller") == 0 ||
               strncmp(buf_text(&identity), "host/", 5) == 0);
    (void)!pki_certificate_end(text, &end_ms, &err);
    if (pki_certificate_digest(text, digest, &err)) ASSERT(strlen(digest) == PKI_DIGEST_TEXT_SIZE - 1);
    /* To sign takes a hundred times as long as the rest. */
    if (request && pki_sign_request(buf_text(&own->key), buf_text(&own->certificate), text, "host/h1", NULL,
                                    0, 1, &certificate, &err)) {
        /* Who it is does not say the request. */
        buf_clear(&identity);
        ASSERT(pki_certificate_identity(buf_text(&certificate), &identity, &err));
        ASSERT(strcmp(buf_text(&identity), "host/h1") == 0);
    }
    if (pki_key_public(text, &key, &err)) {
        (void)!pki_verify(key, "x", 1, data, size, &err);
        pki_key_free(key);
    }
    key = NULL;
    if (pki_key_private(text, &key, &err)) pki_key_free(key);
    if (pki_key_public(buf_text(&own->certificate), &key, &err)) {
        ASSERT(!pki_verify(key, "x", 1, data, size, &err));
        pki_key_free(key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct own own; /* made once: keys take their time */
    struct error err;

    if (own.key.size == 0) ASSERT(pki_make_authority("fuzz", 1, &own.key, &own.certificate, &err));
    if (size < 1) return 0;
    unsigned kind = data[0] % (LENGTH(kinds) + 1);
    CLEANUP_MEM char *text = kind == LENGTH(kinds) ? mem_strndup((const char *)data + 1, size - 1)
                                                   : armour(kinds[kind], data + 1, size - 1);
    read_all(&own, text, kind == 1 || kind == LENGTH(kinds), data + 1, size - 1);
    return 0;
}
