#include "base/attr.h"
#include "base/buf.h"
#include "base/planted.h"
#include "plan/share/inside.h"

#include <string.h>

static void begin(struct sharing *sharing, struct arena *arena, const struct share_input *input);
static void list_members(struct sharing *sharing);
static void list_by(struct arena *arena, const size_t *keys, size_t length, size_t keys_length,
                    size_t **ret_items, size_t **ret_first);
static void seat_all(struct sharing *sharing);
static void ask(struct sharing *sharing, size_t tier, int64_t unplaced);
static void add_segments(struct sharing *sharing, size_t tier, int64_t first, int64_t last, int64_t granted);
static void serve(struct sharing *sharing, struct segment *segment);
static bool serve_one(struct sharing *sharing, const struct segment *segment, bool is_granted);
static bool was_in_vain(const struct sharing *sharing, size_t tier);
static bool has_taken(const struct sharing *sharing, size_t tier);
static bool take_idle(struct sharing *sharing, size_t tier);
static void release(struct sharing *sharing);
static struct share_result results(struct sharing *sharing);
static const char *short_name(const char *name);
static const char *reason_of(struct sharing *sharing, size_t tier);
static int64_t clamp(const struct share_tier *tier, int64_t count);
static int compare_segments(const void *a, const void *b);
static int compare_givers(const void *a, const void *b);
static void end(struct sharing *sharing);

struct share_result share_decide(struct arena *arena, const struct share_input *input)
{
    struct sharing sharing;

    begin(&sharing, arena, input);
    list_members(&sharing);
    seat_all(&sharing);
    for (size_t i = 0; i < sharing.segments.length; i++)
        serve(&sharing, vec_at(&sharing.segments, i));
    release(&sharing);
    struct share_result result = results(&sharing);
    end(&sharing);
    return result;
}

static void begin(struct sharing *sharing, struct arena *arena, const struct share_input *input)
{
    int64_t most = (int64_t)input->hosts_length * SHARE_MOVES_PER_MILLE_HOSTS / 1000;

    *sharing = (struct sharing){.arena = arena,
                                .input = input,
                                .segments = VEC_OF(struct segment),
                                .classes = VEC_OF(struct size_class),
                                .deals = VEC_OF(struct deal),
                                .given = VEC_OF(struct given),
                                .apart_tier = SHARE_NONE,
                                .moves = most > SHARE_MOVES_MIN ? most : SHARE_MOVES_MIN};
    sharing->seats = arena_alloc_array(arena, input->tiers_length, sizeof(*sharing->seats));
    sharing->free = arena_alloc_array(arena, input->hosts_length, sizeof(*sharing->free));
    for (size_t h = 0; h < input->hosts_length; h++)
        memcpy(sharing->free[h], input->hosts[h].free, sizeof(*sharing->free));
    sharing->parties = arena_alloc_array(arena, input->parties_length, sizeof(*sharing->parties));
    for (size_t p = 0; p < input->parties_length; p++)
        sharing->parties[p] = input->parties[p];
    sharing->gone = arena_alloc_array(arena, input->instances_length, sizeof(*sharing->gone));
    sharing->stands = arena_alloc_array(arena, input->zones_length, sizeof(*sharing->stands));
    sharing->givers = arena_alloc_array(arena, input->tiers_length, sizeof(*sharing->givers));
    for (size_t t = 0; t < input->tiers_length; t++)
        sharing->givers[t] = (struct giver){&input->tiers[t], t};
    array_sort(sharing->givers, input->tiers_length, sizeof(*sharing->givers), compare_givers);
}

static void list_members(struct sharing *sharing)
{
    const struct share_input *input = sharing->input;
    size_t length = input->instances_length;
    size_t *keys = arena_alloc_array(sharing->arena, length, sizeof(*keys));

    for (size_t i = 0; i < length; i++)
        keys[i] = input->instances[i].tier;
    list_by(sharing->arena, keys, length, input->tiers_length, &sharing->members, &sharing->member_first);
    for (size_t i = 0; i < length; i++) {
        size_t host = input->instances[i].host;
        keys[i] = host == SHARE_NONE ? input->hosts_length : host; /* behind them those without one */
    }
    list_by(sharing->arena, keys, length, input->hosts_length + 1, &sharing->tenants, &sharing->tenant_first);
}

