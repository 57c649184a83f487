#include "cli/profile.h"

#include "base/text.h"
#include "cli/file.h"
#include "model/node.h"
#include "spec/spec.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    struct arena *arena;
    const struct profile_sources *sources;
    const char *config_server, *config_token, *config_ca;
    struct vec grids; /* struct running_grid */
};

static bool find(struct search *search, struct profile *ret_profile, struct error *err);
static bool read_config(struct search *search, struct error *err);
static bool choose_grid(struct search *search, const char *server, const struct running_grid **ret_grid,
                        struct error *err);
static bool read_grid(struct arena *arena, const char *path, struct running_grid *ret_grid);
static bool lives(long pid, uint64_t start_ticks);
static const char *first_line(struct arena *arena, struct buf *text);
static bool same_path(const char *a, const char *b);
static const char *trimmed(struct arena *arena, const char *server);

bool profile_find(struct arena *arena, const struct profile_sources *sources, struct profile *ret_profile,
                  struct error *err)
{
    struct search search = {.arena = arena, .sources = sources, .grids = VEC_OF(struct running_grid)};

    bool good = find(&search, ret_profile, err);
    vec_free(&search.grids);
    return good;
}

const char *profile_path(struct arena *arena)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && config[0]) return arena_printf(arena, "%s/croft/config.yaml", config);
    return home && home[0] ? arena_printf(arena, "%s/.config/croft/config.yaml", home) : NULL;
}

void profile_grids(struct arena *arena, const char *directory, struct vec *ret_grids)
{
    DIR *listing = opendir(directory);
    const struct dirent *entry = NULL;

    while (listing && (entry = readdir(listing))) {
        struct running_grid grid = {0};
        if (!text_ends(entry->d_name, ".json")) continue;
        if (read_grid(arena, arena_printf(arena, "%s/%s", directory, entry->d_name), &grid))
            *(struct running_grid *)vec_push(ret_grids) = grid;
    }
    if (listing) closedir(listing);
}

static bool find(struct search *search, struct profile *ret_profile, struct error *err)
{
    const struct profile_sources *sources = search->sources;
    const struct running_grid *grid = NULL;
    struct profile profile = {0};
    CLEANUP_BUF struct buf text = {0};

    if (!read_config(search, err)) return false;
    if (sources->grids) profile_grids(search->arena, sources->grids, &search->grids);
    profile.server = sources->server ? sources->server : sources->server_env;
    if (!profile.server && !sources->state) profile.server = search->config_server;
    if (profile.server) profile.server = trimmed(search->arena, profile.server);
    if (!choose_grid(search, profile.server, &grid, err)) return false;
    if (!profile.server && grid) profile.server = grid->server;
    ASSERT(profile.server);
    profile.token = sources->token ? sources->token : sources->token_env;
    /* A token is shown to nobody but the server it was written down for. */
    if (!profile.token && search->config_server && text_equal(search->config_server, profile.server))
        profile.token = search->config_token;
    if (!profile.token && grid) {
        if (!user_file_read(grid->token_path, &text, err)) return error_wrap(err, "the grid's token");
        profile.token = first_line(search->arena, &text);
    }
    buf_clear(&text);
    const char *ca = sources->ca ? sources->ca : search->config_ca;
    if (ca && !user_file_read(ca, &text, err)) return false;
    if (ca) profile.authority = arena_strdup(search->arena, buf_text(&text));
    *ret_profile = profile;
    return true;
}

