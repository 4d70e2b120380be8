/* recovery_fuzz.c -- a replica that starts on a log whose records are whole, and say anything.
 *
 * The log writes itself here, so every frame, checksum and seal of it is right; what its records
 * say is the input's. A start refuses with a reason, and the next one with the same; or the replica
 * lives: alone it leads and serves, and what one life has left the next can start on.
 *
 * Options   u8: bit 0: it is one of three, bit 1: nothing is written before the strokes, bit 2: the
 *           snapshot is of another cluster; number: the slot of a snapshot, 0: there is none
 * Stroke    u8: in the low four bits what is written, in the others how it is spoiled; and then
 *           what the kind asks for */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "kv/kv.h"
#include "replica/records.h"
#include "replica/replica_internal.h"
#include "replica_rig.h"

enum {
    STROKES_MAX = 60,
    WINDOW = 8,
    BODY_MAX = 512,
    VALUE_MAX = 96,
    SELF = 7,
    OTHER = 100, /* The first of replica_rig.c's others. */
    STRANGER = 55,
    START_COUNT = 3, /* Of the last life before. */
    STEP_US = 100000,
    STEPS_MAX = 100 /* Longer than any request may take. */
};

struct image {
    struct feed feed;
    struct replica_rig *rig;
    struct wal *wal;
    struct buffer table; /* The right one. */
    synod_slot chosen;   /* Near which slots are, */
    uint64_t round;      /* and near which rounds. */
    uint8_t spoil;
};

/* A record's body, as it is put together. */
struct body {
    uint8_t bytes[BODY_MAX];
    size_t size;
};

/* -- Pieces of bodies --------------------------------------------------------------------- */

static void add_u64(struct body *body, uint64_t number)
{
    put_u64(body->bytes + body->size, number);
    body->size += 8;
}

static void add_u32(struct body *body, uint32_t number)
{
    put_u32(body->bytes + body->size, number);
    body->size += 4;
}

static void add_bytes(struct body *body, struct bytes bytes)
{
    assert(body->size + bytes.size <= sizeof body->bytes);
    if (bytes.size > 0) {
        memcpy(body->bytes + body->size, bytes.data, bytes.size);
    }
    body->size += bytes.size;
}

static synod_member_id pick_member(struct feed *feed)
{
    static const synod_member_id MEMBERS[] = {SELF,      OTHER, OTHER + 1, SELF,
                                              OTHER + 1, OTHER, STRANGER,  0};
    return MEMBERS[feed_u8(feed) % 8];
}

/* Mostly near what came before; now and then anywhere. */
static uint64_t pick_near(struct feed *feed, uint64_t base, uint8_t range)
{
    enum {
        NEAR = 232
    };
    const uint8_t how = feed_u8(feed);
    return how < NEAR ? base + how % range : feed_number(feed);
}

static void add_ballot(struct image *image, struct body *body)
{
    const uint64_t round = pick_near(&image->feed, image->round, 3);
    image->round = round < SYNOD_ROUND_MAX ? round : image->round;
    add_u64(body, round);
    add_u64(body, pick_member(&image->feed));
    add_u64(body, UINT64_C(1) << 32 | feed_u8(&image->feed) % 4);
}

/* One command in one bundle; or any bytes. */
static struct bytes make_value(struct feed *feed, uint8_t number, uint8_t to[VALUE_MAX])
{
    enum {
        GOOD = 224
    };
    const uint8_t put[] = {0x0a, 1, 'k', 0x12, 1, number}; /* A PutRequest. */
    if (number >= GOOD) {
        const struct bytes any = feed_take(feed, feed_u8(feed) % VALUE_MAX);
        if (any.size > 0) {
            memcpy(to, any.data, any.size);
        }
        return bytes_of(to, any.size);
    }
    const struct bytes command = bytes_of(put, sizeof put);
    wire_encode_command(KV_COMMAND_PUT + number % 4u, command, to + WIRE_BUNDLE_SIZE);
    const struct wire_bundle bundle = {
        .origin = number % 2 == 0 ? OTHER : SELF,
        .incarnation = UINT64_C(1) << 32,
        .sequence = number,
        .count = 1,
        .commands = bytes_of(NULL, wire_command_size(command.size)),
    };
    wire_encode_bundle(&bundle, to);
    return bytes_of(to, WIRE_BUNDLE_SIZE + bundle.commands.size);
}

