#include "base/text.h"
#include "plan/scale/personality.h"
#include "plan/scale/scale.h"

#include <string.h>

#define AUTO_ADDRESS "127.0.0.1:"

enum { IN_USE_RESTARTS = 3 };

static const char *taken_by(struct work *work, const struct work_farm *farm, const struct work_farm *owner,
                            const char *address);
static struct map *claims_of(const struct work *work);
static void give_networks(struct work *work);
static bool settle_endpoints(struct work *work, size_t farm, struct map *claims);
static const char *choose(struct work *work, const struct work_farm *farm, const struct balance *balance,
                          struct map *claims);
static bool is_in_use(const struct work *work, const struct work_farm *farm, const char *address);
static void changed(struct work *work, struct work_farm *farm, const char *reason);

void scale_farms(struct work *work)
{
    give_networks(work);
    CLEANUP(map_freep) struct map *claims = claims_of(work);
    for (size_t f = 0; f < work->farms_length; f++) {
        struct work_farm *farm = &work->farms[f];
        if (farm->intent && farm->fact.vni) {
            if (settle_endpoints(work, f, claims))
                changed(work, farm,
                        farm->fact_changed ? farm->fact_reason : "its published addresses changed");
        } else if (!farm->intent && farm->fact.vni && farm->living == 0) {
            farm->fact = (struct farm_fact){.name = farm->name};
            changed(work, farm, "the farm is deleted and all of it is wiped");
        }
    }
    for (size_t t = 0; t < work->tiers_length; t++) {
        struct work_tier *tier = &work->tiers[t];
        const struct work_farm *farm = &work->farms[tier->farm];
        tier->personality = tier->digest == NULL
                                ? NULL
                                : plan_personality_hash(work->arena, farm->intent, tier->intent,
                                                        tier->is_balance, tier->digest, &farm->fact);
    }
}

/* Lowest free number first; the farms come in the order of their names. */
static void give_networks(struct work *work)
{
    size_t length = work->farms_length + 2;
    bool *taken = arena_alloc_array(work->arena, length, sizeof(*taken));
    for (size_t f = 0; f < work->farms_length; f++)
        if (work->farms[f].fact.vni > 0 && (uint64_t)work->farms[f].fact.vni < length)
            taken[work->farms[f].fact.vni] = true;
    int64_t vni = 1;
    for (size_t f = 0; f < work->farms_length; f++) {
        struct work_farm *farm = &work->farms[f];
        if (farm->intent == NULL || farm->fact.vni != 0) continue;
        while (taken[vni])
            vni++;
        if (vni > VNI_MAX) return;
        taken[vni] = true;
        farm->fact.name = farm->name;
        farm->fact.vni = vni;
        changed(work, farm, arena_printf(work->arena, "the farm is new: network %lld", (long long)vni));
    }
}

/* Address -> the farm that has it. */
static struct map *claims_of(const struct work *work)
{
    struct map *claims = map_new();
    for (size_t f = 0; f < work->farms_length; f++) {
        const struct farm_fact *fact = &work->farms[f].fact;
        for (size_t e = 0; e < fact->endpoints_length; e++)
            if (map_get(claims, fact->endpoints[e].value) == NULL)
                map_put(claims, fact->endpoints[e].value, &work->farms[f]);
    }
    return claims;
}

static bool settle_endpoints(struct work *work, size_t farm, struct map *claims)
{
    struct work_farm *f = &work->farms[farm];
    size_t length = 0;
    struct pair *endpoints =
        arena_alloc_array(work->arena, f->intent->balance_length + 1, sizeof(*endpoints));
    f->conflict = NULL;
    for (size_t b = 0; b < f->intent->balance_length; b++) {
        const struct balance *balance = &f->intent->balance[b];
        if (balance->publish == NULL || balance->publish[0] == '\0') continue;
        const char *address = choose(work, f, balance, claims);
        if (address == NULL) {
            const struct work_farm *owner = map_get(claims, balance->publish);
            f->conflict =
                owner == NULL ? "no port is free to publish at" : taken_by(work, f, owner, balance->publish);
            continue;
        }
        map_put(claims, address, f);
        endpoints[length++] = (struct pair){balance->name, address};
    }
    bool same = length == f->fact.endpoints_length;
    for (size_t e = 0; same && e < length; e++)
        same = text_equal(endpoints[e].name, f->fact.endpoints[e].name) &&
               text_equal(endpoints[e].value, f->fact.endpoints[e].value);
    f->fact.endpoints = endpoints;
    f->fact.endpoints_length = length;
    return !same;
}

/* The address as asked, or the one it has, or the next free port; NULL: it is another farm's. */
static const char *choose(struct work *work, const struct work_farm *farm, const struct balance *balance,
                          struct map *claims)
{
    if (!text_equal(balance->publish, "auto")) {
        const struct work_farm *owner = map_get(claims, balance->publish);
        return owner == NULL || owner == farm ? balance->publish : NULL;
    }
    const char *now = personality_endpoint(&farm->fact, balance->name);
    int first = PUBLISH_PORT_FIRST;
    if (text_starts(now, AUTO_ADDRESS) && map_get(claims, now) == farm) {
        if (!is_in_use(work, farm, now)) return now;
        uint64_t port = 0;
        if (text_parse_u64(now + strlen(AUTO_ADDRESS), &port) && port < PUBLISH_PORT_LAST)
            first = (int)port + 1; /* upwards only, so that none is tried twice in a row */
    }
    for (int n = 0; n <= PUBLISH_PORT_LAST - PUBLISH_PORT_FIRST; n++) {
        int port = first + n <= PUBLISH_PORT_LAST ? first + n
                                                  : first + n - PUBLISH_PORT_LAST - 1 + PUBLISH_PORT_FIRST;
        const char *address = arena_printf(work->arena, AUTO_ADDRESS "%d", port);
        if (map_get(claims, address) == NULL) return address;
    }
    return NULL;
}

/* Something that is no farm of this grid has it, and does not only pass. */
static bool is_in_use(const struct work *work, const struct work_farm *farm, const char *address)
{
    for (size_t t = farm->tier_first; t < farm->tier_first + farm->tiers_length; t++) {
        const struct index *members = &work->tiers[t].members;
        for (size_t m = 0; work->tiers[t].is_balance && m < members->length; m++) {
            const struct instance *record = &work->instances[members->items[m]].record;
            if (record->restarts >= IN_USE_RESTARTS && text_equal(record->publish_taken, address))
                return true;
        }
    }
    return false;
}

static void changed(struct work *work, struct work_farm *farm, const char *reason)
{
    farm->fact_changed = true;
    farm->fact_reason = reason;
    work->changes++;
}

/* A party is not told of farms that are another's. */
static const char *taken_by(struct work *work, const struct work_farm *farm, const struct work_farm *owner,
                            const char *address)
{
    size_t party = strcspn(farm->name, "/") + 1;
    if (strncmp(farm->name, owner->name, party) == 0)
        return arena_printf(work->arena, "waits: %s is published by farm %s already", address, owner->name);
    return arena_printf(work->arena, "waits: %s is published by another party already", address);
}
