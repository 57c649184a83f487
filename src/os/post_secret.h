/* Passwords that documents name and never hold. Internal to os/. */
#ifndef CROFT_OS_POST_SECRET_H
#define CROFT_OS_POST_SECRET_H

#include "base/error.h"

enum { POST_SECRET_SIZE_MAX = 1024 };

/* Reads DIRECTORY/NAME, where name is PARTY/SECRET: without the end of its last line. ERROR_DENIED: others
 * may read it, or change it. ret_password: the caller wipes it. */
MUST_CHECK bool post_secret_read(const char *directory, const char *name,
                                 char ret_password[POST_SECRET_SIZE_MAX + 1], struct error *err);

#endif
