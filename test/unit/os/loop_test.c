/* loop_test.c -- time, timers, the end of a turn, work, signals. */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "test.h"

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void do_nothing(__attribute__((unused)) struct os_work *work)
{
}

/* Letters in the order in which things happened. */
struct diary {
    struct loop loop;
    char text[64];
    size_t size;
    size_t wanted; /* The condition: that many letters. */
};

struct note {
    struct diary *diary;
    char letter;
};

static void write_letter(void *context)
{
    const struct note *note = context;
    struct diary *diary = note->diary;
    if (diary->size + 1 < sizeof diary->text) {
        diary->text[diary->size++] = note->letter;
    }
}

static int is_full(void *context)
{
    const struct diary *diary = context;
    return diary->size >= diary->wanted;
}

static void run_until_letters(struct diary *diary, size_t count)
{
    diary->wanted = count;
    loop_run_until(&diary->loop, is_full, diary);
}

/* -- Time ------------------------------------------------------------------------------- */

struct time_probe {
    struct loop loop;
    uint64_t before_us;
    uint64_t after_us;
    int is_done;
};

static void watch_time_stand(void *context)
{
    struct time_probe *probe = context;
    probe->before_us = os_now_us(probe->loop.os);
    for (const uint64_t start = clock_us(); clock_us() < start + 3000;) {
    }
    probe->after_us = os_now_us(probe->loop.os);
    probe->is_done = 1;
}

TEST(time, stands_still_within_a_turn_and_goes_on_between_turns)
{
    struct time_probe probe = {0};
    loop_open(&probe.loop);
    struct os_timer *timer = os_timer_new(probe.loop.os, watch_time_stand, &probe);
    os_timer_start(probe.loop.os, timer, 0);
    loop_run_until(&probe.loop, loop_is_set, &probe.is_done);
    assert_true(probe.before_us == probe.after_us);
    const uint64_t first = probe.before_us;

    probe.is_done = 0;
    os_timer_start(probe.loop.os, timer, 0);
    loop_run_until(&probe.loop, loop_is_set, &probe.is_done);
    assert_true(probe.before_us >= first + 3000);
    os_timer_free(probe.loop.os, timer);
    loop_close(&probe.loop);
}

TEST(time, of_the_wall_is_the_systems)
{
    struct loop loop;
    loop_open(&loop);
    const uint64_t before = (uint64_t)time(NULL) * 1000;
    const uint64_t now = os_wall_ms(loop.os);
    assert_true(now >= before && now <= before + 10000);
    loop_close(&loop);
}

TEST(chance, fills_every_byte_and_never_the_same)
{
    struct loop loop;
    uint8_t first[1000];
    uint8_t second[1000];
    int is_hit[1000] = {0};
    loop_open(&loop);
    for (int round = 0; round < 20; round++) {
        os_random(loop.os, first, sizeof first);
        os_random(loop.os, second, sizeof second);
        assert_memory_not_equal(first, second, sizeof first);
        for (size_t i = 0; i < sizeof first; i++) {
            is_hit[i] |= first[i];
        }
    }
    for (size_t i = 0; i < sizeof first; i++) {
        assert_true(is_hit[i] != 0);
    }
    loop_close(&loop);
}

/* -- Timers ----------------------------------------------------------------------------- */

/* Rounds of: a job ends; in the turn that this begins nobody asks for the time until its end,
 * 3 ms later, when a timer is started and another job, which wakes the loop again at once. By
 * then libuv's idea of the time is old, and would let the timer come too early. */
enum {
    ROUNDS = 20
};

struct early_probe {
    struct loop loop;
    struct os_timer *timer;
    struct os_work begin; /* Its end begins a round. */
    struct os_work wake;  /* Its end only wakes the loop. */
    uint64_t due_us;
    int is_new_round;
    int is_waking; /* `wake` is under way. */
    int early;
    int rounds;
};

static void begin_round(struct os_work *work)
{
    LIST_ITEM(work, struct early_probe, begin)->is_new_round = 1;
}

static void wake_up(struct os_work *work)
{
    LIST_ITEM(work, struct early_probe, wake)->is_waking = 0;
}

static void check_due(void *context)
{
    struct early_probe *probe = context;
    probe->early += os_now_us(probe->loop.os) < probe->due_us || clock_us() < probe->due_us;
    probe->rounds++;
    if (probe->rounds < ROUNDS) {
        os_work(probe->loop.os, &probe->begin);
    }
}

static void start_late(void *context)
{
    struct early_probe *probe = context;
    if (!probe->is_new_round || probe->is_waking) {
        return;
    }
    for (const uint64_t start = clock_us(); clock_us() < start + 3000;) {
    }
    probe->is_new_round = 0;
    probe->is_waking = 1;
    probe->due_us = os_now_us(probe->loop.os) + 2000;
    os_timer_start(probe->loop.os, probe->timer, 2000);
    os_work(probe->loop.os, &probe->wake);
}

static int has_had_its_rounds(void *context)
{
    const struct early_probe *probe = context;
    return probe->rounds == ROUNDS && !probe->is_waking;
}

