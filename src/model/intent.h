/* Intent: what people want, as documents of model.md. Plain data; every pointer belongs to the arena that the
 * document was read into. Texts are never NULL unless said; lists are items and length. */
#ifndef CROFT_MODEL_INTENT_H
#define CROFT_MODEL_INTENT_H

#include "base/address.h"
#include "base/money.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum document_kind {
    KIND_HOST,
    KIND_PARTY,
    KIND_FARM,
    KIND_IMAGE,
    KIND_POOL,
    KIND_SLA,
    KIND_SCALING_RULES,
    KIND_FILTER,
    KIND_LEASE,
    KIND_CONTACT,
    KIND_KEY,
    KIND_COUNT
};

/* A vector of what instances ask and hosts offer. */
struct resources {
    int64_t cpus_millis;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t network_bits_per_s;
};

struct prefix {
    uint32_t address; /* IPv4, host byte order, bits beyond the prefix are zero */
    unsigned bits;
};

enum host_intent_state { HOST_ACTIVE, HOST_DRAINING, HOST_OFF };

struct host {
    const char *name;
    const char *zone; /* path "east/b1/r1"; the first element is the site */
    const char *pool;
    const char *class_name;
    struct resources capacity;
    struct resources reserve;
    enum host_intent_state state;
};

struct quota { /* -1: no limit */
    struct resources resources;
    int64_t instances;
    int64_t farms;
};

/* The root of the tree of parties; it has no document. */
#define PARTY_LANDLORD "landlord"
/* Names with a meaning of their own inside a farm; no tier may have them. */
#define TIER_BALANCE "balance"
#define TIER_INTERNET "internet"
/* What balancers are made from, and how important they are. */
#define BALANCER_IMAGE "croft-balancer:1"
#define BALANCER_PRIORITY 60
/* What the balancer of a farm takes of its party's quota and of its host. */
enum { BALANCER_CPUS_MILLIS = 500, BALANCER_MEMORY_BYTES = 96 << 20, BALANCER_DISK_BYTES = 8 << 20 };

struct party {
    const char *name;
    const char *parent; /* "landlord" is built in */
    struct quota quota;
};

/* Where the secret of a party is kept with which hosts encrypt what they store for it. */
enum custody { CUSTODY_HOST, CUSTODY_TENANT };

enum compute_kind { COMPUTE_CONTAINER, COMPUTE_VM, COMPUTE_HOST };
enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_ANY };
enum farm_intent_state { FARM_RUNNING, FARM_STOPPED };
enum health_kind { HEALTH_NONE, HEALTH_HTTP, HEALTH_TCP, HEALTH_EXEC, HEALTH_HEARTBEAT };
enum balance_mode { BALANCE_HTTP, BALANCE_TCP };

struct pair {
    const char *name;
    const char *value;
};

struct file {
    const char *path; /* absolute, in the instance */
    const char *content;
    unsigned mode; /* permission bits; "0644" in the document */
};

struct health {
    enum health_kind kind;
    const char *path;           /* HEALTH_HTTP */
    uint16_t port;              /* HEALTH_HTTP, HEALTH_TCP */
    const char *const *command; /* HEALTH_EXEC */
    size_t command_length;
    int64_t every_ms;   /* 1s */
    int64_t timeout_ms; /* 500ms */
    int64_t fails;      /* 3: so many in a row are a failure */
    int64_t within_ms;  /* HEALTH_HEARTBEAT: one at least so often, through its socket; else 0 */
};

struct count {
    int64_t committed, guaranteed, max; /* committed <= guaranteed <= max */
};

struct spread {
    const char *by; /* "host", "rack", "zone", "site", or a depth of the zone path "1".."8"; "" none */
    bool strict;
};

struct volume {
    const char *name;
    int64_t size_bytes;
    const char *copies;
    const char *mode;
    const char *mount;
};

/* What is done about a failure, in the order of a list; the next begins when this one did not help. */
enum mend_what {
    MEND_RESTART, /* the same instance in the same place: its host does that in any case, so this waits for it
                   */
    MEND_RELOAD,  /* a new incarnation in the same place, from the image on */
    MEND_REPLACE, /* another host */
    MEND_NOTIFY,
};
/* Of a tier: names are parts of a path, and all of it is one answer. */
enum { METADATA_MAX = 64, METADATA_NAME_SIZE_MAX = 63, METADATA_SIZE_MAX = 16 * 1024 };
enum { HEARTBEAT_MS_MIN = 1000 };

