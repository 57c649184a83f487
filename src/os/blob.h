/* blob_port over a directory: whole blobs as sha256/<hex>, unfinished ones as partial/<owner>/<hex>.
 * What arrives is hashed as it does; after a restart what is there is hashed once more when it is finished.
 */
#ifndef CROFT_OS_BLOB_H
#define CROFT_OS_BLOB_H

#include "port/blob.h"

struct os_blobs;

/* Makes the directory when it is missing (0700); its parent exists. */
MUST_CHECK bool os_blobs_new(const char *directory, struct os_blobs **ret_blobs, struct error *err);
void os_blobs_free(struct os_blobs *blobs); /* NULL is fine */
const struct blob_port *os_blobs_port(const struct os_blobs *blobs);

#endif
