/* What commands take: options and words behind their names. Only for commands.c, whose rows they belong to.
 */
#ifndef CROFT_CLI_COMMANDS_OPTIONS_H
#define CROFT_CLI_COMMANDS_OPTIONS_H

#include "cli/cli.h"
#include "replay/replay.h"
#include "simulate/simulate.h"

#define OUTPUT_OPTION(formats_, words)                                                                     \
    {                                                                                                      \
        .name = "output", .letter = 'o', .argument = "FORMAT", .fallback = "table", .choices = (formats_), \
        .help = words "; with json, errors are JSON too"                                                   \
    }

static const char *const formats[] = {"table", "json", "yaml", "name", NULL};
static const char *const bill_formats[] = {"table", "json", "yaml", "csv", NULL};
static const char *const sim_formats[] = {"table", "json", NULL};
static const char *const replay_formats[] = {"table", "json", "yaml", NULL};
static const char *const orders[] = {"on", "off", "cycle", NULL};
static const char *const top_kinds[] = {"hosts", "farms", "instances", NULL};
static const char *const consoles[] = {"hardware", "software", "development", NULL};
static const char *const shells[] = {"bash", "zsh", NULL};

static const struct option shared[] = {
    {.name = "server",
     .argument = "URL",
     .fallback = "CROFT_SERVER, the profile, or the grid that runs here",
     .help = "where the controller's API is"},
    {.name = "token",
     .argument = "TOKEN",
     .fallback = "CROFT_TOKEN, the profile, or for root the running grid's",
     .help = "who asks"},
    {.name = "ca",
     .argument = "FILE",
     .fallback = "those that this machine trusts",
     .help = "the authority (PEM) that signed an https server's certificate"},
    {.name = "state", .argument = "DIR", .help = "the grid of this machine with this state directory"},
    OUTPUT_OPTION(formats, "table, json, yaml or name"),
};

#define CONTACT_OPTIONS                                                                                    \
    {.name = "contacts-reach",                                                                             \
     .argument = "NETWORK[,…]",                                                                            \
     .help = "what contacts of tenants may name although it is private, or of the controller's networks"}, \
        {.name = "secrets",                                                                                \
         .argument = "DIR",                                                                                \
         .fallback = "secrets in its state directory",                                                     \
         .help = "passwords that contacts name, each a file PARTY/SECRET of mode 0600"},                   \
    {                                                                                                      \
        .name = "authorities", .argument = "FILE",                                                         \
        .help = "the authorities (PEM) that servers of contacts are believed by, besides the system's"     \
    }

