/* register.c -- a history as seen by one key: calls of a register that can be absent. */
#include "check/register.h"

#include <stdlib.h>

#include "base/assert.h"

/* Which value a key had at the revision of one of its puts: an open table. */
struct name {
    int64_t mod; /* 0: the place is free. */
    uint64_t value;
    uint32_t key;
};

/* Where such a value was seen: an open table, found by value. */
struct sighting {
    uint64_t value; /* 0: the place is free. */
    int64_t mod;    /* 0: nowhere. */
};

struct registers {
    const struct chronicle *history;
    const struct checker_hint *hints; /* May be NULL. */
    struct name *names;
    size_t name_mask;
    struct sighting *sightings; /* Values put by operations whose outcome nobody knows. */
    size_t sighting_mask;
    uint32_t *operations; /* Those that touch key k: from start[k] up to start[k + 1]. */
    size_t *start;
    struct register_call *calls; /* Of the key asked for last. */
    size_t call_capacity;
};

int register_meets(const struct register_choice *choice, uint64_t value)
{
    return (choice->is == REGISTER_ANY || choice->is == value) && choice->not [0] != value &&
           choice->not [1] != value;
}

/* -- Names ---------------------------------------------------------------------------------- */

static struct name *find_name(const struct registers *registers, uint32_t key, int64_t mod)
{
    const uint64_t mixed = ((uint64_t)mod * 0x9e3779b97f4a7c15u) ^ (key * 0xbf58476d1ce4e5b9u);
    size_t at = (size_t)(mixed >> 20) & registers->name_mask;
    while (registers->names[at].mod != 0 &&
           (registers->names[at].mod != mod || registers->names[at].key != key)) {
        at = (at + 1) & registers->name_mask;
    }
    return &registers->names[at];
}

static void give_name(struct registers *registers, uint32_t key, int64_t mod, uint64_t value)
{
    if (mod > 0) {
        *find_name(registers, key, mod) = (struct name){mod, value, key};
    }
}

static void collect_names(struct registers *registers)
{
    const struct chronicle *history = registers->history;
    size_t capacity = 64;
    while (capacity < 2 * (history->step_count + history->item_count)) {
        capacity *= 2;
    }
    registers->name_mask = capacity - 1;
    registers->names = checker_allocate(capacity, sizeof *registers->names);
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome != OUTCOME_DONE) {
            continue;
        }
        uint32_t count;
        const struct step *steps =
            chronicle_branch(history, operation, operation->has_succeeded, &count);
        for (uint32_t j = 0; j < count; j++) {
            if (steps[j].kind == STEP_PUT) {
                give_name(registers, steps[j].key, operation->revision, steps[j].number);
            }
        }
    }
    for (size_t i = 0; i < history->item_count; i++) {
        const struct seen_item *item = &history->items[i];
        give_name(registers, item->key, item->mod, item->value);
    }
}

/* -- Hints ---------------------------------------------------------------------------------- */

/* A value's place, or the free one where it belongs. */
static struct sighting *find_sighting(const struct registers *registers, uint64_t value)
{
    size_t at = (size_t)(value * 0x9e3779b97f4a7c15u >> 20) & registers->sighting_mask;
    while (registers->sightings[at].value != 0 && registers->sightings[at].value != value) {
        at = (at + 1) & registers->sighting_mask;
    }
    return &registers->sightings[at];
}

static void collect_sightings(struct registers *registers)
{
    const struct chronicle *history = registers->history;
    size_t capacity = 64;
    for (size_t i = 0, steps = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        steps += operation->outcome == OUTCOME_UNKNOWN ? chronicle_step_count(operation) : 0;
        capacity = capacity < 2 * steps ? 2 * capacity : capacity;
    }
    registers->sighting_mask = capacity - 1;
    registers->sightings = checker_allocate(capacity, sizeof *registers->sightings);
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        const uint32_t count =
            operation->outcome == OUTCOME_UNKNOWN ? chronicle_step_count(operation) : 0;
        for (uint32_t j = operation->first_step; j < operation->first_step + count; j++) {
            if (history->steps[j].kind == STEP_PUT) {
                find_sighting(registers, history->steps[j].number)->value =
                    history->steps[j].number;
            }
        }
    }
    for (size_t i = 0; i < history->item_count; i++) {
        struct sighting *sighting = find_sighting(registers, history->items[i].value);
        sighting->mod = sighting->value == 0 ? 0 : history->items[i].mod;
    }
}

