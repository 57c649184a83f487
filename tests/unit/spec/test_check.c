#include "check.h"

#define PARTIES "kind: Party\nname: acme\n---\nkind: Party\nname: sub\nparent: acme\n---\n"
#define FARM(party) "kind: Farm\nname: shop\nparty: " party "\nsubnet: 10.0.0.0/24\n"
#define WEB "tiers:\n- {name: web, image: 'hello:1', count: 2, size: {cpus: 1, memory: 1Gi, disk: 1Gi}}\n"
#define BALANCE "balance:\n- {name: www, port: 80, to: 'web:80'}\n"

static const struct image images[] = {
    {.name = "hello:1", .party = "landlord"},
    {.name = "own:1", .party = "acme"},
};

/* Checks the text against a grid that has the images and what `before` says; "" when it may be. */
static const char *check(struct arena *arena, const char *before, const char *text)
{
    struct snapshot snapshot = {.images = images, .images_length = LENGTH(images)};
    if (before[0] != '\0') {
        struct documents old = check_read(arena, before);
        struct party *parties = arena_alloc_array(arena, old.length, sizeof(*parties));
        struct farm *farms = arena_alloc_array(arena, old.length, sizeof(*farms));
        struct sla *slas = arena_alloc_array(arena, old.length, sizeof(*slas));
        struct lease *leases = arena_alloc_array(arena, old.length, sizeof(*leases));
        for (size_t i = 0; i < old.length; i++) {
            if (old.items[i].kind->kind == KIND_PARTY)
                parties[snapshot.parties_length++] = *old.items[i].party;
            else if (old.items[i].kind->kind == KIND_SLA)
                slas[snapshot.slas_length++] = *old.items[i].sla;
            else if (old.items[i].kind->kind == KIND_LEASE)
                leases[snapshot.leases_length++] = *old.items[i].lease;
            else
                farms[snapshot.farms_length++] = *old.items[i].farm;
        }
        snapshot.parties = parties;
        snapshot.farms = farms;
        snapshot.slas = slas;
        snapshot.leases = leases;
    }
    struct documents documents = check_read(arena, text);
    struct error err;
    if (spec_check(&snapshot, &documents, "f", &err)) return "";
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    return arena_strdup(arena, buf_text(&line));
}

