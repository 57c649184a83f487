/* A whole grid through hours of trouble, judged after every step. The same seed is the same run, on any
 * machine. */
#ifndef CROFT_SIMULATE_SIMULATE_H
#define CROFT_SIMULATE_SIMULATE_H

#include "base/error.h"
#include "simulate/story.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The n-th strike (from 1) of a kind of fault; of those that a run had, what it did, in words. */
struct simulate_strike {
    uint32_t fault; /* its place in the table */
    uint32_t nth;
    char line[120];
};

struct simulate_options {
    uint64_t seed;
    int64_t virtual_ms;
    size_t hosts, farms;                /* 0: the seed draws them */
    const char *faults;                 /* "all", "none", or names with commas between them */
    const char *about;                  /* the story keeps what has this text in it, and strikes; NULL: all */
    const struct simulate_strike *only; /* no others strike; NULL: all do */
    size_t only_length;
    /* Told now and then (at most once a virtual minute) how it goes; NULL: nobody. */
    void (*progress)(void *ctx, const char *line);
    void *progress_ctx;
};

enum { SIMULATE_FAULTS_MAX = 32, SIMULATE_STRIKES_MAX = 4000 };

/* No pointers, so that it may stand in memory that another process reads. Zeroed at first; while the run goes
 * on it says how far it is, and so what was when the program ended in the midst of it. */
struct simulate_report {
    uint64_t seed, steps, checks;
    int64_t virtual_ms;
    uint64_t faults[SIMULATE_FAULTS_MAX]; /* how often each struck; in the order of the table */
    bool finished;                        /* or ended by a violation; false: the program broke */
    bool violated;
    char invariant[32], message[400];
    struct simulate_strike strikes[SIMULATE_STRIKES_MAX]; /* the first so many that had an effect */
    size_t strikes_length;
    struct story story;
};

/* Names of faults, in the order of the table; NULL at the end. */
const char *simulate_fault_name(size_t n);
const char *simulate_fault_words(size_t n); /* what it does, one line */
const char *simulate_invariant_name(size_t n);
/* Whether the list is one; ERROR_USAGE with the nearest spelling. */
MUST_CHECK bool simulate_check_faults(const char *faults, struct error *err);
void simulate(const struct simulate_options *options, struct simulate_report *report);

#endif
