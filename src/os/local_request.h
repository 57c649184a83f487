/* What an instance says over its socket, read from bytes. Pure. */
#ifndef CROFT_OS_LOCAL_REQUEST_H
#define CROFT_OS_LOCAL_REQUEST_H

#include "os/wire.h"
#include "port/local.h"

struct local_read {
    struct wire_head head; /* to be freed by wire_head_free() after 200 */
    struct buf body;
};

/* 0: more is needed. 200: it is complete, in *ret_read, which comes zero-initialised; bytes that follow are
 * passed over. Else what to answer, and nothing is held. */
int local_request_read(const char *data, size_t size, struct local_read *ret_read);
void local_read_free(struct local_read *read);

#endif
