/* How service was, minute by minute: what is paid back when a target is missed follows from it. */
#include "base/text.h"
#include "control/internal.h"
#include "control/usage.h"
#include "plan/bill/calendar.h"

#include <inttypes.h>
#include <string.h>

static const int64_t hour_ms = INT64_C(3600) * 1000, minute_ms_length = 60 * 1000;

/* A tier whose service is being noted. */
struct noting {
    struct controller *controller;
    struct change *change;
    struct arena *arena;
    const char *farm, *tier;
};

static bool read_hour(struct noting *noting, int64_t at_ms, const char **ret_key,
                      struct service_hour *ret_row, struct error *err);
static bool note_sum(struct noting *noting, int64_t minute_ms, const struct service_sum *more,
                     struct error *err);
static bool sum_up(struct noting *noting, int64_t last_ms, struct service_sum *sum, struct error *err);
static struct service_sum sum_of(const struct service_hour *row);
static bool staged_or_stored(struct noting *noting, const char *key, const char **ret_json,
                             struct error *err);
static const struct sla *sla_of(struct controller *controller, const struct farm *farm);

bool usage_note_service(struct controller *controller, struct change *change, const char *farm,
                        const char *tier, int64_t minute_ms, bool good, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    struct noting noting = {controller, change, arena, farm, tier};
    struct service_hour row;
    const char *key = NULL;

    if (!read_hour(&noting, minute_ms, &key, &row, err)) return false;
    struct service_sum was = sum_of(&row);
    int64_t bit = INT64_C(1) << (minute_ms - row.hour_ms) / minute_ms_length;
    row.seen |= bit;
    if (!good) row.missed |= bit;
    struct service_sum is = sum_of(&row);
    if (was.seen == is.seen && was.missed == is.missed) return true; /* told again */
    schema_write(&schema_service_hour, NULL, &row, &json);
    change_put_text(change, key, buf_text(&json));
    is.seen -= was.seen;
    is.missed -= was.missed;
    return note_sum(&noting, minute_ms, &is, err);
}

bool usage_kept(struct controller *controller, const struct farm *farm, struct usage_kept *ret_kept)
{
    const struct sla *sla = sla_of(controller, farm);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec items = VEC_OF(struct store_item);
    struct usage_kept worst = {0};
    struct error err;

    if (!sla || sla->target.response_ms == 0) return false;
    int64_t now_ms = usage_now_ms(controller);
    int64_t from_ms = period_begins_ms(sla->period, now_ms), to_ms = period_ends_ms(sla->period, now_ms);
    const char *prefix = arena_printf(arena, "service-sum/%s/", farm->full_name);
    bool read = store_list(controller->options.store, prefix, NULL, 0, &items, &err);
    for (size_t i = 0; read && i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        struct service_sum sum;
        read = model_read_json(&schema_service_sum, arena, item->value, strlen(item->value), &sum, &err);
        if (!read || sum.from_ms != from_ms || sum.to_ms != to_ms || sum.seen == 0) continue;
        struct usage_kept kept = {sum.seen, sum.seen - sum.missed};
        if (worst.seen == 0 || kept.good * worst.seen < worst.good * kept.seen) worst = kept;
    }
    store_items_free(&items);
    if (!read) control_log(controller, "reading how a target was kept", &err);
    if (!read || worst.seen == 0) return false;
    *ret_kept = worst;
    return true;
}

/* The hour that contains the moment; empty when nothing was noted in it. */
static bool read_hour(struct noting *noting, int64_t at_ms, const char **ret_key,
                      struct service_hour *ret_row, struct error *err)
{
    struct service_hour row = {
        .farm = noting->farm, .tier = noting->tier, .hour_ms = at_ms - at_ms % hour_ms};
    const char *key = arena_printf(noting->arena, "service/%016" PRIx64 "/%s/%s", (uint64_t)row.hour_ms,
                                   noting->farm, noting->tier);
    const char *json = NULL;

    if (!staged_or_stored(noting, key, &json, err)) return false;
    if (json && !model_read_json(&schema_service_hour, noting->arena, json, strlen(json), &row, err))
        return error_wrap(err, "%s in the store is damaged", key);
    *ret_key = key;
    *ret_row = row;
    return true;
}

/* A sum of another period, as after a change of the service level, is made anew from the hours. */
static bool note_sum(struct noting *noting, int64_t minute_ms, const struct service_sum *more,
                     struct error *err)
{
    const struct record *record = mirror_get(noting->controller->mirror, RECORD_FARM, noting->farm);
    const struct sla *sla = record ? sla_of(noting->controller, record->object) : NULL;
    const char *key = arena_printf(noting->arena, "service-sum/%s/%s", noting->farm, noting->tier);
    const char *json = NULL;
    CLEANUP_BUF struct buf text = {0};
    struct service_sum sum = {0};

    if (!sla) return true; /* it is no more: nobody asks how it goes */
    if (!staged_or_stored(noting, key, &json, err)) return false;
    if (json && !model_read_json(&schema_service_sum, noting->arena, json, strlen(json), &sum, err))
        return error_wrap(err, "%s in the store is damaged", key);
    int64_t from_ms = period_begins_ms(sla->period, minute_ms),
            to_ms = period_ends_ms(sla->period, minute_ms);
    if (json && sum.from_ms == from_ms && sum.to_ms == to_ms) {
        sum.seen += more->seen;
        sum.missed += more->missed;
    } else {
        if (json && sum.from_ms >= to_ms) return true; /* a late word of a period that is over */
        sum = (struct service_sum){.from_ms = from_ms, .to_ms = to_ms};
        if (!sum_up(noting, minute_ms, &sum, err)) return false;
    }
    schema_write(&schema_service_sum, NULL, &sum, &text);
    change_put_text(noting->change, key, buf_text(&text));
    return true;
}

static bool sum_up(struct noting *noting, int64_t last_ms, struct service_sum *sum, struct error *err)
{
    struct service_hour row;
    const char *key = NULL;

    for (int64_t at_ms = sum->from_ms; at_ms <= last_ms; at_ms += hour_ms) {
        if (!read_hour(noting, at_ms, &key, &row, err)) return false;
        struct service_sum hour = sum_of(&row);
        sum->seen += hour.seen;
        sum->missed += hour.missed;
    }
    return true;
}

static struct service_sum sum_of(const struct service_hour *row)
{
    return (struct service_sum){.seen = __builtin_popcountll((uint64_t)row->seen),
                                .missed = __builtin_popcountll((uint64_t)row->missed)};
}

/* *ret_json is NULL when neither has it. */
static bool staged_or_stored(struct noting *noting, const char *key, const char **ret_json, struct error *err)
{
    struct store_item item;

    *ret_json = change_staged(noting->change, key);
    if (*ret_json) return true;
    if (!store_get(noting->controller->options.store, key, &item, err)) return err->code == ERROR_NOT_FOUND;
    *ret_json = arena_strdup(noting->arena, item.value);
    store_item_free(&item);
    return true;
}

static const struct sla *sla_of(struct controller *controller, const struct farm *farm)
{
    const struct record *record = farm->sla[0] ? mirror_get(controller->mirror, RECORD_SLA, farm->sla) : NULL;
    return record ? record->object : NULL;
}
