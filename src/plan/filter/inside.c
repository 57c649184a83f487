#include "plan/filter/filter.h"
#include "plan/filter/search.h"

static bool search_base(const struct space *space, const struct box *base, const struct filter *inner,
                        const struct filter *outer, struct search *search, bool *ret_found,
                        struct error *err);
static struct filter_judgement judgement_of(const struct space *space, const struct box *found,
                                            const struct filter *inner, const struct filter *outer);

bool filter_is_inside(struct arena *arena, const struct filter *outer, const struct filter *inner,
                      uint64_t *work, struct filter_judgement *ret_judgement, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    CLEANUP_SEARCH struct search search = {.work = *work};
    const struct filter *const filters[] = {inner, outer};
    struct filter_judgement judgement = {.inside = true};
    struct space space;
    struct box base;

    if (!space_make(scratch, filters, LENGTH(filters), &space, err)) return false;
    for (size_t n = 0; n < BASES && judgement.inside; n++) {
        bool found = false;
        if (!space_base(&space, n, &base)) continue;
        judgement.governs = true;
        bool ended = search_base(&space, &base, inner, outer, &search, &found, err);
        *work = search.work;
        if (!ended) return false;
        if (found) judgement = judgement_of(&space, &search.found, inner, outer);
    }
    if (!judgement.inside) {
        struct packet_end *const ends[] = {&judgement.packet.from, &judgement.packet.to};
        for (size_t i = 0; i < LENGTH(ends); i++) {
            ends[i]->farm = arena_strdup(arena, ends[i]->farm);
            ends[i]->tier = arena_strdup(arena, ends[i]->tier);
            ends[i]->instance = arena_strdup(arena, ends[i]->instance);
        }
    }
    *ret_judgement = judgement;
    return true;
}

bool filter_idle_rules(struct arena *arena, const struct filter *filter, const size_t **ret_rules,
                       size_t *ret_length, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    CLEANUP_SEARCH struct search search = {0};
    bool *busy = arena_alloc_array(scratch, filter->rules_length + 1, sizeof(*busy));
    size_t *idle = arena_alloc_array(arena, filter->rules_length + 1, sizeof(*idle)), length = 0;
    struct space space;
    struct boxes boxes;
    struct box base;

    if (!space_make(scratch, &filter, 1, &space, err)) return false;
    for (size_t n = 0; n < BASES; n++) {
        if (!space_base(&space, n, &base)) continue;
        if (!space_boxes(&space, filter, &base, &boxes, err)) return false;
        for (size_t i = 0; i < boxes.length; i++) {
            if (busy[boxes.rules[i] - 1]) continue;
            busy[boxes.rules[i] - 1] = search_uncovered(&search, &boxes.items[i], boxes.items, i);
            if (!search_was_ended(&search, filter->name, err)) return false;
        }
    }
    for (size_t i = 0; i < filter->rules_length; i++)
        if (!busy[i]) idle[length++] = i + 1;
    *ret_rules = idle;
    *ret_length = length;
    return true;
}

static bool search_base(const struct space *space, const struct box *base, const struct filter *inner,
                        const struct filter *outer, struct search *search, bool *ret_found, struct error *err)
{
    struct boxes inners, outers;

    if (!space_boxes(space, inner, base, &inners, err) || !space_boxes(space, outer, base, &outers, err))
        return false;
    const struct judged judged[] = {{.boxes = &inners, .passes = true}, {.boxes = &outers, .passes = false}};
    *ret_found = search_judged(search, base, judged, LENGTH(judged));
    return search_was_ended(search, inner->name, err);
}

/* That it does break the boundary is asked once more, of the rules themselves. */
static struct filter_judgement judgement_of(const struct space *space, const struct box *found,
                                            const struct filter *inner, const struct filter *outer)
{
    struct filter_judgement judgement = {.governs = true, .packet = space_packet(space, found)};

    judgement.inner_rule = filter_deciding_rule(inner, &judgement.packet);
    judgement.outer_rule = filter_deciding_rule(outer, &judgement.packet);
    ASSERT(filter_action_of(inner, judgement.inner_rule) == FILTER_ALLOW);
    ASSERT(filter_action_of(outer, judgement.outer_rule) != FILTER_ALLOW);
    return judgement;
}
