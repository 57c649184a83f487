#include "simulate/audit.h"

#include "base/text.h"
#include "model/schemas.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct row {
    bool there;
    char *host;
    struct resources size;
    int64_t from_ms, to_ms;
};

/* An instance: what its record says, and its rows of the first book. */
struct entry {
    struct row record;       /* its place */
    struct row open, before; /* before: the open row before this revision */
    struct row closed;       /* in this revision */
    int64_t over_ms;         /* end of the newest closed row */
    bool touched;
};

/* A host: what its record says and what is placed there by records, and its row of the second book. */
struct holder {
    bool there;
    struct resources had, given;
    struct host_usage open;
    bool is_open;
    int64_t over_ms;
    bool touched;
};

struct audit {
    struct map *entries, *holders; /* name -> struct entry, struct holder */
    struct vec touched;            /* char *: names of instances, of this revision */
    struct vec touched_hosts;      /* the same */
    uint64_t revision;
    int64_t clock_ms;
    bool broken;
    struct error err;
};

static void take_instance(struct audit *audit, const char *name, const char *json);
static void take_open(struct audit *audit, const char *name, const char *json);
static void take_closed(struct audit *audit, const char *json);
static void take_host(struct audit *audit, const char *name, const char *json);
static void take_host_open(struct audit *audit, const char *name, const char *json);
static void take_host_closed(struct audit *audit, const char *json);
static void take_clock(struct audit *audit, const char *text);
static void settle(struct audit *audit);
static void settle_instance(struct audit *audit, const char *name, struct entry *entry);
static void settle_host(struct audit *audit, const char *name, struct holder *holder);
static void wrong(struct audit *audit, const char *format, ...) PRINTF_LIKE(2, 3);
static bool read_json(struct audit *audit, const struct schema *schema, struct arena *arena, const char *json,
                      void *ret_object);
static struct entry *entry_of(struct audit *audit, const char *name);
static struct holder *holder_of(struct audit *audit, const char *name);
static void set_row(struct row *row, const char *host, const struct resources *size, int64_t from_ms,
                    int64_t to_ms);
static void clear_row(struct row *row);
static void copy_row(struct row *to, const struct row *from);
static bool same_place(const struct row *a, const struct row *b);
static bool same(const struct resources *a, const struct resources *b);
static void add(struct resources *sum, const struct resources *size, int sign);

bool audit_new(struct store *store, struct audit **ret_audit, struct error *err)
{
    static const char *const prefixes[] = {"instance/", "host/", "usage", "host-usage"};
    struct audit *audit = mem_alloc(sizeof(*audit));

    audit->entries = map_new();
    audit->holders = map_new();
    audit->touched = VEC_OF(char *);
    audit->touched_hosts = VEC_OF(char *);
    for (size_t i = 0; i < LENGTH(prefixes); i++) {
        struct vec items = VEC_OF(struct store_item);
        if (!store_list(store, prefixes[i], NULL, 0, &items, err)) {
            audit_free(audit);
            return false;
        }
        for (size_t k = 0; k < items.length; k++) {
            struct store_item item = *(struct store_item *)vec_at(&items, k);
            item.revision = store_revision(store); /* all at once */
            /* What was over before is nobody's doing now. */
            if (!text_starts(item.key, "usage/") && !text_starts(item.key, "host-usage/"))
                audit_take(audit, &item);
        }
        store_items_free(&items);
    }
    *ret_audit = audit;
    return true;
}

void audit_free(struct audit *audit)
{
    void *value = NULL;

    if (!audit) return;
    for (size_t cursor = 0; map_next(audit->entries, &cursor, NULL, &value);) {
        struct entry *entry = value;
        struct row *rows[] = {&entry->record, &entry->open, &entry->before, &entry->closed};
        for (size_t i = 0; i < LENGTH(rows); i++)
            clear_row(rows[i]);
        mem_free(entry);
    }
    for (size_t cursor = 0; map_next(audit->holders, &cursor, NULL, &value);)
        mem_free(value);
    for (size_t i = 0; i < audit->touched.length; i++)
        mem_free(*(char **)vec_at(&audit->touched, i));
    for (size_t i = 0; i < audit->touched_hosts.length; i++)
        mem_free(*(char **)vec_at(&audit->touched_hosts, i));
    vec_free(&audit->touched);
    vec_free(&audit->touched_hosts);
    map_free(audit->entries);
    map_free(audit->holders);
    mem_free(audit);
}

void audit_take(struct audit *audit, const struct store_item *item)
{
    static const struct {
        const char *prefix;
        void (*take)(struct audit *audit, const char *name, const char *json);
    } takers[] = {{"instance/", take_instance},
                  {"usage-open/", take_open},
                  {"host/", take_host},
                  {"host-usage-open/", take_host_open}};

    if (item->revision != audit->revision) settle(audit);
    audit->revision = item->revision;
    for (size_t i = 0; i < LENGTH(takers); i++)
        if (text_starts(item->key, takers[i].prefix))
            takers[i].take(audit, item->key + strlen(takers[i].prefix), item->value);
    if (text_starts(item->key, "usage/")) take_closed(audit, item->value);
    if (text_starts(item->key, "host-usage/")) take_host_closed(audit, item->value);
    if (text_equal(item->key, "usage-clock")) take_clock(audit, item->value);
}

