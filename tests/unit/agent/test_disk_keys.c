/* Keys of what a host stores for parties: who can have them, and when they are gone. */
#include "desk.h"

#include "agent/internal.h"
#include "sim/vault.h"

#include <stdio.h>
#include <string.h>

static const unsigned char own[VAULT_SECRET_SIZE + 1] = "the secret that acme's desk has.",
                                                   other[VAULT_SECRET_SIZE + 1] =
                                                       "another one, of who says he is.";

/* An instance of the party, and who is above whom. */
static void tell_parties(struct desk *desk, int64_t version, const char *party,
                         const struct host_party *parties, size_t length)
{
    CLEANUP_MEM char *name = mem_printf("%s/shop/web-1", party), *farm = mem_printf("%s/shop", party);
    const struct host_farm network = {
        .name = farm, .vni = 7, .subnet = {0x0a000000U, 24}, .gateway = 0x0a000001U};
    const struct personality instance = {.instance = name,
                                         .party = party,
                                         .farm = farm,
                                         .tier = "web",
                                         .incarnation = 1,
                                         .digest = desk_image,
                                         .size = {500, 64 << 20, 0, 0},
                                         .wanted = WANTED_RUN,
                                         .health = {.path = ""},
                                         .frontends_hash = "",
                                         .address = 0x0a000002U};
    struct host_document document = {.version = version,
                                     .farms = &network,
                                     .farms_length = party[0] != '\0',
                                     .instances = &instance,
                                     .instances_length = party[0] != '\0',
                                     .parties = parties,
                                     .parties_length = length};
    tell_document(desk, &document);
    world_run_ms(desk->world, 3000);
    CLEANUP_MEM char *applied = mem_printf("\"document_version\":%d", (int)version);
    if (!said(desk, applied)) fail_msg("%s", buf_text(&desk->report));
}

static const struct host_party acme[] = {{.name = "acme", .parent = "landlord"}};
static const struct host_party acme_serves[] = {
    {.name = "acme", .parent = "landlord", .custody = CUSTODY_TENANT}};
static const struct host_party line[] = {{.name = "acme", .parent = "landlord"},
                                         {.name = "beta", .parent = "acme"},
                                         {.name = "gamma", .parent = "beta"}};

static struct desk *started(const char *party, const struct host_party *parties, size_t length)
{
    struct desk *desk = desk_new();
    boot(desk->box);
    tell_parties(desk, 1, party, parties, length);
    return desk;
}

static void restart(struct desk *desk)
{
    box_stop_agent(desk->box);
    start_agent(desk->box);
    world_run_ms(desk->world, 3000);
}

struct key {
    unsigned char bytes[DISK_KEY_SIZE];
};

static struct key item_of(struct desk *desk, const char *party, const char *item)
{
    struct key key;
    struct error err;
    if (!disk_item(desk->box->agent, party, item, key.bytes, &err)) fail_msg("%s: %s", party, err.message);
    return key;
}

static struct key key_of(struct desk *desk, const char *party)
{
    struct key key;
    struct error err;
    if (!disk_key(desk->box->agent, party, key.bytes, &err)) fail_msg("%s: %s", party, err.message);
    return key;
}

static void refused(struct desk *desk, const char *party, enum error_code code, const char *why)
{
    static const struct key zero;
    struct key key;
    struct error err;

    assert_false(disk_key(desk->box->agent, party, key.bytes, &err));
    if (err.code != code || !strstr(err.message, why)) fail_msg("%d %s, not %s", err.code, err.message, why);
    assert_memory_equal(&key, &zero, sizeof(key));
}

