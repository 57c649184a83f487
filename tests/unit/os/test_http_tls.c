/* Mutual TLS: who is let in, and whom a client believes. */
#include "fixture.h"

#include "os/pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct authority {
    struct buf key;
    struct buf certificate;
};

struct secure {
    struct world *world;
    struct authority ours;
    struct authority other;
    char strict[64];
    char open[64];
    struct tls *tls[8];
    size_t tls_length;
};

static void authority_make(struct authority *authority)
{
    struct error err;
    assert_true(pki_make_authority("croft", 30, &authority->key, &authority->certificate, &err));
}

/* A TLS identity signed by `signer` that believes `believes`. */
static struct tls *identity(struct secure *secure, const struct authority *signer,
                            const struct authority *believes, const char *name)
{
    struct error err;
    CLEANUP_BUF struct buf key = {0};
    CLEANUP_BUF struct buf request = {0};
    CLEANUP_BUF struct buf certificate = {0};
    struct tls *tls = NULL;
    const char *addresses[] = {"127.0.0.1", "::1"};
    if (name != NULL) {
        assert_true(pki_make_request("somebody else", &key, &request, &err));
        if (!pki_sign_request(buf_text(&signer->key), buf_text(&signer->certificate), buf_text(&request),
                              name, addresses, 2, 30, &certificate, &err))
            fail_msg("%s", err.message);
    }
    if (!tls_new(buf_text(&believes->certificate), name != NULL ? buf_text(&certificate) : NULL,
                 name != NULL ? buf_text(&key) : NULL, &tls, &err))
        fail_msg("%s", err.message);
    assert_int_equal(tls_can_serve(tls), name != NULL);
    secure->tls[secure->tls_length++] = tls;
    return tls;
}

static int secure_setup(void **state)
{
    struct secure *secure = mem_alloc(sizeof(*secure));
    void *world = NULL;
    assert_int_equal(world_setup(&world), 0);
    secure->world = world;
    authority_make(&secure->ours);
    authority_make(&secure->other);
    http_set_tls(secure->world->http, identity(secure, &secure->ours, &secure->ours, "controller"));
    world_listen(secure->world, &(struct http_listen_options){.address = "127.0.0.1:0", .tls = true},
                 secure->strict);
    world_listen(
        secure->world,
        &(struct http_listen_options){.address = "127.0.0.1:0", .tls = true, .allow_anonymous = true},
        secure->open);
    *state = secure;
    return 0;
}

static int secure_teardown(void **state)
{
    struct secure *secure = *state;
    void *world = secure->world;
    assert_int_equal(world_teardown(&world), 0);
    for (size_t i = 0; i < secure->tls_length; i++)
        tls_free(secure->tls[i]);
    buf_free(&secure->ours.key);
    buf_free(&secure->ours.certificate);
    buf_free(&secure->other.key);
    buf_free(&secure->other.certificate);
    mem_free(secure);
    return 0;
}

/* Asks `address` for /who from an http of its own with the identity. */
static void ask_as(struct secure *secure, struct tls *tls, const char *address, enum role role,
                   struct reply *reply)
{
    struct world client = *secure->world;
    client.http = http_new(client.loop, tls);
    client.net = http_port(client.http);
    struct peer peer = peer_at(address);
    peer.tls = true;
    peer.role = role;
    peer.name = "controller"; /* also of the host, in whose role the server is not */
    get(&client, reply, &peer, "/who");
    if (reply->status == 200) { /* and again, on the kept connection */
        reply_free(reply);
        get(&client, reply, &peer, "/who");
    }
    http_free(client.http);
}

/* The server's certificate is for 127.0.0.1 and ::1. */
static void hosts_are_looked_at(void **state)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {{"127.0.0.1", 200}, {"::1", 200}, {"127.0.0.2", 0}, {"localhost", 0}, {"other.example", 0}};
    struct secure *secure = *state;

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct reply reply = {0};
        struct error err;
        struct tls *tls = identity(secure, NULL, &secure->ours, NULL);
        assert_true(tls_expect_host(tls, cases[i].host, &err));
        ask_as(secure, tls, secure->open, ROLE_NONE, &reply);
        if (reply.status != cases[i].status) fail_msg("%s: %d", cases[i].host, reply.status);
        reply_free(&reply);
    }
}

static void names_are_told(void **state)
{
    struct secure *secure = *state;
    struct tls *h1 = identity(secure, &secure->ours, &secure->ours, "host/h1");
    struct reply reply = {0};
    ask_as(secure, h1, secure->strict, ROLE_CONTROLLER, &reply);
    assert_string_equal(reply.message, "");
    assert_string_equal(buf_text(&reply.body), "host h1 -");
    reply_free(&reply);
    ask_as(secure, h1, secure->open, ROLE_NONE, &reply); /* the name is not checked */
    assert_string_equal(buf_text(&reply.body), "host h1 -");
    reply_free(&reply);
}

