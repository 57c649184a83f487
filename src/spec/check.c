/* What a document cannot say about itself: is the grid, as it will be, one in which it can stand? */
#include "spec/spec.h"

#include "base/text.h"
#include "base/vec.h"
#include "model/quotas.h"
#include "spec/document.h"
#include "spec/service.h"

#include <string.h>

struct usage {
    struct resources resources;
    int64_t instances;
    int64_t farms;
};

/* A party as it will be, with what it and those below it will use. */
struct seat {
    const struct party *party;
    const struct document *document; /* that says so, or NULL: the snapshot did */
    const struct document *cause;    /* the last document that has to do with its use, or NULL */
    struct usage usage;
    const struct lease *leased; /* one of its leases, an active one if there is one; NULL: it has none */
    struct quota capacity;      /* of the active ones together */
    bool active;                /* one of them is */
};

struct holding {
    const struct farm *farm;
    const struct document *document;
};

/* The grid after the documents. */
struct grid {
    struct arena *arena;
    struct map *parties; /* name to struct seat */
    struct map *farms;   /* full name to struct holding */
    struct map *images;  /* "party name:tag" to the same text */
    struct vec image_names;
    struct map *leases;       /* name to struct title */
    struct map *slas, *rules; /* name to struct sla, and to anything */
    struct map *contacts;     /* full name to anything */
    const struct snapshot *before;
};

struct title {
    const struct lease *lease;
    const struct document *document; /* that says so, or NULL: the snapshot did */
};

struct measure {
    const char *name;
    int64_t used, allowed;
    char *(*format)(char *out, int64_t value);
};

static void gather(struct grid *grid, const struct snapshot *snapshot, const struct documents *documents);
static void add_party(struct grid *grid, const struct party *party, const struct document *document);
static void add_farm(struct grid *grid, const struct farm *farm, const struct document *document);
static bool check_named(struct grid *grid, const struct document *document, const struct map *named,
                        const char *field, const char *name, struct error *err);
static bool check_service(struct grid *grid, const struct document *document, struct error *err);
static bool check_told(struct grid *grid, const struct document *document, struct error *err);
static bool check_steps(struct grid *grid, const struct document *document, const char *party,
                        const struct node *holder, const struct mend_step *steps, size_t length,
                        const char *path, struct error *err);
static bool check_hardware(struct grid *grid, const struct document *document, struct error *err);
static bool check_users(struct grid *grid, const struct document *document, struct error *err);
static bool uses_what_goes(struct grid *grid, const struct sla *sla, const struct holding *holding,
                           struct service_fault *ret_fault);
static void add_image(struct grid *grid, const struct image *image);
static bool check_references(struct grid *grid, const struct document *document, struct error *err);
static bool check_parents(struct grid *grid, const struct document *document, struct error *err);
static bool check_owner(struct grid *grid, const struct document *document, const char *party,
                        struct error *err);
static bool refuse_party(struct grid *grid, const struct document *document, const char *name,
                         const char *field, struct error *err);
static bool check_governed(struct grid *grid, const struct document *document, struct error *err);
static const char *parent_of(const struct grid *grid, const char *party);
static void add_lease(struct grid *grid, const struct lease *lease, const struct document *document);
static void seat_leases(struct grid *grid);
static bool check_sides(struct grid *grid, const struct document *document, struct error *err);
static bool check_given(struct grid *grid, const struct document *document, struct error *err);
static bool check_tenure(struct grid *grid, const struct document *document, struct error *err);
static bool is_repossessed(const struct grid *grid, const char *party);
static bool check_images(struct grid *grid, const struct document *document, struct error *err);
static bool refuse_image(struct grid *grid, const struct document *document, size_t tier, struct error *err);
static bool has_image(const struct grid *grid, const char *party, const char *name);
static bool check_quotas(struct grid *grid, struct error *err);
static struct usage usage_of(const struct farm *farm);
static void use(struct grid *grid, const struct holding *holding);
static bool check_quota(const struct seat *seat, struct error *err);
static bool check_limit(const struct seat *seat, const struct quota *quota, const char *words,
                        struct error *err);
static char *format_number(char *out, int64_t value);
static void add_usage(struct usage *sum, const struct usage *more);
static int64_t sum_of(int64_t a, int64_t b);
static int64_t product_of(int64_t a, int64_t b);
static bool refuse_at(const struct document *document, const struct node *node, const char *field,
                      struct error *err);

