/* A Ganeti cluster as a grid: the sample beside this file, line for line, and every refusal. */
#include "check.h"
#include "mutate.h"

#include "base/text.h"
#include "spec/ganeti.h"

#include <stdio.h>

#define GROUP "g|u|preferred||\n\n"
#define NODES "n1|4096|512|1536|10000|4000|4|M|u|1\nn2|4096|512|3584|10000|5000|4|N|u|1\n\n"
#define NODE(fields) GROUP "n1|" fields "\n\n\n"
#define VM(fields) GROUP NODES "i1|" fields "\n\n\n"
#define POLICY(fields) GROUP NODES "\n\n" fields "\n"

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "f:1:1: the text ends in the groups: expected groups, nodes, instances, tags and policies, with an "
         "empty "
         "line behind each"},
    {GROUP NODES,
     "f:5:1: the text ends in the instances: expected groups, nodes, instances, tags and policies, with "
     "an empty line behind each"},
    {"g|u\n\n\n\n", "f:1:1: groups: expected at least 4 fields with | between them, found 2"},
    {"g|u|prefered|\n\n\n\n",
     "f:1:5: alloc_policy: expected preferred, last_resort or unallocable, found \"prefered\", did you mean "
     "\"preferred\"?"},
    {"|u|preferred|\n\n\n\n", "f:1:1: name: expected a name, found none"},
    {"g|u|preferred|\ng|v|preferred|\n\n\n\n", "f:2:1: name: line 1 has the name \"g\" already"},
    {"g|u|preferred|\nh|u|preferred|\n\n\n\n", "f:2:3: uuid: another group has this uuid already"},
    {NODE("4096|512|1536|10000|4000|4|M"),
     "f:3:1: nodes: expected at least 9 fields with | between them, found 8"},
    {NODE("4096|512|1536|10000|4000|4|M|v"), "f:3:33: group: there is no group with the uuid \"v\""},
    {NODE("4096|512|1536|10000|4000|4|X|u"), "f:3:31: role: expected Y, N or M, found \"X\""},
    {NODE("-1|512|1536|10000|4000|4|M|u"),
     "f:3:4: total_mem: expected a number from 0 to 1073741824, found \"-1\""},
    {NODE("4096|512|1536|99999999999999999999|4000|4|M|u"),
     "f:3:18: total_disk: expected a number from 0 to 1073741824, found \"99999999999999999999\""},
    {NODE("4096|512|NaN|10000|4000|4|M|u"),
     "f:3:13: free_mem: expected a number from 0 to 1073741824, found \"NaN\""},
    {NODE("4096|512|5000|10000|4000|4|M|u"), "f:3:13: free_mem: 5000 MiB are more than the node has, 4096"},
    {NODE("4096|5000|1536|10000|4000|4|M|u"), "f:3:9: os_mem: 5000 MiB are more than the node has, 4096"},
    {NODE("4096|512|1536|10000|40000|4|M|u"),
     "f:3:24: free_disk: 40000 MiB are more than the node has, 10000"},
    {NODE("4096|512|1536|10000|4000|90000|M|u"),
     "f:3:29: cpus: with the vcpu ratio these are more than 100000 cores"},
    {VM("1024|4000|1|running|Y|n1|n2"),
     "f:6:1: instances: expected at least 10 fields with | between them, found 8"},
    {VM("1024|4000|1|running|Y|n3|n2|drbd||1"),
     "f:6:26: primary: there is no node \"n3\", did you mean \"n1\"?"},
    {VM("1024|4000|1|running|Y|n1|nodes|drbd||1"), "f:6:29: secondary: there is no node \"nodes\""},
    {VM("1024|4000|1|running|Y|n1|n1|drbd||1"), "f:6:29: secondary: the secondary node is the primary node"},
    {VM("1024|4000|1|runing|Y|n1|n2|drbd||1"),
     "f:6:16: status: expected ADMIN_down, ADMIN_offline, ERROR_down, ERROR_up, ERROR_nodedown, "
     "ERROR_nodeoffline, running, USER_down or ERROR_wrongnode, found \"runing\", did you mean \"running\"?"},
    {VM("1024|4000|1|running|yes|n1|n2|drbd||1"), "f:6:24: auto_balance: expected Y or N, found \"yes\""},
    {VM("1024|4000|1|running|Y|n1|n2|drdb||1"), "f:6:32: disk_template: expected diskless, file, sharedfile, "
                                                "plain, blockdev, drbd, rbd, ext or gluster, found "
                                                "\"drdb\", did you mean \"drbd\"?"},
    {VM("0|4000|1|running|Y|n1|n2|drbd||1"), "f:6:4: mem: expected 1 or more, found 0"},
    {VM("1024|4000|0|running|Y|n1|n2|drbd||1"), "f:6:14: vcpus: expected 1 or more, found 0"},
    {VM("1024|4000|1|running|Y|n1|n2|drbd||1|-|?"), "f:6:42: forthcoming: expected Y or N, found \"?\""},
    {VM("1024|-4000|1|running|Y|n1|n2|drbd||1"),
     "f:6:9: disk: expected a number from 0 to 1073741824, found \"-4000\""},
    {VM("4000|4000|1|running|Y|n1|n2|drbd||1"),
     "f:3:4: total_mem: the node has 4096 MiB of memory, its system and instances take 4512"},
    {VM("1024|10001|1|running|Y|n1||plain||1"),
     "f:3:18: total_disk: the node has 10000 MiB of disk, its instances and mirrors take 10001"},
    {VM("1024|9000|1|running|Y|n1|n2|drbd||1\ni1|1|1|1|running|Y|n1||plain||1"),
     "f:7:1: name: line 6 has the name \"i1\" already"},
    {VM("1024|9000|1|running|Y|n1|n2|drbd||1\ni2|1|1001|1|running|Y|n2||plain||1"),
     "f:4:18: total_disk: the node has 10000 MiB of disk, its instances and mirrors take 10001"},
    {POLICY("x|1|2|drbd|4.0|32.0"), "f:8:1: owner: there is no group \"x\""},
    {POLICY("g|1|2|drbd|4,0|32.0"),
     "f:8:12: vcpu_ratio: expected a number above 0 and up to 1000, found \"4,0\""},
    {POLICY("g|1|2|drbd|0|32.0"),
     "f:8:12: vcpu_ratio: expected a number above 0 and up to 1000, found \"0\""},
    {POLICY("g|1|2|drbd"), "f:8:1: policies: expected at least 6 fields with | between them, found 4"},
};

