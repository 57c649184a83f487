/* Hardware that goes bad, and is well again. That hosts go on as before is what makes it a matter of policy.
 */
#include "simulate/inside.h"

#include <stdio.h>

enum { BEARS = 80, COOL = 40, HOT = 97 };

static struct box *draw_box(struct run *run, struct trouble *trouble);
static void heat(struct run *run, const struct trouble *trouble, int64_t degrees);

bool memory_errors(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box(run, trouble);
    int64_t more = run_draw(run, 1, 40);
    int64_t before = sim_hardware_value(box->hardware, FINDING_MEMORY_ERRORS, WORLD_MEMORY);
    const struct hardware_reading reading = {FINDING_MEMORY_ERRORS, WORLD_MEMORY, before + more, 0};

    run_tell(run, "the memory of %s corrects %lld errors", box->name, (long long)more);
    sim_hardware_say(box->hardware, &reading);
    return true;
}

bool disk_fails(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box(run, trouble);
    const struct hardware_reading reading = {FINDING_DISK_FAILS, WORLD_DISK, 1, 0};

    run_tell(run, "the disk of %s says that it fails", box->name);
    sim_hardware_say(box->hardware, &reading);
    return true;
}

void disk_fails_end(struct run *run, struct trouble *trouble)
{
    const struct hardware_reading reading = {FINDING_DISK_FAILS, WORLD_DISK, 0, 0};

    run_tell(run, "%s has another disk", trouble->what);
    sim_hardware_say(world_box(run->world, trouble->what)->hardware, &reading);
}

/* One host, or the air of them all. */
bool overheats(struct run *run, struct trouble *trouble)
{
    const struct box *box = draw_box(run, trouble);

    if (run_draw(run, 1, 3) == 1) trouble->what[0] = '\0';
    run_tell(run, "%s %s too hot", trouble->what[0] ? box->name : "all hosts",
             trouble->what[0] ? "is" : "are");
    heat(run, trouble, HOT);
    return true;
}

void overheats_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "%s cool again", trouble->what[0] ? trouble->what : "all hosts are");
    heat(run, trouble, COOL);
}

static void heat(struct run *run, const struct trouble *trouble, int64_t degrees)
{
    const struct hardware_reading reading = {FINDING_HOT, WORLD_SENSOR, degrees, BEARS};

    for (size_t i = 0; i < run->world->boxes_length; i++) {
        struct box *box = &run->world->boxes[i];
        if (trouble->what[0] == '\0' || box == world_box(run->world, trouble->what))
            sim_hardware_say(box->hardware, &reading);
    }
}

static struct box *draw_box(struct run *run, struct trouble *trouble)
{
    struct box *box = &run->world->boxes[run_draw(run, 0, (int64_t)run->world->boxes_length - 1)];

    snprintf(trouble->what, sizeof(trouble->what), "%s", box->name);
    return box;
}
