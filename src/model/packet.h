/* A packet as filters see it at an instance's port, and what a filter says of it. Pure: the planner, agents
 * and commands ask the same question here. */
#ifndef CROFT_MODEL_PACKET_H
#define CROFT_MODEL_PACKET_H

#include "base/buf.h"
#include "base/error.h"
#include "model/intent.h"

/* One end. Whether an address is some instance's is for the caller to know. */
struct packet_end {
    unsigned char address[ADDRESS_SIZE]; /* as in struct wide_prefix */
    const char *farm, *tier, *instance;  /* full names, or "": it is nobody's of the grid */
    bool internet;                       /* neither of the farm nor of the grid */
    uint16_t port;                       /* of TCP and UDP; else 0 */
};

struct packet {
    enum filter_direction direction; /* FILTER_IN or FILTER_OUT */
    enum address_family family;
    struct packet_end from, to;
    uint8_t protocol; /* IANA's number */
};

enum { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17, IP_ICMPV6 = 58 };

/* TCP or UDP. */
bool packet_has_ports(const struct packet *packet);
bool filter_rule_matches(const struct filter_rule *rule, const struct packet *packet);
/* The first rule that matches, from 1 on; 0: none, the default decides. */
size_t filter_deciding_rule(const struct filter *filter, const struct packet *packet);
/* What rule `number` of the filter does, 0 its default. */
enum filter_action filter_action_of(const struct filter *filter, size_t number);
/* Does `on` govern the port of the instance with these full names? party: of the farm; ancestors: the parties
 * above it, up to and without the landlord. */
bool filter_governs(const char *on, const char *const *parties, size_t parties_length, const char *farm,
                    const char *tier, const char *instance);

/* "in tcp 10.0.0.9:40000 > 10.0.1.4:22", "out icmp 10.0.0.9 > 10.0.1.4", "in tcp [2001:db8::1]:40000 >
 * [2001:db8::2]:22", "in 47 10.0.0.9 > 10.0.1.4"; names and `internet` of the ends stay empty. false with
 * ERROR_INVALID in *err. */
MUST_CHECK bool packet_parse(const char *text, struct packet *ret_packet, struct error *err);
/* The same form. */
void packet_format(const struct packet *packet, struct buf *ret_text);
/* {"direction": "in", "from": "10.0.0.9", "to": "10.0.1.4", "protocol": "tcp", "from_port": 40000, "port":
 * 22}, as isolation.md has it; an end with a name has "from_name" or "to_name", too. */
void packet_write(const struct packet *packet, struct buf *ret_json);

#endif
