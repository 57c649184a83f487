#include "model/scaling_rules.h"

#include "base/text.h"
#include "base/vec.h"
#include "model/schemas.h"

#include <string.h>

enum { TEXT_SIZE_MAX = 512 };

/* What is left of a rule's text, and where it stands in the document. */
struct cursor {
    struct arena *arena;
    const struct scaling_rules *rules;
    const struct node *node; /* of this rule */
    size_t nth;
    const char *at;
};

static bool check_term(struct arena *arena, const struct node *node, const struct scaling_rules *rules,
                       size_t nth, struct error *err);
static const char *shape_fault(struct arena *arena, const struct scaling_term *term);
static bool read_rule(struct cursor *cursor, struct scaling_rule *ret_rule, struct error *err);
static bool read_premise(struct cursor *cursor, struct scaling_rule *rule, struct error *err);
static bool read_term(struct cursor *cursor, enum scaling_variable of, size_t *ret_term, struct error *err);
static bool skip_word(struct cursor *cursor, const char *word);
static bool wrong(const struct cursor *cursor, struct error *err);
static bool check_pair(const struct cursor *cursor, const struct scaling_rule *rules, struct error *err);
static bool check_whole(struct arena *arena, const struct node *node, const struct scaling_rules *rules,
                        struct error *err);
static double strength(const struct scaling_rules *rules, const struct scaling_rule *rule,
                       const double *inputs_millis);
static size_t samples_of(const struct scaling_rules *rules, enum scaling_variable variable,
                         double *ret_samples);
static int compare_numbers(const void *a, const void *b);
static const struct node *node_item(const struct node *list, size_t nth);

bool scaling_rules_read(struct arena *arena, const struct node *node, struct scaling_rules *rules,
                        struct error *err)
{
    struct scaling_rule *read = arena_alloc_array(arena, rules->texts_length, sizeof(*read));
    const struct node *texts = node_get(node, "rules");

    for (size_t i = 0; i < rules->terms_length; i++)
        if (!check_term(arena, node_item(node_get(node, "terms"), i), rules, i, err)) return false;
    for (size_t i = 0; i < rules->texts_length; i++) {
        struct cursor cursor = {arena, rules, node_item(texts, i), i, rules->texts[i]};
        if (!read_rule(&cursor, &read[i], err) || !check_pair(&cursor, read, err)) return false;
    }
    rules->rules = read;
    return check_whole(arena, texts, rules, err);
}

void scaling_domain(enum scaling_variable variable, int64_t *ret_low_millis, int64_t *ret_high_millis)
{
    static const int64_t domains[SCALING_VARIABLES][2] = {
        [SCALING_RESPONSE] = {0, 10 * 1000},
        [SCALING_PROBABILITY] = {0, 1000},
        [SCALING_PRIORITY] = {0, 1000},
        [SCALING_NEED] = {-100 * 1000, 100 * 1000},
    };
    *ret_low_millis = domains[variable][0];
    *ret_high_millis = domains[variable][1];
}

double scaling_membership(const struct scaling_term *term, double value_millis)
{
    const int64_t *p = term->shape_millis;
    double rise = (double)p[0], top = (double)p[1];
    double edge = (double)p[term->shape_millis_length - 2], fall = (double)p[term->shape_millis_length - 1];

    if (value_millis < rise || value_millis > fall) return 0;
    if (value_millis < top) return (value_millis - rise) / (top - rise);
    if (value_millis > edge) return (fall - value_millis) / (fall - edge);
    return 1;
}

static bool check_term(struct arena *arena, const struct node *node, const struct scaling_rules *rules,
                       size_t nth, struct error *err)
{
    const struct scaling_term *term = &rules->terms[nth];
    const char *fault = shape_fault(arena, term);

    if (fault) {
        error_set(err, ERROR_INVALID, "%s", fault);
        return schema_error_at(err, node_get(node, "shape"), arena_printf(arena, "terms[%zu].shape", nth));
    }
    if (term->name[0] == '\0' || strlen(term->name) > TEXT_SIZE_MAX) {
        error_set(err, ERROR_INVALID, "expected a word or two");
        return schema_error_at(err, node_get(node, "name"), arena_printf(arena, "terms[%zu].name", nth));
    }
    for (size_t i = 0; i < nth; i++) {
        if (rules->terms[i].of != term->of || !text_equal(rules->terms[i].name, term->name)) continue;
        error_set(err, ERROR_INVALID, "a second \"%s\" of %s", term->name, scaling_variable_names[term->of]);
        return schema_error_at(err, node_get(node, "name"), arena_printf(arena, "terms[%zu].name", nth));
    }
    return true;
}

