/* script.c -- a life of a data directory in which everything happens that may go wrong. */
#include "test/disk/script.h"

#include <stdio.h>

#include "base/assert.h"
#include "os_memory.h"

enum action {
    END = 0,
    FOUND,    /* The cluster is founded. */
    APPEND,   /* An entry of so many bytes. */
    PROMISE,  /* A promise, in a record of so many bytes. */
    FLUSH,    /* What was appended begins to be written. */
    STEP,     /* Jobs take so many steps. */
    SETTLE,   /* Flush, and all jobs run to their ends. */
    IDLE,     /* Settle, and time passes: a seal. */
    SNAPSHOT, /* Begins to be written. */
    RECEIVE,  /* A snapshot, so many slots ahead, begins to arrive. */
    REOPEN,   /* Closed in good order, and opened again. */
    KILL,     /* The process is killed and starts again. */
    POWER,    /* The power is lost; chance decides what of it lands. */
    REPEAT,   /* What came after the REPEAT before, until it was played so many times. */
};

struct step {
    enum action action;
    uint32_t argument;
};

/* Segments of 16 KiB: every flush or two begins one, trims one, uses one again. */
static const struct step LIVES[] = {
    {FOUND, 0},     {PROMISE, 8},    {SETTLE, 0},   {APPEND, 100},  {APPEND, 200},   {FLUSH, 0},
    {STEP, 2},      {APPEND, 50},    {PROMISE, 40}, {SETTLE, 0},    {IDLE, 0},       {APPEND, 5000},
    {PROMISE, 60},  {FLUSH, 0},      {STEP, 5},     {APPEND, 300},  {SETTLE, 0},     {SNAPSHOT, 0},
    {STEP, 4},      {APPEND, 3000},  {FLUSH, 0},    {STEP, 4},      {PROMISE, 8},    {FLUSH, 0},
    {STEP, 6},      {APPEND, 4000},  {SETTLE, 0},   {APPEND, 2500}, {SETTLE, 0},     {KILL, 0},
    {APPEND, 2500}, {FLUSH, 0},      {STEP, 3},     {SNAPSHOT, 0},  {PROMISE, 8},    {FLUSH, 0},
    {STEP, 5},      {APPEND, 700},   {SETTLE, 0},   {APPEND, 900},  {PROMISE, 4500}, {FLUSH, 0},
    {STEP, 2},      {POWER, 0},      {APPEND, 60},  {PROMISE, 30},  {SETTLE, 0},     {RECEIVE, 20},
    {STEP, 6},      {PROMISE, 8},    {SETTLE, 0},   {APPEND, 20},   {SETTLE, 0},     {IDLE, 0},
    {REOPEN, 0},    {APPEND, 20000}, {FLUSH, 0},    {STEP, 8},      {PROMISE, 8},    {SETTLE, 0},
    {SNAPSHOT, 0},  {APPEND, 8},     {SETTLE, 0},   {APPEND, 2000}, {FLUSH, 0},      {STEP, 1},
    {POWER, 0},     {PROMISE, 8},    {SETTLE, 0},   {END, 0},
};

/* A trimmed log that uses a segment again, a snapshot below it, promises old and new. */
static const struct step SMALL[] = {
    {FOUND, 0},     {PROMISE, 8},  {SETTLE, 0},    {APPEND, 3000}, {SETTLE, 0},    {APPEND, 3000},
    {SETTLE, 0},    {PROMISE, 50}, {APPEND, 3500}, {SETTLE, 0},    {APPEND, 3000}, {SETTLE, 0},
    {APPEND, 2000}, {SETTLE, 0},   {SNAPSHOT, 0},  {SETTLE, 0},    {APPEND, 900},  {SETTLE, 0},
    {APPEND, 5000}, {SETTLE, 0},   {IDLE, 0},      {APPEND, 700},  {SETTLE, 0},    {PROMISE, 200},
    {SETTLE, 0},    {IDLE, 0},     {APPEND, 30},   {PROMISE, 8},   {SETTLE, 0},    {END, 0},
};

/* A log that was never trimmed: it begins with a flush of which there is no second copy, and goes
 * on into segments whose first flush has one. At the end a flush is torn, and what is written after
 * that has records of the same numbers, one in the same place. */
static const struct step YOUNG[] = {
    {FOUND, 0},     {PROMISE, 8}, {SETTLE, 0},   {APPEND, 3000}, {SETTLE, 0},    {APPEND, 3000},
    {PROMISE, 50},  {SETTLE, 0},  {APPEND, 500}, {SETTLE, 0},    {IDLE, 0},      {APPEND, 3000},
    {SETTLE, 0},    {PROMISE, 8}, {SETTLE, 0},   {APPEND, 40},   {IDLE, 0},      {APPEND, 4480},
    {PROMISE, 100}, {FLUSH, 0},   {STEP, 2},     {POWER, 0},     {PROMISE, 384}, {PROMISE, 100},
    {SETTLE, 0},    {IDLE, 0},    {END, 0},
};

