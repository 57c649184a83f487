/* The files of sysfs: Documentation/ABI/testing/sysfs-devices-edac, Documentation/hwmon/sysfs-interface.rst,
 * Documentation/driver-api/thermal/sysfs-api.rst, and ioerr_cnt of SCSI disks, of the kernel's sources. */
#include "base/text.h"
#include "model/hardware.h"
#include "os/hardware_inside.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRIES_MAX = 1024, BELOW_CRITICAL = 5, DEGREES_MAX = 200 };

static const char memory[] = "devices/system/edac/mc", sensors[] = "class/hwmon", zones[] = "class/thermal",
                  blocks[] = "block";

/* What a sensor or a zone says, gathered from its lines. */
struct heat {
    const char *device, *sensor; /* "class/hwmon/hwmon0", "temp1" */
    const char *name, *label;
    int64_t input, max, critical; /* thousandths of degrees; INT64_MIN: it does not say */
};

struct reader {
    struct arena *arena;
    struct vec *readings;
    struct map *heats;    /* "DEVICE/SENSOR" -> struct heat * */
    struct map *names;    /* device -> name */
    struct map *critical; /* "ZONE/trip_point_N" */
};

static void walk(const char *root, const char *directory, const char *prefix, struct vec *names);
static bool add_of(const char *root, const char *directory, const char *const *wanted, struct vec *files);
static bool is_wanted(const char *name, const char *const *wanted);
static int compare_names(const void *a, const void *b);
static void read_line(struct reader *reader, const char *path, const char *value);
static void read_memory(struct reader *reader, const char *path, const char *value);
static void read_sensor(struct reader *reader, const char *path, const char *value);
static void read_zone(struct reader *reader, const char *path, const char *value);
static struct heat *heat_of(struct reader *reader, const char *device, const char *sensor);
static void add_heats(struct reader *reader);
static const char *piece(struct arena *arena, const char *path, size_t from, size_t count);
static bool number(const char *value, int64_t *ret_number);
static void add(struct reader *reader, enum finding_kind kind, const char *what, int64_t value,
                int64_t limit);

bool hardware_files(const char *root, struct vec *ret_files)
{
    static const char *const of_memory[] = {"ce_count", "ue_count", NULL};
    static const char *const of_sensor[] = {"name",      "temp*_input", "temp*_label",
                                            "temp*_max", "temp*_crit",  NULL};
    static const char *const of_zone[] = {"type", "temp", "trip_point_*_type", "trip_point_*_temp", NULL};
    static const char *const of_disk[] = {"device/ioerr_cnt", NULL};
    const struct {
        const char *directory, *prefix;
        const char *const *wanted;
    } rows[] = {{memory, "mc", of_memory}, {sensors, "hwmon", of_sensor}, {zones, "thermal_zone", of_zone}};
    bool whole = true;

    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct vec devices = VEC_OF(char *);
        walk(root, rows[i].directory, rows[i].prefix, &devices);
        for (size_t d = 0; d < devices.length; d++) {
            CLEANUP_MEM char *path = mem_printf("%s/%s", rows[i].directory, *(char **)vec_at(&devices, d));
            whole &= add_of(root, path, rows[i].wanted, ret_files);
        }
        hardware_files_free(&devices);
    }
    struct vec disks = VEC_OF(char *);
    hardware_disks(root, &disks);
    for (size_t d = 0; d < disks.length && ret_files->length < HARDWARE_FILES_MAX; d++)
        *(char **)vec_push(ret_files) =
            mem_printf("%s/%s/%s", blocks, *(char **)vec_at(&disks, d), of_disk[0]);
    hardware_files_free(&disks);
    return whole;
}

void hardware_disks(const char *root, struct vec *ret_names)
{
    struct vec names = VEC_OF(char *);

    walk(root, blocks, "", &names);
    for (size_t i = 0; i < names.length && ret_names->length < HARDWARE_DISKS_MAX; i++) {
        const char *name = *(char **)vec_at(&names, i);
        CLEANUP_MEM char *device = mem_printf("%s/%s/%s/device", root, blocks, name);
        if (access(device, F_OK) == 0) *(char **)vec_push(ret_names) = mem_strdup(name);
    }
    hardware_files_free(&names);
}

void hardware_files_free(struct vec *files)
{
    for (size_t i = 0; i < files->length; i++)
        mem_free(*(char **)vec_at(files, i));
    vec_free(files);
}

