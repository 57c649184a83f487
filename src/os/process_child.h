/* What happens between clone and exec. For process.c only. */
#ifndef CROFT_OS_PROCESS_CHILD_H
#define CROFT_OS_PROCESS_CHILD_H

#include "port/process.h"

#include <sys/types.h>

/* Where in the child something failed. */
enum child_step {
    CHILD_DESCRIPTORS,
    CHILD_NET_NS,
    CHILD_DIRECTORY,
    CHILD_SETTINGS,
    CHILD_EXEC,
};

struct child_plan {
    const struct process_options *options;
    const char *program; /* a path */
    int streams[3];      /* become 0, 1, 2; -1: /dev/null */
    int *copies;         /* room for the child: 3 + keep_fds_length */
};

/* Starts it and returns when the program runs. On failure errno is set, *ret_step filled, nothing runs. */
MUST_CHECK bool process_child_start(const struct child_plan *plan, pid_t *ret_pid, int *ret_pidfd,
                                    enum child_step *ret_step);

#endif
