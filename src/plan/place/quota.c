#include "plan/place/quota.h"

#include "base/buf.h"
#include "base/text.h"
#include "model/quotas.h"
#include "plan/place/place.h"

#define PROMISE_MAX (1LL << 50)

struct use {
    struct amount amount;
    int64_t instances;
};

/* Promised: what the documents of farms say, as the admission counts it. Warm instances are no promise: they
 * get what the promise leaves, and give it back when that grows, or they would hold up what was promised. Nor
 * do they get what others wait for: what is freed for these in one plan would be a new warm one's. */
struct share {
    struct use used, warm, promised; /* used: warm ones, too */
    struct use waits;                /* for their first place, and so not used yet; no warm ones */
};

struct account {
    const char *name;
    const struct party *party; /* NULL: no document, so no limits and nobody known above it */
    struct quota leased;       /* what its leases give together */
    struct quota limit;        /* the least of its quota and of that */
    size_t parent;             /* account; NONE: the landlord, who has no limits */
    struct share own, all;     /* all: with the parties below it; right when quotas->settled */
    bool overdrawn;            /* its warm ones hold up what is promised: in quota_settle() */
    uint64_t seen;             /* the last climb that came by */
};

struct quotas {
    struct account *accounts;
    size_t length, capacity;
    struct map *by_name; /* number + 1 */
    bool settled;        /* parents and `all` of every account are right */
    bool weighed;        /* no promise or limit changed since the warm ones were looked at */
    uint64_t climbs;
};

static size_t account_get(struct work *work, const char *name);
static void find_limit(struct account *account);
static void add_up(struct work *work);
static void climb(struct quotas *quotas, size_t from, const struct share *share, int sign);
static void change(struct quotas *quotas, size_t account, const struct share *share, int sign);
static void add(struct share *sum, const struct share *share, int sign);
static void add_use(struct use *sum, const struct use *use, int sign);
static struct use use_of(const struct work_instance *i);
static struct share share_of(const struct work_instance *i);
static void promise(struct use *sum, int64_t count, const struct resources *size);
static bool find_overdrawn(struct quotas *quotas);
static size_t overdraft(const struct account *account, const struct use *of);
static void call_warm(struct work *work);
static const char *refuse(struct work *work, size_t payer, size_t at, size_t dimension,
                          const struct amount *size, int64_t used);
static int64_t left(int64_t limit, int64_t used);
static int64_t taken(const struct account *account, size_t dimension, bool is_warm);
static void say_own(struct buf *text, const struct account *account, size_t dimension, int64_t used,
                    const char *what);

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
    find_limit(&work->quotas->accounts[account]);
    work->quotas->settled = work->quotas->weighed = false;
}

void quota_tell_leased(struct work *work, const char *name, const struct quota *leased)
{
    size_t account = account_get(work, name);
    work->quotas->accounts[account].leased = *leased;
    find_limit(&work->quotas->accounts[account]);
    work->quotas->weighed = false;
}

static void find_limit(struct account *account)
{
    account->limit = account->leased;
    if (account->party) limits_least(&account->limit, &account->party->quota);
}

void quota_promise(struct work *work, const struct farm *farm, int sign)
{
    struct share share = {0};
    if (farm == NULL) return;
    for (size_t t = 0; t < farm->tiers_length; t++)
        promise(&share.promised, farm->tiers[t].count.committed, &farm->tiers[t].size);
    if (farm->balance_length > 0) {
        struct tier balancer = balance_tier_of(farm);
        promise(&share.promised, 1, &balancer.size);
    }
    change(work->quotas, account_get(work, farm->party), &share, sign);
    work->quotas->weighed = false;
}

void quota_settle(struct work *work)
{
    struct quotas *quotas = work->quotas;
    if (!quotas->settled) add_up(work);
    if (!quotas->weighed && find_overdrawn(quotas)) call_warm(work);
    quotas->weighed = true;
}

static void add_up(struct work *work)
{
    struct quotas *quotas = work->quotas;
    for (size_t a = 0; a < quotas->length; a++) {
        const struct party *party = quotas->accounts[a].party;
        size_t parent = NONE;
        if (party && !text_equal(party->parent, PARTY_LANDLORD)) parent = account_get(work, party->parent);
        quotas->accounts[a].parent = parent;
        quotas->accounts[a].all = (struct share){0};
    }
    quotas->settled = true;
    for (size_t a = 0; a < quotas->length; a++)
        climb(quotas, a, &quotas->accounts[a].own, 1);
}

void quota_leave(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    if (i->asker != NONE) {
        const struct share waits = {.waits = use_of(i)};
        change(work->quotas, i->asker, &waits, -1);
        i->asker = NONE;
    }
    if (i->payer == NONE) return;
    struct share share = share_of(i);
    change(work->quotas, i->payer, &share, -1);
    i->payer = NONE;
}

