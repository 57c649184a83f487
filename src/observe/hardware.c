#include "observe/hardware.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

enum {
    MINUTE_US = 60 * 1000 * 1000,
    MINUTES = 60, /* that a rate is of */
    /* Corrected errors: most machines have none in a year, and a third of those that have one have many
     * (Schroeder, Pinheiro, Weber: DRAM Errors in the Wild, 2009, tables 1 and 4). */
    MEMORY_ERRORS_LIMIT = 10,
    DISK_ERRORS_LIMIT = 10,
    FULL_LIMIT = 95,
    COOLER = 5,  /* degrees below the limit where a heat is over */
    EMPTIER = 5, /* percent */
};

/* One thing that is read. */
struct thing {
    enum finding_kind kind;
    char what[FINDING_WHAT_SIZE];
    bool seen;     /* in this look */
    int64_t total; /* of a counter, when it was read last */
    int64_t minute;
    uint32_t added[MINUTES]; /* by minute; only of counters */
    bool found;
    int64_t told, limit; /* the finding's */
};

struct hardware_watch {
    struct vec things; /* struct thing */
    struct finding findings[FINDINGS_MAX];
    size_t length;
};

static struct thing *thing_get(struct hardware_watch *watch, const struct hardware_reading *reading,
                               int64_t now_us);
static bool take(struct thing *thing, const struct hardware_reading *reading, int64_t now_us);
static void list(struct hardware_watch *watch);
static int64_t count(struct thing *thing, int64_t total, int64_t now_us);
static bool is_counter(enum finding_kind kind);
static int64_t limit_of(const struct hardware_reading *reading);
static int64_t end_of(enum finding_kind kind, int64_t limit);
static bool is_worse(const struct thing *thing, int64_t value);

struct hardware_watch *hardware_watch_new(void)
{
    struct hardware_watch *watch = mem_alloc(sizeof(*watch));
    *watch = (struct hardware_watch){.things = VEC_OF(struct thing)};
    return watch;
}

void hardware_watch_free(struct hardware_watch *watch)
{
    if (!watch) return;
    vec_free(&watch->things);
    mem_free(watch);
}

bool hardware_watch_take(struct hardware_watch *watch, const struct hardware_reading *readings, size_t length,
                         int64_t now_us)
{
    bool news = false;

    for (size_t i = 0; i < watch->things.length; i++)
        ((struct thing *)vec_at(&watch->things, i))->seen = false;
    for (size_t i = 0; i < length; i++) {
        struct thing *thing = thing_get(watch, &readings[i], now_us);
        if (thing->seen) continue; /* twice in one look */
        thing->seen = true;
        news |= take(thing, &readings[i], now_us);
    }
    for (size_t i = watch->things.length; i > 0; i--) {
        const struct thing *thing = vec_at(&watch->things, i - 1);
        if (thing->seen) continue;
        news |= thing->found;
        vec_remove(&watch->things, i - 1);
    }
    list(watch);
    return news;
}

static void list(struct hardware_watch *watch)
{
    watch->length = 0;
    for (size_t i = 0; i < watch->things.length && watch->length < FINDINGS_MAX; i++) {
        const struct thing *thing = vec_at(&watch->things, i);
        if (!thing->found) continue;
        watch->findings[watch->length++] = (struct finding){
            .kind = thing->kind, .what = thing->what, .value = thing->told, .limit = thing->limit};
    }
}

const struct finding *hardware_watch_findings(const struct hardware_watch *watch, size_t *ret_length)
{
    *ret_length = watch->length;
    return watch->findings;
}

static struct thing *thing_get(struct hardware_watch *watch, const struct hardware_reading *reading,
                               int64_t now_us)
{
    for (size_t i = 0; i < watch->things.length; i++) {
        struct thing *thing = vec_at(&watch->things, i);
        if (thing->kind == reading->kind && text_equal(thing->what, reading->what)) return thing;
    }
    struct thing *thing = vec_push(&watch->things);
    *thing = (struct thing){.kind = reading->kind, .total = reading->value, .minute = now_us / MINUTE_US};
    ASSERT(finding_names(reading->what));
    memcpy(thing->what, reading->what, strlen(reading->what) + 1);
    return thing;
}

static bool take(struct thing *thing, const struct hardware_reading *reading, int64_t now_us)
{
    int64_t value = is_counter(thing->kind) ? count(thing, reading->value, now_us) : reading->value;
    int64_t limit = limit_of(reading);
    bool before = thing->found;

    if (thing->kind == FINDING_HOT && limit <= 0) return false; /* nobody knows what it bears */
    thing->found = value > (before ? end_of(thing->kind, limit) : limit);
    if (!thing->found) return before;
    bool news = !before || is_worse(thing, value);
    if (news) thing->told = value;
    thing->limit = limit;
    return news;
}

/* So many within the last hour. A counter that is less than before began anew. */
static int64_t count(struct thing *thing, int64_t total, int64_t now_us)
{
    int64_t minute = now_us / MINUTE_US, more = total >= thing->total ? total - thing->total : total, sum = 0;
    int64_t gone = minute - thing->minute;

    for (int64_t n = 1; n <= gone && n <= MINUTES; n++)
        thing->added[(thing->minute + n) % MINUTES] = 0;
    thing->minute = minute;
    thing->total = total;
    uint32_t *now = &thing->added[minute % MINUTES];
    *now = more > UINT32_MAX - *now ? UINT32_MAX : *now + (uint32_t)more;
    for (size_t n = 0; n < MINUTES; n++)
        sum += thing->added[n];
    return sum;
}

static bool is_counter(enum finding_kind kind)
{
    return kind == FINDING_MEMORY_ERRORS || kind == FINDING_DISK_ERRORS;
}

static int64_t limit_of(const struct hardware_reading *reading)
{
    switch (reading->kind) {
    case FINDING_MEMORY_ERRORS:
        return MEMORY_ERRORS_LIMIT;
    case FINDING_DISK_ERRORS:
        return DISK_ERRORS_LIMIT;
    case FINDING_DISK_FULL:
        return FULL_LIMIT;
    case FINDING_HOT:
        return reading->limit;
    case FINDING_MEMORY_LOST:
    case FINDING_DISK_FAILS:
    case FINDING_DISK_READ_ONLY:
        return 0;
    case FINDING_KINDS:
        break;
    }
    UNREACHABLE();
}

/* Above this a finding goes on. */
static int64_t end_of(enum finding_kind kind, int64_t limit)
{
    if (is_counter(kind)) return limit / 2;
    return kind == FINDING_HOT ? limit - COOLER : kind == FINDING_DISK_FULL ? limit - EMPTIER : limit;
}

/* Enough to be told again: a report and a write of the store each. */
static bool is_worse(const struct thing *thing, int64_t value)
{
    return is_counter(thing->kind) || thing->kind == FINDING_MEMORY_LOST
               ? value - thing->told >= thing->told / 10 + 1
               : value - thing->told >= 3;
}
