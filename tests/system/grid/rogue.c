/* A program that tries what no instance may do, from inside of one. Linked with nothing.
 *
 *   rogue try AGENT_PID ABSTRACT   every attempt, a line each: "NAME refused: WHY" or "NAME SUCCEEDED"
 *   rogue world                    what it finds, a line each: processes, nodes, mounts, descriptors
 *   rogue setuid                   as nobody, by a program of root's with the setuid bit: "uid U euid E"
 *   rogue hunt FILE                until there is FILE, reaches for what those have who enter
 *   rogue ask METHOD PATH [BODY]   at /run/croft/socket: the answer
 *   rogue beat FILE                a heartbeat every half second, while there is no FILE
 *   rogue hammer COUNT             everything bad that can be done to the socket
 *   rogue fork, rogue eat          until there is no more
 *   rogue flood ADDRESS COUNT      datagrams, as fast as they go
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_PATH "/run/croft/socket"

static const char *agent_pid = "0", *abstract_name = "";

/* ---- attempts: 0 when it worked, else -1 with errno */

static int call(long result)
{
    return result < 0 ? -1 : 0;
}

static int write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = write(fd, text, strlen(text)) < 0 ? -1 : 0;
    int failure = errno;
    close(fd);
    errno = failure;
    return result;
}

static int read_from(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -1;
    ssize_t size = read(fd, &byte, 1);
    int failure = size == 0 ? ENODATA : errno;
    close(fd);
    errno = failure;
    return size > 0 ? 0 : -1;
}

/* By number and arguments of no use: it has to be refused before they are looked at. */
static int raw(long number, long first)
{
    long result = syscall(number, first, 0L, 0L, 0L, 0L, 0L);
    return result < 0 && (errno == EPERM || errno == ENOSYS) ? -1 : 0;
}

static int open_node(const char *path, mode_t kind, unsigned high, unsigned low)
{
    unlink(path);
    if (mknod(path, kind | 0666, makedev(high, low)) < 0) return -1;
    return call(open(path, O_RDONLY | O_CLOEXEC)); /* made, but of no use: refused too */
}

static int socket_of(int family, int type, int protocol)
{
    return call(socket(family, type | SOCK_CLOEXEC, protocol));
}

