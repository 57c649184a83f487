#include "driver/http_path.h"

#include <stdbool.h>
#include <string.h>

static bool is_plain(char c);

void http_path_add(struct buf *ret_target, const char *path)
{
    if (path[0] != '/') buf_add_char(ret_target, '/');
    for (; *path; path++) {
        if (is_plain(*path))
            buf_add_char(ret_target, *path);
        else
            buf_printf(ret_target, "%%%02X", (unsigned)(unsigned char)*path);
    }
}

static bool is_plain(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return strchr("-._~!$&()*+,;=:@/?%", c) != NULL;
}
