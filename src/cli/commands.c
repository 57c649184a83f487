/* The rows. A new command is a row here and a function in a file of its subject. */
#include "cli/cli.h"
#include "cli/options.h"
#include "replay/replay.h"
#include "simulate/simulate.h"

#define OPTIONS(array) .options = (array), .options_length = LENGTH(array)
#define POSITIONALS(array) .positionals = (array), .positionals_length = LENGTH(array)
#define EXAMPLES(...)                 \
    .examples = (const char *const[]) \
    {                                 \
        __VA_ARGS__, NULL             \
    }

static const char *const formats[] = {"table", "json", "yaml", "name", NULL};
static const char *const bill_formats[] = {"table", "json", "yaml", "csv", NULL};
static const char *const orders[] = {"on", "off", "cycle", NULL};
static const char *const top_kinds[] = {"hosts", "farms", "instances", NULL};
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
     .help = "the authority (PEM) that signed an https server's certificate"},
    {.name = "state", .argument = "DIR", .help = "the grid of this machine with this state directory"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
};

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
    {.name = "detach", .letter = 'd', .help = "come back when the grid is ready, and leave it running"},
};
static const struct option down_options[] = {
    {.name = "state", .argument = "DIR", .fallback = "/var/lib/croft", .help = "the grid's state directory"},
};
static const struct option controller_options[] = {
    {.name = "state", .argument = "DIR", .help = "where its store and its keys are; is made when missing"},
    {.name = "listen", .argument = "ADDR:PORT", .help = "where the API listens"},
    {.name = "listen-fd", .argument = "N", .help = "a listening socket, inherited, in place of --listen"},
    {.name = "agents",
     .argument = "ADDR:PORT[,…]",
     .help = "where agents reach it on the management networks"},
    {.name = "power", .argument = "unix:PATH", .help = "who switches hosts on and off"},
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
    {.name = "publish-net-fd",
     .argument = "N",
     .fallback = "this one",
     .help = "network namespace, inherited, where published addresses are"},
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
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
};
static const struct option bench_share_options[] = {
    {.name = "farms", .argument = "N", .fallback = "1000", .help = "how many farms, sized by their load"},
    {.name = "hosts", .argument = "N", .fallback = "10000", .help = "how many hosts, of several shapes"},
    {.name = "zones", .argument = "Z", .fallback = "3", .help = "over how many zones the hosts are spread"},
    {.name = "racks", .argument = "R", .fallback = "40", .help = "over how many racks of each zone"},
    {.name = "seed", .argument = "N", .fallback = "7", .help = "the same number gives the same grid"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
};
static const struct option bench_filter_options[] = {
    {.name = "rules", .argument = "N", .fallback = "1000", .help = "how many rules each filter has"},
    {.name = "seed", .argument = "N", .fallback = "7", .help = "the same number gives the same filters"},
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
};
static const struct option doctor_options[] = {
    {.name = "output",
     .letter = 'o',
     .argument = "FORMAT",
     .fallback = "table",
     .choices = formats,
     .help = "table, json, yaml or name; with json, errors are JSON too"},
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
static const struct positional token_name[] = {{.name = "NAME", .optional = true}};
static const struct positional lease_name[] = {{.name = "NAME"}};
static const struct positional token_id[] = {{.name = "ID"}};
static const struct positional shell[] = {{.name = "SHELL", .choices = shells, .strict = true}};

static const struct command table[] = {
    {.name = "up",
     .group = GROUP_GRID,
     .run = up_run,
     OPTIONS(up_options),
     .summary = "run a whole grid on this machine",
     EXAMPLES("croft up --hosts 6 --racks 3 --detach")},
    {.name = "down",
     .group = GROUP_GRID,
     .run = down_run,
     OPTIONS(down_options),
     .summary = "stop the grid of this machine and leave nothing behind",
     EXAMPLES("croft down")},
    {.name = "controller",
     .group = GROUP_GRID,
     .run = controller_run,
     OPTIONS(controller_options),
     .summary = "decide for a grid: the long-running part that has the store",
     EXAMPLES("croft controller --state /var/lib/croft/controller --listen 127.0.0.1:7070 --agents "
              "10.90.0.1:7070")},
    {.name = "agent",
     .group = GROUP_GRID,
     .run = agent_run,
     OPTIONS(agent_options),
     .summary = "work on a host: the long-running part that starts instances",
     EXAMPLES(
         "croft agent --name h1 --state /var/lib/croft/agent --run /run/croft --join https://10.90.0.1:7070 "
         "--token-file join.token --listen 10.90.0.3:7071 --zone east/b1/r1 --capacity cpus=8,memory=32Gi")},
    {.name = "host-init",
     .group = GROUP_GRID,
     .hidden = true,
     .raw = true,
     .run = host_init_run,
     .summary = "be the first process of a host that `croft up` plays"},

    {.name = "apply",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = apply_run,
     OPTIONS(apply_options),
     POSITIONALS(files),
     .summary = "make it so: create or change what the documents say",
     EXAMPLES("croft apply -f shop.yaml --wait", "croft apply -f party.yaml -f shop.yaml --dry-run")},
    {.name = "diff",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = diff_run,
     OPTIONS(file_options),
     POSITIONALS(files),
     .summary = "show what apply would change: documents, then actions with their reasons",
     EXAMPLES("croft diff -f shop.yaml")},
    {.name = "get",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = get_run,
     OPTIONS(get_options),
     POSITIONALS(kind),
     .summary = "list things, or show one",
     EXAMPLES("croft get hosts", "croft get farm acme/shop -o json", "croft get instances --watch")},
    {.name = "describe",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = describe_run,
     POSITIONALS(kind_name),
     .summary = "show everything about one thing, with its recent events and reasons",
     EXAMPLES("croft describe farm acme/shop")},
    {.name = "delete",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = delete_run,
     OPTIONS(delete_options),
     POSITIONALS(kind_name),
     .summary = "end a thing; what it held is wiped",
     EXAMPLES("croft delete farm acme/shop --wait")},
    {.name = "scale",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = scale_run,
     POSITIONALS(scale_what),
     .summary = "set the committed count of a tier",
     EXAMPLES("croft scale acme/shop web 5")},
    {.name = "export",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .run = export_run,
     .summary = "print all intent and facts, a JSON document a line",
     EXAMPLES("croft export > grid.ndjson")},
    {.name = "import ganeti",
     .group = GROUP_DOCUMENTS,
     .light = true,
     .run = import_ganeti_run,
     POSITIONALS(file),
     .summary = "print a Ganeti cluster, in htools' text format, as a grid, a JSON document a line",
     EXAMPLES("croft import ganeti cluster.data > grid.ndjson",
              "croft import ganeti - < cluster.data > grid.ndjson")},
    {.name = "whatif",
     .group = GROUP_DOCUMENTS,
     .client = true,
     .light = true,
     .run = whatif_run,
     OPTIONS(whatif_options),
     .summary = "foretell what comes of losses, drains and changes, and what more is survived",
     .notes =
         "seconds_to_recover is an estimate: the rounds of decisions that are needed, by the medians that\n"
         "bench/README.md has of a host's death (0.26 s), a further start on a host (0.01 s), a round (0.03 "
         "s)\n"
         "and a drain (0.05 s). Layers still to be fetched and slow programs take longer.\n"
         "Each instance that ran and is still wanted counts once: total = kept + moved + yielded + lost. "
         "Who\n"
         "yields and finds no place is one of the lost (yielded_lost of them).\n"
         "survives counts losses by which nothing stops for good: who is lost may use the room that pools\n"
         "keep, and who yields is not lost while it runs elsewhere. It is exact for 1, else \"at most\".",
     EXAMPLES("croft whatif --fail zone/east/b1/r1", "croft whatif --fail host/h1 host/h2 --drain host/h3",
              "croft whatif --grid grid.ndjson --apply shop.yaml -o json")},

    {.name = "move",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = move_run,
     POSITIONALS(move_what),
     .summary = "move an instance to a host, if the rules allow it",
     EXAMPLES("croft move acme/shop/web-1 h3")},
    {.name = "exec",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = exec_run,
     OPTIONS(exec_options),
     POSITIONALS(exec_what),
     .summary = "run a command in an instance; its exit status is croft's",
     EXAMPLES("croft exec acme/shop/web-1 -- ls -l /", "croft exec -t acme/shop/web-1 -- sh")},
    {.name = "logs",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = logs_run,
     OPTIONS(logs_options),
     POSITIONALS(instance),
     .summary = "print what an instance has written",
     EXAMPLES("croft logs acme/shop/web-1 -f")},
    {.name = "console",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = console_run,
     OPTIONS(console_options),
     POSITIONALS(instance),
     .summary = "show what an instance last said; on a terminal go on until it ends or Ctrl-C",
     EXAMPLES("croft console acme/shop/web-1", "croft console acme/shop/web-1 --follow | grep error")},
    {.name = "top",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = top_run,
     OPTIONS(top_options),
     POSITIONALS(top_what),
     .summary = "show live load of hosts, farms or instances",
     EXAMPLES("croft top hosts --watch")},
    {.name = "events",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = events_run,
     OPTIONS(events_options),
     POSITIONALS(optional_name),
     .summary = "show what happened, to all or to one thing, and why",
     EXAMPLES("croft events --since 1h", "croft events -f acme/shop")},
    {.name = "explain",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = explain_run,
     POSITIONALS(name),
     .summary = "tell the story of a thing: how it is, and why it was decided so",
     EXAMPLES("croft explain acme/shop/web-1")},

    {.name = "bill",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = bill_run,
     OPTIONS(bill_options),
     .summary = "tell what was used, what it costs, and the proof that nothing is missing",
     EXAMPLES("croft bill", "croft bill --party acme --from 2026-10 --to 2026-11 -o csv")},
    {.name = "reach",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = reach_run,
     OPTIONS(reach_options),
     .summary = "show who can open what to whom, by all filters and by what farms allow",
     EXAMPLES("croft reach --farm acme/shop", "croft reach --from internet -o json")},
    {.name = "filter test",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = filter_test_run,
     OPTIONS(filter_test_options),
     .summary = "show which rule of which filter decides a packet",
     EXAMPLES("croft filter test --on acme/shop/web-1 --packet \"in tcp 10.0.0.9:40000 > 10.0.0.4:22\"")},
    {.name = "sla suggest",
     .group = GROUP_INSTANCES,
     .client = true,
     .run = sla_suggest_run,
     POSITIONALS(farm_name),
     .summary = "tell the counts that would have been cheapest for what a farm used",
     EXAMPLES("croft sla suggest acme/shop")},

    {.name = "fit",
     .group = GROUP_HOSTS,
     .client = true,
     .light = true,
     .run = fit_run,
     OPTIONS(fit_options),
     .summary = "tell how many more instances of a size there is room for",
     .notes =
         "So many would be let in and placed: nobody yields to them, and room that a pool keeps (survive of\n"
         "a Pool) stays free. --survive tries each loss, for which kept room may be used. limited_by is "
         "what\n"
         "is scarce, and to_survive that it is so for a loss.",
     EXAMPLES("croft fit --size cpus=1,memory=2Gi,disk=10Gi",
              "croft fit --grid grid.ndjson --size cpus=4,memory=16Gi --survive rack -o json")},
    {.name = "balance",
     .group = GROUP_HOSTS,
     .client = true,
     .light = true,
     .run = balance_run,
     OPTIONS(balance_options),
     .summary = "make hosts alike: move instances from the fuller to the emptier ones",
     EXAMPLES("croft balance --dry-run", "croft balance --grid grid.ndjson -o json")},
    {.name = "drain",
     .group = GROUP_HOSTS,
     .client = true,
     .run = drain_run,
     POSITIONALS(host),
     .summary = "move everything off a host and place nothing on it",
     EXAMPLES("croft drain h3")},
    {.name = "activate",
     .group = GROUP_HOSTS,
     .client = true,
     .run = activate_run,
     POSITIONALS(host),
     .summary = "take a host into use again",
     EXAMPLES("croft activate h3")},
    {.name = "power",
     .group = GROUP_HOSTS,
     .client = true,
     .run = power_run,
     POSITIONALS(power_what),
     .summary = "switch a host on or off, or off and on",
     EXAMPLES("croft power h3 cycle")},

    {.name = "sla surface",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = sla_surface_run,
     OPTIONS(surface_options),
     .summary = "draw how much need a service level's rules see, by response time and probability",
     EXAMPLES("croft sla surface --sla gold -f slas.yaml -o svg > gold.svg", "croft sla surface --sla gold")},
    {.name = "image import",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = image_import_run,
     OPTIONS(import_options),
     POSITIONALS(import_what),
     .summary = "take an image into the library",
     EXAMPLES("croft image import hello:1 ./hello.tar", "croft image import web:2 ./rootfs --party acme")},
    {.name = "image list",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = image_list_run,
     .summary = "list the images of the library",
     EXAMPLES("croft image list")},
    {.name = "image remove",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = image_remove_run,
     OPTIONS(remove_options),
     POSITIONALS(image),
     .summary = "take an image out of the library",
     EXAMPLES("croft image remove web:2 --party acme")},
    {.name = "lease grant",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = lease_grant_run,
     OPTIONS(grant_options),
     .summary = "give a party part of what its parent holds, for a time",
     EXAMPLES("croft lease grant --to acme --cpus 8 --memory 16Gi --rights software,develop --until "
              "2027-01-01")},
    {.name = "lease end",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = lease_end_run,
     OPTIONS(end_options),
     POSITIONALS(lease_name),
     .summary = "end a lease: what its party ran is stopped and wiped",
     EXAMPLES("croft lease end acme --reason \"not paid\"")},
    {.name = "lease list",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = lease_list_run,
     .summary = "list leases, what they let do, and what is used of them",
     EXAMPLES("croft lease list")},
    {.name = "token create",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = token_create_run,
     OPTIONS(token_options),
     POSITIONALS(token_name),
     .summary = "make a token; it is shown this once",
     EXAMPLES("croft token create ci --party acme",
              "croft token create desk --party acme --console software")},
    {.name = "token list",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = token_list_run,
     .summary = "list tokens by id, never their secrets",
     EXAMPLES("croft token list")},
    {.name = "token delete",
     .group = GROUP_LIBRARY,
     .client = true,
     .run = token_delete_run,
     POSITIONALS(token_id),
     .summary = "make a token worthless",
     EXAMPLES("croft token delete 3f9c")},

    {.name = "version",
     .group = GROUP_MACHINE,
     .client = true,
     .run = version_run,
     .summary = "print the versions of this program and of the server",
     EXAMPLES("croft version")},
    {.name = "bench place",
     .group = GROUP_MACHINE,
     .light = true,
     .run = bench_place_run,
     OPTIONS(bench_options),
     .summary = "measure how fast and how densely a grid made by lot is placed",
     EXAMPLES("croft bench place --hosts 100000 --instances 1000000 --zones 3 --racks 40 --seed 7 -o json")},
    {.name = "bench lost-rack",
     .group = GROUP_MACHINE,
     .run = bench_lost_rack_run,
     OPTIONS(bench_options),
     .summary = "measure how fast a rack's instances get new places in a grid made by lot",
     EXAMPLES("croft bench lost-rack --hosts 100000 --instances 1000000 -o json")},
    {.name = "bench share",
     .group = GROUP_MACHINE,
     .run = bench_share_run,
     OPTIONS(bench_share_options),
     .summary = "measure how fast nearly full hosts are shared when farms call for more and offer",
     EXAMPLES("croft bench share --farms 1000 --hosts 10000 -o json")},
    {.name = "bench filter",
     .group = GROUP_MACHINE,
     .light = true,
     .run = bench_filter_run,
     OPTIONS(bench_filter_options),
     .summary = "measure how fast it is told whether a filter is inside another one",
     EXAMPLES("croft bench filter --rules 1000 -o json")},
    {.name = "bench grid",
     .group = GROUP_MACHINE,
     .run = bench_grid_run,
     OPTIONS(bench_options),
     .summary = "print a grid made by lot, placed and running, a JSON document a line",
     EXAMPLES("croft bench grid --hosts 1000 --instances 10000 > grid.ndjson")},
    {.name = "bench load",
     .group = GROUP_MACHINE,
     .client = true,
     .run = bench_load_run,
     OPTIONS(load_options),
     .summary = "measure how fast a grid is read",
     EXAMPLES("croft bench load --grid grid.ndjson -o json")},
    {.name = "sim",
     .group = GROUP_MACHINE,
     .run = sim_run,
     OPTIONS(sim_options),
     .words_title = "Kinds of faults",
     .word = simulate_fault_name,
     .summary = "simulate whole grids in which everything goes wrong, and judge them after every step",
     EXAMPLES("croft sim --seed 7 --hours 2",
              "croft sim --seeds 1..1000 --hours 1 --faults partition,host-dies")},
    {.name = "replay",
     .group = GROUP_MACHINE,
     .run = replay_run_command,
     OPTIONS(replay_options),
     .summary = "try a scaling policy on demand as it once was, and count hours, late requests and cost",
     EXAMPLES("croft replay --trace week.csv.gz --farms farms.yaml --hosts 100 --policy croft",
              "croft replay --trace week.csv --farms farms.yaml --policy target -o json --plot target.svg")},
    {.name = "doctor",
     .group = GROUP_MACHINE,
     .run = doctor_run,
     OPTIONS(doctor_options),
     .summary = "say what on this machine is missing or wrong, and how to mend it",
     EXAMPLES("croft doctor")},
    {.name = "man",
     .group = GROUP_MACHINE,
     .hidden = true,
     .light = true,
     .run = man_run,
     .summary = "print the man page as troff",
     EXAMPLES("croft man | man -l -")},
    {.name = "completion",
     .group = GROUP_MACHINE,
     .hidden = true,
     .light = true,
     .run = completion_run,
     POSITIONALS(shell),
     .summary = "print the completion of a shell",
     EXAMPLES("croft completion bash > /etc/bash_completion.d/croft")},
};

const struct command *command_table(size_t *ret_length)
{
    *ret_length = LENGTH(table);
    return table;
}

const struct option *command_shared_options(size_t *ret_length)
{
    *ret_length = LENGTH(shared);
    return shared;
}

const char *command_group_title(enum command_group group)
{
    static const char *const titles[] = {
        [GROUP_GRID] = "The grid",
        [GROUP_DOCUMENTS] = "Documents",
        [GROUP_INSTANCES] = "Instances",
        [GROUP_HOSTS] = "Hosts",
        [GROUP_LIBRARY] = "Library, leases and tokens",
        [GROUP_MACHINE] = "This machine",
    };
    ASSERT(group < GROUP_COUNT);
    return titles[group];
}
