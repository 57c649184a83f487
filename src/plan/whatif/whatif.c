#include "plan/whatif/whatif.h"

#include "base/text.h"
#include "plan/whatif/farms.h"
#include "plan/whatif/leases.h"
#include "plan/whatif/ledger.h"
#include "plan/whatif/names.h"
#include "plan/whatif/survive.h"
#include "plan/whatif/zones.h"

struct asking {
    struct planner *planner;
    struct arena *arena;
    const struct whatif_question *question;
    const struct world *first; /* what was under way, carried out before the question */
    struct world *world;
    struct map *failed, *drained, *ended; /* hosts, hosts, instances; by name */
    struct ledger *before;
    struct whatif_answer *answer;
    struct vec moves, losses;
};

static bool find_names(struct asking *asking, struct error *err);
static bool is_over(const struct asking *asking, const char *name, struct error *err);
static bool find_drained(struct asking *asking, const char *name, struct error *err);
static void put_documents(struct asking *asking);
static void add_fact(struct asking *asking, const struct host *host);
static void happen(struct asking *asking);
static void answer_all(struct asking *asking);
static const char **names_of(struct arena *arena, const struct map *map, size_t *ret_length);
static const char **added_hosts(struct asking *asking, size_t *ret_length);
static const struct whatif_stay *find_stays(struct asking *asking, size_t *ret_length);
static void judge_fates(struct asking *asking);
static void judge_fate(struct asking *asking, const struct world_change *change);
static bool ran(const struct asking *asking, const struct instance *before);
static void add_move(struct asking *asking, const struct world_change *change, const struct instance *before,
                     const struct instance *after);
static void add_loss(struct asking *asking, const struct world_change *change, const struct instance *before,
                     const struct instance *after);
static int compare_texts(const void *a, const void *b);
static int compare_moves(const void *a, const void *b);
static int compare_losses(const void *a, const void *b);
static int compare_stays(const void *a, const void *b);

bool whatif_ask(struct planner *planner, struct arena *arena, const struct whatif_question *question,
                int64_t now_ms, struct whatif_answer *ret_answer, struct error *err)
{
    CLEANUP_WORLD struct world *first = whatif_world_new(planner, arena, now_ms);
    CLEANUP(map_freep) struct map *failed = map_new();
    CLEANUP(map_freep) struct map *drained = map_new();
    CLEANUP(map_freep) struct map *ended = map_new();
    struct whatif_answer answer = {0};
    struct asking asking = {.planner = planner,
                            .arena = arena,
                            .question = question,
                            .first = first,
                            .failed = failed,
                            .drained = drained,
                            .ended = ended,
                            .answer = &answer,
                            .moves = VEC_OF(struct whatif_move),
                            .losses = VEC_OF(struct whatif_lost)};

    world_wake(first);
    world_settle(first);
    CLEANUP_WORLD struct world *world = whatif_world_new(planner, arena, world_now_ms(first));
    asking.world = world;
    asking.before = ledger_new(planner, arena);
    put_documents(&asking);
    bool good = find_names(&asking, err);
    if (good) {
        happen(&asking);
        answer_all(&asking);
        *ret_answer = answer;
    }
    world_undo(world);
    world_undo(first);
    ledger_free(asking.before);
    vec_free(&asking.moves);
    vec_free(&asking.losses);
    return good;
}

static void put_documents(struct asking *asking)
{
    for (size_t n = 0; n < asking->question->documents_length; n++) {
        const struct whatif_document *document = &asking->question->documents[n];
        world_put(asking->world, document->kind, document->object);
        if (document->kind == RECORD_HOST) add_fact(asking, document->object);
    }
}

/* A host that nobody has heard of is taken to be up. */
static void add_fact(struct asking *asking, const struct host *host)
{
    if (planner_get(asking->planner, RECORD_HOST_FACT, host->name)) return;
    struct host_fact *fact = arena_alloc(asking->arena, sizeof(*fact));
    *fact = (struct host_fact){.name = host->name,
                               .state = HOST_UP,
                               .boot = "",
                               .addresses = {"", ""},
                               .outside = "",
                               .agent_version = "",
                               .document_error = "",
                               .reason = ""};
    world_put(asking->world, RECORD_HOST_FACT, fact);
}

static bool find_names(struct asking *asking, struct error *err)
{
    const struct whatif_question *question = asking->question;
    for (size_t n = 0; n < question->fail_length; n++)
        if (is_over(asking, question->fail[n], err) ||
            !names_find(asking->planner, question->fail[n], asking->failed, asking->ended, err))
            return false;
    for (size_t n = 0; n < question->drain_length; n++)
        if (!find_drained(asking, question->drain[n], err)) return false;
    for (size_t n = 0; n < question->end_length; n++)
        if (!leases_end(asking->planner, asking->arena, asking->world, question->end[n], err)) return false;
    return true;
}

