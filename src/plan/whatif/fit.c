#include "plan/whatif/fit.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"
#include "plan/whatif/fit_keep.h"

enum { PRIORITY_OF_NEW = 50 }; /* what a tier has that does not say */

/* Where the planner places the new ones of a part, one after the other, as long as the measure of cost stays
 * the same: fewer of them stand on the first ones of these. */
struct sequence {
    uint64_t generation; /* of the measure */
    uint32_t *hosts;
    size_t length;
    /* The same by host: its places in the sequence are places[first[host] .. first[host + 1]]. */
    uint32_t *first, *places;
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

/* A host by what one more costs there now. */
struct next {
    double cost;
    size_t host;
};

/* Hosts, and how many of them lack what in each dimension. */
struct lack {
    size_t hosts, of[FLEET_DIMENSIONS];
};

/* Whom a loss leaves without room. */
struct victim {
    const char *who;
    size_t near; /* its host */
    struct fleet_size size;
};

struct undo {
    size_t instance, was; /* its host */
};

/* Hosts of one part are asked about by themselves: nothing of theirs is recovered elsewhere. */
struct part {
    size_t host;          /* its first by name */
    int64_t count;        /* placed now, on the first of the sequence, */
    int64_t asked;        /* and in what is asked for */
    struct sequence *now; /* NULL: none is placed */
    struct vec sequences; /* struct sequence *: those that were needed */
    struct domain *domains;
    size_t domains_length;
};

struct question {
    struct arena *arena;
    struct fleet *fleet;
    struct fit_keep *keep; /* NULL: no pool keeps room */
    struct fleet_size size;
    struct part *parts;
    size_t parts_length;
    size_t *part_of;         /* host -> its part */
    int64_t *slots;          /* host -> how many of the new ones have room there */
    int64_t *change;         /* host -> how many have to be placed there, while fill_to() counts them */
    struct fleet_size *free; /* host -> what it has without any */
    struct next *heap;       /* the least first */
    size_t heap_length;
    struct vec lost;     /* size_t: instances of the domain, by rank */
    struct vec lost_new; /* uint32_t: places of new ones of the domain in their sequence */
    struct vec done;     /* struct undo */
};

static void keep_room(struct question *q, size_t dimension, struct fit *fit);
static void add_parts(struct question *q);
static size_t first_of(size_t *same, size_t host);
static void add_rooms(struct question *q);
static size_t tightest(const struct question *q, const char **ret_reason);
static void count_lack(struct lack *lack, const struct fleet_size *size, const struct fleet_size *free);
static void add_lack(const struct lack *lack, struct buf *ret_text);
static size_t scarcest(const struct lack *lack, const struct fleet_size *size);
static void fill_to(struct question *q, struct part *part, int64_t count);
static void settle_change(struct question *q, size_t host);
static struct sequence *sequence_of(struct question *q, struct part *part);
static void place_all(struct question *q, const struct part *part, struct sequence *sequence);
static struct fleet_size free_after(const struct question *q, size_t host, int64_t taken);
static double cost_after(const struct question *q, size_t host, int64_t taken);
static void sift_down(struct question *q, size_t at);
static bool is_before(const struct next *a, const struct next *b);
static void index_hosts(struct question *q, struct sequence *sequence);
static void add_domains(struct question *q, enum fit_survive survive, size_t dimension);
static size_t domain_of(const struct question *q, size_t host, enum fit_survive survive);
static bool lower(struct question *q, struct part *part, struct fit *fit);
static int64_t most_that_survive(struct question *q, struct part *part, const struct domain *domain,
                                 struct fit *fit);
static bool survives(struct question *q, const struct part *part, const struct domain *domain,
                     struct fit *fit);
static void explain(struct question *q, const struct part *part, const struct domain *domain,
                    const struct victim *victim, struct fit *fit);
static void add_pools(const struct question *q, const struct part *part, struct buf *ret_text);
static void lose(struct question *q, const struct domain *domain);
static bool recover_instances(struct question *q, size_t first, size_t end, struct victim *ret_victim);
static bool recover_new(struct question *q, const struct part *part, const struct domain *domain,
                        struct victim *ret_victim);
static void take_new(struct question *q, size_t host, int64_t count);
static void undo_all(struct question *q);
static const char *domain_name(struct question *q, const struct domain *domain);
static int64_t times(int64_t a, int64_t b);
static int64_t plus(int64_t a, int64_t b);
static int compare_placed(const void *a, const void *b);
static int compare_domains(const void *a, const void *b);
static int compare_ranks(const void *a, const void *b);
static int compare_numbers(const void *a, const void *b);

struct fit fit_count(struct arena *arena, const struct snapshot *snapshot, const struct resources *size,
                     enum fit_survive survive)
{
    struct question q = {.arena = arena,
                         .size = fleet_size_of(size),
                         .lost = VEC_OF(size_t),
                         .lost_new = VEC_OF(uint32_t),
                         .done = VEC_OF(struct undo)};
    struct fit fit = {.count = 0, .limited_by = "hosts", .reason = "no host is up and active"};

