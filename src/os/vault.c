#include "os/vault.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/disk.h"
#include "os/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SLOTS_MAX = 4096,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    HOST_SECRET_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    /* In the file, before it is sealed: the slot's name filled up with zeros, then its secrets, or '=' and
     * the name of a symmetric one, and that filled up with zeros. */
    ENTRY_SIZE = VAULT_SLOT_SIZE_MAX + (int)sizeof(struct seal_secrets),
};

static const char vault_name[] = "vault", host_name[] = "vault.host", damaged_name[] = "vault.damaged";
enum { SECRET_MARK = '=' };
/* Stands in the file in clear, and is sealed with it. */
static const char magic[16] = "croft vault v1\n";

struct slot {
    char name[VAULT_SLOT_SIZE_MAX + 1];
    struct seal_secrets *secrets;
    struct vault_pair pair;
};

/* A symmetric one. */
struct secret {
    char name[VAULT_SLOT_SIZE_MAX + 1];
    unsigned char *bytes; /* VAULT_SECRET_SIZE, locked */
    bool kept;
};

struct os_vault {
    struct vault_port port;
    char *directory;
    struct os_disk *disk;
    unsigned char *host_secret;
    struct vec slots;   /* struct slot */
    struct vec secrets; /* struct secret */
};

static struct os_vault *alloc(const char *directory);
static bool load_host_secret(struct os_vault *vault, struct error *err);
static bool load(struct os_vault *vault, struct buf *ret_note, struct error *err);
static bool unseal(struct os_vault *vault, const struct buf *file, struct error *err);
static bool set_aside(struct os_vault *vault, struct buf *ret_note, const struct error *why,
                      struct error *err);
static bool read_secret(struct os_vault *vault, struct error *err);
static bool save(const struct os_vault *vault, struct error *err);
static bool take_entry(struct os_vault *vault, const unsigned char *entry, struct error *err);
static size_t kept_length(const struct os_vault *vault);
static struct slot *find_slot(const struct os_vault *vault, const char *name);
static struct secret *find_secret(const struct os_vault *vault, const char *name);
static bool put_secret(struct os_vault *vault, const char *name, const unsigned char *bytes, bool kept,
                       struct error *err);
static bool derive(const struct os_vault *vault, const struct vault_lock *lock, unsigned char **ret_key,
                   struct error *err);
static void set_name(struct slot *slot, const char *name);
static void slot_free(struct slot *slot);
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
static bool vault_verify(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                         const unsigned char signature[VAULT_SIGNATURE_SIZE]);
static bool vault_seal(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                       struct buf *ret_box, struct error *err);
static void vault_digest(void *self, const void *data, size_t size,
                         unsigned char ret_digest[VAULT_DIGEST_SIZE]);

bool os_vault_new(const char *directory, struct os_vault **ret_vault, struct buf *ret_note, struct error *err)
{
    struct os_vault *vault = alloc(directory);

    if (!seal_init(err) || !os_disk_new(directory, &vault->disk, err) || !load_host_secret(vault, err) ||
        !load(vault, ret_note, err)) {
        os_vault_free(vault);
        return false;
    }
    *ret_vault = vault;
    return true;
}

bool os_vault_look(const char *directory, struct os_vault **ret_vault, struct error *err)
{
    struct os_vault *vault = alloc(directory);
    CLEANUP_BUF struct buf file = {0};
    void *memory = NULL;

    bool good = seal_init(err) && seal_secret_new(HOST_SECRET_SIZE, &memory, err);
    vault->host_secret = memory;
    good = good && read_secret(vault, err) && os_disk_new(directory, &vault->disk, err);
    const struct disk_port *disk = good ? os_disk_port(vault->disk) : NULL;
    if (!good || !disk->read(disk->self, vault_name, &file, err) || !unseal(vault, &file, err)) {
        os_vault_free(vault);
        return false;
    }
    *ret_vault = vault;
    return true;
}

void os_vault_free(struct os_vault *vault)
{
    if (!vault) return;
    for (size_t i = 0; i < vault->slots.length; i++)
        slot_free(vec_at(&vault->slots, i));
    vec_free(&vault->slots);
    for (size_t i = 0; i < vault->secrets.length; i++)
        seal_secret_free(((struct secret *)vec_at(&vault->secrets, i))->bytes);
    vec_free(&vault->secrets);
    seal_secret_free(vault->host_secret);
    os_disk_free(vault->disk);
    mem_free(vault->directory);
    mem_free(vault);
}

