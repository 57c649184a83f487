#include "base/text.h"

#include <string.h>

static bool parse_address(const char *text, uint32_t *ret_address, const char **ret_rest);
static bool parse_part(const char **text, uint32_t value_max, uint32_t *ret_value);

bool text_parse_ipv4(const char *text, uint32_t *ret_address)
{
    uint32_t address;
    const char *rest;
    if (text == NULL || !parse_address(text, &address, &rest) || *rest != '\0') return false;
    *ret_address = address;
    return true;
}

bool text_parse_ipv4_prefix(const char *text, uint32_t *ret_address, unsigned *ret_bits)
{
    uint32_t address;
    uint32_t bits;
    const char *rest;
    if (text == NULL || !parse_address(text, &address, &rest) || *rest != '/') return false;
    rest++;
    if (!parse_part(&rest, 32, &bits) || *rest != '\0') return false;
    *ret_address = address;
    *ret_bits = bits;
    return true;
}

/* By hand: host documents are full of them. */
char *text_format_ipv4(char *out, uint32_t address)
{
    char *at = out;

    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned byte = address >> shift & 255;
        if (byte >= 100) *at++ = (char)('0' + byte / 100);
        if (byte >= 10) *at++ = (char)('0' + byte / 10 % 10);
        *at++ = (char)('0' + byte % 10);
        *at++ = shift > 0 ? '.' : '\0';
    }
    return out;
}

char *text_format_mac(char *out, uint64_t mac)
{
    static const char digits[] = "0123456789abcdef";
    char *at = out;

    for (int shift = 40; shift >= 0; shift -= 8) {
        *at++ = digits[mac >> (shift + 4) & 15];
        *at++ = digits[mac >> shift & 15];
        *at++ = shift > 0 ? ':' : '\0';
    }
    return out;
}

static bool parse_address(const char *text, uint32_t *ret_address, const char **ret_rest)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t part;
        if (i > 0 && *text++ != '.') return false;
        if (!parse_part(&text, 255, &part)) return false;
        address = address << 8 | part;
    }
    *ret_address = address;
    *ret_rest = text;
    return true;
}

/* A leading zero is refused: some programs read 010 as eight, and what is filtered must be what is meant. */
static bool parse_part(const char **text, uint32_t value_max, uint32_t *ret_value)
{
    size_t length = strspn(*text, "0123456789");
    if (length == 0 || length > 3 || (length > 1 && (*text)[0] == '0')) return false;
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (uint32_t)((*text)[i] - '0');
    if (value > value_max) return false;
    *text += length;
    *ret_value = value;
    return true;
}
