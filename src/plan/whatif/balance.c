#include "plan/whatif/balance.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/whatif/fleet.h"

#include <math.h>
#include <string.h>

/* The score and when to end are those of hbal (Ganeti, hbal(1), "Algorithm" and "--min-gain"): what a croft
 * grid has no notion of is left out, and what hbal counts twice or four times has the sum of the weights. */
enum part { PART_MEMORY, PART_DISK, PART_CPUS, PART_COUNT, PARTS };
static const double weights[PARTS] = {
    [PART_MEMORY] =
        1, /* deviation of the free part: 0.5, and 0.5 with what is to come, of which there is none */
    [PART_DISK] = 1, /* the same */
    [PART_CPUS] = 1, /* deviation of the taken part: the same */
    [PART_COUNT] =
        4, /* of load on cpu, memory, disk and network, where each instance is taken as 1 of each */
};
#define GAIN_MIN 1e-2       /* what a move has to gain, */
#define GAIN_MIN_BELOW 1e-1 /* when the score is below this; above, any gain will do */
#define EQUAL 1e-12         /* scores nearer than this are one: the names decide */

/* So many candidates are looked at without choosing beforehand. */
enum { TRIED_MAX = 4 * 1000 * 1000, ENDS_FIRST = 32 };

struct values {
    double of[PARTS];
};

struct node {
    size_t host;
    struct values now;
    double pull; /* how much it lowers the score to take load from it, to first order */
};

struct cluster {
    struct node *nodes; /* by name */
    size_t length;
    size_t candidates; /* instances that may move */
    struct values mean, sum_of_squares;
    double score;
    struct node **by_pull; /* the most first */
};

struct choice {
    size_t instance, from, to; /* from, to: nodes */
    double score;
};

struct balancer {
    struct arena *arena;
    struct fleet *fleet;
    struct values *capacity; /* of each host, as parts are measured */
    bool *may_move;          /* by instance */
    struct vec moves;        /* struct balancing_move */
    struct vec steps;        /* struct choice: the moves of the pool, as they were chosen */
    double elsewhere;        /* score of all other pools */
};

static void measure_hosts(struct balancer *b, const struct snapshot *snapshot);
static void choose_movable(struct balancer *b);
static struct cluster **add_pools(struct balancer *b, size_t *ret_length);
static void measure(const struct balancer *b, struct cluster *pool);
static void level(struct balancer *b, struct cluster *pool, size_t moves_max);
static void move(struct balancer *b, struct cluster *pool, const struct choice *choice);
static void join(struct balancer *b, struct cluster *pool);
static size_t *find_next(struct balancer *b, bool *ret_any);
static void join_one(struct balancer *b, struct cluster *pool, size_t *next, size_t first);
static bool may_replace(struct balancer *b, struct cluster *pool, size_t first, size_t second,
                        const struct choice *whole, size_t at);
static bool is_possible(struct balancer *b, struct cluster *pool, const struct choice *choice);
static void put(struct balancer *b, size_t instance, size_t host);
static struct choice best_choice(struct balancer *b, struct cluster *pool);
static void sort_by_pull(struct balancer *b, struct cluster *pool);
static void try_node(struct balancer *b, struct cluster *pool, struct node *from, struct node **ends,
                     size_t length, struct choice *best);
static bool tried_before(const struct balancer *b, const struct fleet_list *on, size_t at);
static double score_after(const struct balancer *b, const struct cluster *pool, const struct fleet_size *size,
                          const struct node *from, const struct node *to);
static struct values change_of(const struct balancer *b, size_t host, const struct fleet_size *size);
static bool better(const struct choice *best, double score, size_t instance, size_t to);
static bool allowed(const struct balancer *b, const struct cluster *pool, size_t instance,
                    const struct node *to);
static void apply(struct balancer *b, struct cluster *pool, const struct choice *choice);
static void list_remove(struct fleet_list *list, size_t item);
static void list_add(struct arena *arena, struct fleet_list *list, size_t item);
static int compare_pulls(const void *a, const void *b);

