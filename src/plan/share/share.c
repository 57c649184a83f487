#include "plan/share/share.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/planted.h"
#include "base/vec.h"

#include <string.h>

/* What one tier becomes. */
struct seat {
    int64_t wanted, spare; /* spare: members that it does not call for any more, still to be given */
    int64_t lacks;         /* called for, and not to be had */
    int64_t warm, idle;    /* given to it: from its door, from the idle pool */
    int64_t unpaid;        /* members without a place that are in no quota either */
    int64_t released;      /* of spare: to the idle pool */
    const char *lacks_why;
    struct vec leave; /* const char *: members that go */
};

/* So many units that a tier asks for at one level. */
struct segment {
    const struct share_tier *of;
    size_t tier;
    enum level level;
    int64_t units;
    int64_t granted; /* of units, the first so many are in `wanted` already: they only lack room */
};

/* What is known of one size: hosts before `host` have no room for it. Who asks first has most to say: where
 * it found nobody to take from, others do not either. */
struct size_class {
    int64_t of[SHARE_DIMENSIONS];
    size_t host;
    bool barren;
};

struct giver {
    const struct share_tier *of;
    size_t tier;
};

enum mercy { MERCY_SPARE, MERCY_EXTENDED, MERCIES }; /* what may be taken from others, in this order */

/* Members of one tier whose room another gets. */
struct deal {
    size_t taker, giver;
    enum mercy mercy;
    int64_t count;
};

enum { GROUP_MAX = 16 }; /* members that move as one */

struct sharing {
    struct arena *arena;
    const struct share_input *input;
    struct seat *seats;
    struct vec segments; /* struct segment, who goes first first */
    struct vec classes;  /* struct size_class */
    struct vec deals;    /* struct deal */
    int64_t (*free)[SHARE_DIMENSIONS];
    struct share_party *parties;
    /* Instances by tier and by host: those of tier t are members[member_first[t]] to [member_first[t + 1]].
     */
    size_t *members, *member_first;
    size_t *tenants, *tenant_first;
    bool *gone;           /* by instance */
    struct giver *givers; /* all tiers, who gives first first */
    int64_t moves;        /* from others that are left this time */
};

static void begin(struct sharing *sharing, struct arena *arena, const struct share_input *input);
static void list_members(struct sharing *sharing);
static void list_by(struct arena *arena, const size_t *keys, size_t length, size_t keys_length,
                    size_t **ret_items, size_t **ret_first);
static void seat_all(struct sharing *sharing);
static void ask(struct sharing *sharing, size_t tier, int64_t unplaced);
static void add_segments(struct sharing *sharing, size_t tier, int64_t first, int64_t last, int64_t granted);
static void serve(struct sharing *sharing, struct segment *segment);
static bool serve_one(struct sharing *sharing, const struct segment *segment, bool is_granted);
static bool take_idle(struct sharing *sharing, size_t tier);
static bool take_from_others(struct sharing *sharing, const struct segment *segment);
static bool take_one(struct sharing *sharing, const struct segment *segment, enum mercy mercy);
static bool take_group(struct sharing *sharing, const struct segment *segment);
static size_t find_group(const struct sharing *sharing, const struct segment *segment, size_t host,
                         size_t *ret_group, enum mercy *ret_mercies);
static int64_t allowance(const struct sharing *sharing, const struct segment *segment, size_t giver,
                         enum mercy mercy);
