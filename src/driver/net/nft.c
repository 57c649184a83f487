#include "driver/net/nft.h"

#include "base/mem.h"
#include "driver/net/ns.h"

#include <nftables/libnftables.h>
#include <signal.h>
#include <string.h>

struct nft {
    struct nft_ctx *ctx;
    int ns_fd;
};

bool nft_open(int ns_fd, struct nft **ret_nft, struct error *err)
{
    int back;
    if (!ns_enter(ns_fd, &back, err)) return false;
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    ns_leave(back);
    if (ctx == NULL || nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0) {
        if (ctx != NULL) nft_ctx_free(ctx);
        return error_set(err, ERROR_FAILED, "cannot start libnftables");
    }
    struct nft *nft = mem_alloc(sizeof(*nft));
    nft->ctx = ctx;
    nft->ns_fd = ns_fd;
    *ret_nft = nft;
    return true;
}

void nft_close(struct nft *nft)
{
    if (nft == NULL) return;
    nft_ctx_free(nft->ctx);
    mem_free(nft);
}

bool nft_run(struct nft *nft, const char *text, struct error *err)
{
    CLEANUP_BUF struct buf output = {0};
    return nft_ask(nft, text, &output, err);
}

bool nft_ask(struct nft *nft, const char *text, struct buf *ret_output, struct error *err)
{
    /* The library may open sockets of its own while it works (names of links), so it works inside. */
    int back;
    if (!ns_enter(nft->ns_fd, &back, err)) return false;
    /* It takes a signal while it waits for the kernel's answer (a child's end) for a refusal. */
    sigset_t all, before;
    sigfillset(&all);
    ASSERT(sigprocmask(SIG_BLOCK, &all, &before) == 0);
    int result = nft_run_cmd_from_buffer(nft->ctx, text);
    ASSERT(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
    ns_leave(back);
    const char *output = nft_ctx_get_output_buffer(nft->ctx);
    const char *complaint = nft_ctx_get_error_buffer(nft->ctx);
    if (result == 0) {
        buf_add_text(ret_output, output == NULL ? "" : output);
        return true;
    }
    int size = complaint == NULL ? 0 : (int)strcspn(complaint, "\n");
    return error_set(err, ERROR_FAILED, "nftables refused the filters: %.*s", size,
                     complaint == NULL ? "" : complaint);
}
