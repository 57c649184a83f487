#include "cli/sources.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool add_directory(struct sources *sources, const char *path, struct error *err);
static int is_document(const struct dirent *entry);
static int compare_entries(const struct dirent **a, const struct dirent **b);
static bool add_source(struct sources *sources, const char *path, struct error *err);
static bool begins_document(const char *text);

bool sources_add(struct sources *sources, const char *path, struct error *err)
{
    struct stat status;
    bool directory = !text_equal(path, "-") && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    return directory ? add_directory(sources, path, err) : add_source(sources, path, err);
}

void sources_put_back(const struct sources *sources, struct error *err)
{
    const struct source *source = vec_at(&sources->files, 0);

    for (size_t i = 1; i < sources->files.length; i++) {
        const struct source *next = vec_at(&sources->files, i);
        if (next->first_line <= err->line) source = next;
    }
    snprintf(err->file, sizeof(err->file), "%s", source->path);
    if (err->line > 0) err->line -= source->first_line - 1;
}

void sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->files.length; i++)
        mem_free(((struct source *)vec_at(&sources->files, i))->path);
    vec_free(&sources->files);
    buf_free(&sources->text);
}

/* The documents in it, by name; not those of directories in it. */
static bool add_directory(struct sources *sources, const char *path, struct error *err)
{
    struct dirent **entries = NULL;
    int length = scandir(path, &entries, is_document, compare_entries);
    bool good = length >= 0;

    if (!good) error_errno(err, errno, "cannot read the directory %s", path);
    if (length == 0)
        good = error_set(err, ERROR_NOT_FOUND, "the directory %s has no file named *.yaml, *.yml or *.json",
                         path);
    for (int i = 0; i < length; i++) {
        CLEANUP_MEM char *file =
            mem_printf(text_ends(path, "/") ? "%s%s" : "%s/%s", path, entries[i]->d_name);
        good = good && add_source(sources, file, err);
        free(entries[i]);
    }
    free(entries);
    return good;
}

static int is_document(const struct dirent *entry)
{
    const char *name = entry->d_name;
    return name[0] != '.' &&
           (text_ends(name, ".yaml") || text_ends(name, ".yml") || text_ends(name, ".json"));
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_source(struct sources *sources, const char *path, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct source *source = NULL;
    unsigned lines = 1;

    if (!user_file_read(path, &text, err)) return false;
    /* What marks the beginning of a text must not stand in the middle of the joined one. */
    if (text_starts(buf_text(&text), "\xef\xbb\xbf")) buf_consume(&text, 3);
    if (sources->text.size > 0) {
        if (sources->text.data[sources->text.size - 1] != '\n') buf_add_char(&sources->text, '\n');
        /* Both end the document before; a file that does not begin one itself wants one begun. */
        buf_add_text(&sources->text, begins_document(buf_text(&text)) ? "...\n" : "---\n");
    }
    for (size_t i = 0; i < sources->text.size; i++)
        lines += sources->text.data[i] == '\n';
    source = vec_push(&sources->files);
    *source = (struct source){mem_strdup(text_equal(path, "-") ? "standard input" : path), lines};
    buf_add(&sources->text, buf_text(&text), text.size);
    return true;
}

/* With `---` or a directive; or it has nothing but comments, and is no document. */
static bool begins_document(const char *text)
{
    for (;;) {
        size_t blank = strspn(text, " \t\r\n");
        if (text[blank] == 0) return true;
        if (text[blank] != '#') return text_starts(text + blank, "---") || text[blank] == '%';
        text += blank + strcspn(text + blank, "\n");
    }
}
