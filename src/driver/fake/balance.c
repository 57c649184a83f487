/* Balancers: which servers they have, and which of those nobody is connected to any more. */
#include "driver/fake/inside.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { APPLY_MS = 3, COUNT_MS = 1000, USE_MILLIS_MAX = 950, SAMPLES = 20 };

/* Twenty times that stand for an exponential one of mean 1, in thousandths: the mean of each twentieth of it.
 */
static const int64_t exponential_millis[SAMPLES] = {25,  78,  134, 193,  255,  322,  393,  470,  554,  645,
                                                    745, 856, 982, 1125, 1292, 1494, 1746, 2086, 2609, 3996};

struct server {
    char *name, *frontend;
    bool drain, told;
    int64_t units;
};

/* Totals of a frontend. */
struct frontend {
    char *name;
    int64_t units_millis, refused_millis;
};

struct balancer {
    struct vec servers;   /* struct server */
    struct vec frontends; /* struct frontend */
};

struct fake_balance {
    struct balance_driver driver;
    struct fake_host *host;
    struct balance_events events;
    struct vec waits;       /* struct wait * */
    struct timer *counting; /* NULL: nobody asks anything */
};

struct wait {
    struct fake_balance *balance;
    struct timer *timer;
    char *instance;
    struct balancer *wanted; /* what is so when the wait is over; NULL: it fails */
    balance_done done;       /* NULL: nobody asked */
    void *ctx;
};

static void destroy(void *self);
static void set_events(void *self, const struct balance_events *events);
static void personalize(void *self, struct arena *arena, struct personality *personality);
static bool listen_at(void *self, const char *publish, int *ret_fd, struct error *err);
static bool take(void *self, int64_t pid, size_t rank, const char *publish, int *ret_fd, struct error *err);
static void apply(void *self, const struct personality *personality, const char *control_directory,
                  balance_done done, void *ctx);
static void forget(void *self, const char *instance);
static void wait_over(void *ctx);
static void take_over(struct wait *wait);
static void wait_free(struct wait *wait);
static struct server *find(struct balancer *balancer, const char *name);
static void servers_clear(struct balancer *balancer);
static void count(void *ctx);
static void count_balancer(struct fake_balance *balance, const char *name, struct balancer *balancer);
static void ask_frontend(struct fake_balance *balance, const char *name, struct balancer *balancer,
                         struct frontend *frontend, const struct fake_demand *demand, const char *farm,
                         int64_t *ret_open);
static bool serves(const struct fake_world *world, const char *instance);
static void keep_totals(const struct balancer *old, struct balancer *wanted);

const struct balance_driver *fake_balance_new(struct fake_host *host)
{
    struct fake_balance *balance = mem_alloc(sizeof(*balance));

    ASSERT(!host->balance);
    host->balance = balance;
    balance->host = host;
    balance->waits = VEC_OF(struct wait *);
    balance->driver =
        (struct balance_driver){balance, destroy, set_events, personalize, listen_at, take, apply, forget};
    return &balance->driver;
}

void fake_balancer_free(void *pointer)
{
    struct balancer *balancer = pointer;
    if (!balancer) return;
    servers_clear(balancer);
    vec_free(&balancer->servers);
    for (size_t i = 0; i < balancer->frontends.length; i++)
        mem_free(((struct frontend *)vec_at(&balancer->frontends, i))->name);
    vec_free(&balancer->frontends);
    mem_free(balancer);
}

void balance_asked(struct fake_balance *balance)
{
    if (!balance->counting && balance->events.counted && map_length(balance->host->world->demands) > 0)
        balance->counting = world_after(balance->host->world, COUNT_MS, count, balance);
}

static void count(void *ctx)
{
    struct fake_balance *balance = ctx;
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    balance->counting = NULL;
    while (map_next(balance->host->balancers, &cursor, &name, &value))
        if (serves(balance->host->world, name)) count_balancer(balance, name, value);
    balance_asked(balance);
}

/* As HAProxy would: totals of the frontends and of their servers, and some requests with their times. */
static void count_balancer(struct fake_balance *balance, const char *name, struct balancer *balancer)
{
    const struct clock_port *clock = balance->host->world->clock;
    CLEANUP_MEM char *farm = mem_strndup(name, (size_t)(strrchr(name, '/') - name));
    struct vec counters = VEC_OF(struct balance_counters);

    for (size_t i = 0; i < balancer->frontends.length; i++) {
        struct frontend *frontend = vec_at(&balancer->frontends, i);
        CLEANUP_MEM char *key = mem_printf("%s %s", farm, frontend->name);
        const struct fake_demand *demand = map_get(balance->host->world->demands, key);
        struct balance_counters *total = vec_push(&counters);
        snprintf(total->frontend, sizeof(total->frontend), "%s", frontend->name);
        if (demand && demand->rate_millis > 0)
            ask_frontend(balance, name, balancer, frontend, demand, farm, &total->open);
        total->units = frontend->units_millis / 1000;
        total->refused = frontend->refused_millis / 1000;
        total->failed = total->refused;
        total->bytes = demand ? total->units * demand->bytes : 0;
    }
    for (size_t i = 0; i < balancer->servers.length; i++) {
        const struct server *server = vec_at(&balancer->servers, i);
        struct balance_counters *counted = vec_push(&counters);
        snprintf(counted->frontend, sizeof(counted->frontend), "%s", server->frontend);
        snprintf(counted->server, sizeof(counted->server), "%s", server->name);
        counted->units = server->units;
    }
    balance->events.counted(balance->events.ctx, name, clock->steady_us(clock->self), counters.items,
                            counters.length);
    vec_free(&counters);
}

