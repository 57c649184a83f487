/* Boxes of packets: in each of eight lanes an interval of ranks. Small and fast, since all the work is
 * comparing them. Internal to plan/filter/.
 *
 * An interval is its first rank and the complement of its last, both as signed numbers (rank - 32768), so
 * that "covers" and "meets" are two comparisons of 128 bits (one instruction each on any x86-64 or ARM64; the
 * compiler makes what is needed elsewhere). */
#ifndef CROFT_PLAN_FILTER_BOX_H
#define CROFT_PLAN_FILTER_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lane {
    LANE_FROM_NAME,
    LANE_TO_NAME,
    LANE_FROM_ADDRESS,
    LANE_TO_ADDRESS,
    LANE_PROTOCOL,
    LANE_FROM_PORT,
    LANE_PORT,
    LANE_DIRECTION,
    LANES
};
enum { RANKS_MAX = 65536, RANK_BIAS = 32768 };

typedef int16_t lanes __attribute__((vector_size(2 * LANES)));
typedef int64_t lanes_pair __attribute__((vector_size(2 * LANES)));

struct box {
    lanes first, rest; /* rest: ~last */
};

static inline bool lanes_any(lanes mask)
{
    lanes_pair pair = (lanes_pair)mask;
    return (pair[0] | pair[1]) != 0;
}

static inline lanes lanes_larger(lanes a, lanes b)
{
    lanes mask = a > b;
    return (a & mask) | (b & ~mask);
}

/* Is all of b in a? */
static inline bool box_covers(const struct box *a, const struct box *b)
{
    return !lanes_any((a->first > b->first) | (a->rest > b->rest));
}

static inline bool box_meets(const struct box *a, const struct box *b)
{
    return !lanes_any((a->first > ~b->rest) | (b->first > ~a->rest));
}

/* What is in both, which meet. */
static inline struct box box_both(const struct box *a, const struct box *b)
{
    return (struct box){lanes_larger(a->first, b->first), lanes_larger(a->rest, b->rest)};
}

static inline size_t box_first(const struct box *box, enum lane lane)
{
    return (size_t)(box->first[lane] + RANK_BIAS);
}

static inline size_t box_last(const struct box *box, enum lane lane)
{
    return (size_t)(~box->rest[lane] + RANK_BIAS);
}

static inline void box_set(struct box *box, enum lane lane, size_t first, size_t last)
{
    box->first[lane] = (int16_t)((int)first - RANK_BIAS);
    box->rest[lane] = (int16_t) ~((int)last - RANK_BIAS);
}

#endif
