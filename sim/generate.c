/* generate.c -- histories that are right: clients of one store, in random interleavings. */
#include "sim/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "kv/machine.h"
#include "sim/record.h"
#include "sim/requests.h"

enum {
    PENDING_MAX = 4 * GENERATE_CLIENTS_MAX,
    BEHIND_MAX = 40 /* Revisions that a member falls back when it restarts. */
};

/* An operation under way. */
struct pending {
    size_t operation;
    uint64_t at_us;  /* When it takes effect; UINT64_MAX: never. */
    uint64_t end_us; /* When its client goes on. */
    uint32_t client; /* UINT32_MAX: nobody waits for it any more. */
};

struct generator {
    const struct generate_options *options;
    struct chronicle *history;
    struct prng prng;
    struct machine *machine;
    struct synod_machine calls;
    struct buffer message;
    struct pending pending[PENDING_MAX];
    uint32_t pending_count;
    struct requests requests;
    struct requests_memory memories[GENERATE_CLIENTS_MAX];
    int64_t told[CHRONICLE_MEMBERS_MAX]; /* The revision a member has told, at most. */
    uint64_t now_us;                     /* Everything before has taken effect. */
    uint32_t begun;
    uint64_t slot;
};

static uint64_t below(struct generator *generator, uint64_t limit)
{
    return prng_below(&generator->prng, limit);
}

static uint8_t chance(struct generator *generator, uint64_t numerator, uint64_t denominator)
{
    return below(generator, denominator) < numerator;
}

/* -- What becomes of it --------------------------------------------------------------------- */

static void report_state(struct generator *generator)
{
    const struct kv *kv = machine_kv(generator->machine);
    struct state_report report = {.at_us = generator->now_us,
                                  .revision = kv_revision(kv),
                                  .compacted = kv_compacted(kv),
                                  .hash = kv_hash(kv)};
    for (; report.member < generator->options->members; report.member++) {
        chronicle_report(generator->history, &report);
    }
}

static enum operation_outcome apply(struct generator *generator, size_t operation)
{
    struct chronicle *history = generator->history;
    buffer_clear(&generator->message, SIZE_MAX);
    const uint32_t kind = record_encode(history, operation, &generator->message);
    const struct bytes message = buffer_bytes(&generator->message);
    const struct synod_command command = {.slot = ++generator->slot,
                                          .term = 1,
                                          .data = message.data,
                                          .size = message.size,
                                          .kind = kind,
                                          .wants_result = 1};
    const struct kv *kv = machine_kv(generator->machine);
    const int64_t revision = kv_revision(kv);
    const int64_t compacted = kv_compacted(kv);
    const struct kv_result *result = generator->calls.apply(generator->calls.context, &command);
    if (generator->options->reports_states &&
        (kv_revision(kv) != revision || kv_compacted(kv) != compacted)) {
        report_state(generator);
    }
    const int is_known = history->operations[operation].outcome != OUTCOME_UNKNOWN;
    return is_known ? record_result(history, operation, result) : OUTCOME_UNKNOWN;
}

static enum operation_outcome read_state(struct generator *generator, size_t index)
{
    const struct operation *operation = &generator->history->operations[index];
    const struct kv *kv = machine_kv(generator->machine);
    const int64_t now = kv_revision(kv);
    int64_t revision = 0;
    if (operation->is_serializable) {
        int64_t floor = generator->told[operation->member];
        floor = floor < kv_compacted(kv) ? kv_compacted(kv) : floor;
        floor = floor < 1 ? 1 : floor;
        revision = floor + (int64_t)below(generator, (uint64_t)(now - floor) + 1);
    }
    return record_get(generator->history, index, kv, revision);
}

/* An operation takes effect. It was marked DONE beforehand if its client is to learn of it. */
static void perform(struct generator *generator, const struct pending *pending)
{
    struct chronicle *history = generator->history;
    struct operation *operation = &history->operations[pending->operation];
    if (operation->kind == OPERATION_GET && operation->outcome == OUTCOME_UNKNOWN) {
        return; /* It has happened to nobody. */
    }
    const enum operation_outcome outcome = operation->kind == OPERATION_GET
                                               ? read_state(generator, pending->operation)
                                               : apply(generator, pending->operation);
    if (operation->outcome == OUTCOME_UNKNOWN) {
        return;
    }
    chronicle_end(history, pending->operation, outcome, pending->end_us);
    if (outcome == OUTCOME_DONE) {
        int64_t *told = &generator->told[operation->member];
        *told = operation->revision > *told ? operation->revision : *told;
        requests_note(&generator->requests, pending->operation,
                      &generator->memories[operation->client]);
    }
}

