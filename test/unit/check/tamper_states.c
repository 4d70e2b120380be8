/* tamper_states.c -- ways to spoil what replicas report of their states. */
#include "tamper.h"

static struct state_report *pick(struct chronicle *history, struct prng *prng)
{
    return history->state_count == 0 ? NULL
                                     : &history->states[prng_below(prng, history->state_count)];
}

/* What the same member reported just before; NULL: nothing. */
static const struct state_report *find_before(const struct chronicle *history,
                                              const struct state_report *report)
{
    const struct state_report *before = NULL;
    for (const struct state_report *it = history->states; it < report; it++) {
        before = it->member == report->member ? it : before;
    }
    return before;
}

int tamper_a_state_differs(struct chronicle *history, struct prng *prng)
{
    struct state_report *report = pick(history, prng);
    if (report == NULL) {
        return 0;
    }
    report->hash ^= UINT64_C(1) << prng_below(prng, 64);
    return 1;
}

/* It says that it is as far as the others, and has not applied the last write. */
int tamper_a_state_is_that_of_an_earlier_revision(struct chronicle *history, struct prng *prng)
{
    struct state_report *report = pick(history, prng);
    const struct state_report *before = report == NULL ? NULL : find_before(history, report);
    if (before == NULL || before->revision == report->revision) {
        return 0;
    }
    report->hash = before->hash;
    return 1;
}

/* From then on its revisions are one less than those of the others. */
int tamper_a_replica_skips_a_write(struct chronicle *history, struct prng *prng)
{
    const struct state_report *first = pick(history, prng);
    if (first == NULL || first->revision <= CHRONICLE_BASE_REVISION + 1) {
        return 0;
    }
    const int64_t revision = first->revision;
    const uint32_t member = first->member;
    for (size_t i = 0; i < history->state_count; i++) {
        struct state_report *report = &history->states[i];
        report->revision -= report->member == member && report->revision >= revision;
    }
    return 1;
}

/* It says that it was compacted where the others were, and holds what it held before. */
int tamper_a_replica_keeps_what_was_compacted(struct chronicle *history, struct prng *prng)
{
    if (history->state_count == 0) {
        return 0;
    }
    const size_t from = (size_t)prng_below(prng, history->state_count);
    for (size_t i = 0; i < history->state_count; i++) {
        struct state_report *report = &history->states[(from + i) % history->state_count];
        const struct state_report *before = find_before(history, report);
        if (before != NULL && before->revision == report->revision &&
            before->hash != report->hash) {
            report->hash = before->hash;
            return 1;
        }
    }
    return 0;
}

/* Nobody else reports that one: it contradicts itself. */
int tamper_a_replica_reports_two_states(struct chronicle *history, struct prng *prng)
{
    const struct state_report *picked = pick(history, prng);
    if (picked == NULL) {
        return 0;
    }
    struct state_report report = *picked;
    size_t kept = 0;
    for (size_t i = 0; i < history->state_count; i++) {
        const struct state_report *it = &history->states[i];
        if (it->revision != report.revision || it->compacted != report.compacted ||
            it->member == report.member) {
            history->states[kept++] = *it;
        }
    }
    history->state_count = kept;
    report.hash = ~report.hash;
    chronicle_report(history, &report);
    return 1;
}

/* The others have gone on long since. */
int tamper_a_replica_comes_late_with_another_state(struct chronicle *history, struct prng *prng)
{
    const struct state_report *picked = pick(history, prng);
    if (picked == NULL) {
        return 0;
    }
    struct state_report report = *picked;
    report.member++;
    report.at_us = history->states[history->state_count - 1].at_us + 1;
    report.hash++;
    chronicle_report(history, &report);
    return 1;
}
