/* Children of the supervisor: they die with it, and are waited for by descriptor, never by number. */
#ifndef CROFT_CLI_UP_CHILD_H
#define CROFT_CLI_UP_CHILD_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* For CLEANUP(): closes a descriptor >= 0. */
void fd_closep(int *fd);
#define CLEANUP_FD CLEANUP(fd_closep)
/* Closes *fd when it is one, and sets it to -1. */
void fd_drop(int *fd);

struct child_options {
    const char *program; /* path */
    const char *const *argv;
    uint64_t namespaces;    /* CLONE_NEW… */
    int net_ns_fd;          /* network namespace to enter, or -1 */
    const int *keep_fds;    /* become 3, 4, … */
    size_t keep_fds_length; /* at most 8 */
    int log_fd;             /* standard output and error; input is /dev/null */
};

/* The child leads a session of its own and gets SIGKILL when this process dies, however that happens. */
MUST_CHECK bool child_start(const struct child_options *options, pid_t *ret_pid, int *ret_pidfd,
                            struct error *err);
void child_signal(int pidfd, int signal_number);
/* Reaps a child whose pidfd is readable. Exit code, or 128 + signal number. */
int child_reap(int pidfd);

/* Delay before a part that ended is started again: at once the first time; when it ends again within a
 * second, 100 ms, doubling up to 5 s. Zero-initialise. */
struct backoff {
    int64_t next_ms;
};
int64_t backoff_delay_ms(struct backoff *backoff, int64_t lived_ms);
int64_t steady_ms(void);

#endif
