/* The queue of what is asked, and the way to the place where directories are. What may take longer than a
 * turn of the loop is done by a child; keys are given to the kernel by this process, which alone has them. */
#include "os/private_inside.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/blob.h"
#include "os/disk.h"
#include "os/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MKFS_MS = 60000, FILES_OPEN = 16 };

enum work_kind { WORK_OPEN, WORK_LOCK, WORK_REMOVE, WORK_LIST };

/* Something that was asked. */
struct work {
    enum work_kind kind;
    char *party, *directory; /* that is given */
    unsigned char *key;      /* locked memory, or NULL */
    private_opened opened;
    private_done done;
    private_listed listed;
    void *ctx;
};

/* A directory whose files can be read and written. */
struct opened {
    struct os_blobs *blobs;
    struct os_disk *disk;
};

struct os_private {
    struct private_port port;
    struct os_private_options options;
    char *direct, *image, *image_new,
        *point;       /* STATE/private, STATE/private.img, the same on its way, RUN/private */
    const char *base; /* where directories are: one of direct and point; NULL: not known yet */
    bool made_anew;   /* a damaged image was replaced by this work */
    struct map *open; /* directory -> struct opened */
    struct vec queue; /* struct work *, the first is under way */
    struct loop_later *later;
    struct job *job;
    struct process *mkfs;
    struct buf mkfs_output;
};

/* What a child does with a directory. */
struct removal {
    const char *base, *directory, *image; /* image: goes with the last directory; NULL: there is none */
};

static void private_open(void *self, const char *party, private_opened done, void *ctx);
static const struct blob_port *private_blobs(void *self, const char *directory);
static const struct disk_port *private_disk(void *self, const char *directory);
static void private_lock(void *self, const char *directory, private_done done, void *ctx);
static void private_remove(void *self, const char *directory, private_done done, void *ctx);
static void private_list(void *self, private_listed done, void *ctx);
static struct work *ask(struct os_private *private, enum work_kind kind, void *ctx);
static void work_free(struct work *work);
static void step_soon(struct os_private *private);
static void step(void *ctx);
static bool find_base(struct os_private *private, bool make);
static void format(struct os_private *private);
static void mkfs_said(void *ctx, int stream, const char *data, size_t size);
static void mkfs_exited(void *ctx, struct process_exit exit);
static bool mount_it(const void *what, struct error *err);
static void mounted(void *ctx, const struct error *err);
static void do_work(struct os_private *private, const struct work *work);
static void do_open(struct os_private *private, const struct work *work);
static bool check_usable(struct os_private *private, struct error *err);
static bool open_files(struct os_private *private, const char *directory, struct error *err);
static void close_files(struct os_private *private, const char *directory);
static bool lock_it(const void *what, struct error *err);
static bool remove_it(const void *what, struct error *err);
static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place);
static bool remove_image(const struct removal *removal, struct error *err);
static void worked(void *ctx, const struct error *err);
static bool list_items(const char *base, struct vec *ret_items, struct error *err);
static bool split_name(const char *name, char *ret_party, size_t size);
static void end_work(struct os_private *private, const char *directory, const struct vec *items,
                     const struct error *err);
static void note(const struct os_private *private, const char *text);

bool os_private_new(const struct os_private_options *options, struct os_private **ret_private,
                    struct error *err)
{
    void *key = NULL;
    if (!seal_init(err) || !seal_secret_new(PRIVATE_KEY_SIZE, &key, err)) return false;
    struct os_private *private = mem_alloc(sizeof(*private));
    private->options = *options;
    private->direct = mem_printf("%s/private", options->state_directory);
    private->image = mem_printf("%s/private.img", options->state_directory);
    private->image_new = mem_printf("%s/.~private.img", options->state_directory);
    private->point = mem_printf("%s/private", options->run_directory);
    private->open = map_new();
    private->queue = VEC_OF(struct work *);
    private->port = (struct private_port){.self = private,
                                          .key = key,
                                          .open = private_open,
                                          .blobs = private_blobs,
                                          .disk = private_disk,
                                          .lock = private_lock,
                                          .remove = private_remove,
                                          .list = private_list};
    *ret_private = private;
    return true;
}

