/* What an image's digest is taken over. Hosts keep images by digest, whoever named them: whoever takes an
 * image in has to see that its digest is that of this text, or one party's image could stand for another's.
 */
#ifndef CROFT_MODEL_IMAGE_TEXT_H
#define CROFT_MODEL_IMAGE_TEXT_H

#include "base/buf.h"
#include "model/intent.h"

/* Adds one line of JSON of everything that makes what runs: not the names. */
void image_canonical(const struct image *image, struct buf *ret_text);

#endif
