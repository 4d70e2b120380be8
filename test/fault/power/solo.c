/* solo.c -- a cluster of one replica on a machine in memory, whose process and power can fail. */
#include "solo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "test.h"

enum {
    TURN_US = 5000,
    TURNS_MAX = 2000
};

/* -- A network with nobody in it ------------------------------------------------------------ */

/* An os is where its machine is, and the solo's functions are found by those of the os. */
static struct solo *solo_of(struct os *os)
{
    const char *functions = (const char *)os->functions;
    return (struct solo *)(uintptr_t)(functions - offsetof(struct solo, functions));
}

static int turn_end(struct os *os, os_callback callback, void *context)
{
    struct solo *solo = solo_of(os);
    solo->turn_end = callback;
    solo->turn_end_context = context;
    return 0;
}

static int listen_on(struct os *os, const char *address, os_accept_callback accept, void *context,
                     struct os_listener **listener)
{
    (void)os;
    (void)address;
    (void)accept;
    *listener = context; /* Somebody's address: it is looked at by nobody. */
    return 0;
}

static void listener_close(struct os_listener *listener)
{
    (void)listener;
}

/* -- What the replica tells ------------------------------------------------------------------ */

static void on_running(void *context)
{
    ((struct solo *)context)->is_running = 1;
}

static void on_leader(void *context)
{
    (void)context;
}

static void on_failed(void *context, const struct report *report)
{
    struct solo *solo = context;
    solo->is_failed = 1;
    solo->report = *report;
}

static void on_stopped(void *context)
{
    ((struct solo *)context)->is_stopped = 1;
}

static const struct replica_events EVENTS = {.on_running = on_running,
                                             .on_leader = on_leader,
                                             .on_failed = on_failed,
                                             .on_stopped = on_stopped};

static void on_result(void *context, int error, const void *result)
{
    struct solo *solo = context;
    solo->waiting--;
    if (error == 0) {
        assert_ptr_equal(result, &solo->book);
        solo->acknowledged = solo->book.numbers[solo->book.count - 1];
        solo->is_acknowledged[solo->acknowledged] = 1;
    }
}

/* -- Lives ----------------------------------------------------------------------------------- */

static void ignore_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

void solo_init(struct solo *solo, uint64_t seed)
{
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = ignore_line});
    *solo = (struct solo){.os = os_memory_new(seed), .snapshot_size = 30000, .book.size = 8};
    solo->functions = *solo->os->functions;
    solo->functions.turn_end = turn_end;
    solo->functions.listen = listen_on;
    solo->functions.listener_close = listener_close;
    solo->os->functions = &solo->functions;
}

void solo_deinit(struct solo *solo)
{
    assert_null(solo->replica);
    os_memory_free(solo->os);
}

int solo_start(struct solo *solo)
{
    static const struct replica_member members[1] = {{"a", "nobody:0"}};
    struct replica_options options;
    const struct synod_machine machine = book_machine(&solo->book);
    replica_options_init(&options);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = solo;
    options.data_dir = "/data";
    options.listen = "nobody:0";
    options.members = members;
    options.member_count = 1;
    options.heartbeat_ms = 10;
    options.election_ms = 50;
    options.snapshot_bytes = solo->snapshot_size;
    options.tail_bytes = 0;
    options.segment_bytes = 16384;
    book_clear(&solo->book);
    solo->is_running = solo->is_failed = solo->is_stopped = 0;
    solo->turn_end = NULL;
    const int error = replica_open(solo->os, &options, &solo->report, &solo->replica);
    if (error != 0) {
        solo->replica = NULL;
    }
    return error;
}

void solo_turn(struct solo *solo)
{
    os_memory_run(solo->os);
    solo->turn_end(solo->turn_end_context);
    os_memory_advance(solo->os, TURN_US);
}

void solo_run(struct solo *solo)
{
    for (int i = 0; i < TURNS_MAX && !solo->is_failed; i++) {
        if (solo->is_running && solo->waiting == 0) {
            return;
        }
        solo_turn(solo);
    }
    assert_true(solo->is_failed);
}

void solo_submit(struct solo *solo)
{
    uint8_t number[8];
    assert_true(solo->submitted < BOOK_COMMANDS_MAX - 1);
    put_u64(number, ++solo->submitted);
    assert_int_equal(replica_submit(solo->replica, 1, bytes_of(number, 8), on_result, solo), 0);
    solo->waiting++;
}

int solo_put(struct solo *solo)
{
    solo_submit(solo);
    solo_run(solo);
    return solo->acknowledged == solo->submitted;
}

void solo_kill(struct solo *solo)
{
    if (solo->replica != NULL) {
        replica_kill(solo->replica);
        os_memory_run(solo->os);
        replica_free(solo->replica);
        os_memory_run(solo->os);
    }
    solo->replica = NULL;
    solo->waiting = 0;
}

void solo_stop(struct solo *solo)
{
    replica_stop(solo->replica);
    solo->turn_end(solo->turn_end_context);
    os_memory_run(solo->os);
    assert_true(solo->is_stopped);
    assert_int_equal(solo->waiting, 0);
    replica_free(solo->replica);
    solo->replica = NULL;
}

void solo_check(const struct solo *solo)
{
    uint8_t is_there[BOOK_COMMANDS_MAX] = {0};
    uint64_t before = 0;
    for (size_t i = 0; i < solo->book.count; i++) {
        assert_in_range(solo->book.numbers[i], before + 1, solo->submitted);
        before = solo->book.numbers[i];
        is_there[before] = 1;
    }
    for (uint64_t number = 1; number <= solo->submitted; number++) {
        assert_true(is_there[number] || !solo->is_acknowledged[number]);
    }
}
