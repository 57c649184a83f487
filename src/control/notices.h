/* Messages to contacts: what they are told, grouped, held back when it is too much, sent until it got there.
 */
#ifndef CROFT_CONTROL_NOTICES_H
#define CROFT_CONTROL_NOTICES_H

#include "control/controller.h"
#include "model/action.h"
#include "model/notice.h"

MUST_CHECK bool notices_start(struct controller *controller, struct error *err);
void notices_stop(struct controller *controller);

/* Adds to the change what follows for contacts from a decision of the planner about an instance. before: the
 * instance as it was; NULL: it is new. */
void notices_follow(struct controller *controller, struct change *change, const struct action *action,
                    const struct instance *before, int64_t now_ms);
/* The same from a host's new state; before: what it was. */
void notices_host(struct controller *controller, struct change *change, const struct host_fact *before,
                  const struct host_fact *after, int64_t now_ms);
/* The same from what was found of a host's hardware, and what its pool's policy does about it: whoever is
 * told of a finding is told that it is over, and that the host is drained, or not any more. */
void notices_hardware(struct controller *controller, struct change *change, const struct host_fact *before,
                      const struct host_fact *after, int64_t now_ms);
/* Adds that a contact (full name) is told of a subject. The opposite of what still waits only takes that
 * back, so that it goes on to believe what it was told before. */
void notices_add(struct controller *controller, struct change *change, const char *contact,
                 const struct notice_line *line);

#endif
