/* The covering problem: choose y[t] hosts of shape t, 0 <= y[t] <= count[t], so that in every dimension d the
 * sum of size[t][d] * y[t] is at least demand[d], with the least sum of y. Its dual,
 *
 *     maximise  sum_d u[d] - sum_t count[t] * v[t]
 *     where     sum_d u[d] * size[t][d] / demand[d] - v[t] <= 1 for each t,   u, v >= 0,
 *
 * begins at zero without a first phase, and has the same optimum (duality: Dantzig, Linear Programming and
 * Extensions, 1963, chapter 6). Solved by his simplex method with the rule of Bland (New finite pivoting
 * rules for the simplex method, 1977), which cannot circle. */
#include "plan/whatif/bound.h"

#define SMALL 1e-11 /* what counts as zero of numbers around 1 */

struct tableau {
    double *cells; /* rows: a shape each, then the goal; columns: u, v, slacks, then the right side */
    size_t rows, columns;
    size_t *basic; /* the column that each row stands for */
};

static double *cell(const struct tableau *tableau, size_t row, size_t column);
static size_t entering(const struct tableau *tableau);
static size_t leaving(const struct tableau *tableau, size_t column);
static void pivot(struct tableau *tableau, size_t row, size_t column);

double bound_hosts(const struct bound_shape *shapes, size_t length, const struct fleet_size *demand)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct tableau t = {.rows = length, .columns = FLEET_DIMENSIONS + 2 * length + 1};

    t.cells = arena_alloc_array(arena, (t.rows + 1) * t.columns, sizeof(*t.cells));
    t.basic = arena_alloc_array(arena, t.rows + 1, sizeof(*t.basic));
    for (size_t row = 0; row < length; row++) {
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            if (demand->of[d] > 0) *cell(&t, row, d) = (double)shapes[row].size.of[d] / (double)demand->of[d];
        *cell(&t, row, FLEET_DIMENSIONS + row) = -1;
        *cell(&t, row, FLEET_DIMENSIONS + length + row) = 1;
        *cell(&t, row, t.columns - 1) = 1;
        *cell(&t, length, FLEET_DIMENSIONS + row) = -(double)shapes[row].count;
        t.basic[row] = FLEET_DIMENSIONS + length + row;
    }
    for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
        *cell(&t, length, d) = demand->of[d] > 0;
    for (size_t column = entering(&t); column != t.columns; column = entering(&t)) {
        size_t row = leaving(&t, column);
        if (row == t.rows) return -1; /* the dual grows without end: the primal has no answer */
        pivot(&t, row, column);
    }
    return -*cell(&t, length, t.columns - 1);
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
        /* Sizes are parts of the whole demand, so they may be small themselves. */
        if (by <= SMALL * SMALL) continue;
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
