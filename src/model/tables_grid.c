/* Tables of what the landlord writes: hosts, parties, images, pools. */
#include "model/table.h"
#include "model/tables.h"

#include "base/text.h"

static bool finish_pool(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool finish_host(struct arena *arena, const struct node *node, void *object, struct error *err);

static const struct field resources_fields[] = {
    SCALAR(struct resources, cpus_millis, "cpus", scalar_cpus, "cores", .max = CPUS_MILLIS_MAX,
           .hidden_default = true),
    SCALAR(struct resources, memory_bytes, "memory", scalar_bytes, "bytes of memory", .max = BYTES_MAX,
           .hidden_default = true),
    SCALAR(struct resources, disk_bytes, "disk", scalar_bytes, "bytes of disk", .max = BYTES_MAX,
           .hidden_default = true),
    SCALAR(struct resources, network_bits_per_s, "network", scalar_rate, "bits per second of network",
           .max = BITS_PER_S_MAX, .hidden_default = true),
};
const struct schema schema_resources = SCHEMA(struct resources, "resources", resources_fields);

static const struct field capacity_fields[] = {
    SCALAR(struct resources, cpus_millis, "cpus", scalar_cpus, "cores", .required = true, .min = 1,
           .max = CPUS_MILLIS_MAX),
    SCALAR(struct resources, memory_bytes, "memory", scalar_bytes, "bytes of memory", .required = true,
           .min = 1, .max = BYTES_MAX),
    SCALAR(struct resources, disk_bytes, "disk", scalar_bytes, "bytes of disk", .max = BYTES_MAX,
           .hidden_default = true),
    SCALAR(struct resources, network_bits_per_s, "network", scalar_rate, "bits per second of network",
           .max = BITS_PER_S_MAX, .hidden_default = true),
};
static const struct schema schema_capacity = SCHEMA(struct resources, "capacity", capacity_fields);

static const struct field host_fields[] = {
    SCALAR(struct host, name, "name", scalar_name, "the host's name", .required = true),
    SCALAR(struct host, zone, "zone", scalar_zone, "path of the zones it is in; the first is the site",
           .required = true),
    SCALAR(struct host, pool, "pool", scalar_name, "hosts that can stand in for each other",
           .fallback = "general"),
    SCALAR(struct host, class_name, "class", scalar_name,
           "hardware class; pools of one class can fail over to each other", .fallback = "general"),
    STRUCT(struct host, capacity, "capacity", schema_capacity, "what the host has", .required = true),
    STRUCT(struct host, reserve, "reserve", schema_resources, "what is kept for the host itself",
           .hidden_default = true),
    ENUM(struct host, state, "state", host_intent_state_names, "whether it takes and keeps instances",
         .fallback = "active"),
};
const struct schema schema_host = SCHEMA(struct host, "Host", host_fields, .finish = finish_host);

static const struct field quota_fields[] = {
    SCALAR(struct quota, resources.cpus_millis, "cpus", scalar_quota_cpus, "most cores",
           .fallback = "unlimited", .hidden_default = true),
    SCALAR(struct quota, resources.memory_bytes, "memory", scalar_quota_bytes, "most bytes of memory",
           .fallback = "unlimited", .hidden_default = true),
    SCALAR(struct quota, resources.disk_bytes, "disk", scalar_quota_bytes, "most bytes of disk",
           .fallback = "unlimited", .hidden_default = true),
    SCALAR(struct quota, resources.network_bits_per_s, "network", scalar_quota_rate,
           "most bits per second of network", .fallback = "unlimited", .hidden_default = true),
    SCALAR(struct quota, instances, "instances", scalar_quota_int, "most instances", .fallback = "unlimited",
           .hidden_default = true),
    SCALAR(struct quota, farms, "farms", scalar_quota_int, "most farms", .fallback = "unlimited",
           .hidden_default = true),
};
const struct schema schema_quota = SCHEMA(struct quota, "quota", quota_fields);

static const struct field party_fields[] = {
    SCALAR(struct party, name, "name", scalar_name, "the party's name", .required = true),
    SCALAR(struct party, parent, "parent", scalar_name, "the party it leases from; `landlord` is built in",
           .fallback = PARTY_LANDLORD),
    STRUCT(struct party, quota, "quota", schema_quota, "the most that it and those below it may use",
           .hidden_default = true),
};
const struct schema schema_party = SCHEMA(struct party, "Party", party_fields);

static const struct field image_fields[] = {
    SCALAR(struct image, name, "name", scalar_image_name, "NAME:TAG", .required = true),
    SCALAR(struct image, party, "party", scalar_name, "whose it is; the landlord's are everyone's",
           .fallback = PARTY_LANDLORD),
    SCALAR(struct image, digest, "digest", scalar_digest, "hash of the canonical text of what follows",
           .required = true),
    SCALARS(struct image, layers, "layers", scalar_digest, "hashes of the layers' tars, lowest first",
            .required = true, .max = 256, .limit = "layers an image"),
    SCALAR(struct image, size_bytes, "size", scalar_bytes, "bytes of the layers together", .max = BYTES_MAX,
           .fallback = "0"),
    SCALARS(struct image, command, "command", scalar_text, "what runs unless the tier says otherwise",
            .max = 4096, .limit = "words a command", .hidden_default = true),
    PAIRS(struct image, env, "env", "environment of the command", .max = 4096, .limit = "variables an image",
          .hidden_default = true),
    SCALAR(struct image, directory, "directory", scalar_absolute_path, "working directory of the command",
           .fallback = "/"),
    SCALAR(struct image, user, "user", scalar_user, "who runs the command, by number", .fallback = "0"),
};
const struct schema schema_image = SCHEMA(struct image, "Image", image_fields);

static const struct field pool_fields[] = {
    SCALAR(struct pool, name, "name", scalar_name, "what its hosts name it", .required = true),
    SCALAR(struct pool, survive, "survive", scalar_survive,
           "room is kept to restart what the loss of any one host or zone of it would take down",
           .fallback = "none"),
    SCALAR(struct pool, oversubscription_millis, "oversubscription", scalar_decimal,
           "guaranteed counts are promised up to this many times what is free of committed ones",
           .fallback = "1", .max = 1000 * 1000, .hidden_default = true),
    OBJECTS(struct pool, on_failure, "on_failure", schema_mend_step,
            "who is told of a host that is down; it is looked at and fenced in any case",
            .max = MEND_STEPS_MAX, .limit = "steps a pool", .hidden_default = true),
    OBJECTS(struct pool, on_hardware, "on_hardware", schema_hardware_step,
            "what is done about a host that answers, but whose memory, disks or temperature are bad",
            .max = HARDWARE_STEPS_MAX, .limit = "steps a pool", .hidden_default = true),
};
const struct schema schema_pool = SCHEMA(struct pool, "Pool", pool_fields, .finish = finish_pool);

static bool finish_pool(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    const struct pool *pool = object;
    const struct node *list = node_get(node, "on_failure");

    for (size_t i = 0; i < pool->on_failure_length; i++) {
        const struct mend_step *step = &pool->on_failure[i];
        bool twice = false;
        for (size_t k = 0; k < i; k++)
            twice |= text_equal(pool->on_failure[k].to, step->to);
        if (step->what == MEND_NOTIFY && step->within_ms == 0 && !twice) continue;
        if (twice)
            error_set(err, ERROR_INVALID, "%s is told by an earlier step already", step->to);
        else
            error_set(err, ERROR_INVALID,
                      "expected {do: notify, to: CONTACT}: a host that is down is looked at by "
                      "others, fenced and replaced in any case");
        return schema_error_at(err, list == NULL ? NULL : &list->items[i],
                               arena_printf(arena, "on_failure[%zu]", i));
    }
    return true;
}

static bool finish_host(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    const struct host *host = object;
    const struct resources *reserve = &host->reserve;
    const struct resources *capacity = &host->capacity;
    const char *field = NULL;
    if (reserve->cpus_millis > capacity->cpus_millis) field = "cpus";
    if (reserve->memory_bytes > capacity->memory_bytes) field = "memory";
    if (reserve->disk_bytes > capacity->disk_bytes) field = "disk";
    if (reserve->network_bits_per_s > capacity->network_bits_per_s) field = "network";
    if (field == NULL) return true;
    const struct node *at = node_get(node_get(node, "reserve"), field);
    error_set(err, ERROR_INVALID, "more is reserved than the host's capacity has");
    return schema_error_at(err, at, arena_printf(arena, "reserve.%s", field));
}
