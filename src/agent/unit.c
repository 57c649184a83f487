/* One instance on this host: from what is here towards what is wanted, one asynchronous step at a time.
 *
 *   ABSENT -> FETCHING -> MAKING -> STARTING -> UP -> STOPPING -> WIPING -> ABSENT
 *                 \__________\_________\____________________________^ \-> RESTING -> ABSENT (after a failure)
 *
 * A step is asked for whenever something changed; it does nothing while an operation is under way. */
#include "agent/internal.h"
#include "base/planted.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STOP_GRACE_MS = 5000, /* between SIGTERM and SIGKILL */
    GONE_GRACE_MS = 1000, /* the same for an instance that was drained before */
    STEADY_US =
        10 * 1000 * 1000, /* an instance that ran for so long may fail without being punished for it */
    REST_FIRST_MS = 250,
    REST_MAX_MS = 60 * 1000,
    LISTEN_REST_MS = 1000, /* a balancer that rests for so long does not keep callers waiting */
    LAST_WORDS_SIZE = 16 * 1024,
    LEAVE_US = 20 * 1000,           /* a turn that took so long leaves no other port */
    MAKE_WARM_US = 20 * 1000,       /* the head start of what serves */
    BALANCE_AGAIN_US = 1000 * 1000, /* the driver goes on trying after a failure, but tells nobody */
};

static void exited(struct unit *unit);
static void say(struct unit *unit, const char *format, ...) PRINTF_LIKE(2, 3);
static void want_nothing_here(struct unit *unit);
static bool has_secrets(struct unit *unit);
static bool has_image(const struct unit *unit);
static void fetch(struct unit *unit);
static void make(struct unit *unit);
static bool open_place(struct unit *unit, struct compute_place *ret_place, char *ret_path, size_t path_size,
                       struct error *err);
static void made(void *ctx, const struct error *err);
static void started(void *ctx, const struct error *err);
static void balanced(void *ctx, const struct error *err);
static void balance_again(void *ctx);
static void forget_balance(struct unit *unit);
static void settle(struct unit *unit);
static void retire(struct unit *unit);
static void stopped(void *ctx, const struct error *err);
static void wipe(struct unit *unit);
static void keep_last_words(struct unit *unit);
static void wiped(void *ctx, const struct error *err);
static void leave_ports(void *ctx);
static void leave_port(struct unit *unit);
static void wipe_again(struct unit *unit, const struct error *err);
static void rest(struct unit *unit);
static int64_t rest_ms(const struct unit *unit);
static void rested(void *ctx);
static void make_later(struct unit *unit);
static void turn(struct unit *unit, enum unit_state state);
static const struct personality *copy_personality(struct arena *arena, const struct personality *personality);
static void step_all(void *ctx);
static void make_warm(void *ctx);
static void make_next(struct agent *agent, bool warm);

/* Which state may follow which; anything else is a fault in this file. */
static const unsigned transitions[] = {
    [UNIT_ABSENT] = 1U << UNIT_FETCHING | 1U << UNIT_MAKING | 1U << UNIT_RESTING,
    [UNIT_FETCHING] = 1U << UNIT_ABSENT | 1U << UNIT_RESTING,
    [UNIT_MAKING] = 1U << UNIT_STARTING | 1U << UNIT_WIPING,
    [UNIT_STARTING] = 1U << UNIT_UP | 1U << UNIT_WIPING,
    [UNIT_UP] = 1U << UNIT_STOPPING | 1U << UNIT_WIPING,
    [UNIT_STOPPING] = 1U << UNIT_WIPING,
    [UNIT_WIPING] = 1U << UNIT_ABSENT | 1U << UNIT_RESTING,
    [UNIT_RESTING] = 1U << UNIT_ABSENT,
};

struct unit *unit_get(struct agent *agent, const char *name)
{
    const struct clock_port *clock = agent->options.clock;
    struct unit *unit = map_get(agent->units, name);

