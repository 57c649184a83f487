/* Judged when nothing goes wrong any more: does everybody have what he was promised? */
#include "base/text.h"

#include "plan/lease/lease.h"
#include "plan/plan.h"
#include "simulate/judges.h"
#include <string.h>

#include <inttypes.h>

enum {
    COMMITTED_US = 120 * 1000 * 1000, /* of calm: then no farm is short of what could be given */
    CONVERGES_US = 180 * 1000 * 1000, /* then everything is as wanted, or says why not */
};

static void judge_tier(struct run *run, const struct snapshot *snapshot, const struct farm *farm,
                       const struct tier *tier);
static void judge_documents(struct run *run, const struct snapshot *snapshot);
static void judge_instances(struct run *run, const struct snapshot *snapshot);
static void judge_hosts(struct run *run, const struct snapshot *snapshot);
static void judge_findings(struct run *run, const struct host_fact *fact);
static bool is_active(const struct run *run, const struct host *host);

void committed_look(struct run *run)
{
    if (run_now(run) - run->calm_since_us < COMMITTED_US || !run->world->controller) return;
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(run->world->controller));
    for (size_t i = 0; i < snapshot->farms_length; i++) {
        const struct farm *farm = &snapshot->farms[i];
        for (size_t j = 0; runs_at_all(run, farm) && j < farm->tiers_length; j++)
            judge_tier(run, snapshot, farm, &farm->tiers[j]);
    }
}

bool runs_at_all(const struct run *run, const struct farm *farm)
{
    const struct record *fact =
        mirror_get(controller_mirror(run->world->controller), RECORD_FARM_FACT, farm->full_name);
    return farm_runs(farm, fact ? fact->object : NULL);
}

/* Of who has no lease in force any more nothing runs; of all others nothing is held back for one. */
void repossessed_look(struct run *run)
{
    if (run_now(run) - run->calm_since_us < COMMITTED_US || !run->world->controller) return;
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(run->world->controller));
    struct lease_tree *tree = lease_tree_new(snapshot);
    struct vec list = VEC_OF(struct fake_instance);

    fake_world_list(run->world->truth, &list);
    for (size_t i = 0; i < list.length; i++) {
        const struct fake_instance *instance = vec_at(&list, i);
        CLEANUP_MEM char *party = mem_strndup(instance->name, strcspn(instance->name, "/"));
        const struct holding *holding = lease_holding(tree, party);
        if (holding && holding->ended)
            run_violated(run, "repossessed", "%s is on %s: %s", instance->name, instance->host,
                         holding->ended);
    }
    vec_free(&list);
    for (size_t i = 0; i < snapshot->farms_length; i++) {
        const struct farm *farm = &snapshot->farms[i];
        const struct holding *holding = lease_holding(tree, farm->party);
        bool held = farm->state == FARM_RUNNING && !runs_at_all(run, farm);
        if (holding && held != (holding->ended != NULL) && farm->state == FARM_RUNNING)
            run_violated(run, "repossessed", "farm %s is %sheld back", farm->full_name, held ? "" : "not ");
    }
    lease_tree_free(tree);
}

/* Of what serves. Those at the door are nobody's promise, and in no quota (spec/check.c). */
void quota_look(struct run *run)
{
    if (run_now(run) - run->calm_since_us < COMMITTED_US || !run->world->controller) return;
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(run->world->controller));
    for (size_t i = 0; i < snapshot->parties_length; i++) {
        const struct party *party = &snapshot->parties[i];
        struct resources used = {0};
        for (size_t j = 0; j < snapshot->instances_length; j++) {
            const struct instance *instance = &snapshot->instances[j];
            if (!text_equal(instance->party, party->name) || instance->wanted != WANTED_RUN ||
                !instance->host[0])
                continue;
            used.cpus_millis += instance->size.cpus_millis;
            used.memory_bytes += instance->size.memory_bytes;
            used.disk_bytes += instance->size.disk_bytes;
        }
        if (!resources_fit(&used, &party->quota.resources))
            run_violated(run, "quota",
                         "party %s has %" PRId64 " of %" PRId64 " millicores and %" PRId64 " of %" PRId64
                         " bytes of memory",
                         party->name, used.cpus_millis, party->quota.resources.cpus_millis, used.memory_bytes,
                         party->quota.resources.memory_bytes);
    }
}

void converges_look(struct run *run)
{
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (run_now(run) - run->calm_since_us < CONVERGES_US || run->judges->converged) return;
    run->judges->converged = true;
    if (!run->world->controller) {
        run_violated(run, "converges", "there is no controller");
        return;
    }
    const struct snapshot *snapshot = mirror_snapshot(controller_mirror(run->world->controller));
    for (size_t i = 0; i < snapshot->farms_length; i++) {
        const char *reason = "";
        const char *state = plan_farm_state(arena, snapshot, &snapshot->farms[i], &reason);
        run_tell(run, "%s is %s: %s", snapshot->farms[i].full_name, state, reason);
        /* A farm that serves and says what its newer form waits for is as good as it can be. */
        bool waits = text_equal(state, "changing") && strstr(reason, " keeps its older form: ");
        if ((text_equal(state, "changing") && !waits) || (text_equal(state, "degraded") && !reason[0]))
            run_violated(run, "converges", "farm %s is %s %d s after the last fault: %s",
                         snapshot->farms[i].full_name, state, CONVERGES_US / 1000 / 1000, reason);
    }
    judge_hosts(run, snapshot);
    judge_documents(run, snapshot);
    judge_instances(run, snapshot);
}

/* A plain first fit over what the hosts' records leave free, and so by nobody's cleverness: only rules that
 * may forbid a place are left to the planner (strict spread, needs, quota are no room that may be used). */
