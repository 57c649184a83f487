/* A grid that is read is made whole here: what refers to something is checked, and what nobody said follows
 * from the rest. Names of hosts and farms are kept once, and each has a note: so an instance finds both
 * without a search. */
#include "base/text.h"
#include "spec/document.h"
#include "spec/grid.h"

#include <string.h>

#define NOTE_HOST 1u                  /* of a host's name: the grid knows it */
#define NOTE_DELETED (UINT32_MAX - 1) /* of a farm's name: it has a network, but no document any more */

static bool fill(struct filling *filling, struct error *err);
static void fill_hosts(struct grid *grid);
static bool check_parties(struct filling *filling, struct error *err);
static bool check_parent(const struct filling *filling, size_t index, uint32_t *lines, struct error *err);
static bool check_party(const struct filling *filling, enum record_kind kind, size_t index, const char *party,
                        const char *field, struct error *err);
static void open_farms(struct filling *filling);
static uint32_t add_farm(struct filling *filling, const char *name, bool is_made);
static struct grid_seat *add_seat(struct filling *filling, uint32_t farm, const char *name);
static bool seat_instances(struct filling *filling, struct error *err);
static bool check_state(const struct grid *grid, size_t number, const struct instance *instance,
                        struct error *err);
static bool check_host(const struct grid *grid, size_t instance, const char *host, const char *field,
                       struct error *err);
static bool find_seat(struct filling *filling, uint32_t instance, uint32_t *ret_seat, struct error *err);
static bool refuse_tier(const struct filling *filling, uint32_t farm, uint32_t instance, struct error *err);
static bool join(struct filling *filling, uint32_t seat, uint32_t instance, struct error *err);
static bool join_made(struct filling *filling, struct grid_seat *seat, uint32_t instance, struct error *err);
static void fill_state(struct instance *instance, uint32_t said);
static bool same_size(const struct resources *a, const struct resources *b);
static int64_t latest(const struct grid *grid);

bool grid_finish(struct grid *grid, struct grid_file *ret_grid, struct error *err)
{
    struct filling filling = {.grid = grid,
                              .farms = VEC_OF(struct grid_farm),
                              .seats = VEC_OF(struct grid_seat),
                              .parties = map_new()};
    size_t instances = grid->tables[RECORD_INSTANCE].length;
    filling.seat_of = mem_alloc_array(instances, sizeof(*filling.seat_of));
    filling.next = mem_alloc_array(instances, sizeof(*filling.next));
    schema_defaults(&schema_tier, grid->arena, &filling.tier);
    bool done = fill(&filling, err);
    mem_free(filling.seat_of);
    mem_free(filling.next);
    map_free(filling.parties);
    vec_free(&filling.farms);
    vec_free(&filling.seats);
    if (!done) return false;
    const int64_t day_ms = 86400000, minute_ms = 60000;
    int64_t now_ms = latest(grid) + minute_ms;
    const struct grid_table *t = grid->tables;
    *ret_grid = (struct grid_file){
        .snapshot = {.parties = t[RECORD_PARTY].items,
                     .parties_length = t[RECORD_PARTY].length,
                     .hosts = t[RECORD_HOST].items,
                     .hosts_length = t[RECORD_HOST].length,
                     .host_facts = t[RECORD_HOST_FACT].items,
                     .host_facts_length = t[RECORD_HOST_FACT].length,
                     .images = t[RECORD_IMAGE].items,
                     .images_length = t[RECORD_IMAGE].length,
                     .pools = t[RECORD_POOL].items,
                     .pools_length = t[RECORD_POOL].length,
                     .slas = t[RECORD_SLA].items,
                     .slas_length = t[RECORD_SLA].length,
                     .rules = t[RECORD_SCALING_RULES].items,
                     .rules_length = t[RECORD_SCALING_RULES].length,
                     .filters = t[RECORD_FILTER].items,
                     .filters_length = t[RECORD_FILTER].length,
                     .leases = t[RECORD_LEASE].items,
                     .leases_length = t[RECORD_LEASE].length,
                     .contacts = t[RECORD_CONTACT].items,
                     .contacts_length = t[RECORD_CONTACT].length,
                     .keys = t[RECORD_KEY].items,
                     .keys_length = t[RECORD_KEY].length,
                     .farms = t[RECORD_FARM].items,
                     .farms_length = t[RECORD_FARM].length,
                     .farm_facts = t[RECORD_FARM_FACT].items,
                     .farm_facts_length = t[RECORD_FARM_FACT].length,
                     .instances = t[RECORD_INSTANCE].items,
                     .instances_length = t[RECORD_INSTANCE].length},
        .now_ms = now_ms < day_ms ? day_ms : now_ms,
    };
    return true;
}

