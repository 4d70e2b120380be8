/* recover_test.c -- what a log may not say, though every record of it is whole. */
#include <stdlib.h>
#include <string.h>

#include "os_memory.h"
#include "replica/log.h"
#include "replica/records.h"
#include "rig.h"
#include "synod/error.h"
#include "test.h"

enum {
    SELF = 7,
    STRANGER = 8,
    START_COUNT = 3,
    TABLE_SIZE = 4 + 8 + 4 + 3 /* Of one member, at "a:1". */
};

/* -- Records ------------------------------------------------------------------------------ */

static void append_identity(struct wal *wal, synod_member_id id)
{
    uint8_t body[8];
    put_u64(body, id);
    (void)records_append_own(wal, RECORD_IDENTITY, bytes_of(body, sizeof body));
}

static void append_start(struct wal *wal, uint64_t count)
{
    uint8_t body[16] = {0};
    put_u64(body, count);
    (void)records_append_own(wal, RECORD_START, bytes_of(body, sizeof body));
}

static struct bytes make_table(synod_member_id id)
{
    static uint8_t body[TABLE_SIZE];
    put_u32(body, 1);
    put_u64(body + 4, id);
    put_u32(body + 12, 3);
    memcpy(body + 16, "a:1", 3);
    return bytes_of(body, sizeof body);
}

static void append_members(struct wal *wal)
{
    append_identity(wal, SELF);
    append_start(wal, START_COUNT);
    (void)records_append_own(wal, RECORD_TABLE, make_table(SELF));
    (void)records_append_own(wal, RECORD_RUNNING, (struct bytes){0});
}

static void append_founding(struct wal *wal)
{
    wal_found(wal, value_checksum(make_table(SELF)));
    append_members(wal);
}

static void append_vote(struct wal *wal, synod_member_id of, synod_slot slot)
{
    (void)records_append(
        wal, &(struct synod_record){.type = SYNOD_RECORD_VOTE,
                                    .view = 1,
                                    .ballot = {1, of, 1},
                                    .entry = {.slot = slot, .view = 1, .kind = SYNOD_ENTRY_NOOP}});
}

/* -- What each log says ------------------------------------------------------------------- */

static void nothing_wrong(struct wal *wal)
{
    append_founding(wal);
    append_members(wal); /* As a segment begins. */
    append_vote(wal, SELF, 1);
}

static void two_identities(struct wal *wal)
{
    append_founding(wal);
    append_identity(wal, STRANGER);
}

static void two_tables(struct wal *wal)
{
    append_founding(wal);
    (void)records_append_own(wal, RECORD_TABLE, make_table(STRANGER));
}

static void empty_table(struct wal *wal)
{
    append_identity(wal, SELF);
    (void)records_append_own(wal, RECORD_TABLE, (struct bytes){0});
}

static void broken_table(struct wal *wal)
{
    append_identity(wal, SELF);
    (void)records_append_own(wal, RECORD_TABLE, bytes_of(make_table(SELF).data, TABLE_SIZE - 1));
}

static void start_count_falls(struct wal *wal)
{
    append_founding(wal);
    append_start(wal, START_COUNT - 1);
}

static void last_start(struct wal *wal)
{
    append_founding(wal);
    append_start(wal, UINT32_MAX);
}

static void no_identity(struct wal *wal)
{
    append_start(wal, START_COUNT);
}

static void no_table(struct wal *wal)
{
    append_identity(wal, SELF);
    append_start(wal, START_COUNT);
    (void)records_append_own(wal, RECORD_RUNNING, (struct bytes){0});
}

static void no_table_of_its_cluster(struct wal *wal)
{
    wal_found(wal, 5);
    append_identity(wal, SELF);
    append_start(wal, START_COUNT);
}

static void table_of_another_cluster(struct wal *wal)
{
    wal_found(wal, 5);
    append_members(wal);
}

static void vote_far_ahead(struct wal *wal)
{
    append_founding(wal);
    append_vote(wal, SELF, UINT64_C(1) << 40);
}