bool spec_check(const struct snapshot *snapshot, const struct documents *documents, const char *file,
                struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct grid grid = {.arena = arena,
                        .before = snapshot,
                        .parties = map_new(),
                        .farms = map_new(),
                        .images = map_new(),
                        .image_names = VEC_OF(const char *),
                        .leases = map_new(),
                        .slas = map_new(),
                        .rules = map_new(),
                        .contacts = map_new()};
    gather(&grid, snapshot, documents);
    bool done = true;
    for (size_t i = 0; i < documents->length && done; i++)
        done = check_references(&grid, &documents->items[i], err);
    done = done && check_quotas(&grid, err);
    vec_free(&grid.image_names);
    map_free(grid.leases);
    map_free(grid.contacts);
    map_free(grid.rules);
    map_free(grid.slas);
    map_free(grid.images);
    map_free(grid.farms);
    map_free(grid.parties);
    if (done) return true;
    return document_error_in(err, file);
}

static void gather(struct grid *grid, const struct snapshot *snapshot, const struct documents *documents)
{
    for (size_t i = 0; i < snapshot->parties_length; i++)
        add_party(grid, &snapshot->parties[i], NULL);
    for (size_t i = 0; i < snapshot->farms_length; i++)
        add_farm(grid, &snapshot->farms[i], NULL);
    for (size_t i = 0; i < snapshot->images_length; i++)
        add_image(grid, &snapshot->images[i]);
    for (size_t i = 0; i < snapshot->slas_length; i++)
        map_put(grid->slas, snapshot->slas[i].name, (void *)(uintptr_t)&snapshot->slas[i]);
    for (size_t i = 0; i < snapshot->rules_length; i++)
        map_put(grid->rules, snapshot->rules[i].name, grid);
    for (size_t i = 0; i < snapshot->leases_length; i++)
        add_lease(grid, &snapshot->leases[i], NULL);
    for (size_t i = 0; i < snapshot->contacts_length; i++)
        map_put(grid->contacts, snapshot->contacts[i].full_name, grid);
    for (size_t i = 0; i < documents->length; i++) {
        const struct document *document = &documents->items[i];
        if (document->kind->kind == KIND_LEASE) add_lease(grid, document->lease, document);
        if (document->kind->kind == KIND_PARTY) add_party(grid, document->party, document);
        if (document->kind->kind == KIND_FARM) add_farm(grid, document->farm, document);
        if (document->kind->kind == KIND_IMAGE) add_image(grid, document->image);
        if (document->kind->kind == KIND_SLA) map_put(grid->slas, document->name, document->sla);
        if (document->kind->kind == KIND_SCALING_RULES) map_put(grid->rules, document->name, grid);
        if (document->kind->kind == KIND_CONTACT) map_put(grid->contacts, document->name, grid);
    }
    seat_leases(grid);
}

static void add_party(struct grid *grid, const struct party *party, const struct document *document)
{
    struct seat *seat = map_get(grid->parties, party->name);
    if (seat == NULL) {
        seat = arena_alloc(grid->arena, sizeof(*seat));
        map_put(grid->parties, party->name, seat);
    }
    *seat = (struct seat){.party = party, .document = document, .cause = document};
}

static void add_farm(struct grid *grid, const struct farm *farm, const struct document *document)
{
    struct holding *holding = map_get(grid->farms, farm->full_name);
    if (holding == NULL) {
        holding = arena_alloc(grid->arena, sizeof(*holding));
        map_put(grid->farms, farm->full_name, holding);
    }
    *holding = (struct holding){.farm = farm, .document = document};
}

static void add_image(struct grid *grid, const struct image *image)
{
    char *key = arena_printf(grid->arena, "%s %s", image->party, image->name);
    map_put(grid->images, key, key);
    *(const char **)vec_push(&grid->image_names) = image->name;
}

