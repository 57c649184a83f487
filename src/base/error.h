/* The one error convention.
 *
 * A function that can fail returns bool (true: done) and takes `struct error *err` last; err is never NULL
 * and need not be initialised. On failure it fills *err and leaves every ret_… output untouched. On success
 * it does not touch *err. Whoever passes a failure on may put context in front with error_wrap().
 *
 * A message is one line for people: what failed, why, and what to do. It does not end in a full stop or a
 * newline, and starts in lower case, so that wrapped messages read as one sentence.
 */
#ifndef CROFT_BASE_ERROR_H
#define CROFT_BASE_ERROR_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/* What kind of failure; decides the exit code of the command line and the status of the API. */
enum error_code {
    ERROR_NONE = 0,
    ERROR_INVALID,     /* the input is wrong (exit 1, HTTP 422) */
    ERROR_REFUSED,     /* understood and refused: quota, rule, state (exit 1, HTTP 409) */
    ERROR_FAILED,      /* an outside effect failed: I/O, kernel, program (exit 1, HTTP 500) */
    ERROR_USAGE,       /* wrong usage of a command (exit 2, HTTP 400) */
    ERROR_NOT_FOUND,   /* (exit 3, HTTP 404) */
    ERROR_CONFLICT,    /* somebody changed it first (exit 4, HTTP 412) */
    ERROR_UNREACHABLE, /* no answer from the other side (exit 5, HTTP 502) */
    ERROR_TIMEOUT,     /* it did not happen in time (exit 6, HTTP 504) */
    ERROR_DENIED,      /* not allowed for this caller (exit 1, HTTP 403; 401 when nobody in particular) */
    ERROR_TOO_LARGE,   /* a stated limit was passed (exit 1, HTTP 413) */
};

struct error {
    enum error_code code;
    int http_status;    /* that of the answer it came with; 0: what the code gives */
    char message[1024]; /* cut, never overrun, when longer */
    /* For bad documents: where in the input. file is "" and line 0 when it is not about a document. */
    char file[256];
    char field[256];         /* path of the field: tiers[0].size.memory */
    unsigned line;           /* counts from 1 */
    unsigned column;         /* counts from 1 */
    const char *source_file; /* where in croft's own source it came from: static string */
    int source_line;
};

/* Fills *err (no document position) and returns false, so that `return error_set(err, …)` reads well. */
#define error_set(err, code, ...) error_fill((err), (code), __FILE__, __LINE__, __VA_ARGS__)

/* As error_set() with ": " and the text of errno_value behind the message; code is ERROR_FAILED. */
#define error_errno(err, errno_value, ...) \
    error_fill_errno((err), (errno_value), __FILE__, __LINE__, __VA_ARGS__)

bool error_fill(struct error *err, enum error_code code, const char *source_file, int source_line,
                const char *format, ...) PRINTF_LIKE(5, 6);
bool error_fill_errno(struct error *err, int errno_value, const char *source_file, int source_line,
                      const char *format, ...) PRINTF_LIKE(5, 6);

/* Puts "formatted: " in front of the message of a filled *err; returns false. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Exit code of the command line (model.md) and HTTP status for a code. ERROR_NONE gives 0 and 200. */
int error_exit_code(enum error_code code);
int error_http_status(enum error_code code);
/* The code an HTTP status of our API stands for; the inverse of error_http_status(). */
enum error_code error_from_http_status(int status);
/* "invalid", "not found", …: static string. */
const char *error_code_name(enum error_code code);

#endif
