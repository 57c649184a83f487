/* Hunts for a bug: seed after seed, each in a process of its own, until an invariant breaks. Linked with one
 * source file that has a bug planted, the bug has to be found, and by the invariant that it is said to break;
 * linked without, nothing may be found.
 *
 * usage: hunt MINUTES [FIRST-]LAST [INVARIANT[,INVARIANT…] [FAULTS]]     (of virtual time, each; seeds, from
 * 1; no invariant: no bug; all faults) */
#include "base/mem.h"
#include "base/text.h"
#include "simulate/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static bool parse_seeds(const char *text, uint64_t *ret_first, uint64_t *ret_last);
static bool run(uint64_t seed, uint64_t minutes, const char *faults, struct simulate_report *report);
static bool is_named(const char *list, const char *name);
static void tell(const struct simulate_report *report);

int main(int count, char **arguments)
{
    uint64_t minutes = 0, first = 1, last = 0, steps = 0;
    const char *invariants = count > 3 && arguments[3][0] ? arguments[3] : NULL;
    struct simulate_report *report =
        mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, /* the child writes */
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (count < 3 || !text_parse_u64(arguments[1], &minutes) || !parse_seeds(arguments[2], &first, &last)) {
        fprintf(stderr, "usage: %s MINUTES [FIRST-]LAST [INVARIANT,…]\n", arguments[0]);
        return 2;
    }
    if (report == MAP_FAILED) {
        perror("no memory that processes share");
        return 2;
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        if (!run(seed, minutes, count > 4 ? arguments[4] : "all", report)) return 2;
        steps += report->steps;
        if (!report->violated) continue;
        tell(report);
        printf("found by seed %llu of %llu: %s: %s\n", (unsigned long long)seed, (unsigned long long)last,
               report->invariant, report->message);
        if (invariants && is_named(invariants, report->invariant)) return 0;
        if (invariants) printf("not by the invariant that the bug breaks: %s\n", invariants);
        return 1;
    }
    printf("nothing found in seeds %llu to %llu, %llu steps\n", (unsigned long long)first,
           (unsigned long long)last, (unsigned long long)steps);
    return invariants ? 1 : 0;
}

static bool parse_seeds(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    const char *dash = strchr(text, '-');
    CLEANUP_MEM char *first = mem_strndup(text, dash ? (size_t)(dash - text) : 0);

    if (!dash) return text_parse_u64(text, ret_last);
    return text_parse_u64(first, ret_first) && text_parse_u64(dash + 1, ret_last);
}

/* A program that breaks in the midst of it has found something, too. */
static bool run(uint64_t seed, uint64_t minutes, const char *faults, struct simulate_report *report)
{
    const struct simulate_options options = {
        .seed = seed, .virtual_ms = (int64_t)minutes * 60 * 1000, .faults = faults};
    int status = 0;

    memset(report, 0, sizeof(*report));
    pid_t pid = fork();
    if (pid == 0) {
        simulate(&options, report);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        perror("no process for a simulation");
        return false;
    }
    if (report->finished && WIFEXITED(status)) return true;
    report->violated = true;
    snprintf(report->invariant, sizeof(report->invariant), "program");
    snprintf(report->message, sizeof(report->message), "it broke: status %d", status);
    return true;
}

static bool is_named(const char *list, const char *name)
{
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        if (strlen(name) == size && strncmp(at, name, size) == 0) return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static void tell(const struct simulate_report *report)
{
    const char *line = NULL;
    for (unsigned i = 0; (line = story_line(&report->story, i)); i++)
        printf("  %s\n", line);
}
