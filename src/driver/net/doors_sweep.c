#include "driver/net/doors_sweep.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "driver/net/netlink.h"
#include "driver/net/nft.h"
#include "driver/net/ns.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

struct reading {
    const char *table;
    bool begins;       /* and all whose names begin so */
    struct vec *names; /* char * */
};

static void take_table(void *ctx, const struct nlmsghdr *message);

bool doors_sweep(const char *table, bool begins, struct error *err)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    CLEANUP_NETLINK struct netlink *netlink = NULL;
    CLEANUP_BUF struct buf text = {0};
    struct vec names = VEC_OF(char *);
    struct reading reading = {.table = table, .begins = begins, .names = &names};
    CLEANUP_FD int ns_fd = -1;
    struct nft *nft = NULL;
    bool good = ns_current(&ns_fd, err) && netlink_open(ns_fd, NETLINK_NETFILTER, &netlink, err) &&
                netlink_dump(netlink, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, &header, sizeof(header),
                             take_table, &reading, err);
    /* One that goes meanwhile is no error. */
    for (size_t i = 0; i < names.length; i++)
        buf_printf(&text, "add table inet %s\ndelete table inet %s\n", *(char **)vec_at(&names, i),
                   *(char **)vec_at(&names, i));
    good = good && (text.size == 0 || (nft_new(&nft, err) && nft_run(nft, ns_fd, buf_text(&text), err)));
    nft_free(nft);
    for (size_t i = 0; i < names.length; i++)
        mem_free(*(char **)vec_at(&names, i));
    vec_free(&names);
    return good || error_wrap(err, "cannot take away filters of published addresses");
}

static void take_table(void *ctx, const struct nlmsghdr *message)
{
    const struct reading *reading = ctx;
    const struct nlattr *attr;
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        const char *name = mnl_attr_get_payload(attr);
        if (mnl_attr_get_type(attr) != NFTA_TABLE_NAME) continue;
        if (text_equal(name, reading->table) || (reading->begins && text_starts(name, reading->table)))
            *(char **)vec_push(reading->names) = mem_strdup(name);
    }
}