static int try_mount(void)
{
    return mount("x", "/tmp", "tmpfs", 0, "");
}
static int try_bind(void)
{
    return mount("/proc", "/tmp", NULL, MS_BIND, NULL);
}
static int try_remount(void)
{
    return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL);
}
static int try_remount_socket(void)
{
    return mount(NULL, "/run/croft", NULL, MS_REMOUNT | MS_BIND, NULL);
}
static int try_umount(void)
{
    return umount2("/proc", MNT_DETACH);
}
static int try_open_tree(void)
{
    return call(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}
static int try_pivot(void)
{
    return call(syscall(SYS_pivot_root, "/", "/tmp"));
}
static int try_chroot(void)
{
    return chroot("/tmp");
}
static int try_unshare_user(void)
{
    return unshare(CLONE_NEWUSER);
}
static int try_unshare_mounts(void)
{
    return unshare(CLONE_NEWNS);
}
static int try_unshare_net(void)
{
    return unshare(CLONE_NEWNET);
}
static int try_clone_user(void)
{
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) _exit(0);
    return call(child);
}
static int try_clone3(void)
{
    uint64_t arguments[8] = {CLONE_NEWUSER};
    long child = syscall(SYS_clone3, arguments, sizeof(arguments));
    if (child == 0) _exit(0);
    return call(child);
}
static int try_setns(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : setns(fd, 0);
}
static int try_ptrace(void)
{
    return call(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}
static int try_vm_read(void)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {&byte, 1};
    return call(process_vm_readv(getppid(), &to, 1, &from, 1, 0));
}
static int try_agent_signal(void)
{
    return kill(atoi(agent_pid), 0);
}
static int try_agent_memory(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/mem", agent_pid);
    return read_from(path);
}
static int try_abstract(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = strlen(abstract_name);
    memcpy(name.sun_path + 1, abstract_name, length);
    return connect(fd, (const struct sockaddr *)&name,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
}
static int try_reboot(void)
{
    return reboot(RB_DISABLE_CAD);
}
static int try_settime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now);
}
static int try_hostname(void)
{
    return sethostname("x", 1);
}
/* The kernel's answer to a request over netlink. */
static int netlink_answer(int protocol, const void *request, size_t size)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } answer = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0 || send(fd, request, size, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0) return -1;
    errno = -answer.error.error;
    return errno != 0 ? -1 : 0;
}
static int try_audit(void)
{
    struct nlmsghdr head = {
        .nlmsg_len = sizeof(head), .nlmsg_type = 1000, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
    return netlink_answer(9, &head, sizeof(head));
}
/* Another's address on its own interface. */
static int try_address(void)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg what;
        struct rtattr attribute;
        uint32_t address;
    } request = {{sizeof(request), RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0},
                 {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = if_nametoindex("eth0")},
                 {sizeof(struct rtattr) + 4, IFA_LOCAL},
                 htonl(0x0a0000c8)};
    return netlink_answer(NETLINK_ROUTE, &request, sizeof(request));
}
/* Bound to another's address, which anybody may ask for, and sent from there. */
static int try_foreign_sender(void)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a0000c8), .sin_port = htons(4000)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
    if (setsockopt(fd, SOL_IP, 15 /* IP_FREEBIND */, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
        return -1;
    name.sin_addr.s_addr = htonl(0x0a000001);
    return call(sendto(fd, "x", 1, 0, (const struct sockaddr *)&name, sizeof(name)));
}
static int try_transparent(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
    return setsockopt(fd, SOL_IP, 19 /* IP_TRANSPARENT */, &on, sizeof(on));
}
static int try_mac(void)
{
    struct ifreq request = {.ifr_hwaddr = {.sa_family = 1, .sa_data = {2, 0, 0, 0, 0, 9}}};
    strcpy(request.ifr_name, "eth0");
    return ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFHWADDR, &request);
}
static int try_promiscuous(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_PROMISC};
    strcpy(request.ifr_name, "eth0");
    return ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &request);
}
static int try_sys(void)
{
    return call(open("/sys/kernel", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
static int try_cgroup(void)
{
    return call(open("/sys/fs/cgroup/pids", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
static int try_cgroup_mount(void)
{
    return mount("cgroup", "/tmp", "cgroup2", 0, NULL);
}
static int try_socket_unlink(void)
{
    return unlink(SOCKET_PATH);
}
static int try_socket_beside(void)
{
    return call(open("/run/croft/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}
static int try_socket_mode(void)
{
    return chmod(SOCKET_PATH, 0);
}
static int try_socket_owner(void)
{
    return chown(SOCKET_PATH, 0, 0);
}
static int try_priority(void)
{
    return setpriority(PRIO_PROCESS, 0, -20);
}
static int try_realtime(void)
{
    struct sched_param param = {.sched_priority = 99};
    return call(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param));
}
static int try_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}
static int try_files_limit(void)
{
    struct rlimit limit = {1 << 21, 1 << 21};
    return setrlimit(RLIMIT_NOFILE, &limit);
}

/* By its function, or a call by number with one argument, or a path: whichever there is. */
static const struct attempt {
    const char *name;
    int (*run)(void);
    const char *path, *text; /* written, or read without a text */
    long number, first;
    struct {
        int family, type, protocol;
    } socket;
    struct {
        mode_t kind;
        unsigned high, low;
    } node;
} attempts[] = {
    {.name = "mount", .run = try_mount},
    {.name = "bind", .run = try_bind},
    {.name = "remount", .run = try_remount},
    {.name = "remount_socket", .run = try_remount_socket},
    {.name = "umount", .run = try_umount},
    {.name = "open_tree", .run = try_open_tree},
    {.name = "pivot", .run = try_pivot},
    {.name = "chroot", .run = try_chroot},
    {.name = "unshare_user", .run = try_unshare_user},
    {.name = "unshare_mounts", .run = try_unshare_mounts},
    {.name = "unshare_net", .run = try_unshare_net},
    {.name = "clone_user", .run = try_clone_user},
    {.name = "clone3", .run = try_clone3},
    {.name = "setns", .run = try_setns},
    {.name = "ptrace", .run = try_ptrace},
    {.name = "vm_read", .run = try_vm_read},
    {.name = "agent_signal", .run = try_agent_signal},
    {.name = "agent_memory", .run = try_agent_memory},
    {.name = "abstract", .run = try_abstract},
    {.name = "reboot", .run = try_reboot},
    {.name = "settime", .run = try_settime},
    {.name = "hostname", .run = try_hostname},
    {.name = "audit", .run = try_audit},
    {.name = "address", .run = try_address},
    {.name = "foreign_sender", .run = try_foreign_sender},
    {.name = "transparent", .run = try_transparent},
    {.name = "mac", .run = try_mac},
    {.name = "promiscuous", .run = try_promiscuous},
    {.name = "sys", .run = try_sys},
    {.name = "cgroup", .run = try_cgroup},
    {.name = "cgroup_mount", .run = try_cgroup_mount},
    {.name = "socket_unlink", .run = try_socket_unlink},
    {.name = "socket_beside", .run = try_socket_beside},
    {.name = "socket_mode", .run = try_socket_mode},
    {.name = "socket_owner", .run = try_socket_owner},
    {.name = "priority", .run = try_priority},
    {.name = "realtime", .run = try_realtime},
    {.name = "privileges", .run = try_privileges},
    {.name = "files_limit", .run = try_files_limit},
    {.name = "fsopen", .number = SYS_fsopen, .first = (long)"tmpfs"},
    {.name = "keyctl", .number = SYS_keyctl, .first = 0},
    {.name = "add_key", .number = SYS_add_key, .first = (long)"user"},
    {.name = "request_key", .number = SYS_request_key, .first = (long)"user"},
    {.name = "bpf", .number = SYS_bpf, .first = 0},
    {.name = "perf", .number = SYS_perf_event_open, .first = 0},
    {.name = "userfault", .number = SYS_userfaultfd, .first = 0},
    {.name = "uring", .number = SYS_io_uring_setup, .first = 1},
    {.name = "module", .number = SYS_init_module, .first = 0},
    {.name = "fmodule", .number = SYS_finit_module, .first = 0},
    {.name = "kexec", .number = SYS_kexec_load, .first = 0},
    {.name = "swap", .number = SYS_swapoff, .first = (long)"/tmp/x"},
    {.name = "acct", .number = SYS_acct, .first = 0},
    {.name = "syslog", .number = SYS_syslog, .first = 3},
    {.name = "quota", .number = SYS_quotactl, .first = 0},
    {.name = "iopl", .number = SYS_iopl, .first = 3},
    {.name = "handle", .number = SYS_open_by_handle_at, .first = AT_FDCWD},
    {.name = "personality", .number = SYS_personality, .first = 0x0040000},
    {.name = "getfd", .number = SYS_pidfd_getfd, .first = 0},
    {.name = "core_pattern", .path = "/proc/sys/kernel/core_pattern", .text = "|/tmp/x"},
    {.name = "modprobe", .path = "/proc/sys/kernel/modprobe", .text = "/tmp/x"},
    {.name = "forward", .path = "/proc/sys/net/ipv4/ip_forward", .text = "1"},
    {.name = "drop_caches", .path = "/proc/sys/vm/drop_caches", .text = "1"},
    {.name = "sysrq", .path = "/proc/sysrq-trigger", .text = "h"},
    {.name = "uid_map", .path = "/proc/self/uid_map", .text = "0 0 1"},
    {.name = "oom", .path = "/proc/self/oom_score_adj", .text = "-1000"},
    {.name = "kcore", .path = "/proc/kcore"},
    {.name = "kmsg", .path = "/proc/kmsg"},
    {.name = "keys", .path = "/proc/keys"},
    {.name = "timers", .path = "/proc/timer_list"},
    {.name = "packet", .socket = {AF_PACKET, SOCK_RAW, 0x0300}},
    {.name = "raw", .socket = {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
    {.name = "raw6", .socket = {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}},
    {.name = "vsock", .socket = {40, SOCK_STREAM, 0}},
    {.name = "alg", .socket = {38, SOCK_SEQPACKET, 0}},
    {.name = "disk_node", .path = "/tmp/disk", .node = {S_IFBLK, 8, 0}},
    {.name = "memory_node", .path = "/tmp/memory", .node = {S_IFCHR, 1, 1}},
    {.name = "kmsg_node", .path = "/tmp/kmsg", .node = {S_IFCHR, 1, 11}},
    {.name = "loop_node", .path = "/tmp/loop", .node = {S_IFCHR, 10, 237}},
};

static int try_one(const struct attempt *attempt)
{
    if (attempt->run) return attempt->run();
    if (attempt->node.kind)
        return open_node(attempt->path, attempt->node.kind, attempt->node.high, attempt->node.low);
    if (attempt->path)
        return attempt->text ? write_to(attempt->path, attempt->text) : read_from(attempt->path);
    if (attempt->socket.family)
        return socket_of(attempt->socket.family, attempt->socket.type, attempt->socket.protocol);
    return raw(attempt->number, attempt->first);
}

/* Each in a child: one that works must not change what the next one finds. */
static int try_all(void)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        pid_t child = fork();
        if (child == 0) {
            int result = try_one(&attempts[i]);
            if (result == 0)
                printf("%s SUCCEEDED\n", attempts[i].name);
            else
                printf("%s refused: %s\n", attempts[i].name, strerror(errno));
            fflush(stdout);
            _exit(0);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) return 1;
        if (WIFSIGNALED(status)) printf("%s refused: signal %d\n", attempts[i].name, WTERMSIG(status));
        fflush(stdout);
    }
    return 0;
}

/* ---- what there is */

static int look_at(const char *path, const struct stat *status, int type, struct FTW *where)
{
    if (strncmp(path, "/proc/", 6) == 0) return FTW_SKIP_SUBTREE;
    if (S_ISBLK(status->st_mode) || S_ISCHR(status->st_mode))
        printf("node %s %u:%u\n", path, major(status->st_rdev), minor(status->st_rdev));
    if (S_ISSOCK(status->st_mode)) printf("socket %s\n", path);
    if (type == FTW_DNR) printf("closed %s\n", path);
    return FTW_CONTINUE;
}

static void list_descriptors(void)
{
    char path[64], target[256];
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size > 0) printf("descriptor %d %.*s\n", fd, (int)size, target);
    }
}

static int world(void)
{
    char line[4096];
    list_descriptors();
    for (int pid = 1; pid < 70000; pid++)
        if (kill(pid, 0) == 0 || errno == EPERM) printf("process %d\n", pid);
    nftw("/", look_at, 32, FTW_PHYS | FTW_ACTIONRETVAL);
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && fgets(line, sizeof(line), mounts))
        printf("mount %s", line);
    FILE *sockets = fopen("/proc/net/unix", "re");
    while (sockets && fgets(line, sizeof(line), sockets))
        printf("unix %s", line);
    FILE *groups = fopen("/proc/self/cgroup", "re");
    while (groups && fgets(line, sizeof(line), groups))
        printf("cgroup %s", line);
    return 0;
}

static int with_setuid(const char *self)
{
    char data[65536];
    int from = open(self, O_RDONLY | O_CLOEXEC),
        to = open("/tmp/setuid", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    for (ssize_t size; (size = read(from, data, sizeof(data))) > 0;)
        if (write(to, data, (size_t)size) != size) return 1;
    close(to);
    if (chmod("/tmp/setuid", 04755) < 0 || setgid(1000) < 0 || setuid(1000) < 0) return 1;
    execl("/tmp/setuid", "setuid", "who", NULL);
    return 1;
}

/* ---- who enters */

/* A process that enters has descriptors, a program and directories of the host until it has become another.
 */
static void reach_into(const char *pid)
{
    static const char *const ways[] = {"exe", "root", "cwd"};
    char path[300], target[300];
    for (int i = 0; i < 64 + 3; i++) {
        if (i < 3)
            snprintf(path, sizeof(path), "/proc/%s/%s", pid, ways[i]);
        else
            snprintf(path, sizeof(path), "/proc/%s/fd/%d", pid, i - 3);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size < 0) continue;
        target[size] = '\0';
        struct stat status, root;
        if (stat(path, &status) < 0 || stat("/", &root) < 0 || status.st_dev == root.st_dev) continue;
        if (i == 0 && open(path, O_WRONLY | O_CLOEXEC) >= 0) printf("GOT the program %s\n", target);
        if (i != 0 && S_ISDIR(status.st_mode)) printf("GOT the directory %s\n", target);
    }
}

static int hunt(const char *stop)
{
    unsigned long met = 0;
    int last = getpid();
    while (access(stop, F_OK) < 0) {
        DIR *processes = opendir("/proc");
        for (struct dirent *entry; processes && (entry = readdir(processes));) {
            int pid = atoi(entry->d_name);
            if (pid <= 1 || pid == getpid()) continue;
            reach_into(entry->d_name);
            if (pid <= last) continue;
            last = pid;
            met++;
        }
        if (processes) closedir(processes);
    }
    printf("met %lu\n", met);
    return 0;
}

/* ---- the socket */

static int dial(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0) return fd;
    close(fd);
    return -1;
}

static int ask(const char *method, const char *path, const char *body, FILE *to)
{
    char data[4096];
    int fd = dial();
    if (fd < 0) {
        perror("connect");
        return 1;
    }
    dprintf(fd, "%s %s HTTP/1.1\r\nHost: croft\r\nContent-Length: %zu\r\n\r\n%s", method, path, strlen(body),
            body);
    for (ssize_t size; (size = read(fd, data, sizeof(data))) > 0;)
        if (to) fwrite(data, 1, (size_t)size, to);
    close(fd);
    return 0;
}

static _Noreturn void beat(const char *quiet)
{
    for (;;) {
        if (access(quiet, F_OK) < 0) ask("POST", "/v1/heartbeat", "", NULL);
        usleep(500000);
    }
}

/* A TCP connection that is full, and that waits for an hour when it is closed. */
static int lingering(void)
{
    static const char data[65536];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    const struct linger linger = {1, 3600};
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(door, (const struct sockaddr *)&name, size) < 0 || listen(door, 1) < 0 ||
        getsockname(door, (struct sockaddr *)&name, &size) < 0 ||
        connect(fd, (const struct sockaddr *)&name, size) < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0) {
    }
    return fd;
}

static void send_along(int fd, int along)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, text[] = "GET /v1/me HTTP/1.1\r\n";
    struct iovec piece = {text, sizeof(text) - 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &along, sizeof(int));
    sendmsg(fd, &message, MSG_NOSIGNAL);
}

static int hammer(int count)
{
    static char junk[65536];
    memset(junk, 'a', sizeof(junk));
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < count; i++) {
        int fd = dial();
        if (fd < 0) return 1;
        switch (i % 4) {
        case 0: /* says nothing, and stays */
            continue;
        case 1:
            send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
            continue;
        case 2: {
            int along = lingering();
            send_along(fd, along);
            close(along);
            break;
        }
        default: /* byte by byte */
            for (int byte = 0; byte < 8192; byte++)
                if (send(fd, "G", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
        }
        close(fd);
    }
    puts("hammered");
    return 0;
}

/* ---- too much of everything */

static int fork_all(void)
{
    int children = 0;
    for (; children < 100000; children++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            pause();
            _exit(0);
        }
    }
    printf("%d children, then: %s\n", children, strerror(errno));
    fflush(stdout);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0) {
    }
    return 0;
}

