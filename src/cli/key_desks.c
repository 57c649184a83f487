/* Several desks of one party: one that is obeyed admits another, and tells it of the hosts' pairs.
 *
 * A desk shows its public key, which a person carries to one that is obeyed. That one tells the hosts, and
 * writes an invitation: the pairs' public halves, signed, and sealed to the new desk. Whoever carries it
 * learns nothing, and a controller that would put in pairs of its own cannot sign it: the new desk
 * is told from whom it has to be.
 *
 *   file       "croft invitation 1\n", and in hexadecimal digits a box
 *   in the box a signature, and the text: {"grid", "to", "pairs": [{host, party, generation, seal, …}]} */
#include "base/text.h"
#include "cli/file.h"
#include "cli/keys_inside.h"
#include "cli/late.h"
#include "model/sealed.h"
#include "os/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { INVITATION_SIZE_MAX = 4 * 1024 * 1024 };

static const char file_kind[] = "croft invitation 1\n";
/* What is signed begins with it, and nothing else that a console signs does (model/sealed.h). */
static const char domain[] = "croft invitation v1";

struct key_guest {
    unsigned char console[VAULT_KEY_SIZE], seal[VAULT_KEY_SIZE];
    struct buf pairs; /* rows of the invitation */
    bool quiet;
};

static bool read_guest(struct cli *cli, const char *word, struct key_guest *ret_guest, struct error *err);
static bool need_desk(const struct key_asked *asked, struct error *err);
static bool need_options(struct cli *cli, const char *command, const char *const *names, struct error *err);
static bool admit(struct key_asked *asked, const struct key_row *row, struct error *err);
static bool invite(const struct key_asked *asked, const char *path, struct error *err);
static bool read_invitation(struct cli *cli, const struct desk *desk, struct node *ret_told,
                            struct error *err);
static bool open_invitation(struct cli *cli, const struct desk *desk, const char *hex, struct buf *ret_text,
                            struct error *err);
static bool accept(struct key_asked *asked, const struct key_row *row, struct error *err);
static bool dismiss(struct key_asked *asked, const struct key_row *row, struct error *err);
static bool add_desks(struct key_asked *asked, const struct key_row *row, struct table *table,
                      struct buf *json, struct error *err);

int key_show_console(struct cli *cli)
{
    CLEANUP_BUF struct buf json = {0};
    struct desk *desk = NULL;
    struct node shown;
    struct error err;

    if (!late_load(&err) || !desk_open(NULL, true, &desk, &err)) return cli_fail(cli, &err);
    const char *console = key_hex(cli->arena, desk_own(desk)->sign);
    const char *seal = key_hex(cli->arena, desk_own(desk)->seal);
    desk_free(desk);
    buf_printf(&json, "{\"console\":\"%s\",\"seal\":\"%s\"}", console, seal);
    if (!node_from_json(cli->arena, json.data, json.size, &shown, &err)) return cli_fail(cli, &err);
    if (cli_print_node(cli, &shown)) return 0;
    if (cli->format == OUTPUT_TABLE)
        fprintf(cli->out, "console  %s\nkey      %s%s\n", console, console, seal);
    else
        fprintf(cli->out, "%s\n", console);
    return 0;
}

int key_show_desks(struct cli *cli)
{
    static const struct column columns[] = {{"HOST", COLUMN_TEXT, 0},
                                            {"PARTY", COLUMN_TEXT, 0},
                                            {"CONSOLE", COLUMN_TEXT, 0},
                                            {"HERE", COLUMN_TEXT, 0}};
    struct key_asked asked = {.cli = cli, .subject = arguments_positional(cli->arguments, 0)};
    CLEANUP_BUF struct buf json = {0}, text = {0};
    struct table *table = table_new(columns, LENGTH(columns));
    struct node shown;
    struct error err;

    bool good = key_ask(&asked, false, &err) && need_desk(&asked, &err);
    if (good && asked.subject) key_only_party(&asked);
    buf_add_char(&json, '[');
    for (size_t i = 0; good && i < asked.rows.length; i++)
        good = add_desks(&asked, vec_at(&asked.rows, i), table, &json, &err);
    buf_add_char(&json, ']');
    key_end(&asked);
    good = good && node_from_json(cli->arena, json.data, json.size, &shown, &err);
    if (good && !cli_print_node(cli, &shown) && cli->format == OUTPUT_TABLE) {
        table_print(table, &cli->style, &text);
        fputs(buf_text(&text), cli->out);
    }
    table_free(table);
    return good ? 0 : cli_fail(cli, &err);
}

