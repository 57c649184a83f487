/* What people want, taken into the grid's state: documents, and the commands that are shorthands for a change
 * of one. Everything is checked before anything is written, and written in one transaction. */
#include "base/text.h"
#include "control/internal.h"
#include "model/image_text.h"
#include "plan/admit/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXEC_WORD_MAX = 255 }; /* bytes of a command's first word that are kept */

static const char *kind_word(enum record_kind kind);
static enum record_kind record_kind_of(enum document_kind kind);
static const char *party_of(const struct document *document);
static const void *object_of(const struct document *document);
static bool check_caller(const struct caller *caller, const struct documents *documents, struct error *err);
static bool check_images(struct controller *controller, const struct caller *caller,
                         const struct documents *documents, const char *file, struct error *err);
static bool check_image(struct controller *controller, const struct caller *caller,
                        const struct document *document, struct error *err);
static bool check_promises(struct controller *controller, struct arena *arena,
                           const struct documents *documents, const char *file, struct error *err);
static const void *merge(struct arena *arena, const void *old, size_t old_length,
                         const struct documents *documents, enum document_kind kind, size_t *ret_length);
static int compare_documents(const void *a, const void *b);
static const char *object_name(struct arena *arena, enum document_kind kind, const void *object);
static const char *image_name(struct arena *arena, const struct image *image);
static bool tells(const struct snapshot *snapshot, const struct farm *farm, const struct tier *tier,
                  const char *full_name);
static bool check_delete(struct controller *controller, enum record_kind kind, const char *name,
                         struct error *err);
static bool refuse_missing(struct controller *controller, const struct caller *caller, enum record_kind kind,
                           const char *name, struct error *err);
static void note_levels(struct controller *controller, struct change *change, const char *name,
                        const struct farm *farm);
static bool commit(struct controller *controller, struct change *change, struct error *err);
static bool note_power(struct controller *controller, const struct caller *caller, const char *host,
                       enum power_order order, struct error *err);
static void power_done(void *ctx, const struct error *err);
static int64_t wall_ms(struct controller *controller);

bool controller_apply(struct controller *controller, struct arena *arena, const struct caller *caller,
                      const struct documents *documents, const char *file, uint64_t if_revision, bool dry_run,
                      struct vec *ret_applied, struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    struct vec applied = VEC_OF(struct applied);
    uint64_t revision = store_revision(controller->options.store);

    if (!check_caller(caller, documents, err) ||
        !spec_check(mirror_snapshot(controller->mirror), documents, file, err) ||
        !check_images(controller, caller, documents, file, err) ||
        !filters_check(controller, arena, documents, file, err) ||
        !check_promises(controller, arena, documents, file, err))
        return false;
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        enum record_kind kind = record_kind_of(document->kind->kind);
        const char *name = arena_strdup(arena, document->name);
        const struct record *record = mirror_get(controller->mirror, kind, name);
        struct applied *item = vec_push(&applied);
        CLEANUP_BUF struct buf json = {0};

        schema_write(document->kind->schema, document->kind->name, object_of(document), &json);
        *item =
            (struct applied){document->kind->singular, name, APPLY_CREATED, record ? record->revision : 0};
        if (record)
            item->result = text_equal(record->json, buf_text(&json)) ? APPLY_UNCHANGED : APPLY_UPDATED;
        if (if_revision != UINT64_MAX) change_expect(change, kind, name, if_revision);
        if (item->result == APPLY_UNCHANGED) continue;
        change_put(change, kind, name, object_of(document));
        change_event(change, wall_ms(controller), caller->name, item->kind, name,
                     item->result == APPLY_CREATED ? "created" : "updated", "a document was applied");
        if (kind == RECORD_FARM) note_levels(controller, change, name, document->farm);
    }
    bool good = dry_run || change_is_empty(change) || change_commit(change, &revision, err);
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

    if (!check_caller(caller, documents, err) || !spec_check(now, documents, file, err) ||
        !filters_check(controller, arena, documents, file, err) ||
        !check_promises(controller, arena, documents, file, err))
        return false;
    struct snapshot *then = arena_alloc(arena, sizeof(*then));
    *then = intent_with_documents(arena, now, documents);
    *ret_plan = plan_make(arena, then, wall_ms(controller));
    return true;
}

