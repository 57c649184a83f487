#include "plan/admit/admit.h"
#include "plan/document/find.h"

#include "base/text.h"
#include "base/vec.h"
#include "plan/admit/pack.h"

#include <inttypes.h>
#include <string.h>

#define MEND "; lower %s, or ask the landlord for more hosts or another %s"

/* What all farms ask for. */
struct asked {
    struct fleet_size committed; /* of all that run, balancers included */
    struct fleet_size more;      /* guaranteed beyond it, of those with a service level */
    struct vec items;            /* struct pack_item: what is committed */
};

/* Who is promised more than before. */
struct growth {
    const struct farm *farm; /* the last one; NULL: nobody */
    bool promised;           /* it had no service level: all that it has is a new promise */
};

struct question {
    struct arena *arena;
    struct left *left;
    struct growth growth;
    struct asked before, after;
};

static struct growth find_growth(const struct snapshot *before, const struct snapshot *after);
static bool grows(const struct farm *was, const struct farm *is);
static bool tier_grows(const struct farm *was, const struct tier *is);
static void ask_all(struct asked *asked, struct arena *arena, const struct snapshot *snapshot);
static void ask(struct asked *asked, struct arena *arena, struct map *known, const struct farm *farm);
static void add_item(struct asked *asked, struct arena *arena, struct map *known,
                     const struct pack_item *item);
static void add_size(struct fleet_size *sum, const struct fleet_size *size, int64_t count);
static const char *refuse_sums(struct question *q);
static const char *refuse_pieces(struct question *q);
static const char *refuse_guaranteed(struct question *q);
static bool packs(struct question *q, const struct asked *asked, size_t *ret_loss,
                  struct pack_rest *ret_rest);
static void say_sum(struct buf *text, size_t dimension, int64_t asked, int64_t left);
static char *format_amount(char *out, size_t dimension, int64_t value);

const char *admit_refusal(struct arena *arena, const struct snapshot *before, const struct snapshot *after,
                          const struct farm **ret_farm)
{
    struct question q = {.arena = arena, .growth = find_growth(before, after)};

    if (q.growth.farm == NULL) return NULL;
    q.left = left_new(arena, after);
    ask_all(&q.before, arena, before);
    ask_all(&q.after, arena, after);
    const char *refusal = refuse_sums(&q);
    if (refusal == NULL) refusal = refuse_pieces(&q);
    if (refusal == NULL) refusal = refuse_guaranteed(&q);
    vec_free(&q.before.items);
    vec_free(&q.after.items);
    if (refusal != NULL) *ret_farm = q.growth.farm;
    return refusal;
}

bool admit_promises(const struct farm *farm)
{
    return farm->sla[0] != '\0' && farm->state == FARM_RUNNING;
}

/* Both are sorted by name. */
static struct growth find_growth(const struct snapshot *before, const struct snapshot *after)
{
    struct growth growth = {NULL, false};
    size_t b = 0;

    for (size_t a = 0; a < after->farms_length; a++) {
        const struct farm *is = &after->farms[a], *was = NULL;
        if (!admit_promises(is)) continue;
        while (b < before->farms_length &&
               text_compare_natural(before->farms[b].full_name, is->full_name) < 0)
            b++;
        if (b < before->farms_length && text_equal(before->farms[b].full_name, is->full_name))
            was = &before->farms[b];
        bool promised = was == NULL || !admit_promises(was);
        if (!promised && !grows(was, is)) continue;
        growth.farm = is;
        growth.promised |= promised;
    }
    return growth;
}

static bool grows(const struct farm *was, const struct farm *is)
{
    if (is->balance_length > 0 && was->balance_length == 0) return true;
    for (size_t t = 0; t < is->tiers_length; t++)
        if (tier_grows(was, &is->tiers[t])) return true;
    return false;
}

static bool tier_grows(const struct farm *was, const struct tier *is)
{
    const struct tier *old = NULL;

    for (size_t t = 0; t < was->tiers_length && old == NULL; t++)
        if (text_equal(was->tiers[t].name, is->name)) old = &was->tiers[t];
    if (is->count.guaranteed == 0) return false;
    if (old == NULL || is->count.committed > old->count.committed ||
        is->count.guaranteed > old->count.guaranteed)
        return true;
    struct fleet_size size = fleet_size_of(&is->size), old_size = fleet_size_of(&old->size);
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (size.of[d] > old_size.of[d]) return true;
    return is->spread.strict && (!old->spread.strict || !text_equal(is->spread.by, old->spread.by));
}

static void ask_all(struct asked *asked, struct arena *arena, const struct snapshot *snapshot)
{
    CLEANUP(map_freep) struct map *known = map_new();

    asked->items = VEC_OF(struct pack_item);
    for (size_t f = 0; f < snapshot->farms_length; f++) {
        const struct farm *farm = &snapshot->farms[f];
        if (farm_runs(farm, find_farm_fact(snapshot, farm->full_name))) ask(asked, arena, known, farm);
    }
}

static void ask(struct asked *asked, struct arena *arena, struct map *known, const struct farm *farm)
{
    const struct pack_item balancer = {
        .size = {{BALANCER_CPUS_MILLIS, BALANCER_MEMORY_BYTES, BALANCER_DISK_BYTES, 0}},
        .count = 1,
        .apart = FLEET_APART_NOT,
        .who = TIER_BALANCE};

    for (size_t t = 0; t < farm->tiers_length; t++) {
        const struct tier *tier = &farm->tiers[t];
        struct pack_item item = {
            .size = fleet_size_of(&tier->size), .count = tier->count.committed, .apart = FLEET_APART_NOT};
        int64_t more = tier->count.guaranteed - tier->count.committed;
        if (tier->spread.strict) item.apart = fleet_level(tier->spread.by);
        if (item.apart != FLEET_APART_NOT)
            item.who = arena_printf(arena, "%s/%s", farm->full_name, tier->name);
        if (item.count > 0) add_item(asked, arena, known, &item);
        if (farm->sla[0] != '\0' && more > 0) add_size(&asked->more, &item.size, more);
    }
    if (farm->balance_length > 0) add_item(asked, arena, known, &balancer);
}

