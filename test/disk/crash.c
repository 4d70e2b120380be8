/* crash.c -- power lost, processes killed and operations refused, wherever that can happen.
 *
 * WHAT A FILE SYSTEM MAY DO
 *
 * What was written and not synced lands in any subset: each block of 4096 bytes by itself, and of
 * a block each sector of 512 bytes. A file's new length may land without its bytes; these are
 * zeroes then. Changes of names that were not synced land in any subset too: each creation,
 * renaming and removal is one thing, and is ignored where it makes no sense without an earlier
 * one. What was synced stays. Journals do better than this; nothing that is promised by them,
 * and not by a sync, is relied on.
 *
 * THE PARTS, each around a script of several lives (script.c), which is played once for each of
 * its operations that change something, in several mixtures of the jobs' operations:
 *
 *   crash   the power is lost at that operation
 *   again   from each disk that this leaves (blocks whole or not): the power is lost again, at
 *           each operation of the recovery
 *   kill    the process is killed at that operation; and the power is lost at each operation of
 *           the recovery and the first flush after it, while what the first process wrote is
 *           still pending
 *   fail    the operation is refused (full disk, bad sector, sync that fails). Where the log says
 *           so the process exits, as it must; else it goes on, or is killed soon after. Then it
 *           is started again, and the power is lost before that, or at each operation of the
 *           recovery and the first flush after it; where the file system writes directly, and
 *           where it does not
 *
 * THE VERDICT is always exact: a crash is no damage. Recovery must find what owner.c says, the log
 * must go on, and the next recovery must find that too. */
#include "test/disk/crash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "test/disk/choice.h"
#include "test/disk/guard.h"
#include "test/disk/owner.h"
#include "test/disk/script.h"

enum {
    SEEDS_MAX = 4096,
    GROUP_SHIFT = 24, /* Numbers of states that follow from one before; see explore_again(). */
};

#define SEED       UINT64_C(0x5e)
#define CLAIM_SALT UINT64_C(0x9e3779b97f4a7c15)

/* What a disk can refuse. */
static const struct failure {
    unsigned kind;
    int error;
    const char *name;
} FAILURES[] = {
    {OS_MEMORY_WRITE, -ENOSPC, "a write, half of which is done: no space"},
    {OS_MEMORY_WRITE, -EIO, "a write, half of which is done: I/O error"},
    {OS_MEMORY_SYNC, -EIO, "a sync"},
    {OS_MEMORY_RENAME, -EIO, "a renaming"},
    {OS_MEMORY_REMOVE, -EIO, "a removal"},
    {OS_MEMORY_DIR_SYNC, -EIO, "a sync of a directory"},
    {OS_MEMORY_DIR_CREATE, -ENOSPC, "the creation of a directory"},
    {OS_MEMORY_OPEN, -EMFILE, "an opening"},
    {OS_MEMORY_READ, -EIO, "a read"},
    {OS_MEMORY_LIST, -EIO, "the listing of a directory"},
};

enum {
    FAILURE_COUNT = sizeof FAILURES / sizeof *FAILURES,
    FAILURE_PLACES = 1 << 20 /* More than there are. */
};

static struct crash_depth depth;
static uint64_t changes[SEEDS_MAX]; /* Of the script, by seed. */
static uint64_t places[FAILURE_COUNT];
static struct owner script_owner; /* Plays the script. */

/* -- One state ---------------------------------------------------------------------------- */

struct attempt {
    struct os *os;
    const struct model *model;
    char wrong[BOARD_TEXT_BYTES]; /* "" if nothing is. */
};

static void note(struct attempt *attempt, const char *when, const char *what)
{
    if (attempt->wrong[0] == '\0') {
        snprintf(attempt->wrong, sizeof attempt->wrong, "%s: %s", when, what);
    }
}

static int open_owner(struct attempt *attempt, struct owner *owner, const char *when)
{
    const int error = owner_open(owner);
    if (error != 0) {
        note(attempt, when, owner->report.text);
    } else if (owner->wrong[0] != '\0') {
        note(attempt, when, owner->wrong);
    }
    return error == 0;
}

