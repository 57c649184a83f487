/* Items as people see them: the document with what is, under "status". */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

struct view {
    struct arena *arena;
    struct controller *controller;
    const struct caller *caller;
    const struct snapshot *snapshot;
    struct map *host_sums;       /* host -> struct sum */
    struct map *party_sums;      /* party -> struct sum */
    struct map *tier_sums;       /* "acme/shop/web" -> struct sum */
    struct pool_sums *pool_sums; /* NULL: no pool was looked at */
};

struct sum {
    struct resources used;
    int64_t instances, running;
};

static void count(struct view *view);
static void add(struct arena *arena, struct map *sums, const char *key, const struct instance *instance);
static const struct sum *sum_of(const struct map *sums, const char *key);
static void view_host(struct view *view, const struct record *record, struct buf *ret_json);
static void view_findings(struct view *view, const struct host_fact *fact, struct buf *ret_json);
static void view_farm(struct view *view, const struct record *record, struct buf *ret_json);
static enum level view_tier(struct view *view, const struct farm *farm, const struct tier *tier,
                            int64_t wanted, bool first, struct buf *ret_json);
static void view_party(struct view *view, const struct record *record, struct buf *ret_json);
static void view_image(const struct record *record, struct buf *ret_json);
static void view_pool(struct view *view, const struct record *record, struct buf *ret_json);
static void view_sla(const struct record *record, struct buf *ret_json);
static void view_scaling_rules(const struct record *record, struct buf *ret_json);
static void view_filter(const struct view *view, const struct record *record, struct buf *ret_json);
static void view_contact(struct view *view, const struct record *record, struct buf *ret_json);
static void view_key(struct view *view, const struct record *record, struct buf *ret_json);
static void view_instance(struct view *view, const struct record *record, struct buf *ret_json);
static void write_text(struct buf *ret_json, const char *key, const char *value);
static void write_time(struct buf *ret_json, const char *key, int64_t wall_ms);
static void write_number(struct buf *ret_json, const char *key, int64_t value);
static void view_lease(struct view *view, const struct record *record, struct buf *ret_json);
static void add_sum(struct sum *sum, const struct sum *more);
static void write_rights(struct buf *ret_json, const char *key, unsigned rights);
static const char *view_host_fact(struct arena *arena, struct controller *controller,
                                  const struct caller *caller, const struct record *record);
static void open_status(const struct record *record, struct buf *ret_json);
static void open_text(const char *document, struct buf *ret_json);

struct view *view_new(struct arena *arena, struct controller *controller, const struct caller *caller)
{
    struct view *view = arena_alloc(arena, sizeof(*view));
    view->arena = arena;
    view->controller = controller;
    view->caller = caller;
    view->snapshot = mirror_snapshot(controller_mirror(controller));
    view->host_sums = map_new();
    view->party_sums = map_new();
    view->tier_sums = map_new();
    count(view);
    return view;
}

void view_free(struct view *view)
{
    map_free(view->host_sums);
    map_free(view->party_sums);
    map_free(view->tier_sums);
    pool_sums_free(view->pool_sums);
}

void view_record(struct view *view, const struct record *record, struct buf *ret_json)
{
    switch (record->kind) {
    case RECORD_HOST:
        view_host(view, record, ret_json);
        return;
    case RECORD_FARM:
        view_farm(view, record, ret_json);
        return;
    case RECORD_PARTY:
        view_party(view, record, ret_json);
        return;
    case RECORD_IMAGE:
        view_image(record, ret_json);
        return;
    case RECORD_POOL:
        view_pool(view, record, ret_json);
        return;
    case RECORD_SLA:
        view_sla(record, ret_json);
        return;
    case RECORD_SCALING_RULES:
        view_scaling_rules(record, ret_json);
        return;
    case RECORD_FILTER:
        view_filter(view, record, ret_json);
        return;
    case RECORD_LEASE:
        view_lease(view, record, ret_json);
        return;
    case RECORD_CONTACT:
        view_contact(view, record, ret_json);
        return;
    case RECORD_KEY:
        view_key(view, record, ret_json);
        return;
    case RECORD_INSTANCE:
        view_instance(view, record, ret_json);
        return;
    case RECORD_HOST_FACT:
    case RECORD_FARM_FACT:
    case RECORD_KINDS:
        break;
    }
    UNREACHABLE();
}

