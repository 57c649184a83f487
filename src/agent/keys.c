/* Parties' key pairs on this host: made when a party first has something here, taken by its console, rotated,
 * and destroyed when nothing has been the party's here for a while. Private halves are in the vault and
 * nowhere else.
 *
 * On disk, beside the vault: `keys/PARTY` with the generation, the consoles that may command, and how far
 * each has counted. With a pair that is replaced the party's disk key goes (disk_keys.c). A pair that its
 * owner asks for is first the *next* one: only a command by it shows that its owner has it, and then the one
 * before is wiped. So an answer that is lost locks nobody out. */
#include "agent/internal.h"
#include "base/text.h"
#include "model/sealed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    UNNAMED_US = 10 * 60 * 1000 *
                 1000, /* a party is away for good: none of its instances was wanted here for so long */
    AGAIN_US = 5 * 1000 * 1000, /* after a failure */
    /* Counters are microseconds, or more than the last. What is on disk is ahead of them, so that it is
     * written once a second and not with each command; after a restart a console goes on above it. */
    COUNTER_AHEAD = 1000 * 1000,
};

struct console {
    char key[2 * SEALED_KEY_SIZE + 1];
    int64_t counter; /* the last that was used */
    int64_t kept;    /* no less than that, on disk */
};

struct party_keys {
    char *party, *next; /* slots of the vault */
    int64_t generation, taken_ms;
    bool own;            /* its owner asked for the pair in use, and has it: its public halves are not told */
    struct vec consoles; /* struct console */
    int64_t unnamed_us;  /* since when nothing here is the party's; 0: something is */
};

static const char landlord[] = "landlord";

static struct party_keys *add(struct agent *agent, const char *party);
static void party_keys_free(struct party_keys *keys);
static void load_one(struct agent *agent, const char *party);
static bool save(struct agent *agent, const struct party_keys *keys, struct error *err);
static void turn(void *ctx);
static bool make_missing(struct agent *agent, bool *ret_made, struct error *err);
static bool end_unnamed(struct agent *agent, struct error *err);
static bool is_wanted(const struct agent *agent, const char *party);
static bool is_here(const struct agent *agent, const char *party);
static void soon(struct agent *agent, int64_t us);
static struct console *console_of(const struct party_keys *keys, const unsigned char *key);
static void hex(const unsigned char *bytes, char ret_text[2 * SEALED_KEY_SIZE + 1]);
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
        char text[3][2 * SEALED_KEY_SIZE + 1] = {"", "", ""};
        if (!vault->find(vault->self, keys->party, &pair)) continue; /* it is made in a moment */
        if (!keys->own) {
            hex(pair.seal, text[0]);
            hex(pair.sign, text[1]);
            hex(pair.fingerprint, text[2]);
        }
        list[length++] = (struct host_key){.party = keys->party,
                                           .generation = keys->generation,
                                           .taken_ms = keys->taken_ms,
                                           .waits = disk_keys_wait(agent, keys->party),
                                           .seal = arena_strdup(arena, text[0]),
                                           .sign = arena_strdup(arena, text[1]),
                                           .fingerprint = arena_strdup(arena, text[2])};
    }
    *ret_length = length;
    return list;
}

