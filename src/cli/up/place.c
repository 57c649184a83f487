#include "cli/up/place.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/up/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_SIZE_MAX ((off_t)10 * 1024 * 1024)
#define FILE_SIZE_MAX 65536U
#define DEVICE_STEP_MS 5

static bool make_directories(const char *path, unsigned *made, struct error *err);
static void take_away(const struct place *place, const char *relative);
static int take_one(const char *path, const struct stat *status, int type, struct FTW *at);
static void take_made(const char *directory, unsigned made);
static bool check_place(const struct place *place, struct error *err);
static bool grid_info_read(const char *path, struct grid_info *ret_info);
static bool read_file(const char *path, struct buf *ret_text);
static bool replace_file(const char *path, const char *text, struct error *err);
static char *pointer_path(const struct place *place);
static bool find_device(const struct place *place, struct buf *ret_text);

bool place_open(const char *directory, bool make, struct place *ret_place, struct error *err)
{
    static const char *const parts[] = {"run", "log", "hosts", "controller"};
    struct place place = {0};
    bool good = !make || make_directories(directory, &place.made, err);
    char *real = good ? realpath(directory, NULL) : NULL;
    if (good && !real)
        good = errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no state directory %s", directory)
                               : error_errno(err, errno, "cannot open the state directory %s", directory);
    if (good) {
        place.state = mem_strdup(real);
        place.grid =
            mem_printf("%08" PRIx32, (uint32_t)text_hash(TEXT_HASH_SEED, place.state, strlen(place.state)));
    }
    free(real);
    good = good && (!make || check_place(&place, err));
    for (size_t i = 0; good && make && i < LENGTH(parts); i++) {
        CLEANUP_MEM char *path = place_path(&place, parts[i]);
        unsigned made = 0;
        good = make_directories(path, &made, err);
        place.fresh = made > 0; /* of the last: where a grid has its documents */
    }
    if (!good) {
        take_made(directory, place.made);
        place_clear(&place);
        return false;
    }
    *ret_place = place;
    return true;
}

void place_take_back(const struct place *place, const char *message)
{
    static const char *const parts[] = {"run", "hosts", "controller", "lock", "log"};
    CLEANUP_MEM char *logs = place_path(place, "log/");
    bool keep_logs = strstr(message, logs) != NULL;
    for (size_t i = 0; place->fresh && i + (keep_logs ? 1 : 0) < LENGTH(parts); i++)
        take_away(place, parts[i]);
    if (place->fresh) take_made(place->state, place->made);
}

void place_clear(struct place *place)
{
    mem_free(place->state);
    mem_free(place->grid);
    *place = (struct place){0};
}

char *place_path(const struct place *place, const char *relative)
{
    return mem_printf("%s/%s", place->state, relative);
}

bool place_lock(const struct place *place, int *ret_lock_fd, struct error *err)
{
    CLEANUP_MEM char *path = place_path(place, "lock");
    CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return error_errno(err, errno, "cannot lock %s", path);
        char pid[32] = "?";
        ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);
        if (size > 0) pid[size] = 0;
        return error_set(err, ERROR_REFUSED,
                         "a grid is running there already (pid %s); stop it with: croft down --state %s", pid,
                         place->state);
    }
    char pid[32];
    int size = snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size)
        return error_errno(err, errno, "cannot write %s", path);
    *ret_lock_fd = fd;
    fd = -1;
    return true;
}

