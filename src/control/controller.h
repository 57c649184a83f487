/* The controller: intent and facts in the store, decisions by the planner, one document for each host.
 * Event-driven, one thread, no call that blocks; the outside comes through ports. */
#ifndef CROFT_CONTROL_CONTROLLER_H
#define CROFT_CONTROL_CONTROLLER_H

#include "control/change.h"
#include "plan/lease/rights.h"
#include "plan/plan.h"
#include "port/blob.h"
#include "port/clock.h"
#include "port/identity.h"
#include "port/net.h"
#include "port/post.h"
#include "port/power.h"
#include "port/random.h"
#include "spec/spec.h"

struct controller_options {
    const struct clock_port *clock;
    const struct net_port *net;
    const struct identity_port *identity;
    const struct blob_port *blobs;
    const struct post_port *post;   /* NULL: nobody is told */
    const struct power_port *power; /* NULL: hosts cannot be switched */
    struct store *store;            /* stays the caller's */
    const char *join_token;         /* what a new agent has to know */
    int64_t keep_bills_months; /* books of the months before so many and this one are dropped; 0: none are */
    void (*log)(void *ctx, const char *line); /* NULL: to the standard error */
    void *log_ctx;
};

struct controller;

MUST_CHECK bool controller_new(const struct controller_options *options, struct controller **ret_controller,
                               struct error *err);
void controller_free(struct controller *controller);

/* Serves the agents: a net_handler for the listener on the management network (ctx: the controller). Routes
 * and messages are described in src/control/README.md. */
void controller_serve_agents(void *ctx, struct exchange *exchange, const struct request *request,
                             const struct sender *sender);

/* For the API. */
struct mirror *controller_mirror(struct controller *controller);
struct store *controller_store(struct controller *controller);
const struct controller_options *controller_options_of(struct controller *controller);

/* Where tokens are kept: behind it is a token's digest. */
#define TOKEN_PREFIX "token/"

/* Who asks: what a token or certificate stands for. */
struct caller {
    const char *name; /* for the audit log */
    const char *party;
    enum console console; /* what of the party's rights is at hand */
};

enum apply_result { APPLY_CREATED, APPLY_UPDATED, APPLY_UNCHANGED };

struct applied {
    const char *kind; /* "farm" */
    const char *name; /* "acme/shop" */
    enum apply_result result;
    uint64_t revision;
};

/* Makes the documents the grid's intent, all or none. if_revision: only if the (one) document has this
 * revision, UINT64_MAX: whatever it has. Items of ret_applied are struct applied in the arena. */
MUST_CHECK bool controller_apply(struct controller *controller, struct arena *arena,
                                 const struct caller *caller, const struct documents *documents,
                                 const char *file, uint64_t if_revision, bool dry_run,
                                 struct vec *ret_applied, struct error *err);
/* What the planner would do at once if the documents were applied: items are struct action in the arena. */
MUST_CHECK bool controller_diff(struct controller *controller, struct arena *arena,
                                const struct caller *caller, const struct documents *documents,
                                const char *file, struct plan *ret_plan, struct error *err);
MUST_CHECK bool controller_delete(struct controller *controller, const struct caller *caller,
                                  enum record_kind kind, const char *name, uint64_t if_revision,
                                  struct error *err);
MUST_CHECK bool controller_scale(struct controller *controller, const struct caller *caller, const char *farm,
                                 const char *tier, int64_t count, struct error *err);
MUST_CHECK bool controller_move(struct controller *controller, const struct caller *caller,
                                const char *instance, const char *host, struct error *err);
MUST_CHECK bool controller_host_state(struct controller *controller, const struct caller *caller,
                                      const char *host, enum host_intent_state state, struct error *err);
/* In what the filter does not stay inside those of the parties above it: one clause; "" when it does; NULL:
 * not judged yet. */
const char *filters_misfit(const struct controller *controller, const char *full_name);
/* How it stands with the messages to a contact. */
struct notice_standing {
    int64_t waiting;     /* lines that were not sent yet */
    int64_t sent;        /* messages of the last hour */
    const char *trouble; /* why the message that is under way did not get through yet, or "" */
};
struct notice_standing notices_standing(struct controller *controller, const char *contact);
/* Into the audit log: the caller runs a command in the instance. word: its first one; what follows may be
 * secret. */
MUST_CHECK bool controller_note_exec(struct controller *controller, const struct caller *caller,
                                     const char *instance, const char *word, struct error *err);
/* Layers of images, as the caller's party may see them: its own unfinished ones, and the whole ones that it
 * sent or has in images. append: ERROR_TOO_LARGE, ERROR_REFUSED past the limits of library.c. finish: as
 * blob_port's, in several turns. */
MUST_CHECK bool controller_layer_size(struct controller *controller, const struct caller *caller,
                                      const char *digest, int64_t *ret_bytes, struct error *err);
int64_t controller_layer_partial(struct controller *controller, const struct caller *caller,
                                 const char *digest);
MUST_CHECK bool controller_layer_append(struct controller *controller, const struct caller *caller,
                                        const char *digest, int64_t offset, const void *data, size_t size,
                                        struct error *err);
MUST_CHECK bool controller_layer_finish(struct controller *controller, const struct caller *caller,
                                        const char *digest, bool *ret_done, struct error *err);
/* done is called once, from the loop. */
void controller_power(struct controller *controller, const struct caller *caller, const char *host,
                      enum power_order order, void (*done)(void *ctx, const struct error *err), void *ctx);
/* Packets that hosts did not let pass, as far as this controller has heard. */
struct denied_total {
    const char *farm;
    const char *instance; /* full name, or "": the farm's */
    const char *reason;
    const char *by; /* full name of the filter that denied, or "" */
    int64_t packets;
};
void controller_denied(struct controller *controller,
                       void (*each)(void *ctx, const struct denied_total *total), void *ctx);
/* May this caller know of this thing? */
bool caller_may_see(struct controller *controller, const struct caller *caller, enum record_kind kind,
                    const struct record *record);
/* The same of what an event is about: "farm", "acme/shop". */
bool caller_may_see_event(struct controller *controller, const struct caller *caller, const char *kind,
                          const char *name);
/* May this caller do this to something of the target party? By which right (ret_right: or NULL); else
 * ERROR_DENIED. */
MUST_CHECK bool controller_allows(struct controller *controller, const struct caller *caller, enum deed deed,
                                  const char *target, const char **ret_right, struct error *err);
/* Into the audit log: the caller was denied what it asked for. what: "PUT hosts/h1". */
void controller_note_refusal(struct controller *controller, const struct caller *caller, const char *what,
                             const struct error *why);
/* What parties hold; valid until the next store_dispatch(). */
const struct lease_tree *leases_tree(struct controller *controller);
/* reason: "" or more than that either side ended it. */
MUST_CHECK bool controller_lease_end(struct controller *controller, const struct caller *caller,
                                     const char *name, const char *reason, struct error *err);

/* Asks the agent that has the instance; done gets its answer. ERROR_… as an answer with status 0. */
void controller_ask_agent(struct controller *controller, const char *host, const struct request *request,
                          int64_t timeout_ms, void (*chunk)(void *ctx, const char *data, size_t size),
                          void (*done)(void *ctx, const struct answer *answer), void *ctx,
                          struct call **ret_call);

#endif