/* Numbers 0 to length - 1 by their key, in their order. */
static void list_by(struct arena *arena, const size_t *keys, size_t length, size_t keys_length,
                    size_t **ret_items, size_t **ret_first)
{
    size_t *first = arena_alloc_array(arena, keys_length + 2, sizeof(*first));
    size_t *items = arena_alloc_array(arena, length, sizeof(*items));

    for (size_t i = 0; i < length; i++)
        first[keys[i] + 2]++;
    for (size_t k = 0; k < keys_length; k++)
        first[k + 2] += first[k + 1];
    for (size_t i = 0; i < length; i++)
        items[first[keys[i] + 1]++] = i;
    *ret_items = items;
    *ret_first = first;
}

/* What everybody asks for and can spare. Members that have no place yet take what is free before anything
 * else is promised of it: it was for them that it was made free. */
static void seat_all(struct sharing *sharing)
{
    for (size_t t = 0; t < sharing->input->tiers_length; t++) {
        const struct share_tier *tier = &sharing->input->tiers[t];
        struct seat *seat = &sharing->seats[t];
        int64_t unplaced = 0;

        *seat = (struct seat){
            .wanted = clamp(tier, tier->wanted), .leave = VEC_OF(const char *), .seats = VEC_OF(size_t)};
        for (size_t m = sharing->member_first[t]; m < sharing->member_first[t + 1]; m++) {
            const struct share_instance *member = &sharing->input->instances[sharing->members[m]];
            seat->door += member->warm;
            if (member->host != SHARE_NONE) continue;
            seat->without++;
            if (member->unpaid && !share_quota_take(sharing, t)) {
                seat->unpaid++;
                unplaced++;
            } else if (!take_idle(sharing, t)) {
                unplaced++;
            }
        }
        ask(sharing, t, unplaced);
    }
    vec_sort(&sharing->segments, compare_segments);
}

static void ask(struct sharing *sharing, size_t tier, int64_t unplaced)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    struct seat *seat = &sharing->seats[tier];
    int64_t calls = clamp(of, of->calls);

    if (calls < seat->wanted) {
        seat->spare = seat->wanted - calls;
        /* Those that never got a place are the first that are not wanted any more. */
        unplaced = unplaced > seat->spare ? unplaced - seat->spare : 0;
    }
    int64_t last = calls < seat->wanted ? calls : seat->wanted;
    add_segments(sharing, tier, last - unplaced, last, unplaced);
    if (calls > seat->wanted) add_segments(sharing, tier, seat->wanted, calls, 0);
}

/* Units first + 1 to last, a segment for each level. */
static void add_segments(struct sharing *sharing, size_t tier, int64_t first, int64_t last, int64_t granted)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    const int64_t ends[LEVELS] = {of->count.committed, of->count.guaranteed, of->count.max};

    for (int level = LEVEL_COMMITTED; level < LEVELS && first < last; level++) {
        int64_t end = last < ends[level] ? last : ends[level];
        if (end <= first) continue;
        int64_t units = end - first;
        *(struct segment *)vec_push(&sharing->segments) =
            (struct segment){.of = of,
                             .tier = tier,
                             .level = (enum level)level,
                             .units = units,
                             .granted = granted < units ? granted : units};
        granted -= granted < units ? granted : units;
        first = end;
    }
}

static void serve(struct sharing *sharing, struct segment *segment)
{
    struct seat *seat = &sharing->seats[segment->tier];

    for (int64_t unit = 0; unit < segment->units; unit++) {
        if (serve_one(sharing, segment, unit < segment->granted)) continue;
        seat->lacks += segment->units - unit;
        return;
    }
}

