/* rig.c -- a cluster of one replica on a disk in memory, with a state machine that counts. */
#include "rig.h"

#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "os_memory.h"
#include "replica/log.h"
#include "test.h"

enum {
    PATIENCE_MS = 20000
};

/* The functions of os.h have no context but the os itself. */
static struct rig *present;

/* -- A loop ------------------------------------------------------------------------------- */

static int turn_end(struct os *os, os_callback callback, void *context)
{
    (void)os;
    present->turn_end = callback;
    present->turn_end_context = context;
    return 0;
}

static int listen_to_nobody(struct os *os, const char *address, os_accept_callback accept,
                            void *context, struct os_listener **listener)
{
    (void)os;
    (void)address;
    (void)accept;
    (void)context;
    *listener = (struct os_listener *)present;
    return 0;
}

static int listener_port(const struct os_listener *listener)
{
    (void)listener;
    return 1;
}

static void listener_close(struct os_listener *listener)
{
    (void)listener;
}

void rig_run(struct rig *rig, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        if (rig->turn_end != NULL) {
            rig->turn_end(rig->turn_end_context);
        }
        os_memory_run(rig->os);
        os_memory_advance(rig->os, 1000);
    }
}

/* -- The disk ----------------------------------------------------------------------------- */

static int64_t free_bytes(struct os *os, const char *path)
{
    (void)os;
    (void)path;
    present->room_asked++;
    return present->room;
}

/* -- The machine -------------------------------------------------------------------------- */

static const void *apply(void *context, const struct synod_command *command)
{
    struct rig *rig = context;
    const uint64_t link[2] = {rig->state.hash,
                              value_checksum(bytes_of(command->data, command->size))};
    rig->state.count++;
    rig->state.hash = value_checksum(bytes_of(link, sizeof link));
    return &rig->state;
}

static uint64_t state_size(void *context)
{
    (void)context;
    return sizeof(struct rig_state);
}

static void *snapshot_open(void *context)
{
    struct rig *rig = context;
    rig->frozen = rig->state;
    rig->frozen_at = 0;
    rig->snapshots++;
    return rig;
}

static int64_t snapshot_read(void *cursor, void *to, size_t size)
{
    struct rig *rig = cursor;
    const size_t left = sizeof rig->frozen - rig->frozen_at;
    const size_t count = size < left ? size : left;
    memcpy(to, (const char *)&rig->frozen + rig->frozen_at, count);
    rig->frozen_at += count;
    return (int64_t)count;
}

static void snapshot_close(void *context, void *cursor)
{
    (void)context;
    (void)cursor;
}

static int restore_begin(void *context)
{
    struct rig *rig = context;
    rig->restored = 0;
    return 0;
}

static int restore_piece(void *context, const void *data, size_t size)
{
    struct rig *rig = context;
    assert_true(size <= sizeof rig->state - rig->restored);
    memcpy((char *)&rig->state + rig->restored, data, size);
    rig->restored += size;
    return 0;
}

static int restore_end(void *context)
{
    const struct rig *rig = context;
    assert_int_equal(rig->restored, sizeof rig->state);
    return 0;
}

/* -- Lives -------------------------------------------------------------------------------- */

static void ignore(void *context)
{
    (void)context;
}

static void on_stopped(void *context)
{
    ((struct rig *)context)->stops++;
}

static void on_failed(void *context, const struct report *report)
{
    (void)context;
    fail_msg("the replica failed: %s", report->text);
}

static void drop_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

void rig_init(struct rig *rig)
{
    log_configure(&(struct log_options){.level = LOG_ERROR, .sink = drop_line});
    *rig = (struct rig){.os = os_memory_new(1), .snapshot_bytes = 40000, .room = INT64_MAX};
    rig->functions = *rig->os->functions;
    rig->functions.dir_free_bytes = free_bytes;
    rig->functions.turn_end = turn_end;
    rig->functions.listen = listen_to_nobody;
    rig->functions.listener_port = listener_port;
    rig->functions.listener_close = listener_close;
    rig->os->functions = &rig->functions;
    present = rig;
}

void rig_deinit(struct rig *rig)
{
    if (rig->replica != NULL) {
        rig_kill(rig);
    }
    os_memory_free(rig->os);
}

int rig_try(struct rig *rig)
{
    static const struct replica_member MEMBERS[] = {{.name = "a", .address = "a:1"}};
    static const struct replica_events EVENTS = {.on_running = ignore,
                                                 .on_leader = ignore,
                                                 .on_failed = on_failed,
                                                 .on_stopped = on_stopped};
    const struct synod_machine machine = {
        .context = rig,
        .apply = apply,
        .state_size = state_size,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_piece = restore_piece,
        .restore_end = restore_end,
    };
    struct replica_options options;
    replica_options_init(&options);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = rig;
    options.data_dir = "/data";
    options.listen = "a:1";
    options.members = MEMBERS;
    options.member_count = 1;
    options.snapshot_bytes = rig->snapshot_bytes;
    options.tail_bytes = 0;
    options.segment_bytes = 16 << 10;
    assert_null(rig->replica);
    rig->state = (struct rig_state){0};
    return replica_open(rig->os, &options, &rig->report, &rig->replica);
}

void rig_open(struct rig *rig)
{
    if (rig_try(rig) != 0) {
        fail_msg("the replica cannot start: %s", rig->report.text);
    }
}

void rig_kill(struct rig *rig)
{
    os_memory_die_at(rig->os, 1);
    replica_kill(rig->replica);
    rig->turn_end = NULL;
    os_memory_run(rig->os);
    replica_free(rig->replica);
    os_memory_run(rig->os);
    rig->replica = NULL;
    os_memory_crash(rig->os, NULL, NULL);
}

/* -- Wishes ------------------------------------------------------------------------------- */

static void on_result(void *context, int error, const void *result)
{
    struct rig *rig = context;
    rig->acknowledged += error == 0 && result != NULL;
    rig->errors += error != 0;
}

void rig_write(struct rig *rig, uint32_t count)
{
    const uint64_t wanted = rig->acknowledged + count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t command[200] = {0};
        put_u64(command, ++rig->sequence);
        assert_int_equal(
            replica_submit(rig->replica, 1, bytes_of(command, sizeof command), on_result, rig), 0);
        rig_run(rig, 1);
    }
    for (uint32_t i = 0; i < PATIENCE_MS && rig->acknowledged < wanted; i++) {
        rig_run(rig, 1);
    }
    assert_int_equal(rig->acknowledged, wanted);
}

static void on_read(void *context, int error)
{
    struct rig *rig = context;
    rig->errors += error != 0;
    if (error == 0) {
        rig->reads++;
        rig->seen = rig->state;
    }
}

void rig_read(struct rig *rig)
{
    assert_int_equal(replica_read(rig->replica, on_read, rig), 0);
}
