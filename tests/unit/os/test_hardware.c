/* A made-up sysfs, read as the real one is. */
#include "check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/hardware.h"
#include "model/schemas.h"
#include "os/clock.h"
#include "os/hardware.h"
#include "os/process.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bench {
    char root[64];
    struct loop *loop;
    struct os_clock *clock;
    struct os_process *processes;
    struct os_hardware *hardware;
    struct buf seen; /* "kind what value limit\n" each, then "note: …\n" */
    bool nothing;    /* what was known holds */
};

static void write_file(const struct bench *bench, const char *path, const char *text)
{
    CLEANUP_MEM char *whole = mem_printf("%s/%s", bench->root, path);
    for (char *at = whole + strlen(bench->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_smartctl(const struct bench *bench, const char *script)
{
    CLEANUP_MEM char *path = mem_printf("%s/bin/smartctl", bench->root);
    write_file(bench, "bin/smartctl", script);
    assert_int_equal(chmod(path, 0755), 0);
}

static int setup(void **state)
{
    struct bench *bench = mem_alloc(sizeof(*bench));
    struct error err;

    strcpy(bench->root, "/tmp/hardware-XXXXXX");
    assert_non_null(mkdtemp(bench->root));
    CLEANUP_MEM char *path = mem_printf("%s/bin:/usr/bin:/bin", bench->root);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_true(loop_new(&bench->loop, &err));
    bench->clock = os_clock_new(bench->loop);
    bench->processes = os_process_new(bench->loop);
    const struct os_hardware_options options = {.clock = os_clock_port(bench->clock),
                                                .process = os_process_port(bench->processes),
                                                .root = bench->root,
                                                .read_ms_max = 300,
                                                .state = bench->root};
    bench->hardware = os_hardware_new(&options);
    *state = bench;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    os_hardware_free(bench->hardware);
    os_process_free(bench->processes);
    os_clock_free(bench->clock);
    loop_free(bench->loop);
    assert_int_equal(nftw(bench->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    buf_free(&bench->seen);
    mem_free(bench);
    return 0;
}

static void take(void *ctx, const struct hardware_reading *readings, size_t length, const char *note)
{
    struct bench *bench = ctx;

    buf_clear(&bench->seen);
    bench->nothing = readings == NULL;
    for (size_t i = 0; i < length; i++) {
        if (text_equal(readings[i].what, "state")) {
            assert_in_range(readings[i].value, 0, 100);
            assert_true(readings[i].kind == FINDING_DISK_FULL || readings[i].value == 0);
            continue;
        }
        buf_printf(&bench->seen, "%s %s %lld %lld\n", finding_kind_names[readings[i].kind], readings[i].what,
                   (long long)readings[i].value, (long long)readings[i].limit);
    }
    if (note[0]) buf_printf(&bench->seen, "note: %s\n", note);
    loop_stop(bench->loop);
}

static const char *look(struct bench *bench)
{
    const struct hardware_port *port = os_hardware_port(bench->hardware);
    port->look(port->self, take, bench);
    loop_run(bench->loop);
    return buf_text(&bench->seen);
}

static void test_nothing_there(void **state)
{
    struct bench *bench = *state;
    assert_string_equal(look(bench), "");
    assert_false(bench->nothing);
}

static void test_memory_and_disks(void **state)
{
    struct bench *bench = *state;
    write_file(bench, "devices/system/edac/mc/mc0/ce_count", "17\n");
    write_file(bench, "devices/system/edac/mc/mc0/ue_count", "2\n");
    write_file(bench, "devices/system/edac/mc/mc1/ce_count", "many\n");
    write_file(bench, "devices/system/edac/mc/mc1/ue_count", "-1\n");
    write_file(bench, "devices/system/edac/mc/power/ce_count", "9\n");
    write_file(bench, "block/sda/device/ioerr_cnt", "0x1f\n");
    write_file(bench, "block/sdb/device/model", "silent\n");
    write_file(bench, "block/loop0/size", "0\n");
    make_smartctl(bench, "#!/bin/sh\nexit 1\n");
    assert_string_equal(look(bench), "memory-errors mc0 17 0\nmemory-lost mc0 2 0\ndisk-errors sda 31 0\n");
}

static void test_heat(void **state)
{
    struct bench *bench = *state;
    write_file(bench, "class/hwmon/hwmon0/name", "coretemp\n");
    write_file(bench, "class/hwmon/hwmon0/temp1_input", "71500\n");
    write_file(bench, "class/hwmon/hwmon0/temp1_label", "Package id 0 (\"hot\")\n");
    write_file(bench, "class/hwmon/hwmon0/temp1_max", "80000\n");
    write_file(bench, "class/hwmon/hwmon0/temp1_crit", "100000\n");
    write_file(bench, "class/hwmon/hwmon0/temp2_input", "60000\n"); /* bears 70 before it is switched off */
    write_file(bench, "class/hwmon/hwmon0/temp2_max", "90000\n");
    write_file(bench, "class/hwmon/hwmon0/temp2_crit", "75000\n");
    write_file(bench, "class/hwmon/hwmon0/temp3_input", "60000\n"); /* who knows */
    write_file(bench, "class/hwmon/hwmon0/temp4_input", "-5000\n");
    write_file(bench, "class/hwmon/hwmon0/temp4_crit", "65261850\n"); /* NVMe: none */
    write_file(bench, "class/hwmon/hwmon0/in0_input", "1000\n");
    write_file(bench, "class/thermal/thermal_zone3/type", "acpitz\n");
    write_file(bench, "class/thermal/thermal_zone3/temp", "47000\n");
    write_file(bench, "class/thermal/thermal_zone3/trip_point_0_type", "passive\n");
    write_file(bench, "class/thermal/thermal_zone3/trip_point_0_temp", "50000\n");
    write_file(bench, "class/thermal/thermal_zone3/trip_point_1_type", "critical\n");
    write_file(bench, "class/thermal/thermal_zone3/trip_point_1_temp", "105000\n");
    const char *seen = look(bench);
    assert_non_null(strstr(seen, "hot hwmon0 coretemp Package id 0 __hot__ 71 80\n"));
    assert_non_null(strstr(seen, "hot hwmon0 coretemp temp2 60 70\n"));
    assert_non_null(strstr(seen, "hot thermal_zone3 acpitz 47 100\n"));
    assert_null(strstr(seen, "temp3"));
    assert_null(strstr(seen, "temp4"));
}

static void test_smart(void **state)
{
    struct bench *bench = *state;
    write_file(bench, "block/sda/device/model", "x\n");
    write_file(bench, "block/sdb/device/model", "x\n");
    write_file(bench, "block/sdc/device/model", "x\n");
    write_file(bench, "block/sdd/device/model", "x\n");
    make_smartctl(
        bench, "#!/bin/sh\n[ \"$*\" = \"-j -H -n standby $5\" ] || exit 9\necho \"$5\" >> asked\ncase $5 in\n"
               "/dev/sda) echo '{\"smart_status\": {\"passed\": true}}';;\n"
               "/dev/sdb) echo '{\"smart_status\": {\"passed\": false}}'; exit 8;;\n"
               "/dev/sdc) echo '{\"smartctl\": {\"exit_status\": 2}}'; exit 2;;\n"
               "*) echo 'no JSON';;\nesac\n");
    while (!strstr(look(bench), "disk-fails sdb 1 0\n")) /* each look has what was said until then */
        continue;
    assert_non_null(strstr(buf_text(&bench->seen), "disk-fails sda 0 0\n"));
    assert_null(strstr(buf_text(&bench->seen), "note"));
    CLEANUP_MEM char *asked = mem_printf("%s/asked", bench->root);
    char line[32];
    int lines = 0;
    while (lines < 4) { /* all of them, and none twice within an hour */
        look(bench);
        assert_null(strstr(buf_text(&bench->seen), "sdc"));
        FILE *file = fopen(asked, "re");
        assert_non_null(file);
        for (lines = 0; fgets(line, sizeof(line), file);)
            lines++;
        fclose(file);
    }
    assert_int_equal(lines, 4);
}

static void test_no_smartctl(void **state)
{
    struct bench *bench = *state;
    CLEANUP_MEM char *bin = mem_printf("%s/bin", bench->root), *grep = mem_printf("%s/grep", bin);
    assert_int_equal(setenv("PATH", bin, 1), 0);
    write_file(bench, "bin/other", "");
    write_file(bench, "block/sda/device/model", "x\n");
    while (!strstr(look(bench), "smartctl is not installed"))
        continue;
    write_file(bench, "devices/system/edac/mc/mc0/ce_count", "1\n");
    assert_non_null(strstr(look(bench), "sensors are not read: "));
    assert_true(bench->nothing);
    assert_int_equal(symlink("/bin/grep", grep), 0);
    assert_non_null(strstr(look(bench), "memory-errors mc0 1 0\n"));
}

/* A sensor that never answers: the look ends, and nothing that was known counts as over. */
static void test_hangs(void **state)
{
    struct bench *bench = *state;
    write_file(bench, "devices/system/edac/mc/mc0/ce_count", "1\n");
    CLEANUP_MEM char *path = mem_printf("%s/devices/system/edac/mc/mc0/ue_count", bench->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_non_null(strstr(look(bench), "note: a sensor does not answer in time"));
    assert_true(bench->nothing);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(look(bench), "memory-errors mc0 1 0\n");
    assert_int_equal(mkfifo(path, 0600), 0);
    const struct hardware_port *port = os_hardware_port(bench->hardware);
    port->cancel(port->self, port->look(port->self, take, bench)); /* leaves nothing behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_and_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_smart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_smartctl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