bool keys_let_plain(const struct agent *agent, const char *instance, struct error *err)
{
    for (size_t i = 0; i < agent->keys.length; i++) {
        const struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        size_t size = strlen(keys->party);
        if (!keys->taken_ms || !text_starts(instance, keys->party) || instance[size] != '/') continue;
        return error_set(
            err, ERROR_REFUSED,
            "%s has taken its keys on %s, which obeys its sealed commands only: ask from the desk that "
            "has its console key (croft key take made it there)",
            keys->party, agent->options.host->name);
    }
    return true;
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

bool keys_taken(const struct party_keys *keys)
{
    return keys->taken_ms != 0;
}

bool keys_know(const struct party_keys *keys, const unsigned char *console)
{
    return console_of(keys, console) != NULL;
}

bool keys_count(struct agent *agent, struct party_keys *keys, const unsigned char *key, int64_t counter,
                int64_t *ret_last, struct error *err)
{
    struct console *console = console_of(keys, key);

    if (!console) return true; /* its first command: keys_take() writes down how far it has counted */
    *ret_last = console->counter;
    if (counter <= console->counter) return false;
    if (counter > console->kept) {
        int64_t before = console->kept;
        console->kept = counter > INT64_MAX - COUNTER_AHEAD ? INT64_MAX : counter + COUNTER_AHEAD;
        if (!save(agent, keys, err)) {
            console->kept = before;
            *ret_last = 0;
            return false;
        }
    }
    console->counter = counter;
    *ret_last = counter;
    return true;
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
    return save(agent, keys, err);
}

/* First it is whose they are, then there is a new pair: if this ends in between, the same console asks again.
 */
bool keys_take(struct agent *agent, struct party_keys *keys, const unsigned char *key, int64_t counter,
               struct buf *ret_json, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;

    if (!keys->taken_ms) {
        struct console *console = vec_push(&keys->consoles);
        hex(key, console->key);
        console->counter = counter;
        console->kept = counter > INT64_MAX - COUNTER_AHEAD ? INT64_MAX : counter + COUNTER_AHEAD;
        keys->taken_ms = clock->wall_ms(clock->self);
        if (!save(agent, keys, err)) {
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
    keys->taken_ms = 0;
    keys->own = false;
    keys->generation++;
    vec_clear(&keys->consoles);
    exec_end_party(agent, party);
    report_soon(agent);
    if (!save(agent, keys, err) || !disk_keys_discard(agent, party, err) ||
        !vault->destroy(vault->self, keys->next, err) || !vault->make(vault->self, keys->party, &pair, err))
        return false;
    keys_tell(keys, ret_json);
    return true;
}

void keys_tell(const struct party_keys *keys, struct buf *ret_json)
{
    buf_printf(ret_json, "{\"generation\":%" PRId64 ",\"taken_ms\":%" PRId64 "}", keys->generation,
               keys->taken_ms);
}

static struct party_keys *add(struct agent *agent, const char *party)
{
    struct party_keys *keys = mem_alloc(sizeof(*keys));

    keys->party = mem_strdup(party);
    keys->next = mem_printf("%s+next", party);
    keys->consoles = VEC_OF(struct console);
    *(struct party_keys **)vec_push(&agent->keys) = keys;
    return keys;
}

static void party_keys_free(struct party_keys *keys)
{
    vec_free(&keys->consoles);
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
    for (size_t i = 0; i < kept.consoles_length; i++) {
        struct console *console = vec_push(&keys->consoles);
        snprintf(console->key, sizeof(console->key), "%s", kept.consoles[i].key);
        console->counter = console->kept = kept.consoles[i].counter;
    }
}

static bool save(struct agent *agent, const struct party_keys *keys, struct error *err)
{
    const struct disk_port *disk = agent->options.disk;
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf json = {0};
    CLEANUP_MEM char *path = mem_printf("keys/%s", keys->party);
    struct kept_console *consoles = arena_alloc_array(arena, keys->consoles.length + 1, sizeof(*consoles));

    for (size_t i = 0; i < keys->consoles.length; i++) {
        const struct console *console = vec_at(&keys->consoles, i);
        consoles[i] = (struct kept_console){console->key, console->kept};
    }
    const struct kept_keys kept = {.party = keys->party,
                                   .generation = keys->generation,
                                   .taken_ms = keys->taken_ms,
                                   .own = keys->own,
                                   .consoles = consoles,
                                   .consoles_length = keys->consoles.length};
    schema_write(&schema_kept_keys, NULL, &kept, &json);
    return disk->write(disk->self, path, json.data, json.size, 0600, err);
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
        if (!save(agent, keys, err) || !vault->make(vault->self, keys->party, &pair, err)) {
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

static struct console *console_of(const struct party_keys *keys, const unsigned char *key)
{
    char text[2 * SEALED_KEY_SIZE + 1];

    hex(key, text);
    for (size_t i = 0; i < keys->consoles.length; i++) {
        struct console *console = vec_at(&keys->consoles, i);
        if (text_equal(console->key, text)) return console;
    }
    return NULL;
}

static void hex(const unsigned char *bytes, char ret_text[2 * SEALED_KEY_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SEALED_KEY_SIZE; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * SEALED_KEY_SIZE] = 0;
}

/* Members of an object that has some already, and its end. */
static void add_pair(const struct vault_pair *pair, struct buf *ret_json)
{
    char text[2 * SEALED_KEY_SIZE + 1];

    hex(pair->seal, text);
    buf_printf(ret_json, ",\"seal\":\"%s\"", text);
    hex(pair->sign, text);
    buf_printf(ret_json, ",\"sign\":\"%s\"", text);
    hex(pair->fingerprint, text);
    buf_printf(ret_json, ",\"fingerprint\":\"%s\"}", text);
}
