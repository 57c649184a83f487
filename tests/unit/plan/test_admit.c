/* Promises that can be kept are given, all others are refused with the numbers. */
#include "plan/admit/admit.h"

#include "base/text.h"
#include "base/vec.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A grid as a text of documents in any order; facts say which hosts are lost. */
struct grid {
    struct arena *arena;
    struct snapshot now;
};

static int compare_hosts(const void *a, const void *b)
{
    return text_compare_natural(((const struct host *)a)->name, ((const struct host *)b)->name);
}

static int compare_farms(const void *a, const void *b)
{
    return text_compare_natural(((const struct farm *)a)->full_name, ((const struct farm *)b)->full_name);
}

static struct snapshot read_grid(struct arena *arena, const char *text)
{
    struct snapshot s = {0};
    struct documents documents = {0};
    struct error err;

    if (!spec_read(arena, "f", text, strlen(text), &documents, &err))
        fail_msg("%s: %s", err.field, err.message);
    struct host *hosts = arena_alloc_array(arena, documents.length + 1, sizeof(*hosts));
    struct farm *farms = arena_alloc_array(arena, documents.length + 1, sizeof(*farms));
    struct pool *pools = arena_alloc_array(arena, documents.length + 1, sizeof(*pools));
    for (size_t n = 0; n < documents.length; n++) {
        const struct document *document = &documents.items[n];
        if (document->kind->kind == KIND_HOST) hosts[s.hosts_length++] = *document->host;
        if (document->kind->kind == KIND_FARM) farms[s.farms_length++] = *document->farm;
        if (document->kind->kind == KIND_POOL) pools[s.pools_length++] = *document->pool;
    }
    array_sort(hosts, s.hosts_length, sizeof(*hosts), compare_hosts);
    array_sort(farms, s.farms_length, sizeof(*farms), compare_farms);
    s.hosts = hosts;
    s.farms = farms;
    s.pools = pools;
    return s;
}

/* The farms of `text` instead of those of the same name in `before`. */
static struct snapshot with_farms(struct arena *arena, const struct snapshot *before, const char *text)
{
    struct snapshot news = read_grid(arena, text), after = *before;
    struct farm *farms =
        arena_alloc_array(arena, before->farms_length + news.farms_length + 1, sizeof(*farms));

    after.farms_length = 0;
    for (size_t n = 0; n < before->farms_length; n++) {
        bool replaced = false;
        for (size_t k = 0; k < news.farms_length; k++)
            replaced |= text_equal(news.farms[k].full_name, before->farms[n].full_name);
        if (!replaced) farms[after.farms_length++] = before->farms[n];
    }
    for (size_t k = 0; k < news.farms_length; k++)
        farms[after.farms_length++] = news.farms[k];
    array_sort(farms, after.farms_length, sizeof(*farms), compare_farms);
    after.farms = farms;
    return after;
}

/* "FARM: refusal", or "" when it may be. */
static const char *ask(struct arena *arena, const char *grid, const char *farms)
{
    struct snapshot before = read_grid(arena, grid), after = with_farms(arena, &before, farms);
    const struct farm *farm = NULL;
    const char *refusal = admit_refusal(arena, &before, &after, &farm);
    return refusal ? arena_printf(arena, "%s: %s", farm->full_name, refusal) : "";
}

#define HOST(name, zone, cpus) HOST_OF(name, zone, cpus, "general", "general", "active")
#define HOST_OF(name, zone, cpus, pool, class, state)          \
    "{kind: Host, name: " name ", zone: " zone ", pool: " pool \
    ", class: " class ", state: " state ", capacity: {cpus: " #cpus ", memory: 32Gi, disk: 400Gi}}\n---\n"
#define FARM(name, sla, rest) FARM_OF(name, sla, "running", rest)
#define FARM_OF(name, sla, state, rest)                                                                     \
    "{kind: Farm, name: " name ", party: acme, " sla "state: " state ", subnet: 10.0.0.0/16, tiers: [" rest \
    "]}\n---\n"
