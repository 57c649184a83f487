#include "sim/random.h"

#include "base/attr.h"
#include "base/mem.h"

#include <string.h>

struct sim_random {
    struct random_port port;
    uint64_t state;
};

static void fill(void *self, void *ret_bytes, size_t size);
static uint64_t next(struct sim_random *random);

struct sim_random *sim_random_new(uint64_t seed)
{
    struct sim_random *random = mem_alloc(sizeof(*random));
    random->port = (struct random_port){random, fill};
    random->state = seed;
    return random;
}

void sim_random_free(struct sim_random *random)
{
    mem_free(random);
}

const struct random_port *sim_random_port(struct sim_random *random)
{
    return &random->port;
}

int64_t sim_random_between(struct sim_random *random, int64_t first, int64_t last)
{
    ASSERT(first <= last);
    return first + (int64_t)(next(random) % (uint64_t)(last - first + 1));
}

static void fill(void *self, void *ret_bytes, size_t size)
{
    char *bytes = ret_bytes;
    while (size > 0) {
        uint64_t word = next(self);
        size_t piece = size < sizeof(word) ? size : sizeof(word);
        memcpy(bytes, &word, piece);
        bytes += piece;
        size -= piece;
    }
}

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). Unsigned numbers
 * wrap around by intent. */
static uint64_t next(struct sim_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}
