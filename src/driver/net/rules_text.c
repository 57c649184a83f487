#include "driver/net/rules_text.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct set_words {
    const char *family, *name, *type;
};

static const char *const bridge_chains[] = {"prerouting", "resolve", "known", "forward", "input", "output"};
static const char *const inet_chains[] = {"forward",         "pass", "input", "output", "reject_out_filter",
                                          "reject_in_filter"};
static const char *const helper_chains[] = {"resolve", "known", "pass", "reject_out_filter",
                                            "reject_in_filter"};
static const char *const families[] = {"bridge", "inet"};
static const char *const rate_sets[] = {"rate_packets", "rate_arp"};

static void declare(struct buf *text);
static void declare_chains(const char *family, const char *const *chains, size_t length, struct buf *text);
static void flush(struct buf *text);
static bool is_helper(const char *chain);
static void declare_denials(const char *table, const struct rules_reason *reasons, size_t length,
                            struct buf *text);
static void fill_denials(const char *table, const char *first, const struct rules_reason *reasons,
                         size_t length, struct buf *text);
static void fill_bridge(const char *gateway, const char *subnet, struct buf *text);
static void fill_inet(const char *gateway, struct buf *text);
static void fill_reject(struct buf *text);
static void fill_host(const char *device, struct buf *text);

static const struct set_words sets[RULES_SETS] = {
    [RULES_SET_IDENTITY] = {"bridge", "set identity", "type ifname . ether_addr . ipv4_addr;"},
    [RULES_SET_ARP] = {"bridge", "set arp_identity", "type ifname . ether_addr . ether_addr . ipv4_addr;"},
    [RULES_SET_PORTS] = {"bridge", "set ports", "type ifname . ether_addr;"},
    [RULES_SET_TIER] = {"inet", "map tier", "type ipv4_addr : mark;"},
    [RULES_SET_ALLOW_PORT] = {"inet", "set allow_port",
                              "type mark . mark . inet_proto . inet_service; flags interval;"},
    [RULES_SET_ALLOW_PROTOCOL] = {"inet", "set allow_protocol", "type mark . mark . inet_proto;"},
    [RULES_SET_ALLOW_ALL] = {"inet", "set allow_all", "type mark . mark;"},
    [RULES_SET_LEAVING] = {"bridge", "set leaving", "type ifname;"},
    [RULES_SET_REFUSED] = {"inet", "set refused", "type ipv4_addr; flags interval;"},
    [RULES_SET_SELF] = {"inet", "set self", "type ipv4_addr . ipv4_addr;"},
    [RULES_SET_FILTERS_OUT] = {"inet", "map filters_out", "type ipv4_addr : verdict;"},
    [RULES_SET_FILTERS_IN] = {"inet", "map filters_in", "type ipv4_addr : verdict;"},
    [RULES_SET_LOCAL] = {"bridge", "map local", "type ipv4_addr : ether_addr;"},
};

const struct rules_reason rules_reasons[RULES_REASONS] = {
    {"spoof", "bridge", "iifname", "spoof"},
    {"arp", "bridge", "iifname", "arp"},
    {"ethertype", "bridge", "iifname", "ethertype"},
    {"dhcp", "bridge", "iifname", "dhcp"},
    {"rate", "bridge", "iifname", "rate"},
    {"boundary", "bridge", "iifname", "boundary"},
    {"boundary", "inet", "ip saddr", "boundary"},
    {"policy", "inet", "ip saddr", "policy"},
    {"state", "inet", "ip saddr", "state"},
    {"rate", "inet", "ip saddr", "rate"},
    {"inbound", "inet", "ip daddr", "inbound"},
    {"filter", "inet", "ip saddr . meta mark", "out_filter"},
    {"filter", "inet", "ip daddr . meta mark", "in_filter"},
};

const struct rules_reason rules_host_reasons[RULES_HOST_REASONS] = {
    {"boundary", "inet", "iifname", "boundary"},
    {"inbound", "inet", "oifname", "inbound"},
};

