/* `croft bench filter`: how fast filters made by lot are judged. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/made_filter.h"
#include "plan/filter/around.h"
#include "plan/filter/filter.h"
#include "plan/filter/fits.h"

#include <inttypes.h>
#include <stdio.h>

enum { RUNS = 5, ADMISSIONS = 201, FOREIGN_MAX = 1000000, FOREIGN_OF_PARTY = 10 };

static bool measure(struct arena *arena, const struct made_filter_options *options, double *ret_ms,
                    bool *ret_inside, struct error *err);
static bool read_number(struct cli *cli, const char *option, uint64_t least, uint64_t most,
                        size_t *ret_number, struct error *err);
static bool admit(struct arena *arena, size_t foreign, double ret_us[ADMISSIONS], struct error *err);
static struct filter foreign_filter(struct arena *arena, const struct filter_rule *rule, size_t number);
static int compare_doubles(const void *a, const void *b);

int bench_filter_run(struct cli *cli)
{
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_BUF struct buf text = {0};
    size_t rules = 1000, seed = 7, foreign = 100000, judged = 0;
    double alone[ADMISSIONS], beside[ADMISSIONS];
    double slowest = 0;
    struct node node;
    struct error err;

    if (!read_number(cli, "rules", 1, FILTER_RULES_MAX, &rules, &err) ||
        !read_number(cli, "seed", 0, UINT64_MAX, &seed, &err) ||
        !read_number(cli, "foreign", 0, FOREIGN_MAX, &foreign, &err) || !admit(cli->arena, 0, alone, &err) ||
        !admit(cli->arena, foreign, beside, &err))
        return cli_fail(cli, &err);
    buf_printf(&json, "{\"rules\": %zu, \"cases\": [", rules);
    for (int n = 0; n < MADE_FILTER_KINDS * MADE_FILTER_PAIRS * 2; n++) {
        struct made_filter_options options = {.rules = rules,
                                              .kind = (enum made_filter_kind)(n / 2 / MADE_FILTER_PAIRS),
                                              .pair = (enum made_filter_pair)(n / 2 % MADE_FILTER_PAIRS),
                                              .default_action = n % 2 ? FILTER_ALLOW : FILTER_DENY};
        double took[RUNS];
        size_t inside = 0;
        for (size_t run = 0; run < RUNS; run++) {
            CLEANUP_ARENA struct arena *arena = arena_new();
            bool is_inside = false;
            options.seed = seed + run;
            if (!measure(arena, &options, &took[run], &is_inside, &err)) return cli_fail(cli, &err);
            inside += is_inside;
        }
        array_sort(took, RUNS, sizeof(*took), compare_doubles);
        if (took[RUNS - 1] > slowest) slowest = took[RUNS - 1];
        const char *name = made_filter_name(cli->arena, &options);
        buf_printf(&json,
                   "%s{\"name\": \"%s\", \"accepted\": %zu, \"of\": %d, \"ms_p50\": %.3f, \"ms_max\": %.3f}",
                   judged++ ? ", " : "", name, inside, RUNS, took[RUNS / 2], took[RUNS - 1]);
        buf_printf(&text, "%-56s %zu of %d accepted, median %.2f ms, at most %.2f\n", name, inside, RUNS,
                   took[RUNS / 2], took[RUNS - 1]);
    }
    buf_printf(&json,
               "], \"ms_max\": %.3f, \"admission\": {\"foreign\": %zu, \"us_p50\": %.2f, \"us_p99\": %.2f, "
               "\"alone_us_p50\": %.2f}}",
               slowest, foreign, beside[ADMISSIONS / 2], beside[ADMISSIONS * 99 / 100],
               alone[ADMISSIONS / 2]);
    buf_printf(&text, "two filters of %zu rules: at most %.2f ms\n", rules, slowest);
    buf_printf(
        &text,
        "one filter admitted beside %zu of others: median %.1f µs, alone %.1f; 99 of 100 within %.1f\n",
        foreign, beside[ADMISSIONS / 2], alone[ADMISSIONS / 2], beside[ADMISSIONS * 99 / 100]);
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) fputs(buf_text(&text), cli->out);
    return 0;
}

static bool read_number(struct cli *cli, const char *option, uint64_t least, uint64_t most,
                        size_t *ret_number, struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);
    uint64_t number = 0;

    if (text == NULL) return true;
    if (!text_parse_u64(text, &number) || number < least || number > most)
        return error_set(err, ERROR_USAGE,
                         "bench filter: --%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"",
                         option, least, most, text);
    *ret_number = (size_t)number;
    return true;
}

static bool measure(struct arena *arena, const struct made_filter_options *options, double *ret_ms,
                    bool *ret_inside, struct error *err)
{
    struct filter outer, inner;
    struct filter_judgement said;

    made_filters(arena, options, &outer, &inner);
    double begin = cli_seconds_now();
    if (!filter_is_inside(arena, &outer, &inner, &(uint64_t){0}, &said, err)) return false;
    *ret_ms = (cli_seconds_now() - begin) * 1e3;
    *ret_inside = said.inside;
    return true;
}

/* A filter of acme's on its farm, inside of the landlord's two there, as the controller judges it before it
 * takes it, in a grid where other parties have filters on farms of theirs. */
