#include "driver/image/entry.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <archive_entry.h>
#include <string.h>

#define SIZE_MAX_BYTES (16LL * 1024 * 1024 * 1024)
enum { ENTRIES_MAX = 1000000, PATH_SIZE_MAX = 4096, OWNER_MAX = 65535 };

struct entry_judge {
    struct map *links; /* paths that are symbolic links */
    int64_t entries;
    int64_t size_bytes;
    char path[PATH_SIZE_MAX];
    char target[PATH_SIZE_MAX];
};

static bool clean_path(const char *path, char *out, const char *what, struct error *err);
static bool goes_through_link(const struct entry_judge *judge, const char *path, const char **ret_link);
static bool judge_hard_link(struct entry_judge *judge, const char *target, struct error *err);

struct entry_judge *entry_judge_new(void)
{
    struct entry_judge *judge = mem_alloc(sizeof(*judge));
    judge->links = map_new();
    return judge;
}

void entry_judge_free(struct entry_judge *judge)
{
    if (judge == NULL) return;
    map_free(judge->links);
    mem_free(judge);
}

bool entry_judge(struct entry_judge *judge, struct archive_entry *entry, const char **ret_path,
                 bool *ret_skip, struct error *err)
{
    if (++judge->entries > ENTRIES_MAX) {
        return error_set(err, ERROR_TOO_LARGE, "the archive has more than %d entries", ENTRIES_MAX);
    }
    const char *name = archive_entry_pathname(entry);
    if (name == NULL)
        return error_set(err, ERROR_INVALID, "the archive has an entry without a readable name");
    if (!clean_path(name, judge->path, "entry", err)) return false;
    int64_t size = archive_entry_hardlink(entry) == NULL ? archive_entry_size(entry) : 0;
    if (size < 0 || size > SIZE_MAX_BYTES - judge->size_bytes) {
        return error_set(err, ERROR_TOO_LARGE, "the archive holds more than 16 GiB (at '%s')", name);
    }
    judge->size_bytes += size;
    if (archive_entry_uid(entry) < 0 || archive_entry_uid(entry) > OWNER_MAX ||
        archive_entry_gid(entry) < 0 || archive_entry_gid(entry) > OWNER_MAX) {
        return error_set(err, ERROR_INVALID, "the archive's '%s' has an owner beyond %d", name, OWNER_MAX);
    }
    const char *link;
    if (goes_through_link(judge, judge->path, &link)) {
        return error_set(err, ERROR_INVALID, "the archive's '%s' goes through the link '%s'", name, link);
    }
    const char *target = archive_entry_hardlink(entry);
    if (target != NULL && !judge_hard_link(judge, target, err)) return false;
    __LA_MODE_T type = archive_entry_filetype(entry);
    if (target == NULL && type == AE_IFLNK) {
        map_put(judge->links, judge->path, judge);
    } else {
        map_remove(judge->links, judge->path);
    }
    *ret_skip = target == NULL && (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK);
    *ret_path = judge->path;
    return true;
}

static bool clean_path(const char *path, char *out, const char *what, struct error *err)
{
    if (path[0] == '/') return error_set(err, ERROR_INVALID, "the archive's %s '%s' is absolute", what, path);
    if (strlen(path) >= PATH_SIZE_MAX)
        return error_set(err, ERROR_INVALID, "the archive has a too long path");
    size_t size = 0;
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (length == 2 && strncmp(part, "..", 2) == 0) {
            return error_set(err, ERROR_INVALID, "the archive's %s '%s' has '..' in it", what, path);
        }
        if (length > 0 && !(length == 1 && *part == '.')) {
            if (size > 0) out[size++] = '/';
            memcpy(out + size, part, length);
            size += length;
        }
        part += length;
        if (*part == '/') part++;
    }
    out[size] = '\0';
    return true;
}

static bool goes_through_link(const struct entry_judge *judge, const char *path, const char **ret_link)
{
    if (map_length(judge->links) == 0) return false;
    CLEANUP_MEM char *part = mem_strdup(path);
    for (char *slash = strchr(part, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (map_get(judge->links, part) != NULL) {
            size_t cursor = 0;
            const char *key;
            void *value;
            while (map_next(judge->links, &cursor, &key, &value)) {
                if (text_equal(key, part)) *ret_link = key;
            }
            return true;
        }
        *slash = '/';
    }
    return false;
}

static bool judge_hard_link(struct entry_judge *judge, const char *target, struct error *err)
{
    const char *link;
    if (!clean_path(target, judge->target, "hard link to", err)) return false;
    if (goes_through_link(judge, judge->target, &link)) {
        return error_set(err, ERROR_INVALID, "the archive's hard link to '%s' goes through the link '%s'",
                         target, link);
    }
    return true;
}
