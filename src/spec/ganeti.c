/* Groups become pools, nodes hosts, each instance a farm of one: Ganeti's instances share no form. README.md
 * says what is kept of a cluster and what is not. */
#include "spec/ganeti.h"

#include "base/text.h"
#include "spec/document.h"
#include "spec/ganeti_text.h"
#include "spec/grid.h"
#include "spec/spec.h"

#include <string.h>

#define PARTY "ganeti"
#define MIB (1LL << 20)
#define MIB_MAX (1LL << 30)       /* the most that one host may have, 2^50 bytes */
#define CPUS_MAX 100000           /* cores */
#define RATIO_DEFAULT_MILLIS 4000 /* Ganeti's own vcpu-ratio */
#define RATIO_MAX_MILLIS (1000 * 1000)
#define MEM_SLACK \
    512 /* MiB that a node's figures may be off by; htools allow as much (Loader.hs, checkData) */
#define NAME_SIZE 64u

enum { GROUP_NAME, GROUP_UUID, GROUP_POLICY };
enum {
    NODE_NAME,
    NODE_MEM,
    NODE_OS_MEM,
    NODE_FREE_MEM,
    NODE_DISK,
    NODE_FREE_DISK,
    NODE_CPUS,
    NODE_ROLE,
    NODE_GROUP,
    NODE_OS_CPUS = 13
};
enum {
    VM_NAME,
    VM_MEM,
    VM_DISK,
    VM_VCPUS,
    VM_STATUS,
    VM_AUTO,
    VM_PRIMARY,
    VM_SECONDARY,
    VM_TEMPLATE,
    VM_FORTHCOMING = 12
};
enum { POLICY_OWNER, POLICY_RATIO = 4 };

static const char *const yes_no[] = {"Y", "N", NULL};
static const char *const alloc_policies[] = {"preferred", "last_resort", "unallocable", NULL};
static const char *const roles[] = {"Y", "N", "M", NULL};
static const char *const statuses[] = {
    "ADMIN_down",        "ADMIN_offline", "ERROR_down", "ERROR_up",        "ERROR_nodedown",
    "ERROR_nodeoffline", "running",       "USER_down",  "ERROR_wrongnode", NULL};
enum { STATUS_ADMIN_OFFLINE = 1, STATUS_ERROR_UP = 3, STATUS_RUNNING = 6 };
static const char *const templates[] = {"diskless", "file", "sharedfile", "plain",   "blockdev",
                                        "drbd",     "rbd",  "ext",        "gluster", NULL};
enum { TEMPLATE_PLAIN = 3, TEMPLATE_DRBD = 5 };

/* A group or a node. */
struct place {
    const struct ganeti_row *row;
    const char *name;     /* croft's */
    const char *group;    /* of a node */
    int64_t ratio_millis; /* of a group; 0: the cluster's */
    int64_t cpus_millis, os_cpus;
    int64_t mem, os_mem, free_mem, disk, free_disk;        /* MiB */
    int64_t used_cpus, used_mem, used_disk, mirrored_disk; /* by instances; MiB */
    int64_t running_mem;                                   /* by those that run there now */
    bool offline, unknown;                                 /* unknown: Ganeti could not ask it */
};

struct cluster {
    struct grid grid;
    struct vec sections[GANETI_SECTIONS];
    struct place *groups, *nodes;
    struct map *group_by_name, *group_by_uuid, *node_by_name; /* as Ganeti names them */
    int64_t ratio_millis;
};

static bool read_cluster(struct cluster *c, struct error *err);
static const struct ganeti_row *row_at(const struct cluster *c, enum ganeti_section section, size_t index);
static bool name_all(struct cluster *c, enum ganeti_section section, const char **ret_names,
                     struct error *err);
static const char *croft_name(struct cluster *c, const struct map *taken, struct map *numbers,
                              const char *name);
static bool read_groups(struct cluster *c, struct error *err);
static bool read_policies(struct cluster *c, struct error *err);
static bool read_nodes(struct cluster *c, struct error *err);
static bool read_node(struct cluster *c, const struct ganeti_row *row, struct place *node, struct error *err);
static bool read_instances(struct cluster *c, struct error *err);
static bool read_instance(struct cluster *c, const struct ganeti_row *row, const char *name,
                          struct error *err);
static bool find_node(const struct cluster *c, const struct ganeti_row *row, size_t cell,
                      struct place **ret_node, struct error *err);
