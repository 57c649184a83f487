/* `croft doctor`: what this machine has of what croft needs. Kernel features are tried, not looked up: in a
 * child with namespaces of its own, which leaves nothing behind. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "cli/profile.h"
#include "driver/net/link.h"
#include "driver/net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_KB_MIN ((uint64_t)512 * 1024)

enum verdict { VERDICT_OK, VERDICT_MISSING, VERDICT_NOTE };

struct finding {
    char what[48];
    enum verdict verdict;
    char text[512]; /* what is there, or how to mend it */
};

struct doctor {
    struct cli *cli;
    struct vec findings; /* struct finding */
};

static void tell(struct doctor *doctor, enum verdict verdict, const char *what, const char *format, ...)
    PRINTF_LIKE(4, 5);
static void check_root(struct doctor *doctor);
static void check_program(struct doctor *doctor, const char *program, const char *package, const char *use);
static void check_loop(struct doctor *doctor);
static void check_namespaces(struct doctor *doctor);
static void check_link(struct doctor *doctor, const char *kind);
static void check_filter(struct doctor *doctor);
static void check_bridge_filter(struct doctor *doctor);
static void check_overlay(struct doctor *doctor);
static void check_cgroups(struct doctor *doctor);
static void check_memory(struct doctor *doctor);
static void check_grids(struct doctor *doctor);
static int in_namespaces(int (*body)(const char *argument), const char *argument);
static int make_link(const char *kind);
static int make_filter(const char *argument);
static int make_overlay(const char *argument);
static int nothing(const char *argument);
static int report(struct doctor *doctor);

int doctor_run(struct cli *cli)
{
    struct doctor doctor = {.cli = cli, .findings = VEC_OF(struct finding)};

    check_root(&doctor);
    check_program(&doctor, "crun", "crun", "containers");
    check_program(&doctor, "haproxy", "haproxy", "balancers");
    check_program(&doctor, "dnsmasq", "dnsmasq-base", "names inside farms");
    check_program(&doctor, "mkfs.ext4", "e2fsprogs", "what is stored for tenants");
    check_loop(&doctor);
    check_namespaces(&doctor);
    check_link(&doctor, "bridge");
    check_link(&doctor, "vxlan");
    check_link(&doctor, "veth");
    check_filter(&doctor);
    check_bridge_filter(&doctor);
    check_overlay(&doctor);
    check_cgroups(&doctor);
    check_memory(&doctor);
    check_grids(&doctor);
    int code = report(&doctor);
    vec_free(&doctor.findings);
    return code;
}

static void tell(struct doctor *doctor, enum verdict verdict, const char *what, const char *format, ...)
{
    struct finding *finding = vec_push(&doctor->findings);
    va_list list;

    finding->verdict = verdict;
    snprintf(finding->what, sizeof(finding->what), "%s", what);
    va_start(list, format);
    vsnprintf(finding->text, sizeof(finding->text), format, list);
    va_end(list);
}

static void check_root(struct doctor *doctor)
{
    if (geteuid() == 0)
        tell(doctor, VERDICT_OK, "root", "this is root");
    else
        tell(doctor, VERDICT_MISSING, "root",
             "croft up and agents need root: use sudo (other commands do not)");
}

