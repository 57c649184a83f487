/* What a host keeps for parties: directories that the kernel encrypts, contents and names, each with a key of
 * its own. A directory belongs to a party and a key: another key of the same party is another directory, and
 * what was kept under the first cannot be read by anybody who has only the second. Twins: os/private over
 * fscrypt; sim/private in the simulation. */
#ifndef CROFT_PORT_PRIVATE_H
#define CROFT_PORT_PRIVATE_H

#include "base/vec.h"
#include "port/blob.h"
#include "port/disk.h"

enum { PRIVATE_KEY_SIZE = 64 };

struct private_item {
    char *party, *directory; /* the receiver's to mem_free() */
};

/* directory: absolute, the same whenever it is opened in one run of the host, valid during the call; NULL
 * with err. ERROR_REFUSED: the disk is almost full. */
typedef void (*private_opened)(void *ctx, const char *directory, const struct error *err);
typedef void (*private_done)(void *ctx, const struct error *err); /* err NULL: done */
/* items: struct private_item; their texts are the receiver's, the vector is not. */
typedef void (*private_listed)(void *ctx, const struct vec *items, const struct error *err);

/* Slots with a done are asynchronous: done is called exactly once, from the loop, never from inside the call.
 * They are done one after the other, in the order of asking. Texts are copied. */
struct private_port {
    void *self;
    /* PRIVATE_KEY_SIZE bytes of memory that is locked and in no core dump: where open() takes the key from.
     * It copies it into other such memory and wipes this. */
    unsigned char *key;
    /* The party's directory under that key, made when there is none; its files can be read and written from
     * now on. Idempotent. */
    void (*open)(void *self, const char *party, private_opened done, void *ctx);
    /* Of an open one, until lock() or remove() is called; NULL when it is not open. */
    const struct blob_port *(*blobs)(void *self, const char *directory);
    const struct disk_port *(*disk)(void *self, const char *directory);
    /* The key leaves the kernel, and what is in memory of the files with it. ERROR_REFUSED: files are in use
     * by somebody; they stay readable for those who have them open, and it may be asked again. Not open: no
     * error. */
    void (*lock)(void *self, const char *directory, private_done done, void *ctx);
    /* First the key as in lock(), then all that is in it. Whoever has files open keeps these. No error when
     * it is not there. */
    void (*remove)(void *self, const char *directory, private_done done, void *ctx);
    /* Tells of all that are there, open or not, in no order. */
    void (*list)(void *self, private_listed done, void *ctx);
};

#endif
