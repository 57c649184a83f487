/* `croft lease`: what one party gives another below it, for a time. */
#include "base/text.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *free_name(struct cli *cli, const struct node *leases, const char *to);
static void add_member(struct buf *body, const char *key, const char *value);
static void add_capacity(struct cli *cli, struct buf *body);
static void add_rights(struct cli *cli, struct buf *body);
static bool confirm(struct cli *cli, const struct node *lease, bool *ret_yes, struct error *err);
static bool has_other(const struct node *leases, const struct node *lease);

int lease_list_run(struct cli *cli)
{
    return get_list(cli, "leases");
}

int lease_grant_run(struct cli *cli)
{
    const struct arguments *arguments = cli->arguments;
    const char *to = arguments_text(arguments, "to"), *from = arguments_text(arguments, "from");
    const char *name = arguments_text(arguments, "name"), *until = arguments_text(arguments, "until");
    CLEANUP_BUF struct buf body = {0};
    struct node leases, party;
    struct error err;

    if (!to || !arguments_text(arguments, "rights")) {
        error_set(&err, ERROR_USAGE, "lease grant: say --to PARTY and --rights software,develop,…");
        return cli_fail(cli, &err);
    }
    if (!from) {
        const char *path = arena_printf(cli->arena, "/v1/parties/%s", cli_escape(cli, to));
        if (!cli_ask(cli, "GET", path, NULL, &party, &err)) return cli_fail(cli, &err);
        from = node_text(&party, "parent", "");
    }
    if (!name) {
        if (!cli_ask(cli, "GET", "/v1/leases", NULL, &leases, &err)) return cli_fail(cli, &err);
        name = free_name(cli, &leases, to);
    }
    buf_add_text(&body, "{\"kind\":\"Lease\"");
    add_member(&body, "name", name);
    add_member(&body, "from", from);
    add_member(&body, "to", to);
    add_capacity(cli, &body);
    add_rights(cli, &body);
    if (until) add_member(&body, "until", until);
    buf_add_char(&body, '}');
    return cli_do(cli, "PUT", arena_printf(cli->arena, "/v1/leases/%s", cli_escape(cli, name)),
                  buf_text(&body), arena_printf(cli->arena, "lease %s granted to %s", name, to));
}

int lease_end_run(struct cli *cli)
{
    const char *name = arguments_positional(cli->arguments, 0),
               *reason = arguments_text(cli->arguments, "reason");
    const char *path = arena_printf(cli->arena, "/v1/leases/%s", cli_escape(cli, name));
    CLEANUP_BUF struct buf body = {0};
    struct node lease;
    struct error err;
    bool yes = true;

    if (!arguments_has(cli->arguments, "yes") && isatty(STDIN_FILENO)) {
        if (!cli_ask(cli, "GET", path, NULL, &lease, &err) || !confirm(cli, &lease, &yes, &err))
            return cli_fail(cli, &err);
        if (!yes) {
            error_set(&err, ERROR_REFUSED, "lease %s goes on: nothing was done", name);
            return cli_fail(cli, &err);
        }
    }
    buf_add_text(&body, "{\"reason\":");
    buf_add_json_string(&body, reason ? reason : "");
    buf_add_char(&body, '}');
    return cli_do(cli, "POST", arena_printf(cli->arena, "%s/end", path), buf_text(&body),
                  arena_printf(cli->arena, "lease %s ended", name));
}

/* As who gets it; where that is taken with a number. */
static const char *free_name(struct cli *cli, const struct node *leases, const char *to)
{
    const char *name = to;

    for (int64_t number = 2;; number++) {
        bool taken = false;
        for (size_t i = 0; i < leases->length; i++)
            taken |= text_equal(node_text(&leases->items[i], "name", ""), name);
        if (!taken) return name;
        name = arena_printf(cli->arena, "%s-%" PRId64, to, number);
    }
}

static void add_member(struct buf *body, const char *key, const char *value)
{
    bool is_number = value[0] && strspn(value, "0123456789.") == strlen(value);

    buf_printf(body, ",\"%s\":", key);
    if (is_number && (text_equal(key, "cpus") || text_equal(key, "instances") || text_equal(key, "farms")))
        buf_add_text(body, value);
    else
        buf_add_json_string(body, value);
}

static void add_capacity(struct cli *cli, struct buf *body)
{
    static const char *const keys[] = {"cpus", "memory", "disk", "network", "instances", "farms"};
    CLEANUP_BUF struct buf members = {0};

    for (size_t i = 0; i < LENGTH(keys); i++) {
        const char *value = arguments_text(cli->arguments, keys[i]);
        if (value) add_member(&members, keys[i], value);
    }
    if (members.size > 0) buf_printf(body, ",\"capacity\":{%s}", buf_text(&members) + 1);
}

static void add_rights(struct cli *cli, struct buf *body)
{
    const char *at = arguments_text(cli->arguments, "rights");

    buf_add_text(body, ",\"rights\":[");
    for (bool first = true; *at; first = false) {
        size_t size = strcspn(at, ",");
        if (!first) buf_add_char(body, ',');
        buf_add_json_string(body, arena_strndup(cli->arena, at, size));
        at += size + (at[size] == ',');
    }
    buf_add_char(body, ']');
}

/* Says what will be lost. */
static bool confirm(struct cli *cli, const struct node *lease, bool *ret_yes, struct error *err)
{
    const struct node *status = node_get(lease, "status");
    const char *name = node_text(lease, "name", ""), *to = node_text(lease, "to", "");
    int64_t instances = status ? node_int(status, "instances", 0) : 0;
    struct node leases;
    char answer[128] = "";

    if (!cli_ask(cli, "GET", "/v1/leases", NULL, &leases, err)) return false;
    if (has_other(&leases, lease))
        fprintf(cli->err, "Party %s holds another lease: nothing of it stops, and it has less.\n", to);
    else
        fprintf(cli->err,
                "All of party %s, and of those below it, is stopped and wiped: %" PRId64
                " instances. What they hold is lost for everybody.\n",
                to, instances);
    fprintf(cli->err, "To end lease %s from %s, type its name: ", name, node_text(lease, "from", ""));
    fflush(cli->err);
    if (fgets(answer, sizeof(answer), stdin)) answer[strcspn(answer, "\n")] = '\0';
    *ret_yes = text_equal(answer, name);
    return true;
}

static bool has_other(const struct node *leases, const struct node *lease)
{
    for (size_t i = 0; i < leases->length; i++) {
        const struct node *other = &leases->items[i];
        if (text_equal(node_text(other, "to", ""), node_text(lease, "to", "")) &&
            text_equal(node_text(other, "state", ""), "active") &&
            !text_equal(node_text(other, "name", ""), node_text(lease, "name", "")))
            return true;
    }
    return false;
}
