#include "cli/cli.h"

#include "base/text.h"
#include "cli/help.h"
#include "cli/late.h"
#include "cli/profile.h"
#include "model/problem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where branches of `croft up` write down what runs (cli/up). */
static const char grids_directory[] = "/run/croft";

const char *const cli_thing_names[] = {"hosts",    "farms", "instances",     "images",  "parties",
                                       "pools",    "slas",  "scaling-rules", "filters", "leases",
                                       "contacts", "keys",  "events",        NULL};

static int run(struct cli *cli, const struct arguments *arguments);
static int show_help(struct cli *cli, const struct arguments *arguments);
static int tell(FILE *stream, const struct error *err, bool as_json);
static bool asks_for_json(int argc, char **argv);
static enum output_format format_of(const char *text);

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct cli cli = {.out = out, .err = err, .style = style_of(out)};
    struct arguments arguments;
    struct error error;
    int code = 0;

    /* Wrong usage is known before there is an `-o`: what stands there is enough. */
    if (!command_parse(argc, argv, &arguments, &error)) return tell(err, &error, asks_for_json(argc, argv));
    cli.arguments = &arguments;
    cli.arena = arena_new();
    code = run(&cli, &arguments);
    if (!cli_flush(&cli) && code == 0) code = 1;
    client_free(cli.client);
    arena_free(cli.arena);
    arguments_free(&arguments);
    return code;
}

int cli_fail(struct cli *cli, const struct error *err)
{
    cli_progress(cli, "%s", "");
    fflush(cli->out);
    return tell(cli->err, err, cli->format == OUTPUT_JSON);
}

void cli_progress(struct cli *cli, const char *format, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list list;

    if (fileno(cli->err) < 0 || !isatty(fileno(cli->err))) return;
    va_start(list, format);
    buf_vprintf(&text, format, list);
    va_end(list);
    fprintf(cli->err, "\r\033[K%s", buf_text(&text));
    fflush(cli->err);
}

bool cli_flush(struct cli *cli)
{
    return fflush(cli->out) == 0 && !ferror(cli->out);
}

bool cli_client(struct cli *cli, struct error *err)
{
    const struct profile_sources sources = {.server = arguments_text(cli->arguments, "server"),
                                            .token = arguments_text(cli->arguments, "token"),
                                            .ca = arguments_text(cli->arguments, "ca"),
                                            .state = arguments_text(cli->arguments, "state"),
                                            .server_env = getenv("CROFT_SERVER"),
                                            .token_env = getenv("CROFT_TOKEN"),
                                            .config = profile_path(cli->arena),
                                            .grids = geteuid() == 0 ? grids_directory : NULL};
    struct profile profile;

    if (cli->client) return true;
    if (!late_load(err)) return false;
    if (!profile_find(cli->arena, &sources, &profile, err)) return false;
    const struct client_options options = {
        .server = profile.server, .token = profile.token, .authority = profile.authority};
    return client_new(&options, &cli->client, err);
}

bool cli_ask(struct cli *cli, const char *method, const char *path, const char *body, struct node *ret_answer,
             struct error *err)
{
    struct client_reply reply;

    if (!cli_ask_text(cli, method, path, body, &reply, err)) return false;
    if (!ret_answer || node_from_json(cli->arena, reply.body, reply.body_size, ret_answer, err)) return true;
    return error_wrap(err, "%s answered what is no JSON", client_server(cli->client));
}

bool cli_ask_text(struct cli *cli, const char *method, const char *path, const char *body,
                  struct client_reply *ret_reply, struct error *err)
{
    const struct client_request request = {
        .method = method, .path = path, .body = body, .body_size = body ? strlen(body) : 0};
    if (!cli_client(cli, err)) return false;
    if (client_ask(cli->client, cli->arena, &request, ret_reply, err)) return true;
    /* Places in a text that this program wrote tell nobody anything: who sends files puts them back itself.
     */
    err->file[0] = 0;
    err->line = err->column = 0;
    return false;
}

int cli_do(struct cli *cli, const char *method, const char *path, const char *body, const char *line)
{
    struct node answer;
    struct error err;

    if (!cli_ask(cli, method, path, body, &answer, &err)) return cli_fail(cli, &err);
    if (!cli_print_node(cli, &answer)) fprintf(cli->out, "%s\n", line);
    return 0;
}

