#include "replay/trace.h"

#define ZLIB_CONST /* zlib.h: next_in points to what is not changed */
#include <zlib.h>

enum { UNPACKED_SIZE_MAX = 1 << 30, PIECE_SIZE = 1 << 16, WINDOW_BITS_GZIP = 15 + 16 };

static bool unpack_all(z_stream *stream, const char *file, const unsigned char *begin, struct buf *ret_text,
                       struct error *err);
static bool damaged(const char *file, const z_stream *stream, const unsigned char *begin, const char *what,
                    struct error *err);

bool trace_unpack(const char *file, const void *data, size_t size, struct buf *ret_text, struct error *err)
{
    const unsigned char *bytes = data;
    z_stream stream = {0};

    if (size < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) { /* RFC 1952, 2.3.1 */
        buf_add(ret_text, data, size);
        return true;
    }
    if (inflateInit2(&stream, WINDOW_BITS_GZIP) != Z_OK)
        return error_set(err, ERROR_FAILED, "%s: zlib does not start", file);
    stream.next_in = bytes;
    stream.avail_in = (uInt)size;
    bool good = size <= UINT32_MAX ? unpack_all(&stream, file, bytes, ret_text, err)
                                   : damaged(file, &stream, bytes, "larger than 4 GiB", err);
    inflateEnd(&stream);
    return good;
}

static bool unpack_all(z_stream *stream, const char *file, const unsigned char *begin, struct buf *ret_text,
                       struct error *err)
{
    char piece[PIECE_SIZE];
    int result = Z_OK;

    while (stream->avail_in > 0 || result != Z_STREAM_END) {
        if (result == Z_STREAM_END && inflateReset(stream) != Z_OK)
            return damaged(file, stream, begin, "zlib does not go on", err);
        stream->next_out = (Bytef *)piece;
        stream->avail_out = sizeof(piece);
        result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_BUF_ERROR) return damaged(file, stream, begin, "gzip data end too early", err);
        if (result != Z_OK && result != Z_STREAM_END)
            return damaged(file, stream, begin, stream->msg ? stream->msg : "no gzip data", err);
        buf_add(ret_text, piece, sizeof(piece) - stream->avail_out);
        if (ret_text->size > UNPACKED_SIZE_MAX)
            return damaged(file, stream, begin, "more than 1 GiB unpacked", err);
    }
    return true;
}

static bool damaged(const char *file, const z_stream *stream, const unsigned char *begin, const char *what,
                    struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: damaged at byte %zu of the packed file: %s; pack it again",
                     file, (size_t)(stream->next_in - begin), what);
}
