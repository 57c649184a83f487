/* Bills: from books to invoices, and the proof. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/moment.h"
#include "base/text.h"
#include "plan/bill/bill.h"
#include "plan/bill/calendar.h"
#include "plan/bill/suggest.h"

#include <stdlib.h>
#include <string.h>

#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)
#define NOV INT64_C(1793491200000) /* 2026-11-01T00:00:00Z, a Sunday */

enum { ROWS = 64 };

/* Books by hand: one farm acme/shop with a tier web, under gold, on host h1. */
struct desk {
    struct arena *arena;
    struct stay stays[ROWS];
    struct host_usage hosts[ROWS];
    struct farm_terms farms[ROWS];
    struct sla_terms slas[ROWS];
    struct party_terms parties[ROWS];
    struct service_hour hours[ROWS];
    struct tier_terms tier;
    struct books books;
};

static struct money money(const char *text)
{
    struct money money = {0};
    assert_true(money_parse(text, &money));
    return money;
}

static struct sla gold(const char *committed, const char *guaranteed, const char *fee)
{
    struct sla sla = {.name = "gold", .period = PERIOD_DAY, .rules = ""};
    for (size_t i = 0; i < LEVELS; i++)
        sla.levels[i].sites = "";
    sla.levels[LEVEL_COMMITTED].rate = money(committed);
    sla.levels[LEVEL_GUARANTEED].rate = money(guaranteed);
    sla.levels[LEVEL_GUARANTEED].fee = money(fee);
    return sla;
}

static struct desk *desk_new(void)
{
    struct arena *arena = arena_new();
    struct desk *desk = arena_alloc(arena, sizeof(*desk));

    desk->arena = arena;
    desk->books = (struct books){.usages = desk->stays,
                                 .hosts = desk->hosts,
                                 .farms = desk->farms,
                                 .slas = desk->slas,
                                 .parties = desk->parties,
                                 .services = desk->hours};
    desk->tier = (struct tier_terms){"web", 1, 2, 4, 4};
    desk->farms[desk->books.farms_length++] =
        (struct farm_terms){"acme/shop", "acme", "gold", &desk->tier, 1, NOV, LEDGER_OPEN};
    desk->slas[desk->books.slas_length++] =
        (struct sla_terms){gold("0.020 EUR", "0.030 EUR", "5 EUR"), NOV, LEDGER_OPEN};
    desk->parties[desk->books.parties_length++] = (struct party_terms){"acme", "landlord", NOV, LEDGER_OPEN};
    return desk;
}

static struct stay *stay(struct desk *desk, const char *instance, enum usage_kind kind, int64_t from,
                         int64_t to)
{
    struct stay *row = &desk->stays[desk->books.usages_length++];
    *row = (struct stay){instance, "acme", "acme/shop", "web", "h1", kind, {500, 1 << 20, 0, 0}, from, to};
    return row;
}

static void gave(struct desk *desk, int64_t had, int64_t given, int64_t from, int64_t to)
{
    desk->hosts[desk->books.hosts_length++] = (struct host_usage){
        "h1", "east/b1/r1", {had, 8 << 20, 0, 0}, {given, given / 500 << 20, 0, 0}, from, to};
}

static struct bill bill_of(struct desk *desk, const char *party, int64_t from, int64_t to)
{
    struct bill_request request = {party, from, to, NOV + 400 * DAY, true};
    struct bill bill = {0};
    struct error err;
    if (!bill_make(desk->arena, &desk->books, &request, &bill, &err)) fail_msg("%s", err.message);
    return bill;
}

static const struct bill_line no_line;

/* no_line: there is none. */
static const struct bill_line *line_of(const struct bill *bill, enum bill_charge charge, enum bill_use use,
                                       size_t nth)
{
    for (size_t i = 0; i < bill->lines_length; i++)
        if (bill->lines[i].charge == charge && (charge == CHARGE_CREDIT || bill->lines[i].use == use) &&
            nth-- == 0)
            return &bill->lines[i];
    return &no_line;
}

static int64_t time_at(const struct bill *bill, enum bill_use use)
{
    int64_t sum = 0;
    for (size_t i = 0; i < bill->lines_length; i++)
        if (bill->lines[i].charge == CHARGE_USE && bill->lines[i].use == use)
            sum += bill->lines[i].instance_ms;
    return sum;
}