/* One more member for the tier, or room for one that it has already. What does not lead to that is not taken.
 */
static bool serve_one(struct sharing *sharing, const struct segment *segment, bool is_granted)
{
    struct seat *seat = &sharing->seats[segment->tier];
    bool pays_now = !is_granted || seat->unpaid > 0;
    size_t given_length = sharing->given.length;
    bool in_vain = is_granted && was_in_vain(sharing, segment->tier);

    if (!is_granted && seat->door > 0) {
        seat->door--;
        seat->warm++;
    } else if (pays_now && !share_quota_make(sharing, segment)) {
        share_take_back(sharing, given_length);
        seat->lacks_why = "the quota of its party is used up";
        return false;
    } else if (take_idle(sharing, segment->tier)) {
        seat->idle += !is_granted;
    } else if (in_vain || sharing->moves == 0 || !share_take(sharing, segment)) {
        if (pays_now) share_quota_return(sharing, segment->tier);
        share_take_back(sharing, given_length);
        seat->lacks_why = in_vain ? "room was taken from others for it a moment ago, and did not help it yet"
                          : sharing->moves == 0 ? "enough changes hands at once"
                                                : share_why_not(sharing, segment);
        return false;
    } else {
        sharing->moves--;
    }
    if (is_granted && pays_now) seat->unpaid--;
    if (!is_granted) seat->wanted++;
    return true;
}

static bool take_idle(struct sharing *sharing, size_t tier)
{
    struct size_class *class = share_class(sharing, tier);
    size_t h = class->host = share_next_room(sharing, class->of, class->host);

    share_look_apart(sharing, tier);
    while (h < sharing->input->hosts_length && !share_may_stand(sharing, tier, h))
        h = share_next_room(sharing, class->of, h + 1);
    if (h == sharing->input->hosts_length) return false;
    share_stand(sharing, tier, h);
    return true;
}

/* The first host from this one on. Most of the time of a decision is spent here. */
size_t share_next_room(const struct sharing *sharing, const int64_t *size, size_t host)
{
    const int64_t(*free)[SHARE_DIMENSIONS] = (const int64_t(*)[SHARE_DIMENSIONS])sharing->free;
    int64_t least[SHARE_DIMENSIONS];
    size_t h = host, length = sharing->input->hosts_length;

    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        least[d] = size[d] > 0 ? size[d] : INT64_MIN;
    if (PLANTED(room_unseen) && h + 1 < length) h = length - 1;
    while (h < length && (free[h][0] < least[0] || free[h][1] < least[1] || free[h][2] < least[2] ||
                          free[h][3] < least[3] || !sharing->input->hosts[h].usable))
        h++;
    return h;
}

/* What tells where the tier stands has to be of this tier. */
void share_look_apart(struct sharing *sharing, size_t tier)
{
    const struct share_input *input = sharing->input;
    const size_t *zones = input->tiers[tier].zones;
    const struct vec *seats = &sharing->seats[tier].seats;

    if (!zones || sharing->apart_tier == tier) return;
    sharing->apart_tier = tier;
    sharing->generation++;
    for (size_t m = sharing->member_first[tier]; m < sharing->member_first[tier + 1]; m++) {
        size_t host = input->instances[sharing->members[m]].host;
        if (host != SHARE_NONE && !sharing->gone[sharing->members[m]])
            sharing->stands[zones[host]] = sharing->generation;
    }
    for (size_t i = 0; i < seats->length; i++)
        sharing->stands[zones[*(const size_t *)vec_at(seats, i)]] = sharing->generation;
}

bool share_may_stand(const struct sharing *sharing, size_t tier, size_t host)
{
    const size_t *zones = sharing->input->tiers[tier].zones;
    return !zones || sharing->stands[zones[host]] != sharing->generation;
}

