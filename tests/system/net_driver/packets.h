/* Real packets from inside a namespace: streams, datagrams, and frames as an intruder would make them. */
#ifndef CROFT_TESTS_NET_DRIVER_PACKETS_H
#define CROFT_TESTS_NET_DRIVER_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sockets that were made in the namespace pinned to `ns`. Addresses in host byte order; -1: failed. */
int tcp_listen(const char *ns, uint32_t address, uint16_t port);
int tcp_connect(const char *ns, uint32_t address, uint16_t port, int patience_ms); /* errno tells why not */
int tcp_accept(int door, int patience_ms);
int udp_open(const char *ns, uint32_t address, uint16_t port);
bool udp_send(int fd, uint32_t address, uint16_t port, const void *data, size_t size);
/* Bytes, or -1 when nothing came in time. */
long receive(int fd, void *data, size_t size, int patience_ms);
bool anything_waits(int fd);

/* A frame under construction. */
struct frame {
    uint8_t data[1600];
    size_t size;
};
void frame_ethernet(struct frame *frame, uint64_t to, uint64_t from, uint16_t type);
void frame_arp(struct frame *frame, uint16_t operation, uint64_t mac, uint32_t address, uint32_t target);
/* fragment: offset in 8-byte units, with 0x2000 for "more follow". */
void frame_ipv4(struct frame *frame, uint32_t from, uint32_t to, uint8_t protocol, size_t payload_size,
                uint16_t fragment);
/* label: 20 bits. */
void frame_ipv6(struct frame *frame, const uint8_t from[16], const uint8_t to[16], uint8_t protocol,
                size_t payload_size, uint32_t label);
/* The identification of the IPv4 header behind the Ethernet header. */
void frame_identify(struct frame *frame, uint16_t number);
/* The checksum of what stands behind the IP header, at this offset in it; with the pseudo header of either
 * family, but for ICMP. */
void frame_seal(struct frame *frame, size_t offset);
void frame_udp(struct frame *frame, uint16_t from, uint16_t to, size_t payload_size);
void frame_tcp(struct frame *frame, uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port,
               uint8_t flags);
/* An ICMP error about the packet in that frame: 28 bytes of it are quoted. */
void frame_icmp_error(struct frame *frame, uint8_t type, uint8_t code, const struct frame *about);
void frame_add(struct frame *frame, const void *data, size_t size);
void frame_pad(struct frame *frame, size_t size);

/* An AF_PACKET socket on eth0 of the namespace; it sees what comes in. */
int wire_open(const char *ns, const char *device);
bool wire_send(int wire, const struct frame *frame);

#endif
