/* `croft whatif`: the live grid or a file, what shall happen to it, and what comes of that. Nothing is
 * changed: the planner runs here, on a copy. */
#include "cli/whatif.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"
#include "cli/indent.h"
#include "cli/listing.h"
#include "cli/sources.h"
#include "spec/grid_file.h"
#include "spec/spec.h"

static bool ask(struct cli *cli, struct planner *planner, struct whatif_answer *ret_answer,
                double *ret_seconds, struct error *err);
static bool read_documents(struct cli *cli, const struct snapshot *snapshot, const struct planner *planner,
                           struct whatif_question *question, struct error *err);
static bool add_files(struct cli *cli, const char *option, struct sources *sources, struct error *err);
static bool take_documents(struct cli *cli, const struct documents *documents, unsigned apply_line,
                           const struct planner *planner, struct whatif_question *question,
                           struct error *err);
static struct whatif_document document_of(const struct document *document);
static const char *const *all_of(struct cli *cli, const char *option, size_t *ret_length);
static void print(struct cli *cli, const struct whatif_answer *answer, double seconds);

int whatif_run(struct cli *cli)
{
    struct whatif_answer answer;
    struct error err;
    struct planner *planner = planner_new();

    double seconds = 0;
    bool good = ask(cli, planner, &answer, &seconds, &err);
    cli_progress(cli, "%s", "");
    if (good) print(cli, &answer, seconds);
    planner_free(planner);
    return good ? 0 : cli_fail(cli, &err);
}

static bool ask(struct cli *cli, struct planner *planner, struct whatif_answer *ret_answer,
                double *ret_seconds, struct error *err)
{
    static const char *const asks[] = {"fail", "drain", "end", "add", "apply"};
    struct whatif_question question = {0};
    struct grid_file grid;
    bool asked = false;

    for (size_t i = 0; i < LENGTH(asks); i++)
        asked |= arguments_has(cli->arguments, asks[i]);
    if (!asked)
        return error_set(
            err, ERROR_USAGE,
            "whatif: what shall happen? --fail NAME…, --drain NAME…, --end lease/NAME…, --add FILE or "
            "--apply FILE");
    question.fail = all_of(cli, "fail", &question.fail_length);
    question.drain = all_of(cli, "drain", &question.drain_length);
    question.end = all_of(cli, "end", &question.end_length);
    if (!grid_read(cli, &grid, err)) return false;
    cli_progress(cli, "thinking about %zu hosts and %zu instances", grid.snapshot.hosts_length,
                 grid.snapshot.instances_length);
    planner_put_all(planner, &grid.snapshot);
    if (!read_documents(cli, &grid.snapshot, planner, &question, err)) return false;
    double begin = cli_seconds_now();
    bool good = whatif_ask(planner, cli->arena, &question, grid.now_ms, ret_answer, err);
    *ret_seconds = cli_seconds_now() - begin;
    return good;
}

/* Both kinds of files are one text: what is added may be named by what is applied. */
static bool read_documents(struct cli *cli, const struct snapshot *snapshot, const struct planner *planner,
                           struct whatif_question *question, struct error *err)
{
    struct sources sources = SOURCES_NONE;
    struct documents documents;
    unsigned apply_line = UINT32_MAX;

    bool good = add_files(cli, "add", &sources, err);
    size_t adds = sources.files.length;
    good = good && add_files(cli, "apply", &sources, err);
    if (good && sources.files.length > adds)
        apply_line = ((const struct source *)vec_at(&sources.files, adds))->first_line;
    if (good && sources.files.length > 0) {
        good = spec_read(cli->arena, "", buf_text(&sources.text), sources.text.size, &documents, err) &&
               spec_check(snapshot, &documents, "", err) &&
               take_documents(cli, &documents, apply_line, planner, question, err);
        if (!good) sources_put_back(&sources, err);
    }
    sources_free(&sources);
    return good;
}

