/* The key of something that is stored follows it from host to host, in a grid with a controller. */
#include "world.h"

#include "agent/internal.h"
#include "base/text.h"
#include "sim/vault.h"

#include <stdio.h>
#include <string.h>

static const char farms[] =
    "kind: Party\nname: acme\n---\nkind: Party\nname: beta\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}, spread: host}]\n---\n"
    "kind: Farm\nname: shop\nparty: beta\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 3, size: {cpus: 0.5, memory: 64Mi}, spread: host}]\n";

struct asked {
    bool done;
    struct error err; /* code ERROR_NONE: it is there */
};

static void done(void *ctx, const struct error *err)
{
    struct asked *asked = ctx;
    assert_false(asked->done);
    asked->done = true;
    if (err) asked->err = *err;
}

static struct asked ask_for(struct world *world, struct box *box, const char *host, const char *party,
                            const char *item)
{
    struct asked asked = {0};
    handover_ask(box->agent, host, party, item, done, &asked);
    for (int i = 0; i < 20000 && !asked.done; i++)
        world_run_ms(world, 1);
    assert_true(asked.done);
    return asked;
}

static void refused(struct world *world, struct box *box, const char *host, const char *party,
                    const char *item, const char *why)
{
    struct asked asked = ask_for(world, box, host, party, item);
    if (asked.err.code == ERROR_NONE || !strstr(asked.err.message, why))
        fail_msg("%s %s: \"%s\", not \"%s\"", party, item, asked.err.message, why);
}

struct key {
    unsigned char bytes[DISK_KEY_SIZE];
};

static struct key item_of(const struct box *box, const char *party, const char *item)
{
    struct key key;
    struct error err;
    if (!disk_item(box->agent, party, item, key.bytes, &err)) fail_msg("%s", err.message);
    return key;
}

static void reply_to(void *ctx, const struct answer *answer)
{
    *(int *)ctx = answer->status ? answer->status : -1;
}

