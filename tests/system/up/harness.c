/* `croft` with nothing but up, down and host-init, and with the program that plays controller and agent
 * given. */
#include "cli/up/up.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int up(int argc, char **argv)
{
    struct up_options options = up_options_default();
    for (int i = 0; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--detach") == 0) {
            options.detach = true;
            continue;
        }
        if (strcmp(argv[i], "--hosts") == 0) options.hosts = (unsigned)strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--racks") == 0) options.racks = (unsigned)strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--sites") == 0) options.sites = (unsigned)strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--state") == 0) options.state = value;
        if (strcmp(argv[i], "--listen") == 0) options.listen = value;
        if (strcmp(argv[i], "--program") == 0) options.program = value;
        i++;
    }
    return up_main(&options);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "host-init") == 0) return host_init_main(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "up") == 0) return up(argc - 2, argv + 2);
    if (argc == 4 && strcmp(argv[1], "down") == 0) return down_main(&(struct down_options){.state = argv[3]});
    fprintf(stderr, "usage: up_harness up … | down --state DIR\n");
    return 2;
}
