#include "cli/listing.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { COLUMNS_MAX = 10 };

struct row {
    struct arena *arena;
    struct span flat;
    int64_t now_ms;
    const char *cells[COLUMNS_MAX];
};

struct listing {
    const char *kind;
    const struct column *columns;
    size_t length;
    void (*fill)(struct row *row);
};

static const struct listing *find(const char *kind);
static void fill_host(struct row *row);
static void fill_farm(struct row *row);
static void fill_instance(struct row *row);
static void fill_image(struct row *row);
static void fill_party(struct row *row);
static void fill_pool(struct row *row);
static void fill_sla(struct row *row);
static void fill_scaling_rules(struct row *row);
static void fill_filter(struct row *row);
static void fill_lease(struct row *row);
static const char *in_force(struct row *row);
static const char *of_leased(struct row *row, const char *key);
static void fill_contact(struct row *row);
static void fill_key(struct row *row);
static void fill_event(struct row *row);
static const char *get(struct row *row, const char *key);
static const char *of_total(struct row *row, const char *key);
static const char *tiers(struct row *row);
static const char *endpoints(struct row *row);
static const char *target(struct row *row);
static const char *kept(struct row *row);

static const struct column host_columns[] = {
    {"NAME", COLUMN_TEXT, 0},     {"STATE", COLUMN_STATE, 0},      {"ZONE", COLUMN_TEXT, 3},
    {"POOL", COLUMN_TEXT, 2},     {"INSTANCES", COLUMN_NUMBER, 6}, {"CPUS", COLUMN_NUMBER, 5},
    {"MEMORY", COLUMN_NUMBER, 4}, {"SINCE", COLUMN_NUMBER, 1},     {"REASON", COLUMN_PROSE, 7}};
static const struct column farm_columns[] = {
    {"NAME", COLUMN_TEXT, 0},      {"STATE", COLUMN_STATE, 0}, {"TIERS", COLUMN_TEXT, 4},
    {"ENDPOINTS", COLUMN_TEXT, 3}, {"SLA", COLUMN_TEXT, 1},    {"LEVEL", COLUMN_TEXT, 1},
    {"TARGET", COLUMN_TEXT, 1},    {"KEPT", COLUMN_NUMBER, 1}, {"REASON", COLUMN_PROSE, 2}};
static const struct column instance_columns[] = {
    {"NAME", COLUMN_TEXT, 0},    {"STATE", COLUMN_STATE, 0},     {"HEALTH", COLUMN_STATE, 4},
    {"HOST", COLUMN_TEXT, 6},    {"ADDRESS", COLUMN_TEXT, 5},    {"IMAGE", COLUMN_TEXT, 3},
    {"SINCE", COLUMN_NUMBER, 2}, {"RESTARTS", COLUMN_NUMBER, 1}, {"REASON", COLUMN_PROSE, 7}};
static const struct column image_columns[] = {{"NAME", COLUMN_TEXT, 0},
                                              {"PARTY", COLUMN_TEXT, 3},
                                              {"SIZE", COLUMN_NUMBER, 2},
                                              {"LAYERS", COLUMN_NUMBER, 1},
                                              {"DIGEST", COLUMN_PROSE, 1}};
static const struct column party_columns[] = {{"NAME", COLUMN_TEXT, 0},
                                              {"PARENT", COLUMN_TEXT, 1},
                                              {"INSTANCES", COLUMN_NUMBER, 2},
                                              {"CPUS", COLUMN_NUMBER, 2},
                                              {"MEMORY", COLUMN_NUMBER, 2}};
static const struct column pool_columns[] = {
    {"NAME", COLUMN_TEXT, 0},        {"SURVIVE", COLUMN_TEXT, 0},      {"HOSTS", COLUMN_NUMBER, 1},
    {"INSTANCES", COLUMN_NUMBER, 4}, {"CPUS", COLUMN_NUMBER, 2},       {"MEMORY", COLUMN_NUMBER, 2},
    {"KEPT-CPUS", COLUMN_NUMBER, 3}, {"KEPT-MEMORY", COLUMN_NUMBER, 3}};
static const struct column sla_columns[] = {
    {"NAME", COLUMN_TEXT, 0},         {"PRIORITY", COLUMN_TEXT, 1},     {"METRIC", COLUMN_TEXT, 3},
    {"RESPONSE", COLUMN_NUMBER, 1},   {"PERCENTILE", COLUMN_NUMBER, 2}, {"COMMITTED", COLUMN_NUMBER, 4},
    {"GUARANTEED", COLUMN_NUMBER, 4}, {"EXTENDED", COLUMN_NUMBER, 4},   {"PERIOD", COLUMN_TEXT, 5}};
