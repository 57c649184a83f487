/* Who may do what: the questions of the rooms around, answered by plan/lease/rights.h. */
#include "base/text.h"
#include "control/internal.h"

#include <inttypes.h>
#include <string.h>

/* Refusals of a caller that go into the log: so many a minute. */
enum { TOLD_MAX = 10, REFUSED_MAX = 4096 };
#define TOLD_US (INT64_C(60) * 1000 * 1000)

struct refused {
    int64_t since_us;
    int64_t told, untold; /* of this minute; since the last that was told */
};

static const char *subject(struct arena *arena, enum deed deed, const char *target);
static bool may(struct controller *controller, const struct caller *caller, enum deed deed,
                const char *target);
static bool may_see_lease(struct controller *controller, const struct caller *caller,
                          const struct lease *lease);
static const char *party_of_name(struct arena *arena, const char *name);

bool controller_allows(struct controller *controller, const struct caller *caller, enum deed deed,
                       const char *target, const char **ret_right, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();

    return rights_allowed(leases_tree(controller), caller, deed, target, ret_right, err) ||
           error_wrap(err, "%s are not %s's to touch", subject(arena, deed, target), caller->party);
}

bool rights_allowed(const struct lease_tree *tree, const struct caller *caller, enum deed deed,
                    const char *target, const char **ret_right, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *right = rights_allow(tree, caller->party, caller->console, deed, target);
    unsigned held = rights_at_hand(tree, caller->party, caller->console);

    if (right) {
        if (ret_right) *ret_right = right;
        return true;
    }
    bool shared = deed == DEED_HOST || deed == DEED_SERVICE;
    return error_set(err, ERROR_DENIED, "it takes the right %s%s%s, and %s has %s",
                     rights_needed(arena, deed), shared ? "" : " over ", shared ? "" : target, caller->name,
                     rights_text(arena, held));
}

static const char *subject(struct arena *arena, enum deed deed, const char *target)
{
    static const char *const things[DEEDS] = {
        [DEED_LOOK] = "affairs",
        [DEED_LOOK_INSIDE] = "farms",
        [DEED_HOST] = "hosts and pools",
        [DEED_FARM] = "farms",
        [DEED_VERSION] = "farms",
        [DEED_INSTANCE] = "instances",
        [DEED_FILTER] = "filters",
        [DEED_CONTACT] = "contacts",
        [DEED_KEY] = "keys",
        [DEED_IMAGE] = "images",
        [DEED_PARTY] = "documents",
        [DEED_LEASE] = "leases given",
        [DEED_TOKEN] = "tokens",
        [DEED_SERVICE] = "service levels and rules",
    };
    if (deed == DEED_HOST || deed == DEED_SERVICE) return things[deed];
    return arena_printf(arena, deed == DEED_LEASE ? "%s by %s" : "%s of %s", things[deed], target);
}

bool caller_may_see(struct controller *controller, const struct caller *caller, enum record_kind kind,
                    const struct record *record)
{
    const void *object = record->object;

    if (text_equal(caller->party, PARTY_LANDLORD) && caller->console == CONSOLE_ANY) return true;
    switch (kind) {
    case RECORD_FARM:
        return may(controller, caller, DEED_LOOK, ((const struct farm *)object)->party);
    case RECORD_INSTANCE:
        return may(controller, caller, DEED_LOOK, ((const struct instance *)object)->party);
    case RECORD_PARTY: /* its own, whatever it holds: it has to learn what that is */
        return text_equal(((const struct party *)object)->name, caller->party) ||
               may(controller, caller, DEED_LOOK, ((const struct party *)object)->name);
    case RECORD_LEASE:
        return may_see_lease(controller, caller, object);
    case RECORD_IMAGE:
        return text_equal(((const struct image *)object)->party, PARTY_LANDLORD) ||
               may(controller, caller, DEED_LOOK, ((const struct image *)object)->party) ||
               may(controller, caller, DEED_IMAGE, ((const struct image *)object)->party);
    case RECORD_FILTER:
        return may(controller, caller, DEED_LOOK, ((const struct filter *)object)->party);
    case RECORD_CONTACT:
        return may(controller, caller, DEED_LOOK, ((const struct contact *)object)->party);
    case RECORD_KEY:
        return may(controller, caller, DEED_LOOK, ((const struct party_key *)object)->name);
    case RECORD_SLA: /* the price list, and what the promises are worth */
    case RECORD_SCALING_RULES:
        return true;
    case RECORD_HOST:
    case RECORD_POOL:
    case RECORD_HOST_FACT:
        return may(controller, caller, DEED_HOST, PARTY_LANDLORD) ||
               may(controller, caller, DEED_LOOK, PARTY_LANDLORD);
    case RECORD_FARM_FACT:
        return may(controller, caller, DEED_LOOK, PARTY_LANDLORD);
    case RECORD_KINDS:
        return false;
    }
    UNREACHABLE();
}

