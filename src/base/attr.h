/* Compiler attributes under short names, and the two assertions that stay on in production. */
#ifndef CROFT_BASE_ATTR_H
#define CROFT_BASE_ATTR_H

/* On every function that can fail: ignoring the result is a compile error under -Werror. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(position, first) __attribute__((format(printf, position, first)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))

/* Runs FUNCTION(&variable) when the variable's scope ends. FUNCTION accepts a pointer to NULL or zero. */
#define CLEANUP(function) __attribute__((cleanup(function)))

NORETURN void assert_failed(const char *expression, const char *file, int line);

/* A precondition, postcondition or invariant. Never compiled out: a control plane that goes on after a
 * broken invariant does more harm than one that restarts from its store. */
#define ASSERT(expression) ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
