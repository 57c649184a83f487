/* Parties' keys on a host and sealed commands, before a scripted controller: here it is this test that
 * relays. */
#include "desk.h"

#include "model/sealed.h"
#include "sim/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one[] = {"web-1", NULL};
enum { AHEAD_MS = 60 * 1000 };

/* A person's console, and what is known of the host's pairs. */
struct key_console {
    struct desk *desk;
    struct sim_disk *disk;
    struct sim_random *random;
    struct sim_vault *vault;
    const struct vault_port *port;
    struct vault_pair own, answer_to, pair;
    char party[16];
    int64_t counter, ahead_ms;
    struct buf sent; /* the last command */
    int status;      /* of the last answer as it came; then of what was in it */
    struct buf body;
    int64_t told_counter;
};

static void open_console(struct key_console *console, struct desk *desk, const char *party, uint64_t seed)
{
    struct error err;

    *console = (struct key_console){.desk = desk, .ahead_ms = AHEAD_MS};
    snprintf(console->party, sizeof(console->party), "%s", party);
    console->disk = sim_disk_new();
    console->random = sim_random_new(seed);
    assert_true(
        sim_vault_new(sim_disk_port(console->disk), sim_random_port(console->random), &console->vault, &err));
    console->port = sim_vault_port(console->vault);
    assert_true(console->port->make(console->port->self, "console", &console->own, &err));
    assert_true(console->port->make(console->port->self, "answer", &console->answer_to, &err));
}

static void close_console(struct key_console *console)
{
    sim_vault_free(console->vault);
    sim_random_free(console->random);
    sim_disk_free(console->disk);
    buf_free(&console->sent);
    buf_free(&console->body);
}

static void read_hex(const char *text, const char *name, unsigned char ret_key[32])
{
    CLEANUP_MEM char *key = mem_printf("\"%s\":\"", name);
    const char *at = strstr(text, key);

    if (!at) fail_msg("no %s in %s", name, text);
    at += strlen(key);
    for (size_t i = 0; i < 32; i++)
        ret_key[i] = (unsigned char)(text_hex_digit(at[2 * i]) << 4 | text_hex_digit(at[2 * i + 1]));
}

static void read_pair(const char *text, struct vault_pair *ret_pair)
{
    read_hex(text, "seal", ret_pair->seal);
    read_hex(text, "sign", ret_pair->sign);
    read_hex(text, "fingerprint", ret_pair->fingerprint);
}

/* What the last report says of the party's keys: from its name to the end of the object. */
static const char *told(struct desk *desk, const char *party)
{
    static char text[512];
    CLEANUP_MEM char *begins = mem_printf("{\"party\":\"%s\",\"generation\"", party);
    const char *at = strstr(buf_text(&desk->report), begins);

    snprintf(text, sizeof(text), "%.*s", at ? (int)strcspn(at, "}") : 0, at ? at : "");
    return text;
}

static void answered(void *ctx, const struct answer *answer)
{
    struct key_console *console = ctx;
    console->status = answer->status ? answer->status : -1;
    buf_clear(&console->body);
    buf_add(&console->body, answer->body, answer->body_size);
}

