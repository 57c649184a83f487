/* What the files of this room share. */
#ifndef CROFT_API_INTERNAL_H
#define CROFT_API_INTERNAL_H

#include "api/api.h"

struct watcher;

struct api {
    struct api_options options;
    struct map *repeats; /* party -> struct repeats: answers to what had an Idempotency-Key */
    struct map *sealed;  /* party -> struct bucket: how many more sealed commands it may send (keys.c) */
    struct vec watchers; /* struct watcher * */
    struct vec later;    /* struct asked *: whose answers are still to come */
};

/* One request in the hands of its route. Everything lives in the arena, which goes with the answer. */
struct asked {
    struct api *api; /* NULL: it has ended */
    const struct net_port *net;
    struct exchange *exchange; /* NULL: nobody waits for the answer any more */
    struct arena *arena;
    struct caller caller;
    const char *method;
    char *path;        /* decoded, without the query, after "/v1/" */
    const char *query; /* behind '?', or "" */
    const char *body;
    size_t body_size;
    const char *file;       /* for messages about documents */
    uint64_t if_revision;   /* If-Match, If-None-Match; UINT64_MAX: none */
    uint64_t *if_revisions; /* If-Match with more than one: the others */
    size_t if_revisions_length;
    bool if_exists;                      /* If-Match: * */
    uint64_t last_event;                 /* Last-Event-ID: what a watch has told already; 0: none */
    const char *idempotency_key;         /* NULL: none */
    bool local;                          /* asked on this very machine, by nobody else's order */
    void (*cancel)(struct asked *asked); /* of an answer that comes later; NULL: it cannot be stopped */
    void *later;                         /* a route's own, for that */
};

/* api.c: every answer ends the asked, whose memory goes with it */
void answer_json(struct asked *asked, int status, const struct buf *json);
/* As answer_json(), of a document that has this revision now. */
void answer_changed(struct asked *asked, int status, const struct buf *json, uint64_t revision);
void answer_error(struct asked *asked, const struct error *err);
void answer_raw(struct asked *asked, int status, const struct header *headers, size_t headers_length,
                const void *data, size_t size);
void asked_free(struct asked *asked);
/* The answer comes later: until then its asker may leave, and the API may end. cancel (or NULL) makes sure
 * that nothing comes any more. A route that gives none asks asked_is_over() before it answers. */
void asked_later(struct asked *asked, void (*cancel)(struct asked *asked));
/* True, and the asked is freed: the API has ended meanwhile. */
bool asked_is_over(struct asked *asked);
const char *query_text(const struct asked *asked, const char *name); /* decoded, in the arena; NULL: absent */
MUST_CHECK bool query_number(const struct asked *asked, const char *name, int64_t fallback,
                             int64_t *ret_number, struct error *err);
/* A number of items from 1 to max; absent: max. */
MUST_CHECK bool query_limit(const struct asked *asked, const char *name, int64_t max, int64_t *ret_limit,
                            struct error *err);
/* ?watch=REVISION, or what Last-Event-ID says later than that; -1: it is no watch. */
MUST_CHECK bool query_watch(const struct asked *asked, int64_t *ret_revision, struct error *err);
/* If-Match: false (ERROR_CONFLICT) when the thing is not as the asker knows it. */
MUST_CHECK bool asked_matches(const struct asked *asked, enum record_kind kind, const char *name,
                              struct error *err);
/* The revision that the thing must have to be changed: with several in If-Match the one that it has, if it is
 * among them. UINT64_MAX: any; 0: none, it must not be there. */
uint64_t asked_revision(const struct asked *asked, enum record_kind kind, const char *name);
MUST_CHECK bool asked_body(struct asked *asked, struct node *ret_body, struct error *err);

/* documents.c: KIND and KIND/NAME, apply, diff, export */
bool route_documents(struct asked *asked); /* false: not its path */
MUST_CHECK bool record_kind_of_path(const char *path, enum record_kind *ret_kind, const char **ret_name,
                                    struct error *err);
/* objects.c: what is done with farms, instances and hosts by name */
bool route_objects(struct asked *asked);
/* The name in "farms/NAME/scale" or "farm/NAME/scale"; in the arena; NULL: it is another path. */
const char *path_between(const struct asked *asked, const char *prefix, const char *suffix);
/* What an agent answered, as the asked's (ctx) answer; and for asked_later(). */
void relay_answered(void *ctx, const struct answer *answer);
void relay_cancel(struct asked *asked);
/* keys.c: keys of parties, sealed commands */
bool route_keys(struct asked *asked);
/* False, and why: its party has taken its keys on other hosts, so that nothing is to be asked in plain words
 * on this one either. */
