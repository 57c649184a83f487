#include "plan/document/document.h"
#include "base/text.h"
#include "plan/document/find.h"
#include "plan/document/frontend.h"
#include "plan/filter/govern.h"
#include "plan/lease/lease.h"
#include "plan/reach/reach.h"
#include "plan/scale/personality.h"
#include "plan/work.h"

static bool is_here(const struct snapshot *s, const struct instance *instance, const char *host);
static void add_farm(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                     struct host_document *document, struct host_farm *farms);
static const struct member *members_of(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                                       size_t *ret_length);
static struct map *served_tiers(struct arena *arena, const struct snapshot *s, const struct farm *farm);
static bool is_good(struct arena *arena, const struct farm *farm, const struct instance *instance);
static void fill_personality(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                             const struct instance *instance, struct personality *ret_personality);
static const struct image *image_of(const struct snapshot *s, const struct instance *instance);
static void fill_env(struct arena *arena, const struct image *image, const struct tier *tier,
                     struct personality *personality);
static void add_image(const struct snapshot *s, const struct instance *instance, struct image *images,
                      size_t *length);
static void add_balancer_image(const struct snapshot *s, struct image *images, size_t *length);
static void add_peers(struct arena *arena, const struct snapshot *s, struct host_document *document);
static void add_parties(struct arena *arena, const struct snapshot *s, struct host_document *document);
static void add_line(struct vec *parties, struct map *seen, const struct snapshot *s,
                     const struct lease_tree *tree, const char *party);
static int compare_parties(const void *a, const void *b);

struct host_document plan_host_document(struct arena *arena, const struct snapshot *snapshot,
                                        const char *host)
{
    bool balanced = false;
    for (size_t f = 0; !balanced && f < snapshot->farms_length; f++)
        balanced = snapshot->farms[f].balance_length > 0;
    return document_make(arena, snapshot, host, balanced);
}

struct host_document document_make(struct arena *arena, const struct snapshot *snapshot, const char *host,
                                   bool balanced)
{
    struct host_document document = {.host = host};
    size_t length = 0;
    for (size_t n = 0; n < snapshot->instances_length; n++)
        length += is_here(snapshot, &snapshot->instances[n], host);
    struct personality *instances = arena_alloc_array(arena, length + 1, sizeof(*instances));
    struct host_farm *farms = arena_alloc_array(arena, length + 1, sizeof(*farms));
    struct image *images = arena_alloc_array(arena, snapshot->images_length + 1, sizeof(*images));

    for (size_t n = 0; n < snapshot->instances_length; n++) {
        const struct instance *instance = &snapshot->instances[n];
        if (!is_here(snapshot, instance, host)) continue;
        const struct farm *farm = find_farm(snapshot, instance->farm);
        /* Without a farm or tier nothing says what it is; the next plan stops it. */
        if (farm == NULL || find_tier(arena, farm, instance->tier) == NULL) continue;
        fill_personality(arena, snapshot, farm, instance, &instances[document.instances_length++]);
        add_farm(arena, snapshot, farm, &document, farms);
        add_image(snapshot, instance, images, &document.images_length);
    }
    /* Any host may have to take a lost one's balancer over, and its callers wait: it has the image already.
     */
    if (balanced) add_balancer_image(snapshot, images, &document.images_length);
    document.instances = instances;
    document.farms = farms;
    document.images = images;
    add_peers(arena, snapshot, &document);
    add_parties(arena, snapshot, &document);
    return document;
}

/* Nothing is on a host that is known to be off, nor is it a member of its farm: until the host is back, or
 * its instances are elsewhere, nobody who comes back there may start them by what is written now. */
static bool is_here(const struct snapshot *s, const struct instance *instance, const char *host)
{
    return instance->wanted != WANTED_GONE && text_equal(instance->host, host) && !find_is_lost(s, instance);
}

/* Instances come in the order of their names, so a farm that is there already is the last one. */
static void add_farm(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                     struct host_document *document, struct host_farm *farms)
{
    const struct farm_fact *fact = find_farm_fact(s, farm->full_name);
    size_t length = document->farms_length;
    if (length > 0 && text_equal(farms[length - 1].name, farm->full_name)) return;
    struct host_farm *to = &farms[document->farms_length++];
    *to = (struct host_farm){.name = farm->full_name,
                             .vni = fact ? fact->vni : 0,
                             .subnet = farm->subnet,
                             .gateway = farm->subnet.address + 1,
                             .mtu = MTU_BYTES};
    to->members = members_of(arena, s, farm, &to->members_length);
    to->rules = reach_rules(arena, farm, &to->rules_length);
    to->filters = govern_farm(arena, s, farm, &to->filters_length);
}

