/* The covering problem: y[t] hosts of shape t, 0 <= y[t] <= count[t], and on them x[s][t] instances of size
 * s, as many as there are of each, only where one fits into the empty host, and in every dimension together
 * no more than those hosts offer; with the least sum of y. Any packing is a solution, so the least is a
 * bound. Its dual has a price for everything,
 *
 *     maximise  sum_s count[s] * p[s] - sum_t count[t] * v[t]
 *     where     p[s] <= sum_d u[t][d] * size[s][d] / size[t][d]   for each t that s fits into,
 *               sum_d u[t][d] - v[t] <= 1                         for each t,   p, u, v >= 0,
 *
 * begins at zero without a first phase, and has the same optimum (duality: Dantzig, Linear Programming and
 * Extensions, 1963, chapter 6). Solved by his simplex method with the rule of Bland (New finite pivoting
 * rules for the simplex method, 1977), which cannot circle. */
#include "plan/whatif/bound.h"

#define SMALL 1e-11 /* what counts as zero of numbers around 1 */

struct tableau {
    double *cells; /* rows: see bound_hosts(), then the goal; columns: u, v, p, slacks, then the right side */
    size_t rows, columns;
    size_t *basic; /* the column that each row stands for */
};

struct problem {
    const struct bound_shape *shapes;
    const struct bound_size *sizes;
    size_t shapes_length, sizes_length;
    double count; /* of all instances */
};

static bool fits(const struct fleet_size *size, const struct fleet_size *into);
static double part(const struct problem *problem, size_t size, size_t shape, size_t dimension);
static struct tableau tableau_of(struct arena *arena, const struct problem *problem);
static double value_of(const struct problem *problem, const double *prices);
static double *cell(const struct tableau *tableau, size_t row, size_t column);
static size_t entering(const struct tableau *tableau);
static size_t leaving(const struct tableau *tableau, size_t column);
static void pivot(struct tableau *tableau, size_t row, size_t column);

double bound_hosts(const struct bound_shape *shapes, size_t shapes_length, const struct bound_size *sizes,
                   size_t sizes_length)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct problem problem = {shapes, sizes, shapes_length, sizes_length, 0};

    for (size_t s = 0; s < sizes_length; s++)
        problem.count += (double)sizes[s].count;
    if (problem.count <= 0) return 0;
    struct tableau t = tableau_of(arena, &problem);
    for (size_t column = entering(&t); column != t.columns; column = entering(&t)) {
        size_t row = leaving(&t, column);
        if (row == t.rows) return -1; /* the dual grows without end: the primal has no answer */
        pivot(&t, row, column);
    }
    double *prices = arena_alloc_array(arena, t.columns, sizeof(*prices));
    for (size_t row = 0; row < t.rows; row++)
        prices[t.basic[row]] = *cell(&t, row, t.columns - 1);
    return value_of(&problem, prices);
}

static bool fits(const struct fleet_size *size, const struct fleet_size *into)
{
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        if (size->of[d] > 0 && size->of[d] > into->of[d]) return false;
    return true;
}

/* Of an empty host. Asked for where it fits. */
static double part(const struct problem *problem, size_t size, size_t shape, size_t dimension)
{
    int64_t of = problem->sizes[size].size.of[dimension];
    return of > 0 ? (double)of / (double)problem->shapes[shape].size.of[dimension] : 0;
}

/* A row for each shape, then for each shape and size that fits. The goal is counted in parts of all
 * instances.
 */
static struct tableau tableau_of(struct arena *arena, const struct problem *problem)
{
    size_t shapes = problem->shapes_length, sizes = problem->sizes_length;
    size_t v = shapes * FLEET_DIMENSIONS, p = v + shapes, slack = p + sizes;
    struct tableau t = {.rows = shapes};

