#include "base/mem.h"
#include "base/text.h"
#include "driver/container/config.h"
#include "driver/container/files.h"
#include "driver/container/inside.h"
#include "driver/container/root.h"
#include "model/schemas.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool create(struct held *instance, const struct personality *personality, const struct image *image,
                   const struct compute_place *place, struct error *err);
static bool take_range(struct container *container, uint32_t *ret_uid_first, struct error *err);
static bool range_used(const struct container *container, uint32_t uid_first);
static bool write_meta(struct held *instance, const struct personality *personality, struct error *err);
static bool mount_root(struct held *instance, const struct personality *personality, struct error *err);
static bool fill_root(struct held *instance, const struct personality *personality, const struct image *image,
                      const struct compute_place *place, struct error *err);
static bool write_names(int root, uint32_t uid, const struct personality *personality,
                        const struct compute_place *place, struct error *err);
static bool write_bundle(struct held *instance, const struct personality *personality,
                         const struct image *image, const struct compute_place *place, struct error *err);
static bool open_low_ports(const char *net_ns_path, struct error *err);
static bool keep_sockets(struct held *instance, const struct compute_place *place, struct error *err);
static bool start(struct held *instance, struct error *err);
static void crun_exited(void *ctx, struct process_exit exit);
static bool read_pid(const struct held *instance, int64_t *ret_pid, struct error *err);

void container_create(void *self, const struct personality *personality, const struct image *image,
                      const struct compute_place *place, compute_done done, void *ctx)
{
    struct container *container = self;
    struct held *instance = instance_find(container, personality->instance);
    bool known = instance != NULL;
    if (!known) instance = instance_new(container, personality->instance);
    ASSERT(instance != NULL); /* names are checked where documents are read */
    instance_begin(instance, OPERATION_CREATE, done, ctx);
    struct error err;
    bool good =
        known ? error_set(&err, ERROR_REFUSED, "instance %s is here already: wipe it first", instance->name)
              : create(instance, personality, image, place, &err);
    if (!good) error_wrap(&err, "create %s", personality->instance);
    instance_end_later(instance, good ? NULL : &err);
}

void container_start(void *self, const char *name, compute_done done, void *ctx)
{
    struct container *container = self;
    struct error err;
    struct held *instance = instance_find(container, name);
    bool good = instance != NULL || error_set(&err, ERROR_NOT_FOUND, "no instance %s here", name);
    if (instance == NULL) instance = instance_new(container, name);
    ASSERT(instance != NULL);
    instance_begin(instance, OPERATION_START, done, ctx);
    if (good && (instance->pid > 0 || instance->id == NULL)) {
        good = error_set(&err, ERROR_REFUSED, "instance %s %s", name,
                         instance->pid > 0 ? "runs already" : "was not created");
    }
    if (!good || !start(instance, &err)) {
        error_wrap(&err, "start %s", name);
        instance_end_later(instance, &err);
    }
}

void instance_load(struct held *instance)
{
    CLEANUP_MEM char *path = mem_printf("%s/meta", instance->directory);
    CLEANUP_BUF struct buf text = {0};
    struct error err;
    long long incarnation;
    unsigned uid_first;
    char digest[128];
    int rest = 0;
    /* Without it nothing but the directory was made. */
    if (!bundle_file_read(path, &text, &err)) return;
    if (sscanf(buf_text(&text), "%lld %u %127s%n", &incarnation, &uid_first, digest, &rest) != 3) return;
    const char *store = buf_text(&text) + rest;
    size_t store_size = strcspn(store, "\n");
    if (store_size > 1) instance->store = mem_strndup(store + 1, store_size - 1);
    CLEANUP_MEM char *escaped = container_escape(instance->name);
    instance->incarnation = incarnation;
    instance->uid_first = uid_first;
    instance->digest = mem_strdup(digest);
    instance->id = mem_printf("%s.%lld", escaped, incarnation);
    instance->oom_kills = cgroup_oom_kills(instance->container->cgroups, instance->id);
    int64_t pid;
    /* The number may be another process's by now; ours is in our cgroup. */
    if (read_pid(instance, &pid, &err) && cgroup_contains(instance->container->cgroups, instance->id, pid) &&
        !instance_adopt(instance, pid, &err)) {
        instance->pid = 0;
    }
    instance->strays = instance->pid == 0;
}

