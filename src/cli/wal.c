/* wal.c -- `synod wal dump` and `synod wal verify`: a data directory, read and nothing else.
 *
 * No lock is taken and nothing is written, so it may be used on the directory of a member that
 * runs; then the end of the log may look unfinished, or a segment be gone the next moment. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/xmalloc.h"
#include "os/os_uv.h"
#include "replica/records.h"
#include "synod/error.h"
#include "wal/scan.h"
#include "wal/snapshot.h"

enum {
    PATH_BYTES = 1024,
    DESCRIPTION_BYTES = 256,
    SNAPSHOTS_MAX = 64,
};

/* A directory that is looked at. */
struct look {
    struct os *os;
    const char *dir;
    char wal[PATH_BYTES]; /* `dir`/wal */
    int is_json;
    int are_records_wanted;
    int are_flushes_wanted;
    struct scan_result result;
    uint64_t first_lsn; /* Of the records seen; 0: none. */
    uint64_t last_lsn;
    uint64_t warning_count;
    struct report report; /* Of what went wrong. */
};

/* -- JSON --------------------------------------------------------------------------------- */

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte < ' ' || byte == 0x7f) {
            printf("\\u%04x", byte);
        } else {
            printf(byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
        }
    }
    putchar('"');
}

static void print_json_problem(const char *kind, const struct report *report)
{
    printf("{\"%s\":{\"file\":", kind);
    print_json_text(report->file);
    if (report->offset != REPORT_WHOLE) {
        printf(",\"offset\":%" PRIu64, report->offset);
    }
    printf(",\"text\":");
    print_json_text(report->text);
    printf("}}\n");
}

/* -- What the scan finds ------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void on_warning(void *context, const struct report *report)
{
    struct look *look = context;
    look->warning_count++;
    if (look->is_json) {
        print_json_problem("warning", report);
    } else {
        fflush(stdout);
        fprintf(stderr, "synod wal: warning: %s\n", report->text);
    }
}

static void on_flush(void *context, const char *path, const struct segment_flush *flush)
{
    const struct look *look = context;
    if (!look->are_flushes_wanted) {
        return;
    }
    const uint64_t bytes = segment_flush_bytes(flush);
    if (look->is_json) {
        printf("{\"flush\":{\"number\":%" PRIu64 ",\"segment\":%" PRIu64 ",\"offset\":%" PRIu32
               ",\"bytes\":%" PRIu64 ",\"cluster\":\"%016" PRIx64 "\",\"first_record\":%" PRIu64
               ",\"records\":%" PRIu32 ",\"copies_bytes\":%" PRIu32 ",\"carries_over\":%s}}\n",
               flush->number, flush->segment, flush->offset, bytes, flush->cluster,
               flush->first_lsn, flush->record_count, flush->copies_bytes,
               (flush->flags & SEGMENT_CARRY) != 0 ? "true" : "false");
        return;
    }
    printf("flush %" PRIu64 "  %s:%" PRIu32 "  %" PRIu64 " bytes  ", flush->number, base_name(path),
           flush->offset, bytes);
    if (flush->record_count == 0) {
        printf("no records: a seal, or a start\n");
    } else {
        printf("records %" PRIu64 " to %" PRIu64 "%s%s\n", flush->first_lsn,
               flush->first_lsn + flush->record_count - 1,
               flush->copies_bytes > 0 ? ", some in two copies" : "",
               (flush->flags & SEGMENT_CARRY) != 0 ? ", carries over" : "");
    }
}

static int on_record(void *context, const struct wal_record *record)
{
    struct look *look = context;
    look->first_lsn = look->first_lsn == 0 ? record->lsn : look->first_lsn;
    look->last_lsn = record->lsn;
    if (!look->are_records_wanted) {
        return 0;
    }
    char description[DESCRIPTION_BYTES];
    const char *type = records_type_name(record->kind.type);
    records_describe(record, description, sizeof description);
    if (look->is_json) {
        printf("{\"record\":{\"number\":%" PRIu64 ",\"group\":%" PRIu32
               ",\"type\":%u,\"name\":\"%s\",\"format\":%u,\"bytes\":%zu,\"two_copies\":%s,"
               "\"segment\":%" PRIu64 ",\"offset\":%" PRIu32 ",\"description\":",
               record->lsn, record->kind.group, record->kind.type, type, record->kind.format,
               record->body.size, (record->kind.flags & WAL_TWO_COPIES) != 0 ? "true" : "false",
               record->location.segment, record->location.offset);
        print_json_text(description);
        printf("}}\n");
    } else {
        printf("  %" PRIu64 "  %-8s  %s\n", record->lsn, type, description);
    }
    return 0;
}

static int scan(struct look *look)
{
    const struct scan_input input = {.os = look->os,
                                     .dir = look->wal,
                                     .callbacks = {.context = look,
                                                   .on_record = on_record,
                                                   .on_flush = on_flush,
                                                   .on_warning = on_warning}};
    return scan_run(&input, &look->report, &look->result);
}

/* -- dump --------------------------------------------------------------------------------- */

