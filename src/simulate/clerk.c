/* The simulated operator: asks the API for things, in the name of tenants and of the landlord, and keeps what
 * he was promised. What was acknowledged stays in the store until he changes it himself; what he does not
 * know the end of (no answer came) may have happened, or happen late. */
#include "base/text.h"
#include "model/quotas.h"
#include "simulate/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MS = 10 * 1000,
    DOUBT_MS = 60 * 1000, /* longer than any message is late: after this what is not there will not come */
    CHECK_STEPS = 64,     /* a promise is looked up in the store every so many steps, one after the other */
};

/* One document, and what was promised of it. */
struct promise {
    struct clerk *clerk;
    char *key;           /* of the store */
    char *value;         /* acknowledged; NULL: that there is none */
    char *maybe;         /* asked for, and the end is not known */
    bool asked, doubted; /* a request is under way; it had no answer */
    int64_t doubt_until_us;
    struct call *call;
    char what[96];
};

/* A farm as the operator wants it. */
struct wish {
    struct promise *promise;
    struct swarm_farm now, before, asked; /* before: what `revert` goes back to */
};

struct clerk {
    struct run *run;
    struct map *promises; /* key -> struct promise */
    struct wish *wishes;
    struct promise *levels[SWARM_LEVELS];
    struct promise **hosts; /* in the order of boxes */
    bool *draining;
    char **tokens; /* of parties */
    size_t looked; /* steps */
    size_t cursor; /* of promises */
    uint64_t requests;
    bool found, refused;
    int waits;
};

static struct promise *promise_get(struct clerk *clerk, const char *key);
static void request(struct clerk *clerk, struct promise *promise, const char *token, const char *method,
                    const char *path, const char *body);
static void answered(void *ctx, const struct answer *answer);
static void look(struct promise *promise, const char *value);
static void settle(struct promise *promise, bool happened);
static void ask_farm(struct clerk *clerk, struct wish *wish, const struct swarm_farm *farm, const char *what);
static void ask_host(struct clerk *clerk, size_t n, bool drain);
static void scale(struct clerk *clerk, struct wish *wish);
static bool move(struct clerk *clerk);
static void delete_farm(struct clerk *clerk, struct wish *wish);
static bool power_on(struct clerk *clerk);
static struct promise *promise_stored(struct clerk *clerk, const char *key);
static char *farm_json(const struct swarm_farm *farm);
static char *level_json(const char *yaml);
static const char *token_of(struct clerk *clerk, const struct swarm_farm *farm);
static bool open_ended(const struct promise *promise);
static bool wait_answers(struct clerk *clerk);
static bool without_levels(struct clerk *clerk);

struct clerk *clerk_new(struct run *run)
{
    struct clerk *clerk = mem_alloc(sizeof(*clerk));
    struct arena *arena = run->swarm->arena;

    clerk->run = run;
    clerk->promises = map_new();
    clerk->wishes = arena_alloc_array(arena, run->swarm->farms_length, sizeof(*clerk->wishes));
    clerk->hosts = arena_alloc_array(arena, run->swarm->hosts_length, sizeof(struct promise *));
    clerk->draining = arena_alloc_array(arena, run->swarm->hosts_length, sizeof(bool));
    clerk->tokens = arena_alloc_array(arena, run->swarm->parties_length, sizeof(char *));
    return clerk;
}

void clerk_free(struct clerk *clerk)
{
    size_t cursor = 0;
    void *value = NULL;

    if (!clerk) return;
    const struct net_port *net = sim_machine_port(clerk->run->world->person);
    while (map_next(clerk->promises, &cursor, NULL, &value)) {
        struct promise *promise = value;
        net->cancel(net->self, promise->call);
        mem_free(promise->key);
        mem_free(promise->value);
        mem_free(promise->maybe);
        mem_free(promise);
    }
    map_free(clerk->promises);
    mem_free(clerk);
}