const struct vault_port *os_vault_port(const struct os_vault *vault)
{
    return &vault->port;
}

static struct os_vault *alloc(const char *directory)
{
    struct os_vault *vault = mem_alloc(sizeof(*vault));

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
    vault->directory = mem_strdup(directory);
    vault->slots = VEC_OF(struct slot);
    vault->secrets = VEC_OF(struct secret);
    return vault;
}

static bool load_host_secret(struct os_vault *vault, struct error *err)
{
    const struct disk_port *disk = os_disk_port(vault->disk);
    void *memory = NULL;
    struct error missing;

    if (!seal_secret_new(HOST_SECRET_SIZE, &memory, err)) return false;
    vault->host_secret = memory;
    if (read_secret(vault, &missing)) return true;
    if (missing.code != ERROR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    randombytes_buf(vault->host_secret, HOST_SECRET_SIZE);
    return disk->write(disk->self, host_name, vault->host_secret, HOST_SECRET_SIZE, 0600, err);
}

/* Straight into locked memory, by no buffer in between. */
static bool read_secret(struct os_vault *vault, struct error *err)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", vault->directory, host_name);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd < 0 && errno == ENOENT) return error_set(err, ERROR_NOT_FOUND, "there is no %s", path);
    if (fd < 0) return error_errno(err, errno, "%s", path);
    bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == HOST_SECRET_SIZE &&
                read(fd, vault->host_secret, HOST_SECRET_SIZE) == HOST_SECRET_SIZE;
    bool open_to_others = good && (status.st_mode & 077) != 0;
    close(fd);
    if (!good)
        return error_set(err, ERROR_FAILED,
                         "%s is no host's secret of %d bytes: remove it, and new pairs are made", path,
                         HOST_SECRET_SIZE);
    return !open_to_others ||
           error_set(err, ERROR_FAILED, "%s may be read by others: chmod 600 %s", path, path);
}

static bool load(struct os_vault *vault, struct buf *ret_note, struct error *err)
{
    const struct disk_port *disk = os_disk_port(vault->disk);
    CLEANUP_BUF struct buf file = {0};
    struct error problem;

    if (!disk->read(disk->self, vault_name, &file, &problem)) {
        if (problem.code == ERROR_NOT_FOUND) return true;
        *err = problem;
        return false;
    }
    if (unseal(vault, &file, &problem)) return true;
    if (problem.code != ERROR_INVALID) {
        *err = problem;
        return false;
    }
    return set_aside(vault, ret_note, &problem, err);
}

/* ERROR_INVALID: damaged. Nothing is taken then. */
static bool unseal(struct os_vault *vault, const struct buf *file, struct error *err)
{
    const unsigned char *bytes = (const unsigned char *)file->data;
    size_t head = sizeof(magic) + NONCE_SIZE;
    void *memory = NULL;

    if (file->size < head + TAG_SIZE || memcmp(bytes, magic, sizeof(magic)) != 0 ||
        (file->size - head - TAG_SIZE) % ENTRY_SIZE != 0)
        return error_set(err, ERROR_INVALID, "%s/%s is no vault", vault->directory, vault_name);
    size_t length = (file->size - head - TAG_SIZE) / ENTRY_SIZE;
    if (!seal_secret_new(length * ENTRY_SIZE + 1, &memory, err)) return false;
    unsigned char *plain = memory;
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, bytes + head, file->size - head,
                                                           (const unsigned char *)magic, sizeof(magic),
                                                           bytes + sizeof(magic), vault->host_secret) == 0;
    if (!good)
        error_set(err, ERROR_INVALID, "%s/%s is damaged, or another host's", vault->directory, vault_name);
    for (size_t i = 0; good && i < length; i++)
        good = take_entry(vault, plain + i * ENTRY_SIZE, err);
    seal_secret_free(memory);
    return good;
}

static bool take_entry(struct os_vault *vault, const unsigned char *entry, struct error *err)
{
    const unsigned char *bytes = entry + VAULT_SLOT_SIZE_MAX;
    struct slot slot = {0};
    void *memory = NULL;

    memcpy(slot.name, entry, VAULT_SLOT_SIZE_MAX);
    if (!seal_secret_new(slot.name[0] == SECRET_MARK ? VAULT_SECRET_SIZE : sizeof(*slot.secrets), &memory,
                         err))
        return false;
    if (slot.name[0] == SECRET_MARK) {
        struct secret *secret = vec_push(&vault->secrets);
        memcpy(memory, bytes, VAULT_SECRET_SIZE);
        *secret = (struct secret){.bytes = memory, .kept = true};
        memcpy(secret->name, slot.name + 1, VAULT_SLOT_SIZE_MAX);
        return true;
    }
    slot.secrets = memory;
    memcpy(slot.secrets, bytes, sizeof(*slot.secrets));
    seal_public(slot.secrets, &slot.pair);
    *(struct slot *)vec_push(&vault->slots) = slot;
    return true;
}

