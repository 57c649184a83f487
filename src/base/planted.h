/* Bugs that a build can be asked for (-DCROFT_PLANT="name"), one at a time, to prove that the simulation
 * finds such: tests/sim/plants has them all. In any other build PLANTED() is 0, and the compiler leaves
 * nothing of it. */
#ifndef CROFT_BASE_PLANTED_H
#define CROFT_BASE_PLANTED_H

#ifdef CROFT_PLANT
#define PLANTED(bug) (__builtin_strcmp(#bug, CROFT_PLANT) == 0)
#else
#define PLANTED(bug) 0
#endif

#endif
