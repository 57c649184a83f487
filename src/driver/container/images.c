#include "driver/container/images.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/container/files.h"
#include "driver/container/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEX_LENGTH = 64 };

struct images {
    char *layers;    /* directory */
    char *manifests; /* directory */
    char *trash;     /* directory: what is being unpacked or removed */
    const struct watch_port *watch;
    struct vec jobs; /* struct job * */
    uint64_t serial;
};

/* A child that does bulk work. It tells failure by a struct error in a pipe. */
struct job {
    struct images *images;
    pid_t pid;
    int result; /* pipe; hung up when the child has ended */
    struct fd_watch *watch;
    compute_done done; /* NULL: nobody waits */
    void *ctx;
};

/* What a child does. */
struct task {
    const struct image *image; /* NULL: empty the trash */
    const char *const *layer_paths;
    uint64_t serial;
};

static const char *digest_hex(const char *digest);
static bool start_job(struct images *images, const struct task *task, compute_done done, void *ctx,
                      struct error *err);
static void run_child(const struct images *images, const struct task *task, int result);
static bool add_image(const struct images *images, const struct task *task, struct error *err);
static bool add_layer(const struct images *images, const struct task *task, size_t index, struct error *err);
static bool sync_directory(const char *path, struct error *err);
static bool empty_trash(const struct images *images, struct error *err);
static void job_readable(void *ctx);
static void job_free(struct job *job);
static bool list_directory(const char *path, struct vec *ret_names, struct error *err);
static void free_names(struct vec *names);
static bool discard(struct images *images, const char *directory, const char *name, struct error *err);
static bool collect_layers(const struct images *images, const char *digest, struct map *used,
                           struct error *err);

bool images_open(const char *directory, const struct watch_port *watch, struct images **ret_images,
                 struct error *err)
{
    struct images *images = mem_alloc(sizeof(*images));
    images->layers = mem_printf("%s/images/layers", directory);
    images->manifests = mem_printf("%s/images/manifests", directory);
    images->trash = mem_printf("%s/images/trash", directory);
    images->watch = watch;
    images->jobs = VEC_OF(struct job *);
    /* Only root may walk in: layers hold set-uid programs of strangers. */
    bool good = file_make_directories(images->layers, 0700, err) &&
                file_make_directories(images->manifests, 0700, err) &&
                file_make_directories(images->trash, 0700, err) &&
                start_job(images, &(struct task){0}, NULL, NULL, err);
    if (!good) {
        images_close(images);
        return false;
    }
    *ret_images = images;
    return true;
}

void images_close(struct images *images)
{
    if (images == NULL) return;
    while (images->jobs.length > 0) {
        struct job *job = *(struct job **)vec_at(&images->jobs, 0);
        if (job->pid > 0) kill(job->pid, SIGKILL);
        job_free(job);
    }
    vec_free(&images->jobs);
    mem_free(images->layers);
    mem_free(images->manifests);
    mem_free(images->trash);
    mem_free(images);
}

bool images_has(const struct images *images, const char *digest)
{
    const char *hex = digest_hex(digest);
    if (hex == NULL) return false;
    CLEANUP_MEM char *path = mem_printf("%s/%s", images->manifests, hex);
    return access(path, F_OK) == 0;
}

bool images_has_layer(const struct images *images, const char *digest)
{
    const char *hex = digest_hex(digest);
    if (hex == NULL) return false;
    CLEANUP_MEM char *path = mem_printf("%s/%s", images->layers, hex);
    return access(path, F_OK) == 0;
}

void images_add(struct images *images, const struct image *image, const char *const *layer_paths,
                compute_done done, void *ctx)
{
    struct error err;
    struct task task = {.image = image, .layer_paths = layer_paths, .serial = ++images->serial};
    if (!start_job(images, &task, done, ctx, &err)) images_fail(images, &err, done, ctx);
}

/* A job that has already failed: its pipe holds the error, so that done comes from the loop. */
void images_fail(struct images *images, const struct error *err, compute_done done, void *ctx)
{
    int result[2];
    ASSERT(pipe2(result, O_CLOEXEC) == 0);
    ASSERT(write(result[1], err, sizeof(*err)) == (ssize_t)sizeof(*err));
    close(result[1]);
    struct job *job = mem_alloc(sizeof(*job));
    *job = (struct job){.images = images, .result = result[0], .done = done, .ctx = ctx};
    job->watch = images->watch->start(images->watch->self, result[0], job_readable, job);
    *(struct job **)vec_push(&images->jobs) = job;
}

