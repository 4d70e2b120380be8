/* register.h -- a history as seen by one key: calls of a register that can be absent.
 *
 * Revisions are not believed. They are names: a compare with the revision of a version that
 * somebody saw or put is a compare with that version's value. And they are hints in which order to
 * try the calls, which changes nothing of what can be explained. Conditions that a register cannot
 * express (a version count, an old revision's content) are left out, so a history that cannot be
 * explained here cannot be explained at all, but not the other way round. */
#ifndef CHECK_REGISTER_H
#define CHECK_REGISTER_H

#include "check/checker.h"
#include "check/chronicle.h"

enum {
    REGISTER_CHOICES_MAX = 2
};

#define REGISTER_ABSENT UINT64_C(0)
#define REGISTER_ANY    UINT64_MAX       /* No condition; nothing is written. */
#define REGISTER_OTHER  (UINT64_MAX - 1) /* A value that no condition names: all such are one. */

/* One way in which a call can have gone. */
struct register_choice {
    uint64_t is;      /* The register held this, or REGISTER_ANY. */
    uint64_t not [2]; /* It held neither of these; REGISTER_ANY: no condition. */
    uint64_t write;   /* Then it holds this, or REGISTER_ANY: the same as before. */
};

struct register_call {
    uint64_t begin_us;
    uint64_t end_us; /* UINT64_MAX: nobody knows whether it happened. */
    int64_t hint; /* At which revision it was done, for all that anybody says; INT64_MAX: nobody. */
    uint32_t operation;
    uint32_t choice_count; /* 0: it says nothing of the key, and does nothing to it. */
    struct register_choice choices[REGISTER_CHOICES_MAX]; /* The likelier one first. */
};

struct registers;

/* Hints for what nobody says anything of, one for each operation; or NULL. Borrows both while it
 * lives. */
struct registers *registers_new(const struct chronicle *history, const struct checker_hint *hints);
void registers_free(struct registers *registers);

/* The calls of a key, in order of their beginnings. Borrowed until the next call. */
const struct register_call *registers_calls(struct registers *registers, uint32_t key,
                                            uint32_t *count);

/* True if the register's value meets a choice's conditions. */
int register_meets(const struct register_choice *choice, uint64_t value);

#endif /* CHECK_REGISTER_H */