/* A second of it. */
static void ask_frontend(struct fake_balance *balance, const char *name, struct balancer *balancer,
                         struct frontend *frontend, const struct fake_demand *demand, const char *farm,
                         int64_t *ret_open)
{
    const struct fake_world *world = balance->host->world;
    struct vec serving = VEC_OF(struct server *);

    for (size_t i = 0; i < balancer->servers.length; i++) {
        struct server *server = vec_at(&balancer->servers, i);
        CLEANUP_MEM char *full = mem_printf("%s/%s", farm, server->name);
        if (!server->drain && text_equal(server->frontend, frontend->name) && serves(world, full))
            *(struct server **)vec_push(&serving) = server;
    }
    int64_t concurrency = demand->concurrency > 0 ? demand->concurrency : 1;
    int64_t most_millis = (int64_t)serving.length * concurrency * 1000000000 / demand->service_us;
    int64_t served_millis = most_millis * USE_MILLIS_MAX / 1000;
    if (served_millis > demand->rate_millis) served_millis = demand->rate_millis;
    frontend->units_millis += demand->rate_millis;
    frontend->refused_millis += demand->rate_millis - served_millis;
    if (served_millis > 0) {
        int64_t use_millis = served_millis * 1000 / most_millis;
        int64_t mean_us = demand->service_us * 1000 / (1000 - use_millis);
        *ret_open = served_millis * mean_us / 1000000000; /* Little's law */
        int64_t weight = served_millis / 1000 / SAMPLES;
        for (size_t i = 0; i < SAMPLES && balance->events.sample; i++) {
            struct server *server = *(struct server **)vec_at(&serving, i % serving.length);
            int64_t time_us = mean_us * exponential_millis[i] / 1000;
            const struct balance_sample sample = {.frontend = frontend->name,
                                                  .server = server->name,
                                                  .status = 200,
                                                  .weight = weight > 1 ? weight : 1,
                                                  .head_us = time_us,
                                                  .all_us = time_us};
            server->units += served_millis / 1000 / SAMPLES;
            balance->events.sample(balance->events.ctx, name, &sample);
        }
    }
    vec_free(&serving);
}

/* It runs somewhere, and does its work. */
static bool serves(const struct fake_world *world, const char *instance)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!map_get(world->running, instance)) return false;
    while (map_next(world->hosts, &cursor, NULL, &value)) {
        const struct trace *trace = map_get(((const struct fake_host *)value)->traces, instance);
        if (trace && trace->running) return !trace->frozen && !trace->hangs;
    }
    return false;
}

void balance_look(struct fake_balance *balance)
{
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    while (map_next(balance->host->balancers, &cursor, &name, &value)) {
        struct balancer *balancer = value;
        for (size_t i = 0; i < balancer->servers.length; i++) {
            struct server *server = vec_at(&balancer->servers, i);
            if (!server->drain || server->told || map_get(balance->host->held, server->name)) continue;
            server->told = true;
            if (balance->events.drained) balance->events.drained(balance->events.ctx, name, server->name);
        }
    }
}

void balance_add_servers(const struct fake_host *host, const char *instance, struct buf *ret_text)
{
    const struct balancer *balancer = map_get(host->balancers, instance);

    for (size_t i = 0; balancer && i < balancer->servers.length; i++) {
        const struct server *server = vec_at(&balancer->servers, i);
        buf_printf(ret_text, "%s%s%s", i ? " " : "", server->name, server->drain ? "=drain" : "");
    }
}

static void destroy(void *self)
{
    struct fake_balance *balance = self;
    while (balance->waits.length > 0)
        wait_free(*(struct wait **)vec_at(&balance->waits, 0));
    vec_free(&balance->waits);
    world_cancel(balance->host->world, balance->counting);
    balance->host->balance = NULL;
    mem_free(balance);
}

static void set_events(void *self, const struct balance_events *events)
{
    struct fake_balance *balance = self;
    balance->events = *events;
    balance_asked(balance);
}

static void personalize(void *self, struct arena *arena, struct personality *personality)
{
    const char **command = arena_alloc_array(arena, 1, sizeof(*command));
    command[0] = "balance";
    personality->command = command;
    personality->command_length = 1;
}