struct balancing balance_make(struct arena *arena, const struct snapshot *snapshot, size_t moves_max)
{
    struct balancer b = {
        .arena = arena, .moves = VEC_OF(struct balancing_move), .steps = VEC_OF(struct choice)};
    struct balancing balance = {0};
    size_t length = 0;

    b.fleet = fleet_new(arena, snapshot);
    measure_hosts(&b, snapshot);
    choose_movable(&b);
    struct cluster **pools = add_pools(&b, &length);
    for (size_t p = 0; p < length; p++) {
        measure(&b, pools[p]);
        balance.score_before += pools[p]->score;
    }
    balance.score_after = balance.score_before;
    for (size_t p = 0; p < length; p++) {
        b.elsewhere = balance.score_after - pools[p]->score;
        level(&b, pools[p], moves_max - b.moves.length);
        join(&b, pools[p]);
        balance.score_after = b.elsewhere + pools[p]->score;
    }
    struct balancing_move *moves = arena_alloc_array(arena, b.moves.length + 1, sizeof(*moves));
    if (b.moves.length) memcpy(moves, b.moves.items, b.moves.length * sizeof(*moves));
    balance.moves = moves;
    balance.moves_length = b.moves.length;
    vec_free(&b.moves);
    vec_free(&b.steps);
    return balance;
}

/* Parts are of the whole host, with what it keeps for itself, as hbal has them. */
static void measure_hosts(struct balancer *b, const struct snapshot *snapshot)
{
    CLEANUP(map_freep) struct map *hosts = map_new();

    b->capacity = arena_alloc_array(b->arena, b->fleet->hosts_length + 1, sizeof(*b->capacity));
    for (size_t n = 0; n < b->fleet->hosts_length; n++)
        map_put(hosts, b->fleet->hosts[n].name, &b->fleet->hosts[n]);
    for (size_t n = 0; n < snapshot->hosts_length; n++) {
        const struct host *host = &snapshot->hosts[n];
        const struct fleet_host *h = map_get(hosts, host->name);
        b->capacity[h - b->fleet->hosts] =
            (struct values){{[PART_MEMORY] = (double)host->capacity.memory_bytes,
                             [PART_DISK] = (double)host->capacity.disk_bytes,
                             [PART_CPUS] = (double)host->capacity.cpus_millis,
                             [PART_COUNT] = 1}};
    }
    /* What moves will be there soon. */
    for (size_t n = 0; n < b->fleet->instances_length; n++) {
        const struct fleet_instance *i = &b->fleet->instances[n];
        const struct fleet_host *to = i->record->move_to[0] ? map_get(hosts, i->record->move_to) : NULL;
        if (to != NULL && (size_t)(to - b->fleet->hosts) != i->host)
            fleet_take(b->fleet, (size_t)(to - b->fleet->hosts), &i->size, 1);
    }
}

static void choose_movable(struct balancer *b)
{
    struct fleet *fleet = b->fleet;
    bool *busy = arena_alloc_array(b->arena, fleet->tiers_length + 1, sizeof(*busy));

    b->may_move = arena_alloc_array(b->arena, fleet->instances_length + 1, sizeof(*b->may_move));
    for (size_t n = 0; n < fleet->instances_length; n++) {
        const struct fleet_instance *i = &fleet->instances[n];
        const struct instance *r = i->record;
        bool steady = r->state == INSTANCE_RUNNING && r->health != HEALTH_BAD && r->move_to[0] == '\0' &&
                      (r->wanted == WANTED_RUN || r->wanted == WANTED_WARM) &&
                      memcmp(&i->size, &i->again, sizeof(i->size)) == 0; /* else it changes where it goes */
        if (!steady && i->tier != FLEET_NONE) busy[i->tier] = true;
        b->may_move[n] = steady && r->wanted == WANTED_RUN && i->host != FLEET_NONE &&
                         fleet->hosts[i->host].usable && !text_equal(r->tier, TIER_BALANCE);
    }
    for (size_t n = 0; n < fleet->instances_length; n++)
        if (fleet->instances[n].tier != FLEET_NONE && busy[fleet->instances[n].tier]) b->may_move[n] = false;
}

