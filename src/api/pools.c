/* Pools as people see them. A pool needs no document: hosts name it. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

struct pool_sums {
    const struct snapshot *snapshot;
    struct map *hosts; /* host -> its struct resources that are used */
    struct map *pools; /* pool -> struct pool_sum */
};

struct pool_sum {
    int64_t hosts, instances;
    struct resources capacity, used;
};

static struct record *implied(struct arena *arena, const char *name);
static const struct host *host_of_pool(const struct snapshot *snapshot, const char *name);
static struct resources kept(const struct pool_sums *sums, const struct pool *pool);
static const char *lost_with(struct arena *arena, const struct host *host, const char *survive);
static void add(struct resources *sum, const struct resources *more);
static void raise_to(struct resources *most, const struct resources *other);
static int64_t sum_of(int64_t a, int64_t b);
static int compare_records(const void *a, const void *b);

const struct record *const *shown_list(struct arena *arena, struct controller *controller,
                                       enum record_kind kind, size_t *ret_length)
{
    struct mirror *mirror = controller_mirror(controller);
    const struct record *const *records = mirror_list(mirror, kind, ret_length);
    const struct snapshot *snapshot = mirror_snapshot(mirror);
    struct map *names = NULL;
    size_t length = *ret_length;

    if (kind != RECORD_POOL) return records;
    const struct record **all = arena_alloc_array(arena, length + snapshot->hosts_length, sizeof(*all));
    if (length) memcpy(all, records, length * sizeof(*all));
    names = map_new();
    for (size_t i = 0; i < snapshot->hosts_length; i++) {
        const char *name = snapshot->hosts[i].pool;
        if (mirror_get(mirror, kind, name) || map_put(names, name, names)) continue;
        all[length++] = implied(arena, name);
    }
    map_free(names);
    array_sort(all, length, sizeof(*all), compare_records);
    *ret_length = length;
    return all;
}

const struct record *shown_get(struct arena *arena, struct controller *controller, enum record_kind kind,
                               const char *name)
{
    struct mirror *mirror = controller_mirror(controller);
    const struct record *record = mirror_get(mirror, kind, name);

    if (record || kind != RECORD_POOL) return record;
    const struct host *host = host_of_pool(mirror_snapshot(mirror), name);
    return host ? implied(arena, host->pool) : NULL;
}

struct pool_sums *pool_sums_new(struct arena *arena, const struct snapshot *snapshot)
{
    struct pool_sums *sums = arena_alloc(arena, sizeof(*sums));
    struct map *pool_of_host = map_new();

    *sums = (struct pool_sums){.snapshot = snapshot, .hosts = map_new(), .pools = map_new()};
    for (size_t i = 0; i < snapshot->hosts_length; i++) {
        const struct host *host = &snapshot->hosts[i];
        struct pool_sum *sum = map_get(sums->pools, host->pool);
        if (!sum) {
            sum = arena_alloc(arena, sizeof(*sum));
            map_put(sums->pools, host->pool, sum);
        }
        sum->hosts++;
        add(&sum->capacity, &host->capacity);
        map_put(pool_of_host, host->name, sum);
        map_put(sums->hosts, host->name, arena_alloc(arena, sizeof(struct resources)));
    }
    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        struct pool_sum *sum = map_get(pool_of_host, instance->host);
        if (!sum) continue; /* it has no host, or its host was forgotten */
        sum->instances++;
        add(&sum->used, &instance->size);
        add(map_get(sums->hosts, instance->host), &instance->size);
    }
    map_free(pool_of_host);
    return sums;
}

void pool_sums_free(struct pool_sums *sums)
{
    if (!sums) return;
    map_free(sums->hosts);
    map_free(sums->pools);
}

