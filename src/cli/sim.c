/* `croft sim`: simulated grids, one a process, so that a program that breaks in one of them is a finding like
 * any other. What they found stands in memory that is shared with this process. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/sim_shrink.h"
#include "simulate/simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEEDS_MAX = 1000000, HOURS_MAX = 100000, HOSTS_MAX = 1000, FARMS_MAX = 1000, MS_PER_MILLIHOUR = 3600 };

struct order {
    struct simulate_options options;
    uint64_t first, last;
    const char *hours, *hosts, *farms; /* as they were given, for the command that replays */
    bool shrink;
};

/* A run under way, in a process of its own. */
struct slot {
    pid_t pid; /* 0: free */
    uint64_t seed;
    struct simulate_report *report;
};

struct field {
    struct cli *cli;
    const struct order *order;
    struct slot *slots;
    size_t slots_length;
    uint64_t next, done, violated;
};

static size_t cores(void);
static bool read_order(struct cli *cli, struct order *ret_order, struct error *err);
static bool read_number(struct cli *cli, const char *option, uint64_t max, uint64_t *ret_value,
                        struct error *err);
static bool read_seeds(const char *text, struct order *ret_order, struct error *err);
static bool start(struct field *field, struct slot *slot, struct error *err);
static bool wait_one(struct field *field, struct error *err);
static void stop_all(struct field *field);
static bool shrink(struct field *field, struct simulate_report *report, struct error *err);
static void tell(struct field *field, const struct simulate_report *report);
static void tell_json(const struct order *order, const struct simulate_report *report, struct buf *ret_json);
static void tell_text(const struct order *order, const struct simulate_report *report, struct buf *ret_text);
static void add_replay(const struct order *order, const struct simulate_report *report, struct buf *ret_text);
static void progress(void *ctx, const char *line);

int sim_run(struct cli *cli)
{
    struct order order = {0};
    struct error err;

    if (!read_order(cli, &order, &err)) return cli_fail(cli, &err);
    uint64_t seeds = order.last - order.first + 1;
    size_t length = cores();
    if (length > seeds) length = (size_t)seeds;
    struct field field = {.cli = cli,
                          .order = &order,
                          .slots = arena_alloc_array(cli->arena, length, sizeof(struct slot)),
                          .slots_length = length,
                          .next = order.first};
    if (seeds == 1) {
        order.options.progress = progress;
        order.options.progress_ctx = cli;
    }
    bool good = true;
    if (cli->format == OUTPUT_JSON && seeds > 1) fputs("[", cli->out);
    while (good && field.done < seeds) {
        for (size_t i = 0; good && i < length && field.next <= order.last; i++)
            if (field.slots[i].pid == 0) good = start(&field, &field.slots[i], &err);
        if (good) good = wait_one(&field, &err);
        if (good && seeds > 1)
            cli_progress(cli, "%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " violated", field.done, seeds,
                         field.violated);
    }
    stop_all(&field);
    if (!good) return cli_fail(cli, &err);
    cli_progress(cli, "%s", "");
    if (cli->format == OUTPUT_JSON && seeds > 1) fputs("]\n", cli->out);
    if (cli->format != OUTPUT_JSON && seeds > 1)
        fprintf(cli->out, "%" PRIu64 " seeds, %" PRIu64 " violated\n", seeds, field.violated);
    return field.violated ? 1 : 0;
}

/* That this process may use. */
static size_t cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static bool read_order(struct cli *cli, struct order *ret_order, struct error *err)
{
    const struct arguments *arguments = cli->arguments;
    const char *seed = arguments_text(arguments, "seed"), *seeds = arguments_text(arguments, "seeds");
    uint64_t hosts = 0, farms = 0;
    int64_t millihours = 1000;

    ret_order->hours = arguments_text(arguments, "hours");
    ret_order->hosts = arguments_text(arguments, "hosts");
    ret_order->farms = arguments_text(arguments, "farms");
    ret_order->options.faults = arguments_text(arguments, "faults");
    ret_order->shrink = arguments_has(arguments, "shrink");
    const char *only = arguments_text(arguments, "only");
    if (only && !sim_read_strikes(cli->arena, only, &ret_order->options, err)) return false;
    if (!ret_order->options.faults) ret_order->options.faults = "all";
    if (!ret_order->hours) ret_order->hours = "1";
    if (!seed == !seeds)
        return error_set(err, ERROR_USAGE, "sim: name one seed (--seed N) or several (--seeds A..B)");
    if (!read_seeds(seed ? seed : seeds, ret_order, err)) return false;
    if (seed && ret_order->first != ret_order->last)
        return error_set(err, ERROR_USAGE, "--seed: '%s' is not one number; several are --seeds A..B", seed);
    if (!text_parse_cpus(ret_order->hours, &millihours) || millihours < 1 ||
        millihours > (int64_t)HOURS_MAX * 1000)
        return error_set(err, ERROR_USAGE, "--hours: '%s' is not a number from 0.001 to %d", ret_order->hours,
                         HOURS_MAX);
    if (!read_number(cli, "hosts", HOSTS_MAX, &hosts, err) ||
        !read_number(cli, "farms", FARMS_MAX, &farms, err))
        return false;
    ret_order->options.virtual_ms = millihours * MS_PER_MILLIHOUR;
    ret_order->options.hosts = (size_t)hosts;
    ret_order->options.farms = (size_t)farms;
    return simulate_check_faults(ret_order->options.faults, err);
}