bool instance_adopt(struct held *instance, int64_t pid, struct error *err)
{
    int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0U);
    if (pidfd < 0) return error_errno(err, errno, "watch process %lld", (long long)pid);
    const struct watch_port *watch = instance->container->options.watch;
    instance->pid = pid;
    instance->pidfd = pidfd;
    instance->watch = watch->start(watch->self, pidfd, instance_ended, instance);
    return true;
}

static bool create(struct held *instance, const struct personality *personality, const struct image *image,
                   const struct compute_place *place, struct error *err)
{
    CLEANUP_MEM char *escaped = container_escape(instance->name);
    uint32_t uid_first = 0;
    if (!take_range(instance->container, &uid_first, err)) return false;
    instance->incarnation = personality->incarnation;
    instance->digest = mem_strdup(image->digest);
    instance->store = place->store != NULL ? mem_strdup(place->store) : NULL;
    instance->uid_first = uid_first;
    if (!file_make_directories(instance->directory, 0711, err)) return false;
    /* From here on a successor of this process can find and wipe everything. */
    if (!write_meta(instance, personality, err)) return false;
    instance->id = mem_printf("%s.%lld", escaped, (long long)personality->incarnation);
    return mount_root(instance, personality, err) && fill_root(instance, personality, image, place, err) &&
           open_low_ports(place->net_ns_path, err) && keep_sockets(instance, place, err) &&
           write_bundle(instance, personality, image, place, err);
}

static bool take_range(struct container *container, uint32_t *ret_uid_first, struct error *err)
{
    for (uint32_t i = 0; i < container->options.uid_ranges; i++) {
        uint32_t range = (container->next_range + i) % container->options.uid_ranges;
        uint32_t uid_first = container->options.uid_first + range * (uint32_t)CONFIG_IDS;
        if (range_used(container, uid_first)) continue;
        container->next_range = range + 1;
        *ret_uid_first = uid_first;
        return true;
    }
    return error_set(err, ERROR_REFUSED, "all %u ranges of user ids are taken",
                     container->options.uid_ranges);
}

static bool range_used(const struct container *container, uint32_t uid_first)
{
    size_t cursor = 0;
    const char *name;
    void *value;
    while (map_next(container->instances, &cursor, &name, &value)) {
        const struct held *instance = value;
        if (instance->uid_first == uid_first) return true;
    }
    return false;
}

static bool write_meta(struct held *instance, const struct personality *personality, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_MEM char *meta = mem_printf("%s/meta", instance->directory);
    CLEANUP_MEM char *path = mem_printf("%s/personality.json", instance->directory);
    schema_write(&schema_personality, NULL, personality, &text);
    if (!file_replace(path, buf_text(&text), text.size, false, err)) return false;
    buf_clear(&text);
    buf_printf(&text, "%lld %u %s%s%s\n", (long long)instance->incarnation, instance->uid_first,
               instance->digest, instance->store != NULL ? " " : "",
               instance->store != NULL ? instance->store : "");
    return file_replace(meta, buf_text(&text), text.size, false, err);
}

static bool mount_root(struct held *instance, const struct personality *personality, struct error *err)
{
    struct vec layers = VEC_OF(char *);
    struct images *images = NULL;
    bool good = container_images(instance->container, instance->store, &images, err) &&
                images_layers(images, instance->digest, &layers, err);
    if (good) {
        const char **paths = mem_alloc_array(layers.length + 1, sizeof(*paths));
        for (size_t i = 0; i < layers.length; i++)
            paths[i] = *(char **)vec_at(&layers, i);
        struct root_options options = {
            .directory = instance->directory,
            .layers = paths,
            .layers_length = layers.length,
            .uid_first = instance->uid_first,
            .uid_length = CONFIG_IDS,
            .disk_bytes = personality->size.disk_bytes,
            .control_owned = personality->frontends_length > 0,
        };
        good = root_mount(&options, err);
        mem_free(paths);
    }
    for (size_t i = 0; i < layers.length; i++)
        mem_free(*(char **)vec_at(&layers, i));
    vec_free(&layers);
    return good;
}

