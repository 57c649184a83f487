#include "driver/container/cgroup.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "driver/container/config.h"
#include "driver/container/files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FREEZE_POLLS = 20, FREEZE_POLL_NS = 50000 };

/* A mounted hierarchy. */
struct hierarchy {
    char *point;
    char *controllers; /* comma-separated; version 2: "" */
};

struct cgroups {
    bool unified; /* version 2 */
    char *parent;
    struct vec hierarchies;
};

static bool find_hierarchies(struct cgroups *cgroups, struct error *err);
static bool delegate(const struct cgroups *cgroups, struct error *err);
static char *file_path(const struct cgroups *cgroups, const char *controller, const char *id,
                       const char *file);
static bool read_value(const struct cgroups *cgroups, const char *controller, const char *id,
                       const char *file, struct buf *ret_text, struct error *err);
static bool put_value(const struct cgroups *cgroups, const char *controller, const char *id, const char *file,
                      const char *text, struct error *err);
static int64_t pressure_total(const char *text);
static int64_t number_behind(const char *text, const char *key);
static bool limit_memory_v1(const struct cgroups *cgroups, const char *id, int64_t memory_bytes,
                            struct error *err);

bool cgroups_new(const char *parent, struct cgroups **ret_cgroups, struct error *err)
{
    struct cgroups *cgroups = mem_alloc(sizeof(*cgroups));
    cgroups->parent = mem_strdup(parent);
    cgroups->hierarchies = VEC_OF(struct hierarchy);
    if (!find_hierarchies(cgroups, err) || (cgroups->unified && !delegate(cgroups, err))) {
        cgroups_free(cgroups);
        return false;
    }
    *ret_cgroups = cgroups;
    return true;
}

void cgroups_free(struct cgroups *cgroups)
{
    if (cgroups == NULL) return;
    for (size_t i = 0; i < cgroups->hierarchies.length; i++) {
        struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, i);
        mem_free(hierarchy->point);
        mem_free(hierarchy->controllers);
    }
    vec_free(&cgroups->hierarchies);
    mem_free(cgroups->parent);
    mem_free(cgroups);
}

char *cgroup_path(const struct cgroups *cgroups, const char *id)
{
    return mem_printf("/%s/%s", cgroups->parent, id);
}

int cgroups_hurry(const struct cgroups *cgroups)
{
    const struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, 0);
    CLEANUP_MEM char *path = mem_printf("%s/cgroup.procs", hierarchy->point);
    struct error err;
    pid_t child = fork();

    if (child == 0) _exit(file_put(path, "0", &err) ? 0 : 1);
    return child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0U);
}

size_t cgroup_kill(const struct cgroups *cgroups, const char *id)
{
    struct error err;
    CLEANUP_BUF struct buf text = {0};
    if (!read_value(cgroups, "pids", id, "cgroup.procs", &text, &err) || text.size == 0) return 0;
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        uint64_t pid;
        if (!text_parse_u64(line, &pid) || pid <= 1) continue;
        count++;
        kill((pid_t)pid, SIGKILL);
    }
    if (count == 0) return 0;
    /* Version 1 keeps a frozen process from dying; version 2 has one file that forgets no fork. A failure
     * shows in the next count. */
    CLEANUP_MEM char *all = cgroups->unified ? file_path(cgroups, "", id, "cgroup.kill")
                                             : file_path(cgroups, "freezer", id, "freezer.state");
    if (all != NULL && !file_put(all, cgroups->unified ? "1" : "THAWED", &err)) return count;
    return count;
}

bool cgroup_contains(const struct cgroups *cgroups, const char *id, int64_t pid)
{
    struct error err;
    CLEANUP_BUF struct buf text = {0};
    if (!read_value(cgroups, "pids", id, "cgroup.procs", &text, &err) || text.size == 0) return false;
    char *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        uint64_t member;
        if (text_parse_u64(line, &member) && (int64_t)member == pid) return true;
    }
    return false;
}

