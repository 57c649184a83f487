#include "cli/made.h"

#include <string.h>

enum { TIERS_MAX = 3, MEMBERS_MAX = 40, FARMS_OF_PARTY = 64 };

#define GI (1LL << 30)

/* What is bought together, for about the same money: balanced, much memory, many cpus. */
static const struct {
    unsigned percent;
    struct resources capacity;
} shapes[] = {
    {60, {64 * 1000, 256 * GI, 4096 * GI, 0}},
    {25, {48 * 1000, 384 * GI, 4096 * GI, 0}},
    {15, {96 * 1000, 192 * GI, 4096 * GI, 0}},
};

/* Sizes as providers sell them: each number with its share of a hundred. */
struct share {
    unsigned percent;
    int64_t value;
};
static const struct share cpus[] = {{30, 1}, {25, 2}, {25, 4}, {15, 8}, {5, 16}};
static const struct share gi_of_cpu[] = {{30, 2}, {50, 4}, {20, 8}};
static const struct share disk_gi_of_cpu[] = {{30, 16}, {40, 32}, {30, 64}};
static const struct share priorities[] = {{10, 80}, {70, 50}, {20, 20}};

/* Where members must not or should not stand together. */
static const struct {
    unsigned percent;
    struct spread spread;
} spreads[] = {{40, {"", false}},
               {15, {"host", false}},
               {10, {"host", true}},
               {20, {"rack", false}},
               {15, {"site", false}}};

static uint64_t draw(uint64_t *state);
static size_t below(uint64_t *state, size_t n);
static int64_t choose(uint64_t *state, const struct share *shares);
static void add_hosts(struct arena *arena, const struct made_options *options, uint64_t *random,
                      struct snapshot *snapshot);
static void add_images(struct arena *arena, struct snapshot *snapshot);
static void add_farms(struct arena *arena, const struct made_options *options, uint64_t *random,
                      struct snapshot *snapshot);
static struct tier tier_of(uint64_t *random, size_t number, size_t members);

struct snapshot made_grid(struct arena *arena, const struct made_options *options)
{
    struct snapshot snapshot = {0};
    uint64_t random = options->seed;

    add_hosts(arena, options, &random, &snapshot);
    add_images(arena, &snapshot);
    add_farms(arena, options, &random, &snapshot);
    return snapshot;
}

/* SplitMix64: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(draw(state) % n);
}

static int64_t choose(uint64_t *state, const struct share *shares)
{
    size_t lot = below(state, 100);
    while (lot >= shares->percent)
        lot -= shares++->percent;
    return shares->value;
}

static void add_hosts(struct arena *arena, const struct made_options *options, uint64_t *random,
                      struct snapshot *snapshot)
{
    struct host *hosts = arena_alloc_array(arena, options->hosts, sizeof(*hosts));
    struct host_fact *facts = arena_alloc_array(arena, options->hosts, sizeof(*facts));
    size_t places = options->zones * options->racks;
    const char **zones = arena_alloc_array(arena, places, sizeof(*zones));

    for (size_t n = 0; n < places; n++)
        zones[n] = arena_printf(arena, "z%zu/r%zu", n / options->racks + 1, n % options->racks + 1);
    for (size_t n = 0; n < options->hosts; n++) {
        size_t lot = below(random, 100), shape = 0;
        while (lot >= shapes[shape].percent)
            lot -= shapes[shape++].percent;
        hosts[n] = (struct host){.name = arena_printf(arena, "h%zu", n + 1),
                                 .zone = zones[n % places],
                                 .pool = "general",
                                 .class_name = "general",
                                 .capacity = shapes[shape].capacity,
                                 .state = HOST_ACTIVE};
        facts[n] = (struct host_fact){.name = hosts[n].name,
                                      .state = HOST_UP,
                                      .boot = "1",
                                      .addresses = {"", ""},
                                      .underlay = 0x0a000000U + (uint32_t)n,
                                      .outside = "",
                                      .agent_version = "",
                                      .document_error = "",
                                      .reason = ""};
    }
    snapshot->hosts = hosts;
    snapshot->host_facts = facts;
    snapshot->hosts_length = snapshot->host_facts_length = options->hosts;
}

static void add_images(struct arena *arena, struct snapshot *snapshot)
{
    static const struct image images[] = {{.name = "app:1",
                                           .party = PARTY_LANDLORD,
                                           .digest = "sha256:"
                                                     "0123456789abcdef0123456789abcdef"
                                                     "0123456789abcdef0123456789abcdef",
                                           .directory = "/",
                                           .user = "0"}};
    snapshot->images = images;
    snapshot->images_length = LENGTH(images);
}

static void add_farms(struct arena *arena, const struct made_options *options, uint64_t *random,
                      struct snapshot *snapshot)
{
    /* A farm has one member at least. */
    struct farm *farms = arena_alloc_array(arena, options->instances + 1, sizeof(*farms));
    struct party *parties =
        arena_alloc_array(arena, options->instances / FARMS_OF_PARTY + 1, sizeof(*parties));
    const struct quota all = {{-1, -1, -1, -1}, -1, -1};
    size_t rest = options->instances;

    while (rest > 0) {
        size_t n = snapshot->farms_length++, tiers = 1 + below(random, TIERS_MAX);
        if (n % FARMS_OF_PARTY == 0)
            parties[snapshot->parties_length++] =
                (struct party){arena_printf(arena, "p%zu", n / FARMS_OF_PARTY + 1), PARTY_LANDLORD, all};
        struct tier *items = arena_alloc_array(arena, tiers, sizeof(*items));
        const char *party = parties[snapshot->parties_length - 1].name;
        farms[n] = (struct farm){.name = arena_printf(arena, "f%zu", n + 1),
                                 .party = party,
                                 .full_name = arena_printf(arena, "%s/f%zu", party, n + 1),
                                 .sla = "",
                                 .state = FARM_RUNNING,
                                 .subnet = {0x0a000000U, 16},
                                 .tiers = items};
        while (farms[n].tiers_length < tiers && rest > 0) {
            /* The smaller the number, the more tiers have it. */
            size_t members = 1 + below(random, 1 + below(random, MEMBERS_MAX));
            if (members > rest) members = rest;
            items[farms[n].tiers_length] = tier_of(random, farms[n].tiers_length, members);
            farms[n].tiers_length++;
            rest -= members;
        }
    }
    snapshot->farms = farms;
    snapshot->parties = parties;
}

static struct tier tier_of(uint64_t *random, size_t number, size_t members)
{
    static const char *const names[TIERS_MAX] = {"web", "work", "data"};
    int64_t cpu = choose(random, cpus), memory = cpu * choose(random, gi_of_cpu);
    size_t lot = below(random, 100), spread = 0;

    while (lot >= spreads[spread].percent)
        lot -= spreads[spread++].percent;
    return (struct tier){
        .name = names[number],
        .image = "app:1",
        .driver = COMPUTE_CONTAINER,
        .count = {(int64_t)members, (int64_t)members, (int64_t)members},
        .size = {cpu * 1000, memory * GI, cpu * choose(random, disk_gi_of_cpu) * GI, 0},
        .health = {.kind = HEALTH_NONE, .path = "", .every_ms = 1000, .timeout_ms = 500, .fails = 3},
        .spread = spreads[spread].spread,
        .priority = choose(random, priorities)};
}
