/* board.c -- what the processes that try states share: work, counts, verdicts, what was seen.
 *
 * It lies in memory that all of them map. A state that is the same as one before, the same bytes
 * under the same names and the same things to be found there, is counted and not tried again.
 * Which ones were tried is known by a hash of 64 bits: among ten million states the odds that two
 * different ones share one, so that the second goes untried, are three in a million. */
#include "test/disk/board.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

enum {
    JOBS_MAX = 64,
    TICK_MS = 100
};

/* Room for hashes. When it is nearly full, states that were seen are tried again. */
#define SEEN_SIZE ((uint64_t)1 << 24)

static const char *const NAMES[BOARD_PARTS] = {
    [BOARD_CRASH] = "crash",   [BOARD_AGAIN] = "again", [BOARD_KILL] = "kill",
    [BOARD_FAIL] = "fail",     [BOARD_BITS] = "bits",   [BOARD_SECTORS] = "sectors",
    [BOARD_BLOCKS] = "blocks", [BOARD_CUTS] = "cuts",
};

/* The cheapest first: most of what may be wrong is wrong in many places, and shows soon. */
static const enum board_part ORDER[BOARD_PARTS] = {
    BOARD_FAIL, BOARD_BLOCKS, BOARD_CRASH,   BOARD_AGAIN,
    BOARD_CUTS, BOARD_KILL,   BOARD_SECTORS, BOARD_BITS,
};

struct shared_counts {
    atomic_uint_fast64_t states;
    atomic_uint_fast64_t distinct;
    atomic_uint_fast64_t units;
    atomic_uint_fast64_t time_us;
    atomic_uint_fast64_t verdicts[BOARD_VERDICTS];
};

struct wrong {
    struct board_place place;
    char text[BOARD_TEXT_BYTES];
};

struct board {
    atomic_uint_fast64_t next; /* Unit, counted through all parts as in ORDER. */
    atomic_uint_fast64_t done;
    atomic_uint_fast64_t wrong_count;
    atomic_uint_fast64_t seen_count;
    struct shared_counts counts[BOARD_PARTS];
    struct board_place places[JOBS_MAX];
    struct wrong wrongs[BOARD_WRONG_SHOWN];
};

static struct board *board;
static atomic_uint_fast64_t *seen;
static struct board_place *here;  /* Of this process: in the board, so that its end tells where. */
static struct board_place chosen; /* part 0: all states are tried. */
static int was_chosen_tried;
static uint64_t enough; /* Wrong verdicts. */

static void *map_shared(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(memory != MAP_FAILED);
    return memory;
}

void board_init(uint64_t wrong_max)
{
    enough = wrong_max;
    board = map_shared(sizeof *board);
    seen = map_shared(SEEN_SIZE * sizeof *seen);
    here = &board->places[0];
}

const char *board_part_name(enum board_part part)
{
    return NAMES[part];
}

enum board_part board_part_of(const char *name)
{
    for (int part = 1; part < BOARD_PARTS; part++) {
        if (strcmp(NAMES[part], name) == 0) {
            return (enum board_part)part;
        }
    }
    return 0;
}

/* -- Trying ------------------------------------------------------------------------------- */

int board_claim(uint64_t fingerprint)
{
    const uint64_t key = fingerprint == 0 ? 1 : fingerprint;
    if (chosen.part != 0 || atomic_load(&board->seen_count) > SEEN_SIZE / 4 * 3) {
        return 1;
    }
    for (uint64_t at = key;; at++) {
        uint_fast64_t empty = 0;
        atomic_uint_fast64_t *place = &seen[at % SEEN_SIZE];
        if (atomic_load(place) == key) {
            return 0;
        }
        if (atomic_compare_exchange_strong(place, &empty, key)) {
            atomic_fetch_add(&board->seen_count, 1);
            return 1;
        }
        if (empty == key) {
            return 0;
        }
    }
}

int board_enter(uint64_t fingerprint)
{
    struct shared_counts *counts = &board->counts[here->part];
    here->number++;
    atomic_fetch_add(&counts->states, 1);
    if (chosen.part != 0) {
        return board_is_chosen();
    }
    if (fingerprint != 0 && !board_claim(fingerprint + here->part)) {
        return 0;
    }
    atomic_fetch_add(&counts->distinct, 1);
    return 1;
}

void board_judge(enum board_verdict verdict, const char *text)
{
    atomic_fetch_add(&board->counts[here->part].verdicts[verdict], 1);
    was_chosen_tried = 1;
    if (verdict != BOARD_WRONG) {
        return;
    }
    const uint64_t index = atomic_fetch_add(&board->wrong_count, 1);
    if (index < BOARD_WRONG_SHOWN) {
        board->wrongs[index].place = *here;
        snprintf(board->wrongs[index].text, sizeof board->wrongs[index].text, "%s", text);
    }
}