/* What the intervals of single instances come to. */
static int64_t intervals_at(const struct bill *bill, enum bill_use use)
{
    int64_t sum = 0;
    for (size_t i = 0; i < bill->intervals_length; i++)
        if (bill->intervals[i].use == use) sum += bill->intervals[i].to_ms - bill->intervals[i].from_ms;
    return sum;
}

/* Three serve for an hour each: the first is committed, the second guaranteed, the third extended, which gold
 * does not offer. What waits warm or boots costs nothing. */
static void test_levels(void **state)
{
    struct desk *desk = desk_new();

    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + 2 * HOUR);
    stay(desk, "acme/shop/web-2", USAGE_SERVING, NOV + HOUR, NOV + 2 * HOUR);
    stay(desk, "acme/shop/web-3", USAGE_SERVING, NOV + HOUR, NOV + 2 * HOUR);
    stay(desk, "acme/shop/web-4", USAGE_WARM, NOV, NOV + HOUR / 2);
    stay(desk, "acme/shop/web-5", USAGE_TRANSITION, NOV, NOV + 7);
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_int_equal(time_at(&bill, USE_COMMITTED), 2 * HOUR);
    assert_int_equal(time_at(&bill, USE_GUARANTEED), HOUR);
    assert_int_equal(time_at(&bill, USE_EXTENDED), HOUR);
    assert_int_equal(time_at(&bill, USE_WARM), HOUR / 2);
    assert_int_equal(time_at(&bill, USE_TRANSITION), 7);
    assert_int_equal(line_of(&bill, CHARGE_USE, USE_COMMITTED, 0)->amount.micros, 40000);
    assert_int_equal(line_of(&bill, CHARGE_USE, USE_GUARANTEED, 0)->amount.micros, 30000);
    assert_string_equal(line_of(&bill, CHARGE_USE, USE_EXTENDED, 0)->amount.currency, "");
    assert_int_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0)->amount.micros, 5000000);
    assert_int_equal(bill.invoices_length, 1);
    assert_int_equal(bill.invoices[0].exact.micros, 5070000);
    assert_int_equal(bill.totals[0].micros, 5070000);
    static const enum bill_use uses[] = {USE_COMMITTED, USE_GUARANTEED, USE_EXTENDED, USE_WARM,
                                         USE_TRANSITION};
    assert_int_equal(bill.intervals_length, LENGTH(uses)); /* of one that goes on at its level, one */
    for (size_t i = 0; i < LENGTH(uses); i++)
        assert_int_equal(bill.intervals[i].use, uses[i]);
    arena_free(desk->arena);
}

/* A successor beside its predecessor is the grid's own doing: it must not enter a level, for that has a fee.
 */
static void test_surplus(void **state)
{
    struct desk *desk = desk_new();

    desk->tier.wanted = 1;
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + HOUR);
    stay(desk, "acme/shop/web-2", USAGE_SERVING, NOV + HOUR - 5000, NOV + 2 * HOUR);
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_int_equal(time_at(&bill, USE_COMMITTED), 2 * HOUR);
    assert_int_equal(time_at(&bill, USE_SURPLUS), 5000);
    assert_ptr_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0), &no_line);
    arena_free(desk->arena);
}

/* Rates that change in the middle are applied to the part that they held for, to the millisecond. */
static void test_rates_change(void **state)
{
    struct desk *desk = desk_new();

    desk->slas[0].to_ms = NOV + 90 * 60 * 1000;
    desk->slas[desk->books.slas_length++] =
        (struct sla_terms){gold("0.040 EUR", "0.030 EUR", "5 EUR"), NOV + 90 * 60 * 1000, LEDGER_OPEN};
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, LEDGER_OPEN);
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + 2 * HOUR);
    const struct bill_line *first = line_of(&bill, CHARGE_USE, USE_COMMITTED, 0);
    const struct bill_line *second = line_of(&bill, CHARGE_USE, USE_COMMITTED, 1);
    assert_int_equal(first->amount.micros, 30000);
    assert_int_equal(first->to_ms, NOV + 90 * 60 * 1000);
    assert_int_equal(second->amount.micros, 20000);
    assert_int_equal(second->from_ms, NOV + 90 * 60 * 1000);
    arena_free(desk->arena);
}

/* A fee is of each period in which the level is entered, in the bill that has the moment: two bills of two
 * halves have it once. */