/* As a controller carries them: any bytes at all. */
static void carry(struct key_console *console, const void *data, size_t size)
{
    const struct net_port *net = sim_machine_port(console->desk->world->controller_machine);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = "h1",
                              .addresses = {console->desk->box->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {
        .method = "POST", .path = "/agent/sealed", .body = data, .body_size = size};

    console->status = 0;
    net->call(net->self, &peer, &request, 25000, NULL, answered, console);
    for (int i = 0; i < 26000 && !console->status; i++)
        world_run_ms(console->desk->world, 1);
}

static void open_answer(struct key_console *console)
{
    CLEANUP_BUF struct buf plain = {0}, text = {0};
    const unsigned char *signature = NULL;
    const char *box = NULL, *part = NULL;
    unsigned char digest[32];
    size_t size = 0, part_size = 0;
    struct sealed_answer answer;
    struct error err;

    if (console->status != 200) return;
    assert_true(sealed_answer_box(console->body.data, console->body.size, &box, &size, &err));
    assert_true(console->port->open(console->port->self, "answer", box, size, &plain, &err));
    assert_true(sealed_split(plain.data, plain.size, &signature, &part, &part_size, &err));
    assert_true(sealed_answer_read(part, part_size, &answer, &err));
    sealed_answer_text(part, part_size, &text);
    assert_true(
        console->port->verify(console->port->self, console->pair.sign, text.data, text.size, signature));
    console->port->digest(console->port->self, console->sent.data, console->sent.size, digest);
    assert_memory_equal(digest, answer.command, sizeof(digest));
    console->status = answer.status;
    console->told_counter = answer.counter;
    buf_clear(&console->body);
    if (answer.body_size > 0) buf_add(&console->body, answer.body, answer.body_size);
}

static void seal(struct key_console *console, const char *host, const char *method, const char *path,
                 const char *body)
{
    const struct clock_port *time = sim_machine_clock_port(console->desk->box->clock);
    struct sealed_head head = {0};
    struct sealed_command command = {.counter = console->counter,
                                     .expires_ms = time->wall_ms(time->self) + console->ahead_ms,
                                     .method = method,
                                     .path = path,
                                     .body = body,
                                     .body_size = body ? strlen(body) : 0};
    CLEANUP_BUF struct buf part = {0}, text = {0}, plain = {0};
    unsigned char signature[64];
    struct error err;

    snprintf(head.host, sizeof(head.host), "%s", host);
    snprintf(head.party, sizeof(head.party), "%s", console->party);
    memcpy(head.pair, console->pair.fingerprint, sizeof(head.pair));
    memcpy(command.console, console->own.sign, sizeof(command.console));
    memcpy(command.answer_to, console->answer_to.seal, sizeof(command.answer_to));
    sealed_command_write(&command, &part);
    sealed_command_text(&head, part.data, part.size, &text);
    assert_true(console->port->sign(console->port->self, "console", text.data, text.size, signature, &err));
    buf_add(&plain, signature, sizeof(signature));
    buf_add(&plain, part.data, part.size);
    buf_clear(&console->sent);
    sealed_head_write(&head, &console->sent);
    assert_true(console->port->seal(console->port->self, console->pair.seal, plain.data, plain.size,
                                    &console->sent, &err));
}

static int command(struct key_console *console, const char *method, const char *path, const char *body)
{
    console->counter++;
    seal(console, "h1", method, path, body);
    carry(console, console->sent.data, console->sent.size);
    open_answer(console);
    return console->status;
}

static bool body_has(const struct key_console *console, const char *text)
{
    return memmem(console->body.data, console->body.size, text, strlen(text)) != NULL;
}

/* The last bytes again, as they were. */
static int replay(struct key_console *console)
{
    carry(console, console->sent.data, console->sent.size);
    open_answer(console);
    return console->status;
}

static void take(struct key_console *console)
{
    world_run_ms(console->desk->world, 1000);
    read_pair(told(console->desk, console->party), &console->pair);
    assert_int_equal(command(console, "POST", "/agent/keys/take", NULL), 200);
    read_pair(buf_text(&console->body), &console->pair);
    assert_int_equal(command(console, "GET", "/agent/keys", NULL), 200);
    assert_true(body_has(console, "\"generation\":2"));
}

static int plain(struct key_console *console, const char *method, const char *path, const char *body)
{
    const struct net_port *net = sim_machine_port(console->desk->world->controller_machine);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = "h1",
                              .addresses = {console->desk->box->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {
        .method = method, .path = path, .body = body, .body_size = body ? strlen(body) : 0};

    console->status = 0;
    net->call(net->self, &peer, &request, 25000, NULL, answered, console);
    for (int i = 0; i < 26000 && !console->status; i++)
        world_run_ms(console->desk->world, 1);
    return console->status;
}

/* A command of a console that does not know how far the host thinks it has counted. */
static int again(struct key_console *console, const char *method, const char *path, const char *body)
{
    if (command(console, method, path, body) != SEALED_AGAIN) return console->status;
    console->counter = console->told_counter;
    return command(console, method, path, body);
}

static char *admission(const char *what, const struct key_console *console)
{
    char text[65];

    for (size_t i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", console->own.sign[i]);
    return mem_printf("/agent/keys/%s?console=%s", what, text);
}

static const char exec_path[] = "/agent/exec?instance=acme/shop/web-1";
static const char log_path[] = "/agent/log?instance=acme/shop/web-1&after=0";
static const char echo[] = "{\"command\":[\"true\"]}";

/* A pair for the landlord from the start, for a party with its first instance; taken, only sealed words
 * count. */
static void test_take(void **state)
{
    struct desk *desk = desk_new();
    struct key_console console;

    boot(desk->box);
    world_run_ms(desk->world, 2000);
    assert_true(
        text_starts(told(desk, "landlord"), "{\"party\":\"landlord\",\"generation\":1,\"taken_ms\":0"));
    assert_string_equal(told(desk, "acme"), "");
    tell(desk, 1, 1, one);
    world_run_ms(desk->world, 2000);
    assert_true(text_starts(told(desk, "acme"), "{\"party\":\"acme\",\"generation\":1,\"taken_ms\":0"));
    open_console(&console, desk, "acme", 1);
    assert_int_equal(plain(&console, "POST", exec_path, "{\"command\":[\"sleep\",\"600000\"]}"), 200);
    CLEANUP_MEM char *others = mem_printf("/agent/exec/%.32s?instance=acme/shop/web-1&after=0",
                                          strstr(buf_text(&console.body), ":\"") + 2);
    read_pair(told(desk, "acme"), &console.pair);
    const struct vault_pair first = console.pair;
    assert_int_equal(command(&console, "POST", exec_path, echo), 409); /* before it has taken them */
    assert_true(body_has(&console, "croft key take does it"));
    take(&console);
    assert_memory_not_equal(&first, &console.pair, sizeof(first));
    world_run_ms(desk->world, 1000);
    assert_true(text_starts(told(desk, "acme"), "{\"party\":\"acme\",\"generation\":2,\"taken_ms\":"));
    assert_null(strstr(told(desk, "acme"), "\"taken_ms\":0"));
    assert_null(strstr(told(desk, "acme"), "seal")); /* nobody else is told */
    assert_null(strstr(told(desk, "acme"), "fingerprint"));

    assert_int_equal(plain(&console, "POST", exec_path, echo), 409);
    assert_true(body_has(&console, "acme has taken its keys on h1, which obeys its sealed commands only"));
    assert_int_equal(plain(&console, "GET", log_path, NULL), 409);
    assert_int_equal(command(&console, "POST", exec_path, echo), 200);
    assert_true(body_has(&console, "{\"session\":\""));
    CLEANUP_MEM char *poll = mem_printf("/agent/exec/%.32s?instance=acme/shop/web-1&after=0",
                                        strstr(buf_text(&console.body), ":\"") + 2);
    assert_int_equal(command(&console, "GET", poll, NULL), 200);
    assert_true(body_has(&console, "\"exit\":0"));
    assert_int_equal(plain(&console, "GET", poll, NULL), 409);
    assert_int_equal(command(&console, "GET", others, NULL), 404); /* what was begun before has ended */
    assert_int_equal(command(&console, "GET", log_path, NULL), 200);

    /* The pair that the landlord knew is gone. */
    const struct vault_pair own = console.pair;
    console.pair = first;
    assert_int_equal(command(&console, "POST", exec_path, echo), 409);
    assert_true(body_has(&console, "sealed to a pair that acme does not have on h1"));
    console.pair = own;
    close_console(&console);
    desk_free(desk);
}

static void refused(struct key_console *console, int status, const char *why)
{
    carry(console, console->sent.data, console->sent.size);
    if (console->status != status || !body_has(console, why))
        fail_msg("%d %s, not %d \"%s\"", console->status, buf_text(&console->body), status, why);
}

/* Each with its own words. */
static void test_refusals(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme, thief;

    open_console(&acme, desk, "acme", 1);
    open_console(&thief, desk, "acme", 2);
    take(&acme);

    acme.counter++;
    seal(&acme, "h2", "POST", exec_path, echo);
    refused(&acme, 409, "a sealed command for h2, not for h1");
    strcpy(acme.party, "beta");
    seal(&acme, "h1", "POST", exec_path, echo);
    refused(&acme, 409, "beta has nothing on h1");
    strcpy(acme.party, "landlord");
    seal(&acme, "h1", "POST", exec_path, echo);
    refused(&acme, 409, "sealed to a pair that landlord does not have on h1");
    strcpy(acme.party, "acme");
    acme.ahead_ms = -1;
    seal(&acme, "h1", "POST", exec_path, echo);
    refused(&acme, 409, "a command that has expired: on h1 it is 20");
    acme.ahead_ms = 6 * 60 * 1000; /* or the clock of one of both is off by hours */
    seal(&acme, "h1", "POST", exec_path, echo);
    refused(&acme, 409, "good for more than 5 minutes");
    acme.ahead_ms = AHEAD_MS;

    thief.pair = acme.pair; /* whoever gets to know it */
    seal(&thief, "h1", "POST", exec_path, echo);
    refused(&thief, 403, "that console is none of acme's on h1");
    memcpy(thief.own.sign, acme.own.sign, sizeof(thief.own.sign)); /* says it is acme's, and cannot sign so */
    seal(&thief, "h1", "POST", exec_path, echo);
    refused(&thief, 403, "a forged command");

    seal(&acme, "h1", "POST", exec_path, echo);
    for (size_t size = 0; size < acme.sent.size; size += 5) {
        carry(&acme, acme.sent.data, size);
        assert_true(acme.status >= 400 && acme.status < 500);
    }
    for (size_t i = 0; i < acme.sent.size; i += 3) {
        acme.sent.data[i] ^= 1;
        carry(&acme, acme.sent.data, acme.sent.size);
        assert_true(acme.status >= 400 && acme.status < 500);
        acme.sent.data[i] ^= 1;
    }
    refused(&acme, 200, ""); /* none of these was taken for it */

    /* Not of the party; not a message that is for consoles. These are sealed answers. */
    assert_int_equal(command(&acme, "GET", "/agent/log?instance=beta/shop/web-1", NULL), 403);
    assert_int_equal(command(&acme, "GET", "/agent/log?instance=acmes/shop/web-1", NULL), 403);
    assert_int_equal(command(&acme, "GET", "/agent/usage", NULL), 404);
    assert_int_equal(command(&acme, "POST", "/agent/keys/rotate?party=landlord", NULL), 403);
    assert_true(body_has(&acme, "only the landlord"));
    close_console(&thief);
    close_console(&acme);
    desk_free(desk);
}

/* No command is obeyed twice, whoever repeats it, and however often the agent is started again. */
static void test_replay(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme;

    open_console(&acme, desk, "acme", 1);
    take(&acme);
    assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    const struct key_console kept = acme;
    CLEANUP_BUF struct buf bytes = {0};
    buf_add(&bytes, kept.sent.data, kept.sent.size);
    assert_int_equal(replay(&acme), SEALED_AGAIN);
    assert_int_equal(acme.told_counter, acme.counter);
    assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    buf_clear(&acme.sent);
    buf_add(&acme.sent, bytes.data, bytes.size);
    assert_int_equal(replay(&acme), SEALED_AGAIN);

    for (int i = 0; i < 2; i++) {
        box_stop_agent(desk->box);
        world_run_ms(desk->world, 100);
        start_agent(desk->box);
        world_run_ms(desk->world, 2000);
        assert_int_equal(replay(&acme), SEALED_AGAIN);
        assert_true(acme.told_counter >= acme.counter); /* what is on disk is ahead of it */
        acme.counter = acme.told_counter;
        assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    }
    /* The host, too. */
    box_die(desk->box);
    boot(desk->box);
    world_run_ms(desk->world, 2000);
    assert_int_equal(replay(&acme), SEALED_AGAIN);
    close_console(&acme);
    desk_free(desk);
}

/* A lost answer locks nobody out: the pair before is obeyed until the next one has been used. */
static void test_rotate(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme;

    open_console(&acme, desk, "acme", 1);
    take(&acme);
    const struct vault_pair old = acme.pair;
    assert_int_equal(command(&acme, "POST", "/agent/keys/rotate", NULL), 200); /* its answer is lost */
    assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    box_stop_agent(desk->box);
    start_agent(desk->box);
    world_run_ms(desk->world, 2000);
    acme.counter += 10 * 1000 * 1000;
    assert_int_equal(command(&acme, "POST", "/agent/keys/rotate", NULL), 200); /* asked again: the same one */
    struct vault_pair next;
    read_pair(buf_text(&acme.body), &next);
    assert_int_equal(command(&acme, "POST", "/agent/keys/rotate", NULL), 200);
    acme.pair = old;
    read_pair(buf_text(&acme.body), &acme.pair);
    assert_memory_equal(&acme.pair, &next, sizeof(next));
    assert_int_equal(command(&acme, "GET", "/agent/keys", NULL), 200);
    assert_true(body_has(&acme, "\"generation\":3"));
    acme.pair = old;
    assert_int_equal(command(&acme, "POST", exec_path, echo), 409);
    acme.pair = next;
    assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    close_console(&acme);
    desk_free(desk);
}

/* The landlord shuts a tenant out, and takes part in nothing else of it. */
static void test_shut_out(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme, owner, thief;

    open_console(&acme, desk, "acme", 1);
    open_console(&owner, desk, "landlord", 2);
    take(&acme);
    take(&owner);
    assert_int_equal(command(&owner, "POST", exec_path, echo), 403);
    assert_int_equal(command(&owner, "GET", log_path, NULL), 403);
    assert_int_equal(command(&owner, "POST", "/agent/keys/rotate?party=none", NULL), 404);
    assert_int_equal(command(&acme, "POST", exec_path, "{\"command\":[\"sleep\",\"600000\"]}"), 200);
    CLEANUP_MEM char *poll = mem_printf("/agent/exec/%.32s?instance=acme/shop/web-1&after=0",
                                        strstr(buf_text(&acme.body), ":\"") + 2);
    assert_int_equal(command(&owner, "POST", "/agent/keys/rotate?party=acme", NULL), 200);
    world_run_ms(desk->world, 1000);
    assert_true(text_starts(told(desk, "acme"), "{\"party\":\"acme\",\"generation\":3,\"taken_ms\":0"));
    assert_int_equal(command(&acme, "POST", exec_path, echo), 409);
    read_pair(told(desk, "acme"), &acme.pair); /* by the new pair it is nobody either */
    assert_int_equal(command(&acme, "POST", exec_path, echo), 409);
    assert_true(body_has(&acme, "has not taken its keys"));
    /* What ran then stays closed to all but acme's old console, also where somebody else takes the keys. */
    open_console(&thief, desk, "acme", 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(plain(&acme, "POST", exec_path, echo), 409);
        assert_true(body_has(&acme, "acme/shop/web-1 ran on h1 before acme was shut out there"));
        assert_int_equal(plain(&acme, "GET", log_path, NULL), 409);
        assert_int_equal(plain(&acme, "GET", poll, NULL), 409);
        box_stop_agent(desk->box);
        start_agent(desk->box);
        world_run_ms(desk->world, 2000);
    }
    thief.pair = acme.pair;
    assert_int_equal(command(&thief, "POST", "/agent/keys/take", NULL), 200);
    assert_int_equal(command(&thief, "POST", exec_path, echo), 409);
    assert_true(body_has(&thief, "obeys only consoles that acme had then"));
    assert_int_equal(command(&thief, "GET", log_path, NULL), 409);
    CLEANUP_MEM char *admit = admission("admit", &acme);
    assert_int_equal(command(&thief, "POST", admit, NULL), 200);
    assert_int_equal(again(&acme, "POST", exec_path, echo), 200);
    assert_int_equal(command(&acme, "GET", poll, NULL), 404); /* what it had begun has ended */
    /* Nor is the thief one of before when it happens again; acme still is. */
    owner.counter += 10 * 1000 * 1000;
    assert_int_equal(command(&owner, "POST", "/agent/keys/rotate?party=acme", NULL), 200);
    world_run_ms(desk->world, 1000);
    read_pair(told(desk, "acme"), &thief.pair);
    assert_int_equal(command(&thief, "POST", "/agent/keys/take", NULL), 200);
    assert_int_equal(command(&thief, "POST", exec_path, echo), 409);
    assert_int_equal(command(&thief, "POST", admit, NULL), 200);
    acme.pair = thief.pair;
    assert_int_equal(again(&acme, "POST", exec_path, echo), 200);
    /* A new one is as any other. */
    tell(desk, 2, 2, one);
    world_run_ms(desk->world, 3000);
    assert_int_equal(command(&thief, "POST", exec_path, echo), 200);
    assert_int_equal(command(&owner, "POST", "/agent/keys/rotate?party=acme", NULL), 200);
    tell(desk, 3, 3, one);
    world_run_ms(desk->world, 3000);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 200);
    close_console(&thief);
    close_console(&owner);
    close_console(&acme);
    desk_free(desk);
}

/* The party's own secret, from its console only; with a new pair it is gone. */
static void test_release(void **state)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    struct desk *desk = running(one);
    struct key_console acme, owner;

    open_console(&acme, desk, "acme", 1);
    open_console(&owner, desk, "landlord", 2);
    take(&owner);
    assert_int_equal(command(&owner, "POST", "/agent/keys/release", secret), 409); /* it has hosts, no desk */
    world_run_ms(desk->world, 1000);
    read_pair(told(desk, "acme"), &acme.pair);
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", secret), 409); /* before it is taken */
    take(&acme);
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", "short"), 422);
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", NULL), 422);
    assert_int_equal(plain(&acme, "POST", "/agent/keys/release", secret), 404);
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", secret), 200);
    assert_true(body_has(&acme, "{\"released\":true}"));
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", secret), 200); /* again is no harm */
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", "another one that has 32 bytes..."), 409);
    assert_true(body_has(&acme, "another secret of acme"));
    assert_int_equal(command(&acme, "POST", "/agent/keys/rotate", NULL), 200);
    read_pair(buf_text(&acme.body), &acme.pair);
    assert_int_equal(command(&acme, "GET", "/agent/keys", NULL), 200);
    assert_int_equal(command(&acme, "POST", "/agent/keys/release", "another one that has 32 bytes..."), 200);
    close_console(&owner);
    close_console(&acme);
    desk_free(desk);
}

/* Several consoles of one party: each lets others in, sends them away, and counts for itself. */
static void test_consoles(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme, second, many;

    open_console(&acme, desk, "acme", 1);
    open_console(&second, desk, "acme", 2);
    take(&acme);
    CLEANUP_MEM char *admit = admission("admit", &second), *dismiss = admission("dismiss", &second);
    CLEANUP_MEM char *oneself = admission("dismiss", &acme);
    second.pair = acme.pair;
    assert_int_equal(command(&second, "POST", exec_path, echo), 403);
    assert_int_equal(command(&second, "POST", admit, NULL), 403); /* nobody lets itself in */
    assert_int_equal(command(&acme, "POST", admit, NULL), 200);
    assert_int_equal(command(&acme, "POST", admit, NULL), 200); /* again is no harm */
    assert_true(body_has(&acme, strstr(admit, "=") + 1));
    assert_int_equal(again(&second, "POST", exec_path, echo), 200);
    assert_int_equal(replay(&second), SEALED_AGAIN);
    CLEANUP_BUF struct buf bytes = {0};
    buf_add(&bytes, second.sent.data, second.sent.size);
    assert_int_equal(command(&acme, "POST", "/agent/keys/admit?console=abc", NULL), 422);
    assert_int_equal(command(&acme, "POST", "/agent/keys/admit?", NULL), 422);
    box_stop_agent(desk->box);
    start_agent(desk->box);
    world_run_ms(desk->world, 2000);
    assert_int_equal(again(&second, "POST", exec_path, echo), 200);
    assert_int_equal(again(&acme, "POST", exec_path, echo), 200);

    assert_int_equal(command(&acme, "POST", oneself, NULL), 409);
    assert_int_equal(command(&acme, "POST", dismiss, NULL), 200);
    assert_int_equal(command(&acme, "POST", dismiss, NULL), 200);
    assert_false(body_has(&acme, strstr(admit, "=") + 1));
    assert_int_equal(command(&second, "POST", exec_path, echo), 403);
    assert_true(body_has(&second, "or dismissed it"));
    /* Back again, what it said before is still not repeated: neither what was obeyed nor what was not. */
    assert_int_equal(command(&acme, "POST", admit, NULL), 200);
    assert_int_equal(replay(&second), SEALED_AGAIN);
    buf_clear(&second.sent);
    buf_add(&second.sent, bytes.data, bytes.size);
    assert_int_equal(replay(&second), SEALED_AGAIN);
    assert_int_equal(again(&second, "POST", exec_path, echo), 200);
    assert_int_equal(command(&second, "POST", oneself, NULL), 200); /* all are equal */
    assert_int_equal(command(&acme, "POST", exec_path, echo), 403);

    for (uint64_t i = 0; i < 16; i++) {
        open_console(&many, desk, "acme", 100 + i);
        CLEANUP_MEM char *next = admission("admit", &many);
        assert_int_equal(command(&second, "POST", next, NULL), i < 15 ? 200 : 409);
        close_console(&many);
    }
    assert_true(body_has(&second, "acme has 16 consoles on h1, the most"));
    close_console(&second);
    close_console(&acme);
    desk_free(desk);
}

/* When nothing of a party has been wanted here for ten minutes its keys go; those of a new life are others.
 */
static void test_end(void **state)
{
    static const char *const none[] = {NULL};
    struct desk *desk = running(one);
    struct key_console acme;

    open_console(&acme, desk, "acme", 1);
    take(&acme);
    tell(desk, 2, 1, none);
    world_run_ms(desk->world, 9 * 60 * 1000);
    assert_string_not_equal(told(desk, "acme"), "");
    assert_int_equal(command(&acme, "GET", "/agent/keys", NULL), 200);
    world_run_ms(desk->world, 3 * 60 * 1000);
    assert_string_equal(told(desk, "acme"), "");
    assert_string_not_equal(told(desk, "landlord"), "");
    assert_int_equal(command(&acme, "GET", "/agent/keys", NULL), 409);
    assert_true(body_has(&acme, "acme has nothing on h1"));
    tell(desk, 3, 2, one);
    world_run_ms(desk->world, 2000);
    assert_true(text_starts(told(desk, "acme"), "{\"party\":\"acme\",\"generation\":1,\"taken_ms\":0"));
    assert_int_equal(command(&acme, "GET", "/agent/keys", NULL), 409);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 200);
    close_console(&acme);
    desk_free(desk);
}