int board_is_chosen(void)
{
    return chosen.part != 0 && here->number == chosen.number;
}

uint64_t board_chosen_number(void)
{
    return chosen.part == 0 ? 0 : chosen.number;
}

int board_is_enough(void)
{
    return atomic_load(&board->wrong_count) >= enough || (chosen.part != 0 && was_chosen_tried);
}

struct board_place board_here(void)
{
    return *here;
}

void board_set_number(uint64_t number)
{
    here->number = number;
}

/* -- Running ------------------------------------------------------------------------------ */

static uint64_t count_units(const struct board_work *work)
{
    uint64_t total = 0;
    for (int part = 1; part < BOARD_PARTS; part++) {
        total += work->units[part];
    }
    return total;
}

static uint64_t processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void run_unit(const struct board_work *work, uint64_t unit)
{
    const enum board_part *at = ORDER;
    while (unit >= work->units[*at]) {
        unit -= work->units[*at++];
    }
    const enum board_part part = *at;
    *here = (struct board_place){part, unit, 0};
    const uint64_t began = processor_us();
    work->run(part, unit);
    atomic_fetch_add(&board->counts[part].time_us, processor_us() - began);
    atomic_fetch_add(&board->counts[part].units, 1);
    atomic_fetch_add(&board->done, 1);
}

static void run_units(const struct board_work *work, uint64_t job)
{
    const uint64_t total = count_units(work);
    here = &board->places[job];
    for (;;) {
        const uint64_t unit = atomic_fetch_add(&board->next, 1);
        if (unit >= total || board_is_enough()) {
            _exit(0);
        }
        run_unit(work, unit);
    }
}

static pid_t start_job(const struct board_work *work, uint64_t job)
{
    const pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        run_units(work, job);
    }
    return child;
}

/* A process that was ended by the code under test stands on the state that did it. */
static void note_death(uint64_t job, int status)
{
    char text[BOARD_TEXT_BYTES];
    if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "the process was ended by %s", strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, sizeof text, "the process ended with status %d", WEXITSTATUS(status));
    }
    here = &board->places[job];
    board_judge(BOARD_WRONG, text);
}

void board_run(const struct board_work *work)
{
    pid_t children[JOBS_MAX] = {0};
    const uint64_t jobs = work->jobs < JOBS_MAX ? work->jobs : JOBS_MAX;
    const uint64_t total = count_units(work);
    uint64_t running = jobs;
    for (uint64_t job = 0; job < jobs; job++) {
        children[job] = start_job(work, job);
    }
    while (running > 0) {
        int status;
        const pid_t child = waitpid(-1, &status, WNOHANG);
        if (child == 0) {
            work->progress(atomic_load(&board->done), total);
            (void)poll(NULL, 0, TICK_MS);
        }
        for (uint64_t job = 0; job < jobs && child > 0; job++) {
            if (children[job] == child && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                note_death(job, status);
                children[job] = start_job(work, job);
            } else if (children[job] == child) {
                running--;
            }
        }
    }
    work->progress(total, total);
}

void board_run_unit(const struct board_work *work, struct board_place place)
{
    *here = (struct board_place){place.part, place.unit, 0};
    if (place.unit < work->units[place.part]) {
        work->run(place.part, place.unit);
        atomic_fetch_add(&board->counts[place.part].units, 1);
    }
}

int board_run_one(const struct board_work *work, struct board_place place)
{
    chosen = place;
    if (place.unit < work->units[place.part]) {
        *here = (struct board_place){place.part, place.unit, 0};
        work->run(place.part, place.unit);
    }
    return was_chosen_tried;
}

void board_counts(enum board_part part, struct board_counts *counts)
{
    const struct shared_counts *shared = &board->counts[part];
    *counts = (struct board_counts){.states = atomic_load(&shared->states),
                                    .distinct = atomic_load(&shared->distinct),
                                    .units = atomic_load(&shared->units),
                                    .time_us = atomic_load(&shared->time_us)};
    for (int i = 0; i < BOARD_VERDICTS; i++) {
        counts->verdicts[i] = atomic_load(&shared->verdicts[i]);
    }
}

uint64_t board_wrong_count(void)
{
    const uint64_t count = atomic_load(&board->wrong_count);
    return count;
}

const char *board_wrong(uint64_t index, struct board_place *place)
{
    *place = board->wrongs[index].place;
    return board->wrongs[index].text;
}
