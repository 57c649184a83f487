#include "plan/reach/matrix.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

/* Members of a tier that no rule tells apart. */
struct class
{
    const char *tier;      /* full name; "" for the internet */
    const char *name;      /* what rows call it, when it is alone or the only one of its tier */
    struct packet_end end; /* one for all */
    struct vec members;    /* const char *: full names */
};

struct matrix {
    struct arena *arena;
    const struct judge *judge;
    const struct farm *farm;
    const struct filter *filters;
    size_t filters_length;
    struct vec classes;           /* struct class */
    struct vec outside;           /* struct packet_end: one of each part that rules tell apart */
    struct vec protocols;         /* int64_t, and last one that no rule names */
    struct vec ports, from_ports; /* uint32_t: where something changes, ascending, from 0 */
    bool has_others;              /* … stands there */
    const char *from, *to;        /* what is asked for, or NULL */
    struct vec rows;              /* struct reach_row */
    uint64_t *questions;
};

static void add_classes(struct matrix *matrix);
static void sign(const struct matrix *matrix, const struct packet_end *end, struct buf *ret_key);
static void sign_end(const struct endpoint *endpoint, const struct packet_end *end, struct buf *key);
static void add_outside(struct matrix *matrix);
static void add_border(const struct endpoint *endpoint, struct vec *borders);
static void add_borders(struct matrix *matrix);
static void add_ranges(const struct port_range *ranges, size_t length, struct vec *borders);
static void settle(struct vec *borders);
static bool add_pair(struct matrix *matrix, const struct class *from, const struct class *to,
                     struct error *err);
static bool add_protocol(struct matrix *matrix, const struct class *from, const struct class *to,
                         int64_t protocol, struct reach_row *ret_row, struct error *err);
static unsigned opens(struct matrix *matrix, const struct class *from, const struct class *to,
                      uint8_t protocol, uint16_t port);
static bool passes(struct matrix *matrix, const struct packet *packet);
static void keep_rows(struct matrix *matrix, const struct class *from, const struct class *to,
                      const struct reach_row *row);
static bool next_name(const struct class *class, const char *wanted, size_t *cursor, const char **ret_name);
static bool is_wanted(const struct class *class, const char *name);
static int compare_u64(const void *a, const void *b);
static void free_matrix(struct matrix *matrix);

bool reach_matrix(struct arena *arena, const struct snapshot *snapshot, const struct farm *farm,
                  const char *from, const char *to, uint64_t *questions, const struct reach_row **ret_rows,
                  size_t *ret_length, struct error *err)
{
    struct matrix matrix = {.arena = arena,
                            .judge = judge_new(arena, snapshot, farm),
                            .farm = farm,
                            .from = from,
                            .to = to,
                            .questions = questions,
                            .classes = VEC_OF(struct class),
                            .outside = VEC_OF(struct packet_end),
                            .protocols = VEC_OF(uint64_t),
                            .ports = VEC_OF(uint64_t),
                            .from_ports = VEC_OF(uint64_t),
                            .rows = VEC_OF(struct reach_row)};
    bool good = true;

    matrix.filters = judge_filters(matrix.judge, &matrix.filters_length);
    add_classes(&matrix);
    add_outside(&matrix);
    add_borders(&matrix);
    for (size_t f = 0; good && f < matrix.classes.length; f++) {
        const struct class *one = vec_at(&matrix.classes, f);
        for (size_t t = 0; good && is_wanted(one, from) && t < matrix.classes.length; t++) {
            const struct class *other = vec_at(&matrix.classes, t);
            if (is_wanted(other, to)) good = add_pair(&matrix, one, other, err);
        }
    }
    if (good) {
        struct reach_row *rows = arena_alloc_array(arena, matrix.rows.length + 1, sizeof(*rows));
        if (matrix.rows.length > 0) memcpy(rows, matrix.rows.items, matrix.rows.length * sizeof(*rows));
        *ret_rows = rows;
        *ret_length = matrix.rows.length;
    }
    free_matrix(&matrix);
    return good;
}

