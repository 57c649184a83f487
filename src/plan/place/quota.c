#include "plan/place/quota.h"

#include "base/buf.h"
#include "base/text.h"
#include "plan/place/place.h"

struct use {
    struct amount amount;
    int64_t instances;
};

struct account {
    const char *name;
    const struct party *party; /* NULL: no document, so no limits and nobody known above it */
    size_t parent;             /* account; NONE: the landlord, who has no limits */
    struct use own, all;       /* all: with the parties below it; right when quotas->settled */
    uint64_t seen;             /* the last climb that came by */
};

struct quotas {
    struct account *accounts;
    size_t length, capacity;
    struct map *by_name; /* number + 1 */
    bool settled;        /* parents and `all` of every account are right */
    uint64_t climbs;
};

static size_t account_get(struct work *work, const char *name);
static void climb(struct quotas *quotas, size_t from, const struct use *use, int sign);
static void add(struct use *sum, const struct use *use, int sign);
static struct use use_of(const struct work_instance *i);
static const char *refuse(struct work *work, size_t payer, size_t at, size_t dimension,
                          const struct amount *size);
static void say_own(struct buf *text, const struct account *account, size_t dimension);

struct quotas *quotas_new(void)
{
    struct quotas *quotas = mem_alloc(sizeof(*quotas));
    quotas->by_name = map_new();
    return quotas;
}

void quotas_free(struct quotas *quotas)
{
    if (quotas == NULL) return;
    mem_free(quotas->accounts);
    map_free(quotas->by_name);
    mem_free(quotas);
}

void quota_tell(struct work *work, const char *name, const struct party *party)
{
    size_t account = account_get(work, name);
    work->quotas->accounts[account].party = party;
    work->quotas->settled = false;
}

void quota_settle(struct work *work)
{
    struct quotas *quotas = work->quotas;
    if (quotas->settled) return;
    for (size_t a = 0; a < quotas->length; a++) {
        const struct party *party = quotas->accounts[a].party;
        size_t parent = NONE;
        if (party && !text_equal(party->parent, PARTY_LANDLORD)) parent = account_get(work, party->parent);
        quotas->accounts[a].parent = parent;
        quotas->accounts[a].all = (struct use){0};
    }
    quotas->settled = true;
    for (size_t a = 0; a < quotas->length; a++)
        climb(quotas, a, &quotas->accounts[a].own, 1);
}

void quota_leave(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    if (i->payer == NONE) return;
    struct use use = use_of(i);
    add(&work->quotas->accounts[i->payer].own, &use, -1);
    if (work->quotas->settled) climb(work->quotas, i->payer, &use, -1);
    i->payer = NONE;
}

void quota_enter(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    if (i->payer != NONE || i->record == NULL || i->forgotten) return;
    if (i->record->incarnation == 0 && i->record->host[0] == '\0') return;
    struct use use = use_of(i);
    i->payer = account_get(work, i->record->party);
    add(&work->quotas->accounts[i->payer].own, &use, 1);
    if (work->quotas->settled) climb(work->quotas, i->payer, &use, 1);
}

const char *quota_refusal(struct work *work, size_t tier, size_t instance, bool replaces)
{
    struct quotas *quotas = work->quotas;
    const struct work_tier *t = &work->tiers[tier];
    const struct work_instance *i = instance == NONE ? NULL : &work->instances[instance];
    struct amount size = amount_of(&t->intent->size);
    struct use was = i && i->payer != NONE ? use_of(i) : (struct use){0};
    size_t payer = account_get(work, i ? i->record->party : work->farms[t->farm].intent->party);

    quotas->climbs++;
    for (size_t a = payer; a != NONE && quotas->accounts[a].seen != quotas->climbs;
         a = quotas->accounts[a].parent) {
        struct account *account = &quotas->accounts[a];
        account->seen = quotas->climbs;
        if (account->party == NULL) continue;
        struct amount limit = amount_of(&account->party->quota.resources);
        for (size_t d = 0; d < DIMENSIONS; d++) {
            /* What stays the same, or shrinks, is never refused: nothing ends because a quota did. */
            if (limit.of[d] < 0 || size.of[d] == 0 || (!replaces && size.of[d] <= was.amount.of[d])) continue;
            if (account->all.amount.of[d] - was.amount.of[d] + size.of[d] > limit.of[d])
                return refuse(work, payer, a, d, &size);
        }
        int64_t most = account->party->quota.instances;
        if (most < 0 || (!replaces && was.instances == 1)) continue;
        if (account->all.instances - was.instances + 1 > most)
            return refuse(work, payer, a, DIMENSIONS, &size);
    }
    return NULL;
}

static size_t account_get(struct work *work, const char *name)
{
    struct quotas *quotas = work->quotas;
    uintptr_t number = (uintptr_t)map_get(quotas->by_name, name);
    if (number != 0) return number - 1;
    if (quotas->length == quotas->capacity) {
        quotas->capacity = quotas->capacity ? 2 * quotas->capacity : 8;
        quotas->accounts = mem_realloc_array(quotas->accounts, quotas->capacity, sizeof(*quotas->accounts));
    }
    quotas->accounts[quotas->length++] =
        (struct account){.name = arena_strdup(work->names, name), .parent = NONE};
    map_put(quotas->by_name, name, (void *)quotas->length);
    return quotas->length - 1;
}

/* Adds to `all` of the account and of those above it, each once: in a damaged store they may go in a circle.
 */
static void climb(struct quotas *quotas, size_t from, const struct use *use, int sign)
{
    quotas->climbs++;
    for (size_t a = from; a != NONE && quotas->accounts[a].seen != quotas->climbs;
         a = quotas->accounts[a].parent) {
        quotas->accounts[a].seen = quotas->climbs;
        add(&quotas->accounts[a].all, use, sign);
    }
}

static void add(struct use *sum, const struct use *use, int sign)
{
    for (size_t d = 0; d < DIMENSIONS; d++)
        sum->amount.of[d] += sign * use->amount.of[d];
    sum->instances += sign * use->instances;
}

static struct use use_of(const struct work_instance *i)
{
    return (struct use){amount_of(&i->record->size), 1};
}

/* The figures stand behind ": of": where only they change it is the same reason (order/act.c). */
static const char *refuse(struct work *work, size_t payer, size_t at, size_t dimension,
                          const struct amount *size)
{
    const struct account *account = &work->quotas->accounts[at];
    CLEANUP_BUF struct buf text = {0};

    if (at == payer)
        buf_printf(&text, "party %s has no quota left for ", account->name);
    else
        buf_printf(&text, "a quota above party %s's leaves nothing for ", work->quotas->accounts[payer].name);
    if (dimension == DIMENSIONS) {
        buf_add_text(&text, "one more instance");
    } else {
        buf_printf(&text, "%s ", place_dimension(dimension));
        place_say(&text, dimension, size->of[dimension]);
    }
    if (at == payer) say_own(&text, account, dimension);
    return arena_strdup(work->arena, buf_text(&text));
}

static void say_own(struct buf *text, const struct account *account, size_t dimension)
{
    if (dimension == DIMENSIONS) {
        buf_printf(text, ": of its %lld instances %lld are used", (long long)account->party->quota.instances,
                   (long long)account->all.instances);
        return;
    }
    buf_add_text(text, ": of its ");
    place_say(text, dimension, amount_of(&account->party->quota.resources).of[dimension]);
    buf_printf(text, "%s %s ", dimension == 0 ? "" : " of", place_dimension(dimension));
    place_say(text, dimension, account->all.amount.of[dimension]);
    buf_add_text(text, dimension == 0 ? " are used" : " is used");
}
