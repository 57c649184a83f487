/* What every command has in its hands. */
#ifndef CROFT_CLI_CLI_H
#define CROFT_CLI_CLI_H

#include "cli/client.h"
#include "cli/command.h"
#include "cli/table.h"
#include "model/node.h"

#include <stdio.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };

struct cli {
    const struct arguments *arguments;
    FILE *out;
    FILE *err;
    struct arena *arena; /* until the command ends */
    enum output_format format;
    struct style style;    /* of out */
    struct client *client; /* NULL until cli_client() */
};

/* The whole program but for the process: reads the command line, runs the command, tells what went wrong.
 * Returns the exit code of model.md. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* Tells the error as one line (or as a problem document with `-o json`) and returns its exit code. */
int cli_fail(struct cli *cli, const struct error *err);
/* Says on a terminal's error stream that long work goes on; an empty text clears it. */
void cli_progress(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/* False when nobody reads any more what is printed. */
bool cli_flush(struct cli *cli);

/* Connects to whom the command line, the environment or the profile name. */
MUST_CHECK bool cli_client(struct cli *cli, struct error *err);
/* One request and its JSON answer. body may be NULL. Without ret_answer the answer is not read. */
MUST_CHECK bool cli_ask(struct cli *cli, const char *method, const char *path, const char *body,
                        struct node *ret_answer, struct error *err);
/* The same as text. */
MUST_CHECK bool cli_ask_text(struct cli *cli, const char *method, const char *path, const char *body,
                             struct client_reply *ret_reply, struct error *err);
/* Asks, prints the answer as `-o` says when it is json or yaml, else the line. The exit code. */
int cli_do(struct cli *cli, const char *method, const char *path, const char *body, const char *line);
/* Prints a tree as `-o json` or `-o yaml` asks; false: the format is another one. */
bool cli_print_node(struct cli *cli, const struct node *node);
/* Text as a path's element(s): all but `/` and what RFC 3986 lets stand is escaped. In the arena. */
const char *cli_escape(struct cli *cli, const char *text);

/* Kinds of things that `get` knows. */
struct thing {
    const char *singular, *plural;
};
/* ERROR_USAGE with the nearest spelling. */
MUST_CHECK bool cli_thing(const char *text, const struct thing **ret_thing, struct error *err);
extern const char *const cli_thing_names[]; /* plurals, NULL-terminated */
extern const char *const surface_formats[]; /* of `sla surface -o`, NULL-terminated */
extern const char *const fit_survivals[];   /* of `fit --survive`, NULL-terminated */

/* As `croft get KIND` (a plural). The exit code. */
int get_list(struct cli *cli, const char *kind);

/* The commands, one file a subject. */
int up_run(struct cli *cli);
int down_run(struct cli *cli);
int host_init_run(struct cli *cli);
int controller_run(struct cli *cli);
int agent_run(struct cli *cli);
int apply_run(struct cli *cli);
int diff_run(struct cli *cli);
int get_run(struct cli *cli);
int describe_run(struct cli *cli);
int delete_run(struct cli *cli);
int scale_run(struct cli *cli);
int move_run(struct cli *cli);
int drain_run(struct cli *cli);
int activate_run(struct cli *cli);
int power_run(struct cli *cli);
int exec_run(struct cli *cli);
int logs_run(struct cli *cli);
int console_run(struct cli *cli);
int top_run(struct cli *cli);
int events_run(struct cli *cli);
int explain_run(struct cli *cli);
int bill_run(struct cli *cli);
int sla_suggest_run(struct cli *cli);
int reach_run(struct cli *cli);
int filter_test_run(struct cli *cli);
int export_run(struct cli *cli);
int import_ganeti_run(struct cli *cli);
int whatif_run(struct cli *cli);
int image_import_run(struct cli *cli);
int image_list_run(struct cli *cli);
int image_remove_run(struct cli *cli);
int lease_grant_run(struct cli *cli);
int lease_end_run(struct cli *cli);
int lease_list_run(struct cli *cli);
int token_create_run(struct cli *cli);
int token_list_run(struct cli *cli);
int token_delete_run(struct cli *cli);
int key_show_run(struct cli *cli);
int key_take_run(struct cli *cli);
int key_rotate_run(struct cli *cli);
int key_serve_run(struct cli *cli);
int key_admit_run(struct cli *cli);
int key_accept_run(struct cli *cli);
int key_dismiss_run(struct cli *cli);
int fit_run(struct cli *cli);
int balance_run(struct cli *cli);
int bench_place_run(struct cli *cli);
int bench_lost_rack_run(struct cli *cli);
int bench_share_run(struct cli *cli);
int bench_filter_run(struct cli *cli);
int bench_grid_run(struct cli *cli);
int bench_load_run(struct cli *cli);
int version_run(struct cli *cli);
int doctor_run(struct cli *cli);
int sim_run(struct cli *cli);
int replay_run_command(struct cli *cli);
int filter_check_run(struct cli *cli);
int sla_surface_run(struct cli *cli);
int man_run(struct cli *cli);
int completion_run(struct cli *cli);

double cli_seconds_now(void); /* of a clock that only goes forward: for how long something took */

#endif