static const struct column scaling_rules_columns[] = {
    {"NAME", COLUMN_TEXT, 0}, {"TERMS", COLUMN_NUMBER, 1}, {"RULES", COLUMN_NUMBER, 1}};
static const struct column filter_columns[] = {{"NAME", COLUMN_TEXT, 0},    {"ON", COLUMN_TEXT, 0},
                                               {"DEFAULT", COLUMN_TEXT, 1}, {"RULES", COLUMN_NUMBER, 1},
                                               {"FITS", COLUMN_TEXT, 1},    {"REASON", COLUMN_PROSE, 2}};
static const struct column lease_columns[] = {{"NAME", COLUMN_TEXT, 0},        {"FROM", COLUMN_TEXT, 0},
                                              {"TO", COLUMN_TEXT, 0},          {"STATE", COLUMN_STATE, 0},
                                              {"RIGHTS", COLUMN_TEXT, 1},      {"UNTIL", COLUMN_TEXT, 2},
                                              {"INSTANCES", COLUMN_NUMBER, 4}, {"CPUS", COLUMN_NUMBER, 3},
                                              {"MEMORY", COLUMN_NUMBER, 3},    {"REASON", COLUMN_PROSE, 2}};
static const struct column contact_columns[] = {{"NAME", COLUMN_TEXT, 0},      {"MAIL", COLUMN_NUMBER, 1},
                                                {"WEBHOOK", COLUMN_TEXT, 2},   {"COMMAND", COLUMN_TEXT, 3},
                                                {"WAITING", COLUMN_NUMBER, 0}, {"SENT", COLUMN_NUMBER, 0},
                                                {"REASON", COLUMN_PROSE, 4}};
static const struct column key_columns[] = {{"NAME", COLUMN_TEXT, 0},
                                            {"CUSTODY", COLUMN_TEXT, 0},
                                            {"HOSTS", COLUMN_NUMBER, 1},
                                            {"WAITING", COLUMN_NUMBER, 0},
                                            {"REASON", COLUMN_PROSE, 2}};
static const struct column event_columns[] = {{"TIME", COLUMN_TEXT, 2},    {"KIND", COLUMN_TEXT, 1},
                                              {"NAME", COLUMN_TEXT, 0},    {"WHAT", COLUMN_PROSE, 0},
                                              {"REASON", COLUMN_PROSE, 4}, {"WHO", COLUMN_TEXT, 1}};

static const struct listing listings[] = {
    {"hosts", host_columns, LENGTH(host_columns), fill_host},
    {"farms", farm_columns, LENGTH(farm_columns), fill_farm},
    {"instances", instance_columns, LENGTH(instance_columns), fill_instance},
    {"images", image_columns, LENGTH(image_columns), fill_image},
    {"parties", party_columns, LENGTH(party_columns), fill_party},
    {"pools", pool_columns, LENGTH(pool_columns), fill_pool},
    {"slas", sla_columns, LENGTH(sla_columns), fill_sla},
    {"scaling-rules", scaling_rules_columns, LENGTH(scaling_rules_columns), fill_scaling_rules},
    {"filters", filter_columns, LENGTH(filter_columns), fill_filter},
    {"leases", lease_columns, LENGTH(lease_columns), fill_lease},
    {"contacts", contact_columns, LENGTH(contact_columns), fill_contact},
    {"keys", key_columns, LENGTH(key_columns), fill_key},
    {"events", event_columns, LENGTH(event_columns), fill_event},
};

struct span listing_flat(struct span item)
{
    struct span status = span_get(item, "status");
    return status.size > 0 && status.at[0] == '{' ? status : item;
}

const char *listing_name(struct arena *arena, struct span flat)
{
    const char *name = span_get_text(arena, flat, "name");
    /* Only images are named NAME:TAG, and within a party. */
    if (!strchr(name, ':') || strchr(name, '/')) return name;
    const char *party = span_get_text(arena, flat, "party");
    return party[0] ? arena_printf(arena, "%s/%s", party, name)
                    : name; /* of one that is gone only the name is told */
}

struct table *listing_table(const char *kind)
{
    const struct listing *listing = find(kind);
    return table_new(listing->columns, listing->length);
}