void view_resources(struct buf *ret_json, const struct resources *resources)
{
    char text[32];
    buf_printf(ret_json, "{\"cpus\":%s", text_format_cpus(text, resources->cpus_millis));
    write_text(ret_json, "memory", text_format_bytes(text, resources->memory_bytes));
    write_text(ret_json, "disk", text_format_bytes(text, resources->disk_bytes));
    write_text(ret_json, "network", text_format_rate(text, resources->network_bits_per_s));
    buf_add_char(ret_json, '}');
}

static void count(struct view *view)
{
    const struct snapshot *snapshot = view->snapshot;

    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        char tier[256];
        if (instance->host[0]) add(view->arena, view->host_sums, instance->host, instance);
        if (instance_counts(instance)) add(view->arena, view->party_sums, instance->party, instance);
        if (instance->wanted == WANTED_WARM) continue;
        snprintf(tier, sizeof(tier), "%s/%s", instance->farm, instance->tier);
        add(view->arena, view->tier_sums, tier, instance);
    }
}

static void add(struct arena *arena, struct map *sums, const char *key, const struct instance *instance)
{
    struct sum *sum = map_get(sums, key);
    if (!sum) {
        sum = arena_alloc(arena, sizeof(*sum));
        map_put(sums, key, sum);
    }
    sum->used.cpus_millis += instance->size.cpus_millis;
    sum->used.memory_bytes += instance->size.memory_bytes;
    sum->used.disk_bytes += instance->size.disk_bytes;
    sum->used.network_bits_per_s += instance->size.network_bits_per_s;
    sum->instances++;
    sum->running += instance->state == INSTANCE_RUNNING && instance->health != HEALTH_BAD;
}

static const struct sum *sum_of(const struct map *sums, const char *key)
{
    static const struct sum none;
    const struct sum *sum = map_get(sums, key);
    return sum ? sum : &none;
}

static void view_host(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct host *host = record->object;
    const struct record *fact_record =
        mirror_get(controller_mirror(view->controller), RECORD_HOST_FACT, host->name);
    static const struct host_fact unknown = {.state = HOST_STATE_OFF,
                                             .agent_version = "",
                                             .document_error = "",
                                             .reason = "no agent has joined for it yet"};
    const struct host_fact *fact = fact_record ? fact_record->object : &unknown;
    const struct sum *sum = sum_of(view->host_sums, host->name);
    enum host_state state = fact->state;

    if (state == HOST_UP && (host->state == HOST_DRAINING || host_is_emptied(fact)))
        state = HOST_STATE_DRAINING;
    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, host->name);
    write_text(ret_json, "zone", host->zone);
    write_text(ret_json, "pool", host->pool);
    write_text(ret_json, "state", host_state_names[state]);
    buf_add_text(ret_json, ",\"capacity\":");
    view_resources(ret_json, &host->capacity);
    buf_add_text(ret_json, ",\"used\":");
    view_resources(ret_json, &sum->used);
    write_number(ret_json, "instances", sum->instances);
    write_text(ret_json, "agent_version", fact->agent_version);
    write_time(ret_json, "since", fact->since_ms);
    write_number(ret_json, "pid", fact->pid);
    write_number(ret_json, "agent_pid", fact->agent_pid);
    buf_add_text(ret_json, ",\"fenced\":");
    buf_add_text(ret_json, fact->fenced ? "true" : "false");
    write_number(ret_json, "document_version", fact->document_version);
    write_text(ret_json, "document_error", fact->document_error);
    view_findings(view, fact, ret_json);
    const char *why = host_is_emptied(fact)           ? fact->emptied
                      : fact->spared && *fact->spared ? fact->spared
                                                      : fact->reason;
    write_text(ret_json, "reason", state == HOST_UP || state == HOST_STATE_DRAINING ? why : fact->reason);
    buf_add_text(ret_json, "}}");
}