static const struct option up_options[] = {
    {.name = "hosts", .argument = "N", .fallback = "4", .help = "how many hosts, 1 to 200"},
    {.name = "racks",
     .argument = "R",
     .fallback = "1",
     .help = "over how many racks of each site they are spread"},
    {.name = "sites", .argument = "S", .fallback = "1", .help = "over how many sites"},
    {.name = "state", .argument = "DIR", .fallback = "/var/lib/croft", .help = "where everything is kept"},
    {.name = "listen",
     .argument = "ADDR:PORT",
     .fallback = "127.0.0.1:7070",
     .help = "where the API listens; port 0: a free one"},
    {.name = "capacity",
     .argument = "AMOUNTS",
     .help = "of each host: cpus=8,memory=32Gi,disk=400Gi,network=10G"},
    CONTACT_OPTIONS,
    {.name = "hardware",
     .argument = "DIR",
     .fallback = "/sys for all",
     .help =
         "where hosts look at their sensors, memory and disks: DIR/h1, DIR/h2 … are directories like /sys"},
    {.name = "detach", .letter = 'd', .help = "come back when the grid is ready, and leave it running"},
};
static const struct option down_options[] = {
    {.name = "state", .argument = "DIR", .fallback = "/var/lib/croft", .help = "the grid's state directory"},
};
static const struct option controller_options[] = {
    {.name = "state", .argument = "DIR", .help = "where its store and its keys are; is made when missing"},
    {.name = "listen", .argument = "ADDR:PORT", .help = "where the API listens"},
    {.name = "listen-fd", .argument = "N", .help = "a listening socket, inherited, in place of --listen"},
    {.name = "tls-listen", .argument = "ADDR:PORT", .help = "where the API listens for https"},
    {.name = "tls-certificate",
     .argument = "FILE",
     .help = "the certificate that it shows there (PEM, with its chain); read again when it changes"},
    {.name = "tls-key", .argument = "FILE", .help = "its key (PEM)"},
    {.name = "agents",
     .argument = "ADDR:PORT[,…]",
     .help = "where agents reach it on the management networks"},
    {.name = "power", .argument = "unix:PATH", .help = "who switches hosts on and off"},
    {.name = "keep-bills",
     .argument = "MONTHS",
     .fallback = "25",
     .help =
         "bills of so many months, besides this one, can be asked for; what is older is dropped; 0: never"},
    CONTACT_OPTIONS,
};
static const struct option agent_options[] = {
    {.name = "name", .argument = "NAME", .help = "the host's name"},
    {.name = "state", .argument = "DIR", .help = "where it keeps what lasts; is made when missing"},
    {.name = "run", .argument = "DIR", .help = "where it keeps what ends with a reboot"},
    {.name = "join", .argument = "URL[,…]", .help = "the controllers: https://ADDR:PORT"},
    {.name = "token-file", .argument = "FILE", .help = "the join token; needed once"},
    {.name = "token", .argument = "TOKEN", .help = "the join token itself: others on the host can read it"},
    {.name = "listen", .argument = "ADDR:PORT[,…]", .help = "where controllers reach it"},
    {.name = "underlay", .argument = "DEVICE", .help = "the device that carries the farms' networks"},
    {.name = "outside",
     .argument = "DEVICE",
     .help = "the device by which instances reach the internet; without it they do not"},
    {.name = "outside-refused",
     .argument = "NETWORK[,…]",
     .help = "networks that no instance may reach by it, besides those of the host's other devices"},
    {.name = "zone", .argument = "ZONE", .help = "where the host stands: east/b1/r1"},
    {.name = "pool",
     .argument = "POOL",
     .fallback = "general",
     .help = "hosts that can stand in for each other"},
    {.name = "class", .argument = "CLASS", .fallback = "general", .help = "the class of its hardware"},
    {.name = "capacity",
     .argument = "AMOUNTS",
     .help = "what it has: cpus=8,memory=32Gi,disk=400Gi,network=10G"},
    {.name = "reserve", .argument = "AMOUNTS", .help = "what of it is kept for the host itself"},
    {.name = "cgroup", .argument = "PATH", .help = "below which instances get their cgroups"},
    {.name = "hardware",
     .argument = "DIR",
     .fallback = "/sys",
     .help = "where its sensors, memory and disks are looked at: a directory like /sys"},
    {.name = "publish-net-fd",
     .argument = "N",
     .fallback = "this one",
     .help = "network namespace, inherited, where published addresses are"},
    {.name = "publish-table",
     .argument = "NAME",
     .fallback = "croft_doors",
     .help = "nftables table there that is this host's alone: who may come to published addresses"},
    {.name = "whoami", .argument = "PATH", .help = "socket of `croft up` that knows the host's process ids"},
};