static void print_segments_json(const struct look *look)
{
    for (size_t i = 0; i < look->result.count; i++) {
        const struct scan_segment *segment = &look->result.segments[i];
        printf("{\"segment\":{\"number\":%" PRIu64 ",\"bytes\":%" PRIu32 ",\"used\":%" PRIu32
               ",\"first_record\":%" PRIu64 ",\"carries_over\":%s}}\n",
               segment->name.number, segment->name.bytes, segment->used, segment->first_lsn,
               segment->is_carried ? "true" : "false");
    }
    printf("{\"log\":{\"cluster\":\"%016" PRIx64 "\",\"flushes\":%" PRIu64
           ",\"next_flush\":%" PRIu64 ",\"first_record\":%" PRIu64 ",\"last_record\":%" PRIu64
           ",\"sealed\":%s}}\n",
           look->result.cluster, look->result.flush_count, look->result.next_number,
           look->first_lsn, look->last_lsn, look->result.is_sealed ? "true" : "false");
}

static void add_number(struct table *table, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    table_add(table, text);
}

static void print_segments(const struct look *look)
{
    static const char *const titles[] = {"SEGMENT", "BYTES", "USED", "FIRST RECORD", "STATE"};
    struct table *table = table_new(titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < look->result.count; i++) {
        const struct scan_segment *segment = &look->result.segments[i];
        add_number(table, segment->name.number);
        add_number(table, segment->name.bytes);
        add_number(table, segment->used);
        add_number(table, segment->first_lsn);
        table_add(table, segment->used == 0    ? "made ahead"
                         : segment->is_carried ? "carries over"
                                               : "");
    }
    table_print(table, stdout);
    printf("cluster %016" PRIx64 ", %" PRIu64 " flushes, ", look->result.cluster,
           look->result.flush_count);
    if (look->first_lsn == 0) {
        printf("no records");
    } else {
        printf("records %" PRIu64 " to %" PRIu64, look->first_lsn, look->last_lsn);
    }
    printf("%s\n", look->result.is_sealed ? ", sealed" : "");
}

static int dump(struct look *look)
{
    look->are_flushes_wanted = 1;
    const int error = scan(look);
    if (error == 0 && look->is_json) {
        print_segments_json(look);
    } else if (error == 0) {
        print_segments(look);
    } else if (look->is_json) {
        print_json_problem("damage", &look->report);
    }
    if (error != 0) {
        fflush(stdout);
        fprintf(stderr, "synod wal: %s\n", look->report.text);
    }
    scan_result_deinit(&look->result);
    return error == 0 ? CLI_DONE : CLI_FAILED;
}

/* -- verify ------------------------------------------------------------------------------- */

static int verify_snapshot(struct look *look, uint64_t slot)
{
    struct snapshot *snapshot;
    int error = snapshot_open(look->os, look->dir, slot, &look->report, &snapshot);
    if (error != 0) {
        return error;
    }
    if (look->result.cluster != 0) {
        error = snapshot_check(snapshot, look->result.cluster, snapshot_info(snapshot)->group,
                               &look->report);
    }
    if (error == 0) {
        error = snapshot_load(snapshot, (struct snapshot_sink){0}, &look->report);
    }
    snapshot_close(snapshot);
    return error;
}

/* Check every snapshot; the errors are said, the good ones counted. */
static int verify_snapshots(struct look *look, uint64_t *good)
{
    uint64_t slots[SNAPSHOTS_MAX];
    char path[PATH_BYTES];
    int result = 0;
    snprintf(path, sizeof path, "%s/snap", look->dir);
    if (os_dir_check(look->os, path) == -ENOENT) {
        return 0; /* None was ever taken. */
    }
    const int64_t count = snapshot_list(look->os, look->dir, slots, SNAPSHOTS_MAX, &look->report);
    if (count < 0) {
        fprintf(stderr, "synod wal: %s\n", look->report.text);
        return (int)count;
    }
    for (int64_t i = 0; i < count && i < SNAPSHOTS_MAX; i++) {
        const int error = verify_snapshot(look, slots[i]);
        if (error != 0) {
            fprintf(stderr, "synod wal: %s\n", look->report.text);
            result = error;
        } else {
            (*good)++;
        }
    }
    return result;
}

