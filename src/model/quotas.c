#include "model/quotas.h"

static int64_t sum_of(int64_t a, int64_t b);
static int64_t least_of(int64_t a, int64_t b);

const struct quota limits_none = {.resources = {-1, -1, -1, -1}, .instances = -1, .farms = -1};

void limits_add(struct quota *sum, const struct quota *more)
{
    sum->resources.cpus_millis = sum_of(sum->resources.cpus_millis, more->resources.cpus_millis);
    sum->resources.memory_bytes = sum_of(sum->resources.memory_bytes, more->resources.memory_bytes);
    sum->resources.disk_bytes = sum_of(sum->resources.disk_bytes, more->resources.disk_bytes);
    sum->resources.network_bits_per_s =
        sum_of(sum->resources.network_bits_per_s, more->resources.network_bits_per_s);
    sum->instances = sum_of(sum->instances, more->instances);
    sum->farms = sum_of(sum->farms, more->farms);
}

void limits_least(struct quota *least, const struct quota *other)
{
    least->resources.cpus_millis = least_of(least->resources.cpus_millis, other->resources.cpus_millis);
    least->resources.memory_bytes = least_of(least->resources.memory_bytes, other->resources.memory_bytes);
    least->resources.disk_bytes = least_of(least->resources.disk_bytes, other->resources.disk_bytes);
    least->resources.network_bits_per_s =
        least_of(least->resources.network_bits_per_s, other->resources.network_bits_per_s);
    least->instances = least_of(least->instances, other->instances);
    least->farms = least_of(least->farms, other->farms);
}

/* Stays at the top rather than turn over. */
static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum = 0;

    if (a < 0 || b < 0) return -1;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t least_of(int64_t a, int64_t b)
{
    if (a < 0 || b < 0) return a < 0 ? b : a;
    return a < b ? a : b;
}
