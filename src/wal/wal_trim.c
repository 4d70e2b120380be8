/* wal_trim.c -- the segments of a log: begun, searched, and given up when nothing needs them.
 *
 * WHY TRIMMING NEVER FORGETS A PROMISE
 *
 * What the log holds is of two kinds. Votes and entries are needed until a snapshot holds what
 * they led to: the owner says so by wal_trim(lsn). Promises, the start count, the founding
 * table, the view are needed for ever; but of each only the last. So the owner, asked by
 * on_segment, appends them again whenever a segment begins, in a flush that is marked. A
 * segment is given up only if
 *
 *   1. every record in it is below the lsn of wal_trim(), and
 *   2. a marked flush in a later segment is durable, and another flush behind it is, and
 *   3. every record that was appended before wal_trim() is durable.
 *
 * Rule 3 is for records of the first kind. A vote that is cast anew for the same slot makes the
 * record of the earlier one needless, and the owner counts it so from the moment it appends the
 * new one. But as long as that one can be lost in a crash, the earlier is the vote that this
 * member has.
 *
 * The other flush of rule 2 is the proof that the marked one had returned (segment.c). Without it
 * damage to the marked flush looks torn, and is cut: that may cost what this flush alone held, but
 * not what was on the disk for years before it.
 *
 * Let r be the last record of the second kind about some thing, and let its segment be given
 * up. By 2 there is a durable marked flush f in a later segment. What on_segment appends is the
 * owner's state when f was formed, r included: r has a lower number than the records of f. So f
 * tells the same as r, or, as r was the last, is r. Recovery hands out what is left in order
 * and the later wins: it ends with what r said. Segments go oldest first, so f is there as
 * long as anything before it is.
 *
 * A crash in between changes nothing: the name of the old segment goes away only after f is
 * durable, and until it is gone for good (the directory is synced after each), recovery reads
 * the old segment and then f. Before f is durable nothing is given up.
 *
 * The opening flush of a life can be the first in its segment, without a mark, for the owner's
 * state is not known yet. Then the first flush after it is marked instead, and rule 2 goes on
 * protecting what is before.
 *
 * Segment 1 needs no mark: nothing was trimmed before it. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "wal/wal_internal.h"

/* Room left in a segment of its own for a flush larger than segments are: it has seals. */
enum {
    SLACK_BYTES = 8 * SEGMENT_BLOCK_BYTES
};

static struct wal_segment *segment_of(struct list *link)
{
    assert(link != NULL);
    return LIST_ITEM(link, struct wal_segment, link);
}

static struct wal_segment *oldest(const struct wal *wal)
{
    assert(!list_is_empty(&wal->segments));
    return segment_of(wal->segments.next);
}

struct wal_segment *wal_current(const struct wal *wal)
{
    assert(!list_is_empty(&wal->segments));
    return segment_of(wal->segments.previous);
}

/* -- Beginning one ----------------------------------------------------------------------- */

struct wal_segment *wal_segment_append(struct wal *wal, struct segment_name name,
                                       uint64_t first_lsn)
{
    assert(name.number > 0);
    assert(first_lsn > 0);
    struct wal_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) {
        return NULL;
    }
    if (list_is_empty(&wal->segments)) {
        atomic_store(&wal->first_segment, name.number);
    } else {
        assert(name.number == wal_current(wal)->name.number + 1);
    }
    segment->name = name;
    segment->first_lsn = first_lsn;
    list_append(&wal->segments, &segment->link);
    return segment;
}

int wal_segment_reserve(struct wal_segment *segment, size_t count)
{
    assert(segment->count <= segment->capacity);
    assert((segment->marks == NULL) == (segment->capacity == 0));
    if (segment->count + count <= segment->capacity) {
        return 0;
    }
    size_t capacity = segment->capacity == 0 ? 64 : 2 * segment->capacity;
    while (capacity < segment->count + count) {
        capacity *= 2;
    }
    void *grown = realloc(segment->marks, capacity * sizeof *segment->marks);
    if (grown == NULL) {
        return -1;
    }
    segment->marks = grown;
    segment->capacity = capacity;
    return 0;
}

uint32_t wal_next_bytes(const struct wal *wal, uint64_t flush_bytes)
{
    assert(flush_bytes % SEGMENT_BLOCK_BYTES == 0);
    uint64_t bytes = WAL_FIRST_SEGMENT_BYTES;
    if (!list_is_empty(&wal->segments)) {
        bytes = 2 * (uint64_t)wal_current(wal)->name.bytes;
    }
    bytes = bytes < wal->segment_bytes ? bytes : wal->segment_bytes;
    if (bytes < flush_bytes + SLACK_BYTES && flush_bytes > 0) {
        bytes = flush_bytes + SLACK_BYTES;
    }
    assert(bytes % SEGMENT_BLOCK_BYTES == 0 && bytes <= UINT32_MAX);
    return (uint32_t)bytes;
}

int wal_switch_segment(struct wal *wal, uint64_t first_lsn)
{
    assert(first_lsn == wal->durable + 1);
    assert(wal->supply.ready_file != NULL);
    assert(!wal->is_writing);
    if (wal_segment_append(wal, wal->supply.ready, first_lsn) == NULL) {
        return -1;
    }
    if (wal->file != NULL) {
        os_file_close(wal->os, wal->file);
    }
    struct segment_name name;
    wal->file = supply_take(&wal->supply, &name);
    return 0;
}

