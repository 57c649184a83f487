/* What load*.c share. */
#ifndef CROFT_CONTROL_LOAD_INSIDE_H
#define CROFT_CONTROL_LOAD_INSIDE_H

#include "control/internal.h"
#include "control/load.h"
#include "observe/load.h"

enum {
    LOAD_OLD_US = 10 * 1000 * 1000, /* no news for so long: nothing is known */
    LOAD_SLOTS = 7,                 /* of ten seconds: the one that is being filled, and the minute before */
    LOAD_SLOT_MS = 10 * 1000,
    LOAD_COUNTS = 32, /* reports whose rates are compared */
    LOAD_LEADS = 5,
};

/* One frontend of one balancer. */
struct load_source {
    char *boot;
    int64_t incarnation;
    struct load_frontend last; /* numbers only */
    int64_t heard_us;          /* steady */
    int64_t rate_millis, refused_millis, failed_millis, bytes_rate;
    double rates[LOAD_COUNTS]; /* units a second, the oldest overwritten */
    size_t rates_filled, rates_next;
};

struct load_slot {
    int64_t slot; /* which ten seconds, by control_now_ms(); 0: nothing is in it */
    struct histogram times;
    uint64_t later; /* of these, than the target as it was then */
    int64_t units, refused;
};

struct load_minute {
    int64_t minute; /* by control_now_ms(); 0: nothing was heard */
    int64_t units, refused;
    uint64_t sampled, later;
};

struct load_tier {
    char *farm, *tier;
    struct map *sources; /* "BALANCER FRONTEND" -> struct load_source */
    struct load_slot slots[LOAD_SLOTS];
    int64_t units, refused;                 /* in all */
    int64_t service_us, service_scv_millis; /* 0: not known */
    struct load_minute minute;              /* under way */
    struct tier_load shown;
};

struct load_instance_meter {
    int64_t heard_us;
    int64_t means_us[LOAD_MODULES];
    int64_t open;
    int64_t host_heard_us, cpu_us, cpu_taken_us, cpu_millis;
};

struct load_leads {
    int64_t leads_ms[LOAD_LEADS];
    size_t filled, next;
};

struct load {
    struct map *tiers;     /* "FARM/TIER" -> struct load_tier */
    struct map *instances; /* full name -> struct load_instance_meter */
    struct map *leads;     /* "FARM/TIER" -> struct load_leads; they outlive the tier's load */
    struct map *decided;   /* instance that does not serve yet -> int64_t *: when it was decided, ms */
    int64_t ticked_us;
    void (*minute)(void *ctx, const char *farm, const char *tier, int64_t minute_ms, bool good);
    void *minute_ctx;
};

/* The service level of a farm, NULL: none. */
const struct sla *load_sla(struct controller *controller, const char *farm);

#endif
