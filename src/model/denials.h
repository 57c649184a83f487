/* Why a packet was not let pass: the reasons that a net driver counts, and the words for people. */
#ifndef CROFT_MODEL_DENIALS_H
#define CROFT_MODEL_DENIALS_H

struct denial {
    const char *reason; /* "spoof" */
    const char *text;   /* goes on from "12 packets " */
};
extern const struct denial denials[];
extern const unsigned denials_length;

/* NULL for a reason that is not in the table. */
const char *denial_text(const char *reason);

#endif
