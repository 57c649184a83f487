/* Life of hosts: beats, doubt, looks by others, fencing. README.md has the drawing of the states. */
#include "base/planted.h"
#include "base/text.h"
#include "control/internal.h"
#include "control/notices.h"

#include <stdio.h>
#include <string.h>

enum {
    TICK_US = 100 * 1000,
    BEAT_US = 250 * 1000,                  /* control.md: 4 a second */
    BEATS_MISSED_MAX = 3,                  /* control.md: suspected after 3 missed */
    LOOKERS = 2,                           /* control.md: two other hosts asked to look */
    LOOK_MS = 150,                         /* a looker tries both paths at once for so long */
    LOOK_TIMEOUT_MS = 400,                 /* then the looker itself does not answer */
    LOOK_AGAIN_US = 50 * 1000,             /* its kernel lives: its agent may come back, or its power go */
    LOOK_ALONE_US = 500 * 1000,            /* nobody else can look: try again */
    PAUSE_US = 1000 * 1000,                /* between two ticks: this process was stopped, and heard nobody */
    AGENT_AWAY_US = 10 * 1000 * 1000,      /* a host that lives without an agent for so long is given up */
    CONTROLLER_GRACE_US = 3 * 1000 * 1000, /* after its own start a controller gives agents time to find it */
    FENCE_AGAIN_US = 1000 * 1000,          /* between tries to switch a host off */
    WAIT_US = 20 * 1000 * 1000,            /* a question that waits is answered with "none" after this */
    SUSPECT_US = BEATS_MISSED_MAX * BEAT_US, /* of silence */
    /* A loss waits so long for others that may be part of it: a look that a lost host was asked for in vain,
     * and the next round. */
    LOSSES_US = LOOK_TIMEOUT_MS * 1000 + LOOK_AGAIN_US + LOOK_MS * 1000 + TICK_US,
    /* Of silence: looks begin, for the answer "silent" takes its time and is then there just after suspicion.
     */
    LOOK_EARLY_US = SUSPECT_US - LOOK_MS * 1000,
};

/* Of a host that may be asked to look: no beat of it is late, its last is not long ago, neither. */
enum hearing { HEARD_NOW, HEARD_LATELY, HEARD_NOT };

/* One question to another host whether it reaches the doubted one. */
struct look {
    struct session *session;
    bool of_self; /* this controller's own, at the doubted one */
    unsigned round;
    struct call *call;
};

static bool tick_host(struct session *session, const struct host_fact *fact, int64_t now_us,
                      int64_t *ret_due_us);
static void look_round(void *ctx);
static enum hearing hearing_of(struct controller *controller, const char *host);
static void look_ask(struct session *session, const struct host_fact *by, const struct host_fact *at);
static void look_self(struct session *session, const struct host_fact *at);
static struct look *look_new(struct session *session);
static void look_done(void *ctx, const struct answer *answer);
static void look_free(struct look *look);
static void judge(struct session *session);
static void give_up(struct session *session, const char *why);
static void doubt_end(struct session *session);
static void fenced(struct controller *controller, const char *host, const struct error *failure);
static void losses_note(struct controller *controller);
static bool runs_on(const struct host_fact *fact);
static bool put_given_up(struct controller *controller, const char *host, bool given_up, struct error *err);
static bool loss_is_open(struct session *session, int64_t now_us);
static void give_up_run(struct host_fact *fact);
static void loss_put(struct session *session, struct change *change);
static const struct host_fact *fact_of(struct controller *controller, const char *host);

void hosts_free(struct controller *controller)
{
    const struct net_port *net = controller->options.net;

    while (controller->looks.length > 0) {
        struct look *look = *(struct look **)vec_at(&controller->looks, 0);
        net->cancel(net->self, look->call);
        look_free(look);
    }
    vec_free(&controller->looks);
}