static bool set_aside(struct os_vault *vault, struct buf *ret_note, const struct error *why,
                      struct error *err)
{
    CLEANUP_MEM char *from = mem_printf("%s/%s", vault->directory, vault_name);
    CLEANUP_MEM char *to = mem_printf("%s/%s", vault->directory, damaged_name);

    if (rename(from, to) != 0) return error_errno(err, errno, "setting %s aside", from);
    buf_printf(ret_note, "%s: set aside as %s, all pairs of this host are made anew", why->message,
               damaged_name);
    return true;
}

static bool save(const struct os_vault *vault, struct error *err)
{
    const struct disk_port *disk = os_disk_port(vault->disk);
    size_t head = sizeof(magic) + NONCE_SIZE;
    size_t size = (vault->slots.length + kept_length(vault)) * ENTRY_SIZE;
    void *memory = NULL;

    if (!seal_secret_new(size + 1, &memory, err)) return false;
    unsigned char *plain = memory;
    CLEANUP_MEM unsigned char *sealed = mem_alloc(head + size + TAG_SIZE);
    for (size_t i = 0; i < vault->slots.length; i++) {
        const struct slot *slot = vec_at(&vault->slots, i);
        memcpy(plain + i * ENTRY_SIZE, slot->name, VAULT_SLOT_SIZE_MAX);
        memcpy(plain + i * ENTRY_SIZE + VAULT_SLOT_SIZE_MAX, slot->secrets, sizeof(*slot->secrets));
    }
    unsigned char *at = plain + vault->slots.length * ENTRY_SIZE;
    for (size_t i = 0; i < vault->secrets.length; i++) {
        const struct secret *secret = vec_at(&vault->secrets, i);
        if (!secret->kept) continue;
        at[0] = SECRET_MARK;
        memcpy(at + 1, secret->name, VAULT_SLOT_SIZE_MAX - 1);
        memcpy(at + VAULT_SLOT_SIZE_MAX, secret->bytes, VAULT_SECRET_SIZE);
        at += ENTRY_SIZE;
    }
    memcpy(sealed, magic, sizeof(magic));
    randombytes_buf(sealed + sizeof(magic), NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + head, NULL, plain, size, (const unsigned char *)magic,
                                               sizeof(magic), NULL, sealed + sizeof(magic),
                                               vault->host_secret);
    seal_secret_free(memory);
    return disk->write(disk->self, vault_name, sealed, head + size + TAG_SIZE, 0600, err);
}

static size_t kept_length(const struct os_vault *vault)
{
    size_t length = 0;
    for (size_t i = 0; i < vault->secrets.length; i++)
        length += ((const struct secret *)vec_at(&vault->secrets, i))->kept;
    return length;
}

static struct slot *find_slot(const struct os_vault *vault, const char *name)
{
    for (size_t i = 0; i < vault->slots.length; i++) {
        struct slot *slot = vec_at(&vault->slots, i);
        if (text_equal(slot->name, name)) return slot;
    }
    return NULL;
}

/* Filled up with zeros, as it goes into the file. */
static void set_name(struct slot *slot, const char *name)
{
    memset(slot->name, 0, sizeof(slot->name));
    memcpy(slot->name, name, strlen(name));
}

static void slot_free(struct slot *slot)
{
    seal_secret_free(slot->secrets);
}

