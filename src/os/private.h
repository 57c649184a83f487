/* private_port over the kernel's fscrypt (Documentation/filesystems/fscrypt.rst): STATE/private/PARTY.KEY, a
 * version 2 policy each, where KEY is the kernel's name for the key, which tells nothing of it.
 *
 * When the file system of STATE does not encrypt, one that does is made at the first use: STATE/private.img,
 * a sparse file, formatted by mkfs.ext4 and mounted over a loop device at RUN/private. The device goes with
 * the last mount. */
#ifndef CROFT_OS_PRIVATE_H
#define CROFT_OS_PRIVATE_H

#include "os/loop.h"
#include "port/private.h"
#include "port/process.h"

struct os_private;

/* Texts are copied. */
struct os_private_options {
    struct loop *loop;
    const struct process_port *process;
    const char *state_directory; /* exists; one such process at a time */
    /* Exists; RUN/private is where it is mounted, so mounts below it should outlive this process's namespace.
     */
    const char *run_directory;
    int64_t reserve_bytes; /* nothing is opened when the disk has less room than that */
    /* Of what was done about damage; NULL: to nobody. */
    void (*note)(void *ctx, const char *text);
    void *ctx;
};

/* Touches nothing. ERROR_FAILED: no memory can be locked. */
MUST_CHECK bool os_private_new(const struct os_private_options *options, struct os_private **ret_private,
                               struct error *err);
/* NULL is fine. No callback comes any more. What it has mounted is unmounted; what others have mounted from
 * there goes on, and with the last of it the loop device goes, and the keys leave the kernel. */
void os_private_free(struct os_private *private);
const struct private_port *os_private_port(const struct os_private *private);

#endif
