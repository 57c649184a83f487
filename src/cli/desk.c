#include "cli/desk.h"

#include "base/text.h"
#include "cli/profile.h"
#include "cli/secret_file.h"
#include "model/sealed.h"
#include "os/seal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXPIRES_MS = 60 * 1000, TRIES = 8, SERVERS_SIZE_MAX = 2048 };

static const char console_kind[] = "croft console key 1", pair_kind[] = "croft host pair 1",
                  servers_kind[] = "croft grid servers 1", secret_kind[] = "croft disk secret 1";

struct desk {
    struct client *client;
    char *directory; /* …/croft/keys */
    char *grid;
    struct seal_secrets *console;
    struct vault_pair own; /* its public halves */
    int64_t counter;
};

struct desk_call {
    struct desk *desk;
    struct desk_target target;
    char *method, *path, *body, *host, *where;
    size_t body_size;
    int64_t timeout_ms;
    void (*done)(void *ctx, const struct answer *answer);
    void *ctx;
    struct seal_secrets *answer_key;
    struct vault_pair answer_to;
    unsigned char digest[SEALED_KEY_SIZE];
    struct call *call;
    int tries;
};

struct waiting {
    struct desk *desk;
    struct arena *arena;
    struct client_reply *reply;
    struct error *err;
    bool good;
};

static bool load_console(struct desk *desk, bool make, bool *ret_there, struct error *err);
static bool make_console(struct desk *desk, const char *path, struct error *err);
static bool check_server(const struct desk *desk, struct error *err);
static bool knows_server(const struct desk *desk, const char *grid, bool *ret_known, struct error *err);
static bool note_server(const struct desk *desk, struct error *err);
static char *pair_path(const struct desk *desk, const char *host, const char *party);
static bool read_hex(const char *text, unsigned char *ret_bytes, size_t size);
static void add_hex(struct buf *text, const unsigned char *bytes, size_t size);
static bool call_send(struct desk_call *call, struct error *err);
static bool seal_command(struct desk_call *call, struct buf *ret_data, struct error *err);
static void call_answered(void *ctx, const struct answer *answer);
static bool open_answer(struct desk_call *call, const struct answer *answer, struct buf *ret_plain,
                        struct sealed_answer *ret_answer, struct error *err);
static void tell(struct desk_call *call, const struct sealed_answer *sealed);
static void tell_error(struct desk_call *call, const struct error *err);
static void call_free(struct desk_call *call);
static void asked(void *ctx, const struct answer *answer);

bool desk_open(struct client *client, bool make, struct desk **ret_desk, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *profile = profile_path(arena);
    struct desk *desk = NULL;
    bool there = false;

    *ret_desk = NULL;
    if (!profile)
        return !make || error_set(err, ERROR_FAILED,
                                  "where are keys to be kept? set HOME or XDG_CONFIG_HOME to a directory");
    desk = mem_alloc(sizeof(*desk));
    desk->client = client;
    desk->directory = mem_printf("%.*skeys", (int)(strrchr(profile, '/') + 1 - profile), profile);
    if (!load_console(desk, make, &there, err)) {
        desk_free(desk);
        return false;
    }
    if (there)
        *ret_desk = desk;
    else
        desk_free(desk);
    return true;
}

void desk_free(struct desk *desk)
{
    if (!desk) return;
    if (desk->console) seal_secret_free(desk->console);
    mem_free(desk->grid);
    mem_free(desk->directory);
    mem_free(desk);
}

bool desk_set_grid(struct desk *desk, const char *grid, struct error *err)
{
    if (!text_is_name(grid)) return error_set(err, ERROR_FAILED, "the server does not say which grid it is");
    mem_free(desk->grid);
    desk->grid = mem_strdup(grid);
    return check_server(desk, err);
}

bool desk_has_party(const struct desk *desk, const char *party)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", desk->directory, desk->grid);
    CLEANUP_MEM char *begins = mem_printf("%s@", party);
    DIR *listing = opendir(path);
    const struct dirent *entry = NULL;
    bool found = false;

    while (listing && !found && (entry = readdir(listing)))
        found = text_starts(entry->d_name, begins);
    if (listing) closedir(listing);
    return found;
}

