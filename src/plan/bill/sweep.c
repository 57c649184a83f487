/* Levels: how many of a tier served when, under which terms. Which of them is at which level follows from how
 * many there are: the first `committed` are committed, and so on; so nothing has to be written down when a
 * sibling comes or goes, and no instance can be billed at two levels. */
#include "base/text.h"
#include "plan/bill/inside.h"

/* Where a sweep over one tier is. */
struct sweep {
    struct making *making;
    struct farm_book *farm;
    struct tier_book *tier;
    int64_t at_ms, next_ms; /* nothing changes between these */
    int64_t serving;
    size_t step, farm_terms; /* the next of each */
    const struct farm_terms *terms;
    const struct sla_terms *sla;
};

static void sweep_tier(struct making *making, struct farm_book *farm, struct tier_book *tier);
static void find_terms(struct sweep *sweep);
static const struct sla_terms *sla_at(struct sweep *sweep, const char *name);
static void bill_stretch(struct sweep *sweep);
static void count_levels(const struct sweep *sweep, int64_t ret_counts[BILL_USES]);
static struct tier_terms tier_terms_of(const struct sweep *sweep);
static void hold(struct sweep *sweep);
static void note_entry(struct sweep *sweep, size_t level);
static void add_time(struct sweep *sweep, enum bill_use use, int64_t instance_ms);
static void add_idle(struct making *making, struct farm_book *farm, struct tier_book *tier);
static int compare_steps(const void *a, const void *b);

void bill_sweep(struct making *making, struct farm_book *farm)
{
    const char *name = NULL;
    void *tier = NULL;

    for (size_t cursor = 0; map_next(farm->tiers, &cursor, &name, &tier);) {
        sweep_tier(making, farm, tier);
        add_idle(making, farm, tier);
    }
}

void bill_counts(struct arena *arena, const struct books *books, const char *farm, const char *tier,
                 int64_t from_ms, int64_t to_ms, struct vec *ret_held)
{
    const struct bill_request request = {PARTY_LANDLORD, from_ms, to_ms, to_ms, false};
    struct making making = {
        .arena = arena, .books = books, .request = &request, .reads_from_ms = from_ms, .slas = map_new()};
    struct farm_book book = {.name = farm, .party = "", .terms = VEC_OF(const struct farm_terms *)};
    struct tier_book counted = {.name = tier, .steps = VEC_OF(struct step), .held = ret_held};
    int64_t begun_ms = to_ms;

    for (size_t i = 0; i < books->usages_length; i++) {
        const struct stay *row = &books->usages[i];
        int64_t since_ms = row->from_ms > from_ms ? row->from_ms : from_ms;
        int64_t until_ms = row->to_ms < to_ms ? row->to_ms : to_ms;
        if (row->kind != USAGE_SERVING || since_ms >= until_ms || !text_equal(row->farm, farm) ||
            !text_equal(row->tier, tier))
            continue;
        if (since_ms < begun_ms) begun_ms = since_ms;
        *(struct step *)vec_push(&counted.steps) = (struct step){since_ms, 1, row};
        *(struct step *)vec_push(&counted.steps) = (struct step){until_ms, -1, row};
    }
    for (size_t i = 0; i < books->farms_length; i++)
        if (text_equal(books->farms[i].farm, farm))
            *(const struct farm_terms **)vec_push(&book.terms) = &books->farms[i];
    bill_sort_terms(&book);
    sweep_tier(&making, &book, &counted);
    int64_t idle_ms = to_ms - begun_ms;
    for (size_t n = 0; n < ret_held->length; n++)
        idle_ms -= *(int64_t *)vec_at(ret_held, n);
    if (ret_held->length > 0) *(int64_t *)vec_at(ret_held, 0) += idle_ms;
    vec_free(&counted.steps);
    vec_free(&book.terms);
    map_free(making.slas);
}

