#include "grid.h"

#include "base/buf.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { GRID_START_MS = 1000000 };

static const char *const action_names[] = {"create",  "place",  "activate", "drain", "stop",
                                           "unplace", "forget", "explain",  "fence", "farm"};

struct grid *grid_new(void)
{
    struct grid *grid = mem_alloc(sizeof(*grid));
    grid->arena = arena_new();
    grid->now_ms = GRID_START_MS;
    grid->images[0] =
        (struct image){.name = "croft-balancer:1", .party = "landlord", .digest = "sha256:b", .user = "0"};
    grid->images[1] =
        (struct image){.name = "hello:1", .party = "landlord", .digest = "sha256:1", .user = "0"};
    grid->images[2] =
        (struct image){.name = "hello:2", .party = "landlord", .digest = "sha256:2", .user = "0"};
    grid->now.images = grid->images;
    grid->now.images_length = 3;
    grid->now.hosts = grid->hosts;
    grid->now.host_facts = grid->facts;
    grid->now.farms = grid->farms;
    return grid;
}

void grid_free(struct grid *grid)
{
    arena_free(grid->arena);
    mem_free(grid);
}

void grid_host(struct grid *grid, const char *name, const char *zone, const char *pool, int64_t cpus,
               int64_t memory_gi)
{
    size_t n = grid->now.hosts_length++;
    ASSERT(n < GRID_HOSTS_MAX);
    grid->now.host_facts_length++;
    grid->hosts[n] = (struct host){.name = arena_strdup(grid->arena, name),
                                   .zone = arena_strdup(grid->arena, zone),
                                   .pool = arena_strdup(grid->arena, pool),
                                   .class_name = "general",
                                   .capacity = {cpus * 1000, memory_gi << 30, 100LL << 30, 0}};
    grid->facts[n] = (struct host_fact){.name = grid->hosts[n].name,
                                        .state = HOST_UP,
                                        .underlay = 0x0a000001U + (uint32_t)n,
                                        .boot = "b",
                                        .addresses = {"", ""},
                                        .agent_version = "",
                                        .document_error = "",
                                        .reason = ""};
}

struct host_fact *grid_fact(struct grid *grid, const char *host)
{
    for (size_t n = 0; n < grid->now.host_facts_length; n++)
        if (text_equal(grid->facts[n].name, host)) {
            if (grid->now.host_facts != grid->facts)
                memcpy(grid->facts, grid->now.host_facts,
                       grid->now.host_facts_length * sizeof(grid->facts[0]));
            grid->now.host_facts = grid->facts;
            return &grid->facts[n];
        }
    UNREACHABLE();
}

struct host *grid_intent(struct grid *grid, const char *host)
{
    for (size_t n = 0; n < grid->now.hosts_length; n++)
        if (text_equal(grid->hosts[n].name, host)) return &grid->hosts[n];
    UNREACHABLE();
}

struct farm *grid_farm(struct grid *grid, const char *party_and_name)
{
    size_t n = grid->now.farms_length++;
    ASSERT(n < GRID_FARMS_MAX);
    const char *slash = strchr(party_and_name, '/');
    struct farm *farm = &grid->farms[n];
    *farm =
        (struct farm){.full_name = arena_strdup(grid->arena, party_and_name),
                      .name = arena_strdup(grid->arena, slash + 1),
                      .party = arena_strndup(grid->arena, party_and_name, (size_t)(slash - party_and_name)),
                      .sla = "",
                      .state = FARM_RUNNING,
                      .subnet = {0x0a000000U, 16}};
    farm->tiers = grid->tiers[n];
    return farm;
}

struct tier *grid_tier(struct grid *grid, struct farm *farm, const char *name, int64_t count,
                       int64_t cpus_millis, int64_t memory_mi)
{
    struct tier *tier = &grid->tiers[farm - grid->farms][farm->tiers_length++];
    ASSERT(farm->tiers_length <= GRID_TIERS_MAX);
    *tier =
        (struct tier){.name = arena_strdup(grid->arena, name),
                      .image = "hello:1",
                      .driver = COMPUTE_CONTAINER,
                      .count = {count, count, count},
                      .size = {cpus_millis, memory_mi << 20, 1LL << 30, 0},
                      .health = {.kind = HEALTH_TCP, .port = 80, .path = "", .every_ms = 1000, .fails = 3},
                      .spread = {.by = ""},
                      .priority = 50};
    return tier;
}

void grid_balance(struct grid *grid, struct farm *farm, const char *to, const char *publish)
{
    struct balance *balance = &grid->balance[farm - grid->farms];
    *balance = (struct balance){
        .name = "www", .mode = BALANCE_HTTP, .port = 80, .to_tier = to, .to_port = 8080, .publish = publish};
    farm->balance = balance;
    farm->balance_length = 1;
}

struct tier *grid_tier_of(struct grid *grid, struct farm *farm, const char *name)
{
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, name)) return &grid->tiers[farm - grid->farms][t];
    UNREACHABLE();
}

void grid_delete_farm(struct grid *grid, struct farm *farm)
{
    size_t at = (size_t)(farm - grid->farms), last = --grid->now.farms_length;
    if (at == last) return;
    grid->farms[at] = grid->farms[last];
    memcpy(grid->tiers[at], grid->tiers[last], sizeof(grid->tiers[at]));
    grid->balance[at] = grid->balance[last];
    grid->farms[at].tiers = grid->tiers[at];
    if (grid->farms[at].balance) grid->farms[at].balance = &grid->balance[at];
}

