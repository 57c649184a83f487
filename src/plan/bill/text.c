/* Bills in words. */
#include "base/text.h"
#include "plan/bill/inside.h"

#include <inttypes.h>
#include <stdio.h>

enum { DECIMAL_SIZE = 64 };

const char *const bill_dimension_names[DIMENSIONS] = {"cpu", "memory", "disk", "network"};
const char *const bill_dimension_units[DIMENSIONS] = {"core-seconds", "byte-seconds", "byte-seconds", "bits"};

/* Of cores in thousandths, of bytes, of bits a second. */
static const int64_t parts[DIMENSIONS] = {1000, INT64_C(1) << 30, INT64_C(1) << 30, 1000000000};
static const char *const units[DIMENSIONS] = {"cpu-hours", "GiB-hours of memory", "GiB-hours of disk",
                                              "Gbit/s-hours of network"};

static const char *thousandths(struct arena *arena, amount_ms value);
static const char *level_text(struct arena *arena, const struct bill_line *line);

const char *bill_line_text(struct arena *arena, const struct bill_line *line)
{
    static const char *const free_texts[BILL_USES] = {
        [USE_NO_SLA] = "serving without a service level: costs nothing",
        [USE_BALANCER] = "balancer of the farm: costs nothing",
        [USE_SURPLUS] = "serving beyond what is wanted, beside a successor: costs nothing",
        [USE_WARM] = "waiting warm: costs nothing",
        [USE_TRANSITION] = "booting, draining, being wiped, or on a lost host: costs nothing"};
    char price[MONEY_TEXT_SIZE];

    if (line->charge == CHARGE_CREDIT) return line->text;
    if (line->charge == CHARGE_FEE)
        return arena_printf(arena, "entered %s of %s: %" PRId64 " %s %s", bill_use_names[line->use],
                            line->sla, line->times, line->times == 1 ? "time" : "times",
                            money_format(price, &line->price));
    return line->use < USE_LEVELS ? level_text(arena, line) : free_texts[line->use];
}

const char *bill_proof_text(struct arena *arena, const struct bill_proof *proof, size_t dimension)
{
    amount_ms unit = (amount_ms)parts[dimension] * HOUR_MS;
    amount_ms had = proof->had[dimension] * 1000 / unit, given = proof->given[dimension] * 1000 / unit;
    amount_ms over = proof->over[dimension] * 1000 / unit;
    /* Cut off alike, so that the printed numbers add up, too; what is compared is exact. */
    amount_ms idle = had + over - given;
    const char *beyond =
        over == 0 ? "" : arena_printf(arena, " + %s given beyond that", thousandths(arena, over));

    if (!proof->holds)
        return arena_printf(arena, "%s %s had%s, %s given, %s idle: the books do not agree: %s",
                            thousandths(arena, had), units[dimension], beyond, thousandths(arena, given),
                            thousandths(arena, proof->idle[dimension] * 1000 / unit), proof->fault);
    return arena_printf(arena, "%s %s had%s = %s given + %s idle, to the millisecond",
                        thousandths(arena, had), units[dimension], beyond, thousandths(arena, given),
                        thousandths(arena, idle));
}

const char *bill_own_text(struct arena *arena, const struct bill_proof *proof, size_t dimension)
{
    amount_ms own = proof->own[dimension] * 1000 / ((amount_ms)parts[dimension] * HOUR_MS);
    return arena_printf(arena, "%s %s given; the books of the whole grid %s", thousandths(arena, own),
                        units[dimension],
                        proof->holds ? "agree, to the millisecond" : "do not agree: ask the landlord");
}

const char *bill_sum_text(struct arena *arena, amount_ms sum, size_t dimension)
{
    amount_ms scale = dimension == 0 ? 1000000 : 1000; /* thousandths of cores; milliseconds */
    char text[DECIMAL_SIZE];
    size_t at = sizeof(text) - 1;
    bool negative = sum < 0;

    if (negative) sum = -sum;
    text[at] = '\0';
    for (amount_ms left = scale; left > 1; left /= 10, sum /= 10)
        text[--at] = (char)('0' + (int)(sum % 10));
    text[--at] = '.';
    do {
        text[--at] = (char)('0' + (int)(sum % 10));
        sum /= 10;
    } while (sum > 0);
    if (negative) text[--at] = '-';
    return arena_strdup(arena, text + at);
}

const char *bill_hours_text(struct arena *arena, int64_t instance_ms)
{
    return thousandths(arena, (amount_ms)instance_ms * 1000 / HOUR_MS);
}

/* "1,234.500" */
static const char *thousandths(struct arena *arena, amount_ms value)
{
    char text[DECIMAL_SIZE];
    size_t at = sizeof(text) - 1;
    bool negative = value < 0;
    int digits = 0;

    if (negative) value = -value;
    text[at] = '\0';
    for (; digits < 3; digits++, value /= 10)
        text[--at] = (char)('0' + (int)(value % 10));
    text[--at] = '.';
    digits = 0;
    do {
        if (digits > 0 && digits % 3 == 0) text[--at] = ',';
        text[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
        digits++;
    } while (value > 0);
    if (negative) text[--at] = '-';
    return arena_strdup(arena, text + at);
}

static const char *level_text(struct arena *arena, const struct bill_line *line)
{
    char price[MONEY_TEXT_SIZE];
    const char *level = bill_use_names[line->use];

    if (line->price.currency[0] == '\0')
        return arena_printf(arena, "%s, which %s does not offer: costs nothing", level, line->sla);
    return arena_printf(arena, "%s of %s: %s instance-hours at %s", level, line->sla,
                        bill_hours_text(arena, line->instance_ms), money_format(price, &line->price));
}
