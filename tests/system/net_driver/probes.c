#include "probes.h"

#include "packets.h"

#include "base/mem.h"
#include "base/text.h"

#include <linux/if_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { NUMBER_FIRST = 0x4000, SYN = 2, RST = 4 };

/* What stands in a packet, inside an ICMP error or not. */
struct sight {
    enum address_family family;
    unsigned char from[ADDRESS_SIZE], to[ADDRESS_SIZE];
    uint32_t number;
    uint8_t protocol;
    const uint8_t *rest; /* behind the IP header */
    size_t rest_size;
};

static bool is_told(const struct packet *packet);
static bool same_ends(const struct packet *a, const struct packet *b, bool turned);
static uint32_t ipv4(const struct packet_end *end);
static bool read_sight(const uint8_t *data, size_t size, struct sight *ret_sight);
static struct probe *find_probe(struct vec *probes, const struct sight *sight);
static void look_at(struct vec *probes, const struct sight *sight);
static void look_at_reset(struct vec *probes, const struct sight *sight);
static bool is_refusal(const struct sight *sight, struct sight *ret_about);

/* Connection tracking tells echoes apart by their number, TCP and UDP by ports, all others by addresses
 * alone: and to the outside all of a host share one. */
bool probes_fit(const struct vec *probes, const struct packet *packet)
{
    bool echo = packet->protocol == IP_ICMP || packet->protocol == IP_ICMPV6;
    bool shared = !echo && !packet_has_ports(packet) && packet->to.internet && packet->family == FAMILY_IPV4;
    for (size_t i = 0; !echo && i < probes->length; i++) {
        const struct packet *other = &((struct probe *)vec_at(probes, i))->packet;
        if (other->protocol != packet->protocol) continue;
        if ((shared && other->to.internet) || same_ends(other, packet, false) ||
            same_ends(other, packet, true))
            return false;
    }
    return true;
}

void probe_send(const struct vec *probes, size_t number, int wire, uint64_t from_mac, uint64_t to_mac)
{
    const struct packet *packet = &((struct probe *)vec_at(probes, number))->packet;
    const uint16_t mark = (uint16_t)(NUMBER_FIRST + number);
    bool wide = packet->family == FAMILY_IPV6;
    struct frame frame = {0};
    size_t size = packet->protocol == IP_TCP ? 20 : 16;
    frame_ethernet(&frame, to_mac, from_mac, wide ? ETH_P_IPV6 : ETH_P_IP);
    if (wide)
        frame_ipv6(&frame, packet->from.address, packet->to.address, packet->protocol, size, mark);
    else
        frame_ipv4(&frame, ipv4(&packet->from), ipv4(&packet->to), packet->protocol, size, 0);
    if (packet->protocol == IP_TCP) {
        frame_tcp(&frame, 0, 0, packet->from.port, packet->to.port, SYN);
        frame_seal(&frame, 16);
    } else if (packet->protocol == IP_UDP) {
        frame_udp(&frame, packet->from.port, packet->to.port, 8);
        frame_pad(&frame, 8);
        frame_seal(&frame, 6);
    } else {
        /* Of ICMP an echo that goes by the same number; to all others just bytes. */
        const uint8_t echo[8] = {
            packet->protocol == IP_ICMPV6 ? 128 : 8, 0, 0, 0, (uint8_t)(mark >> 8), (uint8_t)mark, 0, 1};
        frame_add(&frame, echo, sizeof(echo));
        frame_pad(&frame, 8);
        if (packet->protocol == IP_ICMP || packet->protocol == IP_ICMPV6) frame_seal(&frame, 2);
    }
    if (!wide) frame_identify(&frame, mark);
    assert_true(wire_send(wire, &frame));
}

void probes_look(struct vec *probes, int wire)
{
    uint8_t data[2048];
    struct sight sight, about;
    for (;;) {
        ssize_t size = recv(wire, data, sizeof(data), MSG_DONTWAIT);
        if (size < 0) return;
        if (size < ETH_HLEN || !read_sight(data + ETH_HLEN, (size_t)size - ETH_HLEN, &sight)) continue;
        struct probe *refused = NULL;
        if (is_refusal(&sight, &about)) refused = find_probe(probes, &about);
        if (refused == NULL) {
            look_at(probes, &sight);
            continue;
        }
        /* It comes from the one that it was for, where that is one of the farm. */
        if (refused->packet.family == FAMILY_IPV4 && !refused->packet.to.internet)
            assert_memory_equal(sight.from, refused->packet.to.address, 4);
        refused->answered = true;
    }
}

size_t probes_seen(const struct vec *probes)
{
    size_t seen = 0;
    for (size_t i = 0; i < probes->length; i++)
        seen += ((struct probe *)vec_at(probes, i))->seen;
    return seen;
}

bool probes_answered(const struct vec *probes)
{
    for (size_t i = 0; i < probes->length; i++) {
        const struct probe *probe = vec_at(probes, i);
        if (probe->wanted == FILTER_REJECT && is_told(&probe->packet) && !probe->answered) return false;
    }
    return true;
}

