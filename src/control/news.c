/* Which hosts' documents may say something else than before. A document follows from the host's farms, whole,
 * and from what all hosts have in common: addresses of the others, and images. */
#include "base/planted.h"
#include "base/text.h"
#include "base/vec.h"
#include "control/internal.h"
#include "plan/filter/govern.h"

#include <string.h>

static void note_governed(struct controller *controller, const struct filter *filter);
static void note_farm(struct controller *controller, const char *farm);
static void note_host(struct controller *controller, const char *host);
static bool is_sent_away(const struct instance *was, const struct instance *is);
static bool is_lost(const struct host_fact *fact);
static bool news_is_of_keys(const struct host_fact *was, const struct host_fact *is);
static bool is_active(const struct lease *lease);

void news_of(struct controller *controller, enum record_kind kind, const char *name, const void *is)
{
    const void *was = planner_get(controller->planner, kind, name);

    switch (kind) {
    case RECORD_INSTANCE:
        if (is_sent_away(was, is)) news_again(controller, ((const struct instance *)is)->host);
        if (!news_is_of_instance(was, is)) return;
        /* Where it was is not told by its farm any more. */
        if (was) note_host(controller, ((const struct instance *)was)->host);
        note_farm(controller, ((const struct instance *)(is ? is : was))->farm);
        return;
    case RECORD_FARM:
    case RECORD_FARM_FACT:
        note_farm(controller, name);
        return;
    case RECORD_HOST_FACT:
        controller->news_everywhere |= news_is_of_host(was, is);
        if (was && is && news_is_of_keys(was, is)) note_host(controller, name);
        return;
    case RECORD_IMAGE:
        controller->news_everywhere = true;
        return;
    case RECORD_FILTER:
        if (was) note_governed(controller, was);
        if (is) note_governed(controller, is);
        return;
    case RECORD_PARTY: /* whose filters govern, and in which order; one that goes leaves nothing */
        controller->news_everywhere |= was && (is == NULL || !text_equal(((const struct party *)was)->parent,
                                                                         ((const struct party *)is)->parent));
        return;
    case RECORD_LEASE: /* of whom something may be there */
        controller->news_everywhere |= is_active(was) != is_active(is);
        return;
    case RECORD_KEY:
        controller->news_everywhere = true;
        return;
    case RECORD_HOST:
    case RECORD_POOL:
    case RECORD_SLA:
    case RECORD_SCALING_RULES:
    case RECORD_CONTACT:
        return; /* no document says anything of them */
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

const char *const *news_hosts(struct controller *controller, struct arena *arena)
{
    struct snapshot grid = mirror_surroundings(controller->mirror);
    size_t cursor = 0, length = 0;
    const char *name = NULL;

    /* Once any farm has a balancer, all hosts have its image: any may have to take a lost one's over. */
    controller->news_everywhere |=
        planner_balances(controller->planner) != controller->news_balanced && !PLANTED(hosts_untold);
    while (!controller->news_everywhere && map_next(controller->news_farms, &cursor, &name, NULL)) {
        const char **hosts = NULL;
        size_t hosts_length = planner_hosts_of(controller->planner, arena, name, &hosts);
        for (size_t n = 0; n < hosts_length; n++)
            note_host(controller, hosts[n]);
    }
    const char **all = arena_alloc_array(arena, grid.host_facts_length + 1, sizeof(*all));
    /* In the order of their names, and only those that were ever heard of. */
    for (size_t n = 0; n < grid.host_facts_length; n++)
        if (controller->news_everywhere || map_get(controller->news_hosts, grid.host_facts[n].name))
            all[length++] = grid.host_facts[n].name;
    return all;
}

void news_seen(struct controller *controller)
{
    map_free(controller->news_farms);
    map_free(controller->news_hosts);
    map_free(controller->news_owed);
    controller->news_farms = map_new();
    controller->news_hosts = map_new();
    controller->news_owed = map_new();
    controller->news_everywhere = false;
    controller->news_balanced = planner_balances(controller->planner);
}

void news_again(struct controller *controller, const char *host)
{
    note_host(controller, host);
    map_put(controller->news_owed, host, controller);
}

bool news_owed(const struct controller *controller, const char *host)
{
    return map_get(controller->news_owed, host) != NULL;
}

/* From now on it has to go from where it is. Its host may never have been told that it was to be there: it
 * was decided otherwise in between, or a document could not be written. */
static bool is_sent_away(const struct instance *was, const struct instance *is)
{
    if (is == NULL || is->wanted != WANTED_GONE || is->host[0] == '\0') return false;
    return was == NULL || was->wanted != WANTED_GONE || !text_equal(was->host, is->host);
}

/* Of an instance the documents tell what it is made from and where it is, and whether it serves; not why, nor
 * since when. Most of what changes is a reason, and no host has to be told. */
bool news_is_of_instance(const struct instance *was, const struct instance *is)
{
    if (was && was->wanted == WANTED_GONE) was = NULL; /* in no document any more */
    if (is && is->wanted == WANTED_GONE) is = NULL;
    if (was == NULL || is == NULL) return was != is;
    bool runs = is->state == INSTANCE_RUNNING; /* what it is before and after that is its host's affair */
    return was->wanted != is->wanted || (was->state == INSTANCE_RUNNING) != runs ||
           (runs && was->health != is->health) || was->incarnation != is->incarnation ||
           was->address != is->address || was->mac != is->mac || was->driver != is->driver ||
           was->size.cpus_millis != is->size.cpus_millis || was->size.memory_bytes != is->size.memory_bytes ||
           was->size.disk_bytes != is->size.disk_bytes ||
           was->size.network_bits_per_s != is->size.network_bits_per_s || !text_equal(was->host, is->host) ||
           !text_equal(was->farm, is->farm) || !text_equal(was->tier, is->tier) ||
           !text_equal(was->party, is->party) || !text_equal(was->digest, is->digest);
}

/* All farms that a filter may govern. */
static void note_governed(struct controller *controller, const struct filter *filter)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *key = govern_key(arena, filter->on);

    if (strchr(key, '/'))
        note_farm(controller, key);
    else
        controller->news_everywhere = true;
}

static void note_farm(struct controller *controller, const char *farm)
{
    map_put(controller->news_farms, farm, controller);
}

static void note_host(struct controller *controller, const char *host)
{
    if (host[0] != '\0') map_put(controller->news_hosts, host, controller);
}

/* What the documents of hosts say of one, and the members of farms and the servers of balancers. That it is
 * suspected is in none: most suspicions are over before anybody has to act. */
bool news_is_of_host(const struct host_fact *was, const struct host_fact *is)
{
    if (was == NULL || is == NULL) return was != is;
    return was->underlay != is->underlay || (was->fenced || was->given_up) != (is->fenced || is->given_up) ||
           is_lost(was) != is_lost(is) || !text_equal(was->addresses[0], is->addresses[0]) ||
           !text_equal(was->addresses[1], is->addresses[1]);
}

/* Whose keys are there: documents name those that have no lease any more. */
static bool news_is_of_keys(const struct host_fact *was, const struct host_fact *is)
{
    if (was->keys_length != is->keys_length) return true;
    for (size_t i = 0; i < was->keys_length; i++)
        if (!text_equal(was->keys[i].party, is->keys[i].party)) return true;
    return false;
}

static bool is_active(const struct lease *lease)
{
    return lease && lease->state == LEASE_ACTIVE;
}

/* As plan/document has it: its instances are nobody's members any more. */
static bool is_lost(const struct host_fact *fact)
{
    return fact->fenced && (fact->state == HOST_DOWN || fact->state == HOST_STATE_OFF);
}
