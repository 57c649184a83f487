/* Messages to contacts. What is told is in the store, in the transaction of what it follows from:
 *
 *   notice/CONTACT/line/SUBJECT   waits to be told; at most one a subject, for the opposite takes it back
 *   notice/CONTACT/message        on its way: the lines that went into it are gone in the same transaction
 *   notice/CONTACT/sent           how many there were, and when those of the last hour
 *
 * So a controller that ends in between loses nothing, and its successor sends the same message on, with the
 * same id: at least once. */
#include "control/notices.h"
#include "base/planted.h"
#include "base/text.h"
#include "control/internal.h"
#include "port/post.h"

#include <inttypes.h>
#include <string.h>

enum {
    HOUR_MS = 3600 * 1000,
    SEND_TIMEOUT_MS = 30 * 1000,
    AGAIN_MS_FIRST = 1000, /* after a failure; doubles … */
    AGAIN_MS_MAX = 300 * 1000,
    GIVE_UP_MS = 24 * HOUR_MS,
    LINES_MAX = 50,
};

static const char prefix[] = "notice/";
static const char *const way_words[POST_WAYS] = {"mail", "webhook", "command"};

struct outbox;

/* A message by one way. */
struct sending {
    struct outbox *outbox;
    enum post_way way;
    struct letter *letter; /* NULL: not under way */
    int64_t tries, not_before_ms;
};

/* What waits for one contact, as the store has it. */
struct outbox {
    struct controller *controller;
    char *contact;
    struct map *lines;    /* subject -> JSON */
    char *message, *sent; /* JSON, or NULL */
    struct sending sendings[POST_WAYS];
    struct timer *turn;
    char *trouble; /* NULL: none */
};

static void take_back(struct controller *controller, struct change *change, const char *subject);
/* One contact is told of one host's hardware. */
struct telling {
    struct controller *controller;
    struct change *change;
    struct arena *arena;
    const char *contact, *host;
    int64_t now_ms;
};

static void tell_findings(const struct telling *telling, const struct host_fact *before,
                          const struct host_fact *after, int64_t step);
static void tell_finding(const struct telling *telling, const struct finding *finding,
                         enum notice_state state);
static const struct finding *finding_as(const struct host_fact *fact, const struct finding *finding);
static const struct tier *tier_of(struct controller *controller, const struct instance *instance);
static const struct contact *contact_by(struct controller *controller, struct arena *arena, const char *party,
                                        const char *to);
static struct outbox *outbox_get(struct controller *controller, const char *contact);
static void outbox_free(struct outbox *outbox);
static void take_in(void *ctx, const struct store_item *item);
static const struct contact *contact_of(const struct outbox *outbox);
static void turn_at(struct outbox *outbox, int64_t at_ms);
static void turn(void *ctx);
static void forget(struct outbox *outbox);
static void compose(struct outbox *outbox, const struct contact *contact);
static void compose_lines(struct outbox *outbox, struct arena *arena, struct change *change,
                          struct notice_message *message);
static struct notice_sent sent_of(const struct outbox *outbox, struct arena *arena, int64_t now_ms);
static bool gather(const struct outbox *outbox, struct arena *arena, struct vec *ret_lines);
static int compare_lines(const void *a, const void *b);
static void send_on(struct outbox *outbox, const struct contact *contact);
static void send_by(struct sending *sending, const struct contact *contact,
                    const struct notice_message *message);
static void sent(void *ctx, const struct error *failure);
static void settle(struct outbox *outbox, enum post_way way, const char *failure);
static void trouble(struct outbox *outbox, const char *text);
static void write_mail(const struct notice_message *message, struct buf *text);
static void write_json(const struct outbox *outbox, const struct notice_message *message, struct buf *json);
static const char *subject_of(struct arena *arena, const struct notice_message *message);
static int64_t ways_of(const struct contact *contact);
static const char *key_of(struct arena *arena, const struct outbox *outbox, const char *what);
static bool read_row(const struct schema *schema, struct arena *arena, const char *json, void *ret_row);
static void commit(struct outbox *outbox, struct change *change);

bool notices_start(struct controller *controller, struct error *err)
{
    struct vec items = VEC_OF(struct store_item);
    uint64_t revision = store_revision(controller->options.store);

    controller->outboxes = map_new();
    if (!store_list(controller->options.store, prefix, NULL, 0, &items, err)) return false;
    for (size_t i = 0; i < items.length; i++)
        take_in(controller, vec_at(&items, i));
    store_items_free(&items);
    return store_watch_start(controller->options.store, prefix, revision, take_in, controller,
                             &controller->outboxes_watch, err);
}

