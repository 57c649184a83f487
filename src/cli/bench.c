/* `croft bench …`: how fast this machine decides, on a grid made by lot. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"
#include "cli/made.h"
#include "plan/planner.h"
#include "plan/share/view.h"
#include "plan/whatif/bound.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { SHARES = 51, FARM_MEMBERS = 64 }; /* decisions measured; members asked for by a made farm, at least */
enum { PLANS_MAX = 100, ONES_MAX = 1000, ONES_SECONDS = 10, HOSTS_MAX = 1000000, INSTANCES_MAX = 20000000 };

struct bench {
    struct arena *grid;  /* what the planner was told */
    struct arena *plans; /* what it said */
    struct planner *planner;
    struct made_options options;
    int64_t now_ms;
};

static bool open_bench(struct cli *cli, struct bench *bench, size_t *ret_farms, struct error *err);
static struct snapshot shared_grid(struct bench *bench, size_t farms);
static double cpus_of(const struct snapshot *snapshot);
static const struct share_ask *asks_of(struct bench *bench, const struct snapshot *snapshot);
static void close_bench(struct bench *bench);
static bool read_number(struct cli *cli, const char *option, uint64_t most, size_t *ret_number,
                        struct error *err);
static const void *all_of(const struct bench *bench, enum record_kind kind, size_t size, size_t *ret_length);
static size_t decide(struct bench *bench);
static double hosts_used(const struct bench *bench, double *ret_least);
static size_t placed(const struct bench *bench);
static size_t place_one_by_one(struct bench *bench, double *ret_p50_us, double *ret_p99_us);
static void settle(struct bench *bench);
static size_t lose_rack(struct bench *bench, const char **ret_rack, size_t *ret_hosts);
static size_t peak_bytes(void);
static int compare_doubles(const void *a, const void *b);
static int say(struct cli *cli, const struct buf *json, const char *sentence);

int bench_place_run(struct cli *cli)
{
    struct bench bench = {0};
    double p50 = 0, p99 = 0, least = 0;
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (!open_bench(cli, &bench, NULL, &err)) return cli_fail(cli, &err);
    double begin = cli_seconds_now();
    struct snapshot snapshot = made_grid(bench.grid, &bench.options);
    double made = cli_seconds_now();
    planner_put_all(bench.planner, &snapshot);
    double told = cli_seconds_now();
    decide(&bench);
    double seconds = cli_seconds_now() - told;
    double used = hosts_used(&bench, &least);
    size_t count = placed(&bench), peak = peak_bytes();
    size_t ones = place_one_by_one(&bench, &p50, &p99);
    double packing = least > 0 ? used / least : 1;
    buf_printf(&json,
               "{\"placed\": %zu, \"seconds\": %.6f, \"placements_per_s\": %.1f, \"peak_bytes\": %zu, "
               "\"packing\": %.5f, \"wanted\": %zu, \"hosts\": %zu, \"hosts_used\": %.0f, "
               "\"hosts_least\": %.3f, \"make_seconds\": %.6f, \"tell_seconds\": %.6f, \"ones\": %zu, "
               "\"one_us_p50\": %.1f, \"one_us_p99\": %.1f}",
               count, seconds, (double)count / seconds, peak, packing, bench.options.instances,
               bench.options.hosts, used, least, made - begin, told - made, ones, p50, p99);
    const char *sentence = arena_printf(
        cli->arena,
        "%zu of %zu instances placed on %.0f of %zu hosts in %.2f s: %.0f a second; %.3f times the least "
        "number of hosts; %zu MiB at most; %zu more, one at a time: median %.0f, 99th percentile %.0f µs",
        count, bench.options.instances, used, bench.options.hosts, seconds, (double)count / seconds, packing,
        peak >> 20, ones, p50, p99);
    close_bench(&bench);
    return say(cli, &json, sentence);
}

