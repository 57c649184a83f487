/* What keys.c and keys_consoles.c share: a party's keys on this host. */
#ifndef CROFT_AGENT_KEYS_INSIDE_H
#define CROFT_AGENT_KEYS_INSIDE_H

#include "agent/internal.h"
#include "model/sealed.h"

enum {
    /* Counters are microseconds, or more than the last. What is on disk is ahead of them, so that it is
     * written once a second and not with each command; after a restart a console goes on above it. */
    KEYS_COUNTER_AHEAD = 1000 * 1000,
    KEYS_TEXT_SIZE = 2 * SEALED_KEY_SIZE + 1,
};

/* Whose commands are obeyed, by its public half for signing. */
struct console {
    char key[KEYS_TEXT_SIZE];
    int64_t counter; /* the last that was used */
    int64_t kept;    /* no less than that, on disk */
};

/* What ran here when its party was shut out: obeys only consoles that the party had then, and has. */
struct closed {
    char *instance;
    int64_t incarnation;
    struct vec former; /* char[KEYS_TEXT_SIZE] */
};

struct party_keys {
    char *party, *next; /* slots of the vault */
    int64_t generation, taken_ms;
    bool own;            /* its owner asked for the pair in use, and has it: its public halves are not told */
    struct vec consoles; /* struct console */
    int64_t floor;     /* a console that comes begins above it: what one said that was here is not repeated */
    struct vec closed; /* struct closed: obeys those below only */
    struct vec former; /* char[KEYS_TEXT_SIZE]: consoles from before the party was shut out */
    int64_t unnamed_us; /* since when nothing here is the party's; 0: something is */
};

/* keys.c */
MUST_CHECK bool keys_save(struct agent *agent, const struct party_keys *keys, struct error *err);
void keys_hex(const unsigned char key[SEALED_KEY_SIZE], char ret_text[KEYS_TEXT_SIZE]);

/* keys_consoles.c */
struct console *keys_console(const struct party_keys *keys, const char *key); /* NULL: none of its */
void keys_add_console(struct party_keys *keys, const char *key, int64_t counter);
/* What runs here now obeys the consoles of now, and no others, until it is new; before these are forgotten.
 */
void keys_close(const struct agent *agent, struct party_keys *keys);
struct closed *keys_add_closed(struct party_keys *keys, const char *instance, int64_t incarnation);
void keys_add_former(struct closed *closed, const char *console);
void keys_free_closed(struct party_keys *keys);

#endif
