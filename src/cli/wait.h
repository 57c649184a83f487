/* Waiting for what was asked to have happened. */
#ifndef CROFT_CLI_WAIT_H
#define CROFT_CLI_WAIT_H

#include "cli/cli.h"

/* The time of `--wait[=TIME]`; ERROR_USAGE when it is none. */
MUST_CHECK bool wait_time(struct cli *cli, int64_t *ret_ms, struct error *err);
/* Until every farm is as its document asks: ready, or stopped. ERROR_TIMEOUT names what is missing and why.
 */
MUST_CHECK bool wait_farms(struct cli *cli, const char *const *names, size_t length, int64_t time_ms,
                           struct error *err);
/* Until no instance of a deleted farm is left. ERROR_TIMEOUT as above. */
MUST_CHECK bool wait_wiped(struct cli *cli, const char *farm, int64_t time_ms, struct error *err);

#endif
