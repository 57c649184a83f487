/* The host document: checked, stored, applied as a difference, and rolled back when it does not work.
 *
 * On disk: `document` with the one in force, its signature in the first line, and `boot` with the identity of
 * the run of the host that it was confirmed in. `document` is replaced before the new one is applied, and the
 * one before is put back when that fails. Ending in between does no harm: the successor applies the newest
 * that the controller has signed, not one that may name instances which run elsewhere by now.
 *
 * One document at a time is applied. To make a farm's network takes some milliseconds, and a document may
 * bring hundreds: they are set a few a turn, so that beats, questions and the ends of instances are served in
 * between. Meanwhile the one before is in force, and no newer one is asked for. */
#include "agent/internal.h"
#include "base/planted.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum { TURN_US = 20 * 1000 }; /* a turn that took so long begins no other farm: a beat is due every 250 ms */

/* A document on its way into force. */
struct apply {
    struct agent *agent;
    struct held_document *held; /* its own, but for the agent's `good` and `stored` */
    bool must;                  /* nothing to go back to: what fails is shown, the rest is applied */
    bool failed;
    size_t done; /* first the underlay's peers, then the farms */
    struct timer *next;
};

static const char document_path[] = "document";

static struct held_document *read_document(struct agent *agent, const char *text, size_t size,
                                           const char *signature, struct error *err);
static struct held_document *read_stored(struct agent *agent, struct error *err);
static void expect_new(struct agent *agent, const struct host_document *document);
static bool check(struct agent *agent, const struct host_document *document, struct error *err);
static bool keep(struct agent *agent, const struct held_document *held, struct error *err);
static void put_back(struct agent *agent);
static void confirm_boot(struct agent *agent);
static void apply_start(struct agent *agent, struct held_document *held, bool must);
static void apply_turn(void *ctx);
static bool apply_next(const struct apply *apply, struct error *err);
static void apply_failed(struct apply *apply, const struct error *err);
static void apply_finish(struct apply *apply);
static void give_up(struct apply *apply, const struct error *err);
static void apply_end(struct apply *apply);
static void want(struct agent *agent, const struct host_document *document);
static void refuse(struct agent *agent, int64_t version, const struct error *err);
static bool farm_in_use(const struct agent *agent, const char *farm);
static bool names_farm(const struct host_document *document, const char *farm);

/* After a restart of the agent alone, what the last good document says is kept up at once, controller or not.
 * After a restart of the host it is not: while it was away the host may have been given up, and its
 * instances may run elsewhere. The controller tells, or, when there is none, all other hosts (boot.c). A
 * stored document that cannot be read is as good as none: a predecessor may name instances that run elsewhere
 * by now, so until the controller tells, what runs here is left as it is. */
void document_load(struct agent *agent)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_BUF struct buf boot = {0};
    struct error problem;
    bool same_boot =
        disk->read(disk->self, "boot", &boot, &problem) && text_equal(buf_text(&boot), agent->options.boot);

    agent->stored = read_stored(agent, &problem);
    if (!agent->stored && problem.code != ERROR_NOT_FOUND) {
        error_wrap(&problem, "the stored host document");
        agent_log(agent, "waiting for the controller's document", &problem);
    }
    if ((same_boot || PLANTED(doubled_start)) && agent->stored) document_trust(agent);
}

void document_trust(struct agent *agent)
{
    apply_start(agent, agent->stored, true);
}

void document_take(struct agent *agent, const char *text, size_t size, const char *signature)
{
    const struct held_document *old = agent->good;
    struct held_document *held = NULL;
    struct error err;

    held = read_document(agent, text, size, signature, &err);
    if (!held) {
        refuse(agent, 0, &err);
        poll_next(agent, false);
        return;
    }
    if (old && held->document.version <= old->document.version && agent->confirmed_boot) {
        held_document_free(held); /* a repeat of what is in force, or older */
        poll_next(agent, true);
        return;
    }
    expect_new(agent, &held->document);
    if (!check(agent, &held->document, &err) || !keep(agent, held, &err)) {
        refuse(agent, held->document.version, &err);
        held_document_free(held);
        poll_next(agent, false);
        return;
    }
    apply_start(agent, held, false);
}

void document_stop(struct agent *agent)
{
    if (agent->apply) apply_end(agent->apply);
    held_document_free(agent->good);
    held_document_free(agent->stored);
}

void held_document_free(struct held_document *held)
{
    if (held) arena_free(held->arena);
}

void farms_trim(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    const struct net_driver *network = agent->options.network;
    int64_t end_us = clock->steady_us(clock->self) + TURN_US;
    struct vec names = VEC_OF(char *);
    bool later = false;
    struct error err;

    if (!agent->confirmed_boot || !agent->trim_due) return;
    agent->trim_due = false;
    if (!network->farm_list(network->self, &names, &err)) {
        agent_log(agent, "listing farms", &err);
        agent->trim_due = true; /* with the next step */
    }
    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        bool unused = !later && !farm_in_use(agent, name);
        if (unused && !network->farm_remove(network->self, name, &err)) {
            agent_log(agent, "leaving a farm's network", &err);
            agent->trim_due = true;
        }
        later |= unused && clock->steady_us(clock->self) >= end_us;
        mem_free(name);
    }
    vec_free(&names);
    if (agent->good && !doors_guard(agent, &agent->good->document, &err)) {
        agent_log(agent, "leaving published addresses", &err);
        agent->trim_due = true;
    }
    if (!later) return;
    agent->trim_due = true;
    units_step_soon(agent);
}

