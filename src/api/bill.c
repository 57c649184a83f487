/* `bill`: what the books of a time come to. */
#include "api/internal.h"
#include "base/moment.h"
#include "base/text.h"
#include "control/usage.h"
#include "plan/bill/calendar.h"
#include "plan/bill/suggest.h"

#include <inttypes.h>
#include <string.h>

/* An answer in the making: a turn of the loop after the other, until the books are read. */
struct billing {
    struct asked *asked;
    struct usage_reading *reading;
    struct timer *turn; /* NULL: it is its turn */
    void (*answer)(struct billing *billing);
    struct bill_request request;
    const char *farm; /* of a suggestion */
};

static void bill(struct asked *asked);
static void suggest(struct asked *asked, const char *farm);
static void start(struct asked *asked, const struct billing *what, int64_t from_ms);
static void go_on(void *ctx);
static void cancel(struct asked *asked);
static void answer_bill(struct billing *billing);
static void answer_suggestion(struct billing *billing);
static void write_suggestion(const struct suggestion *made, const char *why, struct buf *ret_json);
static void write_count(struct buf *ret_json, const char *name, const struct count *count);
static bool read_times(struct asked *asked, struct bill_request *request, struct error *err);
static bool check_party(struct asked *asked, const struct books *books, const char *party, struct error *err);
static void write_bill(struct asked *asked, const struct bill_request *request, const struct bill *bill,
                       struct buf *ret_json);
static void write_intervals(const struct bill *bill, struct buf *ret_json);
static void write_line(struct asked *asked, const struct bill_line *line, struct buf *ret_json);
static void write_proof(struct asked *asked, const struct bill_proof *proof, bool whole,
                        struct buf *ret_json);
static void member(struct buf *ret_json, const char *name, const char *text);
static void time_member(struct buf *ret_json, const char *name, int64_t ms);
static void money_members(struct buf *ret_json, const char *name, const struct money *amount);
static void micros(struct buf *ret_json, int64_t micros);

bool route_bill(struct asked *asked)
{
    if (!text_equal(asked->method, "GET")) return false;
    if (text_equal(asked->path, "bill")) {
        bill(asked);
        return true;
    }
    const char *farm = path_between(asked, "farm", "/suggest");
    if (!farm || !strchr(farm, '/')) return false; /* a farm may be called so */
    suggest(asked, farm);
    return true;
}

static void bill(struct asked *asked)
{
    const char *party = query_text(asked, "party");
    struct billing billing = {.answer = answer_bill};
    struct error err;

    billing.request = (struct bill_request){.party = party ? party : asked->caller.party,
                                            .now_ms = usage_now_ms(asked->api->options.controller),
                                            .intervals = query_text(asked, "intervals") != NULL};
    if (!controller_allows(asked->api->options.controller, &asked->caller, DEED_LOOK, asked->caller.party,
                           NULL, &err) ||
        !read_times(asked, &billing.request, &err)) {
        answer_error(asked, &err);
        return;
    }
    start(asked, &billing, bill_reads_from_ms(billing.request.from_ms));
}

static void suggest(struct asked *asked, const char *farm)
{
    struct controller *controller = asked->api->options.controller;
    const struct record *record = mirror_get(controller_mirror(controller), RECORD_FARM, farm);
    const struct billing billing = {.answer = answer_suggestion, .farm = farm};
    struct error err;

    if (!record || !caller_may_see(asked->api->options.controller, &asked->caller, RECORD_FARM, record)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no farm %s", farm);
        answer_error(asked, &err);
        return;
    }
    start(asked, &billing, suggest_reads_from_ms(usage_now_ms(controller)));
}

static void start(struct asked *asked, const struct billing *what, int64_t from_ms)
{
    struct billing *billing = arena_alloc(asked->arena, sizeof(*billing));

    *billing = *what;
    billing->asked = asked;
    billing->reading = usage_reading_new(asked->api->options.controller, from_ms);
    asked->later = billing;
    asked_later(asked, cancel);
    go_on(billing);
}

