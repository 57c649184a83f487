/* RFC 4648, section 4: how bytes travel inside JSON. */
#ifndef CROFT_CLI_BASE64_H
#define CROFT_CLI_BASE64_H

#include "base/buf.h"

#include <stdbool.h>

/* Adds the bytes that the text stands for; false, and nothing added, when it is not base64. */
bool base64_decode(const char *text, struct buf *ret_bytes);

#endif
