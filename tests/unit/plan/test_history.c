/* Random histories over a small world that runs what the host documents say. After every step: nothing runs
 * twice, no host holds more than it has, no party is given more than its quota, nothing new takes room that a
 * pool keeps, a plan made again wants nothing, actions can be applied one by one and
 * twice, and the order of the input does not matter. When the faults end everything converges. The seed is
 * printed on failure. */
#include "grid.h"

#include "base/text.h"
#include "base/vec.h"
#include "spec/grid_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 200, STEPS = 60, HOSTS = 7, FARMS = 4, RUNNING_MAX = 400, STEPS_CHECKED = 4 };

/* What really runs where, whatever anybody believes. */
struct world {
    struct grid *grid;
    uint64_t random;
    const char *gone[FARMS]; /* names of farms that are deleted and may be made again */
    size_t gone_length;
    size_t placed[6]; /* by step of recovery */
    const char *running[HOSTS][RUNNING_MAX];
    size_t running_length[HOSTS];
};

static uint64_t draw(struct world *world, uint64_t below)
{
    /* Marsaglia's xorshift64: "Xorshift RNGs", 2003 */
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % below;
}

static void build_farm(struct world *world, const char *name)
{
    static const char *const spreads[] = {"", "host", "rack", "site"};
    static const char *const needs_db[] = {"db"}, *const needs_web[] = {"web"};
    static const struct mend_step policies[][4] = {{{MEND_RESTART, 5000, 2, ""},
                                                    {MEND_RELOAD, 20000, 1, ""},
                                                    {MEND_REPLACE, 30000, 2, ""},
                                                    {MEND_NOTIFY, 0, 1, "ops"}},
                                                   {{MEND_NOTIFY, 0, 1, "ops"},
                                                    {MEND_REPLACE, 1000, 1, ""},
                                                    {MEND_NOTIFY, 10000, 1, "boss"},
                                                    {MEND_RELOAD, 5000, 3, ""}}};
    struct grid *grid = world->grid;
    struct farm *farm = grid_farm(grid, name);
    struct tier *web = grid_tier(grid, farm, "web", (int64_t)draw(world, 5), 500, 512);
    struct tier *db = grid_tier(grid, farm, "db", 1, 1000, 1024);
    struct tier *job =
        grid_tier(grid, farm, "job", (int64_t)draw(world, 7), 250 * (1 + (int64_t)draw(world, 6)), 512);
    web->spread.by = spreads[draw(world, 4)];
    web->spread.strict = draw(world, 3) == 0;
    web->warm = (int64_t)draw(world, 3);
    web->priority = 10 * (int64_t)draw(world, 10);
    db->priority = draw(world, 2) ? 70 : web->priority;
    job->priority = 10 * (int64_t)draw(world, 10);
    job->spread.by = spreads[draw(world, 4)];
    if (draw(world, 2)) {
        web->needs = needs_db;
        web->needs_length = 1;
    }
    if (draw(world, 4) == 0) {
        job->needs = needs_web;
        job->needs_length = 1;
    }
    if (draw(world, 2)) grid_balance(grid, farm, "web", "auto");
    for (size_t t = 0; t < farm->tiers_length; t++) {
        struct tier *tier = grid_tier_of(grid, farm, farm->tiers[t].name);
        tier->on_failure = policies[draw(world, LENGTH(policies))];
        tier->on_failure_length = draw(world, LENGTH(policies[0]) + 1);
    }
}

static void build(struct world *world)
{
    static const char *const racks[] = {"east/b1/r1", "east/b1/r2", "east/b2/r3", "west/b1/r1"};
    struct grid *grid = world->grid;
    int64_t cpus = draw(world, 2) ? 3 : 5;
    for (int h = 0; h < HOSTS; h++)
        grid_host(grid, arena_printf(grid->arena, "h%d", h + 1), racks[draw(world, 4)],
                  draw(world, 4) ? "general" : "spare", cpus + (int64_t)draw(world, 3), 16);
    grid_party(grid, "group", "landlord");
    grid_party(grid, "acme", "group");
    grid_party(grid, "zeta", "group");
    grid_pool(grid, "general", "none");
    grid_pool(grid, "spare", "none");
    static const struct hardware_step policy[] = {{.what = HARDWARE_NOTIFY, .on = -1, .to = "ops"},
                                                  {.what = HARDWARE_DRAIN,
                                                   .on = -1,
                                                   .to = "",
                                                   .after_ms = 20000,
                                                   .back_ms = 60000,
                                                   .most_millis = 400}};
    grid->pools[0].on_hardware = policy;
    grid->pools[0].on_hardware_length = LENGTH(policy);
    for (int f = 0; f < FARMS; f++)
        build_farm(world, arena_printf(grid->arena, "%s/f%d", f < 2 ? "acme" : "zeta", f));
}

