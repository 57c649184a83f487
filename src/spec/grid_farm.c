/* What farms of a grid lack: a document where only instances name one, a network, addresses, images. */
#include "base/text.h"
#include "spec/document.h"
#include "spec/grid.h"

#include <stdio.h>
#include <string.h>

#define IMAGE_UNKNOWN "unknown:1" /* of instances whose image nobody says */
#define OFFSET_FIRST 3u           /* 0 network, 1 gateway, 2 kept; as the planner gives addresses */
#define SUBNET_BITS_MAX 24u
#define SUBNET_BITS_MIN 8u
#define SUBNET_DEFAULT 0x0a000000u /* RFC 1918: 10.0.0.0/8 */

struct given {
    uint32_t address, instance;
};

/* Of one farm at a time. */
struct addresses {
    struct vec given;     /* struct given */
    unsigned char *taken; /* by offset in the subnet */
    size_t capacity;
};

static bool make_farms(struct filling *filling, struct error *err);
static bool make_farm(struct filling *filling, uint32_t index, struct error *err);
static bool make_tier(struct filling *filling, const struct grid_seat *seat, struct tier *ret_tier,
                      struct error *err);
static bool choose_subnet(const struct filling *filling, const struct grid_farm *farm,
                          struct prefix *ret_subnet, struct error *err);
static void fill_images(struct filling *filling);
static const char *image_of(struct filling *filling, struct map *images, const struct grid_seat *seat);
static const char *image_key(struct arena *arena, const char *party, const char *name);
static const char *make_image(struct filling *filling, const struct grid_seat *seat);
static bool is_digest(const char *text);
static bool is_image_name(const char *text);
static bool fill_instances(struct filling *filling, struct error *err);
static bool fill_addresses(struct filling *filling, const struct grid_farm *farm, struct prefix subnet,
                           struct addresses *addresses, struct error *err);
static bool check_addresses(struct filling *filling, const struct grid_farm *farm, struct prefix subnet,
                            struct addresses *addresses, struct error *err);
static int compare_given(const void *a, const void *b);
static bool give_networks(struct filling *filling, struct error *err);
static bool check_networks(const struct grid *grid, struct vec *taken, struct error *err);
static int compare_vnis(const void *a, const void *b);
static void add_fact(struct filling *filling, const struct grid_farm *farm, int64_t vni);

bool grid_fill_farms(struct filling *filling, struct error *err)
{
    if (!make_farms(filling, err)) return false;
    fill_images(filling);
    return fill_instances(filling, err) && give_networks(filling, err);
}

static bool make_farms(struct filling *filling, struct error *err)
{
    for (uint32_t i = 0; i < filling->farms.length; i++) {
        const struct grid_farm *farm = vec_at(&filling->farms, i);
        if (farm->is_made && !make_farm(filling, i, err)) return false;
    }
    return true;
}

static bool make_farm(struct filling *filling, uint32_t index, struct error *err)
{
    struct grid *grid = filling->grid;
    const struct grid_farm *of = vec_at(&filling->farms, index);
    const struct instance *any = grid_at(grid, RECORD_INSTANCE, of->instance);
    struct prefix subnet;
    if (!choose_subnet(filling, of, &subnet, err)) return false;
    struct tier *tiers = arena_alloc_array(grid->arena, of->seats, sizeof(*tiers));
    size_t length = 0;
    for (uint32_t at = of->seat; at != GRID_NONE;) {
        struct grid_seat *seat = vec_at(&filling->seats, at);
        if (seat->image == NULL) seat->image = IMAGE_UNKNOWN;
        if (!make_tier(filling, seat, &tiers[length++], err)) return false;
        at = seat->next;
    }
    struct farm *farm = grid_add(grid, RECORD_FARM, (struct grid_row){0});
    schema_defaults(&schema_farm, grid->arena, farm);
    farm->name = strchr(of->name, '/') + 1;
    farm->party = any->party;
    farm->full_name = of->name;
    farm->subnet = subnet;
    farm->tiers = tiers;
    farm->tiers_length = length;
    grid_make_party(filling, any->party);
    return true;
}

static bool make_tier(struct filling *filling, const struct grid_seat *seat, struct tier *ret_tier,
                      struct error *err)
{
    if (!is_image_name(seat->image)) {
        char shown[SHOWN_SIZE];
        error_set(err, ERROR_INVALID, "expected an image as NAME:TAG such as hello:1, found \"%s\"",
                  document_shown(shown, seat->image));
        return grid_refuse(filling->grid, RECORD_INSTANCE, seat->first, "image", err);
    }
    struct tier tier = filling->tier;
    tier.name = seat->name;
    tier.image = seat->image;
    tier.count = (struct count){seat->running, seat->running, seat->running};
    tier.warm = seat->warm;
    tier.size = seat->size;
    tier.priority = seat->priority;
    *ret_tier = tier;
    return true;
}

