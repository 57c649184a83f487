#include "spec/surrogates.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PAIR_SIZE 12u   /* \ud83d\ude00 */
#define JOINED_SIZE 10u /* \U0001f600 */

static bool is_json(const char *text, size_t size);
static bool pair_at(const char *text, size_t size, unsigned *ret_code);
static bool half_at(const char *text, unsigned *ret_half);

const char *surrogates_join(struct arena *arena, const char *text, size_t size, size_t *ret_size)
{
    *ret_size = size;
    if (!is_json(text, size)) return text;
    char *joined = NULL; /* made at the first pair */
    size_t length = 0;
    for (size_t at = 0; at < size;) {
        unsigned code;
        if (pair_at(text + at, size - at, &code)) {
            if (joined == NULL) {
                joined = arena_alloc(arena, size + 1);
                memcpy(joined, text, at);
            }
            char escape[JOINED_SIZE + 1];
            int written = snprintf(escape, sizeof(escape), "\\U%08x", code);
            ASSERT(written == (int)JOINED_SIZE);
            memcpy(joined + length, escape, JOINED_SIZE);
            length += JOINED_SIZE;
            at += PAIR_SIZE;
            continue;
        }
        size_t step = text[at] == '\\' && at + 1 < size ? 2 : 1; /* what is escaped begins no escape */
        if (joined != NULL) memcpy(joined + length, text + at, step);
        length += step;
        at += step;
    }
    if (joined == NULL) return text;
    *ret_size = length;
    return joined;
}

static bool is_json(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
        at++;
    return at < size && (text[at] == '{' || text[at] == '[');
}

static bool pair_at(const char *text, size_t size, unsigned *ret_code)
{
    unsigned high;
    unsigned low;
    if (size < PAIR_SIZE || !half_at(text, &high) || !half_at(text + PAIR_SIZE / 2, &low)) return false;
    if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff) return false;
    *ret_code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool half_at(const char *text, unsigned *ret_half)
{
    if (text[0] != '\\' || text[1] != 'u') return false;
    unsigned half = 0;
    for (size_t i = 2; i < 6; i++) {
        int value = text_hex_digit(text[i]);
        if (value < 0) return false;
        half = half << 4 | (unsigned)value;
    }
    *ret_half = half;
    return true;
}
