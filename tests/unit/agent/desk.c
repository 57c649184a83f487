#include "desk.h"

#include "model/schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char desk_image[] = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

static void serve(void *ctx, struct exchange *exchange, const struct request *request,
                  const struct sender *sender);
static void note_beat(struct desk *desk);
static void poll_gone(void *ctx);
static void give(struct desk *desk);

struct desk *desk_new(void)
{
    struct desk *desk = mem_alloc(sizeof(*desk));
    desk->world = small_world(2);
    desk->box = &desk->world->boxes[0];
    desk->signer = sim_identity_new("croft");
    sim_machine_listen(desk->world->controller_machine, "10.90.0.1:7070", 0, serve, desk);
    sim_machine_listen(desk->world->controller_machine, "10.91.0.1:7070", 1, serve, desk);
    return desk;
}

void desk_free(struct desk *desk)
{
    world_free(desk->world);
    sim_identity_free(desk->signer);
    buf_free(&desk->document);
    buf_free(&desk->report);
    mem_free(desk);
}

/* A balancer of servers w-1, w-2, …: `servers` of them. What it is to say back names their number. */
static void add_balancer(struct personality *personality, int64_t servers)
{
    static struct balance_server list[8]; /* the same in every test */
    static struct balance_frontend frontend;
    static char names[8][8], hash[24];

    for (size_t i = 0; i < LENGTH(list); i++) {
        snprintf(names[i], sizeof(names[0]), "w-%zu", i + 1);
        list[i] = (struct balance_server){names[i], 0x0a000064U + (uint32_t)i, 8080, false};
    }
    frontend = (struct balance_frontend){.name = "www",
                                         .port = 80,
                                         .publish = "",
                                         .health_path = "",
                                         .servers = list,
                                         .servers_length = (size_t)servers};
    snprintf(hash, sizeof(hash), "serves %" PRId64, servers);
    personality->health = (struct health){.path = ""};
    personality->frontends = &frontend;
    personality->frontends_length = 1;
    personality->frontends_hash = hash;
}

void tell(struct desk *desk, int64_t version, int64_t incarnation, const char *const *names)
{
    static const char *const health[] = {"health"};
    const struct host_farm farm = {
        .name = "acme/shop", .vni = 7, .subnet = {0x0a000000U, 24}, .gateway = 0x0a000001U};
    struct personality instances[8];
    char texts[8][64];
    bool only_image = names[0] && text_equal(names[0], "hello:1");
    size_t length = 0;

    for (; names[length] && !only_image; length++) {
        snprintf(texts[length], sizeof(texts[0]), "acme/shop/%.*s", (int)strcspn(names[length], "="),
                 names[length]);
        instances[length] = (struct personality){.instance = texts[length],
                                                 .party = "acme",
                                                 .farm = "acme/shop",
                                                 .tier = "web",
                                                 .incarnation = incarnation,
                                                 .digest = desk_image,
                                                 .size = {500, 64 << 20, 0, 0},
                                                 .wanted = strstr(names[length], "=warm")    ? WANTED_WARM
                                                           : strstr(names[length], "=drain") ? WANTED_DRAIN
                                                                                             : WANTED_RUN,
                                                 .health = {.kind = HEALTH_EXEC,
                                                            .path = "",
                                                            .command = health,
                                                            .command_length = 1,
                                                            .every_ms = 1000,
                                                            .timeout_ms = 500,
                                                            .fails = 3},
                                                 .address = 0x0a000002U + (uint32_t)length};
        if (text_starts(names[length], "www="))
            add_balancer(&instances[length], strtoll(strchr(names[length], '=') + 1, NULL, 10));
    }
    struct host_document document = {.version = version,
                                     .images_length = only_image,
                                     .farms = &farm,
                                     .farms_length = length > 0,
                                     .instances = instances,
                                     .instances_length = length};
    tell_document(desk, &document);
}

void tell_document(struct desk *desk, struct host_document *document)
{
    struct world *world = desk->world;
    const char *const layers[] = {world->layer};
    const struct image image = {.name = "hello:1",
                                .party = desk->image_party ? desk->image_party : "landlord",
                                .digest = desk_image,
                                .layers = layers,
                                .layers_length = 1,
                                .directory = "/",
                                .user = "0"};
    /* h2 has no agent: nobody can say that this host was not given up. */
    const struct host_peer peer = {.name = "h2", .addresses = {world->boxes[1].addresses[0], ""}};

    document->host = desk->box->name;
    document->images = &image;
    document->images_length = document->instances_length > 0 || document->images_length > 0;
    document->peers = &peer;
    document->peers_length = 1;
    buf_clear(&desk->document);
    schema_write(&schema_host_document, "HostDocument", document, &desk->document);
    give(desk);
}

