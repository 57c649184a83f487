#include "base/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the C library keeps ready for the next one (glibc: up to 1032 bytes). */
#define READY_SIZE_MAX ((size_t)1024)
/* With its arena's and its own head among those: most arenas live for one message. */
#define BLOCK_SIZE_MIN ((size_t)928)
#define BLOCK_SIZE_MAX ((size_t)1 << 20)

struct block {
    struct block *older;
    size_t size;
    size_t used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *newest;
    size_t block_size; /* of the next ordinary block; doubles up to BLOCK_SIZE_MAX */
    size_t handed_out;
    struct block first; /* with its data behind it */
};

NORETURN static void out_of_memory(size_t size);
static void *allocate(size_t size);
static void *take(struct arena *arena, size_t size);
static size_t multiply(size_t length, size_t size);
static char *format_new(const char *format, va_list arguments, struct arena *arena) PRINTF_LIKE(1, 0);
static struct block *block_add(struct arena *arena, size_t size);

/* Small ones come from what malloc() of the C library keeps ready, which its calloc() does not use (glibc
 * before 2.41); of large ones calloc() knows which are zero already. */
void *mem_alloc(size_t size)
{
    size_t wanted = size == 0 ? 1 : size;
    void *pointer = wanted <= READY_SIZE_MAX ? malloc(wanted) : calloc(1, wanted);
    if (pointer == NULL) out_of_memory(size);
    return wanted <= READY_SIZE_MAX ? memset(pointer, 0, wanted) : pointer;
}

void *mem_alloc_array(size_t length, size_t size)
{
    return mem_alloc(multiply(length, size));
}

void *mem_realloc_array(void *old, size_t length, size_t size)
{
    size_t total = multiply(length, size);
    void *pointer = realloc(old, total == 0 ? 1 : total);
    if (pointer == NULL) out_of_memory(total);
    return pointer;
}

char *mem_strdup(const char *text)
{
    return text == NULL ? NULL : mem_strndup(text, SIZE_MAX);
}

char *mem_strndup(const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    char *copy = mem_alloc(size + 1);
    memcpy(copy, text, size);
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_new(format, arguments, NULL);
    va_end(arguments);
    return text;
}

void mem_free(void *pointer)
{
    free(pointer);
}

void mem_freep(void *pointer)
{
    void *held;
    memcpy(&held, pointer, sizeof(held)); /* any type of pointer variable, without aliasing it */
    free(held);
}

struct arena *arena_new(void)
{
    struct arena *arena = allocate(sizeof(*arena) + BLOCK_SIZE_MIN);
    arena->newest = &arena->first;
    arena->block_size = 2 * BLOCK_SIZE_MIN;
    arena->handed_out = 0;
    arena->first.older = NULL;
    arena->first.size = BLOCK_SIZE_MIN;
    arena->first.used = 0;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL) return;
    while (arena->newest != NULL) {
        struct block *older = arena->newest->older;
        if (arena->newest != &arena->first) free(arena->newest);
        arena->newest = older;
    }
    free(arena);
}

void arena_freep(struct arena **arena)
{
    arena_free(*arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size), 0, size);
}

/* As arena_alloc(), but not zeroed: blocks are as malloc() gives them. */
static void *take(struct arena *arena, size_t size)
{
    const size_t unit = alignof(max_align_t);
    size_t padded;
    if (__builtin_add_overflow(size == 0 ? 1 : size, unit - 1, &padded)) out_of_memory(size);
    padded -= padded % unit;
    struct block *block = arena->newest;
    if (block->size - block->used < padded) block = block_add(arena, padded);
    void *pointer = block->data + block->used;
    block->used += padded;
    if (__builtin_add_overflow(arena->handed_out, size, &arena->handed_out)) out_of_memory(size);
    return pointer;
}

void *arena_alloc_array(struct arena *arena, size_t length, size_t size)
{
    return arena_alloc(arena, multiply(length, size));
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, SIZE_MAX);
}

char *arena_strndup(struct arena *arena, const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    char *copy = take(arena, size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_new(format, arguments, arena);
    va_end(arguments);
    return text;
}

size_t arena_size(const struct arena *arena)
{
    return arena->handed_out;
}

static void *allocate(size_t size)
{
    void *pointer = malloc(size);
    if (pointer == NULL) out_of_memory(size);
    return pointer;
}

static void out_of_memory(size_t size)
{
    fprintf(stderr, "croft: out of memory: %zu bytes wanted; give this process more memory\n", size);
    abort();
}

static size_t multiply(size_t length, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(length, size, &total)) out_of_memory(SIZE_MAX);
    return total;
}

/* On the heap when arena is NULL. */
static char *format_new(const char *format, va_list arguments, struct arena *arena)
{
    char likely[256]; /* to format twice costs twice */
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(likely, sizeof(likely), format, arguments);
    ASSERT(length >= 0);
    size_t size = (size_t)length + 1;
    char *text = arena == NULL ? mem_alloc(size) : take(arena, size);
    if (size <= sizeof(likely)) {
        memcpy(text, likely, size);
    } else {
        int written = vsnprintf(text, size, format, again);
        ASSERT(written == length);
    }
    va_end(again);
    return text;
}

static struct block *block_add(struct arena *arena, size_t size)
{
    bool is_large = size > arena->block_size / 4;
    size_t data_size = is_large ? size : arena->block_size;
    size_t total;
    if (__builtin_add_overflow(sizeof(struct block), data_size, &total)) out_of_memory(size);
    struct block *block = allocate(total);
    block->size = data_size;
    block->used = 0;
    if (is_large) {
        /* Behind the newest, which still has room for small ones. */
        block->older = arena->newest->older;
        arena->newest->older = block;
        return block;
    }
    block->older = arena->newest;
    arena->newest = block;
    if (arena->block_size < BLOCK_SIZE_MAX) arena->block_size *= 2;
    return block;
}