void quota_enter(struct work *work, size_t instance)
{
    struct work_instance *i = &work->instances[instance];
    if (i->payer != NONE || i->asker != NONE || i->record == NULL || i->forgotten) return;
    if (!instance_counts(i->record)) {
        if (i->record->wanted != WANTED_RUN) return;
        i->asker = account_get(work, i->record->party);
        const struct share waits = {.waits = use_of(i)};
        change(work->quotas, i->asker, &waits, 1);
        return;
    }
    i->payer = account_get(work, i->record->party);
    i->pays_warm = i->record->wanted == WANTED_WARM;
    struct share share = share_of(i);
    change(work->quotas, i->payer, &share, 1);
}

const char *quota_refusal(struct work *work, size_t tier, size_t instance, bool replaces)
{
    struct quotas *quotas = work->quotas;
    const struct work_tier *t = &work->tiers[tier];
    const struct work_instance *i = instance == NONE ? NULL : &work->instances[instance];
    bool is_warm = i && i->payer == NONE && i->record->wanted == WANTED_WARM;
    struct amount size = amount_of(&t->intent->size);
    struct use was = i && i->payer != NONE ? use_of(i) : (struct use){0};
    size_t payer = account_get(work, i ? i->record->party : work->farms[t->farm].intent->party);

    quotas->climbs++;
    for (size_t a = payer; a != NONE && quotas->accounts[a].seen != quotas->climbs;
         a = quotas->accounts[a].parent) {
        struct account *account = &quotas->accounts[a];
        account->seen = quotas->climbs;
        if (account->party == NULL) continue;
        struct amount limit = amount_of(&account->limit.resources);
        for (size_t d = 0; d < DIMENSIONS; d++) {
            /* What stays the same, or shrinks, is never refused: nothing ends because a quota did. */
            if (limit.of[d] < 0 || size.of[d] == 0 || (!replaces && size.of[d] <= was.amount.of[d])) continue;
            int64_t used = taken(account, d, is_warm);
            if (used - was.amount.of[d] + size.of[d] > limit.of[d])
                return refuse(work, payer, a, d, &size, used);
        }
        int64_t most = account->limit.instances;
        if (most < 0 || (!replaces && was.instances == 1)) continue;
        int64_t used = taken(account, DIMENSIONS, is_warm);
        if (used - was.instances + 1 > most) return refuse(work, payer, a, DIMENSIONS, &size, used);
    }
    return NULL;
}

bool quota_recalls(struct work *work, size_t instance)
{
    struct quotas *quotas = work->quotas;
    const struct work_instance *i = &work->instances[instance];
    if (i->payer == NONE || !i->pays_warm) return false;
    struct use use = use_of(i);
    quotas->climbs++;
    for (size_t a = i->payer; a != NONE && quotas->accounts[a].seen != quotas->climbs;
         a = quotas->accounts[a].parent) {
        quotas->accounts[a].seen = quotas->climbs;
        if (quotas->accounts[a].party && overdraft(&quotas->accounts[a], &use) != NONE) return true;
    }
    return false;
}

void quota_view(struct work *work, struct arena *arena, const struct share_party **ret_parties,
                size_t *ret_length)
{
    struct quotas *quotas = work->quotas;
    quota_settle(work);
    struct share_party *parties = arena_alloc_array(arena, quotas->length, sizeof(*parties));
    for (size_t a = 0; a < quotas->length; a++) {
        const struct account *account = &quotas->accounts[a];
        struct amount limit = {{-1, -1, -1, -1}};
        if (account->party) limit = amount_of(&account->limit.resources);
        int64_t most = account->party ? account->limit.instances : -1;
        parties[a].parent = account->parent;
        for (size_t d = 0; d < DIMENSIONS; d++)
            parties[a].left[d] = left(limit.of[d], account->all.used.amount.of[d]);
        parties[a].instances_left = left(most, account->all.used.instances);
    }
    *ret_parties = parties;
    *ret_length = quotas->length;
}

size_t quota_number(struct work *work, const char *party)
{
    return account_get(work, party);
}

/* -1: there is no limit. */
static int64_t left(int64_t limit, int64_t used)
{
    if (limit < 0) return -1;
    return limit > used ? limit - used : 0;
}

/* What counts against one more; for a warm one also what is promised and not there yet, or waits. */
static int64_t taken(const struct account *account, size_t dimension, bool is_warm)
{
    const struct share *all = &account->all;
    bool is_sum = dimension < DIMENSIONS;
    int64_t used = is_sum ? all->used.amount.of[dimension] : all->used.instances;
    if (!is_warm) return used;
    used += is_sum ? all->waits.amount.of[dimension] : all->waits.instances;
    int64_t promised = is_sum ? all->promised.amount.of[dimension] + all->warm.amount.of[dimension]
                              : all->promised.instances + all->warm.instances;
    return promised > used ? promised : used;
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
    quotas->accounts[quotas->length++] = (struct account){
        .name = arena_strdup(work->names, name), .parent = NONE, .leased = limits_none, .limit = limits_none};
    map_put(quotas->by_name, name, (void *)quotas->length);
    return quotas->length - 1;
}