bool audit_check(struct audit *audit, struct error *err)
{
    settle(audit);
    if (audit->broken) *err = audit->err;
    return !audit->broken;
}

bool audit_is_on(const struct audit *audit, const char *instance, const char *host)
{
    const struct entry *entry = map_get(audit->entries, instance);
    return entry && entry->open.there && text_equal(entry->open.host, host);
}

static void take_instance(struct audit *audit, const char *name, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct entry *entry = entry_of(audit, name);
    struct instance instance;

    if (entry->record.there) add(&holder_of(audit, entry->record.host)->given, &entry->record.size, -1);
    clear_row(&entry->record);
    if (!json || !read_json(audit, &schema_instance, arena, json, &instance) || !instance.host[0]) return;
    set_row(&entry->record, instance.host, &instance.size, 0, 0);
    add(&holder_of(audit, instance.host)->given, &instance.size, 1);
}

static void take_open(struct audit *audit, const char *name, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct entry *entry = entry_of(audit, name);
    struct stay row;

    clear_row(&entry->open);
    if (json && read_json(audit, &schema_usage, arena, json, &row))
        set_row(&entry->open, row.host, &row.size, row.from_ms, row.to_ms);
}

static void take_closed(struct audit *audit, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct stay row;

    if (!json) {
        wrong(audit, "a row of the books was deleted");
        return;
    }
    if (!read_json(audit, &schema_usage, arena, json, &row)) return;
    struct entry *entry = entry_of(audit, row.instance);
    struct row *closed = &entry->closed;
    int64_t from_ms = row.from_ms;
    if (closed->there) { /* on a lost host: until it was heard last, and from then on */
        if (from_ms != closed->to_ms) wrong(audit, "two rows of %s end in one transaction", row.instance);
        from_ms = closed->from_ms;
    }
    set_row(closed, row.host, &row.size, from_ms, row.to_ms);
}

static void take_host(struct audit *audit, const char *name, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct holder *holder = holder_of(audit, name);
    struct host host;

    holder->there = json && read_json(audit, &schema_host, arena, json, &host);
    holder->had = (struct resources){0};
    if (!holder->there) return;
    holder->had = host.capacity;
    add(&holder->had, &host.reserve, -1);
}

static void take_host_open(struct audit *audit, const char *name, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct holder *holder = holder_of(audit, name);

    holder->is_open = json && read_json(audit, &schema_host_usage, arena, json, &holder->open);
}

static void take_host_closed(struct audit *audit, const char *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct host_usage row;

    if (!json || !read_json(audit, &schema_host_usage, arena, json, &row)) return;
    struct holder *holder = holder_of(audit, row.host);
    if (row.from_ms < holder->over_ms || row.to_ms <= row.from_ms)
        wrong(audit, "a row of host %s, %" PRId64 " to %" PRId64 ", begins before the last ended, %" PRId64,
              row.host, row.from_ms, row.to_ms, holder->over_ms);
    if (holder->over_ms && row.from_ms != holder->over_ms && holder->there)
        wrong(audit, "host %s is in no row from %" PRId64 " to %" PRId64, row.host, holder->over_ms,
              row.from_ms);
    holder->over_ms = row.to_ms;
}

static void take_clock(struct audit *audit, const char *text)
{
    int64_t clock_ms = text ? strtoll(text, NULL, 10) : 0;

    if (clock_ms < audit->clock_ms)
        wrong(audit, "the ledger's clock went back from %" PRId64 " to %" PRId64, audit->clock_ms, clock_ms);
    audit->clock_ms = clock_ms;
}

/* A revision is whole. */
static void settle(struct audit *audit)
{
    for (size_t i = 0; i < audit->touched.length; i++) {
        char *name = *(char **)vec_at(&audit->touched, i);
        settle_instance(audit, name, entry_of(audit, name));
    }
    for (size_t i = 0; i < audit->touched.length; i++) {
        char *name = *(char **)vec_at(&audit->touched, i);
        struct entry *entry = map_get(audit->entries, name);
        entry->touched = false;
        clear_row(&entry->before);
        clear_row(&entry->closed);
        mem_free(name);
    }
    vec_clear(&audit->touched);
    for (size_t i = 0; i < audit->touched_hosts.length; i++) {
        char *name = *(char **)vec_at(&audit->touched_hosts, i);
        struct holder *holder = map_get(audit->holders, name);
        settle_host(audit, name, holder);
        holder->touched = false;
        mem_free(name);
    }
    vec_clear(&audit->touched_hosts);
}