void rules_text_tables(uint32_t gateway, struct prefix subnet, struct buf *text)
{
    char address[32], ip[32], net[48];
    text_format_ipv4(address, gateway);
    snprintf(net, sizeof(net), "%s/%u", text_format_ipv4(ip, subnet.address), subnet.bits);
    declare(text);
    flush(text);
    fill_denials(RULES_TABLE, "  counter name \"" RULES_DENIALS "\"\n", rules_reasons, RULES_REASONS, text);
    fill_bridge(address, net, text);
    fill_inet(address, text);
    fill_reject(text);
}

void rules_text_elements(const char *verb, enum rules_set set, const struct vec *elements, struct buf *text)
{
    if (elements->length == 0) return;
    const char *name = sets[set].name + 4; /* behind "set " or "map " */
    buf_printf(text, "%s element %s %s %s {", verb, sets[set].family, RULES_TABLE, name);
    for (size_t i = 0; i < elements->length; i++)
        buf_printf(text, "%s %s", i == 0 ? "" : ",", *(char **)vec_at(elements, i));
    buf_add_text(text, " }\n");
}

void rules_text_forget(uint32_t address, struct buf *text)
{
    char ip[32], port[16];
    text_format_ipv4(ip, address);
    rules_port_name(port, address);
    /* To delete what is not there is an error and would undo the transaction: so it is added before. */
    for (size_t i = 0; i < RULES_REASONS; i++) {
        const struct rules_reason *reason = &rules_reasons[i];
        if (rules_reason_names_filter(reason)) continue; /* rules_text_forget_judged() */
        const char *quote = reason->family[0] == 'b' ? "\"" : "";
        const char *key = reason->family[0] == 'b' ? port : ip;
        buf_printf(text, "add element %s %s denied_%s { %s%s%s }\n", reason->family, RULES_TABLE, reason->set,
                   quote, key, quote);
        buf_printf(text, "delete element %s %s denied_%s { %s%s%s }\n", reason->family, RULES_TABLE,
                   reason->set, quote, key, quote);
    }
}

void rules_text_forget_judged(const struct vec *judged, struct buf *text)
{
    static const char *const verbs[] = {"add", "delete"};
    CLEANUP_BUF struct buf all = {0};
    for (size_t i = 0; i < judged->length; i++) {
        const char *one = *(char **)vec_at(judged, i);
        if (i == 0 || !text_equal(one, *(char **)vec_at(judged, i - 1)))
            buf_printf(&all, "%s %s", i == 0 ? "" : ",", one);
    }
    for (size_t i = 0; judged->length > 0 && i < RULES_REASONS; i++) {
        const struct rules_reason *reason = &rules_reasons[i];
        for (size_t k = 0; rules_reason_names_filter(reason) && k < LENGTH(verbs); k++)
            buf_printf(text, "%s element %s %s denied_%s {%s }\n", verbs[k], reason->family, RULES_TABLE,
                       reason->set, buf_text(&all));
    }
}

bool rules_reason_names_filter(const struct rules_reason *reason)
{
    return strstr(reason->key, "meta mark") != NULL;
}

char *rules_text_range(const struct rules_range *range)
{
    char first[32], last[32];
    text_format_ipv4(first, range->first);
    if (range->first == range->last) return mem_strdup(first);
    return mem_printf("%s-%s", first, text_format_ipv4(last, range->last));
}

void rules_host_outside(const char *device, const struct rules_outside *outside, struct buf *ret_text)
{
    static const char *const chains[] = {
        "forward { type filter hook forward priority 0; policy accept; }",
        "input { type filter hook input priority 0; policy accept; }",
        "output { type filter hook output priority 0; policy accept; }",
        "translate { type nat hook postrouting priority 100; policy accept; }",
        "leave",
        "enter",
    };
    buf_printf(ret_text, "add table inet %s\n", RULES_HOST_TABLE);
    for (size_t i = 0; i < LENGTH(chains); i++)
        buf_printf(ret_text, "add chain inet %s %s\n", RULES_HOST_TABLE, chains[i]);
    buf_printf(ret_text, "add set inet %s refused { type ipv4_addr; flags interval; }\n", RULES_HOST_TABLE);
    declare_denials(RULES_HOST_TABLE, rules_host_reasons, RULES_HOST_REASONS, ret_text);
    buf_printf(ret_text, "flush set inet %s refused\nflush table inet %s\n", RULES_HOST_TABLE,
               RULES_HOST_TABLE);
    for (size_t i = 0; i < outside->refused_length; i++) {
        CLEANUP_MEM char *range = rules_text_range(&outside->refused[i]);
        buf_printf(ret_text, "add element inet %s refused { %s }\n", RULES_HOST_TABLE, range);
    }
    fill_denials(RULES_HOST_TABLE, "", rules_host_reasons, RULES_HOST_REASONS, ret_text);
    fill_host(device, ret_text);
}

