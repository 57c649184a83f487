#include "driver/net/netlink.h"

#include "base/mem.h"
#include "base/vec.h"
#include "driver/net/ns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MESSAGE_SIZE_MAX = 4096,
    /* The answers of one sendmsg() have to fit into the receive buffer, at nearly a KiB each. */
    MESSAGES_AT_ONCE = 64,
    ANSWER_SIZE_MAX = 64 * 1024,
};

struct message {
    size_t offset;
    enum netlink_fine fine;
    uint32_t seq;
    char what[64];
};

struct netlink {
    int fd;
    uint32_t seq;
    char *data; /* messages one behind the other */
    size_t capacity;
    struct vec messages; /* struct message */
    char *answer;
};

static bool open_socket(int bus, int *ret_fd, struct error *err);
static size_t end_of_last(const struct netlink *netlink);
static bool exchange(struct netlink *netlink, size_t first, size_t length, bool *failed, struct error *err);
static void judge(const struct message *message, const struct nlmsghdr *answer, bool *failed,
                  struct error *err);
static const char *kernel_text(const struct nlmsghdr *answer);
static bool is_fine(enum netlink_fine fine, int code);
static bool collect(struct netlink *netlink, uint32_t seq, bool multi, const char *what,
                    void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx, struct error *err);

bool netlink_open(int ns_fd, int bus, struct netlink **ret_netlink, struct error *err)
{
    int back = -1, fd = -1;
    if (ns_fd >= 0 && !ns_enter(ns_fd, &back, err)) return false;
    bool good = open_socket(bus, &fd, err);
    if (back >= 0) ns_leave(back);
    if (!good) return false;
    struct netlink *netlink = mem_alloc(sizeof(*netlink));
    netlink->fd = fd;
    netlink->messages = VEC_OF(struct message);
    netlink->answer = mem_alloc(ANSWER_SIZE_MAX);
    *ret_netlink = netlink;
    return true;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink == NULL) return;
    close(netlink->fd);
    vec_free(&netlink->messages);
    mem_free(netlink->data);
    mem_free(netlink->answer);
    mem_free(netlink);
}

void netlink_closep(struct netlink **netlink)
{
    netlink_close(*netlink);
}

struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags, enum netlink_fine fine,
                               const char *what, const char *object)
{
    size_t offset = end_of_last(netlink);
    if (offset + MESSAGE_SIZE_MAX > netlink->capacity) {
        netlink->capacity = (offset + MESSAGE_SIZE_MAX) * 2;
        netlink->data = mem_realloc_array(netlink->data, netlink->capacity, 1);
    }
    memset(netlink->data + offset, 0, MESSAGE_SIZE_MAX);
    struct nlmsghdr *header = mnl_nlmsg_put_header(netlink->data + offset);
    header->nlmsg_type = type;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    header->nlmsg_seq = ++netlink->seq;
    struct message *message = vec_push(&netlink->messages);
    *message = (struct message){.offset = offset, .fine = fine, .seq = header->nlmsg_seq};
    snprintf(message->what, sizeof(message->what), "%s %s", what, object);
    return header;
}

bool netlink_commit(struct netlink *netlink, struct error *err)
{
    bool failed = false;
    for (size_t i = 0; i < netlink->messages.length; i += MESSAGES_AT_ONCE) {
        size_t length = netlink->messages.length - i;
        if (length > MESSAGES_AT_ONCE) length = MESSAGES_AT_ONCE;
        if (!exchange(netlink, i, length, &failed, err)) {
            failed = true;
            break;
        }
    }
    netlink_drop(netlink);
    return !failed;
}

void netlink_drop(struct netlink *netlink)
{
    vec_clear(&netlink->messages);
}

const struct nlattr *netlink_attr(const struct nlmsghdr *message, size_t header_size,
                                  const struct nlattr *last)
{
    const char *end = mnl_nlmsg_get_payload_tail(message);
    const struct nlattr *attr =
        last == NULL ? mnl_nlmsg_get_payload_offset(message, header_size) : mnl_attr_next(last);
    return mnl_attr_ok(attr, (int)(end - (const char *)attr)) ? attr : NULL;
}

const struct nlattr *netlink_nested(const struct nlattr *outer, const struct nlattr *last)
{
    const char *begin = mnl_attr_get_payload(outer);
    const char *end = begin + mnl_attr_get_payload_len(outer);
    const struct nlattr *attr = last == NULL ? mnl_attr_get_payload(outer) : mnl_attr_next(last);
    return mnl_attr_ok(attr, (int)(end - (const char *)attr)) ? attr : NULL;
}

bool netlink_dump(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
                  void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx, struct error *err)
{
    char request[256] = {0};
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++netlink->seq;
    memcpy(mnl_nlmsg_put_extra_header(message, header_size), header, header_size);
    if (send(netlink->fd, request, message->nlmsg_len, 0) < 0)
        return error_errno(err, errno, "cannot ask the kernel for a list");
    return collect(netlink, message->nlmsg_seq, true, "list", each, ctx, err);
}

bool netlink_ask(struct netlink *netlink, void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx,
                 struct error *err)
{
    ASSERT(netlink->messages.length == 1);
    struct message about = *(struct message *)vec_at(&netlink->messages, 0);
    ssize_t sent = send(netlink->fd, netlink->data, end_of_last(netlink), 0);
    netlink_drop(netlink);
    if (sent < 0) return error_errno(err, errno, "%s", about.what);
    return collect(netlink, about.seq, false, about.what, each, ctx, err);
}

