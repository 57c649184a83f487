/* What is done about failures, step by step, and what contacts are told of it.
 *
 * A contact is to believe what is so: what waits to be told of a subject, or else what it was told of it
 * last, is that it failed while it is in trouble as far as the contact's step, and that it healed, or
 * nothing, else. That is judged after each step; that what waits is told, and as seldom as it has to be, at
 * each message. */
#include "base/text.h"
#include "model/notice.h"
#include "simulate/judges.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    HOUR_MS = 3600 * 1000,
    WELL_MS = 10 * 1000,         /* plan/README.md, "Mending": so long well ends a trouble */
    TOLD_US = 180 * 1000 * 1000, /* of calm: then nobody waits to be told any more … */
    LATE_MS = 60 * 1000,         /* … of what was due so long ago */
};

static const char prefix[] = "notice/";

/* Where the store says that an instance's trouble stands. */
struct mending {
    int64_t step, tries, since_ms, step_failures, failures;
    int64_t since_us, failed_us; /* by the true clock: of the last step or try, and of the last failure */
};

/* What the store has for a contact, and had. */
struct mailbox {
    struct map *waits; /* subject -> struct waiting */
    struct map *told;  /* subject -> the mailbox: it was said last that it failed */
    char *message;     /* id of the one on its way; NULL: none */
    struct vec times;  /* int64_t, milliseconds: of all messages */
    bool lost_track;   /* some lines were too many for a message: who was told what is not known */
};

struct waiting {
    enum notice_state state;
    int64_t at_ms;
};

struct mend_judge {
    struct map *mendings;  /* instance -> struct mending */
    struct map *down;      /* "host/h1" -> the judge: the store says so */
    struct map *mailboxes; /* "p1/ops" -> struct mailbox */
    struct vec touched;    /* char *: subjects that changed in this step */
    bool looked;           /* in this calm */
};

static void judge_next(struct run *run, const char *name, const struct mending *was,
                       const struct instance *now);
static bool is_next(const struct tier *tier, int64_t was, const struct instance *now);
static bool is_over(const struct run *run, const struct mending *was, const struct instance *now,
                    const struct mend_step *step);
static int64_t elapsed_ms(const struct run *run, const struct mending *was, const struct instance *now);
static bool clocks_are_true(const struct run *run);
static void touch(struct mend_judge *judge, const char *subject);
static void judge_belief(struct run *run, const char *subject);
static void judge_instance_belief(struct run *run, const char *subject);
static void expect_belief(struct run *run, const char *contact, const char *subject, bool failed);
static const struct tier *tier_of(const struct run *run, const char *instance);
static const struct contact *contact_of(const struct run *run, const char *full_name);
static void take_line(struct mailbox *mailbox, const char *subject, const struct store_item *item);
static void take_message(struct run *run, const char *contact, struct mailbox *mailbox,
                         const struct store_item *item);
static void judge_message(struct run *run, const char *contact, struct mailbox *mailbox,
                          const struct notice_message *message);
static void judge_pace(struct run *run, const char *contact, struct mailbox *mailbox, int64_t at_ms);
static bool got_there(const struct run *run, const char *id);
static struct mailbox *mailbox_get(struct mend_judge *judge, const char *contact);
static void mailbox_free(struct mailbox *mailbox);
static bool is_held_back(const struct mailbox *mailbox, const struct contact *contact);

struct mend_judge *mend_judge_new(void)
{
    struct mend_judge *judge = mem_alloc(sizeof(*judge));
    *judge = (struct mend_judge){
        .mendings = map_new(), .down = map_new(), .mailboxes = map_new(), .touched = VEC_OF(char *)};
    return judge;
}

void mend_judge_free(struct mend_judge *judge)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(judge->mendings, &cursor, NULL, &value))
        mem_free(value);
    for (cursor = 0; map_next(judge->mailboxes, &cursor, NULL, &value);)
        mailbox_free(value);
    for (size_t i = 0; i < judge->touched.length; i++)
        mem_free(*(char **)vec_at(&judge->touched, i));
    map_free(judge->mendings);
    map_free(judge->mailboxes);
    map_free(judge->down);
    vec_free(&judge->touched);
    mem_free(judge);
}