/* Members in order, each into the class of its tier that has its signature; tiers without members have none.
 */
static void add_classes(struct matrix *matrix)
{
    CLEANUP(map_freep) struct map *seen = map_new(), *tiers = map_new();
    size_t length = 0;
    const struct instance *members = judge_members(matrix->judge, &length);

    for (size_t i = 0; i < length; i++) {
        CLEANUP_BUF struct buf key = {0};
        struct packet_end end = {
            .address = {(unsigned char)(members[i].address >> 24), (unsigned char)(members[i].address >> 16),
                        (unsigned char)(members[i].address >> 8), (unsigned char)members[i].address},
            .farm = matrix->farm->full_name,
            .tier = arena_printf(matrix->arena, "%s/%s", matrix->farm->full_name, members[i].tier),
            .instance = members[i].name};
        buf_printf(&key, "%s ", end.tier);
        sign(matrix, &end, &key);
        uintptr_t number = (uintptr_t)map_get(seen, buf_text(&key));
        if (number == 0) {
            struct class *class = vec_push(&matrix->classes);
            *class = (struct class){.tier = end.tier, .end = end, .members = VEC_OF(const char *)};
            number = matrix->classes.length;
            map_put(seen, buf_text(&key), (void *)number);
            map_put(tiers, end.tier, (void *)((uintptr_t)map_get(tiers, end.tier) + 1));
        }
        struct class *class = vec_at(&matrix->classes, number - 1);
        *(const char **)vec_push(&class->members) = end.instance;
    }
    for (size_t i = 0; i < matrix->classes.length; i++) {
        struct class *class = vec_at(&matrix->classes, i);
        if ((uintptr_t)map_get(tiers, class->tier) == 1) class->name = class->tier;
    }
    *(struct class *)vec_push(&matrix->classes) =
        (struct class){.tier = "", .name = TIER_INTERNET, .members = VEC_OF(const char *)};
}

/* Which filters govern it, and which ends of rules it is. */
static void sign(const struct matrix *matrix, const struct packet_end *end, struct buf *ret_key)
{
    for (size_t f = 0; f < matrix->filters_length; f++) {
        const struct filter *filter = &matrix->filters[f];
        buf_add_char(ret_key,
                     judge_governs(filter, matrix->farm->full_name, end->tier, end->instance) ? '1' : '0');
        for (size_t r = 0; r < filter->rules_length; r++) {
            sign_end(&filter->rules[r].from, end, ret_key);
            sign_end(&filter->rules[r].to, end, ret_key);
        }
    }
}

static void sign_end(const struct endpoint *endpoint, const struct packet_end *end, struct buf *key)
{
    const struct filter_rule rule = {
        .direction = FILTER_BOTH, .from = *endpoint, .protocol = FILTER_PROTOCOL_ANY};
    const struct packet packet = {.family = FAMILY_IPV4, .from = *end, .to = *end};

    if (endpoint->kind == ENDPOINT_ANY) return;
    buf_add_char(key, filter_rule_matches(&rule, &packet) ? '1' : '0');
}

/* The addresses outside fall into parts at the borders of the prefixes that rules name. */
static void add_outside(struct matrix *matrix)
{
    struct vec borders = VEC_OF(uint64_t);
    uint64_t size = (uint64_t)1 << (32 - matrix->farm->subnet.bits);

    *(uint64_t *)vec_push(&borders) = 0;
    *(uint64_t *)vec_push(&borders) = matrix->farm->subnet.address + size;
    for (size_t f = 0; f < matrix->filters_length; f++) {
        for (size_t r = 0; r < matrix->filters[f].rules_length; r++) {
            add_border(&matrix->filters[f].rules[r].from, &borders);
            add_border(&matrix->filters[f].rules[r].to, &borders);
        }
    }
    settle(&borders);
    for (size_t i = 0; i < borders.length; i++) {
        uint64_t at = *(const uint64_t *)vec_at(&borders, i);
        bool inside = at >= matrix->farm->subnet.address && at - matrix->farm->subnet.address < size;
        if (at > UINT32_MAX || inside) continue;
        *(struct packet_end *)vec_push(&matrix->outside) =
            (struct packet_end){.address = {(unsigned char)(at >> 24), (unsigned char)(at >> 16),
                                            (unsigned char)(at >> 8), (unsigned char)at},
                                .farm = "",
                                .tier = "",
                                .instance = "",
                                .internet = true};
    }
    vec_free(&borders);
}

