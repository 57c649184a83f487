#include "driver/net/rules.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "driver/net/rules_filter.h"
#include "driver/net/rules_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tier_of {
    uint32_t address;
    uint32_t tier;
};

/* A tier's number follows from its name, so that it stays when other tiers come and go. */
enum { TIER_NUMBER_INTERNET = 1, TIER_NUMBER_MIN };

struct tier_name {
    const char *name;
    uint32_t number;
};

/* Who may open what: tiers by number, ports in order and not overlapping. */
struct passage {
    uint32_t from, to;
    uint8_t protocol; /* 0: all of them */
    uint16_t first, last;
};

struct rules {
    uint32_t gateway;
    struct prefix subnet;
    bool leave;          /* some tier may go outside */
    struct vec refused;  /* struct rules_range: where nobody may go outside */
    struct vec members;  /* struct tier_of, by address */
    struct vec passages; /* struct passage, sorted and merged */
    struct filter_book *filters;
    struct vec judged;               /* char *, sorted: who is judged by which filter */
    struct vec elements[RULES_SETS]; /* char *, sorted */
};

/* What the names in filters are looked up in. */
struct names_of {
    const struct host_farm *farm;
    const struct vec *tiers; /* struct tier_name */
};

static bool check_members(const struct host_farm *farm, struct error *err);
static bool is_doubled(const struct vec *values, uint64_t *ret_value);
static struct vec tier_names(const struct host_farm *farm);
static bool is_taken(const struct vec *names, uint32_t number);
static uint32_t tier_number(const struct vec *names, const char *name);
static void add_member(struct rules *rules, const struct member *member, bool local, uint32_t tier);
static void add_leaving(struct rules *rules, const struct host_farm *farm, uint32_t underlay);
static void add_refused(struct rules *rules, const struct rules_outside *outside);
static void add_rule(struct rules *rules, const struct vec *names, const struct farm_rule *rule,
                     bool outside);
static void add_passage(struct rules *rules, uint32_t from, uint32_t to, uint8_t protocol, uint16_t first,
                        uint16_t last);
static void merge_passages(struct rules *rules);
static void list_passages(struct rules *rules);
static void add_filters(struct rules *rules, const struct host_farm *farm, uint32_t underlay,
                        const struct vec *names, const struct rules *before);
static uint32_t find_tier(const void *ctx, const char *name);
static bool find_instance(const void *ctx, const char *name, uint32_t *ret_address);
static char *add_element(struct rules *rules, enum rules_set set, char *text);
static uint32_t tier_at(const struct rules *rules, uint32_t address);
static bool is_outside(const struct rules *rules, uint32_t address);
static void difference(const struct vec *old, const struct vec *new, struct vec *ret_only_old);
static void forget_gone(const struct rules *old, const struct rules *new, struct buf *text);
static int compare_text(const void *a, const void *b);
static int compare_tier_name(const void *a, const void *b);
static int compare_u64(const void *a, const void *b);
static int compare_address(const void *a, const void *b);
static int compare_passage(const void *a, const void *b);

bool rules_compile(const struct host_farm *farm, uint32_t underlay, const struct rules_outside *outside,
                   const struct rules *before, struct rules **ret_rules, struct error *err)
{
    if (!check_members(farm, err)) return false;
    struct rules *rules = mem_alloc(sizeof(*rules));
    rules->gateway = farm->gateway;
    rules->subnet = farm->subnet;
    rules->refused = VEC_OF(struct rules_range);
    rules->members = VEC_OF(struct tier_of);
    rules->passages = VEC_OF(struct passage);
    rules->judged = VEC_OF(char *);
    for (size_t i = 0; i < RULES_SETS; i++)
        rules->elements[i] = VEC_OF(char *);

    struct vec names = tier_names(farm);
    for (size_t i = 0; i < farm->members_length; i++) {
        const struct member *member = &farm->members[i];
        add_member(rules, member, member->underlay == underlay, tier_number(&names, member->tier));
    }
    for (size_t i = 0; i < farm->rules_length; i++)
        add_rule(rules, &names, &farm->rules[i], outside != NULL);
    add_filters(rules, farm, underlay, &names, before);
    vec_free(&names);
    if (rules->leave) add_leaving(rules, farm, underlay);
    /* Whether anything leaves or not: nft 1.0.6 cannot delete an interval that ends with the last address. */
    if (outside != NULL) add_refused(rules, outside);

    merge_passages(rules);
    list_passages(rules);
    vec_sort(&rules->members, compare_address);
    vec_sort(&rules->judged, compare_text);
    for (size_t i = 0; i < RULES_SETS; i++)
        vec_sort(&rules->elements[i], compare_text);
    *ret_rules = rules;
    return true;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL) return;
    for (size_t i = 0; i < RULES_SETS; i++) {
        for (size_t k = 0; k < rules->elements[i].length; k++)
            mem_free(*(char **)vec_at(&rules->elements[i], k));
        vec_free(&rules->elements[i]);
    }
    for (size_t i = 0; i < rules->judged.length; i++)
        mem_free(*(char **)vec_at(&rules->judged, i));
    vec_free(&rules->judged);
    vec_free(&rules->members);
    vec_free(&rules->passages);
    vec_free(&rules->refused);
    filter_book_free(rules->filters);
    mem_free(rules);
}

