/* Unpacked images below a directory (STATE, or a store that was given): images/layers/HEX/ and
 * images/manifests/HEX (its layers' digests). */
#ifndef CROFT_DRIVER_CONTAINER_IMAGES_H
#define CROFT_DRIVER_CONTAINER_IMAGES_H

#include "base/vec.h"
#include "driver/compute.h"
#include "port/watch.h"

struct images;

MUST_CHECK bool images_open(const char *directory, const struct watch_port *watch, struct images **ret_images,
                            struct error *err);
void images_close(struct images *images); /* ends unpacking that is under way; NULL is fine */
bool images_has(const struct images *images, const char *digest);
bool images_has_layer(const struct images *images, const char *digest);
/* As compute_driver.add_image, done from the loop. */
void images_add(struct images *images, const struct image *image, const char *const *layer_paths,
                compute_done done, void *ctx);
/* done with this error, from the loop; of whichever images there are. */
void images_fail(struct images *images, const struct error *err, compute_done done, void *ctx);
/* Removes all but these; the bulk of it in a process of its own. */
MUST_CHECK bool images_keep(struct images *images, const struct map *digests, struct error *err);
/* Directories of an image's layers, lowest first: char *, the caller's to mem_free(). */
MUST_CHECK bool images_layers(const struct images *images, const char *digest, struct vec *ret_paths,
                              struct error *err);

#endif
