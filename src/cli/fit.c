/* `croft fit`: how many more of a size a grid takes. */
#include "plan/whatif/fit.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"

#include <inttypes.h>
#include <stdio.h>

const char *const fit_survivals[] = {"none", "host", "rack", "site", NULL};

static bool read_question(struct cli *cli, struct resources *ret_size, enum fit_survive *ret_survive,
                          struct error *err);
static size_t waiting(const struct snapshot *snapshot);
static void add_json(const struct fit *fit, size_t waits, double seconds, struct buf *ret_json);
static void add_text(const struct fit *fit, enum fit_survive survive, size_t waits, struct buf *ret_text);

int fit_run(struct cli *cli)
{
    enum fit_survive survive = FIT_SURVIVE_NONE;
    struct resources size = {0};
    struct grid_file grid;
    struct node node;
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    if (!read_question(cli, &size, &survive, &err) || !grid_read(cli, &grid, &err))
        return cli_fail(cli, &err);
    double begin = cli_seconds_now();
    struct fit fit = fit_count(cli->arena, &grid.snapshot, &size, survive);
    add_json(&fit, waiting(&grid.snapshot), cli_seconds_now() - begin, &text);
    if (!node_from_json(cli->arena, buf_text(&text), text.size, &node, &err)) return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    buf_clear(&text);
    add_text(&fit, survive, waiting(&grid.snapshot), &text);
    fputs(buf_text(&text), cli->out);
    return 0;
}

static bool read_question(struct cli *cli, struct resources *ret_size, enum fit_survive *ret_survive,
                          struct error *err)
{
    const char *size = arguments_text(cli->arguments, "size"),
               *survive = arguments_text(cli->arguments, "survive");

    if (size == NULL)
        return error_set(err, ERROR_USAGE, "fit: of what size? --size cpus=1,memory=2Gi,disk=10Gi");
    if (!amounts_read(size, ret_size, err)) return error_wrap(err, "fit: --size");
    if (ret_size->cpus_millis == 0 && ret_size->memory_bytes == 0 && ret_size->disk_bytes == 0 &&
        ret_size->network_bits_per_s == 0)
        return error_set(err, ERROR_USAGE,
                         "fit: --size \"%s\" asks for nothing, so any number fits: name an amount above 0",
                         size);
    for (int i = 0; survive && fit_survivals[i]; i++)
        if (text_equal(survive, fit_survivals[i])) *ret_survive = (enum fit_survive)i;
    return true;
}

/* Those that want a host and have none: they take room as soon as there is some. */
static size_t waiting(const struct snapshot *snapshot)
{
    size_t count = 0;
    for (size_t n = 0; n < snapshot->instances_length; n++)
        count += snapshot->instances[n].host[0] == '\0' && (snapshot->instances[n].wanted == WANTED_RUN ||
                                                            snapshot->instances[n].wanted == WANTED_WARM);
    return count;
}

static void add_json(const struct fit *fit, size_t waits, double seconds, struct buf *ret_json)
{
    buf_printf(ret_json, "{\"count\": %" PRId64 ", \"limited_by\": \"%s\", \"to_survive\": %s, \"reason\": ",
               fit->count, fit->limited_by, fit->to_survive ? "true" : "false");
    buf_add_json_string(ret_json, fit->reason);
    buf_printf(ret_json, ", \"waiting\": %zu, \"pools\": [", waits);
    for (size_t n = 0; n < fit->parts_length; n++) {
        buf_add_text(ret_json, n ? ", {\"pool\": " : "{\"pool\": ");
        buf_add_json_string(ret_json, fit->parts[n].pool);
        buf_add_text(ret_json, ", \"class\": ");
        buf_add_json_string(ret_json, fit->parts[n].class_name);
        buf_printf(ret_json, ", \"count\": %" PRId64 "}", fit->parts[n].count);
    }
    buf_printf(ret_json, "], \"seconds_to_answer\": %.6f}", seconds);
}

static void add_text(const struct fit *fit, enum fit_survive survive, size_t waits, struct buf *ret_text)
{
    static const char *const losses[] = {"", ", and when any host is lost all find room elsewhere",
                                         ", and when any rack is lost all find room elsewhere",
                                         ", and when any site is lost all find room elsewhere"};
    /* Of a grid that does not survive it as it is nothing is promised. */
    buf_printf(ret_text, "%" PRId64 " more fit%s\nlimited by %s%s: ", fit->count,
               fit->count > 0 ? losses[survive] : "", fit->limited_by,
               fit->to_survive ? ", so that a loss is survived" : "");
    text_add_shown(ret_text, fit->reason);
    buf_add_char(ret_text, '\n');
    for (size_t n = 0; fit->parts_length > 1 && n < fit->parts_length; n++) {
        buf_printf(ret_text, "  %" PRId64 " with pool ", fit->parts[n].count);
        text_add_shown(ret_text, fit->parts[n].pool);
        buf_add_char(ret_text, '\n');
    }
    if (waits > 0)
        buf_printf(ret_text, "%zu instance%s for a host: what %s need is not counted\n", waits,
                   waits == 1 ? " waits" : "s wait", waits == 1 ? "it will" : "they will");
}
