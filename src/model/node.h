/* A parsed text before it has a type: what YAML and JSON have in common, with positions. */
#ifndef CROFT_MODEL_NODE_H
#define CROFT_MODEL_NODE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

enum node_kind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    const char *text;         /* of a scalar, as written: "true", "0.5", "web" */
    const char *key;          /* when it is a value of a map, else NULL */
    const struct node *items; /* of a list or a map */
    size_t length;
    unsigned line, column; /* from 1; of the key for values of a map's unknown-key errors: key_line… */
    unsigned key_line, key_column;
};

/* Seeds the hashes of objects for the whole process, so that nobody can choose keys that collide. Only the
 * first call counts, and none after the first text was read. No result depends on the seed. */
void node_seed(uint32_t seed);
/* JSON (RFC 8259) into a tree in the arena; line and column are those of the text where known, else 0.
 * Depth at most 64. For texts that croft wrote itself or got from its peers: fast, errors are terse. */
MUST_CHECK bool node_from_json(struct arena *arena, const char *text, size_t size, struct node *ret_node,
                               struct error *err);
/* What an unquoted scalar is by the core schema of YAML 1.2 (section 10.3): null, bool, number or string. */
enum node_kind node_kind_of_plain(const char *text);
/* "the text \"web\"", "the number 5", "a list": for messages. Into the arena. */
const char *node_describe(struct arena *arena, const struct node *node);
/* The value under the key of a map, or NULL (also when node is NULL or no map). */
const struct node *node_get(const struct node *node, const char *key);
/* The text of the scalar under the key, or fallback. */
const char *node_text(const struct node *node, const char *key, const char *fallback);
/* The integer under the key, or fallback when absent or not one. */
int64_t node_int(const struct node *node, const char *key, int64_t fallback);
bool node_bool(const struct node *node, const char *key, bool fallback);
/* Canonical JSON, one line, keys in the tree's order. */
void node_to_json(const struct node *node, struct buf *ret_json);
/* Indented JSON for people, and YAML (block style, quoted where YAML 1.2 needs it). */
void node_to_pretty_json(const struct node *node, struct buf *ret_json);
void node_to_yaml(const struct node *node, struct buf *ret_yaml);

#endif
