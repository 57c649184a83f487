/* Layers of images on their way in: whose they are, how much a party may have, and what goes again.
 *
 * A layer in the making is its party's alone. That a party has sent a whole one stands in the store under
 * "layer/PARTY/DIGEST"; with that, or as part of an image that it may see, it may name the layer. To know a
 * digest is not enough: it would be a way to read what others sent. */
#include "base/text.h"
#include "control/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    UNFINISHED_MAX = 64, /* layers in the making, of a party */
    LAYERS_MAX = 1000,   /* of a party */
    IDLE_MS = 60 * 60 * 1000,
    FORGET_A_ROUND = 1000,
};

/* Enough for any layer that is one; the rest is what the controller's disk is worth to one party. */
static const int64_t layer_size_max = INT64_C(16) << 30;
static const int64_t party_size_max = INT64_C(64) << 30;
static const char layer_prefix[] = "layer/";

/* Something that nobody needs, as far as is known, and since when. */
struct idle {
    int64_t since_us, bytes;
    bool seen; /* in this round */
};

/* What a party has here. */
struct usage {
    const char *party;
    size_t unfinished, layers;
    int64_t bytes;
};

struct round {
    struct controller *controller;
    struct map *named;   /* digest, and "party/digest": an image names it */
    struct vec unneeded; /* struct blob_item, idle for too long; texts in the arena */
    struct arena *arena;
};

static bool get_usage(struct controller *controller, struct usage *usage, struct error *err);
static void count_unfinished(void *ctx, const struct blob_item *item);
static bool check_limits(struct controller *controller, const struct caller *caller, const char *digest,
                         int64_t offset, size_t size, struct error *err);
static bool note_layer(struct controller *controller, const struct caller *caller, const char *right,
                       const char *digest, struct error *err);
static void stays(struct controller *controller, const char *party, const char *digest);
static void note_named(struct round *round);
static void judge_blob(void *ctx, const struct blob_item *item);
static bool is_over(struct controller *controller, const char *key, int64_t bytes);
static bool forget_layers(struct round *round, struct error *err);
static bool forget_blobs(struct round *round, struct error *err);
static void forget_marks(struct controller *controller);

bool library_may_name(struct controller *controller, const char *party, const char *digest)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);
    CLEANUP_MEM char *key = mem_printf("%s%s/%s", layer_prefix, party, digest);
    struct store_item item = {0};
    struct error ignored;

    if (text_equal(party, "landlord")) return true;
    if (store_get(controller->options.store, key, &item, &ignored)) {
        store_item_free(&item);
        return true;
    }
    for (size_t i = 0; i < snapshot->images_length; i++) {
        const struct image *image = &snapshot->images[i];
        if (!text_equal(image->party, party) && !text_equal(image->party, "landlord")) continue;
        for (size_t j = 0; j < image->layers_length; j++)
            if (text_equal(image->layers[j], digest)) return true;
    }
    return false;
}

bool controller_layer_size(struct controller *controller, const struct caller *caller, const char *digest,
                           int64_t *ret_bytes, struct error *err)
{
    const struct blob_port *blobs = controller->options.blobs;

    if (!controller_allows(controller, caller, DEED_IMAGE, caller->party, NULL, err)) return false;
    if (!blobs->size(blobs->self, digest, ret_bytes, err)) return false;
    if (!library_may_name(controller, caller->party, digest))
        return error_set(err, ERROR_NOT_FOUND, "no blob %s here", digest);
    stays(controller, caller->party, digest);
    return true;
}

int64_t controller_layer_partial(struct controller *controller, const struct caller *caller,
                                 const char *digest)
{
    const struct blob_port *blobs = controller->options.blobs;
    return blobs->partial(blobs->self, caller->party, digest);
}

bool controller_layer_append(struct controller *controller, const struct caller *caller, const char *digest,
                             int64_t offset, const void *data, size_t size, struct error *err)
{
    const struct blob_port *blobs = controller->options.blobs;
    return controller_allows(controller, caller, DEED_IMAGE, caller->party, NULL, err) &&
           check_limits(controller, caller, digest, offset, size, err) &&
           blobs->append(blobs->self, caller->party, digest, offset, data, size, err);
}

