/* Leases of parties: nobody gives more than he holds; what has ended is repossessed, and what is leased again
 * may run again. A farm's fact says so, for the planner and for all who count: it is written in the
 * transaction of whatever makes it so, and put right by settle() whenever it is not (at the start, or where
 * more farms follow than one transaction takes).
 *
 * What it left goes after that: documents of hosts that have keys of such a party say so (plan/document), and
 * an agent destroys them with the last instance of the party. */
#include "base/planted.h"
#include "base/text.h"
#include "control/internal.h"
#include "plan/document/find.h"
#include "plan/lease/lease.h"

#include <stdio.h>
#include <string.h>

/* So much of a transaction, of at most what a farm writes: its fact, rows of the books, events of levels. */
enum { STAGED_MAX = STORE_OPS_LENGTH_MAX / 4, FARM_WRITES = 8, TIER_WRITES = 2 };
enum { BELOW_MAX = 1000 };
enum { LOOK_US = 1000 * 1000 }; /* the wall's clock may jump */

static void settle_soon(struct controller *controller);
static void settle(void *ctx);
static bool stage_ends(struct controller *controller, struct arena *arena, struct change *change,
                       struct snapshot *then);
static struct snapshot with_lease(struct arena *arena, const struct snapshot *now, const struct lease *lease);
static void stage_farm(struct controller *controller, struct arena *arena, struct change *change,
                       const struct farm *farm, const struct farm_fact *fact, const char *ended);
static const char *ended_of(const struct lease_tree *tree, const struct farm *farm);
static bool is_settled(const struct farm_fact *fact, const char *ended);
static bool check_kept(struct controller *controller, const struct lease *lease, struct error *err);
static bool check_severed(struct controller *controller, const struct caller *caller,
                          const struct lease *lease, struct error *err);
static const char *end_reason(struct arena *arena, const struct caller *caller, const char *reason);

void leases_start(struct controller *controller)
{
    controller->leases_started = true;
    settle_soon(controller);
}

void leases_stop(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;

    clock->cancel(clock->self, controller->leases_turn);
    lease_tree_free(controller->lease_tree);
}

const struct lease_tree *leases_tree(struct controller *controller)
{
    if (!controller->lease_tree) controller->lease_tree = lease_tree_new(mirror_snapshot(controller->mirror));
    return controller->lease_tree;
}

void leases_changed(struct controller *controller, enum record_kind kind, const char *name)
{
    if (kind == RECORD_PARTY || kind == RECORD_LEASE) {
        lease_tree_free(controller->lease_tree);
        controller->lease_tree = NULL;
        if (controller->leases_started) settle_soon(controller);
    }
    if (kind == RECORD_FARM && controller->leases_started) {
        const struct record *farm = mirror_get(controller->mirror, kind, name);
        const struct record *fact = mirror_get(controller->mirror, RECORD_FARM_FACT, name);
        if (farm && !is_settled(fact ? fact->object : NULL, ended_of(leases_tree(controller), farm->object)))
            settle_soon(controller);
    }
}

bool leases_check(struct controller *controller, const struct caller *caller, const struct lease_tree *then,
                  const struct documents *documents, const char *file, struct error *err)
{
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        char field[sizeof(err->field)];
        if (document->kind->kind != KIND_LEASE) continue;
        const struct record *record = mirror_get(controller->mirror, RECORD_LEASE, document->name);
        CLEANUP_BUF struct buf json = {0};
        schema_write(&schema_lease, "Lease", document->lease, &json);
        if (record && text_equal(record->json, buf_text(&json))) continue; /* it says nothing new */
        if (check_kept(controller, document->lease, err) &&
            check_severed(controller, caller, document->lease, err) &&
            lease_check(then, document->lease, control_now_ms(controller), err))
            continue;
        snprintf(field, sizeof(field), "%s", err->field);
        field[strcspn(err->field, ".")] = '\0';
        const struct node start = {.line = document->line, .column = document->column};
        const struct node *node = node_get(document->node, field);
        snprintf(field, sizeof(field), "%s", err->field);
        snprintf(err->file, sizeof(err->file), "%s", file);
        return schema_error_at(err, node ? node : &start, field);
    }
    return true;
}

