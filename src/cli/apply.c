/* `croft apply` and `croft diff`: documents of any number of files, as one.
 *
 * All files go in one request, joined as the documents of one YAML stream: so nothing of any is applied
 * unless all of all is valid, and one file may refer to what another one makes. Positions in messages are put
 * back. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "cli/wait.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct source {
    char *path;
    unsigned first_line; /* of it in the joined text, from 1 */
};

struct sources {
    struct vec files; /* struct source */
    struct buf text;
};

static bool read_sources(struct cli *cli, struct sources *ret_sources, struct error *err);
static bool add_path(struct sources *sources, const char *path, struct error *err);
static bool add_directory(struct sources *sources, const char *path, struct error *err);
static int is_document(const struct dirent *entry);
static int compare_entries(const struct dirent **a, const struct dirent **b);
static bool add_source(struct sources *sources, const char *path, struct error *err);
static bool begins_document(const char *text);
static bool send_sources(struct cli *cli, const struct sources *sources, const char *path,
                         struct node *ret_answer, struct error *err);
static void put_back(const struct sources *sources, struct error *err);
static void show_results(struct cli *cli, const struct node *answer, const struct node *results);
static bool wait_for(struct cli *cli, const struct node *results, struct error *err);
static void show_actions(struct cli *cli, const struct node *actions);
static void sources_free(struct sources *sources);

int apply_run(struct cli *cli)
{
    bool dry = arguments_has(cli->arguments, "dry-run"), waits = arguments_has(cli->arguments, "wait");
    struct sources sources = {.files = VEC_OF(struct source)};
    struct node answer;
    struct error err;
    int64_t ignored_ms = 0;

    bool good = !waits || wait_time(cli, &ignored_ms, &err); /* wrong usage before anything happens */
    good = good && read_sources(cli, &sources, &err) &&
           send_sources(cli, &sources, dry ? "/v1/apply?dry_run=1" : "/v1/apply", &answer, &err);
    if (good) show_results(cli, &answer, node_get(&answer, "results"));
    good = good && (!waits || dry || wait_for(cli, node_get(&answer, "results"), &err));
    sources_free(&sources);
    return good ? 0 : cli_fail(cli, &err);
}

int diff_run(struct cli *cli)
{
    struct sources sources = {.files = VEC_OF(struct source)};
    struct node answer;
    struct error err;

    bool good = read_sources(cli, &sources, &err) && send_sources(cli, &sources, "/v1/diff", &answer, &err);
    sources_free(&sources);
    if (!good) return cli_fail(cli, &err);
    show_results(cli, &answer, node_get(&answer, "documents"));
    if (cli->format == OUTPUT_TABLE) show_actions(cli, node_get(&answer, "actions"));
    return 0;
}

static bool read_sources(struct cli *cli, struct sources *ret_sources, struct error *err)
{
    const char *path = NULL;

    for (size_t i = 0; (path = arguments_nth(cli->arguments, "file", i)); i++)
        if (!add_path(ret_sources, path, err)) return false;
    for (size_t i = 0; (path = arguments_positional(cli->arguments, i)); i++)
        if (!add_path(ret_sources, path, err)) return false;
    if (ret_sources->files.length > 0) return true;
    return error_set(err, ERROR_USAGE, "%s: no file is named: -f FILE, or -f - for standard input",
                     cli->arguments->command->name);
}

static bool add_path(struct sources *sources, const char *path, struct error *err)
{
    struct stat status;
    bool directory = !text_equal(path, "-") && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    return directory ? add_directory(sources, path, err) : add_source(sources, path, err);
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

static bool send_sources(struct cli *cli, const struct sources *sources, const char *path,
                         struct node *ret_answer, struct error *err)
{
    struct client_reply reply;
    const struct source *first = vec_at(&sources->files, 0);

    if (!cli_client(cli, err)) return false;
    /* A header cannot carry every path; the right one is put into the message here anyway. */
    const struct client_request request = {.method = "POST",
                                           .path = path,
                                           .body = buf_text(&sources->text),
                                           .body_size = sources->text.size,
                                           .file = cli_escape(cli, first->path)};
    if (!client_ask(cli->client, cli->arena, &request, &reply, err)) {
        if (err->file[0] || err->line > 0) put_back(sources, err);
        return false;
    }
    return node_from_json(cli->arena, reply.body, reply.body_size, ret_answer, err);
}

static void put_back(const struct sources *sources, struct error *err)
{
    const struct source *source = vec_at(&sources->files, 0);

    for (size_t i = 1; i < sources->files.length; i++) {
        const struct source *next = vec_at(&sources->files, i);
        if (next->first_line <= err->line) source = next;
    }
    snprintf(err->file, sizeof(err->file), "%s", source->path);
    if (err->line > 0) err->line -= source->first_line - 1;
}

static void show_results(struct cli *cli, const struct node *answer, const struct node *results)
{
    CLEANUP_BUF struct buf text = {0};

    if (cli_print_node(cli, answer)) return;
    for (size_t i = 0; results && i < results->length; i++) {
        const struct node *result = &results->items[i];
        const char *kind = node_text(result, "kind", ""), *name = node_text(result, "name", "");
        buf_printf(&text, "%s %s", kind, name);
        if (cli->format != OUTPUT_NAME) {
            buf_add_char(&text, ' ');
            style_state(&cli->style, node_text(result, "result", ""), &text);
        }
        buf_add_char(&text, '\n');
    }
    fputs(buf_text(&text), cli->out);
}

static bool wait_for(struct cli *cli, const struct node *results, struct error *err)
{
    size_t length = results ? results->length : 0, farms = 0;
    const char **names = arena_alloc_array(cli->arena, length + 1, sizeof(*names));
    int64_t time_ms = 0;

    for (size_t i = 0; i < length; i++)
        if (text_equal(node_text(&results->items[i], "kind", ""), "farm"))
            names[farms++] = node_text(&results->items[i], "name", "");
    if (!cli_flush(cli)) return error_set(err, ERROR_FAILED, "cannot write the results");
    return wait_time(cli, &time_ms, err) && wait_farms(cli, names, farms, time_ms, err);
}

static void show_actions(struct cli *cli, const struct node *actions)
{
    static const struct column columns[] = {{"STEP", COLUMN_NUMBER, 1},
                                            {"ACTION", COLUMN_TEXT, 0},
                                            {"NAME", COLUMN_TEXT, 0},
                                            {"HOST", COLUMN_TEXT, 2},
                                            {"REASON", COLUMN_PROSE, 3}};
    CLEANUP_BUF struct buf text = {0};

    if (!actions || actions->length == 0) {
        fputs("no instance would be started, moved or stopped\n", cli->out);
        return;
    }
    struct table *table = table_new(columns, LENGTH(columns));
    for (size_t i = 0; i < actions->length; i++) {
        const struct node *action = &actions->items[i];
        const char *const cells[] = {node_text(action, "step", ""), node_text(action, "kind", ""),
                                     node_text(action, "name", ""), node_text(action, "host", ""),
                                     node_text(action, "reason", "")};
        table_row(table, cells);
    }
    buf_add_char(&text, '\n');
    table_print(table, &cli->style, &text);
    table_free(table);
    fputs(buf_text(&text), cli->out);
}

static void sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->files.length; i++)
        mem_free(((struct source *)vec_at(&sources->files, i))->path);
    vec_free(&sources->files);
    buf_free(&sources->text);
}
