/* Filters: who may write which, what is refused and with which packet, what is told when a boundary tightens,
 * and who decides a packet. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define OUTER "kind: Filter\nname: outer\nparty: landlord\non: all\ndefault: allow\n"
#define INNER "kind: Filter\nname: inner\nparty: acme\non: acme/shop/web\n"
#define NO_SSH "rules: [{action: deny, direction: out, protocol: tcp, port: 22}]\n"

static const char farm[] =
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}},\n"
    "        {name: db, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n"
    "allow: [{from: web, to: db, port: 5432/tcp}, {from: web, to: internet, port: 443/tcp}]\n";

struct fixture {
    struct world *world;
    char acme[128], beta[128]; /* tokens */
};

static void make_token(struct world *world, const char *party, char *ret_token, size_t size)
{
    CLEANUP_MEM char *body = mem_printf("{\"party\":\"%s\"}", party);
    const char *text = expect(world, 201, landlord, "POST", "/v1/tokens", body);
    const char *at = strstr(text, "\"token\":\"");
    assert_non_null(at);
    at += strlen("\"token\":\"");
    snprintf(ret_token, size, "%.*s", (int)strcspn(at, "\""), at);
}

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    fixture->world = world_started(2);
    apply(fixture->world, "kind: Party\nname: beta\n");
    apply(fixture->world, farm);
    wait_running(fixture->world, "acme/shop/", 2, 10000);
    make_token(fixture->world, "acme", fixture->acme, sizeof(fixture->acme));
    make_token(fixture->world, "beta", fixture->beta, sizeof(fixture->beta));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    world_free(fixture->world);
    mem_free(fixture);
    return 0;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("no %s in %s", part, text);
}

static void a_party_writes_its_own(void **state)
{
    struct fixture *f = *state;

    expect(f->world, 200, f->acme, "POST", "/v1/apply", INNER);
    has(expect(f->world, 403, f->beta, "POST", "/v1/apply", INNER),
        "filter acme/inner is not beta's to change");
    has(expect(f->world, 403, f->acme, "POST", "/v1/apply", OUTER),
        "filter landlord/outer is not acme's to change");
    has(expect(f->world, 409, landlord, "DELETE", "/v1/parties/acme", NULL), "party acme has");
    expect(f->world, 404, f->beta, "GET", "/v1/filters/acme/inner", NULL);
    expect(f->world, 200, f->acme, "DELETE", "/v1/filters/acme/inner", NULL);
}

/* The packet of the refusal is one that breaks the boundary; what is refused changes nothing. */
static void what_passes_more_is_refused(void **state)
{
    struct fixture *f = *state;

    apply(f->world, OUTER NO_SSH);
    const char *text = expect(f->world, 409, f->acme, "POST", "/v1/apply",
                              INNER "rules: [{action: allow, direction: in}, {action: allow, direction: out, "
                                    "protocol: tcp, port: 20-30}]\n");
    has(text, "lets pass what landlord/outer does not: out tcp ");
    has(text, ":22, by rule 2, and there it is rule 1 that decides; croft filter check --clamp makes one "
              "that fits");
    has(text, "\"field\":\"rules\",\"line\":5");
    expect(f->world, 404, f->acme, "GET", "/v1/filters/acme/inner", NULL);
    expect(f->world, 200, f->acme, "POST", "/v1/apply",
           INNER "rules: [{action: allow, direction: out, protocol: tcp, port: [20, 21, 23-30]}]\n");
    /* Both in one text: what counts is how it will be. */
    has(expect(f->world, 409, landlord, "POST", "/v1/apply",
               OUTER "rules: [{action: deny}]\n---\n" INNER "rules: [{action: allow}]\n"),
        "lets pass what landlord/outer does not");
}

static void who_does_not_fit_any_more_is_told(void **state)
{
    struct fixture *f = *state;

    expect(f->world, 200, f->acme, "POST", "/v1/apply", INNER "rules: [{action: allow, protocol: tcp}]\n");
    world_run_ms(f->world, 10);
    has(expect(f->world, 200, f->acme, "GET", "/v1/filters/acme/inner", NULL),
        "\"fits\":true,\"reason\":\"\"");
    apply(f->world, OUTER NO_SSH);
    world_run_ms(f->world, 10);
    has(expect(f->world, 200, f->acme, "GET", "/v1/filters/acme/inner", NULL),
        "\"fits\":false,\"reason\":\"lets pass what landlord/outer does not: out tcp ");
    has(expect(f->world, 200, f->acme, "GET", "/v1/events?name=acme/inner", NULL), "does not fit any more");
    expect(f->world, 200, landlord, "DELETE", "/v1/filters/landlord/outer", NULL);
    world_run_ms(f->world, 10);
    has(expect(f->world, 200, f->acme, "GET", "/v1/filters/acme/inner", NULL),
        "\"fits\":true,\"reason\":\"\"");
    has(expect(f->world, 200, f->acme, "GET", "/v1/events?name=acme/inner", NULL), "fits again");
}

