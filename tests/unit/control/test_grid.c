/* The whole loop: documents in, instances running where they should, through everything that fails. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char shop[] = "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                           "tiers:\n"
                           "  - {name: web, image: \"hello:1\", count: 3, size: {cpus: 0.5, memory: 64Mi}, "
                           "health: {exec: [health]}, spread: host}\n"
                           "  - {name: db, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}\n";

static void settle(struct world *world)
{
    apply(world, shop);
    wait_running(world, "acme/shop/", 4, 5000);
    world_run_ms(world, 1000);
}

static void test_apply(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    assert_settled(world);
    assert_int_equal(fake_host_counts(world->boxes[0].truth)->images, 1);
    world_free(world);
}

static void test_scale(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":5}");
    wait_running(world, "acme/shop/web-", 5, 5000);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":1}");
    wait_running(world, "acme/shop/web-", 1, 20000);
    world_run_ms(world, 5000);
    assert_settled(world);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    wait_running(world, "acme/shop/", 0, 20000);
    world_run_ms(world, 5000);
    struct vec left = VEC_OF(struct fake_instance);
    fake_world_list(world->truth, &left);
    assert_int_equal(left.length, 0); /* wiped, not only stopped */
    vec_free(&left);
    for (size_t i = 0; i < 3; i++)
        assert_false(fake_host_has_farm(world->boxes[i].truth, "acme/shop"));
    assert_null(instance_of(world, "acme/shop/db-1"));
    world_free(world);
}

/* In which revisions a warm instance was let in, its host was told, and the next was made. */
struct told {
    uint64_t let_in, told, next;
};

static void note_told(void *ctx, const struct store_item *item)
{
    struct told *told = ctx;
    bool warm = item->value && strstr(item->value, "\"wanted\":\"warm\"");
    if (text_equal(item->key, "instance/acme/shop/web-2") && !warm && !told->let_in)
        told->let_in = item->revision;
    if (text_equal(item->key, "instance/acme/shop/web-3") && !told->next) told->next = item->revision;
    if (text_starts(item->key, "host-document/") && !told->told) told->told = item->revision;
}

/* A decision and the documents that follow from it are one transaction, and what serves goes before what
 * only fills the place at the door. */
static void test_warm_first(void **state)
{
    struct world *world = world_started(1);
    struct told told = {0};
    struct store_watch *watch = NULL;
    struct error err;
    apply(world, "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\ntiers:\n"
                 "  - {name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}, warm: 1, "
                 "health: {exec: [health]}}\n");
    wait_running(world, "acme/shop/", 2, 5000);
    world_run_ms(world, 1000);
    assert_true(
        store_watch_start(world->store, "", store_revision(world->store), note_told, &told, &watch, &err));
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":2}");
    wait_running(world, "acme/shop/", 3, 5000);
    store_watch_stop(world->store, watch);
    assert_int_not_equal(told.let_in, 0);
    assert_int_equal(told.told, told.let_in);
    assert_true(told.next > told.let_in);
    world_free(world);
}

static void test_host_dies(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    int64_t incarnation = instance_of(world, "acme/shop/web-1")->incarnation;
    box_die(world_box(world, host));
    wait_host(world, host, HOST_DOWN, 1000);
    wait_running(world, "acme/shop/", 4, 5000);
    assert_true(fact_of(world, host)->fenced);
    assert_string_not_equal(truly_on(world, "acme/shop/web-1"), host);
    assert_true(instance_of(world, "acme/shop/web-1")->incarnation > incarnation);
    assert_settled(world);
    /* It comes back, with its disk and the document of before on it: what it had runs elsewhere. */
    boot(world_box(world, host));
    wait_host(world, host, HOST_UP, 3000);
    world_run_ms(world, 5000);
    assert_settled(world);
    world_free(world);
}

/* A host that no controller reaches but that runs on: only fencing makes its instances free. */
static void test_cut_off(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    world->power_fails = true;
    sim_net_cut_off(world->net, host, -1, true);
    wait_host(world, host, HOST_DOWN, 2500);
    world_run_ms(world, 20000);
    assert_false(fact_of(world, host)->fenced);
    assert_string_equal(truly_on(world, "acme/shop/web-1"), host); /* still there, and only there */
    assert_non_null(strstr(fact_of(world, host)->reason, "stuck"));
    world->power_fails = false;
    wait_running(world, "acme/shop/", 4, 5000); /* tried again */
    assert_string_not_equal(truly_on(world, "acme/shop/web-1"), host);
    assert_settled(world);
    world_free(world);
}