static bool open_socket(int bus, int *ret_fd, struct error *err)
{
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
    if (fd < 0) return error_errno(err, errno, "cannot open a netlink socket");
    int on = 1;
    struct timeval patience = {.tv_sec = 5};
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_errno(err, errno, "cannot prepare a netlink socket");
    if (bus == NETLINK_ROUTE && setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
        return error_errno(err, errno, "cannot prepare a netlink socket");
    *ret_fd = fd;
    fd = -1;
    return true;
}

static size_t end_of_last(const struct netlink *netlink)
{
    if (netlink->messages.length == 0) return 0;
    const struct message *last = vec_at(&netlink->messages, netlink->messages.length - 1);
    struct nlmsghdr header;
    memcpy(&header, netlink->data + last->offset, sizeof(header));
    ASSERT(header.nlmsg_len <= MESSAGE_SIZE_MAX);
    return last->offset + NLMSG_ALIGN((size_t)header.nlmsg_len);
}

/* Sends messages first … first + length - 1 at once and waits for the answer of each. */
static bool exchange(struct netlink *netlink, size_t first, size_t length, bool *failed, struct error *err)
{
    const struct message *begin = vec_at(&netlink->messages, first);
    size_t end = first + length < netlink->messages.length
                     ? ((struct message *)vec_at(&netlink->messages, first + length))->offset
                     : end_of_last(netlink);
    struct error fault;
    if (send(netlink->fd, netlink->data + begin->offset, end - begin->offset, 0) < 0) {
        error_errno(&fault, errno, "%s: cannot send to the kernel", begin->what);
        goto broken;
    }
    for (size_t answered = 0; answered < length;) {
        ssize_t size = recv(netlink->fd, netlink->answer, ANSWER_SIZE_MAX, 0);
        if (size < 0) {
            error_errno(&fault, errno, "%s: the kernel does not answer", begin->what);
            goto broken;
        }
        int left = (int)size;
        for (struct nlmsghdr *answer = (struct nlmsghdr *)(void *)netlink->answer; mnl_nlmsg_ok(answer, left);
             answer = mnl_nlmsg_next(answer, &left)) {
            if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_seq < begin->seq) continue;
            size_t index = first + (answer->nlmsg_seq - begin->seq);
            if (index >= first + length) continue;
            judge(vec_at(&netlink->messages, index), answer, failed, err);
            answered++;
        }
    }
    return true;
broken:
    if (!*failed) *err = fault;
    return false;
}

static void judge(const struct message *message, const struct nlmsghdr *answer, bool *failed,
                  struct error *err)
{
    const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(answer);
    if (verdict->error == 0 || is_fine(message->fine, -verdict->error) || *failed) return;
    *failed = true;
    const char *text = kernel_text(answer);
    error_errno(err, -verdict->error, "%s%s%s", message->what, text == NULL ? "" : ": ",
                text == NULL ? "" : text);
    if (verdict->error == -EEXIST)
        err->code = ERROR_CONFLICT;
    else if (is_fine(NETLINK_FINE_MISSING, -verdict->error))
        err->code = ERROR_NOT_FOUND;
}

/* The extended acknowledgement's words, or NULL. */
static const char *kernel_text(const struct nlmsghdr *answer)
{
    if ((answer->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return NULL;
    const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(answer);
    size_t skip = sizeof(*verdict);
    if ((answer->nlmsg_flags & NLM_F_CAPPED) == 0)
        skip += NLMSG_ALIGN((size_t)verdict->msg.nlmsg_len) - sizeof(verdict->msg);
    const struct nlattr *attr;
    for (attr = netlink_attr(answer, skip, NULL); attr != NULL; attr = netlink_attr(answer, skip, attr)) {
        if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG) return mnl_attr_get_str(attr);
    }
    return NULL;
}

static bool is_fine(enum netlink_fine fine, int code)
{
    if (code == EEXIST) return (fine & NETLINK_FINE_EXISTS) != 0;
    if (code == ENOENT || code == ENODEV || code == ESRCH || code == EADDRNOTAVAIL)
        return (fine & NETLINK_FINE_MISSING) != 0;
    return false;
}

static bool collect(struct netlink *netlink, uint32_t seq, bool multi, const char *what,
                    void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx, struct error *err)
{
    const struct message about = {.fine = NETLINK_FINE_NONE};
    for (;;) {
        ssize_t size = recv(netlink->fd, netlink->answer, ANSWER_SIZE_MAX, 0);
        if (size < 0) return error_errno(err, errno, "%s: the kernel does not answer", what);
        int left = (int)size;
        for (struct nlmsghdr *answer = (struct nlmsghdr *)(void *)netlink->answer; mnl_nlmsg_ok(answer, left);
             answer = mnl_nlmsg_next(answer, &left)) {
            if (answer->nlmsg_seq != seq) continue;
            if (answer->nlmsg_type == NLMSG_DONE) return true;
            if (answer->nlmsg_type != NLMSG_ERROR) {
                each(ctx, answer);
                continue;
            }
            bool failed = false;
            judge(&about, answer, &failed, err);
            if (failed) return error_wrap(err, "%s", what);
            if (!multi) return true;
        }
    }
}
