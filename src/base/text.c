#include "base/text.h"

#include "base/mem.h"

#include <string.h>

#define NAME_LENGTH_MAX 63

static bool is_digit(char c);
static bool is_name_end(char c);
static size_t digits_length(const char *text);
static size_t distance(const char *a, const char *b, size_t *rows);
static size_t smallest(size_t a, size_t b, size_t c);

bool text_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) return a == b;
    return strcmp(a, b) == 0;
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
    size_t size = strlen(text);
    size_t suffix_size = strlen(suffix);
    return suffix_size <= size && memcmp(text + size - suffix_size, suffix, suffix_size) == 0;
}

int text_compare_natural(const char *a, const char *b)
{
    const char *x = a;
    const char *y = b;
    while (*x != '\0' && *y != '\0') {
        if (is_digit(*x) && is_digit(*y)) {
            while (*x == '0')
                x++;
            while (*y == '0')
                y++;
            size_t x_length = digits_length(x);
            size_t y_length = digits_length(y);
            if (x_length != y_length) return x_length < y_length ? -1 : 1;
            int order = memcmp(x, y, x_length);
            if (order != 0) return order < 0 ? -1 : 1;
            x += x_length;
            y += y_length;
        } else {
            if (*x != *y) return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
            x++;
            y++;
        }
    }
    if (*x != *y) return *x == '\0' ? -1 : 1;
    /* Equal but for leading zeros: still one fixed order, so that sorting is the same everywhere. */
    int order = strcmp(a, b);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

int text_hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool text_is_name(const char *text)
{
    if (text == NULL) return false;
    size_t length = strnlen(text, NAME_LENGTH_MAX + 1);
    if (length == 0 || length > NAME_LENGTH_MAX) return false;
    for (size_t i = 0; i < length; i++)
        if (!is_name_end(text[i]) && text[i] != '-') return false;
    return is_name_end(text[0]) && is_name_end(text[length - 1]);
}

const char *text_nearest(const char *wrong, const char *const *candidates, size_t length)
{
    size_t wrong_length = strlen(wrong);
    size_t limit = wrong_length < 3 ? 1 : wrong_length / 3;
    const char *best = NULL;
    for (size_t i = 0; i < length; i++) {
        size_t candidate_length = strlen(candidates[i]);
        size_t difference = candidate_length > wrong_length ? candidate_length - wrong_length
                                                            : wrong_length - candidate_length;
        if (difference > limit) continue; /* cannot be nearer than that */
        CLEANUP_MEM size_t *rows = mem_alloc_array(candidate_length + 1, 3 * sizeof(*rows));
        size_t found = distance(wrong, candidates[i], rows);
        if (found > limit) continue;
        best = candidates[i];
        if (found == 0) break;
        limit = found - 1; /* from now on only what is strictly nearer: ties go to the first */
    }
    return best;
}

const char *text_query(const char *query, const char *name, size_t *ret_size)
{
    size_t name_size = strlen(name);
    for (const char *at = query; *at != '\0';) {
        size_t size = strcspn(at, "&");
        size_t key_size = strcspn(at, "=&");
        if (key_size == name_size && memcmp(at, name, name_size) == 0) {
            size_t value = key_size < size ? key_size + 1 : size;
            *ret_size = size - value;
            return at + value;
        }
        at += size;
        if (*at == '&') at++;
    }
    return NULL;
}

bool text_equal_secret(const char *secret, const char *guess)
{
    size_t size = strlen(secret);
    size_t guess_size = strlen(guess);
    unsigned char difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char)(secret[i] ^ (i < guess_size ? guess[i] : 0));
    return difference == 0 && guess_size == size;
}

bool text_parse_u64(const char *text, uint64_t *ret_value)
{
    if (text == NULL || *text == '\0') return false;
    uint64_t value = 0;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text)) return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) return false;
    }
    *ret_value = value;
    return true;
}

uint64_t text_hash(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = seed;
    for (size_t i = 0; i < size; i++) {
        hash ^= bytes[i];
        hash *= 0x100000001b3ULL; /* the 64-bit FNV prime */
    }
    return hash;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_end(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

static size_t digits_length(const char *text)
{
    size_t length = 0; /* numbers are short: strspn() would prepare longer than this takes */
    while (is_digit(text[length]))
        length++;
    return length;
}

/* Damerau-Levenshtein in its restricted form (optimal string alignment: no letter is edited twice), after
 * Wagner and Fischer, "The String-to-String Correction Problem", 1974. `rows` holds 3 * (strlen(b) + 1). */
static size_t distance(const char *a, const char *b, size_t *rows)
{
    size_t width = strlen(b) + 1;
    size_t *before = rows;
    size_t *last = rows + width;
    size_t *now = rows + 2 * width;
    for (size_t j = 0; j < width; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        now[0] = i;
        for (size_t j = 1; j < width; j++) {
            size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + change);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[width - 1];
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return c < least ? c : least;
}
