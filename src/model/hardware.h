/* What may be wrong with a host's hardware. Ownership as in intent.h. */
#ifndef CROFT_MODEL_HARDWARE_H
#define CROFT_MODEL_HARDWARE_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_kind {
    FINDING_MEMORY_ERRORS,  /* corrected ones within an hour, of a memory controller */
    FINDING_MEMORY_LOST,    /* ones that could not be corrected, since the host started */
    FINDING_HOT,            /* degrees Celsius at a sensor */
    FINDING_DISK_ERRORS,    /* requests that a disk failed within an hour */
    FINDING_DISK_FAILS,     /* 1: a disk says itself that it fails (SMART) */
    FINDING_DISK_FULL,      /* percent taken of the file system that the agent keeps its state in */
    FINDING_DISK_READ_ONLY, /* 1: that file system takes no writes */
    FINDING_KINDS
};

/* As a sensor, a counter or a disk says it. */
struct hardware_reading {
    enum finding_kind kind;
    const char *what; /* "mc0", "sda", "coretemp/Package id 0" */
    int64_t value;    /* of errors: how many ever */
    int64_t limit;    /* of FINDING_HOT: what the sensor itself bears, 0: it does not say; else 0 */
};

/* A reading that is beyond what is borne. */
struct finding {
    enum finding_kind kind;
    const char *what;
    int64_t value; /* as of when it was told last; told again when it is worse by a tenth */
    int64_t limit;
    /* What the controller adds. */
    int64_t since_ms; /* wall clock */
    int64_t steps;    /* bits 1 << n of the steps of its pool's on_hardware that were taken about it */
    bool accepted;    /* somebody has activated the host all the same: no step more is taken */
};

enum { FINDINGS_MAX = 64, FINDING_WHAT_SIZE = 64 };

/* Whether this may be what a finding is about: 1 to 63 of a-z A-Z 0-9 and " ._+:/-". */
bool finding_names(const char *what);
/* "memory mc0 of h7: 12 corrected errors within an hour, limit 10" */
const char *finding_text(struct arena *arena, const char *host, const struct finding *finding);

#endif
