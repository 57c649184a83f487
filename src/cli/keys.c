/* `croft key`: parties' pairs on hosts: shown, taken by a console, rotated. */
#include "cli/keys_inside.h"

#include "base/text.h"
#include "os/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *own_party(const struct key_asked *asked);
static void show_row(struct key_asked *asked, const struct key_row *row, struct table *table,
                     struct buf *json);
static bool new_pair(struct key_asked *asked, const struct desk_target *by, const char *path,
                     struct error *err);
static bool rotate(struct key_asked *asked, const struct key_row *row, struct error *err);
static bool shut_out(struct key_asked *asked, const struct key_row *row, struct error *err);
static bool confirm_take(struct key_asked *asked, const char *party, struct error *err);
static void say_lost(const struct key_asked *asked, const char *party);
static int64_t stored_on(const struct key_asked *asked, const struct key_row *row);
static bool answers_yes(struct cli *cli, const char *question);
static bool confirm(struct key_asked *asked, bool out, const char *party, struct error *err);

static int show(struct cli *cli);

int key_show_run(struct cli *cli)
{
    const char *state = arguments_text(cli->arguments, "agent-state");

    if (state) return key_show_here(cli, state);
    if (arguments_has(cli->arguments, "console")) return key_show_console(cli);
    return arguments_has(cli->arguments, "desks") ? key_show_desks(cli) : show(cli);
}

static int show(struct cli *cli)
{
    static const struct column columns[] = {{"HOST", COLUMN_TEXT, 0},
                                            {"PARTY", COLUMN_TEXT, 0},
                                            {"GENERATION", COLUMN_NUMBER, 1},
                                            {"TAKEN", COLUMN_TEXT, 0},
                                            {"FINGERPRINT", COLUMN_TEXT, 2}};
    struct key_asked asked = {.cli = cli, .subject = arguments_positional(cli->arguments, 0)};
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0}, text = {0};
    struct table *table = table_new(columns, LENGTH(columns));
    struct node shown;
    struct error err;

    bool good = key_ask(&asked, false, &err);
    buf_add_char(&json, '[');
    for (size_t i = 0; i < asked.rows.length; i++)
        show_row(&asked, vec_at(&asked.rows, i), table, &json);
    buf_add_char(&json, ']');
    key_end(&asked);
    good = good && node_from_json(arena, json.data, json.size, &shown, &err);
    if (good && !cli_print_node(cli, &shown) && cli->format == OUTPUT_TABLE) {
        table_print(table, &cli->style, &text);
        fputs(buf_text(&text), cli->out);
    }
    table_free(table);
    return good ? 0 : cli_fail(cli, &err);
}

int key_take_run(struct cli *cli)
{
    struct key_asked asked = {.cli = cli, .subject = arguments_positional(cli->arguments, 0)};
    struct error err;

    bool good = key_ask(&asked, true, &err);
    const char *party = good ? key_only_party(&asked) : NULL;
    good = good && key_pins_read(cli, party, &asked.pins, &err) && confirm_take(&asked, party, &err);
    int code = good ? key_each(&asked, key_take) : cli_fail(cli, &err);
    key_end(&asked);
    return code;
}

int key_rotate_run(struct cli *cli)
{
    struct key_asked asked = {.cli = cli, .subject = arguments_positional(cli->arguments, 0)};
    const char *party = arguments_text(cli->arguments, "party");
    bool out = party && !text_equal(party, "landlord");
    struct error err;

    bool good = key_ask(&asked, false, &err);
    if (good && !asked.desk)
        good =
            error_set(&err, ERROR_REFUSED,
                      "this desk has no console key: croft key take %s makes one, where nobody took them yet",
                      asked.subject);
    if (good) {
        party = key_only_party(&asked);
        good = confirm(&asked, out, party, &err);
    }
    int code = good ? key_each(&asked, out ? shut_out : rotate) : cli_fail(cli, &err);
    key_end(&asked);
    return code;
}