/* What fails is drained no more: of a name for both nobody knows what is meant. */
static bool find_drained(struct asking *asking, const char *name, struct error *err)
{
    CLEANUP(map_freep) struct map *hosts = map_new();
    const char *host = NULL;
    void *object = NULL;
    size_t cursor = 0, left = 0;

    if (!names_find(asking->planner, name, hosts, NULL, err)) return false;
    while (map_next(hosts, &cursor, &host, &object)) {
        if (map_get(asking->failed, host)) continue;
        map_put(asking->drained, host, object);
        left++;
    }
    return left > 0 ||
           error_set(err, ERROR_USAGE,
                     "%s is to fail and to be drained in one question: leave one of the two out", name);
}

/* True: err says what became of an instance that was still there when the question was asked. */
static bool is_over(const struct asking *asking, const char *name, struct error *err)
{
    static const char prefix[] = "instance/";
    const struct world_change *change = NULL;

    if (!text_starts(name, prefix)) return false;
    name += strlen(prefix);
    if (planner_get(asking->planner, RECORD_INSTANCE, name) == NULL)
        change = world_change(asking->first, RECORD_INSTANCE, name);
    if (change == NULL || change->before == NULL) return false;
    error_set(err, ERROR_NOT_FOUND,
              "instance %s is on its way out, and gone before anything else happens: %s; leave it out of the "
              "question",
              name, change->reason);
    return true;
}

static void happen(struct asking *asking)
{
    const char *name = NULL;
    size_t cursor = 0;
    leases_settle(asking->planner, asking->arena, asking->world);
    while (map_next(asking->failed, &cursor, &name, NULL))
        world_lose_host(asking->world, name);
    cursor = 0;
    while (map_next(asking->drained, &cursor, &name, NULL))
        world_drain_host(asking->world, name);
    cursor = 0;
    while (map_next(asking->ended, &cursor, &name, NULL))
        world_fail_instance(asking->world, name);
    world_settle(asking->world);
}

static void answer_all(struct asking *asking)
{
    struct whatif_answer *answer = asking->answer;
    struct ledger *after = ledger_new(asking->planner, asking->arena);

    answer->failed_hosts = names_of(asking->arena, asking->failed, &answer->failed_hosts_length);
    answer->drained_hosts = names_of(asking->arena, asking->drained, &answer->drained_hosts_length);
    answer->added_hosts = added_hosts(asking, &answer->added_hosts_length);
    answer->ended_leases =
        leases_ended(asking->planner, asking->arena, asking->world, &answer->ended_leases_length);
    answer->total = asking->before->running;
    judge_fates(asking);
    answer->stays = find_stays(asking, &answer->stays_length);
    answer->farms = farms_compare(asking->planner, asking->arena, asking->world, &answer->farms_length);
    answer->zones = zones_compare(asking->arena, asking->before, after, asking->failed, asking->drained,
                                  &answer->zones_length);
    answer->recover_ms = world_spent_ms(asking->world);
    survive(asking->planner, after, world_now_ms(asking->world), answer->survives);
    ledger_free(after);
}

static const char **names_of(struct arena *arena, const struct map *map, size_t *ret_length)
{
    const char **names = arena_alloc_array(arena, map_length(map) + 1, sizeof(*names));
    const char *name = NULL;
    size_t cursor = 0, length = 0;
    while (map_next(map, &cursor, &name, NULL))
        names[length++] = arena_strdup(arena, name);
    array_sort(names, length, sizeof(*names), compare_texts);
    *ret_length = length;
    return names;
}

static const char **added_hosts(struct asking *asking, size_t *ret_length)
{
    CLEANUP(map_freep) struct map *added = map_new();
    const struct world_change *change = NULL;
    size_t cursor = 0;
    while ((change = world_next(asking->world, RECORD_HOST, &cursor)) != NULL)
        if (change->before == NULL) map_put(added, change->name, asking);
    return names_of(asking->arena, added, ret_length);
}

/* The planner says why (recover/leave.c). Its hosts may have been drained before: then nothing about them
 * changed, so all instances are looked at. */
