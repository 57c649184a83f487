/* Control groups of instances, version 1 and 2 behind one set of words. An instance is named by its id. */
#ifndef CROFT_DRIVER_CONTAINER_CGROUP_H
#define CROFT_DRIVER_CONTAINER_CGROUP_H

#include "driver/compute.h"

struct cgroups;

/* Looks at what is mounted in this mount namespace. parent: "croft/GRID/h1". Version 2: makes the parent and
 * has its controllers delegated. */
MUST_CHECK bool cgroups_new(const char *parent, struct cgroups **ret_cgroups, struct error *err);
void cgroups_free(struct cgroups *cgroups);
/* "/croft/GRID/h1/ID": as crun wants it; the caller's to mem_free(). */
char *cgroup_path(const struct cgroups *cgroups, const char *id);

/* Before a process can be moved to another group the kernel waits until every processor has noticed (an RCU
 * grace period: percpu_down_write() in its cgroup_attach_lock()), 10 to 20 ms on an idle machine; not so soon
 * after another such move. So one is made ahead, by a child that may wait: the next one, crun's, waits so
 * much less. The child is the caller's to reap by the descriptor; below 0: there is none, and nothing but the
 * head start is lost. */
int cgroups_hurry(const struct cgroups *cgroups);

/* SIGKILL to everything in it, frozen or not. Returns how many processes were there. */
size_t cgroup_kill(const struct cgroups *cgroups, const char *id);
bool cgroup_contains(const struct cgroups *cgroups, const char *id, int64_t pid);
MUST_CHECK bool cgroup_freeze(const struct cgroups *cgroups, const char *id, bool freeze, struct error *err);
bool cgroup_frozen(const struct cgroups *cgroups, const char *id);
/* How many of its processes the kernel killed for want of memory. */
int64_t cgroup_oom_kills(const struct cgroups *cgroups, const char *id);
MUST_CHECK bool cgroup_usage(const struct cgroups *cgroups, const char *id, struct compute_usage *ret_usage,
                             struct error *err);
/* pid: of its main process. Version 2 with pressure stall information: the group's own. Else what there is:
 * time for which its quota was used up, the main process's time in the run queue; and of disks the whole
 * machine's pressure, for all groups the same. */
MUST_CHECK bool cgroup_stalls(const struct cgroups *cgroups, const char *id, int64_t pid,
                              struct compute_stalls *ret_stalls, struct error *err);
/* CPU and memory of a size. */
MUST_CHECK bool cgroup_limit(const struct cgroups *cgroups, const char *id, const struct resources *size,
                             struct error *err);
/* False while a process is still leaving; nothing there: true. */
MUST_CHECK bool cgroup_remove(const struct cgroups *cgroups, const char *id, struct error *err);
/* The parent, and what above it is empty then. */
void cgroups_remove_parent(const struct cgroups *cgroups);

/* One line of /proc/self/mountinfo; fields are cut out of `line`. False: not one. Pure. */
bool cgroup_parse_mount(char *line, const char **ret_point, const char **ret_type, const char **ret_options);
/* True when the comma-separated list has the word. Pure. */
bool cgroup_list_has(const char *list, const char *word);

#endif
