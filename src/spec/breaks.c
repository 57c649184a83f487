#include "spec/breaks.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STAND_IN_SIZE 4u

static const char *const broken[BREAKS] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

static bool has(const char *text, size_t size, const char *character);
static void choose(const char *text, size_t size, struct breaks *breaks);
static size_t which(const char *text, size_t size, const char *const *characters);

const char *breaks_hide(struct arena *arena, const char *text, size_t size, size_t *ret_size,
                        struct breaks *ret_breaks)
{
    bool some = false;
    *ret_breaks = (struct breaks){0};
    *ret_size = size;
    for (size_t i = 0; i < BREAKS; i++)
        some = some || has(text, size, broken[i]);
    if (!some) return text;
    choose(text, size, ret_breaks);
    char *hidden = arena_alloc(arena, STAND_IN_SIZE * size + 1);
    size_t length = 0;
    for (size_t at = 0; at < size;) {
        size_t found = which(text + at, size - at, broken);
        if (found == BREAKS) {
            hidden[length++] = text[at++];
            continue;
        }
        memcpy(hidden + length, ret_breaks->stand_ins[found], STAND_IN_SIZE);
        length += STAND_IN_SIZE;
        at += strlen(broken[found]);
    }
    *ret_size = length;
    return hidden;
}

size_t breaks_show(const struct breaks *breaks, char *text, size_t size)
{
    const char *const characters[BREAKS] = {breaks->stand_ins[0], breaks->stand_ins[1], breaks->stand_ins[2]};
    if (characters[0][0] == '\0') return size;
    size_t length = 0;
    for (size_t at = 0; at < size;) {
        size_t found = which(text + at, size - at, characters);
        if (found == BREAKS) {
            text[length++] = text[at++];
            continue;
        }
        memcpy(text + length, broken[found], strlen(broken[found]));
        length += strlen(broken[found]);
        at += STAND_IN_SIZE;
    }
    text[length] = '\0';
    return length;
}

static bool has(const char *text, size_t size, const char *character)
{
    return memmem(text, size, character, strlen(character)) != NULL;
}

/* Of the last private characters of Unicode; the text is smaller than all of them together. */
static void choose(const char *text, size_t size, struct breaks *breaks)
{
    unsigned code = 0x10fffd;
    for (size_t i = 0; i < BREAKS; code--) {
        char *out = breaks->stand_ins[i];
        int written = snprintf(out, STAND_IN_SIZE + 1, "%c%c%c%c", 0xf0 | code >> 18,
                               0x80 | (code >> 12 & 63), 0x80 | (code >> 6 & 63), 0x80 | (code & 63));
        ASSERT(written == (int)STAND_IN_SIZE);
        if (!has(text, size, out)) i++;
    }
}

/* Which of them the text begins with; BREAKS: none. */
static size_t which(const char *text, size_t size, const char *const *characters)
{
    size_t i = 0;
    for (; i < BREAKS; i++) {
        size_t length = strlen(characters[i]);
        if (length <= size && memcmp(text, characters[i], length) == 0) break;
    }
    return i;
}
