/* OCI layouts, and docker's archives, which are unpacked beside the blobs first. */
#include "driver/image/inside.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JSON_SIZE_MAX = 4 * 1024 * 1024 };

static int open_beneath(int directory, const char *path, struct error *err);
static json_t *load_json(int directory, const char *path, struct error *err);
static bool blob_path(const char *digest, char *out, size_t size, struct error *err);
static json_t *load_blob(int directory, const json_t *descriptor, struct error *err);
static const json_t *pick_manifest(const json_t *index, const char *tag);
static bool import_layout(struct import *import, int directory, const char *tag, struct error *err);
static bool import_layers(struct import *import, int directory, const json_t *manifest, struct error *err);
static size_t add_words(struct import *import, const json_t *list, const char **out, size_t length);
static bool must_have(const void *thing, const char *what, struct error *err);

bool import_oci(struct import *import, const char *path, struct error *err)
{
    CLEANUP_MEM char *copy = mem_strdup(path);
    char *tag = strrchr(copy, ':');
    if (tag != NULL && strchr(tag, '/') == NULL)
        *tag++ = '\0';
    else
        tag = NULL;
    int directory = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return error_errno(err, errno, "open %s", copy);
    bool good = import_layout(import, directory, tag, err);
    close(directory);
    return good;
}

static bool import_layout(struct import *import, int directory, const char *tag, struct error *err)
{
    json_t *index = load_json(directory, "index.json", err);
    if (index == NULL) return false;
    const json_t *descriptor = pick_manifest(index, tag);
    bool good = must_have(descriptor, tag == NULL ? "one image (give oci:PATH:TAG)" : "this tag", err);
    json_t *manifest = good ? load_blob(directory, descriptor, err) : NULL;
    json_t *config = manifest == NULL ? NULL : load_blob(directory, json_object_get(manifest, "config"), err);
    good = config != NULL && import_layers(import, directory, manifest, err);
    if (good) import_config(import, json_object_get(config, "config"));
    json_decref(config);
    json_decref(manifest);
    json_decref(index);
    return good;
}

static bool import_layers(struct import *import, int directory, const json_t *manifest, struct error *err)
{
    size_t i;
    json_t *layer;
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        const char *digest = json_string_value(json_object_get(layer, "digest"));
        char path[128];
        if (!blob_path(digest, path, sizeof(path), err)) return false;
        int fd = open_beneath(directory, path, err);
        if (fd < 0) return false;
        bool good = import_layer_fd(import, fd, digest, err);
        close(fd);
        if (!good) return false;
    }
    return true;
}

/* Links inside it may be followed; nothing leads out of it. */
static int open_beneath(int directory, const char *path, struct error *err)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
    if (fd < 0) error_errno(err, errno, "open its %s", path);
    return fd;
}

static json_t *load_json(int directory, const char *path, struct error *err)
{
    int fd = open_beneath(directory, path, err);
    if (fd < 0) return NULL;
    struct stat status;
    json_error_t where;
    json_t *json = NULL;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > JSON_SIZE_MAX) {
        error_set(err, ERROR_INVALID, "its %s is no file of at most 4 MiB", path);
    } else if ((json = json_loadfd(fd, JSON_REJECT_DUPLICATES, &where)) == NULL) {
        error_set(err, ERROR_INVALID, "its %s is not JSON: %s", path, where.text);
    }
    close(fd);
    return json;
}

static bool blob_path(const char *digest, char *out, size_t size, struct error *err)
{
    static const char kind[] = "sha256:";
    if (digest == NULL || !text_starts(digest, kind) || strlen(digest) != strlen(kind) + 64 ||
        strspn(digest + strlen(kind), "0123456789abcdef") != 64) {
        return error_set(err, ERROR_INVALID, "'%s' in it is no SHA-256 digest", digest == NULL ? "" : digest);
    }
    CLEANUP_MEM char *path = mem_printf("blobs/sha256/%s", digest + strlen(kind));
    ASSERT(strlen(path) < size);
    memcpy(out, path, strlen(path) + 1);
    return true;
}

static json_t *load_blob(int directory, const json_t *descriptor, struct error *err)
{
    char path[128];
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    return blob_path(digest, path, sizeof(path), err) ? load_json(directory, path, err) : NULL;
}

/* The one with the tag; without a tag the only one. */
static const json_t *pick_manifest(const json_t *index, const char *tag)
{
    const json_t *manifests = json_object_get(index, "manifests");
    size_t i;
    json_t *item;
    if (tag == NULL) return json_array_size(manifests) == 1 ? json_array_get(manifests, 0) : NULL;
    json_array_foreach(manifests, i, item)
    {
        const json_t *notes = json_object_get(item, "annotations");
        if (text_equal(json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name")), tag)) {
            return item;
        }
    }
    return NULL;
}

void import_config(struct import *import, const json_t *config)
{
    struct image *image = &import->image;
    const json_t *entry = json_object_get(config, "Entrypoint");
    const json_t *command = json_object_get(config, "Cmd");
    const json_t *env = json_object_get(config, "Env");
    size_t most = json_array_size(entry) + json_array_size(command) + 1;
    const char **words = arena_alloc_array(import->arena, most, sizeof(*words));
    size_t length = add_words(import, entry, words, 0);
    image->command_length = add_words(import, command, words, length);
    image->command = words;
    struct pair *pairs = arena_alloc_array(import->arena, json_array_size(env) + 1, sizeof(*pairs));
    size_t i;
    json_t *item;
    json_array_foreach(env, i, item)
    {
        const char *text = json_string_value(item);
        const char *equal = text == NULL ? NULL : strchr(text, '=');
        if (equal == NULL || equal == text) continue;
        pairs[image->env_length++] =
            (struct pair){.name = arena_strndup(import->arena, text, (size_t)(equal - text)),
                          .value = arena_strdup(import->arena, equal + 1)};
    }
    image->env = pairs;
    const char *directory = json_string_value(json_object_get(config, "WorkingDir"));
    if (directory != NULL && *directory == '/') image->directory = arena_strdup(import->arena, directory);
    const char *user = json_string_value(json_object_get(config, "User"));
    if (user != NULL && *user != '\0') image->user = arena_strdup(import->arena, user);
}

static size_t add_words(struct import *import, const json_t *list, const char **out, size_t length)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL) out[length++] = arena_strdup(import->arena, text);
    }
    return length;
}

static bool must_have(const void *thing, const char *what, struct error *err)
{
    return thing != NULL || error_set(err, ERROR_INVALID, "its index does not have %s", what);
}
