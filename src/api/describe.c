/* The OpenAPI 3.1 description, made from the tables of operations and documents. */
#include "api/internal.h"
#include "api/operations.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void add_operation(const struct operation *operation, struct buf *ret_json);
static void add_body(const struct operation *operation, struct buf *ret_json);
static void add_parameters(const struct operation *operation, struct buf *ret_json);
static void add_query(const char *name, size_t size, bool first, struct buf *ret_json);
static void add_path_parameters(const char *path, struct buf *ret_json);
static void add_header(const char *name, const char *help, bool first, struct buf *ret_json);
static void add_responses(const struct operation *operation, struct buf *ret_json);
static void add_status(int status, const struct operation *operation, struct buf *ret_json);
static void add_content(const char *schema, struct buf *ret_json);
static bool has_status(const struct operation *operation, const char *status);
static void add_schemas(struct buf *ret_json);
static void add_shape(const char *members, struct buf *ret_json);
static void add_type(const char *type, size_t size, struct buf *ret_json);

void describe(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    const struct header type = {"Content-Type", "application/json"};

    buf_add_text(
        &json,
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"croft\",\"version\":\"" CROFT_VERSION
        "\",\"description\":\"Kinds may be named in the singular, too. A GET is also a HEAD. A path with "
        "another method than those here: 405, with Allow.\"},\"security\":[{\"token\":[]}],\"paths\":{");
    for (size_t i = 0; i < api_operations_length; i++) {
        if (i > 0 && text_equal(api_operations[i].path, api_operations[i - 1].path)) {
            buf_add_char(&json, ',');
        } else {
            if (i > 0) buf_add_text(&json, "},");
            buf_add_json_string(&json, api_operations[i].path);
            buf_add_text(&json, ":{");
            add_path_parameters(api_operations[i].path, &json);
        }
        add_operation(&api_operations[i], &json);
    }
    buf_add_text(
        &json,
        "}},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
        "\"responses\":{\"Problem\":{\"description\":\"refused or failed: why (RFC 9457)\",\"content\":{"
        "\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
        "\"schemas\":{");
    add_schemas(&json);
    buf_add_text(&json, "}}}");
    answer_raw(asked, 200, &type, 1, json.data, json.size);
}

static void add_schemas(struct buf *ret_json)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        buf_add_json_string(ret_json, kinds[i].name);
        buf_add_char(ret_json, ':');
        schema_describe(kinds[i].schema, kinds[i].name, ret_json);
        buf_add_char(ret_json, ',');
    }
    for (size_t i = 0; i < api_shapes_length; i++) {
        buf_printf(ret_json, "%s\"%s\":", i > 0 ? "," : "", api_shapes[i].name);
        add_shape(api_shapes[i].members, ret_json);
    }
}

static void add_shape(const char *members, struct buf *ret_json)
{
    bool first = true;

    buf_add_text(ret_json, "{\"type\":\"object\",\"properties\":{");
    for (const char *at = members; *at; at += strcspn(at, " "), at += *at == ' ') {
        size_t name = strcspn(at, "?:"), colon = strcspn(at, ":");
        buf_printf(ret_json, "%s\"%.*s\":", at == members ? "" : ",", (int)name, at);
        add_type(at + colon + 1, strcspn(at, " ") - colon - 1, ret_json);
    }
    buf_add_text(ret_json, "},\"required\":[");
    for (const char *at = members; *at; at += strcspn(at, " "), at += *at == ' ') {
        size_t name = strcspn(at, "?:");
        if (at[name] == '?') continue;
        buf_printf(ret_json, "%s\"%.*s\"", first ? "" : ",", (int)name, at);
        first = false;
    }
    buf_add_text(ret_json, "]}");
}

static void add_type(const char *type, size_t size, struct buf *ret_json)
{
    if (type[0] == '[') {
        buf_add_text(ret_json, "{\"type\":\"array\",\"items\":");
        add_type(type + 1, size - 2, ret_json);
        buf_add_char(ret_json, '}');
    } else if (type[0] == '=') {
        buf_add_text(ret_json, "{\"enum\":[\"");
        for (size_t i = 1; i < size; i++) {
            if (type[i] == ',')
                buf_add_text(ret_json, "\",\"");
            else
                buf_add_char(ret_json, type[i]);
        }
        buf_add_text(ret_json, "\"]}");
    } else if (type[0] >= 'A' && type[0] <= 'Z') {
        buf_printf(ret_json, "{\"$ref\":\"#/components/schemas/%.*s\"}", (int)size, type);
    } else if (text_starts(type, "base64")) {
        buf_add_text(ret_json, "{\"type\":\"string\",\"contentEncoding\":\"base64\"}");
    } else if (text_starts(type, "status")) {
        buf_add_text(ret_json, "{\"type\":[\"integer\",\"null\"]}");
    } else if (text_starts(type, "measure")) {
        buf_add_text(ret_json, "{\"type\":[\"number\",\"null\"]}");
    } else {
        buf_printf(ret_json, "{\"type\":\"%.*s\"}", (int)size, type);
    }
}

static void add_operation(const struct operation *operation, struct buf *ret_json)
{
    static const char *const securities[] = {[FOR_TOKENS] = "",
                                             [FOR_ALL] = "\"security\":[],",
                                             [FOR_LANDLORD] = "\"security\":[{},{\"token\":[]}],"};

    buf_printf(ret_json, "\"%s\":{\"summary\":\"%s\",%s", operation->method, operation->summary,
               securities[operation->access]);
    add_parameters(operation, ret_json);
    if (operation->body) add_body(operation, ret_json);
    add_responses(operation, ret_json);
    buf_add_char(ret_json, '}');
}

