/* What the files of this room share. */
#ifndef CROFT_AGENT_INTERNAL_H
#define CROFT_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "base/mem.h"
#include "model/schemas.h"
#include "observe/hardware.h"

/* A document and all that it points to. */
struct held_document {
    struct arena *arena;
    const char *stored; /* as on disk: the signature, a line's end, the document's text */
    struct host_document document;
};

/* Where an instance is on its way; unit.c has the table of transitions. */
enum unit_state {
    UNIT_ABSENT,   /* nothing of it is here */
    UNIT_FETCHING, /* waits for its image */
    UNIT_MAKING,   /* network, root, limits */
    UNIT_STARTING, /* its command is being started */
    UNIT_UP,
    UNIT_STOPPING,
    UNIT_WIPING,
    UNIT_RESTING, /* failed; waits before the next try */
};

struct unit {
    struct agent *agent;
    char *name;
    /* What is wanted: the document's personality, in text with its arena; NULL: nothing. */
    struct arena *wanted_arena;
    const struct personality *wanted;
    /* What is here, from UNIT_MAKING to the end of UNIT_WIPING: a copy of its own. */
    struct arena *have_arena;
    const struct personality *have;
    char *store; /* the private directory that its image is in; NULL: the image is the landlord's */
    enum unit_state state;
    bool frozen;
    enum instance_health health;
    struct probe *probe;
    int probe_ns_fd;        /* where the probe connects from, -1: none */
    struct local *socket;   /* what it asks at; NULL: a balancer, or not made */
    bool beaten;            /* it has said that it is well, since it was made */
    struct timer *beat_due; /* by then it has to say so again; NULL: it is not watched for that */
    struct timer *restart;  /* it asked for it */
    char restart_words[128];
    /* A balancer's published sockets, opened with its first start and kept while it is wanted: callers wait
     * in their queues while it is restarted, and are not refused. */
    struct vec doors;       /* doors.c */
    char *publish_taken;    /* the address that something else here has, or NULL */
    bool balanced;          /* no balancer, or one that has got its servers since its start */
    unsigned balances_open; /* the balance driver was asked so often, and has not answered yet */
    struct timer *balance_again;
    char frontends_hash[24];                         /* of what the balancer has in service; "": not known */
    enum { LAST_NOT, LAST_ENDING, LAST_ENDED } last; /* a balancer on its last connections */
    bool exited_early; /* while it was being started: what exit_… tell counts when it has been */
    int exit_status;
    bool exit_out_of_memory;
    bool stop_asked;       /* what is here has to go, whatever is wanted */
    bool stop_gently;      /* and may end its work before */
    struct buf last_words; /* the end of the log of the run that failed last */
    int64_t since_ms, started_us;
    int64_t restarts;
    int64_t failed_incarnation; /* that failed last */
    unsigned tries;             /* failures in a row: the back-off's exponent */
    struct timer *rest;
    bool was_kept_waiting; /* for a secret, before it was made */
    char reason[512];
};

struct apply;
struct boot;
struct fetch;
struct exec_session;
struct look;

struct agent {
    struct agent_options options;
    struct held_document *good; /* the last that worked; NULL: none yet */
    int64_t refused_version;
    char *refused_reason;
    int64_t passed_over;          /* the refused version, while it is not asked for again; else 0 */
    struct held_document *stored; /* of an earlier boot, until somebody confirms it or sends a newer one */
    struct apply *apply;          /* while a document's networks are being set; else NULL */
    bool trim_due;                /* networks may be here that nothing needs any more */
    bool confirmed_boot;          /* the controller gave (or confirmed) the document in this boot */
    struct map *units;            /* full name -> struct unit */
    struct map *fetches;          /* image digest -> struct fetch */
    struct map *drained;          /* drain.c (any pointer) */
    struct map *execs;            /* session id -> struct exec_session */
    struct vec looks;             /* struct look * under way */
    struct boot *boot;            /* while the other hosts are asked; else NULL */
    struct timer *step_soon;
    struct vec denied; /* struct net_counter, as last read */
    struct timer *denied_next, *tend_next;
    struct vec wiped; /* struct unit * that still have their port */
    struct timer *wiped_next;
    struct timer *make_warm; /* the next of the idle pool */
    struct vec images_used;  /* struct used_image (images.c) */
    struct timer *images_next, *images_ahead;
    struct vec predecessors; /* struct held_document *, still to be written */
    struct timer *predecessors_next;

