/* wal_check.c -- what is always true of a log, as a program.
 *
 * Run whenever the loop enters the log and leaves it, so it looks at the oldest segment and at
 * the newest two: those between do not change. What a worker has for itself at the time
 * (wal_internal.h) is not looked at. */
#include "base/assert.h"
#include "wal/wal_internal.h"

/* A buffer holds whole records, and has room for the flush that they make. */
static void check_buffer(const struct wal_buffer *buffer)
{
    const struct segment_flush flush = {.records_bytes = buffer->records_bytes,
                                        .copies_bytes = buffer->copies_bytes};
    assert((buffer->data == NULL) == (buffer->capacity == 0));
    assert((uintptr_t)buffer->data % SEGMENT_BLOCK_BYTES == 0);
    assert(buffer->records_bytes % 8 == 0);
    assert(buffer->copies_bytes <= buffer->records_bytes);
    assert(buffer->records_bytes >= buffer->count * (uint64_t)SEGMENT_RECORD_HEADER_BYTES);
    assert(buffer->count == 0 || segment_flush_bytes(&flush) <= buffer->capacity);
    assert(buffer->count == 0 || buffer->first_lsn > 0);
}

static void check_segment(const struct wal *wal, const struct wal_segment *segment)
{
    assert(segment->used <= segment->name.bytes);
    assert(segment->used % SEGMENT_BLOCK_BYTES == 0);
    assert(segment->count <= segment->capacity);
    assert(segment->first_lsn > 0);
    assert(segment->first_lsn + segment->count <= wal->durable + 1);
    if (segment->count > 0) {
        const struct wal_mark *last = &segment->marks[segment->count - 1];
        assert(last->offset + segment_record_bytes(last->size) <= segment->used);
    }
}

static const struct wal_segment *segment_of(const struct list *link)
{
    return LIST_ITEM(link, const struct wal_segment, link);
}

/* Numbers without gaps: of segments, and of the records in them. */
static void check_segments(const struct wal *wal)
{
    assert(!list_is_empty(&wal->segments));
    const struct wal_segment *oldest = segment_of(wal->segments.next);
    const struct wal_segment *newest = segment_of(wal->segments.previous);
    check_segment(wal, oldest);
    check_segment(wal, newest);
    assert(atomic_load(&wal->first_segment) == oldest->name.number);
    assert(newest->first_lsn + newest->count == wal->durable + 1);
    if (oldest != newest) {
        const struct wal_segment *before = segment_of(newest->link.previous);
        assert(newest->name.number == before->name.number + 1);
        assert(newest->first_lsn == before->first_lsn + before->count);
        assert(before->used > 0); /* Or it would not have been left. */
    }
}

/* Every record that was appended is durable, on its way, or waits: in this order. */
static void check_records(const struct wal *wal)
{
    uint64_t next = wal->durable + 1;
    if (wal->writing.count > 0) { /* After a failure it stays there. */
        assert(wal->writing.first_lsn == next);
        next += wal->writing.count;
    }
    if (wal->forming.count > 0) {
        assert(wal->forming.first_lsn == next);
        next += wal->forming.count;
    }
    assert(wal->durable <= wal->last);
    assert(wal->is_failed ? next <= wal->last + 1 : next == wal->last + 1);
}

void wal_check(const struct wal *wal)
{
    check_segments(wal);
    check_records(wal);
    check_buffer(&wal->forming);
    supply_check(&wal->supply);
    if (!wal->is_writing) {
        check_buffer(&wal->writing);
        assert(wal->writing.count == 0 || wal->is_failed);
    }
    assert(wal->file != NULL);
    assert(wal->log != 0);
    assert(wal->next_number > 1); /* The opening flush was. */
    assert(!wal->is_failure_told || wal->is_failed);
    assert(!wal->is_failed || wal->failure.error < 0);
    assert(wal->is_closing || wal->on_closed == NULL);
    assert(wal->trim <= wal->last + 1);
    assert(!wal->is_sealed || !wal->is_seal_wanted);
}