static const struct member *members_of(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                                       size_t *ret_length)
{
    size_t length = 0, members_length = 0;
    const struct instance *instances = find_instances(arena, s, farm->full_name, &length);
    struct member *members = arena_alloc_array(arena, length + 1, sizeof(*members));
    CLEANUP(map_freep) struct map *served = served_tiers(arena, s, farm);
    for (size_t n = 0; n < length; n++) {
        const struct instance *instance = &instances[n];
        const struct host_fact *fact = find_host_fact(s, instance->host);
        if (instance->wanted == WANTED_GONE || fact == NULL || find_is_lost(s, instance)) continue;
        members[members_length++] =
            (struct member){.instance = frontend_short_name(instance),
                            .tier = instance->tier,
                            .address = instance->address,
                            .mac = instance->mac,
                            .underlay = fact->underlay,
                            .aside = instance->wanted != WANTED_RUN ||
                                     (map_get(served, instance->tier) && !is_good(arena, farm, instance))};
    }
    *ret_length = members_length;
    return members;
}

/* Tiers that others may open and that have a member which serves: their names lead to such members only. With
 * none the name leads to all; so it does where nobody could open what it leads to, which spares the hosts a
 * new document with each member that comes up. */
static struct map *served_tiers(struct arena *arena, const struct snapshot *s, const struct farm *farm)
{
    struct map *served = map_new();
    CLEANUP(map_freep) struct map *opened = map_new();
    size_t length = 0;
    const struct instance *instances = find_instances(arena, s, farm->full_name, &length);
    for (size_t a = 0; a < farm->allow_length; a++)
        map_put(opened, farm->allow[a].to, served);
    for (size_t n = 0; n < length; n++) {
        const char *tier = instances[n].tier;
        if (!map_get(opened, tier) || map_get(served, tier)) continue;
        if (is_good(arena, farm, &instances[n]) && !find_is_lost(s, &instances[n]))
            map_put(served, tier, served);
    }
    return served;
}

static bool is_good(struct arena *arena, const struct farm *farm, const struct instance *instance)
{
    return instance->wanted == WANTED_RUN &&
           instance_healthy(instance, find_tier(arena, farm, instance->tier));
}

static void fill_personality(struct arena *arena, const struct snapshot *s, const struct farm *farm,
                             const struct instance *instance, struct personality *ret_personality)
{
    const struct tier *tier = find_tier(arena, farm, instance->tier);
    const struct image *image = image_of(s, instance);
    struct personality personality = {
        .instance = instance->name,
        .party = instance->party,
        .farm = instance->farm,
        .tier = instance->tier,
        .incarnation = instance->incarnation,
        .wanted = instance->wanted,
        .driver = instance->driver,
        .digest = instance->digest,
        .command = tier->command,
        .command_length = tier->command_length,
        .files = tier->files,
        .files_length = tier->files_length,
        .metadata = tier->metadata,
        .metadata_length = tier->metadata_length,
        .size = instance->size,
        .health = tier->health,
        .address = instance->address,
        .mac = instance->mac,
    };
    if (tier->command_length == 0 && image) {
        personality.command = image->command;
        personality.command_length = image->command_length;
    }
    fill_env(arena, image, tier, &personality);
    if (personality_tier(farm, tier->name) == NULL) {
        personality.frontends = frontends_of(arena, s, farm, &personality.frontends_length);
        personality.frontends_hash =
            frontends_hash(arena, personality.frontends, personality.frontends_length);
    }
    *ret_personality = personality;
}

/* By digest: what the instance was made from, whatever its tag means today. */
static const struct image *image_of(const struct snapshot *s, const struct instance *instance)
{
    for (size_t n = 0; n < s->images_length; n++)
        if (text_equal(s->images[n].digest, instance->digest)) return &s->images[n];
    return NULL;
}

/* The image's environment; the tier's word goes before the image's. */
static void fill_env(struct arena *arena, const struct image *image, const struct tier *tier,
                     struct personality *personality)
{
    size_t image_length = image ? image->env_length : 0, length = 0;
    struct pair *env = arena_alloc_array(arena, image_length + tier->env_length + 1, sizeof(*env));
    for (size_t n = 0; n < image_length; n++) {
        bool overruled = false;
        for (size_t t = 0; t < tier->env_length; t++)
            overruled |= text_equal(tier->env[t].name, image->env[n].name);
        if (!overruled) env[length++] = image->env[n];
    }
    for (size_t t = 0; t < tier->env_length; t++)
        env[length++] = tier->env[t];
    personality->env = env;
    personality->env_length = length;
}

