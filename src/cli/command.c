#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct reading {
    int argc;
    char **argv;
    int at;
    bool only_positionals;        /* `--` was seen */
    const struct option *several; /* that takes the next word, too, or NULL */
    struct arguments *arguments;
};

static bool read_one(struct reading *reading, struct error *err);
static bool read_command(struct reading *reading, const char *word, struct error *err);
static bool read_group(struct reading *reading, const char *word, const char *second, struct error *err);
static bool read_long(struct reading *reading, const char *text, struct error *err);
static bool read_letters(struct reading *reading, const char *text, struct error *err);
static bool take(struct reading *reading, const struct option *option, const char *value, struct error *err);
static bool take_value(struct reading *reading, const struct option *option, const char *value,
                       struct error *err);
static bool check(const struct arguments *arguments, struct error *err);
static bool check_choice(const char *const *choices, const char *what, const char *value, const char *command,
                         struct error *err);
static const struct option *find_option(const struct command *command, const char *name, size_t size,
                                        char letter);
static bool unknown_option(const struct command *command, const char *name, struct error *err);
static const char *prefix_of(const struct command *command, char *out, size_t size);

static const struct option help_option = {.name = "help", .letter = 'h', .help = "show this text"};
static const struct option version_option = {.name = "version", .help = "print the version"};

const struct option *command_option(const struct command *command, const char *name)
{
    return find_option(command, name, strlen(name), 0);
}

bool command_next_option(const struct command *command, size_t *cursor, const struct option **ret_option)
{
    size_t shared_length = 0, at = (*cursor)++;
    const struct option *shared = command_shared_options(&shared_length);

    if (at < command->options_length) {
        *ret_option = &command->options[at];
        return true;
    }
    at -= command->options_length;
    if (!command->client) shared_length = 0;
    if (at < shared_length) {
        if (command_has_own(command, shared[at].name))
            return command_next_option(command, cursor, ret_option);
        *ret_option = &shared[at];
        return true;
    }
    if (at > shared_length) return false;
    *ret_option = &help_option;
    return true;
}

bool command_has_own(const struct command *command, const char *option)
{
    for (size_t i = 0; i < command->options_length; i++)
        if (text_equal(command->options[i].name, option)) return true;
    return false;
}

const struct command *command_find(const char *name)
{
    size_t length = 0;
    const struct command *table = command_table(&length);
    for (size_t i = 0; i < length; i++)
        if (text_equal(table[i].name, name)) return &table[i];
    return NULL;
}

bool command_parse(int argc, char **argv, struct arguments *ret_arguments, struct error *err)
{
    struct arguments arguments = {.options = VEC_OF(struct given), .positionals = VEC_OF(const char *)};
    struct reading reading = {.argc = argc, .argv = argv, .at = 1, .arguments = &arguments};
    bool good = true;

    while (good && reading.at < argc) {
        if (arguments.command && arguments.command->raw)
            *(const char **)vec_push(&arguments.positionals) = argv[reading.at++];
        else
            good = read_one(&reading, err);
    }
    good = good && check(&arguments, err);
    if (good)
        *ret_arguments = arguments;
    else
        arguments_free(&arguments);
    return good;
}

void arguments_free(struct arguments *arguments)
{
    vec_free(&arguments->options);
    vec_free(&arguments->positionals);
}

const char *arguments_text(const struct arguments *arguments, const char *name)
{
    const char *value = NULL;
    ASSERT(command_option(arguments->command, name));
    for (size_t i = 0; i < arguments->options.length; i++) {
        const struct given *given = vec_at(&arguments->options, i);
        if (text_equal(given->name, name)) value = given->value; /* the last one counts */
    }
    return value;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
    ASSERT(command_option(arguments->command, name));
    for (size_t i = 0; i < arguments->options.length; i++) {
        const struct given *given = vec_at(&arguments->options, i);
        if (text_equal(given->name, name)) return true;
    }
    return false;
}

const char *arguments_nth(const struct arguments *arguments, const char *name, size_t n)
{
    ASSERT(command_option(arguments->command, name));
    for (size_t i = 0; i < arguments->options.length; i++) {
        const struct given *given = vec_at(&arguments->options, i);
        if (text_equal(given->name, name) && n-- == 0) return given->value;
    }
    return NULL;
}

const char *arguments_positional(const struct arguments *arguments, size_t n)
{
    return n < arguments->positionals.length ? *(const char **)vec_at(&arguments->positionals, n) : NULL;
}

static bool read_one(struct reading *reading, struct error *err)
{
    struct arguments *arguments = reading->arguments;
    const char *word = reading->argv[reading->at++];
    const struct option *several = reading->several;

    reading->several = NULL;
    if (!reading->only_positionals && text_equal(word, "--")) {
        reading->only_positionals = true;
        return true;
    }
    if (!reading->only_positionals && text_starts(word, "--")) return read_long(reading, word + 2, err);
    /* A lone dash is a name: standard input. */
    if (!reading->only_positionals && word[0] == '-' && word[1]) return read_letters(reading, word + 1, err);
    if (!arguments->command) return read_command(reading, word, err);
    if (several) return take_value(reading, several, word, err);
    *(const char **)vec_push(&arguments->positionals) = word;
    return true;
}

