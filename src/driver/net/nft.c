#include "driver/net/nft.h"

#include "base/mem.h"
#include "driver/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEATS = 8 };

/* A descriptor that is kept free for the library, or what it talks to a namespace with. */
struct seat {
    int fd; /* -1 while ctx is there */
    struct nft_ctx *ctx;
    ino_t ns; /* as long as ctx is there it is no other's */
    uint64_t used;
};

struct nft {
    struct seat seats[SEATS];
    uint64_t runs;
};

static struct seat *find_seat(struct nft *nft, ino_t ns);
static bool open_ctx(struct seat *seat, ino_t ns, struct error *err);
static bool keep_private(int fd);
static void close_ctx(struct seat *seat);
static bool identify(int ns_fd, ino_t *ret_ns, struct error *err);
static bool run(struct nft_ctx *ctx, const char *text, struct error *err);
static bool take_seat(int *ret_fd, struct error *err);

bool nft_new(struct nft **ret_nft, struct error *err)
{
    struct nft *nft = mem_alloc(sizeof(*nft));
    for (size_t i = 0; i < SEATS; i++)
        nft->seats[i].fd = -1;
    for (size_t i = 0; i < SEATS; i++) {
        if (take_seat(&nft->seats[i].fd, err)) continue;
        nft_free(nft);
        return false;
    }
    *ret_nft = nft;
    return true;
}

void nft_free(struct nft *nft)
{
    if (nft == NULL) return;
    for (size_t i = 0; i < SEATS; i++) {
        if (nft->seats[i].ctx != NULL) nft_ctx_free(nft->seats[i].ctx);
        if (nft->seats[i].fd >= 0) close(nft->seats[i].fd);
    }
    mem_free(nft);
}

bool nft_run(struct nft *nft, int ns_fd, const char *text, struct error *err)
{
    /* The library may open sockets of its own while it works (names of links), so it works inside. */
    int back;
    ino_t ns = 0;
    if (!identify(ns_fd, &ns, err) || !ns_enter(ns_fd, &back, err)) return false;
    struct seat *seat = find_seat(nft, ns);
    seat->used = ++nft->runs;
    bool good = (seat->ctx != NULL || open_ctx(seat, ns, err)) && run(seat->ctx, text, err);
    if (!good) close_ctx(seat); /* it may have half an answer waiting */
    ns_leave(back);
    return good;
}

void nft_forget(struct nft *nft, int ns_fd)
{
    struct error ignored; /* then it is nobody's here */
    ino_t ns = 0;
    if (!identify(ns_fd, &ns, &ignored)) return;
    for (size_t i = 0; i < SEATS; i++) {
        if (nft->seats[i].ctx != NULL && nft->seats[i].ns == ns) close_ctx(&nft->seats[i]);
    }
}

/* That of the namespace, or a free one, or the one that was used longest ago. */
static struct seat *find_seat(struct nft *nft, ino_t ns)
{
    struct seat *oldest = &nft->seats[0];
    for (size_t i = 0; i < SEATS; i++) {
        struct seat *seat = &nft->seats[i];
        if (seat->ctx != NULL && seat->ns == ns) return seat;
        if (seat->used < oldest->used) oldest = seat;
    }
    if (oldest->ctx != NULL) close_ctx(oldest);
    return oldest;
}

static bool open_ctx(struct seat *seat, ino_t ns, struct error *err)
{
    close(seat->fd);
    seat->fd = -1;
    int lowest = open("/", O_PATH | O_CLOEXEC); /* the number that the library's socket will have */
    if (lowest >= 0) close(lowest);
    seat->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    if (seat->ctx != NULL && keep_private(lowest) && nft_ctx_buffer_output(seat->ctx) == 0 &&
        nft_ctx_buffer_error(seat->ctx) == 0) {
        seat->ns = ns;
        return true;
    }
    close_ctx(seat);
    return error_set(err, ERROR_FAILED, "cannot start libnftables");
}

/* The library's socket would go to whatever is started from here; that could change filters, and would hold
 * the namespace. */
static bool keep_private(int fd)
{
    int domain = 0, protocol = 0;
    socklen_t size = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void close_ctx(struct seat *seat)
{
    struct error lost;
    if (seat->ctx != NULL) nft_ctx_free(seat->ctx);
    seat->ctx = NULL;
    seat->used = 0;
    if (seat->fd < 0) ASSERT(take_seat(&seat->fd, &lost)); /* what was closed just now is free again */
}

static bool identify(int ns_fd, ino_t *ret_ns, struct error *err)
{
    struct stat status;
    if (fstat(ns_fd, &status) < 0) return error_errno(err, errno, "look at a network namespace");
    *ret_ns = status.st_ino;
    return true;
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
