/* Documents: reading, applying, deleting, and asking what would happen. */
#include "api/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PAGE_MAX = 10000 };

static void list(struct asked *asked, enum record_kind kind);
static void get(struct asked *asked, enum record_kind kind, const char *name);
static void put(struct asked *asked, enum record_kind kind, const char *name);
static void delete (struct asked *asked, enum record_kind kind, const char *name);
static void apply(struct asked *asked);
static void diff(struct asked *asked);
static void export(struct asked *asked);
static void write_applied(const struct vec *applied, struct buf *ret_json);
static const char *applied_text(enum apply_result result);

bool route_documents(struct asked *asked)
{
    enum record_kind kind = RECORD_KINDS;
    const char *name = NULL;
    struct error err;

    if (text_equal(asked->path, "apply") && text_equal(asked->method, "POST")) {
        apply(asked);
    } else if (text_equal(asked->path, "diff") && text_equal(asked->method, "POST")) {
        diff(asked);
    } else if (text_equal(asked->path, "export") && text_equal(asked->method, "GET")) {
        export(asked);
    } else if (!record_kind_of_path(asked->path, &kind, &name, &err)) {
        return false;
    } else if (!name && text_equal(asked->method, "GET")) {
        list(asked, kind);
    } else if (name && text_equal(asked->method, "GET")) {
        get(asked, kind, name);
    } else if (name && text_equal(asked->method, "PUT") && kind != RECORD_INSTANCE) {
        put(asked, kind, name);
    } else if (name && text_equal(asked->method, "DELETE") && kind != RECORD_INSTANCE) {
        delete (asked, kind, name);
    } else {
        return false;
    }
    return true;
}

/* "farms/acme/shop" -> farm, "acme/shop"; "farms" -> farm, NULL. */
bool record_kind_of_path(const char *path, enum record_kind *ret_kind, const char **ret_name,
                         struct error *err)
{
    static const struct {
        const char *singular, *plural;
        enum record_kind kind;
    } names[] = {{"host", "hosts", RECORD_HOST},
                 {"party", "parties", RECORD_PARTY},
                 {"farm", "farms", RECORD_FARM},
                 {"image", "images", RECORD_IMAGE},
                 {"pool", "pools", RECORD_POOL},
                 {"sla", "slas", RECORD_SLA},
                 {"scaling-rules", "scaling-rules", RECORD_SCALING_RULES},
                 {"filter", "filters", RECORD_FILTER},
                 {"lease", "leases", RECORD_LEASE},
                 {"contact", "contacts", RECORD_CONTACT},
                 {"key", "keys", RECORD_KEY},
                 {"instance", "instances", RECORD_INSTANCE}};
    size_t size = strcspn(path, "/");

    for (size_t i = 0; i < LENGTH(names); i++) {
        bool singular = strlen(names[i].singular) == size && strncmp(path, names[i].singular, size) == 0;
        bool plural = strlen(names[i].plural) == size && strncmp(path, names[i].plural, size) == 0;
        if (!singular && !plural) continue;
        *ret_kind = names[i].kind;
        *ret_name = path[size] && path[size + 1] ? path + size + 1 : NULL;
        /* The landlord's images are everyone's and named without a party; with it is fine too. */
        if (*ret_name && names[i].kind == RECORD_IMAGE && text_starts(*ret_name, "landlord/"))
            *ret_name += strlen("landlord/");
        return true;
    }
    return error_set(err, ERROR_NOT_FOUND, "no kind %.*s", (int)size, path);
}

static void list(struct asked *asked, enum record_kind kind)
{
    CLEANUP_BUF struct buf json = {0};
    const char *after = query_text(asked, "after"), *next = NULL, *last = NULL;
    int64_t limit = 0, watch = 0;
    size_t length = 0, shown = 0;
    struct error err;

    if (!query_limit(asked, "limit", PAGE_MAX, &limit, &err) || !query_watch(asked, &watch, &err)) {
        answer_error(asked, &err);
        return;
    }
    if (watch >= 0) {
        watch_start(asked, record_key(asked->arena, kind, ""), (uint64_t)watch);
        return;
    }
    const struct record *const *records =
        shown_list(asked->arena, asked->api->options.controller, kind, &length);
    struct view *view = view_new(asked->arena, asked->api->options.controller, &asked->caller);
    buf_add_char(&json, '[');
    for (size_t i = 0; i < length; i++) {
        if (!caller_may_see(asked->api->options.controller, &asked->caller, kind, records[i])) continue;
        if (after && text_compare_natural(records[i]->name, after) <= 0) continue;
        if ((int64_t)shown == limit) {
            next = last; /* not the one before this: it may be another party's */
            break;
        }
        if (shown++) buf_add_char(&json, ',');
        last = records[i]->name;
        view_record(view, records[i], &json);
    }
    view_free(view);
    buf_add_char(&json, ']');
    char revision[40];
    snprintf(revision, sizeof(revision), "\"%" PRIu64 "\"",
             store_revision(controller_store(asked->api->options.controller)));
    const struct header headers[] = {
        {"Content-Type", "application/json"}, {"ETag", revision}, {"Croft-Next", next ? next : ""}};
    answer_raw(asked, 200, headers, next ? 3 : 2, json.data, json.size);
}

