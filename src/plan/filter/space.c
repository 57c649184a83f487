#include "plan/filter/space.h"

#include "base/vec.h"
#include "plan/filter/tree.h"

#include <string.h>

enum { ADDRESS_BITS_WIDE = 128, TCP_PLACE = 0, UDP_PLACE = 1, PORT_PLACES = 2 };

/* Intervals of ranks of one lane. */
struct ranges {
    struct {
        size_t first, last;
    } items[FILTER_PORTS_MAX];
    size_t length;
};

static void cut_addresses(struct space *space, struct vec starts[SIDES][FAMILIES]);
static void cut_prefix(const struct endpoint *end, struct vec starts[FAMILIES]);
static void cut_ports(struct space *space);
static void cut_protocols(struct space *space);
static void add_start(struct vec *starts, wide start, wide last);
static struct cuts cuts_of(struct arena *arena, struct vec *starts, wide last);
static int compare_wide(const void *a, const void *b);
static size_t rank_of(const struct cuts *cuts, wide value);
static wide cuts_last(const struct cuts *cuts, size_t rank);
static wide largest_address(enum address_family family);
static wide wide_of_address(enum address_family family, const unsigned char *address);
/* Places: TCP, UDP, then the other protocols by IANA's number. */
static unsigned place_of_protocol(int64_t protocol);
static uint8_t protocol_of_place(unsigned place);
static bool clip_rule(const struct space *space, const struct filter_rule *rule, struct box *box);
static bool clip_end(const struct space *space, const struct endpoint *end, enum packet_side side,
                     struct box *box);
static bool clip(struct box *box, enum lane lane, size_t first, size_t last);
static struct ranges ranges_of(const struct cuts *cuts, const struct port_range *ports, size_t length);
static size_t family_offset(const struct space *space, enum packet_side side, enum address_family family);
static wide nice_address(const struct space *space, const struct box *region, enum packet_side side);
static uint16_t nice_port(const struct space *space, const struct box *region, enum packet_side side,
                          const uint16_t *wishes, size_t length);
static void name_end(const struct space *space, const struct box *region, enum packet_side side,
                     struct packet_end *end);

bool space_make(struct arena *arena, const struct filter *const *filters, size_t length,
                struct space *ret_space, struct error *err)
{
    struct space space = {.filters = filters, .filters_length = length, .arena = arena};
    struct vec starts[SIDES][FAMILIES] = {{VEC_OF(wide), VEC_OF(wide)}, {VEC_OF(wide), VEC_OF(wide)}};

    tree_gather(arena, filters, length, &space);
    cut_addresses(&space, starts);
    cut_ports(&space);
    cut_protocols(&space);
    for (enum packet_side side = 0; side < SIDES; side++)
        if (space.addresses[side][FAMILY_IPV4].length + space.addresses[side][FAMILY_IPV6].length >
                RANKS_MAX ||
            space.names_length + RANK_NAMES > RANKS_MAX)
            return error_set(err, ERROR_TOO_LARGE,
                             "the filters name too many farms, tiers, instances or prefixes to be compared");
    *ret_space = space;
    return true;
}

bool space_base(const struct space *space, size_t n, struct box *ret_base)
{
    bool others = (n & 4) != 0, v6 = (n & 2) != 0;
    enum filter_direction direction = (n & 1) != 0 ? FILTER_OUT : FILTER_IN;
    enum lane own = direction == FILTER_IN ? LANE_TO_NAME : LANE_FROM_NAME;
    size_t last_name = RANK_NAMES + space->names_length - 1, first = 0, last = 0;
    size_t tcp = rank_of(&space->protocols, TCP_PLACE), other = rank_of(&space->protocols, PORT_PLACES);
    struct box base;

    box_set(&base, LANE_FROM_NAME, 0, last_name);
    box_set(&base, LANE_TO_NAME, 0, last_name);
    bool governed = clip(&base, own, RANK_OTHER_FARM, last_name);
    for (size_t f = 0; f < space->filters_length; f++) {
        const char *on = space->filters[f]->on;
        if (strcmp(on, FILTER_ON_ALL) == 0) continue;
        struct name name = name_of_on(space->arena, space->filters, space->filters_length, on);
        tree_find(space, &name, &first, &last);
        governed = governed && clip(&base, own, first, last);
    }
    for (enum packet_side side = 0; side < SIDES; side++) {
        size_t offset = family_offset(space, side, v6 ? FAMILY_IPV6 : FAMILY_IPV4);
        box_set(&base, side == SIDE_FROM ? LANE_FROM_ADDRESS : LANE_TO_ADDRESS, offset,
                offset + space->addresses[side][v6 ? FAMILY_IPV6 : FAMILY_IPV4].length - 1);
        /* Others have no ports: no rule tells theirs apart. */
        box_set(&base, side == SIDE_FROM ? LANE_FROM_PORT : LANE_PORT, 0,
                others ? 0 : space->ports[side].length - 1);
    }
    box_set(&base, LANE_PROTOCOL, others ? other : tcp, others ? space->protocols.length - 1 : other - 1);
    box_set(&base, LANE_DIRECTION, direction, direction);
    *ret_base = base;
    return governed;
}

