/* Instances: operations take their time; what they do shows in the world when that time is over. */
#include "driver/fake/inside.h"

#include "base/text.h"
#include "model/schemas.h"

#include <stdio.h>
#include <string.h>

enum operation_kind {
    OPERATION_IMAGE,
    OPERATION_CREATE,
    OPERATION_START,
    OPERATION_STOP,
    OPERATION_WIPE,
    OPERATION_RESIZE
};

struct fake_compute {
    struct compute_driver driver;
    struct fake_host *host;
    struct compute_events events;
    struct vec operations; /* struct operation * */
    char directory[256];   /* what control_directory() gave last */
};

struct operation {
    struct fake_compute *compute;
    enum operation_kind kind;
    char *name; /* instance, or digest of an image */
    bool fails;
    struct timer *timer;
    compute_done done;
    void *ctx;
};

static void destroy(void *self);
static void set_events(void *self, const struct compute_events *events);
static bool has_image(void *self, const char *store, const char *digest);
static bool has_layer(void *self, const char *store, const char *digest);
static void add_image(void *self, const char *store, const struct image *image,
                      const char *const *layer_paths, compute_done done, void *ctx);
static bool keep_images(void *self, const char *store, const char *const *digests, size_t length,
                        struct error *err);
static void drop_store(void *self, const char *store);
static char *place_of(const char *store, const char *digest);
static void expect(void *self);
static void create(void *self, const struct personality *personality, const struct image *image,
                   const struct compute_place *place, compute_done done, void *ctx);
static void start(void *self, const char *instance, compute_done done, void *ctx);
static bool freeze(void *self, const char *instance, struct error *err);
static bool thaw(void *self, const char *instance, struct error *err);
static bool signal_it(void *self, const char *instance, int number, struct error *err);
static void stop(void *self, const char *instance, int64_t grace_ms, compute_done done, void *ctx);
static void wipe(void *self, const char *instance, compute_done done, void *ctx);
static bool list(void *self, struct vec *ret_found, struct error *err);
static int64_t pid(void *self, const char *instance);
static bool usage(void *self, const char *instance, struct compute_usage *ret_usage, struct error *err);
static bool stalls(void *self, const char *instance, struct compute_stalls *ret_stalls, struct error *err);
static void resize(void *self, const char *instance, const struct resources *size, compute_done done,
                   void *ctx);
static bool read_log(void *self, const char *instance, int64_t *offset, size_t size_max, struct buf *ret_data,
                     struct error *err);
static int exec_refused(void *self, const char *output, const char **ret_why);
static bool exec_argv(void *self, const char *instance, const struct compute_command *command,
                      struct vec *ret_argv, struct error *err);
static const char *control_directory(void *self, const char *instance);
static struct operation *begin(struct fake_compute *compute, enum operation_kind kind, const char *name,
                               int64_t ms, bool fails, compute_done done, void *ctx);
static void finish(void *ctx);
static bool take_effect(struct operation *operation, struct error *err);
static bool started(struct fake_host *host, struct trace *trace, struct error *err);
static void ended_by_itself(void *ctx);
static void operation_free(struct operation *operation);
static void tell(const struct trace *trace, enum fake_change_kind kind, const char *image);
static struct trace *running(struct fake_compute *compute, const char *instance, struct error *err);

const struct compute_driver *fake_compute_new(struct fake_host *host)
{
    struct fake_compute *compute = mem_alloc(sizeof(*compute));

    ASSERT(!host->compute);
    host->compute = compute;
    compute->host = host;
    compute->operations = VEC_OF(struct operation *);
    compute->driver = (struct compute_driver){.self = compute,
                                              .destroy = destroy,
                                              .set_events = set_events,
                                              .has_image = has_image,
                                              .has_layer = has_layer,
                                              .add_image = add_image,
                                              .keep_images = keep_images,
                                              .drop_store = drop_store,
                                              .expect = expect,
                                              .create = create,
                                              .start = start,
                                              .freeze = freeze,
                                              .thaw = thaw,
                                              .signal = signal_it,
                                              .stop = stop,
                                              .wipe = wipe,
                                              .list = list,
                                              .pid = pid,
                                              .usage = usage,
                                              .stalls = stalls,
                                              .resize = resize,
                                              .log = read_log,
                                              .exec_argv = exec_argv,
                                              .exec_refused = exec_refused,
                                              .control_directory = control_directory};
    return &compute->driver;
}