static void go_on(void *ctx)
{
    struct billing *billing = ctx;
    struct asked *asked = billing->asked;
    const struct clock_port *clock = asked->api->options.clock;
    bool done = false;
    struct error err;

    billing->turn = NULL;
    if (!usage_read_on(billing->reading, &done, &err)) {
        usage_reading_free(billing->reading);
        answer_error(asked, &err);
    } else if (!done) {
        billing->turn = clock->after(clock->self, 0, go_on, billing);
    } else {
        struct usage_reading *reading = billing->reading;
        billing->answer(billing); /* the billing goes with it */
        usage_reading_free(reading);
    }
}

static void cancel(struct asked *asked)
{
    struct billing *billing = asked->later;
    const struct clock_port *clock = asked->api->options.clock;

    clock->cancel(clock->self, billing->turn);
    usage_reading_free(billing->reading);
}

static void answer_bill(struct billing *billing)
{
    struct asked *asked = billing->asked;
    struct bill_request *request = &billing->request;
    struct books books = usage_books(billing->reading);
    CLEANUP_BUF struct buf json = {0};
    struct bill made;
    struct error err;

    /* What goes on until now goes on until the books were read. */
    if (request->to_ms == request->now_ms) request->to_ms = usage_now_ms(asked->api->options.controller);
    request->now_ms = usage_now_ms(asked->api->options.controller);
    if (!check_party(asked, &books, request->party, &err) ||
        !bill_make(asked->arena, &books, request, &made, &err)) {
        answer_error(asked, &err);
        return;
    }
    write_bill(asked, request, &made, &json);
    answer_json(asked, 200, &json);
}

static void answer_suggestion(struct billing *billing)
{
    struct asked *asked = billing->asked;
    struct books books = usage_books(billing->reading);
    int64_t now_ms = usage_now_ms(asked->api->options.controller);
    CLEANUP_BUF struct buf json = {0};
    struct suggestion made;
    struct error err;

    const char *why = "";
    if (!bill_suggest(asked->arena, &books, billing->farm, now_ms, &made, &err)) {
        if (err.code != ERROR_REFUSED) {
            answer_error(asked, &err);
            return;
        }
        /* The farm is there, and nothing can be suggested: that is an answer. */
        made = (struct suggestion){.farm = billing->farm, .sla = "", .from_ms = now_ms, .to_ms = now_ms};
        why = err.message;
    }
    write_suggestion(&made, why, &json);
    answer_json(asked, 200, &json);
}

static void write_suggestion(const struct suggestion *made, const char *why, struct buf *ret_json)
{
    buf_add_char(ret_json, '{');
    member(ret_json, "farm", made->farm);
    member(ret_json, ",sla", made->sla);
    member(ret_json, ",reason", why);
    time_member(ret_json, ",from", made->from_ms);
    time_member(ret_json, ",to", made->to_ms);
    member(ret_json, ",currency", made->cost_now.currency);
    money_members(ret_json, "cost", &made->cost_now);
    money_members(ret_json, "cost_best", &made->cost_best);
    buf_add_text(ret_json, ",\"saving\":");
    micros(ret_json, made->cost_now.micros - made->cost_best.micros);
    buf_add_text(ret_json, ",\"tiers\":[");
    for (size_t i = 0; i < made->tiers_length; i++) {
        const struct suggested_tier *tier = &made->tiers[i];
        buf_add_text(ret_json, i > 0 ? ",{" : "{");
        member(ret_json, "name", tier->tier);
        buf_printf(ret_json, ",\"peak\":%" PRId64, tier->peak);
        write_count(ret_json, "count", &tier->now);
        write_count(ret_json, "best", &tier->best);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "]}");
}

static void write_count(struct buf *ret_json, const char *name, const struct count *count)
{
    buf_printf(ret_json, ",\"%s\":{\"committed\":%" PRId64 ",\"guaranteed\":%" PRId64 ",\"max\":%" PRId64 "}",
               name, count->committed, count->guaranteed, count->max);
}

