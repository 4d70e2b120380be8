/* generate.c -- histories that are right: clients of one store, in random interleavings. */
#include "sim/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "kv/machine.h"
#include "sim/record.h"

enum {
    PENDING_MAX = 4 * GENERATE_CLIENTS_MAX,
    STEPS_MAX = 3, /* Of a branch. */
    PAST_MAX = 40  /* Revisions that a read looks back. */
};

/* An operation under way. */
struct pending {
    size_t operation;
    uint64_t at_us;  /* When it takes effect; UINT64_MAX: never. */
    uint64_t end_us; /* When its client goes on. */
    uint32_t client; /* UINT32_MAX: nobody waits for it any more. */
};

struct client {
    uint32_t key; /* What it saw last, and as of when: for compares. */
    int64_t mod;
    uint64_t value;
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
    struct client clients[GENERATE_CLIENTS_MAX];
    int64_t told[CHRONICLE_MEMBERS_MAX]; /* The revision a member has told, at most. */
    uint64_t now_us;                     /* Everything before has taken effect. */
    uint32_t begun;
    uint64_t slot;
    uint64_t value_last;
};

static uint64_t below(struct generator *generator, uint64_t limit)
{
    return prng_below(&generator->prng, limit);
}

static uint8_t chance(struct generator *generator, uint64_t numerator, uint64_t denominator)
{
    return below(generator, denominator) < numerator;
}

/* -- What clients ask for ------------------------------------------------------------------- */

static struct step draw_keys(struct generator *generator, uint8_t kind)
{
    const struct generate_options *options = generator->options;
    struct step step = {.kind = kind, .key = (uint32_t)below(generator, options->keys)};
    uint32_t width = 1;
    if (!options->is_plain && options->width > 1 && chance(generator, 1, 3)) {
        width = 1 + (uint32_t)below(generator, options->width);
    }
    step.end = step.key + width;
    return step;
}

static int64_t draw_past(struct generator *generator)
{
    const struct kv *kv = machine_kv(generator->machine);
    const int64_t past = kv_revision(kv) - (int64_t)below(generator, PAST_MAX);
    return past < 1 ? 1 : past;
}

static struct step draw_step(struct generator *generator, uint8_t kind)
{
    struct step step = draw_keys(generator, kind);
    const int is_plain = generator->options->is_plain;
    step.wants_items = chance(generator, 1, 2);
    if (kind == STEP_PUT) {
        step.end = step.key + 1;
        step.number = ++generator->value_last;
    } else if (kind == STEP_GET) {
        step.wants_items = is_plain || chance(generator, 7, 8);
        step.limit = step.end > step.key + 1 && chance(generator, 1, 3)
                         ? 1 + (uint32_t)below(generator, 4)
                         : 0;
        step.number = !is_plain && chance(generator, 1, 12) ? (uint64_t)draw_past(generator) : 0;
    }
    return step;
}

static struct step draw_compare(struct generator *generator, const struct client *client)
{
    struct step step = {.kind = STEP_COMPARE,
                        .key = client->key,
                        .target = TARGET_MOD,
                        .relation = RELATION_EQUAL,
                        .number = (uint64_t)client->mod};
    if (generator->options->is_plain || chance(generator, 1, 2)) {
        return step;
    }
    step.target = (uint8_t)(1 + below(generator, 4));
    step.relation = (uint8_t)(1 + below(generator, step.target == TARGET_VALUE ? 2 : 4));
    if (step.target == TARGET_VERSION) {
        step.number = below(generator, 4);
    } else if (step.target == TARGET_VALUE) {
        step.number = client->value == 0 ? 1 : client->value;
    }
    return step;
}

static int overlaps(const struct step *left, const struct step *right)
{
    return left->key < right->end && right->key < left->end;
}

