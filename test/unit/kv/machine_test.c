/* machine_test.c -- the store behind the callbacks of a state machine, snapshots above all. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/prng.h"
#include "failing_heap.h"
#include "kv/dump.h"
#include "kv/machine.h"
#include "random.h"
#include "synod/error.h"

struct rig {
    struct machine *machine;
    struct synod_machine m;
    struct arena arena;
    struct random random;
};

static void open_rig(struct rig *rig, uint64_t seed)
{
    *rig = (struct rig){.machine = machine_new()};
    machine_callbacks(rig->machine, &rig->m);
    rig->random = (struct random){.prng = {.state = seed}, .arena = &rig->arena};
}

static void close_rig(struct rig *rig)
{
    kv_check(machine_kv(rig->machine));
    machine_free(rig->machine);
    arena_deinit(&rig->arena);
}

static const struct kv_result *apply(struct rig *rig, uint32_t kind, struct bytes message)
{
    const struct synod_command command = {
        .term = 9, .kind = kind, .data = message.data, .size = message.size, .wants_result = 1};
    return rig->m.apply(rig->machine, &command);
}

static void put(struct rig *rig, uint32_t number, const char *value)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    char key[16];

    request.key.len = (size_t)snprintf(key, sizeof key, "key%06u", number);
    request.key.data = (uint8_t *)key;
    request.value.len = strlen(value);
    request.value.data = (uint8_t *)(uintptr_t)value;
    arena_reset(&rig->arena);
    const struct bytes message = random_pack(&rig->random, &request.base);
    assert_int_equal(apply(rig, KV_COMMAND_PUT, message)->error, 0);
}

/* So many keys in one transaction: of its operations each is a put of a key of one byte. */
static void put_many(struct rig *rig, uint8_t count)
{
    uint8_t message[UINT8_MAX * 7];
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t operation[7] = {0x12, 5, 0x12, 3, 0x0a, 1, (uint8_t)i};
        memcpy(message + 7 * i, operation, sizeof operation);
    }
    assert_int_equal(apply(rig, KV_COMMAND_TXN, bytes_of(message, 7u * count))->error, 0);
}

static int compact(struct rig *rig, int64_t revision)
{
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    request.revision = revision;
    arena_reset(&rig->arena);
    return apply(rig, KV_COMMAND_COMPACT, random_pack(&rig->random, &request.base))->error;
}

/* Puts, deletions and txns over a small key space, and a compaction in the middle. */
static void fill(struct rig *rig, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        arena_reset(&rig->arena);
        if (i == steps / 2) {
            assert_int_equal(compact(rig, kv_revision(machine_kv(rig->machine)) / 2), 0);
        } else if (i % 5 == 4) {
            (void)apply(rig, KV_COMMAND_DELETE_RANGE,
                        random_pack(&rig->random, &random_delete_range(&rig->random)->base));
        } else {
            (void)apply(rig, KV_COMMAND_PUT,
                        random_pack(&rig->random, &random_put(&rig->random)->base));
        }
    }
}

static struct bytes take_snapshot(struct rig *rig)
{
    static uint8_t bytes[1 << 20];
    void *cursor = rig->m.snapshot_open(rig->machine);
    size_t size = 0;
    int64_t count;

    while ((count = rig->m.snapshot_read(cursor, bytes + size, 777)) > 0) {
        size += (size_t)count;
        assert_true(size + 777 < sizeof bytes);
    }
    assert_int_equal(count, 0);
    assert_int_equal(rig->m.snapshot_read(cursor, bytes, 1), 0);
    rig->m.snapshot_close(rig->machine, cursor);
    return bytes_of(bytes, size);
}

/* The first error, or 0. */
static int restore(struct rig *rig, struct bytes snapshot, size_t piece_size)
{
    int error = rig->m.restore_begin(rig->machine);
    for (size_t at = 0; at < snapshot.size && error == 0; at += piece_size) {
        const size_t left = snapshot.size - at;
        error = rig->m.restore_piece(rig->machine, snapshot.data + at,
                                     left < piece_size ? left : piece_size);
    }
    return error == 0 ? rig->m.restore_end(rig->machine) : error;
}

