/* A small event loop with the ports that drivers need, for tests that must not depend on the os room. */
#ifndef CROFT_TESTS_SUPPORT_MINI_LOOP_H
#define CROFT_TESTS_SUPPORT_MINI_LOOP_H

#include "base/vec.h"
#include "port/clock.h"
#include "port/process.h"
#include "port/watch.h"

#include <stdbool.h>

struct mini_loop {
    struct clock_port clock;
    struct watch_port watch;
    struct process_port process;
    struct vec timers;  /* struct timer * */
    struct vec watches; /* struct fd_watch * */
};

void mini_loop_start(struct mini_loop *loop);
void mini_loop_end(struct mini_loop *loop); /* frees what is left; asserts that no watch is */
/* Runs until *flag is true or limit_ms have passed: returns *flag. */
bool mini_loop_until(struct mini_loop *loop, const bool *flag, int64_t limit_ms);
/* Runs until until(ctx) is true. */
bool mini_loop_while(struct mini_loop *loop, bool (*until)(void *ctx), void *ctx, int64_t limit_ms);

#endif
