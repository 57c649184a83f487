/* Key pairs of parties on hosts: what is told of them, and what a host keeps beside them. Ownership as in
 * intent.h; keys are text of 64 hexadecimal digits. */
#ifndef CROFT_MODEL_KEYS_H
#define CROFT_MODEL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A party's pair on a host. Of one that the party asked for nobody but the party is told the public halves.
 */
struct host_key {
    const char *party;
    int64_t generation;                    /* counts pairs, from 1 */
    int64_t taken_ms;                      /* wall clock; 0: the party has not taken it */
    int64_t stored;                        /* things encrypted there for the party: lost with the pair */
    bool waits;                            /* for the party's key service to release its secret */
    const char *seal, *sign, *fingerprint; /* "" of the party's own */
};

/* A console that may command for a party. */
struct kept_console {
    const char *key;
    int64_t counter; /* no command that counts so much or less is obeyed after a restart */
};

/* What ran when its party was shut out: it obeys the consoles of then only. */
struct kept_closed {
    const char *instance;
    int64_t incarnation;
    const char *const *former; /* those consoles */
    size_t former_length;
};

/* What an agent keeps of a party, beside its pair in the vault. */
struct kept_keys {
    const char *party;
    int64_t generation;
    int64_t taken_ms;
    bool own; /* the party asked for the pair in use: nobody else is told its public halves */
    const struct kept_console *consoles;
    size_t consoles_length;
    int64_t floor; /* a console that comes begins above it: the most that one has counted that went */
    const struct kept_closed *closed;
    size_t closed_length;
};

/* A key of something that is stored for a party, wrapped by the party's disk key. */
struct kept_item {
    const char *name;
    const char *box; /* in hexadecimal */
};

/* What an agent keeps of a party's disk key, beside the secrets in the vault. */
struct kept_disk_keys {
    const char *party;
    int64_t generation;
    const char *const *slots; /* of the vault: whose secrets the disk key is derived from, outermost first */
    size_t slots_length;
    const char *check; /* a box that only the right secret of the party's own key service opens; "": none
                          was ever released here */
    const struct kept_item *items;
    size_t items_length;
};

#endif
