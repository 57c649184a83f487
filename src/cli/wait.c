#include "cli/wait.h"

#include "base/text.h"
#include "cli/listing.h"

#include <stdio.h>

enum { POLL_MS = 100 };

struct waiting {
    struct cli *cli;
    struct arena *arena; /* of one look */
    int64_t end_us;
    const char *time; /* as people read it */
};

static bool farm_is_there(struct waiting *waiting, const char *name, bool *ret_there, struct buf *ret_missing,
                          struct error *err);
static bool add_blame(struct waiting *waiting, const char *farm, struct buf *ret_missing, struct error *err);
static bool is_gone(struct waiting *waiting, const char *kind, const char *name, bool *ret_gone,
                    struct buf *ret_missing, struct error *err);
static bool ask(struct waiting *waiting, const char *path, struct client_reply *ret_reply, struct error *err);
static bool pause_or_give_up(struct waiting *waiting, const char *missing, struct error *err);
static struct waiting begin(struct cli *cli, int64_t time_ms);

bool wait_time(struct cli *cli, int64_t *ret_ms, struct error *err)
{
    const char *text = arguments_text(cli->arguments, "wait");
    if (text_parse_duration(text ? text : "60s", ret_ms)) return true;
    return error_set(err, ERROR_USAGE, "%s: --wait takes a time such as 60s or 5m, not \"%s\"",
                     cli->arguments->command->name, text);
}

bool wait_farms(struct cli *cli, const char *const *names, size_t length, int64_t time_ms, struct error *err)
{
    struct waiting waiting = begin(cli, time_ms);
    bool good = true;

    for (size_t i = 0; good && i < length;) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf missing = {0};
        bool there = false;
        waiting.arena = arena;
        good = farm_is_there(&waiting, names[i], &there, &missing, err);
        if (good && there) {
            i++;
            continue;
        }
        if (good) cli_progress(cli, "waiting: %s", buf_text(&missing));
        good = good && pause_or_give_up(&waiting, buf_text(&missing), err);
    }
    cli_progress(cli, "%s", "");
    return good;
}

bool wait_gone(struct cli *cli, const char *kind, const char *name, int64_t time_ms, struct error *err)
{
    struct waiting waiting = begin(cli, time_ms);
    bool good = true, gone = false;

    while (good && !gone) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf missing = {0};
        waiting.arena = arena;
        good = is_gone(&waiting, kind, name, &gone, &missing, err);
        if (gone || !good) continue;
        cli_progress(cli, "waiting: %s", buf_text(&missing));
        good = pause_or_give_up(&waiting, buf_text(&missing), err);
    }
    cli_progress(cli, "%s", "");
    return good;
}

/* What is missing is told in words: "farm acme/shop is changing (web 1/2): acme/shop/web-2 is pending: …". */
static bool farm_is_there(struct waiting *waiting, const char *name, bool *ret_there, struct buf *ret_missing,
                          struct error *err)
{
    struct arena *arena = waiting->arena;
    struct client_reply reply;
    struct span tier;
    size_t cursor = 0;
    bool any = false;

    if (!ask(waiting, arena_printf(arena, "/v1/farms/%s", cli_escape(waiting->cli, name)), &reply, err))
        return false;
    struct span item = span_of(reply.body, reply.body_size), status = listing_flat(item);
    bool stops = text_equal(span_get_text(arena, item, "state"), "stopped");
    const char *state = span_get_text(arena, status, "state"),
               *reason = span_get_text(arena, status, "reason");
    *ret_there = text_equal(state, stops ? "stopped" : "ready");
    if (*ret_there) return true;
    buf_printf(ret_missing, "farm %s is %s", name, state);
    struct span tiers = span_get(status, "tiers");
    while (span_next(tiers, &cursor, &tier)) {
        const char *running = span_get_text(arena, tier, "running"),
                   *wanted = span_get_text(arena, tier, "wanted");
        if (text_equal(running, wanted)) continue;
        buf_printf(ret_missing, "%stier %s has %s of %s running", any ? ", " : " (",
                   span_get_text(arena, tier, "name"), running, wanted);
        any = true;
    }
    if (any) buf_add_char(ret_missing, ')');
    if (reason[0]) buf_printf(ret_missing, ": %s", reason);
    return add_blame(waiting, name, ret_missing, err);
}

