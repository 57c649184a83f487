/* Texts that are kept once: in a large grid most texts (hosts, farms, tiers, images) are said again and
 * again. */
#ifndef CROFT_BASE_TEXTS_H
#define CROFT_BASE_TEXTS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The texts are the arena's and stay when the set is freed. */
struct texts;
struct texts *texts_new(struct arena *arena);
void texts_free(struct texts *texts); /* NULL is fine */
void texts_freep(struct texts **texts);

/* A copy of the `size` bytes (no zero among them), followed by a zero: the same pointer for the same text. */
const char *texts_keep(struct texts *texts, const char *text, size_t size);
/* A copy of a text that is hardly said twice: it is not looked up. */
const char *texts_copy(struct texts *texts, const char *text, size_t size);
/* A number that is kept with a text, 0 at first. `kept` came from texts_keep() of this set. */
uint32_t texts_note(const char *kept);
void texts_set_note(const char *kept, uint32_t note);

#endif
