/* What runs instances: containers now; virtual machines and whole hosts behind the same table later. */
#ifndef CROFT_DRIVER_COMPUTE_H
#define CROFT_DRIVER_COMPUTE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"
#include "model/host_document.h"

/* Where an instance is put; made by the agent from the net driver's answers. */
struct compute_place {
    const char
        *store; /* where its image is unpacked, as given to add_image(); NULL: the driver's own place */
    const char *net_ns_path; /* its network namespace, configured and filtered */
    const char *hostname;    /* "web-1" */
    const char *domain;      /* "shop.acme": search domain */
    uint32_t resolver;       /* address of the farm's name server: the gateway; 0: none */
    const int *keep_fds;     /* open sockets that the command gets as 3, 4, …: a balancer's listeners */
    size_t keep_fds_length;
};

/* A command to be run inside an instance, besides its own. */
struct compute_command {
    const char *const *argv;
    size_t length;
    const char *const *env; /* NAME=value, on top of the instance's own */
    size_t env_length;
    bool tty;
};

/* One instance that the driver knows of: what `list` finds after a restart of the agent. */
struct compute_found {
    char *instance; /* full name, the caller's to mem_free() */
    char *store;    /* where its image is: compute_place.store, the caller's to mem_free(); NULL */
    int64_t incarnation;
    char *personality_json; /* as given to create, the caller's to mem_free() */
    bool running;           /* its process lives */
    bool frozen;
};

struct compute_usage {
    int64_t cpu_us_total; /* since it was made */
    int64_t memory_bytes;
    int64_t processes;
};

/* Times that it could not go on, in all since it was made, as far as this machine counts them; -1: it does
 * not. */
struct compute_stalls {
    int64_t cpu_us;       /* not a stall: processor time used */
    int64_t run_queue_us; /* some of it was ready and had no processor, or had used up its share */
    int64_t disk_us;      /* some of it waited for a disk */
};

typedef void (*compute_done)(void *ctx, const struct error *err); /* err NULL: done */

struct compute_events {
    /* An instance's main process ended by itself (not by stop or wipe). status as process_exit.status, or -1
     * when it cannot be known because the agent was restarted in between. */
    void (*exited)(void *ctx, const char *instance, int64_t incarnation, int status, bool out_of_memory);
    void *ctx;
};

/* All slots with a done are asynchronous: done is called exactly once, from the loop, never from inside the
 * call. Operations on one instance are asked for one after the other, on several at once. After a failed
 * create or start, wipe is still to be called. Strings and structs are copied where they are kept. */
struct compute_driver {
    void *self;
    void (*destroy)(void *self); /* leaves instances running; no done is called after */
    void (*set_events)(void *self, const struct compute_events *events);

    /* Images are unpacked in a place of the driver's own (store NULL), or below a directory that is given:
     * one that can be read and written from the first call that names it until drop_store(). */
    /* True when the image is unpacked there and can be used. */
    bool (*has_image)(void *self, const char *store, const char *digest);
    /* True when the layer is unpacked there, with whatever image: add_image reads no file for it. */
    bool (*has_layer)(void *self, const char *store, const char *digest);
    /* The layers (files under the paths given, in the image's order; digests verified) are unpacked durably;
     * idempotent; a crash in between leaves nothing that has_image() calls true. */
    void (*add_image)(void *self, const char *store, const struct image *image,
                      const char *const *layer_paths, compute_done done, void *ctx);
    /* Removes images that no instance uses and that are not in `digests`. */
    bool (*keep_images)(void *self, const char *store, const char *const *digests, size_t length,
                        struct error *err);
    /* Nothing is done there any more, and nothing open. Not while an image is added there. Instances made
     * from there go on. */
    void (*drop_store)(void *self, const char *store);

    /* Instances will be made in a moment: what takes its time and can be begun before begins now. Changes
     * nothing that can be seen; optional to call. */
    void (*expect)(void *self);
    /* Everything but running its command: scratch, root, limits, namespaces. The image must be there. */
    void (*create)(void *self, const struct personality *personality, const struct image *image,
                   const struct compute_place *place, compute_done done, void *ctx);
    void (*start)(void *self, const char *instance, compute_done done, void *ctx);
    bool (*freeze)(void *self, const char *instance, struct error *err);
    bool (*thaw)(void *self, const char *instance, struct error *err);
    /* Sends a signal to the main process of one that runs. */
    bool (*signal)(void *self, const char *instance, int number, struct error *err);
    /* SIGTERM, after grace_ms SIGKILL to all of it; done when no process of it lives. Frozen ones too. */
    void (*stop)(void *self, const char *instance, int64_t grace_ms, compute_done done, void *ctx);
    /* Kills what lives and removes every trace: scratch, mounts, cgroup, log, state. Idempotent; no error for
     * an instance that is not there. done means: nothing readable is left. */
    void (*wipe)(void *self, const char *instance, compute_done done, void *ctx);
    /* What is there: items are struct compute_found. */
    bool (*list)(void *self, struct vec *ret_found, struct error *err);

    /* Host's pid of the main process; 0 when it does not run. */
    int64_t (*pid)(void *self, const char *instance);
    bool (*usage)(void *self, const char *instance, struct compute_usage *ret_usage, struct error *err);
    /* Of one that runs; cheap enough to be asked every second. */
    bool (*stalls)(void *self, const char *instance, struct compute_stalls *ret_stalls, struct error *err);
    /* Size limits, changed in place. */
    void (*resize)(void *self, const char *instance, const struct resources *size, compute_done done,
                   void *ctx);
    /* Bytes of the log from *offset on (below zero: so many before the end), at most size_max, added to
     * ret_data; *offset is moved behind them (and forward when older output is gone already; and back when
     * the instance was started anew, whose log begins anew). */
    bool (*log)(void *self, const char *instance, int64_t *offset, size_t size_max, struct buf *ret_data,
                struct error *err);
    /* Argument vector that runs a command inside, for port/process (struct vec of char *, NULL last, the
     * caller's to mem_free() each). With tty the process has to be given a terminal too, and its
     * standard error for itself: the command's is the terminal. */
    bool (*exec_argv)(void *self, const char *instance, const struct compute_command *command,
                      struct vec *ret_argv, struct error *err);
    /* output: all that a process of exec_argv() has written so far; with tty, to its standard error, which
     * may have the end of the command's own output, too. Does it say that the command cannot be run, the
     * status with which a shell tells so (127: not found, 126: it is no program), and why; 0: it is the
     * command's own. *ret_why points into output. */
    int (*exec_refused)(void *self, const char *output, const char **ret_why);
    /* Directory of the host that the instance sees as /run/croft: sockets. A balancer may change what is in
     * it, others only connect to what the agent has put there. NULL when unknown. */
    const char *(*control_directory)(void *self, const char *instance);
};

#endif
