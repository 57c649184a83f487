/* Text to checked intent: the strict, friendly reader of every document that people write. Pure. */
#ifndef CROFT_SPEC_SPEC_H
#define CROFT_SPEC_SPEC_H

#include "model/schemas.h"

struct document {
    const struct kind *kind;
    const char *name; /* full: a farm's "acme/shop" */
    unsigned line, column;
    const struct node *node; /* where each field stands in the text; NULL: it did not come from one */
    union {
        struct host *host;
        struct party *party;
        struct farm *farm;
        struct image *image;
        struct pool *pool;
        struct sla *sla;
        struct scaling_rules *scaling_rules;
        struct filter *filter;
        struct lease *lease;
        struct contact *contact;
        struct party_key *key;
    };
};

struct documents {
    const struct document *items;
    size_t length;
};

/* Reads YAML 1.2 or JSON, one or many documents. All of it is valid or the first wrong place is told:
 * err->file is `file`, with line, column, field. What is checked: form, types, ranges, limits, and what a
 * document says about itself (a tier that `allow` names must be there; sizes of the subnet; doubled names;
 * two documents for one thing in the same text). Kinds of later issues are refused as not supported yet. */
MUST_CHECK bool spec_read(struct arena *arena, const char *file, const char *text, size_t size,
                          struct documents *ret_documents, struct error *err);

/* What only the rest of the grid can tell: references to parties, images, quotas of parties that exist after
 * all of the documents are applied to the snapshot. err as of spec_read(). */
MUST_CHECK bool spec_check(const struct snapshot *snapshot, const struct documents *documents,
                           const char *file, struct error *err);

/* The one-line form of an error about a document: "FILE:LINE:COLUMN: FIELD: message"; what is not known of it
 * is left out. Adds to ret_line, without a newline. */
void spec_format_error(const struct error *err, struct buf *ret_line);

/* YAML into a tree, for texts that are not documents (plan scenarios, policies). */
MUST_CHECK bool spec_read_yaml(struct arena *arena, const char *text, size_t size, struct node *ret_documents,
                               struct error *err); /* a list of the stream's documents */

#endif
