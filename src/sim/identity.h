/* An authority whose signatures are digests over its name and the bytes: the twin of os/identity.h. */
#ifndef CROFT_SIM_IDENTITY_H
#define CROFT_SIM_IDENTITY_H

#include "port/identity.h"

struct sim_identity;

struct sim_identity *sim_identity_new(const char *authority);
void sim_identity_free(struct sim_identity *identity); /* NULL is fine */
const struct identity_port *sim_identity_port(struct sim_identity *identity);

#endif