bool controller_layer_finish(struct controller *controller, const struct caller *caller, const char *digest,
                             bool *ret_done, struct error *err)
{
    const struct blob_port *blobs = controller->options.blobs;
    int64_t size = 0;
    const char *right = NULL;
    bool done = false;
    struct error ignored;

    if (!controller_allows(controller, caller, DEED_IMAGE, caller->party, &right, err)) return false;
    /* The answer to an earlier request was lost. */
    if (blobs->partial(blobs->self, caller->party, digest) == 0 &&
        controller_layer_size(controller, caller, digest, &size, &ignored)) {
        *ret_done = true;
        return true;
    }
    if (!blobs->finish(blobs->self, caller->party, digest, &done, err)) return false;
    if (done && !note_layer(controller, caller, right, digest, err)) return false;
    *ret_done = done;
    return true;
}

bool library_keep(struct controller *controller, struct error *err)
{
    const struct blob_port *blobs = controller->options.blobs;
    struct round round = {.controller = controller,
                          .named = map_new(),
                          .unneeded = VEC_OF(struct blob_item),
                          .arena = arena_new()};

    note_named(&round);
    bool good = forget_layers(&round, err) && blobs->each(blobs->self, NULL, judge_blob, &round, err) &&
                forget_blobs(&round, err);
    if (good) forget_marks(controller);
    map_free(round.named);
    vec_free(&round.unneeded);
    arena_free(round.arena);
    return good;
}

void library_free(struct map *idle)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(idle, &cursor, NULL, &value))
        mem_free(value);
    map_free(idle);
}

static bool check_limits(struct controller *controller, const struct caller *caller, const char *digest,
                         int64_t offset, size_t size, struct error *err)
{
    struct usage usage = {.party = caller->party};

    if (offset < 0 || offset > layer_size_max || (int64_t)size > layer_size_max - offset)
        return error_set(err, ERROR_TOO_LARGE, "a layer has at most %" PRId64 "Gi", layer_size_max >> 30);
    if (text_equal(caller->party, "landlord")) return true;
    if (!get_usage(controller, &usage, err)) return false;
    if (usage.bytes + (int64_t)size > party_size_max)
        return error_set(err, ERROR_REFUSED,
                         "%s has %" PRId64
                         "Gi of layers here, and may have no more: remove images that are not needed "
                         "(their layers go an hour later)",
                         caller->party, party_size_max >> 30);
    if (offset > 0 || controller_layer_partial(controller, caller, digest) > 0) return true;
    if (usage.unfinished >= UNFINISHED_MAX)
        return error_set(err, ERROR_REFUSED,
                         "%d layers of %s are unfinished: finish one first, or wait an hour for them to go",
                         UNFINISHED_MAX, caller->party);
    if (usage.unfinished + usage.layers >= LAYERS_MAX)
        return error_set(
            err, ERROR_REFUSED,
            "%s has %d layers here, and may have no more: remove images that are not needed (their "
            "layers go an hour later)",
            caller->party, LAYERS_MAX);
    return true;
}

static bool get_usage(struct controller *controller, struct usage *usage, struct error *err)
{
    const struct blob_port *blobs = controller->options.blobs;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *prefix = arena_printf(arena, "%s%s/", layer_prefix, usage->party);
    struct vec items = VEC_OF(struct store_item);
    struct error ignored;

    if (!blobs->each(blobs->self, usage->party, count_unfinished, usage, err) ||
        !store_list(controller->options.store, prefix, NULL, 0, &items, err))
        return false;
    for (size_t i = 0; i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        int64_t size = 0;
        if (blobs->size(blobs->self, item->key + strlen(prefix), &size, &ignored)) usage->bytes += size;
    }
    usage->layers = items.length;
    store_items_free(&items);
    return true;
}

static void count_unfinished(void *ctx, const struct blob_item *item)
{
    struct usage *usage = ctx;
    usage->unfinished++;
    usage->bytes += item->bytes;
}

