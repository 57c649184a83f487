/* What parties hold by their leases: every small tree, against a second way to say it; and who may do what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/vec.h"
#include "model/quotas.h"
#include "model/schemas.h"
#include "plan/lease/rights.h"

enum {
    PARTIES_MAX = 8,
    LEASES_MAX = 16,
    IMPLIED = RIGHT_SOFTWARE | RIGHT_DEVELOP | RIGHT_LEASE | RIGHT_READ
};

struct grove {
    struct party parties[PARTIES_MAX];
    struct lease leases[LEASES_MAX];
    struct snapshot snapshot;
};

static void grow(struct grove *grove, const char *name, const char *parent)
{
    grove->parties[grove->snapshot.parties_length++] =
        (struct party){.name = name, .parent = parent, .quota = limits_none};
    grove->snapshot.parties = grove->parties;
}

static struct lease *give(struct grove *grove, const char *from, const char *to, unsigned rights)
{
    static const char *const names[] = {"l0", "l1", "l2",  "l3",  "l4",  "l5",  "l6",  "l7",
                                        "l8", "l9", "l10", "l11", "l12", "l13", "l14", "l15"};
    struct lease *lease = &grove->leases[grove->snapshot.leases_length];

    *lease = (struct lease){.name = names[grove->snapshot.leases_length++],
                            .from = from,
                            .to = to,
                            .rights = rights,
                            .capacity = limits_none,
                            .reason = "because"};
    grove->snapshot.leases = grove->leases;
    return lease;
}

/* A line of three, each with any rights and either state: what the innermost has is what all of them have. */
static void rights_are_those_of_the_line(void **state)
{
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    grow(&grove, "b", "a");
    grow(&grove, "c", "b");
    struct lease *line[] = {give(&grove, "landlord", "a", 0), give(&grove, "a", "b", 0),
                            give(&grove, "b", "c", 0)};

    for (unsigned n = 0; n < 1U << 15; n++) {
        for (unsigned ended = 0; ended < 8; ended++) {
            unsigned held = RIGHTS_ALL;
            bool over = false;
            for (unsigned i = 0; i < 3; i++) {
                line[i]->rights = n >> (5 * i) & RIGHTS_ALL;
                line[i]->state = ended >> i & 1 ? LEASE_ENDED : LEASE_ACTIVE;
                over |= ended >> i & 1;
                held = over ? held & RIGHT_READ : held & RIGHT_LEASE ? held & line[i]->rights : 0;
            }
            if (n % 7 != 0 && ended != 0 && ended != 2) continue; /* all of the first, some of the rest */
            struct lease_tree *tree = lease_tree_new(&grove.snapshot);
            const struct holding *c = lease_holding(tree, "c");
            assert_int_equal(c->rights, held);
            assert_int_equal(c->ended != NULL, ended != 0);
            lease_tree_free(tree);
        }
    }
}

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(*seed >> 33) % below;
}

static bool within(int64_t less, int64_t more)
{
    return more < 0 || (less >= 0 && less <= more);
}

/* Any tree with any leases: nobody holds what his parent does not, of nothing more, and no longer; in
 * whatever order it is told. */
