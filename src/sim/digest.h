/* A cheap digest for the simulation: as long as SHA-256's, and of no cryptographic worth. */
#ifndef CROFT_SIM_DIGEST_H
#define CROFT_SIM_DIGEST_H

#include <stddef.h>

void sim_digest(const void *data, size_t size, char ret_hex[65]);

#endif
