/* An answer for people: what matters first, and no more lines than one reads. */
#include "base/text.h"
#include "base/vec.h"
#include "cli/whatif.h"

#include <stdio.h>
#include <string.h>

enum {
    LINES_MAX = 20,       /* of one list; beyond, sums take the place of items */
    ZONES_MAX = 24,       /* of the picture */
    HOSTS_DRAWN_MAX = 12, /* each host has its mark; beyond, a number */
    BAR_WIDTH = 10,
    NAMES_MAX = 4,
};

struct tally {
    const char *farm;
    size_t moves, losses, stays;
};

static void add_sentence(const struct whatif_answer *answer, struct buf *ret_text);
static void add_names(const char *noun, const char *what, const char *const *names, size_t length, bool *more,
                      struct buf *ret_text);
static void add_count(size_t count, const char *what, struct buf *ret_text);
static void add_freed(const struct resources *freed, struct buf *ret_text);
static void add_picture(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static unsigned depth_shown(const struct whatif_answer *answer);
static bool is_touched(const struct whatif_zone *zone);
static const char *zone_cell(struct arena *arena, const struct whatif_zone *zone);
static const char *hosts_cell(struct arena *arena, const struct whatif_zone *zone);
static const char *share_cell(struct arena *arena, int64_t used_before, int64_t total_before,
                              int64_t used_after, int64_t total_after);
static const char *bar_cell(struct arena *arena, const struct whatif_zone *zone);
static const char *percent(struct arena *arena, int64_t used, int64_t total);
static double share(int64_t used, int64_t total);
static void add_moves(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static void add_losses(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static void add_stays(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static void add_sums(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static struct tally *tally_of(struct map *by_farm, struct vec *tallies, const char *instance);
static int compare_tallies(const void *a, const void *b);
static void add_farms(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text);
static void add_survival(const struct whatif_answer *answer, struct buf *ret_text);
static void add_table(struct table *table, const struct style *style, struct buf *ret_text);

void whatif_text(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    add_sentence(answer, ret_text);
    add_picture(answer, style, ret_text);
    if (answer->moves_length > LINES_MAX || answer->losses_length > LINES_MAX ||
        answer->stays_length > LINES_MAX) {
        add_sums(answer, style, ret_text);
    } else {
        add_moves(answer, style, ret_text);
        add_losses(answer, style, ret_text);
        add_stays(answer, style, ret_text);
    }
    add_farms(answer, style, ret_text);
    add_survival(answer, ret_text);
}

/* "2 hosts fail (h1, h2): of 14 instances 9 stay, 3 move, 2 find no place; all that can run does after about
 * 0.3 s." */
static void add_sentence(const struct whatif_answer *answer, struct buf *ret_text)
{
    bool more = false;
    add_names("host", "fail", answer->failed_hosts, answer->failed_hosts_length, &more, ret_text);
    add_names("host", "are drained", answer->drained_hosts, answer->drained_hosts_length, &more, ret_text);
    add_names("host", "come new", answer->added_hosts, answer->added_hosts_length, &more, ret_text);
    add_names("lease", "end", answer->ended_leases, answer->ended_leases_length, &more, ret_text);
    buf_printf(ret_text, "%sf %zu instance%s %zu stay%s", more ? ": o" : "O", answer->total,
               answer->total == 1 ? "" : "s", answer->kept, answer->kept == 1 ? "s" : "");
    if (answer->stays_length > 0) buf_printf(ret_text, " (%zu of them cannot leave)", answer->stays_length);
    add_count(answer->moved, answer->moved == 1 ? "moves" : "move", ret_text);
    add_count(answer->yielded, answer->yielded == 1 ? "yields and runs elsewhere" : "yield and run elsewhere",
              ret_text);
    add_count(answer->lost, answer->lost == 1 ? "finds no place" : "find no place", ret_text);
    if (answer->yielded_lost > 0)
        buf_printf(ret_text, " (%zu of them yield%s to others)", answer->yielded_lost,
                   answer->yielded_lost == 1 ? "s" : "");
    add_count(answer->restarted, "of them started again in place", ret_text);
    add_count(answer->removed,
              answer->removed == 1 ? "besides is not wanted any more" : "besides are not wanted any more",
              ret_text);
    if (answer->removed > 0) add_freed(&answer->freed, ret_text);
    add_count(answer->added, "more than before", ret_text);
    add_count(answer->waiting, answer->waiting == 1 ? "waits as before" : "wait as before", ret_text);
    if (answer->recover_ms > 0)
        buf_printf(ret_text, "; all that can run does after about %.2g s", (double)answer->recover_ms / 1000);
    buf_add_text(ret_text, ".\n");
}

static void add_names(const char *noun, const char *what, const char *const *names, size_t length, bool *more,
                      struct buf *ret_text)
{
    if (length == 0) return;
    if (length == 1 && text_equal(what, "fail")) what = "fails";
    if (length == 1 && text_equal(what, "are drained")) what = "is drained";
    if (length == 1 && text_equal(what, "come new")) what = "comes new";
    if (length == 1 && text_equal(what, "end")) what = "ends";
    buf_printf(ret_text, "%s%zu %s%s %s (", *more ? ", " : "", length, noun, length == 1 ? "" : "s", what);
    for (size_t n = 0; n < length && n < NAMES_MAX; n++)
        buf_printf(ret_text, "%s%s", n ? ", " : "", names[n]);
    buf_printf(ret_text, "%s)", length > NAMES_MAX ? ", …" : "");
    *more = true;
}

static void add_count(size_t count, const char *what, struct buf *ret_text)
{
    if (count > 0) buf_printf(ret_text, ", %zu %s", count, what);
}

static void add_freed(const struct resources *freed, struct buf *ret_text)
{
    char memory[32], disk[32];
    buf_printf(ret_text, " (which frees %.15g cpus, %s of memory, %s of disk)",
               (double)freed->cpus_millis / 1000, text_format_bytes(memory, freed->memory_bytes),
               text_format_bytes(disk, freed->disk_bytes));
}

static void add_picture(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {{"ZONE", COLUMN_TEXT, 0},
                                            {"HOSTS", COLUMN_TEXT, 3},
                                            {"CPUS", COLUMN_TEXT, 2},
                                            {"MEMORY", COLUMN_TEXT, 2},
                                            {"", COLUMN_TEXT, 1}};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct table *table = table_new(columns, LENGTH(columns));
    unsigned depth = depth_shown(answer);
    size_t shown = 0;

    for (size_t z = 0; z < answer->zones_length; z++) {
        const struct whatif_zone *zone = &answer->zones[z];
        if (shown == ZONES_MAX || (zone->depth > depth && !is_touched(zone))) continue;
        const char *const cells[] = {
            zone_cell(arena, zone), hosts_cell(arena, zone),
            share_cell(arena, zone->used_before.cpus_millis, zone->total_before.cpus_millis,
                       zone->used_after.cpus_millis, zone->total_after.cpus_millis),
            share_cell(arena, zone->used_before.memory_bytes, zone->total_before.memory_bytes,
                       zone->used_after.memory_bytes, zone->total_after.memory_bytes),
            bar_cell(arena, zone)};
        table_row(table, cells);
        shown++;
    }
    add_table(table, style, ret_text);
    if (shown < answer->zones_length)
        buf_printf(ret_text, "… and %zu zones more\n", answer->zones_length - shown);
    buf_add_text(ret_text, "● in use  ✗ fails  ◌ drained  · was not in use\n");
}

/* As deep as the picture stays small. */
static unsigned depth_shown(const struct whatif_answer *answer)
{
    for (unsigned depth = 1;; depth++) {
        size_t zones = 0, deeper = 0;
        for (size_t z = 0; z < answer->zones_length; z++) {
            zones += answer->zones[z].depth <= depth + 1;
            deeper += answer->zones[z].depth > depth;
        }
        if (zones > ZONES_MAX || deeper == 0) return depth;
    }
}

static bool is_touched(const struct whatif_zone *zone)
{
    return zone->failed > 0 || zone->drained > 0;
}

/* The last element of the path, below what it is in. */
static const char *zone_cell(struct arena *arena, const struct whatif_zone *zone)
{
    const char *slash = strrchr(zone->path, '/');
    return arena_printf(arena, "%*s%s", (int)(zone->depth - 1) * 2, "", slash ? slash + 1 : zone->path);
}

static const char *hosts_cell(struct arena *arena, const struct whatif_zone *zone)
{
    size_t used = zone->hosts - zone->failed - zone->drained - zone->away;
    CLEANUP_BUF struct buf text = {0};
    if (zone->hosts <= HOSTS_DRAWN_MAX) {
        for (size_t n = 0; n < zone->hosts; n++)
            buf_add_text(&text, n < used                                  ? "●"
                                : n < used + zone->failed                 ? "✗"
                                : n < used + zone->failed + zone->drained ? "◌"
                                                                          : "·");
    } else {
        buf_printf(&text, "%zu●", used);
        if (zone->failed) buf_printf(&text, " %zu✗", zone->failed);
        if (zone->drained) buf_printf(&text, " %zu◌", zone->drained);
        if (zone->away) buf_printf(&text, " %zu·", zone->away);
    }
    return arena_strdup(arena, buf_text(&text));
}

static const char *share_cell(struct arena *arena, int64_t used_before, int64_t total_before,
                              int64_t used_after, int64_t total_after)
{
    return arena_printf(arena, "%s → %s", percent(arena, used_before, total_before),
                        percent(arena, used_after, total_after));
}

static const char *percent(struct arena *arena, int64_t used, int64_t total)
{
    if (total <= 0) return "  –";
    return arena_printf(arena, "%2.0f%%", 100.0 * share(used, total));
}

/* Of what is scarcer. */
static const char *bar_cell(struct arena *arena, const struct whatif_zone *zone)
{
    CLEANUP_BUF struct buf text = {0};
    double cpus = share(zone->used_after.cpus_millis, zone->total_after.cpus_millis);
    double memory = share(zone->used_after.memory_bytes, zone->total_after.memory_bytes);
    double full = (cpus > memory ? cpus : memory) * BAR_WIDTH;
    if (zone->total_after.cpus_millis <= 0) return " "; /* an empty cell would be shown as "-" */
    for (int n = 0; n < BAR_WIDTH; n++)
        buf_add_text(&text, n + 0.5 <= full ? "█" : "░");
    return arena_strdup(arena, buf_text(&text));
}

static double share(int64_t used, int64_t total)
{
    return total > 0 ? (double)used / (double)total : 0;
}

static void add_moves(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {{"MOVES", COLUMN_TEXT, 0},
                                            {"FROM", COLUMN_TEXT, 2},
                                            {"TO", COLUMN_TEXT, 0},
                                            {"REASON", COLUMN_PROSE, 1}};
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t n = 0; n < answer->moves_length; n++) {
        const struct whatif_move *move = &answer->moves[n];
        const char *const cells[] = {move->instance, move->from, move->to, move->reason};
        table_row(table, cells);
    }
    if (answer->moves_length > 0)
        add_table(table, style, ret_text);
    else
        table_free(table);
}

static void add_losses(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {
        {"FINDS NO PLACE", COLUMN_TEXT, 0}, {"FROM", COLUMN_TEXT, 2}, {"REASON", COLUMN_PROSE, 1}};
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t n = 0; n < answer->losses_length; n++) {
        const struct whatif_lost *lost = &answer->losses[n];
        const char *const cells[] = {lost->instance, lost->from, lost->reason};
        table_row(table, cells);
    }
    if (answer->losses_length > 0)
        add_table(table, style, ret_text);
    else
        table_free(table);
}

static void add_stays(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {
        {"CANNOT LEAVE", COLUMN_TEXT, 0}, {"HOST", COLUMN_TEXT, 2}, {"REASON", COLUMN_PROSE, 1}};
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t n = 0; n < answer->stays_length; n++) {
        const struct whatif_stay *stay = &answer->stays[n];
        const char *const cells[] = {stay->instance, stay->host, stay->reason};
        table_row(table, cells);
    }
    if (answer->stays_length > 0)
        add_table(table, style, ret_text);
    else
        table_free(table);
}

/* By farm, the ones that lose most first, and why the first of those that stay does. */
static void add_sums(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {{"FARM", COLUMN_TEXT, 0},
                                            {"MOVE", COLUMN_NUMBER, 0},
                                            {"FIND NO PLACE", COLUMN_NUMBER, 0},
                                            {"CANNOT LEAVE", COLUMN_NUMBER, 0}};
    struct table *table = table_new(columns, LENGTH(columns));
    CLEANUP(map_freep) struct map *by_farm = map_new();
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec tallies = VEC_OF(struct tally);

    for (size_t n = 0; n < answer->moves_length; n++)
        tally_of(by_farm, &tallies, answer->moves[n].instance)->moves++;
    for (size_t n = 0; n < answer->losses_length; n++)
        tally_of(by_farm, &tallies, answer->losses[n].instance)->losses++;
    for (size_t n = 0; n < answer->stays_length; n++)
        tally_of(by_farm, &tallies, answer->stays[n].instance)->stays++;
    vec_sort(&tallies, compare_tallies);
    for (size_t n = 0; n < tallies.length; n++) {
        const struct tally *tally = vec_at(&tallies, n);
        const char *farm =
            arena_strndup(arena, tally->farm, (size_t)(strrchr(tally->farm, '/') - tally->farm));
        const char *const cells[] = {farm, arena_printf(arena, "%zu", tally->moves),
                                     arena_printf(arena, "%zu", tally->losses),
                                     arena_printf(arena, "%zu", tally->stays)};
        if (n < LINES_MAX) table_row(table, cells);
    }
    add_table(table, style, ret_text);
    if (answer->stays_length > 0)
        buf_printf(ret_text, "%s cannot leave: %s\n", answer->stays[0].instance, answer->stays[0].reason);
    if (tallies.length > LINES_MAX)
        buf_printf(ret_text, "… and %zu farms more; -o json names each instance\n",
                   tallies.length - LINES_MAX);
    vec_free(&tallies);
}

static struct tally *tally_of(struct map *by_farm, struct vec *tallies, const char *instance)
{
    CLEANUP_MEM char *farm = mem_strndup(instance, (size_t)(strrchr(instance, '/') - instance));
    uintptr_t number = (uintptr_t)map_get(by_farm, farm);
    if (number == 0) {
        *(struct tally *)vec_push(tallies) = (struct tally){.farm = instance};
        number = tallies->length;
        map_put(by_farm, farm, (void *)number);
    }
    return vec_at(tallies, number - 1);
}

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    if (x->losses != y->losses) return x->losses > y->losses ? -1 : 1;
    if (x->stays != y->stays) return x->stays > y->stays ? -1 : 1;
    if (x->moves != y->moves) return x->moves > y->moves ? -1 : 1;
    return text_compare_natural(x->farm, y->farm);
}

static void add_farms(const struct whatif_answer *answer, const struct style *style, struct buf *ret_text)
{
    static const struct column columns[] = {{"FARM", COLUMN_TEXT, 0},
                                            {"BEFORE", COLUMN_STATE, 2},
                                            {"AFTER", COLUMN_STATE, 0},
                                            {"REASON", COLUMN_PROSE, 1}};
    struct table *table = table_new(columns, LENGTH(columns));
    size_t changed = 0;
    for (size_t n = 0; n < answer->farms_length; n++) {
        const struct whatif_farm *farm = &answer->farms[n];
        const char *const cells[] = {farm->name, farm->state_before, farm->state_after, farm->reason};
        if (text_equal(farm->state_before, farm->state_after)) continue;
        if (changed++ < LINES_MAX) table_row(table, cells);
    }
    if (changed > 0)
        add_table(table, style, ret_text);
    else
        table_free(table);
    if (changed > LINES_MAX) buf_printf(ret_text, "… and %zu farms more\n", changed - LINES_MAX);
}

static void add_survival(const struct whatif_answer *answer, struct buf *ret_text)
{
    static const char *const kinds[WHATIF_KINDS] = {"host", "rack", "site"};
    buf_add_text(ret_text, "\nAfter that it survives without losing an instance the loss of: ");
    for (int kind = 0; kind < WHATIF_KINDS; kind++) {
        const struct whatif_survival *survival = &answer->survives[kind];
        buf_printf(ret_text, "%s%s", kind ? ", " : "", survival->exact ? "" : "at most ");
        if (survival->count == 0)
            buf_printf(ret_text, "no %s", kinds[kind]);
        else
            buf_printf(ret_text, "%zu %s%s", survival->count, kinds[kind], survival->count == 1 ? "" : "s");
    }
    buf_add_text(ret_text, ".\n");
}

static void add_table(struct table *table, const struct style *style, struct buf *ret_text)
{
    buf_add_char(ret_text, '\n');
    table_print(table, style, ret_text);
    table_free(table);
}
