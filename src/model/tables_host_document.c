/* Tables of what controller and agents say to each other. */
#include "model/table.h"
#include "model/tables.h"

static const struct field member_fields[] = {
    SCALAR(struct member, instance, "instance", scalar_text, "short name", .required = true),
    SCALAR(struct member, tier, "tier", scalar_text, "its tier"),
    SCALAR(struct member, address, "address", scalar_ipv4, "in the farm's subnet", .fallback = "0.0.0.0"),
    SCALAR(struct member, mac, "mac", scalar_mac, "of its interface", .fallback = "00:00:00:00:00:00"),
    SCALAR(struct member, underlay, "underlay", scalar_ipv4, "of the host where it is",
           .fallback = "0.0.0.0"),
    SCALAR(struct member, aside, "aside", scalar_bool, "its tier's name does not lead to it",
           .fallback = "false"),
};
static const struct schema schema_member = SCHEMA(struct member, "member", member_fields);

static const struct field rule_fields[] = {
    SCALAR(struct farm_rule, from, "from", scalar_text, "a tier or internet", .required = true),
    SCALAR(struct farm_rule, to, "to", scalar_text, "a tier or internet", .required = true),
    ENUM(struct farm_rule, protocol, "protocol", protocol_names, "protocol", .fallback = "tcp"),
    SCALAR(struct farm_rule, port_first, "port_first", scalar_port_or_zero, "first port"),
    SCALAR(struct farm_rule, port_last, "port_last", scalar_port_or_zero, "last port"),
};
static const struct schema schema_rule = SCHEMA(struct farm_rule, "rule", rule_fields);

static const struct field host_farm_fields[] = {
    SCALAR(struct host_farm, name, "name", scalar_text, "full name", .required = true),
    SCALAR(struct host_farm, vni, "vni", scalar_int, "number of its network on the wire"),
    SCALAR(struct host_farm, subnet, "subnet", scalar_prefix, "its network", .required = true),
    SCALAR(struct host_farm, gateway, "gateway", scalar_ipv4, "the host itself", .fallback = "0.0.0.0"),
    SCALAR(struct host_farm, mtu, "mtu", scalar_int, "of the instances' interfaces"),
    OBJECTS(struct host_farm, members, "members", schema_member, "all of the farm, here and elsewhere"),
    OBJECTS(struct host_farm, rules, "rules", schema_rule, "what may open a connection to what"),
    OBJECTS(struct host_farm, filters, "filters", schema_filter, "what parties let pass, outermost first",
            .hidden_default = true),
};
static const struct schema schema_host_farm = SCHEMA(struct host_farm, "host_farm", host_farm_fields);

static const struct field server_fields[] = {
    SCALAR(struct balance_server, instance, "instance", scalar_text, "short name", .required = true),
    SCALAR(struct balance_server, address, "address", scalar_ipv4, "in the farm's subnet",
           .fallback = "0.0.0.0"),
    SCALAR(struct balance_server, port, "port", scalar_port_or_zero, "where it serves"),
    SCALAR(struct balance_server, drain, "drain", scalar_bool, "no new connections", .fallback = "false"),
};
static const struct schema schema_server = SCHEMA(struct balance_server, "server", server_fields);

static const struct field frontend_fields[] = {
    SCALAR(struct balance_frontend, name, "name", scalar_text, "the endpoint's name", .required = true),
    ENUM(struct balance_frontend, mode, "mode", balance_mode_names, "requests or connections",
         .fallback = "http"),
    SCALAR(struct balance_frontend, port, "port", scalar_port_or_zero, "on the balancer's own address"),
    SCALAR(struct balance_frontend, publish, "publish", scalar_text, "where the outside reaches it"),
    SCALAR(struct balance_frontend, health_path, "health_path", scalar_text, "checked by HTTP; empty: TCP"),
    SCALAR(struct balance_frontend, health_every_ms, "health_every_ms", scalar_int,
           "time from one check to the next"),
    SCALAR(struct balance_frontend, health_fails, "health_fails", scalar_int,
           "so many failed checks in a row are a failure"),
    OBJECTS(struct balance_frontend, servers, "servers", schema_server, "who serves"),
};
static const struct schema schema_frontend = SCHEMA(struct balance_frontend, "frontend", frontend_fields);

