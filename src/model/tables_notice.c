/* Tables of what contacts are told. */
#include "model/notice.h"
#include "model/table.h"

const char *const notice_state_names[] = {"failed", "healed", NULL};

static const struct field line_fields[] = {
    SCALAR(struct notice_line, subject, "subject", scalar_text, "what it is about", .required = true),
    ENUM(struct notice_line, state, "state", notice_state_names, "whether it is well", .required = true),
    SCALAR(struct notice_line, text, "text", scalar_text, "what happened"),
    SCALAR(struct notice_line, at_ms, "at_ms", scalar_int, "when, wall clock"),
};
const struct schema schema_notice_line = SCHEMA(struct notice_line, "notice_line", line_fields);

static const struct field message_fields[] = {
    SCALAR(struct notice_message, id, "id", scalar_text, "the same whenever it is sent again",
           .required = true),
    SCALAR(struct notice_message, at_ms, "at_ms", scalar_int, "when it was made, wall clock"),
    OBJECTS(struct notice_message, lines, "lines", schema_notice_line, "what it tells"),
    SCALAR(struct notice_message, more, "more", scalar_int, "lines that are not in it",
           .hidden_default = true),
    SCALAR(struct notice_message, left, "left", scalar_int, "ways by which it has still to go"),
};
const struct schema schema_notice_message = SCHEMA(struct notice_message, "notice_message", message_fields);

static const struct field sent_fields[] = {
    SCALAR(struct notice_sent, number, "number", scalar_int, "messages, ever"),
    SCALARS(struct notice_sent, times, "times", scalar_int, "those of the last hour"),
};
const struct schema schema_notice_sent = SCHEMA(struct notice_sent, "notice_sent", sent_fields);