    struct map *meters; /* balancer -> struct meter (load.c) */
    struct map *stalls; /* instance -> struct stall_meter (load_stalls.c) */
    bool stalls_turn;
    struct timer *load_next;
    struct call *load_call;

    struct hardware_watch *hardware; /* hardware.c; NULL: nobody looks */
    struct timer *hardware_next;
    struct hardware_look *hardware_look;
    char *hardware_note; /* NULL: not looked yet */

    struct vec keys; /* struct party_keys *, by party (keys.c) */
    struct timer *keys_next;
    struct vec handovers;       /* struct handover * under way */
    struct map *disk_keys;      /* party -> struct disk_keys (disk_keys.c) */
    struct map *private_places; /* party -> struct private_place (private.c) */
    struct vec private_stale;   /* struct private_stale * */
    struct timer *private_next;
    struct vec kept_logs;  /* struct kept_log *, still to be written (kept.c) */
    struct vec kept_asked; /* struct kept_asked *: who waits for one */
    struct vec sealed;     /* struct sealed_asked *: whose answers are still to come (sealed.c) */

    /* channel.c */
    struct call *hello, *line, *poll, *report, *beats[2];
    bool path_lost[2]; /* the last beat over it got no answer */
    struct timer *hello_again, *line_again, *poll_again, *report_again, *beat_next;
    bool greeted, report_due;
    int64_t heard_us; /* steady time of the controller's last answer to a beat or hello; 0: none yet */
};

/* document.c */
void document_load(struct agent *agent);
/* Goes by the stored document: nobody has given this host up meanwhile. Takes some turns, as document_take().
 */
void document_trust(struct agent *agent);
/* Checks, stores, applies; on failure the last good one is in force again. Idempotent. Ends with poll_next(),
 * when all networks are set: at once with few changes, else some turns later. Not while one is being applied.
 */
void document_take(struct agent *agent, const char *text, size_t size, const char *signature);
void document_stop(struct agent *agent);
/* Leaves the networks of farms that have nothing here any more, a few a turn. */
void farms_trim(struct agent *agent);
/* predecessors.c: takes the document, which was in force until now */
void predecessors_add(struct agent *agent, struct held_document *held);
void predecessors_free(struct agent *agent);
void held_document_free(struct held_document *held);

/* hardware.c */
void hardware_start(struct agent *agent);
void hardware_stop(struct agent *agent);
void hardware_report(const struct agent *agent, struct host_report *report);

/* boot.c: after a boot without a controller, the other hosts are asked whether this one was given up */
void boot_start(struct agent *agent);
void boot_stop(struct agent *agent);
void boot_serve(struct agent *agent, struct exchange *exchange, const char *host);

/* unit.c */
struct unit *unit_get(struct agent *agent, const char *name);             /* made when missing */
void unit_want(struct unit *unit, const struct personality *personality); /* copies; NULL: nothing */
void unit_adopt(struct unit *unit, const struct compute_found *found);
void unit_step(struct unit *unit);
void unit_free(struct unit *unit);
void units_step_soon(struct agent *agent); /* all of them, and removes those that are gone */
void unit_exited(void *ctx, const char *instance, int64_t incarnation, int status, bool out_of_memory);
void unit_fail(struct unit *unit, const char *format, ...) PRINTF_LIKE(2, 3);
void unit_restart(struct unit *unit);               /* it asked for it, with unit->restart_words */
const char *unit_farm_short(const char *full_name); /* "web-1" of "acme/shop/web-1" */
void unit_balance(struct unit *unit);               /* tells a running balancer of its servers */

/* doors.c: published sockets. Opens those of unit->have, shared with whoever of the farm has them open here;
 * after a failure those that were open are. */
MUST_CHECK bool doors_open(struct unit *unit, struct error *err);
/* Who comes to those that are open, or that the document wants opened, is judged by the filters that govern
 * the balancers' ports. Before any is opened, and when some may have been closed. */
MUST_CHECK bool doors_guard(struct agent *agent, const struct host_document *document, struct error *err);
void doors_adopt(struct unit *unit); /* takes those of a balancer that an earlier agent started */
void doors_close(struct unit *unit);
const int *doors_fds(const struct unit *unit, struct arena *arena, size_t *ret_length);

/* drain.c: members that the balancers here have no connections to any more */
void drain_noted(void *ctx, const char *balancer, const char *server);
void drained_trim(struct agent *agent);
const char *const *drained_list(const struct agent *agent, struct arena *arena, size_t *ret_length);

