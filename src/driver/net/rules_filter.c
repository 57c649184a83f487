#include "driver/net/rules_filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "driver/net/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A filter as it was compiled; books of one farm share those that did not change. */
struct compiled {
    unsigned users;
    char *name; /* full */
    struct buf meaning;
    struct filter_program *programs[2]; /* by direction */
    char *bodies[2];                    /* of its chains; "": lets all pass */
};

struct filter_use_of {
    struct compiled *compiled; /* NULL: governs nobody here */
    const char *chains[2];     /* by direction; NULL: lets all pass */
};

/* A member that lives here. */
struct port_of {
    uint32_t address;
    struct vec filters; /* size_t: numbers of those that govern it, in the farm's list */
};

/* Names stay while what they are for is there, so that a change is one of chains, not of who jumps where: a
 * packet on its way through chains sees those of one generation, but sets as they are at that moment. "fo" or
 * "fi" and 16 hex digits: of a filter, for what its members send or get; "mo" or "mi" and 8: of a member. */
static const char directions[] = {[FILTER_IN] = 'i', [FILTER_OUT] = 'o'};

struct filter_book {
    bool filtered;      /* there are any: each member here has chains then, be they empty */
    struct vec filters; /* struct filter_use_of, as in the farm's list */
    struct vec names;   /* char *: of all chains, those that jump behind those that are jumped to */
    struct map *bodies; /* const char * by name: of filters, or in `texts` */
    struct vec texts;   /* char * */
    struct vec ports;   /* struct port_of, by address */
};

static void add_port(struct filter_book *book, const struct host_farm *farm, const struct member *member);
static void compile(struct filter_book *book, const struct host_farm *farm, const struct filter_place *place,
                    const struct filter_book *before);
static void use_filter(struct filter_book *book, const struct filter *filter,
                       const struct filter_place *place, const struct filter_book *before,
                       struct filter_use_of *ret_use);
static struct compiled *find_compiled(const struct filter_book *book, const char *name,
                                      const struct buf *meaning);
static struct compiled *new_compiled(const struct filter *filter, const struct filter_place *place,
                                     struct buf *meaning);
static void leave_compiled(struct compiled *compiled);
static void compile_port(struct filter_book *book, const struct port_of *port,
                         enum filter_direction direction);
static const char *add_chain(struct filter_book *book, const char *name, char *body);
static char *member_chain(char *out, uint32_t address, enum filter_direction direction);
static const struct port_of *find_port(const struct filter_book *book, uint32_t address);
static bool judge(const struct filter_book *book, uint32_t address, enum filter_direction direction,
                  const struct filter_packet *packet);
static int compare_port(const void *a, const void *b);

struct filter_book *filter_book_new(const struct host_farm *farm, uint32_t underlay,
                                    const struct filter_place *place, const struct filter_book *before)
{
    struct filter_book *book = mem_alloc(sizeof(*book));
    book->filtered = farm->filters_length > 0;
    book->filters = VEC_OF(struct filter_use_of);
    book->names = VEC_OF(char *);
    book->texts = VEC_OF(char *);
    book->bodies = map_new();
    book->ports = VEC_OF(struct port_of);
    for (size_t i = 0; i < farm->members_length; i++) {
        if (farm->members[i].underlay == underlay) add_port(book, farm, &farm->members[i]);
    }
    vec_sort(&book->ports, compare_port);
    if (book->filtered) compile(book, farm, place, before);
    return book;
}

void filter_book_free(struct filter_book *book)
{
    if (book == NULL) return;
    for (size_t i = 0; i < book->filters.length; i++)
        leave_compiled(((struct filter_use_of *)vec_at(&book->filters, i))->compiled);
    for (size_t i = 0; i < book->ports.length; i++)
        vec_free(&((struct port_of *)vec_at(&book->ports, i))->filters);
    for (size_t i = 0; i < book->names.length; i++)
        mem_free(*(char **)vec_at(&book->names, i));
    for (size_t i = 0; i < book->texts.length; i++)
        mem_free(*(char **)vec_at(&book->texts, i));
    map_free(book->bodies);
    vec_free(&book->filters);
    vec_free(&book->texts);
    vec_free(&book->names);
    vec_free(&book->ports);
    mem_free(book);
}

const char *filter_book_chain(const struct filter_book *book, uint32_t address,
                              enum filter_direction direction, char *out)
{
    if (!book->filtered || find_port(book, address) == NULL) return NULL;
    return member_chain(out, address, direction);
}

