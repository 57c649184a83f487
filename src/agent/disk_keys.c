/* Keys of what is stored on this host for parties.
 *
 * Each thing that is stored (an item: a party's directory) has a key of 64 bytes of chance. At rest it is
 * only wrapped, by the party's disk key: that is derived from the secrets of all parties from the landlord
 * down to it, so that none of them can be left out, and whoever makes his secret anew makes all that was
 * wrapped with its help unreadable at once. A party's secret is made here and kept in the vault, or comes
 * from its own key service by sealed command and is never at rest here (slot `PARTY+released`). A service
 * keeps its secret over rotations and leases; so beside it stands one that is made and kept here
 * (`PARTY+own`), and goes with them.
 *
 * On disk: `disk-keys/PARTY`. First the secrets are there, then what is wrapped by them; and first secrets
 * are destroyed, then what was wrapped. So what is wrapped by a secret that is not in the vault is lost for
 * good and begun anew; what cannot be opened although all secrets are here is damaged or was tampered with,
 * and is left as it is. */
#include "agent/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char landlord[] = "landlord", directory_item[] = "directory", released_mark[] = "+released",
                  own_mark[] = "+own", tried_mark[] = "+tried";
/* What derived keys are for; the parties' names follow. Zero bytes end the parts. */
static const char disk_purpose[] = "croft disk key 1", check_purpose[] = "croft secret check 1";

struct disk_keys {
    struct arena *arena;
    struct kept_disk_keys kept;
    char *broken; /* why its file cannot be used; else NULL */
};

/* Slots of the vault, outermost first. */
struct chain {
    const char **slots;
    size_t length;
};

static bool prepare(struct agent *agent, struct arena *arena, const char *party, struct disk_keys **ret_keys,
                    struct chain *ret_chain, struct error *err);
static const struct kept_item *item_of(const struct disk_keys *keys, const char *item);
static bool add_item(struct agent *agent, struct arena *arena, const struct disk_keys *keys,
                     const struct chain *chain, const char *item, const unsigned char *key,
                     struct error *err);
static void load_one(struct agent *agent, const char *party);
static void disk_keys_freep(struct disk_keys *keys);
static bool replace(struct agent *agent, const struct kept_disk_keys *next, struct error *err);
static bool begin_anew(struct agent *agent, const char *party, bool forget_check, struct error *err);
static struct disk_keys *keys_at(const struct agent *agent, const char *party);
static bool find_chain(const struct agent *agent, struct arena *arena, const char *party,
                       struct chain *ret_chain, struct error *err);
static bool has_instance(const struct agent *agent, const char *party);
static bool is_released(const struct agent *agent, const char *party);
static bool is_mark(const char *slot);
static const char *party_of(struct arena *arena, const char *slot);
static bool same_chain(const struct kept_disk_keys *kept, const struct chain *chain);
static bool have_released(const struct agent *agent, const struct chain *chain, struct error *err);
static bool make_kept(struct agent *agent, const struct chain *chain, struct error *err);
static bool check_kept(struct agent *agent, struct disk_keys **keys, struct error *err);
static bool move_over(struct agent *agent, struct disk_keys **keys, const struct chain *chain,
                      struct error *err);
static bool forget_unused(struct agent *agent, const char *slot, struct error *err);
static bool mentions(const struct kept_disk_keys *kept, const char *party);
static bool wrap(const struct agent *agent, const struct chain *chain, const char *item,
                 const unsigned char *key, struct arena *arena, const char **ret_box, struct error *err);
static bool unwrap(const struct agent *agent, const struct chain *chain, const struct kept_item *item,
                   unsigned char *ret_key, struct error *err);
static void make_lock(const struct chain *chain, const char *purpose, const char *item, struct arena *arena,
                      struct vault_lock *ret_lock);
static bool try_secret(struct agent *agent, const char *party, const unsigned char *secret, const char *check,
                       struct error *err);
static const char *make_check(struct agent *agent, struct arena *arena, const char *party, struct error *err);
static void check_lock(struct arena *arena, const char *slot, struct vault_lock *ret_lock);
static const char *to_hex(struct arena *arena, const struct buf *bytes);
static bool from_hex(const char *text, struct buf *ret_bytes);

