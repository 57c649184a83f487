/* Orders to hosts' switches, of people and of the controller itself (hosts.c: fencing).
 *
 * A switch gets one order at a time, in the order in which they were given: of two that are under way at once
 * it would be open which is last. No order of the controller waits behind one of people: when theirs was
 * carried out the controller asks for what is needed then, if anything is. And a host that people switched on
 * last, or cycled, and that was not heard since, is on when it is fenced: its run is ended by a cycle, if the
 * last one did not do that. */
#include "base/text.h"
#include "control/internal.h"

/* What waits for a switch: it outlives the controller, for an order cannot be taken back. */
struct order {
    struct controller *controller; /* NULL: gone */
    char *host;
    char *run; /* boot identity of the host when it began; NULL: it waits for others */
    enum power_order what;
    void (*ended)(struct controller *controller, const char *host, const struct error *failure);
    void (*done)(void *ctx, const struct error *err); /* who asked; NULL: the controller itself */
    void *ctx;
};

static bool note_power(struct controller *controller, const struct caller *caller, const char *host,
                       enum power_order order, const char *right, struct error *err);
static struct order *order_new(struct controller *controller, const char *host, enum power_order what);
static void order_free(struct order *order);
static struct order *first_of(const struct controller *controller, const char *host);
static void begin_first(struct controller *controller, const char *host);
static void order_done(void *ctx, const struct error *failure);
static void asked_ended(const struct order *order, const struct error *failure);
static bool note_off(struct controller *controller, const char *host, struct error *err);
static void note_on(const struct order *order);
static const struct host_fact *fact_of(struct controller *controller, const char *host);

void controller_power(struct controller *controller, const struct caller *caller, const char *host,
                      enum power_order what, void (*done)(void *ctx, const struct error *err), void *ctx)
{
    const struct power_port *power = controller->options.power;
    const char *right = NULL;
    struct error err;
    bool good = true;

    if (!controller_allows(controller, caller, DEED_HOST, PARTY_LANDLORD, &right, &err))
        good = false;
    else if (!fact_of(controller, host))
        good = error_set(&err, ERROR_NOT_FOUND, "there is no host %s", host);
    else if (!power && what != POWER_OFF)
        good = error_set(&err, ERROR_REFUSED, "no way to switch hosts is set up: use the switch on %s", host);
    if (good) good = note_power(controller, caller, host, what, right, &err);
    if (good && power && what != POWER_ON) good = hosts_tell_given_up(controller, host, &err);
    /* Without a power driver "off" is the landlord's word that the host is off: fencing by hand. */
    if (good && !power)
        good = hosts_set_state(controller, host, HOST_STATE_OFF, HOST_FENCED, "off, says the landlord", &err);
    if (!good || !power) {
        done(ctx, good ? NULL : &err);
        return;
    }
    struct order *order = order_new(controller, host, what);
    order->done = done;
    order->ctx = ctx;
    begin_first(controller, host);
}

bool power_fence(struct controller *controller, const char *host,
                 void (*ended)(struct controller *controller, const char *host, const struct error *failure))
{
    const struct session *session = session_get(controller, host);
    const struct host_fact *fact = fact_of(controller, host);
    bool stays_on = fact && session->on_run && text_equal(fact->boot, session->on_run);

    if (first_of(controller, host)) return false;
    order_new(controller, host, stays_on ? POWER_CYCLE : POWER_OFF)->ended = ended;
    begin_first(controller, host);
    return true;
}

bool power_ends_run(struct controller *controller, const char *host)
{
    const struct host_fact *fact = fact_of(controller, host);
    const struct session *session = map_get(controller->sessions, host);

    for (size_t i = 0; i < controller->orders.length; i++) {
        const struct order *order = *(struct order **)vec_at(&controller->orders, i);
        if (!text_equal(order->host, host) || order->what == POWER_ON) continue;
        if (order->what == POWER_OFF || !order->run || (fact && text_equal(fact->boot, order->run)))
            return true;
    }
    return session && power_ended_run(session, fact);
}

bool power_ended_run(const struct session *session, const struct host_fact *fact)
{
    return fact && session->on_cycled && text_equal(fact->boot, session->on_run);
}

void power_heard(struct session *session)
{
    if (session->on_run && !session->on_cycled && !first_of(session->controller, session->host))
        power_forget_on(session);
}

void power_forget_on(struct session *session)
{
    mem_free(session->on_run);
    session->on_run = NULL;
    session->on_cycled = false;
}

