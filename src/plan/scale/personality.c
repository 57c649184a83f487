#include "plan/scale/personality.h"

#include "base/text.h"

#include <string.h>

static const char *hash_shown(struct arena *arena, uint64_t hash);
static uint64_t add_health(uint64_t hash, const struct health *health);
static uint64_t add_frontends(uint64_t hash, const struct farm *farm, const struct farm_fact *fact);

const struct image *personality_image(const struct snapshot *snapshot, const char *party, const char *name)
{
    const struct image *found = NULL;
    for (size_t n = 0; n < snapshot->images_length; n++) {
        const struct image *image = &snapshot->images[n];
        if (!text_equal(image->name, name)) continue;
        if (text_equal(image->party, party)) return image;
        if (text_equal(image->party, "landlord")) found = image;
    }
    return found;
}

const char *plan_personality_hash(struct arena *arena, const struct farm *farm, const struct tier *tier,
                                  bool is_balance, const char *digest, const struct farm_fact *fact)
{
    uint64_t hash = hash_text(TEXT_HASH_SEED, digest);
    hash = hash_number(hash, (int64_t)tier->driver);
    hash = hash_number(hash, (int64_t)tier->command_length);
    for (size_t n = 0; n < tier->command_length; n++)
        hash = hash_text(hash, tier->command[n]);
    hash = hash_number(hash, (int64_t)tier->env_length);
    for (size_t n = 0; n < tier->env_length; n++)
        hash = hash_text(hash_text(hash, tier->env[n].name), tier->env[n].value);
    hash = hash_number(hash, (int64_t)tier->files_length);
    for (size_t n = 0; n < tier->files_length; n++) {
        hash = hash_text(hash_text(hash, tier->files[n].path), tier->files[n].content);
        hash = hash_number(hash, (int64_t)tier->files[n].mode);
    }
    hash = hash_number(hash_number(hash, tier->size.cpus_millis), tier->size.memory_bytes);
    hash = hash_number(hash_number(hash, tier->size.disk_bytes), tier->size.network_bits_per_s);
    hash = add_health(hash, &tier->health);
    hash = hash_number(hash_number(hash, (int64_t)farm->subnet.address), (int64_t)farm->subnet.bits);
    if (is_balance) hash = add_frontends(hash, farm, fact);
    return hash_shown(arena, hash);
}

const char *personality_endpoint(const struct farm_fact *fact, const char *balance)
{
    for (size_t n = 0; n < fact->endpoints_length; n++)
        if (text_equal(fact->endpoints[n].name, balance)) return fact->endpoints[n].value;
    return "";
}

const struct tier *personality_tier(const struct farm *farm, const char *name)
{
    for (size_t t = 0; t < farm->tiers_length; t++)
        if (text_equal(farm->tiers[t].name, name)) return &farm->tiers[t];
    return NULL;
}

uint64_t hash_text(uint64_t hash, const char *text)
{
    return text_hash(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

uint64_t hash_number(uint64_t hash, int64_t number)
{
    unsigned char bytes[8];
    for (size_t n = 0; n < sizeof(bytes); n++)
        bytes[n] = (unsigned char)((uint64_t)number >> (8 * n)); /* one order on every machine */
    return text_hash(hash, bytes, sizeof(bytes));
}

/* As "%016llx": each plan of a dirty tier writes one. */
static const char *hash_shown(struct arena *arena, uint64_t hash)
{
    char *text = arena_alloc(arena, 17);
    for (size_t n = 0; n < 16; n++)
        text[n] = "0123456789abcdef"[hash >> (60 - 4 * n) & 15];
    return text;
}

static uint64_t add_health(uint64_t hash, const struct health *health)
{
    hash = hash_number(hash_number(hash, (int64_t)health->kind), health->port);
    hash = hash_text(hash, health->path);
    hash = hash_number(hash, (int64_t)health->command_length);
    for (size_t n = 0; n < health->command_length; n++)
        hash = hash_text(hash, health->command[n]);
    hash = hash_number(hash_number(hash, health->every_ms), health->timeout_ms);
    if (health->within_ms > 0) hash = hash_number(hash, health->within_ms);
    return hash_number(hash, health->fails);
}

/* The balancer's doors, but not its servers: those change while it runs, and how often they are asked for
 * their health comes with them. Only where HTTP asks is in the configuration. */
static uint64_t add_frontends(uint64_t hash, const struct farm *farm, const struct farm_fact *fact)
{
    for (size_t n = 0; n < farm->balance_length; n++) {
        const struct balance *balance = &farm->balance[n];
        const struct tier *to = personality_tier(farm, balance->to_tier);
        hash = hash_number(hash_text(hash, balance->name), (int64_t)balance->mode);
        hash = hash_number(hash, balance->port);
        hash = hash_text(hash, personality_endpoint(fact, balance->name));
        hash = hash_text(hash, to && to->health.kind == HEALTH_HTTP ? to->health.path : "");
    }
    return hash;
}