/* Recover, go on, and recover again. */
static void try_recovery(void *context)
{
    static struct owner owner;
    struct attempt *attempt = context;
    owner_init(&owner, attempt->os, attempt->model);
    owner.reads_back = 1;
    owner.pick = board_here().number;
    if (!open_owner(attempt, &owner, "recovery")) {
        return;
    }
    owner_append(&owner, 100);
    owner_promise(&owner, 8);
    owner_settle(&owner);
    if (owner.has_failed || owner.model.durable < owner.model.last) {
        note(attempt, "going on", owner.has_failed ? owner.report.text : "it is never durable");
    }
    owner_close(&owner);
    if (open_owner(attempt, &owner, "the recovery after that")) {
        owner_close(&owner);
    }
}

/* `os` is freed. */
static void judge(struct os *os, const struct model *model)
{
    static struct attempt attempt;
    attempt = (struct attempt){.os = os, .model = model};
    const char *assertion = guard_run(try_recovery, &attempt);
    if (assertion != NULL) {
        note(&attempt, "recovery", assertion);
    } else {
        os_memory_free(os);
    }
    board_judge(attempt.wrong[0] == '\0' ? BOARD_EXACT : BOARD_WRONG, attempt.wrong);
}

/* -- Everything that a loss of power may leave --------------------------------------------- */

struct losing {
    struct os *os; /* Dead, and closed. */
    const struct model *model;
    uint64_t model_hash;
    const struct os_memory_item *items;
    size_t count;
};

static void describe_choice(const struct losing *losing, const uint8_t *kept)
{
    for (size_t i = 0; i < losing->count; i++) {
        const struct os_memory_item *item = &losing->items[i];
        char fate[32] = "lands";
        if (kept[i] == 0) {
            snprintf(fate, sizeof fate, "is lost");
        } else if (kept[i] != OS_MEMORY_WHOLE) {
            snprintf(fate, sizeof fate, "lands in sectors %02x", kept[i]);
        }
        if (item->kind == OS_MEMORY_NAME) {
            printf("  name    %s%s%s %s\n", item->path, item->to[0] == '\0' ? "" : " -> ", item->to,
                   fate);
        } else {
            printf("  %s  %s at %" PRIu64 ", %zu bytes, %s\n",
                   item->kind == OS_MEMORY_LENGTH ? "length" : "block ", item->path, item->offset,
                   item->size, fate);
        }
    }
}

static void try_choice(void *context, const uint8_t *kept)
{
    const struct losing *losing = context;
    if (board_is_enough()) {
        return;
    }
    struct os *os = os_memory_aftermath(losing->os, kept, SEED);
    if (!board_enter(os_memory_fingerprint(os) ^ losing->model_hash)) {
        os_memory_free(os);
        return;
    }
    if (board_is_chosen()) {
        printf("  appended up to record %" PRIu64 ", acknowledged up to %" PRIu64
               ", promise %" PRIu64 ", snapshot of slot %" PRIu64 "\n",
               losing->model->last, losing->model->durable, losing->model->promise,
               losing->model->snapshot);
        describe_choice(losing, kept);
    }
    judge(os, losing->model);
}

static void lose_power(struct os *os, const struct model *model, int is_torn)
{
    static struct os_memory_item items[CHOICE_ITEMS_MAX];
    const struct choice_limits limits = {.all_max = depth.is_release ? 14 : 10,
                                         .torn_max = depth.is_release ? 8 : 6,
                                         .drawn = depth.is_release ? 20000 : 1000,
                                         .is_torn = is_torn,
                                         .is_any_torn = depth.is_release};
    struct losing losing = {os, model, model_hash(model), items, 0};
    losing.count = os_memory_pending(os, items, CHOICE_ITEMS_MAX);
    assert(losing.count <= CHOICE_ITEMS_MAX);
    choice_each(items, losing.count, &limits, try_choice, &losing);
}

/* -- Playing the script ------------------------------------------------------------------- */

struct playing {
    struct script_options options;
    struct script_result result;
};

static void play_guarded(void *context)
{
    struct playing *playing = context;
    script_play(&playing->options, &script_owner, &playing->result);
    owner_die(&script_owner);
}

