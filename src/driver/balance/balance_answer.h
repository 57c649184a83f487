/* Reading HAProxy's answers. Pure; any damaged text is refused, never followed. */
#ifndef CROFT_DRIVER_BALANCE_ANSWER_H
#define CROFT_DRIVER_BALANCE_ANSWER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"
#include "driver/balance.h"

#include <stdint.h>

/* One server of one backend as HAProxy has it. Texts belong to the arena that was given. */
struct balance_present {
    const char *key; /* "backend/server" */
    const char *backend;
    const char *server;
    uint32_t address;
    uint16_t port;
    bool maint;   /* forced into maintenance: gets nothing */
    bool drain;   /* forced to drain: nothing new */
    bool checked; /* its health check is enabled */
    bool up;      /* the check, or traffic, says so */
    bool known;   /* a check had a result, or it is down */
    int64_t used; /* connections in use; -1 until balance_answer_conn() told */
};

/* Answer to `show servers state`: adds items of struct balance_present. */
MUST_CHECK bool balance_answer_state(struct arena *arena, const char *text, struct vec *ret_present,
                                     struct error *err);
/* Answer to `show servers conn`: fills `used` of those that are named; others are passed over. */
MUST_CHECK bool balance_answer_conn(const char *text, struct vec *present, struct error *err);
/* Answer to `show stat` (CSV): adds items of struct balance_counters, of backends and servers. Nothing is
 * added when it is refused. */
MUST_CHECK bool balance_answer_stat(const char *text, struct vec *ret_counters, struct error *err);

#endif
