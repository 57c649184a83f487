#include "driver/net/filter.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "driver/net/filter_layers.h"

#include <string.h>

/* What an endpoint means: `internet` is the addresses before and behind the subnet, and all of IPv6, of which
 * a farm has none. */
struct end {
    enum filter_use use;
    bool family_given;
    enum address_family family;
    struct filter_value first, last;
};
enum { ENDS_MAX = 3 };

/* PORTS_MAX: pairs of port ranges that one rule may put into a set. BOXES_MAX: elements of a run; what boxes
 * cost to lay out grows with their square when somebody means it to. */
enum { PORTS_MAX = 256, BOXES_MAX = 4096 };

static bool add_rule(struct filter_program *program, size_t *streak, const struct filter_rule *rule,
                     const struct filter_place *place);
static void add_pair(struct filter_program *program, size_t streak, const struct filter_rule *rule,
                     const struct end *from, const struct end *to, const struct vec ports[2]);
static struct filter_run *find_run(struct filter_program *program, size_t streak,
                                   const struct filter_shape *shape);
static struct filter_run *new_run(struct filter_program *program, enum filter_action action,
                                  const struct filter_shape *shape);
static size_t find_ends(const struct endpoint *endpoint, const struct filter_place *place,
                        struct end ends[ENDS_MAX]);
static void add_meaning(const struct endpoint *endpoint, const struct filter_place *place, struct buf *bytes);
static const char *own_name(const struct filter_place *place, const char *name);
static bool prefix_end(const struct wide_prefix *prefix, struct end *ret_end);
static size_t internet_ends(const struct prefix *subnet, struct end ends[ENDS_MAX]);
static uint32_t subnet_last(const struct prefix *subnet);
static struct end range_end(uint32_t first, uint32_t last);
static struct vec merge_ports(const struct port_range *ranges, size_t length);
static int compare_ports(const void *a, const void *b);
static struct filter_value read_value(const unsigned char *bytes, enum address_family family);
static bool run_matches(const struct filter_run *run, const struct filter_packet *packet);
static bool ports_match(const struct vec *ports, uint16_t port);

struct filter_program *filter_program_new(const struct filter *filter, enum filter_direction direction,
                                          const struct filter_place *place)
{
    struct filter_program *program = mem_alloc(sizeof(*program));
    size_t streak = 0; /* first run of those that no rule of another action stands between */
    program->direction = direction;
    program->default_action = filter->default_action;
    program->mark = filter_mark(filter->full_name);
    program->runs = VEC_OF(struct filter_run);
    for (size_t i = 0; i < filter->rules_length; i++) {
        const struct filter_rule *rule = &filter->rules[i];
        if (rule->direction != FILTER_BOTH && rule->direction != direction) continue;
        if (!add_rule(program, &streak, rule, place)) break;
    }
    for (size_t i = 0; i < program->runs.length; i++)
        filter_layers(vec_at(&program->runs, i));
    return program;
}

void filter_meaning(const struct filter *filter, const struct filter_place *place, struct buf *ret_bytes)
{
    const uint32_t head[] = {filter->default_action, place->subnet.address, place->subnet.bits};
    buf_add(ret_bytes, head, sizeof(head));
    for (size_t i = 0; i < filter->rules_length; i++) {
        const struct filter_rule *rule = &filter->rules[i];
        const uint32_t fields[] = {rule->action, rule->direction, (uint32_t)rule->protocol,
                                   (uint32_t)rule->from_ports_length, (uint32_t)rule->ports_length};
        buf_add(ret_bytes, fields, sizeof(fields));
        add_meaning(&rule->from, place, ret_bytes);
        add_meaning(&rule->to, place, ret_bytes);
        buf_add(ret_bytes, rule->from_ports, rule->from_ports_length * sizeof(*rule->from_ports));
        buf_add(ret_bytes, rule->ports, rule->ports_length * sizeof(*rule->ports));
    }
}

uint32_t filter_mark(const char *full_name)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, full_name, strlen(full_name));
    uint32_t mark = (uint32_t)(hash ^ hash >> 32);
    return mark == 0 ? 1 : mark;
}

