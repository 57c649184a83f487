#include "plan/filter/govern.h"

#include "base/text.h"
#include "plan/document/find.h"

#include <string.h>

size_t govern_line(struct arena *arena, const struct snapshot *snapshot, const char *party,
                   const char *const **ret_line)
{
    size_t most = snapshot->parties_length + 2, length = 0;
    const char **line = arena_alloc_array(arena, most, sizeof(*line));
    const struct party *at = NULL;

    /* Documents are checked to have no circle; a snapshot from elsewhere must not hang us. */
    for (const char *name = party; length + 1 < most && !text_equal(name, PARTY_LANDLORD);
         name = at == NULL ? PARTY_LANDLORD : at->parent) {
        line[length++] = name;
        at = find_party(snapshot, name);
    }
    line[length++] = PARTY_LANDLORD;
    for (size_t i = 0; i < length / 2; i++) {
        const char *other = line[i];
        line[i] = line[length - 1 - i];
        line[length - 1 - i] = other;
    }
    *ret_line = line;
    return length;
}

bool govern_touches(const struct filter *filter, const char *const *line, size_t line_length,
                    const char *farm)
{
    size_t size = strlen(farm);

    if (strncmp(filter->on, farm, size) == 0 && (filter->on[size] == '\0' || filter->on[size] == '/'))
        return true;
    if (text_equal(filter->on, FILTER_ON_ALL) && text_equal(filter->party, PARTY_LANDLORD)) return true;
    for (size_t i = 0; i < line_length; i++)
        if (text_equal(filter->on, line[i])) return true;
    return false;
}

const struct filter *govern_farm(struct arena *arena, const struct snapshot *snapshot,
                                 const struct farm *farm, size_t *ret_length)
{
    const char *const *line = NULL;
    size_t line_length = govern_line(arena, snapshot, farm->party, &line), length = 0;
    struct filter *filters = arena_alloc_array(arena, snapshot->filters_length + 1, sizeof(*filters));

    for (size_t p = 0; p < line_length; p++) {
        for (size_t f = 0; f < snapshot->filters_length; f++) {
            const struct filter *filter = &snapshot->filters[f];
            if (!text_equal(filter->party, line[p]) ||
                !govern_touches(filter, line, line_length, farm->full_name))
                continue;
            filters[length] = *filter;
            if (!text_starts(filter->on, farm->full_name)) filters[length].on = farm->full_name;
            length++;
        }
    }
    *ret_length = length;
    return filters;
}

const char *govern_key(struct arena *arena, const char *on)
{
    const char *slash = strchr(on, '/');
    const char *end = slash == NULL ? NULL : strchr(slash + 1, '/');
    return end == NULL ? on : arena_strndup(arena, on, (size_t)(end - on));
}
