/* The tables of all documents, and their texts. */
#ifndef CROFT_MODEL_SCHEMAS_H
#define CROFT_MODEL_SCHEMAS_H

#include "model/action.h"
#include "model/host_document.h"
#include "model/intent.h"
#include "model/keys.h"
#include "model/ledger.h"
#include "model/schema.h"
#include "model/state.h"

extern const struct schema schema_host;
extern const struct schema schema_party;
extern const struct schema schema_farm;
extern const struct schema schema_image;
extern const struct schema schema_pool;
extern const struct schema schema_sla;
extern const struct schema schema_scaling_rules;
extern const struct schema schema_filter;
extern const struct schema schema_lease;
extern const struct schema schema_quota;
extern const struct schema schema_filter_rule;
extern const struct schema schema_contact;
extern const struct schema schema_party_key;
extern const struct schema schema_tier;
extern const struct schema schema_size; /* struct resources of a tier */
extern const struct schema schema_instance;
extern const struct schema schema_host_fact;
extern const struct schema schema_farm_fact;
extern const struct schema schema_finding;
extern const struct schema schema_usage;
extern const struct schema schema_host_usage;
extern const struct schema schema_farm_terms;
extern const struct schema schema_sla_terms;
extern const struct schema schema_party_terms;
extern const struct schema schema_service_hour;
extern const struct schema schema_service_sum;
extern const struct schema schema_host_document;
extern const struct schema schema_personality;
extern const struct schema schema_host_report;
extern const struct schema schema_kept_keys;
extern const struct schema schema_kept_disk_keys;

/* The names behind the enumerations, as written in documents and shown to people. */
extern const char *const host_intent_state_names[];
extern const char *const farm_intent_state_names[];
extern const char *const custody_names[]; /* host tenant */
extern const char *const compute_kind_names[];
extern const char *const protocol_names[];
extern const char *const balance_mode_names[];
extern const char *const instance_wanted_names[];
extern const char *const instance_state_names[];  /* pending booting running draining wiping stopped failed */
extern const char *const instance_health_names[]; /* unknown good bad */
extern const char *const host_state_names[];      /* up suspect down draining off */
extern const char *const action_kind_names[];
extern const char *const sla_metric_names[];
extern const char *const sla_period_names[];
extern const char *const sla_priority_names[];
extern const char *const level_names[]; /* committed guaranteed extended */
extern const char *const scaling_variable_names[];
extern const char *const filter_action_names[];    /* deny allow reject */
extern const char *const mend_what_names[];        /* restart reload replace notify */
extern const char *const finding_kind_names[];     /* memory-errors memory-lost hot … */
extern const char *const hardware_what_names[];    /* notify drain */
extern const char *const filter_direction_names[]; /* in out both */
extern const char *const right_names[];            /* hardware software develop lease read */
extern const char *const lease_state_names[];      /* active ended */
/* "software, develop"; in the arena. rights: bits of enum right. */
const char *rights_text(struct arena *arena, unsigned rights);
/* tcp, udp, icmp, icmpv6, any; NULL: it has a number only. */
const char *filter_protocol_name(int64_t number);

/* The contact that `to` means for a party: its own, else the landlord's; NULL: there is none. */
const struct contact *contact_find(const struct contact *contacts, size_t length, const char *party,
                                   const char *to);

/* A kind as documents name it ("Farm"), as commands and the API do ("farm", "farms"), and its schema. */
struct kind {
    enum document_kind kind;
    const char *name;
    const char *singular, *plural;
    const struct schema *schema;
};
extern const struct kind kinds[KIND_COUNT];
const struct kind *kind_by_name(const char *name);    /* "Farm"; NULL when unknown */
const struct kind *kind_by_command(const char *name); /* "farm" or "farms"; NULL when unknown */

/* From canonical JSON that croft wrote itself; lenient to unknown keys. */
MUST_CHECK bool model_read_json(const struct schema *schema, struct arena *arena, const char *json,
                                size_t size, void *ret_object, struct error *err);

#endif
