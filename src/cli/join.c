#include "cli/join.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static int digit(char c);

void join_token_write(const char *secret, const char *authority, struct buf *ret_token)
{
    buf_printf(ret_token, "%s.", secret);
    for (const char *c = authority; *c; c++)
        buf_printf(ret_token, "%02x", (unsigned char)*c);
}

bool join_token_read(const char *token, struct buf *ret_secret, struct buf *ret_authority, struct error *err)
{
    const char *dot = strchr(token, '.');
    size_t size = dot ? strcspn(dot + 1, " \t\r\n") : 0;

    if (!dot || dot == token || size == 0 || size % 2)
        return error_set(err, ERROR_INVALID, "that is no join token: take the whole line of join.token");
    for (size_t i = 0; i < size; i++)
        if (digit(dot[1 + i]) < 0)
            return error_set(err, ERROR_INVALID,
                             "the join token is damaged: take the whole line of join.token");
    buf_add(ret_secret, token, (size_t)(dot - token));
    for (size_t i = 0; i < size; i += 2)
        buf_add_char(ret_authority, (char)(digit(dot[1 + i]) * 16 + digit(dot[2 + i])));
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}
