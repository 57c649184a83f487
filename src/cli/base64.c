#include "cli/base64.h"

#include <stdint.h>
#include <string.h>

bool base64_decode(const char *text, struct buf *ret_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text), before = ret_bytes->size;

    if (size % 4 != 0) return false;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t three = 0;
        size_t padding = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *digit = strchr(digits, text[i + j]);
            /* Padding only ends the last four. */
            bool pads = text[i + j] == '=' && i + 4 == size && j >= 2 && (j == 3 || text[i + 3] == '=');
            if (pads) padding++;
            if (!pads && (!digit || padding)) {
                ret_bytes->size = before;
                return false;
            }
            three = three << 6 | (pads ? 0 : (uint32_t)(digit - digits));
        }
        const unsigned char bytes[] = {(unsigned char)(three >> 16), (unsigned char)(three >> 8 & 255),
                                       (unsigned char)(three & 255)};
        buf_add(ret_bytes, bytes, 3 - padding);
    }
    return true;
}
