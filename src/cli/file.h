/* Files of the user. */
#ifndef CROFT_CLI_FILE_H
#define CROFT_CLI_FILE_H

#include "base/buf.h"
#include "base/error.h"

/* Adds the file's bytes; "-" is standard input. ERROR_NOT_FOUND when there is none; more than 64 MiB is
 * refused. */
MUST_CHECK bool user_file_read(const char *path, struct buf *ret_text, struct error *err);

/* Makes or replaces the file; "-" is standard output. */
MUST_CHECK bool user_file_write(const char *path, const struct buf *text, struct error *err);

/* A large file, such as a grid: in memory as the system maps it where that is possible, else read once.
 * Whoever cuts the file meanwhile ends the program that has it mapped. */
struct user_text {
    const char *data;
    size_t size;
    size_t mapped_size; /* 0: it was read into `read` */
    struct buf read;
};
/* "-" is standard input. ERROR_NOT_FOUND when there is none. The caller closes it, and what points into it
 * ends. */
MUST_CHECK bool user_text_open(const char *path, struct user_text *ret_text, struct error *err);
void user_text_close(struct user_text *text); /* zero-initialised is fine */

#endif
