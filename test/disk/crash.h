/* crash.h -- power lost, processes killed and operations refused, wherever that can happen. */
#ifndef TEST_DISK_CRASH_H
#define TEST_DISK_CRASH_H

#include <stdint.h>

#include "test/disk/board.h"

/* How far to go: the same in all processes. */
struct crash_depth {
    uint64_t seeds[BOARD_PARTS]; /* By part: in so many mixtures the script is played. */
    int is_release;
};

/* Play the scripts once and count the operations: fills in units of the parts that are here. */
void crash_prepare(const struct crash_depth *depth, uint64_t units[BOARD_PARTS]);

/* Try all states of a unit. */
void crash_run(enum board_part part, uint64_t unit);

#endif /* TEST_DISK_CRASH_H */