void probes_judge(const struct vec *probes, uint64_t lot)
{
    static const char *const words[] = {
        [FILTER_DENY] = "denied", [FILTER_ALLOW] = "let pass", [FILTER_REJECT] = "rejected"};
    for (size_t i = 0; i < probes->length; i++) {
        const struct probe *probe = vec_at(probes, i);
        enum filter_action found = probe->seen > 0   ? FILTER_ALLOW
                                   : probe->answered ? FILTER_REJECT
                                                     : FILTER_DENY;
        CLEANUP_BUF struct buf text = {0};
        packet_format(&probe->packet, &text);
        if (probe->wanted == FILTER_REJECT && found == FILTER_DENY && !is_told(&probe->packet)) continue;
        if (found != probe->wanted || probe->seen > 1)
            fail_msg("%s is to be %s and was %s, %u times seen; lot %llu, packet %zu", buf_text(&text),
                     words[probe->wanted], words[found], probe->seen, (unsigned long long)lot, i);
    }
}

/* The kernel answers only what has a checksum that it can verify (nf_reject_verify_csum()), or is known to
 * have none: whatever has another protocol is dropped in silence. */
static bool is_told(const struct packet *packet)
{
    enum { ESP = 50 };
    return packet_has_ports(packet) || packet->protocol == ESP ||
           packet->protocol == (packet->family == FAMILY_IPV4 ? IP_ICMP : IP_ICMPV6);
}

static bool same_ends(const struct packet *a, const struct packet *b, bool turned)
{
    const struct packet_end *from = turned ? &b->to : &b->from, *to = turned ? &b->from : &b->to;
    return memcmp(a->from.address, from->address, ADDRESS_SIZE) == 0 &&
           memcmp(a->to.address, to->address, ADDRESS_SIZE) == 0 && a->from.port == from->port &&
           a->to.port == to->port;
}

static uint32_t ipv4(const struct packet_end *end)
{
    const unsigned char *a = end->address;
    return (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
}

static bool read_sight(const uint8_t *data, size_t size, struct sight *ret_sight)
{
    struct sight sight = {.family = FAMILY_IPV4};
    size_t header = size > 0 && data[0] >> 4 == 6 ? 40 : 20;
    if (size < header || (data[0] != 0x45 && header == 20)) return false;
    if (header == 40) sight.family = FAMILY_IPV6;
    size_t address = header == 40 ? 16 : 4;
    memcpy(sight.from, data + header - 2 * address, address);
    memcpy(sight.to, data + header - address, address);
    sight.protocol = data[header == 40 ? 6 : 9];
    sight.number = header == 40 ? (uint32_t)((data[1] & 15) << 16 | data[2] << 8 | data[3])
                                : (uint32_t)(data[4] << 8 | data[5]);
    sight.rest = data + header;
    sight.rest_size = size - header;
    *ret_sight = sight;
    return true;
}

/* The sender's address is another one where it went outside. */
static struct probe *find_probe(struct vec *probes, const struct sight *sight)
{
    if (sight->number < NUMBER_FIRST || sight->number - NUMBER_FIRST >= probes->length) return NULL;
    struct probe *probe = vec_at(probes, sight->number - NUMBER_FIRST);
    const struct packet *packet = &probe->packet;
    bool translated = packet->family == FAMILY_IPV4 && packet->to.internet;
    if (packet->family != sight->family || packet->protocol != sight->protocol ||
        memcmp(packet->to.address, sight->to, ADDRESS_SIZE) != 0 ||
        (!translated && memcmp(packet->from.address, sight->from, ADDRESS_SIZE) != 0))
        return NULL;
    return probe;
}

static void look_at(struct vec *probes, const struct sight *sight)
{
    struct probe *probe = find_probe(probes, sight);
    if (probe != NULL)
        probe->seen++;
    else if (sight->protocol == IP_TCP && sight->rest_size >= 20 && (sight->rest[13] & RST) != 0)
        look_at_reset(probes, sight);
}

/* Of a connection that was let pass it is the receiver's own. */
static void look_at_reset(struct vec *probes, const struct sight *sight)
{
    for (size_t i = 0; i < probes->length; i++) {
        struct probe *probe = vec_at(probes, i);
        const struct packet *packet = &probe->packet;
        if (packet->protocol != IP_TCP || packet->family != sight->family || probe->wanted == FILTER_ALLOW ||
            memcmp(packet->to.address, sight->from, ADDRESS_SIZE) != 0 ||
            memcmp(packet->from.address, sight->to, ADDRESS_SIZE) != 0)
            continue;
        if (packet->to.port == (sight->rest[0] << 8 | sight->rest[1]) &&
            packet->from.port == (sight->rest[2] << 8 | sight->rest[3]))
            probe->answered = true;
    }
}

/* "Administratively prohibited" (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1). */
static bool is_refusal(const struct sight *sight, struct sight *ret_about)
{
    bool wide = sight->family == FAMILY_IPV6;
    if (sight->protocol != (wide ? IP_ICMPV6 : IP_ICMP) || sight->rest_size < 8) return false;
    if (sight->rest[0] != (wide ? 1 : 3) || sight->rest[1] != (wide ? 1 : 13)) return false;
    return read_sight(sight->rest + 8, sight->rest_size - 8, ret_about);
}