static const char *sample_path, *golden_path;

static void load(const char *path, struct buf *ret_text)
{
    char chunk[4096];
    size_t size;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(ret_text, chunk, size);
    assert_int_equal(fclose(file), 0);
}

/* The error's line, or NULL; then the grid reads back from its lines. */
static const char *read_text(struct arena *arena, const char *text, size_t size, struct buf *ret_lines)
{
    struct grid_file grid = {0};
    struct error err;
    CLEANUP_BUF struct buf line = {0};
    CLEANUP_BUF struct buf warnings = {0};
    if (!ganeti_read(arena, "f", text, size, &grid, &warnings, &err)) {
        assert_int_equal(grid.now_ms, 0);
        assert_int_equal(warnings.size, 0);
        assert_true(err.line > 0 && err.column > 0 && err.message[0] != '\0');
        spec_format_error(&err, &line);
        assert_null(strchr(buf_text(&line), '\n'));
        return arena_strdup(arena, buf_text(&line));
    }
    grid_file_write(&grid.snapshot, ret_lines);
    if (ret_lines->size == 0) return NULL; /* a cluster of nothing */
    struct grid_file again;
    if (!grid_file_read(arena, "again", ret_lines->data, ret_lines->size, &again, &err))
        fail_msg("what was written is not read, %u: %s: %s: %.*s", err.line, err.field, err.message,
                 (int)size, text);
    grid_file_write(&again.snapshot, &line);
    assert_string_equal(buf_text(&line), buf_text(ret_lines));
    return NULL;
}

static void sample(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_BUF struct buf golden = {0};
    CLEANUP_BUF struct buf lines = {0};
    load(sample_path, &text);
    load(golden_path, &golden);
    const char *error = read_text(arena, buf_text(&text), text.size, &lines);
    if (error != NULL) fail_msg("%s", error);
    /* As it is written today: a new field that says nothing does not make another grid. */
    struct grid_file grid = {0};
    struct error err;
    CLEANUP_BUF struct buf wanted = {0};
    assert_true(grid_file_read(arena, "golden", buf_text(&golden), golden.size, &grid, &err));
    grid_file_write(&grid.snapshot, &wanted);
    assert_string_equal(buf_text(&lines), buf_text(&wanted));
}