void rules_underlay(const uint32_t *peers, size_t length, struct buf *ret_text)
{
    buf_add_text(ret_text, "table inet croft_underlay {\n"
                           " set peers { type ipv4_addr; }\n"
                           " chain prerouting { type filter hook prerouting priority raw; policy accept; }\n"
                           "}\n"
                           "flush chain inet croft_underlay prerouting\n"
                           "flush set inet croft_underlay peers\n"
                           "table inet croft_underlay {\n"
                           " chain prerouting {\n"
                           "  udp dport 4789 ip saddr @peers accept\n"
                           "  udp dport 4789 counter drop\n"
                           " }\n"
                           "}\n");
    for (size_t i = 0; i < length; i++) {
        char address[32];
        buf_printf(ret_text, "add element inet croft_underlay peers { %s }\n",
                   text_format_ipv4(address, peers[i]));
    }
}

/* Dynamic sets name no size: the kernel takes 65535 (nft_dynset_init()) and lets the table of hashes grow.
 * For a size that is named it makes the whole table at once: 2 MiB a set, 70 ms a farm. */
static void declare(struct buf *text)
{
    buf_printf(text, "add table bridge %s\nadd table inet %s\n", RULES_TABLE, RULES_TABLE);
    for (size_t i = 0; i < RULES_SETS; i++)
        buf_printf(text, "add %.3s %s %s %s { %s }\n", sets[i].name, sets[i].family, RULES_TABLE,
                   sets[i].name + 4, sets[i].type);
    /* No `size` with a set that packets fill: the kernel takes it as a hint and clears a table for so many at
     * once (65535: 1 MiB a set, 14 sets a farm). Without it the tables grow, up to the kernel's own 65535. */
    for (size_t i = 0; i < LENGTH(rate_sets); i++)
        buf_printf(text, "add set bridge %s %s { type ifname; flags dynamic; }\n", RULES_TABLE, rate_sets[i]);
    for (size_t i = 0; i < LENGTH(families); i++)
        buf_printf(text, "add counter %s %s " RULES_DENIALS "\n", families[i], RULES_TABLE);
    buf_printf(text, "add set inet %s outward { type ipv4_addr; flags dynamic; }\n", RULES_TABLE);
    declare_denials(RULES_TABLE, rules_reasons, RULES_REASONS, text);
    declare_chains("bridge", bridge_chains, LENGTH(bridge_chains), text);
    declare_chains("inet", inet_chains, LENGTH(inet_chains), text);
    buf_printf(text,
               "add chain inet %s translate { type nat hook postrouting priority 100; policy accept; }\n",
               RULES_TABLE);
}

static void declare_chains(const char *family, const char *const *chains, size_t length, struct buf *text)
{
    /* Bridge chains come before br_netfilter (priority 0) hands packets to connection tracking: what is
     * forged leaves no trace there. The hooks have the chains' names. */
    bool bridge = text_equal(family, "bridge");
    for (size_t i = 0; i < length; i++) {
        buf_printf(text, "add chain %s %s %s", family, RULES_TABLE, chains[i]);
        if (!is_helper(chains[i]))
            buf_printf(text, " { type filter hook %s priority %d; policy drop; }", chains[i],
                       bridge ? -250 : 0);
        buf_add_char(text, '\n');
    }
}

static bool is_helper(const char *chain)
{
    for (size_t i = 0; i < LENGTH(helper_chains); i++) {
        if (text_equal(chain, helper_chains[i])) return true;
    }
    return false;
}

static void declare_denials(const char *table, const struct rules_reason *reasons, size_t length,
                            struct buf *text)
{
    for (size_t i = 0; i < length; i++) {
        const struct rules_reason *reason = &reasons[i];
        buf_printf(text, "add set %s %s denied_%s { type %s%s; flags dynamic; counter; }\n", reason->family,
                   table, reason->set, text_starts(reason->key, "ip ") ? "ipv4_addr" : "ifname",
                   rules_reason_names_filter(reason) ? " . mark" : "");
        buf_printf(text, "add chain %s %s deny_%s\n", reason->family, table, reason->set);
    }
}

