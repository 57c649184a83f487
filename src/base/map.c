/* Entries stand in an array in order of insertion; a table of twice its length, probed linearly, holds
 * their places. A removed entry stays as a tombstone (key NULL), so that nothing moves under a walk; when the
 * array is full, it is compacted, and doubled if more than half of it was alive. */
#include "base/vec.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define CAPACITY_MIN ((size_t)8)

struct entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
};

struct map {
    struct entry *entries;
    size_t used;     /* entries in use, tombstones too */
    size_t length;   /* living entries */
    size_t capacity; /* of entries; 0 or a power of two */
    size_t *slots;   /* 2 * capacity of them: index of the entry + 1, or 0 for free */
};

static uint64_t hash_of(const char *key);
static struct entry *find(const struct map *map, const char *key, uint64_t hash);
static void make_room(struct map *map);
static void slot_fill(struct map *map, size_t index);

struct map *map_new(void)
{
    return mem_alloc(sizeof(struct map));
}

void map_free(struct map *map)
{
    if (map == NULL) return;
    for (size_t i = 0; i < map->used; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    mem_free(map->slots);
    mem_free(map);
}

void map_freep(struct map **map)
{
    map_free(*map);
}

void *map_get(const struct map *map, const char *key)
{
    if (map->length == 0) return NULL;
    const struct entry *entry = find(map, key, hash_of(key));
    return entry == NULL ? NULL : entry->value;
}

void *map_put(struct map *map, const char *key, void *value)
{
    ASSERT(value != NULL);
    uint64_t hash = hash_of(key);
    struct entry *entry = find(map, key, hash);
    if (entry != NULL) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    if (map->used == map->capacity) make_room(map);
    map->entries[map->used] = (struct entry){.key = mem_strdup(key), .value = value, .hash = hash};
    slot_fill(map, map->used);
    map->used++;
    map->length++;
    return NULL;
}

void *map_remove(struct map *map, const char *key)
{
    struct entry *entry = find(map, key, hash_of(key));
    if (entry == NULL) return NULL;
    void *old = entry->value;
    mem_free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    map->length--;
    return old;
}

size_t map_length(const struct map *map)
{
    return map->length;
}

bool map_next(const struct map *map, size_t *cursor, const char **ret_key, void **ret_value)
{
    while (*cursor < map->used && map->entries[*cursor].key == NULL)
        (*cursor)++;
    if (*cursor >= map->used) return false;
    const struct entry *entry = &map->entries[*cursor];
    if (ret_key != NULL) *ret_key = entry->key;
    if (ret_value != NULL) *ret_value = entry->value;
    (*cursor)++;
    return true;
}

/* As text_hash() of the key, whose length nobody needs. */
static uint64_t hash_of(const char *key)
{
    ASSERT(key != NULL);
    uint64_t hash = TEXT_HASH_SEED;
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3ULL;
    return hash;
}

static struct entry *find(const struct map *map, const char *key, uint64_t hash)
{
    if (map->length == 0) return NULL;
    size_t mask = map->capacity * 2 - 1;
    /* Ends: at most half of the slots are taken. */
    for (size_t slot = (size_t)hash & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        struct entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->key != NULL && entry->hash == hash && strcmp(entry->key, key) == 0) return entry;
    }
    return NULL;
}

static void make_room(struct map *map)
{
    size_t living = 0;
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].key != NULL) map->entries[living++] = map->entries[i];
    ASSERT(living == map->length);
    map->used = living;

    if (map->capacity == 0 || living > map->capacity / 2) {
        size_t capacity = CAPACITY_MIN;
        if (map->capacity > 0) {
            bool overflow = __builtin_mul_overflow(map->capacity, 2, &capacity);
            ASSERT(!overflow);
        }
        map->entries = mem_realloc_array(map->entries, capacity, sizeof(*map->entries));
        map->capacity = capacity;
    }
    mem_free(map->slots);
    map->slots = mem_alloc_array(map->capacity, 2 * sizeof(*map->slots));
    for (size_t i = 0; i < map->used; i++)
        slot_fill(map, i);
}

static void slot_fill(struct map *map, size_t index)
{
    size_t mask = map->capacity * 2 - 1;
    size_t slot = (size_t)map->entries[index].hash & mask;
    while (map->slots[slot] != 0)
        slot = (slot + 1) & mask;
    map->slots[slot] = index + 1;
}
