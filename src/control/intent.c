/* What people want, taken into the grid's state: documents, and the commands that are shorthands for a change
 * of one. Everything is checked before anything is written, and written in one transaction. */
#include "base/text.h"
#include "control/internal.h"
#include "control/notices.h"
#include "model/image_text.h"
#include "plan/admit/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXEC_WORD_MAX = 255 }; /* bytes of a command's first word that are kept */

/* Documents on their way in. */
struct intent {
    struct controller *controller;
    struct arena *arena;
    const struct caller *caller;
    const struct documents *documents;
    struct snapshot *then;         /* with them; NULL: no party and no lease changes */
    const struct lease_tree *tree; /* what parties will hold */
    struct lease_tree *own;        /* the same, to be freed; NULL: it is the controller's */
};

static const char *kind_word(enum record_kind kind);
static enum record_kind record_kind_of(enum document_kind kind);
static void intent_begin(struct intent *intent);
static bool accept_findings(struct controller *controller, struct change *change, const char *host);
static bool check_all(struct intent *intent, const char *file, const char *const **ret_rights,
                      struct error *err);
static bool check_caller(struct intent *intent, const char *const **ret_rights, struct error *err);
static bool check_author(struct intent *intent, const struct document *document, const char **ret_right,
                         struct error *err);
static bool allows(struct intent *intent, enum deed deed, const char *target, const char **ret_right,
                   struct error *err);
static bool check_farm_author(struct intent *intent, const struct farm *farm, const char **ret_right,
                              struct error *err);
static bool differs_in_images(struct arena *arena, const struct record *record, const struct farm *is);
static bool may_delete(struct controller *controller, const struct caller *caller,
                       const struct record *record, const char **ret_right, struct error *err);
static bool check_delete_lease(struct controller *controller, const struct lease *lease, struct error *err);
static bool check_images(struct controller *controller, const struct caller *caller,
                         const struct documents *documents, const char *file, struct error *err);
static bool check_image(struct controller *controller, const struct caller *caller,
                        const struct document *document, struct error *err);
static bool check_promises(struct controller *controller, struct arena *arena,
                           const struct documents *documents, const char *file, struct error *err);
static bool tells(const struct snapshot *snapshot, const struct farm *farm, const struct tier *tier,
                  const char *full_name);
static bool check_delete(struct controller *controller, enum record_kind kind, const char *name,
                         struct error *err);
static bool refuse_missing(struct controller *controller, const struct caller *caller, enum record_kind kind,
                           const char *name, struct error *err);
static void note_levels(struct controller *controller, struct change *change, const char *name,
                        const struct farm *farm);
static bool commit(struct controller *controller, struct change *change, struct error *err);
static int64_t wall_ms(struct controller *controller);

bool controller_apply(struct controller *controller, struct arena *arena, const struct caller *caller,
                      const struct documents *documents, const char *file, uint64_t if_revision, bool dry_run,
                      struct vec *ret_applied, struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    struct vec applied = VEC_OF(struct applied);
    uint64_t revision = store_revision(controller->options.store);
    struct intent intent = {
        .controller = controller, .arena = arena, .caller = caller, .documents = documents};
    const char *const *rights = NULL;

    intent_begin(&intent);
    bool good = check_all(&intent, file, &rights, err);
    lease_tree_free(intent.own);
    if (!good) return false;
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        enum record_kind kind = record_kind_of(document->kind->kind);
        const char *name = arena_strdup(arena, document->name);
        const struct record *record = mirror_get(controller->mirror, kind, name);
        struct applied *item = vec_push(&applied);
        CLEANUP_BUF struct buf json = {0};

        schema_write(document->kind->schema, document->kind->name, intent_object(document), &json);
        *item =
            (struct applied){document->kind->singular, name, APPLY_CREATED, record ? record->revision : 0};
        if (record)
            item->result = text_equal(record->json, buf_text(&json)) ? APPLY_UNCHANGED : APPLY_UPDATED;
        if (if_revision != UINT64_MAX) change_expect(change, kind, name, if_revision);
        if (item->result == APPLY_UNCHANGED) continue;
        change_put(change, kind, name, intent_object(document));
        change_right(change, rights[i]);
        change_event(change, wall_ms(controller), caller->name, item->kind, name,
                     item->result == APPLY_CREATED ? "created" : "updated", "a document was applied");
        change_right(change, NULL);
        if (kind == RECORD_FARM) note_levels(controller, change, name, document->farm);
    }
    if (intent.then && !change_is_empty(change)) leases_follow(controller, arena, change, intent.then);
    good = dry_run || change_is_empty(change) || change_commit(change, &revision, err);
    if (good) {
        for (size_t i = 0; i < applied.length; i++) {
            struct applied *item = vec_at(&applied, i);
            if (item->result != APPLY_UNCHANGED) item->revision = revision;
            *(struct applied *)vec_push(ret_applied) = *item;
        }
    }
    vec_free(&applied);
    if (good && !dry_run) control_dispatch(controller);
    return good;
}