static void add_border(const struct endpoint *endpoint, struct vec *borders)
{
    const unsigned char *a = endpoint->prefix.address;

    if (endpoint->kind != ENDPOINT_PREFIX || endpoint->prefix.family != FAMILY_IPV4) return;
    uint64_t first = (uint64_t)a[0] << 24 | (uint64_t)a[1] << 16 | (uint64_t)a[2] << 8 | a[3];
    *(uint64_t *)vec_push(borders) = first;
    *(uint64_t *)vec_push(borders) = first + ((uint64_t)1 << (32 - endpoint->prefix.bits));
}

/* Of protocols and ports. */
static void add_borders(struct matrix *matrix)
{
    static const uint64_t always[] = {IP_TCP, IP_UDP, IP_ICMP};
    size_t rules_length = 0;
    const struct farm_rule *rules = judge_rules(matrix->judge, &rules_length);
    uint64_t other = 0;

    for (size_t i = 0; i < LENGTH(always); i++)
        *(uint64_t *)vec_push(&matrix->protocols) = always[i];
    *(uint64_t *)vec_push(&matrix->ports) = 0;
    *(uint64_t *)vec_push(&matrix->from_ports) = 0;
    for (size_t i = 0; i < rules_length; i++) {
        *(uint64_t *)vec_push(&matrix->ports) = rules[i].port_first;
        *(uint64_t *)vec_push(&matrix->ports) = (uint64_t)rules[i].port_last + 1;
    }
    for (size_t f = 0; f < matrix->filters_length; f++) {
        for (size_t r = 0; r < matrix->filters[f].rules_length; r++) {
            const struct filter_rule *rule = &matrix->filters[f].rules[r];
            if (rule->protocol != FILTER_PROTOCOL_ANY)
                *(uint64_t *)vec_push(&matrix->protocols) = (uint64_t)rule->protocol;
            add_ranges(rule->ports, rule->ports_length, &matrix->ports);
            add_ranges(rule->from_ports, rule->from_ports_length, &matrix->from_ports);
        }
    }
    settle(&matrix->protocols);
    for (size_t i = 0; i < matrix->protocols.length && *(uint64_t *)vec_at(&matrix->protocols, i) == other;
         i++)
        other++;
    matrix->has_others = other <= UINT8_MAX;
    if (matrix->has_others) *(uint64_t *)vec_push(&matrix->protocols) = other;
    settle(&matrix->ports);
    settle(&matrix->from_ports);
}

static void add_ranges(const struct port_range *ranges, size_t length, struct vec *borders)
{
    for (size_t i = 0; i < length; i++) {
        *(uint64_t *)vec_push(borders) = ranges[i].first;
        *(uint64_t *)vec_push(borders) = (uint64_t)ranges[i].last + 1;
    }
}

/* Ascending, each once. */
static void settle(struct vec *borders)
{
    size_t length = 0;

    vec_sort(borders, compare_u64);
    for (size_t i = 0; i < borders->length; i++) {
        uint64_t value = *(const uint64_t *)vec_at(borders, i);
        if (length > 0 && *(const uint64_t *)vec_at(borders, length - 1) == value) continue;
        *(uint64_t *)vec_at(borders, length++) = value;
    }
    borders->length = length;
}

/* All protocols alike, with all of their ports, are one row. */
static bool add_pair(struct matrix *matrix, const struct class *from, const struct class *to,
                     struct error *err)
{
    struct vec rows = VEC_OF(struct reach_row);
    size_t length = matrix->protocols.length;
    bool good = true, any = true;

