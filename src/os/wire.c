#include "os/wire.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <string.h>
#include <strings.h>

static bool parse_request_line(char *line, struct wire_head *head, int *ret_status);
static bool parse_status_line(char *line, struct wire_head *head);
static bool parse_headers(char *line, struct wire_head *head);
static bool parse_header(char *line, struct header *ret_header);
static char *cut_line(char *text, char **ret_next);
static bool find_length(struct wire_head *head, bool *ret_unknown_coding);
static void find_persistence(struct wire_head *head);
static bool list_has(const char *list, const char *token);
static bool is_token(const char *text);
static void add_headers(struct buf *buf, const struct header *headers, size_t length);
static void add_safe(struct buf *buf, const char *text);

bool wire_parse_request(const char *text, size_t size, struct wire_head *ret_head, int *ret_status)
{
    struct wire_head head = {.text = mem_strndup(text, size)};
    char *rest;
    char *line = cut_line(head.text, &rest);
    int status = 400;
    bool unknown_coding = false;
    bool good = strlen(head.text) + strlen(rest) + 2 == size && /* no zero byte inside */
                parse_request_line(line, &head, &status) && parse_headers(rest, &head) &&
                find_length(&head, &unknown_coding);
    if (unknown_coding) status = 501;
    /* RFC 9112 section 3.2: exactly one. */
    if (good && !head.minor_0 && wire_find(head.headers, head.headers_length, "Host") == NULL) good = false;
    if (!good) {
        wire_head_free(&head);
        *ret_status = status;
        return false;
    }
    find_persistence(&head);
    const char *expect = wire_find(head.headers, head.headers_length, "Expect");
    head.expects_continue = expect != NULL && strcasecmp(expect, "100-continue") == 0;
    *ret_head = head;
    return true;
}

bool wire_parse_answer(const char *text, size_t size, bool to_head, struct wire_head *ret_head)
{
    struct wire_head head = {.text = mem_strndup(text, size), .length = WIRE_TO_CLOSE};
    char *rest;
    char *line = cut_line(head.text, &rest);
    bool unknown_coding = false;
    if (strlen(head.text) + strlen(rest) + 2 != size || !parse_status_line(line, &head) ||
        !parse_headers(rest, &head) || !find_length(&head, &unknown_coding)) {
        wire_head_free(&head);
        return false;
    }
    if (!wire_has_body(to_head ? "HEAD" : "GET", head.status)) head.length = WIRE_NO_BODY;
    find_persistence(&head);
    if (head.length == WIRE_TO_CLOSE) head.keep_alive = false;
    *ret_head = head;
    return true;
}

void wire_head_free(struct wire_head *head)
{
    mem_free(head->text);
    mem_free(head->headers);
    *head = (struct wire_head){0};
}

const char *wire_find(const struct header *headers, size_t length, const char *name)
{
    for (size_t i = 0; i < length; i++)
        if (strcasecmp(headers[i].name, name) == 0) return headers[i].value;
    return NULL;
}

void wire_add_request(struct buf *buf, const struct request *request, const char *host)
{
    buf_add_text(buf, request->method);
    buf_add_char(buf, ' ');
    for (const char *c = request->path; *c != '\0'; c++)
        buf_printf(buf, (unsigned char)*c <= ' ' || *c == 0x7f ? "%%%02X" : "%c", (unsigned char)*c);
    buf_add_text(buf, " HTTP/1.1\r\nHost: ");
    add_safe(buf, host);
    buf_add_text(buf, "\r\n");
    add_headers(buf, request->headers, request->headers_length);
    /* RFC 9110 section 8.6: methods that have a use for a body tell its size even when there is none. */
    if (request->body_size > 0 || text_equal(request->method, "POST") || text_equal(request->method, "PUT") ||
        text_equal(request->method, "PATCH"))
        buf_printf(buf, "Content-Length: %zu\r\n", request->body_size);
    buf_add_text(buf, "\r\n");
}

void wire_add_answer(struct buf *buf, int status, const struct header *headers, size_t headers_length,
                     int64_t size, bool chunked, bool keep_alive)
{
    buf_printf(buf, "HTTP/1.1 %d %s\r\n", status, wire_reason(status));
    add_headers(buf, headers, headers_length);
    if (chunked) buf_add_text(buf, "Transfer-Encoding: chunked\r\n");
    if (size >= 0) buf_printf(buf, "Content-Length: %lld\r\n", (long long)size);
    if (!keep_alive) buf_add_text(buf, "Connection: close\r\n");
    buf_add_text(buf, "\r\n");
}

bool wire_has_body(const char *method, int status)
{
    return !text_equal(method, "HEAD") && status >= 200 && status != 204 && status != 304;
}

