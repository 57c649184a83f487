/* A forecast as JSON: numbers as their bits, so that nothing is lost on the way. */
#include "plan/share/forecast.h"

#include "base/text.h"
#include "model/node.h"

#include <string.h>

enum { VERSION = 1, HEX_DIGITS = 16 };

struct part {
    const char *key;
    size_t offset;
    size_t length;
    bool whole; /* int64_t, in decimal; else double */
};
#define PART(key, field, whole)                                                                   \
    {                                                                                             \
        key, offsetof(struct forecast, field), sizeof(((struct forecast *)0)->field) / 8, (whole) \
    }

static const struct part parts[] = {
    PART("seen_ms", seen_ms, true),
    PART("ahead", ahead, true),
    PART("level", level, false),
    PART("seconds", seconds, false),
    PART("drift_up", drift_up, false),
    PART("drift_down", drift_down, false),
    PART("dispersion", dispersion, false),
    PART("window", window, true),
    PART("sum", sum, false),
    PART("sum_ms", sum_ms, false),
    PART("peak", peak, false),
    PART("windows", windows, false),
    PART("floor", floor, false),
    PART("last", last, false),
    PART("quick", quick, false),
    PART("slow", slow, false),
    PART("trended", trended, false),
    PART("trend", trend, false),
    PART("seasonal", seasonal, false),
    PART("spread", spread, false),
    PART("expected_for", expected_for, true),
    PART("expected", expected, false),
    PART("error", error, false),
    PART("band", band, false),
    PART("slot_sum", slot_sum, false),
    PART("slot_windows", slot_windows, false),
    PART("base", base, false),
    PART("slots", slots, false),
    PART("season", season, true),
};

static bool read_part(const struct part *part, const struct node *node, struct forecast *forecast);
static bool read_bits(const char *text, uint64_t *ret_bits);
static bool is_number(uint64_t bits);

void forecast_write(const struct forecast *forecast, struct buf *ret_json)
{
    buf_printf(ret_json, "{\"version\":%d", VERSION);
    for (size_t i = 0; i < LENGTH(parts); i++) {
        const struct part *part = &parts[i];
        buf_printf(ret_json, ",\"%s\":[", part->key);
        for (size_t k = 0; k < part->length; k++) {
            const char *at = (const char *)forecast + part->offset + k * sizeof(uint64_t);
            uint64_t bits;
            memcpy(&bits, at, sizeof(bits));
            if (k > 0) buf_add_char(ret_json, ',');
            if (part->whole)
                buf_printf(ret_json, "%lld", (long long)bits);
            else
                buf_printf(ret_json, bits ? "\"%016llx\"" : "\"\"", (unsigned long long)bits);
        }
        buf_add_char(ret_json, ']');
    }
    buf_add_char(ret_json, '}');
}

bool forecast_read(struct arena *arena, const char *json, size_t size, struct forecast *ret_forecast,
                   struct error *err)
{
    struct forecast forecast = {0};
    struct node node;

    if (!node_from_json(arena, json, size, &node, err)) return error_wrap(err, "forecast");
    if (node_int(&node, "version", 0) != VERSION)
        return error_set(err, ERROR_INVALID, "forecast: not of version %d: forget it, it is learned again",
                         VERSION);
    for (size_t i = 0; i < LENGTH(parts); i++)
        if (!read_part(&parts[i], node_get(&node, parts[i].key), &forecast))
            return error_set(err, ERROR_INVALID, "forecast: %s is damaged: forget it, it is learned again",
                             parts[i].key);
    if (forecast.window < 0 || forecast.ahead < 0 || forecast.ahead > FORECAST_AHEAD_MAX)
        return error_set(err, ERROR_INVALID, "forecast: damaged: forget it, it is learned again");
    *ret_forecast = forecast;
    return true;
}

static bool read_part(const struct part *part, const struct node *node, struct forecast *forecast)
{
    if (node == NULL || node->kind != NODE_LIST || node->length != part->length) return false;
    for (size_t k = 0; k < part->length; k++) {
        const struct node *item = &node->items[k];
        uint64_t bits = 0;
        if (part->whole) {
            struct node one = {.kind = NODE_MAP, .items = item, .length = 1};
            struct node value = *item;
            value.key = "n";
            one.items = &value;
            int64_t number = node_int(&one, "n", INT64_MIN);
            if (number == INT64_MIN) return false;
            memcpy(&bits, &number, sizeof(bits));
        } else if (item->kind != NODE_STRING || !read_bits(item->text, &bits) || !is_number(bits)) {
            return false;
        }
        memcpy((char *)forecast + part->offset + k * sizeof(bits), &bits, sizeof(bits));
    }
    return true;
}

static bool read_bits(const char *text, uint64_t *ret_bits)
{
    uint64_t bits = 0;
    size_t size = strlen(text);

    if (size != 0 && size != HEX_DIGITS) return false;
    for (size_t i = 0; i < size; i++) {
        int digit = text_hex_digit(text[i]);
        if (digit < 0) return false;
        bits = bits << 4 | (uint64_t)digit;
    }
    *ret_bits = bits;
    return true;
}

/* Neither infinite nor NaN (IEEE 754: an exponent of ones). */
static bool is_number(uint64_t bits)
{
    return (bits >> 52 & 0x7ff) != 0x7ff;
}