    if (unit) return unit;
    unit = mem_alloc(sizeof(*unit));
    unit->agent = agent;
    unit->name = mem_strdup(name);
    unit->probe_ns_fd = -1;
    unit->since_ms = clock->wall_ms(clock->self);
    map_put(agent->units, name, unit);
    return unit;
}

void unit_free(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;
    unit_unwatch(unit);
    socket_close(unit);
    clock->cancel(clock->self, unit->rest);
    clock->cancel(clock->self, unit->balance_again);
    buf_free(&unit->last_words);
    doors_close(unit);
    mem_free(unit->publish_taken);
    mem_free(unit->store);
    arena_free(unit->wanted_arena);
    arena_free(unit->have_arena);
    mem_free(unit->name);
    mem_free(unit);
}

void unit_want(struct unit *unit, const struct personality *personality)
{
    struct arena *old = unit->wanted_arena;

    unit->wanted_arena = NULL;
    unit->wanted = NULL;
    if (personality && personality->incarnation != unit->failed_incarnation) {
        unit->restarts = 0; /* they were another's */
        unit->tries = 0;
    }
    if (personality) {
        unit->wanted_arena = arena_new();
        unit->wanted = copy_personality(unit->wanted_arena, personality);
    }
    arena_free(old);
}

/* An instance that an earlier agent of this boot made. One that does not run is taken down and made anew. */
void unit_adopt(struct unit *unit, const struct compute_found *found)
{
    const struct clock_port *clock = unit->agent->options.clock;
    struct personality *have = NULL;
    struct error err;

    unit->have_arena = arena_new();
    have = arena_alloc(unit->have_arena, sizeof(*have));
    unit->state = UNIT_UP;
    unit->balanced = true; /* by the earlier agent */
    unit->frozen = found->frozen;
    unit->started_us = clock->steady_us(clock->self);
    unit->have = have;
    unit->store = found->store ? mem_strdup(found->store) : NULL;
    unit->failed_incarnation = found->incarnation; /* if it did */
    if (!model_read_json(&schema_personality, unit->have_arena, found->personality_json,
                         strlen(found->personality_json), have, &err)) {
        *have = (struct personality){.instance = unit->name, .farm = "", .incarnation = found->incarnation};
        unit->stop_asked = true;
        say(unit, "what is here cannot be read: %s", err.message);
    } else if (!found->running) {
        unit->restarts++;
        unit->stop_asked = true;
        say(unit, "ended while the agent was away");
    } else {
        doors_adopt(unit);
        /* What runs goes on without it. */
        if (!socket_open(unit, &err)) agent_log(unit->agent, "the socket of an instance", &err);
        unit_watch(unit);
    }
}

void unit_step(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;

    switch (unit->state) {
    case UNIT_ABSENT:
        unit->stop_asked = false;
        if (!unit->wanted || !has_secrets(unit)) return;
        if (has_image(unit)) {
            make(unit);
        } else {
            turn(unit, UNIT_FETCHING);
            fetch(unit);
        }
        return;
    case UNIT_FETCHING:
        if (unit->wanted && !has_image(unit))
            fetch(unit);
        else
            make_later(unit);
        return;
    case UNIT_UP:
        unit->stop_asked |= unit->last != LAST_NOT && unit->wanted && unit->wanted->wanted != WANTED_DRAIN;
        if (unit->stop_asked || !unit->wanted || unit->wanted->incarnation != unit->have->incarnation)
            want_nothing_here(unit);
        else
            settle(unit);
        return;
    case UNIT_RESTING:
        /* The rest is for what failed; something else may be tried at once. */
        if (unit->wanted && unit->wanted->incarnation == unit->failed_incarnation) return;
        clock->cancel(clock->self, unit->rest);
        unit->rest = NULL;
        unit->tries = 0;
        unit->restarts = 0;
        make_later(unit);
        return;
    case UNIT_MAKING:
    case UNIT_STARTING:
    case UNIT_STOPPING:
    case UNIT_WIPING:
        return; /* an operation is under way; its end steps again */
    }
}

