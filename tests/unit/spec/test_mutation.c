#include "check.h"
#include "mutate.h"

/* Texts that are valid, broken at random: the reader neither crashes nor fails without a place. */
static const char *const seeds[] = {
    "kind: Host\nname: h1\nzone: east/b1/r1\ncapacity: {cpus: 8, memory: 32Gi, disk: 400Gi, network: 10G}\n"
    "reserve: {cpus: 0.25, memory: 512Mi}\nstate: active\n---\nkind: Party\nname: acme\nparent: landlord\n"
    "quota: {cpus: 32, memory: 64Gi, disk: 1Ti, instances: 100, farms: 10}\n",
    "kind: Farm\nname: shop\nparty: acme\nsla: gold\nsubnet: 10.0.0.0/24\ntiers:\n  - name: web\n"
    "    image: hello:1\n    count: {committed: 2, guaranteed: 4, max: 8}\n    size: {cpus: 0.5, memory: "
    "64Mi}\n"
    "    command: [httpd, -f, -p, \"8080\"]\n    env: {GREETING: hello}\n"
    "    files: [{path: /etc/motd, content: \"welcome\\n\", mode: \"0644\"}]\n"
    "    health: {http: /healthz, port: 8080, every: 1s}\n    spread: rack\n    needs: [db]\n"
    "  - {name: db, image: 'db:2', health: {tcp: 5432}}\n"
    "balance:\n  - {name: www, port: 80, to: \"web:8080\", publish: \"127.0.0.1:8080\"}\n"
    "allow:\n  - {from: web, to: db, port: 5432/tcp}\n",
    "[{\"kind\":\"Party\",\"name\":\"a\\u00e4\\ud83d\\ude00\"},{\"kind\":\"Party\",\"name\":\"b\"}]",
};

static const char alphabet[] = "{}[]:,-#&*!|>'\"%@ \n\t\r\\0189azAZ/.~<\x80\xff\x01";

static void survives(void **state)
{
    uint64_t random = 7;
    int read = 0;
    int refused = 0;
    for (int round = 0; round < 20000; round++) {
        char text[4096];
        const char *seed = seeds[draw(&random) % LENGTH(seeds)];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        for (uint64_t changes = draw(&random) % 4; changes > 0; changes--)
            mutate(&random, alphabet, sizeof(alphabet) - 1, text, &size, sizeof(text));
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct documents documents = {0};
        struct error err;
        if (spec_read(arena, "f", text, size, &documents, &err)) {
            assert_true(documents.length > 0);
            for (size_t i = 0; i < documents.length; i++)
                check_read(arena, check_write(arena, &documents.items[i]));
            read++;
        } else {
            assert_true(err.line > 0 && err.column > 0);
            assert_string_equal(err.file, "f");
            assert_true(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
            refused++;
        }
    }
    /* Both ways were gone often, or the test says little. */
    assert_true(read > 2000);
    assert_true(refused > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(survives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