/* The first instance that does not run, and why: only at the end, since it asks for all of them. */
static bool add_blame(struct waiting *waiting, const char *farm, struct buf *ret_missing, struct error *err)
{
    const struct clock_port *clock = client_clock(waiting->cli->client);
    struct arena *arena = waiting->arena;
    struct client_reply reply;
    struct span item;
    size_t cursor = 0;

    if (clock->steady_us(clock->self) + POLL_MS * 1000 < waiting->end_us) return true;
    if (!ask(waiting, "/v1/instances", &reply, err)) return false;
    struct span list = span_of(reply.body, reply.body_size);
    while (span_next(list, &cursor, &item)) {
        const char *state = span_get_text(arena, item, "state"),
                   *reason = span_get_text(arena, item, "reason");
        if (!text_equal(span_get_text(arena, item, "farm"), farm) || text_equal(state, "running")) continue;
        buf_printf(ret_missing, ": %s is %s%s%s", span_get_text(arena, item, "name"), state,
                   reason[0] ? ": " : "", reason);
        return true;
    }
    return true;
}

static bool is_gone(struct waiting *waiting, const char *kind, const char *name, bool *ret_gone,
                    struct buf *ret_missing, struct error *err)
{
    struct arena *arena = waiting->arena;
    struct client_reply reply;
    struct error look;
    struct span item;
    size_t cursor = 0, left = 0;

    if (ask(waiting, arena_printf(arena, "/v1/%s/%s", kind, cli_escape(waiting->cli, name)), &reply, &look)) {
        buf_printf(ret_missing, "%s is still there", name);
        return true;
    }
    if (look.code != ERROR_NOT_FOUND) {
        *err = look;
        return false;
    }
    *ret_gone = true;
    if (!text_equal(kind, "farms")) return true;
    if (!ask(waiting, "/v1/instances", &reply, err)) return false;
    struct span list = span_of(reply.body, reply.body_size);
    while (span_next(list, &cursor, &item)) {
        if (!text_equal(span_get_text(arena, item, "farm"), name)) continue;
        const char *reason = span_get_text(arena, item, "reason");
        if (left++ == 0)
            buf_printf(ret_missing, "%s is %s%s%s", span_get_text(arena, item, "name"),
                       span_get_text(arena, item, "state"), reason[0] ? ": " : "", reason);
    }
    if (left > 1) buf_printf(ret_missing, " (and %zu more)", left - 1);
    *ret_gone = left == 0;
    return true;
}

static bool ask(struct waiting *waiting, const char *path, struct client_reply *ret_reply, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = path};
    return client_ask(waiting->cli->client, waiting->arena, &request, ret_reply, err);
}

static bool pause_or_give_up(struct waiting *waiting, const char *missing, struct error *err)
{
    const struct clock_port *clock = client_clock(waiting->cli->client);

    if (clock->steady_us(clock->self) >= waiting->end_us)
        return error_set(err, ERROR_TIMEOUT, "waited %s: %s", waiting->time, missing);
    client_sleep(waiting->cli->client, POLL_MS);
    return true;
}

static struct waiting begin(struct cli *cli, int64_t time_ms)
{
    const struct clock_port *clock = client_clock(cli->client);
    struct waiting waiting = {.cli = cli, .end_us = clock->steady_us(clock->self) + time_ms * 1000};
    char text[32];

    waiting.time = arena_strdup(cli->arena, text_format_duration(text, time_ms));
    return waiting;
}