/* denied.c: packets that were not let pass, read again and again as long as farms are here */
void denied_start(struct agent *agent);
/* Another document is in force: what was read of networks that it has not, or has made anew, is of others. */
void denied_trim(struct agent *agent, const struct host_document *before, const struct host_document *now);
void denied_stop(struct agent *agent);

/* tend.c: name servers that ended are started again, as long as farms are here */
void tend_start(struct agent *agent);
void tend_stop(struct agent *agent);

/* load.c: what is measured here, told once a second */
void load_start(struct agent *agent);
void load_stop(struct agent *agent);
/* It begins: what was measured under its name is of another. */
void load_forget(struct agent *agent, const char *name);
void load_sample(void *ctx, const char *balancer, const struct balance_sample *sample);
void load_counted(void *ctx, const char *balancer, int64_t taken_us, const struct balance_counters *counters,
                  size_t length);

/* load_stalls.c: time in which instances here had to wait; measured with each call */
struct load_instance;
const struct load_instance *stalls_measure(struct agent *agent, struct arena *arena, size_t *ret_length);
void stalls_free(struct agent *agent);

/* health.c */
void unit_watch(struct unit *unit);
void unit_unwatch(struct unit *unit);
void unit_beat(struct unit *unit); /* it says that it is well */

/* socket.c: where an instance asks who it is, and says how it is. Balancers have none. */
MUST_CHECK bool socket_open(struct unit *unit, struct error *err);
void socket_close(struct unit *unit);

/* fetch.c: units that wait for the image are stepped when it is here, or failed. False: it cannot be begun
 * before something changes (the key of a private one is not here), and err says before what. */
MUST_CHECK bool fetch_image(struct agent *agent, const char *digest, struct error *err);
bool fetch_uses(const struct agent *agent, const char *store); /* one is under way to there */
void fetch_free(struct fetch *fetch);
bool fetch_needs(const struct agent *agent, const char *layer);                 /* one that is under way */
const struct image *agent_image(const struct agent *agent, const char *digest); /* of the good document */

/* images.c: what of images stays here */
void images_start(struct agent *agent);
void images_stop(struct agent *agent);
/* Those of the good document are in use, until now at least; what is missing is fetched in a quiet moment. */
void images_note(struct agent *agent);
void images_drop_layers(struct agent *agent, const struct image *image); /* it is unpacked */
/* Where the image is or will be unpacked, and its layers' blobs; *ret_store NULL: the landlord's, which
 * everybody may read. False: it is private, and its party's directory is not open. */
bool images_place(const struct agent *agent, const struct image *image, const char **ret_store,
                  const struct blob_port **ret_blobs);
/* Is it unpacked, where it can be read? */
bool images_here(const struct agent *agent, const struct image *image);

/* channel.c */
void channel_start(struct agent *agent);
void channel_stop(struct agent *agent);
void report_soon(struct agent *agent);
/* A controller has answered a beat or a hello of this agent not long ago. */
bool channel_hears(const struct agent *agent);
/* The controller over the path that is known to work, when only one does. */
struct peer controllers_now(const struct agent *agent);
void poll_next(struct agent *agent, bool at_once); /* asks for a newer document; else after a rest */

/* exec.c */
void exec_free(struct exec_session *session);
void exec_serve(struct agent *agent, struct exchange *exchange, const struct request *request);
void exec_end_party(struct agent *agent, const char *party); /* all sessions in its instances */

/* keys.c, keys_consoles.c: parties' key pairs on this host, and whose commands are obeyed */
struct party_keys;
MUST_CHECK bool keys_load(struct agent *agent, struct error *err);
void keys_free(struct agent *agent);
/* A document is in force: pairs are made for parties that it names, and those of parties that nothing names
 * go in time. */
void keys_note(struct agent *agent);
/* Something has left: of a party whose lease ended it may have been the last. */
void keys_look_soon(struct agent *agent);
/* For the report, in the arena. */
const struct host_key *keys_report(const struct agent *agent, struct arena *arena, size_t *ret_length);
/* False, and why: the instance's party has taken its keys here, and is obeyed by sealed command only; or was
 * shut out while the instance ran. */
MUST_CHECK bool keys_let_plain(const struct agent *agent, const char *instance, struct error *err);
struct party_keys *keys_of(const struct agent *agent, const char *party); /* NULL: none here */
/* False, and why: it is not known yet who has to be obeyed. */
MUST_CHECK bool keys_let_any(const struct agent *agent, const struct party_keys *keys, struct error *err);
/* Which slot of the vault the fingerprint names: the pair in use, or the next one; NULL: neither. */
const char *keys_slot(const struct agent *agent, const struct party_keys *keys, const unsigned char *pair);
/* The party was not taken by anybody, or the console is one of its. */
bool keys_taken(const struct party_keys *keys);
bool keys_know(const struct party_keys *keys, const unsigned char *console);
/* True when the counter is above all that this console has used here; then it is used, and a successor of
 * this agent knows it. False with *ret_last > 0: it is not; with *ret_last 0: it could not be written down
 * (err). */
