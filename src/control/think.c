/* Decisions: plan, write down what was decided, tell the hosts. */
#include "base/text.h"
#include "control/internal.h"
#include "control/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More rounds than any chain of decisions has while nothing else changes; a plan that still wants something
 * then is a fault of the planner (it has to be idempotent) and must not spin the controller. */
enum { PLAN_ROUNDS_MAX = 16 };
/* An action writes at most three things and four rows of the books, and a transaction has a bound (store.h).
 * What is beyond is decided again in the loop's next turn; hosts meanwhile begin with what is known. */
enum { ACTIONS_MAX = STORE_OPS_LENGTH_MAX / 8 };
enum { TRY_AGAIN_US = 1000 * 1000 }; /* after the store refused what was decided */

/* A newer document for a host. */
struct news {
    struct session *session;
    char *text; /* NULL once it was written and given */
};

/* Of which the planner was told what was decided, before the store knows. */
struct taken {
    enum record_kind kind;
    const char *name;
};

static void think_now(void *ctx);
static void think_again(void *ctx);
static bool decide(struct controller *controller, bool *ret_changed, struct error *err);
static bool commit(struct controller *controller, const struct plan *plan, int64_t now_ms, struct vec *news,
                   bool *ret_changed, struct error *err);
static void fence(struct controller *controller, const struct plan *plan);
static void write_down(struct controller *controller, struct change *change, const struct plan *plan,
                       int64_t now_ms);
static void write_action(struct controller *controller, struct change *change, const struct action *action,
                         int64_t now_ms);
static const char *action_what(struct arena *arena, const struct action *action);
static const char *hardware_what(const struct host_fact *before, const struct host_fact *after);
static void find_news(struct controller *controller, struct arena *arena, struct vec *ret_news);
static bool differ_in_version(const char *a, const char *b);
static void take(struct controller *controller, struct arena *arena, const struct plan *plan,
                 struct vec *ret_taken);
static void settle(struct controller *controller, const struct vec *taken);
static void publish_apart(struct controller *controller, struct vec *news);
static void put_news(struct change *change, const struct news *news);
static void give_news(struct news *news);

void think_soon(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    if (!controller->think_soon) controller->think_soon = clock->after(clock->self, 0, think_now, controller);
}

/* One decision and what follows from it for the hosts. What the decision itself makes possible is decided in
 * the loop's next turn (the mirror tells that something changed), when the hosts have been told of this one.
 */
void think(struct controller *controller)
{
    struct error err;
    bool changed = false;

    if (store_revision(controller->options.store) != controller->thought_revision) controller->rounds = 0;
    if (!decide(controller, &changed, &err)) {
        const struct clock_port *clock = controller->options.clock;
        control_log(controller, "writing down decisions", &err);
        clock->cancel(clock->self, controller->think_later); /* nothing else may happen that asks for it */
        controller->think_later = clock->after(clock->self, TRY_AGAIN_US, think_again, controller);
        return;
    }
    controller->rounds = changed ? controller->rounds + 1 : 0;
    ASSERT(controller->rounds < PLAN_ROUNDS_MAX);
    controller->thought_revision = store_revision(controller->options.store);
}

bool documents_load(struct controller *controller, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    static const char prefix[] = "host-document/";
    bool good = true;

    if (!store_list(controller->options.store, prefix, NULL, 0, &items, err)) return false;
    for (size_t i = 0; good && i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct host_document document = {0};
        struct session *session = session_get(controller, item->key + strlen(prefix));
        good =
            model_read_json(&schema_host_document, arena, item->value, strlen(item->value), &document, err) ||
            error_wrap(err, "%s in the store is damaged", item->key);
        if (!good) break;
        session->document = mem_strdup(item->value);
        session->document_version = document.version;
    }
    store_items_free(&items);
    return good;
}

