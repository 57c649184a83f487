#include "cli/help.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define LEFT_WIDTH ((size_t)26) /* of an option and its argument */
#define WORDS_WIDTH ((size_t)100)

static void add_positional(const struct positional *positional, struct buf *ret_text);
static void add_signatures(const struct command *command, struct buf *ret_text);
static void add_options(const struct option *options, size_t length, const char *title, struct buf *ret_text);
static void add_option(const struct option *option, struct buf *ret_text);
static void add_signature(const struct option *option, struct buf *ret_text);

void help_all(struct buf *ret_text)
{
    size_t length = 0, shared_length = 0;
    const struct command *table = command_table(&length);
    const struct option *shared = command_shared_options(&shared_length);

    buf_add_text(ret_text, "croft runs farms of instances on a grid of hosts.\n\n"
                           "usage: croft COMMAND [ARGUMENT…] [OPTION…]\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        bool titled = false;
        for (size_t i = 0; i < length; i++) {
            if (table[i].hidden || table[i].group != (enum command_group)group) continue;
            if (!titled) buf_printf(ret_text, "\n%s\n", command_group_title((enum command_group)group));
            titled = true;
            buf_printf(ret_text, "  %-14s %s\n", table[i].name, table[i].summary);
        }
    }
    add_options(shared, shared_length, "\nOptions of every command that asks a controller\n", ret_text);
    buf_add_text(ret_text,
                 "\n`croft COMMAND --help` tells more. Exit codes: 0 done, 1 refused or failed, 2 wrong "
                 "usage,\n3 not found, 4 conflict, 5 server not reached, 6 timed out.\n");
}

void help_command(const struct command *command, struct buf *ret_text)
{
    size_t length = 0;
    const struct option *shared = command_shared_options(&length);

    help_usage(command, ret_text);
    buf_printf(ret_text, "\n\n%s\n", command->summary);
    if (command->notes) buf_printf(ret_text, "\n%s\n", command->notes);
    if (command->options_length > 0)
        add_options(command->options, command->options_length, "\nOptions\n", ret_text);
    if (command->client) buf_add_text(ret_text, "\nShared options\n");
    for (size_t i = 0; command->client && i < length; i++)
        if (!command_has_own(command, shared[i].name)) add_option(&shared[i], ret_text);
    if (command->word) {
        buf_add_char(ret_text, '\n');
        help_words(command, ret_text);
    }
    if (command->examples) buf_add_text(ret_text, "\nExamples\n");
    for (size_t i = 0; command->examples && command->examples[i]; i++)
        buf_printf(ret_text, "  %s\n", command->examples[i]);
}

void help_words(const struct command *command, struct buf *ret_text)
{
    const char *word = NULL;
    size_t column = text_columns(command->words_title) + 1;
    buf_printf(ret_text, "%s:", command->words_title);
    for (size_t n = 0; (word = command->word(n)); n++) {
        bool wraps = column + strlen(word) + 2 > WORDS_WIDTH;
        buf_printf(ret_text, "%s%s%s", n ? "," : "", wraps ? "\n" : " ", word);
        column = (wraps ? 0 : column + 2) + strlen(word);
    }
    buf_add_char(ret_text, '\n');
}

void help_usage(const struct command *command, struct buf *ret_text)
{
    size_t length = command->positionals_length;
    const struct positional *last = length > 0 ? &command->positionals[length - 1] : NULL;
    bool dashes = last && last->many && !last->optional;

    buf_printf(ret_text, "usage: croft %s", command->name);
    if (dashes) add_signatures(command, ret_text); /* behind `--` they would be the command's */
    for (size_t i = 0; i < length; i++)
        add_positional(&command->positionals[i], ret_text);
    if (!dashes) add_signatures(command, ret_text);
}

void help_group(const char *word, struct buf *ret_text)
{
    size_t length = 0;
    const struct command *table = command_table(&length);

    for (size_t i = 0; i < length; i++) {
        if (!text_starts(table[i].name, word) || table[i].name[strlen(word)] != ' ') continue;
        help_usage(&table[i], ret_text);
        buf_printf(ret_text, "\n    %s\n", table[i].summary);
    }
    buf_printf(ret_text, "\n`croft %s COMMAND --help` tells more.\n", word);
}

/* What has few values is shown by them. */
static void add_positional(const struct positional *positional, struct buf *ret_text)
{
    const char *dashes = positional->many && !positional->optional ? "-- " : "";

    buf_printf(ret_text, positional->optional ? " [%s" : " %s", dashes);
    if (!positional->strict) buf_add_text(ret_text, positional->name);
    for (size_t i = 0; positional->strict && positional->choices[i]; i++)
        buf_printf(ret_text, "%s%s", i ? "|" : "", positional->choices[i]);
    buf_printf(ret_text, "%s%s", positional->many ? "…" : "", positional->optional ? "]" : "");
}

static void add_signatures(const struct command *command, struct buf *ret_text)
{
    for (size_t i = 0; i < command->options_length; i++) {
        buf_add_text(ret_text, " [");
        add_signature(&command->options[i], ret_text);
        buf_add_char(ret_text, ']');
    }
}

static void add_options(const struct option *options, size_t length, const char *title, struct buf *ret_text)
{
    buf_add_text(ret_text, title);
    for (size_t i = 0; i < length; i++)
        add_option(&options[i], ret_text);
}

static void add_option(const struct option *option, struct buf *ret_text)
{
    CLEANUP_BUF struct buf left = {0};

    if (option->letter)
        buf_printf(&left, "-%c, ", option->letter);
    else
        buf_add_text(&left, "    ");
    buf_printf(&left, "--%s", option->name);
    if (option->argument) buf_printf(&left, option->optional ? "[=%s]" : " %s", option->argument);
    size_t width = text_columns(buf_text(&left));
    buf_printf(ret_text, "  %s", buf_text(&left));
    if (width > LEFT_WIDTH) buf_add_text(ret_text, "\n  ");
    buf_printf(ret_text, "%*s %s", (int)(width > LEFT_WIDTH ? LEFT_WIDTH : LEFT_WIDTH - width), "",
               option->help);
    if (option->fallback) buf_printf(ret_text, " (default: %s)", option->fallback);
    buf_add_char(ret_text, '\n');
}

static void add_signature(const struct option *option, struct buf *ret_text)
{
    if (option->letter)
        buf_printf(ret_text, "-%c", option->letter);
    else
        buf_printf(ret_text, "--%s", option->name);
    if (option->argument) buf_printf(ret_text, option->optional ? "[=%s]" : " %s", option->argument);
    if (option->many) buf_add_text(ret_text, "…");
}