static void test_cut_off_and_back(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    unsigned before = operations(world);
    world->power_fails = true;
    sim_net_cut_off(world->net, host, -1, true);
    wait_host(world, host, HOST_DOWN, 2500);
    sim_net_cut_off(world->net, host, -1, false);
    wait_host(world, host, HOST_UP, 5000);
    world_run_ms(world, 5000);
    assert_int_equal(operations(world), before);
    assert_settled(world);
    world_free(world);
}

static void joined(void *ctx, const struct answer *answer)
{
    *(int *)ctx = answer->status;
}

/* Who knows the token becomes a host, of whatever name. */
static void test_join(void **state)
{
    static const struct {
        const char *token, *name;
        int status;
    } rows[] = {{"join", "h9", 200}, {"join", "controller", 200}, {"guess", "h8", 403}, {"join", "H 9", 422}};
    struct world *world = world_started(1);
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {"10.90.0.1:7070"}, .addresses_length = 1, .only_address = -1};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        CLEANUP_BUF struct buf body = {0};
        int status = 0;
        buf_printf(
            &body,
            "{\"token\":\"%s\",\"name\":\"%s\",\"request\":\"request of %s\",\"addresses\":[\"10.90.1.9\"]}",
            rows[i].token, rows[i].name, rows[i].name);
        const struct request request = {
            .method = "POST", .path = "/agent/join", .body = body.data, .body_size = body.size};
        net->call(net->self, &peer, &request, 1000, NULL, joined, &status);
        world_run_ms(world, 2000);
        assert_int_equal(status, rows[i].status);
    }
    world_free(world);
}

/* Who has a certificate is not therefore to be believed: what is no text is refused. */
static void test_hello_malformed(void **state)
{
    static const struct {
        const char *path, *addresses;
        int status;
    } rows[] = {{"/agent/hello", "[{}]", 422},
                {"/agent/hello", "[\"10.90.1.1:7071\",[]]", 422},
                {"/agent/hello", "[\"10.90.1.1:7071\",null]", 422},
                {"/agent/hello", "{\"a\":{}}", 422},
                {"/agent/join", "[{}]", 422},
                {"/agent/hello", "[\"10.90.1.1:7071\"]", 200}};
    struct world *world = world_started(1);
    const struct net_port *net = sim_machine_port(world->boxes[0].machine);
    const struct peer peer = {.role = ROLE_CONTROLLER,
                              .addresses = {"10.90.0.1:7070"},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        CLEANUP_BUF struct buf body = {0};
        int status = 0;
        buf_printf(&body,
                   "{\"token\":\"join\",\"name\":\"h9\",\"request\":\"request of h9\",\"boot\":\"x\","
                   "\"underlay\":\"10.92.1.1\",\"addresses\":%s}",
                   rows[i].addresses);
        const struct request request = {
            .method = "POST", .path = rows[i].path, .body = body.data, .body_size = body.size};
        net->call(net->self, &peer, &request, 1000, NULL, joined, &status);
        world_run_ms(world, 2000);
        assert_int_equal(status, rows[i].status);
    }
    world_free(world);
}

static int ask_as_host(struct world *world, const char *host, const struct peer *peer, const char *method,
                       const char *path, const char *body)
{
    struct sim_machine *machine = sim_net_machine(world->net, "stranger");
    const struct net_port *net = sim_machine_port(machine);
    const struct request request = {
        .method = method, .path = path, .body = body, .body_size = body ? strlen(body) : 0};
    int status = 0;

    sim_machine_certify(machine, host ? ROLE_HOST : ROLE_NONE, host);
    net->call(net->self, peer, &request, 1000, NULL, joined, &status);
    world_run_ms(world, 2000);
    return status;
}