void units_step_soon(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    if (!agent->step_soon) agent->step_soon = clock->after(clock->self, 0, step_all, agent);
}

void unit_exited(void *ctx, const char *instance, int64_t incarnation, int status, bool out_of_memory)
{
    struct agent *agent = ctx;
    struct unit *unit = map_get(agent->units, instance);

    if (!unit || !unit->have || unit->have->incarnation != incarnation) return;
    if (PLANTED(exit_unheard) && unit->state == UNIT_UP) return;
    unit->exit_status = status;
    unit->exit_out_of_memory = out_of_memory;
    if (unit->state == UNIT_STARTING)
        unit->exited_early = true;
    else if (unit->state == UNIT_UP)
        exited(unit);
}

/* It is not what it should be: take down what is here, and try again after a rest that grows while it fails
 * soon after its start. */
void unit_fail(struct unit *unit, const char *format, ...)
{
    const struct clock_port *clock = unit->agent->options.clock;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(unit->reason, sizeof(unit->reason), format, arguments);
    va_end(arguments);
    unit->restarts++;
    unit->stop_asked = true;
    unit->failed_incarnation = unit->have     ? unit->have->incarnation
                               : unit->wanted ? unit->wanted->incarnation
                                              : 0;
    if (unit->state == UNIT_UP && clock->steady_us(clock->self) - unit->started_us > STEADY_US)
        unit->tries = 0;
    unit->tries++;
    unit->health = HEALTH_BAD;
    size_t used = strlen(unit->reason);
    if (rest_ms(unit) > 0)
        snprintf(unit->reason + used, sizeof(unit->reason) - used, "; try %u in %.1f s", unit->tries + 1,
                 (double)rest_ms(unit) / 1000);
    report_soon(unit->agent);
    if (unit->state == UNIT_FETCHING) {
        turn(unit, UNIT_RESTING);
        rest(unit);
    } else {
        unit_step(unit);
    }
}

void unit_restart(struct unit *unit)
{
    if (unit->state != UNIT_UP || unit->stop_asked) return;
    unit->stop_gently = true;
    unit_fail(unit, "it asked to be restarted%s%s", unit->restart_words[0] ? ": " : "", unit->restart_words);
}

const char *unit_farm_short(const char *full_name)
{
    const char *slash = strrchr(full_name, '/');
    return slash ? slash + 1 : full_name;
}

static void exited(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;
    double ran_s = (double)(clock->steady_us(clock->self) - unit->started_us) / 1e6;
    int status = unit->exit_status;

    if (unit->last != LAST_NOT) {
        unit->last = LAST_ENDED;
        report_soon(unit->agent);
        return;
    }
    if (unit->exit_out_of_memory)
        unit_fail(unit, "killed for want of memory after %.1f s: size.memory is too small for it", ran_s);
    else if (status < 0)
        unit_fail(unit, "ended while the agent was away");
    else if (status > 128)
        unit_fail(unit, "killed by signal %d after %.1f s", status - 128, ran_s);
    else
        unit_fail(unit, "exited with %d after %.1f s", status, ran_s);
}

/* The reason that is shown; a longer one is cut. */
static void say(struct unit *unit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(unit->reason, sizeof(unit->reason), format, arguments);
    va_end(arguments);
}

/* Stops and wipes what is here. What was drained has no work to end, what failed nothing to save. */
static void want_nothing_here(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    int64_t grace_ms = unit->wanted ? STOP_GRACE_MS : GONE_GRACE_MS;

    unit_unwatch(unit);
    if (unit->stop_asked && !unit->stop_gently) {
        wipe(unit);
        return;
    }
    turn(unit, UNIT_STOPPING);
    compute->stop(compute->self, unit->name, grace_ms, stopped, unit);
}

/* Nothing of a party is made before its key service has released its secret: it would find nothing of what
 * it stores. A release steps all units. */
static bool has_secrets(struct unit *unit)
{
    struct error err;

    if (disk_keys_ready(unit->agent, unit->wanted->party, &err)) return true;
    unit->was_kept_waiting = true;
    if (!text_equal(unit->reason, err.message)) {
        say(unit, "%s", err.message);
        report_soon(unit->agent);
    }
    return false;
}

