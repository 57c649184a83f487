/* What the files of this room share. */
#ifndef CROFT_CONTROL_INTERNAL_H
#define CROFT_CONTROL_INTERNAL_H

#include "control/controller.h"
#include "plan/planner.h"

/* The path of an agent's messages; kept while the controller runs, made anew from the first beat after. */
struct session {
    struct controller *controller;
    char *host;
    int64_t beat_us[2];    /* steady time of the last beat over each path; 0: none yet */
    int64_t heard_us;      /* of the last sign of life, also to those who were asked to look; 0: none yet */
    struct exchange *line; /* breaks off when the agent ends; NULL: not there */
    int64_t line_since_us;
    struct timer *line_gone;  /* it broke off a moment ago */
    struct exchange *waiting; /* the agent's pending question for a newer document, or NULL */
    int64_t waiting_after;    /* the version it has */
    int64_t waiting_since_us;
    char *document;            /* text of the newest document, with its version */
    int64_t document_version;  /* 0: none yet */
    int64_t confirmed_version; /* the agent said so in this controller's life */
    char *report_boot;         /* of the newest report; NULL: none yet */
    int64_t report_sent_us;
    bool denied_known; /* a report came in this controller's life: what is counted more is new */
    /* Doubt about its life: src/control/README.md has the drawing. */
    bool looked_early; /* since its last beat others were asked, before it is suspected */
    bool doubted;
    int64_t doubt_since_us;
    struct timer *look_again;
    unsigned look_round; /* answers to an older one do not count */
    size_t looks_open;
    size_t lookers;              /* other hosts asked in this round */
    bool look_alive, look_lives; /* its agent answered somebody; only its kernel did */
    size_t look_silent;          /* lookers that heard nothing of it */
    bool fencing;
    int64_t off_us;              /* switched off, and not noted yet: a loss may be larger; 0: it is not */
    int64_t fence_not_before_us; /* after a failed try; 0: never tried */
    char *on_run; /* boot identity of its run when people switched it on or cycled it last; NULL: they did not
                   */
    bool on_cycled; /* that ended this run */
};

struct controller {
    struct controller_options options;
    struct mirror *mirror;
    struct planner *planner; /* is told what the mirror takes in */
    /* Whose documents may say something else than before; see news.c. */
    struct map *news_farms, *news_hosts;
    struct map
        *news_owed; /* hosts that have to confirm a document, also one that says what the last one did */
    bool news_everywhere;
    bool news_balanced;   /* what all documents say now follows from that: some farm has a balancer */
    struct map *sessions; /* host -> struct session */
    struct map *denied;   /* name and reason -> struct denied */
    struct map *idle;     /* library.c: layers that nobody needs -> struct idle */
    int64_t denied_told_us;
    struct vec minutes;                  /* sizing.c: struct minute, not written down yet */
    struct map *sized;                   /* sizing.c: "acme/shop/web" -> struct sized */
    struct arena *rules_arena;           /* sizing.c: for … */
    struct map *took;                    /* sizing.c: "acme/shop/web" -> struct took */
    const struct scaling_rules *builtin; /* … the built-in rules; NULL: nobody needed them yet */
    struct map *filters_due;             /* filters.c: full names of those to be judged */
    struct map *filters_words;           /* full name -> in what it does not fit, "" when it does */
    struct lease_tree *lease_tree;       /* leases.c: what parties hold; NULL: to be made again */
    bool leases_started, leases_moved;
    struct map *refused;  /* rights.c: caller -> struct refused */
    struct map *outboxes; /* notices.c: contact -> struct outbox */
    struct store_watch *outboxes_watch;
    struct timer *think_soon, *think_later, *tick, *keep, *sizing, *filters_turn, *leases_turn;
    uint64_t decided_revision; /* of the last decision: the documents that follow from it went with it */
    uint64_t thought_revision; /* of the store after the last decision */
    /* Documents are compared with what is to be only when something changed that may stand in one. */
    int rounds;        /* decisions since something else changed */
    struct vec looks;  /* struct look * under way */
    struct vec orders; /* struct order * to switches, under way and waiting */
    int64_t started_us, ticked_us;
    struct load *load;
    int64_t load_since_ms;    /* control_now_ms() of its start: what began after that began at zero */
    int64_t time_ms, time_us; /* control_now_ms(): what it said at this steady time */
    /* usage.c */
    int64_t ledger_ms, ledger_us; /* what the ledger's clock said at this steady time */
    bool books_were_open;         /* before this controller's life */
    bool books_open;
    int64_t
        heard_before_ms;  /* so late the controller before this one was known to hear all hosts that are up */
    int64_t kept_from_ms; /* books of before are gone; 0: they are all there */
    bool all_heard;       /* all hosts that are up were heard in this controller's life */
};