static bool fill(struct filling *filling, struct error *err)
{
    struct grid *grid = filling->grid;
    for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++)
        if (!grid_sort(grid, kind, err)) return false;
    fill_hosts(grid);
    if (!check_parties(filling, err)) return false;
    open_farms(filling);
    if (!seat_instances(filling, err) || !grid_fill_farms(filling, err)) return false;
    static const enum record_kind made[] = {RECORD_PARTY, RECORD_FARM, RECORD_IMAGE, RECORD_HOST_FACT,
                                            RECORD_FARM_FACT};
    for (size_t i = 0; i < LENGTH(made); i++)
        if (!grid_sort(grid, made[i], err)) return false;
    return true;
}

/* A host of which nothing is known is up. */
static void fill_hosts(struct grid *grid)
{
    size_t hosts = grid->tables[RECORD_HOST].length, facts = grid->tables[RECORD_HOST_FACT].length;
    for (size_t i = 0; i < facts; i++)
        texts_set_note(((struct host_fact *)grid_at(grid, RECORD_HOST_FACT, i))->name, NOTE_HOST);
    for (size_t i = 0; i < hosts; i++) {
        const char *name = ((struct host *)grid_at(grid, RECORD_HOST, i))->name;
        if (texts_note(name) == NOTE_HOST) continue;
        texts_set_note(name, NOTE_HOST);
        struct host_fact *fact = grid_add(grid, RECORD_HOST_FACT, (struct grid_row){0});
        schema_defaults(&schema_host_fact, grid->arena, fact);
        fact->name = name;
    }
}

static bool check_parties(struct filling *filling, struct error *err)
{
    struct grid *grid = filling->grid;
    for (size_t i = 0; i < grid->tables[RECORD_PARTY].length; i++) {
        struct party *party = grid_at(grid, RECORD_PARTY, i);
        map_put(filling->parties, party->name, party);
    }
    CLEANUP_MEM uint32_t *lines = mem_alloc_array(grid->tables[RECORD_PARTY].length, sizeof(*lines));
    for (size_t i = 0; i < grid->tables[RECORD_PARTY].length; i++)
        if (!check_parent(filling, i, lines, err)) return false;
    /* Who writes by hand need not say parties; who says any, says all. */
    bool unsaid = grid->tables[RECORD_PARTY].length == 0;
    for (size_t i = 0; i < grid->tables[RECORD_FARM].length; i++) {
        const struct farm *farm = grid_at(grid, RECORD_FARM, i);
        if (unsaid) grid_make_party(filling, farm->party);
        if (!check_party(filling, RECORD_FARM, i, farm->party, "party", err)) return false;
    }
    for (size_t i = 0; i < grid->tables[RECORD_IMAGE].length; i++) {
        const struct image *image = grid_at(grid, RECORD_IMAGE, i);
        if (unsaid) grid_make_party(filling, image->party);
        if (!check_party(filling, RECORD_IMAGE, i, image->party, "party", err)) return false;
    }
    return true;
}

/* Every line of parents ends at the landlord. lines[i]: the number, from 1, of the party whose line was the
 * first to come by party i; so each is come by once, and who comes by his own line is in a circle. */
static bool check_parent(const struct filling *filling, size_t index, uint32_t *lines, struct error *err)
{
    const struct party *parties = grid_at(filling->grid, RECORD_PARTY, 0);
    uint32_t line = (uint32_t)index + 1;
    if (!check_party(filling, RECORD_PARTY, index, parties[index].parent, "parent", err)) return false;
    for (const struct party *at = &parties[index]; at != NULL; at = map_get(filling->parties, at->parent)) {
        uint32_t *before = &lines[at - parties];
        if (*before == line) {
            error_set(err, ERROR_INVALID, "parties are under each other in a circle, %s is one of them",
                      at->name);
            return grid_refuse(filling->grid, RECORD_PARTY, (size_t)(at - parties), "parent", err);
        }
        if (*before != 0) return true;
        *before = line;
    }
    return true;
}

