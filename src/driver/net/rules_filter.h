/* The parties' filters of a farm on one host: which govern which member's port, and the chains that say so.
 * For rules.c only. */
#ifndef CROFT_DRIVER_NET_RULES_FILTER_H
#define CROFT_DRIVER_NET_RULES_FILTER_H

#include "driver/net/filter.h"

#include "model/host_document.h"

struct filter_book;

/* Of members that live at `underlay`; the others' ports are on other hosts. */
struct filter_book *filter_book_new(const struct host_farm *farm, uint32_t underlay,
                                    const struct filter_place *place);
void filter_book_free(struct filter_book *book); /* NULL is fine */

/* The chain that the packets of the member go through, FILTER_OUT: that it sends; NULL: none governs it. */
const char *filter_book_chain(const struct filter_book *book, uint32_t address,
                              enum filter_direction direction);
/* Do all filters on this host let it begin a connection? */
bool filter_book_pass(const struct filter_book *book, const struct filter_packet *packet);
/* May new deny what old let pass, at ports of members that both know? Says yes rather once too often. */
bool filter_book_shrink(const struct filter_book *old, const struct filter_book *new);

/* Commands: chains that new needs and old has not, or not so; and then, when nothing jumps there any more,
 * the end of those that only old has. old NULL: all of new. */
void filter_book_add(const struct filter_book *old, const struct filter_book *new, struct buf *text);
void filter_book_delete(const struct filter_book *old, const struct filter_book *new, struct buf *text);
/* The end of chains (char *) that an earlier process left, but for those that are the book's. */
void filter_book_delete_others(const struct filter_book *book, const struct vec *names, struct buf *text);
/* Is it the name of such a chain? */
bool filter_book_is_name(const char *chain);

#endif
