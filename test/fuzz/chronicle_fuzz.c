/* chronicle_fuzz.c -- a history of operations as text, from a file that anybody may have written.
 *
 * What could be read is written, and read again as the same requests, and that as the same text. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "check/chronicle.h"
#include "fuzz.h"

/* Returns what chronicle_read() does. */
static int read_text(struct chronicle *history, const char *text, size_t size)
{
    char wrong[200] = "";
    FILE *from = fmemopen((char *)(uintptr_t)text, size, "r");
    assert(from != NULL);
    chronicle_init(history);
    const int error = chronicle_read(history, from, wrong, sizeof wrong);
    assert((error != 0) == (strncmp(wrong, "line ", 5) == 0));
    (void)fclose(from);
    return error;
}

static char *write_text(const struct chronicle *history, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    assert(to != NULL);
    const int error = chronicle_write(history, to);
    assert(error == 0);
    (void)fclose(to);
    return text;
}

/* What each operation says of its steps is within what there is. */
static void check_steps(const struct chronicle *history)
{
    size_t next = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        assert(operation->first_step == next);
        next += chronicle_step_count(operation);
        assert(next <= history->step_count && operation->line > 0);
    }
    assert(next == history->step_count);
    for (size_t i = 0; i < history->step_count; i++) {
        const struct step *step = &history->steps[i];
        assert(step->key < history->key_count || step->kind == STEP_COMPACT);
        assert(step->first_item + (uint64_t)step->item_count <= history->item_count);
    }
}

/* The same is asked, as far as a step of its kind asks for it. */
static int is_same_request(const struct step *a, const struct step *b)
{
    if (a->kind != b->kind || a->place != b->place) {
        return 0;
    }
    if (a->kind != STEP_COMPACT && (a->key != b->key || a->end != b->end)) {
        return 0;
    }
    const int is_same_number = a->kind == STEP_DELETE || a->number == b->number;
    if (a->kind == STEP_COMPARE) {
        return is_same_number && a->target == b->target && a->relation == b->relation;
    }
    return is_same_number && (a->kind == STEP_COMPACT || a->wants_items == b->wants_items) &&
           (a->kind != STEP_GET || a->limit == b->limit);
}

static int is_same_operation(const struct operation *a, const struct operation *b)
{
    return a->kind == b->kind && a->outcome == b->outcome && a->begin_us == b->begin_us &&
           (a->outcome == OUTCOME_UNKNOWN || a->end_us == b->end_us) && a->client == b->client &&
           a->member == b->member && a->revision == b->revision &&
           a->is_serializable == b->is_serializable && a->has_succeeded == b->has_succeeded &&
           a->compare_count == b->compare_count && a->then_count == b->then_count &&
           a->else_count == b->else_count;
}

static void check_same(const struct chronicle *a, const struct chronicle *b)
{
    assert(a->base == b->base && a->operation_count == b->operation_count);
    assert(a->step_count == b->step_count && a->state_count == b->state_count);
    for (size_t i = 0; i < a->operation_count; i++) {
        assert(is_same_operation(&a->operations[i], &b->operations[i]));
    }
    for (size_t i = 0; i < a->step_count; i++) {
        assert(is_same_request(&a->steps[i], &b->steps[i]));
    }
}

FUZZ(chronicle)
{
    struct chronicle history;
    if (input.size == 0) {
        return; /* fmemopen() takes no room for nothing. */
    }
    if (read_text(&history, (const char *)input.data, input.size) == 0) {
        struct chronicle same;
        size_t size;
        size_t size_again;
        check_steps(&history);
        char *text = write_text(&history, &size);
        const int error = read_text(&same, text, size);
        assert(error == 0);
        check_same(&history, &same);
        char *again = write_text(&same, &size_again);
        assert(size_again == size && memcmp(again, text, size) == 0);
        chronicle_deinit(&same);
        free(again);
        free(text);
    }
    chronicle_deinit(&history);
}
