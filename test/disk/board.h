/* board.h -- what the processes that try states share: work, counts, verdicts, what was seen.
 *
 * The states of the enumerator come in units, each of which one process tries by itself: a unit
 * plays its script, or makes its directory, and goes through the states that follow. Processes
 * take units from the board until none is left. A state has a name, PART/UNIT/NUMBER, and the
 * same name is the same state in every run of the same depth. */
#ifndef TEST_DISK_BOARD_H
#define TEST_DISK_BOARD_H

#include <stdint.h>

enum board_part {
    BOARD_CRASH = 1, /* Power lost at an operation, every state that it may leave. */
    BOARD_AGAIN,     /* From each of those: power lost again during recovery. */
    BOARD_KILL,      /* The process killed at an operation, power lost in its next life. */
    BOARD_FAIL,      /* An operation refused by the disk, then power lost. */
    BOARD_BITS,      /* A bit flipped. */
    BOARD_SECTORS,   /* A sector that holds something else. */
    BOARD_BLOCKS,    /* A block that does. */
    BOARD_CUTS,      /* A file cut off. */
    BOARD_PARTS      /* One more than the last. */
};

enum board_verdict {
    BOARD_EXACT = 1, /* Everything that was acknowledged is there. */
    BOARD_MADE_GOOD, /* The same, and a second copy was needed for it. */
    BOARD_REFUSED,   /* Refused, naming file and offset. */
    BOARD_TORN,      /* Outside of the fault model: see damage.c. */
    BOARD_WRONG,
    BOARD_VERDICTS /* One more than the last. */
};

enum {
    BOARD_TEXT_BYTES = 1700,
    BOARD_WRONG_SHOWN = 10,
    BOARD_WRONG_MAX = 100 /* Enough to look at. */
};

struct board_counts {
    uint64_t states;                   /* Enumerated. */
    uint64_t distinct;                 /* And tried: the others were the same as one of these. */
    uint64_t units;                    /* Done. */
    uint64_t time_us;                  /* Of processors. */
    uint64_t verdicts[BOARD_VERDICTS]; /* By enum board_verdict, of the distinct ones. */
};

/* Where a process is. */
struct board_place {
    enum board_part part;
    uint64_t unit;
    uint64_t number;
};

/* Before anything else, once, in the process that forks. After `wrong_max` wrong verdicts all of
 * them stop. */
void board_init(uint64_t wrong_max);

/* The name of a part, as users write it; and back, 0 where there is none of that name. */
const char *board_part_name(enum board_part part);
enum board_part board_part_of(const char *name);

/* -- For who tries states ------------------------------------------------------------------ */

/* The next state of the present unit. `fingerprint` is of the disk and of what must be on it,
 * 0 where no state is like another. True if it is to be tried. */
int board_enter(uint64_t fingerprint);

/* True for the first that asks with this hash; always, where one state alone is to be tried. */
int board_claim(uint64_t fingerprint);

/* Where a unit's states are numbered in groups: those after this begin behind `number`. */
void board_set_number(uint64_t number);

/* The state that alone is to be tried; 0: all are. */
uint64_t board_chosen_number(void);

/* Its verdict. `text` says what is wrong with a wrong one. */
void board_judge(enum board_verdict verdict, const char *text);

/* True if only one state is to be tried, and this is it: then say what it is like. */
int board_is_chosen(void);

/* True if this unit need not be gone on with. */
int board_is_enough(void);

/* The state that the process is at. */
struct board_place board_here(void);

/* -- For who runs them ---------------------------------------------------------------------- */

struct board_work {
    uint64_t units[BOARD_PARTS];                      /* By part; 0: the part is left out. */
    void (*run)(enum board_part part, uint64_t unit); /* Try all states of a unit. */
    void (*progress)(uint64_t done, uint64_t total);  /* Every now and then. */
    uint64_t jobs;                                    /* Processes. */
};

/* Try everything. */
void board_run(const struct board_work *work);

/* Try all states of one unit, in this process; there may be none. */
void board_run_unit(const struct board_work *work, struct board_place place);

/* Try one state in this process. False if there is no state of that name. */
int board_run_one(const struct board_work *work, struct board_place place);

void board_counts(enum board_part part, struct board_counts *counts);

/* The wrong verdicts, at most BOARD_WRONG_SHOWN of them: how many, and each. */
uint64_t board_wrong_count(void);
const char *board_wrong(uint64_t index, struct board_place *place);

#endif /* TEST_DISK_BOARD_H */
