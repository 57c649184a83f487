#include "driver/net/rules_filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Named by what is in it, so that what does not change keeps its name and is not touched. */
struct chain {
    char *name; /* "f" or "g" and 16 hex digits: of one filter, and of several that govern together */
    char *body;
};

/* Members that the same filters govern. Directions: FILTER_IN, FILTER_OUT. */
struct class
{
    struct vec filters;   /* size_t: numbers in the farm's list */
    const char *chain[2]; /* NULL: nothing to judge */
};

struct port_of {
    uint32_t address;
    struct class *class;
};

/* A filter in one direction. */
struct compiled {
    struct filter_program *program; /* NULL: governs nobody here */
    const char *chain;              /* NULL: lets all pass */
};

struct filter_book {
    struct vec compiled; /* struct compiled: of filter i in direction d at 2 * i + d */
    struct vec chains;   /* struct chain, by name */
    struct map *names;   /* of chains: their bodies */
    struct map *classes; /* struct class by the list of filters */
    struct vec ports;    /* struct port_of, by address */
};

static struct class *class_of(struct filter_book *book, const struct host_farm *farm,
                              const struct member *member);
static bool governs(const char *on, const char *farm, const struct member *member);
static void compile_class(struct filter_book *book, const struct host_farm *farm,
                          const struct filter_place *place, struct class *class);
static void compile(struct filter_book *book, const struct filter *filter, enum filter_direction direction,
                    const struct filter_place *place, struct compiled *ret_compiled);
static const char *chain_of(struct filter_book *book, char kind, const char *body);
static const struct port_of *find_port(const struct filter_book *book, uint32_t address);
static bool judge(const struct filter_book *book, uint32_t address, enum filter_direction direction,
                  const struct filter_packet *packet);
static bool same_judge(const struct filter_book *old, const char *a, const struct filter_book *new,
                       const char *b);
static void delete_chains(const struct vec *names, struct buf *text);
static int compare_chain(const void *a, const void *b);
static int compare_port(const void *a, const void *b);

struct filter_book *filter_book_new(const struct host_farm *farm, uint32_t underlay,
                                    const struct filter_place *place)
{
    struct filter_book *book = mem_alloc(sizeof(*book));
    book->compiled = VEC_OF(struct compiled);
    book->chains = VEC_OF(struct chain);
    book->ports = VEC_OF(struct port_of);
    book->names = map_new();
    book->classes = map_new();
    for (size_t i = 0; i < 2 * farm->filters_length; i++)
        vec_push(&book->compiled);
    for (size_t i = 0; i < farm->members_length; i++) {
        const struct member *member = &farm->members[i];
        if (member->underlay != underlay) continue;
        struct class *class = class_of(book, farm, member);
        *(struct port_of *)vec_push(&book->ports) = (struct port_of){member->address, class};
    }
    size_t cursor = 0;
    void *class;
    while (map_next(book->classes, &cursor, NULL, &class))
        compile_class(book, farm, place, class);
    vec_sort(&book->chains, compare_chain);
    vec_sort(&book->ports, compare_port);
    return book;
}

void filter_book_free(struct filter_book *book)
{
    size_t cursor = 0;
    void *value;
    if (book == NULL) return;
    while (map_next(book->classes, &cursor, NULL, &value)) {
        struct class *class = value;
        vec_free(&class->filters);
        mem_free(class);
    }
    for (size_t i = 0; i < book->compiled.length; i++)
        filter_program_free(((struct compiled *)vec_at(&book->compiled, i))->program);
    for (size_t i = 0; i < book->chains.length; i++) {
        struct chain *chain = vec_at(&book->chains, i);
        mem_free(chain->name);
        mem_free(chain->body);
    }
    map_free(book->classes);
    map_free(book->names);
    vec_free(&book->compiled);
    vec_free(&book->chains);
    vec_free(&book->ports);
    mem_free(book);
}

const char *filter_book_chain(const struct filter_book *book, uint32_t address,
                              enum filter_direction direction)
{
    const struct port_of *port = find_port(book, address);
    return port == NULL ? NULL : port->class->chain[direction];
}

