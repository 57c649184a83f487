#include "driver/net/filter_layers.h"

#include "base/mem.h"

/* Boxes whose range of the leading field may still overlap those to come. */
struct sweep {
    struct vec active; /* size_t: of the boxes */
    struct vec gone;   /* bool, of each box: another one covers it */
    struct vec taken;  /* size_t, of each layer: 1 + the box that saw it last taken by an overlapping one */
};

static enum filter_field leading_field(struct filter_run *run);
static void place_box(struct filter_run *run, struct sweep *sweep, size_t index, enum filter_field lead);
static bool overlaps(const struct filter_box *a, const struct filter_box *b);
static bool covers(const struct filter_box *a, const struct filter_box *b);
static int compare_from(const void *a, const void *b);
static int compare_to(const void *a, const void *b);
static int compare_protocol(const void *a, const void *b);
static int compare_from_port(const void *a, const void *b);
static int compare_port(const void *a, const void *b);
static int compare_by(enum filter_field field, const struct filter_box *a, const struct filter_box *b);

static int (*const comparisons[FILTER_FIELDS])(const void *a, const void *b) = {
    [FIELD_FROM] = compare_from,           [FIELD_TO] = compare_to,     [FIELD_PROTOCOL] = compare_protocol,
    [FIELD_FROM_PORT] = compare_from_port, [FIELD_PORT] = compare_port,
};

int filter_value_compare(const struct filter_value *a, const struct filter_value *b)
{
    if (a->high != b->high) return a->high < b->high ? -1 : 1;
    return (a->low > b->low) - (a->low < b->low);
}

void filter_layers(struct filter_run *run)
{
    struct sweep sweep = {.active = VEC_OF(size_t), .gone = VEC_OF(bool), .taken = VEC_OF(size_t)};
    run->layers = 1;
    if (run->boxes.length < 2) return;
    enum filter_field lead = leading_field(run);
    vec_sort(&run->boxes, comparisons[lead]);
    for (size_t i = 0; i < run->boxes.length; i++)
        place_box(run, &sweep, i, lead);
    size_t kept = 0;
    for (size_t i = 0; i < run->boxes.length; i++) {
        if (*(bool *)vec_at(&sweep.gone, i)) continue;
        *(struct filter_box *)vec_at(&run->boxes, kept++) = *(struct filter_box *)vec_at(&run->boxes, i);
    }
    run->boxes.length = kept;
    run->layers = (uint32_t)sweep.taken.length;
    vec_free(&sweep.active);
    vec_free(&sweep.gone);
    vec_free(&sweep.taken);
}

/* The one that tells most boxes apart. */
static enum filter_field leading_field(struct filter_run *run)
{
    enum filter_field best = FIELD_FROM;
    size_t most = 0;
    for (enum filter_field field = 0; field < FILTER_FIELDS; field++) {
        size_t values = 1;
        if (run->shape.use[field] == USE_NONE) continue;
        vec_sort(&run->boxes, comparisons[field]);
        for (size_t i = 1; i < run->boxes.length; i++) {
            const struct filter_box *here = vec_at(&run->boxes, i), *before = vec_at(&run->boxes, i - 1);
            values += filter_value_compare(&here->first[field], &before->first[field]) != 0;
        }
        if (values <= most) continue;
        best = field;
        most = values;
    }
    return best;
}

/* Sorted by where they begin in the leading field, the long ones first: one that covers another mostly comes
 * before it. */
static void place_box(struct filter_run *run, struct sweep *sweep, size_t index, enum filter_field lead)
{
    struct filter_box *box = vec_at(&run->boxes, index);
    bool *gone = vec_push(&sweep->gone);
    size_t kept = 0;
    for (size_t i = 0; i < sweep->active.length; i++) {
        size_t number = *(size_t *)vec_at(&sweep->active, i);
        const struct filter_box *other = vec_at(&run->boxes, number);
        if (filter_value_compare(&other->last[lead], &box->first[lead]) < 0) continue;
        *(size_t *)vec_at(&sweep->active, kept++) = number;
        if (*gone || !overlaps(other, box)) continue;
        if (covers(other, box)) {
            *gone = true;
        } else if (covers(box, other)) {
            *(bool *)vec_at(&sweep->gone, number) = true;
            kept--;
        } else {
            *(size_t *)vec_at(&sweep->taken, other->layer) = index + 1;
        }
    }
    sweep->active.length = kept;
    if (*gone) return;
    while (box->layer < sweep->taken.length && *(size_t *)vec_at(&sweep->taken, box->layer) == index + 1)
        box->layer++;
    if (box->layer == sweep->taken.length) *(size_t *)vec_push(&sweep->taken) = 0;
    *(size_t *)vec_push(&sweep->active) = index;
}

static bool overlaps(const struct filter_box *a, const struct filter_box *b)
{
    for (size_t i = 0; i < FILTER_FIELDS; i++) {
        if (filter_value_compare(&a->last[i], &b->first[i]) < 0 ||
            filter_value_compare(&b->last[i], &a->first[i]) < 0)
            return false;
    }
    return true;
}

static bool covers(const struct filter_box *a, const struct filter_box *b)
{
    for (size_t i = 0; i < FILTER_FIELDS; i++) {
        if (filter_value_compare(&a->first[i], &b->first[i]) > 0 ||
            filter_value_compare(&b->last[i], &a->last[i]) > 0)
            return false;
    }
    return true;
}

static int compare_from(const void *a, const void *b)
{
    return compare_by(FIELD_FROM, a, b);
}

static int compare_to(const void *a, const void *b)
{
    return compare_by(FIELD_TO, a, b);
}

static int compare_protocol(const void *a, const void *b)
{
    return compare_by(FIELD_PROTOCOL, a, b);
}

static int compare_from_port(const void *a, const void *b)
{
    return compare_by(FIELD_FROM_PORT, a, b);
}

static int compare_port(const void *a, const void *b)
{
    return compare_by(FIELD_PORT, a, b);
}

static int compare_by(enum filter_field field, const struct filter_box *a, const struct filter_box *b)
{
    int order = filter_value_compare(&a->first[field], &b->first[field]);
    return order != 0 ? order : filter_value_compare(&b->last[field], &a->last[field]);
}
