/* damage.c -- bytes of a data directory that are not what was written.
 *
 * THE DIRECTORIES
 *
 *   closed   about 64 KiB, of a log that was closed in good order: it ends with a seal
 *   killed   the same, of a process that was killed as soon as its last flush was acknowledged
 *   young    of a log that was never trimmed, and in which a flush was torn; closed
 *   large    about 4 MiB, closed
 *
 * THE DAMAGE
 *
 *   bits     any one bit of closed, killed and young, flipped
 *   sectors  any 512 bytes of large and young: zeroes; noise; what they were before they were last
 *            written (a write that was lost); the sector beside them; and a write that was
 *            misdirected: they hold what was meant for the same place in another file, which
 *            holds what it held before
 *   blocks   the same with any 4096 bytes
 *   cuts     closed, killed and young cut off at any byte, large at any sector
 *
 * THE VERDICT is one of
 *
 *   exact       everything that was acknowledged is there (and after going on, it still is)
 *   made good   the same, after a record was taken from its second copy
 *   refused     CORRUPT or FOREIGN, naming the file that was damaged and a byte in it
 *   looks torn  see below
 *   wrong       anything else
 *
 * LOOKS TORN is what the log cannot know (the top of src/wal/segment.c): a flush that nothing
 * follows, neither another nor a seal, is cut when it is bad. The rule here: the directory is
 * killed; the damage lies within the bytes of its very last flush, its padding and its copies
 * included; and recovery is exact for what was acknowledged before that flush, not a record less.
 * Each such state is counted apart. In the directories that were closed there is none. */
#include "test/disk/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "synod/error.h"
#include "test/disk/guard.h"
#include "test/disk/owner.h"
#include "test/disk/script.h"
#include "wal/scan.h"

enum {
    FILES_MAX = 40,
    PATH_BYTES = 80,
    BLOCK_BYTES = OS_BLOCK_SIZE,
    UNIT_BITS = 4096, /* States of a unit, by part. */
    UNIT_PIECES = 16, /* Sectors or blocks, in all ways. */
    UNIT_CUTS = 512,
    LARGE_STRIDE = 16, /* One state in so many of the large directory goes on after recovery. */
};

#define SEED UINT64_C(0xd15c)

enum directory_name {
    CLOSED = 0,
    KILLED,
    YOUNG,
    LARGE,
    DIRECTORIES
};

enum way {
    ZEROED = 0,
    RANDOMISED,
    STALE,
    NEIGHBOUR,
    MISDIRECTED,
    WAYS
};

static const char *const WAY_NAMES[WAYS] = {"zeroes", "noise", "its older version", "its neighbour",
                                            "a write that was meant for another file"};

struct file {
    char path[PATH_BYTES];
    const uint8_t *bytes;
    size_t size;
    uint8_t *before; /* What each byte was before it was last written. */
};

/* The last flush of the log: where it lies, and the first record that is not in front of it. */
struct last_flush {
    char path[PATH_BYTES];
    uint64_t from;
    uint64_t to;
    uint64_t first_lsn;
    uint32_t record_count;
};

struct directory {
    struct os *os; /* Nothing pending. */
    struct model model;
    struct file files[FILES_MAX];
    size_t count;
    struct last_flush last;
};

static struct directory directories[DIRECTORIES];

/* -- Making them -------------------------------------------------------------------------- */

struct listing {
    struct directory *directory;
    const char *parent;
    const struct os *made; /* The machine that remembers. */
};

static void list_file(void *context, const char *name)
{
    const struct listing *listing = context;
    struct directory *directory = listing->directory;
    assert(directory->count < FILES_MAX);
    struct file *file = &directory->files[directory->count++];
    snprintf(file->path, sizeof file->path, "%s/%s", listing->parent, name);
    file->bytes = os_memory_look(directory->os, file->path, &file->size);
    file->before = calloc(1, file->size);
    assert(file->bytes != NULL && file->before != NULL);
    size_t size = 0;
    const uint8_t *before = os_memory_before(listing->made, file->path, &size);
    if (before != NULL) {
        memcpy(file->before, before, size < file->size ? size : file->size);
    }
}