static bool check_references(struct grid *grid, const struct document *document, struct error *err)
{
    switch (document->kind->kind) {
    case KIND_HOST:
    case KIND_SCALING_RULES:
        return true;
    case KIND_POOL: /* its hosts may come later */
        return check_steps(grid, document, PARTY_LANDLORD, document->node, document->pool->on_failure,
                           document->pool->on_failure_length, "", err) &&
               check_hardware(grid, document, err);
    case KIND_SLA:
        return check_named(grid, document, grid->rules, "rules", document->sla->rules, err) &&
               check_users(grid, document, err);
    case KIND_PARTY:
        return check_parents(grid, document, err) && check_given(grid, document, err);
    case KIND_LEASE:
        return check_sides(grid, document, err);
    case KIND_FARM:
        return check_owner(grid, document, document->farm->party, err) && check_tenure(grid, document, err) &&
               check_images(grid, document, err) &&
               check_named(grid, document, grid->slas, "sla", document->farm->sla, err) &&
               check_service(grid, document, err) && check_told(grid, document, err);
    case KIND_IMAGE:
        return check_owner(grid, document, document->image->party, err);
    case KIND_CONTACT:
        return check_owner(grid, document, document->contact->party, err);
    case KIND_KEY:
        return check_owner(grid, document, document->key->name, err);
    case KIND_FILTER:
        return check_owner(grid, document, document->filter->party, err) &&
               check_governed(grid, document, err);
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

/* What a document names of the landlord's is there; field is its key and, in words, its kind. */
static bool check_named(struct grid *grid, const struct document *document, const struct map *named,
                        const char *field, const char *name, struct error *err)
{
    const char **names = arena_alloc_array(grid->arena, map_length(named) + 1, sizeof(*names));
    size_t cursor = 0, length = 0;

    if (name[0] == '\0' || map_get(named, name) != NULL) return true;
    while (map_next(named, &cursor, &names[length], NULL))
        length++;
    const char *nearest = text_nearest(name, names, length);
    error_set(err, ERROR_INVALID, "there is no %s \"%s\"%s%s%s",
              text_equal(field, "sla") ? "service level" : "set of rules", name,
              nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return refuse_at(document, node_get(document->node, field), field, err);
}

/* The farm's service level, as it will be, gives what the farm's tiers ask for. */
static bool check_service(struct grid *grid, const struct document *document, struct error *err)
{
    const struct farm *farm = document->farm;
    struct service_fault fault;

    if (farm->sla[0] == '\0' ||
        !service_find_fault(grid->arena, map_get(grid->slas, farm->sla), farm, &fault))
        return true;
    const char *field = fault.level == LEVELS ? "capacity" : "count";
    const struct node *tiers = node_get(document->node, "tiers");
    const struct node *tier = tiers == NULL ? NULL : &tiers->items[fault.tier];
    const struct node *node = tier == NULL ? NULL : node_get(tier, field);
    error_set(err, ERROR_INVALID, "%s", fault.why);
    return refuse_at(document, node == NULL ? tier : node,
                     arena_printf(grid->arena, "tiers[%zu].%s", fault.tier, field), err);
}

/* Contacts that its tiers tell are there: the party's own, or the landlord's. */
static bool check_told(struct grid *grid, const struct document *document, struct error *err)
{
    const struct farm *farm = document->farm;
    const struct node *tiers = node_get(document->node, "tiers");

    for (size_t t = 0; t < farm->tiers_length; t++)
        if (!check_steps(grid, document, farm->party, tiers == NULL ? NULL : &tiers->items[t],
                         farm->tiers[t].on_failure, farm->tiers[t].on_failure_length,
                         arena_printf(grid->arena, "tiers[%zu].", t), err))
            return false;
    return true;
}

/* holder: the node that has the steps, or NULL; path: of its fields. */
static bool check_steps(struct grid *grid, const struct document *document, const char *party,
                        const struct node *holder, const struct mend_step *steps, size_t length,
                        const char *path, struct error *err)
{
    const struct node *list = holder == NULL ? NULL : node_get(holder, "on_failure");

    for (size_t s = 0; s < length; s++) {
        const char *to = steps[s].to;
        if (to[0] == '\0' || map_get(grid->contacts, arena_printf(grid->arena, "%s/%s", party, to)) != NULL ||
            map_get(grid->contacts, arena_printf(grid->arena, PARTY_LANDLORD "/%s", to)) != NULL)
            continue;
        if (text_equal(party, PARTY_LANDLORD))
            error_set(err, ERROR_INVALID, "there is no contact \"%s\" of the landlord: apply it first", to);
        else
            error_set(err, ERROR_INVALID,
                      "there is no contact \"%s\" of %s or of the landlord: apply it first", to, party);
        return refuse_at(document, list == NULL ? NULL : node_get(&list->items[s], "to"),
                         arena_printf(grid->arena, "%son_failure[%zu].to", path, s), err);
    }
    return true;
}

static bool check_hardware(struct grid *grid, const struct document *document, struct error *err)
{
    const struct node *list = node_get(document->node, "on_hardware");

    for (size_t s = 0; s < document->pool->on_hardware_length; s++) {
        const char *to = document->pool->on_hardware[s].to;
        if (to[0] == '\0' ||
            map_get(grid->contacts, arena_printf(grid->arena, PARTY_LANDLORD "/%s", to)) != NULL)
            continue;
        error_set(err, ERROR_INVALID, "there is no contact \"%s\" of the landlord: apply it first", to);
        return refuse_at(document, list == NULL ? NULL : node_get(&list->items[s], "to"),
                         arena_printf(grid->arena, "on_hardware[%zu].to", s), err);
    }
    return true;
}

/* No farm is left with what its service level does not give any more; the first by name is told. */
static bool check_users(struct grid *grid, const struct document *document, struct error *err)
{
    const struct farm *farm = NULL;
    struct service_fault fault = {0}, other;
    size_t cursor = 0;
    const char *name;
    void *value;

    while (map_next(grid->farms, &cursor, &name, &value)) {
        const struct holding *holding = value;
        if (farm != NULL && text_compare_natural(name, farm->full_name) > 0) continue;
        if (!uses_what_goes(grid, document->sla, holding, &other)) continue;
        farm = holding->farm;
        fault = other;
    }
    if (farm == NULL) return true;
    const char *tier = farm->tiers[fault.tier].name;
    if (fault.level == LEVELS) {
        error_set(err, ERROR_REFUSED, "of tier %s of farm %s this cannot be measured: change the farm first",
                  tier, farm->full_name);
        return refuse_at(document, node_get(document->node, "metric"), "metric", err);
    }
    error_set(err, ERROR_REFUSED, "farm %s has the level %s in tier %s: change the farm first",
              farm->full_name, level_names[fault.level], tier);
    return refuse_at(document, node_get(document->node, "levels"), "levels", err);
}

/* Nobody is refused for what was so before; a farm that has a document here is judged at its own. */
static bool uses_what_goes(struct grid *grid, const struct sla *sla, const struct holding *holding,
                           struct service_fault *ret_fault)
{
    struct service_fault was;

    if (holding->document != NULL || !text_equal(holding->farm->sla, sla->name)) return false;
    if (!service_find_fault(grid->arena, sla, holding->farm, ret_fault)) return false;
    for (size_t i = 0; i < grid->before->slas_length; i++)
        if (text_equal(grid->before->slas[i].name, sla->name))
            return !service_find_fault(grid->arena, &grid->before->slas[i], holding->farm, &was);
    return true;
}

/* Every party's line of parents ends at the landlord. */
static bool check_parents(struct grid *grid, const struct document *document, struct error *err)
{
    CLEANUP_BUF struct buf line = {0};
    buf_add_text(&line, document->party->name);
    const struct party *party = document->party;
    for (size_t steps = 0; !text_equal(party->parent, PARTY_LANDLORD); steps++) {
        const struct seat *parent = map_get(grid->parties, party->parent);
        if (parent == NULL) return refuse_party(grid, document, party->parent, "parent", err);
        buf_printf(&line, " under %s", party->parent);
        party = parent->party;
        if (party != document->party && steps < map_length(grid->parties)) continue;
        error_set(err, ERROR_INVALID, "parties are under each other in a circle: %s", buf_text(&line));
        return refuse_at(document, node_get(document->node, "parent"), "parent", err);
    }
    return true;
}

static bool check_owner(struct grid *grid, const struct document *document, const char *party,
                        struct error *err)
{
    if (text_equal(party, PARTY_LANDLORD) || map_get(grid->parties, party) != NULL) return true;
    return refuse_party(grid, document, party, document->kind->kind == KIND_KEY ? "name" : "party", err);
}

static bool refuse_party(struct grid *grid, const struct document *document, const char *name,
                         const char *field, struct error *err)
{
    size_t length = 0;
    const char **names = arena_alloc_array(grid->arena, map_length(grid->parties) + 1, sizeof(*names));
    size_t cursor = 0;
    void *value;
    while (map_next(grid->parties, &cursor, &names[length], &value))
        length++;
    names[length++] = PARTY_LANDLORD;
    const char *nearest = text_nearest(name, names, length);
    if (nearest != NULL)
        error_set(err, ERROR_INVALID, "there is no party \"%s\", did you mean \"%s\"?", name, nearest);
    else
        error_set(err, ERROR_INVALID, "there is no party \"%s\"", name);
    return refuse_at(document, node_get(document->node, field), field, err);
}

/* A party governs itself and the parties below it, and what is theirs; all is the landlord's. What is
 * governed need not be there yet: a boundary stands before what is inside. Its party has to. */
static bool check_governed(struct grid *grid, const struct document *document, struct error *err)
{
    const struct filter *filter = document->filter;
    const struct node *on = node_get(document->node, "on");
    const char *slash = strchr(filter->on, '/');
    size_t size = slash == NULL ? strlen(filter->on) : (size_t)(slash - filter->on);
    const char *party = arena_strndup(grid->arena, filter->on, size);
    bool all = text_equal(filter->on, FILTER_ON_ALL);

    if (text_equal(filter->party, PARTY_LANDLORD) && (all || text_equal(party, PARTY_LANDLORD))) return true;
    if (!all && !text_equal(party, PARTY_LANDLORD) && map_get(grid->parties, party) == NULL)
        return refuse_party(grid, document, party, "on", err);
    /* A circle of parents is told at its own document. */
    size_t steps = all ? 0 : map_length(grid->parties) + 1;
    for (const char *above = party; steps > 0; above = parent_of(grid, above), steps--)
        if (text_equal(above, filter->party)) return true;
    error_set(err, ERROR_INVALID, "\"%s\" is not %s's, nor of a party below: a party governs what is its own",
              filter->on, filter->party);
    return refuse_at(document, on, "on", err);
}

/* Its parents were checked to end at the landlord. */
static const char *parent_of(const struct grid *grid, const char *party)
{
    const struct seat *seat = map_get(grid->parties, party);
    return seat == NULL ? PARTY_LANDLORD : seat->party->parent;
}

static void add_lease(struct grid *grid, const struct lease *lease, const struct document *document)
{
    struct title *title = map_get(grid->leases, lease->name);
    if (title == NULL) {
        title = arena_alloc(grid->arena, sizeof(*title));
        map_put(grid->leases, lease->name, title);
    }
    *title = (struct title){.lease = lease, .document = document};
}

/* What each party has by its leases. One from somebody else than its parent gives nothing. */
static void seat_leases(struct grid *grid)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(grid->leases, &cursor, NULL, &value)) {
        const struct title *title = value;
        const struct lease *lease = title->lease;
        struct seat *seat = map_get(grid->parties, lease->to);
        if (seat == NULL) continue;
        bool active = lease->state == LEASE_ACTIVE && text_equal(lease->from, seat->party->parent);
        if (seat->leased == NULL || active) seat->leased = lease;
        if (active) limits_add(&seat->capacity, &lease->capacity);
        seat->active |= active;
        if (title->document != NULL && seat->cause == NULL) seat->cause = title->document;
    }
}

/* A lease goes one step down the tree of parties. */
static bool check_sides(struct grid *grid, const struct document *document, struct error *err)
{
    const struct lease *lease = document->lease;
    const struct seat *to = map_get(grid->parties, lease->to);

    if (!text_equal(lease->from, PARTY_LANDLORD) && map_get(grid->parties, lease->from) == NULL)
        return refuse_party(grid, document, lease->from, "from", err);
    if (to == NULL) return refuse_party(grid, document, lease->to, "to", err);
    if (text_equal(to->party->parent, lease->from)) return true;
    error_set(err, ERROR_INVALID, "%s is not the parent of %s: %s is", lease->from, lease->to,
              to->party->parent);
    return refuse_at(document, node_get(document->node, "from"), "from", err);
}

/* Whoever changes its parent has ended what the old one gave it. */
static bool check_given(struct grid *grid, const struct document *document, struct error *err)
{
    const struct party *party = document->party;
    const struct lease *given = NULL;
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(grid->leases, &cursor, NULL, &value)) {
        const struct title *title = value;
        const struct lease *lease = title->lease;
        if (title->document != NULL || lease->state != LEASE_ACTIVE || !text_equal(lease->to, party->name) ||
            text_equal(lease->from, party->parent))
            continue;
        if (given == NULL || text_compare_natural(lease->name, given->name) < 0) given = lease;
    }
    if (given == NULL) return true;
    error_set(err, ERROR_REFUSED, "party %s holds lease %s from %s: end it first", party->name, given->name,
              given->from);
    return refuse_at(document, node_get(document->node, "parent"), "parent", err);
}

