/* How long it takes from the decision that an instance shall serve until it does. */
#include "base/text.h"
#include "control/load_inside.h"

static void note_lead(struct load *load, const struct instance *instance, int64_t lead_ms);

/* An instance is decided when it first is there, with no place yet or on its way to it, and serves when its
 * host first finds it well: the next document of its balancer has it, some milliseconds later. One that
 * waited at the door is there at once, and tells nothing of how long it takes to make one; nor does one that
 * was under way when this controller began. */
void load_instance_changed(struct controller *controller, const char *name, const struct instance *instance)
{
    struct load *load = controller->load;
    int64_t now_ms = control_now_ms(controller);
    int64_t *decided_ms = map_get(load->decided, name);

    if (!instance || instance->wanted != WANTED_RUN) {
        mem_free(map_remove(load->decided, name));
    } else if (decided_ms && instance->state == INSTANCE_RUNNING && instance->health == HEALTH_GOOD) {
        note_lead(load, instance, now_ms - *decided_ms);
        mem_free(map_remove(load->decided, name));
    } else if (!decided_ms && instance->state == INSTANCE_PENDING && instance->incarnation <= 1 &&
               !text_equal(instance->tier, TIER_BALANCE)) {
        decided_ms = mem_alloc(sizeof(*decided_ms));
        *decided_ms = now_ms;
        map_put(load->decided, name, decided_ms);
    }
}

int64_t load_lead_ms(struct controller *controller, const char *farm, const char *tier, bool *ret_measured)
{
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, tier);
    const struct load_leads *leads = map_get(controller->load->leads, key);
    int64_t sorted[LOAD_LEADS];

    if (ret_measured) *ret_measured = leads != NULL;
    if (!leads) return LOAD_LEAD_MS_DEFAULT;
    for (size_t i = 0; i < leads->filled; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > leads->leads_ms[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = leads->leads_ms[i];
    }
    return sorted[leads->filled / 2];
}

static void note_lead(struct load *load, const struct instance *instance, int64_t lead_ms)
{
    CLEANUP_MEM char *key = mem_printf("%s/%s", instance->farm, instance->tier);
    struct load_leads *leads = map_get(load->leads, key);

    if (!leads) {
        leads = mem_alloc(sizeof(*leads));
        map_put(load->leads, key, leads);
    }
    leads->leads_ms[leads->next] = lead_ms;
    leads->next = (leads->next + 1) % LOAD_LEADS;
    if (leads->filled < LOAD_LEADS) leads->filled++;
}
