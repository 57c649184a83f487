/* Tables of key pairs: what is told of them, and what a host keeps. */
#include "base/text.h"
#include "model/table.h"
#include "model/tables.h"

static bool finish_party_key(struct arena *arena, const struct node *node, void *object, struct error *err);

static const struct field party_key_fields[] = {
    SCALAR(struct party_key, name, "name", scalar_name, "the party whose secret it is", .required = true),
    ENUM(struct party_key, custody, "custody", custody_names,
         "where the secret is kept: on hosts, or by the party's own croft key serve", .fallback = "host"),
};
const struct schema schema_party_key =
    SCHEMA(struct party_key, "Key", party_key_fields, .finish = finish_party_key);

static const struct field host_key_fields[] = {
    SCALAR(struct host_key, party, "party", scalar_text, "whose pair it is", .required = true,
           .unique = true),
    SCALAR(struct host_key, generation, "generation", scalar_int, "counts its pairs there, from 1"),
    SCALAR(struct host_key, taken_ms, "taken_ms", scalar_int, "when its party took it; 0: not yet"),
    SCALAR(struct host_key, stored, "stored", scalar_int, "things encrypted there for the party",
           .fallback = "0", .hidden_default = true),
    SCALAR(struct host_key, waits, "waits", scalar_bool, "for the party's key service to release its secret",
           .fallback = "false", .hidden_default = true),
    SCALAR(struct host_key, seal, "seal", scalar_text, "public half for sealing (X25519)",
           .hidden_default = true),
    SCALAR(struct host_key, sign, "sign", scalar_text, "public half for signing (Ed25519)",
           .hidden_default = true),
    SCALAR(struct host_key, fingerprint, "fingerprint", scalar_text, "of both halves",
           .hidden_default = true),
};
const struct schema schema_host_key = SCHEMA(struct host_key, "host_key", host_key_fields);

static const struct field kept_console_fields[] = {
    SCALAR(struct kept_console, key, "key", scalar_text, "its public half for signing", .required = true,
           .unique = true),
    SCALAR(struct kept_console, counter, "counter", scalar_int, "no command up to this one is obeyed"),
};
static const struct schema schema_kept_console =
    SCHEMA(struct kept_console, "kept_console", kept_console_fields);

static const struct field kept_closed_fields[] = {
    SCALAR(struct kept_closed, instance, "instance", scalar_text, "its full name", .required = true,
           .unique = true),
    SCALAR(struct kept_closed, incarnation, "incarnation", scalar_int, "which of its lives"),
    SCALARS(struct kept_closed, former, "former", scalar_text, "the consoles of then",
            .hidden_default = true),
};
static const struct schema schema_kept_closed = SCHEMA(struct kept_closed, "kept_closed", kept_closed_fields);

static const struct field kept_keys_fields[] = {
    SCALAR(struct kept_keys, party, "party", scalar_text, "whose they are", .required = true),
    SCALAR(struct kept_keys, generation, "generation", scalar_int, "counts its pairs there, from 1"),
    SCALAR(struct kept_keys, taken_ms, "taken_ms", scalar_int, "when its party took them; 0: not yet"),
    SCALAR(struct kept_keys, own, "own", scalar_bool, "its party asked for the pair in use",
           .fallback = "false"),
    OBJECTS(struct kept_keys, consoles, "consoles", schema_kept_console, "whose commands are obeyed"),
    SCALAR(struct kept_keys, floor, "floor", scalar_int, "a console that comes begins above it",
           .fallback = "0"),
    OBJECTS(struct kept_keys, closed, "closed", schema_kept_closed,
            "what ran when the party was shut out: it obeys the consoles of then only",
            .hidden_default = true),
};
const struct schema schema_kept_keys = SCHEMA(struct kept_keys, "KeptKeys", kept_keys_fields);

static const struct field kept_item_fields[] = {
    SCALAR(struct kept_item, name, "name", scalar_text, "what it encrypts", .required = true, .unique = true),
    SCALAR(struct kept_item, box, "box", scalar_text, "wrapped by the disk key", .required = true,
           .unique = true),
};
static const struct schema schema_kept_item = SCHEMA(struct kept_item, "kept_item", kept_item_fields);

static const struct field kept_disk_keys_fields[] = {
    SCALAR(struct kept_disk_keys, party, "party", scalar_text, "whose they are", .required = true),
    SCALAR(struct kept_disk_keys, generation, "generation", scalar_int, "another one after a discard"),
    SCALARS(struct kept_disk_keys, slots, "slots", scalar_text, "secrets that the disk key is made from"),
    SCALAR(struct kept_disk_keys, check, "check", scalar_text, "what the party's own secret opens"),
    OBJECTS(struct kept_disk_keys, items, "items", schema_kept_item, "keys wrapped by the disk key"),
};
const struct schema schema_kept_disk_keys =
    SCHEMA(struct kept_disk_keys, "KeptDiskKeys", kept_disk_keys_fields);

/* Whoever runs the hosts has no desk beside them. */
static bool finish_party_key(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    const struct party_key *key = object;

    if (!text_equal(key->name, PARTY_LANDLORD)) return true;
    error_set(err, ERROR_INVALID, "the landlord's secrets are made by its hosts and stay there");
    return schema_error_at(err, node_get(node, "name"), "name");
}
