/* A whole grid on this machine: `croft up` plays the computers, their cables and their power switches. */
#ifndef CROFT_CLI_UP_UP_H
#define CROFT_CLI_UP_UP_H

#include <stdbool.h>
#include <stdint.h>

#define UP_HOSTS_MAX 200U
#define UP_STATE_DEFAULT "/var/lib/croft"
#define UP_LISTEN_DEFAULT "127.0.0.1:7070"

struct up_capacity {
    int64_t cpus_millis;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t network_bits_per_s;
};

struct up_options {
    unsigned hosts; /* 1 to UP_HOSTS_MAX */
    unsigned racks; /* of each site, 1 to UP_HOSTS_MAX */
    unsigned sites;
    const char *state;  /* directory; is made when missing */
    const char *listen; /* where the user API listens: "127.0.0.1:7070"; port 0: the kernel chooses */
    bool detach;
    struct up_capacity capacity;                        /* of each host */
    const char *contacts_reach, *secrets, *authorities; /* the controller's options of these names, or NULL */
    const char *hardware; /* HARDWARE/h1 is what that host takes for /sys; NULL: all have the machine's */
    const char *program;  /* what is started as `controller` and `agent`; NULL: this program */
};

/* The defaults of the command line. */
struct up_options up_options_default(void);

struct down_options {
    const char *state;
};

/* Each returns the exit code of the process and has told everything there is to tell. */
int up_main(const struct up_options *options);
int down_main(const struct down_options *options);
/* The hidden command `croft host-init`: the first process of a host. argv[0] is "host-init". */
int host_init_main(int argc, char **argv);

#endif