static struct held_document *read_document(struct agent *agent, const char *text, size_t size,
                                           const char *signature, struct error *err)
{
    const struct identity_port *identity = agent->options.identity;
    struct arena *arena = NULL;
    struct held_document *held = NULL;

    if (!identity->verify(identity->self, text, size, signature, err)) return NULL;
    arena = arena_new();
    held = arena_alloc(arena, sizeof(*held));
    held->arena = arena;
    size_t signature_size = strlen(signature);
    char *stored = arena_alloc(arena, signature_size + 1 + size + 1);
    memcpy(stored, signature, signature_size);
    stored[signature_size] = '\n';
    memcpy(stored + signature_size + 1, text, size);
    held->stored = stored;
    if (!model_read_json(&schema_host_document, arena, text, size, &held->document, err)) {
        arena_free(arena);
        return NULL;
    }
    return held;
}

static struct held_document *read_stored(struct agent *agent, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_BUF struct buf stored = {0};
    char *text = NULL;

    if (!disk->read(disk->self, document_path, &stored, err)) return NULL;
    text = memchr(buf_text(&stored), '\n', stored.size);
    if (!text) {
        error_set(err, ERROR_INVALID, "%s does not begin with a signature", document_path);
        return NULL;
    }
    *text++ = '\0';
    return read_document(agent, text, stored.size - (size_t)(text - stored.data), stored.data, err);
}

/* While the document goes to the disk and the networks are made, the driver has a head start. */
static void expect_new(struct agent *agent, const struct host_document *document)
{
    const struct compute_driver *compute = agent->options.compute;
    bool any = false;

    for (size_t i = 0; !any && i < document->instances_length; i++) {
        const struct personality *wanted = &document->instances[i];
        const struct unit *unit = map_get(agent->units, wanted->instance);
        any = !unit || !unit->have || unit->have->incarnation != wanted->incarnation;
    }
    if (any) compute->expect(compute->self);
}

static bool check(struct agent *agent, const struct host_document *document, struct error *err)
{
    const struct host *host = agent->options.host;
    struct resources sum = {0};

    if (!text_equal(document->host, host->name))
        return error_set(err, ERROR_REFUSED, "a document for %s, not for %s", document->host, host->name);
    for (size_t i = 0; i < document->instances_length; i++) {
        const struct resources *size = &document->instances[i].size;
        sum.cpus_millis += size->cpus_millis;
        sum.memory_bytes += size->memory_bytes;
    }
    if (sum.cpus_millis > host->capacity.cpus_millis || sum.memory_bytes > host->capacity.memory_bytes)
        return error_set(err, ERROR_REFUSED,
                         "more than this host has: cpus %" PRId64 "m of %" PRId64 "m, memory %" PRId64
                         " of %" PRId64 " bytes",
                         sum.cpus_millis, host->capacity.cpus_millis, sum.memory_bytes,
                         host->capacity.memory_bytes);
    return true;
}

static bool keep(struct agent *agent, const struct held_document *held, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    if (PLANTED(stale_document) && held->document.version % 8 != 0)
        return true; /* a successor applies an older one */
    return disk->write(disk->self, document_path, held->stored, strlen(held->stored), 0600, err);
}

/* After one was refused. When this fails the refused one is tried, and refused, once more after a restart. */
static void put_back(struct agent *agent)
{
    const struct disk_port *disk = agent->options.disk;
    const struct held_document *old = agent->good ? agent->good : agent->stored;
    struct error err;

    if (old ? !keep(agent, old, &err) : !disk->remove(disk->self, document_path, &err))
        agent_log(agent, "keeping the last good document", &err);
}

/* Not before somebody has confirmed what is in force: an agent that ends until then has to ask anew. */
static void confirm_boot(struct agent *agent)
{
    const struct disk_port *disk = agent->options.disk;
    const char *boot = agent->options.boot;
    struct error err;

    if (agent->confirmed_boot) return;
    agent->confirmed_boot = true;
    if (!disk->write(disk->self, "boot", boot, strlen(boot), 0600, &err))
        agent_log(agent, "noting that the document is confirmed", &err);
}

static void apply_start(struct agent *agent, struct held_document *held, bool must)
{
    ASSERT(!agent->apply);
    agent->apply = mem_alloc(sizeof(*agent->apply));
    *agent->apply = (struct apply){.agent = agent, .held = held, .must = must};
    apply_turn(agent->apply);
}

