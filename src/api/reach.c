/* `reach`: who can open what to whom. `judge`: who decides a packet. */
#include "api/internal.h"
#include "base/text.h"
#include "plan/reach/matrix.h"

#include <inttypes.h>
#include <string.h>

static void reach(struct asked *asked);
static void judge(struct asked *asked);
static bool find_asked(struct asked *asked, const char *name, const struct farm **farm, struct error *err);
static bool add_rows(struct asked *asked, const struct farm *farm, uint64_t *questions, struct buf *json,
                     struct error *err);
static void write_ports(const struct reach_row *row, struct buf *json);
static const char *protocol_of(const struct asked *asked, int64_t number);
static const struct farm *find_governed(struct asked *asked, const char *on, struct error *err);
static bool is_there(const struct farm *farm, const struct snapshot *snapshot, const char *on);
static void write_steps(const struct judge_step *steps, size_t length, struct buf *json);
static void member(struct buf *json, const char *name, const char *text);

bool route_reach(struct asked *asked)
{
    if (!text_equal(asked->method, "GET")) return false;
    if (text_equal(asked->path, "reach"))
        reach(asked);
    else if (text_equal(asked->path, "judge"))
        judge(asked);
    else
        return false;
    return true;
}

static void reach(struct asked *asked)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    const char *name = query_text(asked, "farm");
    const struct farm *one = NULL, *other = NULL;
    CLEANUP_BUF struct buf json = {0};
    uint64_t questions = 0;
    struct error err;
    size_t length = 0;
    bool good = true;

    if (!find_asked(asked, name, &one, &err) ||
        !find_asked(asked, query_text(asked, "from_end"), &one, &err) ||
        !find_asked(asked, query_text(asked, "to_end"), &other, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!one) one = other;
    const struct record *const *records = mirror_list(mirror, RECORD_FARM, &length);
    buf_add_char(&json, '[');
    if (one) good = add_rows(asked, one, &questions, &json, &err);
    for (size_t i = 0; good && !one && i < length; i++)
        if (caller_may_see(asked->api->options.controller, &asked->caller, RECORD_FARM, records[i]))
            good = add_rows(asked, records[i]->object, &questions, &json, &err);
    buf_add_char(&json, ']');
    if (good)
        answer_json(asked, 200, &json);
    else
        answer_error(asked, &err);
}

/* The farm of what is asked for by name; nothing of what is not, nor of the internet. */
static bool find_asked(struct asked *asked, const char *name, const struct farm **farm, struct error *err)
{
    if (!name || text_equal(name, TIER_INTERNET)) return true;
    const struct farm *found = find_governed(asked, name, err);
    if (found) *farm = found;
    return found != NULL;
}

static bool add_rows(struct asked *asked, const struct farm *farm, uint64_t *questions, struct buf *json,
                     struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(asked->api->options.controller));
    const struct reach_row *rows = NULL;
    size_t length = 0;

    if (!reach_matrix(asked->arena, snapshot, farm, query_text(asked, "from_end"),
                      query_text(asked, "to_end"), questions, &rows, &length, err))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (json->size > 1) buf_add_char(json, ',');
        buf_add_text(json, "{\"farm\":");
        buf_add_json_string(json, farm->full_name);
        member(json, "from", rows[i].from);
        member(json, "to", rows[i].to);
        member(json, "protocol", protocol_of(asked, rows[i].protocol));
        write_ports(&rows[i], json);
    }
    return true;
}

/* "tcp", "47", "any", "other". */
static const char *protocol_of(const struct asked *asked, int64_t number)
{
    const char *name = filter_protocol_name(number);
    if (number == REACH_OTHERS) return "other";
    return name ? name : arena_printf(asked->arena, "%" PRId64, number);
}

static void write_ports(const struct reach_row *row, struct buf *json)
{
    buf_add_text(json, ",\"ports\":\"");
    for (size_t i = 0; i < row->ports_length; i++) {
        buf_printf(json, "%s%u", i == 0 ? "" : ", ", (unsigned)row->ports[i].first);
        if (row->ports[i].last != row->ports[i].first) buf_printf(json, "-%u", (unsigned)row->ports[i].last);
    }
    buf_printf(json, "\",\"partly\":%s}", row->partly ? "true" : "false");
}

static void judge(struct asked *asked)
{
    const char *on = query_text(asked, "on"), *text = query_text(asked, "packet");
    CLEANUP_BUF struct buf json = {0};
    struct packet packet;
    struct error err;
    size_t length = 0;

    const struct farm *farm = find_governed(asked, on ? on : "", &err);
    if (!farm || !packet_parse(text ? text : "", &packet, &err)) {
        answer_error(asked, &err);
        return;
    }
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(asked->api->options.controller));
    const struct judge *judges = judge_new(asked->arena, snapshot, farm);
    judge_name_ends(judges, &packet);
    const struct judge_step *steps = judge_packet(asked->arena, judges, on, &packet, &length);
    buf_printf(&json,
               "{\"passes\":%s,\"packet\":", steps[length - 1].action == FILTER_ALLOW ? "true" : "false");
    packet_write(&packet, &json);
    write_steps(steps, length, &json);
    buf_add_char(&json, '}');
    answer_json(asked, 200, &json);
}

/* The farm of a farm, tier or instance that is there and may be seen. */
static const struct farm *find_governed(struct asked *asked, const char *on, struct error *err)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    const char *slash = strchr(on, '/'), *end = slash ? strchr(slash + 1, '/') : NULL;
    const char *name = end ? arena_strndup(asked->arena, on, (size_t)(end - on)) : on;
    const struct record *record = mirror_get(mirror, RECORD_FARM, name);

    if (record && caller_may_see(asked->api->options.controller, &asked->caller, RECORD_FARM, record) &&
        is_there(record->object, mirror_snapshot(mirror), on))
        return record->object;
    error_set(err, ERROR_NOT_FOUND,
              "there is no farm, tier or instance \"%s\": say PARTY/FARM, PARTY/FARM/TIER or "
              "PARTY/FARM/TIER-N",
              on);
    return NULL;
}

static bool is_there(const struct farm *farm, const struct snapshot *snapshot, const char *on)
{
    const char *rest = on + strlen(farm->full_name);

    if (*rest == '\0') return true;
    for (size_t i = 0; i < farm->tiers_length; i++)
        if (text_equal(rest + 1, farm->tiers[i].name)) return true;
    if (farm->balance_length > 0 && text_equal(rest + 1, TIER_BALANCE)) return true;
    for (size_t i = 0; i < snapshot->instances_length; i++)
        if (text_equal(on, snapshot->instances[i].name)) return true;
    return false;
}

/* The last one decides; the farm's own rules are no filter and have no number. */
static void write_steps(const struct judge_step *steps, size_t length, struct buf *json)
{
    buf_add_text(json, ",\"steps\":[");
    for (size_t i = 0; i < length; i++) {
        const struct filter *filter = steps[i].filter;
        buf_printf(json, "%s{\"filter\":", i == 0 ? "" : ",");
        buf_add_json_string(json, filter ? filter->full_name : "");
        member(json, "party", filter ? filter->party : "");
        buf_printf(json, ",\"rule\":%zu", steps[i].rule);
        member(json, "action", filter_action_names[steps[i].action]);
        buf_add_char(json, '}');
    }
    buf_add_char(json, ']');
}

static void member(struct buf *json, const char *name, const char *text)
{
    buf_printf(json, ",\"%s\":", name);
    buf_add_json_string(json, text);
}
