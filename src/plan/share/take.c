/* From others: their room, and what is left of quotas that they use. */
#include "base/planted.h"
#include "plan/share/inside.h"

#include <string.h>

static bool take_one(struct sharing *sharing, const struct segment *segment, enum mercy mercy);
static bool take_group(struct sharing *sharing, const struct segment *segment);
static size_t find_group(struct sharing *sharing, const struct segment *segment, size_t host,
                         size_t *ret_group, enum mercy *ret_mercies);
static int64_t allowance(struct sharing *sharing, const struct segment *segment, size_t giver,
                         enum mercy mercy);
static void give(struct sharing *sharing, size_t instance, size_t taker, enum mercy mercy);
static void note_given(struct sharing *sharing, size_t instance, size_t deal, int sign);
static bool may_take(const struct sharing *sharing, size_t instance, enum mercy mercy);
static bool has_room(const struct sharing *sharing, size_t host, const int64_t *freed, const int64_t *size);
static bool quota_free(struct sharing *sharing, const struct segment *segment, size_t account);
static bool quota_lacks(const struct share_party *party, const int64_t *size);
static bool pays(const struct sharing *sharing, size_t tier, size_t account);
static void quota_note(struct sharing *sharing, size_t tier, int sign);

bool share_take(struct sharing *sharing, const struct segment *segment)
{
    const struct seat *seat = &sharing->seats[segment->tier];

    if (share_class(sharing, segment->tier)->barren && !sharing->is_patient) return false;
    for (int mercy = 0; mercy < MERCIES; mercy++)
        if (take_one(sharing, segment, (enum mercy)mercy)) return true;
    if (take_group(sharing, segment)) return true;
    /* What it has itself it cannot take, nor stand in another's room everywhere; but the next one may. */
    if (seat->spare == 0 && seat->door == 0 && seat->wanted <= segment->of->count.guaranteed &&
        !segment->of->zones)
        share_class(sharing, segment->tier)->barren = true;
    return false;
}

/* Why nobody's room could be taken. */
const char *share_why_not(struct sharing *sharing, const struct segment *segment)
{
    static const char full[] = "no host has room, and nobody else has more than it may keep";
    const struct share_tier *of = segment->of;
    struct size_class *class = share_class(sharing, segment->tier);
    size_t given_length = sharing->given.length;

    if (class->why && !of->zones) {
        bool alike = segment->level == class->first->level && of->priority == class->first->of->priority;
        return alike ? class->why : full;
    }
    const char *why = full;
    sharing->is_patient = true;
    if (sharing->somebody_rests && share_take(sharing, segment)) {
        share_unstand(sharing, segment->tier);
        share_take_back(sharing, given_length);
        why = "no host has room; another farm has more than it may keep, but was given it a moment ago";
    } else if (of->zones && share_next_room(sharing, class->of, 0) < sharing->input->hosts_length) {
        why = arena_printf(sharing->arena,
                           "every %s that has room has one of it already, and it stands strictly apart",
                           of->apart);
    }
    sharing->is_patient = sharing->somebody_rests = false;
    class = share_class(sharing, segment->tier);
    if (class->barren) {
        class->first = segment;
        class->why = why;
    }
    return why;
}

