/* What is done about a host that answers, but whose hardware goes bad: the steps of its pool's on_hardware.
 *
 * Whom a finding was told to is noted in it, and that a host is emptied in its fact: it stays so, though the
 * finding may come and go, until somebody activates it (or by the policy's `back`). A limit that is wrong is
 * wrong for a whole pool at once, so no policy drains more than a part of one. */
#include "base/text.h"
#include "plan/order/act.h"
#include "plan/recover/recover.h"

/* A host with findings, or emptied for some. */
struct patient {
    size_t host;
    const char *name;
    const struct host_fact *was;
    struct host_fact *is; /* what becomes of it; NULL: nothing new */
    const struct pool
        *pool; /* NULL: nobody decides, for its host does not answer, is not wanted, or has no policy */
    const char *spared; /* why it is not drained although it would be; "" */
    const char *reason; /* of what is new */
};

/* A drain that is due. */
struct due {
    struct patient *patient;
    const struct finding *finding;
    const struct hardware_step *step;
};

struct ward {
    struct work *work;
    struct patient *patients; /* by name */
    size_t length;
};

static struct ward gather(struct work *work, size_t *ret_findings);
static int compare_patients(const void *a, const void *b);
static int compare_dues(const void *a, const void *b);
static void release(struct ward *ward, struct patient *patient);
static void take_steps(struct ward *ward, struct patient *patient, struct due *dues, size_t *dues_length);
static void tell(struct ward *ward, struct patient *patient, size_t finding, size_t step);
static void drain(struct ward *ward, const struct due *due);
static void hosts_of(const struct ward *ward, const char *pool, size_t *ret_all, size_t *ret_emptied);
static struct host_fact *edit(struct work *work, struct patient *patient);
static const struct host_fact *fact_of(const struct patient *patient);
static bool is_due(struct work *work, int64_t at_ms);

void recover_hardware(struct work *work)
{
    size_t findings = 0, dues_length = 0;

    work->ailing_again_ms = 0;
    if (work->ailing.length == 0) return;
    struct ward ward = gather(work, &findings);
    struct due *dues = arena_alloc_array(work->arena, findings * HARDWARE_STEPS_MAX + 1, sizeof(*dues));
    for (size_t n = 0; n < ward.length; n++)
        release(&ward, &ward.patients[n]);
    for (size_t n = 0; n < ward.length; n++)
        take_steps(&ward, &ward.patients[n], dues, &dues_length);
    array_sort(dues, dues_length, sizeof(*dues), compare_dues);
    for (size_t n = 0; n < dues_length; n++)
        drain(&ward, &dues[n]);
    for (size_t n = 0; n < ward.length; n++) {
        struct patient *patient = &ward.patients[n];
        const char *spared = patient->was->spared ? patient->was->spared : "";
        if (!text_equal(spared, patient->spared)) edit(work, patient)->spared = patient->spared;
        if (!patient->is) continue;
        if (!patient->reason)
            patient->reason = patient->spared[0] ? patient->spared : "what was found is over";
        act_host(work, patient->is, patient->reason);
        work_tell_host(work, patient->host, work->hosts[patient->host].intent, patient->is);
        work->hosts[patient->host].fact_told = patient->was;
    }
}

/* Those that are well again leave it. */
static struct ward gather(struct work *work, size_t *ret_findings)
{
    struct ward ward = {.work = work};
    size_t findings = 0, kept = 0;

    ward.patients = arena_alloc_array(work->arena, work->ailing.length + 1, sizeof(*ward.patients));
    for (size_t n = 0; n < work->ailing.length; n++) {
        size_t h = work->ailing.items[n];
        struct work_host *host = &work->hosts[h];
        const struct host_fact *fact = host->fact;
        bool spared = fact && fact->spared && fact->spared[0];
        host->ails = fact && (fact->findings_length > 0 || host_is_emptied(fact) || spared);
        if (!host->ails) continue;
        work->ailing.items[kept++] = h;
        struct patient *patient = &ward.patients[ward.length++];
        *patient = (struct patient){.host = h, .name = host->name, .was = fact, .spared = ""};
        const struct pool *pool = map_get(work->pool_by_name, host->pool);
        bool judged = host->intent && fact->state == HOST_UP;
        if (judged && pool && pool->on_hardware_length > 0) patient->pool = pool;
        findings += fact->findings_length;
    }
    work->ailing.length = kept;
    array_sort(ward.patients, ward.length, sizeof(*ward.patients), compare_patients);
    *ret_findings = findings;
    return ward;
}

static int compare_patients(const void *a, const void *b)
{
    return text_compare_natural(((const struct patient *)a)->name, ((const struct patient *)b)->name);
}

/* Who has been bad for longest goes first. */
static int compare_dues(const void *a, const void *b)
{
    const struct due *one = a, *other = b;
    if (one->finding->since_ms != other->finding->since_ms)
        return one->finding->since_ms < other->finding->since_ms ? -1 : 1;
    int order = compare_patients(one->patient, other->patient);
    if (order != 0) return order;
    if (one->finding != other->finding) return one->finding < other->finding ? -1 : 1;
    return one->step < other->step ? -1 : one->step > other->step;
}