/* What the document in force does not name cannot be made, but need not be fetched either. */
static bool has_image(const struct unit *unit)
{
    const struct image *image = agent_image(unit->agent, unit->wanted->digest);
    return !image || images_here(unit->agent, image);
}

/* What cannot even be begun yet has not failed: it waits, and says for what. */
static void fetch(struct unit *unit)
{
    struct error err;

    if (fetch_image(unit->agent, unit->wanted->digest, &err) || text_equal(unit->reason, err.message)) return;
    say(unit, "%s", err.message);
    report_soon(unit->agent);
}

static void make(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    const struct image *image = agent_image(unit->agent, unit->wanted->digest);
    const struct blob_port *blobs = NULL;
    struct compute_place place = {0};
    struct error err;
    char path[256];

    if (!image) return; /* a newer document will name it; the one in force cannot */
    ASSERT(images_place(unit->agent, image, &place.store, &blobs));
    unit->store = place.store ? mem_strdup(place.store) : NULL;
    turn(unit, UNIT_MAKING);
    unit->have_arena = arena_new();
    unit->have = copy_personality(unit->have_arena, unit->wanted);
    unit->frozen = false;
    unit->health = HEALTH_UNKNOWN;
    unit->beaten = false;
    if (!open_place(unit, &place, path, sizeof(path), &err)) {
        made(unit, &err);
    } else {
        /* The driver works on what the balancer's command and files make of the personality, but what is
         * compared with the document later is the personality as it came. */
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct personality dressed = *unit->have;
        const struct balance_driver *balance = unit->agent->options.balance;
        if (dressed.frontends_length > 0) balance->personalize(balance->self, arena, &dressed);
        compute->create(compute->self, &dressed, image, &place, made, unit);
    }
}

static bool open_place(struct unit *unit, struct compute_place *ret_place, char *ret_path, size_t path_size,
                       struct error *err)
{
    const struct net_driver *network = unit->agent->options.network;
    const struct personality *have = unit->have;
    const struct host_document *document = &unit->agent->good->document;
    const char *slash = strchr(have->farm, '/');

    if (!network->port_add(network->self, have->farm, unit_farm_short(unit->name), ret_path, path_size, err))
        return false;
    if (!doors_open(unit, err)) return false;
    ret_place->net_ns_path = ret_path;
    ret_place->hostname = unit_farm_short(unit->name);
    ret_place->domain = arena_printf(unit->have_arena, "%s.%s", slash ? slash + 1 : have->farm, have->party);
    for (size_t i = 0; i < document->farms_length; i++)
        if (text_equal(document->farms[i].name, have->farm)) ret_place->resolver = document->farms[i].gateway;
    ret_place->keep_fds = doors_fds(unit, unit->have_arena, &ret_place->keep_fds_length);
    return true;
}

static void made(void *ctx, const struct error *err)
{
    struct unit *unit = ctx;
    const struct compute_driver *compute = unit->agent->options.compute;
    struct error failure;

    if (!err && !socket_open(unit, &failure)) err = &failure;
    if (err) {
        unit_fail(unit, "could not be made: %s", err->message);
        wipe(unit);
        return;
    }
    turn(unit, UNIT_STARTING);
    unit->exited_early = false;
    compute->start(compute->self, unit->name, started, unit);
}

static void started(void *ctx, const struct error *err)
{
    struct unit *unit = ctx;
    const struct clock_port *clock = unit->agent->options.clock;

    if (err) {
        unit_fail(unit, "could not be started: %s", err->message);
        wipe(unit);
        return;
    }
    turn(unit, UNIT_UP);
    load_forget(unit->agent, unit->name);
    unit->started_us = clock->steady_us(clock->self);
    unit->reason[0] = 0;
    if (unit->was_kept_waiting) /* or the old reason would stand */
        say(unit, "the secrets that %s stores with are here", unit->have->party);
    unit->was_kept_waiting = false;
    unit->balanced = unit->have->frontends_length == 0;
    if (unit->exited_early) { /* faster than the word that it had started */
        exited(unit);
        return;
    }
    unit_watch(unit);
    unit_balance(unit);
    unit_step(unit);
}