bool desk_recall(const struct desk *desk, const char *host, const char *party, struct desk_target *ret_target,
                 struct error *err)
{
    CLEANUP_MEM char *path = pair_path(desk, host, party);
    struct desk_target target = {.host = host, .party = party};
    char seal[65] = "", sign[65] = "";
    CLEANUP_BUF struct buf text = {0};

    if (!path) return error_set(err, ERROR_NOT_FOUND, "there is no host %s, or no party %s", host, party);
    if (!secret_file_read(path, pair_kind, &text, err)) return false;
    if (sscanf(buf_text(&text), "seal %64[0-9a-f] sign %64[0-9a-f] generation %" SCNd64, seal, sign,
               &target.generation) != 3 ||
        !read_hex(seal, target.pair.seal, sizeof(target.pair.seal)) ||
        !read_hex(sign, target.pair.sign, sizeof(target.pair.sign)))
        return error_set(err, ERROR_INVALID,
                         "%s is damaged: remove it, and croft key take takes the pair again", path);
    seal_fingerprint(&target.pair);
    *ret_target = target;
    return true;
}

bool desk_remember(const struct desk *desk, const struct desk_target *target, struct error *err)
{
    CLEANUP_MEM char *path = pair_path(desk, target->host, target->party);
    CLEANUP_BUF struct buf text = {0};

    if (!path)
        return error_set(err, ERROR_FAILED, "the server names a host or a party as none can be called");
    buf_add_text(&text, "seal ");
    add_hex(&text, target->pair.seal, sizeof(target->pair.seal));
    buf_add_text(&text, "\nsign ");
    add_hex(&text, target->pair.sign, sizeof(target->pair.sign));
    buf_printf(&text, "\ngeneration %" PRId64 "\n", target->generation);
    return note_server(desk, err) && secret_file_write(path, pair_kind, &text, err);
}

bool desk_forget(const struct desk *desk, const char *host, const char *party, struct error *err)
{
    CLEANUP_MEM char *path = pair_path(desk, host, party);

    if (!path || unlink(path) == 0 || errno == ENOENT) return true;
    return error_errno(err, errno, "removing %s", path);
}

const struct vault_pair *desk_own(const struct desk *desk)
{
    return &desk->own;
}

void desk_sign(const struct desk *desk, const void *data, size_t size,
               unsigned char ret_signature[VAULT_SIGNATURE_SIZE])
{
    seal_sign(desk->console, data, size, ret_signature);
}

bool desk_unseal(const struct desk *desk, const void *box, size_t size, struct buf *ret_data,
                 struct error *err)
{
    return seal_open(desk->console, &desk->own, box, size, ret_data, err);
}

