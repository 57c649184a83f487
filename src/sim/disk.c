#include "sim/disk.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

struct sim_disk {
    struct disk_port port;
    struct map *files; /* path -> struct buf */
    size_t failures, writes;
};

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err);
static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err);
static bool disk_remove(void *self, const char *path, struct error *err);
static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err);
static bool may_change(struct sim_disk *disk, const char *path, struct error *err);
static void file_free(struct buf *file);
static int compare(const void *a, const void *b);

struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *disk = mem_alloc(sizeof(*disk));
    disk->port = (struct disk_port){disk, disk_read, disk_write, disk_remove, disk_list};
    disk->files = map_new();
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    size_t cursor = 0;
    void *file = NULL;

    if (!disk) return;
    while (map_next(disk->files, &cursor, NULL, &file))
        file_free(file);
    map_free(disk->files);
    mem_free(disk);
}

const struct disk_port *sim_disk_port(struct sim_disk *disk)
{
    return &disk->port;
}

void sim_disk_fail(struct sim_disk *disk, size_t count)
{
    disk->failures = count;
}

size_t sim_disk_writes(const struct sim_disk *disk)
{
    return disk->writes;
}

static bool disk_read(void *self, const char *path, struct buf *ret_data, struct error *err)
{
    const struct sim_disk *disk = self;
    const struct buf *file = map_get(disk->files, path);

    if (!file) return error_set(err, ERROR_NOT_FOUND, "no file %s", path);
    buf_add(ret_data, buf_text(file), file->size);
    return true;
}

static bool disk_write(void *self, const char *path, const void *data, size_t size, unsigned mode,
                       struct error *err)
{
    struct sim_disk *disk = self;
    struct buf *file = NULL;

    if (!may_change(disk, path, err)) return false;
    file = mem_alloc(sizeof(*file));
    buf_add(file, data, size);
    file_free(map_put(disk->files, path, file));
    return true;
}

static bool disk_remove(void *self, const char *path, struct error *err)
{
    struct sim_disk *disk = self;
    if (!may_change(disk, path, err)) return false;
    file_free(map_remove(disk->files, path));
    return true;
}

static bool disk_list(void *self, const char *path, struct vec *ret_names, struct error *err)
{
    const struct sim_disk *disk = self;
    size_t cursor = 0, size = strlen(path), first = ret_names->length;
    const char *key = NULL;

    while (map_next(disk->files, &cursor, &key, NULL)) {
        if (!text_starts(key, path) || key[size] != '/' || strchr(key + size + 1, '/')) continue;
        *(char **)vec_push(ret_names) = mem_strdup(key + size + 1);
    }
    if (ret_names->length > first)
        array_sort(vec_at(ret_names, first), ret_names->length - first, sizeof(char *), compare);
    return true;
}

static bool may_change(struct sim_disk *disk, const char *path, struct error *err)
{
    disk->writes++;
    if (disk->failures == 0) return true;
    disk->failures--;
    return error_set(err, ERROR_FAILED, "writing %s: the disk fails", path);
}

static void file_free(struct buf *file)
{
    if (!file) return;
    buf_free(file);
    mem_free(file);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}
