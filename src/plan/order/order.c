#include "plan/order/act.h"

#include "base/text.h"

/* What comes before what: a farm's network before its first instance, all that ends before its network is
 * returned, and what is decided about one instance in the order in which it was decided. These groups keep
 * all of it; inside a group the order of decision stays, in which room is freed before it is taken. The last
 * one is what only fills the pool of warm instances: nobody waits for it. */
enum group { GROUP_HOSTS, GROUP_INSTANCES, GROUP_WARM, GROUPS };

static struct action action_of(const struct work *work, const struct work_farm *farm,
                               const struct farm_fact *fact);
static void sort(struct work *work, enum group *ret_groups);
static bool says_nothing(const struct work *work, const struct work_instance *i);

struct plan order_plan(struct work *work)
{
    size_t length = 0, urgent_length = 0;
    struct action *actions =
        arena_alloc_array(work->arena, work->actions_length + work->active.length + 1, sizeof(*actions));
    enum group *groups = arena_alloc_array(work->arena, work->actions_length + 1, sizeof(*groups));

    for (size_t k = 0; k < work->active.length; k++) {
        const struct work_farm *farm = &work->farms[work->active.items[k]];
        if (!farm->fact_changed || farm->fact.vni == 0) continue;
        actions[length++] = action_of(work, farm, &farm->fact);
    }
    sort(work, groups);
    for (int group = GROUP_HOSTS; group < GROUPS; group++) {
        if (group == GROUP_WARM) urgent_length = length;
        for (size_t a = 0; a < work->actions_length; a++)
            if (work->actions[a].name != NULL && groups[a] == (enum group)group)
                actions[length++] = work->actions[a];
    }
    for (size_t k = 0; k < work->active.length; k++) {
        const struct work_farm *farm = &work->farms[work->active.items[k]];
        if (!farm->fact_changed || farm->fact.vni != 0) continue;
        const struct farm_fact none = {.name = farm->name};
        actions[length++] = action_of(work, farm, &none);
    }
    return (struct plan){.actions = actions, .actions_length = length, .urgent_length = urgent_length};
}

static struct action action_of(const struct work *work, const struct work_farm *farm,
                               const struct farm_fact *fact)
{
    struct farm_fact *copy = arena_alloc(work->arena, sizeof(*copy));
    *copy = *fact;
    return (struct action){
        .kind = ACTION_FARM, .name = farm->name, .host = "", .reason = farm->fact_reason, .farm_fact = copy};
}

/* A creation that is the newest word on its instance is the only one. */
static void sort(struct work *work, enum group *ret_groups)
{
    for (size_t a = 0; a < work->actions_length; a++)
        ret_groups[a] = work->actions[a].kind == ACTION_FENCE || work->actions[a].kind == ACTION_HOST
                            ? GROUP_HOSTS
                            : GROUP_INSTANCES;
    for (size_t k = 0; k < work->list.length; k++) {
        const struct work_instance *i = &work->instances[work->list.items[k]];
        if (i->action == NONE) continue;
        struct action *action = &work->actions[i->action];
        if (action->kind == ACTION_CREATE && i->record->wanted == WANTED_WARM)
            ret_groups[i->action] = GROUP_WARM;
        if (action->kind == ACTION_EXPLAIN && says_nothing(work, i)) action->name = NULL;
    }
}

/* Passes that explained one thing and then what is known already decided nothing. */
static bool says_nothing(const struct work *work, const struct work_instance *i)
{
    const struct instance *told = i->told, *is = i->record;
    return told && !i->forgotten && told->state == is->state && told->wanted == is->wanted &&
           i->host == i->told_host && told->incarnation == is->incarnation &&
           told->failures == is->failures && told->mend_step == is->mend_step &&
           text_equal(told->reason, is->reason) && text_equal(told->move_to, is->move_to);
}