static void add_instance(struct cluster *c, const struct ganeti_row *row, const char *name,
                         const struct place *primary, const struct resources *size);
static bool add_hosts(struct cluster *c, struct error *err);
static bool check_use(const struct place *node, struct error *err);
static void warn_of_free_memory(const struct cluster *c, const char *file, struct buf *ret_warnings);
static void warn_of_cpus(const struct cluster *c, const char *file, struct buf *ret_warnings);
static void add_warning(struct error *warning, const char *file, size_t nodes, struct buf *ret_warnings);
static void add_host(struct cluster *c, const struct place *node);
static const char *printable(struct arena *arena, const char *text);
static int64_t at_least(int64_t a, int64_t b);

bool ganeti_read(struct arena *arena, const char *file, const char *text, size_t size,
                 struct grid_file *ret_grid, struct buf *ret_warnings, struct error *err)
{
    struct cluster c = {.grid = {.arena = arena, .file = file},
                        .group_by_name = map_new(),
                        .group_by_uuid = map_new(),
                        .node_by_name = map_new(),
                        .ratio_millis = RATIO_DEFAULT_MILLIS};
    c.grid.texts = texts_new(arena);
    for (size_t i = 0; i < GANETI_SECTIONS; i++)
        c.sections[i] = VEC_OF(struct ganeti_row);
    bool done = ganeti_split(arena, text, size, c.sections, err) && read_cluster(&c, err) &&
                grid_finish(&c.grid, ret_grid, err);
    if (done) {
        warn_of_free_memory(&c, file, ret_warnings);
        warn_of_cpus(&c, file, ret_warnings);
    }
    for (size_t i = 0; i < GANETI_SECTIONS; i++)
        vec_free(&c.sections[i]);
    map_free(c.group_by_name);
    map_free(c.group_by_uuid);
    map_free(c.node_by_name);
    texts_free(c.grid.texts);
    for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++)
        mem_free(c.grid.tables[kind].rows);
    return done || document_error_in(err, file);
}

static bool read_cluster(struct cluster *c, struct error *err)
{
    return read_groups(c, err) && read_policies(c, err) && read_nodes(c, err) && read_instances(c, err) &&
           add_hosts(c, err);
}

static const struct ganeti_row *row_at(const struct cluster *c, enum ganeti_section section, size_t index)
{
    return vec_at(&c->sections[section], index);
}

/* croft's name for each row, in their order. Names that are croft's already stay what they are; the others
 * make room for them. */
static bool name_all(struct cluster *c, enum ganeti_section section, const char **ret_names,
                     struct error *err)
{
    CLEANUP(map_freep) struct map *originals = map_new();
    CLEANUP(map_freep) struct map *taken = map_new();
    CLEANUP(map_freep) struct map *numbers = map_new();
    size_t length = c->sections[section].length;
    for (size_t i = 0; i < length; i++) {
        const struct ganeti_row *row = row_at(c, section, i);
        const char *name = ganeti_text(row, 0);
        const struct ganeti_row *before = map_get(originals, name);
        if (name[0] == '\0' || before != NULL) {
            if (before == NULL)
                error_set(err, ERROR_INVALID, "expected a name, found none");
            else
                error_set(err, ERROR_INVALID, "line %u has the name \"%.60s\" already", before->line,
                          printable(c->grid.arena, name));
            return ganeti_fail(row, 0, err);
        }
        map_put(originals, name, vec_at(&c->sections[section], i));
        if (text_is_name(name)) map_put(taken, name, taken);
    }
    for (size_t i = 0; i < length; i++) {
        const char *name = ganeti_text(row_at(c, section, i), 0);
        ret_names[i] = text_is_name(name) ? texts_keep(c->grid.texts, name, strlen(name))
                                          : croft_name(c, taken, numbers, name);
        if (!text_is_name(name)) map_put(taken, ret_names[i], taken);
    }
    return true;
}

/* Small letters, digits, and - for all else; with a number behind it where that is another's name. numbers:
 * the last one behind each name. */