bool disk_keys_load(struct agent *agent, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    struct vec names = VEC_OF(char *);
    bool good = disk->list(disk->self, "disk-keys", &names, err);

    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        if (good && text_is_name(name)) load_one(agent, name);
        mem_free(name);
    }
    vec_free(&names);
    return good || error_wrap(err, "disk keys");
}

void disk_keys_free(struct agent *agent)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->disk_keys, &cursor, NULL, &value))
        disk_keys_freep(value);
    map_free(agent->disk_keys);
}

bool disk_key(struct agent *agent, const char *party, unsigned char ret_key[DISK_KEY_SIZE], struct error *err)
{
    return disk_item(agent, party, directory_item, ret_key, err);
}

bool disk_item(struct agent *agent, const char *party, const char *item, unsigned char ret_key[DISK_KEY_SIZE],
               struct error *err)
{
    const struct random_port *random = agent->options.random;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct disk_keys *keys = NULL;
    struct chain chain = {0};

    memset(ret_key, 0, DISK_KEY_SIZE);
    if (!prepare(agent, arena, party, &keys, &chain, err)) return false;
    const struct kept_item *found = item_of(keys, item);
    if (found) return unwrap(agent, &chain, found, ret_key, err);
    random->fill(random->self, ret_key, DISK_KEY_SIZE);
    if (add_item(agent, arena, keys, &chain, item, ret_key, err)) return true;
    memset(ret_key, 0, DISK_KEY_SIZE);
    return false;
}

bool disk_item_find(struct agent *agent, const char *party, const char *item,
                    unsigned char ret_key[DISK_KEY_SIZE], struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct disk_keys *keys = NULL;
    struct chain chain = {0};

    memset(ret_key, 0, DISK_KEY_SIZE);
    if (!prepare(agent, arena, party, &keys, &chain, err)) return false;
    for (size_t i = 0; i < chain.length; i++)
        if (is_mark(chain.slots[i]))
            return error_set(err, ERROR_REFUSED,
                             "%s has a key service: hosts do not pass on what it releases",
                             party_of(arena, chain.slots[i]));
    const struct kept_item *found = item_of(keys, item);
    if (!found)
        return error_set(err, ERROR_NOT_FOUND, "%s has no %s on %s", party, item, agent->options.host->name);
    return unwrap(agent, &chain, found, ret_key, err);
}

bool disk_item_put(struct agent *agent, const char *party, const char *item,
                   const unsigned char key[DISK_KEY_SIZE], struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct disk_keys *keys = NULL;
    struct chain chain = {0};
    void *memory = NULL;

    if (!prepare(agent, arena, party, &keys, &chain, err)) return false;
    const struct kept_item *found = item_of(keys, item);
    if (!found) return add_item(agent, arena, keys, &chain, item, key, err);
    if (!vault->memory(vault->self, DISK_KEY_SIZE, &memory, err)) return false;
    bool good =
        unwrap(agent, &chain, found, memory, err) &&
        (memcmp(memory, key, DISK_KEY_SIZE) == 0 ||
         error_set(err, ERROR_REFUSED, "%s has another %s on %s", party, item, agent->options.host->name));
    vault->memory_free(vault->self, memory);
    return good;
}

/* All secrets of the line are here, and what is kept is wrapped by them. *ret_keys is NULL when nothing is.
 */
static bool prepare(struct agent *agent, struct arena *arena, const char *party, struct disk_keys **ret_keys,
                    struct chain *ret_chain, struct error *err)
{
    struct disk_keys *keys = keys_at(agent, party);

    const struct host_party *known = disk_keys_party(agent, party);

    if (keys && keys->broken) return error_set(err, ERROR_FAILED, "%s", keys->broken);
    if (known && known->severed && !disk_keys_stored(agent, party))
        return error_set(err, ERROR_REFUSED, "%s has left %s: nothing more is stored for it", party,
                         agent->options.host->name);
    if (!find_chain(agent, arena, party, ret_chain, err) || !have_released(agent, ret_chain, err) ||
        !check_kept(agent, &keys, err) || !make_kept(agent, ret_chain, err) ||
        (keys && keys->kept.items_length > 0 && !same_chain(&keys->kept, ret_chain) &&
         !move_over(agent, &keys, ret_chain, err)))
        return false;
    *ret_keys = keys;
    return true;
}