bool cgroup_freeze(const struct cgroups *cgroups, const char *id, bool freeze, struct error *err)
{
    if (cgroups->unified) {
        if (!put_value(cgroups, "", id, "cgroup.freeze", freeze ? "1" : "0", err)) return false;
    } else if (!put_value(cgroups, "freezer", id, "freezer.state", freeze ? "FROZEN" : "THAWED", err)) {
        return false;
    }
    /* The kernel freezes soon after, by itself; a short wait so that it is mostly true on return. */
    for (int i = 0; freeze && i < FREEZE_POLLS && !cgroup_frozen(cgroups, id); i++) {
        nanosleep(&(struct timespec){.tv_nsec = FREEZE_POLL_NS}, NULL);
    }
    return true;
}

bool cgroup_frozen(const struct cgroups *cgroups, const char *id)
{
    struct error err;
    CLEANUP_BUF struct buf text = {0};
    if (cgroups->unified) {
        return read_value(cgroups, "", id, "cgroup.events", &text, &err) &&
               number_behind(buf_text(&text), "frozen") == 1;
    }
    return read_value(cgroups, "freezer", id, "freezer.state", &text, &err) &&
           text_equal(buf_text(&text), "FROZEN\n");
}

int64_t cgroup_oom_kills(const struct cgroups *cgroups, const char *id)
{
    struct error err;
    CLEANUP_BUF struct buf text = {0};
    const char *file = cgroups->unified ? "memory.events" : "memory.oom_control";
    return read_value(cgroups, "memory", id, file, &text, &err) ? number_behind(buf_text(&text), "oom_kill")
                                                                : 0;
}

bool cgroup_usage(const struct cgroups *cgroups, const char *id, struct compute_usage *ret_usage,
                  struct error *err)
{
    CLEANUP_BUF struct buf cpu = {0};
    CLEANUP_BUF struct buf memory = {0};
    CLEANUP_BUF struct buf pids = {0};
    bool unified = cgroups->unified;
    if (!read_value(cgroups, "cpuacct", id, unified ? "cpu.stat" : "cpuacct.usage", &cpu, err) ||
        !read_value(cgroups, "memory", id, unified ? "memory.current" : "memory.usage_in_bytes", &memory,
                    err) ||
        !read_value(cgroups, "pids", id, "pids.current", &pids, err)) {
        return false;
    }
    *ret_usage = (struct compute_usage){
        .cpu_us_total = unified ? number_behind(buf_text(&cpu), "usage_usec") : atoll(buf_text(&cpu)) / 1000,
        .memory_bytes = atoll(buf_text(&memory)),
        .processes = atoll(buf_text(&pids)),
    };
    return true;
}

bool cgroup_stalls(const struct cgroups *cgroups, const char *id, int64_t pid,
                   struct compute_stalls *ret_stalls, struct error *err)
{
    CLEANUP_BUF struct buf cpu = {0}, shares = {0}, queue = {0}, disk = {0};
    CLEANUP_MEM char *schedstat = mem_printf("/proc/%lld/schedstat", (long long)pid);
    struct compute_stalls stalls = {.run_queue_us = -1, .disk_us = -1};
    struct error none;
    long long ran_ns, waited_ns;

    if (!read_value(cgroups, "cpuacct", id, cgroups->unified ? "cpu.stat" : "cpuacct.usage", &cpu, err))
        return false;
    stalls.cpu_us =
        cgroups->unified ? number_behind(buf_text(&cpu), "usage_usec") : atoll(buf_text(&cpu)) / 1000;
    if (cgroups->unified && read_value(cgroups, "", id, "cpu.pressure", &queue, &none)) {
        stalls.run_queue_us = pressure_total(buf_text(&queue));
    } else if (bundle_file_read(schedstat, &queue, &none) &&
               sscanf(buf_text(&queue), "%lld %lld", &ran_ns, &waited_ns) == 2) {
        stalls.run_queue_us = waited_ns / 1000;
        if (cgroups->unified)
            stalls.run_queue_us += number_behind(buf_text(&cpu), "throttled_usec");
        else if (read_value(cgroups, "cpu", id, "cpu.stat", &shares, &none))
            stalls.run_queue_us += number_behind(buf_text(&shares), "throttled_time") / 1000;
    }
    if ((cgroups->unified && read_value(cgroups, "", id, "io.pressure", &disk, &none)) ||
        bundle_file_read("/proc/pressure/io", &disk, &none))
        stalls.disk_us = pressure_total(buf_text(&disk));
    *ret_stalls = stalls;
    return true;
}

