/* The books: what is written down of each change, with it. Every change of records comes by usage_follow(),
 * for control_change() makes them all; so none is forgotten, and nothing is remembered that the store does
 * not hold. */
#include "control/usage.h"

#include "base/planted.h"
#include "base/text.h"
#include "control/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPENING_OPS_MAX = STORE_OPS_LENGTH_MAX / 4 };

/* heard: the clock when all hosts that are up were known to be, by beats that came. */
static const char clock_key[] = "usage-clock", heard_key[] = "usage-heard";

/* Each book is of rows that are open, NAME-open/WHOSE, and of those that are over, NAME/TIME/WHOSE by the
 * time when that was written down, so that what belongs to a period stands together: their end, but of those
 * on a lost host, NAME/TIME/WHOSE@, which end when it was heard last. So who reads on in order of time misses
 * none that is written meanwhile. */
struct book {
    const char *name;
    const struct schema *schema;
    size_t from, to; /* offsets of from_ms, to_ms */
};
#define BOOK(name_, schema_, type)                                      \
    {                                                                   \
        name_, &schema_, offsetof(type, from_ms), offsetof(type, to_ms) \
    }
enum book_kind { BOOK_USAGE, BOOK_HOSTS, BOOK_FARMS, BOOK_SLAS, BOOK_PARTIES, BOOKS };
static const struct book books[BOOKS] = {
    [BOOK_USAGE] = BOOK("usage", schema_usage, struct stay),
    [BOOK_HOSTS] = BOOK("host-usage", schema_host_usage, struct host_usage),
    [BOOK_FARMS] = BOOK("farm-terms", schema_farm_terms, struct farm_terms),
    [BOOK_SLAS] = BOOK("sla-terms", schema_sla_terms, struct sla_terms),
    [BOOK_PARTIES] = BOOK("party-terms", schema_party_terms, struct party_terms),
};

/* A change on its way into the books. */
struct following {
    struct controller *controller;
    struct change *change;
    struct arena *arena;
    int64_t now_ms;
    const char *lost;                /* host that is being given up; NULL */
    struct map *known[RECORD_KINDS]; /* name -> struct change_record: what the change makes of it */
    struct map *hosts;               /* name -> struct delta */
    size_t wrote;                    /* rows begun or ended */
};

struct delta {
    struct resources given;
};

struct placed {
    const struct instance *instance;
    struct placed *next; /* on the same host */
};

static bool follow(void *ctx, struct change *change, struct error *err);
static void following_begin(struct following *f, struct controller *controller, struct change *change,
                            struct arena *arena);
static void following_end(struct following *f);
static bool follow_all(struct following *f, struct error *err);
static bool follow_instance(struct following *f, const struct change_record *record, struct error *err);
static bool follow_host_fact(struct following *f, const struct change_record *record, struct error *err);
static bool follow_host(struct following *f, const char *name, const struct delta *delta, struct error *err);
static bool follow_farm(struct following *f, const char *name, struct error *err);
static bool follow_sla(struct following *f, const struct change_record *record, struct error *err);
static bool follow_party(struct following *f, const struct change_record *record, struct error *err);
static const void *after(const struct following *f, enum record_kind kind, const char *name);
static bool is_lost(const struct following *f, const char *host);
static bool all_heard(struct controller *controller);
static struct stay *usage_of(const struct following *f, const struct instance *instance);
static struct delta *delta_of(struct following *f, const char *host);
static void add(struct resources *sum, const struct resources *size, int sign);
static struct resources less(const struct resources *a, const struct resources *b);
static bool rotate(struct following *f, enum book_kind kind, const char *whose, void *next,
                   struct error *err);
static void end_unheard(struct following *f, struct stay *row);
static int64_t heard_until(const struct following *f, const struct stay *row);
static void put_over(struct following *f, enum book_kind kind, const char *whose, void *row, int64_t to_ms,
                     const char *mark);
static bool open_row(struct following *f, enum book_kind kind, const char *whose, void **ret_row,
                     const char **ret_json, struct error *err);
