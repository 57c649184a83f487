/* The bytes of sealed commands and answers: golden, and strict. */
#include "check.h"

#include "model/sealed.h"

static const char golden_head[] = "63726f667443010000026831000004"
                                  "61636d6500"
                                  "0707070707070707070707070707070707070707070707070707070707070707";
static const char golden_command[] = "0000000000000102"
                                     "0000000000000304"
                                     "0101010101010101010101010101010101010101010101010101010101010101"
                                     "0202020202020202020202020202020202020202020202020202020202020202"
                                     "0004504f535400"
                                     "000b2f6167656e742f6b65797300"
                                     "00000003410042";
static const char golden_answer[] = "63726f6674410100"
                                    "0303030303030303030303030303030303030303030303030303030303030303"
                                    "0000000000000506"
                                    "00c8"
                                    "00017400"
                                    "0002313200"
                                    "0000000178";

static struct sealed_head head(void)
{
    struct sealed_head head = {.host = "h1", .party = "acme"};
    memset(head.pair, 7, sizeof(head.pair));
    return head;
}

static struct sealed_command command(void)
{
    struct sealed_command command = {.counter = 0x102,
                                     .expires_ms = 0x304,
                                     .method = "POST",
                                     .path = "/agent/keys",
                                     .body = "A\0B",
                                     .body_size = 3};
    memset(command.console, 1, sizeof(command.console));
    memset(command.answer_to, 2, sizeof(command.answer_to));
    return command;
}

static void assert_hex(const struct buf *data, const char *hex)
{
    CLEANUP_BUF struct buf text = {0};
    for (size_t i = 0; i < data->size; i++)
        buf_printf(&text, "%02x", (unsigned char)data->data[i]);
    assert_string_equal(buf_text(&text), hex);
}

static void commands_are_these_bytes(void **state)
{
    CLEANUP_BUF struct buf bytes = {0}, part = {0}, text = {0}, expected = {0};
    const struct sealed_head written = head();
    const struct sealed_command said = command();
    struct sealed_head read;
    struct sealed_command again;
    const char *box = NULL;
    size_t size = 0;
    struct error err;

    sealed_head_write(&written, &bytes);
    assert_hex(&bytes, golden_head);
    buf_add_text(&bytes, "box");
    assert_true(sealed_head_read(bytes.data, bytes.size, &read, &box, &size, &err));
    assert_string_equal(read.host, "h1");
    assert_string_equal(read.party, "acme");
    assert_memory_equal(read.pair, written.pair, sizeof(read.pair));
    assert_int_equal(size, 3);
    assert_memory_equal(box, "box", 3);

    sealed_command_write(&said, &part);
    assert_hex(&part, golden_command);
    assert_true(sealed_command_read(part.data, part.size, &again, &err));
    assert_int_equal(again.counter, said.counter);
    assert_int_equal(again.expires_ms, said.expires_ms);
    assert_string_equal(again.path, said.path);
    assert_string_equal(again.method, said.method);
    assert_int_equal(again.body_size, 3);
    assert_memory_equal(again.body, said.body, 3);
    assert_memory_equal(again.console, said.console, sizeof(said.console));
    assert_memory_equal(again.answer_to, said.answer_to, sizeof(said.answer_to));

    /* What is signed begins with what nothing else that is signed begins with, and has all of the head in it.
     */
    sealed_command_text(&written, part.data, part.size, &text);
    buf_add(&expected, "croft sealed command v1", 24);
    buf_add(&expected, bytes.data, bytes.size - 3);
    buf_add(&expected, part.data, part.size);
    assert_int_equal(text.size, expected.size);
    assert_memory_equal(text.data, expected.data, text.size);
}