    q.fleet = fleet_new(arena, snapshot);
    if (q.fleet->columns_length == 0) return fit;
    add_parts(&q);
    add_rooms(&q);
    size_t dimension = tightest(&q, &fit.reason);
    fit.limited_by = fleet_dimension_name(dimension);
    q.keep = fit_keep_new(arena, q.fleet, snapshot, &q.size);
    if (q.keep != NULL) keep_room(&q, dimension, &fit);
    if (survive != FIT_SURVIVE_NONE) add_domains(&q, survive, dimension);
    bool good = true;
    for (size_t p = 0; good && p < q.parts_length; p++)
        good = survive == FIT_SURVIVE_NONE || lower(&q, &q.parts[p], &fit);
    struct fit_part *parts = arena_alloc_array(arena, q.parts_length, sizeof(*parts));
    for (size_t p = 0; p < q.parts_length; p++) {
        const struct fleet_host *any = &q.fleet->hosts[q.parts[p].host];
        parts[p] = (struct fit_part){any->pool, any->class_name, good ? q.parts[p].count : 0};
        fit.count = plus(fit.count, parts[p].count);
        vec_free(&q.parts[p].sequences);
    }
    fit.parts = parts;
    fit.parts_length = q.parts_length;
    vec_free(&q.lost);
    vec_free(&q.lost_new);
    vec_free(&q.done);
    return fit;
}

/* Of each part, so many as pools that keep room let in. */
static void keep_room(struct question *q, size_t dimension, struct fit *fit)
{
    for (size_t p = 0; p < q->parts_length; p++) {
        int64_t count = q->parts[p].count;
        fill_to(q, &q->parts[p], count > FIT_TRIED_MAX ? FIT_TRIED_MAX : count);
        if (q->parts[p].count == count) continue;
        fit->limited_by = fleet_dimension_name(fit_keep_scarce(q->keep, dimension));
        fit->to_survive = true;
        fit->reason = "pools keep room for a loss (`survive` of a Pool)";
    }
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
        if (first == n)
            q->parts[q->parts_length++] = (struct part){.host = n, .sequences = VEC_OF(struct sequence *)};
        q->part_of[n] = first == n ? q->parts_length - 1 : q->part_of[first];
    }
}

static size_t first_of(size_t *same, size_t host)
{
    while (same[host] != host)
        host = same[host] = same[same[host]];
    return host;
}

/* Exact without a loss, in whatever order hosts are filled. */
static void add_rooms(struct question *q)
{
    const struct fleet *fleet = q->fleet;

    q->slots = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->slots));
    q->change = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->change));
    q->free = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->free));
    q->heap = arena_alloc_array(q->arena, fleet->hosts_length, sizeof(*q->heap));
    for (size_t n = 0; n < fleet->columns_length; n++) {
        size_t host = fleet->columns[n];
        struct part *part = &q->parts[q->part_of[host]];
        q->slots[host] = fleet_slots(fleet, host, &q->size);
        q->free[host] = fleet->hosts[host].free;
        part->count = plus(part->count, q->slots[host]);
    }
}

/* The dimension that most full hosts lack for one more; ties: the first. */
static size_t tightest(const struct question *q, const char **ret_reason)
{
    struct lack lack = {0};
    CLEANUP_BUF struct buf text = {0};

    for (size_t n = 0; n < q->fleet->columns_length; n++) {
        size_t host = q->fleet->columns[n];
        struct fleet_size free = free_after(q, host, q->slots[host]);
        count_lack(&lack, &q->size, &free);
    }
    add_lack(&lack, &text);
    buf_add_text(&text, " for one more");
    *ret_reason = arena_strdup(q->arena, buf_text(&text));
    return scarcest(&lack, &q->size);
}

