/* What a tenant left behind. While the store places an instance on a host, its root is there by right. When
 * it does not any more, the root has to be gone: the agent says so only when it is; or the host was surely
 * off, and then wipes it when it is back and in touch. */
#include "base/text.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <string.h>

enum { LEFT_US = 120 * 1000 * 1000 }; /* that a host which is back and in touch may take */

static bool is_fenced(struct run *run, const char *host);
static bool placed_here(struct judges *judges, const char *instance, const char *host);
static void judge_instance(struct run *run, const char *instance, const char *host_before);
static void note_image(struct run *run, const struct store_item *item);
static void judge_image(struct run *run, const struct fake_change *change);
static bool has_image(const struct judges *judges, const char *party, const char *digest);

void no_leak_changed(struct run *run, const struct fake_change *change)
{
    struct held *held = held_get(run->judges, change->host);
    struct trace_seen *seen = map_get(held->traces, change->instance);

    if (change->kind == FAKE_MADE) {
        judge_image(run, change);
        if (seen)
            run_violated(run, "no-leak", "%s: %s is made over what is left of one of %s", change->host,
                         change->instance, seen->party);
        seen = mem_alloc(sizeof(*seen));
        *seen = (struct trace_seen){
            .party = mem_strdup(change->party), .incarnation = change->incarnation, .size = change->size};
        map_put(held->traces, change->instance, seen);
        if (!placed_here(run->judges, change->instance, change->host)) seen->orphan_since_us = run_now(run);
    } else if (change->kind == FAKE_WIPED && seen) {
        map_remove(held->traces, change->instance);
        mem_free(seen->party);
        mem_free(seen);
    }
}

void no_leak_stored(struct run *run, const struct store_item *item)
{
    static const char prefix[] = "instance/";
    struct judges *judges = run->judges;
    const char *name = item->key + strlen(prefix);

    if (text_starts(item->key, "image/") && item->value) note_image(run, item);
    if (!text_starts(item->key, prefix)) return;
    struct believed *old = map_get(judges->believed, name);
    CLEANUP_MEM char *host_before = mem_strdup(old ? old->host : "");
    if (item->value) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct instance instance;
        struct error err;
        if (!model_read_json(&schema_instance, arena, item->value, strlen(item->value), &instance, &err)) {
            run_violated(run, "acknowledged", "%s in the store cannot be read: %s", item->key, err.message);
            return;
        }
        drains_judge(run, name, old, &instance);
        mend_instance(run, name, &instance);
        if (!old) {
            old = mem_alloc(sizeof(*old));
            map_put(judges->believed, name, old);
        }
        mem_free(old->host);
        *old = (struct believed){mem_strdup(instance.host), instance.incarnation, instance.drained};
    } else if (old) {
        map_remove(judges->believed, name);
        mem_free(old->host);
        mem_free(old);
        mend_instance(run, name, NULL);
    }
    judge_instance(run, name, host_before);
}

/* Only a host that could have heard of it for so long is to blame: in storms it may not have. */
void no_leak_look(struct run *run)
{
    size_t cursor = 0;
    void *value = NULL;

    if (run->storm || !run->calm_since_us || run_now(run) - run->calm_since_us < LEFT_US) return;
    while (map_next(run->judges->held, &cursor, NULL, &value)) {
        const struct held *held = value;
        size_t at = 0;
        const char *name = NULL;
        void *trace = NULL;
        while (map_next(held->traces, &at, &name, &trace)) {
            const struct trace_seen *seen = trace;
            if (!seen->orphan_since_us || run_now(run) - seen->orphan_since_us < LEFT_US) continue;
            run_violated(run, "no-leak", "%s still has what is left of %s, of %s, which is not its any more",
                         held->box->name, name, seen->party);
        }
    }
}

static void judge_instance(struct run *run, const char *instance, const char *host_before)
{
    struct judges *judges = run->judges;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(judges->held, &cursor, NULL, &value)) {
        const struct held *held = value;
        struct trace_seen *seen = map_get(held->traces, instance);
        const char *host = held->box->name;
        if (!seen) continue;
        bool here = placed_here(judges, instance, host);
        if (here) {
            seen->orphan_since_us = 0;
            continue;
        }
        if (!seen->orphan_since_us) seen->orphan_since_us = run_now(run);
        if (text_equal(host, host_before) && !is_fenced(run, host))
            run_violated(run, "no-leak",
                         "%s is given up on %s, which still has it and is not known to be off", instance,
                         host);
    }
}

/* Also of one that goes again: what was made from it may be made again. */
static void note_image(struct run *run, const struct store_item *item)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct image image;
    struct error err;

    if (!model_read_json(&schema_image, arena, item->value, strlen(item->value), &image, &err)) {
        run_violated(run, "acknowledged", "%s in the store cannot be read: %s", item->key, err.message);
        return;
    }
    map_put(run->judges->images, arena_printf(arena, "%s %s", image.party, image.digest), run->judges);
}

/* What a party's instance is made from is its own, or the landlord's, which is everybody's. */
static void judge_image(struct run *run, const struct fake_change *change)
{
    const struct judges *judges = run->judges;

    if (!has_image(judges, change->party, change->image) && !has_image(judges, "landlord", change->image))
        run_violated(run, "no-leak", "%s: %s is made from %s, which is no image of %s", change->host,
                     change->instance, change->image, change->party);
}

static bool has_image(const struct judges *judges, const char *party, const char *digest)
{
    CLEANUP_MEM char *key = mem_printf("%s %s", party, digest);
    return map_get(judges->images, key) != NULL;
}

static bool placed_here(struct judges *judges, const char *instance, const char *host)
{
    const struct believed *believed = map_get(judges->believed, instance);
    return believed && text_equal(believed->host, host);
}

static bool is_fenced(struct run *run, const char *host)
{
    const struct controller *controller = run->world->controller;
    const struct record *record =
        controller ? mirror_get(controller_mirror(run->world->controller), RECORD_HOST_FACT, host) : NULL;
    return record && ((const struct host_fact *)record->object)->fenced;
}
