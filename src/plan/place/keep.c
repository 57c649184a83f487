#include "plan/place/keep.h"

#include "base/text.h"
#include "plan/place/room.h"

/* What goes at once: the hosts of a zone. */
struct unit {
    struct amount total;
    size_t hosts;
};

struct kept {
    const char *name, *survive;
    int level; /* LEVEL_NONE: it keeps none, and the rest is not kept true */
    bool stale;
    size_t hosts;
    struct amount free;           /* of usable hosts, less slivers; of counted dimensions */
    size_t uncounted[DIMENSIONS]; /* so many hosts do not count it */
    struct unit *units;           /* by number of the zone; of hosts none are needed */
    size_t units_capacity, units_length;
    struct amount largest;
    size_t holders[DIMENSIONS]; /* so many units are that large */
};

struct known {
    struct amount size;
    size_t count; /* of tiers */
};

struct keeps {
    struct kept *pools;
    size_t length, capacity;
    struct map *by_name; /* number + 1 */
    size_t keeping;      /* so many pools keep room */
    struct known *known; /* distinct sizes */
    size_t known_length, known_capacity;
    struct map *known_by_size; /* number + 1 */
    struct amount smallest;    /* of any known size, by dimension */
    bool smallest_stale;
};

static const char *say_keeps(struct work *work, size_t pool);
static void claim_of_mover(const struct work *work, const struct work_instance *i, struct keep_claim *claim);
static void give_back(struct keep_claim *claim, size_t pool, const struct amount *size);
static void know(struct keeps *keeps, const struct resources *resources, int sign);
static void forget(struct keeps *keeps, size_t at);
static void name_size(const struct amount *size, struct buf *key);
static void weigh_known(struct keeps *keeps);
static void count_pool(struct work *work, size_t pool);
static struct unit *unit_of(struct kept *kept, const struct work_host *host);
static void count_host(struct work *work, struct kept *kept, const struct work_host *host,
                       const struct amount *free, int sign);
static void resize_unit(struct kept *kept, size_t dimension, int64_t was, int64_t is);
static void add_usable(const struct keeps *keeps, struct kept *kept, const struct amount *free, int sign);
static bool is_counted(int64_t amount);

struct keeps *keeps_new(void)
{
    struct keeps *keeps = mem_alloc(sizeof(*keeps));
    keeps->by_name = map_new();
    keeps->known_by_size = map_new();
    return keeps;
}

void keeps_free(struct keeps *keeps)
{
    if (keeps == NULL) return;
    for (size_t p = 0; p < keeps->length; p++)
        mem_free(keeps->pools[p].units);
    mem_free(keeps->pools);
    mem_free(keeps->known);
    map_free(keeps->by_name);
    map_free(keeps->known_by_size);
    mem_free(keeps);
}

size_t keep_pool(struct work *work, const char *name)
{
    struct keeps *keeps = work->keeps;
    uintptr_t number = (uintptr_t)map_get(keeps->by_name, name);
    if (number != 0) return number - 1;
    if (keeps->length == keeps->capacity) {
        keeps->capacity = keeps->capacity ? 2 * keeps->capacity : 4;
        keeps->pools = mem_realloc_array(keeps->pools, keeps->capacity, sizeof(*keeps->pools));
    }
    keeps->pools[keeps->length++] =
        (struct kept){.name = arena_strdup(work->names, name), .survive = "none", .level = LEVEL_NONE};
    map_put(keeps->by_name, name, (void *)keeps->length);
    return keeps->length - 1;
}

void keep_tell(struct work *work, const char *name, const struct pool *pool)
{
    struct keeps *keeps = work->keeps;
    size_t number = keep_pool(work, name);
    struct kept *kept = &keeps->pools[number];
    keeps->keeping -= kept->level != LEVEL_NONE;
    kept->survive = pool ? pool->survive : "none";
    kept->level = text_equal(kept->survive, "none") ? LEVEL_NONE : place_level(kept->survive);
    keeps->keeping += kept->level != LEVEL_NONE;
    kept->stale = true;
}

