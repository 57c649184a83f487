/* Mamdani's inference over rules that people wrote: how much a farm needs more or less. */
#ifndef CROFT_PLAN_SHARE_FUZZY_H
#define CROFT_PLAN_SHARE_FUZZY_H

#include "base/mem.h"
#include "model/intent.h"

/* The rules of service levels that name none, as a document (JSON, which is YAML too). */
const char *scaling_rules_default(void);
/* Read. The same reader as of all documents; what it finds is the arena's. */
const struct scaling_rules *scaling_rules_builtin(struct arena *arena);

struct fuzzy_inputs {
    double response;    /* expected, in parts of the target; what is outside its range counts as its end */
    double probability; /* 0 to 1 */
    enum sla_priority priority;
};

/* -100 to 100: "and" is the least, a conclusion is cut off at its premises' strength, conclusions are joined
 * by the largest, and need is the centre of gravity of what is under that line, which is exact. */
double fuzzy_need(const struct scaling_rules *rules, const struct fuzzy_inputs *inputs);
/* The least probable load that the rules still provide for: at which a response far beyond the target makes a
 * request (0.01 to 0.5, the bounds of a forecast's band; 1: the rules never request). */
double fuzzy_provides(const struct scaling_rules *rules, enum sla_priority priority);
/* The term that fits a value best: "abundant"; NULL: none fits at all. */
const char *fuzzy_word(const struct scaling_rules *rules, enum scaling_variable variable,
                       double value_millis);
double fuzzy_priority_millis(enum sla_priority priority);

#endif
