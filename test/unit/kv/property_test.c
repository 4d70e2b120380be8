/* property_test.c -- random requests to the real store and to the naive one: the same answers.
 *
 * Each sequence is one seed. Requests go in as the bytes that protobuf-c packs, answers come out
 * as bytes and must be those that protobuf-c packs for the model's answer: decoding, checks,
 * execution and encoding are judged at once. A second machine applies the same commands without
 * wanting results, while dumps of it are opened and closed; a third is restored from dumps. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "kv/decode.h"
#include "kv/encode.h"
#include "kv/machine.h"
#include "model.h"
#include "random.h"

enum {
    SEQUENCES = 2500,
    STEPS = 150,
    OPS_MAX = 12
};

/* How often each thing happened: a generator that never meets an error tests nothing. */
static struct {
    uint64_t ok[6];
    uint64_t errors[16];
    uint64_t more;
    uint64_t restores;
} tally;

struct rig {
    struct model model;
    struct machine *machine;
    struct machine *silent; /* Applies the same, wants no results. */
    struct synod_machine callbacks;
    struct synod_machine silent_callbacks;
    void *dump; /* Of the silent one; NULL: none open. */
    uint64_t dump_hash;
    struct random random;
    struct arena arena;
    struct buffer answer;
    uint64_t seed;
    int step;
};

static void explain(const struct rig *rig, const char *what, struct bytes expected)
{
    fprintf(stderr, "seed %llu step %d: %s\nexpected:", (unsigned long long)rig->seed, rig->step,
            what);
    for (size_t i = 0; i < expected.size; i++) {
        fprintf(stderr, " %02x", expected.data[i]);
    }
    fprintf(stderr, "\nfound:   ");
    const struct bytes found = buffer_bytes(&rig->answer);
    for (size_t i = 0; i < found.size; i++) {
        fprintf(stderr, " %02x", found.data[i]);
    }
    fprintf(stderr, "\n");
}

static void compare(const struct rig *rig, int error, struct model_answer expected, int kind)
{
    if (error != expected.error) {
        fprintf(stderr, "error %s, expected %s\n", kv_error_text(error),
                kv_error_text(expected.error));
        explain(rig, "another error", bytes_of(NULL, 0));
        fail();
    }
    if (error == 0 && !bytes_equal(buffer_bytes(&rig->answer), expected.bytes)) {
        explain(rig, "another answer", expected.bytes);
        fail();
    }
    if (error == 0) {
        tally.ok[kind]++;
    } else {
        tally.errors[-error]++;
    }
}

static const struct kv_header header = {.cluster_id = 1, .member_id = 2, .raft_term = 3};

static void apply(struct rig *rig, uint32_t kind, struct bytes message,
                  struct model_answer expected)
{
    struct synod_command command = {
        .term = 3, .data = message.data, .size = message.size, .kind = kind, .wants_result = 1};
    const struct kv_result *result = rig->callbacks.apply(rig->machine, &command);

    buffer_clear(&rig->answer, SIZE_MAX);
    assert_non_null(result);
    assert_int_equal(result->term, 3);
    if (result->error == 0) {
        struct kv_result copy = *result;
        assert_int_equal(encode_result(&rig->answer, &header, &copy), 0);
    }
    compare(rig, result->error, expected, (int)kind);
    command.wants_result = 0;
    assert_null(rig->silent_callbacks.apply(rig->silent, &command));
}

static void ask_range(struct rig *rig)
{
    const Etcdserverpb__RangeRequest *request = random_range(&rig->random);
    struct kv_range_request decoded;
    struct kv_range_result result;
    struct kv *kv = machine_kv(rig->machine);

    assert_int_equal(decode_range(random_pack(&rig->random, &request->base), &decoded), 0);
    int error = kv_check_range(&decoded);
    if (error == 0) {
        error = kv_range(kv, &decoded, &rig->arena, &result);
    }
    buffer_clear(&rig->answer, SIZE_MAX);
    if (error == 0) {
        tally.more += result.has_more;
        assert_int_equal(encode_range(&rig->answer, &header, &result), 0);
    }
    compare(rig, error, model_range(&rig->model, request, &rig->arena), 0);
}

/* As the front end does it: with the limit, which the machine does not know; and a read-only
 * one without the log. */
static void ask_txn(struct rig *rig)
{
    const Etcdserverpb__TxnRequest *request = random_txn(&rig->random, 4);
    const struct bytes message = random_pack(&rig->random, &request->base);
    struct kv_txn_request *decoded;
    struct kv_txn_result result;
    const struct model_answer expected = model_txn(&rig->model, request, OPS_MAX, &rig->arena);

    int error = decode_txn(message, OPS_MAX, &rig->arena, &decoded);
    if (error == 0) {
        error = kv_check_txn(decoded, OPS_MAX, &rig->arena);
    }
    buffer_clear(&rig->answer, SIZE_MAX);
    if (error != 0) {
        compare(rig, error, expected, KV_COMMAND_TXN);
    } else if (kv_txn_is_read_only(decoded)) {
        error = kv_txn(machine_kv(rig->machine), decoded, &rig->arena, &result);
        if (error == 0) {
            result.revision = kv_revision(machine_kv(rig->machine));
            assert_int_equal(encode_txn(&rig->answer, &header, &result), 0);
        }
        compare(rig, error, expected, 5);
    } else {
        apply(rig, KV_COMMAND_TXN, message, expected);
    }
}