static bool found(bool good, struct error *err, bool *ret_found);
static void write_clock(struct following *f);
static bool open_books(struct controller *controller, struct error *err);
static bool open_hosts(struct controller *controller, size_t *ret_mended, struct error *err);
static struct map *members_of(struct following *f);
static bool open_terms(struct controller *controller, size_t *ret_mended, struct error *err);
static bool close_strays(struct controller *controller, size_t *ret_mended, struct error *err);
static bool commit_some(struct following *f, size_t ops_max, struct error *err);

struct change *control_change(struct controller *controller)
{
    struct change *change = change_new(controller->options.store);
    change_follow(change, follow, controller);
    return change;
}

int64_t usage_now_ms(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    return controller->ledger_ms + (clock->steady_us(clock->self) - controller->ledger_us) / 1000;
}

bool usage_begin(struct controller *controller, struct error *err)
{
    const struct clock_port *clock = controller->options.clock;
    int64_t last_ms = 0;

    controller->ledger_us = clock->steady_us(clock->self);
    controller->ledger_ms = clock->wall_ms(clock->self);
    if (!usage_read_clock(controller, clock_key, &last_ms, err)) return false;
    controller->heard_before_ms = last_ms ? last_ms : controller->ledger_ms;
    if (!usage_read_clock(controller, heard_key, &controller->heard_before_ms, err) ||
        !usage_forget_begin(controller, err))
        return false;
    if (!last_ms) return true;
    if (last_ms > controller->ledger_ms) controller->ledger_ms = last_ms;
    controller->books_were_open = true;
    return true;
}

