/* How a run's boxes share out among sets. For filter.c only. */
#ifndef CROFT_DRIVER_NET_FILTER_LAYERS_H
#define CROFT_DRIVER_NET_FILTER_LAYERS_H

#include "driver/net/filter.h"

int filter_value_compare(const struct filter_value *a, const struct filter_value *b);
/* Drops boxes that another one covers and gives each of the rest a layer, from 0 on, so that no two of one
 * layer overlap: the kernel's sets of intervals refuse that. Sorts the boxes; sets run->layers. */
void filter_layers(struct filter_run *run);

#endif
