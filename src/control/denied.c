/* What hosts did not let pass. Totals are in memory only: a controller that starts takes the first report of
 * each host as known already. */
#include "base/text.h"
#include "control/internal.h"
#include "model/denials.h"

#include <inttypes.h>
#include <string.h>

enum { TELL_US = 60 * 1000 * 1000, LOOK_US = 1000 * 1000 };

/* What one run of a host said last. */
struct denied_at {
    char *host, *boot;
    int64_t packets;
};

struct denied {
    char *farm, *name, *reason; /* name: of the instance, or of the farm */
    char *by;                   /* the filter that denied, or "" */
    int64_t packets;            /* all that this controller knows of */
    int64_t untold;             /* since the last event */
    int64_t told_us;            /* 0: never */
    struct vec hosts;           /* struct denied_at */
};

static bool is_there(struct controller *controller, const char *farm, const char *name);
static bool is_filter(struct controller *controller, const char *by);
static struct denied *get(struct controller *controller, const char *farm, const char *name,
                          const struct denied_report *item);
static struct denied_at *at_host(struct denied *denied, const struct host_report *report);
static bool is_due(const struct denied *denied, int64_t now_us);
static void add_event(struct change *change, const struct denied *denied, int64_t now_ms);
static void forget_gone(struct controller *controller);
static void free_one(struct denied *denied);

void denied_take(struct session *session, const struct host_report *report)
{
    struct controller *controller = session->controller;
    CLEANUP_ARENA struct arena *arena = arena_new();

    for (size_t i = 0; i < report->denied_length; i++) {
        const struct denied_report *item = &report->denied[i];
        const char *name =
            item->instance[0] ? arena_printf(arena, "%s/%s", item->farm, item->instance) : item->farm;
        if (item->packets <= 0 || !denial_text(item->reason) || !is_there(controller, item->farm, name) ||
            !is_filter(controller, item->by))
            continue;
        struct denied *denied = get(controller, item->farm, name, item);
        struct denied_at *at = at_host(denied, report);
        /* Less than before: the farm's network was made anew there. */
        int64_t more = item->packets >= at->packets ? item->packets - at->packets : item->packets;
        at->packets = item->packets;
        denied->packets += more;
        if (session->denied_known) denied->untold += more;
    }
    session->denied_known = true;
    controller->denied_told_us = 0;
    denied_tick(controller);
}

void denied_tick(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    CLEANUP_CHANGE struct change *change = control_change(controller);
    int64_t now_us = clock->steady_us(clock->self);
    struct vec told = VEC_OF(struct denied *);
    size_t cursor = 0;
    void *value = NULL;
    struct error err;

    if (controller->denied_told_us && now_us - controller->denied_told_us < LOOK_US) return;
    controller->denied_told_us = now_us;
    forget_gone(controller);
    while (map_next(controller->denied, &cursor, NULL, &value)) {
        if (!is_due(value, now_us)) continue;
        add_event(change, value, control_now_ms(controller));
        *(struct denied **)vec_push(&told) = value;
    }
    bool good = change_is_empty(change) || change_commit(change, NULL, &err);
    if (!good) control_log(controller, "telling what was denied", &err);
    for (size_t i = 0; good && i < told.length; i++) {
        struct denied *denied = *(struct denied **)vec_at(&told, i);
        denied->untold = 0;
        denied->told_us = now_us;
    }
    if (good && told.length > 0) control_dispatch(controller);
    vec_free(&told);
}

void denied_free(struct map *denied)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(denied, &cursor, NULL, &value))
        free_one(value);
    map_free(denied);
}

void controller_denied(struct controller *controller,
                       void (*each)(void *ctx, const struct denied_total *total), void *ctx)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(controller->denied, &cursor, NULL, &value)) {
        const struct denied *denied = value;
        bool farms_own = text_equal(denied->farm, denied->name);
        const struct denied_total total = {denied->farm, farms_own ? "" : denied->name, denied->reason,
                                           denied->by, denied->packets};
        each(ctx, &total);
    }
}

