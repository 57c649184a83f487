/* `croft sla surface`: what rules make of response time and probability. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "plan/share/fuzzy.h"
#include "plan/share/surface.h"
#include "spec/spec.h"

#include <stdio.h>

const char *const surface_formats[] = {"csv", "svg", NULL};

struct question {
    struct sla sla;
    const struct scaling_rules *rules;
};

static bool read_file(struct cli *cli, const char *path, const char *name, struct question *ret_question,
                      struct error *err);
static bool ask_server(struct cli *cli, const char *name, struct question *ret_question, struct error *err);
static bool ask_one(struct cli *cli, const char *kind, const char *name, const struct schema *schema,
                    void *ret_object, struct error *err);

int sla_surface_run(struct cli *cli)
{
    const char *name = arguments_text(cli->arguments, "sla"), *path = arguments_text(cli->arguments, "file"),
               *format = arguments_text(cli->arguments, "output");
    struct question question = {0};
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    if (name == NULL) {
        error_set(&err, ERROR_USAGE, "sla surface: of which service level? --sla NAME");
        return cli_fail(cli, &err);
    }
    bool good = path ? read_file(cli, path, name, &question, &err) : ask_server(cli, name, &question, &err);
    if (!good) return cli_fail(cli, &err);
    if (text_equal(format, "svg"))
        surface_svg(question.rules, question.sla.priority,
                    arena_printf(cli->arena, "Need of %s (priority %s) by the rules %s", name,
                                 sla_priority_names[question.sla.priority], question.rules->name),
                    &text);
    else
        surface_csv(question.rules, question.sla.priority, &text);
    fputs(buf_text(&text), cli->out);
    return 0;
}

static bool read_file(struct cli *cli, const char *path, const char *name, struct question *ret_question,
                      struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct documents documents;
    const struct document *sla = NULL;

    if (!user_file_read(path, &text, err)) return false;
    const char *kept = arena_strndup(cli->arena, buf_text(&text), text.size);
    if (!spec_read(cli->arena, path, kept, text.size, &documents, err)) return false;
    for (size_t i = 0; i < documents.length; i++)
        if (documents.items[i].kind->kind == KIND_SLA && text_equal(documents.items[i].name, name))
            sla = &documents.items[i];
    if (sla == NULL) return error_set(err, ERROR_NOT_FOUND, "no service level \"%s\" in %s", name, path);
    ret_question->sla = *sla->sla;
    ret_question->rules = sla->sla->rules[0] == '\0' ? scaling_rules_builtin(cli->arena) : NULL;
    for (size_t i = 0; i < documents.length; i++)
        if (documents.items[i].kind->kind == KIND_SCALING_RULES &&
            text_equal(documents.items[i].name, sla->sla->rules))
            ret_question->rules = documents.items[i].scaling_rules;
    return ret_question->rules != NULL ||
           error_set(err, ERROR_NOT_FOUND, "no ScalingRules \"%s\" in %s, which %s names", sla->sla->rules,
                     path, name);
}

static bool ask_server(struct cli *cli, const char *name, struct question *ret_question, struct error *err)
{
    struct scaling_rules *rules = arena_alloc(cli->arena, sizeof(*rules));
    struct sla sla;

    if (!cli_client(cli, err) || !ask_one(cli, "slas", name, &schema_sla, &sla, err)) return false;
    if (sla.rules[0] != '\0' && !ask_one(cli, "scaling-rules", sla.rules, &schema_scaling_rules, rules, err))
        return false;
    ret_question->sla = sla;
    ret_question->rules = sla.rules[0] != '\0' ? rules : scaling_rules_builtin(cli->arena);
    return true;
}

static bool ask_one(struct cli *cli, const char *kind, const char *name, const struct schema *schema,
                    void *ret_object, struct error *err)
{
    struct client_reply reply;
    const char *path = arena_printf(cli->arena, "/v1/%s/%s", kind, cli_escape(cli, name));

    if (!cli_ask_text(cli, "GET", path, NULL, &reply, err)) return false;
    return model_read_json(schema, cli->arena, reply.body, reply.body_size, ret_object, err);
}
