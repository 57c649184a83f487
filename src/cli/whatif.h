/* The answers of `croft whatif`, written for programs and for people. */
#ifndef CROFT_CLI_WHATIF_H
#define CROFT_CLI_WHATIF_H

#include "cli/table.h"
#include "plan/whatif/whatif.h"

/* seconds: how long the question took, without the reading. */
void whatif_json(const struct whatif_answer *answer, double seconds, struct buf *ret_json);
/* A sentence, a picture of the zones, what moves, what is lost, farms that change, what is survived besides.
 */
void whatif_text(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);

#endif
