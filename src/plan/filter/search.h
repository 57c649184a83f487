/* Is there a packet that each of some filters judges so and so? Internal to plan/filter/; README.md has the
 * idea. */
#ifndef CROFT_PLAN_FILTER_SEARCH_H
#define CROFT_PLAN_FILTER_SEARCH_H

#include "plan/filter/space.h"

struct judged {
    const struct boxes *boxes;
    bool passes;   /* looked for: what it lets pass; else what it does not */
    uint32_t rule; /* and only what this rule matches, where none before it judges otherwise; 0: any */
};

/* Told of a region of which nothing is covered; true: that is enough. */
typedef bool uncovered_fn(void *context, const struct box *region);

struct search {
    struct box *covers; /* a stack of sets of boxes: the topmost is looked at */
    size_t length, capacity;
    uint64_t work; /* boxes compared */
    bool too_large;
    struct box found;
    uncovered_fn *tell; /* of each; NULL: the first is `found` and ends the search */
    void *context;
};

void search_free(struct search *search); /* zero-initialised is fine */
#define CLEANUP_SEARCH CLEANUP(search_free)

/* A region of base where all of the judged agree. false: none, or search->too_large. */
bool search_judged(struct search *search, const struct box *base, const struct judged *judged, size_t length);
/* A part of region that none of the boxes covers. */
bool search_uncovered(struct search *search, const struct box *region, const struct box *boxes,
                      size_t length);
/* Fails with ERROR_TOO_LARGE when the search was given up; name: whose rules. */
MUST_CHECK bool search_was_ended(const struct search *search, const char *name, struct error *err);

#endif
