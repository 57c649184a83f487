#include "driver/container/container.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/container/files.h"
#include "driver/container/inside.h"
#include "driver/container/root.h"
#include "driver/container/syscalls.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UID_FIRST = 0x10000000, UID_RANGES = 16384 };

static bool load_instances(struct container *container, struct error *err);
static void container_destroy(void *self);
static void container_set_events(void *self, const struct compute_events *events);
static bool container_has_image(void *self, const char *store, const char *digest);
static bool container_has_layer(void *self, const char *store, const char *digest);
static void container_add_image(void *self, const char *store, const struct image *image,
                                const char *const *layer_paths, compute_done done, void *ctx);
static bool container_keep_images(void *self, const char *store, const char *const *digests, size_t length,
                                  struct error *err);
static void container_drop_store(void *self, const char *store);
static void container_expect(void *self);
static void hurried(void *ctx);
static bool container_freeze(void *self, const char *name, struct error *err);
static bool container_thaw(void *self, const char *name, struct error *err);
static bool container_signal(void *self, const char *name, int number, struct error *err);
static bool container_list(void *self, struct vec *ret_found, struct error *err);
static int64_t container_pid(void *self, const char *name);
static bool container_usage(void *self, const char *name, struct compute_usage *ret_usage, struct error *err);
static bool container_stalls(void *self, const char *name, struct compute_stalls *ret_stalls,
                             struct error *err);
static void container_resize(void *self, const char *name, const struct resources *size, compute_done done,
                             void *ctx);
static const char *container_control_directory(void *self, const char *name);
static bool set_frozen(struct container *container, const char *name, bool frozen, struct error *err);
static void end_fired(void *ctx);

bool container_driver_new(const struct container_options *options, struct compute_driver *ret_driver,
                          struct error *err)
{
    ASSERT(options->run_directory[0] == '/');
    struct container *container = mem_alloc(sizeof(*container));
    container->options = *options;
    container->options.state_directory = mem_strdup(options->state_directory);
    container->options.run_directory = mem_strdup(options->run_directory);
    container->options.cgroup = mem_strdup(options->cgroup);
    container->options.crun = mem_strdup(options->crun == NULL ? "crun" : options->crun);
    if (options->uid_first == 0) container->options.uid_first = UID_FIRST;
    if (options->uid_ranges == 0) container->options.uid_ranges = UID_RANGES;
    container->instances = map_new();
    container->stores = map_new();
    bool good = cgroups_new(options->cgroup, &container->cgroups, err) &&
                images_open(options->state_directory, options->watch, &container->images, err) &&
                seccomp_build(&container->seccomp, err);
    if (good && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) good = error_errno(err, errno, "become a subreaper");
    if (!good || !load_instances(container, err)) {
        container_destroy(container);
        return error_wrap(err, "containers");
    }
    container->log_timer = container_after(container, LOG_EVERY_US, container_trim_logs, container);
    *ret_driver = (struct compute_driver){
        .self = container,
        .destroy = container_destroy,
        .set_events = container_set_events,
        .has_image = container_has_image,
        .add_image = container_add_image,
        .has_layer = container_has_layer,
        .keep_images = container_keep_images,
        .drop_store = container_drop_store,
        .expect = container_expect,
        .create = container_create,
        .start = container_start,
        .freeze = container_freeze,
        .thaw = container_thaw,
        .signal = container_signal,
        .stop = container_stop,
        .wipe = container_wipe,
        .list = container_list,
        .pid = container_pid,
        .usage = container_usage,
        .stalls = container_stalls,
        .resize = container_resize,
        .log = container_log,
        .exec_argv = container_exec_argv,
        .exec_refused = container_exec_refused,
        .control_directory = container_control_directory,
    };
    return true;
}