bool space_boxes(const struct space *space, const struct filter *filter, const struct box *base,
                 struct boxes *ret_boxes, struct error *err)
{
    struct vec items = VEC_OF(struct box), rules = VEC_OF(uint32_t);

    for (size_t i = 0; i < filter->rules_length && items.length <= BOXES_MAX; i++) {
        const struct filter_rule *rule = &filter->rules[i];
        struct box whole = *base;
        if (!clip_rule(space, rule, &whole)) continue;
        struct ranges from = ranges_of(&space->ports[SIDE_FROM], rule->from_ports, rule->from_ports_length),
                      to = ranges_of(&space->ports[SIDE_TO], rule->ports, rule->ports_length);
        for (size_t n = 0; n < from.length * to.length && items.length <= BOXES_MAX; n++) {
            struct box box = whole;
            if (!clip(&box, LANE_FROM_PORT, from.items[n / to.length].first,
                      from.items[n / to.length].last) ||
                !clip(&box, LANE_PORT, to.items[n % to.length].first, to.items[n % to.length].last))
                continue;
            *(struct box *)vec_push(&items) = box;
            *(uint32_t *)vec_push(&rules) = (uint32_t)i + 1;
        }
    }
    struct boxes boxes = {.length = items.length, .filter = filter};
    if (boxes.length <= BOXES_MAX) {
        boxes.items = arena_alloc_array(space->arena, boxes.length + 1, sizeof(*boxes.items));
        boxes.rules = arena_alloc_array(space->arena, boxes.length + 1, sizeof(*boxes.rules));
        for (size_t i = 0; i < boxes.length; i++) {
            boxes.items[i] = *(const struct box *)vec_at(&items, i);
            boxes.rules[i] = *(const uint32_t *)vec_at(&rules, i);
        }
    }
    vec_free(&items);
    vec_free(&rules);
    if (boxes.length > BOXES_MAX)
        return error_set(err, ERROR_TOO_LARGE,
                         "the lists of ports in filter \"%s\" are too long to be judged: use ranges",
                         filter->name);
    *ret_boxes = boxes;
    return true;
}

struct packet space_packet(const struct space *space, const struct box *region)
{
    static const uint16_t from_wishes[] = {40000}, to_wishes[] = {443, 80, 22, 8080};
    struct packet packet = {.direction = (enum filter_direction)box_first(region, LANE_DIRECTION),
                            .family = space_family(space, region)};
    uint8_t wish = packet.family == FAMILY_IPV4 ? IP_ICMP : IP_ICMPV6;
    wide first = space->protocols.starts[box_first(region, LANE_PROTOCOL)],
         last = cuts_last(&space->protocols, box_last(region, LANE_PROTOCOL)),
         place = place_of_protocol(wish);

    packet.protocol =
        first >= PORT_PLACES && first <= place && place <= last ? wish : protocol_of_place((unsigned)first);
    wide_to_address(packet.family, nice_address(space, region, SIDE_FROM), packet.from.address);
    wide_to_address(packet.family, nice_address(space, region, SIDE_TO), packet.to.address);
    name_end(space, region, SIDE_FROM, &packet.from);
    name_end(space, region, SIDE_TO, &packet.to);
    if (!packet_has_ports(&packet)) return packet;
    packet.from.port = nice_port(space, region, SIDE_FROM, from_wishes, LENGTH(from_wishes));
    packet.to.port = nice_port(space, region, SIDE_TO, to_wishes, LENGTH(to_wishes));
    return packet;
}

