/* Keys of parties as the API shows them, and whose sealed commands it passes on. */
#include "world.h"

#include "base/text.h"
#include "model/sealed.h"

#include <stdio.h>
#include <string.h>

static const char farms[] =
    "kind: Party\nname: beta\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}, spread: host}]\n---\n"
    "kind: Farm\nname: shop\nparty: beta\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n";

static struct world *started(char ret_acme[128])
{
    struct world *world = world_started(3);

    apply(world, farms);
    wait_running(world, "acme/shop/", 2, 10000);
    wait_running(world, "beta/shop/", 1, 10000);
    world_run_ms(world, 2000);
    const char *text = expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\"}");
    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", ret_acme), 1);
    return world;
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        found++;
    return found;
}

static void test_shown(void **state)
{
    char acme[128] = "";
    struct world *world = started(acme);

    const char *all = expect(world, 200, landlord, "GET", "/v1/pairs", NULL);
    assert_int_equal(count(all, "\"party\":\"landlord\""), 3);
    assert_int_equal(count(all, "\"party\":\"acme\""), 2);
    assert_int_equal(count(all, "\"party\":\"beta\""), 1);
    assert_int_equal(count(all, "\"taken\":\"\""), 6);
    CLEANUP_MEM char *own = mem_strdup(expect(world, 200, acme, "GET", "/v1/pairs", NULL));
    assert_int_equal(count(own, "\"party\":"), 2);
    assert_int_equal(count(own, "\"party\":\"acme\""), 2);
    assert_int_equal(count(expect(world, 200, acme, "GET", "/v1/pairs?name=acme/shop", NULL), "\"host\":"),
                     2);
    const char *one = expect(world, 200, acme, "GET", "/v1/pairs?name=acme/shop/web-1", NULL);
    assert_int_equal(count(one, "\"host\":"), 1);
    assert_non_null(strstr(one, truly_on(world, "acme/shop/web-1")));
    assert_int_equal(
        count(expect(world, 200, landlord, "GET", "/v1/pairs?name=acme/shop", NULL), "\"host\":"), 2);
    expect(world, 404, acme, "GET", "/v1/pairs?name=beta/shop", NULL); /* what one may not see is not there */
    expect(world, 404, acme, "GET", "/v1/pairs?name=h9", NULL);
    for (size_t i = 0; i < world->boxes_length; i++) { /* a host where it has nothing is not there, either */
        bool there = strstr(own, world->boxes[i].name) != NULL;
        CLEANUP_MEM char *path = mem_printf("/v1/pairs?name=%s", world->boxes[i].name);
        struct reply reply = ask(world, acme, "GET", path, NULL, NULL);
        assert_int_equal(reply.status, there ? 200 : 404);
        reply_free(&reply);
    }

    /* They are known while their hosts are away, and to the next controller. */
    CLEANUP_MEM char *before = mem_strdup(expect(world, 200, landlord, "GET", "/v1/pairs", NULL));
    world_stop_controller(world);
    for (size_t i = 0; i < world->boxes_length; i++)
        box_stop_agent(&world->boxes[i]);
    start_controller(world);
    assert_string_equal(expect(world, 200, landlord, "GET", "/v1/pairs", NULL), before);
    world_free(world);
}

/* Bytes with a right head, and a box that nobody opens. */
static struct reply pass(struct world *world, const char *token, const char *path, const char *host,
                         const char *party, size_t size)
{
    static const char *const headers[] = {"Content-Type: application/octet-stream", NULL};
    CLEANUP_BUF struct buf data = {0};
    struct sealed_head head = {0};

    snprintf(head.host, sizeof(head.host), "%s", host);
    snprintf(head.party, sizeof(head.party), "%s", party);
    sealed_head_write(&head, &data);
    while (data.size < size)
        buf_add_char(&data, 'x');
    return ask_bytes(world, token, "POST", path, headers, data.data, data.size);
}

static void passed(struct world *world, const char *token, const char *path, const char *host,
                   const char *party, int status, const char *why)
{
    struct reply reply = pass(world, token, path, host, party, 200);
    if (reply.status != status || !strstr(buf_text(&reply.body), why))
        fail_msg("%s: %d %s, not %d \"%s\"", path, reply.status, buf_text(&reply.body), status, why);
    reply_free(&reply);
}

static void test_passed_on(void **state)
{
    char acme[128] = "";
    struct world *world = started(acme);
    const char *host = truly_on(world, "acme/shop/web-1");
    CLEANUP_MEM char *path = mem_printf("/v1/sealed/%s/acme", host);

    /* Its agent says what is wrong with it, and that arrives. */
    passed(world, acme, path, host, "acme", 409, "sealed to a pair that acme does not have");
    passed(world, landlord, path, host, "acme", 409, "sealed to a pair that acme does not have");
    passed(world, acme, "/v1/sealed/h1/beta", "h1", "beta", 403, "acme sends no sealed commands of beta");
    passed(world, NULL, path, host, "acme", 401, "");
    passed(world, acme, "/v1/sealed/h9/acme", "h9", "acme", 404, "acme has no keys on a host h9");
    passed(world, acme, path, "h9", "acme", 422, "it goes to /v1/sealed/h9/acme");
    passed(world, acme, path, host, "beta", 422, "a sealed command of beta");
    struct reply reply = pass(world, acme, path, host, "acme", SEALED_COMMAND_SIZE_MAX + 1);
    assert_int_equal(reply.status, 413);
    reply_free(&reply);
    reply = ask(world, acme, "POST", path, NULL, "{}");
    assert_int_equal(reply.status, 422);
    reply_free(&reply);
    world_free(world);
}

/* One party that floods is held up, and no other. */
static void test_rate(void **state)
{
    char acme[128] = "";
    struct world *world = started(acme);
    CLEANUP_MEM char *path = mem_printf("/v1/sealed/%s/acme", truly_on(world, "acme/shop/web-1"));
    size_t sent = 0;

    for (; sent < 5000; sent++) {
        struct reply reply = ask(world, acme, "POST", path, NULL, "{}");
        bool over =
            reply.status == 409 && strstr(buf_text(&reply.body), "more than 500 sealed commands a second");
        reply_free(&reply);
        if (over) break;
    }
    assert_in_range(sent, 1000, 4999);
    passed(world, landlord, "/v1/sealed/h1/landlord", "h1", "landlord", 409, "sealed to a pair");
    world_run_ms(world, 1000);
    struct reply reply = ask(world, acme, "POST", path, NULL, "{}");
    assert_int_equal(reply.status, 422);
    reply_free(&reply);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_passed_on),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
