#include "base/text.h"
#include "plan/order/act.h"
#include "plan/recover/recover.h"

void recover_fence(struct work *work)
{
    for (size_t k = 0; k < work->down.length; k++) {
        size_t h = work->down.items[k];
        const struct work_host *host = &work->hosts[h];
        if (host->standing != STANDING_DOWN || host->fence_reason) continue;
        const char *reason = arena_printf(
            work->arena, "%s is down: it has to be off before its instances start elsewhere", host->name);
        /* The reason of the fact remembers that it was asked for (plan_apply sets it). */
        if (!text_equal(host->fact->reason, reason)) act_fence(work, h, reason);
    }
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        const struct work_instance *i = &work->instances[n];
        if (i->forgotten || i->host == NONE || work->hosts[i->host].standing != STANDING_DOWN) continue;
        if (instance_leaving(i->record)) continue;
        act_explain(work, n, INSTANCE_FAILED,
                    arena_printf(work->arena, "waits until %s is known to be off", i->record->host),
                    i->record->move_to);
    }
}