bool controller_diff(struct controller *controller, struct arena *arena, const struct caller *caller,
                     const struct documents *documents, const char *file, struct plan *ret_plan,
                     struct error *err)
{
    const struct snapshot *now = mirror_snapshot(controller->mirror);
    struct intent intent = {
        .controller = controller, .arena = arena, .caller = caller, .documents = documents};
    const char *const *rights = NULL;

    intent_begin(&intent);
    bool good = check_all(&intent, file, &rights, err);
    lease_tree_free(intent.own);
    if (!good) return false;
    struct snapshot *then = arena_alloc(arena, sizeof(*then));
    *then = intent_with_documents(arena, now, documents);
    if (intent.then) leases_foretell(arena, then);
    *ret_plan = plan_make(arena, then, wall_ms(controller));
    return true;
}

bool controller_delete(struct controller *controller, const struct caller *caller, enum record_kind kind,
                       const char *name, uint64_t if_revision, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, kind, name);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    const char *right = NULL;

    if (!record || !caller_may_see(controller, caller, kind, record))
        return refuse_missing(controller, caller, kind, name, err);
    if (kind == RECORD_LEASE && !leases_may_undo(controller, caller, record->object, err)) return false;
    if (!may_delete(controller, caller, record, &right, err) || !check_delete(controller, kind, name, err))
        return false;
    if (if_revision != UINT64_MAX) change_expect(change, kind, name, if_revision);
    change_delete(change, kind, name);
    if (kind == RECORD_HOST) change_delete(change, RECORD_HOST_FACT, name);
    change_right(change, right);
    change_event(change, wall_ms(controller), caller->name, kind_word(kind), name, "deleted", "as asked");
    if (kind == RECORD_PARTY && !leases_party_goes(controller, change, name, err)) return false;
    change_right(change, NULL);
    if (kind == RECORD_FARM) note_levels(controller, change, name, NULL);
    return commit(controller, change, err);
}

static bool may_delete(struct controller *controller, const struct caller *caller,
                       const struct record *record, const char **ret_right, struct error *err)
{
    static const enum deed deeds[RECORD_KINDS] = {
        [RECORD_HOST] = DEED_HOST,
        [RECORD_POOL] = DEED_HOST,
        [RECORD_FARM] = DEED_FARM,
        [RECORD_IMAGE] = DEED_IMAGE,
        [RECORD_FILTER] = DEED_FILTER,
        [RECORD_CONTACT] = DEED_CONTACT,
        [RECORD_KEY] = DEED_KEY,
        [RECORD_PARTY] = DEED_PARTY,
        [RECORD_LEASE] = DEED_LEASE,
        [RECORD_SLA] = DEED_SERVICE,
        [RECORD_SCALING_RULES] = DEED_SERVICE,
    };
    const void *object = record->object;
    const char *party = record->kind == RECORD_FARM      ? ((const struct farm *)object)->party
                        : record->kind == RECORD_IMAGE   ? ((const struct image *)object)->party
                        : record->kind == RECORD_FILTER  ? ((const struct filter *)object)->party
                        : record->kind == RECORD_CONTACT ? ((const struct contact *)object)->party
                        : record->kind == RECORD_KEY     ? ((const struct party_key *)object)->name
                        : record->kind == RECORD_PARTY   ? ((const struct party *)object)->name
                        : record->kind == RECORD_LEASE   ? ((const struct lease *)object)->from
                                                         : PARTY_LANDLORD;

    return controller_allows(controller, caller, deeds[record->kind], party, ret_right, err);
}

