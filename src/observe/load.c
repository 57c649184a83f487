#include "observe/load.h"

#include "base/attr.h"
#include "model/table.h"

const char *const load_module_names[] = {"requests", "connections", "run_queue", "disk", NULL};

/* Windows are short: a few seconds at the least load that matters. */
const struct load_limits load_limits[LOAD_MODULES] = {
    [MODULE_REQUESTS] = {16, 0, 200 * 1000},
    [MODULE_CONNECTIONS] = {16, 0, 100 * 1000},
    [MODULE_RUN_QUEUE] = {4, 0, 200 * 1000},
    [MODULE_DISK] = {4, 0, 200 * 1000},
};

#define UNITS_MAX (1LL << 60)

static const struct field server_fields[] = {
    SCALAR(struct load_server, instance, "instance", scalar_name, "short name", .required = true),
    SCALAR(struct load_server, open, "open", scalar_int, "connections or requests now", .max = UNITS_MAX),
    SCALAR(struct load_server, requests_us, "requests_us", scalar_int, "mean of the window", .fallback = "-1",
           .min = -1, .max = UNITS_MAX, .hidden_default = true),
    SCALAR(struct load_server, connections_us, "connections_us", scalar_int, "mean of the window",
           .fallback = "-1", .min = -1, .max = UNITS_MAX, .hidden_default = true),
};
static const struct schema schema_load_server = SCHEMA(struct load_server, "load_server", server_fields);

static const struct field frontend_fields[] = {
    SCALAR(struct load_frontend, name, "name", scalar_name, "the endpoint's name", .required = true),
    SCALAR(struct load_frontend, units, "units", scalar_int, "requests or connections, in all",
           .max = UNITS_MAX),
    SCALAR(struct load_frontend, refused, "refused", scalar_int, "of them not served", .max = UNITS_MAX),
    SCALAR(struct load_frontend, failed, "failed", scalar_int, "of them answered with 5xx", .max = UNITS_MAX),
    SCALAR(struct load_frontend, bytes, "bytes", scalar_int, "both ways, in all", .max = UNITS_MAX),
    SCALAR(struct load_frontend, open, "open", scalar_int, "being served now", .max = UNITS_MAX),
    SCALAR(struct load_frontend, queued, "queued", scalar_int, "waiting for a server now", .max = UNITS_MAX),
    SCALAR(struct load_frontend, taken_us, "taken_us", scalar_int, "steady time of these", .max = UNITS_MAX),
    SCALAR(struct load_frontend, times, "times", scalar_text, "histogram of response times"),
    OBJECTS(struct load_frontend, servers, "servers", schema_load_server, "who serves"),
};
static const struct schema schema_load_frontend =
    SCHEMA(struct load_frontend, "load_frontend", frontend_fields);

static const struct field balancer_fields[] = {
    SCALAR(struct load_balancer, instance, "instance", scalar_text, "full name", .required = true),
    SCALAR(struct load_balancer, incarnation, "incarnation", scalar_int, "which placement of it"),
    OBJECTS(struct load_balancer, frontends, "frontends", schema_load_frontend, "its frontends"),
};
static const struct schema schema_load_balancer =
    SCHEMA(struct load_balancer, "load_balancer", balancer_fields);

static const struct field instance_fields[] = {
    SCALAR(struct load_instance, name, "name", scalar_text, "full name", .required = true),
    SCALAR(struct load_instance, run_queue_us, "run_queue_us", scalar_int, "mean of the window",
           .fallback = "-1", .min = -1, .max = UNITS_MAX, .hidden_default = true),
    SCALAR(struct load_instance, disk_us, "disk_us", scalar_int, "mean of the window", .fallback = "-1",
           .min = -1, .max = UNITS_MAX, .hidden_default = true),
    SCALAR(struct load_instance, cpu_us, "cpu_us", scalar_int, "processor time, in all", .max = UNITS_MAX),
};
static const struct schema schema_load_instance =
    SCHEMA(struct load_instance, "load_instance", instance_fields);

static const struct field report_fields[] = {
    SCALAR(struct load_report, host, "host", scalar_name, "who says so", .required = true),
    SCALAR(struct load_report, boot, "boot", scalar_text, "identity of this run of the host"),
    SCALAR(struct load_report, sent_us, "sent_us", scalar_int, "the host's steady clock", .max = UNITS_MAX),
    OBJECTS(struct load_report, balancers, "balancers", schema_load_balancer, "balancers here"),
    OBJECTS(struct load_report, instances, "instances", schema_load_instance, "instances here"),
};
const struct schema schema_load_report = SCHEMA(struct load_report, "load_report", report_fields);
