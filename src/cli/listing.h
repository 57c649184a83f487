/* Items of the API as rows and columns: which columns a kind has, and how an item fills them. */
#ifndef CROFT_CLI_LISTING_H
#define CROFT_CLI_LISTING_H

#include "cli/cli.h"
#include "cli/span.h"

/* The flat object of an item: its "status", or itself when it is nobody's document. */
struct span listing_flat(struct span item);
/* What calls the thing in commands: "acme/shop", of images "landlord/hello:1". */
const char *listing_name(struct arena *arena, struct span flat);
/* A table with the columns of the kind (plural). */
struct table *listing_table(const char *kind);
void listing_row(struct arena *arena, const char *kind, struct span flat, int64_t now_ms,
                 struct table *table);
/* "3m" since a time as the API writes it; "" when it is none. */
const char *listing_age(struct arena *arena, const char *time, int64_t now_ms);
int64_t listing_now_ms(void);
/* Bytes as people read them, with three digits at most; what is no number of bytes stays as it is. */
const char *listing_amount(struct arena *arena, const char *text);

#endif
