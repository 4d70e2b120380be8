/* chronicle.h -- what clients did and what they were told: what the judges judge.
 *
 * A history begins with an empty store at a known revision and holds every write that was made
 * to it since. An operation is a list of steps: compares, then what is done if they all hold,
 * then what is done if they do not. Anything but a txn is one step that is always done. A step
 * is a request and, once the operation is done, its answer; the keys and values that an answer
 * shows are its items.
 *
 *   recording    size_t at = chronicle_begin(&history, OPERATION_GET, &who);
 *                chronicle_add(&history, &(struct step){.kind = STEP_GET, .key = 5, ...});
 *                ...
 *                chronicle_answer(&history, step, count); chronicle_see(&history, step, &item);
 *                chronicle_end(&history, at, OUTCOME_DONE, now_us);
 *
 * What replicas say of their states stands beside that: reports, each a hash of a state.
 *
 * Keys are numbers; whoever names keys for a store names them so that their order is that of
 * the numbers. Values are numbers too, and no two puts of a history write the same one: so a
 * value that is seen tells who wrote it. 0 is no value.
 *
 * This is for tests and tools: without memory it aborts. A million operations of one step and
 * one item each take about 130 MB. */
#ifndef CHECK_CHRONICLE_H
#define CHECK_CHRONICLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CHRONICLE_KEYS_MAX = 1 << 20, /* Keys are below it. */
    CHRONICLE_MEMBERS_MAX = 64,   /* And members below this. */
    CHRONICLE_STEPS_MAX = 65535,  /* Of one operation: each of compares, then and else. */
    CHRONICLE_BASE_REVISION = 1   /* Of a store that nobody has written to. */
};

enum operation_kind {
    OPERATION_PUT = 1,
    OPERATION_DELETE,
    OPERATION_GET,
    OPERATION_TXN,
    OPERATION_COMPACT,
    OPERATION_RESTART, /* No operation: the member died, and began anew from its disk. */
};

enum operation_outcome {
    OUTCOME_UNKNOWN = 1, /* Its client has not learned it, or not yet. */
    OUTCOME_DONE,
    OUTCOME_NOT_DONE,  /* Surely did not happen, and never will. */
    OUTCOME_COMPACTED, /* Refused: the revision asked for is compacted. */
    OUTCOME_FUTURE,    /* Refused: the revision asked for has not been given yet. */
};

struct operation {
    uint64_t begin_us; /* It began no earlier ... */
    uint64_t end_us;   /* ... and, unless its outcome is unknown, ended no later. */
    int64_t revision;  /* DONE: the store's, as the answer's header says. UNKNOWN: that of the
                        * write, as a witness says; 0: nobody says. */
    uint32_t line;     /* Of the file that it was read from; 0: of none. */
    uint32_t client;
    uint32_t member;         /* Who was asked. */
    uint32_t first_step;     /* Its steps: compares, then, else. */
    uint16_t compare_count;  /* Of a txn. */
    uint16_t then_count;     /* 1 for anything but a txn. */
    uint16_t else_count;     /* Of a txn. */
    uint8_t kind;            /* enum operation_kind. */
    uint8_t outcome;         /* enum operation_outcome. */
    uint8_t has_succeeded;   /* DONE: which branch was taken; 1 for anything but a txn. */
    uint8_t is_serializable; /* A read that may be old. */
};

enum step_kind {
    STEP_PUT = 1,
    STEP_DELETE,
    STEP_GET,
    STEP_COMPARE,
    STEP_COMPACT,
};

enum step_place { /* Where in a txn a step stands. */
    PLACE_IF = 1,
    PLACE_THEN, /* The place of the one step of anything else, too. */
    PLACE_ELSE,
};

enum step_target { /* What is compared. A missing key has no value, and else 0. */
    TARGET_MOD = 1,
    TARGET_CREATE,
    TARGET_VERSION,
    TARGET_VALUE, /* For equality only: numbers are not in the order of the bytes written. */
};

enum step_relation {
    RELATION_EQUAL = 1,
    RELATION_NOT_EQUAL,
    RELATION_LESS,
    RELATION_GREATER,
};

