#include "plan/order/act.h"

#include "plan/place/address.h"
#include "plan/place/place.h"
#include "plan/place/quota.h"
#include "plan/recover/recover.h"

#include "base/text.h"

static struct action *push(struct work *work, enum action_kind kind, size_t instance, const char *reason);
static bool fold(struct work *work, enum action_kind kind, size_t instance, const char *reason);
static void explain(struct work *work, size_t instance, enum instance_state state, const char *reason,
                    const char *move_to);
static const char *room_on(const struct work *work, const struct work_instance *i);
static bool is_room_on(const struct instance *record, const char *host);
static bool is_same_cause(const char *was, const char *is);
static bool is_obstacle(const char *reason);
static void grow(struct work *work);
static void set_state(struct work *work, struct instance *record, enum instance_state state);

size_t act_create(struct work *work, size_t tier, enum instance_wanted wanted, const char *reason)
{
    struct work_tier *t = &work->tiers[tier];
    struct work_farm *farm = &work->farms[t->farm];
    if (farm->fact.vni == 0) return NONE;
    struct instance record = {
        .name =
            arena_printf(work->arena, "%s/%s-%lld", farm->name, t->intent->name, (long long)t->number_next),
        .party = farm->intent->party,
        .farm = farm->name,
        .tier = t->intent->name,
        .number = t->number_next,
        .wanted = wanted,
        .host = "",
        .move_to = "",
        .last_host = "",
        .room_on = "",
        .frontends_hash = "",
        .publish_taken = "",
        .state = INSTANCE_PENDING,
        .since_ms = work->now_ms,
        .reason = reason,
    };
    t->number_next++;
    place_renew(work, tier, &record);
    size_t instance = work_add(work, &record, t->farm, tier);
    /* Without an address left it waits: place.c asks again and says so. */
    if (!address_give(work, instance)) work_edit(work, instance)->address = 0;
    work->instances[instance].made_for = reason;
    quota_enter(work, instance); /* it waits */
    push(work, ACTION_CREATE, instance, reason);
    return instance;
}

void act_place(struct work *work, size_t instance, size_t host, int step, const char *reason)
{
    struct work_instance *i = &work->instances[instance];
    bool is_new = i->action != NONE && work->actions[i->action].kind == ACTION_CREATE;

    recover_break_promise(work, instance);
    quota_leave(work, instance); /* the old size leaves the accounts before the new one enters */
    work_set_host(work, instance, NONE);
    if (is_new) work->actions[i->action].instance = NULL; /* it will say this, too: fold() */
    struct instance *record = work_edit(work, instance);
    place_renew(work, i->tier, record);
    record->incarnation++;
    record->wanted = record->wanted == WANTED_WARM ? WANTED_WARM : WANTED_RUN;
    record->move_to = record->last_host = record->room_on = "";
    record->health = HEALTH_UNKNOWN;
    record->restarts = 0;
    record->drained = false;
    record->frontends_hash = "";
    record->publish_taken = "";
    record->state = INSTANCE_PENDING;
    record->since_ms = work->now_ms;
    if (is_new) reason = arena_printf(work->arena, "%s; %s", i->made_for, reason);
    record->reason = reason;
    record->host = work->hosts[host].name;
    recover_mend_placed(work, instance);
    work_set_host(work, instance, host);
    work_rank(work, instance);
    quota_enter(work, instance);
    if (is_new) {
        fold(work, ACTION_PLACE, instance, reason);
        return;
    }
    push(work, ACTION_PLACE, instance, reason)->step = step;
}

void act_activate(struct work *work, size_t instance, const char *reason)
{
    quota_leave(work, instance);
    struct instance *record = work_edit(work, instance);
    if (record->state == INSTANCE_DRAINING) set_state(work, record, INSTANCE_RUNNING);
    record->last_host = "";
    record->drained = false;
    record->reason = reason;
    work_want(work, instance, WANTED_RUN);
    quota_enter(work, instance);
    push(work, ACTION_ACTIVATE, instance, reason);
}

