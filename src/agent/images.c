/* What of images stays on this host, and what comes before it is needed. Their layers' blobs go as soon as
 * they are unpacked; an unpacked image goes when no document has named it for an hour, so that a farm scaled
 * to zero and back need not fetch it again. One that the document names and no instance here has may be
 * needed in a hurry (README.md): it is fetched when there is nothing else to do. */
#include "agent/internal.h"
#include "base/text.h"

enum {
    FIRST_MS = 10 * 1000, /* after the start, when what is wanted has been heard of */
    EVERY_MS = 10 * 60 * 1000,
    KEPT_MS = 60 * 60 * 1000,
    AHEAD_US = 1000 * 1000,      /* after a document came, or something else was still to do */
    AHEAD_A_HOST_US = 50 * 1000, /* all hosts get such a document at once, and are served by one controller */
};

struct used_image {
    char *digest;
    int64_t last_us; /* on the steady clock */
};

static void tidy(void *ctx);
static void keep_in(struct agent *agent, const char *store);
static void fetch_ahead(void *ctx);
static bool is_busy(const struct agent *agent);
static void use(struct agent *agent, const char *digest, int64_t now_us);
static void forget_unused(struct agent *agent, int64_t now_us);

void images_start(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    agent->images_used = VEC_OF(struct used_image);
    agent->images_next = clock->after(clock->self, FIRST_MS * 1000, tidy, agent);
}

void images_stop(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;

    clock->cancel(clock->self, agent->images_next);
    clock->cancel(clock->self, agent->images_ahead);
    for (size_t i = 0; i < agent->images_used.length; i++)
        mem_free(((struct used_image *)vec_at(&agent->images_used, i))->digest);
    vec_free(&agent->images_used);
}

void images_note(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;
    int64_t now_us = clock->steady_us(clock->self);

    for (size_t i = 0; agent->good && i < agent->good->document.images_length; i++)
        use(agent, agent->good->document.images[i].digest, now_us);
    if (!agent->good || agent->images_ahead) return;
    const struct random_port *random = agent->options.random;
    uint32_t dice = 0;
    random->fill(random->self, &dice, sizeof(dice));
    int64_t spread_us = AHEAD_A_HOST_US * (int64_t)(agent->good->document.peers_length + 1);
    agent->images_ahead = clock->after(clock->self, AHEAD_US + dice % spread_us, fetch_ahead, agent);
}

void images_drop_layers(struct agent *agent, const struct image *image)
{
    const struct blob_port *blobs = NULL;
    const char *store = NULL;
    struct error err;

    if (!images_place(agent, image, &store, &blobs)) return; /* locked, and nothing of it is needed here */
    for (size_t i = 0; i < image->layers_length; i++)
        if (!fetch_needs(agent, image->layers[i]) && !blobs->remove(blobs->self, image->layers[i], &err))
            agent_log(agent, "removing a layer that is unpacked", &err);
}

bool images_place(const struct agent *agent, const struct image *image, const char **ret_store,
                  const struct blob_port **ret_blobs)
{
    const struct private_port *private = agent->options.private;

    *ret_store = NULL;
    *ret_blobs = agent->options.blobs;
    if (text_equal(image->party, "landlord")) return true;
    *ret_store = private_directory(agent, image->party);
    *ret_blobs = *ret_store ? private->blobs(private->self, *ret_store) : NULL;
    return *ret_blobs != NULL;
}

bool images_here(const struct agent *agent, const struct image *image)
{
    const struct compute_driver *compute = agent->options.compute;
    const struct blob_port *blobs = NULL;
    const char *store = NULL;

    return images_place(agent, image, &store, &blobs) &&
           compute->has_image(compute->self, store, image->digest);
}

/* Before the controller has been heard in this boot nothing is known to be out of use. */
static void tidy(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    int64_t wait_ms = agent->confirmed_boot ? EVERY_MS : FIRST_MS;

    agent->images_next = clock->after(clock->self, wait_ms * 1000, tidy, agent);
    if (!agent->confirmed_boot) return;
    images_note(agent);
    forget_unused(agent, clock->steady_us(clock->self));
    /* An agent that ended between unpacking and removing has left them. */
    for (size_t i = 0; i < agent->good->document.images_length; i++)
        if (images_here(agent, &agent->good->document.images[i]))
            images_drop_layers(agent, &agent->good->document.images[i]);
    keep_in(agent, NULL);
    private_each(agent, keep_in);
    private_tidy(agent);
}

static void keep_in(struct agent *agent, const char *store)
{
    const struct compute_driver *compute = agent->options.compute;
    struct vec digests = VEC_OF(const char *);
    struct error err;

    for (size_t i = 0; i < agent->images_used.length; i++)
        *(const char **)vec_push(&digests) = ((struct used_image *)vec_at(&agent->images_used, i))->digest;
    if (!compute->keep_images(compute->self, store, digests.items, digests.length, &err))
        agent_log(agent, "removing images that are not in use", &err);
    vec_free(&digests);
}

/* One that cannot be fetched is tried again with the next document, or after EVERY_MS. */
static void fetch_ahead(void *ctx)
{
    struct agent *agent = ctx;
    const struct clock_port *clock = agent->options.clock;
    const struct host_document *document = &agent->good->document;
    bool busy = is_busy(agent);
    struct error err;

    agent->images_ahead = busy ? clock->after(clock->self, AHEAD_US, fetch_ahead, agent) : NULL;
    for (size_t i = 0; !busy && i < document->images_length; i++)
        if (!images_here(agent, &document->images[i]) &&
            !fetch_image(agent, document->images[i].digest, &err))
            continue; /* whoever needs it says what it waits for */
}

static bool is_busy(const struct agent *agent)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (unit->state != UNIT_UP && unit->state != UNIT_RESTING) return true;
    }
    return map_length(agent->fetches) > 0;
}

static void use(struct agent *agent, const char *digest, int64_t now_us)
{
    for (size_t i = 0; i < agent->images_used.length; i++) {
        struct used_image *used = vec_at(&agent->images_used, i);
        if (!text_equal(used->digest, digest)) continue;
        used->last_us = now_us;
        return;
    }
    *(struct used_image *)vec_push(&agent->images_used) = (struct used_image){mem_strdup(digest), now_us};
}

static void forget_unused(struct agent *agent, int64_t now_us)
{
    for (size_t i = agent->images_used.length; i > 0; i--) {
        struct used_image *used = vec_at(&agent->images_used, i - 1);
        if (now_us - used->last_us <= KEPT_MS * INT64_C(1000)) continue;
        mem_free(used->digest);
        vec_remove(&agent->images_used, i - 1);
    }
}
