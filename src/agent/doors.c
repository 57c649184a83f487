/* The published sockets of balancers. They are the host's more than an instance's: who comes after another on
 * the same address gets the very same socket, so callers wait in one queue whoever serves it. */
#include "agent/internal.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct door {
    char *place; /* "ADDR:PORT" */
    int fd;
};

static void guard(const struct personality *balancer, const struct host_document *document,
                  struct vec *doors);
static bool is_listed(const struct vec *doors, const struct net_door *door);
static bool open_door(struct unit *unit, const char *place, struct vec *doors, struct error *err);
static int find_door(const struct unit *unit, const char *place);
static bool same_farm(const struct unit *a, const struct unit *b);
static void clear(struct vec *doors);

bool doors_open(struct unit *unit, struct error *err)
{
    struct vec doors = VEC_OF(struct door);
    bool good = true;

    mem_free(unit->publish_taken);
    unit->publish_taken = NULL;
    for (size_t i = 0; good && i < unit->have->frontends_length; i++) {
        const char *place = unit->have->frontends[i].publish;
        if (place[0]) good = open_door(unit, place, &doors, err);
    }
    if (!good) {
        clear(&doors);
        vec_free(&doors);
        return false;
    }
    doors_close(unit);
    unit->doors = doors;
    return true;
}

bool doors_guard(struct agent *agent, const struct host_document *document, struct error *err)
{
    const struct net_driver *network = agent->options.network;
    struct vec doors = VEC_OF(struct net_door);
    size_t cursor = 0;
    void *value = NULL;

    for (size_t i = 0; i < document->instances_length; i++)
        guard(&document->instances[i], document, &doors);
    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (unit->have && unit->doors.length > 0) guard(unit->have, document, &doors);
    }
    bool good = network->doors_set(network->self, doors.items, doors.length, err);
    vec_free(&doors);
    return good;
}

void doors_adopt(struct unit *unit)
{
    const struct compute_driver *compute = unit->agent->options.compute;
    const struct balance_driver *balance = unit->agent->options.balance;
    size_t rank = 0;

    unit->doors = VEC_OF(struct door);
    for (size_t i = 0; i < unit->have->frontends_length; i++) {
        const char *place = unit->have->frontends[i].publish;
        struct error err;
        int fd;
        if (!place[0]) continue;
        /* Without it the balancer serves on; only its successor will have to wait for its end. */
        if (balance->take(balance->self, compute->pid(compute->self, unit->name), rank++, place, &fd, &err))
            *(struct door *)vec_push(&unit->doors) = (struct door){mem_strdup(place), fd};
        else
            agent_log(unit->agent, "taking over a published socket", &err);
    }
}

void doors_close(struct unit *unit)
{
    clear(&unit->doors);
    vec_free(&unit->doors);
    unit->doors = VEC_OF(struct door);
}

const int *doors_fds(const struct unit *unit, struct arena *arena, size_t *ret_length)
{
    int *fds = arena_alloc_array(arena, unit->doors.length + 1, sizeof(*fds));
    for (size_t i = 0; i < unit->doors.length; i++)
        fds[i] = ((const struct door *)vec_at(&unit->doors, i))->fd;
    *ret_length = unit->doors.length;
    return fds;
}

/* The farm of one that is on its way out may not be in the document any more. */
static void guard(const struct personality *balancer, const struct host_document *document, struct vec *doors)
{
    const struct host_farm *farm = NULL;

    for (size_t i = 0; i < document->farms_length; i++)
        if (text_equal(document->farms[i].name, balancer->farm)) farm = &document->farms[i];
    for (size_t i = 0; i < balancer->frontends_length; i++) {
        const struct balance_frontend *frontend = &balancer->frontends[i];
        const struct net_door door = {.publish = frontend->publish,
                                      .balancer = balancer->instance,
                                      .address = balancer->address,
                                      .port = frontend->port,
                                      .farm = farm};
        if (frontend->publish[0] && !is_listed(doors, &door)) *(struct net_door *)vec_push(doors) = door;
    }
}

static bool is_listed(const struct vec *doors, const struct net_door *door)
{
    for (size_t i = 0; i < doors->length; i++) {
        const struct net_door *other = vec_at(doors, i);
        if (text_equal(other->publish, door->publish) && text_equal(other->balancer, door->balancer) &&
            other->address == door->address && other->port == door->port)
            return true;
    }
    return false;
}

static bool open_door(struct unit *unit, const char *place, struct vec *doors, struct error *err)
{
    const struct balance_driver *balance = unit->agent->options.balance;
    size_t cursor = 0;
    void *value = NULL;
    int fd = find_door(unit, place);

    while (fd < 0 && map_next(unit->agent->units, &cursor, NULL, &value))
        if (same_farm(value, unit)) fd = find_door(value, place);
    if (fd >= 0) {
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return error_errno(err, errno, "cannot share the socket of %s", place);
    } else if (!balance->listen(balance->self, place, &fd, err)) {
        if (err->code == ERROR_CONFLICT) unit->publish_taken = mem_strdup(place);
        return false;
    }
    *(struct door *)vec_push(doors) = (struct door){mem_strdup(place), fd};
    return true;
}

/* -1: it has none */
static int find_door(const struct unit *unit, const char *place)
{
    for (size_t i = 0; i < unit->doors.length; i++) {
        const struct door *door = vec_at(&unit->doors, i);
        if (text_equal(door->place, place)) return door->fd;
    }
    return -1;
}

static bool same_farm(const struct unit *a, const struct unit *b)
{
    size_t length = (size_t)(unit_farm_short(a->name) - a->name);
    return length == (size_t)(unit_farm_short(b->name) - b->name) && strncmp(a->name, b->name, length) == 0;
}

static void clear(struct vec *doors)
{
    for (size_t i = 0; i < doors->length; i++) {
        struct door *door = vec_at(doors, i);
        close(door->fd);
        mem_free(door->place);
    }
    vec_clear(doors);
}