void listing_row(struct arena *arena, const char *kind, struct span flat, int64_t now_ms, struct table *table)
{
    struct row row = {.arena = arena, .flat = flat, .now_ms = now_ms};
    find(kind)->fill(&row);
    table_row(table, row.cells);
}

const char *listing_age(struct arena *arena, const char *time, int64_t now_ms)
{
    struct tm parts = {0};
    if (!time[0] || !strptime(time, "%Y-%m-%dT%H:%M:%S", &parts)) return "";
    int64_t s = now_ms / 1000 - (int64_t)timegm(&parts);
    if (s < 0) s = 0;
    if (s < 120) return arena_printf(arena, "%" PRId64 "s", s);
    if (s < 7200) return arena_printf(arena, "%" PRId64 "m", s / 60);
    if (s < 172800) return arena_printf(arena, "%" PRId64 "h", s / 3600);
    return arena_printf(arena, "%" PRId64 "d", s / 86400);
}

int64_t listing_now_ms(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *listing_amount(struct arena *arena, const char *text)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    int64_t bytes = 0;
    size_t unit = 0;

    if (strchr(text, '.') || !text_parse_bytes(text, &bytes) || bytes < 1024) return text;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 1 < LENGTH(units); unit++)
        value /= 1024;
    return arena_printf(arena, value < 10 && value != (double)(int64_t)value ? "%.1f%s" : "%.0f%s", value,
                        units[unit]);
}

static const struct listing *find(const char *kind)
{
    for (size_t i = 0; i < LENGTH(listings); i++)
        if (text_equal(listings[i].kind, kind)) return &listings[i];
    UNREACHABLE();
}

