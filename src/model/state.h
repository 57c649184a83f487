/* State: what the controller decided and what hosts reported, one document each in the store.
 * Single writer: the controller. Ownership as in intent.h. */
#ifndef CROFT_MODEL_STATE_H
#define CROFT_MODEL_STATE_H

#include "model/hardware.h"
#include "model/intent.h"
#include "model/keys.h"

/* Kinds of what the store holds, intent and facts; the first nine are documents of people. */
enum record_kind {
    RECORD_HOST,
    RECORD_PARTY,
    RECORD_FARM,
    RECORD_IMAGE,
    RECORD_POOL,
    RECORD_SLA,
    RECORD_SCALING_RULES,
    RECORD_FILTER,
    RECORD_LEASE,
    RECORD_CONTACT,
    RECORD_KEY,
    RECORD_INSTANCE,
    RECORD_HOST_FACT,
    RECORD_FARM_FACT,
    RECORD_KINDS,
};

/* What the planner wants of an instance; the agent on its host makes it so. */
enum instance_wanted {
    WANTED_RUN,   /* serving */
    WANTED_WARM,  /* made, health checked, frozen at the door */
    WANTED_DRAIN, /* gets no new work; its balancers say when it has none left */
    WANTED_GONE,  /* stopped and wiped; the host's document does not name it any more */
};

enum instance_state {
    INSTANCE_PENDING,
    INSTANCE_BOOTING,
    INSTANCE_RUNNING,
    INSTANCE_DRAINING,
    INSTANCE_WIPING,
    INSTANCE_STOPPED,
    INSTANCE_FAILED,
};

enum instance_health { HEALTH_UNKNOWN, HEALTH_GOOD, HEALTH_BAD };

struct instance {
    const char *name; /* "acme/shop/web-1" */
    const char *party;
    const char *farm; /* "acme/shop" */
    const char *tier; /* "web"; "balance" for the farm's balancer */
    int64_t number;
    enum compute_kind driver;
    enum instance_wanted wanted;
    const char *host;      /* "" while it has no place */
    const char *move_to;   /* host asked for by `croft move`, or "" */
    const char *last_host; /* host on which it yields or yielded its place to another; "": it has a place */
    const char *room_on;   /* host where room is made for it, while it waits for that; or "" */
    int64_t incarnation;   /* counts up with every placement, so that two reports can be told apart */
    uint32_t address;
    uint64_t mac;
    const char *image;       /* NAME:TAG as asked for */
    const char *digest;      /* what the tag meant when it was decided */
    const char *personality; /* hash of all that a change of makes a new instance necessary */
    struct resources size;
    int64_t priority;
    enum instance_state state;
    enum instance_health health;
    int64_t since_ms; /* of state, wall clock */
    int64_t restarts; /* by its host, since it was placed */
    int64_t wanders;  /* hosts in a row that did not bring it up; ten good seconds end the row */
    /* The present trouble: ends when it has been well for ten seconds. */
    int64_t failures;           /* that its hosts told of; 0: there is none */
    int64_t failed_ms;          /* the last one, wall clock */
    int64_t mend_step;          /* of its tier's on_failure, from 1 on, that was begun last; 0: none */
    int64_t mend_tries;         /* of that step */
    int64_t mend_since_ms;      /* the last of these tries, wall clock */
    int64_t mend_failures;      /* failures when that began */
    bool drained;               /* its balancers said so */
    const char *frontends_hash; /* of a balancer: of what its host said last that is in service; or "" */
    const char *publish_taken;  /* of a balancer: the address that something else on its host has; or "" */
    const char *reason;         /* why it is in this state and place, one sentence */
};

/* It has served for so long that what failed before does not count any more. */
static inline bool instance_steady(const struct instance *instance, int64_t now_ms)
{
    return instance->state == INSTANCE_RUNNING && instance->health == HEALTH_GOOD &&
           now_ms - instance->since_ms >= 10 * 1000;
}

/* Until it is forgotten what had a place once takes of its party's quota: it may be wiped, or come back. */
static inline bool instance_counts(const struct instance *instance)
{
    return instance->incarnation > 0 || instance->host[0] != '\0';
}

enum host_state { HOST_UP, HOST_SUSPECT, HOST_DOWN, HOST_STATE_DRAINING, HOST_STATE_OFF };

