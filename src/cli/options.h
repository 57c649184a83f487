/* Options of the commands of parties (leases, tokens) and of those that plan and try out. commands.c alone
 * has them. */
#ifndef CROFT_CLI_OPTIONS_H
#define CROFT_CLI_OPTIONS_H

#include "cli/cli.h"
#include "replay/replay.h"

static const char *const consoles[] = {"hardware", "software", "development", NULL};
static const char *const sim_formats[] = {"table", "json", NULL};
static const char *const replay_formats[] = {"table", "json", "yaml", NULL};

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
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = replay_formats,
     .help = "table, json or yaml; with json, errors are JSON too"},
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
    {.name = "add",
     .argument = "FILE",
     .many = true,
     .help = "documents of what comes new; new hosts are up"},
    {.name = "apply", .argument = "FILE", .many = true, .help = "documents as for `croft apply`"},
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
static const struct option balance_options[] = {
    {.name = "grid",
     .argument = "FILE",
     .fallback = "the live grid",
     .help = "what `croft export` printed; - is standard input; moves nothing"},
    {.name = "dry-run", .help = "tell the moves and make none"},
    {.name = "moves", .argument = "N", .fallback = "as many as help", .help = "at most so many moves"},
};

#endif