static void wrong_name_is_not_believed(void **state)
{
    struct secure *secure = *state;
    struct reply reply = {0};
    struct tls *h1 = identity(secure, &secure->ours, &secure->ours, "host/h1");
    ask_as(secure, h1, secure->strict, ROLE_HOST, &reply);
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(reply.message, "host/controller at"));
    assert_non_null(strstr(reply.message, "shows the certificate of controller"));
    assert_int_equal(secure->world->requests, 0);
    reply_free(&reply);
}

/* A host may be called controller: that makes it none. */
static void a_name_is_no_role(void **state)
{
    struct secure *secure = *state;
    struct reply reply = {0};
    struct tls *sly = identity(secure, &secure->ours, &secure->ours, "host/controller");
    ask_as(secure, sly, secure->strict, ROLE_CONTROLLER, &reply);
    assert_string_equal(buf_text(&reply.body), "host controller -");
    reply_free(&reply);
    http_set_tls(secure->world->http, sly);
    ask_as(secure, identity(secure, &secure->ours, &secure->ours, "host/h1"), secure->strict, ROLE_CONTROLLER,
           &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(reply.message, "shows the certificate of host/controller"));
    reply_free(&reply);
}

static void wrong_authority_on_either_side(void **state)
{
    struct secure *secure = *state;
    struct reply reply = {0};
    ask_as(secure, identity(secure, &secure->other, &secure->other, "host/h1"), secure->open, ROLE_NONE,
           &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE); /* the client does not believe the server */
    assert_non_null(strstr(reply.message, "certificate"));
    reply_free(&reply);
    ask_as(secure, identity(secure, &secure->other, &secure->ours, "host/h1"), secure->open, ROLE_CONTROLLER,
           &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE); /* the server does not believe the client */
    assert_int_equal(secure->world->requests, 0);
    reply_free(&reply);
}

static void anonymous_only_where_allowed(void **state)
{
    struct secure *secure = *state;
    struct tls *anonymous = identity(secure, NULL, &secure->ours, NULL);
    struct reply reply = {0};
    ask_as(secure, anonymous, secure->strict, ROLE_CONTROLLER, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_int_equal(secure->world->requests, 0);
    reply_free(&reply);
    ask_as(secure, anonymous, secure->open, ROLE_CONTROLLER, &reply);
    assert_string_equal(buf_text(&reply.body), "- -");
    reply_free(&reply);
    /* Without any authority nothing is believed. */
    ask_as(secure, NULL, secure->open, ROLE_CONTROLLER, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);
}

static void large_bodies_and_streams(void **state)
{
    struct secure *secure = *state;
    struct peer peer = peer_at(secure->strict);
    peer.tls = true;
    peer.role = ROLE_CONTROLLER;
    const size_t size = (size_t)16 * 1024 * 1024;
    CLEANUP_MEM char *body = mem_alloc(size);
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i * 13);
    struct reply reply = {0};
    ask(secure->world, &reply, &peer, "PUT", "/echo", body, size, 20000);
    run_until(secure->world, &reply.done);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.size, size);
    assert_memory_equal(reply.body.data, body, size);
    reply_free(&reply);
    ask_stream(secure->world, &reply, &peer, "/ten-thousand");
    run_until(secure->world, &reply.done);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.size, 98890);
    reply_free(&reply);
}

static void gone_is_noticed(void **state)
{
    struct secure *secure = *state;
    struct world *world = secure->world;
    struct peer peer = peer_at(secure->strict);
    peer.tls = true;
    struct reply reply = {0};
    struct call *call = ask(world, &reply, &peer, "GET", "/hold", NULL, 0, 5000);
    run_until_count(world, &world->held_count, 1);
    world->net->cancel(world->net->self, call);
    run_until_count(world, &world->gone_count, 1);
}

static void write_text(const char *path, const struct buf *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->size, file), text->size);
    assert_int_equal(fclose(file), 0);
}

/* A certificate for the server and its key, into two files. */
static void write_certificate(const struct authority *signer, char paths[2][64])
{
    const char *addresses[] = {"127.0.0.1"};
    CLEANUP_BUF struct buf key = {0}, request = {0}, certificate = {0};
    struct error err;

    assert_true(pki_make_request("croft", &key, &request, &err));
    assert_true(pki_sign_request(buf_text(&signer->key), buf_text(&signer->certificate), buf_text(&request),
                                 "controller", addresses, 1, 30, &certificate, &err));
    write_text(paths[0], &certificate);
    write_text(paths[1], &key);
}