/* The names in a directory that begin so and go on with a number (prefix "": all), in an order that stays. */
static void walk(const char *root, const char *directory, const char *prefix, struct vec *names)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", root, directory);
    DIR *open = opendir(path);
    const struct dirent *entry = NULL;
    size_t size = strlen(prefix);

    while (open && names->length < ENTRIES_MAX && (entry = readdir(open)) != NULL) {
        const char *rest = entry->d_name + size;
        if (entry->d_name[0] == '.' || !text_starts(entry->d_name, prefix)) continue;
        if (size > 0 && (rest[0] == '\0' || rest[strspn(rest, "0123456789")] != '\0')) continue;
        *(char **)vec_push(names) = mem_strdup(entry->d_name);
    }
    if (open) closedir(open);
    vec_sort(names, compare_names);
}

static int compare_names(const void *a, const void *b)
{
    return text_compare_natural(*(char *const *)a, *(char *const *)b);
}

static bool add_of(const char *root, const char *directory, const char *const *wanted, struct vec *files)
{
    struct vec names = VEC_OF(char *);
    bool whole = true;

    walk(root, directory, "", &names);
    for (size_t i = 0; i < names.length; i++) {
        const char *name = *(char **)vec_at(&names, i);
        if (!is_wanted(name, wanted)) continue;
        whole = files->length < HARDWARE_FILES_MAX;
        if (!whole) break;
        *(char **)vec_push(files) = mem_printf("%s/%s", directory, name);
    }
    hardware_files_free(&names);
    return whole;
}

/* A star stands for a number. */
static bool is_wanted(const char *name, const char *const *wanted)
{
    for (; *wanted; wanted++) {
        size_t before = strcspn(*wanted, "*");
        if ((*wanted)[before] == '\0') {
            if (text_equal(name, *wanted)) return true;
            continue;
        }
        if (strncmp(name, *wanted, before) != 0) continue;
        size_t digits = strspn(name + before, "0123456789");
        if (digits > 0 && digits < 6 && text_equal(name + before + digits, *wanted + before + 1)) return true;
    }
    return false;
}

void hardware_read(struct arena *arena, const char *text, struct vec *readings)
{
    CLEANUP(map_freep) struct map *heats = map_new(), *names = map_new(), *critical = map_new();
    struct reader reader = {arena, readings, heats, names, critical};

    for (const char *at = text; *at;) {
        size_t size = strcspn(at, "\n"), path = strcspn(at, ":\n");
        if (path < size)
            read_line(&reader, arena_strndup(arena, at, path),
                      arena_strndup(arena, at + path + 1, size - path - 1));
        at += size + (at[size] == '\n');
    }
    add_heats(&reader);
}

static void read_line(struct reader *reader, const char *path, const char *value)
{
    int64_t count = 0;

    if (text_starts(path, memory))
        read_memory(reader, path, value);
    else if (text_starts(path, sensors))
        read_sensor(reader, path, value);
    else if (text_starts(path, zones))
        read_zone(reader, path, value);
    else if (text_starts(path, "block/") && number(value, &count))
        add(reader, FINDING_DISK_ERRORS, piece(reader->arena, path, 1, 1), count, 0);
}

static void read_memory(struct reader *reader, const char *path, const char *value)
{
    const char *controller = piece(reader->arena, path, 4, 1);
    int64_t count = 0;

    if (!number(value, &count)) return;
    bool corrected = text_equal(piece(reader->arena, path, 5, 1), "ce_count");
    add(reader, corrected ? FINDING_MEMORY_ERRORS : FINDING_MEMORY_LOST, controller, count, 0);
}

/* "class/hwmon/hwmon0/temp1_input" */
static void read_sensor(struct reader *reader, const char *path, const char *value)
{
    const char *device = piece(reader->arena, path, 0, 3), *file = piece(reader->arena, path, 3, 1);
    const char *what = strchr(file, '_');

    if (text_equal(file, "name")) map_put(reader->names, device, (void *)(uintptr_t)value);
    if (!what) return;
    struct heat *heat = heat_of(reader, device, arena_strndup(reader->arena, file, (size_t)(what - file)));
    if (text_equal(what, "_label")) heat->label = value;
    int64_t *into = text_equal(what, "_input")  ? &heat->input
                    : text_equal(what, "_max")  ? &heat->max
                    : text_equal(what, "_crit") ? &heat->critical
                                                : NULL;
    if (into && !number(value, into)) *into = INT64_MIN;
}

/* "class/thermal/thermal_zone0/temp": the least of its critical trip points counts. Files come sorted: of a
 * point the temperature before its type. */
