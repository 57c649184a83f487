#include "cli/sim_shrink.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPLAYS_MAX = 300 }; /* each takes about as long as the run that failed */

struct shrinking {
    struct simulate_options options;
    struct simulate_report *best, *tried;
    struct simulate_strike *kept; /* of the candidate that is tried next */
    size_t replays;
};

static bool without_kinds(struct shrinking *shrinking, struct error *err);
static bool without_pieces(struct shrinking *shrinking, struct error *err);
static bool tell_about(struct shrinking *shrinking, struct error *err);
static size_t slashes(const char *word, size_t size);
static bool try_it(struct shrinking *shrinking, size_t length, bool *ret_same, struct error *err);

bool sim_isolated(const struct simulate_options *options, struct simulate_report *report, struct error *err)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        simulate(options, report);
        _exit(0);
    }
    if (pid < 0) return error_errno(err, errno, "no process for a simulation");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return error_errno(err, errno, "waiting for a simulation");
    sim_note_end(report, status);
    return true;
}

/* A program that broke in the midst of it is a violation, too. */
void sim_note_end(struct simulate_report *report, int status)
{
    if (report->finished && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    snprintf(report->invariant, sizeof(report->invariant), "%s", "program");
    report->violated = true;
    if (WIFSIGNALED(status))
        snprintf(report->message, sizeof(report->message), "the program broke: %s",
                 strsignal(WTERMSIG(status)));
    else
        snprintf(report->message, sizeof(report->message), "the program ended with %d", WEXITSTATUS(status));
}

struct simulate_report *sim_report_new(struct error *err)
{
    void *report =
        mmap(NULL, sizeof(struct simulate_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report != MAP_FAILED) return report;
    error_errno(err, errno, "no memory for a simulation");
    return NULL;
}

void sim_report_free(struct simulate_report *report)
{
    if (report) munmap(report, sizeof(*report));
}

/* First whole kinds, then pieces of what is left: halves (which bisects the time), quarters, … down to single
 * strikes (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002). A strike has a
 * chance of its own (faults.c), so what is left strikes when and how it did. */
bool sim_shrink(const struct simulate_options *options, struct simulate_report *report, size_t *ret_replays,
                struct error *err)
{
    struct shrinking shrinking = {.options = *options, .best = report};
    bool same = false;

    if (report->strikes_length == LENGTH(report->strikes))
        return error_set(err, ERROR_REFUSED,
                         "more than %zu faults struck before it: shrink it with fewer kinds (--faults)",
                         LENGTH(report->strikes));
    shrinking.tried = sim_report_new(err);
    if (!shrinking.tried) return false;
    shrinking.kept = mem_alloc_array(LENGTH(report->strikes), sizeof(*shrinking.kept));
    shrinking.options.only = shrinking.kept;
    shrinking.options.progress = NULL;
    memcpy(shrinking.kept, report->strikes, report->strikes_length * sizeof(*report->strikes));
    bool good = try_it(&shrinking, report->strikes_length, &same, err);
    if (good && !same) good = error_set(err, ERROR_FAILED, "the same seed was another run");
    good = good && without_kinds(&shrinking, err) && without_pieces(&shrinking, err) &&
           tell_about(&shrinking, err);
    *ret_replays = shrinking.replays;
    sim_report_free(shrinking.tried);
    mem_free(shrinking.kept);
    return good;
}

bool sim_read_strikes(struct arena *arena, const char *text, struct simulate_options *ret_options,
                      struct error *err)
{
    struct simulate_strike *strikes = arena_alloc_array(arena, SIMULATE_STRIKES_MAX, sizeof(*strikes));
    size_t length = 0;

    for (const char *at = text; length < SIMULATE_STRIKES_MAX; at++) {
        size_t size = strcspn(at, ","), name_size = strcspn(at, "#,"), fault = 0;
        CLEANUP_MEM char *name = mem_strndup(at, name_size);
        CLEANUP_MEM char *number =
            name_size < size ? mem_strndup(at + name_size + 1, size - name_size - 1) : NULL;
        uint64_t nth = 0;
        while (simulate_fault_name(fault) && !text_equal(simulate_fault_name(fault), name))
            fault++;
        if (!simulate_fault_name(fault) || !number || !text_parse_u64(number, &nth) || nth < 1 ||
            nth > UINT32_MAX)
            return error_set(
                err, ERROR_USAGE,
                "--only: '%.*s' is no strike: write a fault, '#' and which one of it, as in host-dies#3",
                (int)size, at);
        strikes[length].fault = (uint32_t)fault;
        strikes[length++].nth = (uint32_t)nth;
        at += size;
        if (*at) continue;
        ret_options->only = strikes;
        ret_options->only_length = length;
        return true;
    }
    return error_set(err, ERROR_USAGE, "--only: more than %d strikes", SIMULATE_STRIKES_MAX);
}

void sim_write_strikes(const struct simulate_report *report, struct buf *ret_text)
{
    for (size_t i = 0; i < report->strikes_length; i++)
        buf_printf(ret_text, "%s%s#%" PRIu32, i ? "," : "", simulate_fault_name(report->strikes[i].fault),
                   report->strikes[i].nth);
}

static bool without_kinds(struct shrinking *shrinking, struct error *err)
{
    for (uint32_t fault = 0; simulate_fault_name(fault); fault++) {
        const struct simulate_report *best = shrinking->best;
        size_t length = 0;
        bool same = false;
        for (size_t i = 0; i < best->strikes_length; i++)
            if (best->strikes[i].fault != fault) shrinking->kept[length++] = best->strikes[i];
        if (length < best->strikes_length && !try_it(shrinking, length, &same, err)) return false;
    }
    return true;
}

static bool without_pieces(struct shrinking *shrinking, struct error *err)
{
    const struct simulate_report *best = shrinking->best;

    for (size_t piece = (best->strikes_length + 1) / 2; piece > 0; piece = piece == 1 ? 0 : (piece + 1) / 2) {
        for (size_t first = 0; first < best->strikes_length && shrinking->replays < REPLAYS_MAX;) {
            size_t length = 0;
            bool same = false;
            for (size_t i = 0; i < best->strikes_length; i++)
                if (i < first || i >= first + piece) shrinking->kept[length++] = best->strikes[i];
            if (!try_it(shrinking, length, &same, err)) return false;
            if (!same) first += piece;
        }
    }
    return true;
}

/* The last replay: its story has room for a few lines only, and they are to be those of what the violation is
 * about: the instance, or else the farm, that it names. */
static bool tell_about(struct shrinking *shrinking, struct error *err)
{
    const struct simulate_report *best = shrinking->best;
    char about[STORY_ABOUT_SIZE] = "";
    size_t most = 0;
    bool same = false;

    for (const char *at = best->message; *at;) {
        size_t size = strcspn(at, " ,:");
        const char *word = text_starts(at, "farm/") ? at + strlen("farm/") : at;
        size_t word_size = size - (size_t)(word - at);
        if (word[0] != '/' && slashes(word, word_size) > most) {
            most = slashes(word, word_size);
            snprintf(about, sizeof(about), "%.*s", (int)word_size, word);
        }
        at += size + (at[size] != '\0');
    }
    if (most == 0) return true;
    shrinking->options.about = about;
    memcpy(shrinking->kept, best->strikes, best->strikes_length * sizeof(*best->strikes));
    bool good = try_it(shrinking, best->strikes_length, &same, err);
    shrinking->options.about = NULL;
    return good;
}

static size_t slashes(const char *word, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += word[i] == '/';
    return count;
}

/* What violates the same invariant is the best from then on: with what struck before it did. */
static bool try_it(struct shrinking *shrinking, size_t length, bool *ret_same, struct error *err)
{
    struct simulate_report *tried = shrinking->tried;

    memset(tried, 0, sizeof(*tried));
    shrinking->options.only_length = length;
    shrinking->replays++;
    if (!sim_isolated(&shrinking->options, tried, err)) return false;
    *ret_same = tried->violated && text_equal(tried->invariant, shrinking->best->invariant);
    if (*ret_same) memcpy(shrinking->best, tried, sizeof(*tried));
    return true;
}
