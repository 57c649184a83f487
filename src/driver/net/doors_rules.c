#include "driver/net/doors_rules.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/rules_filter.h"
#include "model/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 40 };

/* What one filter says at one door. */
struct judge {
    char *filter, *farm;
    uint32_t mark;
    struct filter_program *program;
};

struct chain {
    char name[NAME_SIZE];
    char *body; /* NULL: as an earlier process left it */
};

/* Rulings share those that did not change. */
struct door {
    unsigned users;
    uint32_t address; /* 0: all of the host's */
    uint16_t port;
    struct buf meaning;
    struct vec judges; /* struct judge, outermost first */
    struct vec chains; /* struct chain: the door's own, which jumps to the others */
};

struct doors_rules {
    struct vec doors; /* struct door *, by place */
};

static bool parse_place(const char *place, uint32_t *ret_address, uint16_t *ret_port);
static void add_door(struct doors_rules *rules, const struct net_door *doors, size_t length, uint32_t address,
                     uint16_t port, const struct doors_rules *before, const struct vec *left);
static void add_judges(struct door *door, const struct net_door *one);
static void add_judge(struct door *door, const struct net_door *one, const struct filter *filter,
                      const struct packet *packet);
static struct filter reduce(struct arena *arena, const struct filter *filter, const struct packet *packet);
static void compile(struct door *door);
static struct door *leftover(uint32_t address, uint16_t port, const struct vec *left);
static struct door *new_door(uint32_t address, uint16_t port);
static void leave_door(struct door *door);
static struct door *find(const struct doors_rules *rules, uint32_t address, uint16_t port);
static void chain_name(char out[NAME_SIZE], uint32_t address, uint16_t port, size_t number);
static void declare(const char *table, struct buf *text);
static void change_chains(const char *table, const struct door *old, const struct vec *left,
                          const struct door *new, struct buf *text);
static void fill_chain(const char *table, const struct chain *chain, bool there, struct buf *text);
static void delete_chains(const char *table, const struct vec *names, struct buf *text);
static void delete_left(const char *table, const struct vec *left, const struct doors_rules *new,
                        struct buf *text);
static void forget_judges(const char *table, const struct doors_rules *old, const struct doors_rules *new,
                          struct buf *text);
static bool has_mark(const struct doors_rules *rules, uint32_t mark);
static const struct chain *find_chain(const struct door *door, const char *name);
static bool is_in(const struct vec *names, const char *name);
static void element(const char *verb, const char *table, uint32_t address, uint16_t port, struct buf *text);

const struct rules_reason doors_reason = {"filter", "inet", "meta mark", "in_filter"};

bool doors_rules_new(const struct net_door *doors, size_t length, const struct doors_rules *before,
                     const struct vec *left, struct doors_rules **ret_rules, struct error *err)
{
    struct doors_rules *rules = mem_alloc(sizeof(*rules));
    rules->doors = VEC_OF(struct door *);
    for (size_t i = 0; i < length; i++) {
        uint32_t address;
        uint16_t port;
        if (!parse_place(doors[i].publish, &address, &port)) {
            doors_rules_free(rules);
            return error_set(err, ERROR_INVALID, "cannot filter at '%s': it is not ADDRESS:PORT",
                             doors[i].publish);
        }
        if (find(rules, address, port) == NULL)
            add_door(rules, doors + i, length - i, address, port, before, left);
    }
    *ret_rules = rules;
    return true;
}

void doors_rules_free(struct doors_rules *rules)
{
    if (rules == NULL) return;
    for (size_t i = 0; i < rules->doors.length; i++)
        leave_door(*(struct door **)vec_at(&rules->doors, i));
    vec_free(&rules->doors);
    mem_free(rules);
}

/* A packet on its way sees the chains of one generation, but maps as they are at that moment: so who leads to
 * which chain stays as long as the door is there, and what changes is what stands in the chains. */
