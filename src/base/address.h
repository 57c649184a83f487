/* Addresses and prefixes of both families, as they stand in packets. */
#ifndef CROFT_BASE_ADDRESS_H
#define CROFT_BASE_ADDRESS_H

#include "base/attr.h"

#include <stdbool.h>

enum address_family { FAMILY_IPV4, FAMILY_IPV6, FAMILIES };
enum { ADDRESS_SIZE = 16, ADDRESS_TEXT_SIZE = 64 };

/* An address (all bits given), or all that begin like it. */
struct wide_prefix {
    enum address_family family;
    unsigned char address[ADDRESS_SIZE]; /* network byte order, IPv4 in the first four; zero behind bits */
    unsigned bits;                       /* 0 to address_bits(family) */
};

/* 32 or 128. */
unsigned address_bits(enum address_family family);
/* "10.0.0.0/28", "10.0.0.9", "2001:db8::/32" (RFC 4291); false when it is none, or has bits behind the
 * prefix. */
MUST_CHECK bool address_parse(const char *text, struct wide_prefix *ret_prefix);
/* The one form that address_parse() reads back; a whole address without its length. Returns out, which holds
 * ADDRESS_TEXT_SIZE. */
char *address_format(char *out, const struct wide_prefix *prefix);

#endif