/* It runs and is of the incarnation that is wanted. While a roll-out goes on, the document shows an old
 * instance with today's command, environment and files: what an incarnation was made from stays, and only
 * whether it serves, and a balancer's servers, are followed. A new personality comes as a new incarnation. */
static void settle(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    bool freeze = unit->wanted->wanted == WANTED_WARM && unit->health == HEALTH_GOOD;
    struct error err;

    if (unit->wanted->wanted == WANTED_DRAIN && unit->have->frontends_length > 0) {
        retire(unit);
        return;
    }
    if (unit->frozen && unit->wanted->wanted != WANTED_WARM) {
        if (!compute->thaw(compute->self, unit->name, &err)) {
            unit_fail(unit, "could not be let in from the door: %s", err.message);
            return;
        }
        unit->frozen = false;
        unit_watch(unit);
        report_soon(unit->agent);
    } else if (!unit->frozen && freeze) {
        unit_unwatch(unit);
        if (!compute->freeze(compute->self, unit->name, &err)) {
            unit_fail(unit, "could not be held at the door: %s", err.message);
            return;
        }
        unit->frozen = true;
        report_soon(unit->agent);
    }
}

/* A balancer whose successor serves on the same sockets: it takes no connection any more, and has done its
 * work when it ends with the last that it has. */
static void retire(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    struct error err;

    if (unit->last != LAST_NOT) return;
    unit_unwatch(unit);
    forget_balance(unit); /* HAProxy would wait for the end of this conversation too */
    unit->last = LAST_ENDING;
    if (compute->signal(compute->self, unit->name, BALANCE_LAST_SIGNAL, &err)) return;
    agent_log(unit->agent, "retiring a balancer", &err);
    unit->last = LAST_ENDED;
    report_soon(unit->agent);
}

void unit_balance(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    const struct balance_driver *balance = unit->agent->options.balance;

    if (unit->state != UNIT_UP || unit->last != LAST_NOT || !unit->wanted ||
        unit->wanted->frontends_length == 0)
        return;
    unit->balances_open++;
    balance->apply(balance->self, unit->wanted, compute->control_directory(compute->self, unit->name),
                   balanced, unit);
}

/* Until it has got its servers for the first time a balancer is not up: it would refuse all who come. What it
 * was asked last is in service when nothing that it was asked is open any more: only that is said back. */
static void balanced(void *ctx, const struct error *err)
{
    struct unit *unit = ctx;
    const struct clock_port *clock = unit->agent->options.clock;

    unit->balances_open--;
    if (unit->state != UNIT_UP || unit->stop_asked) return;
    if (err && !unit->balanced) {
        unit_fail(unit, "has not got its servers: %s", err->message);
        return;
    }
    if (unit->balances_open > 0 || !unit->wanted) return;
    if (err) {
        clock->cancel(clock->self, unit->balance_again);
        unit->balance_again = clock->after(clock->self, BALANCE_AGAIN_US, balance_again, unit);
        return;
    }
    snprintf(unit->frontends_hash, sizeof(unit->frontends_hash), "%s", unit->wanted->frontends_hash);
    unit->balanced = true;
    report_soon(unit->agent);
}

static void balance_again(void *ctx)
{
    struct unit *unit = ctx;
    unit->balance_again = NULL;
    unit_balance(unit);
}

/* With the balancer's end; the driver answers nothing of it any more. */
static void forget_balance(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;
    const struct balance_driver *balance = unit->agent->options.balance;

    if (unit->have->frontends_length > 0 || unit->balances_open > 0)
        balance->remove(balance->self, unit->name);
    clock->cancel(clock->self, unit->balance_again);
    unit->balance_again = NULL;
    unit->balances_open = 0;
    unit->frontends_hash[0] = 0;
}

