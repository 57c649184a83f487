#include "spec/farm.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

#define SUBNET_BITS_MIN 8
#define SUBNET_BITS_MAX 30
#define NAMES_MAX (FARM_TIERS_MAX + 2) /* of the tiers, balance, internet */

/* One farm under check. names: of its tiers, in their order. */
struct subject {
    struct arena *arena;
    const struct node *node;
    const struct farm *farm;
    const char *names[NAMES_MAX];
};

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

/* A walk along `needs`: the tiers on the way from its start to where it is. */
struct walk {
    enum mark marks[FARM_TIERS_MAX];
    size_t path[FARM_TIERS_MAX];
    size_t depth;
};

static bool check_tiers(const struct subject *subject, struct error *err);
static bool check_supported(const struct subject *subject, size_t tier, struct error *err);
static bool check_files(const struct subject *subject, size_t tier, struct error *err);
static bool check_on_failure(const struct subject *subject, size_t tier, struct error *err);
static bool check_needs(const struct subject *subject, struct error *err);
static bool visit(const struct subject *subject, struct walk *walk, size_t tier, struct error *err);
static bool refuse_cycle(const struct subject *subject, const struct walk *walk, size_t tier,
                         struct error *err);
static bool check_balance(const struct subject *subject, struct error *err);
static bool check_balance_unique(const struct subject *subject, size_t at, struct error *err);
static bool check_allow(const struct subject *subject, struct error *err);
static bool check_subnet(const struct subject *subject, struct error *err);
static bool refuse_unknown(const struct subject *subject, const char *name, const char *more,
                           struct error *err);
static bool find_tier(const struct subject *subject, const char *name, size_t *ret_tier);
static const struct node *item_of(const struct subject *subject, const char *list, size_t index);
static bool at(const struct subject *subject, const char *list, size_t index, const char *key,
               struct error *err);

bool farm_check(struct arena *arena, const struct node *node, const struct farm *farm, struct error *err)
{
    ASSERT(farm->tiers_length <= FARM_TIERS_MAX);
    struct subject subject = {.arena = arena, .node = node, .farm = farm};
    for (size_t i = 0; i < farm->tiers_length; i++)
        subject.names[i] = farm->tiers[i].name;
    return check_tiers(&subject, err) && check_needs(&subject, err) && check_balance(&subject, err) &&
           check_allow(&subject, err) && check_subnet(&subject, err);
}

static bool check_tiers(const struct subject *subject, struct error *err)
{
    const struct farm *farm = subject->farm;
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const char *name = farm->tiers[i].name;
        if (text_equal(name, TIER_BALANCE) || text_equal(name, TIER_INTERNET)) {
            error_set(err, ERROR_INVALID, "the name \"%s\" is reserved, choose another for the tier", name);
            return at(subject, "tiers", i, "name", err);
        }
        size_t first;
        if (find_tier(subject, name, &first) && first < i) {
            error_set(err, ERROR_INVALID, "tiers[%zu] has the name \"%s\" already", first, name);
            return at(subject, "tiers", i, "name", err);
        }
        if (!check_supported(subject, i, err) || !check_files(subject, i, err) ||
            !check_on_failure(subject, i, err))
            return false;
    }
    return true;
}

static bool check_supported(const struct subject *subject, size_t tier, struct error *err)
{
    const struct tier *asked = &subject->farm->tiers[tier];
    if (asked->driver != COMPUTE_CONTAINER) {
        error_set(err, ERROR_INVALID, "driver %s is not supported yet by this version",
                  compute_kind_names[asked->driver]);
        return at(subject, "tiers", tier, "driver", err);
    }
    if (asked->volumes_length > 0) {
        error_set(err, ERROR_INVALID, "volumes are not supported yet by this version");
        return at(subject, "tiers", tier, "volumes", err);
    }
    return true;
}

/* Of two files in one place one would be lost without a word. */
static bool check_files(const struct subject *subject, size_t tier, struct error *err)
{
    const struct tier *asked = &subject->farm->tiers[tier];
    const struct node *list = node_get(item_of(subject, "tiers", tier), "files");
    struct map *seen = map_new();
    bool good = true;

    for (size_t i = 0; good && i < asked->files_length; i++) {
        const char *path = asked->files[i].path;
        if (text_equal(path, "/"))
            good = error_set(err, ERROR_INVALID, "expected the path of a file, found \"/\"");
        else if (map_put(seen, path, seen))
            good = error_set(err, ERROR_INVALID, "another of the tier's files has the path \"%s\" already",
                             path);
        if (good) continue;
        schema_error_at(err, list == NULL ? NULL : node_get(&list->items[i], "path"),
                        arena_printf(subject->arena, "tiers[%zu].files[%zu].path", tier, i));
    }
    map_free(seen);
    return good;
}

/* A host brings back what failed from the first failure on, before anything else is done: a restart behind a
 * step that waited for the same is never begun. Nobody is told twice of the same trouble. */
