/* What all tests of this room share. */
#ifndef CROFT_TESTS_UNIT_MODEL_CHECK_H
#define CROFT_TESTS_UNIT_MODEL_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/schemas.h"

static inline struct node check_json(struct arena *arena, const char *json)
{
    struct node node = {0};
    struct error err;
    if (!node_from_json(arena, json, strlen(json), &node, &err)) fail_msg("%s in %s", err.message, json);
    return node;
}

#endif
