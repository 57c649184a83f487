#include "cli/up/poller.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "cli/up/child.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_US ((int64_t)50 * 1000)
#define ANSWER_MS 5000

struct poller {
    struct poller_options options;
    struct timer *timer;
    struct call *call;
    struct map *up; /* host -> the poller itself */
    char obstacle[1200];
};

static void ask(void *ctx);
static void ask_later(struct poller *poller);
static void on_answer(void *ctx, const struct answer *answer);
static bool read_token(const char *path, char *out, size_t size, struct error *err);
static bool take_hosts(struct poller *poller, const struct answer *answer);

struct poller *poller_new(const struct poller_options *options)
{
    struct poller *poller = mem_alloc(sizeof(*poller));
    *poller = (struct poller){.options = *options, .up = map_new()};
    ask_later(poller);
    return poller;
}

void poller_free(struct poller *poller)
{
    if (!poller) return;
    const struct poller_options *options = &poller->options;
    options->clock->cancel(options->clock->self, poller->timer);
    options->net->cancel(options->net->self, poller->call);
    map_free(poller->up);
    mem_free(poller);
}

bool poller_is_up(const struct poller *poller, const char *host)
{
    return map_get(poller->up, host) != NULL;
}

const char *poller_obstacle(const struct poller *poller)
{
    return poller->obstacle;
}

static void ask(void *ctx)
{
    struct poller *poller = ctx;
    const struct poller_options *options = &poller->options;
    poller->timer = NULL;
    char authorization[300] = "Bearer ";
    size_t size = strlen(authorization);
    struct error err;
    if (!read_token(options->token_path, authorization + size, sizeof(authorization) - size, &err)) {
        snprintf(poller->obstacle, sizeof(poller->obstacle), "%s", err.message);
        ask_later(poller);
        return;
    }
    struct header headers[] = {{"Authorization", authorization}};
    struct request request = {
        .method = "GET", .path = "/v1/hosts?limit=1000", .headers = headers, .headers_length = 1};
    struct peer peer = {.addresses = {options->address}, .addresses_length = 1, .only_address = -1};
    poller->call =
        options->net->call(options->net->self, &peer, &request, ANSWER_MS, NULL, on_answer, poller);
}

static void ask_later(struct poller *poller)
{
    const struct clock_port *clock = poller->options.clock;
    poller->timer = clock->after(clock->self, POLL_US, ask, poller);
}

static void on_answer(void *ctx, const struct answer *answer)
{
    struct poller *poller = ctx;
    poller->call = NULL;
    bool go_on = true;
    if (answer->status == 0) {
        snprintf(poller->obstacle, sizeof(poller->obstacle), "%s", answer->error->message);
    } else if (answer->status != 200 || !take_hosts(poller, answer)) {
        snprintf(poller->obstacle, sizeof(poller->obstacle), "GET /v1/hosts was answered with %d: %.200s",
                 answer->status, answer->body);
    } else {
        poller->obstacle[0] = 0;
        go_on = poller->options.answered(poller->options.ctx, poller);
    }
    if (go_on) ask_later(poller);
}

static bool read_token(const char *path, char *out, size_t size, struct error *err)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", path);
    ssize_t got = read(fd, out, size - 1);
    if (got < 0) return error_errno(err, errno, "cannot read %s", path);
    while (got > 0 && isspace((unsigned char)out[got - 1]))
        got--;
    out[got] = 0;
    return got > 0 || error_set(err, ERROR_FAILED, "%s is empty", path);
}

static bool take_hosts(struct poller *poller, const struct answer *answer)
{
    json_t *list = json_loadb(answer->body, answer->body_size, 0, NULL);
    if (!json_is_array(list)) {
        json_decref(list);
        return false;
    }
    map_free(poller->up);
    poller->up = map_new();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *state = json_string_value(json_object_get(json_object_get(item, "status"), "state"));
        if (name && (text_equal(state, "up") || text_equal(state, "draining")))
            map_put(poller->up, name, poller);
    }
    json_decref(list);
    return true;
}
