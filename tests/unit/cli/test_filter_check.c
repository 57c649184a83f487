/* `croft filter check`: what it prints, and how it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 2 };

struct room {
    char paths[FILES][64]; /* of outer, of inner */
};

static const char outer[] =
    "kind: Filter\nname: base\nparty: landlord\non: all\ndefault: deny\nrules:\n"
    "  - {action: deny, direction: in, from: 10.9.0.0/16}\n"
    "  - {action: allow, direction: in, from: 10.0.0.0/8, protocol: tcp, port: [80, 443]}\n"
    "---\nkind: Filter\nname: db\nparty: landlord\non: acme/shop/db\ndefault: allow\n"
    "rules:\n  - {action: deny, protocol: tcp, port: 80}\n";
static const char head[] = "kind: Filter\nname: inner\nparty: acme\non: acme/shop\nrules:\n";
static const char good_rules[] =
    "  - {action: deny, from: 10.9.0.0/16}\n"
    "  - {action: allow, direction: in, from: 10.0.0.0/24, protocol: tcp, port: 443}\n";
static const char bad_rules[] =
    "  - {action: deny, from: 10.9.0.0/16}\n"
    "  - {action: allow, direction: in, from: 10.0.0.0/24, protocol: tcp, port: 22}\n"
    "  - {action: allow, direction: in, from: 10.0.0.0/25, protocol: tcp, port: 22}\n";

static int start(void **state)
{
    struct room *room = mem_alloc(sizeof(*room));
    bool good = true;

    for (size_t i = 0; i < FILES; i++) {
        snprintf(room->paths[i], sizeof(room->paths[i]), "/tmp/croft-test-filter-XXXXXX");
        int fd = mkstemp(room->paths[i]);
        good = good && fd >= 0;
        if (fd >= 0) close(fd);
    }
    *state = room;
    return good ? 0 : -1;
}

static int stop(void **state)
{
    struct room *room = *state;
    for (size_t i = 0; i < FILES; i++)
        unlink(room->paths[i]);
    mem_free(room);
    return 0;
}

static void fill(const char *path, const char *first, const char *second)
{
    CLEANUP_BUF struct buf text = {0};
    struct error err;

    buf_printf(&text, "%s%s", first, second);
    assert_true(user_file_write(path, &text, &err));
}

/* What it said to ret_err and as its answer; the caller's to free. */
static char *run(struct room *room, const char *more, int code, char **ret_err)
{
    char *text = NULL, *errors = NULL, *rest = NULL, *argv[24];
    size_t size = 0, errors_size = 0;
    FILE *out = open_memstream(&text, &size), *err = open_memstream(&errors, &errors_size);
    CLEANUP_MEM char *words =
        mem_printf("croft filter check --outer %s --inner %s %s", room->paths[0], room->paths[1], more);
    int argc = 0;

    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    int said = cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    if (said != code) fail_msg("exit %d: %s%s", said, text, errors);
    *ret_err = errors;
    return text;
}

static struct node json(struct arena *arena, struct room *room, const char *more, int code)
{
    struct node node;
    struct error err;
    char *errors = NULL, *text = run(room, more, code, &errors);

    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    free(text);
    free(errors);
    return node;
}

static void says(struct room *room, const char *more, int code, const char *out, const char *err)
{
    char *errors = NULL, *text = run(room, more, code, &errors);

    if (strstr(text, out) == NULL || strstr(errors, err) == NULL || (*err == '\0' && *errors != '\0'))
        fail_msg("said \"%s\" and \"%s\"", text, errors);
    free(text);
    free(errors);
}

static void what_is_inside_is_accepted(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct room *room = *state;

    fill(room->paths[0], outer, "");
    fill(room->paths[1], head, good_rules);
    struct node answer = json(arena, room, "-o json", 0);
    assert_int_equal(answer.length, 1);
    assert_string_equal(node_text(&answer, "accepted", ""), "true");
    says(room, "", 0, "accepted: ", "");
    fill(room->paths[0], "kind: Filter\nname: other\nparty: landlord\non: beta\n", "");
    says(room, "", 0, "governs a port of acme/shop", "");
    assert_string_equal(node_text(&answer, "accepted", ""), "true");
}