/* Nobody connects from outside: any descriptor does. */
static bool listen_at(void *self, const char *publish, int *ret_fd, struct error *err)
{
    struct fake_balance *balance = self;
    if (!map_get(balance->host->guarded, publish))
        return error_set(err, ERROR_FAILED, "opening %s, where nothing judges who comes", publish);
    if (map_get(balance->host->busy, publish))
        return error_set(err, ERROR_CONFLICT, "cannot publish at %s: the address is in use", publish);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open /dev/null");
    balance->host->counts.listens++;
    *ret_fd = fd;
    return true;
}

static bool take(void *self, int64_t pid, size_t rank, const char *publish, int *ret_fd, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "fake balancers have no sockets");
}

static void apply(void *self, const struct personality *personality, const char *control_directory,
                  balance_done done, void *ctx)
{
    struct fake_balance *balance = self;
    struct balancer *balancer = mem_alloc(sizeof(*balancer));
    struct wait *wait = mem_alloc(sizeof(*wait));

    balance->host->counts.balances++;
    balancer->servers = VEC_OF(struct server);
    balancer->frontends = VEC_OF(struct frontend);
    for (size_t i = 0; i < personality->frontends_length; i++) {
        const struct balance_frontend *frontend = &personality->frontends[i];
        *(struct frontend *)vec_push(&balancer->frontends) =
            (struct frontend){.name = mem_strdup(frontend->name)};
        for (size_t j = 0; j < frontend->servers_length; j++) {
            const struct balance_server *from = &frontend->servers[j];
            *(struct server *)vec_push(&balancer->servers) =
                (struct server){.name = mem_strdup(from->instance),
                                .frontend = mem_strdup(frontend->name),
                                .drain = from->drain};
        }
    }
    if (fails_now(&balance->host->balances_fail)) {
        fake_balancer_free(balancer);
        balancer = NULL;
    }
    *wait = (struct wait){balance, NULL, mem_strdup(personality->instance), balancer, done, ctx};
    wait->timer = world_after(balance->host->world, APPLY_MS, wait_over, wait);
    *(struct wait **)vec_push(&balance->waits) = wait;
}

static void forget(void *self, const char *instance)
{
    struct fake_balance *balance = self;
    fake_balancer_free(map_remove(balance->host->balancers, instance));
    for (size_t i = balance->waits.length; i-- > 0;) {
        struct wait *wait = *(struct wait **)vec_at(&balance->waits, i);
        if (text_equal(wait->instance, instance)) wait_free(wait);
    }
}

static void wait_over(void *ctx)
{
    struct wait *wait = ctx;
    struct fake_balance *balance = wait->balance;
    balance_done done = wait->done;
    void *done_ctx = wait->ctx;
    bool fails = wait->wanted == NULL;
    struct error err;

    error_set(&err, ERROR_TIMEOUT, "balancer %s was not brought up to date in time", wait->instance);
    wait->timer = NULL;
    if (!fails) take_over(wait);
    wait_free(wait);
    balance_look(balance);
    if (done) done(done_ctx, fails ? &err : NULL);
}

static void take_over(struct wait *wait)
{
    struct map *balancers = wait->balance->host->balancers;
    struct balancer *old = map_get(balancers, wait->instance);

    for (size_t i = 0; old && i < wait->wanted->servers.length; i++) {
        struct server *server = vec_at(&wait->wanted->servers, i);
        const struct server *before = find(old, server->name);
        server->told = server->drain && before && before->told;
    }
    if (old) keep_totals(old, wait->wanted);
    fake_balancer_free(map_put(balancers, wait->instance, wait->wanted));
    wait->wanted = NULL;
}

static void keep_totals(const struct balancer *old, struct balancer *wanted)
{
    for (size_t i = 0; i < wanted->frontends.length; i++) {
        struct frontend *frontend = vec_at(&wanted->frontends, i);
        for (size_t k = 0; k < old->frontends.length; k++) {
            const struct frontend *before = vec_at(&old->frontends, k);
            if (!text_equal(before->name, frontend->name)) continue;
            frontend->units_millis = before->units_millis;
            frontend->refused_millis = before->refused_millis;
        }
    }
}

static void wait_free(struct wait *wait)
{
    struct vec *waits = &wait->balance->waits;
    for (size_t i = 0; i < waits->length; i++) {
        if (*(struct wait **)vec_at(waits, i) != wait) continue;
        vec_remove(waits, i);
        break;
    }
    world_cancel(wait->balance->host->world, wait->timer);
    fake_balancer_free(wait->wanted);
    mem_free(wait->instance);
    mem_free(wait);
}

static struct server *find(struct balancer *balancer, const char *name)
{
    for (size_t i = 0; i < balancer->servers.length; i++) {
        struct server *server = vec_at(&balancer->servers, i);
        if (text_equal(server->name, name)) return server;
    }
    return NULL;
}

static void servers_clear(struct balancer *balancer)
{
    for (size_t i = 0; i < balancer->servers.length; i++) {
        struct server *server = vec_at(&balancer->servers, i);
        mem_free(server->name);
        mem_free(server->frontend);
    }
    vec_clear(&balancer->servers);
}