    /* What talks to itself does so without a packet in the network. */
    if (from == to && from->members.length < 2) return true;
    for (size_t i = 0; good && i < length; i++) {
        struct reach_row row = {0};
        good =
            add_protocol(matrix, from, to, (int64_t)(*(uint64_t *)vec_at(&matrix->protocols, i)), &row, err);
        bool opened = good && row.from != NULL;
        if (matrix->has_others && i + 1 == length) row.protocol = REACH_OTHERS;
        any = any && opened && !row.partly && row.ports_length == 0;
        if (opened) *(struct reach_row *)vec_push(&rows) = row;
    }
    struct reach_row all = {.protocol = FILTER_PROTOCOL_ANY};
    if (good && any) keep_rows(matrix, from, to, &all);
    /* The last is one that no rule names, and stands for all such: what is open of it is open by `any` only.
     */
    for (size_t i = 0; good && !any && i < rows.length; i++)
        keep_rows(matrix, from, to, vec_at(&rows, i));
    vec_free(&rows);
    return good;
}

/* ret_row->from stays NULL when nothing of the protocol can be opened. */
static bool add_protocol(struct matrix *matrix, const struct class *from, const struct class *to,
                         int64_t protocol, struct reach_row *ret_row, struct error *err)
{
    bool ports = protocol == IP_TCP || protocol == IP_UDP;
    struct vec open = VEC_OF(struct port_range);
    struct reach_row row = {.from = from->tier, .to = to->tier, .protocol = protocol};
    size_t parts = ports ? matrix->ports.length : 1, opened = 0;

    for (size_t i = 0; i < parts; i++) {
        uint64_t first = ports ? *(uint64_t *)vec_at(&matrix->ports, i) : 0;
        uint64_t end = ports && i + 1 < parts ? *(uint64_t *)vec_at(&matrix->ports, i + 1) : UINT16_MAX + 1;
        if (first > UINT16_MAX) break;
        unsigned how = opens(matrix, from, to, (uint8_t)protocol, (uint16_t)first);
        if (*matrix->questions > REACH_QUESTIONS_MAX) {
            vec_free(&open);
            return error_set(
                err, ERROR_TOO_LARGE,
                "farm %s has too many rules and kinds of members for one answer: ask with --from and --to",
                matrix->farm->full_name);
        }
        if (how == 0) continue;
        opened++;
        row.partly |= how == 1;
        struct port_range *last = open.length == 0 ? NULL : vec_at(&open, open.length - 1);
        if (last != NULL && last->last + 1U == first)
            last->last = (uint16_t)(end - 1);
        else
            *(struct port_range *)vec_push(&open) = (struct port_range){(uint16_t)first, (uint16_t)(end - 1)};
    }
    const struct port_range *one = open.length == 1 ? vec_at(&open, 0) : NULL;
    if (ports && opened > 0 && !(one != NULL && one->first == 0 && one->last == UINT16_MAX)) {
        struct port_range *kept = arena_alloc_array(matrix->arena, open.length, sizeof(*kept));
        memcpy(kept, open.items, open.length * sizeof(*kept));
        row.ports = kept;
        row.ports_length = open.length;
    }
    vec_free(&open);
    if (opened > 0) *ret_row = row;
    return true;
}

