#include "driver/net/nft.h"

#include "base/mem.h"
#include "driver/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

struct nft {
    int seat_fd; /* its number is the library's socket's while that works */
};

static bool run(struct nft_ctx *ctx, const char *text, struct error *err);
static bool take_seat(int *ret_fd, struct error *err);

bool nft_new(struct nft **ret_nft, struct error *err)
{
    int fd = -1;
    if (!take_seat(&fd, err)) return false;
    struct nft *nft = mem_alloc(sizeof(*nft));
    nft->seat_fd = fd;
    *ret_nft = nft;
    return true;
}

void nft_free(struct nft *nft)
{
    if (nft == NULL) return;
    close(nft->seat_fd);
    mem_free(nft);
}

bool nft_run(struct nft *nft, int ns_fd, const char *text, struct error *err)
{
    /* The library may open sockets of its own while it works (names of links), so it works inside. */
    int back;
    if (!ns_enter(ns_fd, &back, err)) return false;
    close(nft->seat_fd);
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    bool good = ctx != NULL && nft_ctx_buffer_output(ctx) == 0 && nft_ctx_buffer_error(ctx) == 0;
    good = good ? run(ctx, text, err) : error_set(err, ERROR_FAILED, "cannot start libnftables");
    if (ctx != NULL) nft_ctx_free(ctx);
    struct error lost;
    ASSERT(take_seat(&nft->seat_fd, &lost)); /* what was closed just now is free again */
    ns_leave(back);
    return good;
}

static bool run(struct nft_ctx *ctx, const char *text, struct error *err)
{
    /* It takes a signal while it waits for the kernel's answer (a child's end) for a refusal. */
    sigset_t all, before;
    sigfillset(&all);
    ASSERT(sigprocmask(SIG_BLOCK, &all, &before) == 0);
    int result = nft_run_cmd_from_buffer(ctx, text);
    ASSERT(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
    if (result == 0) return true;
    const char *complaint = nft_ctx_get_error_buffer(ctx);
    int size = complaint == NULL ? 0 : (int)strcspn(complaint, "\n");
    return error_set(err, ERROR_FAILED, "nftables refused the filters: %.*s", size,
                     complaint == NULL ? "" : complaint);
}

static bool take_seat(int *ret_fd, struct error *err)
{
    int fd = open("/", O_PATH | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "keep a descriptor for the filters");
    if (fd >= FD_SETSIZE) {
        close(fd);
        return error_set(err, ERROR_FAILED, "no descriptor below %d is free for the filters", FD_SETSIZE);
    }
    *ret_fd = fd;
    return true;
}