/* Room for twice the members, and every address that is said. */
static bool choose_subnet(const struct filling *filling, const struct grid_farm *farm,
                          struct prefix *ret_subnet, struct error *err)
{
    uint64_t needed = 2 * (uint64_t)farm->instances + OFFSET_FIRST + 1;
    unsigned bits = SUBNET_BITS_MAX;
    while (bits > SUBNET_BITS_MIN && (1ULL << (32 - bits)) < needed)
        bits--;
    uint32_t first = SUBNET_DEFAULT;
    bool some = false;
    for (uint32_t i = farm->instance; i != GRID_NONE; i = filling->next[i]) {
        const struct instance *instance = grid_at(filling->grid, RECORD_INSTANCE, i);
        if (instance->address == 0) continue;
        if (!some) first = instance->address;
        some = true;
        while (bits >= SUBNET_BITS_MIN && (instance->address ^ first) >> (32 - bits) != 0)
            bits--;
        uint32_t top = first >> 24;
        if (bits >= SUBNET_BITS_MIN && top != 0 && top != 127 && top < 224 && first >> 16 != 0xa9fe) continue;
        error_set(err, ERROR_INVALID,
                  "no network for hosts of /8 or less has this address and the others of "
                  "the farm: say the Farm document with its subnet");
        return grid_refuse(filling->grid, RECORD_INSTANCE, i, "address", err);
    }
    uint32_t mask = ~(uint32_t)0 << (32 - bits);
    *ret_subnet = (struct prefix){.address = first & mask, .bits = bits};
    return true;
}

void grid_make_party(struct filling *filling, const char *name)
{
    if (text_equal(name, PARTY_LANDLORD) || map_get(filling->parties, name) != NULL) return;
    struct party *party = grid_add(filling->grid, RECORD_PARTY, (struct grid_row){0});
    schema_defaults(&schema_party, filling->grid->arena, party);
    party->name = name;
    map_put(filling->parties, name, filling->parties); /* only that it is there matters from here on */
}

/* Nothing waits for an image that the file does not have: how instances start is not what it is for. */
static void fill_images(struct filling *filling)
{
    struct grid *grid = filling->grid;
    struct map *images = map_new();
    for (size_t i = 0; i < grid->tables[RECORD_IMAGE].length; i++) {
        const struct image *image = grid_at(grid, RECORD_IMAGE, i);
        const char *key = image_key(grid->arena, image->party, image->name);
        char *digest = arena_strdup(grid->arena, image->digest);
        map_put(images, key, digest);
    }
    const struct grid_seat *last = NULL;
    for (size_t i = 0; i < filling->seats.length; i++) {
        struct grid_seat *seat = vec_at(&filling->seats, i);
        const struct grid_farm *farm = vec_at(&filling->farms, seat->farm);
        const struct grid_farm *before = last == NULL ? NULL : vec_at(&filling->farms, last->farm);
        size_t party = strcspn(farm->name, "/") + 1;
        bool same =
            before != NULL && last->image == seat->image && strncmp(before->name, farm->name, party) == 0;
        seat->digest = same ? last->digest : image_of(filling, images, seat);
        last = seat;
    }
    map_free(images);
}

/* The digest of what the party sees under the name: its own image, or the landlord's. */
static const char *image_of(struct filling *filling, struct map *images, const struct grid_seat *seat)
{
    struct arena *arena = filling->grid->arena;
    const struct grid_farm *farm = vec_at(&filling->farms, seat->farm);
    const char *party = arena_strndup(arena, farm->name, strcspn(farm->name, "/"));
    const char *own = map_get(images, image_key(arena, party, seat->image));
    const char *key = image_key(arena, PARTY_LANDLORD, seat->image);
    if (own == NULL) own = map_get(images, key);
    if (own != NULL) return own;
    const char *digest = make_image(filling, seat);
    char *kept = arena_strdup(arena, digest);
    map_put(images, key, kept);
    return kept;
}

static const char *image_key(struct arena *arena, const char *party, const char *name)
{
    return arena_printf(arena, "%s %s", party, name);
}

