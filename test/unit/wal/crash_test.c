/* crash_test.c -- the machine loses power at every step of what the log does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/wal_internal.h"

enum {
    SEEDS = 150,
    SCRIPT_STEPS = 60,
    LIVES = 4
};

static uint64_t recoveries;

/* One thing that an owner may do. */
static void act(struct rig *rig)
{
    const uint64_t draw = prng_below(&rig->prng, 100);
    if (draw < 30) {
        rig_append(rig,
                   (uint32_t)prng_below(&rig->prng, prng_chance(&rig->prng, 1, 5) ? 9000 : 300));
    } else if (draw < 40) {
        rig_promise(rig);
    } else if (draw < 65) {
        wal_flush(rig->wal);
    } else if (draw < 90) {
        os_memory_step(rig->os);
    } else if (draw < 93) {
        os_memory_advance(rig->os, 25000);
    } else if (draw < 97) {
        rig_trim(rig, 1 + prng_below(&rig->prng, rig->last + 1));
    } else if (draw < 98) {
        rig_close(rig);
        if (rig_open(rig) != 0) {
            assert_true(os_memory_is_dead(rig->os));
        }
    } else {
        rig_settle(rig);
    }
}

/* The end of a life: the power goes, or (one time in four) the process alone. */
static void lose(struct rig *rig)
{
    if (prng_chance(&rig->prng, 1, 4)) {
        os_memory_restart(rig->os);
    } else {
        os_memory_crash(rig->os, NULL, NULL);
    }
}

/* Live until the machine dies or the script ends. */
static void live_and_crash(struct rig *rig, uint64_t die_at)
{
    os_memory_die_at(rig->os, die_at);
    for (int i = 0; i < SCRIPT_STEPS && rig->wal != NULL && !os_memory_is_dead(rig->os); i++) {
        act(rig);
    }
    if (rig->wal != NULL) {
        rig_die(rig);
    }
    lose(rig);
}

static void check_open(struct rig *rig)
{
    const int error = rig_open(rig);
    recoveries++;
    if (error != 0) {
        print_error("seed %llu, variant %llu: %s\n", (unsigned long long)rig->seed,
                    (unsigned long long)rig->variant, rig->report.text);
    }
    assert_int_equal(error, 0);
}

/* The script of `seed`, with the power lost first at its step `die_at`, then at random. */
static int play(uint64_t seed, uint64_t die_at)
{
    struct rig *rig = rig_new(seed);
    int is_reached = 1;
    rig->variant = die_at;
    os_memory_die_at(rig->os, die_at);
    if (rig_open(rig) == 0) {
        const uint64_t before = os_memory_changes(rig->os);
        live_and_crash(rig, die_at > before ? die_at - before : 0);
        is_reached = os_memory_changes(rig->os) >= die_at;
    } else {
        lose(rig);
    }
    for (int life = 0; life < LIVES; life++) {
        if (prng_chance(&rig->prng, 1, 3)) {
            /* Die while recovering. */
            os_memory_die_at(rig->os, 1 + prng_below(&rig->prng, 6));
            if (rig_open(rig) != 0) {
                assert_true(os_memory_is_dead(rig->os));
                lose(rig);
            } else {
                live_and_crash(rig, prng_below(&rig->prng, 40));
            }
        }
        check_open(rig);
        live_and_crash(rig, prng_below(&rig->prng, 80));
    }
    check_open(rig);
    rig_close(rig);
    check_open(rig);
    rig_free(rig);
    return is_reached;
}

TEST(crash, never_loses_nor_invents_a_record_whenever_it_comes)
{
    recoveries = 0;
    for (uint64_t seed = 1; seed <= SEEDS / RIG_STRIDE; seed++) {
        uint64_t die_at = 1;
        while (play(seed, die_at)) {
            die_at++;
        }
    }
    print_message("    %llu recoveries\n", (unsigned long long)recoveries);
    assert_true(recoveries > 30000 / RIG_STRIDE);
}

/* -- One flush, torn in every way --------------------------------------------------------- */

enum {
    TORN_BYTES = 4 * RIG_SEGMENT_BYTES
};

struct mask {
    uint64_t offset; /* Where the flush starts. */
    unsigned kept;   /* Bit b: block b of it survives. */
    int torn;        /* This block survives in part; -1: none. */
};