/* Those that are there wait for another lease; none is added to them. */
static bool check_tenure(struct grid *grid, const struct document *document, struct error *err)
{
    const struct farm *farm = document->farm;

    if (!is_repossessed(grid, farm->party)) return true;
    for (size_t i = 0; i < grid->before->farms_length; i++)
        if (text_equal(grid->before->farms[i].full_name, farm->full_name)) return true;
    error_set(err, ERROR_REFUSED,
              "party %s may run nothing: its lease, or one of a party above it, ended; croft lease list",
              farm->party);
    return refuse_at(document, node_get(document->node, "party"), "party", err);
}

/* Nothing of it, nor of those below it, runs. */
static bool is_repossessed(const struct grid *grid, const char *party)
{
    for (size_t steps = 0; steps <= map_length(grid->parties); steps++) {
        const struct seat *seat = map_get(grid->parties, party);
        if (seat == NULL) return false;
        if (seat->leased != NULL && !seat->active) return true;
        party = seat->party->parent;
    }
    return false;
}

static bool check_images(struct grid *grid, const struct document *document, struct error *err)
{
    const struct farm *farm = document->farm;
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const char *image = farm->tiers[i].image;
        if (has_image(grid, PARTY_LANDLORD, image) || has_image(grid, farm->party, image)) continue;
        return refuse_image(grid, document, i, err);
    }
    return true;
}