static bool is_there(struct controller *controller, const char *farm, const char *name)
{
    enum record_kind kind = text_equal(farm, name) ? RECORD_FARM : RECORD_INSTANCE;
    return mirror_get(controller->mirror, kind, name) != NULL;
}

/* Of those that are there, or none. */
static bool is_filter(struct controller *controller, const char *by)
{
    return by[0] == '\0' || mirror_get(controller->mirror, RECORD_FILTER, by) != NULL;
}

static struct denied *get(struct controller *controller, const char *farm, const char *name,
                          const struct denied_report *item)
{
    CLEANUP_MEM char *key = mem_printf("%s %s %s", name, item->reason, item->by);
    struct denied *denied = map_get(controller->denied, key);

    if (denied) return denied;
    denied = mem_alloc(sizeof(*denied));
    *denied = (struct denied){.farm = mem_strdup(farm),
                              .name = mem_strdup(name),
                              .reason = mem_strdup(item->reason),
                              .by = mem_strdup(item->by),
                              .hosts = VEC_OF(struct denied_at)};
    map_put(controller->denied, key, denied);
    return denied;
}

static struct denied_at *at_host(struct denied *denied, const struct host_report *report)
{
    for (size_t i = 0; i < denied->hosts.length; i++) {
        struct denied_at *at = vec_at(&denied->hosts, i);
        if (!text_equal(at->host, report->host)) continue;
        if (text_equal(at->boot, report->boot)) return at;
        mem_free(at->boot);
        at->boot = mem_strdup(report->boot);
        at->packets = 0;
        return at;
    }
    struct denied_at *at = vec_push(&denied->hosts);
    *at = (struct denied_at){.host = mem_strdup(report->host), .boot = mem_strdup(report->boot)};
    return at;
}

static bool is_due(const struct denied *denied, int64_t now_us)
{
    return denied->untold > 0 && (denied->told_us == 0 || now_us - denied->told_us >= TELL_US);
}

static void add_event(struct change *change, const struct denied *denied, int64_t now_ms)
{
    const char *text = denial_text(denied->reason);
    const char *kind = text_equal(denied->farm, denied->name) ? "farm" : "instance";
    const char *plural = denied->untold == 1 ? "" : "s", *slash = strrchr(denied->by, '/');
    CLEANUP_MEM char *reason =
        slash ? mem_printf("%" PRId64 " packet%s denied by %.*s's filter %s (%s)", denied->untold, plural,
                           (int)(slash - denied->by), denied->by, slash + 1, denied->reason)
              : mem_printf("%" PRId64 " packet%s %s (%s)", denied->untold, plural,
                           text ? text : "not let pass", denied->reason);
    change_event(change, now_ms, "croft", kind, denied->name, "denied", reason);
}

/* Names of instances are never used again; a farm's and a filter's start anew. */
static void forget_gone(struct controller *controller)
{
    struct vec gone = VEC_OF(const char *);
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;

    while (map_next(controller->denied, &cursor, &key, &value)) {
        const struct denied *denied = value;
        if (!is_there(controller, denied->farm, denied->name) || !is_filter(controller, denied->by))
            *(const char **)vec_push(&gone) = key;
    }
    for (size_t i = 0; i < gone.length; i++) {
        CLEANUP_MEM char *name = mem_strdup(*(const char **)vec_at(&gone, i));
        free_one(map_remove(controller->denied, name));
    }
    vec_free(&gone);
}

static void free_one(struct denied *denied)
{
    for (size_t i = 0; i < denied->hosts.length; i++) {
        const struct denied_at *at = vec_at(&denied->hosts, i);
        mem_free(at->host);
        mem_free(at->boot);
    }
    vec_free(&denied->hosts);
    mem_free(denied->farm);
    mem_free(denied->name);
    mem_free(denied->reason);
    mem_free(denied->by);
    mem_free(denied);
}
