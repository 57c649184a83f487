/* Parties' key pairs on this host: made when a party first has something here, taken by its console, rotated,
 * and destroyed when nothing has been the party's here for a while. Private halves are in the vault and
 * nowhere else.
 *
 * On disk, beside the vault: `keys/PARTY` with the generation, the consoles that may command
 * (keys_consoles.c), and how far each has counted. With a pair that is replaced the party's disk key goes
 * (disk_keys.c). A pair that its owner asks for is first the *next* one: only a command by it shows that its
 * owner has it, and then the one before is wiped. So an answer that is lost locks nobody out. */
#include "agent/keys_inside.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    UNNAMED_US = 10 * 60 * 1000 *
                 1000, /* a party is away for good: none of its instances was wanted here for so long */
    AGAIN_US = 5 * 1000 * 1000, /* after a failure */
};

static const char landlord[] = "landlord";

static struct party_keys *add(struct agent *agent, const char *party);
static void party_keys_free(struct party_keys *keys);
static void load_one(struct agent *agent, const char *party);
static void turn(void *ctx);
static bool make_missing(struct agent *agent, bool *ret_made, struct error *err);
static bool end_unnamed(struct agent *agent, struct error *err);
static bool is_wanted(const struct agent *agent, const char *party);
static bool is_here(const struct agent *agent, const char *party);
static void soon(struct agent *agent, int64_t us);
static void add_pair(const struct vault_pair *pair, struct buf *ret_json);

bool keys_load(struct agent *agent, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    struct vec names = VEC_OF(char *);
    bool good = disk->list(disk->self, "keys", &names, err);

    for (size_t i = 0; i < names.length; i++) {
        char *name = *(char **)vec_at(&names, i);
        if (good && text_is_name(name)) load_one(agent, name);
        mem_free(name);
    }
    vec_free(&names);
    if (!good) return error_wrap(err, "parties' keys");
    if (!keys_of(agent, landlord)) add(agent, landlord);
    soon(agent, 0);
    return true;
}

void keys_free(struct agent *agent)
{
    const struct clock_port *clock = agent->options.clock;

    clock->cancel(clock->self, agent->keys_next);
    for (size_t i = 0; i < agent->keys.length; i++)
        party_keys_free(*(struct party_keys **)vec_at(&agent->keys, i));
    vec_free(&agent->keys);
}

void keys_note(struct agent *agent)
{
    const struct host_document *document = &agent->good->document;

    for (size_t i = 0; i < document->instances_length; i++) {
        const char *party = document->instances[i].party;
        if (text_is_name(party) && !keys_of(agent, party)) add(agent, party);
    }
    for (size_t i = 0; i < document->parties_length; i++) {
        const struct host_party *party = &document->parties[i];
        if (text_is_name(party->name) && !party->severed && !keys_of(agent, party->name))
            add(agent, party->name);
    }
    soon(agent, 0);
}

void keys_look_soon(struct agent *agent)
{
    soon(agent, 0);
}

const struct host_key *keys_report(const struct agent *agent, struct arena *arena, size_t *ret_length)
{
    const struct vault_port *vault = agent->options.vault;
    struct host_key *list = arena_alloc_array(arena, agent->keys.length + 1, sizeof(*list));
    size_t length = 0;

    for (size_t i = 0; i < agent->keys.length; i++) {
        const struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        struct vault_pair pair;
        char text[3][KEYS_TEXT_SIZE] = {"", "", ""};
        if (!vault->find(vault->self, keys->party, &pair)) continue; /* it is made in a moment */
        if (!keys->own) {
            keys_hex(pair.seal, text[0]);
            keys_hex(pair.sign, text[1]);
            keys_hex(pair.fingerprint, text[2]);
        }
        list[length++] = (struct host_key){.party = keys->party,
                                           .generation = keys->generation,
                                           .taken_ms = keys->taken_ms,
                                           .stored = disk_keys_count(agent, keys->party),
                                           .waits = disk_keys_wait(agent, keys->party),
                                           .seal = arena_strdup(arena, text[0]),
                                           .sign = arena_strdup(arena, text[1]),
                                           .fingerprint = arena_strdup(arena, text[2])};
    }
    *ret_length = length;
    return list;
}