/* -- Conditions ----------------------------------------------------------------------------- */

static void require(struct register_choice *choice, uint64_t value)
{
    if (choice->is == REGISTER_ANY) {
        choice->is = value;
    } else if (choice->is != value) {
        choice->not [0] = choice->is; /* Both at once: it cannot be. */
    }
}

static void forbid(struct register_choice *choice, uint64_t value)
{
    choice->not [choice->not [0] == REGISTER_ANY || choice->not [0] == value ? 0 : 1] = value;
}

/* What it means that a compare holds, or does not. */
static void apply_compare(const struct registers *registers, const struct step *compare, int holds,
                          struct register_choice *choice)
{
    const int is_equal = (compare->relation == RELATION_EQUAL) == (holds != 0);
    const int is_equality =
        compare->relation == RELATION_EQUAL || compare->relation == RELATION_NOT_EQUAL;
    uint64_t value = compare->number;

    if (compare->target == TARGET_VALUE) {
        if (!is_equality) {
            return;
        }
        if (compare->relation == RELATION_NOT_EQUAL) {
            /* A missing key has no value: then it does not hold either. */
            if (holds) {
                forbid(choice, value);
                forbid(choice, REGISTER_ABSENT);
            }
            return;
        }
    } else if (is_equality && compare->number != 0) {
        const struct name *name = find_name(registers, compare->key, (int64_t)compare->number);
        if (compare->target != TARGET_MOD || name->mod == 0) {
            if (is_equal) {
                forbid(choice, REGISTER_ABSENT);
            }
            return;
        }
        value = name->value;
    } else if (!is_equality) {
        if (compare->relation == RELATION_GREATER && holds) {
            forbid(choice, REGISTER_ABSENT);
        } else if (compare->relation == RELATION_GREATER && compare->number == 0) {
            require(choice, REGISTER_ABSENT);
        }
        return;
    }
    if (is_equal) {
        require(choice, value);
    } else {
        forbid(choice, value);
    }
}

/* What the answer of a step that looks at a range tells of one key in it. */
static void apply_items(const struct chronicle *history, const struct step *step, uint32_t key,
                        struct register_choice *choice)
{
    const struct seen_item *items = &history->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        if (items[i].key == key) {
            require(choice, items[i].value);
            return;
        }
        if (items[i].key > key) {
            break;
        }
    }
    const int is_single = step->end == step->key + 1;
    const int is_put = step->kind == STEP_PUT;
    const int is_whole = is_put ? 1 : step->count == step->item_count;
    if (is_whole || (step->item_count > 0 && items[step->item_count - 1].key > key)) {
        require(choice, REGISTER_ABSENT);
    } else if (is_single) {
        forbid(choice, REGISTER_ABSENT);
    }
}

static int covers(const struct step *step, uint32_t key)
{
    return step->key <= key && key < step->end;
}

/* What a branch does to the key and, where its answers are known, what they show of it. */
static void apply_branch(const struct chronicle *history, const struct operation *operation,
                         int has_succeeded, uint32_t key, struct register_choice *choice)
{
    const int is_known = operation->outcome == OUTCOME_DONE;
    uint32_t count;
    const struct step *steps = chronicle_branch(history, operation, has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];
        const int is_past = step->kind == STEP_GET && step->number != 0;
        const int is_shown = step->kind != STEP_PUT || step->wants_items;
        if (!covers(step, key) || step->kind == STEP_COMPACT) {
            continue;
        }
        if (is_known && is_shown && !is_past && choice->write == REGISTER_ANY) {
            apply_items(history, step, key, choice);
        }
        if (step->kind == STEP_PUT || step->kind == STEP_DELETE) {
            choice->write = step->kind == STEP_PUT ? step->number : REGISTER_ABSENT;
        }
    }
}