void leases_follow(struct controller *controller, struct arena *arena, struct change *change,
                   const struct snapshot *then)
{
    struct lease_tree *tree = lease_tree_new(then);
    size_t staged = 0;

    for (size_t i = 0; i < then->farms_length && staged < STAGED_MAX; i++) {
        const struct farm *farm = &then->farms[i];
        const struct record *record = mirror_get(controller->mirror, RECORD_FARM_FACT, farm->full_name);
        const char *ended = ended_of(tree, farm);
        if (is_settled(record ? record->object : NULL, ended)) continue;
        stage_farm(controller, arena, change, farm, record ? record->object : NULL, ended);
        staged += FARM_WRITES + TIER_WRITES * farm->tiers_length;
    }
    lease_tree_free(tree);
}

bool leases_bound(const struct caller *caller, const struct lease_tree *tree, const struct snapshot *then,
                  struct error *err)
{
    size_t parties = 0, leases = 0;

    if (then == NULL || text_equal(caller->party, PARTY_LANDLORD)) return true;
    for (size_t i = 0; i < then->parties_length; i++)
        parties += lease_is_within(tree, then->parties[i].name, caller->party);
    for (size_t i = 0; i < then->leases_length; i++)
        leases += lease_is_within(tree, then->leases[i].from, caller->party);
    if (parties <= BELOW_MAX + 1 && leases <= BELOW_MAX) return true;
    return error_set(err, ERROR_TOO_LARGE,
                     "%s would have more than %d %s: delete some first, or ask the landlord", caller->party,
                     BELOW_MAX,
                     leases > BELOW_MAX ? "leases given, by itself and below" : "parties below it");
}

void leases_foretell(struct arena *arena, struct snapshot *then)
{
    struct lease_tree *tree = lease_tree_new(then);
    struct farm_fact *facts = arena_alloc_array(arena, then->farm_facts_length + 1, sizeof(*facts));

    for (size_t i = 0; i < then->farm_facts_length; i++) {
        const struct farm *farm = find_farm(then, then->farm_facts[i].name);
        facts[i] = then->farm_facts[i];
        if (farm) facts[i].repossessed = arena_strdup(arena, ended_of(tree, farm));
    }
    then->farm_facts = facts;
    lease_tree_free(tree);
}

bool controller_lease_end(struct controller *controller, const struct caller *caller, const char *name,
                          const char *reason, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_LEASE, name);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *right = NULL;

    if (!record || !caller_may_see(controller, caller, RECORD_LEASE, record))
        return error_set(err, ERROR_NOT_FOUND, "there is no lease %s", name);
    struct lease lease = *(const struct lease *)record->object;
    right = rights_end(leases_tree(controller), caller->party, caller->console, &lease);
    if (!right)
        return error_set(err, ERROR_DENIED,
                         "lease %s is ended by %s, by %s, or by who is above them, at a console that leases",
                         name, lease.to, lease.from);
    if (lease.state == LEASE_ENDED)
        return error_set(err, ERROR_REFUSED, "lease %s has ended already: %s", name, lease.reason);
    lease.state = LEASE_ENDED;
    lease.reason = end_reason(arena, caller, reason);
    if (!text_equal(caller->party, lease.to) && !text_equal(caller->party, lease.from))
        lease.severed_by = caller->party;
    struct snapshot then = with_lease(arena, mirror_snapshot(controller->mirror), &lease);
    change_put(change, RECORD_LEASE, name, &lease);
    change_right(change, right);
    change_event(change, control_now_ms(controller), caller->name, "lease", name, "ended", lease.reason);
    change_right(change, NULL);
    leases_follow(controller, arena, change, &then);
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

