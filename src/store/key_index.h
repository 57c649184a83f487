/* An ordered index from keys to pointers: a skip list (W. Pugh, "Skip Lists: A Probabilistic Alternative to
 * Balanced Trees", CACM 33(6), 1990). Its dice are a hash of the key, so that it is the same on every run. */
#ifndef CROFT_STORE_KEY_INDEX_H
#define CROFT_STORE_KEY_INDEX_H

struct key_index;
struct key_entry;

struct key_index *key_index_new(void);
void key_index_free(struct key_index *index); /* NULL is fine; values are the caller's */

/* NULL when absent. */
void *key_index_get(const struct key_index *index, const char *key);
/* Adds the key (copied) or gives it another value. value != NULL. */
void key_index_put(struct key_index *index, const char *key, void *value);
/* A key that is present. */
void key_index_remove(struct key_index *index, const char *key);

/* The first entry at or behind the key in byte order, and the one behind an entry; NULL at the end. They
 * hold until the entry is removed. */
const struct key_entry *key_index_seek(const struct key_index *index, const char *key);
const struct key_entry *key_entry_next(const struct key_entry *entry);
const char *key_entry_key(const struct key_entry *entry);
void *key_entry_value(const struct key_entry *entry);

#endif
