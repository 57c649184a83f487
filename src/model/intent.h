/* Intent: what people want, as documents of model.md. Plain data; every pointer belongs to the arena that the
 * document was read into. Texts are never NULL unless said; lists are items and length. */
#ifndef CROFT_MODEL_INTENT_H
#define CROFT_MODEL_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum document_kind { KIND_HOST, KIND_PARTY, KIND_FARM, KIND_IMAGE, KIND_POOL, KIND_COUNT };

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

enum compute_kind { COMPUTE_CONTAINER, COMPUTE_VM, COMPUTE_HOST };
enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_ANY };
enum farm_intent_state { FARM_RUNNING, FARM_STOPPED };
enum health_kind { HEALTH_NONE, HEALTH_HTTP, HEALTH_TCP, HEALTH_EXEC };
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
    struct health health;
    int64_t warm;
    struct spread spread;
    int64_t priority; /* 0 to 100; 50 */
    const char *const *needs;
    size_t needs_length;
    const struct volume *volumes;
    size_t volumes_length;
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
