/* Processes that end and machines that lose their power. What died comes back by itself after a while, as
 * with a service manager and people who walk through the rows. */
#include "base/text.h"
#include "simulate/inside.h"

#include <stdio.h>
#include <string.h>

static struct box *draw_box(struct run *run, bool (*fits)(const struct box *box));
static bool has_agent(const struct box *box);
static bool has_power(const struct box *box);
static void start_agent(struct run *run, struct box *box);
static void start_box(struct run *run, struct box *box);

bool agent_crash(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box(run, has_agent);

    if (!box) return false;
    snprintf(trouble->what, sizeof(trouble->what), "%s", box->name);
    run_tell(run, "the agent of %s crashes", box->name);
    box_stop_agent(box);
    return true;
}

void agent_crash_end(struct run *run, struct trouble *trouble)
{
    start_agent(run, world_box(run->world, trouble->what));
}

bool controller_crash(struct run *run, struct trouble *trouble)
{
    if (!run->world->controller) return false;
    run_tell(run, "the controller crashes");
    world_stop_controller(run->world);
    return true;
}

void controller_crash_end(struct run *run, struct trouble *trouble)
{
    struct error err;

    if (run->world->controller) return;
    run_tell(run, "the controller starts");
    if (!world_start_controller(run->world, &err))
        run_violated(run, "acknowledged", "the controller does not start over its store: %s", err.message);
}

bool host_dies(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box(run, has_power);

    if (!box) return false;
    snprintf(trouble->what, sizeof(trouble->what), "%s", box->name);
    run_tell(run, "%s loses its power", box->name);
    box_die(box);
    return true;
}

void host_dies_end(struct run *run, struct trouble *trouble)
{
    start_box(run, world_box(run->world, trouble->what));
}

/* No machine closes a switch that somebody opened. */
void host_resets_end(struct run *run, struct trouble *trouble)
{
    struct box *box = world_box(run->world, trouble->what);
    if (!box->switched_off) start_box(run, box);
}

bool zone_dies(struct run *run, struct trouble *trouble)
{
    const struct swarm *swarm = run->swarm;
    const char *zone = swarm->zones[run_draw(run, 0, (int64_t)swarm->zones_length - 1)];

    snprintf(trouble->what, sizeof(trouble->what), "%s", zone);
    run_tell(run, "rack %s loses its power", zone);
    for (size_t i = 0; i < run->world->boxes_length; i++) {
        struct box *box = &run->world->boxes[i];
        if (text_equal(box->host.zone, zone) && box->on) box_die(box);
    }
    return true;
}

void zone_dies_end(struct run *run, struct trouble *trouble)
{
    for (size_t i = 0; i < run->world->boxes_length; i++)
        if (text_equal(run->world->boxes[i].host.zone, trouble->what)) start_box(run, &run->world->boxes[i]);
}

bool site_dies(struct run *run, struct trouble *trouble)
{
    const struct world *world = run->world;
    const char *zone = world->boxes[run_draw(run, 0, (int64_t)world->boxes_length - 1)].host.zone;

    snprintf(trouble->what, sizeof(trouble->what), "%.*s/", (int)strcspn(zone, "/"), zone);
    run_tell(run, "site %s loses its power", trouble->what);
    for (size_t i = 0; i < world->boxes_length; i++)
        if (text_starts(world->boxes[i].host.zone, trouble->what) && world->boxes[i].on)
            box_die(&world->boxes[i]);
    return true;
}

void site_dies_end(struct run *run, struct trouble *trouble)
{
    for (size_t i = 0; i < run->world->boxes_length; i++)
        if (text_starts(run->world->boxes[i].host.zone, trouble->what)) start_box(run, &run->world->boxes[i]);
}

void hosts_mend(struct run *run)
{
    controller_crash_end(run, NULL);
    for (size_t i = 0; i < run->world->boxes_length; i++) {
        start_box(run, &run->world->boxes[i]);
        start_agent(run, &run->world->boxes[i]);
    }
}

static struct box *draw_box(struct run *run, bool (*fits)(const struct box *box))
{
    struct world *world = run->world;
    size_t first = (size_t)run_draw(run, 0, (int64_t)world->boxes_length - 1);

    for (size_t i = 0; i < world->boxes_length; i++) {
        struct box *box = &world->boxes[(first + i) % world->boxes_length];
        if (fits(box)) return box;
    }
    return NULL;
}

static bool has_agent(const struct box *box)
{
    return box->agent != NULL;
}

static bool has_power(const struct box *box)
{
    return box->on;
}

static void start_agent(struct run *run, struct box *box)
{
    struct error err;

    if (!box->on || box->agent) return;
    run_tell(run, "the agent of %s starts", box->name);
    if (!box_start_agent(box, &err)) run_tell(run, "it does not: %s", err.message);
}

static void start_box(struct run *run, struct box *box)
{
    struct error err;

    if (box->on) return;
    run_tell(run, "%s gets power", box->name);
    if (!box_boot(box, &err)) run_tell(run, "its agent does not start: %s", err.message);
}
