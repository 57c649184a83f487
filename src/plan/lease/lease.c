#include "plan/lease/lease.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/vec.h"
#include "model/quotas.h"
#include "model/schemas.h"

#include <stdio.h>

/* What a party without a lease document has of its parent. */
enum { RIGHTS_IMPLIED = RIGHT_SOFTWARE | RIGHT_DEVELOP | RIGHT_LEASE | RIGHT_READ };

struct lease_tree {
    struct arena *arena;
    struct map *holdings; /* party -> struct seat */
};

struct seat {
    struct holding holding;
    const struct party *party; /* while the tree is made; NULL: the landlord */
    struct vec leases;         /* const struct lease *: to it, while the tree is made */
    bool settled, climbing;
};

struct measure {
    const char *field;
    int64_t wanted, held;
    char *(*format)(char *out, int64_t value);
};

static struct seat *seat_new(struct lease_tree *tree, const char *name);
static void settle(struct lease_tree *tree, struct seat *seat);
static void settle_below(struct lease_tree *tree, struct seat *seat);
static void settle_leased(struct lease_tree *tree, struct seat *seat);
static void take(struct holding *holding, const struct holding *parent, const struct lease *lease);
static const char *why_ended(struct arena *arena, const struct seat *seat);
static bool check_rights(struct arena *arena, const struct holding *giver, const struct lease *lease,
                         struct error *err);
static bool check_capacity(const struct holding *giver, const struct lease *lease, struct error *err);
static bool check_end(const struct holding *giver, const struct lease *lease, int64_t now_ms,
                      struct error *err);
static char *format_number(char *out, int64_t value);

struct lease_tree *lease_tree_new(const struct snapshot *snapshot)
{
    struct lease_tree *tree = mem_alloc(sizeof(*tree));
    size_t cursor = 0;
    void *seat = NULL;

    tree->arena = arena_new();
    tree->holdings = map_new();
    struct seat *root = seat_new(tree, PARTY_LANDLORD);
    root->holding.rights = RIGHTS_ALL;
    root->settled = true;
    for (size_t i = 0; i < snapshot->parties_length; i++)
        if (!text_equal(snapshot->parties[i].name, PARTY_LANDLORD))
            seat_new(tree, snapshot->parties[i].name)->party = &snapshot->parties[i];
    for (size_t i = 0; i < snapshot->leases_length; i++) {
        struct seat *to = map_get(tree->holdings, snapshot->leases[i].to);
        if (to && to != root) *(const struct lease **)vec_push(&to->leases) = &snapshot->leases[i];
    }
    while (map_next(tree->holdings, &cursor, NULL, &seat))
        settle(tree, seat);
    for (cursor = 0; map_next(tree->holdings, &cursor, NULL, &seat);) {
        ((struct seat *)seat)->party = NULL;
        vec_free(&((struct seat *)seat)->leases);
    }
    return tree;
}

void lease_tree_free(struct lease_tree *tree)
{
    if (tree == NULL) return;
    map_free(tree->holdings);
    arena_free(tree->arena);
    mem_free(tree);
}

const struct holding *lease_holding(const struct lease_tree *tree, const char *party)
{
    const struct seat *seat = map_get(tree->holdings, party);
    return seat ? &seat->holding : NULL;
}

bool lease_is_within(const struct lease_tree *tree, const char *party, const char *above)
{
    for (const struct holding *at = lease_holding(tree, party); at != NULL; at = at->parent)
        if (text_equal(at->party, above)) return true;
    return false;
}

static struct seat *seat_new(struct lease_tree *tree, const char *name)
{
    struct seat *seat = arena_alloc(tree->arena, sizeof(*seat));

    seat->holding = (struct holding){.party = arena_strdup(tree->arena, name), .capacity = limits_none};
    seat->leases = VEC_OF(const struct lease *);
    map_put(tree->holdings, name, seat);
    return seat;
}

/* Those above it first. A circle, or a parent that is not there, holds nothing. */
static void settle(struct lease_tree *tree, struct seat *seat)
{
    struct vec line = VEC_OF(struct seat *);

    for (struct seat *at = seat; at && !at->settled && !at->climbing;
         at = map_get(tree->holdings, at->party->parent)) {
        at->climbing = true;
        *(struct seat **)vec_push(&line) = at;
    }
    for (size_t i = line.length; i > 0; i--)
        settle_below(tree, *(struct seat **)vec_at(&line, i - 1));
    vec_free(&line);
}

static void settle_below(struct lease_tree *tree, struct seat *seat)
{
    struct seat *parent = map_get(tree->holdings, seat->party->parent);
    struct holding *holding = &seat->holding;

    seat->settled = true;
    holding->has_leases = seat->leases.length > 0;
    if (parent == NULL || !parent->settled) {
        holding->ended = "it is below no party that is there";
        return;
    }
    holding->parent = &parent->holding;
    if (parent->holding.ended) {
        holding->ended = parent->holding.ended;
        holding->rights = parent->holding.rights & RIGHT_READ;
    } else if (holding->has_leases) {
        settle_leased(tree, seat);
    } else {
        holding->until_ms = parent->holding.until_ms;
        if (parent->holding.rights & RIGHT_LEASE) holding->rights = parent->holding.rights & RIGHTS_IMPLIED;
    }
    limits_least(&holding->capacity, &seat->party->quota);
    limits_least(&holding->capacity, &parent->holding.capacity);
}

