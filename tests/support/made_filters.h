/* Parties' filters made by lot, for the farm acme/shop on 10.0.0.0/24, and packets that they tell apart. The
 * same each time for the same state of the lot. */
#ifndef CROFT_TESTS_SUPPORT_MADE_FILTERS_H
#define CROFT_TESTS_SUPPORT_MADE_FILTERS_H

#include "base/mem.h"
#include "model/host_document.h"
#include "model/packet.h"

#define MADE_FARM "acme/shop"
enum { MADE_MEMBERS = 4, MADE_PORT_MAX = 40 };
/* web-1, web-2, db-1, cache-1 with 10.0.0.2 and on; underlay 0. */
extern const struct member made_members[MADE_MEMBERS];
enum { MADE_FAR = 0xcb007105 }; /* 203.0.113.5: outside */

uint64_t made_draw(uint64_t *lot);
/* A number from 0 to below. */
size_t made_below(uint64_t *lot, size_t below);
/* All of it lives in the arena. on: what it governs. */
struct filter made_filter(struct arena *arena, uint64_t *lot, const char *on, size_t rules_max);
/* One of "acme/shop", its tiers, its instances. */
const char *made_on(uint64_t *lot);
/* Between two members, or of IPv4 also from a member to the outside; of IPv6 from 2001:db8::2, 4 or 6 to 1,
 * 3, 5 or 7. Direction FILTER_OUT. Ports are 1 to MADE_PORT_MAX. */
struct packet made_packet(uint64_t *lot, enum address_family family);
uint32_t made_ipv4(const struct packet_end *end); /* host byte order */

/* What the filters say of it by model/packet.h: first those that govern the sender, then as FILTER_IN those
 * that govern the receiver. *ret_judge, where it is not let pass: FILTER_OUT or FILTER_IN. */
enum filter_action made_verdict(const struct filter *filters, size_t length, const struct packet *packet,
                                enum filter_direction *ret_judge);

#endif