bool images_keep(struct images *images, const struct map *digests, struct error *err)
{
    struct map *used = map_new();
    struct vec names = VEC_OF(char *);
    bool good = list_directory(images->manifests, &names, err);
    for (size_t i = 0; good && i < names.length; i++) {
        const char *hex = *(char **)vec_at(&names, i);
        CLEANUP_MEM char *digest = mem_printf("sha256:%s", hex);
        good = map_get(digests, digest) != NULL ? collect_layers(images, digest, used, err)
                                                : discard(images, images->manifests, hex, err);
    }
    free_names(&names);
    bool busy = false; /* layers without a manifest may be on their way to one */
    for (size_t i = 0; i < images->jobs.length; i++)
        busy |= (*(struct job **)vec_at(&images->jobs, i))->done != NULL;
    if (good && !busy) {
        good = list_directory(images->layers, &names, err);
        for (size_t i = 0; good && i < names.length; i++) {
            const char *hex = *(char **)vec_at(&names, i);
            if (map_get(used, hex) == NULL) good = discard(images, images->layers, hex, err);
        }
    }
    free_names(&names);
    map_free(used);
    return good && start_job(images, &(struct task){0}, NULL, NULL, err);
}

bool images_layers(const struct images *images, const char *digest, struct vec *ret_paths, struct error *err)
{
    if (!images_has(images, digest))
        return error_set(err, ERROR_NOT_FOUND, "image %s is not unpacked here", digest);
    CLEANUP_MEM char *path = mem_printf("%s/%s", images->manifests, digest_hex(digest));
    CLEANUP_BUF struct buf text = {0};
    if (!bundle_file_read(path, &text, err)) return false;
    if (text.size == 0) return true;
    char *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        *(char **)vec_push(ret_paths) = mem_printf("%s/%s", images->layers, line);
    }
    return true;
}

/* The 64 digits behind "sha256:", or NULL: what becomes a path is checked. */
static const char *digest_hex(const char *digest)
{
    if (digest == NULL || !text_starts(digest, "sha256:")) return NULL;
    const char *hex = digest + strlen("sha256:");
    return strlen(hex) == HEX_LENGTH && strspn(hex, "0123456789abcdef") == HEX_LENGTH ? hex : NULL;
}

static bool start_job(struct images *images, const struct task *task, compute_done done, void *ctx,
                      struct error *err)
{
    int result[2];
    if (pipe2(result, O_CLOEXEC) < 0) return error_errno(err, errno, "make a pipe");
    pid_t pid = fork();
    if (pid == 0) run_child(images, task, result[1]);
    int reason = errno;
    close(result[1]);
    if (pid < 0) {
        close(result[0]);
        return error_errno(err, reason, "start a process for image work");
    }
    struct job *job = mem_alloc(sizeof(*job));
    *job = (struct job){.images = images, .pid = pid, .result = result[0], .done = done, .ctx = ctx};
    job->watch = images->watch->start(images->watch->self, result[0], job_readable, job);
    *(struct job **)vec_push(&images->jobs) = job;
    return true;
}

/* In the child: keep nothing of the parent's but the pipe (as 3), and never return. */
static void run_child(const struct images *images, const struct task *task, int result)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (result != 3) {
        if (dup3(result, 3, O_CLOEXEC) < 0) _exit(1);
    }
    syscall(SYS_close_range, 4U, ~0U, 0U);
    struct error err;
    bool good = task->image != NULL ? add_image(images, task, &err) : empty_trash(images, &err);
    if (!good && write(3, &err, sizeof(err)) != (ssize_t)sizeof(err)) _exit(1);
    _exit(0);
}

static bool add_image(const struct images *images, const struct task *task, struct error *err)
{
    const struct image *image = task->image;
    if (digest_hex(image->digest) == NULL) {
        return error_set(err, ERROR_INVALID, "'%s' is no digest of an image", image->digest);
    }
    if (images_has(images, image->digest)) return true;
    umask(0022);
    CLEANUP_BUF struct buf manifest = {0};
    for (size_t i = 0; i < image->layers_length; i++) {
        if (digest_hex(image->layers[i]) == NULL) {
            return error_set(err, ERROR_INVALID, "'%s' is no digest of a layer", image->layers[i]);
        }
        if (!add_layer(images, task, i, err)) return false;
        buf_printf(&manifest, "%s\n", digest_hex(image->layers[i]));
    }
    if (!sync_directory(images->layers, err)) return false;
    CLEANUP_MEM char *path = mem_printf("%s/%s", images->trash, digest_hex(image->digest));
    CLEANUP_MEM char *final = mem_printf("%s/%s", images->manifests, digest_hex(image->digest));
    if (!file_replace(path, buf_text(&manifest), manifest.size, true, err)) return false;
    if (rename(path, final) < 0) return error_errno(err, errno, "write %s", final);
    return sync_directory(images->manifests, err);
}

