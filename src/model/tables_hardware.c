/* The table of what a pool's policy does about hardware that goes bad. */
#include "base/text.h"
#include "model/table.h"
#include "model/tables.h"

static bool finish_step(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool read_kinds(struct arena *arena, const struct node *node, struct hardware_step *step,
                       struct error *err);

static const struct field hardware_step_fields[] = {
    ENUM(struct hardware_step, what, "do", hardware_what_names, "what is done", .required = true),
    SCALAR(struct hardware_step, after_ms, "after", scalar_duration,
           "so long a finding has to last before that", .fallback = "0s", .max = INT64_C(30) * 86400000),
    SCALARS(struct hardware_step, on_names, "on", scalar_text,
            "about which findings: memory-errors, memory-lost, hot, disk-errors, disk-fails, disk-full, "
            "disk-read-only; default: all",
            .one_bare = true, .min = 1, .max = FINDING_KINDS, .limit = "kinds of findings",
            .hidden_default = true),
    SCALAR(struct hardware_step, over, "over", scalar_int, "only where more than so much is read",
           .fallback = "0", .min = 0, .max = 1000000000, .hidden_default = true),
    SCALAR(struct hardware_step, to, "to", scalar_name, "notify: a contact of the landlord's",
           .hidden_default = true),
    SCALAR(struct hardware_step, back_ms, "back", scalar_duration,
           "drain: the host is active again so long after the last finding ended; default: when somebody "
           "says so",
           .fallback = "0s", .max = INT64_C(30) * 86400000, .hidden_default = true),
    SCALAR(struct hardware_step, most_millis, "most", scalar_decimal,
           "drain: part of the pool's hosts that its policy has drained at once, 0.001 to 1",
           .fallback = "0.1", .max = 1000, .hidden_default = true),
};
const struct schema schema_hardware_step =
    SCHEMA(struct hardware_step, "hardware_step", hardware_step_fields, .finish = finish_step);

static bool finish_step(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct hardware_step *step = object;
    static const char *const of_drain[] = {"back", "most", NULL};

    if (!read_kinds(arena, node, step, err)) return false;
    if (step->what == HARDWARE_NOTIFY && step->to[0] == '\0') {
        error_set(err, ERROR_INVALID, "missing: the contact that is told, such as {do: notify, to: ops}");
        return schema_error_at(err, node, "to");
    }
    if (step->what != HARDWARE_NOTIFY && step->to[0] != '\0') {
        error_set(err, ERROR_INVALID, "only notify has a contact");
        return schema_error_at(err, node_get(node, "to"), "to");
    }
    for (size_t i = 0; step->what != HARDWARE_DRAIN && of_drain[i]; i++) {
        if (node_get(node, of_drain[i]) == NULL) continue;
        error_set(err, ERROR_INVALID, "only drain has this");
        return schema_error_at(err, node_get(node, of_drain[i]), of_drain[i]);
    }
    if (step->back_ms > 0 && step->back_ms < HARDWARE_BACK_MS_MIN) {
        error_set(err, ERROR_INVALID, "expected at least 1m: a host that comes and goes serves nobody");
        return schema_error_at(err, node_get(node, "back"), "back");
    }
    if (step->most_millis < 1) {
        error_set(err, ERROR_INVALID, "expected 0.001 to 1, such as 0.1 for a tenth of the pool's hosts");
        return schema_error_at(err, node_get(node, "most"), "most");
    }
    return true;
}

static bool read_kinds(struct arena *arena, const struct node *node, struct hardware_step *step,
                       struct error *err)
{
    const struct node *list = node_get(node, "on");

    step->on = step->on_names_length == 0 ? (INT64_C(1) << FINDING_KINDS) - 1 : 0;
    for (size_t i = 0; i < step->on_names_length; i++) {
        size_t kind = 0;
        while (kind < FINDING_KINDS && !text_equal(finding_kind_names[kind], step->on_names[i]))
            kind++;
        if (kind < FINDING_KINDS) {
            step->on |= INT64_C(1) << kind;
            continue;
        }
        const char *nearest = text_nearest(step->on_names[i], finding_kind_names, FINDING_KINDS);
        error_set(err, ERROR_INVALID,
                  "expected memory-errors, memory-lost, hot, disk-errors, disk-fails, disk-full or "
                  "disk-read-only, found \"%s\"%s%s",
                  step->on_names[i], nearest ? ": did you mean " : "", nearest ? nearest : "");
        bool items = list != NULL && list->kind == NODE_LIST;
        return schema_error_at(err, items ? &list->items[i] : list,
                               items ? arena_printf(arena, "on[%zu]", i) : "on");
    }
    return true;
}