struct held *instance_new(struct container *container, const char *name)
{
    CLEANUP_MEM char *escaped = container_escape(name);
    if (escaped == NULL) return NULL;
    struct held *instance = mem_alloc(sizeof(*instance));
    instance->container = container;
    instance->name = mem_strdup(name);
    instance->directory = mem_printf("%s/instance/%s", container->options.run_directory, escaped);
    instance->control = mem_printf("%s/io/control", instance->directory);
    instance->pidfd = instance->log = -1;
    instance->keep_fds = VEC_OF(int);
    map_put(container->instances, name, instance);
    return instance;
}

void instance_free(struct held *instance)
{
    struct container *container = instance->container;
    map_remove(container->instances, instance->name);
    instance_drop_process(instance);
    container->options.process->detach(container->options.process->self, instance->crun);
    container->options.clock->cancel(container->options.clock->self, instance->timer);
    for (size_t i = 0; i < instance->keep_fds.length; i++)
        close(*(int *)vec_at(&instance->keep_fds, i));
    vec_free(&instance->keep_fds);
    mem_free(instance->outcome);
    mem_free(instance->name);
    mem_free(instance->directory);
    mem_free(instance->control);
    mem_free(instance->id);
    mem_free(instance->digest);
    mem_free(instance->store);
    mem_free(instance);
}

struct held *instance_find(const struct container *container, const char *name)
{
    return map_get(container->instances, name);
}

void instance_begin(struct held *instance, enum operation operation, compute_done done, void *ctx)
{
    ASSERT(instance->operation == OPERATION_NONE); /* the interface: one after the other */
    instance->operation = operation;
    instance->done = done;
    instance->ctx = ctx;
}

void instance_end(struct held *instance, const struct error *err)
{
    const struct clock_port *clock = instance->container->options.clock;
    clock->cancel(clock->self, instance->timer);
    instance->timer = NULL;
    bool gone = instance->operation == OPERATION_WIPE && err == NULL;
    compute_done done = instance->done;
    void *ctx = instance->ctx;
    instance->operation = OPERATION_NONE;
    instance->done = NULL;
    if (gone) instance_free(instance);
    if (done != NULL) done(ctx, err);
}

void instance_end_later(struct held *instance, const struct error *err)
{
    const struct clock_port *clock = instance->container->options.clock;
    clock->cancel(clock->self, instance->timer);
    mem_free(instance->outcome);
    instance->outcome = NULL;
    if (err != NULL) {
        instance->outcome = mem_alloc(sizeof(*err));
        *instance->outcome = *err;
    }
    instance->timer = container_after(instance->container, 0, end_fired, instance);
}

bool container_images(struct container *container, const char *store, struct images **ret_images,
                      struct error *err)
{
    struct images *images = store == NULL ? container->images : map_get(container->stores, store);
    if (images == NULL) {
        if (!images_open(store, container->options.watch, &images, err)) return false;
        map_put(container->stores, store, images);
    }
    *ret_images = images;
    return true;
}

struct timer *container_after(struct container *container, int64_t delay_us, void (*fire)(void *ctx),
                              void *ctx)
{
    return container->options.clock->after(container->options.clock->self, delay_us, fire, ctx);
}

char *container_escape(const char *name)
{
    if (*name == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-/") != strlen(name)) return NULL;
    char *text = mem_strdup(name);
    for (char *at = text; (at = strchr(at, '/')) != NULL; at++)
        *at = '.';
    return text;
}

char *container_unescape(const char *text)
{
    if (*text == '\0' || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(text)) return NULL;
    char *name = mem_strdup(text);
    for (char *at = name; (at = strchr(at, '.')) != NULL; at++)
        *at = '/';
    return name;
}

static bool load_instances(struct container *container, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/instance", container->options.run_directory);
    CLEANUP_MEM char *crun = mem_printf("%s/crun", container->options.run_directory);
    if (!file_make_directories(path, 0711, err) || !file_make_directories(crun, 0700, err)) return false;
    DIR *directory = opendir(path);
    if (directory == NULL) return error_errno(err, errno, "list %s", path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        CLEANUP_MEM char *name = container_unescape(entry->d_name);
        if (name == NULL) continue; /* not ours */
        struct held *instance = instance_new(container, name);
        if (instance != NULL) instance_load(instance);
    }
    closedir(directory);
    return true;
}

static void container_destroy(void *self)
{
    struct container *container = self;
    size_t cursor = 0;
    const char *name;
    void *instance;
    while (map_next(container->instances, &cursor, &name, &instance))
        instance_free(instance);
    map_free(container->instances);
    container->options.clock->cancel(container->options.clock->self, container->log_timer);
    if (container->hurry_watch != NULL) hurried(container); /* if it is not over, it is reaped as an orphan */
    for (cursor = 0; map_next(container->stores, &cursor, NULL, &instance);)
        images_close(instance);
    map_free(container->stores);
    images_close(container->images);
    cgroups_free(container->cgroups);
    mem_free(container->seccomp);
    const char *const texts[] = {container->options.state_directory, container->options.run_directory,
                                 container->options.cgroup, container->options.crun};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        union {
            const char *in;
            void *out;
        } text = {.in = texts[i]}; /* the options' type is for callers; here they are ours */
        mem_free(text.out);
    }
    mem_free(container);
}