void filter_book_judged(const struct filter_book *book, struct vec *ret_judged)
{
    for (size_t i = 0; i < book->ports.length; i++) {
        const struct port_of *port = vec_at(&book->ports, i);
        char address[32];
        text_format_ipv4(address, port->address);
        for (size_t k = 0; k < port->filters.length; k++) {
            const struct filter_use_of *use = vec_at(&book->filters, *(size_t *)vec_at(&port->filters, k));
            *(char **)vec_push(ret_judged) =
                mem_printf("%s . 0x%08x", address, filter_mark(use->compiled->name));
        }
    }
}

const char *filter_book_name(const struct filter_book *book, uint32_t mark)
{
    for (size_t i = 0; i < book->filters.length; i++) {
        const struct filter_use_of *use = vec_at(&book->filters, i);
        if (use->compiled != NULL && filter_mark(use->compiled->name) == mark) return use->compiled->name;
    }
    return NULL;
}

bool filter_book_pass(const struct filter_book *book, const struct filter_packet *packet)
{
    return judge(book, (uint32_t)packet->from.low, FILTER_OUT, packet) &&
           judge(book, (uint32_t)packet->to.low, FILTER_IN, packet);
}

bool filter_book_shrink(const struct filter_book *old, const struct filter_book *new)
{
    for (size_t i = 0; i < new->names.length; i++) {
        const char *name = *(char **)vec_at(&new->names, i);
        const char *before = map_get(old->bodies, name), *body = map_get(new->bodies, name);
        bool known = name[0] != 'm' || find_port(old, (uint32_t)strtoul(name + 2, NULL, 16)) != NULL;
        if (known && body[0] != '\0' && before != body && !text_equal(before, body)) return true;
    }
    return false;
}

void filter_book_add(const struct filter_book *old, const struct filter_book *new, struct buf *text)
{
    for (size_t i = 0; i < new->names.length; i++) {
        const char *name = *(char **)vec_at(&new->names, i), *body = map_get(new->bodies, name);
        const char *before = old == NULL ? NULL : map_get(old->bodies, name);
        if (before != NULL && (before == body || text_equal(before, body))) continue;
        buf_printf(text, "%s chain inet %s %s\n", before == NULL ? "add" : "flush", RULES_TABLE, name);
        if (body[0] != '\0')
            buf_printf(text, "table inet %s {\n chain %s {\n%s }\n}\n", RULES_TABLE, name, body);
    }
}

void filter_book_delete(const struct filter_book *old, const struct filter_book *new, struct buf *text)
{
    filter_book_delete_others(new, &old->names, text);
}

/* All are flushed before any goes, so that none is jumped to any more. */
void filter_book_delete_others(const struct filter_book *book, const struct vec *names, struct buf *text)
{
    static const char *const verbs[] = {"flush", "delete"};
    for (size_t k = 0; k < LENGTH(verbs); k++) {
        for (size_t i = 0; i < names->length; i++) {
            const char *name = *(char **)vec_at(names, i);
            if (map_get(book->bodies, name) == NULL)
                buf_printf(text, "%s chain inet %s %s\n", verbs[k], RULES_TABLE, name);
        }
    }
}

bool filter_book_is_name(const char *chain)
{
    size_t digits = chain[0] == 'f' ? 16 : chain[0] == 'm' ? 8 : 0;
    return digits > 0 && (chain[1] == 'o' || chain[1] == 'i') && strlen(chain) == 2 + digits &&
           strspn(chain + 2, "0123456789abcdef") == digits;
}

/* What is wider than a farm and stands in its list is for all of it. */
bool filter_on_governs(const char *on, const char *farm, const struct member *member)
{
    size_t size = strlen(farm);
    if (strchr(on, '/') == NULL) return true;
    if (!text_starts(on, farm)) return false;
    if (on[size] == '\0') return true;
    return on[size] == '/' &&
           (text_equal(on + size + 1, member->tier) || text_equal(on + size + 1, member->instance));
}

static void add_port(struct filter_book *book, const struct host_farm *farm, const struct member *member)
{
    struct port_of *port = vec_push(&book->ports);
    *port = (struct port_of){.address = member->address, .filters = VEC_OF(size_t)};
    for (size_t i = 0; i < farm->filters_length; i++) {
        if (filter_on_governs(farm->filters[i].on, farm->name, member))
            *(size_t *)vec_push(&port->filters) = i;
    }
}

