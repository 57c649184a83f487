#include "plan/whatif/zones.h"

#include "base/text.h"

struct tree {
    struct arena *arena;
    struct map *by_path; /* -> struct whatif_zone */
    struct vec zones;    /* struct whatif_zone * */
};

static struct whatif_zone *zone_get(struct tree *tree, const char *path, size_t size, unsigned depth);
static void add_host(struct tree *tree, const struct ledger_host *before, const struct ledger_host *after,
                     bool failed, bool drained);
static void add_room(const struct ledger_host *host, struct resources *total, struct resources *used);
static int compare_paths(const void *a, const void *b);

const struct whatif_zone *zones_compare(struct arena *arena, const struct ledger *before,
                                        const struct ledger *after, const struct map *failed,
                                        const struct map *drained, size_t *ret_length)
{
    struct tree tree = {.arena = arena, .by_path = map_new(), .zones = VEC_OF(struct whatif_zone *)};
    for (size_t h = 0; h < after->hosts_length; h++) {
        const struct ledger_host *host = &after->hosts[h];
        add_host(&tree, ledger_host(before, host->name), host, map_get(failed, host->name) != NULL,
                 map_get(drained, host->name) != NULL);
    }
    vec_sort(&tree.zones, compare_paths);
    struct whatif_zone *zones = arena_alloc_array(arena, tree.zones.length + 1, sizeof(*zones));
    for (size_t z = 0; z < tree.zones.length; z++)
        zones[z] = **(struct whatif_zone **)vec_at(&tree.zones, z);
    *ret_length = tree.zones.length;
    vec_free(&tree.zones);
    map_free(tree.by_path);
    return zones;
}

static void add_host(struct tree *tree, const struct ledger_host *before, const struct ledger_host *after,
                     bool failed, bool drained)
{
    const char *path = after->zone;
    unsigned depth = 1;
    for (size_t size = strcspn(path, "/");; size += 1 + strcspn(path + size + 1, "/"), depth++) {
        struct whatif_zone *zone = zone_get(tree, path, size, depth);
        zone->hosts++;
        zone->failed += failed;
        zone->drained += drained && !failed;
        zone->away += !failed && !drained && !after->usable;
        if (before) add_room(before, &zone->total_before, &zone->used_before);
        add_room(after, &zone->total_after, &zone->used_after);
        if (path[size] == '\0') return;
    }
}

static struct whatif_zone *zone_get(struct tree *tree, const char *path, size_t size, unsigned depth)
{
    CLEANUP_MEM char *key = mem_strndup(path, size);
    struct whatif_zone *zone = map_get(tree->by_path, key);
    if (zone != NULL) return zone;
    zone = arena_alloc(tree->arena, sizeof(*zone));
    zone->path = arena_strdup(tree->arena, key);
    zone->depth = depth;
    map_put(tree->by_path, key, zone);
    *(struct whatif_zone **)vec_push(&tree->zones) = zone;
    return zone;
}

static void add_room(const struct ledger_host *host, struct resources *total, struct resources *used)
{
    if (!host->usable) return;
    total->cpus_millis += host->total.of[0];
    total->memory_bytes += host->total.of[1];
    total->disk_bytes += host->total.of[2];
    used->cpus_millis += host->used.of[0];
    used->memory_bytes += host->used.of[1];
    used->disk_bytes += host->used.of[2];
}

/* '/' before all else, so that what is below stands directly behind. */
static int compare_paths(const void *a, const void *b)
{
    const char *x = (*(struct whatif_zone *const *)a)->path, *y = (*(struct whatif_zone *const *)b)->path;
    for (;;) {
        size_t x_size = strcspn(x, "/"), y_size = strcspn(y, "/");
        CLEANUP_MEM char *x_part = mem_strndup(x, x_size);
        CLEANUP_MEM char *y_part = mem_strndup(y, y_size);
        int order = text_compare_natural(x_part, y_part);
        if (order != 0) return order;
        if (x[x_size] == '\0' || y[y_size] == '\0') return (x[x_size] != '\0') - (y[y_size] != '\0');
        x += x_size + 1;
        y += y_size + 1;
    }
}