static void test_fees(void **state)
{
    struct desk *desk = desk_new();

    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, LEDGER_OPEN);
    stay(desk, "acme/shop/web-2", USAGE_SERVING, NOV + 10 * HOUR, NOV + 11 * HOUR);
    stay(desk, "acme/shop/web-3", USAGE_SERVING, NOV + 12 * HOUR, NOV + 26 * HOUR); /* into the next day */
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + 3 * DAY);
    assert_int_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0)->times, 2);
    assert_int_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0)->amount.micros, 10000000);
    bill = bill_of(desk, "landlord", NOV, NOV + 11 * HOUR);
    assert_int_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0)->times, 1);
    bill = bill_of(desk, "landlord", NOV + 11 * HOUR, NOV + DAY);
    assert_ptr_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0), &no_line);
    bill = bill_of(desk, "landlord", NOV + DAY, NOV + 3 * DAY);
    assert_int_equal(line_of(&bill, CHARGE_FEE, USE_GUARANTEED, 0)->times, 1);
    arena_free(desk->arena);
}

/* 1,439 of 1,440 minutes are 99.930 %: nothing; 1,438 are 99.861 %: ten per cent of the day's rates and fees.
 */
static void test_credits(void **state)
{
    struct desk *desk = desk_new();

    desk->slas[0].sla.credits = (struct sla_credits){99900, 10000};
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, LEDGER_OPEN);
    stay(desk, "acme/shop/web-2", USAGE_SERVING, NOV, LEDGER_OPEN);
    for (int64_t hour = 0; hour < 24; hour++)
        desk->hours[desk->books.services_length++] = (struct service_hour){
            "acme/shop", "web", NOV + hour * HOUR, (INT64_C(1) << 60) - 1, hour == 3 ? 1 << 5 : 0};
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + 2 * DAY);
    assert_ptr_equal(line_of(&bill, CHARGE_CREDIT, BILL_USES, 0), &no_line);
    desk->hours[23].missed = INT64_C(1) << 59;
    bill = bill_of(desk, "landlord", NOV, NOV + 2 * DAY);
    /* a day of 24 h at 0.02 and 0.03, and 5: 6.20 */
    assert_int_equal(line_of(&bill, CHARGE_CREDIT, BILL_USES, 0)->amount.micros, -620000);
    assert_string_equal(
        line_of(&bill, CHARGE_CREDIT, BILL_USES, 0)->text,
        "99.861 % of 1440 minutes met the target in web, below 99.900 %: 10.000 % is paid back");
    assert_int_equal(bill.totals[0].micros, 2 * 6200000 - 620000);
    /* the two halves of the day are paid back the same */
    struct bill first = bill_of(desk, "landlord", NOV, NOV + DAY / 2);
    struct bill second = bill_of(desk, "landlord", NOV + DAY / 2, NOV + DAY);
    assert_int_equal(line_of(&first, CHARGE_CREDIT, BILL_USES, 0)->amount.micros +
                         line_of(&second, CHARGE_CREDIT, BILL_USES, 0)->amount.micros,
                     -620000);
    arena_free(desk->arena);
}

/* A tier that is served well does not make good for one that is not. */
static void test_credit_of_worst_tier(void **state)
{
    struct desk *desk = desk_new();

    desk->slas[0].sla.credits = (struct sla_credits){50000, 10000};
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, LEDGER_OPEN);
    desk->hours[desk->books.services_length++] =
        (struct service_hour){"acme/shop", "app", NOV, (INT64_C(1) << 60) - 1, 0};
    desk->hours[desk->books.services_length++] = (struct service_hour){"acme/shop", "web", NOV, 3, 3};
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_ptr_not_equal(line_of(&bill, CHARGE_CREDIT, BILL_USES, 0), &no_line);
    arena_free(desk->arena);
}

/* Rounding happens once, on the invoice: halves to even, also of what is paid back. */
static void test_rounding(void **state)
{
    static const struct {
        int64_t ms, micros, cents;
    } rows[] = {
        {HOUR / 4, 5000, 0},          /* 0.005: to the even 0.00 */
        {HOUR * 3 / 4, 15000, 20000}, /* 0.015: to the even 0.02 */
        {90, 0, 0},                   /* half a millionth: to the even 0 */
        {270, 2, 0},                  /* one and a half: 2 */
        {91, 1, 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct desk *desk = desk_new();
        stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + rows[i].ms);
        struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
        assert_int_equal(bill.lines[0].amount.micros, rows[i].micros);
        assert_int_equal(bill.invoices[0].amount.micros, rows[i].cents);
        arena_free(desk->arena);
    }
}