enum { MEND_STEPS_MAX = 16, MEND_WITHIN_MS_MIN = 1000 };
struct mend_step {
    enum mend_what what;
    int64_t within_ms; /* so long it may take to help; a new failure ends the wait */
    int64_t times;     /* so often before the next step; notify: 1 */
    const char *to;    /* notify: a contact of the party, or else of the landlord; else "" */
};

/* What the landlord has done about a host whose hardware goes bad. Each step is due so long after a finding
 * of its kinds was first told, if that still holds. */
enum hardware_what { HARDWARE_NOTIFY, HARDWARE_DRAIN };
enum { HARDWARE_STEPS_MAX = 16, HARDWARE_BACK_MS_MIN = 60 * 1000 };
struct hardware_step {
    enum hardware_what what;
    int64_t after_ms;
    const char *const *on_names; /* of finding kinds; length 0: all */
    size_t on_names_length;
    int64_t on;   /* the names, read: bits 1 << enum finding_kind; made by the reader, not in the document */
    int64_t over; /* only where more than so much is read */
    const char *to;  /* notify: a contact of the landlord; else "" */
    int64_t back_ms; /* drain: so long after the last finding ended it is active again; 0: when somebody says
                        so */
    int64_t most_millis; /* drain: of the pool's hosts that its policy has drained at once, in thousandths */
};

struct tier {
    const char *name;
    const char *image; /* NAME:TAG */
    enum compute_kind driver;
    struct count count;
    struct resources size;
    int64_t capacity;
    const char *const *command; /* length 0: the image's own */
    size_t command_length;
    const struct pair *env;
    size_t env_length;
    const struct file *files;
    size_t files_length;
    const struct pair *metadata; /* what its instances read at their socket; may change while they run */
    size_t metadata_length;
    struct health health;
    int64_t warm;
    struct spread spread;
    int64_t priority; /* 0 to 100; 50 */
    const char *const *needs;
    size_t needs_length;
    const struct volume *volumes;
    size_t volumes_length;
    const struct mend_step *on_failure; /* length 0: restart for half a minute, then replace */
    size_t on_failure_length;
};

struct balance {
    const char *name;
    enum balance_mode mode;
    uint16_t port;       /* inside the farm */
    const char *to_tier; /* `to: "web:8080"` */
    uint16_t to_port;
    const char *publish; /* "ADDR:PORT", "auto", or "": not reachable from outside */
};

struct allow {
    const char *from; /* a tier, "internet", or "balance" */
    const char *to;   /* a tier or "internet" */
    enum protocol protocol;
    uint16_t port_first, port_last; /* 0, 65535: all */
};

struct farm {
    const char *name; /* short: "shop" */
    const char *party;
    const char *full_name; /* "acme/shop"; made by the reader, not in the document */
    const char *sla;       /* "" none */
    enum farm_intent_state state;
    struct prefix subnet;
    const struct tier *tiers;
    size_t tiers_length;
    const struct balance *balance;
    size_t balance_length;
    const struct allow *allow;
    size_t allow_length;
};

/* How the hosts that name it are run. A pool that has no document is there all the same, and survives none.
 */
struct pool {
    const char *name;
    /* The loss of which room is kept for: any one "host", or zone at the level "rack", "zone", "site" or the
     * depth "1".."8" of the zone path (as of struct spread); "none" */
    const char *survive;
    /* Of what it has free of committed counts, how much is promised as guaranteed, in thousandths: 1,000 is
     * all of it once; more is oversubscription, for not all tenants call for it at once. */
    int64_t oversubscription_millis;
    const struct mend_step *on_failure; /* of a host; notify only: it is looked at and fenced in any case */
    size_t on_failure_length;
    const struct hardware_step *on_hardware; /* of a host that answers, but whose hardware goes bad */
    size_t on_hardware_length;
};

