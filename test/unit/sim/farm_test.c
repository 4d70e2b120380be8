/* farm_test.c -- every seed is told of once, those too that end their process. */
#include "sim/farm.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

enum {
    SEEDS = 12,
    FIRST = 100
};

/* The second, the fourth and the sixth run end their process, each in a way of its own. */
static void die_in_turn(void *context, struct cluster *cluster, const struct swarm *swarm)
{
    _Atomic uint32_t *runs = context;
    (void)cluster;
    (void)swarm;
    switch (++*runs) {
    case 2:
        (void)raise(SIGKILL);
        break;
    case 4:
        _exit(3);
    case 6:
        _exit(0);
    default:
        break;
    }
}

struct book {
    uint32_t told[SEEDS];
    char failures[SEEDS][sizeof((struct run_result *)0)->failure];
};

static void write_down(void *context, uint64_t seed, const struct run_result *result)
{
    struct book *book = context;
    assert_in_range(seed, FIRST, FIRST + SEEDS - 1);
    book->told[seed - FIRST]++;
    memcpy(book->failures[seed - FIRST], result->failure, sizeof result->failure);
    assert_true(result->failure[0] != 0 || result->events > 0);
}

static void never_end(void *context, struct cluster *cluster, const struct swarm *swarm)
{
    (void)context;
    (void)cluster;
    (void)swarm;
    (void)pause();
}

/* Returns how many have failed; all were told of once. */
static uint32_t run_dying(uint32_t jobs, struct book *book)
{
    _Atomic uint32_t *runs =
        mmap(NULL, sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t failed = 0;
    assert_true(runs != MAP_FAILED);
    const struct farm_options options = {
        .run = {.seed = FIRST,
                .event_limit = 200,
                .on_end = die_in_turn,
                .context = (void *)(uintptr_t)runs},
        .seeds = SEEDS,
        .jobs = jobs,
    };
    *book = (struct book){0};
    assert_int_equal(farm_run(&options, write_down, book), 0);
    for (uint32_t i = 0; i < SEEDS; i++) {
        assert_int_equal(book->told[i], 1);
        failed += book->failures[i][0] != 0;
    }
    assert_int_equal(*runs, SEEDS);
    (void)munmap((void *)(uintptr_t)runs, sizeof *runs);
    return failed;
}

TEST(farm, names_the_seed_that_ends_its_process_and_goes_on_behind_it)
{
    struct book book;
    assert_int_equal(run_dying(1, &book), 3);
    assert_string_equal(book.failures[1], "crash: signal 9 (Killed) ended its process");
    assert_string_equal(book.failures[3], "crash: it ended its process, with status 3");
    assert_string_equal(book.failures[5], "crash: it ended its process, with status 0");
}

TEST(farm, loses_no_result_of_other_processes)
{
    struct book book;
    assert_int_equal(run_dying(3, &book), 3);
}

TEST(farm, ends_a_seed_that_takes_too_long)
{
    const struct farm_options options = {
        .run = {.seed = FIRST, .event_limit = 200, .on_end = never_end},
        .seeds = 1,
        .seconds_each = 1,
        .jobs = 1,
    };
    struct book book = {0};
    assert_int_equal(farm_run(&options, write_down, &book), 0);
    assert_string_equal(book.failures[0], "crash: signal 14 (Alarm clock) ended its process");
}