static void check_program(struct doctor *doctor, const char *program, const char *package, const char *use)
{
    const char *path = getenv("PATH");
    CLEANUP_MEM char *list = mem_printf("%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
    char *rest = NULL;

    for (char *at = strtok_r(list, ":", &rest); at; at = strtok_r(NULL, ":", &rest)) {
        CLEANUP_MEM char *file = mem_printf("%s/%s", at, program);
        if (access(file, X_OK) != 0) continue;
        tell(doctor, VERDICT_OK, program, "%s", file);
        return;
    }
    tell(doctor, VERDICT_MISSING, program, "it is needed for %s: apt-get install %s", use, package);
}

/* Needed where the file system of an agent's state does not encrypt. */
static void check_loop(struct doctor *doctor)
{
    if (access("/dev/loop-control", F_OK) == 0)
        tell(doctor, VERDICT_OK, "loop", "devices can be made");
    else
        tell(doctor, VERDICT_MISSING, "loop", "what is stored for tenants may need it: modprobe loop");
}

static void check_namespaces(struct doctor *doctor)
{
    static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    CLEANUP_BUF struct buf missing = {0}, users = {0};
    struct error ignored;

    for (size_t i = 0; i < LENGTH(kinds); i++) {
        CLEANUP_MEM char *path = mem_printf("/proc/self/ns/%s", kinds[i]);
        if (access(path, F_OK) != 0) buf_printf(&missing, " %s", kinds[i]);
    }
    int why = in_namespaces(nothing, NULL);
    if (missing.size > 0)
        tell(doctor, VERDICT_MISSING, "namespaces", "this kernel has none of:%s: boot one that has",
             buf_text(&missing));
    else if (why != 0)
        tell(doctor, VERDICT_MISSING, "namespaces", "they cannot be made: %s", strerror(why));
    else
        tell(doctor, VERDICT_OK, "namespaces", "cgroup ipc mnt net pid user uts");
    if (user_file_read("/proc/sys/user/max_user_namespaces", &users, &ignored) &&
        strtol(buf_text(&users), NULL, 10) > 0)
        tell(doctor, VERDICT_OK, "user namespaces", "at most %ld", strtol(buf_text(&users), NULL, 10));
    else
        tell(doctor, VERDICT_NOTE, "user namespaces",
             "instances have no users of their own: sysctl user.max_user_namespaces=10000");
}

static void check_link(struct doctor *doctor, const char *kind)
{
    int why = in_namespaces(make_link, kind);
    if (why == 0)
        tell(doctor, VERDICT_OK, kind, "can be made");
    else
        tell(doctor, VERDICT_MISSING, kind, "%s: modprobe %s", strerror(why), kind);
}

static void check_filter(struct doctor *doctor)
{
    int why = in_namespaces(make_filter, NULL);
    if (why == 0)
        tell(doctor, VERDICT_OK, "nf_tables", "rules can be made");
    else
        tell(doctor, VERDICT_MISSING, "nf_tables", "%s: modprobe nf_tables, apt-get install libnftables1",
             strerror(why));
}

static void check_bridge_filter(struct doctor *doctor)
{
    if (access("/proc/sys/net/bridge", F_OK) == 0 || access("/sys/module/br_netfilter", F_OK) == 0)
        tell(doctor, VERDICT_OK, "br_netfilter", "is loaded");
    else
        tell(doctor, VERDICT_MISSING, "br_netfilter",
             "what instances send each other cannot be filtered: modprobe "
             "br_netfilter");
}

static void check_overlay(struct doctor *doctor)
{
    int why = in_namespaces(make_overlay, NULL);
    if (why == 0)
        tell(doctor, VERDICT_OK, "overlayfs", "can be mounted");
    else
        tell(doctor, VERDICT_MISSING, "overlayfs", "%s: modprobe overlay", strerror(why));
}

static void check_cgroups(struct doctor *doctor)
{
    struct statfs status = {0};

    if (statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
        tell(doctor, VERDICT_OK, "cgroups", "version 2");
    else if (statfs("/sys/fs/cgroup/unified", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
        tell(doctor, VERDICT_OK, "cgroups", "hybrid: version 1 with a unified tree");
    else if (access("/sys/fs/cgroup/memory", F_OK) == 0 && access("/sys/fs/cgroup/cpu", F_OK) == 0)
        tell(doctor, VERDICT_OK, "cgroups", "version 1");
    else
        tell(doctor, VERDICT_MISSING, "cgroups",
             "none at /sys/fs/cgroup: mount -t cgroup2 none /sys/fs/cgroup");
}

static void check_memory(struct doctor *doctor)
{
    CLEANUP_BUF struct buf text = {0};
    struct error err;
    const char *line = NULL;

    if (user_file_read("/proc/meminfo", &text, &err)) line = strstr(buf_text(&text), "MemAvailable:");
    uint64_t kb = line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) : 0;
    if (kb >= MEMORY_KB_MIN)
        tell(doctor, VERDICT_OK, "memory", "%llu MiB available", (unsigned long long)kb / 1024);
    else
        tell(doctor, VERDICT_MISSING, "memory", "%llu MiB available, a small grid wants 512: end something",
             (unsigned long long)kb / 1024);
}

static void check_grids(struct doctor *doctor)
{
    struct vec grids = VEC_OF(struct running_grid);

    profile_grids(doctor->cli->arena, "/run/croft", &grids);
    for (size_t i = 0; i < grids.length; i++) {
        const struct running_grid *grid = vec_at(&grids, i);
        tell(doctor, VERDICT_NOTE, "grid", "%s runs in %s (process %ld)", grid->server, grid->state,
             grid->pid);
    }
    if (grids.length == 0) tell(doctor, VERDICT_NOTE, "grid", "none runs here");
    vec_free(&grids);
}

/* What body says: 0, or why not (errno). Everything it makes goes with the child's namespaces. */
static int in_namespaces(int (*body)(const char *argument), const char *argument)
{
    int status = 0;
    pid_t child = fork();

    if (child < 0) return errno;
    if (child == 0) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) _exit(errno);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(errno);
        _exit(body(argument));
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

static int nothing(const char *argument)
{
    return 0;
}

static int make_link(const char *kind)
{
    const struct link_end near = {.name = "doctor0", .index = 100}, far = {.name = "doctor1", .index = 101};
    struct netlink *netlink = NULL;
    struct error err;

    if (!netlink_open(-1, NETLINK_ROUTE, &netlink, &err)) return EOPNOTSUPP;
    if (text_equal(kind, "bridge")) {
        link_add_bridge(netlink, &near, NETLINK_FINE_NONE);
    } else if (text_equal(kind, "veth")) {
        link_add_veth(netlink, &near, &far, -1, NETLINK_FINE_NONE);
    } else {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return errno;
        link_add_vxlan(netlink, &near, fd, 1, 0x7f000001, 1, NETLINK_FINE_NONE);
    }
    return netlink_commit(netlink, &err) ? 0 : EOPNOTSUPP;
}

static int make_filter(const char *argument)
{
    struct nft *nft = NULL;
    struct error err;
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (fd < 0) return errno;
    return nft_new(&nft, &err) && nft_run(nft, fd, "add table inet doctor", &err) ? 0 : EOPNOTSUPP;
}

static int make_overlay(const char *argument)
{
    if (mount("doctor", "/tmp", "tmpfs", 0, "size=1m") != 0) return errno;
    if (mkdir("/tmp/low", 0700) != 0 || mkdir("/tmp/up", 0700) != 0 || mkdir("/tmp/work", 0700) != 0 ||
        mkdir("/tmp/all", 0700) != 0)
        return errno;
    return mount("doctor", "/tmp/all", "overlay", 0,
                 "lowerdir=/tmp/low,upperdir=/tmp/up,workdir=/tmp/work") == 0
               ? 0
               : errno;
}

static int report(struct doctor *doctor)
{
    static const char *const words[] = {
        [VERDICT_OK] = "ok", [VERDICT_MISSING] = "missing", [VERDICT_NOTE] = "note"};
    struct cli *cli = doctor->cli;
    CLEANUP_BUF struct buf json = {0}, text = {0};
    struct node node;
    struct error err;
    int code = 0;

    for (size_t i = 0; i < doctor->findings.length; i++) {
        const struct finding *finding = vec_at(&doctor->findings, i);
        if (finding->verdict == VERDICT_MISSING) code = 1;
        buf_printf(&json, "%s{\"name\":", i ? "," : "[");
        buf_add_json_string(&json, finding->what);
        buf_printf(&json, ",\"result\":\"%s\",\"detail\":", words[finding->verdict]);
        buf_add_json_string(&json, finding->text);
        buf_add_char(&json, '}');
        style_state(&cli->style, words[finding->verdict], &text);
        buf_printf(&text, " %s: %s\n", finding->what, finding->text);
    }
    buf_add_char(&json, ']');
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) fputs(buf_text(&text), cli->out);
    return code;
}
