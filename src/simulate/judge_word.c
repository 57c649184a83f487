/* What croft was told, it heeds; what nobody told it, it does not believe. */
#include "base/text.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void note_confirmed(void *ctx, const char *path, const char *data, size_t size);

/* From the moment that a drain is in the store nothing begins on that host any more. */
void drains_placed(struct run *run, const char *instance, const struct believed *before,
                   const struct instance *now)
{
    const struct controller *controller = run->world->controller;

    if (!controller || !now->host[0]) return;
    if (before && text_equal(before->host, now->host) && before->incarnation == now->incarnation) return;
    const struct record *record =
        mirror_get(controller_mirror(run->world->controller), RECORD_HOST, now->host);
    if (record && ((const struct host *)record->object)->state == HOST_DRAINING)
        run_violated(run, "drains", "%s is placed on %s, which is to be emptied", instance, now->host);
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
