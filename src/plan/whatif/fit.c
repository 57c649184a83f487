#include "plan/whatif/fit.h"

#include "base/buf.h"
#include "base/vec.h"
#include "plan/whatif/fleet.h"

enum { PRIORITY_OF_NEW = 50 }; /* what a tier has that does not say */

/* Hosts in the order in which the planner fills them: it packs, so one after the other (README.md). */
struct filled {
    size_t part, host;
    int64_t left, slots, taken;
};

/* What is lost at once. */
struct domain {
    size_t *hosts;
    size_t length;
    int64_t weight; /* what it has to find room for when it is full, in the tightest dimension */
};

struct placed {
    size_t part, domain, host;
};

struct undo {
    size_t instance, was; /* its host */
};

/* Hosts of one part are asked about by themselves: nothing of theirs is recovered elsewhere. */
struct part {
    size_t host; /* its first by name */
    struct filled *filled;
    size_t filled_length, at; /* at: the first that is not full */
    int64_t count;            /* placed now */
    struct domain *domains;
    size_t domains_length;
};

struct question {
    struct arena *arena;
    struct fleet *fleet;
    struct fleet_size size;
    struct part *parts;
    size_t parts_length;
    size_t *part_of;      /* host -> its part */
    struct filled **room; /* host -> what it takes of the new ones, or NULL */
    struct vec lost;      /* size_t: instances of the domain, by rank */
    struct vec done;      /* struct undo */
};

static void add_parts(struct question *q);
static size_t first_of(size_t *same, size_t host);
static void add_rooms(struct question *q);
static size_t tightest(const struct question *q, const char **ret_reason);
static void fill_to(struct question *q, struct part *part, int64_t count);
static void add_domains(struct question *q, enum fit_survive survive, size_t dimension);
static size_t domain_of(const struct question *q, size_t host, enum fit_survive survive);
static bool lower(struct question *q, struct part *part, struct fit *fit);
static int64_t most_that_survive(struct question *q, struct part *part, const struct domain *domain,
                                 const char **ret_reason);
static bool survives(struct question *q, const struct part *part, const struct domain *domain,
                     const char **ret_reason);
static void lose(struct question *q, const struct domain *domain);
static bool recover_instances(struct question *q, size_t first, size_t end, const char **ret_who);
static bool recover_new(struct question *q, const struct domain *domain, const char **ret_who);
static void take_new(struct question *q, size_t host, int64_t count);
static void undo_all(struct question *q);
static const char *domain_name(struct question *q, const struct domain *domain);
static int64_t times(int64_t a, int64_t b);
static int64_t plus(int64_t a, int64_t b);
static int compare_filled(const void *a, const void *b);
static int compare_placed(const void *a, const void *b);
static int compare_domains(const void *a, const void *b);
static int compare_ranks(const void *a, const void *b);

struct fit fit_count(struct arena *arena, const struct snapshot *snapshot, const struct resources *size,
                     enum fit_survive survive)
{
    struct question q = {
        .arena = arena, .size = fleet_size_of(size), .lost = VEC_OF(size_t), .done = VEC_OF(struct undo)};
    struct fit fit = {.count = 0, .limited_by = "hosts", .reason = "no host is up and active"};

    q.fleet = fleet_new(arena, snapshot);
    if (q.fleet->columns_length == 0) return fit;
    add_parts(&q);
    add_rooms(&q);
    size_t dimension = tightest(&q, &fit.reason);
    fit.limited_by = fleet_dimension_name(dimension);
    if (survive != FIT_SURVIVE_NONE) add_domains(&q, survive, dimension);
    bool good = true;
    for (size_t p = 0; good && p < q.parts_length; p++)
        good = lower(&q, &q.parts[p], &fit);
    struct fit_part *parts = arena_alloc_array(arena, q.parts_length, sizeof(*parts));
    for (size_t p = 0; p < q.parts_length; p++) {
        const struct fleet_host *any = &q.fleet->hosts[q.parts[p].host];
        parts[p] = (struct fit_part){any->pool, any->class_name, good ? q.parts[p].count : 0};
        fit.count = plus(fit.count, parts[p].count);
    }
    fit.parts = parts;
    fit.parts_length = q.parts_length;
    vec_free(&q.lost);
    vec_free(&q.done);
    return fit;
}

