/* Which system calls an instance may make: a table, compiled once. */
#ifndef CROFT_DRIVER_CONTAINER_SYSCALLS_H
#define CROFT_DRIVER_CONTAINER_SYSCALLS_H

#include "base/error.h"

/* The names that are allowed without a condition, sorted. */
const char *const *seccomp_allowed(size_t *ret_length);
/* The filter's code in base64, as crun takes it; the caller's to mem_free(). */
MUST_CHECK bool seccomp_build(char **ret_base64, struct error *err);

#endif
