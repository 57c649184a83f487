/* Options of the commands of leases and tokens, and of those that measure. commands.c alone has them. */
#ifndef CROFT_CLI_OPTIONS_H
#define CROFT_CLI_OPTIONS_H

#include "cli/command.h"

#define OUTPUT_OPTION(formats_, words)                                                                     \
    {                                                                                                      \
        .name = "output", .letter = 'o', .argument = "FORMAT", .fallback = "table", .choices = (formats_), \
        .help = words "; with json, errors are JSON too"                                                   \
    }

static const char *const formats[] = {"table", "json", "yaml", "name", NULL};
static const char *const consoles[] = {"hardware", "software", "development", NULL};

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

#endif
