/* damage.h -- bytes of a data directory that are not what was written. */
#ifndef TEST_DISK_DAMAGE_H
#define TEST_DISK_DAMAGE_H

#include <stdint.h>

#include "test/disk/board.h"

/* Make the directories: fills in the units of the parts that are here. */
void damage_prepare(uint64_t units[BOARD_PARTS]);

/* Try all states of a unit. */
void damage_run(enum board_part part, uint64_t unit);

#endif /* TEST_DISK_DAMAGE_H */