static const struct kept_item *item_of(const struct disk_keys *keys, const char *item)
{
    for (size_t i = 0; keys && i < keys->kept.items_length; i++)
        if (text_equal(keys->kept.items[i].name, item)) return &keys->kept.items[i];
    return NULL;
}

static bool add_item(struct agent *agent, struct arena *arena, const struct disk_keys *keys,
                     const struct chain *chain, const char *item, const unsigned char *key, struct error *err)
{
    const char *party = party_of(arena, chain->slots[chain->length - 1]);
    struct kept_disk_keys next = {.party = party, .check = ""};

    if (keys) next = keys->kept;
    struct kept_item *items = arena_alloc_array(arena, next.items_length + 1, sizeof(*items));
    if (next.items_length > 0) memcpy(items, next.items, next.items_length * sizeof(*items));
    struct kept_item *made = &items[next.items_length++];
    next.items = items;
    next.slots = chain->slots;
    next.slots_length = chain->length;
    made->name = item;
    if (!wrap(agent, chain, item, key, arena, &made->box, err) || !replace(agent, &next, err)) return false;
    report_soon(agent);
    return true;
}

int64_t disk_key_generation(const struct agent *agent, const char *party)
{
    const struct disk_keys *keys = keys_at(agent, party);
    return keys ? keys->kept.generation : 0;
}

int64_t disk_keys_count(const struct agent *agent, const char *party)
{
    const struct disk_keys *keys = keys_at(agent, party);
    return keys ? (int64_t)keys->kept.items_length : 0;
}

bool disk_keys_stored(const struct agent *agent, const char *party)
{
    const struct disk_keys *keys = keys_at(agent, party);
    return keys && (keys->broken || keys->kept.items_length > 0);
}

bool disk_keys_ready(const struct agent *agent, const char *party, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct chain chain = {0};

    return find_chain(agent, arena, party, &chain, err) && have_released(agent, &chain, err);
}

bool disk_keys_wait(const struct agent *agent, const char *party)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_MEM char *slot = mem_printf("%s%s", party, released_mark);

    return disk_keys_party(agent, party) && is_released(agent, party) &&
           vault->secret_find(vault->self, slot) == VAULT_SECRET_NONE;
}

/* From the first one on the party's secret is never made here, whatever a document says of custody: until the
 * party's pair is rotated. */
bool disk_keys_release(struct agent *agent, const char *party, const void *secret, size_t size,
                       struct buf *ret_json, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct disk_keys *keys = keys_at(agent, party);
    const char *slot = arena_printf(arena, "%s%s", party, released_mark);

    if (text_equal(party, landlord))
        return error_set(err, ERROR_REFUSED, "the landlord's secret is made by its hosts");
    if (size != VAULT_SECRET_SIZE)
        return error_set(err, ERROR_INVALID, "a secret has %d bytes, not %zu", VAULT_SECRET_SIZE, size);
    if (keys && keys->broken) return error_set(err, ERROR_FAILED, "%s", keys->broken);
    if (keys && keys->kept.check[0]) {
        if (!try_secret(agent, party, secret, keys->kept.check, err) ||
            !vault->secret_give(vault->self, slot, secret, err))
            return false;
    } else {
        struct kept_disk_keys next = {.party = party};
        if (keys) next = keys->kept;
        if (!vault->secret_give(vault->self, slot, secret, err)) return false;
        next.check = make_check(agent, arena, party, err);
        if (!next.check || !replace(agent, &next, err)) {
            struct error ignored;
            (void)!vault->secret_destroy(vault->self, slot, &ignored); /* it is in memory only */
            return false;
        }
    }
    buf_add_text(ret_json, "{\"released\":true}");
    units_step_soon(agent);
    report_soon(agent);
    return true;
}