void keep_know(struct work *work, const struct farm *farm, int sign)
{
    if (farm == NULL) return;
    for (size_t t = 0; t < farm->tiers_length; t++)
        know(work->keeps, &farm->tiers[t].size, sign);
    if (farm->balance_length == 0) return;
    struct tier balancer = balance_tier_of(farm);
    know(work->keeps, &balancer.size, sign);
}

void keep_enter(struct work *work, size_t host, size_t pool, const struct amount *free)
{
    struct kept *kept = &work->keeps->pools[pool];
    if (kept->level != LEVEL_NONE && !kept->stale) count_host(work, kept, &work->hosts[host], free, 1);
}

void keep_leave(struct work *work, size_t host, size_t pool, const struct amount *free)
{
    struct kept *kept = &work->keeps->pools[pool];
    if (kept->level != LEVEL_NONE && !kept->stale) count_host(work, kept, &work->hosts[host], free, -1);
}

void keep_change(struct work *work, size_t pool, const struct amount *was, const struct amount *is)
{
    struct kept *kept = &work->keeps->pools[pool];
    if (kept->level == LEVEL_NONE || kept->stale) return;
    add_usable(work->keeps, kept, was, -1);
    add_usable(work->keeps, kept, is, 1);
}

void keep_settle(struct work *work)
{
    struct keeps *keeps = work->keeps;
    struct amount was = keeps->smallest;
    if (keeps->smallest_stale) weigh_known(keeps);
    bool other = memcmp(&was, &keeps->smallest, sizeof(was)) != 0;
    for (size_t p = 0; keeps->keeping > 0 && p < keeps->length; p++)
        if (keeps->pools[p].level != LEVEL_NONE && (keeps->pools[p].stale || other)) count_pool(work, p);
}

struct keep_claim keep_claim_of(const struct work *work, const struct place_ask *ask)
{
    struct amount size = amount_of(&work->tiers[ask->tier].intent->size);
    struct keep_claim claim = {.size = size, .home = NONE, .promise = NONE, .gives = NONE};
    if (ask->instance == NONE || work->keeps->keeping == 0) return claim;
    const struct work_instance *i = &work->instances[ask->instance];
    if (!work_placed(work, i))
        claim.recovers = i->host != NONE || i->record->incarnation > 0;
    else
        claim_of_mover(work, i, &claim);
    if (i->promise != NONE && work->hosts[i->promise].group != NONE) {
        claim.promise = work->room->groups[work->hosts[i->promise].group].pool;
        claim.promised = size;
    }
    return claim;
}

/* It may take a new form where it goes, and one that is larger takes more than it leaves. */
static void claim_of_mover(const struct work *work, const struct work_instance *i, struct keep_claim *claim)
{
    const struct work_host *host = &work->hosts[i->host];
    size_t pool = (uintptr_t)map_get(work->keeps->by_name, host->pool) - 1;
    struct amount is = amount_of(&i->record->size);
    bool grows = false;

    for (size_t d = 0; d < DIMENSIONS; d++)
        grows |= claim->size.of[d] > is.of[d];
    if (!grows)
        claim->home = pool;
    else if (host->group != NONE)
        give_back(claim, pool, &is);
}

/* What stood on a usable host is the pool's again. */
static void give_back(struct keep_claim *claim, size_t pool, const struct amount *size)
{
    claim->gives = pool;
    claim->given = *size;
}

bool keep_allows(const struct work *work, const struct keep_claim *claim, size_t pool)
{
    const struct kept *kept = &work->keeps->pools[pool];
    if (kept->level == LEVEL_NONE || claim->recovers || claim->home == pool) return true;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t back = (claim->promise == pool ? claim->promised.of[d] : 0) +
                       (claim->gives == pool ? claim->given.of[d] : 0);
        if (claim->size.of[d] == 0 || kept->uncounted[d] > 0) continue;
        if (kept->free.of[d] + back - claim->size.of[d] < kept->largest.of[d]) return false;
    }
    return true;
}

const char *keep_refusal(struct work *work, const struct place_ask *ask, size_t host)
{
    struct keep_claim claim = keep_claim_of(work, ask);
    size_t pool = work->room->groups[work->hosts[host].group].pool;
    return keep_allows(work, &claim, pool) ? NULL : say_keeps(work, pool);
}