struct session *session_get(struct controller *controller, const char *host)
{
    struct session *session = map_get(controller->sessions, host);
    if (session) return session;
    session = mem_alloc(sizeof(*session));
    session->controller = controller;
    session->host = mem_strdup(host);
    map_put(controller->sessions, host, session);
    return session;
}

void session_free(struct session *session)
{
    const struct clock_port *clock = session->controller->options.clock;
    clock->cancel(clock->self, session->look_again);
    clock->cancel(clock->self, session->line_gone);
    mem_free(session->host);
    mem_free(session->document);
    mem_free(session->report_boot);
    mem_free(session->on_run);
    mem_free(session);
}

void hosts_beat(struct session *session, const struct host_fact *fact, int path)
{
    struct controller *controller = session->controller;
    const struct clock_port *clock = controller->options.clock;
    struct error err;

    session->beat_us[path] = session->heard_us = clock->steady_us(clock->self);
    session->looked_early = false;
    if (session->doubted) doubt_end(session);
    power_heard(session);
    if (!fact || fact->state == HOST_UP || fact->fenced || hosts_going_off(controller, session->host)) return;
    if (!hosts_set_state(controller, session->host, HOST_UP, HOST_KEPT, "its agent answers", &err))
        control_log(controller, "noting that a host is up", &err);
}

void hosts_doubt(struct session *session, const char *why)
{
    struct controller *controller = session->controller;
    const struct clock_port *clock = controller->options.clock;
    const struct host_fact *fact = fact_of(controller, session->host);
    struct error err;

    /* One that is suspected without a doubt here was suspected by the controller before this one. */
    if (session->doubted || session->fencing || !fact) return;
    if (fact->state != HOST_UP && fact->state != HOST_SUSPECT) return;
    session->doubted = true;
    session->doubt_since_us = clock->steady_us(clock->self);
    if (!hosts_set_state(controller, session->host, HOST_SUSPECT, HOST_KEPT, why, &err))
        control_log(controller, "noting that a host is suspected", &err);
    /* A round that began early and is still under way answers after the suspicion: it counts. */
    if (!session->looked_early || session->looks_open == 0) look_round(session);
}

int64_t hosts_tick(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t now_us = clock->steady_us(clock->self), next_us = now_us + TICK_US;
    bool paused = controller->ticked_us && now_us - controller->ticked_us > PAUSE_US;
    size_t length = 0;
    const struct record *const *records = mirror_list(controller->mirror, RECORD_HOST_FACT, &length);
    struct vec late = VEC_OF(struct session *);

    controller->ticked_us = now_us;
    if (paused) controller->started_us = now_us; /* as after a start: agents get time to find it */
    for (size_t i = 0; i < length; i++) {
        const struct host_fact *fact = records[i]->object;
        struct session *session = session_get(controller, fact->name);
        int64_t due_us = next_us;

        if (paused) session->beat_us[0] = session->beat_us[1] = 0;
        if (tick_host(session, fact, now_us, &due_us)) *(struct session **)vec_push(&late) = session;
        if (due_us < next_us) next_us = due_us;
    }
    losses_note(controller);
    for (size_t i = 0; i < late.length; i++)
        hosts_doubt(*(struct session **)vec_at(&late, i), "three beats in a row did not come");
    vec_free(&late);
    return next_us - now_us;
}

void hosts_fence(struct controller *controller, const char *host, const char *reason)
{
    struct session *session = session_get(controller, host);
    const struct power_port *power = controller->options.power;
    const struct clock_port *clock = controller->options.clock;
    struct error err;

    if (session->fencing || clock->steady_us(clock->self) < session->fence_not_before_us) return;
    if (!power) {
        const char *why = "no way to switch it off is set up: once it is surely off, say so with "
                          "'croft power HOST off'";
        if (!hosts_set_state(controller, host, HOST_DOWN, HOST_GIVEN_UP, why, &err))
            control_log(controller, "noting that a host cannot be fenced", &err);
        return;
    }
    if (power_ended_run(session, fact_of(controller, host))) { /* it starts anew: off it would stay off */
        session->fencing = true;
        session->off_us = clock->steady_us(clock->self);
        losses_note(controller);
        return;
    }
    if (!hosts_tell_given_up(controller, host, &err)) {
        control_log(controller, "noting that a host is given up", &err);
        session->fence_not_before_us = clock->steady_us(clock->self) + FENCE_AGAIN_US;
        return;
    }
    if (PLANTED(lost_fence)) { /* started elsewhere before it is off */
        session->fencing = true;
        fenced(controller, host, NULL);
        return;
    }
    session->fencing = power_fence(controller, host, fenced);
}