static bool read_number(struct cli *cli, const char *option, uint64_t max, uint64_t *ret_value,
                        struct error *err)
{
    const char *text = arguments_text(cli->arguments, option);
    uint64_t value = 0;

    if (!text) return true;
    if (!text_parse_u64(text, &value) || value < 1 || value > max)
        return error_set(err, ERROR_USAGE, "--%s: '%s' is not a number from 1 to %" PRIu64, option, text,
                         max);
    *ret_value = value;
    return true;
}

static bool read_seeds(const char *text, struct order *ret_order, struct error *err)
{
    const char *dots = strstr(text, "..");
    CLEANUP_MEM char *first = mem_strndup(text, dots ? (size_t)(dots - text) : strlen(text));
    uint64_t a = 0, b = 0;

    if (!text_parse_u64(first, &a) || !text_parse_u64(dots ? dots + 2 : first, &b) || b < a ||
        b - a >= SEEDS_MAX)
        return error_set(err, ERROR_USAGE,
                         "sim: '%s' is not a seed N (--seed 7) nor seeds A..B (--seeds 1..100, at most %d)",
                         text, SEEDS_MAX);
    ret_order->first = a;
    ret_order->last = b;
    return true;
}

static bool start(struct field *field, struct slot *slot, struct error *err)
{
    struct simulate_options options = field->order->options;

    slot->seed = options.seed = field->next++;
    slot->report = sim_report_new(err);
    if (!slot->report) return false;
    fflush(field->cli->out);
    slot->pid = fork();
    if (slot->pid < 0) {
        slot->pid = 0;
        return error_errno(err, errno, "no process for a simulation");
    }
    if (slot->pid > 0) return true;
    simulate(&options, slot->report);
    _exit(0);
}

static bool wait_one(struct field *field, struct error *err)
{
    int status = 0;
    pid_t pid = 0;

    do {
        pid = wait(&status);
    } while (pid < 0 && errno == EINTR);
    if (pid < 0) return error_errno(err, errno, "waiting for a simulation");
    for (size_t i = 0; i < field->slots_length; i++) {
        struct slot *slot = &field->slots[i];
        if (slot->pid != pid) continue;
        slot->report->seed = slot->seed;
        sim_note_end(slot->report, status);
        if (slot->report->violated && field->order->shrink && !shrink(field, slot->report, err)) return false;
        tell(field, slot->report);
        sim_report_free(slot->report);
        *slot = (struct slot){0};
        field->done++;
    }
    return true;
}

/* Only after a failure is there anything. */
static void stop_all(struct field *field)
{
    for (size_t i = 0; i < field->slots_length; i++) {
        struct slot *slot = &field->slots[i];
        if (slot->pid > 0) {
            kill(slot->pid, SIGKILL);
            while (waitpid(slot->pid, NULL, 0) < 0 && errno == EINTR) {
            }
        }
        sim_report_free(slot->report);
    }
}

/* Tells how, and leaves in the report the shortest story that was found. */
static bool shrink(struct field *field, struct simulate_report *report, struct error *err)
{
    struct simulate_options options = field->order->options;
    size_t strikes = report->strikes_length, replays = 0;

    options.seed = report->seed;
    cli_progress(field->cli, "seed %" PRIu64 " violated %s: shrinking %zu strikes", report->seed,
                 report->invariant, strikes);
    if (!sim_shrink(&options, report, &replays, err)) return false;
    cli_progress(field->cli, "%s", "");
    if (field->cli->format != OUTPUT_JSON)
        fprintf(field->cli->out, "seed %" PRIu64 ": shrunk from %zu strikes to %zu, in %zu replays\n",
                report->seed, strikes, report->strikes_length, replays);
    return true;
}