/* Parties, images and farms in one text, and what hosts say of themselves. */
bool clerk_found(struct run *run)
{
    struct clerk *clerk = run->clerk;
    CLEANUP_BUF struct buf yaml = {0};
    struct promise *first = promise_get(clerk, "");

    for (size_t i = 0; i < run->swarm->parties_length; i++)
        swarm_write_party(run->swarm, i, &yaml);
    buf_printf(
        &yaml,
        "---\nkind: Pool\nname: general\non_hardware: [{do: drain, after: 5s, back: 60s, most: %d.%03d}]\n",
        JUDGES_MOST_MILLIS / 1000, JUDGES_MOST_MILLIS % 1000);
    if (run->swarm->contacts) buf_add_text(&yaml, "on_failure: [{do: notify, to: ops}]\n");
    for (size_t i = 0; i < SWARM_LEVELS; i++)
        swarm_write_level(&run->swarm->levels[i], i, &yaml);
    swarm_write_contacts(run->swarm, &yaml);
    world_images(run->world, &yaml);
    for (size_t i = 0; i < run->swarm->parties_length; i++) {
        CLEANUP_MEM char *party = mem_printf("p%zu", i + 1);
        world_party_image(run->world, party, i, &yaml);
    }
    request(clerk, first, landlord, "POST", "/v1/apply", buf_text(&yaml));
    if (!wait_answers(clerk)) return false;
    for (size_t i = 0; i < run->swarm->hosts_length; i++) {
        CLEANUP_MEM char *key = mem_printf("host/%s", run->world->boxes[i].name);
        clerk->hosts[i] = promise_stored(clerk, key);
        if (!clerk->hosts[i]) return false;
    }
    for (size_t i = 0; i < SWARM_LEVELS; i++) {
        CLEANUP_MEM char *key = mem_printf("sla/%s", swarm_level_name(i));
        clerk->levels[i] = promise_stored(clerk, key);
        if (!clerk->levels[i]) return false;
    }
    for (size_t i = 0; run->swarm->contacts && i <= run->swarm->parties_length; i++) {
        CLEANUP_MEM char *key = i < run->swarm->parties_length ? mem_printf("contact/p%zu/ops", i + 1)
                                                               : mem_strdup("contact/landlord/ops");
        if (run->swarm->contacts[i].there && !promise_stored(clerk, key)) return false;
    }
    for (size_t i = 0; i < run->swarm->parties_length; i++) {
        clerk->tokens[i] = arena_alloc(run->swarm->arena, 128);
        CLEANUP_MEM char *body = mem_printf("{\"name\": \"t%zu\", \"party\": \"p%zu\"}", i, i + 1);
        CLEANUP_MEM char *key = mem_printf("token %zu", i);
        request(clerk, promise_get(clerk, key), landlord, "POST", "/v1/tokens", body);
    }
    if (!wait_answers(clerk)) return false;
    for (size_t i = 0; i < run->swarm->farms_length; i++) {
        const struct swarm_farm *farm = &run->swarm->farms[i];
        CLEANUP_MEM char *key = mem_printf("farm/%s/%s", farm->party, farm->name);
        clerk->wishes[i] = (struct wish){.promise = promise_get(clerk, key), .now = *farm, .before = *farm};
        ask_farm(clerk, &clerk->wishes[i], farm, "applies");
    }
    clerk->found = wait_answers(clerk) || without_levels(clerk);
    return clerk->found;
}

/* A grid that was drawn too small for what its farms are promised refuses some; they come without a promise.
 */
static bool without_levels(struct clerk *clerk)
{
    clerk->refused = false;
    for (size_t i = 0; i < clerk->run->swarm->farms_length; i++) {
        struct wish *wish = &clerk->wishes[i];
        if (wish->promise->value || !wish->now.sla) continue;
        wish->now.sla = wish->before.sla = 0;
        ask_farm(clerk, wish, &wish->now, "applies without a level");
    }
    return wait_answers(clerk);
}

