/* The decision surface of a set of rules: need over response time and probability, to look at. */
#ifndef CROFT_PLAN_SHARE_SURFACE_H
#define CROFT_PLAN_SHARE_SURFACE_H

#include "base/buf.h"
#include "model/intent.h"

/* Lines of response,probability,need with that header; response in parts of the target, 0 to 2. */
void surface_csv(const struct scaling_rules *rules, enum sla_priority priority, struct buf *ret_csv);
/* The same as a picture, readable on light and dark. title: of whom it is, text. */
void surface_svg(const struct scaling_rules *rules, enum sla_priority priority, const char *title,
                 struct buf *ret_svg);

#endif