/* What ended stays, or its party would hold what one without leases holds. */
static bool check_delete_lease(struct controller *controller, const struct lease *lease, struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);

    for (size_t i = 0; i < snapshot->leases_length; i++) {
        const struct lease *other = &snapshot->leases[i];
        if (text_equal(other->to, lease->to) && other->state == LEASE_ACTIVE &&
            !text_equal(other->name, lease->name))
            return true;
    }
    return error_set(err, ERROR_REFUSED,
                     "lease %s is all that says what party %s holds: %s, or delete it with the party",
                     lease->name, lease->to,
                     lease->state == LEASE_ACTIVE ? "end it (croft lease end)" : "grant another first");
}

bool controller_scale(struct controller *controller, const struct caller *caller, const char *farm,
                      const char *tier, int64_t count, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, farm);
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (!record || !caller_may_see(controller, caller, RECORD_FARM, record))
        return error_set(err, ERROR_NOT_FOUND, "there is no farm %s", farm);
    struct farm copy = *(const struct farm *)record->object;
    struct tier *tiers = arena_alloc_array(arena, copy.tiers_length, sizeof(*tiers));
    struct tier *found = NULL;
    memcpy(tiers, copy.tiers, copy.tiers_length * sizeof(*tiers));
    for (size_t i = 0; i < copy.tiers_length; i++)
        if (text_equal(tiers[i].name, tier)) found = &tiers[i];
    if (!found) return error_set(err, ERROR_NOT_FOUND, "farm %s has no tier %s", farm, tier);
    if (count < 0 || count > TIER_INSTANCES_MAX)
        return error_set(err, ERROR_INVALID, "a tier has 0 to %d instances, not %" PRId64, TIER_INSTANCES_MAX,
                         count);
    /* guaranteed and max are promises of another kind: they follow only where they would fall below. */
    found->count.committed = count;
    if (found->count.guaranteed < count) found->count.guaranteed = count;
    if (found->count.max < found->count.guaranteed) found->count.max = found->count.guaranteed;
    copy.tiers = tiers;

    /* The changed document goes the way of every document, so that every check of one holds here too. */
    CLEANUP_BUF struct buf json = {0};
    struct documents documents;
    struct vec applied = VEC_OF(struct applied);
    schema_write(&schema_farm, "Farm", &copy, &json);
    bool good = spec_read(arena, "scale", buf_text(&json), json.size, &documents, err) &&
                controller_apply(controller, arena, caller, &documents, "scale", record->revision, false,
                                 &applied, err);
    vec_free(&applied);
    if (!good && err->line > 0) { /* a place in a text that nobody wrote */
        err->file[0] = 0;
        err->line = err->column = 0;
    }
    return good;
}

