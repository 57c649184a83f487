/* `croft image import`: taken apart here, sent in pieces, named there. What is there already is not sent. */
#include "driver/image/image.h"

#include "base/text.h"
#include "cli/cli.h"
#include "model/schemas.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE_SIZE = 4 * 1024 * 1024 };

struct importing {
    struct cli *cli;
    char directory[64]; /* of the blobs, ours alone */
    struct image image;
};

/* A process that removes the directory, as large as the image, when this one ends, however it ends. */
struct cleaner {
    pid_t pid;
    int gate_fd;
};

static bool cleaner_start(struct cleaner *ret_cleaner, const char *directory, struct error *err);
static void cleaner_end(const struct cleaner *cleaner);
static bool import(struct importing *importing, struct error *err);
static bool upload(struct importing *importing, const char *digest, struct error *err);
static bool find_start(struct importing *importing, const char *digest, int64_t *ret_offset,
                       bool *ret_is_there, struct error *err);
static bool send_pieces(struct importing *importing, const char *digest, int fd, int64_t offset,
                        struct error *err);
static bool put_document(struct importing *importing, struct error *err);
static void remove_directory(const char *path);

int image_import_run(struct cli *cli)
{
    struct importing importing = {.cli = cli};
    const char *temporary = getenv("TMPDIR");
    struct error err;

    snprintf(importing.directory, sizeof(importing.directory), "%.40s/croft-import-XXXXXX",
             temporary && strlen(temporary) <= 40 && temporary[0] ? temporary : "/tmp");
    if (!mkdtemp(importing.directory)) {
        error_errno(&err, errno, "cannot make the directory %s", importing.directory);
        return cli_fail(cli, &err);
    }
    struct cleaner cleaner = {0};
    if (!cleaner_start(&cleaner, importing.directory, &err)) {
        remove_directory(importing.directory);
        return cli_fail(cli, &err);
    }
    bool good = import(&importing, &err);
    cleaner_end(&cleaner);
    return good ? 0 : cli_fail(cli, &err);
}

static bool cleaner_start(struct cleaner *ret_cleaner, const char *directory, struct error *err)
{
    int gate[2];

    if (pipe2(gate, O_CLOEXEC) != 0) return error_errno(err, errno, "cannot make a pipe");
    pid_t child = fork();
    if (child == 0) {
        char byte;
        setsid(); /* what ends the command from its terminal is not for this one */
        close(gate[1]);
        while (read(gate[0], &byte, 1) < 0 && errno == EINTR) {
        }
        remove_directory(directory);
        _exit(0);
    }
    int reason = errno;
    close(gate[0]);
    if (child < 0) {
        close(gate[1]);
        return error_errno(err, reason, "cannot start a process");
    }
    *ret_cleaner = (struct cleaner){child, gate[1]};
    return true;
}