bool disk_keys_discard(struct agent *agent, const char *party, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_MEM char *released = mem_printf("%s%s", party, released_mark);
    CLEANUP_MEM char *beside = mem_printf("%s%s", party, own_mark);
    const char *const slots[] = {released, beside, party};
    const char *name = NULL;
    size_t cursor = 0;
    void *value = NULL;

    for (size_t i = 0; i < LENGTH(slots); i++)
        if (!vault->secret_destroy(vault->self, slots[i], err)) return false;
    while (map_next(agent->disk_keys, &cursor, &name, &value)) {
        const struct disk_keys *keys = value;
        bool own = text_equal(name, party);
        if (!own && !text_equal(party, landlord) && (keys->broken || !mentions(&keys->kept, party))) continue;
        if (!begin_anew(agent, name, own, err)) return false;
    }
    return true;
}

bool disk_keys_end(struct agent *agent, const char *party, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_MEM char *path = mem_printf("disk-keys/%s", party);

    if (!disk_keys_discard(agent, party, err) || !disk->remove(disk->self, path, err)) return false;
    disk_keys_freep(map_remove(agent->disk_keys, party));
    private_discard(agent, party);
    return true;
}

const struct host_party *disk_keys_party(const struct agent *agent, const char *party)
{
    const struct host_document *document = agent->good ? &agent->good->document : NULL;

    for (size_t i = 0; document && i < document->parties_length; i++)
        if (text_equal(document->parties[i].name, party)) return &document->parties[i];
    return NULL;
}

bool disk_keys_is_within(const struct agent *agent, const char *party, const char *above)
{
    for (size_t steps = 0; steps < VAULT_LOCK_SLOTS_MAX && !text_equal(party, above); steps++) {
        const struct host_party *known = disk_keys_party(agent, party);
        if (!known) return false;
        party = known->parent;
    }
    return text_equal(party, above);
}

static void load_one(struct agent *agent, const char *party)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_MEM char *path = mem_printf("disk-keys/%s", party);
    CLEANUP_BUF struct buf text = {0};
    struct disk_keys *keys = mem_alloc(sizeof(*keys));
    struct error err;

    keys->arena = arena_new();
    map_put(agent->disk_keys, party, keys);
    bool good =
        disk->read(disk->self, path, &text, &err) &&
        model_read_json(&schema_kept_disk_keys, keys->arena, buf_text(&text), text.size, &keys->kept, &err) &&
        (text_equal(keys->kept.party, party) ||
         error_set(&err, ERROR_INVALID, "it is of %s", keys->kept.party)) &&
        (keys->kept.slots_length <= VAULT_LOCK_SLOTS_MAX ||
         error_set(&err, ERROR_INVALID, "more parties than there can be"));
    if (good) return;
    keys->kept = (struct kept_disk_keys){.party = arena_strdup(keys->arena, party), .check = ""};
    keys->broken =
        mem_printf("%s on %s is damaged, and what %s stores there cannot be opened (%s): put the "
                   "file back, or discard all with croft key rotate --party %s %s",
                   path, agent->options.host->name, party, err.message, party, agent->options.host->name);
    error_set(&err, ERROR_FAILED, "%s", keys->broken);
    agent_log(agent, "disk keys", &err);
}

static void disk_keys_freep(struct disk_keys *keys)
{
    if (!keys) return;
    arena_free(keys->arena);
    mem_free(keys->broken);
    mem_free(keys);
}

/* On disk and then here, or neither. It may point into what it replaces. */
static bool replace(struct agent *agent, const struct kept_disk_keys *next, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    const struct clock_port *clock = agent->options.clock;
    CLEANUP_MEM char *path = mem_printf("disk-keys/%s", next->party);
    CLEANUP_BUF struct buf json = {0};
    struct disk_keys *keys = mem_alloc(sizeof(*keys));
    struct kept_disk_keys kept = *next;

    /* Another one than any before, also of one whose file was removed. */
    if (kept.generation == 0) kept.generation = clock->wall_ms(clock->self);
    keys->arena = arena_new();
    schema_write(&schema_kept_disk_keys, NULL, &kept, &json);
    if (!model_read_json(&schema_kept_disk_keys, keys->arena, buf_text(&json), json.size, &keys->kept, err) ||
        !disk->write(disk->self, path, json.data, json.size, 0600, err)) {
        disk_keys_freep(keys);
        return false;
    }
    disk_keys_freep(map_put(agent->disk_keys, keys->kept.party, keys));
    return true;
}