struct party_keys *keys_of(const struct agent *agent, const char *party)
{
    for (size_t i = 0; i < agent->keys.length; i++) {
        struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        if (text_equal(keys->party, party)) return keys;
    }
    return NULL;
}

const char *keys_slot(const struct agent *agent, const struct party_keys *keys, const unsigned char *pair)
{
    const struct vault_port *vault = agent->options.vault;
    const char *const slots[] = {keys->party, keys->next};
    struct vault_pair here;

    for (size_t i = 0; i < LENGTH(slots); i++)
        if (vault->find(vault->self, slots[i], &here) &&
            memcmp(here.fingerprint, pair, sizeof(here.fingerprint)) == 0)
            return slots[i];
    return NULL;
}

bool keys_change_over(struct agent *agent, struct party_keys *keys, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;

    if (!disk_keys_discard(agent, keys->party, err) ||
        !vault->rename(vault->self, keys->next, keys->party, err))
        return false;
    keys->generation++;
    keys->own = true;
    report_soon(agent);
    return keys_save(agent, keys, err);
}

/* First it is whose they are, then there is a new pair: if this ends in between, the same console asks again.
 */
bool keys_take(struct agent *agent, struct party_keys *keys, const unsigned char *key, int64_t counter,
               struct buf *ret_json, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    char text[KEYS_TEXT_SIZE];

    if (!keys->taken_ms) {
        keys_hex(key, text);
        keys_add_console(keys, text, counter);
        keys->taken_ms = clock->wall_ms(clock->self);
        if (!keys_save(agent, keys, err)) {
            keys->taken_ms = 0;
            vec_clear(&keys->consoles);
            return false;
        }
        exec_end_party(agent, keys->party); /* what others began in plain words */
        report_soon(agent);
    }
    return keys_rotate(agent, keys, ret_json, err);
}

bool keys_rotate(struct agent *agent, struct party_keys *keys, struct buf *ret_json, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    struct vault_pair pair;

    if (!vault->find(vault->self, keys->next, &pair) && !vault->make(vault->self, keys->next, &pair, err))
        return false;
    buf_printf(ret_json, "{\"generation\":%" PRId64, keys->generation + 1);
    add_pair(&pair, ret_json);
    return true;
}

/* First nobody's console is obeyed any more, then the pair goes: if this ends in between, it is asked again.
 */
bool keys_shut_out(struct agent *agent, const char *party, struct buf *ret_json, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    struct party_keys *keys = keys_of(agent, party);
    struct vault_pair pair;

    if (!keys)
        return error_set(err, ERROR_NOT_FOUND, "%s has no keys on %s", party, agent->options.host->name);
    keys_close(agent, keys);
    keys->taken_ms = 0;
    keys->own = false;
    keys->generation++;
    vec_clear(&keys->consoles);
    exec_end_party(agent, party);
    report_soon(agent);
    if (!keys_save(agent, keys, err) || !disk_keys_discard(agent, party, err) ||
        !vault->destroy(vault->self, keys->next, err) || !vault->make(vault->self, keys->party, &pair, err))
        return false;
    keys_tell(keys, ret_json);
    return true;
}

