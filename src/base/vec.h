/* A growing array of items of one size, and a map from text to pointers. */
#ifndef CROFT_BASE_VEC_H
#define CROFT_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>

/* Initialise with VEC_OF(type). Pointers into it hold until the next push. */
struct vec {
    void *items;
    size_t length;
    size_t capacity;
    size_t item_size;
};
#define VEC_OF(type) ((struct vec){.item_size = sizeof(type)})

void *vec_push(struct vec *vec);                   /* a new zeroed last item */
void *vec_at(const struct vec *vec, size_t index); /* index < length, asserted */
void vec_remove(struct vec *vec, size_t index);    /* keeps the order */
void vec_clear(struct vec *vec);                   /* length 0, memory kept */
void vec_free(struct vec *vec);                    /* does not free what items point to */
/* Stable order: ties keep their places (merge sort), so that results are the same on every machine. */
void vec_sort(struct vec *vec, int (*compare)(const void *a, const void *b));
void array_sort(void *items, size_t length, size_t item_size, int (*compare)(const void *a, const void *b));

/* Text to pointer, open addressing. Keys are copied. Iteration goes in order of insertion, so that it is
 * the same on every machine. Values are the caller's. */
struct map;
struct map *map_new(void);
void map_free(struct map *map); /* NULL is fine; values are not freed */
void map_freep(struct map **map);
void *map_get(const struct map *map, const char *key);        /* NULL when absent */
void *map_put(struct map *map, const char *key, void *value); /* value != NULL; returns the old one or NULL */
void *map_remove(struct map *map, const char *key);           /* returns the old one or NULL */
size_t map_length(const struct map *map);
/* Walks the entries: start with *cursor = 0; false at the end. Removing the entry just seen is allowed. */
bool map_next(const struct map *map, size_t *cursor, const char **ret_key, void **ret_value);

#endif
