/* assert.h -- assertions that stay on, without a libc. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#ifdef NDEBUG
#error "Synod's assertions are part of its safety argument: build without NDEBUG"
#endif

/* Called when an assertion does not hold. Never returns. The program that links
 * the code decides what happens: a server prints and aborts, the explorer records
 * a violation and jumps out. `expression`, `file` are literals; `line` counts from 1. */
_Noreturn void assert_failed(const char *expression, const char *file, int line);

#undef assert
#ifdef SYNOD_MUTATIONS
/* In builds with seeded bugs (base/mutant.h) the assertions of src/ can be switched off: 1 if they
 * are, and `file` lies there. Then whoever else judges has to see what a bug does. */
int assert_is_mute(const char *file);
#define assert(expression)                                                                         \
    ((expression) || assert_is_mute(__FILE__) ? (void)0                                            \
                                              : assert_failed(#expression, __FILE__, __LINE__))
#else
#define assert(expression) ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))
#endif

/* Where the program never comes; `reason` says why, as a literal. */
#define assert_unreachable(reason) assert_failed(reason, __FILE__, __LINE__)

#endif /* BASE_ASSERT_H */