/* 0: nothing passes; 1: from some ports, or to or from some of the addresses outside; 2: all does. */
static unsigned opens(struct matrix *matrix, const struct class *from, const struct class *to,
                      uint8_t protocol, uint16_t port)
{
    bool ports = protocol == IP_TCP || protocol == IP_UDP;
    bool out = to->tier[0] == '\0', in = from->tier[0] == '\0';
    size_t parts = out || in ? matrix->outside.length : 1, sources = ports ? matrix->from_ports.length : 1;
    size_t passed = 0, asked = 0;

    const char *from_tier = in ? TIER_INTERNET : from->tier + strlen(matrix->farm->full_name) + 1;
    const char *to_tier = out ? TIER_INTERNET : to->tier + strlen(matrix->farm->full_name) + 1;
    if (!judge_allows(matrix->judge, from_tier, to_tier, protocol, port)) return 0;
    for (size_t p = 0; p < parts; p++) {
        for (size_t s = 0; s < sources; s++) {
            uint64_t from_port = ports ? *(uint64_t *)vec_at(&matrix->from_ports, s) : 0;
            struct packet packet = {
                .family = FAMILY_IPV4, .protocol = protocol, .from = from->end, .to = to->end};
            if (from_port > UINT16_MAX) continue;
            if (in) packet.from = *(struct packet_end *)vec_at(&matrix->outside, p);
            if (out) packet.to = *(struct packet_end *)vec_at(&matrix->outside, p);
            packet.from.port = (uint16_t)from_port;
            packet.to.port = port;
            asked++;
            if (passes(matrix, &packet)) passed++;
        }
    }
    return passed == 0 ? 0 : passed < asked ? 1 : 2;
}

/* Out at the sender's port, then in at the receiver's. */
static bool passes(struct matrix *matrix, const struct packet *packet)
{
    static const enum filter_direction directions[] = {FILTER_OUT, FILTER_IN};

    for (size_t d = 0; d < LENGTH(directions); d++) {
        const struct packet_end *at = directions[d] == FILTER_OUT ? &packet->from : &packet->to;
        struct packet judged = *packet;
        judged.direction = directions[d];
        for (size_t f = 0; at->instance[0] != '\0' && f < matrix->filters_length; f++) {
            const struct filter *filter = &matrix->filters[f];
            if (!judge_governs(filter, matrix->farm->full_name, at->tier, at->instance)) continue;
            *matrix->questions += filter->rules_length + 1;
            if (filter_action_of(filter, filter_deciding_rule(filter, &judged)) != FILTER_ALLOW) return false;
        }
    }
    return true;
}

/* By names: a tier's, or of each member where the tier has several kinds, or one was asked for. */
static void keep_rows(struct matrix *matrix, const struct class *from, const struct class *to,
                      const struct reach_row *row)
{
    const char *from_name = NULL, *to_name = NULL;

    for (size_t f = 0; next_name(from, matrix->from, &f, &from_name);) {
        for (size_t t = 0; next_name(to, matrix->to, &t, &to_name);) {
            if (text_equal(from_name, to_name) && !text_equal(from_name, from->tier)) continue;
            struct reach_row *kept = vec_push(&matrix->rows);
            *kept = *row;
            kept->from = from_name;
            kept->to = to_name;
        }
    }
}

static bool next_name(const struct class *class, const char *wanted, size_t *cursor, const char **ret_name)
{
    bool all = wanted == NULL || text_equal(wanted, class->tier);

    if (class->name != NULL && (all || text_equal(wanted, class->name))) {
        *ret_name = class->name;
        return (*cursor)++ == 0;
    }
    while (*cursor < class->members.length) {
        const char *name = *(const char **)vec_at(&class->members, (*cursor)++);
        if (!all && !text_equal(name, wanted)) continue;
        *ret_name = name;
        return true;
    }
    return false;
}

static bool next_name(const struct class *class, const char *wanted, size_t *cursor, const char **ret_name);
static bool is_wanted(const struct class *class, const char *name)
{
    if (name == NULL || text_equal(name, class->tier) ||
        (class->name != NULL && text_equal(name, class->name)))
        return true;
    for (size_t i = 0; i < class->members.length; i++)
        if (text_equal(name, *(const char **)vec_at(&class->members, i))) return true;
    return false;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void free_matrix(struct matrix *matrix)
{
    for (size_t i = 0; i < matrix->classes.length; i++)
        vec_free(&((struct class *)vec_at(&matrix->classes, i))->members);
    vec_free(&matrix->classes);
    vec_free(&matrix->outside);
    vec_free(&matrix->protocols);
    vec_free(&matrix->ports);
    vec_free(&matrix->from_ports);
    vec_free(&matrix->rows);
}