bool place_open_log(const struct place *place, const char *name, int *ret_fd, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/log/%s.log", place->state, name);
    struct stat status;
    if (stat(path, &status) == 0 && status.st_size > LOG_SIZE_MAX) {
        CLEANUP_MEM char *old = mem_printf("%s.1", path);
        if (rename(path, old) != 0) return error_errno(err, errno, "cannot move %s away", path);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", path);
    *ret_fd = fd;
    return true;
}

void grid_info_clear(struct grid_info *info)
{
    mem_free(info->url);
    mem_free(info->token_path);
    mem_free(info->state);
    *info = (struct grid_info){0};
}

bool grid_info_of(const struct place *place, struct grid_info *ret_info, struct error *err)
{
    CLEANUP_MEM char *path = place_path(place, "run/grid.json");
    if (!grid_info_read(path, ret_info))
        return error_set(err, ERROR_NOT_FOUND, "no grid is running in %s", place->state);
    return true;
}

void grid_info_all(struct vec *ret_infos)
{
    DIR *directory = opendir(PLACE_POINTERS);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (!text_ends(entry->d_name, ".json")) continue;
        CLEANUP_MEM char *path = mem_printf("%s/%s", PLACE_POINTERS, entry->d_name);
        struct grid_info info = {0};
        if (!grid_info_read(path, &info)) continue;
        if (info.ready)
            *(struct grid_info *)vec_push(ret_infos) = info;
        else
            grid_info_clear(&info);
    }
    closedir(directory);
}

bool grid_info_write(const struct place *place, const char *json, struct error *err)
{
    CLEANUP_MEM char *path = place_path(place, "run/grid.json");
    CLEANUP_MEM char *pointer = pointer_path(place);
    unsigned made = 0;
    return make_directories(PLACE_POINTERS, &made, err) && replace_file(path, json, err) &&
           replace_file(pointer, json, err);
}

void place_sweep_files(const struct place *place)
{
    CLEANUP_MEM char *run = place_path(place, "run");
    DIR *directory = opendir(run);
    if (directory) {
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
            if (entry->d_name[0] != '.') unlinkat(dirfd(directory), entry->d_name, 0);
        closedir(directory);
    }
    CLEANUP_MEM char *pointer = pointer_path(place);
    unlink(pointer);
    rmdir(PLACE_POINTERS); /* stays while another grid has its pointer there */
}

bool place_await_devices(const struct place *place, int64_t timeout_ms, struct error *err)
{
    int64_t end_ms = steady_ms() + timeout_ms;
    CLEANUP_BUF struct buf device = {0};
    while (find_device(place, &device)) {
        if (steady_ms() >= end_ms)
            return error_set(err, ERROR_TIMEOUT,
                             "%s: somebody has it mounted (losetup -l; findmnt -S DEVICE)",
                             buf_text(&device));
        poll(NULL, 0, DEVICE_STEP_MS); /* nothing tells when it goes */
    }
    return true;
}

uint64_t process_start_ticks(int64_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    struct buf text = {0};
    uint64_t ticks = 0;
    if (read_file(path, &text)) {
        /* The name in brackets may hold anything: count from behind it. Field 22 is the start time. */
        const char *at = strrchr(buf_text(&text), ')');
        for (int field = 2; at && field < 22; field++) {
            at = strchr(at + 1, ' ');
            if (at && field == 2 && at[1] == 'Z') at = NULL; /* a zombie runs nothing */
        }
        if (at) ticks = strtoull(at + 1, NULL, 10);
    }
    buf_free(&text);
    return ticks;
}

/* With its parents; the last component for root only. *made is counted up for each that was not there, also
 * on failure. */
static bool make_directories(const char *path, unsigned *made, struct error *err)
{
    CLEANUP_MEM char *copy = mem_strdup(path);
    for (char *at = copy;; at++) {
        if ((*at != '/' || at == copy) && *at) continue;
        char end = *at;
        *at = 0;
        bool is_new = mkdir(copy, end ? 0755 : 0700) == 0;
        if (!is_new && errno != EEXIST) return error_errno(err, errno, "cannot make %s", copy);
        *made += is_new ? 1 : 0;
        *at = end;
        if (!end) return true;
    }
}

static void take_away(const struct place *place, const char *relative)
{
    CLEANUP_MEM char *path = place_path(place, relative);
    (void)nftw(path, take_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int take_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)remove(path); /* what stays is seen by what is around it staying */
    return 0;
}

/* The directory and its parents, as many as were made, while they are empty. */
static void take_made(const char *directory, unsigned made)
{
    CLEANUP_MEM char *path = mem_strdup(directory);
    for (size_t size = strlen(path); made > 0 && size > 0; path[size] = 0) {
        if (rmdir(path) == 0)
            made--;
        else if (errno != ENOENT) /* that one was not reached */
            return;
        while (size > 0 && path[size - 1] == '/')
            size--;
        while (size > 0 && path[size - 1] != '/')
            size--;
    }
}