void power_free(struct controller *controller)
{
    struct error err;

    error_set(&err, ERROR_UNREACHABLE, "the controller ended before the order was given to the switch");
    while (controller->orders.length > 0) {
        struct order *order = *(struct order **)vec_at(&controller->orders, 0);
        vec_remove(&controller->orders, 0);
        order->controller = NULL;
        if (order->run) continue; /* freed when the switch answers */
        if (order->done) order->done(order->ctx, &err);
        order_free(order);
    }
    vec_free(&controller->orders);
}

/* What comes of the order is told by others; who gave it, here. */
static bool note_power(struct controller *controller, const struct caller *caller, const char *host,
                       enum power_order order, const char *right, struct error *err)
{
    static const char *const whats[] = {[POWER_ON] = "power on asked for",
                                        [POWER_OFF] = "power off asked for",
                                        [POWER_CYCLE] = "power cycle asked for"};
    CLEANUP_CHANGE struct change *change = control_change(controller);

    change_right(change, right);
    change_event(change, control_now_ms(controller), caller->name, "host", host, whats[order], "as asked");
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

static struct order *order_new(struct controller *controller, const char *host, enum power_order what)
{
    struct order *order = mem_alloc(sizeof(*order));
    *order = (struct order){.controller = controller, .host = mem_strdup(host), .what = what};
    *(struct order **)vec_push(&controller->orders) = order;
    return order;
}

static void order_free(struct order *order)
{
    mem_free(order->host);
    mem_free(order->run);
    mem_free(order);
}

static struct order *first_of(const struct controller *controller, const char *host)
{
    for (size_t i = 0; i < controller->orders.length; i++) {
        struct order *order = *(struct order **)vec_at(&controller->orders, i);
        if (text_equal(order->host, host)) return order;
    }
    return NULL;
}

/* Unless it is under way. */
static void begin_first(struct controller *controller, const char *host)
{
    const struct power_port *power = controller->options.power;
    const struct host_fact *fact = fact_of(controller, host);
    struct order *order = first_of(controller, host);

    if (!order || order->run) return;
    order->run = mem_strdup(fact ? fact->boot : "");
    power->order(power->self, host, order->what, order_done, order);
}

static void order_done(void *ctx, const struct error *failure)
{
    struct order *order = ctx;
    struct controller *controller = order->controller;

    for (size_t i = 0; controller && i < controller->orders.length; i++) {
        if (*(struct order **)vec_at(&controller->orders, i) != order) continue;
        vec_remove(&controller->orders, i);
        break;
    }
    if (controller && !failure && order->what != POWER_OFF) note_on(order);
    if (order->done)
        asked_ended(order, failure);
    else if (controller) /* else its successor asks again */
        order->ended(controller, order->host, failure);
    if (controller) begin_first(controller, order->host);
    order_free(order);
}

static void asked_ended(const struct order *order, const struct error *failure)
{
    struct controller *controller = order->controller;
    struct error err;
    bool good = true;

    if (controller && !failure && order->what == POWER_OFF) good = note_off(controller, order->host, &err);
    if (controller && failure && order->what != POWER_ON && !hosts_spare(controller, order->host, &err))
        control_log(controller, "noting that a host is not given up", &err); /* its next report says so */
    order->done(order->ctx, failure ? failure : good ? NULL : &err);
    if (controller) think_soon(controller); /* a fence may wait for how it went */
}

static bool note_off(struct controller *controller, const char *host, struct error *err)
{
    struct session *session = session_get(controller, host);

    power_forget_on(session);
    session->beat_us[0] = session->beat_us[1] = 0;
    return hosts_set_state(controller, host, HOST_STATE_OFF, HOST_FENCED, "switched off as asked", err);
}

/* People want it on. Until it is heard after this it may be given up: then its run has to end, and the host
 * to stay on. Another run than at the beginning may be of before or after a cycle. */
static void note_on(const struct order *order)
{
    struct session *session = session_get(order->controller, order->host);
    const struct host_fact *fact = fact_of(order->controller, order->host);

    power_forget_on(session);
    if (!fact || !fact->boot[0]) return;
    session->on_run = mem_strdup(fact->boot);
    session->on_cycled = order->what == POWER_CYCLE && text_equal(fact->boot, order->run);
}

static const struct host_fact *fact_of(struct controller *controller, const char *host)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    return record ? record->object : NULL;
}
