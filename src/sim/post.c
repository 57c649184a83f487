#include "sim/post.h"

#include "base/mem.h"

struct sim_post {
    struct post_port port;
    const struct clock_port *clock;
    int64_t delay_us;
    bool refuse;
    size_t tries;
    struct vec letters; /* struct sim_letter */
    struct vec open;    /* struct letter * */
};

struct letter {
    struct sim_post *post;
    struct timer *timer;
    struct sim_letter what;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static struct letter *send(void *self, const struct post_message *message, int64_t timeout_ms,
                           void (*done)(void *ctx, const struct error *err), void *ctx);
static void cancel(void *self, struct letter *letter);
static void arrive(void *ctx);
static void letter_free(struct letter *letter);
static void free_texts(struct sim_letter *what);

struct sim_post *sim_post_new(const struct clock_port *clock, int64_t delay_us)
{
    struct sim_post *post = mem_alloc(sizeof(*post));
    post->port = (struct post_port){post, send, cancel};
    post->clock = clock;
    post->delay_us = delay_us;
    post->letters = VEC_OF(struct sim_letter);
    post->open = VEC_OF(struct letter *);
    return post;
}

void sim_post_free(struct sim_post *post)
{
    if (!post) return;
    while (post->open.length > 0)
        cancel(post, *(struct letter **)vec_at(&post->open, 0));
    for (size_t i = 0; i < post->letters.length; i++)
        free_texts(vec_at(&post->letters, i));
    vec_free(&post->letters);
    vec_free(&post->open);
    mem_free(post);
}

const struct post_port *sim_post_port(const struct sim_post *post)
{
    return &post->port;
}

void sim_post_refuse(struct sim_post *post, bool refuse)
{
    post->refuse = refuse;
}

const struct vec *sim_post_letters(const struct sim_post *post)
{
    return &post->letters;
}

size_t sim_post_tries(const struct sim_post *post)
{
    return post->tries;
}

static struct letter *send(void *self, const struct post_message *message, int64_t timeout_ms,
                           void (*done)(void *ctx, const struct error *err), void *ctx)
{
    struct sim_post *post = self;
    struct letter *letter = mem_alloc(sizeof(*letter));

    *letter = (struct letter){
        .post = post,
        .done = done,
        .ctx = ctx,
        .what = {.way = message->way,
                 .id = mem_strdup(message->id),
                 .to = mem_strdup(message->way == POST_COMMAND ? message->command[0] : message->server),
                 .subject = mem_strdup(message->subject),
                 .body = mem_strdup(message->body),
                 .confined = message->confined}};
    *(struct letter **)vec_push(&post->open) = letter;
    post->tries++;
    letter->timer = post->clock->after(post->clock->self, post->delay_us, arrive, letter);
    return letter;
}

static void cancel(void *self, struct letter *letter)
{
    struct sim_post *post = self;
    if (!letter) return;
    post->clock->cancel(post->clock->self, letter->timer);
    free_texts(&letter->what);
    letter_free(letter);
}

static void arrive(void *ctx)
{
    struct letter *letter = ctx;
    struct sim_post *post = letter->post;
    void (*done)(void *ctx, const struct error *err) = letter->done;
    void *done_ctx = letter->ctx;
    bool refused = post->refuse;
    struct error err;

    if (refused)
        free_texts(&letter->what);
    else
        *(struct sim_letter *)vec_push(&post->letters) = letter->what;
    letter_free(letter);
    if (refused) error_set(&err, ERROR_UNREACHABLE, "nobody takes it");
    done(done_ctx, refused ? &err : NULL);
}

static void letter_free(struct letter *letter)
{
    struct vec *open = &letter->post->open;
    for (size_t i = 0; i < open->length; i++) {
        if (*(struct letter **)vec_at(open, i) != letter) continue;
        vec_remove(open, i);
        break;
    }
    mem_free(letter);
}

static void free_texts(struct sim_letter *what)
{
    mem_free(what->id);
    mem_free(what->to);
    mem_free(what->subject);
    mem_free(what->body);
}