static bool fill_root(struct held *instance, const struct personality *personality, const struct image *image,
                      const struct compute_place *place, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/root", instance->directory);
    CLEANUP_FD int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return error_errno(err, errno, "open %s", path);
    uint32_t uid = instance->uid_first;
    /* Where crun mounts something. */
    static const char *const points[] = {"/proc", "/dev", "/run/croft"};
    for (size_t i = 0; i < LENGTH(points); i++) {
        if (!file_make_directory_in_root(root, points[i], uid, err)) return false;
    }
    if (image->directory != NULL && image->directory[0] == '/' &&
        !file_make_directory_in_root(root, image->directory, uid, err)) {
        return false;
    }
    if (!write_names(root, uid, personality, place, err)) return false;
    for (size_t i = 0; i < personality->files_length; i++) {
        const struct file *file = &personality->files[i];
        if (!file_write_in_root(root, file->path, file->content, strlen(file->content), file->mode, uid,
                                err)) {
            return false;
        }
    }
    return true;
}

static bool write_names(int root, uint32_t uid, const struct personality *personality,
                        const struct compute_place *place, struct error *err)
{
    char address[32];
    CLEANUP_BUF struct buf text = {0};
    buf_printf(&text, "%s\n", place->hostname);
    if (!file_write_in_root(root, "/etc/hostname", text.data, text.size, 0644, uid, err)) return false;
    buf_clear(&text);
    buf_add_text(&text, "127.0.0.1 localhost\n");
    const char *domain = place->domain == NULL ? "" : place->domain;
    if (personality->address != 0) {
        buf_printf(&text, "%s", text_format_ipv4(address, personality->address));
        if (*domain != '\0') buf_printf(&text, " %s.%s", place->hostname, domain);
        buf_printf(&text, " %s\n", place->hostname);
    }
    if (!file_write_in_root(root, "/etc/hosts", text.data, text.size, 0644, uid, err)) return false;
    buf_clear(&text);
    if (place->resolver != 0)
        buf_printf(&text, "nameserver %s\n", text_format_ipv4(address, place->resolver));
    if (*domain != '\0') buf_printf(&text, "search %s\n", domain);
    return file_write_in_root(root, "/etc/resolv.conf", buf_text(&text), text.size, 0644, uid, err);
}

static bool write_bundle(struct held *instance, const struct personality *personality,
                         const struct image *image, const struct compute_place *place, struct error *err)
{
    CLEANUP_MEM char *root = mem_printf("%s/root", instance->directory);
    CLEANUP_MEM char *cgroup = cgroup_path(instance->container->cgroups, instance->id);
    CLEANUP_MEM char *path = mem_printf("%s/config.json", instance->directory);
    CLEANUP_BUF struct buf json = {0};
    struct rlimit limit; /* in a user namespace what is inherited cannot be raised */
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return error_errno(err, errno, "read the limit of open files");
    struct config config = {
        .files_max = limit.rlim_max,
        .personality = personality,
        .image = image,
        .place = place,
        .root = root,
        .control = instance->control,
        .cgroup = cgroup,
        .seccomp = instance->container->seccomp,
        .uid_first = instance->uid_first,
    };
    return config_write(&config, &json, err) && file_replace(path, buf_text(&json), json.size, false, err);
}

/* The network namespace is the host's, so root of an instance has no capability in it, also not that for
 * ports below 1024: there they are opened to everybody. */
