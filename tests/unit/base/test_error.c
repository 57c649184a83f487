#include "base/error.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static void fill_resets_the_position(void **state)
{
    struct error err;
    memset(&err, 'x', sizeof(err));
    int line = __LINE__ + 1;
    assert_false(error_set(&err, ERROR_INVALID, "%s is %d", "answer", 42));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_string_equal(err.message, "answer is 42");
    assert_string_equal(err.file, "");
    assert_string_equal(err.field, "");
    assert_int_equal(err.line, 0);
    assert_int_equal(err.column, 0);
    assert_int_equal(err.source_line, line);
    assert_non_null(strstr(err.source_file, "test_error.c"));
}

static void fill_may_quote_itself(void **state)
{
    struct error err;
    error_set(&err, ERROR_FAILED, "inner");
    error_set(&err, ERROR_DENIED, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
    error_wrap(&err, "again %s", err.message);
    assert_string_equal(err.message, "again outer (inner): outer (inner)");
}

static void message_is_one_line(void **state)
{
    struct error err;
    error_set(&err, ERROR_INVALID,
              "a\nb\tc\r\x7f"
              "d");
    assert_string_equal(err.message, "a b c  d");
}

static void errno_text_follows(void **state)
{
    struct error err;
    assert_false(error_errno(&err, ENOENT, "cannot open %s", "x"));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_string_equal(err.message, "cannot open x: No such file or directory");
    error_errno(&err, 123456, "odd");
    assert_string_equal(err.message, "odd: error 123456");
}

static void wrap_keeps_the_rest(void **state)
{
    struct error err;
    error_set(&err, ERROR_CONFLICT, "changed");
    err.line = 7;
    strcpy(err.field, "tiers[0]");
    assert_false(error_wrap(&err, "apply %s", "shop"));
    assert_string_equal(err.message, "apply shop: changed");
    assert_int_equal(err.code, ERROR_CONFLICT);
    assert_int_equal(err.line, 7);
    assert_string_equal(err.field, "tiers[0]");
}

static void long_messages_are_cut(void **state)
{
    char text[5000];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xc3\xa9", 3); /* é */
        struct error err;
        error_set(&err, ERROR_FAILED, "%s", text);
        size_t size = strlen(err.message);
        assert_true(size == sizeof(err.message) - 1 || size == sizeof(err.message) - 2);
        assert_int_equal((size - shift) % 2, 0);
        error_wrap(&err, "%s", "front");
        assert_memory_equal(err.message, "front: ", 7);
        error_wrap(&err, "%s", text);
        assert_int_equal((strlen(err.message) - shift) % 2, 0);
        error_errno(&err, EIO, "%s", text);
        assert_string_equal(strrchr(err.message, ':'), ": Input/output error");
    }
}

static void table_is_that_of_the_model(void **state)
{
    static const int exits[] = {0, 1, 1, 1, 2, 3, 4, 5, 6, 1, 1};
    static const int statuses[] = {200, 422, 409, 500, 400, 404, 412, 502, 504, 403, 413};
    for (int code = ERROR_NONE; code <= ERROR_TOO_LARGE; code++) {
        assert_int_equal(error_exit_code((enum error_code)code), exits[code]);
        assert_int_equal(error_http_status((enum error_code)code), statuses[code]);
        assert_int_equal(error_from_http_status(statuses[code]), code);
        assert_true(strlen(error_code_name((enum error_code)code)) > 0);
    }
    assert_string_equal(error_code_name(ERROR_NOT_FOUND), "not found");
    assert_int_equal(error_from_http_status(204), ERROR_NONE);
    assert_int_equal(error_from_http_status(401), ERROR_DENIED);
    assert_int_equal(error_from_http_status(503), ERROR_UNREACHABLE);
    assert_int_equal(error_from_http_status(505), ERROR_FAILED);
    assert_int_equal(error_from_http_status(418), ERROR_USAGE);
    assert_int_equal(error_from_http_status(302), ERROR_FAILED);
}

static void broken_assertion(void)
{
    ASSERT(1 + 1 == 3);
}

static void assertions_stay_on(void **state)
{
    check_aborts(broken_assertion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill_resets_the_position),   cmocka_unit_test(fill_may_quote_itself),
        cmocka_unit_test(message_is_one_line),        cmocka_unit_test(errno_text_follows),
        cmocka_unit_test(wrap_keeps_the_rest),        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(table_is_that_of_the_model), cmocka_unit_test(assertions_stay_on),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
