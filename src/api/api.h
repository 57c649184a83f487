/* The API that people and programs use: HTTP with JSON under /v1/, model.md "API". Translates; decides
 * nothing. */
#ifndef CROFT_API_API_H
#define CROFT_API_API_H

#include "control/controller.h"
#include "port/random.h"

struct api_options {
    struct controller *controller;
    const struct clock_port *clock;
    const struct net_port *net;
    const struct random_port *random;
    const struct identity_port *identity;
    const char *landlord_token; /* the landlord's own: everything is allowed with it */
};

struct api;

struct api *api_new(const struct api_options *options);
void api_free(struct api *api);

/* A net_handler for the API's listener (ctx: the api). */
void api_serve(void *ctx, struct exchange *exchange, const struct request *request,
               const struct sender *sender);

#endif
