#include "base/vec.h"

#include "base/attr.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

static void merge_runs(char *to, const char *from, size_t length, size_t item_size, size_t run,
                       int (*compare)(const void *a, const void *b));

void *vec_push(struct vec *vec)
{
    ASSERT(vec->item_size > 0);
    if (vec->length == vec->capacity) {
        size_t capacity = 8;
        if (vec->capacity > 0) {
            bool overflow = __builtin_mul_overflow(vec->capacity, 2, &capacity);
            ASSERT(!overflow);
        }
        vec->items = mem_realloc_array(vec->items, capacity, vec->item_size);
        vec->capacity = capacity;
    }
    void *item = (char *)vec->items + vec->length * vec->item_size;
    memset(item, 0, vec->item_size);
    vec->length++;
    return item;
}

void *vec_at(const struct vec *vec, size_t index)
{
    ASSERT(index < vec->length);
    return (char *)vec->items + index * vec->item_size;
}

void vec_remove(struct vec *vec, size_t index)
{
    char *item = vec_at(vec, index);
    memmove(item, item + vec->item_size, (vec->length - index - 1) * vec->item_size);
    vec->length--;
}

void vec_clear(struct vec *vec)
{
    vec->length = 0;
}

void vec_free(struct vec *vec)
{
    mem_free(vec->items);
    vec->items = NULL;
    vec->length = 0;
    vec->capacity = 0;
}

void vec_sort(struct vec *vec, int (*compare)(const void *a, const void *b))
{
    array_sort(vec->items, vec->length, vec->item_size, compare);
}

/* Bottom-up: runs of 1, 2, 4, … are merged to and fro between the items and a copy. */
void array_sort(void *items, size_t length, size_t item_size, int (*compare)(const void *a, const void *b))
{
    if (length < 2) return;
    CLEANUP_MEM char *other = mem_alloc_array(length, item_size);
    char *from = items;
    char *to = other;
    for (size_t run = 1; run<length; run = run> SIZE_MAX / 2 ? SIZE_MAX : run * 2) {
        merge_runs(to, from, length, item_size, run, compare);
        char *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, length * item_size);
}

static void merge_runs(char *to, const char *from, size_t length, size_t item_size, size_t run,
                       int (*compare)(const void *a, const void *b))
{
    for (size_t start = 0; start < length;) {
        size_t middle = run < length - start ? start + run : length;
        size_t end = run < length - middle ? middle + run : length;
        size_t left = start;
        size_t right = middle;
        /* Much of what is sorted is nearly in order: what is needs one look. */
        if (middle == end ||
            (run > 1 && compare(from + (middle - 1) * item_size, from + middle * item_size) <= 0)) {
            memcpy(to + start * item_size, from + start * item_size, (end - start) * item_size);
            start = end;
            continue;
        }
        for (size_t i = start; i < end; i++) {
            const char *a = from + left * item_size;
            const char *b = from + right * item_size;
            /* The left one wins a tie: this is what makes the sort stable. */
            bool take_left = left < middle && (right == end || compare(a, b) <= 0);
            memcpy(to + i * item_size, take_left ? a : b, item_size);
            if (take_left)
                left++;
            else
                right++;
        }
        start = end;
    }
}
