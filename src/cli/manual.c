/* The man page and the completion of shells, from the table. */
#include "base/mem.h"
#include "base/text.h"
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

static void add_troff(struct buf *ret_troff, const char *text);
static void man_command(const struct command *command, struct buf *ret_troff);
static void man_option(const struct option *option, struct buf *ret_troff);
static void man_options(const struct option *options, size_t length, struct buf *ret_troff);
static void words_of_options(const struct command *command, bool with_value, struct buf *ret_words);
static void words_of_commands(const char *first, struct buf *ret_words);
static const char *choices_of(const struct command *command, struct buf *ret_words);
static int first_of_two(const struct command *command, const struct command *before);
static void zsh_first_word(const struct command *command, const struct command *before,
                           struct buf *ret_script);
static void zsh_second_words(struct buf *ret_script);
static void zsh_option(const struct option *option, struct buf *ret_script);
static void zsh_text(struct buf *ret_script, const char *text, const char *special);

void help_man(const char *version, struct buf *ret_troff)
{
    size_t length = 0, shared_length = 0;
    const struct command *table = command_table(&length);
    const struct option *shared = command_shared_options(&shared_length);

    buf_printf(ret_troff,
               ".TH CROFT 1 \"\" \"croft %s\" \"User Commands\"\n.SH NAME\ncroft \\- run farms of instances "
               "on a grid "
               "of hosts\n.SH SYNOPSIS\n.B croft\n.I COMMAND\n[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n"
               ".SH DESCRIPTION\nOptions may stand anywhere; behind \\-\\- nothing is an option.\n",
               version);
    for (int group = 0; group < GROUP_COUNT; group++) {
        CLEANUP_BUF struct buf title = {0};
        add_troff(&title, command_group_title((enum command_group)group));
        buf_printf(ret_troff, ".SH \"COMMANDS: %s\"\n", buf_text(&title));
        for (size_t i = 0; i < length; i++)
            if (table[i].group == (enum command_group)group) man_command(&table[i], ret_troff);
    }
    buf_add_text(ret_troff, ".SH \"OPTIONS OF EVERY COMMAND THAT ASKS A CONTROLLER\"\n");
    man_options(shared, shared_length, ret_troff);
    buf_add_text(
        ret_troff,
        ".SH ENVIRONMENT\n.TP\n.B CROFT_SERVER\nas \\-\\-server\n.TP\n.B CROFT_TOKEN\nas \\-\\-token\n.TP\n"
        ".B NO_COLOR\nno colours, when it is not empty\n"
        ".SH FILES\n.TP\n.I $XDG_CONFIG_HOME/croft/config.yaml\nthe profile: server, token, ca\n"
        ".SH \"EXIT STATUS\"\n0 done; 1 refused or failed; 2 wrong usage; 3 not found; 4 conflict with a "
        "newer "
        "change; 5 the server cannot be reached; 6 timed out waiting.\n");
}

void help_completion_bash(struct buf *ret_script)
{
    CLEANUP_BUF struct buf words = {0};
    size_t length = 0;
    const struct command *table = command_table(&length);

    words_of_commands(NULL, &words);
    buf_add_text(
        ret_script,
        "# bash completion of croft, made from its table of commands\n"
        "_croft() {\n    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} words= "
        "values= i command=\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }\n    done\n"
        "    case $command in ");
    for (size_t i = 0, n = 0; i < length; i++) {
        int size = first_of_two(&table[i], i > 0 ? &table[i - 1] : NULL);
        if (size > 0) buf_printf(ret_script, "%s%.*s", n++ ? "|" : "", size, table[i].name);
    }
    buf_printf(ret_script,
               ") ((i + 1 < COMP_CWORD)) && command+=\" ${COMP_WORDS[i+1]}\";; esac\n"
               "    case $command in\n    '') words=\"%s\";;\n",
               buf_text(&words));
    for (size_t i = 0; i < length; i++) {
        int size = first_of_two(&table[i], i > 0 ? &table[i - 1] : NULL);
        if (size == 0) continue;
        CLEANUP_MEM char *first = mem_strndup(table[i].name, (size_t)size);
        buf_clear(&words);
        words_of_commands(first, &words);
        buf_printf(ret_script, "    %s) words=\"%s\";;\n", first, buf_text(&words));
    }
    for (size_t i = 0; i < length; i++) {
        CLEANUP_BUF struct buf options = {0}, valued = {0}, choices = {0};
        words_of_options(&table[i], false, &options);
        words_of_options(&table[i], true, &valued);
        buf_printf(ret_script, "    '%s') words=\"%s%s\"; values=\" %s \";;\n", table[i].name,
                   buf_text(&options), choices_of(&table[i], &choices), buf_text(&valued));
    }
    buf_add_text(
        ret_script,
        "    esac\n    case $last in -o|--output) words=\"table json yaml name\"; values=;; esac\n"
        "    if [[ $values == *\" $last \"* ]]; then COMPREPLY=($(compgen -f -- \"$word\")); return; fi\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
        "    ((${#COMPREPLY[@]})) || COMPREPLY=($(compgen -f -- \"$word\"))\n}\n"
        "complete -F _croft croft\n");
}

