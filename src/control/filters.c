/* Parties' filters and those above them: nobody's new filter lets pass more than his boundary; when a
 * boundary tightens later, who no longer keeps inside is told (on the wire the boundary holds whatever is
 * said here). */
#include "base/text.h"
#include "control/internal.h"
#include "plan/filter/around.h"
#include "plan/filter/fits.h"
#include "plan/filter/govern.h"

#include <stdio.h>
#include <string.h>

static struct around_news brought_by(struct arena *arena, const struct documents *documents);
static void judge_soon(struct controller *controller, const char *name);
static void judge_below(struct controller *controller, const char *party);
static void judge_inside(struct controller *controller, const struct filter *outer);
static bool is_below(const struct controller *controller, const char *party, const char *above);
static void judge_next(void *ctx);
static void judge(struct controller *controller, const char *name);
static bool fits_now(struct arena *arena, struct controller *controller, const struct filter *filter,
                     uint64_t *work, struct filter_fit *ret_fit, struct error *err);
static void note(struct controller *controller, const char *name, const char *words);
static void tell(struct controller *controller, const char *name, const char *was, const char *is);
static void forget(struct controller *controller, const char *name);

void filters_start(struct controller *controller)
{
    controller->filters_due = map_new();
    controller->filters_words = map_new();
    judge_below(controller, PARTY_LANDLORD);
}

void filters_stop(struct controller *controller)
{
    const struct clock_port *clock = controller->options.clock;
    size_t cursor = 0;
    void *words = NULL;

    clock->cancel(clock->self, controller->filters_turn);
    map_free(controller->filters_due);
    while (controller->filters_words && map_next(controller->filters_words, &cursor, NULL, &words))
        mem_free(words);
    map_free(controller->filters_words);
}

bool filters_check(struct controller *controller, struct arena *arena, const struct documents *documents,
                   const char *file, struct error *err)
{
    struct snapshot whole = {0};
    struct around_news news = {0};
    uint64_t work = FIT_WORK_BEGINS; /* for all of the text: beats are not answered meanwhile */
    struct filter_fit fit;

    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind != KIND_FILTER) continue;
        if (news.filters == NULL) news = brought_by(arena, documents);
        bool around = filter_around_does(document->filter);
        if (!around && whole.filters == NULL)
            whole = intent_with_documents(arena, mirror_snapshot(controller->mirror), documents);
        const struct snapshot then =
            around ? filter_around(arena, controller->planner, &news, document->filter) : whole;
        bool judged = filter_fits(arena, &then, document->filter, &work, &fit, err);
        if (judged && fit.outer == NULL) continue;
        if (!judged)
            error_wrap(err, "with the filters before it in this text, which may be applied apart");
        else
            error_set(err, ERROR_REFUSED, "%s; croft filter check --clamp makes one that fits",
                      filter_fit_words(arena, &fit));
        snprintf(err->file, sizeof(err->file), "%s", file);
        const struct node start = {.line = document->line, .column = document->column};
        const struct node *rules = node_get(document->node, "rules");
        return schema_error_at(err, rules ? rules : &start, "rules");
    }
    return true;
}

const char *filters_misfit(const struct controller *controller, const char *name)
{
    return map_get(controller->filters_words, name);
}

void filters_changed(struct controller *controller, enum record_kind kind, const char *name, const void *is)
{
    const void *was = planner_get(controller->planner, kind, name);

    if (!controller->filters_due) return; /* all are judged at the start */
    if (kind == RECORD_FILTER) {
        judge_soon(controller, name);
        if (was) judge_inside(controller, was);
        if (is) judge_inside(controller, is);
    } else if (kind == RECORD_PARTY && was && is &&
               !text_equal(((const struct party *)was)->parent, ((const struct party *)is)->parent)) {
        judge_below(controller, PARTY_LANDLORD);
    }
}

static void judge_soon(struct controller *controller, const char *name)
{
    const struct clock_port *clock = controller->options.clock;

    map_put(controller->filters_due, name, controller);
    if (!controller->filters_turn)
        controller->filters_turn = clock->after(clock->self, 0, judge_next, controller);
}

