/* The space of packets as a few filters see it, cut to ranks: two values of a lane that no rule tells apart
 * have the same rank. Internal to plan/filter/. */
#ifndef CROFT_PLAN_FILTER_SPACE_H
#define CROFT_PLAN_FILTER_SPACE_H

#include "base/error.h"
#include "base/mem.h"
#include "model/packet.h"
#include "plan/filter/box.h"

typedef unsigned __int128 wide;

enum packet_side { SIDE_FROM, SIDE_TO, SIDES };

/* A line of numbers in pieces: rank r is starts[r] to starts[r + 1] - 1, the last one up to `last`. */
struct cuts {
    wide *starts;
    size_t length;
    wide last;
};

/* The names form a tree, in the order of a walk through it: nobody's, the internet, an instance of a farm
 * that is not named here, and then each name that is: its own rank is "another one of it", and those in it
 * follow. */
enum { RANK_NOBODY, RANK_INTERNET, RANK_OTHER_FARM, RANK_NAMES };
struct name {
    const char *party, *farm, *tier, *instance; /* full names; "" below what is named */
};

struct space {
    struct name *names; /* rank - RANK_NAMES */
    size_t names_length;
    struct cuts addresses[SIDES][FAMILIES], ports[SIDES], protocols;
    const struct filter *const *filters; /* that it was made of */
    size_t filters_length;
    struct arena *arena;
};

/* Base regions: the packets that there can be are the union of these. The ordinary ones come first. */
enum { BASES = 8 };

/* The boxes of a filter's rules within a base, in order; a rule with lists of ports has several. */
struct boxes {
    struct box *items;
    uint32_t *rules; /* whose each is, from 1 on */
    size_t length;
    const struct filter *filter;
};

/* ERROR_TOO_LARGE when a lane has more than RANKS_MAX ranks, or a filter's rules more than BOXES_MAX boxes.
 */
enum { BOXES_MAX = 1 << 21 };
MUST_CHECK bool space_make(struct arena *arena, const struct filter *const *filters, size_t length,
                           struct space *ret_space, struct error *err);
/* The n-th base at the ports that all of its filters govern; false: there are none. */
bool space_base(const struct space *space, size_t n, struct box *ret_base);
MUST_CHECK bool space_boxes(const struct space *space, const struct filter *filter, const struct box *base,
                            struct boxes *ret_boxes, struct error *err);
/* A packet of the region, of the kind that people write. */
struct packet space_packet(const struct space *space, const struct box *region);
/* What a region's lane is in numbers. */
enum address_family space_family(const struct space *space, const struct box *region);
void space_addresses(const struct space *space, const struct box *region, enum packet_side side,
                     wide *ret_first, wide *ret_last);
void space_ports(const struct space *space, const struct box *region, enum packet_side side,
                 uint16_t *ret_first, uint16_t *ret_last);
size_t space_rank_of_protocol(const struct space *space, int64_t protocol);
void wide_to_address(enum address_family family, wide value, unsigned char *ret_address);

#endif
