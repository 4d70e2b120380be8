/* requests.c -- what clients ask for: operations of every kind, drawn by chance. */
#include "sim/requests.h"

#include "sim/record.h"

enum {
    STEPS_MAX = 3, /* Of a branch. */
    PAST_MAX = 40  /* Revisions that a read looks back. */
};

static uint64_t below(struct requests *requests, uint64_t limit)
{
    return prng_below(requests->prng, limit);
}

static uint8_t chance(struct requests *requests, uint64_t numerator, uint64_t denominator)
{
    return below(requests, denominator) < numerator;
}

/* The next value, which nobody else writes. */
static uint64_t draw_value(struct requests *requests)
{
    const uint32_t large = requests->options->large_permille;
    const uint64_t value = ++requests->value_last;
    return large != 0 && chance(requests, large, 1000) ? value | RECORD_LARGE : value;
}

static struct step draw_keys(struct requests *requests, uint8_t kind)
{
    const struct requests_options *options = requests->options;
    struct step step = {.kind = kind, .key = (uint32_t)below(requests, options->keys)};
    uint32_t width = 1;
    if (!options->is_plain && options->width > 1 && chance(requests, 1, 3)) {
        width = 1 + (uint32_t)below(requests, options->width);
    }
    step.end = step.key + width;
    return step;
}

static int64_t draw_past(struct requests *requests)
{
    const int64_t past = requests->revision - (int64_t)below(requests, PAST_MAX);
    return past < 1 ? 1 : past;
}

static struct step draw_step(struct requests *requests, uint8_t kind)
{
    struct step step = draw_keys(requests, kind);
    const int is_plain = requests->options->is_plain;
    step.wants_items = chance(requests, 1, 2);
    if (kind == STEP_PUT) {
        step.end = step.key + 1;
        step.number = draw_value(requests);
    } else if (kind == STEP_GET) {
        step.wants_items = is_plain || chance(requests, 7, 8);
        step.limit = step.end > step.key + 1 && chance(requests, 1, 3)
                         ? 1 + (uint32_t)below(requests, 4)
                         : 0;
        step.number = !is_plain && chance(requests, 1, 12) ? (uint64_t)draw_past(requests) : 0;
    }
    return step;
}

static struct step draw_compare(struct requests *requests, const struct requests_memory *memory)
{
    struct step step = {.kind = STEP_COMPARE,
                        .key = memory->key,
                        .target = TARGET_MOD,
                        .relation = RELATION_EQUAL,
                        .number = (uint64_t)memory->mod};
    if (requests->options->is_plain || chance(requests, 1, 2)) {
        return step;
    }
    step.target = (uint8_t)(1 + below(requests, 4));
    step.relation = (uint8_t)(1 + below(requests, step.target == TARGET_VALUE ? 2 : 4));
    if (step.target == TARGET_VERSION) {
        step.number = below(requests, 4);
    } else if (step.target == TARGET_VALUE) {
        step.number = memory->value == 0 ? 1 : memory->value;
    }
    return step;
}

static int overlaps(const struct step *left, const struct step *right)
{
    return left->key < right->end && right->key < left->end;
}

/* Add a branch: what writes must not touch what another step writes, as etcd refuses that. */
static void add_branch(struct requests *requests, uint8_t place, uint32_t count)
{
    static const uint8_t KINDS[] = {STEP_PUT, STEP_PUT, STEP_DELETE, STEP_GET};
    struct step written[STEPS_MAX];
    uint32_t written_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct step step = draw_step(requests, KINDS[below(requests, 4)]);
        int is_free = 1;
        for (uint32_t j = 0; j < written_count; j++) {
            is_free &= !overlaps(&step, &written[j]);
        }
        if (step.kind != STEP_GET && !is_free) {
            step = draw_step(requests, STEP_GET);
        }
        if (step.kind != STEP_GET) {
            written[written_count++] = step;
        }
        step.place = place;
        (void)chronicle_add(requests->history, &step);
    }
}