struct step {
    uint64_t number;     /* PUT: the value. COMPARE: compared with. GET: the past revision that is
                          * read, 0 for now. COMPACT: the revision. */
    uint32_t key;        /* Keys from `key` on and below `end`. */
    uint32_t end;        /* key + 1 for one key. */
    uint32_t limit;      /* GET: of items; 0: none. */
    uint32_t count;      /* Answer. GET: keys that are there. DELETE: keys that were deleted. */
    uint32_t first_item; /* Answer: what was shown, in order of the keys. */
    uint32_t item_count;
    uint8_t kind;        /* enum step_kind. */
    uint8_t place;       /* enum step_place. */
    uint8_t target;      /* enum step_target. */
    uint8_t relation;    /* enum step_relation. */
    uint8_t wants_items; /* GET: items, not a count alone. PUT, DELETE: what was there before. */
    uint8_t has_more;    /* Answer. GET: the limit left some out. */
};

struct seen_item {
    uint64_t value;
    int64_t create;   /* Revisions of the key's first put and ... */
    int64_t mod;      /* ... of its last. */
    uint32_t version; /* How many puts that makes. */
    uint32_t key;
};

/* A replica said what it holds. */
struct state_report {
    uint64_t at_us;
    int64_t revision;
    int64_t compacted; /* The revision that it was compacted at; -1: never, or nobody says. */
    uint64_t hash;     /* Of all that can be read from it. */
    uint32_t member;
    uint32_t line; /* As above. */
};

struct chronicle {
    struct operation *operations;
    struct step *steps;
    struct seen_item *items;
    struct state_report *states;
    size_t operation_count;
    size_t step_count;
    size_t item_count;
    size_t state_count;
    size_t operation_capacity;
    size_t step_capacity;
    size_t item_capacity;
    size_t state_capacity;
    int64_t base;       /* The store's revision before everything. */
    uint32_t key_count; /* One more than the greatest key that anybody named. */
};

void chronicle_init(struct chronicle *history);
void chronicle_deinit(struct chronicle *history);

/* A copy that is independent of `from`. */
void chronicle_copy(struct chronicle *history, const struct chronicle *from);

/* -- Recording ------------------------------------------------------------------------------ */

struct chronicle_who {
    uint32_t client;
    uint32_t member;
    uint64_t begin_us;
};

/* A new operation without any step, its outcome unknown. Returns its index, which stays good. */
size_t chronicle_begin(struct chronicle *history, enum operation_kind kind,
                       const struct chronicle_who *who);

/* Add a step to the operation begun last; in a txn, compares first and then-steps second. `end`
 * may be 0 for one key, `place` 0 for PLACE_THEN. Returns its index, which stays good. */
size_t chronicle_add(struct chronicle *history, const struct step *step);

/* A step's answer: its items, in order and one after the other, no other step's between. */
void chronicle_see(struct chronicle *history, size_t step, const struct seen_item *item);

/* The operation has ended. The caller sets revision, has_succeeded and the steps' counts itself
 * where it is DONE. */
void chronicle_end(struct chronicle *history, size_t operation, enum operation_outcome outcome,
                   uint64_t end_us);

/* Add a restart of a member: what it answers from then on may be older than before. */
void chronicle_restart(struct chronicle *history, uint32_t member, uint64_t at_us);

/* Add what a replica said of its state: a copy. */
void chronicle_report(struct chronicle *history, const struct state_report *report);

/* -- Reading -------------------------------------------------------------------------------- */

/* All steps of an operation: compares, then, else. */
static inline uint32_t chronicle_step_count(const struct operation *operation)
{
    return (uint32_t)operation->compare_count + operation->then_count + operation->else_count;
}

/* True if a step may change a key. */
static inline int step_is_write(const struct step *step)
{
    return step->kind == STEP_PUT || step->kind == STEP_DELETE;
}

/* The steps that are done if the compares hold, or if not. Borrowed until the next addition. */
const struct step *chronicle_branch(const struct chronicle *history,
                                    const struct operation *operation, int has_succeeded,
                                    uint32_t *count);

/* True if it is DONE and took a revision of its own. */
int chronicle_has_written(const struct chronicle *history, const struct operation *operation);

/* True if nobody knows whether it wrote: outcome unknown, and some branch could. */
int chronicle_may_have_written(const struct chronicle *history, const struct operation *operation);

/* -- As text: an operation a line (chronicle_text.c says how) --------------------------------- */

/* Write one operation, without the end of the line. */
void chronicle_print(const struct chronicle *history, size_t operation, FILE *to);

/* Write or read all of it. Return 0, or -1: `to` or `from` failed; for chronicle_read() also a
 * line that is no operation and no report, and then `text` says which and why. */
int chronicle_write(const struct chronicle *history, FILE *to);
int chronicle_read(struct chronicle *history, FILE *from, char *text, size_t size);

#endif /* CHECK_CHRONICLE_H */