static const struct field personality_fields[] = {
    SCALAR(struct personality, instance, "instance", scalar_text, "full name", .required = true),
    SCALAR(struct personality, party, "party", scalar_text, "whose it is"),
    SCALAR(struct personality, farm, "farm", scalar_text, "full name of its farm"),
    SCALAR(struct personality, tier, "tier", scalar_text, "its tier, or balance"),
    SCALAR(struct personality, incarnation, "incarnation", scalar_int, "counts up with every placement"),
    ENUM(struct personality, wanted, "wanted", instance_wanted_names, "what it should be", .fallback = "run"),
    ENUM(struct personality, driver, "driver", compute_kind_names, "what it is", .fallback = "container"),
    SCALAR(struct personality, digest, "digest", scalar_text, "of its image"),
    SCALARS(struct personality, command, "command", scalar_text, "what runs", .hidden_default = true),
    PAIRS(struct personality, env, "env", "environment of the command", .hidden_default = true),
    OBJECTS(struct personality, files, "files", schema_file, "files put into the instance",
            .hidden_default = true),
    PAIRS(struct personality, metadata, "metadata", "what it reads at its socket", .hidden_default = true),
    STRUCT(struct personality, size, "size", schema_resources, "what it takes"),
    STRUCT(struct personality, health, "health", schema_health, "how to see that it is well",
           .hidden_default = true),
    SCALAR(struct personality, address, "address", scalar_ipv4, "in the farm's subnet",
           .fallback = "0.0.0.0"),
    SCALAR(struct personality, mac, "mac", scalar_mac, "of its interface", .fallback = "00:00:00:00:00:00"),
    OBJECTS(struct personality, frontends, "frontends", schema_frontend, "of a balancer",
            .hidden_default = true),
    SCALAR(struct personality, frontends_hash, "frontends_hash", scalar_text,
           "of them: said back when they are in service", .hidden_default = true),
};
const struct schema schema_personality = SCHEMA(struct personality, "personality", personality_fields);

static const struct field peer_fields[] = {
    SCALAR(struct host_peer, name, "name", scalar_text, "the host's name", .required = true),
    SCALAR(struct host_peer, addresses[0], "address", scalar_text, "its agent on the first path"),
    SCALAR(struct host_peer, addresses[1], "address_second", scalar_text, "and on the second"),
    SCALAR(struct host_peer, given_up, "given_up", scalar_bool, "its instances may run elsewhere",
           .fallback = "false"),
};
static const struct schema schema_peer = SCHEMA(struct host_peer, "peer", peer_fields);

static const struct field host_party_fields[] = {
    SCALAR(struct host_party, name, "name", scalar_text, "who it is", .required = true),
    SCALAR(struct host_party, parent, "parent", scalar_text, "whom it leases from", .fallback = "landlord"),
    ENUM(struct host_party, custody, "custody", custody_names, "where its secret is kept",
         .fallback = "host"),
    SCALAR(struct host_party, severed, "severed", scalar_bool, "it has no lease any more",
           .fallback = "false", .hidden_default = true),
};
static const struct schema schema_host_party = SCHEMA(struct host_party, "host_party", host_party_fields);

static const struct field host_document_fields[] = {
    SCALAR(struct host_document, host, "host", scalar_text, "the host's name", .required = true),
    SCALAR(struct host_document, version, "version", scalar_int, "only grows"),
    OBJECTS(struct host_document, images, "images", schema_image, "used by the instances here"),
    OBJECTS(struct host_document, farms, "farms", schema_host_farm, "networks that are here"),
    OBJECTS(struct host_document, instances, "instances", schema_personality, "what should be here"),
    SCALARS(struct host_document, underlay_peers, "underlay_peers", scalar_ipv4, "who may send VXLAN here"),
    OBJECTS(struct host_document, peers, "peers", schema_peer, "all other hosts"),
    OBJECTS(struct host_document, parties, "parties", schema_host_party,
            "who has something here, and whom they lease from", .hidden_default = true),
};
const struct schema schema_host_document = SCHEMA(struct host_document, "HostDocument", host_document_fields);

