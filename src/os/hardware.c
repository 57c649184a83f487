#include "os/hardware.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/hardware.h"
#include "os/hardware_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* A read of a sensor may wait for a slow bus, or for a controller that hangs: other programs do that, so that
 * this one never waits. `grep` names the file before each line that it reads. */
enum { READ_MS = 20 * 1000, TEXT_SIZE_MAX = 512 * 1024 };

struct os_hardware {
    struct hardware_port port;
    struct os_hardware_options options;
    struct disk_asker *asker; /* hardware_disks.c */
    struct hardware_look *look;
};

struct hardware_look {
    struct os_hardware *hardware;
    struct process *process;
    struct timer *soon;
    struct buf text;
    bool cut;
    bool failed; /* not all was read: why */
    struct error trouble;
    void (*done)(void *ctx, const struct hardware_reading *readings, size_t length, const char *note);
    void *ctx;
};

static struct hardware_look *look(void *self,
                                  void (*done)(void *ctx, const struct hardware_reading *readings,
                                               size_t length, const char *note),
                                  void *ctx);
static void cancel(void *self, struct hardware_look *look);
static bool read_files(struct hardware_look *look, const struct vec *files, struct error *err);
static void take_text(void *ctx, int stream, const char *data, size_t size);
static void read_all(void *ctx, struct process_exit exit);
static void finish_soon(void *ctx);
static void finish(struct hardware_look *look);
static void add_space(const char *state, struct vec *readings);
static void look_free(struct hardware_look *look);

struct os_hardware *os_hardware_new(const struct os_hardware_options *options)
{
    struct os_hardware *hardware = mem_alloc(sizeof(*hardware));
    *hardware = (struct os_hardware){.port = {hardware, look, cancel}, .options = *options};
    hardware->asker = disk_asker_new(options->clock, options->process, options->root);
    return hardware;
}

void os_hardware_free(struct os_hardware *hardware)
{
    if (!hardware) return;
    if (hardware->look) cancel(hardware, hardware->look);
    disk_asker_free(hardware->asker);
    mem_free(hardware);
}

const struct hardware_port *os_hardware_port(const struct os_hardware *hardware)
{
    return &hardware->port;
}

static struct hardware_look *look(void *self,
                                  void (*done)(void *ctx, const struct hardware_reading *readings,
                                               size_t length, const char *note),
                                  void *ctx)
{
    struct os_hardware *hardware = self;
    const struct clock_port *clock = hardware->options.clock;
    struct hardware_look *look = mem_alloc(sizeof(*look));
    struct vec files = VEC_OF(char *);

    ASSERT(!hardware->look);
    *look = (struct hardware_look){.hardware = hardware, .done = done, .ctx = ctx};
    hardware->look = look;
    disk_asker_go_on(hardware->asker);
    look->cut = !hardware_files(hardware->options.root, &files);
    bool reads = files.length > 0 && read_files(look, &files, &look->trouble);
    look->failed = files.length > 0 && !reads;
    if (look->failed) error_wrap(&look->trouble, "sensors are not read");
    if (!reads) look->soon = clock->after(clock->self, 0, finish_soon, look);
    hardware_files_free(&files);
    return look;
}

static void cancel(void *self, struct hardware_look *look)
{
    if (look) look_free(look);
}

static bool read_files(struct hardware_look *look, const struct vec *files, struct error *err)
{
    const struct os_hardware *hardware = look->hardware;
    const struct process_port *process = hardware->options.process;
    static const char *const words[] = {"grep", "-sHa", "-m1", "-e", "", "--"};
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};
    const char **argv = mem_alloc_array(LENGTH(words) + files->length + 1, sizeof(*argv));

    memcpy(argv, words, sizeof(words));
    for (size_t i = 0; i < files->length; i++)
        argv[LENGTH(words) + i] = *(char *const *)vec_at(files, i);
    argv[LENGTH(words) + files->length] = NULL;
    const struct process_options options = {
        .argv = argv,
        .env = env,
        .directory = hardware->options.root,
        .out = PROCESS_CAPTURE,
        .net_ns_fd = -1,
        .die_with_parent = true,
        .timeout_ms = hardware->options.read_ms_max ? hardware->options.read_ms_max : READ_MS};
    bool good = process->spawn(process->self, &options, take_text, read_all, look, &look->process, err);
    mem_free(argv);
    return good;
}

static void take_text(void *ctx, int stream, const char *data, size_t size)
{
    struct hardware_look *look = ctx;
    size_t room = TEXT_SIZE_MAX - look->text.size;
    buf_add(&look->text, data, size < room ? size : room);
}

static void read_all(void *ctx, struct process_exit exit)
{
    struct hardware_look *look = ctx;

    look->process = NULL;
    look->failed = exit.timed_out;
    if (look->failed) error_set(&look->trouble, ERROR_TIMEOUT, "a sensor does not answer in time");
    finish(look);
}

static void finish_soon(void *ctx)
{
    struct hardware_look *look = ctx;
    look->soon = NULL;
    finish(look);
}

/* What was read before a sensor that does not answer is not all: the rest would seem to be over. */
static void finish(struct hardware_look *look)
{
    struct os_hardware *hardware = look->hardware;
    void (*done)(void *ctx, const struct hardware_reading *readings, size_t length, const char *note) =
        look->done;
    struct vec readings = VEC_OF(struct hardware_reading);
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf note = {0};
    void *ctx = look->ctx;

    hardware_read(arena, buf_text(&look->text), &readings);
    add_space(hardware->options.state, &readings);
    disk_asker_tell(hardware->asker, arena, &readings, &note);
    if (look->cut)
        buf_add_text(&note,
                     note.size ? "; more sensors than are looked at" : "more sensors than are looked at");
    bool late = look->failed;
    if (late) buf_printf(&note, "%s%s", note.size ? "; " : "", look->trouble.message);
    look_free(look);
    static const struct hardware_reading none;
    done(ctx,
         late              ? NULL
         : readings.length ? readings.items
                           : &none,
         late ? 0 : readings.length, buf_text(&note));
    vec_free(&readings);
}

/* As `df` counts it: of what is not kept for root. */
static void add_space(const char *state, struct vec *readings)
{
    struct statvfs fs;

    if (statvfs(state, &fs) != 0 || fs.f_blocks == 0) return;
    uint64_t used = fs.f_blocks - fs.f_bfree, all = used + fs.f_bavail;
    int64_t percent = all == 0 ? 100 : (int64_t)((used * 100 + all - 1) / all);
    *(struct hardware_reading *)vec_push(readings) =
        (struct hardware_reading){FINDING_DISK_FULL, "state", percent, 0};
    *(struct hardware_reading *)vec_push(readings) =
        (struct hardware_reading){FINDING_DISK_READ_ONLY, "state", (fs.f_flag & ST_RDONLY) != 0, 0};
}

static void look_free(struct hardware_look *look)
{
    struct os_hardware *hardware = look->hardware;
    const struct process_port *process = hardware->options.process;

    if (look->process) {
        process->kill(process->self, look->process, 9);
        process->detach(process->self, look->process);
    }
    hardware->options.clock->cancel(hardware->options.clock->self, look->soon);
    buf_free(&look->text);
    hardware->look = NULL;
    mem_free(look);
}