static void sweep_tier(struct making *making, struct farm_book *farm, struct tier_book *tier)
{
    int64_t end_ms = making->request->to_ms;
    struct sweep sweep = {.making = making, .farm = farm, .tier = tier, .at_ms = making->reads_from_ms};

    vec_sort(&tier->steps, compare_steps);
    while (sweep.at_ms < end_ms) {
        const struct step *step = NULL;
        while (sweep.step < tier->steps.length &&
               (step = vec_at(&tier->steps, sweep.step))->at_ms <= sweep.at_ms) {
            sweep.serving += step->by;
            if (making->request->intervals) bill_rank(tier, step);
            sweep.step++;
        }
        bool more = sweep.step < tier->steps.length;
        if (sweep.serving == 0 && !more) return;
        sweep.next_ms = more ? step->at_ms : end_ms;
        if (sweep.next_ms > end_ms) sweep.next_ms = end_ms;
        if (sweep.serving > 0) {
            find_terms(&sweep);
            bill_stretch(&sweep);
        }
        sweep.at_ms = sweep.next_ms;
    }
}

/* Those in force now; nothing of them changes until next_ms, which is made earlier for that. */
static void find_terms(struct sweep *sweep)
{
    const struct vec *all = &sweep->farm->terms;
    int64_t from_ms = sweep->making->request->from_ms;

    sweep->terms = NULL;
    while (sweep->farm_terms < all->length) {
        const struct farm_terms *terms = *(const struct farm_terms **)vec_at(all, sweep->farm_terms);
        if (terms->to_ms <= sweep->at_ms) {
            sweep->farm_terms++;
            continue;
        }
        bool begun = terms->from_ms <= sweep->at_ms;
        int64_t ends_ms = begun ? terms->to_ms : terms->from_ms;
        if (begun) sweep->terms = terms;
        if (ends_ms < sweep->next_ms) sweep->next_ms = ends_ms;
        break;
    }
    sweep->sla = sweep->terms && sweep->terms->sla[0] ? sla_at(sweep, sweep->terms->sla) : NULL;
    if (sweep->sla) {
        int64_t ends_ms = period_ends_ms(sweep->sla->sla.period, sweep->at_ms);
        if (ends_ms < sweep->next_ms) sweep->next_ms = ends_ms;
    }
    if (sweep->at_ms < from_ms && from_ms < sweep->next_ms) sweep->next_ms = from_ms;
}

static const struct sla_terms *sla_at(struct sweep *sweep, const char *name)
{
    const struct vec *all = map_get(sweep->making->slas, name);

    for (size_t i = 0; all && i < all->length; i++) {
        const struct sla_terms *terms = *(const struct sla_terms **)vec_at(all, i);
        if (terms->to_ms <= sweep->at_ms) continue;
        bool begun = terms->from_ms <= sweep->at_ms;
        int64_t ends_ms = begun ? terms->to_ms : terms->from_ms;
        if (ends_ms < sweep->next_ms) sweep->next_ms = ends_ms;
        return begun ? terms : NULL;
    }
    return NULL;
}

static void bill_stretch(struct sweep *sweep)
{
    int64_t counts[BILL_USES] = {0};

    if (sweep->tier->held) {
        hold(sweep);
        return;
    }
    count_levels(sweep, counts);
    if (sweep->making->request->intervals && sweep->at_ms >= sweep->making->request->from_ms)
        bill_rank_stretch(sweep->making, sweep->tier, counts, sweep->sla, sweep->at_ms, sweep->next_ms);
    for (size_t use = 0; use < BILL_USES; use++) {
        if (counts[use] == 0) continue;
        if (use < USE_LEVELS) note_entry(sweep, use);
        if (sweep->at_ms >= sweep->making->request->from_ms)
            add_time(sweep, (enum bill_use)use, counts[use] * (sweep->next_ms - sweep->at_ms));
    }
}

