/* What croft was told, it heeds; what nobody told it, it does not believe. */
#include "base/text.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void judge_drained(struct run *run, const struct snapshot *snapshot, const struct instance *member);
static bool sends_to(const char *servers, const char *member);
static void note_confirmed(void *ctx, const char *path, const char *data, size_t size);

/* Of hosts: from the moment that a drain is in the store nothing begins there any more. Of members: one is
 * said to be drained only when no balancer sends it anything. */
void drains_judge(struct run *run, const char *instance, const struct believed *before,
                  const struct instance *now)
{
    if (!run->world->controller) return;
    struct mirror *mirror = controller_mirror(run->world->controller);
    bool same = before && text_equal(before->host, now->host) && before->incarnation == now->incarnation;
    const struct record *record = now->host[0] && !same ? mirror_get(mirror, RECORD_HOST, now->host) : NULL;

    if (record && ((const struct host *)record->object)->state == HOST_DRAINING)
        run_violated(run, "drains", "%s is placed on %s, which is to be emptied", instance, now->host);
    if (now->drained && !(before && before->drained)) judge_drained(run, mirror_snapshot(mirror), now);
}

static void judge_drained(struct run *run, const struct snapshot *snapshot, const struct instance *member)
{
    for (size_t i = 0; i < snapshot->instances_length; i++) {
        const struct instance *balancer = &snapshot->instances[i];
        const struct box *box = world_box(run->world, balancer->host);
        CLEANUP_BUF struct buf servers = {0};
        if (!box || !box->on || !text_equal(balancer->farm, member->farm)) continue;
        fake_host_servers(box->truth, balancer->name, &servers);
        if (!sends_to(buf_text(&servers), strrchr(member->name, '/') + 1)) continue;
        run_violated(run, "drains", "%s is said to be drained, and %s on %s still sends to it", member->name,
                     balancer->name, balancer->host);
    }
}

/* "web-1 web-2=drain": to web-1 it does. */
static bool sends_to(const char *servers, const char *member)
{
    size_t size = strlen(member);
    for (const char *at = servers; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strncmp(at, member, size) == 0 && (at[size] == ' ' || at[size] == '\0')) return true;
    return false;
}

/* In each of its runs a host confirms documents anew, and none that is older than the one before: 0 is said
 * by an agent that does not know yet. Else the store has heard a run that is over, and so has it that a host
 * which was given up may be trusted, or that members are known where they are not. */
void believed_stored(struct run *run, const struct store_item *item)
{
    static const char prefix[] = "host-fact/";
    struct held *held = NULL;
    struct host_fact fact;
    struct error err;

    if (!text_starts(item->key, prefix) || !item->value) return;
    held = held_get(run->judges, item->key + strlen(prefix));
    CLEANUP_ARENA struct arena *arena = arena_new();
    if (!model_read_json(&schema_host_fact, arena, item->value, strlen(item->value), &fact, &err)) {
        run_violated(run, "acknowledged", "%s in the store cannot be read: %s", item->key, err.message);
        return;
    }
    mend_host(run, &fact);
    if (host_is_emptied(&fact))
        map_put(run->judges->emptied, held->box->name, held);
    else
        map_remove(run->judges->emptied, held->box->name);
    if (!text_equal(held->said, fact.boot)) held->said_version = 0;
    snprintf(held->said, sizeof(held->said), "%s", fact.boot);
    if (fact.document_version == 0) return;
    if (text_equal(fact.boot, held->box->boot) && !text_equal(fact.boot, held->confirmed))
        run_violated(run, "believed",
                     "%s is said to have document %" PRId64 ", and has confirmed none since it started",
                     fact.name, fact.document_version);
    if (fact.document_version < held->said_version)
        run_violated(run, "believed", "%s is said to have document %" PRId64 ", and had %" PRId64 " before",
                     fact.name, fact.document_version, held->said_version);
    held->said_version = fact.document_version;
}

/* Policy never empties more than its part of a pool, though every host may look bad. Judged after the step:
 * of one decision, which may let one go and empty another, the store tells piece by piece. */
void spared_step(struct run *run)
{
    size_t most = run->world->boxes_length * JUDGES_MOST_MILLIS / 1000;
    size_t emptied = map_length(run->judges->emptied);

    if (emptied > (most ? most : 1))
        run_violated(run, "spared", "%zu of %zu hosts are emptied by policy", emptied,
                     run->world->boxes_length);
}

/* An agent notes in which run of its host it has had its first document confirmed: agent/document.c. That it
 * wanted to is enough: the disk may not have done it. */
void believed_watch(struct held *held)
{
    sim_bad_disk_watch(held->box->bad_disk, note_confirmed, held);
}

static void note_confirmed(void *ctx, const char *path, const char *data, size_t size)
{
    struct held *held = ctx;
    if (text_equal(path, "boot")) snprintf(held->confirmed, sizeof(held->confirmed), "%.*s", (int)size, data);
}
