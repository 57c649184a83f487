/* The rows. A new command is a row here and a function in a file of its subject. */
#include "cli/cli.h"

#define OPTIONS(array) .options = (array), .options_length = LENGTH(array)
#define POSITIONALS(array) .positionals = (array), .positionals_length = LENGTH(array)
#define EXAMPLES(...)                 \
    .examples = (const char *const[]) \
    {                                 \
        __VA_ARGS__, NULL             \
    }

static const char *const formats[] = {"table", "json", "yaml", "name", NULL};
static const char *const orders[] = {"on", "off", "cycle", NULL};

static const struct option shared[] = {
    {.name = "server",
     .argument = "URL",
     .fallback = "CROFT_SERVER, the profile, or the grid that runs here",
     .help = "where the controller's API is"},
    {.name = "token",
     .argument = "TOKEN",
     .fallback = "CROFT_TOKEN, the profile, or for root the running grid's",
     .help = "who asks"},
    {.name = "ca",
     .argument = "FILE",
     .help = "the authority (PEM) that signed an https server's certificate"},
    {.name = "state", .argument = "DIR", .help = "the grid of this machine with this state directory"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
};

static const struct option file_options[] = {
    {.name = "file",
     .letter = 'f',
     .argument = "FILE",
     .many = true,
     .help = "documents to read, YAML or JSON; - is standard input"},
};
static const struct option apply_options[] = {
    {.name = "file",
     .letter = 'f',
     .argument = "FILE",
     .many = true,
     .help = "documents to read, YAML or JSON; - is standard input"},
    {.name = "dry-run", .help = "check everything and change nothing"},
    {.name = "wait",
     .argument = "TIME",
     .optional = true,
     .fallback = "60s when no time is given",
     .help = "until the farms are as asked; exit 6 when they are not in time"},
};
static const struct option get_options[] = {
    {.name = "watch", .letter = 'w', .help = "go on with every change"},
};
static const struct option delete_options[] = {
    {.name = "wait",
     .argument = "TIME",
     .optional = true,
     .fallback = "60s when no time is given",
     .help = "until it and what it held are gone; exit 6 when they are not in time"},
};
static const struct option events_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with what happens from now on"},
    {.name = "since", .argument = "TIME", .help = "only what happened in this time: 10m, 1h, 7d"},
};

static const struct positional files[] = {{.name = "FILE", .optional = true, .many = true}};
static const struct positional kind[] = {{.name = "KIND", .choices = cli_thing_names},
                                         {.name = "NAME", .optional = true}};
static const struct positional kind_name[] = {{.name = "KIND", .choices = cli_thing_names}, {.name = "NAME"}};
static const struct positional scale_what[] = {{.name = "PARTY/FARM"}, {.name = "TIER"}, {.name = "N"}};
static const struct positional move_what[] = {{.name = "INSTANCE"}, {.name = "HOST"}};
static const struct positional host[] = {{.name = "HOST"}};
static const struct positional power_what[] = {{.name = "HOST"},
                                               {.name = "ORDER", .choices = orders, .strict = true}};
static const struct positional optional_name[] = {{.name = "NAME", .optional = true}};
static const struct positional name[] = {{.name = "NAME"}};

static const struct command table[] = {
    {.name = "apply",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = apply_run,
     OPTIONS(apply_options),
     POSITIONALS(files),
     .summary = "make it so: create or change what the documents say",
     EXAMPLES("croft apply -f shop.yaml --wait", "croft apply -f party.yaml -f shop.yaml --dry-run")},
    {.name = "diff",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = diff_run,
     OPTIONS(file_options),
     POSITIONALS(files),
     .summary = "show what apply would change: documents, then actions with their reasons",
     EXAMPLES("croft diff -f shop.yaml")},
    {.name = "get",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = get_run,
     OPTIONS(get_options),
     POSITIONALS(kind),
     .summary = "list things, or show one",
     EXAMPLES("croft get hosts", "croft get farm acme/shop -o json", "croft get instances --watch")},
    {.name = "describe",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = describe_run,
     POSITIONALS(kind_name),
     .summary = "show everything about one thing, with its recent events and reasons",
     EXAMPLES("croft describe farm acme/shop")},
    {.name = "delete",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = delete_run,
     OPTIONS(delete_options),
     POSITIONALS(kind_name),
     .summary = "end a thing; what it held is wiped",
     EXAMPLES("croft delete farm acme/shop --wait")},
    {.name = "scale",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = scale_run,
     POSITIONALS(scale_what),
     .summary = "set the committed count of a tier",
     EXAMPLES("croft scale acme/shop web 5")},
    {.name = "export",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = export_run,
     .summary = "print all intent and facts, a JSON document a line",
     EXAMPLES("croft export > grid.ndjson")},

    {.name = "move",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = move_run,
     POSITIONALS(move_what),
     .summary = "move an instance to a host, if the rules allow it",
     EXAMPLES("croft move acme/shop/web-1 h3")},
    {.name = "events",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = events_run,
     OPTIONS(events_options),
     POSITIONALS(optional_name),
     .summary = "show what happened, to all or to one thing, and why",
     EXAMPLES("croft events --since 1h", "croft events -f acme/shop")},
    {.name = "explain",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = explain_run,
     POSITIONALS(name),
     .summary = "tell the story of a thing: how it is, and why it was decided so",
     EXAMPLES("croft explain acme/shop/web-1")},

    {.name = "drain",
     .group = GROUP_HOSTS,
     .client = true,
     .run = drain_run,
     POSITIONALS(host),
     .summary = "move everything off a host and place nothing on it",
     EXAMPLES("croft drain h3")},
    {.name = "activate",
     .group = GROUP_HOSTS,
     .client = true,
     .run = activate_run,
     POSITIONALS(host),
     .summary = "take a host into use again",
     EXAMPLES("croft activate h3")},
    {.name = "power",
     .group = GROUP_HOSTS,
     .client = true,
     .run = power_run,
     POSITIONALS(power_what),
     .summary = "switch a host on or off, or off and on",
     EXAMPLES("croft power h3 cycle")},

    {.name = "version",
     .group = GROUP_MACHINE,
     .client = true,
     .run = version_run,
     .summary = "print the versions of this program and of the server",
     EXAMPLES("croft version")},
};

const struct command *command_table(size_t *ret_length)
{
    *ret_length = LENGTH(table);
    return table;
}

const struct option *command_shared_options(size_t *ret_length)
{
    *ret_length = LENGTH(shared);
    return shared;
}

const char *command_group_title(enum command_group group)
{
    static const char *const titles[] = {
        [GROUP_GRID] = "The grid", [GROUP_DOCUMENTS] = "Documents",        [GROUP_INSTANCES] = "Instances",
        [GROUP_HOSTS] = "Hosts",   [GROUP_LIBRARY] = "Library and tokens", [GROUP_MACHINE] = "This machine",
    };
    ASSERT(group < GROUP_COUNT);
    return titles[group];
}