bool controller_delete(struct controller *controller, const struct caller *caller, enum record_kind kind,
                       const char *name, uint64_t if_revision, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, kind, name);
    CLEANUP_CHANGE struct change *change = control_change(controller);

    if (!record || !caller_may_see(caller, kind, record))
        return refuse_missing(controller, caller, kind, name, err);
    if (!text_equal(caller->party, "landlord") && kind != RECORD_FARM && kind != RECORD_IMAGE &&
        kind != RECORD_FILTER && kind != RECORD_CONTACT)
        return error_set(err, ERROR_DENIED, "only the landlord deletes a %s", kind_word(kind));
    if (!check_delete(controller, kind, name, err)) return false;
    if (if_revision != UINT64_MAX) change_expect(change, kind, name, if_revision);
    change_delete(change, kind, name);
    if (kind == RECORD_HOST) change_delete(change, RECORD_HOST_FACT, name);
    change_event(change, wall_ms(controller), caller->name, kind_word(kind), name, "deleted", "as asked");
    if (kind == RECORD_FARM) note_levels(controller, change, name, NULL);
    return commit(controller, change, err);
}

bool controller_scale(struct controller *controller, const struct caller *caller, const char *farm,
                      const char *tier, int64_t count, struct error *err)
{
    const struct record *record = mirror_get(controller->mirror, RECORD_FARM, farm);
    CLEANUP_ARENA struct arena *arena = arena_new();

    if (!record || !caller_may_see(caller, RECORD_FARM, record))
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

    if (!record || !caller_may_see(caller, RECORD_INSTANCE, record))
        return error_set(err, ERROR_NOT_FOUND, "there is no instance %s", instance);
    if (!text_equal(caller->party, "landlord"))
        return error_set(err, ERROR_DENIED, "only the landlord chooses hosts");
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

    if (!text_equal(caller->party, "landlord"))
        return error_set(err, ERROR_DENIED, "only the landlord changes hosts");
    if (!record) return error_set(err, ERROR_NOT_FOUND, "there is no host %s", host);
    struct host copy = *(const struct host *)record->object;
    if (copy.state == state) return true;
    copy.state = state;
    change_put(change, RECORD_HOST, host, &copy);
    change_event(change, wall_ms(controller), caller->name, "host", host, whats[state], "as asked");
    return commit(controller, change, err);
}

bool controller_note_exec(struct controller *controller, const struct caller *caller, const char *instance,
                          const char *word, struct error *err)
{
    CLEANUP_CHANGE struct change *change = control_change(controller);
    size_t size = strcspn(word, " \t\n");
    char shown[EXEC_WORD_MAX + 1];

    if (size > EXEC_WORD_MAX)
        for (size = EXEC_WORD_MAX; size > 0 && ((unsigned char)word[size] & 0xc0) == 0x80;)
            size--; /* not within a character */
    snprintf(shown, sizeof(shown), "%.*s", (int)size, word);
    change_event(change, wall_ms(controller), caller->name, "instance", instance, "exec asked for", shown);
    return commit(controller, change, err);
}

/* What comes of the order is told by others; who gave it, here. */
static bool note_power(struct controller *controller, const struct caller *caller, const char *host,
                       enum power_order order, struct error *err)
{
    static const char *const whats[] = {[POWER_ON] = "power on asked for",
                                        [POWER_OFF] = "power off asked for",
                                        [POWER_CYCLE] = "power cycle asked for"};
    CLEANUP_CHANGE struct change *change = control_change(controller);

    change_event(change, wall_ms(controller), caller->name, "host", host, whats[order], "as asked");
    return commit(controller, change, err);
}

void controller_power(struct controller *controller, const struct caller *caller, const char *host,
                      enum power_order order, void (*done)(void *ctx, const struct error *err), void *ctx)
{
    const struct power_port *power = controller->options.power;
    struct order *wait = NULL;
    struct error err;
    bool good = true;

