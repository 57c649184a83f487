/* Any bytes at all as an image's layer: every entry is judged as at import and at unpacking, and as an
 * archive of images. */
#include "driver/container/unpack.h"
#include "driver/image/entry.h"
#include "driver/image/image.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing that is let through leaves the root. */
static void check_path(const char *path)
{
    CLEANUP_MEM char *hidden = NULL;
    ASSERT(path[0] != '/');
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        size_t size = strcspn(at, "/");
        ASSERT(!(size == 2 && at[0] == '.' && at[1] == '.'));
    }
    if (unpack_whiteout(path, &hidden) != WHITEOUT_NONE) ASSERT(hidden != NULL && hidden[0] != '/');
}

static void judge(const uint8_t *data, size_t size)
{
    struct archive *archive = archive_read_new();
    struct entry_judge *judges = entry_judge_new();
    struct archive_entry *entry = NULL;
    struct error err;

    archive_read_support_format_tar(archive);
    archive_read_support_filter_gzip(archive);
    bool good = archive_read_open_memory(archive, data, size) == ARCHIVE_OK;
    for (int entries = 0; good && entries < 1000 && archive_read_next_header(archive, &entry) == ARCHIVE_OK;
         entries++) {
        const char *path = NULL;
        bool skip = false;
        good = entry_judge(judges, entry, &path, &skip, &err);
        if (good && !skip) check_path(path);
    }
    entry_judge_free(judges);
    archive_read_free(archive);
}

/* From a file without a name, to a directory in memory. */
static void import(const char *blobs, const uint8_t *data, size_t size, bool docker)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    int fd = memfd_create("layer", MFD_CLOEXEC);
    CLEANUP_MEM char *source = mem_printf("%s/proc/self/fd/%d", docker ? "docker-archive:" : "", fd);
    struct image image = {0};
    struct error err;

    ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    bool good = image_import(blobs, source, arena, &image, &err);
    close(fd);
    for (size_t i = 0; good && i < image.layers_length; i++) {
        CLEANUP_MEM char *path = mem_printf("%s/sha256/%s", blobs, image.layers[i] + strlen("sha256:"));
        unlink(path); /* two layers may be one */
    }
}

static const char *blob_directory(void)
{
    static char path[] = "/dev/shm/croft-fuzz-XXXXXX";
    if (path[strlen(path) - 1] != 'X' || path[strlen(path) - 2] != 'X') return path;
    ASSERT(mkdtemp(path) != NULL);
    CLEANUP_MEM char *below = mem_printf("%s/sha256", path);
    ASSERT(mkdir(below, 0700) == 0);
    return path;
}

static void remove_directory(void)
{
    CLEANUP_MEM char *below = mem_printf("%s/sha256", blob_directory());
    rmdir(below);
    rmdir(blob_directory());
}

/* The first byte says as what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    if (!begun) atexit(remove_directory);
    begun = true;
    if (size < 1) return 0;
    judge(data + 1, size - 1);
    if (data[0] % 4 == 0) import(blob_directory(), data + 1, size - 1, data[0] & 4);
    return 0;
}
