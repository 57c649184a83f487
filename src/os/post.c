#include "os/post.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "os/post_curl.h"
#include "os/post_near.h"
#include "os/post_secret.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the other side answers is not kept; a program that floods its pipe or a page that never ends is cut.
 */
enum { ANSWER_MAX = 64 * 1024 };

struct os_post {
    struct post_port port;
    struct os_post_options options;
    struct loop *loop;
    const struct clock_port *clock;
    const struct process_port *process;
    bool loaded;
    struct curl_calls curl;
    CURLM *multi;
    struct timer *timer;
    struct vec letters; /* struct letter *, under way */
    struct vec sockets; /* struct socket *, watched */
};

struct socket {
    struct os_post *post;
    int fd;
    struct loop_watch *watch;
};

struct letter {
    struct os_post *post;
    CURL *easy; /* NULL: a program */
    struct curl_slist *headers, *recipients;
    struct buf body;
    size_t at; /* of the body, sent */
    size_t answered;
    bool confined;
    char refused[INET6_ADDRSTRLEN]; /* the address that it was not let connect to, or "" */
    char trouble[CURL_ERROR_SIZE];
    struct process *process;
    struct loop_later *later; /* it failed before it began */
    struct error failure;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static struct letter *post_send(void *self, const struct post_message *message, int64_t timeout_ms,
                                void (*done)(void *ctx, const struct error *err), void *ctx);
static void post_cancel(void *self, struct letter *letter);
static bool load(struct os_post *post, struct error *err);
static bool begin_transfer(struct letter *letter, const struct post_message *message, int64_t timeout_ms,
                           struct error *err);
static void begin_mail(struct letter *letter, const struct post_message *message);
static bool log_in(struct letter *letter, const struct post_message *message, struct error *err);
static void begin_webhook(struct letter *letter, const struct post_message *message);
static void add_header(struct letter *letter, const char *text);
static bool run_command(struct letter *letter, const struct post_message *message, int64_t timeout_ms,
                        struct error *err);
static void command_exited(void *ctx, struct process_exit exit);
static size_t give_body(char *out, size_t size, size_t count, void *ctx);
static size_t take_answer(char *data, size_t size, size_t count, void *ctx);
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address);
static bool is_near(struct os_post *post, const struct sockaddr *address);
static void write_address(char ret_text[INET6_ADDRSTRLEN], const struct sockaddr *address);
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket);
static int set_timer(CURLM *multi, long wait_ms, void *ctx);
static void socket_ready(void *ctx, unsigned ready);
static void timer_fired(void *ctx);
static void act(struct os_post *post, curl_socket_t fd, int ready);
static void transfer_ended(struct letter *letter, CURLcode code);
static void failed(void *ctx);
static void end(struct letter *letter, const struct error *err);
static void letter_free(struct letter *letter);
static void one_line(struct buf *text, const char *from);

struct os_post *os_post_new(const struct os_post_options *options)
{
    struct os_post *post = mem_alloc(sizeof(*post));
    post->port = (struct post_port){post, post_send, post_cancel};
    post->options = *options;
    post->loop = options->loop;
    post->clock = options->clock;
    post->process = options->process;
    post->letters = VEC_OF(struct letter *);
    post->sockets = VEC_OF(struct socket *);
    return post;
}

void os_post_free(struct os_post *post)
{
    if (!post) return;
    while (post->letters.length > 0)
        letter_free(*(struct letter **)vec_at(&post->letters, 0));
    if (post->loaded) post->curl.multi_cleanup(post->multi);
    for (size_t i = 0; i < post->sockets.length; i++) {
        struct socket *socket = *(struct socket **)vec_at(&post->sockets, i);
        loop_watch_end(socket->watch);
        mem_free(socket);
    }
    post->clock->cancel(post->clock->self, post->timer);
    vec_free(&post->letters);
    vec_free(&post->sockets);
    mem_free(post);
}

const struct post_port *os_post_port(const struct os_post *post)
{
    return &post->port;
}

static struct letter *post_send(void *self, const struct post_message *message, int64_t timeout_ms,
                                void (*done)(void *ctx, const struct error *err), void *ctx)
{
    struct os_post *post = self;
    struct letter *letter = mem_alloc(sizeof(*letter));

    letter->post = post;
    letter->done = done;
    letter->ctx = ctx;
    letter->confined = message->confined;
    *(struct letter **)vec_push(&post->letters) = letter;
    bool good = message->way == POST_COMMAND ? run_command(letter, message, timeout_ms, &letter->failure)
                                             : begin_transfer(letter, message, timeout_ms, &letter->failure);
    if (!good) letter->later = loop_later(post->loop, failed, letter);
    return letter;
}

static void post_cancel(void *self, struct letter *letter)
{
    if (letter) letter_free(letter);
}

