#include "driver/balance/balance_internal.h"

#include "base/text.h"
#include "driver/balance/balance_config.h"
#include "driver/balance/balance_listen.h"

enum { APPLY_US_MAX = 5000000 };

enum notice_kind { NOTICE_DRAINED, NOTICE_HEALTH, NOTICE_DONE };

struct notice {
    enum notice_kind kind;
    char *balancer;
    char *server;
    bool good;
    struct waiting waiting;
    struct error *error; /* of NOTICE_DONE, or NULL */
};

static void destroy(void *self);
static void set_events(void *self, const struct balance_events *events);
static void personalize(void *self, struct arena *arena, struct personality *personality);
static bool listen_published(void *self, const char *publish, int *ret_fd, struct error *err);
static bool take_published(void *self, int64_t pid, size_t rank, const char *publish, int *ret_fd,
                           struct error *err);
static void apply(void *self, const struct personality *personality, const char *control_directory,
                  balance_done done, void *ctx);
static void remove_balancer(void *self, const char *instance);
static struct balancer *balancer_of(struct balance_self *driver, const char *instance);
static void keep_wanted(struct balancer *balancer, const struct personality *personality);
static void forget_gone(struct balancer *balancer);
static struct notice *notice_new(struct balancer *balancer, enum notice_kind kind);
static void tell(void *ctx);
static void tell_one(struct balance_self *driver, const struct notice *notice);
static void notice_free(struct notice *notice);

bool balance_driver_new(const struct balance_options *options, struct balance_driver *ret_driver,
                        struct error *err)
{
    if (!options->clock || !options->watch)
        return error_set(err, ERROR_INVALID, "the balance driver needs a clock and a watch port");
    struct balance_self *driver = mem_alloc(sizeof(*driver));
    driver->options = *options;
    driver->balancers = map_new();
    driver->notices = VEC_OF(struct notice);
    *ret_driver = (struct balance_driver){
        .self = driver,
        .destroy = destroy,
        .set_events = set_events,
        .personalize = personalize,
        .listen = listen_published,
        .take = take_published,
        .apply = apply,
        .remove = remove_balancer,
    };
    return true;
}

void balance_tell_drained(struct balancer *balancer, const char *server)
{
    notice_new(balancer, NOTICE_DRAINED)->server = mem_strdup(server);
}

void balance_tell_health(struct balancer *balancer, const char *server, bool good)
{
    struct notice *notice = notice_new(balancer, NOTICE_HEALTH);
    notice->server = mem_strdup(server);
    notice->good = good;
}

void balance_tell_done(struct balancer *balancer, struct waiting waiting, const struct error *err)
{
    struct notice *notice = notice_new(balancer, NOTICE_DONE);
    notice->waiting = waiting;
    if (!err) return;
    notice->error = mem_alloc(sizeof(*err));
    *notice->error = *err;
}

static void destroy(void *self)
{
    struct balance_self *driver = self;
    const char *name;
    void *balancer;
    size_t cursor = 0;
    if (!driver) return;
    while (map_next(driver->balancers, &cursor, &name, &balancer))
        balancer_free(balancer);
    map_free(driver->balancers);
    driver->options.clock->cancel(driver->options.clock->self, driver->teller);
    for (size_t i = 0; i < driver->notices.length; i++)
        notice_free(vec_at(&driver->notices, i));
    vec_free(&driver->notices);
    mem_free(driver);
}

static void set_events(void *self, const struct balance_events *events)
{
    ((struct balance_self *)self)->events = *events;
}

static void personalize(void *self, struct arena *arena, struct personality *personality)
{
    static const char *const COMMAND[] = {BALANCE_PROGRAM, "-db", "-f", BALANCE_CONFIG_PATH};
    CLEANUP_BUF struct buf text = {0};
    size_t length = personality->files_length;
    struct file *files = arena_alloc_array(arena, length + 1, sizeof(*files));
    const char **command = arena_alloc_array(arena, LENGTH(COMMAND), sizeof(*command));
    balance_config_write(personality, &text);
    for (size_t i = 0; i < length; i++)
        files[i] = personality->files[i];
    files[length] = (struct file){
        .path = BALANCE_CONFIG_PATH, .content = arena_strdup(arena, buf_text(&text)), .mode = 0644};
    for (size_t i = 0; i < LENGTH(COMMAND); i++)
        command[i] = COMMAND[i];
    personality->files = files;
    personality->files_length = length + 1;
    personality->command = command;
    personality->command_length = LENGTH(COMMAND);
}

static bool listen_published(void *self, const char *publish, int *ret_fd, struct error *err)
{
    const struct balance_self *driver = self;
    return balance_listen(driver->options.publish_ns_fd, publish, ret_fd, err);
}

static bool take_published(void *self, int64_t pid, size_t rank, const char *publish, int *ret_fd,
                           struct error *err)
{
    return balance_take(pid, rank, publish, ret_fd, err);
}

