/* replica_rig.c -- a real replica with a real store, and members that the caller plays. */
#include "replica_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "replica/replica_internal.h"

enum {
    PARTS_MAX = 24,
    ENTRIES_MAX = 64,
    PIECE_MAX = 64 << 10,
    FIRST_ID = 100, /* Identities of the others. */
};

/* Ours is the lowest, so we dial; what follows the colon is what os_pair takes for a port. */
static const char *const ADDRESSES[] = {"m:1", "m:2", "m:3"};
static const char *const NAMES[] = {"a", "b", "c"};

/* -- What the others say ------------------------------------------------------------------ */

void replica_rig_send(struct replica_other *other, uint16_t type, const struct bytes *parts,
                      size_t count)
{
    uint8_t encoded[FRAME_HEADER_SIZE];
    struct bytes all[PARTS_MAX + 1];
    struct frame_header header = {.type = type, .version = FRAME_VERSION_MIN};
    assert(count <= PARTS_MAX);
    if (other->stream == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        header.body_size += (uint32_t)parts[i].size;
        all[i + 1] = parts[i];
    }
    frame_encode_header(encoded, &header, parts, count);
    all[0] = bytes_of(encoded, sizeof encoded);
    const int error = os_stream_write(other->stream, all, count + 1);
    assert(error == 0);
}

static void send_message(struct replica_other *other, const struct synod_message *message)
{
    uint8_t head[WIRE_FIXED_SIZE + ENTRIES_MAX * WIRE_VOTE_SIZE];
    const struct bytes part = bytes_of(head, wire_head_size(message));
    assert(!wire_has_values(message->type) || message->entry_count + message->vote_count == 0);
    wire_encode_head(message, head);
    replica_rig_send(other, FRAME_MESSAGE, &part, 1);
}

static void answer_hello(struct replica_other *other, const struct frame_hello *hello)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello own = *hello;
    const size_t number = (size_t)(other - other->rig->others);
    other->rig->hello = *hello;
    own.member = other->id;
    own.incarnation = 1;
    memset(own.name, 0, sizeof own.name);
    memset(own.address, 0, sizeof own.address);
    memcpy(own.name, NAMES[number + 1], strlen(NAMES[number + 1]));
    memcpy(own.address, ADDRESSES[number + 1], strlen(ADDRESSES[number + 1]));
    const struct bytes part = bytes_of(body, frame_encode_hello(body, &own));
    replica_rig_send(other, FRAME_HELLO, &part, 1);
}

/* As a member would that has an empty disk and no wish of its own. */
static void answer_message(struct replica_other *other, const struct synod_message *m)
{
    struct synod_message answer = {.view = m->view, .ballot = m->ballot, .id = m->id};
    switch (m->type) {
    case SYNOD_MESSAGE_ASK:
        answer.type = SYNOD_MESSAGE_ANSWER;
        answer.promised = m->ballot;
        answer.status.flags = SYNOD_STATUS_ABLE | SYNOD_STATUS_PHASE2;
        break;
    case SYNOD_MESSAGE_PREPARE:
        answer.type = SYNOD_MESSAGE_PROMISE;
        answer.slot = m->slot;
        answer.until = SYNOD_SLOT_ALL;
        break;
    case SYNOD_MESSAGE_ACCEPT:
        answer.type = SYNOD_MESSAGE_ACCEPTED;
        answer.entries = m->entries;
        answer.entry_count = m->entry_count;
        break;
    default:
        return;
    }
    send_message(other, &answer);
}

static void note_message(struct replica_rig *rig, const struct synod_message *m)
{
    if (m->type == SYNOD_MESSAGE_PREPARE || m->type == SYNOD_MESSAGE_ACCEPT) {
        rig->ballot = m->ballot;
    } else if (m->type == SYNOD_MESSAGE_PROMISE) {
        rig->promised = m->ballot;
    } else if (m->type == SYNOD_MESSAGE_REFUSED || m->type == SYNOD_MESSAGE_ANSWER) {
        rig->promised = m->promised;
    } else if (m->type == SYNOD_MESSAGE_ASK || m->type == SYNOD_MESSAGE_READ) {
        rig->asked = m->id;
    }
}