/* Placed by its record and in an open row are the same at all times; a row begins where the one before it
 * ended. */
static void settle_instance(struct audit *audit, const char *name, struct entry *entry)
{
    const struct row *before = &entry->before, *open = &entry->open, *closed = &entry->closed;
    bool changed =
        before->there != open->there || before->from_ms != open->from_ms || !same_place(before, open);

    if (entry->record.there != open->there || (open->there && !same_place(&entry->record, open)))
        wrong(audit, "%s is on \"%s\" and in the books on \"%s\"", name,
              entry->record.there ? entry->record.host : "", open->there ? open->host : "");
    if (closed->there) {
        if (!before->there || closed->from_ms != before->from_ms || !same_place(closed, before))
            wrong(audit, "a row of %s ends that was not open", name);
        if (closed->to_ms <= closed->from_ms || closed->from_ms < entry->over_ms)
            wrong(audit, "%s is twice in the books from %" PRId64 " to %" PRId64, name, closed->from_ms,
                  closed->to_ms);
        if (open->there && open->from_ms != closed->to_ms)
            wrong(audit, "%s is in no row from %" PRId64 " to %" PRId64, name, closed->to_ms, open->from_ms);
        entry->over_ms = closed->to_ms;
    } else if (before->there && changed && open->there && open->from_ms != before->from_ms) {
        wrong(audit, "%s loses what it had since %" PRId64, name, before->from_ms);
    } else if (!before->there && open->there && open->from_ms < entry->over_ms) {
        wrong(audit, "%s begins at %" PRId64 ", before it ended, %" PRId64, name, open->from_ms,
              entry->over_ms);
    }
}

static void settle_host(struct audit *audit, const char *name, struct holder *holder)
{
    static const struct resources nothing;
    bool idle = !holder->there && same(&holder->given, &nothing);

    if (!idle && (!holder->is_open || !same(&holder->given, &holder->open.given) ||
                  !same(&holder->had, &holder->open.had)))
        wrong(audit,
              "host %s has given %" PRId64 " millicores of %" PRId64 ", by its book %" PRId64 " of %" PRId64,
              name, holder->given.cpus_millis, holder->had.cpus_millis,
              holder->is_open ? holder->open.given.cpus_millis : 0,
              holder->is_open ? holder->open.had.cpus_millis : 0);
}

/* Only the first counts. */
static void wrong(struct audit *audit, const char *format, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list arguments;

    if (audit->broken) return;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    audit->broken = true;
    error_set(&audit->err, ERROR_FAILED, "revision %" PRIu64 ": %s", audit->revision, buf_text(&text));
}

static bool read_json(struct audit *audit, const struct schema *schema, struct arena *arena, const char *json,
                      void *ret_object)
{
    struct error err;

    if (model_read_json(schema, arena, json, strlen(json), ret_object, &err)) return true;
    wrong(audit, "%s", err.message);
    return false;
}

static struct entry *entry_of(struct audit *audit, const char *name)
{
    struct entry *entry = map_get(audit->entries, name);

    if (!entry) {
        entry = mem_alloc(sizeof(*entry));
        map_put(audit->entries, name, entry);
    }
    if (!entry->touched) {
        entry->touched = true;
        copy_row(&entry->before, &entry->open);
        *(char **)vec_push(&audit->touched) = mem_strdup(name);
    }
    return entry;
}

static struct holder *holder_of(struct audit *audit, const char *name)
{
    struct holder *holder = map_get(audit->holders, name);

    if (!holder) {
        holder = mem_alloc(sizeof(*holder));
        map_put(audit->holders, name, holder);
    }
    if (!holder->touched) {
        holder->touched = true;
        *(char **)vec_push(&audit->touched_hosts) = mem_strdup(name);
    }
    return holder;
}

static void set_row(struct row *row, const char *host, const struct resources *size, int64_t from_ms,
                    int64_t to_ms)
{
    clear_row(row);
    *row = (struct row){true, mem_strdup(host), *size, from_ms, to_ms};
}

static void clear_row(struct row *row)
{
    mem_free(row->host);
    *row = (struct row){0};
}

static void copy_row(struct row *to, const struct row *from)
{
    clear_row(to);
    *to = *from;
    to->host = mem_strdup(from->host);
}

static bool same_place(const struct row *a, const struct row *b)
{
    return text_equal(a->host, b->host) && same(&a->size, &b->size);
}

static bool same(const struct resources *a, const struct resources *b)
{
    return a->cpus_millis == b->cpus_millis && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->network_bits_per_s == b->network_bits_per_s;
}

static void add(struct resources *sum, const struct resources *size, int sign)
{
    sum->cpus_millis += sign * size->cpus_millis;
    sum->memory_bytes += sign * size->memory_bytes;
    sum->disk_bytes += sign * size->disk_bytes;
    sum->network_bits_per_s += sign * size->network_bits_per_s;
}
