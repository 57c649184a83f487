/* JSON that croft wrote, laid out for people. */
#ifndef CROFT_CLI_INDENT_H
#define CROFT_CLI_INDENT_H

#include "base/buf.h"

/* Adds what node_to_pretty_json() makes of the text, without a tree: numbers and strings are copied as they
 * stand. The text has to be whole and right: what this program itself wrote. */
void json_indent(const char *json, size_t size, struct buf *ret_json);

#endif
