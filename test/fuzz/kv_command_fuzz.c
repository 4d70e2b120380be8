/* kv_command_fuzz.c -- commands that are in the log, whatever they are: every replica applies them.
 *
 * The input is a run of requests, each a u8 kind, a u8 size and the message (size 255: all that is
 * left). Two machines apply the commands, one of them with nobody who waits for answers. Then
 * the store must be sound, both must be the same, and one that is filled from a dump of it too. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "kv.pb-c.h"
#include "kv/decode.h"
#include "kv/dump.h"
#include "kv/encode.h"
#include "kv/machine.h"

enum {
    ALL_THAT_IS_LEFT = 255,
    PIECE = 1000
};

struct twins {
    struct machine *machine[2];
    struct synod_machine callbacks[2];
};

static const struct kv_header HEADER = {.cluster_id = 1, .member_id = 2, .raft_term = 3};

/* What we answer is what a client's library can read. */
static void check_answer(struct kv_result *result)
{
    struct buffer answer = {0};
    if (result->error != 0) {
        assert(kv_error_status(result->error) != 0 && kv_error_text(result->error)[0] != '\0');
        return;
    }
    const int error = encode_result(&answer, &HEADER, result);
    assert(error == 0);
    if (result->kind == KV_COMMAND_TXN) {
        const struct bytes bytes = buffer_bytes(&answer);
        Etcdserverpb__TxnResponse *read =
            etcdserverpb__txn_response__unpack(NULL, bytes.size, bytes.data);
        assert(read != NULL && read->succeeded == result->txn.has_succeeded);
        etcdserverpb__txn_response__free_unpacked(read, NULL);
    }
    buffer_deinit(&answer);
}

static void apply(struct twins *twins, uint32_t kind, struct bytes message)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct synod_command command = {.slot = 1,
                                              .term = 3,
                                              .data = message.data,
                                              .size = message.size,
                                              .kind = kind,
                                              .wants_result = i};
        const void *result = twins->callbacks[i].apply(twins->machine[i], &command);
        if (i == 1) {
            struct kv_result copy = *(const struct kv_result *)result;
            check_answer(&copy);
        }
    }
}

static void read_range(const struct kv *kv, struct bytes message)
{
    struct kv_range_request request;
    struct kv_range_result result;
    struct arena arena = {0};
    struct buffer answer = {0};
    if (decode_range(message, &request) == 0 && kv_check_range(&request) == 0 &&
        kv_range(kv, &request, &arena, &result) == 0) {
        assert(result.item_count <= (uint64_t)result.count);
        const int error = encode_range(&answer, &HEADER, &result);
        assert(error == 0);
    }
    buffer_deinit(&answer);
    arena_deinit(&arena);
}

/* A third machine, filled from a dump of the first, is the same. */
static void check_dump(struct twins *twins)
{
    struct synod_machine from = twins->callbacks[0];
    struct synod_machine to;
    struct machine *copy = machine_new();
    uint8_t piece[PIECE];
    int64_t size;
    assert(copy != NULL);
    machine_callbacks(copy, &to);
    void *cursor = from.snapshot_open(from.context);
    int error = to.restore_begin(to.context);
    assert(cursor != NULL && error == 0);
    while ((size = from.snapshot_read(cursor, piece, sizeof piece)) > 0) {
        error = to.restore_piece(to.context, piece, (size_t)size);
        assert(error == 0);
    }
    from.snapshot_close(from.context, cursor);
    error = to.restore_end(to.context);
    assert(error == 0);
    kv_check(machine_kv(copy));
    assert(kv_hash(machine_kv(copy)) == kv_hash(machine_kv(twins->machine[0])));
    machine_free(copy);
}

FUZZ(kv_command)
{
    struct feed feed = {input};
    struct twins twins;
    for (uint32_t i = 0; i < 2; i++) {
        twins.machine[i] = machine_new();
        assert(twins.machine[i] != NULL);
        machine_callbacks(twins.machine[i], &twins.callbacks[i]);
    }
    while (!feed_is_empty(&feed)) {
        const uint32_t kind = feed_u8(&feed) % (KV_COMMAND_COMPACT + 2u);
        const uint8_t size = feed_u8(&feed);
        const struct bytes message =
            feed_take(&feed, size == ALL_THAT_IS_LEFT ? feed.rest.size : size);
        if (kind == 0) {
            read_range(machine_kv(twins.machine[0]), message);
        } else {
            apply(&twins, kind, message);
        }
    }
    kv_check(machine_kv(twins.machine[0]));
    assert(kv_hash(machine_kv(twins.machine[0])) == kv_hash(machine_kv(twins.machine[1])));
    check_dump(&twins);
    machine_free(twins.machine[0]);
    machine_free(twins.machine[1]);
}
