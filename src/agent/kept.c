/* The end of what instances said that are here no more, one file for each name, in the private directory of
 * their party: logs/WHEN.FARM.INSTANCE. A party's key keeps them from everybody else, and they go with it.
 *
 * They are kept while the party's directory can be opened. When an instance was the party's last here and it
 * is stopped, nothing says any more that the party has something on this host, and nothing of it stays. */
#include "agent/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_SIZE = 64 * 1024,
    KEPT_FILES_MAX = 256, /* of a party; then the oldest go */
    PENDING_MAX = 64,     /* in memory; then the oldest go */
    QUIET_US = 1000 * 1000,
};

/* One that is to be written. */
struct kept_log {
    struct agent *agent;
    char *party, *instance;
    int64_t ended_ms;
    struct buf text;
    bool failed, waits; /* waits: for the directory */
    struct timer *timer;
};

/* Somebody who asked, while the directory is being opened. */
struct kept_asked {
    struct agent *agent;
    struct exchange *exchange;
    char *party, *instance;
};

static void begin(void *ctx);
static void ready(void *ctx, const char *directory, const struct error *err);
static bool save(const struct kept_log *log, const char *directory, struct error *err);
static char *file_end(const char *instance);
static void log_free(struct kept_log *log);
static const struct kept_log *find_pending(const struct agent *agent, const char *instance);
static void asked_ready(void *ctx, const char *directory, const struct error *err);
static void answer_from(struct agent *agent, struct exchange *exchange, const char *instance,
                        const char *directory);
static void answer_text(struct agent *agent, struct exchange *exchange, const struct buf *text);
static void asker_gone(void *ctx);
static void asked_free(struct kept_asked *asked);

void kept_logs_start(struct agent *agent)
{
    agent->kept_logs = VEC_OF(struct kept_log *);
    agent->kept_asked = VEC_OF(struct kept_asked *);
}

void kept_logs_stop(struct agent *agent)
{
    while (agent->kept_logs.length > 0)
        log_free(*(struct kept_log **)vec_at(&agent->kept_logs, 0));
    vec_free(&agent->kept_logs);
    while (agent->kept_asked.length > 0)
        asked_free(*(struct kept_asked **)vec_at(&agent->kept_asked, 0));
    vec_free(&agent->kept_asked);
}

void kept_logs_add(const struct unit *unit)
{
    struct agent *agent = unit->agent;
    const struct clock_port *clock = agent->options.clock;
    const struct compute_driver *compute = agent->options.compute;
    int64_t offset = -KEPT_SIZE, now_ms = clock->wall_ms(clock->self);
    struct buf words = {0};
    struct error err;
    char time[32];

    /* One that could not even be read when it was found has no party; one that said nothing leaves what was
     * said before. */
    if (!unit->have || !unit->have->party || !text_is_name(unit->have->party)) return;
    if (!compute->log(compute->self, unit->name, &offset, KEPT_SIZE, &words, &err) || words.size == 0) {
        buf_free(&words);
        return;
    }
    if (agent->kept_logs.length >= PENDING_MAX) log_free(*(struct kept_log **)vec_at(&agent->kept_logs, 0));
    struct kept_log *log = mem_alloc(sizeof(*log));
    *log = (struct kept_log){.agent = agent,
                             .party = mem_strdup(unit->have->party),
                             .instance = mem_strdup(unit->name),
                             .ended_ms = now_ms,
                             .failed = unit->stop_asked};
    buf_printf(&log->text, "--- %s, incarnation %" PRId64 ", ended at %s: %s\n", unit->name,
               unit->have->incarnation, text_format_time(time, now_ms),
               log->failed ? unit->reason : "it was stopped");
    buf_add(&log->text, words.data, words.size);
    buf_free(&words);
    *(struct kept_log **)vec_push(&agent->kept_logs) = log;
    log->timer = clock->after(clock->self, log->failed ? 0 : QUIET_US, begin, log);
}

bool kept_logs_wait(const struct agent *agent, const char *party)
{
    for (size_t i = 0; i < agent->kept_logs.length; i++)
        if (text_equal((*(struct kept_log **)vec_at(&agent->kept_logs, i))->party, party)) return true;
    return false;
}

void kept_logs_serve(struct agent *agent, struct exchange *exchange, const char *instance)
{
    const struct net_port *net = agent->options.net;
    CLEANUP_MEM char *party = mem_strndup(instance, strcspn(instance, "/"));
    const struct kept_log *pending = find_pending(agent, instance);
    const char *directory = private_directory(agent, party);
    struct error err;

    if (pending) {
        answer_text(agent, exchange, &pending->text);
        return;
    }
    if (directory && strchr(instance, '/')) {
        answer_from(agent, exchange, instance, directory);
        return;
    }
    struct kept_asked *asked = mem_alloc(sizeof(*asked));
    *asked = (struct kept_asked){agent, exchange, mem_strdup(party), mem_strdup(instance)};
    *(struct kept_asked **)vec_push(&agent->kept_asked) = asked;
    if (!strchr(instance, '/') || !disk_keys_stored(agent, party)) { /* to ask for the key would make one */
        error_set(&err, ERROR_NOT_FOUND, "no log of an instance %s that ended is kept here", instance);
        agent_answer_error(agent, exchange, &err);
        asked_free(asked);
    } else if (!private_open(agent, party, asked_ready, asked, &err)) {
        agent_answer_error(agent, exchange, &err);
        asked_free(asked);
    } else {
        net->on_gone(net->self, exchange, asker_gone, asked);
    }
}

