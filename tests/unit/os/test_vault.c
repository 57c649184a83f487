/* The vault over libsodium: what it keeps, where, and who cannot see it. */
#include "check.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/seal.h"
#include "os/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

struct place {
    char root[64];
    struct os_vault *vault;
    const struct vault_port *port;
    struct buf note;
};

static void open_vault(struct place *place)
{
    struct error err;
    if (!os_vault_new(place->root, &place->vault, &place->note, &err)) fail_msg("%s", err.message);
    place->port = os_vault_port(place->vault);
}

static int setup(void **state)
{
    struct place *place = mem_alloc(sizeof(*place));
    strcpy(place->root, "/tmp/croft-vault-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    open_vault(place);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    CLEANUP_MEM char *command = mem_printf("rm -r %s", place->root);
    os_vault_free(place->vault);
    assert_int_equal(system(command), 0);
    buf_free(&place->note);
    mem_free(place);
    return 0;
}

static struct vault_pair make(struct place *place, const char *slot)
{
    struct vault_pair pair;
    struct error err;
    if (!place->port->make(place->port->self, slot, &pair, &err)) fail_msg("%s", err.message);
    return pair;
}

/* What is sealed to the pair is opened in that slot, and what is signed there is the pair's. */
static bool is_in(struct place *place, const char *slot, const struct vault_pair *pair)
{
    CLEANUP_BUF struct buf box = {0}, data = {0};
    unsigned char signature[VAULT_SIGNATURE_SIZE];
    const struct vault_port *port = place->port;
    struct error err;

    assert_true(port->seal(port->self, pair->seal, "secret", 6, &box, &err));
    return port->open(port->self, slot, box.data, box.size, &data, &err) &&
           text_equal(buf_text(&data), "secret") &&
           port->sign(port->self, slot, "text", 4, signature, &err) &&
           port->verify(port->self, pair->sign, "text", 4, signature);
}

static void pairs_live_on(void **state)
{
    struct place *place = *state;
    struct vault_pair acme = make(place, "acme"), beta = make(place, "beta"), found;
    struct error err;

    assert_true(is_in(place, "acme", &acme));
    assert_false(is_in(place, "beta", &acme));
    assert_memory_not_equal(acme.fingerprint, beta.fingerprint, sizeof(acme.fingerprint));
    os_vault_free(place->vault);
    open_vault(place);
    assert_int_equal(place->note.size, 0);
    assert_true(is_in(place, "acme", &acme));
    assert_true(is_in(place, "beta", &beta));
    struct vault_pair next = make(place, "acme+next");
    assert_true(place->port->rename(place->port->self, "acme+next", "acme", &err));
    assert_false(is_in(place, "acme", &acme));
    assert_true(is_in(place, "acme", &next));
    struct vault_pair again = make(place, "beta");
    assert_false(is_in(place, "beta", &beta));
    assert_true(place->port->destroy(place->port->self, "acme", &err));
    os_vault_free(place->vault);
    open_vault(place);
    assert_false(place->port->find(place->port->self, "acme", &found));
    assert_false(place->port->find(place->port->self, "acme+next", &found));
    assert_true(place->port->find(place->port->self, "beta", &found));
    assert_memory_equal(&found, &again, sizeof(found));
}

static void what_was_changed_is_refused(void **state)
{
    struct place *place = *state;
    struct vault_pair acme = make(place, "acme");
    CLEANUP_BUF struct buf box = {0}, data = {0};
    unsigned char signature[VAULT_SIGNATURE_SIZE], zero[VAULT_KEY_SIZE] = {0};
    const struct vault_port *port = place->port;
    struct error err;

    assert_true(port->seal(port->self, acme.seal, "secret", 6, &box, &err));
    for (size_t i = 0; i < box.size; i++) {
        box.data[i] ^= 1;
        assert_false(port->open(port->self, "acme", box.data, box.size, &data, &err));
        assert_int_equal(err.code, ERROR_DENIED);
        box.data[i] ^= 1;
    }
    for (size_t size = 0; size < box.size; size++)
        assert_false(port->open(port->self, "acme", box.data, size, &data, &err));
    assert_int_equal(data.size, 0);
    assert_true(port->sign(port->self, "acme", "text", 4, signature, &err));
    assert_false(port->verify(port->self, acme.sign, "tex_", 4, signature));
    assert_false(port->seal(port->self, zero, "x", 1, &box, &err)); /* a point of small order */
    assert_false(port->open(port->self, "none", "x", 1, &data, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void a_failure_changes_nothing(void **state)
{
    struct place *place = *state;
    struct vault_pair acme = make(place, "acme"), next = make(place, "acme+next"), pair;
    const struct vault_port *port = place->port;
    CLEANUP_MEM char *blocker = mem_printf("%s/.~vault", place->root);
    struct error err;

    assert_int_equal(mkdir(blocker, 0700), 0); /* where the new file is written first */
    assert_false(port->make(port->self, "acme", &pair, &err));
    assert_false(port->make(port->self, "new", &pair, &err));
    assert_false(port->rename(port->self, "acme+next", "acme", &err));
    assert_false(port->destroy(port->self, "acme", &err));
    assert_false(port->find(port->self, "new", &pair));
    assert_true(is_in(place, "acme", &acme));
    assert_true(is_in(place, "acme+next", &next));
}

static void read_file(const char *root, const char *name, struct buf *ret_data)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", root, name);
    FILE *file = fopen(path, "rbe");
    char piece[4096];
    size_t got = 0;
    assert_non_null(file);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(ret_data, piece, got);
    fclose(file);
}

static void files_hold_no_secret_in_the_clear(void **state)
{
    struct place *place = *state;
    CLEANUP_BUF struct buf vault = {0}, again = {0}, secret = {0};
    CLEANUP_MEM char *path = mem_printf("%s/vault", place->root);
    CLEANUP_MEM char *host = mem_printf("%s/vault.host", place->root);
    struct stat status;

    make(place, "acme");
    read_file(place->root, "vault", &vault);
    read_file(place->root, "vault.host", &secret);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(host, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(secret.size, 32);
    assert_null(memmem(vault.data, vault.size, "acme", 4)); /* not even whose they are */
    assert_null(memmem(vault.data, vault.size, secret.data, secret.size));
    make(place, "beta");
    read_file(place->root, "vault", &again);
    assert_memory_not_equal(vault.data + 16, again.data + 16, 24); /* a nonce of its own each time */
}

static void put_file(const char *root, const char *name, const void *data, size_t size, mode_t mode)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void damage_is_set_aside(void **state)
{
    struct place *place = *state;
    struct vault_pair acme = make(place, "acme"), found;
    CLEANUP_BUF struct buf vault = {0};
    struct error err;

    read_file(place->root, "vault", &vault);
    for (size_t size = 0; size < vault.size; size += 7) { /* half-written, by another hand than ours */
        put_file(place->root, "vault", vault.data, size, 0600);
        os_vault_free(place->vault);
        buf_clear(&place->note);
        open_vault(place);
        assert_non_null(strstr(buf_text(&place->note), "set aside as vault.damaged"));
        assert_false(place->port->find(place->port->self, "acme", &found));
    }
    vault.data[vault.size - 1] ^= 1;
    put_file(place->root, "vault", vault.data, vault.size, 0600);
    os_vault_free(place->vault);
    open_vault(place);
    assert_false(place->port->find(place->port->self, "acme", &found));
    vault.data[vault.size - 1] ^= 1;
    put_file(place->root, "vault", vault.data, vault.size, 0600);
    os_vault_free(place->vault);
    open_vault(place);
    assert_true(is_in(place, "acme", &acme));
    os_vault_free(place->vault);
    place->vault = NULL;

    /* The host's secret is refused when others may read it, or when it is none. */
    CLEANUP_MEM char *path = mem_printf("%s/vault.host", place->root);
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(os_vault_new(place->root, &place->vault, &place->note, &err));
    assert_non_null(strstr(err.message, "chmod 600"));
    put_file(place->root, "vault.host", "short", 5, 0600);
    assert_false(os_vault_new(place->root, &place->vault, &place->note, &err));
    assert_non_null(strstr(err.message, "is no host's secret"));
    /* Another host's secret opens nothing. */
    put_file(place->root, "vault.host", "0123456789abcdef0123456789abcdef", 32, 0600);
    buf_clear(&place->note);
    open_vault(place);
    assert_non_null(strstr(buf_text(&place->note), "another host's"));
}

static void from_hex(const char *hex, unsigned char *ret_bytes)
{
    for (size_t i = 0; hex[2 * i]; i++)
        ret_bytes[i] = (unsigned char)(text_hex_digit(hex[2 * i]) << 4 | text_hex_digit(hex[2 * i + 1]));
}

/* RFC 5869, appendix A: test cases 1 to 3, those of SHA-256. */
static void keys_are_derived_as_the_standard_says(void **state)
{
    static const struct {
        const char *secret, *salt, *purpose, *key;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
         "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
         "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081828384858687"
         "88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7"
         "d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
         "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };
    unsigned char secret[80], salt[80], purpose[80], key[82], made[82];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = strlen(cases[i].key) / 2;
        from_hex(cases[i].secret, secret);
        from_hex(cases[i].salt, salt);
        from_hex(cases[i].purpose, purpose);
        from_hex(cases[i].key, key);
        seal_hkdf(salt, strlen(cases[i].salt) / 2, secret, strlen(cases[i].secret) / 2, purpose,
                  strlen(cases[i].purpose) / 2, made, size);
        assert_memory_equal(made, key, size);
    }
}

static bool wrap(struct place *place, const struct vault_lock *lock, struct buf *ret_box)
{
    struct error err;
    return place->port->wrap(place->port->self, lock, "the key of a volume", 19, ret_box, &err);
}

static enum error_code unwrap(struct place *place, const struct vault_lock *lock, const void *box,
                              size_t size)
{
    unsigned char data[19];
    struct error err;
    if (!place->port->unwrap(place->port->self, lock, box, size, data, sizeof(data), &err)) {
        for (size_t i = 0; i < sizeof(data); i++)
            assert_int_equal(data[i], 0);
        return err.code;
    }
    assert_memory_equal(data, "the key of a volume", sizeof(data));
    return ERROR_NONE;
}

static const char *const two_parties[] = {"landlord", "acme"};
static const struct vault_lock two = {.slots = two_parties,
                                      .slots_length = 2,
                                      .purpose = "disk",
                                      .purpose_size = 4,
                                      .about = "volume",
                                      .about_size = 6};

static void secrets_wrap_and_live_on(void **state)
{
    struct place *place = *state;
    static const unsigned char own[VAULT_SECRET_SIZE] = "a secret of the tenant's service";
    const struct vault_port *port = place->port;
    CLEANUP_BUF struct buf box = {0}, again = {0};
    struct vault_lock lock = two;
    struct error err;

    make(place, "acme"); /* a pair of that name is another thing */
    assert_false(wrap(place, &two, &box));
    assert_true(port->secret_make(port->self, "landlord", &err));
    assert_false(wrap(place, &two, &box));
    assert_true(port->secret_make(port->self, "acme", &err));
    assert_int_equal(port->secret_find(port->self, "acme"), VAULT_SECRET_KEPT);
    assert_true(wrap(place, &two, &box));
    assert_true(wrap(place, &two, &again));
    assert_int_equal(box.size, again.size);
    assert_memory_not_equal(box.data, again.data, box.size);
    assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_NONE);
    for (size_t i = 0; i < box.size; i++) {
        box.data[i] ^= 1;
        assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_DENIED);
        box.data[i] ^= 1;
    }
    for (size_t size = 0; size < box.size; size++)
        assert_int_equal(unwrap(place, &two, box.data, size), ERROR_DENIED);
    /* Each part of the lock counts, and the order. */
    static const char *const turned[] = {"acme", "landlord"};
    lock.slots = turned;
    assert_int_equal(unwrap(place, &lock, box.data, box.size), ERROR_DENIED);
    lock = two;
    lock.slots_length = 1;
    assert_int_equal(unwrap(place, &lock, box.data, box.size), ERROR_DENIED);
    lock = two;
    lock.purpose = "disc";
    assert_int_equal(unwrap(place, &lock, box.data, box.size), ERROR_DENIED);
    lock = two;
    lock.about = "volums";
    assert_int_equal(unwrap(place, &lock, box.data, box.size), ERROR_DENIED);

    /* One that is given is here until the process ends, and no longer. */
    assert_false(port->secret_give(port->self, "acme", own, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_true(port->secret_give(port->self, "acme+released", own, &err));
    assert_int_equal(port->secret_find(port->self, "acme+released"), VAULT_SECRET_GIVEN);
    os_vault_free(place->vault);
    open_vault(place);
    port = place->port;
    assert_int_equal(place->note.size, 0);
    assert_int_equal(port->secret_find(port->self, "acme+released"), VAULT_SECRET_NONE);
    assert_int_equal(port->secret_find(port->self, "acme"), VAULT_SECRET_KEPT);
    assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_NONE);
    struct vault_pair pair;
    assert_true(port->find(port->self, "acme", &pair));
    assert_false(port->find(port->self, "landlord", &pair));

    /* Another one opens nothing of before, nor does none. */
    assert_true(port->secret_make(port->self, "acme", &err));
    assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_DENIED);
    assert_true(port->secret_destroy(port->self, "acme", &err));
    assert_true(port->secret_destroy(port->self, "acme", &err));
    assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_NOT_FOUND);
    os_vault_free(place->vault);
    open_vault(place);
    assert_int_equal(place->port->secret_find(place->port->self, "acme"), VAULT_SECRET_NONE);
}

/* What another program made by the same rules: HKDF of three secrets, XChaCha20-Poly1305 of the bytes 0
 * to 63. */
static void a_box_is_what_the_rules_say(void **state)
{
    struct place *place = *state;
    static const char *const slots[] = {"landlord", "acme", "beta"};
    static const char *const secrets[] = {"the landlord has this secret: 1.",
                                          "the first party has this one: 2.",
                                          "and a party below it that one: 3"};
    static const char
        purpose[] = "croft disk key 1\0landlord\0acme\0beta",
        about[] = "directory\0landlord\0acme\0beta",
        hex[] = "6465666768696a6b6c6d6e6f707172737475767778797a7b43e67c2a534967005c191a403f9709d83a04be90"
                "bc365e366086c5cdea95201da66f80878328ee38820c60c93854b5da1f7b75941a17344a28f0293db3e3e6cc"
                "56a6d2181d4ce7498da519bd2c9c707d";
    const struct vault_port *port = place->port;
    const struct vault_lock lock = {.slots = slots,
                                    .slots_length = 3,
                                    .purpose = purpose,
                                    .purpose_size = sizeof(purpose),
                                    .about = about,
                                    .about_size = sizeof(about)};
    unsigned char box[sizeof(hex) / 2], data[64];
    struct error err;

    for (size_t i = 0; i < 3; i++)
        assert_true(port->secret_give(port->self, slots[i], (const unsigned char *)secrets[i], &err));
    from_hex(hex, box);
    assert_true(port->unwrap(port->self, &lock, box, sizeof(box), data, sizeof(data), &err));
    for (size_t i = 0; i < sizeof(data); i++)
        assert_int_equal(data[i], i);
}

static void a_secret_that_cannot_be_saved_changes_nothing(void **state)
{
    struct place *place = *state;
    const struct vault_port *port = place->port;
    CLEANUP_MEM char *blocker = mem_printf("%s/.~vault", place->root);
    CLEANUP_BUF struct buf box = {0};
    struct error err;

    assert_true(port->secret_make(port->self, "landlord", &err) &&
                port->secret_make(port->self, "acme", &err));
    assert_true(wrap(place, &two, &box));
    assert_int_equal(mkdir(blocker, 0700), 0);
    assert_false(port->secret_make(port->self, "acme", &err));
    assert_false(port->secret_make(port->self, "beta", &err));
    assert_false(port->secret_destroy(port->self, "acme", &err));
    assert_int_equal(port->secret_find(port->self, "beta"), VAULT_SECRET_NONE);
    assert_int_equal(unwrap(place, &two, box.data, box.size), ERROR_NONE);
}

/* VmFlags of the mapping that the address is in. */
static void flags_at(const void *address, char ret_flags[256])
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool here = false;

    ret_flags[0] = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        unsigned long first = 0, last = 0;
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
            here = (unsigned long)address >= first && (unsigned long)address < last;
        if (here && text_starts(line, "VmFlags:"))
            snprintf(ret_flags, 256, "%.200s ", line + strlen("VmFlags:"));
    }
    fclose(file);
    ret_flags[strcspn(ret_flags, "\n")] = ' ';
}