/* In the currency's minor unit: whole yen, thousandths of a dinar. */
static void test_minor_units(void **state)
{
    static const struct {
        const char *rate;
        int64_t exact, amount;
    } rows[] = {{"2.5 JPY", 2500000, 2000000}, {"0.0255 KWD", 25500, 26000}, {"0.025 EUR", 25000, 20000}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct desk *desk = desk_new();
        desk->slas[0].sla.levels[LEVEL_COMMITTED].rate = money(rows[i].rate);
        stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + HOUR);
        struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
        assert_int_equal(bill.invoices[0].exact.micros, rows[i].exact);
        assert_int_equal(bill.invoices[0].amount.micros, rows[i].amount);
        arena_free(desk->arena);
    }
}

/* Where a tier served, when that was one site, by the newest word of its hosts. */
static void test_sites(void **state)
{
    struct desk *desk = desk_new();

    gave(desk, 8000, 500, NOV, LEDGER_OPEN);
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + HOUR);
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_string_equal(line_of(&bill, CHARGE_USE, USE_COMMITTED, 0)->site, "east");
    stay(desk, "acme/shop/web-2", USAGE_SERVING, NOV + 2 * HOUR, NOV + 3 * HOUR)->host = "h2";
    bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_string_equal(line_of(&bill, CHARGE_USE, USE_COMMITTED, 0)->site, "");
    bill = bill_of(desk, "landlord", NOV, NOV + 2 * HOUR); /* before that */
    assert_string_equal(line_of(&bill, CHARGE_USE, USE_COMMITTED, 0)->site, "east");
    desk->hosts[desk->books.hosts_length++] =
        (struct host_usage){.host = "h2", .zone = "east", .from_ms = NOV, .to_ms = LEDGER_OPEN};
    bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_string_equal(line_of(&bill, CHARGE_USE, USE_COMMITTED, 0)->site, "east");
    arena_free(desk->arena);
}

/* One invoice for each party and currency, one total for each currency. */
static void test_currencies(void **state)
{
    struct desk *desk = desk_new();

    desk->slas[0].to_ms = NOV + HOUR;
    desk->slas[desk->books.slas_length++] =
        (struct sla_terms){gold("1 CHF", "1 CHF", "1 CHF"), NOV + HOUR, LEDGER_OPEN};
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + 2 * HOUR);
    struct bill bill = bill_of(desk, "landlord", NOV, NOV + DAY);
    assert_int_equal(bill.invoices_length, 2);
    assert_int_equal(bill.totals_length, 2);
    assert_string_equal(bill.totals[0].currency, "CHF");
    assert_int_equal(bill.totals[0].micros, 1000000);
    assert_string_equal(bill.totals[1].currency, "EUR");
    assert_int_equal(bill.totals[1].micros, 20000);
    arena_free(desk->arena);
}

/* A party sees its own and those below it; one that was deleted still has its bills. */
static void test_parties(void **state)
{
    struct desk *desk = desk_new();

    desk->parties[desk->books.parties_length++] = (struct party_terms){"lab", "acme", NOV, LEDGER_OPEN};
    desk->parties[desk->books.parties_length++] = (struct party_terms){"other", "landlord", NOV, LEDGER_OPEN};
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + HOUR);
    *stay(desk, "lab/x/web-1", USAGE_SERVING, NOV, NOV + HOUR) = (struct stay){
        "lab/x/web-1", "lab", "lab/x", "web", "h1", USAGE_SERVING, {500, 1 << 20, 0, 0}, NOV, NOV + HOUR};
    gave(desk, 8000, 1000, NOV, NOV + HOUR);
    struct bill bill = bill_of(desk, "acme", NOV, NOV + DAY);
    assert_int_equal(bill.lines_length, 2);
    bill = bill_of(desk, "lab", NOV, NOV + DAY);
    assert_int_equal(bill.lines_length, 1);
    assert_string_equal(bill.lines[0].farm, "lab/x");
    assert_int_equal(bill.lines[0].use, USE_NO_SLA);
    assert_true(bill.proof.holds); /* it is of all farms, whoever asks */
    assert_true(bill.proof.own[0] == (amount_ms)500 * HOUR);
    bill = bill_of(desk, "other", NOV, NOV + DAY);
    assert_int_equal(bill.lines_length, 0);
    assert_true(bill_party_is_below(&desk->books, "lab", "acme"));
    assert_false(bill_party_is_below(&desk->books, "acme", "lab"));
    assert_false(bill_party_is_known(&desk->books, "nobody"));
    arena_free(desk->arena);
}

