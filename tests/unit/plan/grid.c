#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"
#include "model/schemas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { GRID_START_MS = 1000000 };

static const char *const action_names[] = {"create", "place",   "activate", "drain", "stop", "unplace",
                                           "forget", "explain", "fence",    "farm",  "mend", "host"};

/* What the planner that stays was told last. */
struct told {
    enum record_kind kind;
    const char *name;
    const void *object;
    uint64_t round;
};

static void tell_all(struct grid *grid);
static void compare_plans(const struct plan *one, const struct plan *other);
static void compare_documents(struct grid *grid);

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
    grid->now.parties = grid->parties;
    grid->now.filters = grid->filters;
    grid->now.pools = grid->pools;
    grid->planner = planner_new();
    grid->told = map_new();
    return grid;
}

void grid_free(struct grid *grid)
{
    planner_free(grid->planner);
    map_free(grid->told);
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

struct party *grid_party(struct grid *grid, const char *name, const char *parent)
{
    struct party *party = &grid->parties[grid->now.parties_length++];
    ASSERT(grid->now.parties_length <= GRID_PARTIES_MAX);
    *party = (struct party){.name = name, .parent = parent, .quota = {{-1, -1, -1, -1}, -1, -1}};
    return party;
}

struct filter *grid_filter(struct grid *grid, const char *full_name, const char *on)
{
    struct filter *filter = &grid->filters[grid->now.filters_length++];
    const char *slash = strchr(full_name, '/');
    ASSERT(grid->now.filters_length <= GRID_FILTERS_MAX);
    *filter = (struct filter){.name = slash + 1,
                              .party = arena_strndup(grid->arena, full_name, (size_t)(slash - full_name)),
                              .full_name = full_name,
                              .on = on};
    return filter;
}

struct pool *grid_pool(struct grid *grid, const char *name, const char *survive)
{
    struct pool *pool = &grid->pools[grid->now.pools_length++];
    ASSERT(grid->now.pools_length <= GRID_POOLS_MAX);
    *pool = (struct pool){.name = name, .survive = survive};
    return pool;
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
    tell_all(grid);
    struct plan same = planner_begin(grid->planner, grid->arena, grid->now_ms);
    compare_plans(&grid->plan, &same);
    grid->now = plan_apply(grid->arena, &grid->now, &grid->plan);
    /* Of two plans in six all is taken, once while the plan is open; of two as much as the round says, and of
     * two nothing. What was not taken is told like everything else. */
    uint64_t nth = grid->round / 2, way = nth % 6; /* all is told twice a plan */
    size_t taken = way < 2 ? same.actions_length : way < 4 ? nth / 6 % (same.actions_length + 1) : 0;
    if (way % 2) planner_end(grid->planner);
    for (size_t a = 0; a < taken; a++)
        planner_take(grid->planner, grid->arena, &same.actions[a]);
    if (way % 2 == 0) planner_end(grid->planner);
    struct plan again = plan_make(grid->arena, &grid->now, grid->now_ms);
    if (again.actions_length) print_error("decided before: %s", grid_said(grid));
    for (size_t a = 0; a < again.actions_length; a++)
        print_error("wanted again: %s %s: %s\n", action_names[again.actions[a].kind], again.actions[a].name,
                    again.actions[a].reason);
    assert_int_equal(again.actions_length, 0);
    assert_int_equal(again.again_ms, grid->plan.again_ms);
    tell_all(grid);
    compare_documents(grid);
    struct plan same_again = planner_plan(grid->planner, grid->arena, grid->now_ms);
    compare_plans(&again, &same_again);
    grid_check(grid);
}

static const void *copy_of(struct grid *grid, enum record_kind kind, const void *object, size_t size)
{
    void *copy = arena_alloc(grid->arena, size);
    memcpy(copy, object, size);
    if (kind == RECORD_FARM) { /* the test changes tiers where they are */
        struct farm *farm = copy;
        struct tier *tiers = arena_alloc_array(grid->arena, farm->tiers_length + 1, sizeof(*tiers));
        struct balance *balance = arena_alloc_array(grid->arena, farm->balance_length + 1, sizeof(*balance));
        if (farm->tiers_length) memcpy(tiers, farm->tiers, farm->tiers_length * sizeof(*tiers));
        if (farm->balance_length) memcpy(balance, farm->balance, farm->balance_length * sizeof(*balance));
        farm->tiers = tiers;
        farm->balance = balance;
    }
    return copy;
}

static bool is_same(enum record_kind kind, const void *one, const void *other, size_t size)
{
    if (kind != RECORD_FARM) return memcmp(one, other, size) == 0;
    const struct farm *a = one, *b = other;
    struct farm plain = *a;
    plain.tiers = b->tiers;
    plain.balance = b->balance;
    return memcmp(&plain, b, size) == 0 &&
           (a->tiers_length == 0 || memcmp(a->tiers, b->tiers, a->tiers_length * sizeof(*a->tiers)) == 0) &&
           (a->balance_length == 0 ||
            memcmp(a->balance, b->balance, a->balance_length * sizeof(*a->balance)) == 0);
}

/* name_offset: of the name in the struct. */
static void tell(struct grid *grid, enum record_kind kind, const void *items, size_t length, size_t size,
                 size_t name_offset)
{
    for (size_t n = 0; n < length; n++) {
        const char *object = (const char *)items + n * size;
        const char *name = NULL;
        memcpy(&name, object + name_offset, sizeof(name));
        if (kind == RECORD_IMAGE) name = arena_printf(grid->arena, "landlord/%s", name);
        const char *key = arena_printf(grid->arena, "%d %s", (int)kind, name);
        struct told *told = map_get(grid->told, key);
        if (told == NULL) {
            told = arena_alloc(grid->arena, sizeof(*told));
            *told = (struct told){.kind = kind, .name = name};
            map_put(grid->told, key, told);
        }
        told->round = grid->round;
        const void *known = planner_get(grid->planner, kind, name);
        if (known && is_same(kind, known, object, size)) continue;
        planner_put(grid->planner, kind, copy_of(grid, kind, object, size));
        grid->puts++;
    }
}

static void tell_all(struct grid *grid)
{
    const struct snapshot *s = &grid->now;
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;

    grid->round++;
    tell(grid, RECORD_INSTANCE, s->instances, s->instances_length, sizeof(struct instance),
         offsetof(struct instance, name));
    tell(grid, RECORD_HOST, s->hosts, s->hosts_length, sizeof(struct host), offsetof(struct host, name));
    tell(grid, RECORD_HOST_FACT, s->host_facts, s->host_facts_length, sizeof(struct host_fact),
         offsetof(struct host_fact, name));
    tell(grid, RECORD_PARTY, s->parties, s->parties_length, sizeof(struct party),
         offsetof(struct party, name));
    tell(grid, RECORD_POOL, s->pools, s->pools_length, sizeof(struct pool), offsetof(struct pool, name));
    tell(grid, RECORD_FILTER, s->filters, s->filters_length, sizeof(struct filter),
         offsetof(struct filter, full_name));
    tell(grid, RECORD_IMAGE, s->images, s->images_length, sizeof(struct image), offsetof(struct image, name));
    tell(grid, RECORD_FARM, s->farms, s->farms_length, sizeof(struct farm), offsetof(struct farm, full_name));
    tell(grid, RECORD_FARM_FACT, s->farm_facts, s->farm_facts_length, sizeof(struct farm_fact),
         offsetof(struct farm_fact, name));
    while (map_next(grid->told, &cursor, &key, &value)) {
        const struct told *told = value;
        if (told->round == grid->round) continue;
        planner_delete(grid->planner, told->kind, told->name);
        map_remove(grid->told, key);
    }
}

/* A host's document is the same from what the planner was told as from the whole grid. */
static void compare_documents(struct grid *grid)
{
    const char *host = grid->now.hosts[grid->round % grid->now.hosts_length].name;
    struct host_document one = plan_host_document(grid->arena, &grid->now, host);
    struct host_document other = planner_host_document(grid->planner, grid->arena, &grid->now, host);
    CLEANUP_BUF struct buf one_text = {0};
    CLEANUP_BUF struct buf other_text = {0};
    schema_write(&schema_host_document, "HostDocument", &one, &one_text);
    schema_write(&schema_host_document, "HostDocument", &other, &other_text);
    assert_string_equal(buf_text(&one_text), buf_text(&other_text));
}

void grid_write_action(const struct action *action, struct buf *ret_text)
{
    buf_printf(ret_text, "%s %s %s %d: %s ", action_names[action->kind], action->name,
               action->host ? action->host : "", action->step, action->reason);
    if (action->kind == ACTION_FARM)
        schema_write(&schema_farm_fact, "FarmFact", action->farm_fact, ret_text);
    else if (action->kind == ACTION_HOST)
        schema_write(&schema_host_fact, "HostFact", action->host_fact, ret_text);
    else if (action->kind != ACTION_FENCE && action->kind != ACTION_FORGET)
        schema_write(&schema_instance, "Instance", action->instance, ret_text);
    buf_add_char(ret_text, '\n');
}

static void compare_plans(const struct plan *one, const struct plan *other)
{
    for (size_t a = 0; a < one->actions_length || a < other->actions_length; a++) {
        CLEANUP_BUF struct buf x = {0};
        CLEANUP_BUF struct buf y = {0};
        if (a < one->actions_length) grid_write_action(&one->actions[a], &x);
        if (a < other->actions_length) grid_write_action(&other->actions[a], &y);
        if (text_equal(buf_text(&x), buf_text(&y))) continue;
        fprintf(stderr, "from scratch: %s\nincremental:  %s\n", x.size ? buf_text(&x) : "nothing",
                y.size ? buf_text(&y) : "nothing");
        fail();
    }
    assert_int_equal(one->again_ms, other->again_ms);
    assert_int_equal(one->urgent_length, other->urgent_length);
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