/* Commands come from controllers, reports from hosts, each about itself; a host's name gives no right. */
static void test_roles(void **state)
{
    static const char *const commands[][2] = {{"POST", "/agent/look"},
                                              {"POST", "/agent/exec?instance=acme/shop/db-1"},
                                              {"GET", "/agent/log?instance=acme/shop/db-1"},
                                              {"GET", "/agent/usage"}};
    struct world *world = world_started(2);
    settle(world);
    const struct peer h1 = {.role = ROLE_HOST,
                            .name = "h1",
                            .addresses = {world->boxes[0].addresses[0]},
                            .addresses_length = 1,
                            .tls = true,
                            .only_address = -1};
    const struct peer controller = {.role = ROLE_CONTROLLER,
                                    .addresses = {"10.90.0.1:7070"},
                                    .addresses_length = 1,
                                    .tls = true,
                                    .only_address = -1};

    for (size_t i = 0; i < LENGTH(commands); i++) {
        const char *const *command = commands[i];
        assert_int_equal(ask_as_host(world, "controller", &h1, command[0], command[1], "{}"), 403);
        assert_int_equal(ask_as_host(world, NULL, &h1, command[0], command[1], "{}"), 403);
    }
    assert_int_equal(ask_as_host(world, "h2", &h1, "GET", "/agent/alive", NULL), 200);
    assert_int_equal(ask_as_host(world, "h2", &h1, "GET", "/agent/given-up?host=h2", NULL), 200);
    assert_int_equal(ask_as_host(world, NULL, &h1, "GET", "/agent/alive", NULL), 403);
    assert_int_equal(ask_as_host(world, "h1", &controller, "POST", "/agent/beat?path=0", NULL), 200);
    assert_int_equal(ask_as_host(world, NULL, &controller, "POST", "/agent/beat?path=0", NULL), 403);
    assert_int_equal(ask_as_host(world, "h2", &controller, "POST", "/agent/report", "{\"host\":\"h1\"}"),
                     403);
    /* The controllers' own certificate is no host's. */
    sim_machine_certify(world->person, ROLE_CONTROLLER, NULL);
    const struct net_port *net = sim_machine_port(world->person);
    const struct request beat = {.method = "POST", .path = "/agent/beat?path=0"};
    int status = 0;
    net->call(net->self, &controller, &beat, 1000, NULL, joined, &status);
    world_run_ms(world, 2000);
    assert_int_equal(status, 403);
    /* Who answers in a controller's place with a host's certificate is not told anything. */
    sim_machine_certify(world->controller_machine, ROLE_HOST, "controller");
    assert_int_equal(ask_as_host(world, "h1", &controller, "POST", "/agent/beat?path=0", NULL), 0);
    world_free(world);
}

static void test_one_path(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    unsigned before = operations(world);
    for (int path = 0; path < 2; path++) {
        sim_net_cut_off(world->net, "h1", path, true);
        for (int i = 0; i < 600; i++) {
            world_run_ms(world, 100);
            assert_int_equal(fact_of(world, "h1")->state, HOST_UP);
        }
        sim_net_cut_off(world->net, "h1", path, false);
        world_run_ms(world, 2000);
    }
    assert_int_equal(operations(world), before);
    /* And over the one that is left a new document still comes. */
    sim_net_cut_off(world->net, "h1", 0, true);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":6}");
    wait_running(world, "acme/shop/web-", 6, 5000);
    world_free(world);
}

static void test_agent_away(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    struct box *box = world_box(world, host);
    unsigned before = operations(world);

    box_stop_agent(box);
    wait_host(world, host, HOST_SUSPECT, 1500);
    world_run_ms(world, 7500);
    assert_int_equal(fact_of(world, host)->state, HOST_SUSPECT);
    start_agent(box);
    wait_host(world, host, HOST_UP, 2000);
    world_run_ms(world, 3000);
    assert_int_equal(operations(world), before); /* what ran was left alone */

    box_stop_agent(box);
    world_run_ms(world, 9500);
    assert_int_equal(fact_of(world, host)->state, HOST_SUSPECT);
    assert_string_equal(truly_on(world, "acme/shop/web-1"), host);
    wait_host(world, host, HOST_DOWN, 3000);
    wait_running(world, "acme/shop/", 4, 5000);
    assert_settled(world);
    world_free(world);
}

static void test_controller_restarts(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    unsigned before = operations(world);
    char *was = mem_strdup(expect(world, 200, landlord, "GET", "/v1/instances", NULL));
    world_stop_controller(world);
    world_run_ms(world, 30000);
    start_controller(world);
    world_run_ms(world, 10000);
    assert_int_equal(operations(world), before);
    assert_string_equal(was, expect(world, 200, landlord, "GET", "/v1/instances", NULL));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fact_of(world, world->boxes[i].name)->state, HOST_UP);
    mem_free(was);
    world_free(world);
}

