/* Networks: only which there are, and who is in them. */
#include "driver/fake/inside.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct fake_net {
    struct net_driver driver;
    struct fake_host *host;
};

static void destroy(void *self);
static bool underlay_set(void *self, const uint32_t *peers, size_t length, struct error *err);
static bool farm_set(void *self, const struct host_farm *farm, struct error *err);
static bool farm_tend(void *self, const struct host_farm *farm, struct error *err);
static bool farm_remove(void *self, const char *farm, struct error *err);
static bool farm_list(void *self, struct vec *ret_names, struct error *err);
static bool doors_set(void *self, const struct net_door *doors, size_t length, struct error *err);
static bool port_add(void *self, const char *farm, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err);
static bool port_remove(void *self, const char *farm, const char *instance, struct error *err);
static bool farm_ns(void *self, const char *farm, int *ret_fd, struct error *err);
static bool counters(void *self, struct vec *ret_counters, struct error *err);

static void farm_gone(struct fake_host *host, struct fake_farm *farm);
static void tell_port(struct fake_host *host, enum fake_change_kind kind, const struct fake_farm *farm,
                      const char *key);

const struct net_driver *fake_net_new(struct fake_host *host)
{
    struct fake_net *net = mem_alloc(sizeof(*net));
    net->host = host;
    net->driver = (struct net_driver){net,       destroy,   underlay_set, farm_set,    farm_tend, farm_remove,
                                      farm_list, doors_set, port_add,     port_remove, farm_ns,   counters};
    return &net->driver;
}

static void destroy(void *self)
{
    mem_free(self);
}

void fake_farms_clear(struct fake_host *host)
{
    size_t cursor = 0;
    void *farm = NULL;

    while (map_next(host->farms, &cursor, NULL, &farm))
        farm_gone(host, farm);
}

static bool underlay_set(void *self, const uint32_t *peers, size_t length, struct error *err)
{
    return true;
}

static bool farm_set(void *self, const struct host_farm *farm, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;

    host->counts.farms_set++;
    if (host->farm_changes) host->farm_changes(host->farm_changes_ctx, farm->name, true);
    if (fails_now(&host->farm_sets_fail))
        return error_set(err, ERROR_FAILED, "no room for a bridge, as scripted");
    struct fake_farm *here = map_get(host->farms, farm->name);
    if (here && here->vni != farm->vni) { /* another one of the same name */
        farm_gone(host, here);
        here = NULL;
    }
    if (!here) {
        here = mem_alloc(sizeof(*here));
        here->name = mem_strdup(farm->name);
        here->vni = farm->vni;
        map_put(host->farms, farm->name, here);
    }
    map_free(here->members);
    here->members = map_new();
    for (size_t i = 0; i < farm->members_length; i++)
        map_put(here->members, farm->members[i].instance, here);
    const struct fake_change change = {.kind = FAKE_FARM_SET,
                                       .host = host->name,
                                       .instance = "",
                                       .farm = farm->name,
                                       .vni = farm->vni,
                                       .as = farm};
    world_tell(host->world, &change);
    return true;
}

/* The ports of a network go with it. */
static void farm_gone(struct fake_host *host, struct fake_farm *farm)
{
    CLEANUP_MEM char *prefix = mem_printf("%s/", farm->name);
    size_t cursor = 0;
    const char *port = NULL;

    while (map_next(host->ports, &cursor, &port, NULL))
        if (text_starts(port, prefix)) {
            tell_port(host, FAKE_PORT_GONE, farm, port);
            map_remove(host->ports, port);
        }
    const struct fake_change change = {
        .kind = FAKE_FARM_GONE, .host = host->name, .instance = "", .farm = farm->name, .vni = farm->vni};
    world_tell(host->world, &change);
    map_remove(host->farms, farm->name);
    map_free(farm->members);
    mem_free(farm->name);
    mem_free(farm);
}

static void tell_port(struct fake_host *host, enum fake_change_kind kind, const struct fake_farm *farm,
                      const char *key)
{
    const struct fake_change change = {.kind = kind,
                                       .host = host->name,
                                       .instance = key,
                                       .farm = farm->name,
                                       .vni = farm->vni,
                                       .member = map_get(farm->members, strrchr(key, '/') + 1) != NULL};
    world_tell(host->world, &change);
}

static bool farm_tend(void *self, const struct host_farm *farm, struct error *err)
{
    ((struct fake_net *)self)->host->counts.farms_tended++;
    return true;
}

static bool farm_remove(void *self, const char *farm, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    struct fake_farm *here = map_get(host->farms, farm);

    host->counts.farms_removed++;
    if (host->farm_changes) host->farm_changes(host->farm_changes_ctx, farm, false);
    if (here) farm_gone(host, here);
    return true;
}

static bool farm_list(void *self, struct vec *ret_names, struct error *err)
{
    size_t cursor = 0;
    const char *name = NULL;

    while (map_next(((struct fake_net *)self)->host->farms, &cursor, &name, NULL))
        *(char **)vec_push(ret_names) = mem_strdup(name);
    return true;
}

/* Only who is listed here may be opened: balance.c. */
static bool doors_set(void *self, const struct net_door *doors, size_t length, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;

    map_free(host->guarded);
    host->guarded = map_new();
    for (size_t i = 0; i < length; i++)
        map_put(host->guarded, doors[i].publish, host);
    return true;
}

static bool port_add(void *self, const char *farm, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, instance);

    const struct fake_farm *here = map_get(host->farms, farm);

    if (!here) return error_set(err, ERROR_NOT_FOUND, "no network of farm %s here", farm);
    host->counts.ports_added++;
    if (!map_put(host->ports, key, host)) tell_port(host, FAKE_PORT_MADE, here, key);
    snprintf(ret_ns_path, path_size, "/run/fake/ns/%s", key);
    return true;
}

static bool port_remove(void *self, const char *farm, const char *instance, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, instance);

    host->counts.ports_removed++;
    if (host->port_goes) host->port_goes(host->port_goes_ctx);
    const struct fake_farm *here = map_get(host->farms, farm);
    if (map_remove(host->ports, key)) tell_port(host, FAKE_PORT_GONE, here, key);
    return true;
}

static bool farm_ns(void *self, const char *farm, int *ret_fd, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    if (!map_get(host->farms, farm))
        return error_set(err, ERROR_NOT_FOUND, "no network of farm %s here", farm);
    *ret_fd = -1; /* there is none: only fake_probe() can use it */
    return true;
}

static bool counters(void *self, struct vec *ret_counters, struct error *err)
{
    return true;
}
