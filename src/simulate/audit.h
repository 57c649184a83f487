/* Are the books whole? Reads along what the store is told, knows the instances and hosts from their own
 * records, and judges after every revision: nothing of the control plane's own bookkeeping is asked. */
#ifndef CROFT_SIMULATE_AUDIT_H
#define CROFT_SIMULATE_AUDIT_H

#include "store/store.h"

struct audit;

/* From what the store holds now on. */
MUST_CHECK bool audit_new(struct store *store, struct audit **ret_audit, struct error *err);
void audit_free(struct audit *audit); /* NULL is fine */
/* Changes of the store, in its order. */
void audit_take(struct audit *audit, const struct store_item *item);
/* What is wrong with all that was taken, the first of it; the last revision was taken whole. */
MUST_CHECK bool audit_check(struct audit *audit, struct error *err);
/* Whether the books say that the instance has its place on the host. */
bool audit_is_on(const struct audit *audit, const char *instance, const char *host);

#endif
