#include "plan/bill/inside.h"

#include "base/text.h"

#include <string.h>

enum { PARTY_DEPTH_MAX = 64, MICROS_DECIMALS = 6 };

const char *const bill_use_names[BILL_USES + 1] = {"committed", "guaranteed", "extended", "no service level",
                                                   "balancer",  "surplus",    "warm",     "transition",
                                                   ""};
const char *const bill_charge_names[] = {"use", "fee", "credit", NULL};

static void choose_parties(struct making *making);
static const struct party_terms *newest_of(const struct books *books, const char *party);
static void gather_sites(struct making *making);
static void note_site(const struct making *making, struct tier_book *tier, const char *host);
static void gather_terms(struct making *making);
static void gather_usage(struct making *making);
static void gather_hours(struct making *making);
static struct farm_book *farm_of(struct making *making, const char *name, const char *party);
static struct tier_book *tier_of(struct making *making, struct farm_book *farm, const char *name);
static bool finish(struct making *making, struct bill *ret_bill, struct error *err);
static void add_intervals(struct making *making, struct bill *ret_bill);
static bool price(struct growing *growing, struct error *err);
static bool add_invoices(struct making *making, struct bill *ret_bill, struct error *err);
static bool add_totals(struct making *making, struct bill *ret_bill, struct error *err);
static bool add_money(struct money *sum, const struct money *amount, struct error *err);
static amount_ms round_to(amount_ms amount, int64_t unit);
static int64_t minor_unit(const char *currency);
static void making_free(struct making *making);
static int compare_lines(const void *a, const void *b);
static int compare_intervals(const void *a, const void *b);
static int compare_money(const void *a, const void *b);
static int compare_farm_terms(const void *a, const void *b);
static int compare_sla_terms(const void *a, const void *b);
static int compare_hours(const void *a, const void *b);

bool bill_make(struct arena *arena, const struct books *books, const struct bill_request *request,
               struct bill *ret_bill, struct error *err)
{
    struct making making = {.arena = arena,
                            .books = books,
                            .request = request,
                            .reads_from_ms = bill_reads_from_ms(request->from_ms),
                            .farms = map_new(),
                            .slas = map_new(),
                            .sites = map_new(),
                            .lines = VEC_OF(struct growing *),
                            .intervals = VEC_OF(struct bill_interval *)};
    struct bill bill = {.from_ms = request->from_ms, .to_ms = request->to_ms};
    void *farm = NULL;

    ASSERT(request->from_ms <= request->to_ms && request->to_ms <= request->now_ms);
    choose_parties(&making);
    gather_sites(&making);
    gather_usage(&making);
    gather_terms(&making);
    gather_hours(&making);
    for (size_t cursor = 0; map_next(making.farms, &cursor, NULL, &farm);) {
        bill_sweep(&making, farm);
        bill_charge_fees(&making, farm);
        bill_charge_credits(&making, farm);
    }
    bill_prove(&making, &bill.proof);
    bool good = finish(&making, &bill, err);
    making_free(&making);
    if (good) *ret_bill = bill;
    return good;
}

int64_t bill_reads_from_ms(int64_t from_ms)
{
    int64_t week_ms = period_begins_ms(PERIOD_WEEK, from_ms);
    int64_t month_ms = period_begins_ms(PERIOD_MONTH, from_ms);
    return week_ms < month_ms ? week_ms : month_ms;
}

struct growing *bill_line_new(struct making *making, const struct farm_book *farm, enum bill_charge charge,
                              enum bill_use use)
{
    struct growing *growing = arena_alloc(making->arena, sizeof(*growing));

    *growing = (struct growing){.line = {.charge = charge,
                                         .use = use,
                                         .party = farm->party,
                                         .farm = farm->name,
                                         .tier = "",
                                         .sla = "",
                                         .site = "",
                                         .text = ""},
                                .divisor = 1};
    *(struct growing **)vec_push(&making->lines) = growing;
    return growing;
}