static void assert_empty(struct rig *rig)
{
    struct kv_stats stats;
    const struct kv *kv = machine_kv(rig->machine);

    kv_check(kv);
    kv_stats(kv, &stats);
    assert_int_equal(kv_revision(kv), 1);
    assert_int_equal(stats.versions, 0);
    assert_int_equal(rig->m.state_size(rig->machine), 0);
}

/* -- Commands ---------------------------------------------------------------------------------- */

TEST(machine, answers_what_it_cannot_read_with_an_error_and_changes_nothing)
{
    struct rig rig;

    open_rig(&rig, 1);
    for (uint32_t kind = 0; kind < 7; kind++) {
        const struct kv_result *result = apply(&rig, kind, bytes_of("\xff", 1));
        assert_int_equal(result->error, KV_ERR_MALFORMED);
        assert_int_equal(result->kind, kind);
        assert_int_equal(result->term, 9);
    }
    assert_int_equal(apply(&rig, KV_COMMAND_PUT, bytes_of(NULL, 0))->error, KV_ERR_EMPTY_KEY);
    assert_empty(&rig);
    close_rig(&rig);
}

TEST(machine, gives_memory_back_as_commands_pass)
{
    struct rig rig;
    struct kv_stats stats;

    open_rig(&rig, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        put(&rig, i % 10, "value");
    }
    assert_int_equal(compact(&rig, 5001), 0);
    for (uint32_t i = 0; i < 400; i++) {
        put(&rig, i % 10, "value");
    }
    kv_stats(machine_kv(rig.machine), &stats);
    assert_true(stats.versions <= 10 + 400);
    close_rig(&rig);
}

/* A transaction of a hundred puts makes as many versions, and they are garbage before long. */
TEST(machine, gives_memory_back_as_fast_as_transactions_take_it)
{
    struct rig rig;
    struct kv_stats stats;

    open_rig(&rig, 1);
    for (uint32_t i = 0; i < 300; i++) {
        put_many(&rig, 100);
        assert_int_equal(compact(&rig, kv_revision(machine_kv(rig.machine))), 0);
    }
    kv_stats(machine_kv(rig.machine), &stats);
    assert_in_range(stats.versions, 100, 1000);
    close_rig(&rig);
}