int key_admit_run(struct cli *cli)
{
    static const char *const needed[] = {"on", "invitation", NULL};
    struct key_guest guest = {0};
    struct key_asked asked = {.cli = cli, .subject = arguments_text(cli->arguments, "on"), .guest = &guest};
    const char *path = arguments_text(cli->arguments, "invitation");
    struct error err;

    bool good = need_options(cli, "key admit", needed, &err) &&
                read_guest(cli, arguments_positional(cli->arguments, 0), &guest, &err) &&
                key_ask(&asked, false, &err) && need_desk(&asked, &err);
    if (good) key_only_party(&asked);
    guest.quiet = text_equal(path, "-");
    int code = good ? key_each(&asked, admit) : cli_fail(cli, &err);
    if (guest.pairs.size > 0 && !invite(&asked, path, &err)) code = cli_fail(cli, &err);
    buf_free(&guest.pairs);
    key_end(&asked);
    return code;
}

int key_accept_run(struct cli *cli)
{
    static const char *const needed[] = {"from", NULL};
    struct key_asked asked = {.cli = cli};
    struct node told;
    struct error err;

    asked.subject = NULL;
    bool good = need_options(cli, "key accept", needed, &err) && key_ask(&asked, false, &err) &&
                need_desk(&asked, &err) && read_invitation(cli, asked.desk, &told, &err);
    if (good && !text_equal(node_text(&told, "grid", ""), node_text(&asked.answer, "grid", "")))
        good = error_set(&err, ERROR_REFUSED,
                         "the invitation is for another grid than %s: give the right --server",
                         client_server(cli->client));
    vec_clear(&asked.rows);
    const struct node *pairs = good ? node_get(&told, "pairs") : NULL;
    for (size_t i = 0; pairs && i < pairs->length; i++) {
        const struct node *pair = &pairs->items[i];
        *(struct key_row *)vec_push(&asked.rows) = (struct key_row){.host = node_text(pair, "host", ""),
                                                                    .party = node_text(pair, "party", ""),
                                                                    .taken = "",
                                                                    .node = pair};
    }
    asked.subject = "the invitation";
    int code = good ? key_each(&asked, accept) : cli_fail(cli, &err);
    key_end(&asked);
    return code;
}

int key_dismiss_run(struct cli *cli)
{
    static const char *const needed[] = {"on", NULL};
    struct key_guest guest = {0};
    struct key_asked asked = {.cli = cli, .subject = arguments_text(cli->arguments, "on"), .guest = &guest};
    struct error err;

    bool good = need_options(cli, "key dismiss", needed, &err);
    if (good && !key_read_hex(arguments_positional(cli->arguments, 0), guest.console))
        good = error_set(&err, ERROR_USAGE,
                         "key dismiss: a console is %d hexadecimal digits, as croft key show --desks says",
                         KEY_HEX_SIZE);
    good = good && key_ask(&asked, false, &err) && need_desk(&asked, &err);
    if (good) key_only_party(&asked);
    int code = good ? key_each(&asked, dismiss) : cli_fail(cli, &err);
    key_end(&asked);
    return code;
}

/* Both halves behind each other, or a file with what croft key show --console -o json printed. */
static bool read_guest(struct cli *cli, const char *word, struct key_guest *ret_guest, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    size_t length = strlen(word);
    struct node node;

    if (length == (size_t)2 * KEY_HEX_SIZE && strspn(word, "0123456789abcdef") == length)
        return (key_read_hex(arena_strndup(cli->arena, word, KEY_HEX_SIZE), ret_guest->console) &&
                key_read_hex(word + KEY_HEX_SIZE, ret_guest->seal)) ||
               error_set(err, ERROR_USAGE, "key admit: that is no key");
    if (!user_file_read(word, &text, err)) {
        if (err->code != ERROR_NOT_FOUND) return false;
        return error_set(
            err, ERROR_NOT_FOUND,
            "%s is no file, and no key of %d hexadecimal digits, as croft key show --console prints it "
            "at the other desk",
            word, 2 * KEY_HEX_SIZE);
    }
    if (!node_from_json(cli->arena, buf_text(&text), text.size, &node, err) ||
        !key_read_hex(node_text(&node, "console", ""), ret_guest->console) ||
        !key_read_hex(node_text(&node, "seal", ""), ret_guest->seal))
        return error_set(err, ERROR_INVALID,
                         "%s has no desk's key: croft key show --console -o json prints it at the other desk",
                         word);
    return true;
}