void rules_whole(const struct rules *rules, const struct vec *left, struct buf *ret_text)
{
    rules_text_tables(rules->gateway, rules->subnet, ret_text);
    filter_book_delete_others(rules->filters, left, ret_text);
    filter_book_add(NULL, rules->filters, ret_text);
    for (size_t i = 0; i < RULES_SETS; i++)
        rules_text_elements("add", (enum rules_set)i, &rules->elements[i], ret_text);
}

void rules_change(const struct rules *old, const struct rules *new, struct buf *ret_text)
{
    ASSERT(old->gateway == new->gateway);
    filter_book_add(old->filters, new->filters, ret_text);
    /* All that goes before anything that comes: an address may change hands in one transaction. */
    for (size_t i = 0; i < RULES_SETS; i++) {
        struct vec gone = VEC_OF(char *);
        difference(&old->elements[i], &new->elements[i], &gone);
        rules_text_elements("delete", (enum rules_set)i, &gone, ret_text);
        vec_free(&gone);
    }
    for (size_t i = 0; i < RULES_SETS; i++) {
        struct vec come = VEC_OF(char *);
        difference(&new->elements[i], &old->elements[i], &come);
        rules_text_elements("add", (enum rules_set)i, &come, ret_text);
        vec_free(&come);
    }
    filter_book_delete(old->filters, new->filters, ret_text);
    forget_gone(old, new, ret_text);
}

bool rules_shrink(const struct rules *old, const struct rules *new)
{
    size_t length = 0;
    for (size_t i = 0; i < RULES_SETS; i++) {
        struct vec gone = VEC_OF(char *);
        /* Whom filters judge is for the filters to say. */
        if (i == RULES_SET_FILTERS_OUT || i == RULES_SET_FILTERS_IN) continue;
        difference(&old->elements[i], &new->elements[i], &gone);
        length += gone.length;
        vec_free(&gone);
    }
    return length > 0 || filter_book_shrink(old->filters, new->filters);
}

bool rules_pass(const struct rules *rules, const struct rules_flow *flow)
{
    /* The gateway is the host itself: what passes there is not for the tiers' rules to say. */
    uint32_t from_tier = tier_at(rules, flow->from), to_tier = tier_at(rules, flow->to);
    if (flow->from == rules->gateway) return to_tier != 0;
    if (flow->to == rules->gateway) return from_tier != 0;
    const struct filter_packet packet = {.family = FAMILY_IPV4,
                                         .from = {.low = flow->from},
                                         .to = {.low = flow->to},
                                         .from_tier = from_tier,
                                         .to_tier = to_tier,
                                         .protocol = flow->protocol,
                                         .from_port = flow->from_port,
                                         .port = flow->port};
    if (to_tier == 0 && rules->leave && is_outside(rules, flow->to)) to_tier = TIER_NUMBER_INTERNET;
    if (from_tier == 0 || to_tier == 0) return false;
    for (size_t i = 0; i < rules->passages.length; i++) {
        const struct passage *passage = vec_at(&rules->passages, i);
        if (passage->from != from_tier || passage->to != to_tier) continue;
        if (passage->protocol != 0 && (passage->protocol != flow->protocol || flow->port < passage->first ||
                                       passage->last < flow->port))
            continue;
        return filter_book_pass(rules->filters, &packet);
    }
    return false;
}

const char *rules_filter_name(const struct rules *rules, uint32_t mark)
{
    return filter_book_name(rules->filters, mark);
}