/* A replica that skipped a command would be another state machine: it must die instead. */
TEST(machine, ends_the_process_when_it_has_no_memory_to_apply)
{
    fflush(stdout);
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        struct rig rig;
        fclose(stderr);
        open_rig(&rig, 1);
        struct synod_command command = {.kind = KV_COMMAND_PUT, .data = "\x0a\x01k", .size = 3};
        failing_heap_set(1, 1);
        rig.m.apply(rig.machine, &command);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

/* -- Snapshots --------------------------------------------------------------------------------- */

TEST(snapshot, brings_back_the_same_state_whatever_the_pieces)
{
    struct rig from;
    struct rig to;

    open_rig(&from, 7);
    open_rig(&to, 8);
    fill(&from, 2000);
    const uint64_t hash = kv_hash(machine_kv(from.machine));
    const struct bytes snapshot = take_snapshot(&from);
    for (size_t piece = 1; piece < 100000; piece = piece * 3 + 1) {
        assert_int_equal(restore(&to, snapshot, piece), 0);
        kv_check(machine_kv(to.machine));
        assert_true(kv_hash(machine_kv(to.machine)) == hash);
    }
    /* Both go on alike, compactions and reclaiming included. */
    to.random.prng = from.random.prng;
    fill(&from, 500);
    fill(&to, 500);
    assert_true(kv_hash(machine_kv(to.machine)) == kv_hash(machine_kv(from.machine)));
    close_rig(&from);
    close_rig(&to);
}

/* Asked at any moment, in the middle of a restore too. */
TEST(machine, keeps_the_hash_of_a_state_and_of_no_other)
{
    struct rig from;
    struct rig to;

    open_rig(&from, 7);
    open_rig(&to, 7);
    for (int i = 0; i < 20; i++) {
        fill(&from, 20);
        struct kv *kv = machine_kv(from.machine);
        assert_true(kv_hash_kept(kv) == kv_hash(kv));
        assert_true(kv_hash_kept(kv) == kv_hash(kv));
    }
    assert_int_equal(compact(&from, kv_revision(machine_kv(from.machine))), 0);
    assert_true(kv_hash_kept(machine_kv(from.machine)) == kv_hash(machine_kv(from.machine)));
    fill(&to, 20);
    (void)kv_hash_kept(machine_kv(to.machine));
    const struct bytes snapshot = take_snapshot(&from);
    assert_int_equal(to.m.restore_begin(to.machine), 0);
    for (size_t at = 0; at < snapshot.size; at += 10) {
        const size_t left = snapshot.size - at;
        assert_int_equal(to.m.restore_piece(to.machine, snapshot.data + at, left < 10 ? left : 10),
                         0);
        assert_true(kv_hash_kept(machine_kv(to.machine)) == kv_hash(machine_kv(to.machine)));
    }
    assert_int_equal(to.m.restore_end(to.machine), 0);
    assert_true(kv_hash_kept(machine_kv(to.machine)) == kv_hash(machine_kv(from.machine)));
    close_rig(&from);
    close_rig(&to);
}

TEST(snapshot, does_not_show_what_still_waits_to_be_given_back)
{
    struct rig rig;

    open_rig(&rig, 1);
    for (uint32_t i = 0; i < 3000; i++) {
        put(&rig, i % 100, "value");
    }
    assert_int_equal(compact(&rig, 3000), 0);
    struct kv *kv = machine_kv(rig.machine);
    const uint64_t hash = kv_hash(kv);
    const size_t size = take_snapshot(&rig).size;
    while (kv_reclaim(kv, 7) > 0) {
        assert_true(kv_hash(kv) == hash);
    }
    assert_int_equal(take_snapshot(&rig).size, size);
    close_rig(&rig);
}

TEST(snapshot, is_refused_when_cut_short_anywhere_or_too_long)
{
    static uint8_t longer[1 << 16];
    struct rig from;
    struct rig to;

    open_rig(&from, 3);
    open_rig(&to, 4);
    fill(&from, 60);
    const struct bytes snapshot = take_snapshot(&from);
    for (size_t size = 0; size < snapshot.size; size++) {
        assert_int_equal(restore(&to, bytes_of(snapshot.data, size), 50), SYNOD_ERR_CORRUPT);
        assert_empty(&to);
    }
    assert_true(snapshot.size < sizeof longer);
    memcpy(longer, snapshot.data, snapshot.size);
    assert_int_equal(restore(&to, bytes_of(longer, snapshot.size + 1), 50), SYNOD_ERR_CORRUPT);
    assert_empty(&to);
    assert_int_equal(restore(&to, snapshot, 50), 0);
    close_rig(&from);
    close_rig(&to);
}

TEST(snapshot, is_refused_when_any_bit_is_wrong)
{
    static uint8_t damaged[1 << 16];
    struct rig from;
    struct rig to;

    open_rig(&from, 3);
    open_rig(&to, 4);
    fill(&from, 60);
    const struct bytes snapshot = take_snapshot(&from);
    assert_true(snapshot.size < sizeof damaged);
    memcpy(damaged, snapshot.data, snapshot.size);
    for (size_t bit = 0; bit < snapshot.size * 8; bit++) {
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(restore(&to, bytes_of(damaged, snapshot.size), 4096), SYNOD_ERR_CORRUPT);
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_empty(&to);
    assert_int_equal(restore(&to, bytes_of(damaged, snapshot.size), 4096), 0);
    close_rig(&from);
    close_rig(&to);
}

/* Damage with the right checksum: the rules of the format themselves have to catch it. */
static int restore_records(struct rig *rig, const uint8_t *records, size_t count)
{
    static uint8_t bytes[1024];
    /* The hash that a dump of the same bytes would have is not known here, so only an error
     * before the end record tells: the piece without the end must be refused. */
    memcpy(bytes, dump_magic, DUMP_MAGIC_SIZE);
    put_u32(bytes + 8, DUMP_FORMAT);
    put_u32(bytes + 12, 0);
    put_u64(bytes + 16, 10);
    put_u64(bytes + 24, 5);
    memcpy(bytes + DUMP_HEAD_SIZE, records, count * (DUMP_RECORD_SIZE + 1));
    int error = rig->m.restore_begin(rig->machine);
    if (error == 0) {
        error = rig->m.restore_piece(rig->machine, bytes,
                                     DUMP_HEAD_SIZE + count * (DUMP_RECORD_SIZE + 1));
    }
    return error;
}

struct version {
    char key;
    uint32_t flags;
    int64_t create;
    int64_t mod;
    int64_t version;
};

/* Each record has one byte behind it: its key, or its value where the key is 0. */
static void write_record(uint8_t *to, const struct version *version)
{
    memset(to, 0, DUMP_RECORD_SIZE + 1);
    put_u32(to + (version->key != 0 ? 0 : 4), 1);
    put_u32(to + 12, version->flags);
    put_u64(to + 16, (uint64_t)version->create);
    put_u64(to + 24, (uint64_t)version->mod);
    put_u64(to + 32, (uint64_t)version->version);
    to[DUMP_RECORD_SIZE] = (uint8_t)version->key;
}

TEST(snapshot, is_refused_when_no_writes_could_have_made_it)
{
    static const struct {
        struct version versions[2];
        int is_fine;
    } cases[] = {
        {{{'a', 0, 8, 8, 1}, {'b', 0, 2, 3, 2}}, 1},   {{{'a', 0, 3, 8, 2}, {0, 0, 3, 3, 1}}, 1},
        {{{'b', 0, 8, 8, 1}, {'a', 0, 3, 3, 1}}, 0},   /* Keys fall. */
        {{{'a', 0, 8, 8, 1}, {'a', 0, 3, 3, 1}}, 0},   /* A key twice. */
        {{{0, 0, 8, 8, 1}, {'a', 0, 3, 3, 1}}, 0},     /* A version of no key. */
        {{{'a', 0, 3, 8, 3}, {0, 0, 3, 3, 1}}, 0},     /* A version is missing. */
        {{{'a', 0, 4, 8, 2}, {0, 0, 3, 3, 1}}, 0},     /* Another creation. */
        {{{'a', 0, 3, 3, 2}, {0, 0, 3, 8, 1}}, 0},     /* Revisions rise. */
        {{{'a', 0, 3, 4, 2}, {0, 0, 3, 3, 1}}, 0},     /* Garbage below the compaction. */
        {{{'a', 0, 11, 11, 1}, {'b', 0, 3, 3, 1}}, 0}, /* Written after the snapshot. */
        {{{'a', 0, 1, 1, 1}, {'b', 0, 3, 3, 1}}, 0},   /* Written before the first revision. */
        {{{'a', 0, 8, 9, 2}, {'b', 0, 3, 3, 1}}, 0},   /* Its older version could be read. */
        {{{'a', 1, 0, 8, 0}, {'b', 0, 3, 3, 1}}, 0},   /* A tombstone of nothing. */
        {{{'a', 1, 0, 4, 0}, {0, 0, 3, 3, 1}}, 0},     /* A tombstone below the compaction. */
        {{{'a', 0, 0, 8, 0}, {0, 0, 3, 3, 1}}, 0},     /* Version 0 and no tombstone. */
        {{{'a', 4, 8, 8, 1}, {'b', 0, 3, 3, 1}}, 0},   /* An unknown flag. */
        {{{'a', 0, 8, 8, -1}, {'b', 0, 3, 3, 1}}, 0},  /* A negative version. */
    };
    struct rig rig;

    open_rig(&rig, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t records[2 * (DUMP_RECORD_SIZE + 1)];
        write_record(records, &cases[i].versions[0]);
        write_record(records + DUMP_RECORD_SIZE + 1, &cases[i].versions[1]);
        assert_int_equal(restore_records(&rig, records, 2),
                         cases[i].is_fine ? 0 : SYNOD_ERR_CORRUPT);
        assert_int_equal(rig.m.restore_begin(rig.machine), 0);
        assert_int_equal(rig.m.restore_end(rig.machine), SYNOD_ERR_CORRUPT);
        assert_empty(&rig);
    }
    close_rig(&rig);
}

TEST(snapshot, is_total_over_random_bytes)
{
    struct rig from;
    struct rig to;
    static uint8_t bytes[1 << 16];

    open_rig(&from, 3);
    open_rig(&to, 4);
    fill(&from, 80);
    const struct bytes snapshot = take_snapshot(&from);
    struct prng *prng = &from.random.prng;
    for (int i = 0; i < 20000; i++) {
        memcpy(bytes, snapshot.data, snapshot.size);
        for (uint64_t n = 1 + prng_below(prng, 4); n > 0; n--) {
            const size_t at = (size_t)prng_below(prng, snapshot.size - 8);
            put_u32(bytes + at, (uint32_t)(prng_next(prng) >> prng_below(prng, 40)));
        }
        if (memcmp(bytes, snapshot.data, snapshot.size) != 0) {
            assert_int_equal(restore(&to, bytes_of(bytes, snapshot.size), 1000), SYNOD_ERR_CORRUPT);
        }
    }
    close_rig(&from);
    close_rig(&to);
}

TEST(snapshot, outlives_a_restore_and_the_machine)
{
    struct rig from;
    struct rig to;
    uint8_t piece[512];
    int64_t count;

    open_rig(&from, 11);
    open_rig(&to, 12);
    fill(&from, 500);
    const uint64_t hash = kv_hash(machine_kv(from.machine));
    void *first = from.m.snapshot_open(from.machine);
    void *second = from.m.snapshot_open(from.machine);
    assert_int_equal(from.m.restore_begin(from.machine), 0);
    assert_int_equal(from.m.restore_end(from.machine), SYNOD_ERR_CORRUPT);
    assert_empty(&from);
    close_rig(&from);

    assert_int_equal(to.m.restore_begin(to.machine), 0);
    while ((count = from.m.snapshot_read(first, piece, sizeof piece)) > 0) {
        assert_int_equal(to.m.restore_piece(to.machine, piece, (size_t)count), 0);
    }
    assert_int_equal(to.m.restore_end(to.machine), 0);
    assert_true(kv_hash(machine_kv(to.machine)) == hash);
    from.m.snapshot_close(NULL, first);
    from.m.snapshot_close(NULL, second);
    close_rig(&to);
}

TEST(snapshot, survives_the_failure_of_any_allocation)
{
    struct rig from;
    struct rig to;
    uint32_t failures = 0;
    int error = SYNOD_ERR_MEMORY;

    open_rig(&from, 21);
    open_rig(&to, 22);
    fill(&from, 300);
    const struct bytes snapshot = take_snapshot(&from);
    failing_heap_set(1, 0);
    assert_null(from.m.snapshot_open(from.machine));
    for (uint64_t try = 1; error != 0; try++) {
        failing_heap_try(try);
        error = restore(&to, snapshot, 300);
        failing_heap_set(0, 0);
        if (error != 0) {
            assert_int_equal(error, SYNOD_ERR_MEMORY);
            assert_empty(&to);
            failures++;
        }
    }
    assert_true(failures > 100);
    assert_true(kv_hash(machine_kv(to.machine)) == kv_hash(machine_kv(from.machine)));
    failing_heap_set(1, 1);
    assert_null(machine_new());
    failing_heap_set(2, 1);
    assert_null(machine_new());
    failing_heap_set(0, 0);
    close_rig(&from);
    close_rig(&to);
}

TEST(snapshot, leaves_the_old_state_alone_when_a_restore_finds_no_memory_and_a_dump_is_open)
{
    struct rig rig;

    open_rig(&rig, 5);
    fill(&rig, 100);
    const uint64_t hash = kv_hash(machine_kv(rig.machine));
    void *cursor = rig.m.snapshot_open(rig.machine);
    failing_heap_set(1, 0);
    assert_int_equal(rig.m.restore_begin(rig.machine), SYNOD_ERR_MEMORY);
    failing_heap_set(0, 0);
    assert_true(kv_hash(machine_kv(rig.machine)) == hash);
    rig.m.snapshot_close(rig.machine, cursor);
    close_rig(&rig);
}

TEST(snapshot, may_be_given_up_half_way)
{
    struct rig from;
    struct rig to;

    open_rig(&from, 5);
    open_rig(&to, 6);
    fill(&from, 100);
    const struct bytes snapshot = take_snapshot(&from);
    assert_int_equal(to.m.restore_begin(to.machine), 0);
    assert_int_equal(to.m.restore_piece(to.machine, snapshot.data, snapshot.size / 2), 0);
    assert_int_equal(restore(&to, snapshot, 100), 0);
    assert_int_equal(to.m.restore_begin(to.machine), 0);
    assert_int_equal(to.m.restore_piece(to.machine, snapshot.data, snapshot.size / 2), 0);
    machine_free(to.machine);
    arena_deinit(&to.arena);
    close_rig(&from);
}

/* -- Threads ----------------------------------------------------------------------------------- */

struct reader {
    struct synod_machine m;
    void *cursor;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

static void *read_all(void *context)
{
    struct reader *reader = context;
    int64_t count;

    while ((count = reader->m.snapshot_read(reader->cursor, reader->bytes + reader->size, 4096)) >
           0) {
        reader->size += (size_t)count;
        if (reader->size + 4096 > reader->capacity) {
            return NULL;
        }
    }
    return reader->bytes;
}

/* A worker reads the frozen state while this thread overwrites, deletes and compacts it. */
TEST(snapshot, shows_one_state_to_a_thread_while_writing_goes_on)
{
    struct rig rig;
    struct rig copy;

    open_rig(&rig, 31);
    open_rig(&copy, 32);
    for (uint32_t i = 0; i < 20000; i++) {
        put(&rig, i % 5000, "before");
    }
    for (int round = 0; round < 5; round++) {
        struct reader reader = {.m = rig.m, .capacity = 8 << 20};
        pthread_t thread;
        void *read = NULL;
        const uint64_t hash = kv_hash(machine_kv(rig.machine));

        reader.bytes = malloc(reader.capacity);
        reader.cursor = rig.m.snapshot_open(rig.machine);
        assert_int_equal(pthread_create(&thread, NULL, read_all, &reader), 0);
        assert_int_equal(compact(&rig, kv_revision(machine_kv(rig.machine)) - 10), 0);
        for (uint32_t i = 0; i < 8000; i++) {
            put(&rig, (i * 7919) % 9000, "after");
            if (i % 16 == 0) {
                (void)apply(&rig, KV_COMMAND_DELETE_RANGE,
                            bytes_of("\x0a\x09key000\x37\x37\x37\x18\x01", 13));
            }
        }
        assert_int_equal(pthread_join(thread, &read), 0);
        assert_ptr_equal(read, reader.bytes);
        rig.m.snapshot_close(rig.machine, reader.cursor);
        assert_int_equal(restore(&copy, bytes_of(reader.bytes, reader.size), 65536), 0);
        assert_true(kv_hash(machine_kv(copy.machine)) == hash);
        kv_check(machine_kv(rig.machine));
        free(reader.bytes);
    }
    close_rig(&rig);
    close_rig(&copy);
}