static bool open_low_ports(const char *net_ns_path, struct error *err)
{
    CLEANUP_FD int mine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CLEANUP_FD int other = open(net_ns_path, O_RDONLY | O_CLOEXEC);
    if (mine < 0 || other < 0) return error_errno(err, errno, "open the network namespace %s", net_ns_path);
    if (setns(other, CLONE_NEWNET) < 0) return error_errno(err, errno, "enter %s", net_ns_path);
    bool good = file_put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", err);
    ASSERT(setns(mine, CLONE_NEWNET) == 0); /* to go on in a tenant's network would be worse */
    return good;
}

static bool keep_sockets(struct held *instance, const struct compute_place *place, struct error *err)
{
    for (size_t i = 0; i < place->keep_fds_length; i++) {
        int fd = fcntl(place->keep_fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0) return error_errno(err, errno, "keep socket %zu", i);
        *(int *)vec_push(&instance->keep_fds) = fd;
    }
    return true;
}

static bool start(struct held *instance, struct error *err)
{
    const struct container_options *options = &instance->container->options;
    CLEANUP_MEM char *log = mem_printf("%s/io/log", instance->directory);
    CLEANUP_FD int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchown(fd, instance->uid_first, instance->uid_first) < 0) {
        return error_errno(err, errno, "open its log");
    }
    CLEANUP_MEM char *root = mem_printf("%s/crun", options->run_directory);
    CLEANUP_MEM char *errors = mem_printf("%s/crun.log", instance->directory);
    CLEANUP_MEM char *pid = mem_printf("%s/pid", instance->directory);
    CLEANUP_MEM char *keep = mem_printf("--preserve-fds=%zu", instance->keep_fds.length);
    const char *argv[] = {
        options->crun, "--root",     root,       "--cgroup-manager=cgroupfs", "--log",      errors,
        "run",         "--detach",   "--bundle", instance->directory,         "--pid-file", pid,
        keep,          instance->id, NULL};
    struct process_options spawn = {
        .argv = argv,
        .in = PROCESS_NULL,
        .out = PROCESS_FD,
        .err = PROCESS_FD,
        .out_fd = fd,
        .err_fd = fd,
        .keep_fds = instance->keep_fds.items,
        .keep_fds_length = instance->keep_fds.length,
        .net_ns_fd = -1,
        .die_with_parent = true,
        .new_session = true,
        .timeout_ms = 20000,
    };
    return options->process->spawn(options->process->self, &spawn, NULL, crun_exited, instance,
                                   &instance->crun, err);
}

static void crun_exited(void *ctx, struct process_exit exit)
{
    struct held *instance = ctx;
    struct error err;
    instance->crun = NULL;
    if (instance->operation != OPERATION_START) return; /* wiped meanwhile: it looks by itself */
    for (size_t i = 0; i < instance->keep_fds.length; i++)
        close(*(int *)vec_at(&instance->keep_fds, i));
    vec_clear(&instance->keep_fds);
    int64_t pid = 0;
    if (exit.status == 0 && read_pid(instance, &pid, &err) && instance_adopt(instance, pid, &err)) {
        instance_end(instance, NULL);
        return;
    }
    if (exit.status != 0) {
        CLEANUP_MEM char *path = mem_printf("%s/crun.log", instance->directory);
        CLEANUP_BUF struct buf text = {0};
        struct error missing;
        if (!bundle_file_read(path, &text, &missing)) buf_clear(&text);
        while (text.size > 0 && text.data[text.size - 1] == '\n')
            text.data[--text.size] = '\0';
        error_set(&err, ERROR_FAILED, "%s (crun ended with %d%s)",
                  text.size > 0 ? buf_text(&text) : "no message", exit.status,
                  exit.timed_out ? ", out of time" : "");
    }
    error_wrap(&err, "start %s", instance->name);
    instance_end(instance, &err);
}

static bool read_pid(const struct held *instance, int64_t *ret_pid, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/pid", instance->directory);
    CLEANUP_BUF struct buf text = {0};
    if (!bundle_file_read(path, &text, err)) return false;
    int64_t pid = atoll(buf_text(&text));
    if (pid <= 1) return error_set(err, ERROR_FAILED, "%s holds no process id", path);
    *ret_pid = pid;
    return true;
}