static bool add_files(struct cli *cli, const char *option, struct sources *sources, struct error *err)
{
    const char *path = NULL;
    for (size_t i = 0; (path = arguments_nth(cli->arguments, option, i)); i++)
        if (!sources_add(sources, path, err)) return false;
    return true;
}

/* What is added has to be new; what is applied may be. */
static bool take_documents(struct cli *cli, const struct documents *documents, unsigned apply_line,
                           const struct planner *planner, struct whatif_question *question, struct error *err)
{
    struct whatif_document *taken = arena_alloc_array(cli->arena, documents->length + 1, sizeof(*taken));
    for (size_t n = 0; n < documents->length; n++) {
        const struct document *document = &documents->items[n];
        const char *name = document->name;
        taken[n] = document_of(document);
        if (document->line >= apply_line) continue;
        if (document->kind->kind == KIND_IMAGE)
            name = arena_printf(cli->arena, "%s/%s", document->image->party, document->image->name);
        if (!planner_get(planner, taken[n].kind, name)) continue;
        error_set(err, ERROR_INVALID, "%s %s is there already: change it with --apply",
                  document->kind->singular, document->name);
        err->line = document->line;
        err->column = document->column;
        return false;
    }
    question->documents = taken;
    question->documents_length = documents->length;
    return true;
}

static struct whatif_document document_of(const struct document *document)
{
    switch (document->kind->kind) {
    case KIND_HOST:
        return (struct whatif_document){RECORD_HOST, document->host};
    case KIND_PARTY:
        return (struct whatif_document){RECORD_PARTY, document->party};
    case KIND_FARM:
        return (struct whatif_document){RECORD_FARM, document->farm};
    case KIND_POOL:
        return (struct whatif_document){RECORD_POOL, document->pool};
    case KIND_SLA:
        return (struct whatif_document){RECORD_SLA, document->sla};
    case KIND_SCALING_RULES:
        return (struct whatif_document){RECORD_SCALING_RULES, document->scaling_rules};
    case KIND_FILTER:
        return (struct whatif_document){RECORD_FILTER, document->filter};
    case KIND_LEASE:
        return (struct whatif_document){RECORD_LEASE, document->lease};
    case KIND_CONTACT:
        return (struct whatif_document){RECORD_CONTACT, document->contact};
    case KIND_KEY:
        return (struct whatif_document){RECORD_KEY, document->key};
    case KIND_IMAGE:
        return (struct whatif_document){RECORD_IMAGE, document->image};
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

static const char *const *all_of(struct cli *cli, const char *option, size_t *ret_length)
{
    size_t length = 0;
    while (arguments_nth(cli->arguments, option, length))
        length++;
    const char **values = arena_alloc_array(cli->arena, length + 1, sizeof(*values));
    for (size_t n = 0; n < length; n++)
        values[n] = arguments_nth(cli->arguments, option, n);
    *ret_length = length;
    return values;
}

static void print(struct cli *cli, const struct whatif_answer *answer, double seconds)
{
    CLEANUP_BUF struct buf text = {0};
    struct node node;
    struct error err;

    if (cli->format == OUTPUT_JSON) {
        CLEANUP_BUF struct buf laid_out = {0};
        whatif_json(answer, seconds, &text);
        json_indent(buf_text(&text), text.size, &laid_out);
        fwrite(buf_text(&laid_out), 1, laid_out.size, cli->out);
        return;
    }
    if (cli->format == OUTPUT_YAML) {
        whatif_json(answer, seconds, &text);
        bool good = node_from_json(cli->arena, buf_text(&text), text.size, &node, &err);
        ASSERT(good); /* it was written here */
        cli_print_node(cli, &node);
        return;
    }
    if (cli->format == OUTPUT_NAME) { /* what does not run where it did */
        for (size_t n = 0; n < answer->moves_length; n++)
            fprintf(cli->out, "%s\n", answer->moves[n].instance);
        for (size_t n = 0; n < answer->losses_length; n++)
            fprintf(cli->out, "%s\n", answer->losses[n].instance);
        return;
    }
    whatif_text(answer, &cli->style, &text);
    fputs(buf_text(&text), cli->out);
}
