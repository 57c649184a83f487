/* Other programs. Every descriptor that is not named here is closed in the child. */
#ifndef CROFT_PORT_PROCESS_H
#define CROFT_PORT_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

/* Each of the three standard streams of a child. */
enum process_stream {
    PROCESS_NULL,    /* /dev/null */
    PROCESS_CAPTURE, /* given to `output` as it comes (stdout, stderr), or written by write() (stdin) */
    PROCESS_FD,      /* the given descriptor; spawn() duplicates it, the caller keeps its own */
};

struct process_options {
    const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH */
    const char *const *env;  /* NULL-terminated NAME=value; NULL: this process's own */
    const char *directory;   /* working directory or NULL */
    enum process_stream in, out, err;
    int in_fd, out_fd, err_fd; /* with PROCESS_FD */
    /* All three streams are one new terminal, whose output comes as stream 1: the kinds above do not count.
     * The child leads a session of its own with it. */
    bool tty;
    /* With tty: it passes on every byte, for a child that connects it to a terminal further inside. */
    bool tty_raw;
    /* With tty: the standard error is not it, but comes as stream 2: for a child that has words of its own,
     * to be told from those of what runs on the terminal further inside. */
    bool tty_err;
    unsigned tty_rows, tty_columns; /* its size; 0: unknown */
    const int *keep_fds;            /* these become 3, 4, … in the child, in this order */
    size_t keep_fds_length;
    int net_ns_fd;        /* >= 0: the child enters this network namespace before exec; else -1 */
    bool die_with_parent; /* SIGKILL to the child when this process dies */
    bool new_session;     /* setsid() */
    int64_t timeout_ms;   /* > 0: SIGKILL to the child after that; exit tells so */
};

struct process_exit {
    bool timed_out;
    int status; /* exit code, or 128 + signal number, as a shell tells it */
};

struct process_port {
    void *self;
    /* Starts a child. Callbacks come from the loop, never from inside spawn(): output (stream is 1 or 2)
     * any number of times, then exited exactly once, after which the handle is gone. output may be NULL
     * when nothing is captured. ERROR_NOT_FOUND when the program does not exist. */
    bool (*spawn)(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err);
    /* Queues bytes for a captured stdin; size 0 closes it. taken (or NULL) is called from the loop, with the
     * ctx of spawn(), when nothing is queued any more, once for the newest write; not after exited. Whoever
     * does not wait for it has to bound what is queued in another way. */
    void (*write)(void *self, struct process *process, const void *data, size_t size,
                  void (*taken)(void *ctx));
    void (*kill)(void *self, struct process *process, int signal_number);
    /* Forgets the callbacks: none will come. The child lives on and is reaped. process may be NULL. */
    void (*detach)(void *self, struct process *process);
    int64_t (*pid)(void *self, const struct process *process);
};

#endif
