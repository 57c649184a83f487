#include "sim/vault.h"

#include "base/mem.h"
#include "base/text.h"
#include "sim/digest.h"

#include <string.h>

static const char file_name[] = "vault";

/* Symmetric ones have '=' before their name. */
struct slot {
    char name[VAULT_SLOT_SIZE_MAX + 2];
    unsigned char secret[VAULT_KEY_SIZE];
    struct vault_pair pair; /* follows from it, and is asked for with every report */
};

struct sim_vault {
    struct vault_port port;
    const struct disk_port *disk;
    const struct random_port *random;
    struct vec slots; /* struct slot */
    struct vec given; /* the same, not on disk */
};

static bool load(struct sim_vault *vault, struct error *err);
static bool replace(struct sim_vault *vault, struct vec *slots, struct error *err);
static struct vec copy_without(const struct sim_vault *vault, const char *name);
static const struct slot *find_slot(const struct sim_vault *vault, const char *name);
static void hash(const char *what, const void *key, const void *data, size_t size,
                 unsigned char ret_digest[VAULT_DIGEST_SIZE]);
static void public_of(const struct slot *slot, struct vault_pair *ret_pair);
static bool vault_make(void *self, const char *slot, struct vault_pair *ret_pair, struct error *err);
static bool vault_find(void *self, const char *slot, struct vault_pair *ret_pair);
static bool vault_rename(void *self, const char *from, const char *to, struct error *err);
static bool vault_destroy(void *self, const char *slot, struct error *err);
static void vault_list(void *self, struct vec *ret_slots);
static bool vault_open(void *self, const char *slot, const void *box, size_t size, struct buf *ret_data,
                       struct error *err);
static bool vault_sign(void *self, const char *slot, const void *data, size_t size,
                       unsigned char ret_signature[VAULT_SIGNATURE_SIZE], struct error *err);
static bool vault_secret_make(void *self, const char *slot, struct error *err);
static bool vault_secret_give(void *self, const char *slot, const unsigned char secret[VAULT_SECRET_SIZE],
                              struct error *err);
static enum vault_secret vault_secret_find(void *self, const char *slot);
static bool vault_secret_destroy(void *self, const char *slot, struct error *err);
static bool vault_wrap(void *self, const struct vault_lock *lock, const void *data, size_t size,
                       struct buf *ret_box, struct error *err);
static bool vault_unwrap(void *self, const struct vault_lock *lock, const void *box, size_t box_size,
                         void *ret_data, size_t size, struct error *err);
static bool vault_memory(void *self, size_t size, void **ret_memory, struct error *err);
static void vault_memory_free(void *self, void *memory);
static const struct slot *find_secret(const struct sim_vault *vault, const char *name);
static bool derive(const struct sim_vault *vault, const struct vault_lock *lock,
                   unsigned char ret_key[VAULT_KEY_SIZE], struct error *err);
static void lock_digest(const unsigned char *key, const struct vault_lock *lock, const void *data,
                        size_t size, unsigned char ret_digest[VAULT_DIGEST_SIZE]);
static bool vault_verify(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                         const unsigned char signature[VAULT_SIGNATURE_SIZE]);
static bool vault_seal(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                       struct buf *ret_box, struct error *err);
static void vault_digest(void *self, const void *data, size_t size,
                         unsigned char ret_digest[VAULT_DIGEST_SIZE]);

bool sim_vault_new(const struct disk_port *disk, const struct random_port *random,
                   struct sim_vault **ret_vault, struct error *err)
{
    struct sim_vault *vault = mem_alloc(sizeof(*vault));

    vault->port = (struct vault_port){.self = vault,
                                      .make = vault_make,
                                      .find = vault_find,
                                      .rename = vault_rename,
                                      .destroy = vault_destroy,
                                      .list = vault_list,
                                      .open = vault_open,
                                      .sign = vault_sign,
                                      .secret_make = vault_secret_make,
                                      .secret_give = vault_secret_give,
                                      .secret_find = vault_secret_find,
                                      .secret_destroy = vault_secret_destroy,
                                      .wrap = vault_wrap,
                                      .unwrap = vault_unwrap,
                                      .memory = vault_memory,
                                      .memory_free = vault_memory_free,
                                      .verify = vault_verify,
                                      .seal = vault_seal,
                                      .digest = vault_digest};
    vault->disk = disk;
    vault->random = random;
    vault->slots = VEC_OF(struct slot);
    vault->given = VEC_OF(struct slot);
    if (!load(vault, err)) {
        sim_vault_free(vault);
        return false;
    }
    *ret_vault = vault;
    return true;
}