bool rules_is_filter_chain(const char *name)
{
    return filter_book_is_name(name);
}

bool rules_leave(const struct rules *rules)
{
    return rules->leave;
}

char *rules_port_name(char *out, uint32_t address)
{
    snprintf(out, 16, "p%08x", address);
    return out;
}

uint64_t rules_gateway_mac(uint32_t gateway)
{
    /* Locally administered (IEEE 802, second bit of the first byte). */
    return 0x02fe00000000ULL | gateway;
}

static bool check_members(const struct host_farm *farm, struct error *err)
{
    struct vec addresses = VEC_OF(uint64_t), macs = VEC_OF(uint64_t);
    *(uint64_t *)vec_push(&addresses) = farm->gateway;
    *(uint64_t *)vec_push(&macs) = rules_gateway_mac(farm->gateway);
    for (size_t i = 0; i < farm->members_length; i++) {
        *(uint64_t *)vec_push(&addresses) = farm->members[i].address;
        *(uint64_t *)vec_push(&macs) = farm->members[i].mac;
    }
    char text[32];
    uint64_t value;
    bool good = true;
    if (is_doubled(&addresses, &value))
        good = error_set(err, ERROR_INVALID, "farm %s has the address %s twice", farm->name,
                         text_format_ipv4(text, (uint32_t)value));
    else if (is_doubled(&macs, &value))
        good = error_set(err, ERROR_INVALID, "farm %s has the MAC %s twice", farm->name,
                         text_format_mac(text, value));
    vec_free(&addresses);
    vec_free(&macs);
    return good;
}

static bool is_doubled(const struct vec *values, uint64_t *ret_value)
{
    array_sort(values->items, values->length, sizeof(uint64_t), compare_u64);
    for (size_t i = 1; i < values->length; i++) {
        const uint64_t *here = vec_at(values, i), *before = vec_at(values, i - 1);
        if (*here != *before) continue;
        *ret_value = *here;
        return true;
    }
    return false;
}

/* Tiers that have members, sorted. Numbers are hashes, or the next free ones: no two tiers share one. */
static struct vec tier_names(const struct host_farm *farm)
{
    struct vec all = VEC_OF(const char *), names = VEC_OF(struct tier_name);
    for (size_t i = 0; i < farm->members_length; i++)
        *(const char **)vec_push(&all) = farm->members[i].tier;
    vec_sort(&all, compare_text);
    for (size_t i = 0; i < all.length; i++) {
        const char *name = *(const char **)vec_at(&all, i);
        if (i > 0 && strcmp(name, *(const char **)vec_at(&all, i - 1)) == 0) continue;
        uint32_t number = (uint32_t)text_hash(TEXT_HASH_SEED, name, strlen(name));
        while (number < TIER_NUMBER_MIN || is_taken(&names, number))
            number++;
        *(struct tier_name *)vec_push(&names) = (struct tier_name){name, number};
    }
    vec_free(&all);
    return names;
}

static bool is_taken(const struct vec *names, uint32_t number)
{
    for (size_t i = 0; i < names->length; i++) {
        if (((struct tier_name *)vec_at(names, i))->number == number) return true;
    }
    return false;
}

static uint32_t tier_number(const struct vec *names, const char *name)
{
    const struct tier_name key = {.name = name};
    if (names->length == 0) return 0;
    const struct tier_name *found =
        bsearch(&key, names->items, names->length, sizeof(key), compare_tier_name);
    return found == NULL ? 0 : found->number;
}

static void add_member(struct rules *rules, const struct member *member, bool local, uint32_t tier)
{
    char address[32], mac[32], port[16] = "vx0";
    text_format_ipv4(address, member->address);
    text_format_mac(mac, member->mac);
    if (local) rules_port_name(port, member->address);
    *(struct tier_of *)vec_push(&rules->members) = (struct tier_of){member->address, tier};
    add_element(rules, RULES_SET_TIER, mem_printf("%s : %u", address, tier));
    add_element(rules, RULES_SET_SELF, mem_printf("%s . %s", address, address));
    add_element(rules, RULES_SET_IDENTITY, mem_printf("\"%s\" . %s . %s", port, mac, address));
    if (!local) return;
    add_element(rules, RULES_SET_LOCAL, mem_printf("%s : %s", address, mac));
    add_element(rules, RULES_SET_PORTS, mem_printf("\"%s\" . %s", port, mac));
    add_element(rules, RULES_SET_ARP, mem_printf("\"%s\" . %s . %s . %s", port, mac, mac, address));
    /* A probe whether an address is taken (RFC 5227) has no sender address yet. */
    add_element(rules, RULES_SET_ARP, mem_printf("\"%s\" . %s . %s . 0.0.0.0", port, mac, mac));
}

