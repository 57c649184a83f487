#include "sim/net_inside.h"

#include "base/attr.h"
#include "base/text.h"

static void forget_all(struct sim_machine *machine, bool tell);
static void stop_listening(struct sim_machine *machine);
static unsigned char *way(struct sim_net *net, const struct sim_machine *from, const struct sim_machine *to);

struct sim_net *sim_net_new(const struct clock_port *clock, struct sim_random *random)
{
    struct sim_net *net = mem_alloc(sizeof(*net));
    net->clock = clock;
    net->random = random;
    net->weather = (struct sim_weather){.latency_us_min = 100, .latency_us_max = 300};
    net->machines = map_new();
    net->places = map_new();
    return net;
}

void sim_net_free(struct sim_net *net)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!net) return;
    while (map_next(net->machines, &cursor, NULL, &value))
        forget_all(value, false);
    for (cursor = 0; map_next(net->machines, &cursor, NULL, &value);) {
        struct sim_machine *machine = value;
        map_free(machine->second);
        mem_free(machine->name);
        mem_free(machine->sends_from);
        mem_free(machine->certificate_name);
        mem_free(machine);
    }
    for (cursor = 0; map_next(net->places, &cursor, NULL, &value);)
        mem_free(value);
    map_free(net->machines);
    map_free(net->places);
    mem_free(net->cuts);
    mem_free(net);
}

void sim_net_weather(struct sim_net *net, const struct sim_weather *weather)
{
    net->weather = *weather;
}

void sim_net_meddle(struct sim_net *net,
                    void (*meddle)(void *ctx, const char *from, const char *to, const struct request *request,
                                   struct sim_fate *ret_fate),
                    void *ctx)
{
    net->meddle = meddle;
    net->meddle_ctx = ctx;
}

void sim_net_cut(struct sim_net *net, const char *from, const char *to, int path, bool cut)
{
    struct sim_machine *a = text_equal(from, "*") ? NULL : sim_net_machine(net, from);
    struct sim_machine *b = text_equal(to, "*") ? NULL : sim_net_machine(net, to);
    unsigned paths = path < 0 ? 3 : 1U << path;

    ASSERT(a || b);
    if (a && b) {
        unsigned char *ways = way(net, a, b);
        *ways = (unsigned char)(cut ? *ways | paths : *ways & ~paths);
        return;
    }
    unsigned *ways = a ? &a->cut_out : &b->cut_in;
    *ways = cut ? *ways | paths : *ways & ~paths;
}

void sim_net_cut_off(struct sim_net *net, const char *machine, int path, bool cut)
{
    sim_net_cut(net, machine, "*", path, cut);
    sim_net_cut(net, "*", machine, path, cut);
}

struct sim_machine *sim_net_machine(struct sim_net *net, const char *name)
{
    struct sim_machine *machine = map_get(net->machines, name);

    if (machine) return machine;
    machine = mem_alloc(sizeof(*machine));
    machine->net = net;
    machine->port = (struct net_port){machine,       message_call,  message_cancel, message_answer,
                                      message_start, message_chunk, message_end,    message_on_gone};
    machine->name = mem_strdup(name);
    sim_machine_certify(machine, ROLE_HOST, name);
    machine->on = true;
    machine->sends_from = mem_printf("%s:40000", name);
    machine->second = map_new();
    machine->number = net->machines_length++;
    map_put(net->machines, name, machine);
    return machine;
}

void sim_machine_certify(struct sim_machine *machine, enum role role, const char *name)
{
    mem_free(machine->certificate_name);
    machine->certificate_name = mem_strdup(name);
    machine->role = role;
}

const struct net_port *sim_machine_port(struct sim_machine *machine)
{
    return &machine->port;
}

void sim_machine_listen(struct sim_machine *machine, const char *address, int path, net_handler handler,
                        void *ctx)
{
    struct place *place = map_get(machine->net->places, address);

    ASSERT(!place || place->machine == machine);
    if (!place) {
        place = mem_alloc(sizeof(*place));
        map_put(machine->net->places, address, place);
    }
    *place = (struct place){machine, path, handler, ctx};
}

void sim_machine_held(struct sim_machine *machine, int64_t (*held_until_us)(void *ctx), void *ctx)
{
    machine->held_until_us = held_until_us;
    machine->held_ctx = ctx;
}

void sim_machine_end(struct sim_machine *machine)
{
    stop_listening(machine);
    forget_all(machine, true);
}

void sim_machine_power(struct sim_machine *machine, bool on)
{
    machine->on = on;
    if (!on) stop_listening(machine);
}

size_t sim_machine_calls(const struct sim_machine *machine)
{
    return machine->calls.length;
}

size_t sim_machine_exchanges(const struct sim_machine *machine)
{
    return machine->exchanges.length;
}

void chain_add(struct chain *chain, struct link *link)
{
    link->before = chain->last;
    link->after = NULL;
    if (chain->last)
        chain->last->after = link;
    else
        chain->first = link;
    chain->last = link;
    chain->length++;
}

void chain_remove(struct chain *chain, struct link *link)
{
    ASSERT(link->before ? link->before->after == link : chain->first == link);
    if (link->before)
        link->before->after = link->after;
    else
        chain->first = link->after;
    if (link->after)
        link->after->before = link->before;
    else
        chain->last = link->before;
    chain->length--;
}

bool net_reaches(const struct sim_machine *from, const struct sim_machine *to, int path)
{
    const struct sim_net *net = from->net;
    if (!from->on || !to->on) return false;
    unsigned cut = from->cut_out | to->cut_in;
    if (net->cuts && from->number < net->machines_capacity && to->number < net->machines_capacity)
        cut |= net->cuts[from->number * net->machines_capacity + to->number];
    return from == to || !(cut & 1U << path);
}

int64_t net_latency_us(struct sim_net *net)
{
    return sim_random_between(net->random, net->weather.latency_us_min, net->weather.latency_us_max);
}

bool net_happens(struct sim_net *net, int per_1000)
{
    return per_1000 > 0 && sim_random_between(net->random, 1, 1000) <= per_1000;
}

int64_t net_held_us(const struct sim_machine *machine)
{
    const struct clock_port *clock = machine->net->clock;
    int64_t until_us = machine->held_until_us ? machine->held_until_us(machine->held_ctx) : 0;
    int64_t us = until_us ? until_us - clock->steady_us(clock->self) : 0;
    return us > 0 ? us : 0;
}

static void forget_all(struct sim_machine *machine, bool tell)
{
    while (machine->exchanges.first)
        exchange_drop((struct exchange *)machine->exchanges.first, tell);
    while (machine->calls.first)
        call_drop((struct call *)machine->calls.first, tell);
}

static void stop_listening(struct sim_machine *machine)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(machine->net->places, &cursor, NULL, &value))
        if (((struct place *)value)->machine == machine) ((struct place *)value)->handler = NULL;
}

/* Made large enough for all machines that are there. */
static unsigned char *way(struct sim_net *net, const struct sim_machine *from, const struct sim_machine *to)
{
    if (net->machines_capacity < net->machines_length) {
        size_t capacity = 2 * net->machines_length;
        unsigned char *cuts = mem_alloc_array(capacity * capacity, 1);
        for (size_t i = 0; i < net->machines_capacity; i++)
            for (size_t j = 0; j < net->machines_capacity; j++)
                cuts[i * capacity + j] = net->cuts[i * net->machines_capacity + j];
        mem_free(net->cuts);
        net->cuts = cuts;
        net->machines_capacity = capacity;
    }
    return &net->cuts[from->number * net->machines_capacity + to->number];
}
