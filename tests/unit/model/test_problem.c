#include "model/problem.h"

#include "check.h"

#include <string.h>

static void what_is_written_is_read_back(void **state)
{
    for (int code = ERROR_INVALID; code <= ERROR_TOO_LARGE; code++) {
        CLEANUP_BUF struct buf json = {0};
        struct error told, read;
        error_set(&told, (enum error_code)code, "%s", "is \"not\" a name");
        strcpy(told.file, "site.yaml");
        strcpy(told.field, "tiers[0].name");
        told.line = 7;
        told.column = 12;
        problem_write(&told, error_http_status(told.code), &json);
        assert_true(problem_read(json.data, json.size, 400, &read)); /* the code is told, not guessed */
        assert_int_equal(read.code, code);
        assert_string_equal(read.message, told.message);
        assert_string_equal(read.file, "site.yaml");
        assert_string_equal(read.field, "tiers[0].name");
        assert_int_equal(read.line, 7);
        assert_int_equal(read.column, 12);
    }
}

static void written_as_the_contract_has_it(void **state)
{
    CLEANUP_BUF struct buf json = {0};
    struct error err;
    error_set(&err, ERROR_NOT_FOUND, "there is no x");
    problem_write(&err, 404, &json);
    assert_string_equal(
        buf_text(&json),
        "{\"type\":\"about:blank\",\"title\":\"not found\",\"status\":404,\"detail\":\"there is "
        "no x\",\"code\":\"not found\",\"file\":\"\",\"field\":\"\",\"line\":0,\"column\":0}");
}

static void of_others_the_status_counts(void **state)
{
    static const char title[] = "{\"title\":\"Gateway Timeout\",\"line\":-3,\"column\":99999999999}";
    struct error err;
    assert_true(problem_read(title, strlen(title), 504, &err));
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_string_equal(err.message, "Gateway Timeout");
    assert_int_equal(err.line, 0);
    assert_int_equal(err.column, 0);
    assert_true(problem_read("{}", 2, 200, &err));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_string_equal(err.message, "refused without a reason");
}

static void other_bodies_are_none(void **state)
{
    static const char *const bodies[] = {"", "<html>", "[]", "3", "{\"detail\":"};
    struct error err;
    error_set(&err, ERROR_DENIED, "as it was");
    for (size_t i = 0; i < LENGTH(bodies); i++)
        assert_false(problem_read(bodies[i], strlen(bodies[i]), 500, &err));
    assert_int_equal(err.code, ERROR_DENIED);
    assert_string_equal(err.message, "as it was");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(written_as_the_contract_has_it),
        cmocka_unit_test(of_others_the_status_counts),
        cmocka_unit_test(other_bodies_are_none),
    };
    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