static void add_txn(struct requests *requests, const struct requests_memory *memory)
{
    const struct step compare = draw_compare(requests, memory);
    const uint32_t key = compare.key;
    (void)chronicle_add(requests->history, &compare);
    if (requests->options->is_plain) {
        const struct step put = {.kind = STEP_PUT, .key = key, .number = draw_value(requests)};
        const struct step get = {
            .kind = STEP_GET, .place = PLACE_ELSE, .key = key, .wants_items = 1};
        (void)chronicle_add(requests->history, &put);
        (void)chronicle_add(requests->history, &get);
        return;
    }
    if (chance(requests, 1, 4)) {
        const struct requests_memory other = {
            .key = (uint32_t)below(requests, requests->options->keys)};
        const struct step second = draw_compare(requests, &other);
        (void)chronicle_add(requests->history, &second);
    }
    add_branch(requests, PLACE_THEN, 1 + (uint32_t)below(requests, STEPS_MAX));
    add_branch(requests, PLACE_ELSE, (uint32_t)below(requests, STEPS_MAX + 1));
}

size_t requests_begin(struct requests *requests, const struct chronicle_who *who,
                      const struct requests_memory *memory)
{
    const struct requests_options *options = requests->options;
    const uint64_t dice = below(requests, 100);
    struct chronicle *history = requests->history;
    size_t operation;
    struct step step;

    if (dice < options->txn_percent) {
        operation = chronicle_begin(history, OPERATION_TXN, who);
        add_txn(requests, memory);
        return operation;
    }
    if (options->compact_permille != 0 && chance(requests, options->compact_permille, 1000)) {
        step = (struct step){.kind = STEP_COMPACT, .number = (uint64_t)draw_past(requests)};
        operation = chronicle_begin(history, OPERATION_COMPACT, who);
    } else if (dice < options->txn_percent + options->delete_percent) {
        step = draw_step(requests, STEP_DELETE);
        operation = chronicle_begin(history, OPERATION_DELETE, who);
    } else if (dice < options->txn_percent + options->delete_percent + options->get_percent) {
        step = draw_step(requests, STEP_GET);
        operation = chronicle_begin(history, OPERATION_GET, who);
        step.number += step.number != 0 && chance(requests, 1, 4) ? PAST_MAX / 2 : 0;
        history->operations[operation].is_serializable =
            !options->is_plain && chance(requests, 1, 5);
    } else {
        step = draw_step(requests, STEP_PUT);
        operation = chronicle_begin(history, OPERATION_PUT, who);
    }
    (void)chronicle_add(history, &step);
    return operation;
}

size_t requests_begin_put(struct requests *requests, const struct chronicle_who *who, uint32_t key)
{
    const struct step step = {.kind = STEP_PUT, .key = key, .number = draw_value(requests)};
    const size_t operation = chronicle_begin(requests->history, OPERATION_PUT, who);
    (void)chronicle_add(requests->history, &step);
    return operation;
}

size_t requests_begin_get(struct requests *requests, const struct chronicle_who *who, uint32_t key)
{
    return requests_begin_range(requests, who, key, key + 1);
}

size_t requests_begin_range(struct requests *requests, const struct chronicle_who *who,
                            uint32_t key, uint32_t end)
{
    const struct step step = {.kind = STEP_GET, .key = key, .end = end, .wants_items = 1};
    const size_t operation = chronicle_begin(requests->history, OPERATION_GET, who);
    (void)chronicle_add(requests->history, &step);
    return operation;
}

void requests_note(struct requests *requests, size_t index, struct requests_memory *memory)
{
    const struct chronicle *history = requests->history;
    const struct operation *operation = &history->operations[index];
    uint32_t count;
    const struct step *steps =
        chronicle_branch(history, operation, operation->has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (steps[i].kind == STEP_PUT) {
            *memory = (struct requests_memory){steps[i].key, operation->revision, steps[i].number};
        } else if (steps[i].item_count > 0) {
            const struct seen_item *item = &history->items[steps[i].first_item];
            *memory = (struct requests_memory){item->key, item->mod, item->value};
        } else {
            *memory = (struct requests_memory){.key = steps[i].key};
        }
    }
    if (operation->revision > requests->revision) {
        requests->revision = operation->revision;
    }
}
