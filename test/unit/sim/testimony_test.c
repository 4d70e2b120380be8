/* testimony_test.c -- unknown writes are told what became of them. */
#include "test.h"
#include "sim/record.h"
#include "sim/testimony.h"

static const struct chronicle_who SOMEBODY = {.client = 1, .begin_us = 10};

static size_t ask(struct chronicle *history, enum operation_kind kind, const struct step *step)
{
    const size_t operation = chronicle_begin(history, kind, &SOMEBODY);
    (void)chronicle_add(history, step);
    return operation;
}

/* A replica applied this operation, and it took that revision. */
static void apply(struct testimony *testimony, const struct chronicle *history, size_t operation,
                  int64_t revision)
{
    struct buffer message = {0};
    const uint32_t kind = record_encode(history, operation, &message);
    testimony_note(testimony, revision, kind, buffer_bytes(&message));
    buffer_deinit(&message);
}

TEST(testimony, tells_the_revision_of_what_was_applied_and_that_the_rest_was_not)
{
    const struct step puts[] = {{.kind = STEP_PUT, .key = 1, .number = 5},
                                {.kind = STEP_PUT, .key = 1, .number = 6}};
    struct chronicle history;
    struct testimony testimony = {0};
    chronicle_init(&history);
    const size_t lost = ask(&history, OPERATION_PUT, &puts[0]);
    const size_t applied = ask(&history, OPERATION_PUT, &puts[1]);
    apply(&testimony, &history, applied, 5000);
    testimony_tell(&testimony, &history);
    assert_int_equal(history.operations[lost].outcome, OUTCOME_NOT_DONE);
    assert_int_equal(history.operations[applied].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(history.operations[applied].revision, 5000);
    testimony_deinit(&testimony);
    chronicle_deinit(&history);
}

/* Three deletions that are alike: one has its answer, one was applied, one was not. */
TEST(testimony, gives_no_revision_away_that_an_answer_claims)
{
    const struct step deletion = {.kind = STEP_DELETE, .key = 3};
    struct chronicle history;
    struct testimony testimony = {0};
    size_t operations[3];
    chronicle_init(&history);
    for (size_t i = 0; i < 3; i++) {
        operations[i] = ask(&history, OPERATION_DELETE, &deletion);
    }
    chronicle_end(&history, operations[1], OUTCOME_DONE, 20);
    history.operations[operations[1]].revision = 7;
    history.steps[history.operations[operations[1]].first_step].count = 1;
    apply(&testimony, &history, operations[1], 7);
    apply(&testimony, &history, operations[1], 9);
    testimony_tell(&testimony, &history);
    assert_int_equal(history.operations[operations[0]].revision, 9);
    assert_int_equal(history.operations[operations[1]].revision, 7);
    assert_int_equal(history.operations[operations[2]].outcome, OUTCOME_NOT_DONE);
    testimony_deinit(&testimony);
    chronicle_deinit(&history);
}