static struct around_news brought_by(struct arena *arena, const struct documents *documents)
{
    const struct party **parties = arena_alloc_array(arena, documents->length + 1, sizeof(*parties));
    const struct filter **filters = arena_alloc_array(arena, documents->length + 1, sizeof(*filters));
    struct around_news news = {.parties = parties, .filters = filters};

    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind == KIND_PARTY) parties[news.parties_length++] = document->party;
        if (document->kind->kind == KIND_FILTER) filters[news.filters_length++] = document->filter;
    }
    return news;
}

/* Those of parties below, where this one may govern, too: on its farm, what is on it and on the parties above
 * it. */
static void judge_inside(struct controller *controller, const struct filter *outer)
{
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (!filter_around_does(outer)) {
        judge_below(controller, outer->party);
        return;
    }
    const struct snapshot part = filter_around(arena, controller->planner, NULL, outer);
    for (size_t i = 0; i < part.filters_length; i++)
        if (is_below(controller, part.filters[i].party, outer->party))
            judge_soon(controller, part.filters[i].full_name);
}

static bool is_below(const struct controller *controller, const char *party, const char *above)
{
    const struct party *at = planner_get(controller->planner, RECORD_PARTY, party);

    /* Documents are checked to have no circle. */
    while (at && !text_equal(at->parent, above) && !text_equal(at->parent, PARTY_LANDLORD))
        at = planner_get(controller->planner, RECORD_PARTY, at->parent);
    if (!at) return text_equal(above, PARTY_LANDLORD) && !text_equal(party, PARTY_LANDLORD);
    return text_equal(at->parent, above);
}

/* Those of all parties below it. */
static void judge_below(struct controller *controller, const char *party)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);
    const char *const *line = NULL;

    for (size_t i = 0; i < snapshot->filters_length; i++) {
        size_t length = govern_line(arena, snapshot, snapshot->filters[i].party, &line) - 1;
        while (length > 0 && !text_equal(line[length - 1], party))
            length--;
        if (length > 0) judge_soon(controller, snapshot->filters[i].full_name);
    }
}

/* One a turn of the loop: two long lists may take milliseconds. */
static void judge_next(void *ctx)
{
    struct controller *controller = ctx;
    const struct clock_port *clock = controller->options.clock;
    const char *name = NULL;
    size_t cursor = 0;

    controller->filters_turn = NULL;
    if (!map_next(controller->filters_due, &cursor, &name, NULL)) return;
    CLEANUP_MEM char *copy = mem_strdup(name);
    map_remove(controller->filters_due, copy);
    judge(controller, copy);
    if (map_length(controller->filters_due) > 0)
        controller->filters_turn = clock->after(clock->self, 0, judge_next, controller);
}

static void judge(struct controller *controller, const char *name)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct record *record = mirror_get(controller->mirror, RECORD_FILTER, name);
    struct filter_fit fit;
    uint64_t work = FIT_WORK_BEGINS;
    struct error err;

    if (!record)
        forget(controller, name);
    else if (!fits_now(arena, controller, record->object, &work, &fit, &err))
        note(controller, name, arena_printf(arena, "is not known to fit: %s", err.message));
    else
        note(controller, name, fit.outer == NULL ? "" : filter_fit_words(arena, &fit));
}

static bool fits_now(struct arena *arena, struct controller *controller, const struct filter *filter,
                     uint64_t *work, struct filter_fit *ret_fit, struct error *err)
{
    const struct snapshot now = filter_around_does(filter)
                                    ? filter_around(arena, controller->planner, NULL, filter)
                                    : *mirror_snapshot(controller->mirror);
    return filter_fits(arena, &now, filter, work, ret_fit, err);
}

static void note(struct controller *controller, const char *name, const char *words)
{
    CLEANUP_MEM char *was = map_put(controller->filters_words, name, mem_strdup(words));

    /* What was so before this controller began was told by the one before. */
    if (was && (was[0] == '\0') != (words[0] == '\0')) tell(controller, name, was, words);
}

static void tell(struct controller *controller, const char *name, const char *was, const char *is)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    uint64_t revision = 0;
    struct error err;

    if (is[0])
        change_event(change, control_now_ms(controller), "croft", "filter", name, "does not fit any more",
                     is);
    else
        change_event(change, control_now_ms(controller), "croft", "filter", name, "fits again", was);
    if (!change_commit(change, &revision, &err)) control_log(controller, "telling whether filters fit", &err);
    control_dispatch(controller);
}

static void forget(struct controller *controller, const char *name)
{
    mem_free(map_remove(controller->filters_words, name));
}