void pool_sums_write(const struct pool_sums *sums, const struct pool *pool, struct buf *ret_json)
{
    static const struct pool_sum none;
    const struct pool_sum *sum = map_get(sums->pools, pool->name);
    struct resources room = kept(sums, pool);

    if (!sum) sum = &none;
    buf_printf(ret_json, ",\"hosts\":%" PRId64 ",\"instances\":%" PRId64, sum->hosts, sum->instances);
    buf_add_text(ret_json, ",\"capacity\":");
    view_resources(ret_json, &sum->capacity);
    buf_add_text(ret_json, ",\"used\":");
    view_resources(ret_json, &sum->used);
    buf_add_text(ret_json, ",\"kept\":");
    view_resources(ret_json, &room);
}

/* As if its document said nothing but the name; revision 0 is that of what has none. */
static struct record *implied(struct arena *arena, const char *name)
{
    struct record *record = arena_alloc(arena, sizeof(*record));
    struct pool *pool = arena_alloc(arena, sizeof(*pool));
    CLEANUP_BUF struct buf json = {0};

    *pool =
        (struct pool){.name = arena_strdup(arena, name), .survive = "none", .oversubscription_millis = 1000};
    schema_write(&schema_pool, "Pool", pool, &json);
    *record = (struct record){.kind = RECORD_POOL,
                              .key = record_key(arena, RECORD_POOL, name),
                              .name = pool->name,
                              .json = arena_strdup(arena, buf_text(&json)),
                              .object = pool};
    return record;
}

static const struct host *host_of_pool(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->hosts_length; i++)
        if (text_equal(snapshot->hosts[i].pool, name)) return &snapshot->hosts[i];
    return NULL;
}

/* Of each resource the most that one loss would take: whatever is lost, what ran there has room elsewhere. */
static struct resources kept(const struct pool_sums *sums, const struct pool *pool)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct map *losses = map_new(); /* what is lost together -> its struct resources */
    struct resources most = {0};

    for (size_t i = 0; !text_equal(pool->survive, "none") && i < sums->snapshot->hosts_length; i++) {
        const struct host *host = &sums->snapshot->hosts[i];
        if (!text_equal(host->pool, pool->name)) continue;
        const char *key = lost_with(arena, host, pool->survive);
        struct resources *loss = map_get(losses, key);
        if (!loss) {
            loss = arena_alloc(arena, sizeof(*loss));
            map_put(losses, key, loss);
        }
        add(loss, map_get(sums->hosts, host->name));
        raise_to(&most, loss);
    }
    map_free(losses);
    return most;
}

/* The host, or the zone of that level around it; a path that ends above the level is a zone as a whole. */
static const char *lost_with(struct arena *arena, const struct host *host, const char *survive)
{
    size_t depth = SIZE_MAX, size = 0;

    if (text_equal(survive, "host")) return host->name;
    if (text_equal(survive, "site")) depth = 1;
    if (survive[0] >= '1' && survive[0] <= '8' && !survive[1]) depth = (size_t)(survive[0] - '0');
    for (size_t n = 0; n < depth && host->zone[size]; n++)
        size += (n > 0) + strcspn(host->zone + size + (n > 0), "/");
    return arena_strndup(arena, host->zone, size);
}

static void add(struct resources *sum, const struct resources *more)
{
    sum->cpus_millis = sum_of(sum->cpus_millis, more->cpus_millis);
    sum->memory_bytes = sum_of(sum->memory_bytes, more->memory_bytes);
    sum->disk_bytes = sum_of(sum->disk_bytes, more->disk_bytes);
    sum->network_bits_per_s = sum_of(sum->network_bits_per_s, more->network_bits_per_s);
}

static void raise_to(struct resources *most, const struct resources *other)
{
    if (other->cpus_millis > most->cpus_millis) most->cpus_millis = other->cpus_millis;
    if (other->memory_bytes > most->memory_bytes) most->memory_bytes = other->memory_bytes;
    if (other->disk_bytes > most->disk_bytes) most->disk_bytes = other->disk_bytes;
    if (other->network_bits_per_s > most->network_bits_per_s)
        most->network_bits_per_s = other->network_bits_per_s;
}

/* A host may have a PiB: those of a whole pool stay at the top rather than turn over. */
static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int compare_records(const void *a, const void *b)
{
    const struct record *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}
