/* Who may do what to whom, and by which right: the one place that says so. */
#ifndef CROFT_PLAN_LEASE_RIGHTS_H
#define CROFT_PLAN_LEASE_RIGHTS_H

#include "plan/lease/lease.h"

/* What a token is for: a desk at which only some of a party's rights are at hand. */
enum console { CONSOLE_ANY, CONSOLE_HARDWARE, CONSOLE_SOFTWARE, CONSOLE_DEVELOPMENT, CONSOLES };
extern const char *const console_names[]; /* "" hardware software development */
unsigned console_rights(enum console console);

/* What is done, to something of the target party; "landlord" for what is the grid's. */
enum deed {
    DEED_LOOK,        /* that it is there, and how it is */
    DEED_LOOK_INSIDE, /* environment and files of a farm */
    DEED_HOST,        /* hosts and pools: documents, drain, activate, power; and to see them */
    DEED_FARM,        /* make, change, scale, delete */
    DEED_VERSION,     /* change nothing of a farm but the images of its tiers */
    DEED_INSTANCE,    /* move, exec, logs */
    DEED_FILTER,
    DEED_CONTACT, /* who is told of failures */
    DEED_KEY,     /* where its secret is kept */
    DEED_IMAGE,
    DEED_PARTY,   /* the document of the target */
    DEED_LEASE,   /* a lease that the target gives */
    DEED_TOKEN,   /* of the target */
    DEED_SERVICE, /* service levels, rules: the grid's */
    DEEDS,
};

/* The right by which the caller may; NULL: it may not. */
const char *rights_allow(const struct lease_tree *tree, const char *caller, enum console console,
                         enum deed deed, const char *target);
/* What the caller has at hand. */
unsigned rights_at_hand(const struct lease_tree *tree, const char *caller, enum console console);
/* Who may end a lease: either side, and everybody above, whatever the lease says. */
const char *rights_end(const struct lease_tree *tree, const char *caller, enum console console,
                       const struct lease *lease);
/* For a refusal: "software, or develop"; in the arena. */
const char *rights_needed(struct arena *arena, enum deed deed);

#endif
