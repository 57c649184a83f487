/* random_port over the kernel's generator. */
#ifndef CROFT_OS_RANDOM_H
#define CROFT_OS_RANDOM_H

#include "port/random.h"

const struct random_port *os_random_port(void);

#endif