/* What a member had under way when it died, nobody learns any more. */
static void restart(struct generator *generator, uint32_t member)
{
    const uint64_t at_us = generator->now_us;
    struct chronicle *history = generator->history;
    chronicle_restart(history, member, at_us);
    generator->told[member] -= (int64_t)below(generator, BEHIND_MAX);
    for (uint32_t i = 0; i < generator->pending_count; i++) {
        const size_t index = generator->pending[i].operation;
        struct operation *operation = index == SIZE_MAX ? NULL : &history->operations[index];
        if (operation != NULL && operation->member == member && operation->begin_us <= at_us) {
            operation->outcome = OUTCOME_UNKNOWN;
        }
    }
}

static void begin_next(struct generator *generator, uint32_t client, uint64_t now_us)
{
    const struct generate_options *options = generator->options;
    const uint64_t latency_us = options->latency_us_max;
    const uint64_t begin_us = now_us + 1 + below(generator, latency_us / 4 + 1);
    const struct chronicle_who who = {client, (uint32_t)below(generator, options->members),
                                      begin_us};
    if (generator->begun++ >= options->operations) {
        return;
    }
    if (chance(generator, options->restart_ppm, 1000000)) {
        restart(generator, (uint32_t)below(generator, options->members));
    }
    generator->requests.revision = kv_revision(machine_kv(generator->machine));
    const size_t index = requests_begin(&generator->requests, &who, &generator->memories[client]);
    struct operation *operation = &generator->history->operations[index];
    struct pending pending = {.operation = index, .client = client};
    pending.at_us = begin_us + below(generator, latency_us + 1);
    pending.end_us = pending.at_us + below(generator, latency_us + 1);
    operation->outcome = OUTCOME_DONE;
    if (chance(generator, options->unknown_ppm, 1000000) &&
        generator->pending_count + options->clients < PENDING_MAX) {
        /* Its client gives up; the operation itself comes late, or never. */
        const int is_never = chance(generator, 1, 3);
        const struct pending orphan = {
            .operation = index,
            .client = UINT32_MAX,
            .at_us = is_never ? UINT64_MAX : begin_us + below(generator, 8 * latency_us + 1)};
        operation->outcome =
            is_never && chance(generator, 1, 2) ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN;
        operation->end_us = pending.end_us;
        if (!is_never) {
            generator->pending[generator->pending_count++] = orphan;
        }
        pending.operation = SIZE_MAX; /* The client alone goes on then. */
    }
    generator->pending[generator->pending_count++] = pending;
}

void generate_history(const struct generate_options *options, struct chronicle *history)
{
    struct generator *generator = calloc(1, sizeof *generator);
    if (generator == NULL) {
        abort();
    }
    assert(options->clients > 0 && options->clients <= GENERATE_CLIENTS_MAX);
    assert(options->members > 0 && options->members <= CHRONICLE_MEMBERS_MAX);
    generator->options = options;
    generator->history = history;
    generator->prng.state = options->seed;
    generator->requests = (struct requests){
        .options = &options->requests, .prng = &generator->prng, .history = history};
    generator->machine = machine_new();
    assert(generator->machine != NULL);
    machine_callbacks(generator->machine, &generator->calls);
    for (uint32_t i = 0; i < options->clients; i++) {
        begin_next(generator, i, below(generator, options->latency_us_max + 1));
    }
    while (generator->pending_count > 0) {
        uint32_t first = 0;
        for (uint32_t i = 1; i < generator->pending_count; i++) {
            first = generator->pending[i].at_us < generator->pending[first].at_us ? i : first;
        }
        const struct pending pending = generator->pending[first];
        generator->pending[first] = generator->pending[--generator->pending_count];
        generator->now_us = pending.at_us;
        if (pending.operation != SIZE_MAX) {
            perform(generator, &pending);
        }
        if (pending.client != UINT32_MAX) {
            begin_next(generator, pending.client, pending.end_us);
        }
    }
    buffer_deinit(&generator->message);
    machine_free(generator->machine);
    free(generator);
}
