/* What was asked in vain, and why nothing was found, in words. Many that wait ask the same: a search costs a
 * look at every group and figures one at every host, so both are kept until they may be others. */
#include "plan/place/keep.h"
#include "plan/place/place.h"
#include "plan/place/room.h"

#include "base/text.h"

/* By what the answer depends on besides the room. */
struct whys {
    struct map *texts;
    uint64_t version; /* of the room, for the texts */
    struct map *vain; /* questions */
    uint64_t grown;   /* of the room, for the questions: what only fills up has no more room than before */
};

/* Hosts by what is wrong with them. */
struct tally {
    size_t counted, shared, other_class;
    size_t lack[DIMENSIONS], most_on[DIMENSIONS];
    struct amount most; /* free, on that host */
    size_t kept;        /* hosts whose pool keeps its room */
    size_t pool;        /* of them; NONE: none yet */
    bool many_pools;    /* and of others */
};

static bool name_question(const struct work *work, const struct place_ask *ask,
                          const struct keep_claim *claim, struct buf *key);
static bool name_search(const struct work *work, const struct place_ask *ask, const struct keep_claim *claim,
                        struct buf *key);
static void empty(struct map **map);
static struct tally tally_hosts(const struct work *work, const struct place_ask *ask,
                                const struct keep_claim *claim);
static void tally_lack(const struct work *work, const struct place_ask *ask, size_t host, size_t dimension,
                       struct tally *tally);
static void say(struct work *work, const struct place_ask *ask, const struct tally *tally, struct buf *text);
static void say_kept(const struct work *work, const struct tally *tally, const char *comma, struct buf *text);

struct whys *whys_new(void)
{
    struct whys *whys = mem_alloc(sizeof(*whys));
    whys->texts = map_new();
    whys->vain = map_new();
    return whys;
}

void whys_free(struct whys *whys)
{
    if (whys == NULL) return;
    map_free(whys->texts);
    map_free(whys->vain);
    mem_free(whys);
}

void whys_forget(struct work *work)
{
    empty(&work->whys->texts);
    empty(&work->whys->vain);
}

bool whys_in_vain(const struct work *work, const struct place_ask *ask, const struct keep_claim *claim)
{
    CLEANUP_BUF struct buf key = {0};
    const struct whys *whys = work->whys;
    return map_length(whys->vain) > 0 && whys->grown == work->room->grown &&
           name_search(work, ask, claim, &key) && map_get(whys->vain, buf_text(&key));
}

void whys_note_vain(struct work *work, const struct place_ask *ask, const struct keep_claim *claim)
{
    CLEANUP_BUF struct buf key = {0};
    struct whys *whys = work->whys;
    if (!name_search(work, ask, claim, &key)) return;
    if (whys->grown != work->room->grown) empty(&whys->vain);
    whys->grown = work->room->grown;
    map_put(whys->vain, buf_text(&key), whys);
}

const char *place_why_not(struct work *work, const struct place_ask *ask)
{
    CLEANUP_BUF struct buf key = {0}, text = {0};
    struct keep_claim claim = keep_claim_of(work, ask);
    bool is_common = name_question(work, ask, &claim, &key);

    if (work->whys->version != work->room->version) empty(&work->whys->texts);
    work->whys->version = work->room->version;
    const char *known = is_common ? map_get(work->whys->texts, buf_text(&key)) : NULL;
    if (known) return known;
    struct tally tally = tally_hosts(work, ask, &claim);
    say(work, ask, &tally, &text);
    char *said = arena_strdup(work->arena, buf_text(&text));
    if (is_common) map_put(work->whys->texts, buf_text(&key), said);
    return said;
}

const char *place_dimension(size_t dimension)
{
    static const char *const names[DIMENSIONS] = {"cpus", "memory", "disk", "network"};
    return names[dimension];
}

void place_say(struct buf *text, size_t dimension, int64_t amount)
{
    char out[32];
    switch (dimension) {
    case 0:
        buf_add_text(text, text_format_cpus(out, amount));
        return;
    case 3:
        buf_add_text(text, text_format_rate(out, amount));
        return;
    default:
        buf_add_text(text, text_format_bytes(out, amount));
    }
}

/* False: nobody else asks that. */
static bool name_question(const struct work *work, const struct place_ask *ask,
                          const struct keep_claim *claim, struct buf *key)
{
    if (ask->instance != NONE && work->instances[ask->instance].promise != NONE) return false;
    for (size_t d = 0; d < DIMENSIONS; d++)
        buf_printf(key, "%lld ", (long long)claim->size.of[d]);
    buf_printf(key, "%zu %zu %d %s", ask->avoid, claim->home, claim->recovers,
               work->tiers[ask->tier].intent->spread.by);
    for (size_t d = 0; claim->gives != NONE && d < DIMENSIONS; d++)
        buf_printf(key, " %zu:%lld", claim->gives, (long long)claim->given.of[d]);
    if (ask->near == NONE) return true;
    const struct work_host *near = &work->hosts[ask->near];
    if (near->intent) buf_printf(key, "\n%s\n%s", near->pool, near->class_name);
    return true;
}

