#include "cli/whatif.h"

#include <inttypes.h>

static const char *const kind_names[WHATIF_KINDS] = {"host", "rack", "site"};

static void add_names(const char *key, const char *const *names, size_t length, struct buf *ret_json);
static void add_counts(const struct whatif_answer *answer, struct buf *ret_json);
static void add_moves(const struct whatif_answer *answer, struct buf *ret_json);
static void add_losses(const struct whatif_answer *answer, struct buf *ret_json);
static void add_stays(const struct whatif_answer *answer, struct buf *ret_json);
static void add_farms(const struct whatif_answer *answer, struct buf *ret_json);
static void add_zones(const struct whatif_answer *answer, struct buf *ret_json);
static void add_room(const char *key, const struct resources *used, const struct resources *total,
                     struct buf *ret_json);
static void add_survives(const struct whatif_answer *answer, struct buf *ret_json);
static void add_field(const char *key, const char *text, struct buf *ret_json);

void whatif_json(const struct whatif_answer *answer, double seconds, struct buf *ret_json)
{
    buf_add_char(ret_json, '{');
    add_names("failed_hosts", answer->failed_hosts, answer->failed_hosts_length, ret_json);
    add_names("drained_hosts", answer->drained_hosts, answer->drained_hosts_length, ret_json);
    add_names("added_hosts", answer->added_hosts, answer->added_hosts_length, ret_json);
    add_names("ended_leases", answer->ended_leases, answer->ended_leases_length, ret_json);
    add_counts(answer, ret_json);
    add_moves(answer, ret_json);
    add_losses(answer, ret_json);
    add_stays(answer, ret_json);
    add_farms(answer, ret_json);
    add_zones(answer, ret_json);
    add_survives(answer, ret_json);
    double micros = (double)(int64_t)(seconds * 1e6 + 0.5);
    buf_printf(ret_json, "\"seconds_to_recover\":%.15g,\"seconds_to_answer\":%.15g}",
               (double)answer->recover_ms / 1000, micros / 1e6);
}

static void add_names(const char *key, const char *const *names, size_t length, struct buf *ret_json)
{
    buf_printf(ret_json, "\"%s\":[", key);
    for (size_t n = 0; n < length; n++) {
        if (n) buf_add_char(ret_json, ',');
        buf_add_json_string(ret_json, names[n]);
    }
    buf_add_text(ret_json, "],");
}

static void add_counts(const struct whatif_answer *answer, struct buf *ret_json)
{
    const struct {
        const char *key;
        size_t count;
    } counts[] = {{"total", answer->total},     {"kept", answer->kept},
                  {"moved", answer->moved},     {"yielded", answer->yielded},
                  {"lost", answer->lost},       {"yielded_lost", answer->yielded_lost},
                  {"removed", answer->removed}, {"restarted", answer->restarted},
                  {"added", answer->added},     {"waiting", answer->waiting}};
    buf_add_text(ret_json, "\"instances\":{");
    for (size_t n = 0; n < LENGTH(counts); n++)
        buf_printf(ret_json, "%s\"%s\":%zu", n ? "," : "", counts[n].key, counts[n].count);
    buf_printf(
        ret_json, "},\"freed\":{\"cpus\":%.15g,\"memory_bytes\":%" PRId64 ",\"disk_bytes\":%" PRId64 "},",
        (double)answer->freed.cpus_millis / 1000, answer->freed.memory_bytes, answer->freed.disk_bytes);
}

static void add_moves(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"moves\":[");
    for (size_t n = 0; n < answer->moves_length; n++) {
        const struct whatif_move *move = &answer->moves[n];
        buf_add_text(ret_json, n ? ",{" : "{");
        add_field("instance", move->instance, ret_json);
        add_field("from", move->from, ret_json);
        add_field("to", move->to, ret_json);
        buf_printf(ret_json, "\"step\":%d,\"yielded\":%s,\"reason\":", move->step,
                   move->yielded ? "true" : "false");
        buf_add_json_string(ret_json, move->reason ? move->reason : "");
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],");
}

static void add_losses(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"lost\":[");
    for (size_t n = 0; n < answer->losses_length; n++) {
        const struct whatif_lost *lost = &answer->losses[n];
        buf_add_text(ret_json, n ? ",{" : "{");
        add_field("instance", lost->instance, ret_json);
        add_field("from", lost->from, ret_json);
        buf_printf(ret_json, "\"yielded\":%s,\"reason\":", lost->yielded ? "true" : "false");
        buf_add_json_string(ret_json, lost->reason);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],");
}

static void add_stays(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"stays\":[");
    for (size_t n = 0; n < answer->stays_length; n++) {
        const struct whatif_stay *stay = &answer->stays[n];
        buf_add_text(ret_json, n ? ",{" : "{");
        add_field("instance", stay->instance, ret_json);
        add_field("host", stay->host, ret_json);
        buf_add_text(ret_json, "\"reason\":");
        buf_add_json_string(ret_json, stay->reason);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],");
}

static void add_farms(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"farms\":[");
    for (size_t n = 0; n < answer->farms_length; n++) {
        const struct whatif_farm *farm = &answer->farms[n];
        buf_add_text(ret_json, n ? ",{" : "{");
        add_field("name", farm->name, ret_json);
        add_field("state_before", farm->state_before, ret_json);
        add_field("state_after", farm->state_after, ret_json);
        buf_add_text(ret_json, "\"reason\":");
        buf_add_json_string(ret_json, farm->reason);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],");
}

static void add_zones(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"zones\":[");
    for (size_t n = 0; n < answer->zones_length; n++) {
        const struct whatif_zone *zone = &answer->zones[n];
        buf_add_text(ret_json, n ? ",{" : "{");
        add_field("zone", zone->path, ret_json);
        buf_printf(ret_json, "\"hosts\":%zu,\"failed\":%zu,\"drained\":%zu,\"away\":%zu", zone->hosts,
                   zone->failed, zone->drained, zone->away);
        add_room("before", &zone->used_before, &zone->total_before, ret_json);
        add_room("after", &zone->used_after, &zone->total_after, ret_json);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "],");
}

static void add_room(const char *key, const struct resources *used, const struct resources *total,
                     struct buf *ret_json)
{
    buf_printf(ret_json,
               ",\"%s\":{\"cpus\":%.15g,\"cpus_used\":%.15g,\"memory_bytes\":%" PRId64
               ",\"memory_bytes_used\":%" PRId64 ",\"disk_bytes\":%" PRId64 ",\"disk_bytes_used\":%" PRId64
               "}",
               key, (double)total->cpus_millis / 1000, (double)used->cpus_millis / 1000, total->memory_bytes,
               used->memory_bytes, total->disk_bytes, used->disk_bytes);
}

static void add_survives(const struct whatif_answer *answer, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"survives\":{");
    for (int kind = 0; kind < WHATIF_KINDS; kind++)
        buf_printf(ret_json, "%s\"%s\":%zu", kind ? "," : "", kind_names[kind], answer->survives[kind].count);
    buf_add_text(ret_json, "},\"survives_is\":{");
    for (int kind = 0; kind < WHATIF_KINDS; kind++)
        buf_printf(ret_json, "%s\"%s\":\"%s\"", kind ? "," : "", kind_names[kind],
                   answer->survives[kind].exact ? "exact" : "at most");
    buf_add_text(ret_json, "},");
}

static void add_field(const char *key, const char *text, struct buf *ret_json)
{
    buf_printf(ret_json, "\"%s\":", key);
    buf_add_json_string(ret_json, text);
    buf_add_char(ret_json, ',');
}
