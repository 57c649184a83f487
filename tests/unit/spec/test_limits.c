#include "check.h"

static void holds_the_size_of_a_document(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    buf_add_text(&text, "kind: Party\nname: q\n---\nkind: Party\nname: p\n#");
    for (int i = 0; i < DOCUMENT_SIZE_MAX; i++)
        buf_add_char(&text, 'x');
    buf_add_text(&text, "\nparent: q\n");
    assert_string_equal(check_refused(arena, buf_text(&text), text.size),
                        "f:7:1: past the limit of 1 MiB a document");
}

/* Bytes count, not characters: half as many of two bytes each. */
static void counts_bytes(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    buf_add_text(&text, "kind: Party\nname: \"");
    for (int i = 0; i < DOCUMENT_SIZE_MAX / 2; i++)
        buf_add_text(&text, "\xc3\xa4");
    buf_add_text(&text, "\"\n");
    assert_string_equal(check_refused(arena, buf_text(&text), text.size),
                        "f:2:7: name: past the limit of 1 MiB a document");
}

/* The limit is a document's, not the file's. */
static void lets_files_be_larger(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    for (int document = 0; document < 3; document++) {
        buf_printf(&text, "---\nkind: Party\nname: p%d\n#", document);
        for (int i = 0; i < DOCUMENT_SIZE_MAX / 2; i++)
            buf_add_char(&text, 'x');
        buf_add_text(&text, "\n");
    }
    assert_int_equal(check_read(arena, buf_text(&text)).length, 3);
}

static void holds_the_documents_of_a_file(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    for (int i = 0; i < DOCUMENTS_A_FILE_MAX; i++)
        buf_printf(&text, "---\nkind: Party\nname: p%d\n", i);
    assert_int_equal(check_read(arena, buf_text(&text)).length, DOCUMENTS_A_FILE_MAX);
    buf_add_text(&text, "---\nkind: Party\nname: q\n");
    assert_string_equal(check_refused(arena, buf_text(&text), text.size),
                        "f:3002:1: past the limit of 1000 documents a file");
}

static void holds_the_documents_of_a_list(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    for (int i = 0; i <= DOCUMENTS_A_FILE_MAX; i++)
        buf_printf(&text, "- {kind: Party, name: p%d}\n", i);
    assert_string_equal(check_refused(arena, buf_text(&text), text.size),
                        "f:1001:3: past the limit of 1000 documents a file");
}

static void holds_the_depth(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct node node;
    struct error err;
    for (int i = 0; i < DOCUMENT_DEPTH_MAX - 1; i++)
        buf_add_char(&text, '[');
    buf_add_text(&text, "x");
    for (int i = 0; i < DOCUMENT_DEPTH_MAX - 1; i++)
        buf_add_char(&text, ']');
    assert_true(spec_read_yaml(arena, buf_text(&text), text.size, &node, &err));
    CLEANUP_BUF struct buf deeper = {0};
    buf_printf(&deeper, "[%s]", buf_text(&text));
    assert_false(spec_read_yaml(arena, buf_text(&deeper), deeper.size, &node, &err));
    assert_int_equal(err.code, ERROR_TOO_LARGE);
    assert_string_equal(err.message, "past the limit of 64 levels of nesting");
    assert_int_equal(err.column, 65);
}

static void holds_the_tiers_of_a_farm(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    buf_add_text(&text, "kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/16\ntiers:\n");
    for (int i = 0; i < FARM_TIERS_MAX; i++)
        buf_printf(&text, "- {name: t%d, image: 'i:1'}\n", i);
    assert_int_equal(check_read(arena, buf_text(&text)).items[0].farm->tiers_length, FARM_TIERS_MAX);
    buf_add_text(&text, "- {name: last, image: 'i:1'}\n");
    assert_string_equal(check_refused(arena, buf_text(&text), text.size),
                        "f:6:1: tiers: 257 items are past the limit of 256 tiers a farm");
}

/* Linear in the text: what looks back for each document takes hours here, and the test runs out of time. */
static void holds_the_ports_of_a_filter(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    struct documents documents;
    struct error err;

    buf_add_text(&text, "kind: Filter\nname: x\nparty: p\non: p/f\nrules:\n");
    for (int rule = 0; rule < 2; rule++) {
        buf_add_text(&text, "- {action: deny, protocol: tcp, from_port: [");
        for (int i = 0; i < 128; i++)
            buf_printf(&text, "%s%d", i ? ", " : "", 2 * i + 1);
        buf_add_text(&text, "], port: [");
        for (int i = 0; i < 128; i++)
            buf_printf(&text, "%s%d", i ? ", " : "", 2 * i + 1);
        buf_add_text(&text, "]}\n");
        bool good = spec_read(arena, "f", text.data, text.size, &documents, &err);
        assert_int_equal(good, rule == 0);
    }
    CLEANUP_BUF struct buf line = {0};
    spec_format_error(&err, &line);
    assert_string_equal(buf_text(&line),
                        "f:7:3: rules[1]: past the limit of 16384 ports (times ports of the sender) "
                        "in all rules of a filter");
}

static void skips_many_empty_documents(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    for (int i = 0; i < 500000; i++)
        buf_add_text(&text, "---\n");
    buf_add_text(&text, "kind: Party\nname: p\n");
    assert_int_equal(check_read(arena, buf_text(&text)).items[0].line, 500001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_size_of_a_document),  cmocka_unit_test(counts_bytes),
        cmocka_unit_test(lets_files_be_larger),          cmocka_unit_test(holds_the_documents_of_a_file),
        cmocka_unit_test(holds_the_documents_of_a_list), cmocka_unit_test(holds_the_depth),
        cmocka_unit_test(holds_the_tiers_of_a_farm),     cmocka_unit_test(skips_many_empty_documents),
        cmocka_unit_test(holds_the_ports_of_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
