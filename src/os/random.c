#include "os/random.h"

#include "base/attr.h"

#include <errno.h>
#include <sys/random.h>

static void random_fill(void *self, void *ret_bytes, size_t size);

static const struct random_port random_port = {.fill = random_fill};

const struct random_port *os_random_port(void)
{
    return &random_port;
}

static void random_fill(void *self, void *ret_bytes, size_t size)
{
    unsigned char *bytes = ret_bytes;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0 && errno == EINTR) continue;
        ASSERT(got > 0);
        bytes += got;
        size -= (size_t)got;
    }
}
