/* The table: every row is whole, what is generated names it, and wrong command lines are told exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/help.h"

#include <string.h>

enum { WORDS_MAX = 12 };

static void every_row_is_whole(void **state)
{
    size_t length = 0;
    const struct command *table = command_table(&length);

    assert_true(length > 20);
    for (size_t i = 0; i < length; i++) {
        const struct option *option = NULL;
        size_t cursor = 0;
        assert_non_null(table[i].run);
        assert_true(strlen(table[i].summary) > 10);
        assert_true(table[i].hidden || table[i].examples);
        assert_ptr_equal(command_find(table[i].name), &table[i]);
        while (command_next_option(&table[i], &cursor, &option)) {
            assert_true(strlen(option->help) > 5);
            assert_ptr_equal(command_option(&table[i], option->name), option);
        }
    }
}

/* The text of one row: from where it is named to the mark of its end. */
static char *row(const char *text, const char *name, const char *end)
{
    CLEANUP_MEM char *start = mem_printf("'%s')", name);
    const char *at = strstr(text, start);
    assert_non_null(at);
    const char *over = strstr(at, end);
    assert_non_null(over);
    return mem_strndup(at, (size_t)(over - at));
}

static void what_is_generated_names_all(void **state)
{
    CLEANUP_BUF struct buf man = {0}, bash = {0}, zsh = {0}, help = {0};
    size_t length = 0;
    const struct command *table = command_table(&length);

    help_man("1", &man);
    help_completion_bash(&bash);
    help_completion_zsh(&zsh);
    help_all(&help);
    /* zsh's own names: with those hidden nothing is ever completed. */
    assert_null(strstr(buf_text(&zsh), "local -a commands"));
    assert_null(strstr(buf_text(&zsh), "commands words"));
    assert_non_null(strstr(buf_text(&zsh), "compdef _croft croft"));
    for (size_t i = 0; i < length; i++) {
        CLEANUP_BUF struct buf own = {0};
        CLEANUP_MEM char *bash_row = row(buf_text(&bash), table[i].name, ";;");
        CLEANUP_MEM char *zsh_row = row(buf_text(&zsh), table[i].name, ";;");
        const struct option *option = NULL;
        size_t cursor = 0;
        help_command(&table[i], &own);
        size_t first = strcspn(table[i].name, " ");
        if (table[i].name[first] == ' ') { /* what may follow the first word is offered */
            CLEANUP_MEM char *word = mem_printf("    %.*s) words=\"", (int)first, table[i].name);
            CLEANUP_MEM char *seconds =
                mem_printf("\n  %.*s) if (( CURRENT == 3 ))", (int)first, table[i].name);
            const char *at = strstr(buf_text(&bash), word);
            assert_non_null(at);
            CLEANUP_MEM char *line = mem_strndup(at, strcspn(at, "\n"));
            assert_non_null(strstr(line, table[i].name + first + 1));
            assert_non_null(strstr(buf_text(&zsh), seconds));
        }
        const char *name = NULL;
        for (size_t n = 0; table[i].word && (name = table[i].word(n)); n++) {
            assert_non_null(strstr(buf_text(&own), name));
            CLEANUP_MEM char *begin = mem_strndup(name, strcspn(name, "-")); /* hyphens are escaped */
            assert_non_null(strstr(buf_text(&man), begin));
        }
        assert_non_null(strstr(buf_text(&own), table[i].summary));
        assert_non_null(strstr(buf_text(&own), table[i].notes ? table[i].notes : ""));
        assert_int_equal(strstr(buf_text(&help), table[i].summary) == NULL, table[i].hidden);
        while (command_next_option(&table[i], &cursor, &option)) {
            CLEANUP_MEM char *word = mem_printf("--%s", option->name);
            assert_non_null(strstr(bash_row, word));
            assert_non_null(strstr(zsh_row, word));
            if (text_equal(option->name, "help")) continue;
            assert_non_null(strstr(buf_text(&own), word));
            assert_non_null(strstr(buf_text(&own), option->help));
        }
        for (size_t j = 0; j < table[i].options_length; j++) {
            size_t plain = strcspn(table[i].options[j].help, "-"); /* hyphens are escaped */
            CLEANUP_MEM char *text = mem_strndup(table[i].options[j].help, plain);
            assert_non_null(strstr(buf_text(&man), text));
        }
    }
}

