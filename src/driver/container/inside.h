/* For the implementation of this driver only. */
#ifndef CROFT_DRIVER_CONTAINER_INSIDE_H
#define CROFT_DRIVER_CONTAINER_INSIDE_H

#include "base/vec.h"
#include "driver/container/cgroup.h"
#include "driver/container/container.h"
#include "driver/container/images.h"

#include <sys/types.h>

/* What an instance is asked to do at the moment; README.md has the drawing. */
enum operation {
    OPERATION_NONE,
    OPERATION_CREATE,
    OPERATION_START,
    OPERATION_STOP,
    OPERATION_WIPE,
    OPERATION_RESIZE
};

struct container {
    struct container_options options; /* texts are this struct's own */
    struct compute_events events;
    struct cgroups *cgroups;
    struct images *images; /* of STATE */
    struct map *stores;    /* directory -> struct images: of those that were given */
    char *seccomp;         /* the filter in base64 */
    struct map *instances; /* full name -> struct held */
    struct timer *log_timer;
    struct fd_watch *hurry_watch; /* of the child that moves ahead (cgroups_hurry()), or NULL */
    int hurry_pidfd;
    uint32_t next_range;
};

/* An instance as this driver holds it. */
struct held {
    struct container *container;
    char *name;      /* full */
    char *directory; /* RUN/instance/NAME */
    char *control;
    char *id;     /* of crun's container and its cgroup; NULL before create got that far */
    char *digest; /* of its image; NULL as above */
    char *store;  /* where that is; NULL: in STATE, or as above */
    int64_t incarnation;
    uint32_t uid_first; /* 0: none yet */
    int64_t pid;        /* of the main process while it lives, else 0 */
    int pidfd;          /* -1 when pid is 0 */
    int log;            /* its output, for cutting; -1: not opened yet, or pid is 0 */
    struct fd_watch *watch;
    struct process *crun; /* on its way */
    struct vec keep_fds;  /* int: for the command, until it is started */
    bool strays;          /* an earlier driver may have left a crun on its way */
    int64_t oom_kills;    /* that were seen */

    enum operation operation;
    compute_done done;
    void *ctx;
    struct timer *timer;   /* of the operation: a deferred end, a grace, a retry */
    struct error *outcome; /* of a deferred end; NULL: good */
    int64_t give_up_us;    /* steady; of wipe */
};

enum {
    LOG_EVERY_US = 250000,
    LOG_AGAIN_US = 50000, /* after one was cut: it may be a flood */
    LOG_SIZE_MAX = 512 * 1024,
    LOG_SIZE_KEPT = 256 * 1024,
    WIPE_RETRY_US = 1000,
    WIPE_TIME_MAX_US = 10000000,
};

/* container.c */
struct held *instance_new(struct container *container, const char *name);
void instance_free(struct held *instance); /* forgets it; touches nothing outside */
struct held *instance_find(const struct container *container, const char *name);
/* NULL with err when it is not here or its process does not live. */
struct held *instance_find_running(struct container *container, const char *name, struct error *err);
void instance_begin(struct held *instance, enum operation operation, compute_done done, void *ctx);
/* Ends the operation: now (from the loop), or from the loop soon. err NULL: good. */
void instance_end(struct held *instance, const struct error *err);
void instance_end_later(struct held *instance, const struct error *err);
struct timer *container_after(struct container *container, int64_t delay_us, void (*fire)(void *ctx),
                              void *ctx);
/* "acme/shop/web-1" <-> "acme.shop.web-1". NULL when it is no such name. */
char *container_escape(const char *name);
char *container_unescape(const char *text);

/* Of a store, opened when it was not; NULL: STATE's. */
MUST_CHECK bool container_images(struct container *container, const char *store, struct images **ret_images,
                                 struct error *err);

/* create.c */
void container_create(void *self, const struct personality *personality, const struct image *image,
                      const struct compute_place *place, compute_done done, void *ctx);
void container_start(void *self, const char *name, compute_done done, void *ctx);
/* Takes up an instance from its directory: what is known of it, and its process if it lives. */
void instance_load(struct held *instance);
/* Watches pid when it is a living process of the instance. */
bool instance_adopt(struct held *instance, int64_t pid, struct error *err);

/* end.c */
void container_stop(void *self, const char *name, int64_t grace_ms, compute_done done, void *ctx);
void container_wipe(void *self, const char *name, compute_done done, void *ctx);
void instance_ended(void *ctx); /* pidfd is readable */
void instance_drop_process(struct held *instance);

/* exec.c */
bool container_exec_argv(void *self, const char *name, const struct compute_command *command,
                         struct vec *ret_argv, struct error *err);
int container_exec_refused(void *self, const char *output, const char **ret_why);

/* log.c */
void container_trim_logs(void *ctx);
bool container_log(void *self, const char *name, int64_t *offset, size_t size_max, struct buf *ret_data,
                   struct error *err);

#endif