bool leases_party_goes(struct controller *controller, struct change *change, const char *party,
                       struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec tokens = VEC_OF(struct store_item);

    for (size_t i = 0; i < snapshot->leases_length; i++)
        if (text_equal(snapshot->leases[i].to, party))
            change_delete(change, RECORD_LEASE, snapshot->leases[i].name);
    bool good = store_list(controller->options.store, TOKEN_PREFIX, NULL, 0, &tokens, err);
    for (size_t i = 0; good && i < tokens.length; i++) {
        const struct store_item *item = vec_at(&tokens, i);
        struct node token;
        good = node_from_json(arena, item->value, strlen(item->value), &token, err);
        if (good && text_equal(node_text(&token, "party", ""), party)) change_delete_key(change, item->key);
    }
    store_items_free(&tokens);
    return good;
}

/* As a clause of a sentence, on one line. */
static const char *end_reason(struct arena *arena, const struct caller *caller, const char *reason)
{
    char *text = arena_printf(arena, "by %s%s%.200s", caller->party, reason[0] ? ": " : "", reason);

    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ') *at = ' ';
    return text;
}

static void settle_soon(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;

    controller->leases_moved = true;
    clock->cancel(clock->self, controller->leases_turn);
    controller->leases_turn = clock->after(clock->self, 0, settle, controller);
}

/* Ends what is over, puts the farms right, and looks again when the next is over. */
static void settle(void *ctx)
{
    struct controller *controller = ctx;
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_CHANGE struct change *change = control_change(controller);
    struct snapshot then = *mirror_snapshot(controller->mirror);
    int64_t now_ms = control_now_ms(controller), wait_us = 0;
    struct error err;

    controller->leases_turn = NULL;
    bool ended = stage_ends(controller, arena, change, &then);
    if (ended || controller->leases_moved) leases_follow(controller, arena, change, &then);
    controller->leases_moved = false;
    for (size_t i = 0; i < then.leases_length; i++) {
        const struct lease *lease = &then.leases[i];
        if (lease->state != LEASE_ACTIVE || lease->until_ms == 0) continue;
        int64_t left_us =
            lease->until_ms - now_ms < LOOK_US / 1000 ? (lease->until_ms - now_ms) * 1000 : LOOK_US;
        if (wait_us == 0 || left_us < wait_us) wait_us = left_us;
    }
    if (!change_is_empty(change)) {
        if (change_commit(change, NULL, &err)) {
            control_dispatch(controller);
            settle_soon(controller); /* there may be more than one transaction takes */
        } else {
            controller->leases_moved = true;
            control_log(controller, ended ? "ending leases" : "repossessing", &err);
            wait_us = LOOK_US;
        }
    }
    if (wait_us > 0 && !controller->leases_turn)
        controller->leases_turn = clock->after(clock->self, wait_us, settle, controller);
}

static bool stage_ends(struct controller *controller, struct arena *arena, struct change *change,
                       struct snapshot *then)
{
    int64_t now_ms = control_now_ms(controller);
    struct lease *leases = NULL;
    char time[32];

    for (size_t i = 0; i < then->leases_length; i++) {
        const struct lease *lease = &then->leases[i];
        if (lease->state != LEASE_ACTIVE || lease->until_ms == 0 || lease->until_ms > now_ms) continue;
        if (!leases) {
            leases = arena_alloc_array(arena, then->leases_length, sizeof(*leases));
            memcpy(leases, then->leases, then->leases_length * sizeof(*leases));
            then->leases = leases;
        }
        leases[i].state = LEASE_ENDED;
        leases[i].reason =
            arena_printf(arena, "its time was over at %s", text_format_time(time, leases[i].until_ms));
        change_put(change, RECORD_LEASE, leases[i].name, &leases[i]);
        change_event(change, now_ms, "croft", "lease", leases[i].name, "ended", leases[i].reason);
    }
    return leases != NULL;
}

