/* For the files of os/private only. */
#ifndef CROFT_OS_PRIVATE_INSIDE_H
#define CROFT_OS_PRIVATE_INSIDE_H

#include "os/private.h"

enum { PRIVATE_NAME_SIZE = 33 }; /* of a key: 32 hex digits and the end */

/* private_crypt.c: fscrypt. base: a descriptor of a directory of the file system. */
/* Can directories of this file system be encrypted? */
bool crypt_possible(int base);
/* Gives the key to the kernel; ret_name is what the kernel calls it. Idempotent. */
MUST_CHECK bool crypt_add_key(int base, const unsigned char key[PRIVATE_KEY_SIZE],
                              char ret_name[PRIVATE_NAME_SIZE], struct error *err);
/* Makes base/directory with the key of this name when it is missing. ERROR_FAILED also when it is there and
 * not encrypted with that one. */
MUST_CHECK bool crypt_make_directory(int base, const char *directory, const char *name, struct error *err);
/* Takes it back. ERROR_REFUSED: files are in use. No error when it is not there. */
MUST_CHECK bool crypt_remove_key(int base, const char *name, struct error *err);

/* private_image.c: a file system in a file. These block for some milliseconds: for a process of its own. */
/* A sparse file as large as the file system it is in, for mkfs. */
MUST_CHECK bool image_make(const char *path, struct error *err);
/* Idempotent, also when another process mounts it or has mounted it here. ERROR_INVALID: what is in the file
 * is no file system that can be mounted. */
MUST_CHECK bool image_mount(const char *image, const char *point, struct error *err);
/* No error when nothing is mounted. */
MUST_CHECK bool image_unmount(const char *point, struct error *err);
bool image_mounted(const char *point); /* is something? */

/* private_job.c: work in a forked child, one at a time. */
struct job;
/* done is called once from the loop; err NULL: good. The child has no descriptor but its standard ones, and
 * dies with this process. */
MUST_CHECK bool job_start(struct loop *loop, bool (*work)(const void *what, struct error *err),
                          const void *what, void (*done)(void *ctx, const struct error *err), void *ctx,
                          struct job **ret_job, struct error *err);
void job_kill(struct job *job); /* NULL is fine; done is not called */

#endif
