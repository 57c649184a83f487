/* Looks: a controller that lost sight of a host asks others whether they reach it (control.md, "Channels").
 */
#include "agent/internal.h"
#include "base/text.h"

#include <string.h>

enum { LOOK_MS = 150 }; /* a living host on the same network answers in well under one */

struct look {
    struct agent *agent;
    struct exchange *exchange;
    struct call *calls[2]; /* NULL: answered */
    bool alive, lives;     /* its agent answered; its kernel did */
};

static void looked_0(void *ctx, const struct answer *answer);
static void looked_1(void *ctx, const struct answer *answer);
static void looked(struct look *look, size_t path, const struct answer *answer);
static void asker_gone(void *ctx);

void look_serve(struct agent *agent, struct exchange *exchange, const struct node *body)
{
    static void (*const dones[])(void *ctx, const struct answer *answer) = {looked_0, looked_1};
    const struct net_port *net = agent->options.net;
    const struct node *addresses = node_get(body, "addresses");
    struct request request = {.method = "GET", .path = "/agent/alive"};
    struct peer peer = {.role = ROLE_HOST, .name = node_text(body, "host", ""), .tls = true};
    struct look *look = NULL;

    for (size_t i = 0; addresses && i < addresses->length && peer.addresses_length < 2; i++)
        if (addresses->items[i].text && addresses->items[i].text[0])
            peer.addresses[peer.addresses_length++] = addresses->items[i].text;
    if (peer.addresses_length == 0) {
        agent_answer_json(agent, exchange, "{\"answer\":\"silent\"}");
        return;
    }
    look = mem_alloc(sizeof(*look));
    look->agent = agent;
    look->exchange = exchange;
    *(struct look **)vec_push(&agent->looks) = look;
    net->on_gone(net->self, exchange, asker_gone, look);
    for (size_t i = 0; i < peer.addresses_length; i++) {
        peer.only_address = (int)i;
        look->calls[i] = net->call(net->self, &peer, &request, LOOK_MS, NULL, dones[i], look);
    }
}

void look_free(struct look *look)
{
    const struct net_port *net = look->agent->options.net;
    struct vec *looks = &look->agent->looks;

    for (size_t i = 0; i < LENGTH(look->calls); i++)
        net->cancel(net->self, look->calls[i]);
    for (size_t i = 0; i < looks->length; i++) {
        if (*(struct look **)vec_at(looks, i) != look) continue;
        vec_remove(looks, i);
        break;
    }
    mem_free(look);
}

static void looked_0(void *ctx, const struct answer *answer)
{
    looked(ctx, 0, answer);
}

static void looked_1(void *ctx, const struct answer *answer)
{
    looked(ctx, 1, answer);
}

static void looked(struct look *look, size_t path, const struct answer *answer)
{
    look->calls[path] = NULL;
    look->alive |= answer->status > 0;
    look->lives |= answer->lives;
    if (look->calls[1 - path]) return;
    agent_answer_json(look->agent, look->exchange,
                      look->alive   ? "{\"answer\":\"alive\"}"
                      : look->lives ? "{\"answer\":\"lives\"}"
                                    : "{\"answer\":\"silent\"}");
    look_free(look);
}

/* Nobody wants to know any more. */
static void asker_gone(void *ctx)
{
    look_free(ctx);
}
