#include "os/loop.h"

#include "base/mem.h"
#include "os/loop_base.h"

#include <event2/event.h>
#include <signal.h>

struct loop_later {
    struct loop_later *next;
    void (*later)(void *ctx);
    void *ctx;
};

struct loop {
    struct event_base *base;
    struct event *later_event;
    struct loop_later *later_first;
    struct loop_later **later_end;
    struct event *on_term;
    struct event *on_int;
    void (*signalled)(void *ctx, int signal_number);
    void *signalled_ctx;
    bool stopped;
};

struct loop_watch {
    struct loop *loop;
    struct event *event;
    unsigned wanted;
    void (*ready)(void *ctx, unsigned ready);
    void *ctx;
};

static void run_later(evutil_socket_t fd, short what, void *ctx);
static void wake_later(struct loop *loop);
static void forward_signal(evutil_socket_t signal_number, short what, void *ctx);
static void forward_ready(evutil_socket_t fd, short what, void *ctx);
static short to_libevent(unsigned wanted);

bool loop_new(struct loop **ret_loop, struct error *err)
{
    struct event_config *config = event_config_new();
    if (config == NULL) return error_set(err, ERROR_FAILED, "cannot configure the event loop: out of memory");
    /* libevent's defaults take time from a clock of 4 ms steps and from the start of the round: a timer
     * would fire before its time. */
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME |
                                      EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        return error_set(err, ERROR_FAILED, "cannot make an event loop: out of descriptors or memory");
    signal(SIGPIPE, SIG_IGN);
    struct loop *loop = mem_alloc(sizeof(*loop));
    loop->base = base;
    loop->later_end = &loop->later_first;
    loop->later_event = event_new(base, -1, 0, run_later, loop);
    ASSERT(loop->later_event != NULL);
    *ret_loop = loop;
    return true;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) return;
    while (loop->later_first != NULL) {
        struct loop_later *later = loop->later_first;
        loop->later_first = later->next;
        mem_free(later);
    }
    event_free(loop->later_event);
    if (loop->on_term != NULL) event_free(loop->on_term);
    if (loop->on_int != NULL) event_free(loop->on_int);
    /* A bufferevent that was freed while a callback of its was due lives until that is due no more; the base
     * would forget it. All else that was in the loop is gone. */
    event_base_loop(loop->base, EVLOOP_NONBLOCK);
    event_base_free(loop->base);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        int result = event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
        ASSERT(result >= 0);
    }
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}

bool loop_on_signal(struct loop *loop, void (*signalled)(void *ctx, int signal_number), void *ctx,
                    struct error *err)
{
    ASSERT(loop->signalled == NULL);
    struct event *on_term = evsignal_new(loop->base, SIGTERM, forward_signal, loop);
    struct event *on_int = evsignal_new(loop->base, SIGINT, forward_signal, loop);
    ASSERT(on_term != NULL && on_int != NULL);
    if (event_add(on_term, NULL) < 0 || event_add(on_int, NULL) < 0) {
        event_free(on_term);
        event_free(on_int);
        return error_set(err, ERROR_FAILED, "cannot catch SIGTERM and SIGINT");
    }
    loop->on_term = on_term;
    loop->on_int = on_int;
    loop->signalled = signalled;
    loop->signalled_ctx = ctx;
    return true;
}

struct loop_watch *loop_watch_fd(struct loop *loop, int fd, unsigned wanted,
                                 void (*ready)(void *ctx, unsigned ready), void *ctx)
{
    struct loop_watch *watch = mem_alloc(sizeof(*watch));
    watch->loop = loop;
    watch->ready = ready;
    watch->ctx = ctx;
    watch->event = event_new(loop->base, fd, to_libevent(LOOP_READ), forward_ready, watch);
    ASSERT(watch->event != NULL);
    loop_watch_change(watch, wanted);
    return watch;
}

void loop_watch_change(struct loop_watch *watch, unsigned wanted)
{
    if (watch->wanted == wanted) return;
    watch->wanted = wanted;
    int fd = (int)event_get_fd(watch->event);
    event_del(watch->event);
    if (wanted == 0) return;
    int result = event_assign(watch->event, watch->loop->base, fd, to_libevent(wanted), forward_ready, watch);
    ASSERT(result == 0);
    result = event_add(watch->event, NULL);
    ASSERT(result == 0); /* fails only for descriptors that cannot be polled, such as regular files */
}

void loop_watch_end(struct loop_watch *watch)
{
    if (watch == NULL) return;
    event_free(watch->event);
    mem_free(watch);
}

struct loop_later *loop_later(struct loop *loop, void (*later)(void *ctx), void *ctx)
{
    struct loop_later *entry = mem_alloc(sizeof(*entry));
    entry->later = later;
    entry->ctx = ctx;
    *loop->later_end = entry;
    loop->later_end = &entry->next;
    wake_later(loop);
    return entry;
}

void loop_later_cancel(struct loop *loop, struct loop_later *later)
{
    if (later == NULL) return;
    struct loop_later **place = &loop->later_first;
    while (*place != later) {
        ASSERT(*place != NULL); /* cancelled after it was called */
        place = &(*place)->next;
    }
    *place = later->next;
    if (loop->later_end == &later->next) loop->later_end = place;
    mem_free(later);
}

struct event_base *loop_base(const struct loop *loop)
{
    return loop->base;
}

static void run_later(evutil_socket_t fd, short what, void *ctx)
{
    struct loop *loop = ctx;
    /* Those asked for from inside wait for the next round, so that descriptors get their turn. */
    struct loop_later marker = {0};
    *loop->later_end = &marker;
    loop->later_end = &marker.next;
    while (loop->later_first != &marker) {
        struct loop_later *later = loop->later_first;
        loop->later_first = later->next;
        void (*function)(void *ctx) = later->later;
        void *function_ctx = later->ctx;
        mem_free(later);
        function(function_ctx);
    }
    loop->later_first = marker.next;
    if (loop->later_first == NULL) {
        loop->later_end = &loop->later_first;
    } else {
        wake_later(loop);
    }
}

/* A timer that is over at once, not event_active(): that would run in the same round, before descriptors. */
static void wake_later(struct loop *loop)
{
    if (event_pending(loop->later_event, EV_TIMEOUT, NULL)) return;
    struct timeval now = {0};
    int result = event_add(loop->later_event, &now);
    ASSERT(result == 0);
}

static void forward_signal(evutil_socket_t signal_number, short what, void *ctx)
{
    struct loop *loop = ctx;
    loop->signalled(loop->signalled_ctx, (int)signal_number);
}

static void forward_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct loop_watch *watch = ctx;
    unsigned ready = ((what & EV_READ) != 0 ? LOOP_READ : 0U) | ((what & EV_WRITE) != 0 ? LOOP_WRITE : 0U);
    watch->ready(watch->ctx, ready);
}

static short to_libevent(unsigned wanted)
{
    int flags = EV_PERSIST;
    if ((wanted & LOOP_READ) != 0) flags |= EV_READ;
    if ((wanted & LOOP_WRITE) != 0) flags |= EV_WRITE;
    return (short)flags;
}