static bool read_config(struct search *search, struct error *err)
{
    static const char *const keys[] = {"server", "token", "ca"};
    const char *path = search->sources->config;
    CLEANUP_BUF struct buf text = {0};
    struct node documents;

    if (!path) return true;
    if (!user_file_read(path, &text, err)) return err->code == ERROR_NOT_FOUND;
    if (!spec_read_yaml(search->arena, buf_text(&text), text.size, &documents, err)) {
        snprintf(err->file, sizeof(err->file), "%s", path);
        return false;
    }
    for (size_t i = 0; documents.length > 0 && i < documents.items[0].length; i++) {
        const char *key = documents.items[0].items[i].key;
        const char *nearest = key ? text_nearest(key, keys, LENGTH(keys)) : NULL;
        if (key && nearest && text_equal(key, nearest)) continue;
        error_set(err, ERROR_INVALID, "a profile has server, token and ca%s%s",
                  nearest ? ": did you mean " : "", nearest ? nearest : "");
        snprintf(err->file, sizeof(err->file), "%s", path);
        snprintf(err->field, sizeof(err->field), "%s", key ? key : "");
        err->line = documents.items[0].items[i].line;
        err->column = documents.items[0].items[i].column;
        return false;
    }
    if (documents.length == 0) return true;
    search->config_server = node_text(&documents.items[0], "server", NULL);
    search->config_token = node_text(&documents.items[0], "token", NULL);
    search->config_ca = node_text(&documents.items[0], "ca", NULL);
    if (search->config_server) search->config_server = trimmed(search->arena, search->config_server);
    return true;
}

/* The grid of --state, of the server, or the only one. *ret_grid stays NULL when a server is known otherwise.
 */
static bool choose_grid(struct search *search, const char *server, const struct running_grid **ret_grid,
                        struct error *err)
{
    const char *state = search->sources->state;
    const struct running_grid *found = NULL;
    CLEANUP_BUF struct buf list = {0};
    size_t matches = 0;

    for (size_t i = 0; i < search->grids.length; i++) {
        const struct running_grid *grid = vec_at(&search->grids, i);
        buf_printf(&list, "%s%s (%s)", i ? ", " : "", grid->server, grid->state);
        if (state && !same_path(grid->state, state)) continue;
        if (server && !text_equal(trimmed(search->arena, grid->server), server)) continue;
        found = grid;
        matches++;
    }
    if (matches > 1)
        return error_set(err, ERROR_USAGE, "several grids run here: choose one with --state or --server: %s",
                         buf_text(&list));
    if (!found && state && !server)
        return error_set(err, ERROR_UNREACHABLE,
                         "no grid runs with the state %s: `croft up --state %s` starts one", state, state);
    if (!found && !server)
        return error_set(err, ERROR_UNREACHABLE,
                         "no server is known: `croft up` starts a grid on this machine, --server URL (or "
                         "CROFT_SERVER) names another");
    *ret_grid = found;
    return true;
}

static bool read_grid(struct arena *arena, const char *path, struct running_grid *ret_grid)
{
    CLEANUP_BUF struct buf text = {0};
    struct node root;
    struct error err;

    if (!user_file_read(path, &text, &err) || !node_from_json(arena, buf_text(&text), text.size, &root, &err))
        return false; /* half written, or not for us */
    struct running_grid grid = {.server = node_text(&root, "server", NULL),
                                .token_path = node_text(&root, "token_path", NULL),
                                .state = node_text(&root, "state", ""),
                                .pid = (long)node_int(&root, "pid", 0)};
    if (!grid.server || !grid.token_path || !lives(grid.pid, (uint64_t)node_int(&root, "start_ticks", 0)))
        return false;
    *ret_grid = grid;
    return true;
}

/* A pid is used again; its time of start is not (proc(5), field 22 of stat). */
static bool lives(long pid, uint64_t start_ticks)
{
    CLEANUP_MEM char *path = mem_printf("/proc/%ld/stat", pid);
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    if (pid <= 0 || !user_file_read(path, &text, &err)) return false;
    const char *at = strrchr(buf_text(&text), ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at && (start_ticks == 0 || strtoull(at, NULL, 10) == start_ticks);
}

static const char *first_line(struct arena *arena, struct buf *text)
{
    return arena_strndup(arena, buf_text(text), strcspn(buf_text(text), "\r\n"));
}

static bool same_path(const char *a, const char *b)
{
    char full_a[PATH_MAX], full_b[PATH_MAX];
    if (text_equal(a, b)) return true;
    return realpath(a, full_a) && realpath(b, full_b) && text_equal(full_a, full_b);
}

static const char *trimmed(struct arena *arena, const char *server)
{
    size_t size = strlen(server);
    while (size > 0 && server[size - 1] == '/')
        size--;
    return arena_strndup(arena, server, size);
}