static void view_findings(struct view *view, const struct host_fact *fact, struct buf *ret_json)
{
    buf_add_text(ret_json, ",\"findings\":[");
    for (size_t i = 0; i < fact->findings_length; i++) {
        const struct finding *finding = &fact->findings[i];
        buf_add_text(ret_json, i ? ",{\"kind\":" : "{\"kind\":");
        buf_add_json_string(ret_json, finding_kind_names[finding->kind]);
        write_text(ret_json, "what", finding->what);
        write_number(ret_json, "value", finding->value);
        write_number(ret_json, "limit", finding->limit);
        write_time(ret_json, "since", finding->since_ms);
        buf_printf(ret_json, ",\"accepted\":%s", finding->accepted ? "true" : "false");
        write_text(ret_json, "text", finding_text(view->arena, fact->name, finding));
        buf_add_char(ret_json, '}');
    }
    buf_add_char(ret_json, ']');
    write_text(ret_json, "hardware", fact->hardware_note ? fact->hardware_note : "");
}

static void view_farm(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct farm *farm = record->object;
    const char *reason = "";
    const char *state = plan_farm_state(view->arena, view->snapshot, farm, &reason);
    const struct record *fact_record =
        mirror_get(controller_mirror(view->controller), RECORD_FARM_FACT, farm->full_name);
    const struct farm_fact *fact = fact_record ? fact_record->object : NULL;
    static const struct tier balancer = {.name = TIER_BALANCE, .count = {1, 1, 1}};
    enum level level = LEVEL_COMMITTED;

    open_text(view_document(view->arena, view->controller, view->caller, record), ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, farm->full_name);
    write_text(ret_json, "party", farm->party);
    write_text(ret_json, "state", state);
    buf_add_text(ret_json, ",\"tiers\":[");
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier *tier = &farm->tiers[i];
        enum level here = view_tier(view, farm, tier, plan_wanted(farm, fact, tier), i == 0, ret_json);
        if (here > level) level = here;
    }
    if (farm->balance_length > 0)
        view_tier(view, farm, &balancer, farm_runs(farm, fact), farm->tiers_length == 0, ret_json);
    buf_add_text(ret_json, "],\"endpoints\":[");
    for (size_t i = 0; fact && i < fact->endpoints_length; i++) {
        buf_add_text(ret_json, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json_string(ret_json, fact->endpoints[i].name);
        write_text(ret_json, "address", fact->endpoints[i].value);
        buf_add_char(ret_json, '}');
    }
    buf_add_char(ret_json, ']');
    write_text(ret_json, "sla", farm->sla);
    write_text(ret_json, "level", level_names[level]);
    load_write_target(view->controller, farm, ret_json);
    write_text(ret_json, "reason", load_reason(view->arena, view->controller, farm, fact, reason));
    buf_add_text(ret_json, "}}");
}

/* Its level is that of those that serve; the one more of a roll-out is there for another that goes. */
static enum level view_tier(struct view *view, const struct farm *farm, const struct tier *tier,
                            int64_t wanted, bool first, struct buf *ret_json)
{
    const char *key = arena_printf(view->arena, "%s/%s", farm->full_name, tier->name);
    const struct sum *sum = sum_of(view->tier_sums, key);
    enum level level = plan_level(&tier->count, sum->running < wanted ? sum->running : wanted);

    buf_add_text(ret_json, first ? "{\"name\":" : ",{\"name\":");
    buf_add_json_string(ret_json, tier->name);
    write_number(ret_json, "committed", tier->count.committed);
    write_number(ret_json, "guaranteed", tier->count.guaranteed);
    write_number(ret_json, "max", tier->count.max);
    write_number(ret_json, "wanted", wanted);
    write_number(ret_json, "running", sum->running);
    write_number(ret_json, "instances", sum->instances);
    write_text(ret_json, "level", level_names[level]);
    load_write_tier(view->controller, farm->full_name, tier->name, ret_json);
    buf_add_char(ret_json, '}');
    return level;
}