/* Hosts of one pool or of one class, and of the pools and classes of those. */
static void add_parts(struct question *q)
{
    CLEANUP(map_freep) struct map *pools = map_new(), *classes = map_new();
    struct fleet *fleet = q->fleet;
    size_t *same = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*same));

    for (size_t n = 0; n < fleet->hosts_length; n++) {
        struct fleet_host *host = &fleet->hosts[n];
        same[n] = n;
        const struct fleet_host *others[] = {map_get(pools, host->pool), map_get(classes, host->class_name)};
        for (size_t o = 0; o < LENGTH(others); o++) {
            if (others[o] == NULL) continue;
            size_t a = first_of(same, (size_t)(others[o] - fleet->hosts)), b = first_of(same, n);
            same[a < b ? b : a] = a < b ? a : b;
        }
        if (others[0] == NULL) map_put(pools, host->pool, host);
        if (others[1] == NULL) map_put(classes, host->class_name, host);
    }
    q->part_of = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->part_of));
    q->parts = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->parts));
    for (size_t n = 0; n < fleet->hosts_length; n++) {
        size_t first = first_of(same, n);
        if (first == n) q->parts[q->parts_length++].host = n;
        q->part_of[n] = first == n ? q->parts_length - 1 : q->part_of[first];
    }
}

static size_t first_of(size_t *same, size_t host)
{
    while (same[host] != host)
        host = same[host] = same[same[host]];
    return host;
}

/* All that fits is placed first. */
static void add_rooms(struct question *q)
{
    struct fleet *fleet = q->fleet;
    struct filled *all = arena_alloc_array(q->arena, fleet->columns_length + 1, sizeof(*all));
    size_t length = 0;

    q->room = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->room));
    for (size_t n = 0; n < fleet->columns_length; n++) {
        size_t host = fleet->columns[n];
        int64_t left = fleet_left(fleet, host, &q->size);
        if (left < 0) continue;
        all[length++] = (struct filled){.part = q->part_of[host],
                                        .host = host,
                                        .left = left,
                                        .slots = fleet_slots(fleet, host, &q->size)};
    }
    array_sort(all, length, sizeof(*all), compare_filled);
    for (size_t n = 0; n < length; n++) {
        struct part *part = &q->parts[all[n].part];
        if (part->filled_length++ == 0) part->filled = &all[n];
        q->room[all[n].host] = &all[n];
    }
    for (size_t p = 0; p < q->parts_length; p++) {
        int64_t count = 0;
        for (size_t n = 0; n < q->parts[p].filled_length; n++)
            count = plus(count, q->parts[p].filled[n].slots);
        fill_to(q, &q->parts[p], count);
    }
}

/* The dimension that most hosts lack for one more; ties: the first. */
static size_t tightest(const struct question *q, const char **ret_reason)
{
    size_t lack[FLEET_DIMENSIONS] = {0}, most = FLEET_DIMENSIONS;
    CLEANUP_BUF struct buf text = {0};

    for (size_t n = 0; n < q->fleet->columns_length; n++)
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            lack[d] += q->size.of[d] > q->fleet->hosts[q->fleet->columns[n]].free.of[d];
    buf_printf(&text, "of %zu host%s", q->fleet->columns_length, q->fleet->columns_length == 1 ? "" : "s");
    for (size_t d = 0, said = 0; d < FLEET_DIMENSIONS; d++) {
        if (q->size.of[d] == 0) continue;
        if (most == FLEET_DIMENSIONS || lack[d] > lack[most]) most = d;
        if (lack[d] == 0) continue;
        buf_printf(&text, "%s %zu lack%s %s", said++ ? "," : "", lack[d], lack[d] == 1 ? "s" : "",
                   fleet_dimension_name(d));
    }
    ASSERT(most < FLEET_DIMENSIONS);
    buf_add_text(&text, " for one more");
    *ret_reason = arena_strdup(q->arena, buf_text(&text));
    return most;
}

