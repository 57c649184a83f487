#include "model/problem.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/node.h"

#include <limits.h>
#include <stdio.h>

static enum error_code code_of(const struct node *problem, int status);
static unsigned position_of(const struct node *problem, const char *name);

void problem_write(const struct error *err, int status, struct buf *ret_json)
{
    const char *name = error_code_name(err->code);

    buf_printf(ret_json, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", name,
               status);
    buf_add_json_string(ret_json, err->message);
    buf_printf(ret_json, ",\"code\":\"%s\",\"file\":", name);
    buf_add_json_string(ret_json, err->file);
    buf_add_text(ret_json, ",\"field\":");
    buf_add_json_string(ret_json, err->field);
    buf_printf(ret_json, ",\"line\":%u,\"column\":%u}", err->line, err->column);
}

bool problem_read(const char *json, size_t size, int status, struct error *ret_err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node problem = {0};
    struct error no_json;

    if (!node_from_json(arena, json, size, &problem, &no_json) || problem.kind != NODE_MAP) return false;
    error_set(ret_err, code_of(&problem, status), "%s",
              node_text(&problem, "detail", node_text(&problem, "title", "refused without a reason")));
    snprintf(ret_err->file, sizeof(ret_err->file), "%s", node_text(&problem, "file", ""));
    snprintf(ret_err->field, sizeof(ret_err->field), "%s", node_text(&problem, "field", ""));
    ret_err->line = position_of(&problem, "line");
    ret_err->column = position_of(&problem, "column");
    return true;
}

static enum error_code code_of(const struct node *problem, int status)
{
    enum error_code code = error_from_http_status(status);

    for (int i = ERROR_INVALID; i <= ERROR_TOO_LARGE; i++)
        if (text_equal(error_code_name((enum error_code)i), node_text(problem, "code", "")))
            return (enum error_code)i;
    return code == ERROR_NONE ? ERROR_FAILED : code;
}

/* 0, which is nowhere, for what no line or column can be. */
static unsigned position_of(const struct node *problem, const char *name)
{
    int64_t position = node_int(problem, name, 0);
    return position > 0 && position <= UINT_MAX ? (unsigned)position : 0;
}