bool cli_print_node(struct cli *cli, const struct node *node)
{
    CLEANUP_BUF struct buf text = {0};

    if (cli->format == OUTPUT_JSON)
        node_to_pretty_json(node, &text);
    else if (cli->format == OUTPUT_YAML)
        node_to_yaml(node, &text);
    else
        return false;
    fwrite(buf_text(&text), 1, text.size, cli->out);
    if (text.size > 0 && text.data[text.size - 1] != '\n') fputc('\n', cli->out);
    return true;
}

const char *cli_escape(struct cli *cli, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@";
    CLEANUP_BUF struct buf escaped = {0};

    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_add_char(&escaped, *text);
        else
            buf_printf(&escaped, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return arena_strdup(cli->arena, buf_text(&escaped));
}

bool cli_thing(const char *text, const struct thing **ret_thing, struct error *err)
{
    static const struct thing things[] = {{"host", "hosts"},         {"farm", "farms"},
                                          {"instance", "instances"}, {"image", "images"},
                                          {"party", "parties"},      {"pool", "pools"},
                                          {"sla", "slas"},           {"scaling-rules", "scaling-rules"},
                                          {"filter", "filters"},     {"lease", "leases"},
                                          {"contact", "contacts"},   {"key", "keys"},
                                          {"event", "events"}};
    const char *names[2 * LENGTH(things)];

    for (size_t i = 0; i < LENGTH(things); i++) {
        names[i] = things[i].plural;
        names[LENGTH(things) + i] = things[i].singular;
        /* As documents have it, too: `kind: Farm`. */
        if (strcasecmp(text, things[i].singular) != 0 && strcasecmp(text, things[i].plural) != 0) continue;
        *ret_thing = &things[i];
        return true;
    }
    const char *nearest = text_nearest(text, names, LENGTH(names));
    if (nearest)
        return error_set(err, ERROR_USAGE, "there is no kind \"%s\": did you mean \"%s\"?", text, nearest);
    return error_set(err, ERROR_USAGE,
                     "there is no kind \"%s\": it is hosts, farms, instances, images, parties, pools, slas, "
                     "scaling-rules, filters, leases, contacts, keys or events",
                     text);
}

static int run(struct cli *cli, const struct arguments *arguments)
{
    struct error err;

    if (arguments->help) return show_help(cli, arguments);
    if (arguments->version) {
        fprintf(cli->out, "croft %s\n", CROFT_VERSION);
        return 0;
    }
    if (arguments->command->client || command_option(arguments->command, "output"))
        cli->format = format_of(arguments_text(arguments, "output"));
    if (!arguments->command->light && !late_load(&err)) return cli_fail(cli, &err);
    return arguments->command->run(cli);
}

static int show_help(struct cli *cli, const struct arguments *arguments)
{
    CLEANUP_BUF struct buf text = {0};

    if (arguments->command)
        help_command(arguments->command, &text);
    else if (arguments->group)
        help_group(arguments->group, &text);
    else
        help_all(&text);
    fputs(buf_text(&text), cli->out);
    return 0;
}

static int tell(FILE *stream, const struct error *err, bool as_json)
{
    CLEANUP_BUF struct buf text = {0};

    if (as_json) {
        problem_write(err, err->http_status ? err->http_status : error_http_status(err->code), &text);
    } else {
        CLEANUP_BUF struct buf raw = {0};
        if (err->line > 0)
            buf_printf(&raw, "%s:%u:%u: ", err->file, err->line, err->column);
        else
            buf_printf(&raw, "croft: %s%s", err->file, err->file[0] ? ": " : "");
        if (err->field[0]) buf_printf(&raw, "%s: ", err->field);
        buf_add_text(&raw, err->message);
        text_add_shown(&text, buf_text(&raw));
    }
    fprintf(stream, "%s\n", buf_text(&text));
    return error_exit_code(err->code);
}

static bool asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "--")) return false;
        if (text_equal(argv[i], "-ojson") || text_equal(argv[i], "--output=json")) return true;
        if ((text_equal(argv[i], "-o") || text_equal(argv[i], "--output")) && i + 1 < argc &&
            text_equal(argv[i + 1], "json"))
            return true;
    }
    return false;
}

static enum output_format format_of(const char *text)
{
    static const char *const names[] = {
        [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_YAML] = "yaml", [OUTPUT_NAME] = "name"};
    for (size_t i = 0; text && i < LENGTH(names); i++)
        if (text_equal(names[i], text)) return (enum output_format)i;
    return OUTPUT_TABLE;
}

double cli_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