/* Where spread is strict an answer is the tier's alone, and one's own place does not count against oneself.
 */
static bool name_search(const struct work *work, const struct place_ask *ask, const struct keep_claim *claim,
                        struct buf *key)
{
    bool strict = work->tiers[ask->tier].intent->spread.strict;
    bool has_place = ask->instance != NONE && work->instances[ask->instance].host != NONE;
    if (ask->only != NONE || (strict && has_place)) return false;
    if (strict) buf_printf(key, "%zu %llu\n", ask->tier, (unsigned long long)work->room->outside);
    return name_question(work, ask, claim, key);
}

static void empty(struct map **map)
{
    if (map_length(*map) == 0) return;
    map_free(*map);
    *map = map_new();
}

static struct tally tally_hosts(const struct work *work, const struct place_ask *ask,
                                const struct keep_claim *claim)
{
    struct tally tally = {.pool = NONE};
    for (size_t h = 0; h < work->hosts_length; h++) {
        size_t d = 0;
        if (h == ask->avoid || work->hosts[h].group == NONE) continue;
        size_t pool = work->room->groups[work->hosts[h].group].pool;
        tally.counted++;
        if (!place_fits(work, ask, h, &d)) {
            tally_lack(work, ask, h, d, &tally);
        } else if (ask->near != NONE && place_step(&work->hosts[ask->near], &work->hosts[h]) > 3) {
            tally.other_class++;
        } else if (!keep_allows(work, claim, pool)) {
            tally.kept++;
            tally.many_pools |= tally.pool != NONE && tally.pool != pool;
            tally.pool = pool;
        } else {
            tally.shared++;
        }
    }
    return tally;
}

static void tally_lack(const struct work *work, const struct place_ask *ask, size_t host, size_t dimension,
                       struct tally *tally)
{
    int64_t left = place_free(work, ask, host, dimension), most = tally->most.of[dimension];
    int order = tally->lack[dimension]++ == 0 ? 1 : (left > most) - (left < most);
    if (order < 0) return;
    if (order == 0 &&
        text_compare_natural(work->hosts[host].name, work->hosts[tally->most_on[dimension]].name) >= 0)
        return;
    tally->most.of[dimension] = left;
    tally->most_on[dimension] = host;
}

static void say(struct work *work, const struct place_ask *ask, const struct tally *tally, struct buf *text)
{
    struct amount size = amount_of(&work->tiers[ask->tier].intent->size);
    const char *comma = "", *other = ask->avoid == NONE ? "" : "other ";

    if (tally->counted == 0) {
        buf_printf(text, "no %shost is up and active", other);
        return;
    }
    buf_printf(text, "no %shost has room for", other);
    for (size_t d = 0, said = 0; d < DIMENSIONS; d++) {
        if (size.of[d] == 0) continue;
        buf_printf(text, "%s %s ", said++ ? "," : "", place_dimension(d));
        place_say(text, d, size.of[d]);
    }
    buf_printf(text, ": of %zu host%s", tally->counted, tally->counted == 1 ? "" : "s");
    for (size_t d = 0; d < DIMENSIONS; d++) {
        if (tally->lack[d] == 0) continue;
        buf_printf(text, "%s %zu lack%s %s (most free: ", comma, tally->lack[d],
                   tally->lack[d] == 1 ? "s" : "", place_dimension(d));
        place_say(text, d, tally->most.of[d] < 0 ? 0 : tally->most.of[d]);
        buf_printf(text, " on %s)", work->hosts[tally->most_on[d]].name);
        comma = ",";
    }
    if (tally->kept) {
        say_kept(work, tally, comma, text);
        comma = ",";
    }
    if (tally->shared) {
        buf_printf(text, "%s %zu would share a %s with another member, which spread forbids", comma,
                   tally->shared, work->tiers[ask->tier].intent->spread.by);
        comma = ",";
    }
    if (tally->other_class)
        buf_printf(text, "%s %zu %s of another class", comma, tally->other_class,
                   tally->other_class == 1 ? "is" : "are");
}

static void say_kept(const struct work *work, const struct tally *tally, const char *comma, struct buf *text)
{
    buf_printf(text, "%s %zu %s kept free", comma, tally->kept, tally->kept == 1 ? "is" : "are");
    if (tally->many_pools) {
        buf_add_text(text, " in their pools for a loss");
        return;
    }
    buf_printf(text, " in pool %s for ", keep_name(work, tally->pool));
    keep_say_loss(work, tally->pool, text);
}