static bool load(struct os_post *post, struct error *err)
{
    if (post->loaded) return true;
    if (!post_curl_load(&post->curl, err)) return false;
    post->multi = post->curl.multi_init();
    if (!post->multi) return error_set(err, ERROR_FAILED, "libcurl cannot begin");
    post->curl.multi_setopt(post->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    post->curl.multi_setopt(post->multi, CURLMOPT_SOCKETDATA, post);
    post->curl.multi_setopt(post->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    post->curl.multi_setopt(post->multi, CURLMOPT_TIMERDATA, post);
    post->loaded = true;
    return true;
}

static bool begin_transfer(struct letter *letter, const struct post_message *message, int64_t timeout_ms,
                           struct error *err)
{
    struct os_post *post = letter->post;
    const struct curl_calls *curl = &post->curl;

    if (!load(post, err)) return false;
    letter->easy = curl->easy_init();
    if (!letter->easy) return error_set(err, ERROR_FAILED, "libcurl makes no transfer");
    curl->easy_setopt(letter->easy, CURLOPT_PRIVATE, letter);
    curl->easy_setopt(letter->easy, CURLOPT_ERRORBUFFER, letter->trouble);
    curl->easy_setopt(letter->easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(letter->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl->easy_setopt(letter->easy, CURLOPT_URL, message->server);
    curl->easy_setopt(letter->easy, CURLOPT_PROTOCOLS_STR,
                      message->way == POST_MAIL ? "smtp,smtps" : "http,https");
    curl->easy_setopt(letter->easy, CURLOPT_PROXY, ""); /* the environment is not asked */
    curl->easy_setopt(letter->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(letter->easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl->easy_setopt(letter->easy, CURLOPT_WRITEDATA, letter);
    curl->easy_setopt(letter->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl->easy_setopt(letter->easy, CURLOPT_OPENSOCKETDATA, letter);
    curl->easy_setopt(letter->easy, CURLOPT_FORBID_REUSE, 1L);
    curl->easy_setopt(letter->easy, CURLOPT_FOLLOWLOCATION, 0L); /* not where the other side says */
    if (post->options.authorities) curl->easy_setopt(letter->easy, CURLOPT_CAINFO, post->options.authorities);
    if (message->way == POST_MAIL)
        begin_mail(letter, message);
    else
        begin_webhook(letter, message);
    if (!log_in(letter, message, err)) return false;
    if (curl->multi_add_handle(post->multi, letter->easy) != CURLM_OK)
        return error_set(err, ERROR_FAILED, "libcurl takes no transfer");
    return true;
}

/* RFC 5322. Lines of a body end with CR LF; libcurl doubles dots at their beginning (RFC 5321, 4.5.2). */
static void begin_mail(struct letter *letter, const struct post_message *message)
{
    const struct curl_calls *curl = &letter->post->curl;
    struct buf *body = &letter->body;
    time_t at = (time_t)(message->at_ms / 1000);
    char date[64];
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    buf_printf(body, "Date: %s\r\nFrom: croft <%s>\r\nTo: ", date, message->from);
    for (size_t i = 0; i < message->to_length; i++) {
        CLEANUP_MEM char *to = mem_printf("<%s>", message->to[i]);
        buf_printf(body, "%s%s", i ? ", " : "", to);
        letter->recipients = curl->slist_append(letter->recipients, to);
    }
    buf_add_text(body, "\r\nSubject: croft: ");
    one_line(body, message->subject);
    buf_add_text(body, "\r\nMessage-ID: <");
    for (const char *c = message->id; *c; c++)
        buf_add_char(body, *c == '/' ? '.' : *c);
    buf_add_text(body, "@croft>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    for (const char *at_text = message->body; *at_text;) {
        size_t size = strcspn(at_text, "\n");
        buf_add(body, at_text, size);
        buf_add_text(body, "\r\n");
        at_text += size + (at_text[size] == '\n');
    }
    CLEANUP_MEM char *from = mem_printf("<%s>", message->from);
    curl->easy_setopt(letter->easy, CURLOPT_MAIL_FROM, from);
    curl->easy_setopt(letter->easy, CURLOPT_MAIL_RCPT, letter->recipients);
    curl->easy_setopt(letter->easy, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY); /* STARTTLS where it is offered */
    curl->easy_setopt(letter->easy, CURLOPT_UPLOAD, 1L);
    curl->easy_setopt(letter->easy, CURLOPT_READFUNCTION, give_body);
    curl->easy_setopt(letter->easy, CURLOPT_READDATA, letter);
}

/* By TLS that was verified, or not at all: a server that no longer offers it, or somebody in between who
 * takes the offer away, gets no password. */
static bool log_in(struct letter *letter, const struct post_message *message, struct error *err)
{
    const struct curl_calls *curl = &letter->post->curl;
    char password[POST_SECRET_SIZE_MAX + 1];

    if (message->way != POST_MAIL || !message->user || message->user[0] == '\0') return true;
    if (!post_secret_read(letter->post->options.secrets, message->secret, password, err)) return false;
    curl->easy_setopt(letter->easy, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    curl->easy_setopt(letter->easy, CURLOPT_USERNAME, message->user);
    curl->easy_setopt(letter->easy, CURLOPT_PASSWORD, password);
    explicit_bzero(password, sizeof(password));
    return true;
}

static void begin_webhook(struct letter *letter, const struct post_message *message)
{
    const struct curl_calls *curl = &letter->post->curl;
    CLEANUP_MEM char *id = mem_printf("Idempotency-Key: %s", message->id);

    buf_add_text(&letter->body, message->body);
    add_header(letter, "Content-Type: application/json");
    add_header(letter, "User-Agent: croft");
    add_header(letter, "Expect:"); /* no waiting for 100 Continue */
    add_header(letter, id);
    curl->easy_setopt(letter->easy, CURLOPT_HTTPHEADER, letter->headers);
    curl->easy_setopt(letter->easy, CURLOPT_POST, 1L);
    curl->easy_setopt(letter->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)letter->body.size);
    curl->easy_setopt(letter->easy, CURLOPT_POSTFIELDS, letter->body.data);
}

static void add_header(struct letter *letter, const char *text)
{
    letter->headers = letter->post->curl.slist_append(letter->headers, text);
}

/* Where this is root, as nobody: it is the landlord's, but has no business with the controller's files. */
static bool run_command(struct letter *letter, const struct post_message *message, int64_t timeout_ms,
                        struct error *err)
{
    static const char *const as_nobody[] = {"setpriv",        "--reuid=65534",  "--regid=65534",
                                            "--clear-groups", "--no-new-privs", "--"};
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    const struct process_port *process = letter->post->process;
    size_t before = geteuid() == 0 ? sizeof(as_nobody) / sizeof(as_nobody[0]) : 0;
    const char **argv = mem_alloc_array(before + message->command_length + 1, sizeof(*argv));

    memcpy(argv, as_nobody, before * sizeof(*argv));
    memcpy(argv + before, message->command, message->command_length * sizeof(*argv));
    argv[before + message->command_length] = NULL;
    const struct process_options options = {.argv = argv,
                                            .env = env,
                                            .directory = "/",
                                            .in = PROCESS_CAPTURE,
                                            .net_ns_fd = -1,
                                            .die_with_parent = true,
                                            .new_session = true,
                                            .timeout_ms = timeout_ms};
    bool good = process->spawn(process->self, &options, NULL, command_exited, letter, &letter->process, err);
    mem_free(argv);
    if (!good) return false;
    process->write(process->self, letter->process, message->body, strlen(message->body), NULL);
    process->write(process->self, letter->process, NULL, 0, NULL);
    return true;
}

static void command_exited(void *ctx, struct process_exit exit)
{
    struct letter *letter = ctx;
    struct error err;

    letter->process = NULL;
    if (exit.timed_out)
        error_set(&err, ERROR_TIMEOUT, "the command took too long");
    else if (exit.status != 0)
        error_set(&err, ERROR_FAILED, "the command ended with %d", exit.status);
    end(letter, exit.timed_out || exit.status != 0 ? &err : NULL);
}

static size_t give_body(char *out, size_t size, size_t count, void *ctx)
{
    struct letter *letter = ctx;
    size_t room = size * count, rest = letter->body.size - letter->at, now = rest < room ? rest : room;

    if (now > 0) memcpy(out, letter->body.data + letter->at, now);
    letter->at += now;
    return now;
}

static size_t take_answer(char *data, size_t size, size_t count, void *ctx)
{
    struct letter *letter = ctx;
    letter->answered += size * count;
    return letter->answered <= ANSWER_MAX ? size * count : 0;
}

/* By the address that is really connected to: what a name means may change in between. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct letter *letter = ctx;

    letter->refused[0] = '\0';
    if (letter->confined && is_near(letter->post, &address->addr)) {
        write_address(letter->refused, &address->addr);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
}

static bool is_near(struct os_post *post, const struct sockaddr *address)
{
    struct wide_prefix links[NEAR_LINKS_MAX];
    size_t length = near_links(links);
    const struct near near = {.reach = post->options.reach,
                              .reach_length = post->options.reach_length,
                              .links = links,
                              .links_length = length};

    return length == SIZE_MAX || near_is(&near, address);
}

static void write_address(char ret_text[INET6_ADDRSTRLEN], const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const char *text = NULL;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        text = inet_ntop(AF_INET, &v4.sin_addr, ret_text, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        text = inet_ntop(AF_INET6, &v6.sin6_addr, ret_text, INET6_ADDRSTRLEN);
    }
    if (!text) snprintf(ret_text, INET6_ADDRSTRLEN, "its address");
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct os_post *post = ctx;
    struct socket *socket = known;
    unsigned wanted = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? LOOP_READ : 0) |
                      (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? LOOP_WRITE : 0);

    if (what == CURL_POLL_REMOVE) {
        for (size_t i = 0; socket && i < post->sockets.length; i++) {
            if (*(struct socket **)vec_at(&post->sockets, i) != socket) continue;
            vec_remove(&post->sockets, i);
            loop_watch_end(socket->watch);
            mem_free(socket);
            break;
        }
        return 0;
    }
    if (socket) {
        loop_watch_change(socket->watch, wanted);
        return 0;
    }
    socket = mem_alloc(sizeof(*socket));
    *socket = (struct socket){.post = post, .fd = fd};
    socket->watch = loop_watch_fd(post->loop, fd, wanted, socket_ready, socket);
    *(struct socket **)vec_push(&post->sockets) = socket;
    post->curl.multi_assign(post->multi, fd, socket); /* the library forgets it with the socket */
    return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *ctx)
{
    struct os_post *post = ctx;
    post->clock->cancel(post->clock->self, post->timer);
    post->timer = wait_ms < 0
                      ? NULL
                      : post->clock->after(post->clock->self, (int64_t)wait_ms * 1000, timer_fired, post);
    return 0;
}

static void socket_ready(void *ctx, unsigned ready)
{
    struct socket *socket = ctx;
    int bits = (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    act(socket->post, socket->fd, bits);
}

static void timer_fired(void *ctx)
{
    struct os_post *post = ctx;
    post->timer = NULL;
    act(post, CURL_SOCKET_TIMEOUT, 0);
}

static void act(struct os_post *post, curl_socket_t fd, int ready)
{
    const CURLMsg *message = NULL;
    int running = 0, left = 0;

    post->curl.multi_socket_action(post->multi, fd, ready, &running);
    while ((message = post->curl.multi_info_read(post->multi, &left)) != NULL) {
        struct letter *letter = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        post->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &letter);
        transfer_ended(letter, code);
    }
}

static void transfer_ended(struct letter *letter, CURLcode code)
{
    CLEANUP_BUF struct buf trouble = {0};
    struct error err;
    char *scheme = NULL;
    long status = 0;

    letter->post->curl.easy_getinfo(letter->easy, CURLINFO_RESPONSE_CODE, &status);
    letter->post->curl.easy_getinfo(letter->easy, CURLINFO_SCHEME, &scheme);
    bool http = scheme && (scheme[0] == 'h' || scheme[0] == 'H');
    if (code == CURLE_OK && (!http || (status >= 200 && status < 300))) {
        end(letter, NULL);
        return;
    }
    one_line(&trouble, letter->trouble[0] ? letter->trouble : "it failed");
    if (letter->refused[0])
        error_set(
            &err, ERROR_DENIED,
            "%s is private, or of the controller's own networks: only the landlord's contacts reach such, "
            "or all where croft controller --contacts-reach names them",
            letter->refused);
    else if (code == CURLE_OK)
        error_set(&err, ERROR_FAILED, "the server answered %ld", status);
    else
        error_set(&err, code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT : ERROR_UNREACHABLE, "%s",
                  buf_text(&trouble));
    end(letter, &err);
}

static void failed(void *ctx)
{
    struct letter *letter = ctx;
    letter->later = NULL;
    end(letter, &letter->failure);
}

static void end(struct letter *letter, const struct error *err)
{
    void (*done)(void *ctx, const struct error *err) = letter->done;
    void *ctx = letter->ctx;
    struct error copy;

    if (err) copy = *err;
    letter_free(letter);
    done(ctx, err ? &copy : NULL);
}

static void letter_free(struct letter *letter)
{
    struct os_post *post = letter->post;
    const struct process_port *process = post->process;

    for (size_t i = 0; i < post->letters.length; i++) {
        if (*(struct letter **)vec_at(&post->letters, i) != letter) continue;
        vec_remove(&post->letters, i);
        break;
    }
    if (letter->process) {
        process->kill(process->self, letter->process, 9);
        process->detach(process->self, letter->process);
    }
    if (letter->easy) {
        post->curl.multi_remove_handle(post->multi, letter->easy);
        post->curl.easy_cleanup(letter->easy);
        post->curl.slist_free_all(letter->headers);
        post->curl.slist_free_all(letter->recipients);
    }
    loop_later_cancel(post->loop, letter->later);
    buf_free(&letter->body);
    mem_free(letter);
}

/* What others said may have any bytes in it. */
static void one_line(struct buf *text, const char *from)
{
    for (; *from; from++)
        buf_add_char(text, (unsigned char)*from < ' ' || *from == 0x7f ? ' ' : *from);
}
