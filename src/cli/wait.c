/* Looks once, then follows a watch: whatever changes is told. Only when the watch breaks off (the controller
 * is started anew) is there another look. */
#include "cli/wait.h"

#include "base/text.h"
#include "cli/listing.h"
#include "cli/stream.h"

#include <inttypes.h>
#include <stdio.h>

enum { AGAIN_MS = 100 }; /* after a watch that broke off */

struct waiting {
    struct cli *cli;
    int64_t end_us;
    const char *time; /* as people read it */
    struct map *open; /* name -> what is missing, in words: of farms to be there, of instances to be gone */
    const char *farm; /* whose instances have to be gone; NULL: farms are waited for */
    const char *path; /* of the watch, set by the look */
};

static bool wait_all(struct waiting *waiting, bool (*look)(struct waiting *waiting, struct error *err),
                     struct error *err);
static bool look_farms(struct waiting *waiting, struct error *err);
static bool look_instances(struct waiting *waiting, struct error *err);
static bool follow(struct waiting *waiting, struct error *err);
static bool told(void *ctx, const char *event, const char *data, size_t size);
static void note_farm(struct waiting *waiting, struct arena *arena, const char *name, struct span item);
static void note_instance(struct waiting *waiting, struct arena *arena, struct span item);
static void note(struct waiting *waiting, const char *name, const char *missing);
static bool give_up(struct waiting *waiting, struct error *err);
static const char *blame(struct waiting *waiting, const char *farm);
static const char *first_missing(const struct waiting *waiting, const char **ret_name);
static bool ask(struct waiting *waiting, struct arena *arena, const char *path,
                struct client_reply *ret_reply, struct error *err);
static int64_t left_ms(const struct waiting *waiting);
static struct waiting begin(struct cli *cli, int64_t time_ms);
static void end(struct waiting *waiting);

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

    waiting.path = "/v1/farms?watch=0";
    for (size_t i = 0; i < length; i++)
        note(&waiting, names[i], "");
    bool good = wait_all(&waiting, look_farms, err);
    end(&waiting);
    return good;
}

bool wait_wiped(struct cli *cli, const char *farm, int64_t time_ms, struct error *err)
{
    struct waiting waiting = begin(cli, time_ms);

    waiting.farm = farm;
    bool good = wait_all(&waiting, look_instances, err);
    end(&waiting);
    return good;
}

static bool wait_all(struct waiting *waiting, bool (*look)(struct waiting *waiting, struct error *err),
                     struct error *err)
{
    for (;;) {
        if (!look(waiting, err)) return false;
        if (map_length(waiting->open) == 0) return true;
        if (left_ms(waiting) <= 0) return give_up(waiting, err);
        cli_progress(waiting->cli, "waiting: %s", first_missing(waiting, NULL));
        if (!follow(waiting, err)) return false;
        if (map_length(waiting->open) == 0) return true;
    }
}

static bool look_farms(struct waiting *waiting, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec names = VEC_OF(const char *);
    const char *name = NULL;
    size_t cursor = 0;
    bool good = true;

    while (map_next(waiting->open, &cursor, &name, NULL))
        *(const char **)vec_push(&names) = arena_strdup(arena, name);
    for (size_t i = 0; good && i < names.length; i++) {
        struct client_reply reply;
        name = *(const char **)vec_at(&names, i);
        good = ask(waiting, arena, arena_printf(arena, "/v1/farms/%s", cli_escape(waiting->cli, name)),
                   &reply, err);
        if (good) note_farm(waiting, arena, name, span_of(reply.body, reply.body_size));
    }
    vec_free(&names);
    return good;
}

/* The watch goes on from where the grid was before the look: it tells what has changed meanwhile. */
static bool look_instances(struct waiting *waiting, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *path = "/v1/instances", *name = NULL;
    struct client_reply reply;
    struct span item;
    size_t cursor = 0;
    void *missing = NULL;

    if (!ask(waiting, arena, "/v1/version", &reply, err)) return false;
    waiting->path = arena_printf(waiting->cli->arena, "/v1/instances?watch=%s",
                                 span_get_text(arena, span_of(reply.body, reply.body_size), "revision"));
    while (map_next(waiting->open, &cursor, &name, &missing))
        mem_free(missing);
    map_free(waiting->open);
    waiting->open = map_new();
    while (path) {
        if (!ask(waiting, arena, path, &reply, err)) return false;
        struct span list = span_of(reply.body, reply.body_size);
        for (cursor = 0; span_next(list, &cursor, &item);)
            note_instance(waiting, arena, item);
        path = reply.next
                   ? arena_printf(arena, "/v1/instances?after=%s", cli_escape(waiting->cli, reply.next))
                   : NULL;
    }
    return true;
}

/* Until nothing is open, the time is over, or the watch has broken off: then there is another look, which
 * tells when nobody is there to be asked. */
static bool follow(struct waiting *waiting, struct error *err)
{
    struct client *client = waiting->cli->client;
    struct stream stream = {.event = told, .ctx = waiting};
    struct error broken;
    int64_t time_ms = left_ms(waiting);
    bool good =
        client_stream(client, waiting->path, time_ms > 0 ? time_ms : 1, stream_data, &stream, &broken);

    stream_free(&stream);
    if (good || broken.code == ERROR_TIMEOUT) return true;
    if (broken.code != ERROR_UNREACHABLE) {
        *err = broken;
        return false;
    }
    client_sleep(client, AGAIN_MS);
    return true;
}

