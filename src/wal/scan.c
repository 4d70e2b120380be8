/* scan.c -- read a log from its oldest segment to its end.
 *
 * The walk, for each flush in turn (what the words mean is said at the top of segment.c):
 *
 *   find_next    the header that names number, chain and place of the next flush
 *   body good    -> take_flush: hand out its records, go on behind it
 *   else         -> scan_judge.c: is there a proof that it had returned?
 *     no         -> the end of the log
 *     yes        -> salvage: can it be put together again (mend.c)? take its records and
 *                   warn; else refuse, saying file, byte and what was expected there. */
#include "wal/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/scan_internal.h"

/* -- The segments ------------------------------------------------------------------------ */

static void list_segment(void *context, const char *text)
{
    struct scan *scan = context;
    assert(text != NULL);
    assert(scan->result->count <= scan->capacity);
    struct scan_result *result = scan->result;
    struct segment_name name;
    if (scan->error != 0 || !segment_name_parse(text, &name)) {
        return;
    }
    if (result->count == scan->capacity) {
        const size_t capacity = scan->capacity == 0 ? 16 : 2 * scan->capacity;
        void *grown = realloc(result->segments, capacity * sizeof *result->segments);
        if (grown == NULL) {
            scan->error = report_fill(scan->report, SYNOD_ERR_MEMORY,
                                      (struct report_place){scan->input->dir, REPORT_WHOLE},
                                      "no memory to list the segments");
            return;
        }
        result->segments = grown;
        scan->capacity = capacity;
    }
    result->segments[result->count++] = (struct scan_segment){.name = name};
}

/* List them and check that none is missing, doubled or cut off. */
static int list_segments(struct scan *scan)
{
    assert(scan->result->count == 0);
    assert(scan->error == 0);
    struct scan_result *result = scan->result;
    const struct report_place place = {scan->input->dir, REPORT_WHOLE};
    const int error = os_dir_list(scan->input->os, scan->input->dir, list_segment, scan);
    if (error != 0) {
        return report_system(scan->report, place, "listing the directory", error);
    }
    for (size_t i = 0; i < result->count && scan->error == 0; i++) {
        const struct segment_name name = result->segments[i].name;
        if (i > 0 && name.number != result->segments[i - 1].name.number + 1) {
            char path[SEGMENT_PATH_BYTES];
            segment_path(path, scan->input->dir, name);
            return report_fill(scan->report, SYNOD_ERR_CORRUPT,
                               (struct report_place){path, REPORT_WHOLE},
                               "expected segment %" PRIu64 " before this one: it is missing",
                               result->segments[i - 1].name.number + 1);
        }
        scan->error = window_open(&scan->window, name, scan->report);
    }
    return scan->error;
}

struct segment_name scan_name_of(const struct scan *scan, struct place place)
{
    assert(place.index < scan->result->count);
    return scan->result->segments[place.index].name;
}

int scan_read_header(struct scan *scan, struct place place, struct segment_flush *flush,
                     enum segment_verdict *verdict, const uint8_t **header)
{
    assert(flush != NULL && verdict != NULL);
    assert(place.offset % SEGMENT_BLOCK_BYTES == 0);
    assert(place.offset < scan_name_of(scan, place).bytes);
    const uint8_t *block = NULL;
    int error = window_open(&scan->window, scan_name_of(scan, place), scan->report);
    if (error == 0) {
        error = window_get(&scan->window, place.offset, SEGMENT_BLOCK_BYTES, &block, scan->report);
    }
    if (error == 0) {
        *verdict = segment_flush_decode(block, flush);
        if (header != NULL) {
            *header = block;
        }
    }
    return error;
}

int scan_is_log_known(const struct scan *scan)
{
    assert(scan->result != NULL);
    assert(scan->result->log != 0 || scan->result->flush_count == 0);
    return scan->result->log != 0;
}