bool controller_move(struct controller *controller, const struct caller *caller, const char *instance,
                     const char *host, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_INSTANCE, instance);
    const struct record *target = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    const char *right = NULL;

    if (!record || !caller_may_see(controller, caller, RECORD_INSTANCE, record))
        return error_set(err, ERROR_NOT_FOUND, "there is no instance %s", instance);
    if (!controller_allows(controller, caller, DEED_INSTANCE,
                           ((const struct instance *)record->object)->party, &right, err))
        return false;
    if (!target) return error_set(err, ERROR_NOT_FOUND, "there is no host %s", host);
    if (((const struct host_fact *)target->object)->state != HOST_UP)
        return error_set(err, ERROR_REFUSED, "host %s is not up", host);
    struct instance copy = *(const struct instance *)record->object;
    if (text_equal(copy.host, host))
        return error_set(err, ERROR_REFUSED, "%s is on %s already", instance, host);
    if (copy.wanted != WANTED_RUN && copy.wanted != WANTED_WARM)
        return error_set(err, ERROR_REFUSED, "%s is on its way out", instance);
    copy.move_to = host;
    change_put(change, RECORD_INSTANCE, instance, &copy);
    change_right(change, right);
    change_event(change, wall_ms(controller), caller->name, "instance", instance, "move asked for", host);
    return commit(controller, change, err);
}

bool controller_host_state(struct controller *controller, const struct caller *caller, const char *host,
                           enum host_intent_state state, struct error *err)
{
    static const char *const whats[] = {
        [HOST_ACTIVE] = "activated", [HOST_DRAINING] = "drained", [HOST_OFF] = "switched off"};
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST, host);
    CLEANUP_CHANGE struct change *change = control_change(controller);
    const char *right = NULL;

    if (!controller_allows(controller, caller, DEED_HOST, PARTY_LANDLORD, &right, err)) return false;
    if (!record) return error_set(err, ERROR_NOT_FOUND, "there is no host %s", host);
    struct host copy = *(const struct host *)record->object;
    bool accepts = state == HOST_ACTIVE && accept_findings(controller, change, host);
    if (copy.state == state && !accepts) return true;
    copy.state = state;
    change_put(change, RECORD_HOST, host, &copy);
    change_right(change, right);
    change_event(change, wall_ms(controller), caller->name, "host", host, whats[state], "as asked");
    return commit(controller, change, err);
}

/* Who activates a host takes it as it is: what was found until now drains it no more. False: nothing was. */
static bool accept_findings(struct controller *controller, struct change *change, const char *host)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_HOST_FACT, host);
    CLEANUP_ARENA struct arena *arena = arena_new();
    bool any = false;

    if (!record) return false;
    struct host_fact fact = *(const struct host_fact *)record->object;
    struct finding *findings = arena_alloc_array(arena, fact.findings_length + 1, sizeof(*findings));
    for (size_t i = 0; i < fact.findings_length; i++) {
        findings[i] = fact.findings[i];
        any |= !findings[i].accepted;
        findings[i].accepted = true;
    }
    if (!any && !host_is_emptied(&fact)) return false;
    fact.findings = findings;
    fact.emptied = fact.spared = "";
    change_put(change, RECORD_HOST_FACT, host, &fact);
    notices_hardware(controller, change, record->object, &fact, control_now_ms(controller));
    return true;
}

bool controller_note_exec(struct controller *controller, const struct caller *caller, const char *instance,
                          const char *word, struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    size_t size = strcspn(word, " \t\n");
    char shown[EXEC_WORD_MAX + 1];
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *party = arena_strndup(arena, instance, strcspn(instance, "/")), *right = NULL;

    if (!controller_allows(controller, caller, DEED_INSTANCE, party, &right, err)) return false;
    if (size > EXEC_WORD_MAX)
        for (size = EXEC_WORD_MAX; size > 0 && ((unsigned char)word[size] & 0xc0) == 0x80;)
            size--; /* not within a character */
    snprintf(shown, sizeof(shown), "%.*s", (int)size, word);
    change_right(change, right);
    change_event(change, wall_ms(controller), caller->name, "instance", instance, "exec asked for", shown);
    return commit(controller, change, err);
}

/* As people and events write it: "farm". */
static const char *kind_word(enum record_kind kind)
{
    for (enum document_kind i = 0; i < KIND_COUNT; i++)
        if (record_kind_of(i) == kind) return kinds[i].singular;
    return record_kind_name(kind);
}

