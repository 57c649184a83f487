/* Layers of images on their way in, and the tokens of parties. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS_MAX = 100 }; /* of a party */

static const char token_prefix[] = TOKEN_PREFIX;

/* A layer that is being verified. */
struct finishing {
    const struct clock_port *clock; /* the API may end first */
    struct timer *timer;
    const char *digest;
    bool is_later; /* asked_later() was told */
};

static void blob_show(struct asked *asked, const char *digest);
static void blob_append(struct asked *asked, const char *digest);
static void blob_finish(struct asked *asked, const char *digest);
static void finish_on(void *ctx);
static void finish_cancel(struct asked *asked);
static void token_make(struct asked *asked);
static void token_list(struct asked *asked);
static void token_delete(struct asked *asked, const char *id);
static bool token_name_free(struct asked *asked, const char *party, const char *name, struct error *err);
static bool handles_token(struct asked *asked, const char *party, enum console console,
                          const char **ret_right, struct error *err);
static bool console_of(const char *name, enum console *ret_console, struct error *err);

bool route_library(struct asked *asked)
{
    if (text_starts(asked->path, "blobs/")) {
        char *digest = arena_strdup(asked->arena, asked->path + strlen("blobs/"));
        if (text_equal(asked->method, "GET")) {
            blob_show(asked, digest);
        } else if (text_equal(asked->method, "PUT")) {
            blob_append(asked, digest);
        } else if (text_equal(asked->method, "POST") && text_ends(digest, "/finish")) {
            digest[strlen(digest) - strlen("/finish")] = 0;
            blob_finish(asked, digest);
        } else {
            return false;
        }
        return true;
    }
    if (text_equal(asked->path, "tokens") && text_equal(asked->method, "POST")) {
        token_make(asked);
    } else if (text_equal(asked->path, "tokens") && text_equal(asked->method, "GET")) {
        token_list(asked);
    } else if (text_starts(asked->path, "tokens/") && text_equal(asked->method, "DELETE")) {
        token_delete(asked, asked->path + strlen("tokens/"));
    } else {
        return false;
    }
    return true;
}

bool token_caller(struct api *api, struct arena *arena, const char *token, struct caller *ret_caller,
                  struct error *err)
{
    const struct identity_port *identity = api->options.identity;
    struct store_item item = {0};
    struct node node;
    char digest[65], key[128];

    /* Only the digest is stored: whoever reads the store cannot act as anybody. */
    identity->digest(identity->self, token, strlen(token), digest);
    snprintf(key, sizeof(key), "%s%s", token_prefix, digest);
    if (!store_get(controller_store(api->options.controller), key, &item, err))
        return error_set(err, ERROR_DENIED, "the token is not known here: it may have been deleted");
    bool good = node_from_json(arena, item.value, strlen(item.value), &node, err);
    store_item_free(&item);
    if (!good) return false;
    ret_caller->party = node_text(&node, "party", "");
    ret_caller->name = arena_printf(arena, "%s/%s", ret_caller->party, node_text(&node, "name", ""));
    return console_of(node_text(&node, "console", ""), &ret_caller->console, err);
}

static void blob_show(struct asked *asked, const char *digest)
{
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0};
    int64_t size = 0;
    struct error err;

    if (controller_layer_size(controller, &asked->caller, digest, &size, &err)) {
        buf_printf(&json, "{\"size\":%" PRId64 "}", size);
        answer_json(asked, 200, &json);
    } else if (err.code == ERROR_NOT_FOUND) {
        /* Not a failure for whoever sends it: this is how much is here. */
        buf_printf(&json, "{\"partial\":%" PRId64 "}",
                   controller_layer_partial(controller, &asked->caller, digest));
        answer_json(asked, 404, &json);
    } else {
        answer_error(asked, &err);
    }
}

static void blob_append(struct asked *asked, const char *digest)
{
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0};
    int64_t offset = 0;
    struct error err;

    if (query_number(asked, "offset", 0, &offset, &err) &&
        controller_layer_append(controller, &asked->caller, digest, offset, asked->body, asked->body_size,
                                &err)) {
        buf_printf(&json, "{\"partial\":%" PRId64 "}",
                   controller_layer_partial(controller, &asked->caller, digest));
        answer_json(asked, 200, &json);
    } else {
        answer_error(asked, &err);
    }
}