static bool check_on_failure(const struct subject *subject, size_t tier, struct error *err)
{
    const struct tier *asked = &subject->farm->tiers[tier];
    const struct node *list = node_get(item_of(subject, "tiers", tier), "on_failure");

    for (size_t i = 0; i < asked->on_failure_length; i++) {
        const struct mend_step *step = &asked->on_failure[i];
        bool again = i > 0 && step->what == MEND_RESTART && asked->on_failure[i - 1].what == MEND_RESTART;
        for (size_t k = 0; k < i && step->what == MEND_NOTIFY; k++)
            again |=
                asked->on_failure[k].what == MEND_NOTIFY && text_equal(asked->on_failure[k].to, step->to);
        if (!again) continue;
        if (step->what == MEND_NOTIFY)
            error_set(err, ERROR_INVALID, "%s is told by an earlier step already", step->to);
        else
            error_set(err, ERROR_INVALID, "the step before is a restart, too: give that one more `times`");
        return schema_error_at(err, list == NULL ? NULL : &list->items[i],
                               arena_printf(subject->arena, "tiers[%zu].on_failure[%zu]", tier, i));
    }
    return true;
}

static bool check_needs(const struct subject *subject, struct error *err)
{
    const struct farm *farm = subject->farm;
    for (size_t i = 0; i < farm->tiers_length; i++) {
        const struct tier *tier = &farm->tiers[i];
        const struct node *list = node_get(item_of(subject, "tiers", i), "needs");
        for (size_t k = 0; k < tier->needs_length; k++) {
            size_t found;
            if (find_tier(subject, tier->needs[k], &found)) continue;
            refuse_unknown(subject, tier->needs[k], NULL, err);
            return schema_error_at(err, list == NULL ? NULL : &list->items[k],
                                   arena_printf(subject->arena, "tiers[%zu].needs[%zu]", i, k));
        }
    }
    struct walk *walk = arena_alloc(subject->arena, sizeof(*walk));
    for (size_t i = 0; i < farm->tiers_length; i++)
        if (!visit(subject, walk, i, err)) return false;
    return true;
}

/* Depth first; a tier that is met again while it is still open closes a cycle. */
static bool visit(const struct subject *subject, struct walk *walk, size_t tier, struct error *err)
{
    if (walk->marks[tier] == MARK_DONE) return true;
    if (walk->marks[tier] == MARK_OPEN) return refuse_cycle(subject, walk, tier, err);
    walk->marks[tier] = MARK_OPEN;
    walk->path[walk->depth++] = tier;
    const struct tier *from = &subject->farm->tiers[tier];
    for (size_t i = 0; i < from->needs_length; i++) {
        size_t next;
        bool known = find_tier(subject, from->needs[i], &next);
        ASSERT(known);
        if (!visit(subject, walk, next, err)) return false;
    }
    walk->depth--;
    walk->marks[tier] = MARK_DONE;
    return true;
}

static bool refuse_cycle(const struct subject *subject, const struct walk *walk, size_t tier,
                         struct error *err)
{
    size_t start = 0;
    while (walk->path[start] != tier)
        start++;
    CLEANUP_BUF struct buf names = {0};
    for (size_t i = start; i < walk->depth; i++)
        buf_printf(&names, "%s needs ", subject->names[walk->path[i]]);
    error_set(err, ERROR_INVALID, "tiers need each other in a circle: %s%s", buf_text(&names),
              subject->names[tier]);
    return at(subject, "tiers", tier, "needs", err);
}

static bool check_balance(const struct subject *subject, struct error *err)
{
    const struct farm *farm = subject->farm;
    for (size_t i = 0; i < farm->balance_length; i++) {
        size_t found;
        if (!find_tier(subject, farm->balance[i].to_tier, &found)) {
            refuse_unknown(subject, farm->balance[i].to_tier, NULL, err);
            return at(subject, "balance", i, "to", err);
        }
        if (!check_balance_unique(subject, i, err)) return false;
    }
    return true;
}

static bool check_balance_unique(const struct subject *subject, size_t index, struct error *err)
{
    const struct balance *list = subject->farm->balance;
    const struct balance *one = &list[index];
    for (size_t i = 0; i < index; i++) {
        if (text_equal(list[i].name, one->name)) {
            error_set(err, ERROR_INVALID, "balance[%zu] has the name \"%s\" already", i, one->name);
            return at(subject, "balance", index, "name", err);
        }
        if (list[i].port == one->port) {
            error_set(err, ERROR_INVALID, "balance[%zu] has port %u already", i, (unsigned)one->port);
            return at(subject, "balance", index, "port", err);
        }
        bool is_address = one->publish[0] != '\0' && !text_equal(one->publish, "auto");
        if (is_address && text_equal(list[i].publish, one->publish)) {
            error_set(err, ERROR_INVALID, "balance[%zu] is published at %s already", i, one->publish);
            return at(subject, "balance", index, "publish", err);
        }
    }
    return true;
}

