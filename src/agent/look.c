/* Looks: a controller that lost sight of a host asks others whether they reach it (control.md, "Channels").
 */
#include "agent/internal.h"
#include "base/text.h"

#include <string.h>

enum { LOOK_MS = 150 }; /* a living host on the same network answers in well under one */

struct look {
    struct agent *agent;
    struct exchange *exchange;
    size_t open;
    bool alive, refused;
};

static void looked(void *ctx, const struct answer *answer);

void look_serve(struct agent *agent, struct exchange *exchange, const struct node *body)
{
    const struct net_port *net = agent->options.net;
    const struct node *addresses = node_get(body, "addresses");
    struct request request = {.method = "GET", .path = "/agent/alive"};
    struct peer peer = {.name = node_text(body, "host", ""), .tls = true};
    struct look *look = mem_alloc(sizeof(*look));

    for (size_t i = 0; addresses && i < addresses->length && peer.addresses_length < 2; i++)
        if (addresses->items[i].text && addresses->items[i].text[0])
            peer.addresses[peer.addresses_length++] = addresses->items[i].text;
    look->agent = agent;
    look->exchange = exchange;
    if (peer.addresses_length == 0) {
        agent_answer_json(agent, exchange, "{\"answer\":\"silent\"}");
        mem_free(look);
        return;
    }
    for (size_t i = 0; i < peer.addresses_length; i++) {
        peer.only_address = (int)i;
        look->open++;
        net->call(net->self, &peer, &request, LOOK_MS, NULL, looked, look);
    }
}

static void looked(void *ctx, const struct answer *answer)
{
    struct look *look = ctx;

    look->alive |= answer->status > 0;
    look->refused |= answer->status == 0 && answer->refused;
    if (--look->open > 0) return;
    agent_answer_json(look->agent, look->exchange,
                      look->alive     ? "{\"answer\":\"alive\"}"
                      : look->refused ? "{\"answer\":\"refused\"}"
                                      : "{\"answer\":\"silent\"}");
    mem_free(look);
}
