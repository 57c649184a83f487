#include "driver/net/track.h"

#include "base/mem.h"
#include "base/vec.h"
#include "driver/net/ns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct walk {
    bool (*keep)(void *ctx, const struct track_entry *entry);
    void *ctx;
    struct vec doomed; /* struct doomed */
};

/* The original tuple as the kernel wrote it, and the entry's number, so that no later one is hit. */
struct doomed {
    char tuple[256];
    uint16_t tuple_size;
    uint32_t id;
    bool has_id;
};

static void look(void *ctx, const struct nlmsghdr *message);
static bool read_tuple(const struct nlattr *tuple, struct track_entry *ret_entry);
static void begin_delete(struct netlink *netlink, const struct doomed *doomed);

bool track_is_empty(int ns_fd)
{
    struct error ignored; /* not known: not empty */
    int back;
    char text[16] = "";
    if (!ns_enter(ns_fd, &back, &ignored)) return false;
    CLEANUP_FD int file = open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    ns_leave(back);
    return size > 0 && text[0] == '0';
}

bool track_prune(struct netlink *netlink, bool (*keep)(void *ctx, const struct track_entry *entry), void *ctx,
                 struct error *err)
{
    struct walk walk = {.keep = keep, .ctx = ctx, .doomed = VEC_OF(struct doomed)};
    const struct nfgenmsg header = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
    bool good = netlink_dump(netlink, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, &header,
                             sizeof(header), look, &walk, err);
    for (size_t i = 0; good && i < walk.doomed.length; i++)
        begin_delete(netlink, vec_at(&walk.doomed, i));
    good = good && netlink_commit(netlink, err);
    vec_free(&walk.doomed);
    return good || error_wrap(err, "cannot tidy connection tracking");
}

static void look(void *ctx, const struct nlmsghdr *message)
{
    struct walk *walk = ctx;
    const struct nlattr *attr, *tuple = NULL, *id = NULL;
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG)
            tuple = attr;
        else if (mnl_attr_get_type(attr) == CTA_ID)
            id = attr;
    }
    struct track_entry entry = {0};
    if (tuple == NULL || !read_tuple(tuple, &entry) || walk->keep(walk->ctx, &entry)) return;
    uint16_t size = mnl_attr_get_payload_len(tuple);
    ASSERT(size <= sizeof(((struct doomed *)NULL)->tuple));
    struct doomed *doomed = vec_push(&walk->doomed);
    doomed->tuple_size = size;
    memcpy(doomed->tuple, mnl_attr_get_payload(tuple), size);
    doomed->has_id = id != NULL;
    if (id != NULL) doomed->id = mnl_attr_get_u32(id);
}

static bool read_tuple(const struct nlattr *tuple, struct track_entry *ret_entry)
{
    struct track_entry entry = {0};
    const struct nlattr *part, *attr;
    bool addressed = false;
    for (part = netlink_nested(tuple, NULL); part != NULL; part = netlink_nested(tuple, part)) {
        for (attr = netlink_nested(part, NULL); attr != NULL; attr = netlink_nested(part, attr)) {
            uint16_t kind = mnl_attr_get_type(part), type = mnl_attr_get_type(attr);
            if (kind == CTA_TUPLE_IP && type == CTA_IP_V4_SRC)
                entry.from = ntohl(mnl_attr_get_u32(attr));
            else if (kind == CTA_TUPLE_IP && type == CTA_IP_V4_DST) {
                entry.to = ntohl(mnl_attr_get_u32(attr));
                addressed = true;
            } else if (kind == CTA_TUPLE_PROTO && type == CTA_PROTO_NUM)
                entry.protocol = mnl_attr_get_u8(attr);
            else if (kind == CTA_TUPLE_PROTO && type == CTA_PROTO_SRC_PORT)
                entry.from_port = ntohs(mnl_attr_get_u16(attr));
            else if (kind == CTA_TUPLE_PROTO && type == CTA_PROTO_DST_PORT)
                entry.port = ntohs(mnl_attr_get_u16(attr));
        }
    }
    if (addressed) *ret_entry = entry;
    return addressed;
}

static void begin_delete(struct netlink *netlink, const struct doomed *doomed)
{
    struct nlmsghdr *message = netlink_begin(netlink, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0,
                                             NETLINK_FINE_MISSING, "delete", "connection");
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = AF_INET;
    header->version = NFNETLINK_V0;
    mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, doomed->tuple_size, doomed->tuple);
    if (doomed->has_id) mnl_attr_put_u32(message, CTA_ID, doomed->id);
}
