/* Where the controller is, and who asks: from the command line, the environment, the user's profile, or, for
 * root, the grid that runs on this machine. */
#ifndef CROFT_CLI_PROFILE_H
#define CROFT_CLI_PROFILE_H

#include "base/error.h"
#include "base/mem.h"
#include "base/vec.h"

/* What may say so; NULL: it says nothing. */
struct profile_sources {
    const char *server, *token, *ca, *state; /* --server, --token, --ca, --state */
    const char *server_env, *token_env;      /* CROFT_SERVER, CROFT_TOKEN */
    const char *config;                      /* path of the profile; need not exist */
    const char *grids;                       /* directory with a JSON file for each running grid */
};

struct profile {
    const char *server;
    const char *token;     /* NULL: none */
    const char *authority; /* PEM; NULL: none */
};

struct running_grid {
    const char *server;
    const char *token_path;
    const char *state;
    long pid;
};

/* All results live in the arena. */
MUST_CHECK bool profile_find(struct arena *arena, const struct profile_sources *sources,
                             struct profile *ret_profile, struct error *err);
/* $XDG_CONFIG_HOME/croft/config.yaml or ~/.config/croft/config.yaml; NULL: there is neither variable. */
const char *profile_path(struct arena *arena);
/* Adds those whose process lives (struct running_grid). */
void profile_grids(struct arena *arena, const char *directory, struct vec *ret_grids);

#endif
