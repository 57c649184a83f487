/* Disks of hosts, and the controller's: its store. What the controller has in its only store cannot be had
 * from anywhere else, so that one neither lies nor turns bits. */
#include "simulate/inside.h"

#include <inttypes.h>
#include <stdio.h>

static struct box *draw_box_or_controller(struct run *run, struct trouble *trouble);

bool disk_slow(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box_or_controller(run, trouble);
    int64_t us = run_draw(run, 5, run_draw(run, 0, 3) ? 300 : 2000) * 1000;

    run_tell(run, "the disk of %s takes %" PRId64 " ms for a write", trouble->what, us / 1000);
    if (box) {
        sim_bad_disk_slow(box->bad_disk, us);
        sim_bad_blobs_slow(box->bad_blobs, us);
    } else {
        bad_store_slow(run->world->bad_store, us);
    }
    return true;
}

void disk_slow_end(struct run *run, struct trouble *trouble)
{
    struct box *box = world_box(run->world, trouble->what);

    run_tell(run, "the disk of %s is fast again", trouble->what);
    if (box) {
        sim_bad_disk_slow(box->bad_disk, 0);
        sim_bad_blobs_slow(box->bad_blobs, 0);
    } else {
        bad_store_slow(run->world->bad_store, 0);
    }
}

bool disk_full(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box_or_controller(run, trouble);

    run_tell(run, "the disk of %s is full", trouble->what);
    if (box) {
        sim_bad_disk_full(box->bad_disk, true);
        sim_bad_blobs_full(box->bad_blobs, true);
    } else {
        bad_store_fail(run->world->bad_store, 1);
    }
    return true;
}

void disk_full_end(struct run *run, struct trouble *trouble)
{
    struct box *box = world_box(run->world, trouble->what);

    run_tell(run, "the disk of %s has room again", trouble->what);
    if (box) {
        sim_bad_disk_full(box->bad_disk, false);
        sim_bad_blobs_full(box->bad_blobs, false);
    } else {
        bad_store_fail(run->world->bad_store, 0);
    }
}

bool disk_lies(struct run *run, struct trouble *trouble)
{
    struct box *box = &run->world->boxes[run_draw(run, 0, (int64_t)run->world->boxes_length - 1)];

    snprintf(trouble->what, sizeof(trouble->what), "%s", box->name);
    run_tell(run, "the disk of %s says of everything that it is durable", box->name);
    sim_bad_disk_lie(box->bad_disk, true);
    sim_bad_blobs_lie(box->bad_blobs, true);
    return true;
}

void disk_lies_end(struct run *run, struct trouble *trouble)
{
    struct box *box = world_box(run->world, trouble->what);

    run_tell(run, "the disk of %s has written what it said that it had", box->name);
    sim_bad_disk_lie(box->bad_disk, false);
    sim_bad_blobs_lie(box->bad_blobs, false);
}

/* In what lies there, or in what is written next; the controller's layers are read wrongly, once. */
bool disk_flips(struct run *run, struct trouble *trouble)
{
    struct box *box = draw_box_or_controller(run, trouble);
    uint64_t bit = (uint64_t)run_draw(run, 0, 1 << 20);
    const char *const paths[] = {"document", "boot"};
    size_t n = (size_t)run_draw(run, 0, (int64_t)LENGTH(paths));

    if (!box || n == LENGTH(paths)) {
        run_tell(run, "the disk of %s turns a bit of a layer", trouble->what);
        if (box)
            sim_bad_blobs_flip(box->bad_blobs, bit);
        else
            sim_blobs_damage(run->world->blobs, 1);
        return true;
    }
    run_tell(run, "the disk of %s turns a bit of its %s", trouble->what, paths[n]);
    return sim_bad_disk_flip(box->bad_disk, paths[n], bit);
}

bool store_fails(struct run *run, struct trouble *trouble)
{
    unsigned n = (unsigned)run_draw(run, 1, 10);
    run_tell(run, "of the store's transactions each %u. fails", n);
    bad_store_fail(run->world->bad_store, n);
    return true;
}

void store_fails_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "the store's transactions do not fail any more");
    bad_store_fail(run->world->bad_store, 0);
}

bool store_conflicts(struct run *run, struct trouble *trouble)
{
    unsigned n = (unsigned)run_draw(run, 1, 4);
    run_tell(run, "of the store's transactions that compare each %u. conflicts", n);
    bad_store_conflict(run->world->bad_store, n);
    return true;
}

void store_conflicts_end(struct run *run, struct trouble *trouble)
{
    run_tell(run, "the store's transactions do not conflict any more");
    bad_store_conflict(run->world->bad_store, 0);
}

/* NULL: the controller. */
static struct box *draw_box_or_controller(struct run *run, struct trouble *trouble)
{
    size_t n = (size_t)run_draw(run, 0, (int64_t)run->world->boxes_length);
    struct box *box = n == run->world->boxes_length ? NULL : &run->world->boxes[n];

    snprintf(trouble->what, sizeof(trouble->what), "%s", box ? box->name : "controller");
    return box;
}
