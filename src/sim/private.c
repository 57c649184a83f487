#include "sim/private.h"

#include "base/mem.h"
#include "base/text.h"
#include "sim/blob.h"
#include "sim/digest.h"
#include "sim/disk.h"

#include <stdio.h>
#include <string.h>

enum { WORK_US = 2000 };

enum work_kind { WORK_OPEN, WORK_LOCK, WORK_REMOVE, WORK_LIST };

struct work {
    enum work_kind kind;
    char *party, *directory;
    private_opened opened;
    private_done done;
    private_listed listed;
    void *ctx;
};

struct place {
    char *party, *directory;
    struct sim_blobs *blobs;
    struct sim_disk *disk;
    bool open;
};

struct sim_private {
    struct private_port port;
    const struct clock_port *clock;
    unsigned char key[PRIVATE_KEY_SIZE];
    unsigned opens_fail;
    struct vec places, queue; /* struct place *, struct work * */
    struct timer *timer;
};

static void sim_open(void *self, const char *party, private_opened done, void *ctx);
static const struct blob_port *sim_blobs(void *self, const char *directory);
static const struct disk_port *sim_disk(void *self, const char *directory);
static void sim_lock(void *self, const char *directory, private_done done, void *ctx);
static void sim_remove(void *self, const char *directory, private_done done, void *ctx);
static void sim_list(void *self, private_listed done, void *ctx);
static struct work *ask(struct sim_private *private, enum work_kind kind, void *ctx);
static void work_free(struct work *work);
static void fire(void *ctx);
static void do_work(struct sim_private *private, const struct work *work);
static struct place *find(const struct sim_private *private, const char *directory);
static struct place *find_open(const struct sim_private *private, const char *directory);
static void place_free(struct place *place);

struct sim_private *sim_private_new(const struct clock_port *clock)
{
    struct sim_private *private = mem_alloc(sizeof(*private));
    private->clock = clock;
    private->places = VEC_OF(struct place *);
    private->queue = VEC_OF(struct work *);
    private->port = (struct private_port){private,  private->key, sim_open,   sim_blobs,
                                          sim_disk, sim_lock,     sim_remove, sim_list};
    return private;
}

void sim_private_free(struct sim_private *private)
{
    if (!private) return;
    sim_private_end(private);
    for (size_t i = 0; i < private->places.length; i++)
        place_free(*(struct place **)vec_at(&private->places, i));
    vec_free(&private->places);
    vec_free(&private->queue);
    mem_free(private);
}

const struct private_port *sim_private_port(struct sim_private *private)
{
    return &private->port;
}

void sim_private_end(struct sim_private *private)
{
    private->clock->cancel(private->clock->self, private->timer);
    private->timer = NULL;
    for (size_t i = 0; i < private->queue.length; i++)
        work_free(*(struct work **)vec_at(&private->queue, i));
    vec_clear(&private->queue);
    for (size_t i = 0; i < private->places.length; i++)
        (*(struct place **)vec_at(&private->places, i))->open = false;
}

void sim_private_fail(struct sim_private *private, unsigned opens)
{
    private->opens_fail = opens;
}

size_t sim_private_count(const struct sim_private *private, size_t *ret_open)
{
    *ret_open = 0;
    for (size_t i = 0; i < private->places.length; i++)
        *ret_open += (*(struct place **)vec_at(&private->places, i))->open;
    return private->places.length;
}

/* The key is known by its digest from here on. */
static void sim_open(void *self, const char *party, private_opened done, void *ctx)
{
    struct sim_private *private = self;
    struct work *work = ask(private, WORK_OPEN, ctx);
    char hex[65];

    sim_digest(private->key, sizeof(private->key), hex);
    memset(private->key, 0, sizeof(private->key));
    work->party = mem_strdup(party);
    work->directory = mem_printf("/private/%s.%.32s", party, hex);
    work->opened = done;
}