void notices_stop(struct controller *controller)
{
    size_t cursor = 0;
    void *outbox = NULL;

    if (!controller->outboxes) return;
    store_watch_stop(controller->options.store, controller->outboxes_watch);
    while (map_next(controller->outboxes, &cursor, NULL, &outbox))
        outbox_free(outbox);
    map_free(controller->outboxes);
}

void notices_follow(struct controller *controller, struct change *change, const struct action *action,
                    const struct instance *before, int64_t now_ms)
{
    bool begins = action->kind == ACTION_MEND && action->instance->mend_step > 0;
    bool ends = before && before->mend_step > 0 &&
                (action->kind == ACTION_FORGET || (action->kind == ACTION_MEND && !begins));
    const struct tier *tier = before && (begins || ends) ? tier_of(controller, before) : NULL;
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (ends && !tier) take_back(controller, change, before->name);
    for (size_t s = 0; tier && s < tier->on_failure_length; s++) {
        bool now = begins && (int64_t)s + 1 == action->instance->mend_step;
        bool told = ends && (int64_t)s < before->mend_step;
        if (!now && !told) continue;
        const struct contact *contact = contact_by(controller, arena, before->party, tier->on_failure[s].to);
        if (!contact) continue;
        const struct notice_line line = {
            .subject = before->name,
            .state = begins ? NOTICE_FAILED : NOTICE_HEALED,
            .text = arena_printf(arena, "on %s: %s%s%s", before->host[0] ? before->host : "no host",
                                 action->reason, begins && before->reason[0] ? "; before: " : "",
                                 begins ? before->reason : ""),
            .at_ms = now_ms};
        notices_add(controller, change, contact->full_name, &line);
    }
}

/* It is not wanted any more, nor does anything say who is to know: that it failed is told to nobody who was
 * not told yet. */
static void take_back(struct controller *controller, struct change *change, const char *subject)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(controller->outboxes, &cursor, NULL, &value)) {
        const struct outbox *outbox = value;
        const char *waits = map_get(outbox->lines, subject);
        struct notice_line line = {0};
        if (!waits || !read_row(&schema_notice_line, arena, waits, &line) || line.state != NOTICE_FAILED)
            continue;
        change_delete_key(change, key_of(arena, outbox, arena_printf(arena, "line/%s", subject)));
    }
}

/* NULL: its farm, or its tier, is not wanted any more. */
static const struct tier *tier_of(struct controller *controller, const struct instance *instance)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, instance->farm);
    const struct farm *farm = record ? record->object : NULL;

    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, instance->tier)) return &farm->tiers[t];
    return NULL;
}

/* As contact_find(), without all that there are. */
static const struct contact *contact_by(struct controller *controller, struct arena *arena, const char *party,
                                        const char *to)
{
    const struct record *record =
        mirror_get(controller->mirror, RECORD_CONTACT, arena_printf(arena, "%s/%s", party, to));

    if (!record)
        record =
            mirror_get(controller->mirror, RECORD_CONTACT, arena_printf(arena, PARTY_LANDLORD "/%s", to));
    return record ? record->object : NULL;
}

void notices_host(struct controller *controller, struct change *change, const struct host_fact *before,
                  const struct host_fact *after, int64_t now_ms)
{
    bool fails = before->state != HOST_DOWN && after->state == HOST_DOWN;
    bool heals = before->state == HOST_DOWN && after->state == HOST_UP;
    const struct record *host =
        fails || heals ? mirror_get(controller->mirror, RECORD_HOST, after->name) : NULL;
    const struct record *record =
        host ? mirror_get(controller->mirror, RECORD_POOL, ((const struct host *)host->object)->pool) : NULL;
    const struct pool *pool = record ? record->object : NULL;
    CLEANUP_ARENA struct arena *arena = arena_new();

    for (size_t s = 0; pool && s < pool->on_failure_length; s++) {
        const char *contact = arena_printf(arena, PARTY_LANDLORD "/%s", pool->on_failure[s].to);
        const struct notice_line line = {
            .subject = arena_printf(arena, "host/%s", after->name),
            .state = fails ? NOTICE_FAILED : NOTICE_HEALED,
            .text = arena_printf(arena, "%s: %s", fails ? "down" : "up again", after->reason),
            .at_ms = now_ms};
        if (mirror_get(controller->mirror, RECORD_CONTACT, contact))
            notices_add(controller, change, contact, &line);
    }
}

