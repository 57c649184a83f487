#include "sim/bad_disk.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* A change that the disk below does not know yet. */
struct kept {
    bool removed;
    unsigned mode;
    struct buf data;
};

struct sim_bad_disk {
    struct disk_port port;
    const struct disk_port *under;
    void (*spend)(void *ctx, int64_t us);
    void *ctx;
    int64_t slow_us;
    bool full, lies;
    struct map *kept;                                                            /* path -> struct kept */
    void (*written)(void *ctx, const char *path, const char *data, size_t size); /* a watcher or NULL */
    void *written_ctx;
};

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err);
static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err);
static bool disk_remove(void *self, const char *path, struct error *err);
static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err);
static struct kept *keep(struct sim_bad_disk *disk, const char *path);
static void forget_kept(struct sim_bad_disk *disk);
static bool write_kept(struct sim_bad_disk *disk, const char *path, const struct kept *kept,
                       struct error *err);
static bool is_in(const char *path, const char *directory);
static void put_name(struct vec *names, size_t first, const char *name, bool there);

struct sim_bad_disk *sim_bad_disk_new(const struct disk_port *under, void (*spend)(void *ctx, int64_t us),
                                      void *ctx)
{
    struct sim_bad_disk *disk = mem_alloc(sizeof(*disk));

    disk->port = (struct disk_port){disk, disk_read, disk_write, disk_remove, disk_list};
    disk->under = under;
    disk->spend = spend;
    disk->ctx = ctx;
    disk->kept = map_new();
    return disk;
}

void sim_bad_disk_free(struct sim_bad_disk *disk)
{
    if (!disk) return;
    forget_kept(disk);
    map_free(disk->kept);
    mem_free(disk);
}

const struct disk_port *sim_bad_disk_port(struct sim_bad_disk *disk)
{
    return &disk->port;
}

void sim_bad_disk_slow(struct sim_bad_disk *disk, int64_t us)
{
    disk->slow_us = us;
}

void sim_bad_disk_full(struct sim_bad_disk *disk, bool full)
{
    disk->full = full;
}

void sim_bad_disk_lie(struct sim_bad_disk *disk, bool lies)
{
    size_t cursor = 0;
    const char *path = NULL;
    void *kept = NULL;
    struct error err;

    disk->lies = lies;
    if (lies) return;
    while (map_next(disk->kept, &cursor, &path, &kept))
        ASSERT(write_kept(disk, path, kept, &err));
    forget_kept(disk);
}

void sim_bad_disk_watch(struct sim_bad_disk *disk,
                        void (*written)(void *ctx, const char *path, const char *data, size_t size),
                        void *ctx)
{
    disk->written = written;
    disk->written_ctx = ctx;
}

size_t sim_bad_disk_power_lost(struct sim_bad_disk *disk)
{
    size_t cursor = 0, lost = map_length(disk->kept);
    const char *path = NULL;
    void *value = NULL;
    struct error err;

    while (map_next(disk->kept, &cursor, &path, &value)) {
        const struct kept empty = {.mode = ((struct kept *)value)->mode};
        if (!((struct kept *)value)->removed) ASSERT(write_kept(disk, path, &empty, &err));
    }
    forget_kept(disk);
    return lost;
}

bool sim_bad_disk_flip(struct sim_bad_disk *disk, const char *path, uint64_t bit)
{
    CLEANUP_BUF struct buf data = {0};
    struct error err;

    if (!disk->under->read(disk->under->self, path, &data, &err) || data.size == 0) return false;
    data.data[bit / 8 % data.size] ^= (char)(1 << bit % 8);
    return disk->under->write(disk->under->self, path, data.data, data.size, 0600, &err);
}

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err)
{
    const struct sim_bad_disk *disk = self;
    const struct kept *kept = map_get(disk->kept, path);

    if (!kept) return disk->under->read(disk->under->self, path, ret_data, err);
    if (kept->removed) return error_set(err, ERROR_NOT_FOUND, "no file %s", path);
    buf_add(ret_data, buf_text(&kept->data), kept->data.size);
    return true;
}

static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err)
{
    struct sim_bad_disk *disk = self;

    if (disk->written) disk->written(disk->written_ctx, path, data, size);
    if (disk->slow_us > 0) disk->spend(disk->ctx, disk->slow_us);
    if (disk->full) return error_set(err, ERROR_FAILED, "writing %s: no space left on device", path);
    if (!disk->lies) return disk->under->write(disk->under->self, path, data, size, mode, err);
    struct kept *kept = keep(disk, path);
    kept->mode = mode;
    buf_add(&kept->data, data, size);
    return true;
}

static bool disk_remove(void *self, const char *path, struct error *err)
{
    struct sim_bad_disk *disk = self;

    if (disk->slow_us > 0) disk->spend(disk->ctx, disk->slow_us);
    if (!disk->lies) return disk->under->remove(disk->under->self, path, err);
    keep(disk, path)->removed = true;
    return true;
}

static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err)
{
    const struct sim_bad_disk *disk = self;
    size_t cursor = 0, first = ret_names->length, size = strlen(path);
    const char *key = NULL;
    void *value = NULL;

    if (!disk->under->list(disk->under->self, path, ret_names, err)) return false;
    while (map_next(disk->kept, &cursor, &key, &value))
        if (is_in(key, path)) put_name(ret_names, first, key + size + 1, !((struct kept *)value)->removed);
    return true;
}

/* Anew: what was kept of it before has no meaning any more. */
static struct kept *keep(struct sim_bad_disk *disk, const char *path)
{
    struct kept *kept = map_get(disk->kept, path);

    if (!kept) {
        kept = mem_alloc(sizeof(*kept));
        map_put(disk->kept, path, kept);
    }
    buf_free(&kept->data);
    *kept = (struct kept){0};
    return kept;
}

static void forget_kept(struct sim_bad_disk *disk)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(disk->kept, &cursor, NULL, &value)) {
        buf_free(&((struct kept *)value)->data);
        mem_free(value);
    }
    map_free(disk->kept);
    disk->kept = map_new();
}

static bool write_kept(struct sim_bad_disk *disk, const char *path, const struct kept *kept,
                       struct error *err)
{
    const struct disk_port *under = disk->under;

    if (kept->removed) return under->remove(under->self, path, err);
    return under->write(under->self, path, buf_text(&kept->data), kept->data.size, kept->mode, err);
}

static bool is_in(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return text_starts(path, directory) && path[size] == '/' && !strchr(path + size + 1, '/');
}

/* The names from `first` on are sorted, and stay so. */
static void put_name(struct vec *names, size_t first, const char *name, bool there)
{
    size_t place = first;

    while (place < names->length && strcmp(*(char **)vec_at(names, place), name) < 0)
        place++;
    bool is_there = place < names->length && text_equal(*(char **)vec_at(names, place), name);
    if (is_there == there) return;
    if (!there) {
        mem_free(*(char **)vec_at(names, place));
        vec_remove(names, place);
        return;
    }
    vec_push(names);
    for (size_t n = names->length - 1; n > place; n--)
        *(char **)vec_at(names, n) = *(char **)vec_at(names, n - 1);
    *(char **)vec_at(names, place) = mem_strdup(name);
}