void os_private_free(struct os_private *private)
{
    size_t cursor = 0;
    const char *directory = NULL;
    struct error err;
    if (private == NULL) return;
    loop_later_cancel(private->options.loop, private->later);
    job_kill(private->job);
    if (private->mkfs != NULL) {
        const struct process_port *process = private->options.process;
        process->kill(process->self, private->mkfs, SIGKILL);
        process->detach(process->self, private->mkfs);
    }
    while (map_next(private->open, &cursor, &directory, NULL))
        close_files(private, directory);
    map_free(private->open);
    if (private->base == private->point && !image_unmount(private->point, &err)) note(private, err.message);
    for (size_t i = 0; i < private->queue.length; i++)
        work_free(*(struct work **)vec_at(&private->queue, i));
    vec_free(&private->queue);
    buf_free(&private->mkfs_output);
    seal_secret_free(private->port.key);
    mem_free(private->direct);
    mem_free(private->image);
    mem_free(private->image_new);
    mem_free(private->point);
    mem_free(private);
}

const struct private_port *os_private_port(const struct os_private *private)
{
    return &private->port;
}

static void private_open(void *self, const char *party, private_opened done, void *ctx)
{
    struct os_private *private = self;
    struct work *work = ask(private, WORK_OPEN, ctx);
    struct error err;
    void *key = NULL;

    ASSERT(text_is_name(party));
    work->party = mem_strdup(party);
    work->opened = done;
    if (seal_secret_new(PRIVATE_KEY_SIZE, &key, &err)) {
        memcpy(key, private->port.key, PRIVATE_KEY_SIZE);
        work->key = key;
    } /* else its turn says so */
    seal_wipe(private->port.key, PRIVATE_KEY_SIZE);
}

static const struct blob_port *private_blobs(void *self, const char *directory)
{
    const struct opened *opened = map_get(((struct os_private *)self)->open, directory);
    return opened != NULL ? os_blobs_port(opened->blobs) : NULL;
}

static const struct disk_port *private_disk(void *self, const char *directory)
{
    const struct opened *opened = map_get(((struct os_private *)self)->open, directory);
    return opened != NULL ? os_disk_port(opened->disk) : NULL;
}

static void private_lock(void *self, const char *directory, private_done done, void *ctx)
{
    struct work *work = ask(self, WORK_LOCK, ctx);
    work->directory = mem_strdup(directory);
    work->done = done;
}

static void private_remove(void *self, const char *directory, private_done done, void *ctx)
{
    struct work *work = ask(self, WORK_REMOVE, ctx);
    work->directory = mem_strdup(directory);
    work->done = done;
}

static void private_list(void *self, private_listed done, void *ctx)
{
    ask(self, WORK_LIST, ctx)->listed = done;
}

static struct work *ask(struct os_private *private, enum work_kind kind, void *ctx)
{
    struct work *work = mem_alloc(sizeof(*work));
    work->kind = kind;
    work->ctx = ctx;
    *(struct work **)vec_push(&private->queue) = work;
    if (private->queue.length == 1) step_soon(private);
    return work;
}

static void work_free(struct work *work)
{
    seal_secret_free(work->key);
    mem_free(work->party);
    mem_free(work->directory);
    mem_free(work);
}

static void step_soon(struct os_private *private)
{
    if (private->later == NULL) private->later = loop_later(private->options.loop, step, private);
}

/* The first in the queue: first the place where directories are, then what was asked. */
static void step(void *ctx)
{
    struct os_private *private = ctx;
    private->later = NULL;
    if (private->queue.length == 0) return;
    const struct work *work = *(struct work **)vec_at(&private->queue, 0);

    if (private->base == private->point && !image_mounted(private->point))
    private->base = NULL; /* by somebody */
    if (private->base == NULL && !find_base(private, work->kind == WORK_OPEN)) return;
    do_work(private, work);
}

/* True: it is known, or (unless it is to be made) there is none. False: it is on its way, or the work has
 * failed. */
