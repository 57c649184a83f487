/* The text of an OCI bundle's config.json. Pure. */
#ifndef CROFT_DRIVER_CONTAINER_CONFIG_H
#define CROFT_DRIVER_CONTAINER_CONFIG_H

#include "driver/compute.h"

enum {
    CONFIG_IDS = 65536,       /* user ids of an instance */
    CONFIG_PIDS_MAX = 512,    /* processes of an instance */
    CONFIG_FILES_MAX = 65536, /* open files of a process */
    CONFIG_CPU_PERIOD_US = 100000,
    CONFIG_CPU_QUOTA_US_MIN = 1000, /* the kernel's */
};

struct config {
    const struct personality *personality;
    const struct image *image;
    const struct compute_place *place;
    const char *root;    /* path of the mounted root */
    const char *control; /* path that the instance sees as /run/croft; only a balancer may write to it */
    const char *cgroup;  /* "/croft/GRID/h1/NAME" */
    const char *seccomp; /* base64 */
    uint32_t uid_first;
    uint64_t files_max; /* open files of a process: what the driver itself may have, at most */
};

/* ERROR_INVALID when neither the instance nor its image names a command, or the image's user is no number. */
MUST_CHECK bool config_write(const struct config *config, struct buf *ret_json, struct error *err);
/* Quota in each CONFIG_CPU_PERIOD_US for a size; -1: no limit. */
int64_t config_cpu_quota_us(int64_t cpus_millis);

#endif
