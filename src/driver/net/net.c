#include "driver/net/net.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/counters.h"
#include "driver/net/doors.h"
#include "driver/net/doors_sweep.h"
#include "driver/net/farm.h"
#include "driver/net/link.h"
#include "driver/net/ns.h"
#include "driver/net/outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct driver {
    struct net_host host;
    char *underlay;    /* what filters the underlay, as told to nftables; NULL: not known */
    struct map *farms; /* struct farm_net by name: those that were used since the start */
    struct doors *doors;
};

static void destroy(void *self);
static bool underlay_set(void *self, const uint32_t *peers, size_t length, struct error *err);
static bool farm_set(void *self, const struct host_farm *wanted, struct error *err);
static bool farm_tend(void *self, const struct host_farm *wanted, struct error *err);
static bool farm_remove(void *self, const char *name, struct error *err);
static bool farm_list(void *self, struct vec *ret_names, struct error *err);
static bool doors_set_all(void *self, const struct net_door *doors, size_t length, struct error *err);
static bool port_add(void *self, const char *name, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err);
static bool port_remove(void *self, const char *name, const char *instance, struct error *err);
static bool farm_ns(void *self, const char *name, int *ret_fd, struct error *err);
static bool counters(void *self, struct vec *ret_counters, struct error *err);
static bool find(struct driver *driver, const char *name, struct farm_net **ret_farm, struct error *err);
static bool make_directories(const char *path, struct error *err);
static bool open_host(struct driver *driver, const struct net_driver_options *options, struct error *err);

bool net_driver_new(const struct net_driver_options *options, struct net_driver *ret_driver,
                    struct error *err)
{
    ASSERT(!options->resolver || options->process != NULL);
    struct driver *driver = mem_alloc(sizeof(*driver));
    driver->farms = map_new();
    driver->host = (struct net_host){.refused = VEC_OF(struct rules_range),
                                     .run_directory = mem_strdup(options->run_directory),
                                     .ns_fd = -1,
                                     .underlay_address = options->underlay_address,
                                     .process = options->process,
                                     .resolver = options->resolver};
    if (!open_host(driver, options, err)) {
        destroy(driver);
        return error_wrap(err, "cannot start the net driver");
    }
    *ret_driver = (struct net_driver){.self = driver,
                                      .destroy = destroy,
                                      .underlay_set = underlay_set,
                                      .farm_set = farm_set,
                                      .farm_tend = farm_tend,
                                      .farm_remove = farm_remove,
                                      .farm_list = farm_list,
                                      .doors_set = doors_set_all,
                                      .port_add = port_add,
                                      .port_remove = port_remove,
                                      .farm_ns = farm_ns,
                                      .counters = counters};
    return true;
}

static void destroy(void *self)
{
    struct driver *driver = self;
    size_t cursor = 0;
    const char *name;
    void *farm;
    while (map_next(driver->farms, &cursor, &name, &farm))
        farm_free(farm);
    map_free(driver->farms);
    doors_free(driver->doors);
    nft_free(driver->host.nft);
    netlink_close(driver->host.track);
    netlink_close(driver->host.route);
    vec_free(&driver->host.refused);
    mem_free(driver->underlay);
    ns_close(&driver->host.ns_fd);
    mem_free(driver->host.run_directory);
    mem_free(driver);
}

static bool underlay_set(void *self, const uint32_t *peers, size_t length, struct error *err)
{
    struct driver *driver = self;
    CLEANUP_BUF struct buf text = {0};
    rules_underlay(peers, length, &text);
    /* Asked for with each document, and hosts come rarely: the kernel needs milliseconds for the same again.
     */
    if (driver->underlay != NULL && text_equal(driver->underlay, buf_text(&text))) return true;
    if (!nft_run(driver->host.nft, driver->host.ns_fd, buf_text(&text), err))
        return error_wrap(err, "cannot filter the underlay");
    mem_free(driver->underlay);
    driver->underlay = buf_take(&text);
    return true;
}

static bool farm_set(void *self, const struct host_farm *wanted, struct error *err)
{
    struct driver *driver = self;
    struct farm_net *farm = NULL;
    bool found = find(driver, wanted->name, &farm, err);
    if (!found && err->code != ERROR_NOT_FOUND) return false;
    /* Refused before anything is touched. */
    struct rules *rules = NULL;
    if (!farm_rules(&driver->host, wanted, found ? farm->rules : NULL, &rules, err)) return false;
    if (found && farm_fits(farm, wanted)) return farm_converge(&driver->host, farm, wanted, rules, err);
    if (!farm_remove(driver, wanted->name, err) || !farm_create(&driver->host, wanted, &farm, err)) {
        rules_free(rules);
        return false;
    }
    map_put(driver->farms, wanted->name, farm);
    if (farm_converge(&driver->host, farm, wanted, rules, err)) return true;
    struct error ignored; /* the first failure is the one to tell */
    (void)!farm_remove(driver, wanted->name, &ignored);
    return false;
}

static bool farm_tend(void *self, const struct host_farm *wanted, struct error *err)
{
    struct driver *driver = self;
    const struct farm_net *farm = map_get(driver->farms, wanted->name);
    return farm == NULL || farm->names == NULL || names_set(farm->names, wanted, err);
}

