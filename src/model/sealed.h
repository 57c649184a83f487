/* Sealed commands and their answers, as bytes: what a console says to an agent by way of controllers that
 * cannot read it. Pure: who opens, seals, signs and verifies hands bytes in and out (port/vault.h,
 * os/seal.h).
 *
 *   command   "croft" 'C' version 0, host, party, fingerprint of the host's pair for that party; then a box
 *   answer    "croft" 'A' version 0; then a box
 *   in a box  a signature, and what is signed: of a command by the console, of an answer by the host
 *
 * Numbers are big-endian. Reading is strict: nothing before, between or behind what the format says. */
#ifndef CROFT_MODEL_SEALED_H
#define CROFT_MODEL_SEALED_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

enum {
    SEALED_KEY_SIZE = 32, /* of X25519, Ed25519 and of a digest */
    SEALED_SIGNATURE_SIZE = 64,
    SEALED_VERSION = 1,
    SEALED_COMMAND_SIZE_MAX = 512 * 1024, /* as it goes over the wire; a piece of input has 256 KiB */
    SEALED_ANSWER_SIZE_MAX = 2 * 1024 * 1024,
    SEALED_AHEAD_MAX_MS = 5 * 60 * 1000, /* a command may expire so far from now, and no further */
};

/* What stands in clear. Texts point into the bytes read. */
struct sealed_head {
    char host[64], party[64];
    unsigned char pair[SEALED_KEY_SIZE]; /* fingerprint */
};

/* A command, once its box is open. Texts and body point into the bytes read. */
struct sealed_command {
    int64_t counter;                          /* of this console on this host: only grows */
    int64_t expires_ms;                       /* wall clock */
    unsigned char console[SEALED_KEY_SIZE];   /* that signs */
    unsigned char answer_to[SEALED_KEY_SIZE]; /* what the answer is sealed to */
    const char *method, *path;                /* as the agent's own messages: "POST", "/agent/exec?…" */
    const char *body;                         /* NULL: none */
    size_t body_size;
};

struct sealed_answer {
    unsigned char command[SEALED_KEY_SIZE]; /* digest of the whole command that it answers */
    int64_t counter;                        /* the last that the host has seen of this console */
    int status;                             /* HTTP; SEALED_AGAIN: nothing was done */
    const char *type;                       /* of the body: "application/json" */
    const char *offset;                     /* Croft-Offset, or "" */
    const char *body;
    size_t body_size;
};
/* The counter was used already, by another message of the same console that came first, or before the agent
 * was started again: to be sent again with one above `counter`. */
#define SEALED_AGAIN 0

/* The head and, behind it, the box: *ret_box points into data. ERROR_INVALID, ERROR_TOO_LARGE. */
MUST_CHECK bool sealed_head_read(const void *data, size_t size, struct sealed_head *ret_head,
                                 const char **ret_box, size_t *ret_box_size, struct error *err);
/* Adds it; the box goes behind. host and party are names of 1 to 63. */
void sealed_head_write(const struct sealed_head *head, struct buf *ret_data);

/* What a box of a command has in it: *ret_signature is the first part, *ret_signed the rest; both point into
 * data. */
MUST_CHECK bool sealed_split(const void *data, size_t size, const unsigned char **ret_signature,
                             const char **ret_signed, size_t *ret_signed_size, struct error *err);
MUST_CHECK bool sealed_command_read(const char *data, size_t size, struct sealed_command *ret_command,
                                    struct error *err);
void sealed_command_write(const struct sealed_command *command, struct buf *ret_data);
/* The text that the console signs: of the head and of what sealed_command_write() gave. It is no other text
 * that anything of croft signs. */
void sealed_command_text(const struct sealed_head *head, const void *part, size_t size, struct buf *ret_text);

/* The box behind an answer's head. */
MUST_CHECK bool sealed_answer_box(const void *data, size_t size, const char **ret_box, size_t *ret_box_size,
                                  struct error *err);
void sealed_answer_head(struct buf *ret_data);
MUST_CHECK bool sealed_answer_read(const char *data, size_t size, struct sealed_answer *ret_answer,
                                   struct error *err);
void sealed_answer_write(const struct sealed_answer *answer, struct buf *ret_data);
void sealed_answer_text(const void *part, size_t size, struct buf *ret_text);

#endif
