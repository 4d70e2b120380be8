/* hush.h -- keep what the command line says to people out of the tests' output. */
#ifndef TEST_CLI_HUSH_H
#define TEST_CLI_HUSH_H

/* Send standard error to nowhere until unhush() gets what this returned. */
int hush(void);
void unhush(int kept);

#endif /* TEST_CLI_HUSH_H */