MUST_CHECK bool keys_count(struct agent *agent, struct party_keys *keys, const unsigned char *console,
                           int64_t counter, int64_t *ret_last, struct error *err);
/* A command came by the next pair, so its owner has it: it takes the place of the one in use. */
MUST_CHECK bool keys_change_over(struct agent *agent, struct party_keys *keys, struct error *err);
/* What sealed commands do to pairs; the answers' JSON is added. */
MUST_CHECK bool keys_take(struct agent *agent, struct party_keys *keys, const unsigned char *console,
                          int64_t counter, struct buf *ret_json, struct error *err);
MUST_CHECK bool keys_rotate(struct agent *agent, struct party_keys *keys, struct buf *ret_json,
                            struct error *err);
MUST_CHECK bool keys_shut_out(struct agent *agent, const char *party, struct buf *ret_json,
                              struct error *err);
/* key: 64 hexadecimal digits, a console's public half for signing. NULL: none was given. */
MUST_CHECK bool keys_admit(struct agent *agent, struct party_keys *keys, const char *key,
                           struct buf *ret_json, struct error *err);
MUST_CHECK bool keys_dismiss(struct agent *agent, struct party_keys *keys, const unsigned char *by,
                             const char *key, struct buf *ret_json, struct error *err);
void keys_tell(const struct party_keys *keys, struct buf *ret_json);
/* keys_handed.c: another host asks whose commands are obeyed for a party. party NULL: it does not say. */
void keys_serve_others(struct agent *agent, struct exchange *exchange, const char *host, const char *party);
/* False, and why: the instance, of this party, ran before the party was shut out, and the console came later.
 */
MUST_CHECK bool keys_let(const struct agent *agent, const struct party_keys *keys, const char *instance,
                         const unsigned char *console, struct error *err);

/* disk_keys.c: keys of what is stored here for parties. Each is 64 bytes for one thing ("directory"), at rest
 * only wrapped by the party's disk key, which is derived from the secrets of all parties from the landlord
 * down to it. ERROR_REFUSED: a secret is not here yet; err says whose and what to do. ERROR_FAILED: what is
 * kept cannot be opened, and nothing was changed. */
enum { DISK_KEY_SIZE = 64 };
MUST_CHECK bool disk_keys_load(struct agent *agent, struct error *err);
void disk_keys_free(struct agent *agent);
/* The key of the party's directory, into memory of the vault (vault_port.memory); made when there is none.
 * Zeros on failure. */
MUST_CHECK bool disk_key(struct agent *agent, const char *party, unsigned char ret_key[DISK_KEY_SIZE],
                         struct error *err);
/* The same of anything else of the party, by name: a volume. */
MUST_CHECK bool disk_item(struct agent *agent, const char *party, const char *item,
                          unsigned char ret_key[DISK_KEY_SIZE], struct error *err);
/* Of these keys: another number after a discard, 0 while there are none. */
int64_t disk_key_generation(const struct agent *agent, const char *party);
int64_t disk_keys_count(const struct agent *agent, const char *party); /* how many there are */
/* Is there any key, or something that may be one? Without, nothing that is stored for the party can be read.
 */
bool disk_keys_stored(const struct agent *agent, const char *party);
/* True unless a key service has to release a secret first: then err says whose, as above. */
MUST_CHECK bool disk_keys_ready(const struct agent *agent, const char *party, struct error *err);
/* The party's own secret is to come from its key service, and has not. */
bool disk_keys_wait(const struct agent *agent, const char *party);
/* The party's own secret, by a sealed command of its console; the answer's JSON is added. ERROR_REFUSED: it
 * is not the one that things here are encrypted with; then all stays as it was. */
MUST_CHECK bool disk_keys_release(struct agent *agent, const char *party, const void *secret, size_t size,
                                  struct buf *ret_json, struct error *err);
/* The party's secret is destroyed, and with it all that was encrypted by its help, its own and that of
 * parties below it; of the landlord's all of this host. After a failure it can be asked again. */