static void count_levels(const struct sweep *sweep, int64_t ret_counts[BILL_USES])
{
    struct tier_terms tier = tier_terms_of(sweep);

    if (sweep->tier->is_balancer || !sweep->sla) {
        ret_counts[sweep->tier->is_balancer ? USE_BALANCER : USE_NO_SLA] = sweep->serving;
        return;
    }
    int64_t left = sweep->serving < tier.wanted ? sweep->serving : tier.wanted;
    ret_counts[USE_SURPLUS] = sweep->serving - left;
    ret_counts[USE_COMMITTED] = left < tier.committed ? left : tier.committed;
    ret_counts[USE_GUARANTEED] =
        (left < tier.guaranteed ? left : tier.guaranteed) - ret_counts[USE_COMMITTED];
    ret_counts[USE_EXTENDED] = left - ret_counts[USE_COMMITTED] - ret_counts[USE_GUARANTEED];
}

/* All zero: there are none for the tier, it is not in the farm any more. */
static struct tier_terms tier_terms_of(const struct sweep *sweep)
{
    for (size_t i = 0; sweep->terms && i < sweep->terms->tiers_length; i++)
        if (text_equal(sweep->terms->tiers[i].tier, sweep->tier->name)) return sweep->terms->tiers[i];
    return (struct tier_terms){0};
}

static void hold(struct sweep *sweep)
{
    struct vec *held = sweep->tier->held;
    int64_t wanted = tier_terms_of(sweep).wanted;
    int64_t count = sweep->serving < wanted ? sweep->serving : wanted;

    while (held->length <= (size_t)count)
        vec_push(held);
    *(int64_t *)vec_at(held, (size_t)count) += sweep->next_ms - sweep->at_ms;
}

/* Many in a row are of one period and tell nothing new. */
static void note_entry(struct sweep *sweep, size_t level)
{
    struct vec *entries = &sweep->farm->entries;
    int64_t period_ms = period_begins_ms(sweep->sla->sla.period, sweep->at_ms);

    if (sweep->sla->sla.levels[level].fee.micros == 0) return;
    for (size_t i = entries->length; i > 0 && i + LEVELS > entries->length; i--) {
        const struct entry *entry = vec_at(entries, i - 1);
        if (entry->level == level && entry->period_ms == period_ms && entry->terms == sweep->sla &&
            entry->at_ms <= sweep->at_ms)
            return;
    }
    *(struct entry *)vec_push(entries) = (struct entry){sweep->sla, level, period_ms, sweep->at_ms};
}

/* On the line of these terms; other terms begin another. */
static void add_time(struct sweep *sweep, enum bill_use use, int64_t instance_ms)
{
    struct tier_book *tier = sweep->tier;
    const struct sla_terms *terms = use < USE_LEVELS || use == USE_SURPLUS ? sweep->sla : NULL;
    struct growing *growing = tier->lines[use];

    if (!growing || tier->terms[use] != terms) {
        growing = bill_line_new(sweep->making, sweep->farm, CHARGE_USE, use);
        growing->line.tier = tier->name;
        growing->line.site = tier->site;
        growing->line.from_ms = sweep->at_ms;
        if (terms) growing->line.sla = terms->sla.name;
        if (use < USE_LEVELS) growing->line.price = terms->sla.levels[use].rate;
        tier->lines[use] = growing;
        tier->terms[use] = terms;
    }
    growing->line.to_ms = sweep->next_ms;
    growing->line.instance_ms += instance_ms;
    if (use >= USE_LEVELS) return;
    amount_ms micros_ms = (amount_ms)growing->line.price.micros * instance_ms;
    growing->micros_ms += micros_ms;
    bill_owe(sweep->farm, terms, sweep->at_ms, micros_ms);
}

static void add_idle(struct making *making, struct farm_book *farm, struct tier_book *tier)
{
    for (size_t use = 0; use < BILL_USES; use++) {
        if (tier->idle_ms[use] == 0) continue;
        struct growing *growing = bill_line_new(making, farm, CHARGE_USE, (enum bill_use)use);
        growing->line.tier = tier->name;
        growing->line.site = tier->site;
        growing->line.instance_ms = tier->idle_ms[use];
        growing->line.from_ms = making->request->from_ms;
        growing->line.to_ms = making->request->to_ms;
    }
}

static int compare_steps(const void *a, const void *b)
{
    const struct step *left = a, *right = b;
    return (left->at_ms > right->at_ms) - (left->at_ms < right->at_ms);
}
