/* The report of an agent: written, read, and refused where it is none. */
#include "base/text.h"
#include "model/schemas.h"
#include "observe/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_report(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0}, again = {0};
    const struct load_server servers[] = {{"web-1", 3, 4100, -1}, {"web-2", 0, -1, 0}};
    const struct load_frontend frontends[] = {{.name = "www",
                                               .units = 3029,
                                               .refused = 4,
                                               .failed = 5,
                                               .bytes = 1LL << 40,
                                               .open = 3,
                                               .queued = 1,
                                               .taken_us = 77,
                                               .times = "12:3;36",
                                               .servers = servers,
                                               .servers_length = 2}};
    const struct load_balancer balancers[] = {{"acme/shop/balance-1", 2, frontends, 1}};
    const struct load_instance instances[] = {{"acme/shop/web-1", 120, -1, 99}};
    const struct load_report report = {"h1", "b", 5, balancers, 1, instances, 1};
    struct load_report read;
    struct error err;
    schema_write(&schema_load_report, NULL, &report, &json);
    assert_true(model_read_json(&schema_load_report, arena, json.data, json.size, &read, &err));
    schema_write(&schema_load_report, NULL, &read, &again);
    assert_string_equal(buf_text(&json), buf_text(&again));
    assert_int_equal(read.balancers[0].frontends[0].servers[0].connections_us, -1);
    assert_int_equal(read.instances[0].disk_us, -1); /* what is not known stays so */
    assert_true(json.size < 600);                    /* once a second: small */
}

static void test_refused(void **state)
{
    static const char *const WRONG[] = {
        "{}",
        ("{\"host\":\"h1\",\"balancers\":[{\"instance\":\"a/b/"
         "c\",\"frontends\":[{\"name\":\"www\",\"units\":-1}]}]}"),
        "{\"host\":\"h1\",\"balancers\":[{\"instance\":\"a/b/c\",\"frontends\":[{\"name\":\"../x\"}]}]}",
        "{\"host\":\"h1\",\"instances\":[{\"name\":\"a/b/c\",\"cpu_us\":2305843009213693953}]}",
    };
    for (size_t i = 0; i < LENGTH(WRONG); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct load_report read;
        struct error err;
        if (model_read_json(&schema_load_report, arena, WRONG[i], strlen(WRONG[i]), &read, &err))
            fail_msg("%s", WRONG[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_report), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