void bill_sort_terms(struct farm_book *farm)
{
    vec_sort(&farm->terms, compare_farm_terms);
}

bool bill_is_asked_for(const struct making *making, const char *party)
{
    return !making->parties || map_get(making->parties, party);
}

bool bill_party_is_below(const struct books *books, const char *party, const char *above)
{
    if (text_equal(above, PARTY_LANDLORD)) return true;
    for (int depth = 0; depth < PARTY_DEPTH_MAX; depth++) {
        if (text_equal(party, above)) return true;
        const struct party_terms *row = newest_of(books, party);
        if (!row) return false;
        party = row->parent;
    }
    return false;
}

bool bill_party_is_known(const struct books *books, const char *party)
{
    return text_equal(party, PARTY_LANDLORD) || newest_of(books, party);
}

bool bill_divide(amount_ms micros_ms, int64_t divisor, int64_t *ret_micros)
{
    amount_ms micros = round_to(micros_ms, HOUR_MS * divisor) / (HOUR_MS * divisor);

    if (micros > INT64_MAX || micros < -INT64_MAX) return false;
    *ret_micros = (int64_t)micros;
    return true;
}

const char *sla_currency(const struct sla *sla)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (sla->levels[i].rate.currency[0]) return sla->levels[i].rate.currency;
    return "";
}

/* The party, and those whose line of parents leads to it. */
static void choose_parties(struct making *making)
{
    const char *asked = making->request->party;

    if (text_equal(asked, PARTY_LANDLORD)) return;
    making->parties = map_new();
    map_put(making->parties, asked, making);
    for (size_t i = 0; i < making->books->parties_length; i++) {
        const char *party = making->books->parties[i].party;
        if (map_get(making->parties, party) || !bill_party_is_below(making->books, party, asked)) continue;
        map_put(making->parties, party, making);
    }
}

static const struct party_terms *newest_of(const struct books *books, const char *party)
{
    const struct party_terms *newest = NULL;

    for (size_t i = 0; i < books->parties_length; i++) {
        const struct party_terms *row = &books->parties[i];
        if (text_equal(row->party, party) && (!newest || row->from_ms > newest->from_ms)) newest = row;
    }
    return newest;
}

/* The first part of a host's zone, as it was last. */
static void gather_sites(struct making *making)
{
    for (size_t i = 0; i < making->books->hosts_length; i++) {
        const struct host_usage *row = &making->books->hosts[i];
        struct site *site = map_get(making->sites, row->host);
        if (row->from_ms >= making->request->to_ms || (site && site->from_ms > row->from_ms)) continue;
        if (!site) {
            site = arena_alloc(making->arena, sizeof(*site));
            map_put(making->sites, row->host, site);
        }
        const char *zone = row->zone ? row->zone : "";
        *site = (struct site){arena_strndup(making->arena, zone, strcspn(zone, "/")), row->from_ms};
    }
}

static void note_site(const struct making *making, struct tier_book *tier, const char *host)
{
    if (tier->site && tier->site[0] == '\0') return; /* that cannot change any more */
    const struct site *site = map_get(making->sites, host);
    const char *name = site ? site->name : "";

    if (!tier->site) tier->site = name;
    if (!text_equal(tier->site, name)) tier->site = "";
}

