/* TLS for whoever comes: by a certificate that an operator got elsewhere, in files. They are looked at again
 * every minute, because certificates are renewed. */
#ifndef CROFT_OS_TLS_FILES_H
#define CROFT_OS_TLS_FILES_H

#include "os/tls.h"
#include "port/clock.h"

struct tls_files;

/* PEM files: the certificate with those that link it to its authority behind it, and its key, without a
 * password. ERROR_INVALID: they cannot be read, or do not belong together. The clock must live until it is
 * freed. What later cannot be read, or does not fit, is said on stderr, once; what was read before stays. */
MUST_CHECK bool tls_files_new(const struct clock_port *clock, const char *certificate, const char *key,
                              struct tls_files **ret_files, struct error *err);
void tls_files_free(struct tls_files *files);                      /* NULL is fine */
const struct tls *tls_files_newest(const struct tls_files *files); /* valid until the loop turns */
/* Looks now whether they changed. False: they did, and what is there now cannot be used. */
MUST_CHECK bool tls_files_look(struct tls_files *files, struct error *err);

#endif