void sim_vault_free(struct sim_vault *vault)
{
    if (!vault) return;
    vec_free(&vault->slots);
    vec_free(&vault->given);
    mem_free(vault);
}

const struct vault_port *sim_vault_port(struct sim_vault *vault)
{
    return &vault->port;
}

/* One that is damaged is as good as none, as with the real one. */
static bool load(struct sim_vault *vault, struct error *err)
{
    CLEANUP_BUF struct buf file = {0};
    struct error problem;

    if (!vault->disk->read(vault->disk->self, file_name, &file, &problem)) {
        if (problem.code == ERROR_NOT_FOUND) return true;
        *err = problem;
        return false;
    }
    if (file.size % sizeof(struct slot) != 0) return true;
    for (size_t at = 0; at < file.size; at += sizeof(struct slot))
        memcpy(vec_push(&vault->slots), file.data + at, sizeof(struct slot));
    return true;
}

/* On disk and then here, or neither; takes the slots. */
static bool replace(struct sim_vault *vault, struct vec *slots, struct error *err)
{
    const struct disk_port *disk = vault->disk;
    size_t size = slots->length * sizeof(struct slot);

    if (!disk->write(disk->self, file_name, slots->length ? slots->items : "", size, 0600, err)) {
        vec_free(slots);
        return false;
    }
    vec_free(&vault->slots);
    vault->slots = *slots;
    return true;
}

static struct vec copy_without(const struct sim_vault *vault, const char *name)
{
    struct vec copy = VEC_OF(struct slot);
    for (size_t i = 0; i < vault->slots.length; i++) {
        const struct slot *slot = vec_at(&vault->slots, i);
        if (!text_equal(slot->name, name)) *(struct slot *)vec_push(&copy) = *slot;
    }
    return copy;
}

static const struct slot *find_slot(const struct sim_vault *vault, const char *name)
{
    for (size_t i = 0; i < vault->slots.length; i++) {
        const struct slot *slot = vec_at(&vault->slots, i);
        if (text_equal(slot->name, name)) return slot;
    }
    return NULL;
}

static void hash(const char *what, const void *key, const void *data, size_t size,
                 unsigned char ret_digest[VAULT_DIGEST_SIZE])
{
    CLEANUP_BUF struct buf all = {0};
    char hex[65];

    buf_add_text(&all, what);
    if (key) buf_add(&all, key, VAULT_KEY_SIZE);
    buf_add(&all, data, size);
    sim_digest(all.data, all.size, hex);
    for (size_t i = 0; i < VAULT_DIGEST_SIZE; i++)
        ret_digest[i] = (unsigned char)(text_hex_digit(hex[2 * i]) << 4 | text_hex_digit(hex[2 * i + 1]));
}

static void public_of(const struct slot *slot, struct vault_pair *ret_pair)
{
    hash("seal", slot->secret, "", 0, ret_pair->seal);
    hash("sign", slot->secret, "", 0, ret_pair->sign);
    hash("pair", ret_pair->seal, ret_pair->sign, sizeof(ret_pair->sign), ret_pair->fingerprint);
}

static bool vault_make(void *self, const char *name, struct vault_pair *ret_pair, struct error *err)
{
    struct sim_vault *vault = self;
    struct vec slots = copy_without(vault, name);
    struct slot *made = vec_push(&slots);

    ASSERT(name[0] && strlen(name) <= VAULT_SLOT_SIZE_MAX);
    strcpy(made->name, name);
    vault->random->fill(vault->random->self, made->secret, sizeof(made->secret));
    public_of(made, &made->pair);
    struct vault_pair pair = made->pair;
    if (!replace(vault, &slots, err)) return false;
    *ret_pair = pair;
    return true;
}

static bool vault_find(void *self, const char *name, struct vault_pair *ret_pair)
{
    const struct slot *slot = find_slot(self, name);
    if (slot) *ret_pair = slot->pair;
    return slot != NULL;
}

