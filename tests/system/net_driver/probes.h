/* Packets that are really sent, and what became of each. */
#ifndef CROFT_TESTS_NET_DRIVER_PROBES_H
#define CROFT_TESTS_NET_DRIVER_PROBES_H

#include "base/vec.h"
#include "model/packet.h"

#include <stdbool.h>
#include <stdint.h>

struct probe {
    struct packet packet;
    enum filter_action wanted;
    enum filter_direction judge; /* of those that are not to pass: where */
    unsigned seen;               /* times, by the receiver */
    bool answered;               /* the sender was told */
};

/* A batch is a vec of struct probe. A probe goes by its place in the batch, which IPv4 has in its
 * identification and IPv6 in its flow label. No two of a batch may be one connection. */
bool probes_fit(const struct vec *probes, const struct packet *packet);
/* By an AF_PACKET socket of the sender. */
void probe_send(const struct vec *probes, size_t number, int wire, uint64_t from_mac, uint64_t to_mac);
/* Reads all that waits at the wire of an instance or of the outside. */
void probes_look(struct vec *probes, int wire);
size_t probes_seen(const struct vec *probes);
/* Those that were rejected have been told. */
bool probes_answered(const struct vec *probes);
/* Fails the test with the first probe that had another fate than was wanted. lot: what made the filters. */
void probes_judge(const struct vec *probes, uint64_t lot);

#endif