void document_answer(struct session *session, const char *text_or_null)
{
    const struct net_port *net = session->controller->options.net;
    const struct identity_port *identity = session->controller->options.identity;
    struct exchange *exchange = session->waiting;
    CLEANUP_BUF struct buf signature = {0};
    struct error err;

    if (!exchange) return;
    session->waiting = NULL;
    if (!text_or_null) {
        net->answer(net->self, exchange, 204, NULL, 0, NULL, 0);
        return;
    }
    if (!identity->sign(identity->self, text_or_null, strlen(text_or_null), &signature, &err)) {
        control_log(session->controller, "signing a host document", &err);
        net->answer(net->self, exchange, 500, NULL, 0, err.message, strlen(err.message));
        return;
    }
    const struct header headers[] = {{"Content-Type", "application/json"},
                                     {"Croft-Signature", buf_text(&signature)}};
    net->answer(net->self, exchange, 200, headers, LENGTH(headers), text_or_null, strlen(text_or_null));
}

static void think_now(void *ctx)
{
    struct controller *controller = ctx;
    controller->think_soon = NULL;
    think(controller);
}

static void think_again(void *ctx)
{
    struct controller *controller = ctx;
    controller->think_later = NULL;
    think(controller);
}

static bool decide(struct controller *controller, bool *ret_changed, struct error *err)
{
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec news = VEC_OF(struct news), taken = VEC_OF(struct taken);
    int64_t now_ms = control_now_ms(controller);
    struct plan plan = planner_begin(controller->planner, arena, now_ms);
    bool cut = plan.actions_length > ACTIONS_MAX;

    if (cut) plan.actions_length = ACTIONS_MAX;
    /* A host that lets in a warm instance hears of it before it has to make room for the next one. */
    if (plan.urgent_length > 0 && !cut) plan.actions_length = plan.urgent_length;
    take(controller, arena, &plan, &taken);
    planner_end(controller->planner);
    clock->cancel(clock->self, controller->think_later);
    controller->think_later = NULL;
    if (plan.again_ms > 0) {
        int64_t wait_ms = plan.again_ms > now_ms ? plan.again_ms - now_ms : 1;
        controller->think_later = clock->after(clock->self, wait_ms * 1000, think_again, controller);
    }
    find_news(controller, arena, &news);
    bool good = commit(controller, &plan, now_ms, &news, ret_changed, err);
    if (good) news_seen(controller);
    for (size_t i = 0; i < news.length; i++) {
        struct news *item = vec_at(&news, i);
        if (good && item->text) news_again(controller, item->session->host); /* it could not be written */
        mem_free(item->text);
    }
    vec_free(&news);
    if (good) control_dispatch(controller);
    settle(controller, &taken);
    vec_free(&taken);
    if (!good) return false;
    *ret_changed &= !cut;
    fence(controller, &plan);
    control_dispatch(controller);
    return true;
}

/* The planner goes on as if all that was decided were in the store: documents follow from that. Being fenced
 * is no decision but a fact to come. ret_taken: struct taken, what has to be settled. */
static void take(struct controller *controller, struct arena *arena, const struct plan *plan,
                 struct vec *ret_taken)
{
    for (size_t i = 0; i < plan->actions_length; i++) {
        const struct action *action = &plan->actions[i];
        if (action->kind == ACTION_FENCE) continue;
        bool is_farm = action->kind == ACTION_FARM, is_gone = action->kind == ACTION_FORGET;
        bool is_host = action->kind == ACTION_HOST;
        enum record_kind kind = is_farm ? RECORD_FARM_FACT : is_host ? RECORD_HOST_FACT : RECORD_INSTANCE;
        news_of(controller, kind, action->name,
                is_farm   ? (const void *)action->farm_fact
                : is_host ? (const void *)action->host_fact
                : is_gone ? NULL
                          : (const void *)action->instance);
        planner_take(controller->planner, arena, action);
        /* Copies: what they were read from is freed when the mirror takes in what follows. */
        *(struct taken *)vec_push(ret_taken) = (struct taken){kind, arena_strdup(arena, action->name)};
        if (action->kind == ACTION_CREATE)
            *(struct taken *)vec_push(ret_taken) =
                (struct taken){RECORD_FARM_FACT, arena_strdup(arena, action->instance->farm)};
    }
}

