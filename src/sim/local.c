#include "sim/local.h"

#include "base/mem.h"
#include "base/vec.h"

struct sim_local {
    struct local_port port;
    struct map *open; /* path -> struct local */
};

struct local {
    char *path;
    local_handler handler;
    void *ctx;
};

static bool open_local(void *self, const char *directory, const char *name, local_handler handler, void *ctx,
                       struct local **ret_local, struct error *err);
static void close_local(void *self, struct local *local);

struct sim_local *sim_local_new(void)
{
    struct sim_local *sim = mem_alloc(sizeof(*sim));
    sim->port = (struct local_port){.self = sim, .open = open_local, .close = close_local};
    sim->open = map_new();
    return sim;
}

void sim_local_free(struct sim_local *sim)
{
    if (sim == NULL) return;
    ASSERT(map_length(sim->open) == 0);
    map_free(sim->open);
    mem_free(sim);
}

const struct local_port *sim_local_port(const struct sim_local *sim)
{
    return &sim->port;
}

bool sim_local_ask(struct sim_local *sim, const char *path, const struct local_request *request,
                   struct local_answer *ret_answer)
{
    struct local *local = map_get(sim->open, path);
    if (local == NULL) return false;
    *ret_answer = (struct local_answer){.status = 200, .type = "application/json"};
    local->handler(local->ctx, request, ret_answer);
    return true;
}

static bool open_local(void *self, const char *directory, const char *name, local_handler handler, void *ctx,
                       struct local **ret_local, struct error *err)
{
    struct sim_local *sim = self;
    CLEANUP_MEM char *path = mem_printf("%s/%s", directory, name);
    ASSERT(map_get(sim->open, path) == NULL); /* one agent a host, one socket an instance */
    struct local *local = mem_alloc(sizeof(*local));
    *local = (struct local){.path = mem_strdup(path), .handler = handler, .ctx = ctx};
    map_put(sim->open, path, local);
    *ret_local = local;
    return true;
}

static void close_local(void *self, struct local *local)
{
    struct sim_local *sim = self;
    if (local == NULL) return;
    map_remove(sim->open, local->path);
    mem_free(local->path);
    mem_free(local);
}
