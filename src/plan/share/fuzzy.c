#include "plan/share/fuzzy.h"

#include "base/attr.h"
#include "model/scaling_rules.h"
#include "model/schemas.h"
#include "plan/share/number.h"

#include <string.h>

enum { CORNERS_MAX = SCALING_TERMS_MAX * 4 };

/* Of each term of need: how strongly the rules conclude it. */
struct conclusions {
    const struct scaling_term *terms[SCALING_TERMS_MAX];
    double strength[SCALING_TERMS_MAX];
    size_t length;
};

/* A line over a piece between two corners. */
struct line {
    double value, slope;
};

static void conclude(const struct scaling_rules *rules, const double *inputs_millis,
                     struct conclusions *ret_conclusions);
static size_t corners_of(const struct conclusions *conclusions, double *ret_corners);
static void add_piece(const struct conclusions *conclusions, double from, double to, double *ret_area,
                      double *ret_moment);
static double cut(const struct conclusions *conclusions, size_t term, double at);

const char *scaling_rules_default(void)
{
    return "{\"kind\": \"ScalingRules\", \"name\": \"default\",\n"
           " \"terms\": [\n"
           "  {\"of\": \"expected response time\", \"name\": \"low\", \"shape\": [0, 0, 0.6, 0.9]},\n"
           "  {\"of\": \"expected response time\", \"name\": \"good\", \"shape\": [0.6, 0.9, 0.95, 1.05]},\n"
           "  {\"of\": \"expected response time\", \"name\": \"too high\", \"shape\": [0.95, 1.05, 10, "
           "10]},\n"
           "  {\"of\": \"probability\", \"name\": \"rare\", \"shape\": [0, 0, 0.03, 0.07]},\n"
           "  {\"of\": \"probability\", \"name\": \"unlikely\", \"shape\": [0.03, 0.07, 0.16, 0.21]},\n"
           "  {\"of\": \"probability\", \"name\": \"likely\", \"shape\": [0.16, 0.21, 0.22, 0.27]},\n"
           "  {\"of\": \"probability\", \"name\": \"abundant\", \"shape\": [0.22, 0.27, 1, 1]},\n"
           "  {\"of\": \"priority\", \"name\": \"low\", \"shape\": [0, 0, 0.5]},\n"
           "  {\"of\": \"priority\", \"name\": \"normal\", \"shape\": [0, 0.5, 1]},\n"
           "  {\"of\": \"priority\", \"name\": \"urgent\", \"shape\": [0.5, 1, 1]},\n"
           "  {\"of\": \"need\", \"name\": \"offer\", \"shape\": [-100, -100, -60, 0]},\n"
           "  {\"of\": \"need\", \"name\": \"hold\", \"shape\": [-20, 0, 20]},\n"
           "  {\"of\": \"need\", \"name\": \"request\", \"shape\": [0, 60, 100, 100]}],\n"
           " \"rules\": [\n"
           "  \"if expected response time is low then offer\",\n"
           "  \"if expected response time is good then hold\",\n"
           "  \"if probability is abundant and expected response time is too high then request\",\n"
           "  \"if priority is urgent and probability is likely and expected response time is too high "
           "then request\",\n"
           "  \"if priority is urgent and probability is unlikely and expected response time is too high "
           "then request\",\n"
           "  \"if priority is urgent and probability is rare then hold\",\n"
           "  \"if priority is normal and probability is likely and expected response time is too high "
           "then request\",\n"
           "  \"if priority is normal and probability is unlikely then hold\",\n"
           "  \"if priority is normal and probability is rare then hold\",\n"
           "  \"if priority is low and probability is likely then hold\",\n"
           "  \"if priority is low and probability is unlikely then hold\",\n"
           "  \"if priority is low and probability is rare then hold\"],\n"
           " \"request_above\": 20, \"offer_below\": -20, \"offer_after\": \"10s\"}\n";
}

const struct scaling_rules *scaling_rules_builtin(struct arena *arena)
{
    struct scaling_rules *rules = arena_alloc(arena, sizeof(*rules));
    const char *text = scaling_rules_default();
    struct error err;

    bool good = model_read_json(&schema_scaling_rules, arena, text, strlen(text), rules, &err);
    ASSERT(good);
    return rules;
}

double fuzzy_need(const struct scaling_rules *rules, const struct fuzzy_inputs *inputs)
{
    double inputs_millis[SCALING_INPUTS] = {
        [SCALING_RESPONSE] = inputs->response * 1000,
        [SCALING_PROBABILITY] = inputs->probability * 1000,
        [SCALING_PRIORITY] = fuzzy_priority_millis(inputs->priority),
    };
    struct conclusions conclusions;
    double corners[CORNERS_MAX], area = 0, moment = 0;

    for (int i = 0; i < SCALING_INPUTS; i++) {
        int64_t low, high;
        scaling_domain((enum scaling_variable)i, &low, &high);
        inputs_millis[i] = number_max((double)low, number_min((double)high, inputs_millis[i]));
    }
    conclude(rules, inputs_millis, &conclusions);
    size_t length = corners_of(&conclusions, corners);
    for (size_t i = 0; i + 1 < length; i++)
        if (corners[i + 1] > corners[i]) add_piece(&conclusions, corners[i], corners[i + 1], &area, &moment);
    /* What is concluded may be a point: a shape without an area. */
    return area > 0 ? moment / area / 1000 : 0;
}

