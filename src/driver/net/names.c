#include "driver/net/names.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "driver/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct names {
    const struct process_port *process;
    char *directory;
    int ns_fd;
    struct process *starting; /* until the server has gone into the background */
    bool ended;               /* names_end() came while it was starting */
    uint64_t hash;            /* of the files as last written; 0: not known */
};

static void write_members(const struct host_farm *farm, struct buf *hosts, struct buf *leases);
static void domain_of(const char *farm, struct buf *domain);
static bool write_file(const struct names *names, const char *name, const struct buf *text,
                       struct error *err);
static bool start(struct names *names, const struct host_farm *farm, struct error *err);
static void started(void *ctx, struct process_exit exit);
static bool open_server(const struct names *names, int *ret_pidfd);
static bool is_inside(const struct names *names, long pid);
static bool signal_server(const struct names *names, int signal_number);
static bool others_may_search(const char *path);
static void remove_files(const struct names *names);

static const char *const file_names[] = {"hosts", "dhcp", "leases", "pid", "hosts.new", "dhcp.new"};

struct names *names_new(const struct process_port *process, const char *directory, int ns_fd)
{
    struct names *names = mem_alloc(sizeof(*names));
    names->process = process;
    names->directory = mem_strdup(directory);
    /* Its own: an ended one may outlive the farm for as long as its server is starting. */
    names->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 3);
    ASSERT(names->ns_fd >= 0);
    return names;
}

void names_free(struct names *names)
{
    if (names == NULL) return;
    if (names->starting != NULL) names->process->detach(names->process->self, names->starting);
    ns_close(&names->ns_fd);
    mem_free(names->directory);
    mem_free(names);
}

bool names_set(struct names *names, const struct host_farm *farm, struct error *err)
{
    CLEANUP_BUF struct buf hosts = {0};
    CLEANUP_BUF struct buf leases = {0};
    write_members(farm, &hosts, &leases);
    uint64_t hash = text_hash(TEXT_HASH_SEED, buf_text(&hosts), hosts.size);
    hash = text_hash(hash, buf_text(&leases), leases.size);
    bool changed = hash != names->hash;
    if (changed) {
        if (mkdir(names->directory, 0755) < 0 && errno != EEXIST)
            return error_errno(err, errno, "cannot make %s", names->directory);
        if (!write_file(names, "hosts", &hosts, err) || !write_file(names, "dhcp", &leases, err))
            return false;
        names->hash = hash;
    }
    /* While it starts, started() will have it read the files once more. */
    if (names->starting != NULL) return true;
    int pidfd = -1;
    if (!open_server(names, &pidfd)) return start(names, farm, err);
    ns_close(&pidfd);
    if (changed && !signal_server(names, SIGHUP)) return start(names, farm, err);
    return true;
}

void names_end(struct names *names)
{
    if (names->starting != NULL) {
        /* It may have forked already: only when it has written its pid can it be found. */
        names->ended = true;
        return;
    }
    signal_server(names, SIGKILL); /* false: it is gone already */
    remove_files(names);
    names_free(names);
}

static void write_members(const struct host_farm *farm, struct buf *hosts, struct buf *leases)
{
    CLEANUP_BUF struct buf domain = {0};
    domain_of(farm->name, &domain);
    for (size_t i = 0; i < farm->members_length; i++) {
        const struct member *member = &farm->members[i];
        char address[32], mac[32];
        text_format_ipv4(address, member->address);
        text_format_mac(mac, member->mac);
        buf_printf(hosts, "%s %s.%s %s", address, member->instance, buf_text(&domain), member->instance);
        if (!member->aside) buf_printf(hosts, " %s.%s %s", member->tier, buf_text(&domain), member->tier);
        buf_add_char(hosts, '\n');
        buf_printf(leases, "%s,%s,%s,12h\n", mac, address, member->instance);
    }
}

/* "acme/shop" is "shop.acme" in names. */
static void domain_of(const char *farm, struct buf *domain)
{
    const char *slash = strchr(farm, '/');
    if (slash == NULL)
        buf_add_text(domain, farm);
    else
        buf_printf(domain, "%s.%.*s", slash + 1, (int)(slash - farm), farm);
}

static bool write_file(const struct names *names, const char *name, const struct buf *text, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", names->directory, name);
    CLEANUP_MEM char *fresh = mem_printf("%s.new", path);
    CLEANUP_FD int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return error_errno(err, errno, "cannot write %s", fresh);
    for (size_t done = 0; done < text->size;) {
        ssize_t size = write(fd, text->data + done, text->size - done);
        if (size < 0) return error_errno(err, errno, "cannot write %s", fresh);
        done += (size_t)size;
    }
    /* Not synced: after a crash of the machine the namespace is gone too, and all is written anew. */
    if (rename(fresh, path) < 0) return error_errno(err, errno, "cannot rename %s", fresh);
    return true;
}

