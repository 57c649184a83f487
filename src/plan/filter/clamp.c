/* What is left of a filter inside others: README.md has the three ways to say it. */
#include "plan/filter/clamp.h"

#include "base/text.h"
#include "plan/filter/filter.h"
#include "plan/filter/meet.h"
#include "plan/filter/search.h"
#include "plan/filter/tree.h"

#include <string.h>

/* Rules that are made before those that never match are taken out. */
enum { MADE_MAX = 4 * FILTER_RULES_MAX };

static bool clamp_one(struct arena *arena, const struct filter *outer, const struct filter *inner,
                      struct filter *ret_clamped, struct error *err);
static bool limit_to(struct arena *arena, const struct filter *outer, const struct filter *inner,
                     struct filter *ret_outer, struct error *err);
static bool limit_rule(struct arena *arena, const struct filter_rule *rule, const struct endpoint *own,
                       struct vec *rules);
static bool drop_needless(struct arena *arena, const struct filter *outer, const struct filter *inner,
                          struct filter *ret_outer, struct error *err);
static size_t leading_denies(const struct filter *filter);
static bool find_split(struct arena *arena, const struct filter *outer, const struct filter *inner,
                       bool *ret_split, struct error *err);
static bool multiply(struct arena *arena, const struct filter *outer, const struct filter *inner,
                     struct vec *rules, struct error *err);
static bool multiply_rule(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                          struct vec *rules);
static bool deny_before(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                        struct vec *rules, struct error *err);
static bool deny_part(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                      struct vec *rules, struct error *err);
static void add_rule(const struct filter_rule *rule, struct vec *rules);
static void add_rules(const struct filter *filter, size_t first, struct vec *rules);
static size_t part_of(size_t length, size_t parts, size_t n, size_t *ret_begin);
static bool has_names(const struct filter *filter);
static bool drop_idle(struct arena *arena, struct filter *filter, struct error *err);
static bool finish(struct arena *arena, struct vec *rules, const struct filter *inner,
                   enum filter_action action, struct filter *ret_filter, struct error *err);
static bool refuse(const struct filter *outer, const struct filter *inner, struct error *err);

bool filter_clamp(struct arena *arena, const struct filter *const *outers, size_t outers_length,
                  const struct filter *inner, struct filter *ret_clamped, struct error *err)
{
    struct filter clamped = *inner, next;
    struct filter_judgement judgement;

    for (size_t i = 0; i < outers_length; i++) {
        if (!filter_is_inside(arena, outers[i], &clamped, &(uint64_t){0}, &judgement, err)) return false;
        if (judgement.inside) continue;
        if (!clamp_one(arena, outers[i], &clamped, &next, err)) return false;
        clamped = next;
    }
    if (!drop_idle(arena, &clamped, err)) return false;
    *ret_clamped = clamped;
    return true;
}

static bool clamp_one(struct arena *arena, const struct filter *outer, const struct filter *inner,
                      struct filter *ret_clamped, struct error *err)
{
    struct vec rules = VEC_OF(struct filter_rule);
    struct filter limited, needed, rest;
    struct error first_err;

    if (!limit_to(arena, outer, inner, &limited, err) || !drop_needless(arena, &limited, inner, &needed, err))
        return false;
    size_t leading = leading_denies(&needed);
    rest = needed;
    rest.rules += leading;
    rest.rules_length -= leading;
    for (size_t i = 0; i < leading; i++)
        add_rule(&needed.rules[i], &rules);
    bool passes = inner->default_action == FILTER_ALLOW;
    if (multiply(arena, &rest, inner, &rules, &first_err))
        return finish(arena, &rules, inner, passes ? rest.default_action : FILTER_DENY, ret_clamped, err);
    vec_clear(&rules);
    /* Outer's rules as far as inner lets pass what they do mean the same. */
    passes = needed.default_action == FILTER_ALLOW;
    if (multiply(arena, inner, &needed, &rules, err))
        return finish(arena, &rules, inner, passes ? inner->default_action : FILTER_DENY, ret_clamped, err);
    vec_free(&rules);
    *err = first_err;
    return false;
}

/* The same as outer at the ports that it governs, and nothing denied at others that inner governs. */
static bool limit_to(struct arena *arena, const struct filter *outer, const struct filter *inner,
                     struct filter *ret_outer, struct error *err)
{
    const struct filter *const filters[] = {outer, inner};
    struct vec rules = VEC_OF(struct filter_rule);
    struct filter limited = *outer;
    bool good = true;

