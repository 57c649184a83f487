#include "driver/container/config.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool read_user(const char *text, uint64_t *ret_uid, uint64_t *ret_gid);
static void add_list(struct buf *json, const char *const *items, size_t length);
static void add_env(struct buf *json, const struct config *config);
static bool env_has(const struct config *config, const char *name);
static void add_env_item(struct buf *json, const char *name, const char *value, bool *first);
static void add_process(struct buf *json, const struct config *config, uint64_t uid, uint64_t gid);
static void add_mounts(struct buf *json, const struct config *config);
static void add_linux(struct buf *json, const struct config *config);
static void add_resources(struct buf *json, const struct resources *size);

/* What root inside may do to its own files and processes; nothing about the machine, the network or
 * namespaces. */
static const char *const capabilities[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE",     "CAP_FOWNER", "CAP_FSETID",
                                           "CAP_KILL",  "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"};
static const char *const masked[] = {
    "/proc/acpi",          "/proc/asound",        "/proc/interrupts", "/proc/kcore",      "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug",   "/proc/scsi",       "/proc/timer_list", "/proc/timer_stats",
    "/proc/kmsg",          "/proc/sysrq-trigger", "/sys/firmware"};
static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};

bool config_write(const struct config *config, struct buf *ret_json, struct error *err)
{
    const struct personality *personality = config->personality;
    if (personality->command_length == 0 && config->image->command_length == 0) {
        return error_set(err, ERROR_INVALID, "%s: neither the tier nor its image has a command: give one",
                         personality->instance);
    }
    uint64_t uid, gid;
    if (!read_user(config->image->user, &uid, &gid)) {
        return error_set(err, ERROR_INVALID, "%s: user '%s' of the image is not uid or uid:gid below %d",
                         personality->instance, config->image->user, CONFIG_IDS);
    }
    buf_add_text(ret_json, "{\"ociVersion\":\"1.0.0\",");
    add_process(ret_json, config, uid, gid);
    buf_add_text(ret_json, ",\"root\":{\"path\":");
    buf_add_json_string(ret_json, config->root);
    buf_add_text(ret_json, ",\"readonly\":false},\"hostname\":");
    buf_add_json_string(ret_json, config->place->hostname);
    add_mounts(ret_json, config);
    add_linux(ret_json, config);
    buf_add_text(ret_json, ",\"annotations\":{\"run.oci.seccomp_bpf_data\":");
    buf_add_json_string(ret_json, config->seccomp);
    buf_add_text(ret_json, "}}\n");
    return true;
}

int64_t config_cpu_quota_us(int64_t cpus_millis)
{
    if (cpus_millis <= 0) return -1;
    int64_t quota_us = cpus_millis * (CONFIG_CPU_PERIOD_US / 1000);
    return quota_us < CONFIG_CPU_QUOTA_US_MIN ? CONFIG_CPU_QUOTA_US_MIN : quota_us;
}

static bool read_user(const char *text, uint64_t *ret_uid, uint64_t *ret_gid)
{
    CLEANUP_MEM char *copy = mem_strdup(text == NULL || *text == '\0' ? "0" : text);
    char *colon = strchr(copy, ':');
    if (colon != NULL) *colon = '\0';
    uint64_t uid, gid = 0;
    if (!text_parse_u64(copy, &uid) || (colon != NULL && !text_parse_u64(colon + 1, &gid))) return false;
    if (uid >= CONFIG_IDS || gid >= CONFIG_IDS) return false;
    *ret_uid = uid;
    *ret_gid = gid;
    return true;
}

static void add_list(struct buf *json, const char *const *items, size_t length)
{
    buf_add_char(json, '[');
    for (size_t i = 0; i < length; i++) {
        if (i > 0) buf_add_char(json, ',');
        buf_add_json_string(json, items[i]);
    }
    buf_add_char(json, ']');
}

/* The tier's values win over the image's. */
static void add_env(struct buf *json, const struct config *config)
{
    const struct personality *personality = config->personality;
    bool first = true;
    buf_add_text(json, ",\"env\":[");
    for (size_t i = 0; i < config->image->env_length; i++) {
        bool hidden = false;
        for (size_t j = 0; j < personality->env_length; j++) {
            hidden |= text_equal(personality->env[j].name, config->image->env[i].name);
        }
        if (!hidden) add_env_item(json, config->image->env[i].name, config->image->env[i].value, &first);
    }
    for (size_t i = 0; i < personality->env_length; i++) {
        add_env_item(json, personality->env[i].name, personality->env[i].value, &first);
    }
    if (!env_has(config, "PATH")) add_env_item(json, "PATH", DEFAULT_PATH, &first);
    if (!env_has(config, "HOME")) add_env_item(json, "HOME", "/", &first);
    if (!env_has(config, "HOSTNAME")) add_env_item(json, "HOSTNAME", config->place->hostname, &first);
    buf_add_char(json, ']');
}

