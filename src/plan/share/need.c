#include "plan/share/need.h"

#include "base/attr.h"
#include "plan/share/number.h"

/* Where there is no response time to look at, so much of the capacity may be in use. */
static const double utilisation = 0.85;
/* While the load is steady, so much of what may be late is: the rest is for the seconds in which it jumps.
 * Near its limit a queue answers to one instance more by a multiple, so this costs 1 to 2 per cent. */
static const double steady_part = 0.1;
/* From a jump to what serves it, with the lead of a grid that starts containers: what the rules are for. */
static const double reaction_usual_s = 1.1;
enum { TICK_S = 1 };
/* What has piled up is to be gone in so many seconds: by the next decision. */
static const double catch_up_s = 1;
/* A jump that may come is to make nobody wait longer, until more instances serve, than this part of what the
 * target leaves. With half of it the open week costs 1 % less, and a third more is late. */
static const double patience = 0.25;
/* An instance is offered only if without it there would be room for so much more than is provided for: or a
 * rate at the edge would be asked for and offered in turns. */
static const double margin = 0.02;

static double possible_rate(const struct need_tier *tier, const struct forecast *forecast,
                            double probability);
static double provided_probability(const struct need_tier *tier, const struct need_load *load);
static double reaction_s(const struct need_load *load);
static double patience_s(const struct need_tier *tier, const struct queue_load *load);
static bool carries(const struct need_tier *tier, const struct queue_load *load, int64_t instances);
static double piled_up(const struct need_tier *tier, const struct need_load *load,
                       const struct queue_load *queue_load);
static struct queue_load load_of(const struct need_tier *tier, const struct need_load *load);
static int64_t fewest(const struct need_tier *tier, const struct queue_load *load, double rate);
static bool overfull(const struct need *need);
static double response(const struct need_tier *tier, const struct queue_load *load, int64_t instances);
static double part_of_target(const struct need_tier *tier, const struct queue_load *load, double response_s);
static int64_t offered(const struct need_tier *tier, const struct need_load *load, int64_t wanted,
                       struct need_memory *memory);
static double aim_s(const struct need_tier *tier, const struct queue_load *load);
static double alone_s(const struct need_tier *tier, const struct queue_load *load);
static bool has_target(const struct need_tier *tier);
static double late_max(const struct need_tier *tier);
static void say_against(double response_s, double target_s, struct buf *ret_text);
static void say_time(double seconds, struct buf *ret_text);

struct need_tier need_tier_of(const struct sla *sla, const struct scaling_rules *rules,
                              const struct tier *tier)
{
    return (struct need_tier){.sla = sla,
                              .rules = rules,
                              .provides = fuzzy_provides(rules, sla->priority),
                              .capacity = (double)tier->capacity,
                              .committed = tier->count.committed,
                              .max = tier->count.max};
}

struct need need_of(const struct need_tier *tier, const struct forecast *forecast,
                    const struct need_load *load, struct need_memory *memory)
{
    struct queue_load queue_load = load_of(tier, load);
    int64_t have = load->serving + load->coming;
    struct need need = {.probability = provided_probability(tier, load)};
    double error, piled = piled_up(tier, load, &queue_load);

    need.rate = forecast_now(forecast, &error);
    double certain = need.rate + error, possible = possible_rate(tier, forecast, need.probability);
    possible /= 1 + patience_s(tier, &queue_load) / reaction_s(load);
    need.provided = number_max(certain, possible);
    /* There are two classes of requests: those that come for sure, which are abundant, and with them those
     * that only may come. The first speaks if it alone is too much. */
    queue_load.rate = certain + piled;
    bool sure = possible <= certain || tier->provides >= 1 || !carries(tier, &queue_load, have);
    if (sure)
        need.probability = 1;
    else
        queue_load.rate = need.provided + piled;
    need.used = have > 0 ? queue_load.rate / tier->capacity / (double)have : QUEUE_NEVER;
    if (has_target(tier)) {
        need.target_s = (double)tier->sla->target.response_ms / 1000;
        need.response_s = response(tier, &queue_load, have);
    }
    struct fuzzy_inputs inputs = {.response = !has_target(tier) ? need.used / utilisation
                                              : overfull(&need)
                                                  ? QUEUE_NEVER
                                                  : part_of_target(tier, &queue_load, need.response_s),
                                  .probability = sure ? 1 : tier->provides,
                                  .priority = tier->sla->priority};
    queue_load.rate = need.provided + piled;
    need.need = fuzzy_need(tier->rules, &inputs);
    need.wanted = have;
    int64_t enough = fewest(tier, &queue_load, queue_load.rate);
    need.short_of = enough == tier->max && fewest(tier, &queue_load, queue_load.rate * 0.999) == tier->max &&
                    inputs.response > 1;
    if (need.need >= (double)tier->rules->request_above) {
        if (enough > have) need.wanted = enough;
        memory->below_ms = 0;
    } else if (need.need <= (double)tier->rules->offer_below && have > tier->committed) {
        int64_t spared = fewest(tier, &queue_load, queue_load.rate * (1 + margin));
        need.wanted = have - offered(tier, load, spared, memory);
    } else {
        memory->below_ms = 0;
    }
    if (need.wanted < tier->committed) need.wanted = tier->committed;
    if (need.wanted > tier->max) need.wanted = tier->max;
    need.change = need.wanted - have;
    return need;
}

