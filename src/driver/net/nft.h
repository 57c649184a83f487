/* libnftables for one namespace: transactions of text commands. */
#ifndef CROFT_DRIVER_NET_NFT_H
#define CROFT_DRIVER_NET_NFT_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

struct nft;

MUST_CHECK bool nft_open(int ns_fd, struct nft **ret_nft, struct error *err); /* ns_fd stays the caller's */
void nft_close(struct nft *nft);                                              /* NULL is fine */
/* All commands or none. */
MUST_CHECK bool nft_run(struct nft *nft, const char *text, struct error *err);
/* What the commands print, added to *ret_output. */
MUST_CHECK bool nft_ask(struct nft *nft, const char *text, struct buf *ret_output, struct error *err);

#endif
