/* Scalars that are texts, numbers and quantities. A parser gets a node that is a scalar and not null. */
#include "model/scalars.h"

#include "base/text.h"
#include "model/intent.h"

#include <string.h>

#define ZONE_DEPTH_MAX 8
#define TAG_SIZE_MAX 128
#define UNLIMITED (-1)

static bool parse_text(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_name(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_image_name(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_zone(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_absolute_path(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_spread(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_survive(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_digest(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_user(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_int(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_cpus(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_bytes(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_rate(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_duration(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_quota_int(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_quota_cpus(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_quota_bytes(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_quota_rate(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_decimal(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_money(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_sites(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_bool(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_mode(struct arena *arena, const struct node *node, void *ret_value);
static void format_text(const void *value, struct buf *json);
static void format_int(const void *value, struct buf *json);
static void format_cpus(const void *value, struct buf *json);
static void format_bytes(const void *value, struct buf *json);
static void format_rate(const void *value, struct buf *json);
static void format_duration(const void *value, struct buf *json);
static void format_quota_int(const void *value, struct buf *json);
static void format_quota_cpus(const void *value, struct buf *json);
static void format_quota_bytes(const void *value, struct buf *json);
static void format_quota_rate(const void *value, struct buf *json);
static void format_money(const void *value, struct buf *json);
static void format_bool(const void *value, struct buf *json);
static void format_mode(const void *value, struct buf *json);
static bool set_text(const struct node *node, bool valid, void *ret_value);
static bool is_quantity(const struct node *node);
static bool is_unlimited(const struct node *node, void *ret_value);
static bool format_unlimited(const void *value, struct buf *json);
static int64_t int_at(const void *value);

#define TEXT_SCALAR(name_, parse_, expected_, pattern_)                                      \
    {                                                                                        \
        .name = name_, .expected = expected_, .size = sizeof(const char *), .parse = parse_, \
        .format = format_text, .is_text = true, .json_type = "string", .pattern = pattern_   \
    }
#define INT_SCALAR(name_, parse_, format_, type_, expected_)                                               \
    {                                                                                                      \
        .name = name_, .expected = expected_, .size = sizeof(int64_t), .parse = parse_, .format = format_, \
        .json_type = type_                                                                                 \
    }

const struct scalar scalar_text = TEXT_SCALAR("text", parse_text, "text", NULL);
const struct scalar scalar_name =
    TEXT_SCALAR("name", parse_name, "a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends",
                "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$");
const struct scalar scalar_image_name =
    TEXT_SCALAR("image", parse_image_name, "an image as NAME:TAG such as hello:1",
                "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$");
const struct scalar scalar_zone = TEXT_SCALAR(
    "zone", parse_zone, "a path of 1 to 8 zone names such as east/b1/r1", "^[a-z0-9-]+(/[a-z0-9-]+){0,7}$");
const struct scalar scalar_absolute_path =
    TEXT_SCALAR("path", parse_absolute_path, "an absolute path without . and .. such as /etc/motd", "^/");
const struct scalar scalar_spread =
    TEXT_SCALAR("spread", parse_spread, "host, rack, zone, site or a depth of the zone path, 1 to 8",
                "^(host|rack|zone|site|[1-8])$");
const struct scalar scalar_survive =
    TEXT_SCALAR("survive", parse_survive, "none, host, rack, zone, site or a depth of the zone path, 1 to 8",
                "^(none|host|rack|zone|site|[1-8])$");
const struct scalar scalar_sites = TEXT_SCALAR("sites", parse_sites, "any", "^(any)?$");
const struct scalar scalar_digest =
    TEXT_SCALAR("digest", parse_digest, "sha256: and 64 hexadecimal digits", "^sha256:[0-9a-f]{64}$");
const struct scalar scalar_user =
    TEXT_SCALAR("user", parse_user, "a user by number such as \"0\" or \"1000:1000\"", "^[0-9]+(:[0-9]+)?$");

const struct scalar scalar_int = INT_SCALAR("int", parse_int, format_int, "integer", "a whole number");
const struct scalar scalar_cpus =
    INT_SCALAR("cpus", parse_cpus, format_cpus, "number", "a number of cores such as 0.5 or 8");
const struct scalar scalar_bytes = INT_SCALAR("bytes", parse_bytes, format_bytes, "number",
                                              "bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none)");
const struct scalar scalar_rate = INT_SCALAR("rate", parse_rate, format_rate, "number",
                                             "bits per second such as 10G or 100M (units K M G or none)");
const struct scalar scalar_duration = {.name = "duration",
                                       .expected = "a duration such as 250ms, 5s, 10m, 2h or 7d",
                                       .size = sizeof(int64_t),
                                       .parse = parse_duration,
                                       .format = format_duration,
                                       .json_type = "string",
                                       .pattern = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$"};
const struct scalar scalar_decimal =
    INT_SCALAR("decimal", parse_decimal, format_cpus, "number", "a number such as 99.9, to thousandths");
const struct scalar scalar_money = {.name = "money",
                                    .expected = "an amount and its currency such as 0.020 EUR, not negative",
                                    .size = sizeof(struct money),
                                    .parse = parse_money,
                                    .format = format_money,
                                    .json_type = "string",
                                    .pattern = "^([0-9]+(\\.[0-9]+)? [A-Z]{3})?$"};
const struct scalar scalar_quota_int =
    INT_SCALAR("quota", parse_quota_int, format_quota_int, "number", "a whole number or unlimited");
const struct scalar scalar_quota_cpus =
    INT_SCALAR("quota_cpus", parse_quota_cpus, format_quota_cpus, "number",
               "a number of cores such as 0.5 or 8, or unlimited");
const struct scalar scalar_quota_bytes = INT_SCALAR("quota_bytes", parse_quota_bytes, format_quota_bytes,
                                                    "number", "bytes such as 64Mi or 10Gi, or unlimited");
const struct scalar scalar_quota_rate = INT_SCALAR("quota_rate", parse_quota_rate, format_quota_rate,
                                                   "number", "bits per second such as 10G, or unlimited");
const struct scalar scalar_bool = {.name = "bool",
                                   .expected = "true or false",
                                   .size = sizeof(bool),
                                   .parse = parse_bool,
                                   .format = format_bool,
                                   .json_type = "boolean"};
const struct scalar scalar_mode = {.name = "mode",
                                   .expected = "permission bits in octal such as \"0644\"",
                                   .size = sizeof(unsigned),
                                   .parse = parse_mode,
                                   .format = format_mode,
                                   .json_type = "string",
                                   .pattern = "^0[0-7]{3}$"};

static bool parse_text(struct arena *arena, const struct node *node, void *ret_value)
{
    return set_text(node, true, ret_value);
}

static bool parse_name(struct arena *arena, const struct node *node, void *ret_value)
{
    return set_text(node, text_is_name(node->text), ret_value);
}

static bool parse_image_name(struct arena *arena, const struct node *node, void *ret_value)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const char *colon = strchr(node->text, ':');
    if (colon == NULL) return false;
    const char *name = arena_strndup(arena, node->text, (size_t)(colon - node->text));
    const char *tag = colon + 1;
    size_t size = strspn(tag, more);
    bool valid = text_is_name(name) && size > 0 && size <= TAG_SIZE_MAX && tag[size] == '\0' &&
                 strchr(first, tag[0]) != NULL;
    return set_text(node, valid, ret_value);
}

static bool parse_zone(struct arena *arena, const struct node *node, void *ret_value)
{
    const char *at = node->text;
    for (int depth = 1; depth <= ZONE_DEPTH_MAX; depth++) {
        size_t size = strcspn(at, "/");
        if (!text_is_name(arena_strndup(arena, at, size))) return false;
        at += size;
        if (*at == '\0') return set_text(node, true, ret_value);
        at++;
    }
    return false;
}

static bool parse_absolute_path(struct arena *arena, const struct node *node, void *ret_value)
{
    const char *at = node->text;
    bool valid = at[0] == '/';
    while (valid && *at != '\0') {
        const char *part = at + 1;
        size_t size = strcspn(part, "/");
        bool dots = (size == 1 && part[0] == '.') || (size == 2 && part[0] == '.' && part[1] == '.');
        valid = !dots;
        at = part + size;
    }
    return set_text(node, valid, ret_value);
}

/* `spread: 2` is a number in YAML, so both forms are welcome. */
static bool parse_spread(struct arena *arena, const struct node *node, void *ret_value)
{
    static const char *const names[] = {"host", "rack", "zone", "site"};
    if (!is_quantity(node)) return false;
    bool valid = node->text[0] >= '1' && node->text[0] <= '8' && node->text[1] == '\0';
    for (size_t i = 0; i < LENGTH(names); i++)
        valid = valid || text_equal(node->text, names[i]);
    if (!valid) return false;
    *(const char **)ret_value = node->text;
    return true;
}

static bool parse_survive(struct arena *arena, const struct node *node, void *ret_value)
{
    bool none = node->kind == NODE_STRING && text_equal(node->text, "none");
    return none ? set_text(node, true, ret_value) : parse_spread(arena, node, ret_value);
}

static bool parse_digest(struct arena *arena, const struct node *node, void *ret_value)
{
    bool valid = text_starts(node->text, "sha256:") && strspn(node->text + 7, "0123456789abcdef") == 64 &&
                 node->text[7 + 64] == '\0';
    return set_text(node, valid, ret_value);
}

static bool parse_user(struct arena *arena, const struct node *node, void *ret_value)
{
    const char *colon = strchr(node->text, ':');
    size_t size = colon == NULL ? strlen(node->text) : (size_t)(colon - node->text);
    uint64_t uid;
    uint64_t gid = 0;
    bool valid = text_parse_u64(arena_strndup(arena, node->text, size), &uid) && uid < UINT32_MAX;
    if (valid && colon != NULL) valid = text_parse_u64(colon + 1, &gid) && gid < UINT32_MAX;
    return set_text(node, valid, ret_value);
}

static bool parse_int(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_NUMBER) return false;
    bool negative = node->text[0] == '-';
    uint64_t magnitude;
    if (!text_parse_u64(node->text + (negative ? 1 : 0), &magnitude) || magnitude > INT64_MAX) return false;
    *(int64_t *)ret_value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static bool parse_cpus(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_quantity(node) && text_parse_cpus(node->text, ret_value);
}

static bool parse_bytes(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_quantity(node) && text_parse_bytes(node->text, ret_value);
}

static bool parse_rate(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_quantity(node) && text_parse_rate(node->text, ret_value);
}

static bool parse_duration(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_quantity(node) && text_parse_duration(node->text, ret_value);
}

static bool parse_decimal(struct arena *arena, const struct node *node, void *ret_value)
{
    int64_t magnitude;
    bool negative = node->text[0] == '-';
    if (!is_quantity(node) || !text_parse_cpus(node->text + (negative ? 1 : 0), &magnitude)) return false;
    *(int64_t *)ret_value = negative ? -magnitude : magnitude;
    return true;
}

static bool parse_money(struct arena *arena, const struct node *node, void *ret_value)
{
    return node->kind == NODE_STRING && money_parse(node->text, ret_value);
}

static bool parse_sites(struct arena *arena, const struct node *node, void *ret_value)
{
    return set_text(node, text_equal(node->text, "any"), ret_value);
}

static bool parse_quota_int(struct arena *arena, const struct node *node, void *ret_value)
{
    if (is_unlimited(node, ret_value)) return true;
    return node->text[0] != '-' && parse_int(arena, node, ret_value);
}

static bool parse_quota_cpus(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_unlimited(node, ret_value) || parse_cpus(arena, node, ret_value);
}

static bool parse_quota_bytes(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_unlimited(node, ret_value) || parse_bytes(arena, node, ret_value);
}

static bool parse_quota_rate(struct arena *arena, const struct node *node, void *ret_value)
{
    return is_unlimited(node, ret_value) || parse_rate(arena, node, ret_value);
}

static bool parse_bool(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_BOOL) return false;
    *(bool *)ret_value = node->text[0] == 't' || node->text[0] == 'T';
    return true;
}

static bool parse_mode(struct arena *arena, const struct node *node, void *ret_value)
{
    if (!is_quantity(node)) return false;
    if (strlen(node->text) != 4 || node->text[0] != '0' || strspn(node->text, "01234567") != 4) return false;
    unsigned mode = 0;
    for (size_t i = 1; i < 4; i++)
        mode = mode << 3 | (unsigned)(node->text[i] - '0');
    *(unsigned *)ret_value = mode;
    return true;
}

static void format_text(const void *value, struct buf *json)
{
    const char *text;
    memcpy(&text, value, sizeof(text));
    buf_add_json_string(json, text == NULL ? "" : text);
}

static void format_int(const void *value, struct buf *json)
{
    buf_add_int(json, int_at(value));
}

static void format_cpus(const void *value, struct buf *json)
{
    char text[32];
    buf_add_text(json, text_format_cpus(text, int_at(value)));
}

static void format_bytes(const void *value, struct buf *json)
{
    char text[32];
    buf_add_json_string(json, text_format_bytes(text, int_at(value)));
}

static void format_rate(const void *value, struct buf *json)
{
    char text[32];
    buf_add_json_string(json, text_format_rate(text, int_at(value)));
}

static void format_duration(const void *value, struct buf *json)
{
    char text[32];
    buf_add_json_string(json, text_format_duration(text, int_at(value)));
}

static void format_quota_int(const void *value, struct buf *json)
{
    if (!format_unlimited(value, json)) format_int(value, json);
}

static void format_quota_cpus(const void *value, struct buf *json)
{
    if (!format_unlimited(value, json)) format_cpus(value, json);
}

static void format_quota_bytes(const void *value, struct buf *json)
{
    if (!format_unlimited(value, json)) format_bytes(value, json);
}

static void format_quota_rate(const void *value, struct buf *json)
{
    if (!format_unlimited(value, json)) format_rate(value, json);
}

static void format_money(const void *value, struct buf *json)
{
    char text[MONEY_TEXT_SIZE];
    buf_add_json_string(json, money_format(text, value));
}

static void format_bool(const void *value, struct buf *json)
{
    buf_add_text(json, *(const bool *)value ? "true" : "false");
}

static void format_mode(const void *value, struct buf *json)
{
    buf_printf(json, "\"%04o\"", *(const unsigned *)value);
}

/* Texts must be strings: `name: 12` or `command: [true]` is more likely a slip than meant so. */
static bool set_text(const struct node *node, bool valid, void *ret_value)
{
    if (node->kind != NODE_STRING || !valid) return false;
    *(const char **)ret_value = node->text;
    return true;
}

static bool is_quantity(const struct node *node)
{
    return node->kind == NODE_STRING || node->kind == NODE_NUMBER;
}

static bool is_unlimited(const struct node *node, void *ret_value)
{
    if (!text_equal(node->text, "unlimited")) return false;
    *(int64_t *)ret_value = UNLIMITED;
    return true;
}

static bool format_unlimited(const void *value, struct buf *json)
{
    if (int_at(value) >= 0) return false;
    buf_add_text(json, "\"unlimited\"");
    return true;
}

static int64_t int_at(const void *value)
{
    int64_t number;
    memcpy(&number, value, sizeof(number));
    return number;
}