static enum record_kind record_kind_of(enum document_kind kind)
{
    static const enum record_kind record_kinds[KIND_COUNT] = {
        [KIND_HOST] = RECORD_HOST,
        [KIND_PARTY] = RECORD_PARTY,
        [KIND_FARM] = RECORD_FARM,
        [KIND_IMAGE] = RECORD_IMAGE,
        [KIND_POOL] = RECORD_POOL,
        [KIND_SLA] = RECORD_SLA,
        [KIND_SCALING_RULES] = RECORD_SCALING_RULES,
        [KIND_FILTER] = RECORD_FILTER,
        [KIND_LEASE] = RECORD_LEASE,
        [KIND_CONTACT] = RECORD_CONTACT,
        [KIND_KEY] = RECORD_KEY,
    };
    return record_kinds[kind];
}

/* The caller may write them all. ret_rights: by which right each; in the arena. */
static bool check_caller(struct intent *intent, const char *const **ret_rights, struct error *err)
{
    const struct documents *documents = intent->documents;
    const char **rights = arena_alloc_array(intent->arena, documents->length + 1, sizeof(*rights));

    for (size_t i = 0; i < documents->length; i++)
        if (!check_author(intent, &documents->items[i], &rights[i], err))
            return error_wrap(err, "%s %s is not %s's to change", documents->items[i].kind->singular,
                              documents->items[i].name, intent->caller->party);
    *ret_rights = rights;
    return true;
}

