/* Any bytes at all as a sealed command, as what was in its box, and as an answer: what is read is written as
 * the same bytes. */
#include "model/sealed.h"

#include "base/attr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_command(const char *data, size_t size)
{
    CLEANUP_BUF struct buf again = {0};
    struct sealed_command command;
    struct error err;

    if (!sealed_command_read(data, size, &command, &err)) {
        ASSERT(err.message[0] != '\0');
        return;
    }
    ASSERT(command.counter >= 0 && command.expires_ms >= 0 && strncmp(command.path, "/agent/", 7) == 0);
    sealed_command_write(&command, &again);
    ASSERT(again.size == size && memcmp(again.data, data, size) == 0);
}

static void read_answer(const char *data, size_t size)
{
    CLEANUP_BUF struct buf again = {0};
    struct sealed_answer answer;
    struct error err;

    if (!sealed_answer_read(data, size, &answer, &err)) return;
    sealed_answer_write(&answer, &again);
    ASSERT(again.size == size && memcmp(again.data, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct buf again = {0};
    const char *bytes = (const char *)data, *rest = NULL;
    const unsigned char *signature = NULL;
    struct sealed_head head;
    size_t rest_size = 0;
    struct error err;

    read_command(bytes, size);
    read_answer(bytes, size);
    if (sealed_split(data, size, &signature, &rest, &rest_size, &err)) {
        read_command(rest, rest_size);
        read_answer(rest, rest_size);
    }
    if (sealed_answer_box(data, size, &rest, &rest_size, &err)) read_answer(rest, rest_size);
    if (!sealed_head_read(data, size, &head, &rest, &rest_size, &err)) return 0;
    sealed_head_write(&head, &again);
    ASSERT(again.size + rest_size == size && memcmp(again.data, data, again.size) == 0);
    read_command(rest, rest_size);
    return 0;
}