static void begin(void *ctx)
{
    struct kept_log *log = ctx;
    const char *directory = private_directory(log->agent, log->party);
    struct error err;

    log->timer = NULL;
    if (directory) {
        ready(log, directory, NULL);
    } else if (private_open(log->agent, log->party, ready, log, &err)) {
        log->waits = true;
    } else {
        /* That the party left is no news; that a failure cannot be explained later is. */
        if (log->failed) agent_log(log->agent, "a log is not kept", &err);
        log_free(log);
    }
}

static void ready(void *ctx, const char *directory, const struct error *failure)
{
    struct kept_log *log = ctx;
    struct error err;

    log->waits = false;
    if (!failure && !save(log, directory, &err)) agent_log(log->agent, "a log is not kept", &err);
    log_free(log);
}

/* Names begin with when, so the last of an instance is its newest, and the first of all the oldest. */
static bool save(const struct kept_log *log, const char *directory, struct error *err)
{
    const struct private_port *private = log->agent->options.private;
    const struct disk_port *disk = private->disk(private->self, directory);
    CLEANUP_MEM char *end = file_end(log->instance),
                     *file = mem_printf("logs/%013" PRId64 "%s", log->ended_ms, end);
    struct vec names = VEC_OF(char *);
    size_t left = 0;

    bool good = disk->list(disk->self, "logs", &names, err) &&
                disk->write(disk->self, file, log->text.data, log->text.size, 0600, err);
    left = names.length + 1;
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        CLEANUP_MEM char *path = mem_printf("logs/%s", name);
        bool before = text_ends(name, end) && !text_equal(path, file);
        if (good && (before || left > KEPT_FILES_MAX)) {
            good = disk->remove(disk->self, path, err);
            left--;
        }
        mem_free(name);
    }
    vec_free(&names);
    return good;
}

/* ".shop.web-1" of "acme/shop/web-1": names have no dots. */
static char *file_end(const char *instance)
{
    char *end = mem_strdup(instance + strcspn(instance, "/"));
    for (char *at = end; (at = strchr(at, '/')) != NULL; at++)
        *at = '.';
    return end;
}

static void log_free(struct kept_log *log)
{
    const struct clock_port *clock = log->agent->options.clock;
    struct vec *logs = &log->agent->kept_logs;

    for (size_t i = 0; i < logs->length; i++) {
        if (*(struct kept_log **)vec_at(logs, i) != log) continue;
        vec_remove(logs, i);
        break;
    }
    clock->cancel(clock->self, log->timer);
    if (log->waits) private_forget(log->agent, log);
    buf_free(&log->text);
    mem_free(log->party);
    mem_free(log->instance);
    mem_free(log);
}

/* The newest. */
static const struct kept_log *find_pending(const struct agent *agent, const char *instance)
{
    for (size_t i = agent->kept_logs.length; i > 0; i--) {
        const struct kept_log *log = *(struct kept_log **)vec_at(&agent->kept_logs, i - 1);
        if (text_equal(log->instance, instance)) return log;
    }
    return NULL;
}

static void asked_ready(void *ctx, const char *directory, const struct error *err)
{
    struct kept_asked *asked = ctx;

    if (err)
        agent_answer_error(asked->agent, asked->exchange, err);
    else
        answer_from(asked->agent, asked->exchange, asked->instance, directory);
    asked_free(asked);
}

static void answer_from(struct agent *agent, struct exchange *exchange, const char *instance,
                        const char *directory)
{
    const struct private_port *private = agent->options.private;
    const struct disk_port *disk = private->disk(private->self, directory);
    CLEANUP_MEM char *end = file_end(instance), *path = NULL;
    CLEANUP_BUF struct buf text = {0};
    struct vec names = VEC_OF(char *);
    struct error err;

    bool good = disk->list(disk->self, "logs", &names, &err);
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        if (text_ends(name, end)) {
            mem_free(path);
            path = mem_printf("logs/%s", name);
        }
        mem_free(name);
    }
    vec_free(&names);
    if (good && !path)
        good = error_set(&err, ERROR_NOT_FOUND, "no log of an instance %s that ended is kept here", instance);
    if (good && disk->read(disk->self, path, &text, &err))
        answer_text(agent, exchange, &text);
    else
        agent_answer_error(agent, exchange, &err);
}

static void answer_text(struct agent *agent, struct exchange *exchange, const struct buf *text)
{
    const struct header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Croft-Offset", "0"}};
    agent_answer(agent, exchange, 200, headers, LENGTH(headers), text->data, text->size);
}

static void asker_gone(void *ctx)
{
    asked_free(ctx);
}

static void asked_free(struct kept_asked *asked)
{
    struct vec *all = &asked->agent->kept_asked;

    for (size_t i = 0; i < all->length; i++) {
        if (*(struct kept_asked **)vec_at(all, i) != asked) continue;
        vec_remove(all, i);
        break;
    }
    private_forget(asked->agent, asked);
    mem_free(asked->party);
    mem_free(asked->instance);
    mem_free(asked);
}
