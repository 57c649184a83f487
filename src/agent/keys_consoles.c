/* Whose commands are obeyed for a party here: by its consoles, once its keys are taken. They are equal: each
 * may let others in and send them away. */
#include "agent/keys_inside.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A desk for everybody who runs something, and some lost ones; a file of keys stays small. */
enum { CONSOLES_MAX = 16 };

static const struct party_keys *keys_of_instance(const struct agent *agent, const char *instance);
static const struct closed *closed_of(const struct agent *agent, const struct party_keys *keys,
                                      const char *instance);
static void closed_free(struct closed *closed);
static bool runs(const struct agent *agent, const struct closed *closed);
static bool check_key(const char *key, struct error *err);
static int64_t ahead(int64_t counter);

bool keys_let_plain(const struct agent *agent, const char *instance, struct error *err)
{
    const struct party_keys *keys = keys_of_instance(agent, instance);
    const char *host = agent->options.host->name;

    if (!keys) return true;
    if (keys->taken_ms)
        return error_set(
            err, ERROR_REFUSED,
            "%s has taken its keys on %s, which obeys its sealed commands only: ask from the desk that "
            "has its console key (croft key take made it there)",
            keys->party, host);
    return !closed_of(agent, keys, instance) ||
           error_set(err, ERROR_REFUSED,
                     "%s ran on %s before %s was shut out there, and stays closed until it is made anew",
                     instance, host, keys->party);
}

bool keys_let(const struct agent *agent, const struct party_keys *keys, const char *instance,
              const unsigned char *console, struct error *err)
{
    const struct closed *closed = closed_of(agent, keys, instance);
    char text[KEYS_TEXT_SIZE];

    keys_hex(console, text);
    for (size_t i = 0; closed && i < closed->former.length; i++)
        if (text_equal(vec_at(&closed->former, i), text)) return true;
    return !closed || error_set(err, ERROR_REFUSED,
                                "%s ran on %s before %s was shut out there, and obeys only consoles that %s "
                                "had then, until it is made anew",
                                instance, agent->options.host->name, keys->party, keys->party);
}

bool keys_taken(const struct party_keys *keys)
{
    return keys->taken_ms != 0;
}

bool keys_know(const struct party_keys *keys, const unsigned char *console)
{
    char text[KEYS_TEXT_SIZE];

    keys_hex(console, text);
    return keys_console(keys, text) != NULL;
}

bool keys_count(struct agent *agent, struct party_keys *keys, const unsigned char *key, int64_t counter,
                int64_t *ret_last, struct error *err)
{
    char text[KEYS_TEXT_SIZE];

    keys_hex(key, text);
    struct console *console = keys_console(keys, text);
    if (!console) return true; /* its first command: keys_take() writes down how far it has counted */
    *ret_last = console->counter;
    if (counter <= console->counter) return false;
    if (counter > console->kept) {
        int64_t before = console->kept;
        console->kept = ahead(counter);
        if (!keys_save(agent, keys, err)) {
            console->kept = before;
            *ret_last = 0;
            return false;
        }
    }
    console->counter = counter;
    *ret_last = counter;
    return true;
}

bool keys_admit(struct agent *agent, struct party_keys *keys, const char *key, struct buf *ret_json,
                struct error *err)
{
    if (!check_key(key, err)) return false;
    if (!keys_console(keys, key)) {
        if (keys->consoles.length >= CONSOLES_MAX)
            return error_set(err, ERROR_REFUSED,
                             "%s has %d consoles on %s, the most that it can have: croft key dismiss sends "
                             "one away",
                             keys->party, CONSOLES_MAX, agent->options.host->name);
        keys_add_console(keys, key, keys->floor);
        if (!keys_save(agent, keys, err)) {
            vec_remove(&keys->consoles, keys->consoles.length - 1);
            return false;
        }
    }
    keys_tell(keys, ret_json);
    return true;
}

bool keys_dismiss(struct agent *agent, struct party_keys *keys, const unsigned char *by, const char *key,
                  struct buf *ret_json, struct error *err)
{
    char own[KEYS_TEXT_SIZE];

    keys_hex(by, own);
    if (!check_key(key, err)) return false;
    if (text_equal(own, key))
        return error_set(err, ERROR_REFUSED,
                         "a console does not dismiss itself, so that somebody is obeyed: ask from another");
    struct console *console = keys_console(keys, key);
    if (console) {
        struct console gone = *console;
        int64_t before = keys->floor;
        vec_remove(&keys->consoles, (size_t)(console - (struct console *)keys->consoles.items));
        if (gone.kept > keys->floor) keys->floor = gone.kept;
        if (!keys_save(agent, keys, err)) {
            *(struct console *)vec_push(&keys->consoles) = gone;
            keys->floor = before;
            return false;
        }
    }
    keys_tell(keys, ret_json);
    return true;
}