void mend_instance(struct run *run, const char *name, const struct instance *now)
{
    struct mend_judge *judge = run->judges->mend;
    struct mending *was = map_get(judge->mendings, name);

    if (!run->swarm->contacts) return;
    if (!now) {
        if (was && was->step) touch(judge, name);
        mem_free(map_remove(judge->mendings, name));
        return;
    }
    if (!was && now->failures == 0) return;
    if (!was) {
        was = mem_alloc(sizeof(*was));
        map_put(judge->mendings, name, was);
    }
    if (now->mend_step != was->step) touch(judge, name);
    if (now->mend_step != was->step || now->mend_tries != was->tries)
        run_tell(run, "%s comes to step %" PRId64 " of on_failure, try %" PRId64, name, now->mend_step,
                 now->mend_tries);
    judge_next(run, name, was, now);
    if (now->mend_step != was->step || now->mend_since_ms != was->since_ms) was->since_us = run_now(run);
    if (now->failures > was->failures) was->failed_us = run_now(run);
    was->step = now->mend_step;
    was->tries = now->mend_tries;
    was->since_ms = now->mend_since_ms;
    was->step_failures = now->mend_failures;
    was->failures = now->failures;
}

/* From a host that is said to be down to one that is up again there are other states, of which nobody is
 * told.
 */
void mend_host(struct run *run, const struct host_fact *fact)
{
    struct mend_judge *judge = run->judges->mend;
    char subject[80];

    if (!run->swarm->contacts || (fact->state != HOST_DOWN && fact->state != HOST_UP)) return;
    snprintf(subject, sizeof(subject), "host/%s", fact->name);
    if ((fact->state == HOST_DOWN) == (map_get(judge->down, subject) != NULL)) return;
    if (fact->state == HOST_DOWN)
        map_put(judge->down, subject, judge);
    else
        map_remove(judge->down, subject);
    touch(judge, subject);
}

void told_stored(struct run *run, const struct store_item *item)
{
    static const char line[] = "/line/", message[] = "/message";
    const char *contact = item->key + strlen(prefix);

    if (!text_starts(item->key, prefix)) return;
    size_t size = strcspn(contact, "/");
    size += contact[size] ? 1 + strcspn(contact + size + 1, "/") : 0;
    CLEANUP_MEM char *name = mem_strndup(contact, size);
    struct mailbox *mailbox = mailbox_get(run->judges->mend, name);
    if (text_starts(contact + size, line))
        take_line(mailbox, contact + size + strlen(line), item);
    else if (text_equal(contact + size, message))
        take_message(run, name, mailbox, item);
}

void told_step(struct run *run)
{
    struct mend_judge *judge = run->judges->mend;

    if (run->storm) judge->looked = false;
    if (judge->touched.length == 0 || !run->world->controller) return;
    for (size_t i = 0; i < judge->touched.length; i++) {
        char *subject = *(char **)vec_at(&judge->touched, i);
        judge_belief(run, subject);
        mem_free(subject);
    }
    judge->touched.length = 0;
}

/* Nobody waits to be told of what was due long ago. */
void told_look(struct run *run)
{
    struct mend_judge *judge = run->judges->mend;
    const struct clock_port *clock = sim_machine_clock_port(run->world->controller_clock);
    int64_t now_ms = clock->wall_ms(clock->self);
    size_t cursor = 0;
    const char *name = NULL;
    void *value = NULL;

    if (judge->looked || run_now(run) - run->calm_since_us < TOLD_US || !run->world->controller) return;
    judge->looked = true;
    while (map_next(judge->mailboxes, &cursor, &name, &value)) {
        const struct mailbox *mailbox = value;
        const struct contact *contact = contact_of(run, name);
        size_t at = 0;
        const char *subject = NULL;
        void *waits = NULL;
        if (!contact || mailbox->message || is_held_back(mailbox, contact)) continue;
        while (map_next(mailbox->waits, &at, &subject, &waits))
            if (((struct waiting *)waits)->at_ms + contact->group_ms + LATE_MS < now_ms)
                run_violated(run, "told", "%s is not told of %s", name, subject);
    }
}

