/* An error as the document that answers a request which failed (RFC 9457), and back. */
#ifndef CROFT_MODEL_PROBLEM_H
#define CROFT_MODEL_PROBLEM_H

#include "base/buf.h"
#include "base/error.h"

/* Adds it as one line of JSON; status is that of the answer it is sent with. */
void problem_write(const struct error *err, int status, struct buf *ret_json);

/* Fills *ret_err from the body of an answer that says it failed. The code is the one the document names, else
 * the one that the status stands for. false: the body is no problem document; *ret_err is untouched. */
MUST_CHECK bool problem_read(const char *json, size_t size, int status, struct error *ret_err);

#endif
