/* records.c -- what a replica writes into the log: the bodies of its records. */
#include "replica/records.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "replica/log.h"

enum {
    ENTRY_AT = 32
}; /* Behind the view and the ballot. */

static void put_head(uint8_t to[RECORD_HEAD_SIZE], const struct synod_record *record)
{
    put_u64(to, record->view);
    put_u64(to + 8, record->ballot.round);
    put_u64(to + 16, record->ballot.member);
    put_u64(to + 24, record->ballot.incarnation);
    put_u64(to + ENTRY_AT, record->entry.slot);
    put_u64(to + ENTRY_AT + 8, record->entry.view);
    put_u64(to + ENTRY_AT + 16, record->entry.checksum);
    put_u32(to + ENTRY_AT + 24, record->entry.size);
    put_u32(to + ENTRY_AT + 28, record->entry.kind);
}

static void get_head(const uint8_t *from, struct synod_record *record)
{
    record->view = get_u64(from);
    record->ballot = (struct synod_ballot){.round = get_u64(from + 8),
                                           .member = get_u64(from + 16),
                                           .incarnation = get_u64(from + 24)};
    record->entry = (struct synod_entry){.slot = get_u64(from + ENTRY_AT),
                                         .view = get_u64(from + ENTRY_AT + 8),
                                         .checksum = get_u64(from + ENTRY_AT + 16),
                                         .size = get_u32(from + ENTRY_AT + 24),
                                         .kind = get_u32(from + ENTRY_AT + 28)};
}

static struct wal_kind kind_of(uint32_t type, uint32_t flags)
{
    return (struct wal_kind){.type = (uint16_t)type, .format = RECORD_FORMAT, .flags = flags};
}

uint64_t records_append(struct wal *wal, const struct synod_record *record)
{
    uint8_t head[RECORD_HEAD_SIZE];
    struct bytes parts[2];
    size_t count = 1;
    uint32_t flags = 0;

    put_head(head, record);
    switch (record->type) {
    case SYNOD_RECORD_PROMISE:
        parts[0] = bytes_of(head, ENTRY_AT);
        flags = MUTANT(138) ? 0 : WAL_TWO_COPIES;
        break;
    case SYNOD_RECORD_VOTE:
    case SYNOD_RECORD_LEARNED:
        parts[0] = bytes_of(head, sizeof head);
        if (record->entry.kind == SYNOD_ENTRY_VALUE) {
            const struct value *value = value_of_handle(record->entry.handle);
            assert(value != NULL && value->size == record->entry.size);
            parts[count++] = bytes_of(value->bytes, value->size);
        }
        break;
    case SYNOD_RECORD_CHOSEN:
        put_u64(head + 8, record->chosen);
        parts[0] = bytes_of(head, 16);
        break;
    }
    return wal_append(wal, kind_of(record->type, flags), parts, count);
}

uint64_t records_append_own(struct wal *wal, enum record_type type, struct bytes body)
{
    return wal_append(wal, kind_of(type, WAL_TWO_COPIES), &body, 1);
}

int records_decode(const struct wal_record *wal_record, struct synod_record *record,
                   struct bytes *value)
{
    const struct bytes body = wal_record->body;
    *record = (struct synod_record){.type = (enum synod_record_type)wal_record->kind.type};
    *value = (struct bytes){0};

    switch (record->type) {
    case SYNOD_RECORD_PROMISE:
        if (body.size != ENTRY_AT) {
            return -1;
        }
        record->view = get_u64(body.data);
        record->ballot = (struct synod_ballot){.round = get_u64(body.data + 8),
                                               .member = get_u64(body.data + 16),
                                               .incarnation = get_u64(body.data + 24)};
        return 0;
    case SYNOD_RECORD_VOTE:
    case SYNOD_RECORD_LEARNED:
        if (body.size < RECORD_HEAD_SIZE) {
            return -1;
        }
        get_head(body.data, record);
        *value = bytes_of(body.data + RECORD_HEAD_SIZE, body.size - RECORD_HEAD_SIZE);
        return value->size == record->entry.size && record->entry.slot > 0 ? 0 : -1;
    case SYNOD_RECORD_CHOSEN:
        if (body.size != 16) {
            return -1;
        }
        record->view = get_u64(body.data);
        record->chosen = get_u64(body.data + 8);
        return 0;
    }
    return -1;
}

/* -- For people --------------------------------------------------------------------------- */

const char *records_type_name(uint16_t type)
{
    switch (type) {
    case SYNOD_RECORD_PROMISE:
        return "promise";
    case SYNOD_RECORD_VOTE:
        return "vote";
    case SYNOD_RECORD_LEARNED:
        return "learned";
    case SYNOD_RECORD_CHOSEN:
        return "chosen";
    case RECORD_IDENTITY:
        return "identity";
    case RECORD_START:
        return "start";
    case RECORD_TABLE:
        return "table";
    case RECORD_RUNNING:
        return "running";
    default:
        return "unknown";
    }
}

static void describe_core(const struct wal_record *wal_record, char *text, size_t size)
{
    struct synod_record record;
    struct bytes value;
    if (records_decode(wal_record, &record, &value) != 0) {
        snprintf(text, size, "not a record of this type");
    } else if (record.type == SYNOD_RECORD_CHOSEN) {
        snprintf(text, size, "view %" PRIu64 ", every slot up to %" PRIu64, record.view,
                 record.chosen);
    } else if (record.type == SYNOD_RECORD_PROMISE) {
        snprintf(text, size, "view %" PRIu64 ", ballot %" PRIu64 ".%" PRIx64 ".%" PRIx64,
                 record.view, record.ballot.round, record.ballot.member, record.ballot.incarnation);
    } else {
        snprintf(text, size,
                 "slot %" PRIu64 ", ballot %" PRIu64 ".%" PRIx64 ".%" PRIx64 ", %s of %u bytes",
                 record.entry.slot, record.ballot.round, record.ballot.member,
                 record.ballot.incarnation,
                 record.entry.kind == SYNOD_ENTRY_NOOP ? "no-op" : "value", record.entry.size);
    }
}

void records_describe(const struct wal_record *record, char *text, size_t size)
{
    const struct bytes body = record->body;
    if (record->kind.type == RECORD_IDENTITY && body.size == 8) {
        snprintf(text, size, "member %" PRIx64, get_u64(body.data));
    } else if (record->kind.type == RECORD_START && body.size == 16) {
        snprintf(text, size, "start %" PRIu64 ", random %" PRIx64, get_u64(body.data),
                 get_u64(body.data + 8));
    } else if (record->kind.type >= RECORD_IDENTITY) {
        snprintf(text, size, "%zu bytes", body.size);
    } else {
        describe_core(record, text, size);
    }
}
