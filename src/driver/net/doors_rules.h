/* The compiler of what judges callers of published sockets. Such a caller comes by a socket of the host and
 * not by the farm's network; to the filters it is the internet that opens a connection to the balancer's
 * port, from the address that it really has. Pure; README.md has the chains, tests/unit/driver the golden
 * texts. */
#ifndef CROFT_DRIVER_NET_DOORS_RULES_H
#define CROFT_DRIVER_NET_DOORS_RULES_H

#include "driver/net.h"
#include "driver/net/rules.h"

#include "base/buf.h"
#include "base/vec.h"

struct doors_rules;

/* What is denied there: keyed by a mark that stands for farm and filter. */
extern const struct rules_reason doors_reason;

/* before: what is in force, or NULL when that is not known; then left are the names of the chains (char *)
 * that are there. What did not change is taken over. A door without a farm stays as it is. The caller's to
 * doors_rules_free(). ERROR_INVALID: a place that is not ADDR:PORT. */
MUST_CHECK bool doors_rules_new(const struct net_door *doors, size_t length, const struct doors_rules *before,
                                const struct vec *left, struct doors_rules **ret_rules, struct error *err);
void doors_rules_free(struct doors_rules *rules); /* NULL is fine */

/* Commands for one transaction in the table (inet): from old to new, "" when nothing changes. old NULL: from
 * whatever is there. Without any door the table goes. */
void doors_rules_change(const char *table, const struct doors_rules *old, const struct vec *left,
                        const struct doors_rules *new, struct buf *ret_text);
/* Nothing is judged. */
bool doors_rules_is_empty(const struct doors_rules *rules);
/* Is it the name of a chain of a door? */
bool doors_is_chain(const char *name);
/* Would a connection to the published place be let pass from there? The same answer as the kernel's. A place
 * without a door lets all pass. */
bool doors_rules_pass(const struct doors_rules *rules, uint32_t address, uint16_t port, uint32_t from,
                      uint16_t from_port);
/* Whose farm and which filter the mark stands for; false: none that is known. */
bool doors_rules_find(const struct doors_rules *rules, uint32_t mark, const char **ret_farm,
                      const char **ret_filter);

#endif
