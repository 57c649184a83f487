#include "scenario.h"

#include "base/text.h"
#include "base/vec.h"
#include "model/schemas.h"
#include "plan/scale/personality.h"
#include "plan/work.h"
#include "spec/spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char expect_mark[] = "---\nkind: Expect\n";

struct reading {
    struct arena *arena;
    struct vec hosts, pools, parties, leases, host_facts, farms, farm_facts, images, instances;
    const struct node *scenario;
};

static bool read_one(struct reading *reading, const struct node *node, struct error *err);
static void add_images(struct reading *reading);
static void add_host_facts(struct reading *reading);
static void add_farm_facts(struct reading *reading);
static void fill_instance(struct reading *reading, struct instance *i, size_t nth);
static void serve_members(struct arena *arena, struct snapshot *snapshot);
static const struct farm *farm_of(const struct reading *reading, const char *name);
static void write_actions(const struct plan *plan, struct buf *out);
static void write_after(struct arena *arena, const struct snapshot *after, struct buf *out);
static const void *kept(struct arena *arena, const struct vec *vec);
static void line(struct buf *out, const char *text);

bool scenario_read(struct arena *arena, const char *text, size_t size, struct scenario *ret_scenario,
                   struct error *err)
{
    struct reading r = {.arena = arena,
                        .hosts = VEC_OF(struct host),
                        .pools = VEC_OF(struct pool),
                        .parties = VEC_OF(struct party),
                        .leases = VEC_OF(struct lease),
                        .host_facts = VEC_OF(struct host_fact),
                        .farms = VEC_OF(struct farm),
                        .farm_facts = VEC_OF(struct farm_fact),
                        .images = VEC_OF(struct image),
                        .instances = VEC_OF(struct instance)};
    struct node stream;
    const char *expect = strstr(text, expect_mark);
    size_t input_size = expect ? (size_t)(expect - text) : size;
    bool good = spec_read_yaml(arena, text, input_size, &stream, err);
    for (size_t n = 0; good && n < stream.length; n++)
        good = read_one(&r, &stream.items[n], err);
    if (good) {
        add_images(&r);
        add_host_facts(&r);
        add_farm_facts(&r);
        for (size_t n = 0; n < r.instances.length; n++)
            fill_instance(&r, vec_at(&r.instances, n), n);
        *ret_scenario = (struct scenario){
            .expected = expect ? expect : "",
            .input_size = input_size,
            .snapshot = {.hosts = kept(arena, &r.hosts),
                         .hosts_length = r.hosts.length,
                         .pools = kept(arena, &r.pools),
                         .pools_length = r.pools.length,
                         .parties = kept(arena, &r.parties),
                         .parties_length = r.parties.length,
                         .leases = kept(arena, &r.leases),
                         .leases_length = r.leases.length,
                         .host_facts = kept(arena, &r.host_facts),
                         .host_facts_length = r.host_facts.length,
                         .images = kept(arena, &r.images),
                         .images_length = r.images.length,
                         .farms = kept(arena, &r.farms),
                         .farms_length = r.farms.length,
                         .farm_facts = kept(arena, &r.farm_facts),
                         .farm_facts_length = r.farm_facts.length,
                         .instances = kept(arena, &r.instances),
                         .instances_length = r.instances.length},
        };
        serve_members(arena, &ret_scenario->snapshot);
    }
    struct vec *const all[] = {&r.hosts, &r.parties,    &r.leases, &r.pools,    &r.host_facts,
                               &r.farms, &r.farm_facts, &r.images, &r.instances};
    for (size_t n = 0; n < LENGTH(all); n++)
        vec_free(all[n]);
    return good;
}

bool scenario_run(struct arena *arena, const struct scenario *scenario, struct buf *ret_expect)
{
    struct plan plan = plan_make(arena, &scenario->snapshot, SCENARIO_NOW_MS);
    struct snapshot after = plan_apply(arena, &scenario->snapshot, &plan);
    struct plan again = plan_make(arena, &after, SCENARIO_NOW_MS);

    buf_add_text(ret_expect, expect_mark);
    write_actions(&plan, ret_expect);
    write_after(arena, &after, ret_expect);
    if (plan.again_ms) buf_printf(ret_expect, "again_in_ms: %" PRId64 "\n", plan.again_ms - SCENARIO_NOW_MS);
    return again.actions_length == 0 && again.again_ms == plan.again_ms;
}

