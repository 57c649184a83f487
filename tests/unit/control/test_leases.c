/* Leases that end, by date and by each side, at every level: what ran is stopped and wiped, what is leased
 * again runs again, and nobody else notices. */
#include "world.h"

#include "model/schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The world begins at 2023-11-14T22:13:20Z. */
#define LEASE "kind: Lease\nname: acme\nto: acme\nrights: [software, develop, lease, read]\n"
#define UNTIL "until: 2023-11-14T22:15:00Z\n"
enum { UNTIL_MS = 100 * 1000 };

#define FARM(name, party)                                                                             \
    "---\nkind: Farm\nname: " name "\nparty: " party "\nsubnet: 10.0.0.0/24\n"                        \
    "tiers: [{name: web, image: \"hello:1\", count: 2, warm: 1, size: {cpus: 0.25, memory: 64Mi}}]\n" \
    "balance: [{name: www, port: 80, to: \"web:80\", publish: auto}]\n"

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("no %s in %s", part, text);
}

static void make_token(struct world *world, const char *party, char ret_token[128])
{
    CLEANUP_MEM char *body = mem_printf("{\"party\":\"%s\",\"name\":\"desk\"}", party);
    const char *text = expect(world, 201, landlord, "POST", "/v1/tokens", body);
    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", ret_token), 1);
}

/* All that the store says of a party's instances, farms and networks, with their revisions. */
static char *state_of(struct world *world, const char *party)
{
    static const enum record_kind kinds_of[] = {RECORD_FARM, RECORD_FARM_FACT, RECORD_INSTANCE};
    struct mirror *mirror = controller_mirror(world->controller);
    CLEANUP_BUF struct buf text = {0};

    for (size_t k = 0; k < LENGTH(kinds_of); k++) {
        size_t length = 0;
        const struct record *const *records = mirror_list(mirror, kinds_of[k], &length);
        for (size_t i = 0; i < length; i++)
            if (text_starts(records[i]->name, party) && records[i]->name[strlen(party)] == '/')
                buf_printf(&text, "%s %llu %s\n", records[i]->name, (unsigned long long)records[i]->revision,
                           records[i]->json);
    }
    return mem_strdup(buf_text(&text));
}

/* acme's and beta's farms run, and have settled. */
static struct world *two_parties(const char *lease)
{
    struct world *world = world_started(3);
    apply(world, "kind: Party\nname: beta\n" FARM("other", "beta"));
    apply(world, lease);
    apply(world, FARM("shop", "acme"));
    wait_running(world, "acme/shop/", 4, 20000);
    wait_running(world, "beta/other/", 4, 20000);
    world_run_ms(world, 20000);
    return world;
}

static void assert_wiped(struct world *world, const char *farm)
{
    CLEANUP_MEM char *begins = mem_printf("%s/", farm);
    struct vec left = VEC_OF(struct fake_instance);

    wait_running(world, begins, 0, 20000);
    world_run_ms(world, 5000);
    fake_world_list(world->truth, &left);
    for (size_t i = 0; i < left.length; i++)
        assert_false(text_starts(((struct fake_instance *)vec_at(&left, i))->name, begins));
    vec_free(&left);
    for (size_t i = 0; i < world->boxes_length; i++)
        assert_false(fake_host_has_farm(world->boxes[i].truth, farm));
    CLEANUP_MEM char *path = mem_printf("/v1/farms/%s", farm);
    const char *text = expect(world, 200, landlord, "GET", path, NULL);
    has(text, "\"status\":{");
    has(strstr(text, "\"status\":{"), "\"state\":\"stopped\"");
    has(text, "\"endpoints\":[]");
    has(text, "\"reason\":\"repossessed: lease ");
}