/* Until it dies or fails; then it is closed. False if that was wrong already: it was said. */
static int play(struct playing *playing)
{
    const char *assertion = guard_run(play_guarded, playing);
    const char *wrong = assertion != NULL ? assertion : script_owner.wrong;
    if (wrong[0] != '\0') {
        (void)board_enter(0);
        board_judge(BOARD_WRONG, wrong);
        return 0;
    }
    return 1;
}

/* Which seed and operation a unit is of. The first two operations make the machine what the script
 * begins with: in these units it is played to its end. */
static struct playing playing_of(uint64_t unit)
{
    uint64_t seed = 0;
    while (unit >= changes[seed]) {
        unit -= changes[seed++];
    }
    return (struct playing){
        .options = {.name = SCRIPT_LIVES, .seed = seed + 1, .die_at = unit + 1}};
}

/* -- Twice -------------------------------------------------------------------------------- */

/* A disk from which another recovery begins that will not end. */
struct again {
    struct os *os;
    const struct model *model;
    uint64_t model_hash;
    uint64_t group;
    int is_torn;
};

/* One more operation, and one more, until all that is done there was done. `from` is not
 * changed. */
static void die_in_recovery(struct os *from, const struct model *model, int goes_on)
{
    static struct owner owner;
    int is_dead = 1;
    for (uint64_t die_at = 1; is_dead && !board_is_enough(); die_at++) {
        struct os *os = os_memory_copy(from, SEED);
        owner_init(&owner, os, model);
        os_memory_die_at(os, die_at);
        if (owner_open(&owner) == 0 && goes_on) {
            owner_append(&owner, 100);
            owner_promise(&owner, 8);
            owner_settle(&owner);
        }
        is_dead = os_memory_is_dead(os);
        owner_die(&owner);
        if (is_dead) {
            lose_power(os, &owner.model, 1);
        }
        os_memory_free(os);
    }
}

static void recover_again(void *context)
{
    const struct again *again = context;
    die_in_recovery(again->os, again->model, 0);
}

/* The states that follow from the k-th disk have the numbers from k << GROUP_SHIFT on, whoever
 * has tried which: so they keep their names. */
static void explore_again(void *context, const uint8_t *kept)
{
    struct again *again = context;
    const uint64_t group = again->group++;
    if (board_is_enough() ||
        (board_chosen_number() != 0 && board_chosen_number() >> GROUP_SHIFT != group)) {
        return;
    }
    struct again next = *again;
    next.os = os_memory_aftermath(again->os, kept, SEED);
    if (board_claim((os_memory_fingerprint(next.os) ^ again->model_hash) * CLAIM_SALT)) {
        board_set_number(group << GROUP_SHIFT);
        const char *assertion = guard_run(recover_again, &next);
        if (assertion != NULL) {
            board_judge(BOARD_WRONG, assertion);
            return;
        }
    }
    os_memory_free(next.os);
}

static void run_again(void)
{
    static struct os_memory_item items[CHOICE_ITEMS_MAX];
    static struct model model;
    const struct choice_limits limits = {
        .all_max = 10, .torn_max = 4, .drawn = 100, .is_torn = depth.is_release};
    model_copy(&model, &script_owner.model);
    struct again again = {.os = script_owner.os, .model = &model, .model_hash = model_hash(&model)};
    const size_t count = os_memory_pending(again.os, items, CHOICE_ITEMS_MAX);
    assert(count <= CHOICE_ITEMS_MAX);
    choice_each(items, count, &limits, explore_again, &again);
}

/* The process alone died: all that it wrote is to be seen. */
static void run_kill(void)
{
    static struct model model;
    struct os *os = script_owner.os;
    model_copy(&model, &script_owner.model);
    os_memory_restart(os);
    if (board_enter(0)) {
        judge(os_memory_copy(os, SEED), &model);
    }
    struct again again = {.os = os, .model = &model};
    die_in_recovery(again.os, again.model, 1);
}

/* -- Refused ------------------------------------------------------------------------------ */

static uint64_t places_in_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FAILURE_COUNT; i++) {
        sum += places[i];
    }
    return sum;
}

/* Each of them twice: the script goes on if it may, or not. And all that where the file system
 * writes directly, and then where it does not. */