/* With the digest that a member says it has, so that it is of today's form; else with one of its own. */
static const char *make_image(struct filling *filling, const struct grid_seat *seat)
{
    struct grid *grid = filling->grid;
    const char *digest = "";
    if (seat->first != GRID_NONE)
        digest = ((struct instance *)grid_at(grid, RECORD_INSTANCE, seat->first))->digest;
    if (!is_digest(digest)) {
        CLEANUP_BUF struct buf text = {0};
        uint64_t hash = TEXT_HASH_SEED;
        buf_add_text(&text, "sha256:");
        for (int n = 0; n < 4; n++) {
            hash = text_hash(hash, seat->image, strlen(seat->image));
            buf_printf(&text, "%016llx", (unsigned long long)hash);
        }
        digest = texts_keep(grid->texts, text.data, text.size);
    }
    struct image *image = grid_add(grid, RECORD_IMAGE, (struct grid_row){0});
    schema_defaults(&schema_image, grid->arena, image);
    image->name = seat->image;
    image->digest = digest;
    return digest;
}

static bool is_digest(const char *text)
{
    static const char algorithm[] = "sha256:";
    size_t size = sizeof(algorithm) - 1;
    return strncmp(text, algorithm, size) == 0 && strlen(text) == size + 64 &&
           strspn(strchr(text, ':') + 1, "0123456789abcdef") == 64;
}

