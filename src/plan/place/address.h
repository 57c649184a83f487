/* Addresses inside a farm's subnet: the lowest free, one for life. */
#ifndef CROFT_PLAN_PLACE_ADDRESS_H
#define CROFT_PLAN_PLACE_ADDRESS_H

#include "plan/work.h"

void address_open(struct work *work, size_t farm);     /* before any other call for the farm */
void address_take(struct work *work, size_t instance); /* notes the address that the record has */
bool address_give(struct work *work, size_t instance); /* gives one to a record; false: none is left */
void address_release(struct work *work, size_t instance);

#endif