/* A host dies while no controller is there, or while the one that doubts it goes. */
static void test_controller_restarts_in_doubt(void **state)
{
    for (int64_t doubted_ms = 0; doubted_ms < 1500; doubted_ms += 100) {
        struct world *world = world_started(3);
        settle(world);
        const char *host = truly_on(world, "acme/shop/web-1");
        box_die(world_box(world, host));
        world_run_ms(world, doubted_ms);
        world_stop_controller(world);
        world_run_ms(world, 1000);
        start_controller(world);
        wait_running(world, "acme/shop/", 4, 15000);
        assert_settled(world);
        world_free(world);
    }
}

static bool is_asked(void *ctx)
{
    return sim_machine_exchanges(((struct world *)ctx)->boxes[1].machine) > 0;
}

/* The one that it asks is asked when it is stopped: nothing of it may be called after. */
static void test_agent_stops_in_look(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    box_die(&world->boxes[0]);
    assert_true(sim_clock_run_until(world->clock, 1000000, is_asked, world));
    box_stop_agent(&world->boxes[1]);
    box_stop_agent(&world->boxes[2]);
    world_run_ms(world, 1000);
    start_agent(&world->boxes[1]);
    start_agent(&world->boxes[2]);
    wait_running(world, "acme/shop/", 4, 20000);
    assert_settled(world);
    world_free(world);
}

/* Nobody can switch hosts: both that die wait for a word of the landlord's. */
static void test_no_power(void **state)
{
    struct world *world = world_started(4);
    settle(world);
    world_stop_controller(world);
    world->no_power = true;
    start_controller(world);
    world_run_ms(world, 5000);
    box_die(&world->boxes[0]);
    box_die(&world->boxes[1]);
    wait_host(world, "h1", HOST_DOWN, 5000);
    wait_host(world, "h2", HOST_DOWN, 5000);
    world_run_ms(world, 5000);
    assert_false(fact_of(world, "h1")->fenced);
    assert_non_null(strstr(fact_of(world, "h2")->reason, "croft power HOST off"));
    expect(world, 200, landlord, "POST", "/v1/hosts/h1/power", "{\"order\":\"off\"}");
    expect(world, 200, landlord, "POST", "/v1/hosts/h2/power", "{\"order\":\"off\"}");
    wait_running(world, "acme/shop/", 4, 5000);
    assert_settled(world);
    world_free(world);
}

/* The host restarts faster than anybody notices: its instances are started again, there, once. */
static void test_fast_reboot(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    box_die(&world->boxes[0]);
    world_run_ms(world, 100);
    boot(&world->boxes[0]);
    wait_running(world, "acme/shop/", 4, 10000);
    world_run_ms(world, 2000);
    assert_settled(world);
    assert_int_equal(fact_of(world, "h1")->state, HOST_UP);
    world_free(world);
}

struct meddler {
    const char *path, *from; /* NULL: any */
    int every, seen;
    struct sim_fate fate;
};

static void meddle(void *ctx, const char *from, const char *to, const struct request *request,
                   struct sim_fate *ret_fate)
{
    struct meddler *meddler = ctx;
    if (!text_starts(request->path, meddler->path) || (meddler->from && !text_equal(from, meddler->from)))
        return;
    if (++meddler->seen % meddler->every == 0) *ret_fate = meddler->fate;
}

static void test_reports_meddled(void **state)
{
    struct meddler meddlers[] = {{"/agent/report", NULL, 2, 0, {.lose = true}},
                                 {"/agent/report", NULL, 2, 0, {.lose_answer = true}},
                                 {"/agent/report", NULL, 1, 0, {.repeat = true}},
                                 {"/agent/report", NULL, 3, 0, {.late_us = 6000000}},
                                 {"/agent/document", "h1", 2, 0, {.lose_answer = true}},
                                 {"/agent/hello", NULL, 2, 0, {.repeat = true}},
                                 {"/agent/document", NULL, 2, 0, {.repeat = true}}};
    for (size_t i = 0; i < LENGTH(meddlers); i++) {
        struct world *world = world_started(3);
        sim_net_meddle(world->net, meddle, &meddlers[i]);
        for (size_t j = 0; j < 3; j++) {
            box_stop_agent(&world->boxes[j]);
            start_agent(&world->boxes[j]);
        }
        apply(world, shop);
        wait_running(world, "acme/shop/", 4, 120000);
        expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":1}");
        wait_running(world, "acme/shop/", 2, 200000);
        expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":3}");
        wait_running(world, "acme/shop/", 4, 200000);
        /* Questions for documents are answered late when nothing is new: until some were meddled with. */
        for (int second = 0; second < 120 && meddlers[i].seen <= 2; second++)
            world_run_ms(world, 1000);
        assert_true(meddlers[i].seen > 2);
        assert_settled(world);
        world_free(world);
    }
}