/* What was trimmed from the log must be in a snapshot. */
static int check_together(struct look *look, uint64_t good_snapshots)
{
    if (look->result.count == 0) {
        return report_fill(&look->report, SYNOD_ERR_CORRUPT,
                           (struct report_place){look->wal, REPORT_WHOLE}, "there is no log");
    }
    if (look->result.segments[0].name.number > 1 && good_snapshots == 0) {
        return report_fill(&look->report, SYNOD_ERR_CORRUPT,
                           (struct report_place){look->wal, REPORT_WHOLE},
                           "the log was trimmed, but no good snapshot holds what it no longer has");
    }
    return 0;
}

static int verify(struct look *look)
{
    uint64_t snapshots = 0;
    int error = scan(look);
    if (error != 0) {
        fprintf(stderr, "synod wal: %s\n", look->report.text);
    }
    const int snapshot_error = verify_snapshots(look, &snapshots);
    if (error == 0) {
        error = check_together(look, snapshots);
        if (error != 0) {
            fprintf(stderr, "synod wal: %s\n", look->report.text);
        }
    }
    error = error != 0 ? error : snapshot_error;
    if (look->is_json) {
        printf("{\"good\":%s,\"segments\":%zu,\"flushes\":%" PRIu64 ",\"first_record\":%" PRIu64
               ",\"last_record\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",\"warnings\":%" PRIu64 "}\n",
               error == 0 ? "true" : "false", look->result.count, look->result.flush_count,
               look->first_lsn, look->last_lsn, snapshots, look->warning_count);
    } else if (error == 0) {
        printf("%s: good: %zu segments, %" PRIu64 " flushes, records %" PRIu64 " to %" PRIu64
               ", %" PRIu64 " snapshots, %" PRIu64 " warnings\n",
               look->dir, look->result.count, look->result.flush_count, look->first_lsn,
               look->last_lsn, snapshots, look->warning_count);
    } else {
        printf("%s: %s: %s\n", look->dir, error == SYNOD_ERR_ACCESS ? "cannot be read" : "damaged",
               synod_strerror(error));
    }
    scan_result_deinit(&look->result);
    return error == 0 ? CLI_DONE : CLI_FAILED;
}

/* -- The command -------------------------------------------------------------------------- */

static int run(struct look *look, int (*verb)(struct look *look))
{
    const int length = snprintf(look->wal, sizeof look->wal, "%s/wal", look->dir);
    if (length < 0 || (size_t)length >= sizeof look->wal - SEGMENT_NAME_BYTES) {
        fprintf(stderr, "synod wal: the path is too long\n");
        return CLI_USAGE;
    }
    look->os = os_uv_new();
    if (look->os == NULL) {
        fprintf(stderr, "synod wal: out of memory\n");
        return CLI_FAILED;
    }
    int code = verb(look);
    os_uv_free(look->os);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "synod wal: standard output cannot be written\n");
        code = CLI_FAILED;
    }
    return code;
}

int cli_wal(int argc, char **argv)
{
    struct look *look = xcalloc(1, sizeof *look);
    const char *write_out = "simple";
    struct option_row rows[] = {
        option_switch("records", &look->are_records_wanted, "dump: every record too"),
        option_text("write-out", &write_out, "FORMAT", "simple or json (simple)"),
    };
    rows[1].letter = 'w';
    const struct options options = {
        .usage = "wal dump|verify [options] DIR",
        .about =
            "Looks at the data directory DIR of a member, and changes nothing in it.\n"
            "\n"
            "  synod wal verify default.etcd                 is everything as it was written?\n"
            "  synod wal dump default.etcd                   segments and flushes of the log\n"
            "  synod wal dump --records default.etcd         every record as well\n"
            "  synod wal dump --records -w json DIR | jq .   an object on each line\n"
            "\n"
            "verify reads the log and every snapshot, checks all checksums, and prints one\n"
            "line. What is wrong is said by file and byte. A warning is what a start of the\n"
            "member would make good by itself: a write that a crash left unfinished, damage to\n"
            "one of two copies.\n"
            "\n"
            "Use it while the member is stopped: of one that runs, the last write may be seen\n"
            "half done. Exit codes: 0 good, 1 damaged or not readable, 2 typed wrong.\n",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
        .arguments_min = 2,
        .arguments_max = 2,
    };
    const char *arguments[2];
    int count;
    const enum options_outcome outcome = options_read(&options, argc, argv, arguments, &count);
    int code = outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    if (outcome == OPTIONS_READ) {
        look->dir = arguments[1];
        look->is_json = strcmp(write_out, "json") == 0;
        if (!look->is_json && strcmp(write_out, "simple") != 0) {
            fprintf(stderr, "synod wal: not a format: %s (simple or json)\n", write_out);
        } else if (strcmp(arguments[0], "dump") == 0) {
            code = run(look, dump);
        } else if (strcmp(arguments[0], "verify") == 0) {
            code = run(look, verify);
        } else {
            fprintf(stderr, "synod wal: dump or verify, not %s\n", arguments[0]);
        }
    }
    free(look);
    return code;
}
