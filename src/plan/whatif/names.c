#include "plan/whatif/names.h"

#include "base/buf.h"
#include "base/text.h"

#include <string.h>

#define NAMES "host/NAME, zone/PATH, site/NAME or instance/PARTY/FARM/NAME"

enum {
    CANDIDATES_MAX = 200000, /* a spelling is looked for among so many */
    TOLD_MAX = 3,            /* so many that are there are told when none is near */
};

static bool find_host(const struct planner *planner, const char *name, struct map *ret_hosts,
                      struct error *err);
static bool find_zone(const struct planner *planner, const char *name, bool site, struct map *ret_hosts,
                      struct error *err);
static bool find_instance(const struct planner *planner, const char *name, struct map *ret_instances,
                          struct error *err);
static bool refuse_kind(const struct planner *planner, const char *name, struct error *err);
static bool refuse(const char *kind, const char *name, const struct vec *candidates, struct error *err);
static void say_first(const struct vec *candidates, struct buf *ret_text);
static void add_zones(struct map *seen, struct arena *arena, const char *zone, bool site,
                      struct vec *candidates);

bool names_find(const struct planner *planner, const char *name, struct map *ret_hosts,
                struct map *ret_instances, struct error *err)
{
    if (text_starts(name, "host/")) return find_host(planner, name + strlen("host/"), ret_hosts, err);
    if (text_starts(name, "zone/")) return find_zone(planner, name + strlen("zone/"), false, ret_hosts, err);
    if (text_starts(name, "site/")) return find_zone(planner, name + strlen("site/"), true, ret_hosts, err);
    if (text_starts(name, "instance/")) {
        if (ret_instances) return find_instance(planner, name + strlen("instance/"), ret_instances, err);
        return error_set(err, ERROR_NOT_FOUND,
                         "%s: an instance is not drained by itself: name its host, or see 'croft move'",
                         name);
    }
    if (text_starts(name, "link/"))
        return error_set(err, ERROR_NOT_FOUND,
                         "%s: this grid knows no links between sites: what can fail is " NAMES, name);
    return refuse_kind(planner, name, err);
}

bool names_find_lease(const struct planner *planner, const char *name, const struct lease **ret_lease,
                      struct error *err)
{
    static const char prefix[] = "lease/";
    const struct lease *lease = NULL;
    struct vec candidates = VEC_OF(const char *);
    size_t cursor = 0;

    if (!text_starts(name, prefix))
        return planner_get(planner, RECORD_LEASE, name)
                   ? error_set(err, ERROR_NOT_FOUND, "%s is not a name here: did you mean lease/%s?", name,
                               name)
                   : error_set(err, ERROR_NOT_FOUND, "%s is not a name here: what can end is lease/NAME",
                               name[0] ? name : "an empty text");
    name += strlen(prefix);
    lease = planner_get(planner, RECORD_LEASE, name);
    if (lease != NULL) {
        *ret_lease = lease;
        return true;
    }
    while ((lease = planner_next(planner, RECORD_LEASE, &cursor)) != NULL &&
           candidates.length < CANDIDATES_MAX)
        *(const char **)vec_push(&candidates) = lease->name;
    refuse("lease", name, &candidates, err);
    vec_free(&candidates);
    return false;
}