    *ret_outer = limited;
    if (text_equal(outer->on, FILTER_ON_ALL)) return true;
    struct name name = name_of_on(arena, filters, LENGTH(filters), outer->on);
    if (!text_equal(inner->on, FILTER_ON_ALL)) {
        struct name governed = name_of_on(arena, filters, LENGTH(filters), inner->on);
        if (tree_is_within(&governed, &name)) return true;
    }
    if (name.farm[0] == '\0')
        return error_set(
            err, ERROR_REFUSED,
            "%s governs all farms of party %s, and %s more than these: no rule can name a party; "
            "make a filter for each farm",
            outer->full_name, name.party, inner->full_name);
    struct endpoint own = {.kind = name.instance[0] != '\0' ? ENDPOINT_INSTANCE
                                   : name.tier[0] != '\0'   ? ENDPOINT_TIER
                                                            : ENDPOINT_FARM,
                           .name = outer->on};
    for (size_t i = 0; i < outer->rules_length && good; i++)
        good = limit_rule(arena, &outer->rules[i], &own, &rules);
    const struct filter_rule all = {.action = FILTER_DENY,
                                    .direction = FILTER_BOTH,
                                    .from = {.name = ""},
                                    .to = {.name = ""},
                                    .protocol = FILTER_PROTOCOL_ANY};
    if (outer->default_action != FILTER_ALLOW) good = limit_rule(arena, &all, &own, &rules) && good;
    limited.default_action = FILTER_ALLOW;
    limited.on = inner->on;
    limited.rules_length = rules.length;
    struct filter_rule *kept = arena_alloc_array(arena, rules.length + 1, sizeof(*kept));
    if (rules.length > 0) memcpy(kept, rules.items, rules.length * sizeof(*kept));
    limited.rules = kept;
    vec_free(&rules);
    *ret_outer = limited;
    return good || refuse(outer, inner, err);
}

/* With the governed end named, once for each direction. false: it is known by its address already. */
static bool limit_rule(struct arena *arena, const struct filter_rule *rule, const struct endpoint *own,
                       struct vec *rules)
{
    for (enum filter_direction direction = FILTER_IN; direction <= FILTER_OUT; direction++) {
        struct filter_rule limited = *rule;
        struct endpoint *end = direction == FILTER_IN ? &limited.to : &limited.from;
        if (rule->direction != FILTER_BOTH && rule->direction != direction) continue;
        limited.direction = direction;
        enum meet meet = meet_ends(arena, own, direction == FILTER_IN ? &rule->to : &rule->from, end);
        if (meet == MEET_NONE_SAYS) return false;
        if (meet == MEET_RULE) add_rule(&limited, rules);
    }
    return true;
}

/* Without rules that only deny what inner does not let pass, and the last ones that say what the default
 * says. */
static bool drop_needless(struct arena *arena, const struct filter *outer, const struct filter *inner,
                          struct filter *ret_outer, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    CLEANUP_SEARCH struct search search = {0};
    const struct filter *const filters[] = {inner, outer};
    bool *needed = arena_alloc_array(scratch, outer->rules_length + 1, sizeof(*needed));
    struct filter_rule *rules = arena_alloc_array(arena, outer->rules_length + 1, sizeof(*rules));
    struct filter result = *outer;
    struct boxes inners, outers;
    struct space space;
    struct box base;

    if (!space_make(scratch, filters, LENGTH(filters), &space, err)) return false;
    for (size_t n = 0; n < BASES; n++) {
        if (!space_base(&space, n, &base)) continue;
        if (!space_boxes(&space, inner, &base, &inners, err) ||
            !space_boxes(&space, outer, &base, &outers, err))
            return false;
        for (size_t i = 0; i < outer->rules_length; i++) {
            if (needed[i] || outer->rules[i].action == FILTER_ALLOW) continue;
            const struct judged judged[] = {{&outers, false, (uint32_t)i + 1}, {&inners, true, 0}};
            needed[i] = search_judged(&search, &base, judged, LENGTH(judged));
            if (!search_was_ended(&search, inner->name, err)) return false;
        }
    }
    result.rules = rules;
    result.rules_length = 0;
    for (size_t i = 0; i < outer->rules_length; i++)
        if (needed[i] || outer->rules[i].action == FILTER_ALLOW)
            rules[result.rules_length++] = outer->rules[i];
    while (result.rules_length > 0 &&
           (rules[result.rules_length - 1].action == FILTER_ALLOW) == (result.default_action == FILTER_ALLOW))
        result.rules_length--;
    *ret_outer = result;
    return true;
}

