#include "cli/grid_read.h"

#include "base/text.h"
#include "cli/file.h"
#include "cli/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_file(struct cli *cli, const char *path, struct grid_file *ret_grid, struct error *err);
static bool read_live(struct cli *cli, struct grid_file *ret_grid, struct error *err);

bool grid_read(struct cli *cli, struct grid_file *ret_grid, struct error *err)
{
    const char *path = arguments_text(cli->arguments, "grid");
    CLEANUP_BUF struct buf text = {0};

    if (path == NULL) return read_live(cli, ret_grid, err);
    if (!text_equal(path, "-")) return read_file(cli, path, ret_grid, err);
    return user_file_read("-", &text, err) &&
           grid_file_read(cli->arena, "standard input", buf_text(&text), text.size, ret_grid, err);
}

bool amounts_read(const char *text, struct resources *ret_resources)
{
    struct resources r = {0};
    struct {
        const char *name;
        bool (*parse)(const char *text, int64_t *ret_value);
        int64_t *value;
        bool given;
    } amounts[] = {{"cpus", text_parse_cpus, &r.cpus_millis, false},
                   {"memory", text_parse_bytes, &r.memory_bytes, false},
                   {"disk", text_parse_bytes, &r.disk_bytes, false},
                   {"network", text_parse_rate, &r.network_bits_per_s, false}};

    while (*text) {
        size_t size = strcspn(text, ","), at = 0;
        CLEANUP_MEM char *pair = mem_strndup(text, size);
        char *value = strchr(pair, '=');
        if (value == NULL) return false;
        *value++ = 0;
        while (at < LENGTH(amounts) && !text_equal(amounts[at].name, pair))
            at++;
        if (at == LENGTH(amounts) || amounts[at].given || !amounts[at].parse(value, amounts[at].value))
            return false;
        amounts[at].given = true;
        text += size;
        if (*text == ',' && *++text == 0) return false;
    }
    *ret_resources = r;
    return true;
}

/* Mapped: a grid of a million instances is hundreds of megabytes, and read once from front to end. */
static bool read_file(struct cli *cli, const char *path, struct grid_file *ret_grid, struct error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no file %s", path)
                               : error_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &status) < 0) {
        error_errno(err, errno, "cannot read %s", path);
        close(fd);
        return false;
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        CLEANUP_BUF struct buf text = {0};
        close(fd);
        return user_file_read(path, &text, err) &&
               grid_file_read(cli->arena, path, buf_text(&text), text.size, ret_grid, err);
    }
    size_t size = (size_t)status.st_size;
    char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int why = errno;
    close(fd);
    if (text == MAP_FAILED) return error_errno(err, why, "cannot read %s", path);
    bool good = grid_file_read(cli->arena, path, text, size, ret_grid, err);
    munmap(text, size);
    return good;
}

static bool read_live(struct cli *cli, struct grid_file *ret_grid, struct error *err)
{
    struct client_reply reply;
    struct grid_file grid;

    if (!cli_ask_text(cli, "GET", "/v1/export", NULL, &reply, err) ||
        !grid_file_read(cli->arena, "the live grid", reply.body, reply.body_size, &grid, err))
        return false;
    grid.now_ms = listing_now_ms();
    *ret_grid = grid;
    return true;
}