MUST_CHECK bool disk_keys_discard(struct agent *agent, const char *party, struct error *err);
/* The same, and nothing is left of the party. */
MUST_CHECK bool disk_keys_end(struct agent *agent, const char *party, struct error *err);
/* Is it the party itself, or below it, as far as the document in force knows? */
bool disk_keys_is_within(const struct agent *agent, const char *party, const char *above);
/* Of the document in force; NULL: the party is not in it. */
const struct host_party *disk_keys_party(const struct agent *agent, const char *party);

/* What is stored under an item's name here, or that nothing is (ERROR_NOT_FOUND); nothing is made. Zeros on
 * failure. ERROR_REFUSED: a secret of the line is not kept by hosts, so that hosts do not pass it on. */
MUST_CHECK bool disk_item_find(struct agent *agent, const char *party, const char *item,
                               unsigned char ret_key[DISK_KEY_SIZE], struct error *err);
/* Keeps a key that another host had. ERROR_REFUSED: there is another one of that name. */
MUST_CHECK bool disk_item_put(struct agent *agent, const char *party, const char *item,
                              const unsigned char key[DISK_KEY_SIZE], struct error *err);

/* handover.c: what is stored for a party follows it from host to host, and its key with it */
/* Asks the host for the key of the item and keeps it; done (err NULL: it is here) once, later, unless the
 * agent ends before. */
void handover_ask(struct agent *agent, const char *host, const char *party, const char *item,
                  void (*done)(void *ctx, const struct error *err), void *ctx);
void handover_serve(struct agent *agent, struct exchange *exchange, const struct request *request,
                    const char *host);
void handover_stop(struct agent *agent);

/* private.c: what is stored here for parties, encrypted. The key of the party's directory was discarded:
 * what is in use goes on until it ends, and all else is removed. Idempotent; ends in the background. */
void private_discard(struct agent *agent, const char *party);
struct private_place;
struct private_stale;
void private_start(struct agent *agent);
void private_stop(struct agent *agent);
/* The party's directory; NULL while it is not open. Valid until the next turn of the loop. */
const char *private_directory(const struct agent *agent, const char *party);
typedef void (*private_ready)(void *ctx, const char *directory, const struct error *err);
/* Opens one that is not open; ready is called once, from the loop, unless forgotten. Fails as disk_key(), and
 * then it is not called. */
MUST_CHECK bool private_open(struct agent *agent, const char *party, private_ready ready, void *ctx,
                             struct error *err);
void private_forget(struct agent *agent, const void *ctx); /* who waits is not called any more */
void private_tidy(struct agent *agent);                    /* looks for what is stale */
void private_unused(struct agent *agent); /* something that may have used a stale one has ended */
void private_each(struct agent *agent,
                  void (*one)(struct agent *agent, const char *directory)); /* that is open */

/* kept.c: the end of what ended instances said, for `croft logs --previous`, in the party's directory. */
struct kept_log;
struct kept_asked;
void kept_logs_start(struct agent *agent);
void kept_logs_stop(struct agent *agent);
/* What is here is about to be wiped. A failure is kept at once; what was stopped in a quiet moment. */
void kept_logs_add(const struct unit *unit);
bool kept_logs_wait(const struct agent *agent,
                    const char *party); /* some of the party are still to be written */
void kept_logs_serve(struct agent *agent, struct exchange *exchange, const char *instance);

/* sealed.c: commands that only their party's consoles can give */
void sealed_serve(struct agent *agent, struct exchange *exchange, const struct request *request);
/* False: the exchange is of no sealed command. Else the answer is sealed and given. */
bool sealed_answer(struct agent *agent, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, const void *body, size_t body_size);
/* Nobody waits for the answer any more. NULL: all. */
void sealed_forget(struct agent *agent, const struct exchange *exchange);

/* look.c: whether another host can be reached from here, over each of its paths */
void look_serve(struct agent *agent, struct exchange *exchange, const struct node *body);
void look_free(struct look *look);

/* serve.c */
/* As net_port.answer(), sealed where the question was. */
void agent_answer(struct agent *agent, struct exchange *exchange, int status, const struct header *headers,
                  size_t headers_length, const void *body, size_t body_size);
void serve_log(struct agent *agent, struct exchange *exchange, const struct request *request);
void agent_answer_error(struct agent *agent, struct exchange *exchange, const struct error *err);
void agent_answer_json(struct agent *agent, struct exchange *exchange, const char *json);
/* Value of a query parameter, as it was sent, in the arena; NULL when absent. */
const char *agent_query(struct arena *arena, const char *path, const char *name);
void agent_log(const struct agent *agent, const char *what, const struct error *err);

#endif