static size_t leading_denies(const struct filter *filter)
{
    size_t length = 0;
    while (length < filter->rules_length && filter->rules[length].action != FILTER_ALLOW)
        length++;
    return length;
}

/* Which of inner's rules let pass what outer does not. */
static bool find_split(struct arena *arena, const struct filter *outer, const struct filter *inner,
                       bool *ret_split, struct error *err)
{
    CLEANUP_ARENA struct arena *scratch = arena_new();
    CLEANUP_SEARCH struct search search = {0};
    const struct filter *const filters[] = {inner, outer};
    struct boxes inners, outers;
    struct space space;
    struct box base;

    if (!space_make(scratch, filters, LENGTH(filters), &space, err)) return false;
    for (size_t n = 0; n < BASES; n++) {
        if (!space_base(&space, n, &base)) continue;
        if (!space_boxes(&space, inner, &base, &inners, err) ||
            !space_boxes(&space, outer, &base, &outers, err))
            return false;
        for (size_t i = 0; i < inner->rules_length; i++) {
            if (ret_split[i] || inner->rules[i].action != FILTER_ALLOW) continue;
            const struct judged judged[] = {{&inners, true, (uint32_t)i + 1}, {&outers, false, 0}};
            ret_split[i] = search_judged(&search, &base, judged, LENGTH(judged));
            if (!search_was_ended(&search, inner->name, err)) return false;
        }
    }
    return true;
}

/* Inner's rules in their order; what a split one lets pass is what outer does, too. ERROR_REFUSED when rules
 * cannot say it in this order. */
static bool multiply(struct arena *arena, const struct filter *outer, const struct filter *inner,
                     struct vec *rules, struct error *err)
{
    bool *split = arena_alloc_array(arena, inner->rules_length + 1, sizeof(*split));

    if (!find_split(arena, outer, inner, split, err)) return false;
    for (size_t i = 0; i < inner->rules_length && rules->length <= MADE_MAX; i++) {
        const struct filter_rule *rule = &inner->rules[i];
        size_t begin = rules->length;
        if (!split[i])
            add_rule(rule, rules);
        else if (!multiply_rule(arena, outer, rule, rules)) {
            while (rules->length > begin)
                vec_remove(rules, rules->length - 1);
            if (has_names(outer)) return refuse(outer, inner, err);
            if (!deny_before(arena, outer, rule, rules, err)) return false;
        }
    }
    if (inner->default_action == FILTER_ALLOW) add_rules(outer, 0, rules);
    return true;
}

/* The rule is outer's rules in their order, as far as it matches what they do. What outer stops at last is
 * left to what follows: nothing there lets it pass. false: no rule can say what they have in common. */
static bool multiply_rule(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                          struct vec *rules)
{
    size_t begin = rules->length;
    struct filter_rule both, whole;
    bool covered = false;

    enum meet same = meet_rules(arena, rule, rule, &whole);
    ASSERT(same == MEET_RULE);
    for (size_t i = 0; i < outer->rules_length && !covered && rules->length <= MADE_MAX; i++) {
        enum meet meet = meet_rules(arena, rule, &outer->rules[i], &both);
        if (meet == MEET_NOTHING) continue;
        if (meet == MEET_NONE_SAYS) return false;
        covered = meet_is_same(&both, &whole);
        if (outer->rules[i].action != FILTER_ALLOW) both.action = FILTER_DENY;
        add_rule(&both, rules);
    }
    if (!covered && outer->default_action == FILTER_ALLOW) add_rule(rule, rules);
    while (rules->length > begin &&
           ((const struct filter_rule *)vec_at(rules, rules->length - 1))->action != FILTER_ALLOW)
        vec_remove(rules, rules->length - 1);
    return true;
}

/* The rule itself, behind rules that deny what outer stops, whoever it is that the rule names: so they take
 * nothing away that should pass. For each protocol that outer names by itself, since rules cannot say "all
 * but". */