static struct register_choice project_branch(const struct registers *registers,
                                             const struct operation *operation, int has_succeeded,
                                             uint32_t key)
{
    const struct step *compares = &registers->history->steps[operation->first_step];
    struct register_choice choice = {REGISTER_ANY, {REGISTER_ANY, REGISTER_ANY}, REGISTER_ANY};
    /* Of several compares nobody knows which one did not hold. */
    const uint32_t count =
        has_succeeded || operation->compare_count == 1 ? operation->compare_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (compares[i].key == key) {
            apply_compare(registers, &compares[i], has_succeeded, &choice);
        }
    }
    apply_branch(registers->history, operation, has_succeeded, key, &choice);
    return choice;
}

static int says_something(const struct register_choice *choice)
{
    return choice->is != REGISTER_ANY || choice->not [0] != REGISTER_ANY ||
           choice->write != REGISTER_ANY;
}

/* The answer's revision, or a witness's; or where a value of a write was seen; or as somebody
 * supposes. */
static int64_t find_hint(const struct registers *registers, const struct operation *operation,
                         const struct register_call *call)
{
    int64_t hint = operation->revision > 0 ? operation->revision : INT64_MAX;
    for (uint32_t i = 0; i < call->choice_count && hint == INT64_MAX; i++) {
        const struct sighting *sighting = find_sighting(registers, call->choices[i].write);
        hint = sighting->mod > 0 ? sighting->mod : INT64_MAX;
    }
    if (hint == INT64_MAX && registers->hints != NULL &&
        registers->hints[call->operation].revision > 0) {
        hint = registers->hints[call->operation].revision;
    }
    return hint;
}

/* Whether an operation succeeded, as somebody supposes; -1: nobody does. */
static int suppose_success(const struct registers *registers, uint32_t index)
{
    const uint8_t branch = registers->hints == NULL ? 0 : registers->hints[index].branch;
    return branch == 0 ? -1 : branch == PLACE_THEN;
}

static struct register_call project(const struct registers *registers, uint32_t index, uint32_t key)
{
    const struct operation *operation = &registers->history->operations[index];
    const int is_known = operation->outcome == OUTCOME_DONE;
    struct register_call call = {.begin_us = operation->begin_us,
                                 .end_us = is_known ? operation->end_us : UINT64_MAX,
                                 .operation = index};
    const int likely = suppose_success(registers, index);
    int does_nothing = likely >= 0;
    for (int i = 0; i < REGISTER_CHOICES_MAX; i++) {
        const int branch = (i == 0) == (likely != 0);
        const int is_possible =
            is_known ? branch == operation->has_succeeded : branch || operation->compare_count > 0;
        if (is_possible) {
            const struct register_choice choice = project_branch(registers, operation, branch, key);
            const int is_kept = is_known ? says_something(&choice) : choice.write != REGISTER_ANY;
            call.choices[call.choice_count] = choice;
            call.choice_count += is_kept != 0;
            does_nothing &= !is_kept || branch != likely;
        }
    }
    call.hint = does_nothing ? INT64_MAX : find_hint(registers, operation, &call);
    return call;
}

/* -- Which operations touch a key ----------------------------------------------------------- */

static int is_relevant(const struct operation *operation)
{
    return !operation->is_serializable && operation->kind != OPERATION_COMPACT &&
           operation->kind != OPERATION_RESTART && operation->outcome <= OUTCOME_DONE;
}

/* True if no step before this one covers the key. */
static int is_first(const struct chronicle *history, const struct operation *operation,
                    uint32_t step, uint32_t key)
{
    for (uint32_t i = operation->first_step; i < step; i++) {
        if (covers(&history->steps[i], key)) {
            return 0;
        }
    }
    return 1;
}

static void list_operation(struct registers *registers, uint32_t index, size_t *next)
{
    const struct chronicle *history = registers->history;
    const struct operation *operation = &history->operations[index];
    const uint32_t end = operation->first_step + operation->compare_count + operation->then_count +
                         operation->else_count;
    for (uint32_t i = operation->first_step; i < end; i++) {
        const struct step *step = &history->steps[i];
        for (uint32_t key = step->key; key < step->end && key < history->key_count; key++) {
            if (!is_first(history, operation, i, key)) {
                continue;
            }
            if (registers->operations != NULL) {
                registers->operations[next[key]] = index;
            }
            next[key]++;
        }
    }
}

