/* Fingerprints that somebody brings from the hosts themselves: with them the controller is not believed. */
#include "base/text.h"
#include "cli/file.h"
#include "cli/keys_inside.h"
#include "cli/late.h"
#include "model/schemas.h"
#include "os/pki.h"
#include "os/seal.h"
#include "os/vault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct pin {
    const char *host, *party;
    const char *where; /* who says so */
    unsigned char fingerprint[VAULT_DIGEST_SIZE];
};

struct key_pins {
    struct vec list; /* struct pin */
};

static bool read_word(struct cli *cli, const char *party, const char *word, struct key_pins *pins,
                      struct error *err);
static bool read_file(struct cli *cli, const char *path, struct key_pins *pins, struct error *err);
static bool host_name(struct cli *cli, const char *state, const char **ret_name, struct error *err);
static bool look(struct cli *cli, const char *state, const struct vault_port *vault, struct table *table,
                 struct buf *json, struct error *err);
static bool show_pair(struct cli *cli, const char *state, const char *host, const char *party,
                      const struct vault_pair *pair, struct table *table, struct buf *json,
                      struct error *err);

bool key_pins_read(struct cli *cli, const char *party, struct key_pins **ret_pins, struct error *err)
{
    const char *word = NULL;
    bool good = true;

    *ret_pins = NULL;
    if (!arguments_has(cli->arguments, "fingerprint") && !arguments_has(cli->arguments, "pins")) return true;
    struct key_pins *pins = mem_alloc(sizeof(*pins));
    pins->list = VEC_OF(struct pin);
    for (size_t i = 0; good && (word = arguments_nth(cli->arguments, "fingerprint", i)); i++)
        good = read_word(cli, party, word, pins, err);
    for (size_t i = 0; good && (word = arguments_nth(cli->arguments, "pins", i)); i++)
        good = read_file(cli, word, pins, err);
    if (good)
        *ret_pins = pins;
    else
        key_pins_free(pins);
    return good;
}

void key_pins_free(struct key_pins *pins)
{
    if (!pins) return;
    vec_free(&pins->list);
    mem_free(pins);
}

bool key_pins_check(const struct key_pins *pins, const char *host, const char *party,
                    const struct vault_pair *pair, struct error *err)
{
    bool known = !pins;

    for (size_t i = 0; pins && i < pins->list.length; i++) {
        const struct pin *pin = vec_at(&pins->list, i);
        if (!text_equal(pin->host, host) || !text_equal(pin->party, party)) continue;
        known = true;
        if (memcmp(pin->fingerprint, pair->fingerprint, sizeof(pin->fingerprint)) == 0) continue;
        return error_set(
            err, ERROR_DENIED,
            "the controller tells a pair of %s with another fingerprint than %s: either it lies, "
            "or the pair was made anew since; look again on the host",
            party, pin->where);
    }
    return known || error_set(err, ERROR_DENIED,
                              "no fingerprint of %s's pair there was given: --fingerprint %s=HEX, or a file "
                              "that croft key show --agent-state DIR -o json printed on it",
                              party, host);
}

/* HOST=HEX */
static bool read_word(struct cli *cli, const char *party, const char *word, struct key_pins *pins,
                      struct error *err)
{
    size_t length = strcspn(word, "=");
    struct pin pin = {
        .host = arena_strndup(cli->arena, word, length), .party = party, .where = "--fingerprint says"};

    if (!word[length] || !text_is_name(pin.host) || !key_read_hex(word + length + 1, pin.fingerprint))
        return error_set(err, ERROR_USAGE,
                         "key take: --fingerprint takes HOST=HEX, the fingerprint in %d hexadecimal digits",
                         KEY_HEX_SIZE);
    *(struct pin *)vec_push(&pins->list) = pin;
    return true;
}

static bool read_file(struct cli *cli, const char *path, struct key_pins *pins, struct error *err)
{
    CLEANUP_BUF struct buf text = {0};
    struct node *rows = arena_alloc(cli->arena, sizeof(*rows));

    if (!user_file_read(path, &text, err)) return false;
    if (!node_from_json(cli->arena, arena_strndup(cli->arena, text.data, text.size), text.size, rows, err))
        return error_wrap(err, "%s", path);
    bool good = rows->kind == NODE_LIST;
    for (size_t i = 0; good && i < rows->length; i++) {
        const struct node *row = &rows->items[i];
        const char *fingerprint = node_text(row, "fingerprint", NULL);
        struct pin pin = {.host = node_text(row, "host", ""),
                          .party = node_text(row, "party", ""),
                          .where = arena_printf(cli->arena, "%s has", path)};
        good = fingerprint && text_is_name(pin.host) && text_is_name(pin.party);
        if (!good || !fingerprint[0]) continue; /* its party's own, which nobody else is told */
        good = key_read_hex(fingerprint, pin.fingerprint);
        if (good) *(struct pin *)vec_push(&pins->list) = pin;
    }
    return good || error_set(err, ERROR_INVALID,
                             "%s has no fingerprints of hosts: croft key show --agent-state DIR -o json "
                             "prints them there",
                             path);
}

