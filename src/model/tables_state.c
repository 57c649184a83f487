/* Tables of state: what the controller decided and learned. */
#include "model/table.h"
#include "model/tables.h"

static const struct field instance_fields[] = {
    SCALAR(struct instance, name, "name", scalar_text, "full name: party/farm/tier-N", .required = true,
           .unique = true),
    SCALAR(struct instance, party, "party", scalar_text, "whose it is"),
    SCALAR(struct instance, farm, "farm", scalar_text, "full name of its farm"),
    SCALAR(struct instance, tier, "tier", scalar_text, "its tier, or balance"),
    SCALAR(struct instance, number, "number", scalar_int, "its number within the tier"),
    ENUM(struct instance, driver, "driver", compute_kind_names, "what it is", .fallback = "container"),
    ENUM(struct instance, wanted, "wanted", instance_wanted_names, "what it should be", .fallback = "run"),
    SCALAR(struct instance, host, "host", scalar_text, "where it is; empty while it has no place"),
    SCALAR(struct instance, move_to, "move_to", scalar_text, "host that it was asked to move to",
           .hidden_default = true),
    SCALAR(struct instance, last_host, "last_host", scalar_text,
           "host on which it yielded its place to another, until it has a new one", .hidden_default = true),
    SCALAR(struct instance, room_on, "room_on", scalar_text,
           "host where room is made for it, while it waits for that", .hidden_default = true),
    SCALAR(struct instance, incarnation, "incarnation", scalar_int, "counts up with every placement"),
    SCALAR(struct instance, address, "address", scalar_ipv4, "in the farm's subnet", .fallback = "0.0.0.0"),
    SCALAR(struct instance, mac, "mac", scalar_mac, "of its interface", .fallback = "00:00:00:00:00:00"),
    SCALAR(struct instance, image, "image", scalar_text, "NAME:TAG as asked for"),
    SCALAR(struct instance, digest, "digest", scalar_text, "what the tag meant when it was decided"),
    SCALAR(struct instance, personality, "personality", scalar_text,
           "hash of all that a change of makes a new instance necessary"),
    STRUCT(struct instance, size, "size", schema_resources, "what it takes"),
    SCALAR(struct instance, priority, "priority", scalar_int, "0 (first to go) to 100 (last to go)",
           .fallback = "50"),
    ENUM(struct instance, state, "state", instance_state_names, "what it is doing", .fallback = "pending"),
    ENUM(struct instance, health, "health", instance_health_names, "what its checks say",
         .fallback = "unknown"),
    SCALAR(struct instance, since_ms, "since_ms", scalar_int, "when its state began, wall clock"),
    SCALAR(struct instance, restarts, "restarts", scalar_int, "restarts by its host since it was placed"),
    SCALAR(struct instance, wanders, "wanders", scalar_int, "hosts in a row that did not bring it up"),
    SCALAR(struct instance, failures, "failures", scalar_int, "failures of the present trouble",
           .hidden_default = true),
    SCALAR(struct instance, failed_ms, "failed_ms", scalar_int, "the last of them, wall clock",
           .hidden_default = true),
    SCALAR(struct instance, mend_step, "mend_step", scalar_int, "step of on_failure that was begun last",
           .hidden_default = true),
    SCALAR(struct instance, mend_tries, "mend_tries", scalar_int, "how often it was tried",
           .hidden_default = true),
    SCALAR(struct instance, mend_since_ms, "mend_since_ms", scalar_int, "the last of the tries, wall clock",
           .hidden_default = true),
    SCALAR(struct instance, mend_failures, "mend_failures", scalar_int, "failures before it",
           .hidden_default = true),
    SCALAR(struct instance, publish_taken, "publish_taken", scalar_text,
           "of a balancer: the address that something else on its host has", .hidden_default = true),
    SCALAR(struct instance, drained, "drained", scalar_bool, "its balancers have no work for it left",
           .fallback = "false"),
    SCALAR(struct instance, frontends_hash, "frontends_hash", scalar_text,
           "of a balancer: of what its host has in service", .hidden_default = true),
    SCALAR(struct instance, reason, "reason", scalar_text, "why it is in this state and place"),
};
const struct schema schema_instance = SCHEMA(struct instance, "Instance", instance_fields);

