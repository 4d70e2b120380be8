/* register.c -- a history as seen by one key: calls of a register that can be absent. */
#include "check/register.h"

#include <stdlib.h>

#include "base/assert.h"
#include "check/checker.h"

/* Which value a key had at the revision of one of its puts: an open table. */
struct name {
    int64_t mod; /* 0: the place is free. */
    uint64_t value;
    uint32_t key;
};

struct registers {
    const struct chronicle *history;
    struct name *names;
    size_t name_mask;
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

static struct register_call project(const struct registers *registers, uint32_t index, uint32_t key)
{
    const struct operation *operation = &registers->history->operations[index];
    const int is_known = operation->outcome == OUTCOME_DONE;
    struct register_call call = {.begin_us = operation->begin_us,
                                 .end_us = is_known ? operation->end_us : UINT64_MAX,
                                 .operation = index};
    for (int branch = 1; branch >= 0; branch--) {
        const int is_possible =
            is_known ? branch == operation->has_succeeded : branch || operation->compare_count > 0;
        if (is_possible) {
            const struct register_choice choice = project_branch(registers, operation, branch, key);
            const int is_kept = is_known ? says_something(&choice) : choice.write != REGISTER_ANY;
            call.choices[call.choice_count] = choice;
            call.choice_count += is_kept != 0;
        }
    }
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

struct registers *registers_new(const struct chronicle *history)
{
    struct registers *registers = checker_allocate(1, sizeof *registers);
    registers->history = history;
    registers->start = checker_allocate((size_t)history->key_count + 1, sizeof(size_t));
    collect_names(registers);
    list_operations(registers);
    return registers;
}

void registers_free(struct registers *registers)
{
    free(registers->names);
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

/* The values that some call found the register to hold, sorted. Returns how many, or SIZE_MAX if
 * some call tells what it did not hold. */
static size_t collect_demands(const struct register_call *calls, uint32_t count, uint64_t *values)
{
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < calls[i].choice_count; j++) {
            if (calls[i].choices[j].not [0] != REGISTER_ANY) {
                return SIZE_MAX;
            }
            values[found] = calls[i].choices[j].is;
            found += values[found] != REGISTER_ANY;
        }
    }
    qsort(values, found, sizeof *values, compare_values);
    return found;
}

/* An unknown put that nobody saw explains nothing, unless it is asked what was not there. */
static uint32_t drop_useless(struct register_call *calls, uint32_t count)
{
    uint64_t *values = checker_allocate((size_t)count * REGISTER_CHOICES_MAX, sizeof *values);
    const size_t found = collect_demands(calls, count, values);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        int is_useful = calls[i].end_us != UINT64_MAX || found == SIZE_MAX;
        for (uint32_t j = 0; j < calls[i].choice_count && !is_useful; j++) {
            const uint64_t *write = &calls[i].choices[j].write;
            is_useful = *write == REGISTER_ABSENT ||
                        bsearch(write, values, found, sizeof *values, compare_values) != NULL;
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
        *count = drop_useless(registers->calls, *count);
        qsort(registers->calls, *count, sizeof *registers->calls, compare_calls);
    }
    return registers->calls;
}