int key_show_here(struct cli *cli, const char *state)
{
    static const struct column columns[] = {{"HOST", COLUMN_TEXT, 0},
                                            {"PARTY", COLUMN_TEXT, 0},
                                            {"TAKEN", COLUMN_TEXT, 0},
                                            {"FINGERPRINT", COLUMN_TEXT, 2}};
    const char *directory = arena_printf(cli->arena, "%s/vault", state);
    CLEANUP_BUF struct buf json = {0}, text = {0};
    struct table *table = table_new(columns, LENGTH(columns));
    struct os_vault *vault = NULL;
    struct node shown;
    struct error err;

    bool good = late_load(&err) && seal_harden(&err);
    if (good && !os_vault_look(directory, &vault, &err)) {
        good = false;
        if (err.code == ERROR_NOT_FOUND)
            error_set(
                &err, ERROR_NOT_FOUND,
                "%s is no agent's state directory: there are no keys in it (as root: croft agent --state)",
                state);
    }
    buf_add_char(&json, '[');
    good = good && look(cli, state, os_vault_port(vault), table, &json, &err);
    buf_add_char(&json, ']');
    os_vault_free(vault);
    good = good && node_from_json(cli->arena, json.data, json.size, &shown, &err);
    if (good && !cli_print_node(cli, &shown) && cli->format == OUTPUT_TABLE) {
        table_print(table, &cli->style, &text);
        fputs(buf_text(&text), cli->out);
    }
    table_free(table);
    return good ? 0 : cli_fail(cli, &err);
}

static bool look(struct cli *cli, const char *state, const struct vault_port *vault, struct table *table,
                 struct buf *json, struct error *err)
{
    struct vec slots = VEC_OF(char *);
    const char *host = NULL;
    struct vault_pair pair;

    bool good = host_name(cli, state, &host, err);
    vault->list(vault->self, &slots);
    for (size_t i = 0; i < slots.length; i++) {
        char *slot = *(char **)vec_at(&slots, i);
        /* Not pairs that somebody asked for and has not used yet. */
        if (good && text_is_name(slot) && vault->find(vault->self, slot, &pair))
            good = show_pair(cli, state, host, slot, &pair, table, json, err);
        mem_free(slot);
    }
    vec_free(&slots);
    return good;
}

/* As its certificate says, which it got from the controller: what is told of the host is by this name. */
static bool host_name(struct cli *cli, const char *state, const char **ret_name, struct error *err)
{
    CLEANUP_BUF struct buf certificate = {0}, identity = {0};

    if (!user_file_read(arena_printf(cli->arena, "%s/host.crt", state), &certificate, err) ||
        !pki_certificate_identity(buf_text(&certificate), &identity, err))
        return false;
    if (!text_starts(buf_text(&identity), "host/"))
        return error_set(err, ERROR_INVALID, "%s/host.crt is no host's certificate", state);
    *ret_name = arena_strdup(cli->arena, buf_text(&identity) + strlen("host/"));
    return true;
}

/* Of a pair that its party asked for even root of the host is shown nothing that others could be told. */
static bool show_pair(struct cli *cli, const char *state, const char *host, const char *party,
                      const struct vault_pair *pair, struct table *table, struct buf *json, struct error *err)
{
    const char *path = arena_printf(cli->arena, "%s/keys/%s", state, party), *taken = "";
    const char *halves[] = {key_hex(cli->arena, pair->seal), key_hex(cli->arena, pair->sign),
                            key_hex(cli->arena, pair->fingerprint)};
    CLEANUP_BUF struct buf text = {0};
    struct kept_keys kept = {0};
    char time[32];

    if (!user_file_read(path, &text, err) ||
        !model_read_json(&schema_kept_keys, cli->arena, buf_text(&text), text.size, &kept, err))
        return error_wrap(err, "keys of %s", party);
    if (kept.taken_ms) taken = arena_strdup(cli->arena, text_format_time(time, kept.taken_ms));
    for (size_t i = 0; kept.own && i < LENGTH(halves); i++)
        halves[i] = "";
    buf_add_text(json, json->size > 1 ? ",{\"host\":" : "{\"host\":");
    buf_add_json_string(json, host);
    buf_add_text(json, ",\"party\":");
    buf_add_json_string(json, party);
    buf_printf(json,
               ",\"generation\":%" PRId64
               ",\"taken\":\"%s\",\"seal\":\"%s\",\"sign\":\"%s\",\"fingerprint\":\"%s\"}",
               kept.generation, taken, halves[0], halves[1], halves[2]);
    const char *const cells[] = {host, party, taken[0] ? taken : "no", halves[2][0] ? halves[2] : NULL};
    table_row(table, cells);
    return true;
}
