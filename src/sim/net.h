/* Messages between machines in one process: the twin of os/http.h. Delivers, delays, loses, repeats; paths
 * can be cut, machines can lose power. README.md says what a silent and what a refusing machine is. */
#ifndef CROFT_SIM_NET_H
#define CROFT_SIM_NET_H

#include "port/clock.h"
#include "port/net.h"
#include "sim/random.h"

struct sim_net;
struct sim_machine;

struct sim_weather {
    int64_t latency_us_min, latency_us_max; /* of one message, drawn for each */
    int lost_per_1000, repeated_per_1000;   /* of the requests and answers; of the requests */
};

/* What happens to one request, whatever the weather. */
struct sim_fate {
    bool lose, lose_answer, repeat;
    int64_t late_us; /* it comes so much later, when nobody waits for its answer any more */
};

struct sim_net *sim_net_new(const struct clock_port *clock, struct sim_random *random);
void sim_net_free(struct sim_net *net); /* NULL is fine; no callback comes after */
void sim_net_weather(struct sim_net *net, const struct sim_weather *weather);
/* Asked for every request that arrives; NULL: nobody. */
void sim_net_meddle(struct sim_net *net,
                    void (*meddle)(void *ctx, const char *from, const char *to, const struct request *request,
                                   struct sim_fate *ret_fate),
                    void *ctx);
/* Messages from one machine to another ("*": any) over the path (0, 1; -1: both) vanish, this way only. */
void sim_net_cut(struct sim_net *net, const char *from, const char *to, int path, bool cut);
/* Both ways between the machine and all others. */
void sim_net_cut_off(struct sim_net *net, const char *machine, int path, bool cut);

/* Made with power on when there is none of that name. The net's. Its certificate is that of a host of this
 * name. */
struct sim_machine *sim_net_machine(struct sim_net *net, const char *name);
/* Another certificate. name: of a host; else NULL. */
void sim_machine_certify(struct sim_machine *machine, enum role role, const char *name);
/* What the processes of this machine use. */
const struct net_port *sim_machine_port(struct sim_machine *machine);
/* The address is this machine's, on this path. handler NULL: nobody listens, so its kernel refuses. */
void sim_machine_listen(struct sim_machine *machine, const char *address, int path, net_handler handler,
                        void *ctx);
/* Asked until when (on the net's clock) its process is held up in a call: nothing is handed to it before.
 * NULL: it never is. */
void sim_machine_held(struct sim_machine *machine, int64_t (*held_until_us)(void *ctx), void *ctx);
/* Its processes have ended, and its kernel tidies up: nobody listens, what was open breaks. */
void sim_machine_end(struct sim_machine *machine);
/* Off: it is silent, and nobody is told; its processes are the caller's to free after this, then
 * sim_machine_end(). On again: nobody listens yet. */
void sim_machine_power(struct sim_machine *machine, bool on);
/* Calls that its processes wait for, and exchanges that they have not answered. */
size_t sim_machine_calls(const struct sim_machine *machine);
size_t sim_machine_exchanges(const struct sim_machine *machine);

#endif