static bool check_author(struct intent *intent, const struct document *document, const char **ret_right,
                         struct error *err)
{
    switch (document->kind->kind) {
    case KIND_FARM:
        return check_farm_author(intent, document->farm, ret_right, err);
    case KIND_IMAGE:
        return allows(intent, DEED_IMAGE, document->image->party, ret_right, err);
    case KIND_FILTER:
        return allows(intent, DEED_FILTER, document->filter->party, ret_right, err);
    case KIND_CONTACT:
        return allows(intent, DEED_CONTACT, document->contact->party, ret_right, err);
    case KIND_KEY:
        return allows(intent, DEED_KEY, document->key->name, ret_right, err);
    case KIND_PARTY:
        return allows(intent, DEED_PARTY, document->party->name, ret_right, err);
    case KIND_LEASE:
        return allows(intent, DEED_LEASE, document->lease->from, ret_right, err);
    case KIND_HOST:
    case KIND_POOL:
        return allows(intent, DEED_HOST, PARTY_LANDLORD, ret_right, err);
    case KIND_SLA:
    case KIND_SCALING_RULES:
        return allows(intent, DEED_SERVICE, PARTY_LANDLORD, ret_right, err);
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

/* By what parties hold now and by what they will: nobody takes a party into his hands by the same text. What
 * is new is judged by what will be. */
static bool allows(struct intent *intent, enum deed deed, const char *target, const char **ret_right,
                   struct error *err)
{
    const struct lease_tree *now = leases_tree(intent->controller);

    if ((intent->tree == now || lease_holding(now, target) != NULL) &&
        !rights_allowed(now, intent->caller, deed, target, ret_right, err))
        return false;
    return intent->tree == now || rights_allowed(intent->tree, intent->caller, deed, target, ret_right, err);
}

/* Who develops names the next version of a tier, and changes nothing else. */
static bool check_farm_author(struct intent *intent, const struct farm *farm, const char **ret_right,
                              struct error *err)
{
    const struct record *record = mirror_get(intent->controller->mirror, RECORD_FARM, farm->full_name);

    if (allows(intent, DEED_FARM, farm->party, ret_right, err)) return true;
    struct error ignored;
    if (!allows(intent, DEED_VERSION, farm->party, ret_right, &ignored)) return false;
    if (record && differs_in_images(intent->arena, record, farm)) return true;
    return error_set(err, ERROR_DENIED,
                     "%s may name other images for its tiers, and change nothing else of it",
                     intent->caller->name);
}

/* In nothing else. */
static bool differs_in_images(struct arena *arena, const struct record *record, const struct farm *is)
{
    const struct farm *was = record->object;
    struct farm like_was = *is;
    struct tier *tiers = arena_alloc_array(arena, is->tiers_length + 1, sizeof(*tiers));
    CLEANUP_BUF struct buf json = {0};

    if (is->tiers_length != was->tiers_length) return false;
    for (size_t i = 0; i < is->tiers_length; i++) {
        tiers[i] = is->tiers[i];
        tiers[i].image = was->tiers[i].image;
    }
    like_was.tiers = tiers;
    schema_write(&schema_farm, "Farm", &like_was, &json);
    return text_equal(record->json, buf_text(&json));
}

/* What parties will hold by the documents. */
static void intent_begin(struct intent *intent)
{
    const struct documents *documents = intent->documents;
    bool moves = false;

    for (size_t i = 0; i < documents->length; i++)
        moves |= documents->items[i].kind->kind == KIND_PARTY || documents->items[i].kind->kind == KIND_LEASE;
    intent->tree = leases_tree(intent->controller);
    if (!moves) return;
    intent->then = arena_alloc(intent->arena, sizeof(*intent->then));
    *intent->then =
        intent_with_documents(intent->arena, mirror_snapshot(intent->controller->mirror), documents);
    intent->tree = intent->own = lease_tree_new(intent->then);
}

static bool check_all(struct intent *intent, const char *file, const char *const **ret_rights,
                      struct error *err)
{
    struct controller *controller = intent->controller;
    const struct documents *documents = intent->documents;

    return check_caller(intent, ret_rights, err) &&
           spec_check(mirror_snapshot(controller->mirror), documents, file, err) &&
           leases_bound(intent->caller, intent->tree, intent->then, err) &&
           leases_check(controller, intent->caller, intent->tree, documents, file, err) &&
           check_images(controller, intent->caller, documents, file, err) &&
           filters_check(controller, intent->arena, documents, file, err) &&
           check_promises(controller, intent->arena, documents, file, err);
}

/* Hosts keep what they fetched under the image's digest and ask no more whose it was: so a digest has to be
 * true, or what one party calls by it would run as another's. */
static bool check_images(struct controller *controller, const struct caller *caller,
                         const struct documents *documents, const char *file, struct error *err)
{
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind != KIND_IMAGE || check_image(controller, caller, document, err)) continue;
        snprintf(err->file, sizeof(err->file), "%s", file);
        return false;
    }
    return true;
}

static bool check_image(struct controller *controller, const struct caller *caller,
                        const struct document *document, struct error *err)
{
    const struct identity_port *identity = controller->options.identity;
    const struct blob_port *blobs = controller->options.blobs;
    const struct image *image = document->image;
    CLEANUP_BUF struct buf text = {0};
    char hex[65];
    int64_t ignored = 0;

    image_canonical(image, &text);
    identity->digest(identity->self, text.data, text.size, hex);
    if (!text_equal(image->digest + strlen("sha256:"), hex)) {
        error_set(err, ERROR_INVALID, "is not the digest of what the image says, which is sha256:%s", hex);
        return schema_error_at(err, node_get(document->node, "digest"), "digest");
    }
    for (size_t i = 0; i < image->layers_length; i++) {
        bool here = blobs->size(blobs->self, image->layers[i], &ignored, err);
        if (!here && err->code != ERROR_NOT_FOUND) return false;
        if (here && library_may_name(controller, caller->party, image->layers[i])) continue;
        error_set(err, ERROR_REFUSED, "layer %s is not here: send it first", image->layers[i]);
        return schema_error_at(err, node_get(document->node, "layers"), "layers");
    }
    return true;
}

