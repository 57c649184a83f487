/* The table of contacts. */
#include "base/text.h"
#include "model/table.h"

#include <string.h>

static bool finish_contact(struct arena *arena, const struct node *node, void *object, struct error *err);
static bool check_login(const struct contact *contact, const struct node *node, struct error *err);
static bool is_mail(const char *text);
static bool is_secret(const char *text);
static bool is_url(const char *text, const char *const *schemes);

static const struct field contact_fields[] = {
    SCALAR(struct contact, name, "name", scalar_name, "the contact's name within its party",
           .required = true),
    SCALAR(struct contact, party, "party", scalar_name, "whose it is", .required = true),
    SCALARS(struct contact, mail, "mail", scalar_text, "addresses that get a mail", .one_bare = true,
            .min = 1, .max = CONTACT_MAIL_MAX, .limit = "addresses a contact", .hidden_default = true),
    SCALAR(struct contact, smtp, "smtp", scalar_text,
           "the server that takes mail, smtp://HOST:PORT or smtps://HOST:PORT", .hidden_default = true),
    SCALAR(struct contact, from, "from", scalar_text, "the sender of mail", .fallback = "croft@localhost",
           .hidden_default = true),
    SCALAR(struct contact, login, "login", scalar_text, "who logs in at the mail server; only over TLS",
           .hidden_default = true),
    SCALAR(struct contact, secret, "secret", scalar_text,
           "name of the password: the file PARTY/SECRET of the controller's --secrets",
           .hidden_default = true),
    SCALAR(struct contact, webhook, "webhook", scalar_text, "URL that gets a POST of JSON",
           .hidden_default = true),
    SCALARS(struct contact, command, "command", scalar_text,
            "what runs on the controller's machine, with the JSON as its input; the landlord's only",
            .min = 1, .max = CONTACT_COMMAND_MAX, .limit = "words a command", .hidden_default = true),
    SCALAR(struct contact, group_ms, "group", scalar_duration, "what comes within so long is one message",
           .fallback = "30s", .min = 0, .max = 3600000),
    SCALAR(struct contact, hourly, "hourly", scalar_int,
           "messages an hour at most; what is held back comes with the next", .fallback = "12", .min = 1,
           .max = 3600),
};
const struct schema schema_contact =
    SCHEMA(struct contact, "Contact", contact_fields, .finish = finish_contact);

const struct contact *contact_find(const struct contact *contacts, size_t length, const char *party,
                                   const char *to)
{
    const struct contact *landlords = NULL;

    for (size_t i = 0; to[0] != '\0' && i < length; i++) {
        if (!text_equal(contacts[i].name, to)) continue;
        if (text_equal(contacts[i].party, party)) return &contacts[i];
        if (text_equal(contacts[i].party, PARTY_LANDLORD)) landlords = &contacts[i];
    }
    return landlords;
}

static bool finish_contact(struct arena *arena, const struct node *node, void *object, struct error *err)
{
    static const char *const mail_schemes[] = {"smtp://", "smtps://", NULL};
    static const char *const hook_schemes[] = {"http://", "https://", NULL};
    struct contact *contact = object;

    contact->full_name = arena_printf(arena, "%s/%s", contact->party, contact->name);
    for (size_t i = 0; i < contact->mail_length; i++) {
        if (is_mail(contact->mail[i])) continue;
        error_set(err, ERROR_INVALID, "expected an address such as ops@example.com");
        return schema_error_at(err, node_get(node, "mail"), "mail");
    }
    if (!is_mail(contact->from)) {
        error_set(err, ERROR_INVALID, "expected an address such as croft@example.com");
        return schema_error_at(err, node_get(node, "from"), "from");
    }
    if ((contact->mail_length > 0) != (contact->smtp[0] != '\0')) {
        error_set(err, ERROR_INVALID, "mail and smtp go together: to whom, and by which server");
        return schema_error_at(err, node, contact->mail_length > 0 ? "smtp" : "mail");
    }
    if (contact->smtp[0] != '\0' && !is_url(contact->smtp, mail_schemes)) {
        error_set(err, ERROR_INVALID, "expected smtp://HOST:PORT or smtps://HOST:PORT");
        return schema_error_at(err, node_get(node, "smtp"), "smtp");
    }
    if (!check_login(contact, node, err)) return false;
    if (contact->webhook[0] != '\0' && !is_url(contact->webhook, hook_schemes)) {
        error_set(err, ERROR_INVALID, "expected http://… or https://…");
        return schema_error_at(err, node_get(node, "webhook"), "webhook");
    }
    if (contact->mail_length == 0 && contact->webhook[0] == '\0' && contact->command_length == 0) {
        error_set(err, ERROR_INVALID, "expected at least one of mail, webhook and command");
        return schema_error_at(err, node, "");
    }
    if (contact->command_length > 0 && !text_equal(contact->party, PARTY_LANDLORD)) {
        error_set(err, ERROR_INVALID,
                  "a command runs on the controller's machine: only the landlord has one");
        return schema_error_at(err, node_get(node, "command"), "command");
    }
    return true;
}

static bool check_login(const struct contact *contact, const struct node *node, struct error *err)
{
    if ((contact->login[0] != '\0') != (contact->secret[0] != '\0')) {
        error_set(err, ERROR_INVALID,
                  "login and secret go together: who logs in, and the name of the password");
        return schema_error_at(err, node, contact->login[0] != '\0' ? "secret" : "login");
    }
    if (contact->login[0] == '\0') return true;
    if (contact->smtp[0] == '\0') {
        error_set(err, ERROR_INVALID, "a login is for the mail server: smtp is missing");
        return schema_error_at(err, node_get(node, "login"), "login");
    }
    if (!is_secret(contact->secret)) {
        error_set(
            err, ERROR_INVALID,
            "expected a name of 1 to 63 of a-z 0-9 -: the password itself does not belong into a document");
        return schema_error_at(err, node_get(node, "secret"), "secret");
    }
    for (const char *c = contact->login; *c != '\0'; c++) {
        if (*c > ' ' && *c != 0x7f) continue;
        error_set(err, ERROR_INVALID, "expected a name without spaces, such as croft@example.com");
        return schema_error_at(err, node_get(node, "login"), "login");
    }
    return true;
}

/* As scalar_name, whose words would not say why a password is refused. */
static bool is_secret(const char *text)
{
    size_t size = strlen(text);
    return size <= 63 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == size && text[0] != '-' &&
           text[size - 1] != '-';
}

/* What goes into a mail's envelope and head as it is: no spaces, controls or brackets (RFC 5321, 4.1.2 allows
 * some of them in quotes; nobody misses them here). */
static bool is_mail(const char *text)
{
    const char *at = strchr(text, '@');
    if (at == NULL || at == text || at[1] == '\0' || strlen(text) > 254 || text[0] == '-') return false;
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c == 0x7f || strchr("<>()[],;:\\\"", *c) != NULL || (*c == '@' && c != at))
            return false;
    return true;
}

static bool is_url(const char *text, const char *const *schemes)
{
    for (; *schemes != NULL; schemes++) {
        if (!text_starts(text, *schemes)) continue;
        const char *rest = text + strlen(*schemes);
        if (*rest == '\0' || *rest == '/' || strlen(text) > 2000) return false;
        for (const char *c = rest; *c != '\0'; c++)
            if (*c <= ' ' || *c >= 0x7f) return false;
        return true;
    }
    return false;
}
