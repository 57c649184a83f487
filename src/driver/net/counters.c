/* The sets of denials, asked for as netlink messages, and only when anything was denied since the last time.
 */
#include "driver/net/counters.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct reading {
    const struct rules_reason *reason;
    void (*take)(struct reading *reading, const char *key, size_t size, int64_t packets);
    void *ctx; /* take()'s */
    struct vec *counters;
};

static bool add_denials(struct farm_net *farm, uint8_t family, int64_t *denials, struct error *err);
static void take_denials(void *ctx, const struct nlmsghdr *message);
static bool read_farm(struct farm_net *farm, struct error *err);
static bool read_set(struct netlink *netlink, const char *table, struct reading *reading, struct error *err);
static void read_elements(void *ctx, const struct nlmsghdr *message);
static void read_element(struct reading *reading, const struct nlattr *element);
static int64_t read_packets(const struct nlattr *expression);
static int64_t packets_of(const struct nlattr *data);
static void take_member(struct reading *reading, const char *key, size_t size, int64_t packets);
static void take_uplink(struct reading *reading, const char *key, size_t size, int64_t packets);
static const char *instance_of(const struct farm_net *farm, uint32_t address);
static void take_door(struct reading *reading, const char *key, size_t size, int64_t packets);
static bool is_told(const char *farm, const char *instance, const char *by, const struct vec *counters);

bool counters_read(struct farm_net *farm, struct vec *ret_counters, struct error *err)
{
    int64_t denials = 0;
    /* Its filters are not this program's yet. */
    if (farm->rules == NULL) return true;
    if (!add_denials(farm, NFPROTO_BRIDGE, &denials, err) || !add_denials(farm, NFPROTO_INET, &denials, err))
        return false;
    if (denials != farm->denials) {
        if (!read_farm(farm, err)) return false;
        farm->denials = denials;
    }
    for (size_t i = 0; i < farm->counters.length; i++) {
        const struct net_counter *counter = vec_at(&farm->counters, i);
        counters_add(farm->name, counter->instance, counter->reason, counter->by, counter->packets,
                     ret_counters);
    }
    return true;
}

bool counters_read_host(const struct net_host *host, struct map *farms, struct vec *ret_counters,
                        struct error *err)
{
    for (size_t i = 0; host->has_outside && i < RULES_HOST_REASONS; i++) {
        struct reading reading = {
            .reason = &rules_host_reasons[i], .take = take_uplink, .ctx = farms, .counters = ret_counters};
        if (!read_set(host->track, RULES_HOST_TABLE, &reading, err)) return false;
    }
    return true;
}

void counters_add(const char *farm, const char *instance, const char *reason, const char *by, int64_t packets,
                  struct vec *counters)
{
    for (size_t i = 0; i < counters->length; i++) {
        struct net_counter *counter = vec_at(counters, i);
        if (!text_equal(counter->farm, farm) || !text_equal(counter->instance, instance) ||
            !text_equal(counter->reason, reason) || !text_equal(counter->by, by))
            continue;
        counter->packets += packets;
        return;
    }
    *(struct net_counter *)vec_push(counters) = (struct net_counter){.farm = mem_strdup(farm),
                                                                     .instance = mem_strdup(instance),
                                                                     .reason = mem_strdup(reason),
                                                                     .by = mem_strdup(by),
                                                                     .packets = packets};
}

bool counters_read_doors(struct netlink *netlink, const char *table, const struct doors_rules *rules,
                         struct vec *ret_counters, struct error *err)
{
    struct reading reading = {
        .reason = &doors_reason, .take = take_door, .ctx = &rules, .counters = ret_counters};
    return read_set(netlink, table, &reading, err);
}

static bool add_denials(struct farm_net *farm, uint8_t family, int64_t *denials, struct error *err)
{
    struct nlmsghdr *message = netlink_begin(farm->track, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETOBJ, 0,
                                             NETLINK_FINE_NONE, "read counter", RULES_DENIALS);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    mnl_attr_put_strz(message, NFTA_OBJ_TABLE, RULES_TABLE);
    mnl_attr_put_strz(message, NFTA_OBJ_NAME, RULES_DENIALS);
    mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
    return netlink_ask(farm->track, take_denials, denials, err);
}

static void take_denials(void *ctx, const struct nlmsghdr *message)
{
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        if (mnl_attr_get_type(attr) == NFTA_OBJ_DATA) *(int64_t *)ctx += packets_of(attr);
    }
}

/* Counts go on while they are read: what comes after the total was read makes it differ the next time. */
static bool read_farm(struct farm_net *farm, struct error *err)
{
    struct vec counters = VEC_OF(struct net_counter);
    for (size_t i = 0; i < RULES_REASONS; i++) {
        struct reading reading = {
            .reason = &rules_reasons[i], .take = take_member, .ctx = farm, .counters = &counters};
        if (read_set(farm->track, RULES_TABLE, &reading, err)) continue;
        net_counters_free(&counters);
        return false;
    }
    net_counters_free(&farm->counters);
    farm->counters = counters;
    return true;
}

