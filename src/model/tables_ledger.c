/* Tables of the books. */
#include "model/ledger.h"
#include "model/table.h"
#include "model/tables.h"

/* Plain numbers: a year has many rows. */
static const struct field amounts_fields[] = {
    SCALAR(struct resources, cpus_millis, "cpus_millis", scalar_int, "thousandths of a core",
           .hidden_default = true),
    SCALAR(struct resources, memory_bytes, "memory", scalar_int, "bytes", .hidden_default = true),
    SCALAR(struct resources, disk_bytes, "disk", scalar_int, "bytes", .hidden_default = true),
    SCALAR(struct resources, network_bits_per_s, "network", scalar_int, "bits per second",
           .hidden_default = true),
};
static const struct schema schema_amounts = SCHEMA(struct resources, "amounts", amounts_fields);

static const char *const usage_kind_names[] = {"serving", "warm", "transition", NULL};

static const struct field usage_fields[] = {
    SCALAR(struct stay, instance, "instance", scalar_text, "full name", .required = true),
    SCALAR(struct stay, party, "party", scalar_text, "whose it was"),
    SCALAR(struct stay, farm, "farm", scalar_text, "full name of its farm"),
    SCALAR(struct stay, tier, "tier", scalar_text, "its tier, or balance"),
    SCALAR(struct stay, host, "host", scalar_text, "where it was"),
    ENUM(struct stay, kind, "kind", usage_kind_names, "what it did", .fallback = "serving"),
    STRUCT(struct stay, size, "size", schema_amounts, "what it took"),
    SCALAR(struct stay, from_ms, "from_ms", scalar_int, "when this began"),
    SCALAR(struct stay, to_ms, "to_ms", scalar_int, "when it was over", .fallback = "9223372036854775807",
           .hidden_default = true),
};
const struct schema schema_usage = SCHEMA(struct stay, "Usage", usage_fields);

static const struct field host_usage_fields[] = {
    SCALAR(struct host_usage, host, "host", scalar_text, "the host's name", .required = true),
    SCALAR(struct host_usage, zone, "zone", scalar_text, "where it stood", .hidden_default = true),
    STRUCT(struct host_usage, had, "had", schema_amounts, "capacity less reserve"),
    STRUCT(struct host_usage, given, "given", schema_amounts, "sum of what is placed there"),
    SCALAR(struct host_usage, from_ms, "from_ms", scalar_int, "when this began"),
    SCALAR(struct host_usage, to_ms, "to_ms", scalar_int, "when it was over",
           .fallback = "9223372036854775807", .hidden_default = true),
};
const struct schema schema_host_usage = SCHEMA(struct host_usage, "HostUsage", host_usage_fields);

static const struct field tier_terms_fields[] = {
    SCALAR(struct tier_terms, tier, "tier", scalar_text, "the tier's name", .required = true),
    SCALAR(struct tier_terms, committed, "committed", scalar_int, "its count.committed"),
    SCALAR(struct tier_terms, guaranteed, "guaranteed", scalar_int, "its count.guaranteed"),
    SCALAR(struct tier_terms, max, "max", scalar_int, "its count.max"),
    SCALAR(struct tier_terms, wanted, "wanted", scalar_int, "so many are to serve"),
};
static const struct schema schema_tier_terms = SCHEMA(struct tier_terms, "tier_terms", tier_terms_fields);

static const struct field farm_terms_fields[] = {
    SCALAR(struct farm_terms, farm, "farm", scalar_text, "full name of the farm", .required = true),
    SCALAR(struct farm_terms, party, "party", scalar_text, "whose it is"),
    SCALAR(struct farm_terms, sla, "sla", scalar_text, "its service level", .hidden_default = true),
    OBJECTS(struct farm_terms, tiers, "tiers", schema_tier_terms, "its counts"),
    SCALAR(struct farm_terms, from_ms, "from_ms", scalar_int, "since when"),
    SCALAR(struct farm_terms, to_ms, "to_ms", scalar_int, "when it was over",
           .fallback = "9223372036854775807", .hidden_default = true),
};
const struct schema schema_farm_terms = SCHEMA(struct farm_terms, "FarmTerms", farm_terms_fields);

static const struct field sla_terms_fields[] = {
    STRUCT(struct sla_terms, sla, "sla", schema_sla, "the price list"),
    SCALAR(struct sla_terms, from_ms, "from_ms", scalar_int, "since when"),
    SCALAR(struct sla_terms, to_ms, "to_ms", scalar_int, "when it was over",
           .fallback = "9223372036854775807", .hidden_default = true),
};
const struct schema schema_sla_terms = SCHEMA(struct sla_terms, "SLATerms", sla_terms_fields);

static const struct field party_terms_fields[] = {
    SCALAR(struct party_terms, party, "party", scalar_text, "the party's name", .required = true),
    SCALAR(struct party_terms, parent, "parent", scalar_text, "whose part it is"),
    SCALAR(struct party_terms, from_ms, "from_ms", scalar_int, "since when"),
    SCALAR(struct party_terms, to_ms, "to_ms", scalar_int, "when it was over",
           .fallback = "9223372036854775807", .hidden_default = true),
};
const struct schema schema_party_terms = SCHEMA(struct party_terms, "PartyTerms", party_terms_fields);

static const struct field service_hour_fields[] = {
    SCALAR(struct service_hour, farm, "farm", scalar_text, "full name of the farm", .required = true),
    SCALAR(struct service_hour, tier, "tier", scalar_text, "the tier's name"),
    SCALAR(struct service_hour, hour_ms, "hour_ms", scalar_int, "the hour's beginning"),
    SCALAR(struct service_hour, seen, "seen", scalar_int, "minutes that were seen, a bit each"),
    SCALAR(struct service_hour, missed, "missed", scalar_int, "minutes that missed the target, a bit each"),
};
const struct schema schema_service_hour = SCHEMA(struct service_hour, "ServiceHour", service_hour_fields);

static const struct field service_sum_fields[] = {
    SCALAR(struct service_sum, from_ms, "from_ms", scalar_int, "the period's beginning"),
    SCALAR(struct service_sum, to_ms, "to_ms", scalar_int, "its end"),
    SCALAR(struct service_sum, seen, "seen", scalar_int, "minutes that were seen"),
    SCALAR(struct service_sum, missed, "missed", scalar_int, "of them those that missed the target"),
};
const struct schema schema_service_sum = SCHEMA(struct service_sum, "ServiceSum", service_sum_fields);
