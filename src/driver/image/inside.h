/* For the implementation of importing only. */
#ifndef CROFT_DRIVER_IMAGE_INSIDE_H
#define CROFT_DRIVER_IMAGE_INSIDE_H

#include "base/buf.h"
#include "base/vec.h"
#include "driver/image/image.h"

#include <jansson.h>

struct import {
    const char *blobs; /* directory of the blobs: …/sha256 */
    struct arena *arena;
    struct vec layers; /* const char *: digests, lowest first */
    struct vec made;   /* const char *: paths of blobs that this import made */
    int64_t size_bytes;
    char *passwd; /* the image's /etc/passwd, the uppermost; NULL: none */
    struct image image;
};

/* Adds the file as the next layer, after checking all of it. expected: its digest, or NULL. */
MUST_CHECK bool import_layer_fd(struct import *import, int fd, const char *expected, struct error *err);
MUST_CHECK bool import_directory(struct import *import, const char *path, struct error *err);
MUST_CHECK bool import_oci(struct import *import, const char *path, struct error *err);
MUST_CHECK bool import_docker(struct import *import, const char *path, struct error *err);
/* What an OCI or docker configuration says of running it. */
void import_config(struct import *import, const json_t *config);
/* A new file in the blobs' directory that has no name yet. */
MUST_CHECK bool import_temporary(const struct import *import, int *ret_fd, struct error *err);

#endif
