#include "model/image_text.h"

#include <inttypes.h>

static void add_texts(struct buf *json, const char *key, const char *const *texts, size_t length);

void image_canonical(const struct image *image, struct buf *ret_text)
{
    buf_add_char(ret_text, '{');
    add_texts(ret_text, "layers", image->layers, image->layers_length);
    buf_printf(ret_text, ",\"size\":%" PRId64 ",", image->size_bytes);
    add_texts(ret_text, "command", image->command, image->command_length);
    buf_add_text(ret_text, ",\"env\":[");
    for (size_t i = 0; i < image->env_length; i++) {
        buf_add_text(ret_text, i > 0 ? ",[" : "[");
        buf_add_json_string(ret_text, image->env[i].name);
        buf_add_char(ret_text, ',');
        buf_add_json_string(ret_text, image->env[i].value);
        buf_add_char(ret_text, ']');
    }
    buf_add_text(ret_text, "],\"directory\":");
    buf_add_json_string(ret_text, image->directory);
    buf_add_text(ret_text, ",\"user\":");
    buf_add_json_string(ret_text, image->user);
    buf_add_char(ret_text, '}');
}

static void add_texts(struct buf *json, const char *key, const char *const *texts, size_t length)
{
    buf_printf(json, "\"%s\":[", key);
    for (size_t i = 0; i < length; i++) {
        if (i > 0) buf_add_char(json, ',');
        buf_add_json_string(json, texts[i]);
    }
    buf_add_char(json, ']');
}