static void add_entry(struct image *image, struct body *body)
{
    enum {
        NOOPS = 64
    };
    uint8_t room[VALUE_MAX] = {0};
    struct bytes value = {0};
    uint64_t checksum = 0;
    const synod_slot slot = pick_near(&image->feed, image->chosen + 1, WINDOW + 2);
    const uint8_t number = feed_u8(&image->feed);
    if (number >= NOOPS) {
        value = make_value(&image->feed, number, room);
        checksum = value_checksum(value);
    }
    add_u64(body, slot);
    add_u64(body, 1); /* The view. */
    add_u64(body, checksum);
    add_u32(body, (uint32_t)value.size);
    add_u32(body, number < NOOPS ? SYNOD_ENTRY_NOOP : SYNOD_ENTRY_VALUE);
    add_bytes(body, value);
}

static void add_member(struct body *body, uint32_t index, synod_member_id id)
{
    char address[8];
    snprintf(address, sizeof address, "m:%u", index + 1);
    add_u64(body, id);
    add_u32(body, (uint32_t)strlen(address));
    add_bytes(body, bytes_of_text(address));
}

static void make_table(struct image *image)
{
    struct body body = {.size = 0};
    const uint32_t count = image->rig->other_count + 1;
    add_u32(&body, count);
    for (uint32_t i = 0; i < count; i++) {
        add_member(&body, i, i == 0 ? SELF : OTHER + i - 1);
    }
    const int error = buffer_append(&image->table, body.bytes, body.size);
    assert(error == 0);
}

static void add_other_table(struct image *image, struct body *body)
{
    const uint8_t how = feed_u8(&image->feed);
    const uint32_t count = how % 4u;
    add_u32(body, count);
    for (uint32_t i = 0; i < count; i++) {
        add_member(body, how < 128 ? i : feed_u8(&image->feed) % 4u, pick_member(&image->feed));
    }
}

/* -- Records ------------------------------------------------------------------------------ */

/* Other bytes than were meant, or another kind; most are left as they are. */
static void spoil(struct image *image, struct body *body, struct wal_kind *kind)
{
    switch (image->spoil) {
    case 10:
        body->size -= body->size > 0;
        break;
    case 11:
        add_bytes(body, bytes_of_text("x"));
        break;
    case 12:
        if (body->size > 0) {
            body->bytes[feed_u8(&image->feed) % body->size] ^= feed_u8(&image->feed);
        }
        break;
    case 13:
        kind->group = feed_u8(&image->feed);
        break;
    case 14:
        kind->format = feed_u8(&image->feed);
        break;
    case 15:
        kind->type = feed_u8(&image->feed) % 32;
        break;
    default:
        break;
    }
}

static void append(struct image *image, uint32_t type, const struct body *meant)
{
    struct body body = *meant;
    struct wal_kind kind = {.type = (uint16_t)type, .format = RECORD_FORMAT};
    spoil(image, &body, &kind);
    kind.flags = type >= RECORD_IDENTITY || type == SYNOD_RECORD_PROMISE ? WAL_TWO_COPIES : 0;
    const struct bytes part = bytes_of(body.bytes, body.size);
    (void)wal_append(image->wal, kind, &part, 1);
}

static void append_numbers(struct image *image, uint32_t type, uint64_t first, uint64_t second)
{
    struct body body = {.size = 0};
    add_u64(&body, first);
    if (type != RECORD_IDENTITY) {
        add_u64(&body, second);
    }
    append(image, type, &body);
}

static void append_entry(struct image *image, uint32_t type)
{
    struct body body = {.size = 0};
    add_u64(&body, 1);
    if (type == SYNOD_RECORD_VOTE) {
        add_ballot(image, &body);
    } else {
        add_bytes(&body, bytes_of((const uint8_t[24]){0}, 24));
    }
    add_entry(image, &body);
    append(image, type, &body);
}

