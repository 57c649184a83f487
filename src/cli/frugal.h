/* What the long-running parts ask of the C library's memory. */
#ifndef CROFT_CLI_FRUGAL_H
#define CROFT_CLI_FRUGAL_H

/* Gives memory back as soon as it is free. Left alone, glibc learns from one large block that large blocks
 * are usual, and keeps what the next ones leave: an agent with 20 instances had 12 MB of its own instead
 * of 4. */
void frugal_memory(void);

#endif
