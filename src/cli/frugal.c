#include "cli/frugal.h"

#include <malloc.h>

enum { BLOCK_SIZE_LARGE = 64 * 1024, FREE_SIZE_MAX = 64 * 1024 };

void frugal_memory(void)
{
    /* To set one of them also ends the learning (mallopt(3)). 0 says that this library has no such thing. */
    mallopt(M_MMAP_THRESHOLD, BLOCK_SIZE_LARGE);
    mallopt(M_TRIM_THRESHOLD, FREE_SIZE_MAX);
}
