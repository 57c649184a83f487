#include "plan/scale/claims.h"

#include "base/planted.h"
#include "base/text.h"

enum { PORTS = PUBLISH_PORT_LAST - PUBLISH_PORT_FIRST + 1 };

struct claims {
    uint8_t *vni_used; /* farms that have it: more than one only in a damaged store */
    size_t vni_capacity;
    size_t vni_lowest;  /* none below is free */
    struct map *owners; /* address -> farm + 1 */
    bool ports[PORTS];  /* AUTO_ADDRESS has an owner */
    size_t port_lowest; /* none below is free */
};

static void take_vni(struct claims *claims, int64_t vni);
static void return_vni(struct claims *claims, int64_t vni);
static size_t auto_port(const char *address);

struct claims *claims_new(void)
{
    struct claims *claims = mem_alloc(sizeof(*claims));
    claims->owners = map_new();
    claims->vni_lowest = 1;
    return claims;
}

void claims_free(struct claims *claims)
{
    if (claims == NULL) return;
    map_free(claims->owners);
    mem_free(claims->vni_used);
    mem_free(claims);
}

void claims_take(struct work *work, size_t farm, const struct farm_fact *fact)
{
    take_vni(work->claims, fact->vni);
    for (size_t e = 0; e < fact->endpoints_length; e++)
        claims_take_address(work, farm, fact->endpoints[e].value);
}

void claims_return(struct work *work, size_t farm, const struct farm_fact *fact)
{
    return_vni(work->claims, fact->vni);
    for (size_t e = 0; e < fact->endpoints_length; e++)
        claims_return_address(work, farm, fact->endpoints[e].value);
}

int64_t claims_free_vni(struct work *work)
{
    struct claims *claims = work->claims;
    while (claims->vni_lowest < claims->vni_capacity && claims->vni_used[claims->vni_lowest])
        claims->vni_lowest++;
    return claims->vni_lowest > VNI_MAX ? 0 : (int64_t)claims->vni_lowest;
}

size_t claims_owner(const struct work *work, const char *address)
{
    return (uintptr_t)map_get(work->claims->owners, address) - 1;
}

/* Of two that have one already (in a damaged store) the first by name counts. */
void claims_take_address(struct work *work, size_t farm, const char *address)
{
    struct claims *claims = work->claims;
    size_t owner = claims_owner(work, address), port = auto_port(address);
    if (owner != NONE && owner != farm &&
        text_compare_natural(work->farms[owner].name, work->farms[farm].name) < 0)
        return;
    map_put(claims->owners, address, (void *)(farm + 1));
    if (port < PORTS) claims->ports[port] = true;
}

void claims_return_address(struct work *work, size_t farm, const char *address)
{
    struct claims *claims = work->claims;
    size_t port = auto_port(address);
    if (claims_owner(work, address) != farm) return;
    map_remove(claims->owners, address);
    if (port >= PORTS) return;
    claims->ports[port] = false;
    if (port < claims->port_lowest) claims->port_lowest = port;
}

int claims_free_port(const struct work *work, int first)
{
    struct claims *claims = work->claims;
    size_t from = (size_t)(first - PUBLISH_PORT_FIRST);
    while (claims->port_lowest < PORTS && claims->ports[claims->port_lowest])
        claims->port_lowest++;
    for (size_t n = from > claims->port_lowest ? from : claims->port_lowest; n < PORTS; n++)
        if (!claims->ports[n]) return PUBLISH_PORT_FIRST + (int)n;
    return claims->port_lowest < PORTS ? PUBLISH_PORT_FIRST + (int)claims->port_lowest : 0;
}

static void take_vni(struct claims *claims, int64_t vni)
{
    if (vni <= 0 || vni > VNI_MAX) return;
    if (PLANTED(network_twice) && vni > 1) return;
    if ((size_t)vni >= claims->vni_capacity) {
        size_t capacity = 2 * (size_t)vni + 64;
        claims->vni_used = mem_realloc_array(claims->vni_used, capacity, 1);
        memset(claims->vni_used + claims->vni_capacity, 0, capacity - claims->vni_capacity);
        claims->vni_capacity = capacity;
    }
    if (claims->vni_used[vni] < UINT8_MAX) claims->vni_used[vni]++;
}

static void return_vni(struct claims *claims, int64_t vni)
{
    if (vni <= 0 || (size_t)vni >= claims->vni_capacity || claims->vni_used[vni] == 0) return;
    claims->vni_used[vni]--;
    if (claims->vni_used[vni] == 0 && (size_t)vni < claims->vni_lowest) claims->vni_lowest = (size_t)vni;
}

static size_t auto_port(const char *address)
{
    uint64_t port = 0;
    if (!text_starts(address, AUTO_ADDRESS) || !text_parse_u64(address + strlen(AUTO_ADDRESS), &port) ||
        port < PUBLISH_PORT_FIRST || port > PUBLISH_PORT_LAST)
        return PORTS;
    return (size_t)port - PUBLISH_PORT_FIRST;
}
