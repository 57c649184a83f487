/* One round: ask HAProxy what it has, compare, mend, and look again. README.md draws it. */
#include "driver/balance/balance_internal.h"

#include "base/text.h"
#include "driver/balance/balance_difference.h"

enum {
    POLL_US = 200000,       /* while somebody wants to know what changes by itself */
    IDLE_POLL_US = 2000000, /* nothing is expected; that HAProxy ended is told by its socket */
    DRAIN_POLL_US = 25000,  /* while a server that drains has connections, or one that goes is not gone */
    CONNECT_US = 10000,     /* while somebody waits for HAProxy to start */
    RETRY_US = 50000,
    WATCHDOG_US = 2000000,
    LEAVE_US_MAX = 1000000, /* connections of a server that was taken away are cut after that */
    COUNT_US = 1000000,
    LOG_AGAIN_US = 5000000,
    HOPELESS_US = 1000000,
    COMMANDS_MAX = 512, /* a round; the next one goes on */
};

static void schedule(struct balancer *balancer, int64_t delay_us, void (*fire)(void *ctx));
static void start_round(void *ctx);
static bool needs_look(const struct balancer *balancer);
static int64_t counts_due_us(const struct balancer *balancer);
static bool any_drains(const struct balancer *balancer);
static void on_watchdog(void *ctx);
static void on_lost(void *ctx, const char *reason);
static void disconnect(struct balancer *balancer);
static void open_log(struct balancer *balancer);
static void on_sample(void *ctx, const struct balance_sample *sample);
static void on_statistics(void *ctx, const char *text);
static void on_state(void *ctx, const char *text);
static void on_conn(void *ctx, const char *text);
static void judge(struct balancer *balancer);
static int64_t pause_us(const struct balancer *balancer);
static bool undrained(const struct balancer *balancer);
static void observe(struct balancer *balancer, const struct vec *present);
static void gather(struct balancer *balancer, const struct vec *present);
static struct server_memory *memory_of(struct balancer *balancer, const char *server);
static bool has_had_its_time(void *ctx, const char *key);
static void forget_left(struct balancer *balancer, const struct vec *present);
static bool is_settled(const struct balancer *balancer);
static void send_commands(struct balancer *balancer);
static void on_command(void *ctx, const char *text);
static void check_command(struct balancer *balancer, const struct balance_command *command, const char *text);
static void end_commands(struct balancer *balancer);
static void fail_round(struct balancer *balancer, int64_t delay_us);
static void finish(struct balancer *balancer, const struct error *err);
static int64_t now_us(const struct balancer *balancer);

void balancer_hurry(struct balancer *balancer)
{
    if (!balancer->busy) schedule(balancer, 0, start_round);
}

void balancer_free(struct balancer *balancer)
{
    const char *key;
    void *value;
    size_t cursor = 0;
    if (!balancer) return;
    const struct clock_port *clock = balancer->driver->options.clock;
    clock->cancel(clock->self, balancer->timer);
    balance_admin_free(balancer->admin);
    while (map_next(balancer->memories, &cursor, &key, &value))
        mem_free(value);
    cursor = 0;
    while (map_next(balancer->leaving, &cursor, &key, &value))
        mem_free(value);
    map_free(balancer->memories);
    map_free(balancer->leaving);
    arena_free(balancer->wanted_arena);
    vec_free(&balancer->waiting);
    vec_free(&balancer->commands);
    mem_free(balancer->name);
    mem_free(balancer->directory);
    mem_free(balancer->state_text);
    mem_free(balancer->conn_text);
    balance_log_free(balancer->log);
    mem_free(balancer);
}

static void schedule(struct balancer *balancer, int64_t delay_us, void (*fire)(void *ctx))
{
    const struct clock_port *clock = balancer->driver->options.clock;
    clock->cancel(clock->self, balancer->timer);
    balancer->timer = clock->after(clock->self, delay_us, fire, balancer);
}

static void start_round(void *ctx)
{
    struct balancer *balancer = ctx;
    const struct balance_options *options = &balancer->driver->options;
    balancer->timer = NULL;
    if (!balancer->admin && !balance_admin_new(options->watch, balancer->directory, on_lost, balancer,
                                               &balancer->admin, &balancer->error)) {
        fail_round(balancer, balancer->waiting.length ? CONNECT_US : POLL_US);
        return;
    }
    balancer->busy = true;
    int64_t now = now_us(balancer), watchdog_us = WATCHDOG_US;
    if (balancer->waiting.length && balancer->deadline_us - now < watchdog_us)
        watchdog_us = balancer->deadline_us > now ? balancer->deadline_us - now : 0;
    schedule(balancer, watchdog_us, on_watchdog);
    mem_free(balancer->conn_text);
    balancer->conn_text = NULL;
    open_log(balancer);
    if (counts_due_us(balancer) <= now && balancer->driver->events.counted) {
        balancer->counted_us = now;
        balance_admin_ask(balancer->admin, "show stat -1 6 -1", on_statistics,
                          balancer); /* 2, 4: no frontends */
        balancer->only_counts = !needs_look(balancer);
        if (balancer->only_counts) return;
    }
    balancer->looked_us = now;
    if (any_drains(balancer)) balance_admin_ask(balancer->admin, "show servers conn", on_conn, balancer);
    balance_admin_ask(balancer->admin, "show servers state", on_state, balancer);
}