static void append_promise(struct image *image)
{
    struct body body = {.size = 0};
    add_u64(&body, 1);
    add_ballot(image, &body);
    append(image, SYNOD_RECORD_PROMISE, &body);
}

static void append_chosen(struct image *image)
{
    const synod_slot chosen = pick_near(&image->feed, image->chosen, 4);
    image->chosen = chosen < SYNOD_SLOT_MAX ? chosen : image->chosen;
    append_numbers(image, SYNOD_RECORD_CHOSEN, 1, chosen);
}

static void append_table(struct image *image, int is_other)
{
    struct body body = {.size = 0};
    if (is_other) {
        add_other_table(image, &body);
    } else {
        add_bytes(&body, buffer_bytes(&image->table));
    }
    append(image, RECORD_TABLE, &body);
}

static void append_any(struct image *image)
{
    struct body body = {.size = 0};
    const uint32_t type = feed_u8(&image->feed) % 24;
    add_bytes(&body, feed_take(&image->feed, feed_u8(&image->feed)));
    append(image, type, &body);
}

static void found(struct image *image, uint8_t how)
{
    if (wal_cluster(image->wal) == 0) {
        wal_found(image->wal, how == 0 ? value_checksum(buffer_bytes(&image->table)) : how);
    }
}

static void flush(struct image *image)
{
    if (wal_last(image->wal) > wal_durable(image->wal)) {
        wal_flush(image->wal);
        os_memory_run(image->rig->machine.disk);
    }
}

/* All that an earlier life leaves in a log, whatever it has done. */
static void append_founding(struct image *image)
{
    found(image, 0);
    append_numbers(image, RECORD_IDENTITY, SELF, 0);
    append_numbers(image, RECORD_START, START_COUNT, 0);
    append_table(image, 0);
    append(image, RECORD_RUNNING, &(struct body){.size = 0});
}

static void strike(struct image *image)
{
    const uint8_t stroke = feed_u8(&image->feed);
    image->spoil = stroke / 16;
    switch (stroke % 16) {
    case 0:
        append_promise(image);
        break;
    case 1:
        append_entry(image, SYNOD_RECORD_LEARNED);
        break;
    case 2:
    case 3:
        append_chosen(image);
        break;
    case 4:
        append_numbers(image, RECORD_IDENTITY, pick_member(&image->feed), 0);
        break;
    case 5:
        append_numbers(image, RECORD_START, pick_near(&image->feed, START_COUNT, 4), 0);
        break;
    case 6:
        append_table(image, feed_u8(&image->feed) >= 128);
        break;
    case 7:
        append(image, RECORD_RUNNING, &(struct body){.size = 0});
        break;
    case 8:
        append_any(image);
        break;
    case 9:
        found(image, feed_u8(&image->feed) % 4);
        break;
    case 10:
        append_founding(image);
        break;
    case 11:
        flush(image);
        break;
    default:
        append_entry(image, SYNOD_RECORD_VOTE);
    }
}

/* -- The disk ----------------------------------------------------------------------------- */

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
    assert(report == NULL); /* This disk refuses nothing. */
}

static void on_segment(__attribute__((unused)) void *context)
{
}

static void on_closed(void *context)
{
    *(int *)context = 1;
}