/* What is saved is what the slots are then; when it cannot be, they are put back. */
static bool vault_make(void *self, const char *name, struct vault_pair *ret_pair, struct error *err)
{
    struct os_vault *vault = self;
    struct slot *old = find_slot(vault, name), made = {0};
    void *memory = NULL;

    ASSERT(name[0] && strlen(name) <= VAULT_SLOT_SIZE_MAX);
    if (!old && vault->slots.length >= SLOTS_MAX)
        return error_set(err, ERROR_FAILED, "a host has pairs for at most %d parties", SLOTS_MAX);
    if (!seal_secret_new(sizeof(*made.secrets), &memory, err)) return false;
    made.secrets = memory;
    set_name(&made, name);
    seal_make(made.secrets, &made.pair);
    struct slot before = old ? *old : (struct slot){0};
    if (!old) old = vec_push(&vault->slots);
    *old = made;
    if (!save(vault, err)) {
        if (before.secrets)
            *old = before;
        else
            vec_remove(&vault->slots, vault->slots.length - 1);
        slot_free(&made);
        return false;
    }
    slot_free(&before);
    *ret_pair = made.pair;
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
    struct os_vault *vault = self;
    struct slot *moved = find_slot(vault, from), *other = find_slot(vault, to);

    ASSERT(to[0] && strlen(to) <= VAULT_SLOT_SIZE_MAX);
    if (!moved) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", from);
    if (moved == other) return true;
    /* The other one loses its name first: two of one name are never saved. */
    if (other) set_name(other, from);
    set_name(moved, to);
    struct slot kept = other ? *other : (struct slot){0};
    size_t place = other ? (size_t)(other - (struct slot *)vault->slots.items) : 0;
    if (other) vec_remove(&vault->slots, place);
    if (!save(vault, err)) {
        moved = find_slot(vault, to);
        set_name(moved, from);
        if (kept.secrets) {
            set_name(&kept, to);
            *(struct slot *)vec_push(&vault->slots) = kept;
        }
        return false;
    }
    slot_free(&kept);
    return true;
}

static bool vault_destroy(void *self, const char *name, struct error *err)
{
    struct os_vault *vault = self;
    const struct slot *found = find_slot(vault, name);

    if (!found) return true;
    struct slot kept = *found;
    vec_remove(&vault->slots, (size_t)(found - (struct slot *)vault->slots.items));
    if (!save(vault, err)) {
        *(struct slot *)vec_push(&vault->slots) = kept;
        return false;
    }
    slot_free(&kept);
    return true;
}

static void vault_list(void *self, struct vec *ret_slots)
{
    const struct os_vault *vault = self;
    for (size_t i = 0; i < vault->slots.length; i++)
        *(char **)vec_push(ret_slots) = mem_strdup(((const struct slot *)vec_at(&vault->slots, i))->name);
}

static bool vault_open(void *self, const char *name, const void *box, size_t size, struct buf *ret_data,
                       struct error *err)
{
    const struct slot *slot = find_slot(self, name);
    if (!slot) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", name);
    return seal_open(slot->secrets, &slot->pair, box, size, ret_data, err);
}

static bool vault_sign(void *self, const char *name, const void *data, size_t size,
                       unsigned char ret_signature[VAULT_SIGNATURE_SIZE], struct error *err)
{
    const struct slot *slot = find_slot(self, name);
    if (!slot) return error_set(err, ERROR_NOT_FOUND, "there is no pair of %s", name);
    seal_sign(slot->secrets, data, size, ret_signature);
    return true;
}

static bool vault_secret_make(void *self, const char *name, struct error *err)
{
    void *memory = NULL;

    ASSERT(name[0] && strlen(name) < VAULT_SLOT_SIZE_MAX);
    if (!seal_secret_new(VAULT_SECRET_SIZE, &memory, err)) return false;
    randombytes_buf(memory, VAULT_SECRET_SIZE);
    bool good = put_secret(self, name, memory, true, err);
    seal_secret_free(memory);
    return good;
}

static bool vault_secret_give(void *self, const char *name, const unsigned char bytes[VAULT_SECRET_SIZE],
                              struct error *err)
{
    const struct secret *old = find_secret(self, name);

    ASSERT(name[0] && strlen(name) <= VAULT_SLOT_SIZE_MAX);
    if (old && old->kept) return error_set(err, ERROR_REFUSED, "%s has a secret that is kept here", name);
    return put_secret(self, name, bytes, false, err);
}

static enum vault_secret vault_secret_find(void *self, const char *name)
{
    const struct secret *secret = find_secret(self, name);
    return !secret ? VAULT_SECRET_NONE : secret->kept ? VAULT_SECRET_KEPT : VAULT_SECRET_GIVEN;
}

static bool vault_secret_destroy(void *self, const char *name, struct error *err)
{
    struct os_vault *vault = self;
    const struct secret *found = find_secret(vault, name);

    if (!found) return true;
    struct secret old = *found;
    vec_remove(&vault->secrets, (size_t)(found - (struct secret *)vault->secrets.items));
    if (old.kept && !save(vault, err)) {
        *(struct secret *)vec_push(&vault->secrets) = old;
        return false;
    }
    seal_secret_free(old.bytes);
    return true;
}