bool key_ask(struct key_asked *asked, bool make, struct error *err)
{
    struct cli *cli = asked->cli;
    const char *path = "/v1/pairs";

    asked->rows = VEC_OF(struct key_row);
    if (asked->subject) path = arena_printf(cli->arena, "/v1/pairs?name=%s", cli_escape(cli, asked->subject));
    if (!cli_ask(cli, "GET", path, NULL, &asked->answer, err) ||
        !desk_open(cli->client, make, &asked->desk, err) ||
        (asked->desk && !desk_set_grid(asked->desk, node_text(&asked->answer, "grid", ""), err)))
        return false;
    const struct node *keys = node_get(&asked->answer, "pairs");
    for (size_t i = 0; keys && i < keys->length; i++) {
        const struct node *node = &keys->items[i];
        *(struct key_row *)vec_push(&asked->rows) =
            (struct key_row){.host = node_text(node, "host", ""),
                             .party = node_text(node, "party", ""),
                             .taken = node_text(node, "taken", ""),
                             .generation = node_int(node, "generation", 0),
                             .node = node};
    }
    return true;
}

void key_end(struct key_asked *asked)
{
    desk_free(asked->desk);
    key_pins_free(asked->pins);
    vec_free(&asked->rows);
}

const char *key_only_party(struct key_asked *asked)
{
    const char *given = arguments_text(asked->cli->arguments, "party");
    const char *party = given ? given : own_party(asked);

    for (size_t i = asked->rows.length; i-- > 0;)
        if (!text_equal(((const struct key_row *)vec_at(&asked->rows, i))->party, party))
            vec_remove(&asked->rows, i);
    return party;
}

/* Of a farm its party; of a host the landlord, who sees its own there, or the one party that asks. */
static const char *own_party(const struct key_asked *asked)
{
    const char *slash = strchr(asked->subject, '/');
    const char *party = "";

    if (slash) return arena_strndup(asked->cli->arena, asked->subject, (size_t)(slash - asked->subject));
    for (size_t i = 0; i < asked->rows.length; i++) {
        party = ((const struct key_row *)vec_at(&asked->rows, i))->party;
        if (text_equal(party, "landlord")) break;
    }
    return party;
}

/* A pair that this desk took is shown whole: only here its public halves are known. */
static void show_row(struct key_asked *asked, const struct key_row *row, struct table *table,
                     struct buf *json)
{
    struct arena *arena = asked->cli->arena;
    const char *seal = node_text(row->node, "seal", ""), *sign = node_text(row->node, "sign", ""),
               *fingerprint = node_text(row->node, "fingerprint", "");
    struct desk_target target;
    struct error err;
    bool here =
        asked->desk && row->taken[0] && desk_recall(asked->desk, row->host, row->party, &target, &err);

    if (here) {
        seal = key_hex(arena, target.pair.seal);
        sign = key_hex(arena, target.pair.sign);
        fingerprint = key_hex(arena, target.pair.fingerprint);
    }
    buf_add_text(json, json->size > 1 ? ",{\"host\":" : "{\"host\":");
    buf_add_json_string(json, row->host);
    buf_add_text(json, ",\"party\":");
    buf_add_json_string(json, row->party);
    buf_printf(json, ",\"generation\":%" PRId64 ",\"taken\":", row->generation);
    buf_add_json_string(json, row->taken);
    buf_printf(json, ",\"here\":%s,\"seal\":", here ? "true" : "false");
    buf_add_json_string(json, seal);
    buf_add_text(json, ",\"sign\":");
    buf_add_json_string(json, sign);
    buf_add_text(json, ",\"fingerprint\":");
    buf_add_json_string(json, fingerprint);
    buf_add_char(json, '}');
    const char *const cells[] = {row->host, row->party, arena_printf(arena, "%" PRId64, row->generation),
                                 !row->taken[0] ? "no"
                                 : here         ? arena_printf(arena, "%s, here", row->taken)
                                                : row->taken,
                                 fingerprint[0] ? fingerprint : NULL};
    table_row(table, cells);
}

/* By the pair that the controller tells: from then on by one that it is not told. */
bool key_take(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    struct desk_target target = {.host = row->host, .party = row->party};
    struct error problem;

    if (!node_text(row->node, "fingerprint", "")[0]) {
        if (desk_recall(asked->desk, row->host, row->party, &target, &problem)) {
            fprintf(asked->cli->out, "%s: %s's keys are taken, by this desk, since %s\n", row->host,
                    row->party, row->taken);
            return true;
        }
        if (problem.code != ERROR_NOT_FOUND) {
            *err = problem;
            return false;
        }
        return error_set(
            err, ERROR_REFUSED,
            "%s's keys were taken from another desk at %s: ask there for croft key admit, or the landlord "
            "for croft key rotate --party %s %s",
            row->party, row->taken, row->party, row->host);
    }
    return key_told_pair(row->node, &target.pair, err) &&
           key_pins_check(asked->pins, row->host, row->party, &target.pair, err) &&
           new_pair(asked, &target, "/agent/keys/take", err);
}

