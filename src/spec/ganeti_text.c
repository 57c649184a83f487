/* The format is that of Ganeti's htools, src/Ganeti/HTools/Backend/Text.hs: sections of lines with an empty
 * line behind each, fields with | between them; newer versions have more fields at the end of a line. */
#include "spec/ganeti_text.h"

#include "base/text.h"
#include "model/schema.h"
#include "spec/document.h"

#include <string.h>

#define LINE_SIZE_MAX (64 * 1024)

static const char *const section_names[GANETI_SECTIONS] = {"groups", "nodes", "instances", "tags",
                                                           "policies"};
static const char *const cell_names[GANETI_SECTIONS][GANETI_CELLS_MAX] = {
    [GANETI_GROUPS] = {"name", "uuid", "alloc_policy", "tags", "networks"},
    [GANETI_NODES] = {"name", "total_mem", "os_mem", "free_mem", "total_disk", "free_disk", "cpus", "role",
                      "group", "spindles", "tags", "exclusive_storage", "free_spindles", "os_cpus",
                      "cpu_speed"},
    [GANETI_INSTANCES] = {"name", "mem", "disk", "vcpus", "status", "auto_balance", "primary", "secondary",
                          "disk_template", "tags", "spindle_use", "disk_spindles", "forthcoming"},
    [GANETI_TAGS] = {"tag"},
    [GANETI_POLICIES] = {"owner", "std_spec", "min_max_specs", "disk_templates", "vcpu_ratio",
                         "spindle_ratio", "memory_ratio"},
};
/* Fields that the oldest form has. */
static const size_t cells_min[GANETI_SECTIONS] = {4, 9, 10, 0, 6};

static bool split_line(struct arena *arena, enum ganeti_section section, unsigned number, const char *line,
                       size_t size, struct vec *rows, struct error *err);
static bool fail_at(unsigned line, unsigned column, const char *field, struct error *err);

bool ganeti_split(struct arena *arena, const char *text, size_t size, struct vec sections[GANETI_SECTIONS],
                  struct error *err)
{
    const char *at = text, *end = text + size;
    unsigned number = 0;
    size_t section = 0;
    while (at < end && section < GANETI_SECTIONS) { /* what follows the policies is not ours */
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        size_t length = (size_t)(stop - at);
        number++;
        if (length > 0 && at[length - 1] == '\r') length--;
        if (length == 0)
            section++;
        else if (!split_line(arena, (enum ganeti_section)section, number, at, length, &sections[section],
                             err))
            return false;
        at = stop + 1;
    }
    if (section >= GANETI_TAGS) return true;
    error_set(err, ERROR_INVALID,
              "the text ends in the %s: expected groups, nodes, instances, tags and policies, with an empty "
              "line behind each",
              section_names[section]);
    return fail_at(number == 0 ? 1 : number, 1, "", err);
}

const char *ganeti_text(const struct ganeti_row *row, size_t cell)
{
    return cell < row->length ? row->cells[cell].text : "";
}