/* A piece of the snapshot, or nothing where there is none. */
static void answer_pull(struct replica_other *other, struct bytes body)
{
    const struct bytes file = buffer_bytes(&other->rig->snapshot);
    uint8_t head[24];
    assert(body.size == 16);
    const uint64_t offset = get_u64(body.data + 8);
    if (offset >= file.size) {
        return;
    }
    const size_t left = file.size - (size_t)offset;
    memcpy(head, body.data, 8);
    put_u64(head + 8, file.size);
    put_u64(head + 16, offset);
    const struct bytes parts[] = {
        bytes_of(head, sizeof head),
        bytes_of(file.data + offset, left < PIECE_MAX ? left : PIECE_MAX)};
    replica_rig_send(other, FRAME_SNAPSHOT_PIECE, parts, 2);
}

/* What the replica says is well formed. */
static void handle_frame(struct replica_other *other, struct bytes frame)
{
    static struct synod_entry entries[ENTRIES_MAX];
    static struct synod_vote votes[ENTRIES_MAX];
    static struct bytes values[ENTRIES_MAX];
    const struct wire_arrays arrays = {entries, votes, values, ENTRIES_MAX, ENTRIES_MAX};
    const struct frame_header header = frame_decode_header(frame.data);
    const struct bytes body =
        bytes_of(frame.data + FRAME_HEADER_SIZE, frame.size - FRAME_HEADER_SIZE);
    struct frame_hello hello;
    struct synod_message message;
    assert(frame_is_intact(frame));
    if (header.type == FRAME_HELLO) {
        const char *wrong = frame_decode_hello(body, &hello);
        assert(wrong == NULL);
        answer_hello(other, &hello);
    } else if (header.type == FRAME_MESSAGE) {
        const char *wrong = wire_decode(body, &arrays, &message);
        assert(wrong == NULL);
        note_message(other->rig, &message);
        if (other->is_honest) {
            answer_message(other, &message);
        }
    } else if (header.type == FRAME_SNAPSHOT_PULL && other->is_honest) {
        answer_pull(other, body);
    }
}

/* -- Streams of the others ---------------------------------------------------------------- */

static void on_data(void *context, struct bytes data)
{
    struct replica_other *other = context;
    const int error = buffer_append(&other->received, data.data, data.size);
    assert(error == 0);
    for (;;) {
        const struct bytes held = buffer_bytes(&other->received);
        if (held.size < FRAME_HEADER_SIZE) {
            return;
        }
        const size_t size = FRAME_HEADER_SIZE + (size_t)frame_decode_header(held.data).body_size;
        if (held.size < size) {
            return;
        }
        handle_frame(other, bytes_of(held.data, size));
        buffer_consume(&other->received, size);
    }
}

static void on_nothing(__attribute__((unused)) void *context)
{
}

static void hang_up(struct replica_other *other)
{
    if (other->stream != NULL) {
        os_stream_close(other->stream);
        other->stream = NULL;
    }
    buffer_clear(&other->received, 0);
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    hang_up(context);
}

static const struct os_stream_events STREAM_EVENTS = {
    .on_open = on_nothing, .on_data = on_data, .on_drain = on_nothing, .on_close = on_close};

static void on_accept(void *context, struct os_stream *stream)
{
    struct replica_other *other = context;
    hang_up(other);
    other->stream = stream;
    os_stream_attach(stream, &STREAM_EVENTS, other);
}

/* -- The replica -------------------------------------------------------------------------- */

static void on_running(void *context)
{
    ((struct replica_rig *)context)->is_running = 1;
}

static void on_leader(__attribute__((unused)) void *context)
{
}