/* Switched off and on again, a host is heard but does not hear. The others know it as up by then, and still
 * have to know it as given up: what its own document says runs on them. */
static void test_back_half_heard(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    struct meddler meddler = {"/agent/hello", host, 1, 0, {.lose_answer = true}};
    box_die(world_box(world, host));
    wait_host(world, host, HOST_DOWN, 1000);
    wait_running(world, "acme/shop/", 4, 5000);
    sim_net_meddle(world->net, meddle, &meddler);
    boot(world_box(world, host));
    wait_host(world, host, HOST_UP, 3000);
    world_run_ms(world, 500); /* the others have heard */
    world_stop_controller(world);
    world_run_ms(world, 20000); /* judged all the while */
    assert_int_equal(truly_running(world, "acme/shop/"), 4);
    sim_net_meddle(world->net, NULL, NULL);
    start_controller(world);
    world_run_ms(world, 10000);
    assert_settled(world);
    assert_false(fact_of(world, host)->given_up);
    world_free(world);
}

/* What a host sent before it was switched off is no sign of life. */
static void test_beat_from_before(void **state)
{
    struct world *world = world_started(3);
    settle(world);
    const char *host = truly_on(world, "acme/shop/web-1");
    struct meddler meddler = {"/agent/beat", host, 1, 0, {.late_us = 3000000}};
    sim_net_meddle(world->net, meddle, &meddler);
    world_run_ms(world, 300);
    box_die(world_box(world, host));
    wait_host(world, host, HOST_DOWN, 2000);
    world_run_ms(world, 1000);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(fact_of(world, host)->state, HOST_DOWN);
        assert_true(fact_of(world, host)->fenced);
        world_run_ms(world, 10);
    }
    world_free(world);
}

/* A report that stood in a queue comes after a newer one: the newer one's truth has to stay. */
static void test_report_overtaken(void **state)
{
    struct meddler meddler = {"/agent/report", "h1", 1, 0, {.late_us = 8000000}};
    struct world *world = world_started(1);
    settle(world);
    sim_net_meddle(world->net, meddle, &meddler);
    fake_world_script(world->truth, "acme/shop/web-1")->unhealthy = true;
    world_run_ms(world, 3300); /* bad, taken down: this report is under way */
    fake_world_script(world->truth, "acme/shop/web-1")->unhealthy = false;
    meddler.every = 1000000;   /* those after it pass */
    world_run_ms(world, 6000); /* it is given up, and the next one told */
    wait_running(world, "acme/shop/", 4, 20000);
    int64_t restarts = instance_of(world, "acme/shop/web-1")->restarts;
    assert_true(restarts > 0);
    world_run_ms(world, 20000);
    assert_int_equal(instance_of(world, "acme/shop/web-1")->state, INSTANCE_RUNNING);
    assert_int_equal(instance_of(world, "acme/shop/web-1")->health, HEALTH_GOOD);
    assert_int_equal(instance_of(world, "acme/shop/web-1")->restarts, restarts);
    world_free(world);
}

static void test_weather(void **state)
{
    const struct sim_weather weather = {200, 20000, 10, 20};
    struct world *world = world_started(4);
    sim_net_weather(world->net, &weather);
    settle(world);
    world_run_ms(world, 60000);
    wait_running(world, "acme/shop/", 4, 10000);
    for (int round = 0; round < 5; round++) {
        struct box *box = &world->boxes[round % 4];
        box_die(box);
        world_run_ms(world, 700 * round);
        boot(box);
        wait_running(world, "acme/shop/", 4, 60000);
    }
    world_run_ms(world, 20000);
    assert_settled(world);
    world_free(world);
}