/* Totals are asked for more often than anything else can have changed. */
static bool needs_look(const struct balancer *balancer)
{
    return balancer->waiting.length > 0 || balancer->driver->events.health || any_drains(balancer) ||
           undrained(balancer) || map_length(balancer->leaving) > 0 ||
           now_us(balancer) - balancer->looked_us >= IDLE_POLL_US - COUNT_US / 2;
}

static int64_t counts_due_us(const struct balancer *balancer)
{
    return balancer->counted_us ? balancer->counted_us + COUNT_US : 0;
}

static bool any_drains(const struct balancer *balancer)
{
    for (size_t f = 0; f < balancer->frontends_length; f++)
        for (size_t s = 0; s < balancer->frontends[f].servers_length; s++)
            if (balancer->frontends[f].servers[s].drain) return true;
    return false;
}

static void on_watchdog(void *ctx)
{
    struct balancer *balancer = ctx;
    balancer->timer = NULL;
    on_lost(balancer, "haproxy does not answer on its admin socket");
}

static void on_lost(void *ctx, const char *reason)
{
    struct balancer *balancer = ctx;
    error_set(&balancer->error, ERROR_UNREACHABLE, "%s", reason);
    disconnect(balancer);
    fail_round(balancer, RETRY_US);
}

static void disconnect(struct balancer *balancer)
{
    balance_admin_free(balancer->admin);
    balancer->admin = NULL;
    balancer->busy = balancer->only_counts = false;
}

/* What cannot be opened costs the samples only. */
static void open_log(struct balancer *balancer)
{
    const struct balance_options *options = &balancer->driver->options;
    struct error err;
    if (balancer->log || !balancer->driver->events.sample || now_us(balancer) < balancer->log_again_us)
        return;
    if (!balance_log_new(options->clock, options->watch, balancer->directory, on_sample, balancer,
                         &balancer->log, &err))
        balancer->log_again_us = now_us(balancer) + LOG_AGAIN_US;
}

/* A line can say anything: only what is this balancer's counts. */
static void on_sample(void *ctx, const struct balance_sample *sample)
{
    struct balancer *balancer = ctx;
    const struct balance_events *events = &balancer->driver->events;
    const struct balance_frontend *frontend = NULL;
    for (size_t f = 0; f < balancer->frontends_length && !frontend; f++)
        if (text_equal(balancer->frontends[f].name, sample->frontend)) frontend = &balancer->frontends[f];
    bool known = frontend && sample->server[0] == '\0';
    for (size_t s = 0; frontend && s < frontend->servers_length && !known; s++)
        known = text_equal(frontend->servers[s].instance, sample->server);
    if (known && events->sample) events->sample(events->ctx, balancer->name, sample);
}

static void on_statistics(void *ctx, const char *text)
{
    struct balancer *balancer = ctx;
    const struct balance_events *events = &balancer->driver->events;
    struct vec counters = VEC_OF(struct balance_counters);
    struct error err;
    /* Unreadable totals are no totals: whoever measures sees that none come. */
    if (events->counted && balance_answer_stat(text, &counters, &err))
        events->counted(events->ctx, balancer->name, now_us(balancer), counters.items, counters.length);
    vec_free(&counters);
    if (!balancer->only_counts) return;
    balancer->only_counts = balancer->busy = false;
    schedule(balancer, balancer->waiting.length ? 0 : pause_us(balancer), start_round);
}

static void on_conn(void *ctx, const char *text)
{
    struct balancer *balancer = ctx;
    mem_free(balancer->conn_text);
    balancer->conn_text = mem_strdup(text);
}

static void on_state(void *ctx, const char *text)
{
    struct balancer *balancer = ctx;
    mem_free(balancer->state_text);
    balancer->state_text = mem_strdup(text);
    judge(balancer);
}