static bool check_allow(const struct subject *subject, struct error *err)
{
    const struct farm *farm = subject->farm;
    for (size_t i = 0; i < farm->allow_length; i++) {
        const struct allow *allow = &farm->allow[i];
        size_t found;
        bool from_internet = text_equal(allow->from, TIER_INTERNET);
        bool from_balance = text_equal(allow->from, TIER_BALANCE);
        if (!from_internet && !from_balance && !find_tier(subject, allow->from, &found)) {
            refuse_unknown(subject, allow->from, TIER_BALANCE, err);
            return at(subject, "allow", i, "from", err);
        }
        bool to_internet = text_equal(allow->to, TIER_INTERNET);
        /* Tiers inside may use the farm's balancer too. */
        bool to_balance = farm->balance_length > 0 && text_equal(allow->to, TIER_BALANCE);
        if (!to_internet && !to_balance && !find_tier(subject, allow->to, &found)) {
            refuse_unknown(subject, allow->to, farm->balance_length > 0 ? TIER_BALANCE : TIER_INTERNET, err);
            return at(subject, "allow", i, "to", err);
        }
        if (from_internet && to_internet) {
            error_set(err, ERROR_INVALID, "from and to are both the internet, one must be a tier");
            return at(subject, "allow", i, "to", err);
        }
        if (from_internet && !to_balance) {
            error_set(err, ERROR_INVALID,
                      "the internet cannot reach tier %s directly; publish it through the balancer: "
                      "`balance: [{name: %s, port: 80, to: \"%s:PORT\", publish: auto}]`",
                      allow->to, allow->to, allow->to);
            return at(subject, "allow", i, "from", err);
        }
    }
    return true;
}

static bool check_subnet(const struct subject *subject, struct error *err)
{
    const struct farm *farm = subject->farm;
    const struct node *node = node_get(subject->node, "subnet");
    unsigned bits = farm->subnet.bits;
    if (bits < SUBNET_BITS_MIN || bits > SUBNET_BITS_MAX) {
        error_set(err, ERROR_INVALID, "expected a network of /%d to /%d, found /%u", SUBNET_BITS_MIN,
                  SUBNET_BITS_MAX, bits);
        return schema_error_at(err, node, "subnet");
    }
    /* RFC 1122, section 3.2.1.3 (this host, loopback), RFC 3927 (link-local), RFC 1112 (class D and E). */
    uint32_t first = farm->subnet.address;
    bool special = first >> 24 == 0 || first >> 24 == 127 || first >> 28 >= 14 || first >> 16 == 0xa9fe;
    if (special) {
        error_set(err, ERROR_INVALID,
                  "expected a network for hosts such as 10.0.0.0/24, not one of special use");
        return schema_error_at(err, node, "subnet");
    }
    int64_t room = ((int64_t)1 << (32 - bits)) - 2; /* without the network's own and the broadcast address */
    int64_t needed = 1;                             /* the gateway */
    if (farm->balance_length > 0) needed++;
    for (size_t i = 0; i < farm->tiers_length; i++)
        needed += farm->tiers[i].count.max + farm->tiers[i].warm;
    if (needed <= room) return true;
    error_set(err, ERROR_INVALID,
              "has room for %lld addresses, but the gateway, the balancer and all instances (max and warm) "
              "need %lld",
              (long long)room, (long long)needed);
    return schema_error_at(err, node, "subnet");
}

/* more: another name that would do besides the tiers, or NULL. */
static bool refuse_unknown(const struct subject *subject, const char *name, const char *more,
                           struct error *err)
{
    const char *names[NAMES_MAX];
    size_t length = subject->farm->tiers_length;
    memcpy(names, subject->names, sizeof(names));
    if (more != NULL) names[length++] = more;
    if (more != NULL && !text_equal(more, TIER_INTERNET)) names[length++] = TIER_INTERNET;
    const char *nearest = text_nearest(name, names, length);
    if (nearest != NULL)
        return error_set(err, ERROR_INVALID, "there is no tier \"%s\", did you mean \"%s\"?", name, nearest);
    return error_set(err, ERROR_INVALID, "there is no tier \"%s\" in this farm", name);
}

static bool find_tier(const struct subject *subject, const char *name, size_t *ret_tier)
{
    for (size_t i = 0; i < subject->farm->tiers_length; i++) {
        if (!text_equal(subject->names[i], name)) continue;
        *ret_tier = i;
        return true;
    }
    return false;
}

static const struct node *item_of(const struct subject *subject, const char *list, size_t index)
{
    if (subject->node == NULL) return NULL;
    const struct node *items = node_get(subject->node, list);
    ASSERT(items != NULL && index < items->length);
    return &items->items[index];
}

static bool at(const struct subject *subject, const char *list, size_t index, const char *key,
               struct error *err)
{
    const struct node *item = item_of(subject, list, index);
    const struct node *value = node_get(item, key);
    return schema_error_at(err, value == NULL ? item : value,
                           arena_printf(subject->arena, "%s[%zu].%s", list, index, key));
}