static bool check_party(const struct filling *filling, enum record_kind kind, size_t index, const char *party,
                        const char *field, struct error *err)
{
    if (text_equal(party, PARTY_LANDLORD) || map_get(filling->parties, party) != NULL) return true;
    CLEANUP_MEM const char **names = mem_alloc_array(map_length(filling->parties) + 1, sizeof(*names));
    size_t length = 0, cursor = 0;
    while (map_next(filling->parties, &cursor, &names[length], NULL))
        length++;
    names[length++] = PARTY_LANDLORD;
    const char *nearest = text_nearest(party, names, length);
    error_set(err, ERROR_INVALID, "there is no party \"%s\" in this grid%s%s%s", party,
              nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
              nearest == NULL ? "" : "\"?");
    return grid_refuse(filling->grid, kind, index, field, err);
}

static void open_farms(struct filling *filling)
{
    struct grid *grid = filling->grid;
    for (size_t i = 0; i < grid->tables[RECORD_FARM].length; i++) {
        const struct farm *farm = grid_at(grid, RECORD_FARM, i);
        uint32_t index = add_farm(filling, farm->full_name, false);
        for (size_t t = 0; t < farm->tiers_length; t++) {
            const struct tier *tier = &farm->tiers[t];
            struct grid_seat *seat = add_seat(filling, index, tier->name);
            seat->said = tier;
            seat->size = tier->size;
            seat->priority = tier->priority;
            seat->image = tier->image;
        }
        if (farm->balance_length == 0) continue;
        struct grid_seat *seat = add_seat(filling, index, TIER_BALANCE);
        seat->size = (struct resources){BALANCER_CPUS_MILLIS, BALANCER_MEMORY_BYTES, BALANCER_DISK_BYTES, 0};
        seat->priority = BALANCER_PRIORITY;
        seat->image = BALANCER_IMAGE;
    }
    for (size_t i = 0; i < grid->tables[RECORD_FARM_FACT].length; i++) {
        const struct farm_fact *fact = grid_at(grid, RECORD_FARM_FACT, i);
        uint32_t note = texts_note(fact->name);
        if (note == 0)
            texts_set_note(fact->name, NOTE_DELETED);
        else
            ((struct grid_farm *)vec_at(&filling->farms, note - 1))->has_fact = true;
    }
}

/* The note of its name is its number and one. */
static uint32_t add_farm(struct filling *filling, const char *name, bool is_made)
{
    struct grid_farm *farm = vec_push(&filling->farms);
    *farm = (struct grid_farm){.name = name,
                               .is_made = is_made,
                               .seat = GRID_NONE,
                               .last_seat = GRID_NONE,
                               .instance = GRID_NONE,
                               .last_instance = GRID_NONE};
    texts_set_note(name, (uint32_t)filling->farms.length);
    return (uint32_t)filling->farms.length - 1;
}

static struct grid_seat *add_seat(struct filling *filling, uint32_t farm, const char *name)
{
    uint32_t index = (uint32_t)filling->seats.length;
    struct grid_seat *seat = vec_push(&filling->seats);
    struct grid_farm *of = vec_at(&filling->farms, farm);
    *seat = (struct grid_seat){.name = name, .farm = farm, .next = GRID_NONE, .first = GRID_NONE};
    if (of->seat == GRID_NONE)
        of->seat = index;
    else
        ((struct grid_seat *)vec_at(&filling->seats, of->last_seat))->next = index;
    of->last_seat = index;
    of->seats++;
    return seat;
}

static bool seat_instances(struct filling *filling, struct error *err)
{
    struct grid *grid = filling->grid;
    struct grid_table *table = &grid->tables[RECORD_INSTANCE];
    for (uint32_t i = 0; i < table->length; i++) {
        struct instance *instance = grid_at(grid, RECORD_INSTANCE, i);
        uint32_t seat = GRID_NONE;
        if (!check_host(grid, i, instance->host, "host", err)) return false;
        if (!check_host(grid, i, instance->move_to, "move_to", err)) return false;
        fill_state(instance, table->rows[i].said);
        if (!check_state(grid, i, instance, err)) return false;
        if (!find_seat(filling, i, &seat, err)) return false;
        filling->seat_of[i] = seat;
        filling->next[i] = GRID_NONE;
        uint32_t note = texts_note(instance->farm);
        if (note != NOTE_DELETED) {
            struct grid_farm *farm = vec_at(&filling->farms, note - 1);
            if (farm->instance == GRID_NONE)
                farm->instance = i;
            else
                filling->next[farm->last_instance] = i;
            farm->last_instance = i;
            farm->instances++;
        }
        if (seat != GRID_NONE && !join(filling, seat, i, err)) return false;
    }
    return true;
}