/* -- Giving them up ---------------------------------------------------------------------- */

/* Rules 1 to 3 above, for the oldest segment. */
static int is_oldest_needless(const struct wal *wal)
{
    assert(!wal->is_failed);
    assert(wal->trim <= wal->last + 1 && wal->trim_after <= wal->last);
    const struct wal_segment *candidate = oldest(wal);
    if (candidate == wal_current(wal) || (wal->durable < wal->trim_after && !MUTANT(80))) {
        return 0;
    }
    const struct wal_segment *next = segment_of(candidate->link.next);
    if (next->first_lsn > wal->trim) {
        return 0;
    }
    for (const struct list *link = candidate->link.next; link != &wal->segments;
         link = link->next) {
        const uint64_t by = LIST_ITEM(link, struct wal_segment, link)->carried_by;
        if (by != 0 && (by + 1 < wal->next_number || MUTANT(86))) {
            return 1;
        }
    }
    return 0;
}

/* From here on nobody finds the oldest segment any more, and readers that have begun will see
 * that it is gone. Then its file goes. */
static void give_up_oldest(struct wal *wal)
{
    assert(is_oldest_needless(wal));
    assert(oldest(wal) != wal_current(wal));
    MARK("wal: gives up its oldest segment");
    struct wal_segment *segment = oldest(wal);
    const struct segment_name name = segment->name;
    list_remove(&segment->link);
    free(segment->marks);
    free(segment);
    atomic_store(&wal->first_segment, oldest(wal)->name.number);
    supply_recycle(&wal->supply, name);
}

/* True if the next segment should be in the making: a quarter of the present one is used, and
 * three quarters are time enough; or a flush waits for one. An idle server needs none. */
static int is_segment_due(const struct wal *wal)
{
    assert(!wal->supply.is_busy);
    assert(wal->supply.ready_file == NULL ||
           wal->supply.ready.number == wal_current(wal)->name.number + 1);
    const struct wal_segment *segment = wal_current(wal);
    if (wal->needed_bytes > 0) {
        return wal->supply.ready_file == NULL || wal->supply.ready.bytes < wal->needed_bytes;
    }
    return wal->supply.ready_file == NULL && segment->used > segment->name.bytes / 4;
}

void wal_tend_segments(struct wal *wal)
{
    assert(!wal->is_failed);
    if (wal->supply.is_busy) {
        return;
    }
    if (is_segment_due(wal)) {
        supply_make(&wal->supply, wal_current(wal)->name.number + 1,
                    wal_next_bytes(wal, wal->needed_bytes));
    } else if (is_oldest_needless(wal) && !wal->is_closing) {
        give_up_oldest(wal);
    }
}

void wal_trim(struct wal *wal, uint64_t lsn)
{
    assert(!wal->is_closing);
    assert(lsn <= wal->last + 1);
    if (lsn > wal->trim) {
        wal->trim = lsn;
        wal->trim_after = wal->last;
    }
    if (!wal->is_failed) {
        wal_tend_segments(wal);
    }
}

/* -- Looking ----------------------------------------------------------------------------- */

uint64_t wal_bytes(const struct wal *wal)
{
    assert(!list_is_empty(&wal->segments));
    uint64_t bytes = 0;
    for (const struct list *link = wal->segments.next; link != &wal->segments; link = link->next) {
        bytes += LIST_ITEM(link, struct wal_segment, link)->used;
    }
    return bytes;
}

uint64_t wal_tail(const struct wal *wal, uint64_t bytes)
{
    assert(!list_is_empty(&wal->segments));
    uint64_t lsn = wal->last + 1;
    uint64_t total = 0;
    for (struct list *link = wal->segments.previous; link != &wal->segments && total < bytes;
         link = link->previous) {
        total += segment_of(link)->used;
        lsn = segment_of(link)->first_lsn;
    }
    assert(lsn >= wal_first(wal));
    return lsn;
}

uint64_t wal_first(const struct wal *wal)
{
    assert(oldest(wal)->first_lsn <= wal->last + 1);
    return oldest(wal)->first_lsn;
}

int wal_locate(const struct wal *wal, uint64_t lsn, struct wal_location *location)
{
    assert(location != NULL);
    assert(lsn > 0 && lsn <= wal->last);
    if (lsn > wal->durable) {
        return WAL_PENDING;
    }
    for (const struct list *link = wal->segments.previous; link != &wal->segments;
         link = link->previous) {
        const struct wal_segment *segment = LIST_ITEM(link, struct wal_segment, link);
        if (lsn >= segment->first_lsn) {
            assert(lsn - segment->first_lsn < segment->count);
            const struct wal_mark mark = segment->marks[lsn - segment->first_lsn];
            *location = (struct wal_location){.segment = segment->name.number,
                                              .segment_bytes = segment->name.bytes,
                                              .offset = mark.offset,
                                              .size = mark.size,
                                              .crc = mark.crc};
            return 0;
        }
    }
    return WAL_TRIMMED;
}