static void count_lack(struct lack *lack, const struct fleet_size *size, const struct fleet_size *free)
{
    lack->hosts++;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        lack->of[d] += size->of[d] > 0 && size->of[d] > free->of[d];
}

/* "of 3 hosts 1 lacks cpus, 2 lack memory" */
static void add_lack(const struct lack *lack, struct buf *ret_text)
{
    buf_printf(ret_text, "of %zu host%s", lack->hosts, lack->hosts == 1 ? "" : "s");
    for (size_t d = 0, said = 0; d < FLEET_DIMENSIONS; d++)
        if (lack->of[d] > 0)
            buf_printf(ret_text, "%s %zu lack%s %s", said++ ? "," : "", lack->of[d],
                       lack->of[d] == 1 ? "s" : "", fleet_dimension_name(d));
}

/* Of the dimensions that the size asks for, the one that most lack; ties: the first. */
static size_t scarcest(const struct lack *lack, const struct fleet_size *size)
{
    size_t most = FLEET_DIMENSIONS;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (size->of[d] > 0 && (most == FLEET_DIMENSIONS || lack->of[d] > lack->of[most])) most = d;
    return most < FLEET_DIMENSIONS ? most : 0;
}

/* Places so many as the planner would that is asked for so many; fewer where pools keep room for a loss. */
static void fill_to(struct question *q, struct part *part, int64_t count)
{
    size_t was = part->now ? (size_t)part->count : 0, is = (size_t)count;

    fleet_demand(q->fleet, &q->size, count - part->asked);
    part->asked = count;
    fleet_weigh(q->fleet);
    struct sequence *before = part->now, *after = sequence_of(q, part);
    while (after->length < is) { /* one by one: where fewer are asked for, costs may be measured otherwise */
        is--;
        fleet_demand(q->fleet, &q->size, -1);
        part->asked--;
        fleet_weigh(q->fleet);
        after = sequence_of(q, part);
    }
    size_t same = before != after ? 0 : was < is ? was : is;
    for (size_t n = same; n < was; n++)
        q->change[before->hosts[n]]--;
    for (size_t n = same; n < is; n++)
        q->change[after->hosts[n]]++;
    for (size_t n = same; n < was; n++)
        settle_change(q, before->hosts[n]);
    for (size_t n = same; n < is; n++)
        settle_change(q, after->hosts[n]);
    part->now = after;
    part->count = (int64_t)is;
}

static void settle_change(struct question *q, size_t host)
{
    if (q->change[host] != 0) take_new(q, host, q->change[host]);
    q->change[host] = 0;
}

/* For the measure as it is now. */
static struct sequence *sequence_of(struct question *q, struct part *part)
{
    for (size_t n = 0; n < part->sequences.length; n++) {
        struct sequence *known = *(struct sequence **)vec_at(&part->sequences, n);
        if (known->generation == q->fleet->generation) return known;
    }
    struct sequence *new = arena_alloc(q->arena, sizeof(*new));
    new->generation = q->fleet->generation;
    place_all(q, part, new);
    index_hosts(q, new);
    *(struct sequence **)vec_push(&part->sequences) = new;
    return new;
}

/* One after the other where it costs the least; of equals on the first by name. */
static void place_all(struct question *q, const struct part *part, struct sequence *sequence)
{
    struct fleet *fleet = q->fleet;
    size_t number = (size_t)(part - q->parts);
    int64_t length = 0;

    q->heap_length = 0;
    for (size_t host = 0; host < fleet->hosts_length; host++) {
        if (q->part_of[host] != number || q->slots[host] == 0) continue;
        length = plus(length, q->slots[host]);
        q->heap[q->heap_length++] = (struct next){cost_after(q, host, 0), host};
    }
    if (length > FIT_TRIED_MAX) length = FIT_TRIED_MAX;
    sequence->hosts = arena_alloc_array(q->arena, (size_t)length + 1, sizeof(*sequence->hosts));
    for (size_t n = q->heap_length; n-- > 0;)
        sift_down(q, n);
    fit_keep_begin(q->keep);
    while (sequence->length < (size_t)length && q->heap_length > 0) {
        size_t host = q->heap[0].host;
        struct fleet_size free = free_after(q, host, q->change[host]);
        if (!fit_keep_take(q->keep, host, &free)) {
            q->heap[0] = q->heap[--q->heap_length];
            sift_down(q, 0);
            continue;
        }
        sequence->hosts[sequence->length++] = (uint32_t)host;
        q->change[host]++;
        q->heap[0].cost = cost_after(q, host, q->change[host]);
        if (q->heap[0].cost < 0) q->heap[0] = q->heap[--q->heap_length];
        sift_down(q, 0);
    }
    for (size_t n = 0; n < sequence->length; n++)
        q->change[sequence->hosts[n]] = 0;
}