static int drop_record(__attribute__((unused)) void *context,
                       __attribute__((unused)) const struct wal_record *record)
{
    return 0;
}

static void note_flush(void *context, const char *path, const struct segment_flush *flush)
{
    struct last_flush *last = context;
    snprintf(last->path, sizeof last->path, "%s", path);
    last->from = flush->offset;
    last->to = flush->offset + segment_flush_bytes(flush);
    last->first_lsn = flush->first_lsn;
    last->record_count = flush->record_count;
}

static void find_last_flush(struct directory *directory)
{
    struct report report;
    struct scan_result result;
    const struct scan_input input = {.os = directory->os,
                                     .dir = "/data/wal",
                                     .callbacks = {.context = &directory->last,
                                                   .on_record = drop_record,
                                                   .on_flush = note_flush}};
    const int error = scan_run(&input, &report, &result);
    assert(error == 0);
    scan_result_deinit(&result);
}

static void make(struct directory *directory, enum script_name script, int is_closed)
{
    static struct owner owner;
    static const char *const PARENTS[] = {"/data/snap", "/data/wal"};
    struct script_result result;
    script_play(&(struct script_options){.name = script, .seed = 1}, &owner, &result);
    if (is_closed) {
        owner_close(&owner);
    } else {
        owner_die(&owner);
    }
    assert(owner.wrong[0] == '\0' && owner.model.durable == owner.model.last);
    const size_t pending = os_memory_pending(owner.os, NULL, 0);
    uint8_t *everything = malloc(pending + 1);
    assert(everything != NULL);
    memset(everything, OS_MEMORY_WHOLE, pending);
    directory->os = os_memory_aftermath(owner.os, everything, SEED);
    free(everything);
    model_copy(&directory->model, &owner.model);
    for (size_t i = 0; i < 2; i++) {
        struct listing listing = {directory, PARENTS[i], owner.os};
        os_dir_list(directory->os, PARENTS[i], list_file, &listing);
    }
    find_last_flush(directory);
    assert((directory->last.record_count == 0) == is_closed);
    os_memory_free(owner.os);
}

/* -- One state ---------------------------------------------------------------------------- */

struct attempt {
    const struct directory *directory;
    const struct file *file; /* That was damaged: bytes [from, to) of it, ... */
    size_t from;
    size_t to;
    const struct file *other; /* ... and perhaps another, at the same place. NULL: none. */
    const struct model *model;
    struct os *os;
    int goes_on;
    enum board_verdict verdict;
    char text[BOARD_TEXT_BYTES];
};

static void condemn(struct attempt *attempt, const char *why, const char *what)
{
    attempt->verdict = BOARD_WRONG;
    snprintf(attempt->text, sizeof attempt->text, "%s: %s", why, what);
}

/* It must name the damaged file, and a byte in it that is not behind the damage (what begins there
 * could not be read), or the end of the file (where more was expected). */
static int is_named(const struct attempt *attempt, const struct report *report)
{
    const struct file *files[] = {attempt->file, attempt->other};
    int is_so = 0;
    for (size_t i = 0; i < 2; i++) {
        is_so |= files[i] != NULL && strcmp(report->file, files[i]->path) == 0 &&
                 (report->offset <= attempt->to || report->offset == files[i]->size);
    }
    return is_so && strstr(report->text, report->file) != NULL &&
           strstr(report->text, "byte ") != NULL;
}

static void judge_refusal(struct attempt *attempt, int error, const struct report *report)
{
    attempt->verdict = BOARD_REFUSED;
    snprintf(attempt->text, sizeof attempt->text, "%s", report->text);
    if (error != SYNOD_ERR_CORRUPT && error != SYNOD_ERR_FOREIGN) {
        condemn(attempt, "refused for another reason", report->text);
    } else if (!is_named(attempt, report)) {
        condemn(attempt, "refused, naming another place", report->text);
    }
}