void filter_program_free(struct filter_program *program)
{
    if (program == NULL) return;
    for (size_t i = 0; i < program->runs.length; i++) {
        struct filter_run *run = vec_at(&program->runs, i);
        vec_free(&run->boxes);
        vec_free(&run->from_ports);
        vec_free(&run->ports);
    }
    vec_free(&program->runs);
    mem_free(program);
}

enum filter_action filter_program_judge(const struct filter_program *program,
                                        const struct filter_packet *packet)
{
    for (size_t i = 0; i < program->runs.length; i++) {
        const struct filter_run *run = vec_at(&program->runs, i);
        if (run_matches(run, packet)) return run->action;
    }
    return program->default_action;
}

/* false: it matches everything, so that no later one is ever asked. */
static bool add_rule(struct filter_program *program, size_t *streak, const struct filter_rule *rule,
                     const struct filter_place *place)
{
    struct end from[ENDS_MAX], to[ENDS_MAX];
    size_t from_length = find_ends(&rule->from, place, from), to_length = find_ends(&rule->to, place, to);
    struct vec ports[2] = {merge_ports(rule->from_ports, rule->from_ports_length),
                           merge_ports(rule->ports, rule->ports_length)};
    if (program->runs.length > *streak) {
        const struct filter_run *last = vec_at(&program->runs, program->runs.length - 1);
        if (last->action != rule->action) *streak = program->runs.length;
    }
    for (size_t i = 0; i < from_length; i++) {
        for (size_t k = 0; k < to_length; k++)
            add_pair(program, *streak, rule, &from[i], &to[k], ports);
    }
    bool all = rule->from.kind == ENDPOINT_ANY && rule->to.kind == ENDPOINT_ANY &&
               rule->protocol == FILTER_PROTOCOL_ANY && ports[0].length + ports[1].length == 0;
    vec_free(&ports[0]);
    vec_free(&ports[1]);
    return !all;
}

static void add_pair(struct filter_program *program, size_t streak, const struct filter_rule *rule,
                     const struct end *from, const struct end *to, const struct vec ports[2])
{
    if (from->family_given && to->family_given && from->family != to->family) return;
    struct filter_shape shape = {.use = {[FIELD_FROM] = from->use, [FIELD_TO] = to->use},
                                 .family_given = from->family_given || to->family_given,
                                 .family = from->family_given ? from->family : to->family};
    struct filter_box box = {.first = {[FIELD_FROM] = from->first, [FIELD_TO] = to->first},
                             .last = {[FIELD_FROM] = from->last, [FIELD_TO] = to->last}};
    if (rule->protocol != FILTER_PROTOCOL_ANY) {
        shape.use[FIELD_PROTOCOL] = USE_VALUE;
        box.first[FIELD_PROTOCOL].low = box.last[FIELD_PROTOCOL].low = (uint64_t)rule->protocol;
    }
    size_t sources = ports[0].length == 0 ? 1 : ports[0].length;
    size_t targets = ports[1].length == 0 ? 1 : ports[1].length;
    if (sources * targets > PORTS_MAX) {
        struct filter_run *run = new_run(program, rule->action, &shape);
        *(struct filter_box *)vec_push(&run->boxes) = box;
        for (size_t i = 0; i < ports[0].length; i++)
            *(struct port_range *)vec_push(&run->from_ports) = *(struct port_range *)vec_at(&ports[0], i);
        for (size_t i = 0; i < ports[1].length; i++)
            *(struct port_range *)vec_push(&run->ports) = *(struct port_range *)vec_at(&ports[1], i);
        return;
    }
    shape.use[FIELD_FROM_PORT] = ports[0].length == 0 ? USE_NONE : USE_VALUE;
    shape.use[FIELD_PORT] = ports[1].length == 0 ? USE_NONE : USE_VALUE;
    for (size_t i = 0; i < sources * targets; i++) {
        for (size_t k = 0; k < 2; k++) {
            if (ports[k].length == 0) continue;
            const struct port_range *range = vec_at(&ports[k], k == 0 ? i / targets : i % targets);
            box.first[FIELD_FROM_PORT + k].low = range->first;
            box.last[FIELD_FROM_PORT + k].low = range->last;
        }
        struct filter_run *run = find_run(program, streak, &shape);
        if (run == NULL) run = new_run(program, rule->action, &shape);
        *(struct filter_box *)vec_push(&run->boxes) = box;
    }
}

