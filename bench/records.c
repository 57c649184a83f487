/* Gives a controller that runs alone a grid to look at: hosts that seem up, and instances that seem to run.
 *
 *   records STORE hosts N   N hosts that are up, as their agents' hellos would have left them
 *   records STORE running   every instance runs and is healthy, as reports would have said; hosts are down
 * and nobody can switch them off, so that nothing is decided any more */
#include "model/schemas.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add_hosts(struct store *store, int length, struct error *err);
static bool set_running(struct store *store, struct error *err);
static bool put_fact(struct store *store, int number, enum host_state state, struct error *err);
static bool put(struct store *store, const char *key, const struct schema *schema, const char *kind,
                const void *object, struct error *err);

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct error err = {0};
    bool hosts = argc == 4 && strcmp(argv[2], "hosts") == 0,
         running = argc == 3 && strcmp(argv[2], "running") == 0;

    if (!hosts && !running) {
        fputs("usage: records STORE hosts N | records STORE running\n", stderr);
        return 2;
    }
    bool good = store_open_sqlite(argv[1], &store, &err) &&
                (hosts ? add_hosts(store, atoi(argv[3]), &err) : set_running(store, &err));
    store_close(store);
    if (!good) fprintf(stderr, "records: %s\n", err.message);
    return good ? 0 : 1;
}

static bool add_hosts(struct store *store, int length, struct error *err)
{
    char name[32], key[64];

    for (int i = 0; i < length; i++) {
        snprintf(name, sizeof(name), "h%d", i + 1);
        struct host host = {.name = name,
                            .zone = "east/b1/r1",
                            .pool = "general",
                            .class_name = "general",
                            .capacity = {1000000, 1LL << 42, 1LL << 44, 0}};
        snprintf(key, sizeof(key), "host/%s", name);
        if (!put(store, key, &schema_host, "Host", &host, err) || !put_fact(store, i, HOST_UP, err))
            return false;
    }
    return true;
}

static bool set_running(struct store *store, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec items = VEC_OF(struct store_item);
    bool good = store_list(store, "instance/", NULL, 0, &items, err);

    for (size_t i = 0; good && i < items.length; i++) {
        const struct store_item *item = vec_at(&items, i);
        struct instance instance = {0};
        good = model_read_json(&schema_instance, arena, item->value, strlen(item->value), &instance, err);
        instance.state = INSTANCE_RUNNING;
        instance.health = HEALTH_GOOD;
        good = good && put(store, item->key, &schema_instance, "Instance", &instance, err);
    }
    store_items_free(&items);
    good = good && store_list(store, "host-fact/", NULL, 0, &items, err);
    for (size_t i = 0; good && i < items.length; i++)
        good = put_fact(store, (int)i, HOST_DOWN, err);
    store_items_free(&items);
    return good;
}

/* Nobody is there to answer a look. */
static bool put_fact(struct store *store, int number, enum host_state state, struct error *err)
{
    char name[32], key[64];

    snprintf(name, sizeof(name), "h%d", number + 1);
    snprintf(key, sizeof(key), "host-fact/%s", name);
    struct host_fact fact = {.name = name,
                             .state = state,
                             .boot = "1",
                             .addresses = {"127.0.0.1:1", "127.0.0.1:1"},
                             .underlay = 0x0a5c0001U + (uint32_t)number,
                             .agent_version = "",
                             .document_error = "",
                             .reason = "written by bench/records"};
    return put(store, key, &schema_host_fact, "HostFact", &fact, err);
}

static bool put(struct store *store, const char *key, const struct schema *schema, const char *kind,
                const void *object, struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    schema_write(schema, kind, object, &json);
    struct store_op op = {.kind = STORE_PUT, .key = key, .value = buf_text(&json)};
    return store_txn(store, &op, 1, NULL, err);
}
