#include "cli/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Of the assembly that tools/late-libraries writes: for each library its soname, the functions that are
 * wanted of it, and an empty text; at the end another one. A slot for each function, in this order. */
extern const char late_names[] __attribute__((weak, visibility("hidden")));
extern void *late_slots[] __attribute__((weak, visibility("hidden")));
extern char late_slots_end[] __attribute__((weak, visibility("hidden")));

bool late_load(struct error *err)
{
    const char *name = late_names;
    size_t slot = 0;

    if (late_names == NULL || late_slots[0] != NULL) return true;
    for (; *name; name++) {
        const char *soname = name;
        /* Seen by those that come after it, as if all had been linked: one needs another's functions. */
        void *library = dlopen(soname, RTLD_NOW | RTLD_GLOBAL);
        if (library == NULL) return error_set(err, ERROR_FAILED, "load a library: %s", dlerror());
        for (name += strlen(name) + 1; *name; name += strlen(name) + 1) {
            void *function = dlsym(library, name);
            if (function == NULL)
                return error_set(err, ERROR_FAILED,
                                 "%s has no %s: install the version that croft was built with", soname, name);
            late_slots[slot++] = function;
        }
    }
    /* As the linker's own table is (-z relro): nobody turns a call into another one later. */
    if (mprotect(late_slots, (size_t)(late_slots_end - (char *)late_slots), PROT_READ) != 0)
        return error_set(err, ERROR_FAILED, "protect the table of libraries: %s", strerror(errno));
    return true;
}