/* One step after the other, and none before the one in front of it had its time. */
static void judge_next(struct run *run, const char *name, const struct mending *was,
                       const struct instance *now)
{
    const struct tier *tier = tier_of(run, name);
    bool again = now->mend_step == was->step && now->mend_tries > was->tries;

    if (now->mend_step < was->step || (was->failures > 0 && now->failures == 0)) {
        int64_t well_ms = (run_now(run) - was->failed_us) / 1000 + 1; /* their clock counts milliseconds */
        if (now->mend_step != 0 || now->failures != 0)
            run_violated(run, "patient", "%s goes back from step %" PRId64 " to %" PRId64, name, was->step,
                         now->mend_step);
        else if (clocks_are_true(run) && well_ms < WELL_MS)
            run_violated(run, "patient", "the trouble of %s is over, and it failed %" PRId64 " ms ago", name,
                         well_ms);
        return;
    }
    if (!tier || (now->mend_step == was->step && !again)) return;
    if (now->mend_step > (int64_t)tier->on_failure_length ||
        (clocks_are_true(run) && !is_next(tier, was->step, now)))
        run_violated(run, "patient", "%s is at step %" PRId64 " of %zu, and was at %" PRId64, name,
                     now->mend_step, tier->on_failure_length, was->step);
    else if (now->mend_tries > tier->on_failure[now->mend_step - 1].times)
        run_violated(run, "patient", "step %" PRId64 " of %s is tried %" PRId64 " times", now->mend_step,
                     name, now->mend_tries);
    else if (was->step > 0 && (!again || was->tries > 0) &&
             !is_over(run, was, now, &tier->on_failure[was->step - 1]))
        run_violated(run, "patient", "%s comes to step %" PRId64 " %" PRId64 " ms after step %" PRId64, name,
                     now->mend_step, elapsed_ms(run, was, now), was->step);
}

/* Or behind steps that take no time, as it is written in one go; or behind a first step of restarts whose
 * failures came with one report. With slow disks and clocks that jump any may. */
static bool is_next(const struct tier *tier, int64_t was, const struct instance *now)
{
    for (int64_t step = was + 1; step < now->mend_step; step++) {
        const struct mend_step *over = &tier->on_failure[step - 1];
        bool at_once = over->what == MEND_NOTIFY && over->within_ms == 0;
        bool failed = step == 1 && over->what == MEND_RESTART && now->failures - 1 >= over->times;
        if (!at_once && !failed) return false;
    }
    return true;
}

/* As src/plan/README.md has it, "Mending". */
static bool is_over(const struct run *run, const struct mending *was, const struct instance *now,
                    const struct mend_step *step)
{
    int64_t waited_ms = elapsed_ms(run, was, now), failed = now->failures - was->step_failures;
    bool last = now->mend_step == was->step || was->tries == 0 || was->tries >= step->times;

    switch (step->what) {
    case MEND_RESTART:
        return waited_ms >= step->within_ms * step->times || failed >= step->times;
    case MEND_NOTIFY:
        return waited_ms >= step->within_ms;
    case MEND_RELOAD:
    case MEND_REPLACE:
        return last && (waited_ms >= step->within_ms || (was->tries > 0 && failed > 0));
    }
    UNREACHABLE();
}

static int64_t elapsed_ms(const struct run *run, const struct mending *was, const struct instance *now)
{
    if (clocks_are_true(run)) return (run_now(run) - was->since_us) / 1000 + 1;
    return now->mend_since_ms - was->since_ms;
}