/* power.c: orders to hosts' switches */
void power_forget_on(struct session *session);  /* that people switched it on, or cycled it */
void power_heard(struct session *session);      /* a beat of it came */
void power_free(struct controller *controller); /* what is under way goes on */
/* Switches it off, or off and on, so that its run surely is over; ended is called once, unless the controller
 * ends before. False: another order for it is under way or waits; the planner is asked again when that was
 * carried out. */
MUST_CHECK bool power_fence(struct controller *controller, const char *host,
                            void (*ended)(struct controller *controller, const char *host,
                                          const struct error *failure));
/* The run of it that is known is being ended by its switch, or was, and that is not written down yet: what it
 * says is not to be heeded. */
bool power_ends_run(struct controller *controller, const char *host);
/* It was, by a cycle; fact: of the session's host, or NULL. */
bool power_ended_run(const struct session *session, const struct host_fact *fact);

/* hosts.c: life of hosts */
void hosts_free(struct controller *controller);                               /* what is under way */
struct session *session_get(struct controller *controller, const char *host); /* made when missing */
void session_free(struct session *session);
/* fact: of the session's host, as the mirror has it now; NULL: nothing is known of it. */
void hosts_beat(struct session *session, const struct host_fact *fact, int path);
void hosts_doubt(struct session *session, const char *why);
/* To be called again after as many microseconds as it returns. */
MUST_CHECK int64_t hosts_tick(struct controller *controller);
void hosts_fence(struct controller *controller, const char *host, const char *reason);
enum host_giving {
    HOST_KEPT,
    HOST_GIVEN_UP, /* the others are told; nothing of it is started elsewhere yet */
    HOST_FENCED,   /* surely off */
};
/* Changes a host's fact by way of a copy; fails only as the store does. */
MUST_CHECK bool hosts_set_state(struct controller *controller, const char *host, enum host_state state,
                                enum host_giving giving, const char *reason, struct error *err);
/* Before a host is switched off: all others are told that it is given up, so whenever it comes back and asks
 * them, what ran on it may run elsewhere, however long the writing of that took. Fails only as the store
 * does. */
MUST_CHECK bool hosts_tell_given_up(struct controller *controller, const char *host, struct error *err);
/* It was not switched off after all; nothing when it is not known to run. Fails only as the store does. */
MUST_CHECK bool hosts_spare(struct controller *controller, const char *host, struct error *err);
/* It is being switched off or cycled, or was, and that is not written down yet: what it says is not to be
 * heeded. */
bool hosts_going_off(struct controller *controller, const char *host);
struct peer hosts_peer(const struct host_fact *fact, int only_address);

/* routes.c: the agent begins another line */
void line_renew(struct session *session);

/* think.c: decisions and documents */
void think_soon(struct controller *controller);
void think(struct controller *controller);
MUST_CHECK bool documents_load(struct controller *controller, struct error *err);
void document_answer(struct session *session, const char *text_or_null);

/* news.c: which hosts' documents may have changed */
/* object: what it is now, NULL: gone. To be called before the planner is told. */
void news_of(struct controller *controller, enum record_kind kind, const char *name, const void *object);
/* The hosts to look at, NULL-terminated; all is noted until news_seen(). */
const char *const *news_hosts(struct controller *controller, struct arena *arena);
/* The host gets a document also when it says nothing else than the one before: what has to go from there may
 * be in neither, and is gone only when the host has confirmed one without it. */
bool news_owed(const struct controller *controller, const char *host);
void news_seen(struct controller *controller);
/* Whether a document may say something else when was becomes is (NULL: not there). */
bool news_is_of_instance(const struct instance *was, const struct instance *is);
bool news_is_of_host(const struct host_fact *was, const struct host_fact *is);
void news_again(struct controller *controller, const char *host); /* it has to be looked at again */

/* levels.c: service levels entered and left */
struct levels_of {
    const struct farm *farm;      /* NULL: there is none */
    const struct farm_fact *fact; /* NULL: there is none */
};
/* Adds an event for each level that a tier of the farm passes, by how many it is to have. To be called with
 * every change of a farm's document or of its fact's scales, in the same change. */
void levels_note(struct change *change, int64_t wall_ms, const struct levels_of *before,
                 const struct levels_of *after);

/* library.c: layers of images */
bool library_may_name(struct controller *controller, const char *party, const char *digest);
MUST_CHECK bool library_keep(struct controller *controller, struct error *err); /* once a minute */
void library_free(struct map *idle);