int bench_lost_rack_run(struct cli *cli)
{
    struct bench bench = {0};
    const char *rack = "";
    size_t hosts = 0, waiting = 0;
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (!open_bench(cli, &bench, NULL, &err)) return cli_fail(cli, &err);
    struct snapshot snapshot = made_grid(bench.grid, &bench.options);
    planner_put_all(bench.planner, &snapshot);
    decide(&bench);
    settle(&bench);
    size_t count = placed(&bench);
    double begin = cli_seconds_now();
    size_t lost = lose_rack(&bench, &rack, &hosts);
    size_t actions = decide(&bench);
    double seconds = cli_seconds_now() - begin;
    waiting = count - placed(&bench);
    buf_printf(&json,
               "{\"rack\": \"%s\", \"failed_hosts\": %zu, \"instances\": %zu, \"lost\": %zu, "
               "\"without_place\": %zu, \"actions\": %zu, \"seconds_to_answer\": %.6f, \"peak_bytes\": %zu}",
               rack, hosts, count, lost, waiting, actions, seconds, peak_bytes());
    const char *sentence = arena_printf(
        cli->arena,
        "zone/%s lost with %zu hosts: all but %zu of its %zu instances, of %zu in the grid, have "
        "a new place; decided in %.3f s",
        rack, hosts, waiting, lost, count, seconds);
    close_bench(&bench);
    return say(cli, &json, sentence);
}

/* The made grid, when all of it runs, as lines. */
int bench_grid_run(struct cli *cli)
{
    struct bench bench = {0};
    CLEANUP_BUF struct buf lines = {0};
    struct error err;

    if (!open_bench(cli, &bench, NULL, &err)) return cli_fail(cli, &err);
    struct snapshot snapshot = made_grid(bench.grid, &bench.options);
    planner_put_all(bench.planner, &snapshot);
    decide(&bench);
    settle(&bench);
    snapshot.farm_facts =
        all_of(&bench, RECORD_FARM_FACT, sizeof(struct farm_fact), &snapshot.farm_facts_length);
    snapshot.instances = all_of(&bench, RECORD_INSTANCE, sizeof(struct instance), &snapshot.instances_length);
    grid_file_write(&snapshot, &lines);
    fwrite(buf_text(&lines), 1, lines.size, cli->out);
    close_bench(&bench);
    return 0;
}

int bench_load_run(struct cli *cli)
{
    struct planner *planner = NULL;
    struct grid_file grid;
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    double begin = cli_seconds_now();
    if (!grid_read(cli, &grid, &err)) return cli_fail(cli, &err);
    double read = cli_seconds_now();
    planner = planner_new();
    planner_put_all(planner, &grid.snapshot);
    double told = cli_seconds_now();
    size_t hosts = grid.snapshot.hosts_length, instances = grid.snapshot.instances_length;
    buf_printf(&json,
               "{\"hosts\": %zu, \"instances\": %zu, \"read_seconds\": %.6f, \"tell_seconds\": %.6f, "
               "\"seconds\": %.6f, \"peak_bytes\": %zu}",
               hosts, instances, read - begin, told - read, told - begin, peak_bytes());
    const char *sentence = arena_printf(
        cli->arena,
        "%zu hosts and %zu instances read in %.2f s, told to a planner in %.2f s; %zu MiB at most", hosts,
        instances, read - begin, told - read, peak_bytes() >> 20);
    planner_free(planner);
    return say(cli, &json, sentence);
}

/* The same question again and again: what is decided is not done. */
int bench_share_run(struct cli *cli)
{
    struct bench bench = {0};
    size_t farms = 1000, got = 0, left = 0, lacks = 0;
    double took[SHARES];
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (!open_bench(cli, &bench, &farms, &err)) return cli_fail(cli, &err);
    struct snapshot snapshot = shared_grid(&bench, farms);
    planner_put_all(bench.planner, &snapshot);
    decide(&bench);
    settle(&bench);
    const struct share_ask *asks = asks_of(&bench, &snapshot);
    for (size_t n = 0; n < SHARES; n++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        double begin = cli_seconds_now();
        struct share_input input = share_view(arena, bench.planner, asks, farms, bench.now_ms);
        struct share_result result = share_decide(arena, &input);
        took[n] = (cli_seconds_now() - begin) * 1e3;
        got = left = lacks = 0;
        for (size_t c = 0; c < result.changes_length; c++) {
            int64_t more = result.changes[c].wanted - input.tiers[result.changes[c].tier].wanted;
            got += more > 0 ? (size_t)more : 0;
            left += more < 0 ? (size_t)-more : 0;
        }
        for (size_t w = 0; w < result.waits_length; w++)
            lacks += (size_t)result.waits[w].lacks;
    }
    array_sort(took, SHARES, sizeof(*took), compare_doubles);
    size_t instances = placed(&bench);
    buf_printf(&json,
               "{\"farms\": %zu, \"hosts\": %zu, \"instances\": %zu, \"got\": %zu, \"given\": %zu, "
               "\"lacks\": %zu, \"ms_p50\": %.3f, \"ms_max\": %.3f, \"peak_bytes\": %zu}",
               farms, bench.options.hosts, instances, got, left, lacks, took[SHARES / 2], took[SHARES - 1],
               peak_bytes());
    const char *sentence = arena_printf(
        cli->arena,
        "%zu farms with %zu instances on %zu hosts: %zu more for those that call for them, %zu fewer for "
        "others, %zu lacking; decided in %.2f ms, at most %.2f",
        farms, instances, bench.options.hosts, got, left, lacks, took[SHARES / 2], took[SHARES - 1]);
    close_bench(&bench);
    return say(cli, &json, sentence);
}