/* The proof can fail: a millisecond more or less of one row, a row too many, a host that shrank. */
static void test_proof(void **state)
{
    for (int tamper = 0; tamper < 6; tamper++) {
        struct desk *desk = desk_new();
        struct stay *row = stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV, NOV + HOUR);
        stay(desk, "acme/shop/web-2", USAGE_TRANSITION, NOV + HOUR / 2, LEDGER_OPEN);
        gave(desk, 8000, 500, NOV, NOV + HOUR / 2);
        gave(desk, 8000, 1000, NOV + HOUR / 2, NOV + HOUR);
        gave(desk, tamper == 5 ? 400 : 8000, 500, NOV + HOUR, LEDGER_OPEN);
        if (tamper == 1) row->to_ms--;
        if (tamper == 2) row->from_ms++;
        if (tamper == 3) stay(desk, "acme/shop/web-1", USAGE_WARM, NOV, NOV + 1);
        if (tamper == 4) desk->hosts[1].given.memory_bytes++;
        struct bill_proof proof = bill_of(desk, "landlord", NOV, NOV + 2 * HOUR).proof;
        assert_int_equal(proof.holds, tamper == 0 || tamper == 5);
        assert_int_equal(proof.fault[0] == '\0', proof.holds);
        if (tamper == 0) {
            assert_true(proof.given[0] == (amount_ms)500 * HOUR + (amount_ms)500 * (HOUR + HOUR / 2));
            assert_string_equal(bill_proof_text(desk->arena, &proof, 0),
                                "16.000 cpu-hours had = 1.250 given + 14.750 idle, to the millisecond");
        }
        if (tamper == 5)
            assert_string_equal(
                bill_proof_text(desk->arena, &proof, 0),
                "8.400 cpu-hours had + 0.100 given beyond that = 1.250 given + 7.250 idle, to "
                "the millisecond");
        arena_free(desk->arena);
    }
}

/* Against counting each millisecond, on books made by lot; and bills of two parts are the bill of the whole.
 */
static void test_by_lot(void **state)
{
    enum { SPAN = 400 };
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct desk *desk = desk_new();
        int64_t start = NOV + DAY - SPAN / 2, want[BILL_USES] = {0}, split = 1 + rand() % (SPAN - 1);
        int64_t change = rand() % SPAN;
        struct tier_terms later = {"web", rand() % 3, 3, 5, 5};
        desk->farms[0].to_ms = start + change;
        desk->farms[desk->books.farms_length++] =
            (struct farm_terms){"acme/shop", "acme", "gold", &later, 1, start + change, LEDGER_OPEN};
        desk->tier.wanted = rand() % 5;
        for (int i = 0, length = rand() % 12; i < length; i++) {
            int64_t from = rand() % SPAN, to = from + 1 + rand() % (SPAN - (int)from);
            stay(desk, arena_printf(desk->arena, "acme/shop/web-%d", i % 9), USAGE_SERVING, start + from,
                 start + to);
        }
        for (int64_t ms = 0; ms < SPAN; ms++) {
            const struct tier_terms *terms = ms < change ? &desk->tier : &later;
            int64_t serving = 0;
            for (size_t i = 0; i < desk->books.usages_length; i++)
                serving += desk->stays[i].from_ms <= start + ms && start + ms < desk->stays[i].to_ms;
            for (int64_t nth = 0; nth < serving; nth++)
                want[nth >= terms->wanted      ? USE_SURPLUS
                     : nth < terms->committed  ? USE_COMMITTED
                     : nth < terms->guaranteed ? USE_GUARANTEED
                                               : USE_EXTENDED]++;
        }
        struct bill whole = bill_of(desk, "landlord", start, start + SPAN);
        struct bill first = bill_of(desk, "landlord", start, start + split);
        struct bill second = bill_of(desk, "landlord", start + split, start + SPAN);
        for (size_t use = 0; use < BILL_USES; use++) {
            assert_int_equal(time_at(&whole, (enum bill_use)use), want[use]);
            assert_int_equal(intervals_at(&whole, (enum bill_use)use), want[use]);
            assert_int_equal(time_at(&first, (enum bill_use)use) + time_at(&second, (enum bill_use)use),
                             want[use]);
        }
        int64_t fees[3] = {0};
        const struct bill *bills[] = {&whole, &first, &second};
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; line_of(bills[i], CHARGE_FEE, USE_GUARANTEED, k) != &no_line; k++)
                fees[i] += line_of(bills[i], CHARGE_FEE, USE_GUARANTEED, k)->times;
        assert_int_equal(fees[0], fees[1] + fees[2]);
        arena_free(desk->arena);
    }
}