bool desk_secret(const struct desk *desk, const char *party, void **ret_secret, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s/%s.secret", desk->directory, desk->grid, party);
    CLEANUP_BUF struct buf text = {0};
    char hex[2 * VAULT_SECRET_SIZE + 1] = "";
    void *memory = NULL;
    struct error problem;

    if (!text_is_name(party)) return error_set(err, ERROR_NOT_FOUND, "there is no party %s", party);
    bool there = secret_file_read(path, secret_kind, &text, &problem);
    if (!there && problem.code != ERROR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    if (!seal_secret_new(VAULT_SECRET_SIZE, &memory, err)) return false;
    bool good = true;
    if (there) {
        good =
            (sscanf(buf_text(&text), "secret %64[0-9a-f]", hex) == 1 &&
             read_hex(hex, memory, VAULT_SECRET_SIZE)) ||
            error_set(err, ERROR_INVALID,
                      "%s is damaged: put the right file back; without it what hosts store for %s is lost, "
                      "and croft key rotate discards it",
                      path, party);
    } else {
        seal_make_seed(memory);
        buf_add_text(&text, "secret ");
        add_hex(&text, memory, VAULT_SECRET_SIZE);
        buf_add_char(&text, '\n');
        good = secret_file_write(path, secret_kind, &text, err);
    }
    seal_wipe(hex, sizeof(hex));
    if (text.size > 0) seal_wipe(text.data, text.size);
    if (good)
        *ret_secret = memory;
    else
        seal_secret_free(memory);
    return good;
}

bool desk_start_call(struct desk *desk, const struct desk_target *target,
                     const struct client_request *request,
                     void (*done)(void *ctx, const struct answer *answer), void *ctx,
                     struct desk_call **ret_call, struct error *err)
{
    struct desk_call *call = mem_alloc(sizeof(*call));
    void *memory = NULL;

    *call = (struct desk_call){.desk = desk,
                               .target = *target,
                               .method = mem_strdup(request->method),
                               .path = mem_strdup(request->path),
                               .host = mem_strdup(target->host),
                               .where = mem_printf("/v1/sealed/%s/%s", target->host, target->party),
                               .body_size = request->body_size,
                               .timeout_ms = request->timeout_ms,
                               .done = done,
                               .ctx = ctx};
    call->target.host = call->host;
    if (request->body_size > 0) {
        call->body = mem_alloc(request->body_size);
        memcpy(call->body, request->body, request->body_size);
    }
    if (!seal_secret_new(sizeof(*call->answer_key), &memory, err)) {
        call_free(call);
        return false;
    }
    call->answer_key = memory;
    seal_make(call->answer_key, &call->answer_to);
    if (!call_send(call, err)) {
        call_free(call);
        return false;
    }
    *ret_call = call;
    return true;
}

void desk_drop(struct desk_call *call)
{
    if (!call) return;
    client_drop(call->desk->client, call->call);
    call_free(call);
}

bool desk_ask(struct desk *desk, struct arena *arena, const struct desk_target *target,
              const struct client_request *request, struct client_reply *ret_reply, struct error *err)
{
    struct waiting waiting = {.desk = desk, .arena = arena, .reply = ret_reply, .err = err};
    struct desk_call *call = NULL;

    if (!desk_start_call(desk, target, request, asked, &waiting, &call, err)) return false;
    loop_run(client_loop(desk->client));
    return waiting.good;
}

static void asked(void *ctx, const struct answer *answer)
{
    struct waiting *waiting = ctx;

    loop_stop(client_loop(waiting->desk->client));
    if (answer->status == 0 || answer->status >= 400) {
        waiting->good = client_error(waiting->desk->client, answer, waiting->err);
        return;
    }
    char *body = arena_alloc(waiting->arena, answer->body_size + 1);
    if (answer->body_size > 0) memcpy(body, answer->body, answer->body_size);
    *waiting->reply =
        (struct client_reply){.status = answer->status, .body = body, .body_size = answer->body_size};
    for (size_t i = 0; i < answer->headers_length; i++)
        if (text_equal(answer->headers[i].name, "Croft-Offset") && answer->headers[i].value[0])
            waiting->reply->offset = arena_strdup(waiting->arena, answer->headers[i].value);
    waiting->good = true;
}

static bool load_console(struct desk *desk, bool make, bool *ret_there, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/console", desk->directory);
    CLEANUP_BUF struct buf text = {0};
    unsigned char seed[SEALED_KEY_SIZE];
    void *memory = NULL;
    struct error problem;
    char hex[65] = "";

    if (!seal_init(err)) return false;
    bool there = secret_file_read(path, console_kind, &text, &problem);
    if (!there && problem.code != ERROR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    *ret_there = there || make;
    if (!*ret_there) return true;
    if (!seal_secret_new(sizeof(*desk->console), &memory, err)) return false;
    desk->console = memory;
    if (!there) return make_console(desk, path, err);
    bool good = sscanf(buf_text(&text), "seed %64[0-9a-f]", hex) == 1 && read_hex(hex, seed, sizeof(seed));
    if (good) seal_from_seed(seed, desk->console);
    seal_public(desk->console, &desk->own);
    seal_wipe(seed, sizeof(seed));
    seal_wipe(hex, sizeof(hex));
    if (text.size > 0) seal_wipe(text.data, text.size);
    return good ||
           error_set(err, ERROR_INVALID,
                     "%s is damaged: put the right file back, or remove it; then the landlord has to rotate "
                     "what it has taken",
                     path);
}

static bool make_console(struct desk *desk, const char *path, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    unsigned char seed[SEALED_KEY_SIZE];

    seal_make_seed(seed);
    seal_from_seed(seed, desk->console);
    seal_public(desk->console, &desk->own);
    buf_add_text(&text, "seed ");
    add_hex(&text, seed, sizeof(seed));
    buf_add_char(&text, '\n');
    bool good = secret_file_write(path, console_kind, &text, err);
    seal_wipe(seed, sizeof(seed));
    seal_wipe(text.data, text.size);
    return good;
}

/* A server that says it is another grid than before would be told in plain words what was sealed until then.
 */
static bool check_server(const struct desk *desk, struct error *err)
{
    DIR *listing = opendir(desk->directory);
    const struct dirent *entry = NULL;
    bool good = true;

    while (listing && good && (entry = readdir(listing))) {
        bool known = false;
        if (!text_is_name(entry->d_name) || text_equal(entry->d_name, desk->grid)) continue;
        good = knows_server(desk, entry->d_name, &known, err);
        if (good && known)
            good = error_set(
                err, ERROR_DENIED,
                "%s says that it is another grid than the one whose keys this desk took by it: if it "
                "is, remove %s/%s",
                client_server(desk->client), desk->directory, entry->d_name);
    }
    if (listing) closedir(listing);
    return good;
}

static bool knows_server(const struct desk *desk, const char *grid, bool *ret_known, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s/servers", desk->directory, grid);
    CLEANUP_MEM char *line = mem_printf("\n%s\n", client_server(desk->client));
    CLEANUP_BUF struct buf text = {0};
    struct error problem;

    buf_add_char(&text, '\n');
    if (!secret_file_read(path, servers_kind, &text, &problem)) {
        *ret_known = false;
        if (problem.code == ERROR_NOT_FOUND) return true;
        *err = problem;
        return false;
    }
    *ret_known = strstr(buf_text(&text), line) != NULL;
    return true;
}

/* By which servers this grid is known: the last ones, as many as the file may have. */
static bool note_server(const struct desk *desk, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s/servers", desk->directory, desk->grid);
    CLEANUP_BUF struct buf text = {0};
    struct error problem;
    bool known = false;

    if (!knows_server(desk, desk->grid, &known, err)) return false;
    if (known) return true;
    buf_printf(&text, "%s\n", client_server(desk->client));
    if (!secret_file_read(path, servers_kind, &text, &problem) && problem.code != ERROR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    if (text.size > SERVERS_SIZE_MAX) buf_truncate(&text, SERVERS_SIZE_MAX);
    return secret_file_write(path, servers_kind, &text, err);
}

/* NULL: no file can be called so. */
static char *pair_path(const struct desk *desk, const char *host, const char *party)
{
    ASSERT(desk->grid);
    if (!text_is_name(host) || !text_is_name(party)) return NULL;
    return mem_printf("%s/%s/%s@%s", desk->directory, desk->grid, party, host);
}

static bool read_hex(const char *text, unsigned char *ret_bytes, size_t size)
{
    if (strlen(text) != 2 * size) return false;
    for (size_t i = 0; i < size; i++) {
        int high = text_hex_digit(text[2 * i]), low = text_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        ret_bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void add_hex(struct buf *text, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf_printf(text, "%02x", bytes[i]);
}

/* Each try is a command of its own, with a counter and an expiry of its own. */
static bool call_send(struct desk_call *call, struct error *err)
{
    CLEANUP_BUF struct buf data = {0};

    if (!seal_command(call, &data, err)) return false;
    seal_digest(data.data, data.size, call->digest);
    const struct client_request request = {.method = "POST",
                                           .path = call->where,
                                           .body = data.data,
                                           .body_size = data.size,
                                           .timeout_ms = call->timeout_ms};
    call->call = client_start_call(call->desk->client, &request, call_answered, call);
    return true;
}

static bool seal_command(struct desk_call *call, struct buf *ret_data, struct error *err)
{
    const struct clock_port *clock = client_clock(call->desk->client);
    const struct vault_pair *pair = &call->target.pair;
    struct desk *desk = call->desk;
    int64_t now_ms = clock->wall_ms(clock->self);
    struct sealed_command command = {.expires_ms = now_ms + EXPIRES_MS,
                                     .method = call->method,
                                     .path = call->path,
                                     .body = call->body,
                                     .body_size = call->body_size};
    CLEANUP_BUF struct buf part = {0}, text = {0}, plain = {0};
    unsigned char signature[SEALED_SIGNATURE_SIZE];
    struct sealed_head head = {0};

    /* Microseconds, so that a desk that forgot how far it has counted goes on above that. */
    desk->counter = now_ms * 1000 > desk->counter ? now_ms * 1000 : desk->counter + 1;
    command.counter = desk->counter;
    snprintf(head.host, sizeof(head.host), "%s", call->target.host);
    snprintf(head.party, sizeof(head.party), "%s", call->target.party);
    memcpy(head.pair, pair->fingerprint, sizeof(head.pair));
    memcpy(command.console, desk->own.sign, sizeof(command.console));
    memcpy(command.answer_to, call->answer_to.seal, sizeof(command.answer_to));
    sealed_command_write(&command, &part);
    sealed_command_text(&head, part.data, part.size, &text);
    seal_sign(desk->console, text.data, text.size, signature);
    buf_add(&plain, signature, sizeof(signature));
    buf_add(&plain, part.data, part.size);
    sealed_head_write(&head, ret_data);
    bool good = seal_box(pair->seal, plain.data, plain.size, ret_data, err);
    struct buf *const secrets[] = {&part, &text, &plain};
    for (size_t i = 0; i < LENGTH(secrets); i++)
        seal_wipe(secrets[i]->data, secrets[i]->size);
    return good;
}

static void call_answered(void *ctx, const struct answer *answer)
{
    struct desk_call *call = ctx;
    CLEANUP_BUF struct buf plain = {0};
    struct sealed_answer sealed = {0};
    struct error err;

    call->call = NULL;
    if (answer->status != 200) { /* it was not carried, or not obeyed: said in the clear, by whoever it was */
        call->done(call->ctx, answer);
        call_free(call);
        return;
    }
    bool good = open_answer(call, answer, &plain, &sealed, &err);
    if (good && sealed.status == SEALED_AGAIN) {
        if (sealed.counter > call->desk->counter) call->desk->counter = sealed.counter;
        good = ++call->tries < TRIES ||
               error_set(&err, ERROR_FAILED, "%s has seen newer commands of this console each time",
                         call->target.host);
        if (good && call_send(call, &err)) return;
        good = false;
    }
    if (good)
        tell(call, &sealed);
    else
        tell_error(call, &err);
    call_free(call);
}

static bool open_answer(struct desk_call *call, const struct answer *answer, struct buf *ret_plain,
                        struct sealed_answer *ret_answer, struct error *err)
{
    const unsigned char *signature = NULL;
    CLEANUP_BUF struct buf text = {0};
    const char *box = NULL, *part = NULL;
    size_t size = 0, part_size = 0;
    struct sealed_answer sealed = {0};

    bool good = sealed_answer_box(answer->body, answer->body_size, &box, &size, err) &&
                seal_open(call->answer_key, &call->answer_to, box, size, ret_plain, err) &&
                sealed_split(ret_plain->data, ret_plain->size, &signature, &part, &part_size, err) &&
                sealed_answer_read(part, part_size, &sealed, err);
    if (good) {
        sealed_answer_text(part, part_size, &text);
        good = (seal_verify(call->target.pair.sign, text.data, text.size, signature) &&
                memcmp(sealed.command, call->digest, sizeof(call->digest)) == 0) ||
               error_set(err, ERROR_DENIED, "it is not signed by that host, or answers something else");
    }
    if (!good) return error_wrap(err, "what came as the answer of %s is none", call->target.host);
    *ret_answer = sealed;
    return true;
}

static void tell(struct desk_call *call, const struct sealed_answer *sealed)
{
    const struct header headers[] = {{"Content-Type", sealed->type}, {"Croft-Offset", sealed->offset}};
    CLEANUP_BUF struct buf body = {0}; /* with a zero byte behind it */

    if (sealed->body_size > 0) buf_add(&body, sealed->body, sealed->body_size);
    const struct answer answer = {.status = sealed->status,
                                  .headers = headers,
                                  .headers_length = LENGTH(headers),
                                  .body = buf_text(&body),
                                  .body_size = body.size};
    call->done(call->ctx, &answer);
}

static void tell_error(struct desk_call *call, const struct error *err)
{
    const struct answer answer = {.body = "", .error = err};
    call->done(call->ctx, &answer);
}

static void call_free(struct desk_call *call)
{
    if (call->answer_key) seal_secret_free(call->answer_key);
    mem_free(call->method);
    mem_free(call->path);
    if (call->body) seal_wipe(call->body, call->body_size); /* it may be a secret */
    mem_free(call->body);
    mem_free(call->host);
    mem_free(call->where);
    mem_free(call);
}