static void test_ends_by_date(void **state)
{
    struct world *world = two_parties(LEASE UNTIL);
    CLEANUP_MEM char *before = state_of(world, "beta");

    int64_t now_ms = world->time->wall_ms(world->time->self) - INT64_C(1700000000000);
    world_run_ms(world, UNTIL_MS - now_ms - 100);
    assert_int_equal(truly_running(world, "acme/shop/"), 4);
    assert_wiped(world, "acme/shop");
    has(expect(world, 200, landlord, "GET", "/v1/leases/acme", NULL),
        "\"state\":\"ended\",\"reason\":\"its time was over at 2023-11-14T22:15:00.000Z\"");
    has(expect(world, 200, landlord, "GET", "/v1/explain/acme/shop", NULL), "\"what\":\"repossessed\"");
    CLEANUP_MEM char *after = state_of(world, "beta");
    assert_string_equal(before, after);
    /* Granted anew it runs again, in its network. */
    has(expect(world, 409, landlord, "POST", "/v1/apply", LEASE UNTIL), "2023-11-14T22:15:00.000Z is past");
    apply(world, LEASE "until: 2023-12-01\n");
    wait_running(world, "acme/shop/", 4, 20000);
    world_run_ms(world, 5000);
    has(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL), "\"state\":\"ready\"");
    has(expect(world, 200, landlord, "GET", "/v1/events?name=acme/shop", NULL), "\"what\":\"may run again\"");
    world_free(world);
}

/* The controller is away when the time is over. */
static void test_ends_while_nobody_looks(void **state)
{
    struct world *world = two_parties(LEASE UNTIL);
    CLEANUP_MEM char *before = state_of(world, "beta");

    world_stop_controller(world);
    world_run_ms(world, UNTIL_MS);
    assert_int_equal(truly_running(world, "acme/shop/"), 4);
    start_controller(world);
    world_run_ms(world, 1);
    has(expect(world, 200, landlord, "GET", "/v1/leases/acme", NULL), "\"state\":\"ended\"");
    assert_wiped(world, "acme/shop");
    CLEANUP_MEM char *after = state_of(world, "beta");
    assert_string_equal(before, after);
    world_free(world);
}

/* It dies right behind the end, and between it and what follows from it. */
static void test_controller_dies_at_the_end(void **state)
{
    for (int64_t ms = 0; ms < 60; ms += 7) {
        struct world *world = two_parties(LEASE);
        expect(world, 200, landlord, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}");
        world_run_ms(world, ms);
        world_stop_controller(world);
        world_run_ms(world, 500);
        start_controller(world);
        assert_wiped(world, "acme/shop");
        assert_int_equal(truly_running(world, "beta/other/"), 4);
        world_free(world);
    }
}

/* Of the event in which it stands. */
static unsigned long long revision_of(const char *log, const char *part)
{
    static const char begin[] = "{\"revision\":";
    const char *at = strstr(log, part);

    assert_non_null(at);
    while (!text_starts(at, begin))
        at--;
    return strtoull(at + strlen(begin), NULL, 10);
}

static void test_each_side_ends(void **state)
{
    for (int who = 0; who < 2; who++) {
        struct world *world = two_parties(LEASE);
        CLEANUP_MEM char *before = state_of(world, "beta");
        char acme[128], beta[128];
        make_token(world, "acme", acme);
        make_token(world, "beta", beta);
        expect(world, 404, beta, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}");
        expect(world, 200, who ? acme : landlord, "POST", "/v1/leases/acme/end",
               "{\"reason\":\"not\\npaid\"}");
        /* In one transaction: nobody ever sees one without the other. */
        const char *log = expect(world, 200, landlord, "GET", "/v1/events", NULL);
        assert_int_equal(revision_of(log, "\"what\":\"ended\""),
                         revision_of(log, "\"what\":\"repossessed\""));
        has(expect(world, 409, landlord, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}"),
            who ? "has ended already: by acme: not paid" : "has ended already: by landlord: not paid");
        assert_wiped(world, "acme/shop");
        has(expect(world, 200, landlord, "GET", "/v1/events?name=acme", NULL), "\"right\":\"lease\"");
        CLEANUP_MEM char *after = state_of(world, "beta");
        assert_string_equal(before, after);
        /* It sees why, and does nothing. */
        has(expect(world, 200, acme, "GET", "/v1/farms/acme/shop", NULL),
            "repossessed: lease acme of party acme");
        has(expect(world, 200, acme, "GET", "/v1/parties/acme", NULL), "\"rights\":[\"read\"]");
        expect(world, 403, acme, "DELETE", "/v1/farms/acme/shop", NULL);
        has(expect(world, 409, landlord, "POST", "/v1/apply", FARM("more", "acme")),
            "party acme may run nothing");
        world_free(world);
    }
}

/* What the inner ones hold goes with the outer lease and comes back with it; nothing of theirs is rewritten.
 */