static void add_body(const struct operation *operation, struct buf *ret_json)
{
    static const char text[] = "{\"schema\":{\"type\":\"string\"}}", bytes[] = "{}";
    bool is_bytes = text_equal(operation->body, "bytes");

    buf_printf(ret_json, "\"requestBody\":{\"required\":%s,\"content\":{", is_bytes ? "false" : "true");
    if (is_bytes)
        buf_printf(ret_json, "\"application/octet-stream\":%s", bytes);
    else if (text_equal(operation->body, "documents"))
        buf_printf(ret_json, "\"application/yaml\":%s,\"application/json\":{}", text);
    else
        buf_printf(ret_json, "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}",
                   operation->body);
    buf_add_text(ret_json, "}},");
}

/* Those of its query and headers; those of its path stand above. */
static void add_parameters(const struct operation *operation, struct buf *ret_json)
{
    const char *at = operation->queries ? operation->queries : "";
    bool first = true;

    buf_add_text(ret_json, "\"parameters\":[");
    while (*at) {
        size_t size = strcspn(at, " ");
        add_query(at, size, first, ret_json);
        first = false;
        at += size + (at[size] == ' ');
    }
    if (operation->queries && strstr(operation->queries, "watch")) {
        add_header("Last-Event-ID", "With watch: goes on behind this event", first, ret_json);
        first = false;
    }
    /* A piece of a layer must fit behind the last one, whatever revision there is. */
    if (has_status(operation, "412") && !text_equal(operation->body, "bytes")) {
        add_header("If-Match", "Only when it is at one of these revisions (ETag)", first, ret_json);
        first = false;
    }
    if (!text_equal(operation->method, "get"))
        add_header("Idempotency-Key", "A repeat with it gets the first answer, and changes nothing", first,
                   ret_json);
    buf_add_text(ret_json, "],");
}

static void add_query(const char *name, size_t size, bool first, struct buf *ret_json)
{
    for (size_t i = 0; i < api_parameters_length; i++) {
        const struct parameter *parameter = &api_parameters[i];
        if (strlen(parameter->name) != size || strncmp(parameter->name, name, size) != 0) continue;
        const char *last = strrchr(parameter->name, '_'); /* "offset_after": another "after" */
        const char *shown = text_equal(parameter->name, "offset_after") ? last + 1 : parameter->name;
        buf_printf(ret_json,
                   "%s{\"name\":\"%s\",\"in\":\"query\",\"description\":\"%s\",\"schema\":{\"type\":\"%s\"}}",
                   first ? "" : ",", shown, parameter->help, parameter->type);
        return;
    }
    UNREACHABLE();
}

static void add_header(const char *name, const char *help, bool first, struct buf *ret_json)
{
    buf_printf(
        ret_json,
        "%s{\"name\":\"%s\",\"in\":\"header\",\"description\":\"%s\",\"schema\":{\"type\":\"string\"}}",
        first ? "" : ",", name, help);
}

static void add_path_parameters(const char *path, struct buf *ret_json)
{
    bool first = true;

    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        buf_add_text(ret_json, first ? "\"parameters\":[" : ",");
        buf_printf(ret_json,
                   "{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}",
                   (int)strcspn(open + 1, "}"), open + 1);
        first = false;
    }
    if (!first) buf_add_text(ret_json, "],");
}

static void add_responses(const struct operation *operation, struct buf *ret_json)
{
    buf_add_text(ret_json, "\"responses\":{");
    for (const char *at = operation->statuses; *at; at += strcspn(at, " "), at += *at == ' ') {
        int status = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
        add_status(status, operation, ret_json);
        buf_add_char(ret_json, ',');
    }
    if (operation->access != FOR_ALL) {
        add_status(401, operation, ret_json);
        buf_add_char(ret_json, ',');
    }
    buf_add_text(ret_json, "\"default\":{\"$ref\":\"#/components/responses/Problem\"}}");
}

static void add_status(int status, const struct operation *operation, struct buf *ret_json)
{
    buf_printf(ret_json, "\"%d\":", status);
    if (status >= 400 && !(status == 404 && text_equal(operation->answer, "Blob"))) {
        buf_add_text(ret_json, "{\"$ref\":\"#/components/responses/Problem\"}");
        return;
    }
    buf_printf(ret_json, "{\"description\":\"%s\",\"content\":{",
               status == 201   ? "created"
               : status == 404 ? "not whole yet"
                               : "done");
    add_content(operation->answer ? operation->answer : "Object", ret_json);
    if (operation->queries && strstr(operation->queries, "watch"))
        buf_add_text(ret_json, ",\"text/event-stream\":{\"schema\":{\"type\":\"string\"}}");
    buf_add_text(ret_json, "}}");
}

static void add_content(const char *schema, struct buf *ret_json)
{
    bool list = text_ends(schema, "[]");
    int size = (int)strcspn(schema, "[");

    if (text_equal(schema, "text") || text_equal(schema, "lines"))
        buf_printf(ret_json, "\"%s\":{\"schema\":{\"type\":\"string\"}}",
                   text_equal(schema, "text") ? "text/plain" : "application/x-ndjson");
    else
        buf_printf(ret_json, "\"application/json\":{\"schema\":%s{\"$ref\":\"#/components/schemas/%.*s\"}%s}",
                   list ? "{\"type\":\"array\",\"items\":" : "", size, schema, list ? "}" : "");
}

static bool has_status(const struct operation *operation, const char *status)
{
    return strstr(operation->statuses, status) != NULL;
}