static bool admit(struct arena *arena, size_t foreign, double ret_us[ADMISSIONS], struct error *err)
{
    static const struct port_range ssh = {22, 22};
    const struct filter_rule rule = {.action = FILTER_DENY,
                                     .direction = FILTER_BOTH,
                                     .from = {.name = ""},
                                     .to = {.name = ""},
                                     .protocol = 6,
                                     .ports = &ssh,
                                     .ports_length = 1};
    const struct filter outer[] = {
        {"all", PARTY_LANDLORD, "landlord/all", FILTER_ON_ALL, FILTER_ALLOW, &rule, 1},
        {"shop", PARTY_LANDLORD, "landlord/shop", "acme/shop", FILTER_ALLOW, &rule, 1}};
    const struct filter inner = {"own", "acme", "acme/own", "acme/shop/web", FILTER_ALLOW, &rule, 1};
    const struct filter *news = &inner;
    const struct around_news text = {.filters = &news, .filters_length = 1};
    struct planner *planner = planner_new();
    bool good = true;

    for (size_t i = 0; i < LENGTH(outer); i++)
        planner_put(planner, RECORD_FILTER, &outer[i]);
    for (size_t i = 0; i < foreign; i++) {
        struct filter *filter = arena_alloc(arena, sizeof(*filter));
        *filter = foreign_filter(arena, &rule, i);
        planner_put(planner, RECORD_FILTER, filter);
    }
    for (size_t i = 0; good && i < ADMISSIONS; i++) {
        CLEANUP_ARENA struct arena *own = arena_new();
        struct filter_fit fit;
        double begin = cli_seconds_now();
        const struct snapshot around = filter_around(own, planner, &text, &inner);
        good = filter_fits(own, &around, &inner, &(uint64_t){0}, &fit, err);
        ret_us[i] = (cli_seconds_now() - begin) * 1e6;
        ASSERT(!good || (around.filters_length == LENGTH(outer) + 1 && fit.outer == NULL));
    }
    planner_free(planner);
    array_sort(ret_us, ADMISSIONS, sizeof(*ret_us), compare_doubles);
    return good;
}

static struct filter foreign_filter(struct arena *arena, const struct filter_rule *rule, size_t number)
{
    const char *party = arena_printf(arena, "p%zu", number / FOREIGN_OF_PARTY);
    const char *name = arena_printf(arena, "f%zu", number);
    return (struct filter){.name = name,
                           .party = party,
                           .full_name = arena_printf(arena, "%s/%s", party, name),
                           .on = arena_printf(arena, "%s/shop", party),
                           .default_action = FILTER_ALLOW,
                           .rules = rule,
                           .rules_length = 1};
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