static void give(struct sharing *sharing, size_t instance, size_t taker, enum mercy mercy);
static bool has_room(const struct sharing *sharing, size_t host, const int64_t *freed, const int64_t *size);
static void occupy(struct sharing *sharing, size_t host, const int64_t *size, int sign);
static bool quota_take(struct sharing *sharing, size_t tier);
static bool quota_make(struct sharing *sharing, const struct segment *segment);
static bool quota_free(struct sharing *sharing, const struct segment *segment, size_t account);
static bool quota_lacks(const struct share_party *party, const int64_t *size);
static bool pays(const struct sharing *sharing, size_t tier, size_t account);
static void quota_return(struct sharing *sharing, size_t tier);
static void quota_note(struct sharing *sharing, size_t tier, int sign);
static void release(struct sharing *sharing);
static struct share_result results(struct sharing *sharing);
static const char *reason_of(struct sharing *sharing, size_t tier);
static struct size_class *class_of(struct sharing *sharing, size_t tier);
static void size_of(const struct share_tier *tier, int64_t *ret_size);
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
                                .moves = most > SHARE_MOVES_MIN ? most : SHARE_MOVES_MIN};
    sharing->seats = arena_alloc_array(arena, input->tiers_length, sizeof(*sharing->seats));
    sharing->free = arena_alloc_array(arena, input->hosts_length, sizeof(*sharing->free));
    for (size_t h = 0; h < input->hosts_length; h++)
        memcpy(sharing->free[h], input->hosts[h].free, sizeof(*sharing->free));
    sharing->parties = arena_alloc_array(arena, input->parties_length, sizeof(*sharing->parties));
    for (size_t p = 0; p < input->parties_length; p++)
        sharing->parties[p] = input->parties[p];
    sharing->gone = arena_alloc_array(arena, input->instances_length, sizeof(*sharing->gone));
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

        *seat = (struct seat){.wanted = clamp(tier, tier->wanted), .leave = VEC_OF(const char *)};
        for (size_t m = sharing->member_first[t]; m < sharing->member_first[t + 1]; m++) {
            const struct share_instance *member = &sharing->input->instances[sharing->members[m]];
            if (member->host != SHARE_NONE) continue;
            if (member->unpaid && !quota_take(sharing, t)) {
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
    int64_t calls = clamp(of, of->calls), most = calls;

    /* Else it would come back for it at once, through its door, and be taken from again. */
    if (of->taken_ms != 0 && sharing->input->now_ms - of->taken_ms < SHARE_DWELL_MS)
        most = seat->wanted > of->count.guaranteed ? seat->wanted : of->count.guaranteed;
    if (calls > most) {
        seat->lacks = calls - most;
        seat->lacks_why = "room that it had beyond its guaranteed count was taken for another a moment ago";
        calls = most;
    }
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

/* One more member for the tier, or room for one that it has already. */
static bool serve_one(struct sharing *sharing, const struct segment *segment, bool is_granted)
{
    struct seat *seat = &sharing->seats[segment->tier];
    bool pays_now = !is_granted || seat->unpaid > 0;

    if (!is_granted && seat->warm < segment->of->warm) {
        seat->warm++;
    } else if (pays_now && !quota_make(sharing, segment)) {
        seat->lacks_why = "the quota of its party is used up";
        return false;
    } else if (take_idle(sharing, segment->tier)) {
        seat->idle += !is_granted;
    } else if (sharing->moves == 0 || !take_from_others(sharing, segment)) {
        if (pays_now) quota_return(sharing, segment->tier);
        seat->lacks_why = sharing->moves == 0 ? "enough changes hands at once"
                                              : "no host has room, and nobody else has more than it may keep";
        return false;
    } else {
        sharing->moves--;
    }
    if (is_granted && pays_now) seat->unpaid--;
    if (!is_granted) seat->wanted++;
    return true;
}

/* Most of the time of a decision is spent here. */
static bool take_idle(struct sharing *sharing, size_t tier)
{
    struct size_class *class = class_of(sharing, tier);
    const int64_t(*free)[SHARE_DIMENSIONS] = (const int64_t(*)[SHARE_DIMENSIONS])sharing->free;
    int64_t least[SHARE_DIMENSIONS];
    size_t h = class->host, length = sharing->input->hosts_length;

    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        least[d] = class->of[d] > 0 ? class->of[d] : INT64_MIN;
    if (PLANTED(room_unseen) && h + 1 < length) h = length - 1;
    while (h < length && (free[h][0] < least[0] || free[h][1] < least[1] || free[h][2] < least[2] ||
                          free[h][3] < least[3] || !sharing->input->hosts[h].usable))
        h++;
    class->host = h;
    if (h == length) return false;
    occupy(sharing, h, class->of, 1);
    return true;
}

static bool take_from_others(struct sharing *sharing, const struct segment *segment)
{
    const struct seat *seat = &sharing->seats[segment->tier];

    if (class_of(sharing, segment->tier)->barren) return false;
    if (take_one(sharing, segment, MERCY_SPARE) || take_one(sharing, segment, MERCY_EXTENDED) ||
        take_group(sharing, segment))
        return true;
    /* What it has itself it cannot take, but the next one may. */
    if (seat->spare == 0 && seat->wanted <= segment->of->count.guaranteed)
        class_of(sharing, segment->tier)->barren = true;
    return false;
}

/* A member of another tier whose room suffices. */
static bool take_one(struct sharing *sharing, const struct segment *segment, enum mercy mercy)
{
    int64_t size[SHARE_DIMENSIONS], freed[SHARE_DIMENSIONS];

    size_of(segment->of, size);
    for (size_t g = 0; g < sharing->input->tiers_length; g++) {
        size_t giver = sharing->givers[g].tier;
        if (allowance(sharing, segment, giver, mercy) == 0) continue;
        size_of(&sharing->input->tiers[giver], freed);
        /* The youngest first: they were the last that were needed. */
        for (size_t m = sharing->member_first[giver + 1]; m > sharing->member_first[giver]; m--) {
            size_t instance = sharing->members[m - 1], host = sharing->input->instances[instance].host;
            if (sharing->gone[instance] || host == SHARE_NONE || !has_room(sharing, host, freed, size))
                continue;
            give(sharing, instance, segment->tier, mercy);
            occupy(sharing, host, size, 1);
            return true;
        }
    }
    return false;
}

/* Several members on one host, of whatever tiers, that make room together: where the fewest do. */
static bool take_group(struct sharing *sharing, const struct segment *segment)
{
    size_t group[GROUP_MAX], best[GROUP_MAX], fewest = 0, host = 0;
    enum mercy mercies[GROUP_MAX], best_mercies[GROUP_MAX];
    int64_t size[SHARE_DIMENSIONS];

    for (size_t h = 0; h < sharing->input->hosts_length && fewest != 2; h++) {
        size_t length = find_group(sharing, segment, h, group, mercies);
        if (length == 0 || (fewest != 0 && length >= fewest)) continue;
        memcpy(best, group, sizeof(best));
        memcpy(best_mercies, mercies, sizeof(best_mercies));
        fewest = length;
        host = h;
    }
    if (fewest == 0) return false;
    for (size_t i = 0; i < fewest; i++)
        give(sharing, best[i], segment->tier, best_mercies[i]);
    size_of(segment->of, size);
    occupy(sharing, host, size, 1);
    return true;
}

/* Returns how many members of the host make room together, by the gentlest way; 0: none do. */
static size_t find_group(const struct sharing *sharing, const struct segment *segment, size_t host,
                         size_t *ret_group, enum mercy *ret_mercies)
{
    int64_t size[SHARE_DIMENSIONS], one[SHARE_DIMENSIONS], freed[SHARE_DIMENSIONS] = {0};
    size_t length = 0;

    size_of(segment->of, size);
    for (int mercy = 0; mercy < MERCIES; mercy++) {
        for (size_t m = sharing->tenant_first[host + 1]; m > sharing->tenant_first[host]; m--) {
            size_t instance = sharing->tenants[m - 1], giver = sharing->input->instances[instance].tier;
            int64_t left =
                sharing->gone[instance] ? 0 : allowance(sharing, segment, giver, (enum mercy)mercy);
            for (size_t i = 0; i < length; i++) {
                left -= sharing->input->instances[ret_group[i]].tier == giver && (int)ret_mercies[i] == mercy;
                if (ret_group[i] == instance) left = 0;
            }
            if (left <= 0) continue;
            size_of(&sharing->input->tiers[giver], one);
            for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
                freed[d] += one[d];
            ret_group[length] = instance;
            ret_mercies[length++] = (enum mercy)mercy;
            if (has_room(sharing, host, freed, size)) return length;
            if (length == GROUP_MAX) return 0;
        }
    }
    return 0;
}

/* How many members of the giver the segment's tier may take. What was called for within the guaranteed count
 * is nobody else's; beyond it a firmer level goes first, or a higher priority among equals. */
static int64_t allowance(const struct sharing *sharing, const struct segment *segment, size_t giver,
                         enum mercy mercy)
{
    const struct share_tier *of = &sharing->input->tiers[giver];
    const struct seat *seat = &sharing->seats[giver];

    if (giver == segment->tier) return 0;
    if (mercy == MERCY_SPARE) return seat->spare;
    bool rests = sharing->input->now_ms - of->given_ms >= SHARE_DWELL_MS;
    int64_t beyond =
        seat->wanted - seat->spare - (PLANTED(guarantee_broken) ? of->count.committed : of->count.guaranteed);
    if (beyond <= 0 || (segment->level == LEVEL_EXTENDED && of->priority >= segment->of->priority)) return 0;
    return rests || segment->level == LEVEL_COMMITTED ? beyond : 0;
}

static void give(struct sharing *sharing, size_t instance, size_t taker, enum mercy mercy)
{
    const struct share_instance *member = &sharing->input->instances[instance];
    struct seat *seat = &sharing->seats[member->tier];
    int64_t size[SHARE_DIMENSIONS];
    size_t d = 0;

    size_of(&sharing->input->tiers[member->tier], size);
    occupy(sharing, member->host, size, -1);
    for (size_t c = 0; c < sharing->classes.length; c++) {
        struct size_class *class = vec_at(&sharing->classes, c);
        if (class->host > member->host) class->host = member->host;
    }
    quota_return(sharing, member->tier);
    sharing->gone[instance] = true;
    seat->wanted--;
    if (mercy == MERCY_SPARE) seat->spare--;
    *(const char **)vec_push(&seat->leave) = member->name;
    for (; d < sharing->deals.length; d++) {
        const struct deal *deal = vec_at(&sharing->deals, d);
        if (deal->taker == taker && deal->giver == member->tier && deal->mercy == mercy) break;
    }
    if (d == sharing->deals.length)
        *(struct deal *)vec_push(&sharing->deals) = (struct deal){taker, member->tier, mercy, 0};
    ((struct deal *)vec_at(&sharing->deals, d))->count++;
}

/* freed: what goes from there besides, or NULL. */
static bool has_room(const struct sharing *sharing, size_t host, const int64_t *freed, const int64_t *size)
{
    if (!sharing->input->hosts[host].usable) return false;
    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        if (size[d] > 0 && sharing->free[host][d] + (freed ? freed[d] : 0) < size[d]) return false;
    return true;
}

static void occupy(struct sharing *sharing, size_t host, const int64_t *size, int sign)
{
    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        sharing->free[host][d] -= sign * size[d];
}

/* All that stand above it in the tree have to have it; they are checked first, so that nothing is half taken.
 * The tree is no deeper than there are parties, unless it is damaged. */
static bool quota_take(struct sharing *sharing, size_t tier)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    size_of(of, size);
    for (size_t p = of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        const struct share_party *party = &sharing->parties[p];
        if (quota_lacks(party, size)) return false;
        p = party->parent;
    }
    quota_note(sharing, tier, 1);
    return true;
}

/* Where it is used up, others of whoever pays may yield, as they do for room. */
static bool quota_make(struct sharing *sharing, const struct segment *segment)
{
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    if (quota_take(sharing, segment->tier)) return true;
    size_of(segment->of, size);
    for (size_t p = segment->of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        if (quota_lacks(&sharing->parties[p], size) && !quota_free(sharing, segment, p)) return false;
        p = sharing->parties[p].parent;
    }
    return quota_take(sharing, segment->tier);
}

/* All that is needed, or nothing: of those that give first the youngest. */
static bool quota_free(struct sharing *sharing, const struct segment *segment, size_t account)
{
    struct share_party after = sharing->parties[account];
    int64_t size[SHARE_DIMENSIONS], one[SHARE_DIMENSIONS];
    size_t group[GROUP_MAX], length = 0;
    enum mercy mercies[GROUP_MAX];

    size_of(segment->of, size);
    for (int mercy = 0; mercy < MERCIES; mercy++) {
        for (size_t g = 0; g < sharing->input->tiers_length; g++) {
            size_t giver = sharing->givers[g].tier;
            int64_t left = allowance(sharing, segment, giver, (enum mercy)mercy);
            if (left == 0 || !pays(sharing, giver, account)) continue;
            size_of(&sharing->input->tiers[giver], one);
            for (size_t m = sharing->member_first[giver + 1]; m > sharing->member_first[giver]; m--) {
                size_t instance = sharing->members[m - 1];
                bool picked = sharing->gone[instance];
                for (size_t i = 0; i < length; i++)
                    picked |= group[i] == instance;
                if (picked || left == 0 || sharing->input->instances[instance].host == SHARE_NONE) continue;
                if (length == GROUP_MAX) return false;
                left--;
                group[length] = instance;
                mercies[length++] = (enum mercy)mercy;
                for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
                    if (after.left[d] >= 0) after.left[d] += one[d];
                if (after.instances_left >= 0) after.instances_left++;
                if (quota_lacks(&after, size)) continue;
                for (size_t i = 0; i < length; i++)
                    give(sharing, group[i], segment->tier, mercies[i]);
                return true;
            }
        }
    }
    return false;
}

static bool quota_lacks(const struct share_party *party, const int64_t *size)
{
    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        if (party->left[d] >= 0 && party->left[d] < size[d]) return true;
    return party->instances_left == 0;
}

/* The account is its party's, or one above. */
static bool pays(const struct sharing *sharing, size_t tier, size_t account)
{
    size_t party = sharing->input->tiers[tier].party;

    for (size_t steps = 0; party != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        if (party == account) return true;
        party = sharing->parties[party].parent;
    }
    return false;
}

static void quota_return(struct sharing *sharing, size_t tier)
{
    quota_note(sharing, tier, -1);
}

static void quota_note(struct sharing *sharing, size_t tier, int sign)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    size_of(of, size);
    for (size_t p = of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        struct share_party *party = &sharing->parties[p];
        for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
            if (party->left[d] >= 0) party->left[d] -= sign * size[d];
        if (party->instances_left >= 0) party->instances_left -= sign;
        p = party->parent;
    }
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
    struct share_result result = {.changes = changes, .waits = waits};

    for (size_t t = 0; t < input->tiers_length; t++) {
        const struct seat *seat = &sharing->seats[t];
        if (seat->wanted != input->tiers[t].wanted || seat->leave.length > 0) {
            const char **leave = arena_alloc_array(sharing->arena, seat->leave.length, sizeof(*leave));
            for (size_t i = 0; i < seat->leave.length; i++)
                leave[i] = *(const char **)vec_at(&seat->leave, i);
            changes[result.changes_length++] = (struct share_change){.tier = t,
                                                                     .wanted = seat->wanted,
                                                                     .leave = leave,
                                                                     .leave_length = seat->leave.length,
                                                                     .reason = reason_of(sharing, t)};
        }
        if (seat->lacks > 0)
            waits[result.waits_length++] = (struct share_wait){t, seat->lacks, seat->lacks_why};
    }
    return result;
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
        /* Who the others are is no tenant's business. */
        if (deal->taker == tier && deal->mercy == MERCY_SPARE)
            buf_printf(&text, "; the room of %lld that another farm offers", count);
        else if (deal->taker == tier)
            buf_printf(&text, "; the room of %lld that another farm has beyond its guaranteed count", count);
        else if (deal->giver == tier && deal->mercy == MERCY_SPARE)
            buf_printf(&text, "; the room of %lld goes to another farm", count);
        else if (deal->giver == tier)
            buf_printf(&text, "; the room of %lld beyond its guaranteed %lld goes to a farm that is %s",
                       count, (long long)of->count.guaranteed,
                       of->priority < taker->priority ? "more urgent" : "promised it");
    }
    if (seat->released) buf_printf(&text, "; %lld to the idle pool", (long long)seat->released);
    return arena_strdup(sharing->arena, buf_text(&text));
}

static struct size_class *class_of(struct sharing *sharing, size_t tier)
{
    int64_t size[SHARE_DIMENSIONS];

    size_of(&sharing->input->tiers[tier], size);
    for (size_t c = 0; c < sharing->classes.length; c++) {
        struct size_class *class = vec_at(&sharing->classes, c);
        if (memcmp(class->of, size, sizeof(size)) == 0) return class;
    }
    struct size_class *class = vec_push(&sharing->classes);
    memcpy(class->of, size, sizeof(size));
    return class;
}

static void size_of(const struct share_tier *tier, int64_t *ret_size)
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
    for (size_t t = 0; t < sharing->input->tiers_length; t++)
        vec_free(&sharing->seats[t].leave);
    vec_free(&sharing->segments);
    vec_free(&sharing->classes);
    vec_free(&sharing->deals);
}
