#include "plan/whatif/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t draw(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

static void assert_near(double a, double b)
{
    if (a - b > 1e-6 || b - a > 1e-6) fail_msg("%.9f is not %.9f", a, b);
}

/* One instance of a size. */
static double bound_of(const struct bound_shape *shapes, size_t length, int64_t cpus, int64_t memory)
{
    const struct bound_size size = {{{cpus, memory, 0, 0}}, 1};
    return bound_hosts(shapes, length, &size, 1);
}

static void one_shape_is_the_tightest_dimension(void **state)
{
    const struct bound_shape shape = {{{32000, 128LL << 30, 2LL << 40, 0}}, 100};
    const struct bound_size small = {{{1000, 10LL << 30, 16LL << 30, 0}}, 64};
    const struct bound_size cpus = {{{1000, 0, 0, 0}}, 336};
    struct bound_size all = {{{2000, 0, 0, 0}}, 1600};
    assert_near(bound_hosts(&shape, 1, &small, 1), 5);
    assert_near(bound_hosts(&shape, 1, &cpus, 1), 10.5);
    assert_near(bound_hosts(&shape, 1, &all, 1), 100);
    all.count++;
    assert_true(bound_hosts(&shape, 1, &all, 1) < 0);
    assert_true(bound_hosts(&shape, 1, &(struct bound_size){{{0, 0, 0, 1}}, 1}, 1) < 0);
    assert_near(bound_hosts(&shape, 1, NULL, 0), 0);
}

static void shapes_are_mixed(void **state)
{
    /* The large ones first, then small ones. */
    const struct bound_shape shapes[] = {{{{1, 1, 1, 1}}, 100}, {{{10, 10, 10, 10}}, 3}};
    const struct bound_size size = {{{1, 1, 1, 0}}, 50};
    assert_near(bound_hosts(shapes, 2, &size, 1), 3 + 20);
    /* Sizes that complete each other share hosts; what is left over has hosts of its own. */
    const struct bound_shape shape = {{{12, 12, 0, 0}}, 100};
    const struct bound_size sizes[] = {{{{1, 2, 0, 0}}, 40}, {{{2, 1, 0, 0}}, 100}};
    assert_near(bound_hosts(&shape, 1, sizes, 2), 240.0 / 12);
}

/* Sums alone say less: two hosts, one of cpus and one of memory, offer what three of a size ask for that
 * neither has room for, and what fills the one leaves half of the other. */
static void a_size_needs_hosts_that_it_fits(void **state)
{
    const struct bound_shape apart[] = {{{{8, 1, 0, 0}}, 9}, {{{1, 8, 0, 0}}, 9}};
    assert_true(bound_of(apart, 2, 2, 2) < 0);
    assert_near(bound_of(apart, 2, 1, 1), 1);
    const struct bound_shape shapes[] = {{{{8, 4, 0, 0}}, 9}, {{{4, 8, 0, 0}}, 9}};
    const struct bound_size even = {{{1, 1, 0, 0}}, 24};
    assert_near(bound_hosts(shapes, 2, &even, 1), 6); /* sums: 4 */
    const struct bound_size both[] = {{{{2, 1, 0, 0}}, 12}, {{{1, 2, 0, 0}}, 12}};
    assert_near(bound_hosts(shapes, 2, both, 2), 6);
}

struct packing {
    int64_t free[6][FLEET_DIMENSIONS];
    bool used[6];
    size_t hosts;
    struct fleet_size instances[6];
    size_t length;
    int64_t best; /* below 0: none */
};

/* The fewest whole hosts that hold whole instances, by trying all. */
static void try_all(struct packing *p, size_t instance, int64_t used)
{
    if (instance == p->length) {
        if (p->best < 0 || used < p->best) p->best = used;
        return;
    }
    for (size_t h = 0; h < p->hosts; h++) {
        bool fits = true, was = p->used[h];
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            fits = fits && p->instances[instance].of[d] <= p->free[h][d];
        if (!fits) continue;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            p->free[h][d] -= p->instances[instance].of[d];
        p->used[h] = true;
        try_all(p, instance + 1, used + !was);
        p->used[h] = was;
        for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
            p->free[h][d] += p->instances[instance].of[d];
    }
}

static void whole_hosts_are_never_fewer(void **state)
{
    uint64_t random = 7;
    size_t packed = 0, tight = 0;
    for (int round = 0; round < 1000; round++) {
        struct packing p = {.best = -1};
        struct bound_shape shapes[3] = {0};
        struct bound_size sizes[3] = {0};
        size_t shapes_length = 1 + draw(&random, 3), sizes_length = 1 + draw(&random, 3);
        for (size_t t = 0; t < shapes_length; t++) {
            shapes[t].count = (int64_t)draw(&random, 3);
            for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
                shapes[t].size.of[d] = (int64_t)(4 + draw(&random, 16));
            for (int64_t n = 0; n < shapes[t].count; n++)
                memcpy(p.free[p.hosts++], shapes[t].size.of, sizeof(p.free[0]));
        }
        for (size_t s = 0; s < sizes_length; s++) {
            sizes[s].count = (int64_t)draw(&random, 3);
            for (size_t d = 0; d < FLEET_DIMENSIONS; d++)
                sizes[s].size.of[d] = (int64_t)draw(&random, 12);
            for (int64_t n = 0; n < sizes[s].count; n++)
                p.instances[p.length++] = sizes[s].size;
        }
        double bound = bound_hosts(shapes, shapes_length, sizes, sizes_length);
        try_all(&p, 0, 0);
        if (p.best < 0) continue;
        assert_true(bound >= 0 && bound <= (double)p.best + 1e-6);
        packed++;
        tight += p.best > 0 && bound > (double)p.best - 1;
    }
    assert_true(packed > 300 && tight > 100); /* it says something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shape_is_the_tightest_dimension),
        cmocka_unit_test(shapes_are_mixed),
        cmocka_unit_test(a_size_needs_hosts_that_it_fits),
        cmocka_unit_test(whole_hosts_are_never_fewer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