/* Nothing that was wrapped is kept. */
static bool begin_anew(struct agent *agent, const char *party, bool forget_check, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    const struct disk_keys *keys = keys_at(agent, party);
    CLEANUP_MEM char *name = mem_strdup(party); /* it may be that of the keys */
    struct kept_disk_keys next = {.party = name,
                                  .check = forget_check ? "" : keys->kept.check,
                                  .generation = clock->wall_ms(clock->self)};

    if (next.generation <= keys->kept.generation) next.generation = keys->kept.generation + 1;
    if (!replace(agent, &next, err)) return false;
    private_discard(agent, name);
    return true;
}

static struct disk_keys *keys_at(const struct agent *agent, const char *party)
{
    return map_get(agent->disk_keys, party);
}

/* By the document; of a party that has something here and is not told of, it is the landlord's tenant. */
static bool find_chain(const struct agent *agent, struct arena *arena, const char *party,
                       struct chain *ret_chain, struct error *err)
{
    const char *names[VAULT_LOCK_SLOTS_MAX / 2];
    size_t length = 0;

    if (!text_equal(party, landlord) && !disk_keys_party(agent, party) && !has_instance(agent, party))
        return error_set(err, ERROR_REFUSED, "no document says that %s has something on %s", party,
                         agent->options.host->name);
    for (const char *at = party; !text_equal(at, landlord);) {
        const struct host_party *known = disk_keys_party(agent, at);
        if (length + 1 == LENGTH(names))
            return error_set(err, ERROR_REFUSED, "more than %zu parties above %s", LENGTH(names), party);
        names[length++] = at;
        at = known ? known->parent : landlord;
    }
    names[length++] = landlord;
    const char **slots = arena_alloc_array(arena, 2 * length, sizeof(*slots));
    size_t slots_length = 0;
    for (size_t i = length; i > 0; i--) {
        const char *name = names[i - 1];
        bool released = is_released(agent, name);
        slots[slots_length++] = released ? arena_printf(arena, "%s%s", name, own_mark) : name;
        if (released) slots[slots_length++] = arena_printf(arena, "%s%s", name, released_mark);
    }
    *ret_chain = (struct chain){slots, slots_length};
    return true;
}

static bool has_instance(const struct agent *agent, const char *party)
{
    const struct host_document *document = agent->good ? &agent->good->document : NULL;

    for (size_t i = 0; document && i < document->instances_length; i++)
        if (text_equal(document->instances[i].party, party)) return true;
    return false;
}

static bool is_released(const struct agent *agent, const char *party)
{
    const struct host_party *known = disk_keys_party(agent, party);
    const struct disk_keys *keys = keys_at(agent, party);

    return (known && known->custody == CUSTODY_TENANT) || (keys && keys->kept.check[0]);
}

static bool is_mark(const char *slot)
{
    return text_ends(slot, released_mark);
}

static const char *party_of(struct arena *arena, const char *slot)
{
    return arena_strndup(arena, slot, strcspn(slot, "+"));
}

static bool same_chain(const struct kept_disk_keys *kept, const struct chain *chain)
{
    bool same = kept->slots_length == chain->length;
    for (size_t i = 0; same && i < chain->length; i++)
        same = text_equal(kept->slots[i], chain->slots[i]);
    return same;
}

static bool have_released(const struct agent *agent, const struct chain *chain, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;

    for (size_t i = 0; i < chain->length; i++) {
        const char *slot = chain->slots[i];
        int size = (int)strcspn(slot, "+");
        if (!is_mark(slot) || vault->secret_find(vault->self, slot) != VAULT_SECRET_NONE) continue;
        return error_set(
            err, ERROR_REFUSED,
            "waits for the key service of %.*s to release its secret to %s: croft key serve %.*s, "
            "at the desk that has its keys",
            size, slot, agent->options.host->name, size, slot);
    }
    return true;
}

static bool make_kept(struct agent *agent, const struct chain *chain, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;

    for (size_t i = 0; i < chain->length; i++)
        if (!is_mark(chain->slots[i]) &&
            vault->secret_find(vault->self, chain->slots[i]) == VAULT_SECRET_NONE &&
            !vault->secret_make(vault->self, chain->slots[i], err))
            return false;
    return true;
}

