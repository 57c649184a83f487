/* Filters made by lot over a universe so small that every packet of it can be tried. */
#ifndef CROFT_TESTS_UNIT_PLAN_FILTERS_H
#define CROFT_TESTS_UNIT_PLAN_FILTERS_H

#include "base/mem.h"
#include "model/packet.h"

/* What the rules of a round may speak of; what is not rich has two values or so. */
struct universe {
    bool names, addresses, ports;
    bool apart; /* a rule knows each end by its address or by its name, but all rules of a filter the same way
                 */
};

uint64_t filters_draw(uint64_t *state, uint64_t n);
struct universe filters_universe(uint64_t *state);
/* rules: at most. on: NULL: by lot. */
struct filter filters_make(struct arena *arena, uint64_t *state, struct universe universe, size_t rules,
                           const char *on);

/* Each packet of the universe at a port of some instance: begin with *cursor = 0; false at the end. */
bool filters_packet(struct universe universe, size_t *cursor, struct packet *ret_packet);
/* Is the packet judged by this `on`? */
bool filters_govern(const char *on, const struct packet *packet);
bool filters_pass(const struct filter *filter, const struct packet *packet);

#endif