static void list_operations(struct registers *registers)
{
    const struct chronicle *history = registers->history;
    const size_t keys = history->key_count;
    size_t *next = checker_allocate(keys + 1, sizeof *next);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < history->operation_count; i++) {
            if (is_relevant(&history->operations[i])) {
                list_operation(registers, i, next);
            }
        }
        for (size_t key = 0; key < keys && pass == 0; key++) {
            registers->start[key + 1] = registers->start[key] + next[key];
            next[key] = registers->start[key];
        }
        if (pass == 0) {
            registers->operations =
                checker_allocate(registers->start[keys], sizeof *registers->operations);
        }
    }
    free(next);
}

/* -- The whole ------------------------------------------------------------------------------ */

struct registers *registers_new(const struct chronicle *history, const struct checker_hint *hints)
{
    struct registers *registers = checker_allocate(1, sizeof *registers);
    registers->history = history;
    registers->hints = hints;
    registers->start = checker_allocate((size_t)history->key_count + 1, sizeof(size_t));
    collect_names(registers);
    collect_sightings(registers);
    list_operations(registers);
    return registers;
}

void registers_free(struct registers *registers)
{
    free(registers->names);
    free(registers->sightings);
    free(registers->operations);
    free(registers->start);
    free(registers->calls);
    free(registers);
}

static int compare_calls(const void *left, const void *right)
{
    const struct register_call *l = left;
    const struct register_call *r = right;
    if (l->begin_us != r->begin_us) {
        return l->begin_us < r->begin_us ? -1 : 1;
    }
    return (l->operation > r->operation) - (l->operation < r->operation);
}

static int compare_values(const void *left, const void *right)
{
    const uint64_t l = *(const uint64_t *)left;
    const uint64_t r = *(const uint64_t *)right;
    return (l > r) - (l < r);
}

/* The values that some condition names, sorted. Returns how many. `names_others` is set if some
 * condition only tells what the register did not hold. */
static size_t collect_named(const struct register_call *calls, uint32_t count, uint64_t *values,
                            int *names_others)
{
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < calls[i].choice_count; j++) {
            const struct register_choice *choice = &calls[i].choices[j];
            values[found++] = choice->is;
            values[found++] = choice->not [0];
            values[found++] = choice->not [1];
            *names_others |= choice->not [0] != REGISTER_ANY;
        }
    }
    qsort(values, found, sizeof *values, compare_values);
    return found;
}

/* Values that no condition names become one; and an unknown put of such a value is left out: it
 * explains nothing, unless it is asked what was not there. */
static uint32_t simplify(struct register_call *calls, uint32_t count)
{
    uint64_t *values = checker_allocate((size_t)count * REGISTER_CHOICES_MAX * 3, sizeof *values);
    int names_others = 0;
    const size_t found = collect_named(calls, count, values, &names_others);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        int is_useful = calls[i].end_us != UINT64_MAX || names_others;
        for (uint32_t j = 0; j < calls[i].choice_count; j++) {
            uint64_t *write = &calls[i].choices[j].write;
            const int is_named = *write == REGISTER_ANY || *write == REGISTER_ABSENT ||
                                 bsearch(write, values, found, sizeof *values, compare_values);
            *write = is_named ? *write : REGISTER_OTHER;
            is_useful |= is_named && *write != REGISTER_ANY;
        }
        if (is_useful) {
            calls[kept++] = calls[i];
        }
    }
    free(values);
    return kept;
}

const struct register_call *registers_calls(struct registers *registers, uint32_t key,
                                            uint32_t *count)
{
    const size_t begin = registers->start[key];
    const size_t end = registers->start[key + 1];
    *count = 0;
    if (end - begin > registers->call_capacity) {
        registers->call_capacity = end - begin;
        free(registers->calls);
        registers->calls = checker_allocate(registers->call_capacity, sizeof *registers->calls);
    }
    for (size_t i = begin; i < end; i++) {
        const struct register_call call = project(registers, registers->operations[i], key);
        if (call.choice_count > 0) {
            registers->calls[(*count)++] = call;
        }
    }
    if (*count > 0) {
        *count = simplify(registers->calls, *count);
        qsort(registers->calls, *count, sizeof *registers->calls, compare_calls);
    }
    return registers->calls;
}
