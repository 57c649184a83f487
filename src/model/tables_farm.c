/* The table of farms, with all that is in one. */
#include "model/table.h"
#include "model/tables.h"

#include "base/text.h"

#include <string.h>

static bool finish_health(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool health_is_nothing(const void *object);
static bool finish_count(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool spread_is_nothing(const void *object);
static bool finish_mend_step(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool finish_tier(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool check_env(struct arena *arena, const struct node *node, const struct tier *tier,
                      struct error *err);
static bool check_metadata(struct arena *arena, const struct node *node, const struct tier *tier,
                           struct error *err);
static bool check_heartbeat(const struct health *health, const struct node *node, struct error *err);
static bool finish_farm(struct arena *arena, const struct node *node, void *object, struct error *err);

static const struct field file_fields[] = {
    SCALAR(struct file, path, "path", scalar_absolute_path, "where it is in the instance", .required = true),
    SCALAR(struct file, content, "content", scalar_text, "what is in it"),
    SCALAR(struct file, mode, "mode", scalar_mode, "permission bits in octal", .fallback = "0644"),
};
const struct schema schema_file = SCHEMA(struct file, "file", file_fields);

static const struct field health_fields[] = {
    SCALAR(struct health, path, "http", scalar_absolute_path,
           "path that answers 200 to 399 while the instance is well", .hidden_default = true),
    SCALAR_OVER("tcp", scalar_health_tcp, "port that accepts connections while the instance is well",
                .fallback = "false", .hidden_default = true),
    SCALARS(struct health, command, "exec", scalar_text,
            "command that ends with 0 while the instance is well", .min = 1, .max = 4096,
            .limit = "words a command", .hidden_default = true),
    SCALAR(struct health, within_ms, "heartbeat", scalar_duration,
           "the instance says at its socket that it is well, at least so often", .min = HEARTBEAT_MS_MIN,
           .max = 86400000, .hidden_default = true),
    SCALAR(struct health, port, "port", scalar_port, "port of http or tcp", .hidden_default = true),
    SCALAR(struct health, every_ms, "every", scalar_duration, "time from one check to the next",
           .fallback = "1s", .min = 10, .max = 86400000),
    SCALAR(struct health, timeout_ms, "timeout", scalar_duration, "a check that takes longer has failed",
           .fallback = "500ms", .min = 1, .max = 86400000),
    SCALAR(struct health, fails, "fails", scalar_int, "so many failed checks in a row are a failure",
           .fallback = "3", .min = 1, .max = 1000),
};
const struct schema schema_health =
    SCHEMA(struct health, "health", health_fields, .finish = finish_health, .is_nothing = health_is_nothing);

static const struct field count_fields[] = {
    SCALAR(struct count, committed, "committed", scalar_int, "instances that always run", .fallback = "1",
           .max = TIER_INSTANCES_MAX, .limit = "instances a tier"),
    SCALAR(struct count, guaranteed, "guaranteed", scalar_int,
           "instances that run whenever load asks for them; default: committed", .max = TIER_INSTANCES_MAX,
           .limit = "instances a tier"),
    SCALAR(struct count, max, "max", scalar_int, "instances that run when there is room; default: guaranteed",
           .max = TIER_INSTANCES_MAX, .limit = "instances a tier"),
};
static const struct schema schema_count =
    SCHEMA(struct count, "count", count_fields, .shorthand = "committed", .finish = finish_count);

static const struct field size_fields[] = {
    SCALAR(struct resources, cpus_millis, "cpus", scalar_cpus, "cores", .fallback = "0.1", .min = 1,
           .max = CPUS_MILLIS_MAX),
    SCALAR(struct resources, memory_bytes, "memory", scalar_bytes, "bytes of memory", .fallback = "64Mi",
           .min = 1 << 20, .max = BYTES_MAX),
    SCALAR(struct resources, disk_bytes, "disk", scalar_bytes, "bytes of disk", .fallback = "64Mi",
           .max = BYTES_MAX),
    SCALAR(struct resources, network_bits_per_s, "network", scalar_rate, "bits per second of network",
           .max = BITS_PER_S_MAX, .hidden_default = true),
};
const struct schema schema_size = SCHEMA(struct resources, "size", size_fields);

static const struct field spread_fields[] = {
    SCALAR(struct spread, by, "by", scalar_spread, "what members stay apart by", .required = true),
    SCALAR(struct spread, strict, "strict", scalar_bool, "wait rather than share", .fallback = "false",
           .hidden_default = true),
};
static const struct schema schema_spread =
    SCHEMA(struct spread, "spread", spread_fields, .shorthand = "by", .is_nothing = spread_is_nothing);

static const struct field volume_fields[] = {
    SCALAR(struct volume, name, "name", scalar_name, "the volume's name", .required = true),
    SCALAR(struct volume, size_bytes, "size", scalar_bytes, "bytes", .required = true, .min = 1,
           .max = BYTES_MAX),
    SCALAR(struct volume, copies, "copies", scalar_text, "how it is coded: data + parity", .fallback = "1+0"),
    SCALAR(struct volume, mode, "mode", scalar_text, "when a write is acknowledged", .fallback = "sync"),
    SCALAR(struct volume, mount, "mount", scalar_absolute_path, "where it is in the instance",
           .required = true),
};
static const struct schema schema_volume = SCHEMA(struct volume, "volume", volume_fields);

static const struct field mend_step_fields[] = {
    ENUM(struct mend_step, what, "do", mend_what_names, "what is done", .required = true),
    SCALAR(struct mend_step, within_ms, "within", scalar_duration,
           "how long to wait for it to help before the next; default: 30s, after notify 0s",
           .fallback = "30s", .max = 86400000),
    SCALAR(struct mend_step, times, "times", scalar_int, "how often before the next step", .fallback = "1",
           .min = 1, .max = 1000, .hidden_default = true),
    SCALAR(struct mend_step, to, "to", scalar_name, "notify: a contact, the party's own or the landlord's",
           .hidden_default = true),
};
const struct schema schema_mend_step =
    SCHEMA(struct mend_step, "mend_step", mend_step_fields, .finish = finish_mend_step);

static const struct field tier_fields[] = {
    SCALAR(struct tier, name, "name", scalar_name, "the tier's name", .required = true),
    SCALAR(struct tier, image, "image", scalar_image_name, "what its instances run, NAME:TAG",
           .required = true),
    ENUM(struct tier, driver, "driver", compute_kind_names, "what an instance is", .fallback = "container"),
    STRUCT(struct tier, count, "count", schema_count, "how many instances; a plain number is all three"),
    STRUCT(struct tier, size, "size", schema_size, "what one instance takes"),
    SCALAR(struct tier, capacity, "capacity", scalar_int,
           "units of the service level's metric that one instance serves; 0: load does not size it",
           .max = INT64_MAX, .hidden_default = true),
    SCALARS(struct tier, command, "command", scalar_text, "what runs; default: the image's own", .max = 4096,
            .limit = "words a command", .hidden_default = true),
    PAIRS(struct tier, env, "env", "environment of the command", .max = 4096, .limit = "variables a tier",
          .hidden_default = true),
    OBJECTS(struct tier, files, "files", schema_file, "files put into the instance", .max = 256,
            .limit = "files a tier", .hidden_default = true),
    PAIRS(struct tier, metadata, "metadata",
          "what its instances read at /run/croft/socket; a change restarts nothing", .max = METADATA_MAX,
          .limit = "metadata a tier", .hidden_default = true),
    STRUCT(struct tier, health, "health", schema_health, "how to see that an instance is well",
           .hidden_default = true),
    SCALAR(struct tier, warm, "warm", scalar_int, "this many more, configured and waiting at the door",
           .max = TIER_INSTANCES_MAX, .limit = "instances a tier", .hidden_default = true),
    STRUCT(struct tier, spread, "spread", schema_spread,
           "members stay apart by this where they can; with strict: or wait", .hidden_default = true),
    SCALAR(struct tier, priority, "priority", scalar_int, "0 (first to go) to 100 (last to go)",
           .fallback = "50", .max = 100),
    SCALARS(struct tier, needs, "needs", scalar_name, "tiers that must be up before this one",
            .max = FARM_TIERS_MAX, .limit = "tiers a farm", .hidden_default = true),
    OBJECTS(struct tier, volumes, "volumes", schema_volume, "volumes of each instance", .max = 256,
            .limit = "volumes a tier", .hidden_default = true),
    OBJECTS(struct tier, on_failure, "on_failure", schema_mend_step,
            "what is done, in order, about an instance that fails; default: restart, then replace",
            .max = MEND_STEPS_MAX, .limit = "steps a tier", .hidden_default = true),
};
const struct schema schema_tier = SCHEMA(struct tier, "tier", tier_fields, .finish = finish_tier);

static const struct field balance_fields[] = {
    SCALAR(struct balance, name, "name", scalar_name, "the endpoint's name", .required = true),
    ENUM(struct balance, mode, "mode", balance_mode_names, "what is balanced: requests or connections",
         .fallback = "http"),
    SCALAR(struct balance, port, "port", scalar_port, "port of the balancer inside the farm",
           .required = true),
    SCALAR_OVER("to", scalar_balance_to, "the tier and port that serve, TIER:PORT", .required = true),
    SCALAR(struct balance, publish, "publish", scalar_publish,
           "where the outside reaches it, ADDR:PORT or auto; default: nowhere", .hidden_default = true),
};
static const struct schema schema_balance = SCHEMA(struct balance, "balance", balance_fields);

static const struct field allow_fields[] = {
    SCALAR(struct allow, from, "from", scalar_name, "a tier, `balance` or `internet`", .required = true),
    SCALAR(struct allow, to, "to", scalar_name, "a tier, `balance` or `internet`", .required = true),
    SCALAR_OVER("port", scalar_allow_port, "port and protocol such as 5432/tcp", .required = true),
};
static const struct schema schema_allow = SCHEMA(struct allow, "allow", allow_fields);

static const struct field farm_fields[] = {
    SCALAR(struct farm, name, "name", scalar_name, "the farm's name within its party", .required = true),
    SCALAR(struct farm, party, "party", scalar_name, "whose it is", .required = true),
    SCALAR(struct farm, sla, "sla", scalar_name, "its service level", .hidden_default = true),
    ENUM(struct farm, state, "state", farm_intent_state_names, "whether its instances run",
         .fallback = "running"),
    SCALAR(struct farm, subnet, "subnet", scalar_prefix,
           "the farm's own network; may overlap with any other farm's", .required = true),
    OBJECTS(struct farm, tiers, "tiers", schema_tier, "its tiers", .max = FARM_TIERS_MAX,
            .limit = "tiers a farm", .hidden_default = true),
    OBJECTS(struct farm, balance, "balance", schema_balance, "what its load balancer serves", .max = 256,
            .limit = "endpoints a farm", .hidden_default = true),
    OBJECTS(struct farm, allow, "allow", schema_allow,
            "everything else between tiers, and with the outside, is denied", .max = 4096,
            .limit = "rules a farm", .hidden_default = true),
};
const struct schema schema_farm = SCHEMA(struct farm, "Farm", farm_fields, .finish = finish_farm);

static bool finish_health(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct health *health = object;
    bool http = health->path[0] != '\0';
    bool tcp = health->kind == HEALTH_TCP;
    bool exec = health->command_length > 0;
    bool heartbeat = health->within_ms > 0;
    const struct node *port = node_get(node, "port");
    if (http + tcp + exec + heartbeat != 1) {
        error_set(err, ERROR_INVALID, "expected one of http, tcp, exec and heartbeat");
        return schema_error_at(err, node, "");
    }
    health->kind = http ? HEALTH_HTTP : tcp ? HEALTH_TCP : exec ? HEALTH_EXEC : HEALTH_HEARTBEAT;
    if (heartbeat) return check_heartbeat(health, node, err);
    if (exec && port != NULL) {
        error_set(err, ERROR_INVALID, "a check by exec has no port");
        return schema_error_at(err, port, "port");
    }
    const struct node *tcp_node = node_get(node, "tcp");
    if (tcp && port != NULL && tcp_node != NULL && tcp_node->kind == NODE_NUMBER) {
        error_set(err, ERROR_INVALID, "the port is given twice, by tcp and by port");
        return schema_error_at(err, port, "port");
    }
    if (!exec && health->port == 0) {
        error_set(err, ERROR_INVALID, "missing: port of http or tcp");
        return schema_error_at(err, node, "port");
    }
    return true;
}

/* Nobody asks it, so what says how it is asked has no place. What a document that was read before is written
 * with says nothing. */
static bool check_heartbeat(const struct health *health, const struct node *node, struct error *err)
{
    const struct health usual = {.every_ms = 1000, .timeout_ms = 500, .fails = 3};
    const char *name = health->port != 0                        ? "port"
                       : health->every_ms != usual.every_ms     ? "every"
                       : health->timeout_ms != usual.timeout_ms ? "timeout"
                       : health->fails != usual.fails           ? "fails"
                                                                : NULL;
    if (name == NULL) return true;
    error_set(err, ERROR_INVALID, "a heartbeat comes by itself: it has no %s", name);
    return schema_error_at(err, node_get(node, name), name);
}

static bool health_is_nothing(const void *object)
{
    const struct health *health = object;
    return health->kind == HEALTH_NONE;
}

static bool finish_count(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct count *count = object;
    const struct node *guaranteed = node_get(node, "guaranteed");
    const struct node *max = node_get(node, "max");
    if (guaranteed == NULL) count->guaranteed = count->committed;
    if (max == NULL) count->max = count->guaranteed;
    if (count->guaranteed < count->committed) {
        error_set(err, ERROR_INVALID, "%lld is less than committed, %lld", (long long)count->guaranteed,
                  (long long)count->committed);
        return schema_error_at(err, guaranteed, "guaranteed");
    }
    if (count->max < count->guaranteed) {
        error_set(err, ERROR_INVALID, "%lld is less than guaranteed, %lld", (long long)count->max,
                  (long long)count->guaranteed);
        return schema_error_at(err, max, "max");
    }
    return true;
}

static bool spread_is_nothing(const void *object)
{
    const struct spread *spread = object;
    return spread->by == NULL || spread->by[0] == '\0';
}

static bool finish_tier(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct tier *tier = object;
    if (node_get(node, "count") == NULL) tier->count = (struct count){1, 1, 1};
    if (tier->count.max + tier->warm > TIER_INSTANCES_MAX) {
        error_set(err, ERROR_TOO_LARGE, "%lld with those of max are past the limit of %d instances a tier",
                  (long long)tier->warm, TIER_INSTANCES_MAX);
        return schema_error_at(err, node_get(node, "warm"), "warm");
    }
    return check_env(arena, node, tier, err) && check_metadata(arena, node, tier, err);
}

/* Notifying is no try to mend: by itself it makes nobody wait, and once is enough. */
static bool finish_mend_step(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct mend_step *step = object;
    bool notify = step->what == MEND_NOTIFY;

    if (notify && node_get(node, "within") == NULL) step->within_ms = 0;
    if (notify && step->to[0] == '\0') {
        error_set(err, ERROR_INVALID, "missing: the contact that is told, such as {do: notify, to: ops}");
        return schema_error_at(err, node, "to");
    }
    if (!notify && step->to[0] != '\0') {
        error_set(err, ERROR_INVALID, "only notify has a contact");
        return schema_error_at(err, node_get(node, "to"), "to");
    }
    if (notify && step->times > 1) {
        error_set(err, ERROR_INVALID, "notify tells once: what lasts is not told again");
        return schema_error_at(err, node_get(node, "times"), "times");
    }
    if (!notify && step->within_ms < MEND_WITHIN_MS_MIN) {
        error_set(err, ERROR_INVALID, "expected at least 1s: nothing helps sooner");
        return schema_error_at(err, node_get(node, "within"), "within");
    }
    return true;
}

static bool check_env(struct arena *arena, const struct node *node, const struct tier *tier,
                      struct error *err)
{
    for (size_t i = 0; i < tier->env_length; i++) {
        const char *name = tier->env[i].name;
        if (name[0] != '\0' && strchr(name, '=') == NULL) continue;
        error_set(err, ERROR_INVALID, "expected the name of a variable: text without =");
        const struct node *at = node_get(node_get(node, "env"), name);
        return schema_error_at(err, at, arena_printf(arena, "env.%s", name));
    }
    return true;
}

static bool check_metadata(struct arena *arena, const struct node *node, const struct tier *tier,
                           struct error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < tier->metadata_length; i++) {
        const char *name = tier->metadata[i].name;
        const struct node *at = node_get(node_get(node, "metadata"), name);
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        size += strlen(name) + strlen(tier->metadata[i].value);
        if (length == 0 || name[length] != '\0' || length > METADATA_NAME_SIZE_MAX)
            error_set(err, ERROR_INVALID, "expected a name of 1 to %d letters, digits and . _ -",
                      METADATA_NAME_SIZE_MAX);
        else if (size > METADATA_SIZE_MAX)
            error_set(err, ERROR_TOO_LARGE, "past the limit of %d KiB of metadata a tier",
                      METADATA_SIZE_MAX / 1024);
        else
            continue;
        return schema_error_at(err, at, arena_printf(arena, "metadata.%s", name));
    }
    return true;
}

static bool finish_farm(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    struct farm *farm = object;
    farm->full_name = arena_printf(arena, "%s/%s", farm->party, farm->name);
    return true;
}
