/* The application of the three-tier example: counts visits in a database.
 *
 *   app PORT DB_HOST DB_PORT
 *
 * GET /visit asks the database (Redis protocol) to count one up and tells the number; GET /health is fine
 * when the database answers. Each thread has one connection to the database and serves one request after the
 * other. */
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 16, TEXT_SIZE = 2048 };

static const char *db_host, *db_port;

static int db_connect(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(db_host, db_port, &hints, &found) != 0) return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* One command, one line as answer. The connection is made anew, once, when it broke since the last time. */
static bool db_ask(int *fd, const char *command, char *ret_line)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (*fd < 0) *fd = db_connect();
        if (*fd < 0) return false;
        size_t length = 0;
        if (send(*fd, command, strlen(command), MSG_NOSIGNAL) == (ssize_t)strlen(command)) {
            while (length < TEXT_SIZE - 1) {
                ssize_t got = recv(*fd, ret_line + length, TEXT_SIZE - 1 - length, 0);
                if (got <= 0) break;
                length += (size_t)got;
                ret_line[length] = 0;
                char *end = strstr(ret_line, "\r\n");
                if (end) {
                    *end = 0;
                    return true;
                }
            }
        }
        close(*fd);
        *fd = -1;
    }
    return false;
}

static void answer(int fd, const char *status, const char *text)
{
    char out[TEXT_SIZE * 2];
    int size = snprintf(out, sizeof(out),
                        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                        "Connection: close\r\n\r\n%s",
                        status, strlen(text), text);
    if (size > 0) (void)!send(fd, out, (size_t)size, MSG_NOSIGNAL);
}

static void serve(int fd, int *db)
{
    char request[TEXT_SIZE] = "", line[TEXT_SIZE] = "", text[TEXT_SIZE + 256];
    size_t length = 0;
    while (length < sizeof(request) - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + length, sizeof(request) - 1 - length, 0);
        if (got <= 0) return;
        length += (size_t)got;
        request[length] = 0;
    }
    bool visit = strncmp(request, "GET /visit ", 11) == 0;
    if (!visit && strncmp(request, "GET /health ", 12) != 0) {
        answer(fd, "404 Not Found", "there is /visit and /health\n");
    } else if (!db_ask(db, visit ? "INCR visits\r\n" : "PING\r\n", line) ||
               (line[0] != ':' && line[0] != '+')) {
        answer(fd, "503 Service Unavailable", "the database does not answer\n");
    } else {
        const char *host = getenv("HOSTNAME");
        snprintf(text, sizeof(text), "visit %s, counted by %s\n", line + 1, host ? host : "?");
        answer(fd, "200 OK", text);
    }
}

static void *work(void *listener)
{
    int db = -1;
    for (;;) {
        int fd = accept(*(int *)listener, NULL, NULL);
        if (fd < 0) continue;
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        serve(fd, &db);
        close(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: app PORT DB_HOST DB_PORT\n");
        return 2;
    }
    db_host = argv[2];
    db_port = argv[3];
    signal(SIGPIPE, SIG_IGN);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
                    *own = NULL;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (getaddrinfo(NULL, argv[1], &hints, &own) != 0 || bind(listener, own->ai_addr, own->ai_addrlen) != 0 ||
        listen(listener, 512) != 0) {
        perror("app: cannot listen");
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, &listener) != 0) return 1;
    }
    pause();
    return 0;
}