static void tell(struct field *field, const struct simulate_report *report)
{
    CLEANUP_BUF struct buf text = {0};

    field->violated += report->violated;
    cli_progress(field->cli, "%s", "");
    if (field->cli->format == OUTPUT_JSON) {
        if (field->done > 0) buf_add_text(&text, ",\n");
        tell_json(field->order, report, &text);
        if (field->order->first == field->order->last) buf_add_char(&text, '\n');
    } else {
        tell_text(field->order, report, &text);
    }
    fputs(buf_text(&text), field->cli->out);
}

static void tell_json(const struct order *order, const struct simulate_report *report, struct buf *ret_json)
{
    const char *name = NULL;
    bool first = true;

    buf_printf(ret_json, "{\"seed\":%" PRIu64 ",\"steps\":%" PRIu64 ",\"virtual_hours\":%.3f,\"faults\":{",
               report->seed, report->steps, (double)report->virtual_ms / 3600000.0);
    for (size_t i = 0; (name = simulate_fault_name(i)); i++) {
        if (!report->faults[i]) continue;
        buf_printf(ret_json, "%s\"%s\":%" PRIu64, first ? "" : ",", name, report->faults[i]);
        first = false;
    }
    buf_printf(ret_json, "},\"checks\":%" PRIu64 ",\"violations\":[", report->checks);
    if (report->violated) {
        CLEANUP_BUF struct buf replay = {0};
        const char *line = NULL;
        buf_printf(ret_json, "{\"invariant\":\"%s\",\"message\":", report->invariant);
        buf_add_json_string(ret_json, report->message);
        add_replay(order, report, &replay);
        buf_add_text(ret_json, ",\"replay\":");
        buf_add_json_string(ret_json, buf_text(&replay));
        buf_add_text(ret_json, ",\"strikes\":[");
        for (size_t i = 0; i < report->strikes_length; i++) {
            if (i > 0) buf_add_char(ret_json, ',');
            buf_add_json_string(ret_json, report->strikes[i].line);
        }
        buf_add_text(ret_json, "],\"last\":[");
        for (unsigned i = 0; (line = story_line(&report->story, i)); i++) {
            if (i > 0) buf_add_char(ret_json, ',');
            buf_add_json_string(ret_json, line);
        }
        buf_add_text(ret_json, "]}");
    }
    buf_printf(ret_json, "],\"hash\":\"%016" PRIx64 "\"}", report->story.hash);
}

static void tell_text(const struct order *order, const struct simulate_report *report, struct buf *ret_text)
{
    const char *text = NULL;

    buf_printf(ret_text,
               "seed %" PRIu64 ": %s, %.2f h in %" PRIu64 " steps, %" PRIu64 " checks, hash %016" PRIx64,
               report->seed, report->violated ? "VIOLATED" : "good", (double)report->virtual_ms / 3600000.0,
               report->steps, report->checks, report->story.hash);
    for (size_t i = 0, n = 0; (text = simulate_fault_name(i)); i++)
        if (report->faults[i])
            buf_printf(ret_text, "%s%s %" PRIu64, n++ ? ", " : "; ", text, report->faults[i]);
    buf_add_char(ret_text, '\n');
    if (!report->violated) return;
    if (order->shrink) {
        for (size_t i = 0; i < report->strikes_length; i++)
            buf_printf(ret_text, "  %s\n", report->strikes[i].line);
        buf_add_text(ret_text, "and at last:\n");
    }
    for (unsigned i = 0; (text = story_line(&report->story, i)); i++)
        buf_printf(ret_text, "  %s\n", text);
    buf_printf(ret_text, "%s: %s\nreplay: ", report->invariant, report->message);
    add_replay(order, report, ret_text);
    buf_add_char(ret_text, '\n');
}

static void add_replay(const struct order *order, const struct simulate_report *report, struct buf *ret_text)
{
    buf_printf(ret_text, "croft sim --seed %" PRIu64 " --hours %s", report->seed, order->hours);
    if (order->hosts) buf_printf(ret_text, " --hosts %s", order->hosts);
    if (order->farms) buf_printf(ret_text, " --farms %s", order->farms);
    bool some = order->shrink || order->options.only;
    buf_printf(ret_text, " --faults %s",
               some && report->strikes_length == 0 ? "none" : order->options.faults);
    if (!some || report->strikes_length == 0) return;
    buf_add_text(ret_text, " --only ");
    sim_write_strikes(report, ret_text);
}

static void progress(void *ctx, const char *line)
{
    cli_progress(ctx, "%s", line);
}
