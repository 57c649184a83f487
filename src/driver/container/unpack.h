/* A layer's tar into a directory. */
#ifndef CROFT_DRIVER_CONTAINER_UNPACK_H
#define CROFT_DRIVER_CONTAINER_UNPACK_H

#include "base/error.h"

/* Into `directory`, which exists and is empty. digest ("sha256:…") is checked against the whole file. OCI's
 * whiteouts become overlay's. Blocks for as long as it takes, and changes the working directory: for a
 * process of its own. On failure part of it may be there. */
MUST_CHECK bool unpack_layer(const char *path, const char *digest, const char *directory, struct error *err);

/* What a name in a layer means (OCI image layer specification, "Whiteouts"). */
enum whiteout { WHITEOUT_NONE, WHITEOUT_ONE, WHITEOUT_OPAQUE };
/* *ret_path: what is hidden ("" for the root), the caller's to mem_free(); only if not WHITEOUT_NONE. Pure.
 */
enum whiteout unpack_whiteout(const char *path, char **ret_path);

#endif