bool hosts_set_state(struct controller *controller, const char *host, enum host_state state,
                     enum host_giving giving, const char *reason, struct error *err)
{
    static const char *const whats[] = {[HOST_UP] = "up",
                                        [HOST_SUSPECT] = "suspected",
                                        [HOST_DOWN] = "down",
                                        [HOST_STATE_DRAINING] = "draining",
                                        [HOST_STATE_OFF] = "off"};
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    int64_t now_ms = control_now_ms(controller);

    if (!record) return error_set(err, ERROR_NOT_FOUND, "no host %s", host);
    struct host_fact fact = *(const struct host_fact *)record->object;
    bool is_fenced = giving == HOST_FENCED;
    bool told = giving == HOST_KEPT || fact.given_up;
    if (fact.state == state && fact.fenced == is_fenced && told && text_equal(fact.reason, reason))
        return true;
    if (fact.state != state) fact.since_ms = now_ms;
    fact.state = state;
    fact.fenced = false;
    if (giving == HOST_GIVEN_UP) fact.given_up = true;
    if (state == HOST_UP && runs_on(&fact)) fact.given_up = false;
    if (is_fenced) give_up_run(&fact);
    fact.reason = reason;
    change_put(change, RECORD_HOST_FACT, host, &fact);
    notices_host(controller, change, record->object, &fact, now_ms);
    change_event(change, now_ms, "croft", "host", host, is_fenced ? "fenced" : whats[state], reason);
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

bool hosts_tell_given_up(struct controller *controller, const char *host, struct error *err)
{
    return put_given_up(controller, host, true, err);
}

bool hosts_spare(struct controller *controller, const char *host, struct error *err)
{
    const struct host_fact *fact = fact_of(controller, host);
    if (!fact || fact->fenced || fact->state != HOST_UP || !runs_on(fact)) return true;
    return put_given_up(controller, host, false, err);
}

bool hosts_going_off(struct controller *controller, const char *host)
{
    const struct session *session = map_get(controller->sessions, host);

    return (session && session->fencing) || power_ends_run(controller, host);
}

/* The run of it that has confirmed a document is not over, and so nothing of it was started elsewhere. */
static bool runs_on(const struct host_fact *fact)
{
    return fact->boot[0] && fact->document_version > 0;
}

static bool put_given_up(struct controller *controller, const char *host, bool given_up, struct error *err)
{
    const struct host_fact *was = fact_of(controller, host);
    CLEANUP_CHANGE struct change *change = control_change(controller);

    if (!was || was->given_up == given_up) return true;
    struct host_fact fact = *was;
    fact.given_up = given_up;
    change_put(change, RECORD_HOST_FACT, host, &fact);
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

struct peer hosts_peer(const struct host_fact *fact, int only_address)
{
    struct peer peer = {.role = ROLE_HOST, .name = fact->name, .tls = true, .only_address = only_address};
    for (size_t i = 0; i < LENGTH(fact->addresses); i++)
        if (fact->addresses[i][0]) peer.addresses[peer.addresses_length++] = fact->addresses[i];
    return peer;
}

/* True: it is to be suspected. *ret_due_us, steady time: when its silence will have gone a step further; left
 * alone when it is not watched for that. */
static bool tick_host(struct session *session, const struct host_fact *fact, int64_t now_us,
                      int64_t *ret_due_us)
{
    struct controller *controller = session->controller;
    int64_t last_us = session->beat_us[0] > session->beat_us[1] ? session->beat_us[0] : session->beat_us[1];

    if (fact->state == HOST_DOWN && !fact->fenced && session->fence_not_before_us && !session->fencing &&
        now_us >= session->fence_not_before_us)
        think_soon(controller); /* the planner asks for the fence as long as it is not done */
    if (session->waiting && now_us - session->waiting_since_us > WAIT_US) document_answer(session, NULL);
    if (session->line && now_us - session->line_since_us > WAIT_US) line_renew(session);
    if (last_us == 0) last_us = controller->started_us + CONTROLLER_GRACE_US;
    if (session->doubted || session->fencing || (fact->state != HOST_UP && fact->state != HOST_SUSPECT))
        return false;
    if (now_us >= last_us + SUSPECT_US) return true;
    if (now_us >= last_us + LOOK_EARLY_US && !session->looked_early) {
        session->looked_early = true;
        look_round(session);
    }
    *ret_due_us = last_us + (session->looked_early ? SUSPECT_US : LOOK_EARLY_US);
    return false;
}

/* Asks two other hosts, over both paths each, whether the doubted one answers; with fewer than two others
 * this controller looks itself too. */
static void look_round(void *ctx)
{
    struct session *session = ctx;
    struct controller *controller = session->controller;
    const struct host_fact *at = fact_of(controller, session->host);
    size_t length = 0;
    const struct record *const *records = mirror_list(controller->mirror, RECORD_HOST_FACT, &length);
    size_t start = text_hash(TEXT_HASH_SEED, session->host, strlen(session->host)) % (length ? length : 1);

    session->look_again = NULL;
    session->look_round++;
    session->look_alive = session->look_lives = false;
    session->look_silent = 0;
    session->looks_open = 1; /* held until all are asked, so that an early answer does not judge alone */
    size_t asked = 0;
    for (size_t i = 0; at && i < 2 * length && asked < LOOKERS; i++) { /* the sure ones first */
        const struct host_fact *by = records[(start + i) % length]->object;
        enum hearing hearing = i < length ? HEARD_NOW : HEARD_LATELY;
        if (by == at || by->state != HOST_UP || hearing_of(controller, by->name) != hearing) continue;
        look_ask(session, by, at);
        asked++;
    }
    session->lookers = asked;
    if (at && asked < LOOKERS) look_self(session, at);
    session->looks_open--;
    if (session->looks_open == 0 && session->doubted) judge(session); /* nobody could be asked */
}

/* Who is late itself may be gone, too, and would cost a time-out. What dies together is looked for when its
 * beats are late by at least LOOK_EARLY_US - BEAT_US; a break of lines is heard of all within a moment. */
static enum hearing hearing_of(struct controller *controller, const char *host)
{
    const struct clock_port *clock = controller->options.clock;
    const struct session *session = session_get(controller, host);
    int64_t last_us = session->beat_us[0] > session->beat_us[1] ? session->beat_us[0] : session->beat_us[1];
    int64_t silent_us = clock->steady_us(clock->self) - last_us;

    if (last_us == 0 || silent_us >= 2 * BEAT_US) return HEARD_NOT;
    return session->line && silent_us < LOOK_EARLY_US - BEAT_US ? HEARD_NOW : HEARD_LATELY;
}

static void look_ask(struct session *session, const struct host_fact *by, const struct host_fact *at)
{
    const struct net_port *net = session->controller->options.net;
    struct peer peer = hosts_peer(by, -1);
    CLEANUP_BUF struct buf body = {0};
    struct look *look = look_new(session);

    buf_add_text(&body, "{\"host\":");
    buf_add_json_string(&body, at->name);
    buf_add_text(&body, ",\"addresses\":[");
    for (size_t i = 0; i < LENGTH(at->addresses); i++) {
        if (i) buf_add_char(&body, ',');
        buf_add_json_string(&body, at->addresses[i]);
    }
    buf_add_text(&body, "]}");
    struct request request = {
        .method = "POST", .path = "/agent/look", .body = body.data, .body_size = body.size};
    look->call = net->call(net->self, &peer, &request, LOOK_TIMEOUT_MS, NULL, look_done, look);
}

static void look_self(struct session *session, const struct host_fact *at)
{
    const struct net_port *net = session->controller->options.net;
    struct request request = {.method = "GET", .path = "/agent/alive"};

    for (int i = 0; i < 2; i++) {
        if (!at->addresses[i][0]) continue;
        struct peer peer = hosts_peer(at, i);
        struct look *look = look_new(session);
        look->of_self = true;
        look->call = net->call(net->self, &peer, &request, LOOK_MS, NULL, look_done, look);
    }
}

static struct look *look_new(struct session *session)
{
    struct look *look = mem_alloc(sizeof(*look));
    look->session = session;
    look->round = session->look_round;
    session->looks_open++;
    *(struct look **)vec_push(&session->controller->looks) = look;
    return look;
}

/* Answers: 200 {"answer":"alive"|"lives"|"silent"} of a looker, or 200 of the host itself. */
static void look_done(void *ctx, const struct answer *answer)
{
    struct look *look = ctx;
    struct session *session = look->session;
    const struct clock_port *clock = session->controller->options.clock;
    bool current = look->round == session->look_round, of_self = look->of_self;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = {0};
    struct error err;

    look_free(look);
    if (!current) return;
    session->looks_open--;
    if (answer->status == 200 && node_from_json(arena, answer->body, answer->body_size, &node, &err)) {
        const char *text = node_text(&node, "answer", "");
        session->look_alive |= text_equal(text, "alive");
        session->look_lives |= text_equal(text, "lives");
        session->look_silent += text_equal(text, "silent");
    } else if (of_self && answer->lives) {
        session->look_lives = true;
    }
    if (session->look_alive || session->look_lives) session->heard_us = clock->steady_us(clock->self);
    if (session->looks_open == 0 && session->doubted) judge(session);
}

static void look_free(struct look *look)
{
    struct vec *looks = &look->session->controller->looks;
    for (size_t i = 0; i < looks->length; i++) {
        if (*(struct look **)vec_at(looks, i) != look) continue;
        vec_remove(looks, i);
        break;
    }
    mem_free(look);
}

/* All looks of a round are in. Alive, or only its kernel lives: its instances may run; look again. Silent for
 * all that were asked: it is gone. But when no other host says so, it is this controller that may be cut off,
 * and giving up what it cannot see would switch off a grid that is well. */
static void judge(struct session *session)
{
    const struct clock_port *clock = session->controller->options.clock;
    int64_t away_us = clock->steady_us(clock->self) - session->doubt_since_us;
    const struct host_fact *fact = fact_of(session->controller, session->host);

    if (!fact || fact->state != HOST_SUSPECT) { /* switched off as asked meanwhile */
        doubt_end(session);
        return;
    }
    if (session->lookers == 0)
        session->look_again = clock->after(clock->self, LOOK_ALONE_US, look_round, session);
    else if (!session->look_alive && !session->look_lives && session->look_silent == session->lookers)
        give_up(session, "neither other hosts nor the controller reach it over any path");
    else if (session->look_lives && !session->look_alive && away_us > AGENT_AWAY_US)
        give_up(session, "it answers, but its agent has not come back for 10 s");
    else
        session->look_again = clock->after(clock->self, LOOK_AGAIN_US, look_round, session);
}

static void give_up(struct session *session, const char *why)
{
    struct error err;
    doubt_end(session);
    if (!hosts_set_state(session->controller, session->host, HOST_DOWN, HOST_GIVEN_UP, why, &err))
        control_log(session->controller, "noting that a host is down", &err);
    think(session->controller);
}

static void doubt_end(struct session *session)
{
    const struct clock_port *clock = session->controller->options.clock;
    session->doubted = false;
    clock->cancel(clock->self, session->look_again);
    session->look_again = NULL;
}

static void fenced(struct controller *controller, const char *host, const struct error *failure)
{
    struct session *session = session_get(controller, host);
    const struct clock_port *clock = controller->options.clock;
    struct error err;

    session->beat_us[0] = session->beat_us[1] = 0;
    if (failure) {
        char reason[1200];
        session->fencing = false;
        power_forget_on(session); /* it may be that it cannot come up: off will do */
        session->fence_not_before_us = clock->steady_us(clock->self) + FENCE_AGAIN_US;
        snprintf(reason, sizeof(reason), "switching it off failed: %s", failure->message);
        if (!hosts_set_state(controller, host, HOST_DOWN, HOST_GIVEN_UP, reason, &err))
            control_log(controller, "noting a host that cannot be fenced", &err);
    } else {
        session->off_us = clock->steady_us(clock->self);
    }
    losses_note(controller);
    think(controller);
}

/* What is lost at about the same time is one loss: were the first host of a rack noted before the last, what
 * ran on the first would take the room of what matters more on the last, and maybe be placed there. */
static void losses_note(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t now_us = clock->steady_us(clock->self), oldest_us = INT64_MAX;
    bool open = false;
    struct error err;
    void *value = NULL;

    for (size_t cursor = 0; map_next(controller->sessions, &cursor, NULL, &value);) {
        struct session *session = value;
        if (session->off_us && session->off_us < oldest_us) oldest_us = session->off_us;
    }
    if (oldest_us == INT64_MAX) return;
    for (size_t cursor = 0; !open && map_next(controller->sessions, &cursor, NULL, &value);)
        open = loss_is_open(value, now_us);
    if (open && now_us - oldest_us < LOSSES_US) return;
    CLEANUP_CHANGE struct change *change = control_change(controller);
    for (size_t cursor = 0; map_next(controller->sessions, &cursor, NULL, &value);)
        if (((struct session *)value)->off_us) loss_put(value, change);
    if (change_is_empty(change)) return;
    if (!change_commit(change, NULL, &err)) {
        control_log(controller, "noting fenced hosts", &err);
        return;
    }
    control_dispatch(controller);
}

/* It may be part of a loss that is not known as a whole: it is late, or doubted, or about to be switched off.
 */
static bool loss_is_open(struct session *session, int64_t now_us)
{
    const struct host_fact *fact = fact_of(session->controller, session->host);
    int64_t last_us = session->beat_us[0] > session->beat_us[1] ? session->beat_us[0] : session->beat_us[1];
    int64_t late_us = now_us - last_us - 2 * BEAT_US;

    if (session->fencing) return session->off_us == 0;
    if (!fact || (fact->state != HOST_UP && fact->state != HOST_SUSPECT)) return false;
    if (session->doubted && now_us - session->doubt_since_us < LOSSES_US) return true;
    return last_us > 0 && late_us >= 0 && late_us < LOSSES_US;
}

/* What that run of the host still has under way to here is no news. */
static void give_up_run(struct host_fact *fact)
{
    fact->fenced = fact->given_up = true;
    fact->boot = "";
}

static void loss_put(struct session *session, struct change *change)
{
    const struct host_fact *was = fact_of(session->controller, session->host);
    const char *reason =
        power_ended_run(session, was) ? "given up and power cycled" : "given up and powered off";

    session->fencing = false;
    session->off_us = 0;
    if (!was || was->state != HOST_DOWN || was->fenced) return; /* switched off as asked meanwhile */
    struct host_fact fact = *was;
    give_up_run(&fact);
    fact.reason = reason;
    change_put(change, RECORD_HOST_FACT, session->host, &fact);
    change_event(change, control_now_ms(session->controller), "croft", "host", session->host, "fenced",
                 reason);
}

static const struct host_fact *fact_of(struct controller *controller, const char *host)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    return record ? record->object : NULL;
}