/* What anybody says to the box's agent: a host's machine shows that host's certificate. */
static int post(struct world *world, struct sim_machine *machine, const struct box *to, const char *body)
{
    const struct net_port *net = sim_machine_port(machine);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = to->name,
                              .addresses = {to->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {
        .method = "POST", .path = "/agent/item", .body = body, .body_size = strlen(body)};
    int status = 0;

    net->call(net->self, &peer, &request, 5000, NULL, reply_to, &status);
    for (int i = 0; i < 6000 && !status; i++)
        world_run_ms(world, 1);
    return status;
}

static void test_handover(void **state)
{
    struct world *world = world_started(3);
    struct box *first = NULL, *second = NULL, *other = NULL;
    struct key key, moved;

    apply(world, farms);
    wait_running(world, "acme/shop/", 2, 10000);
    wait_running(world, "beta/shop/", 3, 10000);
    world_run_ms(world, 2000);
    first = world_box(world, truly_on(world, "acme/shop/web-1"));
    second = world_box(world, truly_on(world, "acme/shop/web-2"));
    for (size_t i = 0; i < world->boxes_length; i++)
        if (&world->boxes[i] != first && &world->boxes[i] != second) other = &world->boxes[i];

    key = item_of(first, "acme", "volume/data");
    struct asked asked = ask_for(world, second, first->name, "acme", "volume/data");
    if (asked.err.code != ERROR_NONE) fail_msg("%s", asked.err.message);
    moved = item_of(second, "acme", "volume/data");
    assert_memory_equal(&key, &moved, sizeof(key));
    asked = ask_for(world, second, first->name, "acme", "volume/data"); /* again is no harm */
    assert_int_equal(asked.err.code, ERROR_NONE);
    box_stop_agent(second);
    start_agent(second);
    world_run_ms(world, 2000);
    moved = item_of(second, "acme", "volume/data");
    assert_memory_equal(&key, &moved, sizeof(key));

    /* Not to a host without a place of the party, whatever it says of itself; not what is a host's own; not
     * over what is there. */
    refused(world, other, first->name, "acme", "volume/data", "acme has no keys on");
    CLEANUP_MEM char *body =
        mem_printf("{\"party\":\"acme\",\"item\":\"volume/data\",\"seal\":\"%064d\"}", 9);
    assert_int_equal(post(world, other->machine, first, body), 403);
    assert_int_equal(post(world, second->machine, first, body), 200);           /* to whom it belongs */
    assert_int_equal(post(world, world->controller_machine, first, body), 404); /* nor to controllers */
    static const char *const bad[] = {"", "{", "{\"party\":\"acme\"}",
                                      "{\"party\":\"acme\",\"item\":\"volume/data\",\"seal\":\"00\"}",
                                      "{\"party\":\"acme\",\"item\":\"volume/data\",\"seal\":\"x\",\"y\":1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(post(world, second->machine, first, bad[i]), 422);
    refused(world, second, first->name, "acme", "directory", "a host's own");
    refused(world, second, first->name, "acme", "volume/none", "acme has no volume/none on");
    refused(world, second, "h9", "acme", "volume/data", "no document says where host h9 is");
    item_of(first, "acme", "volume/two");
    moved = item_of(second, "acme", "volume/two");
    refused(world, second, first->name, "acme", "volume/two", "acme has another volume/two on");
    key = item_of(second, "acme", "volume/two");
    assert_memory_equal(&key, &moved, sizeof(key));

    /* Who has a key service passes it on himself. */
    apply(world, "kind: Key\nname: acme\ncustody: tenant\n");
    world_run_ms(world, 3000);
    refused(world, second, first->name, "acme", "volume/data", "waits for the key service of acme");
    CLEANUP_BUF struct buf json = {0};
    struct error err;
    assert_true(disk_keys_release(first->agent, "acme", "0123456789abcdef0123456789abcdef", 32, &json, &err));
    refused(world, second, first->name, "acme", "volume/data", "acme has a key service");
    world_free(world);
}

/* What the planner says of parties, from the document of a lease to the keys on hosts. */
static void test_lease(void **state)
{
    struct world *world = world_started(3);

    apply(world, farms);
    apply(world, "kind: Party\nname: gamma\nparent: beta\n---\n"
                 "kind: Lease\nname: beta\nto: beta\nrights: [software, lease, read]\n---\n"
                 "kind: Farm\nname: shop\nparty: gamma\nsubnet: 10.0.0.0/24\n"
                 "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n");
    wait_running(world, "beta/shop/", 3, 10000);
    wait_running(world, "gamma/shop/", 1, 10000);
    world_run_ms(world, 2000);
    struct box *box = world_box(world, truly_on(world, "gamma/shop/web-1"));
    const struct vault_port *vault = sim_vault_port(box->vault);
    struct key key = item_of(box, "gamma", "directory"), now;
    const struct host_party *gamma = disk_keys_party(box->agent, "gamma");
    struct vault_pair pair;

    assert_string_equal(gamma->parent, "beta");
    assert_false(gamma->severed);
    assert_int_equal(vault->secret_find(vault->self, "beta"), VAULT_SECRET_KEPT);
    expect(world, 200, landlord, "POST", "/v1/leases/beta/end", "{\"reason\":\"not paid\"}");
    world_run_ms(world, 15000);
    assert_false(vault->find(vault->self, "gamma", &pair) || vault->find(vault->self, "beta", &pair));
    assert_int_equal(vault->secret_find(vault->self, "beta"), VAULT_SECRET_NONE);
    assert_int_equal(vault->secret_find(vault->self, "gamma"), VAULT_SECRET_NONE);
    assert_null(strstr(expect(world, 200, landlord, "GET", "/v1/pairs", NULL), "\"party\":\"beta\""));
    assert_non_null(strstr(expect(world, 200, landlord, "GET", "/v1/pairs", NULL), "\"party\":\"acme\""));
    expect(world, 200, landlord, "DELETE", "/v1/farms/gamma/shop", NULL);
    apply(world, "kind: Lease\nname: beta\nto: beta\nrights: [software, lease, read]\n");
    wait_running(world, "beta/shop/", 3, 20000);
    world_run_ms(world, 3000);
    assert_non_null(disk_keys_party(box->agent, "beta"));
    now = item_of(box, "beta", "directory");
    assert_memory_not_equal(&key, &now, sizeof(key));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handover),
        cmocka_unit_test(test_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