/* Of those that may stand anywhere only the size counts. */
static void add_item(struct asked *asked, struct arena *arena, struct map *known,
                     const struct pack_item *item)
{
    static const struct fleet_size nothing;

    add_size(&asked->committed, &item->size, item->count);
    if (item->apart == FLEET_APART_NOT) {
        if (memcmp(&item->size, &nothing, sizeof(nothing)) == 0) return;
        const char *key =
            arena_printf(arena, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64, (uint64_t)item->size.of[0],
                         (uint64_t)item->size.of[1], (uint64_t)item->size.of[2], (uint64_t)item->size.of[3]);
        uintptr_t number = (uintptr_t)map_get(known, key);
        if (number != 0) {
            struct pack_item *same = vec_at(&asked->items, number - 1);
            same->count = left_plus(same->count, item->count);
            return;
        }
        map_put(known, key, (void *)(uintptr_t)(asked->items.length + 1));
    }
    *(struct pack_item *)vec_push(&asked->items) = *item;
}

static void add_size(struct fleet_size *sum, const struct fleet_size *size, int64_t count)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        sum->of[d] = left_plus(sum->of[d], left_times(size->of[d], count));
}

/* What no packing could get round: it gives the numbers. */
static const char *refuse_sums(struct question *q)
{
    CLEANUP_BUF struct buf text = {0};

    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        int64_t asked = q->after.committed.of[d], left = q->left->committed.of[d];
        if (q->left->uncounted[d] || asked <= left) continue;
        if (asked <= q->before.committed.of[d] && !q->growth.promised) continue; /* no worse */
        left_say(q->left, d, &text);
        buf_add_text(&text, "what is committed to all would need ");
        say_sum(&text, d, asked, left);
        buf_printf(&text, MEND, "committed", "survive");
        return arena_strdup(q->arena, buf_text(&text));
    }
    return NULL;
}

static const char *refuse_pieces(struct question *q)
{
    CLEANUP_BUF struct buf text = {0};
    struct pack_rest rest = {0}, rest_before = {0};
    size_t loss = 0, loss_before = 0;
    bool more = q->growth.promised;
    char cpus[32], memory[32];

    if (packs(q, &q->after, &loss, &rest)) return NULL;
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        more |= q->after.committed.of[d] > q->before.committed.of[d];
    if (!more && !packs(q, &q->before, &loss_before, &rest_before)) return NULL; /* as it was */
    const struct pack_item *item = vec_at(&q->after.items, rest.item);
    left_say_loss(q->left, loss, &text);
    buf_printf(&text,
               "what is committed to all finds no room in the pieces that are left: %" PRId64 " of %" PRId64
               " instances of %s cpus and %s memory",
               rest.count, item->count, text_format_cpus(cpus, item->size.of[0]),
               text_format_bytes(memory, item->size.of[1]));
    if (item->apart != FLEET_APART_NOT) buf_printf(&text, ", which %s keeps strictly apart,", item->who);
    buf_printf(&text, " would have no host" MEND, "committed", "survive");
    return arena_strdup(q->arena, buf_text(&text));
}

static bool packs(struct question *q, const struct asked *asked, size_t *ret_loss, struct pack_rest *ret_rest)
{
    for (size_t loss = 0; loss < q->left->losses; loss++) {
        const struct left_group *groups = left_after(q->left, q->arena, loss);
        if (pack_fits(q->arena, q->left, groups, asked->items.items, asked->items.length, ret_rest)) continue;
        *ret_loss = loss;
        return false;
    }
    return true;
}

static const char *refuse_guaranteed(struct question *q)
{
    CLEANUP_BUF struct buf text = {0};

    for (size_t d = 0; d < FLEET_DIMENSIONS; d++) {
        int64_t asked = q->after.more.of[d], asked_before = q->before.more.of[d];
        int64_t left = left_guaranteed(q->left, d, q->after.committed.of[d]);
        int64_t left_before = left_guaranteed(q->left, d, q->before.committed.of[d]);
        if (q->left->uncounted[d] || asked <= left) continue;
        if (asked - left <= asked_before - left_before && !q->growth.promised) continue;
        buf_add_text(&text, "what is guaranteed to all beyond what is committed would need ");
        say_sum(&text, d, asked, left);
        buf_printf(&text, MEND, "guaranteed", "oversubscription");
        return arena_strdup(q->arena, buf_text(&text));
    }
    return NULL;
}

/* "41 cpus of 40: 1 cpu too many". */
static void say_sum(struct buf *text, size_t dimension, int64_t asked, int64_t left)
{
    char need[32], have[32], over[32];
    bool cpus = dimension == 0;

    format_amount(need, dimension, asked);
    format_amount(have, dimension, left);
    format_amount(over, dimension, asked - left);
    buf_printf(text, "%s %s of %s: %s%s", need, fleet_dimension_name(dimension), have, over,
               !cpus                   ? " too much"
               : text_equal(over, "1") ? " cpu too many"
                                       : " cpus too many");
}

static char *format_amount(char *out, size_t dimension, int64_t value)
{
    if (dimension == 0) return text_format_cpus(out, value);
    return dimension == 3 ? text_format_rate(out, value) : text_format_bytes(out, value);
}
