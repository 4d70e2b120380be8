/* scan_judge.c -- a bad flush: was it torn, and may be cut, or had it been acknowledged?
 *
 * Why the one can be told from the other is said at the top of segment.c. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/scan_internal.h"

/* -- Looking for headers ------------------------------------------------------------------ */

/* Where the next flush should have been, if nothing better is known. */
static struct place default_place(const struct scan *scan)
{
    assert(scan->result->end < scan->result->count);
    assert(scan->result->offset <= scan->result->segments[scan->result->end].name.bytes);
    const struct scan_result *result = scan->result;
    if (!scan_has_room(scan) && result->end + 1 < result->count) {
        return (struct place){result->end + 1, 0};
    }
    return (struct place){result->end, result->offset};
}

/* Visit every block from `from` to the end of the last segment until one holds a header, for
 * which `is_wanted` answers 1. */
static int find_header(struct scan *scan, struct place from,
                       int (*is_wanted)(const struct scan *, struct place,
                                        const struct segment_flush *),
                       struct found *found, int *is_found)
{
    assert(is_wanted != NULL);
    assert(from.offset % SEGMENT_BLOCK_BYTES == 0);
    assert(from.index >= scan->result->end);
    struct place place = from;
    *is_found = 0;
    while (place.index < scan->result->count) {
        enum segment_verdict verdict = SEGMENT_NOTHING;
        const uint8_t *header = NULL;
        if (place.offset >= scan_name_of(scan, place).bytes) {
            place = (struct place){place.index + 1, 0};
            continue;
        }
        const int error = scan_read_header(scan, place, &found->flush, &verdict, &header);
        if (error != 0) {
            return error;
        }
        if (verdict != SEGMENT_NOTHING && scan_is_ours(scan, place, &found->flush) &&
            is_wanted(scan, place, &found->flush)) {
            found->place = place;
            found->hash = segment_chain(header);
            *is_found = 1;
            return 0;
        }
        place.offset += SEGMENT_BLOCK_BYTES;
    }
    return 0;
}

/* The proof that the flush that is judged had returned. Where nothing is known of the log,
 * whatever was written proves that the first flush was. */
static int is_later(const struct scan *scan, __attribute__((unused)) struct place place,
                    const struct segment_flush *flush)
{
    assert(flush->number > 0 || flush->format > SEGMENT_FORMAT);
    assert(!scan_is_log_known(scan) || scan->judged >= scan->result->next_number);
    return flush->number > scan->judged;
}

static void warn(struct scan *scan, struct place place, const char *text)
{
    assert(text != NULL);
    assert(place.index < scan->result->count);
    struct report warning;
    char path[SEGMENT_PATH_BYTES];
    if (scan->input->callbacks.on_warning == NULL) {
        return;
    }
    segment_path(path, scan->input->dir, scan_name_of(scan, place));
    report_fill(&warning, 0, (struct report_place){path, place.offset}, "%s", text);
    scan->input->callbacks.on_warning(scan->input->callbacks.context, &warning);
}

/* The second header of the next flush, lying where it says that it should. The first flush of all,
 * whose number nobody knows, is where the oldest segment begins: a segment behind that begins with
 * a flush too, which says the same of itself. */
static int is_second_header(const struct scan *scan, struct place place,
                            const struct segment_flush *flush)
{
    assert(place.index >= scan->result->end);
    assert(scan_is_ours(scan, place, flush));
    const struct scan_result *result = scan->result;
    const size_t index_max = result->end + (scan_is_log_known(scan) || MUTANT(79) ? 1 : 0);
    const uint32_t offset = place.index == result->end ? result->offset : 0;
    const int is_next = !scan_is_log_known(scan) ||
                        (flush->number == result->next_number && flush->chain == result->chain &&
                         flush->first_lsn == result->next_lsn);
    return is_next && place.index <= index_max && flush->offset == offset &&
           flush->format == SEGMENT_FORMAT && flush->copies_bytes > 0 &&
           flush->segment_bytes == scan_name_of(scan, place).bytes &&
           place.offset == flush->offset + segment_copies_offset(flush);
}

/* Does the flush behind `found` name it as its predecessor? Only this tells the headers of a
 * flush that had returned from what a torn one left. */
static int is_named_by_next(struct scan *scan, const struct found *found, int *is_named)
{
    assert(is_named != NULL);
    assert(found->flush.format == SEGMENT_FORMAT);
    assert(found->place.offset == found->flush.offset);
    const uint64_t end = found->flush.offset + segment_flush_bytes(&found->flush);
    const struct place places[] = {{found->place.index, (uint32_t)end},
                                   {found->place.index + 1, 0}};
    *is_named = 0;
    for (size_t i = 0; i < 2 && !*is_named; i++) {
        struct segment_flush next;
        enum segment_verdict verdict = SEGMENT_NOTHING;
        if (places[i].index >= scan->result->count ||
            places[i].offset >= scan_name_of(scan, places[i]).bytes) {
            continue;
        }
        const int error = scan_read_header(scan, places[i], &next, &verdict, NULL);
        if (error != 0) {
            return error;
        }
        *is_named = verdict == SEGMENT_GOOD && next.log == found->flush.log &&
                    next.segment == scan_name_of(scan, places[i]).number &&
                    next.offset == places[i].offset && next.number == found->flush.number + 1 &&
                    next.chain == found->hash;
    }
    return 0;
}

