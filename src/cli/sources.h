/* Documents of any number of files as one text, so that all of all is valid or nothing of any is taken, and
 * one file may refer to what another one makes. Positions in messages are put back. */
#ifndef CROFT_CLI_SOURCES_H
#define CROFT_CLI_SOURCES_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"

struct source {
    char *path;
    unsigned first_line; /* of it in the joined text, from 1 */
};

struct sources {
    struct vec files; /* struct source */
    struct buf text;
};

#define SOURCES_NONE ((struct sources){.files = VEC_OF(struct source)})

/* A file; a directory: all *.yaml, *.yml, *.json in it; "-": standard input. */
MUST_CHECK bool sources_add(struct sources *sources, const char *path, struct error *err);
/* err is of the joined text: file and line become those of its source. At least one was added. */
void sources_put_back(const struct sources *sources, struct error *err);
void sources_free(struct sources *sources);

#endif