/* Only images that the party can see are named: others are none of its business. */
static bool refuse_image(struct grid *grid, const struct document *document, size_t tier, struct error *err)
{
    const struct farm *farm = document->farm;
    const char *image = farm->tiers[tier].image;
    const char **names = arena_alloc_array(grid->arena, grid->image_names.length, sizeof(*names));
    size_t length = 0;
    for (size_t i = 0; i < grid->image_names.length; i++) {
        const char *name = *(const char **)vec_at(&grid->image_names, i);
        if (has_image(grid, PARTY_LANDLORD, name) || has_image(grid, farm->party, name))
            names[length++] = name;
    }
    const char *nearest = text_nearest(image, names, length);
    if (nearest != NULL)
        error_set(err, ERROR_INVALID, "there is no image \"%s\" for %s, did you mean \"%s\"?", image,
                  farm->party, nearest);
    else
        error_set(err, ERROR_INVALID, "there is no image \"%s\" for %s, import it with croft image import",
                  image, farm->party);
    const struct node *tiers = node_get(document->node, "tiers");
    const struct node *node = tiers == NULL ? NULL : node_get(&tiers->items[tier], "image");
    return refuse_at(document, node, arena_printf(grid->arena, "tiers[%zu].image", tier), err);
}

static bool has_image(const struct grid *grid, const char *party, const char *name)
{
    return map_get(grid->images, arena_printf(grid->arena, "%s %s", party, name)) != NULL;
}