    for (size_t n = 0; n < shapes * sizes; n++)
        t.rows += fits(&problem->sizes[n % sizes].size, &problem->shapes[n / sizes].size);
    t.columns = slack + t.rows + 1;
    t.cells = arena_alloc_array(arena, (t.rows + 1) * t.columns, sizeof(*t.cells));
    t.basic = arena_alloc_array(arena, t.rows + 1, sizeof(*t.basic));
    for (size_t row = 0; row < t.rows; row++) {
        *cell(&t, row, slack + row) = 1;
        t.basic[row] = slack + row;
    }
    for (size_t n = 0; n < shapes; n++) {
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            *cell(&t, n, n * FLEET_DIMENSIONS + d) = 1;
        *cell(&t, n, v + n) = -1;
        *cell(&t, n, t.columns - 1) = 1;
        *cell(&t, t.rows, v + n) = -(double)problem->shapes[n].count / problem->count;
    }
    for (size_t n = 0, row = shapes; n < shapes * sizes; n++) {
        size_t shape = n / sizes, s = n % sizes;
        if (!fits(&problem->sizes[s].size, &problem->shapes[shape].size)) continue;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            *cell(&t, row, shape * FLEET_DIMENSIONS + d) = -part(problem, s, shape, d);
        *cell(&t, row++, p + s) = 1;
    }
    for (size_t s = 0; s < sizes; s++)
        *cell(&t, t.rows, p + s) = (double)problem->sizes[s].count / problem->count;
    return t;
}

/* Any prices u are a solution of the dual, with the best v and p for them, and so a bound: however the
 * simplex method rounded, what is told is one. */
static double value_of(const struct problem *problem, const double *prices)
{
    double value = 0;

    for (size_t t = 0; t < problem->shapes_length; t++) {
        double over = -1;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            over += prices[t * FLEET_DIMENSIONS + d];
        if (over > 0) value -= over * (double)problem->shapes[t].count;
    }
    for (size_t s = 0; s < problem->sizes_length; s++) {
        double least = INFINITY;
        for (size_t t = 0; t < problem->shapes_length; t++) {
            double price = 0;
            if (!fits(&problem->sizes[s].size, &problem->shapes[t].size)) continue;
            for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
                price += prices[t * FLEET_DIMENSIONS + d] * part(problem, s, t, d);
            least = price < least ? price : least;
        }
        if (problem->sizes[s].count > 0) value += least * (double)problem->sizes[s].count;
    }
    return value;
}

static double *cell(const struct tableau *tableau, size_t row, size_t column)
{
    return &tableau->cells[row * tableau->columns + column];
}

/* The first column by which the goal still grows; columns: none. */
static size_t entering(const struct tableau *tableau)
{
    for (size_t column = 0; column + 1 < tableau->columns; column++)
        if (*cell(tableau, tableau->rows, column) > SMALL) return column;
    return tableau->columns;
}

/* The row that stops it first; ties: the one of the first column; rows: none. */
static size_t leaving(const struct tableau *tableau, size_t column)
{
    size_t best = tableau->rows;
    double best_ratio = 0;

    for (size_t row = 0; row < tableau->rows; row++) {
        double by = *cell(tableau, row, column);
        if (by <= SMALL) continue;
        double ratio = *cell(tableau, row, tableau->columns - 1) / by;
        if (best != tableau->rows &&
            (ratio > best_ratio || (ratio >= best_ratio && tableau->basic[row] > tableau->basic[best])))
            continue;
        best = row;
        best_ratio = ratio;
    }
    return best;
}

static void pivot(struct tableau *tableau, size_t row, size_t column)
{
    double by = *cell(tableau, row, column);

    for (size_t c = 0; c < tableau->columns; c++)
        *cell(tableau, row, c) /= by;
    for (size_t r = 0; r <= tableau->rows; r++) {
        double times = *cell(tableau, r, column);
        if (r == row || (times >= 0 && times <= 0)) continue;
        for (size_t c = 0; c < tableau->columns; c++)
            *cell(tableau, r, c) -= times * *cell(tableau, row, c);
        *cell(tableau, r, column) = 0;
    }
    tableau->basic[row] = column;
}