void doors_rules_change(const char *table, const struct doors_rules *old, const struct vec *left,
                        const struct doors_rules *new, struct buf *ret_text)
{
    CLEANUP_BUF struct buf text = {0};
    if (new->doors.length == 0) {
        if (old == NULL ? left->length > 0 : old->doors.length > 0)
            buf_printf(ret_text, "add table inet %s\ndelete table inet %s\n", table, table);
        return;
    }
    for (size_t i = 0; i < new->doors.length; i++) {
        const struct door *door = *(struct door **)vec_at(&new->doors, i);
        const struct door *was = old == NULL ? NULL : find(old, door->address, door->port);
        if (was == door) continue;
        change_chains(table, was, old == NULL ? left : NULL, door, &text);
        if (was == NULL) element("add", table, door->address, door->port, &text);
    }
    for (size_t i = 0; old != NULL && i < old->doors.length; i++) {
        const struct door *door = *(struct door **)vec_at(&old->doors, i);
        struct vec names = VEC_OF(const char *);
        if (find(new, door->address, door->port) != NULL) continue;
        for (size_t k = 0; k < door->chains.length; k++)
            *(const char **)vec_push(&names) = ((struct chain *)vec_at(&door->chains, k))->name;
        element("delete", table, door->address, door->port, &text);
        delete_chains(table, &names, &text);
        vec_free(&names);
    }
    if (old == NULL) delete_left(table, left, new, &text);
    if (old != NULL) forget_judges(table, old, new, &text);
    if (old == NULL || old->doors.length == 0) declare(table, ret_text);
    if (text.size > 0) buf_add_text(ret_text, buf_text(&text));
}

bool doors_rules_is_empty(const struct doors_rules *rules)
{
    return rules->doors.length == 0;
}

/* "d" and 8 digits of the address and 4 of the port, and for a filter "_" and its number. */
bool doors_is_chain(const char *name)
{
    enum { DIGITS = 12 };
    if (name[0] != 'd' || strspn(name + 1, "0123456789abcdef") != DIGITS) return false;
    const char *rest = name + 1 + DIGITS;
    if (*rest == '\0') return true;
    return *rest == '_' && rest[1] != '\0' && rest[1 + strspn(rest + 1, "0123456789")] == '\0';
}

bool doors_rules_pass(const struct doors_rules *rules, uint32_t address, uint16_t port, uint32_t from,
                      uint16_t from_port)
{
    const struct filter_packet packet = {.family = FAMILY_IPV4,
                                         .from = {.low = from},
                                         .to = {.low = address},
                                         .protocol = IP_TCP,
                                         .from_port = from_port,
                                         .port = port};
    const struct door *doors[] = {find(rules, address, port), find(rules, 0, port)};
    for (size_t i = 0; i < LENGTH(doors); i++) {
        for (size_t k = 0; doors[i] != NULL && k < doors[i]->judges.length; k++) {
            const struct judge *judge = vec_at(&doors[i]->judges, k);
            if (filter_program_judge(judge->program, &packet) != FILTER_ALLOW) return false;
        }
    }
    return true;
}

bool doors_rules_find(const struct doors_rules *rules, uint32_t mark, const char **ret_farm,
                      const char **ret_filter)
{
    for (size_t i = 0; i < rules->doors.length; i++) {
        const struct door *door = *(struct door **)vec_at(&rules->doors, i);
        for (size_t k = 0; k < door->judges.length; k++) {
            const struct judge *judge = vec_at(&door->judges, k);
            if (judge->mark != mark) continue;
            *ret_farm = judge->farm;
            *ret_filter = judge->filter;
            return true;
        }
    }
    return false;
}