static void blob_finish(struct asked *asked, const char *digest)
{
    struct finishing *finishing = arena_alloc(asked->arena, sizeof(*finishing));

    finishing->digest = digest;
    finishing->clock = asked->api->options.clock;
    asked->later = finishing;
    finish_on(asked);
}

/* A piece of the work a turn, so that nobody else has to wait for all of it. */
static void finish_on(void *ctx)
{
    struct asked *asked = ctx;
    struct finishing *finishing = asked->later;
    const struct clock_port *clock = finishing->clock;
    CLEANUP_BUF struct buf json = {0};
    bool done = false;
    struct error err;

    finishing->timer = NULL;
    if (!controller_layer_finish(asked->api->options.controller, &asked->caller, finishing->digest, &done,
                                 &err)) {
        answer_error(asked, &err);
    } else if (done) {
        buf_add_text(&json, "{}");
        answer_json(asked, 200, &json);
    } else {
        if (!finishing->is_later) asked_later(asked, finish_cancel);
        finishing->is_later = true;
        finishing->timer = clock->after(clock->self, 0, finish_on, asked);
    }
}

static void finish_cancel(struct asked *asked)
{
    struct finishing *finishing = asked->later;
    finishing->clock->cancel(finishing->clock->self, finishing->timer);
}

static void token_make(struct asked *asked)
{
    struct controller *controller = asked->api->options.controller;
    const struct random_port *random = asked->api->options.random;
    const struct identity_port *identity = asked->api->options.identity;
    const struct clock_port *clock = asked->api->options.clock;
    CLEANUP_CHANGE struct change *change = change_new(controller_store(controller));
    CLEANUP_BUF struct buf record = {0}, json = {0};
    unsigned char bytes[24];
    char token[2 * sizeof(bytes) + 1], digest[65], created[32];
    struct node body;
    struct error err;

    enum console console = CONSOLE_ANY;
    const char *right = NULL;
    if (!asked_body(asked, &body, &err)) {
        answer_error(asked, &err);
        return;
    }
    const char *party = node_text(&body, "party", ""), *name = node_text(&body, "name", "default");
    if (!console_of(node_text(&body, "console", ""), &console, &err) ||
        !handles_token(asked, party, console, &right, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!text_equal(party, "landlord") && !mirror_get(controller_mirror(controller), RECORD_PARTY, party)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no party \"%s\"", party);
        answer_error(asked, &err);
        return;
    }
    if (!token_name_free(asked, party, name, &err)) {
        answer_error(asked, &err);
        return;
    }
    random->fill(random->self, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    identity->digest(identity->self, token, strlen(token), digest);
    buf_add_text(&record, "{\"party\":");
    buf_add_json_string(&record, party);
    buf_add_text(&record, ",\"name\":");
    buf_add_json_string(&record, name);
    if (console != CONSOLE_ANY) buf_printf(&record, ",\"console\":\"%s\"", console_names[console]);
    buf_printf(&record, ",\"created\":\"%s\"}", text_format_time(created, clock->wall_ms(clock->self)));
    change_put_text(change, arena_printf(asked->arena, "%s%s", token_prefix, digest), buf_text(&record));
    change_right(change, right);
    change_event(change, clock->wall_ms(clock->self), asked->caller.name, "party", party, "token made",
                 console == CONSOLE_ANY
                     ? name
                     : arena_printf(asked->arena, "%s, for the %s console", name, console_names[console]));
    if (!change_commit(change, NULL, &err)) {
        answer_error(asked, &err);
        return;
    }
    buf_printf(&json, "{\"id\":\"%s\",\"token\":\"%s\"}", digest, token);
    answer_json(asked, 201, &json);
}

/* The audit log knows an author by this name: it has to be one token's. */
static bool token_name_free(struct asked *asked, const char *party, const char *name, struct error *err)
{
    struct store *store = controller_store(asked->api->options.controller);
    struct vec items = VEC_OF(struct store_item);
    bool good = store_list(store, token_prefix, NULL, 0, &items, err);
    size_t length = 0;

    for (size_t i = 0; good && i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        struct node token;
        good = node_from_json(asked->arena, item->value, strlen(item->value), &token, err);
        if (good && text_equal(node_text(&token, "party", ""), party) && ++length == TOKENS_MAX)
            good = error_set(err, ERROR_TOO_LARGE, "party %s has %d tokens: delete one first", party,
                             TOKENS_MAX);
        if (good && text_equal(node_text(&token, "party", ""), party) &&
            text_equal(node_text(&token, "name", ""), name))
            good = error_set(err, ERROR_REFUSED,
                             "party %s has a token \"%s\" already (%.12s…): give this one another name, or "
                             "delete that one",
                             party, name, item->key + strlen(token_prefix));
    }
    store_items_free(&items);
    return good;
}

static void token_list(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    struct vec items = VEC_OF(struct store_item);
    struct controller *controller = asked->api->options.controller;
    struct error err, ignored;
    size_t shown = 0;

    if (!controller_allows(controller, &asked->caller, DEED_TOKEN, asked->caller.party, NULL, &err) ||
        !store_list(controller_store(controller), token_prefix, NULL, 0, &items, &err)) {
        answer_error(asked, &err);
        return;
    }
    buf_add_char(&json, '[');
    for (size_t i = 0; i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        struct node token;
        if (!node_from_json(asked->arena, item->value, strlen(item->value), &token, &ignored) ||
            !controller_allows(controller, &asked->caller, DEED_TOKEN, node_text(&token, "party", ""), NULL,
                               &ignored))
            continue;
        buf_printf(&json, "%s{\"id\":\"%s\",%s", shown++ ? "," : "", item->key + strlen(token_prefix),
                   item->value + 1);
    }
    buf_add_char(&json, ']');
    store_items_free(&items);
    answer_json(asked, 200, &json);
}

static void token_delete(struct asked *asked, const char *id)
{
    struct controller *controller = asked->api->options.controller;
    const struct clock_port *clock = asked->api->options.clock;
    CLEANUP_CHANGE struct change *change = change_new(controller_store(controller));
    CLEANUP_BUF struct buf json = {0};
    struct store_item item = {0};
    struct error err;
    char *key = arena_printf(asked->arena, "%s%s", token_prefix, id);
    const char *right = NULL;
    enum console console = CONSOLE_ANY;
    struct node token;

    if (!controller_allows(controller, &asked->caller, DEED_TOKEN, asked->caller.party, NULL, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (!store_get(controller_store(controller), key, &item, &err)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no token %s", id);
        answer_error(asked, &err);
        return;
    }
    bool good = node_from_json(asked->arena, item.value, strlen(item.value), &token, &err) &&
                console_of(node_text(&token, "console", ""), &console, &err) &&
                handles_token(asked, node_text(&token, "party", ""), console, &right, &err);
    store_item_free(&item);
    if (!good) {
        answer_error(asked, &err);
        return;
    }
    change_delete_key(change, key);
    change_right(change, right);
    change_event(change, clock->wall_ms(clock->self), asked->caller.name, "token", id, "deleted", "as asked");
    if (!change_commit(change, NULL, &err)) {
        answer_error(asked, &err);
        return;
    }
    buf_add_text(&json, "{}");
    answer_json(asked, 200, &json);
}

/* Nobody makes a token, or takes one away, that may more than his own. */
static bool handles_token(struct asked *asked, const char *party, enum console console,
                          const char **ret_right, struct error *err)
{
    struct controller *controller = asked->api->options.controller;
    const struct caller *caller = &asked->caller;

    if (!controller_allows(controller, caller, DEED_TOKEN, party, ret_right, err)) return false;
    const struct lease_tree *tree = leases_tree(controller);
    unsigned more =
        rights_at_hand(tree, party, console) & ~rights_at_hand(tree, caller->party, caller->console);
    /* What a party holds today it may have more of tomorrow. */
    if (caller->console != CONSOLE_ANY) more |= console_rights(console) & ~console_rights(caller->console);
    if (more == 0) return true;
    return error_set(err, ERROR_DENIED, "a token of %s that has %s: %s has not that itself", party,
                     rights_text(asked->arena, more), caller->name);
}

static bool console_of(const char *name, enum console *ret_console, struct error *err)
{
    for (enum console i = 0; i < CONSOLES; i++) {
        if (!text_equal(console_names[i], name)) continue;
        *ret_console = i;
        return true;
    }
    return error_set(err, ERROR_INVALID, "a console is hardware, software or development, not \"%s\"", name);
}
