/* The grid itself: from the command line to the options of `croft up` and of the long-running parts. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid_read.h"
#include "cli/mains.h"
#include "cli/up/up.h"

#include <stdio.h>
#include <string.h>

enum { KEEP_BILLS_MONTHS = 25 }; /* as commands.c says */

static bool read_number(struct cli *cli, const char *option, unsigned *ret_number, struct error *err);
static bool read_prefixes(struct cli *cli, const char *option, struct vec *prefixes, struct error *err);
static bool read_reach(struct cli *cli, struct vec *prefixes, struct error *err);
static bool read_fd(struct cli *cli, const char *option, int *ret_fd, struct error *err);
static bool read_capacity(struct cli *cli, const char *option, struct resources *ret_resources,
                          struct error *err);
static bool wants(struct cli *cli, const char *const *options, struct error *err);

int up_run(struct cli *cli)
{
    struct up_options options = up_options_default();
    struct resources capacity = {options.capacity.cpus_millis, options.capacity.memory_bytes,
                                 options.capacity.disk_bytes, options.capacity.network_bits_per_s};
    const char *state = arguments_text(cli->arguments, "state"),
               *listen = arguments_text(cli->arguments, "listen");
    struct error err;

    options.contacts_reach = arguments_text(cli->arguments, "contacts-reach");
    options.secrets = arguments_text(cli->arguments, "secrets");
    options.authorities = arguments_text(cli->arguments, "authorities");
    options.hardware = arguments_text(cli->arguments, "hardware");
    struct vec reach = VEC_OF(struct wide_prefix);
    bool good = read_reach(cli, &reach, &err); /* the controller would end, again and again */
    vec_free(&reach);
    if (!good || !read_number(cli, "hosts", &options.hosts, &err) ||
        !read_number(cli, "racks", &options.racks, &err) ||
        !read_number(cli, "sites", &options.sites, &err) || !read_capacity(cli, "capacity", &capacity, &err))
        return cli_fail(cli, &err);
    options.capacity = (struct up_capacity){capacity.cpus_millis, capacity.memory_bytes, capacity.disk_bytes,
                                            capacity.network_bits_per_s};
    if (state) options.state = state;
    if (listen) options.listen = listen;
    options.detach = arguments_has(cli->arguments, "detach");
    return up_main(&options);
}

int down_run(struct cli *cli)
{
    const char *state = arguments_text(cli->arguments, "state");
    const struct down_options options = {.state = state ? state : UP_STATE_DEFAULT};
    return down_main(&options);
}

int host_init_run(struct cli *cli)
{
    size_t length = cli->arguments->positionals.length;
    char **argv = arena_alloc_array(cli->arena, length + 2, sizeof(*argv));

    argv[0] = arena_strdup(cli->arena, "host-init");
    for (size_t i = 0; i < length; i++)
        argv[i + 1] = arena_strdup(cli->arena, arguments_positional(cli->arguments, i));
    return host_init_main((int)length + 1, argv);
}

int controller_run(struct cli *cli)
{
    static const char *const needed[] = {"state", "agents", NULL};
    const struct arguments *arguments = cli->arguments;
    struct controller_main_options options = {.state = arguments_text(arguments, "state"),
                                              .listen = arguments_text(arguments, "listen"),
                                              .listen_fd = -1,
                                              .tls_listen = arguments_text(arguments, "tls-listen"),
                                              .tls_certificate = arguments_text(arguments, "tls-certificate"),
                                              .tls_key = arguments_text(arguments, "tls-key"),
                                              .agents = arguments_text(arguments, "agents"),
                                              .power = arguments_text(arguments, "power"),
                                              .secrets = arguments_text(arguments, "secrets"),
                                              .authorities = arguments_text(arguments, "authorities"),
                                              .keep_bills_months = KEEP_BILLS_MONTHS};
    struct vec reach = VEC_OF(struct wide_prefix);
    struct error err;

    if (!wants(cli, needed, &err) || !read_fd(cli, "listen-fd", &options.listen_fd, &err) ||
        !read_number(cli, "keep-bills", &options.keep_bills_months, &err))
        return cli_fail(cli, &err);
    if ((options.listen != NULL) == (options.listen_fd >= 0)) {
        error_set(&err, ERROR_USAGE,
                  "controller: where is the API to listen? Either --listen or --listen-fd");
        return cli_fail(cli, &err);
    }
    if (!options.tls_listen != !options.tls_certificate || !options.tls_listen != !options.tls_key) {
        error_set(&err, ERROR_USAGE,
                  "controller: https takes all three of --tls-listen, --tls-certificate and --tls-key");
        return cli_fail(cli, &err);
    }
    if (!read_reach(cli, &reach, &err)) return cli_fail(cli, &err);
    options.reach = reach.items;
    options.reach_length = reach.length;
    int status = controller_main(&options);
    vec_free(&reach);
    return status;
}

