/* Texts broken at random, the same each time. */
#ifndef CROFT_TESTS_UNIT_SPEC_MUTATE_H
#define CROFT_TESTS_UNIT_SPEC_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
static inline uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* One change to a text of at least 17 bytes; alphabet: what is put into it. */
static inline void mutate(uint64_t *random, const char *alphabet, size_t alphabet_size, char *text,
                          size_t *size, size_t capacity)
{
    size_t at = (size_t)(draw(random) % *size);
    switch (draw(random) % 4) {
    case 0:
        text[at] = alphabet[draw(random) % alphabet_size];
        break;
    case 1: /* a piece goes */
        if (*size < 20) break;
        size_t gone = 1 + (size_t)(draw(random) % 8);
        if (at + gone > *size) at = *size - gone;
        memmove(text + at, text + at + gone, *size - at - gone);
        *size -= gone;
        break;
    case 2: /* a piece comes twice */
        if (*size + 16 > capacity || at + 16 > *size) break;
        memmove(text + at + 16, text + at, *size - at);
        *size += 16;
        break;
    default: /* cut */
        if (draw(random) % 8 == 0) *size = at + 1;
    }
}

#endif