static const struct option file_options[] = {
    {.name = "file",
     .letter = 'f',
     .argument = "FILE",
     .many = true,
     .help = "documents to read, YAML or JSON; a directory: all *.yaml, *.yml, *.json in it; - is standard "
             "input"},
};
static const struct option apply_options[] = {
    {.name = "file",
     .letter = 'f',
     .argument = "FILE",
     .many = true,
     .help = "documents to read, YAML or JSON; a directory: all *.yaml, *.yml, *.json in it; - is standard "
             "input"},
    {.name = "dry-run", .help = "check everything and change nothing"},
    {.name = "wait",
     .argument = "TIME",
     .optional = true,
     .fallback = "60s when no time is given",
     .help = "until the farms are as asked; exit 6 when they are not in time"},
};
static const struct option get_options[] = {
    {.name = "watch", .letter = 'w', .help = "go on with every change"},
};
static const struct option delete_options[] = {
    {.name = "wait",
     .argument = "TIME",
     .optional = true,
     .fallback = "60s when no time is given",
     .help = "until it and what it held are gone; exit 6 when they are not in time"},
};
static const struct option exec_options[] = {
    {.name = "tty", .letter = 't', .help = "keys go to the command as they are pressed"},
    {.name = "env",
     .letter = 'e',
     .argument = "NAME=VALUE",
     .many = true,
     .help = "set in the command's environment"},
};
static const struct option logs_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with what is written from now on"},
    {.name = "tail", .help = "only the last 64 KiB"},
};
/* What a container says is its log; it reads nothing: keys go to a command by `exec -t`. */
static const struct option console_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on without a terminal, too"},
    {.name = "no-follow", .help = "only what it has said until now (of a container, the end of its log)"},
};
static const struct option top_options[] = {
    {.name = "watch", .letter = 'w', .help = "again every two seconds"},
};
static const struct option events_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with what happens from now on"},
    {.name = "since", .argument = "TIME", .help = "only what happened in this time: 10m, 1h, 7d"},
};
static const struct option bill_options[] = {
    {.name = "intervals", .help = "each instance's too: at which level, on which host, from when to when"},
    {.name = "party",
     .argument = "PARTY",
     .fallback = "all that the asker may see",
     .help = "of this party and those below it"},
    {.name = "from",
     .argument = "TIME",
     .fallback = "the beginning of the month",
     .help = "since when: 2026-11-21T10:00:00Z, 2026-11-21 or 2026-11, in UTC"},
    {.name = "to",
     .argument = "TIME",
     .fallback = "now",
     .help = "until when, and itself not part of it: all of November is --from 2026-11 --to 2026-12"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = bill_formats,
     .help = "table, json, yaml, or csv by the columns of FinOps FOCUS; with json, errors are JSON too"},
};
static const struct option import_options[] = {
    {.name = "party", .argument = "PARTY", .fallback = "landlord: everyone's", .help = "whose image it is"},
};
static const struct option remove_options[] = {
    {.name = "party", .argument = "PARTY", .fallback = "landlord", .help = "whose image it is"},
};
#define KEY_PARTY_OPTION                                                                                     \
    {                                                                                                        \
        .name = "party", .argument = "PARTY", .fallback = "the farm's; of a host the landlord, or who asks", \
        .help = "whose keys"                                                                                 \
    }