static void read_zone(struct reader *reader, const char *path, const char *value)
{
    const char *device = piece(reader->arena, path, 0, 3), *file = piece(reader->arena, path, 3, 1);
    struct heat *heat = heat_of(reader, device, "zone");
    int64_t degrees = 0;

    if (text_equal(file, "type")) map_put(reader->names, device, (void *)(uintptr_t)value);
    if (text_equal(file, "temp") && !number(value, &heat->input)) heat->input = INT64_MIN;
    if (!text_starts(file, "trip_point_")) return;
    const char *point =
        arena_printf(reader->arena, "%s/%.*s", device, (int)(strrchr(file, '_') - file), file);
    if (text_equal(strrchr(file, '_'), "_temp")) {
        map_put(reader->critical, point, (void *)(uintptr_t)value);
        return;
    }
    const char *temperature = map_get(reader->critical, point);
    if (text_equal(value, "critical") && temperature && number(temperature, &degrees) &&
        (heat->critical == INT64_MIN || degrees < heat->critical))
        heat->critical = degrees;
}

static struct heat *heat_of(struct reader *reader, const char *device, const char *sensor)
{
    const char *key = arena_printf(reader->arena, "%s/%s", device, sensor);
    struct heat *heat = map_get(reader->heats, key);

    if (heat) return heat;
    heat = arena_alloc(reader->arena, sizeof(*heat));
    *heat = (struct heat){
        .device = device, .sensor = sensor, .input = INT64_MIN, .max = INT64_MIN, .critical = INT64_MIN};
    map_put(reader->heats, key, heat);
    return heat;
}

/* A sensor that says no limit, or one that no hardware has, says nothing that can be judged. `max` is what it
 * is to stay below; where there is only `crit`, at which it is switched off, some degrees less. */
static void add_heats(struct reader *reader)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(reader->heats, &cursor, NULL, &value)) {
        const struct heat *heat = value;
        const char *name = map_get(reader->names, heat->device);
        int64_t limit = heat->max != INT64_MIN        ? heat->max / 1000
                        : heat->critical != INT64_MIN ? heat->critical / 1000 - BELOW_CRITICAL
                                                      : 0;
        int64_t degrees = heat->input / 1000;
        if (heat->critical != INT64_MIN && heat->critical / 1000 - BELOW_CRITICAL < limit &&
            heat->critical > 0)
            limit = heat->critical / 1000 - BELOW_CRITICAL;
        if (heat->input == INT64_MIN || limit <= 0 || limit > DEGREES_MAX || degrees > DEGREES_MAX) continue;
        const char *device = strrchr(heat->device, '/') + 1;
        const char *what = text_equal(heat->sensor, "zone")
                               ? arena_printf(reader->arena, "%s %s", device, name ? name : "")
                               : arena_printf(reader->arena, "%s %s %s", device, name ? name : "",
                                              heat->label ? heat->label : heat->sensor);
        add(reader, FINDING_HOT, what, degrees, limit);
    }
}

/* So many of a path's pieces. */
static const char *piece(struct arena *arena, const char *path, size_t from, size_t count)
{
    const char *begin = path;
    for (; from > 0 && *begin; from--) {
        begin += strcspn(begin, "/");
        begin += *begin == '/';
    }
    size_t size = 0;
    for (; count > 0 && begin[size]; count--)
        size += strcspn(begin + size, "/") + (count > 1 && begin[size + strcspn(begin + size, "/")] == '/');
    return arena_strndup(arena, begin, size);
}

/* As sysfs writes them: also "0x1f". */
static bool number(const char *value, int64_t *ret_number)
{
    char *end = NULL;

    int64_t read = strtoll(value, &end, 0);
    if (end == value || end[strspn(end, " \t")] != '\0' || read == INT64_MAX || read == INT64_MIN)
        return false;
    *ret_number = read;
    return true;
}

static void add(struct reader *reader, enum finding_kind kind, const char *what, int64_t value, int64_t limit)
{
    if (what[0] == '\0' || (value < 0 && kind != FINDING_HOT)) return;
    *(struct hardware_reading *)vec_push(reader->readings) =
        (struct hardware_reading){kind, hardware_name(reader->arena, what), value, limit};
}

const char *hardware_name(struct arena *arena, const char *text)
{
    char *name = arena_strndup(arena, text, strnlen(text, FINDING_WHAT_SIZE - 1));

    for (char *c = name; *c; c++) {
        const char one[2] = {*c, '\0'};
        if (!finding_names(one)) *c = '_';
    }
    return name;
}