static struct cluster **add_pools(struct balancer *b, size_t *ret_length)
{
    CLEANUP(map_freep) struct map *by_name = map_new();
    struct cluster **pools =
        arena_alloc_array(b->arena, b->fleet->hosts_length + 1, sizeof(struct cluster *));
    size_t length = 0;

    for (size_t n = 0; n < b->fleet->hosts_length; n++) {
        const struct fleet_host *host = &b->fleet->hosts[n];
        if (!host->usable) continue;
        struct cluster *pool = map_get(by_name, host->pool);
        if (pool == NULL) {
            pool = pools[length++] = arena_alloc(b->arena, sizeof(*pool));
            map_put(by_name, host->pool, pool);
        }
        pool->length++;
    }
    for (size_t p = 0; p < length; p++) {
        pools[p]->nodes = arena_alloc_array(b->arena, pools[p]->length, sizeof(struct node));
        pools[p]->by_pull = arena_alloc_array(b->arena, pools[p]->length, sizeof(struct node *));
        pools[p]->length = 0;
    }
    for (size_t n = 0; n < b->fleet->hosts_length; n++) {
        const struct fleet_host *host = &b->fleet->hosts[n];
        if (!host->usable) continue;
        struct cluster *pool = map_get(by_name, host->pool);
        pool->nodes[pool->length++].host = n;
        for (size_t i = 0; i < host->on.length; i++)
            pool->candidates += b->may_move[host->on.items[i]];
    }
    *ret_length = length;
    return pools;
}

/* All from the beginning, so that no error of rounding grows. */
static void measure(const struct balancer *b, struct cluster *pool)
{
    memset(&pool->mean, 0, sizeof(pool->mean));
    memset(&pool->sum_of_squares, 0, sizeof(pool->sum_of_squares));
    for (size_t n = 0; n < pool->length; n++) {
        struct node *node = &pool->nodes[n];
        const struct fleet_host *host = &b->fleet->hosts[node->host];
        const struct values *whole = &b->capacity[node->host];
        node->now = (struct values){
            {[PART_MEMORY] =
                 whole->of[PART_MEMORY] > 0 ? (double)host->free.of[1] / whole->of[PART_MEMORY] : 1,
             [PART_DISK] = whole->of[PART_DISK] > 0 ? (double)host->free.of[2] / whole->of[PART_DISK] : 1,
             [PART_CPUS] = whole->of[PART_CPUS] > 0
                               ? (double)(host->total.of[0] - host->free.of[0]) / whole->of[PART_CPUS]
                               : 0,
             [PART_COUNT] = (double)host->on.length}};
        for (size_t p = 0; p < PARTS; p++)
            pool->mean.of[p] += node->now.of[p];
    }
    for (size_t p = 0; p < PARTS; p++)
        pool->mean.of[p] /= (double)pool->length;
    for (size_t n = 0; n < pool->length; n++)
        for (size_t p = 0; p < PARTS; p++) {
            double off = pool->nodes[n].now.of[p] - pool->mean.of[p];
            pool->sum_of_squares.of[p] += off * off;
        }
    pool->score = 0;
    for (size_t p = 0; p < PARTS; p++)
        pool->score += weights[p] * sqrt(pool->sum_of_squares.of[p] / (double)pool->length);
}

static void level(struct balancer *b, struct cluster *pool, size_t moves_max)
{
    vec_clear(&b->steps);
    for (size_t n = 0; n < moves_max; n++) {
        struct choice choice = best_choice(b, pool);
        double before = pool->score;
        if (choice.instance == FLEET_NONE || choice.score >= before - EQUAL) return;
        if (before <= GAIN_MIN_BELOW && before - choice.score < GAIN_MIN) return;
        *(struct choice *)vec_push(&b->steps) = choice;
        move(b, pool, &choice);
    }
}

