#include "plan/admit/left.h"

#include "base/text.h"
#include "base/vec.h"

#include <inttypes.h>
#include <string.h>

enum { SAID_MAX = 4 }; /* so many losses are named in a message */

/* A host that counts. */
struct part {
    const struct host *host;
    const struct pool *pool; /* its document, or NULL */
    size_t domain;           /* first its node in the making, then its domain */
    struct fleet_size each;
};

/* Pools and classes that are joined by hosts: a forest, each node with the one above. */
struct nodes {
    struct map *pools, *classes; /* name to node + 1 */
    struct vec above;            /* size_t */
};

static size_t take_hosts(const struct snapshot *snapshot, struct part *parts);
static bool is_there(const struct host *host, const struct host_fact *fact);
static void join(const struct snapshot *snapshot, struct part *parts, size_t length);
static size_t node_of(struct nodes *nodes, struct map *names, const char *name);
static size_t root_of(const struct nodes *nodes, size_t node);
static void add_domains(struct left *left, struct arena *arena, struct part *parts, size_t length);
static void add_groups(struct left *left, struct arena *arena, const struct part *parts, size_t length);
static void number_zones(struct left *left, struct arena *arena);
static void choose_level(const struct left *left, struct left_domain *domain, size_t number);
static void add_units(struct left *left, struct arena *arena, size_t domain);
static void keep_largest(const struct left *left, struct left_domain *domain);
static void sum_up(struct left *left);
static int64_t lost_of(const struct left_domain *domain, size_t dimension);
static void say(const struct left *left, const struct left_unit *const *units, struct buf *ret_text);
static void say_unit(const struct left_unit *unit, struct buf *ret_text);
static void add_size(struct fleet_size *sum, const struct fleet_size *more, int64_t count);
static int compare_parts(const void *a, const void *b);
static int compare_units(const void *a, const void *b);

struct left *left_new(struct arena *arena, const struct snapshot *snapshot)
{
    struct left *left = arena_alloc(arena, sizeof(*left));
    struct part *parts = arena_alloc_array(arena, snapshot->hosts_length + 1, sizeof(*parts));
    size_t length = take_hosts(snapshot, parts);

    join(snapshot, parts, length);
    add_domains(left, arena, parts, length);
    array_sort(parts, length, sizeof(*parts), compare_parts);
    add_groups(left, arena, parts, length);
    number_zones(left, arena);
    for (size_t d = 0; d < left->domains_length; d++) {
        choose_level(left, &left->domains[d], d);
        add_units(left, arena, d);
        keep_largest(left, &left->domains[d]);
    }
    sum_up(left);
    return left;
}

/* Both are sorted by name. */
static size_t take_hosts(const struct snapshot *snapshot, struct part *parts)
{
    size_t length = 0, f = 0;

    for (size_t h = 0; h < snapshot->hosts_length; h++) {
        const struct host *host = &snapshot->hosts[h];
        int order = 1;
        while (f < snapshot->host_facts_length &&
               (order = text_compare_natural(snapshot->host_facts[f].name, host->name)) < 0)
            f++;
        bool known = f < snapshot->host_facts_length && order == 0;
        if (!is_there(host, known ? &snapshot->host_facts[f] : NULL)) continue;
        struct part *part = &parts[length++];
        struct fleet_size capacity = fleet_size_of(&host->capacity), reserve = fleet_size_of(&host->reserve);
        *part = (struct part){.host = host};
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            part->each.of[d] = capacity.of[d] > reserve.of[d] ? capacity.of[d] - reserve.of[d] : 0;
        if (capacity.of[3] == 0) part->each.of[3] = FLEET_UNCOUNTED; /* as whatif/fleet.c */
    }
    return length;
}

/* One that has not joined yet is the landlord's word; one that is known to be lost is not. */
static bool is_there(const struct host *host, const struct host_fact *fact)
{
    return host_is_active(host, fact) &&
           (fact == NULL || (fact->state != HOST_DOWN && fact->state != HOST_STATE_OFF));
}