static void open_log(struct image *image)
{
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN,
                                        .callbacks = {.context = image,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    struct os *disk = image->rig->machine.disk;
    int error = os_dir_create(disk, "/data");
    assert(error == 0);
    error = wal_open(disk, "/data", &options, NULL, &image->wal);
    assert(error == 0);
}

static void close_log(struct image *image)
{
    struct os *disk = image->rig->machine.disk;
    int is_closed = 0;
    wal_close(image->wal, on_closed, &is_closed);
    os_memory_run(disk);
    assert(is_closed && os_memory_open_count(disk) == 0);
}

static void put_snapshot(struct image *image, synod_slot slot, int is_foreign)
{
    char path[64];
    struct os *disk = image->rig->machine.disk;
    const uint64_t cluster = value_checksum(buffer_bytes(&image->table));
    replica_rig_snapshot(image->rig, slot, cluster + (uint64_t)is_foreign);
    const struct bytes file = buffer_bytes(&image->rig->snapshot);
    const int error = snapshot_start(disk, "/data", NULL);
    assert(error == 0);
    snprintf(path, sizeof path, "/data/snap/%016llx.snap", (unsigned long long)slot);
    os_memory_put(disk, path, file.data, file.size);
}

static void write_disk(struct image *image, uint8_t options)
{
    const synod_slot slot = feed_number(&image->feed);
    make_table(image);
    open_log(image);
    image->round = 1;
    if ((options & 2) == 0) {
        append_founding(image);
    }
    if (slot > 0 && slot <= SYNOD_SNAPSHOT_SLOT_MAX) {
        put_snapshot(image, slot, (options & 4) != 0);
        image->chosen = slot;
    }
    for (uint32_t i = 0; i < STROKES_MAX && !feed_is_empty(&image->feed); i++) {
        strike(image);
    }
    flush(image);
    close_log(image);
}

/* -- The replica -------------------------------------------------------------------------- */

/* Whoever is refused reads what is wrong and with what, and reads it again the next time. */
static void check_refusal(struct replica_rig *rig, const struct report *report)
{
    struct report again;
    const int error = report->error;
    assert(error == SYNOD_ERR_CORRUPT || error == SYNOD_ERR_FOREIGN);
    assert(report->text[0] != '\0' && strstr(report->text, synod_strerror(error)) == NULL);
    assert(os_memory_open_count(rig->machine.disk) == 0);
    const int outcome = replica_rig_open(rig, &again);
    assert(outcome == error && strcmp(again.text, report->text) == 0);
}

static void look(const struct replica_rig *rig, struct replica_status *status)
{
    replica_status(rig->replica, status);
    assert(!status->has_failed && status->chosen >= status->applied);
}

/* Whoever is alone leads, unless all rounds are used up. */
static void wait_for_lead(struct replica_rig *rig, struct replica_status *status)
{
    look(rig, status);
    for (uint32_t i = 0; i < STEPS_MAX && !status->is_leader; i++) {
        machine_os_advance(&rig->machine, STEP_US);
        look(rig, status);
    }
    assert(status->is_running && (status->is_leader || status->term == SYNOD_ROUND_MAX));
}

/* Returns whether the command was done. */
static int submit(struct replica_rig *rig)
{
    const uint8_t put[] = {0x0a, 1, 'k', 0x12, 1, 'v'};
    const uint64_t before = rig->done;
    replica_rig_submit(rig, KV_COMMAND_PUT, bytes_of(put, sizeof put));
    for (uint32_t i = 0; i < STEPS_MAX && rig->results > 0; i++) {
        machine_os_advance(&rig->machine, STEP_US);
    }
    assert(rig->results == 0);
    return rig->done == before + 1;
}

/* A life, and another on what it has left. */
static void live(struct replica_rig *rig)
{
    struct replica_status status;
    synod_slot applied = 0;
    for (uint32_t life = 0; life < 2; life++) {
        if (rig->other_count == 0) {
            wait_for_lead(rig, &status);
            const int is_done = submit(rig);
            assert(is_done == (int)status.is_leader);
        } else {
            machine_os_advance(&rig->machine, UINT64_C(20) * STEP_US);
        }
        look(rig, &status);
        assert(rig->other_count > 0 || status.applied > applied || !status.is_leader);
        applied = status.applied;
        kv_check(machine_kv(rig->store));
        if (rig->replica->start_count == UINT32_MAX) {
            break; /* That was the last: no other could have a name of its own. */
        }
        if (life == 0) {
            replica_rig_restart(rig);
        }
    }
    replica_rig_stop(rig);
}

FUZZ(recovery)
{
    struct image image = {.feed = {input}};
    const uint8_t options = feed_u8(&image.feed);
    struct report report;
    image.rig = replica_rig_prepare((options & 1) != 0 ? REPLICA_RIG_OTHERS : 0);
    image.rig->window = WINDOW;
    write_disk(&image, options);
    const int error = replica_rig_open(image.rig, &report);
    if (error != 0) {
        assert(report.error == error);
        check_refusal(image.rig, &report);
    } else {
        live(image.rig);
    }
    buffer_deinit(&image.table);
    replica_rig_free(image.rig);
}
