/* post_port that keeps what it is given, or refuses it for as long as it is told to. */
#ifndef CROFT_SIM_POST_H
#define CROFT_SIM_POST_H

#include "base/vec.h"
#include "port/clock.h"
#include "port/post.h"

struct sim_post;

struct sim_letter {
    enum post_way way;
    char *id, *to, *subject, *body; /* to: the server, URL or first word of the command */
    bool confined;
};

struct sim_post *sim_post_new(const struct clock_port *clock, int64_t delay_us);
void sim_post_free(struct sim_post *post); /* NULL is fine */
const struct post_port *sim_post_port(const struct sim_post *post);
/* From now on nothing gets through, or everything does again. */
void sim_post_refuse(struct sim_post *post, bool refuse);
/* struct sim_letter: what got through, in its order. */
const struct vec *sim_post_letters(const struct sim_post *post);
size_t sim_post_tries(const struct sim_post *post); /* that were begun */

#endif
