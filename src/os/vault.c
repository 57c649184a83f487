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
    /* In the file, before it is sealed: the slot's name filled up with zeros, then its secrets. */
    ENTRY_SIZE = VAULT_SLOT_SIZE_MAX + (int)sizeof(struct seal_secrets),
};

static const char vault_name[] = "vault", host_name[] = "vault.host", damaged_name[] = "vault.damaged";
/* Stands in the file in clear, and is sealed with it. */
static const char magic[16] = "croft vault v1\n";

struct slot {
    char name[VAULT_SLOT_SIZE_MAX + 1];
    struct seal_secrets *secrets;
    struct vault_pair pair;
};

struct os_vault {
    struct vault_port port;
    char *directory;
    struct os_disk *disk;
    unsigned char *host_secret;
    struct vec slots; /* struct slot */
};

static struct os_vault *alloc(const char *directory);
static bool load_host_secret(struct os_vault *vault, struct error *err);
static bool load(struct os_vault *vault, struct buf *ret_note, struct error *err);
static bool unseal(struct os_vault *vault, const struct buf *file, struct error *err);
static bool set_aside(struct os_vault *vault, struct buf *ret_note, const struct error *why,
                      struct error *err);
static bool read_secret(struct os_vault *vault, struct error *err);
static bool save(const struct os_vault *vault, struct error *err);
static struct slot *find_slot(const struct os_vault *vault, const char *name);
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

    vault->port =
        (struct vault_port){vault,      vault_make, vault_find,   vault_rename, vault_destroy, vault_list,
                            vault_open, vault_sign, vault_verify, vault_seal,   vault_digest};
    vault->directory = mem_strdup(directory);
    vault->slots = VEC_OF(struct slot);
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
    for (size_t i = 0; good && i < length; i++) {
        struct slot slot = {0};
        void *secrets = NULL;
        good = seal_secret_new(sizeof(*slot.secrets), &secrets, err);
        if (!good) break;
        slot.secrets = secrets;
        memcpy(slot.name, plain + i * ENTRY_SIZE, VAULT_SLOT_SIZE_MAX);
        memcpy(slot.secrets, plain + i * ENTRY_SIZE + VAULT_SLOT_SIZE_MAX, sizeof(*slot.secrets));
        seal_public(slot.secrets, &slot.pair);
        *(struct slot *)vec_push(&vault->slots) = slot;
    }
    seal_secret_free(memory);
    return good;
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
    size_t head = sizeof(magic) + NONCE_SIZE, size = vault->slots.length * ENTRY_SIZE;
    void *memory = NULL;

    if (!seal_secret_new(size + 1, &memory, err)) return false;
    unsigned char *plain = memory;
    CLEANUP_MEM unsigned char *sealed = mem_alloc(head + size + TAG_SIZE);
    for (size_t i = 0; i < vault->slots.length; i++) {
        const struct slot *slot = vec_at(&vault->slots, i);
        memcpy(plain + i * ENTRY_SIZE, slot->name, VAULT_SLOT_SIZE_MAX);
        memcpy(plain + i * ENTRY_SIZE + VAULT_SLOT_SIZE_MAX, slot->secrets, sizeof(*slot->secrets));
    }
    memcpy(sealed, magic, sizeof(magic));
    randombytes_buf(sealed + sizeof(magic), NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + head, NULL, plain, size, (const unsigned char *)magic,
                                               sizeof(magic), NULL, sealed + sizeof(magic),
                                               vault->host_secret);
    seal_secret_free(memory);
    return disk->write(disk->self, vault_name, sealed, head + size + TAG_SIZE, 0600, err);
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