bool clerk_act(struct run *run, struct trouble *trouble)
{
    struct clerk *clerk = run->clerk;
    struct wish *wish = &clerk->wishes[run_draw(run, 0, (int64_t)run->swarm->farms_length - 1)];
    size_t host = (size_t)run_draw(run, 0, (int64_t)run->swarm->hosts_length - 1);
    bool there = wish->promise->value != NULL, busy = open_ended(wish->promise);
    int64_t dice = run_draw(run, 1, 100);

    if (dice <= 15) {
        if (open_ended(clerk->hosts[host])) return false;
        ask_host(clerk, host, !clerk->draining[host]);
    } else if (dice <= 25) {
        return power_on(clerk);
    } else if (dice <= 40) {
        return move(clerk);
    } else if (busy) {
        return false;
    } else if (!there) {
        ask_farm(clerk, wish, &wish->now, "applies again");
    } else if (dice <= 60) {
        scale(clerk, wish);
    } else if (dice <= 68) {
        delete_farm(clerk, wish);
    } else if (dice <= 78) {
        ask_farm(clerk, wish, &wish->before, "reverts");
    } else {
        struct swarm_farm changed = wish->now;
        swarm_change_farm(run->chance, &changed);
        ask_farm(clerk, wish, &changed, "changes");
    }
    return true;
}

/* The landlord writes a service level anew, or a tenant takes another one, or other counts. */
bool clerk_levels(struct run *run, struct trouble *trouble)
{
    struct clerk *clerk = run->clerk;
    struct wish *wish = &clerk->wishes[run_draw(run, 0, (int64_t)run->swarm->farms_length - 1)];
    size_t n = (size_t)run_draw(run, 0, SWARM_LEVELS - 1);
    CLEANUP_BUF struct buf yaml = {0};

    if (wish->now.capacity && run_draw(run, 1, 3) > 1) {
        struct swarm_farm changed = wish->now;
        if (open_ended(wish->promise)) return false;
        swarm_change_level(run->chance, &changed);
        ask_farm(clerk, wish, &changed, "changes the service of");
        return true;
    }
    if (open_ended(clerk->levels[n])) return false;
    struct swarm_level level = swarm_draw_level(run->chance);
    swarm_write_level(&level, n, &yaml);
    clerk->levels[n]->maybe = level_json(buf_text(&yaml));
    run_tell(run, "the landlord makes %s %s, of %" PRId64 " ms", swarm_level_name(n),
             sla_priority_names[level.priority], level.response_ms);
    request(clerk, clerk->levels[n], landlord, "POST", "/v1/apply", buf_text(&yaml));
    return true;
}

/* A party that has none gets a lease, of as much as it has without; one that has loses it, or gets it back.
 */
bool clerk_leases(struct run *run, struct trouble *trouble)
{
    static const char *const rights[] = {"software", "develop", "lease", "read"};
    struct clerk *clerk = run->clerk;
    size_t n = (size_t)run_draw(run, 1, (int64_t)run->swarm->parties_length);
    CLEANUP_MEM char *name = mem_printf("p%zu", n), *key = mem_printf("lease/%s", name),
                     *path = mem_printf("/v1/leases/%s", name), *end = mem_printf("%s/end", path);
    struct promise *promise = promise_get(clerk, key);
    struct lease lease = {.name = name,
                          .from = PARTY_LANDLORD,
                          .to = name,
                          .capacity = limits_none,
                          .right_names = rights,
                          .right_names_length = LENGTH(rights),
                          .reason = "",
                          .severed_by = ""};
    CLEANUP_BUF struct buf granted = {0};
    struct buf maybe = {0};

    if (open_ended(promise)) return false;
    schema_write(&schema_lease, "Lease", &lease, &granted);
    bool ends = text_equal(promise->value, buf_text(&granted));
    lease.state = ends ? LEASE_ENDED : LEASE_ACTIVE;
    lease.reason = ends ? "by landlord" : "";
    schema_write(&schema_lease, "Lease", &lease, &maybe);
    promise->maybe = buf_take(&maybe);
    run_tell(run, "the landlord %s the lease of %s", ends ? "ends" : "grants", name);
    if (ends)
        request(clerk, promise, landlord, "POST", end, "{\"reason\":\"\"}");
    else
        request(clerk, promise, landlord, "PUT", path, buf_text(&granted));
    return true;
}