/* Who is told has to be there, and no step of a list may be in vain. */
static void steps_tell_contacts_that_are_there(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const struct {
        const char *more, *steps, *found;
    } rows[] = {
        {"", "{do: restart, times: 3}, {do: reload}, {do: replace}", ""},
        {"---\n{kind: Contact, name: ops, party: acme, webhook: 'http://h/'}\n", "{do: notify, to: ops}", ""},
        {"---\n{kind: Contact, name: ops, party: landlord, webhook: 'http://h/'}\n", "{do: notify, to: ops}",
         ""},
        {"---\n{kind: Contact, name: ops, party: sub, webhook: 'http://h/'}\n", "{do: notify, to: ops}",
         "there is no contact \"ops\" of acme or of the landlord: apply it first"},
        {"", "{do: notify, to: ops}",
         "there is no contact \"ops\" of acme or of the landlord: apply it first"},
        {"---\n{kind: Pool, name: p, on_failure: [{do: notify, to: me}]}\n", "{do: reload}",
         "there is no contact \"me\" of the landlord: apply it first"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *text = arena_printf(arena,
                                        PARTIES FARM("acme") "tiers:\n- {name: web, image: 'hello:1', "
                                                             "on_failure: [%s]}\n%s",
                                        rows[i].steps, rows[i].more);
        const char *said = check(arena, "", text);
        if ((rows[i].found[0] == '\0') != (said[0] == '\0') || strstr(said, rows[i].found) == NULL)
            fail_msg("%s: %s", rows[i].steps, said);
    }
    static const char *const bad[][2] = {
        {"{do: restart}, {do: restart}",
         "tiers[0].on_failure[1]: the step before is a restart, too: give that one more `times`"},
        {"{do: notify, to: a}, {do: notify, to: a}",
         "tiers[0].on_failure[1]: a is told by an earlier step already"},
        {"{do: notify}", "missing: the contact that is told, such as {do: notify, to: ops}"},
        {"{do: reload, to: a}", "only notify has a contact"},
        {"{do: notify, to: a, times: 2}", "notify tells once: what lasts is not told again"},
        {"{do: reload, within: 10ms}", "expected at least 1s: nothing helps sooner"},
        {"{do: reboot}", "expected restart, reload, replace or notify, found \"reboot\""},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        const char *text = arena_printf(
            arena, FARM("acme") "tiers:\n- name: web\n  image: 'hello:1'\n  on_failure: [%s]\n", bad[i][0]);
        const char *said = check_refused(arena, text, strlen(text));
        if (strstr(said, bad[i][1]) == NULL) fail_msg("%s: %s", bad[i][0], said);
    }
}

static void a_party_governs_what_is_its_own(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const struct {
        const char *party, *on, *found;
    } rows[] = {
        {"acme", "acme", ""},
        {"acme", "acme/shop/web", ""},
        {"acme", "sub/farm", ""},
        {"landlord", "all", ""},
        {"landlord", "landlord/x", ""},
        {"landlord", "sub/farm/web-1", ""},
        {"sub", "acme/shop",
         "f:4:5: on: \"acme/shop\" is not sub's, nor of a party below: a party governs what is its own"},
        {"acme", "all",
         "f:4:5: on: \"all\" is not acme's, nor of a party below: a party governs what is its own"},
        {"acme", "landlord",
         "f:4:5: on: \"landlord\" is not acme's, nor of a party below: a party governs what is its own"},
        {"acme", "acmee/x", "f:4:5: on: there is no party \"acmee\", did you mean \"acme\"?"},
        {"subb", "acme", "f:3:8: party: there is no party \"subb\", did you mean \"sub\"?"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *text =
            arena_printf(arena, "kind: Filter\nname: x\nparty: %s\non: %s\n", rows[i].party, rows[i].on);
        assert_string_equal(check(arena, PARTIES, text), rows[i].found);
    }
}

/* The circle is told, not walked for ever. */
static void governing_ends_in_a_circle(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char text[] = "kind: Filter\nname: x\nparty: landlord\non: a\n---\n"
                               "kind: Filter\nname: y\nparty: a\non: b\n---\n"
                               "kind: Party\nname: a\nparent: b\n---\nkind: Party\nname: b\nparent: a\n";
    assert_string_equal(
        check(arena, "", text),
        "f:4:5: on: \"a\" is not landlord's, nor of a party below: a party governs what is its own");
}

static void finds_service_levels(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char gold[] = "kind: SLA\nname: gold\n---\n", sla[] =
                                                                   "kind: Farm\nname: shop\nparty: landlord\n"
                                                                   "subnet: 10.0.0.0/24\nsla: golf\n";
    assert_string_equal(check(arena, "", sla), "f:5:6: sla: there is no service level \"golf\"");
    assert_string_equal(check(arena, "", arena_printf(arena, "%s%s", gold, sla)),
                        "f:8:6: sla: there is no service level \"golf\", did you mean \"gold\"?");
    assert_string_equal(check(arena, "", "kind: SLA\nname: gold\nrules: mine\n"),
                        "f:3:8: rules: there is no set of rules \"mine\"");
}

#define SLA(metric, levels) "kind: SLA\nname: gold\nmetric: " metric "\nlevels: {" levels "}\n---\n"
#define RATES "committed: {rate: 1 EUR}, guaranteed: {rate: 1 EUR}, extended: {rate: 2 EUR}"
#define GOLDEN(counts, capacity, balance)                                                            \
    "kind: Farm\nname: shop\nparty: landlord\nsubnet: 10.0.0.0/24\nsla: gold\ntiers:\n- name: web\n" \
    "  image: hello:1\n  count: " counts "\n  capacity: " capacity "\n" balance
#define BALANCED(mode) "balance: [{name: www, mode: " mode ", port: 80, to: 'web:80'}]\n"

static void levels_have_to_be_offered(void **state)
{
    static const struct {
        const char *levels, *counts, *expected;
    } rows[] = {
        {RATES, "{committed: 2, guaranteed: 4, max: 8}", ""},
        {"", "2", ""},
        {"committed: {rate: 1 EUR}", "{committed: 2, guaranteed: 2, max: 2}", ""},
        {"committed: {rate: 1 EUR}", "{committed: 2, guaranteed: 4, max: 4}",
         "f:9:10: tiers[0].count: gold does not offer the level guaranteed: make guaranteed 2, as committed, "
         "or "
         "ask the landlord for a rate"},
        {"guaranteed: {rate: 1 EUR}", "{committed: 2, guaranteed: 4, max: 5}",
         "f:9:10: tiers[0].count: gold does not offer the level extended: make max 4, as guaranteed, or ask "
         "the "
         "landlord for a rate"},
        {"extended: {rate: 1 EUR}", "{committed: 2, guaranteed: 2, max: 5}", ""},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *sla = arena_printf(arena, SLA("requests", "%s"), rows[i].levels);
        const char *farm = arena_printf(arena, GOLDEN("%s", "0", ""), rows[i].counts);
        assert_string_equal(check(arena, sla, farm), rows[i].expected);
    }
    /* Nothing is promised without a service level. */
    assert_string_equal(check(arena, "",
                              FARM("landlord") "tiers: [{name: t, image: 'hello:1', count: "
                                               "{committed: 2, guaranteed: 4, max: 8}}]\n"),
                        "");
}

static void metrics_have_to_be_measured(void **state)
{
    static const struct {
        const char *metric, *capacity, *balance, *expected;
    } rows[] = {
        {"requests", "200", BALANCED("http"), ""},
        {"requests", "200", BALANCED("tcp"),
         "f:10:13: tiers[0].capacity: gold counts requests, and no balancer of mode http leads to web: add "
         "one, or "
         "leave capacity out"},
        {"requests", "0", BALANCED("tcp"), ""},
        {"transactions", "200", BALANCED("tcp"), ""},
        {"transactions", "200", BALANCED("http"),
         "f:10:13: tiers[0].capacity: gold counts transactions, and no balancer of mode tcp leads to web: "
         "add one, "
         "or leave capacity out"},
        {"connections", "200", BALANCED("tcp"), ""},
        {"bytes", "200", BALANCED("http"), ""},
        {"bytes", "200", "",
         "f:10:13: tiers[0].capacity: gold counts bytes, and no balancer leads to web: add one, or leave "
         "capacity "
         "out"},
        {"cpu", "200", "", ""},
        {"custom", "200", BALANCED("http"),
         "f:10:13: tiers[0].capacity: gold counts a metric of its own, which nothing here measures: leave "
         "capacity "
         "out, or ask the landlord for another metric"},
        {"custom", "0", "", ""},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *sla = arena_printf(arena, SLA("%s", RATES), rows[i].metric);
        const char *farm = arena_printf(arena, GOLDEN("{committed: 1, guaranteed: 2, max: 3}", "%s", "%s"),
                                        rows[i].capacity, rows[i].balance);
        assert_string_equal(check(arena, sla, farm), rows[i].expected);
    }
}

/* A service level goes on giving what farms have of it; both may change in one text. */
static void service_levels_keep_their_farms(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char grid[] =
        SLA("requests", RATES) GOLDEN("{committed: 1, guaranteed: 2, max: 3}", "200", BALANCED("http"));
    static const char fewer[] = SLA("requests", "committed: {rate: 1 EUR}, guaranteed: {rate: 1 EUR}");
    assert_string_equal(check(arena, grid, SLA("requests", RATES)), "");
    assert_string_equal(
        check(arena, grid, fewer),
        "f:4:9: levels: farm landlord/shop has the level extended in tier web: change the farm "
        "first");
    assert_string_equal(
        check(arena, grid, SLA("transactions", RATES)),
        "f:3:9: metric: of tier web of farm landlord/shop this cannot be measured: change the farm "
        "first");
    assert_string_equal(check(arena, grid, SLA("cpu", RATES)), "");
    assert_string_equal(
        check(arena, grid,
              arena_printf(arena, "%s%s", fewer,
                           GOLDEN("{committed: 1, guaranteed: 2, max: 2}", "200", BALANCED("http")))),
        "");
    /* Of two that do not suit each other in one text it is the farm's that asks for too much. */
    assert_string_equal(
        check(arena, "",
              arena_printf(arena, "%s%s", fewer,
                           GOLDEN("{committed: 1, guaranteed: 2, max: 3}", "200", BALANCED("http")))),
        "f:14:10: tiers[0].count: gold does not offer the level extended: make max 2, as guaranteed, or ask "
        "the landlord for a rate");
    /* It was so before. */
    static const char broken[] = SLA("requests", "") GOLDEN("{committed: 1, guaranteed: 2, max: 3}", "0", "");
    assert_string_equal(check(arena, broken, SLA("bytes", "")), "");
}

static void finds_parties(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    assert_string_equal(check(arena, PARTIES, FARM("sub")), "");
    assert_string_equal(check(arena, "", PARTIES FARM("sub")), "");
    assert_string_equal(check(arena, "", FARM("landlord")), "");
    assert_string_equal(check(arena, "", FARM("acme")), "f:3:8: party: there is no party \"acme\"");
    assert_string_equal(check(arena, PARTIES, FARM("amce")),
                        "f:3:8: party: there is no party \"amce\", did you mean \"acme\"?");
    assert_string_equal(check(arena, PARTIES, "kind: Party\nname: x\nparent: landlrod\n"),
                        "f:3:9: parent: there is no party \"landlrod\", did you mean \"landlord\"?");
}

static void refuses_circles(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    assert_string_equal(check(arena, PARTIES, "kind: Party\nname: acme\nparent: sub\n"),
                        "f:3:9: parent: parties are under each other in a circle: acme under sub under acme");
    assert_string_equal(
        check(arena, "", "kind: Party\nname: a\nparent: b\n---\nkind: Party\nname: b\nparent: a\n"),
        "f:3:9: parent: parties are under each other in a circle: a under b under a");
    assert_string_equal(
        check(arena, "",
              "kind: Party\nname: x\nparent: a\n---\n"
              "kind: Party\nname: a\nparent: b\n---\nkind: Party\nname: b\nparent: a\n"),
        "f:3:9: parent: parties are under each other in a circle: x under a under b under a under b");
}

static void finds_images(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    assert_string_equal(check(arena, PARTIES, FARM("acme") WEB), "");
    assert_string_equal(check(arena, PARTIES, FARM("acme") "tiers: [{name: t, image: 'own:1'}]\n"), "");
    assert_string_equal(check(arena, PARTIES, FARM("sub") "tiers: [{name: t, image: 'own:1'}]\n"),
                        "f:5:26: tiers[0].image: there is no image \"own:1\" for sub, "
                        "import it with croft image import");
    assert_string_equal(check(arena, PARTIES, FARM("sub") "tiers: [{name: t, image: 'helo:1'}]\n"),
                        "f:5:26: tiers[0].image: there is no image \"helo:1\" for sub, "
                        "did you mean \"hello:1\"?");
}

/* Two instances and a balancer: 2.1 cores. */
static void holds_quotas(void **state)
{
    static const struct {
        const char *quota;
        const char *expected;
    } rows[] = {
        {"cpus: 2.5, memory: 3Gi, disk: 3Gi, instances: 3, farms: 1", ""},
        {"cpus: 2", "f:6:1: tiers: party acme would use 2.5 cpus, its quota is 2"},
        {"memory: 2Gi", "f:6:1: tiers: party acme would use 2144Mi memory, its quota is 2Gi"},
        {"disk: 2Gi", "f:6:1: tiers: party acme would use 2056Mi disk, its quota is 2Gi"},
        {"instances: 2", "f:6:1: tiers: party acme would use 3 instances, its quota is 2"},
        {"farms: 0", "f:6:1: tiers: party acme would use 1 farms, its quota is 0"},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *before = arena_printf(arena, "kind: Party\nname: acme\nquota: {%s}\n", rows[i].quota);
        assert_string_equal(check(arena, before, FARM("acme") WEB BALANCE), rows[i].expected);
    }
}

static void holds_quotas_of_those_above(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char before[] = "kind: Party\nname: acme\nquota: {instances: 3}\n---\n"
                                 "kind: Party\nname: sub\nparent: acme\n---\n"
                                 "kind: Farm\nname: old\nparty: acme\nsubnet: 10.0.0.0/24\n"
                                 "tiers: [{name: t, image: 'hello:1', count: 2}]\n";
    assert_string_equal(check(arena, before, FARM("sub") WEB),
                        "f:6:1: tiers: party acme would use 4 instances, its quota is 3");
    assert_string_equal(check(arena, before, "kind: Party\nname: acme\nquota: {instances: 1}\n"),
                        "f:3:8: quota: party acme would use 2 instances, its quota is 1");
    /* What is replaced does not count any more. */
    assert_string_equal(check(arena, before,
                              FARM("sub") WEB "---\nkind: Farm\nname: old\nparty: acme\n"
                                              "subnet: 10.0.0.0/24\n"),
                        "");
}

/* A party that has too much already is no reason to refuse somebody else. */
static void judges_only_what_changes(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char before[] =
        "kind: Party\nname: full\nquota: {farms: 0}\n---\nkind: Party\nname: acme\n---\n"
        "kind: Farm\nname: old\nparty: full\nsubnet: 10.0.0.0/24\n";
    assert_string_equal(check(arena, before, FARM("acme") WEB), "");
    assert_string_equal(check(arena, before, FARM("full")),
                        "f:1:1: tiers: party full would use 2 farms, its quota is 0");
}

#define LEASE(name, to, rest) "kind: Lease\nname: " name "\nto: " to "\nrights: [software]\n" rest

/* One step down the tree, and nobody's parent changes under what he holds. */
static void leases_go_down_the_tree(void **state)
{
    static const struct {
        const char *before, *text, *found;
    } rows[] = {
        {PARTIES, LEASE("x", "acme", ""), ""},
        {PARTIES, LEASE("x", "sub", "from: acme\n"), ""},
        {PARTIES, LEASE("x", "sub", ""), "f:1:1: from: landlord is not the parent of sub: acme is"},
        {PARTIES, LEASE("x", "acme", "from: sub\n"),
         "f:5:7: from: sub is not the parent of acme: landlord is"},
        {PARTIES, LEASE("x", "acmee", ""), "f:3:5: to: there is no party \"acmee\", did you mean \"acme\"?"},
        {PARTIES, LEASE("x", "acme", "from: sup\n"),
         "f:5:7: from: there is no party \"sup\", did you mean \"sub\"?"},
        {PARTIES LEASE("x", "sub", "from: acme\n"), "kind: Party\nname: sub\n",
         "f:1:1: parent: party sub holds lease x from acme: end it first"},
        {PARTIES LEASE("x", "sub", "from: acme\nstate: ended\n"), "kind: Party\nname: sub\n", ""},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(check(arena, rows[i].before, rows[i].text), rows[i].found);
}

/* Leases hold as quotas do, together; at every level; and what is repossessed counts nowhere. */
static void holds_leases(void **state)
{
#define HELD PARTIES LEASE("x", "acme", "capacity: {cpus: 2}\n")
#define MORE "---\n" LEASE("y", "acme", "capacity: {cpus: 1}\n")
#define OLD "---\nkind: Farm\nname: old\nparty: acme\nsubnet: 10.0.0.0/24\n" WEB
    static const struct {
        const char *before, *text, *found;
    } rows[] = {
        {HELD, FARM("acme") WEB, ""},
        {HELD, FARM("acme") WEB BALANCE, "f:6:1: tiers: party acme would use 2.5 cpus, its leases give 2"},
        {HELD, FARM("sub") WEB BALANCE, "f:6:1: tiers: party acme would use 2.5 cpus, its leases give 2"},
        {HELD MORE, FARM("acme") WEB BALANCE, ""},
        {HELD "---\n" LEASE("y", "acme", ""), FARM("acme") WEB BALANCE, ""},
        {HELD "---\n" LEASE("y", "acme", "state: ended\n"), FARM("acme") WEB BALANCE,
         "f:6:1: tiers: party acme would use 2.5 cpus, its leases give 2"},
        {HELD, "kind: Party\nname: acme\nquota: {cpus: 1}\n---\n" FARM("acme") WEB,
         "f:10:1: tiers: party acme would use 2 cpus, its quota is 1"},
        {HELD OLD, LEASE("x", "acme", "capacity: {cpus: 1}\n"),
         "f:5:11: capacity: party acme would use 2 cpus, its leases give 1"},
        {HELD OLD, LEASE("x", "acme", "capacity: {cpus: 1}\nstate: ended\n"), ""},
        {PARTIES LEASE("x", "acme", "state: ended\n"), FARM("acme") WEB,
         "f:3:8: party: party acme may run nothing: its lease, or one of a party above it, ended; croft "
         "lease "
         "list"},
        {PARTIES LEASE("x", "acme", "state: ended\n"), FARM("sub") WEB,
         "f:3:8: party: party sub may run nothing: its lease, or one of a party above it, ended; croft lease "
         "list"},
        {PARTIES LEASE("x", "acme", "state: ended\n"), FARM("acme") WEB "---\n" LEASE("y", "acme", ""), ""},
        /* Of the two below it one lost its lease: its room is the other's. */
        {"kind: Party\nname: acme\nquota: {cpus: 2}\n---\nkind: Party\nname: sub\nparent: acme\n---\n"
         "kind: Party\nname: gone\nparent: acme\n---\n" LEASE(
             "x", "gone", "from: acme\nstate: ended\n") "---\nkind: Farm\nname: old\nparty: gone\nsubnet: "
                                                        "10.0.0.0/24\n" WEB,
         FARM("sub") WEB, ""},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(check(arena, rows[i].before, rows[i].text), rows[i].found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_tell_contacts_that_are_there),
        cmocka_unit_test(levels_have_to_be_offered),
        cmocka_unit_test(metrics_have_to_be_measured),
        cmocka_unit_test(service_levels_keep_their_farms),
        cmocka_unit_test(finds_parties),
        cmocka_unit_test(finds_service_levels),
        cmocka_unit_test(a_party_governs_what_is_its_own),
        cmocka_unit_test(governing_ends_in_a_circle),
        cmocka_unit_test(refuses_circles),
        cmocka_unit_test(finds_images),
        cmocka_unit_test(holds_quotas),
        cmocka_unit_test(holds_quotas_of_those_above),
        cmocka_unit_test(judges_only_what_changes),
        cmocka_unit_test(leases_go_down_the_tree),
        cmocka_unit_test(holds_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