int agent_run(struct cli *cli)
{
    static const char *const needed[] = {"name", "state", "run", "join", "listen", "zone", "capacity", NULL};
    const struct arguments *arguments = cli->arguments;
    const char *pool = arguments_text(arguments, "pool"), *class_name = arguments_text(arguments, "class");
    const char *zone = arguments_text(arguments, "zone"), *name = arguments_text(arguments, "name");
    struct agent_main_options options = {.state = arguments_text(arguments, "state"),
                                         .run = arguments_text(arguments, "run"),
                                         .join = arguments_text(arguments, "join"),
                                         .token = arguments_text(arguments, "token"),
                                         .token_file = arguments_text(arguments, "token-file"),
                                         .listen = arguments_text(arguments, "listen"),
                                         .underlay = arguments_text(arguments, "underlay"),
                                         .outside = arguments_text(arguments, "outside"),
                                         .cgroup = arguments_text(arguments, "cgroup"),
                                         .hardware = arguments_text(arguments, "hardware"),
                                         .publish_net_fd = -1,
                                         .publish_table = arguments_text(arguments, "publish-table"),
                                         .whoami = arguments_text(arguments, "whoami")};
    struct vec refused = VEC_OF(struct prefix);
    struct error err;

    if (!wants(cli, needed, &err) || !read_fd(cli, "publish-net-fd", &options.publish_net_fd, &err) ||
        !read_prefixes(cli, "outside-refused", &refused, &err) ||
        !read_capacity(cli, "capacity", &options.host.capacity, &err) ||
        !read_capacity(cli, "reserve", &options.host.reserve, &err))
        return cli_fail(cli, &err);
    if (!options.hardware) options.hardware = "/sys";
    options.host.name = name;
    options.host.zone = zone;
    options.host.pool = pool ? pool : "general";
    options.host.class_name = class_name ? class_name : "general";
    options.outside_refused = refused.items;
    options.outside_refused_length = refused.length;
    int status = agent_main(&options);
    vec_free(&refused);
    return status;
}

static bool read_number(struct cli *cli, const char *option, unsigned *ret_number, struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);
    uint64_t value = 0;

    if (!text) return true;
    if (!text_parse_u64(text, &value) || value > UINT32_MAX)
        return error_set(err, ERROR_USAGE, "%s: --%s takes a number, not \"%s\"",
                         cli->arguments->command->name, option, text);
    *ret_number = (unsigned)value;
    return true;
}

static bool read_fd(struct cli *cli, const char *option, int *ret_fd, struct error *err)
{
    unsigned number = 0;

    if (!arguments_text(cli->arguments, option)) return true;
    if (!read_number(cli, option, &number, err)) return false;
    *ret_fd = (int)(number & INT32_MAX);
    return true;
}

static bool read_prefixes(struct cli *cli, const char *option, struct vec *prefixes, struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);

    for (const char *at = text ? text : ""; *at;) {
        size_t size = strcspn(at, ",");
        CLEANUP_MEM char *word = mem_strndup(at, size);
        struct prefix *prefix = vec_push(prefixes);
        if (!text_parse_ipv4_prefix(word, &prefix->address, &prefix->bits)) {
            vec_free(prefixes);
            return error_set(err, ERROR_USAGE, "%s: --%s takes networks such as 10.0.0.0/24, not \"%s\"",
                             cli->arguments->command->name, option, word);
        }
        at += size + (at[size] == ',');
    }
    return true;
}

static bool read_reach(struct cli *cli, struct vec *prefixes, struct error *err)
{
    const char *text = arguments_text(cli->arguments, "contacts-reach");

    for (const char *at = text ? text : ""; *at;) {
        size_t size = strcspn(at, ",");
        CLEANUP_MEM char *word = mem_strndup(at, size);
        if (!address_parse(word, vec_push(prefixes))) {
            vec_free(prefixes);
            return error_set(
                err, ERROR_USAGE,
                "%s: --contacts-reach takes networks such as 10.0.0.0/24 or fd00::/8, not \"%s\"",
                cli->arguments->command->name, word);
        }
        at += size + (at[size] == ',');
    }
    return true;
}

/* "cpus=8,memory=32Gi": what is not named stays as it is. */
static bool read_capacity(struct cli *cli, const char *option, struct resources *ret_resources,
                          struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);

    if (!text || amounts_read(text, ret_resources, err)) return true;
    return error_wrap(err, "%s: --%s", cli->arguments->command->name, option);
}

static bool wants(struct cli *cli, const char *const *options, struct error *err)
{
    for (; *options; options++)
        if (!arguments_text(cli->arguments, *options))
            return error_set(err, ERROR_USAGE, "%s: --%s is missing: see croft %s --help",
                             cli->arguments->command->name, *options, cli->arguments->command->name);
    return true;
}