/* It holds for who is below by what the tree says now. */
static void boundaries_follow_the_tree(void **state)
{
    struct fixture *f = *state;

    apply(f->world,
          "kind: Party\nname: sub\nparent: beta\n---\nkind: Filter\nname: b\nparty: beta\non: beta\n" NO_SSH);
    has(expect(f->world, 409, landlord, "POST", "/v1/apply",
               "kind: Filter\nname: s\nparty: sub\non: sub/farm\nrules: [{action: allow}]\n"),
        "lets pass what beta/b does not");
    apply(f->world, "kind: Party\nname: sub\nparent: acme\n---\n"
                    "kind: Filter\nname: s\nparty: sub\non: sub/farm\nrules: [{action: allow}]\n");
    world_run_ms(f->world, 10);
    has(expect(f->world, 200, landlord, "GET", "/v1/filters/sub/s", NULL), "\"fits\":true");
    apply(f->world, "kind: Party\nname: sub\nparent: beta\n");
    world_run_ms(f->world, 10);
    has(expect(f->world, 200, landlord, "GET", "/v1/filters/sub/s", NULL), "\"fits\":false");
}

static void packets_are_judged(void **state)
{
    struct fixture *f = *state;

    apply(f->world, OUTER NO_SSH);
    const char *text =
        expect(f->world, 200, f->acme, "GET",
               "/v1/judge?on=acme/shop/web-1&packet=out%20tcp%2010.0.0.2:40000%20%3E%2010.0.0.3:22", NULL);
    has(text, "{\"passes\":false,");
    has(text,
        "\"steps\":[{\"filter\":\"landlord/outer\",\"party\":\"landlord\",\"rule\":1,\"action\":\"deny\"}]}");
    text = expect(f->world, 200, f->acme, "GET",
                  "/v1/judge?on=acme/shop/web&packet=out%20tcp%2010.0.0.3:40000%20%3E%201.2.3.4:443", NULL);
    has(text, "{\"passes\":true,");
    has(text, "{\"filter\":\"\",\"party\":\"\",\"rule\":0,\"action\":\"allow\"}]}");
    expect(f->world, 404, f->beta, "GET",
           "/v1/judge?on=acme/shop/web&packet=out%20tcp%201.1.1.1:1%20%3E%201.2.3.4:443", NULL);
    expect(f->world, 422, f->acme, "GET", "/v1/judge?on=acme/shop/web&packet=out", NULL);
    expect(f->world, 404, f->acme, "GET", "/v1/judge?on=acme/shop/wob&packet=out", NULL);
}

static void the_matrix_is_of_whom_may_see(void **state)
{
    struct fixture *f = *state;
    static const char whole[] =
        "[{\"farm\":\"acme/shop\",\"from\":\"acme/shop/web\",\"to\":\"acme/shop/db\",\"protocol\":\"tcp\","
        "\"ports\":\"5432\",\"partly\":false},{\"farm\":\"acme/shop\",\"from\":\"acme/shop/web\","
        "\"to\":\"internet\",\"protocol\":\"tcp\",\"ports\":\"443\",\"partly\":false}]";

    assert_string_equal(expect(f->world, 200, f->acme, "GET", "/v1/reach", NULL), whole);
    assert_string_equal(expect(f->world, 200, landlord, "GET", "/v1/reach?farm=acme/shop", NULL), whole);
    assert_string_equal(expect(f->world, 200, f->beta, "GET", "/v1/reach", NULL), "[]");
    expect(f->world, 404, f->beta, "GET", "/v1/reach?farm=acme/shop", NULL);
    expect(f->world, 404, f->acme, "GET", "/v1/reach?from_end=acme/shop/wob", NULL);
    has(expect(f->world, 200, f->acme, "GET", "/v1/reach?to_end=internet&from_end=acme/shop/web-1", NULL),
        "[{\"farm\":\"acme/shop\",\"from\":\"acme/shop/web-1\",\"to\":\"internet\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_party_writes_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(what_passes_more_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_fit_any_more_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(boundaries_follow_the_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(packets_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(the_matrix_is_of_whom_may_see, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