bool cgroup_limit(const struct cgroups *cgroups, const char *id, const struct resources *size,
                  struct error *err)
{
    int64_t quota_us = config_cpu_quota_us(size->cpus_millis);
    if (!cgroups->unified) {
        CLEANUP_MEM char *quota = mem_printf("%lld", (long long)quota_us);
        return put_value(cgroups, "cpu", id, "cpu.cfs_quota_us", quota, err) &&
               limit_memory_v1(cgroups, id, size->memory_bytes, err);
    }
    CLEANUP_MEM char *quota = quota_us < 0 ? mem_printf("max %d", CONFIG_CPU_PERIOD_US)
                                           : mem_printf("%lld %d", (long long)quota_us, CONFIG_CPU_PERIOD_US);
    CLEANUP_MEM char *memory =
        size->memory_bytes > 0 ? mem_printf("%lld", (long long)size->memory_bytes) : mem_strdup("max");
    return put_value(cgroups, "", id, "cpu.max", quota, err) &&
           put_value(cgroups, "", id, "memory.max", memory, err);
}

bool cgroup_remove(const struct cgroups *cgroups, const char *id, struct error *err)
{
    for (size_t i = 0; i < cgroups->hierarchies.length; i++) {
        const struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, i);
        CLEANUP_MEM char *path = mem_printf("%s/%s/%s", hierarchy->point, cgroups->parent, id);
        if (rmdir(path) < 0 && errno != ENOENT) return error_errno(err, errno, "remove %s", path);
    }
    return true;
}

void cgroups_remove_parent(const struct cgroups *cgroups)
{
    for (size_t i = 0; i < cgroups->hierarchies.length; i++) {
        const struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, i);
        CLEANUP_MEM char *path = mem_printf("%s/%s", hierarchy->point, cgroups->parent);
        size_t stop = strlen(hierarchy->point);
        while (strlen(path) > stop && (rmdir(path) == 0 || errno == ENOENT))
            *strrchr(path, '/') = '\0';
    }
}

/* "36 31 0:35 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory": proc(5). */
bool cgroup_parse_mount(char *line, const char **ret_point, const char **ret_type, const char **ret_options)
{
    char *tail = strstr(line, " - ");
    if (tail == NULL) return false;
    *tail = '\0';
    char *rest = NULL;
    char *point = strtok_r(line, " ", &rest);
    for (int i = 0; i < 4 && point != NULL; i++)
        point = strtok_r(NULL, " ", &rest);
    char *type = strtok_r(tail + 3, " ", &rest);
    char *source = type == NULL ? NULL : strtok_r(NULL, " ", &rest);
    char *options = source == NULL ? NULL : strtok_r(NULL, " \n", &rest);
    if (point == NULL || options == NULL) return false;
    *ret_point = point;
    *ret_type = type;
    *ret_options = options;
    return true;
}

bool cgroup_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at++) {
        if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ',')) return true;
    }
    return false;
}

static bool find_hierarchies(struct cgroups *cgroups, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    if (!bundle_file_read("/proc/self/mountinfo", &text, err)) return false;
    CLEANUP_MEM char *unified = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *point, *type, *options;
        if (!cgroup_parse_mount(line, &point, &type, &options)) continue;
        if (text_equal(type, "cgroup2") && unified == NULL) unified = mem_strdup(point);
        if (!text_equal(type, "cgroup") || strstr(options, "name=") != NULL) continue;
        bool known = false;
        for (size_t i = 0; i < cgroups->hierarchies.length; i++) {
            const struct hierarchy *other = vec_at(&cgroups->hierarchies, i);
            known |= text_equal(other->point, point);
        }
        if (known) continue; /* the same place twice: the upper mount hides the lower */
        struct hierarchy *hierarchy = vec_push(&cgroups->hierarchies);
        hierarchy->point = mem_strdup(point);
        hierarchy->controllers = mem_strdup(options);
    }
    if (cgroups->hierarchies.length > 0) return true;
    if (unified == NULL) {
        return error_set(err, ERROR_FAILED, "no cgroups are mounted: mount cgroup2 at /sys/fs/cgroup");
    }
    cgroups->unified = true;
    struct hierarchy *hierarchy = vec_push(&cgroups->hierarchies);
    hierarchy->point = mem_strdup(unified);
    hierarchy->controllers = mem_strdup("");
    return true;
}

