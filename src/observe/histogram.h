/* Times, counted in buckets whose width grows with the time: the percentile of any number of them out of a
 * fixed 1.7 KB, wrong by at most a part in 32. Plain data: copied by assignment, all zero is empty. */
#ifndef CROFT_OBSERVE_HISTOGRAM_H
#define CROFT_OBSERVE_HISTOGRAM_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Log-linear, as HdrHistogram has it (hdrhistogram.org): each power of two is cut into 16 equal parts, and
 * times below 16 us each have their own. */
enum {
    HISTOGRAM_PARTS_BITS = 4,
    HISTOGRAM_PARTS = 1 << HISTOGRAM_PARTS_BITS,
    HISTOGRAM_BITS = 29, /* times of 2^29 us (9 minutes) and more are counted as the longest below that */
    HISTOGRAM_BUCKETS = (HISTOGRAM_BITS - HISTOGRAM_PARTS_BITS + 1) * HISTOGRAM_PARTS,
    HISTOGRAM_ERROR_PARTS = 2 * HISTOGRAM_PARTS, /* the error is at most a part in so many */
};

struct histogram {
    uint64_t count;  /* of all times */
    uint64_t sum_us; /* exact, but for times that are too long */
    uint32_t counts[HISTOGRAM_BUCKETS];
};

/* Counts a time (below 0: as 0) `weight` times. A bucket holds 2^32 - 1: what goes beyond is not counted. */
void histogram_add(struct histogram *histogram, int64_t time_us, uint32_t weight);
void histogram_merge(struct histogram *histogram, const struct histogram *other);
/* Takes out what was merged in before; what was not is left as zero, never less. */
void histogram_subtract(struct histogram *histogram, const struct histogram *other);

/* The time that so many thousandths of a per cent (1 to 100,000) take no longer than; 0: it is empty. */
int64_t histogram_percentile_us(const struct histogram *histogram, int64_t percentile_millis);
/* How many took longer than that; inside a bucket they are taken to lie evenly. */
uint64_t histogram_later(const struct histogram *histogram, int64_t time_us);
int64_t histogram_mean_us(const struct histogram *histogram); /* 0: it is empty */
/* Variance over the square of the mean, in thousandths: 0 when nothing varies, 1,000 for an exponential
 * time. -1: fewer than two times, or all of them zero. */
int64_t histogram_scv_millis(const struct histogram *histogram);

/* "120:3 121:40 …;SUM": buckets that have something with their counts, and sum_us. */
void histogram_write(const struct histogram *histogram, struct buf *ret_text);
/* False, and *ret_histogram untouched, when the text is none, whatever it is. */
MUST_CHECK bool histogram_read(const char *text, struct histogram *ret_histogram);

#endif