bool usage_keep(struct controller *controller, struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct following f;

    if (!controller->books_open && !open_books(controller, err)) return false;
    following_begin(&f, controller, change, arena);
    write_clock(&f);
    following_end(&f);
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

/* What is not there leaves *ret_ms as it is. */
bool usage_read_clock(struct controller *controller, const char *key, int64_t *ret_ms, struct error *err)
{
    struct store_item item;
    bool there = false;

    if (!found(store_get(controller->options.store, key, &item, err), err, &there)) return false;
    if (!there) return true;
    *ret_ms = strtoll(item.value, NULL, 10);
    store_item_free(&item);
    return true;
}

static bool follow(void *ctx, struct change *change, struct error *err)
{
    struct controller *controller = ctx;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct following f;

    if (!controller->books_open && !open_books(controller, err)) return false;
    following_begin(&f, controller, change, arena);
    bool good = follow_all(&f, err);
    if (good && f.wrote > 0) write_clock(&f);
    following_end(&f);
    return good || error_wrap(err, "writing down what is used");
}

static void following_begin(struct following *f, struct controller *controller, struct change *change,
                            struct arena *arena)
{
    *f = (struct following){.controller = controller,
                            .change = change,
                            .arena = arena,
                            .now_ms = usage_now_ms(controller),
                            .hosts = map_new()};
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        f->known[kind] = map_new();
}

static void following_end(struct following *f)
{
    map_free(f->hosts);
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        map_free(f->known[kind]);
}

static bool follow_all(struct following *f, struct error *err)
{
    struct change_record record;
    const char *name = NULL;
    void *value = NULL;

    for (size_t cursor = 0; change_next_record(f->change, &cursor, &record);) {
        struct change_record *copy = arena_alloc(f->arena, sizeof(*copy));
        *copy = record;
        map_put(f->known[record.kind], record.name, copy);
        if (record.kind == RECORD_HOST) delta_of(f, record.name);
    }
    for (size_t cursor = 0; change_next_record(f->change, &cursor, &record);) {
        bool good = true;
        if (record.kind == RECORD_INSTANCE)
            good = follow_instance(f, &record, err);
        else if (record.kind == RECORD_HOST_FACT)
            good = follow_host_fact(f, &record, err);
        else if (record.kind == RECORD_SLA)
            good = follow_sla(f, &record, err);
        else if (record.kind == RECORD_PARTY)
            good = follow_party(f, &record, err);
        else if (record.kind == RECORD_FARM || record.kind == RECORD_FARM_FACT)
            good = follow_farm(f, record.name, err);
        if (!good) return false;
    }
    for (size_t cursor = 0; map_next(f->hosts, &cursor, &name, &value);)
        if (!follow_host(f, name, value, err)) return false;
    return true;
}

/* The first book from what it says itself, the second from what the grid says: they share no source. */
static bool follow_instance(struct following *f, const struct change_record *record, struct error *err)
{
    const struct record *before = mirror_get(f->controller->mirror, RECORD_INSTANCE, record->name);
    const struct instance *old = before ? before->object : NULL, *now = record->object;

    if (old && old->host[0]) add(&delta_of(f, old->host)->given, &old->size, -1);
    if (now && now->host[0]) add(&delta_of(f, now->host)->given, &now->size, 1);
    if (PLANTED(stay_forgotten) && now && now->incarnation > 1 && (!old || !old->host[0])) return true;
    return rotate(f, BOOK_USAGE, record->name, usage_of(f, now), err);
}

/* Nobody pays for what runs on a host that is not there, from when it was heard last. */
static bool follow_host_fact(struct following *f, const struct change_record *record, struct error *err)
{
    const struct record *before = mirror_get(f->controller->mirror, RECORD_HOST_FACT, record->name);
    const struct host_fact *old = before ? before->object : NULL, *now = record->object;
    bool was_up = old && old->state != HOST_DOWN && old->state != HOST_STATE_OFF;
    bool is_up = now && now->state != HOST_DOWN && now->state != HOST_STATE_OFF;
    size_t length = 0;
    bool good = true;

    if (was_up == is_up) return true;
    if (was_up) f->lost = record->name;
    const struct record *const *records = mirror_list(f->controller->mirror, RECORD_INSTANCE, &length);
    for (size_t i = 0; good && i < length; i++) {
        const struct instance *instance = records[i]->object;
        if (!text_equal(instance->host, record->name)) continue;
        if (map_get(f->known[RECORD_INSTANCE], instance->name)) continue;
        good = rotate(f, BOOK_USAGE, instance->name, usage_of(f, instance), err);
    }
    f->lost = NULL;
    return good;
}

static bool follow_host(struct following *f, const char *name, const struct delta *delta, struct error *err)
{
    const struct host *host = after(f, RECORD_HOST, name);
    struct host_usage next = {.host = name, .zone = host ? host->zone : "", .to_ms = LEDGER_OPEN};
    const char *json = NULL;
    void *row = NULL;

    if (!open_row(f, BOOK_HOSTS, name, &row, &json, err)) return false;
    if (row) next.given = ((struct host_usage *)row)->given;
    add(&next.given, &delta->given, 1);
    if (host) next.had = less(&host->capacity, &host->reserve);
    bool nothing = !host && next.given.cpus_millis == 0 && next.given.memory_bytes == 0 &&
                   next.given.disk_bytes == 0 && next.given.network_bits_per_s == 0;
    return rotate(f, BOOK_HOSTS, name, nothing ? NULL : &next, err);
}

static bool follow_farm(struct following *f, const char *name, struct error *err)
{
    const struct farm *farm = after(f, RECORD_FARM, name);
    const struct farm_fact *fact = after(f, RECORD_FARM_FACT, name);

    if (!farm) return true;
    struct tier_terms *tiers = arena_alloc_array(f->arena, farm->tiers_length, sizeof(*tiers));
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier *tier = &farm->tiers[i];
        tiers[i] = (struct tier_terms){tier->name, tier->count.committed, tier->count.guaranteed,
                                       tier->count.max, plan_wanted(farm, fact, tier)};
    }
    struct farm_terms next = {.farm = name,
                              .party = farm->party,
                              .sla = farm->sla,
                              .tiers = tiers,
                              .tiers_length = farm->tiers_length,
                              .to_ms = LEDGER_OPEN};
    return rotate(f, BOOK_FARMS, name, &next, err);
}

static bool follow_sla(struct following *f, const struct change_record *record, struct error *err)
{
    const struct sla *sla = after(f, RECORD_SLA, record->name);
    struct sla_terms next = {.to_ms = LEDGER_OPEN};

    if (!sla) return true; /* what was used under it keeps it */
    next.sla = *sla;
    return rotate(f, BOOK_SLAS, record->name, &next, err);
}

static bool follow_party(struct following *f, const struct change_record *record, struct error *err)
{
    const struct party *party = after(f, RECORD_PARTY, record->name);
    struct party_terms next = {.party = record->name, .to_ms = LEDGER_OPEN};

    if (!party) return true;
    next.parent = party->parent;
    return rotate(f, BOOK_PARTIES, record->name, &next, err);
}

