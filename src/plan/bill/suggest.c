#include "plan/bill/suggest.h"

#include "base/text.h"
#include "model/schemas.h"
#include "plan/bill/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A tier's use: for how long how many served. */
struct use {
    const struct tier_terms *terms;
    const int64_t *held_ms; /* by count, peak + 1 of them */
    int64_t peak;
    int64_t while_ms;              /* together */
    amount_ms *area;               /* [k]: sum of min(served, k) times time */
    int64_t committed, guaranteed; /* the best of the way that was tried last */
};

/* What may be used at all: each level that is entered has its fee, whoever enters it. */
struct way {
    bool guaranteed, extended;
};

static bool find_terms(const struct books *books, const char *farm, const struct farm_terms **ret_farm,
                       const struct sla_terms **ret_sla, struct error *err);
static size_t gather_uses(struct arena *arena, const struct books *books, const struct farm_terms *farm,
                          int64_t from_ms, int64_t to_ms, struct use *uses);
static void add_use(struct arena *arena, const struct tier_terms *terms, const struct vec *held,
                    struct use *use);
static int64_t longest_ms(const struct use *uses, size_t length);
static amount_ms cost_of(const struct sla *sla, const struct use *use, int64_t committed, int64_t guaranteed);
static bool may(const struct sla *sla, enum level level);
static bool best_of_way(const struct sla *sla, struct use *use, struct way way, amount_ms *ret_cost);
static amount_ms cost_now(const struct sla *sla, const struct use *uses, size_t length);
static amount_ms fee_of(const struct sla *sla, enum level level);
static amount_ms find_best(const struct sla *sla, struct use *uses, size_t length,
                           struct suggested_tier *tiers);

int64_t suggest_reads_from_ms(int64_t now_ms)
{
    return bill_reads_from_ms(bill_reads_from_ms(now_ms) - 1);
}

bool bill_suggest(struct arena *arena, const struct books *books, const char *farm, int64_t now_ms,
                  struct suggestion *ret_suggestion, struct error *err)
{
    const struct farm_terms *terms = NULL;
    const struct sla_terms *sla = NULL;
    struct suggestion made = {.farm = farm};

    if (!find_terms(books, farm, &terms, &sla, err)) return false;
    ASSERT(terms && sla);
    struct use *uses = arena_alloc_array(arena, terms->tiers_length, sizeof(*uses));
    made.to_ms = period_begins_ms(sla->sla.period, now_ms);
    made.from_ms = period_begins_ms(sla->sla.period, made.to_ms - 1);
    size_t length = gather_uses(arena, books, terms, made.from_ms, made.to_ms, uses);
    if (length == 0) {
        made.from_ms = made.to_ms;
        made.to_ms = now_ms;
        length = gather_uses(arena, books, terms, made.from_ms, made.to_ms, uses);
    }
    if (length == 0)
        return error_set(err, ERROR_REFUSED, "nothing of %s has served in this %s or the last", farm,
                         sla_period_names[sla->sla.period]);
    struct suggested_tier *tiers = arena_alloc_array(arena, length, sizeof(*tiers));
    amount_ms now = cost_now(&sla->sla, uses, length), best = find_best(&sla->sla, uses, length, tiers);
    made.from_ms = made.to_ms - longest_ms(uses, length);
    made.sla = sla->sla.name;
    made.tiers = tiers;
    made.tiers_length = length;
    snprintf(made.cost_now.currency, sizeof(made.cost_now.currency), "%s", sla_currency(&sla->sla));
    made.cost_best = made.cost_now;
    if (!bill_divide(now, 1, &made.cost_now.micros) || !bill_divide(best, 1, &made.cost_best.micros))
        return error_set(err, ERROR_TOO_LARGE, "what %s costs does not fit a bill", farm);
    *ret_suggestion = made;
    return true;
}

/* Those of now. */
static bool find_terms(const struct books *books, const char *farm, const struct farm_terms **ret_farm,
                       const struct sla_terms **ret_sla, struct error *err)
{
    const struct farm_terms *terms = NULL;
    const struct sla_terms *sla = NULL;

    for (size_t i = 0; i < books->farms_length; i++)
        if (text_equal(books->farms[i].farm, farm) && books->farms[i].to_ms == LEDGER_OPEN)
            terms = &books->farms[i];
    if (!terms) return error_set(err, ERROR_NOT_FOUND, "there is no farm %s", farm);
    if (!terms->sla[0])
        return error_set(err, ERROR_REFUSED, "%s has no service level, and so costs nothing", farm);
    for (size_t i = 0; i < books->slas_length; i++)
        if (text_equal(books->slas[i].sla.name, terms->sla) && books->slas[i].to_ms == LEDGER_OPEN)
            sla = &books->slas[i];
    if (!sla) return error_set(err, ERROR_REFUSED, "the service level %s of %s is gone", terms->sla, farm);
    if (!may(&sla->sla, LEVEL_COMMITTED) && !may(&sla->sla, LEVEL_GUARANTEED) &&
        !may(&sla->sla, LEVEL_EXTENDED))
        return error_set(err, ERROR_REFUSED, "the service level %s has no rates: any counts cost nothing",
                         terms->sla);
    *ret_farm = terms;
    *ret_sla = sla;
    return true;
}

/* How many have served at all. */
static size_t gather_uses(struct arena *arena, const struct books *books, const struct farm_terms *farm,
                          int64_t from_ms, int64_t to_ms, struct use *uses)
{
    size_t length = 0;

    for (size_t i = 0; i < farm->tiers_length; i++) {
        struct vec held = VEC_OF(int64_t);
        bill_counts(arena, books, farm->farm, farm->tiers[i].tier, from_ms, to_ms, &held);
        if (held.length > 0) add_use(arena, &farm->tiers[i], &held, &uses[length++]);
        vec_free(&held);
    }
    return length;
}