static void join(const struct snapshot *snapshot, struct part *parts, size_t length)
{
    CLEANUP(map_freep) struct map *documents = map_new(), *pools = map_new(), *classes = map_new();
    struct nodes nodes = {pools, classes, VEC_OF(size_t)};

    for (size_t n = 0; n < snapshot->pools_length; n++)
        map_put(documents, snapshot->pools[n].name, (void *)(uintptr_t)&snapshot->pools[n]);
    for (size_t n = 0; n < length; n++) {
        struct part *part = &parts[n];
        part->pool = map_get(documents, part->host->pool);
        part->domain = node_of(&nodes, pools, part->host->pool);
        if (part->pool != NULL) continue;
        size_t a = root_of(&nodes, part->domain);
        size_t b = root_of(&nodes, node_of(&nodes, classes, part->host->class_name));
        *(size_t *)vec_at(&nodes.above, a > b ? a : b) = a > b ? b : a;
    }
    for (size_t n = 0; n < length; n++)
        parts[n].domain = root_of(&nodes, parts[n].domain);
    vec_free(&nodes.above);
}

static size_t node_of(struct nodes *nodes, struct map *names, const char *name)
{
    uintptr_t number = (uintptr_t)map_get(names, name);
    if (number != 0) return number - 1;
    size_t *above = vec_push(&nodes->above);
    *above = nodes->above.length - 1; /* its own root */
    map_put(names, name, (void *)(uintptr_t)nodes->above.length);
    return *above;
}

static size_t root_of(const struct nodes *nodes, size_t node)
{
    for (size_t above; (above = *(size_t *)vec_at(&nodes->above, node)) != node;)
        node = above;
    return node;
}

/* Domains are numbered in the order of the first host by name. */
static void add_domains(struct left *left, struct arena *arena, struct part *parts, size_t length)
{
    size_t nodes = 0;

    for (size_t n = 0; n < length; n++)
        if (parts[n].domain >= nodes) nodes = parts[n].domain + 1;
    size_t *numbers = arena_alloc_array(arena, nodes + 1, sizeof(*numbers)); /* + 1 */
    left->domains = arena_alloc_array(arena, nodes + 1, sizeof(*left->domains));
    for (size_t n = 0; n < length; n++) {
        struct part *part = &parts[n];
        size_t *number = &numbers[part->domain];
        if (*number == 0) {
            struct left_domain *domain = &left->domains[left->domains_length];
            const char *survive = part->pool != NULL ? part->pool->survive : "";
            bool keeps = survive[0] != '\0' && !text_equal(survive, "none");
            *domain = (struct left_domain){
                .keeps = keeps,
                .level = keeps ? fleet_level(survive) : FLEET_APART_NOT,
                .word = text_equal(survive, "host") || text_equal(survive, "site") ? survive : "zone",
                .oversubscription_millis = part->pool != NULL ? part->pool->oversubscription_millis : 1000};
            if (part->pool == NULL) domain->word = NULL; /* to be chosen */
            *number = ++left->domains_length;
        }
        part->domain = *number - 1;
        struct left_domain *domain = &left->domains[part->domain];
        domain->hosts++;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            left->uncounted[d] |= part->each.of[d] == FLEET_UNCOUNTED;
        add_size(&domain->total, &part->each, 1);
    }
}

static void add_groups(struct left *left, struct arena *arena, const struct part *parts, size_t length)
{
    left->groups = arena_alloc_array(arena, length + 1, sizeof(*left->groups));
    for (size_t n = 0; n < length; n++) {
        const struct part *part = &parts[n];
        bool like = n > 0 && parts[n - 1].domain == part->domain &&
                    text_equal(parts[n - 1].host->zone, part->host->zone) &&
                    memcmp(&parts[n - 1].each, &part->each, sizeof(part->each)) == 0;
        if (!like)
            left->groups[left->groups_length++] = (struct left_group){.host = part->host->name,
                                                                      .zone = part->host->zone,
                                                                      .domain = part->domain,
                                                                      .each = part->each};
        left->groups[left->groups_length - 1].count++;
    }
}

/* One number for every prefix of every zone path, as in whatif/fleet.c. */
static void number_zones(struct left *left, struct arena *arena)
{
    CLEANUP(map_freep) struct map *numbers = map_new();

    for (size_t n = 0; n < left->groups_length; n++) {
        struct left_group *group = &left->groups[n];
        size_t size = strlen(group->zone), at = 0;
        do {
            const char *slash = strchr(group->zone + at, '/');
            bool whole = slash == NULL || group->depth + 1 == FLEET_DEPTH_MAX;
            const char *prefix =
                arena_strndup(arena, group->zone, whole ? size : (size_t)(slash - group->zone));
            at = whole ? size : (size_t)(slash - group->zone) + 1;
            uintptr_t number = (uintptr_t)map_get(numbers, prefix);
            if (number == 0) map_put(numbers, prefix, (void *)(number = ++left->zones_length));
            group->zones[group->depth++] = (uint32_t)(number - 1);
        } while (at < size);
    }
}