/* usage.c: what a bill is made from is written with what it follows from */
/* What every change of records is made with. */
struct change *control_change(struct controller *controller);
MUST_CHECK bool usage_begin(struct controller *controller, struct error *err);
/* Once a minute: a successor's clock goes on from there at least. */
MUST_CHECK bool usage_keep(struct controller *controller, struct error *err);
/* A time that is in the store as a number; what is not there leaves *ret_ms as it is. */
MUST_CHECK bool usage_read_clock(struct controller *controller, const char *key, int64_t *ret_ms,
                                 struct error *err);
/* Some of the rows that no bill of the last so many months (besides this one) needs are dropped; 0: none. */
MUST_CHECK bool usage_forget(struct controller *controller, int64_t months, struct error *err);
MUST_CHECK bool usage_forget_begin(struct controller *controller, struct error *err);

/* intent_then.c: what the document says, of its kind's schema; the snapshot as it would be with the
 * documents; shares what they do not touch. */
const void *intent_object(const struct document *document);
struct snapshot intent_with_documents(struct arena *arena, const struct snapshot *snapshot,
                                      const struct documents *documents);

/* notices.c: a contact's document changed, or is gone */
void notices_contact_changed(struct controller *controller, const char *contact);

/* filters.c */
void filters_start(struct controller *controller);
void filters_stop(struct controller *controller);
/* Filters among the documents stay inside those of the parties above, as they all will be. */
MUST_CHECK bool filters_check(struct controller *controller, struct arena *arena,
                              const struct documents *documents, const char *file, struct error *err);
/* To be called before the planner is told. object: what it is now, NULL: gone. */
void filters_changed(struct controller *controller, enum record_kind kind, const char *name,
                     const void *object);

/* leases.c */
void leases_start(struct controller *controller);
void leases_stop(struct controller *controller);
/* To be called when the mirror has taken it in. */
void leases_changed(struct controller *controller, enum record_kind kind, const char *name);
/* Whoever leases has what he gives. then: what parties will hold. */
MUST_CHECK bool leases_check(struct controller *controller, const struct caller *caller,
                             const struct lease_tree *then, const struct documents *documents,
                             const char *file, struct error *err);
/* The same in the snapshot itself. */
void leases_foretell(struct arena *arena, struct snapshot *then);
/* A party has so many parties and leases below it; then: NULL, none is new. ERROR_TOO_LARGE. */
MUST_CHECK bool leases_bound(const struct caller *caller, const struct lease_tree *tree,
                             const struct snapshot *then, struct error *err);
/* May the caller make nothing of the fact that somebody ended the lease? */
MUST_CHECK bool leases_may_undo(struct controller *controller, const struct caller *caller,
                                const struct lease *lease, struct error *err);
/* Into the change: which farms are repossessed, or may run again, when the grid's parties and leases are as
 * `then`. */
void leases_follow(struct controller *controller, struct arena *arena, struct change *change,
                   const struct snapshot *then);
/* Into the change: with a party go the leases it holds and its tokens, or another of its name would have
 * them. */
MUST_CHECK bool leases_party_goes(struct controller *controller, struct change *change, const char *party,
                                  struct error *err);

/* rights.c */
MUST_CHECK bool rights_allowed(const struct lease_tree *tree, const struct caller *caller, enum deed deed,
                               const char *target, const char **ret_right, struct error *err);
void rights_free(struct map *refused);

/* sizing.c */
void sizing_start(struct controller *controller);
void sizing_stop(struct controller *controller);

/* keep.c */
void keep_start(struct controller *controller);

/* report.c */
MUST_CHECK bool report_take(struct controller *controller, struct session *session,
                            const struct host_report *report, struct error *err);

/* denied.c: packets that hosts did not let pass, told as events once a minute for each kind */
void denied_take(struct session *session, const struct host_report *report);
void denied_tick(struct controller *controller);
void denied_free(struct map *denied);

/* load.c: how much is asked of tiers */
struct load_report;
struct load *load_new(void);
void load_free(struct load *load); /* NULL is fine */
void load_take(struct session *session, const struct load_report *report);
void load_tick(struct controller *controller);
/* One of the same name that comes after is another. */
void load_farm_gone(struct controller *controller, const char *farm);
/* load_lead.c: instance: what it is now, NULL: gone */
void load_instance_changed(struct controller *controller, const char *name, const struct instance *instance);

/* Brings the mirror up to the store. A controller that cannot read what it just wrote must not go on by an
 * old view: it ends, and its successor starts from the store. */
void control_dispatch(struct controller *controller);

/* What time it is for the grid: of states, events and decisions. */
int64_t control_now_ms(struct controller *controller);

/* A failure that nobody waits for: into the log with where it came from. */
void control_log(struct controller *controller, const char *what, const struct error *err);

#endif