struct trace *trace_new(struct fake_host *host, const char *name)
{
    struct trace *trace = mem_alloc(sizeof(*trace));
    trace->host = host;
    trace->name = mem_strdup(name);
    map_put(host->traces, name, trace);
    return trace;
}

void trace_tell(const struct trace *trace, enum fake_change_kind kind)
{
    tell(trace, kind, NULL);
}

void trace_crash(struct trace *trace, int status)
{
    struct fake_compute *compute = trace->host->compute;

    trace_end(trace);
    if (compute && compute->events.exited)
        compute->events.exited(compute->events.ctx, trace->name, trace->incarnation, status, false);
}

void trace_end(struct trace *trace)
{
    struct fake_world *world = trace->host->world;
    bool was_running = trace->running;

    if (trace->running) trace->ran_us += world->clock->steady_us(world->clock->self) - trace->started_us;
    trace->running = trace->frozen = trace->hangs = false;
    world_cancel(world, trace->exit);
    trace->exit = NULL;
    if (trace->host->processes) processes_end(trace->host->processes, trace->name);
    if (was_running) trace_tell(trace, FAKE_ENDED);
}

void trace_free(struct trace *trace)
{
    world_cancel(trace->host->world, trace->exit);
    buf_free(&trace->log);
    mem_free(trace->personality_json);
    mem_free(trace->farm);
    mem_free(trace->party);
    mem_free(trace->store);
    mem_free(trace->name);
    mem_free(trace);
}

static void destroy(void *self)
{
    struct fake_compute *compute = self;
    while (compute->operations.length > 0)
        operation_free(*(struct operation **)vec_at(&compute->operations, 0));
    vec_free(&compute->operations);
    compute->host->compute = NULL;
    mem_free(compute);
}

static void set_events(void *self, const struct compute_events *events)
{
    ((struct fake_compute *)self)->events = *events;
}

static bool has_image(void *self, const char *store, const char *digest)
{
    CLEANUP_MEM char *place = place_of(store, digest);
    return map_get(((struct fake_compute *)self)->host->images, place) != NULL;
}

/* As long as the image is here: what does not get unpacked, or goes, takes its layers with it. */
static bool has_layer(void *self, const char *store, const char *digest)
{
    const struct fake_host *host = ((struct fake_compute *)self)->host;
    CLEANUP_MEM char *place = place_of(store, digest);
    const char *image = map_get(host->layers, place);
    return image && map_get(host->images, image);
}

static void add_image(void *self, const char *store, const struct image *image,
                      const char *const *layer_paths, compute_done done, void *ctx)
{
    struct fake_compute *compute = self;
    CLEANUP_MEM char *place = place_of(store, image->digest);
    for (size_t i = 0; i < image->layers_length; i++) {
        CLEANUP_MEM char *layer = place_of(store, image->layers[i]);
        ASSERT(text_starts(layer_paths[i], "/blobs/sha256:"));
        if (has_layer(self, store, image->layers[i])) continue;
        mem_free(map_put(compute->host->layers, layer, mem_strdup(place)));
    }
    compute->host->counts.images++;
    begin(compute, OPERATION_IMAGE, place, 3, fails_now(&compute->host->images_fail), done, ctx);
}

static void expect(void *self)
{
    struct fake_compute *compute = self;
    compute->host->counts.expects++;
}

static bool keep_images(void *self, const char *store, const char *const *digests, size_t length,
                        struct error *err)
{
    struct fake_compute *compute = self;
    size_t cursor = 0;
    const char *here = NULL;

    while (map_next(compute->host->images, &cursor, &here, NULL)) {
        const char *digest = strstr(here, "sha256:");
        CLEANUP_MEM char *place = place_of(store, digest);
        bool kept = !text_equal(place, here); /* of another store */
        for (size_t i = 0; i < length && !kept; i++)
            kept = text_equal(digests[i], digest);
        if (!kept) map_remove(compute->host->images, here);
    }
    return true;
}