static bool add_layer(const struct images *images, const struct task *task, size_t index, struct error *err)
{
    const char *hex = digest_hex(task->image->layers[index]);
    CLEANUP_MEM char *final = mem_printf("%s/%s", images->layers, hex);
    if (access(final, F_OK) == 0) return true;
    CLEANUP_MEM char *temporary = mem_printf("%s/new-%d-%llu-%zu", images->trash, (int)getpid(),
                                             (unsigned long long)task->serial, index);
    if (mkdir(temporary, 0755) < 0) return error_errno(err, errno, "make %s", temporary);
    bool good = unpack_layer(task->layer_paths[index], task->image->layers[index], temporary, err);
    CLEANUP_FD int fd = good ? open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (good && (fd < 0 || syncfs(fd) < 0)) good = error_errno(err, errno, "make %s durable", temporary);
    if (good && rename(temporary, final) < 0 && errno != EEXIST && errno != ENOTEMPTY) {
        good = error_errno(err, errno, "put layer %s in place", hex);
    }
    /* Of a failure, or of a race that another job has won, nothing stays. */
    struct error ignored;
    if (!file_remove_tree(temporary, good ? err : &ignored)) good = false;
    return good;
}

static bool sync_directory(const char *path, struct error *err)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) return error_errno(err, errno, "make %s durable", path);
    return true;
}

/* What jobs of this process are still writing ("new-" with a living writer) stays. */
static bool empty_trash(const struct images *images, struct error *err)
{
    struct vec names = VEC_OF(char *);
    bool good = list_directory(images->trash, &names, err);
    for (size_t i = 0; good && i < names.length; i++) {
        const char *name = *(char **)vec_at(&names, i);
        int writer = 0;
        if (sscanf(name, "new-%d-", &writer) == 1 && writer > 0 && kill(writer, 0) == 0) continue;
        CLEANUP_MEM char *path = mem_printf("%s/%s", images->trash, name);
        good = file_remove_tree(path, err);
    }
    free_names(&names);
    return good;
}

static void job_readable(void *ctx)
{
    struct job *job = ctx;
    struct error err = {0};
    ssize_t got = read(job->result, &err, sizeof(err));
    int status = 0;
    bool died = job->pid > 0 && waitpid(job->pid, &status, 0) == job->pid && status != 0;
    job->pid = 0;
    compute_done done = job->done;
    void *done_ctx = job->ctx;
    job_free(job);
    if (got != (ssize_t)sizeof(err) && died) error_set(&err, ERROR_FAILED, "the process for image work died");
    if (done != NULL) done(done_ctx, err.code != ERROR_NONE ? &err : NULL);
}

static void job_free(struct job *job)
{
    struct images *images = job->images;
    images->watch->stop(images->watch->self, job->watch);
    file_close(&job->result);
    if (job->pid > 0) {
        while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    for (size_t i = 0; i < images->jobs.length; i++) {
        if (*(struct job **)vec_at(&images->jobs, i) == job) {
            vec_remove(&images->jobs, i);
            break;
        }
    }
    mem_free(job);
}

static bool list_directory(const char *path, struct vec *ret_names, struct error *err)
{
    DIR *directory = opendir(path);
    if (directory == NULL) return error_errno(err, errno, "list %s", path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') *(char **)vec_push(ret_names) = mem_strdup(entry->d_name);
    }
    closedir(directory);
    return true;
}

static void free_names(struct vec *names)
{
    for (size_t i = 0; i < names->length; i++)
        mem_free(*(char **)vec_at(names, i));
    vec_free(names);
    *names = VEC_OF(char *);
}

static bool discard(struct images *images, const char *directory, const char *name, struct error *err)
{
    CLEANUP_MEM char *from = mem_printf("%s/%s", directory, name);
    CLEANUP_MEM char *to = mem_printf("%s/old-%d-%llu-%s", images->trash, (int)getpid(),
                                      (unsigned long long)++images->serial, name);
    return rename(from, to) == 0 || error_errno(err, errno, "remove %s", from);
}

static bool collect_layers(const struct images *images, const char *digest, struct map *used,
                           struct error *err)
{
    struct vec paths = VEC_OF(char *);
    bool good = images_layers(images, digest, &paths, err);
    for (size_t i = 0; good && i < paths.length; i++) {
        map_put(used, strrchr(*(char **)vec_at(&paths, i), '/') + 1, used);
    }
    free_names(&paths);
    return good;
}
