/* local_port without sockets: a test, or a story, asks in the instance's place. */
#ifndef CROFT_SIM_LOCAL_H
#define CROFT_SIM_LOCAL_H

#include "port/local.h"

struct sim_local;

struct sim_local *sim_local_new(void);
void sim_local_free(struct sim_local *local); /* NULL is fine; what was opened is closed before */
const struct local_port *sim_local_port(const struct sim_local *local);
/* False: nobody listens at that path. Else the answer, whose body is the caller's to buf_free(). */
bool sim_local_ask(struct sim_local *local, const char *path, const struct local_request *request,
                   struct local_answer *ret_answer);

#endif
