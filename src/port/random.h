/* Randomness. Twins: os (getrandom), later sim's seeded generator. */
#ifndef CROFT_PORT_RANDOM_H
#define CROFT_PORT_RANDOM_H

#include <stddef.h>

struct random_port {
    void *self;
    /* Fills `size` unpredictable bytes, fit for keys and tokens. Cannot fail. */
    void (*fill)(void *self, void *ret_bytes, size_t size);
};

#endif
