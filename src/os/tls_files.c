#include "os/tls_files.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EVERY_US = 60 * 1000 * 1000 };

/* When a file was written, as far as that can be told. */
struct version {
    struct timespec written;
    ino_t file;
    off_t size;
};

struct tls_files {
    const struct clock_port *clock;
    char *certificate, *key;
    struct version seen[2];
    struct tls *tls;
    struct error told; /* the last trouble that was said; code ERROR_NONE: none */
    struct timer *next;
};

static void look_again(void *ctx);
static bool see(const char *path, struct version *ret_version, struct error *err);
static bool is_same(const struct version *a, const struct version *b);

bool tls_files_new(const struct clock_port *clock, const char *certificate, const char *key,
                   struct tls_files **ret_files, struct error *err)
{
    struct tls_files *files = mem_alloc(sizeof(*files));

    files->clock = clock;
    files->certificate = mem_strdup(certificate);
    files->key = mem_strdup(key);
    if (!tls_files_look(files, err)) {
        tls_files_free(files);
        return false;
    }
    files->next = clock->after(clock->self, EVERY_US, look_again, files);
    *ret_files = files;
    return true;
}

void tls_files_free(struct tls_files *files)
{
    if (!files) return;
    files->clock->cancel(files->clock->self, files->next);
    tls_free(files->tls);
    mem_free(files->certificate);
    mem_free(files->key);
    mem_free(files);
}

const struct tls *tls_files_newest(const struct tls_files *files)
{
    return files->tls;
}

/* What does not fit is not looked at again before one of the files changes: the first of two that are renewed
 * one after the other does not fit the old second. */
bool tls_files_look(struct tls_files *files, struct error *err)
{
    struct version now[2];
    struct tls *tls = NULL;

    if (!see(files->certificate, &now[0], err) || !see(files->key, &now[1], err)) return false;
    if (files->tls && is_same(&now[0], &files->seen[0]) && is_same(&now[1], &files->seen[1])) return true;
    files->seen[0] = now[0];
    files->seen[1] = now[1];
    if (!tls_new_public(files->certificate, files->key, &tls, err)) return false;
    tls_free(files->tls);
    files->tls = tls;
    return true;
}

static void look_again(void *ctx)
{
    struct tls_files *files = ctx;
    struct error err;

    files->next = files->clock->after(files->clock->self, EVERY_US, look_again, files);
    if (tls_files_look(files, &err)) {
        files->told.code = ERROR_NONE;
        return;
    }
    if (files->told.code == err.code && strcmp(files->told.message, err.message) == 0) return;
    fprintf(stderr, "croft: %s; the certificate that was read before stays in use\n", err.message);
    files->told = err;
}

static bool see(const char *path, struct version *ret_version, struct error *err)
{
    struct stat status;

    if (stat(path, &status) < 0) return error_errno(err, errno, "read %s", path);
    *ret_version = (struct version){status.st_mtim, status.st_ino, status.st_size};
    return true;
}

static bool is_same(const struct version *a, const struct version *b)
{
    return a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec &&
           a->file == b->file && a->size == b->size;
}