/* What a service level counts, and a tier's `capacity` is in. */
enum sla_metric {
    METRIC_REQUESTS,     /* a second, through the balancer in mode http */
    METRIC_CONNECTIONS,  /* open at once, through the balancer */
    METRIC_BYTES,        /* a second, both ways, through the balancer */
    METRIC_TRANSACTIONS, /* connections that ended a second, through the balancer in mode tcp */
    METRIC_CPU,          /* cores in use */
    METRIC_CUSTOM,
};
enum sla_period { PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH }; /* in UTC; weeks begin on Monday (ISO 8601) */
enum sla_priority { SLA_LOW, SLA_NORMAL, SLA_URGENT };

/* The level at which an instance is held: by its rank among its tier's, the first `committed` are committed,
 * those up to `guaranteed` guaranteed, those up to `max` extended. */
enum level { LEVEL_COMMITTED, LEVEL_GUARANTEED, LEVEL_EXTENDED, LEVELS };

struct sla_level {
    struct money rate; /* per instance and hour; without a currency: the level is not offered */
    struct money fee;  /* once per period in which a farm enters the level */
    const char *sites; /* "any", or ""; where instances of the level may come from */
};

struct sla_target {
    int64_t response_ms;       /* so many per cent of the responses take no longer; 0: there is no target */
    int64_t percentile_millis; /* 99.9 is 99,900 */
};

struct sla_credits {
    int64_t below_millis; /* paid back when less than so many thousandths of a per cent met the target … */
    int64_t percent_millis; /* … this part of the period's rates and fees; 0: nothing */
};

struct sla {
    const char *name;
    enum sla_metric metric;
    enum sla_period period;
    enum sla_priority priority;
    struct sla_target target;
    struct sla_level levels[LEVELS];
    struct sla_credits credits;
    const char *rules; /* of `kind: ScalingRules`; "" the built-in set */
};

/* A fuzzy set over an input or over need: membership rises from 0 at points[0] to 1 at points[1], is 1 up to
 * points[2] and falls to 0 at points[3] (three points in the document: a triangle). In thousandths of the
 * input's unit; equal neighbours are a step. */
enum { SCALING_INPUTS = 3, SCALING_POINTS = 4 };
enum scaling_variable {
    SCALING_RESPONSE,
    SCALING_PROBABILITY,
    SCALING_PRIORITY,
    SCALING_NEED,
    SCALING_VARIABLES
};
struct scaling_term {
    enum scaling_variable of;
    const char *name; /* "too high" */
    const int64_t *shape_millis;
    size_t shape_millis_length; /* 3 or 4, ascending */
};

/* `if priority is urgent and expected response time is too high then request`, read. */
struct scaling_rule {
    size_t premises[SCALING_INPUTS]; /* term + 1 of each input, 0: any */
    size_t conclusion;               /* term of need */
};

/* How much a farm needs more or less capacity: model.md names the inputs and their units in the table. */
struct scaling_rules {
    const char *name;
    const struct scaling_term *terms;
    size_t terms_length;
    const char *const *texts;
    size_t texts_length;
    const struct scaling_rule
        *rules;            /* the texts, read; made by the reader, not in the document; texts_length */
    int64_t request_above; /* need, -100 to 100 */
    int64_t offer_below;
    int64_t offer_after_ms; /* so long without a break */
};

enum filter_action { FILTER_DENY, FILTER_ALLOW, FILTER_REJECT }; /* reject: deny, and the sender is told */
/* As seen from the instance at whose port the packet is judged. */
enum filter_direction { FILTER_IN, FILTER_OUT, FILTER_BOTH };
enum endpoint_kind {
    ENDPOINT_ANY,
    ENDPOINT_PREFIX,   /* `prefix` */
    ENDPOINT_FARM,     /* `name`: "acme/shop": its instances */
    ENDPOINT_TIER,     /* "acme/shop/web" */
    ENDPOINT_INSTANCE, /* "acme/shop/web-1" */
    ENDPOINT_INTERNET, /* what is neither of the farm nor of the grid */
};

/* One end of a packet. */
struct endpoint {
    enum endpoint_kind kind;
    struct wide_prefix prefix;
    const char *name; /* "" unless a farm, tier or instance */
};

struct port_range {
    uint16_t first, last;
};

