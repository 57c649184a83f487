#include "model/packet.h"

#include "base/text.h"
#include "model/schemas.h"

#include <string.h>

static bool end_matches(const struct endpoint *endpoint, enum address_family family,
                        const struct packet_end *end);
static bool is_inside(const struct wide_prefix *prefix, const unsigned char *address);
static bool port_matches(const struct port_range *ranges, size_t length, uint16_t port);
static bool parse_end(char *text, bool ports, struct packet *packet, struct packet_end *ret_end);
static bool next_word(char **at, char **ret_word);
static bool parse_protocol(const char *text, uint8_t *ret_protocol);
static void format_end(const struct packet *packet, const struct packet_end *end, struct buf *text);
static void write_end(const struct packet *packet, const struct packet_end *end, const char *key,
                      struct buf *json);

bool packet_has_ports(const struct packet *packet)
{
    return packet->protocol == IP_TCP || packet->protocol == IP_UDP;
}

bool filter_rule_matches(const struct filter_rule *rule, const struct packet *packet)
{
    if (rule->direction != FILTER_BOTH && rule->direction != packet->direction) return false;
    if (rule->protocol != FILTER_PROTOCOL_ANY && rule->protocol != packet->protocol) return false;
    return end_matches(&rule->from, packet->family, &packet->from) &&
           end_matches(&rule->to, packet->family, &packet->to) &&
           port_matches(rule->from_ports, rule->from_ports_length, packet->from.port) &&
           port_matches(rule->ports, rule->ports_length, packet->to.port);
}

size_t filter_deciding_rule(const struct filter *filter, const struct packet *packet)
{
    for (size_t i = 0; i < filter->rules_length; i++)
        if (filter_rule_matches(&filter->rules[i], packet)) return i + 1;
    return 0;
}

enum filter_action filter_action_of(const struct filter *filter, size_t number)
{
    return number == 0 ? filter->default_action : filter->rules[number - 1].action;
}

bool filter_governs(const char *on, const char *const *parties, size_t parties_length, const char *farm,
                    const char *tier, const char *instance)
{
    if (text_equal(on, FILTER_ON_ALL) || text_equal(on, farm) || text_equal(on, tier) ||
        text_equal(on, instance))
        return true;
    for (size_t i = 0; i < parties_length; i++)
        if (text_equal(on, parties[i])) return true;
    return false;
}

bool packet_parse(const char *text, struct packet *ret_packet, struct error *err)
{
    struct packet packet = {.from = {.farm = "", .tier = "", .instance = ""},
                            .to = {.farm = "", .tier = "", .instance = ""}};
    char copy[256], *at = copy, *words[5];
    size_t size = strlen(text), length = 0;

    if (size < sizeof(copy)) {
        memcpy(copy, text, size + 1);
        while (length < LENGTH(words) && next_word(&at, &words[length]))
            length++;
    }
    bool in = length == LENGTH(words) && text_equal(words[0], "in");
    bool good = length == LENGTH(words) && *at == '\0' && (in || text_equal(words[0], "out")) &&
                parse_protocol(words[1], &packet.protocol) && text_equal(words[3], ">");
    packet.direction = in ? FILTER_IN : FILTER_OUT;
    packet.family = good && strchr(words[2], '.') == NULL ? FAMILY_IPV6 : FAMILY_IPV4;
    good = good && parse_end(words[2], packet_has_ports(&packet), &packet, &packet.from) &&
           parse_end(words[4], packet_has_ports(&packet), &packet, &packet.to);
    if (!good)
        return error_set(
            err, ERROR_INVALID,
            "expected a packet such as \"in tcp 10.0.0.9:40000 > 10.0.1.4:22\", \"out icmp 10.0.0.9 > "
            "10.0.1.4\" or \"in udp [2001:db8::9]:40000 > [2001:db8::4]:53\"");
    *ret_packet = packet;
    return true;
}

void packet_format(const struct packet *packet, struct buf *ret_text)
{
    const char *protocol = filter_protocol_name(packet->protocol);

    buf_printf(ret_text, "%s ", filter_direction_names[packet->direction]);
    if (protocol != NULL)
        buf_add_text(ret_text, protocol);
    else
        buf_add_int(ret_text, packet->protocol);
    buf_add_char(ret_text, ' ');
    format_end(packet, &packet->from, ret_text);
    buf_add_text(ret_text, " > ");
    format_end(packet, &packet->to, ret_text);
}