static struct filter_run *find_run(struct filter_program *program, size_t streak,
                                   const struct filter_shape *shape)
{
    for (size_t i = streak; i < program->runs.length; i++) {
        struct filter_run *run = vec_at(&program->runs, i);
        bool same = run->shape.family_given == shape->family_given && run->shape.family == shape->family &&
                    memcmp(run->shape.use, shape->use, sizeof(shape->use)) == 0;
        if (same && run->from_ports.length + run->ports.length == 0 && run->boxes.length < BOXES_MAX)
            return run;
    }
    return NULL;
}

static struct filter_run *new_run(struct filter_program *program, enum filter_action action,
                                  const struct filter_shape *shape)
{
    struct filter_run *run = vec_push(&program->runs);
    *run = (struct filter_run){.shape = *shape,
                               .action = action,
                               .boxes = VEC_OF(struct filter_box),
                               .from_ports = VEC_OF(struct port_range),
                               .ports = VEC_OF(struct port_range)};
    return run;
}

static size_t find_ends(const struct endpoint *endpoint, const struct filter_place *place,
                        struct end ends[ENDS_MAX])
{
    uint32_t found;
    const char *name = own_name(place, endpoint->name);
    switch (endpoint->kind) {
    case ENDPOINT_ANY:
        ends[0] = (struct end){.use = USE_NONE};
        return 1;
    case ENDPOINT_PREFIX:
        return prefix_end(&endpoint->prefix, &ends[0]);
    case ENDPOINT_FARM:
        /* Whoever sends or receives with an address of the subnet is a member: identity sees to that. */
        if (!text_equal(endpoint->name, place->farm)) return 0;
        ends[0] = range_end(place->subnet.address, subnet_last(&place->subnet));
        return 1;
    case ENDPOINT_TIER:
        if (name == NULL || (found = place->tier(place->ctx, name)) == 0) return 0;
        ends[0] = range_end(found, found);
        ends[0].use = USE_TIER;
        return 1;
    case ENDPOINT_INSTANCE:
        if (name == NULL || !place->instance(place->ctx, name, &found)) return 0;
        ends[0] = range_end(found, found);
        return 1;
    case ENDPOINT_INTERNET:
        return internet_ends(&place->subnet, ends);
    }
    UNREACHABLE();
}

/* Prefixes as they are, names as who they are here. */
static void add_meaning(const struct endpoint *endpoint, const struct filter_place *place, struct buf *bytes)
{
    struct end ends[ENDS_MAX];
    uint32_t fields[] = {endpoint->kind, endpoint->prefix.family, endpoint->prefix.bits, 0, 0};
    bool named = endpoint->kind == ENDPOINT_FARM || endpoint->kind == ENDPOINT_TIER ||
                 endpoint->kind == ENDPOINT_INSTANCE;
    if (named && find_ends(endpoint, place, ends) > 0) {
        fields[3] = 1;
        fields[4] = (uint32_t)ends[0].first.low;
    }
    buf_add(bytes, fields, sizeof(fields));
    if (endpoint->kind == ENDPOINT_PREFIX) buf_add(bytes, endpoint->prefix.address, ADDRESS_SIZE);
}

/* The short name of what is this farm's; else NULL. */
static const char *own_name(const struct filter_place *place, const char *name)
{
    size_t size = strlen(place->farm);
    return name != NULL && text_starts(name, place->farm) && name[size] == '/' ? name + size + 1 : NULL;
}

static bool prefix_end(const struct wide_prefix *prefix, struct end *ret_end)
{
    unsigned char last[ADDRESS_SIZE];
    for (unsigned i = 0; i < ADDRESS_SIZE; i++) {
        unsigned before = prefix->bits <= 8 * i ? 0 : prefix->bits - 8 * i;
        last[i] = (unsigned char)(prefix->address[i] | (before >= 8 ? 0 : 0xffU >> before));
    }
    *ret_end = (struct end){.use = prefix->bits == 0 ? USE_NONE : USE_VALUE,
                            .family_given = true,
                            .family = prefix->family,
                            .first = read_value(prefix->address, prefix->family),
                            .last = read_value(last, prefix->family)};
    /* All of a family: no range, for intervals that span everything are a corner of sets. */
    if (ret_end->use == USE_NONE) ret_end->first = ret_end->last = (struct filter_value){0};
    return true;
}