static void test_two_appliers(void **state)
{
    struct world *world = world_started(1);
    char first[300], etag[256];
    struct reply reply;

    apply(world, shop);
    reply = ask(world, landlord, "GET", "/v1/farms/acme/shop", NULL, NULL);
    assert_non_null(reply_header(&reply, "ETag", etag));
    snprintf(first, sizeof(first), "If-Match: %s", etag);
    reply_free(&reply);
    const char *const headers[] = {first, NULL};
    static const char small[] =
        "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: "
        "\"hello:1\", count: 1, size: {cpus: 0.1, memory: 16Mi}}]\n";
    reply = ask(world, landlord, "PUT", "/v1/farms/acme/shop", headers, small);
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
    reply = ask(world, landlord, "PUT", "/v1/farms/acme/shop", headers, shop);
    assert_int_equal(reply.status, 412);
    reply_free(&reply);
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL), "16Mi"));
    reply = ask(world, landlord, "DELETE", "/v1/farms/acme/shop", headers, NULL);
    assert_int_equal(reply.status, 412);
    reply_free(&reply);
    world_free(world);
}

/* web-1 behind a balancer that has one connection to it, and asked to go elsewhere; ret_host: where it is. */
static struct world *moving(const char **ret_host, struct box **ret_balancer)
{
    struct world *world = world_started(3);
    CLEANUP_BUF struct buf yaml = {0};
    buf_add_text(&yaml, shop);
    buf_add_text(&yaml, "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: "
                        "\"127.0.0.1:8080\"}\n");
    apply(world, buf_text(&yaml));
    wait_running(world, "acme/shop/", 5, 10000);
    world_run_ms(world, 2000);
    *ret_host = truly_on(world, "acme/shop/web-1");
    assert_non_null(truly_on(world, "acme/shop/balance-1"));
    *ret_balancer = world_box(world, truly_on(world, "acme/shop/balance-1"));
    fake_host_hold((*ret_balancer)->truth, "web-1", 1);
    expect(world, 200, landlord, "POST", "/v1/instances/acme/shop/web-1/move",
           text_equal(*ret_host, "h1") ? "{\"host\":\"h2\"}" : "{\"host\":\"h1\"}");
    return world;
}

/* A client that never lets go: after 30 s the member goes all the same, and again and again. */
static void test_drain_held(void **state)
{
    const char *host = NULL;
    struct box *balancer = NULL;
    struct world *world = moving(&host, &balancer);

    for (int round = 0; round < 3; round++) {
        world_run_ms(world, 29000);
        assert_string_equal(truly_on(world, "acme/shop/web-1"), host);
        world_run_ms(world, 6000);
        assert_string_not_equal(truly_on(world, "acme/shop/web-1"), host);
        assert_settled(world);
        host = truly_on(world, "acme/shop/web-1");
        expect(world, 200, landlord, "POST", "/v1/instances/acme/shop/web-1/move",
               text_equal(host, "h1") ? "{\"host\":\"h2\"}" : "{\"host\":\"h1\"}");
    }
    world_free(world);
}

static void test_drain(void **state)
{
    const char *host = NULL;
    struct box *balancer = NULL;
    struct world *world = moving(&host, &balancer);

    world_run_ms(world, 3000);
    CLEANUP_BUF struct buf servers = {0};
    fake_host_servers(balancer->truth, "acme/shop/balance-1", &servers);
    assert_non_null(strstr(buf_text(&servers), "web-1=drain"));
    assert_string_equal(truly_on(world, "acme/shop/web-1"), host); /* as long as somebody is connected */
    fake_host_hold(balancer->truth, "web-1", 0);
    for (int i = 0; i < 1000 && (!truly_on(world, "acme/shop/web-1") ||
                                 text_equal(truly_on(world, "acme/shop/web-1"), host));
         i++)
        world_run_ms(world, 10);
    assert_non_null(truly_on(world, "acme/shop/web-1"));
    assert_string_not_equal(truly_on(world, "acme/shop/web-1"), host);
    expect(world, 200, landlord, "POST", "/v1/hosts/h3/drain", NULL);
    world_run_ms(world, 20000);
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = {"web-1", "web-2", "web-3", "db-1", "balance-1"};
        char name[64];
        snprintf(name, sizeof(name), "acme/shop/%s", names[i]);
        if (truly_on(world, name)) assert_string_not_equal(truly_on(world, name), "h3");
    }
    wait_running(world, "acme/shop/", 5, 20000);
    world_free(world);
}