static void get(struct asked *asked, enum record_kind kind, const char *name)
{
    const struct record *record = shown_get(asked->arena, asked->api->options.controller, kind, name);
    CLEANUP_BUF struct buf json = {0};
    struct error err;
    char revision[40];

    if (!record || !caller_may_see(asked->api->options.controller, &asked->caller, kind, record)) {
        static const char *const words[RECORD_KINDS] = {[RECORD_HOST] = "host",
                                                        [RECORD_PARTY] = "party",
                                                        [RECORD_FARM] = "farm",
                                                        [RECORD_IMAGE] = "image",
                                                        [RECORD_POOL] = "pool",
                                                        [RECORD_SLA] = "service level",
                                                        [RECORD_SCALING_RULES] = "set of rules",
                                                        [RECORD_FILTER] = "filter",
                                                        [RECORD_LEASE] = "lease",
                                                        [RECORD_CONTACT] = "contact",
                                                        [RECORD_KEY] = "key",
                                                        [RECORD_INSTANCE] = "instance"};
        error_set(&err, ERROR_NOT_FOUND, "there is no %s %s", words[kind], name);
        answer_error(asked, &err);
        return;
    }
    struct view *view = view_new(asked->arena, asked->api->options.controller, &asked->caller);
    view_record(view, record, &json);
    view_free(view);
    snprintf(revision, sizeof(revision), "\"%" PRIu64 "\"", record->revision);
    const struct header headers[] = {{"Content-Type", "application/json"}, {"ETag", revision}};
    /* What has no document has no revision: If-None-Match guards its first. */
    answer_raw(asked, 200, headers, record->revision ? 2 : 1, json.data, json.size);
}

static void put(struct asked *asked, enum record_kind kind, const char *name)
{
    CLEANUP_BUF struct buf json = {0};
    struct documents documents;
    struct vec applied = VEC_OF(struct applied);
    struct error err;
    bool good = spec_read(asked->arena, asked->file, asked->body, asked->body_size, &documents, &err);

    if (good && documents.length != 1)
        good = error_set(&err, ERROR_INVALID, "PUT takes one document, not %zu: use POST /v1/apply",
                         documents.length);
    if (good) {
        enum record_kind other = RECORD_KINDS;
        const char *ignored = NULL;
        good = record_kind_of_path(documents.items[0].kind->singular, &other, &ignored, &err);
        if (good && (other != kind || !text_equal(documents.items[0].name, name)))
            good = error_set(&err, ERROR_INVALID, "the document is %s %s, not what the path names",
                             documents.items[0].kind->singular, documents.items[0].name);
    }
    if (good && asked->if_exists) good = asked_matches(asked, kind, name, &err);
    good = good && controller_apply(asked->api->options.controller, asked->arena, &asked->caller, &documents,
                                    asked->file, asked_revision(asked, kind, name), false, &applied, &err);
    if (good) {
        const struct applied *item = vec_at(&applied, 0);
        buf_add_text(&json, "{\"kind\":");
        buf_add_json_string(&json, item->kind);
        buf_add_text(&json, ",\"name\":");
        buf_add_json_string(&json, item->name);
        buf_printf(&json, ",\"result\":\"%s\",\"revision\":%" PRIu64 "}", applied_text(item->result),
                   item->revision);
        answer_changed(asked, item->result == APPLY_CREATED ? 201 : 200, &json, item->revision);
    } else {
        answer_error(asked, &err);
    }
    vec_free(&applied);
}

static void delete (struct asked *asked, enum record_kind kind, const char *name)
{
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (controller_delete(asked->api->options.controller, &asked->caller, kind, name,
                          asked_revision(asked, kind, name), &err)) {
        buf_add_text(&json, "{}");
        answer_json(asked, 200, &json);
    } else {
        answer_error(asked, &err);
    }
}