/* Else only the controller's own can say what it waited: it is the one that was meddled with. */
static bool clocks_are_true(const struct run *run)
{
    static bool (*const meddling[])(struct run * run, struct trouble * trouble) = {clock_jump, clock_drift,
                                                                                   disk_slow};
    for (size_t i = 0; i < fault_table_length; i++)
        for (size_t m = 0; m < LENGTH(meddling); m++)
            if (run->faults[i].on && fault_table[i].strike == meddling[m]) return false;
    return true;
}

static void touch(struct mend_judge *judge, const char *subject)
{
    *(char **)vec_push(&judge->touched) = mem_strdup(subject);
}

static void judge_belief(struct run *run, const char *subject)
{
    if (text_starts(subject, "host/"))
        expect_belief(run, "landlord/ops", subject, map_get(run->judges->mend->down, subject) != NULL);
    else
        judge_instance_belief(run, subject);
}

static void judge_instance_belief(struct run *run, const char *subject)
{
    const struct mending *mending = map_get(run->judges->mend->mendings, subject);
    const struct tier *tier = tier_of(run, subject);
    CLEANUP_MEM char *own = mem_printf("%.*s/ops", (int)strcspn(subject, "/"), subject);
    const char *contact = contact_of(run, own) ? own : "landlord/ops";

    if (!tier && !mending) expect_belief(run, contact, subject, false); /* it went with its farm */
    for (size_t s = 0; tier && s < tier->on_failure_length; s++)
        if (tier->on_failure[s].what == MEND_NOTIFY)
            expect_belief(run, contact, subject, mending && mending->step > (int64_t)s);
}

/* By what waits for it, or else by what it was told. */
static void expect_belief(struct run *run, const char *contact, const char *subject, bool failed)
{
    const struct mailbox *mailbox = mailbox_get(run->judges->mend, contact);
    const struct waiting *waiting = map_get(mailbox->waits, subject);
    bool believes = waiting ? waiting->state == NOTICE_FAILED : map_get(mailbox->told, subject) != NULL;

    if (believes != failed && !(mailbox->lost_track && !waiting))
        run_violated(run, "told", "%s is to believe that %s %s, and it %s", contact, subject,
                     believes ? "failed" : "is well", failed ? "failed" : "is well");
}

/* NULL: nothing says any more what is done about it. */
static const struct tier *tier_of(const struct run *run, const char *instance)
{
    const char *name = strrchr(instance, '/');
    CLEANUP_MEM char *farm_name = mem_strndup(instance, (size_t)(name - instance));
    size_t size = (size_t)(strrchr(name, '-') - name) - 1;

    if (!run->world->controller) return NULL;
    const struct record *record =
        mirror_get(controller_mirror(run->world->controller), RECORD_FARM, farm_name);
    const struct farm *farm = record ? record->object : NULL;
    for (size_t t = 0; farm && t < farm->tiers_length; t++)
        if (strlen(farm->tiers[t].name) == size && strncmp(farm->tiers[t].name, name + 1, size) == 0)
            return &farm->tiers[t];
    return NULL;
}

static const struct contact *contact_of(const struct run *run, const char *full_name)
{
    const struct record *record =
        mirror_get(controller_mirror(run->world->controller), RECORD_CONTACT, full_name);
    return record ? record->object : NULL;
}

static void take_line(struct mailbox *mailbox, const char *subject, const struct store_item *item)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct notice_line line = {0};
    struct error err;

    mem_free(map_remove(mailbox->waits, subject));
    if (!item->value) return;
    bool good = model_read_json(&schema_notice_line, arena, item->value, strlen(item->value), &line, &err);
    ASSERT(good); /* croft wrote it */
    struct waiting *waiting = mem_alloc(sizeof(*waiting));
    *waiting = (struct waiting){line.state, line.at_ms};
    map_put(mailbox->waits, subject, waiting);
}

