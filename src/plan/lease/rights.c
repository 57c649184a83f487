#include "plan/lease/rights.h"

#include "base/text.h"
#include "model/schemas.h"

/* Of whom a right lets one do something. */
enum reach {
    REACH_OWN,    /* of oneself */
    REACH_WITHIN, /* of oneself and of parties below */
    REACH_BELOW,  /* of parties below */
    REACH_ANY,    /* it is nobody's in particular */
};

struct rule {
    unsigned right;
    enum reach reach;
};

enum { RULES_MAX = 2 };

/* Any of an operation's rules lets it. */
static const struct rule rules[DEEDS][RULES_MAX] = {
    [DEED_LOOK] = {{RIGHT_READ, REACH_WITHIN}},
    [DEED_LOOK_INSIDE] = {{RIGHT_SOFTWARE, REACH_WITHIN}, {RIGHT_DEVELOP, REACH_WITHIN}},
    [DEED_HOST] = {{RIGHT_HARDWARE, REACH_ANY}},
    [DEED_FARM] = {{RIGHT_SOFTWARE, REACH_WITHIN}},
    [DEED_VERSION] = {{RIGHT_SOFTWARE, REACH_WITHIN}, {RIGHT_DEVELOP, REACH_WITHIN}},
    [DEED_INSTANCE] = {{RIGHT_SOFTWARE, REACH_WITHIN}},
    /* Hardware: the boundary between parties below. */
    [DEED_FILTER] = {{RIGHT_SOFTWARE, REACH_WITHIN}, {RIGHT_HARDWARE, REACH_OWN}},
    [DEED_CONTACT] = {{RIGHT_SOFTWARE, REACH_WITHIN}, {RIGHT_HARDWARE, REACH_OWN}},
    [DEED_KEY] = {{RIGHT_SOFTWARE, REACH_WITHIN}},
    [DEED_IMAGE] = {{RIGHT_DEVELOP, REACH_WITHIN}},
    [DEED_PARTY] = {{RIGHT_LEASE, REACH_BELOW}},
    [DEED_LEASE] = {{RIGHT_LEASE, REACH_WITHIN}},
    [DEED_TOKEN] = {{RIGHT_LEASE, REACH_WITHIN}},
    [DEED_SERVICE] = {{RIGHT_LEASE, REACH_WITHIN}},
};

static const unsigned of_console[CONSOLES] = {
    [CONSOLE_ANY] = RIGHTS_ALL,
    [CONSOLE_HARDWARE] = RIGHT_HARDWARE | RIGHT_LEASE | RIGHT_READ,
    [CONSOLE_SOFTWARE] = RIGHT_SOFTWARE | RIGHT_LEASE | RIGHT_READ,
    [CONSOLE_DEVELOPMENT] = RIGHT_DEVELOP | RIGHT_READ,
};

static bool reaches(const struct lease_tree *tree, enum reach reach, const char *caller, const char *target);
static const char *name_of(unsigned right);

const char *const console_names[] = {"", "hardware", "software", "development", NULL};

unsigned console_rights(enum console console)
{
    return of_console[console];
}

unsigned rights_at_hand(const struct lease_tree *tree, const char *caller, enum console console)
{
    const struct holding *holding = lease_holding(tree, caller);
    return holding ? holding->rights & of_console[console] : 0;
}

const char *rights_allow(const struct lease_tree *tree, const char *caller, enum console console,
                         enum deed deed, const char *target)
{
    unsigned rights = rights_at_hand(tree, caller, console);

    for (size_t i = 0; i < RULES_MAX; i++) {
        const struct rule *rule = &rules[deed][i];
        if (rights & rule->right && reaches(tree, rule->reach, caller, target)) return name_of(rule->right);
    }
    return NULL;
}

const char *rights_end(const struct lease_tree *tree, const char *caller, enum console console,
                       const struct lease *lease)
{
    bool side = text_equal(caller, lease->to) || lease_is_within(tree, lease->from, caller);

    return side && of_console[console] & RIGHT_LEASE ? name_of(RIGHT_LEASE) : NULL;
}

const char *rights_needed(struct arena *arena, enum deed deed)
{
    const struct rule *rule = rules[deed];
    const char *first = name_of(rule[0].right);

    return rule[1].right ? arena_printf(arena, "%s (or %s)", first, name_of(rule[1].right)) : first;
}

static bool reaches(const struct lease_tree *tree, enum reach reach, const char *caller, const char *target)
{
    bool is_root = text_equal(caller, PARTY_LANDLORD); /* all is below it, also what is not there yet */

    switch (reach) {
    case REACH_OWN:
        return text_equal(caller, target);
    case REACH_WITHIN:
        return is_root || lease_is_within(tree, target, caller);
    case REACH_BELOW:
        return !text_equal(caller, target) && (is_root || lease_is_within(tree, target, caller));
    case REACH_ANY:
        return true;
    }
    UNREACHABLE();
}

static const char *name_of(unsigned right)
{
    for (unsigned i = 0; i < RIGHTS_LENGTH; i++)
        if (right == 1U << i) return right_names[i];
    UNREACHABLE();
}