void keys_tell(const struct party_keys *keys, struct buf *ret_json)
{
    buf_printf(ret_json, "{\"generation\":%" PRId64 ",\"taken_ms\":%" PRId64 ",\"consoles\":[",
               keys->generation, keys->taken_ms);
    for (size_t i = 0; i < keys->consoles.length; i++) {
        const struct console *console = vec_at(&keys->consoles, i);
        buf_printf(ret_json, "%s\"%s\"", i > 0 ? "," : "", console->key);
    }
    buf_add_text(ret_json, "]}");
}

struct console *keys_console(const struct party_keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->consoles.length; i++) {
        struct console *console = vec_at(&keys->consoles, i);
        if (text_equal(console->key, key)) return console;
    }
    return NULL;
}

void keys_add_console(struct party_keys *keys, const char *key, int64_t counter)
{
    struct console *console = vec_push(&keys->consoles);

    snprintf(console->key, sizeof(console->key), "%s", key);
    console->counter = counter;
    console->kept = ahead(counter);
}

/* What is closed already stays as it is: who shuts out, takes and shuts out again is no console of before. */
void keys_close(const struct agent *agent, struct party_keys *keys)
{
    size_t cursor = 0;
    void *value = NULL;

    for (size_t i = keys->closed.length; i-- > 0;) {
        struct closed *closed = vec_at(&keys->closed, i);
        if (runs(agent, closed)) continue;
        closed_free(closed);
        vec_remove(&keys->closed, i);
    }
    if (!keys->taken_ms) return; /* what is not closed was open to everybody */
    while (map_next(agent->units, &cursor, NULL, &value)) {
        const struct unit *unit = value;
        if (!unit->have || keys_of_instance(agent, unit->name) != keys || closed_of(agent, keys, unit->name))
            continue;
        struct closed *closed = keys_add_closed(keys, unit->name, unit->have->incarnation);
        for (size_t i = 0; i < keys->consoles.length; i++)
            keys_add_former(closed, ((const struct console *)vec_at(&keys->consoles, i))->key);
    }
}

struct closed *keys_add_closed(struct party_keys *keys, const char *instance, int64_t incarnation)
{
    struct closed *closed = vec_push(&keys->closed);

    *closed = (struct closed){mem_strdup(instance), incarnation, VEC_OF(char[KEYS_TEXT_SIZE])};
    return closed;
}

void keys_add_former(struct closed *closed, const char *console)
{
    snprintf(vec_push(&closed->former), KEYS_TEXT_SIZE, "%s", console);
}

void keys_free_closed(struct party_keys *keys)
{
    for (size_t i = 0; i < keys->closed.length; i++)
        closed_free(vec_at(&keys->closed, i));
    vec_free(&keys->closed);
}

static const struct party_keys *keys_of_instance(const struct agent *agent, const char *instance)
{
    for (size_t i = 0; i < agent->keys.length; i++) {
        const struct party_keys *keys = *(struct party_keys **)vec_at(&agent->keys, i);
        if (text_starts(instance, keys->party) && instance[strlen(keys->party)] == '/') return keys;
    }
    return NULL;
}

/* NULL: it is open to whom the party obeys. */
static const struct closed *closed_of(const struct agent *agent, const struct party_keys *keys,
                                      const char *instance)
{
    for (size_t i = 0; i < keys->closed.length; i++) {
        const struct closed *closed = vec_at(&keys->closed, i);
        if (text_equal(closed->instance, instance) && runs(agent, closed)) return closed;
    }
    return NULL;
}

static void closed_free(struct closed *closed)
{
    mem_free(closed->instance);
    vec_free(&closed->former);
}

/* An incarnation is made from nothing, and none has another's number. */
static bool runs(const struct agent *agent, const struct closed *closed)
{
    const struct unit *unit = map_get(agent->units, closed->instance);
    return unit && unit->have && unit->have->incarnation == closed->incarnation;
}

static bool check_key(const char *key, struct error *err)
{
    size_t length = key ? strlen(key) : 0;

    for (size_t i = 0; i < length; i++)
        if (!strchr("0123456789abcdef", key[i])) length = 0;
    return length == KEYS_TEXT_SIZE - 1 ||
           error_set(err, ERROR_INVALID, "which console? its public key has %d hexadecimal digits",
                     KEYS_TEXT_SIZE - 1);
}

static int64_t ahead(int64_t counter)
{
    return counter > INT64_MAX - KEYS_COUNTER_AHEAD ? INT64_MAX : counter + KEYS_COUNTER_AHEAD;
}