bool names_zone_holds(const char *zone, const char *path)
{
    size_t size = strlen(zone);
    return strncmp(path, zone, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static bool find_host(const struct planner *planner, const char *name, struct map *ret_hosts,
                      struct error *err)
{
    const struct host *host = planner_get(planner, RECORD_HOST, name);
    struct vec candidates = VEC_OF(const char *);
    size_t cursor = 0;

    if (host != NULL) {
        map_put(ret_hosts, name, (void *)(uintptr_t)host);
        return true;
    }
    while ((host = planner_next(planner, RECORD_HOST, &cursor)) != NULL && candidates.length < CANDIDATES_MAX)
        *(const char **)vec_push(&candidates) = host->name;
    refuse("host", name, &candidates, err);
    vec_free(&candidates);
    return false;
}

static bool find_zone(const struct planner *planner, const char *name, bool site, struct map *ret_hosts,
                      struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(map_freep) struct map *seen = map_new();
    const struct host *host = NULL;
    struct vec candidates = VEC_OF(const char *);
    size_t cursor = 0, found = 0;

    if (site && strchr(name, '/'))
        return error_set(err, ERROR_NOT_FOUND,
                         "site/%s: a site is the first element of a zone's path: write site/%.*s or zone/%s",
                         name, (int)strcspn(name, "/"), name, name);
    while ((host = planner_next(planner, RECORD_HOST, &cursor)) != NULL) {
        if (!names_zone_holds(name, host->zone)) continue;
        map_put(ret_hosts, host->name, (void *)(uintptr_t)host);
        found++;
    }
    cursor = 0;
    while (found == 0 && (host = planner_next(planner, RECORD_HOST, &cursor)) != NULL)
        add_zones(seen, arena, host->zone, site, &candidates);
    if (found == 0) refuse(site ? "site" : "zone", name, &candidates, err);
    vec_free(&candidates);
    return found > 0;
}

/* All prefixes of the path, or only the first. */
static void add_zones(struct map *seen, struct arena *arena, const char *zone, bool site,
                      struct vec *candidates)
{
    for (size_t size = strcspn(zone, "/");; size += 1 + strcspn(zone + size + 1, "/")) {
        const char *prefix = arena_strndup(arena, zone, size);
        if (!map_get(seen, prefix)) *(const char **)vec_push(candidates) = prefix;
        map_put(seen, prefix, arena);
        if (site || zone[size] == '\0') return;
    }
}

static bool find_instance(const struct planner *planner, const char *name, struct map *ret_instances,
                          struct error *err)
{
    const struct instance *instance = planner_get(planner, RECORD_INSTANCE, name);
    struct vec candidates = VEC_OF(const char *);
    size_t cursor = 0;

    if (instance != NULL) {
        map_put(ret_instances, name, (void *)(uintptr_t)instance);
        return true;
    }
    while ((instance = planner_next(planner, RECORD_INSTANCE, &cursor)) != NULL &&
           candidates.length < CANDIDATES_MAX)
        *(const char **)vec_push(&candidates) = instance->name;
    refuse("instance", name, &candidates, err);
    vec_free(&candidates);
    return false;
}

/* The word in front is missing or wrong; what comes behind may say which was meant. */
static bool refuse_kind(const struct planner *planner, const char *name, struct error *err)
{
    static const char *const kinds[] = {"host", "zone", "site", "instance"};
    const char *slash = strchr(name, '/'), *nearest = NULL;
    CLEANUP_MEM char *word = mem_strndup(name, slash ? (size_t)(slash - name) : strlen(name));

    if (planner_get(planner, RECORD_HOST, name))
        return error_set(err, ERROR_NOT_FOUND, "%s is not a name here: did you mean host/%s?", name, name);
    if (planner_get(planner, RECORD_INSTANCE, name))
        return error_set(err, ERROR_NOT_FOUND, "%s is not a name here: did you mean instance/%s?", name,
                         name);
    if (slash) nearest = text_nearest(word, kinds, LENGTH(kinds));
    if (nearest)
        return error_set(err, ERROR_NOT_FOUND, "%s is not a name here: did you mean %s%s?", name, nearest,
                         slash);
    return error_set(err, ERROR_NOT_FOUND, "%s is not a name here: it is " NAMES,
                     name[0] ? name : "an empty text");
}

static bool refuse(const char *kind, const char *name, const struct vec *candidates, struct error *err)
{
    CLEANUP_BUF struct buf there = {0};
    const char *nearest = name[0] ? text_nearest(name, candidates->items, candidates->length) : NULL;

    if (nearest)
        return error_set(err, ERROR_NOT_FOUND, "there is no %s %s: did you mean %s/%s?", kind, name, kind,
                         nearest);
    say_first(candidates, &there);
    if (name[0] == '\0')
        return error_set(err, ERROR_NOT_FOUND, "%s/ names no %s: behind it comes a name, and there %s", kind,
                         kind, buf_text(&there));
    return error_set(err, ERROR_NOT_FOUND, "there is no %s %s: there %s", kind, name, buf_text(&there));
}

/* "are h1, h2, h3 and 4 more": the first by name, in whatever order they came. */
static void say_first(const struct vec *candidates, struct buf *ret_text)
{
    const char *last = NULL;
    size_t told = 0;

    while (told < TOLD_MAX && told < candidates->length) {
        const char *next = NULL;
        for (size_t n = 0; n < candidates->length; n++) {
            const char *name = *(const char *const *)vec_at(candidates, n);
            bool is_later = last == NULL || text_compare_natural(name, last) > 0;
            if (is_later && (next == NULL || text_compare_natural(name, next) < 0)) next = name;
        }
        buf_printf(ret_text, "%s%s", told ? ", " : candidates->length == 1 ? "is " : "are ", next);
        last = next;
        told++;
    }
    if (told == 0) buf_add_text(ret_text, "is none in this grid");
    if (told < candidates->length) buf_printf(ret_text, " and %zu more", candidates->length - told);
}
