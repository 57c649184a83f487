#include "packets.h"

#include "driver/net/ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_in(const char *ns, int domain, int type, int protocol);
static struct sockaddr_in at(uint32_t address, uint16_t port);
static void add_16(struct frame *frame, uint16_t value);
static void add_32(struct frame *frame, uint32_t value);
static void add_mac(struct frame *frame, uint64_t mac);
static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size);

int tcp_listen(const char *ns, uint32_t address, uint16_t port)
{
    int fd = open_in(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    struct sockaddr_in local = at(address, port);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                    bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 || listen(fd, 16) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int tcp_connect(const char *ns, uint32_t address, uint16_t port, int patience_ms)
{
    int fd = open_in(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sockaddr_in remote = at(address, port);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int fault = 0;
    socklen_t size = sizeof(fault);
    if (connect(fd, (struct sockaddr *)&remote, sizeof(remote)) < 0 && errno != EINPROGRESS)
        fault = errno;
    else if (poll(&wait, 1, patience_ms) != 1)
        fault = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) < 0)
        fault = errno;
    if (fault == 0) return fd;
    close(fd);
    errno = fault;
    return -1;
}

int tcp_accept(int door, int patience_ms)
{
    struct pollfd wait = {.fd = door, .events = POLLIN};
    return poll(&wait, 1, patience_ms) == 1 ? accept4(door, NULL, NULL, SOCK_CLOEXEC) : -1;
}

int udp_open(const char *ns, uint32_t address, uint16_t port)
{
    int fd = open_in(ns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in local = at(address, port);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool udp_send(int fd, uint32_t address, uint16_t port, const void *data, size_t size)
{
    struct sockaddr_in remote = at(address, port);
    return sendto(fd, data, size, 0, (struct sockaddr *)&remote, sizeof(remote)) == (ssize_t)size;
}

long receive(int fd, void *data, size_t size, int patience_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, patience_ms) == 1 ? recv(fd, data, size, 0) : -1;
}

bool anything_waits(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

void frame_ethernet(struct frame *frame, uint64_t to, uint64_t from, uint16_t type)
{
    add_mac(frame, to);
    add_mac(frame, from);
    add_16(frame, type);
}

void frame_arp(struct frame *frame, uint16_t operation, uint64_t mac, uint32_t address, uint32_t target)
{
    add_16(frame, 1);
    add_16(frame, ETH_P_IP);
    add_16(frame, 0x0604);
    add_16(frame, operation);
    add_mac(frame, mac);
    add_32(frame, address);
    add_mac(frame, 0);
    add_32(frame, target);
}

void frame_ipv4(struct frame *frame, uint32_t from, uint32_t to, uint8_t protocol, size_t payload_size,
                uint16_t fragment)
{
    size_t start = frame->size;
    add_16(frame, 0x4500);
    add_16(frame, (uint16_t)(20 + payload_size));
    add_16(frame, 0x7777);
    add_16(frame, fragment);
    add_16(frame, (uint16_t)(64 << 8 | protocol));
    add_16(frame, 0);
    add_32(frame, from);
    add_32(frame, to);
    uint16_t sum = checksum(0, frame->data + start, 20);
    frame->data[start + 10] = (uint8_t)(sum >> 8);
    frame->data[start + 11] = (uint8_t)sum;
}

void frame_ipv6(struct frame *frame, const uint8_t from[16], const uint8_t to[16], uint8_t protocol,
                size_t payload_size, uint32_t label)
{
    add_32(frame, 6U << 28 | label);
    add_16(frame, (uint16_t)payload_size);
    add_16(frame, (uint16_t)(protocol << 8 | 64));
    frame_add(frame, from, 16);
    frame_add(frame, to, 16);
}

void frame_identify(struct frame *frame, uint16_t number)
{
    uint8_t *header = frame->data + ETH_HLEN;
    header[4] = (uint8_t)(number >> 8);
    header[5] = (uint8_t)number;
    header[10] = header[11] = 0;
    uint16_t sum = checksum(0, header, 20);
    header[10] = (uint8_t)(sum >> 8);
    header[11] = (uint8_t)sum;
}

void frame_seal(struct frame *frame, size_t offset)
{
    const uint8_t *header = frame->data + ETH_HLEN;
    bool wide = header[0] >> 4 == 6;
    uint8_t protocol = header[wide ? 6 : 9];
    uint8_t *start = frame->data + ETH_HLEN + (wide ? 40 : 20);
    size_t size = frame->size - (size_t)(start - frame->data);
    uint32_t pseudo = 0;
    start[offset] = start[offset + 1] = 0;
    if (protocol != IPPROTO_ICMP) {
        const uint8_t *addresses = header + (wide ? 8 : 12);
        pseudo = (uint32_t)size + protocol;
        for (size_t i = 0; i < (wide ? 32 : 8); i += 2)
            pseudo += (uint32_t)(addresses[i] << 8 | addresses[i + 1]);
    }
    uint16_t sum = checksum(pseudo, start, size);
    start[offset] = (uint8_t)(sum >> 8);
    start[offset + 1] = (uint8_t)sum;
}

void frame_udp(struct frame *frame, uint16_t from, uint16_t to, size_t payload_size)
{
    add_16(frame, from);
    add_16(frame, to);
    add_16(frame, (uint16_t)(8 + payload_size));
    add_16(frame, 0); /* no checksum */
}

void frame_tcp(struct frame *frame, uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port,
               uint8_t flags)
{
    size_t start = frame->size;
    add_16(frame, from_port);
    add_16(frame, to_port);
    add_32(frame, 12345);
    add_32(frame, 54321);
    add_16(frame, (uint16_t)(5 << 12 | flags));
    add_16(frame, 1024);
    add_16(frame, 0);
    add_16(frame, 0);
    uint32_t pseudo = (from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff) + IPPROTO_TCP + 20;
    uint16_t sum = checksum(pseudo, frame->data + start, 20);
    frame->data[start + 16] = (uint8_t)(sum >> 8);
    frame->data[start + 17] = (uint8_t)sum;
}

void frame_icmp_error(struct frame *frame, uint8_t type, uint8_t code, const struct frame *about)
{
    enum { QUOTED = 20 + 8 };
    size_t start = frame->size;
    const uint8_t header[8] = {type, code};
    ASSERT(about->size >= ETH_HLEN + QUOTED);
    frame_add(frame, header, sizeof(header));
    frame_add(frame, about->data + ETH_HLEN, QUOTED);
    uint16_t sum = checksum(0, frame->data + start, sizeof(header) + QUOTED);
    frame->data[start + 2] = (uint8_t)(sum >> 8);
    frame->data[start + 3] = (uint8_t)sum;
}

void frame_add(struct frame *frame, const void *data, size_t size)
{
    ASSERT(frame->size + size <= sizeof(frame->data));
    memcpy(frame->data + frame->size, data, size);
    frame->size += size;
}

void frame_pad(struct frame *frame, size_t size)
{
    ASSERT(frame->size + size <= sizeof(frame->data));
    memset(frame->data + frame->size, 'x', size);
    frame->size += size;
}

int wire_open(const char *ns, const char *device)
{
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    if (!ns_open(ns, &ns_fd, &err) || !ns_enter(ns_fd, &back, &err)) return -1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    struct sockaddr_ll local = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(device)};
    if (fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) ns_close(&fd);
    ns_leave(back);
    return fd;
}

bool wire_send(int wire, const struct frame *frame)
{
    return send(wire, frame->data, frame->size, 0) == (ssize_t)frame->size;
}

static int open_in(const char *ns, int domain, int type, int protocol)
{
    CLEANUP_FD int ns_fd = -1;
    struct error err;
    int back;
    if (!ns_open(ns, &ns_fd, &err) || !ns_enter(ns_fd, &back, &err)) return -1;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    ns_leave(back);
    return fd;
}

static struct sockaddr_in at(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static void add_16(struct frame *frame, uint16_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    frame_add(frame, bytes, sizeof(bytes));
}

static void add_32(struct frame *frame, uint32_t value)
{
    add_16(frame, (uint16_t)(value >> 16));
    add_16(frame, (uint16_t)value);
}

static void add_mac(struct frame *frame, uint64_t mac)
{
    add_16(frame, (uint16_t)(mac >> 32));
    add_32(frame, (uint32_t)mac);
}

static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(data[i] << 8 | data[i + 1]);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