static void host_works(struct world *world, size_t h)
{
    struct grid *grid = world->grid;
    struct host_document document = plan_host_document(grid->arena, &grid->now, grid->hosts[h].name);
    world->running_length[h] = 0;
    for (size_t n = 0; n < document.instances_length; n++)
        world->running[h][world->running_length[h]++] = document.instances[n].instance;
    for (size_t n = 0; n < grid->now.instances_length; n++) {
        struct instance *i = grid_instance(grid, grid->now.instances[n].name);
        if (!text_equal(i->host, grid->hosts[h].name)) continue;
        if (i->wanted == WANTED_GONE) {
            i->state = INSTANCE_STOPPED;
        } else if (i->wanted == WANTED_DRAIN) {
            i->drained = draw(world, 2);
        } else if (draw(world, 12) == 0) {
            i->state = INSTANCE_FAILED;
            i->restarts++;
            i->failures++;
            i->failed_ms = grid->now_ms;
            i->since_ms = grid->now_ms;
        } else if (draw(world, 12) == 0 && i->state == INSTANCE_RUNNING) {
            i->health = HEALTH_BAD;
            i->since_ms = grid->now_ms;
        } else if (i->state != INSTANCE_RUNNING || i->health != HEALTH_GOOD) {
            i->state = draw(world, 2) ? INSTANCE_RUNNING : INSTANCE_BOOTING;
            i->health = i->state == INSTANCE_RUNNING ? HEALTH_GOOD : HEALTH_UNKNOWN;
            i->since_ms = grid->now_ms;
        }
    }
}

/* Farms and hosts go and come again. */
static void disturb_grid(struct world *world)
{
    struct grid *grid = world->grid;
    switch (draw(world, 4)) {
    case 0:
        if (grid->now.farms_length == 1) return;
        world->gone[world->gone_length++] = grid->farms[grid->now.farms_length - 1].full_name;
        grid_delete_farm(grid, &grid->farms[grid->now.farms_length - 1]);
        return;
    case 1:
        if (world->gone_length > 0) build_farm(world, world->gone[--world->gone_length]);
        return;
    case 2:
        if (grid->now.hosts_length > HOSTS - 2) grid->now.hosts_length--;
        return;
    default:
        if (grid->now.hosts_length < HOSTS) grid->now.hosts_length++;
    }
}

static void limit(struct world *world, struct party *party)
{
    struct quota *quota = &party->quota;
    *quota = (struct quota){{-1, -1, -1, -1}, -1, -1};
    if (draw(world, 2)) quota->resources.cpus_millis = 500 * (int64_t)draw(world, 16);
    if (draw(world, 4) == 0) quota->resources.memory_bytes = (int64_t)draw(world, 8) << 30;
    if (draw(world, 4) == 0) quota->instances = (int64_t)draw(world, 8);
}

/* Its hardware goes bad, or is well again. */
static void ail(struct world *world, struct host_fact *fact)
{
    struct finding *findings = arena_alloc_array(world->grid->arena, 2, sizeof(*findings));
    fact->findings_length = draw(world, 3);
    for (size_t n = 0; n < fact->findings_length; n++)
        findings[n] = (struct finding){.kind = n ? FINDING_HOT : FINDING_DISK_FAILS,
                                       .what = "it",
                                       .value = 90,
                                       .limit = 80,
                                       .accepted = draw(world, 5) == 0,
                                       .since_ms = world->grid->now_ms - (int64_t)draw(world, 30000)};
    fact->findings = findings;
    fact->findings_ms = world->grid->now_ms;
    if (draw(world, 5) == 0) fact->emptied = ""; /* somebody activates it */
}

/* Where policy has emptied another host, these are no more than the part of the pool that they may be, or the
 * one. */
static void check_emptied(const struct grid *grid, const struct snapshot *before)
{
    size_t all = 0, emptied = 0, more = 0;
    for (size_t h = 0; h < grid->now.hosts_length; h++) {
        if (!text_equal(grid->now.hosts[h].pool, "general")) continue;
        bool is = host_is_emptied(&grid->now.host_facts[h]);
        all++;
        emptied += is;
        more += is && !host_is_emptied(&before->host_facts[h]);
    }
    size_t most = all * 400 / 1000 > 1 ? all * 400 / 1000 : 1;
    assert_true(more == 0 || emptied <= most);
}

