#include "check.h"

#include "base/text.h"
#include "base/vec.h"

static const struct schema *const schemas[] = {
    &schema_host,      &schema_party,     &schema_farm,          &schema_image,       &schema_instance,
    &schema_host_fact, &schema_farm_fact, &schema_host_document, &schema_host_report,
};

/* Calls visit for the schema and all inside it. */
static void walk(const struct schema *schema, void (*visit)(const struct schema *schema))
{
    visit(schema);
    for (size_t i = 0; i < schema->fields_length; i++)
        if (schema->fields[i].schema != NULL) walk(schema->fields[i].schema, visit);
}

static void check_table(const struct schema *schema)
{
    for (size_t i = 0; i < schema->fields_length; i++) {
        const struct field *field = &schema->fields[i];
        assert_true(field->help != NULL && field->help[0] != '\0');
        assert_true(field->offset < schema->size);
        assert_false(field->required && field->fallback != NULL);
        assert_true(field->max >= field->min);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(schema->fields[k].key, field->key);
        if (field->kind == FIELD_SCALAR) assert_true(field->offset + field->scalar->size <= schema->size);
        if (field->kind == FIELD_SCALAR && field->max > field->min)
            assert_int_equal(field->scalar->size, sizeof(int64_t));
        bool limited = field->limit == NULL || field->max > field->min;
        assert_true(limited);
    }
}

static void tables_are_sound(void **state)
{
    for (size_t i = 0; i < LENGTH(schemas); i++)
        walk(schemas[i], check_table);
}

/* What is left out is told by comparing texts, so a fallback must be as it would be written. */
static void check_fallbacks(const struct schema *schema)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < schema->fields_length; i++) {
        const struct field *field = &schema->fields[i];
        if (field->kind != FIELD_SCALAR || field->fallback == NULL) continue;
        unsigned char *object = arena_alloc(arena, schema->size);
        struct node node = {.kind = node_kind_of_plain(field->fallback), .text = field->fallback};
        if (text_equal(field->scalar->json_type, "string")) node.kind = NODE_STRING;
        assert_true(field->scalar->parse(arena, &node, object + field->offset));
        CLEANUP_BUF struct buf json = {0};
        field->scalar->format(object + field->offset, &json);
        const char *quoted = arena_printf(arena, "\"%s\"", field->fallback);
        assert_true(text_equal(buf_text(&json), field->fallback) || text_equal(buf_text(&json), quoted));
    }
}

static void fallbacks_are_canonical(void **state)
{
    for (size_t i = 0; i < LENGTH(schemas); i++)
        walk(schemas[i], check_fallbacks);
}

static void skips_what_is_newer(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char json[] =
        "{\"kind\":\"Party\",\"name\":\"p\",\"new\":1,\"quota\":{\"farms\":2,\"newer\":{}}}";
    struct party party;
    struct error err;
    assert_true(model_read_json(&schema_party, arena, json, strlen(json), &party, &err));
    assert_int_equal(party.quota.farms, 2);
    assert_int_equal(party.quota.instances, -1);
    struct node node = check_json(arena, json);
    struct party untouched = {.name = "before"};
    assert_false(schema_read(&schema_party, arena, &node, &untouched, &err));
    assert_string_equal(err.field, "new");
    assert_string_equal(untouched.name, "before");
}

static void refuses_what_parsers_let_through(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node items[] = {{.kind = NODE_STRING, .text = "a", .key = "name", .line = 1, .column = 2},
                           {.kind = NODE_STRING, .text = "b", .key = "name", .line = 3, .column = 4}};
    struct node node = {.kind = NODE_MAP, .items = items, .length = 2};
    struct party party;
    struct error err;
    assert_false(schema_read(&schema_party, arena, &node, &party, &err));
    assert_string_equal(err.message, "given twice");
    assert_string_equal(err.field, "name");
    assert_int_equal(err.line, 3);
    struct node other = check_json(arena, "{\"kind\":\"Farm\",\"name\":\"p\"}");
    assert_false(schema_read(&schema_party, arena, &other, &party, &err));
    assert_string_equal(err.message, "expected Party, found \"Farm\"");
}

static void describes(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(schemas); i++) {
        CLEANUP_BUF struct buf json = {0};
        schema_describe(schemas[i], NULL, &json);
        struct node node = check_json(arena, buf_text(&json));
        assert_int_equal(node_get(&node, "properties")->length, schemas[i]->fields_length);
    }
    CLEANUP_BUF struct buf json = {0};
    schema_describe(&schema_party, "Party", &json);
    struct node node = check_json(arena, buf_text(&json));
    const struct node *properties = node_get(&node, "properties");
    assert_string_equal(node_text(node_get(properties, "kind"), "const", ""), "Party");
    assert_string_equal(node_text(node_get(properties, "parent"), "default", ""), "landlord");
    assert_int_equal(node_get(&node, "required")->length, 2);
}

static void knows_kinds(void **state)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        assert_int_equal(kinds[i].kind, i);
        assert_ptr_equal(kind_by_name(kinds[i].name), &kinds[i]);
        assert_ptr_equal(kind_by_command(kinds[i].singular), &kinds[i]);
        assert_ptr_equal(kind_by_command(kinds[i].plural), &kinds[i]);
        assert_string_equal(kinds[i].schema->name, kinds[i].name);
    }
    assert_null(kind_by_name("farm"));
    assert_null(kind_by_command("Farm"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),    cmocka_unit_test(fallbacks_are_canonical),
        cmocka_unit_test(skips_what_is_newer), cmocka_unit_test(refuses_what_parsers_let_through),
        cmocka_unit_test(describes),           cmocka_unit_test(knows_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
