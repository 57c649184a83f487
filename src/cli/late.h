/* Libraries that are loaded only by commands that need them: to load them all costs more than a question to a
 * file (tools/late-libraries). */
#ifndef CROFT_CLI_LATE_H
#define CROFT_CLI_LATE_H

#include "base/error.h"

/* To be called before anything that is not of the pure rooms; once is enough, more do no harm. ERROR_FAILED:
 * a library is not there, or is not the one that this program was built for. Always good where the program
 * was linked with them as usual. */
MUST_CHECK bool late_load(struct error *err);

#endif
