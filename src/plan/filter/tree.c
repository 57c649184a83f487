/* The tree of names that some filters speak of. */
#include "plan/filter/tree.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

struct gathered {
    struct arena *arena;
    const struct filter *const *filters;
    size_t length;
    struct vec names; /* struct name */
};

static void gather_end(struct gathered *gathered, const struct endpoint *end);
static void gather(struct gathered *gathered, struct name name);
static int compare(const void *a, const void *b);
static bool is_tier(const struct gathered *gathered, const char *text);
static bool is_instance_of(const char *instance, const char *tier);

struct name name_of_end(struct arena *arena, enum endpoint_kind kind, const char *text)
{
    struct name name = {.party = "", .farm = "", .tier = "", .instance = ""};
    const char *slash = strchr(text, '/');
    const char *second = slash == NULL ? NULL : strchr(slash + 1, '/');

    name.party = slash == NULL ? text : arena_strndup(arena, text, (size_t)(slash - text));
    if (slash == NULL) return name;
    name.farm = second == NULL ? text : arena_strndup(arena, text, (size_t)(second - text));
    if (kind == ENDPOINT_TIER) name.tier = text;
    if (kind != ENDPOINT_INSTANCE) return name;
    name.instance = text;
    if (name_stem(text) > 0) name.tier = arena_strndup(arena, text, name_stem(text));
    return name;
}

size_t name_stem(const char *text)
{
    size_t size = strlen(text), digits = 0;

    while (digits < size && text[size - 1 - digits] >= '0' && text[size - 1 - digits] <= '9')
        digits++;
    size_t stem = size - digits;
    return digits > 0 && stem > 1 && text[stem - 1] == '-' && text[stem - 2] != '/' ? stem - 1 : 0;
}

void tree_gather(struct arena *arena, const struct filter *const *filters, size_t length, struct space *space)
{
    struct gathered gathered = {arena, filters, length, VEC_OF(struct name)};
    size_t kept = 0;

    for (size_t f = 0; f < length; f++) {
        for (size_t i = 0; i < filters[f]->rules_length; i++) {
            gather_end(&gathered, &filters[f]->rules[i].from);
            gather_end(&gathered, &filters[f]->rules[i].to);
        }
        if (!text_equal(filters[f]->on, FILTER_ON_ALL))
            gather(&gathered, name_of_on(arena, filters, length, filters[f]->on));
    }
    vec_sort(&gathered.names, compare);
    struct name *names = arena_alloc_array(arena, gathered.names.length + 1, sizeof(*names));
    for (size_t i = 0; i < gathered.names.length; i++) {
        const struct name *name = vec_at(&gathered.names, i);
        if (kept == 0 || compare(&names[kept - 1], name) != 0) names[kept++] = *name;
    }
    vec_free(&gathered.names);
    space->names = names;
    space->names_length = kept;
}

struct name name_of_on(struct arena *arena, const struct filter *const *filters, size_t length,
                       const char *on)
{
    const struct gathered gathered = {.filters = filters, .length = length};
    const char *slash = strchr(on, '/');
    bool three = slash != NULL && strchr(slash + 1, '/') != NULL;

    if (!three) return name_of_end(arena, ENDPOINT_FARM, on);
    return name_of_end(arena,
                       name_stem(on) > 0 && !is_tier(&gathered, on) ? ENDPOINT_INSTANCE : ENDPOINT_TIER, on);
}

void tree_find(const struct space *space, const struct name *name, size_t *ret_first, size_t *ret_last)
{
    size_t low = 0, high = space->names_length;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&space->names[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low < space->names_length && compare(&space->names[low], name) == 0);
    size_t last = low, beyond = space->names_length; /* those in it follow it without a gap */
    while (last + 1 < beyond) {
        size_t middle = last + (beyond - last) / 2;
        if (tree_is_within(&space->names[middle], name))
            last = middle;
        else
            beyond = middle;
    }
    *ret_first = RANK_NAMES + low;
    *ret_last = RANK_NAMES + last;
}

bool tree_is_within(const struct name *name, const struct name *within)
{
    return text_equal(name->party, within->party) &&
           (within->farm[0] == '\0' || text_equal(name->farm, within->farm)) &&
           (within->tier[0] == '\0' || text_equal(name->tier, within->tier)) &&
           (within->instance[0] == '\0' || text_equal(name->instance, within->instance));
}

static void gather_end(struct gathered *gathered, const struct endpoint *end)
{
    if (end->kind == ENDPOINT_FARM || end->kind == ENDPOINT_TIER || end->kind == ENDPOINT_INSTANCE)
        gather(gathered, name_of_end(gathered->arena, end->kind, end->name));
}

/* With all that it is in. */
static void gather(struct gathered *gathered, struct name name)
{
    for (;;) {
        *(struct name *)vec_push(&gathered->names) = name;
        if (name.instance[0] != '\0')
            name.instance = "";
        else if (name.tier[0] != '\0')
            name.tier = "";
        else if (name.farm[0] != '\0')
            name.farm = "";
        else
            return;
    }
}

/* The walk through the tree: what is empty comes first. */
static int compare(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->party, y->party);

    if (order == 0) order = strcmp(x->farm, y->farm);
    if (order == 0) order = strcmp(x->tier, y->tier);
    if (order == 0) order = strcmp(x->instance, y->instance);
    return order;
}

/* Does a filter speak of a tier of this name, or of an instance of it? */
static bool is_tier(const struct gathered *gathered, const char *text)
{
    for (size_t f = 0; f < gathered->length; f++) {
        if (is_instance_of(gathered->filters[f]->on, text)) return true;
        for (size_t i = 0; i < gathered->filters[f]->rules_length; i++) {
            const struct filter_rule *rule = &gathered->filters[f]->rules[i];
            const struct endpoint *const ends[] = {&rule->from, &rule->to};
            for (size_t n = 0; n < LENGTH(ends); n++)
                if ((ends[n]->kind == ENDPOINT_TIER && text_equal(ends[n]->name, text)) ||
                    (ends[n]->kind == ENDPOINT_INSTANCE && is_instance_of(ends[n]->name, text)))
                    return true;
        }
    }
    return false;
}

static bool is_instance_of(const char *instance, const char *tier)
{
    size_t stem = name_stem(instance);
    return stem > 0 && stem == strlen(tier) && memcmp(instance, tier, stem) == 0;
}