bool key_told_pair(const struct node *node, struct vault_pair *ret_pair, struct error *err)
{
    unsigned char told[VAULT_DIGEST_SIZE];
    struct vault_pair pair;

    if (!key_read_hex(node_text(node, "seal", ""), pair.seal) ||
        !key_read_hex(node_text(node, "sign", ""), pair.sign) ||
        !key_read_hex(node_text(node, "fingerprint", ""), told))
        return error_set(err, ERROR_FAILED, "the public halves that it tells are damaged");
    seal_fingerprint(&pair);
    if (memcmp(pair.fingerprint, told, sizeof(told)) != 0)
        return error_set(err, ERROR_FAILED, "the public halves that it tells have another fingerprint");
    *ret_pair = pair;
    return true;
}

bool key_read_hex(const char *text, unsigned char ret_key[VAULT_KEY_SIZE])
{
    if (strlen(text) != KEY_HEX_SIZE) return false;
    for (size_t i = 0; i < VAULT_KEY_SIZE; i++) {
        int high = text_hex_digit(text[2 * i]), low = text_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        ret_key[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Asked for by the pair that is known here, kept, and then used: with that the host forgets the one before.
 * If this ends at any place, the same command brings it to its end. */
static bool new_pair(struct key_asked *asked, const struct desk_target *by, const char *path,
                     struct error *err)
{
    struct cli *cli = asked->cli;
    const struct client_request wanted = {.method = "POST", .path = path};
    const struct client_request used = {.method = "GET", .path = "/agent/keys"};
    struct desk_target target = *by;
    struct client_reply reply;
    struct node node;

    if (!desk_ask(asked->desk, cli->arena, by, &wanted, &reply, err) ||
        !node_from_json(cli->arena, reply.body, reply.body_size, &node, err) ||
        !key_told_pair(&node, &target.pair, err))
        return false;
    target.generation = node_int(&node, "generation", 0);
    if (!desk_remember(asked->desk, &target, err) ||
        !desk_ask(asked->desk, cli->arena, &target, &used, &reply, err))
        return false;
    fprintf(cli->out, "%s: %s has pair %" PRId64 ", fingerprint %s\n", by->host, by->party, target.generation,
            key_hex(cli->arena, target.pair.fingerprint));
    const struct node *consoles = node_from_json(cli->arena, reply.body, reply.body_size, &node, err)
                                      ? node_get(&node, "consoles")
                                      : NULL;
    if (consoles && consoles->length > 1)
        fprintf(cli->out,
                "%s: %s has %zu other desks there, which need the new pair: croft key admit each again\n",
                by->host, by->party, consoles->length - 1);
    return true;
}

static bool rotate(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    struct desk_target target;

    return key_target(asked, row, &target, err) && new_pair(asked, &target, "/agent/keys/rotate", err);
}

bool key_target(const struct key_asked *asked, const struct key_row *row, struct desk_target *ret_target,
                struct error *err)
{
    struct error problem;

    if (desk_recall(asked->desk, row->host, row->party, ret_target, &problem)) return true;
    if (problem.code == ERROR_NOT_FOUND)
        return error_set(err, ERROR_REFUSED, "this desk has not taken %s's keys: croft key take %s",
                         row->party, asked->subject);
    *err = problem;
    return false;
}

/* By the landlord's own pair there. */
static bool shut_out(struct key_asked *asked, const struct key_row *row, struct error *err)
{
    struct cli *cli = asked->cli;
    const struct client_request request = {
        .method = "POST", .path = arena_printf(cli->arena, "/agent/keys/rotate?party=%s", row->party)};
    struct desk_target target;
    struct client_reply reply;
    struct error problem;

    if (!desk_recall(asked->desk, row->host, "landlord", &target, &problem)) {
        *err = problem;
        if (problem.code != ERROR_NOT_FOUND) return false;
        return error_set(err, ERROR_REFUSED,
                         "only the landlord's console rotates the keys of %s: croft key take %s, with the "
                         "landlord's token",
                         row->party, row->host);
    }
    if (!desk_ask(asked->desk, cli->arena, &target, &request, &reply, err) ||
        !desk_forget(asked->desk, row->host, row->party, err))
        return false;
    fprintf(cli->out, "%s: %s's keys are new, and nobody has taken them\n", row->host, row->party);
    return true;
}

static bool confirm(struct key_asked *asked, bool out, const char *party, struct error *err)
{
    struct cli *cli = asked->cli;

    if (arguments_has(cli->arguments, "yes")) return true;
    if (!isatty(STDIN_FILENO))
        return error_set(err, ERROR_USAGE,
                         "key rotate asks before it does: add --yes where nobody can answer");
    fprintf(cli->err, "%s on %zu host%s: the pair in use is destroyed, with all that is sealed to it.\n",
            party, asked->rows.length, asked->rows.length == 1 ? "" : "s");
    say_lost(asked, party);
    fputs(out ? "Its consoles are shut out there: whoever of it takes the keys first is obeyed then.\n"
              : "Other desks that have the old one are not obeyed any more.\n",
          cli->err);
    return answers_yes(cli, "Rotate?") || error_set(err, ERROR_REFUSED, "nothing was rotated");
}

/* Only where somebody can answer, and something would be lost: with a first pair that is seldom much. */
static bool confirm_take(struct key_asked *asked, const char *party, struct error *err)
{
    struct cli *cli = asked->cli;
    int64_t stored = 0;

    for (size_t i = 0; i < asked->rows.length; i++) {
        const struct key_row *row = vec_at(&asked->rows, i);
        if (node_text(row->node, "fingerprint", "")[0]) stored += stored_on(asked, row);
    }
    if (stored == 0 || arguments_has(cli->arguments, "yes")) return true;
    say_lost(asked, party);
    return !isatty(STDIN_FILENO) || answers_yes(cli, "Take?") ||
           error_set(err, ERROR_REFUSED, "nothing was taken");
}

/* The secret that goes with the pair is one of those that all below it is encrypted with. */
static void say_lost(const struct key_asked *asked, const char *party)
{
    struct cli *cli = asked->cli;
    CLEANUP_BUF struct buf hosts = {0};

    for (size_t i = 0; i < asked->rows.length; i++) {
        const struct key_row *row = vec_at(&asked->rows, i);
        if (stored_on(asked, row) > 0) buf_printf(&hosts, "%s%s", hosts.size > 0 ? ", " : "", row->host);
    }
    if (text_equal(party, "landlord"))
        fputs("So is the host's secret: what is stored there for any party, kept logs and private images, is "
              "lost to everybody",
              cli->err);
    else
        fprintf(
            cli->err,
            "So is %s's secret there: what is stored for it and for parties below it, kept logs and private "
            "images, is lost to everybody",
            party);
    fprintf(cli->err, "; now there is %s%s. What runs goes on.\n", hosts.size > 0 ? "some on " : "none",
            buf_text(&hosts));
}

/* The landlord's secret is in all that is stored there. */
static int64_t stored_on(const struct key_asked *asked, const struct key_row *row)
{
    const struct node *pairs = node_get(&asked->answer, "pairs");
    int64_t stored = 0;

    if (!text_equal(row->party, "landlord")) return node_int(row->node, "stored", 0);
    for (size_t i = 0; pairs && i < pairs->length; i++)
        if (text_equal(node_text(&pairs->items[i], "host", ""), row->host))
            stored += node_int(&pairs->items[i], "stored", 0);
    return stored;
}

static bool answers_yes(struct cli *cli, const char *question)
{
    char answer[16] = "";

    fprintf(cli->err, "%s [y/N] ", question);
    fflush(cli->err);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int key_each(struct key_asked *asked,
             bool (*act)(struct key_asked *asked, const struct key_row *row, struct error *err))
{
    struct cli *cli = asked->cli;
    struct error err;
    int code = 0;

    if (asked->rows.length == 0) {
        error_set(&err, ERROR_NOT_FOUND,
                  "no host has keys of %s here: they are made when it first has something there",
                  asked->subject);
        return cli_fail(cli, &err);
    }
    for (size_t i = 0; i < asked->rows.length; i++) {
        const struct key_row *row = vec_at(&asked->rows, i);
        if (act(asked, row, &err)) continue;
        error_wrap(&err, "%s", row->host);
        int failed = cli_fail(cli, &err);
        if (code == 0) code = failed;
    }
    return code;
}

const char *key_hex(struct arena *arena, const unsigned char key[VAULT_KEY_SIZE])
{
    char *text = arena_alloc(arena, 2 * VAULT_KEY_SIZE + 1);
    for (size_t i = 0; i < VAULT_KEY_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    return text;
}