/* Service levels are given only as far as the grid can keep them. */
static bool check_promises(struct controller *controller, struct arena *arena,
                           const struct documents *documents, const char *file, struct error *err)
{
    const struct snapshot *now = mirror_snapshot(controller->mirror);
    const struct document *cause = NULL;
    const struct farm *farm = NULL;
    bool promises = false;

    for (size_t i = 0; i < documents->length; i++)
        promises |= documents->items[i].kind->kind == KIND_FARM && admit_promises(documents->items[i].farm);
    if (!promises) return true;
    struct snapshot then = intent_with_documents(arena, now, documents);
    const char *refusal = admit_refusal(arena, now, &then, &farm);
    if (refusal == NULL) return true;
    for (size_t i = 0; i < documents->length && cause == NULL; i++)
        if (documents->items[i].kind->kind == KIND_FARM &&
            text_equal(documents->items[i].name, farm->full_name))
            cause = &documents->items[i];
    ASSERT(cause != NULL);
    const struct node start = {.line = cause->line, .column = cause->column};
    const struct node *tiers = node_get(cause->node, "tiers");
    error_set(err, ERROR_REFUSED, "%s", refusal);
    snprintf(err->file, sizeof(err->file), "%s", file);
    return schema_error_at(err, tiers != NULL ? tiers : &start, "tiers");
}

/* Nothing that something else stands on is deleted. */
static bool check_delete(struct controller *controller, enum record_kind kind, const char *name,
                         struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);

    if (kind == RECORD_LEASE)
        return check_delete_lease(controller, mirror_get(controller->mirror, kind, name)->object, err);
    for (size_t i = 0; i < snapshot->farms_length; i++) {
        const struct farm *farm = &snapshot->farms[i];
        if (kind == RECORD_PARTY && text_equal(farm->party, name))
            return error_set(err, ERROR_REFUSED, "party %s has farm %s: delete that first", name,
                             farm->full_name);
        if (kind == RECORD_SLA && text_equal(farm->sla, name))
            return error_set(err, ERROR_REFUSED, "farm %s has service level %s: give it another first",
                             farm->full_name, name);
        for (size_t j = 0; kind == RECORD_CONTACT && j < farm->tiers_length; j++) {
            if (!tells(snapshot, farm, &farm->tiers[j], name)) continue;
            return error_set(err, ERROR_REFUSED,
                             "tier %s of farm %s tells contact %s: change its on_failure first",
                             farm->tiers[j].name, farm->full_name, name);
        }
        for (size_t j = 0; kind == RECORD_IMAGE && j < farm->tiers_length; j++) {
            const struct record *image = mirror_get(controller->mirror, kind, name);
            const struct image *object = image->object;
            if (!text_equal(farm->tiers[j].image, object->name)) continue;
            if (!text_equal(object->party, "landlord") && !text_equal(object->party, farm->party)) continue;
            return error_set(err, ERROR_REFUSED, "tier %s of farm %s uses image %s", farm->tiers[j].name,
                             farm->full_name, object->name);
        }
    }
    for (size_t i = 0; kind == RECORD_CONTACT && i < snapshot->pools_length; i++)
        for (size_t j = 0; j < snapshot->pools[i].on_failure_length; j++)
            if (text_starts(name, PARTY_LANDLORD "/") &&
                text_equal(snapshot->pools[i].on_failure[j].to, name + strlen(PARTY_LANDLORD "/")))
                return error_set(err, ERROR_REFUSED, "pool %s tells contact %s: change its on_failure first",
                                 snapshot->pools[i].name, name);
    for (size_t i = 0; kind == RECORD_CONTACT && i < snapshot->pools_length; i++)
        for (size_t j = 0; j < snapshot->pools[i].on_hardware_length; j++)
            if (text_starts(name, PARTY_LANDLORD "/") &&
                text_equal(snapshot->pools[i].on_hardware[j].to, name + strlen(PARTY_LANDLORD "/")))
                return error_set(err, ERROR_REFUSED, "pool %s tells contact %s: change its on_hardware first",
                                 snapshot->pools[i].name, name);
    for (size_t i = 0; kind == RECORD_SCALING_RULES && i < snapshot->slas_length; i++)
        if (text_equal(snapshot->slas[i].rules, name))
            return error_set(err, ERROR_REFUSED, "service level %s has rules %s: give it others first",
                             snapshot->slas[i].name, name);
    for (size_t i = 0; kind == RECORD_PARTY && i < snapshot->filters_length; i++)
        if (text_equal(snapshot->filters[i].party, name) || text_equal(snapshot->filters[i].on, name))
            return error_set(err, ERROR_REFUSED, "filter %s is of or on party %s: delete that first",
                             snapshot->filters[i].full_name, name);
    for (size_t i = 0; kind == RECORD_PARTY && i < snapshot->contacts_length; i++)
        if (text_equal(snapshot->contacts[i].party, name))
            return error_set(err, ERROR_REFUSED, "party %s has contact %s: delete that first", name,
                             snapshot->contacts[i].full_name);
    for (size_t i = 0; kind == RECORD_PARTY && i < snapshot->keys_length; i++)
        if (text_equal(snapshot->keys[i].name, name))
            return error_set(err, ERROR_REFUSED, "party %s has key %s: delete that first", name, name);
    for (size_t i = 0; kind == RECORD_PARTY && i < snapshot->parties_length; i++)
        if (text_equal(snapshot->parties[i].parent, name))
            return error_set(err, ERROR_REFUSED, "party %s is the parent of %s: delete that first", name,
                             snapshot->parties[i].name);
    for (size_t i = 0; kind == RECORD_HOST && i < snapshot->instances_length; i++)
        if (text_equal(snapshot->instances[i].host, name))
            return error_set(err, ERROR_REFUSED, "host %s has instance %s: drain it first", name,
                             snapshot->instances[i].name);
    return true;
}

