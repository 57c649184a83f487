#include "base/text.h"
#include "replay/inside.h"

const char *const replay_policies[] = {"croft", "target", "static", "oracle", NULL};

static const struct policy *const policies[] = {&policy_croft, &policy_target, &policy_static,
                                                &policy_oracle};

static void run(struct replay_world *world, const struct policy *policy);
static void report(const struct replay_world *world, struct replay_report *ret_report);
static void add_cost(struct money *costs, size_t *length, const struct money *cost);

bool replay_run(struct arena *arena, const struct documents *documents, const struct trace *trace,
                const struct replay_options *options, struct replay_report *ret_report, struct error *err)
{
    const struct policy *policy = policies[options->policy];
    struct replay_options mine = *options;
    struct replay_world world = {
        .arena = arena, .options = &mine, .trace = trace, .tick_ms = policy->tick_ms};

    if (policy->lead_ms >= 0) mine.lead_ms = policy->lead_ms;
    bool good = replay_make(&world, documents, err);
    if (good) {
        run(&world, policy);
        report(&world, ret_report);
        ret_report->left_out = replay_left_out(&world, documents);
    }
    replay_free(&world);
    return good;
}

/* The first decision falls before the first request, and is in effect: nobody begins from nothing.
 * How much may change hands at once does not bound it. */
static void run(struct replay_world *world, const struct policy *policy)
{
    int64_t end_ms = (int64_t)world->trace->rows * world->trace->step_ms;

    policy->begin(world);
    while (world->now_ms < end_ms) {
        int64_t ms = policy->tick_ms < end_ms - world->now_ms ? policy->tick_ms : end_ms - world->now_ms;
        policy->decide(world);
        bool more = true;
        while (more) {
            more = policy->share(world) && world->now_ms == 0;
            replay_move(world);
        }
        for (size_t i = 0; i < world->length; i++)
            replay_pass(world, &world->farms[i], ms);
        world->now_ms += ms;
    }
    for (size_t i = 0; i < world->length; i++)
        replay_end(&world->farms[i]);
}

static void report(const struct replay_world *world, struct replay_report *ret_report)
{
    struct replay_result *results = arena_alloc_array(world->arena, world->length, sizeof(*results));
    struct money *costs = arena_alloc_array(world->arena, world->length, sizeof(*costs));
    struct replay_sums total = {.peak = world->peak, .costs = costs};

    for (size_t i = 0; i < world->length; i++) {
        const struct replay_farm *farm = &world->farms[i];
        results[i] = (struct replay_result){farm->name, farm->sums, farm->capacity, farm->minutes,
                                            farm->minutes_length};
        total.server_s += farm->sums.server_s;
        total.requests += farm->sums.requests;
        total.late += farm->sums.late;
        total.violating += farm->sums.violating;
        total.refused += farm->sums.refused;
        total.violation_minutes += farm->sums.violation_minutes;
        total.moves += farm->sums.moves;
        if (farm->sums.costs_length > 0) add_cost(costs, &total.costs_length, farm->sums.costs);
    }
    *ret_report = (struct replay_report){total, results, world->length, ""};
}

/* Currencies are never mixed: one sum each. */
static void add_cost(struct money *costs, size_t *length, const struct money *cost)
{
    size_t at = 0;
    while (at < *length && !text_equal(costs[at].currency, cost->currency))
        at++;
    if (at == *length) {
        costs[at] = *cost;
        *length += 1;
    } else {
        costs[at].micros += cost->micros;
    }
}
