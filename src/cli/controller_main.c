/* `croft controller`: the machine's ports, the store, the authority, and the loops over them. */
#include "api/api.h"
#include "base/text.h"
#include "cli/frugal.h"
#include "cli/join.h"
#include "cli/mains.h"
#include "control/controller.h"
#include "driver/balance/balance_image.h"
#include "driver/image/image.h"
#include "os/blob.h"
#include "os/clock.h"
#include "os/disk.h"
#include "os/http.h"
#include "os/identity.h"
#include "os/loop.h"
#include "os/pki.h"
#include "os/post.h"
#include "os/power.h"
#include "os/process.h"
#include "os/random.h"
#include "os/tls.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUTHORITY_DAYS = 3650, CERTIFICATE_DAYS = 825, SECRET_BYTES = 24 };

/* Everything that runs, in the order in which it is made; ended in the opposite one. */
struct running {
    const struct controller_main_options *options;
    struct loop *loop;
    struct os_clock *clock;
    struct os_disk *disk;
    struct os_blobs *blobs;
    struct os_identity *identity;
    struct os_power *power;
    struct os_process *processes;
    struct os_post *post;
    char *secrets;
    struct store *store;
    struct tls *tls;
    struct tls_files *tls_files; /* NULL: no https */
    struct http *http;
    struct controller *controller;
    struct api *api;
    struct buf authority, authority_key, certificate, key, landlord_token, join_secret;
};

static bool start(struct running *running, struct error *err);
static bool load_identity(struct running *running, struct error *err);
static bool make_authority(struct running *running, struct error *err);
static bool make_certificate(struct running *running, struct error *err);
static bool load_tokens(struct running *running, struct error *err);
static bool load_or_make_secret(struct running *running, const char *file, struct buf *ret_secret,
                                struct error *err);
static bool provide_balancer_image(struct running *running, struct error *err);
static bool put_image(struct running *running, struct image *image, struct error *err);
static bool listen_all(struct running *running, struct error *err);
static bool listen_https(struct running *running, struct error *err);
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at);
static void stop(struct running *running);
static void signalled(void *ctx, int signal_number);
static bool write_file(struct running *running, const char *file, const struct buf *data, struct error *err);

int controller_main(const struct controller_main_options *options)
{
    struct running running = {.options = options};
    struct error err = {0};
    frugal_memory();
    bool good = start(&running, &err);

    if (good)
        loop_run(running.loop);
    else
        fprintf(stderr, "croft controller: %s\n", err.message);
    stop(&running);
    return good ? 0 : error_exit_code(err.code);
}

static bool start(struct running *running, struct error *err)
{
    const char *state = running->options->state, *power = running->options->power;
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", state), *database = mem_printf("%s/store.db", state);
    struct controller_options options = {0};

    if (!loop_new(&running->loop, err) || !loop_on_signal(running->loop, signalled, running, err) ||
        !os_disk_new(state, &running->disk, err) || !os_blobs_new(blobs, &running->blobs, err) ||
        !store_open_sqlite(database, &running->store, err) || !load_identity(running, err) ||
        !load_tokens(running, err))
        return false;
    running->clock = os_clock_new(running->loop);
    running->identity =
        os_identity_new(buf_text(&running->authority), buf_text(&running->authority_key), CERTIFICATE_DAYS);
    if (power && !text_starts(power, "unix:"))
        return error_set(err, ERROR_USAGE, "--power takes unix:PATH, not %s", power);
    if (power) running->power = os_power_new(running->loop, power + strlen("unix:"));
    if (!tls_new(buf_text(&running->authority), buf_text(&running->certificate), buf_text(&running->key),
                 &running->tls, err))
        return false;
    running->processes = os_process_new(running->loop);
    const char *secrets = running->options->secrets;
    running->secrets = secrets ? mem_strdup(secrets) : mem_printf("%s/secrets", state);
    const struct os_post_options post = {.loop = running->loop,
                                         .clock = os_clock_port(running->clock),
                                         .process = os_process_port(running->processes),
                                         .secrets = running->secrets,
                                         .authorities = running->options->authorities,
                                         .reach = running->options->reach,
                                         .reach_length = running->options->reach_length};
    running->post = os_post_new(&post);
    running->http = http_new(running->loop, running->tls);
    options = (struct controller_options){
        .clock = os_clock_port(running->clock),
        .net = http_port(running->http),
        .identity = os_identity_port(running->identity),
        .blobs = os_blobs_port(running->blobs),
        .post = os_post_port(running->post),
        .power = running->power ? os_power_port(running->power) : NULL,
        .store = running->store,
        .join_token = buf_text(&running->join_secret),
        .keep_bills_months = running->options->keep_bills_months,
    };
    if (!controller_new(&options, &running->controller, err)) return false;
    const struct api_options api_options = {
        .controller = running->controller,
        .clock = options.clock,
        .net = options.net,
        .random = os_random_port(),
        .identity = options.identity,
        .landlord_token = buf_text(&running->landlord_token),
    };
    running->api = api_new(&api_options);
    return provide_balancer_image(running, err) && listen_all(running, err);
}