static const struct option key_show_options[] = {
    {.name = "console",
     .help = "this desk's own public key, for croft key admit at another; makes one if needed"},
    {.name = "desks", .help = "the desks that are obeyed there"},
    {.name = "agent-state",
     .argument = "DIR",
     .help = "of this host, asking nobody: what its agent with this state directory has; for croft key take "
             "--pins"},
    KEY_PARTY_OPTION,
};
static const struct option key_take_options[] = {
    KEY_PARTY_OPTION,
    {.name = "fingerprint",
     .argument = "HOST=HEX",
     .many = true,
     .help = "take only the pair with this fingerprint, whatever the controller tells"},
    {.name = "pins",
     .argument = "FILE",
     .many = true,
     .help = "the same for all that croft key show --agent-state DIR -o json printed on the hosts"},
    {.name = "yes", .help = "do not ask"},
};
static const struct option key_admit_options[] = {
    {.name = "on", .argument = "HOST|PARTY/FARM", .help = "where its commands are to be obeyed"},
    {.name = "invitation",
     .argument = "FILE",
     .help = "is written: for croft key accept at that desk; - is standard output"},
    KEY_PARTY_OPTION,
};
static const struct option key_accept_options[] = {
    {.name = "from",
     .argument = "CONSOLE",
     .help = "of whom: the console that croft key show --console says there"},
};
static const struct option key_dismiss_options[] = {
    {.name = "on", .argument = "HOST|PARTY/FARM", .help = "where it is not to be obeyed any more"},
    KEY_PARTY_OPTION,
};
static const struct option key_serve_options[] = {
    {.name = "only", .argument = "HOST", .many = true, .help = "release it to no other host"},
    {.name = "take", .help = "take the party's keys first where nobody has"},
    {.name = "fingerprint",
     .argument = "HOST=HEX",
     .many = true,
     .help = "with --take: only the pair with this fingerprint, whatever the controller tells"},
    {.name = "pins",
     .argument = "FILE",
     .many = true,
     .help = "the same for all that croft key show --agent-state DIR -o json printed on the hosts"},
    {.name = "once", .help = "decide on the hosts that wait now, and end"},
};
static const struct option key_rotate_options[] = {
    {.name = "party", .argument = "PARTY", .help = "the landlord shuts this party out of its keys"},
    {.name = "yes", .help = "do not ask"},
};
static const struct option token_options[] = {
    {.name = "party", .argument = "PARTY", .fallback = "landlord", .help = "in whose name its bearer acts"},
    {.name = "console",
     .argument = "CONSOLE",
     .fallback = "all of the party's rights",
     .choices = consoles,
     .help = "hardware (and lease), software (and lease) or development; all may look"},
};
static const struct option grant_options[] = {
    {.name = "to", .argument = "PARTY", .help = "who gets it"},
    {.name = "from", .argument = "PARTY", .fallback = "its parent", .help = "who gives it"},
    {.name = "rights",
     .argument = "RIGHTS",
     .help = "hardware,software,develop,lease,read: what it lets its holder do"},
    {.name = "cpus", .argument = "N", .fallback = "all of the giver's", .help = "most cores"},
    {.name = "memory", .argument = "BYTES", .fallback = "all", .help = "most memory"},
    {.name = "disk", .argument = "BYTES", .fallback = "all", .help = "most disk"},
    {.name = "network", .argument = "RATE", .fallback = "all", .help = "most network"},
    {.name = "instances", .argument = "N", .fallback = "all", .help = "most instances"},
    {.name = "farms", .argument = "N", .fallback = "all", .help = "most farms"},
    {.name = "until",
     .argument = "TIME",
     .fallback = "as long as the giver has it",
     .help = "when it ends: 2027-01-01, or 2027-01-01T12:00:00Z"},
    {.name = "name",
     .argument = "NAME",
     .fallback = "the party's, or with a number",
     .help = "the lease's name"},
};
static const struct option end_options[] = {
    {.name = "reason", .argument = "TEXT", .help = "why, for all whom it concerns"},
    {.name = "yes", .help = "do not ask"},
};
static const struct option fit_options[] = {
    {.name = "grid",
     .argument = "FILE",
     .fallback = "the live grid",
     .help = "what `croft export` printed; - is standard input"},
    {.name = "size",
     .argument = "AMOUNTS",
     .help = "of one instance: cpus=1,memory=2Gi,disk=10Gi,network=1G"},
    {.name = "survive",
     .argument = "WHAT",
     .fallback = "none",
     .choices = fit_survivals,
     .help = "any one of these may be lost then, and all that ran there has room elsewhere"},
};
static const struct option reach_options[] = {
    {.name = "farm", .argument = "PARTY/FARM", .fallback = "all", .help = "only of this farm"},
    {.name = "from", .argument = "NAME", .help = "only what this tier or instance opens; or internet"},
    {.name = "to", .argument = "NAME", .help = "only what is opened to this tier or instance; or internet"},
};
static const struct option filter_test_options[] = {
    {.name = "on",
     .argument = "NAME",
     .help = "at whose port: a farm, a tier or an instance, by its full name"},
    {.name = "packet",
     .argument = "PACKET",
     .help = "such as \"in tcp 10.0.0.9:40000 > 10.0.1.4:22\" or \"out icmp 10.0.0.9 > 10.0.1.4\""},
};
static const struct option surface_options[] = {
    {.name = "sla", .argument = "NAME", .help = "the service level"},
    {.name = "file",
     .letter = 'f',
     .argument = "FILE",
     .fallback = "ask the controller",
     .help = "documents with it and its rules; - is standard input"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "csv",
     .choices = surface_formats,
     .help = "csv or svg"},
};
static const struct option filter_check_options[] = {
    {.name = "outer",
     .argument = "FILE",
     .help = "documents of kind Filter: each of them has to let pass what the inner one does; - is standard "
             "input"},
    {.name = "inner", .argument = "FILE", .help = "the one Filter that is judged; - is standard input"},
    {.name = "clamp",
     .help = "print, in place of an answer, the filter that is left of it inside the outer ones"},
    OUTPUT_OPTION(replay_formats, "table, json or yaml"),
};
static const struct option replay_options[] = {
    {.name = "trace",
     .argument = "FILE",
     .help = "the demand: time_s,farm,requests_per_s with that header, packed by gzip or not; - is standard "
             "input"},
    {.name = "farms", .argument = "FILE", .help = "documents: the trace's farms and their service levels"},
    {.name = "hosts",
     .argument = "N",
     .fallback = "100",
     .help = "so many equal hosts, where the documents have none"},
    {.name = "policy",
     .argument = "NAME",
     .fallback = "croft",
     .choices = replay_policies,
     .help = "who decides: croft, a rule that reacts (target), the peak (static), or what knows the future"},
    {.name = "lead",
     .argument = "TIME",
     .fallback = "100ms",
     .help = "from a decision to a serving instance, as from one to a wiped one"},
    {.name = "late",
     .argument = "N",
     .help = "of the oracle: the fewest server hours with so many late requests"},
    {.name = "plot", .argument = "FILE", .help = "draw demand, capacity and lateness there, as SVG"},
    OUTPUT_OPTION(replay_formats, "table, json or yaml"),
};
static const struct option balance_options[] = {
    {.name = "grid",
     .argument = "FILE",
     .fallback = "the live grid",
     .help = "what `croft export` printed; - is standard input; moves nothing"},
    {.name = "dry-run", .help = "tell the moves and make none"},
    {.name = "moves", .argument = "N", .fallback = "as many as help", .help = "at most so many moves"},
};
static const struct option load_options[] = {
    {.name = "grid",
     .argument = "FILE",
     .fallback = "the live grid",
     .help = "what `croft export` printed; - is standard input"},
};
static const struct option bench_options[] = {
    {.name = "hosts", .argument = "N", .fallback = "1000", .help = "how many hosts, of several shapes"},
    {.name = "instances",
     .argument = "N",
     .fallback = "10000",
     .help = "how many instances the farms want together"},
    {.name = "zones", .argument = "Z", .fallback = "3", .help = "over how many zones the hosts are spread"},
    {.name = "racks", .argument = "R", .fallback = "40", .help = "over how many racks of each zone"},
    {.name = "seed", .argument = "N", .fallback = "7", .help = "the same number gives the same grid"},
    OUTPUT_OPTION(formats, "table, json, yaml or name"),
};
static const struct option bench_share_options[] = {
    {.name = "farms", .argument = "N", .fallback = "1000", .help = "how many farms, sized by their load"},
    {.name = "hosts", .argument = "N", .fallback = "10000", .help = "how many hosts, of several shapes"},
    {.name = "zones", .argument = "Z", .fallback = "3", .help = "over how many zones the hosts are spread"},
    {.name = "racks", .argument = "R", .fallback = "40", .help = "over how many racks of each zone"},
    {.name = "seed", .argument = "N", .fallback = "7", .help = "the same number gives the same grid"},
    OUTPUT_OPTION(formats, "table, json, yaml or name"),
};
static const struct option bench_filter_options[] = {
    {.name = "rules", .argument = "N", .fallback = "1000", .help = "how many rules each filter has"},
    {.name = "seed", .argument = "N", .fallback = "7", .help = "the same number gives the same filters"},
    OUTPUT_OPTION(formats, "table, json, yaml or name"),
};
static const struct option sim_options[] = {
    {.name = "seed", .argument = "N", .help = "the one run that this number stands for"},
    {.name = "seeds", .argument = "A..B", .help = "these runs, on all cores"},
    {.name = "hours",
     .argument = "H",
     .fallback = "1",
     .help = "of virtual time, of each run; 0.1 is six minutes"},
    {.name = "hosts",
     .argument = "N",
     .fallback = "drawn from the seed",
     .help = "how many hosts, 1 to 1000"},
    {.name = "farms",
     .argument = "M",
     .fallback = "drawn from the seed",
     .help = "how many farms, 1 to 1000"},
    {.name = "faults",
     .argument = "LIST",
     .fallback = "all",
     .help = "what goes wrong: all (three of four kinds, drawn from the seed), none, or kinds (below) with "
             "commas"},
    {.name = "shrink",
     .help = "when a run fails, replay it without more and more of what went wrong, and tell the shortest"},
    {.name = "only",
     .argument = "STRIKES",
     .help = "of the faults these strikes alone, as --shrink names them: host-dies#3,operator#17"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = sim_formats,
     .help = "table or json: counts, violations, and a hash over every step"},
};
static const struct option doctor_options[] = {
    OUTPUT_OPTION(formats, "table, json, yaml or name"),
};

