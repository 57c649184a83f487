/* Double entry: what instances held (first book) against what hosts gave (second book). Both are read here
 * and nowhere derived from each other; one that was tampered with, lost a row or has one twice does not
 * agree. */
#include "base/text.h"
#include "plan/bill/inside.h"

#include <inttypes.h>

struct host_sums {
    amount_ms had[DIMENSIONS], given[DIMENSIONS], idle[DIMENSIONS], over[DIMENSIONS];
    amount_ms taken[DIMENSIONS]; /* by instances: first book */
};

static struct host_sums *sums_of(struct making *making, struct map *hosts, const char *host);
static int64_t stretch(const struct making *making, int64_t from_ms, int64_t to_ms);
static int64_t part_of(const struct resources *resources, size_t dimension);
static const char *disagreement(struct making *making, const char *host, const struct host_sums *sums);

void bill_prove(struct making *making, struct bill_proof *ret_proof)
{
    const struct books *books = making->books;
    CLEANUP(map_freep) struct map *hosts = map_new();
    const char *host = NULL;
    void *value = NULL;

    *ret_proof = (struct bill_proof){.holds = true, .fault = ""};
    for (size_t i = 0; i < books->usages_length; i++) {
        const struct stay *row = &books->usages[i];
        int64_t ms = stretch(making, row->from_ms, row->to_ms);
        if (ms == 0) continue;
        struct host_sums *sums = sums_of(making, hosts, row->host);
        bool own = bill_is_asked_for(making, row->party);
        for (size_t d = 0; d < DIMENSIONS; d++) {
            amount_ms amount = (amount_ms)part_of(&row->size, d) * ms;
            sums->taken[d] += amount;
            if (own) ret_proof->own[d] += amount;
        }
    }
    for (size_t i = 0; i < books->hosts_length; i++) {
        const struct host_usage *row = &books->hosts[i];
        int64_t ms = stretch(making, row->from_ms, row->to_ms);
        struct host_sums *sums = sums_of(making, hosts, row->host);
        for (size_t d = 0; d < DIMENSIONS; d++) {
            int64_t had = part_of(&row->had, d), given = part_of(&row->given, d);
            sums->had[d] += (amount_ms)had * ms;
            sums->given[d] += (amount_ms)given * ms;
            sums->idle[d] += (amount_ms)(had > given ? had - given : 0) * ms;
            sums->over[d] += (amount_ms)(given > had ? given - had : 0) * ms;
        }
    }
    for (size_t cursor = 0; map_next(hosts, &cursor, &host, &value);) {
        const struct host_sums *sums = value;
        for (size_t d = 0; d < DIMENSIONS; d++) {
            ret_proof->had[d] += sums->had[d];
            ret_proof->given[d] += sums->taken[d];
            ret_proof->idle[d] += sums->idle[d];
            ret_proof->over[d] += sums->over[d];
        }
        const char *fault = disagreement(making, host, sums);
        if (fault && ret_proof->holds) ret_proof->fault = fault;
        if (fault) ret_proof->holds = false;
    }
}

static struct host_sums *sums_of(struct making *making, struct map *hosts, const char *host)
{
    struct host_sums *sums = map_get(hosts, host);

    if (sums) return sums;
    sums = arena_alloc(making->arena, sizeof(*sums));
    map_put(hosts, host, sums);
    return sums;
}

/* How much of it lies in the bill. */
static int64_t stretch(const struct making *making, int64_t from_ms, int64_t to_ms)
{
    const struct bill_request *request = making->request;

    if (from_ms < request->from_ms) from_ms = request->from_ms;
    if (to_ms > request->to_ms) to_ms = request->to_ms;
    return to_ms > from_ms ? to_ms - from_ms : 0;
}

static int64_t part_of(const struct resources *resources, size_t dimension)
{
    const int64_t parts[DIMENSIONS] = {resources->cpus_millis, resources->memory_bytes, resources->disk_bytes,
                                       resources->network_bits_per_s};
    return parts[dimension];
}

/* NULL: there is none. */
static const char *disagreement(struct making *making, const char *host, const struct host_sums *sums)
{
    static const char *const names[DIMENSIONS] = {"cpu", "memory", "disk", "network"};

    for (size_t d = 0; d < DIMENSIONS; d++) {
        amount_ms more = sums->given[d] + sums->idle[d] - sums->had[d] - sums->over[d];
        if (more != 0) return arena_printf(making->arena, "the book of host %s has lost %s", host, names[d]);
        more = sums->taken[d] - sums->given[d];
        if (more == 0) continue;
        return arena_printf(making->arena, "on host %s instances held %s%s than it gave", host,
                            more > 0 ? "more " : "less ", names[d]);
    }
    return NULL;
}