static void refusals(void **state)
{
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf lines = {0};
        const char *error = read_text(arena, bad[i].text, strlen(bad[i].text), &lines);
        if (error == NULL || strcmp(error, bad[i].error) != 0)
            fail_msg("%s\nwanted: %s\nfound:  %s", bad[i].text, bad[i].error, error == NULL ? "none" : error);
    }
}

/* The cluster is read, and what is odd about it is told in a line for all nodes that have it. */
static void warnings(void **state)
{
    static const struct {
        const char *text, *warnings;
    } odd[] = {
        {VM("1024|4000|4|running|Y|n1|n2|drbd||1"), ""},
        {GROUP "n1|4096|512|3072|10000|4000|4|M|u|1\n\ni1|1024|1|4|running|Y|n1||plain||1\n\n\n", ""},
        {GROUP "n1|4096|512|3073|10000|4000|4|M|u|1\n\ni1|1024|1|4|running|Y|n1||plain||1\n\n\n",
         "warning: f:3:13: free_mem: 3073 MiB are said to be free, but the system and what runs leave 2560 "
         "of 4096: these "
         "are taken\n"},
        {GROUP "n1|4096|512|3584|10000|4000|4|M|u|1\n\ni1|1024|1|4|ADMIN_down|Y|n1||plain||1\n\n\n", ""},
        {VM("1024|4000|16|running|Y|n1||plain||1"), ""},
        {VM("1024|4000|17|running|Y|n1||plain||1\ni2|4|4|17|ADMIN_down|Y|n2||plain||1"),
         "warning: f:3:29: cpus: the instances have 17 vcpus, more than the 16 that the vcpu ratio allows: "
         "nothing has room "
         "there until some leave (and so on 1 more node)\n"},
    };
    for (size_t i = 0; i < LENGTH(odd); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf told = {0};
        struct grid_file grid;
        struct error err;
        assert_true(ganeti_read(arena, "f", odd[i].text, strlen(odd[i].text), &grid, &told, &err));
        assert_string_equal(buf_text(&told), odd[i].warnings);
    }
}

/* Windows' ends of lines, no end of the last line, nothing in it, more behind the policies. */
static void forms(void **state)
{
    static const char *const good[] = {"g|u|preferred||\r\n\r\n\r\n\r\n", "\n\n\n",
                                       GROUP NODES "\n\n|1|2|drbd|4.0|32.0\n\nwhat|comes|later\n",
                                       GROUP NODES "\n\n|1|2|drbd|3.9999999999999999|32.0"};
    for (size_t i = 0; i < LENGTH(good); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf lines = {0};
        const char *error = read_text(arena, good[i], strlen(good[i]), &lines);
        if (error != NULL) fail_msg("%s: %s", error, good[i]);
    }
}

static void mutations(void **state)
{
    static const char alphabet[] = "|||\n\n\r0123456789.-?YNMgnu ABc,\x80\x01";
    CLEANUP_BUF struct buf seed = {0};
    load(sample_path, &seed);
    uint64_t random = 5;
    int read = 0, refused = 0;
    for (int round = 0; round < 10000; round++) {
        char text[4096];
        size_t size = seed.size;
        assert_true(size < sizeof(text));
        memcpy(text, seed.data, size);
        for (uint64_t changes = 1 + draw(&random) % 3; changes > 0; changes--)
            mutate(&random, alphabet, sizeof(alphabet) - 1, text, &size, sizeof(text));
        CLEANUP_ARENA struct arena *arena = arena_new();
        CLEANUP_BUF struct buf lines = {0};
        if (read_text(arena, text, size, &lines) == NULL)
            read++;
        else
            refused++;
    }
    assert_true(read > 1000);
    assert_true(refused > 1000);
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sample), cmocka_unit_test(refusals),
                                       cmocka_unit_test(warnings), cmocka_unit_test(forms),
                                       cmocka_unit_test(mutations)};
    if (argument_count != 3) return 2;
    sample_path = arguments[1];
    golden_path = arguments[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