static size_t internet_ends(const struct prefix *subnet, struct end ends[ENDS_MAX])
{
    uint32_t last = subnet_last(subnet);
    size_t length = 0;
    ends[length++] = (struct end){.use = USE_NONE, .family_given = true, .family = FAMILY_IPV6};
    if (subnet->address > 0) ends[length++] = range_end(0, subnet->address - 1);
    if (last < UINT32_MAX) ends[length++] = range_end(last + 1, UINT32_MAX);
    return length;
}

static uint32_t subnet_last(const struct prefix *subnet)
{
    return subnet->address | (uint32_t)(((uint64_t)1 << (32 - subnet->bits)) - 1);
}

static struct end range_end(uint32_t first, uint32_t last)
{
    return (struct end){.use = USE_VALUE,
                        .family_given = true,
                        .family = FAMILY_IPV4,
                        .first = {.low = first},
                        .last = {.low = last}};
}

/* In order, none touching another; none at all: every port. */
static struct vec merge_ports(const struct port_range *ranges, size_t length)
{
    struct vec sorted = VEC_OF(struct port_range), merged = VEC_OF(struct port_range);
    for (size_t i = 0; i < length; i++)
        *(struct port_range *)vec_push(&sorted) = ranges[i];
    vec_sort(&sorted, compare_ports);
    struct port_range *last = NULL;
    for (size_t i = 0; i < sorted.length; i++) {
        const struct port_range *next = vec_at(&sorted, i);
        if (last != NULL && next->first <= (uint32_t)last->last + 1) {
            if (next->last > last->last) last->last = next->last;
            continue;
        }
        last = vec_push(&merged);
        *last = *next;
    }
    vec_free(&sorted);
    if (last != NULL && last->first == 0 && last->last == UINT16_MAX) vec_clear(&merged);
    return merged;
}

static int compare_ports(const void *a, const void *b)
{
    const struct port_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static struct filter_value read_value(const unsigned char *bytes, enum address_family family)
{
    struct filter_value value = {0};
    for (unsigned i = 0; i < address_bits(family) / 8; i++) {
        value.high = value.high << 8 | value.low >> 56;
        value.low = value.low << 8 | bytes[i];
    }
    return value;
}

static bool run_matches(const struct filter_run *run, const struct filter_packet *packet)
{
    const struct filter_shape *shape = &run->shape;
    const struct filter_value tiers[] = {{.low = packet->from_tier}, {.low = packet->to_tier}};
    struct filter_value values[FILTER_FIELDS] = {
        [FIELD_FROM] = shape->use[FIELD_FROM] == USE_TIER ? tiers[0] : packet->from,
        [FIELD_TO] = shape->use[FIELD_TO] == USE_TIER ? tiers[1] : packet->to,
        [FIELD_PROTOCOL] = {.low = packet->protocol},
        [FIELD_FROM_PORT] = {.low = packet->from_port},
        [FIELD_PORT] = {.low = packet->port}};
    if (shape->family_given && shape->family != packet->family) return false;
    if (!ports_match(&run->from_ports, packet->from_port) || !ports_match(&run->ports, packet->port))
        return false;
    for (size_t i = 0; i < run->boxes.length; i++) {
        const struct filter_box *box = vec_at(&run->boxes, i);
        bool inside = true;
        for (size_t k = 0; k < FILTER_FIELDS && inside; k++)
            inside = shape->use[k] == USE_NONE || (filter_value_compare(&box->first[k], &values[k]) <= 0 &&
                                                   filter_value_compare(&values[k], &box->last[k]) <= 0);
        if (inside) return true;
    }
    return false;
}

static bool ports_match(const struct vec *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->length; i++) {
        const struct port_range *range = vec_at(ports, i);
        if (range->first <= port && port <= range->last) return true;
    }
    return ports->length == 0;
}
