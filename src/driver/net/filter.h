/* One party's filter as the kernel judges by it, in one direction: runs of rules that do the same thing, each
 * a few lookups in sets. Pure; for rules.c. */
#ifndef CROFT_DRIVER_NET_FILTER_H
#define CROFT_DRIVER_NET_FILTER_H

#include "base/buf.h"
#include "base/vec.h"
#include "model/intent.h"

#include <stdbool.h>
#include <stdint.h>

/* What names mean in a farm: its tiers by number, its instances by address. Names of others mean nothing. */
struct filter_place {
    const char *farm;
    struct prefix subnet;
    uint32_t (*tier)(const void *ctx, const char *name);                        /* short; 0: none */
    bool (*instance)(const void *ctx, const char *name, uint32_t *ret_address); /* short */
    const void *ctx;
};

/* 128 bits; an IPv4 address stands in `low`. */
struct filter_value {
    uint64_t high, low;
};

/* The fields by which filters tell packets apart. */
enum filter_field { FIELD_FROM, FIELD_TO, FIELD_PROTOCOL, FIELD_FROM_PORT, FIELD_PORT, FILTER_FIELDS };
enum filter_use {
    USE_NONE,
    USE_VALUE, /* an address, a protocol, a port */
    USE_TIER,  /* of an end: the number of its tier */
};
struct filter_shape {
    enum filter_use use[FILTER_FIELDS];
    bool family_given;
    enum address_family family;
};

/* One element of a set: a range of each field that its run looks at. */
struct filter_box {
    struct filter_value first[FILTER_FIELDS], last[FILTER_FIELDS];
    uint32_t layer; /* of the run's sets: boxes of one set do not overlap */
};

/* Rules of one action, and of one shape, that stand together: their order among each other is of no matter.
 */
struct filter_run {
    struct filter_shape shape;
    enum filter_action action;
    struct vec boxes; /* struct filter_box; at least one */
    uint32_t layers;
    /* Of a rule with long lists of both ports, which has a run to itself; else empty. struct port_range */
    struct vec from_ports, ports;
};

struct filter_program {
    enum filter_direction direction; /* FILTER_IN or FILTER_OUT */
    enum filter_action default_action;
    uint32_t mark;   /* of the filter: what it does not let pass is counted under it */
    struct vec runs; /* struct filter_run */
};

/* A packet of a farm; tiers are numbers as filter_place has them. */
struct filter_packet {
    enum address_family family;
    struct filter_value from, to;
    uint32_t from_tier, to_tier;
    uint8_t protocol;
    uint16_t from_port, port;
};

/* Adds the bytes that say what its rules mean at this place: filters with the same compile to the same. */
void filter_meaning(const struct filter *filter, const struct filter_place *place, struct buf *ret_bytes);
/* A number for the filter that stays while others come and go: a hash of its full name, no two of which
 * collide in practice, and if they do one is told in the other's place. Never 0. */
uint32_t filter_mark(const char *full_name);
/* The caller's to filter_program_free(). */
struct filter_program *filter_program_new(const struct filter *filter, enum filter_direction direction,
                                          const struct filter_place *place);
void filter_program_free(struct filter_program *program); /* NULL is fine */
enum filter_action filter_program_judge(const struct filter_program *program,
                                        const struct filter_packet *packet);
/* The rules of its chain, which is jumped to: it returns when the packet may go on. "": all may. */
void filter_program_text(const struct filter_program *program, struct buf *ret_text);

#endif