static void container_set_events(void *self, const struct compute_events *events)
{
    struct container *container = self;
    container->events = *events;
}

static bool container_has_image(void *self, const char *store, const char *digest)
{
    struct images *images;
    struct error err; /* add_image() will tell it */
    return container_images(self, store, &images, &err) && images_has(images, digest);
}

static bool container_has_layer(void *self, const char *store, const char *digest)
{
    struct images *images;
    struct error err; /* as above */
    return container_images(self, store, &images, &err) && images_has_layer(images, digest);
}

static void container_add_image(void *self, const char *store, const struct image *image,
                                const char *const *layer_paths, compute_done done, void *ctx)
{
    struct container *container = self;
    struct images *images;
    struct error err;
    if (container_images(container, store, &images, &err))
        images_add(images, image, layer_paths, done, ctx);
    else
        images_fail(container->images, &err, done, ctx);
}

static bool container_keep_images(void *self, const char *store, const char *const *digests, size_t length,
                                  struct error *err)
{
    struct container *container = self;
    struct images *images;
    if (!container_images(container, store, &images, err)) return false;
    struct map *kept = map_new();
    for (size_t i = 0; i < length; i++)
        map_put(kept, digests[i], container);
    size_t cursor = 0;
    const char *name;
    void *value;
    while (map_next(container->instances, &cursor, &name, &value)) {
        const struct held *instance = value;
        if (instance->digest != NULL && text_equal(instance->store, store))
            map_put(kept, instance->digest, container);
    }
    bool good = images_keep(images, kept, err);
    map_free(kept);
    return good;
}

static void container_drop_store(void *self, const char *store)
{
    struct container *container = self;
    images_close(map_remove(container->stores, store));
}

static void container_expect(void *self)
{
    struct container *container = self;
    const struct watch_port *watch = container->options.watch;

    if (container->hurry_watch != NULL) return; /* one is under way */
    container->hurry_pidfd = cgroups_hurry(container->cgroups);
    if (container->hurry_pidfd < 0) return;
    container->hurry_watch = watch->start(watch->self, container->hurry_pidfd, hurried, container);
}

static void hurried(void *ctx)
{
    struct container *container = ctx;
    const struct watch_port *watch = container->options.watch;
    siginfo_t info;

    watch->stop(watch->self, container->hurry_watch);
    container->hurry_watch = NULL;
    waitid(P_PIDFD, (id_t)container->hurry_pidfd, &info, WEXITED | WNOHANG);
    close(container->hurry_pidfd);
}

static bool container_freeze(void *self, const char *name, struct error *err)
{
    return set_frozen(self, name, true, err);
}

static bool container_thaw(void *self, const char *name, struct error *err)
{
    return set_frozen(self, name, false, err);
}

static bool container_signal(void *self, const char *name, int number, struct error *err)
{
    const struct held *instance = instance_find_running(self, name, err);
    if (instance == NULL) return false;
    if (syscall(SYS_pidfd_send_signal, instance->pidfd, number, NULL, 0U) == 0) return true;
    return error_errno(err, errno, "send signal %d to %s", number, name);
}