/* The authority is made once; this controller's own certificate anew when its addresses may have changed. */
static bool load_identity(struct running *running, struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->disk);
    struct error missing;

    if (disk->read(disk->self, "authority.key", &running->authority_key, &missing)) {
        if (!disk->read(disk->self, "authority.crt", &running->authority, err)) return false;
    } else if (missing.code != ERROR_NOT_FOUND) {
        *err = missing;
        return false;
    } else if (!make_authority(running, err)) {
        return false;
    }
    return make_certificate(running, err);
}

static bool make_authority(struct running *running, struct error *err)
{
    return pki_make_authority("croft", AUTHORITY_DAYS, &running->authority_key, &running->authority, err) &&
           write_file(running, "authority.crt", &running->authority, err) &&
           write_file(running, "authority.key", &running->authority_key, err);
}

static bool make_certificate(struct running *running, struct error *err)
{
    CLEANUP_BUF struct buf request = {0};
    char addresses[2][64];
    const char *texts[2] = {addresses[0], addresses[1]};
    size_t length = 0;

    for (const char *at = running->options->agents; *at && length < LENGTH(addresses);) {
        size_t size = strcspn(at, ",");
        const char *colon = memrchr(at, ':', size);
        if (!colon) return error_set(err, ERROR_USAGE, "--agents takes ADDR:PORT[,ADDR:PORT], not %s", at);
        snprintf(addresses[length++], sizeof(addresses[0]), "%.*s", (int)(colon - at), at);
        at += size + (at[size] == ',');
    }
    return pki_make_request("controller", &running->key, &request, err) &&
           pki_sign_request(buf_text(&running->authority_key), buf_text(&running->authority),
                            buf_text(&request), "controller", texts, length, CERTIFICATE_DAYS,
                            &running->certificate, err);
}

static bool load_tokens(struct running *running, struct error *err)
{
    CLEANUP_BUF struct buf token = {0};

    if (!load_or_make_secret(running, "landlord.token", &running->landlord_token, err) ||
        !load_or_make_secret(running, "join.secret", &running->join_secret, err))
        return false;
    join_token_write(buf_text(&running->join_secret), buf_text(&running->authority), &token);
    return write_file(running, "join.token", &token, err);
}