/* Where no document says it: the largest zone of the lowest level that has more than one; where all stand in
 * one, a host; one host by itself cannot survive its own loss. */
static void choose_level(const struct left *left, struct left_domain *domain, size_t number)
{
    const char *zone = NULL;
    bool several = false;

    if (domain->word != NULL) return;
    for (size_t n = 0; n < left->groups_length; n++) {
        if (left->groups[n].domain != number) continue;
        several |= zone != NULL && !text_equal(zone, left->groups[n].zone);
        zone = left->groups[n].zone;
    }
    domain->word = several ? "zone" : "host";
    if (several)
        domain->level = FLEET_DEPTH_MAX - 1;
    else if (domain->hosts > 1)
        domain->level = FLEET_APART_HOST;
}

static void add_units(struct left *left, struct arena *arena, size_t number)
{
    struct left_domain *domain = &left->domains[number];
    uint32_t *units = arena_alloc_array(arena, left->zones_length + 1, sizeof(*units)); /* + 1 */

    domain->units = arena_alloc_array(arena, left->groups_length + 1, sizeof(*domain->units));
    for (size_t n = 0; domain->level != FLEET_APART_NOT && n < left->groups_length; n++) {
        const struct left_group *group = &left->groups[n];
        if (group->domain != number) continue;
        if (domain->level == FLEET_APART_HOST) {
            domain->units[domain->units_length++] = (struct left_unit){
                .name = group->host, .zone = SIZE_MAX, .group = n, .hosts = 1, .total = group->each};
            continue;
        }
        unsigned depth = (unsigned)domain->level < group->depth ? (unsigned)domain->level : group->depth - 1;
        uint32_t *at = &units[group->zones[depth]];
        if (*at == 0) {
            size_t size = 0;
            for (unsigned d = 0; d <= depth; d++)
                size += d < depth || depth + 1 < FLEET_DEPTH_MAX ? strcspn(group->zone + size, "/") + 1
                                                                 : strlen(group->zone + size) + 1;
            domain->units[domain->units_length++] = (struct left_unit){
                .name = arena_strndup(arena, group->zone, size - 1), .zone = group->zones[depth]};
            *at = (uint32_t)domain->units_length;
        }
        struct left_unit *unit = &domain->units[*at - 1];
        unit->hosts += group->count;
        add_size(&unit->total, &group->each, group->count);
    }
}

/* Those that take most of a dimension; of equal ones the first by name. */
static void keep_largest(const struct left *left, struct left_domain *domain)
{
    struct left_unit kept[FLEET_DIMENSIONS] = {{0}};
    size_t length = 0;

    array_sort(domain->units, domain->units_length, sizeof(*domain->units), compare_units);
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        const struct left_unit *most = NULL;
        size_t at = 0;
        for (size_t u = 0; u < domain->units_length && !left->uncounted[d]; u++)
            if (most == NULL || domain->units[u].total.of[d] > most->total.of[d]) most = &domain->units[u];
        domain->largest[d] = SIZE_MAX;
        if (most == NULL) continue;
        while (at < length && memcmp(&kept[at].total, &most->total, sizeof(most->total)) != 0)
            at++;
        if (at == length) kept[length++] = *most;
        domain->largest[d] = at;
    }
    if (length > 0) memcpy(domain->units, kept, length * sizeof(*kept));
    domain->units_length = length;
}

static void sum_up(struct left *left)
{
    left->losses = 1;
    for (size_t n = 0; n < left->domains_length; n++) {
        const struct left_domain *domain = &left->domains[n];
        if (domain->units_length > left->losses) left->losses = domain->units_length;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            left->committed.of[d] =
                left_plus(left->committed.of[d], domain->total.of[d] - lost_of(domain, d));
    }
}

static int64_t lost_of(const struct left_domain *domain, size_t dimension)
{
    size_t largest = domain->largest[dimension];
    return largest == SIZE_MAX ? 0 : domain->units[largest].total.of[dimension];
}

struct left_group *left_after(const struct left *left, struct arena *arena, size_t loss)
{
    struct left_group *groups = arena_alloc_array(arena, left->groups_length + 1, sizeof(*groups));