/* Nobody's bytes end a process, but a snapshot that is whole and that no store can have written. */
static void on_failed(void *context, const struct report *report)
{
    struct replica_rig *rig = context;
    assert(report->error == SYNOD_ERR_CORRUPT);
    assert(strstr(report->text, "cannot restore a snapshot") != NULL);
    rig->is_failed = 1;
}

static void on_stopped(void *context)
{
    ((struct replica_rig *)context)->is_running = 0;
}

static const struct replica_events EVENTS = {.on_running = on_running,
                                             .on_leader = on_leader,
                                             .on_failed = on_failed,
                                             .on_stopped = on_stopped};

/* The listeners of the others follow the replica's own. */
static void listen_for_others(struct replica_rig *rig)
{
    for (uint32_t i = 0; i < rig->other_count; i++) {
        struct replica_other *other = &rig->others[i];
        const int refused =
            os_listen(&rig->machine.pair->os, ADDRESSES[i + 1], on_accept, other, &other->listener);
        assert(refused == 0);
    }
}

int replica_rig_open(struct replica_rig *rig, struct report *report)
{
    struct replica_member members[REPLICA_RIG_OTHERS + 1];
    struct replica_options options;
    struct synod_machine machine;
    assert(rig->replica == NULL);
    for (uint32_t i = 0; i <= REPLICA_RIG_OTHERS; i++) {
        members[i] = (struct replica_member){NAMES[i], ADDRESSES[i]};
    }
    rig->store = machine_new();
    assert(rig->store != NULL);
    machine_callbacks(rig->store, &machine);
    replica_options_init(&options);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = rig;
    options.data_dir = "/data";
    options.token = "t";
    options.listen = ADDRESSES[0];
    options.members = members;
    options.member_count = rig->other_count + 1;
    options.command_size_max = 2000;
    options.pending_max = 64;
    options.pending_bytes_max = 20000;
    options.snapshot_bytes = 100000;
    options.tail_bytes = 1000;
    options.cache_bytes = 1000;
    options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    options.window = rig->window;
    const int error = replica_open(&rig->machine.pair->os, &options, report, &rig->replica);
    machine_os_settle(&rig->machine);
    if (error != 0) {
        rig->replica = NULL;
        machine_free(rig->store);
        return error;
    }
    listen_for_others(rig);
    return 0;
}

/* As if the process had died. */
static void end_replica(struct replica_rig *rig)
{
    replica_kill(rig->replica);
    machine_os_drain(&rig->machine);
    rig->results = 0; /* Nothing is told any more. */
    replica_free(rig->replica);
    rig->replica = NULL;
    machine_os_drain(&rig->machine);
    machine_free(rig->store);
    for (uint32_t i = 0; i < rig->other_count; i++) {
        hang_up(&rig->others[i]);
    }
    rig->is_running = rig->is_failed = 0;
}

struct replica_rig *replica_rig_prepare(uint32_t others)
{
    struct replica_rig *rig = calloc(1, sizeof *rig);
    assert(rig != NULL && others <= REPLICA_RIG_OTHERS);
    machine_os_init(&rig->machine);
    rig->other_count = others;
    for (uint32_t i = 0; i < others; i++) {
        rig->others[i] = (struct replica_other){.rig = rig, .id = FIRST_ID + i, .is_honest = 1};
    }
    return rig;
}

struct replica_rig *replica_rig_new(uint32_t others)
{
    struct replica_rig *rig = replica_rig_prepare(others);
    struct report report;
    const int error = replica_rig_open(rig, &report);
    assert(error == 0);
    for (uint32_t i = 0; i < 50 && !rig->is_running; i++) {
        machine_os_advance(&rig->machine, 20000);
    }
    assert(rig->is_running);
    return rig;
}

void replica_rig_restart(struct replica_rig *rig)
{
    struct report report;
    end_replica(rig);
    machine_os_restart(&rig->machine);
    const int error = replica_rig_open(rig, &report);
    assert(error == 0);
    machine_os_advance(&rig->machine, 100000);
}