static struct snapshot with_lease(struct arena *arena, const struct snapshot *now, const struct lease *lease)
{
    struct lease *leases = arena_alloc_array(arena, now->leases_length + 1, sizeof(*leases));
    struct snapshot then = *now;

    for (size_t i = 0; i < now->leases_length; i++)
        leases[i] = text_equal(now->leases[i].name, lease->name) ? *lease : now->leases[i];
    then.leases = leases;
    return then;
}

/* A farm that has no network yet gets a fact without one: nothing of it may start meanwhile. What its load
 * called for is forgotten: it begins again with what is committed. */
static void stage_farm(struct controller *controller, struct arena *arena, struct change *change,
                       const struct farm *farm, const struct farm_fact *fact, const char *ended)
{
    struct farm_fact then = fact ? *fact : (struct farm_fact){.name = farm->full_name};
    int64_t now_ms = control_now_ms(controller);

    then.repossessed = arena_strdup(arena, ended);
    if (ended[0]) then.scales_length = 0;
    change_put(change, RECORD_FARM_FACT, farm->full_name, &then);
    if (ended[0])
        change_event(change, now_ms, "croft", "farm", farm->full_name, "repossessed", ended);
    else
        change_event(change, now_ms, "croft", "farm", farm->full_name, "may run again",
                     "its party has a lease again");
    levels_note(change, now_ms, &(struct levels_of){farm, fact}, &(struct levels_of){farm, &then});
}

static const char *ended_of(const struct lease_tree *tree, const struct farm *farm)
{
    const struct holding *holding = lease_holding(tree, farm->party);
    return holding && holding->ended ? holding->ended : "";
}

static bool is_settled(const struct farm_fact *fact, const char *ended)
{
    if (PLANTED(end_unheard) && ended[0]) return true;
    if (PLANTED(held_for_ever) && !ended[0]) return true;
    return text_equal(farm_is_repossessed(fact) ? fact->repossessed : "", ended);
}

/* What a lease was stays known: its sides do not change, and what ended is not all that is left. */
static bool check_kept(struct controller *controller, const struct lease *lease, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_LEASE, lease->name);
    const struct lease *was = record ? record->object : NULL;

    if (!was || (text_equal(was->from, lease->from) && text_equal(was->to, lease->to))) return true;
    error_set(err, ERROR_REFUSED, "lease %s is from %s to %s: end it, and grant another", was->name,
              was->from, was->to);
    snprintf(err->field, sizeof(err->field), "%s", text_equal(was->to, lease->to) ? "from" : "to");
    return false;
}

bool leases_may_undo(struct controller *controller, const struct caller *caller, const struct lease *lease,
                     struct error *err)
{
    if (lease->severed_by[0] == '\0' ||
        lease_is_within(leases_tree(controller), lease->severed_by, caller->party) ||
        text_equal(caller->party, PARTY_LANDLORD))
        return true;
    return error_set(err, ERROR_DENIED, "lease %s from %s to %s was ended by %s: that has to say so",
                     lease->name, lease->from, lease->to, lease->severed_by);
}

/* What somebody above the giver ended, the giver does not give again by another lease. */
static bool check_severed(struct controller *controller, const struct caller *caller,
                          const struct lease *lease, struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);

    if (lease->severed_by[0]) {
        error_set(err, ERROR_REFUSED, "croft writes that itself: leave it out");
        snprintf(err->field, sizeof(err->field), "severed_by");
        return false;
    }
    for (size_t i = 0; i < snapshot->leases_length; i++) {
        const struct lease *other = &snapshot->leases[i];
        bool same = text_equal(other->from, lease->from) && text_equal(other->to, lease->to);
        bool undone = text_equal(other->name, lease->name) || lease->state == LEASE_ACTIVE;
        if (!same || !undone || leases_may_undo(controller, caller, other, err)) continue;
        snprintf(err->field, sizeof(err->field), "to");
        return false;
    }
    return true;
}
