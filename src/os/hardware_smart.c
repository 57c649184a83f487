/* What disks say of themselves: `smartctl -H` of smartmontools, once an hour and disk. */
#include "base/text.h"
#include "model/hardware.h"
#include "model/node.h"
#include "os/hardware_inside.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE_MAX = 64 * 1024, ASK_MS_MAX = 60 * 1000 };
#define EVERY_US ((int64_t)3600 * 1000 * 1000)

struct disk {
    char *name;
    int64_t next_us; /* steady; it is asked from then on */
    enum { DISK_UNKNOWN, DISK_GOOD, DISK_BAD } says;
    bool there;
};

struct disk_asker {
    const struct clock_port *clock;
    const struct process_port *process;
    const char *root;
    struct vec disks;        /* struct disk */
    struct process *running; /* NULL: none is being asked */
    char *asked;             /* which */
    struct buf text;
    bool missing; /* smartctl is not installed */
};

static void meet_disks(struct disk_asker *asker);
static struct disk *disk_of(const struct disk_asker *asker, const char *name);
static bool ask(struct disk_asker *asker, const char *name, struct error *err);
static void take_text(void *ctx, int stream, const char *data, size_t size);
static void asked(void *ctx, struct process_exit exit);

struct disk_asker *disk_asker_new(const struct clock_port *clock, const struct process_port *process,
                                  const char *root)
{
    struct disk_asker *asker = mem_alloc(sizeof(*asker));
    *asker =
        (struct disk_asker){.clock = clock, .process = process, .root = root, .disks = VEC_OF(struct disk)};
    return asker;
}

void disk_asker_free(struct disk_asker *asker)
{
    if (!asker) return;
    if (asker->running) {
        asker->process->kill(asker->process->self, asker->running, 9);
        asker->process->detach(asker->process->self, asker->running);
    }
    for (size_t i = 0; i < asker->disks.length; i++)
        mem_free(((struct disk *)vec_at(&asker->disks, i))->name);
    vec_free(&asker->disks);
    buf_free(&asker->text);
    mem_free(asker->asked);
    mem_free(asker);
}

void disk_asker_go_on(struct disk_asker *asker)
{
    int64_t now_us = asker->clock->steady_us(asker->clock->self);
    struct error err;

    if (asker->running) return;
    meet_disks(asker);
    for (size_t i = 0; i < asker->disks.length; i++) {
        struct disk *disk = vec_at(&asker->disks, i);
        if (now_us < disk->next_us) continue;
        disk->next_us = now_us + EVERY_US;
        bool begun = ask(asker, disk->name, &err);
        asker->missing = !begun && err.code == ERROR_NOT_FOUND;
        if (begun) return;
    }
}

void disk_asker_tell(const struct disk_asker *asker, struct arena *arena, struct vec *readings,
                     struct buf *note)
{
    for (size_t i = 0; i < asker->disks.length; i++) {
        const struct disk *disk = vec_at(&asker->disks, i);
        if (disk->says == DISK_UNKNOWN) continue;
        *(struct hardware_reading *)vec_push(readings) = (struct hardware_reading){
            FINDING_DISK_FAILS, hardware_name(arena, disk->name), disk->says == DISK_BAD, 0};
    }
    if (asker->missing && asker->disks.length > 0)
        buf_add_text(note, "disks are not asked how they are: smartctl is not installed (smartmontools)");
}

/* Disks come and go. */
static void meet_disks(struct disk_asker *asker)
{
    struct vec names = VEC_OF(char *);

    hardware_disks(asker->root, &names);
    for (size_t i = 0; i < asker->disks.length; i++)
        ((struct disk *)vec_at(&asker->disks, i))->there = false;
    for (size_t i = 0; i < names.length; i++) {
        const char *name = *(char **)vec_at(&names, i);
        struct disk *disk = disk_of(asker, name);
        if (!disk) {
            disk = vec_push(&asker->disks);
            *disk = (struct disk){.name = mem_strdup(name)};
        }
        disk->there = true;
    }
    for (size_t i = asker->disks.length; i > 0; i--) {
        struct disk *disk = vec_at(&asker->disks, i - 1);
        if (disk->there) continue;
        mem_free(disk->name);
        vec_remove(&asker->disks, i - 1);
    }
    hardware_files_free(&names);
}

static struct disk *disk_of(const struct disk_asker *asker, const char *name)
{
    for (size_t i = 0; i < asker->disks.length; i++) {
        struct disk *disk = vec_at(&asker->disks, i);
        if (text_equal(disk->name, name)) return disk;
    }
    return NULL;
}

/* Not one that sleeps: -n standby. */
static bool ask(struct disk_asker *asker, const char *name, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("/dev/%s", name);
    const char *const argv[] = {"smartctl", "-j", "-H", "-n", "standby", path, NULL};
    const struct process_options options = {.argv = argv,
                                            .directory = asker->root,
                                            .out = PROCESS_CAPTURE,
                                            .net_ns_fd = -1,
                                            .die_with_parent = true,
                                            .timeout_ms = ASK_MS_MAX};

    buf_clear(&asker->text);
    if (!asker->process->spawn(asker->process->self, &options, take_text, asked, asker, &asker->running, err))
        return false;
    mem_free(asker->asked);
    asker->asked = mem_strdup(name);
    return true;
}

static void take_text(void *ctx, int stream, const char *data, size_t size)
{
    struct disk_asker *asker = ctx;
    size_t room = TEXT_SIZE_MAX - asker->text.size;
    buf_add(&asker->text, data, size < room ? size : room);
}

/* Only a word on its health counts: who sleeps, or cannot say, stays as he was known. */
static void asked(void *ctx, struct process_exit exit)
{
    struct disk_asker *asker = ctx;
    struct disk *disk = disk_of(asker, asker->asked);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node answer;
    struct error err;

    asker->running = NULL;
    if (disk && !exit.timed_out && node_from_json(arena, asker->text.data, asker->text.size, &answer, &err)) {
        const struct node *status = node_get(&answer, "smart_status");
        const struct node *passed = status ? node_get(status, "passed") : NULL;
        if (passed && passed->kind == NODE_BOOL)
            disk->says = text_equal(passed->text, "true") ? DISK_GOOD : DISK_BAD;
    }
    disk_asker_go_on(asker);
}
