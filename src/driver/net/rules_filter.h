/* The parties' filters of a farm on one host: a chain for each of them, and one for each member here that
 * jumps to those that govern it, outermost first. For rules.c only. */
#ifndef CROFT_DRIVER_NET_RULES_FILTER_H
#define CROFT_DRIVER_NET_RULES_FILTER_H

#include "driver/net/filter.h"

#include "model/host_document.h"

struct filter_book;

/* Of members that live at `underlay`; the others' ports are on other hosts. before: what is likely to have
 * filters that are compiled already; or NULL. */
struct filter_book *filter_book_new(const struct host_farm *farm, uint32_t underlay,
                                    const struct filter_place *place, const struct filter_book *before);
void filter_book_free(struct filter_book *book); /* NULL is fine */

/* The chain that the packets of the member go through, FILTER_OUT: that it sends; into `out`, which holds 16
 * bytes. NULL: it has none, as it lives elsewhere or the farm has no filters. */
const char *filter_book_chain(const struct filter_book *book, uint32_t address,
                              enum filter_direction direction, char *out);
/* Adds who is judged by which filter (char *, the caller's to mem_free()), as rules_text_forget_judged() has
 * it. */
void filter_book_judged(const struct filter_book *book, struct vec *ret_judged);
/* The full name of the filter with this filter_mark(), if it governs anybody here; else NULL. */
const char *filter_book_name(const struct filter_book *book, uint32_t mark);
/* Does a filter on `on`, of the farm's list, govern this member's port? */
bool filter_on_governs(const char *on, const char *farm, const struct member *member);
/* Do all filters on this host let it begin a connection? */
bool filter_book_pass(const struct filter_book *book, const struct filter_packet *packet);
/* May new deny what old let pass between members that old knew? Says yes rather once too often. */
bool filter_book_shrink(const struct filter_book *old, const struct filter_book *new);

/* Commands: chains that new has and old has not, or not so; and then, when nothing jumps there any more, the
 * end of those that only old has. old NULL: all of new, and all are there or none. */
void filter_book_add(const struct filter_book *old, const struct filter_book *new, struct buf *text);
void filter_book_delete(const struct filter_book *old, const struct filter_book *new, struct buf *text);
/* The end of chains (char *) that an earlier process left, but for those that are the book's. */
void filter_book_delete_others(const struct filter_book *book, const struct vec *names, struct buf *text);
/* Is it the name of such a chain? */
bool filter_book_is_name(const char *chain);

#endif
