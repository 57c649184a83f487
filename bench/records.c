/* Gives a controller that runs alone a grid to look at: hosts that seem up, and instances that seem to run.
 *
 *   records STORE hosts N   N hosts that are up, as their agents' hellos would have left them
 *   records STORE year N L  the books of a year of N instances, each replaced L times
 *   records STORE running   every instance runs and is healthy, as reports would have said; hosts are down
 * and nobody can switch them off, so that nothing is decided any more */
#include "model/schemas.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { YEAR_HOSTS = 100 };
#define YEAR_MS INT64_C(1735689600000) /* 2025 */
#define YEAR_LONG_MS (INT64_C(365) * 24 * 3600 * 1000)

/* Rows on their way into the store. */
struct desk {
    struct store *store;
    struct arena *arena;
    struct vec ops; /* struct store_op */
};

/* An instance comes to a host, or goes. */
struct move {
    int64_t at_ms;
    int by;
};

static bool add_hosts(struct store *store, int length, struct error *err);
static bool set_running(struct store *store, struct error *err);
static bool add_year(struct store *store, int length, int lives, struct error *err);
static bool add_terms(struct desk *desk, int farm, struct error *err);
static bool add_life(struct desk *desk, int number, int life, int lives, struct vec *moves,
                     struct error *err);
static bool add_host_year(struct desk *desk, int number, struct vec *moves, struct error *err);
static int compare_moves(const void *a, const void *b);
static bool row(struct desk *desk, const char *book, const char *whose, int64_t at_ms,
                const struct schema *schema, const void *object, struct error *err);
static bool write_rows(struct desk *desk, size_t more_than, struct error *err);
static bool put_fact(struct store *store, int number, enum host_state state, struct error *err);
static bool put(struct store *store, const char *key, const struct schema *schema, const char *kind,
                const void *object, struct error *err);

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct error err = {0};
    bool hosts = argc == 4 && strcmp(argv[2], "hosts") == 0, year = argc == 5 && strcmp(argv[2], "year") == 0,
         running = argc == 3 && strcmp(argv[2], "running") == 0;

    if (!hosts && !running && !year) {
        fputs("usage: records STORE hosts N | records STORE year N L | records STORE running\n", stderr);
        return 2;
    }
    bool good = store_open_sqlite(argv[1], &store, &err) &&
                (hosts  ? add_hosts(store, atoi(argv[3]), &err)
                 : year ? add_year(store, atoi(argv[3]), atoi(argv[4]), &err)
                        : set_running(store, &err));
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

/* The books of a year: `length` instances of farms of twenty, on a hundred hosts, each replaced `lives` times
 * by a successor a second after it; each boots, serves and is wiped. Under a service level whose rates change
 * in the middle. */
static bool add_year(struct store *store, int length, int lives, struct error *err)
{
    struct desk desk = {.store = store, .arena = arena_new(), .ops = VEC_OF(struct store_op)};
    struct vec *moves = arena_alloc_array(desk.arena, YEAR_HOSTS, sizeof(*moves));
    bool good = true;

    for (int h = 0; h < YEAR_HOSTS; h++)
        moves[h] = VEC_OF(struct move);
    for (int farm = 0; good && farm * 20 < length; farm++)
        good = add_terms(&desk, farm, err);
    for (int i = 0; good && i < length; i++)
        for (int life = 0; good && life < lives; life++)
            good = add_life(&desk, i, life, lives, &moves[i % YEAR_HOSTS], err);
    for (int h = 0; h < YEAR_HOSTS; h++) {
        good = good && add_host_year(&desk, h, &moves[h], err);
        vec_free(&moves[h]);
    }
    good = good && write_rows(&desk, 0, err);
    vec_free(&desk.ops);
    arena_free(desk.arena);
    return good;
}