static void try_recovery(void *context)
{
    static struct owner owner;
    struct attempt *attempt = context;
    owner_init(&owner, attempt->os, attempt->model);
    owner.reads_back = 1;
    owner.damage = (struct owner_damage){
        {attempt->file->path, attempt->other == NULL ? NULL : attempt->other->path},
        attempt->from,
        attempt->to};
    owner.pick = board_here().number;
    const int error = owner_open(&owner);
    attempt->verdict = owner.seen.repairs > 0 ? BOARD_MADE_GOOD : BOARD_EXACT;
    if (owner.wrong[0] != '\0') {
        condemn(attempt, "recovery", owner.wrong);
    } else if (error != 0) {
        judge_refusal(attempt, error, &owner.report);
    }
    if (error == 0 && attempt->goes_on) {
        owner_append(&owner, 100);
        owner_promise(&owner, 8);
        owner_settle(&owner);
        if (owner.has_failed || owner.model.durable < owner.model.last) {
            condemn(attempt, "going on",
                    owner.has_failed ? owner.report.text : "it is never durable");
        }
        owner_close(&owner);
        if (owner_open(&owner) != 0) {
            condemn(attempt, "the recovery after that", owner.report.text);
        }
    }
    if (owner.wal != NULL) {
        owner_close(&owner);
    }
    if (owner.wrong[0] != '\0' && attempt->verdict != BOARD_WRONG) {
        condemn(attempt, "the recovery after that", owner.wrong);
    }
}

static void attempt_recovery(struct attempt *attempt, struct os *os, const struct model *model)
{
    attempt->os = os;
    attempt->model = model;
    const char *assertion = guard_run(try_recovery, attempt);
    if (assertion != NULL) {
        condemn(attempt, "recovery", assertion);
    } else {
        os_memory_free(os);
    }
}

static int is_in_last_flush(const struct attempt *attempt)
{
    const struct last_flush *last = &attempt->directory->last;
    return last->record_count > 0 && strcmp(last->path, attempt->file->path) == 0 &&
           attempt->from >= last->from && attempt->to <= last->to;
}

/* `os` is the damaged machine, which is freed. */
static void judge(struct attempt *attempt, struct os *os)
{
    static struct model without;
    const struct directory *directory = attempt->directory;
    struct os *again = is_in_last_flush(attempt) ? os_memory_copy(os, SEED) : NULL;
    attempt_recovery(attempt, os, &directory->model);
    if (again != NULL && attempt->verdict == BOARD_WRONG) {
        const struct attempt first = *attempt;
        model_copy(&without, &directory->model);
        without.last = without.durable = directory->last.first_lsn - 1;
        attempt_recovery(attempt, again, &without);
        if (attempt->verdict == BOARD_EXACT) {
            attempt->verdict = BOARD_TORN;
        } else {
            *attempt = first;
        }
    } else if (again != NULL) {
        os_memory_free(again);
    }
    if (board_is_chosen()) {
        printf("  %s: %s\n", attempt->verdict == BOARD_REFUSED ? "refused" : "recovered",
               attempt->text);
    }
    board_judge(attempt->verdict, attempt->text);
}

static int enter(const struct attempt *attempt, const char *what)
{
    if (board_is_enough() || !board_enter(0)) {
        return 0;
    }
    if (board_is_chosen()) {
        printf("%s from byte %zu to byte %zu: %s\n", attempt->file->path, attempt->from,
               attempt->to, what);
    }
    return 1;
}

/* -- Bits --------------------------------------------------------------------------------- */