static const char *croft_name(struct cluster *c, const struct map *taken, struct map *numbers,
                              const char *name)
{
    char base[NAME_SIZE] = "";
    size_t size = 0;
    for (size_t i = 0; name[i] != '\0' && size < NAME_SIZE - 1; i++) {
        char letter = name[i];
        if (letter >= 'A' && letter <= 'Z') letter = (char)(letter - 'A' + 'a');
        bool good = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
        if (good || size > 0) base[size++] = good ? letter : '-';
    }
    base[size] = '\0';
    for (uintptr_t number = (uintptr_t)map_get(numbers, base) + 1;; number++) {
        char suffix[24] = "";
        if (number > 1) {
            CLEANUP_MEM char *text = mem_printf("-%llu", (unsigned long long)number);
            memcpy(suffix, text, strlen(text) + 1);
        }
        size_t keep = size;
        if (keep + strlen(suffix) > NAME_SIZE - 1) keep = NAME_SIZE - 1 - strlen(suffix);
        while (keep > 0 && base[keep - 1] == '-')
            keep--;
        const char *made = arena_printf(c->grid.arena, "%.*s%s", (int)(keep == 0 ? 1 : keep),
                                        keep == 0 ? "x" : base, suffix);
        if (map_get(taken, made) != NULL) continue;
        map_put(numbers, base, (void *)number);
        return texts_keep(c->grid.texts, made, strlen(made));
    }
}

static bool read_groups(struct cluster *c, struct error *err)
{
    size_t length = c->sections[GANETI_GROUPS].length;
    c->groups = arena_alloc_array(c->grid.arena, length, sizeof(*c->groups));
    const char **names = arena_alloc_array(c->grid.arena, length, sizeof(*names));
    if (!name_all(c, GANETI_GROUPS, names, err)) return false;
    for (size_t i = 0; i < length; i++) {
        const struct ganeti_row *row = row_at(c, GANETI_GROUPS, i);
        int policy;
        c->groups[i] = (struct place){.row = row, .name = names[i]};
        if (!ganeti_word(row, GROUP_POLICY, alloc_policies, &policy, err)) return false;
        map_put(c->group_by_name, ganeti_text(row, GROUP_NAME), &c->groups[i]);
        if (map_put(c->group_by_uuid, ganeti_text(row, GROUP_UUID), &c->groups[i]) == NULL) continue;
        error_set(err, ERROR_INVALID, "another group has this uuid already");
        return ganeti_fail(row, GROUP_UUID, err);
    }
    return true;
}

static bool read_policies(struct cluster *c, struct error *err)
{
    for (size_t i = 0; i < c->sections[GANETI_POLICIES].length; i++) {
        const struct ganeti_row *row = row_at(c, GANETI_POLICIES, i);
        const char *owner = ganeti_text(row, POLICY_OWNER);
        struct place *group = map_get(c->group_by_name, owner);
        int64_t ratio_millis;
        if (owner[0] != '\0' && group == NULL) {
            error_set(err, ERROR_INVALID, "there is no group \"%.60s\"", printable(c->grid.arena, owner));
            return ganeti_fail(row, POLICY_OWNER, err);
        }
        if (!ganeti_decimal(row, POLICY_RATIO, RATIO_MAX_MILLIS, &ratio_millis, err)) return false;
        if (group == NULL)
            c->ratio_millis = ratio_millis;
        else
            group->ratio_millis = ratio_millis;
    }
    return true;
}

static bool read_nodes(struct cluster *c, struct error *err)
{
    size_t length = c->sections[GANETI_NODES].length;
    c->nodes = arena_alloc_array(c->grid.arena, length, sizeof(*c->nodes));
    const char **names = arena_alloc_array(c->grid.arena, length, sizeof(*names));
    if (!name_all(c, GANETI_NODES, names, err)) return false;
    for (size_t i = 0; i < length; i++) {
        const struct ganeti_row *row = row_at(c, GANETI_NODES, i);
        c->nodes[i] = (struct place){.row = row, .name = names[i]};
        if (!read_node(c, row, &c->nodes[i], err)) return false;
        map_put(c->node_by_name, ganeti_text(row, NODE_NAME), &c->nodes[i]);
    }
    return true;
}

