/* Texts made from the table of commands. */
#ifndef CROFT_CLI_HELP_H
#define CROFT_CLI_HELP_H

#include "cli/command.h"

void help_all(struct buf *ret_text);
void help_command(const struct command *command, struct buf *ret_text);
void help_usage(const struct command *command, struct buf *ret_text); /* one line, without newline */
/* "TITLE: a, b, c", in lines of a text's width; of a command that has words. */
void help_words(const struct command *command, struct buf *ret_text);
/* The commands that begin with this word: `croft image --help`. */
void help_group(const char *word, struct buf *ret_text);
void help_man(const char *version, struct buf *ret_troff); /* man(7) */
void help_completion_bash(struct buf *ret_script);
void help_completion_zsh(struct buf *ret_script);

#endif