enum address_family space_family(const struct space *space, const struct box *region)
{
    bool v6 = box_first(region, LANE_FROM_ADDRESS) >= family_offset(space, SIDE_FROM, FAMILY_IPV6);
    return v6 ? FAMILY_IPV6 : FAMILY_IPV4;
}

void space_addresses(const struct space *space, const struct box *region, enum packet_side side,
                     wide *ret_first, wide *ret_last)
{
    enum address_family family = space_family(space, region);
    enum lane lane = side == SIDE_FROM ? LANE_FROM_ADDRESS : LANE_TO_ADDRESS;
    const struct cuts *cuts = &space->addresses[side][family];
    size_t offset = family_offset(space, side, family);

    *ret_first = cuts->starts[box_first(region, lane) - offset];
    *ret_last = cuts_last(cuts, box_last(region, lane) - offset);
}

void space_ports(const struct space *space, const struct box *region, enum packet_side side,
                 uint16_t *ret_first, uint16_t *ret_last)
{
    enum lane lane = side == SIDE_FROM ? LANE_FROM_PORT : LANE_PORT;

    *ret_first = (uint16_t)space->ports[side].starts[box_first(region, lane)];
    *ret_last = (uint16_t)cuts_last(&space->ports[side], box_last(region, lane));
}

size_t space_rank_of_protocol(const struct space *space, int64_t protocol)
{
    return rank_of(&space->protocols, place_of_protocol(protocol));
}

void wide_to_address(enum address_family family, wide value, unsigned char *ret_address)
{
    memset(ret_address, 0, ADDRESS_SIZE);
    for (unsigned i = address_bits(family) / 8; i-- > 0; value >>= 8)
        ret_address[i] = (unsigned char)(value & 0xff);
}

static void cut_addresses(struct space *space, struct vec starts[SIDES][FAMILIES])
{
    for (size_t f = 0; f < space->filters_length; f++)
        for (size_t i = 0; i < space->filters[f]->rules_length; i++) {
            cut_prefix(&space->filters[f]->rules[i].from, starts[SIDE_FROM]);
            cut_prefix(&space->filters[f]->rules[i].to, starts[SIDE_TO]);
        }
    for (enum packet_side side = 0; side < SIDES; side++)
        for (enum address_family family = 0; family < FAMILIES; family++)
            space->addresses[side][family] =
                cuts_of(space->arena, &starts[side][family], largest_address(family));
}

static void cut_prefix(const struct endpoint *end, struct vec starts[FAMILIES])
{
    enum address_family family = end->prefix.family;

    if (end->kind != ENDPOINT_PREFIX || end->prefix.bits == 0) return;
    wide first = wide_of_address(family, end->prefix.address);
    add_start(&starts[family], first, largest_address(family));
    /* Beyond the last prefix of the family there is nothing. */
    wide size = (wide)1 << (address_bits(family) - end->prefix.bits);
    if (largest_address(family) - first >= size)
        add_start(&starts[family], first + size, largest_address(family));
}

static void cut_ports(struct space *space)
{
    struct vec starts[SIDES] = {VEC_OF(wide), VEC_OF(wide)};

    for (size_t f = 0; f < space->filters_length; f++)
        for (size_t i = 0; i < space->filters[f]->rules_length; i++) {
            const struct filter_rule *rule = &space->filters[f]->rules[i];
            for (size_t n = 0; n < rule->from_ports_length; n++) {
                add_start(&starts[SIDE_FROM], rule->from_ports[n].first, UINT16_MAX);
                add_start(&starts[SIDE_FROM], (wide)rule->from_ports[n].last + 1, UINT16_MAX);
            }
            for (size_t n = 0; n < rule->ports_length; n++) {
                add_start(&starts[SIDE_TO], rule->ports[n].first, UINT16_MAX);
                add_start(&starts[SIDE_TO], (wide)rule->ports[n].last + 1, UINT16_MAX);
            }
        }
    for (enum packet_side side = 0; side < SIDES; side++)
        space->ports[side] = cuts_of(space->arena, &starts[side], UINT16_MAX);
}

