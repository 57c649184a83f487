#include "plan/place/address.h"

#include "base/planted.h"

static bool offset_of(const struct work *work, const struct work_instance *i, size_t *ret_offset);
static void make_room(struct work *work, struct work_farm *farm, size_t offset);
static uint64_t mac_of(int64_t vni, uint32_t address);

void address_open(struct work *work, size_t farm)
{
    struct work_farm *f = &work->farms[farm];
    f->address_next = ADDRESS_OFFSET_FIRST;
    if (f->intent) make_room(work, f, f->living + ADDRESS_OFFSET_FIRST);
}

void address_take(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    struct work_farm *farm = &work->farms[i->farm];
    size_t offset = 0;
    /* The lowest free offset is never above the number of records, so what lies beyond needs no note. */
    if (PLANTED(address_twice)) return;
    if (offset_of(work, i, &offset) && offset < farm->taken_length) farm->taken[offset] = true;
}

bool address_give(struct work *work, size_t instance)
{
    struct work_farm *farm = &work->farms[work->instances[instance].farm];
    uint32_t address = 0;
    if (farm->intent == NULL) return false;
    uint64_t size = 1ULL << (32 - farm->intent->subnet.bits);
    for (;; farm->address_next++) {
        if (farm->address_next + 1 >= size) return false; /* the last one is the subnet's broadcast address */
        if (farm->address_next >= farm->taken_length) make_room(work, farm, farm->address_next);
        if (!farm->taken[farm->address_next]) break;
    }
    address = farm->intent->subnet.address + (uint32_t)farm->address_next;
    farm->taken[farm->address_next] = true;
    struct instance *record = work_edit(work, instance);
    record->address = address;
    record->mac = mac_of(farm->fact.vni, address);
    return true;
}

void address_release(struct work *work, size_t instance)
{
    const struct work_instance *i = &work->instances[instance];
    struct work_farm *farm = &work->farms[i->farm];
    size_t offset = 0;
    if (!offset_of(work, i, &offset) || offset >= farm->taken_length) return;
    farm->taken[offset] = false;
    if (offset < farm->address_next) farm->address_next = offset;
}

static bool offset_of(const struct work *work, const struct work_instance *i, size_t *ret_offset)
{
    const struct work_farm *farm = &work->farms[i->farm];
    if (farm->intent == NULL || i->record->address < farm->intent->subnet.address) return false;
    *ret_offset = i->record->address - farm->intent->subnet.address;
    return *ret_offset >= ADDRESS_OFFSET_FIRST;
}

/* Notes for at least offset + 1; those of records that lie beyond the old notes are read again. */
static void make_room(struct work *work, struct work_farm *farm, size_t offset)
{
    size_t length = 2 * (offset + 8), farm_index = (size_t)(farm - work->farms), old = farm->taken_length;
    bool *taken = arena_alloc_array(work->arena, length, sizeof(*taken));
    if (old) memcpy(taken, farm->taken, old * sizeof(*taken));
    farm->taken = taken;
    farm->taken_length = length;
    for (size_t t = farm->tier_first; old && t < farm->tier_first + farm->tiers_length; t++)
        for (size_t m = 0; m < work->tiers[t].members.length; m++) {
            size_t instance = work->tiers[t].members.items[m];
            if (!work->instances[instance].forgotten && work->instances[instance].farm == farm_index)
                address_take(work, instance);
        }
}

/* 02:c0 is a locally administered prefix. For one network the rest is a bijection of the address, so that no
 * two members share one; the network stirs it, so that a packet in the wrong network finds no taker. */
static uint64_t mac_of(int64_t vni, uint32_t address)
{
    uint32_t stir = (uint32_t)vni * 2654435761U; /* Knuth, TAOCP 3, 6.4: multiplicative hashing */
    return 0x02c000000000ULL | (uint64_t)(address ^ stir);
}