/* A time to come has no bill yet; one that begins now and ends later has it until now. */
static bool read_times(struct asked *asked, struct bill_request *request, struct error *err)
{
    const char *from = query_text(asked, "from"), *to = query_text(asked, "to");
    char time[32];

    request->to_ms = request->now_ms;
    if (to && !moment_parse(to, &request->to_ms, err)) return error_wrap(err, "to");
    request->from_ms = period_begins_ms(PERIOD_MONTH, request->to_ms - 1);
    if (from && !moment_parse(from, &request->from_ms, err)) return error_wrap(err, "from");
    if (request->from_ms > request->now_ms)
        return error_set(err, ERROR_USAGE, "from: %s is still to come: it is %s", from,
                         text_format_time(time, request->now_ms));
    if (request->from_ms >= request->to_ms)
        return error_set(err, ERROR_USAGE,
                         "from %s to %s: there is no time between; `to` is not part of it: all of November "
                         "is from 2026-11 to 2026-12",
                         from ? from : "the beginning of the month", to ? to : "now");
    if (request->from_ms < 0) return error_set(err, ERROR_USAGE, "from: there are no bills before 1970");
    int64_t kept_ms = usage_kept_from_ms(asked->api->options.controller);
    if (request->from_ms < kept_ms)
        return error_set(err, ERROR_USAGE, "from: books from before %s are dropped: ask for what was later",
                         text_format_time(time, kept_ms));
    if (request->to_ms > request->now_ms) request->to_ms = request->now_ms;
    return true;
}

static bool check_party(struct asked *asked, const struct books *books, const char *party, struct error *err)
{
    if (bill_party_is_below(books, party, asked->caller.party) && bill_party_is_known(books, party))
        return true;
    return error_set(err, ERROR_NOT_FOUND, "there is no party %s", party);
}

static void write_bill(struct asked *asked, const struct bill_request *request, const struct bill *bill,
                       struct buf *ret_json)
{
    buf_add_char(ret_json, '{');
    member(ret_json, "party", request->party);
    time_member(ret_json, ",from", bill->from_ms);
    time_member(ret_json, ",to", bill->to_ms);
    time_member(ret_json, ",now", request->now_ms);
    buf_add_text(ret_json, ",\"invoices\":[");
    for (size_t i = 0; i < bill->invoices_length; i++) {
        const struct bill_invoice *invoice = &bill->invoices[i];
        buf_add_text(ret_json, i > 0 ? ",{" : "{");
        member(ret_json, "party", invoice->party);
        member(ret_json, ",currency", invoice->amount.currency);
        money_members(ret_json, "exact", &invoice->exact);
        money_members(ret_json, "amount", &invoice->amount);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],\"lines\":[");
    for (size_t i = 0; i < bill->lines_length; i++) {
        if (i > 0) buf_add_text(ret_json, ",\n");
        write_line(asked, &bill->lines[i], ret_json);
    }
    buf_add_text(ret_json, "],\"totals\":[");
    for (size_t i = 0; i < bill->totals_length; i++) {
        buf_add_text(ret_json, i > 0 ? ",{" : "{");
        member(ret_json, "currency", bill->totals[i].currency);
        money_members(ret_json, "amount", &bill->totals[i]);
        buf_add_char(ret_json, '}');
    }
    if (request->intervals) write_intervals(bill, ret_json);
    buf_add_text(ret_json, "],\"proof\":");
    write_proof(asked, &bill->proof, text_equal(asked->caller.party, PARTY_LANDLORD), ret_json);
    buf_add_char(ret_json, '}');
}

