/* What hosts say of themselves, taken into the grid's state. */
#include "base/planted.h"
#include "base/text.h"
#include "control/internal.h"
#include "control/notices.h"

/* A report on its way into one transaction. */
struct taking {
    struct controller *controller;
    struct session *session;
    const struct host_report *report;
    struct change *change;
    struct arena *arena;
    struct map *instances; /* name -> struct instance, as changed so far; the mirror does not know it yet */
    int64_t now_ms;
};

static bool take_turn(struct controller *controller, struct session *session,
                      const struct host_report *report, bool *ret_news, struct error *err);
static void take_instances(struct taking *taking);
static void take_instance(struct taking *taking, const struct instance_report *report);
static void count_failures(struct instance *instance, const struct instance_report *report, int64_t now_ms);
static void take_gone(struct taking *taking);
static void take_drained(struct taking *taking);
static void take_document(struct taking *taking);
static void take_hardware(struct taking *taking, struct host_fact *fact);
static bool same_hardware(const struct host_fact *fact, const struct host_report *report);
static const struct finding *finding_in(const struct finding *list, size_t length,
                                        const struct finding *like);
static const struct instance *instance_of(const struct taking *taking, const char *name);
static void put_instance(struct taking *taking, const struct instance *instance);
static bool same_keys(const struct host_fact *fact, const struct host_report *report);
static void note_keys(struct taking *taking, const struct host_fact *fact);
static const struct host_key *key_of(const struct host_key *keys, size_t length, const char *party);
/* What was known of a finding before stays with it: since when, who was told, whether somebody accepts it. */
static void take_hardware(struct taking *taking, struct host_fact *fact)
{
    const struct host_report *report = taking->report;
    const struct host_fact before = *fact;
    struct finding *findings =
        arena_alloc_array(taking->arena, report->findings_length + 1, sizeof(*findings));

    for (size_t i = 0; i < report->findings_length; i++) {
        const struct finding *is = &report->findings[i];
        const struct finding *was = finding_in(before.findings, before.findings_length, is);
        findings[i] = was ? *was : (struct finding){.since_ms = taking->now_ms};
        findings[i].kind = is->kind;
        findings[i].what = is->what;
        findings[i].value = is->value;
        findings[i].limit = is->limit;
        if (!was)
            change_event(taking->change, taking->now_ms, "croft", "host", report->host,
                         finding_kind_names[is->kind], finding_text(taking->arena, report->host, is));
    }
    for (size_t i = 0; i < before.findings_length; i++) {
        const struct finding *was = &before.findings[i];
        if (!finding_in(findings, report->findings_length, was))
            change_event(taking->change, taking->now_ms, "croft", "host", report->host,
                         arena_printf(taking->arena, "%s is over", finding_kind_names[was->kind]),
                         finding_text(taking->arena, report->host, was));
    }
    fact->findings = findings;
    fact->findings_length = report->findings_length;
    fact->findings_ms = taking->now_ms;
    fact->hardware_note = report->hardware_note;
    notices_hardware(taking->controller, taking->change, &before, fact, taking->now_ms);
}

/* An agent that began a moment ago has not looked yet. */
static bool same_hardware(const struct host_fact *fact, const struct host_report *report)
{
    if (!report->hardware_seen) return true;
    if (fact->findings_length != report->findings_length ||
        !text_equal(fact->hardware_note ? fact->hardware_note : "", report->hardware_note))
        return false;
    for (size_t i = 0; i < report->findings_length; i++) {
        const struct finding *was = finding_in(fact->findings, fact->findings_length, &report->findings[i]);
        if (!was || was->value != report->findings[i].value || was->limit != report->findings[i].limit)
            return false;
    }
    return true;
}

static const struct finding *finding_in(const struct finding *list, size_t length, const struct finding *like)
{
    for (size_t i = 0; i < length; i++)
        if (list[i].kind == like->kind && text_equal(list[i].what, like->what)) return &list[i];
    return NULL;
}

static bool reported(const struct host_report *report, const char *instance);

bool report_take(struct controller *controller, struct session *session, const struct host_report *report,
                 struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(map_freep) struct map *instances = map_new();
    struct taking taking = {
        controller, session, report, change, arena, instances, control_now_ms(controller)};
    bool news = false;

    if (!take_turn(controller, session, report, &news, err)) return false;
    session->heard_us = controller->options.clock->steady_us(controller->options.clock->self);
    if (!news) return true;
    session->confirmed_version = report->document_version;
    take_document(&taking);
    take_instances(&taking);
    take_drained(&taking);
    take_gone(&taking);
    if (!change_is_empty(change)) {
        if (!change_commit(change, NULL, err))
            return error_wrap(err, "taking the report of %s", report->host);
        control_dispatch(controller);
    }
    denied_take(session, report);
    return true;
}