static void grants_only_shrink(void **state)
{
    static const char *const names[] = {"landlord", "a", "b", "c", "d", "e", "f", "g"};
    uint64_t seed = 5;

    for (int round = 0; round < 20000; round++) {
        struct grove grove = {0};
        for (unsigned i = 1; i < LENGTH(names); i++) {
            grow(&grove, names[i], names[draw(&seed, i)]);
            if (draw(&seed, 4) == 0) grove.parties[i - 1].quota.instances = draw(&seed, 9);
        }
        for (unsigned n = draw(&seed, LEASES_MAX); n > 0; n--) {
            const struct party *to = &grove.parties[draw(&seed, 7)];
            bool wrong = draw(&seed, 9) == 0;
            struct lease *lease =
                give(&grove, wrong ? names[draw(&seed, 8)] : to->parent, to->name, draw(&seed, 32));
            lease->state = draw(&seed, 3) == 0 ? LEASE_ENDED : LEASE_ACTIVE;
            if (draw(&seed, 2)) lease->until_ms = 1 + draw(&seed, 9);
            if (draw(&seed, 2)) lease->capacity.instances = draw(&seed, 9);
        }
        struct lease_tree *tree = lease_tree_new(&grove.snapshot);
        for (size_t i = 0; i < grove.snapshot.parties_length; i++) {
            const struct holding *h = lease_holding(tree, grove.parties[i].name);
            assert_int_equal(h->rights & ~h->parent->rights, 0);
            assert_true(within(h->capacity.instances, h->parent->capacity.instances));
            assert_true(within(h->capacity.instances, grove.parties[i].quota.instances));
            if (h->parent->ended) assert_string_equal(h->ended, h->parent->ended);
            if (!h->has_leases) assert_int_equal(h->rights & RIGHT_HARDWARE, 0);
            if (h->ended) assert_int_equal(h->rights & ~(unsigned)RIGHT_READ, 0);
            if (!h->ended && !(h->parent->rights & RIGHT_LEASE)) assert_int_equal(h->rights, 0);
        }
        struct grove other = grove;
        for (size_t i = 0; i < grove.snapshot.parties_length; i++)
            other.parties[i] = grove.parties[grove.snapshot.parties_length - 1 - i];
        other.snapshot.parties = other.parties;
        struct lease_tree *again = lease_tree_new(&other.snapshot);
        for (size_t i = 0; i < grove.snapshot.parties_length; i++) {
            const struct holding *h = lease_holding(tree, grove.parties[i].name),
                                 *o = lease_holding(again, grove.parties[i].name);
            assert_int_equal(h->rights, o->rights);
            assert_int_equal(h->until_ms, o->until_ms);
            assert_memory_equal(&h->capacity, &o->capacity, sizeof(h->capacity));
        }
        lease_tree_free(tree);
        lease_tree_free(again);
    }
}

/* A party of which no document of a lease speaks holds what its parent holds, but hosts. */
static void plain_parties_hold_what_their_parents_hold(void **state)
{
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    grow(&grove, "b", "a");
    grow(&grove, "lost", "nobody");
    grow(&grove, "x", "y");
    grow(&grove, "y", "x");
    grove.parties[0].quota.resources.cpus_millis = 4000;
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);

    assert_int_equal(lease_holding(tree, "a")->rights, IMPLIED);
    assert_int_equal(lease_holding(tree, "b")->rights, IMPLIED);
    assert_int_equal(lease_holding(tree, "b")->capacity.resources.cpus_millis, 4000);
    assert_int_equal(lease_holding(tree, "b")->capacity.resources.memory_bytes, -1);
    assert_int_equal(lease_holding(tree, "landlord")->rights, RIGHTS_ALL);
    assert_int_equal(lease_holding(tree, "lost")->rights, 0);
    assert_int_equal(lease_holding(tree, "x")->rights, 0);
    assert_int_equal(lease_holding(tree, "y")->rights, 0);
    assert_null(lease_holding(tree, "nobody"));
    assert_false(lease_is_within(tree, "x", "landlord"));
    assert_true(lease_is_within(tree, "b", "a"));
    assert_false(lease_is_within(tree, "a", "b"));
    lease_tree_free(tree);
}

/* Several leases give together; the reason names the one that ended. */
static void leases_add_up(void **state)
{
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    give(&grove, "landlord", "a", RIGHT_SOFTWARE)->capacity.instances = 3;
    give(&grove, "landlord", "a", RIGHT_DEVELOP)->capacity.instances = 4;
    grove.leases[0].until_ms = 10;
    grove.leases[1].until_ms = 20;
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);
    assert_int_equal(lease_holding(tree, "a")->rights, RIGHT_SOFTWARE | RIGHT_DEVELOP);
    assert_int_equal(lease_holding(tree, "a")->capacity.instances, 7);
    assert_int_equal(lease_holding(tree, "a")->until_ms, 20);
    lease_tree_free(tree);
    grove.leases[1].state = LEASE_ENDED;
    tree = lease_tree_new(&grove.snapshot);
    assert_int_equal(lease_holding(tree, "a")->rights, RIGHT_SOFTWARE);
    assert_int_equal(lease_holding(tree, "a")->capacity.instances, 3);
    assert_int_equal(lease_holding(tree, "a")->until_ms, 10);
    lease_tree_free(tree);
    grove.leases[0].state = LEASE_ENDED;
    tree = lease_tree_new(&grove.snapshot);
    assert_string_equal(lease_holding(tree, "a")->ended,
                        "repossessed: lease l1 of party a from landlord ended: because");
    lease_tree_free(tree);
}