static bool need_desk(const struct key_asked *asked, struct error *err)
{
    return asked->desk ||
           error_set(err, ERROR_REFUSED,
                     "this desk has no console key: croft key show --console makes one, and shows it");
}

static bool need_options(struct cli *cli, const char *command, const char *const *names, struct error *err)
{
    for (size_t i = 0; names[i]; i++)
        if (!arguments_has(cli->arguments, names[i]))
            return error_set(err, ERROR_USAGE, "%s needs --%s", command, names[i]);
    return true;
}

static bool admit(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    struct cli *cli = asked->cli;
    struct key_guest *guest = asked->guest;
    const char *console = key_hex(cli->arena, guest->console);
    const struct client_request request = {
        .method = "POST", .path = arena_printf(cli->arena, "/agent/keys/admit?console=%s", console)};
    struct desk_target target;
    struct client_reply reply;

    if (!key_target(asked, row, &target, err) ||
        !desk_ask(asked->desk, cli->arena, &target, &request, &reply, err))
        return false;
    buf_printf(&guest->pairs,
               "%s{\"host\":\"%s\",\"party\":\"%s\",\"generation\":%" PRId64
               ",\"seal\":\"%s\",\"sign\":\"%s\",\"fingerprint\":\"%s\"}",
               guest->pairs.size > 0 ? "," : "", row->host, row->party, target.generation,
               key_hex(cli->arena, target.pair.seal), key_hex(cli->arena, target.pair.sign),
               key_hex(cli->arena, target.pair.fingerprint));
    if (!guest->quiet) fprintf(cli->out, "%s: %s obeys console %s, too\n", row->host, row->party, console);
    return true;
}

static bool invite(const struct key_asked *asked, const char *path, struct error *err)
{
    const struct key_guest *guest = asked->guest;
    CLEANUP_BUF struct buf text = {0}, plain = {0}, box = {0}, file = {0};
    unsigned char signature[VAULT_SIGNATURE_SIZE];

    buf_add(&text, domain, sizeof(domain));
    buf_printf(&text, "{\"grid\":\"%s\",\"to\":\"%s\",\"pairs\":[%s]}", node_text(&asked->answer, "grid", ""),
               key_hex(asked->cli->arena, guest->console), guest->pairs.data);
    desk_sign(asked->desk, text.data, text.size, signature);
    buf_add(&plain, signature, sizeof(signature));
    buf_add(&plain, text.data + sizeof(domain), text.size - sizeof(domain));
    if (!seal_box(guest->seal, plain.data, plain.size, &box, err)) return false;
    buf_add_text(&file, file_kind);
    for (size_t i = 0; i < box.size; i++)
        buf_printf(&file, "%02x", (unsigned char)box.data[i]);
    buf_add_char(&file, '\n');
    return user_file_write(path, &file, err);
}

static bool read_invitation(struct cli *cli, const struct desk *desk, struct node *ret_told,
                            struct error *err)
{
    const char *path = arguments_positional(cli->arguments, 0);
    CLEANUP_BUF struct buf file = {0}, text = {0};

    if (!user_file_read(path, &file, err)) return false;
    if (file.size > INVITATION_SIZE_MAX || !text_starts(buf_text(&file), file_kind))
        return error_set(err, ERROR_INVALID, "%s is no invitation: croft key admit writes them", path);
    if (!open_invitation(cli, desk, buf_text(&file) + strlen(file_kind), &text, err) ||
        !node_from_json(cli->arena, arena_strndup(cli->arena, text.data, text.size), text.size, ret_told,
                        err))
        return error_wrap(err, "%s", path);
    return text_equal(node_text(ret_told, "to", ""), key_hex(cli->arena, desk_own(desk)->sign)) ||
           error_set(err, ERROR_DENIED, "%s is for another desk", path);
}

/* For this desk, and from whom it has to be. */
static bool open_invitation(struct cli *cli, const struct desk *desk, const char *hex, struct buf *ret_text,
                            struct error *err)
{
    CLEANUP_BUF struct buf box = {0}, plain = {0}, text = {0};
    unsigned char from[VAULT_KEY_SIZE];