static bool told(void *ctx, const char *event, const char *data, size_t size)
{
    struct waiting *waiting = ctx;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct span item = span_of(data, size);
    const char *name = span_get_text(arena, listing_flat(item), "name");
    bool is_gone = text_equal(event, "delete");

    if (waiting->farm && is_gone)
        mem_free(map_remove(waiting->open, name));
    else if (waiting->farm)
        note_instance(waiting, arena, item);
    else if (is_gone && map_get(waiting->open, name))
        note(waiting, name, arena_printf(arena, "farm %s was deleted", name));
    else if (!is_gone && map_get(waiting->open, name))
        note_farm(waiting, arena, name, item);
    if (map_length(waiting->open) == 0) return false;
    cli_progress(waiting->cli, "waiting: %s", first_missing(waiting, NULL));
    return true;
}

/* What is missing is told in words: "farm acme/shop is changing (tier web has 1 of 2 running): …". */
static void note_farm(struct waiting *waiting, struct arena *arena, const char *name, struct span item)
{
    CLEANUP_BUF struct buf text = {0};
    struct span status = listing_flat(item), tiers = span_get(status, "tiers"), tier;
    bool stops = text_equal(span_get_text(arena, item, "state"), "stopped"), any = false;
    const char *state = span_get_text(arena, status, "state"),
               *reason = span_get_text(arena, status, "reason");
    size_t cursor = 0;

    if (text_equal(state, stops ? "stopped" : "ready")) {
        mem_free(map_remove(waiting->open, name));
        return;
    }
    buf_printf(&text, "farm %s is %s", name, state);
    while (span_next(tiers, &cursor, &tier)) {
        const char *running = span_get_text(arena, tier, "running"),
                   *wanted = span_get_text(arena, tier, "wanted");
        if (text_equal(running, wanted)) continue;
        buf_printf(&text, "%stier %s has %s of %s running", any ? ", " : " (",
                   span_get_text(arena, tier, "name"), running, wanted);
        any = true;
    }
    if (any) buf_add_char(&text, ')');
    if (reason[0]) buf_printf(&text, ": %s", reason);
    note(waiting, name, buf_text(&text));
}

static void note_instance(struct waiting *waiting, struct arena *arena, struct span item)
{
    const char *name = span_get_text(arena, item, "name"), *reason = span_get_text(arena, item, "reason");

    if (!text_equal(span_get_text(arena, item, "farm"), waiting->farm)) return;
    note(waiting, name,
         arena_printf(arena, "%s is %s%s%s", name, span_get_text(arena, item, "state"), reason[0] ? ": " : "",
                      reason));
}

static void note(struct waiting *waiting, const char *name, const char *missing)
{
    mem_free(map_put(waiting->open, name, mem_strdup(missing)));
}

static bool give_up(struct waiting *waiting, struct error *err)
{
    const char *name = NULL, *missing = first_missing(waiting, &name);
    size_t more = map_length(waiting->open) - 1;

    if (!waiting->farm)
        return error_set(err, ERROR_TIMEOUT, "waited %s: %s%s", waiting->time, missing, blame(waiting, name));
    if (more == 0) return error_set(err, ERROR_TIMEOUT, "waited %s: %s", waiting->time, missing);
    return error_set(err, ERROR_TIMEOUT, "waited %s: %s (and %zu more)", waiting->time, missing, more);
}

/* The first instance that does not run, and why; "" when there is none, or nobody says. */
static const char *blame(struct waiting *waiting, const char *farm)
{
    struct arena *arena = waiting->cli->arena;
    struct client_reply reply;
    struct error unknown;
    struct span item;
    size_t cursor = 0;

    if (!ask(waiting, arena, "/v1/instances", &reply, &unknown)) return "";
    struct span list = span_of(reply.body, reply.body_size);
    while (span_next(list, &cursor, &item)) {
        const char *state = span_get_text(arena, item, "state"),
                   *reason = span_get_text(arena, item, "reason");
        if (!text_equal(span_get_text(arena, item, "farm"), farm) || text_equal(state, "running")) continue;
        return arena_printf(arena, ": %s is %s%s%s", span_get_text(arena, item, "name"), state,
                            reason[0] ? ": " : "", reason);
    }
    return "";
}

static const char *first_missing(const struct waiting *waiting, const char **ret_name)
{
    const char *name = NULL;
    void *missing = NULL;
    size_t cursor = 0;

    ASSERT(map_next(waiting->open, &cursor, &name, &missing));
    if (ret_name) *ret_name = name;
    return missing;
}

static bool ask(struct waiting *waiting, struct arena *arena, const char *path,
                struct client_reply *ret_reply, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = path};
    return client_ask(waiting->cli->client, arena, &request, ret_reply, err);
}

static int64_t left_ms(const struct waiting *waiting)
{
    const struct clock_port *clock = client_clock(waiting->cli->client);
    return (waiting->end_us - clock->steady_us(clock->self)) / 1000;
}

static struct waiting begin(struct cli *cli, int64_t time_ms)
{
    const struct clock_port *clock = client_clock(cli->client);
    struct waiting waiting = {
        .cli = cli, .end_us = clock->steady_us(clock->self) + time_ms * 1000, .open = map_new()};
    char text[32];

    waiting.time = arena_strdup(cli->arena, text_format_duration(text, time_ms));
    return waiting;
}

static void end(struct waiting *waiting)
{
    size_t cursor = 0;
    void *missing = NULL;

    cli_progress(waiting->cli, "%s", "");
    while (map_next(waiting->open, &cursor, NULL, &missing))
        mem_free(missing);
    map_free(waiting->open);
}