static void view_party(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct party *party = record->object;
    const struct sum *sum = sum_of(view->party_sums, party->name);

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, party->name);
    write_text(ret_json, "parent", party->parent);
    buf_add_text(ret_json, ",\"used\":");
    view_resources(ret_json, &sum->used);
    write_number(ret_json, "instances", sum->instances);
    const struct holding *holding = lease_holding(leases_tree(view->controller), party->name);
    write_rights(ret_json, "rights", holding ? holding->rights : 0);
    write_text(ret_json, "reason", holding && holding->ended ? holding->ended : "");
    buf_add_text(ret_json, "}}");
}

/* Used is what its holder has, with those below. */
static void view_lease(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct lease *lease = record->object;
    const struct lease_tree *tree = leases_tree(view->controller);
    const struct holding *giver = lease_holding(tree, lease->from);
    bool holds = lease->state == LEASE_ACTIVE && giver && !giver->ended && giver->rights & RIGHT_LEASE;
    struct sum used = {0};
    const char *party = NULL;
    size_t cursor = 0;
    void *value = NULL;
    char time[32];

    while (map_next(view->party_sums, &cursor, &party, &value))
        if (lease_is_within(tree, party, lease->to)) add_sum(&used, value);
    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, lease->name);
    write_text(ret_json, "from", lease->from);
    write_text(ret_json, "to", lease->to);
    write_text(ret_json, "state", lease_state_names[lease->state]);
    write_rights(ret_json, "rights", lease->rights);
    write_rights(ret_json, "in_force", holds ? lease->rights & giver->rights : 0);
    write_text(ret_json, "until", lease->until_ms ? text_format_time(time, lease->until_ms) : "");
    buf_add_text(ret_json, ",\"capacity\":");
    schema_write(&schema_quota, NULL, &lease->capacity, ret_json);
    buf_add_text(ret_json, ",\"used\":");
    view_resources(ret_json, &used.used);
    write_number(ret_json, "instances", used.instances);
    write_text(ret_json, "reason",
               lease->reason[0]        ? lease->reason
               : giver && giver->ended ? giver->ended
                                       : "");
    buf_add_text(ret_json, "}}");
}

static void add_sum(struct sum *sum, const struct sum *more)
{
    sum->used.cpus_millis += more->used.cpus_millis;
    sum->used.memory_bytes += more->used.memory_bytes;
    sum->used.disk_bytes += more->used.disk_bytes;
    sum->used.network_bits_per_s += more->used.network_bits_per_s;
    sum->instances += more->instances;
}

static void write_rights(struct buf *ret_json, const char *key, unsigned rights)
{
    bool first = true;

    buf_printf(ret_json, ",\"%s\":[", key);
    for (unsigned i = 0; i < RIGHTS_LENGTH; i++) {
        if (!(rights >> i & 1)) continue;
        buf_printf(ret_json, "%s\"%s\"", first ? "" : ",", right_names[i]);
        first = false;
    }
    buf_add_char(ret_json, ']');
}

static void view_image(const struct record *record, struct buf *ret_json)
{
    const struct image *image = record->object;

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, image->name);
    write_text(ret_json, "party", image->party);
    write_text(ret_json, "digest", image->digest);
    write_number(ret_json, "size", image->size_bytes);
    write_number(ret_json, "layers", (int64_t)image->layers_length);
    buf_add_text(ret_json, "}}");
}

static void view_pool(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct pool *pool = record->object;

    if (!view->pool_sums) view->pool_sums = pool_sums_new(view->arena, view->snapshot);
    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, pool->name);
    write_text(ret_json, "survive", pool->survive);
    pool_sums_write(view->pool_sums, pool, ret_json);
    buf_add_text(ret_json, "}}");
}

