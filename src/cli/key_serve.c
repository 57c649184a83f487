/* `croft key serve`: a party's own key service. Hosts that are to store something for the party wait for its
 * secret and say so to the controller; here it is decided who gets it. The controller may lie about who
 * waits: the secret is sealed to a pair that this desk took, so that nobody else gets it. */
#include "cli/keys_inside.h"

#include "base/text.h"
#include "os/seal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOK_MS = 500,
    RELEASE_TIMEOUT_MS = 10 * 1000,
    AGAIN_US = 5 * 1000 * 1000, /* until a host that has it says so, or one that did not take it may */
    SILENT_MS = 2000,
};

/* What was decided for a host, so that it is told once. */
struct decided {
    char *words;
    int64_t until_us; /* it is not asked again before; steady clock */
    bool waits;       /* as of this look */
};

struct service {
    struct key_asked asked;
    const char *party; /* NULL: the one that asks */
    char *grid;
    struct map *decided; /* PARTY@HOST -> struct decided */
    char *silent;        /* why the server does not answer; NULL: it does */
    bool refused;        /* something, in this look */
};

static bool start(struct service *service, struct error *err);
static void end(struct service *service);
static bool look(struct service *service, struct error *err);
static bool check_grid(struct service *service, const char *grid, struct error *err);
static bool find_party(struct service *service, struct arena *arena, const struct node *pairs,
                       const char **ret_party, struct error *err);
static void decide(struct service *service, struct arena *arena, const struct key_row *row);
static bool may_have(struct service *service, const struct key_row *row, struct desk_target *ret_target,
                     struct error *err);
static bool release(struct service *service, struct arena *arena, const struct desk_target *target,
                    struct error *err);
static struct decided *decided_of(struct service *service, const char *party, const char *host);
static void forget_done(struct service *service);
static void tell(struct service *service, struct decided *decided, const char *host, const char *format, ...)
    PRINTF_LIKE(4, 5);
static void silent(struct service *service, const struct error *err);

int key_serve_run(struct cli *cli)
{
    struct service service = {.asked = {.cli = cli}, .party = arguments_positional(cli->arguments, 0)};
    bool once = arguments_has(cli->arguments, "once"), good = false;
    struct error err;

    service.decided = map_new();
    good = start(&service, &err);
    while (good) {
        service.refused = false;
        good = look(&service, &err);
        /* A server that is away is waited for; one that says no is not. */
        bool away =
            !good && (err.code == ERROR_UNREACHABLE || err.code == ERROR_TIMEOUT || err.code == ERROR_FAILED);
        if (once || (!good && !away)) break;
        if (away) silent(&service, &err);
        client_sleep(cli->client, away ? SILENT_MS : LOOK_MS);
        good = true;
    }
    bool refused = service.refused;
    end(&service);
    return !good ? cli_fail(cli, &err) : refused ? 1 : 0;
}

static bool start(struct service *service, struct error *err)
{
    struct cli *cli = service->asked.cli;
    bool take = arguments_has(cli->arguments, "take");

    if (take && !service->party)
        return error_set(err, ERROR_USAGE, "key serve: with --take it has to be said of which PARTY");
    if (!seal_harden(err) || !cli_client(cli, err) ||
        !desk_open(cli->client, take, &service->asked.desk, err))
        return false;
    if (!service->asked.desk)
        return error_set(err, ERROR_REFUSED,
                         "this desk has no console key: croft key take makes one, or --take");
    return !take || key_pins_read(cli, service->party, &service->asked.pins, err);
}

static void end(struct service *service)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(service->decided, &cursor, NULL, &value)) {
        mem_free(((struct decided *)value)->words);
        mem_free(value);
    }
    map_free(service->decided);
    key_pins_free(service->asked.pins);
    desk_free(service->asked.desk);
    mem_free(service->grid);
    mem_free(service->silent);
}

static bool look(struct service *service, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = "/v1/pairs"};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct client_reply reply;
    const char *party = NULL;
    struct node answer;

    if (!client_ask(service->asked.cli->client, arena, &request, &reply, err) ||
        !node_from_json(arena, reply.body, reply.body_size, &answer, err) ||
        !check_grid(service, node_text(&answer, "grid", ""), err) ||
        !find_party(service, arena, node_get(&answer, "pairs"), &party, err))
        return false;
    mem_free(service->silent);
    service->silent = NULL;
    const struct node *pairs = node_get(&answer, "pairs");
    for (size_t i = 0; pairs && i < pairs->length; i++) {
        const struct node *node = &pairs->items[i];
        const struct key_row row = {.host = node_text(node, "host", ""),
                                    .party = node_text(node, "party", ""),
                                    .taken = node_text(node, "taken", ""),
                                    .node = node};
        if (text_equal(row.party, party) && node_bool(node, "waits", false)) decide(service, arena, &row);
    }
    forget_done(service);
    return true;
}

/* One that becomes another one is not served: its hosts are others of the same names. */
static bool check_grid(struct service *service, const char *grid, struct error *err)
{
    if (service->grid && text_equal(service->grid, grid)) return true;
    if (service->grid)
        return error_set(err, ERROR_DENIED, "the server says that it is another grid than a moment ago");
    if (!desk_set_grid(service->asked.desk, grid, err)) return false;
    service->grid = mem_strdup(grid);
    return true;
}

