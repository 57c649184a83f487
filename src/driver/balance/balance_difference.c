#include "driver/balance/balance_difference.h"

#include "base/text.h"
#include "driver/balance/balance_config.h"

#include <stdio.h>

static void command(struct vec *ret_commands, enum balance_command_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void bring_in(const struct balance_frontend *frontend, const struct balance_server *server,
                     const struct balance_present *present, struct vec *ret_commands);
static void add_server(const struct balance_frontend *frontend, const struct balance_server *server,
                       struct vec *ret_commands);
static bool is_same(const struct balance_present *present, const struct balance_server *server);

void balance_difference(const struct balance_frontend *frontends, size_t frontends_length,
                        const struct vec *present, bool (*force)(void *ctx, const char *key), void *ctx,
                        struct vec *ret_commands, size_t *ret_leaving)
{
    CLEANUP(map_freep) struct map *by_key = map_new(), *staying = map_new();
    size_t leaving = 0;
    for (size_t i = 0; i < present->length; i++) {
        struct balance_present *item = vec_at(present, i);
        map_put(by_key, item->key, item);
    }
    /* What comes first, what goes after: so that no instant is without a server that could be there. */
    for (size_t f = 0; f < frontends_length; f++)
        for (size_t s = 0; s < frontends[f].servers_length; s++) {
            const struct balance_server *server = &frontends[f].servers[s];
            CLEANUP_MEM char *key = mem_printf("%s/%s", frontends[f].name, server->instance);
            struct balance_present *item = map_get(by_key, key);
            bring_in(&frontends[f], server, item, ret_commands);
            if (item && is_same(item, server)) map_put(staying, key, item);
        }
    for (size_t i = 0; i < present->length; i++) {
        const struct balance_present *item = vec_at(present, i);
        if (map_get(staying, item->key)) continue;
        leaving++;
        if (!item->maint) command(ret_commands, COMMAND_SET, "set server %s state maint", item->key);
        if (force(ctx, item->key))
            command(ret_commands, COMMAND_SHUT, "shutdown sessions server %s", item->key);
        command(ret_commands, COMMAND_DELETE, "del server %s", item->key);
    }
    *ret_leaving = leaving;
}

static void command(struct vec *ret_commands, enum balance_command_kind kind, const char *format, ...)
{
    struct balance_command *item = vec_push(ret_commands);
    va_list arguments;
    item->kind = kind;
    va_start(arguments, format);
    int length = vsnprintf(item->text, sizeof(item->text), format, arguments);
    va_end(arguments);
    /* Names have at most 63 characters. */
    ASSERT(length > 0 && (size_t)length < sizeof(item->text));
}

static void bring_in(const struct balance_frontend *frontend, const struct balance_server *server,
                     const struct balance_present *present, struct vec *ret_commands)
{
    const char *backend = frontend->name, *name = server->instance;
    ASSERT(text_is_name(backend) && text_is_name(name));
    if (present && !is_same(present, server)) return; /* its place is taken by one that has to go first */
    if (!present) add_server(frontend, server, ret_commands);
    if (!present || !present->checked)
        command(ret_commands, COMMAND_SET, "enable health %s/%s", backend, name);
    /* "state drain" and "state ready" also end a maintenance; a new server begins in one. */
    if (server->drain && (!present || present->maint || !present->drain))
        command(ret_commands, COMMAND_SET, "set server %s/%s state drain", backend, name);
    if (!server->drain && (!present || present->maint || present->drain))
        command(ret_commands, COMMAND_SET, "set server %s/%s state ready", backend, name);
}

static void add_server(const struct balance_frontend *frontend, const struct balance_server *server,
                       struct vec *ret_commands)
{
    char words[BALANCE_SERVER_SIZE];
    balance_server_words(frontend, server, words);
    command(ret_commands, COMMAND_ADD, "add server %s/%s %s", frontend->name, server->instance, words);
}

static bool is_same(const struct balance_present *present, const struct balance_server *server)
{
    return present->address == server->address && present->port == server->port;
}