/* What was taken lives in the plan's arena; from here on the planner knows what the mirror knows, whatever
 * became of the decision. */
static void settle(struct controller *controller, const struct vec *taken)
{
    for (size_t i = 0; i < taken->length; i++) {
        const struct taken *item = vec_at(taken, i);
        const struct record *record = mirror_get(controller->mirror, item->kind, item->name);
        if (record)
            planner_put(controller->planner, item->kind, record->object);
        else
            planner_delete(controller->planner, item->kind, item->name);
    }
}

/* What is decided, its events and the documents that follow are one transaction: a host never does what the
 * store does not know, and nothing waits for the disk twice. When that is refused (a host's document may be
 * larger than the store takes, or there are too many), the decision is written by itself and each document
 * by itself, so that one host's trouble is not everybody's. */
static bool commit(struct controller *controller, const struct plan *plan, int64_t now_ms, struct vec *news,
                   bool *ret_changed, struct error *err)
{
    CLEANUP_CHANGE struct change *together = control_change(controller);
    CLEANUP_CHANGE struct change *decision = control_change(controller);

    write_down(controller, together, plan, now_ms);
    *ret_changed = !change_is_empty(together);
    for (size_t i = 0; i < news->length; i++)
        put_news(together, vec_at(news, i));
    if (change_is_empty(together)) return true;
    if (change_commit(together, &controller->decided_revision, err)) {
        for (size_t i = 0; i < news->length; i++)
            give_news(vec_at(news, i));
        return true;
    }
    if (news->length == 0) return false;
    write_down(controller, decision, plan, now_ms);
    if (!change_is_empty(decision) && !change_commit(decision, &controller->decided_revision, err))
        return false;
    publish_apart(controller, news);
    return true;
}

static void fence(struct controller *controller, const struct plan *plan)
{
    for (size_t i = 0; i < plan->actions_length; i++)
        if (plan->actions[i].kind == ACTION_FENCE)
            hosts_fence(controller, plan->actions[i].name, plan->actions[i].reason);
}

static void write_down(struct controller *controller, struct change *change, const struct plan *plan,
                       int64_t now_ms)
{
    for (size_t i = 0; i < plan->actions_length; i++)
        write_action(controller, change, &plan->actions[i], now_ms);
}

static void write_action(struct controller *controller, struct change *change, const struct action *action,
                         int64_t now_ms)
{
    const struct planner *planner = controller->planner;
    const struct record *before = NULL;
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (action->kind == ACTION_FENCE) return; /* an effect: hosts.c writes how it went */
    if (action->kind == ACTION_FARM) {
        if (action->farm_fact->vni == 0)
            change_delete(change, RECORD_FARM_FACT, action->name);
        else
            change_put(change, RECORD_FARM_FACT, action->name, action->farm_fact);
        change_event(change, now_ms, "croft", "farm", action->name, action_what(arena, action),
                     action->reason);
        return;
    }
    if (action->kind == ACTION_HOST) {
        before = mirror_get(controller->mirror, RECORD_HOST_FACT, action->name);
        notices_hardware(controller, change, before->object, action->host_fact, now_ms);
        change_put(change, RECORD_HOST_FACT, action->name, action->host_fact);
        change_event(change, now_ms, "croft", "host", action->name,
                     hardware_what(before->object, action->host_fact), action->reason);
        return;
    }
    const struct instance *instance = planner_get(planner, RECORD_INSTANCE, action->name);
    before = mirror_get(controller->mirror, RECORD_INSTANCE, action->name);
    notices_follow(controller, change, action, before ? before->object : NULL, now_ms);
    if (instance)
        change_put(change, RECORD_INSTANCE, action->name, instance);
    else
        change_delete(change, RECORD_INSTANCE, action->name);
    if (action->kind == ACTION_CREATE)
        change_put(change, RECORD_FARM_FACT, action->instance->farm,
                   planner_get(planner, RECORD_FARM_FACT, action->instance->farm));
    change_event(change, now_ms, "croft", "instance", action->name, action_what(arena, action),
                 action->reason);
}

