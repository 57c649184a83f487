/* What is stored here for parties, encrypted: nothing yet. */
#include "agent/internal.h"

void private_discard(struct agent *agent, const char *party)
{
}
