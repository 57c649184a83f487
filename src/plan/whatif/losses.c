#include "plan/whatif/losses.h"

#include "base/vec.h"

struct undo {
    size_t instance, was; /* its host */
};

struct losses {
    struct fleet *fleet;
    bool *lost; /* by host */
    struct vec done;
};

static bool goes(const struct losses *losses, const struct fleet_instance *instance);

struct losses *losses_begin(struct arena *arena, struct fleet *fleet)
{
    struct losses *losses = arena_alloc(arena, sizeof(*losses));
    losses->fleet = fleet;
    losses->lost = arena_alloc_array(arena, fleet->hosts_length + 1, sizeof(*losses->lost));
    losses->done = VEC_OF(struct undo);
    fleet_try(fleet);
    return losses;
}

void losses_end(struct losses *losses)
{
    for (size_t n = losses->done.length; n > 0; n--) {
        const struct undo *undo = vec_at(&losses->done, n - 1);
        losses->fleet->instances[undo->instance].host = undo->was;
    }
    vec_free(&losses->done);
    fleet_try_end(losses->fleet);
}

bool losses_add(struct losses *losses, const size_t *hosts, size_t length)
{
    struct fleet *fleet = losses->fleet;

    for (size_t h = 0; h < length; h++) {
        losses->lost[hosts[h]] = true;
        fleet_set_usable(fleet, hosts[h], false);
    }
    fleet_weigh(fleet);
    for (size_t n = 0; n < fleet->instances_length; n++) { /* by rank */
        struct fleet_instance *instance = &fleet->instances[n];
        if (!goes(losses, instance)) continue;
        size_t host = fleet_find(fleet, &instance->again, instance->host, n);
        if (host == FLEET_NONE) return false;
        *(struct undo *)vec_push(&losses->done) = (struct undo){n, instance->host};
        fleet_take(fleet, host, &instance->again, 1);
        instance->host = host; /* from now on its tier counts it there */
    }
    return true;
}

static bool goes(const struct losses *losses, const struct fleet_instance *instance)
{
    enum instance_wanted wanted = instance->record->wanted;
    return instance->host != FLEET_NONE && losses->lost[instance->host] && wanted != WANTED_DRAIN &&
           wanted != WANTED_GONE;
}