static void settle_leased(struct lease_tree *tree, struct seat *seat)
{
    struct holding *holding = &seat->holding;
    bool active = false;

    for (size_t i = 0; i < seat->leases.length; i++) {
        const struct lease *lease = *(const struct lease **)vec_at(&seat->leases, i);
        if (lease->state != LEASE_ACTIVE || !text_equal(lease->from, holding->parent->party)) continue;
        if (!active) {
            holding->capacity = lease->capacity;
            holding->until_ms = lease->until_ms ? lease->until_ms : holding->parent->until_ms;
        } else {
            limits_add(&holding->capacity, &lease->capacity);
        }
        if (active) take(holding, holding->parent, lease);
        active = true;
        if (holding->parent->rights & RIGHT_LEASE) holding->rights |= lease->rights & holding->parent->rights;
    }
    if (active) return;
    holding->ended = why_ended(tree->arena, seat);
    holding->rights = holding->parent->rights & RIGHT_READ; /* so that it learns why */
}

/* The later end of two. */
static void take(struct holding *holding, const struct holding *parent, const struct lease *lease)
{
    int64_t until_ms = lease->until_ms ? lease->until_ms : parent->until_ms;

    if (until_ms == 0 || (holding->until_ms != 0 && until_ms > holding->until_ms))
        holding->until_ms = until_ms;
}

static const char *why_ended(struct arena *arena, const struct seat *seat)
{
    const struct lease *last = NULL;

    for (size_t i = 0; i < seat->leases.length; i++) {
        const struct lease *lease = *(const struct lease **)vec_at(&seat->leases, i);
        if (lease->state == LEASE_ENDED) last = lease;
    }
    if (last == NULL)
        return arena_printf(arena, "repossessed: party %s has no lease from %s any more", seat->holding.party,
                            seat->holding.parent->party);
    return arena_printf(arena, "repossessed: lease %s of party %s from %s ended%s%s", last->name, last->to,
                        last->from, last->reason[0] ? ": " : "", last->reason);
}

bool lease_check(const struct lease_tree *tree, const struct lease *lease, int64_t now_ms, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct holding *giver = lease_holding(tree, lease->from);

    if (lease->state == LEASE_ENDED) return true;
    ASSERT(giver != NULL);
    return check_rights(arena, giver, lease, err) && check_capacity(giver, lease, err) &&
           check_end(giver, lease, now_ms, err);
}

static bool check_rights(struct arena *arena, const struct holding *giver, const struct lease *lease,
                         struct error *err)
{
    unsigned lacks = lease->rights & ~giver->rights;

    if (giver->ended) {
        error_set(err, ERROR_REFUSED, "party %s has nothing to lease: %s", giver->party, giver->ended);
    } else if (!(giver->rights & RIGHT_LEASE)) {
        error_set(err, ERROR_REFUSED, "party %s has not the right lease: it holds %s", giver->party,
                  rights_text(arena, giver->rights));
    } else if (lacks) {
        error_set(err, ERROR_REFUSED, "party %s cannot give %s: it holds %s", giver->party,
                  rights_text(arena, lacks), rights_text(arena, giver->rights));
    } else {
        return true;
    }
    snprintf(err->field, sizeof(err->field), "rights");
    return false;
}

static bool check_capacity(const struct holding *giver, const struct lease *lease, struct error *err)
{
    const struct quota *wanted = &lease->capacity, *held = &giver->capacity;
    const struct measure measures[] = {
        {"cpus", wanted->resources.cpus_millis, held->resources.cpus_millis, text_format_cpus},
        {"memory", wanted->resources.memory_bytes, held->resources.memory_bytes, text_format_bytes},
        {"disk", wanted->resources.disk_bytes, held->resources.disk_bytes, text_format_bytes},
        {"network", wanted->resources.network_bits_per_s, held->resources.network_bits_per_s,
         text_format_rate},
        {"instances", wanted->instances, held->instances, format_number},
        {"farms", wanted->farms, held->farms, format_number},
    };

    for (size_t i = 0; i < LENGTH(measures); i++) {
        const struct measure *measure = &measures[i];
        char wanted_text[32], held_text[32];
        if (measure->held < 0 || measure->wanted <= measure->held) continue;
        error_set(err, ERROR_REFUSED, "party %s cannot give %s %s: it holds %s", giver->party,
                  measure->format(wanted_text, measure->wanted), measure->field,
                  measure->format(held_text, measure->held));
        snprintf(err->field, sizeof(err->field), "capacity.%s", measure->field);
        return false;
    }
    return true;
}

static bool check_end(const struct holding *giver, const struct lease *lease, int64_t now_ms,
                      struct error *err)
{
    char wanted[32], held[32];

    if (lease->until_ms == 0) return true;
    if (lease->until_ms <= now_ms)
        error_set(err, ERROR_REFUSED, "%s is past: it is %s", text_format_time(wanted, lease->until_ms),
                  text_format_time(held, now_ms));
    else if (giver->until_ms != 0 && lease->until_ms > giver->until_ms)
        error_set(err, ERROR_REFUSED, "party %s cannot give it until %s: what it holds ends %s", giver->party,
                  text_format_time(wanted, lease->until_ms), text_format_time(held, giver->until_ms));
    else
        return true;
    snprintf(err->field, sizeof(err->field), "until");
    return false;
}

static char *format_number(char *out, int64_t value)
{
    snprintf(out, 32, "%lld", (long long)value);
    return out;
}