static const char served[] = "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
                             "tiers:\n"
                             "  - {name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}, "
                             "health: {exec: [health]}, spread: host}\n"
                             "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\"}\n";

static bool is_ready(struct world *world)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct mirror *mirror = controller_mirror(world->controller);
    const struct record *record = mirror_get(mirror, RECORD_FARM, "acme/shop");
    const char *reason = NULL;
    return text_equal(plan_farm_state(arena, mirror_snapshot(mirror), record->object, &reason), "ready");
}

/* How many members the balancer truly lets requests go to. */
static size_t truly_served(struct world *world)
{
    const char *host = truly_on(world, "acme/shop/balance-1");
    CLEANUP_BUF struct buf text = {0};
    size_t count = 0;

    if (!host) return 0;
    fake_host_servers(world_box(world, host)->truth, "acme/shop/balance-1", &text);
    for (const char *at = buf_text(&text); (at = strstr(at, "web-")); at++)
        count += at[strcspn(at, " =")] != '=';
    return count;
}

/* In the very step in which the farm is ready, its balancer has neither less nor more than its members. */
static void wait_served(struct world *world, size_t count)
{
    for (int64_t i = 0; !is_ready(world); i++) {
        if (i > 30000) fail_msg("the farm does not get ready");
        world_run_ms(world, 1);
    }
    assert_int_equal(truly_served(world), count);
}

static void scale_to(struct world *world, size_t count)
{
    CLEANUP_MEM char *body = mem_printf("{\"tier\":\"web\",\"count\":%zu}", count);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", body);
}

static void test_ready_is_served(void **state)
{
    static const size_t counts[] = {5, 1, 3, 4};
    struct world *world = world_started(3);
    apply(world, served);
    wait_served(world, 2);
    for (size_t i = 0; i < LENGTH(counts); i++) {
        scale_to(world, counts[i]);
        assert_false(is_ready(world));
        wait_served(world, counts[i]);
    }
    /* The balancer's host is gone: its members are served by another one before the farm is ready again. */
    box_die(world_box(world, truly_on(world, "acme/shop/balance-1")));
    for (int64_t i = 0; is_ready(world) && i < 5000; i++)
        world_run_ms(world, 1);
    wait_served(world, 4);
    world_free(world);
}

/* What was confirmed is a fact: it outlasts who confirmed it and who was told. */
static void test_ready_outlasts(void **state)
{
    struct world *world = world_started(3);
    apply(world, served);
    wait_served(world, 2);
    const char *host = truly_on(world, "acme/shop/balance-1");
    world_stop_controller(world);
    start_controller(world);
    assert_true(is_ready(world));
    box_stop_agent(world_box(world, host));
    world_run_ms(world, 100);
    start_agent(world_box(world, host));
    for (int64_t i = 0; i < 3000; i++) {
        assert_true(is_ready(world));
        world_run_ms(world, 1);
    }
    /* Members that came while the balancer's agent was away are not served, and nobody says so. */
    box_stop_agent(world_box(world, host));
    scale_to(world, 4);
    for (int64_t i = 0; i < 2000; i++) {
        assert_false(is_ready(world));
        world_run_ms(world, 1);
    }
    world_stop_controller(world);
    start_controller(world);
    start_agent(world_box(world, host));
    wait_served(world, 4);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_warm_first),
        cmocka_unit_test(test_host_dies),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_cut_off_and_back),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_hello_malformed),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_one_path),
        cmocka_unit_test(test_agent_away),
        cmocka_unit_test(test_controller_restarts),
        cmocka_unit_test(test_controller_restarts_in_doubt),
        cmocka_unit_test(test_agent_stops_in_look),
        cmocka_unit_test(test_no_power),
        cmocka_unit_test(test_fast_reboot),
        cmocka_unit_test(test_reports_meddled),
        cmocka_unit_test(test_back_half_heard),
        cmocka_unit_test(test_beat_from_before),
        cmocka_unit_test(test_report_overtaken),
        cmocka_unit_test(test_weather),
        cmocka_unit_test(test_two_appliers),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_held),
        cmocka_unit_test(test_ready_is_served),
        cmocka_unit_test(test_ready_outlasts),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
