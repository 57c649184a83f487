/* Memory. Allocation never returns NULL: a process that is out of memory ends with a message, and its
 * successor starts from the durable store; crash safety is tested, half-handled exhaustion would not be.
 * Sizes are bytes; the multiplications are checked. */
#ifndef CROFT_BASE_MEM_H
#define CROFT_BASE_MEM_H

#include "base/attr.h"

#include <stddef.h>

void *mem_alloc(size_t size);                                   /* zeroed; caller frees with mem_free() */
void *mem_alloc_array(size_t length, size_t size);              /* zeroed */
void *mem_realloc_array(void *old, size_t length, size_t size); /* new part not zeroed */
char *mem_strdup(const char *text);                             /* NULL gives NULL */
char *mem_strndup(const char *text, size_t size_max);
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2);
void mem_free(void *pointer); /* NULL is fine */

/* For CLEANUP(): frees what the pointer variable at `pointer` points to. */
void mem_freep(void *pointer);
#define CLEANUP_MEM CLEANUP(mem_freep)

/* An arena: many allocations, freed at once. What comes from it is zeroed and aligned for any type. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *arena); /* NULL is fine */
void arena_freep(struct arena **arena);
#define CLEANUP_ARENA CLEANUP(arena_freep)
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t length, size_t size);
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t size_max);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
size_t arena_size(const struct arena *arena); /* bytes handed out */

#endif