/* What is wrapped by a secret that was kept here and is gone, nobody can open any more. */
static bool check_kept(struct agent *agent, struct disk_keys **keys, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    struct error lost;

    for (size_t i = 0; *keys && (*keys)->kept.items_length > 0 && i < (*keys)->kept.slots_length; i++) {
        const char *slot = (*keys)->kept.slots[i];
        if (is_mark(slot) || vault->secret_find(vault->self, slot) != VAULT_SECRET_NONE) continue;
        error_set(&lost, ERROR_FAILED, "the secret of %s is gone, and with it what %s stored here", slot,
                  (*keys)->kept.party);
        agent_log(agent, "disk keys", &lost);
        CLEANUP_MEM char *party = mem_strdup((*keys)->kept.party);
        if (!begin_anew(agent, party, false, err)) return false;
        *keys = keys_at(agent, party);
    }
    return true;
}

/* The party has another one above it now, or another custody: the same keys, wrapped by the new disk key. */
static bool move_over(struct agent *agent, struct disk_keys **keys, const struct chain *chain,
                      struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct kept_disk_keys next = (*keys)->kept;
    next.party = arena_strdup(arena, next.party); /* it outlives what is replaced */
    const char **slots = arena_alloc_array(arena, next.slots_length + 1, sizeof(*slots));
    const struct chain old = {slots, next.slots_length};
    struct kept_item *items = arena_alloc_array(arena, next.items_length, sizeof(*items));
    void *memory = NULL;

    for (size_t i = 0; i < old.length; i++)
        slots[i] = arena_strdup(arena, next.slots[i]);
    if (!have_released(agent, &old, err) || !vault->memory(vault->self, DISK_KEY_SIZE, &memory, err))
        return false;
    bool good = true;
    for (size_t i = 0; good && i < next.items_length; i++) {
        items[i].name = next.items[i].name;
        good = unwrap(agent, &old, &next.items[i], memory, err) &&
               wrap(agent, chain, items[i].name, memory, arena, &items[i].box, err);
    }
    vault->memory_free(vault->self, memory);
    next.items = items;
    next.slots = chain->slots;
    next.slots_length = chain->length;
    if (!good || !replace(agent, &next, err)) return false;
    *keys = keys_at(agent, next.party);
    for (size_t i = 0; i < old.length; i++)
        if (!forget_unused(agent, old.slots[i], err)) return false;
    return true;
}

/* A secret that is not needed any more, because its party has a key service now. */
static bool forget_unused(struct agent *agent, const char *slot, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    size_t cursor = 0;
    void *value = NULL;

    if (is_mark(slot) || !is_released(agent, slot)) return true;
    while (map_next(agent->disk_keys, &cursor, NULL, &value)) {
        const struct kept_disk_keys *kept = &((const struct disk_keys *)value)->kept;
        for (size_t i = 0; i < kept->slots_length; i++)
            if (text_equal(kept->slots[i], slot)) return true;
    }
    return vault->secret_destroy(vault->self, slot, err);
}

static bool mentions(const struct kept_disk_keys *kept, const char *party)
{
    size_t size = strlen(party);

    for (size_t i = 0; i < kept->slots_length; i++) {
        const char *slot = kept->slots[i];
        if (text_starts(slot, party) && (slot[size] == '\0' || slot[size] == '+')) return true;
    }
    return false;
}

static bool wrap(const struct agent *agent, const struct chain *chain, const char *item,
                 const unsigned char *key, struct arena *arena, const char **ret_box, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_BUF struct buf box = {0};
    struct vault_lock lock;

    make_lock(chain, disk_purpose, item, arena, &lock);
    if (!vault->wrap(vault->self, &lock, key, DISK_KEY_SIZE, &box, err)) return false;
    *ret_box = to_hex(arena, &box);
    return true;
}

