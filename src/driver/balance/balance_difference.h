/* From what HAProxy has to what is wanted: commands for its admin socket. Pure. */
#ifndef CROFT_DRIVER_BALANCE_DIFFERENCE_H
#define CROFT_DRIVER_BALANCE_DIFFERENCE_H

#include "base/buf.h"
#include "base/vec.h"
#include "driver/balance/balance_answer.h"
#include "model/host_document.h"

enum balance_command_kind {
    COMMAND_ADD,    /* must answer "New server registered." */
    COMMAND_SET,    /* must answer nothing */
    COMMAND_SHUT,   /* cuts what a leaving server still has */
    COMMAND_DELETE, /* is refused while connections are left: asked again in the next round */
};

struct balance_command {
    enum balance_command_kind kind;
    char text[320];
};

/* Adds items of struct balance_command, in the order to send them. `force(ctx, "backend/server")` says
 * whether a server that has to go has had its time: then the connections it still has are shut. ret_leaving:
 * how many servers are there that have to go. */
void balance_difference(const struct balance_frontend *frontends, size_t frontends_length,
                        const struct vec *present, bool (*force)(void *ctx, const char *key), void *ctx,
                        struct vec *ret_commands, size_t *ret_leaving);

#endif