static struct playing failing_of(uint64_t unit)
{
    const int has_no_direct = unit >= 2 * places_in_all();
    const int is_last = unit % 2 == 0;
    uint64_t failure = 0;
    unit = unit % (2 * places_in_all()) / 2;
    while (unit >= places[failure]) {
        unit -= places[failure++];
    }
    return (struct playing){.options = {.name = SCRIPT_LIVES,
                                        .seed = 1,
                                        .fail_at = unit + 1,
                                        .fail_kinds = FAILURES[failure].kind,
                                        .fail_error = FAILURES[failure].error,
                                        .is_failure_last = is_last,
                                        .has_no_direct = has_no_direct}};
}

static void run_fail(void)
{
    static struct model model;
    struct os *os = script_owner.os;
    model_copy(&model, &script_owner.model);
    lose_power(os, &model, 1);
    os_memory_restart(os);
    if (board_enter(0)) {
        judge(os_memory_copy(os, SEED), &model);
    }
    die_in_recovery(os, &model, 1);
}

/* -- Units -------------------------------------------------------------------------------- */

static void play_whole(void *context)
{
    struct playing *playing = context;
    script_play(&playing->options, &script_owner, &playing->result);
    owner_die(&script_owner);
    os_memory_free(script_owner.os);
}

/* Play it to its end, and see how many operations there are to die at, or to be refused. Where
 * even that goes wrong, the first unit will say so. */
static void count_places(uint64_t seed)
{
    for (size_t i = 0; i < FAILURE_COUNT && seed == 1; i++) {
        struct playing playing = {.options = {.name = SCRIPT_LIVES,
                                              .seed = seed,
                                              .fail_at = FAILURE_PLACES,
                                              .fail_kinds = FAILURES[i].kind,
                                              .fail_error = FAILURES[i].error}};
        const char *assertion = guard_run(play_whole, &playing);
        places[i] = assertion != NULL ? 1 : FAILURE_PLACES - playing.result.fails_left;
    }
    struct playing playing = {.options = {.name = SCRIPT_LIVES, .seed = seed}};
    changes[seed - 1] = guard_run(play_whole, &playing) != NULL ? 1 : playing.result.changes;
}

void crash_prepare(const struct crash_depth *wanted, uint64_t units[BOARD_PARTS])
{
    static const enum board_part PARTS[] = {BOARD_CRASH, BOARD_AGAIN, BOARD_KILL};
    depth = *wanted;
    for (uint64_t seed = 1; seed <= depth.seeds[BOARD_CRASH]; seed++) {
        assert(seed <= SEEDS_MAX);
        count_places(seed);
        for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
            units[PARTS[i]] += seed <= depth.seeds[PARTS[i]] ? changes[seed - 1] : 0;
        }
    }
    for (size_t i = 0; i < FAILURE_COUNT; i++) {
        units[BOARD_FAIL] += 4 * places[i];
    }
}

static void try_states(void *context)
{
    switch (*(enum board_part *)context) {
    case BOARD_CRASH:
        lose_power(script_owner.os, &script_owner.model, 1);
        return;
    case BOARD_AGAIN:
        run_again();
        return;
    case BOARD_KILL:
        run_kill();
        return;
    case BOARD_FAIL:
        run_fail();
        return;
    default:
        assert_unreachable("the other parts are damage.c's");
    }
}

static void describe_playing(const struct script_options *options)
{
    const char *what = "the last that changes something";
    for (size_t i = 0; i < FAILURE_COUNT; i++) {
        if (options->fail_kinds == FAILURES[i].kind && options->fail_error == FAILURES[i].error) {
            what = FAILURES[i].name;
        }
    }
    printf("script %" PRIu64 ", operation %" PRIu64 ": %s%s\n", options->seed,
           options->die_at + options->fail_at, what,
           options->fail_at == 0      ? ""
           : options->is_failure_last ? " is refused, and that is the end"
                                      : " is refused");
}

void crash_run(enum board_part part, uint64_t unit)
{
    struct playing playing = part == BOARD_FAIL ? failing_of(unit) : playing_of(unit);
    if (!play(&playing)) {
        return;
    }
    if (board_chosen_number() != 0) {
        describe_playing(&playing.options);
    }
    const char *assertion = guard_run(try_states, &part);
    if (assertion != NULL) {
        board_judge(BOARD_WRONG, assertion);
    } else {
        os_memory_free(script_owner.os);
    }
}