static const struct field instance_report_fields[] = {
    SCALAR(struct instance_report, name, "name", scalar_text, "full name", .required = true),
    SCALAR(struct instance_report, incarnation, "incarnation", scalar_int, "of which placement"),
    ENUM(struct instance_report, state, "state", instance_state_names, "what it is doing",
         .fallback = "pending"),
    ENUM(struct instance_report, health, "health", instance_health_names, "what its checks say",
         .fallback = "unknown"),
    SCALAR(struct instance_report, warm, "warm", scalar_bool, "frozen at the door", .fallback = "false"),
    SCALAR(struct instance_report, since_ms, "since_ms", scalar_int, "when its state began, wall clock"),
    SCALAR(struct instance_report, restarts, "restarts", scalar_int, "since it was placed"),
    SCALAR(struct instance_report, publish_taken, "publish_taken", scalar_text,
           "of a balancer: the address that something else here has", .hidden_default = true),
    SCALAR(struct instance_report, frontends_hash, "frontends_hash", scalar_text,
           "of what the balancer has in service", .hidden_default = true),
    SCALAR(struct instance_report, reason, "reason", scalar_text, "why it is in this state"),
    SCALAR(struct instance_report, cpu_millis_used, "cpu_millis_used", scalar_int,
           "average of the last second"),
    SCALAR(struct instance_report, memory_bytes_used, "memory_bytes_used", scalar_int, "bytes of memory"),
};
static const struct schema schema_instance_report =
    SCHEMA(struct instance_report, "instance_report", instance_report_fields);

static const struct field denied_report_fields[] = {
    SCALAR(struct denied_report, farm, "farm", scalar_text, "full name", .required = true),
    SCALAR(struct denied_report, instance, "instance", scalar_text, "short name; empty: the farm's"),
    SCALAR(struct denied_report, reason, "reason", scalar_text, "why", .required = true),
    SCALAR(struct denied_report, by, "by", scalar_text, "full name of the filter that did not let them pass",
           .hidden_default = true),
    SCALAR(struct denied_report, packets, "packets", scalar_int, "since the network was made here"),
};
static const struct schema schema_denied_report =
    SCHEMA(struct denied_report, "denied_report", denied_report_fields);

static const struct field host_report_fields[] = {
    SCALAR(struct host_report, host, "host", scalar_text, "the host's name", .required = true),
    SCALAR(struct host_report, boot, "boot", scalar_text, "identity of this run of the host"),
    SCALAR(struct host_report, agent_version, "agent_version", scalar_text, "version of the agent"),
    SCALAR(struct host_report, pid, "pid", scalar_int, "the host's first process"),
    SCALAR(struct host_report, agent_pid, "agent_pid", scalar_int, "the agent"),
    SCALAR(struct host_report, sent_us, "sent_us", scalar_int, "by the host's steady clock"),
    SCALAR(struct host_report, document_version, "document_version", scalar_int, "applied and confirmed"),
    SCALAR(struct host_report, refused_version, "refused_version", scalar_int,
           "the newest that was refused or rolled back"),
    SCALAR(struct host_report, refused_reason, "refused_reason", scalar_text, "why"),
    OBJECTS(struct host_report, instances, "instances", schema_instance_report, "all that is here"),
    SCALARS(struct host_report, drained, "drained", scalar_text,
            "members that the balancers here have no connections to"),
    OBJECTS(struct host_report, denied, "denied", schema_denied_report, "packets that were not let pass"),
    OBJECTS(struct host_report, keys, "keys", schema_host_key, "parties' key pairs here",
            .hidden_default = true),
    SCALAR(struct host_report, hardware_seen, "hardware_seen", scalar_bool, "its hardware was looked at",
           .hidden_default = true),
    OBJECTS(struct host_report, findings, "findings", schema_finding, "what is wrong with its hardware",
            .max = FINDINGS_MAX, .limit = "findings a host", .hidden_default = true),
    SCALAR(struct host_report, hardware_note, "hardware_note", scalar_text,
           "what of it is not looked at, and why", .hidden_default = true),
};
const struct schema schema_host_report = SCHEMA(struct host_report, "HostReport", host_report_fields);
