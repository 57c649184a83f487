/* Networks: only which there are, and who is in them. */
#include "driver/fake/inside.h"

#include "base/text.h"

#include <stdio.h>

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
static bool port_add(void *self, const char *farm, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err);
static bool port_remove(void *self, const char *farm, const char *instance, struct error *err);
static bool farm_ns(void *self, const char *farm, int *ret_fd, struct error *err);
static bool counters(void *self, struct vec *ret_counters, struct error *err);

const struct net_driver *fake_net_new(struct fake_host *host)
{
    struct fake_net *net = mem_alloc(sizeof(*net));
    net->host = host;
    net->driver = (struct net_driver){net,       destroy,  underlay_set, farm_set, farm_tend, farm_remove,
                                      farm_list, port_add, port_remove,  farm_ns,  counters};
    return &net->driver;
}

static void destroy(void *self)
{
    mem_free(self);
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
    map_put(host->farms, farm->name, host);
    return true;
}

static bool farm_tend(void *self, const struct host_farm *farm, struct error *err)
{
    ((struct fake_net *)self)->host->counts.farms_tended++;
    return true;
}

static bool farm_remove(void *self, const char *farm, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    CLEANUP_MEM char *prefix = mem_printf("%s/", farm);
    size_t cursor = 0;
    const char *port = NULL;

    host->counts.farms_removed++;
    if (host->farm_changes) host->farm_changes(host->farm_changes_ctx, farm, false);
    map_remove(host->farms, farm);
    while (map_next(host->ports, &cursor, &port, NULL))
        if (text_starts(port, prefix)) map_remove(host->ports, port);
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

static bool port_add(void *self, const char *farm, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, instance);

    if (!map_get(host->farms, farm))
        return error_set(err, ERROR_NOT_FOUND, "no network of farm %s here", farm);
    host->counts.ports_added++;
    map_put(host->ports, key, host);
    snprintf(ret_ns_path, path_size, "/run/fake/ns/%s", key);
    return true;
}

static bool port_remove(void *self, const char *farm, const char *instance, struct error *err)
{
    struct fake_host *host = ((struct fake_net *)self)->host;
    CLEANUP_MEM char *key = mem_printf("%s/%s", farm, instance);

    host->counts.ports_removed++;
    if (host->port_goes) host->port_goes(host->port_goes_ctx);
    map_remove(host->ports, key);
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