static bool deny_before(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                        struct vec *rules, struct error *err)
{
    struct filter_rule part = *rule;

    for (int64_t protocol = 0; rule->protocol == FILTER_PROTOCOL_ANY && protocol <= UINT8_MAX; protocol++) {
        if (!clamp_names_protocol(outer, protocol)) continue;
        part.protocol = protocol;
        if (!deny_part(arena, outer, &part, rules, err)) return false;
    }
    return deny_part(arena, outer, rule, rules, err);
}

static bool deny_part(struct arena *arena, const struct filter *outer, const struct filter_rule *rule,
                      struct vec *rules, struct error *err)
{
    struct filter_rule limit = *rule;
    bool passes = false;

    if (limit.from.kind != ENDPOINT_PREFIX) limit.from = (struct endpoint){.name = ""};
    if (limit.to.kind != ENDPOINT_PREFIX) limit.to = (struct endpoint){.name = ""};
    if (!clamp_deny_stopped(arena, outer, &limit, rules, &passes, err)) return false;
    if (passes) add_rule(rule, rules);
    return true;
}

/* In as many parts as its lists of ports need. */
static void add_rule(const struct filter_rule *rule, struct vec *rules)
{
    size_t from_parts = rule->from_ports_length / (FILTER_PORTS_MAX + 1) + 1,
           parts = rule->ports_length / (FILTER_PORTS_MAX + 1) + 1, begin = 0;

    for (size_t n = 0; n < from_parts * parts; n++) {
        struct filter_rule *copy = vec_push(rules);
        *copy = *rule;
        copy->from_ports_length = part_of(rule->from_ports_length, from_parts, n / parts, &begin);
        if (begin > 0) copy->from_ports += begin;
        copy->ports_length = part_of(rule->ports_length, parts, n % parts, &begin);
        if (begin > 0) copy->ports += begin;
    }
}

static size_t part_of(size_t length, size_t parts, size_t n, size_t *ret_begin)
{
    *ret_begin = length * n / parts;
    return length * (n + 1) / parts - *ret_begin;
}

static void add_rules(const struct filter *filter, size_t first, struct vec *rules)
{
    for (size_t i = first; i < filter->rules_length; i++)
        add_rule(&filter->rules[i], rules);
}

static bool has_names(const struct filter *filter)
{
    for (size_t i = 0; i < filter->rules_length; i++) {
        const struct endpoint *const ends[] = {&filter->rules[i].from, &filter->rules[i].to};
        for (size_t n = 0; n < LENGTH(ends); n++)
            if (ends[n]->kind != ENDPOINT_ANY && ends[n]->kind != ENDPOINT_PREFIX) return true;
    }
    return false;
}

static bool drop_idle(struct arena *arena, struct filter *filter, struct error *err)
{
    struct filter_rule *rules = arena_alloc_array(arena, filter->rules_length + 1, sizeof(*rules));
    const size_t *idle = NULL;
    size_t idle_length = 0, kept = 0, n = 0;

    if (!filter_idle_rules(arena, filter, &idle, &idle_length, err)) return false;
    for (size_t i = 0; i < filter->rules_length; i++) {
        if (n < idle_length && idle[n] == i + 1)
            n++;
        else
            rules[kept++] = filter->rules[i];
    }
    filter->rules = rules;
    filter->rules_length = kept;
    return true;
}

static bool finish(struct arena *arena, struct vec *rules, const struct filter *inner,
                   enum filter_action action, struct filter *ret_filter, struct error *err)
{
    struct filter filter = *inner;
    struct filter_rule *copy = arena_alloc_array(arena, rules->length + 1, sizeof(*copy));
    size_t length = rules->length;

    if (length > 0) memcpy(copy, rules->items, length * sizeof(*copy));
    vec_free(rules);
    filter.rules = copy;
    filter.rules_length = length;
    filter.default_action = action;
    if (length <= MADE_MAX && !drop_idle(arena, &filter, err)) return false;
    if (filter.rules_length > FILTER_RULES_MAX)
        return error_set(
            err, ERROR_TOO_LARGE,
            "what is left of %s would need more than %d rules: take out what the outer filters do not "
            "let pass by hand",
            inner->full_name, FILTER_RULES_MAX);
    *ret_filter = filter;
    return true;
}

static bool refuse(const struct filter *outer, const struct filter *inner, struct error *err)
{
    return error_set(
        err, ERROR_REFUSED,
        "what is left of %s inside %s cannot be said by rules: one knows an end by its address that the "
        "other knows by its name; use prefixes in both, or names in both",
        inner->full_name, outer->full_name);
}