void notices_hardware(struct controller *controller, struct change *change, const struct host_fact *before,
                      const struct host_fact *after, int64_t now_ms)
{
    const struct record *host = mirror_get(controller->mirror, RECORD_HOST, after->name);
    const struct record *record =
        host ? mirror_get(controller->mirror, RECORD_POOL, ((const struct host *)host->object)->pool) : NULL;
    const struct pool *pool = record ? record->object : NULL;
    CLEANUP_ARENA struct arena *arena = arena_new();

    for (size_t s = 0; pool && s < pool->on_hardware_length; s++) {
        if (pool->on_hardware[s].what != HARDWARE_NOTIFY) continue;
        const char *contact = arena_printf(arena, PARTY_LANDLORD "/%s", pool->on_hardware[s].to);
        if (!mirror_get(controller->mirror, RECORD_CONTACT, contact)) continue;
        struct telling telling = {controller, change, arena, contact, after->name, now_ms};
        tell_findings(&telling, before, after, INT64_C(1) << s);
    }
}

/* Whoever was told of any finding is told what became of the host. */
static void tell_findings(const struct telling *telling, const struct host_fact *before,
                          const struct host_fact *after, int64_t step)
{
    bool knows = false;

    for (size_t i = 0; i < after->findings_length; i++) {
        const struct finding *is = &after->findings[i], *was = finding_as(before, is);
        knows |= (is->steps & step) != 0;
        if ((is->steps & step) && !(was && (was->steps & step))) tell_finding(telling, is, NOTICE_FAILED);
    }
    for (size_t i = 0; i < before->findings_length; i++) {
        const struct finding *was = &before->findings[i];
        knows |= (was->steps & step) != 0;
        if ((was->steps & step) && !finding_as(after, was)) tell_finding(telling, was, NOTICE_HEALED);
    }
    bool emptied = host_is_emptied(after);
    if (emptied == host_is_emptied(before) || (emptied && !knows)) return;
    const struct notice_line line = {.subject = arena_printf(telling->arena, "host/%s/policy", telling->host),
                                     .state = emptied ? NOTICE_FAILED : NOTICE_HEALED,
                                     .text = emptied ? after->emptied
                                                     : "active again, after it was drained by policy",
                                     .at_ms = telling->now_ms};
    notices_add(telling->controller, telling->change, telling->contact, &line);
}

static void tell_finding(const struct telling *telling, const struct finding *finding,
                         enum notice_state state)
{
    const char *text = finding_text(telling->arena, telling->host, finding);
    const struct notice_line line = {
        .subject = arena_printf(telling->arena, "host/%s/%s/%s", telling->host,
                                finding_kind_names[finding->kind], finding->what),
        .state = state,
        .text = state == NOTICE_FAILED ? text : arena_printf(telling->arena, "over, what was: %s", text),
        .at_ms = telling->now_ms};
    notices_add(telling->controller, telling->change, telling->contact, &line);
}

static const struct finding *finding_as(const struct host_fact *fact, const struct finding *finding)
{
    for (size_t i = 0; i < fact->findings_length; i++)
        if (fact->findings[i].kind == finding->kind && text_equal(fact->findings[i].what, finding->what))
            return &fact->findings[i];
    return NULL;
}

void notices_add(struct controller *controller, struct change *change, const char *contact,
                 const struct notice_line *line)
{
    struct outbox *outbox = outbox_get(controller, contact);
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    const char *key = key_of(arena, outbox, arena_printf(arena, "line/%s", line->subject));
    const char *waits = map_get(outbox->lines, line->subject);
    struct notice_line was = {0}, is = *line;

    if (waits && read_row(&schema_notice_line, arena, waits, &was)) {
        if (was.state != is.state && !PLANTED(not_taken_back)) {
            change_delete_key(change, key);
            return;
        }
        is.at_ms = was.at_ms; /* it does not wait longer because it goes on */
    }
    schema_write(&schema_notice_line, NULL, &is, &json);
    change_put_text(change, key, buf_text(&json));
}