void grid_plan(struct grid *grid)
{
    grid->plan = plan_make(grid->arena, &grid->now, grid->now_ms);
    grid->now = plan_apply(grid->arena, &grid->now, &grid->plan);
    struct plan again = plan_make(grid->arena, &grid->now, grid->now_ms);
    for (size_t a = 0; a < again.actions_length; a++)
        print_error("wanted again: %s %s: %s\n", action_names[again.actions[a].kind], again.actions[a].name,
                    again.actions[a].reason);
    assert_int_equal(again.actions_length, 0);
    assert_int_equal(again.again_ms, grid->plan.again_ms);
    grid_check(grid);
}

/* A balancer that runs has all that its host's document gives it. */
static void serve_members(struct grid *grid, struct instance *balancer)
{
    struct host_document document = plan_host_document(grid->arena, &grid->now, balancer->host);
    for (size_t n = 0; n < document.instances_length; n++)
        if (text_equal(document.instances[n].instance, balancer->name) &&
            document.instances[n].frontends_length > 0)
            balancer->frontends_hash = document.instances[n].frontends_hash;
}

void grid_work(struct grid *grid)
{
    grid->now_ms += 1000;
    struct instance *instances =
        arena_alloc_array(grid->arena, grid->now.instances_length + 1, sizeof(*instances));
    if (grid->now.instances_length)
        memcpy(instances, grid->now.instances, grid->now.instances_length * sizeof(*instances));
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        struct instance *i = &instances[n];
        if (i->host[0] == '\0') continue;
        if (grid_fact(grid, i->host)->state != HOST_UP) continue;
        if (i->wanted == WANTED_GONE) {
            if (i->state != INSTANCE_STOPPED) i->since_ms = grid->now_ms;
            i->state = INSTANCE_STOPPED;
        } else if (i->wanted == WANTED_DRAIN) {
            i->drained = true;
        } else if (i->state != INSTANCE_RUNNING || i->health != HEALTH_GOOD) {
            i->state = i->state == INSTANCE_PENDING ? INSTANCE_BOOTING : INSTANCE_RUNNING;
            i->health = i->state == INSTANCE_RUNNING ? HEALTH_GOOD : HEALTH_UNKNOWN;
            i->since_ms = grid->now_ms;
            i->reason = "";
        }
        serve_members(grid, i);
    }
    grid->now.instances = instances;
}

void grid_settle(struct grid *grid)
{
    size_t quiet = 0;
    for (int round = 0; quiet < 4; round++) {
        grid_plan(grid);
        quiet = grid->plan.actions_length == 0 ? quiet + 1 : 0;
        grid_work(grid);
        assert_true(round < 1000);
    }
}

struct instance *grid_instance(struct grid *grid, const char *name)
{
    struct instance *instances =
        arena_alloc_array(grid->arena, grid->now.instances_length + 1, sizeof(*instances));
    if (grid->now.instances_length)
        memcpy(instances, grid->now.instances, grid->now.instances_length * sizeof(*instances));
    grid->now.instances = instances;
    for (size_t n = 0; n < grid->now.instances_length; n++)
        if (text_equal(instances[n].name, name)) return &instances[n];
    return NULL;
}

const char *grid_said(struct grid *grid)
{
    CLEANUP_BUF struct buf text = {0};
    for (size_t a = 0; a < grid->plan.actions_length; a++) {
        const struct action *action = &grid->plan.actions[a];
        buf_printf(&text, "%s %s", action_names[action->kind], action->name);
        if (action->host && action->host[0]) buf_printf(&text, " %s", action->host);
        if (action->step) buf_printf(&text, " %d", action->step);
        buf_printf(&text, ": %s\n", action->reason);
    }
    return arena_strdup(grid->arena, buf_text(&text));
}

void grid_check(struct grid *grid)
{
    for (size_t h = 0; h < grid->now.hosts_length; h++) {
        const struct host *host = &grid->hosts[h];
        int64_t cpus = 0, memory = 0;
        for (size_t n = 0; n < grid->now.instances_length; n++) {
            const struct instance *i = &grid->now.instances[n];
            if (!text_equal(i->host, host->name)) continue;
            cpus += i->size.cpus_millis;
            memory += i->size.memory_bytes;
        }
        assert_true(cpus <= host->capacity.cpus_millis - host->reserve.cpus_millis);
        assert_true(memory <= host->capacity.memory_bytes - host->reserve.memory_bytes);
    }
    for (size_t n = 1; n < grid->now.instances_length; n++) {
        const struct instance *a = &grid->now.instances[n - 1], *b = &grid->now.instances[n];
        assert_true(text_compare_natural(a->name, b->name) < 0);
        for (size_t m = 0; m < n && grid->now.instances_length < 200; m++)
            assert_false(text_equal(grid->now.instances[m].farm, b->farm) &&
                         grid->now.instances[m].address == b->address && b->address != 0);
    }
}

size_t grid_count(struct grid *grid, const char *farm, const char *tier, enum instance_state state)
{
    size_t count = 0;
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        const struct instance *i = &grid->now.instances[n];
        count += text_equal(i->farm, farm) && text_equal(i->tier, tier) && i->state == state;
    }
    return count;
}
