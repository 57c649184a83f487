/* For the implementations in this room only: the libevent base below a loop. */
#ifndef CROFT_OS_LOOP_BASE_H
#define CROFT_OS_LOOP_BASE_H

struct event_base;
struct loop;

struct event_base *loop_base(const struct loop *loop);

#endif
