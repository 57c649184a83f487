/* Runs scenarios and prints TAP; with --write puts what came out into the files. */
#include "scenario.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static char *read_file(const char *path, size_t *ret_size);
static bool run_one(const char *path, bool write);
static void show(const char *title, const char *text);

int main(int argc, char **argv)
{
    bool write = argc > 1 && text_equal(argv[1], "--write");
    int first = write ? 2 : 1, failed = 0;

    if (first >= argc) {
        fprintf(stderr, "usage: golden [--write] FILE…\n");
        return 2;
    }
    printf("1..%d\n", argc - first);
    for (int n = first; n < argc; n++) {
        bool good = run_one(argv[n], write);
        const char *slash = strrchr(argv[n], '/');
        printf("%s %d - %s\n", good ? "ok" : "not ok", n - first + 1, slash ? slash + 1 : argv[n]);
        failed += !good;
    }
    return failed > 0;
}

static bool run_one(const char *path, bool write)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf actual = {0};
    struct scenario scenario;
    struct error err;
    size_t size = 0;
    CLEANUP_MEM char *text = read_file(path, &size);

    if (text == NULL) return false;
    if (!scenario_read(arena, text, size, &scenario, &err)) {
        printf("# %u:%u: %s: %s\n", err.line, err.column, err.field, err.message);
        return false;
    }
    if (!scenario_run(arena, &scenario, &actual)) {
        show("not idempotent", buf_text(&actual));
        return false;
    }
    if (text_equal(scenario.expected, buf_text(&actual))) return true;
    if (!write) {
        show("expected", scenario.expected);
        show("actual", buf_text(&actual));
        return false;
    }
    FILE *file = fopen(path, "we");
    if (file == NULL) return false;
    bool good = fwrite(text, 1, scenario.input_size, file) == scenario.input_size &&
                fwrite(actual.data, 1, actual.size, file) == actual.size;
    return fclose(file) == 0 && good;
}

static char *read_file(const char *path, size_t *ret_size)
{
    struct buf text = {0};
    char part[4096];
    size_t got = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        printf("# %s cannot be read\n", path);
        return NULL;
    }
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&text, part, got);
    fclose(file);
    *ret_size = text.size;
    buf_add_char(&text, '\0');
    return buf_take(&text);
}

static void show(const char *title, const char *text)
{
    printf("# %s:\n", title);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        printf("#   %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}