static bool read_command(struct reading *reading, const char *word, struct error *err)
{
    const char *second = NULL;
    size_t length = 0, words = 0;
    const struct command *table = command_table(&length);
    CLEANUP_MEM const char **names = NULL;
    char name[64];

    if (reading->at < reading->argc && reading->argv[reading->at][0] != '-')
        second = reading->argv[reading->at];
    if (text_equal(word, "help")) {
        reading->arguments->help = true;
        if (!second) return true;
        reading->at++;
        return read_command(reading, second, err);
    }
    reading->arguments->command = command_find(word);
    if (!reading->arguments->command && second) {
        snprintf(name, sizeof(name), "%s %s", word, second);
        reading->arguments->command = command_find(name);
        if (reading->arguments->command) reading->at++;
    }
    if (reading->arguments->command) return true;
    names = mem_alloc_array(length, sizeof(*names));
    for (size_t i = 0; i < length; i++) {
        size_t size = strcspn(table[i].name, " ");
        if (strlen(word) == size && strncmp(table[i].name, word, size) == 0)
            return read_group(reading, word, second, err);
        if (!table[i].hidden) names[words++] = table[i].name;
    }
    const char *nearest = text_nearest(word, names, words);
    if (nearest)
        return error_set(err, ERROR_USAGE,
                         "there is no command \"%s\": did you mean \"%s\"? See croft --help", word, nearest);
    return error_set(err, ERROR_USAGE, "there is no command \"%s\": see croft --help", word);
}

/* The first word of two was right; the second is missing, is a call for help, or is wrong. */
static bool read_group(struct reading *reading, const char *word, const char *second, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    size_t length = 0, words = 0, size = strlen(word);
    const struct command *table = command_table(&length);
    CLEANUP_MEM const char **names = mem_alloc_array(length, sizeof(*names));

    for (size_t i = 0; i < length; i++) {
        if (strncmp(table[i].name, word, size) != 0 || table[i].name[size] != ' ') continue;
        names[words++] = table[i].name + size + 1;
    }
    for (size_t i = 0; i < words; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : i + 1 < words ? ", " : " or ", names[i]);
    const char *nearest = second ? text_nearest(second, names, words) : NULL;
    const char *next = reading->at < reading->argc ? reading->argv[reading->at] : NULL;
    if (reading->arguments->help || text_equal(next, "--help") || text_equal(next, "-h")) {
        reading->arguments->help = true;
        reading->arguments->group = word;
        reading->at = reading->argc; /* help is all there is to say */
        return true;
    }
    if (!second) return error_set(err, ERROR_USAGE, "croft %s wants to know what: %s", word, buf_text(&text));
    if (nearest)
        return error_set(err, ERROR_USAGE, "there is no command \"%s %s\": did you mean \"%s %s\"?", word,
                         second, word, nearest);
    return error_set(err, ERROR_USAGE, "there is no command \"%s %s\": it is %s", word, second,
                     buf_text(&text));
}

static bool read_long(struct reading *reading, const char *text, struct error *err)
{
    const struct command *command = reading->arguments->command;
    size_t size = strcspn(text, "=");
    const struct option *option = find_option(command, text, size, 0);
    CLEANUP_MEM char *name = mem_strndup(text, size);
    char prefix[80];

    if (!option) return unknown_option(command, name, err);
    if (text[size] == '=' && !option->argument)
        return error_set(err, ERROR_USAGE, "%s--%s takes no value",
                         prefix_of(command, prefix, sizeof(prefix)), name);
    return take(reading, option, text[size] == '=' ? text + size + 1 : NULL, err);
}

/* "-f FILE", "-fFILE", "-it" */
static bool read_letters(struct reading *reading, const char *text, struct error *err)
{
    const struct command *command = reading->arguments->command;
    char prefix[80];

    for (; *text; text++) {
        const struct option *option = find_option(command, NULL, 0, *text);
        const char *value = NULL;
        if (!option)
            return error_set(err, ERROR_USAGE, "%sthere is no option -%c: see croft %s%s--help",
                             prefix_of(command, prefix, sizeof(prefix)), *text, command ? command->name : "",
                             command ? " " : "");
        if (option->argument && !option->optional && text[1]) {
            value = text + 1 + (text[1] == '=');
            return take(reading, option, value, err);
        }
        if (!take(reading, option, NULL, err)) return false;
    }
    return true;
}

static bool take(struct reading *reading, const struct option *option, const char *value, struct error *err)
{
    struct arguments *arguments = reading->arguments;
    char prefix[80];

    if (option == &help_option) {
        arguments->help = true;
        return true;
    }
    if (option == &version_option) {
        arguments->version = true;
        return true;
    }
    if (option->argument && !option->optional && !value) {
        if (reading->at == reading->argc)
            return error_set(err, ERROR_USAGE, "%s--%s wants a value: --%s %s",
                             prefix_of(arguments->command, prefix, sizeof(prefix)), option->name,
                             option->name, option->argument);
        value = reading->argv[reading->at++];
    }
    return take_value(reading, option, value, err);
}