/* ret_farms NULL: so many instances are asked for, not farms. */
static bool open_bench(struct cli *cli, struct bench *bench, size_t *ret_farms, struct error *err)
{
    size_t seed = 7;
    struct made_options options = {
        .hosts = ret_farms ? 10000 : 1000, .instances = 10000, .zones = 3, .racks = 40};

    if (!read_number(cli, "hosts", HOSTS_MAX, &options.hosts, err) ||
        (ret_farms ? !read_number(cli, "farms", INSTANCES_MAX / FARM_MEMBERS / 2, ret_farms, err)
                   : !read_number(cli, "instances", INSTANCES_MAX, &options.instances, err)) ||
        !read_number(cli, "zones", HOSTS_MAX, &options.zones, err) ||
        !read_number(cli, "racks", HOSTS_MAX, &options.racks, err) ||
        !read_number(cli, "seed", INT64_MAX, &seed, err))
        return false;
    if (options.zones * options.racks > options.hosts)
        return error_set(err, ERROR_USAGE, "%s: %zu zones of %zu racks are more racks than %zu hosts",
                         cli->arguments->command->name, options.zones, options.racks, options.hosts);
    options.seed = seed;
    *bench = (struct bench){.grid = arena_new(),
                            .plans = arena_new(),
                            .planner = planner_new(),
                            .options = options,
                            .now_ms = MADE_NOW_MS};
    return true;
}

/* So many farms of one tier each that is sized by its load, together nearly all that the hosts have. */
static struct snapshot shared_grid(struct bench *bench, size_t farms)
{
    static const double full = 0.85;
    struct made_options options = bench->options;

    options.instances = farms * FARM_MEMBERS * 2;
    struct snapshot snapshot = made_grid(bench->grid, &options);
    struct farm *items = arena_alloc_array(bench->grid, farms, sizeof(*items));
    struct farm_fact *facts = arena_alloc_array(bench->grid, farms, sizeof(*facts));
    double cpus = 0;
    for (size_t n = 0; n < farms; n++) {
        items[n] = snapshot.farms[n];
        items[n].tiers_length = 1;
        cpus += (double)(items[n].tiers[0].count.max * items[n].tiers[0].size.cpus_millis);
    }
    double times = cpus_of(&snapshot) * full / cpus;
    for (size_t n = 0; n < farms; n++) {
        struct tier *tier = arena_alloc(bench->grid, sizeof(*tier));
        struct tier_scale *scale = arena_alloc(bench->grid, sizeof(*scale));
        *tier = items[n].tiers[0];
        int64_t wanted = (int64_t)((double)tier->count.max * times) + 1;
        tier->count = (struct count){(wanted + 3) / 4, (wanted * 3 + 3) / 4, wanted * 2};
        items[n].tiers = tier;
        *scale = (struct tier_scale){.tier = tier->name, .wanted = wanted, .reason = ""};
        facts[n] = (struct farm_fact){
            .name = items[n].full_name, .vni = (int64_t)n + 1, .scales = scale, .scales_length = 1};
    }
    snapshot.farms = items;
    snapshot.farm_facts = facts;
    snapshot.farms_length = snapshot.farm_facts_length = farms;
    return snapshot;
}

static double cpus_of(const struct snapshot *snapshot)
{
    double cpus = 0;
    for (size_t n = 0; n < snapshot->hosts_length; n++)
        cpus += (double)snapshot->hosts[n].capacity.cpus_millis;
    return cpus;
}

/* The first of three calls for an eighth more, the second can spare as many, the third is content; each of
 * these with all priorities. */