static bool check_state(const struct grid *grid, size_t number, const struct instance *instance,
                        struct error *err)
{
    static const bool is_somewhere[] = {[INSTANCE_BOOTING] = true,
                                        [INSTANCE_RUNNING] = true,
                                        [INSTANCE_DRAINING] = true,
                                        [INSTANCE_WIPING] = true};
    if (instance->host[0] || (size_t)instance->state >= LENGTH(is_somewhere) ||
        !is_somewhere[instance->state])
        return true;
    error_set(err, ERROR_INVALID, "%s, and on no host: say its host, or nothing of its state",
              instance_state_names[instance->state]);
    return grid_refuse(grid, RECORD_INSTANCE, number, "state", err);
}

static bool check_host(const struct grid *grid, size_t instance, const char *host, const char *field,
                       struct error *err)
{
    if (host[0] == '\0' || texts_note(host) == NOTE_HOST) return true;
    size_t length = grid->tables[RECORD_HOST].length;
    char shown[SHOWN_SIZE];
    if (length == 0) {
        error_set(err, ERROR_INVALID,
                  "there is no host \"%s\", and no Host at all: what a tenant exports has none, "
                  "export with the landlord's token",
                  document_shown(shown, host));
        return grid_refuse(grid, RECORD_INSTANCE, instance, field, err);
    }
    CLEANUP_MEM const char **names = mem_alloc_array(length, sizeof(*names));
    for (size_t i = 0; i < length; i++)
        names[i] = ((struct host *)grid_at(grid, RECORD_HOST, i))->name;
    const char *nearest = text_nearest(host, names, length);
    error_set(err, ERROR_INVALID, "there is no host \"%s\" in this grid%s%s%s", document_shown(shown, host),
              nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
              nearest == NULL ? "" : "\"?");
    return grid_refuse(grid, RECORD_INSTANCE, instance, field, err);
}

/* GRID_NONE: the live grid has members of tiers and farms that are deleted, until they are wiped. */
static bool find_seat(struct filling *filling, uint32_t instance, uint32_t *ret_seat, struct error *err)
{
    const struct grid_row *row = &filling->grid->tables[RECORD_INSTANCE].rows[instance];
    const struct instance *record = grid_at(filling->grid, RECORD_INSTANCE, instance);
    uint32_t note = texts_note(record->farm);
    *ret_seat = GRID_NONE;
    if (note == NOTE_DELETED) return true;
    uint32_t number = note == 0 ? add_farm(filling, record->farm, true) : note - 1;
    struct grid_farm *farm = vec_at(&filling->farms, number);
    for (uint32_t at = farm->seat; at != GRID_NONE;) {
        const struct grid_seat *seat = vec_at(&filling->seats, at);
        if (seat->name == record->tier || text_equal(seat->name, record->tier)) {
            *ret_seat = at;
            return true;
        }
        at = seat->next;
    }
    bool is_balance = text_equal(record->tier, TIER_BALANCE);
    if (!farm->is_made || is_balance || text_equal(record->tier, TIER_INTERNET)) {
        if (!farm->is_made && (row->said & SAID_INCARNATION) != 0) return true;
        return refuse_tier(filling, number, instance, err);
    }
    if (farm->seats == FARM_TIERS_MAX) {
        error_set(err, ERROR_TOO_LARGE, "farm %s is past the limit of %d tiers a farm", farm->name,
                  FARM_TIERS_MAX);
        return grid_refuse(filling->grid, RECORD_INSTANCE, instance, "name", err);
    }
    struct grid_seat *made = add_seat(filling, number, record->tier);
    *ret_seat = (uint32_t)filling->seats.length - 1;
    schema_defaults(&schema_size, filling->grid->arena, &made->size);
    made->priority = record->priority;
    return true;
}

static bool refuse_tier(const struct filling *filling, uint32_t farm, uint32_t instance, struct error *err)
{
    const struct instance *record = grid_at(filling->grid, RECORD_INSTANCE, instance);
    const struct grid_farm *of = vec_at(&filling->farms, farm);
    const char *names[FARM_TIERS_MAX + 1];
    size_t length = 0;
    for (uint32_t at = of->seat; at != GRID_NONE && length < LENGTH(names);) {
        const struct grid_seat *seat = vec_at(&filling->seats, at);
        names[length++] = seat->name;
        at = seat->next;
    }
    const char *nearest = text_nearest(record->tier, names, length);
    if (of->is_made)
        error_set(err, ERROR_INVALID,
                  "%s is no tier of its own: say the Farm document of %s with what it balances", record->tier,
                  of->name);
    else
        error_set(err, ERROR_INVALID, "farm %s has no tier \"%s\"%s%s%s", of->name, record->tier,
                  nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
                  nearest == NULL ? "" : "\"?");
    return grid_refuse(filling->grid, RECORD_INSTANCE, instance, "name", err);
}

