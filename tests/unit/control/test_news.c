/* Which changes are news is told field by field (control/news.c); here each field of an instance and of a
 * host's fact is changed to other values, and whenever a document then says something else, it has to be
 * news. */
#include "control/internal.h"
#include "plan/plan.h"

#include "../base/check.h"

#include <string.h>

enum { VALUES = 6, HOSTS = 3, INSTANCES = 4 };

struct grid {
    struct host_fact facts[HOSTS];
    struct instance instances[INSTANCES];
    struct snapshot snapshot;
};

static const struct tier tiers[] = {
    {.name = "web", .health = {.kind = HEALTH_HTTP, .path = "/"}, .count = {.committed = 2}},
    {.name = "db", .count = {.committed = 1}},
};
static const struct balance balance = {.name = "main", .to_tier = "web", .to_port = 80, .port = 80};
static const struct allow allow[] = {{.from = "db", .to = "web", .port_last = UINT16_MAX}};
static const struct farm farm = {.name = "shop",
                                 .full_name = "acme/shop",
                                 .party = "acme",
                                 .tiers = tiers,
                                 .tiers_length = LENGTH(tiers),
                                 .balance = &balance,
                                 .balance_length = 1,
                                 .allow = allow,
                                 .allow_length = LENGTH(allow)};
static const struct image images[] = {{.name = "i:1", .party = "acme", .digest = "sha256:1"},
                                      {.name = "i:2", .party = "acme", .digest = "sha256:2"}};
static const struct farm_fact farm_fact = {.name = "acme/shop", .vni = 7};

static void fill(struct grid *grid)
{
    static const char *const names[] = {"acme/shop/balance-1", "acme/shop/db-1", "acme/shop/web-1",
                                        "acme/shop/web-2"};
    static const char *const hosts[] = {"h1", "h2", "h3"};
    static const char *const tier_names[] = {"balance", "db", "web", "web"};

    memset(grid, 0, sizeof(*grid));
    for (size_t i = 0; i < HOSTS; i++) {
        schema_defaults(&schema_host_fact, NULL, &grid->facts[i]);
        grid->facts[i].name = hosts[i];
        grid->facts[i].underlay = (uint32_t)(i + 1);
        grid->facts[i].addresses[0] = grid->facts[i].addresses[1] = "10.0.0.1:7";
    }
    for (size_t i = 0; i < INSTANCES; i++) {
        struct instance *instance = &grid->instances[i];
        schema_defaults(&schema_instance, NULL, instance);
        instance->name = names[i];
        instance->farm = "acme/shop";
        instance->party = "acme";
        instance->tier = tier_names[i];
        instance->host = hosts[i % HOSTS];
        instance->digest = "sha256:1";
        instance->address = (uint32_t)(100 + i);
        instance->state = INSTANCE_RUNNING;
        instance->health = HEALTH_GOOD;
        instance->wanted = WANTED_RUN;
    }
    grid->snapshot = (struct snapshot){.host_facts = grid->facts,
                                       .host_facts_length = HOSTS,
                                       .images = images,
                                       .images_length = LENGTH(images),
                                       .farms = &farm,
                                       .farms_length = 1,
                                       .farm_facts = &farm_fact,
                                       .farm_facts_length = 1,
                                       .instances = grid->instances,
                                       .instances_length = INSTANCES};
}

/* All documents, one after the other. */
static char *all_documents(const struct snapshot *snapshot)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct buf text = {0};

    for (size_t i = 0; i < snapshot->host_facts_length; i++) {
        struct host_document document = plan_host_document(arena, snapshot, snapshot->host_facts[i].name);
        schema_write(&schema_host_document, NULL, &document, &text);
    }
    return buf_take(&text);
}

/* False: it has no such value. */
static bool set(const struct field *field, void *object, size_t value)
{
    static const char *const texts[VALUES] = {"", "other", "h1", "h2", "web", "sha256:2"};
    char *at = (char *)object + field->offset;

    if (field->kind == FIELD_ENUM) {
        int number = (int)value;
        for (size_t i = 0; i <= value; i++)
            if (field->names[i] == NULL) return false;
        memcpy(at, &number, sizeof(number));
    } else if (field->kind == FIELD_SCALAR && field->scalar->is_text) {
        memcpy(at, &texts[value], sizeof(texts[value]));
    } else if (field->kind == FIELD_SCALAR) {
        memset(at, 0, field->scalar->size);
        at[0] = (char)(value < 2 || field->scalar->size > 1 ? value : 1);
    } else {
        return false;
    }
    return true;
}