/* A report tells everything, so only the newest counts: one that stood in a queue is overtaken. */
static bool take_turn(struct controller *controller, struct session *session,
                      const struct host_report *report, bool *ret_news, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, report->host);

    if (!record)
        return error_set(err, ERROR_NOT_FOUND, "host %s is not known: say hello first", report->host);
    if (!text_equal(((const struct host_fact *)record->object)->boot, report->boot) &&
        !PLANTED(old_boot_heard))
        return error_set(err, ERROR_CONFLICT, "a report of another run of host %s", report->host);
    *ret_news = !text_equal(session->report_boot, report->boot) || session->report_sent_us <= report->sent_us;
    if (!*ret_news) return true;
    mem_free(session->report_boot);
    session->report_boot = mem_strdup(report->boot);
    session->report_sent_us = report->sent_us;
    return true;
}

static void take_instances(struct taking *taking)
{
    for (size_t i = 0; i < taking->report->instances_length; i++)
        take_instance(taking, &taking->report->instances[i]);
}

/* Only a report of this placement counts: an older incarnation's news is about something that is gone. */
static void take_instance(struct taking *taking, const struct instance_report *report)
{
    const struct instance *before = instance_of(taking, report->name);

    if (!before) return;
    struct instance instance = *before;
    if (!text_equal(instance.host, taking->report->host) || instance.incarnation != report->incarnation)
        return;
    enum instance_state state = report->state;
    /* Draining is the control plane's word: its host only sees a running instance. */
    if (state == INSTANCE_RUNNING && instance.wanted == WANTED_DRAIN) state = INSTANCE_DRAINING;
    /* An agent that came back a moment ago has not found out yet how an instance is that runs on, nor what a
     * balancer serves: until it says, what was said before holds. Else its members would leave the balancers
     * each time. Such an agent has counted no restarts yet; one that counts more has made the instance anew.
     */
    bool runs_on =
        state == instance.state && report->state == INSTANCE_RUNNING && report->restarts <= instance.restarts;
    enum instance_health health =
        runs_on && report->health == HEALTH_UNKNOWN ? instance.health : report->health;
    const char *frontends = report->frontends_hash[0] ? report->frontends_hash : instance.frontends_hash;
    bool same = instance.state == state && instance.health == health &&
                instance.restarts == report->restarts && text_equal(instance.frontends_hash, frontends) &&
                text_equal(instance.publish_taken, report->publish_taken);
    /* News only: the planner may have written a reason of its own behind the state that the host reported. */
    if (same) return;
    if (instance.state != state) {
        if (instance_steady(&instance, taking->now_ms)) instance.wanders = 0;
        instance.since_ms = taking->now_ms;
        change_event(taking->change, taking->now_ms, "croft", "instance", instance.name,
                     instance_state_names[state], report->reason);
    } else if (instance.health != health) {
        change_event(taking->change, taking->now_ms, "croft", "instance", instance.name,
                     health == HEALTH_GOOD ? "healthy" : "unhealthy", report->reason);
    }
    count_failures(&instance, report, taking->now_ms);
    instance.state = state;
    instance.health = health;
    instance.restarts = report->restarts;
    instance.frontends_hash = frontends;
    instance.publish_taken = report->publish_taken;
    if (report->reason[0]) instance.reason = report->reason;
    put_instance(taking, &instance);
}

/* Of the present trouble, over all incarnations and agents. A new agent counts from zero. What failed before
 * it was steady does not count any more, unless a step about it has begun: that the planner ends. */
static void count_failures(struct instance *instance, const struct instance_report *report, int64_t now_ms)
{
    int64_t more =
        report->restarts >= instance->restarts ? report->restarts - instance->restarts : report->restarts;

    if (more == 0) return;
    if (instance->mend_step == 0 && instance_steady(instance, now_ms)) instance->failures = 0;
    instance->failures += more;
    instance->failed_ms = now_ms;
}

/* An instance that is to go is gone when its host has confirmed a document without it and says that nothing
 * of it is there any more, its wiping included. */
static void take_gone(struct taking *taking)
{
    const struct host_report *report = taking->report;
    size_t length = 0;
    const struct record *const *records = mirror_list(taking->controller->mirror, RECORD_INSTANCE, &length);

    if (report->document_version < taking->session->document_version) return;
    for (size_t i = 0; i < length; i++) {
        /* Of what a report changes neither is part, and of most instances one of them says no. */
        const struct instance *before = records[i]->object;
        if (before->wanted != WANTED_GONE || !text_equal(before->host, report->host)) continue;
        before = instance_of(taking, records[i]->name);
        if (!before || before->state == INSTANCE_STOPPED) continue;
        struct instance instance = *before;
        if (reported(report, instance.name) && !PLANTED(gone_too_early)) continue;
        instance.state = INSTANCE_STOPPED;
        instance.health = HEALTH_UNKNOWN;
        instance.since_ms = taking->now_ms;
        put_instance(taking, &instance);
        change_event(taking->change, taking->now_ms, "croft", "instance", instance.name, "wiped",
                     instance.reason);
    }
}