void help_completion_zsh(struct buf *ret_script)
{
    size_t length = 0;
    const struct command *table = command_table(&length);

    /* `words`, `commands` and other names are zsh's own. */
    buf_add_text(ret_script, "#compdef croft\n# zsh completion of croft, made from its table of commands\n"
                             "_croft() {\nlocal -a rows\nlocal row=$words[2]\nif (( CURRENT == 2 )); then\n"
                             "  rows=(\n");
    for (size_t i = 0; i < length; i++)
        zsh_first_word(&table[i], i > 0 ? &table[i - 1] : NULL, ret_script);
    buf_add_text(ret_script, "  )\n  _describe command rows\n  return\nfi\n");
    zsh_second_words(ret_script);
    /* What stands before belongs to the command, not to its arguments. */
    buf_add_text(ret_script, "shift words\n(( CURRENT-- ))\ncase $row in\n");
    for (size_t i = 0; i < length; i++) {
        const struct option *option = NULL;
        size_t cursor = 0;
        CLEANUP_BUF struct buf choices = {0};
        buf_printf(ret_script, "  '%s') _arguments -s", table[i].name);
        while (command_next_option(&table[i], &cursor, &option))
            zsh_option(option, ret_script);
        choices_of(&table[i], &choices);
        if (choices.size > 0)
            buf_printf(ret_script, " \\\n    '*:what:(%s)';;\n", buf_text(&choices) + 1);
        else
            buf_add_text(ret_script, " \\\n    '*:what:_files';;\n");
    }
    /* Found by its name in a directory of functions, it is called; sourced, it says what it is for. */
    buf_add_text(ret_script, "esac\n}\nif [[ $funcstack[1] == _croft ]]; then\n  _croft \"$@\"\nelse\n"
                             "  compdef _croft croft\nfi\n");
}

/* Length of the first word of a command of two words, for the first row that has it; else 0. */
static int first_of_two(const struct command *command, const struct command *before)
{
    size_t size = strcspn(command->name, " ");
    bool known = before && strncmp(before->name, command->name, size + 1) == 0;
    return command->name[size] == '\0' || known ? 0 : (int)size;
}

/* Those of two words once, by the first. */
static void zsh_first_word(const struct command *command, const struct command *before,
                           struct buf *ret_script)
{
    size_t size = strcspn(command->name, " ");
    bool two = command->name[size] != 0;

    if (command->hidden || (two && first_of_two(command, before) == 0)) return;
    buf_printf(ret_script, "    '%.*s:", (int)size, command->name);
    if (two)
        buf_printf(ret_script, "see croft %.*s --help", (int)size, command->name);
    else
        zsh_text(ret_script, command->summary, "");
    buf_add_text(ret_script, "'\n");
}

static void zsh_second_words(struct buf *ret_script)
{
    size_t length = 0;
    const struct command *table = command_table(&length);

    buf_add_text(ret_script, "case $row in\n");
    for (size_t i = 0; i < length; i++) {
        int size = first_of_two(&table[i], i > 0 ? &table[i - 1] : NULL);
        if (size == 0) continue;
        CLEANUP_MEM char *first = mem_strndup(table[i].name, (size_t)size);
        CLEANUP_BUF struct buf seconds = {0};
        words_of_commands(first, &seconds);
        buf_printf(
            ret_script,
            "  %s) if (( CURRENT == 3 )); then compadd %s; return; fi; row+=\" $words[3]\"; shift words; "
            "(( CURRENT-- ));;\n",
            first, buf_text(&seconds));
    }
    buf_add_text(ret_script, "esac\n");
}

static void zsh_option(const struct option *option, struct buf *ret_script)
{
    const char *sign = !option->argument ? "" : option->optional ? "=-" : "=";

    buf_add_text(ret_script, " \\\n    ");
    if (option->letter)
        buf_printf(ret_script, "%s{-%c%s,--%s%s}'[", option->many ? "'*'" : "", option->letter,
                   option->argument ? "+" : "", option->name, sign);
    else
        buf_printf(ret_script, "'%s--%s%s[", option->many ? "*" : "", option->name, sign);
    zsh_text(ret_script, option->help, "[]:");
    buf_add_char(ret_script, ']');
    if (option->choices) {
        buf_add_text(ret_script, ":value:(");
        for (size_t i = 0; option->choices[i]; i++)
            buf_printf(ret_script, "%s%s", i ? " " : "", option->choices[i]);
        buf_add_char(ret_script, ')');
    } else if (option->argument) {
        buf_add_text(ret_script, ":value:_files");
    }
    buf_add_char(ret_script, '\'');
}