static bool read_node(struct cluster *c, const struct ganeti_row *row, struct place *node, struct error *err)
{
    const struct place *group = map_get(c->group_by_uuid, ganeti_text(row, NODE_GROUP));
    int role;
    if (group == NULL) {
        error_set(err, ERROR_INVALID, "there is no group with the uuid \"%.60s\"",
                  printable(c->grid.arena, ganeti_text(row, NODE_GROUP)));
        return ganeti_fail(row, NODE_GROUP, err);
    }
    if (!ganeti_word(row, NODE_ROLE, roles, &role, err)) return false;
    node->group = group->name;
    node->offline = role == 0;
    for (size_t cell = NODE_MEM; cell <= NODE_CPUS; cell++)
        if (text_equal(ganeti_text(row, cell), "?")) node->unknown = true;
    node->offline = node->offline || node->unknown;
    if (node->unknown) return true;
    int64_t cpus;
    bool good = ganeti_number(row, NODE_MEM, 0, MIB_MAX, &node->mem, err) &&
                ganeti_number(row, NODE_OS_MEM, 0, MIB_MAX, &node->os_mem, err) &&
                ganeti_number(row, NODE_FREE_MEM, 0, MIB_MAX, &node->free_mem, err) &&
                ganeti_number(row, NODE_DISK, 0, MIB_MAX, &node->disk, err) &&
                ganeti_number(row, NODE_FREE_DISK, 0, MIB_MAX, &node->free_disk, err) &&
                ganeti_number(row, NODE_CPUS, 0, CPUS_MAX, &cpus, err) &&
                ganeti_number(row, NODE_OS_CPUS, 1, CPUS_MAX, &node->os_cpus, err);
    if (!good) return false;
    node->cpus_millis = cpus * (group->ratio_millis > 0 ? group->ratio_millis : c->ratio_millis);
    const struct {
        int64_t part, whole;
        size_t cell;
    } parts[] = {{node->os_mem, node->mem, NODE_OS_MEM},
                 {node->free_mem, node->mem, NODE_FREE_MEM},
                 {node->free_disk, node->disk, NODE_FREE_DISK}};
    for (size_t i = 0; i < LENGTH(parts); i++) {
        if (parts[i].part <= parts[i].whole) continue;
        error_set(err, ERROR_INVALID, "%lld MiB are more than the node has, %lld", (long long)parts[i].part,
                  (long long)parts[i].whole);
        return ganeti_fail(row, parts[i].cell, err);
    }
    if (node->cpus_millis <= CPUS_MAX * 1000LL) return true;
    error_set(err, ERROR_INVALID, "with the vcpu ratio these are more than %d cores", CPUS_MAX);
    return ganeti_fail(row, NODE_CPUS, err);
}

static bool read_instances(struct cluster *c, struct error *err)
{
    size_t length = c->sections[GANETI_INSTANCES].length;
    const char **names = arena_alloc_array(c->grid.arena, length, sizeof(*names));
    if (!name_all(c, GANETI_INSTANCES, names, err)) return false;
    for (size_t i = 0; i < length; i++)
        if (!read_instance(c, row_at(c, GANETI_INSTANCES, i), names[i], err)) return false;
    return true;
}

static bool read_instance(struct cluster *c, const struct ganeti_row *row, const char *name,
                          struct error *err)
{
    int64_t mem, disk, vcpus;
    int status, automatic, template, forthcoming = 1;
    struct place *primary, *secondary = NULL;
    if (!ganeti_number(row, VM_MEM, 0, MIB_MAX, &mem, err) ||
        !ganeti_number(row, VM_DISK, 0, MIB_MAX, &disk, err) ||
        !ganeti_number(row, VM_VCPUS, 0, CPUS_MAX, &vcpus, err) ||
        !ganeti_word(row, VM_STATUS, statuses, &status, err) ||
        !ganeti_word(row, VM_AUTO, yes_no, &automatic, err) ||
        !find_node(c, row, VM_PRIMARY, &primary, err) ||
        !ganeti_word(row, VM_TEMPLATE, templates, &template, err))
        return false;
    if (ganeti_text(row, VM_SECONDARY)[0] != '\0' && !find_node(c, row, VM_SECONDARY, &secondary, err))
        return false;
    if (row->length > VM_FORTHCOMING && !ganeti_word(row, VM_FORTHCOMING, yes_no, &forthcoming, err))
        return false;
    if (secondary == primary) {
        error_set(err, ERROR_INVALID, "the secondary node is the primary node");
        return ganeti_fail(row, VM_SECONDARY, err);
    }
    bool down = status == STATUS_ADMIN_OFFLINE; /* holds its disk, and neither memory nor cpus */
    if (!down && (mem == 0 || vcpus == 0)) {
        error_set(err, ERROR_INVALID, "expected 1 or more, found 0");
        return ganeti_fail(row, mem == 0 ? VM_MEM : VM_VCPUS, err);
    }
    /* The templates whose disks are the node's own (Ganeti: localStorageTemplates). */
    int64_t local = template == TEMPLATE_PLAIN || template == TEMPLATE_DRBD ? disk : 0;
    if (secondary != NULL && template == TEMPLATE_DRBD) secondary->mirrored_disk += local;
    if (down) {
        primary->mirrored_disk += local;
        return true;
    }
    primary->used_mem += mem;
    if (status == STATUS_RUNNING || status == STATUS_ERROR_UP) primary->running_mem += mem;
    primary->used_cpus += vcpus;
    primary->used_disk += local;
    struct resources size = {
        .cpus_millis = vcpus * 1000, .memory_bytes = mem * MIB, .disk_bytes = local * MIB};
    add_instance(c, row, name, primary, &size);
    return true;
}