static int eat(void)
{
    for (size_t size = 0; size < (1U << 30); size += 1 << 20)
        if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
            MAP_FAILED)
            return 2;
    return 0;
}

static int flood(const char *address, long count)
{
    static const char data[1200];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, address, &name.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    long sent = 0;
    for (long i = 0; i < count; i++)
        sent +=
            sendto(fd, data, sizeof(data), MSG_DONTWAIT, (const struct sockaddr *)&name, sizeof(name)) > 0;
    printf("sent %ld\n", sent);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "try") == 0 && argc == 4) {
        agent_pid = argv[2];
        abstract_name = argv[3];
        return try_all();
    }
    if (strcmp(what, "world") == 0) return world();
    if (strcmp(what, "hunt") == 0 && argc == 3) return hunt(argv[2]);
    if (strcmp(what, "setuid") == 0) return with_setuid(argv[0]);
    if (strcmp(what, "who") == 0) return printf("uid %u euid %u\n", getuid(), geteuid()) < 0;
    if (strcmp(what, "ask") == 0 && argc >= 4) return ask(argv[2], argv[3], argc > 4 ? argv[4] : "", stdout);
    if (strcmp(what, "beat") == 0 && argc == 3) beat(argv[2]);
    if (strcmp(what, "hammer") == 0 && argc == 3) return hammer(atoi(argv[2]));
    if (strcmp(what, "fork") == 0) return fork_all();
    if (strcmp(what, "eat") == 0) return eat();
    if (strcmp(what, "flood") == 0 && argc == 4) return flood(argv[2], atol(argv[3]));
    fputs("usage: see the top of rogue.c\n", stderr);
    return 2;
}