/* Against trying all counts, on uses made by lot. */
static void test_suggest(void **state)
{
    enum { SPAN = 48 };
    srand(11);
    for (int round = 0; round < 400; round++) {
        static const char *const rates[] = {"0.01 EUR", "0.02 EUR", "0.03 EUR", "0.06 EUR", ""};
        static const char *const fees[] = {"0.05 EUR", "0.2 EUR", "0 EUR"};
        struct desk *desk = desk_new();
        struct sla *sla = &desk->slas[0].sla;
        int64_t served[SPAN] = {0}, best = INT64_MAX, peak = 0, day = NOV + DAY;
        for (size_t i = 0; i < LEVELS; i++)
            sla->levels[i].rate = money(rates[rand() % (i == LEVEL_EXTENDED ? 4 : 5)]);
        sla->levels[LEVEL_GUARANTEED].fee = money(fees[rand() % 3]);
        sla->levels[LEVEL_EXTENDED].fee = money(fees[rand() % 3]);
        desk->tier = (struct tier_terms){"web", 6, 6, 6, 6};
        stay(desk, "acme/shop/web-0", USAGE_SERVING, day, day + HOUR);
        for (int i = 0, length = rand() % 6; i < length; i++) {
            int64_t from = rand() % SPAN, to = from + 1 + rand() % (SPAN - (int)from);
            stay(desk, "acme/shop/web-1", USAGE_SERVING, day + from * DAY / SPAN, day + to * DAY / SPAN);
        }
        for (int64_t t = 0; t < SPAN; t++) {
            for (size_t i = 0; i < desk->books.usages_length; i++)
                served[t] += desk->stays[i].from_ms <= day + t * DAY / SPAN &&
                             day + t * DAY / SPAN < desk->stays[i].to_ms;
            if (served[t] > peak) peak = served[t];
        }
        for (int64_t c = 0; c <= 6; c++)
            for (int64_t g = c; g <= 6; g++) {
                int64_t cost = 0, guaranteed = 0, extended = 0; /* half hours */
                for (int64_t t = 0; t < SPAN; t++) {
                    int64_t left = served[t] > c ? served[t] - c : 0, of = left < g - c ? left : g - c;
                    guaranteed += of;
                    extended += left - of;
                }
                const struct sla_level *l = sla->levels;
                bool offered =
                    (c == 0 || l[0].rate.currency[0]) && (guaranteed == 0 || l[1].rate.currency[0]);
                cost = (c * SPAN * l[0].rate.micros + guaranteed * l[1].rate.micros +
                        extended * l[2].rate.micros) /
                           2 +
                       (guaranteed ? l[1].fee.micros : 0) + (extended ? l[2].fee.micros : 0);
                if ((offered || c == 6) && cost < best) best = cost; /* c is 6 now, whatever is offered */
            }
        struct suggestion made;
        struct error err;
        if (!bill_suggest(desk->arena, &desk->books, "acme/shop", NOV + 2 * DAY + HOUR, &made, &err))
            fail_msg("%s", err.message);
        assert_int_equal(made.cost_best.micros, best);
        assert_true(made.cost_now.micros >= best);
        assert_int_equal(made.tiers[0].peak, peak);
        assert_true(made.tiers[0].best.committed <= made.tiers[0].best.guaranteed &&
                    made.tiers[0].best.max >= peak);
        arena_free(desk->arena);
    }
}

