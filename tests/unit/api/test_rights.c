/* Who may do what, asked of the API: every operation, of everybody in tenancy.md's example of four tiers, at
 * every console. landlord (owner) - ho (hardware) - so (software) - user; and beta, beside them. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char grid[] =
    "kind: Party\nname: ho\n---\nkind: Party\nname: so\nparent: ho\n---\nkind: Party\nname: user\nparent: "
    "so\n"
    "---\nkind: Party\nname: beta\n---\n"
    "kind: Lease\nname: hardware\nto: ho\nrights: [hardware, software, develop, lease, read]\n---\n"
    "kind: Lease\nname: software\nfrom: ho\nto: so\nrights: [software, develop, lease, read]\n---\n"
    "kind: Lease\nname: use\nfrom: so\nto: user\nrights: [software, develop, read]\n---\n"
    "kind: Farm\nname: shop\nparty: user\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - {name: web, image: \"hello:1\", count: 1, size: {cpus: 0.25, memory: 64Mi}, env: {SECRET: hidden}}\n"
    "---\nkind: Farm\nname: other\nparty: beta\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - {name: web, image: \"hello:1\", count: 1, size: {cpus: 0.25, memory: 64Mi}, env: {SECRET: "
    "hidden}}\n";

#define SHOP(image, count)                                               \
    "kind: Farm\nname: shop\nparty: user\nsubnet: 10.0.0.0/24\ntiers:\n" \
    "  - {name: web, image: \"" image "\", count: " count                \
    ", size: {cpus: 0.25, memory: 64Mi}, env: {SECRET: "                 \
    "hidden}}\n"
#define HOST "kind: Host\nname: h1\nzone: east/b1/r1\ncapacity: {cpus: 4, memory: 8Gi}\n"

enum asker {
    OWNER,
    OWNER_HARDWARE,
    HO,
    HO_HARDWARE,
    SO,
    SO_SOFTWARE,
    USER,
    USER_SOFTWARE,
    USER_DEVELOPMENT,
    BETA,
    ASKERS
};
static const struct {
    const char *party, *console;
} askers[ASKERS] = {
    [OWNER] = {"landlord", ""},
    [OWNER_HARDWARE] = {"landlord", "hardware"},
    [HO] = {"ho", ""},
    [HO_HARDWARE] = {"ho", "hardware"},
    [SO] = {"so", ""},
    [SO_SOFTWARE] = {"so", "software"},
    [USER] = {"user", ""},
    [USER_SOFTWARE] = {"user", "software"},
    [USER_DEVELOPMENT] = {"user", "development"},
    [BETA] = {"beta", ""},
};

/* Dry: nothing changes by asking. One letter an asker: y it may, n it may not (403), - it does not know of it
 * (404), ? it may, and what it asks for cannot be. In the order above: owner, its hardware desk; ho, its
 * hardware desk; so, its software desk; user, its software and development desks; beta. */