static void gather_usage(struct making *making)
{
    const struct bill_request *request = making->request;

    for (size_t i = 0; i < making->books->usages_length; i++) {
        const struct stay *row = &making->books->usages[i];
        int64_t from_ms = row->from_ms > making->reads_from_ms ? row->from_ms : making->reads_from_ms;
        int64_t to_ms = row->to_ms < request->to_ms ? row->to_ms : request->to_ms;
        if (from_ms >= to_ms || !bill_is_asked_for(making, row->party)) continue;
        struct tier_book *tier = tier_of(making, farm_of(making, row->farm, row->party), row->tier);
        if (row->to_ms > request->from_ms) note_site(making, tier, row->host);
        if (row->kind == USAGE_SERVING) {
            *(struct step *)vec_push(&tier->steps) = (struct step){from_ms, 1, row};
            *(struct step *)vec_push(&tier->steps) = (struct step){to_ms, -1, row};
            continue;
        }
        if (from_ms < request->from_ms) from_ms = request->from_ms;
        if (from_ms >= to_ms) continue;
        enum bill_use use = row->kind == USAGE_WARM ? USE_WARM : USE_TRANSITION;
        tier->idle_ms[use] += to_ms - from_ms;
        if (request->intervals) bill_interval_of(making, row, use, from_ms, to_ms);
    }
}

static void gather_terms(struct making *making)
{
    const struct books *books = making->books;
    void *value = NULL;

    for (size_t i = 0; i < books->farms_length; i++) {
        struct farm_book *farm = map_get(making->farms, books->farms[i].farm);
        if (farm) *(const struct farm_terms **)vec_push(&farm->terms) = &books->farms[i];
    }
    for (size_t i = 0; i < books->slas_length; i++) {
        const struct sla_terms *terms = &books->slas[i];
        struct vec *all = map_get(making->slas, terms->sla.name);
        if (!all) {
            all = arena_alloc(making->arena, sizeof(*all));
            *all = VEC_OF(const struct sla_terms *);
            map_put(making->slas, terms->sla.name, all);
        }
        *(const struct sla_terms **)vec_push(all) = terms;
    }
    for (size_t cursor = 0; map_next(making->farms, &cursor, NULL, &value);)
        bill_sort_terms(value);
    for (size_t cursor = 0; map_next(making->slas, &cursor, NULL, &value);)
        vec_sort(value, compare_sla_terms);
}

static void gather_hours(struct making *making)
{
    void *value = NULL;

    for (size_t i = 0; i < making->books->services_length; i++) {
        const struct service_hour *hour = &making->books->services[i];
        struct farm_book *farm = map_get(making->farms, hour->farm);
        if (farm) *(const struct service_hour **)vec_push(&farm->hours) = hour;
    }
    for (size_t cursor = 0; map_next(making->farms, &cursor, NULL, &value);)
        vec_sort(&((struct farm_book *)value)->hours, compare_hours);
}

static struct farm_book *farm_of(struct making *making, const char *name, const char *party)
{
    struct farm_book *farm = map_get(making->farms, name);

    if (farm) return farm;
    farm = arena_alloc(making->arena, sizeof(*farm));
    *farm = (struct farm_book){.name = name,
                               .party = party,
                               .tiers = map_new(),
                               .terms = VEC_OF(const struct farm_terms *),
                               .entries = VEC_OF(struct entry),
                               .owed = VEC_OF(struct owed),
                               .hours = VEC_OF(const struct service_hour *)};
    map_put(making->farms, name, farm);
    return farm;
}

static struct tier_book *tier_of(struct making *making, struct farm_book *farm, const char *name)
{
    struct tier_book *tier = map_get(farm->tiers, name);

    if (tier) return tier;
    tier = arena_alloc(making->arena, sizeof(*tier));
    *tier = (struct tier_book){.name = name,
                               .is_balancer = text_equal(name, TIER_BALANCE),
                               .steps = VEC_OF(struct step),
                               .ranked = VEC_OF(struct ranked)};
    map_put(farm->tiers, name, tier);
    return tier;
}

static bool finish(struct making *making, struct bill *ret_bill, struct error *err)
{
    size_t length = making->lines.length;
    struct bill_line *lines = arena_alloc_array(making->arena, length, sizeof(*lines));

    vec_sort(&making->lines, compare_lines);
    for (size_t i = 0; i < length; i++) {
        struct growing *growing = *(struct growing **)vec_at(&making->lines, i);
        if (!price(growing, err)) return false;
        lines[i] = growing->line;
    }
    ret_bill->lines = lines;
    ret_bill->lines_length = length;
    add_intervals(making, ret_bill);
    return add_invoices(making, ret_bill, err) && add_totals(making, ret_bill, err);
}