static const struct blob_port *sim_blobs(void *self, const char *directory)
{
    const struct place *place = find_open(self, directory);
    return place ? sim_blobs_port(place->blobs) : NULL;
}

static const struct disk_port *sim_disk(void *self, const char *directory)
{
    const struct place *place = find_open(self, directory);
    return place ? sim_disk_port(place->disk) : NULL;
}

static void sim_lock(void *self, const char *directory, private_done done, void *ctx)
{
    struct work *work = ask(self, WORK_LOCK, ctx);
    work->directory = mem_strdup(directory);
    work->done = done;
}

static void sim_remove(void *self, const char *directory, private_done done, void *ctx)
{
    struct work *work = ask(self, WORK_REMOVE, ctx);
    work->directory = mem_strdup(directory);
    work->done = done;
}

static void sim_list(void *self, private_listed done, void *ctx)
{
    ask(self, WORK_LIST, ctx)->listed = done;
}

static struct work *ask(struct sim_private *private, enum work_kind kind, void *ctx)
{
    struct work *work = mem_alloc(sizeof(*work));
    work->kind = kind;
    work->ctx = ctx;
    *(struct work **)vec_push(&private->queue) = work;
    if (!private->timer) private->timer = private->clock->after(private->clock->self, WORK_US, fire, private);
    return work;
}

static void work_free(struct work *work)
{
    mem_free(work->party);
    mem_free(work->directory);
    mem_free(work);
}

static void fire(void *ctx)
{
    struct sim_private *private = ctx;
    struct work *work = *(struct work **)vec_at(&private->queue, 0);

    private->timer = NULL;
    vec_remove(&private->queue, 0);
    if (private->queue.length > 0)
    private->timer = private->clock->after(private->clock->self, WORK_US, fire, private);
    do_work(private, work);
    work_free(work);
}

static void do_work(struct sim_private *private, const struct work *work)
{
    struct place *place = work->directory ? find(private, work->directory) : NULL;
    struct error err;

    if (work->kind == WORK_LIST) {
        struct vec items = VEC_OF(struct private_item);
        for (size_t i = 0; i < private->places.length; i++) {
            const struct place *one = *(struct place **)vec_at(&private->places, i);
            *(struct private_item *)vec_push(&items) =
                (struct private_item){mem_strdup(one->party), mem_strdup(one->directory)};
        }
        work->listed(work->ctx, &items, NULL);
        vec_free(&items);
    } else if (work->kind == WORK_OPEN && private->opens_fail > 0) {
        private->opens_fail--;
        error_set(&err, ERROR_FAILED, "opening %s: as scripted", work->directory);
        work->opened(work->ctx, NULL, &err);
    } else if (work->kind == WORK_OPEN) {
        if (!place) {
            place = mem_alloc(sizeof(*place));
            *place = (struct place){mem_strdup(work->party), mem_strdup(work->directory), sim_blobs_new(),
                                    sim_disk_new(), false};
            *(struct place **)vec_push(&private->places) = place;
        }
        place->open = true;
        work->opened(work->ctx, place->directory, NULL);
    } else {
        if (place) place->open = false;
        for (size_t i = 0; place && work->kind == WORK_REMOVE && i < private->places.length; i++)
            if (*(struct place **)vec_at(&private->places, i) == place) {
                vec_remove(&private->places, i);
                place_free(place);
                break;
            }
        work->done(work->ctx, NULL);
    }
}

static struct place *find(const struct sim_private *private, const char *directory)
{
    for (size_t i = 0; i < private->places.length; i++) {
        struct place *place = *(struct place **)vec_at(&private->places, i);
        if (text_equal(place->directory, directory)) return place;
    }
    return NULL;
}

static struct place *find_open(const struct sim_private *private, const char *directory)
{
    struct place *place = find(private, directory);
    return place && place->open ? place : NULL;
}

static void place_free(struct place *place)
{
    sim_blobs_free(place->blobs);
    sim_disk_free(place->disk);
    mem_free(place->party);
    mem_free(place->directory);
    mem_free(place);
}
