/* Rules as people write them: `if priority is urgent and probability is abundant and expected response time
 * is too high then request`. */
#ifndef CROFT_MODEL_SCALING_RULES_H
#define CROFT_MODEL_SCALING_RULES_H

#include "base/error.h"
#include "model/intent.h"
#include "model/node.h"

enum { SCALING_TERMS_MAX = 64, SCALING_RULES_MAX = 256 };

/* Fills rules->rules from rules->texts, and checks what the table cannot: shapes ascend and lie, somewhere,
 * where their variable can be; no two terms of a variable have one name; every rule is of the form above,
 * names terms that are there and each input at most once; no two rules say one thing of one case
 * (contradiction or repetition), none can never fire, and whatever the inputs are some rule fires. node: of
 * the document, for positions; NULL: it has none. */
MUST_CHECK bool scaling_rules_read(struct arena *arena, const struct node *node, struct scaling_rules *rules,
                                   struct error *err);

/* What a variable can be, in thousandths: expected response time in parts of the target 0 to 10,000;
 * probability 0 to 1,000; priority 0 (low), 500 (normal), 1,000 (urgent); need -100,000 to 100,000. */
void scaling_domain(enum scaling_variable variable, int64_t *ret_low_millis, int64_t *ret_high_millis);

/* How far a value belongs to a shape of 3 or 4 points, 0 to 1. */
double scaling_membership(const struct scaling_term *term, double value_millis);

#endif