static void stopped(void *ctx, const struct error *err)
{
    struct unit *unit = ctx;
    if (err) agent_log(unit->agent, "stopping an instance", err);
    wipe(unit); /* kills what did not want to stop */
}

static void wipe(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;

    unit_unwatch(unit);
    socket_close(unit); /* it is on what will be unmounted */
    if (unit->stop_asked) keep_last_words(unit);
    kept_logs_add(unit);
    turn(unit, UNIT_WIPING);
    if (PLANTED(wipe_skipped)) {
        wiped(unit, NULL);
        return;
    }
    compute->wipe(compute->self, unit->name, wiped, unit);
}

/* What a failed instance said last goes with its wiping, and is just what whoever has to mend it wants to
 * see. Kept in memory, for its own tenant, until the unit goes. */
static void keep_last_words(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    int64_t offset = -LAST_WORDS_SIZE;
    struct buf words = {0};
    struct error err;

    if (!compute->log(compute->self, unit->name, &offset, LAST_WORDS_SIZE, &words, &err)) buf_clear(&words);
    if (words.size ==
        0) { /* it failed before it could say anything: what it said before that still tells more */
        buf_free(&words);
        return;
    }
    buf_free(&unit->last_words);
    unit->last_words = words;
}

static void wiped(void *ctx, const struct error *failure)
{
    struct unit *unit = ctx;
    struct agent *agent = unit->agent;
    const struct clock_port *clock = agent->options.clock;

    if (failure) {
        wipe_again(unit, failure);
        return;
    }
    *(struct unit **)vec_push(&agent->wiped) = unit;
    if (!agent->wiped_next) agent->wiped_next = clock->after(clock->self, 0, leave_ports, agent);
}

/* Many may end together, and a port's connections are looked for among all of the machine. */
static void leave_ports(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    int64_t end_us = clock->steady_us(clock->self) + LEAVE_US;

    agent->wiped_next = NULL;
    do {
        struct unit *unit = *(struct unit **)vec_at(&agent->wiped, 0);
        vec_remove(&agent->wiped, 0);
        leave_port(unit);
    } while (agent->wiped.length > 0 && clock->steady_us(clock->self) < end_us);
    if (agent->wiped.length > 0) agent->wiped_next = clock->after(clock->self, 0, leave_ports, agent);
}

static void leave_port(struct unit *unit)
{
    const struct net_driver *network = unit->agent->options.network;
    bool failed = unit->stop_asked && unit->wanted && unit->wanted->incarnation == unit->have->incarnation;
    struct error err;

    if (!network->port_remove(network->self, unit->have->farm, unit_farm_short(unit->name), &err)) {
        wipe_again(unit, &err);
        return;
    }
    forget_balance(unit);
    arena_free(unit->have_arena);
    unit->have_arena = NULL;
    unit->have = NULL;
    mem_free(unit->store);
    unit->store = NULL;
    private_unused(unit->agent);
    unit->agent->trim_due = true;
    unit->frozen = false;
    unit->stop_asked = unit->stop_gently = false;
    unit->last = LAST_NOT;
    if (failed) {
        turn(unit, UNIT_RESTING);
        rest(unit);
    } else {
        unit->restarts = 0;
        unit->tries = 0;
        turn(unit, UNIT_ABSENT);
        units_step_soon(unit->agent);
    }
}

/* What cannot be wiped is not gone: it keeps its place and is tried again. */
static void wipe_again(struct unit *unit, const struct error *err)
{
    const struct clock_port *clock = unit->agent->options.clock;

    say(unit, "cannot be wiped: %s", err->message);
    agent_log(unit->agent, unit->name, err);
    unit->rest = clock->after(clock->self, REST_FIRST_MS * 1000, rested, unit);
    report_soon(unit->agent);
}

