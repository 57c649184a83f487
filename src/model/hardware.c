#include "model/hardware.h"

#include "base/text.h"
#include "model/schemas.h"
#include "model/table.h"

#include <inttypes.h>
#include <string.h>

static bool finish_finding(struct arena *arena, const struct node *node, void *object, struct error *err);

static const struct {
    const char *before, *one, *many; /* the name of the thing; behind the value, unless it is only true */
} words[FINDING_KINDS] = {
    [FINDING_MEMORY_ERRORS] = {"memory ", " corrected error within an hour",
                               " corrected errors within an hour"},
    [FINDING_MEMORY_LOST] = {"memory ", " uncorrected error", " uncorrected errors"},
    [FINDING_HOT] = {"", " °C", " °C"},
    [FINDING_DISK_ERRORS] = {"disk ", " failed request within an hour", " failed requests within an hour"},
    [FINDING_DISK_FAILS] = {"disk ", NULL, NULL},
    [FINDING_DISK_FULL] = {"file system ", " % full", " % full"},
    [FINDING_DISK_READ_ONLY] = {"file system ", NULL, NULL},
};

static const struct field finding_fields[] = {
    ENUM(struct finding, kind, "kind", finding_kind_names, "what is wrong", .required = true),
    SCALAR(struct finding, what, "what", scalar_text, "with which part"),
    SCALAR(struct finding, value, "value", scalar_int, "what was read"),
    SCALAR(struct finding, limit, "limit", scalar_int, "what is borne", .hidden_default = true),
    SCALAR(struct finding, since_ms, "since_ms", scalar_int, "when it was first told, wall clock",
           .hidden_default = true),
    SCALAR(struct finding, steps, "steps", scalar_int, "of its pool's on_hardware that were taken, bits",
           .hidden_default = true),
    SCALAR(struct finding, accepted, "accepted", scalar_bool, "the host was activated all the same",
           .hidden_default = true),
};
const struct schema schema_finding =
    SCHEMA(struct finding, "finding", finding_fields, .finish = finish_finding);

/* It goes into keys of the store and labels of metrics. */
bool finding_names(const char *what)
{
    size_t size = strlen(what);
    return size > 0 && size < FINDING_WHAT_SIZE &&
           strspn(what, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._+:/-") == size;
}

static bool finish_finding(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    const struct finding *finding = object;

    if (finding_names(finding->what)) return true;
    error_set(err, ERROR_INVALID, "expected up to %d of a-z A-Z 0-9 and \" ._+:/-\"", FINDING_WHAT_SIZE - 1);
    return schema_error_at(err, node_get(node, "what"), "what");
}

const char *finding_text(struct arena *arena, const char *host, const struct finding *finding)
{
    const char *thing = arena_printf(arena, "%s%s of %s", words[finding->kind].before, finding->what, host);

    if (finding->kind == FINDING_DISK_FAILS) return arena_printf(arena, "%s says that it fails", thing);
    if (finding->kind == FINDING_DISK_READ_ONLY) return arena_printf(arena, "%s takes no writes", thing);
    return arena_printf(arena, "%s: %" PRId64 "%s, limit %" PRId64, thing, finding->value,
                        finding->value == 1 ? words[finding->kind].one : words[finding->kind].many,
                        finding->limit);
}
