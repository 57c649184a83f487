#include "cli/way.h"

#include "base/text.h"
#include "cli/desk.h"

#include <string.h>

struct way {
    struct cli *cli;
    const char *instance; /* escaped */
    struct desk *desk;    /* NULL: in plain words */
    struct desk_target target;
};

/* One of both, by its way: nothing is looked at here. */
struct way_call;

static bool find_target(struct way *way, const char *instance, bool *ret_found, struct error *err);

/* Who has no console key pays nothing for those who do. */
bool way_find(struct cli *cli, const char *instance, struct way **ret_way, struct error *err)
{
    struct way *way = mem_alloc(sizeof(*way));
    bool found = false;

    way->cli = cli;
    way->instance = cli_escape(cli, instance);
    bool good = cli_client(cli, err) && desk_open(cli->client, false, &way->desk, err) &&
                (!way->desk || find_target(way, instance, &found, err));
    if (!good) {
        way_free(way);
        return false;
    }
    if (!found) {
        desk_free(way->desk);
        way->desk = NULL;
    }
    *ret_way = way;
    return true;
}

void way_free(struct way *way)
{
    if (!way) return;
    desk_free(way->desk);
    mem_free(way);
}

const char *way_path(const struct way *way, struct arena *arena, const char *what, const char *query)
{
    if (way->desk)
        return arena_printf(arena, "/agent/%s?instance=%s%s%s", what, way->instance, query ? "&" : "",
                            query ? query : "");
    return arena_printf(arena, "/v1/instances/%s/%s%s%s", way->instance, what, query ? "?" : "",
                        query ? query : "");
}

bool way_start(struct way *way, const struct client_request *request,
               void (*done)(void *ctx, const struct answer *answer), void *ctx, struct way_call **ret_call,
               struct error *err)
{
    struct desk_call *call = NULL;

    if (way->desk) {
        if (!desk_start_call(way->desk, &way->target, request, done, ctx, &call, err)) return false;
        *ret_call = (struct way_call *)call;
    } else {
        *ret_call = (struct way_call *)client_start_call(way->cli->client, request, done, ctx);
    }
    return true;
}

void way_drop(struct way *way, struct way_call *call)
{
    if (!call) return;
    if (way->desk)
        desk_drop((struct desk_call *)call);
    else
        client_drop(way->cli->client, (struct call *)call);
}

bool way_ask(struct way *way, struct arena *arena, const struct client_request *request,
             struct client_reply *ret_reply, struct error *err)
{
    if (way->desk) return desk_ask(way->desk, arena, &way->target, request, ret_reply, err);
    return client_ask(way->cli->client, arena, request, ret_reply, err);
}

/* By the host where the instance is now. */
static bool find_target(struct way *way, const char *instance, bool *ret_found, struct error *err)
{
    struct cli *cli = way->cli;
    const char *path = arena_printf(cli->arena, "/v1/pairs?name=%s", way->instance);
    struct node answer;
    struct error problem;

    if (!cli_ask(cli, "GET", path, NULL, &answer, err)) return false;
    if (!desk_set_grid(way->desk, node_text(&answer, "grid", ""), err)) return false;
    const struct node *keys = node_get(&answer, "pairs");
    const char *slash = strchr(instance, '/');
    const char *party = arena_strndup(cli->arena, instance, strcspn(instance, "/"));
    const char *host = keys && keys->length > 0 ? node_text(&keys->items[0], "host", "") : NULL;
    *ret_found = host && desk_recall(way->desk, host, party, &way->target, &problem);
    if (*ret_found) return true;
    if (host && problem.code != ERROR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    /* Who seals what he says is not brought to say it in plain words by being told of another host. */
    if (!desk_has_party(way->desk, party)) return true;
    if (!host)
        return error_set(err, ERROR_REFUSED, "%s runs nowhere now, or where %s has no keys yet", instance,
                         party);
    size_t farm_size = slash ? (size_t)(slash - instance) + 1 + strcspn(slash + 1, "/") : strlen(instance);
    return error_set(err, ERROR_REFUSED,
                     "%s is on %s, where this desk has not taken %s's keys: croft key take %.*s", instance,
                     host, party, (int)farm_size, instance);
}