void act_drain(struct work *work, size_t instance, const char *reason)
{
    quota_leave(work, instance);
    struct instance *record = work_edit(work, instance);
    work_want(work, instance, WANTED_DRAIN);
    record->drained = false;
    set_state(work, record, INSTANCE_DRAINING);
    record->reason = reason;
    quota_enter(work, instance);
    push(work, ACTION_DRAIN, instance, reason);
}

void act_stop(struct work *work, size_t instance, const char *reason)
{
    quota_leave(work, instance);
    struct instance *record = work_edit(work, instance);
    work_want(work, instance, WANTED_GONE);
    set_state(work, record, INSTANCE_WIPING);
    record->reason = reason;
    quota_enter(work, instance);
    push(work, ACTION_STOP, instance, reason);
}

void act_unplace(struct work *work, size_t instance, const char *reason)
{
    struct work_instance *i = &work->instances[instance];
    quota_leave(work, instance);
    i->from = i->host;
    work_set_host(work, instance, NONE);
    struct instance *record = work_edit(work, instance);
    record->host = "";
    work_want(work, instance, WANTED_RUN);
    record->health = HEALTH_UNKNOWN;
    record->drained = false;
    set_state(work, record, INSTANCE_PENDING);
    record->reason = reason;
    quota_enter(work, instance);
    push(work, ACTION_UNPLACE, instance, reason);
}

void act_forget(struct work *work, size_t instance, const char *reason)
{
    struct work_instance *i = &work->instances[instance];
    address_release(work, instance);
    quota_leave(work, instance);
    work_set_host(work, instance, NONE);
    work_edit(work, instance)->host = "";
    push(work, ACTION_FORGET, instance, reason);
    i->forgotten = true;
    work->farms[i->farm].living--;
}

void act_explain(struct work *work, size_t instance, enum instance_state state, const char *reason,
                 const char *move_to)
{
    struct work_instance *i = &work->instances[instance];
    if (i->why && text_equal(move_to, i->why_move_to)) return;
    if (i->why && !text_equal(i->why_move_to, i->record->move_to)) return;
    i->why = reason;
    i->why_state = state;
    i->why_move_to = move_to;
}

void act_explain_all(struct work *work)
{
    for (size_t k = 0; k < work->list.length; k++) {
        size_t n = work->list.items[k];
        struct work_instance *i = &work->instances[n];
        if (i->forgotten) continue;
        if (i->why)
            explain(work, n, i->why_state, i->why, i->why_move_to);
        else if (i->host != NONE && is_obstacle(i->record->reason))
            explain(work, n, i->record->state, "what stood in its way is gone", i->record->move_to);
        else if (!is_room_on(i->record, room_on(work, i)))
            explain(work, n, i->record->state, "no other place is needed any more", i->record->move_to);
        work->farms[i->farm].explained |= i->why != NULL;
        i->why = NULL;
    }
}

void act_mend(struct work *work, size_t instance, const char *reason)
{
    work_edit(work, instance)->reason = reason;
    push(work, ACTION_MEND, instance, reason);
}

void act_fence(struct work *work, size_t host, const char *reason)
{
    grow(work);
    work->hosts[host].fence_reason = reason;
    work->actions[work->actions_length++] =
        (struct action){.kind = ACTION_FENCE, .name = work->hosts[host].name, .host = "", .reason = reason};
    work->changes++;
}

void act_host(struct work *work, const struct host_fact *fact, const char *reason)
{
    grow(work);
    work->actions[work->actions_length++] = (struct action){
        .kind = ACTION_HOST, .name = fact->name, .host = "", .reason = reason, .host_fact = fact};
    work->changes++;
}