static const char *action_what(struct arena *arena, const struct action *action)
{
    switch (action->kind) {
    case ACTION_CREATE:
        return action->host[0] ? arena_printf(arena, "created on %s", action->host) : "created, waits";
    case ACTION_PLACE:
        return arena_printf(arena, "placed on %s", action->host);
    case ACTION_ACTIVATE:
        return "activated";
    case ACTION_DRAIN:
        return "draining";
    case ACTION_STOP:
        return "stopping";
    case ACTION_UNPLACE:
        return "taken from its host";
    case ACTION_FORGET:
        return "gone";
    case ACTION_EXPLAIN:
        return "noted";
    case ACTION_MEND:
        return action->instance->mend_step ? "mending" : "mended";
    case ACTION_FENCE:
        return "fencing";
    case ACTION_HOST:
        break; /* hardware_what() */
    case ACTION_FARM:
        return action->farm_fact->vni ? "network given" : "network returned";
    }
    UNREACHABLE();
}

static const char *hardware_what(const struct host_fact *before, const struct host_fact *after)
{
    if (host_is_emptied(before) != host_is_emptied(after))
        return host_is_emptied(after) ? "drained by policy" : "activated by policy";
    return text_equal(before->spared ? before->spared : "", after->spared ? after->spared : "")
               ? "told of"
               : "not drained";
}

/* Every host whose document says something else than before gets a new version of it. */
static void find_news(struct controller *controller, struct arena *arena, struct vec *ret_news)
{
    struct snapshot grid = mirror_surroundings(controller->mirror);
    CLEANUP_BUF struct buf text = {0};
    for (const char *const *host = news_hosts(controller, arena); *host; host++) {
        CLEANUP_ARENA struct arena *scratch = arena_new();
        struct session *session = session_get(controller, *host);
        struct host_document document = planner_host_document(controller->planner, scratch, &grid, *host);
        document.version = session->document_version + 1;
        buf_clear(&text);
        schema_write(&schema_host_document, "HostDocument", &document, &text);
        if (session->document && !news_owed(controller, *host) &&
            differ_in_version(buf_text(&text), session->document))
            continue;
        *(struct news *)vec_push(ret_news) = (struct news){session, mem_strdup(buf_text(&text))};
    }
}

/* Whether two documents of one host say the same but for their versions: written once, compared and sent. */
static bool differ_in_version(const char *a, const char *b)
{
    static const char key[] = ",\"version\":";
    const char *of_a = strstr(a, key), *of_b = strstr(b, key);

    if (of_a == NULL || of_b == NULL || of_a - a != of_b - b) return false;
    if (memcmp(a, b, (size_t)(of_a - a)) != 0) return false;
    of_a += strlen(key);
    of_b += strlen(key);
    return text_equal(of_a + strspn(of_a, "0123456789"), of_b + strspn(of_b, "0123456789"));
}

static void publish_apart(struct controller *controller, struct vec *news)
{
    struct error err;

    for (size_t i = 0; i < news->length; i++) {
        struct news *item = vec_at(news, i);
        CLEANUP_CHANGE struct change *change = control_change(controller);
        put_news(change, item);
        if (change_commit(change, NULL, &err)) {
            give_news(item);
        } else {
            error_wrap(&err, "publishing the document of host %s", item->session->host);
            control_log(controller, "a host is not told what to do", &err);
        }
    }
}

static void put_news(struct change *change, const struct news *news)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    change_put_text(change, arena_printf(arena, "host-document/%s", news->session->host), news->text);
}

/* Durable by now; takes the text. */
static void give_news(struct news *news)
{
    struct session *session = news->session;

    mem_free(session->document);
    session->document = news->text;
    session->document_version++;
    news->text = NULL;
    document_answer(session, session->document);
}