static void disturb(struct world *world)
{
    static const char *const survives[] = {"none", "host", "host", "rack", "site", "2"};
    struct grid *grid = world->grid;
    size_t h = draw(world, HOSTS);
    struct host_fact *fact = grid_fact(grid, grid->hosts[h].name);
    if (draw(world, 8) == 0) {
        disturb_grid(world);
        return;
    }
    struct farm *farm = &grid->farms[draw(world, grid->now.farms_length)];
    struct tier *web = grid_tier_of(grid, farm, "web"), *job = grid_tier_of(grid, farm, "job");
    switch (draw(world, 17)) {
    case 15:
    case 16:
        ail(world, fact);
        return;
    case 12:
        limit(world, &grid->parties[draw(world, 3)]);
        return;
    case 13: /* now and then each above the other, which no admission lets in */
        grid->parties[1].parent = draw(world, 3) ? "group" : draw(world, 2) ? "zeta" : "landlord";
        grid->parties[2].parent = draw(world, 3) ? "group" : draw(world, 2) ? "acme" : "nobody";
        return;
    case 14:
        grid->pools[draw(world, 2)].survive = survives[draw(world, LENGTH(survives))];
        grid->now.pools_length = 1 + draw(world, 2);
        return;
    case 0:
        if (fact->state == HOST_UP) fact->state = HOST_SUSPECT;
        return;
    case 1:
        if (fact->state == HOST_SUSPECT) fact->state = HOST_DOWN;
        return;
    case 2:
        if (fact->state != HOST_DOWN && draw(world, 3)) return;
        fact->state = HOST_DOWN; /* or its power fails */
        fact->fenced = true;
        world->running_length[h] = 0;
        return;
    case 3: /* comes back, and its agent starts with what the document says now */
        fact->state = HOST_UP;
        fact->fenced = false;
        return;
    case 4:
        grid->hosts[h].state = (enum host_intent_state)draw(world, 3);
        return;
    case 5:
        web->count.committed = (int64_t)draw(world, 7);
        return;
    case 6:
        web->image = draw(world, 2) ? "hello:1" : "hello:2";
        web->size.cpus_millis = 300 + 200 * (int64_t)draw(world, 3);
        return;
    case 7:
        farm->state = draw(world, 4) ? FARM_RUNNING : FARM_STOPPED;
        return;
    case 8:
        if (grid->now.instances_length == 0) return;
        grid_instance(grid, grid->now.instances[draw(world, grid->now.instances_length)].name)->move_to =
            grid->hosts[h].name;
        return;
    case 9:
        job->count.committed = (int64_t)draw(world, 7);
        return;
    case 10:
        job->priority = 10 * (int64_t)draw(world, 10);
        return;
    default:
        web->warm = (int64_t)draw(world, 3);
    }
}

static void check_once(const struct world *world)
{
    for (size_t a = 0; a < HOSTS; a++)
        for (size_t b = 0; b < a; b++)
            for (size_t n = 0; n < world->running_length[a]; n++)
                for (size_t m = 0; m < world->running_length[b]; m++)
                    assert_string_not_equal(world->running[a][n], world->running[b][m]);
}

struct sums {
    int64_t cpus, memory, instances;
};

static struct sums used_by(const struct snapshot *s, size_t party)
{
    struct sums sums = {0};
    for (size_t n = 0; n < s->instances_length; n++) {
        const struct instance *i = &s->instances[n];
        const char *name = i->party;
        bool counts = false;
        for (size_t up = 0; up <= s->parties_length && name; up++) {
            counts |= text_equal(name, s->parties[party].name);
            const char *parent = NULL;
            for (size_t p = 0; p < s->parties_length; p++)
                if (text_equal(s->parties[p].name, name)) parent = s->parties[p].parent;
            name = parent;
        }
        if (!counts || (i->incarnation == 0 && i->host[0] == '\0')) continue;
        sums.cpus += i->size.cpus_millis;
        sums.memory += i->size.memory_bytes;
        sums.instances++;
    }
    return sums;
}

/* Nobody is over its quota unless it was before, and then not more than it was. */
static void check_quotas(const struct snapshot *before, const struct snapshot *after)
{
    for (size_t p = 0; p < after->parties_length; p++) {
        const struct quota *quota = &after->parties[p].quota;
        struct sums was = used_by(before, p), is = used_by(after, p);
        assert_true(quota->resources.cpus_millis < 0 || is.cpus <= quota->resources.cpus_millis ||
                    is.cpus <= was.cpus);
        assert_true(quota->resources.memory_bytes < 0 || is.memory <= quota->resources.memory_bytes ||
                    is.memory <= was.memory);
        assert_true(quota->instances < 0 || is.instances <= quota->instances ||
                    is.instances <= was.instances);
    }
}