static bool parse_request_line(char *line, struct wire_head *head, int *ret_status)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"};
    char *path = strchr(line, ' ');
    if (path == NULL) return false;
    *path++ = '\0';
    char *version = strchr(path, ' ');
    if (version == NULL || !is_token(line)) return false;
    *version++ = '\0';
    /* RFC 9112 section 3.2.2: a server accepts the absolute form too. */
    if (text_starts(path, "http://") || text_starts(path, "https://")) {
        path = strchr(strstr(path, "://") + 3, '/');
        if (path == NULL) return false;
    }
    if (*path != '/' && !text_equal(path, "*")) return false;
    for (const char *c = path; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f) return false;
    if (!text_equal(version, "HTTP/1.1") && !text_equal(version, "HTTP/1.0")) {
        if (text_starts(version, "HTTP/")) *ret_status = 505;
        return false;
    }
    for (size_t i = 0; i < LENGTH(methods); i++)
        if (text_equal(line, methods[i])) head->method = methods[i];
    if (head->method == NULL) {
        *ret_status = 501;
        return false;
    }
    head->path = path;
    head->minor_0 = text_equal(version, "HTTP/1.0");
    return true;
}

static bool parse_status_line(char *line, struct wire_head *head)
{
    if (!text_starts(line, "HTTP/1.1 ") && !text_starts(line, "HTTP/1.0 ")) return false;
    head->minor_0 = line[7] == '0';
    const char *digits = line + 9;
    if (strspn(digits, "0123456789") != 3 || (digits[3] != ' ' && digits[3] != '\0')) return false;
    head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return head->status >= 100;
}

static bool parse_headers(char *line, struct wire_head *head)
{
    struct vec headers = VEC_OF(struct header);
    bool good = true;
    while (good && !text_equal(line, "\r\n")) {
        char *next;
        struct header header;
        line = cut_line(line, &next);
        good = line != NULL && headers.length < WIRE_HEADERS_MAX && parse_header(line, &header);
        if (good) *(struct header *)vec_push(&headers) = header;
        line = next;
    }
    head->headers = headers.items;
    head->headers_length = headers.length;
    return good;
}

static bool parse_header(char *line, struct header *ret_header)
{
    char *colon = strchr(line, ':');
    if (colon == NULL) return false;
    *colon = '\0';
    if (!is_token(line)) return false;
    char *value = colon + 1;
    value += strspn(value, " \t");
    size_t size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        value[--size] = '\0';
    for (const char *c = value; *c != '\0'; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) return false;
    *ret_header = (struct header){.name = line, .value = value};
    return true;
}

/* Ends the line at its CRLF. NULL when there is none. */
static char *cut_line(char *text, char **ret_next)
{
    char *end = strstr(text, "\r\n");
    if (end == NULL) {
        *ret_next = text + strlen(text);
        return NULL;
    }
    *end = '\0';
    *ret_next = end + 2;
    return text;
}

/* How the body is delimited (RFC 9112 section 6.3). head->length is what holds without any header. */
static bool find_length(struct wire_head *head, bool *ret_unknown_coding)
{
    const char *coding = NULL;
    const char *size = NULL;
    size_t hosts = 0;
    for (size_t i = 0; i < head->headers_length; i++) {
        const struct header *header = &head->headers[i];
        if (strcasecmp(header->name, "Host") == 0 && ++hosts > 1) return false;
        if (strcasecmp(header->name, "Transfer-Encoding") == 0) {
            if (coding != NULL || head->minor_0) return false;
            coding = header->value;
        }
        if (strcasecmp(header->name, "Content-Length") == 0) {
            if (size != NULL && !text_equal(size, header->value)) return false;
            size = header->value;
        }
    }
    if (coding != NULL && size != NULL) return false;
    if (coding != NULL) {
        *ret_unknown_coding = strcasecmp(coding, "chunked") != 0;
        head->length = WIRE_CHUNKED;
        return !*ret_unknown_coding;
    }
    if (size == NULL) return true;
    if (!text_parse_u64(size, &head->content_size)) return false;
    head->length = head->content_size > 0 ? WIRE_SIZED : WIRE_NO_BODY;
    return true;
}

static void find_persistence(struct wire_head *head)
{
    head->keep_alive = !head->minor_0;
    for (size_t i = 0; i < head->headers_length; i++) {
        if (strcasecmp(head->headers[i].name, "Connection") != 0) continue;
        if (list_has(head->headers[i].value, "close")) {
            head->keep_alive = false;
            return;
        }
        if (list_has(head->headers[i].value, "keep-alive")) head->keep_alive = true;
    }
}

static bool list_has(const char *list, const char *token)
{
    while (*list != '\0') {
        list += strspn(list, ", \t");
        size_t size = strcspn(list, ", \t");
        if (size == strlen(token) && strncasecmp(list, token, size) == 0) return true;
        list += size;
    }
    return false;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *text)
{
    size_t size =
        strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return size > 0 && text[size] == '\0';
}

static void add_headers(struct buf *buf, const struct header *headers, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ASSERT(is_token(headers[i].name));
        buf_add_text(buf, headers[i].name);
        buf_add_text(buf, ": ");
        add_safe(buf, headers[i].value);
        buf_add_text(buf, "\r\n");
    }
}

static void add_safe(struct buf *buf, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        buf_add_char(buf, (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c);
}

const char *wire_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < LENGTH(reasons); i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Other";
}
