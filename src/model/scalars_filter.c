/* Scalars of filters: ends of a packet, protocols, ports. */
#include "base/address.h"
#include "base/text.h"
#include "model/intent.h"
#include "model/scalars.h"
#include "model/schemas.h"

#include <string.h>

#define FULL_NAME_PARTS_MAX 3

static bool parse_on(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_endpoint(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_protocol(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_ports(struct arena *arena, const struct node *node, void *ret_value);
static void format_on(const void *value, struct buf *json);
static void format_endpoint(const void *value, struct buf *json);
static void format_protocol(const void *value, struct buf *json);
static void format_ports(const void *value, struct buf *json);
static size_t parts_of_name(struct arena *arena, const char *text);

static const struct {
    enum endpoint_kind kind;
    const char *before; /* the name */
    size_t parts;       /* of the name */
} named_ends[] = {
    {ENDPOINT_FARM, "farm:", 2}, {ENDPOINT_TIER, "tier:", 3}, {ENDPOINT_INSTANCE, "instance:", 3}};

static const struct {
    const char *name;
    int64_t number; /* iana.org/assignments/protocol-numbers */
} protocols[] = {{"any", FILTER_PROTOCOL_ANY}, {"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}};

const struct scalar scalar_filter_on = {
    .name = "on",
    .expected = "what is governed: PARTY/FARM, PARTY/FARM/TIER, PARTY/FARM/TIER-N, a party, or all",
    .size = sizeof(const char *),
    .parse = parse_on,
    .format = format_on,
    .is_text = true,
    .json_type = "string",
    .pattern = "^[a-z0-9-]+(/[a-z0-9-]+){0,2}$"};
const struct scalar scalar_endpoint = {
    .name = "endpoint",
    .expected = "an IPv4 or IPv6 prefix (all bits behind it zero), farm:PARTY/FARM, tier:PARTY/FARM/TIER, "
                "instance:PARTY/FARM/TIER-N, internet or any",
    .size = sizeof(struct endpoint),
    .parse = parse_endpoint,
    .format = format_endpoint,
    .json_type = "string"};
const struct scalar scalar_filter_protocol = {.name = "filter_protocol",
                                              .expected =
                                                  "tcp, udp, icmp, icmpv6, any, or a number from 0 to 255",
                                              .size = sizeof(int64_t),
                                              .parse = parse_protocol,
                                              .format = format_protocol,
                                              .json_type = "number",
                                              .pattern = "^(tcp|udp|icmp|icmpv6|any)$"};
const struct scalar scalar_port_range = {.name = "port_range",
                                         .expected = "a port such as 22 or a range such as 8000-8099",
                                         .size = sizeof(struct port_range),
                                         .parse = parse_ports,
                                         .format = format_ports,
                                         .json_type = "number",
                                         .pattern = "^[0-9]+(-[0-9]+)?$"};

static bool parse_on(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_STRING || parts_of_name(arena, node->text) == 0) return false;
    *(const char **)ret_value = node->text;
    return true;
}

static bool parse_endpoint(struct arena *arena, const struct node *node, void *ret_value)
{
    struct endpoint end = {.name = ""};

    if (node->kind != NODE_STRING) return false;
    for (size_t i = 0; i < LENGTH(named_ends); i++) {
        size_t before = strlen(named_ends[i].before);
        if (strncmp(node->text, named_ends[i].before, before) != 0) continue;
        if (parts_of_name(arena, node->text + before) != named_ends[i].parts) return false;
        end.kind = named_ends[i].kind;
        end.name = arena_strdup(arena, node->text + before); /* the node may be a short-lived one */
    }
    if (text_equal(node->text, "internet"))
        end.kind = ENDPOINT_INTERNET;
    else if (end.kind == ENDPOINT_ANY && !text_equal(node->text, "any")) {
        if (!address_parse(node->text, &end.prefix)) return false;
        end.kind = ENDPOINT_PREFIX;
    }
    *(struct endpoint *)ret_value = end;
    return true;
}

static bool parse_protocol(struct arena *arena, const struct node *node, void *ret_value)
{
    uint64_t number;
    for (size_t i = 0; i < LENGTH(protocols); i++) {
        if (node->kind != NODE_STRING || !text_equal(node->text, protocols[i].name)) continue;
        *(int64_t *)ret_value = protocols[i].number;
        return true;
    }
    if (node->kind != NODE_NUMBER || !text_parse_u64(node->text, &number) || number > UINT8_MAX) return false;
    *(int64_t *)ret_value = (int64_t)number;
    return true;
}

static bool parse_ports(struct arena *arena, const struct node *node, void *ret_value)
{
    const char *dash = strchr(node->text, '-');
    uint64_t first, last;

    if (node->kind != NODE_NUMBER && (node->kind != NODE_STRING || dash == NULL)) return false;
    size_t size = dash == NULL ? strlen(node->text) : (size_t)(dash - node->text);
    if (!text_parse_u64(arena_strndup(arena, node->text, size), &first)) return false;
    if (!text_parse_u64(dash == NULL ? node->text : dash + 1, &last)) return false;
    if (last > UINT16_MAX || first > last) return false;
    *(struct port_range *)ret_value = (struct port_range){(uint16_t)first, (uint16_t)last};
    return true;
}

static void format_on(const void *value, struct buf *json)
{
    const char *text;
    memcpy(&text, value, sizeof(text));
    buf_add_json_string(json, text == NULL ? "" : text);
}

static void format_endpoint(const void *value, struct buf *json)
{
    const struct endpoint *end = value;
    char text[ADDRESS_TEXT_SIZE];

    switch (end->kind) {
    case ENDPOINT_ANY:
        buf_add_text(json, "\"any\"");
        return;
    case ENDPOINT_INTERNET:
        buf_add_text(json, "\"internet\"");
        return;
    case ENDPOINT_PREFIX:
        buf_add_json_string(json, address_format(text, &end->prefix));
        return;
    case ENDPOINT_FARM:
    case ENDPOINT_TIER:
    case ENDPOINT_INSTANCE:
        break;
    }
    for (size_t i = 0; i < LENGTH(named_ends); i++)
        if (named_ends[i].kind == end->kind) buf_printf(json, "\"%s%s\"", named_ends[i].before, end->name);
}

static void format_protocol(const void *value, struct buf *json)
{
    const char *name = filter_protocol_name(*(const int64_t *)value);
    if (name != NULL)
        buf_add_json_string(json, name);
    else
        buf_add_int(json, *(const int64_t *)value);
}

static void format_ports(const void *value, struct buf *json)
{
    const struct port_range *range = value;
    if (range->first == range->last)
        buf_add_int(json, range->first);
    else
        buf_printf(json, "\"%u-%u\"", (unsigned)range->first, (unsigned)range->last);
}

const char *filter_protocol_name(int64_t number)
{
    for (size_t i = 0; i < LENGTH(protocols); i++)
        if (protocols[i].number == number) return protocols[i].name;
    return NULL;
}

/* Of a name such as acme/shop/web; 0: it is none. */
static size_t parts_of_name(struct arena *arena, const char *text)
{
    for (size_t parts = 1; parts <= FULL_NAME_PARTS_MAX; parts++) {
        const char *slash = strchr(text, '/');
        size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
        if (!text_is_name(arena_strndup(arena, text, size))) return 0;
        if (slash == NULL) return parts;
        text = slash + 1;
    }
    return 0;
}