double need_response_s(const struct need_tier *tier, const struct need *need, const struct need_load *load,
                       int64_t instances)
{
    struct queue_load queue_load = load_of(tier, load);
    queue_load.rate = need->provided;
    return response(tier, &queue_load, instances);
}

void need_say(const struct need_tier *tier, const struct need *need, struct buf *ret_text)
{
    const char *priority =
        fuzzy_word(tier->rules, SCALING_PRIORITY, fuzzy_priority_millis(tier->sla->priority));
    /* As the rules saw it: with a longer lead what is provided for is less probable than that. */
    double seen = need->probability < 1 ? tier->provides : 1;
    const char *probability = fuzzy_word(tier->rules, SCALING_PROBABILITY, seen * 1000);
    int64_t change = need->change, have = need->wanted - change;

    buf_printf(ret_text, "%s, %s, ", priority ? priority : "any priority",
               probability ? probability : "any probability");
    if (have == 0)
        buf_add_text(ret_text, "no instance");
    else if (need->target_s > 0 && (need->response_s >= QUEUE_NEVER || overfull(need)))
        buf_printf(ret_text, "more %s than %lld instance%s can serve",
                   need->probability < 1 ? "may arrive" : "arrives", (long long)have, have == 1 ? "" : "s");
    else if (need->target_s > 0)
        say_against(need->response_s, need->target_s, ret_text);
    else
        buf_printf(ret_text, "%.0f %% of the capacity used against %.0f %%", need->used * 100,
                   utilisation * 100);
    if (change == 0)
        buf_add_text(ret_text, ": as many as there are");
    else
        buf_printf(ret_text, ": %lld %s", (long long)(change > 0 ? change : -change),
                   change > 0 ? "more" : "fewer");
    if (need->short_of) buf_printf(ret_text, ", and its max of %lld is too few", (long long)tier->max);
}

/* With the probability that the rules provide for, at the window's height. */
static double possible_rate(const struct need_tier *tier, const struct forecast *forecast, double probability)
{
    return tier->provides < 1 ? forecast_rate(forecast, probability) : 0;
}

/* What jumps over what is held ready is late until what is decided then serves: how probable, times how long,
 * is what counts. So with a longer lead the rules' probability is that much less. */
static double provided_probability(const struct need_tier *tier, const struct need_load *load)
{
    return tier->provides * number_min(1, reaction_usual_s / reaction_s(load));
}

static double reaction_s(const struct need_load *load)
{
    return TICK_S + (double)(load->lead_ms > 0 ? load->lead_ms : 0) / 1000;
}

/* So long those wait whom a jump brings: what is over capacity for some seconds makes a queue of that part of
 * these seconds. */
static double patience_s(const struct need_tier *tier, const struct queue_load *load)
{
    double leaves = has_target(tier) ? aim_s(tier, load) - alone_s(tier, load) : 0;
    return number_max(0, leaves) * patience;
}

/* As the rules see it: at the target, or not over what may be used. */
static bool carries(const struct need_tier *tier, const struct queue_load *load, int64_t instances)
{
    double used = instances > 0 ? load->rate / tier->capacity / (double)instances : QUEUE_NEVER;

    if (!has_target(tier)) return used <= utilisation;
    return used <= 1 && response(tier, load, instances) <= aim_s(tier, load);
}

/* So much more a second as it takes to work off, in time, what waits longer than half the target. */
static double piled_up(const struct need_tier *tier, const struct need_load *load,
                       const struct queue_load *queue_load)
{
    double servers = (double)load->serving * (double)queue_load->concurrency;
    double half_s = has_target(tier) ? (double)tier->sla->target.response_ms / 2000 : catch_up_s;
    double waiting = load->inside - servers - servers / queue_load->service_s * half_s;

    return load->inside > 0 && waiting > 0 ? waiting / catch_up_s : 0;
}