/* What it will be when the change is committed; NULL: there is none. */
static const void *after(const struct following *f, enum record_kind kind, const char *name)
{
    struct change_record *changed = map_get(f->known[kind], name);
    const struct record *record = mirror_get(f->controller->mirror, kind, name);
    struct error err;

    if (!changed) return record ? record->object : NULL;
    if (changed->object || !changed->json) return changed->object;
    void *object = arena_alloc(f->arena, record_schema(kind)->size);
    /* This controller wrote it a moment ago. */
    ASSERT(
        model_read_json(record_schema(kind), f->arena, changed->json, strlen(changed->json), object, &err));
    changed->object = object;
    return object;
}

static bool is_lost(const struct following *f, const char *host)
{
    const struct host_fact *fact = after(f, RECORD_HOST_FACT, host);
    return !fact || fact->state == HOST_DOWN || fact->state == HOST_STATE_OFF;
}

/* Once it is so it stays so: a host comes up by being heard. */
static bool all_heard(struct controller *controller)
{
    size_t length = 0;
    const struct record *const *records = mirror_list(controller->mirror, RECORD_HOST_FACT, &length);

    for (size_t i = 0; !controller->all_heard && i < length; i++) {
        const struct host_fact *fact = records[i]->object;
        if (fact->state == HOST_DOWN || fact->state == HOST_STATE_OFF) continue;
        if (session_get(controller, fact->name)->heard_us == 0) return false;
    }
    controller->all_heard = true;
    return true;
}

/* NULL: it has no place, and takes nothing. */
static struct stay *usage_of(const struct following *f, const struct instance *instance)
{
    if (!instance || !instance->host[0]) return NULL;
    struct stay *row = arena_alloc(f->arena, sizeof(*row));
    *row = (struct stay){.instance = instance->name,
                         .party = instance->party,
                         .farm = instance->farm,
                         .tier = instance->tier,
                         .host = instance->host,
                         .kind = USAGE_TRANSITION,
                         .size = instance->size,
                         .to_ms = LEDGER_OPEN};
    if (instance->state == INSTANCE_RUNNING && !is_lost(f, instance->host)) {
        if (instance->wanted == WANTED_RUN) row->kind = USAGE_SERVING;
        if (instance->wanted == WANTED_WARM) row->kind = USAGE_WARM;
    }
    return row;
}

static struct delta *delta_of(struct following *f, const char *host)
{
    struct delta *delta = map_get(f->hosts, host);

    if (delta) return delta;
    delta = arena_alloc(f->arena, sizeof(*delta));
    map_put(f->hosts, host, delta);
    return delta;
}

static void add(struct resources *sum, const struct resources *size, int sign)
{
    sum->cpus_millis += sign * size->cpus_millis;
    sum->memory_bytes += sign * size->memory_bytes;
    sum->disk_bytes += sign * size->disk_bytes;
    sum->network_bits_per_s += sign * size->network_bits_per_s;
}

static struct resources less(const struct resources *a, const struct resources *b)
{
    struct resources rest = *a;
    add(&rest, b, -1);
    return rest;
}

/* Ends the row that is open when it says something else than `next` (NULL: there is none from now on), which
 * then begins. What was over at once was never there. */
static bool rotate(struct following *f, enum book_kind kind, const char *whose, void *next, struct error *err)
{
    const struct book *book = &books[kind];
    const char *key = arena_printf(f->arena, "%s-open/%s", book->name, whose), *json = NULL;
    CLEANUP_BUF struct buf text = {0};
    void *row = NULL;

    if (!open_row(f, kind, whose, &row, &json, err)) return false;
    if (!row && !next) return true;
    int64_t *from_ms = row ? (int64_t *)((char *)row + book->from) : NULL;
    if (next) {
        int64_t *next_from_ms = (int64_t *)((char *)next + book->from);
        *next_from_ms = row ? *from_ms : f->now_ms;
        schema_write(book->schema, NULL, next, &text);
        if (row && text_equal(json, buf_text(&text))) return true;
        *next_from_ms = f->now_ms;
        buf_clear(&text);
        schema_write(book->schema, NULL, next, &text);
        change_put_text(f->change, key, buf_text(&text));
    } else {
        change_delete_key(f->change, key);
    }
    f->wrote++;
    if (!row || *from_ms == f->now_ms) return true;
    ASSERT(*from_ms < f->now_ms); /* the clock was not before what was written */
    if (kind == BOOK_USAGE) end_unheard(f, row);
    put_over(f, kind, whose, row, f->now_ms, "");
    return true;
}