static void apply(struct asked *asked)
{
    CLEANUP_BUF struct buf json = {0};
    struct documents documents;
    struct vec applied = VEC_OF(struct applied);
    const char *dry = query_text(asked, "dry_run");
    struct error err;

    if (spec_read(asked->arena, asked->file, asked->body, asked->body_size, &documents, &err) &&
        controller_apply(asked->api->options.controller, asked->arena, &asked->caller, &documents,
                         asked->file, asked->if_revision, dry && !text_equal(dry, "0"), &applied, &err)) {
        buf_add_text(&json, "{\"results\":");
        write_applied(&applied, &json);
        buf_add_char(&json, '}');
        answer_json(asked, 200, &json);
    } else {
        answer_error(asked, &err);
    }
    vec_free(&applied);
}

static void diff(struct asked *asked)
{
    struct controller *controller = asked->api->options.controller;
    CLEANUP_BUF struct buf json = {0};
    struct documents documents;
    struct vec applied = VEC_OF(struct applied);
    struct plan plan = {0};
    struct error err;

    if (!spec_read(asked->arena, asked->file, asked->body, asked->body_size, &documents, &err) ||
        !controller_apply(controller, asked->arena, &asked->caller, &documents, asked->file, UINT64_MAX, true,
                          &applied, &err) ||
        !controller_diff(controller, asked->arena, &asked->caller, &documents, asked->file, &plan, &err)) {
        answer_error(asked, &err);
        vec_free(&applied);
        return;
    }
    buf_add_text(&json, "{\"documents\":");
    write_applied(&applied, &json);
    vec_free(&applied);
    buf_add_text(&json, ",\"actions\":[");
    bool first = true;
    for (size_t i = 0; i < plan.actions_length; i++) {
        const struct action *action = &plan.actions[i];
        const char *of = action->kind == ACTION_FENCE || action->kind == ACTION_HOST ? "host" : "instance";
        if (!caller_may_see_event(controller, &asked->caller, of, action->name))
            continue; /* the plan is for the whole grid */
        buf_printf(&json, "%s{\"kind\":\"%s\",\"name\":", first ? "" : ",", action_kind_names[action->kind]);
        first = false;
        buf_add_json_string(&json, action->name);
        buf_add_text(&json, ",\"host\":");
        buf_add_json_string(&json, action->host ? action->host : "");
        buf_printf(&json, ",\"step\":%d,\"reason\":", action->step);
        buf_add_json_string(&json, action->reason);
        buf_add_char(&json, '}');
    }
    buf_add_text(&json, "]}");
    answer_json(asked, 200, &json);
}

/* Intent and facts, one document a line: what whatif reads. */
static void export(struct asked *asked)
{
    struct mirror *mirror = controller_mirror(asked->api->options.controller);
    CLEANUP_BUF struct buf lines = {0};
    const struct header type = {"Content-Type", "application/x-ndjson"};

    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        size_t length = 0;
        const struct record *const *records = mirror_list(mirror, (enum record_kind)kind, &length);
        for (size_t i = 0; i < length; i++) {
            if (!caller_may_see(asked->api->options.controller, &asked->caller, (enum record_kind)kind,
                                records[i]))
                continue;
            buf_add_text(&lines, view_document(asked->arena, asked->api->options.controller, &asked->caller,
                                               records[i]));
            buf_add_char(&lines, '\n');
        }
    }
    answer_raw(asked, 200, &type, 1, lines.data, lines.size);
}

static void write_applied(const struct vec *applied, struct buf *ret_json)
{
    buf_add_char(ret_json, '[');
    for (size_t i = 0; i < applied->length; i++) {
        const struct applied *item = vec_at(applied, i);
        buf_add_text(ret_json, i ? ",{\"kind\":" : "{\"kind\":");
        buf_add_json_string(ret_json, item->kind);
        buf_add_text(ret_json, ",\"name\":");
        buf_add_json_string(ret_json, item->name);
        buf_printf(ret_json, ",\"result\":\"%s\",\"revision\":%" PRIu64 "}", applied_text(item->result),
                   item->revision);
    }
    buf_add_char(ret_json, ']');
}

static const char *applied_text(enum apply_result result)
{
    static const char *const texts[] = {"created", "updated", "unchanged"};
    return texts[result];
}
