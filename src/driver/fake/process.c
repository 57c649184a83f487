/* Commands inside instances: a very small shell. */
#include "driver/fake/inside.h"

#include "base/text.h"

#include <signal.h>
#include <stdlib.h>

enum { STEP_MS = 1, FLOOD_SIZE = 64 * 1024 };

struct fake_processes {
    struct process_port port;
    struct fake_host *host;
    struct vec all; /* struct process * */
};

struct process {
    struct fake_processes *processes;
    char *instance, *command;
    struct buf text; /* for it to say */
    struct timer *next, *deadline;
    int status; /* to end with at `next`; -1: it goes on */
    bool timed_out;
    int stream;
    void (*taken)(void *ctx); /* of the newest write */
    void (*output)(void *ctx, int stream, const char *data, size_t size);
    void (*exited)(void *ctx, struct process_exit exit);
    void *ctx;
};

static bool spawn(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err);
static void write_in(void *self, struct process *process, const void *data, size_t size,
                     void (*taken)(void *ctx));
static void kill_it(void *self, struct process *process, int signal_number);
static void detach(void *self, struct process *process);
static int64_t pid(void *self, const struct process *process);
static void think_up(struct process *process, const char *const *argv, bool tty);
static void go_on(void *ctx);
static void too_late(void *ctx);
static void again_in(struct process *process, int64_t ms);
static void process_free(struct process *process);

struct fake_processes *fake_processes_new(struct fake_host *host)
{
    struct fake_processes *processes = mem_alloc(sizeof(*processes));

    ASSERT(!host->processes);
    host->processes = processes;
    processes->host = host;
    processes->port = (struct process_port){processes, spawn, write_in, kill_it, detach, pid};
    processes->all = VEC_OF(struct process *);
    return processes;
}

void fake_processes_free(struct fake_processes *processes)
{
    if (!processes) return;
    while (processes->all.length > 0)
        process_free(*(struct process **)vec_at(&processes->all, 0));
    vec_free(&processes->all);
    processes->host->processes = NULL;
    mem_free(processes);
}

const struct process_port *fake_processes_port(struct fake_processes *processes)
{
    return &processes->port;
}

void processes_end(struct fake_processes *processes, const char *instance)
{
    for (size_t i = 0; i < processes->all.length; i++) {
        struct process *process = *(struct process **)vec_at(&processes->all, i);
        if (text_equal(process->instance, instance)) kill_it(processes, process, SIGKILL);
    }
}

static bool spawn(void *self, const struct process_options *options,
                  void (*output)(void *ctx, int stream, const char *data, size_t size),
                  void (*exited)(void *ctx, struct process_exit exit), void *ctx,
                  struct process **ret_process, struct error *err)
{
    struct fake_processes *processes = self;
    struct fake_world *world = processes->host->world;
    struct process *process = NULL;
    const char *const *argv = options->argv;

    if (!text_equal(argv[0], "fake") || !argv[1] || !argv[2])
        return error_set(err, ERROR_NOT_FOUND, "there is no program %s here", argv[0]);
    process = mem_alloc(sizeof(*process));
    process->processes = processes;
    process->instance = mem_strdup(argv[1]);
    process->command = mem_strdup(argv[2]);
    process->stream = 1;
    process->output = output;
    process->exited = exited;
    process->ctx = ctx;
    if (options->timeout_ms > 0)
        process->deadline = world_after(world, options->timeout_ms, too_late, process);
    *(struct process **)vec_push(&processes->all) = process;
    think_up(process, argv + 2, options->tty);
    *ret_process = process;
    return true;
}

/* Only "cat" reads; nothing that others are told is ever taken. */
static void write_in(void *self, struct process *process, const void *data, size_t size,
                     void (*taken)(void *ctx))
{
    if (!text_equal(process->command, "cat") || process->status >= 0) return;
    buf_add(&process->text, data, size);
    if (size == 0) process->status = 0;
    process->taken = taken;
    again_in(process, STEP_MS);
}