static bool vault_rename(void *self, const char *from, const char *to, struct error *err)
{
    struct sim_vault *vault = self;
    const struct slot *moved = find_slot(vault, from);

    if (!moved) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", from);
    struct slot kept = *moved;
    struct vec slots = copy_without(vault, to);
    for (size_t i = 0; i < slots.length; i++) {
        struct slot *slot = vec_at(&slots, i);
        if (!text_equal(slot->name, kept.name)) continue;
        memset(slot->name, 0, sizeof(slot->name));
        memcpy(slot->name, to, strlen(to));
    }
    return replace(vault, &slots, err);
}

static bool vault_destroy(void *self, const char *name, struct error *err)
{
    struct sim_vault *vault = self;
    if (!find_slot(vault, name)) return true;
    struct vec slots = copy_without(vault, name);
    return replace(vault, &slots, err);
}

static void vault_list(void *self, struct vec *ret_slots)
{
    const struct sim_vault *vault = self;
    for (size_t i = 0; i < vault->slots.length; i++) {
        const struct slot *slot = vec_at(&vault->slots, i);
        if (slot->name[0] != '=') *(char **)vec_push(ret_slots) = mem_strdup(slot->name);
    }
}

/* A box is a digest over the key and what follows it. */
static bool vault_open(void *self, const char *name, const void *box, size_t size, struct buf *ret_data,
                       struct error *err)
{
    const struct slot *slot = find_slot(self, name);
    const char *bytes = box;
    unsigned char digest[VAULT_DIGEST_SIZE];

    if (!slot) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", name);
    if (size < VAULT_DIGEST_SIZE)
        return error_set(err, ERROR_DENIED, "the box is torn, or sealed to another key");
    hash("box", slot->pair.seal, bytes + VAULT_DIGEST_SIZE, size - VAULT_DIGEST_SIZE, digest);
    if (memcmp(digest, bytes, VAULT_DIGEST_SIZE) != 0)
        return error_set(err, ERROR_DENIED, "the box is torn, or sealed to another key");
    buf_add(ret_data, bytes + VAULT_DIGEST_SIZE, size - VAULT_DIGEST_SIZE);
    return true;
}

static bool vault_sign(void *self, const char *name, const void *data, size_t size,
                       unsigned char ret_signature[VAULT_SIGNATURE_SIZE], struct error *err)
{
    const struct slot *slot = find_slot(self, name);

    if (!slot) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", name);
    hash("first", slot->pair.sign, data, size, ret_signature);
    hash("second", slot->pair.sign, data, size, ret_signature + VAULT_DIGEST_SIZE);
    return true;
}

static bool vault_secret_make(void *self, const char *name, struct error *err)
{
    struct sim_vault *vault = self;
    CLEANUP_MEM char *marked = mem_printf("=%s", name);
    struct vec slots = copy_without(vault, marked);
    struct slot *made = vec_push(&slots);

    ASSERT(name[0] && strlen(name) < VAULT_SLOT_SIZE_MAX);
    memset(made, 0, sizeof(*made));
    strcpy(made->name, marked);
    vault->random->fill(vault->random->self, made->secret, sizeof(made->secret));
    return replace(vault, &slots, err);
}

static bool vault_secret_give(void *self, const char *name, const unsigned char secret[VAULT_SECRET_SIZE],
                              struct error *err)
{
    struct sim_vault *vault = self;
    struct slot made = {0};

    ASSERT(name[0] && strlen(name) <= VAULT_SLOT_SIZE_MAX);
    if (vault_secret_find(self, name) == VAULT_SECRET_KEPT)
        return error_set(err, ERROR_REFUSED, "%s has a secret that is kept here", name);
    if (!vault_secret_destroy(self, name, err)) return false;
    made.name[0] = '=';
    memcpy(made.name + 1, name, strlen(name));
    memcpy(made.secret, secret, sizeof(made.secret));
    *(struct slot *)vec_push(&vault->given) = made;
    return true;
}

static const struct slot *find_secret(const struct sim_vault *vault, const char *name)
{
    CLEANUP_MEM char *marked = mem_printf("=%s", name);
    const struct slot *kept = find_slot(vault, marked);

    for (size_t i = 0; !kept && i < vault->given.length; i++) {
        const struct slot *slot = vec_at(&vault->given, i);
        if (text_equal(slot->name, marked)) kept = slot;
    }
    return kept;
}

static enum vault_secret vault_secret_find(void *self, const char *name)
{
    const struct sim_vault *vault = self;
    CLEANUP_MEM char *marked = mem_printf("=%s", name);

    return find_slot(vault, marked)   ? VAULT_SECRET_KEPT
           : find_secret(vault, name) ? VAULT_SECRET_GIVEN
                                      : VAULT_SECRET_NONE;
}

