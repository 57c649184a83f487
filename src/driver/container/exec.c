/* Commands run inside an instance besides its own. */
#include "base/text.h"
#include "driver/container/cgroup.h"
#include "driver/container/files.h"
#include "driver/container/inside.h"
#include "model/node.h"

#include <string.h>

static bool add_environment(const struct held *instance, const struct compute_command *command,
                            struct vec *ret_argv, struct error *err);
static void add_variable(const struct compute_command *command, const char *variable, struct vec *ret_argv);

bool container_exec_argv(void *self, const char *name, const struct compute_command *command,
                         struct vec *ret_argv, struct error *err)
{
    struct container *container = self;
    const struct held *instance = instance_find_running(container, name, err);
    if (instance == NULL) return false;
    if (command->length == 0) return error_set(err, ERROR_USAGE, "no command to run in %s", name);
    if (cgroup_frozen(container->cgroups, instance->id))
        return error_set(err, ERROR_REFUSED, "%s waits warm and frozen at the door: it runs nothing now",
                         name);
    CLEANUP_MEM char *root = mem_printf("%s/crun", container->options.run_directory);
    const char *const words[] = {container->options.crun,     "--root", root,
                                 "--cgroup-manager=cgroupfs", "exec",   "--no-new-privs"};
    struct vec argv = VEC_OF(char *);
    for (size_t i = 0; i < LENGTH(words); i++)
        *(char **)vec_push(&argv) = mem_strdup(words[i]);
    if (command->tty) *(char **)vec_push(&argv) = mem_strdup("--tty");
    bool good = add_environment(instance, command, &argv, err);
    *(char **)vec_push(&argv) = mem_strdup(instance->id);
    for (size_t i = 0; i < command->length; i++)
        *(char **)vec_push(&argv) = mem_strdup(command->argv[i]);
    vec_push(&argv); /* NULL */
    for (size_t i = 0; i < argv.length; i++) {
        char *word = *(char **)vec_at(&argv, i);
        if (good)
            *(char **)vec_push(ret_argv) = word;
        else
            mem_free(word);
    }
    vec_free(&argv);
    return good;
}

/* What crun itself writes when it cannot run the command; with a terminal in red and behind the time. */
int container_exec_refused(void *self, const char *output, const char **ret_why)
{
    static const char not_found[] = "executable file `", no_program[] = "open executable",
                      red_time[] = "\033[1;31m20", end[] = "Z: ";
    const char *time = text_starts(output, red_time) ? strstr(output, end) : NULL;
    const char *at = time != NULL ? time + strlen(end) : output;

    if (text_starts(at, not_found)) {
        *ret_why = "not found";
        return 127;
    }
    if (!text_starts(at, no_program)) return 0;
    const char *colon = strchr(at, ':');
    *ret_why = colon != NULL && colon[1] == ' ' ? colon + 2 : "it is no program";
    return 126;
}

/* crun takes the instance's own variables only as long as none is given: then all have to be. */
static bool add_environment(const struct held *instance, const struct compute_command *command,
                            struct vec *ret_argv, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_MEM char *path = mem_printf("%s/config.json", instance->directory);
    struct node config;

    if (!command->tty && command->env_length == 0) return true;
    if (!bundle_file_read(path, &text, err) ||
        !node_from_json(arena, buf_text(&text), text.size, &config, err))
        return error_wrap(err, "environment of %s", instance->name);
    const struct node *own = node_get(node_get(&config, "process"), "env");
    for (size_t i = 0; own != NULL && i < own->length; i++)
        add_variable(command, own->items[i].text, ret_argv);
    if (command->tty) add_variable(command, "TERM=xterm", ret_argv);
    for (size_t i = 0; i < command->env_length; i++)
        *(char **)vec_push(ret_argv) = mem_printf("--env=%s", command->env[i]);
    return true;
}

/* Unless the command has a value of its own for it. */
static void add_variable(const struct compute_command *command, const char *variable, struct vec *ret_argv)
{
    size_t size = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < command->env_length; i++)
        if (strncmp(command->env[i], variable, size) == 0) return;
    *(char **)vec_push(ret_argv) = mem_printf("--env=%s", variable);
}