#define GOLD "sla: gold, "
#define TIER(name, count, cpus) \
    "{name: " name ", image: 'hello:1', count: " count ", size: {cpus: " cpus ", memory: 64Mi}}"
#define ZONES HOST("h1", "a/r1", 4) HOST("h2", "a/r1", 4) HOST("h3", "a/r2", 4)
#define MEND_SURVIVE "; lower committed, or ask the landlord for more hosts or another survive"
#define MEND_OVER "; lower guaranteed, or ask the landlord for more hosts or another oversubscription"

static void exactly_met_is_fine_and_one_more_is_not(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    /* the larger of two racks is lost: 4 of 12 are left */
    assert_string_equal(ask(arena, ZONES, FARM("shop", GOLD, TIER("web", "4", "1"))), "");
    assert_string_equal(
        ask(arena, ZONES, FARM("shop", GOLD, TIER("web", "5", "1"))),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would "
        "need 5 cpus of 4: 1 cpu too many" MEND_SURVIVE);
    assert_string_equal(ask(arena, ZONES, FARM("shop", "", TIER("web", "50", "1"))), ""); /* no promise */
    assert_string_equal(
        ask(arena, ZONES FARM("old", "", TIER("web", "2", "1")), FARM("shop", GOLD, TIER("web", "3", "1.5"))),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would "
        "need 6.5 cpus of 4: 2.5 cpus too many" MEND_SURVIVE);
    assert_string_equal(
        ask(arena, ZONES,
            FARM("shop", GOLD, "{name: web, image: 'hello:1', count: 3, size: {cpus: 1, memory: 11Gi}}")),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would need 33Gi "
        "memory "
        "of 32Gi: 1Gi too much" MEND_SURVIVE);
}

static void balancers_count(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char shop[] =
        "{kind: Farm, name: shop, party: acme, sla: gold, subnet: 10.0.0.0/16, tiers: [" TIER(
            "web", "4", "1") "], balance: [{name: www, port: 80, to: 'web:80'}]}";
    assert_string_equal(
        ask(arena, ZONES, shop),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would "
        "need 4.5 cpus of 4: 0.5 cpus too many" MEND_SURVIVE);
}

static void policy_is_the_landlords(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
#define WITH(survive) ZONES "{kind: Pool, name: general, survive: " survive "}\n---\n"
    assert_string_equal(ask(arena, WITH("none"), FARM("shop", GOLD, TIER("web", "12", "1"))), "");
    assert_string_equal(
        ask(arena, WITH("none"), FARM("shop", GOLD, TIER("web", "13", "1"))),
        "acme/shop: what is committed to all would need 13 cpus of 12: 1 cpu too many" MEND_SURVIVE);
    assert_string_equal(ask(arena, WITH("host"), FARM("shop", GOLD, TIER("web", "8", "1"))), "");
    assert_string_equal(
        ask(arena, WITH("host"), FARM("shop", GOLD, TIER("web", "9", "1"))),
        "acme/shop: with the largest host (h1) lost, what is committed to all would need 9 cpus of "
        "8: 1 cpu too many" MEND_SURVIVE);
    assert_string_equal(ask(arena, WITH("2"), FARM("shop", GOLD, TIER("web", "4", "1"))), "");
    assert_string_equal(
        ask(arena, WITH("site"), FARM("shop", GOLD, TIER("web", "1", "1"))),
        "acme/shop: with the largest site (a: 3 hosts) lost, what is committed to all would need 1 "
        "cpus of 0: 1 cpu too many" MEND_SURVIVE);
#undef WITH
}