int scan_refuse(struct scan *scan, int error, struct place place, const char *expected)
{
    assert(error == SYNOD_ERR_CORRUPT || error == SYNOD_ERR_FOREIGN);
    assert(expected != NULL);
    char path[SEGMENT_PATH_BYTES];
    segment_path(path, scan->input->dir, scan_name_of(scan, place));
    if (!scan_is_log_known(scan)) {
        return report_fill(scan->report, error, (struct report_place){path, place.offset},
                           "expected the first flush of the log: %s", expected);
    }
    return report_fill(scan->report, error, (struct report_place){path, place.offset},
                       "expected flush %" PRIu64 " with records from %" PRIu64 ": %s",
                       scan->result->next_number, scan->result->next_lsn, expected);
}

/* -- Finding the next flush -------------------------------------------------------------- */

int scan_is_ours(const struct scan *scan, struct place place, const struct segment_flush *flush)
{
    assert(place.index < scan->result->count);
    assert(flush != NULL);
    return (flush->segment == scan_name_of(scan, place).number || MUTANT(22)) &&
           (!scan_is_log_known(scan) || flush->log == scan->result->log);
}

/* Refuse the segment of another directory. Only the first block of a segment can tell: no
 * client's bytes ever lie there, and elsewhere a header that is not ours is no header at all. */
static int check_log(struct scan *scan, struct place place, const struct segment_flush *flush)
{
    assert(flush->format > 0);
    assert(place.offset % SEGMENT_BLOCK_BYTES == 0);
    if (place.offset == 0 && flush->segment == scan_name_of(scan, place).number &&
        scan_is_log_known(scan) && flush->log != scan->result->log) {
        return scan_refuse(scan, SYNOD_ERR_FOREIGN, place, "this segment is another directory's");
    }
    return 0;
}

/* Founding sets the cluster once; from then on there is no other. */
static int check_cluster(struct scan *scan, struct place place, const struct segment_flush *flush)
{
    assert(scan_is_ours(scan, place, flush));
    assert(scan->input->cluster == 0 || scan->result->cluster == 0 ||
           scan->input->cluster == scan->result->cluster);
    const uint64_t known = scan->result->cluster;
    const uint64_t cluster = known != 0 ? known : scan->input->cluster;
    char text[96];
    if (flush->cluster == cluster || cluster == 0 || (flush->cluster == 0 && known == 0)) {
        return 0;
    }
    snprintf(text, sizeof text, "this one is of cluster %016" PRIx64 ", not of cluster %016" PRIx64,
             flush->cluster, cluster);
    return scan_refuse(scan, SYNOD_ERR_FOREIGN, place, text);
}

/* Is the flush whose header was found at `place` the next one? Sets `is_next`. An error says
 * that it must not be there at all. */
static int judge_header(struct scan *scan, struct place place, enum segment_verdict verdict,
                        const struct segment_flush *flush, int *is_next)
{
    assert(is_next != NULL);
    assert(verdict == SEGMENT_NOTHING || flush->format > 0);
    const struct scan_result *result = scan->result;
    *is_next = 0;
    const int error = verdict == SEGMENT_NOTHING ? 0 : check_log(scan, place, flush);
    if (error != 0 || verdict == SEGMENT_NOTHING || !scan_is_ours(scan, place, flush) ||
        (scan_is_log_known(scan) && flush->number != result->next_number && !MUTANT(22))) {
        return error;
    }
    if (verdict == SEGMENT_NEWER) {
        return scan_refuse(scan, SYNOD_ERR_FOREIGN, place,
                           "this one was written by a newer version of the program");
    }
    if (flush->offset != place.offset || flush->segment_bytes != scan_name_of(scan, place).bytes) {
        return 0; /* A second header, or one that was misdirected. */
    }
    if (scan_is_log_known(scan) && !MUTANT(22) &&
        (flush->chain != result->chain || flush->first_lsn != result->next_lsn)) {
        return scan_refuse(scan, SYNOD_ERR_CORRUPT, place,
                           "this one follows another flush than the one before it");
    }
    *is_next = 1;
    return 0;
}

/* Look for the next flush at `place`. */
static int look(struct scan *scan, struct place place, struct found *found, int *is_found)
{
    assert(found != NULL && is_found != NULL);
    assert(place.index >= scan->result->end);
    enum segment_verdict verdict = SEGMENT_NOTHING;
    const uint8_t *header = NULL;
    *is_found = 0;
    int error = scan_read_header(scan, place, &found->flush, &verdict, &header);
    if (error == 0) {
        error = judge_header(scan, place, verdict, &found->flush, is_found);
    }
    if (error == 0 && *is_found) {
        found->place = place;
        found->hash = segment_chain(header);
    }
    return error;
}