static void judge(struct balancer *balancer)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec present = VEC_OF(struct balance_present);
    size_t leaving = 0;
    bool read =
        balance_answer_state(arena, balancer->state_text, &present, &balancer->error) &&
        (!balancer->conn_text || balance_answer_conn(balancer->conn_text, &present, &balancer->error));
    if (read) {
        vec_free(&balancer->commands);
        balancer->commands = VEC_OF(struct balance_command);
        balance_difference(balancer->frontends, balancer->frontends_length, &present, has_had_its_time,
                           balancer, &balancer->commands, &leaving);
        forget_left(balancer, &present);
        observe(balancer, &present);
    }
    vec_free(&present);
    if (!read) {
        balancer->busy = false;
        fail_round(balancer, RETRY_US);
        return;
    }
    if (is_settled(balancer)) {
        balancer->error.code = ERROR_NONE;
        finish(balancer, NULL);
    }
    if (balancer->commands.length) {
        send_commands(balancer);
        return;
    }
    balancer->busy = false;
    schedule(balancer, pause_us(balancer), start_round);
}

/* Until the next look at a balancer that is as it should be. One that was drained may get a connection again.
 */
static int64_t pause_us(const struct balancer *balancer)
{
    if (undrained(balancer)) return DRAIN_POLL_US;
    if (balancer->driver->events.health || any_drains(balancer)) return POLL_US;
    if (!balancer->driver->events.counted) return IDLE_POLL_US;
    int64_t wait_us = counts_due_us(balancer) - now_us(balancer);
    return wait_us > 0 ? wait_us : 0;
}

static bool undrained(const struct balancer *balancer)
{
    const char *name;
    void *value;
    size_t cursor = 0;
    while (map_next(balancer->memories, &cursor, &name, &value)) {
        const struct server_memory *memory = value;
        if (memory->draining && !memory->drained_told) return true;
    }
    return false;
}

/* Tells what changed: drained, good, bad. */
static void observe(struct balancer *balancer, const struct vec *present)
{
    const char *name;
    void *value;
    size_t cursor = 0;
    gather(balancer, present);
    while (map_next(balancer->memories, &cursor, &name, &value)) {
        struct server_memory *memory = value;
        bool drained = memory->draining && memory->used == 0;
        if (drained && !memory->drained_told) balance_tell_drained(balancer, name);
        memory->drained_told = drained;
        if (memory->missing || (!memory->known && !memory->health_told)) continue;
        if (memory->health_told && memory->good == memory->up) continue;
        memory->health_told = true;
        memory->good = memory->up;
        balance_tell_health(balancer, name, memory->good);
    }
}

/* A server in several frontends: it is up when it is in all, drains when it does in all, and its connections
 * are the sum. `used` is -1 while one of them is not known. */
static void gather(struct balancer *balancer, const struct vec *present)
{
    CLEANUP(map_freep) struct map *by_key = map_new();
    for (size_t i = 0; i < present->length; i++) {
        struct balance_present *item = vec_at(present, i);
        map_put(by_key, item->key, item);
    }
    for (size_t f = 0; f < balancer->frontends_length; f++)
        for (size_t s = 0; s < balancer->frontends[f].servers_length; s++) {
            struct server_memory *memory = memory_of(balancer, balancer->frontends[f].servers[s].instance);
            memory->draining = memory->up = true;
            memory->known = memory->missing = false;
            memory->used = 0;
        }
    for (size_t f = 0; f < balancer->frontends_length; f++)
        for (size_t s = 0; s < balancer->frontends[f].servers_length; s++) {
            const struct balance_server *server = &balancer->frontends[f].servers[s];
            CLEANUP_MEM char *key = mem_printf("%s/%s", balancer->frontends[f].name, server->instance);
            const struct balance_present *item = map_get(by_key, key);
            struct server_memory *memory = memory_of(balancer, server->instance);
            bool counts = item && item->address == server->address && item->port == server->port;
            memory->draining = memory->draining && server->drain;
            /* Only what has been told to drain and was counted after that can be drained. */
            if (!counts || !item->drain || item->used < 0)
                memory->used = -1;
            else if (memory->used >= 0)
                memory->used += item->used;
            memory->missing = memory->missing || !counts || item->maint;
            memory->known = memory->known || (counts && item->known);
            memory->up = memory->up && counts && item->up;
        }
}

static struct server_memory *memory_of(struct balancer *balancer, const char *server)
{
    struct server_memory *memory = map_get(balancer->memories, server);
    if (memory) return memory;
    memory = mem_alloc(sizeof(*memory));
    map_put(balancer->memories, server, memory);
    return memory;
}

static bool has_had_its_time(void *ctx, const char *key)
{
    struct balancer *balancer = ctx;
    int64_t *since_us = map_get(balancer->leaving, key);
    if (since_us) return now_us(balancer) - *since_us >= LEAVE_US_MAX;
    since_us = mem_alloc(sizeof(*since_us));
    *since_us = now_us(balancer);
    map_put(balancer->leaving, key, since_us);
    return false;
}

