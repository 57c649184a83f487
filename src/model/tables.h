/* Tables that several of the files tables_*.c use. Internal to model/. */
#ifndef CROFT_MODEL_TABLES_H
#define CROFT_MODEL_TABLES_H

#include "model/schema.h"

/* The most that one instance or host may have: sums over a whole grid stay far from overflow. */
#define CPUS_MILLIS_MAX (100000 * 1000LL)
#define BYTES_MAX (1LL << 50)
#define BITS_PER_S_MAX (1000000 * 1000000000LL)

extern const struct schema schema_resources; /* nothing is required, what is missing is zero */
extern const struct schema schema_file;
extern const struct schema schema_health;
extern const struct schema schema_host_key;
extern const struct schema schema_mend_step;
extern const struct schema schema_hardware_step;

#endif