static void move(struct balancer *b, struct cluster *pool, const struct choice *choice)
{
    apply(b, pool, choice);
    measure(b, pool);
    *(struct balancing_move *)vec_push(&b->moves) =
        (struct balancing_move){.instance = b->fleet->instances[choice->instance].record->name,
                                .from = b->fleet->hosts[pool->nodes[choice->from].host].name,
                                .to = b->fleet->hosts[pool->nodes[choice->to].host].name,
                                .score = b->elsewhere + pool->score};
}

/* One that moves twice does so once where either of its moves can go all the way: the end is the same. */
static void join(struct balancer *b, struct cluster *pool)
{
    bool any = false;
    size_t length = b->steps.length, *next = find_next(b, &any);

    if (!any) return;
    for (size_t n = length; n-- > 0;) {
        const struct choice *step = vec_at(&b->steps, n);
        apply(b, pool, &(struct choice){step->instance, step->to, step->from, 0});
    }
    b->moves.length -= length;
    for (size_t n = 0; n < length; n++) {
        const struct choice *step = vec_at(&b->steps, n);
        join_one(b, pool, next, n);
        if (step->instance != FLEET_NONE) move(b, pool, step);
    }
}

/* The next step of the same instance, of each; FLEET_NONE: there is none. */
static size_t *find_next(struct balancer *b, bool *ret_any)
{
    size_t *next = arena_alloc_array(b->arena, b->steps.length + 1, sizeof(*next));
    CLEANUP(map_freep) struct map *seen = map_new(); /* by name -> step + 1 */

    for (size_t n = b->steps.length; n-- > 0;) {
        const struct choice *step = vec_at(&b->steps, n);
        const char *name = b->fleet->instances[step->instance].record->name;
        size_t later = (size_t)(uintptr_t)map_get(seen, name);
        next[n] = later > 0 ? later - 1 : FLEET_NONE;
        *ret_any |= later > 0;
        map_put(seen, name, (void *)(uintptr_t)(n + 1));
    }
    return next;
}

/* All before `first` is done. A step that is not needed any more has no instance. */
static void join_one(struct balancer *b, struct cluster *pool, size_t *next, size_t first)
{
    struct choice *step = vec_at(&b->steps, first);

    while (step->instance != FLEET_NONE && next[first] != FLEET_NONE) {
        size_t second = next[first];
        struct choice *later = vec_at(&b->steps, second);
        struct choice whole = {step->instance, step->from, later->to, 0};
        bool back = whole.from == whole.to;
        if (may_replace(b, pool, first, second, &whole, second)) {
            *later = whole;
            if (back) later->instance = FLEET_NONE;
            step->instance = FLEET_NONE;
        } else if (may_replace(b, pool, first, second, &whole, first)) {
            *step = whole;
            later->instance = FLEET_NONE;
            next[first] = next[second];
        } else {
            return;
        }
    }
}

/* Whether each of the steps from first to second is possible with the whole way in the place of one of these
 * two, `at`, and nothing in that of the other. */
static bool may_replace(struct balancer *b, struct cluster *pool, size_t first, size_t second,
                        const struct choice *whole, size_t at)
{
    size_t end = first;
    bool good = true;

    for (; good && end <= second; end++) {
        const struct choice *step = end == at ? whole : vec_at(&b->steps, end);
        if ((end != at && (end == first || end == second)) || step->instance == FLEET_NONE) continue;
        good = step->from == step->to || is_possible(b, pool, step);
        if (!good) break;
        put(b, step->instance, pool->nodes[step->to].host);
    }
    while (end-- > first) {
        const struct choice *step = end == at ? whole : vec_at(&b->steps, end);
        if ((end != at && (end == first || end == second)) || step->instance == FLEET_NONE) continue;
        put(b, step->instance, pool->nodes[step->from].host);
    }
    return good;
}

static bool is_possible(struct balancer *b, struct cluster *pool, const struct choice *choice)
{
    const struct node *to = &pool->nodes[choice->to];
    const struct fleet_size *size = &b->fleet->instances[choice->instance].size;
    return fleet_slots(b->fleet, to->host, size) >= 1 && allowed(b, pool, choice->instance, to);
}