TEST(timer, never_comes_before_its_time_by_any_clock)
{
    struct early_probe probe = {.begin = {.run = do_nothing, .done = begin_round},
                                .wake = {.run = do_nothing, .done = wake_up}};
    loop_open(&probe.loop);
    probe.timer = os_timer_new(probe.loop.os, check_due, &probe);
    assert_int_equal(os_turn_end(probe.loop.os, start_late, &probe), 0);
    os_work(probe.loop.os, &probe.begin);
    loop_run_until(&probe.loop, has_had_its_rounds, &probe);
    assert_int_equal(probe.early, 0);
    os_timer_free(probe.loop.os, probe.timer);
    loop_close(&probe.loop);
}

TEST(timer, comes_in_the_order_of_time_and_moves_when_started_again)
{
    struct diary diary = {0};
    struct note notes[] = {{&diary, 'a'}, {&diary, 'b'}, {&diary, 'c'}};
    struct os_timer *timers[3];
    loop_open(&diary.loop);
    for (int i = 0; i < 3; i++) {
        timers[i] = os_timer_new(diary.loop.os, write_letter, &notes[i]);
    }
    os_timer_start(diary.loop.os, timers[0], 1000);
    os_timer_start(diary.loop.os, timers[1], 10000);
    os_timer_start(diary.loop.os, timers[2], 20000);
    os_timer_start(diary.loop.os, timers[0], 30000);
    run_until_letters(&diary, 3);
    assert_string_equal(diary.text, "bca");

    os_timer_start(diary.loop.os, timers[0], 1000);
    os_timer_start(diary.loop.os, timers[1], 5000);
    os_timer_stop(diary.loop.os, timers[0]);
    os_timer_stop(diary.loop.os, timers[0]);
    run_until_letters(&diary, 4);
    assert_string_equal(diary.text, "bcab");
    for (int i = 0; i < 3; i++) {
        os_timer_free(diary.loop.os, timers[i]);
    }
    loop_close(&diary.loop);
}

struct hasty {
    struct loop loop;
    struct os_timer *timer;
    int other_fired;
};

static void start_again(void *context)
{
    struct hasty *hasty = context;
    os_timer_start(hasty->loop.os, hasty->timer, 0);
}

static void note_other(void *context)
{
    ((struct hasty *)context)->other_fired = 1;
}

TEST(timer, that_starts_itself_at_zero_leaves_room_for_others)
{
    struct hasty hasty = {0};
    loop_open(&hasty.loop);
    struct os_timer *other = os_timer_new(hasty.loop.os, note_other, &hasty);
    hasty.timer = os_timer_new(hasty.loop.os, start_again, &hasty);
    os_timer_start(hasty.loop.os, hasty.timer, 0);
    os_timer_start(hasty.loop.os, other, 5000);
    loop_run_until(&hasty.loop, loop_is_set, &hasty.other_fired);
    os_timer_free(hasty.loop.os, hasty.timer);
    os_timer_free(hasty.loop.os, other);
    loop_close(&hasty.loop);
}

static void free_oneself(void *context)
{
    struct hasty *hasty = context;
    os_timer_free(hasty->loop.os, hasty->timer);
    hasty->other_fired = 1;
}

TEST(timer, may_be_freed_by_its_own_callback)
{
    struct hasty hasty = {0};
    loop_open(&hasty.loop);
    hasty.timer = os_timer_new(hasty.loop.os, free_oneself, &hasty);
    os_timer_start(hasty.loop.os, hasty.timer, 0);
    loop_run_until(&hasty.loop, loop_is_set, &hasty.other_fired);
    loop_close(&hasty.loop);
}

/* -- The end of a turn ------------------------------------------------------------------ */

TEST(turn, ends_with_the_hooks_in_the_order_of_registration)
{
    struct diary diary = {0};
    struct note notes[] = {{&diary, 't'}, {&diary, '1'}, {&diary, '2'}};
    loop_open(&diary.loop);
    struct os_timer *timer = os_timer_new(diary.loop.os, write_letter, &notes[0]);
    assert_int_equal(os_turn_end(diary.loop.os, write_letter, &notes[1]), 0);
    assert_int_equal(os_turn_end(diary.loop.os, write_letter, &notes[2]), 0);
    os_timer_start(diary.loop.os, timer, 2000);
    run_until_letters(&diary, 3);
    /* The turn of the timer, in which the loop was stopped, and once more before os_uv_run()
     * returned. */
    const char *rest = diary.text;
    while (strncmp(rest, "12", 2) == 0) {
        rest += 2; /* Turns before that of the timer. */
    }
    assert_string_equal(rest, "t1212");
    os_timer_free(diary.loop.os, timer);
    loop_close(&diary.loop);
}

struct starter {
    struct loop loop;
    struct os_work work;
    int is_started;
    int is_done;
};

static void note_done(struct os_work *work)
{
    struct starter *starter = LIST_ITEM(work, struct starter, work);
    starter->is_done = 1;
}

static void start_work(void *context)
{
    struct starter *starter = context;
    if (!starter->is_started) {
        starter->is_started = 1;
        os_work(starter->loop.os, &starter->work);
    }
}

