#include "plan/filter/meet.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/filter/tree.h"

#include <string.h>

static bool is_named(const struct endpoint *end);
static enum meet meet_prefixes(const struct endpoint *a, const struct endpoint *b, struct endpoint *ret_end);
static bool is_same_end(const struct endpoint *a, const struct endpoint *b);
static bool meet_ports(struct arena *arena, const struct port_range *a, size_t a_length,
                       const struct port_range *b, size_t b_length, const struct port_range **ret_ports,
                       size_t *ret_length);
static struct port_range *merged(struct arena *arena, const struct port_range *ports, size_t *length);
static int compare_ranges(const void *a, const void *b);

enum meet meet_rules(struct arena *arena, const struct filter_rule *a, const struct filter_rule *b,
                     struct filter_rule *ret_rule)
{
    struct filter_rule rule = *a;

    if (a->direction == FILTER_BOTH)
        rule.direction = b->direction;
    else if (b->direction != FILTER_BOTH && a->direction != b->direction)
        return MEET_NOTHING;
    if (a->protocol == FILTER_PROTOCOL_ANY)
        rule.protocol = b->protocol;
    else if (b->protocol != FILTER_PROTOCOL_ANY && a->protocol != b->protocol)
        return MEET_NOTHING;
    if (!meet_ports(arena, a->from_ports, a->from_ports_length, b->from_ports, b->from_ports_length,
                    &rule.from_ports, &rule.from_ports_length) ||
        !meet_ports(arena, a->ports, a->ports_length, b->ports, b->ports_length, &rule.ports,
                    &rule.ports_length))
        return MEET_NOTHING;
    enum meet from = meet_ends(arena, &a->from, &b->from, &rule.from),
              to = meet_ends(arena, &a->to, &b->to, &rule.to);
    if (from == MEET_NOTHING || to == MEET_NOTHING) return MEET_NOTHING;
    if (rule.from.kind == ENDPOINT_PREFIX && rule.to.kind == ENDPOINT_PREFIX &&
        rule.from.prefix.family != rule.to.prefix.family)
        return MEET_NOTHING;
    if (from == MEET_NONE_SAYS || to == MEET_NONE_SAYS) return MEET_NONE_SAYS;
    *ret_rule = rule;
    return MEET_RULE;
}

enum meet meet_ends(struct arena *arena, const struct endpoint *a, const struct endpoint *b,
                    struct endpoint *ret_end)
{
    if (a->kind == ENDPOINT_ANY || b->kind == ENDPOINT_ANY) {
        *ret_end = a->kind == ENDPOINT_ANY ? *b : *a;
        return MEET_RULE;
    }
    if (a->kind == ENDPOINT_PREFIX && b->kind == ENDPOINT_PREFIX) return meet_prefixes(a, b, ret_end);
    if (a->kind == ENDPOINT_PREFIX || b->kind == ENDPOINT_PREFIX) return MEET_NONE_SAYS;
    if (!is_named(a) || !is_named(b)) {
        if (a->kind != b->kind) return MEET_NOTHING;
        *ret_end = *a;
        return MEET_RULE;
    }
    struct name x = name_of_end(arena, a->kind, a->name), y = name_of_end(arena, b->kind, b->name);
    if (!tree_is_within(&x, &y) && !tree_is_within(&y, &x)) return MEET_NOTHING;
    *ret_end = tree_is_within(&x, &y) ? *a : *b;
    return MEET_RULE;
}

bool meet_is_same(const struct filter_rule *a, const struct filter_rule *b)
{
    return a->direction == b->direction && a->protocol == b->protocol && is_same_end(&a->from, &b->from) &&
           is_same_end(&a->to, &b->to) && a->ports_length == b->ports_length &&
           a->from_ports_length == b->from_ports_length &&
           (a->ports_length == 0 || memcmp(a->ports, b->ports, a->ports_length * sizeof(*a->ports)) == 0) &&
           (a->from_ports_length == 0 ||
            memcmp(a->from_ports, b->from_ports, a->from_ports_length * sizeof(*a->from_ports)) == 0);
}

static bool is_named(const struct endpoint *end)
{
    return end->kind == ENDPOINT_FARM || end->kind == ENDPOINT_TIER || end->kind == ENDPOINT_INSTANCE;
}

/* One of them, since prefixes are nested or apart. */
static enum meet meet_prefixes(const struct endpoint *a, const struct endpoint *b, struct endpoint *ret_end)
{
    const struct endpoint *narrow = a->prefix.bits > b->prefix.bits ? a : b, *broad = narrow == a ? b : a;
    unsigned bits = broad->prefix.bits;

    if (a->prefix.family != b->prefix.family ||
        memcmp(narrow->prefix.address, broad->prefix.address, bits / 8) != 0)
        return MEET_NOTHING;
    if (bits % 8 != 0 &&
        (narrow->prefix.address[bits / 8] ^ broad->prefix.address[bits / 8]) >> (8 - bits % 8) != 0)
        return MEET_NOTHING;
    *ret_end = *narrow;
    return MEET_RULE;
}

static bool is_same_end(const struct endpoint *a, const struct endpoint *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == ENDPOINT_PREFIX)
        return a->prefix.family == b->prefix.family && a->prefix.bits == b->prefix.bits &&
               memcmp(a->prefix.address, b->prefix.address, ADDRESS_SIZE) == 0;
    return !is_named(a) || text_equal(a->name, b->name);
}

/* false: no port is in both. Length 0 means any port here as there. */
static bool meet_ports(struct arena *arena, const struct port_range *a, size_t a_length,
                       const struct port_range *b, size_t b_length, const struct port_range **ret_ports,
                       size_t *ret_length)
{
    if (a_length == 0 || b_length == 0) {
        *ret_length = a_length + b_length;
        *ret_ports = merged(arena, a_length ? a : b, ret_length);
        return true;
    }
    const struct port_range *x = merged(arena, a, &a_length), *y = merged(arena, b, &b_length);
    struct port_range *both = arena_alloc_array(arena, a_length + b_length, sizeof(*both));
    size_t length = 0;
    for (size_t i = 0, j = 0; i < a_length && j < b_length;) {
        uint16_t first = x[i].first > y[j].first ? x[i].first : y[j].first,
                 last = x[i].last < y[j].last ? x[i].last : y[j].last;
        if (first <= last) both[length++] = (struct port_range){first, last};
        if (x[i].last < y[j].last)
            i++;
        else
            j++;
    }
    *ret_ports = both;
    *ret_length = length;
    return length > 0;
}

/* In order, without overlaps and without gaps that are none. */
static struct port_range *merged(struct arena *arena, const struct port_range *ports, size_t *length)
{
    struct port_range *ranges = arena_alloc_array(arena, *length + 1, sizeof(*ranges));
    size_t kept = 0;

    if (*length > 0) memcpy(ranges, ports, *length * sizeof(*ranges));
    array_sort(ranges, *length, sizeof(*ranges), compare_ranges);
    for (size_t i = 0; i < *length; i++) {
        if (kept > 0 && ranges[i].first <= (uint32_t)ranges[kept - 1].last + 1) {
            if (ranges[i].last > ranges[kept - 1].last) ranges[kept - 1].last = ranges[i].last;
        } else
            ranges[kept++] = ranges[i];
    }
    *length = kept;
    return ranges;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct port_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}