/* Another process that only looks sees the pairs, and changes nothing, whatever it finds. */
static void looking_changes_nothing(void **state)
{
    struct place *place = *state;
    struct os_vault *looked = NULL;
    struct vault_pair made, seen;
    struct error err;
    CLEANUP_MEM char *none = mem_printf("%s/none", place->root);
    CLEANUP_MEM char *file = mem_printf("%s/vault", place->root);
    CLEANUP_MEM char *aside = mem_printf("%s/vault.damaged", place->root);

    assert_true(place->port->make(place->port->self, "acme", &made, &err));
    if (!os_vault_look(place->root, &looked, &err)) fail_msg("%s", err.message);
    const struct vault_port *port = os_vault_port(looked);
    assert_true(port->find(port->self, "acme", &seen));
    assert_memory_equal(&made, &seen, sizeof(made));
    os_vault_free(looked);
    assert_false(os_vault_look(none, &looked, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(access(none, F_OK), -1);
    assert_int_equal(truncate(file, 60), 0);
    assert_false(os_vault_look(place->root, &looked, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(access(aside, F_OK), -1);
}

static void secrets_are_locked_and_not_dumped(void **state)
{
    unsigned char *secret = NULL;
    void *memory = NULL;
    char flags[256];
    struct error err;
    int status = 0;

    if (!seal_secret_new(100, &memory, &err)) fail_msg("%s", err.message);
    secret = memory;
    memset(secret, 0x5a, 100);
    flags_at(secret, flags);
    /* Sanitizers answer mlock themselves, and lock nothing. */
    if (!SANITIZED && !strstr(flags, " lo ")) fail_msg("not locked:%s", flags);
    if (!strstr(flags, " dd ")) fail_msg("dumped:%s", flags);
    if (!strstr(flags, " wf ")) fail_msg("copied by fork:%s", flags);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool zero = true;
        for (size_t i = 0; i < 100; i++)
            zero = zero && secret[i] == 0;
        _exit(zero ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(secret[99], 0x5a); /* the child's were its own */
    seal_secret_free(memory);
}

/* The last: it holds for the rest of this process. */
static void a_hardened_process_leaves_no_dump(void **state)
{
    struct rlimit limit;
    struct error err;

    assert_true(seal_harden(&err));
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pairs_live_on, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_changed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(files_hold_no_secret_in_the_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_changes_nothing, setup, teardown),
        cmocka_unit_test(keys_are_derived_as_the_standard_says),
        cmocka_unit_test_setup_teardown(a_box_is_what_the_rules_say, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_wrap_and_live_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_that_cannot_be_saved_changes_nothing, setup, teardown),
        cmocka_unit_test(secrets_are_locked_and_not_dumped),
        cmocka_unit_test(a_hardened_process_leaves_no_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
