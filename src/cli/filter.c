/* `croft filter check`: is one filter inside others, and what is left of it where it is not. */
#include "plan/filter/filter.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "spec/spec.h"

#include <stdio.h>

/* What all of the outers say of the inner one. */
struct verdict {
    struct filter_judgement judgement;
    const struct filter *outer; /* the one that does not let the packet pass; NULL: all do */
    size_t governing;           /* how many govern a port that inner governs, too */
};

static bool read_filters(struct cli *cli, const char *option, const struct filter *const **ret_filters,
                         size_t *ret_length, struct error *err);
static bool judge(struct cli *cli, const struct filter *const *outers, size_t length,
                  const struct filter *inner, struct verdict *ret_verdict, struct error *err);
static bool tell_idle(struct cli *cli, const struct filter *filter, struct error *err);
static int print_clamped(struct cli *cli, const struct filter *const *outers, size_t length,
                         const struct filter *inner);
static int print_answer(struct cli *cli, const struct verdict *verdict, const struct filter *inner);
static void add_json(const struct verdict *verdict, struct buf *json);
static void add_text(const struct verdict *verdict, const struct filter *inner, struct buf *text);
static void add_packet(const struct packet *packet, struct buf *text);
static void add_rule(const struct filter *filter, size_t number, struct buf *text);

int filter_check_run(struct cli *cli)
{
    const struct filter *const *outers = NULL, *const *inners = NULL;
    size_t outers_length = 0, inners_length = 0;
    struct verdict verdict;
    struct error err;

    if (!read_filters(cli, "outer", &outers, &outers_length, &err) ||
        !read_filters(cli, "inner", &inners, &inners_length, &err))
        return cli_fail(cli, &err);
    if (inners_length != 1) {
        error_set(&err, ERROR_INVALID, "%s: expected one Filter, found %zu: leave one of them in the file",
                  arguments_text(cli->arguments, "inner"), inners_length);
        return cli_fail(cli, &err);
    }
    if (!tell_idle(cli, inners[0], &err)) return cli_fail(cli, &err);
    if (arguments_has(cli->arguments, "clamp")) return print_clamped(cli, outers, outers_length, inners[0]);
    if (!judge(cli, outers, outers_length, inners[0], &verdict, &err)) return cli_fail(cli, &err);
    return print_answer(cli, &verdict, inners[0]);
}

static bool read_filters(struct cli *cli, const char *option, const struct filter *const **ret_filters,
                         size_t *ret_length, struct error *err)
{
    const char *path = arguments_text(cli->arguments, option);
    CLEANUP_BUF struct buf text = {0};
    struct documents documents;

    if (path == NULL)
        return error_set(err, ERROR_USAGE, "filter check: --%s FILE is missing: documents of kind Filter",
                         option);
    if (!user_file_read(path, &text, err)) return false;
    const char *kept = arena_strndup(cli->arena, buf_text(&text), text.size);
    if (!spec_read(cli->arena, path, kept, text.size, &documents, err)) return false;
    const struct filter **filters = arena_alloc_array(cli->arena, documents.length + 1, sizeof(*filters));
    for (size_t i = 0; i < documents.length; i++) {
        const struct document *document = &documents.items[i];
        if (document->kind->kind != KIND_FILTER) {
            error_set(err, ERROR_INVALID, "expected documents of kind Filter, found %s \"%s\"",
                      document->kind->name, document->name);
            snprintf(err->file, sizeof(err->file), "%s", path);
            err->line = document->line;
            err->column = document->column;
            return false;
        }
        filters[i] = document->filter;
    }
    *ret_filters = filters;
    *ret_length = documents.length;
    return true;
}

/* The first of the outers that inner breaks, outermost first. */
static bool judge(struct cli *cli, const struct filter *const *outers, size_t length,
                  const struct filter *inner, struct verdict *ret_verdict, struct error *err)
{
    struct verdict verdict = {.judgement = {.inside = true}};

    for (size_t i = 0; i < length && verdict.judgement.inside; i++) {
        if (!filter_is_inside(cli->arena, outers[i], inner, &(uint64_t){0}, &verdict.judgement, err))
            return false;
        verdict.governing += verdict.judgement.governs;
        if (!verdict.judgement.inside) verdict.outer = outers[i];
    }
    *ret_verdict = verdict;
    return true;
}

