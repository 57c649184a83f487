/* Images: layers come from the controller in pieces, are verified, and unpacked by the compute driver; those
 * of parties in their private directories. One fetch for an image at a time; every instance that waits for it
 * is told how it went. */
#include "agent/internal.h"
#include "base/text.h"
#include "model/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PIECE_TIMEOUT_MS = 30000 };

struct fetch {
    struct agent *agent;
    struct arena *arena; /* the image's own copy: a newer document may come meanwhile */
    struct image image;
    char *store;                   /* where it is unpacked; NULL: with the landlord's */
    const struct blob_port *blobs; /* NULL: the private directory is being opened */
    size_t layer;                  /* that is being fetched */
    struct call *call;
    struct timer *timer; /* goes on with finishing the layer */
};

static const char owner[] = "agent"; /* of what is in the making */

static void store_ready(void *ctx, const char *directory, const struct error *err);
static void begin(struct fetch *fetch);
static void next_piece(struct fetch *fetch);
static void got_piece(void *ctx, const struct answer *answer);
static bool take_piece(struct fetch *fetch, const struct answer *answer, bool *ret_last, struct error *err);
static void finish_layer(void *ctx);
static void unpack(struct fetch *fetch);
static void unpacked(void *ctx, const struct error *err);
static void end(struct fetch *fetch, const struct error *err);

const struct image *agent_image(const struct agent *agent, const char *digest)
{
    for (size_t i = 0; agent->good && i < agent->good->document.images_length; i++)
        if (text_equal(agent->good->document.images[i].digest, digest))
            return &agent->good->document.images[i];
    return NULL;
}

bool fetch_image(struct agent *agent, const char *digest, struct error *err)
{
    const struct image *image = agent_image(agent, digest);
    CLEANUP_BUF struct buf json = {0};
    const struct blob_port *blobs = NULL;
    const char *store = NULL;
    struct fetch *fetch = NULL;
    struct error ignored;

    if (!image || map_get(agent->fetches, digest)) return true;
    fetch = mem_alloc(sizeof(*fetch));
    fetch->agent = agent;
    if (!images_place(agent, image, &store, &blobs) &&
        !private_open(agent, image->party, store_ready, fetch, err)) {
        mem_free(fetch);
        return false;
    }
    fetch->arena = arena_new();
    schema_write(&schema_image, NULL, image, &json);
    ASSERT(model_read_json(&schema_image, fetch->arena, buf_text(&json), json.size, &fetch->image, &ignored));
    map_put(agent->fetches, digest, fetch);
    if (blobs) begin(fetch);
    return true;
}

bool fetch_uses(const struct agent *agent, const char *store)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->fetches, &cursor, NULL, &value))
        if (text_equal(((const struct fetch *)value)->store, store)) return true;
    return false;
}

void fetch_free(struct fetch *fetch)
{
    const struct clock_port *clock = fetch->agent->options.clock;
    const struct net_port *net = fetch->agent->options.net;
    net->cancel(net->self, fetch->call);
    clock->cancel(clock->self, fetch->timer);
    private_forget(fetch->agent, fetch);
    mem_free(fetch->store);
    arena_free(fetch->arena);
    mem_free(fetch);
}

bool fetch_needs(const struct agent *agent, const char *layer)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->fetches, &cursor, NULL, &value)) {
        const struct image *image = &((struct fetch *)value)->image;
        for (size_t i = 0; i < image->layers_length; i++)
            if (text_equal(image->layers[i], layer)) return true;
    }
    return false;
}

static void store_ready(void *ctx, const char *directory, const struct error *err)
{
    struct fetch *fetch = ctx;

    if (err)
        end(fetch, err);
    else
        begin(fetch);
}

/* Its place is open now, and stays so until it has ended. */
static void begin(struct fetch *fetch)
{
    const char *store = NULL;

    ASSERT(images_place(fetch->agent, &fetch->image, &store, &fetch->blobs));
    fetch->store = store ? mem_strdup(store) : NULL;
    next_piece(fetch);
}

