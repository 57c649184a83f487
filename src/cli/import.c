/* Grids of other programs as croft's: `croft import ganeti`. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "spec/ganeti.h"

int import_ganeti_run(struct cli *cli)
{
    const char *path = arguments_positional(cli->arguments, 0);
    struct user_text text = {0};
    struct grid_file grid;
    struct error err;
    CLEANUP_BUF struct buf warnings = {0};

    if (!user_text_open(path, &text, &err)) return cli_fail(cli, &err);
    const char *file = text_equal(path, "-") ? "standard input" : path;
    bool good = ganeti_read(cli->arena, file, text.data, text.size, &grid, &warnings, &err);
    user_text_close(&text);
    if (!good) return cli_fail(cli, &err);
    fputs(buf_text(&warnings), cli->err);
    CLEANUP_BUF struct buf lines = {0};
    grid_file_write(&grid.snapshot, &lines);
    fwrite(buf_text(&lines), 1, lines.size, cli->out);
    if (cli_flush(cli)) return 0;
    error_set(&err, ERROR_FAILED, "the grid could not be written out: is the disk full?");
    return cli_fail(cli, &err);
}
