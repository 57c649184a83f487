#include "base/buf.h"
#include "base/text.h"
#include "driver/container/cgroup.h"
#include "driver/container/config.h"
#include "driver/container/unpack.h"
#include "driver/image/image.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void shell(const char *directory, const char *script)
{
    CLEANUP_MEM char *command = mem_printf("cd %s && { %s; } >/dev/null 2>&1", directory, script);
    if (system(command) != 0) fail_msg("%s", command);
}

static bool try_import(const char *directory, const char *script, const char *kind, const char *what,
                       struct arena *arena, struct image *image, struct error *err)
{
    shell(directory, script);
    CLEANUP_MEM char *source = mem_printf("%s%s/%s", kind, directory, what);
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", directory);
    return image_import(blobs, source, arena, image, err);
}

static void imports_and_refuses(void **state)
{
    char directory[] = "/tmp/croft-test-image-XXXXXX";
    assert_non_null(mkdtemp(directory));
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct image one = {0}, two = {0};
    struct error err;
    if (!try_import(directory, "mkdir -p d/a && echo x > d/a/f && ln -s a d/l && ln d/a/f d/a/g", "", "d",
                    arena, &one, &err)) {
        fail_msg("%s", err.message);
    }
    assert_true(try_import(directory, "true", "", "d", arena, &two, &err));
    assert_string_equal(one.digest, two.digest);
    assert_true(try_import(directory, "tar -C d -czf d.tgz .", "", "d.tgz", arena, &two, &err));
    assert_int_equal(two.layers_length, 1);
    /* A layout is one, named so or not: its files are no root. */
    assert_false(
        try_import(directory, "mkdir lay && echo '{}' > lay/oci-layout", "", "lay", arena, &two, &err));
    assert_non_null(strstr(err.message, "index.json"));
    shell(directory, "ls blobs/sha256 > before");
    static const char *const hostile[] = {
        "tar -C d -cPf bad.tar --transform 's,^a/f,../f,' a/f",
        "tar -C d -cPf bad.tar --transform 's,^a/f,/f,' a/f",
        ("mkdir -p e/s && touch e/s/f && tar -C d -cf bad.tar --transform 's,^l$,s,' l && tar -C e -rf "
         "bad.tar s/f"),
        "tar -C d -cf bad.tar --owner=x:70000 a",
        "head -c 300000 /dev/urandom > big && tar -cf whole.tar big && head -c 100000 whole.tar > bad.tar",
        "head -c 5000 /dev/urandom > bad.tar",
    };
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        if (try_import(directory, hostile[i], "", "bad.tar", arena, &two, &err))
            fail_msg("accepted: %s", hostile[i]);
        assert_null(strchr(err.message, '\n'));
    }
    shell(directory, "ls blobs/sha256 > after && cmp before after");
    if (system("command -v umoci skopeo >/dev/null 2>&1") == 0) {
        const char *make =
            "umoci init --layout o && umoci new --image o:t && umoci unpack --image o:t b && "
            "mkdir b/rootfs/etc && echo 'www:x:33:34::/:/' > b/rootfs/etc/passwd && "
            "umoci repack --image o:t b && umoci config --image o:t --config.entrypoint /bin/e "
            "--config.cmd arg --config.env A=b --config.user www";
        if (!try_import(directory, make, "oci:", "o:t", arena, &one, &err)) fail_msg("%s", err.message);
        assert_string_equal(one.user, "33:34");
        assert_int_equal(one.command_length, 2);
        assert_string_equal(one.env[0].value, "b");
        if (!try_import(directory, "skopeo copy oci:o:t docker-archive:k.tar:n:t", "docker-archive:", "k.tar",
                        arena, &two, &err)) {
            fail_msg("%s", err.message);
        }
        assert_string_equal(two.user, "33:34");
        assert_string_equal(two.command[1], "arg");
    }
    CLEANUP_MEM char *remove = mem_printf("rm -rf %s", directory);
    assert_int_equal(system(remove), 0);
}

/* A disk that is nearly full takes a part of a write, and that is no error yet: the next one tells why. */
static void no_room(void **state)
{
    char directory[] = "/tmp/croft-test-image-XXXXXX";
    assert_non_null(mkdtemp(directory));
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct image image = {0};
    struct error err;
    struct rlimit before, small;
    shell(directory,
          "mkdir d blobs blobs/sha256 && head -c 300000 /dev/urandom > d/f && tar -C d -cf whole.tar f");
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", directory);
    CLEANUP_MEM char *source = mem_printf("%s/whole.tar", directory);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 100001, .rlim_max = before.rlim_max};
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool good = image_import(blobs, source, arena, &image, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old);
    assert_false(good);
    assert_non_null(strstr(err.message, strerror(EFBIG)));
    shell(directory, "test -z \"$(ls blobs/sha256)\"");
    CLEANUP_MEM char *remove = mem_printf("rm -rf %s", directory);
    assert_int_equal(system(remove), 0);
}

static void reads_whiteouts_and_mounts(void **state)
{
    char *path = NULL;
    assert_int_equal(unpack_whiteout("a/b", &path), WHITEOUT_NONE);
    assert_int_equal(unpack_whiteout("a/.wh.b", &path), WHITEOUT_ONE);
    assert_string_equal(path, "a/b");
    mem_free(path);
    assert_int_equal(unpack_whiteout(".wh..wh..opq", &path), WHITEOUT_OPAQUE);
    assert_string_equal(path, "");
    mem_free(path);
    char line[] = "36 31 0:35 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct";
    const char *point, *type, *options;
    assert_true(cgroup_parse_mount(line, &point, &type, &options));
    assert_string_equal(point, "/sys/fs/cgroup/cpu");
    assert_true(cgroup_list_has(options, "cpu") && cgroup_list_has(options, "cpuacct"));
    assert_false(cgroup_list_has("rw,cpuacct", "cpu"));
    assert_int_equal(config_cpu_quota_us(500), 50000);
    assert_int_equal(config_cpu_quota_us(1), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(imports_and_refuses), cmocka_unit_test(no_room),
                                       cmocka_unit_test(reads_whiteouts_and_mounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
