#include "plan/filter/fits.h"

#include "base/text.h"
#include "plan/filter/govern.h"

#include <string.h>

static size_t governed(struct arena *arena, const struct snapshot *snapshot, const struct filter *filter,
                       const char *const **ret_parties);
static bool is_above(struct arena *arena, const struct snapshot *snapshot, const char *above,
                     const char *party);
static bool meets(const struct filter *outer, const char *party, const char *const *line, size_t length,
                  struct filter *ret_outer);
static const char *rule_words(struct arena *arena, size_t rule);

bool filter_fits(struct arena *arena, const struct snapshot *snapshot, const struct filter *filter,
                 uint64_t *work, struct filter_fit *ret_fit, struct error *err)
{
    const char *const *parties = NULL, *const *above = NULL, *const *line = NULL;
    size_t above_length = govern_line(arena, snapshot, filter->party, &above) - 1;
    /* Nobody is above the landlord. */
    size_t parties_length = above_length == 0 ? 0 : governed(arena, snapshot, filter, &parties);
    struct filter_fit fit = {0};

    for (size_t p = 0; p < parties_length; p++) {
        struct filter inner = *filter, outer;
        size_t line_length = govern_line(arena, snapshot, parties[p], &line);
        if (strchr(filter->on, '/') == NULL) inner.on = parties[p];
        for (size_t a = 0; a < above_length; a++) {
            for (size_t f = 0; f < snapshot->filters_length; f++) {
                const struct filter *other = &snapshot->filters[f];
                if (!text_equal(other->party, above[a]) ||
                    !meets(other, parties[p], line, line_length, &outer))
                    continue;
                if (!filter_is_inside(arena, &outer, &inner, work, &fit.judgement, err)) return false;
                if (fit.judgement.inside) continue;
                fit.outer = other;
                fit.at = inner.on;
                *ret_fit = fit;
                return true;
            }
        }
    }
    *ret_fit = (struct filter_fit){0};
    return true;
}

const char *filter_fit_words(struct arena *arena, const struct filter_fit *fit)
{
    CLEANUP_BUF struct buf packet = {0};

    packet_format(&fit->judgement.packet, &packet);
    return arena_printf(arena, "lets pass what %s does not: %s, by %s, and there it is %s that decides",
                        fit->outer->full_name, buf_text(&packet),
                        rule_words(arena, fit->judgement.inner_rule),
                        rule_words(arena, fit->judgement.outer_rule));
}

/* The parties whose farms it governs. */
static size_t governed(struct arena *arena, const struct snapshot *snapshot, const struct filter *filter,
                       const char *const **ret_parties)
{
    const char *slash = strchr(filter->on, '/');
    const char **parties = arena_alloc_array(arena, snapshot->parties_length + 1, sizeof(*parties));
    size_t length = 0;

    *ret_parties = parties;
    parties[length++] =
        slash == NULL ? filter->on : arena_strndup(arena, filter->on, (size_t)(slash - filter->on));
    for (size_t i = 0; slash == NULL && i < snapshot->parties_length; i++) {
        const char *name = snapshot->parties[i].name;
        if (!text_equal(name, filter->on) && is_above(arena, snapshot, filter->on, name))
            parties[length++] = name;
    }
    return length;
}

static bool is_above(struct arena *arena, const struct snapshot *snapshot, const char *above,
                     const char *party)
{
    const char *const *line = NULL;
    size_t length = govern_line(arena, snapshot, party, &line);

    for (size_t i = 0; i < length; i++)
        if (text_equal(line[i], above)) return true;
    return false;
}

/* Does it govern any farm of the party, whose line this is? *ret_outer: as it is read without the tree of
 * parties. */
static bool meets(const struct filter *outer, const char *party, const char *const *line, size_t length,
                  struct filter *ret_outer)
{
    size_t size = strlen(party);

    *ret_outer = *outer;
    if (strncmp(outer->on, party, size) == 0 && outer->on[size] == '/') return true;
    ret_outer->on = FILTER_ON_ALL;
    if (text_equal(outer->on, FILTER_ON_ALL)) return true;
    for (size_t i = 0; i < length; i++)
        if (text_equal(outer->on, line[i])) return true;
    return false;
}

static const char *rule_words(struct arena *arena, size_t rule)
{
    return rule == 0 ? "the default" : arena_printf(arena, "rule %zu", rule);
}