const char *keep_refuses_successor(struct work *work, size_t tier, size_t old)
{
    const struct work_instance *i = &work->instances[old];
    struct place_ask ask = {.tier = tier, .instance = NONE, .near = NONE, .avoid = NONE, .only = NONE};

    if (work->keeps->keeping == 0 || i->host == NONE) return NULL;
    struct keep_claim claim = keep_claim_of(work, &ask);
    uintptr_t pool = (uintptr_t)map_get(work->keeps->by_name, work->hosts[i->host].pool);
    struct amount is = amount_of(&i->record->size);
    if (work->hosts[i->host].group != NONE) give_back(&claim, pool - 1, &is);
    if (pool == 0 || keep_allows(work, &claim, pool - 1) || place_find(work, &ask, NULL) != NONE) return NULL;
    return say_keeps(work, pool - 1);
}

void keep_say_loss(const struct work *work, size_t pool, struct buf *text)
{
    const struct kept *kept = &work->keeps->pools[pool];
    size_t units = kept->level == LEVEL_HOST ? kept->hosts : kept->units_length;
    bool is_depth = kept->survive[0] >= '1' && kept->survive[0] <= '8';
    buf_printf(text, "the loss of %s ", units == 1 ? "its only" : "a");
    if (is_depth)
        buf_printf(text, "zone of depth %s", kept->survive);
    else
        buf_add_text(text, kept->survive);
}

const char *keep_name(const struct work *work, size_t pool)
{
    return work->keeps->pools[pool].name;
}

static const char *say_keeps(struct work *work, size_t pool)
{
    CLEANUP_BUF struct buf text = {0};
    buf_printf(&text, "pool %s keeps room for ", keep_name(work, pool));
    keep_say_loss(work, pool, &text);
    return arena_strdup(work->arena, buf_text(&text));
}

static void know(struct keeps *keeps, const struct resources *resources, int sign)
{
    CLEANUP_BUF struct buf key = {0};
    struct amount size = amount_of(resources);

    name_size(&size, &key);
    size_t at = (uintptr_t)map_get(keeps->known_by_size, buf_text(&key)) - 1;
    if (at == NONE && sign > 0) {
        if (keeps->known_length == keeps->known_capacity) {
            keeps->known_capacity = keeps->known_capacity ? 2 * keeps->known_capacity : 16;
            keeps->known = mem_realloc_array(keeps->known, keeps->known_capacity, sizeof(*keeps->known));
        }
        at = keeps->known_length++;
        keeps->known[at] = (struct known){.size = size};
        map_put(keeps->known_by_size, buf_text(&key), (void *)keeps->known_length);
        for (size_t d = 0; d < DIMENSIONS; d++)
            keeps->smallest_stale |= keeps->known_length == 1 || size.of[d] < keeps->smallest.of[d];
    }
    ASSERT(at != NONE);
    keeps->known[at].count += (size_t)sign;
    if (keeps->known[at].count == 0) forget(keeps, at);
}

static void forget(struct keeps *keeps, size_t at)
{
    CLEANUP_BUF struct buf key = {0}, key_last = {0};
    struct known gone = keeps->known[at];

    for (size_t d = 0; d < DIMENSIONS; d++)
        keeps->smallest_stale |= gone.size.of[d] == keeps->smallest.of[d];
    name_size(&gone.size, &key);
    map_remove(keeps->known_by_size, buf_text(&key));
    if (at == --keeps->known_length) return;
    keeps->known[at] = keeps->known[keeps->known_length];
    name_size(&keeps->known[at].size, &key_last);
    map_put(keeps->known_by_size, buf_text(&key_last), (void *)(at + 1));
}

static void name_size(const struct amount *size, struct buf *key)
{
    for (size_t d = 0; d < DIMENSIONS; d++) {
        for (uint64_t rest = (uint64_t)size->of[d]; rest > 0; rest /= 64)
            buf_add_char(key, (char)('0' + rest % 64));
        buf_add_char(key, ' ');
    }
}