static void ask_public(struct secure *secure, const struct authority *believed, const char *address,
                       struct reply *reply)
{
    struct error err;
    struct tls *tls = identity(secure, NULL, believed, NULL);
    assert_true(tls_expect_host(tls, "127.0.0.1", &err));
    ask_as(secure, tls, address, ROLE_NONE, reply);
}

/* People show no certificate. What is renewed is shown to who comes next; what does not fit is not used. */
static void certificates_in_files(void **state)
{
    struct secure *secure = *state;
    char directory[] = "/tmp/croft-tls-XXXXXX", paths[2][64], address[64];
    struct tls_files *files = NULL;
    struct reply reply = {0};
    struct error err;

    assert_non_null(mkdtemp(directory));
    snprintf(paths[0], sizeof(paths[0]), "%s/crt", directory);
    snprintf(paths[1], sizeof(paths[1]), "%s/key", directory);
    const struct clock_port *clock = os_clock_port(secure->world->clock);
    assert_false(tls_files_new(clock, paths[0], paths[1], &files, &err));
    assert_non_null(strstr(err.message, "/crt: No such file"));
    write_certificate(&secure->ours, paths);
    assert_false(tls_files_new(clock, paths[1], paths[0], &files, &err));
    assert_non_null(strstr(err.message, "cannot use the certificate"));
    assert_true(tls_files_new(clock, paths[0], paths[1], &files, &err));
    world_listen(secure->world,
                 &(struct http_listen_options){.address = "127.0.0.1:0", .tls = true, .tls_files = files},
                 address);

    ask_public(secure, &secure->ours, address, &reply);
    assert_string_equal(buf_text(&reply.body), "- -");
    reply_free(&reply);
    ask_public(secure, &secure->other, address, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);

    char old_key[64];
    snprintf(old_key, sizeof(old_key), "%s/old", directory);
    assert_int_equal(rename(paths[1], old_key), 0);
    write_certificate(&secure->other, paths);
    char new_key[64];
    snprintf(new_key, sizeof(new_key), "%s/new", directory);
    assert_int_equal(rename(paths[1], new_key), 0);
    assert_int_equal(rename(old_key, paths[1]), 0); /* only the certificate is there yet */
    assert_false(tls_files_look(files, &err));
    ask_public(secure, &secure->ours, address, &reply);
    assert_string_equal(buf_text(&reply.body), "- -");
    reply_free(&reply);
    assert_int_equal(rename(new_key, paths[1]), 0);
    assert_true(tls_files_look(files, &err));
    ask_public(secure, &secure->other, address, &reply);
    assert_string_equal(buf_text(&reply.body), "- -");
    reply_free(&reply);
    ask_public(secure, &secure->ours, address, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    reply_free(&reply);

    http_free(secure->world->http);
    tls_files_free(files);
    secure->world->http = http_new(secure->world->loop, NULL);
    assert_int_equal(remove(paths[0]) + remove(paths[1]) + remove(directory), 0);
}

/* Plain talk at a TLS door. */
static void plain_text_is_refused(void **state)
{
    struct secure *secure = *state;
    struct peer peer = peer_at(secure->strict);
    struct reply reply = {0};
    get(secure->world, &reply, &peer, "/who");
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_int_equal(secure->world->requests, 0);
    reply_free(&reply);
}

static void round_trips_are_short(void **state)
{
    struct secure *secure = *state;
    const struct clock_port *clock = os_clock_port(secure->world->clock);
    struct peer peer = peer_at(secure->strict);
    peer.tls = true;
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < 500; i++) {
        struct reply reply = {0};
        int64_t before_us = clock->steady_us(clock->self);
        ask(secure->world, &reply, &peer, "POST", "/echo", "ping", 4, 5000);
        run_until(secure->world, &reply.done);
        int64_t took_us = clock->steady_us(clock->self) - before_us;
        if (took_us < best_us) best_us = took_us;
        assert_int_equal(reply.status, 200);
        reply_free(&reply);
    }
    print_message("# round trip with TLS: best %lld us\n", (long long)best_us);
    assert_true(best_us < 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hosts_are_looked_at, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(names_are_told, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(wrong_name_is_not_believed, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(a_name_is_no_role, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(wrong_authority_on_either_side, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(anonymous_only_where_allowed, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(large_bodies_and_streams, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(gone_is_noticed, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(certificates_in_files, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(plain_text_is_refused, secure_setup, secure_teardown),
        cmocka_unit_test_setup_teardown(round_trips_are_short, secure_setup, secure_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
