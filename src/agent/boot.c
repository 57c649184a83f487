/* After a boot without a controller: may the stored document be trusted? README.md says why all others are
 * asked. */
#include "agent/internal.h"
#include "base/text.h"

#include <stdio.h>

enum {
    PATIENCE_US = 3 * 1000 * 1000, /* a controller that lives has answered a hello long before */
    ASK_TIMEOUT_MS = 1000,
};

/* One question of a round. */
struct boot_call {
    struct boot *boot;
    struct call *call; /* NULL: answered */
};

struct boot {
    struct agent *agent;
    struct boot_call *calls; /* of this round */
    size_t calls_length;
    struct timer *next;
    size_t open;
    size_t fine; /* answers that know this host as not given up, and hear no controller */
    size_t asked;
};

static void ask_all(void *ctx);
static void answered(void *ctx, const struct answer *answer);
static void judge(struct boot *boot);

void boot_start(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;

    if (agent->confirmed_boot || agent->apply || !agent->stored) return;
    agent->boot = mem_alloc(sizeof(*agent->boot));
    agent->boot->agent = agent;
    agent->boot->next = clock->after(clock->self, PATIENCE_US, ask_all, agent->boot);
}

void boot_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    const struct net_port *net = agent->options.net;
    struct boot *boot = agent->boot;

    if (!boot) return;
    agent->boot = NULL;
    clock->cancel(clock->self, boot->next);
    for (size_t i = 0; i < boot->calls_length; i++)
        net->cancel(net->self, boot->calls[i].call);
    mem_free(boot->calls);
    mem_free(boot);
}

/* What this host's document says of the one that asks, "unknown" when it has none or is not named there; and
 * whether a controller is in reach here. It may be about to give up the one that asks: what is written takes
 * its time, and more until it is here. */
void boot_serve(struct agent *agent, struct exchange *exchange, const char *host)
{
    const struct held_document *held = agent->good ? agent->good : agent->stored;
    const char *word = "unknown";
    char json[64];

    for (size_t i = 0; held && i < held->document.peers_length; i++) {
        const struct host_peer *peer = &held->document.peers[i];
        if (text_equal(peer->name, host)) word = peer->given_up ? "given up" : "fine";
    }
    snprintf(json, sizeof(json), "{\"answer\":\"%s\",\"controller\":%s}", word,
             channel_hears(agent) ? "true" : "false");
    agent_answer_json(agent, exchange, json);
}

static void ask_all(void *ctx)
{
    struct boot *boot = ctx;
    struct agent *agent = boot->agent;
    const struct net_port *net = agent->options.net;
    const struct host_document *document = &agent->stored->document;
    char path[128];

    boot->next = NULL;
    boot->fine = boot->asked = 0;
    mem_free(boot->calls);
    boot->calls = mem_alloc_array(document->peers_length, sizeof(*boot->calls));
    boot->calls_length = 0;
    boot->open = 1; /* held until all are asked */
    snprintf(path, sizeof(path), "/agent/given-up?host=%s", agent->options.host->name);
    for (size_t i = 0; i < document->peers_length; i++) {
        const struct host_peer *other = &document->peers[i];
        struct peer peer = {.role = ROLE_HOST, .name = other->name, .tls = true, .only_address = -1};
        struct request request = {.method = "GET", .path = path};
        for (size_t j = 0; j < LENGTH(other->addresses); j++)
            if (other->addresses[j][0]) peer.addresses[peer.addresses_length++] = other->addresses[j];
        boot->asked++;
        if (peer.addresses_length == 0) continue; /* cannot be asked: counts as no answer */
        boot->open++;
        struct boot_call *call = &boot->calls[boot->calls_length++];
        call->boot = boot;
        call->call = net->call(net->self, &peer, &request, ASK_TIMEOUT_MS, NULL, answered, call);
    }
    boot->open--;
    if (boot->open == 0) judge(boot);
}

static void answered(void *ctx, const struct answer *answer)
{
    struct boot_call *call = ctx;
    struct boot *boot = call->boot;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    call->call = NULL;
    boot->open--;
    if (answer->status == 200 && node_from_json(arena, answer->body, answer->body_size, &node, &err))
        boot->fine +=
            text_equal(node_text(&node, "answer", ""), "fine") && !node_bool(&node, "controller", false);
    if (boot->open == 0) judge(boot);
}

static void judge(struct boot *boot)
{
    struct agent *agent = boot->agent;
    const struct clock_port *clock = agent->options.clock;

    if (boot->fine == boot->asked && !channel_hears(agent)) {
        boot_stop(agent);
        document_trust(agent);
    } else {
        boot->next = clock->after(clock->self, PATIENCE_US, ask_all, boot);
    }
}