static const struct {
    const char *answers, *method, *path, *body;
} rows[] = {
    /* Looking: hosts are the landlord's and of those who have the right hardware. */
    {"yyyy------", "GET", "/v1/hosts/h1", NULL},
    {"yyyyyyyyy-", "GET", "/v1/farms/user/shop", NULL},
    {"yyyyyyyyy-", "GET", "/v1/instances/user/shop/web-1", NULL},
    {"yyyyyyyyy-", "GET", "/v1/parties/user", NULL},
    {"yyyyyy----", "GET", "/v1/parties/so", NULL},
    {"yyyyyyyyy-", "GET", "/v1/leases/use", NULL},
    {"yyyyyy----", "GET", "/v1/leases/software", NULL},
    {"yyyy------", "GET", "/v1/leases/hardware", NULL},
    {"yy-------y", "GET", "/v1/farms/beta/other", NULL},
    {"yyyyyyyyyy", "GET", "/v1/images/landlord/hello:1", NULL},
    /* Hardware. */
    {"yyyynnnnnn", "POST", "/v1/hosts/h1/activate", "{}"},
    {"yyyynnnnnn", "POST", "/v1/apply?dry_run=1", HOST},
    {"yyyynnnnnn", "POST", "/v1/apply?dry_run=1", "kind: Pool\nname: fast\n"},
    /* Software. */
    {"ynynyyyynn", "POST", "/v1/apply?dry_run=1", SHOP("hello:1", "2")},
    {"ynynyyyynn", "POST", "/v1/apply?dry_run=1",
     "kind: Farm\nname: new\nparty: user\nsubnet: 10.0.0.0/24\n"},
    {"?nnnnnnnnn", "POST", "/v1/apply?dry_run=1",
     "kind: Farm\nname: new\nparty: nobody\nsubnet: 10.0.0.0/24\n"},
    {"ynynyyyyn-", "GET", "/v1/instances/user/shop/web-1/log", NULL},
    {"ynynyyyyn-", "POST", "/v1/instances/user/shop/web-1/exec", "{\"command\":[\"true\"]}"},
    /* To what it is: nothing changes, and that may also who only names versions. */
    {"ynynyyyyy-", "POST", "/v1/farms/user/shop/scale", "{\"tier\":\"web\",\"count\":1}"},
    {"ynynyyyynn", "POST", "/v1/apply?dry_run=1", "kind: Filter\nname: f\nparty: user\non: user\n"},
    /* A boundary: by software of all that is one's own, by hardware of one's own party only. */
    {"ynyynnnnnn", "POST", "/v1/apply?dry_run=1", "kind: Filter\nname: f\nparty: ho\non: so\n"},
    /* Versions: only the image. */
    {"ynynyyyyyn", "POST", "/v1/apply?dry_run=1", SHOP("hello:2", "1")},
    {"ynynyyyynn", "POST", "/v1/apply?dry_run=1", SHOP("hello:2", "2")},
    /* Leases and parties: below oneself. */
    {"yyyynnnnnn", "POST", "/v1/apply?dry_run=1", "kind: Party\nname: so\nparent: ho\nquota: {farms: 9}\n"},
    {"yyyyyynnnn", "POST", "/v1/apply?dry_run=1", "kind: Party\nname: new\nparent: so\n"},
    {"??nnnnnnnn", "POST", "/v1/apply?dry_run=1", "kind: Party\nname: user\nparent: beta\n"},
    {"yyyyyynnnn", "POST", "/v1/apply?dry_run=1",
     "kind: Lease\nname: more\nfrom: so\nto: user\nrights: [read]\n"},
    {"yyyynnnnnn", "POST", "/v1/apply?dry_run=1",
     "kind: Lease\nname: more\nfrom: ho\nto: so\nrights: [read]\n"},
    /* Prices. */
    {"yynnnnnnnn", "POST", "/v1/apply?dry_run=1", "kind: SLA\nname: gold\n"},
    /* Tokens: none that may more than one's own. */
    {"yynnnnnnnn", "POST", "/v1/tokens", "{\"party\":\"landlord\",\"console\":\"hardware\"}"},
    {"ynnnnnnnnn", "POST", "/v1/tokens", "{\"party\":\"landlord\"}"},
    {"ynynyynnnn", "POST", "/v1/tokens", "{\"party\":\"so\",\"console\":\"software\"}"},
    {"ynynynnnnn", "POST", "/v1/tokens", "{\"party\":\"user\"}"},
    {"yyyyyynnny", "GET", "/v1/tokens", NULL},
    {"yyyyyyyyyy", "GET", "/v1/bill", NULL},
};

struct fixture {
    struct world *world;
    char tokens[ASKERS][128];
};

static void fill(struct fixture *fixture, enum asker asker)
{
    CLEANUP_MEM char *body = mem_printf("{\"party\":\"%s\",\"name\":\"desk%d\"%s%s%s}", askers[asker].party,
                                        asker, askers[asker].console[0] ? ",\"console\":\"" : "",
                                        askers[asker].console, askers[asker].console[0] ? "\"" : "");
    const char *text = expect(fixture->world, 201, landlord, "POST", "/v1/tokens", body);
    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", fixture->tokens[asker]),
                     1);
}

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    fixture->world = world_started(2);
    apply(fixture->world, grid);
    wait_running(fixture->world, "user/shop/", 1, 20000);
    wait_running(fixture->world, "beta/other/", 1, 20000);
    for (enum asker i = 0; i < ASKERS; i++)
        fill(fixture, i);
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

/* So that no two tokens of a party have a name. */
static char *own_name(const char *body, size_t row, enum asker asker)
{
    if (!body || !text_starts(body, "{\"party\"")) return mem_strdup(body ? body : "");
    return mem_printf("%.*s,\"name\":\"made%zu-%d\"}", (int)strlen(body) - 1, body, row, asker);
}

static void every_operation_of_everybody(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_BUF struct buf wrong = {0};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        char found[ASKERS + 1] = "";
        for (enum asker a = 0; a < ASKERS; a++) {
            CLEANUP_MEM char *body = own_name(rows[i].body, i, a);
            struct reply reply = ask(fixture->world, fixture->tokens[a], rows[i].method, rows[i].path, NULL,
                                     rows[i].body ? body : NULL);
            found[a] = reply.status < 300 ? 'y' : reply.status == 403 ? 'n' : reply.status == 404 ? '-' : '?';
            if (found[a] == '?') print_error("%d %s\n", reply.status, buf_text(&reply.body));
            reply_free(&reply);
        }
        if (!text_equal(found, rows[i].answers))
            buf_printf(&wrong, "\n%s %s %s: %s, not %s", rows[i].method, rows[i].path,
                       rows[i].body ? rows[i].body : "", found, rows[i].answers);
    }
    if (wrong.size) fail_msg("%s", buf_text(&wrong));
}