bool keys_save(struct agent *agent, const struct party_keys *keys, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_MEM char *path = mem_printf("keys/%s", keys->party);
    struct kept_console *consoles = arena_alloc_array(arena, keys->consoles.length + 1, sizeof(*consoles));
    struct kept_closed *closed = arena_alloc_array(arena, keys->closed.length + 1, sizeof(*closed));

    for (size_t i = 0; i < keys->consoles.length; i++) {
        const struct console *console = vec_at(&keys->consoles, i);
        consoles[i] = (struct kept_console){console->key, console->kept};
    }
    for (size_t i = 0; i < keys->closed.length; i++) {
        const struct closed *here = vec_at(&keys->closed, i);
        const char **former = arena_alloc_array(arena, here->former.length + 1, sizeof(*former));
        for (size_t k = 0; k < here->former.length; k++)
            former[k] = vec_at(&here->former, k);
        closed[i] = (struct kept_closed){here->instance, here->incarnation, former, here->former.length};
    }
    const struct kept_keys kept = {.party = keys->party,
                                   .generation = keys->generation,
                                   .taken_ms = keys->taken_ms,
                                   .own = keys->own,
                                   .consoles = consoles,
                                   .consoles_length = keys->consoles.length,
                                   .floor = keys->floor,
                                   .closed = closed,
                                   .closed_length = keys->closed.length};
    schema_write(&schema_kept_keys, NULL, &kept, &json);
    return disk->write(disk->self, path, json.data, json.size, 0600, err);
}

void keys_hex(const unsigned char key[SEALED_KEY_SIZE], char ret_text[KEYS_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SEALED_KEY_SIZE; i++) {
        ret_text[2 * i] = digits[key[i] >> 4];
        ret_text[2 * i + 1] = digits[key[i] & 15];
    }
    ret_text[KEYS_TEXT_SIZE - 1] = 0;
}

static struct party_keys *add(struct agent *agent, const char *party)
{
    struct party_keys *keys = mem_alloc(sizeof(*keys));

    keys->party = mem_strdup(party);
    keys->next = mem_printf("%s+next", party);
    keys->consoles = VEC_OF(struct console);
    keys->closed = VEC_OF(struct closed);
    *(struct party_keys **)vec_push(&agent->keys) = keys;
    return keys;
}

static void party_keys_free(struct party_keys *keys)
{
    vec_free(&keys->consoles);
    keys_free_closed(keys);
    mem_free(keys->party);
    mem_free(keys->next);
    mem_free(keys);
}

/* Of one that cannot be read it is only known that somebody may have taken it: nobody is obeyed until the
 * landlord rotates it. A pair that is lost (the vault was damaged) is made anew and told, and its consoles
 * take it again. */
static void load_one(struct agent *agent, const char *party)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_MEM char *path = mem_printf("keys/%s", party);
    CLEANUP_BUF struct buf text = {0};
    struct party_keys *keys = add(agent, party);
    struct kept_keys kept = {0};
    struct error err;

    if (!disk->read(disk->self, path, &text, &err) ||
        !model_read_json(&schema_kept_keys, arena, buf_text(&text), text.size, &kept, &err) ||
        (!text_equal(kept.party, party) && !error_set(&err, ERROR_INVALID, "it is of %s", kept.party))) {
        error_wrap(&err, "%s: no command of %s is obeyed until the landlord rotates its keys", path, party);
        agent_log(agent, "keys that cannot be read", &err);
        keys->taken_ms = 1;
        keys->own = true;
        return;
    }
    keys->generation = kept.generation;
    keys->taken_ms = kept.taken_ms;
    keys->own = kept.own;
    keys->floor = kept.floor;
    for (size_t i = 0; i < kept.consoles_length; i++) {
        struct console *console = vec_push(&keys->consoles);
        snprintf(console->key, sizeof(console->key), "%s", kept.consoles[i].key);
        console->counter = console->kept = kept.consoles[i].counter;
    }
    for (size_t i = 0; i < kept.closed_length; i++) {
        const struct kept_closed *was = &kept.closed[i];
        struct closed *closed = keys_add_closed(keys, was->instance, was->incarnation);
        for (size_t k = 0; k < was->former_length; k++)
            keys_add_former(closed, was->former[k]);
    }
}