static void change(struct quotas *quotas, size_t account, const struct share *share, int sign)
{
    add(&quotas->accounts[account].own, share, sign);
    if (quotas->settled) climb(quotas, account, share, sign);
}

/* Adds to `all` of the account and of those above it, each once: in a damaged store they may go in a circle.
 */
static void climb(struct quotas *quotas, size_t from, const struct share *share, int sign)
{
    quotas->climbs++;
    for (size_t a = from; a != NONE && quotas->accounts[a].seen != quotas->climbs;
         a = quotas->accounts[a].parent) {
        quotas->accounts[a].seen = quotas->climbs;
        add(&quotas->accounts[a].all, share, sign);
    }
}

static void add(struct share *sum, const struct share *share, int sign)
{
    add_use(&sum->used, &share->used, sign);
    add_use(&sum->warm, &share->warm, sign);
    add_use(&sum->promised, &share->promised, sign);
    add_use(&sum->waits, &share->waits, sign);
}

static void add_use(struct use *sum, const struct use *use, int sign)
{
    for (size_t d = 0; d < DIMENSIONS; d++)
        sum->amount.of[d] += sign * use->amount.of[d];
    sum->instances += sign * use->instances;
}

/* Of one farm no more than a sum of thousands of farms can hold: 1 Pi. */
static void promise(struct use *sum, int64_t count, const struct resources *size)
{
    struct amount each = amount_of(size);
    for (size_t d = 0; d < DIMENSIONS; d++) {
        int64_t all = 0;
        if (__builtin_mul_overflow(each.of[d], count, &all) || all > PROMISE_MAX) all = PROMISE_MAX;
        sum->amount.of[d] = sum->amount.of[d] + all > PROMISE_MAX ? PROMISE_MAX : sum->amount.of[d] + all;
    }
    sum->instances += count;
}

/* Accounts of which warm ones have to give something back. */
static bool find_overdrawn(struct quotas *quotas)
{
    bool any = false;
    for (size_t a = 0; a < quotas->length; a++) {
        struct account *account = &quotas->accounts[a];
        account->overdrawn = account->party && overdraft(account, &account->all.warm) != NONE;
        any |= account->overdrawn;
    }
    return any;
}

/* The farms that may have them are looked at. */
static void call_warm(struct work *work)
{
    struct quotas *quotas = work->quotas;
    for (size_t f = 0; f < work->farms_length; f++) {
        bool has_warm = false;
        for (size_t n = 0; !has_warm && n < work->farms[f].told_length; n++) {
            const struct work_instance *i = &work->instances[work->farms[f].instances.items[n]];
            quotas->climbs++;
            for (size_t a = i->pays_warm ? i->payer : NONE;
                 a != NONE && quotas->accounts[a].seen != quotas->climbs; a = quotas->accounts[a].parent) {
                quotas->accounts[a].seen = quotas->climbs;
                has_warm |= quotas->accounts[a].overdrawn;
            }
        }
        if (has_warm) work_dirty(work, f);
    }
}

/* Dimension (DIMENSIONS: instances) of `of` in which promise and warm ones are over the limit, or NONE. */
static size_t overdraft(const struct account *account, const struct use *of)
{
    struct amount limit = amount_of(&account->limit.resources);
    const struct share *all = &account->all;
    for (size_t d = 0; d < DIMENSIONS; d++)
        if (limit.of[d] >= 0 && of->amount.of[d] > 0 &&
            all->promised.amount.of[d] + all->warm.amount.of[d] > limit.of[d])
            return d;
    int64_t most = account->limit.instances;
    bool over = most >= 0 && of->instances > 0 && all->promised.instances + all->warm.instances > most;
    return over ? DIMENSIONS : NONE;
}

static struct use use_of(const struct work_instance *i)
{
    return (struct use){amount_of(&i->record->size), 1};
}

static struct share share_of(const struct work_instance *i)
{
    struct share share = {.used = use_of(i)};
    if (i->pays_warm) share.warm = share.used;
    return share;
}

/* The figures stand behind ": of": where only they change it is the same reason (order/act.c). */
static const char *refuse(struct work *work, size_t payer, size_t at, size_t dimension,
                          const struct amount *size, int64_t used)
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
    bool is_more = used > taken(account, dimension, false);
    if (at == payer) say_own(&text, account, dimension, used, is_more ? "taken or promised" : "taken");
    return arena_strdup(work->arena, buf_text(&text));
}

static void say_own(struct buf *text, const struct account *account, size_t dimension, int64_t used,
                    const char *what)
{
    if (dimension == DIMENSIONS) {
        buf_printf(text, ": of its %lld instances %lld are %s", (long long)account->limit.instances,
                   (long long)used, what);
        return;
    }
    buf_add_text(text, ": of its ");
    place_say(text, dimension, amount_of(&account->limit.resources).of[dimension]);
    buf_printf(text, "%s %s ", dimension == 0 ? "" : " of", place_dimension(dimension));
    place_say(text, dimension, used);
    buf_printf(text, dimension == 0 ? " are %s" : " is %s", what);
}