/* Places or takes back new ones until there are so many. */
static void fill_to(struct question *q, struct part *part, int64_t count)
{
    while (part->count != count) {
        struct filled *f = NULL;
        int64_t change = count - part->count;
        if (change > 0) {
            f = &part->filled[part->at];
            if (change >= f->slots - f->taken) {
                change = f->slots - f->taken;
                part->at++;
            }
        } else {
            if (part->at == part->filled_length || part->filled[part->at].taken == 0) part->at--;
            f = &part->filled[part->at];
            if (-change > f->taken) change = -f->taken;
        }
        take_new(q, f->host, change);
        f->taken += change;
        part->count += change;
    }
}

static void add_domains(struct question *q, enum fit_survive survive, size_t dimension)
{
    const struct fleet *fleet = q->fleet;
    size_t *hosts = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*hosts));
    struct placed *placed = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*placed));
    struct domain *domains = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*domains)),
                  *domain = NULL;
    size_t length = 0;

    for (size_t n = 0; n < fleet->hosts_length; n++)
        if (fleet->hosts[n].usable || fleet->hosts[n].on.length > 0)
            placed[length++] = (struct placed){q->part_of[n], domain_of(q, n, survive), n};
    array_sort(placed, length, sizeof(*placed), compare_placed);
    for (size_t n = 0; n < length; n++) {
        const struct fleet_host *h = &fleet->hosts[placed[n].host];
        struct part *part = &q->parts[placed[n].part];
        hosts[n] = placed[n].host;
        if (n == 0 || placed[n - 1].part != placed[n].part || placed[n - 1].domain != placed[n].domain) {
            domain = domain == NULL ? domains : domain + 1;
            *domain = (struct domain){.hosts = &hosts[n]};
            if (part->domains_length++ == 0) part->domains = domain;
        }
        domain->length++;
        for (size_t i = 0; i < h->on.length; i++)
            domain->weight = plus(domain->weight, fleet->instances[h->on.items[i]].size.of[dimension]);
        const struct filled *room = q->room[placed[n].host];
        if (room) domain->weight = plus(domain->weight, times(room->slots, q->size.of[dimension]));
    }
    for (size_t p = 0; p < q->parts_length; p++)
        array_sort(q->parts[p].domains, q->parts[p].domains_length, sizeof(*domains), compare_domains);
}

static size_t domain_of(const struct question *q, size_t host, enum fit_survive survive)
{
    const struct fleet_host *h = &q->fleet->hosts[host];
    if (survive == FIT_SURVIVE_HOST) return host;
    return h->zones[survive == FIT_SURVIVE_SITE ? 0 : h->depth - 1];
}

/* Takes back as many as have to be for every loss to be survived; false: it is not even without any. The
 * heaviest domains come first, so that most others lower nothing any more. Another round asks all of them
 * about the final number: with fewer new ones the others may stand elsewhere. */
static bool lower(struct question *q, struct part *part, struct fit *fit)
{
    bool again = part->domains_length > 0;

    while (again) {
        again = false;
        for (size_t n = 0; n < part->domains_length; n++) {
            int64_t before = part->count;
            int64_t most = most_that_survive(q, part, &part->domains[n], &fit->reason);
            if (most == before) continue;
            fit->limited_by = "survive";
            if (most < 0) return false;
            again = true;
        }
    }
    return true;
}

/* The most, of at most part->count, with which the domain may be lost; leaves so many placed. Steps that
 * double find some that do, halves the most. -1: not even without any. */
static int64_t most_that_survive(struct question *q, struct part *part, const struct domain *domain,
                                 const char **ret_reason)
{
    int64_t bad = part->count, good = bad, step = 1;

    while (!survives(q, part, domain, ret_reason)) {
        if (good == 0) return -1;
        bad = good;
        good = bad > step ? bad - step : 0;
        step *= 2;
        fill_to(q, part, good);
    }
    while (bad - good > 1) {
        int64_t middle = good + (bad - good) / 2;
        fill_to(q, part, middle);
        if (survives(q, part, domain, ret_reason))
            good = middle;
        else
            bad = middle;
    }
    fill_to(q, part, good);
    return good;
}

/* Loses the domain, places all that was there as the planner does, and puts everything back. ret_reason is
 * set when it does not survive. */