/* Whatever a giver holds, exactly the parts of that can be given, and only by who may lease. */
static void nobody_gives_what_he_has_not(void **state)
{
    for (unsigned held = 1; held <= RIGHTS_ALL; held++) {
        struct grove grove = {0};
        grow(&grove, "a", "landlord");
        grow(&grove, "b", "a");
        give(&grove, "landlord", "a", held);
        struct lease_tree *tree = lease_tree_new(&grove.snapshot);
        for (unsigned given = 1; given <= RIGHTS_ALL; given++) {
            struct lease lease = {
                .name = "x", .from = "a", .to = "b", .rights = given, .capacity = limits_none};
            struct error err = {0};
            bool may = held & RIGHT_LEASE && !(given & ~held);
            assert_int_equal(lease_check(tree, &lease, 0, &err), may);
            if (!may) assert_string_equal(err.field, "rights");
        }
        lease_tree_free(tree);
    }
}

static void refusals_say_what_there_is(void **state)
{
    static const struct {
        unsigned rights;
        int64_t cpus_millis, until_ms;
        const char *found;
    } rows[] = {
        {RIGHT_SOFTWARE, -1, 0, ""},
        {RIGHT_SOFTWARE, 8000, INT64_C(1800000000000), ""},
        {RIGHT_SOFTWARE | RIGHT_HARDWARE, -1, 0,
         "rights: party a cannot give hardware: it holds software, lease"},
        {RIGHT_SOFTWARE, 8001, 0, "capacity.cpus: party a cannot give 8.001 cpus: it holds 8"},
        {RIGHT_SOFTWARE, 1, INT64_C(1800000000001),
         "until: party a cannot give it until 2027-01-15T08:00:00.001Z: what it holds ends "
         "2027-01-15T08:00:00.000Z"},
        {RIGHT_SOFTWARE, 1, 1000, "until: 1970-01-01T00:00:01.000Z is past: it is 1970-01-01T00:00:02.000Z"},
    };
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    grow(&grove, "b", "a");
    struct lease *outer = give(&grove, "landlord", "a", RIGHT_SOFTWARE | RIGHT_LEASE);
    outer->capacity.resources.cpus_millis = 8000;
    outer->until_ms = INT64_C(1800000000000);
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct lease lease = {.name = "x",
                              .from = "a",
                              .to = "b",
                              .rights = rows[i].rights,
                              .capacity = limits_none,
                              .until_ms = rows[i].until_ms};
        struct error err = {0};
        lease.capacity.resources.cpus_millis = rows[i].cpus_millis;
        bool good = lease_check(tree, &lease, 2000, &err);
        CLEANUP_MEM char *found = good ? mem_strdup("") : mem_printf("%s: %s", err.field, err.message);
        assert_string_equal(found, rows[i].found);
    }
    lease_tree_free(tree);
}

/* What each right and each console lets do to whom. With all rights: "s" by software, and so on; small to
 * what is above or beside the caller, "-" not at all. */
static void deeds_and_rights(void **state)
{
    static const char *const names[DEEDS] = {"look",     "inside", "host",    "farm",   "version",
                                             "instance", "filter", "contact", "key",    "image",
                                             "party",    "lease",  "token",   "service"};
    /* Of itself, of a party below, of one above, of one beside; by console: any, hardware, software, develop.
     */
    static const char *const rows[DEEDS] = {
        "rr-- rr-- rr-- rr--", /* look */
        "ss-- ---- ss-- dd--", /* inside */
        "hhhh hhhh ---- ----", /* host */
        "ss-- ---- ss-- ----", /* farm */
        "ss-- ---- ss-- dd--", /* version */
        "ss-- ---- ss-- ----", /* instance */
        "ss-- h--- ss-- ----", /* filter */
        "ss-- h--- ss-- ----", /* contact */
        "ss-- ---- ss-- ----", /* key */
        "dd-- ---- ---- dd--", /* image */
        "-l-- -l-- -l-- ----", /* party */
        "ll-- ll-- ll-- ----", /* lease */
        "ll-- ll-- ll-- ----", /* token */
        "ll-- ll-- ll-- ----", /* service: asked of the landlord only */
    };
    static const char *const targets[] = {"a", "b", "landlord", "z"};
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    grow(&grove, "b", "a");
    grow(&grove, "z", "landlord");
    give(&grove, "landlord", "a", RIGHTS_ALL);
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);
    for (enum deed deed = 0; deed < DEEDS; deed++) {
        char found[32] = "";
        for (enum console console = 0; console < CONSOLES; console++) {
            for (size_t t = 0; t < LENGTH(targets); t++) {
                const char *right = rights_allow(tree, "a", console, deed, targets[t]);
                found[console * 5 + t] = right ? right[0] : '-';
            }
            found[console * 5 + 4] = console + 1 < CONSOLES ? ' ' : '\0';
        }
        if (!text_equal(found, rows[deed])) fail_msg("%s: %s, not %s", names[deed], found, rows[deed]);
    }
    lease_tree_free(tree);
}

