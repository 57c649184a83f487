/* The codec alone. */
#include "check.h"

#include "base/mem.h"
#include "os/wire.h"

#include <string.h>

/* Decodes text in pieces of at most `step` bytes; the body behind *ret_body. */
static enum wire_step decode(enum wire_length length, uint64_t left, const char *text, size_t size,
                             size_t step, struct buf *ret_body, size_t *ret_used)
{
    struct wire_body body = {.length = length, .left = left};
    *ret_used = 0;
    for (;;) {
        size_t given = size - *ret_used < step ? size - *ret_used : step;
        /* A copy of just that size, so that reading past it is seen by the sanitizer. */
        CLEANUP_MEM char *copy = mem_alloc(given + 1);
        memcpy(copy, text + *ret_used, given);
        const char *piece = NULL;
        size_t piece_size = 0;
        size_t used = 0;
        enum wire_step result = wire_body_step(&body, copy, given, &used, &piece, &piece_size);
        assert_true(used <= given);
        *ret_used += used;
        if (result == WIRE_PIECE) buf_add(ret_body, piece, piece_size);
        if (result == WIRE_DONE || result == WIRE_BAD) return result;
        if (result == WIRE_MORE && *ret_used == size) return WIRE_MORE;
    }
}

static void chunks_however_they_arrive(void **state)
{
    const char text[] = "5\r\nhello\r\n1;name=\"v\"\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    for (size_t step = 1; step <= sizeof(text); step++) {
        CLEANUP_BUF struct buf body = {0};
        size_t used = 0;
        assert_int_equal(decode(WIRE_CHUNKED, 0, text, sizeof(text) - 1, step, &body, &used), WIRE_DONE);
        assert_string_equal(buf_text(&body), "hello 0123456789");
        assert_string_equal(text + used, "NEXT");
    }
}

static void cut_chunks_want_more(void **state)
{
    const char text[] = "5\r\nhello\r\n0\r\n\r\n";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        CLEANUP_BUF struct buf body = {0};
        size_t used = 0;
        assert_int_equal(decode(WIRE_CHUNKED, 0, text, size, 100, &body, &used), WIRE_MORE);
    }
}

static void bad_chunks(void **state)
{
    static const char *const bad[] = {"\r\n",
                                      "g\r\n",
                                      "-1\r\n",
                                      "5\nhello\r\n",
                                      "5\r\nhelloX",
                                      "5\r\nhello\n",
                                      "1000000000000000\r\n",
                                      "0\r\nT: x\n",
                                      "0\r\n\rX",
                                      "0x5\r\nhello\r\n"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CLEANUP_BUF struct buf body = {0};
        size_t used = 0;
        assert_int_equal(decode(WIRE_CHUNKED, 0, bad[i], strlen(bad[i]), 3, &body, &used), WIRE_BAD);
    }
}

static void sized_and_to_close(void **state)
{
    CLEANUP_BUF struct buf body = {0};
    size_t used = 0;
    assert_int_equal(decode(WIRE_SIZED, 3, "abcdef", 6, 2, &body, &used), WIRE_DONE);
    assert_string_equal(buf_text(&body), "abc");
    assert_int_equal(used, 3);
    assert_int_equal(decode(WIRE_NO_BODY, 0, "abc", 3, 2, &body, &used), WIRE_DONE);
    assert_int_equal(used, 0);
    buf_clear(&body);
    assert_int_equal(decode(WIRE_TO_CLOSE, 0, "abcdef", 6, 2, &body, &used), WIRE_MORE);
    assert_string_equal(buf_text(&body), "abcdef");
}

static void heads_go_round(void **state)
{
    struct header headers[] = {{"X-Evil", "a\r\nInjected: yes"}, {"Authorization", "Bearer t"}};
    struct request request = {
        .method = "PUT", .path = "/a b\n?x=\x7f", .headers = headers, .headers_length = 2, .body_size = 7};
    CLEANUP_BUF struct buf text = {0};
    wire_add_request(&text, &request, "h:1");
    struct wire_head head;
    int status = 0;
    assert_true(wire_parse_request(text.data, text.size, &head, &status));
    assert_string_equal(head.method, "PUT");
    assert_string_equal(head.path, "/a%20b%0A?x=%7F");
    assert_null(wire_find(head.headers, head.headers_length, "Injected"));
    assert_string_equal(wire_find(head.headers, head.headers_length, "authorization"), "Bearer t");
    assert_int_equal(head.length, WIRE_SIZED);
    assert_int_equal(head.content_size, 7);
    assert_true(head.keep_alive);
    wire_head_free(&head);
    buf_clear(&text);
    wire_add_answer(&text, 200, headers, 1, -1, true, false);
    assert_true(wire_parse_answer(text.data, text.size, false, &head));
    assert_int_equal(head.status, 200);
    assert_int_equal(head.length, WIRE_CHUNKED);
    assert_false(head.keep_alive);
    wire_head_free(&head);
    /* To HEAD there is no body, whatever is told of its size. */
    const char sized[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_true(wire_parse_answer(sized, sizeof(sized) - 1, true, &head));
    assert_int_equal(head.length, WIRE_NO_BODY);
    wire_head_free(&head);
    /* A zero byte hides nothing. */
    const char zero[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\nContent-Length: 5\r\n\r\n";
    assert_false(wire_parse_request(zero, sizeof(zero) - 1, &head, &status));
    assert_int_equal(status, 400);
}

/* Every byte of a head replaced by every other: never reads astray, and never fails without a status. */
static void damaged_heads(void **state)
{
    const char sound[] = "PUT /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    const size_t size = sizeof(sound) - 1;
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            CLEANUP_MEM char *text = mem_alloc(size);
            memcpy(text, sound, size);
            text[at] = (char)byte;
            struct wire_head head;
            int status = 0;
            if (wire_parse_request(text, size, &head, &status)) {
                wire_head_free(&head);
            } else {
                assert_true(status == 400 || status == 501 || status == 505);
            }
            if (wire_parse_answer(text, size, false, &head)) wire_head_free(&head);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_however_they_arrive),
        cmocka_unit_test(cut_chunks_want_more),
        cmocka_unit_test(bad_chunks),
        cmocka_unit_test(sized_and_to_close),
        cmocka_unit_test(heads_go_round),
        cmocka_unit_test(damaged_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