void replica_rig_stop(struct replica_rig *rig)
{
    if (!rig->is_failed && rig->is_running) {
        replica_stop(rig->replica);
        machine_os_settle(&rig->machine);
        assert(rig->results == 0 && !rig->is_running);
    }
    end_replica(rig);
}

void replica_rig_free(struct replica_rig *rig)
{
    for (uint32_t i = 0; i < rig->other_count; i++) {
        buffer_deinit(&rig->others[i].received);
    }
    machine_os_deinit(&rig->machine);
    buffer_deinit(&rig->snapshot);
    free(rig);
}

/* -- Wishes ------------------------------------------------------------------------------- */

static void on_result(void *context, int error, const void *result)
{
    struct replica_rig *rig = context;
    assert(rig->results > 0);
    assert(error == 0 || error == SYNOD_ERR_UNKNOWN || error == SYNOD_ERR_NO_LEADER ||
           error == SYNOD_ERR_STOPPED);
    assert(error != 0 || result != NULL);
    rig->results--;
    rig->done += error == 0;
}

static void on_read(void *context, int error)
{
    struct replica_rig *rig = context;
    assert(rig->results > 0 &&
           (error == 0 || error == SYNOD_ERR_NO_LEADER || error == SYNOD_ERR_STOPPED));
    rig->results--;
    rig->done += error == 0;
}

void replica_rig_submit(struct replica_rig *rig, uint32_t kind, struct bytes command)
{
    rig->results += replica_submit(rig->replica, kind, command, on_result, rig) == 0;
}

void replica_rig_read(struct replica_rig *rig)
{
    rig->results += replica_read(rig->replica, on_read, rig) == 0;
}

/* -- Snapshots ---------------------------------------------------------------------------- */

struct source {
    struct synod_machine callbacks;
    void *cursor;
};

static int64_t read_source(void *context, void *to, size_t size)
{
    const struct source *source = context;
    return source->callbacks.snapshot_read(source->cursor, to, size);
}

/* The file of an empty store at `slot`, as another member of this cluster would have it. */
void replica_rig_snapshot(struct replica_rig *rig, synod_slot slot, uint64_t cluster)
{
    char path[64];
    size_t size;
    struct os *os = os_memory_new(1);
    struct machine *store = machine_new();
    struct source source;
    const struct snapshot_info info = {.cluster = cluster, .slot = slot, .view = 1};
    assert(store != NULL && cluster != 0);
    machine_callbacks(store, &source.callbacks);
    source.cursor = source.callbacks.snapshot_open(source.callbacks.context);
    (void)os_dir_create(os, "/d");
    int error = snapshot_start(os, "/d", NULL);
    assert(error == 0 && source.cursor != NULL);
    error = snapshot_write(os, "/d", &info, (struct snapshot_source){&source, read_source}, NULL);
    assert(error == 0);
    source.callbacks.snapshot_close(source.callbacks.context, source.cursor);
    machine_free(store);
    snprintf(path, sizeof path, "/d/snap/%016llx.snap", (unsigned long long)slot);
    const uint8_t *bytes = os_memory_bytes(os, path, &size);
    buffer_clear(&rig->snapshot, 0);
    error = buffer_append(&rig->snapshot, bytes, size);
    assert(error == 0);
    rig->snapshot_slot = slot;
    os_memory_free(os);
}

void replica_rig_offer(struct replica_other *other, synod_slot slot)
{
    uint8_t body[16];
    replica_rig_snapshot(other->rig, slot, other->rig->hello.table_hash);
    put_u64(body, slot);
    put_u64(body + 8, buffer_size(&other->rig->snapshot));
    const struct bytes part = bytes_of(body, sizeof body);
    replica_rig_send(other, FRAME_SNAPSHOT_OFFER, &part, 1);
}