static void drop_store(void *self, const char *store)
{
    const struct fake_compute *compute = self;
    for (size_t i = 0; i < compute->operations.length; i++) {
        const struct operation *operation = *(struct operation **)vec_at(&compute->operations, i);
        ASSERT(operation->kind != OPERATION_IMAGE || !text_starts(operation->name, store));
    }
}

static char *place_of(const char *store, const char *digest)
{
    return store ? mem_printf("%s/%s", store, digest) : mem_strdup(digest);
}

/* What is made shows at once, half made: an agent that dies now leaves it so. */
static void create(void *self, const struct personality *personality, const struct image *image,
                   const struct compute_place *place, compute_done done, void *ctx)
{
    struct fake_compute *compute = self;
    struct fake_script *script = script_of(compute->host->world, personality->instance);
    bool fails = fails_now(&script->create_fails);
    struct buf json = {0};
    const char *slash = strrchr(personality->instance, '/');
    struct trace *left = map_get(compute->host->traces, personality->instance);

    ASSERT(has_image(self, place->store, image->digest));
    ASSERT(place->net_ns_path &&
           fake_host_has_port(compute->host, personality->farm, slash ? slash + 1 : personality->instance));
    ASSERT(!left || compute->host->world->changed); /* else nobody would judge it */
    if (left) {
        trace_end(left);
        trace_free(map_remove(compute->host->traces, personality->instance));
    }
    compute->host->counts.creates++;
    struct trace *trace = trace_new(compute->host, personality->instance);
    trace->incarnation = personality->incarnation;
    trace->farm = mem_strdup(personality->farm);
    trace->party = mem_strdup(personality->party);
    trace->store = place->store ? mem_strdup(place->store) : NULL;
    trace->address = personality->address;
    trace->size = personality->size;
    tell(trace, FAKE_MADE, image->digest);
    schema_write(&schema_personality, NULL, personality, &json);
    trace->personality_json = buf_take(&json);
    begin(compute, OPERATION_CREATE, personality->instance, script->create_ms, fails, done, ctx);
}

static void start(void *self, const char *instance, compute_done done, void *ctx)
{
    struct fake_compute *compute = self;
    struct fake_script *script = script_of(compute->host->world, instance);
    compute->host->counts.starts++;
    begin(compute, OPERATION_START, instance, script->start_ms, fails_now(&script->start_fails), done, ctx);
}

static bool freeze(void *self, const char *instance, struct error *err)
{
    struct fake_compute *compute = self;
    struct trace *trace = running(compute, instance, err);

    if (!trace) return false;
    compute->host->counts.freezes++;
    if (fails_now(&script_of(compute->host->world, instance)->freeze_fails))
        return error_set(err, ERROR_FAILED, "freezing %s: as scripted", instance);
    trace->frozen = true;
    trace_tell(trace, FAKE_FROZEN);
    return true;
}

static bool thaw(void *self, const char *instance, struct error *err)
{
    struct fake_compute *compute = self;
    struct trace *trace = running(compute, instance, err);

    if (!trace) return false;
    compute->host->counts.thaws++;
    if (fails_now(&script_of(compute->host->world, instance)->thaw_fails))
        return error_set(err, ERROR_FAILED, "thawing %s: as scripted", instance);
    trace->frozen = false;
    trace_tell(trace, FAKE_THAWED);
    return true;
}

/* It ends by itself as if it were stopped; one that hangs does not. */
static bool signal_it(void *self, const char *instance, int number, struct error *err)
{
    struct fake_compute *compute = self;
    struct trace *trace = running(compute, instance, err);
    const struct fake_script *script = script_of(compute->host->world, instance);

    if (!trace) return false;
    compute->host->counts.signals++;
    if (!script->hangs_on_stop && !trace->hangs && !trace->exit)
        trace->exit = world_after(compute->host->world, script->stop_ms, ended_by_itself, trace);
    return true;
}