static void turn(void *ctx)
{
    struct agent *agent = ctx;
    struct error err;
    bool made = false, waits = false;

    agent->keys_next = NULL;
    if (!make_missing(agent, &made, &err) || !end_unnamed(agent, &err)) {
        agent_log(agent, "parties' keys", &err);
        soon(agent, AGAIN_US);
        return;
    }
    for (size_t i = 0; agent->good && i < agent->keys.length; i++)
        waits |= !is_wanted(agent, (*(struct party_keys **)vec_at(&agent->keys, i))->party);
    if (made)
        soon(agent, 0);
    else if (waits)
        soon(agent, UNNAMED_US / 10);
}

/* One a turn: a pair is some milliseconds of the disk. */
static bool make_missing(struct agent *agent, bool *ret_made, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    struct vault_pair pair;

    for (size_t i = 0; i < agent->keys.length && !*ret_made; i++) {
        struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        if (vault->find(vault->self, keys->party, &pair)) continue;
        keys->generation++;
        keys->own = false;
        if (!keys_save(agent, keys, err) || !vault->make(vault->self, keys->party, &pair, err)) {
            keys->generation--;
            return false;
        }
        *ret_made = true;
        report_soon(agent);
    }
    return true;
}

/* At once where its lease has ended. Else by what this run of the agent has seen: after a restart the time
 * begins anew. */
static bool end_unnamed(struct agent *agent, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    const struct vault_port *vault = agent->options.vault;
    const struct disk_port *disk = agent->options.disk;
    int64_t now_us = clock->steady_us(clock->self);

    if (!agent->good || !agent->confirmed_boot) return true; /* it is not known what is wanted here */
    for (size_t i = 0; i < agent->keys.length;) {
        struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        const struct host_party *known = disk_keys_party(agent, keys->party);
        bool unnamed = !is_wanted(agent, keys->party) && !is_here(agent, keys->party);
        if (!unnamed)
            keys->unnamed_us = 0;
        else if (!keys->unnamed_us)
            keys->unnamed_us = now_us;
        if (!unnamed || (!(known && known->severed) && now_us - keys->unnamed_us < UNNAMED_US)) {
            i++;
            continue;
        }
        CLEANUP_MEM char *path = mem_printf("keys/%s", keys->party);
        if (!disk_keys_end(agent, keys->party, err) || !vault->destroy(vault->self, keys->next, err) ||
            !vault->destroy(vault->self, keys->party, err) || !disk->remove(disk->self, path, err))
            return false;
        vec_remove(&agent->keys, i);
        party_keys_free(keys);
        report_soon(agent);
    }
    return true;
}

static bool is_wanted(const struct agent *agent, const char *party)
{
    const struct host_document *document = &agent->good->document;

    if (text_equal(party, landlord)) return true;
    for (size_t i = 0; i < document->instances_length; i++)
        if (text_equal(document->instances[i].party, party)) return true;
    const struct host_party *known = disk_keys_party(agent, party);
    return known && !known->severed;
}

/* Until it is wiped. */
static bool is_here(const struct agent *agent, const char *party)
{
    size_t cursor = 0;
    void *value = NULL;

    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (unit->have && disk_keys_is_within(agent, unit->have->party, party)) return true;
    }
    return false;
}

static void soon(struct agent *agent, int64_t us)
{
    const struct clock_port *clock = agent->options.clock;
    clock->cancel(clock->self, agent->keys_next);
    agent->keys_next = clock->after(clock->self, us, turn, agent);
}

/* Members of an object that has some already, and its end. */
static void add_pair(const struct vault_pair *pair, struct buf *ret_json)
{
    char text[KEYS_TEXT_SIZE];

    keys_hex(pair->seal, text);
    buf_printf(ret_json, ",\"seal\":\"%s\"", text);
    keys_hex(pair->sign, text);
    buf_printf(ret_json, ",\"sign\":\"%s\"", text);
    keys_hex(pair->fingerprint, text);
    buf_printf(ret_json, ",\"fingerprint\":\"%s\"}", text);
}