/* Through, or on its way: of one that goes away the contact has got a copy. */
static void take_message(struct run *run, const char *contact, struct mailbox *mailbox,
                         const struct store_item *item)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct notice_message message = {0};
    struct error err;

    if (!item->value) {
        if (mailbox->message && !got_there(run, mailbox->message))
            run_violated(run, "told", "message %s is gone, and never got there", mailbox->message);
        mem_free(mailbox->message);
        mailbox->message = NULL;
        return;
    }
    bool good =
        model_read_json(&schema_notice_message, arena, item->value, strlen(item->value), &message, &err);
    ASSERT(good);
    if (text_equal(mailbox->message, message.id)) return;
    if (mailbox->message)
        run_violated(run, "told", "message %s takes the place of %s", message.id, mailbox->message);
    mem_free(mailbox->message);
    mailbox->message = mem_strdup(message.id);
    judge_message(run, contact, mailbox, &message);
}

static void judge_message(struct run *run, const char *contact, struct mailbox *mailbox,
                          const struct notice_message *message)
{
    run_tell(run, "%s is told: %zu lines and %" PRId64 " more", contact, message->lines_length,
             message->more);
    judge_pace(run, contact, mailbox, message->at_ms);
    if (message->lines_length == 0) run_violated(run, "told", "message %s says nothing", message->id);
    if (message->more) mailbox->lost_track = true;
    for (size_t i = 0; i < message->lines_length; i++) {
        const struct notice_line *line = &message->lines[i];
        bool failed = line->state == NOTICE_FAILED, is_host = text_starts(line->subject, "host/");
        if (!failed && !map_get(mailbox->told, line->subject) && !mailbox->lost_track)
            run_violated(run, "told", "%s is told that %s healed, and was not told that it failed", contact,
                         line->subject);
        if (failed && !is_host && !map_get(run->judges->mend->mendings, line->subject))
            run_violated(run, "told", "%s is told that %s failed, which is gone", contact, line->subject);
        if (failed)
            map_put(mailbox->told, line->subject, mailbox);
        else
            map_remove(mailbox->told, line->subject);
    }
}

/* What is composed is sent: a message that is sent again is the same one. */
static void judge_pace(struct run *run, const char *contact, struct mailbox *mailbox, int64_t at_ms)
{
    const struct contact *document = run->world->controller ? contact_of(run, contact) : NULL;
    int64_t now_ms = clocks_are_true(run) ? run_now(run) / 1000 : at_ms, count = 1;

    for (size_t i = 0; i < mailbox->times.length; i++) {
        int64_t then_ms = *(int64_t *)vec_at(&mailbox->times, i);
        count += then_ms <= now_ms && then_ms > now_ms - HOUR_MS;
    }
    *(int64_t *)vec_push(&mailbox->times) = now_ms;
    if (document && count > document->hourly)
        run_violated(run, "told", "%s gets %" PRId64 " messages in an hour, and wants %" PRId64 " at most",
                     contact, count, document->hourly);
}

static bool got_there(const struct run *run, const char *id)
{
    const struct vec *letters = sim_post_letters(run->world->post);
    for (size_t i = letters->length; i > 0; i--)
        if (text_equal(((const struct sim_letter *)vec_at(letters, i - 1))->id, id)) return true;
    return false;
}

static struct mailbox *mailbox_get(struct mend_judge *judge, const char *contact)
{
    struct mailbox *mailbox = map_get(judge->mailboxes, contact);
    if (mailbox) return mailbox;
    mailbox = mem_alloc(sizeof(*mailbox));
    *mailbox = (struct mailbox){.waits = map_new(), .told = map_new(), .times = VEC_OF(int64_t)};
    map_put(judge->mailboxes, contact, mailbox);
    return mailbox;
}

static void mailbox_free(struct mailbox *mailbox)
{
    size_t cursor = 0;
    void *waiting = NULL;

    while (map_next(mailbox->waits, &cursor, NULL, &waiting))
        mem_free(waiting);
    map_free(mailbox->waits);
    map_free(mailbox->told);
    vec_free(&mailbox->times);
    mem_free(mailbox->message);
    mem_free(mailbox);
}

/* It may have had as many as it wants in an hour. By which clock is not asked: this judges too little rather
 * than too much. */
static bool is_held_back(const struct mailbox *mailbox, const struct contact *contact)
{
    return mailbox->times.length >= (size_t)contact->hourly;
}