/* Returns how many changes changed a document. */
static size_t change_all(struct grid *grid, const struct schema *schema, void *object, void *whole,
                         size_t size, bool (*is_news)(const void *was, const void *is))
{
    CLEANUP_MEM char *before = all_documents(&grid->snapshot);
    CLEANUP_MEM char *was = mem_alloc(size);
    size_t changes = 0;

    memcpy(was, whole, size);
    for (size_t i = 0; i < schema->fields_length; i++) {
        const struct field *field = &schema->fields[i];
        if (strcmp(field->key, "name") == 0) continue; /* another one's */
        if (field->kind == FIELD_STRUCT)
            changes += change_all(grid, field->schema, (char *)object + field->offset, whole, size, is_news);
        for (size_t value = 0; value < VALUES; value++) {
            if (!set(field, object, value)) break;
            CLEANUP_MEM char *after = all_documents(&grid->snapshot);
            bool differ = strcmp(before, after) != 0;
            if (differ && !is_news(was, whole)) fail_msg("%s, value %zu, is no news", field->key, value);
            changes += differ;
            memcpy(whole, was, size);
        }
    }
    return changes;
}

static bool is_of_instance(const void *was, const void *is)
{
    return news_is_of_instance(was, is);
}

static bool is_of_host(const void *was, const void *is)
{
    return news_is_of_host(was, is);
}

static void tells_what_documents_say_of_instances(void **state)
{
    static const enum instance_health healths[] = {HEALTH_UNKNOWN, HEALTH_GOOD, HEALTH_BAD};
    static const enum instance_state states[] = {INSTANCE_RUNNING, INSTANCE_BOOTING};
    static const enum instance_wanted wanted[] = {WANTED_RUN, WANTED_WARM, WANTED_DRAIN, WANTED_GONE};
    struct grid grid;

    for (size_t n = 0; n < INSTANCES * LENGTH(healths) * LENGTH(states) * LENGTH(wanted); n++) {
        fill(&grid);
        struct instance *instance = &grid.instances[n % INSTANCES];
        instance->health = healths[n / INSTANCES % LENGTH(healths)];
        instance->state = states[n / INSTANCES / LENGTH(healths) % LENGTH(states)];
        instance->wanted = wanted[n / INSTANCES / LENGTH(healths) / LENGTH(states)];
        size_t changes =
            change_all(&grid, &schema_instance, instance, instance, sizeof(*instance), is_of_instance);
        assert_true(changes > (instance->wanted == WANTED_GONE ? 2 : 20));
    }
}

static void tells_what_documents_say_of_hosts(void **state)
{
    struct grid grid;

    for (size_t i = 0; i < HOSTS; i++) {
        for (int bits = 0; bits < 8; bits++) {
            fill(&grid);
            struct host_fact *fact = &grid.facts[i];
            fact->fenced = bits & 1;
            fact->given_up = bits & 2;
            fact->state = bits & 4 ? HOST_DOWN : HOST_UP;
            size_t changes = change_all(&grid, &schema_host_fact, fact, fact, sizeof(*fact), is_of_host);
            assert_true(changes > 5);
        }
    }
}

/* What changes most often, and is nobody's news. */
static void leaves_out_what_no_document_says(void **state)
{
    struct grid grid;

    fill(&grid);
    struct instance instance = grid.instances[0];
    instance.reason = "it waits";
    instance.since_ms = 7;
    instance.restarts = 3;
    instance.drained = true;
    assert_false(news_is_of_instance(&grid.instances[0], &instance));
    assert_true(news_is_of_instance(NULL, &instance));
    assert_true(news_is_of_instance(&instance, NULL));
    assert_false(news_is_of_instance(NULL, NULL));
    grid.instances[0].wanted = instance.wanted = WANTED_GONE;
    instance.state = INSTANCE_WIPING;
    assert_false(news_is_of_instance(&grid.instances[0], &instance));
    assert_false(news_is_of_instance(&instance, NULL));
    struct host_fact fact = grid.facts[0];
    fact.state = HOST_SUSPECT;
    fact.reason = "three beats did not come";
    fact.document_version = 9;
    assert_false(news_is_of_host(&grid.facts[0], &fact));
    assert_true(news_is_of_host(NULL, &fact));
    assert_true(news_is_of_host(&fact, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_documents_say_of_instances),
        cmocka_unit_test(tells_what_documents_say_of_hosts),
        cmocka_unit_test(leaves_out_what_no_document_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