static bool add_terms(struct desk *desk, int farm, struct error *err)
{
    static struct tier_terms tier = {"web", 10, 15, 20, 20};
    struct farm_terms terms = {.party = "acme",
                               .sla = "gold",
                               .tiers = &tier,
                               .tiers_length = 1,
                               .from_ms = YEAR_MS,
                               .to_ms = LEDGER_OPEN};
    struct sla_terms sla = {
        .sla = {.name = "gold", .rules = "", .target = {50, 99000}, .credits = {99900, 10000}},
        .to_ms = LEDGER_OPEN};
    struct party_terms party = {"acme", "landlord", YEAR_MS, LEDGER_OPEN};

    terms.farm = arena_printf(desk->arena, "acme/shop%d", farm);
    if (!row(desk, "farm-terms-open", terms.farm, 0, &schema_farm_terms, &terms, err)) return false;
    if (farm > 0) return true;
    for (size_t i = 0; i < LEVELS; i++) {
        sla.sla.levels[i].sites = "";
        sla.sla.levels[i].rate = (struct money){20000 + 10000 * (int64_t)i, "EUR"};
        sla.sla.levels[i].fee = (struct money){(int64_t)i * 5000000, "EUR"};
    }
    sla.from_ms = YEAR_MS;
    sla.to_ms = YEAR_MS + YEAR_LONG_MS / 2;
    if (!row(desk, "sla-terms", "gold", sla.to_ms, &schema_sla_terms, &sla, err)) return false;
    sla.from_ms = sla.to_ms;
    sla.to_ms = LEDGER_OPEN;
    sla.sla.levels[0].rate.micros += 1000;
    return row(desk, "sla-terms-open", "gold", 0, &schema_sla_terms, &sla, err) &&
           row(desk, "party-terms-open", "acme", 0, &schema_party_terms, &party, err);
}

static bool add_life(struct desk *desk, int number, int life, int lives, struct vec *moves, struct error *err)
{
    static const enum usage_kind kinds_of[] = {USAGE_TRANSITION, USAGE_SERVING, USAGE_TRANSITION};
    int64_t long_ms = YEAR_LONG_MS / lives, from_ms = YEAR_MS + life * long_ms + number * INT64_C(97);
    int64_t times[] = {from_ms, from_ms + 400, from_ms + long_ms - 2000, from_ms + long_ms - 1000};
    struct stay stay = {.party = "acme", .tier = "web", .size = {500, 1 << 28, 1 << 30, 0}};

    stay.farm = arena_printf(desk->arena, "acme/shop%d", number / 20);
    stay.instance = arena_printf(desk->arena, "%s/web-%d", stay.farm, number % 20 + 20 * life);
    stay.host = arena_printf(desk->arena, "y%d", number % YEAR_HOSTS);
    for (size_t i = 0; i < LENGTH(kinds_of); i++) {
        stay.kind = kinds_of[i];
        stay.from_ms = times[i];
        stay.to_ms = times[i + 1];
        if (!row(desk, "usage", stay.instance, stay.to_ms, &schema_usage, &stay, err)) return false;
    }
    *(struct move *)vec_push(moves) = (struct move){times[0], 1};
    *(struct move *)vec_push(moves) = (struct move){times[3], -1};
    return true;
}

static bool add_host_year(struct desk *desk, int number, struct vec *moves, struct error *err)
{
    const char *name = arena_printf(desk->arena, "y%d", number);
    struct host_usage usage = {.host = name, .had = {64000, 1LL << 38, 1LL << 41, 0}, .from_ms = YEAR_MS};
    int64_t placed = 0;

    vec_sort(moves, compare_moves);
    for (size_t i = 0; i < moves->length; i++) {
        const struct move *move = vec_at(moves, i);
        usage.to_ms = move->at_ms;
        usage.given = (struct resources){500 * placed, placed << 28, placed << 30, 0};
        placed += move->by;
        if (usage.to_ms == usage.from_ms) continue;
        if (!row(desk, "host-usage", name, usage.to_ms, &schema_host_usage, &usage, err)) return false;
        usage.from_ms = usage.to_ms;
    }
    return true;
}

static int compare_moves(const void *a, const void *b)
{
    const struct move *left = a, *right = b;
    return (left->at_ms > right->at_ms) - (left->at_ms < right->at_ms);
}

/* at_ms: of a row that is over, its end; 0: it is open. */
static bool row(struct desk *desk, const char *book, const char *whose, int64_t at_ms,
                const struct schema *schema, const void *object, struct error *err)
{
    CLEANUP_BUF struct buf json = {0};
    struct store_op *op = vec_push(&desk->ops);

    schema_write(schema, NULL, object, &json);
    op->kind = STORE_PUT;
    op->key = at_ms ? arena_printf(desk->arena, "%s/%016" PRIx64 "/%s", book, (uint64_t)at_ms, whose)
                    : arena_printf(desk->arena, "%s/%s", book, whose);
    op->value = arena_strdup(desk->arena, buf_text(&json));
    return write_rows(desk, STORE_OPS_LENGTH_MAX - 1, err);
}

static bool write_rows(struct desk *desk, size_t more_than, struct error *err)
{
    if (desk->ops.length <= more_than) return true;
    bool good = store_txn(desk->store, desk->ops.items, desk->ops.length, NULL, err);
    vec_clear(&desk->ops);
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