struct host_fact {
    const char *name;
    enum host_state state;
    bool fenced; /* known to run nothing: powered off, or it said so itself after a boot */
    /* From before a fence on until it has confirmed a document again: its instances may run elsewhere,
     * whatever the document says that is on its disk. */
    bool given_up;
    int64_t since_ms;
    const char *boot;         /* identity of this run of the host: changes when it restarts */
    const char *addresses[2]; /* management "IP:PORT" of the agent, two paths; "" when unknown */
    uint32_t underlay;        /* address that carries the farms' networks */
    const char *outside;      /* device by which instances there reach the internet; "": they do not */
    const char *agent_version;
    int64_t pid, agent_pid;      /* under `croft up`, in the machine's own numbering; else 0 */
    int64_t document_version;    /* last confirmed */
    const char *document_error;  /* why the newest was refused or rolled back; "" when it was not */
    const struct host_key *keys; /* of the parties that have something there, and the landlord's */
    size_t keys_length;
    const struct finding *findings; /* what is wrong with its hardware */
    size_t findings_length;
    int64_t findings_ms;       /* when the last of them ended, or that list changed otherwise; wall clock */
    const char *hardware_note; /* what its agent does not look at, and why; "" */
    const char *emptied; /* why its pool's policy drains it, until somebody activates it; "": it does not */
    const char *spared;  /* why that does not drain it although it would; "" */
    const char *reason;
};

/* Texts of a fact that may be NULL until the host has told of its hardware. */
static inline bool host_is_emptied(const struct host_fact *fact)
{
    return fact != NULL && fact->emptied != NULL && fact->emptied[0] != '\0';
}

/* Whether it is to have instances. fact: NULL, none yet. */
static inline bool host_is_active(const struct host *host, const struct host_fact *fact)
{
    return host->state == HOST_ACTIVE && !host_is_emptied(fact);
}

struct tier_counter {
    const char *tier;
    int64_t next; /* the next instance's number */
};

/* How many a tier has for its load, beyond what is committed; decided by plan/share. */
struct tier_scale {
    const char *tier;
    int64_t wanted;           /* committed <= wanted <= max, as they were when it was decided */
    int64_t since_ms;         /* wall clock */
    const char *const *leave; /* short names of those that go first when there are fewer */
    size_t leave_length;
    const char *reason; /* why, one sentence */
};

/* What the control plane gave a farm. */
struct farm_fact {
    const char *name;
    int64_t vni; /* 1 to 16,777,215, unique among living farms */
    const struct tier_counter *counters;
    size_t counters_length;
    const struct tier_scale *scales; /* tiers without one have what is committed */
    size_t scales_length;
    const struct pair *endpoints; /* balance name -> "ADDR:PORT" chosen or asked for */
    size_t endpoints_length;
    const char *repossessed; /* why its party may run nothing any more; "" (or NULL): it may */
};

static inline bool farm_is_repossessed(const struct farm_fact *fact)
{
    return fact != NULL && fact->repossessed != NULL && fact->repossessed[0] != '\0';
}

/* Whether anything of it is to run. fact: NULL, none yet. */
static inline bool farm_runs(const struct farm *farm, const struct farm_fact *fact)
{
    return farm->state == FARM_RUNNING && !farm_is_repossessed(fact);
}

/* Everything that a decision may depend on. Each array is sorted by name (text_compare_natural), so that no
 * result depends on the order in which documents came. A fact may lack its intent (deleted) and the other
 * way. */
struct snapshot {
    const struct party *parties;
    size_t parties_length;
    const struct host *hosts;
    size_t hosts_length;
    const struct host_fact *host_facts;
    size_t host_facts_length;
    const struct image *images;
    size_t images_length;
    const struct pool *pools;
    size_t pools_length;
    const struct sla *slas;
    size_t slas_length;
    const struct scaling_rules *rules;
    size_t rules_length;
    const struct filter *filters;
    size_t filters_length;
    const struct lease *leases;
    size_t leases_length;
    const struct contact *contacts;
    size_t contacts_length;
    const struct party_key *keys;
    size_t keys_length;
    const struct farm *farms;
    size_t farms_length;
    const struct farm_fact *farm_facts;
    size_t farm_facts_length;
    const struct instance *instances;
    size_t instances_length;
};

#endif