static void view_sla(const struct record *record, struct buf *ret_json)
{
    const struct sla *sla = record->object;
    char text[MONEY_TEXT_SIZE];

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, sla->name);
    write_text(ret_json, "metric", sla_metric_names[sla->metric]);
    write_text(ret_json, "period", sla_period_names[sla->period]);
    write_text(ret_json, "priority", sla_priority_names[sla->priority]);
    write_text(ret_json, "response",
               sla->target.response_ms ? text_format_duration(text, sla->target.response_ms) : "");
    buf_printf(ret_json, ",\"percentile\":%s", text_format_cpus(text, sla->target.percentile_millis));
    for (size_t i = 0; i < LEVELS; i++)
        write_text(ret_json, level_names[i], money_format(text, &sla->levels[i].rate));
    buf_add_text(ret_json, "}}");
}

static void view_scaling_rules(const struct record *record, struct buf *ret_json)
{
    const struct scaling_rules *rules = record->object;

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, rules->name);
    write_number(ret_json, "terms", (int64_t)rules->terms_length);
    write_number(ret_json, "rules", (int64_t)rules->texts_length);
    buf_add_text(ret_json, "}}");
}

static void view_filter(const struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct filter *filter = record->object;

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, filter->full_name);
    write_text(ret_json, "party", filter->party);
    write_text(ret_json, "on", filter->on);
    write_text(ret_json, "default", filter_action_names[filter->default_action]);
    write_number(ret_json, "rules", (int64_t)filter->rules_length);
    const char *misfit = filters_misfit(view->controller, filter->full_name);
    if (misfit) buf_printf(ret_json, ",\"fits\":%s", misfit[0] ? "false" : "true");
    write_text(ret_json, "reason", misfit ? misfit : "");
    buf_add_text(ret_json, "}}");
}

static void view_contact(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct contact *contact = record->object;
    struct notice_standing standing = notices_standing(view->controller, contact->full_name);

    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, contact->full_name);
    write_text(ret_json, "party", contact->party);
    write_number(ret_json, "mail", (int64_t)contact->mail_length);
    buf_printf(ret_json, ",\"webhook\":%s,\"command\":%s", contact->webhook[0] ? "true" : "false",
               contact->command_length > 0 ? "true" : "false");
    write_number(ret_json, "waiting", standing.waiting);
    write_number(ret_json, "sent", standing.sent);
    write_text(ret_json, "reason", standing.trouble);
    buf_add_text(ret_json, "}}");
}

/* With how many hosts have something of it, and wait. */
static void view_key(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct party_key *key = record->object;
    int64_t hosts = 0, waiting = 0;

    for (size_t i = 0; i < view->snapshot->host_facts_length; i++) {
        const struct host_fact *fact = &view->snapshot->host_facts[i];
        for (size_t k = 0; k < fact->keys_length; k++) {
            if (!text_equal(fact->keys[k].party, key->name)) continue;
            hosts++;
            waiting += fact->keys[k].waits;
        }
    }
    open_status(record, ret_json);
    buf_add_text(ret_json, "\"name\":");
    buf_add_json_string(ret_json, key->name);
    write_text(ret_json, "custody", custody_names[key->custody]);
    write_number(ret_json, "hosts", hosts);
    write_number(ret_json, "waiting", waiting);
    write_text(ret_json, "reason",
               waiting == 0 ? ""
                            : arena_printf(view->arena,
                                           "%" PRId64 " host%s for its secret: croft key serve %s, at the "
                                           "desk that has its keys",
                                           waiting, waiting == 1 ? " waits" : "s wait", key->name));
    buf_add_text(ret_json, "}}");
}