bool ganeti_number(const struct ganeti_row *row, size_t cell, int64_t fallback, int64_t max,
                   int64_t *ret_number, struct error *err)
{
    const char *text = ganeti_text(row, cell);
    char whole[24];
    uint64_t number;
    if (text[0] == '\0') {
        *ret_number = fallback;
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits;
    bool good = digits > 0 && digits < sizeof(whole) &&
                (rest[0] == '\0' ||
                 (rest[0] == '.' && rest[1] != '\0' && rest[1 + strspn(rest + 1, "0123456789")] == '\0'));
    if (good) {
        memcpy(whole, text, digits);
        whole[digits] = '\0';
        good = text_parse_u64(whole, &number) && number <= (uint64_t)max;
    }
    if (good) {
        *ret_number = (int64_t)number;
        return true;
    }
    char shown[SHOWN_SIZE];
    error_set(err, ERROR_INVALID, "expected a number from 0 to %lld, found \"%s\"", (long long)max,
              document_shown(shown, text));
    return ganeti_fail(row, cell, err);
}

bool ganeti_decimal(const struct ganeti_row *row, size_t cell, int64_t max, int64_t *ret_thousandths,
                    struct error *err)
{
    const char *text = ganeti_text(row, cell);
    char cut[24] = "";
    size_t whole = strcspn(text, ".");
    /* Three digits of a fraction are enough; Ganeti prints as many as a double has. */
    size_t size = strlen(text) > whole + 4 ? whole + 4 : strlen(text);
    bool good = size < sizeof(cut) && text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0';
    if (good) memcpy(cut, text, size);
    int64_t thousandths;
    if (good && text_parse_cpus(cut, &thousandths) && thousandths > 0 && thousandths <= max) {
        *ret_thousandths = thousandths;
        return true;
    }
    char shown[SHOWN_SIZE];
    error_set(err, ERROR_INVALID, "expected a number above 0 and up to %lld, found \"%s\"",
              (long long)(max / 1000), document_shown(shown, text));
    return ganeti_fail(row, cell, err);
}

bool ganeti_word(const struct ganeti_row *row, size_t cell, const char *const *words, int *ret_word,
                 struct error *err)
{
    const char *text = ganeti_text(row, cell);
    CLEANUP_BUF struct buf all = {0};
    size_t length = 0;
    for (; words[length] != NULL; length++) {
        if (text_equal(words[length], text)) {
            *ret_word = (int)length;
            return true;
        }
        buf_printf(&all, "%s%s", length == 0 ? "" : words[length + 1] == NULL ? " or " : ", ", words[length]);
    }
    char shown[SHOWN_SIZE];
    const char *nearest =
        strlen(text) > 1 ? text_nearest(text, words, length) : NULL; /* a letter is near to any */
    error_set(err, ERROR_INVALID, "expected %s, found \"%s\"%s%s%s", buf_text(&all),
              document_shown(shown, text), nearest == NULL ? "" : ", did you mean \"",
              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return ganeti_fail(row, cell, err);
}

bool ganeti_fail(const struct ganeti_row *row, size_t cell, struct error *err)
{
    unsigned column = cell < row->length ? row->cells[cell].column : 1;
    return fail_at(row->line, column, cell_names[row->section][cell], err);
}

static bool split_line(struct arena *arena, enum ganeti_section section, unsigned number, const char *line,
                       size_t size, struct vec *rows, struct error *err)
{
    if (size > LINE_SIZE_MAX) {
        error_set(err, ERROR_TOO_LARGE, "past the limit of %d bytes a line", LINE_SIZE_MAX);
        return fail_at(number, 1, section_names[section], err);
    }
    const char *strange = memchr(line, '\0', size);
    if (strange != NULL) {
        error_set(err, ERROR_INVALID, "expected text, found a zero byte");
        return fail_at(number, (unsigned)(strange - line) + 1, section_names[section], err);
    }
    if (section == GANETI_TAGS) return true;
    struct ganeti_row *row = vec_push(rows);
    row->line = number;
    row->section = section;
    const char *at = line, *end = line + size;
    while (at <= end && row->length < GANETI_CELLS_MAX) {
        const char *stop = at == end ? NULL : memchr(at, '|', (size_t)(end - at));
        if (stop == NULL) stop = end;
        row->cells[row->length++] = (struct ganeti_cell){
            .text = arena_strndup(arena, at, (size_t)(stop - at)), .column = (unsigned)(at - line) + 1};
        at = stop + 1;
    }
    if (row->length >= cells_min[section]) return true;
    error_set(err, ERROR_INVALID, "expected at least %zu fields with | between them, found %zu",
              cells_min[section], row->length);
    return fail_at(number, 1, section_names[section], err);
}

static bool fail_at(unsigned line, unsigned column, const char *field, struct error *err)
{
    return schema_error_at(err, &(struct node){.line = line, .column = column}, field);
}