static const struct share_ask *asks_of(struct bench *bench, const struct snapshot *snapshot)
{
    struct share_ask *asks = arena_alloc_array(bench->grid, snapshot->farms_length, sizeof(*asks));

    for (size_t n = 0; n < snapshot->farms_length; n++) {
        int64_t wanted = snapshot->farm_facts[n].scales[0].wanted, step = (wanted + 7) / 8;
        asks[n] = (struct share_ask){.farm = snapshot->farms[n].full_name,
                                     .tier = snapshot->farms[n].tiers[0].name,
                                     .calls = wanted + (n % 3 == 0   ? step
                                                        : n % 3 == 1 ? -step
                                                                     : 0),
                                     .need = n % 3 == 0   ? 60
                                             : n % 3 == 1 ? -60
                                                          : 0,
                                     .rate = (double)wanted,
                                     .priority = (enum sla_priority)(n / 3 % 3),
                                     .why = "as its load says"};
    }
    return asks;
}

static void close_bench(struct bench *bench)
{
    planner_free(bench->planner);
    arena_free(bench->plans);
    arena_free(bench->grid);
}

static bool read_number(struct cli *cli, const char *option, uint64_t most, size_t *ret_number,
                        struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);
    uint64_t value = 0;

    if (!text) return true;
    if (!text_parse_u64(text, &value) || value < 1 || value > most)
        return error_set(err, ERROR_USAGE, "%s: --%s takes a number from 1 to %llu, not \"%s\"",
                         cli->arguments->command->name, option, (unsigned long long)most, text);
    *ret_number = (size_t)value;
    return true;
}

/* As an array, in the order in which the planner has them. */
static const void *all_of(const struct bench *bench, enum record_kind kind, size_t size, size_t *ret_length)
{
    size_t length = planner_length(bench->planner, kind), cursor = 0;
    char *items = arena_alloc_array(bench->grid, length + 1, size);
    const void *object = NULL;

    for (size_t n = 0; (object = planner_next(bench->planner, kind, &cursor)) != NULL; n++)
        memcpy(items + n * size, object, size);
    *ret_length = length;
    return items;
}

/* Plans, and takes all of it, until nothing is left to decide. How many decisions. */
static size_t decide(struct bench *bench)
{
    size_t decisions = 0;
    for (int n = 0; n < PLANS_MAX; n++) {
        struct plan plan = planner_begin(bench->planner, bench->plans, bench->now_ms);
        for (size_t a = 0; a < plan.actions_length; a++)
            planner_take(bench->planner, bench->grid, &plan.actions[a]);
        planner_end(bench->planner);
        if (plan.actions_length == 0) break;
        decisions += plan.actions_length;
    }
    return decisions;
}

/* Hosts with an instance, and the least that all placed instances need. */
static double hosts_used(const struct bench *bench, double *ret_least)
{
    CLEANUP(map_freep) struct map *used = map_new();
    struct vec shapes = VEC_OF(struct bound_shape), sizes = VEC_OF(struct bound_size);
    const struct instance *instance = NULL;
    const struct host *host = NULL;

    for (size_t cursor = 0; (instance = planner_next(bench->planner, RECORD_INSTANCE, &cursor)) != NULL;) {
        if (instance->host[0] == '\0') continue;
        struct fleet_size size = fleet_size_of(&instance->size);
        size_t at = 0;
        while (at < sizes.length &&
               memcmp(&((struct bound_size *)vec_at(&sizes, at))->size, &size, sizeof(size)) != 0)
            at++;
        if (at == sizes.length) ((struct bound_size *)vec_push(&sizes))->size = size;
        ((struct bound_size *)vec_at(&sizes, at))->count++;
        map_put(used, instance->host, bench->planner);
    }
    for (size_t cursor = 0; (host = planner_next(bench->planner, RECORD_HOST, &cursor)) != NULL;) {
        struct fleet_size size = fleet_size_of(&host->capacity);
        size_t at = 0;
        while (at < shapes.length &&
               memcmp(&((struct bound_shape *)vec_at(&shapes, at))->size, &size, sizeof(size)) != 0)
            at++;
        if (at == shapes.length) ((struct bound_shape *)vec_push(&shapes))->size = size;
        ((struct bound_shape *)vec_at(&shapes, at))->count++;
    }
    *ret_least = bound_hosts(shapes.items, shapes.length, sizes.items, sizes.length);
    vec_free(&shapes);
    vec_free(&sizes);
    return (double)map_length(used);
}

static size_t placed(const struct bench *bench)
{
    const struct instance *instance = NULL;
    size_t count = 0;
    for (size_t cursor = 0; (instance = planner_next(bench->planner, RECORD_INSTANCE, &cursor)) != NULL;)
        count += instance->host[0] != '\0';
    return count;
}

/* Farms of one instance, a tenth of what is there at most, each asked for by itself: from the question to its
 * decision taken. As many before are not measured: the first of each size is looked for among all hosts,
 * after so much has changed at once. Ends early where a question takes so long that nobody would wait for a
 * thousand. */
