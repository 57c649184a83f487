#include "base/text.h"
#include "spec/document.h"
#include "spec/grid.h"

#include <string.h>

#define NUMBER_MAX (1LL << 53)

static bool split(struct texts *texts, const char *name, struct instance *ret_parts);
static bool is_name(const char *text, size_t size);
static bool agree(const char **said, const char *named, const char *field, struct error *err);
static bool fail(struct error *err, const char *field);

bool grid_name_instance(struct texts *texts, struct instance *instance, struct error *err)
{
    struct instance parts = {0};
    char shown[SHOWN_SIZE];
    if (!split(texts, instance->name, &parts)) {
        error_set(err, ERROR_INVALID, "expected PARTY/FARM/TIER-NUMBER such as acme/shop/web-1, found \"%s\"",
                  document_shown(shown, instance->name));
        return fail(err, "name");
    }
    const char *farm = strchr(parts.farm, '/') + 1;
    if (text_equal(instance->farm, farm)) instance->farm = parts.farm; /* its short name will do */
    if (!agree(&instance->party, parts.party, "party", err)) return false;
    if (!agree(&instance->farm, parts.farm, "farm", err)) return false;
    if (!agree(&instance->tier, parts.tier, "tier", err)) return false;
    if (instance->number != 0 && instance->number != parts.number) {
        error_set(err, ERROR_INVALID, "%lld is not what the name says, %lld", (long long)instance->number,
                  (long long)parts.number);
        return fail(err, "number");
    }
    instance->number = parts.number;
    return true;
}

static bool split(struct texts *texts, const char *name, struct instance *ret_parts)
{
    const char *party_end = strchr(name, '/');
    const char *farm_end = party_end == NULL ? NULL : strchr(party_end + 1, '/');
    const char *dash = farm_end == NULL ? NULL : strrchr(farm_end, '-');
    if (dash == NULL || dash[1] == '0') return false;
    uint64_t number;
    bool good = is_name(name, (size_t)(party_end - name)) &&
                is_name(party_end + 1, (size_t)(farm_end - party_end - 1)) &&
                is_name(farm_end + 1, (size_t)(dash - farm_end - 1)) && text_parse_u64(dash + 1, &number) &&
                number <= NUMBER_MAX;
    if (!good) return false;
    ret_parts->party = texts_keep(texts, name, (size_t)(party_end - name));
    ret_parts->farm = texts_keep(texts, name, (size_t)(farm_end - name));
    ret_parts->tier = texts_keep(texts, farm_end + 1, (size_t)(dash - farm_end - 1));
    ret_parts->number = (int64_t)number;
    return true;
}

/* As text_is_name(), of a piece. */
static bool is_name(const char *text, size_t size)
{
    char name[64];
    if (size >= sizeof(name)) return false;
    memcpy(name, text, size);
    name[size] = '\0';
    return text_is_name(name);
}

static bool agree(const char **said, const char *named, const char *field, struct error *err)
{
    char shown[SHOWN_SIZE];
    if (*said == named || (*said)[0] == '\0' || text_equal(*said, named)) {
        *said = named;
        return true;
    }
    error_set(err, ERROR_INVALID, "\"%s\" is not what the name says, \"%s\"", document_shown(shown, *said),
              named);
    return fail(err, field);
}

static bool fail(struct error *err, const char *field)
{
    return schema_error_at(err, NULL, field);
}