static const struct field host_fact_fields[] = {
    SCALAR(struct host_fact, name, "name", scalar_text, "the host's name", .required = true),
    ENUM(struct host_fact, state, "state", host_state_names, "what the controller believes of it",
         .fallback = "up"),
    SCALAR(struct host_fact, fenced, "fenced", scalar_bool, "known to run nothing", .fallback = "false"),
    SCALAR(struct host_fact, given_up, "given_up", scalar_bool, "given up, and no document confirmed since",
           .fallback = "false"),
    SCALAR(struct host_fact, since_ms, "since_ms", scalar_int, "when its state began, wall clock"),
    SCALAR(struct host_fact, boot, "boot", scalar_text, "identity of this run of the host"),
    SCALAR(struct host_fact, addresses[0], "address", scalar_text, "IP:PORT of its agent"),
    SCALAR(struct host_fact, addresses[1], "address_second", scalar_text, "the same by the second path"),
    SCALAR(struct host_fact, underlay, "underlay", scalar_ipv4, "address that carries the farms' networks",
           .fallback = "0.0.0.0"),
    SCALAR(struct host_fact, outside, "outside", scalar_text, "device by which instances reach the internet",
           .hidden_default = true),
    SCALAR(struct host_fact, agent_version, "agent_version", scalar_text, "version of its agent"),
    SCALAR(struct host_fact, pid, "pid", scalar_int, "its first process, under croft up"),
    SCALAR(struct host_fact, agent_pid, "agent_pid", scalar_int, "its agent, under croft up"),
    SCALAR(struct host_fact, document_version, "document_version", scalar_int,
           "of its document, last confirmed"),
    SCALAR(struct host_fact, document_error, "document_error", scalar_text,
           "why the newest was refused or rolled back"),
    OBJECTS(struct host_fact, keys, "keys", schema_host_key, "parties' key pairs there",
            .hidden_default = true),
    OBJECTS(struct host_fact, findings, "findings", schema_finding, "what is wrong with its hardware",
            .hidden_default = true),
    SCALAR(struct host_fact, findings_ms, "findings_ms", scalar_int, "when they changed, wall clock",
           .hidden_default = true),
    SCALAR(struct host_fact, hardware_note, "hardware_note", scalar_text,
           "what its agent does not look at, and why", .hidden_default = true),
    SCALAR(struct host_fact, emptied, "emptied", scalar_text, "why its pool's policy drains it",
           .hidden_default = true),
    SCALAR(struct host_fact, spared, "spared", scalar_text, "why it does not drain it although it would",
           .hidden_default = true),
    SCALAR(struct host_fact, reason, "reason", scalar_text, "why it is in this state"),
};
const struct schema schema_host_fact = SCHEMA(struct host_fact, "HostFact", host_fact_fields);

static const struct field tier_counter_fields[] = {
    SCALAR(struct tier_counter, tier, "tier", scalar_text, "the tier's name", .required = true),
    SCALAR(struct tier_counter, next, "next", scalar_int, "the next instance's number"),
};
static const struct schema schema_tier_counter =
    SCHEMA(struct tier_counter, "tier_counter", tier_counter_fields);

static const struct field tier_scale_fields[] = {
    SCALAR(struct tier_scale, tier, "tier", scalar_text, "the tier's name", .required = true),
    SCALAR(struct tier_scale, wanted, "wanted", scalar_int, "instances that its load calls for"),
    SCALAR(struct tier_scale, since_ms, "since_ms", scalar_int, "when that was decided, wall clock"),
    SCALARS(struct tier_scale, leave, "leave", scalar_text, "instances that go first",
            .hidden_default = true),
    SCALAR(struct tier_scale, reason, "reason", scalar_text, "why so many"),
};
static const struct schema schema_tier_scale = SCHEMA(struct tier_scale, "tier_scale", tier_scale_fields);

static const struct field farm_fact_fields[] = {
    SCALAR(struct farm_fact, name, "name", scalar_text, "full name of the farm", .required = true),
    SCALAR(struct farm_fact, vni, "vni", scalar_int, "number of its network on the wire"),
    OBJECTS(struct farm_fact, counters, "counters", schema_tier_counter, "numbers of the next instances"),
    OBJECTS(struct farm_fact, scales, "scales", schema_tier_scale, "what its load calls for",
            .hidden_default = true),
    PAIRS(struct farm_fact, endpoints, "endpoints", "where the outside reaches what is published"),
    SCALAR(struct farm_fact, repossessed, "repossessed", scalar_text,
           "why its party may run nothing any more", .hidden_default = true),
};
const struct schema schema_farm_fact = SCHEMA(struct farm_fact, "FarmFact", farm_fact_fields);
