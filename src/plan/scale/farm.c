#include "base/text.h"
#include "plan/scale/claims.h"
#include "plan/scale/personality.h"
#include "plan/scale/scale.h"

#include <string.h>

enum { IN_USE_RESTARTS = 3 };

static const char *taken_by(struct work *work, const struct work_farm *farm, const struct work_farm *owner,
                            const char *address);
static void give_network(struct work *work, size_t farm);
static void claim_asked(struct work *work, size_t farm);
static bool settle_endpoints(struct work *work, size_t farm);
static bool is_among(const struct pair *endpoints, size_t length, const char *address);
static const char *choose(struct work *work, size_t farm, const struct balance *balance);
static bool is_in_use(const struct work *work, const struct work_farm *farm, const char *address);
static void changed(struct work *work, struct work_farm *farm, const char *reason);

void scale_farms(struct work *work)
{
    for (size_t n = 0; n < work->active.length; n++) {
        size_t f = work->active.items[n];
        if (work->farms[f].intent && work->farms[f].fact.vni == 0) give_network(work, f);
        if (work->farms[f].intent && work->farms[f].fact.vni) claim_asked(work, f);
    }
    for (size_t n = 0; n < work->active.length; n++) {
        size_t f = work->active.items[n];
        struct work_farm *farm = &work->farms[f];
        if (farm->intent && farm->fact.vni) {
            if (settle_endpoints(work, f))
                changed(work, farm,
                        farm->fact_changed ? farm->fact_reason : "its published addresses changed");
        } else if (!farm->intent && farm->fact.vni && farm->living == 0) {
            /* The network's number is free for the next plan only: two networks of one number must not be. */
            claims_return(work, f,
                          &(struct farm_fact){.endpoints = farm->fact.endpoints,
                                              .endpoints_length = farm->fact.endpoints_length});
            farm->fact = (struct farm_fact){.name = farm->name};
            changed(work, farm, "the farm is deleted and all of it is wiped");
        }
    }
    for (size_t n = 0; n < work->tier_list.length; n++)
        scale_form(work, &work->tiers[work->tier_list.items[n]]);
}

void scale_form(struct work *work, struct work_tier *tier)
{
    const struct work_farm *farm = &work->farms[tier->farm];
    tier->personality = tier->digest == NULL
                            ? NULL
                            : plan_personality_hash(work->arena, farm->intent, tier->intent, tier->is_balance,
                                                    tier->digest, &farm->fact);
}

/* Lowest free number first; the farms come in the order of their names. */
static void give_network(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    int64_t vni = claims_free_vni(work);
    if (vni == 0) return;
    f->fact.name = f->name;
    f->fact.vni = vni;
    claims_take(work, farm, &(struct farm_fact){.vni = vni});
    changed(work, f, arena_printf(work->arena, "the farm is new: network %lld", (long long)vni));
}

/* What is asked for by number is not given to anybody who only wants some port. */
static void claim_asked(struct work *work, size_t farm)
{
    const struct farm *intent = work->farms[farm].intent;
    if (farm_is_repossessed(&work->farms[farm].fact)) return;
    for (size_t b = 0; b < intent->balance_length; b++) {
        const char *address = intent->balance[b].publish;
        if (address == NULL || address[0] == '\0' || text_equal(address, "auto")) continue;
        if (claims_owner(work, address) == NONE) claims_take_address(work, farm, address);
    }
}

static bool settle_endpoints(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    size_t length = 0;
    struct pair *endpoints =
        arena_alloc_array(work->arena, f->intent->balance_length + 1, sizeof(*endpoints));
    f->conflict = NULL;
    size_t published = farm_is_repossessed(&f->fact) ? 0 : f->intent->balance_length;
    for (size_t b = 0; b < published; b++) {
        const struct balance *balance = &f->intent->balance[b];
        if (balance->publish == NULL || balance->publish[0] == '\0') continue;
        const char *address = choose(work, farm, balance);
        if (address == NULL) {
            size_t owner = claims_owner(work, balance->publish);
            f->conflict = owner == NONE ? "no port is free to publish at"
                                        : taken_by(work, f, &work->farms[owner], balance->publish);
            continue;
        }
        claims_take_address(work, farm, address);
        endpoints[length++] = (struct pair){balance->name, address};
    }
    bool same = length == f->fact.endpoints_length;
    for (size_t e = 0; same && e < length; e++)
        same = text_equal(endpoints[e].name, f->fact.endpoints[e].name) &&
               text_equal(endpoints[e].value, f->fact.endpoints[e].value);
    if (same) return false;
    for (size_t e = 0; e < f->fact.endpoints_length; e++)
        if (!is_among(endpoints, length, f->fact.endpoints[e].value))
            claims_return_address(work, farm, f->fact.endpoints[e].value);
    f->fact.endpoints = endpoints;
    f->fact.endpoints_length = length;
    return true;
}

static bool is_among(const struct pair *endpoints, size_t length, const char *address)
{
    for (size_t e = 0; e < length; e++)
        if (text_equal(endpoints[e].value, address)) return true;
    return false;
}

/* The address as asked, or the one it has, or the next free port; NULL: it is another farm's. */
static const char *choose(struct work *work, size_t farm, const struct balance *balance)
{
    const struct work_farm *f = &work->farms[farm];
    if (!text_equal(balance->publish, "auto")) {
        size_t owner = claims_owner(work, balance->publish);
        return owner == NONE || owner == farm ? balance->publish : NULL;
    }
    const char *now = personality_endpoint(&f->fact, balance->name);
    int first = PUBLISH_PORT_FIRST;
    if (text_starts(now, AUTO_ADDRESS) && claims_owner(work, now) == farm) {
        if (!is_in_use(work, f, now)) return now;
        uint64_t port = 0;
        if (text_parse_u64(now + strlen(AUTO_ADDRESS), &port) && port >= PUBLISH_PORT_FIRST &&
            port < PUBLISH_PORT_LAST)
            first = (int)port + 1; /* upwards only, so that none is tried twice in a row */
    }
    int port = claims_free_port(work, first);
    return port == 0 ? NULL : arena_printf(work->arena, AUTO_ADDRESS "%d", port);
}

/* Something that is no farm of this grid has it, and does not only pass. */
static bool is_in_use(const struct work *work, const struct work_farm *farm, const char *address)
{
    for (size_t t = farm->tier_first; t < farm->tier_first + farm->tiers_length; t++) {
        const struct index *members = &work->tiers[t].members;
        for (size_t m = 0; work->tiers[t].is_balance && m < members->length; m++) {
            const struct instance *record = work->instances[members->items[m]].record;
            if (record->restarts >= IN_USE_RESTARTS && text_equal(record->publish_taken, address))
                return true;
        }
    }
    return false;
}

static void changed(struct work *work, struct work_farm *farm, const char *reason)
{
    farm->fact_changed = farm->acted = true;
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