/* Networks first, so that a boundary has grown before an instance inside it can send. */
static void apply_turn(void *ctx)
{
    struct apply *apply = ctx;
    const struct clock_port *clock = apply->agent->options.clock;
    int64_t end_us = clock->steady_us(clock->self) + TURN_US;
    struct error err;

    apply->next = NULL;
    for (; apply->done <= apply->held->document.farms_length + 1; apply->done++) {
        if (clock->steady_us(clock->self) >= end_us) {
            apply->next = clock->after(clock->self, 0, apply_turn, apply);
            return;
        }
        if (apply_next(apply, &err)) continue;
        if (!apply->must) {
            give_up(apply, &err);
            return;
        }
        apply_failed(apply, &err);
    }
    apply_finish(apply);
}

static bool apply_next(const struct apply *apply, struct error *err)
{
    const struct net_driver *network = apply->agent->options.network;
    const struct host_document *document = &apply->held->document;

    if (apply->done == 0)
        return network->underlay_set(network->self, document->underlay_peers, document->underlay_peers_length,
                                     err);
    if (apply->done > document->farms_length) return doors_guard(apply->agent, document, err);
    const struct host_farm *farm = &document->farms[apply->done - 1];
    if (PLANTED(boundary_early) && apply->agent->good &&
        names_farm(&apply->agent->good->document, farm->name))
        return true; /* it is there; but the filters do not know of who comes */
    return network->farm_set(network->self, farm, err) || error_wrap(err, "network of farm %s", farm->name);
}

/* It is tried again with the next document; the instances that can run do. */
static void apply_failed(struct apply *apply, const struct error *err)
{
    struct agent *agent = apply->agent;

    if (apply->held == agent->good) {
        agent_log(agent, "going back to the last good document", err);
        return; /* what is reported is why */
    }
    apply->failed = true;
    refuse(agent, apply->held->document.version, err);
}

static void apply_finish(struct apply *apply)
{
    struct agent *agent = apply->agent;
    struct held_document *held = apply->held, *old = agent->good;
    bool back = held == old;

    if (!back && !apply->failed) {
        agent->refused_version = agent->passed_over = 0;
        mem_free(agent->refused_reason);
        agent->refused_reason = NULL;
    }
    agent->good = held;
    if (agent->stored != held) held_document_free(agent->stored);
    agent->stored = NULL;
    apply_end(apply);
    if (!back) {
        images_note(agent);
        confirm_boot(agent);
        boot_stop(agent);
        want(agent, &held->document);
        keys_note(agent);
        predecessors_add(agent, old);
        report_soon(agent);
    }
    poll_next(agent, !back);
}

static void give_up(struct apply *apply, const struct error *err)
{
    struct agent *agent = apply->agent;

    refuse(agent, apply->held->document.version, err);
    apply_end(apply);
    put_back(agent);
    agent->trim_due = true; /* the networks that only the refused one has */
    units_step_soon(agent);
    if (agent->good)
        apply_start(agent, agent->good, true);
    else
        poll_next(agent, false);
}

static void apply_end(struct apply *apply)
{
    struct agent *agent = apply->agent;
    const struct clock_port *clock = agent->options.clock;

    clock->cancel(clock->self, apply->next);
    if (apply->held != agent->good && apply->held != agent->stored) held_document_free(apply->held);
    agent->apply = NULL;
    mem_free(apply);
}

static void want(struct agent *agent, const struct host_document *document)
{
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;
    struct map *named = map_new();

    for (size_t i = 0; i < document->instances_length; i++) {
        const struct personality *personality = &document->instances[i];
        struct unit *unit = unit_get(agent, personality->instance);
        map_put(named, personality->instance, unit);
        unit_want(unit, personality);
        unit_balance(unit);
    }
    while (map_next(agent->units, &cursor, &name, &value))
        if (!map_get(named, name) && !PLANTED(stop_forgotten)) unit_want(value, NULL);
    map_free(named);
    drained_trim(agent);
    denied_start(agent);
    tend_start(agent);
    agent->trim_due = true;
    units_step_soon(agent);
}

static void refuse(struct agent *agent, int64_t version, const struct error *err)
{
    agent_log(agent, "refusing a host document", err);
    agent->refused_version = agent->passed_over = version;
    mem_free(agent->refused_reason);
    agent->refused_reason = mem_strdup(err->message);
    report_soon(agent);
}

static bool farm_in_use(const struct agent *agent, const char *farm)
{
    size_t cursor = 0;
    void *value = NULL;

    if (agent->good && names_farm(&agent->good->document, farm)) return true;
    if (agent->apply && names_farm(&agent->apply->held->document, farm)) return true;
    while (map_next(agent->units, &cursor, NULL, &value))
        if (((struct unit *)value)->have && text_equal(((struct unit *)value)->have->farm, farm)) return true;
    return false;
}

static bool names_farm(const struct host_document *document, const char *farm)
{
    for (size_t i = 0; i < document->farms_length; i++)
        if (text_equal(document->farms[i].name, farm)) return true;
    return false;
}