static bool note_layer(struct controller *controller, const struct caller *caller, const char *right,
                       const char *digest, struct error *err)
{
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_CHANGE struct change *change = control_change(controller);
    CLEANUP_MEM char *name = mem_printf("%s/%s", caller->party, digest),
                     *key = mem_printf("%s%s", layer_prefix, name);

    change_put_text(change, key, "{}");
    change_right(change, right);
    change_event(change, clock->wall_ms(clock->self), caller->name, "layer", name, "sent", "for an image");
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    stays(controller, caller->party, digest);
    return true;
}

/* Somebody is about to name it: from now on it has its time again. */
static void stays(struct controller *controller, const char *party, const char *digest)
{
    CLEANUP_MEM char *key = mem_printf("%s%s/%s", layer_prefix, party, digest);
    mem_free(map_remove(controller->idle, key));
    mem_free(map_remove(controller->idle, digest));
}

static void note_named(struct round *round)
{
    const struct snapshot *snapshot = mirror_snapshot(round->controller->mirror);

    for (size_t i = 0; i < snapshot->images_length; i++) {
        const struct image *image = &snapshot->images[i];
        for (size_t j = 0; j < image->layers_length; j++) {
            CLEANUP_MEM char *key = mem_printf("%s%s/%s", layer_prefix, image->party, image->layers[j]);
            map_put(round->named, image->layers[j], round);
            map_put(round->named, key, round);
        }
    }
}

static bool forget_layers(struct round *round, struct error *err)
{
    struct controller *controller = round->controller;
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_CHANGE struct change *change = control_change(controller);
    struct vec items = VEC_OF(struct store_item);
    size_t count = 0;

    if (!store_list(controller->options.store, layer_prefix, NULL, 0, &items, err)) return false;
    for (size_t i = 0; i < items.length && count < FORGET_A_ROUND; i++) {
        const char *key = ((struct store_item *)vec_at(&items, i))->key;
        if (map_get(round->named, key) || !is_over(controller, key, 0)) continue;
        change_delete_key(change, key);
        change_event(change, clock->wall_ms(clock->self), "croft", "layer", key + strlen(layer_prefix),
                     "forgotten", "no image of the party named it for an hour");
        count++;
    }
    store_items_free(&items);
    if (change_is_empty(change)) return true;
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

static void judge_blob(void *ctx, const struct blob_item *item)
{
    struct round *round = ctx;
    struct arena *arena = round->arena;
    const char *key = item->owner ? arena_printf(arena, "%s %s", item->owner, item->digest) : item->digest;

    if (!item->owner && map_get(round->named, item->digest)) return;
    if (!is_over(round->controller, key, item->bytes)) return;
    *(struct blob_item *)vec_push(&round->unneeded) =
        (struct blob_item){item->owner ? arena_strdup(arena, item->owner) : NULL,
                           arena_strdup(arena, item->digest), item->bytes};
}

static bool forget_blobs(struct round *round, struct error *err)
{
    const struct blob_port *blobs = round->controller->options.blobs;

    for (size_t i = 0; i < round->unneeded.length; i++) {
        const struct blob_item *item = vec_at(&round->unneeded, i);
        if (!(item->owner ? blobs->drop(blobs->self, item->owner, item->digest, err)
                          : blobs->remove(blobs->self, item->digest, err)))
            return false;
    }
    return true;
}

/* Marks it as idle; true when it was so, and of this size, for too long. The marks live in memory: a restart
 * of the controller only gives another hour. */
static bool is_over(struct controller *controller, const char *key, int64_t bytes)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t now_us = clock->steady_us(clock->self);
    struct idle *idle = map_get(controller->idle, key);

    if (!idle) {
        idle = mem_alloc(sizeof(*idle));
        idle->since_us = now_us;
        idle->bytes = bytes;
        map_put(controller->idle, key, idle);
    }
    if (idle->bytes != bytes) idle->since_us = now_us;
    idle->bytes = bytes;
    idle->seen = true;
    return now_us - idle->since_us >= IDLE_MS * INT64_C(1000);
}

/* Of what is gone, or needed again. */
static void forget_marks(struct controller *controller)
{
    const char *key = NULL;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(controller->idle, &cursor, &key, &value)) {
        struct idle *idle = value;
        if (idle->seen)
            idle->seen = false;
        else
            mem_free(map_remove(controller->idle, key));
    }
}
