#include "simulate/story.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *next_line(struct story *story, int64_t now_us, size_t *ret_used);
static void keep(struct story *story, const char *line);

/* One round of SplitMix64's mixer (sim/random.c) over both. */
void story_mix(struct story *story, uint64_t what)
{
    uint64_t z = (story->hash ^ what) + 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    story->hash = z ^ z >> 31;
}

void story_tell(struct story *story, int64_t now_us, const char *format, ...)
{
    size_t used = 0;
    char *line = next_line(story, now_us, &used);
    va_list list;

    va_start(list, format);
    vsnprintf(line + used, STORY_LINE_SIZE - used, format, list);
    va_end(list);
    story_mix(story, text_hash(TEXT_HASH_SEED, line, strlen(line)));
    keep(story, line);
}

void story_note(struct story *story, int64_t now_us, const char *text)
{
    size_t used = 0;
    char *line = next_line(story, now_us, &used);
    snprintf(line + used, STORY_LINE_SIZE - used, "%s", text);
    keep(story, line);
}

const char *story_line(const struct story *story, unsigned n)
{
    uint64_t first = story->told > STORY_LINES ? story->told - STORY_LINES : 0;
    return first + n < story->told ? story->lines[(first + n) % (STORY_LINES + 1)] : NULL;
}

static char *next_line(struct story *story, int64_t now_us, size_t *ret_used)
{
    char *line = story->lines[story->told % (STORY_LINES + 1)];
    int64_t s = now_us / 1000000;
    int used = snprintf(line, STORY_LINE_SIZE, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%06" PRId64 " ",
                        s / 3600, s / 60 % 60, s % 60, now_us % 1000000);
    *ret_used = used > 0 ? (size_t)used : 0;
    return line;
}

static void keep(struct story *story, const char *line)
{
    story->told += !story->about[0] || story->all || strstr(line, story->about) != NULL;
}