/* Who is here may send to the gateway what is for the outside; the tiers' rules say what of it goes on. */
static void add_leaving(struct rules *rules, const struct host_farm *farm, uint32_t underlay)
{
    char port[16];
    for (size_t i = 0; i < farm->members_length; i++) {
        const struct member *member = &farm->members[i];
        if (member->underlay == underlay)
            add_element(rules, RULES_SET_LEAVING,
                        mem_printf("\"%s\"", rules_port_name(port, member->address)));
    }
}

static void add_refused(struct rules *rules, const struct rules_outside *outside)
{
    for (size_t i = 0; i < outside->refused_length; i++) {
        *(struct rules_range *)vec_push(&rules->refused) = outside->refused[i];
        add_element(rules, RULES_SET_REFUSED, rules_text_range(&outside->refused[i]));
    }
}

static void add_rule(struct rules *rules, const struct vec *names, const struct farm_rule *rule, bool outside)
{
    uint32_t from = tier_number(names, rule->from), to = tier_number(names, rule->to);
    bool leaves = outside && text_equal(rule->to, TIER_INTERNET);
    if (leaves) to = TIER_NUMBER_INTERNET;
    /* A tier without members, or callers from the internet: they come by sockets of balancers, not by
     * packets. */
    if (from == 0 || to == 0) return;
    rules->leave |= leaves;
    bool all_ports = rule->port_first == 0 && (rule->port_last == UINT16_MAX || rule->port_last == 0);
    uint16_t first = all_ports ? 0 : rule->port_first, last = all_ports ? UINT16_MAX : rule->port_last;
    switch (rule->protocol) {
    case PROTOCOL_TCP:
        add_passage(rules, from, to, IPPROTO_TCP, first, last);
        break;
    case PROTOCOL_UDP:
        add_passage(rules, from, to, IPPROTO_UDP, first, last);
        break;
    case PROTOCOL_ICMP:
        add_passage(rules, from, to, IPPROTO_ICMP, 0, UINT16_MAX);
        break;
    case PROTOCOL_ANY:
        if (all_ports) {
            add_passage(rules, from, to, 0, 0, UINT16_MAX);
            break;
        }
        add_passage(rules, from, to, IPPROTO_TCP, first, last);
        add_passage(rules, from, to, IPPROTO_UDP, first, last);
        break;
    default:
        UNREACHABLE();
    }
}

static void add_passage(struct rules *rules, uint32_t from, uint32_t to, uint8_t protocol, uint16_t first,
                        uint16_t last)
{
    *(struct passage *)vec_push(&rules->passages) = (struct passage){from, to, protocol, first, last};
}

/* Intervals of one set may not overlap. */
static void merge_passages(struct rules *rules)
{
    struct vec merged = VEC_OF(struct passage);
    vec_sort(&rules->passages, compare_passage);
    struct passage *last = NULL;
    for (size_t i = 0; i < rules->passages.length; i++) {
        const struct passage *next = vec_at(&rules->passages, i);
        if (last != NULL && last->from == next->from && last->to == next->to &&
            last->protocol == next->protocol && next->first <= (uint32_t)last->last + 1) {
            if (next->last > last->last) last->last = next->last;
            continue;
        }
        last = vec_push(&merged);
        *last = *next;
    }
    vec_free(&rules->passages);
    rules->passages = merged;
}

static void list_passages(struct rules *rules)
{
    for (size_t i = 0; i < rules->passages.length; i++) {
        const struct passage *p = vec_at(&rules->passages, i);
        if (p->protocol == 0)
            add_element(rules, RULES_SET_ALLOW_ALL, mem_printf("%u . %u", p->from, p->to));
        else if (p->protocol == IPPROTO_ICMP)
            add_element(rules, RULES_SET_ALLOW_PROTOCOL,
                        mem_printf("%u . %u . %u", p->from, p->to, p->protocol));
        else /* "80-80" too: libnftables 1.0.6 does not find "mark . 80" again to delete it, but the range */
            add_element(rules, RULES_SET_ALLOW_PORT,
                        mem_printf("%u . %u . %u . %u-%u", p->from, p->to, p->protocol, p->first, p->last));
    }
}