static const struct instance *find(const struct snapshot *s, const char *name)
{
    for (size_t n = 0; n < s->instances_length; n++)
        if (text_equal(s->instances[n].name, name)) return &s->instances[n];
    return NULL;
}

static bool is_same_unit(const char *survive, const struct host *a, const struct host *b)
{
    size_t levels = text_equal(survive, "site") ? 1 : text_equal(survive, "2") ? 2 : 8, at = 0;
    if (text_equal(survive, "host")) return a == b;
    for (; levels > 0 && a->zone[at] == b->zone[at] && a->zone[at] != '\0'; at++)
        levels -= a->zone[at] == '/';
    return levels == 0 || (a->zone[at] == '\0' && b->zone[at] == '\0');
}

/* Where something new was placed the pool has room left for its largest unit, but for what others than new
 * ones took of that in the same plan. */
static void check_kept(const struct grid *grid, const struct snapshot *before, const struct pool *pool)
{
    const struct snapshot *s = &grid->now;
    int64_t free = 0, largest = 0;
    bool is_new = false;
    for (size_t h = 0; h < s->hosts_length; h++) {
        const struct host *host = &s->hosts[h];
        int64_t unit = 0;
        if (!text_equal(host->pool, pool->name) || !host_is_active(host, &s->host_facts[h]) ||
            s->host_facts[h].state != HOST_UP)
            continue;
        for (size_t o = 0; o < s->hosts_length; o++)
            if (text_equal(s->hosts[o].pool, pool->name) && host_is_active(&s->hosts[o], &s->host_facts[o]) &&
                s->host_facts[o].state == HOST_UP && is_same_unit(pool->survive, host, &s->hosts[o]))
                unit += s->hosts[o].capacity.cpus_millis;
        largest = unit > largest ? unit : largest;
        free += host->capacity.cpus_millis;
        for (size_t n = 0; n < s->instances_length; n++) {
            const struct instance *i = &s->instances[n], *was = find(before, i->name);
            if (!text_equal(i->host, host->name)) continue;
            bool placed = was == NULL || was->incarnation != i->incarnation;
            bool had_place = was && was->incarnation > 0;
            is_new |= placed && !had_place;
            if (!placed || !had_place) free -= i->size.cpus_millis;
        }
    }
    assert_true(!is_new || free >= largest);
}

/* The same things, in an order drawn by lot. */
static void *shuffled(struct world *world, const void *items, size_t length, size_t size)
{
    char *copy = arena_alloc_array(world->grid->arena, length + 1, size), swap[512];
    ASSERT(size <= sizeof(swap));
    if (length > 0) memcpy(copy, items, length * size);
    for (size_t n = length; n > 1; n--) {
        char *one = copy + (n - 1) * size, *other = copy + draw(world, n) * size;
        memcpy(swap, one, size);
        memmove(one, other, size);
        memcpy(other, swap, size);
    }
    return copy;
}

