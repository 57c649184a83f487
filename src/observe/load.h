/* What agents report of load, once a second: POST /agent/load. Ownership as in model/intent.h. */
#ifndef CROFT_OBSERVE_LOAD_H
#define CROFT_OBSERVE_LOAD_H

#include "model/schema.h"
#include "observe/histogram.h"

/* The measurement modules, and how long their windows are. A mean of -1: nothing is in the window. */
enum load_module {
    MODULE_REQUESTS, /* time of a request, from its head to the head of its answer (tcp: of a connection) */
    MODULE_CONNECTIONS, /* time to connect */
    MODULE_RUN_QUEUE,   /* time of a second in which it waited for a processor */
    MODULE_DISK,        /* time of a second in which it waited for a disk */
    LOAD_MODULES,
};
extern const char *const load_module_names[]; /* "requests", … */

struct load_limits {
    size_t window;          /* w */
    int64_t min_us, max_us; /* the least that is expected, the most that is tolerated */
};
/* Of requests the target of the farm's service level takes the place of max_us. */
extern const struct load_limits load_limits[LOAD_MODULES];

/* A server of a frontend, as its balancer sees it. */
struct load_server {
    const char *instance;                /* short: "web-1" */
    int64_t open;                        /* connections or requests at this moment */
    int64_t requests_us, connections_us; /* means of the modules' windows, or -1 */
};

/* A frontend. Totals count from the start of the balancer's program on, so that a report that is lost, or
 * comes twice, changes no count. */
struct load_frontend {
    const char *name;
    int64_t units;     /* requests; in mode tcp connections */
    int64_t refused;   /* of them: answered by the balancer, for nobody could serve */
    int64_t failed;    /* of them: answered with 5xx, the refused not included */
    int64_t bytes;     /* both ways */
    int64_t open;      /* at this moment: being served */
    int64_t queued;    /* at this moment: waiting for a server */
    int64_t taken_us;  /* the host's steady clock when all of these were read */
    const char *times; /* a histogram since the report before, by a sample */
    const struct load_server *servers;
    size_t servers_length;
};

struct load_balancer {
    const char *instance; /* full name */
    int64_t incarnation;
    const struct load_frontend *frontends;
    size_t frontends_length;
};

/* An instance, as its host sees it. */
struct load_instance {
    const char *name;              /* full */
    int64_t run_queue_us, disk_us; /* means of the modules' windows, or -1 */
    int64_t cpu_us;                /* total since it was made */
};

struct load_report {
    const char *host;
    const char *boot;
    int64_t sent_us; /* the host's steady clock */
    const struct load_balancer *balancers;
    size_t balancers_length;
    const struct load_instance *instances;
    size_t instances_length;
};
extern const struct schema schema_load_report;

#endif
