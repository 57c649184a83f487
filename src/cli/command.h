/* THE table of commands. The same rows read the command line, print help, and generate the man page and the
 * completion of shells, so that they cannot disagree. */
#ifndef CROFT_CLI_COMMAND_H
#define CROFT_CLI_COMMAND_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>

struct cli;

struct option {
    const char *name;           /* long, without its dashes */
    char letter;                /* 0: none */
    const char *argument;       /* name of its value; NULL: it takes none */
    const char *fallback;       /* what holds when it is not given, for people; or NULL */
    const char *const *choices; /* NULL-terminated; NULL: anything */
    bool optional;              /* the value may be left out; it is then only given as --name=value */
    bool many;                  /* may be given more than once */
    bool several;               /* and takes all words behind it, up to the next option, as its values */
    const char *help;           /* one line */
};

struct positional {
    const char *name;
    bool optional;
    bool many;                  /* the last one: takes all that is left, and its dashes, too, behind `--` */
    const char *const *choices; /* for completion, and checked when strict */
    bool strict;
};

enum command_group {
    GROUP_GRID,
    GROUP_DOCUMENTS,
    GROUP_INSTANCES,
    GROUP_HOSTS,
    GROUP_LIBRARY,
    GROUP_KEYS,
    GROUP_MACHINE,
    GROUP_COUNT,
};

struct command {
    const char *name; /* one word, or two: "image import" */
    const char *summary;
    const char *notes; /* what its answer means, in lines as they are printed; NULL: nothing has to be said */
    enum command_group group;
    bool hidden;
    bool client; /* it asks a controller: takes the shared options too */
    bool light;  /* it works by itself, without the libraries of late.h, unless it does ask a controller */
    bool raw;    /* everything behind the name is its own: nothing is read */
    const struct option *options;
    size_t options_length;
    const struct positional *positionals;
    size_t positionals_length;
    const char *const *examples; /* NULL-terminated */
    const char *words_title;     /* with word: what they are */
    const char *(*word)(
        size_t); /* the n-th of the words that an option knows; NULL at the end, and for none */
    int (*run)(struct cli *cli); /* the exit code */
};

/* All rows, in the order of help. */
const struct command *command_table(size_t *ret_length);
/* What every command that asks a controller takes. */
const struct option *command_shared_options(size_t *ret_length);
const char *command_group_title(enum command_group group);
/* The option's row of the command, own or shared; NULL: it has none of that name. */
const struct option *command_option(const struct command *command, const char *name);
/* Every option that the command takes: own first, then shared, then --help; false at the end. */
bool command_next_option(const struct command *command, size_t *cursor, const struct option **ret_option);
/* It has an option of that name itself, in the place of a shared one. */
bool command_has_own(const struct command *command, const char *option);
const struct command *command_find(const char *name); /* "image import"; NULL: none */

/* A read command line. */
struct arguments {
    const struct command *command; /* NULL: help of the whole, or version */
    const char
        *group; /* with help: the first word of two-word commands, of all of which it is asked; or NULL */
    bool help;
    bool version;
    struct vec options;     /* struct given */
    struct vec positionals; /* const char * */
};

struct given {
    const char *name;
    const char *value; /* NULL: without */
};

/* argv[0] is the program's name. Texts in ret_arguments are argv's. ERROR_USAGE, one line, with the nearest
 * right spelling. */
MUST_CHECK bool command_parse(int argc, char **argv, struct arguments *ret_arguments, struct error *err);
void arguments_free(struct arguments *arguments);
/* NULL: not given. The name has to be one of the command's: asserted. */
const char *arguments_text(const struct arguments *arguments, const char *name);
bool arguments_has(const struct arguments *arguments, const char *name);
/* The n-th value of an option that may be given more than once; NULL at the end. */
const char *arguments_nth(const struct arguments *arguments, const char *name, size_t n);
/* The n-th positional argument; NULL: not given. */
const char *arguments_positional(const struct arguments *arguments, size_t n);

#endif
