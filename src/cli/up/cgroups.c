#include "cli/up/cgroups.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "cli/up/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 32U
/* The kernel empties a cgroup a moment after its last process can be waited for. */
#define LAG_MS 10

struct removal {
    int64_t deadline_ms;
    bool busy; /* something is still there */
};

static void for_each_hierarchy(const char *path, void (*visit)(const char *directory, void *ctx), void *ctx);
static void thaw(const char *directory, void *ctx);
static void drop(const char *directory, void *ctx);
static void remove_tree(const char *directory, void *ctx);
static void remove_below(const char *directory, unsigned depth, void *ctx);
static void empty(const char *directory, struct removal *removal);
static void for_each_child(const char *directory, unsigned depth,
                           void (*visit)(const char *directory, unsigned depth, void *ctx), void *ctx);
static void thaw_below(const char *directory, unsigned depth, void *ctx);
static void write_text(const char *path, const char *text);
static void unescape_mount(char *path);

void cgroups_thaw(const char *path)
{
    for_each_hierarchy(path, thaw, NULL);
}

bool cgroups_remove(const char *path, int64_t timeout_ms, struct error *err)
{
    struct removal removal = {.deadline_ms = steady_ms() + timeout_ms};
    for (;;) {
        removal.busy = false;
        cgroups_thaw(path);
        for_each_hierarchy(path, remove_tree, &removal);
        if (!removal.busy) return true;
        if (steady_ms() >= removal.deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "the cgroup %s cannot be removed: something is still in it",
                             path);
        poll(NULL, 0, LAG_MS);
    }
}

void cgroups_drop_empty(const char *path)
{
    for_each_hierarchy(path, drop, NULL);
}

/* Calls visit for MOUNT/path of each hierarchy that has it. */
static void for_each_hierarchy(const char *path, void (*visit)(const char *directory, void *ctx), void *ctx)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts) return;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, mounts) > 0) {
        /* "31 23 0:28 ROOT MOUNT options … - TYPE source options" */
        const char *type = strstr(line, " - ");
        char mount[4096];
        if (!type || !text_starts(type + 3, "cgroup") || sscanf(line, "%*s %*s %*s %*s %4095s", mount) != 1)
            continue;
        unescape_mount(mount);
        CLEANUP_MEM char *directory = mem_printf("%s/%s", mount, path);
        if (access(directory, F_OK) == 0) visit(directory, ctx);
    }
    free(line); /* getline()'s */
    fclose(mounts);
}

static void drop(const char *directory, void *ctx)
{
    rmdir(directory); /* busy: another grid's are below it */
}

static void thaw(const char *directory, void *ctx)
{
    thaw_below(directory, 0, ctx);
}

/* From the top down: a child of a frozen group stays frozen. */
static void thaw_below(const char *directory, unsigned depth, void *ctx)
{
    CLEANUP_MEM char *version1 = mem_printf("%s/freezer.state", directory);
    CLEANUP_MEM char *version2 = mem_printf("%s/cgroup.freeze", directory);
    write_text(version1, "THAWED");
    write_text(version2, "0");
    for_each_child(directory, depth, thaw_below, ctx);
}

static void remove_tree(const char *directory, void *ctx)
{
    remove_below(directory, 0, ctx);
}

static void remove_below(const char *directory, unsigned depth, void *ctx)
{
    struct removal *removal = ctx;
    for_each_child(directory, depth, remove_below, removal);
    if (rmdir(directory) == 0 || errno == ENOENT) return;
    empty(directory, removal);
    if (rmdir(directory) != 0 && errno != ENOENT) removal->busy = true;
}

/* What is in a cgroup of the grid is the grid's: kill it, and wait for each by its descriptor. */
static void empty(const char *directory, struct removal *removal)
{
    CLEANUP_MEM char *path = mem_printf("%s/cgroup.procs", directory);
    FILE *file = fopen(path, "re");
    if (!file) return;
    struct vec fds = VEC_OF(struct pollfd);
    int pid;
    while (fscanf(file, "%d", &pid) == 1) {
        int pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (pidfd < 0) continue;
        child_signal(pidfd, SIGKILL);
        *(struct pollfd *)vec_push(&fds) = (struct pollfd){.fd = pidfd, .events = POLLIN};
    }
    fclose(file);
    for (size_t i = 0; i < fds.length; i++) {
        struct pollfd *fd = vec_at(&fds, i);
        int64_t left_ms = removal->deadline_ms - steady_ms();
        poll(fd, 1, left_ms > 0 ? (int)left_ms : 0);
        close(fd->fd);
    }
    vec_free(&fds);
}

static void for_each_child(const char *directory, unsigned depth,
                           void (*visit)(const char *directory, unsigned depth, void *ctx), void *ctx)
{
    DIR *entries = depth < DEPTH_MAX ? opendir(directory) : NULL;
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        CLEANUP_MEM char *child = mem_printf("%s/%s", directory, entry->d_name);
        visit(child, depth + 1, ctx);
    }
    closedir(entries);
}

static void write_text(const char *path, const char *text)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return; /* a hierarchy that freezes nothing */
    ssize_t written = write(fd, text, strlen(text));
    (void)written;
}

/* Blanks and the like are written as \040 there. */
static void unescape_mount(char *path)
{
    char *out = path;
    for (const char *in = path; *in; out++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
            *out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = 0;
}