    if (!key_read_hex(arguments_text(cli->arguments, "from"), from))
        return error_set(
            err, ERROR_USAGE,
            "--from takes a console of %d hexadecimal digits, as croft key show --console says there",
            KEY_HEX_SIZE);
    for (; text_hex_digit(hex[0]) >= 0 && text_hex_digit(hex[1]) >= 0; hex += 2)
        buf_add_char(&box, (char)(text_hex_digit(hex[0]) << 4 | text_hex_digit(hex[1])));
    if (hex[0] != '\n' || hex[1]) return error_set(err, ERROR_INVALID, "it is cut, or damaged");
    if (!desk_unseal(desk, box.data, box.size, &plain, err))
        return error_set(err, ERROR_DENIED, "it is damaged, or for another desk");
    buf_add(&text, domain, sizeof(domain));
    if (plain.size > VAULT_SIGNATURE_SIZE)
        buf_add(&text, plain.data + VAULT_SIGNATURE_SIZE, plain.size - VAULT_SIGNATURE_SIZE);
    if (plain.size <= VAULT_SIGNATURE_SIZE ||
        !seal_verify(from, text.data, text.size, (const unsigned char *)plain.data))
        return error_set(err, ERROR_DENIED, "it is not from console %s",
                         arguments_text(cli->arguments, "from"));
    buf_add(ret_text, text.data + sizeof(domain), text.size - sizeof(domain));
    return true;
}

/* Kept when the host has answered by that pair: an old invitation does not take the place of what is known.
 */
static bool accept(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = "/agent/keys"};
    struct desk_target target = {
        .host = row->host, .party = row->party, .generation = node_int(row->node, "generation", 0)};
    struct cli *cli = asked->cli;
    struct client_reply reply;

    if (!text_is_name(row->host) || !text_is_name(row->party))
        return error_set(err, ERROR_INVALID, "the invitation names a host or a party as none can be called");
    if (!key_told_pair(row->node, &target.pair, err) ||
        !desk_ask(asked->desk, cli->arena, &target, &request, &reply, err) ||
        !desk_remember(asked->desk, &target, err))
        return false;
    fprintf(cli->out, "%s: this desk commands for %s, with pair %" PRId64 ", fingerprint %s\n", row->host,
            row->party, target.generation, key_hex(cli->arena, target.pair.fingerprint));
    return true;
}

static bool dismiss(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    struct cli *cli = asked->cli;
    const char *console = key_hex(cli->arena, asked->guest->console);
    const struct client_request request = {
        .method = "POST", .path = arena_printf(cli->arena, "/agent/keys/dismiss?console=%s", console)};
    struct desk_target target;
    struct client_reply reply;

    if (!key_target(asked, row, &target, err) ||
        !desk_ask(asked->desk, cli->arena, &target, &request, &reply, err))
        return false;
    fprintf(cli->out, "%s: %s does not obey console %s\n", row->host, row->party, console);
    return true;
}

/* Only where this desk is obeyed is it told. */
static bool add_desks(struct key_asked *asked, const struct key_row *row, struct table *table,
                      struct buf *json, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = "/agent/keys"};
    struct cli *cli = asked->cli;
    struct desk_target target;
    struct client_reply reply;
    struct error problem;
    struct node told;

    if (!desk_recall(asked->desk, row->host, row->party, &target, &problem)) {
        if (problem.code == ERROR_NOT_FOUND) return true;
        *err = problem;
        return false;
    }
    if (!desk_ask(asked->desk, cli->arena, &target, &request, &reply, err) ||
        !node_from_json(cli->arena, reply.body, reply.body_size, &told, err))
        return error_wrap(err, "%s", row->host);
    const char *own = key_hex(cli->arena, desk_own(asked->desk)->sign);
    const struct node *consoles = node_get(&told, "consoles");
    for (size_t i = 0; consoles && i < consoles->length; i++) {
        const char *console = consoles->items[i].text;
        bool here = text_equal(console, own);
        buf_printf(json, "%s{\"host\":\"%s\",\"party\":\"%s\",\"console\":", json->size > 1 ? "," : "",
                   row->host, row->party);
        buf_add_json_string(json, console);
        buf_printf(json, ",\"here\":%s}", here ? "true" : "false");
        const char *const cells[] = {row->host, row->party, console, here ? "yes" : ""};
        table_row(table, cells);
    }
    return true;
}