static void answers_are_these_bytes(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};
    struct sealed_answer said = {
        .counter = 0x506, .status = 200, .type = "t", .offset = "12", .body = "x", .body_size = 1};
    struct sealed_answer again;
    const char *box = NULL;
    size_t size = 0;
    struct error err;

    memset(said.command, 3, sizeof(said.command));
    sealed_answer_head(&bytes);
    sealed_answer_write(&said, &bytes);
    assert_hex(&bytes, golden_answer);
    assert_true(sealed_answer_box(bytes.data, bytes.size, &box, &size, &err));
    assert_true(sealed_answer_read(box, size, &again, &err));
    assert_int_equal(again.status, 200);
    assert_int_equal(again.counter, 0x506);
    assert_string_equal(again.type, "t");
    assert_string_equal(again.offset, "12");
    assert_int_equal(again.body_size, 1);
    assert_memory_equal(again.command, said.command, sizeof(said.command));
}

static void whatever_is_torn_is_refused(void **state)
{
    CLEANUP_BUF struct buf bytes = {0}, part = {0}, answer = {0};
    const struct sealed_head written = head();
    const struct sealed_command said = command();
    const struct sealed_answer answered = {.status = 200, .type = "t", .offset = ""};
    struct sealed_command again;
    struct sealed_answer answered_again;
    struct sealed_head read;
    const unsigned char *signature = NULL;
    const char *rest = NULL;
    size_t rest_size = 0;
    struct error err;

    sealed_head_write(&written, &bytes);
    for (size_t size = 0; size <= bytes.size; size++)
        assert_false(sealed_head_read(bytes.data, size, &read, &rest, &rest_size, &err));
    sealed_command_write(&said, &part);
    for (size_t size = 0; size < part.size; size++)
        assert_false(sealed_command_read(part.data, size, &again, &err));
    buf_add_char(&part, 'x');
    assert_false(sealed_command_read(part.data, part.size, &again, &err)); /* nothing behind it */
    sealed_answer_write(&answered, &answer);
    for (size_t size = 0; size < answer.size; size++)
        assert_false(sealed_answer_read(answer.data, size, &answered_again, &err));
    buf_add_char(&answer, 'x');
    assert_false(sealed_answer_read(answer.data, answer.size, &answered_again, &err));
    for (size_t size = 0; size <= SEALED_SIGNATURE_SIZE; size++)
        assert_false(sealed_split(part.data, size, &signature, &rest, &rest_size, &err));
}

static void refused_command(const struct sealed_command *said, const char *why)
{
    CLEANUP_BUF struct buf part = {0};
    struct sealed_command again;
    struct error err;

    sealed_command_write(said, &part);
    assert_false(sealed_command_read(part.data, part.size, &again, &err));
    assert_non_null(strstr(err.message, why));
}

static void refused_head(const char *bytes, size_t size, const char *why)
{
    struct sealed_head read;
    const char *rest = NULL;
    size_t rest_size = 0;
    struct error err;

    assert_false(sealed_head_read(bytes, size, &read, &rest, &rest_size, &err));
    if (!strstr(err.message, why)) fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct sealed_command said = command();
    struct sealed_head written = head();
    CLEANUP_BUF struct buf bytes = {0}, large = {0};

    said.method = "PUT";
    refused_command(&said, "GETs, POSTs or DELETEs");
    said = command();
    said.path = "/v1/hosts";
    refused_command(&said, "below /agent/");
    said.path = "/agent/a\nb";
    refused_command(&said, "below /agent/");
    said = command();
    said.counter = -1;
    refused_command(&said, "torn");

    sealed_head_write(&written, &bytes);
    buf_add_text(&bytes, "box");
    bytes.data[6] = 9;
    refused_head(bytes.data, bytes.size, "version 9: version 1 is known here");
    bytes.data[6] = SEALED_VERSION;
    bytes.data[5] = 'A';
    refused_head(bytes.data, bytes.size, "no sealed command");
    strcpy(written.host, "../h1");
    buf_clear(&bytes);
    sealed_head_write(&written, &bytes);
    buf_add_text(&bytes, "box");
    refused_head(bytes.data, bytes.size, "no name can be");
    for (size_t i = 0; i <= SEALED_COMMAND_SIZE_MAX; i++)
        buf_add_char(&large, 'x');
    refused_head(large.data, large.size, "at most 524288 bytes, not 524289");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_these_bytes),
        cmocka_unit_test(answers_are_these_bytes),
        cmocka_unit_test(whatever_is_torn_is_refused),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