static struct fleet_size free_after(const struct question *q, size_t host, int64_t taken)
{
    struct fleet_size free = q->free[host];
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        free.of[d] -= taken * q->size.of[d];
    return free;
}

static double cost_after(const struct question *q, size_t host, int64_t taken)
{
    struct fleet_size free = free_after(q, host, taken);
    return cost_of(&q->fleet->measure, free.of, q->fleet->hosts[host].inverse, q->size.of);
}

static void sift_down(struct question *q, size_t at)
{
    struct next moved = q->heap[at];
    while (2 * at + 1 < q->heap_length) {
        size_t child = 2 * at + 1;
        if (child + 1 < q->heap_length && is_before(&q->heap[child + 1], &q->heap[child])) child++;
        if (!is_before(&q->heap[child], &moved)) break;
        q->heap[at] = q->heap[child];
        at = child;
    }
    if (at < q->heap_length) q->heap[at] = moved;
}

static bool is_before(const struct next *a, const struct next *b)
{
    return a->cost < b->cost || (a->cost <= b->cost && a->host < b->host);
}

/* Counted and laid out: a counting sort. */
static void index_hosts(struct question *q, struct sequence *sequence)
{
    size_t length = q->fleet->hosts_length;
    sequence->first = arena_alloc_array(q->arena, length + 2, sizeof(*sequence->first));
    sequence->places = arena_alloc_array(q->arena, sequence->length + 1, sizeof(*sequence->places));
    for (size_t n = 0; n < sequence->length; n++)
        sequence->first[sequence->hosts[n] + 2]++;
    for (size_t n = 2; n < length + 2; n++)
        sequence->first[n] += sequence->first[n - 1];
    for (size_t n = 0; n < sequence->length; n++)
        sequence->places[sequence->first[sequence->hosts[n] + 1]++] = (uint32_t)n;
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
        domain->weight = plus(domain->weight, times(q->slots[placed[n].host], q->size.of[dimension]));
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

    if (!again) return true;
    if (part->count > FIT_TRIED_MAX) {
        fit->to_survive = true;
        fit->reason = arena_printf(q->arena, "no more than %d are tried with a loss", FIT_TRIED_MAX);
    }
    fill_to(q, part, part->count > FIT_TRIED_MAX ? FIT_TRIED_MAX : part->count);
    while (again) {
        again = false;
        for (size_t n = 0; n < part->domains_length; n++) {
            int64_t before = part->count;
            int64_t most = most_that_survive(q, part, &part->domains[n], fit);
            if (most == before) continue;
            fit->to_survive = true;
            if (most < 0) return false;
            again = true;
        }
    }
    return true;
}

/* The most, of at most part->count, with which the domain may be lost; leaves so many placed. Steps that
 * double find some that do, halves the most. -1: not even without any. */
static int64_t most_that_survive(struct question *q, struct part *part, const struct domain *domain,
                                 struct fit *fit)
{
    int64_t bad = part->count, good = bad, step = 1;

    while (!survives(q, part, domain, fit)) {
        if (good == 0) return -1;
        bad = good;
        good = bad > step ? bad - step : 0;
        step *= 2;
        fill_to(q, part, good);
        good = part->count;
    }
    while (bad - good > 1) {
        int64_t middle = good + (bad - good) / 2;
        fill_to(q, part, middle);
        if (part->count == middle && survives(q, part, domain, fit))
            good = middle;
        else
            bad = middle;
    }
    fill_to(q, part, good);
    return good;
}

/* Loses the domain, places all that was there as the planner does, and puts everything back. When it does not
 * survive, the fit says what it is limited by. */
static bool survives(struct question *q, const struct part *part, const struct domain *domain,
                     struct fit *fit)
{
    size_t split = 0;

    lose(q, domain);
    while (split < q->lost.length &&
           q->fleet->instances[*(size_t *)vec_at(&q->lost, split)].priority >= PRIORITY_OF_NEW)
        split++;
    struct victim victim = {0};
    bool good = recover_instances(q, 0, split, &victim) && recover_new(q, part, domain, &victim) &&
                recover_instances(q, split, q->lost.length, &victim);
    if (!good) explain(q, part, domain, &victim, fit);
    undo_all(q);
    return good;
}