void packet_write(const struct packet *packet, struct buf *ret_json)
{
    const char *protocol = filter_protocol_name(packet->protocol);

    buf_printf(ret_json, "{\"direction\":\"%s\"", filter_direction_names[packet->direction]);
    write_end(packet, &packet->from, "from", ret_json);
    write_end(packet, &packet->to, "to", ret_json);
    buf_add_text(ret_json, ",\"protocol\":");
    if (protocol != NULL)
        buf_add_json_string(ret_json, protocol);
    else
        buf_add_int(ret_json, packet->protocol);
    if (packet_has_ports(packet))
        buf_printf(ret_json, ",\"from_port\":%u,\"port\":%u", (unsigned)packet->from.port,
                   (unsigned)packet->to.port);
    buf_add_char(ret_json, '}');
}

static bool end_matches(const struct endpoint *endpoint, enum address_family family,
                        const struct packet_end *end)
{
    switch (endpoint->kind) {
    case ENDPOINT_ANY:
        return true;
    case ENDPOINT_PREFIX:
        return endpoint->prefix.family == family && is_inside(&endpoint->prefix, end->address);
    case ENDPOINT_FARM:
        return text_equal(endpoint->name, end->farm);
    case ENDPOINT_TIER:
        return text_equal(endpoint->name, end->tier);
    case ENDPOINT_INSTANCE:
        return text_equal(endpoint->name, end->instance);
    case ENDPOINT_INTERNET:
        return end->internet;
    }
    UNREACHABLE();
}

static bool is_inside(const struct wide_prefix *prefix, const unsigned char *address)
{
    size_t whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;

    if (memcmp(prefix->address, address, whole) != 0) return false;
    return rest == 0 || (prefix->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool port_matches(const struct port_range *ranges, size_t length, uint16_t port)
{
    for (size_t i = 0; i < length; i++)
        if (ranges[i].first <= port && port <= ranges[i].last) return true;
    return length == 0;
}

/* "10.0.0.9:80", "[::1]:80"; without ports "10.0.0.9", "::1". */
static bool parse_end(char *text, bool ports, struct packet *packet, struct packet_end *ret_end)
{
    struct wide_prefix address;
    uint64_t port = 0;

    if (ports) {
        char *colon = strrchr(text, ':');
        bool bracketed = text[0] == '[';
        if (colon == NULL || (bracketed && (colon == text || colon[-1] != ']'))) return false;
        if (!text_parse_u64(colon + 1, &port) || port > UINT16_MAX) return false;
        *(bracketed ? colon - 1 : colon) = '\0';
        if (bracketed != (packet->family == FAMILY_IPV6)) return false;
        text += bracketed;
    }
    if (strchr(text, '/') != NULL || !address_parse(text, &address) || address.family != packet->family)
        return false;
    memcpy(ret_end->address, address.address, ADDRESS_SIZE);
    ret_end->port = (uint16_t)port;
    return true;
}

/* Cuts the next word off; false at the end. */
static bool next_word(char **at, char **ret_word)
{
    char *word = *at + strspn(*at, " ");
    size_t size = strcspn(word, " ");

    if (size == 0) return false;
    *at = word + size;
    if (**at != '\0') *(*at)++ = '\0';
    *ret_word = word;
    return true;
}

static bool parse_protocol(const char *text, uint8_t *ret_protocol)
{
    uint64_t number;

    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        const char *name = filter_protocol_name(i);
        if (name == NULL || !text_equal(text, name)) continue;
        *ret_protocol = (uint8_t)i;
        return true;
    }
    if (!text_parse_u64(text, &number) || number > UINT8_MAX) return false;
    *ret_protocol = (uint8_t)number;
    return true;
}

static void format_end(const struct packet *packet, const struct packet_end *end, struct buf *text)
{
    struct wide_prefix whole = {.family = packet->family, .bits = address_bits(packet->family)};
    char address[ADDRESS_TEXT_SIZE];
    bool ports = packet_has_ports(packet), brackets = ports && packet->family == FAMILY_IPV6;

    memcpy(whole.address, end->address, ADDRESS_SIZE);
    buf_printf(text, "%s%s%s", brackets ? "[" : "", address_format(address, &whole), brackets ? "]" : "");
    if (ports) buf_printf(text, ":%u", (unsigned)end->port);
}

static void write_end(const struct packet *packet, const struct packet_end *end, const char *key,
                      struct buf *json)
{
    struct wide_prefix whole = {.family = packet->family, .bits = address_bits(packet->family)};
    char address[ADDRESS_TEXT_SIZE];
    const char *name = end->instance[0] != '\0' ? end->instance
                       : end->tier[0] != '\0'   ? end->tier
                       : end->farm[0] != '\0'   ? end->farm
                       : end->internet          ? "internet"
                                                : "";

    memcpy(whole.address, end->address, ADDRESS_SIZE);
    buf_printf(json, ",\"%s\":\"%s\"", key, address_format(address, &whole));
    if (name[0] != '\0') buf_printf(json, ",\"%s_name\":\"%s\"", key, name);
}