struct notice_standing notices_standing(struct controller *controller, const char *contact)
{
    const struct outbox *outbox = map_get(controller->outboxes, contact);
    struct notice_standing standing = {.trouble = ""};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct notice_message message = {0};

    if (!outbox) return standing;
    standing.waiting = (int64_t)map_length(outbox->lines);
    if (outbox->message && read_row(&schema_notice_message, arena, outbox->message, &message))
        standing.waiting += (int64_t)message.lines_length + message.more;
    standing.sent = (int64_t)sent_of(outbox, arena, control_now_ms(controller)).times_length;
    standing.trouble = outbox->trouble ? outbox->trouble : "";
    return standing;
}

void notices_contact_changed(struct controller *controller, const char *contact)
{
    struct outbox *outbox = map_get(controller->outboxes, contact);
    if (!outbox) return;
    for (size_t w = 0; w < POST_WAYS; w++)
        outbox->sendings[w].not_before_ms = 0; /* what was in the way may be gone */
    turn_at(outbox, 0);
}

static struct outbox *outbox_get(struct controller *controller, const char *contact)
{
    struct outbox *outbox = map_get(controller->outboxes, contact);

    if (outbox) return outbox;
    outbox = mem_alloc(sizeof(*outbox));
    outbox->controller = controller;
    outbox->contact = mem_strdup(contact);
    outbox->lines = map_new();
    for (size_t w = 0; w < POST_WAYS; w++)
        outbox->sendings[w] = (struct sending){.outbox = outbox, .way = (enum post_way)w};
    map_put(controller->outboxes, contact, outbox);
    return outbox;
}

static void outbox_free(struct outbox *outbox)
{
    const struct clock_port *clock = outbox->controller->options.clock;
    const struct post_port *post = outbox->controller->options.post;
    size_t cursor = 0;
    void *line = NULL;

    clock->cancel(clock->self, outbox->turn);
    for (size_t w = 0; post && w < POST_WAYS; w++)
        post->cancel(post->self, outbox->sendings[w].letter);
    while (map_next(outbox->lines, &cursor, NULL, &line))
        mem_free(line);
    map_free(outbox->lines);
    mem_free(outbox->message);
    mem_free(outbox->sent);
    mem_free(outbox->trouble);
    mem_free(outbox->contact);
    mem_free(outbox);
}

/* "notice/PARTY/NAME/…" */
static void take_in(void *ctx, const struct store_item *item)
{
    struct controller *controller = ctx;
    const char *party = item->key + strlen(prefix), *slash = strchr(party, '/');
    const char *what = slash ? strchr(slash + 1, '/') : NULL;
    char *value = item->value ? mem_strdup(item->value) : NULL;

    if (!what) {
        mem_free(value);
        return;
    }
    CLEANUP_MEM char *contact = mem_printf("%.*s", (int)(what - party), party);
    struct outbox *outbox = outbox_get(controller, contact);
    if (text_starts(what, "/line/")) {
        const char *subject = what + strlen("/line/");
        mem_free(value ? map_put(outbox->lines, subject, value) : map_remove(outbox->lines, subject));
    } else {
        bool is_message = text_equal(what, "/message");
        char **row = is_message ? &outbox->message : &outbox->sent;
        mem_free(*row);
        *row = value;
    }
    turn_at(outbox, 0);
}

static const struct contact *contact_of(const struct outbox *outbox)
{
    const struct record *record = mirror_get(outbox->controller->mirror, RECORD_CONTACT, outbox->contact);
    return record ? record->object : NULL;
}

/* 0: soon. */
static void turn_at(struct outbox *outbox, int64_t at_ms)
{
    const struct clock_port *clock = outbox->controller->options.clock;
    int64_t now_ms = control_now_ms(outbox->controller), wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;

    clock->cancel(clock->self, outbox->turn);
    outbox->turn = clock->after(clock->self, wait_ms * 1000, turn, outbox);
}

/* What waits becomes a message when the first of it has waited for so long as it is grouped, and there were
 * not too many. */