static bool read_one(struct reading *reading, const struct node *node, struct error *err)
{
    const char *name = node_text(node, "kind", "");
    const struct {
        const char *kind;
        const struct schema *schema;
        struct vec *to;
    } rows[] = {
        {"Host", &schema_host, &reading->hosts},
        {"Pool", &schema_pool, &reading->pools},
        {"Party", &schema_party, &reading->parties},
        {"Lease", &schema_lease, &reading->leases},
        {"HostFact", &schema_host_fact, &reading->host_facts},
        {"Farm", &schema_farm, &reading->farms},
        {"FarmFact", &schema_farm_fact, &reading->farm_facts},
        {"Instance", &schema_instance, &reading->instances},
    };
    if (text_equal(name, "Scenario")) {
        reading->scenario = node;
        return true;
    }
    struct node fields = *node; /* without the kind, which the schemas of facts name otherwise */
    if (node->length > 0 && text_equal(node->items[0].key, "kind")) {
        fields.items++;
        fields.length--;
    }
    for (size_t n = 0; n < LENGTH(rows); n++) {
        if (!text_equal(name, rows[n].kind)) continue;
        void *object = arena_alloc(reading->arena, rows[n].schema->size);
        if (!schema_read(rows[n].schema, reading->arena, &fields, object, err)) return false;
        memcpy(vec_push(rows[n].to), object, rows[n].schema->size);
        return true;
    }
    return error_set(err, ERROR_INVALID, "%u: unknown kind \"%s\"", node->line, name);
}

/* hello:1, hello:2 and the balancer's, less those that the scenario says are missing. */
static void add_images(struct reading *reading)
{
    static const char *const names[] = {"croft-balancer:1", "hello:1", "hello:2"};
    const char *missing = node_text(reading->scenario, "missing_image", "");
    for (size_t n = 0; n < LENGTH(names); n++) {
        if (text_equal(names[n], missing)) continue;
        *(struct image *)vec_push(&reading->images) =
            (struct image){.name = names[n],
                           .party = "landlord",
                           .digest = arena_printf(reading->arena, "sha256:%s", names[n]),
                           .directory = "/",
                           .user = "0"};
    }
}

/* A host of which nothing is said is up. */
static void add_host_facts(struct reading *reading)
{
    for (size_t h = 0; h < reading->hosts.length; h++) {
        const struct host *host = vec_at(&reading->hosts, h);
        bool found = false;
        for (size_t n = 0; n < reading->host_facts.length; n++)
            found |= text_equal(((struct host_fact *)vec_at(&reading->host_facts, n))->name, host->name);
        if (found) continue;
        *(struct host_fact *)vec_push(&reading->host_facts) = (struct host_fact){.name = host->name,
                                                                                 .state = HOST_UP,
                                                                                 .boot = "",
                                                                                 .addresses = {"", ""},
                                                                                 .agent_version = "",
                                                                                 .document_error = "",
                                                                                 .reason = ""};
    }
}

/* A farm with instances has its network, unless the scenario says another. */
static void add_farm_facts(struct reading *reading)
{
    for (size_t n = 0; n < reading->instances.length; n++) {
        struct instance *i = vec_at(&reading->instances, n);
        const char *slash = strrchr(i->name, '/');
        ASSERT(slash);
        if (i->farm[0] == '\0') i->farm = arena_strndup(reading->arena, i->name, (size_t)(slash - i->name));
        bool found = false;
        for (size_t f = 0; f < reading->farm_facts.length; f++)
            found |= text_equal(((struct farm_fact *)vec_at(&reading->farm_facts, f))->name, i->farm);
        if (found) continue;
        *(struct farm_fact *)vec_push(&reading->farm_facts) =
            (struct farm_fact){.name = i->farm, .vni = (int64_t)reading->farm_facts.length};
    }
}

/* What the scenario leaves out follows from the name and the farm: it has today's form, unless `personality`
 * says otherwise, and a placed one without a state runs and is well. */