static void compile(struct filter_book *book, const struct host_farm *farm, const struct filter_place *place,
                    const struct filter_book *before)
{
    for (size_t i = 0; i < farm->filters_length; i++)
        vec_push(&book->filters);
    for (size_t i = 0; i < book->ports.length; i++) {
        const struct port_of *port = vec_at(&book->ports, i);
        for (size_t k = 0; k < port->filters.length; k++) {
            size_t number = *(size_t *)vec_at(&port->filters, k);
            struct filter_use_of *use = vec_at(&book->filters, number);
            if (use->compiled == NULL) use_filter(book, &farm->filters[number], place, before, use);
        }
    }
    for (size_t i = 0; i < 2 * book->ports.length; i++)
        compile_port(book, vec_at(&book->ports, i / 2), i % 2);
}

/* The hash of the name is none for security: whoever finds another name with the same gets the next number,
 * and a chain is what stands in it, not what it is called. */
static void use_filter(struct filter_book *book, const struct filter *filter,
                       const struct filter_place *place, const struct filter_book *before,
                       struct filter_use_of *ret_use)
{
    CLEANUP_BUF struct buf meaning = {0};
    filter_meaning(filter, place, &meaning);
    struct compiled *compiled = before == NULL ? NULL : find_compiled(before, filter->full_name, &meaning);
    if (compiled == NULL) compiled = new_compiled(filter, place, &meaning);
    compiled->users++;
    ret_use->compiled = compiled;
    for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
        char name[32];
        uint64_t hash = text_hash(TEXT_HASH_SEED, filter->full_name, strlen(filter->full_name));
        if (compiled->bodies[d][0] == '\0') continue;
        do
            snprintf(name, sizeof(name), "f%c%016llx", directions[d], (unsigned long long)hash++);
        while (map_get(book->bodies, name) != NULL);
        ret_use->chains[d] = add_chain(book, name, compiled->bodies[d]);
    }
}

static struct compiled *find_compiled(const struct filter_book *book, const char *name,
                                      const struct buf *meaning)
{
    for (size_t i = 0; i < book->filters.length; i++) {
        struct compiled *compiled = ((struct filter_use_of *)vec_at(&book->filters, i))->compiled;
        if (compiled != NULL && text_equal(compiled->name, name) && compiled->meaning.size == meaning->size &&
            memcmp(compiled->meaning.data, meaning->data, meaning->size) == 0)
            return compiled;
    }
    return NULL;
}

static struct compiled *new_compiled(const struct filter *filter, const struct filter_place *place,
                                     struct buf *meaning)
{
    struct compiled *compiled = mem_alloc(sizeof(*compiled));
    compiled->name = mem_strdup(filter->full_name);
    compiled->meaning = *meaning;
    *meaning = (struct buf){0};
    for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
        struct buf body = {0};
        compiled->programs[d] = filter_program_new(filter, d, place);
        filter_program_text(compiled->programs[d], &body);
        compiled->bodies[d] = body.size == 0 ? mem_strdup("") : buf_take(&body);
    }
    return compiled;
}

static void leave_compiled(struct compiled *compiled)
{
    if (compiled == NULL || --compiled->users > 0) return;
    for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
        filter_program_free(compiled->programs[d]);
        mem_free(compiled->bodies[d]);
    }
    buf_free(&compiled->meaning);
    mem_free(compiled->name);
    mem_free(compiled);
}

static void compile_port(struct filter_book *book, const struct port_of *port,
                         enum filter_direction direction)
{
    struct buf body = {0};
    char name[16];
    for (size_t i = 0; i < port->filters.length; i++) {
        const struct filter_use_of *use = vec_at(&book->filters, *(size_t *)vec_at(&port->filters, i));
        if (use->chains[direction] != NULL) buf_printf(&body, "  jump %s\n", use->chains[direction]);
    }
    char *text = body.size == 0 ? mem_strdup("") : buf_take(&body);
    *(char **)vec_push(&book->texts) = text;
    add_chain(book, member_chain(name, port->address, direction), text);
}

/* The body stays the caller's. The book's copy of the name. */
static const char *add_chain(struct filter_book *book, const char *name, char *body)
{
    *(char **)vec_push(&book->names) = mem_strdup(name);
    map_put(book->bodies, name, body);
    return *(char **)vec_at(&book->names, book->names.length - 1);
}

static char *member_chain(char *out, uint32_t address, enum filter_direction direction)
{
    snprintf(out, 16, "m%c%08x", directions[direction], address);
    return out;
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
    for (size_t i = 0; port != NULL && i < port->filters.length; i++) {
        const struct filter_use_of *use = vec_at(&book->filters, *(size_t *)vec_at(&port->filters, i));
        if (filter_program_judge(use->compiled->programs[direction], packet) != FILTER_ALLOW) return false;
    }
    return true;
}

static int compare_port(const void *a, const void *b)
{
    uint32_t x = ((const struct port_of *)a)->address, y = ((const struct port_of *)b)->address;
    return (x > y) - (x < y);
}