/* Back in service, where the policy says so: what was found is over for long enough. */
static void release(struct ward *ward, struct patient *patient)
{
    struct work *work = ward->work;
    int64_t back_ms = 0;
    char text[32];

    if (!patient->pool || !host_is_emptied(patient->was) || patient->was->findings_length > 0) return;
    for (size_t s = 0; s < patient->pool->on_hardware_length; s++)
        if (patient->pool->on_hardware[s].back_ms > back_ms) back_ms = patient->pool->on_hardware[s].back_ms;
    if (back_ms == 0 || !is_due(work, patient->was->findings_ms + back_ms)) return;
    edit(work, patient)->emptied = "";
    patient->reason =
        arena_printf(work->arena, "nothing was found for %s: active again by the policy of pool %s",
                     text_format_duration(text, back_ms), patient->pool->name);
}

static void take_steps(struct ward *ward, struct patient *patient, struct due *dues, size_t *dues_length)
{
    const struct pool *pool = patient->pool;
    const struct host *intent = ward->work->hosts[patient->host].intent;

    for (size_t f = 0; pool && f < patient->was->findings_length; f++) {
        const struct finding *finding = &patient->was->findings[f];
        for (size_t s = 0; !finding->accepted && s < pool->on_hardware_length; s++) {
            const struct hardware_step *step = &pool->on_hardware[s];
            bool told = step->what == HARDWARE_NOTIFY && (finding->steps >> s & 1);
            bool gone = step->what == HARDWARE_DRAIN &&
                        (host_is_emptied(fact_of(patient)) || intent->state != HOST_ACTIVE);
            if (!(step->on >> finding->kind & 1) || told || gone) continue;
            if (step->over > 0 && finding->value <= step->over) continue;
            if (!is_due(ward->work, finding->since_ms + step->after_ms)) continue;
            if (step->what == HARDWARE_NOTIFY)
                tell(ward, patient, f, s);
            else
                dues[(*dues_length)++] = (struct due){patient, finding, step};
        }
    }
}

static void tell(struct ward *ward, struct patient *patient, size_t finding, size_t step)
{
    struct arena *arena = ward->work->arena;
    struct host_fact *fact = edit(ward->work, patient);
    struct finding *copy = arena_alloc_array(arena, fact->findings_length, sizeof(*copy));

    for (size_t n = 0; n < fact->findings_length; n++)
        copy[n] = fact->findings[n];
    copy[finding].steps |= INT64_C(1) << step;
    fact->findings = copy;
    if (!patient->reason)
        patient->reason = arena_printf(arena, "step %zu of on_hardware of pool %s, notify %s: %s", step + 1,
                                       patient->pool->name, patient->pool->on_hardware[step].to,
                                       finding_text(arena, patient->name, &copy[finding]));
}

static void drain(struct ward *ward, const struct due *due)
{
    struct patient *patient = due->patient;
    struct arena *arena = ward->work->arena;
    const char *pool = patient->pool->name, *why = finding_text(arena, patient->name, due->finding);
    size_t all = 0, emptied = 0;

    if (host_is_emptied(fact_of(patient))) return;
    hosts_of(ward, pool, &all, &emptied);
    size_t most = all * (size_t)due->step->most_millis / 1000;
    if (most == 0) most = 1;
    if (most >= all) most = all - 1; /* it is one of them */
    if (emptied < most) {
        edit(ward->work, patient)->emptied = patient->reason =
            arena_printf(arena, "%s: drained by the policy of pool %s", why, pool);
        patient->spared = "";
    } else if (all == 1) {
        patient->spared = arena_printf(arena, "%s; it stays: it is the only host of pool %s", why, pool);
    } else if (!patient->spared[0]) {
        patient->spared = arena_printf(
            arena, "%s; it stays: the policy of pool %s drains at most %zu of its %zu hosts at once", why,
            pool, most, all);
    }
}

/* The pool's hosts that are wanted, and those of them that policy has emptied: all these are patients. */
static void hosts_of(const struct ward *ward, const char *pool, size_t *ret_all, size_t *ret_emptied)
{
    const struct work *work = ward->work;

    *ret_all = *ret_emptied = 0;
    for (size_t h = 0; h < work->hosts_length; h++)
        *ret_all += work->hosts[h].intent && text_equal(work->hosts[h].pool, pool);
    for (size_t n = 0; n < ward->length; n++) {
        const struct work_host *host = &work->hosts[ward->patients[n].host];
        *ret_emptied +=
            host->intent && text_equal(host->pool, pool) && host_is_emptied(fact_of(&ward->patients[n]));
    }
}

static struct host_fact *edit(struct work *work, struct patient *patient)
{
    if (patient->is) return patient->is;
    patient->is = arena_alloc(work->arena, sizeof(*patient->is));
    *patient->is = *patient->was;
    return patient->is;
}

static const struct host_fact *fact_of(const struct patient *patient)
{
    return patient->is ? patient->is : patient->was;
}

/* If not, it is looked at again then. */
static bool is_due(struct work *work, int64_t at_ms)
{
    if (work->now_ms >= at_ms) return true;
    if (work->ailing_again_ms == 0 || at_ms < work->ailing_again_ms) work->ailing_again_ms = at_ms;
    return false;
}
