#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Messages are printed with this much to spare, to see whether the cut falls inside a UTF-8 character. */
#define CHARACTER_SIZE_MAX 4

struct code_row {
    const char *name;
    int exit_code;
    int http_status;
};

/* The table of error.h: exit codes as model.md promises them to scripts. */
static const struct code_row rows[] = {
    [ERROR_NONE] = {"none", 0, 200},           [ERROR_INVALID] = {"invalid", 1, 422},
    [ERROR_REFUSED] = {"refused", 1, 409},     [ERROR_FAILED] = {"failed", 1, 500},
    [ERROR_USAGE] = {"usage", 2, 400},         [ERROR_NOT_FOUND] = {"not found", 3, 404},
    [ERROR_CONFLICT] = {"conflict", 4, 412},   [ERROR_UNREACHABLE] = {"unreachable", 5, 502},
    [ERROR_TIMEOUT] = {"timeout", 6, 504},     [ERROR_DENIED] = {"denied", 1, 403},
    [ERROR_TOO_LARGE] = {"too large", 1, 413},
};

static const struct code_row *row_of(enum error_code code);
static void fill(struct error *err, enum error_code code, const char *source_file, int source_line,
                 const char *message);
static void set_message(struct error *err, const char *message);
static size_t cut_at_character(const char *text, size_t size);

void assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "croft: broken invariant at %s:%d: %s\n", file, line, expression);
    abort();
}

bool error_fill(struct error *err, enum error_code code, const char *source_file, int source_line,
                const char *format, ...)
{
    /* A copy first: the arguments may point into *err. */
    char message[sizeof(err->message) + CHARACTER_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    fill(err, code, source_file, source_line, message);
    return false;
}

bool error_fill_errno(struct error *err, int errno_value, const char *source_file, int source_line,
                      const char *format, ...)
{
    char message[sizeof(err->message) + CHARACTER_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);

    char unknown[32];
    const char *reason = strerrordesc_np(errno_value); /* no locale, no shared buffer */
    if (reason == NULL) {
        length = snprintf(unknown, sizeof(unknown), "error %d", errno_value);
        ASSERT(length > 0);
        reason = unknown;
    }
    fill(err, ERROR_FAILED, source_file, source_line, message);
    /* The reason matters more than the end of a long message. */
    size_t room = sizeof(err->message) - strlen(reason) - 3;
    size_t size = strlen(err->message);
    size = size > room ? cut_at_character(err->message, room) : size;
    memcpy(err->message + size, ": ", 2);
    memcpy(err->message + size + 2, reason, strlen(reason) + 1);
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    ASSERT(err != NULL);
    const size_t front_size = sizeof(err->message) + CHARACTER_SIZE_MAX;
    char message[2 * sizeof(err->message) + CHARACTER_SIZE_MAX + 2];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, front_size, format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    size_t size = strlen(message);
    memcpy(message + size, ": ", 2);
    memcpy(message + size + 2, err->message, strlen(err->message) + 1);
    set_message(err, message);
    return false;
}

int error_exit_code(enum error_code code)
{
    return row_of(code)->exit_code;
}

int error_http_status(enum error_code code)
{
    return row_of(code)->http_status;
}

enum error_code error_from_http_status(int status)
{
    if (status >= 200 && status < 300) return ERROR_NONE;
    for (size_t i = 1; i < LENGTH(rows); i++)
        if (rows[i].http_status == status) return (enum error_code)i;
    if (status == 401) return ERROR_DENIED;
    if (status == 503) return ERROR_UNREACHABLE; /* a proxy in front that has nobody behind it */
    return status >= 400 && status < 500 ? ERROR_USAGE : ERROR_FAILED;
}

const char *error_code_name(enum error_code code)
{
    return row_of(code)->name;
}

static const struct code_row *row_of(enum error_code code)
{
    ASSERT((size_t)code < LENGTH(rows));
    return &rows[code];
}

static void fill(struct error *err, enum error_code code, const char *source_file, int source_line,
                 const char *message)
{
    ASSERT(err != NULL);
    ASSERT(code != ERROR_NONE && (size_t)code < LENGTH(rows));
    err->code = code;
    err->http_status = 0;
    err->file[0] = '\0';
    err->field[0] = '\0';
    err->line = 0;
    err->column = 0;
    err->source_file = source_file;
    err->source_line = source_line;
    set_message(err, message);
}

/* One line, whatever was quoted in it: control characters become spaces. */
static void set_message(struct error *err, const char *message)
{
    size_t size = strlen(message);
    if (size >= sizeof(err->message)) size = cut_at_character(message, sizeof(err->message) - 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)message[i];
        err->message[i] = c < 0x20 || c == 0x7f ? ' ' : message[i];
    }
    err->message[size] = '\0';
}

/* The largest size <= `size` that does not end inside a UTF-8 character; text[size] is readable. */
static size_t cut_at_character(const char *text, size_t size)
{
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}