static void stop(void *self, const char *instance, int64_t grace_ms, compute_done done, void *ctx)
{
    struct fake_compute *compute = self;
    const struct fake_script *script = script_of(compute->host->world, instance);
    const struct trace *trace = map_get(compute->host->traces, instance);
    bool hangs = script->hangs_on_stop || (trace && trace->hangs);
    int64_t ms = hangs || script->stop_ms > grace_ms ? grace_ms : script->stop_ms;

    compute->host->counts.stops++;
    begin(compute, OPERATION_STOP, instance, ms, false, done, ctx);
}

static void wipe(void *self, const char *instance, compute_done done, void *ctx)
{
    struct fake_compute *compute = self;
    struct fake_script *script = script_of(compute->host->world, instance);
    compute->host->counts.wipes++;
    begin(compute, OPERATION_WIPE, instance, script->wipe_ms, fails_now(&script->wipe_fails), done, ctx);
}

static bool list(void *self, struct vec *ret_found, struct error *err)
{
    struct fake_compute *compute = self;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(compute->host->traces, &cursor, NULL, &value)) {
        const struct trace *trace = value;
        *(struct compute_found *)vec_push(ret_found) =
            (struct compute_found){.instance = mem_strdup(trace->name),
                                   .store = trace->store ? mem_strdup(trace->store) : NULL,
                                   .incarnation = trace->incarnation,
                                   .personality_json = mem_strdup(trace->personality_json),
                                   .running = trace->running,
                                   .frozen = trace->frozen};
    }
    return true;
}

static int64_t pid(void *self, const char *instance)
{
    const struct trace *trace = map_get(((struct fake_compute *)self)->host->traces, instance);
    return trace && trace->running ? 4000 + trace->incarnation : 0;
}

static bool stalls(void *self, const char *instance, struct compute_stalls *ret_stalls, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "nothing stalls in a fake world");
}

static bool usage(void *self, const char *instance, struct compute_usage *ret_usage, struct error *err)
{
    struct fake_compute *compute = self;
    const struct clock_port *clock = compute->host->world->clock;
    const struct trace *trace = running(compute, instance, err);

    if (!trace) return false;
    *ret_usage = (struct compute_usage){clock->steady_us(clock->self) - trace->started_us + trace->ran_us,
                                        1024 * 1024, 1};
    return true;
}

static void resize(void *self, const char *instance, const struct resources *size, compute_done done,
                   void *ctx)
{
    begin(self, OPERATION_RESIZE, instance, 1, false, done, ctx);
}

static bool read_log(void *self, const char *instance, int64_t *offset, size_t size_max, struct buf *ret_data,
                     struct error *err)
{
    const struct trace *trace = map_get(((struct fake_compute *)self)->host->traces, instance);
    int64_t size = trace ? (int64_t)trace->log.size : 0;

    if (!trace) return error_set(err, ERROR_NOT_FOUND, "no instance %s", instance);
    if (*offset < 0) *offset = size + *offset > 0 ? size + *offset : 0;
    if (*offset > size) *offset = size;
    size_t piece = (size_t)(size - *offset) < size_max ? (size_t)(size - *offset) : size_max;
    buf_add(ret_data, buf_text(&trace->log) + *offset, piece);
    *offset += (int64_t)piece;
    return true;
}

static bool exec_argv(void *self, const char *instance, const struct compute_command *command,
                      struct vec *ret_argv, struct error *err)
{
    if (!running(self, instance, err)) return false;
    *(char **)vec_push(ret_argv) = mem_strdup("fake");
    *(char **)vec_push(ret_argv) = mem_strdup(instance);
    for (size_t i = 0; i < command->length; i++)
        *(char **)vec_push(ret_argv) = mem_strdup(command->argv[i]);
    *(char **)vec_push(ret_argv) = NULL;
    return true;
}

static int exec_refused(void *self, const char *output, const char **ret_why)
{
    static const char refusal[] = "fake: not run: ";
    if (!text_starts(output, refusal)) return 0;
    *ret_why = output + strlen(refusal);
    return 127;
}

static const char *control_directory(void *self, const char *instance)
{
    struct fake_compute *compute = self;
    if (!map_get(compute->host->traces, instance)) return NULL;
    snprintf(compute->directory, sizeof(compute->directory), "/run/fake/%s", instance);
    return compute->directory;
}