static void rest(struct unit *unit)
{
    const struct clock_port *clock = unit->agent->options.clock;
    int64_t wait_ms = rest_ms(unit);

    /* Callers who would have to wait for long are better refused. */
    if (wait_ms >= LISTEN_REST_MS) doors_close(unit);
    clock->cancel(clock->self, unit->rest);
    unit->rest = PLANTED(timer_never_fires) && wait_ms > 0
                     ? NULL
                     : clock->after(clock->self, wait_ms * 1000, rested, unit);
    report_soon(unit->agent);
}

/* The first failure is mended at once; then after 250 ms, doubling up to a minute. */
static int64_t rest_ms(const struct unit *unit)
{
    int64_t wait_ms = unit->tries <= 1 ? 0 : REST_FIRST_MS;

    for (unsigned i = 2; i < unit->tries && wait_ms < REST_MAX_MS; i++)
        wait_ms *= 2;
    return wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS;
}

static void rested(void *ctx)
{
    struct unit *unit = ctx;
    unit->rest = NULL;
    if (unit->state == UNIT_WIPING) {
        const struct compute_driver *compute = unit->agent->options.compute;
        compute->wipe(compute->self, unit->name, wiped, unit);
    } else if (unit->state == UNIT_RESTING) {
        make_later(unit);
    }
}

/* Many may wait for one image, or have failed together: one of them is made a turn. */
static void make_later(struct unit *unit)
{
    turn(unit, UNIT_ABSENT);
    units_step_soon(unit->agent);
}

static void turn(struct unit *unit, enum unit_state state)
{
    const struct clock_port *clock = unit->agent->options.clock;

    ASSERT(transitions[unit->state] & 1U << state);
    unit->state = state;
    unit->since_ms = clock->wall_ms(clock->self);
    report_soon(unit->agent);
}

/* Through its text: the one form that reaches everything that it points to. */
static const struct personality *copy_personality(struct arena *arena, const struct personality *personality)
{
    CLEANUP_BUF struct buf json = {0};
    struct personality *copy = arena_alloc(arena, sizeof(*copy));
    struct error err;

    schema_write(&schema_personality, NULL, personality, &json);
    ASSERT(model_read_json(&schema_personality, arena, buf_text(&json), json.size, copy, &err));
    return copy;
}

/* What is quick comes first: an instance let in from the door, or a balancer's new server, does not wait
 * until others are made. Of those one is made a turn, so that answers are heard in between. */
static void step_all(void *ctx)
{
    struct agent *agent = ctx;
    size_t cursor = 0;
    void *value = NULL;

    agent->step_soon = NULL;
    if (!agent->confirmed_boot) return; /* nothing is wanted yet because nothing was said yet */
    while (map_next(agent->units, &cursor, NULL, &value)) {
        struct unit *unit = value;
        if (unit->wanted && unit->state == UNIT_ABSENT) continue;
        unit_step(unit);
        if (unit->wanted || unit->state != UNIT_ABSENT) continue;
        map_remove(agent->units, unit->name);
        unit_free(unit);
        report_soon(agent);
        keys_look_soon(agent);
    }
    farms_trim(agent);
    make_next(agent, false);
}

static void make_warm(void *ctx)
{
    struct agent *agent = ctx;
    agent->make_warm = NULL;
    make_next(agent, true);
}

/* Nobody waits for a warm instance, so it lets those pass that serve. */
static void make_next(struct agent *agent, bool warm)
{
    const struct clock_port *clock = agent->options.clock;
    size_t cursor = 0;
    void *value = NULL;
    bool made = false, more[2] = {false, false};

    while (map_next(agent->units, &cursor, NULL, &value)) {
        struct unit *unit = value;
        if (!unit->wanted || unit->state != UNIT_ABSENT) continue;
        size_t kind = unit->wanted->wanted == WANTED_WARM;
        if (made || kind != warm) {
            more[kind] = true;
            continue;
        }
        unit_step(unit); /* it stays absent while the document does not name its image */
        made = unit->state != UNIT_ABSENT;
    }
    if (more[false] && (made || warm)) units_step_soon(agent);
    if (more[true] && !agent->make_warm)
        agent->make_warm = clock->after(clock->self, MAKE_WARM_US, make_warm, agent);
}
