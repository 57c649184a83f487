#include "base/text.h"
#include "plan/order/act.h"
#include "plan/recover/recover.h"

void recover_fence(struct work *work)
{
    for (size_t h = 0; h < work->hosts_length; h++) {
        const struct work_host *host = &work->hosts[h];
        if (host->standing != STANDING_DOWN || host->fence_reason) continue;
        const char *reason = arena_printf(
            work->arena, "%s is down: it has to be off before its instances start elsewhere", host->name);
        /* The reason of the fact remembers that it was asked for (plan_apply sets it). */
        if (!text_equal(host->fact->reason, reason)) act_fence(work, h, reason);
    }
    for (size_t n = 0; n < work->instances_length; n++) {
        const struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->host == NONE || work->hosts[i->host].standing != STANDING_DOWN) continue;
        if (instance_leaving(&i->record)) continue;
        act_explain(work, n, INSTANCE_FAILED,
                    arena_printf(work->arena, "waits until %s is known to be off", i->record.host),
                    i->record.move_to);
    }
}
