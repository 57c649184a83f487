#include "cli/grid_read.h"

#include "base/text.h"
#include "cli/file.h"
#include "cli/listing.h"

#include <string.h>

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

bool amounts_read(const char *text, struct resources *ret_resources)
{
    struct resources r = *ret_resources;
    struct {
        const char *name;
        bool (*parse)(const char *text, int64_t *ret_value);
        int64_t *value;
        bool given;
    } amounts[] = {{"cpus", text_parse_cpus, &r.cpus_millis, false},
                   {"memory", text_parse_bytes, &r.memory_bytes, false},
                   {"disk", text_parse_bytes, &r.disk_bytes, false},
                   {"network", text_parse_rate, &r.network_bits_per_s, false}};

    while (*text) {
        size_t size = strcspn(text, ","), at = 0;
        CLEANUP_MEM char *pair = mem_strndup(text, size);
        char *value = strchr(pair, '=');
        if (value == NULL) return false;
        *value++ = 0;
        while (at < LENGTH(amounts) && !text_equal(amounts[at].name, pair))
            at++;
        if (at == LENGTH(amounts) || amounts[at].given || !amounts[at].parse(value, amounts[at].value))
            return false;
        amounts[at].given = true;
        text += size;
        if (*text == ',' && *++text == 0) return false;
    }
    *ret_resources = r;
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