static void wrong_lines_are_told(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"", "what is to be done? See croft --help"},
        {"aply", "there is no command \"aply\": did you mean \"apply\"? See croft --help"},
        {"frobnicate", "there is no command \"frobnicate\": see croft --help"},
        {"image", "croft image wants to know what: import, list or remove"},
        {"image lst", "there is no command \"image lst\": did you mean \"image list\"?"},
        {"image frob", "there is no command \"image frob\": it is import, list or remove"},
        {"--foo", "there is no option --foo: see croft --help"},
        {"--sever x get hosts", "there is no option --sever: did you mean --server?"},
        {"apply --dry-rum", "apply: there is no option --dry-rum: did you mean --dry-run?"},
        {"apply --dry-run=1", "apply: --dry-run takes no value"},
        {"apply -f", "apply: --file wants a value: --file FILE"},
        {"apply -z", "apply: there is no option -z: see croft apply --help"},
        {"get", "get: KIND is missing: see croft get --help"},
        {"get hosts a b", "get: \"b\" is one argument too many: see croft get --help"},
        {"get hosts -o jsn", "get: --output cannot be \"jsn\": did you mean json?"},
        {"get hosts -o xxxxxxxx", "get: --output cannot be \"xxxxxxxx\": it is table, json, yaml or name"},
        {"get hosts -o json -o yaml", "get: --output was given twice"},
        {"power h1 of", "power: ORDER cannot be \"of\": did you mean on?"},
        {"exec x", "exec: COMMAND is missing: see croft exec --help"},
        {"whatif --fail host/h1 host/h2 -o json host/h3",
         "whatif: \"host/h3\" is one argument too many: see croft whatif --help"},
        {"whatif --fail host/h1 --drain", "whatif: --drain wants a value: --drain NAME"},
        {"--token x down", "down: there is no option --token: see croft down --help"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP_MEM char *copy = mem_printf("croft %s", cases[i].line);
        char *argv[WORDS_MAX], *rest = NULL;
        struct arguments arguments;
        struct error err = {0};
        int argc = 0;
        for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            argv[argc++] = word;
        assert_false(command_parse(argc, argv, &arguments, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void assert_usage(const char *name, const char *usage)
{
    CLEANUP_BUF struct buf text = {0};
    help_usage(command_find(name), &text);
    assert_string_equal(buf_text(&text), usage);
}

static void usage_can_be_followed(void **state)
{
    assert_usage("exec", "usage: croft exec [-t] [-e NAME=VALUE…] INSTANCE -- COMMAND…");
    assert_usage("power", "usage: croft power HOST on|off|cycle");
    assert_usage("top", "usage: croft top [hosts|farms|instances] [-w]");
    assert_usage("get", "usage: croft get KIND [NAME] [-w]");
}

/* Help of "agent" has options with an ellipsis, which is three bytes and one column. */
static void help_is_aligned(void **state)
{
    CLEANUP_BUF struct buf text = {0};
    help_command(command_find("agent"), &text);
    assert_non_null(strstr(buf_text(&text), "\n      --join URL[,…]         the controllers"));
    assert_non_null(strstr(buf_text(&text), "\n      --name NAME            the host's name"));
}

static void help_of_two_words(void **state)
{
    static char croft[] = "croft", image[] = "image", help[] = "help", dashed[] = "--help";
    char *const lines[][3] = {{croft, image, dashed}, {croft, help, image}, {croft, dashed, image}};

    for (size_t i = 0; i < LENGTH(lines); i++) {
        CLEANUP_BUF struct buf text = {0};
        struct arguments arguments;
        struct error err;
        char *argv[] = {lines[i][0], lines[i][1], lines[i][2]};
        assert_true(command_parse(3, argv, &arguments, &err));
        assert_true(arguments.help);
        assert_string_equal(arguments.group, "image");
        help_group(arguments.group, &text);
        assert_non_null(strstr(buf_text(&text), "usage: croft image import NAME:TAG SOURCE"));
        assert_null(strstr(buf_text(&text), "token"));
        arguments_free(&arguments);
    }
}

static void right_lines_are_read(void **state)
{
    char copy[] = "croft --server=http://x exec -ojson a/b/c-1 --env A=1 -eB=2 -- ls -l";
    char *argv[WORDS_MAX], *rest = NULL;
    struct arguments arguments;
    struct error err;
    int argc = 0;

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    assert_true(command_parse(argc, argv, &arguments, &err));
    assert_string_equal(arguments.command->name, "exec");
    assert_string_equal(arguments_text(&arguments, "server"), "http://x");
    assert_string_equal(arguments_text(&arguments, "output"), "json");
    assert_string_equal(arguments_nth(&arguments, "env", 0), "A=1");
    assert_string_equal(arguments_nth(&arguments, "env", 1), "B=2");
    assert_null(arguments_nth(&arguments, "env", 2));
    assert_string_equal(arguments_positional(&arguments, 0), "a/b/c-1");
    assert_string_equal(arguments_positional(&arguments, 2), "-l");
    assert_false(arguments_has(&arguments, "tty"));
    arguments_free(&arguments);
}

/* Words behind an option that takes several are its own, up to the next one. */
static void several_values_are_read(void **state)
{
    static const char *const fail[] = {"host/h1", "host/h2", "host/h3", "site/east"};
    char copy[] = "croft whatif --fail host/h1 host/h2 --drain=zone/a zone/b -ojson --fail host/h3 site/east";
    char *argv[WORDS_MAX], *rest = NULL;
    struct arguments arguments;
    struct error err;
    int argc = 0;

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    assert_true(command_parse(argc, argv, &arguments, &err));
    for (size_t i = 0; i < LENGTH(fail); i++)
        assert_string_equal(arguments_nth(&arguments, "fail", i), fail[i]);
    assert_null(arguments_nth(&arguments, "fail", LENGTH(fail)));
    assert_string_equal(arguments_nth(&arguments, "drain", 0), "zone/a");
    assert_string_equal(arguments_nth(&arguments, "drain", 1), "zone/b");
    assert_null(arguments_positional(&arguments, 0));
    arguments_free(&arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),      cmocka_unit_test(what_is_generated_names_all),
        cmocka_unit_test(several_values_are_read), cmocka_unit_test(wrong_lines_are_told),
        cmocka_unit_test(usage_can_be_followed),   cmocka_unit_test(help_is_aligned),
        cmocka_unit_test(help_of_two_words),       cmocka_unit_test(right_lines_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
