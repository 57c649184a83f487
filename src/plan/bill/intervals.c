/* Which instance was at which level when: for who wants to see behind the sums. The first by name are the
 * committed ones, so that a level only moves when an instance with a lower number comes or goes. */
#include "base/text.h"
#include "plan/bill/inside.h"

static size_t place_of(const struct vec *ranked, const char *instance);
static void extend(struct making *making, struct ranked *ranked, enum bill_use use, const char *sla,
                   int64_t from_ms, int64_t to_ms);

void bill_rank(struct tier_book *tier, const struct step *step)
{
    struct vec *ranked = &tier->ranked;
    size_t place = place_of(ranked, step->row->instance);

    if (step->by < 0) {
        while (((struct ranked *)vec_at(ranked, place))->row != step->row)
            place++; /* its successor of the same name, in the same millisecond */
        vec_remove(ranked, place);
        return;
    }
    vec_push(ranked);
    for (size_t i = ranked->length - 1; i > place; i--)
        *(struct ranked *)vec_at(ranked, i) = *(struct ranked *)vec_at(ranked, i - 1);
    *(struct ranked *)vec_at(ranked, place) = (struct ranked){.row = step->row};
}

void bill_rank_stretch(struct making *making, struct tier_book *tier, const int64_t counts[BILL_USES],
                       const struct sla_terms *sla, int64_t from_ms, int64_t to_ms)
{
    static const enum bill_use order[] = {USE_COMMITTED, USE_GUARANTEED, USE_EXTENDED,
                                          USE_NO_SLA,    USE_BALANCER,   USE_SURPLUS};
    size_t rank = 0;

    for (size_t i = 0; i < LENGTH(order); i++)
        for (int64_t k = 0; k < counts[order[i]]; k++)
            extend(making, vec_at(&tier->ranked, rank++), order[i],
                   sla && order[i] != USE_BALANCER ? sla->sla.name : "", from_ms, to_ms);
}

void bill_interval_of(struct making *making, const struct stay *row, enum bill_use use, int64_t from_ms,
                      int64_t to_ms)
{
    struct ranked once = {.row = row};
    extend(making, &once, use, "", from_ms, to_ms);
}

/* The first that does not come before it. */
static size_t place_of(const struct vec *ranked, const char *instance)
{
    size_t place = 0;

    while (place < ranked->length &&
           text_compare_natural(((struct ranked *)vec_at(ranked, place))->row->instance, instance) < 0)
        place++;
    return place;
}

static void extend(struct making *making, struct ranked *ranked, enum bill_use use, const char *sla,
                   int64_t from_ms, int64_t to_ms)
{
    struct bill_interval *open = ranked->open;

    if (open && open->use == use && open->to_ms == from_ms && text_equal(open->sla, sla)) {
        open->to_ms = to_ms;
        return;
    }
    ranked->open = open = arena_alloc(making->arena, sizeof(*open));
    *open = (struct bill_interval){.instance = ranked->row->instance,
                                   .host = ranked->row->host,
                                   .use = use,
                                   .sla = sla,
                                   .from_ms = from_ms,
                                   .to_ms = to_ms};
    *(struct bill_interval **)vec_push(&making->intervals) = open;
}