static void apply(void *self, const struct personality *personality, const char *control_directory,
                  balance_done done, void *ctx)
{
    struct balance_self *driver = self;
    struct balancer *balancer = balancer_of(driver, personality->instance);
    if (!text_equal(balancer->directory, control_directory)) {
        balance_admin_free(balancer->admin);
        balancer->admin = NULL;
        balance_log_free(balancer->log);
        balancer->log = NULL;
        balancer->busy = balancer->only_counts = false;
        mem_free(balancer->directory);
        balancer->directory = mem_strdup(control_directory);
    }
    keep_wanted(balancer, personality);
    forget_gone(balancer);
    *(struct waiting *)vec_push(&balancer->waiting) = (struct waiting){done, ctx};
    balancer->deadline_us = driver->options.clock->steady_us(driver->options.clock->self) + APPLY_US_MAX;
    balancer_hurry(balancer);
}

static void remove_balancer(void *self, const char *instance)
{
    struct balance_self *driver = self;
    balancer_free(map_remove(driver->balancers, instance));
    for (size_t i = driver->notices.length; i-- > 0;) {
        struct notice *notice = vec_at(&driver->notices, i);
        if (!text_equal(notice->balancer, instance)) continue;
        notice_free(notice);
        vec_remove(&driver->notices, i);
    }
}

static struct balancer *balancer_of(struct balance_self *driver, const char *instance)
{
    struct balancer *balancer = map_get(driver->balancers, instance);
    if (balancer) return balancer;
    balancer = mem_alloc(sizeof(*balancer));
    balancer->driver = driver;
    balancer->name = mem_strdup(instance);
    balancer->memories = map_new();
    balancer->leaving = map_new();
    balancer->waiting = VEC_OF(struct waiting);
    map_put(driver->balancers, instance, balancer);
    return balancer;
}

/* Copies the frontends with their servers. */
static void keep_wanted(struct balancer *balancer, const struct personality *personality)
{
    struct arena *arena = arena_new();
    size_t length = personality->frontends_length;
    struct balance_frontend *frontends = arena_alloc_array(arena, length + 1, sizeof(*frontends));
    for (size_t f = 0; f < length; f++) {
        const struct balance_frontend *from = &personality->frontends[f];
        struct balance_server *servers = arena_alloc_array(arena, from->servers_length + 1, sizeof(*servers));
        for (size_t s = 0; s < from->servers_length; s++) {
            servers[s] = from->servers[s];
            servers[s].instance = arena_strdup(arena, from->servers[s].instance);
        }
        frontends[f] = *from;
        frontends[f].name = arena_strdup(arena, from->name);
        frontends[f].publish = arena_strdup(arena, from->publish);
        frontends[f].health_path = arena_strdup(arena, from->health_path);
        frontends[f].servers = servers;
    }
    arena_free(balancer->wanted_arena);
    balancer->wanted_arena = arena;
    balancer->frontends = frontends;
    balancer->frontends_length = length;
}

/* What was told about servers that are not wanted any more is forgotten: one of the same name would be new.
 */
static void forget_gone(struct balancer *balancer)
{
    CLEANUP(map_freep) struct map *wanted = map_new();
    const char *name;
    void *memory;
    size_t cursor = 0;
    for (size_t f = 0; f < balancer->frontends_length; f++)
        for (size_t s = 0; s < balancer->frontends[f].servers_length; s++)
            map_put(wanted, balancer->frontends[f].servers[s].instance, balancer);
    while (map_next(balancer->memories, &cursor, &name, &memory)) {
        if (map_get(wanted, name)) continue;
        CLEANUP_MEM char *key = mem_strdup(name);
        map_remove(balancer->memories, key);
        mem_free(memory);
    }
}

static struct notice *notice_new(struct balancer *balancer, enum notice_kind kind)
{
    struct balance_self *driver = balancer->driver;
    const struct clock_port *clock = driver->options.clock;
    struct notice *notice = vec_push(&driver->notices);
    notice->kind = kind;
    notice->balancer = mem_strdup(balancer->name);
    if (!driver->teller) driver->teller = clock->after(clock->self, 0, tell, driver);
    return notice;
}

static void tell(void *ctx)
{
    struct balance_self *driver = ctx;
    driver->teller = NULL;
    while (driver->notices.length) {
        struct notice notice = *(struct notice *)vec_at(&driver->notices, 0);
        vec_remove(&driver->notices, 0);
        tell_one(driver, &notice);
        notice_free(&notice);
    }
}

static void tell_one(struct balance_self *driver, const struct notice *notice)
{
    const struct balance_events *events = &driver->events;
    switch (notice->kind) {
    case NOTICE_DRAINED:
        if (events->drained) events->drained(events->ctx, notice->balancer, notice->server);
        break;
    case NOTICE_HEALTH:
        if (events->health) events->health(events->ctx, notice->balancer, notice->server, notice->good);
        break;
    case NOTICE_DONE:
        if (notice->waiting.done) notice->waiting.done(notice->waiting.ctx, notice->error);
        break;
    }
}

static void notice_free(struct notice *notice)
{
    mem_free(notice->balancer);
    mem_free(notice->server);
    mem_free(notice->error);
}