    if (!text_equal(caller->party, "landlord"))
        good = error_set(&err, ERROR_DENIED, "only the landlord switches hosts");
    else if (!mirror_get(controller->mirror, RECORD_HOST_FACT, host))
        good = error_set(&err, ERROR_NOT_FOUND, "there is no host %s", host);
    else if (!power && order != POWER_OFF)
        good = error_set(&err, ERROR_REFUSED, "no way to switch hosts is set up: use the switch on %s", host);
    if (good) good = note_power(controller, caller, host, order, &err);
    /* Without a power driver "off" is the landlord's word that the host is off: fencing by hand. */
    if (good && !power)
        good = hosts_set_state(controller, host, HOST_STATE_OFF, true, "off, says the landlord", &err);
    if (!good || !power) {
        done(ctx, good ? NULL : &err);
        return;
    }
    wait = order_new(controller, host, order);
    wait->done = done;
    wait->ctx = ctx;
    power->order(power->self, host, order, power_done, wait);
}

bool caller_may_see(const struct caller *caller, enum record_kind kind, const struct record *record)
{
    if (text_equal(caller->party, "landlord")) return true;
    switch (kind) {
    case RECORD_FARM:
        return text_equal(((const struct farm *)record->object)->party, caller->party);
    case RECORD_INSTANCE:
        return text_equal(((const struct instance *)record->object)->party, caller->party);
    case RECORD_PARTY:
        return text_equal(((const struct party *)record->object)->name, caller->party);
    case RECORD_IMAGE:
        return text_equal(((const struct image *)record->object)->party, caller->party) ||
               text_equal(((const struct image *)record->object)->party, "landlord");
    case RECORD_FILTER:
        return text_equal(((const struct filter *)record->object)->party, caller->party);
    case RECORD_CONTACT:
        return text_equal(((const struct contact *)record->object)->party, caller->party);
    case RECORD_SLA: /* the price list, and what the promises are worth */
    case RECORD_SCALING_RULES:
        return true;
    case RECORD_HOST:
    case RECORD_POOL:
    case RECORD_HOST_FACT:
    case RECORD_FARM_FACT:
    case RECORD_KINDS:
        return false;
    }
    UNREACHABLE();
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
        [KIND_CONTACT] = RECORD_CONTACT,
    };
    return record_kinds[kind];
}

/* Whose document it is: who may write it, besides the landlord. */
static const char *party_of(const struct document *document)
{
    switch (document->kind->kind) {
    case KIND_FARM:
        return document->farm->party;
    case KIND_IMAGE:
        return document->image->party;
    case KIND_FILTER:
        return document->filter->party;
    case KIND_CONTACT:
        return document->contact->party;
    case KIND_HOST:
    case KIND_PARTY:
    case KIND_POOL:
    case KIND_SLA:
    case KIND_SCALING_RULES:
    case KIND_COUNT:
        return "landlord";
    }
    UNREACHABLE();
}