static void restore_silent(struct rig *rig)
{
    struct kv *kv = machine_kv(rig->machine);
    void *cursor = rig->callbacks.snapshot_open(rig->machine);
    uint8_t piece[97];
    int64_t size;

    assert_non_null(cursor);
    assert_int_equal(rig->silent_callbacks.restore_begin(rig->silent), 0);
    const size_t step = 1 + (size_t)prng_below(&rig->random.prng, sizeof piece);
    while ((size = rig->callbacks.snapshot_read(cursor, piece, step)) > 0) {
        assert_int_equal(rig->silent_callbacks.restore_piece(rig->silent, piece, (size_t)size), 0);
    }
    assert_int_equal(size, 0);
    assert_int_equal(rig->silent_callbacks.restore_end(rig->silent), 0);
    rig->callbacks.snapshot_close(rig->machine, cursor);
    assert_true(kv_hash(kv) == kv_hash(machine_kv(rig->silent)));
    tally.restores++;
}

/* Read an open dump to its end and close it: it shows the state at which it was opened. */
static void close_dump(struct rig *rig)
{
    struct machine *copy = machine_new();
    struct synod_machine callbacks;
    uint8_t piece[500];
    int64_t size;

    machine_callbacks(copy, &callbacks);
    assert_int_equal(callbacks.restore_begin(copy), 0);
    while ((size = rig->silent_callbacks.snapshot_read(rig->dump, piece, sizeof piece)) > 0) {
        assert_int_equal(callbacks.restore_piece(copy, piece, (size_t)size), 0);
    }
    assert_int_equal(callbacks.restore_end(copy), 0);
    kv_check(machine_kv(copy));
    assert_true(kv_hash(machine_kv(copy)) == rig->dump_hash);
    machine_free(copy);
    rig->silent_callbacks.snapshot_close(rig->silent, rig->dump);
    rig->dump = NULL;
}

static void check_replicas(struct rig *rig)
{
    const struct kv *kv = machine_kv(rig->machine);
    struct kv_stats stats;

    kv_check(kv);
    kv_check(machine_kv(rig->silent));
    assert_true(kv_hash(kv) == kv_hash(machine_kv(rig->silent)));
    assert_true(kv_revision(kv) == rig->model.revision);
    assert_true(kv_compacted(kv) == rig->model.compacted);
    kv_stats(kv, &stats);
    assert_int_equal(stats.keys, model_key_count(&rig->model, rig->model.revision));
}

static void take_step(struct rig *rig)
{
    struct random *random = &rig->random;
    struct arena *arena = &rig->arena;

    arena_reset(arena);
    random->revision = rig->model.revision;
    random->compacted = rig->model.compacted;
    const uint64_t kind = prng_below(&random->prng, 100);
    if (kind < 40) {
        const Etcdserverpb__PutRequest *put = random_put(random);
        apply(rig, KV_COMMAND_PUT, random_pack(random, &put->base),
              model_put(&rig->model, put, arena));
    } else if (kind < 50) {
        const Etcdserverpb__DeleteRangeRequest *deletion = random_delete_range(random);
        apply(rig, KV_COMMAND_DELETE_RANGE, random_pack(random, &deletion->base),
              model_delete_range(&rig->model, deletion, arena));
    } else if (kind < 70) {
        ask_txn(rig);
    } else if (kind < 76) {
        const Etcdserverpb__CompactionRequest *compaction = random_compaction(random);
        apply(rig, KV_COMMAND_COMPACT, random_pack(random, &compaction->base),
              model_compact(&rig->model, compaction->revision, arena));
    } else if (kind < 78 && rig->dump == NULL) {
        rig->dump_hash = kv_hash(machine_kv(rig->silent));
        rig->dump = rig->silent_callbacks.snapshot_open(rig->silent);
        assert_non_null(rig->dump);
    } else if (kind < 80 && rig->dump != NULL) {
        close_dump(rig);
    } else if (kind < 81) {
        restore_silent(rig);
    } else {
        ask_range(rig);
    }
}

static void run_sequence(uint64_t seed)
{
    struct rig rig = {.seed = seed, .random = {.prng = {.state = seed}}};

    model_init(&rig.model);
    rig.machine = machine_new();
    rig.silent = machine_new();
    machine_callbacks(rig.machine, &rig.callbacks);
    machine_callbacks(rig.silent, &rig.silent_callbacks);
    rig.random.arena = &rig.arena;
    for (rig.step = 0; rig.step < STEPS; rig.step++) {
        take_step(&rig);
        if (rig.step % 16 == 15) {
            check_replicas(&rig);
        }
    }
    if (rig.dump != NULL) {
        close_dump(&rig);
    }
    check_replicas(&rig);
    machine_free(rig.machine);
    machine_free(rig.silent);
    model_deinit(&rig.model);
    arena_deinit(&rig.arena);
    buffer_deinit(&rig.answer);
}

TEST(store, answers_as_the_naive_one_does)
{
    const char *only = getenv("SEED");

    if (only != NULL) {
        run_sequence(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++) {
        run_sequence(seed);
    }
    for (int kind = 0; kind < 6; kind++) {
        assert_true(tally.ok[kind] > 1000);
    }
    for (int error = 1; error <= -KV_ERR_FUTURE; error++) {
        assert_true(tally.errors[error] > 20);
    }
    assert_true(tally.more > 1000 && tally.restores > 500);
}