static const struct option whatif_options[] = {
    {.name = "grid",
     .argument = "FILE",
     .fallback = "the live grid",
     .help = "a grid as `croft export` writes it; - is standard input"},
    {.name = "fail",
     .argument = "NAME",
     .many = true,
     .several = true,
     .help = "what fails: host/NAME, zone/PATH, site/NAME, instance/PARTY/FARM/NAME"},
    {.name = "drain",
     .argument = "NAME",
     .many = true,
     .several = true,
     .help = "what is drained: host/NAME, zone/PATH, site/NAME"},
    {.name = "end",
     .argument = "NAME",
     .many = true,
     .several = true,
     .help = "which leases end: lease/NAME"},
    {.name = "add",
     .argument = "FILE",
     .many = true,
     .help = "documents of what comes new; new hosts are up"},
    {.name = "apply", .argument = "FILE", .many = true, .help = "documents as for `croft apply`"},
};

static const struct positional files[] = {{.name = "FILE", .optional = true, .many = true}};
static const struct positional file[] = {{.name = "FILE"}};
static const struct positional kind[] = {{.name = "KIND", .choices = cli_thing_names},
                                         {.name = "NAME", .optional = true}};
static const struct positional kind_name[] = {{.name = "KIND", .choices = cli_thing_names}, {.name = "NAME"}};
static const struct positional scale_what[] = {{.name = "PARTY/FARM"}, {.name = "TIER"}, {.name = "N"}};
static const struct positional farm_name[] = {{.name = "PARTY/FARM"}};
static const struct positional move_what[] = {{.name = "INSTANCE"}, {.name = "HOST"}};
static const struct positional host[] = {{.name = "HOST"}};
static const struct positional power_what[] = {{.name = "HOST"},
                                               {.name = "ORDER", .choices = orders, .strict = true}};
