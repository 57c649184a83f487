/* The chain of a filter as nftables reads it. */
#include "base/address.h"
#include "base/text.h"
#include "driver/net/filter.h"
#include "driver/net/filter_layers.h"

#include <stdio.h>

static void add_set(const struct filter_run *run, uint32_t layer, struct buf *text);
static void add_family(const struct filter_shape *shape, struct buf *text);
static void add_box(const struct filter_run *run, const struct filter_box *box, struct buf *text);
static const char *field_words(const struct filter_shape *shape, size_t field);
static void add_range(const struct filter_shape *shape, size_t field, const struct filter_box *box,
                      struct buf *text);
static void add_value(bool address, enum address_family family, const struct filter_value *value,
                      struct buf *text);
static void add_ports(const char *words, const struct vec *ports, struct buf *text);
static void add_verdict(const struct filter_program *program, enum filter_action action, struct buf *text);

void filter_program_text(const struct filter_program *program, struct buf *ret_text)
{
    for (size_t i = 0; i < program->runs.length; i++) {
        const struct filter_run *run = vec_at(&program->runs, i);
        /* At the end those may go on anyway. */
        if (i + 1 == program->runs.length && run->action == FILTER_ALLOW &&
            program->default_action == FILTER_ALLOW)
            return;
        for (uint32_t layer = 0; layer < run->layers; layer++) {
            add_set(run, layer, ret_text);
            add_verdict(program, run->action, ret_text);
        }
    }
    if (program->default_action != FILTER_ALLOW) add_verdict(program, program->default_action, ret_text);
}

/* One lookup: fields joined, then what they may be. A set without a name is its rule's: both come and go as
 * one. */
static void add_set(const struct filter_run *run, uint32_t layer, struct buf *text)
{
    size_t fields = 0, elements = 0;
    add_family(&run->shape, text);
    for (size_t i = 0; i < FILTER_FIELDS; i++) {
        if (run->shape.use[i] == USE_NONE) continue;
        buf_printf(text, "%s%s", fields++ == 0 ? " " : " . ", field_words(&run->shape, i));
    }
    if (fields > 0) buf_add_text(text, " {");
    for (size_t i = 0; fields > 0 && i < run->boxes.length; i++) {
        const struct filter_box *box = vec_at(&run->boxes, i);
        if (box->layer != layer) continue;
        buf_add_text(text, elements++ == 0 ? " " : ", ");
        add_box(run, box, text);
    }
    if (fields > 0) buf_add_text(text, " }");
    add_ports("th sport", &run->from_ports, text);
    add_ports("th dport", &run->ports, text);
}

/* An address says its family itself; only IPv4 has tiers. */
static void add_family(const struct filter_shape *shape, struct buf *text)
{
    if (!shape->family_given || shape->use[FIELD_FROM] != USE_NONE || shape->use[FIELD_TO] != USE_NONE)
        return;
    buf_printf(text, " meta nfproto %s", shape->family == FAMILY_IPV4 ? "ipv4" : "ipv6");
}

static void add_box(const struct filter_run *run, const struct filter_box *box, struct buf *text)
{
    size_t fields = 0;
    for (size_t i = 0; i < FILTER_FIELDS; i++) {
        if (run->shape.use[i] == USE_NONE) continue;
        if (fields++ > 0) buf_add_text(text, " . ");
        add_range(&run->shape, i, box, text);
    }
}

static const char *field_words(const struct filter_shape *shape, size_t field)
{
    static const char *const words[FILTER_FIELDS][FAMILIES] = {
        [FIELD_FROM] = {"ip saddr", "ip6 saddr"},
        [FIELD_TO] = {"ip daddr", "ip6 daddr"},
        [FIELD_PROTOCOL] = {"meta l4proto", "meta l4proto"},
        [FIELD_FROM_PORT] = {"th sport", "th sport"},
        [FIELD_PORT] = {"th dport", "th dport"},
    };
    if (shape->use[field] == USE_TIER) return field == FIELD_FROM ? "meta mark" : "ct mark";
    return words[field][shape->family];
}

static void add_range(const struct filter_shape *shape, size_t field, const struct filter_box *box,
                      struct buf *text)
{
    bool address = shape->use[field] == USE_VALUE && (field == FIELD_FROM || field == FIELD_TO);
    add_value(address, shape->family, &box->first[field], text);
    if (filter_value_compare(&box->first[field], &box->last[field]) == 0) return;
    buf_add_char(text, '-');
    add_value(address, shape->family, &box->last[field], text);
}

static void add_value(bool address, enum address_family family, const struct filter_value *value,
                      struct buf *text)
{
    struct wide_prefix whole = {.family = family, .bits = address_bits(family)};
    struct filter_value rest = *value;
    char out[ADDRESS_TEXT_SIZE];
    if (!address) {
        buf_add_int(text, (int64_t)value->low);
        return;
    }
    for (unsigned i = whole.bits / 8; i-- > 0;) {
        whole.address[i] = (unsigned char)rest.low;
        rest.low = rest.low >> 8 | rest.high << 56;
        rest.high >>= 8;
    }
    buf_add_text(text, address_format(out, &whole));
}

static void add_ports(const char *words, const struct vec *ports, struct buf *text)
{
    if (ports->length == 0) return;
    buf_printf(text, " %s {", words);
    for (size_t i = 0; i < ports->length; i++) {
        const struct port_range *range = vec_at(ports, i);
        buf_printf(text, "%s %u-%u", i == 0 ? "" : ",", range->first, range->last);
    }
    buf_add_text(text, " }");
}

static void add_verdict(const struct filter_program *program, enum filter_action action, struct buf *text)
{
    if (action == FILTER_ALLOW) {
        buf_add_text(text, " return\n");
        return;
    }
    /* The packet ends here: nobody needs its mark any more but who counts it. */
    buf_printf(text, " meta mark set 0x%08x goto %s_%s_filter\n", program->mark,
               action == FILTER_DENY ? "deny" : "reject", program->direction == FILTER_IN ? "in" : "out");
}
