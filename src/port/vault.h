/* Key pairs that never leave this host: one for sealing (X25519) and one for signing (Ed25519) in each slot.
 * A slot is named by who uses it ("acme"). Public halves, signatures and what was opened come out; private
 * halves do not. Beside them, in slots of their own, symmetric secrets, from which keys are derived that wrap
 * other keys; neither these nor those come out. Twins: os/vault over libsodium; sim/vault, of no
 * cryptographic worth, in the simulation. */
#ifndef CROFT_PORT_VAULT_H
#define CROFT_PORT_VAULT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"

enum {
    VAULT_KEY_SIZE = 32,
    VAULT_SIGNATURE_SIZE = 64,
    VAULT_DIGEST_SIZE = 32,
    VAULT_SLOT_SIZE_MAX = 72,
    VAULT_SECRET_SIZE = 32,
    VAULT_LOCK_SLOTS_MAX = 64,
};

/* What may be known of a pair. */
struct vault_pair {
    unsigned char seal[VAULT_KEY_SIZE], sign[VAULT_KEY_SIZE];
    unsigned char fingerprint[VAULT_DIGEST_SIZE]; /* of both */
};

/* What a box is wrapped with: a key derived (HKDF-SHA-256, RFC 5869; no salt) from all secrets in this order,
 * each after its length, for one purpose. `about` is not in the box, but has to be the same to open it. */
struct vault_lock {
    const char *const *slots;
    size_t slots_length; /* 1 to VAULT_LOCK_SLOTS_MAX */
    const void *purpose, *about;
    size_t purpose_size, about_size;
};

enum vault_secret {
    VAULT_SECRET_NONE,
    VAULT_SECRET_KEPT,  /* at rest as pairs are */
    VAULT_SECRET_GIVEN, /* in memory only: gone when the process ends */
};

struct vault_port {
    void *self;
    /* A new pair, which takes the place of the slot's old one; that one is wiped. Durable. After a failure
     * (ERROR_FAILED) the slot is as before. Slots are 1 to VAULT_SLOT_SIZE_MAX of a-z 0-9 - +. */
    bool (*make)(void *self, const char *slot, struct vault_pair *ret_pair, struct error *err);
    bool (*find)(void *self, const char *slot, struct vault_pair *ret_pair); /* false: the slot is empty */
    /* Moves a pair to another slot, whose own is wiped. Durable; after a failure both are as before.
     * ERROR_NOT_FOUND: `from` is empty. */
    bool (*rename)(void *self, const char *from, const char *to, struct error *err);
    /* Wiped and durably gone; no error when there is none. After a failure it is there. */
    bool (*destroy)(void *self, const char *slot, struct error *err);
    /* Adds the slots' names (char *, the caller's to mem_free). */
    void (*list)(void *self, struct vec *ret_slots);
    /* Adds what is in the box. ERROR_DENIED: it is torn, or sealed to another key. */
    bool (*open)(void *self, const char *slot, const void *box, size_t size, struct buf *ret_data,
                 struct error *err);
    bool (*sign)(void *self, const char *slot, const void *data, size_t size,
                 unsigned char ret_signature[VAULT_SIGNATURE_SIZE], struct error *err);

    /* A new secret, which takes the place of the slot's old one; that one is wiped. Durable. After a failure
     * (ERROR_FAILED) the slot is as before. Kept ones have names shorter than VAULT_SLOT_SIZE_MAX. */
    bool (*secret_make)(void *self, const char *slot, struct error *err);
    /* The same with one that was made elsewhere, and is never at rest here. ERROR_REFUSED: one is kept there.
     */
    bool (*secret_give)(void *self, const char *slot, const unsigned char secret[VAULT_SECRET_SIZE],
                        struct error *err);
    enum vault_secret (*secret_find)(void *self, const char *slot);
    bool (*secret_destroy)(void *self, const char *slot, struct error *err); /* as destroy() */
    /* Adds a box that only unwrap() with the same lock opens. ERROR_NOT_FOUND: a slot is empty. */
    bool (*wrap)(void *self, const struct vault_lock *lock, const void *data, size_t size,
                 struct buf *ret_box, struct error *err);
    /* Into size bytes at ret_data, all that is in the box; zeros on failure. ERROR_DENIED: it is torn, of
     * another size, or wrapped with another lock. ERROR_NOT_FOUND as above. */
    bool (*unwrap)(void *self, const struct vault_lock *lock, const void *box, size_t box_size,
                   void *ret_data, size_t size, struct error *err);
    /* Memory for a secret, as the vault's own: locked, not in core dumps, not copied by fork; zeroed. */
    bool (*memory)(void *self, size_t size, void **ret_memory, struct error *err);
    void (*memory_free)(void *self, void *memory); /* wipes; NULL is fine */

    /* These need no secret. */
    bool (*verify)(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                   const unsigned char signature[VAULT_SIGNATURE_SIZE]);
    /* Adds a box that only the owner of the key opens. ERROR_INVALID: no such key is possible. */
    bool (*seal)(void *self, const unsigned char key[VAULT_KEY_SIZE], const void *data, size_t size,
                 struct buf *ret_box, struct error *err);
    void (*digest)(void *self, const void *data, size_t size, unsigned char ret_digest[VAULT_DIGEST_SIZE]);
};

#endif