static bool survives(struct question *q, const struct part *part, const struct domain *domain,
                     const char **ret_reason)
{
    const char *who = NULL;
    size_t split = 0;

    lose(q, domain);
    while (split < q->lost.length &&
           q->fleet->instances[*(size_t *)vec_at(&q->lost, split)].priority >= PRIORITY_OF_NEW)
        split++;
    bool good = recover_instances(q, 0, split, &who) && recover_new(q, domain, &who) &&
                recover_instances(q, split, q->lost.length, &who);
    undo_all(q);
    if (good) return true;
    const char *when =
        part->count == 0 ? "as it is" : arena_printf(q->arena, "with %lld more", (long long)part->count);
    *ret_reason = arena_printf(q->arena, "%s, the loss of %s would leave %s without room", when,
                               domain_name(q, domain), who);
    return false;
}

static void lose(struct question *q, const struct domain *domain)
{
    vec_clear(&q->lost);
    for (size_t n = 0; n < domain->length; n++) {
        const struct fleet_list *on = &q->fleet->hosts[domain->hosts[n]].on;
        for (size_t i = 0; i < on->length; i++) {
            const struct fleet_instance *instance = &q->fleet->instances[on->items[i]];
            if (instance->record->wanted == WANTED_DRAIN || instance->record->wanted == WANTED_GONE) continue;
            *(size_t *)vec_push(&q->lost) = on->items[i];
            fleet_warm(q->fleet, domain->hosts[n], &instance->size);
        }
    }
    fleet_try(q->fleet);
    for (size_t n = 0; n < domain->length; n++)
        fleet_set_usable(q->fleet, domain->hosts[n], false);
    if (domain->length > 1) vec_sort(&q->lost, compare_ranks);
}

static bool recover_instances(struct question *q, size_t first, size_t end, const char **ret_who)
{
    for (size_t n = first; n < end; n++) {
        size_t instance = *(size_t *)vec_at(&q->lost, n);
        struct fleet_instance *i = &q->fleet->instances[instance];
        size_t was = i->host, host = fleet_find(q->fleet, &i->size, was, instance);
        if (host == FLEET_NONE) {
            *ret_who = i->record->name;
            return false;
        }
        *(struct undo *)vec_push(&q->done) = (struct undo){instance, was};
        i->host = host;
        fleet_take(q->fleet, host, &i->size, 1);
    }
    return true;
}

/* Equal ones without spread: the host that is best stays best until it is full. */
static bool recover_new(struct question *q, const struct domain *domain, const char **ret_who)
{
    for (size_t n = 0; n < domain->length; n++) {
        size_t lost = domain->hosts[n];
        int64_t rest = q->room[lost] ? q->room[lost]->taken : 0;
        while (rest > 0) {
            size_t host = fleet_find(q->fleet, &q->size, lost, FLEET_NONE);
            if (host == FLEET_NONE) {
                *ret_who = "a new one";
                return false;
            }
            int64_t slots = fleet_slots(q->fleet, host, &q->size);
            if (slots > rest) slots = rest;
            take_new(q, host, slots);
            rest -= slots;
        }
    }
    return true;
}

/* At most what the host has. */
static void take_new(struct question *q, size_t host, int64_t count)
{
    struct fleet_size size = q->size;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        size.of[d] *= count;
    fleet_take(q->fleet, host, &size, 1);
}

static void undo_all(struct question *q)
{
    for (size_t n = 0; n < q->done.length; n++) {
        const struct undo *undo = vec_at(&q->done, n);
        q->fleet->instances[undo->instance].host = undo->was;
    }
    vec_clear(&q->done);
    fleet_try_end(q->fleet);
}

static const char *domain_name(struct question *q, const struct domain *domain)
{
    const struct fleet_host *any = &q->fleet->hosts[domain->hosts[0]];
    if (domain->length == 1) return arena_printf(q->arena, "host/%s", any->name);
    return arena_printf(q->arena, "%zu hosts, with host/%s, in zone/%s", domain->length, any->name,
                        any->zone);
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int compare_filled(const void *a, const void *b)
{
    const struct filled *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->domain != y->domain) return x->domain < y->domain ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static int compare_domains(const void *a, const void *b)
{
    const struct domain *x = a, *y = b;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

static int compare_ranks(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}