static void flush(struct buf *text)
{
    for (size_t i = 0; i < RULES_SETS; i++)
        buf_printf(text, "flush %.3s %s %s %s\n", sets[i].name, sets[i].family, RULES_TABLE,
                   sets[i].name + 4);
    buf_printf(text, "flush table bridge %s\nflush table inet %s\n", RULES_TABLE, RULES_TABLE);
}

static void fill_denials(const char *table, const char *first, const struct rules_reason *reasons,
                         size_t length, struct buf *text)
{
    for (size_t i = 0; i < length; i++) {
        const struct rules_reason *reason = &reasons[i];
        buf_printf(text,
                   "table %s %s {\n"
                   " chain deny_%s {\n"
                   "%s"
                   "  update @denied_%s { %s counter }\n"
                   "  drop\n"
                   " }\n"
                   "}\n",
                   reason->family, table, reason->set, first, reason->set, reason->key);
    }
}

static void fill_bridge(const char *gateway, const char *subnet, struct buf *text)
{
    /* `ether type` looks at the frame, VLAN tags included: br_netfilter lets tagged IP pass unseen, and a
     * receiver takes a frame tagged with VLAN 0 for an untagged one. So tagged frames end here. */
    buf_printf(
        text,
        "table bridge %s {\n"
        " chain prerouting {\n"
        "  ether type != { ip, arp } goto deny_ethertype\n"
        "  ether type arp goto resolve\n"
        "  iifname != \"vx0\" update @rate_packets { iifname limit rate over 200000/second burst 50000 "
        "packets } goto deny_rate\n"
        "  iifname . ether saddr . ip saddr @identity goto known\n"
        "  ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 iifname . ether saddr "
        "@ports accept\n"
        "  goto deny_spoof\n"
        " }\n"
        " chain resolve {\n"
        "  iifname \"vx0\" goto deny_arp\n"
        "  update @rate_arp { iifname limit rate over 50/second burst 100 packets } goto deny_rate\n"
        "  arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . ether saddr . arp saddr ether . arp "
        "saddr ip @arp_identity accept\n"
        "  goto deny_arp\n"
        " }\n"
        " chain known {\n"
        "  udp sport 67 goto deny_dhcp\n"
        "  udp dport 68 goto deny_dhcp\n"
        "  accept\n"
        " }\n",
        RULES_TABLE);
    buf_printf(text,
               " chain forward {\n"
               "  ether type arp oifname \"vx0\" drop\n"
               "  ether type arp arp daddr ip %s drop\n"
               "  iifname \"vx0\" oifname \"vx0\" drop\n"
               "  ether type ip udp dport 67 drop\n"
               "  accept\n"
               " }\n"
               " chain input {\n"
               "  iifname \"vx0\" goto deny_boundary\n"
               "  ether type arp arp daddr ip %s accept\n"
               "  ether type arp drop\n"
               "  ip daddr %s accept\n"
               "  ip daddr 255.255.255.255 udp dport 67 accept\n"
               "  ip daddr != %s iifname @leaving accept\n"
               "  goto deny_boundary\n"
               " }\n"
               " chain output {\n"
               "  oifname != \"vx0\" accept\n"
               "  icmp type destination-unreachable ether saddr set ip saddr map @local accept\n"
               " }\n"
               "}\n",
               gateway, gateway, gateway, subnet);
}

