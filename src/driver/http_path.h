/* Paths of health checks on their way into requests and configuration files. */
#ifndef CROFT_DRIVER_HTTP_PATH_H
#define CROFT_DRIVER_HTTP_PATH_H

#include "base/buf.h"

/* Adds the path as a request target of RFC 9112 section 3.2.1: a '/' in front when it lacks one, and every
 * byte that may not stand in it (RFC 3986 section 3.3 and 3.4), the single quote too, as %XX. A '%' stays. So
 * no text can end the line, the word or a quoted string that it is put into. */
void http_path_add(struct buf *ret_target, const char *path);

#endif
