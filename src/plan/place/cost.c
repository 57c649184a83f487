#include "plan/place/cost.h"

#include <string.h>

/* README.md, Where, says what these do and how they were found. */
#define SCARCE 0.75
#define COST_ASIDE 75.0

static int64_t in_units(size_t dimension, int64_t amount);
static double share_of(const struct cost_measure *measure, size_t dimension);
static bool find_pairs(struct cost_measure *measure);
static double rounded_down(int64_t dividend, int64_t divisor);
static bool is_before(const struct cost_place *a, const struct cost_place *b);

void cost_offer(struct cost_measure *measure, const int64_t total[COST_DIMENSIONS], int sign)
{
    for (size_t d = 0; d < COST_DIMENSIONS; d++) {
        if (total[d] == COST_UNCOUNTED) continue;
        size_t as_large = total[d] == measure->largest[d];
        measure->offer[d] += sign * in_units(d, total[d]);
        if (sign > 0) {
            measure->weighed &= total[d] <= measure->largest[d];
            measure->largest_length[d] += as_large;
        } else {
            measure->largest_length[d] -= as_large;
            measure->weighed &= measure->largest_length[d] > 0 || measure->largest[d] == 0;
        }
    }
}

void cost_demand(struct cost_measure *measure, const int64_t size[COST_DIMENSIONS], int64_t count)
{
    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        measure->demand[d] += count * in_units(d, size[d]);
}

void cost_weigh_again(struct cost_measure *measure)
{
    memset(measure->largest, 0, sizeof(measure->largest));
    memset(measure->largest_length, 0, sizeof(measure->largest_length));
}

void cost_see(struct cost_measure *measure, const int64_t total[COST_DIMENSIONS])
{
    for (size_t d = 0; d < COST_DIMENSIONS; d++) {
        if (total[d] == COST_UNCOUNTED || total[d] < measure->largest[d]) continue;
        measure->largest_length[d] = total[d] == measure->largest[d] ? measure->largest_length[d] + 1 : 1;
        measure->largest[d] = total[d];
    }
}

void cost_weigh_end(struct cost_measure *measure)
{
    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        measure->unit[d] = measure->largest[d] > 0 ? 1 / (double)measure->largest[d] : 0;
    measure->weighed = true;
}

/* The weight goes by eighths, so that what is remembered of costs is right for long. */
bool cost_find_scarce(struct cost_measure *measure)
{
    bool scarce[COST_DIMENSIONS] = {false};
    double most = 0, aside = measure->aside;

    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        if (measure->offer[d] > 0 && share_of(measure, d) > most) most = share_of(measure, d);
    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        scarce[d] = measure->offer[d] > 0 && share_of(measure, d) >= SCARCE * most;
    double load = most >= 0.5 ? 1 : 2 * (double)(int)(most * 8) / 8;
    measure->aside = COST_ASIDE * load * load;
    bool same = memcmp(scarce, measure->scarce, sizeof(scarce)) == 0 && aside >= measure->aside &&
                aside <= measure->aside;
    memcpy(measure->scarce, scarce, sizeof(scarce));
    return find_pairs(measure) && same;
}

void cost_invert(const int64_t total[COST_DIMENSIONS], double ret_inverse[COST_DIMENSIONS])
{
    for (size_t d = 0; d < COST_DIMENSIONS; d++)
        ret_inverse[d] = total[d] > 0 && total[d] != COST_UNCOUNTED ? 1 / (double)total[d] : 0;
}

void cost_top_insert(struct cost_top *top, size_t at, double cost)
{
    struct cost_place place = {at, cost};
    if (top->length == COST_TOP && !is_before(&place, &top->places[COST_TOP - 1])) return;
    size_t n = top->length < COST_TOP ? top->length++ : COST_TOP - 1;
    for (; n > 0 && is_before(&place, &top->places[n - 1]); n--)
        top->places[n] = top->places[n - 1];
    top->places[n] = place;
}

/* What is not among the best is dearer than the last of them, so that a host that stays dearer changes
 * nothing; one that was among them and becomes dearer than the last may be dearer than others, too. */
bool cost_top_change(struct cost_top *top, size_t at, double cost)
{
    size_t n = 0;
    bool none = top->length == 0;
    while (n < top->length && top->places[n].at != at)
        n++;
    bool was_there = n < top->length;
    struct cost_place place = {at, cost};
    const struct cost_place last = none ? place : top->places[top->length - 1];
    if (was_there) {
        top->length--;
        memmove(top->places + n, top->places + n + 1, (top->length - n) * sizeof(*top->places));
    }
    if (cost < 0 || (!none && is_before(&last, &place))) return !was_there || top->length > 0;
    for (n = top->length; n > 0 && is_before(&place, &top->places[n - 1]); n--)
        if (n < COST_TOP) top->places[n] = top->places[n - 1];
    top->places[n] = place;
    if (top->length < COST_TOP) top->length++;
    return true;
}

static int64_t in_units(size_t dimension, int64_t amount)
{
    return dimension == 0 ? (amount + 999) / 1000 : (amount + (1 << 20) - 1) >> 20;
}

static double share_of(const struct cost_measure *measure, size_t dimension)
{
    return (double)measure->demand[dimension] / (double)measure->offer[dimension];
}

/* False: not as they were. */
static bool find_pairs(struct cost_measure *measure)
{
    static const double unit[COST_DIMENSIONS] = {1000, 1 << 20, 1 << 20, 1 << 20}; /* as in_units() has it */
    struct cost_pair pairs[COST_PAIRS] = {0};
    size_t length = 0;

    for (size_t s = 0; s < COST_DIMENSIONS; s++)
        for (size_t d = 0; d < COST_DIMENSIONS && measure->scarce[s]; d++) {
            double with = rounded_down(measure->demand[d], measure->demand[s]);
            if (measure->scarce[d] || measure->offer[d] <= 0 || with <= 0) continue;
            pairs[length++] = (struct cost_pair){s, d, with * unit[d] / unit[s]};
        }
    bool same = length == measure->pairs_length && memcmp(pairs, measure->pairs, sizeof(pairs)) == 0;
    memcpy(measure->pairs, pairs, sizeof(pairs));
    measure->pairs_length = length;
    return same;
}

/* The quotient to its two leading bits, so that what is remembered of costs is right for long. */
static double rounded_down(int64_t dividend, int64_t divisor)
{
    if (dividend <= 0 || divisor <= 0) return 0;
    double quotient = (double)dividend / (double)divisor, power = 1;
    while (power > quotient)
        power /= 2;
    while (2 * power <= quotient)
        power *= 2;
    return quotient >= 1.5 * power ? 1.5 * power : power;
}

static bool is_before(const struct cost_place *a, const struct cost_place *b)
{
    return a->cost < b->cost || (a->cost <= b->cost && a->at < b->at);
}
