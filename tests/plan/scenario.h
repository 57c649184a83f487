/* One scenario of the golden corpus: README.md says what is in its file. */
#ifndef CROFT_TESTS_PLAN_SCENARIO_H
#define CROFT_TESTS_PLAN_SCENARIO_H

#include "plan/plan.h"

#include "base/buf.h"
#include "base/error.h"

enum { SCENARIO_NOW_MS = 1000000 };

struct scenario {
    struct snapshot snapshot;
    const char *expected; /* text of the Expect document, "" when there is none yet */
    size_t input_size;    /* of the text before it */
};

MUST_CHECK bool scenario_read(struct arena *arena, const char *text, size_t size,
                              struct scenario *ret_scenario, struct error *err);
/* Plans, applies, and writes what came out as the Expect document. False: a plan made again wants something.
 */
bool scenario_run(struct arena *arena, const struct scenario *scenario, struct buf *ret_expect);

#endif
