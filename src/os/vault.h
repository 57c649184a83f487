/* vault_port over libsodium. In memory private halves are only in memory of seal_secret_new(). At rest all of
 * them are one file, `vault`, sealed (XChaCha20-Poly1305) with a secret of this host in a file of its own,
 * `vault.host`. */
#ifndef CROFT_OS_VAULT_H
#define CROFT_OS_VAULT_H

#include "port/vault.h"

struct os_vault;

/* Makes the directory (mode 0700) and the host's secret when they are missing. A file that is damaged, or
 * sealed with another host's secret, is set aside as `vault.damaged`, what is in it is lost, and *ret_note (a
 * text is added) says so. ERROR_FAILED: the directory cannot be used, or secrets cannot be locked in memory.
 */
MUST_CHECK bool os_vault_new(const char *directory, struct os_vault **ret_vault, struct buf *ret_note,
                             struct error *err);
/* Looks at one that another process may have open: nothing is made or set aside, and what it changes later is
 * not seen. Only for find() and list(). ERROR_NOT_FOUND: there is none. ERROR_INVALID: it is damaged. */
MUST_CHECK bool os_vault_look(const char *directory, struct os_vault **ret_vault, struct error *err);
void os_vault_free(struct os_vault *vault); /* NULL is fine; wipes */
const struct vault_port *os_vault_port(const struct os_vault *vault);

#endif