static struct secret *find_secret(const struct os_vault *vault, const char *name)
{
    for (size_t i = 0; i < vault->secrets.length; i++) {
        struct secret *secret = vec_at(&vault->secrets, i);
        if (text_equal(secret->name, name)) return secret;
    }
    return NULL;
}

/* Copies the bytes; what is saved is what is there then. */
static bool put_secret(struct os_vault *vault, const char *name, const unsigned char *bytes, bool kept,
                       struct error *err)
{
    struct secret *place = find_secret(vault, name), made = {.kept = kept};
    void *memory = NULL;

    if (!place && vault->secrets.length >= SLOTS_MAX)
        return error_set(err, ERROR_FAILED, "a host has secrets of at most %d parties", SLOTS_MAX);
    if (!seal_secret_new(VAULT_SECRET_SIZE, &memory, err)) return false;
    made.bytes = memory;
    memcpy(made.bytes, bytes, VAULT_SECRET_SIZE);
    memcpy(made.name, name, strlen(name));
    struct secret before = place ? *place : (struct secret){0};
    if (!place) place = vec_push(&vault->secrets);
    *place = made;
    if (kept && !save(vault, err)) {
        if (before.bytes)
            *place = before;
        else
            vec_remove(&vault->secrets, vault->secrets.length - 1);
        seal_secret_free(memory);
        return false;
    }
    seal_secret_free(before.bytes);
    return true;
}

/* Lengths before the secrets, so that no two lists of them are one text. */
static bool derive(const struct os_vault *vault, const struct vault_lock *lock, unsigned char **ret_key,
                   struct error *err)
{
    enum { PART_SIZE = 4 + VAULT_SECRET_SIZE };
    void *all = NULL, *key = NULL;

    ASSERT(lock->slots_length > 0 && lock->slots_length <= VAULT_LOCK_SLOTS_MAX);
    if (!seal_secret_new(lock->slots_length * PART_SIZE, &all, err)) return false;
    bool good = seal_secret_new(SEAL_WRAP_KEY_SIZE, &key, err);
    for (size_t i = 0; good && i < lock->slots_length; i++) {
        const struct secret *secret = find_secret(vault, lock->slots[i]);
        unsigned char *at = (unsigned char *)all + i * PART_SIZE;
        if (!secret) {
            good = error_set(err, ERROR_NOT_FOUND, "there is no secret of %s", lock->slots[i]);
            break;
        }
        memcpy(at, (const unsigned char[]){0, 0, 0, VAULT_SECRET_SIZE}, 4);
        memcpy(at + 4, secret->bytes, VAULT_SECRET_SIZE);
    }
    if (good)
        seal_hkdf(NULL, 0, all, lock->slots_length * PART_SIZE, lock->purpose, lock->purpose_size, key,
                  SEAL_WRAP_KEY_SIZE);
    else
        seal_secret_free(key);
    seal_secret_free(all);
    if (good) *ret_key = key;
    return good;
}

static bool vault_wrap(void *self, const struct vault_lock *lock, const void *data, size_t size,
                       struct buf *ret_box, struct error *err)
{
    unsigned char *key = NULL;

    if (!derive(self, lock, &key, err)) return false;
    seal_wrap(key, lock->about, lock->about_size, data, size, ret_box);
    seal_secret_free(key);
    return true;
}

static bool vault_unwrap(void *self, const struct vault_lock *lock, const void *box, size_t box_size,
                         void *ret_data, size_t size, struct error *err)
{
    unsigned char *key = NULL;

    memset(ret_data, 0, size);
    if (!derive(self, lock, &key, err)) return false;
    bool good = seal_unwrap(key, lock->about, lock->about_size, box, box_size, ret_data, size, err);
    seal_secret_free(key);
    return good;
}

static bool vault_memory(void *self, size_t size, void **ret_memory, struct error *err)
{
    return seal_secret_new(size, ret_memory, err);
}

static void vault_memory_free(void *self, void *memory)
{
    seal_secret_free(memory);
}

static bool vault_verify(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                         const unsigned char signature[VAULT_SIGNATURE_SIZE])
{
    return seal_verify(key, data, size, signature);
}

static bool vault_seal(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                       struct buf *ret_box, struct error *err)
{
    return seal_box(key, data, size, ret_box, err);
}

static void vault_digest(void *self, const void *data, size_t size,
                         unsigned char ret_digest[VAULT_DIGEST_SIZE])
{
    seal_digest(data, size, ret_digest);
}