static void turn(void *ctx)
{
    struct outbox *outbox = ctx;
    const struct contact *contact = contact_of(outbox);
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec lines = VEC_OF(struct notice_line);
    int64_t now_ms = control_now_ms(outbox->controller), due_ms = INT64_MAX;

    outbox->turn = NULL;
    if (!contact) {
        forget(outbox);
        return;
    }
    if (outbox->message) {
        send_on(outbox, contact);
        return;
    }
    if (!gather(outbox, arena, &lines)) return;
    for (size_t i = 0; i < lines.length; i++) {
        const struct notice_line *line = vec_at(&lines, i);
        if (line->at_ms + contact->group_ms < due_ms) due_ms = line->at_ms + contact->group_ms;
    }
    bool any = lines.length > 0;
    vec_free(&lines);
    struct notice_sent before = sent_of(outbox, arena, now_ms);
    size_t most = (size_t)contact->hourly;
    if (before.times_length >= most && !PLANTED(pace_forgotten) &&
        before.times[before.times_length - most] + HOUR_MS > due_ms)
        due_ms = before.times[before.times_length - most] + HOUR_MS;
    if (!any) return;
    if (due_ms > now_ms)
        turn_at(outbox, due_ms);
    else
        compose(outbox, contact);
}

/* There is nobody any more to be told. */
static void forget(struct outbox *outbox)
{
    const struct post_port *post = outbox->controller->options.post;
    CLEANUP_CHANGE struct change *change = control_change(outbox->controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *subject = NULL;
    size_t cursor = 0;

    for (size_t w = 0; post && w < POST_WAYS; w++) {
        post->cancel(post->self, outbox->sendings[w].letter);
        outbox->sendings[w].letter = NULL;
    }
    while (map_next(outbox->lines, &cursor, &subject, NULL))
        change_delete_key(change, key_of(arena, outbox, arena_printf(arena, "line/%s", subject)));
    if (outbox->message) change_delete_key(change, key_of(arena, outbox, "message"));
    if (outbox->sent) change_delete_key(change, key_of(arena, outbox, "sent"));
    trouble(outbox, NULL);
    if (!change_is_empty(change)) commit(outbox, change);
}

static void compose(struct outbox *outbox, const struct contact *contact)
{
    CLEANUP_CHANGE struct change *change = control_change(outbox->controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    int64_t now_ms = control_now_ms(outbox->controller);
    struct notice_sent now = sent_of(outbox, arena, now_ms);
    struct notice_message message = {.at_ms = now_ms, .left = ways_of(contact)};
    int64_t *times = arena_alloc_array(arena, now.times_length + 1, sizeof(*times));

    if (now.times_length > 0) memcpy(times, now.times, now.times_length * sizeof(*times));
    times[now.times_length++] = now_ms;
    now.times = times;
    now.number++;
    message.id = arena_printf(arena, "%s-%" PRId64 "-%" PRId64, outbox->contact, now.number, now_ms);
    compose_lines(outbox, arena, change, &message);
    schema_write(&schema_notice_message, NULL, &message, &json);
    change_put_text(change, key_of(arena, outbox, "message"), buf_text(&json));
    buf_clear(&json);
    schema_write(&schema_notice_sent, NULL, &now, &json);
    change_put_text(change, key_of(arena, outbox, "sent"), buf_text(&json));
    for (size_t w = 0; w < POST_WAYS; w++)
        outbox->sendings[w].tries = outbox->sendings[w].not_before_ms = 0;
    commit(outbox, change);
}

/* All that waits goes into it; what is too much for people to read is counted. */
static void compose_lines(struct outbox *outbox, struct arena *arena, struct change *change,
                          struct notice_message *message)
{
    struct vec lines = VEC_OF(struct notice_line);

    if (!gather(outbox, arena, &lines)) return;
    struct notice_line *kept = arena_alloc_array(arena, LINES_MAX, sizeof(*kept));
    for (size_t i = 0; i < lines.length; i++) {
        const struct notice_line *line = vec_at(&lines, i);
        change_delete_key(change, key_of(arena, outbox, arena_printf(arena, "line/%s", line->subject)));
        if (i < LINES_MAX)
            kept[message->lines_length++] = *line;
        else
            message->more++;
    }
    vec_free(&lines);
    message->lines = kept;
}

/* What was sent, with the times of the last hour only. */
static struct notice_sent sent_of(const struct outbox *outbox, struct arena *arena, int64_t now_ms)
{
    struct notice_sent now = {0};
    size_t old = 0;

    if (!outbox->sent || !read_row(&schema_notice_sent, arena, outbox->sent, &now))
        return (struct notice_sent){0};
    while (old < now.times_length && now.times[old] + HOUR_MS <= now_ms)
        old++;
    now.times += old;
    now.times_length -= old;
    return now;
}

/* What waits, the oldest first; false: a row is damaged. */
static bool gather(const struct outbox *outbox, struct arena *arena, struct vec *ret_lines)
{
    size_t cursor = 0;
    void *json = NULL;

    while (map_next(outbox->lines, &cursor, NULL, &json)) {
        struct notice_line line = {0};
        if (!read_row(&schema_notice_line, arena, json, &line)) continue;
        *(struct notice_line *)vec_push(ret_lines) = line;
    }
    vec_sort(ret_lines, compare_lines);
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    const struct notice_line *one = a, *other = b;
    if (one->at_ms != other->at_ms) return one->at_ms < other->at_ms ? -1 : 1;
    return text_compare_natural(one->subject, other->subject);
}

static void send_on(struct outbox *outbox, const struct contact *contact)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct notice_message message = {0};
    int64_t now_ms = control_now_ms(outbox->controller), next_ms = INT64_MAX;
    bool readable = read_row(&schema_notice_message, arena, outbox->message, &message);

    message.left &= ways_of(contact); /* its document may name fewer by now */
    if (!readable || message.left == 0) {
        settle(outbox, POST_WAYS, NULL);
        return;
    }
    for (size_t w = 0; w < POST_WAYS; w++) {
        struct sending *sending = &outbox->sendings[w];
        if (!(message.left & 1 << w) || sending->letter) continue;
        if (sending->not_before_ms <= now_ms)
            send_by(sending, contact, &message);
        else if (sending->not_before_ms < next_ms)
            next_ms = sending->not_before_ms;
    }
    if (next_ms < INT64_MAX) turn_at(outbox, next_ms);
}

static void send_by(struct sending *sending, const struct contact *contact,
                    const struct notice_message *message)
{
    struct outbox *outbox = sending->outbox;
    const struct post_port *post = outbox->controller->options.post;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf body = {0};

    if (!post) return;
    if (sending->way == POST_MAIL)
        write_mail(message, &body);
    else
        write_json(outbox, message, &body);
    const struct post_message letter = {
        .way = sending->way,
        .id = message->id,
        .at_ms = message->at_ms,
        .server = sending->way == POST_MAIL ? contact->smtp : contact->webhook,
        .from = contact->from,
        .to = contact->mail,
        .to_length = contact->mail_length,
        .user = contact->login,
        .secret = arena_printf(arena, "%s/%s", contact->party, contact->secret),
        .subject = subject_of(arena, message),
        .command = contact->command,
        .command_length = contact->command_length,
        .body = buf_text(&body),
        .confined = !text_equal(contact->party, PARTY_LANDLORD),
    };
    sending->letter = post->send(post->self, &letter, SEND_TIMEOUT_MS, sent, sending);
}

static void sent(void *ctx, const struct error *failure)
{
    struct sending *sending = ctx;
    struct outbox *outbox = sending->outbox;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct notice_message message = {0};
    int64_t now_ms = control_now_ms(outbox->controller), wait_ms = AGAIN_MS_FIRST;

    sending->letter = NULL;
    if (!outbox->message || !read_row(&schema_notice_message, arena, outbox->message, &message)) return;
    if (!failure) {
        settle(outbox, sending->way, NULL);
        return;
    }
    trouble(outbox, arena_printf(arena, "%s: %s", way_words[sending->way], failure->message));
    if (now_ms - message.at_ms >= GIVE_UP_MS) {
        settle(outbox, sending->way, failure->message);
        return;
    }
    if (sending->tries == 0) {
        CLEANUP_CHANGE struct change *change = control_change(outbox->controller);
        change_event(change, now_ms, "croft", "contact", outbox->contact, "not told yet", outbox->trouble);
        commit(outbox, change);
    }
    for (int64_t n = 0; n < sending->tries && wait_ms < AGAIN_MS_MAX; n++)
        wait_ms *= 2;
    sending->tries++;
    sending->not_before_ms = now_ms + (wait_ms < AGAIN_MS_MAX ? wait_ms : AGAIN_MS_MAX);
    turn_at(outbox, 0);
}

/* The message is through by this way (POST_WAYS: by all that are left), or given up with failure. */
static void settle(struct outbox *outbox, enum post_way way, const char *failure)
{
    CLEANUP_CHANGE struct change *change = control_change(outbox->controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    const struct contact *contact = contact_of(outbox);
    struct notice_message message = {0};
    int64_t now_ms = control_now_ms(outbox->controller);
    const char *key = key_of(arena, outbox, "message");

    if (read_row(&schema_notice_message, arena, outbox->message, &message) && way < POST_WAYS)
        message.left &= ~(INT64_C(1) << way) & (contact ? ways_of(contact) : 0);
    else
        message.left = 0;
    schema_write(&schema_notice_message, NULL, &message, &json);
    if (message.left)
        change_put_text(change, key, buf_text(&json));
    else
        change_delete_key(change, key);
    if (way < POST_WAYS)
        change_event(change, now_ms, "croft", "contact", outbox->contact, failure ? "not told" : "told",
                     failure ? arena_printf(arena, "by %s, given up: %s", way_words[way], failure)
                             : arena_printf(arena, "by %s: message %s, %s", way_words[way], message.id,
                                            subject_of(arena, &message)));
    if (!failure) trouble(outbox, NULL);
    commit(outbox, change);
}

static void trouble(struct outbox *outbox, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;
    mem_free(outbox->trouble);
    outbox->trouble = copy;
}

/* "croft: 2 failed, 1 healed" */
static const char *subject_of(struct arena *arena, const struct notice_message *message)
{
    size_t failed = 0;

    for (size_t i = 0; i < message->lines_length; i++)
        failed += message->lines[i].state == NOTICE_FAILED;
    size_t healed = message->lines_length - failed;
    if (message->more == 0 && message->lines_length == 1)
        return arena_printf(arena, "%s %s", message->lines[0].subject, failed ? "failed" : "healed");
    return arena_printf(arena, "%zu failed, %zu healed%s", failed, healed, message->more ? ", and more" : "");
}

static void write_mail(const struct notice_message *message, struct buf *text)
{
    char time[32];

    for (size_t i = 0; i < message->lines_length; i++) {
        const struct notice_line *line = &message->lines[i];
        buf_printf(text, "%s  %s %s, %s\n", text_format_time(time, line->at_ms), line->subject,
                   notice_state_names[line->state], line->text);
    }
    if (message->more) buf_printf(text, "and %" PRId64 " more: croft events\n", message->more);
    buf_printf(text, "\nmessage %s\n", message->id);
}

static void write_json(const struct outbox *outbox, const struct notice_message *message, struct buf *json)
{
    char time[32];

    buf_add_text(json, "{\"id\":");
    buf_add_json_string(json, message->id);
    buf_add_text(json, ",\"contact\":");
    buf_add_json_string(json, outbox->contact);
    buf_printf(json, ",\"time\":\"%s\",\"lines\":[", text_format_time(time, message->at_ms));
    for (size_t i = 0; i < message->lines_length; i++) {
        const struct notice_line *line = &message->lines[i];
        buf_add_text(json, i ? ",{\"subject\":" : "{\"subject\":");
        buf_add_json_string(json, line->subject);
        buf_printf(json, ",\"state\":\"%s\",\"time\":\"%s\",\"text\":", notice_state_names[line->state],
                   text_format_time(time, line->at_ms));
        buf_add_json_string(json, line->text);
        buf_add_char(json, '}');
    }
    buf_printf(json, "],\"more\":%" PRId64 "}", message->more);
}

static int64_t ways_of(const struct contact *contact)
{
    return (int64_t)(contact->mail_length > 0) << POST_MAIL |
           (int64_t)(contact->webhook[0] != '\0') << POST_WEBHOOK |
           (int64_t)(contact->command_length > 0) << POST_COMMAND;
}

static const char *key_of(struct arena *arena, const struct outbox *outbox, const char *what)
{
    return arena_printf(arena, "%s%s/%s", prefix, outbox->contact, what);
}

/* croft wrote it itself: one that cannot be read is damaged, and told in the log. */
static bool read_row(const struct schema *schema, struct arena *arena, const char *json, void *ret_row)
{
    struct error err;
    return model_read_json(schema, arena, json, strlen(json), ret_row, &err);
}

/* What cannot be written now is tried again: all of it is still in the store. */
static void commit(struct outbox *outbox, struct change *change)
{
    struct controller *controller = outbox->controller;
    struct error err;

    if (change_commit(change, NULL, &err)) {
        control_dispatch(controller);
        return;
    }
    control_log(controller, "telling a contact", &err);
    turn_at(outbox, control_now_ms(controller) + AGAIN_MS_FIRST);
}