static bool load_or_make_secret(struct running *running, const char *file, struct buf *ret_secret,
                                struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->disk);
    const struct random_port *random = os_random_port();
    unsigned char bytes[SECRET_BYTES];
    struct error missing;

    if (disk->read(disk->self, file, ret_secret, &missing)) return true;
    if (missing.code != ERROR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    random->fill(random->self, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        buf_printf(ret_secret, "%02x", bytes[i]);
    return write_file(running, file, ret_secret, err);
}

/* Balancers run this machine's HAProxy, as an image like any other. It is made anew at each start, so that an
 * updated package reaches the farms by the usual rolling replacement; the same files give the same digest. */
static bool provide_balancer_image(struct running *running, struct error *err)
{
    CLEANUP_MEM char *root = mem_printf("%s/balancer-root.XXXXXX", running->options->state);
    CLEANUP_MEM char *blobs = mem_printf("%s/blobs", running->options->state);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct image image = {0};
    bool good = false;

    if (!mkdtemp(root))
        return error_set(err, ERROR_FAILED, "cannot make a directory in %s", running->options->state);
    good = balance_image_root(root, err) && image_import(blobs, root, arena, &image, err) &&
           put_image(running, &image, err);
    nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return good || error_wrap(err, "making the balancers' image");
}

static bool put_image(struct running *running, struct image *image, struct error *err)
{
    CLEANUP_CHANGE struct change *change = change_new(running->store);
    CLEANUP_BUF struct buf json = {0};
    static const char name[] = BALANCER_IMAGE;
    const struct record *record = NULL;

    image->name = BALANCER_IMAGE;
    image->party = "landlord";
    schema_write(&schema_image, "Image", image, &json);
    record = mirror_get(controller_mirror(running->controller), RECORD_IMAGE, name);
    if (record && text_equal(record->json, buf_text(&json))) return true;
    change_put(change, RECORD_IMAGE, name, image);
    return change_commit(change, NULL, err) && store_dispatch(running->store, err);
}

static bool listen_all(struct running *running, struct error *err)
{
    const struct controller_main_options *options = running->options;
    struct http_listener *listener = NULL;
    struct http_listen_options api = {.address = options->listen,
                                      .inherited_fd = options->listen_fd,
                                      .handler = api_serve,
                                      .ctx = running->api};

    for (const char *at = options->agents; *at;) {
        char address[64];
        size_t size = strcspn(at, ",");
        snprintf(address, sizeof(address), "%.*s", (int)size, at);
        struct http_listen_options agents = {.address = address,
                                             .inherited_fd = -1,
                                             .tls = true,
                                             .allow_anonymous = true,
                                             .handler = controller_serve_agents,
                                             .ctx = running->controller};
        if (!http_listen(running->http, &agents, &listener, err))
            return error_wrap(err, "--agents %s", address);
        at += size + (at[size] == ',');
    }
    if (!http_listen(running->http, &api, &listener, err)) return error_wrap(err, "the API");
    return !options->tls_listen || listen_https(running, err);
}

static bool listen_https(struct running *running, struct error *err)
{
    const struct controller_main_options *options = running->options;
    struct http_listener *listener = NULL;

    if (!tls_files_new(os_clock_port(running->clock), options->tls_certificate, options->tls_key,
                       &running->tls_files, err))
        return error_wrap(err, "--tls-listen %s", options->tls_listen);
    struct http_listen_options api = {.address = options->tls_listen,
                                      .inherited_fd = -1,
                                      .tls = true,
                                      .tls_files = running->tls_files,
                                      .handler = api_serve,
                                      .ctx = running->api};
    return http_listen(running->http, &api, &listener, err) ||
           error_wrap(err, "--tls-listen %s", options->tls_listen);
}

/* The tree is a copy of what is elsewhere: what cannot be removed only takes room. */
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    remove(path);
    return 0;
}

static void stop(struct running *running)
{
    struct buf *texts[] = {&running->authority, &running->authority_key,  &running->certificate,
                           &running->key,       &running->landlord_token, &running->join_secret};

    api_free(running->api);
    controller_free(running->controller);
    http_free(running->http);
    tls_files_free(running->tls_files);
    tls_free(running->tls);
    os_post_free(running->post);
    mem_free(running->secrets);
    os_process_free(running->processes);
    os_power_free(running->power);
    os_identity_free(running->identity);
    os_clock_free(running->clock);
    store_close(running->store);
    os_blobs_free(running->blobs);
    os_disk_free(running->disk);
    loop_free(running->loop);
    for (size_t i = 0; i < LENGTH(texts); i++)
        buf_free(texts[i]);
}

static void signalled(void *ctx, int signal_number)
{
    struct running *running = ctx;
    loop_stop(running->loop);
}

static bool write_file(struct running *running, const char *file, const struct buf *data, struct error *err)
{
    const struct disk_port *disk = os_disk_port(running->disk);
    return disk->write(disk->self, file, data->data, data->size, 0600, err);
}