static bool check_quotas(struct grid *grid, struct error *err)
{
    size_t cursor = 0;
    const char *name;
    void *value;
    while (map_next(grid->farms, &cursor, &name, &value))
        use(grid, value);
    cursor = 0;
    while (map_next(grid->parties, &cursor, &name, &value))
        if (!check_quota(value, err)) return false;
    return true;
}

/* Adds what the farm takes to its party and all above it. */
static void use(struct grid *grid, const struct holding *holding)
{
    struct usage usage = usage_of(holding->farm);
    const char *name = holding->farm->party;
    if (is_repossessed(grid, name)) return;
    for (size_t steps = 0; steps <= map_length(grid->parties); steps++) {
        struct seat *seat = map_get(grid->parties, name);
        if (seat == NULL) return;
        add_usage(&seat->usage, &usage);
        if (holding->document != NULL) seat->cause = holding->document;
        name = seat->party->parent;
    }
}

/* What is promised: the committed counts, and the balancer. */
static struct usage usage_of(const struct farm *farm)
{
    struct usage usage = {.farms = 1};
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier *tier = &farm->tiers[i];
        int64_t count = tier->count.committed;
        struct usage more = {
            .resources = {.cpus_millis = product_of(count, tier->size.cpus_millis),
                          .memory_bytes = product_of(count, tier->size.memory_bytes),
                          .disk_bytes = product_of(count, tier->size.disk_bytes),
                          .network_bits_per_s = product_of(count, tier->size.network_bits_per_s)},
            .instances = count};
        add_usage(&usage, &more);
    }
    struct usage balancer = {.resources = {.cpus_millis = BALANCER_CPUS_MILLIS,
                                           .memory_bytes = BALANCER_MEMORY_BYTES,
                                           .disk_bytes = BALANCER_DISK_BYTES},
                             .instances = 1};
    if (farm->balance_length > 0) add_usage(&usage, &balancer);
    return usage;
}