static bool join(struct filling *filling, uint32_t seat, uint32_t instance, struct error *err)
{
    const struct instance *record = grid_at(filling->grid, RECORD_INSTANCE, instance);
    struct grid_seat *to = vec_at(&filling->seats, seat);
    const struct grid_farm *farm = vec_at(&filling->farms, to->farm);
    if (to->number_max < record->number) to->number_max = record->number;
    if (farm->is_made && !join_made(filling, to, instance, err)) return false;
    if (to->first == GRID_NONE) to->first = instance;
    if (record->wanted == WANTED_RUN) to->running++;
    if (record->wanted == WANTED_WARM) to->warm++;
    if (!farm->is_made || to->running + to->warm <= TIER_INSTANCES_MAX) return true;
    error_set(err, ERROR_TOO_LARGE, "tier %s of farm %s is past the limit of %d instances a tier", to->name,
              farm->name, TIER_INSTANCES_MAX);
    return grid_refuse(filling->grid, RECORD_INSTANCE, instance, "name", err);
}

/* A tier has one size and one priority: what a member says of them holds for those that say nothing, and two
 * that say different things are not one tier. */
static bool join_made(struct filling *filling, struct grid_seat *seat, uint32_t instance, struct error *err)
{
    const struct grid *grid = filling->grid;
    const struct instance *record = grid_at(grid, RECORD_INSTANCE, instance);
    uint32_t said = grid->tables[RECORD_INSTANCE].rows[instance].said;
    const char *field = NULL;
    if (record->image[0] != '\0' && seat->image == NULL) seat->image = record->image;
    if ((said & SAID_SIZE) != 0) {
        const char *low = record->size.cpus_millis < 1            ? "size.cpus"
                          : record->size.memory_bytes < (1 << 20) ? "size.memory"
                                                                  : NULL;
        if (low != NULL) {
            error_set(err, ERROR_INVALID, "expected at least 0.001 cpus and 1Mi of memory, as a tier has");
            return grid_refuse(grid, RECORD_INSTANCE, instance, low, err);
        }
        if (seat->size_said && !same_size(&seat->size, &record->size)) field = "size";
        seat->size = record->size;
        seat->size_said = true;
    }
    if ((said & SAID_PRIORITY) != 0) {
        if (seat->priority_said && seat->priority != record->priority) field = "priority";
        seat->priority = record->priority;
        seat->priority_said = true;
    }
    if (field == NULL) return true;
    error_set(err, ERROR_INVALID,
              "another instance of tier %s has another %s: give them tiers of their own, or say the Farm "
              "document of %s",
              seat->name, field, record->farm);
    return grid_refuse(grid, RECORD_INSTANCE, instance, field, err);
}

/* What has a host and says nothing of its state runs there and is well. */
static void fill_state(struct instance *instance, uint32_t said)
{
    if (instance->host[0] == '\0') return;
    if ((said & SAID_INCARNATION) == 0) instance->incarnation = 1;
    if ((said & SAID_STATE) == 0 && instance->wanted != WANTED_GONE)
        instance->state = instance->wanted == WANTED_DRAIN ? INSTANCE_DRAINING : INSTANCE_RUNNING;
    bool serves = instance->state == INSTANCE_RUNNING || instance->state == INSTANCE_DRAINING;
    if ((said & SAID_HEALTH) == 0 && serves) instance->health = HEALTH_GOOD;
}

static bool same_size(const struct resources *a, const struct resources *b)
{
    return a->cpus_millis == b->cpus_millis && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->network_bits_per_s == b->network_bits_per_s;
}

static int64_t latest(const struct grid *grid)
{
    int64_t latest_ms = 0;
    for (size_t i = 0; i < grid->tables[RECORD_HOST_FACT].length; i++) {
        int64_t at_ms = ((struct host_fact *)grid_at(grid, RECORD_HOST_FACT, i))->since_ms;
        if (at_ms > latest_ms) latest_ms = at_ms;
    }
    for (size_t i = 0; i < grid->tables[RECORD_INSTANCE].length; i++) {
        int64_t at_ms = ((struct instance *)grid_at(grid, RECORD_INSTANCE, i))->since_ms;
        if (at_ms > latest_ms) latest_ms = at_ms;
    }
    return latest_ms;
}
