/* Instances that end, or go on without doing anything. */
#include "simulate/inside.h"

#include <limits.h>
#include <stdio.h>

static bool draw_instance(struct run *run, struct fake_host **ret_host, char name[128]);

bool instance_crash(struct run *run, struct trouble *trouble)
{
    struct fake_host *host = NULL;
    char name[128];

    if (!draw_instance(run, &host, name)) return false;
    run_tell(run, "%s crashes", name);
    return fake_host_crash(host, name, 1);
}

bool instance_hang(struct run *run, struct trouble *trouble)
{
    struct fake_host *host = NULL;
    char name[128];

    if (!draw_instance(run, &host, name)) return false;
    run_tell(run, "%s hangs", name);
    return fake_host_hang(host, name);
}

/* Whatever runs by that name: it answers its probes badly, or ends. */
bool instance_sick(struct run *run, struct trouble *trouble)
{
    struct fake_host *host = NULL;

    if (!draw_instance(run, &host, trouble->what)) return false;
    struct fake_script *script = fake_world_script(run->world->truth, trouble->what);
    trouble->amount = run_draw(run, 0, 2);
    run_tell(run, "%s is sick: it %s", trouble->what, trouble->amount ? "ends by itself" : "is not well");
    if (trouble->amount) {
        script->exits = UINT_MAX;
        script->exits_after_ms = run_draw(run, -1, 4000);
        fake_host_crash(host, trouble->what, 1);
    } else {
        script->unhealthy = true;
    }
    return true;
}

void instance_sick_end(struct run *run, struct trouble *trouble)
{
    struct fake_script *script = fake_world_script(run->world->truth, trouble->what);
    run_tell(run, "%s is well", trouble->what);
    script->exits = 0;
    script->unhealthy = false;
}

bool post_fails(struct run *run, struct trouble *trouble)
{
    if (!run->swarm->contacts) return false;
    run_tell(run, "no message to people gets through");
    sim_post_refuse(run->world->post, true);
    return true;
}

void post_fails_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "messages to people get through");
    sim_post_refuse(run->world->post, false);
}

static bool draw_instance(struct run *run, struct fake_host **ret_host, char name[128])
{
    struct vec list = VEC_OF(struct fake_instance);
    size_t length = 0;

    fake_world_list(run->world->truth, &list);
    for (size_t i = 0; i < list.length; i++)
        if (((struct fake_instance *)vec_at(&list, i))->running)
            *(struct fake_instance *)vec_at(&list, length++) = *(struct fake_instance *)vec_at(&list, i);
    if (length > 0) {
        const struct fake_instance *drawn = vec_at(&list, (size_t)run_draw(run, 0, (int64_t)length - 1));
        *ret_host = fake_host_get(run->world->truth, drawn->host);
        snprintf(name, 128, "%s", drawn->name);
    }
    vec_free(&list);
    return length > 0;
}