static void fill_instance(struct reading *reading, struct instance *i, size_t nth)
{
    const char *slash = strrchr(i->name, '/'), *dash = strrchr(i->name, '-');
    const struct farm *farm = farm_of(reading, i->farm);
    ASSERT(slash && dash && dash > slash);
    i->party = arena_strndup(reading->arena, i->name, strcspn(i->name, "/"));
    i->tier = arena_strndup(reading->arena, slash + 1, (size_t)(dash - slash - 1));
    i->number = strtol(dash + 1, NULL, 10);
    if (i->incarnation == 0 && i->host[0] != '\0') i->incarnation = 1;
    if (i->address == 0) i->address = 0x0a000003U + (uint32_t)nth;
    if (i->host[0] != '\0' && i->state == INSTANCE_PENDING && i->health == HEALTH_UNKNOWN &&
        i->wanted != WANTED_GONE) {
        i->state = i->wanted == WANTED_DRAIN ? INSTANCE_DRAINING : INSTANCE_RUNNING;
        i->health = HEALTH_GOOD;
    }
    if (farm == NULL) return;
    const struct tier *tier = personality_tier(farm, i->tier);
    bool is_balance = tier == NULL && text_equal(i->tier, "balance") && farm->balance_length > 0;
    if (is_balance) tier = balance_tier(reading->arena, farm);
    if (tier == NULL) return;
    for (size_t n = 0; n < reading->images.length; n++) {
        const struct image *image = vec_at(&reading->images, n);
        if (text_equal(image->name, tier->image) && i->digest[0] == '\0') i->digest = image->digest;
    }
    const struct farm_fact *fact = NULL;
    for (size_t n = 0; n < reading->farm_facts.length; n++)
        if (text_equal(((struct farm_fact *)vec_at(&reading->farm_facts, n))->name, i->farm))
            fact = vec_at(&reading->farm_facts, n);
    if (i->personality[0] == '\0')
        i->personality = plan_personality_hash(reading->arena, farm, tier, is_balance, i->digest, fact);
    if (i->image[0] == '\0') i->image = tier->image;
    static const struct resources none;
    if (memcmp(&i->size, &none, sizeof(none)) == 0) i->size = tier->size;
    i->priority = tier->priority;
}

/* A balancer that runs has all members in service, unless `frontends_hash` says otherwise. */
static void serve_members(struct arena *arena, struct snapshot *snapshot)
{
    struct instance *instances = arena_alloc_array(arena, snapshot->instances_length + 1, sizeof(*instances));
    for (size_t n = 0; n < snapshot->instances_length; n++) {
        struct instance *i = &instances[n];
        *i = snapshot->instances[n];
        if (i->state != INSTANCE_RUNNING || i->frontends_hash[0] != '\0') continue;
        struct host_document document = plan_host_document(arena, snapshot, i->host);
        for (size_t d = 0; d < document.instances_length; d++)
            if (text_equal(document.instances[d].instance, i->name) &&
                document.instances[d].frontends_length > 0)
                i->frontends_hash = document.instances[d].frontends_hash;
    }
    snapshot->instances = instances;
}

static const struct farm *farm_of(const struct reading *reading, const char *name)
{
    for (size_t n = 0; n < reading->farms.length; n++) {
        const struct farm *farm = vec_at(&reading->farms, n);
        if (text_equal(farm->full_name, name)) return farm;
    }
    return NULL;
}

static void write_actions(const struct plan *plan, struct buf *out)
{
    buf_add_text(out, plan->actions_length ? "actions:\n" : "actions: []\n");
    for (size_t a = 0; a < plan->actions_length; a++) {
        const struct action *action = &plan->actions[a];
        CLEANUP_BUF struct buf text = {0};
        buf_printf(&text, "%s %s", action_kind_names[action->kind], action->name);
        if ((action->kind == ACTION_CREATE || action->kind == ACTION_PLACE) && action->host[0])
            buf_printf(&text, " on %s", action->host);
        if (action->kind == ACTION_FARM)
            for (size_t e = 0; e < action->farm_fact->endpoints_length; e++)
                buf_printf(&text, " %s=%s", action->farm_fact->endpoints[e].name,
                           action->farm_fact->endpoints[e].value);
        buf_printf(&text, ": %s", action->reason);
        line(out, buf_text(&text));
    }
}

static void write_after(struct arena *arena, const struct snapshot *after, struct buf *out)
{
    buf_add_text(out, after->instances_length ? "instances:\n" : "instances: []\n");
    for (size_t n = 0; n < after->instances_length; n++) {
        const struct instance *i = &after->instances[n];
        CLEANUP_BUF struct buf text = {0};
        buf_printf(&text, "%s %s on %s", i->name, instance_wanted_names[i->wanted],
                   i->host[0] ? i->host : "no host");
        buf_printf(&text, ", %s%s%s", instance_state_names[i->state], i->reason[0] ? ": " : "", i->reason);
        line(out, buf_text(&text));
    }
    buf_add_text(out, after->farms_length ? "farms:\n" : "farms: []\n");
    for (size_t n = 0; n < after->farms_length; n++) {
        const char *reason = "";
        const char *state = plan_farm_state(arena, after, &after->farms[n], &reason);
        line(out, arena_printf(arena, "%s is %s: %s", after->farms[n].full_name, state, reason));
    }
}

static const void *kept(struct arena *arena, const struct vec *vec)
{
    void *items = arena_alloc_array(arena, vec->length + 1, vec->item_size);
    if (vec->length) memcpy(items, vec->items, vec->length * vec->item_size);
    return items;
}

static void line(struct buf *out, const char *text)
{
    buf_add_text(out, "  - ");
    buf_add_json_string(out, text);
    buf_add_char(out, '\n');
}
