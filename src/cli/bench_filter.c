/* `croft bench filter`: how fast filters made by lot are judged. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/made_filter.h"
#include "plan/filter/filter.h"

#include <stdio.h>

enum { RUNS = 5 };

static bool read_options(struct cli *cli, size_t *ret_rules, size_t *ret_seed, struct error *err);
static bool measure(struct arena *arena, const struct made_filter_options *options, double *ret_ms,
                    bool *ret_inside, struct error *err);
static int compare_doubles(const void *a, const void *b);

int bench_filter_run(struct cli *cli)
{
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_BUF struct buf text = {0};
    size_t rules = 1000, seed = 7, judged = 0;
    double slowest = 0;
    struct node node;
    struct error err;

    if (!read_options(cli, &rules, &seed, &err)) return cli_fail(cli, &err);
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
    buf_printf(&json, "], \"ms_max\": %.3f}", slowest);
    buf_printf(&text, "two filters of %zu rules: at most %.2f ms\n", rules, slowest);
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) fputs(buf_text(&text), cli->out);
    return 0;
}

static bool read_options(struct cli *cli, size_t *ret_rules, size_t *ret_seed, struct error *err)
{
    const char *rules = arguments_text(cli->arguments, "rules"),
               *seed = arguments_text(cli->arguments, "seed");
    uint64_t number = 0;

    if (rules != NULL) {
        if (!text_parse_u64(rules, &number) || number < 1 || number > FILTER_RULES_MAX)
            return error_set(err, ERROR_USAGE,
                             "bench filter: --rules takes a number from 1 to %d, not \"%s\"",
                             FILTER_RULES_MAX, rules);
        *ret_rules = (size_t)number;
    }
    if (seed == NULL) return true;
    if (!text_parse_u64(seed, &number))
        return error_set(err, ERROR_USAGE, "bench filter: --seed takes a number, not \"%s\"", seed);
    *ret_seed = (size_t)number;
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

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