static const struct whatif_stay *find_stays(struct asking *asking, size_t *ret_length)
{
    struct vec found = VEC_OF(struct whatif_stay);
    const struct instance *instance = NULL;
    size_t cursor = 0;

    while (map_length(asking->drained) > 0 &&
           (instance = planner_next(asking->planner, RECORD_INSTANCE, &cursor)) != NULL) {
        if (!map_get(asking->drained, instance->host) || !ledger_runs(asking->planner, instance)) continue;
        *(struct whatif_stay *)vec_push(&found) = (struct whatif_stay){
            .instance = instance->name, .host = instance->host, .reason = instance->reason};
    }
    vec_sort(&found, compare_stays);
    struct whatif_stay *stays = arena_alloc_array(asking->arena, found.length + 1, sizeof(*stays));
    for (size_t n = 0; n < found.length; n++)
        stays[n] = *(struct whatif_stay *)vec_at(&found, n);
    *ret_length = found.length;
    vec_free(&found);
    return stays;
}

static void judge_fates(struct asking *asking)
{
    struct whatif_answer *answer = asking->answer;
    const struct world_change *change = NULL;
    size_t cursor = 0;

    answer->kept = answer->total;
    answer->waiting = asking->before->waiting;
    while ((change = world_next(asking->world, RECORD_INSTANCE, &cursor)) != NULL)
        judge_fate(asking, change);
    vec_sort(&asking->moves, compare_moves);
    vec_sort(&asking->losses, compare_losses);
    struct whatif_move *moves = arena_alloc_array(asking->arena, asking->moves.length + 1, sizeof(*moves));
    struct whatif_lost *losses = arena_alloc_array(asking->arena, asking->losses.length + 1, sizeof(*losses));
    for (size_t n = 0; n < asking->moves.length; n++)
        moves[n] = *(struct whatif_move *)vec_at(&asking->moves, n);
    for (size_t n = 0; n < asking->losses.length; n++)
        losses[n] = *(struct whatif_lost *)vec_at(&asking->losses, n);
    answer->moves = moves;
    answer->moves_length = asking->moves.length;
    answer->losses = losses;
    answer->losses_length = asking->losses.length;
}

static void judge_fate(struct asking *asking, const struct world_change *change)
{
    struct whatif_answer *answer = asking->answer;
    const struct instance *before = change->before;
    const struct instance *after = planner_get(asking->planner, RECORD_INSTANCE, change->name);
    bool did = before && ran(asking, before), does = after && ledger_runs(asking->planner, after);
    bool should = after && after->wanted == WANTED_RUN;

    if (!did) {
        bool waited = before && before->wanted == WANTED_RUN;
        answer->added += does;
        answer->waiting -= waited;
        answer->waiting += should && !does;
        return;
    }
    if (does && text_equal(before->host, after->host)) {
        answer->restarted += change->restarted;
        return;
    }
    answer->kept--;
    if (after == NULL) {
        answer->total--;
        answer->removed++;
        answer->freed.cpus_millis += before->size.cpus_millis;
        answer->freed.memory_bytes += before->size.memory_bytes;
        answer->freed.disk_bytes += before->size.disk_bytes;
        return;
    }
    answer->yielded += does && change->yielded;
    answer->moved += does && !change->yielded;
    answer->lost += !does;
    answer->yielded_lost += !does && change->yielded;
    if (does)
        add_move(asking, change, before, after);
    else
        add_loss(asking, change, before, after);
}

static bool ran(const struct asking *asking, const struct instance *before)
{
    const struct world_change *change = world_change(asking->world, RECORD_HOST_FACT, before->host);
    const struct host_fact *fact =
        change ? change->before : planner_get(asking->planner, RECORD_HOST_FACT, before->host);
    return ledger_runs_on(fact, before);
}

static void add_move(struct asking *asking, const struct world_change *change, const struct instance *before,
                     const struct instance *after)
{
    *(struct whatif_move *)vec_push(&asking->moves) = (struct whatif_move){.instance = change->name,
                                                                           .from = before->host,
                                                                           .to = after->host,
                                                                           .step = change->step,
                                                                           .yielded = change->yielded,
                                                                           .reason = change->reason};
}

static void add_loss(struct asking *asking, const struct world_change *change, const struct instance *before,
                     const struct instance *after)
{
    *(struct whatif_lost *)vec_push(&asking->losses) = (struct whatif_lost){
        .instance = change->name, .from = before->host, .yielded = change->yielded, .reason = after->reason};
}

static int compare_texts(const void *a, const void *b)
{
    return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}

static int compare_moves(const void *a, const void *b)
{
    return text_compare_natural(((const struct whatif_move *)a)->instance,
                                ((const struct whatif_move *)b)->instance);
}

static int compare_losses(const void *a, const void *b)
{
    return text_compare_natural(((const struct whatif_lost *)a)->instance,
                                ((const struct whatif_lost *)b)->instance);
}

static int compare_stays(const void *a, const void *b)
{
    return text_compare_natural(((const struct whatif_stay *)a)->instance,
                                ((const struct whatif_stay *)b)->instance);
}
