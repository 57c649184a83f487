#include "plan/order/act.h"

/* What comes before what: a farm's network before its first instance, all that ends before its network is
 * returned, and what is decided about one instance in the order in which it was decided. Three groups keep
 * all of it; inside a group the order of decision stays, in which room is freed before it is taken. */
enum group { GROUP_GIVE, GROUP_INSTANCES, GROUP_TAKE_BACK, GROUPS };

static enum group group_of(const struct action *action);

struct plan order_plan(struct work *work)
{
    size_t length = 0;
    struct action *actions =
        arena_alloc_array(work->arena, work->actions_length + work->farms_length + 1, sizeof(*actions));

    for (size_t f = 0; f < work->farms_length; f++) {
        const struct work_farm *farm = &work->farms[f];
        if (!farm->fact_changed || farm->fact.vni == 0) continue;
        actions[length++] = (struct action){.kind = ACTION_FARM,
                                            .name = farm->name,
                                            .host = "",
                                            .reason = farm->fact_reason,
                                            .farm_fact = farm->fact};
    }
    for (int group = GROUP_GIVE; group < GROUPS; group++)
        for (size_t a = 0; a < work->actions_length; a++)
            if (work->actions[a].name != NULL && group_of(&work->actions[a]) == (enum group)group)
                actions[length++] = work->actions[a];
    for (size_t f = 0; f < work->farms_length; f++) {
        const struct work_farm *farm = &work->farms[f];
        if (!farm->fact_changed || farm->fact.vni != 0) continue;
        actions[length++] = (struct action){.kind = ACTION_FARM,
                                            .name = farm->name,
                                            .host = "",
                                            .reason = farm->fact_reason,
                                            .farm_fact = {.name = farm->name}};
    }
    return (struct plan){.actions = actions, .actions_length = length, .again_ms = work->again_ms};
}

static enum group group_of(const struct action *action)
{
    return action->kind == ACTION_FENCE ? GROUP_GIVE : GROUP_INSTANCES;
}
