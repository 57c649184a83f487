/* What is stored here for parties, each in a directory that the kernel encrypts with the party's own key:
 * private images, and the logs of instances that have ended. A directory is opened when it is needed and
 * locked when for a while nothing of the party was here: then its key is not in the kernel.
 *
 * A directory whose key was discarded is stale. It is not opened again, and goes as soon as no instance runs
 * from it. Which ones are stale is not written down: they are those that are not the party's open one. */
#include "agent/internal.h"
#include "base/text.h"

enum {
    LOOK_US = 10 * 1000 * 1000,
    IDLE_US = 60 * 1000 * 1000, /* nothing of the party was here for so long: locked */
    AGAIN_US = 5 * 1000 * 1000, /* after a failure */
};

/* Somebody who waits for a party's directory. */
struct wait {
    private_ready ready;
    void *ctx;
};

struct private_place {
    struct agent *agent;
    char *party;
    char *directory; /* NULL: not open */
    bool opening, locking;
    bool discarded;   /* while it was being opened */
    int64_t used_us;  /* when it was last needed, on the steady clock */
    struct vec waits; /* struct wait */
};

/* A directory that nobody can ask for any more. */
struct private_stale {
    struct agent *agent;
    char *directory;
    bool removing;
};

static bool open_now(struct private_place *place, struct error *err);
static void opened(void *ctx, const char *directory, const struct error *err);
static void tell(struct private_place *place, const struct error *err);
static void look_for_stale(struct agent *agent);
static void listed(void *ctx, const struct vec *items, const struct error *err);
static bool is_stale(const struct agent *agent, const struct private_item *item);
static void add_stale(struct agent *agent, const char *directory);
static void remove_stale(struct agent *agent);
static bool in_use(const struct agent *agent, const char *directory);
static bool is_needed(const struct agent *agent, const char *party);
static void removed(void *ctx, const struct error *err);
static void look_soon(struct agent *agent, int64_t us);
static void look(void *ctx);
static void lock(struct private_place *place);
static void locked(void *ctx, const struct error *err);
static void place_free(struct private_place *place);
static void stale_free(struct private_stale *stale);

void private_start(struct agent *agent)
{
    agent->private_places = map_new();
    agent->private_stale = VEC_OF(struct private_stale *);
}

void private_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    size_t cursor = 0;
    void *value = NULL;

    clock->cancel(clock->self, agent->private_next);
    while (map_next(agent->private_places, &cursor, NULL, &value))
        place_free(value);
    map_free(agent->private_places);
    for (size_t i = 0; i < agent->private_stale.length; i++)
        stale_free(*(struct private_stale **)vec_at(&agent->private_stale, i));
    vec_free(&agent->private_stale);
}

const char *private_directory(const struct agent *agent, const char *party)
{
    const struct private_place *place = map_get(agent->private_places, party);
    return place && !place->locking ? place->directory : NULL;
}

bool private_open(struct agent *agent, const char *party, private_ready ready, void *ctx, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    struct private_place *place = map_get(agent->private_places, party);

    if (!place) {
        place = mem_alloc(sizeof(*place));
        *place =
            (struct private_place){.agent = agent, .party = mem_strdup(party), .waits = VEC_OF(struct wait)};
        map_put(agent->private_places, party, place);
    }
    ASSERT(!private_directory(agent, party));
    place->used_us = clock->steady_us(clock->self);
    if (!place->opening && !open_now(place, err)) return false;
    *(struct wait *)vec_push(&place->waits) = (struct wait){ready, ctx};
    return true;
}

void private_forget(struct agent *agent, const void *ctx)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->private_places, &cursor, NULL, &value)) {
        struct private_place *place = value;
        for (size_t i = place->waits.length; i > 0; i--)
            if (((const struct wait *)vec_at(&place->waits, i - 1))->ctx == ctx)
                vec_remove(&place->waits, i - 1);
    }
}

void private_discard(struct agent *agent, const char *party)
{
    struct private_place *place = map_get(agent->private_places, party);

    if (place && place->opening) place->discarded = true;
    if (place && place->directory) {
        add_stale(agent, place->directory);
        mem_free(place->directory);
        place->directory = NULL;
    }
    look_for_stale(agent);
    remove_stale(agent);
    units_step_soon(agent); /* what waits for an image begins under the new key */
}

void private_tidy(struct agent *agent)
{
    look_for_stale(agent);
}

void private_unused(struct agent *agent)
{
    if (agent->private_stale.length > 0) remove_stale(agent);
}

void private_each(struct agent *agent, void (*one)(struct agent *agent, const char *directory))
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->private_places, &cursor, NULL, &value)) {
        const struct private_place *place = value;
        if (place->directory && !place->locking) one(agent, place->directory);
    }
}

/* The key is in the port's memory between the two calls only. The first may find that it has to be another
 * one, and discard the directory of before. */
static bool open_now(struct private_place *place, struct error *err)
{
    const struct private_port *private = place->agent->options.private;

    if (!disk_key(place->agent, place->party, private->key, err)) return false;
    place->opening = true;
    private->open(private->self, place->party, opened, place);
    return true;
}

static void opened(void *ctx, const char *directory, const struct error *failure)
{
    struct private_place *place = ctx;
    struct agent *agent = place->agent;
    struct error err;

    place->opening = false;
    if (place->discarded) {
        place->discarded = false;
        if (!failure) add_stale(agent, directory);
        remove_stale(agent);
        if (place->waits.length > 0 && !open_now(place, &err)) tell(place, &err);
        return;
    }
    if (failure) {
        agent_log(agent, "what is private", failure);
        tell(place, failure);
        return;
    }
    mem_free(place->directory);
    place->directory = mem_strdup(directory);
    look_soon(agent, LOOK_US);
    look_for_stale(agent);
    tell(place, NULL);
}

