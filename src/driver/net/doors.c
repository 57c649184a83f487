#include "driver/net/doors.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/counters.h"
#include "driver/net/doors_rules.h"
#include "driver/net/netlink.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

struct doors {
    int ns_fd;
    char *table;
    struct nft *nft;
    struct netlink *track;     /* to the filters there */
    struct doors_rules *rules; /* NULL: what the kernel has is not known */
};

struct reading {
    const char *table;
    struct vec *names; /* char * */
};

static bool read_chains(struct doors *doors, struct vec *ret_names, struct error *err);
static void take_chain(void *ctx, const struct nlmsghdr *message);
static void free_names(struct vec *names);

bool doors_new(int ns_fd, const char *table, struct nft *nft, struct doors **ret_doors, struct error *err)
{
    /* It gets into commands. */
    if (table[0] == '\0' || table[strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
        return error_set(err, ERROR_INVALID, "\"%s\" cannot be the name of a table", table);
    struct doors *doors = mem_alloc(sizeof(*doors));
    *doors = (struct doors){.ns_fd = ns_fd, .table = mem_strdup(table), .nft = nft};
    if (!netlink_open(ns_fd, NETLINK_NETFILTER, &doors->track, err)) {
        doors_free(doors);
        return false;
    }
    *ret_doors = doors;
    return true;
}

void doors_free(struct doors *doors)
{
    if (doors == NULL) return;
    netlink_close(doors->track);
    doors_rules_free(doors->rules);
    mem_free(doors->table);
    mem_free(doors);
}

bool doors_set(struct doors *doors, const struct net_door *list, size_t length, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct vec left = VEC_OF(char *);
    struct doors_rules *rules = NULL;
    bool good = (doors->rules != NULL || read_chains(doors, &left, err)) &&
                doors_rules_new(list, length, doors->rules, &left, &rules, err);
    if (good) doors_rules_change(doors->table, doors->rules, &left, rules, &text);
    good = good && (text.size == 0 || nft_run(doors->nft, doors->ns_fd, buf_text(&text), err));
    free_names(&left);
    if (!good) {
        doors_rules_free(rules);
        return error_wrap(err, "cannot filter who comes to published addresses");
    }
    doors_rules_free(doors->rules);
    doors->rules = rules;
    return true;
}

bool doors_counters(struct doors *doors, struct vec *ret_counters, struct error *err)
{
    return doors->rules == NULL || doors_rules_is_empty(doors->rules) ||
           counters_read_doors(doors->track, doors->table, doors->rules, ret_counters, err);
}

static bool read_chains(struct doors *doors, struct vec *ret_names, struct error *err)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    struct reading reading = {.table = doors->table, .names = ret_names};
    return netlink_dump(doors->track, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN, &header, sizeof(header),
                        take_chain, &reading, err);
}

/* Others have tables there, too. */
static void take_chain(void *ctx, const struct nlmsghdr *message)
{
    const struct reading *reading = ctx;
    const struct nlattr *attr;
    const char *name = "", *table = "";
    for (attr = netlink_attr(message, sizeof(struct nfgenmsg), NULL); attr != NULL;
         attr = netlink_attr(message, sizeof(struct nfgenmsg), attr)) {
        if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME) name = mnl_attr_get_str(attr);
        if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE) table = mnl_attr_get_str(attr);
    }
    if (text_equal(table, reading->table) && doors_is_chain(name))
        *(char **)vec_push(reading->names) = mem_strdup(name);
}

static void free_names(struct vec *names)
{
    for (size_t i = 0; i < names->length; i++)
        mem_free(*(char **)vec_at(names, i));
    vec_free(names);
}
