#include "plan/filter/around.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/filter/govern.h"

#include <string.h>

struct around {
    struct arena *arena;
    const struct planner *planner;
    const struct around_news *news;
    struct map *keys;   /* of govern_key() that filters are looked for by */
    struct vec parties; /* struct party */
    struct vec filters; /* struct filter */
};

static void add_line(struct around *around, const char *party);
static const struct party *find_party_now(const struct around *around, const char *name);
static void add_known(struct around *around, const char *key);
static bool is_news(const struct around *around, const char *full_name);
static void add_news(struct around *around);
static const void *keep(struct arena *arena, struct vec *vec, size_t *ret_length);
static int compare_parties(const void *a, const void *b);
static int compare_filters(const void *a, const void *b);

bool filter_around_does(const struct filter *filter)
{
    return strchr(filter->on, '/') != NULL;
}

struct snapshot filter_around(struct arena *arena, const struct planner *planner,
                              const struct around_news *news, const struct filter *filter)
{
    static const struct around_news none;
    struct around around = {.arena = arena,
                            .planner = planner,
                            .news = news == NULL ? &none : news,
                            .keys = map_new(),
                            .parties = VEC_OF(struct party),
                            .filters = VEC_OF(struct filter)};
    struct snapshot snapshot = {0};
    size_t cursor = 0;
    const char *key = NULL;

    ASSERT(filter_around_does(filter));
    map_put(around.keys, FILTER_ON_ALL, &around);
    map_put(around.keys, PARTY_LANDLORD, &around);
    map_put(around.keys, govern_key(arena, filter->on), &around);
    add_line(&around, filter->party);
    add_line(&around, arena_strndup(arena, filter->on, strcspn(filter->on, "/")));
    while (map_next(around.keys, &cursor, &key, NULL))
        add_known(&around, key);
    add_news(&around);
    map_free(around.keys);
    vec_sort(&around.parties, compare_parties);
    vec_sort(&around.filters, compare_filters);
    snapshot.parties = keep(arena, &around.parties, &snapshot.parties_length);
    snapshot.filters = keep(arena, &around.filters, &snapshot.filters_length);
    return snapshot;
}

/* The party and those above it, as far as they are not there yet. */
static void add_line(struct around *around, const char *party)
{
    for (const char *name = party; map_put(around->keys, name, around) == NULL;) {
        const struct party *found = find_party_now(around, name);
        if (found == NULL) return;
        *(struct party *)vec_push(&around->parties) = *found;
        name = found->parent;
    }
}

static const struct party *find_party_now(const struct around *around, const char *name)
{
    const struct party *found = planner_get(around->planner, RECORD_PARTY, name);

    for (size_t i = 0; i < around->news->parties_length; i++)
        if (text_equal(around->news->parties[i]->name, name)) found = around->news->parties[i];
    return found;
}

static void add_known(struct around *around, const char *key)
{
    const struct vec *known = planner_filters_on(around->planner, key);

    for (size_t i = 0; known != NULL && i < known->length; i++) {
        const struct filter *filter = *(const struct filter *const *)vec_at(known, i);
        if (!is_news(around, filter->full_name)) *(struct filter *)vec_push(&around->filters) = *filter;
    }
}

static bool is_news(const struct around *around, const char *full_name)
{
    for (size_t i = 0; i < around->news->filters_length; i++)
        if (text_equal(around->news->filters[i]->full_name, full_name)) return true;
    return false;
}

static void add_news(struct around *around)
{
    for (size_t i = 0; i < around->news->filters_length; i++) {
        const struct filter *filter = around->news->filters[i];
        if (map_get(around->keys, govern_key(around->arena, filter->on)) != NULL)
            *(struct filter *)vec_push(&around->filters) = *filter;
    }
}

/* The items of a vec, moved into the arena. */
static const void *keep(struct arena *arena, struct vec *vec, size_t *ret_length)
{
    void *items = arena_alloc_array(arena, vec->length + 1, vec->item_size);

    if (vec->length > 0) memcpy(items, vec->items, vec->length * vec->item_size);
    *ret_length = vec->length;
    vec_free(vec);
    return items;
}

static int compare_parties(const void *a, const void *b)
{
    return text_compare_natural(((const struct party *)a)->name, ((const struct party *)b)->name);
}

static int compare_filters(const void *a, const void *b)
{
    return text_compare_natural(((const struct filter *)a)->full_name, ((const struct filter *)b)->full_name);
}
