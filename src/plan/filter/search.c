#include "plan/filter/search.h"

#include "plan/filter/filter.h"

/* Boxes in the stack, how deep cuts may be nested (each level is a C frame of some 200 bytes), and as how
 * many parts the rest of a region is looked at. */
enum { COVERS_MAX = 1 << 22, DEPTH_MAX = 5000, PIECES_MAX = 16 };

struct judging {
    struct search *search;
    const struct judged *judged;
    size_t length;
};

struct pieces {
    struct box items[PIECES_MAX];
    size_t length;
};

static bool judge(const struct judging *judging, size_t level, const struct box *region, size_t begin);
static bool judge_rest(const struct judging *judging, size_t level, const struct box *region, size_t begin);
static bool keep_piece(void *context, const struct box *region);
static bool is_wanted(const struct judged *judged, uint32_t rule);
static bool is_alike(const struct judged *judged, uint32_t rule);
static bool open_set(struct search *search, size_t begin, size_t end, const struct box *region);
static bool keep_set(struct search *search, size_t begin, const struct box *region);
static bool find_uncovered(struct search *search, struct box region, size_t begin, size_t depth);
static const struct box *largest(struct search *search, size_t begin, const struct box *region);
static struct box cut_off(struct box *region, const struct box *by);
static void push(struct search *search, const struct box *box);

void search_free(struct search *search)
{
    mem_free(search->covers);
    *search = (struct search){0};
}

bool search_judged(struct search *search, const struct box *base, const struct judged *judged, size_t length)
{
    const struct judging judging = {search, judged, length};
    search->length = 0;
    return judge(&judging, 0, base, 0);
}

bool search_uncovered(struct search *search, const struct box *region, const struct box *boxes, size_t length)
{
    search->length = 0;
    for (size_t i = 0; i < length; i++) {
        if (!box_meets(&boxes[i], region)) continue;
        if (box_covers(&boxes[i], region)) return false;
        push(search, &boxes[i]);
    }
    search->work += length;
    return find_uncovered(search, *region, 0, 0);
}

bool search_was_ended(const struct search *search, const char *name, struct error *err)
{
    return !search->too_large ||
           error_set(
               err, ERROR_TOO_LARGE,
               "the rules of filter \"%s\" are too entangled to be judged: use fewer of them, or such that "
               "overlap less",
               name);
}

/* The first `level` filters are decided all over the region but for the set that begins at `begin`, of which
 * each box meets the region and none covers it: there, earlier rules decide. */
static bool judge(const struct judging *judging, size_t level, const struct box *region, size_t begin)
{
    struct search *search = judging->search;
    const struct judged *judged = &judging->judged[level];

    if (level == judging->length) return find_uncovered(search, *region, begin, 0);
    search->work += judged->boxes->length;
    for (size_t i = 0; i < judged->boxes->length && !search->too_large; i++) {
        const struct box *box = &judged->boxes->items[i];
        if (!box_meets(box, region) || is_alike(judged, judged->boxes->rules[i])) continue;
        if (is_wanted(judged, judged->boxes->rules[i])) {
            struct box both = box_both(box, region);
            size_t end = search->length;
            if (open_set(search, begin, end, &both) && judge_rest(judging, level + 1, &both, end))
                return true;
            search->length = end;
        }
        if (box_covers(box, region)) return false; /* no rule behind it decides anything here */
        push(search, box);
    }
    return is_wanted(judged, 0) && judge_rest(judging, level + 1, region, begin);
}

/* The same by the few parts that the set leaves of the region, if they are few: the next filter often says
 * one thing of all of each, and the set need not be asked again for every rule of it. */
static bool judge_rest(const struct judging *judging, size_t level, const struct box *region, size_t begin)
{
    struct search *search = judging->search;
    struct pieces pieces = {0};

    if (level == judging->length || search->length == begin) return judge(judging, level, region, begin);
    size_t end = search->length;
    ASSERT(search->tell == NULL);
    search->tell = keep_piece;
    search->context = &pieces;
    bool many = open_set(search, begin, end, region) && find_uncovered(search, *region, end, 0);
    search->tell = NULL;
    search->length = end;
    if (many) return judge(judging, level, region, begin);
    for (size_t i = 0; i < pieces.length; i++) {
        if (judge(judging, level, &pieces.items[i], end)) return true;
        search->length = end;
    }
    return false;
}

static bool keep_piece(void *context, const struct box *region)
{
    struct pieces *pieces = context;

    if (pieces->length == PIECES_MAX) return true;
    pieces->items[pieces->length++] = *region;
    return false;
}

