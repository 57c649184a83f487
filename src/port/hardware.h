/* What sensors, counters and disks of this host say. Twins: os/hardware (Linux' sysfs, smartctl),
 * sim/hardware (what a test or a fault says). */
#ifndef CROFT_PORT_HARDWARE_H
#define CROFT_PORT_HARDWARE_H

#include <stddef.h>

struct hardware_look;
struct hardware_reading; /* model/hardware.h */

struct hardware_port {
    void *self;
    /* Reads all once; calls done once, from the loop, never from inside this, unless cancelled. A sensor may
     * take its time or never answer: then done is late or does not come, and nobody waits for it. What is
     * pointed to is there until done returns. readings NULL: too little could be read, and what was known
     * before holds. note: what cannot be looked at, and why; "". */
    struct hardware_look *(*look)(void *self,
                                  void (*done)(void *ctx, const struct hardware_reading *readings,
                                               size_t length, const char *note),
                                  void *ctx);
    void (*cancel)(void *self, struct hardware_look *look); /* may be NULL */
};

#endif
