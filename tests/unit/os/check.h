/* What every test of this room includes: cmocka, with the headers it wants before it. */
#ifndef CROFT_TESTS_UNIT_OS_CHECK_H
#define CROFT_TESTS_UNIT_OS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
