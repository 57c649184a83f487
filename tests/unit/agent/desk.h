/* A scripted controller with one agent before it. */
#ifndef CROFT_TESTS_UNIT_DESK_H
#define CROFT_TESTS_UNIT_DESK_H

#include "world.h"

#include <inttypes.h>

/* What the controller would say, and what it was told. */
struct desk {
    struct world *world;
    struct box *box;
    struct buf document;
    struct sim_identity *signer;
    struct exchange *poll;
    int64_t after; /* of the last poll */
    bool away, told_unhealthy;
    const char *image_party; /* whose image it is; NULL: the landlord's */
    int hellos, reports, blobs;
    int64_t beat_us, beats_apart_us; /* the last beat, and the longest time between two of them */
    struct buf report;               /* the last */
};

extern const char desk_image[]; /* digest of the image that all of its instances have */

struct desk *desk_new(void); /* the agent does not run yet */
void desk_free(struct desk *desk);
/* With the agent, which has a first document with these and has done all it can. */
struct desk *running(const char *const *names);
/* A newer document. names: "web-1", "web-1=warm", "www=1=drain", or "www=3" for a balancer of so many servers
 * that is to say back "serves 3", in incarnation `incarnation`; NULL last. "hello:1" alone: no instance, just
 * the image. */
void tell(struct desk *desk, int64_t version, int64_t incarnation, const char *const *names);
/* A document of another kind: its host, image and peers are filled in. */
void tell_document(struct desk *desk, struct host_document *document);
/* The last with one place changed, signed as it is then. */
void edit(struct desk *desk, const char *from, const char *to);
void give_nothing(struct desk *desk); /* as the controller answers a question that waited for long */
bool said(const struct desk *desk, const char *text); /* in the last report */
struct fake_instance truth(const struct desk *desk, const char *name);

#endif