static struct operation *begin(struct fake_compute *compute, enum operation_kind kind, const char *name,
                               int64_t ms, bool fails, compute_done done, void *ctx)
{
    struct operation *operation = mem_alloc(sizeof(*operation));

    for (size_t i = 0; i < compute->operations.length; i++) {
        const struct operation *other = *(struct operation **)vec_at(&compute->operations, i);
        ASSERT(!text_equal(other->name, name)); /* one after the other */
    }
    *operation = (struct operation){compute, kind, mem_strdup(name), fails, NULL, done, ctx};
    operation->timer = world_after(compute->host->world, ms, finish, operation);
    *(struct operation **)vec_push(&compute->operations) = operation;
    return operation;
}

static void finish(void *ctx)
{
    struct operation *operation = ctx;
    compute_done done = operation->done;
    void *done_ctx = operation->ctx;
    struct error err;
    bool good = take_effect(operation, &err);

    operation->timer = NULL;
    operation_free(operation);
    done(done_ctx, good ? NULL : &err);
}

static bool take_effect(struct operation *operation, struct error *err)
{
    struct fake_host *host = operation->compute->host;
    struct trace *trace = map_get(host->traces, operation->name);

    if (operation->fails) return error_set(err, ERROR_FAILED, "%s: fails as scripted", operation->name);
    switch (operation->kind) {
    case OPERATION_IMAGE:
        map_put(host->images, operation->name, host);
        return true;
    case OPERATION_START:
        return started(host, trace, err);
    case OPERATION_STOP:
        if (trace) trace_end(trace);
        return true;
    case OPERATION_WIPE:
        if (!trace) return true;
        trace_end(trace);
        trace_tell(trace, FAKE_WIPED);
        map_remove(host->traces, operation->name);
        trace_free(trace);
        return true;
    case OPERATION_CREATE:
    case OPERATION_RESIZE:
        return true;
    }
    UNREACHABLE();
}

static bool started(struct fake_host *host, struct trace *trace, struct error *err)
{
    struct fake_script *script = script_of(host->world, trace->name);

    ASSERT(!trace->running);
    trace->running = true;
    trace_tell(trace, FAKE_STARTED);
    trace->started_us = host->world->clock->steady_us(host->world->clock->self);
    buf_printf(&trace->log, "%s %lld starts\n", trace->name, (long long)trace->incarnation);
    bool exits = fails_now(&script->exits);
    if (exits && script->exits_after_ms < 0)
        ended_by_itself(trace);
    else if (exits)
        trace->exit = world_after(host->world, script->exits_after_ms, ended_by_itself, trace);
    return true;
}

static void ended_by_itself(void *ctx)
{
    struct trace *trace = ctx;
    const struct fake_script *script = script_of(trace->host->world, trace->name);
    struct fake_compute *compute = trace->host->compute;

    trace->exit = NULL;
    trace_end(trace);
    if (compute && compute->events.exited)
        compute->events.exited(compute->events.ctx, trace->name, trace->incarnation, script->exit_status,
                               script->out_of_memory);
}

static void operation_free(struct operation *operation)
{
    struct vec *operations = &operation->compute->operations;
    for (size_t i = 0; i < operations->length; i++) {
        if (*(struct operation **)vec_at(operations, i) != operation) continue;
        vec_remove(operations, i);
        break;
    }
    world_cancel(operation->compute->host->world, operation->timer);
    mem_free(operation->name);
    mem_free(operation);
}

static struct trace *running(struct fake_compute *compute, const char *instance, struct error *err)
{
    struct trace *trace = map_get(compute->host->traces, instance);
    if (trace && trace->running) return trace;
    error_set(err, trace ? ERROR_REFUSED : ERROR_NOT_FOUND, "%s does not run here", instance);
    return NULL;
}

static void tell(const struct trace *trace, enum fake_change_kind kind, const char *image)
{
    const struct fake_change change = {.kind = kind,
                                       .host = trace->host->name,
                                       .instance = trace->name,
                                       .farm = trace->farm,
                                       .party = trace->party,
                                       .incarnation = trace->incarnation,
                                       .address = trace->address,
                                       .size = trace->size,
                                       .image = image};
    world_tell(trace->host->world, &change);
}
