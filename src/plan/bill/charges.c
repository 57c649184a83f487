/* What is not by the hour: fees for entering a level, and what is paid back. */
#include "base/text.h"
#include "plan/bill/inside.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a farm in a period: the tier that was served worst. */
struct kept {
    int64_t seen, good; /* minutes */
    const char *tier;
};

static void charge_fee(struct making *making, struct farm_book *farm, const struct entry *entry,
                       struct growing **growing);
static bool same_period(const struct owed *a, const struct owed *b);
static struct kept how_it_was(const struct farm_book *farm, int64_t from_ms, int64_t to_ms);
static bool is_worse(const struct kept *a, const struct kept *b);
static void pay_back(struct making *making, struct farm_book *farm, const struct owed *owed);
static const char *credit_text(struct making *making, const struct owed *owed, const struct kept *kept);
static int compare_entries(const void *a, const void *b);
static int compare_owed(const void *a, const void *b);

/* Once for each period in which the farm was at the level at all, in the bill that has the moment when it
 * first was. Of tiers that all were, the first counts; a farm that changes to another service level enters
 * that one's levels anew. */
void bill_charge_fees(struct making *making, struct farm_book *farm)
{
    struct growing *growing = NULL;

    vec_sort(&farm->entries, compare_entries);
    for (size_t i = 0; i < farm->entries.length; i++) {
        const struct entry *entry = vec_at(&farm->entries, i);
        const struct entry *before = i > 0 ? vec_at(&farm->entries, i - 1) : NULL;
        if (before && before->level == entry->level && before->period_ms == entry->period_ms &&
            before->terms->sla.period == entry->terms->sla.period &&
            text_equal(before->terms->sla.name, entry->terms->sla.name))
            continue;
        if (entry->at_ms >= making->request->from_ms) charge_fee(making, farm, entry, &growing);
    }
}

/* growing: the line of the fee before this one, or NULL. */
static void charge_fee(struct making *making, struct farm_book *farm, const struct entry *entry,
                       struct growing **growing)
{
    const struct money *fee = &entry->terms->sla.levels[entry->level].fee;
    struct growing *line = *growing;

    if (!line || (size_t)line->line.use != entry->level || line->line.price.micros != fee->micros ||
        !text_equal(line->line.price.currency, fee->currency) ||
        !text_equal(line->line.sla, entry->terms->sla.name)) {
        line = bill_line_new(making, farm, CHARGE_FEE, (enum bill_use)entry->level);
        line->line.sla = entry->terms->sla.name;
        line->line.price = *fee;
        line->line.from_ms = entry->at_ms;
        *growing = line;
    }
    line->line.times++;
    line->line.to_ms = period_ends_ms(entry->terms->sla.period, entry->period_ms);
    if (line->line.to_ms > making->request->to_ms) line->line.to_ms = making->request->to_ms;
    line->micros_ms += (amount_ms)fee->micros * HOUR_MS;
    bill_owe(farm, entry->terms, entry->at_ms, (amount_ms)fee->micros * HOUR_MS);
}

void bill_owe(struct farm_book *farm, const struct sla_terms *terms, int64_t at_ms, amount_ms micros_ms)
{
    struct owed *last = farm->owed.length ? vec_at(&farm->owed, farm->owed.length - 1) : NULL;
    int64_t period_ms = 0;

    if (terms->sla.credits.below_millis == 0 || micros_ms == 0) return;
    period_ms = period_begins_ms(terms->sla.period, at_ms);
    if (!last || last->terms != terms || last->period_ms != period_ms) {
        last = vec_push(&farm->owed);
        *last = (struct owed){terms, period_ms, period_ends_ms(terms->sla.period, at_ms), 0};
    }
    last->micros_ms += micros_ms;
}

void bill_charge_credits(struct making *making, struct farm_book *farm)
{
    vec_sort(&farm->owed, compare_owed);
    for (size_t i = 0; i < farm->owed.length;) {
        struct owed sum = *(struct owed *)vec_at(&farm->owed, i++);
        for (; i < farm->owed.length && same_period(&sum, vec_at(&farm->owed, i)); i++) {
            const struct owed *more = vec_at(&farm->owed, i);
            sum.micros_ms += more->micros_ms;
            if (more->terms->from_ms > sum.terms->from_ms) sum.terms = more->terms;
        }
        pay_back(making, farm, &sum);
    }
}