static void cleaner_end(const struct cleaner *cleaner)
{
    close(cleaner->gate_fd);
    while (waitpid(cleaner->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static bool import(struct importing *importing, struct error *err)
{
    struct cli *cli = importing->cli;
    struct image *image = &importing->image;
    const char *name = arguments_positional(cli->arguments, 0),
               *party = arguments_text(cli->arguments, "party");

    if (!strchr(name, ':') || strchr(name, '/'))
        return error_set(err, ERROR_USAGE, "image import: \"%s\" is no NAME:TAG such as hello:1", name);
    if (!cli_client(cli, err)) return false; /* before the work */
    cli_progress(cli, "reading %s", arguments_positional(cli->arguments, 1));
    if (!image_import(importing->directory, arguments_positional(cli->arguments, 1), cli->arena, image, err))
        return false;
    image->name = name;
    image->party = party ? party : PARTY_LANDLORD;
    for (size_t i = 0; i < image->layers_length; i++)
        if (!upload(importing, image->layers[i], err)) return error_wrap(err, "layer %zu", i + 1);
    if (!put_document(importing, err)) return false;
    cli_progress(cli, "%s", "");
    if (cli->format == OUTPUT_TABLE)
        fprintf(cli->out, "image %s/%s %s\n", image->party, image->name, image->digest);
    else if (cli->format == OUTPUT_NAME)
        fprintf(cli->out, "%s/%s\n", image->party, image->name);
    return true;
}

static bool upload(struct importing *importing, const char *digest, struct error *err)
{
    struct cli *cli = importing->cli;
    const char *hex = strchr(digest, ':') ? strchr(digest, ':') + 1 : digest;
    const char *path = arena_printf(cli->arena, "%s/sha256/%s", importing->directory, hex);
    bool is_there = false;
    int64_t offset = 0;

    if (!find_start(importing, digest, &offset, &is_there, err)) return false;
    if (is_there) return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open %s", path);
    bool good = send_pieces(importing, digest, fd, offset, err);
    close(fd);
    return good &&
           cli_ask(cli, "POST", arena_printf(cli->arena, "/v1/blobs/%s/finish", digest), NULL, NULL, err);
}

/* Where an upload that broke off goes on. */
static bool find_start(struct importing *importing, const char *digest, int64_t *ret_offset,
                       bool *ret_is_there, struct error *err)
{
    struct cli *cli = importing->cli;
    const struct client_request request = {.method = "GET",
                                           .path = arena_printf(cli->arena, "/v1/blobs/%s", digest)};
    struct client_reply reply;
    struct node node;

    if (!client_ask_any(cli->client, cli->arena, &request, &reply, err)) return false;
    *ret_is_there = reply.status == 200;
    if (*ret_is_there) return true;
    const struct answer answer = {.status = reply.status, .body = reply.body, .body_size = reply.body_size};
    if (reply.status != 404) return client_error(cli->client, &answer, err);
    if (!node_from_json(cli->arena, reply.body, reply.body_size, &node, err)) return false;
    *ret_offset = node_int(&node, "partial", 0);
    return true;
}

static bool send_pieces(struct importing *importing, const char *digest, int fd, int64_t offset,
                        struct error *err)
{
    struct cli *cli = importing->cli;
    CLEANUP_MEM char *piece = mem_alloc(PIECE_SIZE);
    struct stat status;
    ssize_t size = 0;

    if (fstat(fd, &status) != 0) return error_errno(err, errno, "cannot look at layer %s", digest);
    while ((size = pread(fd, piece, PIECE_SIZE, offset)) > 0) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        const struct client_request request = {
            .method = "PUT",
            .path = arena_printf(arena, "/v1/blobs/%s?offset=%" PRId64, digest, offset),
            .body = piece,
            .body_size = (size_t)size};
        struct client_reply reply;
        if (!client_ask(cli->client, arena, &request, &reply, err)) return false;
        offset += size;
        cli_progress(cli, "sending %.19s… %d %%", digest, (int)(offset * 100 / status.st_size));
    }
    return size == 0 || error_errno(err, errno, "cannot read layer %s", digest);
}

static bool put_document(struct importing *importing, struct error *err)
{
    struct cli *cli = importing->cli;
    const struct image *image = &importing->image;
    CLEANUP_BUF struct buf document = {0};
    struct node answer;

    schema_write(&schema_image, "Image", image, &document);
    const char *name = arena_printf(cli->arena, "%s/%s", image->party, image->name);
    const char *path = arena_printf(cli->arena, "/v1/images/%s", cli_escape(cli, name));
    if (!cli_ask(cli, "PUT", path, buf_text(&document), &answer, err)) return false;
    if (cli->format == OUTPUT_JSON || cli->format == OUTPUT_YAML) cli_print_node(cli, &answer);
    return true;
}

/* Two levels, which the importer has made: sha256/HEX. */
static void remove_directory(const char *path)
{
    DIR *listing = opendir(path);
    const struct dirent *entry = NULL;

    while (listing && (entry = readdir(listing))) {
        CLEANUP_MEM char *child = mem_printf("%s/%s", path, entry->d_name);
        if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, "..")) continue;
        if (unlink(child) != 0 && errno == EISDIR) remove_directory(child);
    }
    if (listing) closedir(listing);
    rmdir(path);
}