static bool vault_secret_destroy(void *self, const char *name, struct error *err)
{
    struct sim_vault *vault = self;
    CLEANUP_MEM char *marked = mem_printf("=%s", name);
    const struct slot *found = find_secret(vault, name);

    if (!found) return true;
    if (find_slot(vault, marked)) {
        struct vec slots = copy_without(vault, marked);
        return replace(vault, &slots, err);
    }
    vec_remove(&vault->given, (size_t)(found - (struct slot *)vault->given.items));
    return true;
}

static bool derive(const struct sim_vault *vault, const struct vault_lock *lock,
                   unsigned char ret_key[VAULT_KEY_SIZE], struct error *err)
{
    CLEANUP_BUF struct buf all = {0};

    ASSERT(lock->slots_length > 0 && lock->slots_length <= VAULT_LOCK_SLOTS_MAX);
    for (size_t i = 0; i < lock->slots_length; i++) {
        const struct slot *secret = find_secret(vault, lock->slots[i]);
        if (!secret) return error_set(err, ERROR_NOT_FOUND, "there is no secret of %s", lock->slots[i]);
        buf_add(&all, secret->secret, sizeof(secret->secret));
    }
    buf_add(&all, lock->purpose, lock->purpose_size);
    hash("derive", NULL, all.data, all.size, ret_key);
    return true;
}

/* A digest over the key, what it is about and what follows. */
static void lock_digest(const unsigned char *key, const struct vault_lock *lock, const void *data,
                        size_t size, unsigned char ret_digest[VAULT_DIGEST_SIZE])
{
    CLEANUP_BUF struct buf all = {0};
    buf_printf(&all, "%zu ", lock->about_size);
    buf_add(&all, lock->about, lock->about_size);
    buf_add(&all, data, size);
    hash("wrap", key, all.data, all.size, ret_digest);
}

static bool vault_wrap(void *self, const struct vault_lock *lock, const void *data, size_t size,
                       struct buf *ret_box, struct error *err)
{
    unsigned char key[VAULT_KEY_SIZE], digest[VAULT_DIGEST_SIZE];

    if (!derive(self, lock, key, err)) return false;
    lock_digest(key, lock, data, size, digest);
    buf_add(ret_box, digest, sizeof(digest));
    buf_add(ret_box, data, size);
    return true;
}

static bool vault_unwrap(void *self, const struct vault_lock *lock, const void *box, size_t box_size,
                         void *ret_data, size_t size, struct error *err)
{
    unsigned char key[VAULT_KEY_SIZE], digest[VAULT_DIGEST_SIZE];
    const char *bytes = box;

    memset(ret_data, 0, size);
    if (!derive(self, lock, key, err)) return false;
    if (box_size != size + VAULT_DIGEST_SIZE)
        return error_set(err, ERROR_DENIED, "the box is torn, or wrapped with another key");
    lock_digest(key, lock, bytes + VAULT_DIGEST_SIZE, size, digest);
    if (memcmp(digest, bytes, sizeof(digest)) != 0)
        return error_set(err, ERROR_DENIED, "the box is torn, or wrapped with another key");
    memcpy(ret_data, bytes + VAULT_DIGEST_SIZE, size);
    return true;
}

static bool vault_memory(void *self, size_t size, void **ret_memory, struct error *err)
{
    *ret_memory = mem_alloc(size);
    return true;
}

static void vault_memory_free(void *self, void *memory)
{
    mem_free(memory);
}

static bool vault_verify(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                         const unsigned char signature[VAULT_SIGNATURE_SIZE])
{
    unsigned char right[VAULT_SIGNATURE_SIZE];
    hash("first", key, data, size, right);
    hash("second", key, data, size, right + VAULT_DIGEST_SIZE);
    return memcmp(right, signature, sizeof(right)) == 0;
}

static bool vault_seal(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                       struct buf *ret_box, struct error *err)
{
    unsigned char digest[VAULT_DIGEST_SIZE];
    hash("box", key, data, size, digest);
    buf_add(ret_box, digest, sizeof(digest));
    buf_add(ret_box, data, size);
    return true;
}

static void vault_digest(void *self, const void *data, size_t size,
                         unsigned char ret_digest[VAULT_DIGEST_SIZE])
{
    hash("digest", NULL, data, size, ret_digest);
}
