/* Any bytes at all as what HAProxy says, or who has taken its place inside the balancer: answers of its admin
 * socket, and lines of its log. */
#include "driver/balance/balance_answer.h"
#include "driver/balance/balance_log.h"

#include "base/attr.h"
#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answers(char *text)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec present = VEC_OF(struct balance_present), counters = VEC_OF(struct balance_counters);
    struct error err;

    if (balance_answer_state(arena, text, &present, &err)) {
        for (size_t i = 0; i < present.length; i++) {
            const struct balance_present *one = vec_at(&present, i);
            ASSERT(one->key != NULL && one->backend != NULL && one->server != NULL);
        }
    }
    (void)!balance_answer_conn(text, &present, &err);
    bool good = balance_answer_stat(text, &counters, &err);
    ASSERT(good || counters.length == 0);
    vec_free(&present);
    vec_free(&counters);
}

static void read_line(char *line)
{
    struct balance_sample sample;

    if (!balance_line_read(line, &sample)) return;
    ASSERT(sample.frontend != NULL && sample.server != NULL);
    ASSERT(sample.weight >= 1 && sample.weight <= BALANCE_WEIGHT_MAX && sample.bytes >= 0);
    ASSERT(sample.queue_us >= -1 && sample.connect_us >= -1 && sample.head_us >= -1 && sample.all_us >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_MEM char *text = mem_strndup((const char *)data, size);

    read_answers(text);
    if (size < BALANCE_LINE_SIZE) read_line(text);
    return 0;
}