static void judge_tier(struct run *run, const struct snapshot *snapshot, const struct farm *farm,
                       const struct tier *tier)
{
    int64_t serving = 0;

    if (tier->spread.strict || tier->needs_length > 0) return;
    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        if (!text_equal(instance->farm, farm->full_name) || !text_equal(instance->tier, tier->name)) continue;
        struct fake_instance found;
        const struct box *box = world_box(run->world, instance->host);
        if (instance->wanted == WANTED_RUN && box && fake_host_instance(box->truth, instance->name, &found))
            serving += found.running;
    }
    if (serving >= tier->count.committed) return;
    const char *host =
        has_quota(snapshot, farm, tier, false) ? host_with_room(run, snapshot, &tier->size) : NULL;
    if (host)
        run_violated(run, "committed", "%s of %s has %" PRId64 " of %" PRId64 " while %s has room for one",
                     tier->name, farm->full_name, serving, tier->count.committed, host);
}

const char *host_with_room(const struct run *run, const struct snapshot *snapshot,
                           const struct resources *size)
{
    for (size_t i = 0; i < snapshot->hosts_length; i++) {
        const struct host *host = &snapshot->hosts[i];
        struct resources free = host->capacity;
        const struct box *box = world_box(run->world, host->name);
        if (!is_active(run, host) || !box || !box->agent) continue;
        free.cpus_millis -= host->reserve.cpus_millis;
        free.memory_bytes -= host->reserve.memory_bytes;
        free.disk_bytes -= host->reserve.disk_bytes;
        for (size_t j = 0; j < snapshot->instances_length; j++) {
            const struct instance *instance = &snapshot->instances[j];
            if (!text_equal(instance->host, host->name)) continue;
            free.cpus_millis -= instance->size.cpus_millis;
            free.memory_bytes -= instance->size.memory_bytes;
            free.disk_bytes -= instance->size.disk_bytes;
        }
        if (resources_fit(size, &free)) return host->name;
    }
    return NULL;
}

static bool is_active(const struct run *run, const struct host *host)
{
    const struct record *fact =
        mirror_get(controller_mirror(run->world->controller), RECORD_HOST_FACT, host->name);
    return host_is_active(host, fact ? fact->object : NULL);
}

/* What is found is acted upon, or it is said why not; who is well again serves again. */
static void judge_findings(struct run *run, const struct host_fact *fact)
{
    bool any = false;

    for (size_t i = 0; i < fact->findings_length; i++)
        any |= !fact->findings[i].accepted;
    if (any && !host_is_emptied(fact) && !(fact->spared && fact->spared[0]))
        run_violated(run, "converges", "%s is bad (%s), and nobody says what is done", fact->name,
                     finding_kind_names[fact->findings[0].kind]);
    if (fact->findings_length == 0 && (host_is_emptied(fact) || (fact->spared && fact->spared[0])))
        run_violated(run, "converges", "%s is well, and still: %s%s", fact->name,
                     fact->emptied ? fact->emptied : "", fact->spared ? fact->spared : "");
}

static void judge_hosts(struct run *run, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->host_facts_length; i++) {
        const struct host_fact *fact = &snapshot->host_facts[i];
        if (fact->state != HOST_UP)
            run_violated(run, "converges", "%s is %s: %s", fact->name, host_state_names[fact->state],
                         fact->reason);
        judge_findings(run, fact);
        if (fact->document_error[0])
            run_violated(run, "converges", "%s refuses its document: %s", fact->name, fact->document_error);
    }
}

/* The controller looks at the documents that may have changed only (control/news.c): here all are made anew.
 */
static void judge_documents(struct run *run, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->host_facts_length; i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf text = {0};
        const char *host = snapshot->host_facts[i].name;
        struct host_document document = plan_host_document(arena, snapshot, host), told = {0};
        struct store_item item = {0};
        struct error err;
        bool good =
            store_get(run->world->store, arena_printf(arena, "host-document/%s", host), &item, &err) &&
            model_read_json(&schema_host_document, arena, item.value, strlen(item.value), &told, &err);
        document.version = told.version;
        schema_write(&schema_host_document, "HostDocument", &document, &text);
        if (!good || !text_equal(buf_text(&text), item.value))
            run_violated(run, "converges", "the document of %s is not what follows from the grid: %s", host,
                         good ? item.value : err.message);
        store_item_free(&item);
    }
}

/* What is believed is what is. */
static void judge_instances(struct run *run, const struct snapshot *snapshot)
{
    struct vec list = VEC_OF(struct fake_instance);

    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *instance = &snapshot->instances[i];
        const struct box *box = world_box(run->world, instance->host);
        struct fake_instance found = {0};
        bool runs = box && fake_host_instance(box->truth, instance->name, &found) && found.running &&
                    found.incarnation == instance->incarnation;
        if (instance->state == INSTANCE_RUNNING && !runs)
            run_violated(run, "converges", "%s is said to run on %s, and does not", instance->name,
                         instance->host);
        if (instance->wanted == WANTED_RUN && !runs && !instance->reason[0])
            run_violated(run, "converges", "%s does not run, and nothing says why", instance->name);
    }
    fake_world_list(run->world->truth, &list);
    for (size_t i = 0; i < list.length; i++) {
        const struct fake_instance *found = vec_at(&list, i);
        const struct believed *believed = map_get(run->judges->believed, found->name);
        if (found->running && !(believed && text_equal(believed->host, found->host)))
            run_violated(run, "converges", "%s runs on %s, and nobody wants it there", found->name,
                         found->host);
    }
    vec_free(&list);
}