static void flip_bit(const struct directory *directory, const struct file *file, size_t bit)
{
    static struct attempt attempt;
    const uint8_t byte = (uint8_t)(file->bytes[bit / 8] ^ 1u << bit % 8);
    attempt = (struct attempt){
        .directory = directory, .file = file, .from = bit / 8, .to = bit / 8 + 1, .goes_on = 1};
    if (enter(&attempt, "a bit flipped")) {
        struct os *os = os_memory_copy(directory->os, SEED);
        os_memory_overwrite(os, file->path, bit / 8, bytes_of(&byte, 1));
        judge(&attempt, os);
    }
}

/* -- Sectors and blocks ------------------------------------------------------------------- */

/* Another file that has these bytes too. */
static const struct file *other_file(const struct directory *directory, const struct file *file,
                                     size_t end)
{
    const size_t at = (size_t)(file - directory->files);
    for (size_t i = 1; i < directory->count; i++) {
        const struct file *other = &directory->files[(at + i) % directory->count];
        if (other->size >= end) {
            return other;
        }
    }
    return NULL;
}

/* What takes the place of the bytes; NULL where there is no such thing. */
static const uint8_t *substitute(const struct attempt *attempt, enum way way)
{
    static uint8_t other[BLOCK_BYTES];
    const struct file *file = attempt->file;
    const size_t size = attempt->to - attempt->from;
    struct prng prng = {attempt->from + 1};
    switch (way) {
    case ZEROED:
        memset(other, 0, size);
        return other;
    case RANDOMISED:
        for (size_t i = 0; i < size; i++) {
            other[i] = (uint8_t)prng_next(&prng);
        }
        return other;
    case STALE:
        return file->before + attempt->from;
    case NEIGHBOUR:
        if (attempt->to + size <= file->size) {
            return file->bytes + attempt->to;
        }
        return attempt->from >= size ? file->bytes + attempt->from - size : NULL;
    case MISDIRECTED:
        return attempt->other == NULL ? NULL : attempt->other->bytes + attempt->from;
    case WAYS:
        break;
    }
    return NULL;
}

/* Any place, in any way, by chance; and the same ones each time. */
static int is_sampled(const struct attempt *attempt, enum way way)
{
    const size_t file = (size_t)(attempt->file - attempt->directory->files);
    const uint64_t place = (uint64_t)attempt->from << 32 | (attempt->to - attempt->from);
    struct prng prng = {(place * WAYS + (uint64_t)way) * FILES_MAX + file};
    return prng_next(&prng) % LARGE_STRIDE == 0;
}

static void replace_piece(struct attempt *attempt, enum way way)
{
    const struct directory *directory = attempt->directory;
    const size_t size = attempt->to - attempt->from;
    attempt->other = way == MISDIRECTED ? other_file(directory, attempt->file, attempt->to) : NULL;
    const uint8_t *bytes = substitute(attempt, way);
    if (bytes == NULL || !enter(attempt, WAY_NAMES[way])) {
        return;
    }
    attempt->goes_on = directory != &directories[LARGE] || is_sampled(attempt, way);
    struct os *os = os_memory_copy(directory->os, SEED);
    os_memory_overwrite(os, attempt->file->path, attempt->from, bytes_of(bytes, size));
    if (attempt->other != NULL) {
        os_memory_overwrite(os, attempt->other->path, attempt->from,
                            bytes_of(attempt->other->before + attempt->from, size));
    }
    judge(attempt, os);
}

static void replace_pieces(const struct directory *directory, const struct file *file, size_t index,
                           size_t piece_bytes)
{
    static struct attempt attempt;
    const size_t from = index * piece_bytes;
    const size_t to = from + piece_bytes < file->size ? from + piece_bytes : file->size;
    for (int way = 0; way < WAYS; way++) {
        attempt = (struct attempt){.directory = directory, .file = file, .from = from, .to = to};
        replace_piece(&attempt, (enum way)way);
    }
}

/* -- Cuts --------------------------------------------------------------------------------- */

