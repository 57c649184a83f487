/* What the judges remember, so that a judgement costs what changed and not what there is. */
#ifndef CROFT_SIMULATE_JUDGES_H
#define CROFT_SIMULATE_JUDGES_H

#include "simulate/audit.h"
#include "simulate/inside.h"

/* What runs, and what is left of it, on one host. */
struct held {
    const struct box *box;
    struct map *traces; /* instance -> struct trace_seen */
    struct resources runs;
    char confirmed[160]; /* the run of the host in which its agent last had a document confirmed */
    char said[160];      /* the run that the store knows, and the newest document that it had in force */
    int64_t said_version;
};

struct trace_seen {
    char *party;
    int64_t incarnation;
    struct resources size;
    bool runs;
    int64_t orphan_since_us; /* the store does not place it here any more; 0: it does */
};

/* Who is in a network of this number, anywhere. */
struct wire {
    struct map *farms; /* name -> how many ports, as a pointer */
};

/* What the store says of an instance. */
struct believed {
    char *host;
    int64_t incarnation;
    bool drained;
};

struct judges {
    struct run *run;
    struct map *held;     /* host -> struct held */
    struct map *wires;    /* VNI as text -> struct wire */
    struct map *believed; /* instance -> struct believed */
    struct audit *audit;  /* of the books */
    char unbilled[256];   /* what started without being in them, in this step; or "" */
    struct map *emptied;  /* hosts that policy has emptied -> struct held */
    struct map *images;   /* "party digest" of all images that were ever there -> the judges */
    struct store_watch *watch;
    uint64_t revision;  /* that the store was seen at */
    int64_t look_us;    /* of the last look at everything, in calms */
    int64_t now_us;     /* of the last step */
    int steps_now;      /* in that moment */
    struct map *scales; /* "acme/shop/web" -> struct scaled */
    bool converged;     /* judged in this calm */
    struct mend_judge *mend;
};

/* Rows of the table of invariants. Each hook may be NULL. */
struct invariant {
    const char *name;
    void (*changed)(struct run *run, const struct fake_change *change); /* in the true world */
    void (*stored)(struct run *run, const struct store_item *item);     /* in the store */
    void (*step)(struct run *run);                                      /* after every step */
};

/* judge_truth.c */
void one_and_only_one_step(struct run *run);
void boundary_changed(struct run *run, const struct fake_change *change);
void quota_changed(struct run *run, const struct fake_change *change);
bool resources_fit(const struct resources *used, const struct resources *of);
/* judge_leak.c */
void no_leak_changed(struct run *run, const struct fake_change *change);
void no_leak_stored(struct run *run, const struct store_item *item);
void no_leak_look(struct run *run); /* for what is left for too long */
/* judge_word.c: what is taken for said, and was not; what was said, and is not heeded */
void drains_judge(struct run *run, const char *instance, const struct believed *before,
                  const struct instance *now);
void believed_stored(struct run *run, const struct store_item *item);
void believed_watch(struct held *held);
void spared_step(struct run *run);
/* judge_calm.c */
void quota_look(struct run *run);
void committed_look(struct run *run);
void repossessed_look(struct run *run);
bool runs_at_all(const struct run *run, const struct farm *farm); /* as its fact says, too */
void converges_look(struct run *run);
/* By a first fit over the records; NULL: none has. */
const char *host_with_room(const struct run *run, const struct snapshot *snapshot,
                           const struct resources *size);
/* One more of the tier is within its party's own quota, whatever is wanted: what farms are guaranteed beyond
 * what is committed may have used it up. others_first: also when what waits of other tiers gets its share. */
bool has_quota(const struct snapshot *snapshot, const struct farm *farm, const struct tier *tier,
               bool others_first);
/* judge_share.c: who is sized by his load gets what he may */
void share_stored(struct run *run, const struct store_item *item);
void conserved_look(struct run *run);
void share_forget(struct judges *judges);

/* judge_mend.c: who fails is mended step by step, and who is to know is told, once and not too often */
struct mend_judge;
struct mend_judge *mend_judge_new(void);
void mend_judge_free(struct mend_judge *judge);
void mend_instance(struct run *run, const char *name, const struct instance *now); /* NULL: it is gone */
void mend_host(struct run *run, const struct host_fact *fact);
void told_stored(struct run *run, const struct store_item *item);
void told_step(struct run *run);
void told_look(struct run *run);

struct held *held_get(struct judges *judges, const char *host);

#endif