static void explain(struct work *work, size_t instance, enum instance_state state, const char *reason,
                    const char *move_to)
{
    const struct work_instance *i = &work->instances[instance];
    const struct instance *was = i->record;
    const char *room = room_on(work, i);
    if (i->told && is_same_cause(i->told->reason, reason)) reason = i->told->reason;
    if (was->state == state && text_equal(was->reason, reason) && text_equal(was->move_to, move_to) &&
        is_room_on(was, room))
        return;
    struct instance *record = work_edit(work, instance);
    if (record->state != state) set_state(work, record, state);
    record->reason = reason;
    record->move_to = move_to;
    record->room_on = room;
    if (!fold(work, ACTION_EXPLAIN, instance, reason)) push(work, ACTION_EXPLAIN, instance, reason);
}

/* Where room is made for it now: a plan keeps what an earlier one began. */
static const char *room_on(const struct work *work, const struct work_instance *i)
{
    return i->owed ? work->hosts[i->promise].name : "";
}

static bool is_room_on(const struct instance *record, const char *host)
{
    return text_equal(record->room_on ? record->room_on : "", host);
}

/* Where there is no room the figures change with every placement anywhere; a new explanation is only worth
 * its while when another thing is missing. */
static bool is_same_cause(const char *was, const char *is)
{
    static const char *const causes[] = {"cpus (most",   "memory (most",     "disk (most", "network (most",
                                         "which spread", "of another class", "kept free"};
    const char *detail = strstr(is, ": of ");
    if (text_equal(was, is)) return true;
    if (detail == NULL || strncmp(was, is, (size_t)(detail - is) + strlen(": of ")) != 0) return false;
    for (size_t n = 0; n < LENGTH(causes); n++)
        if ((strstr(was, causes[n]) != NULL) != (strstr(is, causes[n]) != NULL)) return false;
    return true;
}

/* Something stood in the way of a change to an instance that runs: true only as long as a pass says it again.
 */
static bool is_obstacle(const char *reason)
{
    return text_starts(reason, "keeps its older form: ") || text_starts(reason, "its move to ") ||
           strstr(reason, " is to be emptied, but: ") != NULL;
}

/* A new action about an instance. What only explained it before is overtaken. */
static struct action *push(struct work *work, enum action_kind kind, size_t instance, const char *reason)
{
    struct work_instance *i = &work->instances[instance];
    if (i->action != NONE && work->actions[i->action].kind == ACTION_EXPLAIN)
        work->actions[i->action].name = NULL;
    i->why = NULL;
    grow(work);
    i->action = work->actions_length;
    struct action *action = &work->actions[work->actions_length++];
    *action = (struct action){.kind = kind,
                              .name = i->record->name,
                              .host = i->record->host,
                              .reason = reason,
                              .instance = i->record};
    work->changes++;
    work->farms[i->farm].acted = true;
    return action;
}

/* A creation, or another explanation, of this plan takes the news in: one action says both. */
static bool fold(struct work *work, enum action_kind kind, size_t instance, const char *reason)
{
    struct work_instance *i = &work->instances[instance];
    if (i->action == NONE) return false;
    struct action *action = &work->actions[i->action];
    bool takes = action->kind == ACTION_CREATE ||
                 (kind == ACTION_EXPLAIN && action->kind == ACTION_EXPLAIN) ||
                 (kind == ACTION_EXPLAIN && action->kind == ACTION_UNPLACE);
    if (!takes) return false;
    i->why = NULL;
    action->host = i->record->host;
    action->reason = reason;
    action->instance = i->record;
    work->changes++;
    return true;
}

static void grow(struct work *work)
{
    if (work->actions_length < work->actions_capacity) return;
    size_t capacity = work->actions_capacity ? 2 * work->actions_capacity : 64;
    work->actions = mem_realloc_array(work->actions, capacity, sizeof(*work->actions));
    work->actions_capacity = capacity;
}

static void set_state(struct work *work, struct instance *record, enum instance_state state)
{
    if (instance_steady(record, work->now_ms)) record->wanders = 0;
    record->state = state;
    record->since_ms = work->now_ms;
}
