/* Whom a host obeys for a party that is new there: as the party's other hosts do, when these agree. */
#include "world.h"

#include "model/schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static const char farm[] =
    "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/24\","
    "\"tiers\":[{\"name\":\"web\",\"image\":\"hello:1\",\"count\":%d,\"spread\":\"host\","
    "\"size\":{\"cpus\":0.5,\"memory\":\"64Mi\"},\"command\":[\"serve\"]}]}";

static void grow(struct world *world, int count)
{
    CLEANUP_MEM char *text = mem_printf(farm, count);
    apply(world, text);
    wait_running(world, "acme/shop/web", (size_t)count, 20000);
    world_run_ms(world, 5000);
}

/* As if these consoles had been let in there; NULL last. None: nobody has taken the keys. */
static void obey(struct box *box, const char *const *consoles)
{
    const struct disk_port *disk = sim_disk_port(box->disk);
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    buf_printf(&json, "{\"party\":\"acme\",\"generation\":2,\"taken_ms\":%d,\"own\":true,\"consoles\":[",
               consoles[0] ? 5 : 0);
    for (size_t i = 0; consoles[i]; i++)
        buf_printf(&json, "%s{\"key\":\"%s\",\"counter\":1}", i ? "," : "", consoles[i]);
    buf_add_text(&json, "]}");
    box_stop_agent(box);
    assert_true(disk->write(disk->self, "keys/acme", json.data, json.size, 0600, &err));
    start_agent(box);
}

/* What the host keeps of acme; in a buffer that the next call reuses. */
static const char *kept(struct box *box)
{
    static char text[1024];
    const struct disk_port *disk = sim_disk_port(box->disk);
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (!disk->read(disk->self, "keys/acme", &json, &err)) return "";
    snprintf(text, sizeof(text), "%s", buf_text(&json));
    return text;
}

static bool is_taken(struct world *world, const char *host)
{
    const struct host_fact *fact = fact_of(world, host);

    for (size_t i = 0; i < fact->keys_length; i++)
        if (text_equal(fact->keys[i].party, "acme")) return fact->keys[i].taken_ms != 0;
    fail_msg("%s has no keys of acme", host);
    return false;
}

/* Which of the first three has no instance: who joins next. */
static struct box *third(struct world *world)
{
    for (size_t i = 0; i < 3; i++) {
        CLEANUP_MEM char *name = mem_printf("h%zu", i + 1);
        const struct host_fact *fact = fact_of(world, name);
        bool here = false;
        for (size_t k = 0; k < fact->keys_length; k++)
            here |= text_equal(fact->keys[k].party, "acme");
        if (!here) return &world->boxes[i];
    }
    fail_msg("acme is everywhere");
    return NULL;
}

/* The two hosts that have acme obey these; which consoles does the third obey, and is it taken? */
static void check(const char *const *first, const char *const *second, const char *expected)
{
    struct world *world = world_started(3);
    size_t told = 0;

    grow(world, 2);
    struct box *last = third(world);
    for (size_t i = 0; i < 3; i++)
        if (&world->boxes[i] != last) obey(&world->boxes[i], told++ == 0 ? first : second);
    world_run_ms(world, 3000);
    grow(world, 3);
    assert_int_equal(is_taken(world, last->name), expected != NULL);
    CLEANUP_MEM char *wanted = expected ? mem_printf("\"consoles\":[{\"key\":\"%s\",", expected) : NULL;
    if (wanted &&
        (!strstr(kept(last), wanted) || strstr(strstr(kept(last), wanted) + strlen(wanted), "key\"")))
        fail_msg("%s", kept(last));
    assert_null(strstr(kept(last), "\"own\":true")); /* its pair is told: its party has to take it */
    world_free(world);
}

static void what_all_obey_is_obeyed(void **state)
{
    check((const char *const[]){KEY_A, KEY_B, NULL}, (const char *const[]){KEY_B, KEY_C, NULL}, KEY_B);
}

static void where_they_differ_nobody_is(void **state)
{
    check((const char *const[]){KEY_A, NULL}, (const char *const[]){KEY_B, NULL}, NULL);
    check((const char *const[]){KEY_A, NULL}, (const char *const[]){NULL}, NULL);
}

struct talk {
    int status;
    char body[512];
};

static void answered(void *ctx, const struct answer *answer)
{
    struct talk *talk = ctx;
    talk->status = answer->status ? answer->status : -1;
    snprintf(talk->body, sizeof(talk->body), "%.*s", (int)answer->body_size, (const char *)answer->body);
}

/* body: what stands in it. */
static void asked_by(struct world *world, struct sim_machine *machine, struct box *box, const char *path,
                     int status, const char *body)
{
    struct talk talk = {0};
    const struct net_port *net = sim_machine_port(machine);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = box->name,
                              .addresses = {box->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {.method = "GET", .path = path};

    net->call(net->self, &peer, &request, 1000, NULL, answered, &talk);
    world_run_ms(world, 1500);
    assert_int_equal(talk.status, status);
    if (!strstr(talk.body, body)) fail_msg("%s, not %s", talk.body, body);
}

/* A host that does not answer is waited for, and then done without; until then nobody is obeyed. */
static void who_is_silent_does_not_count(void **state)
{
    struct world *world = world_started(3);

    grow(world, 2);
    struct box *last = third(world), *away = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (&world->boxes[i] == last) continue;
        obey(&world->boxes[i], (const char *const[]){KEY_A, NULL});
        away = &world->boxes[i];
    }
    world_run_ms(world, 3000);
    box_stop_agent(away);
    CLEANUP_MEM char *text = mem_printf(farm, 3);
    apply(world, text);
    world_run_ms(world, 1000);
    asked_by(world, world->controller_machine, last, "/agent/log?instance=acme/shop/web-3&after=0", 409,
             "which asks its other hosts whom they obey");
    world_run_ms(world, 8000);
    asked_by(world, world->controller_machine, last, "/agent/log?instance=acme/shop/web-3&after=0", 409,
             "which obeys its sealed commands only");
    assert_true(is_taken(world, last->name));
    assert_non_null(strstr(kept(last), KEY_A));
    world_free(world);
}

/* Only hosts that have the party's members are told whom it obeys, and no controller. */
static void others_are_not_told(void **state)
{
    struct world *world = world_started(3);
    struct box *with[2] = {NULL, NULL};
    size_t length = 0;

    grow(world, 2);
    struct box *without = third(world);
    for (size_t i = 0; i < 3; i++)
        if (&world->boxes[i] != without) with[length++] = &world->boxes[i];
    obey(with[0], (const char *const[]){KEY_A, NULL});
    world_run_ms(world, 3000);
    static const char path[] = "/agent/consoles?party=acme";
    asked_by(world, with[1]->machine, with[0], path, 200,
             "{\"answer\":\"taken\",\"consoles\":[\"" KEY_A "\"]}");
    asked_by(world, without->machine, with[0], path, 200, "{\"answer\":\"unknown\"}");
    asked_by(world, with[1]->machine, with[0], "/agent/consoles?party=none", 200, "{\"answer\":\"unknown\"}");
    asked_by(world, with[1]->machine, with[0], "/agent/consoles?", 200, "{\"answer\":\"unknown\"}");
    asked_by(world, with[0]->machine, with[1], path, 200, "{\"answer\":\"open\"}");
    asked_by(world, world->controller_machine, with[0], path, 404, "no /agent/consoles");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_obey_is_obeyed),
        cmocka_unit_test(where_they_differ_nobody_is),
        cmocka_unit_test(who_is_silent_does_not_count),
        cmocka_unit_test(others_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