MUST_CHECK bool keys_allow_plain(struct asked *asked, const struct instance *instance, struct error *err);
/* view_keys.c: where farms' parties have taken their keys. NULL: nobody has. The caller's to map_free(). */
struct map *view_keys_new(struct arena *arena, const struct snapshot *snapshot);
/* Adds the member "keys", if there is something to tell. The reason, with how many hosts are missing. */
const char *view_keys_write(struct arena *arena, const struct map *keys, const char *farm, const char *reason,
                            struct buf *ret_json);
/* library.c: blobs and tokens */
bool route_library(struct asked *asked);
MUST_CHECK bool token_caller(struct api *api, struct arena *arena, const char *token,
                             struct caller *ret_caller, struct error *err);
/* events.c */
bool route_events(struct asked *asked);
bool event_visible(const struct asked *asked, const struct node *event);
/* watch.c: turns the asked into a stream */
void watch_start(struct asked *asked, const char *prefix, uint64_t revision);
void watch_free_all(struct api *api);
/* top.c: use of CPU and memory now; answers a moment later */
void top_start(struct asked *asked);
/* bill.c */
bool route_bill(struct asked *asked);
/* reach.c: who can open what to whom, and who decides a packet */
bool route_reach(struct asked *asked);
/* load.c: members of an object that has some already; none of what is not known */
void load_write_tier(struct controller *controller, const char *farm, const char *tier, struct buf *ret_json);
/* Level, rate of all tiers, and the times of the slowest one. */
void load_write_farm(struct controller *controller, const char *name, struct buf *ret_json);
/* The target of its service level, and how it was kept in this period; null: there is none, not known yet. */
void load_write_target(struct controller *controller, const struct farm *farm, struct buf *ret_json);
/* The farm's reason, with what its load calls for and is not given. */
const char *load_reason(struct arena *arena, struct controller *controller, const struct farm *farm,
                        const struct farm_fact *fact, const char *reason);
void load_write_instance(struct controller *controller, const char *name, struct buf *ret_json);
void load_metrics(struct controller *controller, struct buf *ret_text); /* series of /metrics */
/* The highest that one of its tiers is at: "committed". fact: NULL, none yet. */
const char *load_level(const struct farm *farm, const struct farm_fact *fact);
/* describe.c: the OpenAPI description */
void describe(struct asked *asked);
/* about.c: metrics, version, health */
bool route_about(struct asked *asked);
bool route_open(struct asked *asked); /* what needs no token */
/* Adds what can be done with the path: "GET, HEAD, PUT"; nothing when there is no such path. */
void about_methods(const char *path, struct buf *ret_list);
bool path_is_metrics(const struct asked *asked);
void metrics(struct asked *asked);

/* view.c: one item as GET shows it, as JSON */
struct view;
/* Sums over the whole grid, once. caller: to whom it is shown; stays the caller's. */
struct view *view_new(struct arena *arena, struct controller *controller, const struct caller *caller);
void view_free(struct view *view);
void view_record(struct view *view, const struct record *record, struct buf *ret_json);

/* The document as the caller may read it: the record's own text, or one in the arena without what is inside.
 */
const char *view_document(struct arena *arena, struct controller *controller, const struct caller *caller,
                          const struct record *record);
void view_resources(struct buf *ret_json, const struct resources *resources);

/* pools.c: what is shown of a kind: what the mirror has (mirror_list(), mirror_get()), and of pools also
 * those that have no document but hosts that name them, at revision 0 and in the arena. */
const struct record *const *shown_list(struct arena *arena, struct controller *controller,
                                       enum record_kind kind, size_t *ret_length);
const struct record *shown_get(struct arena *arena, struct controller *controller, enum record_kind kind,
                               const char *name);
struct pool_sums;
struct pool_sums *pool_sums_new(struct arena *arena, const struct snapshot *snapshot); /* once a grid */
void pool_sums_free(struct pool_sums *sums);                                           /* NULL is fine */
/* The members of its status behind the name. */
void pool_sums_write(const struct pool_sums *sums, const struct pool *pool, struct buf *ret_json);

#endif
