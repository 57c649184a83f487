/* The join token: what a new agent has to know to join, and to know that it joins the right grid. It is the
 * secret and the authority's certificate in one text: SECRET.HEX(PEM). */
#ifndef CROFT_CLI_JOIN_H
#define CROFT_CLI_JOIN_H

#include "base/buf.h"
#include "base/error.h"

void join_token_write(const char *secret, const char *authority, struct buf *ret_token);
/* Both texts are added to empty buffers. */
MUST_CHECK bool join_token_read(const char *token, struct buf *ret_secret, struct buf *ret_authority,
                                struct error *err);

#endif
