/* replay_internal.h -- what the parts of the judge that replays share. */
#ifndef CHECK_REPLAY_INTERNAL_H
#define CHECK_REPLAY_INTERNAL_H

#include "check/checker.h"
#include "check/chronicle.h"
#include "check/model.h"

/* Where a write is known to have happened. */
struct placement {
    int64_t revision; /* 0: not known, or it did not. */
    uint32_t teller;  /* The operation that told: itself, or who saw its value. */
    uint8_t branch;   /* enum step_place: the branch that was taken; 0: not known, its compares
                       * decide. */
};

/* What is known of one revision. */
struct revision {
    uint64_t known_us;   /* It had been given by then; UINT64_MAX: nobody tells. */
    uint32_t gaps_below; /* How many revisions below it no known write has. */
    uint32_t operation;  /* If it is known: whose. */
    uint32_t teller;     /* Who tells that it had been given by then. */
    uint32_t is_known;   /* A write is known to have it. */
};

/* A revision that no known write has, and so some other write. */
struct gap {
    int64_t revision;
    uint64_t known_us; /* As above. */
    size_t event;      /* Which one it is of those that are replayed. */
    size_t mark;       /* Of the model, before it. */
    uint32_t chosen;   /* The kind of write that is tried, ... */
    uint32_t member;   /* ... and which one of it. */
    uint64_t *pruned;  /* Sets, NULL for empty ones: kinds that need not be tried any more, ... */
    uint64_t *gaps;    /* ... the gaps before this one ... */
    uint64_t *keys;    /* ... and the keys that this is due to. */
};

/* Unplaced writes that would do the same, whichever of them it is. */
struct kind {
    size_t first; /* They are replay->unplaced[first ...], in order of their beginnings. */
    uint32_t count;
    uint32_t used; /* So many of them, the first ones, have been given to gaps. */
};

enum event_kind { /* In the order in which they come at one revision. */
    EVENT_WRITE = 1,
    EVENT_GAP,
    EVENT_READ,
};

/* An answer, or a write, in order. */
struct event {
    int64_t revision;   /* Of the write, or of the state that was read. */
    uint32_t operation; /* Of GAP: which one. */
    uint32_t kind;      /* enum event_kind. */
};

/* What cannot be, in words. */
struct contradiction {
    const char *sentence; /* NULL: no write can have the revision. */
    int64_t revision;
    int64_t operations[2]; /* Who tells; either may be CHECKER_NOBODY. */
};

struct timeline_entry;
struct window;

struct replay {
    const struct chronicle *history;
    struct checker_verdict *verdict;
    struct model model;
    struct placement *placements; /* By operation. */
    struct revision *revisions;   /* By revision - base; one more than `last`'s at the end. */
    int64_t base;
    int64_t last;       /* The greatest revision that anybody told of. */
    uint32_t *unplaced; /* Writes nobody knows of, in order of their beginnings, later of kinds. */
    size_t unplaced_count;
    struct gap *gaps;
    uint32_t gap_count;
    struct contradiction found;   /* The last one, ... */
    struct contradiction deepest; /* ... and that of the greatest revision. */
    uint64_t work;                /* Events replayed and needs considered. */

    /* All of this only where there are gaps. */
    uint32_t depth; /* Gaps that are filled now. */
    struct kind *kinds;
    uint32_t kind_count;
    uint32_t *candidates;    /* Unplaced writes of key k: from candidate_start[k] on, ... */
    size_t *candidate_start; /* ... up to candidate_start[k + 1]. */
    int has_unsure;          /* A write is known to have been done, and not in which branch. */
    uint32_t *first_gap;     /* By key: the first that a write of the key could have. */
    uint32_t *watched;       /* Keys that have candidates. */
    uint32_t watched_count;
    struct need *needs;              /* By key: of watched ones, at the gap that is looked at. */
    struct timeline_entry *timeline; /* Of key k: from timeline_start[k] up to ...[k + 1]. */
    size_t *timeline_start;
    struct window *windows; /* By key: where its state was explained from and to. */
    struct window *queue;   /* Explanations yet to be given. */
    size_t queue_count;
    size_t queue_capacity;
    uint64_t *due_gaps; /* Sets: gaps that the contradiction found last is due to, ... */
    uint64_t *due_keys; /* ... and keys. */
};

/* -- Each returns 0, or -1 once the verdict is not to accept -------------------------------- */

/* replay_place.c: which writes have which revisions. */
int replay_place(struct replay *replay);
void replay_forget_places(struct replay *replay);

/* replay_time.c: the rules about real time, restarts and compactions. */
int replay_check_time(struct replay *replay);

/* replay_twice.c: the rule about what can be done only once. */
int replay_check_twice(struct replay *replay);

