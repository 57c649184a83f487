/* Any bytes at all as the small languages that come in queries and headers: packets, addresses, moments. What
 * is read is written, and that is read as the same. */
#include "base/address.h"
#include "base/attr.h"
#include "base/mem.h"
#include "model/packet.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_packet(const char *text)
{
    CLEANUP_BUF struct buf once = {0};
    CLEANUP_BUF struct buf again = {0};
    CLEANUP_BUF struct buf json = {0};
    struct packet packet, second;
    struct error err;

    if (!packet_parse(text, &packet, &err)) return;
    packet_format(&packet, &once);
    ASSERT(packet_parse(buf_text(&once), &second, &err));
    packet_format(&second, &again);
    ASSERT(strcmp(buf_text(&once), buf_text(&again)) == 0);
    packet_write(&packet, &json);
}

static void read_address(const char *text)
{
    char once[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
    struct wide_prefix prefix, second;

    if (!address_parse(text, &prefix)) return;
    ASSERT(prefix.bits <= address_bits(prefix.family));
    address_format(once, &prefix);
    ASSERT(address_parse(once, &second));
    ASSERT(strcmp(once, address_format(again, &second)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_MEM char *text = mem_strndup((const char *)data, size);

    read_packet(text);
    read_address(text);
    return 0;
}
