/* Any bytes at all as requests: of people to the API, of a host to its controllers, of a controller to an
 * agent. Each input is asked of a whole small grid in one process, new for each, so that it does the same
 * again. Whatever comes, each request is answered, or is one that waits; and what the store has can be read
 * again by a controller that starts. */
#include "simulate/world.h"

#include "base/attr.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 4, RUN_MS = 50, PATIENCE_MS = 1000 };

static void quiet(void *ctx, const char *line)
{
}

static struct world *start(void)
{
    static const struct host host = {.name = "h1",
                                     .zone = "east/b1/r1",
                                     .pool = "general",
                                     .class_name = "general",
                                     .capacity = {4000, 8LL << 30, 100LL << 30, 0}};
    const struct world_options options = {.seed = 7, .hosts = &host, .hosts_length = 1, .log = quiet};
    struct world *world = world_new(&options);
    struct error err;

    ASSERT(world_start_controller(world, &err) && box_boot(&world->boxes[0], &err));
    world_run_ms(world, RUN_MS);
    return world;
}

static void took(void *ctx, const struct answer *answer)
{
    if (answer->error == NULL) ASSERT(answer->status >= 100 && answer->status <= 599);
}

/* "METHOD PATH\n" and the body; in front of it who asks whom: h a host its controllers, c a controller the
 * host's agent, l the landlord the API, else somebody without a token. */
static void ask(struct world *world, const char *text, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *end = memchr(text, '\n', size), *space = memchr(text, ' ', size);
    struct sim_machine *machine = world->person;
    struct peer peer = {.addresses = {api_address}, .addresses_length = 1, .only_address = -1};
    struct header token = {"Authorization", arena_printf(arena, "Bearer %s", landlord)};

    if (size < 2 || end == NULL || space == NULL || space >= end || space == text) return;
    struct request request = {.method = arena_strndup(arena, text + 1, (size_t)(space - text - 1)),
                              .path = arena_strndup(arena, space + 1, (size_t)(end - space - 1)),
                              .body = end + 1,
                              .body_size = size - (size_t)(end + 1 - text),
                              .headers = &token};
    if (text[0] == 'h') {
        machine = world->boxes[0].machine;
        peer = (struct peer){.role = ROLE_CONTROLLER,
                             .addresses = {"10.90.0.1:7070"},
                             .addresses_length = 1,
                             .tls = true,
                             .only_address = -1};
    } else if (text[0] == 'c') {
        machine = world->controller_machine;
        peer = (struct peer){.role = ROLE_HOST,
                             .name = "h1",
                             .addresses = {world->boxes[0].addresses[0]},
                             .addresses_length = 1,
                             .tls = true,
                             .only_address = -1};
    } else {
        request.headers_length = text[0] == 'l';
    }
    const struct net_port *net = sim_machine_port(machine);
    net->call(net->self, &peer, &request, PATIENCE_MS, NULL, took, world);
    /* A controller does not stop while somebody asks in its name. */
    world_run_ms(world, text[0] == 'c' ? PATIENCE_MS + RUN_MS : RUN_MS);
}

/* Several requests are parted by a line of one zero byte. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *world = start();
    const char *text = (const char *)data, *end = text + size;
    struct error err;

    for (int i = 0; i < REQUESTS_MAX && text < end; i++) {
        const char *part = memmem(text, (size_t)(end - text), "\n\0\n", 3);
        size_t part_size = (size_t)((part == NULL ? end : part) - text);
        ask(world, text, part_size);
        text += part_size + (part == NULL ? 0 : 3);
    }
    world_stop_controller(world);
    ASSERT(world_start_controller(world, &err));
    world_run_ms(world, RUN_MS);
    world_free(world);
    return 0;
}
