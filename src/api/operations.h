/* What the API serves: the table from which it describes itself, and from which 405 is answered. */
#ifndef CROFT_API_OPERATIONS_H
#define CROFT_API_OPERATIONS_H

#include <stddef.h>

enum access {
    FOR_TOKENS,
    FOR_ALL,
    FOR_LANDLORD /* or without a token, on the same machine */
};

struct operation {
    const char *path, *method, *summary;
    const char *body;   /* schema of the request's body, or NULL: none; "bytes", "documents": not JSON */
    const char *answer; /* schema of the answer, "…[]": a list of it; "text", "lines": not JSON; NULL: {} */
    const char *queries;  /* names of parameters behind '?', separated by blanks; NULL: none */
    const char *statuses; /* that it may answer, besides 401 and those that any may (default) */
    enum access access;
};

/* A parameter behind '?', or a header. */
struct parameter {
    const char *name, *type, *help;
};

/* An object that is no document. Its members, separated by blanks: `name:TYPE`, or `name?:TYPE` when it is
 * not always there. TYPE is string, integer, number, boolean, base64, status (an integer or null), measure (a
 * number or null), the name of another shape, =one,of,these or [TYPE] for a list of it. */
struct shape {
    const char *name, *members;
};

extern const struct operation api_operations[];
extern const size_t api_operations_length;
extern const struct parameter api_parameters[];
extern const size_t api_parameters_length;
extern const struct shape api_shapes[];
extern const size_t api_shapes_length;

#endif
