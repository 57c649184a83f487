/* The management network: cut, one-way, or in bad weather. */
#include "base/text.h"
#include "simulate/inside.h"

#include <inttypes.h>
#include <stdio.h>

static void cut_pairs(struct run *run, const struct trouble *trouble, bool cut);
static void late(void *ctx, const char *from, const char *to, const struct request *request,
                 struct sim_fate *ret_fate);

/* A host, or every second of a rack, on one path or on both. */
bool partition(struct run *run, struct trouble *trouble)
{
    const struct world *world = run->world;
    const struct box *box = &world->boxes[run_draw(run, 0, (int64_t)world->boxes_length - 1)];

    trouble->path = (int)run_draw(run, -2, 1);
    if (trouble->path < 0) trouble->path = -1; /* both are cut half of the times */
    snprintf(trouble->what, sizeof(trouble->what), "%s", box->name);
    run_tell(run, "%s is cut off on %s", box->name, trouble->path < 0 ? "both paths" : "one path");
    sim_net_cut_off(world->net, box->name, trouble->path, true);
    return true;
}

void partition_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "%s is not cut off any more", trouble->what);
    sim_net_cut_off(run->world->net, trouble->what, trouble->path, false);
}

bool partition_one_way(struct run *run, struct trouble *trouble)
{
    const struct world *world = run->world;
    const struct box *box = &world->boxes[run_draw(run, 0, (int64_t)world->boxes_length - 1)];
    bool sends = run_draw(run, 0, 1) == 1;

    trouble->path = (int)run_draw(run, -2, 1);
    if (trouble->path < 0) trouble->path = -1;
    snprintf(trouble->what, sizeof(trouble->what), "%s", sends ? box->name : "*");
    snprintf(trouble->other, sizeof(trouble->other), "%s", sends ? "*" : box->name);
    run_tell(run, "nothing from %s to %s arrives on %s", trouble->what, trouble->other,
             trouble->path < 0 ? "both paths" : "one path");
    sim_net_cut(world->net, trouble->what, trouble->other, trouble->path, true);
    return true;
}

void partition_one_way_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "from %s to %s it arrives again", trouble->what, trouble->other);
    sim_net_cut(run->world->net, trouble->what, trouble->other, trouble->path, false);
}

/* Some pairs do not reach each other, while each of them reaches others: partial, with the controller as one
 * of the machines. Which pairs follows from one number, so that the end knows them again. */
bool partition_pairs(struct run *run, struct trouble *trouble)
{
    trouble->amount = run_draw(run, 1, 1 << 30);
    trouble->path = (int)run_draw(run, -1, 1);
    run_tell(run, "pairs of machines do not reach each other on %s (%" PRId64 ")",
             trouble->path < 0 ? "both paths" : "one path", trouble->amount);
    cut_pairs(run, trouble, true);
    return true;
}

void partition_pairs_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "these pairs reach each other again (%" PRId64 ")", trouble->amount);
    cut_pairs(run, trouble, false);
}

bool messages(struct run *run, struct trouble *trouble)
{
    struct sim_weather weather = {.latency_us_min = run->swarm->weather.latency_us_min};

    weather.latency_us_max = weather.latency_us_min + run_draw(run, 1, 500) * 1000;
    weather.lost_per_1000 = (int)run_draw(run, 0, 150);
    weather.repeated_per_1000 = (int)run_draw(run, 0, 100);
    run_tell(run, "bad weather: up to %d ms, lost %d, repeated %d of 1000",
             (int)(weather.latency_us_max / 1000), weather.lost_per_1000, weather.repeated_per_1000);
    sim_net_weather(run->world->net, &weather);
    sim_net_meddle(run->world->net, late, run);
    return true;
}

void messages_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "the weather is good");
    sim_net_weather(run->world->net, &run->swarm->weather);
    sim_net_meddle(run->world->net, NULL, NULL);
}

/* No cut outlives its trouble; only the weather is of the whole net. */
void net_mend(struct run *run)
{
    sim_net_weather(run->world->net, &run->swarm->weather);
    sim_net_meddle(run->world->net, NULL, NULL);
}

static void cut_pairs(struct run *run, const struct trouble *trouble, bool cut)
{
    struct sim_random *chance = sim_random_new((uint64_t)trouble->amount);
    const struct world *world = run->world;
    int64_t last = (int64_t)world->boxes_length; /* the controller */

    for (int64_t pairs = sim_random_between(chance, 1, 1 + last); pairs > 0; pairs--) {
        int64_t a = sim_random_between(chance, 0, last), b = sim_random_between(chance, 0, last);
        const char *one = a == last ? "controller" : world->boxes[a].name;
        const char *other = b == last ? "controller" : world->boxes[b].name;
        if (a == b) continue;
        sim_net_cut(world->net, one, other, trouble->path, cut);
        sim_net_cut(world->net, other, one, trouble->path, cut);
    }
    sim_random_free(chance);
}

/* One of a hundred requests stands in a queue until its asker has given up; of the reports, in which whole
 * states travel, one of ten. */
static void late(void *ctx, const char *from, const char *to, const struct request *request,
                 struct sim_fate *ret_fate)
{
    struct sim_random *chance = ((struct run *)ctx)->world->random; /* the net's own */
    if (sim_random_between(chance, 1, text_equal(request->path, "/agent/report") ? 10 : 100) == 1)
        ret_fate->late_us = sim_random_between(chance, 1, 20 * 1000) * 1000;
}
