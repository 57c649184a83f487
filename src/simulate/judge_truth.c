/* Judged by the true world alone: who runs, who reaches whom, who has how much. */
#include "base/text.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

static struct wire *wire_get(struct judges *judges, int64_t vni);
static void count_port(struct run *run, const struct fake_change *change, bool more);
static void add(struct resources *sum, const struct resources *size, int sign);

void one_and_only_one_step(struct run *run)
{
    struct error err;
    if (!fake_world_check(run->world->truth, &err)) run_violated(run, "one-and-only-one", "%s", err.message);
}

/* A packet passes between two ports whose networks have one number, wherever they are; and a port sends what
 * nobody filters when the filters there do not know it. */
void boundary_changed(struct run *run, const struct fake_change *change)
{
    if (change->kind == FAKE_PORT_MADE) {
        if (!change->member)
            run_violated(run, "boundary", "%s: a port of %s is made before the filters know it", change->host,
                         change->instance);
        count_port(run, change, true);
    } else if (change->kind == FAKE_PORT_GONE) {
        count_port(run, change, false);
    } else if (change->kind == FAKE_FARM_SET) {
        for (size_t i = 1; i < change->as->members_length; i++)
            if (change->as->members[i].address == change->as->members[i - 1].address)
                run_violated(run, "boundary", "%s: %s and %s of %s have one address", change->host,
                             change->as->members[i - 1].instance, change->as->members[i].instance,
                             change->farm);
    }
}

/* What runs on a host is within what it has. Of a party it is judged in calms: quotas are
 * checked when documents are applied, and what replaces another member or is on its way out is not in them.
 */
void quota_changed(struct run *run, const struct fake_change *change)
{
    struct judges *judges = run->judges;
    struct held *held = held_get(judges, change->host);
    const struct host *host = &held->box->host;
    struct resources room = host->capacity;

    if (change->kind != FAKE_STARTED && change->kind != FAKE_ENDED) return;
    add(&held->runs, &change->size, change->kind == FAKE_STARTED ? 1 : -1);
    if (change->kind == FAKE_ENDED) return;
    add(&room, &host->reserve, -1);
    if (!resources_fit(&held->runs, &room))
        run_violated(run, "quota",
                     "%s runs %" PRId64 " of %" PRId64 " millicores and %" PRId64 " of %" PRId64
                     " bytes of memory with %s",
                     change->host, held->runs.cpus_millis, room.cpus_millis, held->runs.memory_bytes,
                     room.memory_bytes, change->instance);
}

static void count_port(struct run *run, const struct fake_change *change, bool more)
{
    struct wire *wire = wire_get(run->judges, change->vni);
    uintptr_t ports = (uintptr_t)map_get(wire->farms, change->farm);
    size_t cursor = 0;
    const char *other = NULL;

    ASSERT(more || ports > 0);
    ports = more ? ports + 1 : ports - 1;
    if (ports)
        map_put(wire->farms, change->farm, (void *)ports);
    else
        map_remove(wire->farms, change->farm);
    if (!more || map_length(wire->farms) < 2) return;
    while (map_next(wire->farms, &cursor, &other, NULL))
        if (!text_equal(other, change->farm))
            run_violated(run, "boundary", "%s: %s joins network %" PRId64 ", in which %s still is",
                         change->host, change->instance, change->vni, other);
}

static struct wire *wire_get(struct judges *judges, int64_t vni)
{
    char key[24];
    struct wire *wire = NULL;

    snprintf(key, sizeof(key), "%" PRId64, vni);
    wire = map_get(judges->wires, key);
    if (wire) return wire;
    wire = mem_alloc(sizeof(*wire));
    wire->farms = map_new();
    map_put(judges->wires, key, wire);
    return wire;
}

/* Of a limit below 0 there is none; a capacity is never below. */
bool resources_fit(const struct resources *used, const struct resources *of)
{
    return (of->cpus_millis < 0 || used->cpus_millis <= of->cpus_millis) &&
           (of->memory_bytes < 0 || used->memory_bytes <= of->memory_bytes) &&
           (of->disk_bytes < 0 || used->disk_bytes <= of->disk_bytes);
}

static void add(struct resources *sum, const struct resources *size, int sign)
{
    sum->cpus_millis += sign * size->cpus_millis;
    sum->memory_bytes += sign * size->memory_bytes;
    sum->disk_bytes += sign * size->disk_bytes;
}