static void write_intervals(const struct bill *bill, struct buf *ret_json)
{
    buf_add_text(ret_json, "],\"intervals\":[");
    for (size_t i = 0; i < bill->intervals_length; i++) {
        const struct bill_interval *interval = &bill->intervals[i];
        buf_add_text(ret_json, i > 0 ? ",\n{" : "{");
        member(ret_json, "instance", interval->instance);
        member(ret_json, ",host", interval->host);
        member(ret_json, ",use", bill_use_names[interval->use]);
        member(ret_json, ",sla", interval->sla);
        time_member(ret_json, ",from", interval->from_ms);
        time_member(ret_json, ",to", interval->to_ms);
        buf_add_char(ret_json, '}');
    }
}

static void write_line(struct asked *asked, const struct bill_line *line, struct buf *ret_json)
{
    buf_add_char(ret_json, '{');
    member(ret_json, "charge", bill_charge_names[line->charge]);
    member(ret_json, ",use", bill_use_names[line->use]);
    member(ret_json, ",party", line->party);
    member(ret_json, ",farm", line->farm);
    member(ret_json, ",tier", line->tier);
    member(ret_json, ",sla", line->sla);
    member(ret_json, ",site", line->site);
    time_member(ret_json, ",from", line->from_ms);
    time_member(ret_json, ",to", line->to_ms);
    /* An hour has no more than nine decimals that matter here: 3.6 ms are a millionth. */
    buf_printf(
        ret_json, ",\"instance_ms\":%" PRId64 ",\"hours\":%" PRId64 ".%09" PRId64 ",\"times\":%" PRId64,
        line->instance_ms, line->instance_ms / 3600000, line->instance_ms % 3600000 * 2500 / 9, line->times);
    money_members(ret_json, "price", &line->price);
    member(ret_json, ",currency", line->amount.currency);
    money_members(ret_json, "amount", &line->amount);
    member(ret_json, ",text", bill_line_text(asked->arena, line));
    buf_add_char(ret_json, '}');
}

/* How large the grid is, is the landlord's affair: others are told of theirs, and whether all of it agrees.
 */
static void write_proof(struct asked *asked, const struct bill_proof *proof, bool whole, struct buf *ret_json)
{
    struct arena *arena = asked->arena;

    buf_printf(ret_json, "{\"holds\":%s", proof->holds ? "true" : "false");
    member(ret_json, ",fault",
           whole          ? proof->fault
           : proof->holds ? ""
                          : "the books of the grid do not agree");
    buf_add_text(ret_json, ",\"dimensions\":[");
    for (size_t d = 0; d < DIMENSIONS; d++) {
        buf_add_text(ret_json, d > 0 ? ",{" : "{");
        member(ret_json, "name", bill_dimension_names[d]);
        member(ret_json, ",unit", bill_dimension_units[d]);
        buf_printf(ret_json, ",\"given\":%s",
                   bill_sum_text(arena, whole ? proof->given[d] : proof->own[d], d));
        if (whole)
            buf_printf(ret_json, ",\"had\":%s,\"idle\":%s,\"over\":%s",
                       bill_sum_text(arena, proof->had[d], d), bill_sum_text(arena, proof->idle[d], d),
                       bill_sum_text(arena, proof->over[d], d));
        member(ret_json, ",text", whole ? bill_proof_text(arena, proof, d) : bill_own_text(arena, proof, d));
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "]}");
}

/* name: with a comma in front where it is not the first. */
static void member(struct buf *ret_json, const char *name, const char *text)
{
    bool first = name[0] != ',';
    buf_printf(ret_json, "%s\"%s\":", first ? "" : ",", first ? name : name + 1);
    buf_add_json_string(ret_json, text);
}

static void time_member(struct buf *ret_json, const char *name, int64_t ms)
{
    char time[32];
    member(ret_json, name, text_format_time(time, ms));
}

static void money_members(struct buf *ret_json, const char *name, const struct money *amount)
{
    buf_printf(ret_json, ",\"%s\":", name);
    micros(ret_json, amount->micros);
}

static void micros(struct buf *ret_json, int64_t amount)
{
    uint64_t size = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    buf_printf(ret_json, "%s%" PRIu64 ".%06" PRIu64, amount < 0 ? "-" : "", size / 1000000, size % 1000000);
}