static void add_use(struct arena *arena, const struct tier_terms *terms, const struct vec *held,
                    struct use *use)
{
    int64_t *held_ms = arena_alloc_array(arena, held->length, sizeof(*held_ms));

    memcpy(held_ms, held->items, held->length * sizeof(*held_ms));
    *use = (struct use){.terms = terms, .held_ms = held_ms, .peak = (int64_t)held->length - 1};
    use->area = arena_alloc_array(arena, held->length, sizeof(*use->area));
    for (size_t n = 0; n < held->length; n++)
        use->while_ms += held_ms[n];
    int64_t more_ms = use->while_ms; /* at least k served */
    for (size_t k = 1; k < held->length; k++) {
        more_ms -= held_ms[k - 1];
        use->area[k] = use->area[k - 1] + more_ms;
    }
}

/* The time before anything served was looked at in vain. */
static int64_t longest_ms(const struct use *uses, size_t length)
{
    int64_t longest = 0;

    for (size_t i = 0; i < length; i++)
        if (uses[i].while_ms > longest) longest = uses[i].while_ms;
    return longest;
}

/* Guaranteed beyond the peak is as good as the peak. */
static amount_ms cost_of(const struct sla *sla, const struct use *use, int64_t committed, int64_t guaranteed)
{
    int64_t c = committed < use->peak ? committed : use->peak;
    int64_t g = guaranteed < use->peak ? guaranteed : use->peak;

    return (amount_ms)sla->levels[LEVEL_COMMITTED].rate.micros * committed * use->while_ms +
           sla->levels[LEVEL_GUARANTEED].rate.micros * (use->area[g] - use->area[c]) +
           sla->levels[LEVEL_EXTENDED].rate.micros * (use->area[use->peak] - use->area[g]);
}

static bool may(const struct sla *sla, enum level level)
{
    return sla->levels[level].rate.currency[0] != '\0';
}

/* The cost is a sum of a part that depends on committed and one that depends on guaranteed, so the best
 * guaranteed from each count on upwards is found once, from the top. Of equals the one with fewer promises.
 * False: this way cannot serve the peak. */
static bool best_of_way(const struct sla *sla, struct use *use, struct way way, amount_ms *ret_cost)
{
    int64_t best_above = use->peak; /* guaranteed, of those from c on */
    bool found = false;

    for (int64_t c = use->peak; c >= 0; c--) {
        if (way.extended && cost_of(sla, use, c, c) <= cost_of(sla, use, c, best_above)) best_above = c;
        int64_t g = !way.guaranteed ? c : way.extended ? best_above : use->peak;
        if (g < use->peak && !way.extended) continue;
        if (c > 0 && !may(sla, LEVEL_COMMITTED)) continue;
        amount_ms cost = cost_of(sla, use, c, g);
        if (found && cost > *ret_cost) continue;
        *ret_cost = cost;
        use->committed = c;
        use->guaranteed = g;
        found = true;
    }
    return found;
}

static amount_ms cost_now(const struct sla *sla, const struct use *uses, size_t length)
{
    bool guaranteed = false, extended = false;
    amount_ms sum = 0;

    for (size_t i = 0; i < length; i++) {
        const struct tier_terms *terms = uses[i].terms;
        sum += cost_of(sla, &uses[i], terms->committed, terms->guaranteed);
        guaranteed |= uses[i].peak > terms->committed && terms->guaranteed > terms->committed;
        extended |= uses[i].peak > terms->guaranteed;
    }
    if (guaranteed) sum += fee_of(sla, LEVEL_GUARANTEED);
    if (extended) sum += fee_of(sla, LEVEL_EXTENDED);
    return sum;
}

static amount_ms fee_of(const struct sla *sla, enum level level)
{
    return (amount_ms)sla->levels[level].fee.micros * HOUR_MS;
}

/* Fees are the farm's, whichever of its tiers enters a level: so all ways are tried for all tiers together.
 */
static amount_ms find_best(const struct sla *sla, struct use *uses, size_t length,
                           struct suggested_tier *tiers)
{
    static const struct way ways[] = {{false, false}, {true, false}, {false, true}, {true, true}};
    amount_ms best = cost_now(sla, uses, length);

    for (size_t i = 0; i < length; i++) {
        const struct tier_terms *terms = uses[i].terms;
        struct count now = {terms->committed, terms->guaranteed, terms->max};
        tiers[i] = (struct suggested_tier){terms->tier, now, now, uses[i].peak};
    }
    for (size_t w = 0; w < LENGTH(ways); w++) {
        amount_ms sum = (ways[w].guaranteed ? fee_of(sla, LEVEL_GUARANTEED) : 0) +
                        (ways[w].extended ? fee_of(sla, LEVEL_EXTENDED) : 0);
        bool good = (!ways[w].guaranteed || may(sla, LEVEL_GUARANTEED)) &&
                    (!ways[w].extended || may(sla, LEVEL_EXTENDED));
        for (size_t i = 0; good && i < length; i++) {
            amount_ms cost = 0;
            good = best_of_way(sla, &uses[i], ways[w], &cost);
            sum += cost;
        }
        if (!good || sum >= best) continue; /* of what costs the same nothing has to change */
        best = sum;
        for (size_t i = 0; i < length; i++) {
            int64_t max = uses[i].terms->max > uses[i].peak ? uses[i].terms->max : uses[i].peak;
            tiers[i].best = (struct count){uses[i].committed, uses[i].guaranteed, max};
        }
    }
    return best;
}