/* As documents ask of an image's name. */
static bool is_image_name(const char *text)
{
    struct image image;
    struct node fields[] = {
        {.kind = NODE_STRING, .key = "name", .text = text},
        {.kind = NODE_STRING,
         .key = "digest",
         .text = "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
        {.kind = NODE_LIST, .key = "layers"},
    };
    struct node node = {.kind = NODE_MAP, .items = fields, .length = LENGTH(fields)};
    struct error ignored;
    if (text_equal(text, IMAGE_UNKNOWN)) return true;
    CLEANUP_ARENA struct arena *arena = arena_new();
    return schema_read(&schema_image, arena, &node, &image, &ignored);
}

/* What members do not say is their tier's. */
static bool fill_instances(struct filling *filling, struct error *err)
{
    struct grid *grid = filling->grid;
    const struct grid_table *table = &grid->tables[RECORD_INSTANCE];
    struct addresses addresses = {.given = VEC_OF(struct given)};
    bool good = true;
    for (size_t i = 0; i < table->length; i++) {
        if (filling->seat_of[i] == GRID_NONE) continue;
        struct instance *instance = grid_at(grid, RECORD_INSTANCE, i);
        const struct grid_seat *seat = vec_at(&filling->seats, filling->seat_of[i]);
        if ((table->rows[i].said & SAID_SIZE) == 0) instance->size = seat->size;
        if ((table->rows[i].said & SAID_PRIORITY) == 0) instance->priority = seat->priority;
        if (instance->image[0] == '\0') instance->image = seat->image;
        if (instance->digest[0] == '\0') instance->digest = seat->digest;
    }
    size_t documents = grid->tables[RECORD_FARM].length;
    for (size_t i = 0; good && i < documents; i++) { /* in one order with filling->farms */
        const struct farm *farm = grid_at(grid, RECORD_FARM, i);
        good = fill_addresses(filling, vec_at(&filling->farms, i), farm->subnet, &addresses, err);
    }
    vec_free(&addresses.given);
    mem_free(addresses.taken);
    return good;
}

static bool fill_addresses(struct filling *filling, const struct grid_farm *farm, struct prefix subnet,
                           struct addresses *addresses, struct error *err)
{
    struct grid *grid = filling->grid;
    uint64_t room = (1ULL << (32 - subnet.bits)) - 1; /* the last one is the broadcast address */
    /* The lowest free offset is never above the number of members. */
    size_t length = (size_t)farm->instances + OFFSET_FIRST + 1, offset = OFFSET_FIRST;
    if (addresses->capacity < length) {
        addresses->taken = mem_realloc_array(addresses->taken, 2 * length, 1);
        addresses->capacity = 2 * length;
    }
    memset(addresses->taken, 0, length);
    if (!check_addresses(filling, farm, subnet, addresses, err)) return false;
    for (size_t i = 0; i < addresses->given.length; i++) {
        uint32_t address = ((struct given *)vec_at(&addresses->given, i))->address;
        if (address >= subnet.address && address - subnet.address < length)
            addresses->taken[address - subnet.address] = 1;
    }
    for (uint32_t i = farm->instance; i != GRID_NONE; i = filling->next[i]) {
        struct instance *instance = grid_at(grid, RECORD_INSTANCE, i);
        if (instance->address != 0 || instance->host[0] == '\0') continue;
        while (addresses->taken[offset] != 0)
            offset++;
        if (offset >= room) {
            error_set(err, ERROR_INVALID, "farm %s has more instances than its subnet has addresses",
                      farm->name);
            return grid_refuse(grid, RECORD_INSTANCE, i, "name", err);
        }
        instance->address = subnet.address + (uint32_t)offset++;
    }
    return true;
}

/* Collects those that are said. One that croft gave may be of an older subnet. */
static bool check_addresses(struct filling *filling, const struct grid_farm *farm, struct prefix subnet,
                            struct addresses *addresses, struct error *err)
{
    const struct grid *grid = filling->grid;
    vec_clear(&addresses->given);
    for (uint32_t i = farm->instance; i != GRID_NONE; i = filling->next[i]) {
        const struct instance *instance = grid_at(grid, RECORD_INSTANCE, i);
        if (instance->address == 0) continue;
        *(struct given *)vec_push(&addresses->given) = (struct given){instance->address, i};
        bool inside = (instance->address ^ subnet.address) >> (32 - subnet.bits) == 0;
        if (inside || (grid->tables[RECORD_INSTANCE].rows[i].said & SAID_INCARNATION) != 0) continue;
        error_set(err, ERROR_INVALID, "is not in the subnet of farm %s", farm->name);
        return grid_refuse(grid, RECORD_INSTANCE, i, "address", err);
    }
    vec_sort(&addresses->given, compare_given);
    for (size_t i = 1; i < addresses->given.length; i++) {
        const struct given *a = vec_at(&addresses->given, i - 1), *b = vec_at(&addresses->given, i);
        if (a->address != b->address) continue;
        error_set(err, ERROR_INVALID, "%s has this address already",
                  ((struct instance *)grid_at(grid, RECORD_INSTANCE, a->instance))->name);
        return grid_refuse(grid, RECORD_INSTANCE, b->instance, "address", err);
    }
    return true;
}

static int compare_given(const void *a, const void *b)
{
    const struct given *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address ? 1 : 0;
}

/* Every farm that has instances has a network of its own: the lowest free number. */
static bool give_networks(struct filling *filling, struct error *err)
{
    struct vec taken = VEC_OF(int64_t);
    bool good = check_networks(filling->grid, &taken, err);
    size_t at = 0;
    int64_t vni = 1;
    for (size_t i = 0; good && i < filling->farms.length; i++) {
        const struct grid_farm *farm = vec_at(&filling->farms, i);
        if (farm->has_fact || farm->instances == 0) continue;
        while (at < taken.length && *(int64_t *)vec_at(&taken, at) <= vni)
            if (*(int64_t *)vec_at(&taken, at++) == vni) vni++;
        good = vni <= VNI_MAX || error_set(err, ERROR_TOO_LARGE, "more than %d farms", VNI_MAX);
        if (good) add_fact(filling, farm, vni++);
    }
    vec_free(&taken);
    return good;
}

static bool check_networks(const struct grid *grid, struct vec *taken, struct error *err)
{
    const struct grid_table *table = &grid->tables[RECORD_FARM_FACT];
    for (size_t i = 0; i < table->length; i++)
        *(int64_t *)vec_push(taken) = ((struct farm_fact *)grid_at(grid, RECORD_FARM_FACT, i))->vni;
    vec_sort(taken, compare_vnis);
    for (size_t i = 1; i < taken->length; i++) {
        int64_t vni = *(int64_t *)vec_at(taken, i);
        if (vni == 0 || vni != *(int64_t *)vec_at(taken, i - 1)) continue;
        size_t first = SIZE_MAX;
        for (size_t k = 0; k < table->length; k++) {
            const struct farm_fact *fact = grid_at(grid, RECORD_FARM_FACT, k);
            if (fact->vni != vni) continue;
            if (first == SIZE_MAX) {
                first = k;
                continue;
            }
            error_set(err, ERROR_INVALID, "farm %s has network %lld already",
                      ((struct farm_fact *)grid_at(grid, RECORD_FARM_FACT, first))->name, (long long)vni);
            return grid_refuse(grid, RECORD_FARM_FACT, k, "vni", err);
        }
    }
    return true;
}

static int compare_vnis(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y ? 1 : 0;
}

/* Its counters are above the numbers that are there. */
static void add_fact(struct filling *filling, const struct grid_farm *farm, int64_t vni)
{
    struct grid *grid = filling->grid;
    struct tier_counter *counters = arena_alloc_array(grid->arena, farm->seats, sizeof(*counters));
    size_t length = 0;
    for (uint32_t at = farm->seat; at != GRID_NONE;) {
        const struct grid_seat *seat = vec_at(&filling->seats, at);
        if (seat->number_max > 0)
            counters[length++] = (struct tier_counter){.tier = seat->name, .next = seat->number_max + 1};
        at = seat->next;
    }
    struct farm_fact *fact = grid_add(grid, RECORD_FARM_FACT, (struct grid_row){0});
    schema_defaults(&schema_farm_fact, grid->arena, fact);
    fact->name = farm->name;
    fact->vni = vni;
    fact->counters = counters;
    fact->counters_length = length;
}