bool clerk_waits(const struct run *run)
{
    return run->clerk->waits > 0;
}

void clerk_calm(struct run *run)
{
    for (size_t i = 0; i < run->swarm->hosts_length; i++)
        if (run->clerk->draining[i] && !open_ended(run->clerk->hosts[i])) ask_host(run->clerk, i, false);
}

/* A document changes only as he asked. */
void clerk_stored(struct run *run, const struct store_item *item)
{
    struct promise *promise = map_get(run->clerk->promises, item->key);
    if (promise && run->clerk->found) look(promise, item->value);
}

/* A lost write has no change that tells of it: so promises are looked up, one after the other. */
void clerk_judge(struct run *run)
{
    struct clerk *clerk = run->clerk;
    void *value = NULL;
    struct store_item item = {0};
    struct error err;

    if (!clerk->found || clerk->looked++ % CHECK_STEPS != 0) return;
    if (!map_next(clerk->promises, &clerk->cursor, NULL, &value)) {
        clerk->cursor = 0;
        return;
    }
    struct promise *promise = value;
    bool over = promise->doubted && run_now(run) > promise->doubt_until_us;
    if (!strchr(promise->key, '/')) { /* no document */
        if (over) settle(promise, false);
        return;
    }
    bool there = store_get(run->world->store, promise->key, &item, &err);
    look(promise, there ? item.value : NULL);
    if (over) settle(promise, !text_equal(promise->value, there ? item.value : NULL));
    store_item_free(&item);
}

static struct promise *promise_get(struct clerk *clerk, const char *key)
{
    struct promise *promise = map_get(clerk->promises, key);
    if (promise) return promise;
    promise = mem_alloc(sizeof(*promise));
    promise->clerk = clerk;
    promise->key = mem_strdup(key);
    map_put(clerk->promises, key, promise);
    return promise;
}

/* Of a document that is in the store, as it is there; NULL: it is not. */
static struct promise *promise_stored(struct clerk *clerk, const char *key)
{
    struct store_item item;
    struct error err;

    if (!store_get(clerk->run->world->store, key, &item, &err)) return NULL;
    struct promise *promise = promise_get(clerk, key);
    promise->value = mem_strdup(item.value);
    store_item_free(&item);
    return promise;
}

static void request(struct clerk *clerk, struct promise *promise, const char *token, const char *method,
                    const char *path, const char *body)
{
    const struct net_port *net = sim_machine_port(clerk->run->world->person);
    const struct peer peer = {.addresses = {api_address}, .addresses_length = 1, .only_address = -1};
    CLEANUP_MEM char *bearer = mem_printf("Bearer %s", token);
    CLEANUP_MEM char *number = mem_printf("request-%" PRIu64, ++clerk->requests);
    const struct header headers[] = {{"Authorization", bearer}, {"Idempotency-Key", number}};
    const struct request asked = {.method = method,
                                  .path = path,
                                  .headers = headers,
                                  .headers_length = LENGTH(headers),
                                  .body = body,
                                  .body_size = body ? strlen(body) : 0};

    snprintf(promise->what, sizeof(promise->what), "%s %s", method, path);
    promise->asked = true;
    clerk->waits++;
    promise->call = net->call(net->self, &peer, &asked, ANSWER_MS, NULL, answered, promise);
}