static bool env_has(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->image->env_length; i++) {
        if (text_equal(config->image->env[i].name, name)) return true;
    }
    for (size_t i = 0; i < config->personality->env_length; i++) {
        if (text_equal(config->personality->env[i].name, name)) return true;
    }
    return false;
}

static void add_env_item(struct buf *json, const char *name, const char *value, bool *first)
{
    CLEANUP_MEM char *item = mem_printf("%s=%s", name, value);
    if (!*first) buf_add_char(json, ',');
    buf_add_json_string(json, item);
    *first = false;
}

static void add_process(struct buf *json, const struct config *config, uint64_t uid, uint64_t gid)
{
    const struct personality *personality = config->personality;
    buf_printf(json, "\"process\":{\"terminal\":false,\"user\":{\"uid\":%llu,\"gid\":%llu},\"args\":",
               (unsigned long long)uid, (unsigned long long)gid);
    if (personality->command_length > 0) {
        add_list(json, personality->command, personality->command_length);
    } else {
        add_list(json, config->image->command, config->image->command_length);
    }
    add_env(json, config);
    buf_add_text(json, ",\"cwd\":");
    const char *directory = config->image->directory;
    buf_add_json_string(json, directory == NULL || *directory != '/' ? "/" : directory);
    buf_add_text(json, ",\"capabilities\":{");
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    for (size_t i = 0; i < LENGTH(sets); i++) {
        buf_printf(json, "%s\"%s\":", i > 0 ? "," : "", sets[i]);
        add_list(json, capabilities, LENGTH(capabilities));
    }
    uint64_t files_max = config->files_max < CONFIG_FILES_MAX ? config->files_max : CONFIG_FILES_MAX;
    buf_printf(json,
               "},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":%llu,\"soft\":%llu},"
               "{\"type\":\"RLIMIT_CORE\",\"hard\":0,\"soft\":0}],"
               "\"noNewPrivileges\":true,\"oomScoreAdj\":500}",
               (unsigned long long)files_max, (unsigned long long)(files_max < 1024 ? files_max : 1024));
}

/* No /sys: with a user namespace and a network namespace by path it would be the host's, writable. */
static void add_mounts(struct buf *json, const struct config *config)
{
    buf_add_text(json, ",\"mounts\":["
                       "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\","
                       "\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
                       "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
                       "\"options\":[\"nosuid\",\"noexec\",\"strictatime\",\"mode=755\",\"size=64k\"]},"
                       "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
                       "\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},"
                       "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
                       "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=16m\"]},"
                       "{\"destination\":\"/run/croft\",\"type\":\"none\",\"source\":");
    buf_add_json_string(json, config->control);
    buf_printf(json, ",\"options\":[\"bind\",\"nosuid\",\"noexec\",\"nodev\",\"%s\"]}]",
               config->personality->frontends_length > 0 ? "rw" : "ro");
}

static void add_linux(struct buf *json, const struct config *config)
{
    buf_add_text(
        json,
        ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
        "{\"type\":\"mount\"},{\"type\":\"cgroup\"},{\"type\":\"user\"},{\"type\":\"network\",\"path\":");
    buf_add_json_string(json, config->place->net_ns_path);
    buf_add_text(json, "}]");
    static const char *const maps[] = {"uidMappings", "gidMappings"};
    for (size_t i = 0; i < LENGTH(maps); i++) {
        buf_printf(json, ",\"%s\":[{\"containerID\":0,\"hostID\":%u,\"size\":%d}]", maps[i],
                   config->uid_first, CONFIG_IDS);
    }
    buf_add_text(json, ",\"cgroupsPath\":");
    buf_add_json_string(json, config->cgroup);
    add_resources(json, &config->personality->size);
    buf_add_text(json, ",\"maskedPaths\":");
    add_list(json, masked, LENGTH(masked));
    buf_add_text(json, ",\"readonlyPaths\":");
    add_list(json, read_only, LENGTH(read_only));
    buf_add_char(json, '}');
}

static void add_resources(struct buf *json, const struct resources *size)
{
    buf_printf(json, ",\"resources\":{\"pids\":{\"limit\":%d}", CONFIG_PIDS_MAX);
    if (size->memory_bytes > 0) {
        buf_printf(json, ",\"memory\":{\"limit\":%lld,\"swap\":%lld}", (long long)size->memory_bytes,
                   (long long)size->memory_bytes);
    }
    if (size->cpus_millis > 0) {
        buf_printf(json, ",\"cpu\":{\"quota\":%lld,\"period\":%d}",
                   (long long)config_cpu_quota_us(size->cpus_millis), CONFIG_CPU_PERIOD_US);
    }
    buf_add_char(json, '}');
}