static bool is_wanted(const struct judged *judged, uint32_t rule)
{
    bool passes = filter_action_of(judged->boxes->filter, rule) == FILTER_ALLOW;
    return passes == judged->passes && (judged->rule == 0 || judged->rule == rule);
}

/* Another rule than the one that is asked for, with the same verdict: it hides nothing. */
static bool is_alike(const struct judged *judged, uint32_t rule)
{
    bool passes = filter_action_of(judged->boxes->filter, rule) == FILTER_ALLOW;
    return passes == judged->passes && judged->rule != 0 && judged->rule != rule;
}

/* A set of those of begin to end that meet the region. false: one of them covers it; it comes to the front,
 * since what covers one region is likely to cover the next. */
static bool open_set(struct search *search, size_t begin, size_t end, const struct box *region)
{
    for (size_t i = begin; i < end; i++) {
        struct box box = search->covers[i];
        search->work++;
        if (!box_meets(&box, region)) continue;
        if (box_covers(&box, region)) {
            search->covers[i] = search->covers[begin];
            search->covers[begin] = box;
            search->length = end;
            return false;
        }
        push(search, &box);
    }
    return true;
}

/* As open_set(), in place of the old one. */
static bool keep_set(struct search *search, size_t begin, const struct box *region)
{
    size_t kept = begin;

    search->work += search->length - begin;
    for (size_t i = begin; i < search->length; i++) {
        const struct box *box = &search->covers[i];
        if (!box_meets(box, region)) continue;
        if (box_covers(box, region)) return false;
        search->covers[kept++] = *box;
    }
    search->length = kept;
    return true;
}

/* Cuts the region along the box that covers most of it, one side after the other; the parts outside of the
 * box are looked at by themselves, with those boxes that meet them. */
static bool find_uncovered(struct search *search, struct box region, size_t begin, size_t depth)
{
    while (!search->too_large) {
        if (search->length == begin) {
            if (search->tell != NULL) return search->tell(search->context, &region);
            search->found = region;
            return true;
        }
        if (search->work > FILTER_WORK_MAX || depth > DEPTH_MAX) search->too_large = true;
        struct box part = cut_off(&region, largest(search, begin, &region));
        size_t end = search->length;
        if (open_set(search, begin, end, &part) && find_uncovered(search, part, end, depth + 1)) return true;
        search->length = end;
        if (!keep_set(search, begin, &region)) return false;
    }
    return false;
}

static const struct box *largest(struct search *search, size_t begin, const struct box *region)
{
    double sizes[LANES], most = -1;
    const struct box *best = NULL;

    for (enum lane lane = 0; lane < LANES; lane++)
        sizes[lane] = 1.0 / (double)(box_last(region, lane) - box_first(region, lane) + 1);
    search->work += LANES * (search->length - begin);
    for (size_t i = begin; i < search->length; i++) {
        struct box both = box_both(&search->covers[i], region);
        double part = 1;
        for (enum lane lane = 0; lane < LANES; lane++)
            part *= (double)(box_last(&both, lane) - box_first(&both, lane) + 1) * sizes[lane];
        if (part <= most) continue;
        most = part;
        best = &search->covers[i];
    }
    return best;
}

/* Takes off one side of the region, where the box does not reach. */
static struct box cut_off(struct box *region, const struct box *by)
{
    /* Addresses last: a part of those is many prefixes, where it has to be said by rules. */
    static const enum lane order[LANES] = {LANE_DIRECTION, LANE_PROTOCOL, LANE_PORT,         LANE_FROM_PORT,
                                           LANE_FROM_NAME, LANE_TO_NAME,  LANE_FROM_ADDRESS, LANE_TO_ADDRESS};
    struct box part = *region;

    for (size_t n = 0; n < LANES; n++) {
        enum lane lane = order[n];
        size_t first = box_first(region, lane), last = box_last(region, lane);
        if (box_first(by, lane) > first) {
            box_set(&part, lane, first, box_first(by, lane) - 1);
            box_set(region, lane, box_first(by, lane), last);
            return part;
        }
        if (box_last(by, lane) < last) {
            box_set(&part, lane, box_last(by, lane) + 1, last);
            box_set(region, lane, first, box_last(by, lane));
            return part;
        }
    }
    UNREACHABLE();
}

static void push(struct search *search, const struct box *box)
{
    struct box copy = *box; /* it may be one of those that move */

    if (search->length == search->capacity) {
        if (search->capacity >= COVERS_MAX) {
            search->too_large = true;
            return;
        }
        search->capacity = search->capacity ? 2 * search->capacity : 1024;
        search->covers = mem_realloc_array(search->covers, search->capacity, sizeof(copy));
    }
    search->covers[search->length++] = copy;
}
