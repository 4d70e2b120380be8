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
    uint8_t branch;   /* enum step_place: the branch that was taken; 0: not known yet. */
};

enum revision_use {
    REVISION_FREE = 0,
    REVISION_KNOWN, /* A write is known to have it. */
    REVISION_GUESSED
};

/* What is known of one revision. */
struct revision {
    uint64_t known_us;  /* It had been given by then; UINT64_MAX: nobody tells. */
    int64_t next_gap;   /* The first one from here on that no known write has. */
    uint32_t operation; /* Of KNOWN: whose. */
    uint32_t teller;    /* Who tells that it had been given by then. */
    uint8_t use;        /* enum revision_use. */
};

/* An answer, or a write, in order. */
struct event {
    int64_t revision; /* Of the write, or of the state that was read. */
    uint32_t operation;
    uint32_t is_read;
};

struct timeline_entry;

/* A write that was placed by a guess, and what for. */
struct guessed {
    uint32_t operation;
    uint32_t key;     /* The one that had to be explained; UINT32_MAX: none, ... */
    int64_t revision; /* ... and where the write was put. */
    uint8_t branch;   /* enum step_place: what it did there. */
};

struct replay {
    const struct chronicle *history;
    struct checker_verdict *verdict;
    struct model model;
    struct placement *placements; /* By operation. */
    struct revision *revisions;   /* By revision - base; two more than `last`'s at the end. */
    int64_t base;
    int64_t last;       /* The greatest revision that anybody told of. */
    uint32_t *unplaced; /* Writes nobody knows of, in order of their beginnings. */
    size_t unplaced_count;
    uint32_t *candidates;    /* Of key k, in the same order: from candidate_start[k] on, ... */
    size_t *candidate_start; /* ... up to candidate_start[k + 1]. */
    struct timeline_entry *timeline; /* Of key k: from timeline_start[k] up to ...[k + 1]. NULL if
                                      * nothing is unplaced. */
    size_t *timeline_start;
    uint8_t *is_guessed;     /* By operation: a guess has placed it. */
    struct guessed *guesses; /* In the order in which they were made. */
    size_t guess_count;
    struct guessed *bans; /* Guesses that led nowhere: not to be made again. */
    size_t ban_count;
    size_t ban_capacity;
    int64_t now;      /* The revision that is being replayed. */
    uint64_t written; /* Versions entered so far. */
    int64_t culprit;  /* Of the guesses: the one to ban next; -1: none. */
    int is_loose;     /* A guess might have been better made otherwise. */
};

/* Each returns 0, or -1 once the verdict is not to accept. */

/* replay_place.c: which writes have which revisions. */
int replay_place(struct replay *replay);
void replay_forget_places(struct replay *replay);

/* replay_time.c: the rules about real time, restarts and compactions. */
int replay_check_time(struct replay *replay);

/* replay_timeline.c: what is known of each key, later too. */
enum foresight {
    FORESIGHT_FORBIDDEN = 1, /* An answer that was replayed already says otherwise, ... */
    FORESIGHT_WRONG,         /* ... or one that is still to come, unless there is more unseen. */
    FORESIGHT_POSSIBLE,
};
void replay_collect_timeline(struct replay *replay, const struct event *events, size_t count);
void replay_forget_timeline(struct replay *replay);

/* What the next answer says if a write of the key is put in at a free revision. */
enum foresight replay_foresee(const struct replay *replay, uint32_t key, int64_t revision,
                              int is_put);

/* replay_guess.c: place a write that nobody knows of. Returns 1 if one that does this to the key
 * could be placed in [low, high], and else 0. */
enum guess_kind {
    GUESS_PUT = 1,
    GUESS_DELETE
};
struct guess {
    enum guess_kind kind;
    uint32_t key;
    int64_t low;
    int64_t high;
};
int replay_guess(struct replay *replay, const struct guess *guess);

/* Give the revisions that are still free to writes that change nothing that anybody saw. */
int replay_fill(struct replay *replay);

/* True if what the key was at a revision could be otherwise than the model says. */
int replay_is_open(const struct replay *replay, uint32_t key, int64_t revision);

/* True if anything that nobody knows of may have written the key. */
int replay_has_candidates(const struct replay *replay, uint32_t key);

/* An answer about the key cannot be explained: find the last guess that had to do with it. */
void replay_blame(struct replay *replay, uint32_t key);

/* Undo all guesses, and ban the one that is to blame. Returns 0 if there is none. */
int replay_ban(struct replay *replay);

/* True if a compare holds at a revision in the model, or for one version; NULL: absent. */
int replay_compare(const struct replay *replay, const struct step *compare, int64_t revision);
int replay_compare_version(const struct step *compare, const struct version *version);

/* The write that is known to have a revision, or CHECKER_NOBODY. */
int64_t replay_writer(const struct replay *replay, int64_t revision);

/* The verdict is to reject: a sentence and who tells. Returns -1. */
int replay_reject(struct replay *replay, const char *sentence, int64_t first, int64_t second);

static inline struct revision *replay_revision(const struct replay *replay, int64_t revision)
{
    return &replay->revisions[revision - replay->base];
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