static void add_filters(struct rules *rules, const struct host_farm *farm, uint32_t underlay,
                        const struct vec *names, const struct rules *before)
{
    static const enum rules_set maps[] = {
        [FILTER_IN] = RULES_SET_FILTERS_IN, [FILTER_OUT] = RULES_SET_FILTERS_OUT};
    const struct names_of names_of = {farm, names};
    const struct filter_place place = {.farm = farm->name,
                                       .subnet = farm->subnet,
                                       .tier = find_tier,
                                       .instance = find_instance,
                                       .ctx = &names_of};
    rules->filters = filter_book_new(farm, underlay, &place, before == NULL ? NULL : before->filters);
    filter_book_judged(rules->filters, &rules->judged);
    for (size_t i = 0; i < farm->members_length; i++) {
        for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
            char address[32], name[16];
            const char *chain = filter_book_chain(rules->filters, farm->members[i].address, d, name);
            if (chain == NULL) continue;
            text_format_ipv4(address, farm->members[i].address);
            add_element(rules, maps[d], mem_printf("%s : jump %s", address, chain));
        }
    }
}

static uint32_t find_tier(const void *ctx, const char *name)
{
    return tier_number(((const struct names_of *)ctx)->tiers, name);
}

static bool find_instance(const void *ctx, const char *name, uint32_t *ret_address)
{
    const struct host_farm *farm = ((const struct names_of *)ctx)->farm;
    for (size_t i = 0; i < farm->members_length; i++) {
        if (!text_equal(farm->members[i].instance, name)) continue;
        *ret_address = farm->members[i].address;
        return true;
    }
    return false;
}

static char *add_element(struct rules *rules, enum rules_set set, char *text)
{
    return *(char **)vec_push(&rules->elements[set]) = text;
}

static uint32_t tier_at(const struct rules *rules, uint32_t address)
{
    const struct tier_of key = {.address = address};
    if (rules->members.length == 0) return 0;
    const struct tier_of *found =
        bsearch(&key, rules->members.items, rules->members.length, sizeof(key), compare_address);
    return found == NULL ? 0 : found->tier;
}

static bool is_outside(const struct rules *rules, uint32_t address)
{
    unsigned bits = rules->subnet.bits;
    if (bits == 0 || ((address ^ rules->subnet.address) & (UINT32_MAX << (32 - bits))) == 0) return false;
    for (size_t i = 0; i < rules->refused.length; i++) {
        const struct rules_range *range = vec_at(&rules->refused, i);
        if (range->first <= address && address <= range->last) return false;
    }
    return true;
}

/* What stands in `old` and not in `new`; both sorted. The texts stay theirs. */
static void difference(const struct vec *old, const struct vec *new, struct vec *ret_only_old)
{
    size_t k = 0;
    for (size_t i = 0; i < old->length; i++) {
        char *text = *(char **)vec_at(old, i);
        int order = 1;
        while (k < new->length && (order = strcmp(*(char **)vec_at(new, k), text)) < 0)
            k++;
        if (k == new->length || order != 0) *(char **)vec_push(ret_only_old) = text;
    }
}

/* An address may be given to another one later, and a filter's name to another one: they start without the
 * old one's counters. */
static void forget_gone(const struct rules *old, const struct rules *new, struct buf *text)
{
    for (size_t i = 0; i < old->members.length; i++) {
        const struct tier_of *member = vec_at(&old->members, i);
        if (tier_at(new, member->address) == 0) rules_text_forget(member->address, text);
    }
    struct vec gone = VEC_OF(char *);
    difference(&old->judged, &new->judged, &gone);
    rules_text_forget_judged(&gone, text);
    vec_free(&gone);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_tier_name(const void *a, const void *b)
{
    return strcmp(((const struct tier_name *)a)->name, ((const struct tier_name *)b)->name);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_address(const void *a, const void *b)
{
    uint32_t x = ((const struct tier_of *)a)->address, y = ((const struct tier_of *)b)->address;
    return (x > y) - (x < y);
}

static int compare_passage(const void *a, const void *b)
{
    const struct passage *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->protocol != y->protocol) return x->protocol < y->protocol ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}