/* On trial: the hosts' lists stay as they are. */
static void put(struct balancer *b, size_t instance, size_t host)
{
    struct fleet_instance *i = &b->fleet->instances[instance];
    fleet_take(b->fleet, i->host, &i->size, -1);
    fleet_take(b->fleet, host, &i->size, 1);
    i->host = host;
}

/* Small pools: all. Large ones: from hosts that it helps most to take load from, to those that it helps most
 * to give it to; more of both where that finds nothing. */
static struct choice best_choice(struct balancer *b, struct cluster *pool)
{
    struct choice best = {.instance = FLEET_NONE, .score = pool->score};
    size_t ends = pool->length;

    sort_by_pull(b, pool);
    if (pool->candidates > 0 && pool->length > TRIED_MAX / pool->candidates) ends = ENDS_FIRST;
    for (;; ends *= 2) {
        if (ends > pool->length) ends = pool->length;
        for (size_t n = 0; n < ends; n++)
            try_node(b, pool, pool->by_pull[n], pool->by_pull + (pool->length - ends), ends, &best);
        if (best.instance != FLEET_NONE || ends == pool->length) return best;
        if (pool->candidates * ends / pool->length > TRIED_MAX / ends) return best;
    }
}

/* The derivative of the score by load that is taken from the host: weight / deviation * what it is above. */
static void sort_by_pull(struct balancer *b, struct cluster *pool)
{
    double slope[PARTS];

    for (size_t p = 0; p < PARTS; p++) {
        double deviation = sqrt(pool->sum_of_squares.of[p] / (double)pool->length);
        slope[p] = deviation > EQUAL ? weights[p] / deviation : 0;
    }
    slope[PART_MEMORY] = -slope[PART_MEMORY]; /* these two are free parts */
    slope[PART_DISK] = -slope[PART_DISK];
    for (size_t n = 0; n < pool->length; n++) {
        struct node *node = &pool->nodes[n];
        node->pull = 0;
        for (size_t p = 0; p < PARTS; p++)
            node->pull += slope[p] * (node->now.of[p] - pool->mean.of[p]);
        pool->by_pull[n] = node;
    }
    array_sort(pool->by_pull, pool->length, sizeof(struct node *), compare_pulls);
}

static void try_node(struct balancer *b, struct cluster *pool, struct node *from, struct node **ends,
                     size_t length, struct choice *best)
{
    const struct fleet_list *on = &b->fleet->hosts[from->host].on;

    for (size_t at = 0; at < on->length; at++) {
        size_t instance = on->items[at];
        const struct fleet_size *size = &b->fleet->instances[instance].size;
        if (!b->may_move[instance] || tried_before(b, on, at)) continue;
        for (size_t n = 0; n < length; n++) {
            struct node *to = ends[n];
            if (to == from || fleet_slots(b->fleet, to->host, size) < 1) continue;
            double score = score_after(b, pool, size, from, to);
            size_t number = (size_t)(to - pool->nodes);
            if (!better(best, score, instance, number) || !allowed(b, pool, instance, to)) continue;
            *best = (struct choice){instance, (size_t)(from - pool->nodes), number, score};
        }
    }
}

/* One of the same size that as little forbids stands before it in the list: it is the same move. */
static bool tried_before(const struct balancer *b, const struct fleet_list *on, size_t at)
{
    const struct fleet_instance *i = &b->fleet->instances[on->items[at]];
    if (i->tier != FLEET_NONE && b->fleet->tiers[i->tier].level != FLEET_APART_NOT) return false;
    for (size_t n = 0; n < at; n++) {
        const struct fleet_instance *o = &b->fleet->instances[on->items[n]];
        if (!b->may_move[on->items[n]] || memcmp(&o->size, &i->size, sizeof(i->size)) != 0) continue;
        if (o->tier == FLEET_NONE || b->fleet->tiers[o->tier].level == FLEET_APART_NOT) return true;
    }
    return false;
}

