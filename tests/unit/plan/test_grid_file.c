/* A grid from a file is one that nobody wants to change: what it leaves out is filled in so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/schemas.h"
#include "plan/plan.h"
#include "spec/ganeti.h"
#include "spec/spec.h"

#define HOST(name, zone)                                        \
    "{\"kind\":\"Host\",\"name\":\"" name "\",\"zone\":\"" zone \
    "\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\",\"disk\":\"1Ti\"}}\n"
#define INSTANCE(name, host) "{\"kind\":\"Instance\",\"name\":\"" name "\",\"host\":\"" host "\"}\n"

static void check_nothing_to_do(const char *text, bool is_ganeti)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid_file grid;
    struct error err;
    CLEANUP_BUF struct buf warnings = {0};
    bool read = is_ganeti ? ganeti_read(arena, "f", text, strlen(text), &grid, &warnings, &err)
                          : grid_file_read(arena, "f", text, strlen(text), &grid, &err);
    if (!read) fail_msg("%u:%u: %s: %s", err.line, err.column, err.field, err.message);
    struct plan plan = plan_make(arena, &grid.snapshot, grid.now_ms);
    for (size_t i = 0; i < plan.actions_length; i++)
        fail_msg("%s %s: %s", action_kind_names[plan.actions[i].kind], plan.actions[i].name,
                 plan.actions[i].reason);
}

static void instances_alone(void **state)
{
    check_nothing_to_do(HOST("h1", "a/b") HOST("h2", "a/c") INSTANCE("acme/shop/web-1", "h1")
                            INSTANCE("acme/shop/web-5", "h1") INSTANCE("acme/shop/db-1", "h2")
                                INSTANCE("beta/x/y-1", "h2"),
                        false);
}

static void with_a_farm(void **state)
{
    check_nothing_to_do(
        HOST("h1", "a/b") HOST(
            "h2", "a/c") "{\"kind\":\"Party\",\"name\":\"acme\"}\n"
                         "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/24\","
                         "\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\",\"count\":2,\"needs\":[\"db\"],"
                         "\"spread\":\"host\","
                         "\"health\":{\"tcp\":80}},{\"name\":\"db\",\"image\":\"b:1\"}],"
                         "\"balance\":[{\"name\":\"www\",\"port\":80,\"to\":\"web:80\"}]}\n" INSTANCE(
                             "acme/shop/web-1", "h1") INSTANCE("acme/shop/web-2", "h2")
                             INSTANCE("acme/shop/db-1", "h2") INSTANCE("acme/shop/balance-1", "h1"),
        false);
}

static void from_ganeti(void **state)
{
    check_nothing_to_do(
        "g|u|preferred||\n\n"
        "n1|4096|512|1536|10000|4000|4|M|u|1\nn2|4096|512|3584|10000|5000|4|N|u|1\n\n"
        "i1|1024|4000|1|running|Y|n1|n2|drbd||1\ni2|1024|2000|1|ADMIN_down|Y|n1||plain||1\n\n\n",
        true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(instances_alone), cmocka_unit_test(with_a_farm),
                                       cmocka_unit_test(from_ganeti)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