static void test_inner_leases_follow(void **state)
{
    struct world *world = world_started(3);
    apply(world, LEASE
          "---\nkind: Party\nname: sub\nparent: acme\n---\n"
          "kind: Party\nname: plain\nparent: sub\n---\n"
          "kind: Lease\nname: sub\nfrom: acme\nto: sub\nrights: [software, lease, read]\n" FARM("one", "acme")
              FARM("two", "sub") FARM("three", "plain"));
    wait_running(world, "acme/one/", 4, 20000);
    wait_running(world, "sub/two/", 4, 20000);
    wait_running(world, "plain/three/", 4, 20000);
    has(expect(world, 200, landlord, "GET", "/v1/parties/plain", NULL),
        "\"rights\":[\"software\",\"lease\",\"read\"]");

    /* A right less. */
    apply(world, "kind: Lease\nname: acme\nto: acme\nrights: [lease, read, develop]\n");
    has(expect(world, 200, landlord, "GET", "/v1/leases/sub", NULL), "\"in_force\":[\"lease\",\"read\"]");
    has(expect(world, 200, landlord, "GET", "/v1/parties/plain", NULL), "\"rights\":[\"lease\",\"read\"]");
    world_run_ms(world, 5000);
    assert_int_equal(truly_running(world, "sub/two/"), 4); /* nobody's farm stops for that */

    /* The inner one alone, then the outer one. */
    expect(world, 200, landlord, "POST", "/v1/leases/sub/end", "{\"reason\":\"\"}");
    assert_wiped(world, "sub/two");
    assert_wiped(world, "plain/three");
    assert_int_equal(truly_running(world, "acme/one/"), 4);
    apply(world, LEASE "---\nkind: Lease\nname: sub\nfrom: acme\nto: sub\nrights: [software]\n");
    wait_running(world, "plain/three/", 4, 20000);
    expect(world, 200, landlord, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}");
    assert_wiped(world, "acme/one");
    assert_wiped(world, "sub/two");
    assert_wiped(world, "plain/three");
    has(expect(world, 200, landlord, "GET", "/v1/leases/sub", NULL), "\"state\":\"active\"");
    apply(world, "kind: Lease\nname: acme-2\nto: acme\nrights: [software, lease, read]\n");
    wait_running(world, "acme/one/", 4, 20000);
    wait_running(world, "sub/two/", 4, 20000);
    wait_running(world, "plain/three/", 4, 20000);
    world_run_ms(world, 5000);
    world_free(world);
}

/* `croft diff` says what would stop. */
static void test_an_end_is_foretold(void **state)
{
    struct world *world = two_parties(LEASE);
    const char *text = expect(world, 200, landlord, "POST", "/v1/diff", LEASE "state: ended\nreason: soon\n");
    has(text, "\"kind\":\"stop\",\"name\":\"acme/shop/web-1\"");
    has(text, "repossessed: lease acme of party acme from landlord ended: soon");
    assert_null(strstr(text, "beta/"));
    world_run_ms(world, 5000);
    assert_int_equal(truly_running(world, "acme/shop/"), 4);
    world_free(world);
}

/* A lease that ended stays: without it its party would hold what one without leases holds. */
static void test_what_ended_stays(void **state)
{
    struct world *world = two_parties(LEASE);
    has(expect(world, 409, landlord, "DELETE", "/v1/leases/acme", NULL),
        "is all that says what party acme holds");
    expect(world, 200, landlord, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}");
    has(expect(world, 409, landlord, "DELETE", "/v1/leases/acme", NULL), "grant another first");
    has(expect(world, 409, landlord, "POST", "/v1/apply",
               "kind: Lease\nname: acme\nto: beta\nrights: [read]\n"),
        "lease acme is from landlord to acme: end it, and grant another");
    assert_wiped(world, "acme/shop");
    apply(world, "kind: Lease\nname: next\nto: acme\nrights: [software]\n");
    expect(world, 200, landlord, "DELETE", "/v1/leases/acme", NULL);
    wait_running(world, "acme/shop/", 4, 20000);
    /* With its party goes what was leased to it, and its tokens. */
    char acme[128];
    make_token(world, "acme", acme);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    wait_running(world, "acme/shop/", 0, 20000);
    world_run_ms(world, 5000);
    expect(world, 200, landlord, "DELETE", "/v1/parties/acme", NULL);
    expect(world, 404, landlord, "GET", "/v1/leases/next", NULL);
    apply(world, "kind: Party\nname: acme\n");
    expect(world, 401, acme, "GET", "/v1/parties", NULL);
    world_free(world);
}

/* Whoever is above the giver severs whatever the giver says; either side by itself takes nothing from the
 * other's word. */
