/* machine_os.h -- a machine in memory with everything: os_pair's streams, os_memory's disk.
 *
 * The disk outlives the pair: a process that dies takes its streams and timers with it. */
#ifndef TEST_FUZZ_MACHINE_OS_H
#define TEST_FUZZ_MACHINE_OS_H

#include "os_memory.h"
#include "os_pair.h"

struct machine_os {
    struct os_pair *pair; /* pair->os is the machine's. NULL: no process. */
    struct os *disk;
};

/* A machine with an empty disk, and a process on it. One machine at a time. */
void machine_os_init(struct machine_os *machine);

/* The process is gone (all that it made is freed already); another one begins. */
void machine_os_restart(struct machine_os *machine);

/* Let everything happen that can happen now; or that can until so much time has passed. */
void machine_os_settle(struct machine_os *machine);
void machine_os_advance(struct machine_os *machine, uint64_t us);

/* Jobs of workers alone. */
void machine_os_drain(struct machine_os *machine);

void machine_os_deinit(struct machine_os *machine);

#endif /* TEST_FUZZ_MACHINE_OS_H */