/* Where the first flush of the log is bad, the log's id is not known, and then a client's bytes can
 * say whatever they like. Only in the first block of a segment there are none, so one behind the
 * oldest must know the same id. */
static int is_vouched_for(struct scan *scan, const struct found *found, int *is_so)
{
    assert(is_so != NULL);
    assert(found->place.index < scan->result->count);
    *is_so = scan_is_log_known(scan) || MUTANT(85);
    for (size_t i = found->place.index + 1; i < scan->result->count && !*is_so; i++) {
        const struct place place = {i, 0};
        struct segment_flush flush;
        enum segment_verdict verdict = SEGMENT_NOTHING;
        const int error = scan_read_header(scan, place, &flush, &verdict, NULL);
        if (error != 0) {
            return error;
        }
        *is_so = verdict == SEGMENT_GOOD && flush.offset == 0 && flush.log == found->flush.log &&
                 flush.segment == scan_name_of(scan, place).number;
    }
    return 0;
}

/* The damage that a refusal names. A segment begins with a header: if the first one that is found
 * in it is of a flush behind its first block, that block is damaged, even if there was room for the
 * next flush in the segment before. */
static struct place damaged_place(struct place expected, const struct found *later)
{
    assert(later->place.index >= expected.index);
    assert(later->place.offset % SEGMENT_BLOCK_BYTES == 0);
    const int is_start_bad =
        later->place.index > expected.index && (later->place.offset > 0 || later->flush.offset > 0);
    return is_start_bad ? (struct place){later->place.index, 0} : expected;
}

/* A flush that had returned is bad: is there a header, the first or the second, that tells what
 * was in it? Else refuse, naming `damage`. */
static int find_any_header(struct scan *scan, struct place place, struct place damage,
                           struct found *found, int is_found)
{
    assert(place.index >= scan->result->end);
    assert(!is_found || found->flush.number == scan->judged);
    int error = 0;
    if (!is_found) {
        error = find_header(scan, place, is_second_header, found, &is_found);
        found->place.offset = is_found ? found->flush.offset : place.offset;
        if (is_found) {
            MARK("judge: a flush is known by its second header");
            error = is_vouched_for(scan, found, &is_found);
        }
    }
    if (error == 0 && is_found) {
        error = is_named_by_next(scan, found, &is_found);
    }
    if (error == 0 && !is_found) {
        return scan_refuse(scan, SYNOD_ERR_CORRUPT, damage,
                           "it is damaged; a later flush proves that it was complete");
    }
    return error;
}

/* A flush that had returned is damaged: take its records if each is whole in one copy. */
static int salvage(struct scan *scan, const struct found *found)
{
    assert(found->flush.format == SEGMENT_FORMAT);
    assert(found->flush.offset == found->place.offset);
    uint32_t bad_offset = 0;
    enum mend_order order = MEND_FIRST;
    const uint8_t *data = NULL;
    int error = scan_read_flush(scan, found, &data);
    if (error == 0) {
        error = mend_flush(scan, found, data, &order, &bad_offset);
    }
    if (error == 0) {
        error = scan_take_flush(scan, found, data, order);
    }
    if (error == 0) {
        MARK("judge: every record of a damaged flush is saved");
        warn(scan,
             (struct place){found->place.index, bad_offset != 0 ? bad_offset : found->flush.offset},
             "damaged here; every record of the flush was found whole, in one copy or the other");
    }
    return error;
}

int scan_judge_bad(struct scan *scan, struct found *found, int is_found, int *is_end)
{
    assert(is_end != NULL && !*is_end);
    assert(!is_found || found->place.index >= scan->result->end);
    const struct place place = is_found ? found->place : default_place(scan);
    struct found later;
    int is_proved = 0;
    scan->judged = scan_is_log_known(scan) ? scan->result->next_number : 0;
    if (is_found) {
        scan->judged = found->flush.number;
    }
    int error = find_header(scan, place, is_later, &later, &is_proved);
    if (error != 0) {
        return error;
    }
    *is_end = !is_proved || MUTANT(21);
    if (is_proved) {
        MARK("judge: a later flush proves that a bad one was complete");
    }
    if (*is_end) {
        if (is_found) {
            warn(scan, place, "cut a flush that a crash left unfinished; nothing acknowledged it");
            MARK("judge: cuts a torn flush");
            if (scan->result->end != place.index) {
                scan->result->end = place.index;
                scan->result->offset = place.offset;
                scan->result->last = place.offset;
            }
            assert(scan->result->offset == place.offset);
        }
        return 0;
    }
    if (later.flush.format > SEGMENT_FORMAT && !scan_is_log_known(scan)) {
        return scan_refuse(scan, SYNOD_ERR_FOREIGN, later.place,
                           "this one was written by a newer version of the program");
    }
    const struct place damage = is_found ? place : damaged_place(place, &later);
    error = find_any_header(scan, place, damage, found, is_found);
    return error == 0 ? salvage(scan, found) : error;
}