/* Whatever order the input is in: every byte of the plan is the same. */
static void check_order(struct world *world, const struct snapshot *before, const struct plan *plan)
{
    struct snapshot turned = *before;
    CLEANUP_BUF struct buf is = {0};
    CLEANUP_BUF struct buf was = {0};
#define SHUFFLE(items) \
    turned.items = shuffled(world, before->items, before->items##_length, sizeof(*before->items))
    SHUFFLE(hosts);
    SHUFFLE(pools);
    SHUFFLE(parties);
    SHUFFLE(farms);
    SHUFFLE(images);
    SHUFFLE(instances);
    SHUFFLE(host_facts);
    SHUFFLE(farm_facts);
#undef SHUFFLE
    struct plan other = plan_make(world->grid->arena, &turned, world->grid->now_ms);
    for (size_t a = 0; a < plan->actions_length; a++)
        grid_write_action(&plan->actions[a], &was);
    for (size_t a = 0; a < other.actions_length; a++)
        grid_write_action(&other.actions[a], &is);
    assert_string_equal(buf_text(&was), buf_text(&is));
    assert_int_equal(plan->urgent_length, other.urgent_length);
    assert_int_equal(plan->again_ms, other.again_ms);
}

static bool has_network(const struct snapshot *s, const char *farm)
{
    for (size_t f = 0; f < s->farm_facts_length; f++)
        if (text_equal(s->farm_facts[f].name, farm)) return s->farm_facts[f].vni != 0;
    return false;
}

/* Actions can be applied one after the other: whoever stops after any of them has a grid that holds. What is
 * on its way anywhere has its farm's network. And an action that is applied twice is an action that is
 * applied. */
static void check_steps(struct world *world, const struct snapshot *before, const struct plan *plan)
{
    struct grid *grid = world->grid;
    struct snapshot end = grid->now;
    grid->now = *before;
    for (size_t a = 0; a < plan->actions_length; a++) {
        struct action one[2] = {plan->actions[a], plan->actions[a]};
        CLEANUP_BUF struct buf once = {0};
        CLEANUP_BUF struct buf twice = {0};
        struct snapshot doubled =
            plan_apply(grid->arena, &grid->now, &(struct plan){.actions = one, .actions_length = 2});
        grid->now = plan_apply(grid->arena, &grid->now, &(struct plan){.actions = one, .actions_length = 1});
        grid_file_write(&grid->now, &once);
        grid_file_write(&doubled, &twice);
        assert_string_equal(buf_text(&once), buf_text(&twice));
        grid_check(grid);
        for (size_t n = 0; n < grid->now.instances_length; n++)
            assert_true(grid->now.instances[n].host[0] == '\0' ||
                        has_network(&grid->now, grid->now.instances[n].farm));
    }
    grid->now = end;
}

static void step(struct world *world)
{
    struct grid *grid = world->grid;
    struct snapshot before = grid->now;
    grid_plan(grid);
    check_order(world, &before, &grid->plan);
    if (draw(world, STEPS_CHECKED) == 0) check_steps(world, &before, &grid->plan);
    for (size_t a = 0; a < grid->plan.actions_length; a++)
        world->placed[grid->plan.actions[a].step]++;
    check_quotas(&before, &grid->now);
    check_emptied(grid, &before);
    for (size_t p = 0; p < grid->now.pools_length; p++)
        if (!text_equal(grid->pools[p].survive, "none")) check_kept(grid, &before, &grid->pools[p]);
    grid->now_ms += 1 + (int64_t)draw(world, 20000);
    for (size_t h = 0; h < HOSTS; h++)
        if (grid_fact(grid, grid->hosts[h].name)->state == HOST_UP && draw(world, 4)) {
            host_works(world, h);
            check_once(world);
        }
}

static void check_converged(struct world *world)
{
    struct grid *grid = world->grid;
    while (world->gone_length > 0)
        build_farm(world, world->gone[--world->gone_length]);
    grid->now.hosts_length = HOSTS;
    for (int h = 0; h < HOSTS; h++) {
        struct host_fact *fact = grid_fact(grid, grid->hosts[h].name);
        grid->hosts[h].state = HOST_ACTIVE;
        fact->state = HOST_UP;
        fact->fenced = false;
        fact->findings_length = 0;
        fact->emptied = "";
    }
    for (size_t p = 0; p < grid->now.parties_length; p++)
        grid->parties[p].quota = (struct quota){{-1, -1, -1, -1}, -1, -1};
    for (size_t p = 0; p < GRID_POOLS_MAX; p++)
        grid->pools[p].survive = "none";
    for (int f = 0; f < FARMS; f++) {
        grid->farms[f].state = FARM_RUNNING;
        grid_tier_of(grid, &grid->farms[f], "web")->spread.strict = false;
        grid_tier_of(grid, &grid->farms[f], "web")->count.committed = 3;
        grid_tier_of(grid, &grid->farms[f], "web")->warm = 1;
        grid_tier_of(grid, &grid->farms[f], "job")->count.committed = 0;
    }
    grid_settle(grid);
    for (int f = 0; f < FARMS; f++) {
        const char *reason = "";
        const char *state = plan_farm_state(grid->arena, &grid->now, &grid->farms[f], &reason);
        if (!text_equal(state, "ready")) print_error("%s: %s\n", grid->farms[f].full_name, reason);
        assert_string_equal(state, "ready");
        assert_int_equal(grid_count(grid, grid->farms[f].full_name, "web", INSTANCE_RUNNING), 4);
    }
}

static void histories_hold(void **state)
{
    (void)state;
    size_t placed[6] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = mem_alloc(sizeof(*world));
        world->grid = grid_new();
        world->random = seed * 0x9e3779b97f4a7c15ULL;
        build(world);
        print_message("# seed %llu\n", (unsigned long long)seed);
        for (int s = 0; s < STEPS; s++) {
            disturb(world);
            step(world);
        }
        check_converged(world);
        for (size_t n = 0; n < LENGTH(placed); n++)
            placed[n] += world->placed[n];
        grid_free(world->grid);
        mem_free(world);
    }
    for (size_t n = 1; n < LENGTH(placed); n++) {
        print_message("# step %zu: %zu times\n", n, placed[n]);
        assert_true(placed[n] > 20); /* else there is little that these histories try */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(histories_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