static void add_troff(struct buf *ret_troff, const char *text)
{
    bool starts = true;
    for (; *text; text++) {
        /* A dot or a quote that begins a line would be a request; a hyphen is a minus where it is typed. */
        if (starts && (*text == '.' || *text == '\'')) buf_add_text(ret_troff, "\\&");
        if (*text == '-')
            buf_add_text(ret_troff, "\\-");
        else if (*text == '\\')
            buf_add_text(ret_troff, "\\e");
        else
            buf_add_char(ret_troff, *text);
        starts = *text == '\n';
    }
}

static void man_command(const struct command *command, struct buf *ret_troff)
{
    CLEANUP_BUF struct buf usage = {0};

    help_usage(command, &usage);
    buf_add_text(ret_troff, ".SS \"");
    add_troff(ret_troff, buf_text(&usage) + strlen("usage: "));
    buf_add_text(ret_troff, "\"\n");
    add_troff(ret_troff, command->summary);
    buf_add_text(ret_troff, command->hidden ? " (not for people)\n" : "\n");
    if (command->notes) {
        buf_add_text(ret_troff, ".PP\n");
        add_troff(ret_troff, command->notes);
        buf_add_char(ret_troff, '\n');
    }
    man_options(command->options, command->options_length, ret_troff);
    if (command->word) {
        CLEANUP_BUF struct buf words = {0};
        help_words(command, &words);
        buf_add_text(ret_troff, ".PP\n");
        add_troff(ret_troff, buf_text(&words));
    }
    for (size_t i = 0; command->examples && command->examples[i]; i++) {
        buf_add_text(ret_troff, i == 0 ? ".PP\n.nf\n" : "");
        add_troff(ret_troff, command->examples[i]);
        buf_add_text(ret_troff, command->examples[i + 1] ? "\n" : "\n.fi\n");
    }
}

static void man_options(const struct option *options, size_t length, struct buf *ret_troff)
{
    for (size_t i = 0; i < length; i++)
        man_option(&options[i], ret_troff);
}

static void man_option(const struct option *option, struct buf *ret_troff)
{
    CLEANUP_BUF struct buf text = {0};

    if (option->letter) buf_printf(&text, "-%c, ", option->letter);
    buf_printf(&text, "--%s", option->name);
    if (option->argument) buf_printf(&text, option->optional ? "[=%s]" : " %s", option->argument);
    buf_add_text(ret_troff, ".TP\n\\fB");
    add_troff(ret_troff, buf_text(&text));
    buf_add_text(ret_troff, "\\fR\n");
    add_troff(ret_troff, option->help);
    if (option->fallback) {
        buf_add_text(ret_troff, " (default: ");
        add_troff(ret_troff, option->fallback);
        buf_add_char(ret_troff, ')');
    }
    buf_add_char(ret_troff, '\n');
}

/* " --a -a --b": all, or those that want a value in the next word. */
static void words_of_options(const struct command *command, bool with_value, struct buf *ret_words)
{
    const struct option *option = NULL;
    size_t cursor = 0;

    while (command_next_option(command, &cursor, &option)) {
        if (with_value && (!option->argument || option->optional)) continue;
        buf_printf(ret_words, "%s--%s", ret_words->size ? " " : "", option->name);
        if (option->letter) buf_printf(ret_words, " -%c", option->letter);
    }
}

/* First words of commands, or the second ones behind a first. */
static void words_of_commands(const char *first, struct buf *ret_words)
{
    size_t length = 0;
    const struct command *table = command_table(&length);
    const char *last = "";
    size_t last_size = 0;

    for (size_t i = 0; i < length; i++) {
        const char *word = table[i].name;
        size_t size = strcspn(word, " ");
        if (table[i].hidden) continue;
        if (first) {
            if (strncmp(word, first, strlen(first)) != 0 || word[strlen(first)] != ' ') continue;
            word += strlen(first) + 1;
            size = strlen(word);
        } else if (size == last_size && strncmp(last, word, size) == 0) {
            continue; /* "image" once */
        }
        last = word;
        last_size = size;
        buf_printf(ret_words, "%s%.*s", ret_words->size ? " " : "", (int)size, word);
    }
}

static const char *choices_of(const struct command *command, struct buf *ret_words)
{
    for (size_t i = 0; i < command->positionals_length; i++)
        for (size_t j = 0; command->positionals[i].choices && command->positionals[i].choices[j]; j++)
            buf_printf(ret_words, " %s", command->positionals[i].choices[j]);
    return buf_text(ret_words);
}

/* Between single quotes; special: what needs a backslash there. */
static void zsh_text(struct buf *ret_script, const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text)) buf_add_char(ret_script, '\\');
        if (*text == '\'')
            buf_add_text(ret_script, "'\\''");
        else
            buf_add_char(ret_script, *text);
    }
}
