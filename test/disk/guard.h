/* guard.h -- an assertion that does not hold is a finding, not the end. */
#ifndef TEST_DISK_GUARD_H
#define TEST_DISK_GUARD_H

/* Call `attempt`. NULL if it returned; else the assertion that failed in it, borrowed until the
 * next call. Then whatever it had open or allocated is lost. */
const char *guard_run(void (*attempt)(void *context), void *context);

#endif /* TEST_DISK_GUARD_H */