int scan_has_room(const struct scan *scan)
{
    assert(scan->result->end < scan->result->count);
    assert(scan->result->offset % SEGMENT_BLOCK_BYTES == 0);
    const struct scan_result *result = scan->result;
    return result->offset < result->segments[result->end].name.bytes;
}

static int find_next(struct scan *scan, struct found *found, int *is_found)
{
    assert(scan->result->count > 0);
    assert(scan->result->segments[scan->result->end].used == scan->result->offset);
    const struct scan_result *result = scan->result;
    int error = 0;
    *is_found = 0;
    if (scan_has_room(scan)) {
        error = look(scan, (struct place){result->end, result->offset}, found, is_found);
    }
    if (error == 0 && !*is_found && scan_is_log_known(scan) && result->end + 1 < result->count) {
        error = look(scan, (struct place){result->end + 1, 0}, found, is_found);
    }
    return error;
}

/* -- Taking a flush ---------------------------------------------------------------------- */

static int hand_out(struct scan *scan, const struct found *found, const uint8_t *data,
                    const uint8_t *from)
{
    assert(from > data);
    assert((uint64_t)(from - data) < segment_flush_bytes(&found->flush));
    struct segment_record record;
    const int is_whole = segment_record_decode(from, &record);
    assert(is_whole);
    const struct wal_record given = {
        .lsn = record.lsn,
        .kind = {.group = record.group,
                 .type = record.type,
                 .format = record.format,
                 .flags = (record.flags & SEGMENT_TWO_COPIES) != 0 ? WAL_TWO_COPIES : 0},
        .body = bytes_of(from + SEGMENT_RECORD_HEADER_BYTES, record.size),
        .location = {.segment = found->flush.segment,
                     .segment_bytes = found->flush.segment_bytes,
                     .offset = found->flush.offset + (uint32_t)(from - data),
                     .size = record.size,
                     .crc = get_u32(from + SEGMENT_RECORD_CRC_AT)},
    };
    return scan->input->callbacks.on_record(scan->input->callbacks.context, &given);
}

/* Go on behind the flush. */
static void step_over(struct scan *scan, const struct found *found)
{
    assert(found->place.index >= scan->result->end);
    assert(!scan_is_log_known(scan) || found->flush.number == scan->result->next_number);
    assert(!scan_is_log_known(scan) || found->flush.first_lsn == scan->result->next_lsn);
    struct scan_result *result = scan->result;
    const struct segment_flush *flush = &found->flush;
    struct scan_segment *segment = &result->segments[found->place.index];
    assert(flush->segment == segment->name.number);
    if (segment->used == 0) {
        segment->first_lsn = flush->first_lsn;
    }
    segment->is_carried |= (flush->flags & SEGMENT_CARRY) != 0;
    segment->used = flush->offset + (uint32_t)segment_flush_bytes(flush);
    result->end = found->place.index;
    result->last = flush->offset;
    result->offset = segment->used;
    result->log = flush->log;
    result->cluster = flush->cluster;
    result->is_sealed = flush->record_count == 0;
    result->next_number = flush->number + 1;
    result->next_lsn = flush->first_lsn + flush->record_count;
    result->chain = found->hash;
    result->flush_count++;
}

int scan_take_flush(struct scan *scan, const struct found *found, const uint8_t *data,
                    enum mend_order order)
{
    assert(found->flush.segment == scan_name_of(scan, found->place).number);
    assert(found->flush.offset == found->place.offset);
    const struct segment_flush *flush = &found->flush;
    uint64_t at = SEGMENT_FLUSH_HEADER_BYTES;
    int error = check_cluster(scan, found->place, flush);
    if (error != 0) {
        return error;
    }
    if (scan->input->callbacks.on_flush != NULL) {
        scan->input->callbacks.on_flush(scan->input->callbacks.context, scan->window.path, flush);
    }
    for (uint32_t i = 0; i < flush->record_count && error == 0; i++) {
        const uint8_t *record = mend_record(data, flush, at, flush->first_lsn + i, order);
        if (record == NULL) {
            return mend_refuse(scan, found, at, flush->first_lsn + i);
        }
        at += segment_record_bytes(get_u32(record));
        error = hand_out(scan, found, data, record);
    }
    if (error == 0) {
        step_over(scan, found);
    }
    return error;
}