static void cut_protocols(struct space *space)
{
    struct vec starts = VEC_OF(wide);

    add_start(&starts, PORT_PLACES, UINT8_MAX);
    for (size_t f = 0; f < space->filters_length; f++)
        for (size_t i = 0; i < space->filters[f]->rules_length; i++) {
            int64_t protocol = space->filters[f]->rules[i].protocol;
            if (protocol == FILTER_PROTOCOL_ANY) continue;
            add_start(&starts, place_of_protocol(protocol), UINT8_MAX);
            add_start(&starts, (wide)place_of_protocol(protocol) + 1, UINT8_MAX);
        }
    space->protocols = cuts_of(space->arena, &starts, UINT8_MAX);
}

static void add_start(struct vec *starts, wide start, wide last)
{
    if (start <= last) *(wide *)vec_push(starts) = start;
}

static struct cuts cuts_of(struct arena *arena, struct vec *starts, wide last)
{
    struct cuts cuts = {
        .starts = arena_alloc_array(arena, starts->length + 1, sizeof(wide)), .length = 1, .last = last};

    vec_sort(starts, compare_wide);
    for (size_t i = 0; i < starts->length; i++) { /* the first piece begins at 0 */
        wide start = *(const wide *)vec_at(starts, i);
        if (start != cuts.starts[cuts.length - 1]) cuts.starts[cuts.length++] = start;
    }
    vec_free(starts);
    return cuts;
}