static bool take_value(struct reading *reading, const struct option *option, const char *value,
                       struct error *err)
{
    struct arguments *arguments = reading->arguments;
    struct given *given = NULL;
    char prefix[80], what[80];

    for (size_t i = 0; i < arguments->options.length && !option->many; i++) {
        given = vec_at(&arguments->options, i);
        if (text_equal(given->name, option->name))
            return error_set(err, ERROR_USAGE, "%s--%s was given twice",
                             prefix_of(arguments->command, prefix, sizeof(prefix)), option->name);
    }
    snprintf(what, sizeof(what), "--%s", option->name);
    if (value && option->choices &&
        !check_choice(option->choices, what, value, prefix_of(arguments->command, prefix, sizeof(prefix)),
                      err))
        return false;
    given = vec_push(&arguments->options);
    *given = (struct given){option->name, value};
    if (option->several) reading->several = option;
    return true;
}

static bool check(const struct arguments *arguments, struct error *err)
{
    const struct command *command = arguments->command;
    size_t length = arguments->positionals.length;
    char prefix[80];

    if (arguments->help || arguments->version) return true;
    if (!command) return error_set(err, ERROR_USAGE, "what is to be done? See croft --help");
    if (command->raw) return true;
    prefix_of(command, prefix, sizeof(prefix));
    for (size_t i = 0; i < arguments->options.length; i++) {
        /* Options in front of the command were read as shared ones. */
        const struct given *given = vec_at(&arguments->options, i);
        if (!command_option(command, given->name)) return unknown_option(command, given->name, err);
    }
    for (size_t i = 0; i < command->positionals_length; i++) {
        const struct positional *positional = &command->positionals[i];
        if (i >= length && !positional->optional)
            return error_set(err, ERROR_USAGE, "%s%s is missing: see croft %s --help", prefix,
                             positional->name, command->name);
        if (i < length && positional->strict &&
            !check_choice(positional->choices, positional->name, arguments_positional(arguments, i), prefix,
                          err))
            return false;
    }
    bool many = command->positionals_length > 0 && command->positionals[command->positionals_length - 1].many;
    if (length > command->positionals_length && !many)
        return error_set(err, ERROR_USAGE, "%s\"%s\" is one argument too many: see croft %s --help", prefix,
                         arguments_positional(arguments, command->positionals_length), command->name);
    return true;
}

static bool check_choice(const char *const *choices, const char *what, const char *value, const char *command,
                         struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    size_t length = 0;

    while (choices[length])
        length++;
    for (size_t i = 0; i < length; i++)
        if (text_equal(choices[i], value)) return true;
    const char *nearest = text_nearest(value, choices, length);
    if (nearest)
        return error_set(err, ERROR_USAGE, "%s%s cannot be \"%s\": did you mean %s?", command, what, value,
                         nearest);
    for (size_t i = 0; i < length; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : i + 1 < length ? ", " : " or ", choices[i]);
    return error_set(err, ERROR_USAGE, "%s%s cannot be \"%s\": it is %s", command, what, value,
                     buf_text(&text));
}

/* By name, or by letter when name is NULL. */
static const struct option *find_option(const struct command *command, const char *name, size_t size,
                                        char letter)
{
    static const struct command in_front = {.name = "", .client = true};
    const struct option *option = NULL;
    size_t cursor = 0;

    while (command_next_option(command ? command : &in_front, &cursor, &option)) {
        if (name ? strlen(option->name) == size && strncmp(option->name, name, size) == 0
                 : option->letter && option->letter == letter)
            return option;
    }
    if (!command && name && strncmp(name, "version", size) == 0 && size == strlen("version"))
        return &version_option;
    return NULL;
}

static bool unknown_option(const struct command *command, const char *name, struct error *err)
{
    static const struct command in_front = {.name = "", .client = true};
    const char *names[64];
    const struct option *option = NULL;
    size_t cursor = 0, length = 0;
    char prefix[80];

    while (command_next_option(command ? command : &in_front, &cursor, &option)) {
        ASSERT(length < LENGTH(names));
        names[length++] = option->name;
    }
    const char *nearest = text_nearest(name, names, length);
    prefix_of(command, prefix, sizeof(prefix));
    if (nearest)
        return error_set(err, ERROR_USAGE, "%sthere is no option --%s: did you mean --%s?", prefix, name,
                         nearest);
    return error_set(err, ERROR_USAGE, "%sthere is no option --%s: see croft %s%s--help", prefix, name,
                     command ? command->name : "", command ? " " : "");
}

static const char *prefix_of(const struct command *command, char *out, size_t size)
{
    if (command)
        snprintf(out, size, "%s: ", command->name);
    else
        out[0] = 0;
    return out;
}
