/* recover.c -- from the directory to a core: locks, snapshot, records, the start count.
 *
 *   DIR/lock    held while a process uses the directory
 *   DIR/snap/   the state as of some slot
 *   DIR/wal/    what came after, and everything a member must not forget
 *
 * The newest snapshot goes into the machine, then every record into the core, which hands out
 * what is known to be chosen; that goes into the machine too. Then the start count is raised:
 * only when that is durable does this life begin, so no two lives share a ballot, not even on
 * copies of one disk (the random number beside the count parts those). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/records.h"
#include "replica/replica_internal.h"

/* What may be wrong with a record of any type. */
static const char BAD_BODY[] = "its body is not one of its type";
static const char CONTRADICTION[] = "it contradicts the records before it";

static int refuse(struct replica *r, struct report *report, int error, const char *text)
{
    return report_fill(report, error, (struct report_place){r->options.data_dir, REPORT_WHOLE},
                       "%s", text);
}

/* -- The directory ------------------------------------------------------------------------ */

/* Make the directory's own name durable: without it nothing in it is there after a power cut.
 * Always, for whoever made it may have died, or not cared. */
static int sync_directory_above(struct replica *r, struct report *report)
{
    const char *dir = r->options.data_dir;
    char above[REPORT_PATH_BYTES] = ".";
    size_t size = strlen(dir);
    while (size > 1 && dir[size - 1] == '/') {
        size--;
    }
    while (size > 0 && dir[size - 1] != '/') {
        size--;
    }
    if (size >= sizeof above) {
        return refuse(r, report, SYNOD_ERR_ACCESS, "the path of the data directory is too long");
    }
    if (size > 0) {
        memcpy(above, dir, size);
        above[size] = '\0';
    }
    while (size > 1 && above[size - 1] == '/') {
        above[--size] = '\0';
    }
    const int error = MUTANT(81) ? 0 : os_dir_sync(r->os, above);
    if (error == 0 || error == -EACCES) {
        return 0; /* Who may not read it cannot have made the directory in it. */
    }
    return report_system(report, (struct report_place){above, REPORT_WHOLE}, "sync the directory",
                         error);
}

static int open_directory(struct replica *r, struct report *report)
{
    const char *dir = r->options.data_dir;
    const struct report_place place = {dir, REPORT_WHOLE};
    char path[REPORT_PATH_BYTES];

    int error = os_dir_check(r->os, dir);
    if (error == -ENOENT) {
        error = os_dir_create(r->os, dir);
    }
    if (error == -EPERM) {
        return refuse(r, report, SYNOD_ERR_ACCESS,
                      "the data directory can be entered by others: chmod 0700 it");
    }
    if (error == -ELOOP || error == -ENOTDIR) {
        return refuse(r, report, SYNOD_ERR_ACCESS,
                      "the data directory must be a directory, not a link or a file");
    }
    if (error != 0) {
        return report_system(report, place, "open the data directory", error);
    }
    error = sync_directory_above(r, report);
    if (error != 0) {
        return error;
    }
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path) {
        return refuse(r, report, SYNOD_ERR_ACCESS, "the path of the data directory is too long");
    }
    error = os_file_open(r->os, path, OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_LOCK, &r->lock);
    if (error == -EWOULDBLOCK) {
        return refuse(r, report, SYNOD_ERR_LOCKED, "another process uses this data directory");
    }
    return error == 0 ? 0 : report_system(report, place, "create the lock in", error);
}

/* -- The core ----------------------------------------------------------------------------- */

static int allocate_arrays(struct replica *r)
{
    const uint32_t count = r->core_options.entries_max;
    r->arrays.entries = calloc(count, sizeof *r->arrays.entries);
    r->arrays.votes = calloc(count, sizeof *r->arrays.votes);
    r->arrays.values = calloc(count, sizeof *r->arrays.values);
    r->arrays.entry_max = count;
    r->arrays.vote_max = count;
    return r->arrays.entries == NULL || r->arrays.votes == NULL || r->arrays.values == NULL;
}

static void set_window(struct synod_options *options, uint32_t window)
{
    options->window = window;
    if (options->pipeline_max > window / 2) {
        options->pipeline_max = window / 2;
    }
}

static void set_core_options(struct replica *r)
{
    struct synod_options *options = &r->core_options;
    synod_options_init(options);
    options->self = r->identity;
    options->members.count = r->options.member_count;
    options->members.phase1 = r->options.member_count / 2 + 1;
    options->members.phase2 = r->options.member_count / 2 + 1;
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        options->members.ids[i] = r->members[i].id;
    }
    options->heartbeat_ms = r->options.heartbeat_ms;
    options->election_ms = r->options.election_ms;
    options->retry_ms = r->options.heartbeat_ms;
    if (r->options.window != 0) {
        set_window(options, r->options.window);
    }
    os_random(r->os, &options->seed, sizeof options->seed);
}