/* Fields that were left out match everything. */
enum { FILTER_PROTOCOL_ANY = -1, FILTER_RULES_MAX = 4096, FILTER_PORTS_MAX = 256 };
/* Of all rules together, pairs of from_port and port: each is an element of a set in the kernel. */
enum { FILTER_PORT_PAIRS_MAX = 16384 };
struct filter_rule {
    enum filter_action action;
    enum filter_direction direction;
    struct endpoint from, to;
    int64_t protocol; /* IANA's number, 0 to 255; FILTER_PROTOCOL_ANY */
    /* Of TCP and UDP only: a rule with ports matches nothing else. Length 0: any. */
    const struct port_range *from_ports;
    size_t from_ports_length;
    const struct port_range *ports;
    size_t ports_length;
};

/* What a party lets pass at the ports of what it governs: the first rule that matches decides. */
struct filter {
    const char *name; /* short: "inner" */
    const char *party;
    const char *full_name; /* "acme/inner"; made by the reader, not in the document */
    const char *on;        /* "all", a party, "acme/shop", "acme/shop/web", "acme/shop/web-1": whose ports */
    enum filter_action default_action; /* FILTER_DENY or FILTER_ALLOW */
    const struct filter_rule *rules;
    size_t rules_length;
};
#define FILTER_ON_ALL "all"

/* What a lease lets its holder do, of itself and the parties below it; bits. tenancy.md says what each is. */
enum right {
    RIGHT_HARDWARE = 1,
    RIGHT_SOFTWARE = 2,
    RIGHT_DEVELOP = 4,
    RIGHT_LEASE = 8,
    RIGHT_READ = 16,
    RIGHTS_ALL = 31,
};
enum { RIGHTS_LENGTH = 5 };
enum lease_state { LEASE_ACTIVE, LEASE_ENDED };

/* What a party gives one right below it, for a time. A party that has no lease document holds what its parent
 * holds but hardware (plan/lease). */
struct lease {
    const char *name;
    const char *from, *to;
    struct quota capacity; /* -1: as much as the giver has */
    const char *const *right_names;
    size_t right_names_length;
    unsigned rights;  /* the names, read; made by the reader, not in the document */
    int64_t until_ms; /* wall clock; 0: as long as the giver has it */
    enum lease_state state;
    const char *reason; /* why it ended; "" */
    /* A party above the giver that ended it: until that, or one above it, says so the giver gives the taker
     * nothing; "". The controller writes it. */
    const char *severed_by;
};

/* Who is told of failures, and how: by all the ways that it names. */
enum { CONTACT_MAIL_MAX = 16, CONTACT_COMMAND_MAX = 64 };
struct contact {
    const char *name; /* short: "ops" */
    const char *party;
    const char *full_name;   /* "acme/ops"; made by the reader, not in the document */
    const char *const *mail; /* addresses */
    size_t mail_length;
    const char *smtp;           /* "smtp://HOST:PORT", by which mail goes; "" without mail */
    const char *from;           /* whom mail comes from */
    const char *login;          /* who logs in at the server, over TLS only; "": nobody does */
    const char *secret;         /* the password's name: a file of the controller's machine, PARTY/SECRET */
    const char *webhook;        /* URL, or "" */
    const char *const *command; /* on the controller's machine: the landlord's contacts only */
    size_t command_length;
    int64_t group_ms; /* what comes within so long is one message */
    int64_t hourly;   /* messages an hour at most; what waits is told by the next */
};

/* How the secret of a party is kept with which hosts encrypt what they store for it. */
struct party_key {
    const char *name; /* the party's */
    enum custody custody;
};

/* Written by `croft image import`, not by hand. */
struct image {
    const char *name;          /* NAME:TAG */
    const char *party;         /* "landlord": everybody's */
    const char *digest;        /* "sha256:…" of the canonical text of the fields below */
    const char *const *layers; /* "sha256:…" of the layer's tar (maybe gzipped), lowest first */
    size_t layers_length;
    int64_t size_bytes; /* of the layers together */
    const char *const *command;
    size_t command_length;
    const struct pair *env;
    size_t env_length;
    const char *directory; /* working directory, "/" */
    const char *user;      /* "uid" or "uid:gid" by number; "0" */
};

#endif
