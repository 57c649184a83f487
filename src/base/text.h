/* Text: comparison, splitting, units of model.md, names, nearest spelling. No locale anywhere. */
#ifndef CROFT_BASE_TEXT_H
#define CROFT_BASE_TEXT_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_equal(const char *a, const char *b); /* NULL equals only NULL */
bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);
/* Compares names for people and plans: runs of digits by value (web-2 < web-10), the rest by byte. */
int text_compare_natural(const char *a, const char *b);

/* The value of 0-9 a-f A-F; of any other character -1. */
int text_hex_digit(char c);

/* 1 to 63 of a-z 0-9 -, beginning and ending with a letter or digit. */
bool text_is_name(const char *text);

/* The candidate with the least edit distance (Damerau-Levenshtein, transpositions count 1) to `wrong`, if
 * that is at most a third of its length, at least 1; else NULL. Ties: the first. */
const char *text_nearest(const char *wrong, const char *const *candidates, size_t length);

/* The value of `name` in a query ("a=1&b=2"), as it stands there: undecoded, *ret_size bytes of `query`; ""
 * where the name has none. NULL when it is absent. */
const char *text_query(const char *query, const char *name, size_t *ret_size);
/* As text_equal(), in a time that does not tell how much of a guess was right. */
bool text_equal_secret(const char *secret, const char *guess);

/* Quantities as model.md writes them. Parsers accept nothing before or behind and do not overflow: false
 * when the text is not one. Formatters give the one canonical form, which parses back to the same value. */
MUST_CHECK bool text_parse_u64(const char *text, uint64_t *ret_value);
MUST_CHECK bool text_parse_cpus(const char *text, int64_t *ret_millicores); /* "0.5" -> 500 */
MUST_CHECK bool text_parse_bytes(const char *text, int64_t *ret_bytes);     /* "64Mi", "1024" */
MUST_CHECK bool text_parse_rate(const char *text, int64_t *ret_bits_per_s); /* "10G", "1.5M" */
MUST_CHECK bool text_parse_duration(const char *text, int64_t *ret_ms);     /* "250ms" "5s" "10m" "2h" "7d" */
/* Into `out`, which holds at least 32 bytes. Returns out. */
char *text_format_cpus(char *out, int64_t millicores);
char *text_format_bytes(char *out, int64_t bytes);
char *text_format_rate(char *out, int64_t bits_per_s);
char *text_format_duration(char *out, int64_t ms);

/* RFC 3339 in UTC with milliseconds, from milliseconds since 1970; `out` holds at least 32 bytes. */
char *text_format_time(char *out, int64_t wall_ms);

/* IPv4 addresses and prefixes in host byte order. "10.0.0.0/24" -> address, bits. */
MUST_CHECK bool text_parse_ipv4(const char *text, uint32_t *ret_address);
MUST_CHECK bool text_parse_ipv4_prefix(const char *text, uint32_t *ret_address, unsigned *ret_bits);
char *text_format_ipv4(char *out, uint32_t address);
char *text_format_mac(char *out, uint64_t mac); /* low 48 bits */

/* FNV-1a, 64 bits (Fowler, Noll, Vo): for hash tables and for telling whether something changed, never
 * for security. Chain by passing the last result as seed; start with TEXT_HASH_SEED. */
#define TEXT_HASH_SEED 0xcbf29ce484222325ULL
uint64_t text_hash(uint64_t seed, const void *data, size_t size);

#endif