/* Skips what is here already; asks for the next piece of the first layer that is not. */
static void next_piece(struct fetch *fetch)
{
    const struct blob_port *blobs = fetch->blobs;
    const struct net_port *net = fetch->agent->options.net;
    const struct compute_driver *compute = fetch->agent->options.compute;
    struct error ignored;
    int64_t size = 0;
    char path[192];

    while (fetch->layer < fetch->image.layers_length &&
           (compute->has_layer(compute->self, fetch->store, fetch->image.layers[fetch->layer]) ||
            blobs->size(blobs->self, fetch->image.layers[fetch->layer], &size, &ignored)))
        fetch->layer++;
    if (fetch->layer == fetch->image.layers_length) {
        unpack(fetch);
        return;
    }
    const char *digest = fetch->image.layers[fetch->layer];
    snprintf(path, sizeof(path), "/agent/blob/%s?offset=%" PRId64, digest,
             blobs->partial(blobs->self, owner, digest));
    struct request request = {.method = "GET", .path = path};
    fetch->call = net->call(net->self, &fetch->agent->options.controllers, &request, PIECE_TIMEOUT_MS, NULL,
                            got_piece, fetch);
}

static void got_piece(void *ctx, const struct answer *answer)
{
    struct fetch *fetch = ctx;
    bool last = false;
    struct error err;

    fetch->call = NULL;
    if (!take_piece(fetch, answer, &last, &err))
        end(fetch, &err);
    else if (last)
        finish_layer(fetch);
    else
        next_piece(fetch);
}

static bool take_piece(struct fetch *fetch, const struct answer *answer, bool *ret_last, struct error *err)
{
    const struct blob_port *blobs = fetch->blobs;
    const char *digest = fetch->image.layers[fetch->layer];
    uint64_t total = 0;
    int64_t size = 0;
    struct error ignored;

    if (blobs->size(blobs->self, digest, &size, &ignored)) return true; /* for another image meanwhile */
    if (answer->status != 200) {
        struct error told;
        if (answer->status == 0)
            told = *answer->error;
        else if (!problem_read(answer->body, answer->body_size, answer->status, &told))
            error_set(&told, ERROR_UNREACHABLE, "the controller answered with status %d", answer->status);
        return error_set(err, ERROR_UNREACHABLE, "layer %s: %s", digest, told.message);
    }
    for (size_t i = 0; i < answer->headers_length; i++)
        if (strcasecmp(answer->headers[i].name, "Croft-Size") == 0 &&
            !text_parse_u64(answer->headers[i].value, &total))
            return error_set(err, ERROR_FAILED, "layer %s: the controller does not say its size", digest);
    int64_t offset = blobs->partial(blobs->self, owner, digest);
    if (answer->body_size == 0 && (uint64_t)offset < total)
        return error_set(err, ERROR_FAILED, "layer %s: the controller sends nothing", digest);
    if (answer->body_size > 0 &&
        !blobs->append(blobs->self, owner, digest, offset, answer->body, answer->body_size, err))
        return false;
    *ret_last = (uint64_t)offset + answer->body_size >= total;
    return true;
}

/* A piece of the work a turn, so that nothing else here has to wait for it. */
static void finish_layer(void *ctx)
{
    struct fetch *fetch = ctx;
    const struct blob_port *blobs = fetch->blobs;
    const struct clock_port *clock = fetch->agent->options.clock;
    bool done = false;
    struct error err;

    fetch->timer = NULL;
    if (!blobs->finish(blobs->self, owner, fetch->image.layers[fetch->layer], &done, &err))
        end(fetch, &err);
    else if (done)
        next_piece(fetch);
    else
        fetch->timer = clock->after(clock->self, 0, finish_layer, fetch);
}

static void unpack(struct fetch *fetch)
{
    const struct blob_port *blobs = fetch->blobs;
    const struct compute_driver *compute = fetch->agent->options.compute;
    const char **paths = arena_alloc_array(fetch->arena, fetch->image.layers_length, sizeof(*paths));

    for (size_t i = 0; i < fetch->image.layers_length; i++)
        paths[i] = arena_strdup(fetch->arena, blobs->path(blobs->self, fetch->image.layers[i]));
    compute->add_image(compute->self, fetch->store, &fetch->image, paths, unpacked, fetch);
}

static void unpacked(void *ctx, const struct error *err)
{
    end(ctx, err);
}

static void end(struct fetch *fetch, const struct error *failure)
{
    struct agent *agent = fetch->agent;
    size_t cursor = 0;
    void *value = NULL;

    map_remove(agent->fetches, fetch->image.digest);
    if (failure) agent_log(agent, fetch->image.name, failure);
    if (!failure) images_drop_layers(agent, &fetch->image);
    while (map_next(agent->units, &cursor, NULL, &value)) {
        struct unit *unit = value;
        if (unit->state != UNIT_FETCHING || !unit->wanted) continue;
        if (!text_equal(unit->wanted->digest, fetch->image.digest)) continue;
        if (failure) unit_fail(unit, "image %s: %s", fetch->image.name, failure->message);
    }
    fetch_free(fetch);
    private_unused(agent);
    units_step_soon(agent);
}
