/* `croft bill`: what was used and what it costs, as a table, as JSON, or by the FOCUS columns. */
#include "base/money.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row by the FinOps Open Cost and Usage Specification 1.2, in the order of their names
 * (https://focus.finops.org/focus-specification/v1-2/): all columns that are mandatory there, and those of
 * the others that a grid has something to say to, or whose condition it fulfils. What is null there is empty
 * here. */
struct focus {
    struct cli *cli;
    struct span bill;
};
enum focus_column {
    BILLED_COST,
    BILLING_ACCOUNT_ID,
    BILLING_ACCOUNT_NAME,
    BILLING_CURRENCY,
    BILLING_PERIOD_END,
    BILLING_PERIOD_START,
    CHARGE_CATEGORY,
    CHARGE_CLASS,
    CHARGE_DESCRIPTION,
    CHARGE_FREQUENCY,
    CHARGE_PERIOD_END,
    CHARGE_PERIOD_START,
    CONSUMED_QUANTITY,
    CONSUMED_UNIT,
    CONTRACTED_COST,
    CONTRACTED_UNIT_PRICE,
    EFFECTIVE_COST,
    INVOICE_ISSUER_NAME,
    LIST_COST,
    LIST_UNIT_PRICE,
    PRICING_CATEGORY,
    PRICING_QUANTITY,
    PRICING_UNIT,
    PROVIDER_NAME,
    PUBLISHER_NAME,
    REGION_ID,
    REGION_NAME,
    RESOURCE_ID,
    RESOURCE_NAME,
    RESOURCE_TYPE,
    SERVICE_CATEGORY,
    SERVICE_NAME,
    SERVICE_SUBCATEGORY,
    SKU_ID,
    SKU_METER,
    SKU_PRICE_DETAILS,
    SKU_PRICE_ID,
    SUB_ACCOUNT_ID,
    SUB_ACCOUNT_NAME,
    TAGS,
    FOCUS_COLUMNS,
};
static const char *const focus_names[FOCUS_COLUMNS] = {
    "BilledCost",         "BillingAccountId",
    "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd",   "BillingPeriodStart",
    "ChargeCategory",     "ChargeClass",
    "ChargeDescription",  "ChargeFrequency",
    "ChargePeriodEnd",    "ChargePeriodStart",
    "ConsumedQuantity",   "ConsumedUnit",
    "ContractedCost",     "ContractedUnitPrice",
    "EffectiveCost",      "InvoiceIssuerName",
    "ListCost",           "ListUnitPrice",
    "PricingCategory",    "PricingQuantity",
    "PricingUnit",        "ProviderName",
    "PublisherName",      "RegionId",
    "RegionName",         "ResourceId",
    "ResourceName",       "ResourceType",
    "ServiceCategory",    "ServiceName",
    "ServiceSubcategory", "SkuId",
    "SkuMeter",           "SkuPriceDetails",
    "SkuPriceId",         "SubAccountId",
    "SubAccountName",     "Tags",
};

static const char *bill_path(struct cli *cli);
static void print_table(struct cli *cli, struct span bill);
static void print_lines(struct cli *cli, struct span bill);
static void print_intervals(struct cli *cli, struct span bill);
static void print_sums(struct cli *cli, struct span bill);
static const char *cut_zeros(struct arena *arena, const char *decimal);
static void print_focus(struct cli *cli, struct span bill);
static void focus_common(struct focus *focus, const char *party, const char *currency, const char *amount,
                         const char **cells);
static void focus_use(struct focus *focus, struct span line, const char **cells);
static void focus_other(struct focus *focus, struct span line, const char **cells);
static void focus_rounding(struct focus *focus, struct span invoice, const char **cells);
static const char *focus_tags(struct arena *arena, struct span line);
static const char *focus_time(struct arena *arena, struct span object, const char *key);
static const char *in_minor_units(struct arena *arena, struct span object);
static long long micros_of(const char *decimal);
static void print_csv(FILE *out, const char *const *cells);
static bool is_nothing(const char *decimal);

int bill_run(struct cli *cli)
{
    const char *output = arguments_text(cli->arguments, "output");
    struct client_reply reply;
    struct node node;
    struct error err;

    if (!cli_ask_text(cli, "GET", bill_path(cli), NULL, &reply, &err)) return cli_fail(cli, &err);
    struct span bill = span_of(reply.body, reply.body_size);
    if (output && text_equal(output, "csv")) {
        print_focus(cli, bill);
    } else if (cli->format == OUTPUT_JSON) {
        fwrite(reply.body, 1, reply.body_size, cli->out);
        fputc('\n', cli->out);
    } else if (cli->format == OUTPUT_YAML) {
        if (!node_from_json(cli->arena, reply.body, reply.body_size, &node, &err)) return cli_fail(cli, &err);
        cli_print_node(cli, &node);
    } else {
        print_table(cli, bill);
    }
    /* A bill that does not prove itself is no bill. */
    struct span proof = span_get(bill, "proof");
    if (text_equal(span_get_text(cli->arena, proof, "holds"), "true")) return 0;
    error_set(&err, ERROR_FAILED, "the books do not agree: %s", span_get_text(cli->arena, proof, "fault"));
    return cli_fail(cli, &err);
}

static const char *bill_path(struct cli *cli)
{
    static const char *const names[] = {"party", "from", "to"};
    const char *path = "/v1/bill", *mark = "?";

    for (size_t i = 0; i < LENGTH(names); i++) {
        const char *value = arguments_text(cli->arguments, names[i]);
        if (!value) continue;
        path = arena_printf(cli->arena, "%s%s%s=%s", path, mark, names[i], cli_escape(cli, value));
        mark = "&";
    }
    if (arguments_has(cli->arguments, "intervals"))
        path = arena_printf(cli->arena, "%s%sintervals=1", path, mark);
    return path;
}

static void print_table(struct cli *cli, struct span bill)
{
    fprintf(cli->out, "%s, from %s to %s\n\n", span_get_text(cli->arena, bill, "party"),
            span_get_text(cli->arena, bill, "from"), span_get_text(cli->arena, bill, "to"));
    print_lines(cli, bill);
    if (arguments_has(cli->arguments, "intervals")) print_intervals(cli, bill);
    print_sums(cli, bill);
}

static void print_intervals(struct cli *cli, struct span bill)
{
    static const struct column columns[] = {{"INSTANCE", COLUMN_TEXT, 0}, {"FOR", COLUMN_TEXT, 0},
                                            {"SLA", COLUMN_TEXT, 1},      {"HOST", COLUMN_TEXT, 1},
                                            {"FROM", COLUMN_TEXT, 0},     {"TO", COLUMN_TEXT, 0}};
    static const char *const keys[] = {"instance", "use", "sla", "host", "from", "to"};
    struct table *table = table_new(columns, LENGTH(columns));
    CLEANUP_BUF struct buf text = {0};
    struct span interval;

    for (size_t cursor = 0; span_next(span_get(bill, "intervals"), &cursor, &interval);) {
        const char *cells[LENGTH(keys)];
        for (size_t i = 0; i < LENGTH(keys); i++)
            cells[i] = span_get_text(cli->arena, interval, keys[i]);
        table_row(table, cells);
    }
    table_print(table, &cli->style, &text);
    table_free(table);
    fprintf(cli->out, "\n%s", buf_text(&text));
}

static void print_lines(struct cli *cli, struct span bill)
{
    static const struct column columns[] = {{"FARM", COLUMN_TEXT, 0},    {"TIER", COLUMN_TEXT, 0},
                                            {"FOR", COLUMN_TEXT, 0},     {"HOURS", COLUMN_NUMBER, 0},
                                            {"PRICE", COLUMN_NUMBER, 1}, {"AMOUNT", COLUMN_NUMBER, 0},
                                            {"", COLUMN_PROSE, 1}};
    struct arena *arena = cli->arena;
    struct table *table = table_new(columns, LENGTH(columns));
    CLEANUP_BUF struct buf text = {0};
    struct span lines = span_get(bill, "lines"), line;

    for (size_t cursor = 0; span_next(lines, &cursor, &line);) {
        const char *currency = span_get_text(arena, line, "currency"), *amount = NULL, *price = NULL;
        const char *charge = span_get_text(arena, line, "charge");
        bool is_use = text_equal(charge, "use"), is_credit = text_equal(charge, "credit");
        if (currency[0]) {
            amount = arena_printf(arena, "%s %s", span_get_text(arena, line, "amount"), currency);
            price = cut_zeros(arena, span_get_text(arena, line, "price"));
        }
        table_row(table, (const char *const[]){
                             span_get_text(arena, line, "farm"), span_get_text(arena, line, "tier"),
                             is_use ? span_get_text(arena, line, "use") : charge,
                             is_use ? cut_zeros(arena, span_get_text(arena, line, "hours")) : NULL,
                             is_credit ? NULL : price, amount, span_get_text(arena, line, "text")});
    }
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
}

static void print_sums(struct cli *cli, struct span bill)
{
    struct arena *arena = cli->arena;
    struct span item, proof = span_get(bill, "proof");

    fputc('\n', cli->out);
    for (size_t cursor = 0; span_next(span_get(bill, "invoices"), &cursor, &item);) {
        const char *currency = span_get_text(arena, item, "currency");
        fprintf(cli->out, "invoice: %s owes %s %s (%s exact, rounded once, halves to even)\n",
                span_get_text(arena, item, "party"), in_minor_units(arena, item), currency,
                span_get_text(arena, item, "exact"));
    }
    for (size_t cursor = 0; span_next(span_get(bill, "totals"), &cursor, &item);) {
        fprintf(cli->out, "total: %s %s\n", in_minor_units(arena, item),
                span_get_text(arena, item, "currency"));
    }
    for (size_t cursor = 0; span_next(span_get(proof, "dimensions"), &cursor, &item);) {
        const char *had = span_get_text(arena, item, "had");
        if (is_nothing(had) && is_nothing(span_get_text(arena, item, "given"))) continue;
        fprintf(cli->out, "proof: %s\n", span_get_text(arena, item, "text"));
    }
}

/* The amount that was rounded to them: "12.340000" of EUR -> "12.34" */
static const char *in_minor_units(struct arena *arena, struct span object)
{
    const char *amount = span_get_text(arena, object, "amount");
    int decimals = money_decimals(span_get_text(arena, object, "currency"));
    const char *point = strchr(amount, '.');

    if (!point) return amount;
    return arena_strndup(arena, amount, (size_t)(point - amount) + (decimals > 0 ? 1 + (size_t)decimals : 0));
}

/* "1.500000" -> "1.5", "2.000000" -> "2" */
static const char *cut_zeros(struct arena *arena, const char *decimal)
{
    size_t size = strlen(decimal);

    if (!strchr(decimal, '.')) return decimal;
    while (decimal[size - 1] == '0')
        size--;
    if (decimal[size - 1] == '.') size--;
    return arena_strndup(arena, decimal, size);
}

static bool is_nothing(const char *decimal)
{
    return decimal[strspn(decimal, "0.-")] == '\0';
}

static void print_focus(struct cli *cli, struct span bill)
{
    struct focus focus = {cli, bill};
    struct arena *arena = cli->arena;
    struct span item;

    print_csv(cli->out, focus_names);
    for (size_t cursor = 0; span_next(span_get(bill, "lines"), &cursor, &item);) {
        const char *cells[FOCUS_COLUMNS] = {0};
        focus_common(&focus, span_get_text(arena, item, "party"), span_get_text(arena, item, "currency"),
                     span_get_text(arena, item, "amount"), cells);
        cells[CHARGE_DESCRIPTION] = span_get_text(arena, item, "text");
        cells[CHARGE_PERIOD_START] = focus_time(arena, item, "from");
        cells[CHARGE_PERIOD_END] = focus_time(arena, item, "to");
        cells[SUB_ACCOUNT_ID] = cells[SUB_ACCOUNT_NAME] = span_get_text(arena, item, "farm");
        cells[TAGS] = focus_tags(arena, item);
        if (text_equal(span_get_text(arena, item, "charge"), "use"))
            focus_use(&focus, item, cells);
        else
            focus_other(&focus, item, cells);
        print_csv(cli->out, cells);
    }
    for (size_t cursor = 0; span_next(span_get(bill, "invoices"), &cursor, &item);) {
        const char *cells[FOCUS_COLUMNS] = {0};
        focus_rounding(&focus, item, cells);
        if (cells[BILLED_COST]) print_csv(cli->out, cells);
    }
}

/* There are no discounts: what is billed is what was agreed to, and the list's. */
static void focus_common(struct focus *focus, const char *party, const char *currency, const char *amount,
                         const char **cells)
{
    struct arena *arena = focus->cli->arena;

    cells[BILLED_COST] = cells[EFFECTIVE_COST] = cells[CONTRACTED_COST] = cells[LIST_COST] = amount;
    cells[BILLING_ACCOUNT_ID] = cells[BILLING_ACCOUNT_NAME] = party;
    /* ISO 4217: the code for transactions where no currency is involved. */
    cells[BILLING_CURRENCY] = currency[0] ? currency
                                          : "X"
                                            "X"
                                            "X";
    cells[BILLING_PERIOD_START] = focus_time(arena, focus->bill, "from");
    cells[BILLING_PERIOD_END] = focus_time(arena, focus->bill, "to");
    cells[INVOICE_ISSUER_NAME] = cells[PROVIDER_NAME] = cells[PUBLISHER_NAME] = "landlord";
    cells[SERVICE_CATEGORY] = "Compute";
    cells[SERVICE_NAME] = "croft farms";
    cells[SERVICE_SUBCATEGORY] = "Other (Compute)"; /* containers, virtual machines, whole machines */
}

static void focus_use(struct focus *focus, struct span line, const char **cells)
{
    struct arena *arena = focus->cli->arena;
    const char *sla = span_get_text(arena, line, "sla"), *use = span_get_text(arena, line, "use");
    const char *price = span_get_text(arena, line, "price");

    cells[CHARGE_CATEGORY] = "Usage";
    cells[CHARGE_FREQUENCY] = "Usage-Based";
    cells[CONSUMED_QUANTITY] = cells[PRICING_QUANTITY] = span_get_text(arena, line, "hours");
    cells[CONSUMED_UNIT] = cells[PRICING_UNIT] = "Instance-Hours";
    cells[CONTRACTED_UNIT_PRICE] = cells[LIST_UNIT_PRICE] = price;
    cells[PRICING_CATEGORY] = "Standard";
    cells[RESOURCE_ID] =
        arena_printf(arena, "%s/%s", span_get_text(arena, line, "farm"), span_get_text(arena, line, "tier"));
    cells[RESOURCE_NAME] = span_get_text(arena, line, "tier");
    cells[RESOURCE_TYPE] = "Tier";
    cells[REGION_ID] = cells[REGION_NAME] = span_get_text(arena, line, "site");
    cells[SKU_METER] = "Instance Time";
    cells[SKU_ID] = arena_printf(arena, "%s%s%s", sla, sla[0] ? "/" : "", use);
    cells[SKU_PRICE_ID] = arena_printf(arena, "%s@%s %s", cells[SKU_ID], price, cells[BILLING_CURRENCY]);
}

/* Fees and what is paid back. */
static void focus_other(struct focus *focus, struct span line, const char **cells)
{
    struct arena *arena = focus->cli->arena;
    const char *sla = span_get_text(arena, line, "sla");

    cells[RESOURCE_ID] = cells[RESOURCE_NAME] = span_get_text(arena, line, "farm");
    cells[RESOURCE_TYPE] = "Farm";
    cells[CHARGE_FREQUENCY] = "One-Time";
    if (text_equal(span_get_text(arena, line, "charge"), "credit")) {
        cells[CHARGE_CATEGORY] = "Credit";
        return;
    }
    const char *price = span_get_text(arena, line, "price");
    cells[CHARGE_CATEGORY] = "Purchase";
    cells[PRICING_CATEGORY] = "Standard";
    cells[PRICING_QUANTITY] = span_get_text(arena, line, "times");
    cells[PRICING_UNIT] = "Entries";
    cells[CONTRACTED_UNIT_PRICE] = cells[LIST_UNIT_PRICE] = price;
    cells[SKU_METER] = "Level Entries";
    cells[SKU_ID] = arena_printf(arena, "%s/%s/fee", sla, span_get_text(arena, line, "use"));
    cells[SKU_PRICE_ID] = arena_printf(arena, "%s@%s %s", cells[SKU_ID], price, cells[BILLING_CURRENCY]);
}

/* The sum of BilledCost is what the invoice says: the specification asks for it, so what rounding does is a
 * row of its own. */
static void focus_rounding(struct focus *focus, struct span invoice, const char **cells)
{
    struct arena *arena = focus->cli->arena;
    long long more = micros_of(span_get_text(arena, invoice, "amount")) -
                     micros_of(span_get_text(arena, invoice, "exact"));

    if (more == 0) return;
    focus_common(focus, span_get_text(arena, invoice, "party"), span_get_text(arena, invoice, "currency"),
                 arena_printf(arena, "%s0.%06lld", more < 0 ? "-" : "", llabs(more)), cells);
    cells[CHARGE_CATEGORY] = "Adjustment";
    cells[CHARGE_DESCRIPTION] = "invoice rounded to the currency's minor unit, halves to even";
    cells[CHARGE_FREQUENCY] = "One-Time";
    cells[CHARGE_PERIOD_START] = cells[BILLING_PERIOD_START];
    cells[CHARGE_PERIOD_END] = cells[BILLING_PERIOD_END];
}

/* Of a number with six decimals. */
static long long micros_of(const char *decimal)
{
    const char *point = strchr(decimal, '.');
    long long whole = llabs(atoll(decimal)) * 1000000 + (point ? atoll(point + 1) : 0);
    return decimal[0] == '-' ? -whole : whole;
}

/* Keys of a provider have a prefix of its own. What has none is not there. */
static const char *focus_tags(struct arena *arena, struct span line)
{
    static const char *const keys[] = {"party", "farm", "tier"};
    CLEANUP_BUF struct buf json = {0};

    for (size_t i = 0; i < LENGTH(keys); i++) {
        const char *value = span_get_text(arena, line, keys[i]);
        if (!value[0]) continue;
        buf_printf(&json, "%s\"croft/%s\":", json.size ? "," : "{", keys[i]);
        buf_add_json_string(&json, value);
    }
    buf_add_char(&json, '}');
    return arena_strdup(arena, buf_text(&json));
}

/* FOCUS has whole seconds: YYYY-MM-DDTHH:mm:ssZ. */
static const char *focus_time(struct arena *arena, struct span object, const char *key)
{
    const char *time = span_get_text(arena, object, key);
    return arena_printf(arena, "%.19sZ", time);
}

/* RFC 4180. */
static void print_csv(FILE *out, const char *const *cells)
{
    for (size_t i = 0; i < FOCUS_COLUMNS; i++) {
        const char *cell = cells[i] ? cells[i] : "";
        if (i > 0) fputc(',', out);
        if (cell[strcspn(cell, ",\"\r\n")] == '\0') {
            fputs(cell, out);
            continue;
        }
        fputc('"', out);
        for (; *cell; cell++) {
            if (*cell == '"') fputc('"', out);
            fputc(*cell, out);
        }
        fputc('"', out);
    }
    fputs("\r\n", out);
}
