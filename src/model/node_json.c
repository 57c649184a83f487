/* JSON by jansson. Nothing outside this file sees it. */
#include "model/node.h"
#include "model/schema.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* jansson seeds its hash tables from the system's entropy unless told otherwise, and takes the first word on
 * it only. Results do not depend on the seed (iteration goes in order of insertion), but this room reads
 * nothing from outside. */
#define HASH_SEED 0x63726f66u

static bool convert(struct arena *arena, const json_t *json, unsigned depth, struct node *ret_node,
                    struct error *err);
static bool convert_items(struct arena *arena, const json_t *json, unsigned depth, struct node *ret_node,
                          struct error *err);
static const char *real_text(struct arena *arena, double value);
static void free_json(json_t **json);

void node_seed(uint32_t seed)
{
    json_object_seed(seed ? seed : HASH_SEED); /* 0 would be "whatever the system has" */
}

bool node_from_json(struct arena *arena, const char *text, size_t size, struct node *ret_node,
                    struct error *err)
{
    node_seed(HASH_SEED);
    json_error_t problem;
    CLEANUP(free_json)
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (json == NULL) {
        error_set(err, ERROR_INVALID, "not valid JSON: %s", problem.text);
        err->line = problem.line > 0 ? (unsigned)problem.line : 0;
        err->column = problem.column > 0 ? (unsigned)problem.column : 0;
        return false;
    }
    struct node node;
    if (!convert(arena, json, 1, &node, err)) return false;
    *ret_node = node;
    return true;
}

static bool convert(struct arena *arena, const json_t *json, unsigned depth, struct node *ret_node,
                    struct error *err)
{
    if (depth > DOCUMENT_DEPTH_MAX)
        return error_set(err, ERROR_TOO_LARGE, "nested deeper than the limit of %d levels",
                         DOCUMENT_DEPTH_MAX);
    *ret_node = (struct node){0};
    switch (json_typeof(json)) {
    case JSON_NULL:
        ret_node->kind = NODE_NULL;
        ret_node->text = "null";
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        ret_node->kind = NODE_BOOL;
        ret_node->text = json_is_true(json) ? "true" : "false";
        return true;
    case JSON_INTEGER:
        ret_node->kind = NODE_NUMBER;
        ret_node->text = arena_printf(arena, "%lld", (long long)json_integer_value(json));
        return true;
    case JSON_REAL:
        ret_node->kind = NODE_NUMBER;
        ret_node->text = real_text(arena, json_real_value(json));
        return true;
    case JSON_STRING:
        ret_node->kind = NODE_STRING;
        ret_node->text = arena_strndup(arena, json_string_value(json), json_string_length(json));
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return convert_items(arena, json, depth, ret_node, err);
    }
    UNREACHABLE();
}

static bool convert_items(struct arena *arena, const json_t *json, unsigned depth, struct node *ret_node,
                          struct error *err)
{
    bool is_map = json_is_object(json);
    size_t length = is_map ? json_object_size(json) : json_array_size(json);
    struct node *items = arena_alloc_array(arena, length, sizeof(*items));
    if (is_map) {
        /* jansson's iterators want a json_t that is not const, though they do not change it. */
        json_t *object = (json_t *)(uintptr_t)json;
        void *at = json_object_iter(object);
        for (size_t i = 0; i < length; i++, at = json_object_iter_next(object, at)) {
            if (!convert(arena, json_object_iter_value(at), depth + 1, &items[i], err)) return false;
            items[i].key = arena_strdup(arena, json_object_iter_key(at));
        }
    } else {
        for (size_t i = 0; i < length; i++)
            if (!convert(arena, json_array_get(json, i), depth + 1, &items[i], err)) return false;
    }
    ret_node->kind = is_map ? NODE_MAP : NODE_LIST;
    ret_node->items = items;
    ret_node->length = length;
    return true;
}

/* The shortest of the usual precisions that reads back as the same number: 0.1, not 0.10000000000000001. */
static const char *real_text(struct arena *arena, double value)
{
    char text[40];
    int length = snprintf(text, sizeof(text), "%.15g", value);
    ASSERT(length > 0 && (size_t)length < sizeof(text));
    CLEANUP(free_json) json_t *again = json_loadb(text, (size_t)length, JSON_DECODE_ANY, NULL);
    double same = json_number_value(again);
    if (same < value || same > value) length = snprintf(text, sizeof(text), "%.17g", value);
    ASSERT(length > 0 && (size_t)length < sizeof(text));
    return arena_strdup(arena, text);
}

static void free_json(json_t **json)
{
    json_decref(*json);
}