/* A member of another tier whose room suffices. */
static bool take_one(struct sharing *sharing, const struct segment *segment, enum mercy mercy)
{
    int64_t size[SHARE_DIMENSIONS], freed[SHARE_DIMENSIONS];

    share_size(segment->of, size);
    share_look_apart(sharing, segment->tier);
    for (size_t g = 0; g < sharing->input->tiers_length; g++) {
        size_t giver = sharing->givers[g].tier;
        if (allowance(sharing, segment, giver, mercy) == 0) continue;
        share_size(&sharing->input->tiers[giver], freed);
        /* The youngest first: they were the last that were needed. */
        for (size_t m = sharing->member_first[giver + 1]; m > sharing->member_first[giver]; m--) {
            size_t instance = sharing->members[m - 1], host = sharing->input->instances[instance].host;
            if (!may_take(sharing, instance, mercy) || !has_room(sharing, host, freed, size) ||
                !share_may_stand(sharing, segment->tier, host))
                continue;
            give(sharing, instance, segment->tier, mercy);
            share_stand(sharing, segment->tier, host);
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

    share_look_apart(sharing, segment->tier);
    for (size_t h = 0; h < sharing->input->hosts_length && fewest != 2; h++) {
        if (!share_may_stand(sharing, segment->tier, h)) continue;
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
    share_stand(sharing, segment->tier, host);
    return true;
}

/* Returns how many members of the host make room together, by the gentlest way; 0: none do. */
static size_t find_group(struct sharing *sharing, const struct segment *segment, size_t host,
                         size_t *ret_group, enum mercy *ret_mercies)
{
    int64_t size[SHARE_DIMENSIONS], one[SHARE_DIMENSIONS], freed[SHARE_DIMENSIONS] = {0};
    size_t length = 0;

    share_size(segment->of, size);
    for (int mercy = 0; mercy < MERCIES; mercy++) {
        for (size_t m = sharing->tenant_first[host + 1]; m > sharing->tenant_first[host]; m--) {
            size_t instance = sharing->tenants[m - 1], giver = sharing->input->instances[instance].tier;
            int64_t left = may_take(sharing, instance, (enum mercy)mercy)
                               ? allowance(sharing, segment, giver, (enum mercy)mercy)
                               : 0;
            for (size_t i = 0; i < length; i++) {
                left -= sharing->input->instances[ret_group[i]].tier == giver && (int)ret_mercies[i] == mercy;
                if (ret_group[i] == instance) left = 0;
            }
            if (left <= 0) continue;
            share_size(&sharing->input->tiers[giver], one);
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
static int64_t allowance(struct sharing *sharing, const struct segment *segment, size_t giver,
                         enum mercy mercy)
{
    const struct share_tier *of = &sharing->input->tiers[giver];
    const struct seat *seat = &sharing->seats[giver];

    if (giver == segment->tier) return 0;
    if (mercy == MERCY_SPARE) return seat->spare;
    if (mercy == MERCY_WARM) return seat->door;
    bool rests = sharing->input->now_ms - of->given_ms < SHARE_DWELL_MS;
    int64_t beyond =
        seat->wanted - seat->spare - (PLANTED(guarantee_broken) ? of->count.committed : of->count.guaranteed);
    if (beyond <= 0 || (segment->level == LEVEL_EXTENDED && of->priority >= segment->of->priority)) return 0;
    if (!rests || segment->level == LEVEL_COMMITTED || sharing->is_patient) return beyond;
    sharing->somebody_rests = true;
    return 0;
}

/* It is there, and of the kind. */
static bool may_take(const struct sharing *sharing, size_t instance, enum mercy mercy)
{
    const struct share_instance *member = &sharing->input->instances[instance];
    return !sharing->gone[instance] && member->host != SHARE_NONE && member->warm == (mercy == MERCY_WARM);
}

static void give(struct sharing *sharing, size_t instance, size_t taker, enum mercy mercy)
{
    const struct share_instance *member = &sharing->input->instances[instance];
    struct seat *seat = &sharing->seats[member->tier];
    size_t d = 0;

    for (; d < sharing->deals.length; d++) {
        const struct deal *deal = vec_at(&sharing->deals, d);
        if (deal->taker == taker && deal->giver == member->tier && deal->mercy == mercy) break;
    }
    if (d == sharing->deals.length)
        *(struct deal *)vec_push(&sharing->deals) = (struct deal){taker, member->tier, mercy, 0};
    *(struct given *)vec_push(&sharing->given) = (struct given){instance, d};
    *(const char **)vec_push(&seat->leave) = member->name;
    note_given(sharing, instance, d, 1);
    for (size_t c = 0; c < sharing->classes.length; c++) {
        struct size_class *class = vec_at(&sharing->classes, c);
        if (class->host > member->host) class->host = member->host;
    }
}

/* As if the last ones had not been given. */
void share_take_back(struct sharing *sharing, size_t given_length)
{
    while (sharing->given.length > given_length) {
        const struct given *given = vec_at(&sharing->given, sharing->given.length - 1);
        sharing->seats[sharing->input->instances[given->instance].tier].leave.length--;
        note_given(sharing, given->instance, given->deal, -1);
        sharing->given.length--;
    }
}

static void note_given(struct sharing *sharing, size_t instance, size_t deal, int sign)
{
    const struct share_instance *member = &sharing->input->instances[instance];
    struct seat *seat = &sharing->seats[member->tier];
    struct deal *of = vec_at(&sharing->deals, deal);
    int64_t size[SHARE_DIMENSIONS];

    share_size(&sharing->input->tiers[member->tier], size);
    share_occupy(sharing, member->host, size, -sign);
    if (!member->unpaid) quota_note(sharing, member->tier, -sign);
    sharing->gone[instance] = sign > 0;
    seat->wanted -= of->mercy == MERCY_WARM ? 0 : sign;
    seat->spare -= of->mercy == MERCY_SPARE ? sign : 0;
    seat->door -= of->mercy == MERCY_WARM ? sign : 0;
    of->count += sign;
}

/* freed: what goes from there besides, or NULL. */
static bool has_room(const struct sharing *sharing, size_t host, const int64_t *freed, const int64_t *size)
{
    if (!sharing->input->hosts[host].usable) return false;
    for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
        if (size[d] > 0 && sharing->free[host][d] + (freed ? freed[d] : 0) < size[d]) return false;
    return true;
}

/* All that stand above it in the tree have to have it; they are checked first, so that nothing is half taken.
 * The tree is no deeper than there are parties, unless it is damaged. */
bool share_quota_take(struct sharing *sharing, size_t tier)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    share_size(of, size);
    for (size_t p = of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        const struct share_party *party = &sharing->parties[p];
        if (quota_lacks(party, size)) return false;
        p = party->parent;
    }
    quota_note(sharing, tier, 1);
    return true;
}

/* Where it is used up, others of whoever pays may yield, as they do for room. */
bool share_quota_make(struct sharing *sharing, const struct segment *segment)
{
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    if (share_quota_take(sharing, segment->tier)) return true;
    share_size(segment->of, size);
    for (size_t p = segment->of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        if (quota_lacks(&sharing->parties[p], size) && !quota_free(sharing, segment, p)) return false;
        p = sharing->parties[p].parent;
    }
    return share_quota_take(sharing, segment->tier);
}

/* All that is needed, or nothing: of those that give first the youngest. */
static bool quota_free(struct sharing *sharing, const struct segment *segment, size_t account)
{
    struct share_party after = sharing->parties[account];
    int64_t size[SHARE_DIMENSIONS], one[SHARE_DIMENSIONS];
    size_t group[GROUP_MAX], length = 0;
    enum mercy mercies[GROUP_MAX];

    share_size(segment->of, size);
    for (int mercy = 0; mercy < MERCIES; mercy++) {
        for (size_t g = 0; g < sharing->input->tiers_length; g++) {
            size_t giver = sharing->givers[g].tier;
            int64_t left = allowance(sharing, segment, giver, (enum mercy)mercy);
            if (left == 0 || !pays(sharing, giver, account)) continue;
            share_size(&sharing->input->tiers[giver], one);
            for (size_t m = sharing->member_first[giver + 1]; m > sharing->member_first[giver]; m--) {
                size_t instance = sharing->members[m - 1];
                bool picked = !may_take(sharing, instance, (enum mercy)mercy);
                for (size_t i = 0; i < length; i++)
                    picked |= group[i] == instance;
                if (picked || left == 0) continue;
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

void share_quota_return(struct sharing *sharing, size_t tier)
{
    quota_note(sharing, tier, -1);
}

static void quota_note(struct sharing *sharing, size_t tier, int sign)
{
    const struct share_tier *of = &sharing->input->tiers[tier];
    int64_t size[SHARE_DIMENSIONS];
    size_t steps = 0;

    share_size(of, size);
    for (size_t p = of->party; p != SHARE_NONE && steps < sharing->input->parties_length; steps++) {
        struct share_party *party = &sharing->parties[p];
        for (size_t d = 0; d < SHARE_DIMENSIONS; d++)
            if (party->left[d] >= 0) party->left[d] -= sign * size[d];
        if (party->instances_left >= 0) party->instances_left -= sign;
        p = party->parent;
    }
}