void share_stand(struct sharing *sharing, size_t tier, size_t host)
{
    const size_t *zones = sharing->input->tiers[tier].zones;
    int64_t size[SHARE_DIMENSIONS];

    share_size(&sharing->input->tiers[tier], size);
    share_occupy(sharing, host, size, 1);
    *(size_t *)vec_push(&sharing->seats[tier].seats) = host;
    if (zones) sharing->stands[zones[host]] = sharing->generation;
}

/* The last one of the tier. */
void share_unstand(struct sharing *sharing, size_t tier)
{
    struct vec *seats = &sharing->seats[tier].seats;
    int64_t size[SHARE_DIMENSIONS];

    share_size(&sharing->input->tiers[tier], size);
    share_occupy(sharing, *(const size_t *)vec_at(seats, seats->length - 1), size, -1);
    seats->length--;
    if (sharing->apart_tier == tier) sharing->apart_tier = SHARE_NONE;
}

void share_occupy(struct sharing *sharing, size_t host, const int64_t *size, int sign)
{
    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        sharing->free[host][d] -= sign * size[d];
}

/* None of those that had no place when room was taken for them has one since. */
static bool was_in_vain(const struct sharing *sharing, size_t tier)
{
    const struct share_tier *of = &sharing->input->tiers[tier];

    return of->took_ms != 0 && sharing->input->now_ms - of->took_ms < SHARE_DWELL_MS &&
           sharing->seats[tier].without >= of->took_for;
}

/* What nobody asked for goes to the idle pool. */
static void release(struct sharing *sharing)
{
    for (size_t t = 0; t < sharing->input->tiers_length; t++) {
        struct seat *seat = &sharing->seats[t];
        seat->released = seat->spare;
        seat->spare = 0;
        seat->wanted -= seat->released;
    }
}

static struct share_result results(struct sharing *sharing)
{
    const struct share_input *input = sharing->input;
    struct share_change *changes = arena_alloc_array(sharing->arena, input->tiers_length, sizeof(*changes));
    struct share_wait *waits = arena_alloc_array(sharing->arena, input->tiers_length, sizeof(*waits));
    struct share_taker *takers = arena_alloc_array(sharing->arena, input->tiers_length, sizeof(*takers));
    struct share_result result = {.changes = changes, .waits = waits, .takers = takers};

    for (size_t t = 0; t < input->tiers_length; t++) {
        const struct seat *seat = &sharing->seats[t];
        if (seat->wanted != input->tiers[t].wanted || seat->leave.length > 0) {
            const char **leave = arena_alloc_array(sharing->arena, seat->leave.length, sizeof(*leave));
            for (size_t i = 0; i < seat->leave.length; i++)
                leave[i] = short_name(*(const char **)vec_at(&seat->leave, i));
            changes[result.changes_length++] = (struct share_change){.tier = t,
                                                                     .wanted = seat->wanted,
                                                                     .leave = leave,
                                                                     .leave_length = seat->leave.length,
                                                                     .reason = reason_of(sharing, t)};
        }
        if (seat->without > 0 && has_taken(sharing, t))
            takers[result.takers_length++] = (struct share_taker){t, seat->without};
        if (seat->lacks > 0)
            waits[result.waits_length++] = (struct share_wait){t, seat->lacks, seat->lacks_why};
    }
    return result;
}

static bool has_taken(const struct sharing *sharing, size_t tier)
{
    for (size_t d = 0; d < sharing->deals.length; d++) {
        const struct deal *deal = vec_at(&sharing->deals, d);
        if (deal->taker == tier && deal->count > 0) return true;
    }
    return false;
}