/* What it says of the time in between is only of the time in which something served. */
static void test_suggest_begins(void **state)
{
    struct desk *desk = desk_new();
    struct suggestion made;
    struct error err;

    desk->tier = (struct tier_terms){"web", 1, 1, 2, 2};
    desk->slas[0].sla.levels[LEVEL_COMMITTED].rate = money("0.01 EUR");
    stay(desk, "acme/shop/web-1", USAGE_SERVING, NOV + DAY + HOUR, NOV + DAY + 2 * HOUR);
    assert_true(bill_suggest(desk->arena, &desk->books, "acme/shop", NOV + 2 * DAY + HOUR, &made, &err));
    assert_int_equal(made.from_ms, NOV + DAY + HOUR);
    assert_int_equal(made.to_ms, NOV + 2 * DAY);
    arena_free(desk->arena);
}

static void test_suggest_refuses(void **state)
{
    struct desk *desk = desk_new();
    struct suggestion made;
    struct error err;

    assert_false(bill_suggest(desk->arena, &desk->books, "acme/nothing", NOV + DAY, &made, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(bill_suggest(desk->arena, &desk->books, "acme/shop", NOV + DAY, &made, &err));
    assert_string_equal(err.message, "nothing of acme/shop has served in this day or the last");
    desk->farms[0].sla = "";
    assert_false(bill_suggest(desk->arena, &desk->books, "acme/shop", NOV + DAY, &made, &err));
    assert_string_equal(err.message, "acme/shop has no service level, and so costs nothing");
    arena_free(desk->arena);
}

static void test_calendar(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* since NOV */
    } good[] = {
        {"2026-11", 0},
        {"2026-11-01", 0},
        {"2026-11-01T00:00:00Z", 0},
        {"2026-11-01T02:00:00.250+02:00", 250},
        {"2026-10-31T22:30:00-01:30", 0},
        {"2026-11-01t00:00:00z", 0},
        {"2026-12", 30 * DAY},
        {"2028-02-29", 485 * DAY},
    };
    static const char *const bad[] = {
        "2026-02-30",
        "2026-13",
        "2026-00",
        "2026-11-31",
        "2026-02-29",
        "2026",
        "2026-1",
        "2026-11-1",
        "2026-11-01T24:00:00Z",
        "2026-11-01T00:00:00",
        "2026-11T00:00:00Z",
        "2026-11-01T00:00Z",
        "",
        "now",
        "2026-11-01T00:00:00.Z",
        "2026-11-01 ",
        "1900-02-29",
        "2026-11-01T00:00:00+25:00",
    };
    int64_t ms = 0;
    struct error err;

    for (size_t i = 0; i < LENGTH(good); i++) {
        if (!moment_parse(good[i].text, &ms, &err)) fail_msg("%s", err.message);
        assert_int_equal(ms - NOV, good[i].ms);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        if (moment_parse(bad[i], &ms, &err)) fail_msg("%s", bad[i]);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_null(strchr(err.message, '\n'));
    }
    assert_true(!moment_parse("2026-02-30", &ms, &err));
    assert_string_equal(err.message, "\"2026-02-30\": 2026-02 has no day 30, it has 1 to 28");
    assert_int_equal(period_begins_ms(PERIOD_WEEK, NOV), NOV - 6 * DAY); /* Monday 2026-10-26 */
    assert_int_equal(period_ends_ms(PERIOD_WEEK, NOV), NOV + DAY);
    assert_int_equal(period_begins_ms(PERIOD_MONTH, NOV - 1), NOV - 31 * DAY);
    assert_int_equal(period_ends_ms(PERIOD_MONTH, NOV), NOV + 30 * DAY);
    /* every day of 800 years belongs to one month, and months follow each other */
    for (int64_t at = period_begins_ms(PERIOD_MONTH, -400 * 366 * DAY); at < 400 * 366 * DAY;
         at = period_ends_ms(PERIOD_MONTH, at)) {
        assert_int_equal(period_begins_ms(PERIOD_MONTH, at), at);
        assert_int_equal(period_begins_ms(PERIOD_MONTH, period_ends_ms(PERIOD_MONTH, at) - 1), at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),         cmocka_unit_test(test_surplus),
        cmocka_unit_test(test_rates_change),   cmocka_unit_test(test_fees),
        cmocka_unit_test(test_credits),        cmocka_unit_test(test_credit_of_worst_tier),
        cmocka_unit_test(test_rounding),       cmocka_unit_test(test_minor_units),
        cmocka_unit_test(test_sites),          cmocka_unit_test(test_currencies),
        cmocka_unit_test(test_parties),        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_by_lot),         cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_suggest),        cmocka_unit_test(test_suggest_refuses),
        cmocka_unit_test(test_suggest_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
