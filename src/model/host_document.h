/* The host document: the one versioned document that says what a host should be, and the report by which
 * the host says what it is. Ownership as in intent.h. */
#ifndef CROFT_MODEL_HOST_DOCUMENT_H
#define CROFT_MODEL_HOST_DOCUMENT_H

#include "model/intent.h"
#include "model/state.h"

/* An instance of a farm, as every host that joins the farm's network knows it. */
struct member {
    const char *instance; /* short: "web-1" */
    const char *tier;
    uint32_t address;
    uint64_t mac;
    uint32_t underlay; /* of the host where it is */
    bool aside;        /* warm, drained, or not serving while others do: only its own name leads to it */
};

/* What may open a connection to what inside a farm; compiled from `allow`, `balance` and `health`. */
struct farm_rule {
    const char *from; /* a tier or "internet" */
    const char *to;   /* a tier or "internet" */
    enum protocol protocol;
    uint16_t port_first, port_last;
};

struct host_farm {
    const char *name; /* "acme/shop" */
    int64_t vni;
    struct prefix subnet;
    uint32_t gateway;             /* first address of the subnet: the host itself, the same on every host */
    int64_t mtu;                  /* of the instances' interfaces */
    const struct member *members; /* all of the farm, here and elsewhere */
    size_t members_length;
    const struct farm_rule *rules;
    size_t rules_length;
    /* Of all parties that govern here, outermost first; `on` is the farm, a tier or an instance by its full
     * name. A packet passes only if each that governs the port where it is judged lets it pass. */
    const struct filter *filters;
    size_t filters_length;
};

struct balance_server {
    const char *instance; /* short: "web-1" */
    uint32_t address;
    uint16_t port;
    bool drain; /* no new connections */
};

/* One frontend with its servers; part of a balancer's personality. */
struct balance_frontend {
    const char *name;
    enum balance_mode mode;
    uint16_t port;           /* on the balancer's own address */
    const char *publish;     /* "ADDR:PORT" where the outside reaches it, or "" */
    const char *health_path; /* HTTP health check of the servers, or "": TCP */
    int64_t health_every_ms;
    int64_t health_fails;
    const struct balance_server *servers;
    size_t servers_length;
};

/* Everything an instance needs to become a member of its tier. */
struct personality {
    const char *instance; /* full name */
    const char *party;
    const char *farm;
    const char *tier;
    int64_t incarnation;
    enum instance_wanted wanted; /* never WANTED_GONE: such an instance is not in the document */
    enum compute_kind driver;
    const char *digest; /* of the image: names an entry of images[] */
    const char *const *command;
    size_t command_length;
    const struct pair *env;
    size_t env_length;
    const struct file *files;
    size_t files_length;
    const struct pair *metadata;
    size_t metadata_length;
    struct resources size;
    struct health health;
    uint32_t address;
    uint64_t mac;
    const struct balance_frontend *frontends; /* of a balancer; else length 0 */
    size_t frontends_length;
    const char *frontends_hash; /* of them: the host says it back when all of that is in service; else "" */
};

/* Another host of the grid, as this one knows it. */
struct host_peer {
    const char *name;
    const char *addresses[2]; /* management "IP:PORT" of its agent; "" when unknown */
    bool given_up;            /* fenced: its instances may run elsewhere */
};

/* A party that has something here, or that is above one that has, or that had and has no lease any more. */
struct host_party {
    const char *name;
    const char *parent;   /* up to "landlord", who is not in the list */
    enum custody custody; /* of its secret */
    bool severed; /* its lease ended: what it left here is to be destroyed as soon as nothing of it runs */
};

/* Of a piece of input for a command that runs inside: it may have to wait in the memory of the host and of
 * the controller. */
#define EXEC_INPUT_SIZE_MAX (256 * 1024)

struct host_document {
    const char *host;
    int64_t version;            /* only grows */
    const struct image *images; /* used by the instances here */
    size_t images_length;
    const struct host_farm *farms;
    size_t farms_length;
    const struct personality *instances;
    size_t instances_length;
    const uint32_t *underlay_peers; /* of all hosts: who may send VXLAN here */
    size_t underlay_peers_length;
    const struct host_peer *peers; /* all other hosts: who is asked when no controller answers after a boot */
    size_t peers_length;
    const struct host_party *parties;
    size_t parties_length;
};

struct instance_report {
    const char *name;
    int64_t incarnation;
    enum instance_state state;
    enum instance_health health;
    bool warm; /* frozen at the door */
    int64_t since_ms;
    int64_t restarts;
    const char *publish_taken;  /* of a balancer: the address that something else here has, or "" */
    const char *frontends_hash; /* of what the balancer has in service; "": not known (yet), or none */
    const char *reason;
    int64_t cpu_millis_used; /* average of the last second */
    int64_t memory_bytes_used;
};

/* Packets that were not let pass since the farm's network was made on this host. */
struct denied_report {
    const char *farm;
    const char *instance; /* short name of the port, or "" for the farm's */
    const char *reason;   /* of denials.h */
    const char *by;       /* full name of the filter that denied, or "" */
    int64_t packets;
};

/* Whole state, each time: a report that is lost or repeated does no harm. */
struct host_report {
    const char *host;
    const char *boot;
    const char *agent_version;
    int64_t pid, agent_pid;
    int64_t sent_us;            /* by the host's steady clock: of one boot, an older report is no news */
    int64_t document_version;   /* applied and confirmed */
    int64_t refused_version;    /* the newest that was refused or rolled back, or 0 */
    const char *refused_reason; /* "" when nothing is refused; its version may be unknown */
    const struct instance_report *instances; /* all that is here, being wiped included */
    size_t instances_length;
    const char *const *drained; /* full names: members that the balancers here have no connections to */
    size_t drained_length;
    const struct denied_report *denied;
    size_t denied_length;
    const struct host_key *keys;
    size_t keys_length;
    /* The hardware has been looked at since the agent began: before that nothing is said of it. */
    bool hardware_seen;
    const struct finding *findings;
    size_t findings_length;
    const char *hardware_note; /* what is not looked at, and why; "" */
};

#endif
