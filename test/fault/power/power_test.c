/* power_test.c -- the process dies and the machine lives; then the power fails as well.
 *
 * What a life finds on its disk may never have been synced: the life before died in the middle,
 * and the page cache told what it had written. Whoever goes on from there without making it
 * durable has built on what the next power cut takes away.
 *
 *     life 1    dies at its n-th change of the disk, for every n; the machine lives
 *     life 2    takes over what it sees, and acknowledges commands of its own; in the end, or at
 *               its m-th change, it dies too
 *     power     is lost, and with it all that was not synced: bytes and names
 *     life 3    opens, and has everything that any life acknowledged */
#include "solo.h"
#include "test.h"

enum {
    COMMANDS = 40
};

/* Commands until the machine is dead or all are done. */
static void live(struct solo *solo, int count)
{
    if (solo_start(solo) == 0) {
        solo_run(solo);
        for (int i = 0; i < count && !solo->is_failed; i++) {
            (void)solo_put(solo);
        }
    }
}

static enum os_memory_fate lose(__attribute__((unused)) void *context,
                                __attribute__((unused)) const char *path,
                                __attribute__((unused)) uint64_t offset)
{
    return OS_MEMORY_LOST;
}

/* Bytes happen to be there; names are not. */
static enum os_memory_fate lose_names(__attribute__((unused)) void *context,
                                      __attribute__((unused)) const char *path, uint64_t offset)
{
    return offset == UINT64_MAX ? OS_MEMORY_LOST : OS_MEMORY_KEPT;
}

static void open_again(struct solo *solo, uint64_t n, uint64_t m)
{
    if (solo_start(solo) != 0) {
        fail_msg("dead at change %llu, then at %llu: %s", (unsigned long long)n,
                 (unsigned long long)m, solo->report.text);
    }
    solo_run(solo);
    assert_false(solo->is_failed);
}

/* Where the two lives end, and what the power takes. */
struct ends {
    uint64_t first;  /* The first life dies at this change, ... */
    uint64_t second; /* ... the second at this one, or 0: behind its last command. */
    int commands;    /* Of the second. */
    os_memory_judge judge;
};

/* Returns which of the two died before they had done all. */
static unsigned play(const struct ends *ends)
{
    struct solo solo;
    unsigned dead = 0;
    solo_init(&solo, ends->first);
    os_memory_die_at(solo.os, ends->first);
    live(&solo, COMMANDS);
    dead |= os_memory_is_dead(solo.os) ? 1 : 0;
    solo_kill(&solo);
    os_memory_restart(solo.os);

    os_memory_die_at(solo.os, ends->second);
    live(&solo, ends->commands);
    dead |= os_memory_is_dead(solo.os) ? 2 : 0;
    if (ends->second == 0) {
        assert_non_null(solo.replica);
        assert_false(solo.is_failed);
        os_memory_die_at(solo.os, 1);
    }
    solo_kill(&solo);
    os_memory_crash(solo.os, ends->judge, NULL);

    open_again(&solo, ends->first, ends->second);
    assert_true(solo_put(&solo)); /* Then it knows what is chosen. */
    solo_check(&solo);
    solo_stop(&solo);
    solo_deinit(&solo);
    return dead;
}

/* The first life dies everywhere. */
static void die_everywhere(int commands, os_memory_judge judge)
{
    uint64_t n = 1;
    while (play(&(struct ends){.first = n, .commands = commands, .judge = judge}) & 1) {
        n++;
    }
    assert_true(n > 150);
}

/* The second dies everywhere, after a few ends of the first. */
static void die_everywhere_again(os_memory_judge judge)
{
    unsigned dead = 1;
    for (uint64_t n = 1; dead & 1; n += 13) {
        dead = 3;
        for (uint64_t m = 1; dead & 2; m++) {
            dead = play(
                &(struct ends){.first = n, .second = m, .commands = COMMANDS / 2, .judge = judge});
        }
    }
}

TEST(replica, has_what_it_acknowledged_when_the_power_fails_after_the_process)
{
    die_everywhere(0, lose);
    die_everywhere(1, lose);
    die_everywhere(12, lose);
}

TEST(replica, has_what_it_acknowledged_when_names_alone_were_not_synced)
{
    die_everywhere(1, lose_names);
    die_everywhere(12, lose_names);
}

TEST(replica, has_what_it_acknowledged_when_two_lives_die_in_the_middle)
{
    die_everywhere_again(lose);
    die_everywhere_again(lose_names);
    die_everywhere_again(NULL); /* By chance: blocks torn, too. */
}