/* NULL: it is sound. */
static const char *shape_fault(struct arena *arena, const struct scaling_term *term)
{
    int64_t low, high;
    char text[2][32];

    for (size_t i = 1; i < term->shape_millis_length; i++)
        if (term->shape_millis[i] < term->shape_millis[i - 1])
            return arena_printf(arena, "expected corners that ascend, found %s after %s",
                                text_format_cpus(text[0], term->shape_millis[i]),
                                text_format_cpus(text[1], term->shape_millis[i - 1]));
    scaling_domain(term->of, &low, &high);
    if (term->shape_millis[term->shape_millis_length - 1] >= low && term->shape_millis[0] <= high)
        return NULL;
    return arena_printf(arena, "%s is %s to %s: nothing is ever \"%s\"", scaling_variable_names[term->of],
                        text_format_cpus(text[0], low), text_format_cpus(text[1], high), term->name);
}

static bool read_rule(struct cursor *cursor, struct scaling_rule *ret_rule, struct error *err)
{
    struct scaling_rule rule = {0};

    if (!skip_word(cursor, "if")) return wrong(cursor, err);
    do {
        if (!read_premise(cursor, &rule, err)) return false;
    } while (skip_word(cursor, "and"));
    if (!skip_word(cursor, "then")) return wrong(cursor, err);
    if (!read_term(cursor, SCALING_NEED, &rule.conclusion, err)) return false;
    if (cursor->at[strspn(cursor->at, " ")] != '\0') return wrong(cursor, err);
    *ret_rule = rule;
    return true;
}

static bool read_premise(struct cursor *cursor, struct scaling_rule *rule, struct error *err)
{
    for (size_t input = 0; input < SCALING_INPUTS; input++) {
        size_t term;
        if (!skip_word(cursor, scaling_variable_names[input])) continue;
        if (rule->premises[input] != 0) {
            error_set(err, ERROR_INVALID, "%s is in it twice", scaling_variable_names[input]);
            return schema_error_at(err, cursor->node, arena_printf(cursor->arena, "rules[%zu]", cursor->nth));
        }
        if (!skip_word(cursor, "is")) return wrong(cursor, err);
        if (!read_term(cursor, (enum scaling_variable)input, &term, err)) return false;
        rule->premises[input] = term + 1;
        return true;
    }
    return wrong(cursor, err);
}

