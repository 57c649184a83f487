#include "sim/hardware.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

struct sim_hardware {
    struct hardware_port port;
    const struct clock_port *clock;
    int64_t delay_us;
    struct vec readings; /* struct hardware_reading; `what` is its own */
    struct vec looks;    /* struct hardware_look * */
};

struct hardware_look {
    struct sim_hardware *hardware;
    struct timer *timer;
    void (*done)(void *ctx, const struct hardware_reading *readings, size_t length, const char *note);
    void *ctx;
};

static struct hardware_look *look(void *self,
                                  void (*done)(void *ctx, const struct hardware_reading *readings,
                                               size_t length, const char *note),
                                  void *ctx);
static void cancel(void *self, struct hardware_look *look);
static void answer(void *ctx);
static void look_free(struct hardware_look *look);
static struct hardware_reading *find(const struct sim_hardware *hardware, enum finding_kind kind,
                                     const char *what, size_t *ret_at);

struct sim_hardware *sim_hardware_new(const struct clock_port *clock, int64_t delay_us)
{
    struct sim_hardware *hardware = mem_alloc(sizeof(*hardware));
    *hardware = (struct sim_hardware){.port = {hardware, look, cancel},
                                      .clock = clock,
                                      .delay_us = delay_us,
                                      .readings = VEC_OF(struct hardware_reading),
                                      .looks = VEC_OF(struct hardware_look *)};
    return hardware;
}

void sim_hardware_free(struct sim_hardware *hardware)
{
    if (!hardware) return;
    while (hardware->looks.length > 0)
        cancel(hardware, *(struct hardware_look **)vec_at(&hardware->looks, 0));
    while (hardware->readings.length > 0) {
        const struct hardware_reading *reading = vec_at(&hardware->readings, 0);
        sim_hardware_end(hardware, reading->kind, reading->what);
    }
    vec_free(&hardware->readings);
    vec_free(&hardware->looks);
    mem_free(hardware);
}

const struct hardware_port *sim_hardware_port(const struct sim_hardware *hardware)
{
    return &hardware->port;
}

void sim_hardware_say(struct sim_hardware *hardware, const struct hardware_reading *reading)
{
    struct hardware_reading *known = find(hardware, reading->kind, reading->what, NULL);
    const char *what = known ? known->what : mem_strdup(reading->what);

    if (!known) known = vec_push(&hardware->readings);
    *known = *reading;
    known->what = what;
}

void sim_hardware_end(struct sim_hardware *hardware, enum finding_kind kind, const char *what)
{
    size_t at = 0;
    const struct hardware_reading *known = find(hardware, kind, what, &at);

    if (!known) return;
    const char *own = known->what;
    vec_remove(&hardware->readings, at);
    mem_free((void *)(uintptr_t)own);
}

int64_t sim_hardware_value(const struct sim_hardware *hardware, enum finding_kind kind, const char *what)
{
    const struct hardware_reading *known = find(hardware, kind, what, NULL);
    return known ? known->value : 0;
}

static struct hardware_look *look(void *self,
                                  void (*done)(void *ctx, const struct hardware_reading *readings,
                                               size_t length, const char *note),
                                  void *ctx)
{
    struct sim_hardware *hardware = self;
    struct hardware_look *look = mem_alloc(sizeof(*look));

    *look = (struct hardware_look){.hardware = hardware, .done = done, .ctx = ctx};
    look->timer = hardware->clock->after(hardware->clock->self, hardware->delay_us, answer, look);
    *(struct hardware_look **)vec_push(&hardware->looks) = look;
    return look;
}

static void cancel(void *self, struct hardware_look *look)
{
    struct sim_hardware *hardware = self;

    if (!look) return;
    hardware->clock->cancel(hardware->clock->self, look->timer);
    look_free(look);
}

static void answer(void *ctx)
{
    struct hardware_look *look = ctx;
    struct sim_hardware *hardware = look->hardware;
    void (*done)(void *ctx, const struct hardware_reading *readings, size_t length, const char *note) =
        look->done;
    void *done_ctx = look->ctx;

    look_free(look);
    static const struct hardware_reading none;
    done(done_ctx, hardware->readings.length ? hardware->readings.items : &none, hardware->readings.length,
         "");
}

static void look_free(struct hardware_look *look)
{
    struct vec *looks = &look->hardware->looks;

    for (size_t i = 0; i < looks->length; i++) {
        if (*(struct hardware_look **)vec_at(looks, i) != look) continue;
        vec_remove(looks, i);
        break;
    }
    mem_free(look);
}

static struct hardware_reading *find(const struct sim_hardware *hardware, enum finding_kind kind,
                                     const char *what, size_t *ret_at)
{
    for (size_t i = 0; i < hardware->readings.length; i++) {
        struct hardware_reading *reading = vec_at(&hardware->readings, i);
        if (reading->kind != kind || !text_equal(reading->what, what)) continue;
        if (ret_at) *ret_at = i;
        return reading;
    }
    return NULL;
}
