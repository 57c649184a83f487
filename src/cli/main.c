#include "cli/cli.h"
#include "model/node.h"
#include "os/random.h"

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Started without some of the standard streams, the next files that are opened would take their numbers, and
 * get what is meant for people, or be replaced when a child or a daemon gets streams of its own. */
static bool fill_standard_streams(void)
{
    int fd = -1;
    do {
        fd = open("/dev/null", O_RDWR); /* open in children, too, as streams are */
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) close(fd);
    return fd > 2;
}

int main(int argc, char **argv)
{
    if (!fill_standard_streams()) return 1; /* and nobody can be told why */
    const struct random_port *random = os_random_port();
    uint32_t seed = 0;
    random->fill(random->self, &seed, sizeof(seed));
    node_seed(seed);
    return cli_main(argc, argv, stdout, stderr);
}
