/* os_fault.h -- any os.h with faults: what is called through it may be refused.
 *
 * It stands before another os and passes everything on. It knows when the code under test runs,
 * for that gets every callback through here; so fault.h counts its operations and no others'. */
#ifndef TEST_OS_FAULT_H
#define TEST_OS_FAULT_H

#include "os/os.h"

struct os_fault;

/* In front of `inner`, which must outlive it. Never NULL: tests have memory. */
struct os_fault *os_fault_new(struct os *inner);

/* Free it, when nobody holds anything of it and `inner` calls nothing back any more. */
void os_fault_free(struct os_fault *fault);

struct os *os_fault_os(struct os_fault *fault);

#endif /* TEST_OS_FAULT_H */