static bool unwrap(const struct agent *agent, const struct chain *chain, const struct kept_item *item,
                   unsigned char *ret_key, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *party = party_of(arena, chain->slots[chain->length - 1]);
    CLEANUP_BUF struct buf box = {0};
    struct vault_lock lock;

    make_lock(chain, disk_purpose, item->name, arena, &lock);
    if (from_hex(item->box, &box) &&
        vault->unwrap(vault->self, &lock, box.data, box.size, ret_key, DISK_KEY_SIZE, err))
        return true;
    return error_set(err, ERROR_FAILED,
                     "disk-keys/%s on %s was changed, and its %s cannot be opened: put the file back, or "
                     "discard all with croft key rotate --party %s %s",
                     party, agent->options.host->name, item->name, party, agent->options.host->name);
}

/* In the arena; the lock points into it and to the chain. */
static void make_lock(const struct chain *chain, const char *purpose, const char *item, struct arena *arena,
                      struct vault_lock *ret_lock)
{
    CLEANUP_BUF struct buf text = {0};

    buf_add(&text, purpose, strlen(purpose) + 1);
    for (size_t i = 0; i < chain->length; i++) {
        const char *party = party_of(arena, chain->slots[i]);
        buf_add(&text, party, strlen(party) + 1);
    }
    size_t purpose_size = text.size;
    buf_add(&text, item, strlen(item) + 1);
    for (size_t i = 0; i < chain->length; i++)
        buf_add(&text, chain->slots[i], strlen(chain->slots[i]) + 1);
    char *bytes = arena_alloc(arena, text.size);
    memcpy(bytes, text.data, text.size);
    *ret_lock = (struct vault_lock){.slots = chain->slots,
                                    .slots_length = chain->length,
                                    .purpose = bytes,
                                    .purpose_size = purpose_size,
                                    .about = bytes + purpose_size,
                                    .about_size = text.size - purpose_size};
}

static void check_lock(struct arena *arena, const char *slot, struct vault_lock *ret_lock)
{
    const char **slots = arena_alloc(arena, sizeof(*slots));
    const char *party = party_of(arena, slot);

    slots[0] = slot;
    *ret_lock = (struct vault_lock){.slots = slots,
                                    .slots_length = 1,
                                    .purpose = check_purpose,
                                    .purpose_size = sizeof(check_purpose),
                                    .about = party,
                                    .about_size = strlen(party)};
}

/* In a slot of its own: what is here already stays whatever comes. */
static bool try_secret(struct agent *agent, const char *party, const unsigned char *secret, const char *check,
                       struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *slot = arena_printf(arena, "%s%s", party, tried_mark);
    CLEANUP_BUF struct buf box = {0};
    struct vault_lock lock;
    unsigned char nothing[1];
    struct error problem;

    if (!from_hex(check, &box))
        return error_set(err, ERROR_FAILED, "disk-keys/%s on %s was changed: no secret can be judged", party,
                         agent->options.host->name);
    if (!vault->secret_give(vault->self, slot, secret, err)) return false;
    check_lock(arena, slot, &lock);
    bool good = vault->unwrap(vault->self, &lock, box.data, box.size, nothing, 0, &problem);
    if (!vault->secret_destroy(vault->self, slot, err)) return false;
    return good ||
           error_set(err, ERROR_REFUSED,
                     "that is another secret of %s than the one with which %s encrypts: nothing was "
                     "changed; serve from the desk that has the right one, or discard what is there with "
                     "croft key rotate --party %s %s",
                     party, agent->options.host->name, party, agent->options.host->name);
}

static const char *make_check(struct agent *agent, struct arena *arena, const char *party, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_BUF struct buf box = {0};
    struct vault_lock lock;

    check_lock(arena, arena_printf(arena, "%s%s", party, released_mark), &lock);
    return vault->wrap(vault->self, &lock, "", 0, &box, err) ? to_hex(arena, &box) : NULL;
}

static const char *to_hex(struct arena *arena, const struct buf *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * bytes->size + 1);

    for (size_t i = 0; i < bytes->size; i++) {
        text[2 * i] = digits[(unsigned char)bytes->data[i] >> 4];
        text[2 * i + 1] = digits[bytes->data[i] & 15];
    }
    return text;
}

static bool from_hex(const char *text, struct buf *ret_bytes)
{
    size_t length = strlen(text);

    for (size_t i = 0; i + 1 < length; i += 2) {
        int high = text_hex_digit(text[i]), low = text_hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return false;
        buf_add_char(ret_bytes, (char)(high << 4 | low));
    }
    return length % 2 == 0;
}
