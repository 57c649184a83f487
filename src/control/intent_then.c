/* The grid as it would be with some documents. */
#include "base/text.h"
#include "control/internal.h"

#include <string.h>

static const void *merge(struct arena *arena, const void *old, size_t old_length,
                         const struct documents *documents, enum document_kind kind, size_t *ret_length);
static int compare_documents(const void *a, const void *b);
static const char *object_name(struct arena *arena, enum document_kind kind, const void *object);
static const char *image_name(struct arena *arena, const struct image *image);

const void *intent_object(const struct document *document)
{
    switch (document->kind->kind) {
    case KIND_HOST:
        return document->host;
    case KIND_PARTY:
        return document->party;
    case KIND_FARM:
        return document->farm;
    case KIND_IMAGE:
        return document->image;
    case KIND_POOL:
        return document->pool;
    case KIND_SLA:
        return document->sla;
    case KIND_SCALING_RULES:
        return document->scaling_rules;
    case KIND_FILTER:
        return document->filter;
    case KIND_LEASE:
        return document->lease;
    case KIND_CONTACT:
        return document->contact;
    case KIND_KEY:
        return document->key;
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

struct snapshot intent_with_documents(struct arena *arena, const struct snapshot *snapshot,
                                      const struct documents *documents)
{
    struct snapshot then = *snapshot;
    then.hosts = merge(arena, then.hosts, then.hosts_length, documents, KIND_HOST, &then.hosts_length);
    then.parties =
        merge(arena, then.parties, then.parties_length, documents, KIND_PARTY, &then.parties_length);
    then.farms = merge(arena, then.farms, then.farms_length, documents, KIND_FARM, &then.farms_length);
    then.images = merge(arena, then.images, then.images_length, documents, KIND_IMAGE, &then.images_length);
    then.pools = merge(arena, then.pools, then.pools_length, documents, KIND_POOL, &then.pools_length);
    then.slas = merge(arena, then.slas, then.slas_length, documents, KIND_SLA, &then.slas_length);
    then.rules =
        merge(arena, then.rules, then.rules_length, documents, KIND_SCALING_RULES, &then.rules_length);
    then.filters =
        merge(arena, then.filters, then.filters_length, documents, KIND_FILTER, &then.filters_length);
    then.leases = merge(arena, then.leases, then.leases_length, documents, KIND_LEASE, &then.leases_length);
    then.contacts =
        merge(arena, then.contacts, then.contacts_length, documents, KIND_CONTACT, &then.contacts_length);
    then.keys = merge(arena, then.keys, then.keys_length, documents, KIND_KEY, &then.keys_length);
    return then;
}

/* Both in order of names; a document replaces what has its name. */
static const void *merge(struct arena *arena, const void *old, size_t old_length,
                         const struct documents *documents, enum document_kind kind, size_t *ret_length)
{
    size_t size = kinds[kind].schema->size, news_length = 0, length = 0, o = 0;
    const struct document **news = arena_alloc_array(arena, documents->length + 1, sizeof(*news));

    for (size_t i = 0; i < documents->length; i++)
        if (documents->items[i].kind->kind == kind) news[news_length++] = &documents->items[i];
    if (news_length == 0) return old; /* its length is *ret_length */
    array_sort(news, news_length, sizeof(*news), compare_documents);
    const char *olds = old;
    char *items = arena_alloc_array(arena, old_length + news_length, size);
    for (size_t n = 0; n <= news_length; n++) {
        size_t from = o;
        int order = 1;
        while (o < old_length &&
               (n == news_length ||
                (order = text_compare_natural(object_name(arena, kind, olds + o * size), news[n]->name)) < 0))
            o++;
        if (o > from) memcpy(items + length * size, olds + from * size, (o - from) * size);
        length += o - from;
        if (n == news_length) break;
        if (o < old_length && order == 0) o++;
        memcpy(items + length++ * size, intent_object(news[n]), size);
    }
    *ret_length = length;
    return items;
}

static int compare_documents(const void *a, const void *b)
{
    const struct document *const *left = a, *const *right = b;
    return text_compare_natural((*left)->name, (*right)->name);
}

static const char *object_name(struct arena *arena, enum document_kind kind, const void *object)
{
    switch (kind) {
    case KIND_HOST:
        return ((const struct host *)object)->name;
    case KIND_PARTY:
        return ((const struct party *)object)->name;
    case KIND_FARM:
        return ((const struct farm *)object)->full_name;
    case KIND_IMAGE:
        return image_name(arena, object);
    case KIND_POOL:
        return ((const struct pool *)object)->name;
    case KIND_SLA:
        return ((const struct sla *)object)->name;
    case KIND_SCALING_RULES:
        return ((const struct scaling_rules *)object)->name;
    case KIND_FILTER:
        return ((const struct filter *)object)->full_name;
    case KIND_LEASE:
        return ((const struct lease *)object)->name;
    case KIND_CONTACT:
        return ((const struct contact *)object)->full_name;
    case KIND_KEY:
        return ((const struct party_key *)object)->name;
    case KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

/* As its document is called (spec/read.c). */
static const char *image_name(struct arena *arena, const struct image *image)
{
    if (text_equal(image->party, PARTY_LANDLORD)) return image->name;
    return arena_printf(arena, "%s/%s", image->party, image->name);
}