/* -- replay_timeline.c: what is known of each key, later too ---------------------------------- */

enum {
    NEED_NEVER = 1 << 30
};

/* What must still be written to a key, unseen, so that the next answer about it is right. */
struct need {
    uint32_t count; /* At least so many writes; NEED_NEVER: it cannot be any more. */
    uint32_t slack; /* Gaps that are left for them, less those writes. */
};

void replay_collect_timeline(struct replay *replay, const struct event *events, size_t count);
void replay_forget_timeline(struct replay *replay);

/* The key is like this (NULL: it never was) at a revision, all writes up to there being done. */
struct need replay_need(const struct replay *replay, uint32_t key, const struct version *state,
                        int64_t revision);

/* The last revision below this one at which nothing in the gaps before matters to the key: an
 * answer told all of it, or it was deleted. */
int64_t replay_settled(const struct replay *replay, uint32_t key, int64_t revision);

/* -- replay_kinds.c: the writes that nobody knows of ------------------------------------------- */

/* Sort them into kinds, and list them by the keys that they may write. */
void replay_collect_kinds(struct replay *replay);
void replay_forget_kinds(struct replay *replay);

/* One of a kind. */
const struct operation *replay_doer(const struct replay *replay, const struct kind *kind);

/* How many of a kind had begun when somebody was told of the gap's revision. */
uint32_t replay_count_begun(const struct replay *replay, const struct kind *kind,
                            const struct gap *gap);

/* True if an operation may write one of a set of keys, or compares it. */
int replay_touches(const struct replay *replay, const struct operation *operation,
                   const uint64_t *keys);

/* -- replay_search.c: filling the gaps --------------------------------------------------------- */

void replay_prepare_search(struct replay *replay);
void replay_forget_search(struct replay *replay);

/* Let some write have this gap's revision. Returns 0, or -1: none can, and what that is due to
 * is noted. */
int replay_fill(struct replay *replay, uint32_t gap);

/* What was found is due to the state of a key at a revision: it would not be, were that other. */
void replay_explain(struct replay *replay, uint32_t key, int64_t revision);

/* A contradiction was found and explained: fill the last gap that it is due to otherwise. Returns
 * 1, and after which event to go on; or 0 with the verdict. */
int replay_go_back(struct replay *replay, size_t *event);

/* -- Sets of numbers, a bit for each; NULL is an empty one ------------------------------------- */

static inline size_t set_words(size_t count)
{
    return count / 64 + 1;
}

static inline void set_add(uint64_t *set, size_t number)
{
    set[number / 64] |= UINT64_C(1) << number % 64;
}

static inline int set_has(const uint64_t *set, size_t number)
{
    return set != NULL && (set[number / 64] >> number % 64 & 1) != 0;
}

/* Of sets of numbers below `count`: add all of another one; take all out. */
static inline void set_merge(uint64_t *set, const uint64_t *other, size_t count)
{
    for (size_t i = 0; i < set_words(count) && other != NULL; i++) {
        set[i] |= other[i];
    }
}

static inline void set_empty(uint64_t *set, size_t count)
{
    for (size_t i = 0; i < set_words(count) && set != NULL; i++) {
        set[i] = 0;
    }
}

/* -- Words ---------------------------------------------------------------------------------- */

/* True if a compare holds at a revision in the model. */
int replay_compare(const struct replay *replay, const struct step *compare, int64_t revision);

/* The branch that an operation takes by its compares: enum step_place. */
uint8_t replay_branch(const struct replay *replay, const struct operation *operation,
                      int64_t revision);

/* The write that is known to have a revision, or CHECKER_NOBODY. */
int64_t replay_writer(const struct replay *replay, int64_t revision);

/* The verdict is to reject: a sentence and who tells. Returns -1. */
int replay_reject(struct replay *replay, const char *sentence, int64_t first, int64_t second);

static inline struct revision *replay_revision(const struct replay *replay, int64_t revision)
{
    return &replay->revisions[revision - replay->base];
}

/* How many gaps are at or below a revision. */
static inline uint32_t replay_gaps_up_to(const struct replay *replay, int64_t revision)
{
    return revision < replay->base    ? 0
           : revision >= replay->last ? replay->gap_count
                                      : replay_revision(replay, revision + 1)->gaps_below;
}

static inline int replay_is_watched(const struct replay *replay, uint32_t key)
{
    return replay->candidate_start[key] < replay->candidate_start[key + 1];
}

static inline int64_t replay_min(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static inline int64_t replay_max(int64_t left, int64_t right)
{
    return left > right ? left : right;
}

#endif /* CHECK_REPLAY_INTERNAL_H */
