/* Decisions in the making: each function changes the working copy and notes the action that does the same to
 * the store. Texts of reasons belong to the plan's arena or are static. */
#ifndef CROFT_PLAN_ORDER_ACT_H
#define CROFT_PLAN_ORDER_ACT_H

#include "plan/work.h"

/* A new record without a place; NONE while the farm has no network. */
size_t act_create(struct work *work, size_t tier, enum instance_wanted wanted, const char *reason);
void act_place(struct work *work, size_t instance, size_t host, int step, const char *reason);
/* Its record as edited: where its mending stands. */
void act_mend(struct work *work, size_t instance, const char *reason);
void act_activate(struct work *work, size_t instance, const char *reason);
void act_drain(struct work *work, size_t instance, const char *reason);
void act_stop(struct work *work, size_t instance, const char *reason);
void act_unplace(struct work *work, size_t instance, const char *reason);
void act_forget(struct work *work, size_t instance, const char *reason);
/* Why it stays as it is. Of several explanations in a pass the first counts, except that giving up a move
 * goes before all. */
void act_explain(struct work *work, size_t instance, enum instance_state state, const char *reason,
                 const char *move_to);
/* At the end of a pass: notes explanations that say something new, and takes back those that no longer hold.
 */
void act_explain_all(struct work *work);
/* fact: the host's new one. */
void act_host(struct work *work, const struct host_fact *fact, const char *reason);
void act_fence(struct work *work, size_t host, const char *reason);

/* The actions of the finished work, ordered so that each can be applied after those before it. */
struct plan order_plan(struct work *work);

#endif