/* Flushes of one block to thirty; entries before the snapshot and after it. */
static const struct step LARGE[] = {
    {FOUND, 0},      {PROMISE, 8},   {SETTLE, 0},     {REPEAT, 1},    {APPEND, 60000}, {SETTLE, 0},
    {APPEND, 20000}, {PROMISE, 100}, {SETTLE, 0},     {REPEAT, 8},    {SNAPSHOT, 0},   {SETTLE, 0},
    {IDLE, 0},       {REPEAT, 1},    {APPEND, 60000}, {APPEND, 3000}, {APPEND, 900},   {SETTLE, 0},
    {PROMISE, 8},    {SETTLE, 0},    {APPEND, 7000},  {SETTLE, 0},    {APPEND, 40},    {SETTLE, 0},
    {APPEND, 70000}, {PROMISE, 100}, {SETTLE, 0},     {IDLE, 0},      {REPEAT, 16},    {END, 0},
};

static const struct {
    const struct step *steps;
    uint32_t segment_bytes;
    uint32_t snapshot_bytes;
} SCRIPTS[] = {
    [SCRIPT_LIVES] = {LIVES, 16 << 10, 5000},
    [SCRIPT_SMALL] = {SMALL, 16 << 10, 4 << 10},
    [SCRIPT_YOUNG] = {YOUNG, 16 << 10, 4 << 10},
    [SCRIPT_LARGE] = {LARGE, 512 << 10, 1200 << 10},
};

/* -- Playing ------------------------------------------------------------------------------ */

struct play {
    const struct script_options *options;
    struct owner *owner;
    uint64_t fails_left;
};

/* The machine forgets at each new life what it was told to do in the middle of one. */
static void arm(struct play *play)
{
    const struct script_options *options = play->options;
    const uint64_t changes = os_memory_changes(play->owner->os);
    if (options->die_at > changes) {
        os_memory_die_at(play->owner->os, options->die_at - changes);
    }
    os_memory_fail_at(play->owner->os, options->fail_kinds, play->fails_left, options->fail_error);
}

static int is_over(const struct play *play)
{
    const struct os *os = play->owner->os;
    return os_memory_is_dead(os) || play->owner->has_failed || play->owner->wal == NULL ||
           (play->options->is_failure_last && os_memory_has_failed(os));
}

/* Where it fails there is no log, and the script is over. */
static int open_log(struct owner *owner)
{
    const int error = owner_open(owner);
    if (error != 0 && !os_memory_is_dead(owner->os) && !os_memory_has_failed(owner->os)) {
        snprintf(owner->wrong, sizeof owner->wrong, "%s", owner->report.text);
    }
    return error == 0;
}

/* The end of a life, and the beginning of the next. */
static void start_again(struct play *play, enum action how)
{
    struct owner *owner = play->owner;
    play->fails_left = os_memory_fail_left(owner->os);
    if (how == REOPEN) {
        owner_close(owner);
    } else {
        os_memory_fail_at(owner->os, 0, 0, 0);
        owner_die(owner);
        (how == KILL ? os_memory_restart(owner->os) : os_memory_crash(owner->os, NULL, NULL));
        arm(play);
    }
    if (!os_memory_is_dead(owner->os)) {
        open_log(owner);
    }
}

static void act(struct play *play, struct step step)
{
    struct owner *owner = play->owner;
    switch (step.action) {
    case FOUND:
        owner_found(owner);
        return;
    case APPEND:
        owner_append(owner, step.argument);
        return;
    case PROMISE:
        owner_promise(owner, step.argument);
        return;
    case FLUSH:
        owner_flush(owner);
        return;
    case STEP:
        for (uint32_t i = 0; i < step.argument; i++) {
            os_memory_step(owner->os);
        }
        return;
    case SETTLE:
        owner_settle(owner);
        return;
    case IDLE:
        owner_idle(owner);
        return;
    case SNAPSHOT:
        owner_snapshot(owner);
        return;
    case RECEIVE:
        owner_receive(owner, step.argument);
        return;
    case REOPEN:
    case KILL:
    case POWER:
        start_again(play, step.action);
        return;
    case REPEAT:
    case END:
        assert_unreachable("the player does these");
    }
}

static void play_steps(struct play *play, const struct step *steps)
{
    const struct step *from = steps;
    uint32_t played = 1;
    for (const struct step *step = steps; step->action != END && !is_over(play);) {
        if (step->action != REPEAT) {
            act(play, *step++);
        } else if (played++ < step->argument) {
            step = from;
        } else {
            from = ++step;
            played = 1;
        }
    }
}

void script_play(const struct script_options *options, struct owner *owner,
                 struct script_result *result)
{
    struct os *os = os_memory_new(options->seed);
    struct play play = {.options = options, .owner = owner, .fails_left = options->fail_at};
    os_dir_create(os, "/data");
    os_dir_sync(os, "/");
    os_memory_interleave(os);
    if (options->has_no_direct) {
        os_memory_refuse_direct(os);
    }
    os_memory_remember(os);
    owner_init(owner, os, NULL);
    owner->prng.state = options->seed;
    owner->model.segment_bytes = SCRIPTS[options->name].segment_bytes;
    owner->model.snapshot_bytes = SCRIPTS[options->name].snapshot_bytes;
    arm(&play);
    if (open_log(owner)) {
        play_steps(&play, SCRIPTS[options->name].steps);
    }
    result->changes = os_memory_changes(os);
    result->fails_left = os_memory_fail_left(os);
}