/* Without a document: the lowest level that has more than one zone, else a host, else nothing. */
static void default_level_is_the_lowest_with_several(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char one[] = HOST("h1", "a/r1", 4);
    static const char rack[] = HOST("h1", "a/r1", 4) HOST("h2", "a/r1", 6);
    assert_string_equal(ask(arena, one, FARM("shop", GOLD, TIER("web", "4", "1"))), "");
    assert_string_equal(
        ask(arena, one, FARM("shop", GOLD, TIER("web", "5", "1"))),
        "acme/shop: what is committed to all would need 5 cpus of 4: 1 cpu too many" MEND_SURVIVE);
    assert_string_equal(ask(arena, rack, FARM("shop", GOLD, TIER("web", "4", "1"))), "");
    assert_string_equal(
        ask(arena, rack, FARM("shop", GOLD, TIER("web", "5", "1"))),
        "acme/shop: with the largest host (h2) lost, what is committed to all would need 5 cpus of "
        "4: 1 cpu too many" MEND_SURVIVE);
}

/* The zone with most cpus need not be that with most memory: each is lost once. */
static void zones_are_unequal(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char grid[] =
        HOST("h1", "a/r1", 8) "{kind: Host, name: h2, zone: a/r2, capacity: {cpus: 2, memory: 128Gi, disk: "
                              "400Gi}}\n---\n" HOST("h3", "a/r3", 8);
#define OF(count, cpus, memory) \
    FARM("shop", GOLD,          \
         "{name: web, image: 'hello:1', count: " #count ", size: {cpus: " #cpus ", memory: " #memory "}}")
    assert_string_equal(ask(arena, grid, OF(10, 1, 1Gi)), "");
    assert_string_equal(
        ask(arena, grid, OF(11, 1, 1Gi)),
        "acme/shop: with the largest zone (a/r1: 1 host) lost, what is committed to all would need "
        "11 cpus of 10: 1 cpu too many" MEND_SURVIVE);
    assert_string_equal(
        ask(arena, grid, OF(2, 1, 40Gi)),
        "acme/shop: with the largest zone (a/r2: 1 host) lost, what is committed to all would need "
        "80Gi memory of 64Gi: 16Gi too much" MEND_SURVIVE);
    /* By sums there is room for it, but not on what is left when r2 is lost. */
    assert_string_equal(
        ask(arena, grid, OF(1, 1, 40Gi)),
        "acme/shop: with the largest zone (a/r2: 1 host) lost, what is committed to all finds no "
        "room in the pieces that are left: 1 of 1 instances of 1 cpus and 40Gi memory would have no "
        "host" MEND_SURVIVE);
#undef OF
}

static void pieces_have_to_fit(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char grid[] =
        HOST("h1", "a/r1", 4) HOST("h2", "a/r1", 4) HOST("h3", "a/r2", 4) HOST("h4", "a/r2", 4);
    assert_string_equal(ask(arena, grid, FARM("shop", GOLD, TIER("web", "2", "3"))), "");
    assert_string_equal(
        ask(arena, grid, FARM("shop", GOLD, TIER("web", "2", "3") ", " TIER("db", "1", "2"))),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all finds no "
        "room in the pieces that are left: 1 of 1 instances of 2 cpus and 64Mi memory would have no "
        "host" MEND_SURVIVE);
    /* Each of the two shapes alone would fill a host; mixed they fit exactly. */
    assert_string_equal(ask(arena, grid,
                            FARM("shop", GOLD,
                                 "{name: a, image: 'hello:1', count: 2, size: {cpus: 3, memory: 8Gi}}, "
                                 "{name: b, image: 'hello:1', "
                                 "count: 2, size: {cpus: 1, memory: 24Gi}}")),
                        "");
    assert_string_equal(
        ask(arena, grid,
            FARM(
                "shop", GOLD,
                "{name: db, image: 'hello:1', count: 3, size: {cpus: 1}, spread: {by: host, strict: true}}")),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all finds no room in "
        "the "
        "pieces that are left: 1 of 3 instances of 1 cpus and 64Mi memory, which acme/shop/db keeps strictly "
        "apart, "
        "would have no host" MEND_SURVIVE);
    assert_string_equal(
        ask(arena, grid,
            FARM(
                "shop", GOLD,
                "{name: db, image: 'hello:1', count: 2, size: {cpus: 1}, spread: {by: host, strict: true}}")),
        "");
    assert_string_not_equal(
        ask(arena, grid,
            FARM(
                "shop", GOLD,
                "{name: db, image: 'hello:1', count: 2, size: {cpus: 1}, spread: {by: rack, strict: true}}")),
        "");
}

/* Nothing that ran leaves its class, so each class has to survive its own loss; pools of one class help each
 * other, unless the landlord says what a pool keeps by itself. */
static void pools_and_classes(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char two[] =
        HOST_OF("h1", "a/r1", 4, "p", "x", "active") HOST_OF("h2", "a/r2", 6, "q", "x", "active")
            HOST_OF("h3", "a/r3", 8, "r", "y", "active") HOST_OF("h4", "a/r4", 2, "r", "y", "active");
    assert_string_equal(ask(arena, two, FARM("shop", GOLD, TIER("web", "6", "1"))), "");
    assert_string_equal(
        ask(arena, two, FARM("shop", GOLD, TIER("web", "7", "1"))),
        "acme/shop: with the largest zone of every pool (a/r2: 1 host; a/r3: 1 host) lost, what is "
        "committed to all would need 7 cpus of 6: 1 cpu too many" MEND_SURVIVE);
    const char *kept = arena_printf(arena, "%s{kind: Pool, name: q, survive: none}\n", two);
    assert_string_equal(ask(arena, kept, FARM("shop", GOLD, TIER("web", "12", "1"))), "");
    assert_string_equal(
        ask(arena, kept, FARM("shop", GOLD, TIER("web", "13", "1"))),
        "acme/shop: with the largest zone (a/r3: 1 host) lost, what is committed to all would need "
        "13 cpus of 12: 1 cpu too many" MEND_SURVIVE);
}

static void guaranteed_fits_with_oversubscription(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
#define POOL(survive, over) \
    ZONES "{kind: Pool, name: general, survive: " survive ", oversubscription: " over "}\n---\n"
#define LEVELS_OF(committed, guaranteed, max) \
    FARM("shop", GOLD,                        \
         TIER("web", "{committed: " #committed ", guaranteed: " #guaranteed ", max: " #max "}", "1"))
    /* 12 less 2 committed are free */
    assert_string_equal(ask(arena, ZONES, LEVELS_OF(2, 12, 900)), "");
    assert_string_equal(
        ask(arena, ZONES, LEVELS_OF(2, 13, 900)),
        "acme/shop: what is guaranteed to all beyond what is committed would need 11 cpus of 10: 1 "
        "cpu too many" MEND_OVER);
    assert_string_equal(ask(arena, POOL("none", "1.5"), LEVELS_OF(2, 17, 17)), "");
    assert_string_equal(
        ask(arena, POOL("none", "1.5"), LEVELS_OF(2, 18, 18)),
        "acme/shop: what is guaranteed to all beyond what is committed would need 16 cpus of 15: 1 "
        "cpu too many" MEND_OVER);
    /* Room that is kept is for nobody who is new: 8 less 2, half as much again. */
    assert_string_equal(ask(arena, POOL("host", "1.5"), LEVELS_OF(2, 11, 11)), "");
    assert_string_not_equal(ask(arena, POOL("host", "1.5"), LEVELS_OF(2, 12, 12)), "");
    /* More committed leaves less for what others are guaranteed. */
    const char *grid = ZONES LEVELS_OF(2, 10, 10);
    assert_string_equal(ask(arena, grid, FARM("more", GOLD, TIER("t", "2", "1"))), "");
    assert_string_equal(
        ask(arena, ZONES LEVELS_OF(2, 11, 11), FARM("more", GOLD, TIER("t", "2", "1"))),
        "acme/more: what is guaranteed to all beyond what is committed would need 9 cpus of 8: 1 "
        "cpu too many" MEND_OVER);
#undef POOL
}

static void what_was_there_is_not_refused(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    /* Far more than there is: the grid shrank. */
    const char *grid = ZONES FARM("shop", GOLD, TIER("web", "{committed: 20, guaranteed: 40, max: 40}", "1"))
        FARM("zoo", GOLD, TIER("web", "10", "1"));
    assert_string_equal(
        ask(arena, grid, FARM("shop", GOLD, TIER("web", "{committed: 20, guaranteed: 40, max: 40}", "1"))),
        "");
    assert_string_equal(
        ask(arena, grid, FARM("shop", GOLD, TIER("web", "{committed: 19, guaranteed: 39, max: 90}", "1"))),
        "");
    assert_string_equal(ask(arena, grid, FARM_OF("shop", GOLD, "stopped", TIER("web", "90", "1"))), "");
    assert_string_equal(ask(arena, grid, FARM("shop", "", TIER("web", "90", "1"))), "");
    /* One gives what the other takes. */
    assert_string_equal(ask(arena, grid,
                            FARM("shop", GOLD, TIER("web", "{committed: 19, guaranteed: 39, max: 40}", "1"))
                                FARM("zoo", GOLD, TIER("web", "11", "1"))),
                        "");
    assert_string_equal(
        ask(arena, grid, FARM("zoo", GOLD, TIER("web", "11", "1"))),
        "acme/zoo: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would need "
        "31 cpus of 4: 27 cpus too many" MEND_SURVIVE);
    /* It was there, but nothing was promised. */
    const char *free = ZONES FARM("shop", "", TIER("web", "5", "1"));
    assert_string_equal(
        ask(arena, free, FARM("shop", GOLD, TIER("web", "5", "1"))),
        "acme/shop: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would need "
        "5 cpus of 4: 1 cpu too many" MEND_SURVIVE);
    const char *stopped = ZONES FARM_OF("shop", GOLD, "stopped", TIER("web", "5", "1"));
    assert_string_not_equal(ask(arena, stopped, FARM("shop", GOLD, TIER("web", "5", "1"))), "");
}

static void two_farms_in_one_file(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *two = FARM("shop", GOLD, TIER("web", "2", "1")) FARM("zoo", GOLD, TIER("web", "2", "1"));
    assert_string_equal(ask(arena, ZONES, two), "");
    assert_string_equal(
        ask(arena, ZONES FARM("big", "", TIER("web", "1", "1")), two),
        "acme/zoo: with the largest zone (a/r1: 2 hosts) lost, what is committed to all would need "
        "5 cpus of 4: 1 cpu too many" MEND_SURVIVE);
}

static void hosts_that_are_not_there(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char grid[] = HOST("h1", "a/r1", 4)
        HOST_OF("h2", "a/r2", 4, "general", "general", "draining") HOST("h3", "a/r3", 4);
    static const char five[] = FARM("shop", GOLD, TIER("web", "5", "1"));
    static const char refused[] =
        "acme/shop: with the largest zone (a/r1: 1 host) lost, what is committed to all "
        "would need 5 cpus of 4: 1 cpu too many" MEND_SURVIVE;
    assert_string_equal(ask(arena, grid, five), refused);
    /* The same when it is known to be lost; while it is only suspected it counts. */
    static const char all[] = HOST("h1", "a/r1", 4) HOST("h2", "a/r2", 4) HOST("h3", "a/r3", 4);
    struct snapshot before = read_grid(arena, all);
    const struct farm *farm = NULL;
    struct host_fact facts[] = {{.name = "h0", .state = HOST_DOWN}, {.name = "h2", .state = HOST_SUSPECT}};
    before.host_facts = facts;
    before.host_facts_length = 2;
    struct snapshot after = with_farms(arena, &before, five);
    assert_null(admit_refusal(arena, &before, &after, &farm));
    facts[1].state = HOST_DOWN;
    assert_string_equal(admit_refusal(arena, &before, &after, &farm), strstr(refused, "with"));
    assert_string_equal(farm->full_name, "acme/shop");
}

/* SplitMix64: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014. */
static int64_t below(uint64_t *state, int64_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (int64_t)((z ^ (z >> 31)) % (uint64_t)n);
}

enum { SMALL = 8 };

struct small {
    size_t hosts, members;
    int64_t cpus[SMALL], memory[SMALL]; /* free of each host */
    int64_t asks_cpus[SMALL], asks_memory[SMALL];
    size_t tier[SMALL], on[SMALL];
    bool strict[SMALL];
};

/* Every way to place them is tried. */
static bool can_be_placed(struct small *s, size_t member, size_t lost)
{
    if (member >= s->members || member >= SMALL) return true;
    for (size_t h = 0; h < s->hosts; h++) {
        bool stands =
            h != lost && s->cpus[h] >= s->asks_cpus[member] && s->memory[h] >= s->asks_memory[member];
        for (size_t m = 0; stands && s->strict[member] && m < member; m++)
            stands = s->tier[m] != s->tier[member] || s->on[m] != h;
        if (!stands) continue;
        s->cpus[h] -= s->asks_cpus[member];
        s->memory[h] -= s->asks_memory[member];
        s->on[member] = h;
        bool good = can_be_placed(s, member + 1, lost);
        s->cpus[h] += s->asks_cpus[member];
        s->memory[h] += s->asks_memory[member];
        if (good) return true;
    }
    return false;
}

/* What is admitted can be placed after the loss of any host, as every way to place it tells; and hardly
 * anything that could be is refused. */
static void what_is_admitted_can_be_placed(void **state)
{
    uint64_t seed = 7;
    int admitted = 0, refused = 0, harsh = 0;

    for (int round = 0; round < 3000; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf grid = {0}, tiers = {0};
        struct small s = {.hosts = 2 + (size_t)below(&seed, 3)};
        /* of one size: of unequal ones only the largest is lost in what is asked */
        int64_t cpus = 2 + below(&seed, 4), memory = 2 + below(&seed, 4);
        for (size_t h = 0; h < s.hosts; h++) {
            s.cpus[h] = cpus;
            s.memory[h] = memory;
            buf_printf(&grid, "{kind: Host, name: h%zu, zone: a, capacity: {cpus: %d, memory: %dGi}}\n---\n",
                       h, (int)cpus, (int)memory);
        }
        size_t count = 1 + (size_t)below(&seed, 3);
        for (size_t t = 0; t < count; t++) {
            size_t members = 1 + (size_t)below(&seed, 2);
            int64_t asks = 1 + below(&seed, cpus), bytes = 1 + below(&seed, memory);
            bool strict = below(&seed, 3) == 0;
            for (size_t m = 0; m < members; m++, s.members++) {
                s.asks_cpus[s.members] = asks;
                s.asks_memory[s.members] = bytes;
                s.tier[s.members] = t;
                s.strict[s.members] = strict;
            }
            buf_printf(
                &tiers,
                "%s{name: t%zu, image: 'hello:1', count: %zu, size: {cpus: %d, memory: %dGi, disk: 0}%s}",
                t > 0 ? ", " : "", t, members, (int)asks, (int)bytes,
                strict ? ", spread: {by: host, strict: true}" : "");
        }
        const char *farm = arena_printf(arena, FARM("shop", GOLD, "%s"), buf_text(&tiers));
        bool fits = ask(arena, buf_text(&grid), farm)[0] == '\0';
        bool can = can_be_placed(&s, 0, 0); /* they are alike: any will do */
        if (fits) assert_true(can);
        admitted += fits;
        refused += !fits;
        harsh += can && !fits;
    }
    assert_in_range(admitted, 500, 2500);
    assert_in_range(refused, 500, 2500);
    assert_in_range(harsh, 0, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_met_is_fine_and_one_more_is_not),
        cmocka_unit_test(balancers_count),
        cmocka_unit_test(policy_is_the_landlords),
        cmocka_unit_test(default_level_is_the_lowest_with_several),
        cmocka_unit_test(zones_are_unequal),
        cmocka_unit_test(pieces_have_to_fit),
        cmocka_unit_test(pools_and_classes),
        cmocka_unit_test(guaranteed_fits_with_oversubscription),
        cmocka_unit_test(what_was_there_is_not_refused),
        cmocka_unit_test(two_farms_in_one_file),
        cmocka_unit_test(hosts_that_are_not_there),
        cmocka_unit_test(what_is_admitted_can_be_placed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
