#include "model/sealed.h"

#include "base/text.h"

#include <string.h>

enum { METHOD_SIZE_MAX = 8, PATH_SIZE_MAX = 1024, TEXT_SIZE_MAX = 64, MAGIC_SIZE = 8 };

static const char command_domain[] = "croft sealed command v1", answer_domain[] = "croft sealed answer v1";

/* What is left to be read. */
struct rest {
    const char *at;
    size_t size;
};

static bool read_magic(struct rest *rest, char kind, struct error *err);
static bool take(struct rest *rest, size_t size, const char **ret_data);
static bool take_key(struct rest *rest, unsigned char ret_key[SEALED_KEY_SIZE]);
static bool take_number(struct rest *rest, size_t size, int64_t *ret_number);
static bool take_text(struct rest *rest, size_t size_max, const char **ret_text);
static bool take_body(struct rest *rest, const char **ret_body, size_t *ret_size);
static void add_magic(struct buf *data, char kind);
static void add_number(struct buf *data, size_t size, int64_t number);
static void add_text(struct buf *data, const char *text);
static void add_body(struct buf *data, const char *body, size_t size);
static bool is_path(const char *path);
static bool torn(struct error *err, const char *what);

bool sealed_head_read(const void *data, size_t size, struct sealed_head *ret_head, const char **ret_box,
                      size_t *ret_box_size, struct error *err)
{
    struct rest rest = {data, size};
    struct sealed_head head = {0};
    const char *host = NULL, *party = NULL;

    if (size > SEALED_COMMAND_SIZE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "a sealed command has at most %d bytes, not %zu",
                         SEALED_COMMAND_SIZE_MAX, size);
    if (!read_magic(&rest, 'C', err)) return false;
    if (!take_text(&rest, TEXT_SIZE_MAX, &host) || !take_text(&rest, TEXT_SIZE_MAX, &party) ||
        !take_key(&rest, head.pair) || rest.size == 0)
        return torn(err, "command");
    if (!text_is_name(host) || !text_is_name(party))
        return error_set(err, ERROR_INVALID, "a sealed command to a host or of a party that no name can be");
    memcpy(head.host, host, strlen(host));
    memcpy(head.party, party, strlen(party));
    *ret_head = head;
    *ret_box = rest.at;
    *ret_box_size = rest.size;
    return true;
}

void sealed_head_write(const struct sealed_head *head, struct buf *ret_data)
{
    add_magic(ret_data, 'C');
    add_text(ret_data, head->host);
    add_text(ret_data, head->party);
    buf_add(ret_data, head->pair, sizeof(head->pair));
}

bool sealed_split(const void *data, size_t size, const unsigned char **ret_signature, const char **ret_signed,
                  size_t *ret_signed_size, struct error *err)
{
    struct rest rest = {data, size};
    const char *signature = NULL;

    if (!take(&rest, SEALED_SIGNATURE_SIZE, &signature) || rest.size == 0) return torn(err, "message");
    *ret_signature = (const unsigned char *)signature;
    *ret_signed = rest.at;
    *ret_signed_size = rest.size;
    return true;
}

bool sealed_command_read(const char *data, size_t size, struct sealed_command *ret_command, struct error *err)
{
    struct rest rest = {data, size};
    struct sealed_command command = {0};

    if (!take_number(&rest, 8, &command.counter) || !take_number(&rest, 8, &command.expires_ms) ||
        !take_key(&rest, command.console) || !take_key(&rest, command.answer_to) ||
        !take_text(&rest, METHOD_SIZE_MAX, &command.method) ||
        !take_text(&rest, PATH_SIZE_MAX, &command.path) ||
        !take_body(&rest, &command.body, &command.body_size) || rest.size != 0)
        return torn(err, "command");
    if (!text_equal(command.method, "GET") && !text_equal(command.method, "POST") &&
        !text_equal(command.method, "DELETE"))
        return error_set(err, ERROR_INVALID, "a sealed command GETs, POSTs or DELETEs, and nothing else");
    if (!is_path(command.path))
        return error_set(err, ERROR_INVALID, "a sealed command's path is no path below /agent/");
    *ret_command = command;
    return true;
}

void sealed_command_write(const struct sealed_command *command, struct buf *ret_data)
{
    add_number(ret_data, 8, command->counter);
    add_number(ret_data, 8, command->expires_ms);
    buf_add(ret_data, command->console, sizeof(command->console));
    buf_add(ret_data, command->answer_to, sizeof(command->answer_to));
    add_text(ret_data, command->method);
    add_text(ret_data, command->path);
    add_body(ret_data, command->body, command->body_size);
}

void sealed_command_text(const struct sealed_head *head, const void *part, size_t size, struct buf *ret_text)
{
    buf_add(ret_text, command_domain, sizeof(command_domain));
    sealed_head_write(head, ret_text);
    buf_add(ret_text, part, size);
}

bool sealed_answer_box(const void *data, size_t size, const char **ret_box, size_t *ret_box_size,
                       struct error *err)
{
    struct rest rest = {data, size};

