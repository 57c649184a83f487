/* Filters made by lot, for measuring. The same numbers give the same filters on any machine. */
#ifndef CROFT_CLI_MADE_FILTER_H
#define CROFT_CLI_MADE_FILTER_H

#include "base/mem.h"
#include "model/intent.h"

enum made_filter_kind {
    MADE_FILTER_LISTS,     /* as administrators write them: few networks and services, again and again */
    MADE_FILTER_SCATTERED, /* any prefixes and ports; each field is left out of every other rule, but never
                              all */
    MADE_FILTER_ENTANGLED, /* the same with short prefixes that overlap, and no rule without one */
    MADE_FILTER_KINDS
};
enum made_filter_pair {
    MADE_FILTER_EQUAL,  /* inner has outer's rules */
    MADE_FILTER_DENIES, /* and one more that denies before every tenth */
    MADE_FILTER_LACKS,  /* without one of those that deny */
    MADE_FILTER_PIECES, /* outer says each rule in two halves; inner has half as many rules */
    MADE_FILTER_APART,  /* two of a kind that know nothing of each other */
    MADE_FILTER_PAIRS
};
struct made_filter_options {
    size_t rules; /* of each */
    enum made_filter_kind kind;
    enum made_filter_pair pair;
    enum filter_action default_action; /* of both */
    uint64_t seed;
};

void made_filters(struct arena *arena, const struct made_filter_options *options, struct filter *ret_outer,
                  struct filter *ret_inner);
const char *made_filter_name(struct arena *arena, const struct made_filter_options *options);

#endif