/* What is owed in another currency is paid back in that. */
static bool same_period(const struct owed *a, const struct owed *b)
{
    return a->period_ms == b->period_ms && a->ends_ms == b->ends_ms &&
           text_equal(a->terms->sla.name, b->terms->sla.name) &&
           text_equal(sla_currency(&a->terms->sla), sla_currency(&b->terms->sla));
}

/* The promise is of a whole period: it is judged by all that is known of it by now, also what lies outside of
 * the bill. So the bills of two halves of a period that is over pay back the same as the bill of the whole.
 */
static void pay_back(struct making *making, struct farm_book *farm, const struct owed *owed)
{
    const struct bill_request *request = making->request;
    const struct sla_credits *credits = &owed->terms->sla.credits;
    struct kept kept = how_it_was(farm, owed->period_ms, owed->ends_ms);

    if (kept.seen == 0 || kept.good * 100000 >= credits->below_millis * kept.seen) return;
    struct growing *line = bill_line_new(making, farm, CHARGE_CREDIT, BILL_USES);
    line->line.sla = owed->terms->sla.name;
    line->line.from_ms = owed->period_ms > request->from_ms ? owed->period_ms : request->from_ms;
    line->line.to_ms = owed->ends_ms < request->to_ms ? owed->ends_ms : request->to_ms;
    snprintf(line->line.price.currency, sizeof(line->line.price.currency), "%s",
             sla_currency(&owed->terms->sla));
    line->line.text = credit_text(making, owed, &kept);
    line->micros_ms = -owed->micros_ms * credits->percent_millis;
    line->divisor = 100000;
}

static struct kept how_it_was(const struct farm_book *farm, int64_t from_ms, int64_t to_ms)
{
    struct kept worst = {0}, now = {0};

    for (size_t i = 0; i < farm->hours.length; i++) { /* by tier */
        const struct service_hour *hour = *(const struct service_hour **)vec_at(&farm->hours, i);
        if (hour->hour_ms < from_ms || hour->hour_ms >= to_ms) continue;
        if (!now.tier || !text_equal(now.tier, hour->tier)) {
            if (is_worse(&now, &worst)) worst = now;
            now = (struct kept){.tier = hour->tier};
        }
        for (int64_t seen = hour->seen, missed = hour->missed; seen > 0; seen >>= 1, missed >>= 1) {
            now.seen += seen & 1;
            now.good += seen & ~missed & 1;
        }
    }
    return is_worse(&now, &worst) ? now : worst;
}

static bool is_worse(const struct kept *a, const struct kept *b)
{
    return a->seen > 0 && (b->seen == 0 || a->good * b->seen < b->good * a->seen);
}

static const char *credit_text(struct making *making, const struct owed *owed, const struct kept *kept)
{
    const struct sla_credits *credits = &owed->terms->sla.credits;
    int64_t share_millis = kept->good * 100000 / kept->seen;

    return arena_printf(
        making->arena,
        "%" PRId64 ".%03" PRId64 " %% of %" PRId64 " minutes met the target in %s, below %" PRId64
        ".%03" PRId64 " %%: %" PRId64 ".%03" PRId64 " %% is paid back%s",
        share_millis / 1000, share_millis % 1000, kept->seen, kept->tier, credits->below_millis / 1000,
        credits->below_millis % 1000, credits->percent_millis / 1000, credits->percent_millis % 1000,
        owed->ends_ms > making->request->now_ms ? ", as of now: the period is not over" : "");
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int by_name = text_compare_natural(left->terms->sla.name, right->terms->sla.name);

    if (by_name != 0) return by_name;
    if (left->level != right->level) return left->level < right->level ? -1 : 1;
    if (left->terms->sla.period != right->terms->sla.period)
        return left->terms->sla.period < right->terms->sla.period ? -1 : 1;
    if (left->period_ms != right->period_ms) return left->period_ms < right->period_ms ? -1 : 1;
    return (left->at_ms > right->at_ms) - (left->at_ms < right->at_ms);
}

static int compare_owed(const void *a, const void *b)
{
    const struct owed *left = a, *right = b;
    int by_name = text_compare_natural(left->terms->sla.name, right->terms->sla.name);

    if (by_name != 0) return by_name;
    if (left->period_ms != right->period_ms) return left->period_ms < right->period_ms ? -1 : 1;
    if (left->ends_ms != right->ends_ms) return left->ends_ms < right->ends_ms ? -1 : 1;
    return text_compare_natural(sla_currency(&left->terms->sla), sla_currency(&right->terms->sla));
}