/* Does a step of the tier tell this contact, of all that there are? */
static bool tells(const struct snapshot *snapshot, const struct farm *farm, const struct tier *tier,
                  const char *full_name)
{
    for (size_t i = 0; i < tier->on_failure_length; i++) {
        const struct contact *contact =
            contact_find(snapshot->contacts, snapshot->contacts_length, farm->party, tier->on_failure[i].to);
        if (contact && text_equal(contact->full_name, full_name)) return true;
    }
    return false;
}

/* A pool is shown without a document, too: hosts name it. */
static bool refuse_missing(struct controller *controller, const struct caller *caller, enum record_kind kind,
                           const char *name, struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);

    for (size_t i = 0; kind == RECORD_POOL && i < snapshot->hosts_length; i++) {
        if (!text_equal(snapshot->hosts[i].pool, name) ||
            !controller_allows(controller, caller, DEED_HOST, PARTY_LANDLORD, NULL, err))
            continue;
        return error_set(err, ERROR_NOT_FOUND,
                         "pool %s has no document to delete: it is there while host %s names it", name,
                         snapshot->hosts[i].name);
    }
    return error_set(err, ERROR_NOT_FOUND, "there is no %s %s", kind_word(kind), name);
}

/* Of a farm that has another document from now on; NULL: none. */
static void note_levels(struct controller *controller, struct change *change, const char *name,
                        const struct farm *farm)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, name);
    const struct record *fact = mirror_get(controller->mirror, RECORD_FARM_FACT, name);
    struct levels_of before = {record ? record->object : NULL, fact ? fact->object : NULL};
    struct levels_of after = {farm, before.fact};

    levels_note(change, wall_ms(controller), &before, &after);
}

static bool commit(struct controller *controller, struct change *change, struct error *err)
{
    if (!change_commit(change, NULL, err)) return false;
    control_dispatch(controller);
    return true;
}

static int64_t wall_ms(struct controller *controller)
{
    return control_now_ms(controller);
}