    if (left->groups_length > 0) memcpy(groups, left->groups, left->groups_length * sizeof(*groups));
    for (size_t n = 0; n < left->groups_length; n++) {
        struct left_group *group = &groups[n];
        const struct left_domain *domain = &left->domains[group->domain];
        if (domain->units_length == 0) continue;
        const struct left_unit *unit = &domain->units[loss % domain->units_length];
        if (unit->zone == SIZE_MAX)
            group->count -= unit->group == n;
        else
            for (unsigned d = 0; d < group->depth; d++)
                if (group->zones[d] == unit->zone) group->count = 0;
    }
    return groups;
}

/* Room that the landlord keeps is nobody's but for what was lost; where no document says so, what is
 * guaranteed may use what a loss would need: it gives way then. */
int64_t left_guaranteed(const struct left *left, size_t dimension, int64_t committed)
{
    int64_t base = 0, most = 0, least = INT64_MAX;
    double weighted = 0;

    for (size_t n = 0; n < left->domains_length; n++) {
        const struct left_domain *domain = &left->domains[n];
        int64_t here = domain->total.of[dimension] - (domain->keeps ? lost_of(domain, dimension) : 0);
        int64_t millis = domain->oversubscription_millis;
        base = left_plus(base, here);
        weighted += (double)here * (double)millis;
        if (millis > most) most = millis;
        if (millis < least) least = millis;
    }
    if (base <= committed) return 0;
    int64_t millis = most == least ? most : (int64_t)(weighted / (double)base + 0.5);
    int64_t free = base - committed;
    return left_plus(left_times(free / 1000, millis), left_times(free % 1000, millis) / 1000);
}

void left_say(const struct left *left, size_t dimension, struct buf *ret_text)
{
    const struct left_unit **units = mem_alloc_array(left->domains_length + 1, sizeof(*units));

    for (size_t n = 0; n < left->domains_length; n++) {
        size_t largest = left->domains[n].largest[dimension];
        units[n] = largest == SIZE_MAX ? NULL : &left->domains[n].units[largest];
    }
    say(left, units, ret_text);
    mem_free(units);
}

void left_say_loss(const struct left *left, size_t loss, struct buf *ret_text)
{
    const struct left_unit **units = mem_alloc_array(left->domains_length + 1, sizeof(*units));

    for (size_t n = 0; n < left->domains_length; n++) {
        const struct left_domain *domain = &left->domains[n];
        units[n] = domain->units_length == 0 ? NULL : &domain->units[loss % domain->units_length];
    }
    say(left, units, ret_text);
    mem_free(units);
}

/* units: of each domain, NULL: nothing of it is lost. */
static void say(const struct left *left, const struct left_unit *const *units, struct buf *ret_text)
{
    size_t count = 0, said = 0;
    const char *word = NULL;
    bool alike = true;

    for (size_t n = 0; n < left->domains_length; n++) {
        if (units[n] == NULL) continue;
        count++;
        alike &= word == NULL || text_equal(word, left->domains[n].word);
        word = left->domains[n].word;
    }
    if (count == 0) return;
    buf_printf(ret_text, "with the largest %s%s (", alike ? word : "part", count > 1 ? " of every pool" : "");
    for (size_t n = 0; n < left->domains_length && said < SAID_MAX; n++) {
        if (units[n] == NULL) continue;
        if (said++ > 0) buf_add_text(ret_text, "; ");
        say_unit(units[n], ret_text);
    }
    if (count > said) buf_printf(ret_text, "; and %zu more", count - said);
    buf_add_text(ret_text, ") lost, ");
}

static void say_unit(const struct left_unit *unit, struct buf *ret_text)
{
    buf_add_text(ret_text, unit->name);
    if (unit->zone != SIZE_MAX)
        buf_printf(ret_text, ": %" PRId64 " host%s", unit->hosts, unit->hosts == 1 ? "" : "s");
}

static void add_size(struct fleet_size *sum, const struct fleet_size *more, int64_t count)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        sum->of[d] = left_plus(sum->of[d], left_times(more->of[d], count));
}

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->domain != y->domain) return x->domain < y->domain ? -1 : 1;
    int order = strcmp(x->host->zone, y->host->zone);
    for (size_t d = 0; order == 0 && d < FLEET_DIMENSIONS; d++)
        order = (x->each.of[d] > y->each.of[d]) - (x->each.of[d] < y->each.of[d]);
    return order != 0 ? order : text_compare_natural(x->host->name, y->host->name);
}

static int compare_units(const void *a, const void *b)
{
    return text_compare_natural(((const struct left_unit *)a)->name, ((const struct left_unit *)b)->name);
}
