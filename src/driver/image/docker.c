/* `docker save` archives: a tar with manifest.json, a configuration and one tar a layer. Members are copied
 * one by one to files without a name, so there is no tree that an archive's links could trick. */
#include "driver/image/inside.h"

#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

static bool copy_member(struct import *import, const char *path, const char *name, int *ret_fd,
                        struct error *err);
static json_t *load_member(struct import *import, const char *path, const char *name, struct error *err);

bool import_docker(struct import *import, const char *path, struct error *err)
{
    json_t *manifests = load_member(import, path, "manifest.json", err);
    if (manifests == NULL) return false;
    const json_t *manifest = json_array_get(manifests, 0);
    const char *config_name = json_string_value(json_object_get(manifest, "Config"));
    bool good = json_array_size(manifests) == 1 && config_name != NULL;
    if (!good) error_set(err, ERROR_INVALID, "its manifest.json does not name one image");
    json_t *config = good ? load_member(import, path, config_name, err) : NULL;
    good = config != NULL;
    size_t i;
    json_t *layer;
    json_array_foreach(json_object_get(manifest, "Layers"), i, layer)
    {
        int fd = -1;
        const char *name = json_string_value(layer);
        if (!good) break;
        good = name != NULL || error_set(err, ERROR_INVALID, "its manifest.json has a layer without a name");
        good = good && copy_member(import, path, name, &fd, err) && import_layer_fd(import, fd, NULL, err);
        if (fd >= 0) close(fd);
    }
    if (good) import_config(import, json_object_get(config, "config"));
    json_decref(config);
    json_decref(manifests);
    return good;
}

static bool copy_member(struct import *import, const char *path, const char *name, int *ret_fd,
                        struct error *err)
{
    struct archive *archive = archive_read_new();
    archive_read_support_filter_all(archive);
    archive_read_support_format_tar(archive);
    struct archive_entry *entry;
    int result = archive_read_open_filename(archive, path, 65536);
    bool found = false;
    while (!found && result >= ARCHIVE_WARN &&
           (result = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN) {
        if (result == ARCHIVE_EOF) break;
        found = archive_entry_filetype(entry) == AE_IFREG && text_equal(archive_entry_pathname(entry), name);
    }
    int fd = -1;
    bool good = found;
    if (!found && result < ARCHIVE_WARN) {
        error_set(err, ERROR_INVALID, "no or a damaged archive: %s", archive_error_string(archive));
    } else if (!found) {
        error_set(err, ERROR_INVALID, "there is no file %s in it", name);
    } else {
        good = import_temporary(import, &fd, err);
    }
    if (good && archive_read_data_into_fd(archive, fd) != ARCHIVE_OK) {
        good = error_set(err, ERROR_INVALID, "copy %s: %s", name, archive_error_string(archive));
        close(fd);
    }
    archive_read_free(archive);
    if (good) *ret_fd = fd;
    return good;
}

static json_t *load_member(struct import *import, const char *path, const char *name, struct error *err)
{
    int fd;
    if (!copy_member(import, path, name, &fd, err)) return NULL;
    json_error_t where;
    json_t *json = lseek(fd, 0, SEEK_SET) < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL) error_set(err, ERROR_INVALID, "its %s is not JSON: %s", name, where.text);
    close(fd);
    return json;
}
