/* libnftables: transactions of text commands. */
#ifndef CROFT_DRIVER_NET_NFT_H
#define CROFT_DRIVER_NET_NFT_H

#include "base/error.h"

#include <stdbool.h>

struct nft;

/* It keeps what it talked to the last few namespaces with: to close such a socket takes 5 to 20 ms when
 * something was deleted just before, for the kernel does away with that first.
 *
 * To be made while the process has few descriptors open: libnftables waits with select(), which ends the
 * process at a descriptor from FD_SETSIZE (1024) on. So low ones are kept free for it. */
MUST_CHECK bool nft_new(struct nft **ret_nft, struct error *err);
void nft_free(struct nft *nft); /* NULL is fine */
/* In the network namespace: all commands or none. */
MUST_CHECK bool nft_run(struct nft *nft, int ns_fd, const char *text, struct error *err);
/* The namespace is about to go, and nothing may hold it. */
void nft_forget(struct nft *nft, int ns_fd);

#endif
