/* The grid that a question is about. */
#ifndef CROFT_CLI_GRID_READ_H
#define CROFT_CLI_GRID_READ_H

#include "cli/cli.h"
#include "spec/grid_file.h"

/* From the file of `--grid` ("-": standard input), or the live grid. Texts are in cli->arena. */
MUST_CHECK bool grid_read(struct cli *cli, struct grid_file *ret_grid, struct error *err);
/* "cpus=1,memory=2Gi,disk=10Gi,network=1G", each at most once, onto *ret_resources, which keeps what is not
 * said. False: which piece of it is not such, and why; nothing is changed. */
MUST_CHECK bool amounts_read(const char *text, struct resources *ret_resources, struct error *err);

#endif
