/* Scalars of networks: addresses, ports, and those that fill several members of their struct. */
#include "model/scalars.h"

#include "base/text.h"
#include "model/intent.h"
#include "model/schemas.h"

#include <stdio.h>
#include <string.h>

static bool parse_port(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_port_or_zero(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_ipv4(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_prefix(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_mac(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_publish(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_allow_port(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_balance_to(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_health_tcp(struct arena *arena, const struct node *node, void *ret_value);
static void format_port(const void *value, struct buf *json);
static void format_ipv4(const void *value, struct buf *json);
static void format_prefix(const void *value, struct buf *json);
static void format_mac(const void *value, struct buf *json);
static void format_publish(const void *value, struct buf *json);
static void format_allow_port(const void *value, struct buf *json);
static void format_balance_to(const void *value, struct buf *json);
static void format_health_tcp(const void *value, struct buf *json);
static bool port_of(const char *text, uint64_t min, uint16_t *ret_port);
static bool port_range_of(struct arena *arena, const char *text, struct allow *ret_allow);

const struct scalar scalar_port = {.name = "port",
                                   .expected = "a port, 1 to 65535",
                                   .size = sizeof(uint16_t),
                                   .parse = parse_port,
                                   .format = format_port,
                                   .json_type = "integer"};
const struct scalar scalar_port_or_zero = {.name = "port_or_zero",
                                           .expected = "a port, 0 to 65535",
                                           .size = sizeof(uint16_t),
                                           .parse = parse_port_or_zero,
                                           .format = format_port,
                                           .json_type = "integer"};
const struct scalar scalar_ipv4 = {.name = "ipv4",
                                   .expected = "an IPv4 address such as 10.0.0.1",
                                   .size = sizeof(uint32_t),
                                   .parse = parse_ipv4,
                                   .format = format_ipv4,
                                   .json_type = "string",
                                   .pattern = "^[0-9]+(\\.[0-9]+){3}$"};
const struct scalar scalar_prefix = {
    .name = "prefix",
    .expected = "an IPv4 network such as 10.0.0.0/24 (all bits behind the prefix zero)",
    .size = sizeof(struct prefix),
    .parse = parse_prefix,
    .format = format_prefix,
    .json_type = "string",
    .pattern = "^[0-9]+(\\.[0-9]+){3}/[0-9]+$"};
const struct scalar scalar_mac = {.name = "mac",
                                  .expected = "a MAC address such as 02:00:00:00:00:01",
                                  .size = sizeof(uint64_t),
                                  .parse = parse_mac,
                                  .format = format_mac,
                                  .json_type = "string",
                                  .pattern = "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"};
const struct scalar scalar_publish = {.name = "publish",
                                      .expected = "ADDR:PORT such as 127.0.0.1:8080, or auto",
                                      .size = sizeof(const char *),
                                      .parse = parse_publish,
                                      .format = format_publish,
                                      .is_text = true,
                                      .json_type = "string",
                                      .pattern = "^([0-9]+(\\.[0-9]+){3}:[0-9]+|auto)$"};
const struct scalar scalar_allow_port = {
    .name = "ports",
    .expected = "a port with its protocol such as 5432/tcp, 8000-8099/udp, all/tcp, icmp or all",
    .size = sizeof(struct allow),
    .parse = parse_allow_port,
    .format = format_allow_port,
    .json_type = "string",
    .pattern = "^(([0-9]+(-[0-9]+)?|all)/(tcp|udp|any)|icmp|all)$"};
const struct scalar scalar_balance_to = {.name = "target",
                                         .expected = "TIER:PORT such as \"web:8080\"",
                                         .size = sizeof(struct balance),
                                         .parse = parse_balance_to,
                                         .format = format_balance_to,
                                         .json_type = "string",
                                         .pattern = "^[a-z0-9-]+:[0-9]+$"};
const struct scalar scalar_health_tcp = {.name = "tcp",
                                         .expected = "a port, 1 to 65535, or true beside `port`",
                                         .size = sizeof(struct health),
                                         .parse = parse_health_tcp,
                                         .format = format_health_tcp,
                                         .json_type = "boolean"};

static bool parse_port(struct arena *arena, const struct node *node, void *ret_value)
{
    return node->kind == NODE_NUMBER && port_of(node->text, 1, ret_value);
}

static bool parse_port_or_zero(struct arena *arena, const struct node *node, void *ret_value)
{
    return node->kind == NODE_NUMBER && port_of(node->text, 0, ret_value);
}

static bool parse_ipv4(struct arena *arena, const struct node *node, void *ret_value)
{
    return node->kind == NODE_STRING && text_parse_ipv4(node->text, ret_value);
}

static bool parse_prefix(struct arena *arena, const struct node *node, void *ret_value)
{
    struct prefix prefix;
    if (node->kind != NODE_STRING) return false;
    if (!text_parse_ipv4_prefix(node->text, &prefix.address, &prefix.bits)) return false;
    uint32_t behind = prefix.bits == 0 ? UINT32_MAX : (uint32_t)(((uint64_t)1 << (32 - prefix.bits)) - 1);
    if ((prefix.address & behind) != 0) return false;
    *(struct prefix *)ret_value = prefix;
    return true;
}

static bool parse_mac(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_STRING || strlen(node->text) != 17) return false;
    uint64_t mac = 0;
    for (size_t i = 0; i < 6; i++) {
        const char *at = node->text + 3 * i;
        int high = text_hex_digit(at[0]);
        int low = text_hex_digit(at[1]);
        if (high < 0 || low < 0 || (i < 5 && at[2] != ':')) return false;
        mac = mac << 8 | (uint64_t)(high << 4 | low);
    }
    *(uint64_t *)ret_value = mac;
    return true;
}

static bool parse_publish(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_STRING) return false;
    if (!text_equal(node->text, "auto")) {
        const char *colon = strchr(node->text, ':');
        if (colon == NULL) return false;
        uint32_t address;
        uint16_t port;
        if (!text_parse_ipv4(arena_strndup(arena, node->text, (size_t)(colon - node->text)), &address))
            return false;
        if (!port_of(colon + 1, 1, &port)) return false;
    }
    *(const char **)ret_value = node->text;
    return true;
}

static bool parse_allow_port(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_STRING) return false;
    struct allow found = {.protocol = PROTOCOL_ANY, .port_first = 0, .port_last = UINT16_MAX};
    const char *slash = strchr(node->text, '/');
    if (text_equal(node->text, "icmp")) {
        found.protocol = PROTOCOL_ICMP;
    } else if (slash != NULL) {
        static const enum protocol with_ports[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ANY};
        bool known = false;
        for (size_t i = 0; i < LENGTH(with_ports); i++) {
            if (!text_equal(slash + 1, protocol_names[with_ports[i]])) continue;
            found.protocol = with_ports[i];
            known = true;
        }
        if (!known) return false;
        const char *ports = arena_strndup(arena, node->text, (size_t)(slash - node->text));
        if (!text_equal(ports, "all") && !port_range_of(arena, ports, &found)) return false;
    } else if (!text_equal(node->text, "all")) {
        return false;
    }
    struct allow *allow = ret_value;
    allow->protocol = found.protocol;
    allow->port_first = found.port_first;
    allow->port_last = found.port_last;
    return true;
}

static bool parse_balance_to(struct arena *arena, const struct node *node, void *ret_value)
{
    const char *colon = strchr(node->text, ':');
    uint16_t port;
    if (node->kind != NODE_STRING || colon == NULL || !port_of(colon + 1, 1, &port)) return false;
    const char *tier = arena_strndup(arena, node->text, (size_t)(colon - node->text));
    if (!text_is_name(tier)) return false;
    struct balance *balance = ret_value;
    balance->to_tier = tier;
    balance->to_port = port;
    return true;
}

/* `tcp: 5432`, or `tcp: true` with the port in its own field. */
static bool parse_health_tcp(struct arena *arena, const struct node *node, void *ret_value)
{
    struct health *health = ret_value;
    if (node->kind == NODE_NUMBER) {
        if (!port_of(node->text, 1, &health->port)) return false;
        health->kind = HEALTH_TCP;
        return true;
    }
    if (node->kind != NODE_BOOL) return false;
    if (node->text[0] == 't' || node->text[0] == 'T') health->kind = HEALTH_TCP;
    return true;
}

static void format_port(const void *value, struct buf *json)
{
    buf_add_int(json, *(const uint16_t *)value);
}

static void format_ipv4(const void *value, struct buf *json)
{
    char text[32];
    buf_add_json_string(json, text_format_ipv4(text, *(const uint32_t *)value));
}

static void format_prefix(const void *value, struct buf *json)
{
    const struct prefix *prefix = value;
    char text[32];
    buf_printf(json, "\"%s/%u\"", text_format_ipv4(text, prefix->address), prefix->bits);
}

static void format_mac(const void *value, struct buf *json)
{
    char text[32];
    buf_add_json_string(json, text_format_mac(text, *(const uint64_t *)value));
}

static void format_publish(const void *value, struct buf *json)
{
    const char *text;
    memcpy(&text, value, sizeof(text));
    buf_add_json_string(json, text == NULL ? "" : text);
}

static void format_allow_port(const void *value, struct buf *json)
{
    const struct allow *allow = value;
    const char *protocol = protocol_names[allow->protocol];
    bool all = allow->port_first <= 1 && allow->port_last == UINT16_MAX;
    if (allow->protocol == PROTOCOL_ICMP)
        buf_add_text(json, "\"icmp\"");
    else if (all && allow->protocol == PROTOCOL_ANY)
        buf_add_text(json, "\"all\"");
    else if (all)
        buf_printf(json, "\"all/%s\"", protocol);
    else if (allow->port_first == allow->port_last)
        buf_printf(json, "\"%u/%s\"", (unsigned)allow->port_first, protocol);
    else
        buf_printf(json, "\"%u-%u/%s\"", (unsigned)allow->port_first, (unsigned)allow->port_last, protocol);
}

static void format_balance_to(const void *value, struct buf *json)
{
    const struct balance *balance = value;
    buf_printf(json, "\"%s:%u\"", balance->to_tier, (unsigned)balance->to_port);
}

static void format_health_tcp(const void *value, struct buf *json)
{
    const struct health *health = value;
    buf_add_text(json, health->kind == HEALTH_TCP ? "true" : "false");
}

static bool port_of(const char *text, uint64_t min, uint16_t *ret_port)
{
    uint64_t port;
    if (!text_parse_u64(text, &port) || port < min || port > UINT16_MAX) return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* "80" or "8000-8099". All ports have one form only: all. */
static bool port_range_of(struct arena *arena, const char *text, struct allow *ret_allow)
{
    const char *dash = strchr(text, '-');
    uint16_t first;
    uint16_t last;
    size_t size = dash == NULL ? strlen(text) : (size_t)(dash - text);
    if (!port_of(arena_strndup(arena, text, size), 1, &first)) return false;
    if (!port_of(dash == NULL ? text : dash + 1, 1, &last) || last < first) return false;
    bool all = first == 1 && last == UINT16_MAX;
    ret_allow->port_first = all ? 0 : first;
    ret_allow->port_last = last;
    return true;
}