static enum os_memory_fate judge_by_mask(void *context, const char *path, uint64_t offset)
{
    const struct mask *mask = context;
    if (strcmp(path, rig_segment(1, TORN_BYTES)) != 0 || offset == UINT64_MAX) {
        return OS_MEMORY_KEPT; /* Not of the flush that is torn. */
    }
    const int block = (int)((offset - mask->offset) / SEGMENT_BLOCK_BYTES);
    if (block == mask->torn) {
        return OS_MEMORY_TORN;
    }
    return (mask->kept >> block & 1u) != 0 ? OS_MEMORY_KEPT : OS_MEMORY_LOST;
}

/* Tear a flush of three blocks (a record of two, and a promise in its second copy), write a
 * shorter one over it, tear that, and go on. */
static void tear(unsigned kept, int torn, unsigned kept_next)
{
    struct rig *rig = rig_new(1000 + kept * 64 + (uint64_t)(torn + 1) * 8 + kept_next);
    rig->options.segment_bytes = TORN_BYTES;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 50);
    rig_settle(rig);
    struct mask mask = {wal_bytes(rig->wal), kept, torn};
    rig_append(rig, 6000);
    rig_promise(rig);
    wal_flush(rig->wal);
    os_memory_die_at(rig->os, 2); /* After the write, at the sync. */
    os_memory_run(rig->os);
    rig_die(rig);
    os_memory_crash(rig->os, judge_by_mask, &mask);

    assert_int_equal(rig_open(rig), 0);
    /* A block that is torn where it holds zeroes may be whole by chance. */
    const unsigned possible = torn < 0 ? kept : kept | 1u << torn;
    assert_true(rig->last == (possible == 7 ? 3 : 1) || (torn >= 0 && rig->last == 1));
    mask = (struct mask){wal_bytes(rig->wal), kept_next, -1};
    rig_promise(rig);
    wal_flush(rig->wal);
    os_memory_die_at(rig->os, 2);
    os_memory_run(rig->os);
    rig_die(rig);
    os_memory_crash(rig->os, judge_by_mask, &mask);

    for (int life = 0; life < 3; life++) {
        assert_int_equal(rig_open(rig), 0);
        rig_append(rig, 10);
        rig_promise(rig);
        rig_settle(rig);
        rig_close(rig);
    }
    assert_int_equal(rig_open(rig), 0);
    rig_free(rig);
}

TEST(crash, may_tear_a_flush_at_and_within_every_block)
{
    for (unsigned kept = 0; kept < 8; kept++) {
        for (int torn = -1; torn < 3; torn++) {
            for (unsigned kept_next = 0; kept_next < 4; kept_next++) {
                tear(kept, torn, kept_next);
            }
        }
    }
}

/* Process killed, machine alive: what was written is there, synced or not. */
TEST(crash, of_the_process_alone_leaves_what_was_written)
{
    struct rig *rig = rig_new(77);
    rig->options.segment_bytes = TORN_BYTES;
    struct mask everything = {0, ~0u, -1};
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 50);
    wal_flush(rig->wal);
    os_memory_die_at(rig->os, 2);
    os_memory_run(rig->os);
    assert_int_equal(rig->durable, 0);
    rig_die(rig);
    os_memory_crash(rig->os, judge_by_mask, &everything);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->last, 1);
    rig_free(rig);
}

/* A life begins at the start of a segment, and its first flush carries the promise over. What was
 * there for an hour must not hang on that flush alone, which looks torn as long as none follows. */
TEST(crash, and_damage_to_the_last_flush_take_nothing_that_was_there_before)
{
    struct rig *rig = rig_new(43);
    size_t size = 0;
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    rig_settle(rig);
    rig_seal(rig); /* Now the segment is full. */
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(wal_current(rig->wal)->name.number, 2);
    os_memory_advance(rig->os, 3600000000);
    os_memory_run(rig->os);
    rig_trim(rig, rig->last + 1);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_die(rig);
    os_memory_crash(rig->os, NULL, NULL);
    assert_int_equal(rig_scan(rig), 0);
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(2, RIG_SEGMENT_BYTES), &size);
    memset(bytes + SEGMENT_BLOCK_BYTES, 0, 512);
    assert_int_equal(rig_scan(rig), 1);
    assert_int_equal(rig->promise_seen, rig->promise);
    rig_free(rig);
}
