#include "driver/net/counters.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void read_set(const struct farm_net *farm, const char *reason, const char *text, const char *end,
                     struct vec *counters);
static const char *instance_of(const struct farm_net *farm, const char *key);
static void add(const struct farm_net *farm, const char *instance, const char *reason, int64_t packets,
                struct vec *counters);

bool counters_read(struct farm_net *farm, struct vec *ret_counters, struct error *err)
{
    CLEANUP_BUF struct buf output = {0};
    for (size_t i = 0; i < RULES_REASONS; i++) {
        /* One by one: nft 1.0.6 forgets the first family when one buffer lists sets of two. */
        CLEANUP_MEM char *command = mem_printf("list set %s %s denied_%s\n", rules_reasons[i].family,
                                               RULES_TABLE, rules_reasons[i].reason);
        if (!nft_ask(farm->nft, command, &output, err)) return false;
    }
    /* "\tset denied_spoof {\n … elements = { "p0a000002" counter packets 3 bytes 126, … }\n" */
    static const char start[] = "set denied_";
    const char *set = strstr(buf_text(&output), start);
    while (set != NULL) {
        const char *reason = set + sizeof(start) - 1;
        const char *next = strstr(reason, start);
        CLEANUP_MEM char *name = mem_strndup(reason, strcspn(reason, " "));
        read_set(farm, name, reason, next == NULL ? reason + strlen(reason) : next, ret_counters);
        set = next;
    }
    return true;
}

static void read_set(const struct farm_net *farm, const char *reason, const char *text, const char *end,
                     struct vec *counters)
{
    static const char counter[] = " counter packets ";
    for (const char *at = strstr(text, counter); at != NULL && at < end; at = strstr(at + 1, counter)) {
        const char *key = at;
        while (key > text && !isspace((unsigned char)key[-1]))
            key--;
        CLEANUP_MEM char *name = mem_strndup(key, (size_t)(at - key));
        int64_t packets = strtoll(at + sizeof(counter) - 1, NULL, 10);
        if (packets > 0) add(farm, instance_of(farm, name), reason, packets, counters);
    }
}

/* "" for a sender on another host, and for a port whose instance is not known. */
static const char *instance_of(const struct farm_net *farm, const char *key)
{
    uint32_t address = 0;
    if (text_starts(key, "\"p"))
        address = (uint32_t)strtoul(key + 2, NULL, 16);
    else if (!text_parse_ipv4(key, &address))
        return "";
    for (size_t i = 0; i < farm->members.length; i++) {
        const struct farm_member *member = vec_at(&farm->members, i);
        if (member->address == address) return member->instance == NULL ? "" : member->instance;
    }
    return "";
}

static void add(const struct farm_net *farm, const char *instance, const char *reason, int64_t packets,
                struct vec *counters)
{
    for (size_t i = 0; i < counters->length; i++) {
        struct net_counter *counter = vec_at(counters, i);
        if (!text_equal(counter->farm, farm->name) || !text_equal(counter->instance, instance) ||
            !text_equal(counter->reason, reason))
            continue;
        counter->packets += packets;
        return;
    }
    *(struct net_counter *)vec_push(counters) = (struct net_counter){.farm = mem_strdup(farm->name),
                                                                     .instance = mem_strdup(instance),
                                                                     .reason = mem_strdup(reason),
                                                                     .packets = packets};
}
