/* A balancer's image, made from this machine's HAProxy. */
#ifndef CROFT_DRIVER_BALANCE_IMAGE_H
#define CROFT_DRIVER_BALANCE_IMAGE_H

#include "base/error.h"

/* Builds a root directory in `directory` (made when it is not there, empty otherwise): HAProxy, the libraries
 * it is linked with, the dynamic loader, users. For `image import`: blocks, and runs ldd. ERROR_NOT_FOUND
 * when there is no HAProxy here. */
MUST_CHECK bool balance_image_root(const char *directory, struct error *err);

#endif