/* What a host did after it was heard last nobody knows: that part of the row is not billed. */
static void end_unheard(struct following *f, struct stay *row)
{
    int64_t heard_ms = heard_until(f, row);

    if (heard_ms >= f->now_ms) return;
    if (heard_ms > row->from_ms) {
        put_over(f, BOOK_USAGE, row->instance, row, heard_ms, "@");
        row->from_ms = heard_ms;
    }
    row->kind = USAGE_TRANSITION;
}

/* Hosts that are there are heard soon after a controller began; of one that it never heard it knows what the
 * one before it wrote down. */
static int64_t heard_until(const struct following *f, const struct stay *row)
{
    const struct controller *controller = f->controller;

    if (row->kind == USAGE_TRANSITION) return f->now_ms;
    int64_t heard_us = session_get(f->controller, row->host)->heard_us;
    if (heard_us == 0) return controller->heard_before_ms;
    if (!text_equal(row->host, f->lost)) return f->now_ms;
    return controller->ledger_ms + (heard_us - controller->ledger_us) / 1000;
}

/* mark: behind the key, of a row that ended before now. */
static void put_over(struct following *f, enum book_kind kind, const char *whose, void *row, int64_t to_ms,
                     const char *mark)
{
    const struct book *book = &books[kind];
    CLEANUP_BUF struct buf text = {0};

    *(int64_t *)((char *)row + book->to) = to_ms;
    schema_write(book->schema, NULL, row, &text);
    change_put_text(
        f->change,
        arena_printf(f->arena, "%s/%016" PRIx64 "/%s%s", book->name, (uint64_t)f->now_ms, whose, mark),
        buf_text(&text));
}

/* *ret_row is NULL when none is open. */
static bool open_row(struct following *f, enum book_kind kind, const char *whose, void **ret_row,
                     const char **ret_json, struct error *err)
{
    const struct book *book = &books[kind];
    struct store_item item = {0};
    bool there = false;
    const char *key = arena_printf(f->arena, "%s-open/%s", book->name, whose);

    if (!found(store_get(f->controller->options.store, key, &item, err), err, &there)) return false;
    if (!there) return true;
    void *row = arena_alloc(f->arena, book->schema->size);
    *ret_json = arena_strdup(f->arena, item.value);
    bool good = model_read_json(book->schema, f->arena, *ret_json, strlen(*ret_json), row, err) ||
                error_wrap(err, "%s in the store is damaged", key);
    store_item_free(&item);
    if (good) *ret_row = row;
    return good;
}

/* Of what store_get() said: that it is not there is no failure. */
static bool found(bool good, struct error *err, bool *ret_found)
{
    if (!good && err->code != ERROR_NOT_FOUND) return false;
    *ret_found = good;
    return true;
}

static void write_clock(struct following *f)
{
    const char *now = arena_printf(f->arena, "%" PRId64, f->now_ms);

    change_put_text(f->change, clock_key, now);
    if (all_heard(f->controller)) change_put_text(f->change, heard_key, now);
}

/* Once in a controller's life, before its first change. A grid that had no books yet gets them; in one that
 * had, nothing is to be done, for a change and what follows from it are one transaction: else it is told. */
static bool open_books(struct controller *controller, struct error *err)
{
    size_t mended = 0;

    if (!open_hosts(controller, &mended, err) || !open_terms(controller, &mended, err) ||
        !close_strays(controller, &mended, err))
        return error_wrap(err, "opening the books");
    controller->books_open = true;
    if (mended > 0 && controller->books_were_open) {
        struct error told;
        error_set(&told, ERROR_FAILED, "%zu rows of the books did not agree with the grid, and were mended",
                  mended);
        control_log(controller, "opening the books", &told);
    }
    return true;
}