static bool farm_remove(void *self, const char *name, struct error *err)
{
    struct driver *driver = self;
    struct farm_net *farm = map_remove(driver->farms, name);
    return farm_drop(&driver->host, name, farm, err) ||
           error_wrap(err, "cannot remove the network of %s", name);
}

static bool farm_list(void *self, struct vec *ret_names, struct error *err)
{
    struct driver *driver = self;
    CLEANUP_MEM char *path = mem_printf("%s/farm", driver->host.run_directory);
    DIR *directory = opendir(path);
    if (directory == NULL) return error_errno(err, errno, "cannot read %s", path);
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        CLEANUP_MEM char *file = mem_printf("%s/%s", path, entry->d_name);
        CLEANUP_FD int ns_fd = -1;
        struct error ignored; /* a file without namespace is no farm */
        if (entry->d_name[0] == '.' || !ns_open(file, &ns_fd, &ignored)) continue;
        char *name = mem_strdup(entry->d_name);
        char *dot = strchr(name, '.');
        if (dot != NULL) *dot = '/';
        *(char **)vec_push(ret_names) = name;
    }
    closedir(directory);
    return true;
}

static bool doors_set_all(void *self, const struct net_door *doors, size_t length, struct error *err)
{
    struct driver *driver = self;
    return doors_set(driver->doors, doors, length, err);
}

static bool port_add(void *self, const char *name, const char *instance, char *ret_ns_path, size_t path_size,
                     struct error *err)
{
    struct driver *driver = self;
    struct farm_net *farm;
    CLEANUP_MEM char *path = farm_ns_path(&driver->host, name, instance);
    if (strlen(path) >= path_size) return error_set(err, ERROR_TOO_LARGE, "the path %s is too long", path);
    if (!find(driver, name, &farm, err) || !farm_port_add(&driver->host, farm, instance, err)) return false;
    snprintf(ret_ns_path, path_size, "%s", path);
    return true;
}

static bool port_remove(void *self, const char *name, const char *instance, struct error *err)
{
    struct driver *driver = self;
    struct farm_net *farm;
    if (find(driver, name, &farm, err)) return farm_port_remove(&driver->host, farm, instance, err);
    if (err->code != ERROR_NOT_FOUND) return false;
    CLEANUP_MEM char *path = farm_ns_path(&driver->host, name, instance);
    return ns_unpin(path, err);
}

static bool farm_ns(void *self, const char *name, int *ret_fd, struct error *err)
{
    struct driver *driver = self;
    struct farm_net *farm;
    if (!find(driver, name, &farm, err)) return false;
    int fd = fcntl(farm->ns_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return error_errno(err, errno, "cannot hand out the namespace of %s", name);
    *ret_fd = fd;
    return true;
}

static bool counters(void *self, struct vec *ret_counters, struct error *err)
{
    struct driver *driver = self;
    size_t cursor = 0;
    const char *name;
    void *farm;
    while (map_next(driver->farms, &cursor, &name, &farm)) {
        if (!counters_read(farm, ret_counters, err))
            return error_wrap(err, "cannot read the counters of %s", name);
    }
    if (!doors_counters(driver->doors, ret_counters, err))
        return error_wrap(err, "cannot read the counters of published addresses");
    return counters_read_host(&driver->host, driver->farms, ret_counters, err) ||
           error_wrap(err, "cannot read the counters of the host");
}

/* The farm as far as this process knows it; else as an earlier one left it. */
static bool find(struct driver *driver, const char *name, struct farm_net **ret_farm, struct error *err)
{
    struct farm_net *farm = map_get(driver->farms, name);
    if (farm == NULL) {
        if (!farm_open(&driver->host, name, &farm, err)) return false;
        map_put(driver->farms, name, farm);
    }
    *ret_farm = farm;
    return true;
}

static bool open_host(struct driver *driver, const struct net_driver_options *options, struct error *err)
{
    const struct outside_options outside = {.device = options->outside_device,
                                            .refused = options->outside_refused,
                                            .refused_length = options->outside_refused_length};
    static const char *const parts[] = {"", "/farm", "/instance", "/names"};
    for (size_t i = 0; i < LENGTH(parts); i++) {
        CLEANUP_MEM char *path = mem_printf("%s%s", options->run_directory, parts[i]);
        if (!make_directories(path, err)) return false;
    }
    return ns_current(&driver->host.ns_fd, err) &&
           netlink_open(-1, NETLINK_ROUTE, &driver->host.route, err) &&
           link_index(driver->host.route, options->underlay_device, &driver->host.underlay_index, err) &&
           netlink_open(-1, NETLINK_NETFILTER, &driver->host.track, err) && nft_new(&driver->host.nft, err) &&
           doors_new(options->doors_ns_fd >= 0 ? options->doors_ns_fd : driver->host.ns_fd,
                     options->doors_table != NULL ? options->doors_table : DOORS_TABLE, driver->host.nft,
                     &driver->doors, err) &&
           (options->outside_device == NULL || outside_open(&driver->host, &outside, err));
}

static bool make_directories(const char *path, struct error *err)
{
    CLEANUP_MEM char *part = mem_strdup(path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST) return error_errno(err, errno, "cannot make %s", part);
        if (slash == NULL) return true;
        *slash = '/';
    }
}