static void cut(const struct directory *directory, const struct file *file, size_t size)
{
    static struct attempt attempt;
    attempt = (struct attempt){
        .directory = directory, .file = file, .from = size, .to = size, .goes_on = 1};
    if (enter(&attempt, "cut off there")) {
        struct os *os = os_memory_copy(directory->os, SEED);
        os_memory_cut(os, file->path, size);
        judge(&attempt, os);
    }
}

/* -- Units -------------------------------------------------------------------------------- */

/* Things of a part in a file: bits, sectors, blocks, places to cut it off. */
static uint64_t count_things(enum board_part part, const struct directory *directory,
                             const struct file *file)
{
    const int is_large = directory == &directories[LARGE];
    const int is_overwritten = is_large || directory == &directories[YOUNG];
    const uint64_t sectors = (file->size + OS_MEMORY_SECTOR - 1) / OS_MEMORY_SECTOR;
    switch (part) {
    case BOARD_BITS:
        return is_large ? 0 : 8 * (uint64_t)file->size;
    case BOARD_SECTORS:
        return is_overwritten ? sectors : 0;
    case BOARD_BLOCKS:
        return is_overwritten ? (file->size + BLOCK_BYTES - 1) / BLOCK_BYTES : 0;
    case BOARD_CUTS:
        return is_large ? sectors : file->size;
    default:
        return 0;
    }
}

static uint64_t unit_things(enum board_part part)
{
    if (part == BOARD_BITS) {
        return UNIT_BITS;
    }
    return part == BOARD_CUTS ? UNIT_CUTS : UNIT_PIECES;
}

static void try_thing(enum board_part part, const struct directory *directory,
                      const struct file *file, uint64_t index)
{
    switch (part) {
    case BOARD_BITS:
        flip_bit(directory, file, index);
        return;
    case BOARD_SECTORS:
        replace_pieces(directory, file, index, OS_MEMORY_SECTOR);
        return;
    case BOARD_BLOCKS:
        replace_pieces(directory, file, index, BLOCK_BYTES);
        return;
    case BOARD_CUTS:
        cut(directory, file, directory == &directories[LARGE] ? index * OS_MEMORY_SECTOR : index);
        return;
    default:
        assert_unreachable("the other parts are crash.c's");
    }
}

static uint64_t count_units(enum board_part part, const struct directory *directory,
                            const struct file *file)
{
    const uint64_t things = count_things(part, directory, file);
    return (things + unit_things(part) - 1) / unit_things(part);
}

void damage_prepare(uint64_t units[BOARD_PARTS])
{
    make(&directories[CLOSED], SCRIPT_SMALL, 1);
    make(&directories[KILLED], SCRIPT_SMALL, 0);
    make(&directories[YOUNG], SCRIPT_YOUNG, 1);
    make(&directories[LARGE], SCRIPT_LARGE, 1);
    for (int part = BOARD_BITS; part < BOARD_PARTS; part++) {
        for (size_t i = 0; i < DIRECTORIES; i++) {
            for (size_t k = 0; k < directories[i].count; k++) {
                units[part] +=
                    count_units((enum board_part)part, &directories[i], &directories[i].files[k]);
            }
        }
    }
}

static void try_file(enum board_part part, const struct directory *directory,
                     const struct file *file, uint64_t unit)
{
    const uint64_t count = count_things(part, directory, file);
    const uint64_t from = unit * unit_things(part);
    for (uint64_t i = from; i < from + unit_things(part) && i < count; i++) {
        try_thing(part, directory, file, i);
    }
}

void damage_run(enum board_part part, uint64_t unit)
{
    for (size_t i = 0; i < DIRECTORIES; i++) {
        const struct directory *directory = &directories[i];
        for (size_t k = 0; k < directory->count; k++) {
            const uint64_t units = count_units(part, directory, &directory->files[k]);
            if (unit < units) {
                try_file(part, directory, &directory->files[k], unit);
                return;
            }
            unit -= units;
        }
    }
}