/* A tenant's token sees its own pairs only. */
static bool find_party(struct service *service, struct arena *arena, const struct node *pairs,
                       const char **ret_party, struct error *err)
{
    const char *found = "";

    for (size_t i = 0; !service->party && pairs && i < pairs->length; i++) {
        const char *party = node_text(&pairs->items[i], "party", "");
        if (text_equal(party, "landlord") || text_equal(party, found)) continue;
        if (found[0]) return error_set(err, ERROR_USAGE, "key serve: of which party? %s, %s …", found, party);
        found = arena_strdup(arena, party);
    }
    *ret_party = service->party ? service->party : found;
    return true;
}

static void decide(struct service *service, struct arena *arena, const struct key_row *row)
{
    const struct clock_port *clock = client_clock(service->asked.cli->client);
    struct decided *decided = decided_of(service, row->party, row->host);
    struct desk_target target = {0};
    struct error err;

    decided->waits = true;
    if (clock->steady_us(clock->self) < decided->until_us) return;
    decided->until_us = clock->steady_us(clock->self) + AGAIN_US;
    bool good = may_have(service, row, &target, &err) && release(service, arena, &target, &err);
    if (good) {
        mem_free(decided->words); /* each release is told, also of one that had it before */
        decided->words = NULL;
        tell(service, decided, row->host, "released %s's secret to it", row->party);
    } else {
        service->refused = true;
        tell(service, decided, row->host, "%s's secret not released: %s", row->party, err.message);
    }
}

static bool may_have(struct service *service, const struct key_row *row, struct desk_target *ret_target,
                     struct error *err)
{
    const struct arguments *arguments = service->asked.cli->arguments;
    bool take = arguments_has(arguments, "take"), named = !arguments_has(arguments, "only");
    const char *only = NULL;
    struct error problem;

    for (size_t i = 0; !named && (only = arguments_nth(arguments, "only", i)); i++)
        named = text_equal(only, row->host);
    if (!named) return error_set(err, ERROR_REFUSED, "it is none of --only");
    if (desk_recall(service->asked.desk, row->host, row->party, ret_target, &problem)) return true;
    if (problem.code != ERROR_NOT_FOUND) {
        *err = problem;
        return false;
    }
    if (!take && row->taken[0])
        return error_set(err, ERROR_REFUSED, "its keys were taken from another desk at %s", row->taken);
    if (!take)
        return error_set(err, ERROR_REFUSED,
                         "this desk has not taken %s's keys there: croft key take %s, or serve with --take",
                         row->party, row->host);
    return key_take(&service->asked, row, err) &&
           desk_recall(service->asked.desk, row->host, row->party, ret_target, err);
}

static bool release(struct service *service, struct arena *arena, const struct desk_target *target,
                    struct error *err)
{
    struct client_request request = {
        .method = "POST", .path = "/agent/keys/release", .timeout_ms = RELEASE_TIMEOUT_MS};
    struct client_reply reply;
    void *secret = NULL;

    if (!desk_secret(service->asked.desk, target->party, &secret, err)) return false;
    request.body = secret;
    request.body_size = VAULT_SECRET_SIZE;
    bool good = desk_ask(service->asked.desk, arena, target, &request, &reply, err);
    seal_secret_free(secret);
    return good;
}

static struct decided *decided_of(struct service *service, const char *party, const char *host)
{
    CLEANUP_MEM char *key = mem_printf("%s@%s", party, host);
    struct decided *decided = map_get(service->decided, key);

    if (decided) return decided;
    decided = mem_alloc(sizeof(*decided));
    map_put(service->decided, key, decided);
    return decided;
}

/* Who does not wait any more, and may wait again. */
static void forget_done(struct service *service)
{
    const char *key = NULL;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(service->decided, &cursor, &key, &value)) {
        struct decided *decided = value;
        bool waits = decided->waits;
        decided->waits = false;
        if (waits) continue;
        map_remove(service->decided, key);
        mem_free(decided->words);
        mem_free(decided);
    }
}

static void tell(struct service *service, struct decided *decided, const char *host, const char *format, ...)
{
    struct cli *cli = service->asked.cli;
    const struct clock_port *clock = client_clock(cli->client);
    CLEANUP_BUF struct buf words = {0}, shown = {0};
    char time[32];
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(&words, format, arguments);
    va_end(arguments);
    if (decided->words && text_equal(decided->words, buf_text(&words))) return;
    mem_free(decided->words);
    decided->words = mem_strdup(buf_text(&words));
    text_add_shown(&shown, decided->words);
    fprintf(cli->out, "%s  %s: %s\n", text_format_time(time, clock->wall_ms(clock->self)), host,
            buf_text(&shown));
    (void)cli_flush(cli); /* the secret is given out whoever reads along */
}

static void silent(struct service *service, const struct error *err)
{
    struct cli *cli = service->asked.cli;

    if (service->silent) return;
    service->silent = mem_strdup(err->message);
    fprintf(cli->err, "croft: %s; trying again\n", service->silent);
    fflush(cli->err);
}