static void vote_of_a_stranger(struct wal *wal)
{
    append_founding(wal);
    append_vote(wal, STRANGER, 1);
}

static void value_of_no_commands(struct wal *wal)
{
    struct value *value = value_new(5);
    append_founding(wal);
    memcpy(value->bytes, "hello", 5);
    value_seal(value);
    (void)records_append(wal, &(struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                     .view = 1,
                                                     .ballot = {1, SELF, 1},
                                                     .entry = {.slot = 1,
                                                               .view = 1,
                                                               .kind = SYNOD_ENTRY_VALUE,
                                                               .size = value->size,
                                                               .checksum = value->checksum,
                                                               .handle = value_handle(value)}});
    free(value);
}

/* -- Writing them ------------------------------------------------------------------------- */

static int on_record(__attribute__((unused)) void *context,
                     __attribute__((unused)) const struct wal_record *record)
{
    return SYNOD_ERR_CORRUPT; /* There is none yet. */
}

static void on_durable(__attribute__((unused)) void *context, __attribute__((unused)) uint64_t lsn)
{
}

static void on_failure(__attribute__((unused)) void *context, const struct report *report)
{
    fail_msg("%s", report->text);
}

static void on_segment(__attribute__((unused)) void *context)
{
}

static void write_log(struct os *os, void (*append)(struct wal *wal))
{
    const struct wal_options options = {.segment_bytes = 16 << 10,
                                        .callbacks = {.on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    struct wal *wal;
    assert_int_equal(os_dir_create(os, "/data"), 0);
    assert_int_equal(wal_open(os, "/data", &options, NULL, &wal), 0);
    append(wal);
    wal_flush(wal);
    os_memory_run(os);
    wal_close(wal, NULL, NULL);
    os_memory_run(os);
}

/* Twice, for a start that is refused changes nothing. `said` NULL: it is not. */
static void check_log(void (*append)(struct wal *wal), const char *said)
{
    struct rig rig;
    rig_init(&rig);
    write_log(rig.os, append);
    for (uint32_t life = 0; life < 2; life++) {
        const int error = rig_try(&rig);
        assert_int_equal(error, said == NULL ? 0 : SYNOD_ERR_CORRUPT);
        if (error == 0) {
            rig_write(&rig, 1);
            rig_kill(&rig);
            continue;
        }
        if (strstr(rig.report.text, said) == NULL) {
            fail_msg("\"%s\" is not in: %s", said, rig.report.text);
        }
        rig.replica = NULL;
        rig.turn_end = NULL;
        os_memory_run(rig.os);
    }
    rig_deinit(&rig);
}

TEST(replica, refuses_records_that_contradict_each_other_and_says_which)
{
    static const struct {
        void (*append)(struct wal *wal);
        const char *said; /* NULL: it starts. */
    } LOGS[] = {
        {nothing_wrong, NULL},
        {two_identities, "(identity: member 8): it contradicts the records before it"},
        {two_tables, "(table: 19 bytes): it contradicts the records before it"},
        {empty_table, "(table: 0 bytes): its body is not one of its type"},
        {broken_table, "the founding table in the log is not one"},
        {start_count_falls, "(start: start 2, random 0): it contradicts the records before it"},
        {last_start, "(start: start 4294967295, random 0): no life can be counted after it"},
        {no_identity, "the identity of who has started is not in it"},
        {no_table, "its founding table is not in it"},
        {no_table_of_its_cluster, "its founding table is not in it"},
        {table_of_another_cluster, "the log is that of another cluster than its founding table"},
        {vote_far_ahead, "no-op of 0 bytes): it is too far ahead of what is known to be chosen"},
        {vote_of_a_stranger, "(vote: slot 1, ballot 1.8.1, no-op of 0 bytes): it contradicts"},
        {value_of_no_commands, "value of 5 bytes): its value is not made of commands"},
    };
    for (size_t i = 0; i < sizeof LOGS / sizeof LOGS[0]; i++) {
        check_log(LOGS[i].append, LOGS[i].said);
    }
}
