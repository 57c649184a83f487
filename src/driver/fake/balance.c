/* Balancers: which servers they have, and which of those nobody is connected to any more. */
#include "driver/fake/inside.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>

enum { APPLY_MS = 3 };

struct server {
    char *name;
    bool drain, told;
};

struct balancer {
    struct vec servers; /* struct server */
};

struct fake_balance {
    struct balance_driver driver;
    struct fake_host *host;
    struct balance_events events;
    struct vec waits; /* struct wait * */
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
    mem_free(balancer);
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
    balance->host->balance = NULL;
    mem_free(balance);
}

static void set_events(void *self, const struct balance_events *events)
{
    ((struct fake_balance *)self)->events = *events;
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
    for (size_t i = 0; i < personality->frontends_length; i++)
        for (size_t j = 0; j < personality->frontends[i].servers_length; j++) {
            const struct balance_server *from = &personality->frontends[i].servers[j];
            *(struct server *)vec_push(&balancer->servers) =
                (struct server){mem_strdup(from->instance), from->drain, false};
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
    fake_balancer_free(map_put(balancers, wait->instance, wait->wanted));
    wait->wanted = NULL;
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
    for (size_t i = 0; i < balancer->servers.length; i++)
        mem_free(((struct server *)vec_at(&balancer->servers, i))->name);
    vec_clear(&balancer->servers);
}
