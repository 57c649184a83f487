/* From what sensors, counters and disks say to what is wrong: rates of counters, limits, and a gap between
 * where a finding begins and where it ends, so that it does not come and go. Pure: time is given. */
#ifndef CROFT_OBSERVE_HARDWARE_H
#define CROFT_OBSERVE_HARDWARE_H

#include "model/hardware.h"

struct hardware_watch;

struct hardware_watch *hardware_watch_new(void);
void hardware_watch_free(struct hardware_watch *watch); /* NULL is fine */

/* One look: all that can be read now. What is read no more is no finding any more. now_us: steady. True: the
 * findings differ from those before, so that it is worth telling. Of a counter the first look only says where
 * it stands. */
bool hardware_watch_take(struct hardware_watch *watch, const struct hardware_reading *readings, size_t length,
                         int64_t now_us);
/* At most FINDINGS_MAX, in the order of the readings; until the next take. */
const struct finding *hardware_watch_findings(const struct hardware_watch *watch, size_t *ret_length);

#endif