static bool is(const struct key *a, const struct key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void discard(struct desk *desk, const char *party)
{
    struct error err;
    if (!disk_keys_discard(desk->box->agent, party, &err)) fail_msg("%s", err.message);
}

static bool release(struct desk *desk, const unsigned char *secret, struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    return disk_keys_release(desk->box->agent, "acme", secret, VAULT_SECRET_SIZE, &json, err);
}

static void file(struct desk *desk, const char *path, struct buf *ret_text)
{
    const struct disk_port *disk = sim_disk_port(desk->box->disk);
    struct error err;
    buf_clear(ret_text);
    if (!disk->read(disk->self, path, ret_text, &err)) buf_add_text(ret_text, "none");
}

static void put(struct desk *desk, const char *path, const struct buf *text)
{
    const struct disk_port *disk = sim_disk_port(desk->box->disk);
    struct error err;
    assert_true(disk->write(disk->self, path, text->data, text->size, 0600, &err));
}

/* One key an item and party, the same as long as nobody discards it. */
static void keys_stay(void **state)
{
    struct desk *desk = started("gamma", line, LENGTH(line));
    struct key key = key_of(desk, "gamma"), volume = item_of(desk, "gamma", "volume/data");
    struct key above = key_of(desk, "acme"), all = key_of(desk, "landlord");
    int64_t generation = disk_key_generation(desk->box->agent, "gamma");
    CLEANUP_BUF struct buf text = {0};
    struct key again;

    assert_true(generation > 0);
    assert_int_equal(disk_key_generation(desk->box->agent, "none"), 0);
    assert_false(is(&key, &volume) || is(&key, &above) || is(&above, &all));
    restart(desk);
    again = key_of(desk, "gamma");
    assert_true(is(&key, &again));
    again = item_of(desk, "gamma", "volume/data");
    assert_true(is(&volume, &again));
    assert_int_equal(disk_key_generation(desk->box->agent, "gamma"), generation);
    file(desk, "disk-keys/gamma", &text);
    assert_non_null(strstr(buf_text(&text), "\"slots\":[\"landlord\",\"acme\",\"beta\",\"gamma\"]"));
    refused(desk, "zeta", ERROR_REFUSED, "no document says that zeta has something on h1");
    desk_free(desk);
}

/* Whoever of the line makes his secret anew: what hangs on it is gone, and nothing else. */
static void discards(void **state)
{
    static const char *const parties[] = {"landlord", "acme", "beta", "gamma"};

    for (size_t who = 0; who < LENGTH(parties); who++) {
        struct desk *desk = started("gamma", line, LENGTH(line));
        struct key before[LENGTH(parties)], now;
        int64_t generations[LENGTH(parties)];
        for (size_t i = 0; i < LENGTH(parties); i++) {
            before[i] = key_of(desk, parties[i]);
            generations[i] = disk_key_generation(desk->box->agent, parties[i]);
        }
        discard(desk, parties[who]);
        discard(desk, parties[who]); /* again is no harm */
        if (who % 2) restart(desk);
        for (size_t i = 0; i < LENGTH(parties); i++) {
            now = key_of(desk, parties[i]);
            assert_int_equal(is(&before[i], &now), i < who);
            assert_int_equal(disk_key_generation(desk->box->agent, parties[i]) == generations[i], i < who);
        }
        desk_free(desk);
    }
}

/* What is wrapped by a secret that is gone is not opened by who puts the file back. */
static void discarded_is_gone(void **state)
{
    struct desk *desk = started("acme", acme, LENGTH(acme));
    struct key key = key_of(desk, "acme"), now;
    int64_t generation = disk_key_generation(desk->box->agent, "acme");
    CLEANUP_BUF struct buf kept = {0};

    file(desk, "disk-keys/acme", &kept);
    discard(desk, "acme");
    box_stop_agent(desk->box);
    put(desk, "disk-keys/acme", &kept);
    start_agent(desk->box);
    world_run_ms(desk->world, 3000);
    now = key_of(desk, "acme"); /* the secret was not there any more: it is begun anew */
    assert_false(is(&key, &now));
    assert_int_not_equal(disk_key_generation(desk->box->agent, "acme"), generation);
    box_stop_agent(desk->box);
    put(desk, "disk-keys/acme", &kept);
    start_agent(desk->box);
    world_run_ms(desk->world, 3000);
    refused(desk, "acme", ERROR_FAILED, "disk-keys/acme on h1 was changed"); /* another one is there now */
    desk_free(desk);
}

/* Half-written, changed, another party's: nothing is opened, nothing overwritten; a rotation mends it. */
static void damage_is_closed(void **state)
{
    struct desk *desk = started("acme", acme, LENGTH(acme));
    struct key key = key_of(desk, "acme"), now;
    CLEANUP_BUF struct buf kept = {0}, torn = {0}, found = {0};

    file(desk, "disk-keys/acme", &kept);
    for (size_t size = 0; size < kept.size; size += 29) {
        box_stop_agent(desk->box);
        buf_clear(&torn);
        buf_add(&torn, kept.data, size);
        put(desk, "disk-keys/acme", &torn);
        start_agent(desk->box);
        world_run_ms(desk->world, 1000);
        refused(desk, "acme", ERROR_FAILED, "disk-keys/acme on h1 is damaged");
        file(desk, "disk-keys/acme", &found);
        assert_string_equal(buf_text(&found), buf_text(&torn));
    }
    char *box = strstr(kept.data, "\"box\":\"") + strlen("\"box\":\"");
    for (size_t i = 0; i < 200; i += 31) {
        char right = box[i];
        box[i] = right == '0' ? '1' : '0';
        box_stop_agent(desk->box);
        put(desk, "disk-keys/acme", &kept);
        start_agent(desk->box);
        world_run_ms(desk->world, 1000);
        refused(desk, "acme", ERROR_FAILED, "its directory cannot be opened");
        box[i] = right;
    }
    box_stop_agent(desk->box);
    put(desk, "disk-keys/acme", &kept);
    start_agent(desk->box);
    world_run_ms(desk->world, 1000);
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    box_stop_agent(desk->box);
    put(desk, "disk-keys/acme", &torn);
    start_agent(desk->box);
    world_run_ms(desk->world, 1000);
    discard(desk, "acme");
    now = key_of(desk, "acme");
    assert_false(is(&key, &now));
    desk_free(desk);
}

/* Nothing of the party runs before its own secret is here; it is in memory only. */
static void a_key_service_is_waited_for(void **state)
{
    struct desk *desk = started("acme", acme_serves, 1);
    const struct vault_port *vault = sim_vault_port(desk->box->vault);
    CLEANUP_BUF struct buf text = {0};
    struct key key, now;
    struct error err;

    assert_true(said(desk, "waits for the key service of acme to release its secret to h1: croft key serve "
                           "acme, at the desk that has its keys"));
    assert_true(said(desk, "\"waits\":true"));
    assert_false(said(desk, "\"state\":\"running\""));
    refused(desk, "acme", ERROR_REFUSED, "waits for the key service of acme");
    assert_int_equal(vault->secret_find(vault->self, "acme"), VAULT_SECRET_NONE);

    if (!release(desk, own, &err)) fail_msg("%s", err.message);
    world_run_ms(desk->world, 3000);
    assert_true(said(desk, "\"state\":\"running\""));
    assert_false(said(desk, "\"waits\":true"));
    key = key_of(desk, "acme");
    assert_int_equal(vault->secret_find(vault->self, "acme"), VAULT_SECRET_NONE);
    file(desk, "vault", &text);
    assert_null(memmem(text.data, text.size, own, VAULT_SECRET_SIZE));

    /* After the agent's end it has to come again; what runs goes on. */
    restart(desk);
    assert_true(said(desk, "\"waits\":true"));
    assert_true(said(desk, "\"state\":\"running\""));
    refused(desk, "acme", ERROR_REFUSED, "waits for the key service of acme");

    /* One that lies changes nothing, before the right one and after it. */
    CLEANUP_BUF struct buf before = {0}, after = {0};
    file(desk, "disk-keys/acme", &before);
    assert_false(release(desk, other, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_non_null(strstr(err.message, "another secret of acme than the one with which h1 encrypts"));
    refused(desk, "acme", ERROR_REFUSED, "waits for the key service of acme");
    assert_true(release(desk, own, &err));
    assert_false(release(desk, other, &err));
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    file(desk, "disk-keys/acme", &after);
    assert_string_equal(buf_text(&before), buf_text(&after));

    /* Nor is it undone by a document that says the secret is kept on hosts. */
    tell_parties(desk, 2, "acme", acme, 1);
    restart(desk);
    refused(desk, "acme", ERROR_REFUSED, "waits for the key service of acme");
    discard(desk, "acme"); /* but by the party's own rotation */
    now = key_of(desk, "acme");
    assert_false(is(&key, &now));
    desk_free(desk);
}

/* A party with a service between: those below it wait for it, too. */
static void of_the_line(void **state)
{
    static const struct host_party serves[] = {
        {.name = "acme", .parent = "landlord", .custody = CUSTODY_TENANT},
        {.name = "beta", .parent = "acme"},
        {.name = "gamma", .parent = "beta"}};
    struct desk *desk = started("gamma", serves, LENGTH(serves));
    struct key key, now;
    struct error err;

    assert_true(said(desk, "waits for the key service of acme"));
    assert_true(said(desk, "{\"party\":\"acme\",\"generation\":1,\"taken_ms\":0,\"waits\":true"));
    assert_true(release(desk, own, &err));
    world_run_ms(desk->world, 3000);
    assert_true(said(desk, "\"state\":\"running\""));
    key = key_of(desk, "gamma");
    restart(desk);
    refused(desk, "gamma", ERROR_REFUSED, "waits for the key service of acme");
    assert_true(release(desk, own, &err));
    now = key_of(desk, "gamma");
    assert_true(is(&key, &now));
    desk_free(desk);
}

/* Another custody, or another party above: what is stored stays readable, and what is not needed any more for
 * it is forgotten. */
static void moves_over(void **state)
{
    static const struct host_party elsewhere[] = {{.name = "acme", .parent = "zeta"},
                                                  {.name = "zeta", .parent = "landlord"}};
    struct desk *desk = started("acme", acme, 1);
    const struct vault_port *vault = sim_vault_port(desk->box->vault);
    struct key key = key_of(desk, "acme"), now;
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    tell_parties(desk, 2, "acme", elsewhere, LENGTH(elsewhere));
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    file(desk, "disk-keys/acme", &text);
    assert_non_null(strstr(buf_text(&text), "[\"landlord\",\"zeta\",\"acme\"]"));
    tell_parties(desk, 3, "acme", acme_serves, 1);
    refused(desk, "acme", ERROR_REFUSED, "waits for the key service of acme");
    assert_int_equal(vault->secret_find(vault->self, "acme"), VAULT_SECRET_KEPT);
    assert_true(release(desk, own, &err));
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    assert_int_equal(vault->secret_find(vault->self, "acme"), VAULT_SECRET_NONE);
    restart(desk);
    assert_true(release(desk, own, &err));
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    desk_free(desk);
}

/* At once when its lease has ended and the last of it has left; not before. */
static void a_lease_ends(void **state)
{
    static const struct host_party severed[] = {{.name = "acme", .parent = "landlord", .severed = true}};
    struct desk *desk = started("acme", acme, 1);
    struct vault_port const *vault = sim_vault_port(desk->box->vault);
    struct key key = key_of(desk, "acme"), now;
    CLEANUP_BUF struct buf text = {0};
    struct vault_pair pair;

    tell_parties(desk, 2, "acme", severed, 1); /* it is being drained */
    assert_true(vault->find(vault->self, "acme", &pair));
    now = key_of(desk, "acme");
    assert_true(is(&key, &now));
    tell_parties(desk, 3, "", severed, 1);
    world_run_ms(desk->world, 3000);
    assert_false(vault->find(vault->self, "acme", &pair));
    assert_int_equal(vault->secret_find(vault->self, "acme"), VAULT_SECRET_NONE);
    file(desk, "disk-keys/acme", &text);
    assert_string_equal(buf_text(&text), "none");
    file(desk, "keys/acme", &text);
    assert_string_equal(buf_text(&text), "none");
    assert_false(said(desk, "\"party\":\"acme\",\"generation\""));
    tell_parties(desk, 4, "acme", acme, 1); /* leased again: another life */
    now = key_of(desk, "acme");
    assert_false(is(&key, &now));
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stay),
        cmocka_unit_test(discards),
        cmocka_unit_test(discarded_is_gone),
        cmocka_unit_test(damage_is_closed),
        cmocka_unit_test(a_key_service_is_waited_for),
        cmocka_unit_test(of_the_line),
        cmocka_unit_test(moves_over),
        cmocka_unit_test(a_lease_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
