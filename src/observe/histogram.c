#include "observe/histogram.h"

#include "base/text.h"

#include <string.h>

#define PERCENT_MILLIS ((uint64_t)100 * 1000)
#define TIME_MAX ((1LL << HISTOGRAM_BITS) - 1)

static size_t bucket_of(int64_t time_us);
static int64_t bucket_from(size_t bucket);
static int64_t bucket_width(size_t bucket);
static bool read_number(const char **cursor, uint64_t max, uint64_t *ret_number);

void histogram_add(struct histogram *histogram, int64_t time_us, uint32_t weight)
{
    if (time_us < 0) time_us = 0;
    if (time_us > TIME_MAX) time_us = TIME_MAX;
    uint32_t *count = &histogram->counts[bucket_of(time_us)];
    if (weight > UINT32_MAX - *count) weight = UINT32_MAX - *count;
    *count += weight;
    histogram->count += weight;
    histogram->sum_us += (uint64_t)time_us * weight;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t more = other->counts[i], room = UINT32_MAX - histogram->counts[i];
        if (more > room) more = room;
        histogram->counts[i] += more;
        histogram->count += more;
    }
    histogram->sum_us += other->sum_us;
}

void histogram_subtract(struct histogram *histogram, const struct histogram *other)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t less = other->counts[i], there = histogram->counts[i];
        if (less > there) less = there;
        histogram->counts[i] -= less;
        histogram->count -= less;
    }
    histogram->sum_us -= other->sum_us < histogram->sum_us ? other->sum_us : histogram->sum_us;
}

/* The nearest rank: the least time that enough others do not exceed. */
int64_t histogram_percentile_us(const struct histogram *histogram, int64_t percentile_millis)
{
    uint64_t whole = histogram->count / PERCENT_MILLIS, rest = histogram->count % PERCENT_MILLIS;
    uint64_t part = (uint64_t)percentile_millis;
    /* Rounded up, without a product that overflows. */
    uint64_t rank = whole * part + (rest * part + PERCENT_MILLIS - 1) / PERCENT_MILLIS, seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (histogram->counts[i] > 0 && seen >= rank) return bucket_from(i) + bucket_width(i) / 2;
    }
    return 0;
}

uint64_t histogram_later(const struct histogram *histogram, int64_t time_us)
{
    uint64_t later = 0;

    if (time_us > TIME_MAX) return 0;
    if (time_us < 0) return histogram->count;
    size_t at = bucket_of(time_us);
    for (size_t i = at + 1; i < HISTOGRAM_BUCKETS; i++)
        later += histogram->counts[i];
    uint64_t beyond = (uint64_t)(bucket_from(at) + bucket_width(at) - 1 - time_us);
    return later + histogram->counts[at] * beyond / (uint64_t)bucket_width(at);
}

int64_t histogram_mean_us(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : (int64_t)(histogram->sum_us / histogram->count);
}

/* From the middles of the buckets, in two passes, so that nothing is lost by cancellation. */
int64_t histogram_scv_millis(const struct histogram *histogram)
{
    double count = (double)histogram->count, sum = 0, squares = 0;

    if (histogram->count < 2) return -1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += (double)histogram->counts[i] * (double)(bucket_from(i) + bucket_width(i) / 2);
    double mean = sum / count;
    if (mean <= 0) return -1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double off = (double)(bucket_from(i) + bucket_width(i) / 2) - mean;
        squares += (double)histogram->counts[i] * off * off;
    }
    /* At most count, when one of all is not zero: far from what an int64_t holds. */
    return (int64_t)(squares / count / (mean * mean) * 1000 + 0.5);
}

void histogram_write(const struct histogram *histogram, struct buf *ret_text)
{
    const char *between = "";
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0) continue;
        buf_printf(ret_text, "%s%zu:%u", between, i, histogram->counts[i]);
        between = " ";
    }
    buf_printf(ret_text, ";%llu", (unsigned long long)histogram->sum_us);
}

bool histogram_read(const char *text, struct histogram *ret_histogram)
{
    struct histogram histogram = {0};
    const char *cursor = text;
    uint64_t next = 0;

    while (*cursor != ';') {
        uint64_t bucket, count;
        if (next > 0 && *cursor++ != ' ') return false;
        if (!read_number(&cursor, HISTOGRAM_BUCKETS - 1, &bucket) || bucket < next) return false;
        if (*cursor++ != ':' || !read_number(&cursor, UINT32_MAX, &count) || count == 0) return false;
        histogram.counts[bucket] = (uint32_t)count;
        histogram.count += count;
        next = bucket + 1;
    }
    cursor++;
    if (!read_number(&cursor, UINT64_MAX >> 1, &histogram.sum_us) || *cursor != '\0') return false;
    /* A sum that no such times have would make any mean. */
    if (histogram.sum_us / TIME_MAX > histogram.count) return false;
    *ret_histogram = histogram;
    return true;
}

static size_t bucket_of(int64_t time_us)
{
    if (time_us < HISTOGRAM_PARTS) return (size_t)time_us;
    unsigned power = 63 - (unsigned)__builtin_clzll((unsigned long long)time_us);
    unsigned shift = power - HISTOGRAM_PARTS_BITS;
    return (size_t)shift * HISTOGRAM_PARTS + (size_t)(time_us >> shift);
}

/* The least time of a bucket. */
static int64_t bucket_from(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_PARTS) return (int64_t)bucket;
    size_t shift = bucket / HISTOGRAM_PARTS - 1;
    return (int64_t)(bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS) << shift;
}

static int64_t bucket_width(size_t bucket)
{
    return (int64_t)1 << (bucket < 2 * HISTOGRAM_PARTS ? 0 : bucket / HISTOGRAM_PARTS - 1);
}

/* Decimal digits without a sign. */
static bool read_number(const char **cursor, uint64_t max, uint64_t *ret_number)
{
    const char *from = *cursor;
    uint64_t number = 0;

    while (**cursor >= '0' && **cursor <= '9') {
        uint64_t digit = (uint64_t)(*(*cursor)++ - '0');
        if (number > (max - digit) / 10) return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return *cursor != from;
}
