/* Small files of the user, read whole. */
#ifndef CROFT_CLI_FILE_H
#define CROFT_CLI_FILE_H

#include "base/buf.h"
#include "base/error.h"

/* Adds the file's bytes; "-" is standard input. ERROR_NOT_FOUND when there is none; more than 64 MiB is
 * refused. */
MUST_CHECK bool user_file_read(const char *path, struct buf *ret_text, struct error *err);

#endif
