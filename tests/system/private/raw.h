/* What a disk holds, read below its file system. */
#ifndef CROFT_TESTS_SYSTEM_PRIVATE_RAW_H
#define CROFT_TESTS_SYSTEM_PRIVATE_RAW_H

#include <stdbool.h>

/* Is the text anywhere in the file, holes left out? Fails the test when the file cannot be read. */
bool raw_has(const char *path, const char *text);
/* Loop devices that are attached to this file. */
unsigned raw_devices(const char *path);

#endif