static void add_intervals(struct making *making, struct bill *ret_bill)
{
    size_t length = making->intervals.length;
    struct bill_interval *intervals = arena_alloc_array(making->arena, length, sizeof(*intervals));

    vec_sort(&making->intervals, compare_intervals);
    for (size_t i = 0; i < length; i++)
        intervals[i] = **(struct bill_interval **)vec_at(&making->intervals, i);
    ret_bill->intervals = intervals;
    ret_bill->intervals_length = length;
}

/* The one division of a line. */
static bool price(struct growing *growing, struct error *err)
{
    struct bill_line *line = &growing->line;

    memcpy(line->amount.currency, line->price.currency, sizeof(line->amount.currency));
    if (!bill_divide(growing->micros_ms, growing->divisor, &line->amount.micros))
        return error_set(err, ERROR_TOO_LARGE, "what %s owes does not fit a bill", line->farm);
    return true;
}

static bool add_invoices(struct making *making, struct bill *ret_bill, struct error *err)
{
    struct vec sums = VEC_OF(struct bill_invoice);
    bool good = true;

    for (size_t i = 0; good && i < ret_bill->lines_length; i++) {
        const struct bill_line *line = &ret_bill->lines[i];
        struct bill_invoice *invoice = NULL;
        if (line->amount.currency[0] == '\0') continue;
        for (size_t k = sums.length; k > 0 && !invoice; k--) { /* lines of a party stand together */
            struct bill_invoice *known = vec_at(&sums, k - 1);
            if (!text_equal(known->party, line->party)) break;
            if (text_equal(known->exact.currency, line->amount.currency)) invoice = known;
        }
        if (!invoice) {
            invoice = vec_push(&sums);
            invoice->party = line->party;
            memcpy(invoice->exact.currency, line->amount.currency, sizeof(invoice->exact.currency));
        }
        good = add_money(&invoice->exact, &line->amount, err);
    }
    struct bill_invoice *invoices = arena_alloc_array(making->arena, sums.length, sizeof(*invoices));
    for (size_t i = 0; i < sums.length; i++) {
        invoices[i] = *(struct bill_invoice *)vec_at(&sums, i);
        invoices[i].amount = invoices[i].exact;
        invoices[i].amount.micros =
            (int64_t)round_to(invoices[i].exact.micros, minor_unit(invoices[i].exact.currency));
    }
    ret_bill->invoices = invoices;
    ret_bill->invoices_length = sums.length;
    vec_free(&sums);
    return good;
}

static bool add_totals(struct making *making, struct bill *ret_bill, struct error *err)
{
    struct vec sums = VEC_OF(struct money);
    bool good = true;

    for (size_t i = 0; good && i < ret_bill->invoices_length; i++) {
        const struct money *amount = &ret_bill->invoices[i].amount;
        struct money *sum = NULL;
        for (size_t k = 0; k < sums.length && !sum; k++) {
            struct money *known = vec_at(&sums, k);
            if (text_equal(known->currency, amount->currency)) sum = known;
        }
        if (!sum) {
            sum = vec_push(&sums);
            memcpy(sum->currency, amount->currency, sizeof(sum->currency));
        }
        good = add_money(sum, amount, err);
    }
    vec_sort(&sums, compare_money);
    struct money *totals = arena_alloc_array(making->arena, sums.length, sizeof(*totals));
    for (size_t i = 0; i < sums.length; i++)
        totals[i] = *(struct money *)vec_at(&sums, i);
    ret_bill->totals = totals;
    ret_bill->totals_length = sums.length;
    vec_free(&sums);
    return good;
}