static void what_is_not_is_shown_by_a_packet(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct room *room = *state;

    fill(room->paths[0], outer, "");
    fill(room->paths[1], head, bad_rules);
    struct node answer = json(arena, room, "-o json", 1);
    assert_string_equal(node_text(&answer, "accepted", ""), "false");
    assert_string_equal(node_text(&answer, "inner_rule", ""), "2");
    assert_string_equal(node_text(&answer, "outer_rule", ""), "0");
    assert_string_equal(node_text(&answer, "outer", ""), "landlord/base");
    const struct node *packet = node_get(&answer, "packet");
    assert_string_equal(node_text(packet, "direction", ""), "in");
    assert_string_equal(node_text(packet, "from", ""), "10.0.0.1");
    assert_string_equal(node_text(packet, "protocol", ""), "tcp");
    assert_string_equal(node_text(packet, "from_port", ""), "40000");
    assert_string_equal(node_text(packet, "port", ""), "22");
    says(room, "", 1, "in tcp 10.0.0.1:40000 > ", "croft: acme/inner: rule 3 never matches");
    says(room, "", 1, "\n  acme/inner: rule 2, {\"action\":\"allow\"", "croft: ");
    says(room, "", 1, "\n  landlord/base: its default is deny, and no rule matches\n", "croft: ");
}

/* The second document of the file is asked, too. */
static void every_outer_filter_has_its_say(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct room *room = *state;

    fill(room->paths[0], outer, "");
    fill(room->paths[1], head,
         "  - {action: allow, direction: in, from: 10.0.0.0/24, protocol: tcp, port: 80}\n");
    struct node answer = json(arena, room, "-o json", 1);
    assert_string_equal(node_text(&answer, "outer", ""), "landlord/db");
    assert_string_equal(node_text(&answer, "outer_rule", ""), "1");
    assert_string_equal(node_text(node_get(&answer, "packet"), "to_name", ""), "acme/shop/db");
}

static void what_is_left_is_a_document(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct room *room = *state;

    fill(room->paths[0], outer, "");
    fill(room->paths[1], head, "  - {action: allow, direction: in, protocol: tcp, port: 80-90}\n");
    struct node document = json(arena, room, "--clamp -o json", 0);
    assert_string_equal(node_text(&document, "kind", ""), "Filter");
    assert_string_equal(node_text(&document, "name", ""), "inner");
    assert_string_equal(node_text(&document, "on", ""), "acme/shop");
    char *errors = NULL, *yaml = run(room, "--clamp", 0, &errors);
    fill(room->paths[1], yaml, "");
    free(yaml);
    free(errors);
    says(room, "", 0, "accepted: ", "");
    says(room, "", 0, "", "");
}

static void wrong_files_are_told(void **state)
{
    struct room *room = *state;

    fill(room->paths[0], outer, "");
    fill(room->paths[1], outer, "");
    says(room, "", 1, "", "expected one Filter, found 2");
    fill(room->paths[1], "kind: Party\nname: acme\n", "");
    says(room, "", 1, "", ":1:1: expected documents of kind Filter, found Party \"acme\"");
    fill(room->paths[1], head, "  - {action: allow, port: 80}\n");
    says(room, "", 1, "", ":6:");
    fill(room->paths[1], "", "");
    says(room, "", 1, "", ":1:1: expected a document, found none");
    unlink(room->paths[1]);
    says(room, "", 3, "", "there is no file");
    says(room, "--inner", 2, "", "croft: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_inside_is_accepted, start, stop),
        cmocka_unit_test_setup_teardown(what_is_not_is_shown_by_a_packet, start, stop),
        cmocka_unit_test_setup_teardown(every_outer_filter_has_its_say, start, stop),
        cmocka_unit_test_setup_teardown(what_is_left_is_a_document, start, stop),
        cmocka_unit_test_setup_teardown(wrong_files_are_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