    if (size > SEALED_ANSWER_SIZE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "a sealed answer has at most %d bytes, not %zu",
                         SEALED_ANSWER_SIZE_MAX, size);
    if (!read_magic(&rest, 'A', err)) return false;
    if (rest.size == 0) return torn(err, "answer");
    *ret_box = rest.at;
    *ret_box_size = rest.size;
    return true;
}

void sealed_answer_head(struct buf *ret_data)
{
    add_magic(ret_data, 'A');
}

bool sealed_answer_read(const char *data, size_t size, struct sealed_answer *ret_answer, struct error *err)
{
    struct rest rest = {data, size};
    struct sealed_answer answer = {0};
    int64_t status = 0;

    if (!take_key(&rest, answer.command) || !take_number(&rest, 8, &answer.counter) ||
        !take_number(&rest, 2, &status) || !take_text(&rest, TEXT_SIZE_MAX, &answer.type) ||
        !take_text(&rest, TEXT_SIZE_MAX, &answer.offset) ||
        !take_body(&rest, &answer.body, &answer.body_size) || rest.size != 0)
        return torn(err, "answer");
    if (status != SEALED_AGAIN && (status < 200 || status > 599))
        return error_set(err, ERROR_INVALID, "a sealed answer with a status that there is not");
    answer.status = (int)status;
    *ret_answer = answer;
    return true;
}

void sealed_answer_write(const struct sealed_answer *answer, struct buf *ret_data)
{
    buf_add(ret_data, answer->command, sizeof(answer->command));
    add_number(ret_data, 8, answer->counter);
    add_number(ret_data, 2, answer->status);
    add_text(ret_data, answer->type);
    add_text(ret_data, answer->offset);
    add_body(ret_data, answer->body, answer->body_size);
}

void sealed_answer_text(const void *part, size_t size, struct buf *ret_text)
{
    buf_add(ret_text, answer_domain, sizeof(answer_domain));
    buf_add(ret_text, part, size);
}

static bool read_magic(struct rest *rest, char kind, struct error *err)
{
    const char *magic = NULL;
    const char *what = kind == 'C' ? "command" : "answer";

    if (!take(rest, MAGIC_SIZE, &magic) || memcmp(magic, "croft", 5) != 0 || magic[5] != kind ||
        magic[7] != 0)
        return error_set(err, ERROR_INVALID, "that is no sealed %s", what);
    if (magic[6] != SEALED_VERSION)
        return error_set(err, ERROR_INVALID, "a sealed %s of version %d: version %d is known here", what,
                         (unsigned char)magic[6], SEALED_VERSION);
    return true;
}

static bool take(struct rest *rest, size_t size, const char **ret_data)
{
    if (rest->size < size) return false;
    *ret_data = rest->at;
    rest->at += size;
    rest->size -= size;
    return true;
}

static bool take_key(struct rest *rest, unsigned char ret_key[SEALED_KEY_SIZE])
{
    const char *data = NULL;
    if (!take(rest, SEALED_KEY_SIZE, &data)) return false;
    memcpy(ret_key, data, SEALED_KEY_SIZE);
    return true;
}

/* None is negative. */
static bool take_number(struct rest *rest, size_t size, int64_t *ret_number)
{
    const char *data = NULL;
    uint64_t number = 0;

    if (!take(rest, size, &data)) return false;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | (unsigned char)data[i];
    if (number > INT64_MAX) return false;
    *ret_number = (int64_t)number;
    return true;
}

/* Its length in two bytes, then the text with a zero byte, which does not count. */
static bool take_text(struct rest *rest, size_t size_max, const char **ret_text)
{
    const char *text = NULL;
    int64_t size = 0;

    if (!take_number(rest, 2, &size) || (size_t)size > size_max || !take(rest, (size_t)size + 1, &text))
        return false;
    if (memchr(text, 0, (size_t)size + 1) != text + size) return false;
    *ret_text = text;
    return true;
}

static bool take_body(struct rest *rest, const char **ret_body, size_t *ret_size)
{
    const char *body = NULL;
    int64_t size = 0;

    if (!take_number(rest, 4, &size) || !take(rest, (size_t)size, &body)) return false;
    *ret_body = size > 0 ? body : NULL;
    *ret_size = (size_t)size;
    return true;
}

static void add_magic(struct buf *data, char kind)
{
    const char magic[MAGIC_SIZE] = {'c', 'r', 'o', 'f', 't', kind, SEALED_VERSION, 0};
    buf_add(data, magic, sizeof(magic));
}

static void add_number(struct buf *data, size_t size, int64_t number)
{
    for (size_t i = size; i > 0; i--)
        buf_add_char(data, (char)((uint64_t)number >> 8 * (i - 1) & 0xff));
}

static void add_text(struct buf *data, const char *text)
{
    size_t size = strlen(text);
    add_number(data, 2, (int64_t)size);
    buf_add(data, text, size + 1);
}

static void add_body(struct buf *data, const char *body, size_t size)
{
    add_number(data, 4, (int64_t)size);
    if (size > 0) buf_add(data, body, size);
}

static bool is_path(const char *path)
{
    if (!text_starts(path, "/agent/")) return false;
    for (const char *c = path; *c; c++)
        if (*c <= ' ' || *c > '~') return false;
    return true;
}

static bool torn(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, "the sealed %s is torn", what);
}