bool filter_book_pass(const struct filter_book *book, const struct filter_packet *packet)
{
    return judge(book, (uint32_t)packet->from.low, FILTER_OUT, packet) &&
           judge(book, (uint32_t)packet->to.low, FILTER_IN, packet);
}

bool filter_book_shrink(const struct filter_book *old, const struct filter_book *new)
{
    for (size_t i = 0; i < new->ports.length; i++) {
        const struct port_of *port = vec_at(&new->ports, i);
        if (find_port(old, port->address) == NULL) continue;
        for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
            const char *here = port->class->chain[d];
            if (here != NULL && !same_judge(old, filter_book_chain(old, port->address, d), new, here))
                return true;
        }
    }
    return false;
}

void filter_book_add(const struct filter_book *old, const struct filter_book *new, struct buf *text)
{
    /* One that jumps comes after those it jumps to: "f" before "g". */
    for (size_t i = 0; i < new->chains.length; i++) {
        const struct chain *chain = vec_at(&new->chains, i);
        const char *before = old == NULL ? NULL : map_get(old->names, chain->name);
        if (before != NULL && text_equal(before, chain->body)) continue;
        buf_printf(text, "add chain inet %s %s\n", RULES_TABLE, chain->name);
        if (before != NULL) buf_printf(text, "flush chain inet %s %s\n", RULES_TABLE, chain->name);
        buf_printf(text, "table inet %s {\n chain %s {\n%s }\n}\n", RULES_TABLE, chain->name, chain->body);
    }
}

void filter_book_delete(const struct filter_book *old, const struct filter_book *new, struct buf *text)
{
    struct vec names = VEC_OF(char *);
    for (size_t i = 0; i < old->chains.length; i++)
        *(char **)vec_push(&names) = ((struct chain *)vec_at(&old->chains, i))->name;
    filter_book_delete_others(new, &names, text);
    vec_free(&names);
}

void filter_book_delete_others(const struct filter_book *book, const struct vec *names, struct buf *text)
{
    struct vec gone = VEC_OF(char *);
    for (size_t i = 0; i < names->length; i++) {
        char *name = *(char **)vec_at(names, i);
        if (map_get(book->names, name) == NULL) *(char **)vec_push(&gone) = name;
    }
    delete_chains(&gone, text);
    vec_free(&gone);
}

bool filter_book_is_name(const char *chain)
{
    return (chain[0] == 'f' || chain[0] == 'g') && strlen(chain) == 17 &&
           strspn(chain + 1, "0123456789abcdef") == 16;
}

static struct class *class_of(struct filter_book *book, const struct host_farm *farm,
                              const struct member *member)
{
    CLEANUP_BUF struct buf key = {0};
    struct vec filters = VEC_OF(size_t);
    for (size_t i = 0; i < farm->filters_length; i++) {
        if (!governs(farm->filters[i].on, farm->name, member)) continue;
        *(size_t *)vec_push(&filters) = i;
        buf_printf(&key, "%zu ", i);
    }
    struct class *class = map_get(book->classes, buf_text(&key));
    if (class != NULL) {
        vec_free(&filters);
        return class;
    }
    class = mem_alloc(sizeof(*class));
    class->filters = filters;
    map_put(book->classes, buf_text(&key), class);
    return class;
}

/* What is wider than a farm and stands in its list is for all of it. */
static bool governs(const char *on, const char *farm, const struct member *member)
{
    size_t size = strlen(farm);
    if (strchr(on, '/') == NULL) return true;
    if (!text_starts(on, farm)) return false;
    if (on[size] == '\0') return true;
    return on[size] == '/' &&
           (text_equal(on + size + 1, member->tier) || text_equal(on + size + 1, member->instance));
}

static void compile_class(struct filter_book *book, const struct host_farm *farm,
                          const struct filter_place *place, struct class *class)
{
    for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
        CLEANUP_BUF struct buf jumps = {0};
        const char *only = NULL;
        size_t length = 0;
        for (size_t i = 0; i < class->filters.length; i++) {
            size_t number = *(size_t *)vec_at(&class->filters, i);
            struct compiled *compiled = vec_at(&book->compiled, 2 * number + d);
            if (compiled->program == NULL) compile(book, &farm->filters[number], d, place, compiled);
            if (compiled->chain == NULL) continue;
            only = compiled->chain;
            buf_printf(&jumps, "  jump %s\n", only);
            length++;
        }
        class->chain[d] = length < 2 ? only : chain_of(book, 'g', buf_text(&jumps));
    }
}

