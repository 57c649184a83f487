/* libnftables: transactions of text commands. */
#ifndef CROFT_DRIVER_NET_NFT_H
#define CROFT_DRIVER_NET_NFT_H

#include "base/error.h"

#include <stdbool.h>

struct nft;

/* To be made while the process has few descriptors open: libnftables waits with select(), which ends the
 * process at a descriptor from FD_SETSIZE (1024) on. So a low one is kept free for it. */
MUST_CHECK bool nft_new(struct nft **ret_nft, struct error *err);
void nft_free(struct nft *nft); /* NULL is fine */
/* In the network namespace: all commands or none. */
MUST_CHECK bool nft_run(struct nft *nft, int ns_fd, const char *text, struct error *err);

#endif
