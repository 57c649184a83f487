/* Texts stand one behind the other in large pieces of the arena, each kept one behind its note. A table of
 * twice as many slots or more, probed linearly, finds them by hash. */
#include "base/texts.h"

#include "base/attr.h"
#include "base/text.h"

#include <string.h>

#define PIECE_SIZE ((size_t)64 * 1024)
#define SLOTS_MIN ((size_t)1024)
#define NOTE_SIZE sizeof(uint32_t)

struct slot {
    const char *text; /* NULL: free */
    uint32_t hash, size;
};

struct texts {
    struct arena *arena;
    char *piece;
    size_t left; /* bytes of the piece */
    struct slot *slots;
    size_t capacity; /* of slots: a power of two */
    size_t length;
};

static char *take(struct texts *texts, size_t size, size_t unit);
static struct slot *find(const struct texts *texts, const char *text, size_t size, uint32_t hash);
static void make_room(struct texts *texts);

struct texts *texts_new(struct arena *arena)
{
    struct texts *texts = mem_alloc(sizeof(*texts));
    texts->arena = arena;
    texts->capacity = SLOTS_MIN;
    texts->slots = mem_alloc_array(texts->capacity, sizeof(*texts->slots));
    return texts;
}

void texts_free(struct texts *texts)
{
    if (texts == NULL) return;
    mem_free(texts->slots);
    mem_free(texts);
}

void texts_freep(struct texts **texts)
{
    texts_free(*texts);
}

const char *texts_keep(struct texts *texts, const char *text, size_t size)
{
    if (size > UINT32_MAX) return texts_copy(texts, text, size);
    uint64_t wide = text_hash(TEXT_HASH_SEED, text, size);
    uint32_t hash = (uint32_t)(wide ^ wide >> 32);
    struct slot *slot = find(texts, text, size, hash);
    if (slot->text != NULL) return slot->text;
    if (2 * (texts->length + 1) > texts->capacity) {
        make_room(texts);
        slot = find(texts, text, size, hash);
    }
    char *copy = take(texts, NOTE_SIZE + size + 1, NOTE_SIZE) + NOTE_SIZE;
    memcpy(copy, text, size);
    *slot = (struct slot){.text = copy, .hash = hash, .size = (uint32_t)size};
    texts->length++;
    return copy;
}

const char *texts_copy(struct texts *texts, const char *text, size_t size)
{
    char *copy = take(texts, size + 1, 1);
    memcpy(copy, text, size);
    return copy;
}

uint32_t texts_note(const char *kept)
{
    uint32_t note;
    memcpy(&note, kept - NOTE_SIZE, NOTE_SIZE);
    return note;
}

void texts_set_note(const char *kept, uint32_t note)
{
    char *bytes;
    memcpy(&bytes, &kept, sizeof(bytes)); /* the set's own memory: only callers may not change it */
    memcpy(bytes - NOTE_SIZE, &note, NOTE_SIZE);
}

/* Zeroed, as all that comes from an arena. unit: where it begins is a multiple of it. */
static char *take(struct texts *texts, size_t size, size_t unit)
{
    size_t skip = texts->left % unit; /* pieces end at a multiple of every unit */
    if (size > PIECE_SIZE / 4) return arena_alloc(texts->arena, size);
    if (texts->left < size + skip) {
        texts->piece = arena_alloc(texts->arena, PIECE_SIZE);
        texts->left = PIECE_SIZE;
        skip = 0;
    }
    char *taken = texts->piece + PIECE_SIZE - texts->left + skip;
    texts->left -= size + skip;
    return taken;
}

/* Where the text is, or the free place where it goes. Ends: at most half of the slots are taken. */
static struct slot *find(const struct texts *texts, const char *text, size_t size, uint32_t hash)
{
    size_t mask = texts->capacity - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct slot *slot = &texts->slots[at];
        if (slot->text == NULL) return slot;
        if (slot->hash == hash && slot->size == size && memcmp(slot->text, text, size) == 0) return slot;
    }
}

static void make_room(struct texts *texts)
{
    struct slot *old = texts->slots;
    size_t capacity = texts->capacity;
    bool overflow = __builtin_mul_overflow(capacity, 2, &texts->capacity);
    ASSERT(!overflow);
    texts->slots = mem_alloc_array(texts->capacity, sizeof(*texts->slots));
    for (size_t i = 0; i < capacity; i++)
        if (old[i].text != NULL) *find(texts, old[i].text, old[i].size, old[i].hash) = old[i];
    mem_free(old);
}
