#include "cli/grid_read.h"

#include "base/text.h"
#include "cli/file.h"
#include "cli/listing.h"

#include <string.h>

struct amount {
    const char *name, *expected;
    bool (*parse)(const char *text, int64_t *ret_value);
    int64_t *value;
    bool given;
};

static bool read_amount(const char *pair, struct amount *amounts, size_t length, struct error *err);
static bool read_live(struct cli *cli, struct grid_file *ret_grid, struct error *err);

bool grid_read(struct cli *cli, struct grid_file *ret_grid, struct error *err)
{
    const char *path = arguments_text(cli->arguments, "grid");
    struct user_text text = {0};

    if (path == NULL) return read_live(cli, ret_grid, err);
    const char *shown = text_equal(path, "-") ? "standard input" : path;
    cli_progress(cli, "reading %s", shown);
    bool good = user_text_open(path, &text, err) &&
                grid_file_read(cli->arena, shown, text.data, text.size, ret_grid, err);
    user_text_close(&text);
    return good;
}

bool amounts_read(const char *text, struct resources *ret_resources, struct error *err)
{
    struct resources r = *ret_resources;
    struct amount amounts[] = {
        {"cpus", "a number of cores such as 0.5 or 8", text_parse_cpus, &r.cpus_millis, false},
        {"memory", "bytes such as 64Mi or 10Gi", text_parse_bytes, &r.memory_bytes, false},
        {"disk", "bytes such as 64Mi or 10Gi", text_parse_bytes, &r.disk_bytes, false},
        {"network", "bits per second such as 100M or 1G", text_parse_rate, &r.network_bits_per_s, false}};

    while (*text) {
        size_t size = strcspn(text, ",");
        CLEANUP_MEM char *pair = mem_strndup(text, size);
        if (!read_amount(pair, amounts, LENGTH(amounts), err)) return false;
        text += size;
        if (*text == ',' && *++text == 0)
            return error_set(err, ERROR_USAGE, "nothing comes behind the last comma");
    }
    *ret_resources = r;
    return true;
}

static bool read_amount(const char *pair, struct amount *amounts, size_t length, struct error *err)
{
    const char *value = strchr(pair, '=');
    size_t size = strcspn(pair, "="), at = 0;

    while (at < length && (strlen(amounts[at].name) != size || strncmp(amounts[at].name, pair, size) != 0))
        at++;
    if (value == NULL || at == length)
        return error_set(err, ERROR_USAGE, "\"%s\" is not cpus=, memory=, disk= or network= with an amount",
                         pair);
    if (amounts[at].given) return error_set(err, ERROR_USAGE, "%s is said twice", amounts[at].name);
    if (!amounts[at].parse(value + 1, amounts[at].value))
        return error_set(err, ERROR_USAGE, "%s: expected %s, found \"%s\"", amounts[at].name,
                         amounts[at].expected, value + 1);
    amounts[at].given = true;
    return true;
}

static bool read_live(struct cli *cli, struct grid_file *ret_grid, struct error *err)
{
    struct client_reply reply;
    struct grid_file grid;

    cli_progress(cli, "reading the live grid");
    if (!cli_ask_text(cli, "GET", "/v1/export", NULL, &reply, err) ||
        !grid_file_read(cli->arena, "the live grid", reply.body, reply.body_size, &grid, err))
        return false;
    grid.now_ms = listing_now_ms();
    *ret_grid = grid;
    return true;
}
