/* What most tests here begin and end with, and what they all ask of a network. */
#ifndef CROFT_TESTS_NET_DRIVER_STAGE_H
#define CROFT_TESTS_NET_DRIVER_STAGE_H

#include "grid.h"

/* For cmocka: a grid for each test is in *state, a struct grid. setup_shut: without a way to the outside. */
int setup(void **state);
int setup_shut(void **state);
int teardown(void **state);

void assert_good(bool good, const struct error *err);
/* Opens a stream between two namespaces and says a word both ways. */
void assert_connects(const char *from, const char *to, uint32_t address, uint16_t port);
/* A command of the shell, in a namespace; it has to succeed. */
void run_in(const char *ns, const char *command);

#endif
