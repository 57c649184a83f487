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
        for (size_t i = 0; i < old.length; i++) {
            if (old.items[i].kind->kind == KIND_PARTY)
                parties[snapshot.parties_length++] = *old.items[i].party;
            else
                farms[snapshot.farms_length++] = *old.items[i].farm;
        }
        snapshot.parties = parties;
        snapshot.farms = farms;
    }
    struct documents documents = check_read(arena, text);
    struct error err;
    if (spec_check(&snapshot, &documents, "f", &err)) return "";
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    return arena_strdup(arena, buf_text(&line));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_parties),
        cmocka_unit_test(finds_service_levels),
        cmocka_unit_test(refuses_circles),
        cmocka_unit_test(finds_images),
        cmocka_unit_test(holds_quotas),
        cmocka_unit_test(holds_quotas_of_those_above),
        cmocka_unit_test(judges_only_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