static bool add_money(struct money *sum, const struct money *amount, struct error *err)
{
    ASSERT(text_equal(sum->currency, amount->currency));
    if (__builtin_add_overflow(sum->micros, amount->micros, &sum->micros))
        return error_set(err, ERROR_TOO_LARGE, "the sum in %s does not fit a bill", sum->currency);
    return true;
}

/* To a multiple of the unit, halves to the even one. */
static amount_ms round_to(amount_ms amount, int64_t unit)
{
    amount_ms whole = amount / unit, rest = amount % unit;

    if (rest < 0) { /* the next lower one */
        whole--;
        rest += unit;
    }
    if (rest * 2 > unit || (rest * 2 == unit && whole % 2 != 0)) whole++;
    return whole * unit;
}

/* In millionths. */
static int64_t minor_unit(const char *currency)
{
    int64_t unit = 1;

    for (int i = money_decimals(currency); i < MICROS_DECIMALS; i++)
        unit *= 10;
    return unit;
}

static void making_free(struct making *making)
{
    void *value = NULL, *tier = NULL;

    for (size_t cursor = 0; map_next(making->farms, &cursor, NULL, &value);) {
        struct farm_book *farm = value;
        for (size_t at = 0; map_next(farm->tiers, &at, NULL, &tier);) {
            vec_free(&((struct tier_book *)tier)->steps);
            vec_free(&((struct tier_book *)tier)->ranked);
        }
        map_free(farm->tiers);
        vec_free(&farm->terms);
        vec_free(&farm->entries);
        vec_free(&farm->owed);
        vec_free(&farm->hours);
    }
    for (size_t cursor = 0; map_next(making->slas, &cursor, NULL, &value);)
        vec_free(value);
    map_free(making->farms);
    map_free(making->slas);
    map_free(making->sites);
    map_free(making->parties);
    vec_free(&making->lines);
    vec_free(&making->intervals);
}

static int compare_lines(const void *a, const void *b)
{
    const struct bill_line *left = &(*(struct growing *const *)a)->line;
    const struct bill_line *right = &(*(struct growing *const *)b)->line;
    int order = text_compare_natural(left->party, right->party);

    if (order == 0) order = text_compare_natural(left->farm, right->farm);
    if (order == 0) order = (left->charge > right->charge) - (left->charge < right->charge);
    if (order == 0) order = text_compare_natural(left->tier, right->tier);
    if (order == 0) order = (left->use > right->use) - (left->use < right->use);
    if (order == 0) order = (left->from_ms > right->from_ms) - (left->from_ms < right->from_ms);
    return order;
}

static int compare_intervals(const void *a, const void *b)
{
    const struct bill_interval *left = *(const struct bill_interval *const *)a;
    const struct bill_interval *right = *(const struct bill_interval *const *)b;
    int order = text_compare_natural(left->instance, right->instance);
    return order != 0 ? order : (left->from_ms > right->from_ms) - (left->from_ms < right->from_ms);
}

static int compare_money(const void *a, const void *b)
{
    return strcmp(((const struct money *)a)->currency, ((const struct money *)b)->currency);
}

static int compare_farm_terms(const void *a, const void *b)
{
    const struct farm_terms *left = *(const struct farm_terms *const *)a;
    const struct farm_terms *right = *(const struct farm_terms *const *)b;
    return (left->from_ms > right->from_ms) - (left->from_ms < right->from_ms);
}

static int compare_sla_terms(const void *a, const void *b)
{
    const struct sla_terms *left = *(const struct sla_terms *const *)a;
    const struct sla_terms *right = *(const struct sla_terms *const *)b;
    return (left->from_ms > right->from_ms) - (left->from_ms < right->from_ms);
}

static int compare_hours(const void *a, const void *b)
{
    const struct service_hour *left = *(const struct service_hour *const *)a;
    const struct service_hour *right = *(const struct service_hour *const *)b;
    int order = text_compare_natural(left->tier, right->tier);
    return order != 0 ? order : (left->hour_ms > right->hour_ms) - (left->hour_ms < right->hour_ms);
}
