/* power_port over the socket of `croft up`: a line "off h3" asks, a line "ok …" or "error …" answers. */
#ifndef CROFT_OS_POWER_H
#define CROFT_OS_POWER_H

#include "os/loop.h"
#include "port/power.h"

struct os_power;

struct os_power *os_power_new(struct loop *loop, const char *socket_path);
void os_power_free(struct os_power *power); /* NULL is fine; orders under way are forgotten */
const struct power_port *os_power_port(const struct os_power *power);

#endif