/* Damage never opens what was closed. */
static void test_damage(void **state)
{
    struct desk *desk = running(one);
    struct key_console acme, owner;
    const struct disk_port *disk = sim_disk_port(desk->box->disk);
    struct error err;

    open_console(&acme, desk, "acme", 1);
    open_console(&owner, desk, "landlord", 2);
    take(&acme);
    take(&owner);
    box_stop_agent(desk->box);
    assert_true(disk->write(disk->self, "vault", "torn", 4, 0600, &err));
    start_agent(desk->box);
    world_run_ms(desk->world, 2000);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 409); /* still its console's only */
    assert_non_null(strstr(told(desk, "acme"), "fingerprint"));   /* of a new pair, which is told */
    read_pair(told(desk, "acme"), &acme.pair);
    acme.counter += 10 * 1000 * 1000;
    assert_int_equal(command(&acme, "POST", "/agent/keys/take", NULL), 200);
    read_pair(buf_text(&acme.body), &acme.pair);
    assert_int_equal(command(&acme, "POST", exec_path, echo), 200);
    read_pair(told(desk, "landlord"), &owner.pair);
    owner.counter += 10 * 1000 * 1000;

    box_stop_agent(desk->box);
    assert_true(disk->write(disk->self, "keys/acme", "{\"party\":\"ac", 12, 0600, &err));
    start_agent(desk->box);
    world_run_ms(desk->world, 2000);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 409);
    acme.counter += 10 * 1000 * 1000;
    assert_int_equal(command(&acme, "POST", exec_path, echo), 403); /* nobody knows any more whose it is */
    owner.counter += 10 * 1000 * 1000;
    assert_int_equal(command(&owner, "POST", "/agent/keys/rotate?party=acme", NULL), 200);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 409); /* whom it obeyed then nobody knows */
    tell(desk, 2, 2, one);
    world_run_ms(desk->world, 3000);
    assert_int_equal(plain(&acme, "POST", exec_path, echo), 200);
    close_console(&owner);
    close_console(&acme);
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),   cmocka_unit_test(test_refusals), cmocka_unit_test(test_replay),
        cmocka_unit_test(test_rotate), cmocka_unit_test(test_shut_out), cmocka_unit_test(test_end),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_release),  cmocka_unit_test(test_consoles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
