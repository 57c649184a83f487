#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool has_bits_behind(const struct wide_prefix *prefix);

unsigned address_bits(enum address_family family)
{
    return family == FAMILY_IPV4 ? 32 : 128;
}

bool address_parse(const char *text, struct wide_prefix *ret_prefix)
{
    struct wide_prefix prefix = {.family = strchr(text, ':') == NULL ? FAMILY_IPV4 : FAMILY_IPV6};
    char address[ADDRESS_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
    uint64_t bits = address_bits(prefix.family);

    if (size >= sizeof(address)) return false;
    memcpy(address, text, size);
    address[size] = '\0';
    if (inet_pton(prefix.family == FAMILY_IPV4 ? AF_INET : AF_INET6, address, prefix.address) != 1)
        return false;
    if (slash != NULL && (!text_parse_u64(slash + 1, &bits) || bits > address_bits(prefix.family)))
        return false;
    prefix.bits = (unsigned)bits;
    if (has_bits_behind(&prefix)) return false;
    *ret_prefix = prefix;
    return true;
}

char *address_format(char *out, const struct wide_prefix *prefix)
{
    const char *text = inet_ntop(prefix->family == FAMILY_IPV4 ? AF_INET : AF_INET6, prefix->address, out,
                                 ADDRESS_TEXT_SIZE);
    ASSERT(text != NULL);
    size_t size = strlen(out);
    if (prefix->bits < address_bits(prefix->family))
        snprintf(out + size, ADDRESS_TEXT_SIZE - size, "/%u", prefix->bits);
    return out;
}

static bool has_bits_behind(const struct wide_prefix *prefix)
{
    for (unsigned bit = prefix->bits; bit < address_bits(prefix->family); bit++)
        if ((prefix->address[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
    return false;
}