static void kill_it(void *self, struct process *process, int signal_number)
{
    process->status = 128 + signal_number;
    again_in(process, STEP_MS);
}

static void detach(void *self, struct process *process)
{
    if (!process) return;
    process->output = NULL;
    process->exited = NULL;
}

static int64_t pid(void *self, const struct process *process)
{
    return 5000;
}

static void think_up(struct process *process, const char *const *argv, bool tty)
{
    struct fake_world *world = process->processes->host->world;
    bool complain = text_equal(argv[0], "complain");
    int64_t ms = STEP_MS;

    process->status = 127;
    if (text_equal(argv[0], "true")) {
        process->status = 0;
    } else if (text_equal(argv[0], "false")) {
        process->status = 1;
    } else if (text_equal(argv[0], "health")) {
        process->status = script_of(world, process->instance)->unhealthy;
    } else if (text_equal(argv[0], "echo") || complain) {
        for (size_t i = 1; argv[i]; i++)
            buf_printf(&process->text, "%s%s", i > 1 ? " " : "", argv[i]);
        buf_add_char(&process->text, '\n');
        process->stream = complain && !tty ? 2 : 1;
        process->status = 0;
    } else if (text_equal(argv[0], "missing")) {
        buf_add_text(&process->text, "fake: not run: not found\n");
        process->stream = 2;
        process->status = 255;
    } else if (text_equal(argv[0], "late")) {
        buf_printf(&process->text, "%s\n", argv[1] ? argv[1] : "");
        process->stream = tty ? 2 : 1;
        process->status = 7;
    } else if (text_equal(argv[0], "sleep") && argv[1]) {
        process->status = 0;
        ms = strtoll(argv[1], NULL, 10);
    } else if (text_equal(argv[0], "cat") || text_equal(argv[0], "flood")) {
        process->status = -1;
    }
    if (!text_equal(argv[0], "cat")) again_in(process, ms);
}

static void go_on(void *ctx)
{
    struct process *process = ctx;
    struct buf text = process->text;

    process->next = NULL;
    process->text = (struct buf){0};
    if (process->status < 0 && text_equal(process->command, "flood")) {
        CLEANUP_MEM char *flood = mem_alloc(FLOOD_SIZE);
        buf_add(&text, flood, FLOOD_SIZE);
        again_in(process, STEP_MS);
    }
    /* Output may free the session that it belongs to, but detaches before: the process stays. */
    if (text.size > 0 && process->output)
        process->output(process->ctx, process->stream, text.data, text.size);
    buf_free(&text);
    void (*taken)(void *ctx) = process->taken;
    process->taken = NULL;
    if (taken && process->exited && process->status < 0) taken(process->ctx);
    if (process->status < 0 || process->next) return;
    void (*exited)(void *ctx, struct process_exit exit) = process->exited;
    struct process_exit exit = {process->timed_out, process->status};
    void *exited_ctx = process->ctx;
    process_free(process);
    if (exited) exited(exited_ctx, exit);
}

static void too_late(void *ctx)
{
    struct process *process = ctx;
    process->deadline = NULL;
    process->timed_out = true;
    kill_it(process->processes, process, SIGKILL);
}

static void again_in(struct process *process, int64_t ms)
{
    struct fake_world *world = process->processes->host->world;
    world_cancel(world, process->next);
    process->next = world_after(world, ms, go_on, process);
}

static void process_free(struct process *process)
{
    struct fake_world *world = process->processes->host->world;
    struct vec *all = &process->processes->all;

    for (size_t i = 0; i < all->length; i++) {
        if (*(struct process **)vec_at(all, i) != process) continue;
        vec_remove(all, i);
        break;
    }
    world_cancel(world, process->next);
    world_cancel(world, process->deadline);
    buf_free(&process->text);
    mem_free(process->instance);
    mem_free(process->command);
    mem_free(process);
}