static bool find_base(struct os_private *private, bool make)
{
    struct error err;

    if (access(private->image, F_OK) == 0) {
        if (!job_start(private->options.loop, mount_it, private, mounted, private, &private->job, &err))
            end_work(private, NULL, NULL, &err);
        return false;
    }
    bool made = make && mkdir(private->direct, 0700) == 0;
    int fd = open(private->direct, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && crypt_possible(fd)) private->base = private->direct;
    if (fd >= 0) close(fd);
    if (private->base != NULL || !make) return true;
    if (made) rmdir(private->direct); /* it was made to ask; at worst an empty directory stays */
    format(private);
    return false;
}

/* Under another name until it is whole. */
static void format(struct os_private *private)
{
    const struct process_port *process = private->options.process;
    /* No root's reserve; the journal and the tables stay holes until they are written; a small journal
     * is enough. */
    const char *argv[] = {"mkfs.ext4",
                          "-q",
                          "-F",
                          "-O",
                          "encrypt",
                          "-m",
                          "0",
                          "-J",
                          "size=16",
                          "-E",
                          "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
                          private->image_new,
                          NULL};
    const struct process_options options = {.argv = argv,
                                            .in = PROCESS_NULL,
                                            .out = PROCESS_CAPTURE,
                                            .err = PROCESS_CAPTURE,
                                            .in_fd = -1,
                                            .out_fd = -1,
                                            .err_fd = -1,
                                            .net_ns_fd = -1,
                                            .die_with_parent = true,
                                            .timeout_ms = MKFS_MS};
    struct error err;

    buf_clear(&private->mkfs_output);
    bool good =
        image_make(private->image_new, &err) &&
        process->spawn(process->self, &options, mkfs_said, mkfs_exited, private, &private->mkfs, &err);
    if (!good && err.code == ERROR_NOT_FOUND) { /* as in the PATH of a service that nobody set */
        argv[0] = "/sbin/mkfs.ext4";
        good = process->spawn(process->self, &options, mkfs_said, mkfs_exited, private, &private->mkfs, &err);
    }
    if (!good && err.code == ERROR_NOT_FOUND)
        error_set(&err, ERROR_FAILED,
                  "mkfs.ext4 is not on this host, and its disk does not encrypt: install e2fsprogs");
    if (!good) end_work(private, NULL, NULL, &err);
}

static void mkfs_said(void *ctx, int stream, const char *data, size_t size)
{
    struct os_private *private = ctx;
    if (private->mkfs_output.size < 512) buf_add(&private->mkfs_output, data, size < 512 ? size : 512);
}

static void mkfs_exited(void *ctx, struct process_exit exit)
{
    struct os_private *private = ctx;
    struct error err;

    private->mkfs = NULL;
    for (size_t i = 0; i < private->mkfs_output.size; i++)
        if (private->mkfs_output.data[i] == '\n') private->mkfs_output.data[i] = ' ';
    bool good = exit.status == 0 || error_set(&err, ERROR_FAILED, "mkfs.ext4 %s (%d): %s", private->image_new,
                                              exit.status, buf_text(&private->mkfs_output));
    if (good && rename(private->image_new, private->image) != 0)
        good = error_errno(&err, errno, "make %s", private->image);
    if (!good) {
        unlink(private->image_new); /* the next try makes it anew in any case */
        end_work(private, NULL, NULL, &err);
        return;
    }
    if (!job_start(private->options.loop, mount_it, private, mounted, private, &private->job, &err))
        end_work(private, NULL, NULL, &err);
}

static bool mount_it(const void *what, struct error *err)
{
    const struct os_private *private = what;
    return image_mount(private->image, private->point, err);
}

/* What is in it can be had again (images), or was a help (logs): rather that is lost than that nothing of a
 * party can run here any more. */
static void mounted(void *ctx, const struct error *failure)
{
    struct os_private *private = ctx;
    struct error err;

    private->job = NULL;
    if (failure == NULL) {
        private->base = private->point;
        step_soon(private);
    } else if (failure->code == ERROR_INVALID && !private->made_anew) {
        CLEANUP_MEM char *text =
            mem_printf("%s: it is made anew, and what parties had kept in it is lost", failure->message);
        note(private, text);
        private->made_anew = true;
        if (unlink(private->image) == 0 || errno == ENOENT) {
            format(private);
        } else {
            error_errno(&err, errno, "remove %s", private->image);
            end_work(private, NULL, NULL, &err);
        }
    } else {
        end_work(private, NULL, NULL, failure);
    }
}

