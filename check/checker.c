/* checker.c -- what a judge of histories says. */
#include "check/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/checker_replay.h"
#include "check/checker_states.h"
#include "check/checker_wgl.h"

enum {
    QUOTE_SIZE = 240 /* Of an operation in a verdict. */
};

void *checker_allocate(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* An operation as text, cut where it is too long, and where it stands. */
static void quote(const struct chronicle *history, int64_t operation, char text[QUOTE_SIZE])
{
    const uint32_t line = history->operations[operation].line;
    FILE *to = fmemopen(text, QUOTE_SIZE - 1, "w");
    text[0] = '\0';
    if (to != NULL) {
        if (line != 0) {
            fprintf(to, "line %" PRIu32 " ", line);
        }
        fputc('[', to);
        chronicle_print(history, (size_t)operation, to);
        (void)fclose(to);
    }
    text[QUOTE_SIZE - 2] = '\0';
    const size_t size = strlen(text);
    text[size] = ']';
    text[size + 1] = '\0';
}

void checker_conclude(struct checker_verdict *verdict, const struct chronicle *history,
                      enum checker_opinion opinion, const char *sentence,
                      const int64_t operations[2])
{
    char quotes[2][QUOTE_SIZE] = {{0}};
    const int has_first = operations[0] != CHECKER_NOBODY;
    const int has_second = operations[1] != CHECKER_NOBODY && operations[1] != operations[0];

    assert(opinion != CHECKER_ACCEPTS);
    if (has_first) {
        quote(history, operations[0], quotes[0]);
    }
    if (has_second) {
        quote(history, operations[1], quotes[1]);
    }
    verdict->opinion = opinion;
    snprintf(verdict->text, sizeof verdict->text, "%s%s%s%s%s", sentence, has_first ? ": " : "",
             quotes[0], has_second ? " and " : "", quotes[1]);
}

const char *checker_opinion_name(enum checker_opinion opinion)
{
    return opinion == CHECKER_ACCEPTS   ? "accepts"
           : opinion == CHECKER_REJECTS ? "rejects"
                                        : "gave up";
}

int checker_find_flaw(const struct chronicle *history, struct checker_verdict *verdict)
{
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome != OUTCOME_UNKNOWN && operation->end_us < operation->begin_us) {
            checker_conclude(verdict, history, CHECKER_REJECTS,
                             "an operation ended before it began",
                             (int64_t[2]){(int64_t)i, CHECKER_NOBODY});
            return -1;
        }
    }
    return 0;
}

static void judge_by_search(const struct chronicle *history, struct checker_hint *hints,
                            struct checker_verdict *verdict)
{
    const struct checker_wgl_options options = {.hints = hints};
    checker_wgl_within(history, &options, verdict);
}

static void judge_states(const struct chronicle *history,
                         __attribute__((unused)) struct checker_hint *hints,
                         struct checker_verdict *verdict)
{
    checker_states(history, verdict);
}

const struct checker CHECKERS[CHECKER_COUNT] = {
    {"replay", checker_replay_telling},
    {"search", judge_by_search},
    {"states", judge_states},
};

enum checker_opinion checker_judge(const struct chronicle *history, struct checker_verdict *verdict)
{
    struct checker_verdict next;
    struct checker_hint *hints = checker_allocate(history->operation_count, sizeof *hints);
    *verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    for (size_t i = 0; i < CHECKER_COUNT && verdict->opinion != CHECKER_REJECTS; i++) {
        CHECKERS[i].judge(history, hints, &next);
        if (next.opinion == CHECKER_REJECTS ||
            (next.opinion == CHECKER_GAVE_UP && verdict->opinion == CHECKER_ACCEPTS)) {
            verdict->opinion = next.opinion;
            snprintf(verdict->text, sizeof verdict->text, "the %s %s: %.600s", CHECKERS[i].name,
                     checker_opinion_name(next.opinion), next.text);
        }
    }
    free(hints);
    return verdict->opinion;
}