static void weigh_known(struct keeps *keeps)
{
    struct amount smallest = {{0}};
    for (size_t n = 0; n < keeps->known_length; n++)
        for (size_t d = 0; d < DIMENSIONS; d++)
            if (n == 0 || keeps->known[n].size.of[d] < smallest.of[d])
                smallest.of[d] = keeps->known[n].size.of[d];
    keeps->smallest = smallest;
    keeps->smallest_stale = false;
}

/* From the beginning. */
static void count_pool(struct work *work, size_t pool)
{
    struct kept *kept = &work->keeps->pools[pool];
    kept->hosts = kept->units_length = 0;
    kept->free = kept->largest = (struct amount){{0}};
    memset(kept->uncounted, 0, sizeof(kept->uncounted));
    memset(kept->holders, 0, sizeof(kept->holders));
    if (kept->units_capacity) memset(kept->units, 0, kept->units_capacity * sizeof(*kept->units));
    for (size_t g = 0; g < work->room->groups_length; g++) {
        const struct room_group *group = &work->room->groups[g];
        for (size_t n = 0; group->pool == pool && n < group->length; n++) {
            const struct room_column *column = &group->columns[n];
            count_host(work, kept, &work->hosts[column->host], &column->free, 1);
        }
    }
    kept->stale = false;
}

static void count_host(struct work *work, struct kept *kept, const struct work_host *host,
                       const struct amount *free, int sign)
{
    struct amount alone = {{0}}, was = {{0}};
    struct unit *unit = unit_of(kept, host);

    kept->hosts += (size_t)sign;
    add_usable(work->keeps, kept, free, sign);
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (!is_counted(host->total.of[d]))
            kept->uncounted[d] += (size_t)sign;
        else if (host->total.of[d] > 0)
            alone.of[d] = host->total.of[d];
    }
    if (unit == NULL) {
        for (size_t d = 0; d < DIMENSIONS; d++)
            resize_unit(kept, d, sign > 0 ? 0 : alone.of[d], sign > 0 ? alone.of[d] : 0);
        return;
    }
    was = unit->total;
    kept->units_length -= unit->hosts > 0;
    unit->hosts += (size_t)sign;
    kept->units_length += unit->hosts > 0;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        unit->total.of[d] += sign * alone.of[d];
        resize_unit(kept, d, was.of[d], unit->total.of[d]);
    }
}

/* Of a host's zone; NULL where hosts go one by one. */
static struct unit *unit_of(struct kept *kept, const struct work_host *host)
{
    if (kept->level == LEVEL_HOST) return NULL;
    size_t number = host->zones[place_zone(host, kept->level)];
    if (number >= kept->units_capacity) {
        size_t capacity = 2 * number + 16;
        kept->units = mem_realloc_array(kept->units, capacity, sizeof(*kept->units));
        memset(kept->units + kept->units_capacity, 0,
               (capacity - kept->units_capacity) * sizeof(*kept->units));
        kept->units_capacity = capacity;
    }
    return &kept->units[number];
}

/* The largest has to be searched for only when the last that was so large is smaller now. */
static void resize_unit(struct kept *kept, size_t d, int64_t was, int64_t is)
{
    if (was == is) return;
    if (is > kept->largest.of[d]) {
        kept->largest.of[d] = is;
        kept->holders[d] = 1;
        return;
    }
    if (kept->largest.of[d] == 0) return;
    kept->holders[d] += (size_t)(is == kept->largest.of[d]) - (size_t)(was == kept->largest.of[d]);
    if (kept->holders[d] == 0) kept->stale = true;
}

/* What is usable on one host: nothing when no known size fits there. */
static void add_usable(const struct keeps *keeps, struct kept *kept, const struct amount *free, int sign)
{
    for (size_t d = 0; d < DIMENSIONS; d++)
        if (free->of[d] < keeps->smallest.of[d]) return;
    for (size_t d = 0; d < DIMENSIONS; d++)
        if (is_counted(free->of[d])) kept->free.of[d] += sign * free->of[d];
}

/* Also of what is left of it. */
static bool is_counted(int64_t amount)
{
    return amount < UNCOUNTED / 2;
}
