/* What may be in a layer: one judgement for import and unpacking. */
#ifndef CROFT_DRIVER_IMAGE_ENTRY_H
#define CROFT_DRIVER_IMAGE_ENTRY_H

#include "base/error.h"

#include <stdint.h>

struct archive_entry;
struct entry_judge;

struct entry_judge *entry_judge_new(void);
void entry_judge_free(struct entry_judge *judge); /* NULL is fine */
/* Refuses what leaves the root ("..", absolute, through a link that the archive made), owners beyond 65535,
 * and too much (16 GiB, a million entries). Skips (*ret_skip) devices and sockets. *ret_path: without "./"
 * and '/' at the end, "" for the root itself; valid until the next call. */
MUST_CHECK bool entry_judge(struct entry_judge *judge, struct archive_entry *entry, const char **ret_path,
                            bool *ret_skip, struct error *err);

#endif