/* Who may look but not touch does not learn what farms keep secret, by any way. */
static void what_is_inside_is_not_shown(void **state)
{
    static const char *const paths[] = {"/v1/farms/user/shop", "/v1/farms", "/v1/export"};
    static const bool inside[ASKERS] = {[OWNER] = true,           [HO] = true,   [SO] = true,
                                        [SO_SOFTWARE] = true,     [USER] = true, [USER_SOFTWARE] = true,
                                        [USER_DEVELOPMENT] = true};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < LENGTH(paths); i++) {
        for (enum asker a = 0; a < BETA; a++) {
            const char *text = expect(fixture->world, 200, fixture->tokens[a], "GET", paths[i], NULL);
            assert_non_null(strstr(text, "\"shop\""));
            if ((strstr(text, "hidden") != NULL) != inside[a]) fail_msg("%s: %s", askers[a].party, text);
        }
    }
    for (enum asker a = HO; a < BETA; a++)
        assert_null(
            strstr(expect(fixture->world, 200, fixture->tokens[a], "GET", "/v1/export", NULL), "beta"));
}

/* Each change says who did it, and by which right; whom it concerns not at all does not hear of it. */
static void the_log_says_by_which_right(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;

    expect(world, 200, fixture->tokens[HO_HARDWARE], "POST", "/v1/hosts/h2/drain", "{}");
    expect(world, 200, fixture->tokens[SO_SOFTWARE], "POST", "/v1/farms/user/shop/scale",
           "{\"tier\":\"web\",\"count\":2}");
    expect(world, 200, fixture->tokens[USER_DEVELOPMENT], "POST", "/v1/apply", SHOP("hello:2", "2"));
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/events?name=h2", NULL),
                           "\"who\":\"ho/desk3\",\"right\":\"hardware\""));
    const char *text = expect(world, 200, fixture->tokens[USER], "GET", "/v1/events", NULL);
    assert_non_null(strstr(text, "\"who\":\"so/desk5\",\"right\":\"software\""));
    assert_non_null(strstr(text, "\"who\":\"user/desk8\",\"right\":\"develop\""));
    assert_null(strstr(text, "\"kind\":\"host\""));
    assert_null(strstr(text, "beta"));
    assert_non_null(strstr(expect(world, 200, fixture->tokens[HO_HARDWARE], "GET", "/v1/events", NULL),
                           "\"kind\":\"host\""));
    expect(world, 200, fixture->tokens[HO_HARDWARE], "POST", "/v1/hosts/h2/activate", "{}");
}

/* Nobody takes a party, or a lease, that is not his, into his hands by a text that names his own beside it.
 */
static void nobody_reaches_beyond_himself(void **state)
{
    static const char *const texts[] = {
        "kind: Party\nname: beta\nparent: ho\n",
        "kind: Party\nname: ho\nparent: landlord\nquota: {farms: 5}\n",
        "kind: Lease\nname: mine\nto: ho\nrights: [hardware]\n",
        "kind: Lease\nname: hardware\nfrom: so\nto: user\nrights: [read]\n",
        "kind: Party\nname: new\nparent: landlord\n",
        "kind: Party\nname: new\nparent: beta\n",
        "kind: Party\nname: new\nparent: ho\n---\nkind: Farm\nname: x\nparty: beta\nsubnet: 10.0.0.0/24\n",
        "kind: Party\nname: landlord\nparent: ho\n",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct reply reply = ask(fixture->world, fixture->tokens[HO], "POST", "/v1/apply", NULL, texts[i]);
        if (reply.status < 400) fail_msg("%s: %s", texts[i], buf_text(&reply.body));
        reply_free(&reply);
    }
    /* A token of the console without a right does not end in one with it. */
    const char *list = expect(fixture->world, 200, fixture->tokens[SO_SOFTWARE], "GET", "/v1/tokens", NULL);
    assert_null(strstr(list, "\"party\":\"ho\""));
    assert_null(strstr(list, "\"party\":\"beta\""));
}

/* What a party may make without its landlord has an end. */
static void what_is_below_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_BUF struct buf parties = {0};

    for (int i = 0; i < 999; i++)
        buf_printf(&parties, "{kind: Party, name: many-%d, parent: ho}\n---\n", i);
    expect(fixture->world, 413, fixture->tokens[HO], "POST", "/v1/apply", buf_text(&parties));
    expect(fixture->world, 200, landlord, "POST", "/v1/apply", buf_text(&parties));
    expect(fixture->world, 413, fixture->tokens[HO], "POST", "/v1/apply",
           "{kind: Party, name: one, parent: so}");
    expect(fixture->world, 200, fixture->tokens[SO], "POST", "/v1/apply",
           "{kind: Party, name: one, parent: so}");
    int status = 201, made = 0;
    for (; status == 201 && made < 200; made++) {
        CLEANUP_MEM char *body = mem_printf("{\"party\":\"user\",\"name\":\"n%d\"}", made);
        struct reply reply = ask(fixture->world, fixture->tokens[SO], "POST", "/v1/tokens", NULL, body);
        status = reply.status;
        reply_free(&reply);
    }
    assert_int_equal(status, 413);
    assert_true(made > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_of_everybody), cmocka_unit_test(what_is_inside_is_not_shown),
        cmocka_unit_test(the_log_says_by_which_right),  cmocka_unit_test(nobody_reaches_beyond_himself),
        cmocka_unit_test(what_is_below_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