/* Nothing else is due for 20 seconds: a loop that slept through it would fail the test. */
TEST(turn, does_not_sleep_through_what_its_hooks_start)
{
    struct starter starter = {.work = {.run = do_nothing, .done = note_done}};
    loop_open(&starter.loop);
    assert_int_equal(os_turn_end(starter.loop.os, start_work, &starter), 0);
    loop_run_until(&starter.loop, loop_is_set, &starter.is_done);
    loop_close(&starter.loop);
}

/* -- Work ------------------------------------------------------------------------------- */

enum {
    JOB_COUNT = 200,
    LONG_JOB_COUNT = 3
};

struct job {
    struct os_work work;
    struct jobs *jobs;
    pthread_t ran_on;
    int ran;
};

struct jobs {
    struct loop loop;
    struct job table[JOB_COUNT];
    pthread_t loop_thread;
    sem_t may_end; /* What the long jobs wait for. */
    int done;
    int wanted;
    int wrong;
};

static void run_job(struct os_work *work)
{
    struct job *job = (struct job *)(void *)work;
    job->ran++;
    job->ran_on = pthread_self();
}

static void job_done(struct os_work *work)
{
    const struct job *job = (const struct job *)(const void *)work;
    struct jobs *jobs = job->jobs;
    jobs->done++;
    jobs->wrong += job->ran != 1 || !pthread_equal(pthread_self(), jobs->loop_thread) ||
                   pthread_equal(job->ran_on, jobs->loop_thread);
}

static int are_done(void *context)
{
    const struct jobs *jobs = context;
    return jobs->done == jobs->wanted;
}

static void init_jobs(struct jobs *jobs)
{
    memset(jobs, 0, sizeof *jobs);
    loop_open(&jobs->loop);
    jobs->loop_thread = pthread_self();
    for (int i = 0; i < JOB_COUNT; i++) {
        jobs->table[i].jobs = jobs;
        jobs->table[i].work = (struct os_work){.run = run_job, .done = job_done};
    }
}

TEST(work, is_run_once_elsewhere_and_done_here_however_much_there_is)
{
    static struct jobs jobs;
    init_jobs(&jobs);
    jobs.wanted = JOB_COUNT;
    for (int i = 0; i < JOB_COUNT; i++) {
        os_work(jobs.loop.os, &jobs.table[i].work);
    }
    assert_int_equal(jobs.done, 0);
    loop_run_until(&jobs.loop, are_done, &jobs);
    assert_int_equal(jobs.wrong, 0);
    loop_close(&jobs.loop);
}

static void wait_long(struct os_work *work)
{
    struct job *job = (struct job *)(void *)work;
    sem_wait(&job->jobs->may_end);
    run_job(work);
}

/* A flush of the log must not wait behind three snapshots. */
TEST(work, goes_on_beside_three_long_jobs)
{
    static struct jobs jobs;
    init_jobs(&jobs);
    assert_int_equal(sem_init(&jobs.may_end, 0, 0), 0);
    for (int i = 0; i < LONG_JOB_COUNT; i++) {
        jobs.table[i].work.run = wait_long;
        os_work(jobs.loop.os, &jobs.table[i].work);
    }
    os_work(jobs.loop.os, &jobs.table[LONG_JOB_COUNT].work);
    jobs.wanted = 1;
    loop_run_until(&jobs.loop, are_done, &jobs);
    assert_int_equal(jobs.table[LONG_JOB_COUNT].ran, 1);
    for (int i = 0; i < LONG_JOB_COUNT; i++) {
        sem_post(&jobs.may_end);
    }
    jobs.wanted = LONG_JOB_COUNT + 1;
    loop_run_until(&jobs.loop, are_done, &jobs);
    assert_int_equal(jobs.wrong, 0);
    sem_destroy(&jobs.may_end);
    loop_close(&jobs.loop);
}

static void submit_again(struct os_work *work)
{
    const struct job *job = (const struct job *)(const void *)work;
    job->jobs->done++;
    if (job->jobs->done < 100) {
        os_work(job->jobs->loop.os, work);
    }
}

TEST(work, may_be_submitted_again_from_its_done)
{
    static struct jobs jobs;
    init_jobs(&jobs);
    jobs.table[0].work.done = submit_again;
    jobs.wanted = 100;
    os_work(jobs.loop.os, &jobs.table[0].work);
    loop_run_until(&jobs.loop, are_done, &jobs);
    assert_int_equal(jobs.table[0].ran, 100);
    loop_close(&jobs.loop);
}

/* -- Signals ---------------------------------------------------------------------------- */

static void note_signal(void *context)
{
    *(int *)context = 1;
}

TEST(signal, is_told_on_the_loop)
{
    struct loop loop;
    int is_told = 0;
    loop_open(&loop);
    assert_int_equal(os_uv_on_signal(loop.os, SIGUSR1, note_signal, &is_told), 0);
    raise(SIGUSR1);
    assert_int_equal(is_told, 0);
    loop_run_until(&loop, loop_is_set, &is_told);
    assert_int_equal(os_uv_on_signal(loop.os, SIGKILL, note_signal, &is_told), -EINVAL);
    loop_close(&loop);
}