/* Times of servers that are gone, or came back. */
static void forget_left(struct balancer *balancer, const struct vec *present)
{
    CLEANUP(map_freep) struct map *still = map_new();
    const char *name;
    void *since_us;
    size_t cursor = 0;
    if (!map_length(balancer->leaving)) return;
    for (size_t i = 0; i < present->length; i++) {
        struct balance_present *item = vec_at(present, i);
        if (item->maint) map_put(still, item->key, item);
    }
    for (size_t i = 0; i < balancer->commands.length; i++) {
        struct balance_command *command = vec_at(&balancer->commands, i);
        if (command->kind == COMMAND_DELETE) map_put(still, command->text + sizeof("del server"), command);
    }
    while (map_next(balancer->leaving, &cursor, &name, &since_us)) {
        if (map_get(still, name)) continue;
        CLEANUP_MEM char *key = mem_strdup(name);
        map_remove(balancer->leaving, key);
        mem_free(since_us);
    }
}

/* All that is wanted is there, and what has to go gets nothing new. */
static bool is_settled(const struct balancer *balancer)
{
    for (size_t i = 0; i < balancer->commands.length; i++) {
        const struct balance_command *command = vec_at(&balancer->commands, i);
        if (command->kind == COMMAND_ADD || command->kind == COMMAND_SET) return false;
    }
    return true;
}

static void send_commands(struct balancer *balancer)
{
    while (balancer->commands.length > COMMANDS_MAX)
        vec_remove(&balancer->commands, balancer->commands.length - 1);
    balancer->commands_answered = 0;
    balancer->refused_delete = balancer->hopeless = false;
    for (size_t i = 0; i < balancer->commands.length; i++) {
        const struct balance_command *command = vec_at(&balancer->commands, i);
        balance_admin_ask(balancer->admin, command->text, on_command, balancer);
    }
}

static void on_command(void *ctx, const char *text)
{
    struct balancer *balancer = ctx;
    check_command(balancer, vec_at(&balancer->commands, balancer->commands_answered++), text);
    if (balancer->commands_answered == balancer->commands.length) end_commands(balancer);
}

static void check_command(struct balancer *balancer, const struct balance_command *command, const char *text)
{
    bool fine = false;
    switch (command->kind) {
    case COMMAND_ADD:
        fine = text_starts(text, "New server registered.");
        break;
    case COMMAND_SET:
    case COMMAND_SHUT:
        fine = text[0] == 0;
        break;
    case COMMAND_DELETE:
        fine = true;
        if (!text_starts(text, "Server deleted.")) balancer->refused_delete = true;
        break;
    }
    if (fine) return;
    if (text_starts(text, "No such backend.")) balancer->hopeless = true;
    /* The first answer tells why; what follows it only says that there is no such server. */
    if (balancer->error.code == ERROR_NONE)
        error_set(&balancer->error, balancer->hopeless ? ERROR_REFUSED : ERROR_FAILED,
                  "haproxy refused '%.60s…': %.200s", command->text, text);
}

static void end_commands(struct balancer *balancer)
{
    balancer->busy = false;
    if (balancer->hopeless) {
        error_wrap(&balancer->error,
                   "balancer %s runs with other frontends than are wanted and must be made anew",
                   balancer->name);
        finish(balancer, &balancer->error);
        fail_round(balancer, HOPELESS_US);
    } else if (balancer->error.code != ERROR_NONE) {
        fail_round(balancer, RETRY_US);
    } else {
        schedule(balancer, balancer->refused_delete ? DRAIN_POLL_US : 0, start_round);
    }
}

/* Another round after delay_us; who waits is told when the time is over. */
static void fail_round(struct balancer *balancer, int64_t delay_us)
{
    if (balancer->waiting.length && now_us(balancer) >= balancer->deadline_us) {
        struct error late = balancer->error;
        late.code = ERROR_TIMEOUT;
        error_wrap(&late, "balancer %s was not brought up to date in time", balancer->name);
        finish(balancer, &late);
    }
    balancer->error.code = ERROR_NONE;
    schedule(balancer, delay_us, start_round);
}

/* Tells all who wait: whoever asked earlier has been replaced by the last, and got what that one got. */
static void finish(struct balancer *balancer, const struct error *err)
{
    for (size_t i = 0; i < balancer->waiting.length; i++)
        balance_tell_done(balancer, *(struct waiting *)vec_at(&balancer->waiting, i), err);
    vec_clear(&balancer->waiting);
}

static int64_t now_us(const struct balancer *balancer)
{
    const struct clock_port *clock = balancer->driver->options.clock;
    return clock->steady_us(clock->self);
}