static bool find_node(const struct cluster *c, const struct ganeti_row *row, size_t cell,
                      struct place **ret_node, struct error *err)
{
    const char *name = ganeti_text(row, cell);
    struct place *node = map_get(c->node_by_name, name);
    if (node != NULL) {
        *ret_node = node;
        return true;
    }
    size_t length = c->sections[GANETI_NODES].length;
    CLEANUP_MEM const char **names = mem_alloc_array(length, sizeof(*names));
    for (size_t i = 0; i < length; i++)
        names[i] = ganeti_text(row_at(c, GANETI_NODES, i), NODE_NAME);
    const char *nearest = text_nearest(printable(c->grid.arena, name), names, length);
    error_set(err, ERROR_INVALID, "there is no node \"%.60s\"%s%s%s", printable(c->grid.arena, name),
              nearest == NULL ? "" : ", did you mean \"",
              nearest == NULL ? "" : printable(c->grid.arena, nearest), nearest == NULL ? "" : "\"?");
    return ganeti_fail(row, cell, err);
}

static void add_instance(struct cluster *c, const struct ganeti_row *row, const char *name,
                         const struct place *primary, const struct resources *size)
{
    struct arena *arena = c->grid.arena;
    const char *secondary = ganeti_text(row, VM_SECONDARY);
    uint32_t said = SAID_SIZE;
    struct instance *instance =
        grid_add(&c->grid, RECORD_INSTANCE, (struct grid_row){.line = row->line, .said = said});
    schema_defaults(&schema_instance, arena, instance);
    instance->name = arena_printf(arena, PARTY "/%s/vm-1", name);
    instance->host = primary->name;
    instance->size = *size;
    instance->reason =
        arena_printf(arena, "Ganeti's instance %s, %s, %s%s%s", printable(arena, ganeti_text(row, VM_NAME)),
                     ganeti_text(row, VM_STATUS), ganeti_text(row, VM_TEMPLATE),
                     secondary[0] == '\0' ? "" : " with ", printable(arena, secondary));
    struct error err;
    bool named = grid_name_instance(c->grid.texts, instance, &err);
    ASSERT(named);
}

static bool add_hosts(struct cluster *c, struct error *err)
{
    for (size_t i = 0; i < c->sections[GANETI_NODES].length; i++) {
        if (!c->nodes[i].unknown && !check_use(&c->nodes[i], err)) return false;
        add_host(c, &c->nodes[i]);
    }
    return true;
}

static bool check_use(const struct place *node, struct error *err)
{
    int64_t disk = node->used_disk + node->mirrored_disk;
    bool is_memory = node->used_mem + node->os_mem > node->mem;
    if (!is_memory && disk <= node->disk) return true;
    if (is_memory)
        error_set(err, ERROR_INVALID, "the node has %lld MiB of memory, its system and instances take %lld",
                  (long long)node->mem, (long long)(node->used_mem + node->os_mem));
    else
        error_set(err, ERROR_INVALID, "the node has %lld MiB of disk, its instances and mirrors take %lld",
                  (long long)node->disk, (long long)disk);
    return ganeti_fail(node->row, is_memory ? NODE_MEM : NODE_DISK, err);
}

/* Instances that are down leave their memory free, and a hypervisor may not have given its instances yet all
 * that they may take: so nothing is refused. Nor is it believed: what is promised is taken. */