/* Only what the documents have to do with is judged: nobody is refused for what was so before. */
static bool check_quota(const struct seat *seat, struct error *err)
{
    if (seat->cause == NULL) return true;
    return check_limit(seat, &seat->party->quota, "its quota is", err) &&
           (seat->leased == NULL || check_limit(seat, &seat->capacity, "its leases give", err));
}

static bool check_limit(const struct seat *seat, const struct quota *quota, const char *words,
                        struct error *err)
{
    const struct usage *usage = &seat->usage;
    const struct measure measures[] = {
        {"cpus", usage->resources.cpus_millis, quota->resources.cpus_millis, text_format_cpus},
        {"memory", usage->resources.memory_bytes, quota->resources.memory_bytes, text_format_bytes},
        {"disk", usage->resources.disk_bytes, quota->resources.disk_bytes, text_format_bytes},
        {"network", usage->resources.network_bits_per_s, quota->resources.network_bits_per_s,
         text_format_rate},
        {"instances", usage->instances, quota->instances, format_number},
        {"farms", usage->farms, quota->farms, format_number},
    };
    for (size_t i = 0; i < LENGTH(measures); i++) {
        const struct measure *measure = &measures[i];
        if (measure->allowed < 0 || measure->used <= measure->allowed) continue;
        char used[32];
        char allowed[32];
        error_set(err, ERROR_REFUSED, "party %s would use %s %s, %s %s", seat->party->name,
                  measure->format(used, measure->used), measure->name, words,
                  measure->format(allowed, measure->allowed));
        const char *field = seat->cause->kind->kind == KIND_FARM    ? "tiers"
                            : seat->cause->kind->kind == KIND_LEASE ? "capacity"
                                                                    : "quota";
        return refuse_at(seat->cause, node_get(seat->cause->node, field), field, err);
    }
    return true;
}

static char *format_number(char *out, int64_t value)
{
    CLEANUP_MEM char *text = mem_printf("%lld", (long long)value);
    memcpy(out, text, strlen(text) + 1);
    return out;
}

static void add_usage(struct usage *sum, const struct usage *more)
{
    sum->resources.cpus_millis = sum_of(sum->resources.cpus_millis, more->resources.cpus_millis);
    sum->resources.memory_bytes = sum_of(sum->resources.memory_bytes, more->resources.memory_bytes);
    sum->resources.disk_bytes = sum_of(sum->resources.disk_bytes, more->resources.disk_bytes);
    sum->resources.network_bits_per_s =
        sum_of(sum->resources.network_bits_per_s, more->resources.network_bits_per_s);
    sum->instances = sum_of(sum->instances, more->instances);
    sum->farms = sum_of(sum->farms, more->farms);
}

/* Stay at the top rather than turn over: too much is then still too much. */
static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t product_of(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* node: the exact place, or NULL: the document. */
static bool refuse_at(const struct document *document, const struct node *node, const char *field,
                      struct error *err)
{
    struct node start = {.line = document->line, .column = document->column};
    return schema_error_at(err, node == NULL ? &start : node, field);
}
