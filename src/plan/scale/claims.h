/* What only one farm can have: numbers of networks, and addresses to publish at. */
#ifndef CROFT_PLAN_SCALE_CLAIMS_H
#define CROFT_PLAN_SCALE_CLAIMS_H

#include "plan/work.h"

struct claims *claims_new(void);
void claims_free(struct claims *claims);
/* All that the fact gives the farm, or has to give back. */
void claims_take(struct work *work, size_t farm, const struct farm_fact *fact);
void claims_return(struct work *work, size_t farm, const struct farm_fact *fact);

/* Lowest number that no farm has; 0: all are given out. */
int64_t claims_free_vni(struct work *work);
size_t claims_owner(const struct work *work, const char *address); /* a farm, or NONE */
void claims_take_address(struct work *work, size_t farm, const char *address);
void claims_return_address(struct work *work, size_t farm, const char *address);
/* A port of AUTO_ADDRESS that no farm has, from `first` upwards and then from the lowest; 0: none. */
int claims_free_port(const struct work *work, int first);

#define AUTO_ADDRESS "127.0.0.1:"

#endif
