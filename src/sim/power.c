#include "sim/power.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

struct sim_power {
    struct power_port port;
    const struct clock_port *clock;
    int64_t delay_us;
    bool (*act)(void *ctx, const char *host, enum power_order order, struct error *err);
    void *ctx;
    struct vec orders; /* struct order * */
    size_t crossed;
};

struct order {
    struct sim_power *power;
    struct timer *timer;
    char *host;
    enum power_order order;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static void take_order(void *self, const char *host, enum power_order order,
                       void (*done)(void *ctx, const struct error *err), void *ctx);
static void carry_out(void *ctx);
static void order_free(struct order *order);

struct sim_power *
sim_power_new(const struct clock_port *clock, int64_t delay_us,
              bool (*act)(void *ctx, const char *host, enum power_order order, struct error *err), void *ctx)
{
    struct sim_power *power = mem_alloc(sizeof(*power));
    power->port = (struct power_port){power, take_order};
    power->clock = clock;
    power->delay_us = delay_us;
    power->act = act;
    power->ctx = ctx;
    power->orders = VEC_OF(struct order *);
    return power;
}

void sim_power_free(struct sim_power *power)
{
    if (!power) return;
    while (power->orders.length > 0) {
        struct order *order = *(struct order **)vec_at(&power->orders, 0);
        void (*done)(void *ctx, const struct error *err) = order->done;
        void *ctx = order->ctx;
        struct error err;
        error_set(&err, ERROR_UNREACHABLE, "the switch of %s is gone", order->host);
        power->clock->cancel(power->clock->self, order->timer);
        order_free(order);
        done(ctx, &err); /* who ordered may be gone, but what waits for the answer is freed by it */
    }
    vec_free(&power->orders);
    mem_free(power);
}

const struct power_port *sim_power_port(struct sim_power *power)
{
    return &power->port;
}

size_t sim_power_crossed(const struct sim_power *power)
{
    return power->crossed;
}

static void take_order(void *self, const char *host, enum power_order what,
                       void (*done)(void *ctx, const struct error *err), void *ctx)
{
    struct sim_power *power = self;
    struct order *order = mem_alloc(sizeof(*order));

    for (size_t i = 0; i < power->orders.length; i++)
        power->crossed += text_equal((*(struct order **)vec_at(&power->orders, i))->host, host);
    *order = (struct order){power, NULL, mem_strdup(host), what, done, ctx};
    *(struct order **)vec_push(&power->orders) = order;
    order->timer = power->clock->after(power->clock->self, power->delay_us, carry_out, order);
}

static void carry_out(void *ctx)
{
    struct order *order = ctx;
    const struct sim_power *power = order->power;
    void (*done)(void *ctx, const struct error *err) = order->done;
    void *done_ctx = order->ctx;
    struct error err;
    bool good = power->act(power->ctx, order->host, order->order, &err);

    order_free(order);
    done(done_ctx, good ? NULL : &err);
}

static void order_free(struct order *order)
{
    struct vec *orders = &order->power->orders;
    for (size_t i = 0; i < orders->length; i++) {
        if (*(struct order **)vec_at(orders, i) != order) continue;
        vec_remove(orders, i);
        break;
    }
    mem_free(order->host);
    mem_free(order);
}
