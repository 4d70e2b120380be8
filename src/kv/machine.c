/* machine.c -- the store as the state machine that a replica feeds.
 *
 * Whoever submits a command has decoded and checked it already, against limits of its own. It is
 * decoded and checked here again, without those limits, because what applies must not depend on
 * the settings of a replica - nor on the trust in another one's front end.
 *
 * Memory of old versions is given back a little with each command, before it is applied, so that
 * no command stalls for the garbage of all; a little more than a command can make, so that
 * garbage shrinks under any load. It is not part of the state: what is given back when differs
 * from replica to replica (an open dump holds it up), and nothing that can be read depends on
 * it. */
#include "kv/machine.h"

#include "base/assert.h"
#include "base/heap.h"
#include "base/mutant.h"
#include "kv/decode.h"
#include "kv/dump.h"
#include "kv/load.h"
#include "kv/store.h"
#include "synod/error.h"

enum {
    RECLAIM_MIN = 16
}; /* Versions given back per command, at least. */

struct machine {
    struct kv *kv;
    struct load *load;       /* The restore under way, or NULL. */
    struct arena arena;      /* For the command being applied and its result. */
    struct kv_result result; /* Of the last command. */
    uint64_t versions;       /* The store's, after the last command. */
    uint64_t answer_max;     /* Bytes of a result, roughly; 0: any number. */
};

struct machine *machine_new(void)
{
    struct machine *machine = heap_allocate(sizeof *machine);
    if (machine == NULL) {
        return NULL;
    }
    *machine = (struct machine){.kv = kv_new()};
    if (machine->kv == NULL) {
        heap_release(machine);
        return NULL;
    }
    return machine;
}

void machine_free(struct machine *machine)
{
    assert(machine->kv != NULL);
    assert(!machine->kv->is_orphan);
    if (machine->load != NULL) {
        load_free(machine->load);
    }
    store_abandon(machine->kv);
    arena_deinit(&machine->arena);
    heap_release(machine);
}

void machine_limit_answers(struct machine *machine, uint64_t bytes)
{
    assert(machine->kv != NULL);
    assert(!machine->kv->is_orphan);
    machine->answer_max = bytes;
}

struct kv *machine_kv(struct machine *machine)
{
    assert(machine->kv != NULL);
    return machine->kv;
}

/* -- Applying ------------------------------------------------------------------------------ */

static int apply_put(struct machine *m, struct bytes message, struct kv_put_result *result)
{
    struct kv_put_request request;
    int error = decode_put(message, &request);

    assert(error == 0 || error == KV_ERR_MALFORMED);
    if (error == 0) {
        error = kv_check_put(&request);
    }
    return error == 0 ? kv_put(m->kv, &request, result) : error;
}

static int apply_delete_range(struct machine *m, struct bytes message,
                              struct kv_delete_range_result *result)
{
    struct kv_delete_range_request request;
    int error = decode_delete_range(message, &request);

    assert(error == 0 || error == KV_ERR_MALFORMED);
    if (error == 0) {
        error = kv_check_delete_range(&request);
    }
    request.answer_max = m->answer_max;
    return error == 0 ? kv_delete_range(m->kv, &request, &m->arena, result) : error;
}

static int apply_txn(struct machine *m, struct bytes message, struct kv_txn_result *result)
{
    struct kv_txn_request *request;
    int error = decode_txn(message, KV_OPS_UNLIMITED, &m->arena, &request);

    assert(error <= 0);
    if (error == 0) {
        error = kv_check_txn(request, KV_OPS_UNLIMITED, &m->arena);
    }
    if (error != 0) {
        return error;
    }
    request->answer_max = m->answer_max;
    return kv_txn(m->kv, request, &m->arena, result);
}

static int apply_compaction(struct machine *m, struct bytes message,
                            struct kv_compaction_result *result)
{
    struct kv_compaction_request request;
    const int error = decode_compaction(message, &request);

    assert(error == 0 || error == KV_ERR_MALFORMED);
    return error == 0 ? kv_compact(m->kv, &request, result) : error;
}

static int apply_command(struct machine *m, const struct synod_command *command)
{
    const struct bytes message = bytes_of(command->data, command->size);
    struct kv_result *result = command->wants_result ? &m->result : NULL;

    assert(bytes_is_whole(message));
    assert(m->result.kind == command->kind);
    assert(m->kv->changes == 0);
    switch (command->kind) {
    case KV_COMMAND_PUT:
        return apply_put(m, message, result == NULL ? NULL : &result->put);
    case KV_COMMAND_DELETE_RANGE:
        return apply_delete_range(m, message, result == NULL ? NULL : &result->delete_range);
    case KV_COMMAND_TXN:
        return apply_txn(m, message, result == NULL ? NULL : &result->txn);
    case KV_COMMAND_COMPACT:
        return apply_compaction(m, message, result == NULL ? NULL : &result->compaction);
    default:
        return KV_ERR_MALFORMED; /* From a newer version, perhaps: refused by all alike. */
    }
}