/* The segment that was made ahead is not looked at where the log ends in a torn flush. Were it
 * another directory's, this life would go on up to it, and the next one would be refused. */
static int check_ahead(struct scan *scan)
{
    assert(scan->result->end + 1 < scan->result->count);
    const struct place place = {scan->result->end + 1, 0};
    struct segment_flush flush;
    enum segment_verdict verdict = SEGMENT_NOTHING;
    const int error = scan_read_header(scan, place, &flush, &verdict, NULL);
    assert(error != 0 || verdict != 0);
    return error != 0 || verdict == SEGMENT_NOTHING ? error : check_log(scan, place, &flush);
}

/* Where nothing valid follows, no segment may follow either but the one that was made ahead. */
static int check_end(struct scan *scan)
{
    assert(scan->result->end < scan->result->count);
    assert(scan->result->next_number > scan->result->flush_count);
    assert(scan->result->next_lsn > 0);
    const struct scan_result *result = scan->result;
    const int is_empty = !scan_is_log_known(scan);
    if (is_empty && (result->count > 1 || result->segments[0].name.number != 1)) {
        return scan_refuse(scan, SYNOD_ERR_CORRUPT, (struct place){0, 0}, "there is nothing");
    }
    if (result->count > result->end + 2) {
        return scan_refuse(scan, SYNOD_ERR_CORRUPT, (struct place){result->end + 1, 0},
                           "there is nothing, but a later segment is there");
    }
    return result->count == result->end + 2 && !MUTANT(118) ? check_ahead(scan) : 0;
}

int scan_read_flush(struct scan *scan, const struct found *found, const uint8_t **data)
{
    assert(data != NULL);
    assert(found->flush.format == SEGMENT_FORMAT);
    assert(found->flush.offset == found->place.offset);
    const int error = window_open(&scan->window, scan_name_of(scan, found->place), scan->report);
    return error != 0 ? error
                      : window_get(&scan->window, found->flush.offset,
                                   segment_flush_bytes(&found->flush), data, scan->report);
}

/* One flush further, or `is_end`. */
static int step(struct scan *scan, int *is_end)
{
    assert(is_end != NULL && !*is_end);
    assert(scan->result->end < scan->result->count);
    struct found found;
    const uint8_t *data = NULL;
    int is_found = 0;
    int error = find_next(scan, &found, &is_found);
    if (error == 0 && is_found) {
        error = scan_read_flush(scan, &found, &data);
    }
    if (error != 0) {
        return error;
    }
    if (is_found && segment_body_is_good(data, &found.flush)) {
        return scan_take_flush(scan, &found, data, MEND_FIRST);
    }
    return scan_judge_bad(scan, &found, is_found, is_end);
}

int scan_run(const struct scan_input *input, struct report *report, struct scan_result *result)
{
    assert(result != NULL);
    assert(input->os != NULL && input->dir != NULL);
    struct scan scan = {.input = input,
                        .report = report,
                        .result = result,
                        .window = {.os = input->os, .dir = input->dir}};
    int is_end = 0;
    assert(input->callbacks.on_record != NULL);
    *result = (struct scan_result){.next_number = 1, .next_lsn = 1};
    int error = list_segments(&scan);
    if (error == 0 && result->count > 0) {
        while (error == 0 && !is_end) {
            error = step(&scan, &is_end);
        }
        if (error == 0) {
            error = check_end(&scan);
        }
    }
    window_close(&scan.window);
    if (error != 0) {
        scan_result_deinit(result);
    }
    return error;
}

void scan_result_deinit(struct scan_result *result)
{
    assert(result != NULL);
    assert(result->segments != NULL || result->count == 0);
    free(result->segments);
    *result = (struct scan_result){0};
}
