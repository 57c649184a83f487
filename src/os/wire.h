/* HTTP/1.1 as text (RFC 9112): parses and writes heads, and takes bodies apart. Pure: no descriptor, no loop.
 *
 * Strict where leniency is how requests get smuggled: lines end in CRLF, no space before a colon, no folded
 * lines, one Content-Length or one `Transfer-Encoding: chunked` and never both. */
#ifndef CROFT_OS_WIRE_H
#define CROFT_OS_WIRE_H

#include "base/buf.h"
#include "port/net.h"

#define WIRE_HEAD_SIZE_MAX ((size_t)64 * 1024)
#define WIRE_HEADERS_MAX ((size_t)128)
#define WIRE_BODY_SIZE_MAX ((size_t)16 * 1024 * 1024)

/* How long a body is. */
enum wire_length {
    WIRE_NO_BODY,
    WIRE_SIZED, /* Content-Length, in content_size */
    WIRE_CHUNKED,
    WIRE_TO_CLOSE, /* answers only */
};

struct wire_head {
    char *text; /* owns what the rest points into */
    struct header *headers;
    size_t headers_length;
    const char *method; /* requests */
    const char *path;
    int status;   /* answers */
    bool minor_0; /* HTTP/1.0: no chunks */
    bool keep_alive;
    bool expects_continue;
    enum wire_length length;
    uint64_t content_size;
};

/* Takes `size` bytes that end with the empty line. False: *ret_status is what to answer (400, 501, 505). */
MUST_CHECK bool wire_parse_request(const char *head, size_t size, struct wire_head *ret_head,
                                   int *ret_status);
/* to_head: the answer is to a HEAD request, which has no body whatever its headers say. */
MUST_CHECK bool wire_parse_answer(const char *head, size_t size, bool to_head, struct wire_head *ret_head);
void wire_head_free(struct wire_head *head);
const char *wire_find(const struct header *headers, size_t length, const char *name); /* NULL: absent */

/* A body under way. Zero-initialise with length and left. */
struct wire_body {
    enum wire_length length;
    uint64_t left; /* of the body, or of the chunk */
    unsigned state;
    unsigned digits;
    size_t line_size;
};

enum wire_step {
    WIRE_MORE,  /* all of the input is used up */
    WIRE_PIECE, /* *ret_piece … is part of the body; go on behind *ret_used */
    WIRE_DONE,  /* the body is complete at *ret_used */
    WIRE_BAD,
};

struct wire_body wire_body_of(const struct wire_head *head);
enum wire_step wire_body_step(struct wire_body *body, const char *data, size_t size, size_t *ret_used,
                              const char **ret_piece, size_t *ret_piece_size);

/* Writing. A control character in a header would end its line and start another: it is sent as a space. */
void wire_add_request(struct buf *buf, const struct request *request, const char *host);
/* size < 0: no length is told (chunks, or until close). Adds the empty line. */
void wire_add_answer(struct buf *buf, int status, const struct header *headers, size_t headers_length,
                     int64_t size, bool chunked, bool keep_alive);
/* Whether an answer of this status to this method has a body (RFC 9110 section 6.4.1). */
bool wire_has_body(const char *method, int status);

const char *wire_reason(int status); /* "Not Found" */

#endif