static void fill_host(struct row *row)
{
    const char *const cells[] = {
        get(row, "name"),        get(row, "state"),
        get(row, "zone"),        get(row, "pool"),
        get(row, "instances"),   of_total(row, "cpus"),
        of_total(row, "memory"), listing_age(row->arena, get(row, "since"), row->now_ms),
        get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(host_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_farm(struct row *row)
{
    const char *const cells[] = {get(row, "name"), get(row, "state"), tiers(row),
                                 endpoints(row),   get(row, "sla"),   get(row, "level"),
                                 target(row),      kept(row),         get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(farm_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_instance(struct row *row)
{
    const char *const cells[] = {get(row, "name"),
                                 get(row, "state"),
                                 get(row, "health"),
                                 get(row, "host"),
                                 get(row, "address"),
                                 get(row, "image"),
                                 listing_age(row->arena, get(row, "since"), row->now_ms),
                                 get(row, "restarts"),
                                 get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(instance_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_image(struct row *row)
{
    const char *const cells[] = {get(row, "name"), get(row, "party"),
                                 listing_amount(row->arena, get(row, "size")), get(row, "layers"),
                                 get(row, "digest")};
    _Static_assert(LENGTH(cells) == LENGTH(image_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_party(struct row *row)
{
    struct span used = span_get(row->flat, "used");
    const char *const cells[] = {get(row, "name"), get(row, "parent"), get(row, "instances"),
                                 span_get_text(row->arena, used, "cpus"),
                                 listing_amount(row->arena, span_get_text(row->arena, used, "memory"))};
    _Static_assert(LENGTH(cells) == LENGTH(party_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_pool(struct row *row)
{
    struct span kept = span_get(row->flat, "kept");
    const char *const cells[] = {get(row, "name"),
                                 get(row, "survive"),
                                 get(row, "hosts"),
                                 get(row, "instances"),
                                 of_total(row, "cpus"),
                                 of_total(row, "memory"),
                                 span_get_text(row->arena, kept, "cpus"),
                                 listing_amount(row->arena, span_get_text(row->arena, kept, "memory"))};
    _Static_assert(LENGTH(cells) == LENGTH(pool_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_sla(struct row *row)
{
    const char *const cells[] = {get(row, "name"),       get(row, "priority"),   get(row, "metric"),
                                 get(row, "response"),   get(row, "percentile"), get(row, "committed"),
                                 get(row, "guaranteed"), get(row, "extended"),   get(row, "period")};
    _Static_assert(LENGTH(cells) == LENGTH(sla_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_scaling_rules(struct row *row)
{
    const char *const cells[] = {get(row, "name"), get(row, "terms"), get(row, "rules")};
    _Static_assert(LENGTH(cells) == LENGTH(scaling_rules_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_filter(struct row *row)
{
    const char *const cells[] = {get(row, "name"),
                                 get(row, "on"),
                                 get(row, "default"),
                                 get(row, "rules"),
                                 text_equal(get(row, "fits"), "true")    ? "yes"
                                 : text_equal(get(row, "fits"), "false") ? "no"
                                                                         : "",
                                 get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(filter_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_lease(struct row *row)
{
    const char *const cells[] = {get(row, "name"),      get(row, "from"),       get(row, "to"),
                                 get(row, "state"),     in_force(row),          get(row, "until"),
                                 get(row, "instances"), of_leased(row, "cpus"), of_leased(row, "memory"),
                                 get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(lease_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

/* "0.5/8", or "0.5" of all that the giver has */
static const char *of_leased(struct row *row, const char *key)
{
    const char *used = span_get_text(row->arena, span_get(row->flat, "used"), key);
    bool all = span_get(span_get(row->flat, "capacity"), key).size == 0;
    return all ? listing_amount(row->arena, used) : of_total(row, key);
}

/* "software, develop" */
static const char *in_force(struct row *row)
{
    CLEANUP_BUF struct buf text = {0};
    struct span item;
    size_t cursor = 0;

    for (struct span list = span_get(row->flat, "in_force"); span_next(list, &cursor, &item);)
        buf_printf(&text, "%s%s", text.size ? ", " : "", span_text(row->arena, item));
    return arena_strdup(row->arena, buf_text(&text));
}

static void fill_contact(struct row *row)
{
    const char *const cells[] = {get(row, "name"),    get(row, "mail"),    get(row, "webhook"),
                                 get(row, "command"), get(row, "waiting"), get(row, "sent"),
                                 get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(contact_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_key(struct row *row)
{
    const char *const cells[] = {get(row, "name"), get(row, "custody"), get(row, "hosts"),
                                 get(row, "waiting"), get(row, "reason")};
    _Static_assert(LENGTH(cells) == LENGTH(key_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static void fill_event(struct row *row)
{
    const char *right = get(row, "right");
    const char *who =
        right[0] ? arena_printf(row->arena, "%s by %s", get(row, "who"), right) : get(row, "who");
    const char *const cells[] = {get(row, "time"), get(row, "kind"),   get(row, "name"),
                                 get(row, "what"), get(row, "reason"), who};
    _Static_assert(LENGTH(cells) == LENGTH(event_columns), "a cell a column");
    memcpy(row->cells, cells, sizeof(cells));
}

static const char *get(struct row *row, const char *key)
{
    return span_get_text(row->arena, row->flat, key);
}

/* "0.5/8" */
static const char *of_total(struct row *row, const char *key)
{
    const char *used = span_get_text(row->arena, span_get(row->flat, "used"), key);
    const char *total = span_get_text(row->arena, span_get(row->flat, "capacity"), key);
    return arena_printf(row->arena, "%s/%s", listing_amount(row->arena, used),
                        listing_amount(row->arena, total));
}

/* "web 2/2, db 1/1" */
static const char *tiers(struct row *row)
{
    CLEANUP_BUF struct buf text = {0};
    struct span list = span_get(row->flat, "tiers"), item;
    size_t cursor = 0;

    while (span_next(list, &cursor, &item))
        buf_printf(&text, "%s%s %s/%s", text.size ? ", " : "", span_get_text(row->arena, item, "name"),
                   span_get_text(row->arena, item, "running"), span_get_text(row->arena, item, "wanted"));
    return arena_strdup(row->arena, buf_text(&text));
}

static const char *endpoints(struct row *row)
{
    CLEANUP_BUF struct buf text = {0};
    struct span list = span_get(row->flat, "endpoints"), item;
    size_t cursor = 0;

    while (span_next(list, &cursor, &item))
        buf_printf(&text, "%s%s", text.size ? ", " : "", span_get_text(row->arena, item, "address"));
    return arena_strdup(row->arena, buf_text(&text));
}

/* "99.9 % in 50 ms" */
static const char *target(struct row *row)
{
    const char *target_ms = get(row, "target_ms");
    return target_ms[0] ? arena_printf(row->arena, "%s %% in %s ms", get(row, "percentile"), target_ms) : "";
}

/* Of this period's minutes, the part that met it. */
static const char *kept(struct row *row)
{
    const char *percent = get(row, "target_kept_percent");
    return percent[0] ? arena_printf(row->arena, "%s %%", percent) : "";
}
