/* Import into the image library: from files of several kinds to blobs and a document. README.md tells how. */
#ifndef CROFT_DRIVER_IMAGE_IMAGE_H
#define CROFT_DRIVER_IMAGE_IMAGE_H

#include "base/error.h"
#include "base/mem.h"
#include "model/intent.h"

/* source: a directory, a tar (plain or compressed), `oci:PATH[:TAG]`, `docker-archive:PATH`. Layers become
 * blob_directory/sha256/HEX, durable and complete or not there; on failure those that were new are gone
 * again. *ret_image comes from the arena; its name and party are "" for the caller to set. Blocks: for a
 * process of its own. */
MUST_CHECK bool image_import(const char *blob_directory, const char *source, struct arena *arena,
                             struct image *ret_image, struct error *err);
/* "sha256:…" over the canonical text of all but name, party and digest. From the arena. */
const char *image_digest(const struct image *image, struct arena *arena);

#endif