static void tell(struct private_place *place, const struct error *err)
{
    /* Whoever asks again from inside is told later. */
    for (size_t left = place->waits.length; left > 0 && place->waits.length > 0; left--) {
        struct wait wait = *(struct wait *)vec_at(&place->waits, 0);
        vec_remove(&place->waits, 0);
        wait.ready(wait.ctx, place->directory, err);
    }
}

static void look_for_stale(struct agent *agent)
{
    const struct private_port *private = agent->options.private;
    private->list(private->self, listed, agent);
}

static void listed(void *ctx, const struct vec *items, const struct error *err)
{
    struct agent *agent = ctx;

    if (err) agent_log(agent, "what is private", err);
    for (size_t i = 0; i < items->length; i++) {
        const struct private_item *item = vec_at(items, i);
        if (is_stale(agent, item)) add_stale(agent, item->directory);
        mem_free(item->party);
        mem_free(item->directory);
    }
    remove_stale(agent);
}

/* Of a party that has keys here and whose directory is not open it is not known which is the one. */
static bool is_stale(const struct agent *agent, const struct private_item *item)
{
    const struct private_place *place = map_get(agent->private_places, item->party);

    if (place && place->opening) return false; /* it is looked again when it is open */
    if (place && place->directory) return !text_equal(place->directory, item->directory);
    return !disk_keys_stored(agent, item->party);
}

static void add_stale(struct agent *agent, const char *directory)
{
    for (size_t i = 0; i < agent->private_stale.length; i++)
        if (text_equal((*(struct private_stale **)vec_at(&agent->private_stale, i))->directory, directory))
            return;
    struct private_stale *stale = mem_alloc(sizeof(*stale));
    *stale = (struct private_stale){agent, mem_strdup(directory), false};
    *(struct private_stale **)vec_push(&agent->private_stale) = stale;
}

static void remove_stale(struct agent *agent)
{
    const struct private_port *private = agent->options.private;
    const struct compute_driver *compute = agent->options.compute;

    for (size_t i = 0; i < agent->private_stale.length; i++) {
        struct private_stale *stale = *(struct private_stale **)vec_at(&agent->private_stale, i);
        if (stale->removing || in_use(agent, stale->directory)) continue;
        stale->removing = true;
        compute->drop_store(compute->self, stale->directory);
        private->remove(private->self, stale->directory, removed, stale);
    }
}

/* By an instance that was made from there, or by an image on its way there. */
static bool in_use(const struct agent *agent, const char *directory)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->units, &cursor, NULL, &value))
        if (text_equal(((const struct unit *)value)->store, directory)) return true;
    return fetch_uses(agent, directory);
}

/* Something of the party is here or wanted here. */
static bool is_needed(const struct agent *agent, const char *party)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (unit->have && text_equal(unit->have->party, party)) return true;
        if (unit->wanted && text_equal(unit->wanted->party, party)) return true;
    }
    return kept_logs_wait(agent, party);
}

static void removed(void *ctx, const struct error *err)
{
    struct private_stale *stale = ctx;
    struct agent *agent = stale->agent;

    stale->removing = false;
    if (err) {
        agent_log(agent, "removing what nobody can read any more", err);
        look_soon(agent, AGAIN_US);
        return;
    }
    for (size_t i = 0; i < agent->private_stale.length; i++) {
        if (*(struct private_stale **)vec_at(&agent->private_stale, i) != stale) continue;
        vec_remove(&agent->private_stale, i);
        break;
    }
    stale_free(stale);
}

static void look_soon(struct agent *agent, int64_t us)
{
    const struct clock_port *clock = agent->options.clock;
    if (!agent->private_next) agent->private_next = clock->after(clock->self, us, look, agent);
}

static void look(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    int64_t now_us = clock->steady_us(clock->self);
    bool more = agent->private_stale.length > 0;
    size_t cursor = 0;
    void *value = NULL;

    agent->private_next = NULL;
    remove_stale(agent);
    while (map_next(agent->private_places, &cursor, NULL, &value)) {
        struct private_place *place = value;
        if (!place->directory && !place->opening && !place->locking) {
            map_remove(agent->private_places, place->party);
            place_free(place);
            continue;
        }
        more = true;
        if (!place->directory || place->locking) continue;
        if (is_needed(agent, place->party) || in_use(agent, place->directory))
            place->used_us = now_us;
        else if (now_us - place->used_us >= IDLE_US)
            lock(place);
    }
    if (more) look_soon(agent, LOOK_US);
}

static void lock(struct private_place *place)
{
    const struct private_port *private = place->agent->options.private;
    const struct compute_driver *compute = place->agent->options.compute;

    place->locking = true;
    compute->drop_store(compute->self, place->directory);
    private->lock(private->self, place->directory, locked, place);
}

/* Asked for meanwhile, it is opened again: that comes behind in the port's order. */
static void locked(void *ctx, const struct error *err)
{
    struct private_place *place = ctx;

    place->locking = false;
    if (err)
        agent_log(place->agent, "what is private",
                  err); /* somebody stands in it; the key is gone all the same */
    if (place->opening) return;
    mem_free(place->directory);
    place->directory = NULL;
}

static void place_free(struct private_place *place)
{
    vec_free(&place->waits);
    mem_free(place->party);
    mem_free(place->directory);
    mem_free(place);
}

static void stale_free(struct private_stale *stale)
{
    mem_free(stale->directory);
    mem_free(stale);
}