static void answered(void *ctx, const struct answer *answer)
{
    struct promise *promise = ctx;
    struct clerk *clerk = promise->clerk;
    struct run *run = clerk->run;
    struct store_item item = {0};
    struct error err;

    promise->call = NULL;
    promise->asked = false;
    run_tell(run, "%s: %d", promise->what, answer->status);
    if (text_starts(promise->key, "token ")) {
        char *token = clerk->tokens[strtoul(promise->key + strlen("token "), NULL, 10)];
        const char *at = strstr(answer->body, "\"token\":\"");
        if (at) snprintf(token, 128, "%.*s", (int)strcspn(at + 9, "\""), at + 9);
    }
    if (answer->status == 0 || answer->status >= 500) {
        promise->doubted = true;
        promise->doubt_until_us = run_now(run) + DOUBT_MS * 1000;
        return; /* it waits on */
    }
    bool good = answer->status < 300;
    clerk->refused |= !good;
    if (!clerk->found && !good) run_tell(run, "%s", answer->body);
    if (good && strchr(promise->key, '/')) {
        bool there = store_get(run->world->store, promise->key, &item, &err);
        if (!text_equal(there ? item.value : NULL, promise->maybe))
            run_violated(run, "acknowledged", "%s was answered with %d, but %s in the store is %s",
                         promise->what, answer->status, promise->key, there ? item.value : "not there");
        store_item_free(&item);
    }
    settle(promise, good);
}

/* What is in the store (NULL: nothing) is what was promised, or what may be. */
static void look(struct promise *promise, const char *value)
{
    bool may = (promise->asked || promise->doubted) && text_equal(value, promise->maybe);

    if (may || text_equal(value, promise->value)) return;
    run_violated(promise->clerk->run, "acknowledged", "%s is %s, but it was acknowledged as %s", promise->key,
                 value ? value : "not there", promise->value ? promise->value : "not there");
}

static void settle(struct promise *promise, bool happened)
{
    struct clerk *clerk = promise->clerk;

    promise->doubted = false;
    clerk->waits--;
    if (happened) {
        mem_free(promise->value);
        promise->value = promise->maybe;
        promise->maybe = NULL;
        for (size_t i = 0; i < clerk->run->swarm->farms_length; i++) {
            struct wish *wish = &clerk->wishes[i];
            if (wish->promise != promise || !promise->value) continue;
            wish->before = wish->now;
            wish->now = wish->asked;
        }
        for (size_t i = 0; i < clerk->run->swarm->hosts_length; i++)
            if (clerk->hosts[i] == promise) clerk->draining[i] = !clerk->draining[i];
    }
    mem_free(promise->maybe);
    promise->maybe = NULL;
}

static void ask_farm(struct clerk *clerk, struct wish *wish, const struct swarm_farm *farm, const char *what)
{
    CLEANUP_BUF struct buf yaml = {0};

    wish->asked = *farm;
    swarm_write_farm(&wish->asked, &yaml);
    wish->promise->maybe = farm_json(&wish->asked);
    run_tell(clerk->run, "%s %s %s/%s", farm->party, what, farm->party, farm->name);
    request(clerk, wish->promise, token_of(clerk, farm), "POST", "/v1/apply", buf_text(&yaml));
}

static void scale(struct clerk *clerk, struct wish *wish)
{
    struct run *run = clerk->run;
    size_t n = (size_t)run_draw(run, 0, (int64_t)wish->now.tiers_length - 1);
    int64_t count = run_draw(run, 0, 6);
    CLEANUP_MEM char *path = mem_printf("/v1/farms/%s/%s/scale", wish->now.party, wish->now.name);
    CLEANUP_MEM char *body =
        mem_printf("{\"tier\":\"%s\",\"count\":%" PRId64 "}", wish->now.tiers[n].name, count);

    wish->asked = wish->now;
    struct count *asked = &wish->asked.tiers[n].count;
    asked->committed = count;
    if (asked->guaranteed < count) asked->guaranteed = count;
    if (asked->max < asked->guaranteed) asked->max = asked->guaranteed;
    wish->promise->maybe = farm_json(&wish->asked);
    run_tell(run, "%s scales %s of %s to %" PRId64, wish->now.party, wish->now.tiers[n].name, wish->now.name,
             count);
    request(clerk, wish->promise, token_of(clerk, &wish->now), "POST", path, body);
}

static void delete_farm(struct clerk *clerk, struct wish *wish)
{
    CLEANUP_MEM char *path = mem_printf("/v1/farms/%s/%s", wish->now.party, wish->now.name);

    run_tell(clerk->run, "%s deletes %s", wish->now.party, wish->now.name);
    request(clerk, wish->promise, token_of(clerk, &wish->now), "DELETE", path, NULL);
}

