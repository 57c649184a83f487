#include "store/key_index.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

/* Each entry is in the next level with a chance of 1/4: 12 levels serve 4^12 = 16 million keys. */
#define LEVELS 12

struct key_entry {
    char *key;
    void *value;
    struct key_entry *next[]; /* as many as the entry has levels, the lowest first */
};

struct key_index {
    struct key_entry *first[LEVELS];
};

static void find(struct key_index *index, const char *key, struct key_entry **links[LEVELS]);
static unsigned levels_of(const char *key);

struct key_index *key_index_new(void)
{
    return mem_alloc(sizeof(struct key_index));
}

void key_index_free(struct key_index *index)
{
    if (!index) return;
    for (struct key_entry *entry = index->first[0]; entry;) {
        struct key_entry *next = entry->next[0];
        mem_free(entry->key);
        mem_free(entry);
        entry = next;
    }
    mem_free(index);
}

void *key_index_get(const struct key_index *index, const char *key)
{
    const struct key_entry *entry = key_index_seek(index, key);
    return entry && strcmp(entry->key, key) == 0 ? entry->value : NULL;
}

void key_index_put(struct key_index *index, const char *key, void *value)
{
    ASSERT(value);
    struct key_entry **links[LEVELS];
    find(index, key, links);
    if (*links[0] && strcmp((*links[0])->key, key) == 0) {
        (*links[0])->value = value;
        return;
    }
    unsigned levels = levels_of(key);
    struct key_entry *entry = mem_alloc(sizeof(*entry) + levels * sizeof(entry->next[0]));
    entry->key = mem_strdup(key);
    entry->value = value;
    for (unsigned level = 0; level < levels; level++) {
        entry->next[level] = *links[level];
        *links[level] = entry;
    }
}

void key_index_remove(struct key_index *index, const char *key)
{
    struct key_entry **links[LEVELS];
    find(index, key, links);
    struct key_entry *entry = *links[0];
    ASSERT(entry && strcmp(entry->key, key) == 0);
    unsigned levels = levels_of(key);
    for (unsigned level = 0; level < levels; level++)
        *links[level] = entry->next[level];
    mem_free(entry->key);
    mem_free(entry);
}

const struct key_entry *key_index_seek(const struct key_index *index, const char *key)
{
    struct key_entry *const *array = index->first;
    for (unsigned level = LEVELS; level-- > 0;)
        while (array[level] && strcmp(array[level]->key, key) < 0)
            array = array[level]->next;
    return array[0];
}

const struct key_entry *key_entry_next(const struct key_entry *entry)
{
    return entry->next[0];
}

const char *key_entry_key(const struct key_entry *entry)
{
    return entry->key;
}

void *key_entry_value(const struct key_entry *entry)
{
    return entry->value;
}

/* On each level the link that leads to the first entry at or behind the key. */
static void find(struct key_index *index, const char *key, struct key_entry **links[LEVELS])
{
    struct key_entry **array = index->first;
    for (unsigned level = LEVELS; level-- > 0;) {
        while (array[level] && strcmp(array[level]->key, key) < 0)
            array = array[level]->next;
        links[level] = &array[level];
    }
}

static unsigned levels_of(const char *key)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, key, strlen(key));
    hash ^= hash >> 32; /* the low bits of FNV-1a alone are its weak ones */
    unsigned levels = 1;
    for (; levels < LEVELS && (hash & 3) == 0; hash >>= 2)
        levels++;
    return levels;
}