static void compile(struct filter_book *book, const struct filter *filter, enum filter_direction direction,
                    const struct filter_place *place, struct compiled *ret_compiled)
{
    CLEANUP_BUF struct buf body = {0};
    ret_compiled->program = filter_program_new(filter, direction, place);
    filter_program_text(ret_compiled->program, &body);
    ret_compiled->chain = body.size == 0 ? NULL : chain_of(book, 'f', buf_text(&body));
}

/* Its name; the hash is not one for security, so that the next free name is taken if another body has it. */
static const char *chain_of(struct filter_book *book, char kind, const char *body)
{
    char name[32];
    const char *other;
    uint64_t hash = text_hash(TEXT_HASH_SEED, body, strlen(body));
    do
        snprintf(name, sizeof(name), "%c%016llx", kind, (unsigned long long)hash++);
    while ((other = map_get(book->names, name)) != NULL && !text_equal(other, body));
    struct chain *chain = NULL;
    for (size_t i = 0; other != NULL && chain == NULL; i++) {
        struct chain *here = vec_at(&book->chains, i);
        if (text_equal(here->name, name)) chain = here;
    }
    if (chain == NULL) {
        chain = vec_push(&book->chains);
        *chain = (struct chain){mem_strdup(name), mem_strdup(body)};
        map_put(book->names, name, chain->body);
    }
    return chain->name;
}

static const struct port_of *find_port(const struct filter_book *book, uint32_t address)
{
    const struct port_of key = {.address = address};
    if (book->ports.length == 0) return NULL;
    return bsearch(&key, book->ports.items, book->ports.length, sizeof(key), compare_port);
}

static bool judge(const struct filter_book *book, uint32_t address, enum filter_direction direction,
                  const struct filter_packet *packet)
{
    const struct port_of *port = find_port(book, address);
    for (size_t i = 0; port != NULL && i < port->class->filters.length; i++) {
        size_t number = *(size_t *)vec_at(&port->class->filters, i);
        const struct compiled *compiled = vec_at(&book->compiled, 2 * number + direction);
        if (filter_program_judge(compiled->program, packet) != FILTER_ALLOW) return false;
    }
    return true;
}

/* Equal names are equal bodies, unless two hashes met; and so are those of the chains that they jump to. */
static bool same_judge(const struct filter_book *old, const char *a, const struct filter_book *new,
                       const char *b)
{
    if (a == NULL || !text_equal(a, b)) return false;
    const char *body = map_get(new->names, b);
    if (!text_equal(map_get(old->names, a), body)) return false;
    for (const char *jump = strstr(body, "jump f"); jump != NULL; jump = strstr(jump + 1, "jump f")) {
        CLEANUP_MEM char *name = mem_strndup(jump + strlen("jump "), 17);
        if (!text_equal(map_get(old->names, name), map_get(new->names, name))) return false;
    }
    return true;
}

/* Those that jump first. Rules are flushed before any chain goes, so that none is jumped to any more. */
static void delete_chains(const struct vec *names, struct buf *text)
{
    for (size_t i = 0; i < names->length; i++)
        buf_printf(text, "flush chain inet %s %s\n", RULES_TABLE, *(char **)vec_at(names, i));
    for (size_t i = 0; i < names->length; i++)
        buf_printf(text, "delete chain inet %s %s\n", RULES_TABLE, *(char **)vec_at(names, i));
}

static int compare_chain(const void *a, const void *b)
{
    return strcmp(((const struct chain *)a)->name, ((const struct chain *)b)->name);
}

static int compare_port(const void *a, const void *b)
{
    uint32_t x = ((const struct port_of *)a)->address, y = ((const struct port_of *)b)->address;
    return (x > y) - (x < y);
}