static const void *object_of(const struct document *document)
{
    switch (document->kind->kind) {
    case KIND_HOST:
        return document->host;
    case KIND_PARTY:
        return document->party;
    case KIND_FARM:
        return document->farm;
    case KIND_IMAGE:
        return document->image;
    case KIND_POOL:
        return document->pool;
    case KIND_SLA:
        return document->sla;
    case KIND_SCALING_RULES:
        return document->scaling_rules;
    case KIND_FILTER:
        return document->filter;
    case KIND_CONTACT:
        return document->contact;
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

static bool check_caller(const struct caller *caller, const struct documents *documents, struct error *err)
{
    if (text_equal(caller->party, "landlord")) return true;
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (text_equal(party_of(document), caller->party)) continue;
        return error_set(err, ERROR_DENIED, "%s %s is not %s's to change", document->kind->singular,
                         document->name, caller->party);
    }
    return true;
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

struct snapshot intent_with_documents(struct arena *arena, const struct snapshot *snapshot,
                                      const struct documents *documents)
{
    struct snapshot then = *snapshot;
    then.hosts = merge(arena, then.hosts, then.hosts_length, documents, KIND_HOST, &then.hosts_length);
    then.parties =
        merge(arena, then.parties, then.parties_length, documents, KIND_PARTY, &then.parties_length);
    then.farms = merge(arena, then.farms, then.farms_length, documents, KIND_FARM, &then.farms_length);
    then.images = merge(arena, then.images, then.images_length, documents, KIND_IMAGE, &then.images_length);
    then.pools = merge(arena, then.pools, then.pools_length, documents, KIND_POOL, &then.pools_length);
    then.slas = merge(arena, then.slas, then.slas_length, documents, KIND_SLA, &then.slas_length);
    then.rules =
        merge(arena, then.rules, then.rules_length, documents, KIND_SCALING_RULES, &then.rules_length);
    then.filters =
        merge(arena, then.filters, then.filters_length, documents, KIND_FILTER, &then.filters_length);
    then.contacts =
        merge(arena, then.contacts, then.contacts_length, documents, KIND_CONTACT, &then.contacts_length);
    return then;
}

/* Both in order of names; a document replaces what has its name. */
static const void *merge(struct arena *arena, const void *old, size_t old_length,
                         const struct documents *documents, enum document_kind kind, size_t *ret_length)
{
    size_t size = kinds[kind].schema->size, news_length = 0, length = 0, o = 0;
    const struct document **news = arena_alloc_array(arena, documents->length + 1, sizeof(*news));

    for (size_t i = 0; i < documents->length; i++)
        if (documents->items[i].kind->kind == kind) news[news_length++] = &documents->items[i];
    if (news_length == 0) return old; /* its length is *ret_length */
    array_sort(news, news_length, sizeof(*news), compare_documents);
    const char *olds = old;
    char *items = arena_alloc_array(arena, old_length + news_length, size);
    for (size_t n = 0; n <= news_length; n++) {
        size_t from = o;
        int order = 1;
        while (o < old_length &&
               (n == news_length ||
                (order = text_compare_natural(object_name(arena, kind, olds + o * size), news[n]->name)) < 0))
            o++;
        if (o > from) memcpy(items + length * size, olds + from * size, (o - from) * size);
        length += o - from;
        if (n == news_length) break;
        if (o < old_length && order == 0) o++;
        memcpy(items + length++ * size, object_of(news[n]), size);
    }
    *ret_length = length;
    return items;
}

static int compare_documents(const void *a, const void *b)
{
    const struct document *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}

static const char *object_name(struct arena *arena, enum document_kind kind, const void *object)
{
    switch (kind) {
    case KIND_HOST:
        return ((const struct host *)object)->name;
    case KIND_PARTY:
        return ((const struct party *)object)->name;
    case KIND_FARM:
        return ((const struct farm *)object)->full_name;
    case KIND_IMAGE:
        return image_name(arena, object);
    case KIND_POOL:
        return ((const struct pool *)object)->name;
    case KIND_SLA:
        return ((const struct sla *)object)->name;
    case KIND_SCALING_RULES:
        return ((const struct scaling_rules *)object)->name;
    case KIND_FILTER:
        return ((const struct filter *)object)->full_name;
    case KIND_CONTACT:
        return ((const struct contact *)object)->full_name;
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

/* As its document is called (spec/read.c). */
static const char *image_name(struct arena *arena, const struct image *image)
{
    if (text_equal(image->party, PARTY_LANDLORD)) return image->name;
    return arena_printf(arena, "%s/%s", image->party, image->name);
}

/* Nothing that something else stands on is deleted. */
static bool check_delete(struct controller *controller, enum record_kind kind, const char *name,
                         struct error *err)
{
    const struct snapshot *snapshot = mirror_snapshot(controller->mirror);

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
        if (!text_equal(caller->party, "landlord") || !text_equal(snapshot->hosts[i].pool, name)) continue;
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

static void power_done(void *ctx, const struct error *failure)
{
    struct order *wait = ctx;
    struct controller *controller = wait->controller;
    struct error err;
    bool good = true;

    if (!failure && wait->what == POWER_OFF && controller) {
        struct session *session = session_get(controller, wait->host);
        session->beat_us[0] = session->beat_us[1] = 0;
        good = hosts_set_state(controller, wait->host, HOST_STATE_OFF, true, "switched off as asked", &err);
    }
    wait->done(wait->ctx, failure ? failure : good ? NULL : &err);
    order_free(wait);
}

static int64_t wall_ms(struct controller *controller)
{
    return control_now_ms(controller);
}