/* Without the right nothing of it; never to a party that is not below; always less than with more rights. */
static void less_rights_let_do_less(void **state)
{
    static const char *const targets[] = {"a", "b", "landlord", "z", "nobody"};

    for (unsigned held = 0; held <= RIGHTS_ALL; held++) {
        struct grove grove = {0};
        grow(&grove, "a", "landlord");
        grow(&grove, "b", "a");
        grow(&grove, "z", "landlord");
        give(&grove, "landlord", "a", held);
        struct lease_tree *tree = lease_tree_new(&grove.snapshot);
        for (enum deed deed = 0; deed < DEEDS; deed++) {
            for (enum console console = 0; console < CONSOLES; console++) {
                for (size_t t = 0; t < LENGTH(targets); t++) {
                    const char *right = rights_allow(tree, "a", console, deed, targets[t]);
                    if (!right) continue;
                    unsigned bit = 0;
                    while (!text_equal(right_names[bit], right))
                        bit++;
                    assert_true(held & console_rights(console) & 1U << bit);
                    assert_true(t < 2 || deed == DEED_HOST);
                }
            }
        }
        lease_tree_free(tree);
    }
}

/* The landlord does everything, to parties that are not there yet, too. */
static void the_landlord_may_all(void **state)
{
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);
    for (enum deed deed = 0; deed < DEEDS; deed++) {
        assert_non_null(rights_allow(tree, "landlord", CONSOLE_ANY, deed, "a"));
        assert_non_null(rights_allow(tree, "landlord", CONSOLE_ANY, deed, "new"));
    }
    lease_tree_free(tree);
}

/* Either side, and who is above the giver, whatever they hold; nobody else. */
static void either_side_ends(void **state)
{
    static const struct {
        const char *who;
        bool may;
    } rows[] = {{"landlord", true}, {"a", true}, {"b", true}, {"c", true}, {"d", false}, {"z", false}};
    struct grove grove = {0};
    grow(&grove, "a", "landlord");
    grow(&grove, "b", "a");
    grow(&grove, "c", "b");
    grow(&grove, "d", "c");
    grow(&grove, "z", "landlord");
    give(&grove, "landlord", "a", RIGHT_SOFTWARE); /* it may not lease any more */
    const struct lease *lease = give(&grove, "b", "c", RIGHT_SOFTWARE);
    struct lease_tree *tree = lease_tree_new(&grove.snapshot);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_int_equal(rights_end(tree, rows[i].who, CONSOLE_ANY, lease) != NULL, rows[i].may);
        assert_int_equal(rights_end(tree, rows[i].who, CONSOLE_HARDWARE, lease) != NULL, rows[i].may);
        assert_null(rights_end(tree, rows[i].who, CONSOLE_DEVELOPMENT, lease));
    }
    lease_tree_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_are_those_of_the_line),
        cmocka_unit_test(grants_only_shrink),
        cmocka_unit_test(plain_parties_hold_what_their_parents_hold),
        cmocka_unit_test(leases_add_up),
        cmocka_unit_test(nobody_gives_what_he_has_not),
        cmocka_unit_test(refusals_say_what_there_is),
        cmocka_unit_test(deeds_and_rights),
        cmocka_unit_test(less_rights_let_do_less),
        cmocka_unit_test(the_landlord_may_all),
        cmocka_unit_test(either_side_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
