#include "sim/digest.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

void sim_digest(const void *data, size_t size, char ret_hex[65])
{
    for (size_t i = 0; i < 4; i++) {
        char salt = (char)('a' + i);
        uint64_t hash = text_hash(text_hash(TEXT_HASH_SEED, &salt, 1), data, size);
        snprintf(ret_hex + 16 * i, 17, "%016" PRIx64, hash);
    }
}