/* Of a command that was applied: why it has no answer, or 0. */
static int lost_of(const struct kv_result *result)
{
    assert(result->error == 0);
    assert(result->lost == 0);
    return result->kind == KV_COMMAND_DELETE_RANGE ? result->delete_range.lost
           : result->kind == KV_COMMAND_TXN        ? result->txn.lost
                                                   : 0;
}

/* A command makes no more garbage than versions, so twice that is always ahead of it. */
static void reclaim(struct machine *m)
{
    const uint64_t before = m->versions;
    const uint64_t now = m->kv->stats.versions;
    const uint64_t made = now > before ? now - before : 0;

    assert(!m->kv->is_orphan);
    (void)kv_reclaim(m->kv, RECLAIM_MIN + (MUTANT(143) ? 0 : 2 * made));
    m->versions = m->kv->stats.versions;
    assert(m->versions <= now);
}

static const void *apply(void *context, const struct synod_command *command)
{
    struct machine *m = context;

    assert(command->wants_result <= 1);
    assert(m->load == NULL);
    reclaim(m);
    arena_reset(&m->arena);
    m->result = (struct kv_result){.kind = command->kind, .term = command->term};
    const int64_t before = m->kv->revision;
    m->result.error = apply_command(m, command);
    assert(m->result.error <= 0);
    assert(m->kv->changes == 0);
    assert(m->kv->revision == before || m->kv->revision == before + 1);
    assert(m->result.error == 0 || m->result.error == KV_ERR_NO_MEMORY ||
           m->kv->revision == before);
    if (m->result.error == KV_ERR_NO_MEMORY) {
        assert_failed("no memory to apply a command of the log", __FILE__, __LINE__);
    }
    if (command->wants_result && m->result.error == 0) {
        m->result.lost = lost_of(&m->result);
    }
    return command->wants_result ? &m->result : NULL;
}

static uint64_t state_size(void *context)
{
    const struct machine *m = context;
    assert(m->kv->stats.versions > 0 || m->kv->stats.live_bytes == 0);
    return m->kv->stats.live_bytes + m->kv->stats.history_bytes;
}

/* -- Snapshots ----------------------------------------------------------------------------- */

static void *open_snapshot(void *context)
{
    struct machine *m = context;
    assert(!m->kv->is_orphan);
    assert(m->load == NULL);
    return dump_open(m->kv);
}

static int64_t read_snapshot(void *cursor, void *to, size_t size)
{
    assert(cursor != NULL);
    assert(size <= INT64_MAX);
    return (int64_t)dump_read(cursor, to, size);
}

static void close_snapshot(void *context, void *cursor)
{
    (void)context; /* A restore may have put another store in the place of the dump's. */
    assert(cursor != NULL);
    dump_close(cursor);
}

/* The store is replaced, not emptied: a dump of the old one may be open. */
static int begin_restore(void *context)
{
    struct machine *m = context;

    assert(!m->kv->is_orphan);
    if (m->load != NULL) {
        load_free(m->load);
        m->load = NULL;
    }
    struct kv *kv = kv_new();
    struct load *load = kv == NULL ? NULL : load_new(kv);
    if (load == NULL) {
        if (kv != NULL) {
            kv_free(kv);
        }
        if (m->kv->dumps == 0) {
            store_clear(m->kv);
        }
        return SYNOD_ERR_MEMORY;
    }
    store_abandon(m->kv);
    arena_reset(&m->arena);
    m->kv = kv;
    m->load = load;
    assert(kv->tree.count == 0);
    return 0;
}

/* Go on after a step of the restore: `error` empties the machine. */
static int check_restore(struct machine *m, int error)
{
    assert(m->load != NULL);
    assert(error == 0 || error == SYNOD_ERR_CORRUPT || error == SYNOD_ERR_MEMORY);
    if (error != 0) {
        load_free(m->load);
        m->load = NULL;
        store_clear(m->kv);
        assert(m->kv->revision == 1);
    }
    return error;
}

static int piece_restore(void *context, const void *data, size_t size)
{
    struct machine *m = context;
    assert(m->kv->dumps == 0);
    assert(m->load != NULL);
    return check_restore(m, load_piece(m->load, bytes_of(data, size)));
}

static int end_restore(void *context)
{
    struct machine *m = context;

    assert(m->kv->dumps == 0);
    assert(m->load != NULL);
    const int error = check_restore(m, load_end(m->load));
    if (error == 0) {
        load_free(m->load);
        m->load = NULL;
    }
    m->versions = m->kv->stats.versions;
    assert(m->load == NULL);
    return error;
}

void machine_callbacks(struct machine *machine, struct synod_machine *callbacks)
{
    assert(machine->kv != NULL);
    *callbacks = (struct synod_machine){
        .context = machine,
        .apply = apply,
        .state_size = state_size,
        .snapshot_open = open_snapshot,
        .snapshot_read = read_snapshot,
        .snapshot_close = close_snapshot,
        .restore_begin = begin_restore,
        .restore_piece = piece_restore,
        .restore_end = end_restore,
    };
}