static bool read_set(struct netlink *netlink, const char *table, struct reading *reading, struct error *err)
{
    /* What netlink_dump() takes as a header: netfilter's own and the two names. */
    char request[128] = {0}, set[32];
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = reading->reason->family[0] == 'b' ? NFPROTO_BRIDGE : NFPROTO_INET;
    header->version = NFNETLINK_V0;
    snprintf(set, sizeof(set), "denied_%s", reading->reason->set);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
    return netlink_dump(netlink, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM, header,
                        message->nlmsg_len - sizeof(*message), read_elements, reading, err);
}

static void read_elements(void *ctx, const struct nlmsghdr *message)
{
    const struct nlattr *attr, *element;
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
        for (element = netlink_nested(attr, NULL); element != NULL; element = netlink_nested(attr, element))
            read_element(ctx, element);
    }
}

static void read_element(struct reading *reading, const struct nlattr *element)
{
    const struct nlattr *attr, *value, *key = NULL;
    int64_t packets = 0;
    for (attr = netlink_nested(element, NULL); attr != NULL; attr = netlink_nested(element, attr)) {
        if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPR) packets += read_packets(attr);
        if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_KEY) continue;
        for (value = netlink_nested(attr, NULL); value != NULL; value = netlink_nested(attr, value)) {
            if (mnl_attr_get_type(value) == NFTA_DATA_VALUE) key = value;
        }
    }
    if (key != NULL && packets > 0)
        reading->take(reading, mnl_attr_get_payload(key), mnl_attr_get_payload_len(key), packets);
}

static int64_t read_packets(const struct nlattr *expression)
{
    const struct nlattr *attr;
    int64_t packets = 0;
    for (attr = netlink_nested(expression, NULL); attr != NULL; attr = netlink_nested(expression, attr)) {
        if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA) packets += packets_of(attr);
    }
    return packets;
}

/* Of the data of a counter, be it an object or an expression. */
static int64_t packets_of(const struct nlattr *data)
{
    const struct nlattr *value;
    uint64_t packets = 0;
    for (value = netlink_nested(data, NULL); value != NULL; value = netlink_nested(data, value)) {
        if (mnl_attr_get_type(value) == NFTA_COUNTER_PACKETS)
            memcpy(&packets, mnl_attr_get_payload(value), sizeof(packets));
    }
    return (int64_t)be64toh(packets);
}

/* The key is a port's name, which has the address in it, or an address, and a filter's mark behind it. */
static void take_member(struct reading *reading, const char *key, size_t size, int64_t packets)
{
    const struct farm_net *farm = reading->ctx;
    uint32_t address = 0, mark = 0;
    if (!text_starts(reading->reason->key, "ip ")) {
        if (size > 0 && key[0] == 'p' && memchr(key, '\0', size) != NULL)
            address = (uint32_t)strtoul(key + 1, NULL, 16);
    } else if (size >= sizeof(address)) {
        memcpy(&address, key, sizeof(address));
        address = ntohl(address);
    }
    if (rules_reason_names_filter(reading->reason) && size >= sizeof(address) + sizeof(mark))
        memcpy(&mark, key + sizeof(address), sizeof(mark));
    const char *instance = instance_of(farm, address), *by = rules_filter_name(farm->rules, mark);
    if (by == NULL || !is_told(farm->name, instance, by, reading->counters)) by = "";
    counters_add(farm->name, instance, reading->reason->reason, by, packets, reading->counters);
}

/* Behind an uplink it is no longer seen which instance it was. Uplinks of farms that are gone are nobody's.
 */
static void take_uplink(struct reading *reading, const char *key, size_t size, int64_t packets)
{
    size_t cursor = 0;
    void *value;
    if (memchr(key, '\0', size) == NULL || !text_starts(key, UPLINK_FAR)) return;
    long number = strtol(key + strlen(UPLINK_FAR), NULL, 10);
    while (map_next(reading->ctx, &cursor, NULL, &value)) {
        const struct farm_net *farm = value;
        if (farm->uplink == number)
            counters_add(farm->name, "", reading->reason->reason, "", packets, reading->counters);
    }
}

/* Balancers come and go behind a door; it is the farm's. */
static void take_door(struct reading *reading, const char *key, size_t size, int64_t packets)
{
    const struct doors_rules *const *rules = reading->ctx;
    const char *farm, *filter;
    uint32_t mark;
    if (size < sizeof(mark)) return;
    memcpy(&mark, key, sizeof(mark));
    if (!doors_rules_find(*rules, mark, &farm, &filter)) return; /* they ended just now */
    if (!is_told(farm, "", filter, reading->counters)) filter = "";
    counters_add(farm, "", reading->reason->reason, filter, packets, reading->counters);
}

/* "" for a sender on another host, and for a port whose instance is not known. */
static const char *instance_of(const struct farm_net *farm, uint32_t address)
{
    for (size_t i = 0; i < farm->members.length; i++) {
        const struct farm_member *member = vec_at(&farm->members, i);
        if (member->address == address) return member->instance == NULL ? "" : member->instance;
    }
    return "";
}

/* One by whom something is told already, or one more than may be. */
static bool is_told(const char *farm, const char *instance, const char *by, const struct vec *counters)
{
    size_t told = 0;
    for (size_t i = 0; i < counters->length; i++) {
        const struct net_counter *counter = vec_at(counters, i);
        if (counter->by[0] == '\0' || !text_equal(counter->instance, instance) ||
            !text_equal(counter->farm, farm))
            continue;
        if (text_equal(counter->by, by)) return true;
        told++;
    }
    return told < NET_FILTERS_TOLD_MAX;
}