/* While it is lost: "with 3 more in pool general, the loss of host/h1 would leave acme/shop/web-1 without
 * room: of 3 hosts 3 lack cpus". */
static void explain(struct question *q, const struct part *part, const struct domain *domain,
                    const struct victim *victim, struct fit *fit)
{
    const struct fleet_host *lost = &q->fleet->hosts[victim->near];
    CLEANUP_BUF struct buf text = {0};
    struct lack lack = {0};

    for (size_t n = 0; n < q->fleet->columns_length; n++) {
        const struct fleet_host *host = &q->fleet->hosts[q->fleet->columns[n]];
        if (!host->usable) continue;
        if (text_equal(host->pool, lost->pool) || text_equal(host->class_name, lost->class_name))
            count_lack(&lack, &victim->size, &host->free);
    }
    size_t scarce = scarcest(&lack, &victim->size);
    if (part->count == 0)
        buf_add_text(&text, "as it is");
    else
        buf_printf(&text, "with %lld more", (long long)part->count);
    if (part->count > 0 && q->parts_length > 1) add_pools(q, part, &text);
    buf_printf(&text, ", the loss of %s would leave %s without room: ", domain_name(q, domain), victim->who);
    if (lack.hosts == 0)
        buf_add_text(&text, "no other host of its pool or class is left");
    else if (lack.of[scarce] == 0)
        buf_add_text(&text, "spread is strict");
    else
        add_lack(&lack, &text);
    fit->reason = arena_strdup(q->arena, buf_text(&text));
    fit->limited_by = lack.hosts == 0        ? "hosts"
                      : lack.of[scarce] == 0 ? "spread"
                                             : fleet_dimension_name(scarce);
}

static void add_pools(const struct question *q, const struct part *part, struct buf *ret_text)
{
    const char *pool = q->fleet->hosts[part->host].pool;
    bool more = false;

    for (size_t n = 0; n < q->fleet->hosts_length; n++)
        more |= &q->parts[q->part_of[n]] == part && !text_equal(q->fleet->hosts[n].pool, pool);
    buf_printf(ret_text, " in pool %s%s", pool, more ? " and those that stand in for it" : "");
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
            fleet_warm(q->fleet, domain->hosts[n], &instance->again);
        }
    }
    fleet_try(q->fleet);
    for (size_t n = 0; n < domain->length; n++)
        fleet_set_usable(q->fleet, domain->hosts[n], false);
    fleet_weigh(q->fleet);
    if (domain->length > 1) vec_sort(&q->lost, compare_ranks);
}

static bool recover_instances(struct question *q, size_t first, size_t end, struct victim *ret_victim)
{
    for (size_t n = first; n < end; n++) {
        size_t instance = *(size_t *)vec_at(&q->lost, n);
        struct fleet_instance *i = &q->fleet->instances[instance];
        size_t was = i->host, host = fleet_find(q->fleet, &i->again, was, instance);
        if (host == FLEET_NONE) {
            *ret_victim = (struct victim){i->record->name, was, i->again};
            return false;
        }
        *(struct undo *)vec_push(&q->done) = (struct undo){instance, was};
        i->host = host;
        fleet_take(q->fleet, host, &i->again, 1);
    }
    return true;
}

/* By their names, which is the order in which they were placed. */
static bool recover_new(struct question *q, const struct part *part, const struct domain *domain,
                        struct victim *ret_victim)
{
    const struct sequence *sequence = part->now;

    vec_clear(&q->lost_new);
    for (size_t n = 0; n < domain->length; n++) {
        size_t host = domain->hosts[n];
        for (size_t p = sequence->first[host]; p < sequence->first[host + 1]; p++)
            if (sequence->places[p] < part->count) *(uint32_t *)vec_push(&q->lost_new) = sequence->places[p];
    }
    if (domain->length > 1) vec_sort(&q->lost_new, compare_numbers);
    for (size_t n = 0; n < q->lost_new.length; n++) {
        size_t lost = sequence->hosts[*(uint32_t *)vec_at(&q->lost_new, n)];
        size_t host = fleet_find(q->fleet, &q->size, lost, FLEET_NONE);
        if (host == FLEET_NONE) {
            *ret_victim = (struct victim){"a new one", lost, q->size};
            return false;
        }
        fleet_take(q->fleet, host, &q->size, 1);
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

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}