static bool parse_place(const char *place, uint32_t *ret_address, uint16_t *ret_port)
{
    const char *colon = strrchr(place, ':');
    uint64_t port;
    if (colon == NULL) return false;
    CLEANUP_MEM char *host = mem_strndup(place, (size_t)(colon - place));
    if (!text_parse_ipv4(host, ret_address) || !text_parse_u64(colon + 1, &port)) return false;
    if (port < 1 || port > UINT16_MAX) return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Of all in the list that have this place: while one balancer follows another there may be two, and both are
 * asked for. */
static void add_door(struct doors_rules *rules, const struct net_door *doors, size_t length, uint32_t address,
                     uint16_t port, const struct doors_rules *before, const struct vec *left)
{
    struct door *door = new_door(address, port);
    struct door *was = before == NULL ? leftover(address, port, left) : find(before, address, port);
    bool known = false;
    for (size_t i = 0; i < length; i++) {
        uint32_t other;
        uint16_t other_port;
        if (doors[i].farm == NULL || !parse_place(doors[i].publish, &other, &other_port)) continue;
        if (other != address || other_port != port) continue;
        known = true;
        add_judges(door, &doors[i]);
    }
    bool same =
        was != NULL &&
        (!known || (was->meaning.size == door->meaning.size &&
                    memcmp(buf_text(&was->meaning), buf_text(&door->meaning), door->meaning.size) == 0 &&
                    ((struct chain *)vec_at(&was->chains, 0))->body != NULL));
    if (same) {
        was->users++;
        leave_door(door);
        door = was;
    } else if (known) {
        compile(door);
    }
    if (before == NULL && was != NULL) leave_door(was);
    /* Where no filter governs there is nothing to judge. */
    if (door->chains.length > 0 && (door->judges.length > 0 || !known))
        *(struct door **)vec_push(&rules->doors) = door;
    else
        leave_door(door);
}

static void add_judges(struct door *door, const struct net_door *one)
{
    const char *farm = one->farm->name;
    const char *slash = strrchr(one->balancer, '/'), *instance = slash == NULL ? one->balancer : slash + 1;
    const struct member member = {.instance = instance, .tier = TIER_BALANCE};
    CLEANUP_MEM char *tier = mem_printf("%s/%s", farm, TIER_BALANCE);
    struct packet packet = {.direction = FILTER_IN,
                            .family = FAMILY_IPV4,
                            .from = {.farm = "", .tier = "", .instance = "", .internet = true},
                            .to = {.farm = farm, .tier = tier, .instance = one->balancer, .port = one->port},
                            .protocol = IP_TCP};
    for (size_t i = 0; i < 4; i++)
        packet.to.address[i] = (unsigned char)(one->address >> (24 - 8 * i));
    for (size_t i = 0; i < one->farm->filters_length; i++) {
        const struct filter *filter = &one->farm->filters[i];
        if (filter_on_governs(filter->on, farm, &member)) add_judge(door, one, filter, &packet);
    }
}

static void add_judge(struct door *door, const struct net_door *one, const struct filter *filter,
                      const struct packet *packet)
{
    /* Names are resolved already, so there is nothing to look up. */
    static const struct filter_place nowhere = {.farm = ""};
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct filter reduced = reduce(arena, filter, packet);
    struct judge *judge = vec_push(&door->judges);
    CLEANUP_MEM char *both = mem_printf("%s %s", one->farm->name, filter->full_name);
    *judge = (struct judge){.filter = mem_strdup(filter->full_name),
                            .farm = mem_strdup(one->farm->name),
                            .mark = filter_mark(both),
                            .program = filter_program_new(&reduced, FILTER_IN, &nowhere)};
    judge->program->mark = judge->mark;
    buf_add(&door->meaning, both, strlen(both) + 1);
    filter_meaning(&reduced, &nowhere, &door->meaning);
}

/* What the filter says of all who come to the door, by who they are: all else is the same for each of them.
 */
static struct filter reduce(struct arena *arena, const struct filter *filter, const struct packet *packet)
{
    struct filter_rule *rules = arena_alloc_array(arena, filter->rules_length + 1, sizeof(*rules));
    size_t length = 0;
    for (size_t i = 0; i < filter->rules_length; i++) {
        const struct filter_rule *rule = &filter->rules[i];
        const struct endpoint anybody = {.kind = ENDPOINT_ANY, .name = ""};
        struct filter_rule rest = *rule;
        bool by_address = rule->from.kind == ENDPOINT_PREFIX;
        rest.from_ports_length = 0;
        if (by_address) rest.from = anybody;
        if (!filter_rule_matches(&rest, packet)) continue;
        if (by_address && rule->from.prefix.family != FAMILY_IPV4) continue;
        rules[length++] = (struct filter_rule){.action = rule->action,
                                               .direction = FILTER_IN,
                                               .from = by_address ? rule->from : anybody,
                                               .to = anybody,
                                               .protocol = FILTER_PROTOCOL_ANY,
                                               .from_ports = rule->from_ports,
                                               .from_ports_length = rule->from_ports_length};
    }
    struct filter reduced = *filter;
    reduced.rules = rules;
    reduced.rules_length = length;
    return reduced;
}

static void compile(struct door *door)
{
    struct buf own = {0};
    chain_name(((struct chain *)vec_push(&door->chains))->name, door->address, door->port, 0);
    for (size_t i = 0; i < door->judges.length; i++) {
        struct buf body = {0};
        filter_program_text(((struct judge *)vec_at(&door->judges, i))->program, &body);
        if (body.size == 0) continue;
        struct chain *chain = vec_push(&door->chains);
        chain_name(chain->name, door->address, door->port, door->chains.length - 1);
        chain->body = buf_take(&body);
        buf_printf(&own, "  jump %s\n", chain->name);
    }
    ((struct chain *)vec_at(&door->chains, 0))->body = own.size == 0 ? mem_strdup("") : buf_take(&own);
}

/* What an earlier process made of the door; NULL: nothing. */
static struct door *leftover(uint32_t address, uint16_t port, const struct vec *left)
{
    char own[NAME_SIZE];
    chain_name(own, address, port, 0);
    if (!is_in(left, own)) return NULL;
    struct door *door = new_door(address, port);
    snprintf(((struct chain *)vec_push(&door->chains))->name, NAME_SIZE, "%s", own);
    for (size_t i = 0; i < left->length; i++) {
        const char *name = *(char **)vec_at(left, i);
        if (text_starts(name, own) && !text_equal(name, own))
            snprintf(((struct chain *)vec_push(&door->chains))->name, NAME_SIZE, "%s", name);
    }
    return door;
}

static struct door *new_door(uint32_t address, uint16_t port)
{
    struct door *door = mem_alloc(sizeof(*door));
    *door = (struct door){.users = 1,
                          .address = address,
                          .port = port,
                          .judges = VEC_OF(struct judge),
                          .chains = VEC_OF(struct chain)};
    return door;
}

static void leave_door(struct door *door)
{
    if (--door->users > 0) return;
    for (size_t i = 0; i < door->judges.length; i++) {
        struct judge *judge = vec_at(&door->judges, i);
        filter_program_free(judge->program);
        mem_free(judge->filter);
        mem_free(judge->farm);
    }
    for (size_t i = 0; i < door->chains.length; i++)
        mem_free(((struct chain *)vec_at(&door->chains, i))->body);
    buf_free(&door->meaning);
    vec_free(&door->judges);
    vec_free(&door->chains);
    mem_free(door);
}

static struct door *find(const struct doors_rules *rules, uint32_t address, uint16_t port)
{
    for (size_t i = 0; i < rules->doors.length; i++) {
        struct door *door = *(struct door **)vec_at(&rules->doors, i);
        if (door->address == address && door->port == port) return door;
    }
    return NULL;
}

static void chain_name(char out[NAME_SIZE], uint32_t address, uint16_t port, size_t number)
{
    int size = snprintf(out, NAME_SIZE, "d%08x%04x", address, port);
    if (number > 0) snprintf(out + size, NAME_SIZE - (size_t)size, "_%zu", number);
}

/* No connection tracking: the verdict is by who comes alone, so each packet of a connection has that of its
 * first, and when filters change what may no longer begin does not go on either. */
static void declare(const char *table, struct buf *text)
{
    static const char *const chains[] = {"input { type filter hook input priority 0; policy accept; }",
                                         "deny_in_filter", "reject_in_filter"};
    buf_printf(text,
               "add table inet %s\n"
               "add map inet %s doors { type ipv4_addr . inet_service : verdict; }\n"
               "add map inet %s doors_any { type inet_service : verdict; }\n"
               "add set inet %s denied_in_filter { type mark; flags dynamic; counter; }\n",
               table, table, table, table);
    for (size_t i = 0; i < LENGTH(chains); i++)
        buf_printf(text, "add chain inet %s %s\n", table, chains[i]);
    for (size_t i = 0; i < LENGTH(chains); i++)
        buf_printf(text, "flush chain inet %s %.*s\n", table, (int)strcspn(chains[i], " "), chains[i]);
    buf_printf(text,
               "table inet %s {\n"
               " chain input {\n"
               "  ip daddr . tcp dport vmap @doors\n"
               "  meta nfproto ipv4 tcp dport vmap @doors_any\n"
               " }\n"
               " chain deny_in_filter {\n"
               "  update @denied_in_filter { meta mark counter }\n"
               "  drop\n"
               " }\n"
               " chain reject_in_filter {\n"
               "  update @denied_in_filter { meta mark counter }\n"
               "  reject with tcp reset\n"
               " }\n"
               "}\n",
               table);
}

static void change_chains(const char *table, const struct door *old, const struct vec *left,
                          const struct door *new, struct buf *text)
{
    struct vec gone = VEC_OF(const char *);
    for (size_t i = new->chains.length; i-- > 0;) { /* those that are jumped to first */
        const struct chain *chain = vec_at(&new->chains, i);
        const struct chain *was = old == NULL ? NULL : find_chain(old, chain->name);
        bool there = was != NULL || (left != NULL && is_in(left, chain->name));
        if (chain->body == NULL) continue;
        if (was != NULL && was->body != NULL && text_equal(was->body, chain->body)) continue;
        fill_chain(table, chain, there, text);
    }
    for (size_t i = 0; old != NULL && i < old->chains.length; i++) {
        const char *name = ((struct chain *)vec_at(&old->chains, i))->name;
        if (find_chain(new, name) == NULL) *(const char **)vec_push(&gone) = name;
    }
    delete_chains(table, &gone, text);
    vec_free(&gone);
}

static void fill_chain(const char *table, const struct chain *chain, bool there, struct buf *text)
{
    buf_printf(text, "%s chain inet %s %s\n", there ? "flush" : "add", table, chain->name);
    if (chain->body[0] != '\0')
        buf_printf(text, "table inet %s {\n chain %s {\n%s }\n}\n", table, chain->name, chain->body);
}

/* All are flushed before any goes, so that none is jumped to any more. */
static void delete_chains(const char *table, const struct vec *names, struct buf *text)
{
    static const char *const verbs[] = {"flush", "delete"};
    for (size_t k = 0; k < LENGTH(verbs); k++)
        for (size_t i = 0; i < names->length; i++)
            buf_printf(text, "%s chain inet %s %s\n", verbs[k], table, *(const char **)vec_at(names, i));
}

static void delete_left(const char *table, const struct vec *left, const struct doors_rules *new,
                        struct buf *text)
{
    struct vec gone = VEC_OF(const char *);
    for (size_t i = 0; i < left->length; i++) {
        const char *name = *(char **)vec_at(left, i);
        unsigned long long place = strtoull(name + 1, NULL, 16); /* ends at "_" */
        uint32_t address = (uint32_t)(place >> 16);
        uint16_t port = (uint16_t)place;
        const struct door *door = find(new, address, port);
        if (door != NULL && find_chain(door, name) != NULL) continue;
        *(const char **)vec_push(&gone) = name;
        if (door == NULL && strchr(name, '_') == NULL) element("delete", table, address, port, text);
    }
    delete_chains(table, &gone, text);
    vec_free(&gone);
}

/* A filter of that name that comes later begins to count anew. To delete what is not there is an error and
 * would undo the transaction: so it is added before. */
static void forget_judges(const char *table, const struct doors_rules *old, const struct doors_rules *new,
                          struct buf *text)
{
    static const char *const verbs[] = {"add", "delete"};
    for (size_t i = 0; i < old->doors.length; i++) {
        const struct door *door = *(struct door **)vec_at(&old->doors, i);
        for (size_t k = 0; k < door->judges.length; k++) {
            uint32_t mark = ((struct judge *)vec_at(&door->judges, k))->mark;
            for (size_t v = 0; !has_mark(new, mark) && v < LENGTH(verbs); v++)
                buf_printf(text, "%s element inet %s denied_in_filter { 0x%08x }\n", verbs[v], table, mark);
        }
    }
}

static bool has_mark(const struct doors_rules *rules, uint32_t mark)
{
    const char *farm, *filter;
    return doors_rules_find(rules, mark, &farm, &filter);
}

static const struct chain *find_chain(const struct door *door, const char *name)
{
    for (size_t i = 0; i < door->chains.length; i++) {
        const struct chain *chain = vec_at(&door->chains, i);
        if (text_equal(chain->name, name)) return chain;
    }
    return NULL;
}

static bool is_in(const struct vec *names, const char *name)
{
    for (size_t i = 0; i < names->length; i++) {
        if (text_equal(*(char **)vec_at(names, i), name)) return true;
    }
    return false;
}

static void element(const char *verb, const char *table, uint32_t address, uint16_t port, struct buf *text)
{
    char ip[32], name[NAME_SIZE];
    chain_name(name, address, port, 0);
    if (address == 0)
        buf_printf(text, "%s element inet %s doors_any { %u : jump %s }\n", verb, table, port, name);
    else
        buf_printf(text, "%s element inet %s doors { %s . %u : jump %s }\n", verb, table,
                   text_format_ipv4(ip, address), port, name);
}