bool caller_may_see_event(struct controller *controller, const struct caller *caller, const char *kind,
                          const char *name)
{
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (text_equal(caller->party, PARTY_LANDLORD) && caller->console == CONSOLE_ANY) return true;
    if (text_equal(kind, "host") || text_equal(kind, "pool"))
        return may(controller, caller, DEED_HOST, PARTY_LANDLORD) ||
               may(controller, caller, DEED_LOOK, PARTY_LANDLORD);
    if (text_equal(kind, "lease")) {
        const struct record *record = mirror_get(controller->mirror, RECORD_LEASE, name);
        return record ? may_see_lease(controller, caller, record->object)
                      : may(controller, caller, DEED_LOOK, PARTY_LANDLORD);
    }
    if (text_equal(kind, "party"))
        return text_equal(name, caller->party) || may(controller, caller, DEED_LOOK, name);
    return may(controller, caller, DEED_LOOK, party_of_name(arena, name));
}

/* A token's refusals are told as events; where they come in crowds, how many there were. */
void controller_note_refusal(struct controller *controller, const struct caller *caller, const char *what,
                             const struct error *why)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t now_us = clock->steady_us(clock->self);
    struct refused *refused = map_get(controller->refused, caller->name);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *reason = arena_printf(arena, "%.100s: %s", what, why->message);
    struct error err;

    if (!refused && map_length(controller->refused) == REFUSED_MAX) { /* tokens come and go */
        rights_free(controller->refused);
        controller->refused = map_new();
    }
    if (!refused) {
        refused = mem_alloc(sizeof(*refused));
        refused->since_us = now_us;
        map_put(controller->refused, caller->name, refused);
    }
    if (now_us - refused->since_us >= TOLD_US) {
        refused->since_us = now_us;
        refused->told = 0;
    }
    if (refused->told == TOLD_MAX) {
        refused->untold++;
        return;
    }
    refused->told++;
    if (refused->untold > 0)
        reason = arena_printf(arena, "%s (and %" PRId64 " more before)", reason, refused->untold);
    refused->untold = 0;
    change_event(change, control_now_ms(controller), caller->name, "party", caller->party, "denied", reason);
    if (!change_commit(change, NULL, &err))
        control_log(controller, "writing down a refusal", &err);
    else
        control_dispatch(controller);
}

void rights_free(struct map *refused)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(refused, &cursor, NULL, &value))
        mem_free(value);
    map_free(refused);
}

static bool may(struct controller *controller, const struct caller *caller, enum deed deed,
                const char *target)
{
    return rights_allow(leases_tree(controller), caller->party, caller->console, deed, target) != NULL;
}

/* Its own and those that it gives, whatever it holds; and those below. */
static bool may_see_lease(struct controller *controller, const struct caller *caller,
                          const struct lease *lease)
{
    return text_equal(lease->to, caller->party) || text_equal(lease->from, caller->party) ||
           may(controller, caller, DEED_LOOK, lease->to);
}

/* "acme/shop/web-1" is acme's; what has no party in its name is the landlord's. */
static const char *party_of_name(struct arena *arena, const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? arena_strndup(arena, name, (size_t)(slash - name)) : PARTY_LANDLORD;
}
