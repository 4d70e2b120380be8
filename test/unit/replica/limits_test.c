/* limits_test.c -- a replica takes so much and no more, and answers all that it took. */
#include <stdlib.h>

#include "base/bytes.h"
#include "os_memory.h"
#include "rig.h"
#include "synod/error.h"
#include "test.h"

enum {
    PENDING_MAX = 20000, /* The defaults of replica_options_init(). */
    COMMAND_SIZE_MAX = 2 << 20,
    PENDING_BYTES_MAX = 64 << 20,
    REQUEST_TIMEOUT_MS = 5000,
    HEARTBEAT_MS = 100,
};

struct tally {
    uint32_t good;
    uint32_t bad;
};

static void on_result(void *context, int error, const void *result)
{
    struct tally *tally = context;
    tally->good += error == 0 && result != NULL;
    tally->bad += error != 0;
}

static void on_read(void *context, int error)
{
    on_result(context, error, context);
}

static void begin(struct rig *rig)
{
    rig_init(rig);
    rig_open(rig);
    rig_write(rig, 1);
}

TEST(replica, refuses_one_command_more_than_may_be_under_way)
{
    struct rig rig;
    struct tally tally = {0};
    const uint8_t command[8] = {0};
    begin(&rig);
    for (uint32_t i = 0; i < PENDING_MAX; i++) {
        assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally),
                         0);
    }
    assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally),
                     SYNOD_ERR_BUSY);
    rig_run(&rig, 1000);
    assert_int_equal(tally.good, PENDING_MAX);
    assert_int_equal(tally.bad, 0);
    assert_int_equal(rig.state.count, 1 + PENDING_MAX);
    rig_write(&rig, 1);
    rig_deinit(&rig);
}

TEST(replica, refuses_one_byte_more_than_a_command_may_have_or_may_wait)
{
    struct rig rig;
    struct tally tally = {0};
    uint8_t *command = calloc(1, COMMAND_SIZE_MAX + 1);
    uint32_t taken = 0;
    assert_non_null(command);
    begin(&rig);
    assert_int_equal(
        replica_submit(rig.replica, 1, bytes_of(command, COMMAND_SIZE_MAX + 1), on_result, &tally),
        SYNOD_ERR_TOO_BIG);
    while (replica_submit(rig.replica, 1, bytes_of(command, COMMAND_SIZE_MAX), on_result, &tally) ==
           0) {
        taken++;
    }
    assert_int_equal(taken, PENDING_BYTES_MAX / COMMAND_SIZE_MAX - 1); /* Each has a header. */
    assert_int_equal(
        replica_submit(rig.replica, 1, bytes_of(command, COMMAND_SIZE_MAX), on_result, &tally),
        SYNOD_ERR_BUSY);
    rig_run(&rig, 1000);
    assert_int_equal(tally.good, taken);
    assert_int_equal(tally.bad, 0);
    rig_deinit(&rig);
    free(command);
}

TEST(replica, refuses_one_read_more_than_one_question_may_have)
{
    struct rig rig;
    struct tally tally = {0};
    begin(&rig);
    for (uint32_t i = 0; i < PENDING_MAX; i++) {
        assert_int_equal(replica_read(rig.replica, on_read, &tally), 0);
    }
    assert_int_equal(replica_read(rig.replica, on_read, &tally), SYNOD_ERR_BUSY);
    rig_run(&rig, 100);
    assert_int_equal(tally.good, PENDING_MAX);
    rig_deinit(&rig);
}

/* The disk hangs, and every millisecond something happens. */
TEST(replica, tells_who_has_waited_too_long_however_busy_it_is)
{
    struct rig rig;
    struct tally tally = {0};
    const uint8_t command[8] = {0};
    begin(&rig);
    assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally), 0);
    for (uint32_t i = 0; i < REQUEST_TIMEOUT_MS + 2 * HEARTBEAT_MS; i++) {
        assert_int_equal(tally.good, 0);
        assert_true(i >= REQUEST_TIMEOUT_MS || tally.bad == 0);
        rig.turn_end(rig.turn_end_context);
        os_memory_advance(rig.os, 1000);
    }
    assert_int_equal(tally.bad, 1);
    rig_run(&rig, 100);
    rig_write(&rig, 1);
    rig_deinit(&rig);
}

TEST(replica, takes_nothing_once_it_stops)
{
    struct rig rig;
    struct tally tally = {0};
    const uint8_t command[8] = {0};
    begin(&rig);
    assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally), 0);
    assert_int_equal(replica_read(rig.replica, on_read, &tally), 0);
    replica_stop(rig.replica);
    assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally),
                     SYNOD_ERR_STOPPED);
    assert_int_equal(replica_read(rig.replica, on_read, &tally), SYNOD_ERR_STOPPED);
    replica_stop(rig.replica); /* As often as one likes. */
    assert_int_equal(tally.bad, 0);
    assert_int_equal(rig.stops, 0);
    rig_run(&rig, 100);
    assert_int_equal(tally.bad, 2); /* What was under way is told, not left. */
    assert_int_equal(rig.stops, 1);
    replica_free(rig.replica);
    rig.replica = NULL;
    rig_deinit(&rig);
}