static size_t place_one_by_one(struct bench *bench, double *ret_p50_us, double *ret_p99_us)
{
    const struct made_options one = {
        .hosts = 1, .instances = 80 * ONES_MAX, .zones = 1, .racks = 1, .seed = 1};
    struct snapshot more = made_grid(bench->grid, &one);
    double took[2 * ONES_MAX], end = cli_seconds_now() + ONES_SECONDS;
    size_t count = 0, most = 1 + bench->options.instances / 10;

    if (most > ONES_MAX) most = ONES_MAX;
    while (count < 2 * most && count < more.farms_length && cli_seconds_now() < end) {
        struct farm *farm = arena_alloc(bench->grid, sizeof(*farm));
        struct tier *tier = arena_alloc(bench->grid, sizeof(*tier));
        *tier = more.farms[count].tiers[0];
        tier->count = (struct count){1, 1, 1};
        *farm = more.farms[count];
        farm->full_name = arena_printf(bench->grid, "one/%s", farm->name);
        farm->party = "one";
        farm->tiers = tier;
        farm->tiers_length = 1;
        double begin = cli_seconds_now();
        planner_put(bench->planner, RECORD_FARM, farm);
        struct plan plan = planner_begin(bench->planner, bench->plans, bench->now_ms);
        for (size_t a = 0; a < plan.actions_length; a++)
            planner_take(bench->planner, bench->grid, &plan.actions[a]);
        planner_end(bench->planner);
        took[count++] = (cli_seconds_now() - begin) * 1e6;
    }
    size_t first = count / 2;
    double *measured = took + first;
    count -= first;
    array_sort(measured, count, sizeof(*took), compare_doubles);
    *ret_p50_us = measured[count / 2];
    *ret_p99_us = measured[count - 1 - count / 100];
    return count;
}

/* All that has a place runs there and is well. */
static void settle(struct bench *bench)
{
    const struct instance *instance = NULL;
    size_t length = planner_length(bench->planner, RECORD_INSTANCE), n = 0;
    struct instance *records = arena_alloc_array(bench->grid, length + 1, sizeof(*records));

    for (size_t cursor = 0; (instance = planner_next(bench->planner, RECORD_INSTANCE, &cursor)) != NULL;) {
        if (instance->host[0] == '\0') continue;
        records[n] = *instance;
        records[n].state = INSTANCE_RUNNING;
        records[n].health = HEALTH_GOOD;
        records[n].since_ms = bench->now_ms;
        records[n++].reason = "";
    }
    for (size_t i = 0; i < n; i++)
        planner_put(bench->planner, RECORD_INSTANCE, &records[i]);
    bench->now_ms += 3600 * 1000;
    decide(bench);
}

/* The rack of the host that comes first: all its hosts are down and known to run nothing. How many instances
 * were there. */
static size_t lose_rack(struct bench *bench, const char **ret_rack, size_t *ret_hosts)
{
    CLEANUP(map_freep) struct map *lost = map_new();
    const struct host *host = NULL;
    const struct instance *instance = NULL;
    const char *rack = NULL, *name = NULL;
    void *value = NULL;
    size_t count = 0;

    for (size_t cursor = 0; (host = planner_next(bench->planner, RECORD_HOST, &cursor)) != NULL;) {
        if (rack == NULL) rack = host->zone;
        if (text_equal(rack, host->zone)) map_put(lost, host->name, bench->planner);
    }
    for (size_t cursor = 0; (instance = planner_next(bench->planner, RECORD_INSTANCE, &cursor)) != NULL;)
        count += map_get(lost, instance->host) != NULL;
    for (size_t cursor = 0; map_next(lost, &cursor, &name, &value);) {
        struct host_fact *fact = arena_alloc(bench->grid, sizeof(*fact));
        *fact = *(const struct host_fact *)planner_get(bench->planner, RECORD_HOST_FACT, name);
        fact->state = HOST_DOWN;
        fact->fenced = true;
        fact->since_ms = bench->now_ms;
        planner_put(bench->planner, RECORD_HOST_FACT, fact);
    }
    *ret_rack = rack;
    *ret_hosts = map_length(lost);
    return count;
}

static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int say(struct cli *cli, const struct buf *json, const char *sentence)
{
    struct node node;
    struct error err;

    if (!node_from_json(cli->arena, buf_text(json), json->size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) fprintf(cli->out, "%s\n", sentence);
    return 0;
}
