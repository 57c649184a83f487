#include "driver/container/syscalls.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/sched.h>
#include <openssl/evp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What ordinary programs need. Left out on purpose: mounts, namespaces, keys, modules, BPF, ptrace, io_uring,
 * clocks, swap, quotas, handles, personality: each has been the way out of a container at least once. */
static const char *const allowed[] = {
    "accept",
    "accept4",
    "access",
    "alarm",
    "arch_prctl",
    "bind",
    "brk",
    "capget",
    "capset",
    "chdir",
    "chmod",
    "chown",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "close_range",
    "connect",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "flistxattr",
    "flock",
    "fork",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "futex",
    "futex_waitv",
    "futimesat",
    "get_robust_list",
    "getcpu",
    "getcwd",
    "getdents",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "getxattr",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_setup",
    "io_submit",
    "ioctl",
    "ioprio_get",
    "ioprio_set",
    "kill",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listen",
    "listxattr",
    "llistxattr",
    "lremovexattr",
    "lseek",
    "lsetxattr",
    "lstat",
    "madvise",
    "membarrier",
    "memfd_create",
    "mincore",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mprotect",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedsend",
    "mq_unlink",
    "mremap",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "preadv",
    "preadv2",
    "prlimit64",
    "process_mrelease",
    "pselect6",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "removexattr",
    "rename",
    "renameat",
    "renameat2",
    "restart_syscall",
    "rmdir",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "select",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setitimer",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setrlimit",
    "setsid",
    "setsockopt",
    "setuid",
    "setxattr",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
    "shutdown",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "socketpair",
    "splice",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "sysinfo",
    "tee",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    "tkill",
    "truncate",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    "vfork",
    "vmsplice",
    "wait4",
    "waitid",
    "write",
    "writev",
};

/* Kinds of sockets: local, IP, and the kernel's routing tables (read by getifaddrs). No vsock, no AF_ALG. */
static const int socket_families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static bool add_rules(scmp_filter_ctx filter);
static bool export_base64(scmp_filter_ctx filter, char **ret_base64, struct error *err);

const char *const *seccomp_allowed(size_t *ret_length)
{
    *ret_length = LENGTH(allowed);
    return allowed;
}

bool seccomp_build(char **ret_base64, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) return error_set(err, ERROR_FAILED, "make a seccomp filter: libseccomp gave none");
    bool good = add_rules(filter);
    if (!good) error_set(err, ERROR_FAILED, "make a seccomp filter: libseccomp refused a rule");
    good = good && export_base64(filter, ret_base64, err);
    seccomp_release(filter);
    return good;
}

static bool add_rules(scmp_filter_ctx filter)
{
    /* A search tree instead of a list: a system call costs a handful of comparisons, not hundreds. */
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0) return false;
    for (size_t i = 0; i < LENGTH(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number < 0) continue; /* not on this architecture */
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) < 0) return false;
    }
    for (size_t i = 0; i < LENGTH(socket_families); i++) {
        scmp_datum_t family = (scmp_datum_t)socket_families[i];
        struct scmp_arg_cmp equal = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family};
        if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &equal) < 0) return false;
    }
    /* clone without new namespaces; clone3 hides its flags behind a pointer: "not there", and libc falls
     * back. */
    scmp_datum_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                              CLONE_NEWPID | CLONE_NEWNET;
    struct scmp_arg_cmp none = {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = namespaces, .datum_b = 0};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &none) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

static bool export_base64(scmp_filter_ctx filter, char **ret_base64, struct error *err)
{
    enum { FILTER_SIZE_MAX = 64 * 1024 };
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "make a seccomp filter");
    int failed = seccomp_export_bpf(filter, fd);
    unsigned char *code = mem_alloc(FILTER_SIZE_MAX);
    ssize_t size = failed < 0 ? -1 : pread(fd, code, FILTER_SIZE_MAX, 0);
    close(fd);
    if (size > 0 && size < FILTER_SIZE_MAX) {
        char *text = mem_alloc((size_t)size / 3 * 4 + 8);
        EVP_EncodeBlock((unsigned char *)text, code, (int)size);
        *ret_base64 = text;
    }
    mem_free(code);
    if (size <= 0 || size >= FILTER_SIZE_MAX)
        return error_set(err, ERROR_FAILED, "read the seccomp filter's code");
    return true;
}
