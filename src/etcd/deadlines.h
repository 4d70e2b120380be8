/* deadlines.h -- many moments in time, and which one comes first. */
#ifndef ETCD_DEADLINES_H
#define ETCD_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

/* A moment, inside the thing that waits for it. All zero is one that is in no set. */
struct deadline {
    uint64_t due_us; /* Set before it is added, and not changed while it is in a set. */
    size_t place;    /* The set's: where it stands, counted from 1; 0: in no set. */
};

/* A binary heap of borrowed pointers. All zero is an empty set. Requests mostly come with the
 * same time-out, so the newest is mostly the latest, and adding it moves nothing. */
struct deadlines {
    struct deadline **heap;
    size_t count;
    size_t capacity;
};

/* Free the memory. The set must be empty, or its members dead as well. */
void deadlines_deinit(struct deadlines *deadlines);

/* Add one that is in no set. Returns 0, or -1 without memory: then it was not added. */
int deadlines_add(struct deadlines *deadlines, struct deadline *deadline);

/* Take one out; one that is in no set is left alone. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);

/* The earliest, or NULL if there is none. It stays in the set. */
struct deadline *deadlines_first(const struct deadlines *deadlines);

#endif /* ETCD_DEADLINES_H */
