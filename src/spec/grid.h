/* A grid while it is put together from a text. Internal to spec/. */
#ifndef CROFT_SPEC_GRID_H
#define CROFT_SPEC_GRID_H

#include "base/texts.h"
#include "base/vec.h"
#include "model/schema_scan.h"
#include "model/schemas.h"
#include "spec/grid_file.h"

/* What the text said of an instance; the rest is filled in. */
enum {
    SAID_STATE = 1 << 0,
    SAID_HEALTH = 1 << 1,
    SAID_SIZE = 1 << 2,
    SAID_PRIORITY = 1 << 3,
    SAID_INCARNATION = 1 << 4, /* croft wrote it, so it is whole */
};

#define MS_MAX (1LL << 53)
#define VNI_MAX 16777215

struct grid_row {
    uint32_t line; /* 0: no line of the text says it */
    uint32_t said; /* SAID_… */
};

/* The objects of one kind, and of each where it comes from. */
struct grid_table {
    void *items;
    struct grid_row *rows;
    size_t length, capacity;
};

struct grid {
    struct arena *arena;
    struct texts *texts; /* names of hosts, farms, parties, tiers and images are kept in it */
    const char *file;
    const char *text; /* NULL: errors have no place */
    size_t size;
    struct grid_table tables[RECORD_KINDS];
};

const struct schema *grid_schema(enum record_kind kind);
/* A zeroed last object of the kind. Pointers into the table hold until the next one. */
void *grid_add(struct grid *grid, enum record_kind kind, struct grid_row row);
void *grid_at(const struct grid *grid, enum record_kind kind, size_t index);
/* Puts the place of a field of an object into a filled *err; returns false. */
bool grid_refuse(const struct grid *grid, enum record_kind kind, size_t index, const char *field,
                 struct error *err);
/* Into the order of names; a name that is there twice is refused. */
MUST_CHECK bool grid_sort(struct grid *grid, enum record_kind kind, struct error *err);

/* grid_name.c: party, farm, tier and number of an instance from its name. On failure err->field says which
 * field is wrong. */
MUST_CHECK bool grid_name_instance(struct texts *texts, struct instance *instance, struct error *err);

/* grid_fill.c: checks what refers to something else, fills in what was not said, and gives it out. */
MUST_CHECK bool grid_finish(struct grid *grid, struct grid_file *ret_grid, struct error *err);

#define GRID_NONE UINT32_MAX

/* A tier of a farm, or its balancer. */
struct grid_seat {
    const char *name;
    const struct tier *said; /* of the farm's document; NULL: the balancer, or the document is made here */
    uint32_t farm, next;     /* the farm's next seat or GRID_NONE */
    uint32_t first;          /* a member that says the size, or any; GRID_NONE: no member */
    bool size_said, priority_said;
    struct resources size;
    int64_t priority;
    const char *image;  /* NAME:TAG */
    const char *digest; /* of that image */
    int64_t running, warm, number_max;
};

/* A farm with its seats and instances, while the grid is filled in. */
struct grid_farm {
    const char *name;
    bool is_made; /* only instances name it */
    bool has_fact;
    uint32_t seat, last_seat, seats; /* first and last, and how many */
    uint32_t instance, last_instance, instances;
};

struct filling {
    struct grid *grid;
    struct vec farms;  /* struct grid_farm, those of documents in their order, then those made */
    struct vec seats;  /* struct grid_seat */
    uint32_t *seat_of; /* of each instance, or GRID_NONE: it is of no tier any more */
    uint32_t *next;    /* the next instance of the same farm, or GRID_NONE */
    struct map *parties;
    struct tier tier; /* what holds of a tier that nobody said anything of */
};

/* A party without a document, unless it is there. */
void grid_make_party(struct filling *filling, const char *name);
/* grid_farm.c: documents, networks, addresses of farms, and images, when all instances were looked at. */
MUST_CHECK bool grid_fill_farms(struct filling *filling, struct error *err);

#endif