/* The longest name that stands there: "too high" before "too". */
static bool read_term(struct cursor *cursor, enum scaling_variable of, size_t *ret_term, struct error *err)
{
    const struct scaling_rules *rules = cursor->rules;
    const char *names[SCALING_TERMS_MAX], *end = NULL;
    size_t found = 0, length = 0;

    for (size_t i = 0; i < rules->terms_length; i++) {
        struct cursor after = *cursor;
        if (rules->terms[i].of != of) continue;
        names[length++] = rules->terms[i].name;
        if (!skip_word(&after, rules->terms[i].name) || (end && after.at <= end)) continue;
        end = after.at;
        found = i;
    }
    if (end == NULL) {
        const char *rest = cursor->at + strspn(cursor->at, " ");
        const char *word = arena_strndup(cursor->arena, rest, strcspn(rest, " "));
        const char *nearest = text_nearest(word, names, length);
        error_set(err, ERROR_INVALID, "no term \"%s\" of %s%s%s%s", word, scaling_variable_names[of],
                  nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return schema_error_at(err, cursor->node, arena_printf(cursor->arena, "rules[%zu]", cursor->nth));
    }
    cursor->at = end;
    *ret_term = found;
    return true;
}

/* Goes on after it, when it stands there whole; it may have blanks itself. */
static bool skip_word(struct cursor *cursor, const char *word)
{
    const char *at = cursor->at + strspn(cursor->at, " ");
    size_t size = strlen(word);
    if (strncmp(at, word, size) != 0 || (at[size] != ' ' && at[size] != '\0')) return false;
    cursor->at = at + size;
    return true;
}

static bool wrong(const struct cursor *cursor, struct error *err)
{
    const char *at = cursor->at + strspn(cursor->at, " ");
    error_set(
        err, ERROR_INVALID,
        "expected \"if INPUT is TERM and … then TERM\", INPUT one of %s, %s and %s; it goes wrong at %s%s%s",
        scaling_variable_names[SCALING_RESPONSE], scaling_variable_names[SCALING_PROBABILITY],
        scaling_variable_names[SCALING_PRIORITY], *at ? "\"" : "", *at ? at : "its end", *at ? "\"" : "");
    return schema_error_at(err, cursor->node, arena_printf(cursor->arena, "rules[%zu]", cursor->nth));
}

/* This rule against those before it. */
static bool check_pair(const struct cursor *cursor, const struct scaling_rule *rules, struct error *err)
{
    const struct scaling_rule *mine = &rules[cursor->nth];

    for (size_t i = 0; i < cursor->nth; i++) {
        if (memcmp(rules[i].premises, mine->premises, sizeof(mine->premises)) != 0) continue;
        error_set(err, ERROR_INVALID, "%s \"%s\"",
                  rules[i].conclusion == mine->conclusion ? "says the same as" : "contradicts",
                  cursor->rules->texts[i]);
        return schema_error_at(err, cursor->node, arena_printf(cursor->arena, "rules[%zu]", cursor->nth));
    }
    return true;
}

/* Memberships are straight between the corners: where a rule fires at all it does so at a corner or between
 * two neighbours, so looking at those is exact. */
static bool check_whole(struct arena *arena, const struct node *node, const struct scaling_rules *rules,
                        struct error *err)
{
    enum { SAMPLES_MAX = 2 * (SCALING_POINTS * SCALING_TERMS_MAX + 2) };
    double samples[SCALING_INPUTS][SAMPLES_MAX];
    size_t lengths[SCALING_INPUTS];
    bool *fires = arena_alloc_array(arena, rules->texts_length, sizeof(*fires));

    for (size_t i = 0; i < SCALING_INPUTS; i++)
        lengths[i] = samples_of(rules, (enum scaling_variable)i, samples[i]);
    for (size_t r = 0; r < lengths[SCALING_RESPONSE]; r++) {
        for (size_t p = 0; p < lengths[SCALING_PROBABILITY]; p++) {
            for (size_t k = 0; k < lengths[SCALING_PRIORITY]; k++) {
                const double inputs[] = {samples[0][r], samples[1][p], samples[2][k]};
                bool any = false;
                for (size_t i = 0; i < rules->texts_length; i++) {
                    if (strength(rules, &rules->rules[i], inputs) <= 0) continue;
                    fires[i] = any = true;
                }
                if (any) continue;
                error_set(err, ERROR_INVALID, "no rule says what holds when %s is %g, %s %g and %s %s",
                          scaling_variable_names[0], inputs[0] / 1000, scaling_variable_names[1],
                          inputs[1] / 1000, scaling_variable_names[2], sla_priority_names[k]);
                return schema_error_at(err, node, "rules");
            }
        }
    }
    for (size_t i = 0; i < rules->texts_length; i++) {
        if (fires[i]) continue;
        error_set(err, ERROR_INVALID, "never fires: no input is all of that at once");
        return schema_error_at(err, node_item(node, i), arena_printf(arena, "rules[%zu]", i));
    }
    return true;
}

/* Mamdani's "and": the least of the premises (Mamdani and Assilian, An experiment in linguistic synthesis
 * with a fuzzy logic controller, 1975). */
static double strength(const struct scaling_rules *rules, const struct scaling_rule *rule,
                       const double *inputs_millis)
{
    double least = 1;
    for (size_t i = 0; i < SCALING_INPUTS; i++) {
        if (rule->premises[i] == 0) continue;
        double member = scaling_membership(&rules->terms[rule->premises[i] - 1], inputs_millis[i]);
        if (member < least) least = member;
    }
    return least;
}

/* The corners that its terms have within the variable's range, and the middles between neighbours. */
static size_t samples_of(const struct scaling_rules *rules, enum scaling_variable variable,
                         double *ret_samples)
{
    size_t length = 0;
    int64_t low, high;

    scaling_domain(variable, &low, &high);
    ret_samples[length++] = (double)low;
    ret_samples[length++] = (double)high;
    if (variable == SCALING_PRIORITY) { /* there are three */
        ret_samples[1] = (double)(low + high) / 2;
        ret_samples[2] = (double)high;
        return 3;
    }
    for (size_t i = 0; i < rules->terms_length; i++) {
        const struct scaling_term *term = &rules->terms[i];
        for (size_t k = 0; term->of == variable && k < term->shape_millis_length; k++)
            if (term->shape_millis[k] > low && term->shape_millis[k] < high)
                ret_samples[length++] = (double)term->shape_millis[k];
    }
    array_sort(ret_samples, length, sizeof(*ret_samples), compare_numbers);
    for (size_t i = 0, corners = length; i + 1 < corners; i++)
        ret_samples[length++] = (ret_samples[i] + ret_samples[i + 1]) / 2;
    return length;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static const struct node *node_item(const struct node *list, size_t nth)
{
    return list && nth < list->length ? &list->items[nth] : NULL;
}