/* An instance is nobody's document: it is shown flat, as `get instances -o json` prints it. */
static void view_instance(struct view *view, const struct record *record, struct buf *ret_json)
{
    const struct instance *instance = record->object;
    const struct record *host_record =
        mirror_get(controller_mirror(view->controller), RECORD_HOST, instance->host);
    const struct host *host = host_record ? host_record->object : NULL;
    char address[32];

    buf_add_text(ret_json, "{\"kind\":\"Instance\"");
    write_text(ret_json, "name", instance->name);
    write_text(ret_json, "farm", instance->farm);
    write_text(ret_json, "tier", instance->tier);
    write_text(ret_json, "party", instance->party);
    write_text(ret_json, "host", instance->host);
    write_text(ret_json, "zone", host ? host->zone : "");
    write_text(ret_json, "address", text_format_ipv4(address, instance->address));
    write_text(ret_json, "driver", compute_kind_names[instance->driver]);
    write_text(ret_json, "image", instance->image);
    write_text(ret_json, "state", instance_state_names[instance->state]);
    write_text(ret_json, "health", instance_health_names[instance->health]);
    write_time(ret_json, "since", instance->since_ms);
    write_number(ret_json, "restarts", instance->restarts);
    buf_add_text(ret_json, instance->wanted == WANTED_WARM ? ",\"warm\":true" : ",\"warm\":false");
    write_number(ret_json, "incarnation", instance->incarnation);
    write_number(ret_json, "priority", instance->priority);
    write_text(ret_json, "digest", instance->digest);
    buf_add_text(ret_json, ",\"size\":");
    view_resources(ret_json, &instance->size);
    write_text(ret_json, "reason", instance->reason);
    buf_add_char(ret_json, '}');
}

static void write_text(struct buf *ret_json, const char *key, const char *value)
{
    buf_printf(ret_json, ",\"%s\":", key);
    buf_add_json_string(ret_json, value);
}

static void write_time(struct buf *ret_json, const char *key, int64_t wall_ms)
{
    char text[32];
    write_text(ret_json, key, wall_ms ? text_format_time(text, wall_ms) : "");
}

static void write_number(struct buf *ret_json, const char *key, int64_t value)
{
    buf_printf(ret_json, ",\"%s\":%" PRId64, key, value);
}

/* The stored document, left open, and the beginning of its status. */
static void open_status(const struct record *record, struct buf *ret_json)
{
    open_text(record->json, ret_json);
}

static void open_text(const char *document, struct buf *ret_json)
{
    buf_add_text(ret_json, document);
    ASSERT(ret_json->data[ret_json->size - 1] == '}');
    ret_json->size--;
    buf_add_text(ret_json, ",\"status\":{");
}

/* Without the pairs of those of whom the caller may know nothing. */
static const char *view_host_fact(struct arena *arena, struct controller *controller,
                                  const struct caller *caller, const struct record *record)
{
    struct host_fact fact = *(const struct host_fact *)record->object;
    struct host_key *keys = arena_alloc_array(arena, fact.keys_length + 1, sizeof(*keys));
    CLEANUP_BUF struct buf json = {0};
    struct error ignored;
    size_t length = 0;

    for (size_t i = 0; i < fact.keys_length; i++)
        if (controller_allows(controller, caller, DEED_LOOK, fact.keys[i].party, NULL, &ignored))
            keys[length++] = fact.keys[i];
    if (length == fact.keys_length) return record->json;
    fact.keys = keys;
    fact.keys_length = length;
    schema_write(&schema_host_fact, "HostFact", &fact, &json);
    return arena_strdup(arena, buf_text(&json));
}

/* Who may look, but not inside, does not learn what is often secret. */
const char *view_document(struct arena *arena, struct controller *controller, const struct caller *caller,
                          const struct record *record)
{
    CLEANUP_BUF struct buf json = {0};
    struct error ignored;

    if (record->kind == RECORD_HOST_FACT) return view_host_fact(arena, controller, caller, record);
    if (record->kind != RECORD_FARM) return record->json;
    struct farm farm = *(const struct farm *)record->object;
    if (controller_allows(controller, caller, DEED_LOOK_INSIDE, farm.party, NULL, &ignored))
        return record->json;
    struct tier *tiers = arena_alloc_array(arena, farm.tiers_length + 1, sizeof(*tiers));
    for (size_t i = 0; i < farm.tiers_length; i++) {
        tiers[i] = farm.tiers[i];
        tiers[i].env_length = tiers[i].files_length = tiers[i].command_length = 0;
    }
    farm.tiers = tiers;
    schema_write(&schema_farm, "Farm", &farm, &json);
    return arena_strdup(arena, buf_text(&json));
}
