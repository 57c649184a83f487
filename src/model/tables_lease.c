/* The table of leases, and the scalars that only they have. */
#include "base/moment.h"
#include "base/text.h"
#include "model/table.h"

#include <string.h>

static const char never[] = "never";

static bool parse_right(struct arena *arena, const struct node *node, void *ret_value);
static bool parse_moment(struct arena *arena, const struct node *node, void *ret_value);
static void format_right(const void *value, struct buf *json);
static void format_moment(const void *value, struct buf *json);
static bool finish_lease(struct arena *arena, const struct node *node, void *object, struct error *err);
static unsigned right_of(const char *name);

const struct scalar scalar_right = {.name = "right",
                                    .expected = "hardware, software, develop, lease or read",
                                    .size = sizeof(const char *),
                                    .parse = parse_right,
                                    .format = format_right,
                                    .is_text = true,
                                    .json_type = "string",
                                    .pattern = "^(hardware|software|develop|lease|read)$"};
const struct scalar scalar_moment = {
    .name = "moment",
    .expected = "a date or time such as 2027-01-01 or 2027-01-01T00:00:00Z, or never",
    .size = sizeof(int64_t),
    .parse = parse_moment,
    .format = format_moment,
    .json_type = "string"};

static const struct field lease_fields[] = {
    SCALAR(struct lease, name, "name", scalar_name, "the lease's name", .required = true),
    SCALAR(struct lease, from, "from", scalar_name, "who gives; the parent of who gets",
           .fallback = PARTY_LANDLORD),
    SCALAR(struct lease, to, "to", scalar_name, "who gets", .required = true),
    STRUCT(struct lease, capacity, "capacity", schema_quota, "how much of it; what is left out: all",
           .hidden_default = true),
    SCALARS(struct lease, right_names, "rights", scalar_right, "what its holder may do", .required = true,
            .min = 1, .max = RIGHTS_LENGTH),
    SCALAR(struct lease, until_ms, "until", scalar_moment, "when it ends", .fallback = "never",
           .hidden_default = true),
    ENUM(struct lease, state, "state", lease_state_names, "whether it still holds", .fallback = "active"),
    SCALAR(struct lease, reason, "reason", scalar_text, "why it ended", .hidden_default = true),
    SCALAR(struct lease, severed_by, "severed_by", scalar_text,
           "a party above the giver that ended it; croft writes that", .hidden_default = true),
};
const struct schema schema_lease = SCHEMA(struct lease, "Lease", lease_fields, .finish = finish_lease);

const char *rights_text(struct arena *arena, unsigned rights)
{
    const char *text = "";

    for (unsigned i = 0; i < RIGHTS_LENGTH; i++)
        if (rights >> i & 1) text = arena_printf(arena, "%s%s%s", text, text[0] ? ", " : "", right_names[i]);
    return text[0] ? text : "nothing";
}

static bool parse_right(struct arena *arena, const struct node *node, void *ret_value)
{
    if (node->kind != NODE_STRING || right_of(node->text) == 0) return false;
    *(const char **)ret_value = node->text;
    return true;
}

static bool parse_moment(struct arena *arena, const struct node *node, void *ret_value)
{
    int64_t ms = 0;
    struct error ignored;

    if (node->kind != NODE_STRING) return false;
    if (!text_equal(node->text, never) && (!moment_parse(node->text, &ms, &ignored) || ms <= 0)) return false;
    memcpy(ret_value, &ms, sizeof(ms));
    return true;
}

static void format_right(const void *value, struct buf *json)
{
    buf_add_json_string(json, *(const char *const *)value);
}

static void format_moment(const void *value, struct buf *json)
{
    char text[32];
    int64_t ms;

    memcpy(&ms, value, sizeof(ms));
    buf_add_json_string(json, ms == 0 ? never : text_format_time(text, ms));
}

static unsigned right_of(const char *name)
{
    for (unsigned i = 0; i < RIGHTS_LENGTH; i++)
        if (text_equal(right_names[i], name)) return 1U << i;
    return 0;
}

static bool finish_lease(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct lease *lease = object;

    for (size_t i = 0; i < lease->right_names_length; i++) {
        unsigned right = right_of(lease->right_names[i]);
        if (lease->rights & right) {
            const struct node *rights = node_get(node, "rights");
            error_set(err, ERROR_INVALID, "%s is there twice", lease->right_names[i]);
            return schema_error_at(err, rights ? &rights->items[i] : node,
                                   arena_printf(arena, "rights[%zu]", i));
        }
        lease->rights |= right;
    }
    if (text_equal(lease->to, PARTY_LANDLORD)) {
        error_set(err, ERROR_INVALID, "the landlord leases from nobody");
        return schema_error_at(err, node_get(node, "to"), "to");
    }
    return true;
}