/* Build the core, now that the members are known, with the newest snapshot beneath it. */
int recover_core(struct replica *r, struct report *report)
{
    assert(r->core == NULL && r->table_hash != 0);
    set_core_options(r);
    if (!synod_options_are_valid(&r->core_options)) {
        return refuse(r, report, SYNOD_ERR_CORRUPT, "the founding table names a member twice");
    }
    void *memory = calloc(1, synod_core_size(&r->core_options));
    void *effects = calloc(1, synod_effects_size(&r->core_options));
    if (memory == NULL || effects == NULL || allocate_arrays(r) != 0) {
        free(memory);
        free(effects);
        return refuse(r, report, SYNOD_ERR_MEMORY, "out of memory");
    }
    r->core = synod_core_init(memory, &r->core_options);
    r->effects = synod_effects_init(effects, &r->core_options);
    if (r->snapshot != 0) {
        const int error = snapshotting_load(r, r->snapshot, report);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Say which record is wrong, and how: the log itself can only tell that it is whole. */
static int complain(struct replica *r, const struct wal_record *record, const char *what)
{
    char text[160];
    records_describe(record, text, sizeof text);
    snprintf(r->complaint, sizeof r->complaint, "record %" PRIu64 " (%s: %s): %s", record->lsn,
             records_type_name(record->kind.type), text, what);
    return SYNOD_ERR_CORRUPT;
}

/* What is asked of a value that comes from another member, too (frames.c): a vote that is shown, or
 * proposed again, goes the way of any other. NULL: nothing is wrong with it. */
static const char *value_fault(const struct synod_entry *entry, struct bytes value)
{
    if (value.size > REPLICA_VALUE_BYTES_MAX) {
        return "its value is one that no message could carry";
    }
    if (value_checksum(value) != entry->checksum) {
        return "its value does not have its checksum";
    }
    return wire_bundles_are_valid(value) ? NULL : "its value is not made of commands";
}

/* Put an entry that was not applied yet into the log of the slots. */
static int restore_entry(struct replica *r, const struct wal_record *wal_record,
                         struct synod_entry *entry, struct bytes value)
{
    /* Of any kind: the log has a place for every slot up to the last. */
    if (entry->slot > r->applied + 2 * (synod_slot)r->core_options.window) {
        return complain(r, wal_record, "it is too far ahead of what is known to be chosen");
    }
    if (entry->kind == SYNOD_ENTRY_VALUE) {
        const char *wrong = value_fault(entry, value);
        if (wrong != NULL) {
            return complain(r, wal_record, wrong);
        }
        const struct value *entered = log_enter(&r->log, entry->slot, entry->checksum, value);
        if (entered == NULL) {
            return SYNOD_ERR_MEMORY;
        }
        entry->handle = value_handle(entered);
    }
    return 0;
}

static int restore_record(struct replica *r, const struct wal_record *wal_record)
{
    struct synod_record record;
    struct bytes value;
    if (records_decode(wal_record, &record, &value) != 0) {
        return complain(r, wal_record, BAD_BODY);
    }
    struct synod_entry *entry = &record.entry;
    if (entry->slot > r->applied) {
        const int error = restore_entry(r, wal_record, entry, value);
        if (error != 0) {
            return error;
        }
    }
    if (entry->slot > 0 && log_recorded(&r->log, entry, wal_record->lsn) != 0) {
        return SYNOD_ERR_MEMORY;
    }
    if (record.type == SYNOD_RECORD_CHOSEN && record.chosen > r->recorded_chosen) {
        r->recorded_chosen = record.chosen;
    }
    const int has_ballot = record.type != SYNOD_RECORD_LEARNED; /* Whatever is in its place. */
    if (has_ballot && record.ballot.round > r->term) {
        r->term = record.ballot.round;
    }
    const int outcome = replica_step_core(r, &(struct synod_event){.type = SYNOD_EVENT_RESTORE,
                                                                   .now_ms = replica_now_ms(r),
                                                                   .record = &record});
    for (uint32_t i = 0; i < r->effects->chosen_count; i++) {
        submit_apply(r, &r->effects->chosen[i]);
    }
    if (outcome != 0) {
        return complain(r, wal_record, CONTRADICTION);
    }
    if (entry->slot > r->applied) {
        log_prune(&r->log, entry->slot, r->core); /* A value that another has replaced. */
    }
    return 0;
}

/* -- Records ------------------------------------------------------------------------------ */

/* Where the log was trimmed, the first segment that is left may begin with records that were
 * already on their way when its copies of what must not be trimmed were made: votes wait until
 * identity and table, in whatever order, have told who the members are. */
static int put_off(struct replica *r, const struct wal_record *record)
{
    struct early_record *early = malloc(sizeof *early + record->body.size);
    if (early == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    early->record = *record;
    MARK("recover: a vote is read before the identities");
    early->record.body = bytes_of(early->body, record->body.size);
    if (record->body.size > 0) {
        memcpy(early->body, record->body.data, record->body.size);
    }
    list_append(&r->early, &early->link);
    return 0;
}

/* Once identity and table are known there can be a core, and what was put off goes into it. */
static int restore_early(struct replica *r)
{
    if (r->identity == 0 || buffer_size(&r->table) == 0 || r->core != NULL) {
        return 0;
    }
    int error = founding_read_table(r);
    if (error == SYNOD_ERR_CORRUPT) {
        return refuse(r, r->report, error, "the founding table in the log is not one");
    }
    if (error == 0) {
        error = recover_core(r, r->report);
    }
    while (error == 0 && !list_is_empty(&r->early)) {
        struct early_record *early = LIST_ITEM(r->early.next, struct early_record, link);
        error = restore_record(r, &early->record);
        list_remove(&early->link);
        free(early);
    }
    return error;
}

/* Each segment begins with it again, and it is the same for ever. */
static int restore_identity(struct replica *r, const struct wal_record *record)
{
    const uint64_t identity = record->body.size == 8 ? get_u64(record->body.data) : 0;
    if (identity == 0) {
        return complain(r, record, BAD_BODY);
    }
    if (r->identity != 0 && r->identity != identity) {
        return complain(r, record, CONTRADICTION);
    }
    r->identity = identity;
    r->members[r->options.self].id = identity;
    return restore_early(r);
}

/* It never falls, and the life that follows must have a name of its own: replica_life(). */
static int restore_start(struct replica *r, const struct wal_record *record)
{
    if (record->body.size != 16) {
        return complain(r, record, BAD_BODY);
    }
    const uint64_t count = get_u64(record->body.data);
    if (count == 0 || count >= UINT32_MAX) {
        return complain(r, record, "no life can be counted after it");
    }
    if (count < r->start_count) {
        return complain(r, record, CONTRADICTION);
    }
    r->start_count = count;
    return 0;
}

/* As the identity: again, and the same. */
static int restore_table(struct replica *r, const struct wal_record *record)
{
    const struct bytes known = buffer_bytes(&r->table);
    if (record->body.size == 0) {
        return complain(r, record, BAD_BODY);
    }
    if (known.size > 0) {
        return bytes_equal(known, record->body) ? 0 : complain(r, record, CONTRADICTION);
    }
    if (buffer_append(&r->table, record->body.data, record->body.size) != 0) {
        return SYNOD_ERR_MEMORY;
    }
    return restore_early(r);
}

static int on_own_record(struct replica *r, const struct wal_record *record)
{
    switch ((enum record_type)record->kind.type) {
    case RECORD_IDENTITY:
        return restore_identity(r, record);
    case RECORD_START:
        return restore_start(r, record);
    case RECORD_TABLE:
        return restore_table(r, record);
    case RECORD_RUNNING:
        r->was_running = 1;
        return 0;
    }
    return SYNOD_ERR_FOREIGN; /* Written by a newer version. */
}

static int on_record(void *context, const struct wal_record *record)
{
    struct replica *r = context;
    if (record->kind.group != 0 || record->kind.format > RECORD_FORMAT) {
        return SYNOD_ERR_FOREIGN;
    }
    if (record->kind.type >= RECORD_IDENTITY) {
        return on_own_record(r, record);
    }
    return r->core == NULL ? put_off(r, record) : restore_record(r, record);
}

/* A segment of the log begins: what trimming must never take goes into it again. Recovery
 * reads records in order, so these are read before anything that follows them, and whatever
 * else a segment held before them was below a snapshot when it was trimmed. */
void recover_on_segment(void *context)
{
    struct replica *r = context;
    uint8_t bytes[16];

    if (r->identity == 0) {
        return;
    }
    put_u64(bytes, r->identity);
    (void)records_append_own(r->wal, RECORD_IDENTITY, bytes_of(bytes, 8));
    put_u64(bytes, r->start_count);
    put_u64(bytes + 8, r->start_random);
    (void)records_append_own(r->wal, RECORD_START, bytes_of(bytes, 16));
    if (r->table_hash != 0) {
        (void)records_append_own(r->wal, RECORD_TABLE, buffer_bytes(&r->table));
    }
    if (r->was_running || r->running_lsn != 0) {
        (void)records_append_own(r->wal, RECORD_RUNNING, (struct bytes){0});
    }
    if (r->core == NULL) {
        return;
    }
    struct synod_status status;
    synod_core_status(r->core, &status);
    if (!synod_ballot_is_none(status.promised)) {
        (void)records_append(r->wal, &(struct synod_record){.type = SYNOD_RECORD_PROMISE,
                                                            .view = status.view,
                                                            .ballot = status.promised});
    }
    if (r->recorded_chosen != 0) {
        (void)records_append(r->wal, &(struct synod_record){.type = SYNOD_RECORD_CHOSEN,
                                                            .view = status.view,
                                                            .chosen = r->recorded_chosen});
    }
}

/* -- Opening ------------------------------------------------------------------------------ */

/* Every record may be whole, and the one that the others rest on not be there. NULL: all are. */
static const char *missing_record(const struct replica *r)
{
    /* At the next start the log will be no new one, and be without a core all the same. */
    if (r->snapshot != 0 && (MUTANT(89) ? wal_is_new(r->wal) : r->core == NULL)) {
        return "there are snapshots but no log: the log was lost, and with it what this member has "
               "promised";
    }
    if (!list_is_empty(&r->early) || (buffer_size(&r->table) > 0 && r->core == NULL)) {
        return "there are votes, but not the identities of who may vote";
    }
    if (r->identity == 0 && r->start_count != 0) {
        return "the log counts starts, but the identity of who has started is not in it";
    }
    if (r->core == NULL && (r->was_running || wal_cluster(r->wal) != 0)) {
        return "the log is that of a cluster, but its founding table is not in it";
    }
    if (r->core != NULL && wal_cluster(r->wal) != 0 && wal_cluster(r->wal) != r->table_hash) {
        return "the log is that of another cluster than its founding table";
    }
    return NULL;
}

static int open_log(struct replica *r, struct report *report)
{
    const struct wal_options options = {
        .segment_bytes = r->options.segment_bytes,
        .callbacks = {.context = r,
                      .on_record = on_record,
                      .on_durable = drive_on_durable,
                      .on_failure = drive_on_wal_failure,
                      .on_segment = recover_on_segment},
    };
    r->report = report;
    const int error = wal_open(r->os, r->options.data_dir, &options, report, &r->wal);
    if (error != 0 && report->text[0] == 0) {
        /* One of our own records was refused: say what the log could not know. */
        (void)refuse(r, report, error,
                     r->complaint[0] != 0 ? r->complaint
                     : error == SYNOD_ERR_FOREIGN
                         ? "these data were written by other members than the ones given, or by "
                           "a newer version"
                         : synod_strerror(error));
    }
    if (error != 0) {
        return error;
    }
    const char *lacks = missing_record(r);
    return lacks == NULL ? 0 : refuse(r, report, SYNOD_ERR_CORRUPT, lacks);
}

/* Raise the start count; give a new directory its identity first. */
static void begin_start(struct replica *r)
{
    uint8_t bytes[16];
    while (r->identity == 0) {
        os_random(r->os, &r->identity, sizeof r->identity);
        r->identity = MUTANT(30) ? r->options.self + 1 : r->identity;
        put_u64(bytes, r->identity);
        if (r->identity != 0) {
            (void)records_append_own(r->wal, RECORD_IDENTITY, bytes_of(bytes, 8));
        }
    }
    r->members[r->options.self].id = r->identity;
    r->start_count++;
    os_random(r->os, &r->start_random, sizeof r->start_random);
    put_u64(bytes, r->start_count);
    put_u64(bytes + 8, r->start_random);
    r->opening_lsn = records_append_own(r->wal, RECORD_START, bytes_of(bytes, 16));
    wal_flush(r->wal);
}

int recover_open(struct replica *r, struct report *report)
{
    uint64_t newest = 0;
    int error = open_directory(r, report);
    if (error == 0) {
        error = snapshot_start(r->os, r->options.data_dir, report);
    }
    if (error == 0) {
        const int64_t count = snapshot_list(r->os, r->options.data_dir, &newest, 1, report);
        error = count < 0 ? (int)count : 0;
        r->snapshot = count > 0 ? newest : 0;
    }
    log_init(&r->log, 0, r->options.cache_bytes);
    if (error == 0) {
        error = open_log(r, report);
    }
    if (error == 0) {
        begin_start(r);
        error = r->phase == PHASE_FAILED ? report->error : 0;
    }
    if (error == 0 && r->core != NULL && r->snapshot != 0) {
        snapshotting_remove_older(r); /* Not before all was read and found good. */
    }
    return error;
}
