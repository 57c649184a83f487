#include "model/schemas.h"

#include "base/text.h"

const char *const host_intent_state_names[] = {"active", "draining", "off", NULL};
const char *const farm_intent_state_names[] = {"running", "stopped", NULL};
const char *const custody_names[] = {"host", "tenant", NULL};
const char *const compute_kind_names[] = {"container", "vm", "host", NULL};
const char *const protocol_names[] = {"tcp", "udp", "icmp", "any", NULL};
const char *const balance_mode_names[] = {"http", "tcp", NULL};
const char *const instance_wanted_names[] = {"run", "warm", "drain", "gone", NULL};
const char *const instance_state_names[] = {"pending", "booting", "running", "draining",
                                            "wiping",  "stopped", "failed",  NULL};
const char *const instance_health_names[] = {"unknown", "good", "bad", NULL};
const char *const host_state_names[] = {"up", "suspect", "down", "draining", "off", NULL};
const char *const action_kind_names[] = {"create",  "place", "activate", "drain", "stop", "unplace", "forget",
                                         "explain", "fence", "farm",     "mend",  "host", NULL};
const char *const sla_metric_names[] = {"requests", "connections", "bytes", "transactions",
                                        "cpu",      "custom",      NULL};
const char *const sla_period_names[] = {"day", "week", "month", NULL};
const char *const sla_priority_names[] = {"low", "normal", "urgent", NULL};
const char *const level_names[] = {"committed", "guaranteed", "extended", NULL};
const char *const scaling_variable_names[] = {"expected response time", "probability", "priority", "need",
                                              NULL};
const char *const filter_action_names[] = {"deny", "allow", "reject", NULL};
const char *const mend_what_names[] = {"restart", "reload", "replace", "notify", NULL};
const char *const finding_kind_names[] = {
    "memory-errors", "memory-lost", "hot", "disk-errors", "disk-fails", "disk-full", "disk-read-only", NULL};
const char *const hardware_what_names[] = {"notify", "drain", NULL};
const char *const filter_direction_names[] = {"in", "out", "both", NULL};

const char *const right_names[] = {"hardware", "software", "develop", "lease", "read", NULL};
const char *const lease_state_names[] = {"active", "ended", NULL};

const struct kind kinds[KIND_COUNT] = {
    [KIND_HOST] = {KIND_HOST, "Host", "host", "hosts", &schema_host},
    [KIND_PARTY] = {KIND_PARTY, "Party", "party", "parties", &schema_party},
    [KIND_FARM] = {KIND_FARM, "Farm", "farm", "farms", &schema_farm},
    [KIND_IMAGE] = {KIND_IMAGE, "Image", "image", "images", &schema_image},
    [KIND_POOL] = {KIND_POOL, "Pool", "pool", "pools", &schema_pool},
    [KIND_SLA] = {KIND_SLA, "SLA", "sla", "slas", &schema_sla},
    [KIND_SCALING_RULES] = {KIND_SCALING_RULES, "ScalingRules", "scaling-rules", "scaling-rules",
                            &schema_scaling_rules},
    [KIND_FILTER] = {KIND_FILTER, "Filter", "filter", "filters", &schema_filter},
    [KIND_LEASE] = {KIND_LEASE, "Lease", "lease", "leases", &schema_lease},
    [KIND_CONTACT] = {KIND_CONTACT, "Contact", "contact", "contacts", &schema_contact},
    [KIND_KEY] = {KIND_KEY, "Key", "key", "keys", &schema_party_key},
};

const struct kind *kind_by_name(const char *name)
{
    for (size_t i = 0; i < LENGTH(kinds); i++)
        if (text_equal(kinds[i].name, name)) return &kinds[i];
    return NULL;
}

const struct kind *kind_by_command(const char *name)
{
    for (size_t i = 0; i < LENGTH(kinds); i++)
        if (text_equal(kinds[i].singular, name) || text_equal(kinds[i].plural, name)) return &kinds[i];
    return NULL;
}
