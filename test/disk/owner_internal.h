/* owner_internal.h -- what the files of the owner share. */
#ifndef TEST_DISK_OWNER_INTERNAL_H
#define TEST_DISK_OWNER_INTERNAL_H

#include "test/disk/owner.h"

#define OWNER_DIR "/data"

/* Say what is not as it must be; the first that is said stays, for it says the most. */
void owner_complain(struct owner *owner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fill in the bytes that follow from `seed`. */
void owner_fill(uint8_t *to, size_t size, uint64_t seed);

/* The state after an entry with this tag was applied to `state`. */
uint64_t owner_fold(uint64_t state, uint64_t tag);

/* Check and compare the snapshot of `slot` with the model. 0, or the error with owner->report. */
int owner_load_snapshot(struct owner *owner, uint64_t slot);

#endif /* TEST_DISK_OWNER_INTERNAL_H */
