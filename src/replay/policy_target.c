/* The ordinary reactive rule: Kubernetes' horizontal pod autoscaler with its documented defaults
 * (kubernetes.io, Horizontal Pod Autoscaling: algorithm details, default behavior; kube-controller-manager).
 */
#include "plan/share/number.h"
#include "replay/inside.h"

enum {
    SYNC_MS = 15000,                /* --horizontal-pod-autoscaler-sync-period */
    DOWN_WINDOW = 300000 / SYNC_MS, /* behavior.scaleDown.stabilizationWindowSeconds: 300 */
    UP_PODS = 4,                    /* behavior.scaleUp: 4 pods or 100 % in 15 s, what is more */
};
static const double utilisation_target = 0.8, /* metrics: none given means 80 % of cpu */
    tolerance = 0.1;                          /* --horizontal-pod-autoscaler-tolerance */

struct past {
    int64_t desired[DOWN_WINDOW];
    size_t next;
};

static void begin(struct replay_world *world);
static void decide(struct replay_world *world);

const struct policy policy_target = {SYNC_MS, -1, begin, decide, replay_share_simply};

static void begin(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        farm->policy = arena_alloc(world->arena, sizeof(struct past));
        farm->seen_rate = replay_rate(farm, 0);
    }
}

/* Scaling up is at once, scaling down to the most that was recommended in the window. */
static void decide(struct replay_world *world)
{
    for (size_t i = 0; i < world->length; i++) {
        struct replay_farm *farm = &world->farms[i];
        struct past *past = farm->policy;
        int64_t current = farm->station.serving + (int64_t)farm->coming.length, most = 0;
        double ratio =
            current > 0 ? farm->seen_rate / farm->capacity / (double)current / utilisation_target : 0;
        int64_t desired = (int64_t)number_ceil((double)current * ratio);
        if (world->now_ms == 0)
            desired = current = (int64_t)number_ceil(farm->seen_rate / farm->capacity / utilisation_target);
        else if (ratio >= 1 - tolerance && ratio <= 1 + tolerance)
            desired = current;
        past->desired[past->next++ % DOWN_WINDOW] = desired;
        for (size_t k = 0; k < DOWN_WINDOW && k < past->next; k++)
            if (past->desired[k] > most) most = past->desired[k];
        int64_t up = current + UP_PODS > 2 * current ? current + UP_PODS : 2 * current;
        farm->wanted = desired > current ? desired : most < current ? most : current;
        if (world->now_ms > 0 && farm->wanted > up) farm->wanted = up;
        if (farm->wanted < farm->tier->count.committed) farm->wanted = farm->tier->count.committed;
        if (farm->wanted > farm->tier->count.max) farm->wanted = farm->tier->count.max;
    }
}
