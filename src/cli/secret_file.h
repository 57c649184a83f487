/* Small files that only their owner may read: the first line says what they are. */
#ifndef CROFT_CLI_SECRET_FILE_H
#define CROFT_CLI_SECRET_FILE_H

#include "base/buf.h"
#include "base/error.h"

/* Adds what stands behind the first line. ERROR_NOT_FOUND: there is none. ERROR_DENIED: others may read it,
 * or it is somebody else's. ERROR_INVALID: it is of another kind. */
MUST_CHECK bool secret_file_read(const char *path, const char *kind, struct buf *ret_text, struct error *err);
/* Replaces or makes it (mode 0600) and the directories above it (0700); whole or not at all, and on disk when
 * it returns. */
MUST_CHECK bool secret_file_write(const char *path, const char *kind, const struct buf *text,
                                  struct error *err);

#endif
