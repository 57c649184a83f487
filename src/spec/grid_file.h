/* A grid as a file: intent and facts, one JSON document a line (NDJSON), as `croft export` writes and `croft
 * whatif` reads it. */
#ifndef CROFT_SPEC_GRID_FILE_H
#define CROFT_SPEC_GRID_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/state.h"

struct grid_file {
    struct snapshot snapshot; /* sorted by name, each name once, every reference there */
    int64_t now_ms;           /* a minute after the latest moment that the file names; at least a day */
};

/* Reads documents of people (Host, Pool, Party, Farm, Image) and facts (HostFact, FarmFact, Instance). What a
 * hand or another program leaves out is filled in so that the planner takes the grid as it is: a host without
 * a fact is up; an instance with a host runs there and is well; party, farm, tier and number come from its
 * name unless they are said; size, priority and form come from its farm's tier; farms that only instances
 * name get a document (a tier counts what there is of it, members may stand together), a network and what
 * else it takes that nobody wants to change them. Texts are copied into arena (equal ones once). False: err
 * has file, line, column, field, what was expected; ret_grid is untouched. */
MUST_CHECK bool grid_file_read(struct arena *arena, const char *file, const char *text, size_t size,
                               struct grid_file *ret_grid, struct error *err);

/* The lines that grid_file_read() makes the snapshot from. */
void grid_file_write(const struct snapshot *snapshot, struct buf *ret_lines);

#endif