/* Once each, so there are no more than the snapshot has. */
static void add_image(const struct snapshot *s, const struct instance *instance, struct image *images,
                      size_t *length)
{
    for (size_t n = 0; n < *length; n++)
        if (text_equal(images[n].digest, instance->digest)) return;
    const struct image *image = image_of(s, instance);
    if (image) images[(*length)++] = *image;
}

/* What the next balancer of a farm will be made from. */
static void add_balancer_image(const struct snapshot *s, struct image *images, size_t *length)
{
    const struct image *image = personality_image(s, PARTY_LANDLORD, BALANCER_IMAGE);
    if (image == NULL) return;
    for (size_t n = 0; n < *length; n++)
        if (text_equal(images[n].digest, image->digest)) return;
    images[(*length)++] = *image;
}

static void add_peers(struct arena *arena, const struct snapshot *s, struct host_document *document)
{
    uint32_t *peers = arena_alloc_array(arena, s->host_facts_length + 1, sizeof(*peers));
    for (size_t n = 0; n < s->host_facts_length; n++)
        if (s->host_facts[n].underlay != 0)
            peers[document->underlay_peers_length++] = s->host_facts[n].underlay;
    document->underlay_peers = peers;
    struct host_peer *others = arena_alloc_array(arena, s->host_facts_length + 1, sizeof(*others));
    for (size_t n = 0; n < s->host_facts_length; n++) {
        const struct host_fact *fact = &s->host_facts[n];
        if (text_equal(fact->name, document->host)) continue;
        others[document->peers_length++] = (struct host_peer){
            .name = fact->name,
            .addresses = {fact->addresses[0], fact->addresses[1]},
            .given_up = fact->fenced || fact->given_up,
        };
    }
    document->peers = others;
}

/* Who has something here and who is above, in order; and who has keys here and may have nothing any more. */
static void add_parties(struct arena *arena, const struct snapshot *s, struct host_document *document)
{
    struct vec parties = VEC_OF(struct host_party);
    CLEANUP(map_freep) struct map *seen = map_new();
    const struct host_fact *fact = find_host_fact(s, document->host);
    struct lease_tree *tree = lease_tree_new(s);

    for (size_t n = 0; n < document->instances_length; n++)
        add_line(&parties, seen, s, tree, document->instances[n].party);
    for (size_t n = 0; fact && n < fact->keys_length; n++) {
        const char *party = fact->keys[n].party;
        const struct holding *holding = lease_holding(tree, party);
        if (text_equal(party, PARTY_LANDLORD) || map_get(seen, party)) continue;
        if (holding == NULL || holding->ended) add_line(&parties, seen, s, tree, party);
    }
    vec_sort(&parties, compare_parties);
    struct host_party *items = arena_alloc_array(arena, parties.length + 1, sizeof(*items));
    for (size_t n = 0; n < parties.length; n++) {
        items[n] = *(const struct host_party *)vec_at(&parties, n);
        items[n].name = arena_strdup(arena, items[n].name); /* they may be the tree's */
        items[n].parent = arena_strdup(arena, items[n].parent);
    }
    document->parties = items;
    document->parties_length = parties.length;
    lease_tree_free(tree);
    vec_free(&parties);
}

/* Up to the landlord. A party that is not there any more is nobody's. */
static void add_line(struct vec *parties, struct map *seen, const struct snapshot *s,
                     const struct lease_tree *tree, const char *party)
{
    while (!text_equal(party, PARTY_LANDLORD) && map_put(seen, party, seen) == NULL) {
        const struct holding *holding = lease_holding(tree, party);
        const char *parent = holding && holding->parent ? holding->parent->party : PARTY_LANDLORD;
        struct host_party *added = vec_push(parties);
        *added = (struct host_party){
            .name = party, .parent = parent, .severed = holding == NULL || holding->ended != NULL};
        for (size_t n = 0; n < s->keys_length; n++)
            if (text_equal(s->keys[n].name, party)) added->custody = s->keys[n].custody;
        party = parent;
    }
}

static int compare_parties(const void *a, const void *b)
{
    return text_compare_natural(((const struct host_party *)a)->name, ((const struct host_party *)b)->name);
}