static void take_drained(struct taking *taking)
{
    const struct host_report *report = taking->report;
    for (size_t i = 0; i < report->drained_length; i++) {
        const struct instance *before = instance_of(taking, report->drained[i]);
        if (!before) continue;
        struct instance instance = *before;
        if (instance.wanted != WANTED_DRAIN || instance.drained) continue;
        instance.drained = true;
        put_instance(taking, &instance);
    }
}

static void take_document(struct taking *taking)
{
    const struct host_report *report = taking->report;
    const struct record *record = mirror_get(taking->controller->mirror, RECORD_HOST_FACT, report->host);

    if (!record) return;
    struct host_fact fact = *(const struct host_fact *)record->object;
    const char *refused = report->refused_reason;
    bool back = fact.given_up && report->document_version > 0 && fact.state != HOST_DOWN &&
                !hosts_going_off(taking->controller, report->host);
    if (fact.document_version == report->document_version && text_equal(fact.document_error, refused) &&
        !back && same_keys(&fact, report) && same_hardware(&fact, report))
        return;
    if (refused[0] && !text_equal(fact.document_error, refused))
        change_event(taking->change, taking->now_ms, "croft", "host", report->host, "document refused",
                     refused);
    fact.document_version = report->document_version;
    fact.document_error = refused;
    note_keys(taking, &fact);
    fact.keys = report->keys;
    fact.keys_length = report->keys_length;
    if (back) fact.given_up = false;
    if (!same_hardware(&fact, report)) take_hardware(taking, &fact);
    change_put(taking->change, RECORD_HOST_FACT, report->host, &fact);
}

/* A pair that is new, taken, or gone is told by any of these. */
static bool same_keys(const struct host_fact *fact, const struct host_report *report)
{
    if (fact->keys_length != report->keys_length) return false;
    for (size_t i = 0; i < fact->keys_length; i++) {
        const struct host_key *was = &fact->keys[i], *is = &report->keys[i];
        if (!text_equal(was->party, is->party) || was->generation != is->generation ||
            was->taken_ms != is->taken_ms || was->waits != is->waits || was->stored != is->stored ||
            !text_equal(was->fingerprint, is->fingerprint))
            return false;
    }
    return true;
}

/* Who took which keys when is for the log; that a first pair was made, and goes with what it was made for, is
 * not. */
static void note_keys(struct taking *taking, const struct host_fact *fact)
{
    const struct host_report *report = taking->report;

    for (size_t i = 0; i < report->keys_length; i++) {
        const struct host_key *is = &report->keys[i];
        const struct host_key *was = key_of(fact->keys, fact->keys_length, is->party);
        if (!was || (was->generation == is->generation && was->taken_ms == is->taken_ms)) continue;
        if (is->taken_ms && was->taken_ms == is->taken_ms && was->fingerprint[0])
            continue; /* of what was taken before, the pair that was asked for has come into use */
        CLEANUP_MEM char *name = mem_printf("keys of %s %s", is->party,
                                            !is->taken_ms                   ? "made anew"
                                            : was->taken_ms == is->taken_ms ? "rotated"
                                                                            : "taken");
        change_event(taking->change, taking->now_ms, is->taken_ms ? is->party : "landlord", "host",
                     report->host, name,
                     is->taken_ms ? "a sealed command of its console" : "nobody has taken them");
    }
}

static const struct host_key *key_of(const struct host_key *keys, size_t length, const char *party)
{
    for (size_t i = 0; i < length; i++)
        if (text_equal(keys[i].party, party)) return &keys[i];
    return NULL;
}

static bool reported(const struct host_report *report, const char *instance)
{
    for (size_t i = 0; i < report->instances_length; i++)
        if (text_equal(report->instances[i].name, instance)) return true;
    return false;
}

static const struct instance *instance_of(const struct taking *taking, const char *name)
{
    const struct instance *changed = map_get(taking->instances, name);
    const struct record *record = mirror_get(taking->controller->mirror, RECORD_INSTANCE, name);
    return changed ? changed : record ? record->object : NULL;
}

static void put_instance(struct taking *taking, const struct instance *instance)
{
    struct instance *changed = arena_alloc(taking->arena, sizeof(*changed));

    *changed = *instance;
    map_put(taking->instances, instance->name, changed);
    change_put(taking->change, RECORD_INSTANCE, instance->name, instance);
}