static bool start(struct names *names, const struct host_farm *farm, struct error *err)
{
    char gateway[32], base[32], mask[32];
    text_format_ipv4(gateway, farm->gateway);
    text_format_ipv4(base, farm->subnet.address);
    text_format_ipv4(mask, farm->subnet.bits == 0 ? 0 : UINT32_MAX << (32 - farm->subnet.bits));
    CLEANUP_BUF struct buf domain = {0};
    domain_of(farm->name, &domain);
    CLEANUP_ARENA struct arena *arena = arena_new();
    /* It gives up root where it can still read its files after that: they are read again at every change. */
    const char *user = others_may_search(names->directory) ? "nobody" : "root";
    const char *const argv[] = {"dnsmasq",
                                "--conf-file=/dev/null",
                                "--no-hosts",
                                "--no-resolv",
                                "--no-poll",
                                "--no-ping",
                                "--bind-interfaces",
                                "--interface=br0",
                                "--except-interface=lo",
                                "--dhcp-authoritative",
                                "--dhcp-no-override",
                                "--address=/#/",
                                "--cache-size=0",
                                "--local-ttl=1",
                                "--log-facility=/dev/null",
                                arena_printf(arena, "--user=%s", user),
                                arena_printf(arena, "--pid-file=%s/pid", names->directory),
                                arena_printf(arena, "--addn-hosts=%s/hosts", names->directory),
                                arena_printf(arena, "--dhcp-hostsfile=%s/dhcp", names->directory),
                                arena_printf(arena, "--dhcp-leasefile=%s/leases", names->directory),
                                arena_printf(arena, "--listen-address=%s", gateway),
                                arena_printf(arena, "--domain=%s", buf_text(&domain)),
                                arena_printf(arena, "--dhcp-range=%s,static,%s,12h", base, mask),
                                arena_printf(arena, "--dhcp-option=option:router,%s", gateway),
                                arena_printf(arena, "--dhcp-option=option:dns-server,%s", gateway),
                                arena_printf(arena, "--dhcp-option=option:mtu,%d", (int)farm->mtu),
                                NULL};
    const struct process_options options = {.argv = argv,
                                            .directory = "/",
                                            .in = PROCESS_NULL,
                                            .out = PROCESS_NULL,
                                            .err = PROCESS_NULL,
                                            .net_ns_fd = names->ns_fd,
                                            .new_session = true,
                                            .timeout_ms = 10000};
    struct process *process = NULL;
    if (!names->process->spawn(names->process->self, &options, NULL, started, names, &process, err))
        return error_wrap(err, "cannot start the farm's name server");
    names->starting = process;
    return true;
}

/* The program that was started ends when its child in the background is ready, or could not become so: then
 * the next names_set() tries again. */
static void started(void *ctx, struct process_exit exit)
{
    struct names *names = ctx;
    names->starting = NULL;
    if (names->ended)
        names_end(names); /* true: it is not starting any more */
    else if (exit.status == 0)
        signal_server(names, SIGHUP); /* false: it ended at once; names_set() sees that */
}

/* The process of the pid file, if it is the farm's server: a number may have been given to another since. */
static bool open_server(const struct names *names, int *ret_pidfd)
{
    CLEANUP_MEM char *path = mem_printf("%s/pid", names->directory);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    long pid = 0;
    int fields = fscanf(file, "%ld", &pid);
    fclose(file);
    if (fields != 1 || pid <= 1) return false;
    CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (pidfd < 0 || !is_inside(names, pid)) return false;
    *ret_pidfd = pidfd;
    pidfd = -1;
    return true;
}

/* Nobody but the server runs in the farm's namespace (instances have theirs), so that says more than a start
 * time would. */
static bool is_inside(const struct names *names, long pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
    struct stat there, here;
    return stat(path, &there) == 0 && fstat(names->ns_fd, &here) == 0 && there.st_ino == here.st_ino &&
           there.st_dev == here.st_dev;
}

static bool signal_server(const struct names *names, int signal_number)
{
    CLEANUP_FD int pidfd = -1;
    return open_server(names, &pidfd) && syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) == 0;
}

static bool others_may_search(const char *path)
{
    CLEANUP_MEM char *part = mem_strdup(path);
    for (;;) {
        struct stat about;
        if (stat(part, &about) < 0 || (about.st_mode & S_IXOTH) == 0) return false;
        char *slash = strrchr(part, '/');
        if (slash == NULL || slash == part) return true;
        *slash = '\0';
    }
}

static void remove_files(const struct names *names)
{
    for (size_t i = 0; i < LENGTH(file_names); i++) {
        CLEANUP_MEM char *path = mem_printf("%s/%s", names->directory, file_names[i]);
        unlink(path);
    }
    rmdir(names->directory);
}