static int compare_wide(const void *a, const void *b)
{
    const wide *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static size_t rank_of(const struct cuts *cuts, wide value)
{
    size_t low = 0, high = cuts->length; /* starts[low] <= value < starts[high] */

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (cuts->starts[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static wide cuts_last(const struct cuts *cuts, size_t rank)
{
    return rank + 1 < cuts->length ? cuts->starts[rank + 1] - 1 : cuts->last;
}

static wide largest_address(enum address_family family)
{
    return ~(wide)0 >> (ADDRESS_BITS_WIDE - address_bits(family));
}

static wide wide_of_address(enum address_family family, const unsigned char *address)
{
    wide value = 0;
    for (unsigned i = 0; i < address_bits(family) / 8; i++)
        value = value << 8 | address[i];
    return value;
}

static unsigned place_of_protocol(int64_t protocol)
{
    if (protocol == IP_TCP) return TCP_PLACE;
    if (protocol == IP_UDP) return UDP_PLACE;
    return (unsigned)protocol + PORT_PLACES - (protocol > IP_TCP) - (protocol > IP_UDP);
}

static uint8_t protocol_of_place(unsigned place)
{
    if (place == TCP_PLACE) return IP_TCP;
    if (place == UDP_PLACE) return IP_UDP;
    unsigned protocol = place - PORT_PLACES;
    protocol += protocol >= IP_TCP;
    return (uint8_t)(protocol + (protocol >= IP_UDP));
}

/* All but the ports. false: the rule matches nothing in the box. */
static bool clip_rule(const struct space *space, const struct filter_rule *rule, struct box *box)
{
    if (rule->direction != FILTER_BOTH && !clip(box, LANE_DIRECTION, rule->direction, rule->direction))
        return false;
    if (rule->protocol != FILTER_PROTOCOL_ANY) {
        size_t rank = space_rank_of_protocol(space, rule->protocol);
        if (!clip(box, LANE_PROTOCOL, rank, rank)) return false;
    }
    return clip_end(space, &rule->from, SIDE_FROM, box) && clip_end(space, &rule->to, SIDE_TO, box);
}

static bool clip_end(const struct space *space, const struct endpoint *end, enum packet_side side,
                     struct box *box)
{
    enum lane lane = side == SIDE_FROM ? LANE_FROM_NAME : LANE_TO_NAME;
    size_t first = 0, last = 0;

    switch (end->kind) {
    case ENDPOINT_ANY:
        return true;
    case ENDPOINT_INTERNET:
        return clip(box, lane, RANK_INTERNET, RANK_INTERNET);
    case ENDPOINT_FARM:
    case ENDPOINT_TIER:
    case ENDPOINT_INSTANCE: {
        struct name name = name_of_end(space->arena, end->kind, end->name);
        tree_find(space, &name, &first, &last);
        return clip(box, lane, first, last);
    }
    case ENDPOINT_PREFIX:
        break;
    }
    enum address_family family = end->prefix.family;
    const struct cuts *cuts = &space->addresses[side][family];
    size_t offset = family_offset(space, side, family);
    wide address = wide_of_address(family, end->prefix.address);
    wide beyond = end->prefix.bits == 0 ? largest_address(family)
                                        : ((wide)1 << (address_bits(family) - end->prefix.bits)) - 1;
    return clip(box, side == SIDE_FROM ? LANE_FROM_ADDRESS : LANE_TO_ADDRESS, offset + rank_of(cuts, address),
                offset + rank_of(cuts, address + beyond));
}

static bool clip(struct box *box, enum lane lane, size_t first, size_t last)
{
    if (box_first(box, lane) > first) first = box_first(box, lane);
    if (box_last(box, lane) < last) last = box_last(box, lane);
    if (first > last) return false;
    box_set(box, lane, first, last);
    return true;
}

/* As few as say the same; no list: all. */
static struct ranges ranges_of(const struct cuts *cuts, const struct port_range *ports, size_t length)
{
    struct ranges ranges = {.length = 1};

    ranges.items[0].last = cuts->length - 1;
    if (length > 0) ranges.length = 0;
    for (size_t n = 0; n < length; n++) {
        size_t first = rank_of(cuts, ports[n].first), last = rank_of(cuts, ports[n].last), kept = 0;
        for (size_t i = 0; i < ranges.length; i++) { /* those that it touches become part of it */
            size_t other_first = ranges.items[i].first, other_last = ranges.items[i].last;
            if (other_first > last + 1 || first > other_last + 1) {
                ranges.items[kept++] = ranges.items[i];
                continue;
            }
            first = other_first < first ? other_first : first;
            last = other_last > last ? other_last : last;
        }
        ASSERT(kept < LENGTH(ranges.items));
        ranges.items[kept].first = first;
        ranges.items[kept].last = last;
        ranges.length = kept + 1;
    }
    return ranges;
}

static size_t family_offset(const struct space *space, enum packet_side side, enum address_family family)
{
    return family == FAMILY_IPV4 ? 0 : space->addresses[side][FAMILY_IPV4].length;
}

/* The first host of the region's addresses; of all addresses one that stands in examples (RFC 5737, RFC
 * 3849). */
static wide nice_address(const struct space *space, const struct box *region, enum packet_side side)
{
    static const wide v4[SIDES] = {0xC6336401, 0xC0000201}; /* 198.51.100.1, 192.0.2.1 */
    static const wide v6[SIDES] = {1, 2};                   /* behind 2001:db8:: */
    wide first = 0, last = 0;

    space_addresses(space, region, side, &first, &last);
    wide wish = space_family(space, region) == FAMILY_IPV4 ? v4[side] : ((wide)0x20010DB8 << 96) + v6[side];
    if (first == 0 && wish <= last) return wish;
    return first < last ? first + 1 : first;
}

static uint16_t nice_port(const struct space *space, const struct box *region, enum packet_side side,
                          const uint16_t *wishes, size_t length)
{
    uint16_t first = 0, last = 0;

    space_ports(space, region, side, &first, &last);
    if (side == SIDE_TO && first > 0) return first; /* where a rule's ports begin or end */
    for (size_t i = 0; i < length; i++)
        if (first <= wishes[i] && wishes[i] <= last) return wishes[i];
    return first == 0 && last > 0 ? 1 : first;
}

static void name_end(const struct space *space, const struct box *region, enum packet_side side,
                     struct packet_end *end)
{
    size_t rank = box_first(region, side == SIDE_FROM ? LANE_FROM_NAME : LANE_TO_NAME);
    const struct name *name = rank >= RANK_NAMES ? &space->names[rank - RANK_NAMES] : NULL;

    end->farm = name ? name->farm : "";
    end->tier = name ? name->tier : "";
    end->instance = name ? name->instance : "";
    end->internet = rank == RANK_INTERNET;
}
