/* Takes a body out of what arrives (RFC 9112 sections 6 and 7.1). */
#include "base/text.h"
#include "os/wire.h"

/* The most of a chunk's line (its extensions) and of all trailers. */
#define LINE_SIZE_MAX ((size_t)4096)
#define SIZE_DIGITS_MAX 15U /* 60 bits: cannot overflow */

/* Where in the chunked coding the next byte stands. */
enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_END, /* the LF of the line */
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START, /* at the beginning of a line */
    TRAILER,
    TRAILER_LF,
    LAST_LF,
};

static enum wire_step chunk_byte(struct wire_body *body, char c);
static enum wire_step chunk_size_byte(struct wire_body *body, char c);

struct wire_body wire_body_of(const struct wire_head *head)
{
    return (struct wire_body){.length = head->length,
                              .left = head->length == WIRE_SIZED ? head->content_size : 0};
}

enum wire_step wire_body_step(struct wire_body *body, const char *data, size_t size, size_t *ret_used,
                              const char **ret_piece, size_t *ret_piece_size)
{
    *ret_used = 0;
    if (body->length == WIRE_NO_BODY || (body->length == WIRE_SIZED && body->left == 0)) return WIRE_DONE;
    if (body->length == WIRE_CHUNKED) {
        while (body->state != CHUNK_DATA) {
            if (*ret_used == size) return WIRE_MORE;
            enum wire_step step = chunk_byte(body, data[(*ret_used)++]);
            if (step != WIRE_MORE) return step;
        }
    }
    size_t piece = size - *ret_used;
    if (piece == 0) return WIRE_MORE;
    if (body->length != WIRE_TO_CLOSE) {
        if (piece > body->left) piece = (size_t)body->left;
        body->left -= piece;
        if (body->length == WIRE_CHUNKED && body->left == 0) body->state = CHUNK_DATA_CR;
    }
    *ret_piece = data + *ret_used;
    *ret_piece_size = piece;
    *ret_used += piece;
    return WIRE_PIECE;
}

/* WIRE_MORE: go on; WIRE_DONE; WIRE_BAD. */
static enum wire_step chunk_byte(struct wire_body *body, char c)
{
    switch ((enum chunk_state)body->state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
    case CHUNK_SIZE_END:
        return chunk_size_byte(body, c);
    case CHUNK_DATA_CR:
        body->state = CHUNK_DATA_LF;
        return c == '\r' ? WIRE_MORE : WIRE_BAD;
    case CHUNK_DATA_LF:
        body->state = CHUNK_SIZE;
        body->digits = 0;
        body->line_size = 0;
        return c == '\n' ? WIRE_MORE : WIRE_BAD;
    case TRAILER_START:
        body->state = c == '\r' ? LAST_LF : TRAILER;
        return c == '\n' || ++body->line_size > LINE_SIZE_MAX ? WIRE_BAD : WIRE_MORE;
    case TRAILER:
        if (c == '\r') body->state = TRAILER_LF;
        return c == '\n' || ++body->line_size > LINE_SIZE_MAX ? WIRE_BAD : WIRE_MORE;
    case TRAILER_LF:
        body->state = TRAILER_START;
        return c == '\n' ? WIRE_MORE : WIRE_BAD;
    case LAST_LF:
        return c == '\n' ? WIRE_DONE : WIRE_BAD;
    case CHUNK_DATA:
        break;
    }
    UNREACHABLE();
}

static enum wire_step chunk_size_byte(struct wire_body *body, char c)
{
    if (body->state == CHUNK_SIZE_END) {
        body->state = body->left > 0 ? CHUNK_DATA : TRAILER_START;
        body->line_size = 0;
        return c == '\n' ? WIRE_MORE : WIRE_BAD;
    }
    if (body->state == CHUNK_SIZE && text_hex_digit(c) >= 0) {
        if (body->digits++ == SIZE_DIGITS_MAX) return WIRE_BAD;
        body->left = body->left * 16 + (uint64_t)text_hex_digit(c);
        return WIRE_MORE;
    }
    if (body->digits == 0 || c == '\n' || ++body->line_size > LINE_SIZE_MAX) return WIRE_BAD;
    if (c == '\r') {
        body->state = CHUNK_SIZE_END;
        return WIRE_MORE;
    }
    if (body->state == CHUNK_SIZE && c != ';' && c != ' ' && c != '\t') return WIRE_BAD;
    body->state = CHUNK_EXTENSION;
    return WIRE_MORE;
}
