/* identity_port over the keys of pki.h. */
#ifndef CROFT_OS_IDENTITY_H
#define CROFT_OS_IDENTITY_H

#include "port/identity.h"

struct os_identity;

/* PEM texts, copied. authority_key is NULL where nothing may be signed (agents): sign and certify are then
 * ERROR_DENIED. Certificates hold for `days`. Signatures are hexadecimal. */
struct os_identity *os_identity_new(const char *authority_certificate, const char *authority_key,
                                    unsigned days);
void os_identity_free(struct os_identity *identity); /* NULL is fine; wipes the key */
const struct identity_port *os_identity_port(const struct os_identity *identity);

#endif
