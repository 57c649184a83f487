/* What contacts are told: rows of the store, written by the controller. Ownership as in intent.h. */
#ifndef CROFT_MODEL_NOTICE_H
#define CROFT_MODEL_NOTICE_H

#include "model/schema.h"

enum notice_state { NOTICE_FAILED, NOTICE_HEALED };

/* One thing to tell, until it is in a message. */
struct notice_line {
    const char *subject; /* an instance or "host/h3" */
    enum notice_state state;
    const char *text;
    int64_t at_ms;
};

/* A message on its way. */
struct notice_message {
    const char *id; /* "landlord/ops-12-1767225600000" */
    int64_t at_ms;
    const struct notice_line *lines;
    size_t lines_length;
    int64_t more; /* lines that are not in it, for it would be too long */
    int64_t left; /* bits 1 << enum post_way of those by which it has still to go */
};

/* What was sent to a contact. */
struct notice_sent {
    int64_t number;       /* of messages, ever */
    const int64_t *times; /* of those of the last hour, wall clock */
    size_t times_length;
};

extern const struct schema schema_notice_line;
extern const struct schema schema_notice_message;
extern const struct schema schema_notice_sent;
extern const char *const notice_state_names[]; /* failed healed */

#endif
