#include "check.h"

#include "os/identity.h"
#include "os/pki.h"

#include "os/random.h"

#include <string.h>

static void signs_and_verifies(void **state)
{
    struct error err;
    CLEANUP_BUF struct buf key = {0};
    CLEANUP_BUF struct buf public_key = {0};
    CLEANUP_BUF struct buf other = {0};
    CLEANUP_BUF struct buf other_public = {0};
    CLEANUP_BUF struct buf signature = {0};
    assert_true(pki_make_signing_key(&key, &public_key, &err));
    assert_true(pki_make_signing_key(&other, &other_public, &err));
    struct pki_key *signs = NULL, *verifies = NULL, *strange = NULL, *none = NULL;
    assert_true(pki_key_private(buf_text(&key), &signs, &err));
    assert_true(pki_key_public(buf_text(&public_key), &verifies, &err));
    assert_true(pki_key_public(buf_text(&other_public), &strange, &err));
    assert_true(pki_sign(signs, "document", 8, &signature, &err));
    assert_int_equal(signature.size, 64);
    assert_true(pki_verify(verifies, "document", 8, signature.data, signature.size, &err));
    assert_false(pki_verify(verifies, "Document", 8, signature.data, signature.size, &err));
    assert_int_equal(err.code, ERROR_DENIED);
    assert_false(pki_verify(strange, "document", 8, signature.data, signature.size, &err));
    assert_int_equal(err.code, ERROR_DENIED);
    assert_false(pki_verify(verifies, "document", 8, signature.data, 10, &err));
    assert_int_equal(err.code, ERROR_DENIED);
    assert_false(pki_key_public("nonsense", &none, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(pki_key_private(buf_text(&public_key), &none, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(none);
    pki_key_free(signs);
    pki_key_free(verifies);
    pki_key_free(strange);
}

static void certificates(void **state)
{
    struct error err;
    CLEANUP_BUF struct buf ca_key = {0};
    CLEANUP_BUF struct buf ca = {0};
    CLEANUP_BUF struct buf key = {0};
    CLEANUP_BUF struct buf request = {0};
    CLEANUP_BUF struct buf certificate = {0};
    CLEANUP_BUF struct buf signature = {0};
    CLEANUP_BUF struct buf identity = {0};
    assert_true(pki_make_authority("croft", 3650, &ca_key, &ca, &err));
    assert_true(pki_make_request("h1", &key, &request, &err));
    assert_true(pki_sign_request(buf_text(&ca_key), buf_text(&ca), buf_text(&request), "host/h1",
                                 (const char *const[]){"10.90.0.3"}, 1, 1, &certificate, &err));
    int64_t ca_end_ms = 0;
    int64_t end_ms = 0;
    assert_true(pki_certificate_end(buf_text(&ca), &ca_end_ms, &err));
    assert_true(pki_certificate_end(buf_text(&certificate), &end_ms, &err));
    assert_true(ca_end_ms - end_ms > 3648LL * 86400000 && ca_end_ms - end_ms < 3650LL * 86400000);
    char digest[PKI_DIGEST_TEXT_SIZE];
    char other[PKI_DIGEST_TEXT_SIZE];
    assert_true(pki_certificate_digest(buf_text(&certificate), digest, &err));
    assert_true(pki_certificate_digest(buf_text(&ca), other, &err));
    assert_int_equal(strlen(digest), 64);
    assert_string_not_equal(digest, other);
    /* The certificate's key signs bytes too. */
    struct pki_key *signs = NULL, *verifies = NULL, *strange = NULL;
    assert_true(pki_key_private(buf_text(&key), &signs, &err));
    assert_true(pki_key_public(buf_text(&certificate), &verifies, &err));
    assert_true(pki_key_public(buf_text(&ca), &strange, &err));
    assert_true(pki_sign(signs, "x", 1, &signature, &err));
    assert_true(pki_verify(verifies, "x", 1, signature.data, signature.size, &err));
    assert_false(pki_verify(strange, "x", 1, signature.data, signature.size, &err));
    pki_key_free(signs);
    pki_key_free(verifies);
    pki_key_free(strange);
    /* Not an address: nothing can be slipped into the certificate by it. */
    size_t before = certificate.size;
    assert_false(pki_sign_request(buf_text(&ca_key), buf_text(&ca), buf_text(&request), "host/h1",
                                  (const char *const[]){"10.0.0.1,DNS:evil"}, 1, 1, &certificate, &err));
    assert_false(pki_sign_request(buf_text(&ca_key), buf_text(&ca), "no request", "host/h1", NULL, 0, 1,
                                  &certificate, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    /* What the owner is, is one of two words, and nothing can be slipped in by it either. */
    static const char *const no_identities[] = {
        "", "h1", "host/", "host/H1", "host/h1,URI:croft://controller", "controllers", "user/h1"};
    for (size_t i = 0; i < LENGTH(no_identities); i++)
        assert_false(pki_sign_request(buf_text(&ca_key), buf_text(&ca), buf_text(&request), no_identities[i],
                                      NULL, 0, 1, &certificate, &err));
    assert_true(pki_certificate_identity(buf_text(&certificate), &identity, &err));
    assert_string_equal(buf_text(&identity), "host/h1");
    assert_false(pki_certificate_identity(buf_text(&ca), &identity, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    /* The longest name that a host may have. */
    CLEANUP_BUF struct buf longest = {0}, longest_certificate = {0};
    buf_add_text(&longest, "host/");
    for (int i = 0; i < 63; i++)
        buf_add_char(&longest, 'h');
    assert_true(pki_sign_request(buf_text(&ca_key), buf_text(&ca), buf_text(&request), buf_text(&longest),
                                 NULL, 0, 1, &longest_certificate, &err));
    buf_clear(&identity);
    assert_true(pki_certificate_identity(buf_text(&longest_certificate), &identity, &err));
    assert_string_equal(buf_text(&identity), buf_text(&longest));
    /* A changed request: its signature does not hold. */
    char *middle = request.data + request.size / 2;
    *middle = *middle == 'A' ? 'B' : 'A';
    assert_false(pki_sign_request(buf_text(&ca_key), buf_text(&ca), buf_text(&request), "host/h1", NULL, 0, 1,
                                  &certificate, &err));
    assert_int_equal(certificate.size, before);
}

static void identity_signs_only_with_the_key(void **state)
{
    struct error err;
    CLEANUP_BUF struct buf key = {0};
    CLEANUP_BUF struct buf certificate = {0};
    CLEANUP_BUF struct buf signature = {0};
    assert_true(pki_make_authority("croft", 30, &key, &certificate, &err));
    struct os_identity *controller = os_identity_new(buf_text(&certificate), buf_text(&key), 30);
    struct os_identity *agent = os_identity_new(buf_text(&certificate), NULL, 30);
    const struct identity_port *signer = os_identity_port(controller);
    const struct identity_port *checker = os_identity_port(agent);
    assert_true(signer->sign(signer->self, "document", 8, &signature, &err));
    assert_true(checker->verify(checker->self, "document", 8, buf_text(&signature), &err));
    assert_false(checker->verify(checker->self, "Document", 8, buf_text(&signature), &err));
    assert_int_equal(err.code, ERROR_DENIED);
    static const char *const wrong[] = {"", "0", "zz", "30"};
    for (size_t i = 0; i < 4; i++) {
        assert_false(checker->verify(checker->self, "document", 8, wrong[i], &err));
        assert_int_equal(err.code, ERROR_DENIED);
    }
    assert_false(checker->sign(checker->self, "document", 8, &signature, &err));
    assert_int_equal(err.code, ERROR_DENIED);
    assert_string_equal(checker->authority(checker->self), buf_text(&certificate));
    os_identity_free(controller);
    os_identity_free(agent);
}

static void digests(void **state)
{
    char text[PKI_DIGEST_TEXT_SIZE];
    /* FIPS 180-4 examples. */
    assert_string_equal(pki_digest(text, "abc", 3),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(pki_digest(text, NULL, 0),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void random_differs(void **state)
{
    const struct random_port *port = os_random_port();
    char a[1000] = {0};
    char b[1000] = {0};
    port->fill(port->self, a, sizeof(a));
    port->fill(port->self, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 500, a, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies),
        cmocka_unit_test(certificates),
        cmocka_unit_test(identity_signs_only_with_the_key),
        cmocka_unit_test(digests),
        cmocka_unit_test(random_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
