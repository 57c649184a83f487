/* Tables of service levels, and of the rules by which farms size themselves. */
#include "base/text.h"
#include "model/scaling_rules.h"
#include "model/table.h"
#include "model/tables.h"

#include <string.h>

#define PER_CENT_MILLIS (100 * 1000)
#define RESPONSE_MS_MAX (60 * 60 * 1000)
#define OFFER_AFTER_MS_MAX (24 * 60 * 60 * 1000)

static bool finish_sla(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool check_levels(struct arena *arena, const struct sla *sla, const struct node *node,
                         struct error *err);
static bool finish_rules(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool level_is_nothing(const void *object);
static bool target_is_nothing(const void *object);
static bool credits_is_nothing(const void *object);

static const struct field level_fields[] = {
    SCALAR(struct sla_level, rate, "rate", scalar_money, "price of an instance for an hour",
           .required = true),
    SCALAR(struct sla_level, fee, "fee", scalar_money,
           "price of each period in which a farm enters the level", .hidden_default = true),
    SCALAR(struct sla_level, sites, "sites", scalar_sites, "any: its instances may be at other sites",
           .hidden_default = true),
};
static const struct schema schema_level =
    SCHEMA(struct sla_level, "level", level_fields, .is_nothing = level_is_nothing);

#define LEVEL(level, name, help_)                                                      \
    {                                                                                  \
        KEY(name), .kind = FIELD_STRUCT, .offset = (level) * sizeof(struct sla_level), \
                   .schema = &schema_level, .help = help_, .hidden_default = true      \
    }
static const struct field levels_fields[] = {
    LEVEL(LEVEL_COMMITTED, "committed", "instances that always run"),
    LEVEL(LEVEL_GUARANTEED, "guaranteed", "instances that run whenever load calls for them"),
    LEVEL(LEVEL_EXTENDED, "extended", "instances that run for load when there is room"),
};
static const struct schema schema_levels = SCHEMA(struct sla_level[LEVELS], "levels", levels_fields);

static const struct field target_fields[] = {
    SCALAR(struct sla_target, response_ms, "response", scalar_duration, "longest response", .required = true,
           .min = 1, .max = RESPONSE_MS_MAX),
    SCALAR(struct sla_target, percentile_millis, "percentile", scalar_decimal,
           "so many per cent of the responses are in time", .fallback = "99", .min = 1 * 1000,
           .max = PER_CENT_MILLIS - 1),
};
static const struct schema schema_target =
    SCHEMA(struct sla_target, "target", target_fields, .is_nothing = target_is_nothing);

static const struct field credits_fields[] = {
    SCALAR(struct sla_credits, below_millis, "below", scalar_decimal,
           "per cent of the minutes that met the target, below which is paid back", .required = true,
           .min = 1, .max = PER_CENT_MILLIS),
    SCALAR(struct sla_credits, percent_millis, "percent", scalar_decimal,
           "per cent of the period's rates and fees that is paid back", .required = true, .min = 1,
           .max = PER_CENT_MILLIS),
};
static const struct schema schema_credits =
    SCHEMA(struct sla_credits, "credits", credits_fields, .is_nothing = credits_is_nothing);

static const struct field sla_fields[] = {
    SCALAR(struct sla, name, "name", scalar_name, "the service level's name", .required = true),
    ENUM(struct sla, metric, "metric", sla_metric_names, "what a tier's capacity counts",
         .fallback = "requests"),
    ENUM(struct sla, period, "period", sla_period_names, "what fees and credits are counted by, in UTC",
         .fallback = "month"),
    ENUM(struct sla, priority, "priority", sla_priority_names, "who goes first where capacity is scarce",
         .fallback = "normal"),
    STRUCT(struct sla, target, "target", schema_target, "how fast is fast enough", .hidden_default = true),
    STRUCT(struct sla, levels, "levels", schema_levels,
           "what instances cost, by how firmly they are promised", .hidden_default = true),
    STRUCT(struct sla, credits, "credits", schema_credits, "what is paid back when the target is missed",
           .hidden_default = true),
    SCALAR(struct sla, rules, "rules", scalar_name, "the rules that say how much capacity is needed",
           .hidden_default = true),
};
const struct schema schema_sla = SCHEMA(struct sla, "SLA", sla_fields, .finish = finish_sla);

static const struct field term_fields[] = {
    ENUM(struct scaling_term, of, "of", scaling_variable_names, "the input, or need", .required = true),
    SCALAR(struct scaling_term, name, "name", scalar_text, "what rules call it", .required = true),
    SCALARS(struct scaling_term, shape_millis, "shape", scalar_decimal,
            "three corners of a triangle or four of a trapezoid, ascending", .required = true, .min = 3,
            .max = 4),
};
static const struct schema schema_term = SCHEMA(struct scaling_term, "term", term_fields);

static const struct field rules_fields[] = {
    SCALAR(struct scaling_rules, name, "name", scalar_name, "the set's name", .required = true),
    OBJECTS(struct scaling_rules, terms, "terms", schema_term, "fuzzy sets over the inputs and over need",
            .required = true, .max = SCALING_TERMS_MAX, .limit = "terms a set of rules"),
    SCALARS(struct scaling_rules, texts, "rules", scalar_text, "if INPUT is TERM and … then TERM",
            .required = true, .max = SCALING_RULES_MAX, .limit = "rules a set"),
    SCALAR(struct scaling_rules, request_above, "request_above", scalar_int,
           "need from which on more instances are requested", .fallback = "20", .min = -100, .max = 100),
    SCALAR(struct scaling_rules, offer_below, "offer_below", scalar_int,
           "need from which on down instances are offered", .fallback = "-20", .min = -100, .max = 100),
    SCALAR(struct scaling_rules, offer_after_ms, "offer_after", scalar_duration,
           "so long without a break, before they are", .fallback = "1m", .max = OFFER_AFTER_MS_MAX),
};
const struct schema schema_scaling_rules =
    SCHEMA(struct scaling_rules, "ScalingRules", rules_fields, .finish = finish_rules);

/* The default percentile stays while there is no target: two documents that mean the same are the same. */
static bool finish_sla(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct sla *sla = object;
    const struct node *target = node_get(node, "target");

    if (sla->credits.below_millis > 0 && sla->target.response_ms == 0) {
        error_set(err, ERROR_INVALID, "credits are paid when a target is missed, and there is none");
        return schema_error_at(err, target ? target : node_get(node, "credits"), "credits");
    }
    return check_levels(arena, sla, node, err);
}

/* A bill is in one currency: what is in another would never be added up. A cheaper promise is no error, a
 * firmer one that costs nothing while a weaker one has a price is the landlord's affair. */
static bool check_levels(struct arena *arena, const struct sla *sla, const struct node *node,
                         struct error *err)
{
    const struct node *levels = node_get(node, "levels");
    const char *currency = NULL;

    for (size_t i = 0; i < LEVELS; i++) {
        const struct sla_level *level = &sla->levels[i];
        const char *const names[] = {"rate", "fee"};
        const struct money *const amounts[] = {&level->rate, &level->fee};
        const struct node *at = node_get(levels, level_names[i]);
        for (size_t k = 0; k < LENGTH(names); k++) {
            if (amounts[k]->currency[0] == '\0') continue;
            if (currency == NULL) currency = amounts[k]->currency;
            if (text_equal(currency, amounts[k]->currency)) continue;
            error_set(err, ERROR_INVALID, "%s after %s: a service level has one currency",
                      amounts[k]->currency, currency);
            return schema_error_at(err, node_get(at, names[k]),
                                   arena_printf(arena, "levels.%s.%s", level_names[i], names[k]));
        }
    }
    return true;
}

static bool finish_rules(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct scaling_rules *rules = object;
    if (rules->offer_below >= rules->request_above) {
        error_set(err, ERROR_INVALID, "%lld is not below request_above, %lld: it would ask and offer at once",
                  (long long)rules->offer_below, (long long)rules->request_above);
        return schema_error_at(err, node_get(node, "offer_below"), "offer_below");
    }
    return scaling_rules_read(arena, node, rules, err);
}

static bool level_is_nothing(const void *object)
{
    const struct sla_level *level = object;
    return level->rate.currency[0] == '\0';
}

static bool target_is_nothing(const void *object)
{
    const struct sla_target *target = object;
    return target->response_ms == 0;
}

static bool credits_is_nothing(const void *object)
{
    const struct sla_credits *credits = object;
    return credits->below_millis == 0;
}