static void test_severed_stays_severed(void **state)
{
    static const char again[] = "kind: Lease\nname: sub\nfrom: acme\nto: sub\nrights: [software]\n",
                      more[] = "kind: Lease\nname: more\nfrom: acme\nto: sub\nrights: [software]\n",
                      other[] = "kind: Lease\nname: other\nfrom: acme\nto: new\nrights: [software]\n";
    struct world *world = world_started(1);
    char acme[128], sub[128];
    apply(world, LEASE "---\nkind: Party\nname: sub\nparent: acme\n---\n"
                       "kind: Party\nname: new\nparent: acme\n---\n"
                       "kind: Lease\nname: sub\nfrom: acme\nto: sub\nrights: [software, lease]\n");
    make_token(world, "acme", acme);
    make_token(world, "sub", sub);
    expect(world, 200, sub, "POST", "/v1/leases/sub/end", "{\"reason\":\"\"}");
    expect(world, 200, acme, "POST", "/v1/apply", again);
    expect(world, 200, acme, "POST", "/v1/leases/sub/end", "{\"reason\":\"\"}");
    expect(world, 200, acme, "POST", "/v1/apply", again);
    expect(world, 200, landlord, "POST", "/v1/leases/sub/end", "{\"reason\":\"\"}");
    has(expect(world, 200, acme, "GET", "/v1/leases/sub", NULL), "\"severed_by\":\"landlord\"");
    has(expect(world, 403, acme, "POST", "/v1/apply", again),
        "lease sub from acme to sub was ended by landlord: that has to say so");
    expect(world, 403, acme, "POST", "/v1/apply", more);
    expect(world, 403, acme, "DELETE", "/v1/leases/sub", NULL);
    expect(world, 200, acme, "POST", "/v1/apply", other);
    has(expect(world, 409, landlord, "POST", "/v1/apply",
               "kind: Lease\nname: x\nto: acme\nrights: [read]\nsevered_by: acme\n"),
        "croft writes that itself");
    apply(world, again);
    expect(world, 200, acme, "POST", "/v1/apply", more);
    world_free(world);
}

/* A farm whose party loses its lease before anything of it was decided: nothing of it ever starts, and its
 * facts go with it. */
static void test_ends_before_it_began(void **state)
{
    struct world *world = two_parties(LEASE);
    apply(world, FARM("late", "acme") "---\n" LEASE);
    expect(world, 200, landlord, "POST", "/v1/leases/acme/end", "{\"reason\":\"\"}");
    assert_wiped(world, "acme/shop");
    assert_wiped(world, "acme/late");
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/late", NULL);
    world_run_ms(world, 1000);
    assert_null(mirror_get(controller_mirror(world->controller), RECORD_FARM_FACT, "acme/late"));
    world_free(world);
}

/* Refusals are told, but not all of a crowd. */
static void test_refusals_are_told(void **state)
{
    struct world *world = two_parties(LEASE);
    char acme[128];
    make_token(world, "acme", acme);
    for (int i = 0; i < 30; i++)
        expect(world, 403, acme, "POST", "/v1/hosts/h1/drain", NULL);
    const char *text = expect(world, 200, acme, "GET", "/v1/events?name=acme", NULL);
    size_t told = 0;
    for (const char *at = text; (at = strstr(at, "\"what\":\"denied\"")); at++)
        told++;
    assert_int_equal(told, 10);
    has(text, "\"reason\":\"POST hosts/h1/drain: hosts and pools are not acme's to touch: it takes the right "
              "hardware, and acme/desk has software, develop, lease, read\",\"who\":\"acme/desk\"");
    world_run_ms(world, 61000);
    expect(world, 403, acme, "POST", "/v1/hosts/h1/drain", NULL);
    has(expect(world, 200, acme, "GET", "/v1/events?name=acme", NULL), "(and 20 more before)");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_by_date),
        cmocka_unit_test(test_ends_while_nobody_looks),
        cmocka_unit_test(test_controller_dies_at_the_end),
        cmocka_unit_test(test_each_side_ends),
        cmocka_unit_test(test_inner_leases_follow),
        cmocka_unit_test(test_an_end_is_foretold),
        cmocka_unit_test(test_what_ended_stays),
        cmocka_unit_test(test_severed_stays_severed),
        cmocka_unit_test(test_ends_before_it_began),
        cmocka_unit_test(test_refusals_are_told),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