/* Each host with all that is placed there in one transaction: no moment has the one without the other. */
static bool open_hosts(struct controller *controller, size_t *ret_mended, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct following f;
    size_t length = 0;
    const struct record *const *records = mirror_list(controller->mirror, RECORD_HOST, &length);
    const char *name = NULL;
    void *value = NULL;
    bool good = true;

    following_begin(&f, controller, control_change(controller), arena);
    CLEANUP(map_freep) struct map *members = members_of(&f);
    for (size_t i = 0; i < length; i++)
        delta_of(&f, records[i]->name);
    for (size_t cursor = 0; good && map_next(f.hosts, &cursor, &name, &value);) {
        const struct host *host = after(&f, RECORD_HOST, name);
        struct host_usage next = {.host = name,
                                  .zone = host ? host->zone : "",
                                  .given = ((struct delta *)value)->given,
                                  .to_ms = LEDGER_OPEN};
        if (host) next.had = less(&host->capacity, &host->reserve);
        for (struct placed *m = map_get(members, name); good && m; m = m->next)
            good = rotate(&f, BOOK_USAGE, m->instance->name, usage_of(&f, m->instance), err);
        good = good && rotate(&f, BOOK_HOSTS, name, &next, err) && commit_some(&f, OPENING_OPS_MAX, err);
    }
    good = good && commit_some(&f, 0, err);
    *ret_mended += f.wrote;
    change_free(f.change);
    following_end(&f);
    return good;
}

/* Host -> struct placed; adds up what each has given. */
static struct map *members_of(struct following *f)
{
    struct map *members = map_new();
    size_t length = 0;
    const struct record *const *records = mirror_list(f->controller->mirror, RECORD_INSTANCE, &length);

    for (size_t i = 0; i < length; i++) {
        const struct instance *instance = records[i]->object;
        if (!instance->host[0]) continue;
        struct placed *member = arena_alloc(f->arena, sizeof(*member));
        member->instance = instance;
        member->next = map_put(members, instance->host, member);
        if (member->next) map_put(members, instance->host, member);
        add(&delta_of(f, instance->host)->given, &instance->size, 1);
    }
    return members;
}

static bool open_terms(struct controller *controller, size_t *ret_mended, struct error *err)
{
    static const enum record_kind kinds_of[] = {RECORD_FARM, RECORD_SLA, RECORD_PARTY};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct following f;
    bool good = true;

    following_begin(&f, controller, control_change(controller), arena);
    for (size_t k = 0; k < LENGTH(kinds_of); k++) {
        size_t length = 0;
        const struct record *const *records = mirror_list(controller->mirror, kinds_of[k], &length);
        for (size_t i = 0; good && i < length; i++) {
            struct change_record record = {.kind = kinds_of[k], .name = records[i]->name};
            good = (record.kind == RECORD_FARM  ? follow_farm(&f, record.name, err)
                    : record.kind == RECORD_SLA ? follow_sla(&f, &record, err)
                                                : follow_party(&f, &record, err)) &&
                   commit_some(&f, OPENING_OPS_MAX, err);
        }
    }
    good = good && commit_some(&f, 0, err);
    *ret_mended += f.wrote;
    change_free(f.change);
    following_end(&f);
    return good;
}

/* Rows of what is not there any more. */
static bool close_strays(struct controller *controller, size_t *ret_mended, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec items = VEC_OF(struct store_item);
    struct following f;

    if (!store_list(controller->options.store, "usage-open/", NULL, 0, &items, err)) return false;
    following_begin(&f, controller, control_change(controller), arena);
    bool good = true;
    for (size_t i = 0; good && i < items.length; i++) {
        const char *name = ((struct store_item *)vec_at(&items, i))->key + strlen("usage-open/");
        const struct instance *instance = after(&f, RECORD_INSTANCE, name);
        good = rotate(&f, BOOK_USAGE, name, usage_of(&f, instance), err) &&
               commit_some(&f, OPENING_OPS_MAX, err);
    }
    good = good && commit_some(&f, 0, err);
    *ret_mended += f.wrote;
    change_free(f.change);
    following_end(&f);
    store_items_free(&items);
    return good;
}

/* Writes what there is when it is more than so much. */
static bool commit_some(struct following *f, size_t ops_max, struct error *err)
{
    if (change_length(f->change) <= ops_max) return true;
    if (!change_commit(f->change, NULL, err)) return false;
    change_free(f->change);
    f->change = control_change(f->controller);
    return true;
}