/* Few of all names are asked for. */
static const char *short_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static const char *reason_of(struct sharing *sharing, size_t tier)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    const struct seat *seat = &sharing->seats[tier];
    CLEANUP_BUF struct buf text = {0};

    buf_add_text(&text, of->why);
    if (seat->warm) buf_printf(&text, "; %lld from its door", (long long)seat->warm);
    if (seat->idle) buf_printf(&text, "; %lld from the idle pool", (long long)seat->idle);
    for (size_t d = 0; d < sharing->deals.length; d++) {
        const struct deal *deal = vec_at(&sharing->deals, d);
        const struct share_tier *taker = &sharing->input->tiers[deal->taker];
        long long count = deal->count;
        if (count == 0) continue; /* it was of no use */
        /* Who the others are is no tenant's business. */
        if (deal->taker == tier && deal->mercy == MERCY_SPARE)
            buf_printf(&text, "; the room of %lld that another farm offers", count);
        else if (deal->taker == tier && deal->mercy == MERCY_WARM)
            buf_printf(&text, "; the room of %lld that wait at another farm's door", count);
        else if (deal->taker == tier)
            buf_printf(&text, "; the room of %lld that another farm has beyond its guaranteed count", count);
        else if (deal->giver == tier && deal->mercy == MERCY_SPARE)
            buf_printf(&text, "; the room of %lld goes to another farm", count);
        else if (deal->giver == tier && deal->mercy == MERCY_WARM)
            buf_printf(&text, "; the room of %lld at its door goes to another farm", count);
        else if (deal->giver == tier)
            buf_printf(&text, "; the room of %lld beyond its guaranteed %lld goes to a farm that is %s",
                       count, (long long)of->count.guaranteed,
                       of->priority < taker->priority ? "more urgent" : "promised it");
    }
    if (seat->released) buf_printf(&text, "; %lld to the idle pool", (long long)seat->released);
    return arena_strdup(sharing->arena, buf_text(&text));
}

struct size_class *share_class(struct sharing *sharing, size_t tier)
{
    int64_t size[SHARE_DIMENSIONS];

    share_size(&sharing->input->tiers[tier], size);
    for (size_t c = 0; c < sharing->classes.length; c++) {
        struct size_class *class = vec_at(&sharing->classes, c);
        if (memcmp(class->of, size, sizeof(size)) == 0) return class;
    }
    struct size_class *class = vec_push(&sharing->classes);
    memcpy(class->of, size, sizeof(size));
    return class;
}

void share_size(const struct share_tier *tier, int64_t *ret_size)
{
    ret_size[0] = tier->size.cpus_millis;
    ret_size[1] = tier->size.memory_bytes;
    ret_size[2] = tier->size.disk_bytes;
    ret_size[3] = tier->size.network_bits_per_s;
}

static int64_t clamp(const struct share_tier *tier, int64_t count)
{
    if (count < tier->count.committed) return tier->count.committed;
    return count > tier->count.max ? tier->count.max : count;
}

static int compare_segments(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    double x_weight = x->of->need * x->of->rate, y_weight = y->of->need * y->of->rate;

    if (x->level != y->level) return x->level < y->level ? -1 : 1;
    if (x->of->priority != y->of->priority) return x->of->priority > y->of->priority ? -1 : 1;
    if (x_weight > y_weight) return -1;
    if (x_weight < y_weight) return 1;
    /* 0 is now: it begins to wait. */
    uint64_t x_since = (uint64_t)x->of->waits_since_ms - 1, y_since = (uint64_t)y->of->waits_since_ms - 1;
    if (x_since != y_since) return x_since < y_since ? -1 : 1;
    return x->tier < y->tier ? -1 : x->tier > y->tier;
}

/* The least important first, of these the one that needs it least. */
static int compare_givers(const void *a, const void *b)
{
    const struct giver *x = a, *y = b;

    if (x->of->priority != y->of->priority) return x->of->priority < y->of->priority ? -1 : 1;
    if (x->of->need < y->of->need) return -1;
    if (x->of->need > y->of->need) return 1;
    return x->tier < y->tier ? -1 : x->tier > y->tier;
}

static void end(struct sharing *sharing)
{
    for (size_t t = 0; t < sharing->input->tiers_length; t++) {
        vec_free(&sharing->seats[t].leave);
        vec_free(&sharing->seats[t].seats);
    }
    vec_free(&sharing->segments);
    vec_free(&sharing->classes);
    vec_free(&sharing->deals);
    vec_free(&sharing->given);
}
