/* The words of the ruleset: tables, chains and sets as nftables reads them. For rules.c only. */
#ifndef CROFT_DRIVER_NET_RULES_TEXT_H
#define CROFT_DRIVER_NET_RULES_TEXT_H

#include "driver/net/rules.h"

#include "base/vec.h"

enum rules_set {
    RULES_SET_IDENTITY,       /* port . MAC . address */
    RULES_SET_ARP,            /* port . MAC . sender's MAC . sender's address */
    RULES_SET_PORTS,          /* port . MAC */
    RULES_SET_TIER,           /* address : number of its tier */
    RULES_SET_ALLOW_PORT,     /* tier . tier . protocol . ports */
    RULES_SET_ALLOW_PROTOCOL, /* tier . tier . protocol */
    RULES_SET_ALLOW_ALL,      /* tier . tier */
    RULES_SET_LEAVING,        /* port of a member that may send to the outside */
    RULES_SET_REFUSED,        /* addresses outside that nobody may send to */
    RULES_SET_SELF,           /* address . the same address: compares two fields of a packet */
    RULES_SET_FILTERS_OUT,    /* address of a member here : what judges that it sends */
    RULES_SET_FILTERS_IN,     /* address of a member here : what judges that it gets */
    RULES_SET_LOCAL,          /* address of a member here : MAC */
    RULES_SETS
};

/* Declares tables, sets and chains, empties them but for the counters of denials, and fills the chains. */
void rules_text_tables(uint32_t gateway, struct prefix subnet, struct buf *text);
/* One command with all elements (char *); nothing when there are none. verb: "add" or "delete". */
void rules_text_elements(const char *verb, enum rules_set set, const struct vec *elements, struct buf *text);
/* Drops the counters and rates of the member with this address, whether there are any or not. */
void rules_text_forget(uint32_t address, struct buf *text);

/* The same of what one filter each denied at one port: "10.0.0.2 . 0x00000007", address and filter_mark().
 * Sorted.
 */
void rules_text_forget_judged(const struct vec *judged, struct buf *text);

/* "10.0.0.0-10.0.0.255"; the caller's to mem_free(). */
char *rules_text_range(const struct rules_range *range);

#endif