void edit(struct desk *desk, const char *from, const char *to)
{
    CLEANUP_BUF struct buf text = {0};
    const char *at = strstr(buf_text(&desk->document), from);
    assert_non_null(at);
    buf_add(&text, desk->document.data, (size_t)(at - desk->document.data));
    buf_add_text(&text, to);
    buf_add_text(&text, at + strlen(from));
    buf_clear(&desk->document);
    buf_add(&desk->document, text.data, text.size);
    give(desk);
}

static void serve(void *ctx, struct exchange *exchange, const struct request *request,
                  const struct sender *sender)
{
    struct desk *desk = ctx;
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);

    if (desk->away) {
        net->answer(net->self, exchange, 500, NULL, 0, "away", 4);
    } else if (text_starts(request->path, "/agent/document")) {
        assert_true(!desk->poll);
        desk->poll = exchange;
        desk->after = strtoll(strchr(request->path, '=') + 1, NULL, 10);
        net->on_gone(net->self, exchange, poll_gone, desk);
        give(desk);
    } else if (text_starts(request->path, "/agent/blob/")) {
        const struct blob_port *blobs = sim_blobs_port(desk->world->blobs);
        CLEANUP_BUF struct buf data = {0};
        struct error err;
        char size[24], digest[128];
        int64_t total = 0, offset = strtoll(strchr(request->path, '=') + 1, NULL, 10);
        snprintf(digest, sizeof(digest), "%.*s", (int)strcspn(request->path + 12, "?"), request->path + 12);
        desk->blobs++;
        assert_true(blobs->size(blobs->self, digest, &total, &err));
        assert_true(blobs->read(blobs->self, digest, offset, 1 << 20, &data, &err));
        snprintf(size, sizeof(size), "%lld", (long long)total);
        const struct header header = {"Croft-Size", size};
        net->answer(net->self, exchange, 200, &header, 1, data.data, data.size);
    } else {
        desk->hellos += text_equal(request->path, "/agent/hello");
        if (text_starts(request->path, "/agent/beat")) note_beat(desk);
        if (text_equal(request->path, "/agent/report")) {
            desk->reports++;
            desk->told_unhealthy |=
                memmem(request->body, request->body_size, "unhealthy: not well", 19) != NULL;
            buf_clear(&desk->report);
            buf_add(&desk->report, request->body, request->body_size);
        }
        net->answer(net->self, exchange, 200, NULL, 0, "{}", 2);
    }
}

static void note_beat(struct desk *desk)
{
    int64_t now_us = desk->world->time->steady_us(desk->world->time->self);
    int64_t apart_us = desk->beat_us ? now_us - desk->beat_us : 0;

    desk->beat_us = now_us;
    if (apart_us > desk->beats_apart_us) desk->beats_apart_us = apart_us;
}

static void poll_gone(void *ctx)
{
    ((struct desk *)ctx)->poll = NULL;
}

/* The controller's rule: an answer when its version is newer than the agent's. The test gives each once. */
static void give(struct desk *desk)
{
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);
    const struct identity_port *identity = sim_identity_port(desk->signer);
    CLEANUP_BUF struct buf signature = {0};
    struct error err;

    if (!desk->poll || desk->document.size == 0) return;
    assert_true(identity->sign(identity->self, desk->document.data, desk->document.size, &signature, &err));
    const struct header header = {"Croft-Signature", buf_text(&signature)};
    net->answer(net->self, desk->poll, 200, &header, 1, desk->document.data, desk->document.size);
    desk->poll = NULL;
    buf_clear(&desk->document);
}

void give_nothing(struct desk *desk)
{
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);
    assert_non_null(desk->poll);
    net->answer(net->self, desk->poll, 204, NULL, 0, NULL, 0);
    desk->poll = NULL;
}

bool said(const struct desk *desk, const char *text)
{
    return strstr(buf_text(&desk->report), text) != NULL;
}

struct fake_instance truth(const struct desk *desk, const char *name)
{
    struct fake_instance found = {0};
    char full[64];
    snprintf(full, sizeof(full), "acme/shop/%s", name);
    fake_host_instance(desk->box->truth, full, &found);
    return found;
}

struct desk *running(const char *const *names)
{
    struct desk *desk = desk_new();
    boot(desk->box);
    tell(desk, 1, 1, names);
    world_run_ms(desk->world, 2000);
    assert_true(said(desk, "\"document_version\":1"));
    return desk;
}