static struct queue_load load_of(const struct need_tier *tier, const struct need_load *load)
{
    int64_t concurrency = load->concurrency > 0 ? load->concurrency : 1;
    return (struct queue_load){
        .arrival_scv = load->arrival_scv >= 0 ? load->arrival_scv : 1,
        .service_s = load->service_s > 0 ? load->service_s : (double)concurrency / tier->capacity,
        .service_scv = load->service_scv >= 0 ? load->service_scv : 1,
        .concurrency = concurrency,
    };
}

static int64_t fewest(const struct need_tier *tier, const struct queue_load *load, double rate)
{
    struct queue_load mine = *load;

    mine.rate = rate;
    double full = rate / tier->capacity, least = has_target(tier) ? full : full / utilisation;
    if (least >= (double)tier->max) return tier->max;
    int64_t instances = (int64_t)number_ceil(least);
    if (instances < tier->committed) instances = tier->committed;
    return has_target(tier) ? queue_fewest(&mine, aim_s(tier, load), late_max(tier), instances, tier->max)
                            : instances;
}

/* An instance counts for no more than its document's capacity, however short the times of service that were
 * measured: what ends it may be something else than the time that one request takes alone. */
static bool overfull(const struct need *need)
{
    return need->used > 1;
}

static double response(const struct need_tier *tier, const struct queue_load *load, int64_t instances)
{
    struct queue queue = queue_of(load, instances > 0 ? instances : 0);
    return queue_percentile_s(&queue, late_max(tier));
}

/* Where service alone takes most of the target, what is over one half counts of the rest: more instances
 * change only that, and the rules would find it never low. */
static double part_of_target(const struct need_tier *tier, const struct queue_load *load, double response_s)
{
    double aim = aim_s(tier, load), alone = alone_s(tier, load);

    if (response_s >= QUEUE_NEVER) return QUEUE_NEVER;
    if (alone <= aim / 2) return response_s / aim;
    return 0.5 + 0.5 * number_max(response_s - alone, 0) / (aim - alone);
}

/* What it could have spared at any time since need is below, once that is long enough; then it is counted
 * anew. */
static int64_t offered(const struct need_tier *tier, const struct need_load *load, int64_t enough,
                       struct need_memory *memory)
{
    int64_t have = load->serving + load->coming;

    if (memory->below_ms == 0 || load->now_ms < memory->below_ms) { /* or the clock went back */
        *memory = (struct need_memory){load->now_ms, enough};
        return 0;
    }
    if (enough > memory->most) memory->most = enough;
    if (load->now_ms - memory->below_ms < tier->rules->offer_after_ms) return 0;
    int64_t most = memory->most;
    *memory = (struct need_memory){load->now_ms, enough};
    return have > most ? have - most : 0;
}

/* The time at the percentile that instances are counted for: the target; where service alone takes longer,
 * so that no number of instances keeps it, a fourth more than that. */
static double aim_s(const struct need_tier *tier, const struct queue_load *load)
{
    double target_s = (double)tier->sla->target.response_ms / 1000, alone = alone_s(tier, load);
    return alone < target_s * 0.98 ? target_s : alone * 1.25;
}

static double alone_s(const struct need_tier *tier, const struct queue_load *load)
{
    struct queue idle = queue_at(load, 1, 0);
    return queue_percentile_s(&idle, late_max(tier));
}

static bool has_target(const struct need_tier *tier)
{
    return tier->sla->metric == METRIC_REQUESTS && tier->sla->target.response_ms > 0;
}

static double late_max(const struct need_tier *tier)
{
    return number_max(steady_part * (1 - (double)tier->sla->target.percentile_millis / 100000), 1e-6);
}

static void say_against(double response_s, double target_s, struct buf *ret_text)
{
    say_time(response_s, ret_text);
    buf_add_text(ret_text, " expected against ");
    say_time(target_s, ret_text);
}

static void say_time(double seconds, struct buf *ret_text)
{
    if (seconds >= 10)
        buf_add_text(ret_text, "over 10 s");
    else if (seconds >= 1)
        buf_printf(ret_text, "%.1f s", seconds);
    else
        buf_printf(ret_text, seconds < 0.01 ? "%.1f ms" : "%.0f ms", seconds * 1000);
}