static bool container_list(void *self, struct vec *ret_found, struct error *err)
{
    struct container *container = self;
    size_t cursor = 0;
    const char *name;
    void *value;
    (void)err;
    while (map_next(container->instances, &cursor, &name, &value)) {
        const struct held *instance = value;
        CLEANUP_MEM char *path = mem_printf("%s/personality.json", instance->directory);
        CLEANUP_BUF struct buf text = {0};
        struct error missing;
        /* A half-made one has none; it is listed so that it is wiped. */
        if (!bundle_file_read(path, &text, &missing)) buf_clear(&text);
        struct compute_found *found = vec_push(ret_found);
        *found = (struct compute_found){
            .instance = mem_strdup(name),
            .store = instance->store != NULL ? mem_strdup(instance->store) : NULL,
            .incarnation = instance->incarnation,
            .personality_json = buf_take(&text),
            .running = instance->pid > 0,
            .frozen = instance->pid > 0 && cgroup_frozen(container->cgroups, instance->id),
        };
    }
    return true;
}

static int64_t container_pid(void *self, const char *name)
{
    const struct held *instance = instance_find(self, name);
    return instance == NULL ? 0 : instance->pid;
}

static bool container_usage(void *self, const char *name, struct compute_usage *ret_usage, struct error *err)
{
    struct container *container = self;
    const struct held *instance = instance_find_running(container, name, err);
    return instance != NULL && cgroup_usage(container->cgroups, instance->id, ret_usage, err);
}

static bool container_stalls(void *self, const char *name, struct compute_stalls *ret_stalls,
                             struct error *err)
{
    struct container *container = self;
    const struct held *instance = instance_find_running(container, name, err);
    return instance != NULL &&
           cgroup_stalls(container->cgroups, instance->id, instance->pid, ret_stalls, err);
}

static void container_resize(void *self, const char *name, const struct resources *size, compute_done done,
                             void *ctx)
{
    struct container *container = self;
    struct error err;
    struct held *instance = instance_find(container, name);
    bool known = instance != NULL;
    if (!known) instance = instance_new(container, name);
    ASSERT(instance != NULL);
    instance_begin(instance, OPERATION_RESIZE, done, ctx);
    bool good = known || error_set(&err, ERROR_NOT_FOUND, "no instance %s here", name);
    good = good && instance_find_running(container, name, &err) != NULL &&
           cgroup_limit(container->cgroups, instance->id, size, &err) &&
           root_resize(instance->directory, size->disk_bytes, &err);
    instance_end_later(instance, good ? NULL : &err);
}

static const char *container_control_directory(void *self, const char *name)
{
    const struct held *instance = instance_find(self, name);
    return instance == NULL ? NULL : instance->control;
}

static bool set_frozen(struct container *container, const char *name, bool frozen, struct error *err)
{
    const struct held *instance = instance_find_running(container, name, err);
    return instance != NULL && cgroup_freeze(container->cgroups, instance->id, frozen, err);
}

struct held *instance_find_running(struct container *container, const char *name, struct error *err)
{
    struct held *instance = instance_find(container, name);
    if (instance == NULL) {
        error_set(err, ERROR_NOT_FOUND, "no instance %s here", name);
    } else if (instance->pid == 0) {
        error_set(err, ERROR_REFUSED, "instance %s does not run", name);
        instance = NULL;
    }
    return instance;
}

static void end_fired(void *ctx)
{
    struct held *instance = ctx;
    instance->timer = NULL;
    struct error *outcome = instance->outcome;
    instance->outcome = NULL;
    /* One that was only made to carry an answer goes with it. */
    bool empty = instance->uid_first == 0 && access(instance->directory, F_OK) < 0;
    if (empty && instance->operation != OPERATION_WIPE) {
        compute_done done = instance->done;
        void *done_ctx = instance->ctx;
        instance_free(instance);
        done(done_ctx, outcome);
    } else {
        instance_end(instance, outcome);
    }
    mem_free(outcome);
}