static void fill_inet(const char *gateway, struct buf *text)
{
    /* The tier of the sender goes into the packet's mark and that of the receiver into the connection's: two
     * registers for one lookup, whatever the number of rules. An ICMP error about a connection comes from one
     * of its two ends, or from outside: anybody else in the farm could end or slow it with a forged one. */
    buf_printf(
        text,
        "table inet %s {\n"
        " chain forward {\n"
        "  ct state established accept\n"
        "  iifname \"up0\" ct state related accept\n"
        "  ct state related ip saddr . ct original ip saddr @self accept\n"
        "  ct state related ip saddr . ct original ip daddr @self accept\n"
        "  ct state related goto deny_state\n"
        "  iifname \"up0\" goto deny_inbound\n"
        "  ct state invalid goto deny_state\n"
        "  oifname \"up0\" ip daddr @refused goto deny_boundary\n"
        "  meta mark set 0\n"
        "  meta mark set ip saddr map @tier\n"
        "  oifname \"up0\" ct mark set 1\n"
        "  oifname != \"up0\" ct mark set ip daddr map @tier\n"
        "  ip saddr vmap @filters_out\n"
        "  ip daddr vmap @filters_in\n"
        "  meta mark . ct mark . meta l4proto . th dport @allow_port goto pass\n"
        "  meta mark . ct mark . meta l4proto @allow_protocol goto pass\n"
        "  meta mark . ct mark @allow_all goto pass\n"
        "  goto deny_policy\n"
        " }\n"
        " chain pass {\n"
        "  oifname \"up0\" add @outward { ip saddr ct count over 4096 } goto deny_rate\n"
        "  accept\n"
        " }\n"
        " chain input {\n"
        "  iifname \"lo\" accept\n"
        "  ct state established,related accept\n"
        "  iifname \"up0\" goto deny_inbound\n"
        "  ct state invalid goto deny_state\n"
        "  udp sport 68 udp dport 67 accept\n"
        "  ip daddr %s udp dport 53 accept\n"
        "  ip daddr %s tcp dport 53 accept\n"
        "  ip daddr %s icmp type echo-request accept\n"
        "  goto deny_boundary\n"
        " }\n"
        " chain output {\n"
        "  oifname \"lo\" accept\n"
        "  icmp type destination-unreachable ct state related ct original ip daddr . ct original ip daddr "
        "@self ip saddr set ct original ip daddr\n"
        "  ct state established,related accept\n"
        "  oifname \"up0\" drop\n"
        "  ip saddr %s accept\n"
        " }\n"
        " chain translate {\n"
        "  oifname \"up0\" masquerade\n"
        " }\n"
        "}\n",
        RULES_TABLE, gateway, gateway, gateway, gateway);
}

/* The end of a connection comes from the one that it was for, back through the port that it came from. What
 * is said by ICMP comes from the host: `output` makes it the receiver's word, which other hosts take for one.
 */
static void fill_reject(struct buf *text)
{
    for (size_t i = 0; i < RULES_REASONS; i++) {
        const struct rules_reason *reason = &rules_reasons[i];
        if (!rules_reason_names_filter(reason)) continue;
        buf_printf(text,
                   "table inet %s {\n"
                   " chain reject_%s {\n"
                   "  counter name \"" RULES_DENIALS "\"\n"
                   "  update @denied_%s { %s counter }\n"
                   "  meta l4proto tcp reject with tcp reset\n"
                   "  reject with icmpx admin-prohibited\n"
                   " }\n"
                   "}\n",
                   RULES_TABLE, reason->set, reason->set, reason->key);
    }
}

static void fill_host(const char *device, struct buf *text)
{
    /* Forwarding is on for the uplinks and for the outside device, and for these ways only. */
    buf_printf(text,
               "table inet %s {\n"
               " chain forward {\n"
               "  iifname \"cup*\" goto leave\n"
               "  oifname \"cup*\" goto enter\n"
               "  iifname \"%s\" drop\n"
               " }\n"
               " chain leave {\n"
               "  oifname != \"%s\" goto deny_boundary\n"
               "  ip saddr != " UPLINK_NET " goto deny_boundary\n"
               "  ip daddr @refused goto deny_boundary\n"
               "  accept\n"
               " }\n"
               " chain enter {\n"
               "  iifname \"%s\" ct state established,related accept\n"
               "  goto deny_inbound\n"
               " }\n"
               " chain input {\n"
               "  iifname \"cup*\" goto deny_boundary\n"
               " }\n"
               " chain output {\n"
               "  oifname \"cup*\" ct state != { established, related } drop\n"
               " }\n"
               " chain translate {\n"
               "  ip saddr " UPLINK_NET " oifname \"%s\" masquerade\n"
               " }\n"
               "}\n",
               RULES_HOST_TABLE, device, device, device, device);
}
