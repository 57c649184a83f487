/* What happened in a simulation: a hash over all of it, and the last of it in words. */
#ifndef CROFT_SIMULATE_STORY_H
#define CROFT_SIMULATE_STORY_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum { STORY_LINES = 40, STORY_LINE_SIZE = 200, STORY_ABOUT_SIZE = 128 };

/* Without pointers: it may stand in memory that another process reads when this one has ended. Zeroed at
 * first. */
struct story {
    uint64_t hash;
    uint64_t told; /* lines so far; line n is lines[n % (STORY_LINES + 1)] */
    /* Only lines with this text in them are kept, but for those told while `all`; "": every one. The hash is
     * over every one all the same. */
    char about[STORY_ABOUT_SIZE];
    bool all;
    char lines[STORY_LINES + 1][STORY_LINE_SIZE]; /* one to write in, that may not be kept */
};

/* Something happened at this time: into the hash. Cheap. */
void story_mix(struct story *story, uint64_t what);
/* In words, which go into the hash as well; what is too long for a line is cut in it. */
void story_tell(struct story *story, int64_t now_us, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same for what is no part of what happened, such as a line of a log: it stays out of the hash. */
void story_note(struct story *story, int64_t now_us, const char *text);
/* The n-th of the last lines, from the oldest; NULL at the end. */
const char *story_line(const struct story *story, unsigned n);

#endif