double fuzzy_provides(const struct scaling_rules *rules, enum sla_priority priority)
{
    enum { STEPS = 50 };
    for (int i = 1; i <= STEPS; i++) {
        double probability = 0.5 * i / STEPS;
        struct fuzzy_inputs inputs = {10, probability, priority};
        if (fuzzy_need(rules, &inputs) >= (double)rules->request_above) return probability;
    }
    return 1;
}

const char *fuzzy_word(const struct scaling_rules *rules, enum scaling_variable variable, double value_millis)
{
    const char *word = NULL;
    double best = 0;
    int64_t low, high;

    scaling_domain(variable, &low, &high);
    double value = number_max((double)low, number_min((double)high, value_millis));
    for (size_t i = 0; i < rules->terms_length; i++) {
        if (rules->terms[i].of != variable) continue;
        double member = scaling_membership(&rules->terms[i], value);
        if (member <= best) continue;
        best = member;
        word = rules->terms[i].name;
    }
    return word;
}

double fuzzy_priority_millis(enum sla_priority priority)
{
    return (double)priority * 500;
}

static void conclude(const struct scaling_rules *rules, const double *inputs_millis,
                     struct conclusions *ret_conclusions)
{
    double members[SCALING_TERMS_MAX], strengths[SCALING_TERMS_MAX] = {0};

    for (size_t i = 0; i < rules->terms_length; i++)
        members[i] = rules->terms[i].of == SCALING_NEED
                         ? 0
                         : scaling_membership(&rules->terms[i], inputs_millis[rules->terms[i].of]);
    for (size_t i = 0; i < rules->texts_length; i++) {
        const struct scaling_rule *rule = &rules->rules[i];
        double least = 1;
        for (int k = 0; k < SCALING_INPUTS; k++)
            if (rule->premises[k] > 0) least = number_min(least, members[rule->premises[k] - 1]);
        strengths[rule->conclusion] = number_max(strengths[rule->conclusion], least);
    }
    ret_conclusions->length = 0;
    for (size_t i = 0; i < rules->terms_length; i++) {
        if (strengths[i] <= 0) continue;
        ret_conclusions->terms[ret_conclusions->length] = &rules->terms[i];
        ret_conclusions->strength[ret_conclusions->length++] = strengths[i];
    }
}

/* Where a term begins, is cut off, is so no more, and ends: between two neighbours each is straight. */
static size_t corners_of(const struct conclusions *conclusions, double *ret_corners)
{
    size_t length = 0;
    int64_t low, high;

    scaling_domain(SCALING_NEED, &low, &high);
    for (size_t i = 0; i < conclusions->length; i++) {
        const struct scaling_term *term = conclusions->terms[i];
        const int64_t *p = term->shape_millis;
        double strength = conclusions->strength[i];
        double rise = (double)p[0], top = (double)p[1];
        double edge = (double)p[term->shape_millis_length - 2],
               fall = (double)p[term->shape_millis_length - 1];
        const double corners[] = {rise, rise + (top - rise) * strength, fall - (fall - edge) * strength,
                                  fall};
        for (size_t k = 0; k < LENGTH(corners); k++)
            ret_corners[length++] = number_max((double)low, number_min((double)high, corners[k]));
    }
    for (size_t i = 1; i < length; i++) { /* few: insertion */
        double corner = ret_corners[i];
        size_t at = i;
        for (; at > 0 && ret_corners[at - 1] > corner; at--)
            ret_corners[at] = ret_corners[at - 1];
        ret_corners[at] = corner;
    }
    return length;
}

/* The largest of straight lines from left to right: at a crossing the steeper one goes on. */
static void add_piece(const struct conclusions *conclusions, double from, double to, double *ret_area,
                      double *ret_moment)
{
    struct line lines[SCALING_TERMS_MAX];
    double third = (to - from) / 3, at = from;
    size_t top = 0;

    for (size_t i = 0; i < conclusions->length; i++) {
        double first = cut(conclusions, i, from + third), second = cut(conclusions, i, to - third);
        lines[i] = (struct line){first - (second - first), (second - first) / third}; /* value at `from` */
        if (i == 0) continue;
        bool higher = lines[i].value > lines[top].value;
        bool same = lines[i].value == lines[top].value;
        if (higher || (same && lines[i].slope > lines[top].slope)) top = i;
    }
    while (at < to) {
        double until = to;
        size_t next = top;
        for (size_t i = 0; i < conclusions->length; i++) {
            if (lines[i].slope <= lines[top].slope) continue;
            double crossing =
                from + (lines[top].value - lines[i].value) / (lines[i].slope - lines[top].slope);
            if (crossing <= at || crossing >= until) continue;
            until = crossing;
            next = i;
        }
        double left = lines[top].value + lines[top].slope * (at - from);
        double right = lines[top].value + lines[top].slope * (until - from), width = until - at;
        *ret_area += width * (left + right) / 2;
        *ret_moment += width * (left * (2 * at + until) + right * (at + 2 * until)) / 6;
        at = until;
        top = next;
    }
}

static double cut(const struct conclusions *conclusions, size_t term, double at)
{
    return number_min(scaling_membership(conclusions->terms[term], at), conclusions->strength[term]);
}