static void stop_on_result(void *context, __attribute__((unused)) int error,
                           __attribute__((unused)) const void *result)
{
    replica_stop(context);
}

static void stop_on_read(void *context, __attribute__((unused)) int error)
{
    replica_stop(context);
}

static void end_stopped(struct rig *rig)
{
    rig_run(rig, 100);
    assert_int_equal(rig->stops, 1);
    replica_free(rig->replica);
    rig->replica = NULL;
    rig_deinit(rig);
}

TEST(replica, may_be_stopped_by_whoever_is_told_an_outcome)
{
    struct rig rig;
    const uint8_t command[8] = {0};
    begin(&rig);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            replica_submit(rig.replica, 1, bytes_of(command, 8), stop_on_result, rig.replica), 0);
    }
    end_stopped(&rig);
}

TEST(replica, may_be_stopped_by_whoever_is_told_to_read)
{
    struct rig rig;
    begin(&rig);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(replica_read(rig.replica, stop_on_read, rig.replica), 0);
    }
    end_stopped(&rig);
}

/* The disk hangs until the command has waited too long. */
TEST(replica, may_be_stopped_by_whoever_has_waited_too_long)
{
    struct rig rig;
    const uint8_t command[8] = {0};
    begin(&rig);
    assert_int_equal(
        replica_submit(rig.replica, 1, bytes_of(command, 8), stop_on_result, rig.replica), 0);
    for (uint32_t i = 0; i < REQUEST_TIMEOUT_MS + 2 * HEARTBEAT_MS; i++) {
        rig.turn_end(rig.turn_end_context);
        os_memory_advance(rig.os, 1000);
    }
    end_stopped(&rig);
}

/* Submit commands until a snapshot has been begun, of which no worker has read anything yet. */
static void write_until_a_snapshot_begins(struct rig *rig, struct tally *tally)
{
    const uint8_t command[200] = {0};
    const uint64_t before = rig->snapshots;
    rig->frozen_at = 0;
    while (rig->snapshots == before) {
        assert_int_equal(
            replica_submit(rig->replica, 1, bytes_of(command, sizeof command), on_result, tally),
            0);
        rig->turn_end(rig->turn_end_context);
        while (rig->snapshots == before && os_memory_step(rig->os)) {
        }
        os_memory_advance(rig->os, 1000);
    }
    assert_int_equal(rig->frozen_at, 0);
}

/* A snapshot of a large state may take minutes, and who stops a server does not wait for so long.
 * The next life has everything all the same. */
TEST(replica, leaves_a_snapshot_off_when_it_stops)
{
    struct rig rig;
    struct tally tally = {0};
    begin(&rig);
    rig_run(&rig, 100);
    write_until_a_snapshot_begins(&rig, &tally);
    replica_stop(rig.replica);
    rig.turn_end(rig.turn_end_context);
    rig_run(&rig, 100);
    assert_int_equal(rig.frozen_at, 0);
    assert_int_equal(rig.stops, 1);
    replica_free(rig.replica);
    rig.replica = NULL;
    rig_open(&rig);
    rig_run(&rig, 100);
    assert_in_range(rig.state.count, 1 + tally.good, 1 + tally.good + tally.bad);
    const uint64_t before = rig.snapshots;
    rig_write(&rig, 300);
    assert_true(rig.snapshots > before);
    rig_deinit(&rig);
}

/* Its owner gives it up at once, as after a failure, while a flush is under way: until the log has
 * written its last, nobody else may write there, so the lock stays, too. */
TEST(replica, gives_its_directory_back_when_its_log_is_closed)
{
    struct rig rig;
    struct tally tally = {0};
    const uint8_t command[8] = {0};
    begin(&rig);
    assert_int_equal(replica_submit(rig.replica, 1, bytes_of(command, 8), on_result, &tally), 0);
    rig.turn_end(rig.turn_end_context);
    const size_t open = os_memory_open_count(rig.os);
    assert_true(open > 1);
    replica_free(rig.replica);
    rig.replica = NULL;
    rig.turn_end = NULL;
    assert_int_equal(os_memory_open_count(rig.os), open);
    os_memory_run(rig.os);
    assert_int_equal(os_memory_open_count(rig.os), 0);
    rig_open(&rig);
    rig_run(&rig, 100);
    assert_int_equal(rig.state.count, 2);
    rig_deinit(&rig);
}
