#include "os/post_near.h"

#include "base/mem.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* IANA's registries of special-purpose addresses (RFC 6890): what is not globally reachable, and 0/0's other
 * ends: multicast and what is reserved. */
static const char *const special[] = {
    "0.0.0.0/8",       "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12",   "192.0.0.0/24",   "192.0.2.0/24",  "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",   "::/127",         "100::/64",
    "2001::/23",       "2001:db8::/32",  "fc00::/7",      "fe80::/9",       "ff00::/8",
};
/* IPv6 that ends at the IPv4 address in it: mapped and compatible (RFC 4291), NAT64 (RFC 6052), 6to4
 * (RFC 3056); and where in it that is. */
static const struct {
    const char *prefix;
    size_t at;
} wraps[] = {
    {"::ffff:0:0/96", 12}, {"::/96", 12}, {"64:ff9b::/96", 12}, {"64:ff9b:1::/48", 12}, {"2002::/16", 2}};

static bool read_address(const struct sockaddr *address, struct wide_prefix *ret_address);
static bool unwrap(const struct wide_prefix *wide, struct wide_prefix *ret_inner);
static bool is_special(const struct wide_prefix *address);
static bool is_in_text(const char *prefix, const struct wide_prefix *address);
static bool is_in_any(const struct wide_prefix *prefixes, size_t length, const struct wide_prefix *address);
static bool is_in(const struct wide_prefix *prefix, const struct wide_prefix *address);
static bool read_link(const struct ifaddrs *device, struct wide_prefix *ret_link);

bool near_is(const struct near *near, const struct sockaddr *address)
{
    struct wide_prefix whole, inner;

    if (!read_address(address, &whole)) return true;
    bool wrapped = unwrap(&whole, &inner);
    if (is_in_any(near->reach, near->reach_length, wrapped ? &inner : &whole)) return false;
    return is_special(wrapped ? &inner : &whole) ||
           is_in_any(near->links, near->links_length, wrapped ? &inner : &whole) ||
           (wrapped && is_in_any(near->links, near->links_length, &whole));
}

size_t near_links(struct wide_prefix ret_links[NEAR_LINKS_MAX])
{
    struct ifaddrs *list = NULL;
    size_t length = 0;

    if (getifaddrs(&list) != 0) return SIZE_MAX;
    for (const struct ifaddrs *at = list; at && length < SIZE_MAX; at = at->ifa_next) {
        struct wide_prefix link;
        if (!read_link(at, &link)) continue;
        if (length == NEAR_LINKS_MAX)
            length = SIZE_MAX;
        else
            ret_links[length++] = link;
    }
    freeifaddrs(list);
    return length;
}

static bool read_link(const struct ifaddrs *device, struct wide_prefix *ret_link)
{
    struct wide_prefix mask;

    if (!device->ifa_addr || !read_address(device->ifa_addr, ret_link)) return false;
    if (!device->ifa_netmask) return true;
    /* The family of a mask is not always set. */
    struct sockaddr_storage copy = {0};
    memcpy(&copy, device->ifa_netmask,
           ret_link->family == FAMILY_IPV4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    copy.ss_family = device->ifa_addr->sa_family;
    if (!read_address((const struct sockaddr *)&copy, &mask)) return true;
    ret_link->bits = 0;
    while (ret_link->bits < address_bits(mask.family) &&
           (mask.address[ret_link->bits / 8] >> (7 - ret_link->bits % 8) & 1))
        ret_link->bits++;
    return true;
}

static bool read_address(const struct sockaddr *address, struct wide_prefix *ret_address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return false;
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->family = address->sa_family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
    ret_address->bits = address_bits(ret_address->family);
    if (ret_address->family == FAMILY_IPV4) {
        memcpy(&v4, address, sizeof(v4));
        memcpy(ret_address->address, &v4.sin_addr, sizeof(v4.sin_addr));
    } else {
        memcpy(&v6, address, sizeof(v6));
        memcpy(ret_address->address, &v6.sin6_addr, sizeof(v6.sin6_addr));
    }
    return true;
}

static bool unwrap(const struct wide_prefix *wide, struct wide_prefix *ret_inner)
{
    static const unsigned char none_or_self[15]; /* ::, ::1 are no IPv4 */

    if (memcmp(wide->address, none_or_self, sizeof(none_or_self)) == 0) return false;
    for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
        if (!is_in_text(wraps[i].prefix, wide)) continue;
        *ret_inner = (struct wide_prefix){.family = FAMILY_IPV4, .bits = address_bits(FAMILY_IPV4)};
        memcpy(ret_inner->address, wide->address + wraps[i].at, 4);
        return true;
    }
    return false;
}

static bool is_special(const struct wide_prefix *address)
{
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (is_in_text(special[i], address)) return true;
    return false;
}

static bool is_in_text(const char *text, const struct wide_prefix *address)
{
    struct wide_prefix prefix;
    bool readable = address_parse(text, &prefix);

    ASSERT(readable);
    return is_in(&prefix, address);
}

static bool is_in_any(const struct wide_prefix *prefixes, size_t length, const struct wide_prefix *address)
{
    for (size_t i = 0; i < length; i++)
        if (is_in(&prefixes[i], address)) return true;
    return false;
}

static bool is_in(const struct wide_prefix *prefix, const struct wide_prefix *address)
{
    unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

    if (prefix->family != address->family || memcmp(prefix->address, address->address, whole) != 0)
        return false;
    return rest == 0 || (prefix->address[whole] ^ address->address[whole]) >> (8 - rest) == 0;
}