static void ask_host(struct clerk *clerk, size_t n, bool drain)
{
    const struct box *box = &clerk->run->world->boxes[n];
    struct host host = box->host;
    struct buf json = {0};
    CLEANUP_MEM char *path = mem_printf("/v1/hosts/%s/%s", box->name, drain ? "drain" : "activate");

    host.state = drain ? HOST_DRAINING : HOST_ACTIVE;
    schema_write(&schema_host, "Host", &host, &json);
    clerk->hosts[n]->maybe = buf_take(&json);
    run_tell(clerk->run, "the landlord %s %s", drain ? "drains" : "activates", box->name);
    request(clerk, clerk->hosts[n], landlord, "POST", path, NULL);
}

/* Of what is asked here nothing is promised but an effort. False: there is nothing to move. */
static bool move(struct clerk *clerk)
{
    struct run *run = clerk->run;
    struct vec list = VEC_OF(struct fake_instance);
    const struct box *to = &run->world->boxes[run_draw(run, 0, (int64_t)run->swarm->hosts_length - 1)];
    struct promise *promise = promise_get(clerk, "move");

    fake_world_list(run->world->truth, &list);
    bool may = list.length > 0 && !open_ended(promise);
    if (may) {
        const struct fake_instance *drawn = vec_at(&list, (size_t)run_draw(run, 0, (int64_t)list.length - 1));
        CLEANUP_MEM char *path = mem_printf("/v1/instances/%s/move", drawn->name);
        CLEANUP_MEM char *body = mem_printf("{\"host\":\"%s\"}", to->name);
        run_tell(run, "the landlord moves %s to %s", drawn->name, to->name);
        request(clerk, promise, landlord, "POST", path, body);
    }
    vec_free(&list);
    return may;
}

/* A host that was switched off by the controller stays so until somebody says otherwise. False: none is off.
 */
static bool power_on(struct clerk *clerk)
{
    struct run *run = clerk->run;
    struct promise *promise = promise_get(clerk, "power");

    for (size_t i = 0; i < run->world->boxes_length && !open_ended(promise); i++) {
        const struct box *box = &run->world->boxes[i];
        if (box->on) continue;
        CLEANUP_MEM char *path = mem_printf("/v1/hosts/%s/power", box->name);
        run_tell(run, "the landlord switches %s on", box->name);
        request(clerk, promise, landlord, "POST", path, "{\"order\":\"on\"}");
        return true;
    }
    return false;
}

/* As the store has it: the document's one canonical form, read from the text that is sent. */
static char *farm_json(const struct swarm_farm *farm)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf yaml = {0};
    struct buf json = {0};
    struct documents documents;
    struct error err;

    swarm_write_farm(farm, &yaml);
    ASSERT(spec_read(arena, "farm", buf_text(&yaml), yaml.size, &documents, &err));
    schema_write(&schema_farm, "Farm", documents.items[0].farm, &json);
    return buf_take(&json);
}

static char *level_json(const char *yaml)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct buf json = {0};
    struct documents documents;
    struct error err;

    ASSERT(spec_read(arena, "level", yaml, strlen(yaml), &documents, &err));
    schema_write(&schema_sla, "SLA", documents.items[0].sla, &json);
    return buf_take(&json);
}

static const char *token_of(struct clerk *clerk, const struct swarm_farm *farm)
{
    return clerk->tokens[strtoul(farm->party + 1, NULL, 10) - 1];
}

static bool open_ended(const struct promise *promise)
{
    return promise->asked || promise->doubted;
}

/* Before anything goes wrong: every answer comes. False: one is not good. */
static bool wait_answers(struct clerk *clerk)
{
    int64_t end_us = run_now(clerk->run) + ANSWER_MS * 1000;
    while (clerk->waits > 0 && run_now(clerk->run) < end_us && !clerk->run->report->violated)
        sim_clock_step(clerk->run->world->clock);
    return clerk->waits == 0 && !clerk->refused;
}
