/* The compiler of filters: a farm's members and rules to what nftables is told. Pure; README.md has the
 * chains, tests/unit/driver the golden texts. */
#ifndef CROFT_DRIVER_NET_RULES_H
#define CROFT_DRIVER_NET_RULES_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"
#include "model/host_document.h"

struct rules;

/* The way to the outside, where a host has one: which addresses are none of the tenants' business there, in
 * order and not overlapping (the grid's own networks, other tenants' uplinks, what is nobody's). */
struct rules_range {
    uint32_t first, last;
};
struct rules_outside {
    const struct rules_range *refused;
    size_t refused_length;
};

/* underlay: of this host; members there are behind ports of their own, all others behind the VXLAN device.
 * outside: NULL where there is none; rules to `internet` then let nothing pass.
 * before: NULL, or earlier rules of the farm: what did not change is taken over.
 * ERROR_INVALID when two members share an address or a MAC, or one has the gateway's. */
MUST_CHECK bool rules_compile(const struct host_farm *farm, uint32_t underlay,
                              const struct rules_outside *outside, const struct rules *before,
                              struct rules **ret_rules, struct error *err);
void rules_free(struct rules *rules); /* NULL is fine */

/* Commands for one transaction: everything, whatever was there before (counters of denials stay; `left`:
 * names of the chains of filters, char *, that are there); and the difference between two rulings of one farm
 * ("" when there is none). */
void rules_whole(const struct rules *rules, const struct vec *left, struct buf *ret_text);
void rules_change(const struct rules *old, const struct rules *new, struct buf *ret_text);

/* Is anything let pass, or anybody known, by old that is not by new? */
bool rules_shrink(const struct rules *old, const struct rules *new);
/* Would a new connection be let pass? The same answer as the kernel's on this host; for connection tracking
 * entries that no longer fit. Ports are 0 for protocols without. */
struct rules_flow {
    uint32_t from, to;
    uint8_t protocol; /* IP's number */
    uint16_t from_port, port;
};
bool rules_pass(const struct rules *rules, const struct rules_flow *flow);
/* Is it the name of a chain that a filter got? They come and go, all others stay. */
bool rules_is_filter_chain(const char *name);

/* The full name of the filter with this mark, if it governs anybody here; else NULL. */
const char *rules_filter_name(const struct rules *rules, uint32_t mark);
/* Is anything let out of the farm at all? */
bool rules_leave(const struct rules *rules);

/* The port's link of the member with this address ("p0a000002"); `out` holds 16 bytes. Returns out. */
char *rules_port_name(char *out, uint32_t address);
/* MAC of the gateway: the same on every host, never seen between hosts. */
uint64_t rules_gateway_mac(uint32_t gateway);

/* Commands that let VXLAN into the host's namespace only from these hosts. */
void rules_underlay(const uint32_t *peers, size_t length, struct buf *ret_text);

/* Commands that let what comes from uplinks leave the host's namespace by this device and nothing else, and
 * only answers in. */
void rules_host_outside(const char *device, const struct rules_outside *outside, struct buf *ret_text);

/* The sets that count denials: keyed by port name in the bridge family, by an
 * address in inet. */
struct rules_reason {
    const char *reason; /* as net_counter tells it */
    const char *family; /* "bridge" or "inet" */
    const char *key;    /* of the packet; with " . meta mark" behind it: and the filter's filter_mark() */
    const char *set;    /* behind "denied_" */
};
enum { RULES_REASONS = 13 };
extern const struct rules_reason rules_reasons[RULES_REASONS];
bool rules_reason_names_filter(const struct rules_reason *reason);
#define RULES_TABLE "croft"
/* Name of a counter in each family that goes up with every denial: cheap to ask for. */
#define RULES_DENIALS "denials"

/* The same in the host's namespace, keyed by the uplink's name. */
enum { RULES_HOST_REASONS = 2 };
extern const struct rules_reason rules_host_reasons[RULES_HOST_REASONS];
#define RULES_HOST_TABLE "croft_outside"

/* The link between a farm and its host's namespace: names of its ends, and the pair of addresses (RFC 3927,
 * /31) that its number gives; the host's is the first. */
enum { UPLINKS_MAX = 16384 };
#define UPLINK_NEAR "up0" /* in the farm */
#define UPLINK_FAR "cup"  /* and the number, in the host's namespace */
#define UPLINK_NET "169.254.128.0/17"
#define UPLINK_FIRST 0xa9fe8000U

#endif