static void warn_of_free_memory(const struct cluster *c, const char *file, struct buf *ret_warnings)
{
    struct error warning;
    size_t nodes = 0;
    for (size_t i = 0; i < c->sections[GANETI_NODES].length; i++) {
        const struct place *node = &c->nodes[i];
        int64_t left = node->mem - node->os_mem - node->running_mem;
        if (node->unknown || node->running_mem == 0 || node->free_mem <= left + MEM_SLACK || nodes++ > 0)
            continue;
        error_set(
            &warning, ERROR_INVALID,
            "%lld MiB are said to be free, but the system and what runs leave %lld of %lld: these are taken",
            (long long)node->free_mem, (long long)left, (long long)node->mem);
        ganeti_fail(node->row, NODE_FREE_MEM, &warning);
    }
    if (nodes > 0) add_warning(&warning, file, nodes, ret_warnings);
}

/* Ganeti lets a policy be changed below what there is. */
static void warn_of_cpus(const struct cluster *c, const char *file, struct buf *ret_warnings)
{
    struct error warning;
    size_t nodes = 0;
    for (size_t i = 0; i < c->sections[GANETI_NODES].length; i++) {
        const struct place *node = &c->nodes[i];
        if (node->unknown || node->used_cpus * 1000 <= node->cpus_millis || nodes++ > 0) continue;
        error_set(
            &warning, ERROR_INVALID,
            "the instances have %lld vcpus, more than the %.15g that the vcpu ratio allows: nothing has room "
            "there until some leave",
            (long long)node->used_cpus, (double)node->cpus_millis / 1000);
        ganeti_fail(node->row, NODE_CPUS, &warning);
    }
    if (nodes > 0) add_warning(&warning, file, nodes, ret_warnings);
}

static void add_warning(struct error *warning, const char *file, size_t nodes, struct buf *ret_warnings)
{
    document_error_in(warning, file);
    buf_add_text(ret_warnings, "warning: ");
    spec_format_error(warning, ret_warnings);
    if (nodes > 1) buf_printf(ret_warnings, " (and so on %zu more node%s)", nodes - 1, nodes == 2 ? "" : "s");
    buf_add_char(ret_warnings, '\n');
}

/* What is neither free nor an instance's own is kept for the host: the system, mirrors of other nodes' disks,
 * and what nobody accounts for. A node that could not be asked has what its instances take. */
static void add_host(struct cluster *c, const struct place *node)
{
    struct arena *arena = c->grid.arena;
    int64_t mem = node->unknown ? node->used_mem : node->mem;
    int64_t disk = node->unknown ? node->used_disk : node->disk;
    int64_t cpus_millis = node->unknown ? node->used_cpus * 1000 : node->cpus_millis;
    int64_t kept_mem = at_least(node->mem - node->free_mem - node->used_mem, node->os_mem);
    int64_t kept_disk = at_least(node->disk - node->free_disk - node->used_disk, node->mirrored_disk);
    struct grid_row row = {.line = node->row->line};
    struct host *host = grid_add(&c->grid, RECORD_HOST, row);
    schema_defaults(&schema_host, arena, host);
    host->name = node->name;
    host->zone = arena_printf(arena, PARTY "/%s", node->group);
    host->pool = host->class_name = node->group; /* Ganeti moves nothing from group to group on its own */
    host->capacity = (struct resources){.cpus_millis = at_least(cpus_millis, 1),
                                        .memory_bytes = at_least(mem, 1) * MIB,
                                        .disk_bytes = disk * MIB};
    if (!node->unknown)
        host->reserve = (struct resources){.cpus_millis = node->os_cpus * 1000 > host->capacity.cpus_millis
                                                              ? host->capacity.cpus_millis
                                                              : node->os_cpus * 1000,
                                           .memory_bytes = kept_mem * MIB,
                                           .disk_bytes = kept_disk * MIB};
    struct host_fact *fact = grid_add(&c->grid, RECORD_HOST_FACT, row);
    schema_defaults(&schema_host_fact, arena, fact);
    fact->name = node->name;
    fact->state = node->offline ? HOST_DOWN : HOST_UP;
    fact->fenced = node->offline;
    fact->reason =
        arena_printf(arena, "Ganeti's node %s%s", printable(arena, ganeti_text(node->row, NODE_NAME)),
                     node->offline ? ", offline" : "");
}

static const char *printable(struct arena *arena, const char *text)
{
    return document_shown(arena_alloc(arena, SHOWN_SIZE), text);
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a < b ? b : a;
}