/* Add a branch: what writes must not touch what another step writes, as etcd refuses that. */
static void add_branch(struct generator *generator, uint8_t place, uint32_t count)
{
    static const uint8_t KINDS[] = {STEP_PUT, STEP_PUT, STEP_DELETE, STEP_GET};
    struct step written[STEPS_MAX];
    uint32_t written_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct step step = draw_step(generator, KINDS[below(generator, 4)]);
        int is_free = 1;
        for (uint32_t j = 0; j < written_count; j++) {
            is_free &= !overlaps(&step, &written[j]);
        }
        if (step.kind != STEP_GET && !is_free) {
            step = draw_step(generator, STEP_GET);
        }
        if (step.kind != STEP_GET) {
            written[written_count++] = step;
        }
        step.place = place;
        (void)chronicle_add(generator->history, &step);
    }
}

static void add_txn(struct generator *generator, const struct client *client)
{
    const struct step compare = draw_compare(generator, client);
    const uint32_t key = compare.key;
    (void)chronicle_add(generator->history, &compare);
    if (generator->options->is_plain) {
        const struct step put = {.kind = STEP_PUT, .key = key, .number = ++generator->value_last};
        const struct step get = {
            .kind = STEP_GET, .place = PLACE_ELSE, .key = key, .wants_items = 1};
        (void)chronicle_add(generator->history, &put);
        (void)chronicle_add(generator->history, &get);
        return;
    }
    if (chance(generator, 1, 4)) {
        const struct client other = {.key = (uint32_t)below(generator, generator->options->keys)};
        const struct step second = draw_compare(generator, &other);
        (void)chronicle_add(generator->history, &second);
    }
    add_branch(generator, PLACE_THEN, 1 + (uint32_t)below(generator, STEPS_MAX));
    add_branch(generator, PLACE_ELSE, (uint32_t)below(generator, STEPS_MAX + 1));
}

static size_t begin_operation(struct generator *generator, const struct chronicle_who *who)
{
    const struct generate_options *options = generator->options;
    const struct client *client = &generator->clients[who->client];
    const uint64_t dice = below(generator, 100);
    struct chronicle *history = generator->history;
    size_t operation;
    struct step step;

    if (dice < options->txn_percent) {
        operation = chronicle_begin(history, OPERATION_TXN, who);
        add_txn(generator, client);
        return operation;
    }
    if (!options->is_plain && chance(generator, 1, 200)) {
        step = (struct step){.kind = STEP_COMPACT, .number = (uint64_t)draw_past(generator)};
        operation = chronicle_begin(history, OPERATION_COMPACT, who);
    } else if (dice < options->txn_percent + options->delete_percent) {
        step = draw_step(generator, STEP_DELETE);
        operation = chronicle_begin(history, OPERATION_DELETE, who);
    } else if (dice < options->txn_percent + options->delete_percent + options->get_percent) {
        step = draw_step(generator, STEP_GET);
        operation = chronicle_begin(history, OPERATION_GET, who);
        step.number += step.number != 0 && chance(generator, 1, 4) ? PAST_MAX / 2 : 0;
        history->operations[operation].is_serializable =
            !options->is_plain && chance(generator, 1, 5);
    } else {
        step = draw_step(generator, STEP_PUT);
        operation = chronicle_begin(history, OPERATION_PUT, who);
    }
    (void)chronicle_add(history, &step);
    return operation;
}

/* -- What becomes of it --------------------------------------------------------------------- */

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
    const struct kv_result *result = generator->calls.apply(generator->calls.context, &command);
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

static void note_last(struct generator *generator, const struct operation *operation)
{
    const struct chronicle *history = generator->history;
    struct client *client = &generator->clients[operation->client];
    uint32_t count;
    const struct step *steps =
        chronicle_branch(history, operation, operation->has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (steps[i].kind == STEP_PUT) {
            *client = (struct client){steps[i].key, operation->revision, steps[i].number};
        } else if (steps[i].item_count > 0) {
            const struct seen_item *item = &history->items[steps[i].first_item];
            *client = (struct client){item->key, item->mod, item->value};
        } else {
            *client = (struct client){.key = steps[i].key};
        }
    }
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
        note_last(generator, operation);
    }
}

/* What a member had under way when it died, nobody learns any more. */
static void restart(struct generator *generator, uint32_t member)
{
    const uint64_t at_us = generator->now_us;
    struct chronicle *history = generator->history;
    chronicle_restart(history, member, at_us);
    generator->told[member] -= (int64_t)below(generator, PAST_MAX);
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
    const size_t index = begin_operation(generator, &who);
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