static bool check_place(const struct place *place, struct error *err)
{
    if (text_equal(place->state, PLACE_POINTERS) || text_starts(place->state, PLACE_POINTERS "/"))
        return error_set(
            err, ERROR_REFUSED,
            "the state directory cannot be in " PLACE_POINTERS
            ", which every host covers with a directory of its own: choose another with --state");
    size_t size_max = sizeof((struct sockaddr_un *)NULL)->sun_path - sizeof("/run/whoami.sock");
    if (strlen(place->state) > size_max)
        return error_set(
            err, ERROR_REFUSED,
            "the path of the state directory is longer than %zu bytes, too long for the sockets in "
            "it: choose a shorter one with --state",
            size_max);
    if (chmod(place->state, 0700) != 0)
        return error_errno(err, errno, "cannot close %s to others", place->state);
    return true;
}

static bool grid_info_read(const char *path, struct grid_info *ret_info)
{
    struct buf text = {0};
    json_t *root = read_file(path, &text) ? json_loadb(buf_text(&text), text.size, 0, NULL) : NULL;
    buf_free(&text);
    const char *url, *token, *state;
    json_int_t pid, start;
    int ready;
    bool good =
        root && json_unpack(root, "{s:I, s:I, s:b, s:s, s:s, s:s}", "pid", &pid, "start_ticks", &start,
                            "ready", &ready, "server", &url, "token_path", &token, "state", &state) == 0;
    if (good && process_start_ticks(pid) == (uint64_t)start && start != 0)
        *ret_info = (struct grid_info){
            .pid = pid,
            .start_ticks = (uint64_t)start,
            .ready = ready != 0,
            .url = mem_strdup(url),
            .token_path = mem_strdup(token),
            .state = mem_strdup(state),
        };
    else
        good = false;
    json_decref(root);
    return good;
}

static bool read_file(const char *path, struct buf *ret_text)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    char piece[4096];
    ssize_t size = 0;
    while (ret_text->size < FILE_SIZE_MAX && (size = read(fd, piece, sizeof(piece))) > 0)
        buf_add(ret_text, piece, (size_t)size);
    return size >= 0;
}

static bool replace_file(const char *path, const char *text, struct error *err)
{
    CLEANUP_MEM char *new_path = mem_printf("%s.new", path);
    CLEANUP_FD int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", new_path);
    size_t size = strlen(text);
    if (write(fd, text, size) != (ssize_t)size) return error_errno(err, errno, "cannot write %s", new_path);
    if (rename(new_path, path) != 0) return error_errno(err, errno, "cannot rename %s", new_path);
    return true;
}

static char *pointer_path(const struct place *place)
{
    return mem_printf("%s/%s.json", PLACE_POINTERS, place->grid);
}

/* "loop3 STATE/hosts/h1/private.img", maybe with the kernel's " (deleted)" behind it. */
static bool find_device(const struct place *place, struct buf *ret_text)
{
    CLEANUP_MEM char *hosts = mem_printf("%s/hosts/", place->state);
    DIR *directory = opendir("/sys/block");
    bool found = false;
    for (struct dirent *entry; !found && directory && (entry = readdir(directory)) != NULL;) {
        CLEANUP_MEM char *path = mem_printf("/sys/block/%s/loop/backing_file", entry->d_name);
        CLEANUP_BUF struct buf file = {0};
        if (!text_starts(entry->d_name, "loop") || !read_file(path, &file)) continue;
        found = text_starts(buf_text(&file), hosts) && strstr(buf_text(&file), "/private.img") != NULL;
        if (!found) continue;
        buf_clear(ret_text);
        buf_printf(ret_text, "%s %.*s", entry->d_name, (int)strcspn(buf_text(&file), "\n"), buf_text(&file));
    }
    if (directory) closedir(directory);
    return found;
}