/* One line on the error stream: it is no part of the verdict. */
static bool tell_idle(struct cli *cli, const struct filter *filter, struct error *err)
{
    const size_t *idle = NULL;
    size_t length = 0;

    if (!filter_idle_rules(cli->arena, filter, &idle, &length, err)) return false;
    if (length == 0) return true;
    fprintf(cli->err, "croft: %s: %s ", filter->full_name, length == 1 ? "rule" : "rules");
    for (size_t i = 0; i < length; i++)
        fprintf(cli->err, "%s%zu", i == 0 ? "" : i + 1 == length ? " and " : ", ", idle[i]);
    fprintf(cli->err, " never %s: those before take all that would\n", length == 1 ? "matches" : "match");
    return true;
}

static int print_clamped(struct cli *cli, const struct filter *const *outers, size_t length,
                         const struct filter *inner)
{
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_BUF struct buf yaml = {0};
    struct filter clamped;
    struct node node;
    struct error err;

    if (!filter_clamp(cli->arena, outers, length, inner, &clamped, &err)) return cli_fail(cli, &err);
    schema_write(&schema_filter, "Filter", &clamped, &json);
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (cli_print_node(cli, &node)) return 0;
    node_to_yaml(&node, &yaml);
    fputs(buf_text(&yaml), cli->out);
    return 0;
}

static int print_answer(struct cli *cli, const struct verdict *verdict, const struct filter *inner)
{
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_BUF struct buf text = {0};
    struct node node;
    struct error err;

    add_json(verdict, &json);
    if (!node_from_json(cli->arena, buf_text(&json), json.size, &node, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &node)) {
        add_text(verdict, inner, &text);
        fputs(buf_text(&text), cli->out);
    }
    return verdict->judgement.inside ? 0 : error_exit_code(ERROR_REFUSED);
}

static void add_json(const struct verdict *verdict, struct buf *json)
{
    const struct filter_judgement *judgement = &verdict->judgement;

    if (judgement->inside) {
        buf_add_text(json, "{\"accepted\": true}");
        return;
    }
    buf_add_text(json, "{\"accepted\": false, \"packet\": ");
    packet_write(&judgement->packet, json);
    buf_printf(json, ", \"inner_rule\": %zu, \"outer_rule\": %zu, \"outer\": ", judgement->inner_rule,
               judgement->outer_rule);
    buf_add_json_string(json, verdict->outer->full_name);
    buf_add_char(json, '}');
}

static void add_text(const struct verdict *verdict, const struct filter *inner, struct buf *text)
{
    const struct filter_judgement *judgement = &verdict->judgement;

    if (verdict->governing == 0) {
        buf_printf(text, "accepted: no outer filter governs a port of %s, where %s does\n", inner->on,
                   inner->full_name);
        return;
    }
    if (judgement->inside) {
        buf_printf(text,
                   "accepted: all that %s lets pass, the outer filters that govern there let pass, too\n",
                   inner->full_name);
        return;
    }
    buf_printf(text, "refused: %s lets a packet pass that %s does not: ", inner->full_name,
               verdict->outer->full_name);
    add_packet(&judgement->packet, text);
    buf_printf(text, "\n  %s: ", inner->full_name);
    add_rule(inner, judgement->inner_rule, text);
    buf_printf(text, "\n  %s: ", verdict->outer->full_name);
    add_rule(verdict->outer, judgement->outer_rule, text);
    buf_add_char(text, '\n');
}

/* With the names of its ends, where rules know them by name. */
static void add_packet(const struct packet *packet, struct buf *text)
{
    const struct packet_end *const ends[] = {&packet->from, &packet->to};

    packet_format(packet, text);
    for (size_t i = 0; i < LENGTH(ends); i++) {
        const char *name = ends[i]->instance[0] != '\0' ? ends[i]->instance
                           : ends[i]->tier[0] != '\0'   ? ends[i]->tier
                           : ends[i]->farm[0] != '\0'   ? ends[i]->farm
                           : ends[i]->internet          ? "the internet"
                                                        : "";
        if (name[0] != '\0') buf_printf(text, ", %s %s", i == 0 ? "from" : "to", name);
    }
}

static void add_rule(const struct filter *filter, size_t number, struct buf *text)
{
    if (number == 0) {
        buf_printf(text, "its default is %s, and no rule matches",
                   filter_action_names[filter->default_action]);
        return;
    }
    buf_printf(text, "rule %zu, ", number);
    schema_write(&schema_filter_rule, NULL, &filter->rules[number - 1], text);
}