/* Of two hosts changed, by sums of squares around the old mean: Steiner's theorem puts the new mean right. */
static double score_after(const struct balancer *b, const struct cluster *pool, const struct fleet_size *size,
                          const struct node *from, const struct node *to)
{
    struct values less = change_of(b, from->host, size), more = change_of(b, to->host, size);
    double score = 0, length = (double)pool->length;

    for (size_t p = 0; p < PARTS; p++) {
        double x = from->now.of[p] - pool->mean.of[p], y = to->now.of[p] - pool->mean.of[p];
        double shift = more.of[p] - less.of[p];
        double squares = pool->sum_of_squares.of[p] + less.of[p] * (less.of[p] - 2 * x) +
                         more.of[p] * (more.of[p] + 2 * y) - shift * shift / length;
        score += weights[p] * (squares > 0 ? sqrt(squares / length) : 0);
    }
    return score;
}

/* By how much the host's values grow when it gets the size. */
static struct values change_of(const struct balancer *b, size_t host, const struct fleet_size *size)
{
    const struct values *whole = &b->capacity[host];
    struct values change = {{[PART_COUNT] = 1}};
    if (whole->of[PART_MEMORY] > 0) change.of[PART_MEMORY] = -(double)size->of[1] / whole->of[PART_MEMORY];
    if (whole->of[PART_DISK] > 0) change.of[PART_DISK] = -(double)size->of[2] / whole->of[PART_DISK];
    if (whole->of[PART_CPUS] > 0) change.of[PART_CPUS] = (double)size->of[0] / whole->of[PART_CPUS];
    return change;
}

static bool better(const struct choice *best, double score, size_t instance, size_t to)
{
    if (score < best->score - EQUAL) return true;
    if (score > best->score + EQUAL || best->instance == FLEET_NONE) return false;
    return instance != best->instance ? instance < best->instance : to < best->to;
}

static bool allowed(const struct balancer *b, const struct cluster *pool, size_t instance,
                    const struct node *to)
{
    const struct fleet_instance *i = &b->fleet->instances[instance];
    if (i->tier == FLEET_NONE || b->fleet->tiers[i->tier].level == FLEET_APART_NOT) return true;
    size_t there = fleet_neighbours(b->fleet, instance, to->host);
    if (there == 0) return true;
    return !b->fleet->tiers[i->tier].strict && there <= fleet_neighbours(b->fleet, instance, i->host);
}

static void apply(struct balancer *b, struct cluster *pool, const struct choice *choice)
{
    struct fleet_instance *i = &b->fleet->instances[choice->instance];
    size_t from = pool->nodes[choice->from].host, to = pool->nodes[choice->to].host;

    fleet_take(b->fleet, from, &i->size, -1);
    fleet_take(b->fleet, to, &i->size, 1);
    list_remove(&b->fleet->hosts[from].on, choice->instance);
    list_add(b->arena, &b->fleet->hosts[to].on, choice->instance);
    i->host = to;
}

static void list_remove(struct fleet_list *list, size_t item)
{
    size_t at = 0;
    while (list->items[at] != item)
        at++;
    list->length--;
    memmove(list->items + at, list->items + at + 1, (list->length - at) * sizeof(*list->items));
}

/* Lists are made as long as they are: a longer one is a new one. */
static void list_add(struct arena *arena, struct fleet_list *list, size_t item)
{
    size_t *items = arena_alloc_array(arena, list->length + 1, sizeof(*items)), at = 0;
    while (at < list->length && list->items[at] < item)
        at++;
    if (at > 0) memcpy(items, list->items, at * sizeof(*items));
    items[at] = item;
    if (at < list->length) memcpy(items + at + 1, list->items + at, (list->length - at) * sizeof(*items));
    list->items = items;
    list->length++;
}

static int compare_pulls(const void *a, const void *b)
{
    const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
    return (x->pull < y->pull) - (x->pull > y->pull);
}