static void do_work(struct os_private *private, const struct work *work)
{
    struct vec items = VEC_OF(struct private_item);
    const char *slash = work->directory != NULL ? strrchr(work->directory, '/') : NULL;
    struct error err;

    if (work->kind == WORK_OPEN) {
        do_open(private, work);
    } else if (work->kind == WORK_LIST) {
        bool good = private->base == NULL || list_items(private->base, &items, &err);
        end_work(private, NULL, &items, good ? NULL : &err);
    } else if (private->base == NULL) {
        end_work(private, NULL, NULL, NULL);
    } else if (slash == NULL || (size_t)(slash - work->directory) != strlen(private->base) ||
               !text_starts(work->directory, private->base) || !split_name(slash + 1, NULL, 0)) {
        error_set(&err, ERROR_INVALID, "%s is no private directory", work->directory);
        end_work(private, NULL, NULL, &err);
    } else {
        close_files(private, work->directory);
        if (!job_start(private->options.loop, work->kind == WORK_LOCK ? lock_it : remove_it, private, worked,
                       private, &private->job, &err))
            end_work(private, NULL, NULL, &err);
    }
    vec_free(&items);
}

static void do_open(struct os_private *private, const struct work *work)
{
    char name[PRIVATE_NAME_SIZE];
    struct error err;
    CLEANUP_MEM char *directory = NULL;

    if (work->key == NULL) {
        error_set(&err, ERROR_FAILED, "no memory can be locked for the key of %s (ulimit -l)", work->party);
        end_work(private, NULL, NULL, &err);
        return;
    }
    int base = -1;
    bool good = check_usable(private, &err);
    if (good) base = open(private->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (good && base < 0) good = error_errno(&err, errno, "open %s", private->base);
    if (good && crypt_add_key(base, work->key, name, &err)) {
        CLEANUP_MEM char *last = mem_printf("%s.%s", work->party, name);
        directory = mem_printf("%s/%s", private->base, last);
        good = crypt_make_directory(base, last, name, &err) && open_files(private, directory, &err);
    } else {
        good = false;
    }
    if (base >= 0) close(base);
    end_work(private, directory, NULL, good ? NULL : &err);
}

/* Writing to a sparse file on a full disk would break the file system in it: it is not begun. */
static bool check_usable(struct os_private *private, struct error *err)
{
    struct statvfs room;
    if (statvfs(private->options.state_directory, &room) != 0)
        return error_errno(err, errno, "see how much room %s has", private->options.state_directory);
    int64_t bytes = (int64_t)room.f_bavail * (int64_t)room.f_frsize;
    if (bytes < private->options.reserve_bytes)
        return error_set(err, ERROR_REFUSED,
                         "the disk of %s is almost full: %lld MiB are left, of which %lld stay free",
                         private->options.state_directory, (long long)(bytes >> 20),
                         (long long)(private->options.reserve_bytes >> 20));
    if (statvfs(private->base, &room) != 0) return error_errno(err, errno, "%s", private->base);
    if (room.f_flag & ST_RDONLY)
        return error_set(
            err, ERROR_FAILED,
            "%s can only be read since an error of its disk: see dmesg; when its instances have ended, "
            "stop the agent, remove %s, and start the agent",
            private->base, private->image);
    return true;
}

static bool open_files(struct os_private *private, const char *directory, struct error *err)
{
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", directory), *disk = mem_printf("%s/disk", directory);
    struct opened made = {0};

    if (map_get(private->open, directory) != NULL) return true;
    if (!os_blobs_new(blobs, &made.blobs, err)) return false;
    if (!os_disk_new(disk, &made.disk, err)) {
        os_blobs_free(made.blobs);
        return false;
    }
    struct opened *opened = mem_alloc(sizeof(*opened));
    *opened = made;
    map_put(private->open, directory, opened);
    return true;
}

static void close_files(struct os_private *private, const char *directory)
{
    struct opened *opened = map_remove(private->open, directory);
    if (opened == NULL) return;
    os_blobs_free(opened->blobs);
    os_disk_free(opened->disk);
    mem_free(opened);
}

static bool lock_it(const void *what, struct error *err)
{
    const struct os_private *private = what;
    const struct work *work = *(struct work *const *)private->queue.items;
    int base = open(private->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) return error_errno(err, errno, "open %s", private->base);
    bool good = crypt_remove_key(base, strrchr(work->directory, '.') + 1, err);
    close(base);
    return good || error_wrap(err, "lock %s", work->directory);
}

/* Those who have files of it open keep them; nobody else can read them once the key is gone. */
static bool remove_it(const void *what, struct error *err)
{
    const struct os_private *private = what;
    const struct work *work = *(struct work *const *)private->queue.items;
    const struct removal removal = {private->base, work->directory,
                                    private->base == private->point ? private->image : NULL};
    if (!lock_it(what, err) && err->code != ERROR_REFUSED) return false;
    if (nftw(work->directory, remove_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 &&
        errno != ENOENT)
        return error_errno(err, errno, "remove %s", work->directory);
    return removal.image == NULL || remove_image(&removal, err);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    return remove(path);
}

/* The last one takes the file system with it. */
static bool remove_image(const struct removal *removal, struct error *err)
{
    struct vec items = VEC_OF(struct private_item);
    bool good = list_items(removal->base, &items, err), empty = items.length == 0;
    for (size_t i = 0; i < items.length; i++) {
        struct private_item *item = vec_at(&items, i);
        mem_free(item->party);
        mem_free(item->directory);
    }
    vec_free(&items);
    if (!good || !empty) return good;
    if (!image_unmount(removal->base, err)) return false;
    return unlink(removal->image) == 0 || errno == ENOENT ||
           error_errno(err, errno, "remove %s", removal->image);
}

static void worked(void *ctx, const struct error *err)
{
    struct os_private *private = ctx;
    private->job = NULL;
    /* The child may have taken the place away with its last directory. */
    if (private->base == private->point && !image_mounted(private->point)) private->base = NULL;
    end_work(private, NULL, NULL, err);
}

static bool list_items(const char *base, struct vec *ret_items, struct error *err)
{
    char party[128];
    DIR *listing = opendir(base);
    if (listing == NULL) return error_errno(err, errno, "list %s", base);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (!split_name(entry->d_name, party, sizeof(party))) continue;
        *(struct private_item *)vec_push(ret_items) =
            (struct private_item){mem_strdup(party), mem_printf("%s/%s", base, entry->d_name)};
    }
    closedir(listing);
    return true;
}

/* PARTY.KEY */
static bool split_name(const char *name, char *ret_party, size_t size)
{
    const char *dot = strrchr(name, '.');
    char party[128];
    if (dot == NULL || dot == name || (size_t)(dot - name) >= sizeof(party)) return false;
    snprintf(party, sizeof(party), "%.*s", (int)(dot - name), name);
    if (!text_is_name(party) || strlen(dot + 1) != PRIVATE_NAME_SIZE - 1) return false;
    if (strspn(dot + 1, "0123456789abcdef") != PRIVATE_NAME_SIZE - 1) return false;
    if (ret_party != NULL) snprintf(ret_party, size, "%s", party);
    return true;
}

/* From the loop. What is asked from inside the callback comes behind what waits. */
static void end_work(struct os_private *private, const char *directory, const struct vec *items,
                     const struct error *err)
{
    static const struct vec none = {0};
    struct work *work = *(struct work **)vec_at(&private->queue, 0);

    vec_remove(&private->queue, 0);
    private->made_anew = false;
    if (private->queue.length > 0) step_soon(private);
    if (work->opened != NULL) work->opened(work->ctx, err == NULL ? directory : NULL, err);
    if (work->done != NULL) work->done(work->ctx, err);
    if (work->listed != NULL) work->listed(work->ctx, items != NULL ? items : &none, err);
    work_free(work);
}

static void note(const struct os_private *private, const char *text)
{
    if (private->options.note != NULL) private->options.note(private->options.ctx, text);
}