/* Version 2: a controller reaches a group only when every group above hands it down. */
static bool delegate(const struct cgroups *cgroups, struct error *err)
{
    const struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, 0);
    CLEANUP_MEM char *path = mem_printf("%s/%s", hierarchy->point, cgroups->parent);
    for (char *slash = path + strlen(hierarchy->point);; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST) return error_errno(err, errno, "make cgroup %s", path);
        CLEANUP_MEM char *control = mem_printf("%s/cgroup.subtree_control", path);
        if (!file_put(control, "+cpu +memory +pids", err)) {
            return error_wrap(err, "hand the cpu, memory and pids controllers down");
        }
        if (slash == NULL) return true;
        *slash = '/';
    }
}

static char *file_path(const struct cgroups *cgroups, const char *controller, const char *id,
                       const char *file)
{
    for (size_t i = 0; i < cgroups->hierarchies.length; i++) {
        const struct hierarchy *hierarchy = vec_at(&cgroups->hierarchies, i);
        if (cgroups->unified || cgroup_list_has(hierarchy->controllers, controller)) {
            return mem_printf("%s/%s/%s/%s", hierarchy->point, cgroups->parent, id, file);
        }
    }
    return NULL;
}

static bool read_value(const struct cgroups *cgroups, const char *controller, const char *id,
                       const char *file, struct buf *ret_text, struct error *err)
{
    CLEANUP_MEM char *path = file_path(cgroups, controller, id, file);
    if (path == NULL)
        return error_set(err, ERROR_FAILED, "the cgroup controller %s is not mounted", controller);
    return bundle_file_read(path, ret_text, err);
}

static bool put_value(const struct cgroups *cgroups, const char *controller, const char *id, const char *file,
                      const char *text, struct error *err)
{
    CLEANUP_MEM char *path = file_path(cgroups, controller, id, file);
    if (path == NULL)
        return error_set(err, ERROR_FAILED, "the cgroup controller %s is not mounted", controller);
    return file_put(path, text, err);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234": microseconds; -1: it is not there. */
static int64_t pressure_total(const char *text)
{
    const char *total = strncmp(text, "some ", 5) == 0 ? strstr(text, " total=") : NULL;
    return total != NULL ? atoll(total + strlen(" total=")) : -1;
}

/* The number behind a key at the start of a line; 0 when it is not there. */
static int64_t number_behind(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') return atoll(line + length + 1);
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    return 0;
}

/* Memory may not be above memory with swap at any moment: so the one that makes room goes first. */
static bool limit_memory_v1(const struct cgroups *cgroups, const char *id, int64_t memory_bytes,
                            struct error *err)
{
    CLEANUP_BUF struct buf before = {0};
    if (!read_value(cgroups, "memory", id, "memory.limit_in_bytes", &before, err)) return false;
    CLEANUP_MEM char *limit =
        memory_bytes > 0 ? mem_printf("%lld", (long long)memory_bytes) : mem_strdup("-1");
    CLEANUP_MEM char *swap = file_path(cgroups, "memory", id, "memory.memsw.limit_in_bytes");
    bool has_swap = swap != NULL && access(swap, F_OK) == 0;
    bool grows = memory_bytes <= 0 || memory_bytes > atoll(buf_text(&before));
    if (has_swap && grows && !file_put(swap, limit, err)) return false;
    if (!put_value(cgroups, "memory", id, "memory.limit_in_bytes", limit, err)) return false;
    return !has_swap || grows || file_put(swap, limit, err);
}