static const struct positional exec_what[] = {{.name = "INSTANCE"}, {.name = "COMMAND", .many = true}};
static const struct positional instance[] = {{.name = "INSTANCE"}};
static const struct positional top_what[] = {
    {.name = "KIND", .optional = true, .choices = top_kinds, .strict = true}};
static const struct positional optional_name[] = {{.name = "NAME", .optional = true}};
static const struct positional name[] = {{.name = "NAME"}};
static const struct positional import_what[] = {{.name = "NAME:TAG"}, {.name = "SOURCE"}};
static const struct positional image[] = {{.name = "NAME:TAG"}};
static const struct positional key_what[] = {{.name = "HOST|PARTY/FARM"}};
static const struct positional key_whom[] = {{.name = "KEY|FILE"}};
static const struct positional key_invitation[] = {{.name = "INVITATION"}};
static const struct positional key_console[] = {{.name = "CONSOLE"}};
static const struct positional key_optional[] = {{.name = "HOST|PARTY/FARM", .optional = true}};
static const struct positional key_party[] = {{.name = "PARTY", .optional = true}};
static const struct positional token_name[] = {{.name = "NAME", .optional = true}};
static const struct positional lease_name[] = {{.name = "NAME"}};
static const struct positional token_id[] = {{.name = "ID"}};
static const struct positional shell[] = {{.name = "SHELL", .choices = shells, .strict = true}};

#endif
